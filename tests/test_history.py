"""The events by which a file of a book became known come to the file, in whatever order they arrive."""

from __future__ import annotations

import datetime as dt
import json
import random
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from agreement import Generator, Large, constants_of, generated_book
from small_pack import FRAME, loan_file, small_pack

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.book.store import iter_files, open_book
from sancha.engine.policy.pack import load_pack
from sancha.engine.policy.vocabulary import Vocabulary
from sancha.engine.watch.events import FILE, Event, folded, order, read_event
from sancha.engine.watch.history import events_of

RULES = Path(__file__).parent.parent / "rules"
DEMO = Path(__file__).parent.parent / "demo" / "book"
AS_OF = dt.date(2024, 12, 31)
RULE = """
    rule: T-01
    judged on: as_of
    in force: {from: 2024-01-01}
    require: loan.amount > 0
"""


def line(event: Event) -> bytes:
    """An event as it is sent."""
    said = {
        "id": event.id,
        "loan": event.loan,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "data": event.data,
    }
    return json.dumps(
        said | ({} if event.item is None else {"item": event.item}), ensure_ascii=False
    ).encode()


def check(file: LoanFile, vocabulary: Vocabulary, rng: random.Random, as_of: dt.date = AS_OF) -> list[Event]:
    """Told, sent, read again in another order, and folded: the file itself."""
    events = events_of(file, vocabulary, as_of)
    assert events == sorted(events, key=order)
    assert len({event.id for event in events}) == len(events)
    assert events[0].kind == FILE
    shuffled = [read_event(line(event), vocabulary) for event in events]
    rng.shuffle(shuffled)
    assert folded(file.id, sorted(shuffled, key=order), vocabulary) == file
    return events


def test_a_file_is_told_day_by_day(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, RULE)
    file = loan_file(
        pack,
        {
            "visits": [
                {"date": dt.date(2024, 3, 5), "staff": ["S1", None]},
                {"done": True},
                {"date": dt.date(2024, 2, 1)},
            ],
            "payments": [],
        },
        loan__amount=Decimal("700000.00"),
        loan__grade=2,
        review__done_on=dt.date(2024, 3, 5),
        review__level=3,
    )
    events = check(file, pack.vocabulary, random.Random(1))
    told = [(e.id, e.at.date().isoformat(), e.kind, e.data, e.item) for e in events]
    assert told == [
        (
            "L1",
            "2024-02-01",
            "file",
            {"id": "L1", "loan": {"amount": "700000.00"}, "review": {}, "visits": [], "payments": []},
            None,
        ),
        ("L1/visits/2", "2024-02-01", "visits", {"done": True}, 2),
        ("L1/visits/3", "2024-02-01", "visits", {"date": "2024-02-01"}, 3),
        ("L1/review/review.done_on", "2024-03-05", "review", {"done_on": "2024-03-05", "level": 3}, None),
        ("L1/visits/1", "2024-03-05", "visits", {"date": "2024-03-05", "staff": ["S1", None]}, 1),
        ("L1/loan/as_of", "2024-12-31", "loan", {"grade": 2}, None),
    ]


def test_what_has_no_day_of_its_own_is_told_at_the_opening(tmp_path: Path) -> None:
    """A review whose day is missing, and a list that is missing: nothing else is known, so the day is that of the
    book."""
    pack = small_pack(tmp_path, RULE)
    file = loan_file(pack, {"visits": [{"done": True}]}, review__level=3)
    (event,) = check(file, pack.vocabulary, random.Random(1))
    assert event.at == dt.datetime(2024, 12, 31)
    assert event.data == {"id": "L1", "loan": {}, "review": {"level": 3}, "visits": [{"done": True}]}


def test_required_facts_are_told_at_the_opening(tmp_path: Path) -> None:
    """And on their day again: no file is without them."""
    frame = FRAME["vocabulary.yaml"].replace(
        "level: {type: integer, label: {en: level}}",
        "level: {type: integer, required: true, label: {en: level}}",
        1,
    )
    pack = small_pack(tmp_path, RULE, vocabulary_yaml=frame)
    assert pack.vocabulary.facts["review.level"].required
    file = loan_file(pack, review__level=3, review__done_on=dt.date(2024, 3, 5), loan__grade=1)
    events = check(file, pack.vocabulary, random.Random(1))
    assert [e.id for e in events] == ["L1", "L1/review/review.done_on", "L1/loan/as_of"]
    assert events[0].data["review"] == {"level": 3}


def test_ids_of_two_loans_keep_apart(tmp_path: Path) -> None:
    """Even where the number of one looks like an event of the other."""
    vocabulary = small_pack(tmp_path, RULE).vocabulary
    empty = LoanFile("", dict.fromkeys(vocabulary.facts), dict.fromkeys(vocabulary.lists))
    visits = {**empty.lists, "visits": [{"date": AS_OF, "staff": None, "done": None, "item": 1}]}
    one = events_of(LoanFile("A", empty.facts, visits), vocabulary, AS_OF)
    other = events_of(LoanFile("A/visits/1", empty.facts, empty.lists), vocabulary, AS_OF)
    assert one[1].id == "A/visits/1"
    assert {e.id for e in one}.isdisjoint(e.id for e in other)


@pytest.mark.parametrize("kind", [Generator, Large])
def test_generated_files(tmp_path: Path, kind: type[Generator]) -> None:
    pack = load_pack(RULES)
    generator = kind(11, constants_of(pack))
    book = generated_book(tmp_path / "book", pack.vocabulary, generator, 150)
    for file in iter_files(book, pack.vocabulary):
        check(file, pack.vocabulary, generator.random)


def test_files_of_the_demonstration_book() -> None:
    if not DEMO.exists():
        pytest.skip("needs demo/book; run `make demo`")
    vocabulary = load_pack(RULES).vocabulary
    book = open_book(DEMO, vocabulary)
    for file in islice(iter_files(book, vocabulary), 0, 300):
        check(file, vocabulary, random.Random(1), book.as_of)

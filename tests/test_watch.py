"""The watcher: alerts follow from the history of a file, in whatever order it comes to be known."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest
from agreement import Generator, constants_of, generated_book
from policies import policy
from watching import TODAY, Watching, day, event, opened, standing

from sancha.engine.book.store import Book, iter_files, read_reference
from sancha.engine.book.synthesize import synthesize
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.row import Evaluator
from sancha.engine.watch.book_events import BookSource, events_of_book, write_events
from sancha.engine.watch.events import event_json, folded, order, read_event

#: After all days of generated books.
LATER = dt.date(2030, 1, 1)
DEMONSTRATION = Path(__file__).resolve().parent.parent / "rules"


# -- alerts -----------------------------------------------------------------------------------------------------------


def test_an_alert_says_what_is_needed_to_act_on_it(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    (line,) = watching.take(opened(amount=101))
    assert line == {
        "line": 1,
        "id": "L1/W-1/2024-03-01",
        "status": "raised",
        "on": "2024-03-01",
        "rule": "W-1",
        "level": "orange",
        "loan": "L1",
        "owner": "B1",
        "raised_on": "2024-03-01",
        "due": "2024-03-06",  # three working days after a Friday
        "review_due": "2024-03-08",  # five
        "opened_by": "L1-open",
        "title": "Title",
        "clause": "one.1",
        "version": "2015-01-01",
        "explanation": "Found 101.00",
        "facts": {"loan.amount": "101.00"},
    }


def test_an_alert_whose_cause_goes_away_is_cleared_and_stays_open(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101))
    assert watching.told(event("e2", "2024-03-04", "loan", {"amount": 99})) == [("cleared", "2024-03-04")]
    assert watching.told(event("e3", "2024-03-05", "loan", {"amount": 150})) == [("again", "2024-03-05")]
    (alert,) = watching.alerts()
    assert alert.open and [(day(s.start), day(s.until)) for s in alert.spells] == [
        ("2024-03-01", "2024-03-04"),
        ("2024-03-05", None),
    ]


def test_a_breach_that_lasts_is_told_once(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    assert len(watching.take(opened(amount=101))) == 1
    assert watching.take(event("e2", "2024-03-04", "loan", {"amount": 102})) == []


def test_what_comes_and_goes_in_one_batch_is_told_where_the_days_differ(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened())
    told = watching.told(
        event("e2", "2024-03-04", "loan", {"amount": 101}), event("e3", "2024-03-05", "loan", {"amount": 99})
    )
    assert told == [("raised", "2024-03-04"), ("cleared", "2024-03-05")]
    # A file is judged on a day by what was known at its end.
    same = watching.told(
        event("e4", "2024-03-06T09:00:00", "loan", {"amount": 101}),
        event("e5", "2024-03-06T10:00:00", "loan", {"amount": 99}),
    )
    assert same == []


def test_time_alone_makes_obligations_fall_due(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(), event("p1", "2024-03-04", "payments", {"number": "1", "date": "2024-03-04"}))
    # The payment is to be followed by a visit until the 14th; that it was not is known on the 15th.
    assert watching.take(event("t1", "2024-03-14", "tick", loan=None)) == []
    (line,) = watching.take(event("t2", "2024-03-20", "tick", loan=None))
    assert (line["status"], line["on"], line["opened_by"]) == ("raised", "2024-03-15", None)


def test_a_visit_in_time_leaves_no_alert(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(), event("p1", "2024-03-04", "payments", {"number": "1", "date": "2024-03-04"}))
    watching.take(event("v1", "2024-03-14", "visits", {"date": "2024-03-14"}))
    assert watching.take(event("t", "2024-06-01", "tick", loan=None)) == []


@pytest.mark.parametrize(
    ("tick", "raised"),
    [("daily", "2024-03-15"), ("weekly", "2024-03-18"), ("monthly", "2024-04-01"), ("none", "2024-05-20")],
)
def test_ticks_say_when_time_is_looked_at(tick: str, raised: str, tmp_path: Path) -> None:
    watching = Watching(tmp_path, tick=tick)
    watching.take(opened(), event("p1", "2024-03-04", "payments", {"number": "1", "date": "2024-03-04"}))
    watching.take(opened(loan="L2", at="2024-05-03"))  # another loan's event is what time passes by
    watching.take(event("t", "2024-05-20", "tick", loan=None))
    assert [(line["status"], line["on"]) for line in watching.lines[:1]] == [("raised", raised)]


def test_an_unknown_tick(tmp_path: Path) -> None:
    with pytest.raises(SanchaError, match="hourly"):
        Watching(tmp_path, tick="hourly")


# -- what comes late --------------------------------------------------------------------------------------------------


def test_an_alert_is_withdrawn_where_an_event_comes_late(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(), event("p1", "2024-03-04", "payments", {"number": "1", "date": "2024-03-04"}))
    watching.take(event("t", "2024-03-20", "tick", loan=None))
    (line,) = watching.take(event("v1", "2024-03-10", "visits", {"date": "2024-03-10"}))
    assert (line["status"], line["id"]) == ("withdrawn", "L1/T-1/2024-03-15")
    assert line["why"] == "it would not have been so had `v1` of 2024-03-10 been known"
    assert watching.alerts() == []


def test_an_event_of_the_same_day_withdraws_too(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101, at="2024-03-01T09:00:00"))
    assert watching.told(event("e2", "2024-03-01T10:00:00", "loan", {"amount": 100}))[0][0] == "withdrawn"


def test_a_late_event_moves_the_day_of_an_alert(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened())
    watching.take(event("e3", "2024-03-20", "loan", {"amount": 120}))
    (changed,) = watching.take(event("e2", "2024-03-19", "loan", {"amount": 110}))
    assert (changed["status"], changed["id"]) == ("changed", "L1/W-1/2024-03-20")
    assert (changed["raised_on"], changed["opened_by"]) == ("2024-03-19", "e2")
    assert changed["facts"] == {"loan.amount": "110.00"}


def test_a_late_event_takes_back_that_an_alert_was_cleared(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101))
    watching.take(
        event("e3", "2024-03-05", "loan", {"other": 1}), event("e2", "2024-03-04", "loan", {"amount": 90})
    )
    (changed,) = watching.take(event("e1", "2024-03-04T12:00:00", "loan", {"amount": 130}))
    assert changed["status"] == "changed"
    assert changed["no_longer"] == [{"status": "cleared", "on": "2024-03-04"}]


def test_a_late_breach_is_raised_on_its_day(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened())
    watching.take(event("e3", "2024-05-06", "loan", {"amount": 60}))
    told = watching.told(event("e2", "2024-05-02", "loan", {"amount": 160}))
    assert told == [("raised", "2024-05-02"), ("cleared", "2024-05-06")]


def test_an_event_waits_for_its_loan(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(event("e2", "2024-03-04", "loan", {"amount": 101}))
    assert watching.letters() == [("test:1", "unknown loan")]
    assert watching.told(opened()) == [("raised", "2024-03-04")]
    assert watching.letters() == []
    assert watching.watcher.summary.letters.total() == 0


def test_rows_of_reference_lists_move_every_file(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(kind="a"), opened(kind="a", loan="L2"), opened(loan="L3"))
    row = event("r1", "2024-03-05", "people", {"id": "P", "level": 2}, loan=None)
    assert watching.told(row, fields=("loan", "status", "on")) == [
        ("L1", "raised", "2024-03-05"),
        ("L2", "raised", "2024-03-05"),
    ]
    late = event("r2", "2024-03-04", "people", {"id": "Q", "level": 3}, loan=None)
    assert watching.told(late, fields=("loan", "status")) == [("L1", "withdrawn"), ("L2", "withdrawn")]


# -- closing and escalation -------------------------------------------------------------------------------------------


def closed(id: str, at: str, alert: str = "L1/W-1/2024-03-01", **data: Any) -> bytes:
    said = {"alert": alert, "reason": "paid down", "closed_by": "B1", "second": "B9", **data}
    return event(id, at, "close", {name: value for name, value in said.items() if value is not None})


def test_an_alert_is_closed_with_a_reason_by_two_people(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101))
    (line,) = watching.take(closed("c1", "2024-03-04"))
    assert {name: line[name] for name in ("status", "on", "by", "reason", "closed_by", "second", "due")} == {
        "status": "closed",
        "on": "2024-03-04",
        "by": "c1",
        "reason": "paid down",
        "closed_by": "B1",
        "second": "B9",
        "due": None,
    }
    # While the breach lasts there is nothing new; when it comes again there is.
    assert watching.take(event("e2", "2024-03-05", "loan", {"amount": 110})) == []
    assert watching.take(event("e3", "2024-03-06", "loan", {"amount": 90})) == []
    assert watching.told(event("e4", "2024-03-07", "loan", {"amount": 120}), fields=("status", "id")) == [
        ("raised", "L1/W-1/2024-03-07")
    ]


@pytest.mark.parametrize(
    ("close", "reason"),
    [
        (closed("c1", "2024-03-04", reason=None), "bad close"),
        (closed("c1", "2024-03-04", reason=" "), "bad close"),
        (closed("c1", "2024-03-04", second=None), "bad close"),
        (closed("c1", "2024-03-04", second="B1", closed_by="B2"), "bad close"),
        (closed("c1", "2024-03-04", second="B2", closed_by="B2"), "bad close"),
        (closed("c1", "2024-02-29"), "bad close"),
        (closed("c1", "2024-03-04", witness="X"), "bad close"),
        (closed("c1", "2024-03-04", alert="L1/W-1/2024-03-02"), "unknown alert"),
    ],
    ids=[
        "no reason",
        "a blank reason",
        "no second",
        "the owner",
        "one person",
        "before",
        "more",
        "no such alert",
    ],
)
def test_a_close_that_lacks_something_is_a_dead_letter(close: bytes, reason: str, tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101))
    assert watching.take(close) == []
    assert watching.letters() == [("test:2", reason)]
    assert all(alert.open for alert in watching.alerts())


def test_a_close_waits_for_its_alert(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened())
    watching.take(closed("c1", "2024-03-06", alert="L1/W-1/2024-03-05"))
    told = watching.told(event("e2", "2024-03-05", "loan", {"amount": 101}))
    assert told == [("raised", "2024-03-05"), ("closed", "2024-03-06")]
    assert watching.letters() == []


def test_an_alert_is_closed_once(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101), closed("c1", "2024-03-04"), closed("c2", "2024-03-05"))
    assert watching.letters() == [("test:3", "bad close")]


def test_what_is_not_closed_in_time_goes_up(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101))
    told = watching.told(
        event("t", "2024-04-30", "tick", loan=None),
        fields=("status", "on", "level", "due", "review_due", "overdue"),
    )
    assert told == [
        ("escalated", "2024-03-07", "red", "2024-03-08", "2024-03-14", None),
        ("escalated", "2024-03-09", "red", None, None, True),
    ]


def test_a_close_that_comes_late_takes_an_escalation_back(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101), event("t", "2024-03-08", "tick", loan=None))
    assert [line["status"] for line in watching.lines] == ["raised", "escalated"]
    changed, close = watching.take(closed("c1", "2024-03-06"))
    assert changed["status"] == "changed" and close["status"] == "closed"
    assert changed["no_longer"] == [{"status": "escalated", "on": "2024-03-07"}]
    assert close["level"] == "orange"
    assert watching.take(event("t2", "2024-04-30", "tick", loan=None)) == []


def test_a_close_that_comes_late_parts_what_came_after(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101))
    watching.take(event("e2", "2024-03-04", "loan", {"amount": 90}))
    watching.take(event("e3", "2024-03-06", "loan", {"amount": 120}))
    told = watching.told(closed("c1", "2024-03-05"), fields=("status", "on", "id"))
    assert told == [
        ("changed", "2024-03-06", "L1/W-1/2024-03-01"),
        ("closed", "2024-03-05", "L1/W-1/2024-03-01"),
        ("raised", "2024-03-06", "L1/W-1/2024-03-06"),
    ]


def test_a_level_goes_down_after_two_clean_observations_only(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101), event("t", "2024-03-07", "tick", loan=None))
    told = [
        *watching.told(event("e2", "2024-03-07", "loan", {"amount": 90}), fields=("status", "on", "level")),
        *watching.told(
            event("e3", "2024-03-07T10:00:00", "loan", {"amount": 91}), fields=("status", "on", "level")
        ),
        *watching.told(event("e4", "2024-03-08", "loan", {"amount": 92}), fields=("status", "on", "level")),
    ]
    assert told == [("cleared", "2024-03-07", "red"), ("lowered", "2024-03-08", "orange")]


def test_levels_by_impact_and_days_by_parameters(tmp_path: Path) -> None:
    pack = load_pack(DEMONSTRATION)
    terms = Watching(tmp_path, pack).watcher.terms
    levels = {rule: terms.levels[rule] for rule in ("W-01", "W-02", "CLS-02", "PST-01")}
    assert levels == {"W-01": "orange", "W-02": "red", "CLS-02": "red", "PST-01": "yellow"}
    friday = dt.date(
        2024, 9, 27
    ).toordinal()  # the next Sunday is worked, and the first week of October is free
    assert [day(terms.due(level, friday)) for level in ("red", "orange", "yellow")] == [
        "2024-09-29",
        "2024-10-08",
        "2024-10-16",
    ]
    beyond = dt.date(2027, 1, 1).toordinal()  # the calendar does not speak for it: Monday to Friday
    assert day(terms.due("orange", beyond)) == "2027-01-06"


def test_the_owner_of_an_open_alert_changes_with_the_file(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(amount=101))
    (line,) = watching.take(event("e2", "2024-03-04", "loan", {"branch": "B2"}))
    assert (line["status"], line["owner"], line["why"]) == ("changed", "B2", "the owner was B1")


# -- books ------------------------------------------------------------------------------------------------------------


def test_a_book_is_watched_as_the_file_of_its_events_is(tmp_path: Path) -> None:
    pack = load_pack(DEMONSTRATION)
    synthesize(200, 3, tmp_path / "book", pack.vocabulary)
    count = write_events(tmp_path / "book", pack.vocabulary, tmp_path / "events.jsonl")
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    places = [order(read_event(line, pack.vocabulary)) for line in lines]
    assert len(lines) == count and places == sorted(places)
    from_file, from_book = Watching(tmp_path / "file", pack), Watching(tmp_path / "from book", pack)
    for start in range(0, count, 1_000):
        from_file.take(*lines[start : start + 1_000])
    for batch in BookSource(tmp_path / "book", pack.vocabulary):
        from_book.watcher.take(batch)
    assert standing(from_file) == standing(from_book)
    assert len(from_file.alerts()) > 50
    assert from_book.letters() == from_file.letters() == []


# -- it agrees --------------------------------------------------------------------------------------------------------


def lines_of(book: Book, pack: Pack, files: int) -> list[bytes]:
    """The events of a book's first files and its reference lists, as lines."""
    wanted = {file.id for _, file in zip(range(files), iter_files(book, pack.vocabulary), strict=False)}
    events = (e for e in events_of_book(book, pack.vocabulary) if not e.loan or e.loan in wanted)
    return [event_json(e).encode() for e in events]


def by_definition(book: Book, pack: Pack, files: int, lines: list[bytes]) -> list[Any]:
    """The days of breach of each file and rule, by judging every rule on every day."""
    events = [read_event(line, pack.vocabulary) for line in lines]
    clock = max(e.at.toordinal() for e in events)
    reference = read_reference(book, pack.vocabulary)
    evaluator = Evaluator(pack)
    found = []
    for _, file in zip(range(files), iter_files(book, pack.vocabulary), strict=False):
        own = sorted((e for e in events if e.loan == file.id), key=order)
        spells: dict[str, list[list[int | None]]] = {}
        for ordinal in range(own[0].at.toordinal(), clock + 1):
            known = folded(file.id, [e for e in own if e.at.toordinal() <= ordinal], pack.vocabulary)
            for judged in evaluator.judge(known, reference, dt.date.fromordinal(ordinal)):
                days = spells.setdefault(judged.rule, [])
                if judged.outcome is Outcome.BREACH and (not days or days[-1][1] is not None):
                    days.append([ordinal, None])
                elif judged.outcome is not Outcome.BREACH and days and days[-1][1] is None:
                    days[-1][1] = ordinal
        found += [
            (file.id, rule, [(day(a), day(b)) for a, b in days]) for rule, days in spells.items() if days
        ]
    return sorted(found)


def told(watching: Watching) -> list[Any]:
    """The same of the watcher's alerts."""
    spells: dict[tuple[str, str], list[Any]] = {}
    for alert in sorted(watching.alerts(), key=lambda alert: alert.since):
        days = spells.setdefault((alert.loan, alert.rule), [])
        days += [(day(s.start), day(s.until)) for s in alert.spells]
    return sorted((*key, days) for key, days in spells.items())


def shuffled(lines: list[bytes], seed: int, folder: Path, pack: Pack) -> Watching:
    """The lines in another order, in batches of one to forty, with files leaving the memory, and some of them twice."""
    draw = random.Random(seed)
    watching = Watching(folder, pack, most_files=2, today=lambda: LATER)
    lines = lines + draw.sample(lines, len(lines) // 10)
    draw.shuffle(lines)
    while lines:
        size = draw.choice([1, 2, 5, 40])
        watching.take(*lines[:size])
        lines = lines[size:]
        if draw.random() < 0.05:
            watching.again()
    return watching


def hold(book: Book, pack: Pack, files: int, tmp_path: Path, seeds: int = 3) -> int:
    """Asserts that the watcher finds what the definition does, in any order; gives how many alerts it was about."""
    lines = lines_of(book, pack, files)
    in_order = Watching(tmp_path / "in order", pack, today=lambda: LATER)
    by_time = sorted(lines, key=lambda line: order(read_event(line, pack.vocabulary)))
    in_order.take(*by_time)
    assert told(in_order) == by_definition(book, pack, files, lines)
    for seed in range(seeds):
        other = shuffled(lines, seed, tmp_path / str(seed), pack)
        assert standing(other) == standing(in_order)
        assert other.letters() == []
        assert other.watcher.summary.letters.total() == 0
        assert other.store.last_event() == len(lines)
    return len(in_order.alerts())


def test_the_demonstration_pack_in_any_order(tmp_path: Path) -> None:
    pack = load_pack(DEMONSTRATION)
    book = generated_book(
        tmp_path / "book", pack.vocabulary, Generator(1, constants_of(pack)), 4, as_of=TODAY
    )
    assert hold(book, pack, 4, tmp_path) > 40


@pytest.mark.parametrize("seed", range(4))
def test_random_policies_in_any_order(seed: int, tmp_path: Path) -> None:
    pack = policy(tmp_path / "pack", seed, rules=20)
    book = generated_book(
        tmp_path / "book", pack.vocabulary, Generator(seed, constants_of(pack)), 6, as_of=TODAY
    )
    assert hold(book, pack, 6, tmp_path) > 5

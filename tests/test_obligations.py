"""Obligations item by item say what the outcome of their rule sums up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest
from agreement import Generator, Varied, constants_of, generated_book
from policies import policy
from small_pack import loan_file, small_pack

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.book.store import Book, iter_files, open_book, read_reference
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.obligations import Obligation, Obligations, State
from sancha.engine.run.row import Evaluator

RULES = Path(__file__).parent.parent / "rules"
DEMO = Path(__file__).parent.parent / "demo" / "book"

EACH_PAYMENT_IS_VISITED = """
    rule: T-01
    kind: trigger
    in force: {from: 2024-01-01}
    for each: p in payments[amount > 0]
    applies when: loan.kind = "a"
    from: p.date
    within: '@"P10D"'
    expect: some v in visits satisfies v.date in [p.date..due]
"""


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(f"2024-{text}")


def found(pack: Pack, file: LoanFile, as_of: dt.date) -> list[Obligation]:
    return Obligations(lower(pack), pack.calendar).of(file, {}, as_of)


def test_states_item_by_item(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, EACH_PAYMENT_IS_VISITED)
    payments = [
        {"date": day("02-01"), "amount": 5},
        {"date": day("03-01"), "amount": 5},
        {"date": day("04-01"), "amount": 5},
        {"date": day("12-24"), "amount": 5},
        {"date": dt.date(2023, 5, 1), "amount": 5},
        {"date": day("02-01"), "amount": 0},
        {"date": day("02-01")},
        {"date": dt.date(2025, 1, 5), "amount": 5},
    ]
    visits = [{"date": day("02-11")}, {"date": day("03-12")}]
    file = loan_file(pack, {"payments": payments, "visits": visits}, loan__kind="a")
    states = {o.item: (o.opened_on, o.due, o.state) for o in found(pack, file, day("03-31"))}
    assert states == {
        1: (day("02-01"), day("02-11"), State.MET),
        2: (day("03-01"), day("03-11"), State.MET_LATE),
        5: (dt.date(2023, 5, 1), dt.date(2023, 5, 11), State.NOT_APPLICABLE),
        7: (day("02-01"), day("02-11"), State.UNKNOWN),
    }
    assert [o.state for o in found(pack, file, day("04-11")) if o.item == 3] == [State.OPEN]
    assert [o.state for o in found(pack, file, day("04-12")) if o.item == 3] == [State.MISSED]
    assert found(pack, file, day("04-12"))[0].key == ("T-01", "2024-01-01", "payments", 1)


def test_of_a_file_that_does_not_apply_or_lacks_the_list(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, EACH_PAYMENT_IS_VISITED)
    paid = {"payments": [{"date": day("02-01"), "amount": 5}], "visits": []}
    assert [o.state for o in found(pack, loan_file(pack, paid, loan__kind="b"), day("12-31"))] == [
        State.NOT_APPLICABLE
    ]
    (missing,) = found(pack, loan_file(pack, {"visits": []}, loan__kind="a"), day("12-31"))
    assert (missing.list, missing.item, missing.due, missing.state) == ("payments", None, None, State.UNKNOWN)


def test_what_is_expected_sees_whole_lists(tmp_path: Path) -> None:
    """The list of the items too."""
    rule = EACH_PAYMENT_IS_VISITED.replace(
        "some v in visits satisfies v.date in [p.date..due]", "count(payments[date in [p.date..due]]) = 2"
    )
    pack = small_pack(tmp_path, rule)
    payments = [{"date": day("02-01"), "amount": 5}, {"date": day("02-05"), "amount": 5}]
    file = loan_file(pack, {"payments": payments, "visits": []}, loan__kind="a")
    assert [o.state for o in found(pack, file, day("12-31"))] == [State.MET, State.MISSED]


def test_once_a_file(tmp_path: Path) -> None:
    pack = small_pack(
        tmp_path,
        """
        rule: T-02
        kind: trigger
        in force: {from: 2024-01-01}
        applies when: loan.decided_on != null
        from: loan.decided_on
        within: 3 working days
        expect: review.done_on != null and review.done_on <= due
        """,
    )
    file = loan_file(pack, loan__decided_on=day("09-30"), review__done_on=day("10-11"))
    (late,) = found(pack, file, day("12-31"))
    assert late == Obligation("T-02", "2024-01-01", None, None, day("09-30"), day("10-10"), State.MET_LATE)
    # The review is not known yet on the last day to respond.
    assert [o.state for o in found(pack, file, day("10-10"))] == [State.OPEN]


def agree(pack: Pack, files: Iterable[LoanFile], book: Book, as_of: dt.date, hindsight: bool = False) -> int:
    """Obligations against the outcomes of the row evaluator; how many rules were compared."""
    evaluator = Evaluator(pack, hindsight=hindsight)
    obligations = Obligations(evaluator.plan, pack.calendar)
    reference = read_reference(book, pack.vocabulary)
    compared = 0
    for file in files:
        for judged in evaluator.judge(file, reference, as_of, obligations.rules):
            states = {o.state for o in obligations.of(file, reference, as_of, [judged.rule])}
            assert judged.outcome in outcomes(states), (file.id, judged, states)
            compared += 1
    return compared


def outcomes(states: set[State]) -> set[Outcome]:
    """The outcomes that a rule may have."""
    if states & {State.MISSED, State.MET_LATE}:
        return {Outcome.BREACH, Outcome.WAIVED}
    if State.UNKNOWN in states:
        # Nothing may be missed even so: an item that perhaps does not apply has got what is expected of it.
        settled = {State.OPEN: Outcome.NOT_DUE, State.MET: Outcome.PASS}
        return {Outcome.UNKNOWN, *(outcome for state, outcome in settled.items() if state in states)}
    if State.OPEN in states:
        return {Outcome.NOT_DUE}
    return {Outcome.PASS} if State.MET in states else {Outcome.NOT_APPLICABLE}


@pytest.mark.parametrize("seed", range(300, 306))
def test_generated_policies(tmp_path: Path, seed: int) -> None:
    pack = policy(tmp_path / "pack", seed, 16)
    values = Varied(seed, constants_of(pack))
    as_of = dt.date(2024, 6, 30)
    book = generated_book(tmp_path / "book", pack.vocabulary, values, 150, as_of=as_of, references=3)
    agree(pack, iter_files(book, pack.vocabulary), book, as_of, hindsight=seed % 3 == 0)


def test_generated_files(tmp_path: Path) -> None:
    pack = load_pack(RULES)
    book = generated_book(tmp_path / "book", pack.vocabulary, Generator(3, constants_of(pack)), 300)
    assert agree(pack, iter_files(book, pack.vocabulary), book, book.as_of) > 1000


def test_files_of_the_demonstration_book() -> None:
    if not DEMO.exists():
        pytest.skip("needs demo/book; run `make demo`")
    pack = load_pack(RULES)
    book = open_book(DEMO, pack.vocabulary)
    assert agree(pack, islice(iter_files(book, pack.vocabulary), 300), book, book.as_of) > 1000

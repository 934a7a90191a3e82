"""A day that notes what it is compared with: on all the days until it wakes, a rule has the same outcome."""

from __future__ import annotations

import datetime as dt
import operator
from pathlib import Path

import pytest
from agreement import Generator, Varied, constants_of, generated_book
from hypothesis import given
from hypothesis import strategies as st
from policies import policy
from small_pack import small_pack

from sancha.engine.book.store import iter_files, read_reference
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.run.row import Evaluator
from sancha.engine.watch.clock import NEVER, Clock, RuleClock

RULES = Path(__file__).resolve().parent.parent / "rules"
COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)


@given(st.integers(-40, 40), st.sampled_from(COMPARISONS), st.booleans())
def test_a_comparison_with_a_day(days: int, compare: operator.attrgetter, swapped: bool) -> None:
    clock, other = Clock.on(730_000), dt.date.fromordinal(730_000 + days)
    answers = [
        compare(*((other, day) if swapped else (day, other)))
        for day in map(dt.date.fromordinal, range(730_000, 730_100))
    ]
    assert compare(*((other, clock) if swapped else (clock, other))) == answers[0]
    changes = [n for n in range(1, 100) if answers[n] != answers[0]]
    assert clock.wake == (730_000 + changes[0] if changes else NEVER)


@given(
    st.integers(-40, 40),
    st.decimals(-50, 50, places=1),
    st.sampled_from(COMPARISONS),
    st.booleans(),
    st.booleans(),
)
def test_a_comparison_of_days_since_or_until(
    days: int, number: object, compare: operator.attrgetter, until: bool, swapped: bool
) -> None:
    clock, other = Clock.on(730_000), dt.date.fromordinal(730_000 + days)

    def answer(day: dt.date) -> bool:
        span = (other - day).days if until else (day - other).days
        return compare(*((number, span) if swapped else (span, number)))

    answers = [answer(dt.date.fromordinal(day)) for day in range(730_000, 730_200)]
    assert answer(clock) == answers[0]
    changes = [n for n in range(1, 200) if answers[n] != answers[0]]
    # Of equality only the next day and the day of it are looked at, never later than the change.
    if compare in (operator.eq, operator.ne):
        assert clock.wake <= (730_000 + changes[0] if changes else NEVER)
    else:
        assert clock.wake == (730_000 + changes[0] if changes else NEVER)


def hold(pack: Pack, folder: Path, generator: Generator, files: int, days: int = 400) -> tuple[int, int]:
    """Asserts that outcomes hold until the clock wakes; gives how many were compared, and how many evaluations told."""
    book = generated_book(folder, pack.vocabulary, generator, files)
    reference = read_reference(book, pack.vocabulary)
    evaluator = Evaluator(pack)
    compared = asked = 0
    first = dt.date(2023, 12, 1).toordinal()
    for plan in lower(pack).rules:
        clock, outcome = RuleClock(plan, pack), evaluator.rules[plan.id].outcome
        for file in iter_files(book, pack.vocabulary):
            day = first
            while day < first + days:
                found, wake = clock.judge(file.facts, file.lists, reference, Clock.on(day))
                asked += 1
                assert wake > day
                for ordinal in range(day, min(wake, first + days)):
                    as_of = dt.date.fromordinal(ordinal)
                    assert outcome(file.facts, file.lists, reference, as_of)[0] == found, (
                        plan.id,
                        file.id,
                        as_of,
                    )
                    compared += 1
                day = wake
    return compared, asked


def test_the_demonstration_pack(tmp_path: Path) -> None:
    pack = load_pack(RULES)
    compared, asked = hold(pack, tmp_path / "book", Generator(1, constants_of(pack)), 4)
    assert compared == 4 * 94 * 400
    assert asked < compared / 50, "most rules are not asked on most days"


@pytest.mark.parametrize("seed", range(6))
def test_random_policies(seed: int, tmp_path: Path) -> None:
    pack = policy(tmp_path / "pack", seed)
    hold(pack, tmp_path / "book", Varied(seed, constants_of(pack)), 3)


def test_a_rule_that_computes_with_the_day_is_asked_daily(tmp_path: Path) -> None:
    pack = small_pack(
        tmp_path,
        """
        rule: A-1
        judged on: as_of
        in force: {from: 2015-01-01}
        require: loan.decided_on + @"P30D" >= as_of
        """,
        """
        rule: A-2
        judged on: as_of
        in force: {from: 2015-01-01}
        require: months between(loan.decided_on, as_of) <= 3
        """,
        """
        rule: A-3
        judged on: as_of
        in force: {from: 2015-01-01}
        require: days between(loan.decided_on, as_of) <= 90
        """,
    )
    daily = {plan.id: RuleClock(plan, pack).daily for plan in lower(pack).rules}
    assert daily == {"A-1": False, "A-2": True, "A-3": False}

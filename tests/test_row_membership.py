"""A value looked up among many constants and ranges, against the same comparisons one by one; and parts that several
places share, computed once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.operators import resolve
from sancha.engine.policy.blame import blame
from sancha.engine.run.index import Interval
from sancha.engine.run.membership import Ranges, container
from sancha.engine.run.to_python import compile_core, compile_cores, source_of

TYPES = {
    "money": (t.MONEY, st.integers(-300, 300).map(lambda n: Decimal(n).scaleb(-2))),
    "number": (
        t.NUMBER,
        st.sampled_from([Decimal(x) for x in ("1", "1.0", "1E+1", "10", "-0", "0", "1e-30")]),
    ),
    "integer": (t.INTEGER, st.integers(-9, 9)),
    "date": (t.DATE, st.integers(0, 20).map(lambda n: date(2024, 2, 20) + timedelta(days=n))),
    "date-time": (t.DATE_TIME, st.integers(0, 9).map(lambda n: datetime(2024, 2, 29) + timedelta(seconds=n))),
    "text": (t.TEXT, st.text("ab三\U00010400\uffff", max_size=3)),
}
CMP = ("=", "<", "<=", ">", ">=")


def compare(sign: str, left: c.Core, right: c.Core) -> c.Op:
    row = resolve(sign, (left.type, right.type))
    assert row is not None
    return c.Op(t.BOOLEAN, row, (left, right))


#: A disjunction over the fact `x`, its members, and values of the fact.
Drawn = tuple[c.Or, list[c.Core], list[Any]]
X = c.Fact(t.TEXT, "x")


@st.composite
def disjunctions(draw: st.DrawFn) -> Drawn:
    type_, values = TYPES[draw(st.sampled_from(sorted(TYPES)))]
    operand = c.Fact(type_, "x")

    def comparison(signs: tuple[str, ...]) -> c.Op:
        bound = c.Const(type_, draw(values))
        sign = draw(st.sampled_from(signs))
        return compare(sign, operand, bound) if draw(st.booleans()) else compare(sign, bound, operand)

    def member() -> c.Core:
        if draw(st.booleans()):
            return comparison(("=", "=", "=", *CMP))
        return c.And(t.BOOLEAN, tuple(comparison(CMP) for _ in range(draw(st.integers(2, 3)))))

    members = [member() for _ in range(draw(st.integers(2, 30)))]
    return c.Or(t.BOOLEAN, tuple(members)), members, [None, *draw(st.lists(values, min_size=1, max_size=20))]


@given(disjunctions())
def test_a_lookup_says_what_the_comparisons_say(drawn: Drawn) -> None:
    whole, members, values = drawn
    function, single = compile_core(whole), [compile_core(member) for member in members]
    for value in values:
        facts = {"x": value}
        found = [f(facts, {}, {}, None) for f in single]
        wanted = True if True in found else None if None in found else False
        assert function(facts, {}, {}, None) is wanted


@given(disjunctions())
def test_what_cannot_be_looked_up_is_compared(drawn: Drawn) -> None:
    """One member that speaks of something else, or of a missing value."""
    whole, members, values = drawn
    others: list[c.Core] = [
        c.Fact(t.BOOLEAN, "y"),
        c.Is(t.BOOLEAN, X, None),
        c.Const(t.BOOLEAN, None),
    ]
    for other in others:
        function, plain = compile_core(c.Or(t.BOOLEAN, (*members, other))), compile_core(whole)
        alone = compile_core(other)
        for value in values:
            facts = {"x": value, "y": None}
            found = [plain(facts, {}, {}, None), alone(facts, {}, {}, None)]
            wanted = True if True in found else None if None in found else False
            assert function(facts, {}, {}, None) is wanted


BOUND = st.none() | st.integers(0, 12)


@given(
    st.lists(st.builds(Interval, BOUND, BOUND, st.booleans(), st.booleans()), max_size=8), st.integers(-1, 13)
)
def test_ranges_are_the_union_of_their_intervals(intervals: list[Interval], value: int) -> None:
    def holds(i: Interval) -> bool:
        above = i.low is None or value > i.low or (i.low_closed and value == i.low)
        return above and (i.high is None or value < i.high or (i.high_closed and value == i.high))

    assert (value in Ranges(intervals)) == any(map(holds, intervals)) == (value in container(intervals))


def many(count: int) -> c.Or:
    """`x in ([0..5), [10..15), …)`"""
    operand = c.Fact(t.INTEGER, "x")
    bounds = [(c.Const(t.INTEGER, 10 * i), c.Const(t.INTEGER, 10 * i + 5)) for i in range(count)]
    ranges = [c.conj(compare(">=", operand, low), compare("<", operand, high)) for low, high in bounds]
    return c.Or(t.BOOLEAN, tuple(ranges))


def test_the_length_of_a_program_does_not_grow_with_the_ranges() -> None:
    few, lots = source_of([many(10)]), source_of([many(4_000)])
    assert lots.count("\n") == few.count("\n") < 6


def test_what_is_blamed_asks_for_the_whole_once() -> None:
    lines = [source_of([core for _, core in blame(many(n), {})]).count("\n") for n in (50, 100)]
    assert lines[1] < 2.1 * lines[0]


def test_a_part_in_many_places_is_written_once() -> None:
    text = c.Fact(t.TEXT, "p")
    part = compare("<=", c.Fact(t.INTEGER, "x"), c.Fact(t.INTEGER, "y"))
    choice = c.If(t.BOOLEAN, compare("=", text, c.Const(t.TEXT, "a")), part, c.Not(t.BOOLEAN, part))
    cores = [c.Is(t.BOOLEAN, choice, truth) for truth in (True, False, None)]
    source = source_of([c.conj(choice, core) for core in cores])
    assert source.count("'a'") == 1 and source.count("<=") <= 2


@pytest.mark.parametrize(("x", "y", "wanted"), [(1, 2, (4, 9)), (None, 2, (None, 9)), (1, None, (4, None))])
def test_equal_parts_over_other_items_are_other_parts(x: int | None, y: int | None, wanted: Any) -> None:
    """`sum(for v in a return v.n + 1)` and the same over `b`: the item has one name in both."""
    plus = resolve("+", (t.INTEGER, t.INTEGER))
    assert plus is not None

    def total(name: str) -> c.Core:
        item = c.Op(t.INTEGER, plus, (c.Field(t.INTEGER, "v", "n", name), c.Const(t.INTEGER, 1)))
        return c.Agg(t.INTEGER, "sum", c.Comp(c.ListFact(name), "v", None, item))

    a, b = [{"n": x}, {"n": 1}], [{"n": y}, {"n": 5}]
    assert compile_cores([total("a"), total("b")])({}, {"a": a, "b": b}, {}, None) == wanted


def test_equal_parts_under_other_bindings_are_other_parts() -> None:
    one = c.Const(t.INTEGER, 1)
    plus = resolve("+", (t.INTEGER, t.INTEGER))
    assert plus is not None
    body = c.Op(t.INTEGER, plus, (c.Var(t.INTEGER, "n"), one))
    lets = [c.Let(t.INTEGER, "n", c.Fact(t.INTEGER, name), body) for name in ("x", "y", "x")]
    assert compile_cores([*lets, body], [("n", c.Const(t.INTEGER, 40))])(
        {"x": 1, "y": None}, {}, {}, None
    ) == (
        2,
        None,
        2,
        41,
    )

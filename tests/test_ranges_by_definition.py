"""The relations of ranges and points, all pairs over a few ends, by the formulas of DMN 1.5, 10.3.4.7."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal

import pytest

from sancha.engine.feel.values import Range
from sancha.engine.run.dynamic import compile_text

ENDS = [(a, b) for a, b in itertools.combinations_with_replacement(range(1, 5), 2)]
RANGES = [
    Range(Decimal(low), Decimal(high), low_closed, high_closed)
    for (low, high), low_closed, high_closed in itertools.product(ENDS, (False, True), (False, True))
]
POINTS = [Decimal(n) / 2 for n in range(1, 10)]


def reaches(a: Range, b: Range) -> bool:
    """The end of a is not before the start of b."""
    return a.high > b.low or (a.high == b.low and a.high_closed and b.low_closed)


def starts_first(a: Range, b: Range) -> bool:
    return a.low < b.low or (a.low == b.low and a.low_closed and not b.low_closed)


def ends_within(a: Range, b: Range) -> bool:
    return a.high < b.high or (a.high == b.high and (not a.high_closed or b.high_closed))


def starts_within(a: Range, b: Range) -> bool:
    return a.low > b.low or (a.low == b.low and (not a.low_closed or b.low_closed))


def before(a: Range, b: Range) -> bool:
    return a.high < b.low or (a.high == b.low and (not a.high_closed or not b.low_closed))


def meets(a: Range, b: Range) -> bool:
    return a.high == b.low and a.high_closed and b.low_closed


def overlaps_before(a: Range, b: Range) -> bool:
    return starts_first(a, b) and reaches(a, b) and ends_within(a, b)


def finishes(a: Range, b: Range) -> bool:
    return a.high == b.high and a.high_closed == b.high_closed and starts_within(a, b)


def starts(a: Range, b: Range) -> bool:
    return a.low == b.low and a.low_closed == b.low_closed and ends_within(a, b)


def during(a: Range, b: Range) -> bool:
    return starts_within(a, b) and ends_within(a, b)


OF_RANGES: dict[str, Callable[[Range, Range], bool]] = {
    "before": before,
    "after": lambda a, b: before(b, a),
    "meets": meets,
    "met by": lambda a, b: meets(b, a),
    "overlaps": lambda a, b: reaches(a, b) and reaches(b, a),
    "overlaps before": overlaps_before,
    "overlaps after": lambda a, b: overlaps_before(b, a),
    "finishes": finishes,
    "finished by": lambda a, b: finishes(b, a),
    "includes": lambda a, b: during(b, a),
    "during": during,
    "starts": starts,
    "started by": lambda a, b: starts(b, a),
    "coincides": lambda a, b: a == b,
}


def holds(a: Range, x: Decimal) -> bool:
    above = x > a.low or (x == a.low and a.low_closed)
    return above and (x < a.high or (x == a.high and a.high_closed))


def after_point(a: Range, x: Decimal) -> bool:
    return a.low > x or (a.low == x and not a.low_closed)


def before_point(a: Range, x: Decimal) -> bool:
    return a.high < x or (a.high == x and not a.high_closed)


#: Of a range and a point, by the call that is written.
OF_POINTS: dict[str, Callable[[Range, Decimal], bool]] = {
    "before(r, x)": before_point,
    "before(x, r)": after_point,
    "after(r, x)": after_point,
    "after(x, r)": before_point,
    "includes(r, x)": holds,
    "during(x, r)": holds,
    "starts(x, r)": lambda a, x: a.low == x and a.low_closed,
    "started by(r, x)": lambda a, x: a.low == x and a.low_closed,
    "finishes(x, r)": lambda a, x: a.high == x and a.high_closed,
    "finished by(r, x)": lambda a, x: a.high == x and a.high_closed,
    "x in r": holds,
    "not(x in r)": lambda a, x: not holds(a, x),
}


@pytest.mark.parametrize("name", OF_RANGES)
def test_of_two_ranges(name: str) -> None:
    program = compile_text(f"{name}(a, b)", ["a", "b"])
    for a, b in itertools.product(RANGES, RANGES):
        result = program.run({"a": a, "b": b})
        assert (result.value, result.warnings) == (OF_RANGES[name](a, b), ()), (name, str(a), str(b))


@pytest.mark.parametrize("call", OF_POINTS)
def test_of_a_range_and_a_point(call: str) -> None:
    program = compile_text(call, ["r", "x"])
    for r, x in itertools.product(RANGES, POINTS):
        result = program.run({"r": r, "x": x})
        assert (result.value, result.warnings) == (OF_POINTS[call](r, x), ()), (call, str(r), x)


@pytest.mark.parametrize("name", OF_RANGES)
def test_by_name(name: str) -> None:
    """Named arguments in either order give the same."""
    plain = compile_text(f"{name}(a, b)", ["a", "b"])
    named = compile_text(f"{name}(range1: a, range2: b)", ["a", "b"])
    turned = compile_text(f"{name}(range2: b, range1: a)", ["a", "b"])
    for a, b in itertools.product(RANGES[::3], RANGES[::5]):
        values = {"a": a, "b": b}
        assert plain.run(values).value == named.run(values).value == turned.run(values).value

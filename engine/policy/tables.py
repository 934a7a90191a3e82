"""Decision tables as the core sees them: cells as conditions over the inputs, outputs as constants or expressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from sancha.engine.feel import core as c
from sancha.engine.feel.types import Type


def input_name(index: int) -> str:
    """The variable by which the cells of a table speak of its input number `index`."""
    return f"?{index}"


@dataclass(frozen=True, slots=True)
class Row:
    """`tests`: one condition an input, over `Var("?0")`, `Var("?1")` …; `TRUE` for `-`. `number` counts from 1."""

    tests: tuple[c.Core, ...]
    outputs: tuple[c.Core, ...]
    number: int


@dataclass(frozen=True, slots=True)
class Table:
    """One version of a decision table.

    Hit policies: `unique` and `any` give the one row that matches (missing where two rows of `unique`, or two rows of
    `any` with different outputs, match), `first` the first; `collect …` aggregates all that match. In three-valued
    logic: `first` is missing if a row before the first sure match may match; `unique` and `any` are missing if no
    row surely matches and one may; a `collect` is missing if any row may match. No match gives `default`, or missing;
    for `collect sum` and `collect count` it gives 0.
    """

    name: str
    hit_policy: str
    inputs: tuple[tuple[str, Type], ...]
    outputs: tuple[tuple[str, Type], ...]
    rows: tuple[Row, ...]
    default: tuple[c.Core, ...] | None


def overlaps(table: Table) -> Iterator[tuple[Row, Row]]:
    """Pairs of rows that can both match, as far as constants tell: for `unique` tables an error.

    A pair is reported only where every input provably has a common value: intervals that meet, or values in common.
    """
    regions = [tuple(_region(test) for test in row.tests) for row in table.rows]
    for i, row in enumerate(table.rows):
        for j in range(i + 1, len(table.rows)):
            pairs = zip(regions[i], regions[j], strict=True)
            if all(a is not None and b is not None and _meet(a, b) for a, b in pairs):
                yield row, table.rows[j]


@dataclass(frozen=True, slots=True)
class _Interval:
    low: object = None
    high: object = None
    low_closed: bool = False
    high_closed: bool = False


_Region = tuple[_Interval, ...]
_ALL: _Region = (_Interval(),)


def _region(test: c.Core) -> _Region | None:
    """The values that pass a cell, as a union of intervals; None where it is not of that form."""
    if test == c.TRUE:
        return _ALL
    if isinstance(test, c.Or):
        parts = [_region(arg) for arg in test.args]
        return None if None in parts else tuple(i for part in parts for i in part or ())
    if isinstance(test, c.And):
        region: _Region = _ALL
        for arg in test.args:
            part = _region(arg)
            if part is None:
                return None
            region = tuple(m for a in region for b in part if (m := _intersect(a, b)) is not None)
        return region
    if isinstance(test, c.Op) and len(test.args) == 2:
        left, right = test.args
        if isinstance(left, c.Var) and left.name.startswith("?") and isinstance(right, c.Const):
            value = right.value
            return {
                "=": (_Interval(value, value, True, True),),
                "<": (_Interval(high=value),),
                "<=": (_Interval(high=value, high_closed=True),),
                ">": (_Interval(low=value),),
                ">=": (_Interval(low=value, low_closed=True),),
                "!=": (_Interval(high=value), _Interval(low=value)),
            }.get(test.row.name)
    return None


def _intersect(a: _Interval, b: _Interval) -> _Interval | None:
    low, low_closed = _tighter(a.low, a.low_closed, b.low, b.low_closed, highest=True)
    high, high_closed = _tighter(a.high, a.high_closed, b.high, b.high_closed, highest=False)
    bounded = low is not None and high is not None
    if bounded and (high < low or (low == high and not (low_closed and high_closed))):  # type: ignore[operator]
        return None
    return _Interval(low, high, low_closed, high_closed)


def _tighter(x: object, x_closed: bool, y: object, y_closed: bool, *, highest: bool) -> tuple[object, bool]:
    if x is None or y is None:
        return (y, y_closed) if x is None else (x, x_closed)
    if x == y:
        return x, x_closed and y_closed
    return (x, x_closed) if (x > y) == highest else (y, y_closed)  # type: ignore[operator]


def _meet(a: _Region, b: _Region) -> bool:
    return any(_inhabited(m) for x in a for y in b if (m := _intersect(x, y)) is not None)


def _inhabited(interval: _Interval) -> bool:
    """Whether the interval surely holds a value: an open interval of whole numbers may be empty."""
    low, high = interval.low, interval.high
    whole = isinstance(low, int) and isinstance(high, int) and not isinstance(low, bool)
    if whole and not (interval.low_closed or interval.high_closed):
        return Decimal(high) - Decimal(low) > 1  # type: ignore[arg-type]
    return True

"""Decision tables as the core sees them: cells as conditions over the inputs, outputs as constants or expressions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property, reduce

from sancha.engine.feel import core as c
from sancha.engine.feel.types import Type
from sancha.engine.run.index import ANY, OPAQUE, Constraint, Index, Interval, Region, bits


def input_name(index: int) -> str:
    """The variable by which the cells of a table speak of its input number `index`."""
    return f"?{index}"


@dataclass(frozen=True, slots=True)
class Row:
    """`tests`: one condition an input, over `Var("?0")`, `Var("?1")` …; `TRUE` for `-`. `number` counts from 1."""

    tests: tuple[c.Core, ...]
    outputs: tuple[c.Core, ...]
    number: int


@dataclass(frozen=True)
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

    @cached_property
    def constraints(self) -> tuple[tuple[Constraint, ...], ...]:
        """What each cell asks of its input, by column and row; `OPAQUE` where that is no union of intervals."""
        columns = []
        for i in range(len(self.inputs)):
            name = input_name(i)
            known: dict[int, Constraint] = {}  # by the cell, as equal cells are mostly one object
            column = []
            for row in self.rows:
                cell = row.tests[i]
                if id(cell) not in known:
                    known[id(cell)] = constraint(cell, name)
                column.append(known[id(cell)])
            columns.append(tuple(column))
        return tuple(columns)

    @cached_property
    def index(self) -> Index:
        return Index(self.constraints)

    @cached_property
    def computed(self) -> tuple[c.Core, ...]:
        """The cells, outputs and defaults that are not constant: the only ones that may read a parameter."""
        cells = [
            row.tests[i]
            for i, column in enumerate(self.constraints)
            for row, region in zip(self.rows, column, strict=True)
            if region is OPAQUE
        ]
        outputs = (core for row in self.rows for core in row.outputs)
        return (*cells, *(core for core in (*outputs, *(self.default or ())) if type(core) is not c.Const))

    @cached_property
    def variables(self) -> tuple[c.Var, ...]:
        """What the cells and outputs speak of besides the inputs: the day on which their parameters are read."""
        inputs = {input_name(i) for i in range(len(self.inputs))}
        cores = [
            core for row in self.rows for core in (*row.tests, *row.outputs) if type(core) is not c.Const
        ]
        nodes = c.walk_once([*cores, *(self.default or ())])
        found = {node.name: node for node in nodes if isinstance(node, c.Var) and node.name not in inputs}
        return tuple(found[name] for name in sorted(found))

    @cached_property
    def constants(self) -> tuple[tuple[c.Value, ...] | None, ...]:
        """The outputs of each row; None where one of them has to be computed."""
        return tuple(
            tuple(o.value for o in row.outputs if isinstance(o, c.Const))
            if all(type(o) is c.Const for o in row.outputs)
            else None
            for row in self.rows
        )


def overlaps(table: Table) -> Iterator[tuple[Row, Row]]:
    """Pairs of rows that can both match, as far as constants tell: for `unique` tables an error.

    A pair is reported only where every input provably has a common value: intervals that meet, values in common, or a
    missing value that both cells ask for.
    """
    rows, regions, types = table.rows, table.constraints, [type_ for _, type_ in table.inputs]
    for i, row in enumerate(rows):
        for j in bits(table.index.meeting(i) >> (i + 1)):
            other = i + 1 + j
            if all(_meet(region[i], region[other], t) for region, t in zip(regions, types, strict=True)):
                yield row, rows[other]


# -- cells as regions -------------------------------------------------------------------------------------------------

_EVERY = Interval()
_MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def constraint(test: c.Core, name: str) -> Constraint:
    """The values of the variable `name` that pass a cell; `OPAQUE` where they are no union of constant intervals."""
    if test == c.TRUE:
        return ANY
    match test:
        case c.Const(value=False):
            return Region((), False)
        case c.Or():
            return _joined((constraint(arg, name) for arg in test.args), _union)
        case c.And():
            return _joined((constraint(arg, name) for arg in test.args), _intersection)
        case c.Not():
            region = constraint(test.arg, name)
            return region if region is OPAQUE else _complement(region)
        case c.Is(arg=c.Var(name=asked)) if asked == name:
            if test.truth is None:
                return Region((), True)
            return Region.point(test.truth, missing=False)
        case c.Op(args=(c.Var(name=asked) as var, c.Const() as bound)) if asked == name:
            return _compared(test.row.name, bound.value, var.type)
        case c.Op(args=(c.Const() as bound, c.Var(name=asked) as var)) if asked == name:
            return _compared(_MIRRORED.get(test.row.name, ""), bound.value, var.type)
        case c.Var(type=type_) if test.name == name and type_.name == "boolean":
            return Region.point(True)
    return OPAQUE


def _compared(operator: str, value: c.Value, type_: Type) -> Constraint:
    if value is None:
        return OPAQUE
    if type(value) is int and type_.name in ("money", "rate", "number"):
        value = Decimal(value)  # decimals compare faster with their like
    match operator:
        case "=":
            return Region.point(value)
        case "<" | "<=":
            return Region.of(Interval(high=value, high_closed=operator == "<="))
        case ">" | ">=":
            return Region.of(Interval(low=value, low_closed=operator == ">="))
        case "!=":
            return Region.of(Interval(high=value), Interval(low=value))
    return OPAQUE


def _joined(parts: Iterable[Constraint], join) -> Constraint:  # type: ignore[no-untyped-def]
    regions = list(parts)
    return OPAQUE if OPAQUE in regions else reduce(join, regions)


def _union(a: Region, b: Region) -> Region:
    missing = True if True in (a.missing, b.missing) else None if None in (a.missing, b.missing) else False
    return Region((*a.intervals, *b.intervals), missing)


def _intersection(a: Region, b: Region) -> Region:
    found = tuple(m for x in a.intervals for y in b.intervals if (m := _intersect(x, y)) is not None)
    missing = False if False in (a.missing, b.missing) else None if None in (a.missing, b.missing) else True
    return Region(found, missing)


def _complement(region: Region) -> Region:
    missing = None if region.missing is None else not region.missing
    rest = Region((_EVERY,), missing)
    for interval in region.intervals:
        outside = []
        if interval.low is not None:
            outside.append(Interval(high=interval.low, high_closed=not interval.low_closed))
        if interval.high is not None:
            outside.append(Interval(low=interval.high, low_closed=not interval.high_closed))
        rest = _intersection(rest, Region(tuple(outside), missing))
    return rest


def _intersect(a: Interval, b: Interval) -> Interval | None:
    low, low_closed = _tighter(a.low, a.low_closed, b.low, b.low_closed, highest=True)
    high, high_closed = _tighter(a.high, a.high_closed, b.high, b.high_closed, highest=False)
    bounded = low is not None and high is not None
    if bounded and (high < low or (low == high and not (low_closed and high_closed))):  # type: ignore[operator]
        return None
    return Interval(low, high, low_closed, high_closed)


def _tighter(x: object, x_closed: bool, y: object, y_closed: bool, *, highest: bool) -> tuple[object, bool]:
    if x is None or y is None:
        return (y, y_closed) if x is None else (x, x_closed)
    if x == y:
        return x, x_closed and y_closed
    return (x, x_closed) if (x > y) == highest else (y, y_closed)  # type: ignore[operator]


#: The steps between the values of a type, where it has any.
_STEPS = {
    "integer": 1,
    "days": 1,
    "months": 1,
    "money": Decimal("0.01"),
    "date": timedelta(days=1),
}


def _meet(a: Constraint, b: Constraint, type_: Type) -> bool:
    """Whether a value of the type, or a missing one, surely passes both cells."""
    if a is OPAQUE or b is OPAQUE:
        return False
    if a is b is ANY or a.missing is b.missing is True:
        return True
    if type_.name in ("boolean", "one of"):
        values: tuple[object, ...] = type_.values or (False, True)
        return any(_holds(a, value) and _holds(b, value) for value in values)
    return any(_inhabited(m, type_) for m in _intersection(a, b).intervals)


def _holds(region: Region, value: object) -> bool:
    point = Interval(value, value, True, True)
    return any(_intersect(interval, point) is not None for interval in region.intervals)


def _inhabited(interval: Interval, type_: Type) -> bool:
    """Whether the interval surely holds a value: an open interval of whole numbers may be empty."""
    low, high, step = interval.low, interval.high, _STEPS.get(type_.name)
    if low is None or high is None or step is None or interval.low_closed or interval.high_closed:
        return True
    return bool(high - low > step)

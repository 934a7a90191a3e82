"""Decision tables over columns: which row a file meets, by the places of its values, with no test of any row.

The bounds that the cells of a column name cut its values into places, and places that the same rows pass are one
class. SQL gives each value the number of its class, by bisection; the classes of all inputs make one number, and the
row stands in a list at that number. Which rows pass at a place the index of the row evaluator says, asked with a value
that lies there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sancha.engine.policy.tables import Table
from sancha.engine.run.exact import Exact, Function, Missing, Numbers, Plain, Value
from sancha.engine.run.index import OPAQUE, Index, bits
from sancha.engine.run.relations import Cell, literal

#: Classes that SQL tells apart by itself; of more a function bisects.
_ARMS = 64
#: Places in a list of SQL; a longer one is looked up by a function, in what it has needed so far.
_LIST = 4_096
_BIGINT = 2**63 - 1
#: Rows that pass, and of those the rows that a missing value leaves open, as bits.
_Class = tuple[int, int]


class _Above:
    """Lies between a value and all values above it; without a value below all."""

    def __init__(self, *value: Any) -> None:
        self.value = value

    def __lt__(self, other: Any) -> bool:
        return not self.value or bool(self.value[0] < other)

    def __gt__(self, other: Any) -> bool:
        return bool(self.value) and bool(other <= self.value[0])


class _Column:
    """The classes of one input; the number of a class is its place in `classes`."""

    def __init__(self, constraints: Sequence[Any]) -> None:
        self.index = Index([constraints])
        self.bounds: list[Any] = sorted(
            {b for region in constraints for i in region.intervals for b in (i.low, i.high) if b is not None}
        )
        self.classes: list[_Class] = []
        self.numbers: dict[_Class, int] = {}

    def number(self, value: Any) -> int:
        """The number of the class of a value, or of a missing one."""
        match = self.index.match([value])
        found = (match.rows, match.open)
        if found not in self.numbers:
            self.numbers[found] = len(self.classes)
            self.classes.append(found)
        return self.numbers[found]


@dataclass(frozen=True, slots=True)
class _Input:
    cell: Cell
    classes: list[_Class]


class Lookups:
    """Makes the cells of rows. `numbers` holds the functions that they call."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        self.relations = numbers.relations

    def row(self, table: Table, values: Sequence[Value]) -> Cell | None:
        """The number of the row from 1, 0 for none, missing where it is open or rows clash.

        None where the table is no lookup: it collects, it compares with what is computed, or its inputs are quotients.
        """
        if table.hit_policy not in ("first", "unique", "any") or not table.rows:
            return None
        if table.hit_policy == "any" and None in table.constants:
            return None
        if any(OPAQUE in column for column in table.constraints):
            return None
        inputs = []
        for value, column in zip(values, table.constraints, strict=True):
            found = self.input(value, _Column(column))
            if found is None:
                return None
            inputs.append(found)
        size = prod(len(i.classes) for i in inputs)
        if size > _BIGINT:
            return None
        return self.of_classes(table, inputs, size)

    def of_classes(self, table: Table, inputs: Sequence[_Input], size: int) -> Cell:
        """The row by the classes of the inputs, the last of which counts fastest."""
        terms, stride = [], size
        for i, found in enumerate(inputs):
            stride //= len(found.classes)
            terms.append(f"{{{i}}} * {stride}" if stride > 1 else f"{{{i}}}")
        cells = [i.cell for i in inputs]
        place = self.relations.plain(f"({' + '.join(terms)})", cells, "BIGINT")
        if size <= _LIST:
            rows = [_row(table, met) for met in product(*(i.classes for i in inputs))]
            text = ", ".join("NULL" if r is None else str(r) for r in rows)
            return self.relations.plain(
                f"(CAST([{text}] AS BIGINT[]))[{{0}} + 1]", [place], "BIGINT", None in rows
            )
        name = self.function("BIGINT", "BIGINT", _row_finder(table, [i.classes for i in inputs]))
        return self.relations.plain(f"{name}({{0}})", [place], "BIGINT", True)

    def input(self, value: Value, column: _Column) -> _Input | None:
        """The class of an input as a cell."""
        match value:
            case Missing():
                found: Cell | None = self.constant(column.number(None))
            case Exact():
                found = self.ordered(value.cell, column, self.segments(value, column))
            case Plain() if value.type.name == "date":
                found = self.ordered(value.cell, column, _days(column))
            case Plain() if value.type.name == "boolean":
                text = f"CASE WHEN {{0}} THEN {column.number(True)} ELSE {column.number(False)} END"
                found = self.case(value.cell, column, text)
            case Plain() if value.type.name in ("text", "one of"):
                found = self.texts(value.cell, column)
            case _:
                found = None
        return None if found is None else _Input(found, column.classes)

    def constant(self, number: int) -> Cell:
        return self.relations.constant(f"CAST({number} AS BIGINT)", "BIGINT")

    def case(self, cell: Cell, column: _Column, text: str) -> Cell:
        """The class by an expression over a value that is there, or that of a missing one."""
        if cell.nullable:
            text = f"CASE WHEN {{0}} IS NULL THEN {column.number(None)} ELSE {text} END"
        return self.relations.plain(f"CAST({text} AS BIGINT)", [cell], "BIGINT", False)

    def segments(self, value: Exact, column: _Column) -> Iterator[tuple[int, str, int]]:
        """The last whole number of each segment of the same class, as a number and in SQL, and the class."""
        at = _Above()
        for bound in column.bounds:
            constant = self.numbers.constant(bound)
            whole, rest = divmod(constant.low * 10**value.scale, 10**constant.scale)
            below = whole if rest else whole - 1
            if below >= value.low:
                yield below, str(below), column.number(at)
            if not rest and whole >= value.low:
                yield whole, str(whole), column.number(bound)
            if whole >= value.high:
                return
            at = _Above(bound)
        yield value.high, str(value.high), column.number(at)

    def ordered(self, cell: Cell, column: _Column, segments: Iterator[tuple[int, str, int]]) -> Cell:
        """The class of a value by the segments in which it may lie, in order."""
        merged: list[tuple[int, str, int]] = []
        for segment in segments:
            if merged and merged[-1][2] == segment[2]:
                merged[-1] = segment
            elif not merged or segment[0] > merged[-1][0]:
                merged.append(segment)
        if len(merged) == 1 and not cell.nullable:
            return self.constant(merged[0][2])
        if len(merged) > _ARMS and cell.type == "BIGINT":
            missing = column.number(None) if cell.nullable else 0
            name = self.function("BIGINT", "BIGINT", _bisected(merged, missing))
            return self.relations.plain(f"{name}({{0}})", [cell], "BIGINT", False)
        return self.case(cell, column, _tree(merged))

    def texts(self, cell: Cell, column: _Column) -> Cell | None:
        """The class of a text that cells compare with for equality."""
        others = column.number(_Above())
        if any(column.number(_Above(bound)) != others for bound in column.bounds):
            return None
        named = {bound: column.number(bound) for bound in column.bounds}
        named = {text: number for text, number in named.items() if number != others}
        if len(named) > _ARMS:
            missing = column.number(None) if cell.nullable else 0
            name = self.function("VARCHAR", "BIGINT", _named(named, others, missing))
            return self.relations.plain(f"{name}({{0}})", [cell], "BIGINT", False)
        if not named:
            return self.case(cell, column, str(others))
        arms = " ".join(f"WHEN {literal(text)} THEN {number}" for text, number in named.items())
        return self.case(cell, column, f"CASE {{0}} {arms} ELSE {others} END")

    def function(self, parameter: str, result: str, call: Callable[..., pa.Array]) -> str:
        functions = self.numbers.functions
        name = f"sancha_place_{len(functions)}"
        functions[(name,)] = Function(name, call, (parameter,), result, "")
        return name


def _row(table: Table, met: Sequence[_Class]) -> int | None:
    """The number of the row where the inputs lie in these classes, by the hit policy."""
    rows, open_ = -1, 0
    for passing, left_open in met:
        rows &= passing
        open_ |= left_open
    open_ &= rows
    if table.hit_policy == "first":
        first = rows & -rows
        return None if first & open_ else first.bit_length()
    sure = rows & ~open_
    if not sure:
        return None if open_ else 0
    found = list(bits(sure))
    if len(found) > 1 and (table.hit_policy == "unique" or len({table.constants[r] for r in found}) > 1):
        return None
    return found[0] + 1


def _row_finder(table: Table, classes: Sequence[Sequence[_Class]]) -> Callable[[pa.Array], pa.Array]:
    """The row by the number of the classes, for tables of which only some combinations ever occur."""
    known: dict[int, int | None] = {}

    def row(place: int) -> int | None:
        if place not in known:
            met, rest = [], place
            for column in reversed(classes):
                rest, number = divmod(rest, len(column))
                met.append(column[number])
            known[place] = _row(table, met)
        return known[place]

    def call(places: pa.Array) -> pa.Array:
        encoded = _whole(places).dictionary_encode()
        rows = pa.array([row(p) for p in encoded.dictionary.to_pylist()], pa.int64())
        return rows.take(encoded.indices)

    return call


def _bisected(segments: Sequence[tuple[int, str, int]], missing: int) -> Callable[[pa.Array], pa.Array]:
    lasts = np.array([last for last, _, _ in segments[:-1]], np.int64)
    classes = np.array([number for _, _, number in segments], np.int64)

    def call(values: pa.Array) -> pa.Array:
        values = _whole(values)
        places = np.searchsorted(lasts, values.fill_null(0).to_numpy(zero_copy_only=False))
        return pc.if_else(values.is_null(), missing, pa.array(classes[places]))

    return call


def _named(named: dict[str, int], others: int, missing: int) -> Callable[[pa.Array], pa.Array]:
    texts = pa.array(list(named), pa.string())
    classes = pa.array([*named.values()], pa.int64())

    def call(values: pa.Array) -> pa.Array:
        values = _whole(values)
        found = classes.take(pc.index_in(values.cast(pa.string()), texts)).fill_null(others)
        return pc.if_else(values.is_null(), missing, found)

    return call


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _days(column: _Column) -> Iterator[tuple[int, str, int]]:
    """The last day of each segment, as `Lookups.segments` has it."""
    at = _Above()
    for bound in column.bounds:
        day = bound.toordinal()
        if day > 1:
            yield day - 1, _day(day - 1), column.number(at)
        yield day, _day(day), column.number(bound)
        at = _Above(bound)
    yield date.max.toordinal(), _day(date.max.toordinal()), column.number(at)


def _day(ordinal: int) -> str:
    return f"DATE '{date.fromordinal(ordinal).isoformat()}'"


def _tree(segments: Sequence[tuple[int, str, int]]) -> str:
    """A bisection in SQL."""
    if len(segments) == 1:
        return str(segments[0][2])
    half = len(segments) // 2
    return f"CASE WHEN {{0}} <= {segments[half - 1][1]} THEN {_tree(segments[:half])} ELSE {_tree(segments[half:])} END"

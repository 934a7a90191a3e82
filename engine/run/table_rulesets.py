"""Decision tables for the engine: a ruleset's rule for each row, and of the rows that a file meets what the hit policy
makes of them.

A table is given to the engine where its cells are unions of constant intervals and its outputs constants, and a file
where all its inputs are known; for the rest the guard asks the row evaluator.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.policy.tables import Table
from sancha.engine.run.index import Interval, Region
from sancha.engine.run.ruleset_limits import within
from sancha.engine.run.to_python import fold

#: Rules that the rows of a table may come to.
MOST_ROWS = 600
_KIND = 0
Constant = Callable[[c.Core], int | None]


@dataclass(frozen=True)
class TableRules:
    """A table as rulesets. The names of rules begin with the row's place and `x`."""

    number: int
    table: Table
    rulesets: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class DecidedTable:
    """A table read for some inputs, which may use the lets of the rule `of` (None: of none). Its outputs are facts."""

    number: int
    rules: TableRules
    inputs: tuple[c.Core, ...]
    of: str | None

    def fact(self, output: int) -> str:
        return f"$table.{self.number}.{output}"

    def outputs(self, hits: set[int]) -> tuple[Any, ...]:
        """What the hit policy makes of the rows met, by their places from 0: DMN 1.5, 8.2.8 to 8.2.11."""
        table = self.rules.table
        rows = sorted(hits)
        values = [found for row in rows if (found := table.constants[row]) is not None]
        nothing = (None,) * len(table.outputs)
        if table.hit_policy == "collect count":
            return (len(rows),) * len(table.outputs)
        if not rows:
            if table.default is not None:
                return tuple(core.value for core in table.default if isinstance(core, c.Const))
            return (0,) * len(table.outputs) if table.hit_policy == "collect sum" else nothing
        match table.hit_policy:
            case "first":
                return values[0]
            case "unique":
                return values[0] if len(rows) == 1 else nothing
            case "any":
                return values[0] if all(found == values[0] for found in values) else nothing
        columns = zip(*values, strict=True)
        return tuple(None if None in column else fold(table.hit_policy, column) for column in columns)


def table_rules(number: int, table: Table, constant: Constant) -> TableRules | None:
    """A table for the engine; None where it cannot be. `constant` gives a constant as the engine has it."""
    if None in table.constants or any(not isinstance(core, c.Const) for core in table.default or ()):
        return None
    found: dict[str, Any] = {}
    for row in range(len(table.rows)):
        cells = [column[row] for column in table.constraints]
        ways = _ways(cells, [type_ for _, type_ in table.inputs], constant)
        if ways is None or len(found) + len(ways) > MOST_ROWS:
            return None
        for n, conditions in enumerate(ways):
            pattern = [{"t": _KIND}, *conditions]
            found[f"{row}x{n}"] = {"all": [{"r": {"$and": pattern} if len(pattern) > 1 else pattern[0]}]}
    return TableRules(number, table, _parted(found))


def _parted(rules: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Rulesets that the engine holds."""
    names = list(rules)
    size = max(len(names), 1)
    while True:
        parts = [
            {name: rules[name] for name in names[start : start + size]}
            for start in range(0, len(names), size)
        ]
        if all(map(within, parts)):
            return tuple(parts)
        size = -(-size // 2)


def _ways(
    cells: Sequence[Region | None], types: Sequence[t.Type], constant: Constant
) -> list[list[dict[str, Any]]] | None:
    """The ways to meet a row, each as conditions; None where the engine cannot tell."""
    asked = []
    for place, (cell, type_) in enumerate(zip(cells, types, strict=True)):
        if cell is None:
            return None
        some = [_conditions(f"i{place}", interval, type_, constant) for interval in cell.intervals]
        if None in some:
            return None
        asked.append([conditions for conditions in some if conditions is not None])
    return [[x for conditions in way for x in conditions] for way in itertools.product(*asked)]


def _conditions(
    name: str, interval: Interval, type_: t.Type, constant: Constant
) -> list[dict[str, Any]] | None:
    """The conditions of an interval; texts have no order for the engine."""
    bounds = [None if b is None else constant(c.Const(type_, b)) for b in (interval.low, interval.high)]
    if any(
        b is None and given is not None
        for b, given in zip(bounds, (interval.low, interval.high), strict=True)
    ):
        return None
    low, high = bounds
    if low is not None and low == high:
        return [{name: low}] if interval.low_closed and interval.high_closed else None
    if t.is_text(type_) and (low is not None or high is not None):
        return None
    found: list[dict[str, Any]] = []
    if low is not None:
        found.append({"$gte" if interval.low_closed else "$gt": {name: low}})
    if high is not None:
        found.append({"$lte" if interval.high_closed else "$lt": {name: high}})
    return found


def table_fact(inputs: Sequence[int]) -> dict[str, int]:
    """The fact by which the rows of a table are found, of inputs as the engine has them."""
    return {"t": _KIND} | {f"i{place}": value for place, value in enumerate(inputs)}


def rows_met(fired: Iterable[str]) -> set[int]:
    """The places of the rows whose rules fired."""
    return {int(name.partition("x")[0]) for name in fired}

"""Decision tables of the full language: the rules that match, by the index, and what the hit policy makes of them.

DMN 1.5, 8.2.8 to 8.2.11 and 10.3.2.10. A table without a matching rule gives its default output, or null. A cell
passes where its test is true: neither false nor null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

from sancha.engine.feel.core import Site
from sancha.engine.feel.full import Bounds, Cell, Output, TableSpec
from sancha.engine.feel.values import Date, Range, equal, kind_of
from sancha.engine.run.index import ANY, OPAQUE, Constraint, Index, Interval, Region, bits, by_kind
from sancha.engine.run.operations import CALL, warn, within

_INDEXES: WeakKeyDictionary[TableSpec, Index] = WeakKeyDictionary()


def decide(site: Site, spec: TableSpec, inputs: Sequence[Any], arguments: Sequence[Any]) -> Any:
    """The result of a table for its inputs. `arguments` are functions: of cells, of output entries, of defaults."""
    for number, (value, allowed) in enumerate(zip(inputs, spec.allowed, strict=True), 1):
        if allowed is not None and value is not None and arguments[allowed](value) is not True:
            warn(site, "not allowed", f"input {number} is not among the values that the table allows")
            return None
    hits = _matching(site, spec, inputs, arguments)
    if not hits:
        return _default(spec, arguments)
    return _POLICIES[spec.hit_policy[0]](site, spec, hits, arguments)


def _matching(site: Site, spec: TableSpec, inputs: Sequence[Any], arguments: Sequence[Any]) -> list[int]:
    index = _INDEXES.get(spec)
    if index is None:
        index = _INDEXES[spec] = table_index(spec)
    if not inputs:
        return list(range(len(spec.rows)))
    rows, _, verify = index.match(inputs)
    for number, (value, kinds) in enumerate(zip(inputs, index.kinds, strict=True), 1):
        if (
            value is not None
            and kinds
            and kind_of(value) not in kinds
            and not isinstance(value, list | Range)
        ):
            compared = " and ".join(sorted(map(str, kinds)))
            warn(site, "type", f"input {number} is a {kind_of(value)}, its cells compare with {compared}")
    hits = []
    for row in bits(rows):
        if not verify >> row & 1 or all(
            _passes(cell, value, arguments) for cell, value in zip(spec.rows[row], inputs, strict=True)
        ):
            hits.append(row)
    return hits


def table_index(spec: TableSpec) -> Index:
    """The index of the cells of a table that are constant."""
    columns = zip(*spec.rows, strict=True) if spec.rows else [[] for _ in spec.allowed]
    return Index([[_constraint(cell) for cell in column] for column in columns], key=_key)


def _key(value: Any) -> tuple[Any, Any] | None:
    return ("date", value.days) if isinstance(value, Date) else by_kind(value)


def _constraint(cell: Cell) -> Constraint:
    if cell.test is not None:
        return OPAQUE
    if cell.bounds is None:
        return ANY
    missing = any(b.point and b.low is None for b in cell.bounds)
    return Region(
        tuple(
            Interval(b.low, b.low, True, True)
            if b.point
            else Interval(b.low, b.high, b.low_closed, b.high_closed)
            for b in cell.bounds
            if not (b.point and b.low is None)
        ),
        missing,
    )


def _passes(cell: Cell, value: Any, arguments: Sequence[Any]) -> bool:
    if cell.test is not None:
        return arguments[cell.test](value) is True
    return cell.bounds is None or any(_within(b, value) for b in cell.bounds)


def _within(bounds: Bounds, value: Any) -> bool:
    if bounds.point:
        return equal(value, bounds.low) is True
    cell = Range(bounds.low, bounds.high, bounds.low_closed, bounds.high_closed)
    return within(value, cell) is True or equal(value, cell) is True


# -- what matches -------------------------------------------------------------------------------------------------


def _default(spec: TableSpec, arguments: Sequence[Any]) -> Any:
    if spec.default is None:
        return None
    values = [None if d is None else arguments[d]() for d in spec.default]
    result = values[0] if spec.names is None else dict(zip(spec.names, values, strict=True))
    return result


def _entries(spec: TableSpec, row: int, arguments: Sequence[Any]) -> list[Any]:
    return [_entry(output, arguments) for output in spec.outputs[row]]


def _entry(output: Output, arguments: Sequence[Any]) -> Any:
    return output.value if output.argument is None else arguments[output.argument]()


def _result(spec: TableSpec, row: int, arguments: Sequence[Any]) -> Any:
    values = _entries(spec, row, arguments)
    return values[0] if spec.names is None else dict(zip(spec.names, values, strict=True))


def _unique(site: Site, spec: TableSpec, hits: list[int], arguments: Sequence[Any]) -> Any:
    if len(hits) > 1:
        rules = " and ".join(str(row + 1) for row in hits[:3])
        warn(site, "hit policy", f"rules {rules} match: of a table of hit policy U only one may")
        return None
    return _result(spec, hits[0], arguments)


def _any(site: Site, spec: TableSpec, hits: list[int], arguments: Sequence[Any]) -> Any:
    first = _result(spec, hits[0], arguments)
    for row in hits[1:]:
        if equal(first, _result(spec, row, arguments)) is not True:
            rules = f"{hits[0] + 1} and {row + 1}"
            warn(
                site, "hit policy", f"rules {rules} match with different outputs, which hit policy A forbids"
            )
            return None
    return first


def _first(site: Site, spec: TableSpec, hits: list[int], arguments: Sequence[Any]) -> Any:
    return _result(spec, hits[0], arguments)


def _rule_order(site: Site, spec: TableSpec, hits: list[int], arguments: Sequence[Any]) -> Any:
    return [_result(spec, row, arguments) for row in hits]


def _ranked(spec: TableSpec, hits: list[int], arguments: Sequence[Any]) -> list[int]:
    """The rows by the place of their outputs in the lists of output values, the first column first."""
    orders = [None if order is None else [arguments[a]() for a in order] for order in spec.order]

    def rank(row: int) -> tuple[int, ...]:
        places = []
        for value, order in zip(_entries(spec, row, arguments), orders, strict=True):
            if order is not None:
                places.append(next((i for i, v in enumerate(order) if equal(v, value) is True), len(order)))
        return tuple(places)

    return sorted(hits, key=rank)


def _priority(site: Site, spec: TableSpec, hits: list[int], arguments: Sequence[Any]) -> Any:
    return _result(spec, _ranked(spec, hits, arguments)[0], arguments)


def _output_order(site: Site, spec: TableSpec, hits: list[int], arguments: Sequence[Any]) -> Any:
    return [_result(spec, row, arguments) for row in _ranked(spec, hits, arguments)]


def _collect(site: Site, spec: TableSpec, hits: list[int], arguments: Sequence[Any]) -> Any:
    if spec.hit_policy == "C":
        return [_result(spec, row, arguments) for row in hits]
    columns = list(zip(*(_entries(spec, row, arguments) for row in hits), strict=True))
    values = [_aggregated(site, spec.hit_policy[1], list(column)) for column in columns]
    return values[0] if spec.names is None else dict(zip(spec.names, values, strict=True))


def _aggregated(site: Site, aggregation: str, values: list[Any]) -> Any:
    if aggregation == "#":
        return Decimal(len(values))
    return CALL(site, {"+": "sum", "<": "min", ">": "max"}[aggregation], (), values)


_POLICIES: dict[str, Callable[..., Any]] = {
    "U": _unique,
    "A": _any,
    "F": _first,
    "P": _priority,
    "R": _rule_order,
    "O": _output_order,
    "C": _collect,
}

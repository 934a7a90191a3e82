"""Blame: for an outcome left open, which missing facts leave it open.

For each expression that may be missing, the facts whose presence might settle it, each with a condition. The
conditions are core too and never missing, so that every way to run names the same facts.
"""

from __future__ import annotations

from collections.abc import Mapping

from sancha.engine.feel import core as c
from sancha.engine.feel.types import BOOLEAN

Pairs = list[tuple[str, c.Core]]


def blame(node: c.Core, bound: Mapping[str, c.Core]) -> Pairs:
    """(fact, condition): the condition says that `node` is missing and the fact has part in it. `bound` are lets."""
    if not c.nullable(node):
        return []
    if isinstance(node, c.Op | c.Not):
        return _parts(node, bound)  # an operand that is missing makes it missing: there is nothing to add
    return [(name, c.conj(_missing(node), condition)) for name, condition in _parts(node, bound)]


def _parts(node: c.Core, bound: Mapping[str, c.Core]) -> Pairs:
    """As `blame`, under the assumption that the node is missing."""
    match node:
        case c.Fact():
            return [(node.name, _missing(node))]
        case c.Field():
            return [(f"{node.list}.{node.name}", _missing(node))]
        case c.Element():
            return [(node.path, _missing(node))] if node.path else []
        case c.Var():
            return blame(bound[node.name], bound) if node.name in bound else []
        case c.Op():
            return _of_operator(node, bound)
        case c.And() | c.Or():
            return [pair for arg in node.args for pair in blame(arg, bound)]
        case c.Not():
            return blame(node.arg, bound)
        case c.If():
            taken = [(n, c.conj(_is(node.condition, True), p)) for n, p in blame(node.then, bound)]
            other = [(n, c.conj(_is(node.condition, False), p)) for n, p in blame(node.otherwise, bound)]
            return [*blame(node.condition, bound), *taken, *other]
        case c.Lookup():
            return [pair for arg in node.inputs for pair in blame(arg, bound)]
        case c.Some():
            return _of_items(node.comp, c.conj(node.comp.where, node.body), bound)
        case c.Agg():
            return _of_aggregate(node, bound)
        case c.Let():
            inside = _parts(node.body, {**bound, node.name: node.value})
            return [(name, c.Let(BOOLEAN, node.name, node.value, condition)) for name, condition in inside]
        case _:
            return []


def _of_operator(node: c.Op, bound: Mapping[str, c.Core]) -> Pairs:
    pairs = [pair for arg in node.args for pair in blame(arg, bound)]
    if node.row.partial:
        # Nothing is missing, yet there is no result (division by zero): another value of any operand might give one.
        present = [c.negate(_missing(arg)) for arg in node.args if c.nullable(arg)]
        pairs += [(name, c.conj(*present, _missing(node))) for name in sorted(facts_in(node, bound))]
    return pairs


def _of_items(comp: c.Comp, open_: c.Core, bound: Mapping[str, c.Core]) -> Pairs:
    """Facts missing in the items for which `open_` is missing, or the list itself."""
    everything = c.Comp(comp.source, comp.var, None, None)
    pairs = _of_source(comp.source)
    for name, condition in blame(open_, bound):
        pairs.append((name, _is(c.Some(BOOLEAN, everything, condition), True)))
    return pairs


def _of_source(source: c.Source) -> Pairs:
    match source:
        case c.ListFact():
            return [(source.name, c.ListMissing(BOOLEAN, source.name))]
        case c.ListField():
            name = f"{source.list}.{source.name}"
            return [(name, _is(c.Some(BOOLEAN, c.Comp(source, "it", None, None), c.TRUE), None))]
        case _:
            return []


def _of_aggregate(node: c.Agg, bound: Mapping[str, c.Core]) -> Pairs:
    comp = node.comp
    pairs = _of_source(comp.source)
    if comp.where is not None:
        pairs += _of_items(comp, comp.where, bound)[len(pairs) :]
    if comp.item is not None and (node.function != "count" or node.distinct):
        kept = c.Comp(comp.source, comp.var, None, None)
        inside = _is(comp.where, True) if comp.where is not None else c.TRUE
        for name, condition in blame(comp.item, bound):
            pairs.append((name, _is(c.Some(BOOLEAN, kept, c.conj(inside, condition)), True)))
    if node.function in ("min", "max", "mean") and isinstance(comp.source, c.ListFact):
        empty = _is(c.Some(BOOLEAN, c.Comp(comp.source, comp.var, comp.where, None), c.TRUE), False)
        pairs.append((comp.source.name, empty))
    return pairs


def facts_in(node: c.Core, bound: Mapping[str, c.Core]) -> set[str]:
    """The names of all facts, fields and lists that an expression reads."""
    out: set[str] = set()
    for part in c.walk(node):
        match part:
            case c.Fact():
                out.add(part.name)
            case c.Field() | c.ListField():
                out.add(f"{part.list}.{part.name}")
            case c.ListFact():
                out.add(part.name)
            case c.Var() if part.name in bound:
                out |= facts_in(bound[part.name], bound)
            case _:
                pass
    return out


def _missing(node: c.Core) -> c.Core:
    return _is(node, None)


def _is(node: c.Core, truth: bool | None) -> c.Core:
    return c.Is(BOOLEAN, node, truth)

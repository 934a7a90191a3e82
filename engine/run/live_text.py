"""What of a pack the engine of the live way decides, and what its guard computes: rule by rule, for `check --live`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from sancha.engine.feel import core as c
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack
from sancha.engine.run.to_rulesets import RuleParts, Rulesets, Term, to_rulesets

#: Names that a description gives, at most.
_SHOWN = 4


@dataclass(frozen=True)
class Placed:
    """A rule: the ruleset's rules that conclude it, the facts and numbers that they compare, the tables and obligations
    that the engine decides; and what the guard computes: values that the engine compares, and conditions as a whole."""

    rule: str
    rules: int
    compared: int
    tables: tuple[str, ...]
    obligations: tuple[str, ...]
    values: tuple[str, ...]
    conditions: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "engine": {
                "rules": self.rules,
                "compared": self.compared,
                "tables": list(self.tables),
                "obligations": list(self.obligations),
            },
            "guard": {"values": list(self.values), "conditions": list(self.conditions)},
        }


@dataclass(frozen=True)
class Placement:
    """All rules of a pack. Portfolio rules speak of the book: they are not judged as events arrive."""

    pack: Pack
    rulesets: Rulesets
    rules: tuple[Placed, ...]
    portfolio: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "pack": {"name": self.pack.name, "version": self.pack.version, "digest": self.pack.digest},
            "rulesets": [len(ruleset.rules) for ruleset in self.rulesets.rulesets],
            "tables": {tables.table.name: sum(map(len, tables.rulesets)) for tables in self.rulesets.tables},
            "rules": [placed.as_json() for placed in self.rules],
            "not live": list(self.portfolio),
        }

    def as_table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("rule", no_wrap=True)
        table.add_column("the engine decides", ratio=1)
        table.add_column("the guard computes", ratio=1)
        for placed in self.rules:
            engine = [f"{placed.rules} rules on {placed.compared} terms"]
            engine += [f"table {name}" for name in placed.tables]
            engine += placed.obligations
            guard = [*placed.values, *(f"whether {condition}" for condition in placed.conditions)]
            table.add_row(placed.rule, "; ".join(engine), "; ".join(guard))
        for rule in self.portfolio:
            table.add_row(rule, "nothing: it speaks of the whole book", "")
        whole = sum(not placed.conditions for placed in self.rules)
        count = sum(len(ruleset.rules) for ruleset in self.rulesets.rulesets)
        rows = sum(len(part) for tables in self.rulesets.tables for part in tables.rulesets)
        table.caption = (
            f"{count} rules in {len(self.rulesets.rulesets)} rulesets, and {rows} for {len(self.rulesets.tables)} "
            f"tables; of {len(self.rules)} rules {whole} are wholly the engine's logic"
        )
        table.caption_justify = "left"
        return table


def placement(pack: Pack) -> Placement:
    """What runs where."""
    plan = lower(pack)
    rulesets = to_rulesets(plan)
    counts = dict.fromkeys(rulesets.rules, 0)
    for ruleset in rulesets.rulesets:
        for outcomes in ruleset.meaning:
            for rule in {rule for rule, _ in outcomes}:
                counts[rule] += 1
        for correlation in ruleset.correlations:
            counts[correlation.rule] += len(correlation.rules(lambda *_: {}))
    rules = tuple(_placed(parts, counts[rule]) for rule, parts in rulesets.rules.items())
    return Placement(pack, rulesets, rules, tuple(rule.id for rule in plan.portfolio))


def _placed(parts: RuleParts, rules: int) -> Placed:
    concluded = set(parts.concluded.values())
    lets = dict(parts.lets)
    values = [
        _words(term.core, lets)
        for term in parts.terms
        if term not in parts.guarded and term not in concluded and not _plain(term, lets)
    ]
    obligations = []
    for correlation in parts.correlations:
        comp, answers = correlation.plan.comp, correlation.answers
        of = "the file" if comp is None else f"each of {getattr(comp.source, 'name', 'a list')}"
        met = "what meets it is the guard's to say" if answers is None else f"met by {answers.list.name}"
        obligations.append(f"obligation of {of}, {met}")
    return Placed(
        parts.id,
        rules,
        len(parts.terms),
        tuple(dict.fromkeys(decided.rules.table.name for decided in parts.tables)),
        tuple(dict.fromkeys(obligations)),
        tuple(dict.fromkeys(values)),
        tuple(dict.fromkeys(_words(term.core, lets) for term in parts.guarded)),
    )


def _plain(term: Term, lets: dict[str, c.Core]) -> bool:
    """Whether the guard hands on what it finds: a fact, a day, or a parameter of the day."""
    core = term.core
    while isinstance(core, c.Var) and core.name in lets:
        core = lets[core.name]
    return isinstance(core, c.Fact | c.Var) or not any(
        isinstance(node, c.Fact | c.Field | c.ListFact | c.Lookup) for node in c.walk(core)
    )


def _words(core: c.Core, lets: dict[str, c.Core]) -> str:
    """What an expression is of, for a reader."""
    while isinstance(core, c.Var) and core.name in lets:
        core = lets[core.name]
    while isinstance(core, c.Not | c.Is) and isinstance(core.arg, c.Core):
        core = core.arg
    match core:
        case c.Agg(function=function, comp=comp):
            return f"{function} of {_source(comp.source)}"
        case c.Some(comp=comp):
            return f"some of {_source(comp.source)} {_asked(core, lets)}".rstrip()
        case c.Lookup(table=table):
            return f"table {table.name}"
    found = list(dict.fromkeys(_read(core, lets)))
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{', '.join(found[:_SHOWN])}{more}" or "a constant"


def _asked(core: c.Some, lets: dict[str, c.Core]) -> str:
    fields = dict.fromkeys(n.name for n in c.walk(core) if isinstance(n, c.Field) and n.var == core.comp.var)
    return f"({', '.join(list(fields)[:_SHOWN])})" if fields else ""


def _source(source: c.Source) -> str:
    return getattr(source, "name", None) or "values"


def _read(core: c.Core, lets: dict[str, c.Core], seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """The facts, lists and tables that an expression reads."""
    for node in c.walk(core):
        match node:
            case c.Fact():
                yield node.name if not node.name.startswith("$") else "a table's output"
            case c.ListFact():
                yield node.name
            case c.Lookup(table=table):
                yield f"table {table.name}"
            case c.Var() if node.name in lets and node.name not in seen:
                yield from _read(lets[node.name], lets, seen | {node.name})

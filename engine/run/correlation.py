"""Triggers for the engine: an obligation is a fact, what may answer it is a fact, and the day is a fact.

The engine finds which answer meets which obligation; the guard takes those away and tells the day, and the engine finds
which of the others are overdue and which are still open. Obligations on which a missing value has a bearing are not
given to the engine: what they come to is the guard's to say, in three-valued logic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.lower import compare
from sancha.engine.policy.pack import AS_OF
from sancha.engine.policy.plan import ObligationPlan
from sancha.engine.run.row import Reference
from sancha.engine.run.to_python import compile_cores

#: The kind of the fact that tells the day; kinds of obligations and answers are below it.
CLOCK_KIND = -2
#: What becomes of obligations, by the names of a trigger's lets: each followed by the number of the version.
LATE, OPEN, ANY = "late", "open", "any"
MET = "met"
_ITEM = "$each"

Encode = Callable[[object], int]
Fact = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on an answer: its property of a number beside a constant, or beside a property of the obligation."""

    operator: str
    answer: int
    obligation: int | None = None
    constant: int | None = None


@dataclass(frozen=True)
class Answers:
    """What may answer an obligation: the items of a list, with the properties `inner`, as the obligation has `outer`.
    An item meets it if all conditions hold."""

    list: c.ListFact
    var: str
    inner: tuple[c.Core, ...]
    outer: tuple[c.Core, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Correlation:
    """A version of a trigger, by its place among the versions. `number` tells its kinds of facts. Without `answers` the
    guard says what is met."""

    rule: str
    version: int
    number: int
    plan: ObligationPlan
    answers: Answers | None

    @property
    def kind(self) -> int:
        return CLOCK_KIND - 1 - 2 * self.number

    @property
    def lets(self) -> frozenset[str]:
        """The lets of the trigger whose truth follows from what becomes of its obligations."""
        return frozenset(f"{name}{self.version}" for name in (LATE, OPEN, ANY))

    @property
    def answer_kind(self) -> int:
        return CLOCK_KIND - 2 - 2 * self.number

    def rules(self, condition: Callable[[str, str, Any], dict[str, Any]]) -> dict[str, Any]:
        """The ruleset's rules, by what they conclude and the number; `condition` writes one."""
        last = {"$gte": {"one": {"o": "one"}}}
        clock = {"t": CLOCK_KIND}
        obligation = {"o": {"t": self.kind}}
        met: list[dict[str, Any]]
        if self.answers is None:
            met = [{"o": {"$and": [{"t": self.kind}, {MET: 1}]}}]
        else:
            alone = [
                condition(x.operator, f"y{x.answer}", x.constant)
                for x in self.answers.conditions
                if x.obligation is None
            ]
            joined = [
                condition(x.operator, f"y{x.answer}", {"o": f"x{x.obligation}"})
                for x in self.answers.conditions
                if x.obligation is not None
            ]
            met = [obligation, {"a": {"$and": [{"t": self.answer_kind}, *alone, *joined, last]}}]
        over = {"c": {"$and": [clock, {"$gt": {"day": {"o": "due"}}}, last]}}
        not_over = {"c": {"$and": [clock, {"$lte": {"day": {"o": "due"}}}, last]}}
        return {
            f"{MET}{self.number}": {"all": met},
            f"{LATE}{self.number}": {"all": [obligation, over]},
            f"{OPEN}{self.number}": {"all": [obligation, not_over]},
        }


class _NotExpressible(Exception):
    """An item is asked for what is no property of a fact, or in a way that conditions do not tell."""


def correlated(
    rule: str,
    version: int,
    number: int,
    plan: ObligationPlan,
    compared: Callable[[c.Op], str | None],
    constant: Callable[[c.Core], int | None],
    mirrored: Mapping[str, str],
) -> Correlation | None:
    """A version of a trigger for the engine; None: the guard computes the whole of it. `compared` gives the operator of
    a comparison that the engine knows, `constant` a constant as the engine has it."""
    comp = plan.comp
    if comp is not None and not isinstance(comp.source, c.ListFact):
        return None
    outer = None if comp is None else comp.var
    try:
        for core in (plan.due, plan.applies, plan.expect, *([comp.where] if comp and comp.where else ())):
            _as_fact(core, outer)
    except _NotExpressible:
        return None
    try:
        answers = _answers(plan.expect, outer, compared, constant, mirrored)
    except _NotExpressible:
        answers = None
    return Correlation(rule, version, number, plan, answers)


def _as_fact(core: c.Core, var: str | None) -> c.Core:
    """An expression on an item as one on facts that are named for it."""
    for node in c.walk(core):
        if isinstance(node, c.ListField | c.Element) and node.var == var:
            raise _NotExpressible

    def change(node: c.Core) -> c.Core:
        return (
            c.Fact(node.type, f"{_ITEM}.{node.name}")
            if isinstance(node, c.Field) and node.var == var
            else node
        )

    return core if var is None else c.rewrite(core, change)


def _reads(core: c.Core, var: str | None) -> bool:
    return any(isinstance(n, c.Field | c.ListField | c.Element) and n.var == var for n in c.walk(core))


def _reads_due(core: c.Core) -> bool:
    return any(isinstance(n, c.Var) and n.name == "due" for n in c.walk(core))


def _answers(
    expect: c.Core,
    outer: str | None,
    compared: Callable[[c.Op], str | None],
    constant: Callable[[c.Core], int | None],
    mirrored: Mapping[str, str],
) -> Answers:
    match expect:
        case c.Some(comp=c.Comp(source=c.ListFact() as source, var=var, where=where, item=None), body=body):
            every = c.conj(where, body)
        case _:
            raise _NotExpressible
    inner: list[c.Core] = []
    given: list[c.Core] = []
    conditions: list[Condition] = []

    def of_obligation(core: c.Core) -> bool:
        return _reads_due(core) or (outer is not None and _reads(core, outer))

    for part in every.args if isinstance(every, c.And) else (every,):
        operator = compared(part) if isinstance(part, c.Op) else None
        if operator is not None and isinstance(part, c.Op):
            left, right = part.args
            if not _reads(left, var):
                left, right, operator = right, left, mirrored[operator]
            value = constant(right)
            if _reads(left, var) and not of_obligation(left) and not _reads(right, var):
                inner.append(_as_fact(left, var))
                if value is None:
                    given.append(right)
                place = len(given) - 1 if value is None else None
                conditions.append(Condition(operator, len(inner) - 1, place, value))
                continue
        if of_obligation(part) and _reads(part, var):
            raise _NotExpressible
        # A condition of the one or the other alone is a truth that the guard computes.
        if _reads(part, var):
            inner.append(_as_fact(part, var))
            conditions.append(Condition("=", len(inner) - 1, None, 1))
        else:
            given.append(part)
            inner.append(c.TRUE)
            conditions.append(Condition("=", len(inner) - 1, len(given) - 1, None))
    return Answers(source, var, tuple(inner), tuple(given), tuple(conditions))


def either(a: bool | None, b: bool | None) -> bool | None:
    """Kleene's disjunction."""
    if a or b:
        return True
    return None if a is None or b is None else False


class CorrelationFacts:
    """Makes the facts of a correlation."""

    def __init__(self, correlation: Correlation, calendar: Calendar) -> None:
        self.correlation = correlation
        plan, answers = correlation.plan, correlation.answers
        comp = plan.comp
        outer = None if comp is None else comp.var
        applies = c.conj(comp.where if comp else None, plan.applies)
        over = compare("<", c.Var(t.DATE, "due"), AS_OF)
        unmet = c.negate(plan.expect)
        bodies = [plan.expect, c.conj(applies, over, unmet), c.conj(applies, c.negate(over), unmet)]
        cores = [applies, plan.due]
        cores += [
            c.Let(core.type, "due", plan.due, core) for core in (*bodies, *(answers.outer if answers else ()))
        ]
        self.obligation = compile_cores([c.unique(_as_fact(core, outer)) for core in cores], (), calendar)
        self.answer = compile_cores(
            [c.unique(core) for core in answers.inner] if answers else [], (), calendar
        )

    def of(
        self, file: LoanFile, reference: Reference, as_of: date, encode: Encode
    ) -> tuple[list[Fact], list[Fact], dict[str, bool | None]]:
        """The obligations, numbered, and what may answer them; and what the others come to, late, open and any."""
        plan, answers = self.correlation.plan, self.correlation.answers
        rest: dict[str, bool | None] = {LATE: False, OPEN: False, ANY: False}
        items = self._items(plan.comp.source if plan.comp else None, file, reference)
        if items is None:
            return [], [], dict.fromkeys(rest)
        obligations: list[Fact] = []
        for number, item in enumerate(items):
            applies, due, met, late, open_, *outer = self.obligation(
                {**file.facts, **item}, file.lists, reference, as_of
            )
            if applies is False:
                continue
            if applies is None or due is None or met is None or None in outer:
                for name, truth in ((LATE, late), (OPEN, open_), (ANY, applies)):
                    rest[name] = either(rest[name], truth)
                continue
            fact = {"t": self.correlation.kind, "one": 1, "k": number, "due": encode(due)}
            if answers is None:
                fact[MET] = int(met)
            fact |= {f"x{n}": encode(value) for n, value in enumerate(outer)}
            obligations.append(fact)
        found: list[Fact] = []
        if answers is not None and obligations:
            for item in self._items(answers.list, file, reference) or ():
                values = self.answer({**file.facts, **item}, file.lists, reference, as_of)
                if None not in values:
                    fact = {f"y{n}": encode(value) for n, value in enumerate(values)}
                    found.append({"t": self.correlation.answer_kind, "one": 1, **fact})
        return obligations, found, rest

    @staticmethod
    def _items(
        source: c.Source | None, file: LoanFile, reference: Reference
    ) -> Sequence[Mapping[str, object]] | None:
        """The fields of the items, named as facts; of no list one item, the file itself."""
        if source is None:
            return [{}]
        assert isinstance(source, c.ListFact)
        items = (reference if source.reference else file.lists).get(source.name)
        return None if items is None else [{f"{_ITEM}.{k}": v for k, v in item.items()} for item in items]

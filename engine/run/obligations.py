"""What the triggers of a pack oblige the bank to, and what became of it: one loan file, obligation by obligation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.lower import compare
from sancha.engine.policy.pack import AS_OF
from sancha.engine.policy.plan import ObligationPlan, Plan
from sancha.engine.run.row import Reference
from sancha.engine.run.to_python import Compiled, compile_cores

#: The list that holds the one item looked at; the file's own lists keep their names beside it.
_ONE = c.ListFact("$each")


class State(StrEnum):
    """What became of an obligation by the day it is looked at."""

    NOT_APPLICABLE = "not applicable"
    #: What is expected has not followed, and the last day to respond is not over.
    OPEN = "open"
    MET = "met"
    #: It followed, after the last day to respond.
    MET_LATE = "met late"
    MISSED = "missed"
    #: A missing fact leaves it open.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Obligation:
    """What a version (its first day in force) of a trigger obliges to, for an item of a list (by its number) or for
    the file. `list` without `item`: the list is missing. Days that are missing are None."""

    rule: str
    version: str
    list: str | None
    item: int | None
    opened_on: date | None
    due: date | None
    state: State

    @property
    def key(self) -> tuple[str, str, str | None, int | None]:
        """What stays the same of it from day to day."""
        return (self.rule, self.version, self.list, self.item)


class Obligations:
    """The obligations of loan files by the triggers of a plan, each compiled when first needed.

    The states say item by item what a rule's outcome sums up: `missed` and `met late` are its breach.
    """

    def __init__(self, plan: Plan, calendar: Calendar) -> None:
        self.rules = {
            rule.id: [_Version(rule.id, version, calendar) for version in rule.obligations]
            for rule in plan.rules
            if rule.obligations
        }

    def of(
        self, file: LoanFile, reference: Reference, as_of: date, rules: Iterable[str] | None = None
    ) -> list[Obligation]:
        """Those of the rules (None: all) in the order of the pack, an item at a time."""
        ids = self.rules if rules is None else [rule for rule in rules if rule in self.rules]
        return [
            found for id in ids for version in self.rules[id] for found in version.of(file, reference, as_of)
        ]


class _Version:
    def __init__(self, rule: str, plan: ObligationPlan, calendar: Calendar) -> None:
        self.rule = rule
        self.plan = plan
        self.calendar = calendar

    @cached_property
    def judged(self) -> Compiled:
        """(seen, applies, met, over, met by the day looked at, first day, last day)"""
        plan = self.plan
        due = c.Var(t.DATE, "due")
        where = plan.comp.where if plan.comp is not None else None
        conditions = (
            where or c.TRUE,
            c.conj(where, plan.applies),
            c.Let(t.BOOLEAN, "due", plan.due, plan.expect),
            c.Let(t.BOOLEAN, "due", plan.due, compare("<", due, AS_OF)),
            # What followed late is what would have been in time, were the time to respond not over yet.
            c.Let(t.BOOLEAN, "due", AS_OF, plan.expect),
        )
        cores = [*map(self.condition, conditions), self.day(plan.start), self.day(plan.due)]
        return compile_cores([c.unique(core) for core in cores], (), self.calendar)

    def condition(self, core: c.Core) -> c.Core:
        """A condition on the item at hand. Of a list of one item `Some` is what the condition is."""
        comp = self.plan.comp
        return core if comp is None else c.Some(t.BOOLEAN, c.Comp(_ONE, comp.var, None, None), core)

    def day(self, core: c.Core) -> c.Core:
        comp = self.plan.comp
        return core if comp is None else c.Agg(t.DATE, "min", c.Comp(_ONE, comp.var, None, core))

    def of(self, file: LoanFile, reference: Reference, as_of: date) -> Iterator[Obligation]:
        source = None if self.plan.comp is None else self.plan.comp.source
        if source is None:
            found = self.one(None, None, file.lists, file, reference, as_of)
            if found is not None:
                yield found
            return
        assert isinstance(source, c.ListFact)
        items = (reference if source.reference else file.lists).get(source.name)
        if items is None:
            yield Obligation(self.rule, self.plan.version, source.name, None, None, None, State.UNKNOWN)
            return
        for number, item in enumerate(items, 1):
            number = int(str(item.get("item", number)))
            found = self.one(source.name, number, {**file.lists, _ONE.name: [item]}, file, reference, as_of)
            if found is not None:
                yield found

    def one(
        self,
        name: str | None,
        item: int | None,
        lists: Mapping[str, Sequence[Mapping[str, object]] | None],
        file: LoanFile,
        reference: Reference,
        as_of: date,
    ) -> Obligation | None:
        """None where the rule does not see the item."""
        seen, applies, met, over, met_by_now, start, due = self.judged(file.facts, lists, reference, as_of)
        if seen is False:
            return None
        if applies is False:
            state = State.NOT_APPLICABLE
        elif applies is None:
            state = State.UNKNOWN
        elif met is True:
            state = State.MET
        elif met is None or over is None:
            state = State.UNKNOWN
        elif not over:
            state = State.OPEN
        else:
            state = State.MET_LATE if met_by_now is True else State.MISSED
        return Obligation(self.rule, self.plan.version, name, item, start, due, state)

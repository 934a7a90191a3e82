"""The guard: sessions of durable_rules within the limits that keep its answers exact.

A session judges one loan file by one ruleset: the facts are given, the conclusions noted, the state deleted. The guard
computes what the engine compares, and asks nothing of it that it does not do well (docs/live.md, "The engine").
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import durable_rules_engine as engine
from durable.engine import Host

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Outcome, Plan
from sancha.engine.run.row import Reference
from sancha.engine.run.to_python import Compiled, compile_cores
from sancha.engine.run.to_rulesets import FILE_KIND, Beyond, Ruleset, Rulesets, Term, encoded

#: States that may live at a time are few: each session takes the next of these, and leaves it empty.
_SLOTS = 8
_OPEN = "open"
_OPEN_KIND = -1
#: What the engine says of a fact: that it was taken, or that no pattern asks for it. All else ends the session.
_TAKEN, _NOT_HANDLED = 0, 1
#: Rules that may fire in a session: more than there are outcomes to conclude is no end.
_MOST_FIRED = 10_000


class EngineError(Exception):
    """The engine refused a fact, or did not come to an end."""


class _QuietHost(Host):  # type: ignore[misc]
    def _run(self) -> None:
        """No timers: there are no rules on time, and its threads race with the deletion of states."""


def _nothing(c: Any) -> None:
    """Actions are read by their names, and do nothing."""


@dataclass(frozen=True, slots=True)
class _Property:
    """How a term stands in the facts: its property and the one that says whether it is missing, in the file's fact, and
    the kind of a fact of its own; each None where no rule reads it."""

    name: str | None
    missing: str | None
    kind: int | None
    rules: frozenset[str]


class Session:
    """One ruleset, ready to judge files."""

    def __init__(self, ruleset: Ruleset, rulesets: Rulesets, plan: Plan, pack: Pack) -> None:
        self.ruleset = ruleset
        self.texts = rulesets.texts
        self.slot = 0
        #: Functions of terms: those that rules share, and those of one rule.
        self.parts: list[tuple[str | None, list[_Property], Compiled]] = []
        lets = {rule.id: rule.lets for rule in plan.rules}
        read = set(_properties(ruleset.rules))
        users: dict[Term, set[str]] = {}
        for id in ruleset.decides:
            for term in rulesets.rules[id].terms:
                users.setdefault(term, set()).add(id)
        for of in dict.fromkeys(term.of for term in users):
            terms = [term for term in users if term.of == of]
            compiled = compile_cores([term.core for term in terms], lets[of] if of else (), pack.calendar)
            properties = [
                _Property(
                    term.name if term.name in read else None,
                    term.missing if term.missing in read else None,
                    term.kind if term in ruleset.own else None,
                    frozenset(users[term]),
                )
                for term in terms
            ]
            self.parts.append((of, properties, compiled))
        self.numbers = {name: number for number, name in enumerate(ruleset.rules)}
        # The library changes the rules that it is given.
        rules = {name: {**copy.deepcopy(rule), "run": _nothing} for name, rule in ruleset.rules.items()}
        rules[_OPEN] = {"all": [{"m": {"t": _OPEN_KIND}}], "run": _nothing}
        self.host = _QuietHost({ruleset.name: rules})
        self.handle = self.host.get_ruleset(ruleset.name)._handle

    def facts(
        self, file: LoanFile, reference: Reference, as_of: date, rules: Collection[str] | None
    ) -> tuple[list[dict[str, Any]], set[str]]:
        """The facts of a file for these rules (None: all of the ruleset), and the rules that read a number which the
        engine does not hold exactly."""
        texts = dict(self.texts)
        whole: dict[str, Any] = {"t": FILE_KIND, "one": 1}
        others: list[dict[str, Any]] = []
        refused: set[str] = set()
        for of, properties, compiled in self.parts:
            if rules is not None and of is not None and of not in rules:
                continue
            values = compiled(file.facts, file.lists, reference, as_of)
            for p, value in zip(properties, values, strict=True):
                if value is None:
                    if p.missing is not None:
                        whole[p.missing] = 1
                    continue
                try:
                    number = encoded(value, texts)
                except Beyond:
                    refused |= p.rules
                    continue
                if p.missing is not None:
                    whole[p.missing] = 0
                if p.name is not None:
                    whole[p.name] = number
                if p.kind is not None:
                    others.append({"t": p.kind, "one": 1, "v": number})
        return [whole, *others], refused

    def run(self, facts: Sequence[Mapping[str, Any]]) -> list[int]:
        """The numbers of the ruleset's rules that fired for these facts. Raises EngineError."""
        self.slot = (self.slot + 1) % _SLOTS
        sid = str(self.slot)
        fired: list[int] = []
        try:
            # A state in which nothing ever fired cannot be deleted.
            for number, fact in enumerate(({"t": _OPEN_KIND}, *facts), 1):
                self._assert({"sid": sid, "id": number, **fact}, fired)
        finally:
            engine.delete_state(self.handle, sid)
        return fired

    def _assert(self, fact: Mapping[str, Any], fired: list[int]) -> None:
        """Give the engine a fact, and note what fires: the loop of `Ruleset.do_actions`, without reading the facts that
        each rule met, which takes most of the library's time."""
        result, state = engine.assert_fact(self.handle, json.dumps(fact))
        if result == _NOT_HANDLED:
            return
        if result != _TAKEN:
            raise EngineError(f"the engine refused a fact ({result})")
        started = engine.start_action_for_state(self.handle, state)
        if not started:
            return
        context, message = started
        while message:
            # The message is an object whose one key is the name of the rule.
            name = message[2 : message.index('"', 2)]
            if name != _OPEN:
                fired.append(self.numbers[name])
            if len(fired) > _MOST_FIRED:
                raise EngineError("the engine fires without end")
            engine.update_state(self.handle, context)
            message = engine.complete_and_start_action(self.handle, state)

    def judge(
        self, file: LoanFile, reference: Reference, as_of: date, rules: Collection[str] | None = None
    ) -> dict[str, set[Outcome] | None]:
        """What the engine concludes of the rules of this ruleset (of those named): the outcomes, one where all is well;
        None of a rule that it was not asked."""
        facts, refused = self.facts(file, reference, as_of, rules)
        found: dict[str, set[Outcome] | None] = {
            id: None if id in refused else set()
            for id in self.ruleset.decides
            if rules is None or id in rules
        }
        for number in self.run(facts):
            for id, outcome in self.ruleset.meaning[number]:
                outcomes = found.get(id)
                if outcomes is not None:
                    outcomes.add(outcome)
        return found


def _properties(value: Any) -> Iterator[str]:
    """The names of properties that the rules of a ruleset read of the file's fact."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _properties(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _properties(inner)
    elif isinstance(value, str):
        yield value

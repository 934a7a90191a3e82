"""The guard: sessions of durable_rules within the limits that keep its answers exact.

A session judges one loan file by one ruleset: the facts are given, the conclusions noted, the state deleted. The guard
computes what the engine compares, and asks nothing of it that it does not do well (docs/live.md, "The engine").
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import durable_rules_engine as engine
from durable.engine import Host

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.feel import core as c
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.correlation import ANY, CLOCK_KIND, LATE, MET, OPEN, CorrelationFacts
from sancha.engine.run.row import Reference
from sancha.engine.run.table_rulesets import DecidedTable, TableRules, rows_met, table_fact
from sancha.engine.run.to_python import Compiled, compile_cores
from sancha.engine.run.to_rulesets import FILE_KIND, Beyond, Ruleset, Rulesets, Term, encoded

#: States that may live at a time are few: each session takes the next of these, and leaves it empty.
_SLOTS = 8
_BEGIN = "begin"
_BEGIN_KIND = -1
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


class TableSession:
    """The rulesets of a table, ready to tell the rows that some inputs meet."""

    def __init__(self, rules: TableRules) -> None:
        self.handles = [
            _registered(f"table{rules.number}x{n}", part) for n, part in enumerate(rules.rulesets)
        ]

    def met(self, inputs: Sequence[int]) -> set[int]:
        """The places of the rows met, from 0. Raises EngineError."""
        found: set[int] = set()
        for handle in self.handles:
            with _Run(handle) as run:
                run.give(table_fact(inputs))
            found |= rows_met(name for name, _ in run.fired if name != _BEGIN)
        return found


class _Decided:
    """A table as a ruleset's rules read it."""

    def __init__(
        self,
        decided: DecidedTable,
        session: TableSession,
        lets: Sequence[tuple[str, c.Core]],
        calendar: Calendar,
    ) -> None:
        self.decided = decided
        self.session = session
        table = decided.rules.table
        self.inputs = compile_cores(decided.inputs, lets, calendar)
        by_row = [c.Lookup(type_, table, decided.inputs, n) for n, (_, type_) in enumerate(table.outputs)]
        self.by_row = compile_cores(by_row, lets, calendar)

    def outputs(
        self,
        facts: Mapping[str, object],
        file: LoanFile,
        reference: Reference,
        as_of: date,
        texts: dict[str, int],
    ) -> dict[str, object]:
        """Its outputs, as facts: by the engine where all inputs are known and it holds them exactly."""
        inputs = self.inputs(facts, file.lists, reference, as_of)
        try:
            if None in inputs:
                raise Beyond
            found = self.decided.outputs(self.session.met([encoded(value, texts) for value in inputs]))
        except Beyond:
            found = self.by_row(facts, file.lists, reference, as_of)
        return {self.decided.fact(n): value for n, value in enumerate(found)}


class Session:
    """One ruleset, ready to judge files. `tables` are those of the rulesets, by their numbers."""

    def __init__(
        self, ruleset: Ruleset, rulesets: Rulesets, tables: Mapping[int, TableSession], pack: Pack
    ) -> None:
        self.ruleset = ruleset
        lets = {id: rulesets.rules[id].lets for id in ruleset.decides}
        self.tables = [
            _Decided(
                decided, tables[decided.rules.number], lets[decided.of] if decided.of else (), pack.calendar
            )
            for decided in ruleset.tables
        ]
        self.texts = rulesets.texts
        #: Functions of terms: those that rules share, and those of one rule.
        self.parts: list[tuple[str | None, list[_Property], Compiled]] = []
        self.no_outputs = {
            decided.fact(n): None
            for decided in ruleset.tables
            for n in range(len(decided.rules.table.outputs))
        }
        read = set(_properties(ruleset.rules))
        users: dict[Term, set[str]] = {}
        concluded: set[Term] = set()
        for id in ruleset.decides:
            concluded |= set(rulesets.rules[id].concluded.values())
            for term in rulesets.rules[id].terms:
                users.setdefault(term, set()).add(id)
        #: Of each version of a trigger what makes its facts, and the terms that it concludes.
        self.correlations = [
            (CorrelationFacts(found, pack.calendar), rulesets.rules[found.rule].concluded)
            for found in ruleset.correlations
        ]
        for of in dict.fromkeys(term.of for term in users):
            terms = [term for term in users if term.of == of and term not in concluded]
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
        self.meaning = {f"r{number}": outcomes for number, outcomes in enumerate(ruleset.meaning)}
        self.handle = _registered(ruleset.name, ruleset.rules)

    def judge(
        self, file: LoanFile, reference: Reference, as_of: date, rules: Collection[str] | None = None
    ) -> dict[str, set[Outcome] | None]:
        """What the engine concludes of the rules of this ruleset (of those named): the outcomes, one where all is well;
        None of a rule that it was not asked, for it reads a number that the engine does not hold exactly.

        Raises EngineError.
        """
        texts = dict(self.texts)
        refused: set[str] = set()
        found: dict[str, set[Outcome] | None] = {}
        # A let may read a table that comes later than the one at hand, which does not need it.
        given = {**file.facts, **self.no_outputs}
        for table in self.tables:
            if rules is None or table.decided.of is None or table.decided.of in rules:
                given |= table.outputs(given, file, reference, as_of, texts)
        whole: dict[str, Any] = {"t": FILE_KIND, "one": 1}
        with _Run(self.handle) as run:
            whole |= self._concluded(run, refused, file, reference, as_of, rules, texts)
            file = LoanFile(file.id, given, file.lists)
            for fact in self._facts(whole, refused, file, reference, as_of, rules, texts):
                run.give(fact)
        for id in self.ruleset.decides:
            if rules is None or id in rules:
                found[id] = None if id in refused else set()
        for name, _ in run.fired:
            for id, outcome in self.meaning.get(name, ()):
                outcomes = found.get(id)
                if outcomes is not None:
                    outcomes.add(outcome)
        return found

    def _concluded(
        self,
        run: _Run,
        refused: set[str],
        file: LoanFile,
        reference: Reference,
        as_of: date,
        rules: Collection[str] | None,
        texts: dict[str, int],
    ) -> dict[str, int]:
        """What the engine concludes of the obligations of triggers, as properties of the file's fact."""
        given: dict[tuple[int, int], str] = {}
        truths: dict[int, dict[str, bool | None]] = {}
        for correlation, _ in self.correlations:
            rule, number = correlation.correlation.rule, correlation.correlation.number
            if rules is not None and rule not in rules:
                continue
            try:
                obligations, answers, truths[number] = correlation.of(
                    file, reference, as_of, lambda value: encoded(value, texts)
                )
            except Beyond:
                refused.add(rule)
                continue
            if obligations:
                truths[number][ANY] = True
            for fact in obligations:
                given[number, fact["k"]] = run.give(fact)
                self._take_met(run, given)
            for fact in answers:
                run.give(fact)
                # What is met is taken away at once: it would meet every other answer as well.
                self._take_met(run, given)
        if given:
            run.give({"t": CLOCK_KIND, "one": 1, "day": encoded(as_of, texts)})
        for let in (LATE, OPEN):
            for number, _ in run.fired_of(let):
                truths[number][let] = True
        whole: dict[str, int] = {}
        for correlation, terms in self.correlations:
            version, number = correlation.correlation.version, correlation.correlation.number
            for let, truth in truths.get(number, {}).items():
                if (term := terms.get(f"{let}{version}")) is not None:
                    whole |= {term.missing: 1} if truth is None else {term.missing: 0, term.name: int(truth)}
        return whole

    @staticmethod
    def _take_met(run: _Run, given: dict[tuple[int, int], str]) -> None:
        """Take away the obligations that were met."""
        for number, message in run.fired_of(MET):
            run.take(given.pop((number, _obligation(message))))

    def _facts(
        self,
        whole: dict[str, Any],
        refused: set[str],
        file: LoanFile,
        reference: Reference,
        as_of: date,
        rules: Collection[str] | None,
        texts: dict[str, int],
    ) -> list[dict[str, Any]]:
        """The facts of terms that others are compared with, and the file's, with its terms; rules that read what the
        engine does not hold exactly are added to `refused`."""
        others: list[dict[str, Any]] = []
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
        return [*others, whole]


def _registered(name: str, rules: Mapping[str, Any]) -> Any:
    """The handle of a ruleset with these rules, and one that begins a session."""
    # The library changes the rules that it is given.
    given = {rule: {**copy.deepcopy(pattern), "run": _nothing} for rule, pattern in rules.items()}
    given[_BEGIN] = {"all": [{"m": {"t": _BEGIN_KIND}}], "run": _nothing}
    return _QuietHost({name: given}).get_ruleset(name)


class _Run:
    """One session: facts are given one at a time; `fired` are the names of rules, with what each was told."""

    _slots = itertools.cycle(map(str, range(_SLOTS)))

    def __init__(self, ruleset: Any) -> None:
        self.ruleset = ruleset
        self.handle = ruleset._handle
        self.sid = next(self._slots)
        self.given = 0
        self.fired: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        # A state in which nothing ever fired cannot be deleted.
        self.give({"t": _BEGIN_KIND})
        return self

    def __exit__(self, *error: object) -> None:
        _asked(engine.delete_state, self.handle, self.sid)

    def give(self, fact: Mapping[str, Any]) -> str:
        """Give the engine a fact, and note what fires: the loop of `Ruleset.do_actions`, without reading the facts that
        each rule met, which takes most of the library's time. The fact as it was given. Raises EngineError."""
        self.given += 1
        # Names and whole numbers, and the name of the state: as Python writes them they are JSON but for the quotes.
        text = str({"sid": self.sid, "id": self.given, **fact}).replace("'", '"')
        self._follow(_asked(engine.assert_fact, self.handle, text))
        return text

    def take(self, text: str) -> None:
        """Take a fact away that was given. Raises EngineError."""
        self._follow(_asked(engine.retract_fact, self.handle, text))

    def _follow(self, answer: tuple[int, Any]) -> None:
        result, state = answer
        if result == _NOT_HANDLED:
            return
        if result != _TAKEN:
            raise EngineError(f"the engine refused a fact ({result})")
        started = _asked(engine.start_action_for_state, self.handle, state)
        if not started:
            return
        context, message = started
        while message:
            # The message is an object whose one key is the name of the rule.
            self.fired.append((message[2 : message.index('"', 2)], message))
            if len(self.fired) > _MOST_FIRED:
                raise EngineError("the engine fires without end")
            _asked(engine.update_state, self.handle, context)
            message = _asked(engine.complete_and_start_action, self.handle, state)

    def fired_of(self, conclusion: str) -> list[tuple[int, str]]:
        """The rules of triggers with this conclusion that fired since this was asked: their numbers, and what the
        engine tells."""
        found = [fired for fired in self.fired if fired[0].startswith(conclusion)]
        if found:
            self.fired = [fired for fired in self.fired if not fired[0].startswith(conclusion)]
        return [(int(name[len(conclusion) :]), message) for name, message in found]


def _asked(function: Callable[..., Any], *given: Any) -> Any:
    """What the engine answers. Raises EngineError where it says that it cannot."""
    try:
        return function(*given)
    except engine.error as error:
        raise EngineError(str(error)) from error


def _obligation(message: str) -> int:
    """The number of the obligation that a rule met."""
    (found,) = json.loads(message).values()
    return int(found["o"]["k"])


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

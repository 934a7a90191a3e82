"""The row evaluator: one loan file, every outcome, and why. What it answers is what a policy means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.policy.lower import lower, lower_decision
from sancha.engine.policy.pack import Pack, slots_of
from sancha.engine.policy.plan import Evidence, ListEvidence, Outcome, Plan, RulePlan, ScalarEvidence
from sancha.engine.run.as_text import as_text
from sancha.engine.run.to_python import Compiled, compile_core, compile_cores

#: The reference lists of a book: a list of records each, or None: missing.
Reference = Mapping[str, Sequence[Mapping[str, object]] | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of one rule for one file. `version` is the first day of the version in force, if one was."""

    loan_id: str
    rule: str
    outcome: Outcome
    version: str | None
    judged_on: date | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Reasons:
    """The facts that a rule read, with their values as text (None: missing), and those that leave it open; and others
    that the text of its finding names."""

    facts: tuple[tuple[str, str | None], ...]
    missing: tuple[str, ...]
    named: tuple[tuple[str, str | None], ...] = ()

    def tell(self, text: str) -> str:
        """A finding's text with its slots filled; a fact that is missing shows as an ellipsis."""
        for name, value in (*self.facts, *self.named):
            text = text.replace(f"{{{name}}}", value if value is not None else "…")
        return text


class RuleFunctions:
    """One rule, compiled when first needed."""

    def __init__(self, plan: RulePlan, pack: Pack) -> None:
        self.plan = plan
        self.pack = pack

    @cached_property
    def outcome(self) -> Compiled:
        """(code, version index, day judged, note)"""
        plan = self.plan
        return compile_cores([plan.code, plan.version, plan.judged, plan.note], plan.lets, self.pack.calendar)

    @cached_property
    def blame(self) -> Compiled:
        return compile_cores([core for _, core in self.plan.blame], self.plan.lets, self.pack.calendar)

    @cached_property
    def evidence(self) -> EvidenceFunctions:
        return EvidenceFunctions(self.plan.evidence, self.plan.lets, self.pack)


class EvidenceFunctions:
    """The facts that a rule reads, as the rule sees them."""

    def __init__(self, evidence: Sequence[Evidence], lets: Sequence[tuple[str, c.Core]], pack: Pack) -> None:
        self.scalars = [e for e in evidence if isinstance(e, ScalarEvidence)]
        self.values = compile_cores([e.value for e in self.scalars], lets, pack.calendar)
        self.lists = [_SeenItems(e, lets, pack) for e in evidence if isinstance(e, ListEvidence)]

    def texts(self, file: LoanFile, reference: Reference, as_of: date) -> tuple[tuple[str, str | None], ...]:
        """(name, value as text) of each fact, those of items named `list[item].field`."""
        values = self.values(file.facts, file.lists, reference, as_of)
        out = [(e.name, as_text(value, e.value.type)) for e, value in zip(self.scalars, values, strict=True)]
        for items in self.lists:
            out += items.texts(file, reference, as_of)
        return tuple(out)


class _SeenItems:
    """The items of a list that a rule saw."""

    def __init__(self, evidence: ListEvidence, lets: Sequence[tuple[str, c.Core]], pack: Pack) -> None:
        self.evidence = evidence
        where = evidence.where or c.TRUE
        names = {n.name: n for n in c.walk(where) if isinstance(n, c.Var) and n.name != "as_of"}
        self.names = [f"${name}" for name in names]
        self.variables = compile_cores(list(names.values()), lets, pack.calendar)

        def as_fact(node: c.Core) -> c.Core:
            return (
                c.Fact(node.type, f"${node.name}") if isinstance(node, c.Var) and node.name in names else node
            )

        comp = c.Comp(c.ListFact(evidence.list), evidence.var, None, None)
        self.seen = compile_core(c.Is(t.BOOLEAN, c.Some(t.BOOLEAN, comp, c.rewrite(where, as_fact)), True))

    def texts(self, file: LoanFile, reference: Reference, as_of: date) -> list[tuple[str, str | None]]:
        name = self.evidence.list
        values = self.variables(file.facts, file.lists, reference, as_of)
        facts = dict(zip(self.names, values, strict=True))
        return [
            (f"{name}[{item['item']}].{field.name}", as_text(item[field.name], field.type))
            for item in file.lists.get(name) or ()
            if self.seen(facts, {name: [item]}, reference, as_of)
            for field in self.evidence.fields
        ]


class Evaluator:
    """Judges loan files by a pack.

    `hindsight` lifts the clock: facts are seen whenever they became known.
    """

    def __init__(self, pack: Pack, *, hindsight: bool = False, plan: Plan | None = None) -> None:
        self.pack = pack
        self.plan = plan or lower(pack, hindsight=hindsight)
        self.rules = {plan.id: RuleFunctions(plan, pack) for plan in self.plan.rules}
        facts = pack.vocabulary.facts
        #: The facts, with their types, that the texts of findings name.
        self.named = {
            id: [
                (name, facts[name].type)
                for name in dict.fromkeys(n for text in rule.finding.values() for n in slots_of(text))
                if name in facts
            ]
            for id, rule in pack.rules.items()
        }

    def judge(
        self, file: LoanFile, reference: Reference, as_of: date, rules: Iterable[str] | None = None
    ) -> list[Judgement]:
        """The outcomes of the rules (None: all that speak of files) in the order of the pack."""
        out = []
        for id in self.rules if rules is None else rules:
            plan = self.rules[id].plan
            code, version, judged, note = self.rules[id].outcome(file.facts, file.lists, reference, as_of)
            first_day = None if version is None else plan.versions[version]
            out.append(Judgement(file.id, id, Outcome(code), first_day, judged, note))
        return out

    def reasons(self, judgement: Judgement, file: LoanFile, reference: Reference, as_of: date) -> Reasons:
        """Why: the facts that the rule read, and, for an unknown outcome, those that leave it open."""
        functions = self.rules[judgement.rule]
        missing: tuple[str, ...] = ()
        if judgement.outcome is Outcome.UNKNOWN:
            blamed = functions.blame(file.facts, file.lists, reference, as_of)
            missing = tuple(name for (name, _), yes in zip(functions.plan.blame, blamed, strict=True) if yes)
        facts = functions.evidence.texts(file, reference, as_of)
        read = {name for name, _ in facts}
        named = tuple(
            (name, as_text(file.facts[name], type_))
            for name, type_ in self.named.get(judgement.rule, ())
            if name not in read
        )
        return Reasons(facts, missing, named)

    def decision(
        self, name: str, file: LoanFile, reference: Reference, as_of: date, day: date | None = None
    ) -> Any:
        """The value of a named decision, `name` or `name.output`, on a day (None: the day of the book)."""
        core = lower_decision(self.pack, name, hindsight=self.plan.hindsight)
        return compile_core(core, self.pack.calendar)(file.facts, file.lists, reference, day or as_of)

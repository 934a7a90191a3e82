"""Portfolio rules: the book by groups. Both engines count the files; what the counts mean is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from typing import Any

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.policy.blame import blame
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Outcome, PortfolioPlan
from sancha.engine.run.as_text import as_text
from sancha.engine.run.row import EvidenceFunctions, Reference
from sancha.engine.run.runtime import DIVIDE
from sancha.engine.run.to_python import Compiled, compile_core, compile_cores

#: Sums of a book are exact, in whatever order its files come: from 10 ** -6176 to 10 ** 6144, and many of them.
_EXACT = Context(prec=13_000)
#: Places to which a share is shown. It is compared with all of its digits.
_SHOWN = Decimal("1e-8")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is asked of each file for a portfolio rule.

    `open`: whether it, or its amount, may or may not count. `doubts` and `group_doubts`: by fact, whether the fact's
    absence leaves that open, or leaves open to which group the file belongs.
    """

    where: c.Core
    group: c.Core
    measure: c.Core
    open: c.Core
    doubts: tuple[tuple[str, c.Core], ...]
    group_doubts: tuple[tuple[str, c.Core], ...]


def conditions(plan: PortfolioPlan) -> Conditions:
    """The conditions of a rule, over the variables of its `lets`."""
    bound = dict(plan.lets)
    counted = c.Is(t.BOOLEAN, plan.where, True)
    no_measure = c.conj(counted, c.Is(t.BOOLEAN, plan.measure, None))
    unsure = c.disj(c.Is(t.BOOLEAN, plan.where, None), no_measure)
    doubts = [*blame(plan.where, bound), *_within(counted, blame(plan.measure, bound))]
    return Conditions(
        plan.where,
        plan.group,
        plan.measure,
        c.unique(unsure),
        tuple((name, c.unique(core)) for name, core in doubts),
        tuple((name, c.unique(core)) for name, core in _within(counted, blame(plan.group, bound))),
    )


def _within(counted: c.Core, pairs: Iterable[tuple[str, c.Core]]) -> list[tuple[str, c.Core]]:
    return [(name, c.conj(counted, core)) for name, core in pairs]


@dataclass(frozen=True, slots=True)
class Sum:
    """Files counted, their measure and their exposure."""

    files: int = 0
    total: Decimal = Decimal(0)
    exposure: Decimal = Decimal(0)

    def __add__(self, other: Sum) -> Sum:
        return Sum(
            self.files + other.files,
            _EXACT.add(self.total, other.total),
            _EXACT.add(self.exposure, other.exposure),
        )


@dataclass
class Tally:
    """What the files of a book come to for one rule. Of the group None it is not known to which they belong.

    `open` are the groups of files that may or may not count, or with an amount that is missing.
    """

    groups: dict[str | None, Sum] = field(default_factory=dict)
    open: set[str | None] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    group_missing: set[str] = field(default_factory=set)

    def add(self, group: str | None, found: Sum) -> None:
        self.groups[group] = self.groups.get(group, Sum()) + found

    def update(self, other: Tally) -> None:
        """Adds what other files come to."""
        for group, found in other.groups.items():
            self.add(group, found)
        self.open |= other.open
        self.missing |= other.missing
        self.group_missing |= other.group_missing


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """The outcome of a rule for one group of the book."""

    group: str
    outcome: Outcome
    sum: Sum
    facts: tuple[tuple[str, str | None], ...]
    missing: tuple[str, ...]


def judge_groups(
    plan: PortfolioPlan, tally: Tally, pack: Pack, reference: Reference, as_of: date
) -> list[GroupOutcome]:
    """The outcome of each group, in order of their names.

    Where it is open whether a file counts, or with what amount, its group is unknown, and every group is if the rule
    asks for the share of the whole, or if the file's group is missing. Files that count, but whose group is missing,
    are in the whole: a group passes only if it would with all of them, and is a breach if it is one without them.
    """
    require = _Requirement(plan, pack, reference, as_of)
    in_force = compile_core(plan.in_force)(dict.fromkeys(pack.vocabulary.facts), {}, {}, as_of)
    of_the_whole = any(isinstance(n, c.Var) and n.name == "share" for n in c.walk(plan.require))
    all_open = None in tally.open or (bool(tally.open) and of_the_whole)
    doubtful = tally.groups.get(None, Sum())
    whole = Decimal(0)
    for found in tally.groups.values():
        whole = _EXACT.add(whole, found.total)
    evidence = EvidenceFunctions(plan.evidence, plan.lets, pack)
    nothing = LoanFile("", dict.fromkeys(pack.vocabulary.facts), dict.fromkeys(pack.vocabulary.lists))
    shared = evidence.texts(nothing, reference, as_of)
    out = []
    for group in sorted(g for g in {*tally.groups, *tally.open} if g is not None):
        found = tally.groups.get(group, Sum())
        own = require(group, found, whole)
        missing: set[str] = set()
        if not in_force:
            outcome = Outcome.NOT_APPLICABLE
        elif all_open or group in tally.open:
            outcome, missing = Outcome.UNKNOWN, tally.missing
        elif own is False:
            outcome = Outcome.BREACH
        elif own is True and (not doubtful.files or require(group, found + doubtful, whole) is True):
            outcome = Outcome.PASS
        else:
            outcome, missing = Outcome.UNKNOWN, tally.group_missing
        facts = (*_figures(plan, found, whole), *shared)
        out.append(GroupOutcome(group, outcome, found, facts, tuple(sorted(missing))))
    return out


class _Requirement:
    """`require` of a rule as a function of a group's sum and the whole."""

    def __init__(self, plan: PortfolioPlan, pack: Pack, reference: Reference, as_of: date) -> None:
        def as_fact(node: c.Core) -> c.Core:
            return (
                c.Fact(node.type, f"${node.name}")
                if isinstance(node, c.Var) and node.name in _FIGURES
                else node
            )

        self.function = compile_cores([c.rewrite(plan.require, as_fact)], plan.lets, pack.calendar)
        self.facts: dict[str, Any] = dict.fromkeys(pack.vocabulary.facts)
        self.lists: dict[str, Any] = dict.fromkeys(pack.vocabulary.lists)
        self.reference = reference
        self.as_of = as_of

    def __call__(self, group: str, found: Sum, whole: Decimal) -> bool | None:
        figures = {
            "$group": group,
            "$share": _share(found, whole),
            "$total": found.total,
            "$files": found.files,
        }
        answer: bool | None = self.function(
            {**self.facts, **figures}, self.lists, self.reference, self.as_of
        )[0]
        return answer


_FIGURES = ("group", "share", "total", "files")


def _share(found: Sum, whole: Decimal) -> Decimal | None:
    return DIVIDE(found.total, whole) if whole else None


def _figures(plan: PortfolioPlan, found: Sum, whole: Decimal) -> list[tuple[str, str | None]]:
    share = _share(found, whole)
    return [
        ("share", None if share is None else as_text(share.quantize(_SHOWN, context=_EXACT), t.NUMBER)),
        ("total", as_text(found.total, plan.measure.type)),
        ("files", as_text(found.files, t.INTEGER)),
    ]


class RowTallies:
    """Counts files one by one with the row evaluator."""

    def __init__(self, plans: Sequence[PortfolioPlan], exposure: str, pack: Pack) -> None:
        self.exposure = exposure
        self.tallies = {plan.id: Tally() for plan in plans}
        self.rules = [_RowRule(plan, conditions(plan), pack) for plan in plans]

    def add(self, file: LoanFile, reference: Reference, as_of: date) -> None:
        for rule in self.rules:
            tally = self.tallies[rule.id]
            counted, group, measure, open_, *doubts = rule.function(file.facts, file.lists, reference, as_of)
            names = rule.doubts
            tally.missing.update(name for name, yes in zip(names, doubts, strict=False) if yes)
            rest = doubts[len(names) :]
            tally.group_missing.update(name for name, yes in zip(rule.group_doubts, rest, strict=True) if yes)
            if open_:
                tally.open.add(group)
            if counted is True and measure is not None:
                exposure = file.facts[self.exposure]
                amount = exposure if isinstance(exposure, Decimal) else Decimal(0)
                tally.add(group, Sum(1, Decimal(measure), amount))


class _RowRule:
    def __init__(self, plan: PortfolioPlan, asked: Conditions, pack: Pack) -> None:
        self.id = plan.id
        self.doubts = [name for name, _ in asked.doubts]
        self.group_doubts = [name for name, _ in asked.group_doubts]
        cores = [asked.where, asked.group, asked.measure, asked.open]
        cores += [core for _, core in (*asked.doubts, *asked.group_doubts)]
        self.function: Compiled = compile_cores(cores, plan.lets, pack.calendar)

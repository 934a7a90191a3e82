"""What an impact tells: outcomes before and after, rule by rule, examples, and the differences that reach a rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from sancha.engine.book.store import Book
from sancha.engine.policy.differences import Difference
from sancha.engine.policy.pack import Pack, Rule
from sancha.engine.policy.plan import Outcome

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Tally:
    """Files, the sum of their exposures, and how many of them lack one."""

    files: int = 0
    exposure: Decimal = Decimal(0)
    without_exposure: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.files + other.files,
            self.exposure + other.exposure,
            self.without_exposure + other.without_exposure,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "exposure": f"{self.exposure:.2f}",
            "without_exposure": self.without_exposure,
        }


@dataclass(frozen=True)
class Moves:
    """Outcomes before and after: `found[old, new]`, unchanged ones among them."""

    found: Mapping[tuple[Outcome, Outcome], Tally]

    def _sum(self, pairs: Iterable[tuple[Outcome, Outcome]]) -> Tally:
        return sum((self.found.get(pair, Tally()) for pair in pairs), Tally())

    @cached_property
    def files(self) -> int:
        return self._sum(self.found).files

    @cached_property
    def changed(self) -> Tally:
        return self._sum(p for p in self.found if p[0] is not p[1])

    @property
    def unchanged(self) -> Tally:
        return self._sum(p for p in self.found if p[0] is p[1])

    def newly(self, outcome: Outcome) -> Tally:
        """What has the outcome under NEW and had another under OLD."""
        return self._sum(p for p in self.found if p[1] is outcome and p[0] is not outcome)

    def no_longer(self, outcome: Outcome) -> Tally:
        return self._sum(p for p in self.found if p[0] is outcome and p[1] is not outcome)

    @property
    def breached(self) -> Tally:
        return self.newly(Outcome.BREACH)

    @property
    def relieved(self) -> Tally:
        return self.no_longer(Outcome.BREACH)

    @property
    def passed(self) -> Tally:
        return self.newly(Outcome.PASS)

    @property
    def unknown(self) -> Tally:
        return self.newly(Outcome.UNKNOWN)

    @property
    def applicable(self) -> Tally:
        return self.no_longer(Outcome.NOT_APPLICABLE)

    @property
    def not_applicable(self) -> Tally:
        return self.newly(Outcome.NOT_APPLICABLE)

    @property
    def other(self) -> Tally:
        return self.newly(Outcome.WAIVED) + self.newly(Outcome.NOT_DUE)

    @property
    def changes(self) -> list[tuple[Outcome, Outcome, Tally]]:
        """The changes, by what the outcome has become."""
        rank = {outcome: place for place, outcome in enumerate(RANK)}
        pairs = sorted((p for p in self.found if p[0] is not p[1]), key=lambda p: (rank[p[1]], rank[p[0]]))
        return [(*pair, self.found[pair]) for pair in pairs]

    @property
    def worst(self) -> tuple[int, ...]:
        """Sorts the worst first."""
        counts = (self.breached, self.unknown, self.changed)
        return tuple(-tally.files for tally in counts)

    def as_json(self) -> dict[str, Any]:
        named = ("changed", "unchanged", "breached", "passed", "unknown", "not_applicable", "other")
        more = {"no_longer_breached": self.relieved.as_json(), "newly_applicable": self.applicable.as_json()}
        moves = [
            {"old": old.text, "new": new.text, **tally.as_json()}
            for (old, new), tally in sorted(self.found.items())
        ]
        told = {
            name if name in named[:2] else f"newly_{name}": getattr(self, name).as_json() for name in named
        }
        return {"files": self.files, **told, **more, "outcomes": moves}


#: Changes are told in this order.
RANK = (
    Outcome.BREACH,
    Outcome.UNKNOWN,
    Outcome.PASS,
    Outcome.NOT_APPLICABLE,
    Outcome.WAIVED,
    Outcome.NOT_DUE,
)


@dataclass(frozen=True, slots=True)
class SeenFact:
    """A fact as the rule of either pack saw it. `read` says which packs' rules read it at all."""

    name: str
    old: str | None
    new: str | None
    read: tuple[bool, bool]

    @property
    def differs(self) -> bool:
        """Whether both packs' rules read it, and saw different values."""
        return self.read == (True, True) and self.old != self.new

    @property
    def apart(self) -> bool:
        """Whether there are two things to say of it."""
        return self.differs or self.read != (True, True)


@dataclass(frozen=True, slots=True)
class Example:
    """A file whose outcome changed, with what decided it. `more` facts were left out."""

    loan_id: str
    branch: str | None
    product: str | None
    exposure: Decimal | None
    old: Outcome
    new: Outcome
    judged_on: date | None
    version: str | None
    facts: tuple[SeenFact, ...]
    more: int
    missing: tuple[str, ...]
    note: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "loan_id": self.loan_id,
            "branch": self.branch,
            "product": self.product,
            "exposure": None if self.exposure is None else f"{self.exposure:.2f}",
            "old": self.old.text,
            "new": self.new.text,
            "judged_on": None if self.judged_on is None else self.judged_on.isoformat(),
            "version": self.version,
            "facts": [
                {
                    "fact": fact.name,
                    **({"old": fact.old} if fact.read[0] else {}),
                    **({"new": fact.new} if fact.read[1] else {}),
                }
                for fact in self.facts
            ],
            "further_facts": self.more,
            "missing": list(self.missing),
            "note": self.note,
        }


@dataclass(frozen=True)
class RuleImpact:
    """What became of the outcomes of one rule. `old` or `new` is None where that pack lacks it.

    `because` are the differences of the packs that reach the rule.
    """

    old: Rule | None
    new: Rule | None
    moves: Moves
    because: tuple[Difference, ...]
    branches: Sequence[tuple[str | None, Moves]] = ()
    products: Sequence[tuple[str | None, Moves]] = ()
    examples: Sequence[Example] = ()

    @property
    def rule(self) -> Rule:
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def id(self) -> str:
        return self.rule.id

    @property
    def state(self) -> str:
        """`added`, `removed`, `renamed`, or `both`."""
        if self.old is None:
            return "added"
        if self.new is None:
            return "removed"
        return "both" if self.old.id == self.new.id else "renamed"


@dataclass(frozen=True, slots=True)
class GroupChange:
    """A group of a portfolio rule that is judged differently. None: neither a breach nor unknown."""

    rule: str
    group: str
    old: str | None
    new: str | None
    old_facts: Mapping[str, str | None]
    new_facts: Mapping[str, str | None]


@dataclass(frozen=True)
class Impact:
    """What the change from OLD to NEW does to a book. All of it stands in the folder `path` too.

    `as_if` are the days of which OLD and NEW are held to have been in force on every day, None where they are not.
    """

    path: Path
    old: Pack
    new: Pack
    as_if: tuple[date | None, date | None]
    book: Book
    as_of: date
    hindsight: bool
    rules: Sequence[RuleImpact]
    portfolio: Mapping[str, tuple[Mapping[str, int], Mapping[str, int]]]
    groups: Sequence[GroupChange]
    differences: Sequence[Difference]
    total: Moves
    stages: Sequence[tuple[str, Moves]]
    branches: Sequence[tuple[str | None, Moves]]
    products: Sequence[tuple[str | None, Moves]]
    sizes: Sequence[tuple[int | None, Moves]]
    files: Mapping[str, Tally]

    @property
    def same_pack(self) -> bool:
        return self.old.digest == self.new.digest

    @property
    def changed_rules(self) -> list[RuleImpact]:
        """The rules of which any outcome changed, worst first."""
        return sorted((r for r in self.rules if r.moves.changed.files), key=lambda r: (r.moves.worst, r.id))


# -- as a file ---------------------------------------------------------------------------------------------------------


def as_json(found: Impact) -> dict[str, Any]:
    def side(pack: Pack, day: date | None) -> dict[str, str | None]:
        as_if = None if day is None else day.isoformat()
        return {"name": pack.name, "version": pack.version, "digest": pack.digest, "as_if": as_if}

    def listed(rows: Sequence[tuple[Any, Moves]], key: str) -> list[dict[str, Any]]:
        return [{key: value, **moves.as_json()} for value, moves in rows]

    return {
        "format": FORMAT,
        "old": side(found.old, found.as_if[0]),
        "new": side(found.new, found.as_if[1]),
        "book": {
            "digest": found.book.digest,
            "as_of": found.as_of.isoformat(),
            "synthetic": found.book.synthetic,
            "loans": found.book.loans,
        },
        "hindsight": found.hindsight,
        "currency": found.new.currency,
        "dimensions": {
            "branch": found.new.branch,
            "exposure": found.new.exposure,
            "product": found.new.product,
        },
        "files": {name: tally.as_json() for name, tally in found.files.items()},
        "total": found.total.as_json(),
        "rules": [_rule_as_json(rule) for rule in found.rules],
        "stages": listed(found.stages, "stage"),
        "branches": listed(found.branches, "branch"),
        "products": listed(found.products, "product"),
        "exposures": listed(found.sizes, "exposure_from"),
        "portfolio": [
            {"rule": rule, "old": dict(old), "new": dict(new)} for rule, (old, new) in found.portfolio.items()
        ],
        "groups": [dataclasses.asdict(group) for group in found.groups],
        "differences": [
            {**dataclasses.asdict(d), "title": dict(d.title), "decides": d.decides} for d in found.differences
        ],
    }


def _rule_as_json(rule: RuleImpact) -> dict[str, Any]:
    return {
        "rule": rule.id,
        "old_rule": None if rule.old is None else rule.old.id,
        "state": rule.state,
        "title": dict(rule.rule.title),
        "stage": rule.rule.stage,
        "clause": rule.rule.clause,
        **rule.moves.as_json(),
        "because": [{"kind": d.kind, "name": d.name} for d in rule.because],
        "examples": [example.as_json() for example in rule.examples],
    }

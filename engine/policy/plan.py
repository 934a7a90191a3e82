"""The plan: what a policy asks of each loan file, wholly in core. Every way to run compiles this and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from sancha.engine.feel.core import Comp, Core
from sancha.engine.feel.core import Field as ItemField


class Outcome(IntEnum):
    """The outcome of a rule for a file. The numbers are those of `codes.parquet`."""

    PASS = 0
    BREACH = 1
    NOT_APPLICABLE = 2
    UNKNOWN = 3
    WAIVED = 4
    NOT_DUE = 5

    @property
    def text(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class ScalarEvidence:
    """A fact, parameter or decision that the rule reads, as the rule saw it."""

    name: str
    value: Core


@dataclass(frozen=True, slots=True)
class ListEvidence:
    """The fields of a list's items that the rule reads; `where` says which items it saw (None: all).

    Named `list[item].field` with the item's number in the file.
    """

    list: str
    var: str
    where: Core | None
    fields: tuple[ItemField, ...]


Evidence = ScalarEvidence | ListEvidence


@dataclass(frozen=True, slots=True)
class ObligationPlan:
    """What a version of a trigger obliges to, for each item of `comp` that it sees (None: once a file).

    Of an item: the first day (`start`), the last day to respond (`due`), whether it applies, and whether what was
    expected followed; `expect` speaks of the variable `due`. `version` is the first day in force.
    """

    version: str
    comp: Comp | None
    start: Core
    due: Core
    applies: Core
    expect: Core


@dataclass(frozen=True)
class RulePlan:
    """One rule for one file.

    `lets` bind scalars in order, each may use those before it; `code` (an Outcome, never missing), `version` (index
    into `versions`, missing where none was in force), `judged` (a date, or missing), `note` (text, or missing) and
    `evidence` use them. `blame` is for files of outcome unknown: fact by fact, whether its presence might settle it.
    `obligations` say of a trigger what its `code` is made of, one a version.
    """

    id: str
    kind: str
    stage: str
    lets: tuple[tuple[str, Core], ...]
    code: Core
    version: Core
    versions: tuple[str, ...]
    judged: Core
    note: Core
    evidence: tuple[Evidence, ...]
    blame: tuple[tuple[str, Core], ...]
    obligations: tuple[ObligationPlan, ...] = ()


@dataclass(frozen=True)
class PortfolioPlan:
    """A rule over the book: files counted (`where`), grouped (`group`, text), summed (`measure`).

    `require` speaks of the variables `group`, `share`, `total` (as the measure) and `files` of one group;
    `in_force`, never missing, of the day of the book.
    """

    id: str
    stage: str
    lets: tuple[tuple[str, Core], ...]
    in_force: Core
    where: Core
    group: Core
    measure: Core
    require: Core
    version: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Plan:
    """A policy ready to run. `facts` and `lists` (list -> fields) are what it reads of the book.

    The variable `as_of` (a date) is bound by the way to run.
    """

    rules: tuple[RulePlan, ...]
    portfolio: tuple[PortfolioPlan, ...]
    branch: Core
    exposure: Core
    facts: frozenset[str]
    lists: Mapping[str, frozenset[str]]
    reference: Mapping[str, frozenset[str]]
    hindsight: bool

"""The files of a pack as models: their keys, no more. What the texts in them mean is checked by `pack.py`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from sancha.engine.feel.temporal import parse_date
from sancha.engine.policy.source import Closed

Identifier = Annotated[str, Field(pattern=r"^[^\W\d]\w*$")]
Stage = Literal["pre-loan", "in-loan", "post-loan"]
Impact = Literal["formal", "control", "regulatory", "fraud"]
Signal = Literal["red", "orange", "yellow"]
Evidence = Literal["V-text", "V-law", "V-sec", "V-prac", "R-hi", "R-lo", "B"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _day(value: object) -> object:
    day = parse_date(value) if isinstance(value, str) else value
    if not isinstance(day, date):
        shown = f"`{value}`" if isinstance(value, str) else "something else"
        raise ValueError(f"expected a date, found {shown}; write a date as 2024-01-31")
    return day


#: A date as the packs write it, and nothing that could be taken for one.
Day = Annotated[date, BeforeValidator(_day)]


def _filled(texts: dict[str, str]) -> dict[str, str]:
    if not texts or any(not (v or "").strip() for v in texts.values()):
        raise ValueError("expected a text in each language, such as {en: …, zh: …}")
    return texts


Texts = Annotated[dict[str, str], AfterValidator(_filled)]


class Interval(Closed):
    """Days in force; `until` is the last of them."""

    from_: Day = Field(alias="from")
    until: Day | None = None


class SourceRef(Closed):
    """Where a rule or value comes from: a key of sources.yaml, an article, and how well it is known."""

    document: str
    article: str | None = None
    evidence: Evidence


class Dimensions(Closed):
    branch: str
    exposure: str
    product: str | None = None
    owner: str | None = None


class PackFile(Closed):
    pack: str
    version: str
    title: Texts
    notice: Texts
    languages: list[str] = Field(min_length=1)
    currency: str
    time_zone: str = Field(alias="time zone")
    dimensions: Dimensions
    review_by: Day | None = Field(alias="review by", default=None)


class CalendarFile(Closed):
    from_: Day = Field(alias="from")
    until: Day
    weekend: list[Weekday] = ["saturday", "sunday"]
    holidays: list[Day] = []
    working_weekends: list[Day] = Field(alias="working weekends", default=[])
    source: str


class FactFile(Closed):
    type: str
    label: Texts
    required: bool = False
    known_on: str | None = Field(alias="known on", default=None)


class GroupFile(Closed):
    label: Texts
    known_on: str | None = Field(alias="known on", default=None)
    facts: dict[Identifier, FactFile] = Field(min_length=1)


class FieldFile(Closed):
    type: str
    label: Texts
    required: bool = False


class ListFile(Closed):
    label: Texts
    known_on: str | None = Field(alias="known on", default=None)
    fields: dict[Identifier, FieldFile] = Field(min_length=1)


class VocabularyFile(Closed):
    vocabulary: str
    groups: dict[Identifier, GroupFile] = Field(min_length=1)
    lists: dict[Identifier, ListFile] = {}
    reference: dict[Identifier, ListFile] = {}


class ParameterValue(Closed):
    from_: Day = Field(alias="from")
    value: str
    source: SourceRef


class ParameterFile(Closed):
    label: Texts
    type: str
    values: list[ParameterValue] = Field(min_length=1)


class ParametersFile(Closed):
    parameters: dict[Identifier, ParameterFile]


class VersionFile(Closed):
    """One version of a rule: what it says differently from the rule itself."""

    in_force: Interval = Field(alias="in force")
    applies_when: str | None = Field(alias="applies when", default=None)
    require: str | None = None
    for_each: str | None = Field(alias="for each", default=None)
    from_: str | None = Field(alias="from", default=None)
    within: str | None = None
    expect: str | None = None
    clause: str | None = None
    source: SourceRef | None = None


class RuleFile(Closed):
    rule: str = Field(pattern=r"^[A-Z][A-Z0-9]*-[0-9A-Za-z]+$")
    kind: Literal["check", "trigger", "portfolio"] = "check"
    title: Texts
    stage: Stage
    judged_on: str | None = Field(alias="judged on", default=None)
    in_force: Interval | None = Field(alias="in force", default=None)
    applies_when: str | None = Field(alias="applies when", default=None)
    require: str | None = None
    for_each: str | None = Field(alias="for each", default=None)
    from_: str | None = Field(alias="from", default=None)
    within: str | None = None
    expect: str | None = None
    where: str | None = None
    group_by: str | None = Field(alias="group by", default=None)
    measure: str | None = None
    versions: list[VersionFile] = []
    impact: Impact
    hard_law: bool = Field(alias="hard law", default=False)
    signal: Signal | None = None
    cause: str | None = None
    clause: str
    source: SourceRef
    waivable_by: int | None = Field(alias="waivable by", default=None)
    finding: Texts
    recommend: Texts


class DecisionVersionFile(Closed):
    in_force: Interval = Field(alias="in force")
    value: str
    source: SourceRef | None = None


class DecisionFile(Closed):
    decision: Identifier
    title: Texts
    type: str
    in_force: Interval | None = Field(alias="in force", default=None)
    value: str | None = None
    versions: list[DecisionVersionFile] = []
    clause: str
    source: SourceRef


class InputFile(Closed):
    name: Identifier
    type: str | None = None
    expression: str | None = None


class OutputFile(Closed):
    name: Identifier
    type: str


HitPolicy = Literal["unique", "first", "any", "collect sum", "collect min", "collect max", "collect count"]


class TableVersionFile(Closed):
    in_force: Interval = Field(alias="in force")
    rows: str | list[list[str]]
    default: list[str] | None = None
    source: SourceRef | None = None


class TableFile(Closed):
    table: Identifier
    title: Texts
    hit_policy: HitPolicy = Field(alias="hit policy")
    in_force: Interval | None = Field(alias="in force", default=None)
    inputs: list[InputFile] = Field(min_length=1)
    outputs: list[OutputFile] = Field(min_length=1)
    rows: str | list[list[str]] | None = None
    default: list[str] | None = None
    versions: list[TableVersionFile] = []
    clause: str
    source: SourceRef


class WaiverFile(Closed):
    waiver: str
    rule: str
    scope: str
    approver: str
    level: int
    from_: Day = Field(alias="from")
    until: Day
    compensating_control: Texts = Field(alias="compensating control")


class WaiversFile(Closed):
    waivers: list[WaiverFile] = []


#: An amount or number as a text of the pack: exact, never a binary float.
def plain_decimal(text: str) -> Decimal | None:
    """A plain decimal number, or None. No exponent beyond 400, no NaN, no infinity."""
    try:
        value = Decimal(text.replace("_", ""))
    except ArithmeticError:
        return None
    return value if value.is_finite() and abs(value.adjusted()) < 400 else None

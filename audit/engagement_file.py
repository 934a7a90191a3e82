"""What an engagement is told: ENGAGEMENT.yaml and the responses to findings, as closed models with places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from sancha.audit.findings import Reply
from sancha.engine.diagnostics import Diagnostic, PackError, did_you_mean
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.source import Closed, Document, parse_model, read_yaml

Line = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
Fraction = Annotated[Decimal, Field(ge=0, le=1)]
Language = Literal["en", "zh"]


class Wording(Closed):
    """A text in the languages of the report; one may be lacking."""

    en: Line | None = None
    zh: Line | None = None

    def of(self) -> dict[str, str]:
        return {lang: text for lang, text in (("en", self.en), ("zh", self.zh)) if text}


class ScopeFile(Closed):
    """What is audited. A list that is lacking means all."""

    branches: tuple[Line, ...] = ()
    products: tuple[Line, ...] = ()
    stages: tuple[Literal["pre-loan", "in-loan", "post-loan"], ...] = ()
    rules: tuple[Line, ...] = ()


class PeriodFile(Closed):
    """Days judged, first and last. Whole quarters: outcomes are counted by quarter."""

    from_: date | None = Field(alias="from", default=None)
    until: date | None = None


class QuestionnaireFile(Closed):
    """Paths from the engagement's folder, and how many people were asked."""

    instrument: Path
    responses: Path
    invited: int | None = Field(default=None, ge=1)


class ToleranceFile(Closed):
    """Fractions of files: exceptions that give no finding, and unknown outcomes that give none."""

    exceptions: Fraction = Decimal(0)
    unknown: Fraction = Decimal("0.05")


class DistressFile(Closed):
    """How a distressed loan is told: a fact of the book, and its values that mean distress."""

    fact: Line
    values: tuple[Line, ...] = Field(min_length=1)


class EngagementFile(Closed):
    """ENGAGEMENT.yaml. Paths start from its own folder; money is in the pack's currency."""

    engagement: Line
    title: Wording
    auditee: Wording
    authors: tuple[Line, ...] = ()
    report_date: date = Field(alias="report date")
    languages: tuple[Language, ...] = Field(default=("en",), min_length=1)
    book: Path
    pack: Path
    run: Path | None = None
    engine: Literal["columns", "row"] = "columns"
    hindsight: bool = False
    seed: int = 0
    scope: ScopeFile = ScopeFile()
    period: PeriodFile = PeriodFile()
    questionnaire: QuestionnaireFile | None = None
    responses: Path | None = None
    tolerance: ToleranceFile = ToleranceFile()
    materiality: Decimal = Field(default=Decimal(0), ge=0)
    repeat_findings: tuple[Line, ...] = Field(alias="repeat findings", default=())
    management_override: tuple[Line, ...] = Field(alias="management override", default=())
    distressed: DistressFile | None = None
    statement: Wording = Wording()


class ReplyFile(Closed):
    """What people say to one finding: `finding` is its rule, or `data:` and the fact of a data gap."""

    finding: Line
    author: Line
    cause: Line | None = None
    recommendation: Line | None = None
    response: Line | None = None
    accepted: bool | None = None
    owner: Line | None = None
    due: date | None = None
    confirmed: bool = False


class RepliesFile(Closed):
    responses: tuple[ReplyFile, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Engagement:
    """An engagement as read, with the place of each of its values."""

    path: Path
    file: EngagementFile
    document: Document

    def at(self, path: Path) -> Path:
        """A path of the file, from the file's own folder."""
        return path if path.is_absolute() else self.path.parent / path


def load_engagement(path: Path) -> Engagement:
    """Read ENGAGEMENT.yaml. Raises PackError with all its defects, each with line and column."""
    document = _one_document(path, "engagement")
    file, defects = parse_model(EngagementFile, document)
    if file is None:
        raise PackError(defects)
    engagement = Engagement(path, file, document)
    if defects := list(_defects(engagement)):
        raise PackError(defects)
    return engagement


def _one_document(path: Path, what: str) -> Document:
    documents = read_yaml(path, str(path))
    if len(documents) != 1:
        message = f"`{path.name}` holds {len(documents)} documents, one {what} is expected"
        raise PackError([Diagnostic("E0801", message)])
    return documents[0]


def _defects(engagement: Engagement) -> Iterable[Diagnostic]:
    """What the models cannot see alone: paths that lead nowhere, and texts without words."""
    file, place = engagement.file, engagement.document.place
    paths: list[tuple[tuple[str, ...], Path, bool]] = [
        (("book",), file.book, True),
        (("pack",), file.pack, True),
    ]
    if file.run:
        paths.append((("run",), file.run, True))
    if file.responses:
        paths.append((("responses",), file.responses, False))
    if file.questionnaire:
        paths.append((("questionnaire", "instrument"), file.questionnaire.instrument, False))
        paths.append((("questionnaire", "responses"), file.questionnaire.responses, False))
    for keys, path, folder in paths:
        found = engagement.at(path)
        if not (found.is_dir() if folder else found.is_file()):
            kind = "folder" if folder else "file"
            yield Diagnostic(
                "E0801",
                f"there is no {kind} `{path}`",
                place(keys),
                f"paths start from the engagement's own folder, {engagement.path.parent}",
            )
    for key, text in (("title", file.title), ("auditee", file.auditee)):
        if not text.of():
            yield Diagnostic("E0801", f"`{key}` has no text", place((key,)), "give `en:` or `zh:`")
    if file.period.from_ and file.period.until and file.period.from_ > file.period.until:
        yield Diagnostic("E0801", "the period ends before it begins", place(("period", "until")))


def unknown_rules(engagement: Engagement, pack: Pack) -> Iterable[Diagnostic]:
    named = {
        ("scope", "rules"): engagement.file.scope.rules,
        ("repeat findings",): engagement.file.repeat_findings,
        ("management override",): engagement.file.management_override,
    }
    for keys, rules in named.items():
        for i, rule in enumerate(rules):
            if rule not in pack.rules:
                place = engagement.document.place((*keys, i))
                help = did_you_mean(rule, pack.rules)
                yield Diagnostic("E0801", f"the pack has no rule `{rule}`", place, help)


def load_replies(engagement: Engagement) -> tuple[Reply, ...]:
    if engagement.file.responses is None:
        return ()
    document = _one_document(engagement.at(engagement.file.responses), "list of responses")
    file, defects = parse_model(RepliesFile, document)
    if file is None:
        raise PackError(defects)
    seen: set[str] = set()
    for i, reply in enumerate(file.responses):
        if reply.finding in seen:
            place = document.place(("responses", i, "finding"))
            raise PackError([Diagnostic("E0801", f"`{reply.finding}` is answered twice", place)])
        seen.add(reply.finding)
    return tuple(Reply(**reply.model_dump()) for reply in file.responses)

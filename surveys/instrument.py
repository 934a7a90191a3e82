"""The instrument of a staff questionnaire: a YAML file read into frozen models.

Every defect of the file is found in one pass and reported with its line and column.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from sancha.engine.diagnostics import Diagnostic, PackError, did_you_mean
from sancha.engine.policy.source import Closed, Document, parse_model, read_yaml

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
POINTS = (1, 2, 3, 4, 5)

Line = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]
RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]*-[0-9]+[a-z]?$")]
Share = Annotated[Decimal, Field(gt=0, lt=1)]


class Text(Closed):
    """A text in both languages."""

    en: Line
    zh: Line

    def of(self, lang: Language) -> str:
        return self.zh if lang == "zh" else self.en


class Answer(Closed):
    """A code that a cell of the responses may hold, and what it means."""

    code: Code
    label: Text


class Point(Closed):
    code: int
    label: Text


class Scale(Closed):
    """Five points of agreement, and the answer that is none of them."""

    points: tuple[Point, ...]
    dont_know: Answer = Field(alias="don't know")


class Background(Closed):
    """A question about the respondent. `ordered`: neighbouring answers may be merged, others by size."""

    item: Code
    text: Text
    answers: tuple[Answer, ...] = Field(min_length=2)
    ordered: bool = False
    break_down: bool = Field(default=False, alias="break down")

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(a.code for a in self.answers)


class Item(Closed):
    """A statement to agree with, and the rules of the policy pack whose pass rate it is set against."""

    item: Code
    text: Text
    dimensions: tuple[Code, ...] = Field(min_length=1)
    cause: Code
    reverse: bool = False
    rules: tuple[RuleId, ...] = ()
    note: Text | None = None


class OpenQuestion(Closed):
    item: Code
    text: Text


class CauseQuestion(Closed):
    """Several causes may be ticked, `most` of them at the most."""

    most: int = Field(ge=1)
    text: Text
    causes: tuple[Answer, ...] = Field(min_length=2)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"cause_{n}" for n in range(1, self.most + 1))


class AttentionItem(Closed):
    text: Text
    expected: int


class GapBands(Closed):
    """Bounds of |gap|: up to `consistent`, up to `minor`, and a conflict above."""

    consistent: Share
    minor: Share


class Instrument(Closed):
    """A questionnaire as data."""

    instrument: Line
    version: Line
    title: Text
    introduction: Text
    minimum_seconds: int = Field(alias="minimum seconds", ge=0)
    small_cell: int = Field(alias="small cell", ge=2)
    gap_bands: GapBands = Field(alias="gap bands")
    scale: Scale
    dimensions: tuple[Answer, ...] = Field(min_length=1)
    background: tuple[Background, ...]
    items: tuple[Item, ...] = Field(min_length=1)
    open_question: OpenQuestion = Field(alias="open question")
    cause_question: CauseQuestion = Field(alias="cause question")
    attention_item: AttentionItem = Field(alias="attention item")

    @property
    def item_codes(self) -> tuple[str, ...]:
        return tuple(i.item for i in self.items)

    @property
    def coded_column(self) -> str:
        """The column for the cause that a reader of the open answer assigned to it."""
        return f"{self.open_question.item}_code"

    @property
    def required_columns(self) -> tuple[str, ...]:
        return ("respondent", *(b.item for b in self.background), *self.item_codes)

    @property
    def optional_columns(self) -> tuple[str, ...]:
        return (
            "synthetic",
            "date",
            "seconds",
            "attention",
            *self.cause_question.columns,
            "cause_other",
            self.open_question.item,
            self.coded_column,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that a file of responses may have, in the order of the form."""
        named = self.optional_columns
        half = (len(self.items) + 1) // 2
        return (
            "respondent",
            *named[:3],
            *(b.item for b in self.background),
            *self.item_codes[:half],
            "attention",
            *self.item_codes[half:],
            *named[4:],
        )


def load_instrument(path: Path) -> Instrument:
    """Read and check an instrument. Raises `PackError` with all its defects, each with line and column."""
    documents = read_yaml(path, str(path))
    if len(documents) != 1:
        raise PackError([Diagnostic("E0701", f"`{path}` holds {len(documents)} documents, one is expected")])
    instrument, defects = parse_model(Instrument, documents[0])
    if instrument is None:
        raise PackError(defects)
    defects = list(_inconsistencies(instrument, documents[0]))
    if defects:
        raise PackError(defects)
    return instrument


def _inconsistencies(instrument: Instrument, document: Document) -> Iterable[Diagnostic]:
    """What the models cannot see alone: references, duplicates and bounds."""

    def defect(*where: str | int, message: str, help: str | None = None) -> Diagnostic:
        return Diagnostic("E0701", message, document.place(where), help)

    if tuple(p.code for p in instrument.scale.points) != POINTS:
        yield defect("scale", "points", message="the scale has the points 1, 2, 3, 4, 5, in this order")
    if instrument.gap_bands.consistent >= instrument.gap_bands.minor:
        yield defect("gap bands", "minor", message="`minor` must lie above `consistent`")
    if instrument.attention_item.expected not in POINTS:
        yield defect(
            "attention item", "expected", message="the expected answer is a point of the scale, 1 to 5"
        )

    lists: list[tuple[tuple[str | int, ...], tuple[Answer, ...]]] = [
        (("dimensions",), instrument.dimensions),
        (("cause question", "causes"), instrument.cause_question.causes),
        *((("background", n, "answers"), b.answers) for n, b in enumerate(instrument.background)),
    ]
    for where, answers in lists:
        codes = [a.code for a in answers]
        for n, code in enumerate(codes):
            if code in codes[:n]:
                yield defect(*where, n, "code", message=f"the code `{code}` is given twice")

    taken = {"respondent", *instrument.optional_columns}
    questions = [("background", n, b.item) for n, b in enumerate(instrument.background)]
    questions += [("items", n, i.item) for n, i in enumerate(instrument.items)]
    for part, n, name in questions:
        if name in taken:
            yield defect(
                part, n, "item", message=f"`{name}` is given twice, or names another column of the responses"
            )
        taken.add(name)

    dimensions = [d.code for d in instrument.dimensions]
    causes = [c.code for c in instrument.cause_question.causes]
    for n, item in enumerate(instrument.items):
        for m, code in enumerate(item.dimensions):
            if code not in dimensions:
                help = did_you_mean(code, dimensions)
                yield defect("items", n, "dimensions", m, message=f"unknown dimension `{code}`", help=help)
        if item.cause not in causes:
            help = did_you_mean(item.cause, causes)
            yield defect("items", n, "cause", message=f"unknown cause `{item.cause}`", help=help)
        if len(set(item.rules)) < len(item.rules):
            yield defect("items", n, "rules", message=f"`{item.item}` names a rule twice")

"""A pack, read and checked: all its defects in one pass, or a typed policy."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sancha.engine.diagnostics import Diagnostic, PackError, Place, SanchaError, did_you_mean
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.check import (
    Callable_,
    Defect,
    Scope,
    check,
    check_list,
    in_words,
)
from sancha.engine.feel.lexer import line_comments
from sancha.engine.feel.temporal import parse_date, parse_date_time, parse_days
from sancha.engine.policy import models
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.cells import CellReader
from sancha.engine.policy.source import Document, Key, faulty_keys, parse_model, read_text, read_yaml
from sancha.engine.policy.spreadsheet import (
    OTHER_BOOKS,
    Column,
    TableShape,
    read_xlsx,
    sheet_of,
)
from sancha.engine.policy.tables import Row, Table, input_name, overlaps
from sancha.engine.policy.vocabulary import RESERVED, Vocabulary, vocabulary_of

AS_OF = c.Var(t.DATE, "as_of", nullable=False)
JUDGED_ON = c.Var(t.DATE, "judged_on")
DUE = c.Var(t.DATE, "due")
#: Decisions and tables without dates hold on every day.
ALWAYS = models.Interval.model_validate({"from": date.min})


@dataclass(frozen=True)
class Clause:
    """A clause of the policy text: Markdown, in the languages of the file."""

    id: str
    title: str
    text: str
    file: str


@dataclass(frozen=True)
class Parameter:
    """A dated value: `steps` are (first day, value, source), in order of the days."""

    name: str
    label: Mapping[str, str]
    type: t.Type
    steps: tuple[tuple[date, c.Const, Mapping[str, str]], ...]


@dataclass(frozen=True)
class Trigger:
    """What must follow an event: for each item of `comp` (None: the file), until `due`, `expect`."""

    comp: c.Comp | None
    start: c.Core
    within: c.Core
    working_days: bool
    expect: c.Core


@dataclass(frozen=True)
class Version:
    """A rule as it was in force from `valid_from` to `valid_until` (None: still)."""

    valid_from: date
    valid_until: date | None
    applies: c.Core
    require: c.Core | None
    trigger: Trigger | None
    clause: str
    source: Mapping[str, str]


@dataclass(frozen=True)
class Waiver:
    id: str
    rule: str
    scope: c.Core
    approver: str
    level: int
    valid_from: date
    valid_until: date
    compensating_control: Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """A typed rule. `judged` is a date; portfolio rules have `where`, `group` and `measure`."""

    id: str
    kind: str
    title: Mapping[str, str]
    stage: str
    judged: c.Core
    versions: tuple[Version, ...]
    impact: str
    hard_law: bool
    signal: str | None
    cause: str | None
    clause: str
    source: Mapping[str, str]
    waivable_by: int | None
    finding: Mapping[str, str]
    recommend: Mapping[str, str]
    place: Place
    where: c.Core | None = None
    group: c.Core | None = None
    measure: c.Core | None = None


@dataclass(frozen=True)
class DecisionVersion:
    """`value` for a literal decision; `table` and `inputs` for a table (no inputs: it is called with arguments)."""

    valid_from: date
    valid_until: date | None
    value: c.Core | None = None
    table: Table | None = None
    inputs: tuple[c.Core, ...] = ()


@dataclass(frozen=True)
class Decision:
    """A named decision or a table. `args` is true for tables that are called with arguments."""

    name: str
    title: Mapping[str, str]
    outputs: tuple[tuple[str, t.Type], ...]
    versions: tuple[DecisionVersion, ...]
    called: bool
    clause: str
    source: Mapping[str, str]
    place: Place


@dataclass(frozen=True)
class Pack:
    """A policy pack without defects."""

    path: Path
    name: str
    version: str
    title: Mapping[str, str]
    notice: Mapping[str, str]
    languages: tuple[str, ...]
    currency: str
    time_zone: str
    branch: str
    exposure: str
    product: str | None
    review_by: date | None
    digest: str
    vocabulary: Vocabulary
    calendar: Calendar
    parameters: Mapping[str, Parameter]
    decisions: Mapping[str, Decision]
    rules: Mapping[str, Rule]
    waivers: tuple[Waiver, ...]
    clauses: Mapping[str, Clause]
    sources: Mapping[str, Mapping[str, str]]
    causes: Mapping[str, Mapping[str, str]]
    scope: Scope = field(repr=False)
    #: The fact that says who answers for a file.
    owner: str | None = None


#: What the reader puts for a key in error, to go on and find the other errors of the part.
_STAND_IN = "\0"
#: The keys that hold expressions.
_EXPRESSIONS = frozenset(
    (
        "applies when",
        "require",
        "judged on",
        "for each",
        "from",
        "within",
        "expect",
        "where",
        "group by",
        "measure",
        "value",
        "expression",
        "scope",
    )
)
#: Pairs of rows that overlap are shown up to so many a table.
_MOST_OVERLAPS = 20
#: Folders of a pack that hold no rules.
_NOT_RULES = ("parameters", "clauses", "files", "features")
_FRAME = ("pack.yaml", "vocabulary.yaml", "calendar.yaml", "sources.yaml", "causes.yaml", "waivers.yaml")
_CLAUSE = re.compile(r"^##\s+(\S+)\s*(.*)$", re.M)
_SLOT = re.compile(r"\{([^{}]*)\}")


def slots_of(text: str) -> list[str]:
    """The facts that a sentence names in its slots, each once."""
    return list(dict.fromkeys(name.strip() for name in _SLOT.findall(text)))


def load_pack(path: Path) -> Pack:
    """Reads and checks the pack in a folder. Raises PackError with all its defects."""
    return _Loader(path).load()


def pack_digest(path: Path) -> str:
    """SHA-256 over the pack's files: the sorted lines `<relative path> <sha256 of the file>`."""
    lines = []
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path)
        hidden = any(part.startswith((".", "__", "~$")) for part in relative.parts)
        if file.is_file() and not hidden and file.suffix.lower() in (".yaml", ".yml", ".csv", ".xlsx", ".md"):
            lines.append(f"{relative.as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n")
    return "sha256:" + hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


class _Loader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.defects: list[Diagnostic] = []
        self.languages: list[str] = []
        self.scope = Scope()
        self.places: dict[str, Place] = {}
        #: Files that could not be read: what lacks for their sake is no further error.
        self.unread: set[str] = set()
        #: Decisions and parameters that are given but in error.
        self.broken: set[str] = set()
        #: Parts read with stand-ins for their keys in error.
        self.mended: set[int] = set()

    def load(self) -> Pack:
        if not (self.path / "pack.yaml").is_file():
            raise SanchaError(
                f"`{self.path}` is not a policy pack: it has no pack.yaml",
                code="E0301",
                help="`sancha init FOLDER` makes a pack to start from",
            )
        file = self.model(models.PackFile, "pack.yaml")
        self.languages = file[0].languages if file else []
        self.stray_files()
        vocabulary = self.vocabulary()
        calendar = self.calendar()
        sources = self.texts_by_key("sources.yaml")
        causes = self.texts_by_key("causes.yaml")
        clauses = self.clauses()
        parameters = self.parameters(sources)
        parts = self.parts()
        if vocabulary is None:
            raise PackError(self.defects)  # every name would be unknown
        decisions = self.decisions(parts, vocabulary, parameters, clauses, sources)
        rules = self.rules(parts, decisions, clauses, sources, causes)
        waivers = self.waivers(rules)
        self.coverage(rules, decisions, parameters)
        if file is not None:
            self.dimensions(file, vocabulary)
        if self.defects or file is None:
            raise PackError(self.defects)
        head, dims = file[0], file[0].dimensions
        return Pack(
            self.path,
            head.pack,
            head.version,
            head.title,
            head.notice,
            tuple(head.languages),
            head.currency,
            head.time_zone,
            dims.branch,
            dims.exposure,
            dims.product,
            head.review_by,
            pack_digest(self.path),
            vocabulary,
            calendar,
            parameters,
            decisions,
            rules,
            waivers,
            clauses,
            sources,
            causes,
            self.scope,
            dims.owner,
        )

    # -- reading ------------------------------------------------------------------------------------------

    def documents(self, relative: str) -> list[Document]:
        shown = str(self.path / relative)
        try:
            return read_yaml(self.path / relative, shown)
        except PackError as error:
            self.defects.extend(error.diagnostics)
            self.unread.add(relative)
            self.glimpse(relative)
            return []

    def glimpse(self, relative: str) -> None:
        """Notes what a file in error seems to give, so that its uses are no further errors."""
        try:
            text = (self.path / relative).read_bytes().decode("utf-8", "replace")
        except OSError:
            return
        for kind, name in re.findall(r"^(rule|decision|table): *([\w-]+)", text, re.M):
            if kind == "rule":
                self.places.setdefault(name, Place(str(self.path / relative), 1, 1))
            else:
                self.broken.add(name)

    def stray_files(self) -> None:
        """Files that look like parts of the pack, and that nobody would read."""
        for file in sorted(self.path.rglob("*.yml")):
            if not _hidden(file.relative_to(self.path)):
                self.defects.append(
                    Diagnostic(
                        "E0301",
                        "files that end in `.yml` are not read",
                        Place(str(file), 1, 1),
                        f"rename it to `{file.stem}.yaml`",
                    )
                )

    def model(self, model: Any, relative: str) -> Any:
        """The one document of a file as a model, with the document: or None, its defects noted."""
        if not (self.path / relative).is_file():
            self.defects.append(Diagnostic("E0301", f"the pack has no `{relative}`"))
            return None
        documents = self.documents(relative)
        if not documents:
            if relative not in self.unread:
                self.defects.append(
                    Diagnostic("E0301", "the file is empty", Place(str(self.path / relative), 1, 1))
                )
            return None
        self.single(documents)
        parsed, defects = parse_model(model, documents[0])
        self.defects.extend(defects)
        return None if parsed is None else (parsed, documents[0])

    def single(self, documents: list[Document]) -> None:
        for document in documents[1:]:
            self.defects.append(
                Diagnostic(
                    "E0301",
                    "a second document, after `---`, is not read here",
                    document.place(),
                    "join it with the first",
                )
            )

    def vocabulary(self) -> Vocabulary | None:
        file = self.path / "vocabulary.yaml"
        documents = self.documents("vocabulary.yaml") if file.is_file() else []
        if not documents:
            if "vocabulary.yaml" not in self.unread:
                message = "the file is empty" if file.is_file() else "the pack has no `vocabulary.yaml`"
                place = Place(str(file), 1, 1) if file.is_file() else None
                self.defects.append(Diagnostic("E0301", message, place))
            return None
        self.single(documents)
        vocabulary, defects = vocabulary_of(documents[0])
        self.defects.extend(defects)
        for path in documents[0].nodes:
            if path and path[-1] == "label" and isinstance(labels := _value_at(documents[0], path), dict):
                self.each_language(labels, documents[0], path)
        return vocabulary

    def calendar(self) -> Calendar:
        if not (self.path / "calendar.yaml").is_file():
            return Calendar.empty()
        file = self.model(models.CalendarFile, "calendar.yaml")
        if file is None:
            return Calendar.empty()
        spec, document = file
        if spec.until < spec.from_ or (spec.until - spec.from_).days > 36525:
            self.defects.append(
                Diagnostic(
                    "E0305",
                    "the calendar ends before it begins, or spans over 100 years",
                    document.place(("until",)),
                )
            )
            return Calendar.empty()
        return Calendar.of(spec.from_, spec.until, spec.weekend, spec.holidays, spec.working_weekends)

    def texts_by_key(self, relative: str) -> dict[str, dict[str, str]]:
        """`sources.yaml`, `causes.yaml`: a key, and its text in each language."""
        if not (self.path / relative).is_file():
            return {}
        out: dict[str, dict[str, str]] = {}
        for document in self.documents(relative):
            if not isinstance(document.value, dict):
                self.defects.append(Diagnostic("E0303", "expected keys and values", document.place()))
                continue
            for key, value in document.value.items():
                if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
                    out[key] = value
                    self.each_language(value, document, (key,))
                else:
                    self.defects.append(
                        Diagnostic("E0305", "expected a text in each language", document.place((key,)))
                    )
        return out

    def each_language(self, texts: Mapping[str, str] | None, document: Document, path: Key) -> None:
        if texts is None or not self.languages:
            return
        spoken = f"the pack's languages are {', '.join(self.languages)}"
        for language in self.languages:
            if language not in texts:
                self.defects.append(
                    Diagnostic("E0307", f"the text in `{language}` is lacking", document.place(path), spoken)
                )
        for language in texts:
            if language not in self.languages:
                self.defects.append(
                    Diagnostic(
                        "E0307",
                        f"`{language}` is not a language of the pack",
                        document.key_place((*path, language)),
                        spoken,
                    )
                )

    def clauses(self) -> dict[str, Clause]:
        out: dict[str, Clause] = {}
        for file in sorted((self.path / "clauses").rglob("*.md")):
            shown = str(file)
            try:
                text = read_text(file, shown)
            except PackError as error:
                self.defects.extend(error.diagnostics)
                self.unread.add("clauses")
                continue
            marks = list(_CLAUSE.finditer(text))
            for i, mark in enumerate(marks):
                end = marks[i + 1].start() if i + 1 < len(marks) else len(text)
                if mark[1] in out:
                    line = text.count("\n", 0, mark.start()) + 1
                    place = Place(shown, line, 4, len(mark[1]), mark[0])
                    self.defects.append(Diagnostic("E0402", f"the clause `{mark[1]}` is given twice", place))
                out[mark[1]] = Clause(mark[1], mark[2].strip(), text[mark.end() : end].strip(), shown)
        return out

    def parameters(self, sources: Mapping[str, Any]) -> dict[str, Parameter]:
        out: dict[str, Parameter] = {}
        for file in sorted((self.path / "parameters").rglob("*.yaml")):
            relative = file.relative_to(self.path)
            if _hidden(relative):
                continue
            loaded = self.model(models.ParametersFile, relative.as_posix())
            if loaded is None:
                self.broken |= _names_in(self.path / relative)
                continue
            spec, document = loaded
            for name, part in spec.parameters.items():
                path: Key = ("parameters", name)
                if name in out:
                    self.defects.append(
                        Diagnostic(
                            "E0402", f"the parameter `{name}` is given twice", document.key_place(path)
                        )
                    )
                self.each_language(part.label, document, (*path, "label"))
                type_ = t.parse_type(part.type)
                if type_ is None or type_.name == "list":
                    self.type(part.type, document, (*path, "type"))
                    self.broken.add(f"parameters.{name}")
                    continue
                steps: list[tuple[date, c.Const, dict[str, str]]] = []
                for i, step in enumerate(part.values):
                    where: Key = (*path, "values", i)
                    value = self.value(step.value, type_, document, (*where, "value"))
                    self.source(step.source, sources, document, (*where, "source"))
                    if i and step.from_ <= part.values[i - 1].from_:
                        self.defects.append(
                            Diagnostic(
                                "E0403",
                                "the values of a parameter do not stand in the order of their dates",
                                document.place((*where, "from")),
                                "put the earliest first",
                            )
                        )
                    if value is not None:
                        steps.append((step.from_, value, step.source.model_dump()))
                out[name] = Parameter(name, part.label, type_, tuple(steps))
        return out

    def value(self, text: str, type_: t.Type, document: Document, path: Key) -> c.Const | None:
        """A constant of the pack, as its type reads it."""
        value = constant(text, type_)
        if value is None:
            self.defects.append(
                Diagnostic(
                    "E0305",
                    f"`{text}` is no value of type {type_}",
                    document.place(path),
                    _value_help(text, type_),
                )
            )
        return value

    def source(
        self, ref: models.SourceRef | None, sources: Mapping[str, Any], document: Document, path: Key
    ) -> None:
        if ref is None or ref.document == _STAND_IN or "sources.yaml" in self.unread:
            return
        if ref.document not in sources:
            self.defects.append(
                Diagnostic(
                    "E0404",
                    f"unknown source `{ref.document}`",
                    document.place((*path, "document")),
                    did_you_mean(ref.document, sources) or "sources stand in sources.yaml",
                )
            )

    def parts(self) -> list[tuple[str, Any, Document]]:
        """All rules, decisions and tables: (kind, model, document)."""
        out: list[tuple[str, Any, Document]] = []
        for file in sorted(self.path.rglob("*.yaml")):
            relative = file.relative_to(self.path)
            if relative.parts[0] in _NOT_RULES or str(relative) in _FRAME or _hidden(relative):
                continue
            for document in self.documents(relative.as_posix()):
                kinds: dict[str, Any] = {
                    "rule": models.RuleFile,
                    "decision": models.DecisionFile,
                    "table": models.TableFile,
                }
                kind = next(
                    (k for k in kinds if isinstance(document.value, dict) and k in document.value), None
                )
                if kind is None:
                    self.defects.append(
                        Diagnostic(
                            "E0401",
                            "neither a rule nor a decision nor a table",
                            document.place(),
                            "begin with `rule:`, `decision:` or `table:`",
                        )
                    )
                    continue
                parsed, defects = parse_model(kinds[kind], document)
                self.defects.extend(defects)
                self.comments(document)
                name = document.value[kind]
                if parsed is None and (parsed := self.mend(kind, kinds[kind], document)) is None:
                    if isinstance(name, str) and kind == "rule":
                        self.places.setdefault(name, document.place((kind,)))
                    elif isinstance(name, str):
                        self.broken.add(name)
                if parsed is not None:
                    out.append((kind, parsed, document))
        return out

    def mend(self, kind: str, model: type[BaseModel], document: Document) -> Any:
        """A part with stand-ins for its keys in error, so that its other errors are found too; None if that is vain."""
        texts = dict.fromkeys(self.languages or ["en"], "…")
        stand_ins: dict[str, Any] = {
            "title": texts,
            "clause": _STAND_IN,
            "source": {"document": _STAND_IN, "evidence": "B"},
        }
        if kind == "rule":
            stand_ins |= {
                "stage": "pre-loan",
                "impact": "control",
                "finding": texts,
                "recommend": texts,
                "in force": {"from": "1900-01-01"},
                "judged on": "as_of",
                "require": "true",
                "expect": "true",
                "from": "as_of",
                "within": '@"P1D"',
                "group by": '""',
                "measure": "0",
            }
        faulty = faulty_keys(model, document.value)
        known = {f.alias or n for n, f in model.model_fields.items()}
        optional = (
            {"applies when", "hard law", "signal", "cause", "waivable by", "where"}
            if kind == "rule"
            else set()
        )
        if not faulty & known <= stand_ins.keys() | optional:
            return None
        sound = {k: v for k, v in document.value.items() if k not in faulty}
        self.mended.add(id(document))
        return model.model_validate({**sound, **{k: stand_ins[k] for k in sorted(faulty & stand_ins.keys())}})

    def comments(self, document: Document) -> None:
        """Line comments that swallow what follows, because YAML joins the lines of a text."""
        for path in document.nodes:
            if (
                path
                and path[-1] in _EXPRESSIONS
                and isinstance(value := _value_at(document, path), str)
                and "//" in value
            ):
                for start, end in line_comments(value):
                    first, last = (
                        document.place(path, (start, start + 2)),
                        document.place(path, (end - 1, end)),
                    )
                    if first.line != last.line:
                        self.defects.append(
                            Diagnostic(
                                "E0106",
                                "the lines after this comment belong to it",
                                first,
                                "write it as `/* … */`, or begin the text with `|`",
                            )
                        )

    # -- expressions --------------------------------------------------------------------------------------

    def note(self, defects: Iterable[Defect], document: Document, path: Key, offset: int = 0) -> None:
        for d in defects:
            span = (d.span[0] + offset, d.span[1] + offset)
            self.defects.append(Diagnostic(d.code, d.message, document.place(path, span), d.help))

    def expression(
        self, text: str, document: Document, path: Key, scope: Scope, expect: t.Type
    ) -> c.Core | None:
        core, defects = check(text, scope, expect)
        self.note(defects, document, path)
        return core

    def scope_with(self, **variables: c.Core) -> Scope:
        return Scope(**{**self.scope.__dict__, "variables": {**self.scope.variables, **variables}})

    # -- decisions and tables -----------------------------------------------------------------------------

    def decisions(
        self,
        parts: list[tuple[str, Any, Document]],
        vocabulary: Vocabulary,
        parameters: Mapping[str, Parameter],
        clauses: Mapping[str, Clause],
        sources: Mapping[str, Any],
    ) -> dict[str, Decision]:
        signatures: dict[str, Callable_] = {}
        for kind, spec, document in parts:
            if kind == "rule":
                continue
            name = spec.decision if kind == "decision" else spec.table
            taken = (
                name in signatures
                or name in vocabulary.groups
                or name in vocabulary.lists
                or name in vocabulary.reference
            )
            if taken or name in RESERVED:
                message = f"the name `{name}` is {'used twice' if taken else 'reserved'}"
                self.defects.append(Diagnostic("E0402", message, document.place((kind,))))
            before = len(self.defects)
            signatures[name] = self.signature(kind, spec, document, vocabulary)
            if len(self.defects) > before:
                self.broken.add(name)
        self.scope = Scope(
            facts={n: f.type for n, f in vocabulary.facts.items()},
            lists={n: {k: f.type for k, f in d.fields.items()} for n, d in vocabulary.lists.items()},
            reference={n: {k: f.type for k, f in d.fields.items()} for n, d in vocabulary.reference.items()},
            parameters={n: p.type for n, p in parameters.items()},
            decisions={n: s for n, s in signatures.items() if n not in self.broken},
            variables={"as_of": AS_OF},
            broken=frozenset(self.broken),
        )
        out: dict[str, Decision] = {}
        for kind, spec, document in parts:
            if kind == "rule":
                continue
            name = spec.decision if kind == "decision" else spec.table
            self.each_language(spec.title, document, ("title",))
            self.clause(spec.clause, clauses, document, ("clause",))
            self.source(spec.source, sources, document, ("source",))
            make = self.literal_versions if kind == "decision" else self.table_versions
            versions = tuple(make(spec, document, signatures[name]))
            called = kind == "table" and bool(signatures[name].args)
            out[name] = Decision(
                name,
                spec.title,
                signatures[name].outputs,
                versions,
                called,
                spec.clause,
                spec.source.model_dump(),
                document.place((kind,)),
            )
        self.no_circles(out)
        return out

    def signature(self, kind: str, spec: Any, document: Document, vocabulary: Vocabulary) -> Callable_:
        if kind == "decision":
            return Callable_(spec.decision, (), ((spec.decision, self.type(spec.type, document, ("type",))),))
        args = []
        for i, part in enumerate(spec.inputs):
            if part.expression is None:
                if part.type is None:
                    self.defects.append(
                        Diagnostic(
                            "E0405",
                            f"the input `{part.name}` has neither type nor expression",
                            document.place(("inputs", i)),
                        )
                    )
                    continue
                args.append((part.name, self.type(part.type, document, ("inputs", i, "type"))))
        if args and any(part.expression is not None for part in spec.inputs):
            self.defects.append(
                Diagnostic(
                    "E0405",
                    "some inputs are arguments and some are read from the file",
                    document.place(("inputs",)),
                    "make all of them the one or the other",
                )
            )
        outputs = tuple(
            (o.name, self.type(o.type, document, ("outputs", i, "type"))) for i, o in enumerate(spec.outputs)
        )
        return Callable_(spec.table, tuple(args), outputs)

    def type(self, text: str, document: Document, path: Key) -> t.Type:
        type_ = t.parse_type(text)
        if type_ is None or type_.name == "list":
            self.defects.append(
                Diagnostic(
                    "E0306", f"unknown type `{text}`", document.place(path), did_you_mean(text, t.SCALARS)
                )
            )
            return t.ERROR
        return type_

    def clause(self, id: str | None, clauses: Mapping[str, Clause], document: Document, path: Key) -> None:
        if id is not None and id not in clauses and id != _STAND_IN and "clauses" not in self.unread:
            help = did_you_mean(id, clauses) or "clauses stand in clauses/*.md, each under `## id Title`"
            self.defects.append(Diagnostic("E0404", f"unknown clause `{id}`", document.place(path), help))

    def intervals(self, spec: Any, document: Document, needs: str) -> list[tuple[Any, models.Interval, Key]]:
        """The versions of a part as (model, interval, path): its own, or those it lists. No two of them overlap."""
        if spec.versions:
            if spec.in_force is not None:
                self.defects.append(
                    Diagnostic(
                        "E0406",
                        "`in force` stands beside `versions`",
                        document.key_place(("in force",)),
                        "each version has its own `in force`",
                    )
                )
            found: list[tuple[Any, models.Interval, Key]] = [
                (v, v.in_force, ("versions", i)) for i, v in enumerate(spec.versions)
            ]
        elif spec.in_force is None and needs == "require":
            self.defects.append(
                Diagnostic(
                    "E0304",
                    "the key `in force` is lacking",
                    document.place(),
                    "write `in force: {from: 2024-01-01}`",
                )
            )
            return []
        else:
            found = [(spec, spec.in_force or ALWAYS, ())]
        for _, interval, path in found:
            if interval.until is not None and interval.until < interval.from_:
                self.defects.append(
                    Diagnostic(
                        "E0406",
                        "the version ends before it begins",
                        document.place((*path, "in force", "until")),
                    )
                )
        ordered = sorted(found, key=lambda v: v[1].from_)
        for (_, a, _), (_, b, path) in itertools.pairwise(ordered):
            if a.until is None or a.until >= b.from_:
                help = (
                    f"end the earlier one with `until: {b.from_ - timedelta(days=1)}`"
                    if a.from_ < b.from_
                    else None
                )
                self.defects.append(
                    Diagnostic(
                        "E0406",
                        f"two versions are in force on {b.from_}",
                        document.place((*path, "in force", "from")),
                        help,
                    )
                )
        return found

    def literal_versions(
        self, spec: Any, document: Document, signature: Callable_
    ) -> Iterator[DecisionVersion]:
        scope = self.scope_with(judged_on=JUDGED_ON)
        type_ = signature.outputs[0][1]
        for version, interval, path in self.intervals(spec, document, "value"):
            text = version.value
            if text is None:
                self.defects.append(Diagnostic("E0304", "the key `value` is lacking", document.place(path)))
                continue
            core = self.expression(text, document, (*path, "value"), scope, type_)
            if core is not None:
                yield DecisionVersion(interval.from_, interval.until, value=core)

    def table_versions(
        self, spec: models.TableFile, document: Document, signature: Callable_
    ) -> Iterator[DecisionVersion]:
        inputs: list[c.Core] = []
        names: list[tuple[str, t.Type]] = []
        for i, part in enumerate(spec.inputs):
            type_ = t.ERROR
            if part.expression is not None:
                core, defects = check(part.expression, self.scope_with(judged_on=JUDGED_ON))
                self.note(defects, document, ("inputs", i, "expression"))
                inputs.append(core or c.MISSING)
                type_ = core.type if core else t.ERROR
                if (
                    part.type is not None
                    and core is not None
                    and (declared := t.parse_type(part.type)) is not None
                ):
                    type_ = declared
            else:
                type_ = dict(signature.args).get(part.name, t.ERROR)
            names.append((part.name, type_))
        for version, interval, path in self.intervals(spec, document, "rows"):
            if version.rows is None:
                self.defects.append(Diagnostic("E0304", "the key `rows` is lacking", document.place(path)))
                continue
            cells = self.cells(version.rows, spec, document, (*path, "rows"), (*names, *signature.outputs))
            rows = tuple(
                self.row(n, line, place, names, signature) for n, (line, place) in enumerate(cells, 1)
            )
            default = None
            if version.default is not None:
                default = self.outputs(
                    version.default, signature, lambda i, p=path: document.place((*p, "default", i))
                )
            table = Table(
                spec.table,
                spec.hit_policy,
                tuple(names),
                signature.outputs,
                tuple(r for r in rows if r is not None),
                default,
            )
            if spec.hit_policy == "unique" and len(table.rows) == len(cells):
                pairs = list(itertools.islice(overlaps(table), _MOST_OVERLAPS + 1))
                for a, b in pairs[:_MOST_OVERLAPS]:
                    where = cells[b.number - 1][1](0)
                    if where.file != document.file:
                        where = dataclasses.replace(where, column=1, length=len(where.text))
                    self.defects.append(
                        Diagnostic(
                            "E0407",
                            f"rows {a.number} and {b.number} of `{spec.table}` both match some files",
                            where,
                            "separate them, or make the hit policy `first`",
                        )
                    )
                if len(pairs) > _MOST_OVERLAPS:
                    message = (
                        f"more rows of `{spec.table}` overlap: these are the first {_MOST_OVERLAPS} pairs"
                    )
                    self.defects.append(Diagnostic("E0407", message, document.key_place(("hit policy",))))
            if spec.hit_policy.startswith("collect") and spec.hit_policy != "collect count":
                for name, type_ in signature.outputs:
                    if not t.is_numeric(type_) and type_.name not in ("date", "days", "error"):
                        self.defects.append(
                            Diagnostic(
                                "E0407",
                                f"`{spec.hit_policy}` needs numbers, `{name}` is {type_}",
                                document.place(("hit policy",)),
                            )
                        )
            yield DecisionVersion(interval.from_, interval.until, table=table, inputs=tuple(inputs))

    def cells(
        self,
        rows: str | list[list[str]],
        spec: models.TableFile,
        document: Document,
        path: Key,
        columns: Iterable[tuple[str, t.Type]],
    ) -> list[Any]:
        """The rows of a table as (cells, place of cell number i), the columns in the order of inputs and outputs."""
        names = [p.name for p in spec.inputs] + [p.name for p in spec.outputs]
        if isinstance(rows, list):
            out = []
            for n, row in enumerate(rows):
                if len(row) != len(names):
                    self.defects.append(
                        Diagnostic(
                            "E0408",
                            f"the row has {len(row)} cells, the table {len(names)} columns",
                            document.place((*path, n)),
                        )
                    )
                    continue
                out.append((row, lambda i, n=n: document.place((*path, n, i))))
            return out
        name, sheet = sheet_of(rows)
        file = Path(document.file).parent / name
        if not _is_file(file):
            self.defects.append(
                Diagnostic(
                    "E0301",
                    f"there is no file `{name}`",
                    document.place(path),
                    f"it is looked for beside `{Path(document.file).name}`",
                )
            )
            return []
        if file.suffix.lower() in OTHER_BOOKS:
            message = f"tables are read from CSV and XLSX, not from `{file.suffix}`"
            self.defects.append(
                Diagnostic("E0301", message, document.place(path), "save it as `Excel Workbook (*.xlsx)`")
            )
            return []
        if file.suffix.lower() != ".xlsx":
            return self.csv_cells(file, names)
        expressions = [part.expression for part in spec.inputs]
        known = [
            Column(n, type_, e)
            for (n, type_), e in zip(columns, expressions + [None] * len(spec.outputs), strict=True)
        ]
        shape = TableShape(
            spec.table, spec.hit_policy, tuple(known[: len(expressions)]), tuple(known[len(expressions) :])
        )
        try:
            found = read_xlsx(file, sheet, shape)
            self.defects.extend(found.defects)
            return list(found.rows)
        except PackError as error:
            for defect in error.diagnostics:
                self.defects.append(
                    defect if defect.place else dataclasses.replace(defect, place=document.place(path))
                )
            return []

    def csv_cells(self, file: Path, names: list[str]) -> list[Any]:
        shown = str(file)
        try:
            text = read_text(file, shown)
        except PackError as error:
            self.defects.extend(error.diagnostics)
            return []
        lines = text.split("\n")
        reader = csv.reader(io.StringIO(text), strict=True)
        records: list[tuple[int, list[str]]] = []
        last = 0
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    records.append((last + 1, row))
                last = reader.line_num
        except csv.Error as error:
            self.defects.append(
                Diagnostic("E0408", f"not CSV: {error}", Place(shown, last + 1, 1, 1, lines[last]))
            )
            return []
        if len(records) < 2:
            message = "the table has no rows" if records else "the file is empty"
            self.defects.append(
                Diagnostic("E0408", message, Place(shown, 1, 1, max(1, len(lines[0])), lines[0]))
            )
            return []

        def place(line: int, column: int) -> Place:
            spans = _cells_of(lines[line - 1])
            start, end = spans[column] if column < len(spans) else (0, len(lines[line - 1]))
            return Place(shown, line, start + 1, max(1, end - start), lines[line - 1])

        first, header = records[0][0], [h.strip() for h in records[0][1]]
        if not self.header(header, names, lambda i: place(first, i)):
            return []
        order = [header.index(n) for n in names]
        out = []
        for line, row in records[1:]:
            if len(row) != len(header):
                whole = Place(shown, line, 1, max(1, len(lines[line - 1])), lines[line - 1])
                help = "put a cell that holds a comma in double quotes" if len(row) > len(header) else None
                self.defects.append(
                    Diagnostic(
                        "E0408", f"the row has {len(row)} cells, the header {len(header)}", whole, help
                    )
                )
                continue
            out.append(([row[i].strip() for i in order], lambda i, line=line: place(line, order[i])))
        return out

    def header(self, header: list[str], names: list[str], place: Any) -> bool:
        """Whether the columns of a CSV file are those of its table, and perhaps `note`; each once."""
        before = len(self.defects)
        known = [*names, "note"]
        if len(header) == 1 and (mark := next((m for m in (";", "\t", "，") if m in header[0]), None)):
            shown = "tabs" if mark == "\t" else f"`{mark}`"
            self.defects.append(
                Diagnostic("E0408", f"the cells are separated by {shown}", place(0), "save it with commas")
            )
            return False
        slips = ""
        for i, name in enumerate(header):
            if name not in known:
                near = did_you_mean(name, [n for n in known if n not in header])
                slips += near or ""
                help = near or f"the columns are {', '.join(names)}, and `note` if wanted"
                self.defects.append(Diagnostic("E0408", f"unknown column `{name}`", place(i), help))
            elif name in header[:i]:
                self.defects.append(Diagnostic("E0408", f"the column `{name}` is given twice", place(i)))
        for name in names:
            if name not in header and f"`{name}`" not in slips:
                self.defects.append(
                    Diagnostic(
                        "E0408",
                        f"the column `{name}` is lacking",
                        place(len(header)),
                        f"the columns are {', '.join(names)}, and `note` if wanted",
                    )
                )
        return len(self.defects) == before

    def row(
        self,
        number: int,
        cells: list[str | None],
        place: Any,
        names: list[tuple[str, t.Type]],
        signature: Callable_,
    ) -> Row | None:
        """A row as core; cells that are None are in error already."""
        tests: list[c.Core | None] = []
        reader = self.cell_reader
        for i, (_, type_) in enumerate(names):
            core, defects = reader.input(cells[i], c.Var(type_, input_name(i)))
            for d in defects if type_ != t.ERROR else ():
                self.defects.append(Diagnostic(d.code, d.message, _part(place(i), cells[i], d.span), d.help))
            tests.append(core)
        outputs = self.outputs(cells[len(names) :], signature, lambda i: place(i + len(names)))
        sound = tuple(core for core in tests if core is not None)
        return Row(sound, outputs, number) if outputs is not None and len(sound) == len(tests) else None

    @cached_property
    def cell_reader(self) -> CellReader:
        """Cells may speak of parameters, and of their input."""
        return CellReader(Scope(parameters=self.scope.parameters, broken=self.scope.broken))

    def outputs(
        self, cells: Sequence[str | None], signature: Callable_, place: Any
    ) -> tuple[c.Core, ...] | None:
        if len(cells) != len(signature.outputs):
            self.defects.append(
                Diagnostic(
                    "E0408", f"expected {len(signature.outputs)} outputs, found {len(cells)}", place(0)
                )
            )
            return None
        out: list[c.Core | None] = []
        for i, (_, type_) in enumerate(signature.outputs):
            core, defects = self.cell_reader.output(cells[i], type_)
            self.defects.extend(
                Diagnostic(d.code, d.message, _part(place(i), cells[i], d.span), d.help) for d in defects
            )
            out.append(core)
        sound = tuple(core for core in out if core is not None)
        return sound if len(sound) == len(out) else None

    def no_circles(self, decisions: Mapping[str, Decision]) -> None:
        state: dict[str, int] = {}

        def visit(name: str, trail: list[str]) -> None:
            state[name] = 1
            for used in sorted(uses(decisions[name])):
                if state.get(used) == 1:
                    circle = " -> ".join([*trail[trail.index(used) :], used]) if used in trail else used
                    self.defects.append(
                        Diagnostic(
                            "E0409", f"decisions that need each other: {circle}", decisions[name].place
                        )
                    )
                elif used in decisions and used not in state:
                    visit(used, [*trail, used])
            state[name] = 2

        for name in decisions:
            if name not in state:
                visit(name, [name])

    # -- rules --------------------------------------------------------------------------------------------

    def rules(
        self,
        parts: list[tuple[str, Any, Document]],
        decisions: Mapping[str, Decision],
        clauses: Mapping[str, Clause],
        sources: Mapping[str, Any],
        causes: Mapping[str, Any],
    ) -> dict[str, Rule]:
        out: dict[str, Rule] = {}
        for kind, spec, document in parts:
            if kind != "rule":
                continue
            place = document.place(("rule",))
            if spec.rule in self.places:
                first = self.places[spec.rule]
                self.defects.append(
                    Diagnostic(
                        "E0402",
                        f"the rule `{spec.rule}` is given twice",
                        place,
                        f"it stands at {first} too; a later version is an entry of `versions`",
                    )
                )
                continue
            self.places[spec.rule] = place
            self.clause(spec.clause, clauses, document, ("clause",))
            self.source(spec.source, sources, document, ("source",))
            for texts in ("title", "finding", "recommend"):
                self.each_language(getattr(spec, texts), document, (texts,))
            for texts in ("finding", "recommend"):
                for language, text in getattr(spec, texts).items():
                    self.slots(text, document, (texts, language))
            if spec.cause is not None and spec.cause not in causes and "causes.yaml" not in self.unread:
                self.defects.append(
                    Diagnostic(
                        "E0404",
                        f"unknown cause `{spec.cause}`",
                        document.place(("cause",)),
                        did_you_mean(spec.cause, causes) or "causes stand in causes.yaml",
                    )
                )
            for i, version in enumerate(spec.versions):
                self.clause(version.clause, clauses, document, ("versions", i, "clause"))
                self.source(version.source, sources, document, ("versions", i, "source"))
            rule = self.rule(spec, document, place)
            if rule is not None and id(document) not in self.mended:
                out[rule.id] = rule
        if not self.places:
            self.defects.append(Diagnostic("E0401", "the pack has no rules"))
        return out

    def slots(self, text: str, document: Document, path: Key) -> None:
        for match in _SLOT.finditer(text):
            name = match[1].strip()
            known = name in self.scope.facts or name.removeprefix("parameters.") in self.scope.parameters
            if (
                not known
                and name not in self.scope.decisions
                and name.rpartition(".")[0] not in self.scope.decisions
            ):
                self.defects.append(
                    Diagnostic(
                        "E0410",
                        f"the slot `{{{name}}}` names no fact",
                        document.place(path, match.span()),
                        did_you_mean(name, self.scope.facts),
                    )
                )

    _KEYS = {
        "check": {"applies_when", "require"},
        "trigger": {"applies_when", "for_each", "from_", "within", "expect"},
        "portfolio": {"where", "group_by", "measure", "require"},
    }

    def rule(self, spec: models.RuleFile, document: Document, place: Place) -> Rule | None:
        before = len(self.defects)
        allowed = self._KEYS[spec.kind]
        for key in set().union(*self._KEYS.values()) - allowed:
            if getattr(spec, key) is not None:
                name = _written(key)
                self.defects.append(
                    Diagnostic(
                        "E0405",
                        f"`{name}` does not belong to a rule of kind {spec.kind}",
                        document.key_place((name,)),
                    )
                )
        if spec.kind == "portfolio":
            return self.portfolio(spec, document, place, before)
        judged: c.Core | None = AS_OF
        if spec.judged_on is not None:
            judged = self.expression(spec.judged_on, document, ("judged on",), self.scope, t.DATE)
        elif spec.kind == "check":
            self.defects.append(
                Diagnostic(
                    "E0304",
                    "the key `judged on` is lacking",
                    place,
                    "name the date fact on which the rule is judged, or `as_of`",
                )
            )
        make = self.check_version if spec.kind == "check" else self.trigger_version
        versions = []
        for version, interval, path in self.intervals(spec, document, "require"):
            made = make(spec, version, interval, path, document)
            if made is not None:
                versions.append(made)
        if judged is None or len(self.defects) > before or not versions:
            return None
        return self.typed(spec, place, judged, tuple(sorted(versions, key=lambda v: v.valid_from)))

    def typed(
        self, spec: models.RuleFile, place: Place, judged: c.Core, versions: tuple[Version, ...], **parts: Any
    ) -> Rule:
        return Rule(
            spec.rule,
            spec.kind,
            spec.title,
            spec.stage,
            judged,
            versions,
            spec.impact,
            spec.hard_law,
            spec.signal,
            spec.cause,
            spec.clause,
            spec.source.model_dump(),
            spec.waivable_by,
            spec.finding,
            spec.recommend,
            place,
            **parts,
        )

    def text_of(
        self, spec: Any, version: Any, key: str, path: Key, document: Document, needed: bool = True
    ) -> tuple[str | None, Key]:
        """The text of a key and its path: the version's own, or the rule's."""
        name = _written(key)
        if version is not spec and getattr(version, key) is not None:
            return getattr(version, key), (*path, name)
        text = getattr(spec, key)
        if text is None and needed:
            self.defects.append(
                Diagnostic(
                    "E0304",
                    f"the key `{name}` is lacking",
                    document.place((*path, "in force") if path else ("rule",)),
                )
            )
        return text, (name,)

    def check_version(
        self, spec: Any, version: Any, interval: models.Interval, path: Key, document: Document
    ) -> Version | None:
        scope = self.scope_with(judged_on=JUDGED_ON)
        applies: c.Core | None = c.TRUE
        text, where = self.text_of(spec, version, "applies_when", path, document, needed=False)
        if text is not None:
            applies = self.expression(text, document, where, scope, t.BOOLEAN)
        text, where = self.text_of(spec, version, "require", path, document)
        require = None if text is None else self.expression(text, document, where, scope, t.BOOLEAN)
        if applies is None or require is None:
            return None
        return Version(
            interval.from_,
            interval.until,
            applies,
            require,
            None,
            version.clause or spec.clause,
            (version.source or spec.source).model_dump(),
        )

    def trigger_version(
        self, spec: Any, version: Any, interval: models.Interval, path: Key, document: Document
    ) -> Version | None:
        scope = self.scope
        comp: c.Comp | None = None
        text, where = self.text_of(spec, version, "for_each", path, document, needed=False)
        failed = False
        if text is not None:
            name, _, source = text.partition(" in ")
            item = name.strip()
            if not item.isidentifier() or not source:
                self.defects.append(
                    Diagnostic(
                        "E0405",
                        "expected `item in list`",
                        document.place(where),
                        "such as `for each: d in disbursements`",
                    )
                )
                return None
            comp, list_name, _, defects = check_list(source, scope)
            self.note(defects, document, where, len(name) + 4)
            if comp is None:
                failed, comp = True, None
                scope = Scope(**{**scope.__dict__, "broken": scope.broken | {item}})
            else:
                comp = _renamed(comp, "each")
                scope = Scope(**{**scope.__dict__, "items": {item: ("each", list_name)}})
        applies: c.Core | None = c.TRUE
        text, where = self.text_of(spec, version, "applies_when", path, document, needed=False)
        if text is not None:
            applies = self.expression(text, document, where, scope, t.BOOLEAN)
        text, where = self.text_of(spec, version, "from_", path, document)
        start = None if text is None else self.expression(text, document, where, scope, t.DATE)
        text, where = self.text_of(spec, version, "within", path, document)
        within, working = None, False
        if text is not None:
            body = text.rstrip().removesuffix("working days")
            working = body != text.rstrip()
            core, defects = check(body, scope, t.INTEGER if working else None)
            self.note(defects, document, where)
            if core is not None and not working and core.type.name not in ("days", "months"):
                self.defects.append(
                    Diagnostic(
                        "E0405",
                        f"expected a duration, found {in_words(core.type)}",
                        document.place(where),
                        'write `@"P15D"`, or a whole number and `working days`',
                    )
                )
            else:
                within = core
        text, where = self.text_of(spec, version, "expect", path, document)
        due_scope = Scope(**{**scope.__dict__, "variables": {**scope.variables, "due": DUE}})
        expect = None if text is None else self.expression(text, document, where, due_scope, t.BOOLEAN)
        if failed or applies is None or start is None or within is None or expect is None:
            return None
        trigger = Trigger(comp, start, within, working, expect)
        return Version(
            interval.from_,
            interval.until,
            applies,
            None,
            trigger,
            version.clause or spec.clause,
            (version.source or spec.source).model_dump(),
        )

    def portfolio(self, spec: models.RuleFile, document: Document, place: Place, before: int) -> Rule | None:
        if spec.versions:
            self.defects.append(
                Diagnostic(
                    "E0405",
                    "a portfolio rule has no versions",
                    document.key_place(("versions",)),
                    "date its limit with a parameter",
                )
            )
        where: c.Core | None = c.TRUE
        if spec.where is not None:
            where = self.expression(spec.where, document, ("where",), self.scope, t.BOOLEAN)
        for key in ("group_by", "measure", "require"):
            if getattr(spec, key) is None:
                self.defects.append(Diagnostic("E0304", f"the key `{_written(key)}` is lacking", place))
        if len(self.defects) > before:
            return None
        group = self.expression(spec.group_by or "", document, ("group by",), self.scope, t.TEXT)
        measure, defects = check(spec.measure or "", self.scope)
        self.note(defects, document, ("measure",))
        if measure is not None and not t.is_numeric(measure.type):
            self.defects.append(
                Diagnostic(
                    "E0204",
                    f"expected an amount or a number, found {in_words(measure.type)}",
                    document.place(("measure",)),
                )
            )
        if measure is None or group is None or where is None:
            return None
        scope = self.scope_with(
            group=c.Var(group.type, "group", nullable=False),
            share=c.Var(t.NUMBER, "share"),
            total=c.Var(measure.type, "total"),
            files=c.Var(t.INTEGER, "files"),
        )
        require = self.expression(spec.require or "", document, ("require",), scope, t.BOOLEAN)
        if require is None or spec.in_force is None:
            if spec.in_force is None:
                self.intervals(spec, document, "require")
            return None
        version = Version(
            spec.in_force.from_,
            spec.in_force.until,
            c.TRUE,
            require,
            None,
            spec.clause,
            spec.source.model_dump(),
        )
        return self.typed(spec, place, AS_OF, (version,), where=where, group=group, measure=measure)

    # -- the rest -----------------------------------------------------------------------------------------

    def waivers(self, rules: Mapping[str, Rule]) -> tuple[Waiver, ...]:
        if not (self.path / "waivers.yaml").is_file():
            return ()
        loaded = self.model(models.WaiversFile, "waivers.yaml")
        if loaded is None:
            return ()
        spec, document = loaded
        out: list[Waiver] = []
        for i, w in enumerate(spec.waivers):
            path: Key = ("waivers", i)
            if w.waiver in [o.id for o in out]:
                self.defects.append(
                    Diagnostic(
                        "E0402", f"the waiver `{w.waiver}` is given twice", document.place((*path, "waiver"))
                    )
                )
            if w.rule not in self.places:
                self.defects.append(
                    Diagnostic(
                        "E0404",
                        f"unknown rule `{w.rule}`",
                        document.place((*path, "rule")),
                        did_you_mean(w.rule, self.places),
                    )
                )
            elif w.rule in rules and rules[w.rule].kind == "portfolio":
                self.defects.append(
                    Diagnostic("E0405", "a portfolio rule cannot be waived", document.place((*path, "rule")))
                )
            if w.until < w.from_:
                self.defects.append(
                    Diagnostic("E0406", "the waiver ends before it begins", document.place((*path, "until")))
                )
            self.each_language(w.compensating_control, document, (*path, "compensating control"))
            scope = self.expression(w.scope, document, (*path, "scope"), self.scope, t.BOOLEAN)
            if scope is not None:
                out.append(
                    Waiver(
                        w.waiver, w.rule, scope, w.approver, w.level, w.from_, w.until, w.compensating_control
                    )
                )
        return tuple(out)

    def coverage(
        self,
        rules: Mapping[str, Rule],
        decisions: Mapping[str, Decision],
        parameters: Mapping[str, Parameter],
    ) -> None:
        """A rule in force needs its parameters and decisions from its first day on."""
        for rule, version in ((r, v) for r in rules.values() for v in r.versions):
            first = version.valid_from
            for kind, name in sorted(needs(rule, version, decisions)):
                if kind == "parameter":
                    steps = parameters[name].steps if name in parameters else ()
                    begins = steps[0][0] if steps else None
                else:
                    spans = sorted(v.valid_from for v in decisions[name].versions)
                    begins = spans[0] if spans else None
                if begins is not None and begins > first:
                    self.defects.append(
                        Diagnostic(
                            "E0411",
                            f"`{rule.id}` is in force from {first}, but the {kind} `{name}` begins on {begins}",
                            rule.place,
                            f"give `{name}` a value from {first} on, or let the rule begin later",
                        )
                    )

    def dimensions(self, file: Any, vocabulary: Vocabulary) -> None:
        spec, document = file
        self.each_language(spec.title, document, ("title",))
        self.each_language(spec.notice, document, ("notice",))
        for key, kinds in (
            ("branch", ("text", "one of")),
            ("exposure", ("money",)),
            ("product", ("text", "one of")),
            ("owner", ("text", "one of")),
        ):
            name = getattr(spec.dimensions, key)
            if name is not None and (
                name not in vocabulary.facts or vocabulary.facts[name].type.name not in kinds
            ):
                near = [n for n, f in vocabulary.facts.items() if f.type.name in kinds]
                self.defects.append(
                    Diagnostic(
                        "E0404",
                        f"`{name}` is not a fact of type {kinds[0]}",
                        document.place(("dimensions", key)),
                        did_you_mean(name, near),
                    )
                )


def _cells_of(line: str) -> list[tuple[int, int]]:
    """The spans of the cells of one line of CSV, without the quotes and the blanks around them."""
    spans = []
    start, quoted = 0, False
    for at, char in enumerate([*line, ","]):
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            cell = line[start:at]
            left = start + len(cell) - len(cell.lstrip())
            right = max(left, start + len(cell.rstrip()))
            if right - left >= 2 and line[left] == line[right - 1] == '"':
                left, right = left + 1, right - 1
            spans.append((left, right))
            start = at + 1
    return spans


def _part(place: Place, cell: str | None, span: tuple[int, int]) -> Place:
    """The part of a cell that an error speaks of, where the cell stands in the file as it is read."""
    start = place.column - 1
    if place.text[start : start + place.length] != cell:
        return place
    return dataclasses.replace(place, column=place.column + span[0], length=max(1, span[1] - span[0]))


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _value_at(document: Document, path: Key) -> Any:
    value = document.value
    for step in path:
        value = value[step]
    return value


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name that the file system cannot hold is the name of none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _names_in(path: Path) -> set[str]:
    """The parameters that a file in error seems to give."""
    try:
        documents = read_yaml(path, str(path))
    except PackError:
        text = path.read_bytes().decode("utf-8", "replace")
        return {f"parameters.{name}" for name in re.findall(r"^ +([^\W\d]\w*):[ ]*$", text, re.M)}
    values = [d.value.get("parameters") for d in documents if isinstance(d.value, dict)]
    return {f"parameters.{name}" for value in values if isinstance(value, dict) for name in value}


def _value_help(text: str, type_: t.Type) -> str | None:
    match type_.name:
        case "one of":
            return did_you_mean(text.strip(), type_.values) or f"the values are {', '.join(type_.values)}"
        case "money":
            return (
                "write an amount with digits and a point, at most two places, without separators: 500000.00"
            )
        case "rate":
            return "write a rate as a fraction: 0.05 for 5%"
        case "number" | "integer":
            return "write a number with digits and a point, without separators"
        case "boolean":
            return "write true or false"
        case "date":
            return "write a date as 2024-01-31"
        case "date-time":
            return "write a date-time as 2024-01-31T09:00:00"
        case "days":
            return "write a span of days as P15D"
    return None


def constant(text: str, type_: t.Type) -> c.Const | None:
    """The value of a text by its type: how parameters, loan files and scenarios write values. None: it is none."""
    text = text.strip()
    value: c.Value = None
    match type_.name:
        case "text":
            value = text
        case "one of":
            value = text if text in type_.values else None
        case "boolean":
            value = {"true": True, "false": False}.get(text)
        case "integer":
            value = int(text) if re.fullmatch(r"-?\d{1,18}", text) else None
        case "money" | "rate" | "number":
            value = models.plain_decimal(text)
            places = {"money": 2, "rate": 8, "number": 8}[type_.name]
            if value is not None and -value.as_tuple().exponent > places:  # type: ignore[operator]
                value = None
        case "date":
            value = parse_date(text)
        case "date-time":
            value = parse_date_time(text)
        case "days":
            value = (
                parse_days(text)
                if text.startswith(("P", "-P"))
                else int(text)
                if re.fullmatch(r"-?\d{1,7}", text)
                else None
            )
    return None if value is None else c.Const(t.INTEGRAL if type_.name == "integer" else type_, value)


def uses(decision: Decision) -> set[str]:
    """The names of the decisions and tables that a decision needs directly."""
    cores = [core for v in decision.versions for core in (v.value, *v.inputs) if core is not None]
    return {n.name for core in cores for n in c.walk(core) if isinstance(n, c.Decided | c.TableCall)}


def needs(rule: Rule, version: Version, decisions: Mapping[str, Decision]) -> set[tuple[str, str]]:
    """The parameters and decisions that a version of a rule needs, directly or through others."""
    cores: list[c.Core] = [rule.judged, version.applies]
    if version.require is not None:
        cores.append(version.require)
    if version.trigger is not None:
        cores += [version.trigger.start, version.trigger.within, version.trigger.expect]
    cores += [core for core in (rule.where, rule.group, rule.measure) if core is not None]
    out: set[tuple[str, str]] = set()
    pending: list[Iterable[c.Core]] = [cores]
    while pending:
        for node in c.walk_once(pending.pop()):
            if isinstance(node, c.Param):
                out.add(("parameter", node.name))
            elif isinstance(node, c.Decided | c.TableCall) and node.name in decisions:
                if ("decision", node.name) in out:
                    continue
                out.add(("decision", node.name))
                for v in decisions[node.name].versions:
                    pending.append([core for core in (v.value, *v.inputs) if core is not None])
                    if v.table is not None:
                        pending.append(v.table.computed)
    return out


def _renamed(comp: c.Comp, var: str) -> c.Comp:
    """The comprehension with its variable renamed."""

    def change(node: c.Core) -> c.Core:
        if isinstance(node, c.Field) and node.var == comp.var:
            return c.Field(node.type, var, node.name, node.list)
        if isinstance(node, c.Some | c.Agg):
            source = node.comp.source
            if isinstance(source, c.ListField) and source.var == comp.var:
                held = dataclasses.replace(source, var=var)
                return dataclasses.replace(node, comp=dataclasses.replace(node.comp, source=held))
        return node

    where = None if comp.where is None else c.rewrite(comp.where, change)
    return c.Comp(comp.source, var, where, comp.item)


def _written(key: str) -> str:
    return key.rstrip("_").replace("_", " ")

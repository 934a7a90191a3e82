"""A mapping: which column of an extract becomes which fact of the vocabulary, and how its text is read.

The file format stands in docs/formats.md under "A mapping". Every key is closed; all defects of a mapping
are reported in one pass, each with line and column.
"""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from sancha.engine.diagnostics import Diagnostic, PackError, Place, SanchaError, did_you_mean
from sancha.engine.feel.types import Type, parse_type
from sancha.engine.policy.vocabulary import Field, ListDef, Vocabulary

CODE = "E0601"

#: Named units as powers of ten of the vocabulary's own unit (yuan, one, a fraction).
UNITS = {
    "元": 0, "千元": 3, "万元": 4, "百万元": 6, "千万元": 7, "亿元": 8, "千": 3, "万": 4, "亿": 8,
    "hundred": 2, "thousand": 3, "million": 6, "billion": 9,
    "cents": -2, "分": -2, "percent": -2, "%": -2, "per mille": -3, "‰": -3, "basis points": -4, "bp": -4,
}  # fmt: skip

#: How many rows of another source become one fact.
TAKES = ("only", "first", "last", "count", "any", "sum", "smallest", "largest")

#: A format for facts of type date: the local day of an ISO 8601 date-time.
ISO_DATE_TIME = "iso date-time"

NUMERIC = ("integer", "days", "number", "money", "rate")
TEMPORAL = ("date", "date-time")


@dataclass(frozen=True, slots=True)
class Style:
    """How the texts of a source are written, where a fact does not say otherwise."""

    empty: tuple[str, ...] = ()
    decimal_mark: str = "."
    thousands_mark: str | None = None
    currency: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    century: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A row counts if the trimmed text of the column is one of `texts` (`negated`: is none of them)."""

    column: str
    texts: tuple[str, ...]
    negated: bool
    place: Place


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """One fact, one field of an item, or one sort key: where its text stands and how it is read."""

    name: str
    type: Type
    place: Place
    source: str
    style: Style
    columns: tuple[str, ...] = ()
    joined_by: str = "-"
    constant: str | None = None
    where: tuple[Condition, ...] = ()
    take: str | None = None
    none: str | None = None
    codes: tuple[tuple[str, str | None], ...] = ()
    otherwise: str = "read"  # reject | missing | read | value
    otherwise_value: str | None = None
    exponent: int = 0
    times: int = 1
    rounded: bool = False
    width: int | None = None
    split_by: str | None = None
    required: bool = False

    @property
    def label(self) -> str:
        """The columns as an error names them."""
        return ", ".join(self.columns)


@dataclass(frozen=True, slots=True)
class Source:
    """One file or sheet. `key` names the loan file, or with `looked_up_by` what the root's columns refer to."""

    name: str
    place: Place
    file: str | None = None
    sheet: str | None = None
    skip: int = 0
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    line_breaks: bool = False
    style: Style = Style()
    where: tuple[Condition, ...] = ()
    key: tuple[str, ...] = ()
    joined_by: str = "-"
    looked_up_by: tuple[str, ...] | None = None
    order: tuple[ColumnMap, ...] = ()


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list of the vocabulary: one item a row of the source."""

    name: str
    source: str
    place: Place
    fields: tuple[ColumnMap, ...]
    where: tuple[Condition, ...] = ()
    missing_if_none: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """A whole mapping, checked against a vocabulary."""

    name: str
    path: Path
    as_of: dt.date
    synthetic: bool
    origin: str
    zone: str | None
    root: str
    sources: dict[str, Source]
    facts: tuple[ColumnMap, ...]
    lists: tuple[ListMap, ...] = ()
    reference: tuple[ListMap, ...] = ()

    def conditions(self, source: str) -> Iterator[Condition]:
        """Every condition on a column of the source."""
        yield from self.sources[source].where
        for column in self.facts:
            if column.source == source:
                yield from column.where
        for item in (*self.lists, *self.reference):
            if item.source == source:
                yield from item.where

    def columns(self, source: str) -> dict[str, Place]:
        """Every column that the mapping reads from the source, with the place that names it."""
        named: dict[str, Place] = {}
        of = self.sources[source]
        for key in (*of.key, *(c for o in of.order for c in o.columns)):
            named.setdefault(key, of.place)
        for condition in self.conditions(source):
            named.setdefault(condition.column, condition.place)
        maps = [*self.facts, *(f for item in (*self.lists, *self.reference) for f in item.fields)]
        for column in maps:
            if column.source == source:
                for name in column.columns:
                    named.setdefault(name, column.place)
        if source == self.root:
            for other in self.sources.values():
                for name in other.looked_up_by or ():
                    named.setdefault(name, other.place)
        return named


def load_mapping(path: Path, vocabulary: Vocabulary) -> Mapping:
    """Read and check a mapping. Raises PackError with every defect found, or SanchaError if unreadable."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SanchaError(f"the mapping cannot be read: {error}", where=path) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(path, text, mark, mark) if mark else None
        raise PackError([Diagnostic(CODE, f"not YAML: {error.problem}", place)]) from error
    reader = _Reader(path, text, vocabulary)
    if not isinstance(root, yaml.MappingNode):
        raise SanchaError("the mapping is empty, or is not a YAML mapping", where=path)
    mapping = reader.mapping(root)
    if reader.diagnostics:
        raise PackError(reader.diagnostics)
    assert mapping is not None
    return mapping


def sql_literal(kind: Type, text: str) -> str | None:
    """A value written in a mapping as an SQL literal of the type's column, or None if it does not fit."""
    quoted = "'" + text.replace("'", "''") + "'"
    match kind.name:
        case "text":
            return quoted
        case "one of":
            return quoted if text in kind.values else None
        case "boolean":
            return text if text in ("true", "false") else None
        case "date":
            return f"DATE {quoted}" if _is(dt.date.fromisoformat, text) else None
        case "date-time":
            return f"TIMESTAMP {quoted}" if _is(dt.datetime.fromisoformat, text) else None
        case "integer" | "days":
            return f"CAST({text} AS BIGINT)" if re.fullmatch(r"-?\d{1,18}", text) else None
        case "money" | "rate" | "number":
            places = 2 if kind.name == "money" else 8
            try:
                value = Decimal(text)
            except InvalidOperation:
                return None
            if not value.is_finite() or value != round(value, places):
                return None
            return f"CAST('{value:f}' AS {sql_type(kind)})"
    return None


def sql_type(kind: Type) -> str:
    """The DuckDB type of a book's column."""
    if kind.name == "list":
        assert kind.item is not None
        return sql_type(kind.item) + "[]"
    return {
        "text": "VARCHAR",
        "one of": "VARCHAR",
        "boolean": "BOOLEAN",
        "integer": "BIGINT",
        "days": "BIGINT",
        "money": "DECIMAL(18,2)",
        "rate": "DECIMAL(18,8)",
        "number": "DECIMAL(30,8)",
        "date": "DATE",
        "date-time": "TIMESTAMP",
    }[kind.name]


def _is(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _place(path: Path, text: str, start: yaml.Mark, end: yaml.Mark) -> Place:
    lines = text.splitlines()
    line = lines[start.line] if start.line < len(lines) else ""
    length = end.column - start.column if end.line == start.line else len(line) - start.column
    return Place(str(path), start.line + 1, start.column + 1, max(1, length), line)


_STYLE_KEYS = ("empty", "decimal mark", "thousands mark", "currency", "date format", "century")
_SOURCE_KEYS = (
    "file", "sheet", "skip", "encoding", "delimiter", "quote", "line breaks", "where", "key", "joined by",
    "looked up by", "order by", *_STYLE_KEYS,
)  # fmt: skip
_TEXT_KEYS = (
    "column", "columns", "joined by", "codes", "otherwise", "empty", "unit", "times", "currency",
    "decimal mark", "thousands mark", "round", "format", "century", "width", "split by",
)  # fmt: skip
_FACT_KEYS = ("from", "where", "take", "when none", "constant", *_TEXT_KEYS)
_FIELD_KEYS = ("constant", *_TEXT_KEYS)
_TOP_KEYS = (
    "mapping", "as of", "synthetic", "origin", "time zone", "root", "sources", "facts", "lists", "reference",
)  # fmt: skip

Entries = dict[str, tuple[yaml.ScalarNode, yaml.Node]]


@dataclass
class _Reader:
    path: Path
    text: str
    vocabulary: Vocabulary
    diagnostics: list[Diagnostic] = field(default_factory=list)

    # What YAML holds: every scalar is taken as the text that stands there, so that `No` and `0` are codes.

    def place(self, node: yaml.Node) -> Place:
        return _place(self.path, self.text, node.start_mark, node.end_mark)

    def error(self, message: str, node: yaml.Node, help: str | None = None) -> None:
        self.diagnostics.append(Diagnostic(CODE, message, self.place(node), help))

    def entries(self, node: yaml.Node, what: str, known: Iterable[str] | None = None) -> Entries:
        """The entries of a mapping node. Names outside `known` and names given twice are errors."""
        if not isinstance(node, yaml.MappingNode):
            self.error(f"{what} must be a mapping of names to values", node)
            return {}
        allowed = None if known is None else tuple(known)
        found: Entries = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.error(f"a name is expected in {what}", key)
            elif allowed is not None and key.value not in allowed:
                near = did_you_mean(key.value, allowed) or "known here: " + ", ".join(allowed)
                self.error(f"unknown key `{key.value}` in {what}", key, near)
            elif key.value in found:
                self.error(f"`{key.value}` is given twice in {what}", key)
            else:
                found[key.value] = (key, value)
        return found

    def scalar(self, node: yaml.Node, what: str) -> str | None:
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self.error(f"{what} must be a single value", node)
        return None

    def scalars(self, node: yaml.Node, what: str) -> tuple[str, ...]:
        if isinstance(node, yaml.SequenceNode):
            return tuple(t for n in node.value if (t := self.scalar(n, f"each of {what}")) is not None)
        single = self.scalar(node, what)
        return () if single is None else (single,)

    def nothing(self, node: yaml.Node) -> bool:
        return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"

    def truth(self, node: yaml.Node, what: str) -> bool:
        text = self.scalar(node, what)
        if text not in (None, "true", "false"):
            self.error(f"{what} must be `true` or `false`", node)
        return text == "true"

    def whole(self, node: yaml.Node, what: str, least: int) -> int:
        text = self.scalar(node, what)
        if text is not None and re.fullmatch(r"\d{1,9}", text) and int(text) >= least:
            return int(text)
        if text is not None:
            self.error(f"{what} must be a whole number from {least}", node)
        return least

    # The parts of a mapping.

    def mapping(self, node: yaml.MappingNode) -> Mapping | None:
        top = self.entries(node, "the mapping", _TOP_KEYS)
        for needed in ("mapping", "as of", "root", "sources", "facts"):
            if needed not in top:
                self.error(f"the mapping does not say `{needed}`", node)
        if "sources" not in top or "root" not in top:
            return None
        zone = None
        if "time zone" in top:
            zone = self.scalar(top["time zone"][1], "`time zone`")
            try:
                ZoneInfo(zone or "UTC")
            except (ZoneInfoNotFoundError, ValueError):
                self.error(f"unknown time zone `{zone}`", top["time zone"][1], "for example `Asia/Shanghai`")
        sources = self.sources(top["sources"][1])
        root = self.scalar(top["root"][1], "`root`")
        if root is None or root not in sources:
            self.error(f"the root source `{root}` is not among the sources", top["root"][1], did_you_mean(root or "", sources))
            return None
        if not sources[root].key:
            self.diagnostics.append(
                Diagnostic(CODE, f"the root source `{root}` has no `key`", sources[root].place, "name the columns that tell the loan files apart")
            )
        as_of = dt.date.min
        if "as of" in top:
            written = self.scalar(top["as of"][1], "`as of`") or ""
            if _is(dt.date.fromisoformat, written):
                as_of = dt.date.fromisoformat(written)
            else:
                self.error("`as of` must be a date such as 2024-12-31", top["as of"][1], "the day of the book")
        facts = self.facts(top["facts"][1], sources, root) if "facts" in top else ()
        lists = self.lists(top["lists"][1], sources, self.vocabulary.lists, "lists", root) if "lists" in top else ()
        reference = (
            self.lists(top["reference"][1], sources, self.vocabulary.reference, "reference", root)
            if "reference" in top
            else ()
        )
        mapping = Mapping(
            name=(self.scalar(top["mapping"][1], "`mapping`") or "") if "mapping" in top else "",
            path=self.path,
            as_of=as_of,
            synthetic=self.truth(top["synthetic"][1], "`synthetic`") if "synthetic" in top else False,
            origin=(self.scalar(top["origin"][1], "`origin`") or "") if "origin" in top else "",
            zone=zone,
            root=root,
            sources=sources,
            facts=facts,
            lists=lists,
            reference=reference,
        )
        used = {root, *(c.source for c in facts), *(item.source for item in (*lists, *reference))}
        for name, source in sources.items():
            if name not in used:
                self.diagnostics.append(Diagnostic(CODE, f"no fact and no list reads the source `{name}`", source.place))
        return mapping

    def sources(self, node: yaml.Node) -> dict[str, Source]:
        return {
            name: self.source(name, key, value)
            for name, (key, value) in self.entries(node, "`sources`").items()
        }

    def source(self, name: str, key: yaml.Node, node: yaml.Node) -> Source:
        what = f"the source `{name}`"
        if self.nothing(node):
            return Source(name, self.place(key))
        found = self.entries(node, what, _SOURCE_KEYS)
        source = Source(name, self.place(key), style=self.style(found, Style()))

        def text(word: str, default: str) -> str:
            return (self.scalar(found[word][1], f"`{word}`") or default) if word in found else default

        encoding = text("encoding", "utf-8")
        try:
            codecs.lookup(encoding)
        except LookupError:
            self.error(f"unknown encoding `{encoding}`", found["encoding"][1], "for example utf-8, gb18030, latin-1")
        for word in ("delimiter", "quote"):
            if len(text(word, ",")) != 1:
                self.error(f"`{word}` must be one character", found[word][1])
        looked_up_by = None
        if "looked up by" in found:
            looked_up_by = self.scalars(found["looked up by"][1], "`looked up by`")
            if "key" not in found or len(looked_up_by) != len(self.scalars(found["key"][1], "`key`")):
                self.error("`looked up by` names as many columns of the root as `key` names of this source", found["looked up by"][0])
        source = replace(
            source,
            file=text("file", "") or None,
            sheet=text("sheet", "") or None,
            skip=self.whole(found["skip"][1], "`skip`", 0) if "skip" in found else 0,
            encoding=encoding,
            delimiter=text("delimiter", ","),
            quote=text("quote", '"'),
            line_breaks="line breaks" in found and self.truth(found["line breaks"][1], "`line breaks`"),
            where=self.where(found["where"][1]) if "where" in found else (),
            key=self.scalars(found["key"][1], "`key`") if "key" in found else (),
            joined_by=text("joined by", "-"),
            looked_up_by=looked_up_by,
        )
        if "order by" in found:
            source = replace(source, order=self.order(found["order by"][1], source))
        return source

    def order(self, node: yaml.Node, source: Source) -> tuple[ColumnMap, ...]:
        """`order by`: columns with the type by which they sort, `{column: seq, type: integer}`."""
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        keys = []
        for item in items:
            found = self.entries(item, "`order by`", ("type", *_TEXT_KEYS))
            kind = parse_type(self.scalar(found["type"][1], "`type`") or "") if "type" in found else None
            if kind is None or kind.name == "list":
                self.error("`order by` needs the `type` by which the column sorts", item, "for example `{column: seq, type: integer}`")
                continue
            read = self.column("order by", kind, item, {k: v for k, v in found.items() if k != "type"}, source)
            keys.append(read)
        return tuple(keys)

    def where(self, node: yaml.Node) -> tuple[Condition, ...]:
        conditions = []
        for column, (key, value) in self.entries(node, "`where`").items():
            negated = isinstance(value, yaml.MappingNode)
            if negated:
                inner = self.entries(value, f"the condition on `{column}`", ("not",))
                texts = self.scalars(inner["not"][1], "`not`") if "not" in inner else ()
            else:
                texts = self.scalars(value, f"the condition on `{column}`")
            conditions.append(Condition(column, texts, negated, self.place(key)))
        return tuple(conditions)

    def style(self, found: Entries, base: Style) -> Style:
        """What a source or a fact says about the writing of its texts, over what holds already."""

        def texts(word: str) -> tuple[str, ...]:
            return self.scalars(found[word][1], f"`{word}`") if word in found else ()

        style = replace(base, empty=(*base.empty, *texts("empty")))
        for word, attribute in (("decimal mark", "decimal_mark"), ("thousands mark", "thousands_mark")):
            if word in found:
                mark = self.scalar(found[word][1], f"`{word}`") or ""
                if len(mark) != 1 or mark.isalnum() or mark in "-+()%":
                    self.error(f"`{word}` must be one punctuation mark or a blank", found[word][1])
                    continue
                style = replace(style, **{attribute: mark})
        if style.decimal_mark == style.thousands_mark:
            word = "thousands mark" if "thousands mark" in found else "decimal mark"
            self.error("the decimal mark and the thousands mark are the same", found[word][0])
        if "currency" in found:
            style = replace(style, currency=texts("currency"))
        for word in ("date format", "format"):
            if word in found:
                style = replace(style, formats=texts(word))
        if "century" in found:
            written = self.scalar(found["century"][1], "`century`") or ""
            window = re.fullmatch(r"(\d{4})\s*\.\.\s*(\d{4})", written)
            if window and int(window[2]) - int(window[1]) == 99:
                style = replace(style, century=(int(window[1]), int(window[2])))
            else:
                self.error("`century` must be a window of 100 years such as 1960..2059", found["century"][1])
        return style

    def facts(self, node: yaml.Node, sources: dict[str, Source], root: str) -> tuple[ColumnMap, ...]:
        maps = []
        entries = self.entries(node, "`facts`")
        for name, (key, value) in entries.items():
            known = self.vocabulary.facts.get(name)
            if known is None:
                self.error(f"the vocabulary has no fact `{name}`", key, did_you_mean(name, self.vocabulary.facts))
                continue
            maps.append(self.fact(name, known, key, value, sources, root))
        for name, known in self.vocabulary.facts.items():
            if known.required and name not in entries:
                self.error(f"the fact `{name}` is required and the mapping does not give it", node)
        return tuple(m for m in maps if m is not None)

    def fact(
        self, name: str, known: Field, key: yaml.Node, node: yaml.Node, sources: dict[str, Source], root: str
    ) -> ColumnMap | None:
        found = self.short(node, f"the fact `{name}`", _FACT_KEYS)
        origin = (self.scalar(found["from"][1], "`from`") or root) if "from" in found else root
        if origin not in sources:
            self.error(f"there is no source `{origin}`", found["from"][1], did_you_mean(origin, sources))
            return None
        take = None
        if origin != root:
            take = (self.scalar(found["take"][1], "`take`") or "only") if "take" in found else "only"
            if not sources[origin].key:
                self.diagnostics.append(
                    Diagnostic(CODE, f"the source `{origin}` has no `key` that leads to the loan file", sources[origin].place)
                )
        for word in ("where", "take", "when none"):
            if word in found and origin == root:
                self.error(f"`{word}` is for facts taken `from` another source than the root", found[word][0])
                return None
        if take is not None and take not in TAKES:
            self.error(f"unknown `take: {take}`", found["take"][1], did_you_mean(take, TAKES) or "known: " + ", ".join(TAKES))
            return None
        fits = {
            "count": ("integer",),
            "any": ("boolean",),
            "sum": NUMERIC,
            "smallest": (*NUMERIC, *TEMPORAL),
            "largest": (*NUMERIC, *TEMPORAL),
        }.get(take or "")
        if fits and known.type.name not in fits:
            self.error(f"`take: {take}` gives no {known.type}", found["take"][1], f"it fits a fact of type {', '.join(fits)}")
            return None
        if take in ("count", "any"):
            if surplus := [w for w in found if w not in ("from", "take", "where")]:
                self.error(f"`take: {take}` counts rows and reads no column: `{surplus[0]}` has no use", found[surplus[0]][0])
            column = ColumnMap(name, known.type, self.place(key), origin, sources[origin].style)
        else:
            rest = {k: v for k, v in found.items() if k not in ("from", "where", "take", "when none")}
            column = self.column(name, known.type, key, rest, sources[origin], constant=origin == root)
        none = None
        if "when none" in found:
            none = self.value(known.type, found["when none"][1], "`when none`")
        where = self.where(found["where"][1]) if "where" in found else ()
        return replace(column, take=take, none=none, where=where, required=known.required)

    def short(self, node: yaml.Node, what: str, known: Iterable[str]) -> Entries:
        """A bare text is the short form of `{column: text}`."""
        if isinstance(node, yaml.ScalarNode) and not self.nothing(node):
            return {"column": (node, node)}
        return self.entries(node, what, known)

    def lists(
        self, node: yaml.Node, sources: dict[str, Source], defined: dict[str, ListDef], part: str, root: str
    ) -> tuple[ListMap, ...]:
        maps = []
        for name, (key, value) in self.entries(node, f"`{part}`").items():
            known = defined.get(name)
            if known is None:
                self.error(f"the vocabulary has no list `{name}` under `{part}`", key, did_you_mean(name, defined))
                continue
            words = ("from", "where", "when none", "fields") if part == "lists" else ("from", "where", "fields")
            found = self.entries(value, f"the list `{name}`", words)
            origin = self.scalar(found["from"][1], "`from`") if "from" in found else None
            if origin is None or origin not in sources or "fields" not in found:
                hint = did_you_mean(origin or "", sources)
                self.error(f"the list `{name}` needs `from` (a source) and `fields`", key, hint)
                continue
            if part == "lists" and not sources[origin].key:
                self.diagnostics.append(
                    Diagnostic(CODE, f"the source `{origin}` has no `key` that leads to the loan file", sources[origin].place)
                )
            none = self.scalar(found["when none"][1], "`when none`") if "when none" in found else "empty"
            if none not in ("empty", "missing"):
                self.error("`when none` of a list is `empty` or `missing`", found["when none"][1])
            fields = []
            for label, (at, how) in self.entries(found["fields"][1], f"the fields of `{name}`").items():
                if label not in known.fields:
                    self.error(f"the list `{name}` has no field `{label}`", at, did_you_mean(label, known.fields))
                    continue
                read = self.short(how, f"the field `{name}.{label}`", _FIELD_KEYS)
                column = self.column(label, known.fields[label].type, at, read, sources[origin], constant=True)
                fields.append(replace(column, required=known.fields[label].required))
            maps.append(
                ListMap(
                    name=name,
                    source=origin,
                    place=self.place(key),
                    fields=tuple(fields),
                    where=self.where(found["where"][1]) if "where" in found else (),
                    missing_if_none=none == "missing",
                )
            )
        return tuple(maps)

    def value(self, kind: Type, node: yaml.Node, what: str) -> str | None:
        """A value of the type, written in the mapping; returned as written."""
        text = self.scalar(node, what)
        if text is not None and sql_literal(kind, text) is None:
            near = did_you_mean(text, kind.values) if kind.values else None
            self.error(f"`{text}` is not a value of type {kind}", node, near)
            return None
        return text

    def column(
        self, name: str, kind: Type, at: yaml.Node, found: Entries, source: Source, constant: bool = False
    ) -> ColumnMap:
        """Where the text of a value stands and how it is read; keys that do not fit the type are errors."""
        style = self.style(found, source.style)
        column = ColumnMap(name, kind, self.place(at), source.name, style)
        if "constant" in found:
            if not constant or len(found) > 1:
                self.error("`constant` stands alone, for a fact of the root or a field of an item", found["constant"][0])
            return replace(column, constant=self.value(kind, found["constant"][1], "`constant`"))
        if ("column" in found) == ("columns" in found):
            self.error(f"`{name}` needs one of `column`, `columns`" + (" or `constant`" if constant else ""), at)
        word = "columns" if "columns" in found else "column"
        columns = self.scalars(found[word][1], f"`{word}`") if word in found else ()
        if word == "column" and len(columns) > 1:
            self.error("`column` is one column; `columns` joins several", found[word][0])
        element = kind.item if kind.name == "list" and kind.item else kind
        allowed = {
            "text": ("width",),
            "date": ("format", "century"),
            "date-time": ("format", "century"),
            **dict.fromkeys(("integer", "days", "rate", "number", "money"), ("unit", "times", "currency", "decimal mark", "thousands mark", "round")),
        }  # fmt: skip
        common = ("column", "columns", "joined by", "codes", "otherwise", "empty", "split by")
        for word, (key, _) in found.items():
            if word not in common and word not in allowed.get(element.name, ()):
                self.error(f"`{word}` says nothing about a value of type {kind}", key)
        if "split by" in found and kind.name != "list":
            self.error("`split by` is for a list of values in one text", found["split by"][0])
        column = replace(column, columns=columns)
        if "joined by" in found:
            column = replace(column, joined_by=self.scalar(found["joined by"][1], "`joined by`") or "")
        if "split by" in found:
            column = replace(column, split_by=self.scalar(found["split by"][1], "`split by`") or ",")
        if "width" in found:
            column = replace(column, width=self.whole(found["width"][1], "`width`", 1))
        if "times" in found:
            column = replace(column, times=self.whole(found["times"][1], "`times`", 2))
        if "unit" in found:
            unit = self.scalar(found["unit"][1], "`unit`") or ""
            if unit not in UNITS:
                self.error(f"unknown unit `{unit}`", found["unit"][1], did_you_mean(unit, UNITS) or "known: " + ", ".join(UNITS))
            column = replace(column, exponent=UNITS.get(unit, 0))
        if "round" in found:
            if self.scalar(found["round"][1], "`round`") != "half up":
                self.error("`round` is `half up`; without it a value with too many places is rejected", found["round"][1])
            column = replace(column, rounded=True)
        if element.name in TEMPORAL:
            self.dates(column, found, at)
        return self.coded(column, element, found)

    def dates(self, column: ColumnMap, found: Entries, at: yaml.Node) -> None:
        """Two-digit years need their century; formats must name a whole date."""
        node = found["format"][1] if "format" in found else at
        short = False
        for text in column.style.formats:
            if text == ISO_DATE_TIME:
                continue
            try:
                date_format(text)
            except ValueError as error:
                self.error(f"the date format `{text}` cannot be used: {error}", node, "for example yyyy-mm-dd, d-mmm-yy, yyyymmdd, dd/mm/yyyy hh:mm")
                continue
            short = short or "yy" in re.sub("yyyy", "", text)
        if short and column.style.century is None:
            self.error(
                "a two-digit year needs its century",
                node,
                "state the window of 100 years that holds the dates, for example `century: 1960..2059`",
            )

    def coded(self, column: ColumnMap, kind: Type, found: Entries) -> ColumnMap:
        """Code lists: `codes` and what becomes of a text `otherwise`."""
        codes: list[tuple[str, str | None]] = []
        if "codes" in found:
            for text, (_, node) in self.entries(found["codes"][1], "`codes`").items():
                codes.append((text, None if self.nothing(node) else self.value(kind, node, f"the code `{text}`")))
        otherwise, value = ("reject" if codes else "read"), None
        if "otherwise" in found:
            node = found["otherwise"][1]
            if isinstance(node, yaml.MappingNode):
                inner = self.entries(node, "`otherwise`", ("value",))
                otherwise = "value"
                value = self.value(kind, inner["value"][1], "`otherwise`") if "value" in inner else None
            else:
                otherwise = self.scalar(node, "`otherwise`") or ""
                if otherwise not in ("reject", "missing", "read"):
                    self.error(
                        "`otherwise` is `reject`, `missing`, `read` or `{value: …}`",
                        node,
                        f"did you mean `{{value: {otherwise}}}`?" if sql_literal(kind, otherwise) else None,
                    )
        return replace(column, codes=tuple(codes), otherwise=otherwise, otherwise_value=value)


_TOKEN = re.compile(r"yyyy|yy|mmm|mm|m|dd|d|hh|h|ss|fff|.", re.S)


def date_format(text: str) -> tuple[str, str, bool]:
    """A format as (regular expression of the shape, strptime format, whether the year has two digits).

    Tokens: `yyyy yy mmm mm m dd d hh h mm ss fff`; `mm` after hours is minutes; `mmm` is an English month
    name of three letters. A double letter is two digits, a single one is one or two. Everything else stands
    for itself. Raises ValueError if the format names no whole date.
    """
    shape, pattern, seen = "", "", ""
    short = False
    for token in _TOKEN.findall(text):
        match token:
            case "yyyy":
                piece, code = r"\d{4}", "%Y"
            case "yy":
                piece, code, short = r"\d{2}", "%y", True
            case "mmm":
                piece, code = r"[A-Za-z]{3}", "%b"
            case "mm" if "H" in seen and "M" not in seen:
                piece, code = r"\d{2}", "%M"
            case "mm" | "m":
                piece, code = (r"\d{2}" if token == "mm" else r"\d{1,2}"), "%m"
            case "dd" | "d":
                piece, code = (r"\d{2}" if token == "dd" else r"\d{1,2}"), "%d"
            case "hh" | "h":
                piece, code = (r"\d{2}" if token == "hh" else r"\d{1,2}"), "%H"
            case "ss":
                piece, code = r"\d{2}", "%S"
            case "fff":
                piece, code = r"\d{1,6}", "%f"
            case _:
                if token.isascii() and token.isalpha() and token != "T":
                    raise ValueError(f"`{token}` is no part of a date")
                piece, code = re.escape(token), token.replace("%", "%%")
        if code.startswith("%") and code != "%%":
            mark = {"y": "Y", "b": "m"}.get(code[1], code[1])
            if mark in seen:
                raise ValueError(f"`{token}` comes twice")
            seen += mark
        shape, pattern = shape + piece, pattern + code
    if not {"Y", "m", "d"} <= set(seen):
        raise ValueError("it does not name year, month and day")
    return shape, pattern, short

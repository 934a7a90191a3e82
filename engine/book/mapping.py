"""A mapping: which column of an extract becomes which fact of the vocabulary, and how its text is read.

The file format stands in docs/formats.md under "A mapping". Every key is closed; all defects of a mapping
are reported in one pass, each with line and column.
"""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as TMapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sancha.engine.diagnostics import Diagnostic, PackError, Place, did_you_mean
from sancha.engine.feel.types import Type, parse_type
from sancha.engine.policy.source import Document, Key, read_yaml
from sancha.engine.policy.vocabulary import Field, ListDef, Vocabulary

CODE = "E0601"

#: Named units as powers of ten of the vocabulary's own unit (yuan, one, a fraction).
UNITS = {
    "元": 0,
    "千元": 3,
    "万元": 4,
    "百万元": 6,
    "千万元": 7,
    "亿元": 8,
    "千": 3,
    "万": 4,
    "亿": 8,
    "hundred": 2,
    "thousand": 3,
    "million": 6,
    "billion": 9,
    "cents": -2,
    "分": -2,
    "percent": -2,
    "%": -2,
    "per mille": -3,
    "‰": -3,
    "basis points": -4,
    "bp": -4,
}

#: How many rows of another source become one fact.
TAKES = ("only", "first", "last", "count", "any", "sum", "smallest", "largest")

#: A format for facts of type date: the local day of an ISO 8601 date-time.
ISO_DATE_TIME = "iso date-time"

NUMERIC = ("integer", "days", "number", "money", "rate")
TEMPORAL = ("date", "date-time")
_TAKEN_TYPES = {
    "count": ("integer",),
    "any": ("boolean",),
    "sum": NUMERIC,
    "smallest": (*NUMERIC, *TEMPORAL),
    "largest": (*NUMERIC, *TEMPORAL),
}


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
    """One file or sheet, the files of a dataset, or a table or query of a database.

    `file` may be a folder or a pattern; `postgres` is the environment variable that holds the connection. Its `key` is
    the loan file's, or what the root's `looked_up_by` columns hold.
    """

    name: str
    place: Place
    file: str | None = None
    duckdb: str | None = None
    postgres: str | None = None
    table: str | None = None
    query: str | None = None
    sheet: str | None = None
    skip: int = 0
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'  # empty: quotes have no meaning
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
    """Read and check a mapping. Raises PackError with every defect found."""
    documents = read_yaml(path, str(path))
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise PackError([Diagnostic("E0301", f"expected one mapping of keys to values in `{path}`")])
    reader = _Reader(documents[0], vocabulary)
    mapping = reader.mapping(path)
    if reader.diagnostics:
        raise PackError(reader.diagnostics)
    assert mapping is not None
    return mapping


def mapped_vocabulary(path: Path) -> Path | None:
    """The vocabulary that a mapping names, relative to its own folder; None if it names none."""
    documents = read_yaml(path, str(path))
    named = (
        documents[0].value.get("vocabulary") if documents and isinstance(documents[0].value, dict) else None
    )
    return path.parent / named if isinstance(named, str) else None


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


_STYLE_KEYS = ("empty", "decimal mark", "thousands mark", "currency", "date format", "century")
_FILE_KEYS = ("sheet", "skip", "encoding", "delimiter", "quote", "line breaks")
SOURCE_KEYS = (
    "file",
    "duckdb",
    "postgres",
    "table",
    "query",
    *_FILE_KEYS,
    "where",
    "key",
    "joined by",
    "looked up by",
    "order by",
    *_STYLE_KEYS,
)
_TEXT_KEYS = (
    "column",
    "columns",
    "joined by",
    "codes",
    "otherwise",
    "empty",
    "unit",
    "times",
    "currency",
    "decimal mark",
    "thousands mark",
    "round",
    "format",
    "century",
    "width",
    "split by",
)
_TAKEN_KEYS = ("from", "where", "take", "when none")
FACT_KEYS = (*_TAKEN_KEYS, "constant", *_TEXT_KEYS)
FIELD_KEYS = ("constant", *_TEXT_KEYS)
TOP_KEYS = (
    "mapping",
    "vocabulary",
    "as of",
    "synthetic",
    "origin",
    "time zone",
    "root",
    "sources",
    "facts",
    "lists",
    "reference",
)
_ANY_TYPE_KEYS = ("column", "columns", "joined by", "codes", "otherwise", "empty", "split by")
_TYPE_KEYS = {
    "text": ("width",),
    "date": ("format", "century"),
    "date-time": ("format", "century"),
    **dict.fromkeys(NUMERIC, ("unit", "times", "currency", "decimal mark", "thousands mark", "round")),
}

#: The entries of a part of the file: each key with the path of its value.
Entries = dict[str, Key]


@dataclass
class _Reader:
    """Walks the document by paths; every defect is noted at its key or value and the walk goes on."""

    document: Document
    vocabulary: Vocabulary
    diagnostics: list[Diagnostic] = field(default_factory=list)

    # The forms of YAML.

    def wrong(self, message: str, path: Key, help: str | None = None, *, code: str = "E0305") -> None:
        """A defect at the value."""
        self.diagnostics.append(Diagnostic(code, message, self.document.place(path), help))

    def wrong_key(self, message: str, path: Key, help: str | None = None, *, code: str = "E0305") -> None:
        """A defect at the key."""
        self.diagnostics.append(Diagnostic(code, message, self.document.key_place(path), help))

    def at(self, path: Key) -> Any:
        value = self.document.value
        for step in path:
            value = value[step]
        return value

    def entries(self, path: Key, what: str, known: tuple[str, ...] | None = None) -> Entries:
        """The entries at `path`; a key outside `known` is an error."""
        value = self.at(path)
        if not isinstance(value, dict):
            self.wrong(f"{what} must be keys and values", path)
            return {}
        found: Entries = {}
        for key in value:
            if known is not None and key not in known:
                help = did_you_mean(key, known) or f"known keys: {', '.join(known)}"
                self.wrong_key(f"unknown key `{key}` in {what}", (*path, key), help, code="E0303")
            else:
                found[key] = (*path, key)
        return found

    def text(self, path: Key | None, default: str = "") -> str:
        """A single value as text; `default` where there is none, or nothing in it."""
        if path is None or self.nothing(path):
            return default
        value = self.at(path)
        if isinstance(value, str):
            return value
        self.wrong(f"`{path[-1]}` must be a single value", path)
        return default

    def texts(self, path: Key | None) -> tuple[str, ...]:
        """A single value or a list of values."""
        if path is None:
            return ()
        if isinstance(self.at(path), list):
            return tuple(self.text((*path, i)) for i in range(len(self.at(path))))
        return (self.text(path),)

    def nothing(self, path: Key) -> bool:
        """Whether no value stands there, or `null`: a text in quotes is a text."""
        return str(self.document.nodes[path].tag) == "tag:yaml.org,2002:null"

    def truth(self, path: Key | None) -> bool:
        text = self.text(path, "false")
        if path is not None and text not in ("true", "false"):
            self.wrong(f"`{path[-1]}` must be `true` or `false`", path)
        return text == "true"

    def whole(self, path: Key | None, least: int) -> int:
        text = self.text(path, str(least))
        if re.fullmatch(r"\d{1,6}", text) and int(text) >= least:
            return int(text)
        if path is not None:
            self.wrong(f"`{path[-1]}` must be a whole number from {least}", path)
        return least

    def value(self, kind: Type, path: Key) -> str | None:
        """A value of the type, returned as written."""
        text = self.text(path)
        if sql_literal(kind, text) is not None:
            return text
        self.wrong(f"`{text}` is not a value of type {kind}", path, did_you_mean(text, kind.values))
        return None

    # The parts of a mapping.

    def mapping(self, path: Path) -> Mapping | None:
        top = self.entries((), "the mapping", TOP_KEYS)
        for needed in ("mapping", "as of", "root", "sources", "facts"):
            if needed not in top:
                self.wrong(f"the key `{needed}` is lacking", (), code="E0304")
        if "sources" not in top or "root" not in top:
            return None
        zone = self.text(top.get("time zone")) or None
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError):
                self.wrong(f"unknown time zone `{zone}`", top["time zone"], "for example `Asia/Shanghai`")
                zone = None
        sources = {
            name: self.source(name, at) for name, at in self.entries(top["sources"], "`sources`").items()
        }
        root = self.text(top["root"])
        if root not in sources:
            self.wrong(f"there is no source `{root}`", top["root"], did_you_mean(root, sources), code=CODE)
            return None
        if not sources[root].key or sources[root].looked_up_by is not None:
            help = "name the columns that tell the loan files apart; `looked up by` is for other sources"
            self.wrong_key(
                f"the root source `{root}` needs a `key` of its own", (*top["sources"], root), help
            )
        as_of = dt.date.min
        if "as of" in top:
            written = self.text(top["as of"])
            if _is(dt.date.fromisoformat, written):
                as_of = dt.date.fromisoformat(written)
            else:
                self.wrong("`as of` must be a date such as 2024-12-31", top["as of"], "the day of the book")
        facts = self.facts(top["facts"], sources, root) if "facts" in top else ()
        lists = self.lists(top.get("lists"), sources, self.vocabulary.lists, keyed=True)
        reference = self.lists(top.get("reference"), sources, self.vocabulary.reference, keyed=False)
        for name, source in sources.items():
            if source.order and (name == root or not source.key):
                at = (*top["sources"], name, "order by")
                self.wrong_key("`order by` is for rows that a key leads to a loan file", at)
        used = {root, *(c.source for c in facts), *(item.source for item in (*lists, *reference))}
        for name in sources:
            if name not in used:
                self.wrong_key(f"no fact and no list reads the source `{name}`", (*top["sources"], name))
        return Mapping(
            name=self.text(top.get("mapping")),
            path=path,
            as_of=as_of,
            synthetic=self.truth(top.get("synthetic")),
            origin=self.text(top.get("origin")),
            zone=zone,
            root=root,
            sources=sources,
            facts=facts,
            lists=lists,
            reference=reference,
        )

    def source(self, name: str, path: Key) -> Source:
        place = self.document.key_place(path)
        if self.nothing(path):
            return Source(name, place)
        found = self.entries(path, f"the source `{name}`", SOURCE_KEYS)
        encoding = self.text(found.get("encoding"), "utf-8")
        try:
            codecs.lookup(encoding)
        except LookupError:
            self.wrong(
                f"unknown encoding `{encoding}`", found["encoding"], "for example utf-8, gb18030, latin-1"
            )
        marks = {
            word: self.text(found.get(word), usual) for word, usual in (("delimiter", ","), ("quote", '"'))
        }
        if marks["quote"] == "none":
            marks["quote"] = ""
        for word, mark in marks.items():
            if len(mark) != 1 and (word, mark) != ("quote", ""):
                help = "`quote: none` if quotes have no meaning" if word == "quote" else None
                self.wrong(f"`{word}` must be one character", found[word], help)
        key = self.texts(found.get("key"))
        looked_up_by = self.texts(found["looked up by"]) if "looked up by" in found else None
        if looked_up_by is not None and len(looked_up_by) != len(key):
            help = "`key` names columns of this source, `looked up by` the columns of the root that hold them"
            self.wrong("`looked up by` must name as many columns as `key`", found["looked up by"], help)
        self.origin(name, found, path)
        source = Source(
            name=name,
            place=place,
            file=self.text(found.get("file")) or None,
            duckdb=self.text(found.get("duckdb")) or None,
            postgres=self.text(found.get("postgres")) or None,
            table=self.text(found.get("table")) or None,
            query=self.text(found.get("query")).strip().rstrip(";") or None,
            sheet=self.text(found.get("sheet")) or None,
            skip=self.whole(found.get("skip"), 0),
            encoding=encoding,
            delimiter=marks["delimiter"],
            quote=marks["quote"],
            line_breaks=self.truth(found.get("line breaks")),
            style=self.style(found, Style()),
            where=self.where(found.get("where")),
            key=key,
            joined_by=self.text(found.get("joined by"), "-"),
            looked_up_by=looked_up_by,
        )
        return replace(source, order=self.order(found["order by"], source)) if "order by" in found else source

    def origin(self, name: str, found: Entries, path: Key) -> None:
        """A source is a file or a database, and a database is asked for one table or by one query."""
        origins: list[str] = [word for word in ("file", "duckdb", "postgres") if word in found]
        for word in origins[1:]:
            self.wrong_key(f"the source `{name}` has `{origins[0]}` already", found[word], "name one of them")
        asked: list[str] = [word for word in ("table", "query") if word in found]
        if not {"duckdb", "postgres"} & set(origins):
            for word in asked:
                help = "name the database by `duckdb: FILE` or `postgres: ENVIRONMENT_VARIABLE`"
                self.wrong_key(f"`{word}` is for a source in a database", found[word], help)
            return
        if len(asked) != 1:
            self.wrong_key(f"the source `{name}` needs either `table` or `query`", path, code="E0304")
        for word in _FILE_KEYS:
            if word in found:
                self.wrong_key(f"`{word}` says nothing about a table of a database", found[word])
        variable = self.text(found.get("postgres"), "X")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            help = "put the connection into an environment variable and name it here, such as `postgres: LOANS_DB`"
            self.wrong("`postgres` must be the name of an environment variable", found["postgres"], help)

    def order(self, path: Key, source: Source) -> tuple[ColumnMap, ...]:
        """`order by`: columns with the type by which they sort, as `{column: seq, type: integer}`."""
        value = self.at(path)
        items = [(*path, i) for i in range(len(value))] if isinstance(value, list) else [path]
        keys = []
        for item in items:
            found = self.entries(item, "`order by`", ("type", *_TEXT_KEYS))
            kind = parse_type(self.text(found.pop("type", None)))
            if kind is None or kind.name == "list":
                help = "for example `{column: seq, type: integer}`"
                self.wrong("`order by` needs the `type` by which the column sorts", item, help)
            else:
                keys.append(self.column("order by", kind, path, found, source))
        return tuple(keys)

    def where(self, path: Key | None) -> tuple[Condition, ...]:
        conditions = []
        for column, at in self.entries(path, "`where`").items() if path is not None else ():
            negated = isinstance(self.at(at), dict)
            if negated:
                texts = self.texts(self.entries(at, f"the condition on `{column}`", ("not",)).get("not"))
            else:
                texts = self.texts(at)
            conditions.append(Condition(column, texts, negated, self.document.key_place(at)))
        return tuple(conditions)

    def style(self, found: Entries, base: Style) -> Style:
        """What a source or a fact says about the writing of its texts, over what holds already."""
        style = replace(base, empty=(*base.empty, *self.texts(found.get("empty"))))
        for word in ("decimal mark", "thousands mark"):
            if word in found:
                mark = self.text(found[word])
                if len(mark) != 1 or mark.isalnum() or mark in "-+()%":
                    self.wrong(f"`{word}` must be one punctuation mark or a blank", found[word])
                elif word == "decimal mark":
                    style = replace(style, decimal_mark=mark)
                else:
                    style = replace(style, thousands_mark=mark)
        if style.decimal_mark == style.thousands_mark and {"decimal mark", "thousands mark"} & set(found):
            word = "thousands mark" if "thousands mark" in found else "decimal mark"
            self.wrong("the decimal mark and the thousands mark are the same", found[word])
        if "currency" in found:
            style = replace(style, currency=tuple(c for c in self.texts(found["currency"]) if c.strip()))
        for word in ("date format", "format"):
            if word in found:
                style = replace(style, formats=self.texts(found[word]))
        if "century" in found:
            window = re.fullmatch(r"(\d{4})\s*\.\.\s*(\d{4})", self.text(found["century"]))
            if window and int(window[2]) - int(window[1]) == 99:
                style = replace(style, century=(int(window[1]), int(window[2])))
            else:
                self.wrong("`century` must be a window of 100 years such as 1960..2059", found["century"])
        return style

    def facts(self, path: Key, sources: dict[str, Source], root: str) -> tuple[ColumnMap, ...]:
        maps = []
        entries = self.entries(path, "`facts`")
        for name, at in entries.items():
            known = self.vocabulary.facts.get(name)
            if known is None:
                help = did_you_mean(name, self.vocabulary.facts)
                self.wrong_key(f"the vocabulary has no fact `{name}`", at, help, code=CODE)
            elif (fact := self.fact(known, at, sources, root)) is not None:
                maps.append(fact)
        for name, known in self.vocabulary.facts.items():
            if known.required and name not in entries:
                self.wrong_key(f"the required fact `{name}` has no column", path, code=CODE)
        return tuple(maps)

    def fact(self, known: Field, path: Key, sources: dict[str, Source], root: str) -> ColumnMap | None:
        """A fact of the root's row, or one taken from rows of another source that lead to the loan file."""
        found = self.short(path, f"the fact `{known.name}`", FACT_KEYS)
        origin = self.text(found.get("from"), root)
        if origin not in sources:
            self.wrong(
                f"there is no source `{origin}`", found["from"], did_you_mean(origin, sources), code=CODE
            )
            return None
        taken = {word: found.pop(word) for word in _TAKEN_KEYS if word in found}
        if origin == root:
            for word in ("where", "take", "when none"):
                if word in taken:
                    self.wrong_key(f"`{word}` is for a fact `from` another source than the root", taken[word])
            column = self.column(known.name, known.type, path, found, sources[origin], constant=True)
            return replace(column, required=known.required)
        if not sources[origin].key:
            help = f"state `key` in the source `{origin}`"
            self.wrong_key(f"the rows of `{origin}` have no key that leads to the loan file", path, help)
        take = self.text(taken.get("take"), "only")
        if take not in TAKES:
            help = did_you_mean(take, TAKES) or f"known: {', '.join(TAKES)}"
            self.wrong(f"unknown way to take a value: `{take}`", taken["take"], help)
            return None
        fits = _TAKEN_TYPES.get(take)
        if fits is not None and known.type.name not in fits:
            help = f"it gives a fact of type {' or '.join(fits)}"
            self.wrong(f"`take: {take}` does not give a {known.type}", taken["take"], help)
            return None
        if take in ("count", "any"):
            for word in found:
                self.wrong_key(f"`take: {take}` reads no column, so `{word}` says nothing", found[word])
            style = sources[origin].style
            column = ColumnMap(known.name, known.type, self.document.key_place(path), origin, style)
        else:
            column = self.column(known.name, known.type, path, found, sources[origin])
        return replace(
            column,
            take=take,
            none=self.value(known.type, taken["when none"]) if "when none" in taken else None,
            where=self.where(taken.get("where")),
            required=known.required,
        )

    def short(self, path: Key, what: str, known: tuple[str, ...]) -> Entries:
        """The keys of a fact; a bare text is the short form of `{column: text}`."""
        return {"column": path} if isinstance(self.at(path), str) else self.entries(path, what, known)

    def lists(
        self, path: Key | None, sources: dict[str, Source], defined: TMapping[str, ListDef], *, keyed: bool
    ) -> tuple[ListMap, ...]:
        """The lists of the loan file (`keyed`: their rows lead to one), or the reference lists."""
        maps = []
        words = ("from", "where", "when none", "fields") if keyed else ("from", "where", "fields")
        for name, at in self.entries(path, f"`{path[-1]}`").items() if path is not None else ():
            known = defined.get(name)
            if known is None:
                self.wrong_key(
                    f"the vocabulary has no such list `{name}`", at, did_you_mean(name, defined), code=CODE
                )
                continue
            found = self.entries(at, f"the list `{name}`", words)
            origin = self.text(found.get("from"))
            if "fields" not in found or "from" not in found:
                self.wrong_key(f"the list `{name}` needs `from`, a source, and `fields`", at, code="E0304")
                continue
            if origin not in sources:
                self.wrong(
                    f"there is no source `{origin}`", found["from"], did_you_mean(origin, sources), code=CODE
                )
                continue
            if keyed and not sources[origin].key:
                help = f"state `key` in the source `{origin}`"
                self.wrong_key(f"the rows of `{origin}` have no key that leads to the loan file", at, help)
            none = self.text(found.get("when none"), "empty")
            if none not in ("empty", "missing"):
                self.wrong("`when none` of a list is `empty` or `missing`", found["when none"])
            fields = []
            for label, spot in self.entries(found["fields"], f"the fields of `{name}`").items():
                if label not in known.fields:
                    near = did_you_mean(label, known.fields)
                    self.wrong_key(f"the list `{name}` has no field `{label}`", spot, near, code=CODE)
                    continue
                keys = self.short(spot, f"the field `{name}.{label}`", FIELD_KEYS)
                kind = known.fields[label].type
                fields.append(self.column(label, kind, spot, keys, sources[origin], constant=True))
            maps.append(
                ListMap(
                    name=name,
                    source=origin,
                    place=self.document.key_place(at),
                    fields=tuple(fields),
                    where=self.where(found.get("where")),
                    missing_if_none=none == "missing",
                )
            )
        return tuple(maps)

    def column(
        self, name: str, kind: Type, path: Key, found: Entries, source: Source, *, constant: bool = False
    ) -> ColumnMap:
        """Where the text of a value stands and how it is read; keys that do not fit the type are errors."""
        column = ColumnMap(name, kind, self.document.key_place(path), source.name, source.style)
        if "constant" in found:
            if not constant or len(found) > 1:
                help = "it is for a fact of the root or a field of an item, without other keys"
                self.wrong_key("`constant` stands alone", found["constant"], help)
            return replace(column, constant=self.value(kind, found["constant"]))
        if ("column" in found) == ("columns" in found):
            either = "`column`, `columns` or `constant`" if constant else "`column` or `columns`"
            self.wrong_key(f"`{name}` needs one of {either}", path, code="E0304")
        element = kind.item if kind.name == "list" and kind.item else kind
        known = (*_ANY_TYPE_KEYS, *_TYPE_KEYS.get(element.name, ()))
        for word, at in found.items():
            if word not in known:
                self.wrong_key(f"`{word}` says nothing about a value of type {kind}", at)
        if "split by" in found and kind.name != "list":
            self.wrong_key("`split by` is for a list of values in one text", found["split by"])
        unit = self.text(found.get("unit"))
        if unit and unit not in UNITS:
            help = did_you_mean(unit, UNITS) or f"known: {', '.join(UNITS)}"
            self.wrong(f"unknown unit `{unit}`", found["unit"], help)
        if "round" in found and self.text(found["round"]) != "half up":
            help = "without `round`, a value with too many places is rejected"
            self.wrong("`round` must be `half up`", found["round"], help)
        column = replace(
            column,
            style=self.style(found, source.style),
            columns=self.texts(found.get("columns")) or (self.text(found.get("column")),),
            joined_by=self.text(found.get("joined by"), "-"),
            split_by=self.text(found["split by"], ",") if "split by" in found else None,
            width=self.whole(found["width"], 1) if "width" in found else None,
            times=self.whole(found["times"], 2) if "times" in found else 1,
            exponent=UNITS.get(unit, 0),
            rounded="round" in found,
        )
        if element.name in TEMPORAL:
            self.dates(column, found.get("format", path))
        return self.coded(column, element, found)

    def dates(self, column: ColumnMap, path: Key) -> None:
        """Formats must name a whole date, and two-digit years need their century."""
        short = False
        for text in column.style.formats:
            if text == ISO_DATE_TIME:
                continue
            try:
                short = date_format(text)[2] or short
            except ValueError as error:
                help = "for example yyyy-mm-dd, d-mmm-yy, yyyymmdd, dd/mm/yyyy hh:mm"
                self.wrong(f"the date format `{text}` cannot be used: {error}", path, help)
        if short and column.style.century is None:
            help = "state the window of 100 years that holds the dates, for example `century: 1960..2059`"
            self.wrong("a two-digit year needs its century", path, help, code=CODE)

    def coded(self, column: ColumnMap, kind: Type, found: Entries) -> ColumnMap:
        """Code lists: `codes`, and what becomes of a text `otherwise`."""
        codes = tuple(
            (text, None if self.nothing(at) else self.value(kind, at))
            for text, at in (self.entries(found["codes"], "`codes`").items() if "codes" in found else ())
        )
        if "otherwise" not in found:
            return replace(column, codes=codes, otherwise="reject" if codes else "read")
        path = found["otherwise"]
        if isinstance(self.at(path), dict):
            inner = self.entries(path, "`otherwise`", ("value",))
            value = self.value(kind, inner["value"]) if "value" in inner else None
            return replace(column, codes=codes, otherwise="value", otherwise_value=value)
        word = self.text(path)
        if word not in ("reject", "missing", "read"):
            help = f"did you mean `{{value: {word}}}`?" if sql_literal(kind, word) else None
            self.wrong("`otherwise` is `reject`, `missing`, `read` or `{value: …}`", path, help)
        return replace(column, codes=codes, otherwise=word)


#: The shape of a two-digit year; no other token has it.
YEAR_OF_TWO = "[0-9][0-9]"
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
                piece, code, short = YEAR_OF_TWO, "%y", True
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

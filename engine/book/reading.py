"""How a text becomes a value: DuckDB expressions, one set a column of the mapping.

The expressions work on whole columns. None of them raises: a text that cannot be read gives NULL, and the
import turns a NULL that stands on a text into a line of rejects.parquet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sancha.engine.book.mapping import (
    ISO_DATE_TIME,
    NUMERIC,
    TEMPORAL,
    YEAR_OF_TWO,
    ColumnMap,
    Condition,
    date_format,
    sql_literal,
    sql_type,
)
from sancha.engine.feel.types import Type

#: The column of the staged table that holds a column of the extract.
Cells = Mapping[str, str]
#: Separates the elements of a list that a Parquet file holds as a list.
UNIT_SEPARATOR = "␟"

_WIDE = "０１２３４５６７８９．，％－＋（）"
_NARROW = "0123456789.,%-+()"
_OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)"
_ISO_DAY = r"\d{4}-\d{2}-\d{2}"
_ISO_TIME = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
_AT_OFFSET = r":\d{2}(\.\d+)?" + _OFFSET + "$"
_LOST_DIGITS = r"-?\d(\.\d+)?[eE]\+\d{2,3}"
#: What spreadsheets show where a formula has failed.
_FAILED = r"#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!|FIELD!|BUSY!|BLOCKED!|GETTING_DATA)"
_NO_TEXT = f"{_LOST_DIGITS}|{_FAILED}"


#: Stand for the text, and for the text in ASCII digits and marks, in the SQL of a value.
_TEXT, _PLAIN = "⟦text⟧", "⟦plain⟧"


@dataclass(frozen=True, slots=True)
class Reading:
    """SQL of one value: `text` (NULL: missing) from the cells of a row; value and reason from that text."""

    text: str
    _value: str
    _reason: str

    def value(self, text: str, plain: str) -> str:
        """The typed value, NULL where it cannot be read; of the columns of the text and its plain form."""
        return self._value.replace(_TEXT, text).replace(_PLAIN, plain)

    def reason(self, text: str, plain: str) -> str:
        """Why the text gives no value."""
        return self._reason.replace(_TEXT, text).replace(_PLAIN, plain)

    def at(self, text: str) -> Reading:
        """The same reading of a text that stands in another column."""
        return Reading(text, self._value, self._reason)


def quote(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def plain(text: str) -> str:
    """The text with full-width digits and marks in ASCII, as numbers and dates are read."""
    wide = f"translate({text}, {quote(_WIDE)}, {quote(_NARROW)})"
    return f"CASE WHEN strlen({text}) = length({text}) THEN {text} ELSE {wide} END"


def key_text(columns: tuple[str, ...], joined_by: str, cells: Cells) -> str:
    """The key of a row as one text; NULL if a part is missing, or was lost by a spreadsheet."""
    parts = [cells[c] for c in columns]
    sound = " AND ".join(f"NOT regexp_full_match({p}, {quote(_NO_TEXT)})" for p in parts)
    return f"CASE WHEN {sound} THEN {f' || {quote(joined_by)} || '.join(parts)} END"


def condition(conditions: tuple[Condition, ...], cells: Cells) -> str:
    """The SQL of `where`: true or false, never NULL."""
    tests = []
    for one in conditions:
        text = f"coalesce({cells[one.column]}, '')"
        inside = f"{text} IN ({', '.join(quote(t) for t in one.texts) or 'NULL'})"
        tests.append(f"NOT coalesce({inside}, false)" if one.negated else f"coalesce({inside}, false)")
    return " AND ".join(tests) or "true"


def reading(column: ColumnMap, cells: Cells, *, native: bool, zone: str | None) -> Reading:
    """How `column` is read. `native`: the source has typed cells (XLSX, Parquet), rendered in ISO form."""
    element = column.type.item if column.type.name == "list" and column.type.item else column.type
    parts = [cells[c] for c in column.columns]
    text = (
        parts[0]
        if len(parts) == 1
        else f"nullif(concat_ws({quote(column.joined_by)}, {', '.join(parts)}), '')"
    )
    if column.style.empty:
        empty = ", ".join(quote(e) for e in column.style.empty)
        text = f"CASE WHEN {text} NOT IN ({empty}) THEN {text} END"
    if column.type.name == "list":
        return _list_reading(column, element, text, native=native, zone=zone)
    value, reason = _value(column, element, native=native, zone=zone)
    missing = [code for code, to in column.codes if to is None]
    if missing:
        text = f"CASE WHEN {text} NOT IN ({', '.join(quote(m) for m in missing)}) THEN {text} END"
    if column.otherwise == "missing":
        known = ", ".join(quote(code) for code, _ in column.codes) or "NULL"
        text = f"CASE WHEN {text} IN ({known}) THEN {text} END"
    return Reading(text, value, reason)


def _list_reading(column: ColumnMap, kind: Type, text: str, *, native: bool, zone: str | None) -> Reading:
    """A list in one text: split, each element read; one unreadable element makes the list unknown."""
    by = UNIT_SEPARATOR if native and column.split_by is None else column.split_by or ","
    pieces = f"list_transform(string_split({_TEXT}, {quote(by)}), lambda e: nullif(trim(e), ''))"
    value, _ = _value(column, kind, native=native, zone=zone)
    value = value.replace(_TEXT, "e").replace(_PLAIN, plain("e"))
    values = f"list_transform(list_filter({pieces}, lambda e: e IS NOT NULL), lambda e: {value})"
    sound = f"{_TEXT} IS NOT NULL AND len(list_filter({values}, lambda v: v IS NULL)) = 0"
    return Reading(text, f"CASE WHEN {sound} THEN {values} END", quote(f"an element is not a {kind}"))


def _value(column: ColumnMap, kind: Type, *, native: bool, zone: str | None) -> tuple[str, str]:
    """The typed value of the text, codes first, and the reason of a text that gives none."""
    if column.otherwise == "value" and column.otherwise_value is not None:
        rest, reason = sql_literal(kind, column.otherwise_value) or "NULL", "''"
    elif column.otherwise in ("reject", "missing"):
        rest, reason = f"CAST(NULL AS {sql_type(kind)})", quote("not in the code list")
    else:
        rest, reason = _read(column, kind, native=native, zone=zone)
    arms = " ".join(
        f"WHEN {quote(code)} THEN {sql_literal(kind, to)}" for code, to in column.codes if to is not None
    )
    return (f"CASE {_TEXT} {arms} ELSE {rest} END" if arms else rest), reason


def _read(column: ColumnMap, kind: Type, *, native: bool, zone: str | None) -> tuple[str, str]:
    if kind.name in NUMERIC:
        return _number(column, kind, native=native)
    if kind.name in TEMPORAL:
        return _temporal(column, kind, native=native, zone=zone)
    if kind.name == "boolean":
        truth = f"CASE lower({_TEXT}) WHEN 'true' THEN true WHEN 'false' THEN false END"
        return truth, quote("neither `true` nor `false`, and the mapping gives no codes")
    if kind.name == "one of":
        values = ", ".join(quote(v) for v in kind.values)
        return f"CASE WHEN {_TEXT} IN ({values}) THEN {_TEXT} END", quote("not among the values of the fact")
    padded = _TEXT
    if column.width is not None:
        padded = f"lpad({_TEXT}, greatest({column.width}, length({_TEXT}))::INTEGER, '0')"
    value = f"CASE WHEN NOT regexp_full_match({_TEXT}, {quote(_NO_TEXT)}) THEN {padded} END"
    digits = quote("a number in scientific notation: a spreadsheet has dropped its digits")
    failed = quote("an error of a spreadsheet, not a text")
    return value, f"CASE WHEN starts_with({_TEXT}, '#') THEN {failed} ELSE {digits} END"


def _number(column: ColumnMap, kind: Type, *, native: bool) -> tuple[str, str]:
    """A decimal number, exactly: marks and currency signs off, unit applied, no place lost in silence."""
    style = column.style
    point = "." if native else style.decimal_mark
    comma = None if native else style.thousands_mark
    whole = "[0-9]+" if comma is None else f"(?:[0-9]{{1,3}}(?:{re.escape(comma)}[0-9]{{3}})+|[0-9]+)"
    dot = re.escape(point)
    signs = sorted((c.strip() for c in style.currency), key=len, reverse=True)
    sign = "(?:" + "|".join(re.escape(s) for s in signs) + ")" if signs else None

    def shape(places: int | None, percent: str = "") -> str:
        """The regular expression of a text with at most so many places that say something."""
        most = "" if places is None else str(places)
        tail = f"[0-9]{{0,{most}}}0*"
        some = f"[0-9]{{1,{most}}}0*" if places != 0 else "0+"
        digits = f"(?:{whole}(?:{dot}{tail})?|{dot}{some})"
        body = (rf"(?:{sign}\s*)?{digits}(?:\s*{sign})?" if sign else digits) + percent
        after = rf"|{sign}\s*[-+]\s*{digits}" if sign else ""
        return rf"[-+]?\s*{body}|{body}-|\({body}\){after}"

    number = f"regexp_extract({_PLAIN}, {quote(f'(?:{whole}(?:{dot}[0-9]*)?|{dot}[0-9]+)')})"
    if comma is not None:
        number = f"replace({number}, {quote(comma)}, '')"
    if point != ".":
        number = f"replace({number}, {quote(point)}, '.')"
    minus = f"contains({_PLAIN}, '-') OR contains({_PLAIN}, '(')"
    number = f"CASE WHEN {minus} THEN '-' || {number} ELSE {number} END"
    ratio = kind.name in ("rate", "number")
    if ratio and column.exponent == -2:
        # A percent sign in the text and `unit: percent` say the same thing once.
        number = f"({number}) || 'e-2'"
    elif ratio:
        number = f"({number}) || CASE WHEN contains({_PLAIN}, '%') THEN 'e-2' ELSE 'e{column.exponent}' END"
    elif column.exponent:
        number = f"({number}) || 'e{column.exponent}'"
    target = sql_type(kind)
    kept = {"money": 2, "rate": 8, "number": 8}.get(kind.name, 0)
    places: int | None = max(0, kept + column.exponent)
    if column.times != 1:
        scaled = f"TRY_CAST({number} AS DECIMAL(28,8)) * CAST({column.times} AS DECIMAL(9,0))"
        cast, places = f"TRY_CAST({scaled} AS {target})", 8
        value = f"CASE WHEN {cast} = {scaled} THEN {cast} END" if not column.rounded else cast
    else:
        value = f"TRY_CAST({number} AS {target})"

    def matches(limited: bool) -> str:
        shapes = [shape(places if limited else None)]
        if ratio:
            shapes.append(shape(kept - 2 if limited else None, r"\s*%"))
        return f"regexp_full_match({_PLAIN}, {quote('|'.join(shapes))})"

    too_long = quote(f"more than {kept} places, or too large" if kept else "not a whole number, or too large")
    unlike = quote("not an amount" if kind.name == "money" else "not a number")
    reason = f"CASE WHEN {matches(False)} THEN {too_long} ELSE {unlike} END"
    return f"CASE WHEN {matches(not column.rounded)} THEN {value} END", reason


def _temporal(column: ColumnMap, kind: Type, *, native: bool, zone: str | None) -> tuple[str, str]:
    """A date or a local date-time, by the formats of the mapping in turn; without them, ISO 8601."""
    offset = f"regexp_matches({_PLAIN}, {quote(_AT_OFFSET)})"
    local = (
        f"timezone({quote(zone)}, TRY_CAST({_PLAIN} AS TIMESTAMPTZ))" if zone else "CAST(NULL AS TIMESTAMP)"
    )
    moment = (
        f"CASE WHEN NOT regexp_full_match({_PLAIN}, {quote(f'{_ISO_TIME}{_OFFSET}?')}) THEN NULL"
        f" WHEN {offset} THEN {local} ELSE TRY_CAST({_PLAIN} AS TIMESTAMP) END"
    )
    is_day = f"regexp_full_match({_PLAIN}, {quote(_ISO_DAY)})"
    iso_day = f"CASE WHEN {is_day} THEN TRY_CAST({_PLAIN} AS DATE) END"
    tries: list[str] = []
    for text in column.style.formats:
        if text == ISO_DATE_TIME:
            tries.append(f"CAST({moment} AS {sql_type(kind)})")
            continue
        shape, pattern, short = date_format(text)
        written = _PLAIN
        if short:
            assert column.style.century is not None
            written, shape, pattern = _with_century(shape, pattern, column.style.century[0])
        parsed = f"CAST(try_strptime({written}, {quote(pattern)}) AS {sql_type(kind)})"
        tries.append(f"CASE WHEN regexp_full_match({_PLAIN}, {quote(shape)}) THEN {parsed} END")
    if not tries or native:
        tries.append(iso_day if kind.name == "date" else moment)
        if native:
            tries.append(f"CAST({moment if kind.name == 'date' else iso_day} AS {sql_type(kind)})")
    value = tries[0] if len(tries) == 1 else f"coalesce({', '.join(tries)})"
    wanted = " or ".join(column.style.formats) or (
        "yyyy-mm-dd" if kind.name == "date" else "ISO 8601 date-time"
    )
    reason = quote(f"not a {kind.name} of the form {wanted}")
    if zone is None and (kind.name == "date-time" or ISO_DATE_TIME in column.style.formats):
        adrift = quote("has an offset, and the mapping states no time zone")
        reason = f"CASE WHEN {offset} THEN {adrift} ELSE {reason} END"
    return value, reason


def _with_century(shape: str, pattern: str, first: int) -> tuple[str, str, str]:
    """The text with its year written out, in the 100 years from `first`; and its shape and pattern."""
    before, after = shape.split(YEAR_OF_TWO, 1)
    split = quote(f"^({before})({YEAR_OF_TWO})({after})$")
    year = f"regexp_extract({_PLAIN}, {split}, 2)"
    century, start = divmod(first, 100)
    full = f"CASE WHEN {year} >= '{start:02d}' THEN '{century:02d}' ELSE '{century + 1:02d}' END || {year}"
    text = f"regexp_extract({_PLAIN}, {split}, 1) || {full} || regexp_extract({_PLAIN}, {split}, 3)"
    return text, shape, pattern.replace("%y", "%Y")

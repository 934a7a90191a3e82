"""How a text becomes a value: DuckDB expressions, one set a column of the mapping.

The expressions work on whole columns. None of them raises: a text that cannot be read gives NULL, and the
import turns a NULL that stands on a text into a line of rejects.parquet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sancha.engine.book.mapping import (
    ISO_DATE_TIME,
    NUMERIC,
    TEMPORAL,
    ColumnMap,
    Condition,
    date_format,
    sql_literal,
    sql_type,
)
from sancha.engine.feel.types import Type

#: Separates the elements of a list that a Parquet file holds as a list.
UNIT_SEPARATOR = "\x1f"

_BLANKS = " \t\r\n\u00a0\u3000\ufeff"
_WIDE = "０１２３４５６７８９．，％－＋（）"
_NARROW = "0123456789.,%-+()"
_DECIMALS = 18  # places of the intermediate decimal: 20 digits before the point remain
_OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)"
_ISO_TIME = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
_LOST_DIGITS = r"-?\d(\.\d+)?[eE]\+\d{2,3}"


@dataclass(frozen=True, slots=True)
class Reading:
    """SQL of one value: `text` (NULL: missing) of the raw columns, `value` and `reason` of the column `t`."""

    text: str
    value: str
    reason: str


def quote(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """An SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def trimmed(column: str) -> str:
    """The text of a raw column without blanks at its ends; NULL if nothing is left. Full-width blanks count."""
    return f"nullif(trim({column}, {quote(_BLANKS)}), '')"


def key_text(columns: tuple[str, ...], joined_by: str, prefix: str = "") -> str:
    """The key of a row as one text; NULL if a part is missing or its digits were lost by a spreadsheet."""
    parts = [trimmed(prefix + name(c)) for c in columns]
    sound = " AND ".join(f"NOT regexp_full_match({p}, {quote(_LOST_DIGITS)})" for p in parts)
    return f"CASE WHEN {sound} THEN {f' || {quote(joined_by)} || '.join(parts)} END"


def condition(conditions: tuple[Condition, ...], prefix: str = "") -> str:
    """The SQL of `where`: true or false, never NULL."""
    tests = []
    for one in conditions:
        text = f"coalesce({trimmed(prefix + name(one.column))}, '')"
        inside = f"{text} IN ({', '.join(quote(t) for t in one.texts) or 'NULL'})"
        tests.append(f"NOT coalesce({inside}, false)" if one.negated else f"coalesce({inside}, false)")
    return " AND ".join(tests) or "true"


def reading(column: ColumnMap, *, native: bool, zone: str | None) -> Reading:
    """How `column` is read. `native`: the source has typed cells (XLSX, Parquet), rendered in ISO form."""
    element = column.type.item if column.type.name == "list" and column.type.item else column.type
    parts = [trimmed(name(c)) for c in column.columns]
    text = parts[0] if len(parts) == 1 else f"nullif(concat_ws({quote(column.joined_by)}, {', '.join(parts)}), '')"
    if column.style.empty:
        empty = ", ".join(quote(e) for e in column.style.empty)
        text = f"CASE WHEN {text} NOT IN ({empty}) THEN {text} END"
    if column.type.name == "list":
        return _list_reading(column, element, text, native=native, zone=zone)
    value, reason = _value(column, element, "t", native=native, zone=zone)
    missing = [code for code, to in column.codes if to is None]
    if missing:
        text = f"CASE WHEN {text} NOT IN ({', '.join(quote(m) for m in missing)}) THEN {text} END"
    if column.otherwise == "missing":
        known = ", ".join(quote(code) for code, _ in column.codes) or "NULL"
        text = f"CASE WHEN {text} IN ({known}) THEN {text} END"
    return Reading(text, value, reason)


def _value(column: ColumnMap, kind: Type, t: str, *, native: bool, zone: str | None) -> tuple[str, str]:
    """The typed value of the text `t`, codes first, and the reason of a text that gives none."""
    if column.otherwise == "value" and column.otherwise_value is not None:
        rest, reason = sql_literal(kind, column.otherwise_value) or "NULL", "''"
    elif column.otherwise in ("reject", "missing"):
        rest, reason = f"CAST(NULL AS {sql_type(kind)})", quote("not in the code list")
    else:
        rest, reason = _read(column, kind, t, native=native, zone=zone)
    arms = " ".join(
        f"WHEN {quote(code)} THEN {sql_literal(kind, to)}" for code, to in column.codes if to is not None
    )
    return (f"CASE {t} {arms} ELSE {rest} END" if arms else rest), reason


def _list_reading(column: ColumnMap, kind: Type, text: str, *, native: bool, zone: str | None) -> Reading:
    """A list in one text: split, each element read; one unreadable element makes the list unknown."""
    by = UNIT_SEPARATOR if native and column.split_by is None else column.split_by or ","
    parts = f"list_filter(list_transform(string_split(t, {quote(by)}), lambda e: {trimmed('e')}), lambda e: e IS NOT NULL)"
    value, reason = _value(column, kind, "e", native=native, zone=zone)
    values = f"list_transform({parts}, lambda e: {value})"
    whole = f"CASE WHEN t IS NOT NULL AND len(list_filter({values}, lambda v: v IS NULL)) = 0 THEN {values} END"
    return Reading(text, whole, reason.replace("(e", "(t") if reason.startswith("CASE") else reason)


def _read(column: ColumnMap, kind: Type, t: str, *, native: bool, zone: str | None) -> tuple[str, str]:
    if kind.name in NUMERIC:
        return _number(column, kind, t, native=native)
    if kind.name in TEMPORAL:
        return _temporal(column, kind, t, native=native, zone=zone)
    if kind.name == "boolean":
        truth = f"CASE lower({t}) WHEN 'true' THEN true WHEN 'false' THEN false END"
        return truth, quote("neither `true` nor `false`, and the mapping gives no codes")
    if kind.name == "one of":
        values = ", ".join(quote(v) for v in kind.values)
        return f"CASE WHEN {t} IN ({values}) THEN {t} END", quote("not among the values of the fact")
    padded = t if column.width is None else f"CASE WHEN len({t}) < {column.width} THEN lpad({t}, {column.width}, '0') ELSE {t} END"
    value = f"CASE WHEN NOT regexp_full_match({t}, {quote(_LOST_DIGITS)}) THEN {padded} END"
    return value, quote("a number in scientific notation: a spreadsheet has dropped its digits")


def _number(column: ColumnMap, kind: Type, t: str, *, native: bool) -> tuple[str, str]:
    """A decimal number, exactly: marks and currency signs off, unit applied, no place lost in silence."""
    style = column.style
    point = "." if native else style.decimal_mark
    comma = None if native else style.thousands_mark
    digits = r"\d+" if comma is None else rf"(?:\d{{1,3}}(?:{re.escape(comma)}\d{{3}})+|\d+)"
    number = rf"(?:{digits}(?:{re.escape(point)}\d*)?|{re.escape(point)}\d+)"
    signs = sorted((c.strip() for c in style.currency), key=len, reverse=True)
    sign = "(?:" + "|".join(re.escape(s) for s in signs) + ")" if signs else None
    body = rf"(?:{sign}\s*)?{number}(?:\s*{sign})?" if sign else number
    if kind.name in ("rate", "number"):
        body += r"\s*%?"
    shape = rf"[-+]?\s*{body}|{body}-|\({body}\)"
    if sign:
        shape += rf"|{sign}\s*[-+]\s*{number}"
    narrow = f"translate({t}, {quote(_WIDE)}, {quote(_NARROW)})"
    plain = f"regexp_extract({narrow}, {quote(number)})"
    if comma is not None:
        plain = f"replace({plain}, {quote(comma)}, '')"
    if point != ".":
        plain = f"replace({plain}, {quote(point)}, '.')"
    plain = f"CASE WHEN regexp_matches({narrow}, '[-(]') THEN '-' ELSE '' END || {plain}"
    if kind.name in ("rate", "number"):
        # A percent sign in the text and `unit: percent` say the same thing once.
        exponent = f"CASE WHEN contains({narrow}, '%') THEN 'e-2' ELSE 'e{column.exponent}' END"
        plain = f"{plain} || {exponent}"
    elif column.exponent:
        plain = f"{plain} || 'e{column.exponent}'"
    # Places beyond the intermediate decimal would be rounded off unseen.
    long = rf".*{re.escape(point)}\d{{{_DECIMALS + min(0, column.exponent)}}}\d*[1-9].*"
    readable = f"regexp_full_match({narrow}, {quote(shape)}) AND NOT regexp_matches({narrow}, {quote(long)})"
    wide = f"DECIMAL(38,{_DECIMALS})"
    if column.times != 1:
        wide = "DECIMAL(28,8)"
        plain = f"TRY_CAST({plain} AS {wide}) * CAST({column.times} AS DECIMAL(9,0))"
        value = f"CASE WHEN {readable} THEN {plain} END"
    else:
        value = f"CASE WHEN {readable} THEN TRY_CAST({plain} AS {wide}) END"
    target = f"TRY_CAST({value} AS {sql_type(kind)})"
    if not column.rounded:
        target = f"CASE WHEN {target} = {value} THEN {target} END"
    places = {"money": "more than two places, or too large", "integer": "not a whole number", "days": "not a whole number"}
    too_long = quote(places.get(kind.name, "more than eight places, or too large"))
    reason = (
        f"CASE WHEN NOT regexp_full_match({narrow}, {quote(shape)}) THEN {quote(_number_reason(kind, style.currency))}"
        f" ELSE {too_long} END"
    )
    return target, reason


def _number_reason(kind: Type, currency: tuple[str, ...]) -> str:
    if kind.name == "money":
        return "not an amount" if currency else "not an amount (the mapping states no currency sign)"
    return "not a number"


def _temporal(column: ColumnMap, kind: Type, t: str, *, native: bool, zone: str | None) -> tuple[str, str]:
    """A date or a local date-time, by the formats of the mapping in turn; without them, ISO 8601."""
    narrow = f"translate({t}, {quote(_WIDE)}, {quote(_NARROW)})"
    offset = f"regexp_matches({narrow}, {quote(r':\d{2}(\.\d+)?' + _OFFSET + '$')})"
    local = f"timezone({quote(zone)}, TRY_CAST({narrow} AS TIMESTAMPTZ))" if zone else "CAST(NULL AS TIMESTAMP)"
    moment = (
        f"CASE WHEN NOT regexp_full_match({narrow}, {quote(f'{_ISO_TIME}{_OFFSET}?')}) THEN NULL"
        f" WHEN {offset} THEN {local} ELSE TRY_CAST({narrow} AS TIMESTAMP) END"
    )
    iso_day = rf"CASE WHEN regexp_full_match({narrow}, '\d{{4}}-\d{{2}}-\d{{2}}') THEN TRY_CAST({narrow} AS DATE) END"
    tries: list[str] = []
    for text in column.style.formats:
        if text == ISO_DATE_TIME:
            tries.append(f"CAST({moment} AS {sql_type(kind)})")
            continue
        shape, pattern, short = date_format(text)
        parsed = f"try_strptime({narrow}, {quote(pattern)})"
        if short:
            assert column.style.century is not None
            parsed = _in_century(parsed, column.style.century[0])
        tries.append(f"CASE WHEN regexp_full_match({narrow}, {quote(shape)}) THEN CAST({parsed} AS {sql_type(kind)}) END")
    if not tries or native:
        if kind.name == "date":
            tries.append(iso_day)
        else:
            tries.append(moment)
        if native:
            tries.append(f"CAST({moment if kind.name == 'date' else iso_day} AS {sql_type(kind)})")
    value = tries[0] if len(tries) == 1 else f"coalesce({', '.join(tries)})"
    wanted = " or ".join(column.style.formats) or ("yyyy-mm-dd" if kind.name == "date" else "ISO 8601 date-time")
    reason = quote(f"not a {kind.name} of the form {wanted}")
    if zone is None and (kind.name == "date-time" or ISO_DATE_TIME in column.style.formats):
        reason = f"CASE WHEN {offset} THEN {quote('has an offset, and the mapping states no time zone')} ELSE {reason} END"
    return value, reason


def _in_century(parsed: str, first: int) -> str:
    """A parsed time moved into the window of 100 years that begins with `first`; NULL for a 29 February that is not there."""
    year = f"({first} + ((year({parsed}) - {first}) % 100 + 100) % 100)"
    day = f"printf('%04d-%02d-%02d', {year}, month({parsed}), day({parsed}))"
    return f"CASE WHEN {parsed} IS NOT NULL THEN TRY_CAST({day} AS DATE) + CAST({parsed} AS TIME) END"

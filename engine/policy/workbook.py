"""A sheet of an XLSX workbook as it is seen: values, formulas, errors, merged and hidden cells.

The readers at hand give values alone, take an error of Excel (`#N/A`) for an empty cell, and end the process on a
workbook whose counts lie. A decision table needs every cell told apart, and a hostile file must be no more than an
error. What a cell holds is laid down in ECMA-376, part 1, 18.3 (cells), 18.4 (strings) and 18.8 (number formats).
"""

from __future__ import annotations

import datetime as dt
import decimal
import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from lxml import etree

from sancha.engine.diagnostics import Diagnostic, PackError, Place, did_you_mean

Value = Decimal | bool | str | dt.datetime | dt.date | dt.time
#: A row and a column, counted from 0.
At = tuple[int, int]

#: What a workbook may hold, unpacked, and how many merged cells a sheet.
_MOST_BYTES: Final = 256 << 20
_MOST_MERGED: Final = 1_000_000
#: Excel keeps 15 digits of a number, and shows no more.
DIGITS: Final = 15
_KEPT: Final = decimal.Context(prec=DIGITS, rounding=decimal.ROUND_HALF_UP)


@dataclass
class Sheet:
    """The cells of a sheet, by row and column from 0. `merged` leads each merged cell to the first of its range."""

    label: str
    rows: dict[int, dict[int, Value]] = field(default_factory=dict)
    merged: dict[At, At] = field(default_factory=dict)
    formulas: set[At] = field(default_factory=set)
    errors: set[At] = field(default_factory=set)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)

    def value(self, row: int, column: int) -> Value:
        """The value of a cell; an empty text for an empty cell, and for a formula or an error."""
        return self.rows.get(row, {}).get(column, "")

    def text(self, row: int, column: int) -> str:
        """A cell as a line of text."""
        return " ".join(shown(self.value(row, column)).split())

    @cached_property
    def filled(self) -> list[int]:
        """The rows in which something stands, in order."""
        return sorted({*self.rows, *(row for row, _ in self.formulas | self.errors)})

    @cached_property
    def width(self) -> int:
        return 1 + max((column for cells in self.rows.values() for column in cells), default=-1)

    def place(self, row: int, column: int) -> Place:
        text = shown(self.value(row, column))
        return Place(self.label, row + 1, 1, max(1, len(text)), text, f"{letters(column)}{row + 1}")


def letters(column: int) -> str:
    """0 is A, 26 is AA."""
    found = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        found = chr(65 + rest) + found
    return found


def shown(value: Value) -> str:
    """A value as Excel shows it, numbers with all their digits."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return plain(value) if isinstance(value, Decimal) else str(value)


def plain(number: Decimal) -> str:
    """A number without exponent and without zeros at the end of its fraction."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def open_sheet(path: Path, name: str | None, preferred: str) -> Sheet:
    """The sheet of a name; None for the one named `preferred`, or for the only one that is visible.

    Raises PackError. Numbers are rounded to the 15 digits that Excel keeps: `0.1 + 0.2` is 0.3.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PackError([Diagnostic("E0301", f"cannot read `{path}`: {reason}")]) from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > _MOST_BYTES:
                raise _refused(path, f"holds more than {_MOST_BYTES >> 20} MB, unpacked")
            return _Book(path, archive).sheet(name, preferred)
    except (
        zipfile.BadZipFile,
        zlib.error,
        etree.Error,
        ArithmeticError,
        LookupError,
        ValueError,
        RuntimeError,
    ):
        help = "open it in Excel and save it as `Excel Workbook (*.xlsx)`"
        raise _refused(path, "is no XLSX workbook, or it is damaged or locked by a password", help) from None


def _refused(path: Path, message: str, help: str | None = None) -> PackError:
    """A defect of the workbook as a whole."""
    return PackError([Diagnostic("E0408", f"`{path.name}` {message}", None, help)])


#: The attribute that leads to a part: as it mostly is, and in files that are strictly of the standard.
_RELATIONS: Final = (
    "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id",
    "{http://purl.oclc.org/ooxml/officeDocument/relationships}id",
)
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
#: What a number format says beside its letters: texts, escapes, colours and locales.
_ASIDE: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.I | re.S)
#: Number formats that have no text, as dates and as times: those of all languages, and of East Asia.
_DATES: Final = {*range(14, 18), 22, *range(27, 32), 36, *range(50, 55), 57, 58}
_TIMES: Final = {*range(18, 22), *range(32, 36), 45, 46, 47, 55, 56}


class _Book:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.archive = archive

    def elements(self, part: str, tags: Sequence[str]) -> Iterator[Any]:
        """The elements of these names, one after the other. Entities are not resolved, and nothing else is read."""
        names = [f"{{*}}{tag}" for tag in tags]
        stream = io.BytesIO(self.archive.read(part))
        for _, element in etree.iterparse(stream, tag=names, resolve_entities=False, no_network=True):
            yield element
            element.clear()

    @cached_property
    def parts(self) -> dict[str, tuple[str, str]]:
        """The relations of the workbook: (type, part) by id."""
        found = {}
        for element in self.elements("xl/_rels/workbook.xml.rels", ["Relationship"]):
            target = element.get("Target") or ""
            part = target[1:] if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            found[element.get("Id")] = ((element.get("Type") or "").rpartition("/")[2], part)
        return found

    def part(self, kind: str) -> str | None:
        return next((part for type_, part in self.parts.values() if type_ == kind), None)

    def sheet(self, name: str | None, preferred: str) -> Sheet:
        sheets, hidden = {}, set()
        for element in self.elements("xl/workbook.xml", ["sheet"]):
            title = element.get("name", "")
            type_, part = self.parts[next(filter(None, map(element.get, _RELATIONS)), "")]
            if type_ == "worksheet":
                sheets[title] = part
                if element.get("state", "visible") != "visible":
                    hidden.add(title)
        visible = [title for title in sheets if title not in hidden]
        listed = ", ".join(f"`{title}`" for title in visible)
        if name is None:
            if len(visible) != 1 and preferred not in visible:
                help = f"write `rows: {self.path.name}#SHEET`; the sheets are {listed}"
                raise _refused(self.path, f"has several sheets, and none is named `{preferred}`", help)
            name = preferred if preferred in visible else visible[0]
        elif name not in sheets:
            near = did_you_mean(name, visible) or f"the sheets are {listed}"
            raise _refused(self.path, f"has no sheet `{name}`", near)
        elif name in hidden:
            raise _refused(self.path, f"hides its sheet `{name}`", "unhide it: a table has to be seen")
        sheet = Sheet(str(self.path) if len(visible) == 1 else f"{self.path}!{name}")
        self.fill(sheet, sheets[name])
        return sheet

    def fill(self, sheet: Sheet, part: str) -> None:
        row = -1
        for element in self.elements(part, ["row", "col", "mergeCell"]):
            hidden = element.get("hidden") in ("1", "true")
            match etree.QName(element).localname:
                case "col" if hidden:
                    last = min(int(element.get("max", "")), 16_384)
                    sheet.hidden_columns |= set(range(int(element.get("min", "")) - 1, last))
                case "mergeCell":
                    self.merge(sheet, element.get("ref", ""))
                case "row":
                    row, above = int(element.get("r", row + 2)) - 1, row  # the numbers may be left out
                    if hidden:
                        sheet.hidden_rows.add(row)
                    column = -1
                    for cell in element.iterchildren("{*}c"):
                        at, before = cell.get("r"), column
                        line, column = (row, column + 1) if at is None else _corner(at)
                        if line != row or row <= above or column <= before:
                            raise ValueError("rows and cells do not stand in order")
                        self.cell(sheet, row, column, cell)

    def merge(self, sheet: Sheet, reference: str) -> None:
        first, _, last = reference.partition(":")
        (top, left), (bottom, right) = (_corner(corner) for corner in (first, last or first))
        if (bottom - top + 1) * (right - left + 1) + len(sheet.merged) > _MOST_MERGED:
            raise _refused(self.path, "merges more cells than a table has")
        for row in range(top, bottom + 1):
            sheet.merged |= {(row, column): (top, left) for column in range(left, right + 1)}

    def cell(self, sheet: Sheet, row: int, column: int, cell: Any) -> None:
        kind = cell.get("t", "n")
        if cell.find("{*}f") is not None:
            sheet.formulas.add((row, column))
            return
        if kind == "e":
            sheet.errors.add((row, column))
            return
        if kind == "inlineStr":
            inline = cell.find("{*}is")
            value: Value = "" if inline is None else _string(inline)
        else:
            text = (cell.findtext("{*}v") or "").strip()
            if text == "" and kind != "str":
                return
            match kind:
                case "s":
                    value = self.strings[int(text)]
                case "b":
                    value = text in ("1", "true")
                case "str":
                    value = _unescaped(text)
                case "d":
                    value = dt.datetime.fromisoformat(text).replace(tzinfo=None)
                case _:
                    value = self.number(text, int(cell.get("s", 0)))
        if isinstance(value, str):
            value = value.strip()
        if value != "":
            sheet.rows.setdefault(row, {})[column] = value

    @cached_property
    def strings(self) -> list[str]:
        part = self.part("sharedStrings")
        return [] if part is None else [_string(element) for element in self.elements(part, ["si"])]

    def number(self, text: str, style: int) -> Value:
        exact = Decimal(text)
        if not exact.is_finite() or abs(exact.adjusted()) > 400:
            raise ValueError(text)
        kind = self.styles[style] if style < len(self.styles) else ""
        if not kind:
            return _KEPT.plus(exact)
        if kind == "time":
            seconds = int((exact % 1) * 86_400)
            return dt.time(seconds // 3600, seconds // 60 % 60, seconds % 60)
        days = exact + (1462 if self.from_1904 else 0)
        if not 1 <= days < 2_958_466 or int(days) == 60:  # 60 is 29 February 1900, which was no day
            raise ValueError(text)
        origin = dt.datetime(1899, 12, 30) if days > 60 else dt.datetime(1899, 12, 31)
        moment = origin + dt.timedelta(seconds=round(days * 86_400))
        return moment if days % 1 else moment.date()

    @cached_property
    def from_1904(self) -> bool:
        found = self.elements("xl/workbook.xml", ["workbookPr"])
        return any(element.get("date1904") in ("1", "true") for element in found)

    @cached_property
    def styles(self) -> list[str]:
        """For each style of cells: `date`, `time`, or nothing for a number."""
        part = self.part("styles")
        if part is None:
            return []
        kinds = {**dict.fromkeys(_DATES, "date"), **dict.fromkeys(_TIMES, "time")}
        styles: list[str] = []
        for element in self.elements(part, ["numFmt", "cellXfs"]):
            if etree.QName(element).localname == "numFmt":
                kinds[int(element.get("numFmtId", ""))] = _kind(element.get("formatCode") or "")
            else:
                formats = (int(style.get("numFmtId", 0)) for style in element.iterchildren("{*}xf"))
                styles = [kinds.get(number, "") for number in formats]
        return styles


def _kind(code: str) -> str:
    """What a number format shows: `date`, `time`, or nothing for a number."""
    symbols = set(_ASIDE.sub("", code.partition(";")[0]).casefold().replace("general", ""))
    if symbols & {"y", "d"} or ("m" in symbols and not symbols & {"h", "s"}):
        return "date"
    return "time" if symbols & {"h", "s"} else ""


def _string(element: Any) -> str:
    """The text of a string, its runs joined, without what tells how to pronounce it."""
    texts = (t.text or "" for t in element.iter("{*}t") if etree.QName(t.getparent()).localname != "rPh")
    return _unescaped("".join(texts))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _corner(cell: str) -> At:
    """`B3` is (2, 1)."""
    match = re.fullmatch(r"([A-Z]{1,3})([1-9]\d{0,6})", cell, re.A)
    if match is None:
        raise ValueError(cell)
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return int(match[2]) - 1, column - 1

"""XLSX workbooks: a sheet as it is seen, with formulas, errors, merged and hidden cells; or its rows, streaming.

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
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from lxml import etree

from sancha.engine.diagnostics import Diagnostic, PackError, Place, did_you_mean

Value = Decimal | bool | str | dt.datetime | dt.date | dt.time
#: A row and a column, counted from 0.
At = tuple[int, int]

#: What the workbook of a table may hold, unpacked, and how many merged cells a sheet.
_MOST_BYTES: Final = 256 << 20
#: What the workbook of an extract may hold: its rows stream, its common texts are kept in memory.
_MOST_STREAMED: Final = 8 << 30
_MOST_STRINGS: Final = 512 << 20
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
        with Workbook(path, most=_MOST_BYTES) as book:
            return book.sheet(name, preferred)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PackError([Diagnostic("E0301", f"cannot read `{path}`: {reason}")]) from None
    except BadWorkbook as error:
        raise PackError([Diagnostic("E0408", f"`{path.name}` {error}", None, error.help)]) from None


class BadWorkbook(Exception):
    """A defect of a workbook as a whole. The message goes on from its name: "is damaged"."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


@contextmanager
def _defects() -> Iterator[None]:
    """What a hostile or damaged file can raise, as BadWorkbook."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        etree.Error,
        ArithmeticError,
        EOFError,
        LookupError,
        NotImplementedError,
        ValueError,
        RuntimeError,
    ):
        help = "open it in Excel and save it as `Excel Workbook (*.xlsx)`"
        raise BadWorkbook("is no XLSX workbook, or it is damaged or locked by a password", help) from None


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


class Workbook:
    """An open workbook, a file or its content, for use in a `with` block. Defects raise BadWorkbook, wherever met."""

    def __init__(self, path: Path, content: bytes | None = None, *, most: int = _MOST_STREAMED) -> None:
        self.path = path
        with _defects():
            self.archive = zipfile.ZipFile(path if content is None else io.BytesIO(content))
        if sum(part.file_size for part in self.archive.infolist()) > most:
            self.archive.close()
            raise BadWorkbook(f"holds more than {most >> 20} MB, unpacked")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.archive.close()

    @cached_property
    def sheets(self) -> dict[str, bool]:
        """The titles of the worksheets in their order, and whether they are visible."""
        with _defects():
            return {title: visible for title, (_, visible) in self.worksheets.items()}

    def rows(self, title: str) -> Iterator[tuple[int, dict[int, Value]]]:
        """The rows of a sheet in which something stands: the number, from 1, and the values by column, from 0.

        Formulas give the value last computed; an error gives its text, `#N/A`; a date that is none gives its number.
        The memory does not grow with the rows.
        """
        with _defects():
            row, before = 0, -1
            found: dict[int, Value] = {}
            with self.archive.open(self.worksheets[title][0]) as stream:
                events = etree.iterparse(
                    stream,
                    events=("start", "end"),
                    tag=["{*}row", "{*}c"],
                    resolve_entities=False,
                    no_network=True,
                )
                for event, element in events:
                    is_row = str(element.tag).endswith("row")
                    if is_row and event == "start":
                        above, row = row, int(element.get("r", row + 1))  # the numbers may be left out
                        if row <= above:
                            raise ValueError("rows do not stand in order")
                        found, before = {}, -1
                    elif is_row:
                        _forget(element)
                        if found:
                            yield row, found
                    elif event == "end":
                        at = element.get("r")
                        line, column = (row - 1, before + 1) if at is None else _corner(at)
                        if line != row - 1 or column <= before:
                            raise ValueError("cells do not stand in order")
                        before = column
                        value = self.value(element, strict=False)
                        if value != "":
                            found[column] = value
                        _forget(element)

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

    @cached_property
    def worksheets(self) -> dict[str, tuple[str, bool]]:
        """For each worksheet its part, and whether it is visible."""
        found = {}
        for element in self.elements("xl/workbook.xml", ["sheet"]):
            title = element.get("name", "")
            type_, part = self.parts[next(filter(None, map(element.get, _RELATIONS)), "")]
            if type_ == "worksheet":
                found[title] = (part, element.get("state", "visible") == "visible")
        return found

    def sheet(self, name: str | None, preferred: str) -> Sheet:
        """The sheet of a name, as it is seen; None for the one named `preferred`, or for the only one visible."""
        visible = [title for title, seen in self.sheets.items() if seen]
        listed = ", ".join(f"`{title}`" for title in visible)
        if name is None:
            if len(visible) != 1 and preferred not in visible:
                help = f"write `rows: {self.path.name}#SHEET`; the sheets are {listed}"
                raise BadWorkbook(f"has several sheets, and none is named `{preferred}`", help)
            name = preferred if preferred in visible else visible[0]
        elif name not in self.sheets:
            near = did_you_mean(name, visible) or f"the sheets are {listed}"
            raise BadWorkbook(f"has no sheet `{name}`", near)
        elif not self.sheets[name]:
            raise BadWorkbook(f"hides its sheet `{name}`", "unhide it: a table has to be seen")
        sheet = Sheet(str(self.path) if len(visible) == 1 else f"{self.path}!{name}")
        with _defects():
            self.fill(sheet, self.worksheets[name][0])
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
            raise BadWorkbook("merges more cells than a table has")
        for row in range(top, bottom + 1):
            sheet.merged |= {(row, column): (top, left) for column in range(left, right + 1)}

    def cell(self, sheet: Sheet, row: int, column: int, cell: Any) -> None:
        if cell.find("{*}f") is not None:
            sheet.formulas.add((row, column))
        elif cell.get("t") == "e":
            sheet.errors.add((row, column))
        elif (value := self.value(cell, strict=True)) != "":
            sheet.rows.setdefault(row, {})[column] = value

    def value(self, cell: Any, *, strict: bool) -> Value:
        """The value of a cell, an empty text for none. A date that is none: ValueError if `strict`, else its number."""
        kind = cell.get("t", "n")
        inner = {child.tag.rpartition("}")[2]: child for child in cell.iterchildren(etree.Element)}
        if kind == "inlineStr":
            return _string(inner["is"]).strip() if "is" in inner else ""
        text = str(inner["v"].text or "").strip() if "v" in inner else ""
        match kind:
            case _ if text == "":
                return ""
            case "s":
                return self.strings[int(text)].strip()
            case "b":
                return text in ("1", "true")
            case "str" | "e":
                return _unescaped(text).strip()
        try:
            if kind == "d":
                return dt.datetime.fromisoformat(text).replace(tzinfo=None)
            return self.number(text, int(cell.get("s", 0)))
        except ValueError:
            if strict:
                raise
            return text

    @cached_property
    def strings(self) -> list[str]:
        part = self.part("sharedStrings")
        if part is not None and self.archive.getinfo(part).file_size > _MOST_STRINGS:
            raise BadWorkbook(f"holds more than {_MOST_STRINGS >> 20} MB of texts", "save it as CSV UTF-8")
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


def _forget(element: Any) -> None:
    """Let go of an element that has been read, and of those before it."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _corner(cell: str) -> At:
    """`B3` is (2, 1)."""
    match = _CORNER.fullmatch(cell)
    if match is None:
        raise ValueError(cell)
    return int(match[2]) - 1, _column(match[1])


_CORNER: Final = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})", re.A)


@cache
def _column(letters: str) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    return column - 1

"""Answers to an instrument, read from CSV or XLSX: one row a respondent.

Nothing is lost silently: every cell that cannot be read, and every row that is left out, stands in `rejects`,
and `rows == respondents + rows left out`.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.policy.workbook import BadWorkbook, Value, Workbook, shown

from .instrument import Answer, Instrument

_YES = {"yes": True, "是": True, "true": True, "no": False, "否": False, "false": False, "": False}
_CODE = re.compile(r"[A-Za-z]\w*", re.ASCII)


@dataclass(frozen=True)
class Responses:
    """The readable answers of an instrument. All frames have one row a respondent and the same index.

    - `background`: text codes, one column a background question; None where not stated.
    - `answers`: Int8, 1 to 5 as given (not recoded), one column an item; NA where there is no opinion.
    - `dont_know`: bool, the same shape: the respondent chose "don't know".
    - `causes`: bool, one column a cause code: ticked. A respondent without a tick did not answer.
    - `quality`: `date` (date or None), `seconds` (Float64), and as bool `too_fast`, `attention_failed`,
      `attention_blank`.
    - `open`: `answer`, `code` (cause code given by a reader), `cause_other`; text or None.
    - `rejects`: `row` (1 = first row below the header), `column` (empty for a whole row), `text`, `reason`.
    """

    file: str
    digest: str
    rows: int
    blank_rows: int
    synthetic: bool
    timed: bool
    background: pd.DataFrame
    answers: pd.DataFrame
    dont_know: pd.DataFrame
    causes: pd.DataFrame
    quality: pd.DataFrame
    open: pd.DataFrame
    rejects: pd.DataFrame

    @property
    def respondents(self) -> int:
        return len(self.answers)

    @property
    def rows_left_out(self) -> int:
        return int((self.rejects["column"] == "").sum())


def load_responses(instrument: Instrument, path: Path) -> Responses:
    """Read the responses to an instrument from a CSV (UTF-8) or XLSX file.

    A column header is a column name of the instrument, alone or followed by the question: `Q01`,
    `Q01 Site visits …`. In a workbook of several sheets the sheet `answers` is read.
    Raises `SanchaError` where the file as a whole cannot be worked with.
    """
    try:
        content = path.read_bytes()
    except OSError as e:
        raise SanchaError(f"the responses cannot be read: {e.strerror}", where=path, code="E0710") from e
    kind = path.suffix.lower()
    if kind == ".csv":
        table = _csv_rows(path, content)
    elif kind == ".xlsx":
        table = _xlsx_rows(path, content)
    else:
        raise SanchaError(
            f"responses are read from .csv or .xlsx, not from `{kind or path.name}`",
            help="save the sheet as CSV UTF-8 or as an Excel workbook",
            where=path,
            code="E0710",
        )
    while table and not any(table[0][1]):  # rows above the header are empty in some exports
        table.pop(0)
    if not table:
        raise SanchaError("the file of responses is empty", where=path, code="E0711")
    (first, header), *rows = table
    reader = _Reader(instrument, _columns(instrument, path, header))
    last = first
    for number, cells in rows:
        reader.blank_rows += number - last - 1  # a workbook leaves out the rows in which nothing stands
        reader.read(number - first, cells)
        last = number
    if not reader.kept:
        raise SanchaError(
            f"no respondent is left: {reader.rows} rows, {reader.blank_rows} of them blank, "
            f"{len(reader.rejects)} rejects",
            help="; ".join(f"row {r}: {why}" for r, _, _, why in reader.rejects[:3]) or None,
            where=path,
            code="E0711",
        )
    return reader.responses(path.name, "sha256:" + hashlib.sha256(content).hexdigest())


def _csv_rows(path: Path, content: bytes) -> list[tuple[int, list[str]]]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _not_utf8(path, "UTF-16")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        try:
            content.decode("gb18030")
        except UnicodeDecodeError:
            raise SanchaError(
                f"the file is not UTF-8: byte {e.start + 1} cannot be read",
                help="export it again as CSV UTF-8",
                where=path,
                code="E0712",
            ) from None
        raise _not_utf8(path, "GB18030") from None
    if "\0" in text:
        raise SanchaError("the file holds NUL characters: it is not text", where=path, code="E0712")
    first = text.split("\n", 1)[0]
    other = next((c for c in (";", "\t") if first.count(c) > first.count(",")), None)
    if other is not None:
        shown = "tabs" if other == "\t" else f"`{other}`"
        raise SanchaError(
            f"the columns are separated by {shown}",
            help="save it with commas between the columns",
            where=path,
            code="E0712",
        )
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        return [(number, [cell.strip() for cell in row]) for number, row in enumerate(rows, start=1)]
    except csv.Error as e:
        raise SanchaError(f"the CSV is damaged: {e}", where=path, code="E0712") from e


def _not_utf8(path: Path, encoding: str) -> SanchaError:
    seems = "GBK (GB18030)" if encoding == "GB18030" else encoding
    return SanchaError(
        f"the file appears to be in {seems}, not in UTF-8",
        help=f"convert it: iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}; "
        "in Excel: Save As, CSV UTF-8 (CSV UTF-8（逗号分隔）)",
        where=path,
        code="E0712",
    )


def _xlsx_rows(path: Path, content: bytes) -> list[tuple[int, list[str]]]:
    try:
        with Workbook(path, content) as book:
            names = [title for title, visible in book.sheets.items() if visible]
            if len(names) != 1 and "answers" not in book.sheets:
                raise SanchaError(
                    "the workbook has several sheets and none is called `answers`: " + ", ".join(names),
                    help="name the sheet with the responses `answers`",
                    where=path,
                    code="E0712",
                )
            found = list(book.rows("answers" if "answers" in book.sheets else names[0]))
    except BadWorkbook as e:
        raise SanchaError(
            f"the workbook cannot be read: it {e}", where=path, code="E0712", help=e.help
        ) from e
    width = 1 + max((place for _, cells in found for place in cells), default=-1)
    return [(n, [_cell_text(cells.get(place, "")) for place in range(width)]) for n, cells in found]


def _cell_text(cell: Value) -> str:
    return cell.date().isoformat() if isinstance(cell, dt.datetime) else shown(cell)


def _plain(text: str) -> str:
    """The text for comparison: full-width digits and letters of Chinese input methods become plain ones."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _columns(instrument: Instrument, path: Path, header: list[str]) -> dict[str, int]:
    """Column name -> position."""
    known = {name.casefold(): name for name in instrument.columns}
    columns: dict[str, int] = {}
    faults: list[str] = []
    hints: list[str] = []
    while header and not header[-1]:
        header = header[:-1]
    for position, title in enumerate(header):
        match = _CODE.match(_plain(title))
        name = known.get(match.group()) if match else None
        if not title:
            faults.append(f"column {position + 1} has no header")
        elif name is None:
            faults.append(f"unknown column `{title}`")
            hints.append(did_you_mean(title, instrument.columns) or "")
        elif name in columns:
            faults.append(f"the column `{name}` stands twice, at {columns[name] + 1} and {position + 1}")
        else:
            columns[name] = position
    missing = [name for name in instrument.required_columns if name not in columns]
    if missing:
        faults.append("missing columns: " + ", ".join(f"`{m}`" for m in missing))
        hints.append("a question that was not put keeps its column, with empty cells")
    if faults:
        raise SanchaError(
            "the columns do not fit the instrument: " + "; ".join(faults),
            help="; ".join(h for h in hints if h) or "the columns are: " + ", ".join(instrument.columns),
            where=path,
            code="E0713",
        )
    return columns


def _accepted(answers: tuple[Answer, ...]) -> dict[str, str]:
    """What a cell may hold for each answer: its code, its label in either language, or code and label."""
    accepted: dict[str, str] = {}
    for a in answers:
        labels = (a.label.en, a.label.zh)
        for text in (a.code, *labels, *(f"{a.code} {label}" for label in labels)):
            accepted.setdefault(_plain(text), a.code)
    return accepted


class _Reader:
    """Collects respondents row by row; each cell that cannot be read goes to `rejects`."""

    def __init__(self, instrument: Instrument, columns: dict[str, int]) -> None:
        self.instrument = instrument
        self.columns = columns
        self.rows = 0
        self.blank_rows = 0
        self.kept: dict[str, dict[str, object]] = {}
        self.first_row: dict[str, int] = {}
        self.rejects: list[tuple[int, str, str, str]] = []
        self.background = {b.item: _accepted(b.answers) for b in instrument.background}
        scale = instrument.scale
        points = tuple(Answer(code=str(p.code), label=p.label) for p in scale.points)
        self.points = _accepted((*points, scale.dont_know))
        self.causes = _accepted(instrument.cause_question.causes)

    def read(self, number: int, cells: list[str]) -> None:
        width = max(self.columns.values()) + 1
        if not any(cells):
            self.blank_rows += 1
            return
        self.rows += 1
        if len(cells) < width or any(cells[width:]):
            self._leave_out(number, "", f"{len(cells)} cells where the header has {width}")
            return
        row = {name: cells[position] for name, position in self.columns.items()}
        respondent = row["respondent"]
        asked = [c for c in row if c not in ("respondent", "synthetic", "date", "seconds")]
        if not any(row[c] for c in asked):  # a numbered line of the form that nobody filled in
            self.rows -= 1
            self.blank_rows += 1
        elif not respondent:
            self._leave_out(number, "", "no respondent number")
        elif respondent in self.kept:
            first = self.first_row[respondent]
            self._leave_out(number, respondent, f"the respondent stands in row {first} already")
        else:
            self.first_row[respondent] = number
            self.kept[respondent] = self._respondent(number, row)

    def _leave_out(self, number: int, text: str, reason: str) -> None:
        self.rejects.append((number, "", text, reason))

    def _respondent(self, number: int, row: dict[str, str]) -> dict[str, object]:
        def reject(column: str, reason: str) -> None:
            self.rejects.append((number, column, row[column], reason))

        def coded(column: str, accepted: dict[str, str], expected: str) -> str | None:
            text = row.get(column, "")
            if not text:
                return None
            code = accepted.get(_plain(text))
            if code is None:
                reject(column, f"not an answer of this question: {expected}")
            return code

        answer: dict[str, object] = {}
        dont_know = self.instrument.scale.dont_know.code
        for b in self.instrument.background:
            answer[b.item] = coded(b.item, self.background[b.item], ", ".join(b.codes))
        for column in (*self.instrument.item_codes, "attention"):
            answer[column] = coded(column, self.points, f"1 to 5, or {dont_know}")
        causes: list[str] = []
        for column in self.instrument.cause_question.columns:
            code = coded(column, self.causes, "a cause code such as " + next(iter(self.causes)).upper())
            if code is not None and code in causes:
                reject(column, "the cause is ticked twice")
            elif code is not None:
                causes.append(code)
        answer["causes"] = tuple(causes)
        question = self.instrument.open_question.item
        answer["answer"] = row.get(question) or None
        answer["cause_other"] = row.get("cause_other") or None
        answer["code"] = coded(self.instrument.coded_column, self.causes, "a cause code")

        answer["seconds"] = answer["date"] = None
        if text := row.get("seconds"):
            if re.fullmatch(r"[0-9]{1,7}(\.[0-9]+)?", _plain(text)):
                answer["seconds"] = float(_plain(text))
            else:
                reject("seconds", "not a number of seconds")
        if text := row.get("date"):
            answer["date"] = _date(_plain(text))
            if answer["date"] is None:
                reject("date", "not a date such as 2024-09-30")
        synthetic = _YES.get(_plain(row.get("synthetic", "")))
        if synthetic is None:
            reject("synthetic", "yes or no is expected")
        answer["synthetic"] = bool(synthetic)
        return answer

    def responses(self, file: str, digest: str) -> Responses:
        instrument = self.instrument
        index = pd.Index(list(self.kept), name="respondent", dtype="object")
        given = pd.DataFrame(list(self.kept.values()), index=index, dtype="object")
        raw = given[list(instrument.item_codes)]
        dont_know = raw == instrument.scale.dont_know.code
        attention, seconds = given["attention"], given["seconds"].astype("Float64")
        ticked: list[tuple[str, ...]] = list(given["causes"])
        asked = "attention" in self.columns
        return Responses(
            file=file,
            digest=digest,
            rows=self.rows,
            blank_rows=self.blank_rows,
            synthetic=bool(given["synthetic"].any()),
            timed="seconds" in self.columns,
            background=given[[b.item for b in instrument.background]],
            answers=raw.mask(dont_know).apply(pd.to_numeric).astype("Int8"),
            dont_know=dont_know,
            causes=pd.DataFrame(
                {c.code: [c.code in t for t in ticked] for c in instrument.cause_question.causes}, index=index
            ),
            quality=pd.DataFrame(
                {
                    "date": given["date"],
                    "seconds": seconds,
                    "too_fast": (seconds < instrument.minimum_seconds).fillna(False).astype(bool),
                    "attention_failed": attention.notna()
                    & (attention != str(instrument.attention_item.expected)),
                    "attention_blank": attention.isna() & asked,
                },
                index=index,
            ),
            open=given[["answer", "code", "cause_other"]],
            rejects=pd.DataFrame(self.rejects, columns=["row", "column", "text", "reason"]),
        )


def _date(text: str) -> dt.date | None:
    match = re.match(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?(?:[ t].*)?$", text)
    try:
        return dt.date(*map(int, match.groups())) if match else None
    except ValueError:
        return None

"""The full lists of exceptions beside a report, as Excel workbooks and as CSV.

Cells that begin like a formula stay text: workbooks are written without formulas, and in CSV, where the
reading program decides, such cells are prefixed with an apostrophe.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter  # type: ignore[import-untyped]

from sancha.audit.texts import Texts

#: What a spreadsheet takes for the beginning of a formula, or for white space before one.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
#: Rows of a sheet, one below the limit of the format for the header, rounded down.
SHEET_ROWS = 1_000_000
#: Characters of a cell in the format.
CELL_CHARACTERS = 32_767


@dataclass(frozen=True, slots=True)
class ExceptionList:
    """A list written: its file name without ending, its title, and its number of rows."""

    name: str
    title: str
    rows: int


def safe_cell(value: object) -> str:
    """A CSV cell that no spreadsheet reads as a formula."""
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def write_list(
    folder: Path,
    name: str,
    title: str,
    batches: Iterable[pa.RecordBatch],
    t: Texts,
    *,
    about: Sequence[tuple[str, str]],
    apart: Sequence[str],
    fact_labels: Mapping[str, str],
    titles: Mapping[str, str],
    made_on: date,
    says: Callable[[pa.RecordBatch], Sequence[str]],
) -> ExceptionList:
    """Write `folder/name.xlsx` and `folder/name.csv` from batches of `Evidence.exception_batches`.

    `about` are lines of a second sheet, `titles` rule ids with titles; the facts of `apart` have columns of
    their own; `says` puts the exceptions of a batch into words. `made_on` is the date of the workbook.
    """
    header = _header(t, apart, fact_labels)
    rows = 0
    with (
        open(folder / f"{name}.csv", "w", encoding="utf-8-sig", newline="") as file,
        _workbook(folder / f"{name}.xlsx") as book,
    ):
        # Without it the workbook would carry the time of writing, and no two would be the same.
        book.set_properties({"title": title, "created": datetime(made_on.year, made_on.month, made_on.day)})
        text = csv.writer(file)
        text.writerow([safe_cell(h) for h in header])
        sheets = _Sheets(book, header, t)
        for row in _rows(batches, t, apart, titles, says):
            text.writerow([safe_cell(cell) for cell in row])
            sheets.write(row)
            rows += 1
        sheets.end()
        _about(book, [(t("full_list"), title), *about], t)
    return ExceptionList(name, title, rows)


@contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    book = xlsxwriter.Workbook(
        str(path),
        {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False},
    )
    yield book
    # Not closed where writing failed: the caller drops the folder.
    book.close()


class _Sheets:
    """The sheets of a list: as many as its rows need, each with the header."""

    def __init__(self, book: Any, header: Sequence[str], t: Texts) -> None:
        self.book, self.header, self.t = book, header, t
        self.bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.money = book.add_format({"num_format": "#,##0.00"})
        self.day = book.add_format({"num_format": "yyyy-mm-dd"})
        self.count, self.line = 0, 0
        self.begin()

    def begin(self) -> None:
        self.end()
        self.count += 1
        name = self.t("sheet.list") + (f" {self.count}" if self.count > 1 else "")
        self.sheet = self.book.add_worksheet(name)
        self.sheet.freeze_panes(1, 2)
        self.sheet.set_column(0, len(self.header) - 1, 16)
        for column, text in enumerate(self.header):
            self.sheet.write_string(0, column, text, self.bold)
        self.line = 0

    def write(self, row: Sequence[Any]) -> None:
        if self.line == SHEET_ROWS:
            self.begin()
        self.line += 1
        for column, cell in enumerate(row):
            if cell is None or cell == "":
                continue
            if isinstance(cell, Decimal):
                self.sheet.write_number(self.line, column, cell, self.money)
            elif isinstance(cell, date):
                self.sheet.write_datetime(self.line, column, cell, self.day)
            else:
                self.sheet.write_string(self.line, column, self.fitting(str(cell)))

    def fitting(self, text: str) -> str:
        if len(text) <= CELL_CHARACTERS:
            return text
        mark = self.t("cut_in_excel")
        return text[: CELL_CHARACTERS - len(mark)] + mark

    def end(self) -> None:
        if self.count:
            self.sheet.autofilter(0, 0, max(1, self.line), len(self.header) - 1)


def _about(book: Any, lines: Sequence[tuple[str, str]], t: Texts) -> None:
    sheet = book.add_worksheet(t("sheet.about"))
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 110, book.add_format({"text_wrap": True}))
    for i, line in enumerate(lines):
        for j, cell in enumerate(line):
            sheet.write_string(i, j, cell)


def _header(t: Texts, apart: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    names = [
        *(t("loan"), t("rule"), t("condition_short"), t("stage"), t("branch"), t("product"), t("outcome")),
        *(t("version"), t("judged_on"), t("exposure"), t("sample"), t("group"), t("note"), t("missing")),
        t("what_it_says"),
    ]
    facts = [f"{labels.get(f, f)} ({f})" for f in apart]
    return [*names, *facts, t("further_facts") if apart else t("facts")]


def _rows(
    batches: Iterable[pa.RecordBatch],
    t: Texts,
    apart: Sequence[str],
    titles: Mapping[str, str],
    says: Callable[[pa.RecordBatch], Sequence[str]],
) -> Iterator[list[Any]]:
    own = set(apart)
    for batch in batches:
        for r, words in zip(batch.to_pylist(), says(batch), strict=True):
            facts = {f["fact"]: f["value"] for f in r["facts"] or ()}
            rest = "; ".join(f"{name} = {value}" for name, value in facts.items() if name not in own)
            yield [
                *(r["loan_id"], r["rule"], titles.get(r["rule"], "")),
                t(f"stage.{r['stage']}"),
                *(r["branch"], r.get("product")),
                t(f"outcome.{r['outcome']}"),
                *(r["version"], r["judged_on"], r["exposure"]),
                t("sample_yes") if r["sample"] else "",
                *(r["group"], r["note"], ", ".join(r["missing"] or ())),
                words,
                *(facts.get(name) for name in apart),
                rest,
            ]

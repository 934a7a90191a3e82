"""The full lists of exceptions beside a report, as Excel workbooks and as CSV.

Cells that begin like a formula stay text: workbooks are written without formulas, and in CSV, where the
reading program decides, such cells are prefixed with an apostrophe.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter
from sancha.audit.texts import Texts

#: What a spreadsheet takes for the beginning of a formula, or for white space before one.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
#: Rows of a sheet, one below the limit of the format for the header, rounded down.
SHEET_ROWS = 1_000_000
#: Characters of a cell in the format.
CELL_CHARACTERS = 32_767
#: More columns of facts than this are put together into one.
FACT_COLUMNS = 24


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
    table: pa.Table,
    t: Texts,
    *,
    about: Sequence[tuple[str, str]],
    fact_labels: Mapping[str, str],
    titles: Mapping[str, str],
    facts_apart: bool,
) -> ExceptionList:
    """Write `folder/name.xlsx` and `folder/name.csv` from exceptions as `Evidence.exceptions` gives them.

    `about` are lines of a second sheet; `titles` rule ids with titles. With `facts_apart` each fact that is
    not an item of a list has a column of its own, as long as there are few.
    """
    apart = _own_columns(table) if facts_apart else []
    header = _header(table, t, apart, fact_labels)
    with open(folder / f"{name}.csv", "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([safe_cell(h) for h in header])
        for row in _rows(table, t, apart, titles):
            writer.writerow([safe_cell(cell) for cell in row])
    with _workbook(folder / f"{name}.xlsx") as book:
        _sheets(book, header, _rows(table, t, apart, titles), t)
        sheet = book.add_worksheet(t("sheet.about"))
        sheet.set_column(0, 0, 28)
        sheet.set_column(1, 1, 110, book.add_format({"text_wrap": True}))
        for i, line in enumerate([(t("full_list"), title), *about]):
            for j, cell in enumerate(line):
                sheet.write_string(i, j, cell)
    return ExceptionList(name, title, table.num_rows)


@contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    book = xlsxwriter.Workbook(
        str(path),
        {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False},
    )
    yield book
    # Not closed where writing failed: the caller drops the folder.
    book.close()


def _sheets(book: Any, header: Sequence[str], rows: Iterable[Sequence[Any]], t: Texts) -> None:
    bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    money = book.add_format({"num_format": "#,##0.00"})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    sheet, line, number = None, 0, 0
    for row in _with_start(rows):
        if sheet is None or line > SHEET_ROWS:
            number += 1
            sheet = book.add_worksheet(t("sheet.list") + (f" {number}" if number > 1 else ""))
            sheet.freeze_panes(1, 2)
            sheet.set_column(0, len(header) - 1, 16)
            for j, name in enumerate(header):
                sheet.write_string(0, j, name, bold)
            line = 1
        if row is None:
            continue
        for j, cell in enumerate(row):
            if cell is None or cell == "":
                continue
            if isinstance(cell, Decimal):
                sheet.write_number(line, j, cell, money)
            elif isinstance(cell, date):
                sheet.write_datetime(line, j, cell, day)
            else:
                text = str(cell)
                if len(text) > CELL_CHARACTERS:
                    mark = t("cut_in_excel")
                    text = text[: CELL_CHARACTERS - len(mark)] + mark
                sheet.write_string(line, j, text)
        line += 1
    if sheet is not None and number == 1:
        sheet.autofilter(0, 0, max(1, line - 1), len(header) - 1)


def _with_start(rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any] | None]:
    """A sheet with its header comes even where no row does."""
    yield None
    yield from rows


def _own_columns(table: pa.Table) -> list[str]:
    """The facts that get a column: in the order in which they first appear, none of a list's items."""
    seen: dict[str, None] = {}
    for row in table["facts"].to_pylist():
        for fact in row or ():
            if "[" not in fact["fact"]:
                seen.setdefault(fact["fact"])
    return list(seen)[:FACT_COLUMNS]


def _header(table: pa.Table, t: Texts, apart: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    names = [
        *(t("loan"), t("rule"), t("condition_short"), t("stage"), t("branch"), t("product"), t("outcome")),
        *(t("version"), t("judged_on"), t("exposure"), t("sample"), t("group"), t("note"), t("missing")),
    ]
    facts = [f"{labels.get(f, f)} ({f})" for f in apart]
    return [*names, *facts, t("further_facts") if apart else t("facts")]


def _rows(table: pa.Table, t: Texts, apart: Sequence[str], titles: Mapping[str, str]) -> Iterator[list[Any]]:
    own = set(apart)
    for batch in table.to_batches(max_chunksize=5000):
        for r in batch.to_pylist():
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
                *(facts.get(name) for name in apart),
                rest,
            ]

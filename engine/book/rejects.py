"""The rejects of an import, listed: what could not be read, where it stood, and why."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from sancha.engine.book.reading import quote
from sancha.engine.diagnostics import SanchaError
from sancha.engine.files import replacing

FILE = "rejects.parquet"
#: The columns in the order in which people look for them.
COLUMNS = ("source", "file", "row", "column", "text", "reason", "rejected", "fact", "loan")
#: What a spreadsheet takes for the beginning of a formula, or for white space before one.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_BATCH = 50_000


def list_rejects(
    book: Path, *, source: str | None = None, fact: str | None = None, most: int | None = None
) -> tuple[pa.Table, int]:
    """The first `most` rejects of a book (None: all), of one source or one fact if asked; and how many there are.

    Columns as `COLUMNS`. SanchaError if the folder holds no rejects of an import.
    """
    limit = "" if most is None else f"LIMIT {most}"
    with duckdb.connect() as connection:
        where = f"FROM {_relation(connection, book)} WHERE {_among(source, fact)}"
        table = connection.sql(f"SELECT {', '.join(map(_name, COLUMNS))} {where} {limit}").to_arrow_table()
        row = connection.execute(f"SELECT count(*) {where}").fetchone()
    assert row is not None
    return table, int(row[0])


def write_rejects(book: Path, out: Path, *, source: str | None = None, fact: str | None = None) -> int:
    """Write the rejects as CSV (UTF-8 with a byte order mark, as Excel reads it); their number.

    Cells that a spreadsheet would take for a formula begin with an apostrophe.
    """
    rows = 0
    with duckdb.connect() as connection:
        query = (
            f"SELECT {', '.join(map(_name, COLUMNS))} FROM {_relation(connection, book)}"
            f" WHERE {_among(source, fact)}"
        )
        with replacing(out) as beside, beside.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for batch in connection.sql(query).to_arrow_reader(_BATCH):
                writer.writerows(_safe(batch))
                rows += batch.num_rows
    return rows


def _safe(batch: pa.RecordBatch) -> Iterator[list[object]]:
    for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
        yield ["'" + c if isinstance(c, str) and c.startswith(_FORMULA_STARTS) else c for c in row]


def _relation(connection: duckdb.DuckDBPyConnection, book: Path) -> str:
    path = book / FILE
    if not path.is_file():
        raise SanchaError("the book has no list of rejects", where=book, help="`sancha import` writes one")
    relation = f"read_parquet({quote(str(path))})"
    try:
        there = connection.sql(f"FROM {relation} LIMIT 0").columns
    except duckdb.Error as error:
        first = str(error).partition("\n")[0]
        raise SanchaError(f"the list of rejects cannot be read: {first}", where=path) from error
    # Books that earlier versions imported do not name the file of a dataset.
    return relation if "file" in there else f"(SELECT *, CAST(NULL AS VARCHAR) AS file FROM {relation})"


def _among(source: str | None, fact: str | None) -> str:
    tests = [f"{name} = {quote(value)}" for name, value in (("source", source), ("fact", fact)) if value]
    return " AND ".join(tests) or "true"


def _name(column: str) -> str:
    return f'"{column}"'

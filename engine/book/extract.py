"""Extracts as they are: CSV, XLSX and Parquet files as tables of text, row by row, nothing interpreted.

Each source becomes one DuckDB table with the columns `row` (1 is the first data row) and `c0`, `c1`, …, the
columns that the mapping reads. Cells of XLSX and Parquet files have types: they are rendered in one neutral
form (`1234.5`, `2024-01-31`, `true`) so that the same readings apply.
"""

from __future__ import annotations

import datetime as dt
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from python_calamine import CalamineError, CalamineWorkbook

from sancha.engine.book.mapping import Mapping as ImportMapping
from sancha.engine.book.mapping import Source
from sancha.engine.book.reading import UNIT_SEPARATOR, quote
from sancha.engine.diagnostics import Place, SanchaError, did_you_mean

_CSV = (".csv", ".tsv", ".txt", ".dat")
_SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_BLOCK = 8 << 20  # bytes of a CSV file parsed at once; the longest row must fit
_BATCH = 20_000  # rows of a sheet converted at once

#: Called with (row, text of the row, reason) for a row that has no cells to import.
RejectRow = Callable[[int, str, str], None]


@dataclass(frozen=True, slots=True)
class Staged:
    """A source in the database: `cells` maps its columns to those of `table`; `rows` counts all data rows."""

    source: Source
    path: Path
    table: str
    cells: Mapping[str, str]
    native: bool
    rows: int
    unread: tuple[str, ...]


def locate(mapping: ImportMapping, given: Path) -> dict[str, Path]:
    """The file of each source. `given` is the folder that holds them, or the one file."""
    if not given.exists():
        raise SanchaError("there is no such file or folder to import", where=given)
    named = {source.file for source in mapping.sources.values()}
    files = {}
    for name, source in mapping.sources.items():
        if given.is_dir():
            if source.file is None:
                help = "state `file` in the source, or give the file itself instead of its folder"
                raise SanchaError(
                    f"the source `{name}` does not name its file", where=source.place, help=help
                )
            path = given / source.file
        else:
            path = given if source.file is None or len(named) == 1 else given.parent / source.file
        if not path.is_file():
            there = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
            near = did_you_mean(path.name, there) or f"the folder holds {', '.join(there[:8]) or 'nothing'}"
            raise SanchaError(f"the file of the source `{name}` is not there", where=path, help=near)
        files[name] = path
    return files


def stage(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    path: Path,
    columns: Mapping[str, Place],
    table: str,
    scratch: Path,
    reject: RejectRow,
) -> Staged:
    """Load the columns of a source into `table`. Raises SanchaError for a file that cannot be read."""
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    load = _stage_csv if suffix in _CSV else _stage_sheet if suffix in _SHEETS else _stage_parquet
    if suffix not in (*_CSV, *_SHEETS, ".parquet"):
        known = ", ".join((*_CSV, ".csv.gz", *_SHEETS, ".parquet"))
        raise SanchaError(f"no reader for files of the kind `{suffix}`", where=path, help=f"known: {known}")
    return load(connection, source, path, columns, table, scratch, reject)


def _cells(columns: Mapping[str, Place]) -> dict[str, str]:
    return {column: f"c{i}" for i, column in enumerate(columns)}


def _check_columns(
    source: Source, path: Path, names: list[str], columns: Mapping[str, Place]
) -> tuple[str, ...]:
    """Every column of the mapping is there, once. Returns the columns that the mapping leaves unread."""
    for column, place in columns.items():
        if column not in names:
            help = did_you_mean(column, names) or f"its columns are {', '.join(names)}"
            if len(names) == 1 and any(mark in names[0] for mark in ",;\t|"):
                help = f"the header reads `{names[0][:60]}`: state the `delimiter` of the source"
            raise SanchaError(f"`{path.name}` has no column `{column}`", where=place, code="E0602", help=help)
        if names.count(column) > 1:
            help = "name the columns of the extract apart"
            raise SanchaError(
                f"`{path.name}` has two columns `{column}`", where=place, code="E0602", help=help
            )
    return tuple(n for n in names if n not in columns)


def _write(
    connection: duckdb.DuckDBPyConnection,
    scratch: Path,
    table: str,
    cells: Mapping[str, str],
    batches: Iterable[pa.RecordBatch],
) -> int:
    """Put the batches, tidied, into a scratch file and make `table` a view of it; the number of rows."""
    schema = pa.schema([("row", pa.int64()), *((cell, pa.string()) for cell in cells.values())])
    path = scratch / f"{table}.parquet"
    rows = 0
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False) as writer:
        for batch in batches:
            texts = [_tidy(column) for column in batch.columns[1:]]
            writer.write_batch(pa.record_batch([batch.column(0), *texts], schema))
            rows += batch.num_rows
    connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({quote(str(path))})")
    return rows


def _tidy(texts: pa.StringArray) -> pa.StringArray:
    """Texts without blanks (full-width ones too) at their ends; null where nothing is left."""
    trimmed = pc.utf8_trim_whitespace(texts)
    empty = pc.equal(trimmed, "")
    return pc.if_else(empty, None, trimmed) if pc.any(empty).as_py() else trimmed


# --- CSV ---------------------------------------------------------------------------------------------------


class _Lines(io.RawIOBase):
    """A stream of bytes that counts the lines with something on them, beyond the first `skip`."""

    def __init__(self, stream: pa.NativeFile, skip: int) -> None:
        self._stream = stream
        self._skip = skip
        self._rest = b""
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = bytes(self._stream.read(size if size and size > 0 else None))
        lines = (self._rest + data).splitlines(keepends=True)
        self._rest = b""
        # The last line may go on, or be the first half of a `\r\n`.
        if data and lines and not lines[-1].endswith(b"\n"):
            self._rest = lines.pop()
        dropped = min(self._skip, len(lines))
        self._skip -= dropped
        self.count += sum(1 for line in lines[dropped:] if line.strip(b"\r\n"))
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


def _stage_csv(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    path: Path,
    columns: Mapping[str, Place],
    table: str,
    scratch: Path,
    reject: RejectRow,
) -> Staged:
    cells = _cells(columns)
    bad: list[tuple[int, str, str]] = []

    def malformed(row: pa_csv.InvalidRow) -> str:
        reason = f"{row.actual_columns} fields where the header has {row.expected_columns}"
        bad.append((row.number - 1 - source.skip, row.text, reason))
        return "skip"

    def reader(include: list[str] | None) -> tuple[pa_csv.CSVStreamingReader, _Lines]:
        lines = _Lines(
            pa.input_stream(str(path), compression="gzip" if path.name.endswith(".gz") else None), source.skip
        )
        plain = source.encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")
        return pa_csv.open_csv(
            lines,
            read_options=pa_csv.ReadOptions(
                use_threads=False,  # row numbers of malformed rows are known in order only
                block_size=_BLOCK,
                skip_rows=source.skip,
                encoding="utf8" if plain else source.encoding,
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=source.delimiter,
                quote_char=source.quote or False,
                newlines_in_values=True,
                invalid_row_handler=malformed,
            ),
            convert_options=pa_csv.ConvertOptions(
                default_column_type=pa.string(), strings_can_be_null=False, include_columns=include
            ),
        ), lines

    try:
        header, _ = reader(None)
        names = list(header.schema.names)
        header.close()
        unread = _check_columns(source, path, [name.strip() for name in names], columns)
        bad.clear()
        written = {name.strip(): name for name in names}
        batches, lines = reader([written[column] for column in columns])
        count = _write(connection, scratch, table, cells, _numbered(batches, cells, bad))
    except UnicodeDecodeError as error:
        raise _not_decoded(source, path) from error
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error) or "decode" in str(error):
            raise _not_decoded(source, path) from error
        if "Empty CSV" in str(error):
            raise SanchaError("the file is empty", where=path) from error
        raise SanchaError(f"the file cannot be read as CSV: {error}", where=path, code="E0603") from error
    except (OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise SanchaError(f"the file is damaged: {error}", where=path, code="E0603") from error
    for number, text, reason in bad:
        reject(number, text, reason)
    rows = count + len(bad)
    wide = source.encoding.lower().startswith(("utf-16", "utf_16", "utf16", "utf-32", "utf_32", "utf32"))
    if not source.line_breaks and source.quote and not wide and lines.count != rows + 1:
        raise _open_quote(source, path, lines.count, rows + 1)
    return Staged(source, path, table, cells, False, rows, unread)


def _numbered(
    batches: Iterable[pa.RecordBatch], cells: Mapping[str, str], bad: list[tuple[int, str, str]]
) -> Iterator[pa.RecordBatch]:
    """Batches with their row numbers: the numbers of malformed rows, known by then, are left out."""
    last = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        skipped = np.array([number for number, _, _ in bad if number > last], dtype=np.int64)
        numbers = np.arange(last + 1, last + 1 + batch.num_rows + len(skipped))
        numbers = numbers[~np.isin(numbers, skipped)][: batch.num_rows]
        last = int(numbers[-1])
        yield pa.record_batch([pa.array(numbers), *batch.columns], names=["row", *cells.values()])


def _open_quote(source: Source, path: Path, lines: int, rows: int) -> SanchaError:
    """Fields with line breaks that the mapping does not expect: most often a quote that is not closed."""
    quote = source.quote.encode()
    where = None
    with pa.input_stream(str(path)) as stream:
        for number, line in enumerate(io.BufferedReader(stream), start=1):
            if number > source.skip and line.count(quote) % 2:
                where = number
                break
    return SanchaError(
        f"{lines} lines make only {rows} rows: a field holds line breaks"
        + (f", or the quote of line {where} is not closed" if where else ""),
        where=f"{path}:{where}" if where else path,
        code="E0603",
        help="mend the quote, or state `line breaks: true` in the source if its fields do hold line breaks",
    )


def _not_decoded(source: Source, path: Path) -> SanchaError:
    """The file is not in the encoding stated: the line of the first strange byte, and what it may be."""
    with pa.input_stream(str(path)) as stream:
        data = bytes(stream.read(32 << 20))
    try:
        data.decode(source.encoding)
        line = None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    fits = encoding_of(data)
    help = (
        f"it reads as {fits}: state `encoding: {fits}` in the source `{source.name}`"
        if fits
        else "state the `encoding` of the source: ask who made the extract"
    )
    return SanchaError(
        f"the file is not {source.encoding}" + (f": line {line} cannot be decoded" if line else ""),
        where=f"{path}:{line}" if line else path,
        code="E0604",
        help=help,
    )


def encoding_of(data: bytes) -> str | None:
    """The encoding that a text most likely has: by its byte-order mark, else by the characters it gives.

    Chinese encodings share their byte pairs with each other and with Western letters; what tells them apart
    is that real text uses the common characters, which each of the standards puts into its first level.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    data = data[: data.rfind(b"\n") + 1] or data
    for encoding, common, lead in (
        ("utf-8", "utf-8", None),
        ("gb18030", "gb2312", None),
        ("big5", "big5", (0xA4, 0xC6)),
    ):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8":
            return encoding
        wide = [c for c in text if ord(c) > 127]
        if wide and sum(_within(c, common, lead) for c in wide) >= 0.8 * len(wide):
            return encoding
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    wide = [c for c in text if ord(c) > 127]
    return "cp1252" if wide and sum(c.isalpha() or c in "€£°" for c in wide) >= 0.8 * len(wide) else None


def _within(char: str, encoding: str, lead: tuple[int, int] | None) -> bool:
    try:
        coded = char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return lead is None or lead[0] <= coded[0] <= lead[1]


# --- XLSX --------------------------------------------------------------------------------------------------


def _stage_sheet(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    path: Path,
    columns: Mapping[str, Place],
    table: str,
    scratch: Path,
    reject: RejectRow,
) -> Staged:
    try:
        book = CalamineWorkbook.from_path(str(path))
        names = book.sheet_names
        if source.sheet is None and len(names) > 1:
            help = f"its sheets are {', '.join(names)}: state `sheet` in the source `{source.name}`"
            raise SanchaError("the workbook has several sheets", where=path, help=help)
        if source.sheet is not None and source.sheet not in names:
            help = did_you_mean(source.sheet, names) or f"its sheets are {', '.join(names)}"
            raise SanchaError(f"the workbook has no sheet `{source.sheet}`", where=source.place, help=help)
        sheet = book.get_sheet_by_name(source.sheet or names[0])
        # Rows from the top of the sheet, so that row numbers are those that a reader of the sheet counts.
        rows = iter(sheet.to_python(skip_empty_area=False))
    except (CalamineError, OSError) as error:
        raise SanchaError(f"the workbook cannot be read: {error}", where=path, code="E0603") from error
    for _ in range(source.skip):
        next(rows, None)
    header = [_cell(value) or "" for value in next(rows, [])]
    if not any(header):
        raise SanchaError(
            "the sheet has no header row", where=path, help="state `skip`, the rows above the header"
        )
    unread = _check_columns(source, path, header, columns)
    cells = _cells(columns)
    places = [header.index(column) for column in columns]

    def batches() -> Iterator[pa.RecordBatch]:
        number = 0
        held: list[tuple[int, list[str | None]]] = []
        for row in rows:
            number += 1
            if all(value == "" or value is None for value in row):
                continue
            held.append((number, [_cell(row[place]) if place < len(row) else None for place in places]))
            if len(held) == _BATCH:
                yield _batch(held, cells)
                held = []
        if held:
            yield _batch(held, cells)

    total = _write(connection, scratch, table, cells, batches())
    return Staged(source, path, table, cells, True, total, tuple(n for n in unread if n))


def _batch(held: list[tuple[int, list[str | None]]], cells: Mapping[str, str]) -> pa.RecordBatch:
    columns = [pa.array([values[i] for _, values in held], pa.string()) for i in range(len(cells))]
    numbers = pa.array([number for number, _ in held], pa.int64())
    return pa.record_batch([numbers, *columns], names=["row", *cells.values()])


def _cell(value: object) -> str | None:
    """A cell of a sheet as text. Numbers have the 15 digits that a sheet keeps; longer ones stay in
    scientific notation, which no reading accepts, because their last digits are lost."""
    match value:
        case None | "":
            return None
        case bool():
            return "true" if value else "false"
        case float():
            text = f"{value:.15g}"
            return text if "e+" in text else f"{Decimal(text):f}"
        case dt.datetime():
            return value.isoformat(" ")
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return str(value)


# --- Parquet -----------------------------------------------------------------------------------------------


def _stage_parquet(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    path: Path,
    columns: Mapping[str, Place],
    table: str,
    scratch: Path,
    reject: RejectRow,
) -> Staged:
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({quote(str(path))})").fetchall()
        types = {str(row[0]): str(row[1]) for row in described}
        unread = _check_columns(source, path, list(types), columns)
        cells = _cells(columns)
        texts = [_as_text(column, types[column], place) for column, place in columns.items()]
        named = [f"{text} AS {cell}" for text, cell in zip(texts, cells.values(), strict=True)]
        query = (
            f"SELECT {', '.join(['file_row_number + 1 AS row', *named])}"
            f" FROM read_parquet({quote(str(path))}, file_row_number = true)"
        )
        batches = connection.sql(query).to_arrow_reader(_BATCH)
        rows = _write(connection.cursor(), scratch, table, cells, batches)
    except (duckdb.InvalidInputException, duckdb.IOException, duckdb.SerializationException) as error:
        if not path.is_file() or "No space" in str(error):
            raise
        first = str(error).splitlines()[0]
        help = "the file looks truncated or damaged: make the extract again"
        raise SanchaError(
            f"the file cannot be read as Parquet: {first}", where=path, code="E0603", help=help
        ) from error
    return Staged(source, path, table, cells, True, rows, unread)


def _as_text(column: str, kind: str, place: Place) -> str:
    """The SQL that renders a column of a Parquet file as text."""
    name = '"' + column.replace('"', '""') + '"'
    if kind.endswith("[]") and "STRUCT" not in kind:
        # An empty list is known and empty: a lone separator, which the reading splits into nothing.
        by = quote(UNIT_SEPARATOR)
        return f"CASE len({name}) WHEN 0 THEN {by} ELSE array_to_string(CAST({name} AS VARCHAR[]), {by}) END"
    if kind in ("DOUBLE", "FLOAT"):
        text = f"format('{{:.{15 if kind == 'DOUBLE' else 7}g}}', {name})"
        small = f"rtrim(rtrim(CAST(CAST({text} AS DECIMAL(38,18)) AS VARCHAR), '0'), '.')"
        return f"CASE WHEN contains({text}, 'e-') THEN {small} ELSE {text} END"
    if kind.startswith(("STRUCT", "MAP", "UNION", "BLOB")) or kind.endswith("[]"):
        help = "let the extract hold plain columns"
        raise SanchaError(
            f"the column `{column}` is of type {kind}, which has no text", where=place, help=help
        )
    return f"CAST({name} AS VARCHAR)"

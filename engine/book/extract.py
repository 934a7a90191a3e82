"""Extracts as they are: files and tables of databases as tables of text, row by row, nothing interpreted.

Each source becomes one DuckDB table with the columns `row` (1 is the first data row) and `c0`, `c1`, …, the
columns that the mapping reads. Cells of XLSX and Parquet files and of databases have types: they are rendered in one
neutral form (`1234.5`, `2024-01-31`, `true`) so that the same readings apply. Everything streams: the memory does not
grow with the source.
"""

from __future__ import annotations

import datetime as dt
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from sancha.engine.book.mapping import Source
from sancha.engine.book.reading import UNIT_SEPARATOR, quote
from sancha.engine.book.sources import CSV, SHEETS, Databases, Origin, Part, locate, postgres_text
from sancha.engine.diagnostics import Place, SanchaError, did_you_mean
from sancha.engine.policy.workbook import BadWorkbook, Value, Workbook

__all__ = ["Staged", "encoding_of", "locate", "stage"]

_BLOCK = 8 << 20  # bytes of a CSV file parsed at once; the longest row must fit
_BATCH = 20_000  # rows of a sheet or of a Parquet file converted at once

#: Called with (row, text of the row, reason) for a row that has no cells to import.
RejectRow = Callable[[int, str, str], None]
#: Called with the rows read so far.
Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Staged:
    """A source in the database: `cells` maps its columns to those of `table`; `rows` counts all data rows.

    `parts` are the files it was read from, each with the number of rows before its first.
    """

    source: Source
    origin: Origin
    table: str
    cells: Mapping[str, str]
    native: bool
    rows: int
    unread: tuple[str, ...]
    parts: tuple[tuple[str, int], ...]


@dataclass
class _Read:
    """What is known of a file or a table when its batches have been read to the end."""

    rows: int = 0
    unread: tuple[str, ...] = ()
    bad: list[tuple[int, str, str]] = field(default_factory=list)


#: Batches of `row`, counted within the part, and the texts of the columns asked for.
_Batches = Iterator[pa.RecordBatch]


def stage(
    connection: duckdb.DuckDBPyConnection,
    databases: Databases,
    source: Source,
    origin: Origin,
    columns: Mapping[str, Place],
    table: str,
    scratch: Path,
    reject: RejectRow,
    tell: Tell = lambda _rows: None,
) -> Staged:
    """Load the columns of a source into `table`. Raises SanchaError for one that cannot be read."""
    cells = {column: f"c{i}" for i, column in enumerate(columns)}
    if not origin.parts:
        read = _Read()
        batches = _database(databases, source, origin, columns, read)
        _write(connection, scratch, table, cells, batches, tell)
        return Staged(source, origin, table, cells, True, read.rows, read.unread, ())
    path = origin.parts[0].path
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    load = _csv if suffix in CSV else _sheet if suffix in SHEETS else _parquet
    if load is _parquet and len(origin.parts) > 1:
        _check_schemas(origin, columns)
    done: list[tuple[str, int]] = []
    reads: list[_Read] = []

    def rows() -> _Batches:
        before = 0
        for part in origin.parts:
            done.append((part.name, before))
            reads.append(read := _Read())
            own = {column: place for column, place in columns.items() if column not in part.folders}
            try:
                for batch in load(source, part, own, read):
                    yield _placed(batch, before, own, columns, part)
            except SanchaError as error:
                if error.code == "E0602" and before:
                    raise _drift(origin, part, error) from error
                raise
            for number, text, reason in read.bad:
                reject(number + before, text, reason)
            before += read.rows

    _write(connection, scratch, table, cells, rows(), tell)
    return Staged(
        source,
        origin,
        table,
        cells,
        load is not _csv,
        sum(read.rows for read in reads),
        tuple(dict.fromkeys(name for read in reads for name in read.unread)),
        tuple(done),
    )


def _placed(
    batch: pa.RecordBatch, before: int, own: Mapping[str, Place], columns: Mapping[str, Place], part: Part
) -> pa.RecordBatch:
    """A batch of a part as one of the source: rows numbered on, the values of its folders filled in."""
    given = dict(zip(own, batch.columns[1:], strict=True))
    texts = [
        given[c] if c in given else pa.array([part.folders[c]] * batch.num_rows, pa.string()) for c in columns
    ]
    names = ["row", *(f"c{i}" for i in range(len(columns)))]
    return pa.record_batch([pc.add(batch.column(0), before), *texts], names=names)


def _drift(origin: Origin, part: Part, error: SanchaError) -> SanchaError:
    return SanchaError(
        f"the files of a dataset differ: {error.message}, which `{origin.parts[0].name}` has",
        where=part.path,
        code="E0605",
        help=error.help,
    )


def _check_columns(
    source: Source, label: str, names: list[str], columns: Mapping[str, Place]
) -> tuple[str, ...]:
    """Every column of the mapping is there, once. Returns the columns that the mapping leaves unread."""
    for column, place in columns.items():
        if column not in names:
            help = did_you_mean(column, names) or f"its columns are {', '.join(names)}"
            if len(names) == 1 and any(mark in names[0] for mark in ",;\t|"):
                help = f"the header reads `{names[0][:60]}`: state the `delimiter` of the source"
            raise SanchaError(f"`{label}` has no column `{column}`", where=place, code="E0602", help=help)
        if names.count(column) > 1:
            help = "name the columns of the extract apart"
            raise SanchaError(f"`{label}` has two columns `{column}`", where=place, code="E0602", help=help)
    return tuple(n for n in names if n not in columns)


def _write(
    connection: duckdb.DuckDBPyConnection,
    scratch: Path,
    table: str,
    cells: Mapping[str, str],
    batches: Iterable[pa.RecordBatch],
    tell: Tell,
) -> None:
    """Put the batches, tidied, into a scratch file and make `table` a view of it."""
    schema = pa.schema([("row", pa.int64()), *((cell, pa.string()) for cell in cells.values())])
    path = scratch / f"{table}.parquet"
    rows = 0
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False) as writer:
        for batch in batches:
            texts = [_tidy(column.cast(pa.string())) for column in batch.columns[1:]]
            writer.write_batch(pa.record_batch([batch.column(0), *texts], schema))
            rows += batch.num_rows
            tell(rows)
    connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({quote(str(path))})")


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


def _csv(source: Source, part: Part, columns: Mapping[str, Place], read: _Read) -> _Batches:
    path, bad = part.path, read.bad

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
        read.unread = _check_columns(source, part.name, [name.strip() for name in names], columns)
        bad.clear()
        written = {name.strip(): name for name in names}
        batches, lines = reader([written[column] for column in columns])
        count = 0
        for batch in _numbered(batches, bad):
            count += batch.num_rows
            yield batch
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
    read.rows = rows = count + len(bad)
    wide = source.encoding.lower().startswith(("utf-16", "utf_16", "utf16", "utf-32", "utf_32", "utf32"))
    if not source.line_breaks and source.quote and not wide and lines.count != rows + 1:
        raise _open_quote(source, path, lines.count, rows + 1)


def _numbered(batches: Iterable[pa.RecordBatch], bad: list[tuple[int, str, str]]) -> _Batches:
    """Batches with their row numbers: the numbers of malformed rows, known by then, are left out."""
    last = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        skipped = np.array([number for number, _, _ in bad if number > last], dtype=np.int64)
        numbers = np.arange(last + 1, last + 1 + batch.num_rows + len(skipped))
        numbers = numbers[~np.isin(numbers, skipped)][: batch.num_rows]
        last = int(numbers[-1])
        yield _batch(numbers, batch.columns)


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


def _sheet(source: Source, part: Part, columns: Mapping[str, Place], read: _Read) -> _Batches:
    try:
        with Workbook(part.path) as book:
            title = _chosen(source, part, book)
            rows = book.rows(title)
            number, header = 0, None
            for number, cells in rows:
                if number > source.skip:
                    header = (number, cells)
                    break
            if header is None or header[0] != source.skip + 1:
                raise SanchaError(
                    "the sheet has no header row",
                    where=part.path,
                    help="state `skip`, the rows above the header",
                )
            titles = {place: _cell(value) or "" for place, value in header[1].items()}
            read.unread = _check_columns(source, part.name, [t for t in titles.values() if t], columns)
            places = [next(place for place, t in titles.items() if t == column) for column in columns]
            held: list[tuple[int, list[str | None]]] = []
            for number, cells in rows:
                held.append((number - header[0], [_cell(cells.get(place)) for place in places]))
                read.rows += 1
                if len(held) == _BATCH:
                    yield _held(held)
                    held = []
            if held:
                yield _held(held)
    except BadWorkbook as error:
        raise SanchaError(
            f"the workbook cannot be read: it {error}", where=part.path, code="E0603", help=error.help
        ) from error


def _chosen(source: Source, part: Part, book: Workbook) -> str:
    """The sheet that the mapping names, or the only one that is visible."""
    visible = [title for title, seen in book.sheets.items() if seen]
    listed = ", ".join(visible)
    if source.sheet is None and len(visible) != 1:
        help = f"its sheets are {listed}: state `sheet` in the source `{source.name}`"
        raise SanchaError("the workbook has several sheets", where=part.path, help=help)
    if source.sheet is not None and source.sheet not in book.sheets:
        help = did_you_mean(source.sheet, book.sheets) or f"its sheets are {listed}"
        raise SanchaError(f"the workbook has no sheet `{source.sheet}`", where=source.place, help=help)
    return source.sheet or visible[0]


def _held(held: list[tuple[int, list[str | None]]]) -> pa.RecordBatch:
    texts = [list(column) for column in zip(*(values for _, values in held), strict=True)]
    numbers = np.array([number for number, _ in held], dtype=np.int64)
    return _batch(numbers, [pa.array(column, pa.string()) for column in texts])


def _batch(numbers: np.ndarray, texts: list[pa.Array]) -> pa.RecordBatch:
    return pa.record_batch(
        [pa.array(numbers, pa.int64()), *texts], names=["row", *(f"c{i}" for i in range(len(texts)))]
    )


def _cell(value: Value | None) -> str | None:
    """A cell of a sheet as text. Numbers have the 15 digits that a sheet keeps; longer ones stay in
    scientific notation, which no reading accepts, because their last digits are lost."""
    match value:
        case None | "":
            return None
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:e}" if value.adjusted() >= 15 else f"{value:f}"
        case dt.datetime():
            return value.isoformat(" ")
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return str(value)


# --- Parquet -----------------------------------------------------------------------------------------------

_DAMAGED = "the file looks truncated or damaged: make the extract again"


def _parquet(source: Source, part: Part, columns: Mapping[str, Place], read: _Read) -> _Batches:
    path = part.path
    with _opened(path) as file, duckdb.connect() as connection:
        schema, groups = file.schema_arrow, file.num_row_groups
        for folder in part.folders:
            if folder in schema.names:
                raise SanchaError(
                    f"the column `{folder}` stands in the file and in the name of its folder",
                    where=path,
                    code="E0605",
                    help="leave it out of one of them",
                )
        read.unread = _check_columns(source, part.name, schema.names, columns)
        connection.execute("SET TimeZone = 'UTC'")
        texts = _renderer(connection, schema, columns)
        for group in range(groups):
            batches = file.iter_batches(_BATCH, row_groups=[group], columns=list(columns))
            rows = 0
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError) as error:
                    first = str(error).partition("\n")[0]
                    raise SanchaError(
                        f"row group {group + 1} of {groups} of the file cannot be read: {first}",
                        where=path,
                        code="E0603",
                        help=_DAMAGED,
                    ) from error
                if batch is None:
                    break
                rows += batch.num_rows
                numbers = np.arange(read.rows + 1, read.rows + batch.num_rows + 1)
                read.rows += batch.num_rows
                yield _batch(numbers, texts(batch))
            if rows != file.metadata.row_group(group).num_rows:
                raise SanchaError(
                    f"row group {group + 1} of {groups} of the file has {rows:,} rows, and its footer says"
                    f" {file.metadata.row_group(group).num_rows:,}",
                    where=path,
                    code="E0603",
                    help=_DAMAGED,
                )


def _opened(path: Path) -> pq.ParquetFile:
    try:
        # Checksums of pages, where a file has them, tell a flipped bit from a value.
        return pq.ParquetFile(path, page_checksum_verification=True)
    except pa.ArrowException as error:
        first = str(error).partition("\n")[0]
        raise SanchaError(
            f"the file cannot be read as Parquet: {first}", where=path, code="E0603", help=_DAMAGED
        ) from error


def _renderer(
    connection: duckdb.DuckDBPyConnection, schema: pa.Schema, columns: Mapping[str, Place]
) -> Callable[[pa.RecordBatch], list[pa.Array]]:
    """Renders batches of these columns as texts."""
    if not columns:
        return lambda _batch: []
    empty = pa.schema([schema.field(column) for column in columns]).empty_table()
    connection.register("batch", empty)
    described = connection.execute("DESCRIBE SELECT * FROM batch").fetchall()
    kinds = {str(row[0]): str(row[1]) for row in described}
    listed = ", ".join(
        f"{_as_text(column, kinds[column], place)} AS c{i}"
        for i, (column, place) in enumerate(columns.items())
    )

    def texts(batch: pa.RecordBatch) -> list[pa.Array]:
        connection.register("batch", pa.Table.from_batches([batch]))
        found = connection.sql(f"SELECT {listed} FROM batch").to_arrow_table()
        return [column.combine_chunks() for column in found.columns]

    return texts


def _check_schemas(origin: Origin, columns: Mapping[str, Place]) -> None:
    """The files of a dataset have the columns that are read, each of one kind. Order and other columns may differ."""
    first = origin.parts[0]
    kinds: dict[str, str] = {}
    for part in origin.parts:
        with _opened(part.path) as file:
            schema = file.schema_arrow
        for column in columns:
            if column not in schema.names or column in part.folders:
                continue  # told with its help when the file is read
            kind = _kind(schema.field(column).type)
            if kinds.setdefault(column, kind) != kind:
                raise SanchaError(
                    f"the files of a dataset differ: the column `{column}` is {kind} in `{part.name}`, and"
                    f" {kinds[column]} in an earlier file",
                    where=part.path,
                    code="E0605",
                    help="write the files anew with one type, or import them apart",
                )
        absent = [c for c in columns if c not in schema.names and c not in part.folders]
        if absent and part is not first:
            near = did_you_mean(absent[0], [n for n in schema.names if n not in columns])
            raise SanchaError(
                f"the files of a dataset differ: `{part.name}` has no column `{absent[0]}`, which"
                f" `{first.name}` has",
                where=part.path,
                code="E0605",
                help=near or f"its columns are {', '.join(schema.names)}",
            )
        if absent:
            return  # the mapping names a column that the dataset lacks: told when it is read


def _kind(kind: pa.DataType) -> str:
    """What may change between files without another meaning: the width of a number, the unit of a time."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return "a whole number or decimal"
    if pa.types.is_floating(kind):
        return "a binary float"
    if any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)):
        return "text"
    if pa.types.is_timestamp(kind):
        return "a time with a zone" if kind.tz else "a time without a zone"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"a list of {_kind(kind.value_type)}"
    return "a date" if pa.types.is_date(kind) else str(kind)


# --- databases ---------------------------------------------------------------------------------------------


def _database(
    databases: Databases, source: Source, origin: Origin, columns: Mapping[str, Place], read: _Read
) -> _Batches:
    """The rows of a table or query. `row` is the order in which the database gives them."""
    kinds = databases.columns(source, origin)
    read.unread = _check_columns(source, origin.label, list(kinds), columns)
    text = postgres_text if source.postgres else _as_text
    expressions = [f"{text(c, kinds[c], place)} AS c{i}" for i, (c, place) in enumerate(columns.items())]
    for batch in databases.batches(source, origin, expressions):
        numbers = np.arange(read.rows + 1, read.rows + batch.num_rows + 1)
        read.rows += batch.num_rows
        try:
            for column in batch.columns:
                column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise SanchaError(
                f"{origin.label} holds text that is not UTF-8",
                where=source.place,
                code="E0604",
                help="mend the text in the database, or let a `query` convert it",
            ) from error
        yield _batch(numbers, batch.columns[: len(columns)])


def _as_text(column: str, kind: str, place: Place) -> str:
    """The DuckDB SQL that renders a column as text."""
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

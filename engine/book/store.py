"""Books: folders of Parquet tables, written whole or not at all, and checked when they are opened."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sancha.engine.book.loan_file import (
    Item,
    LoanFile,
    Reference,
    load_loan_file,
    loan_file_from_json,
    to_json,
)
from sancha.engine.book.schema import (
    ITEM,
    LOAN_ID,
    LOANS,
    REFERENCE,
    fields_of,
    file_of,
    table_schema,
    tables,
)
from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.files import take_place
from sancha.engine.policy.vocabulary import Field, Vocabulary

__all__ = [
    "Book",
    "BookWriter",
    "Item",
    "LoanFile",
    "Reference",
    "damage",
    "iter_files",
    "load_loan_file",
    "loan_file_from_json",
    "open_book",
    "read_file",
    "read_files",
    "read_reference",
    "to_json",
    "write_book",
]

FORMAT = 1
BOOK_FILE = "book.json"
#: Rows of a Parquet row group. Groups are cut at exactly this size: the bytes do not depend on the chunks.
ROW_GROUP = 100_000


@dataclass(frozen=True, slots=True)
class Book:
    """A book on disk. `tables` maps the tables it has (`loans`, `visits`, `reference/staff`) to files; `ordered` says
    that `loans` is known to be in order of loan ids."""

    path: Path
    vocabulary: str
    as_of: dt.date
    loans: int
    digest: str
    synthetic: bool
    source: str
    tables: dict[str, Path]
    rows: dict[str, int]
    ordered: bool = False


def write_book(
    folder: Path,
    vocabulary: Vocabulary,
    tables: Mapping[str, pa.Table],
    *,
    as_of: dt.date,
    synthetic: bool,
    source: str,
) -> Book:
    """Write a book that fits in memory. Rows are sorted by loan id and item; see `BookWriter` for the rest.

    Where the root table lacks the numbers of items of the lists, they are counted: a list whose table is
    given is known for every file (0 where it has no row), a list whose table is absent is missing for all.
    """
    if LOANS not in tables:
        raise SanchaError("a book needs the table `loans`", where=folder)
    loans = _with_counts(tables[LOANS], tables, vocabulary)
    with BookWriter(folder, vocabulary, as_of=as_of, synthetic=synthetic, source=source) as writer:
        for name, table in {**tables, LOANS: loans}.items():
            keys = [k for k in (LOAN_ID, ITEM) if k in table.column_names and not name.startswith(REFERENCE)]
            writer.append(name, table.sort_by([(k, "ascending") for k in keys]) if keys else table)
    return writer.book


class BookWriter:
    """Writes a book chunk by chunk in flat memory; `.book` is there when the `with` block has ended well.

    Everything goes to a folder beside the final one, which takes its name at the end; after an error or an
    interruption nothing is left. The same rows give the same bytes, however they are cut into chunks.
    Chunks of a table must come in order of loan id (and item).
    """

    book: Book

    def __init__(
        self, folder: Path, vocabulary: Vocabulary, *, as_of: dt.date, synthetic: bool, source: str
    ) -> None:
        self._target = folder
        self._vocabulary = vocabulary
        self._as_of = as_of
        self._synthetic = synthetic
        self._source = source
        self._writers: dict[str, _TableWriter] = {}

    def __enter__(self) -> Self:
        target = self._target
        if (
            target.exists()
            and not (target / BOOK_FILE).is_file()
            and (target.is_file() or any(target.iterdir()))
        ):
            raise SanchaError(
                f"`{target.name}` is there already and is not a book",
                where=target,
                help="name another folder, or empty this one",
            )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(
                tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
            )
        except OSError as e:
            raise SanchaError(f"cannot write the book: {e.strerror}", where=target) from e
        self._folder.chmod(0o755)
        return self

    def append(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table of the vocabulary. SanchaError if they do not fit it."""
        writer = self._writers.get(table)
        if writer is None:
            if table not in tables(self._vocabulary):
                known = tables(self._vocabulary)
                raise SanchaError(
                    f"the vocabulary has no table `{table}`",
                    where=self._target,
                    help=did_you_mean(table, known),
                )
            schema = table_schema(self._vocabulary, table)
            if table == LOANS:
                counts = [n for n in self._vocabulary.lists if n not in rows.column_names]
                schema = pa.schema([field for field in schema if field.name not in counts])
            writer = self._start(table, schema)
        writer.append(_conform(rows, writer.schema, table, self._vocabulary, self._target))

    def add_table(self, name: str, rows: pa.Table) -> None:
        """Append rows to a Parquet file beside the tables of the vocabulary, such as `rejects`."""
        writer = self._writers.get(name) or self._start(name, rows.schema)
        writer.append(rows)

    def add_json(self, name: str, value: object) -> None:
        """Put a JSON file (`faults.json`) into the folder of the book."""
        text = json.dumps(value, ensure_ascii=False, indent=1)
        (self._folder / name).write_text(text + "\n", encoding="utf-8")

    def _start(self, name: str, schema: pa.Schema) -> _TableWriter:
        path = self._folder / file_of(name)
        path.parent.mkdir(exist_ok=True)
        writer = self._writers[name] = _TableWriter(path, schema)
        return writer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for writer in self._writers.values():
                writer.close(complete=error is None)
            if error is None:
                self.book = self._finish()
        except OSError as e:
            error = e
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise SanchaError(
                f"cannot write the book: {error.strerror or error}",
                where=self._target,
                help="nothing was left behind",
            ) from error

    def _finish(self) -> Book:
        rows = {name: writer.rows for name, writer in self._writers.items()}
        if LOANS not in rows:
            raise SanchaError("a book needs the table `loans`", where=self._target)
        if rows[LOANS] == 0:
            raise SanchaError("the book would be empty: there is no loan file", where=self._target)
        known = tables(self._vocabulary)
        digest = digest_of(self._folder)
        header = {
            "format": FORMAT,
            "vocabulary": self._vocabulary.name,
            "as_of": self._as_of.isoformat(),
            "synthetic": self._synthetic,
            "loans": rows[LOANS],
            "tables": {name: rows[name] for name in known if name in rows},
            "digest": digest,
            "source": self._source,
        }
        self.add_json(BOOK_FILE, header)
        take_place(self._folder, self._target)
        # The writers of the tables have seen to the order.
        return dataclasses.replace(_book(self._target, header), ordered=True)


class _TableWriter:
    """One Parquet file, in row groups of exactly ROW_GROUP rows."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows = 0
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._last: tuple[object, ...] | None = None
        # Decimals of up to 18 digits are machine words, which are read in less time than bytes.
        self._file = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=3,
            version="2.6",
            store_decimal_as_integer=True,
        )

    def append(self, rows: pa.Table) -> None:
        self._check_order(rows)
        self.rows += rows.num_rows
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= ROW_GROUP:
            self._flush(whole=False)

    def close(self, *, complete: bool) -> None:
        if complete and self._waiting_rows:
            self._flush(whole=True)
        self._file.close()

    def _flush(self, *, whole: bool) -> None:
        table = pa.concat_tables(self._waiting)
        while table.num_rows >= ROW_GROUP or (whole and table.num_rows):
            self._file.write_table(table.slice(0, ROW_GROUP).combine_chunks(), row_group_size=ROW_GROUP)
            table = table.slice(ROW_GROUP)
        self._waiting, self._waiting_rows = [table], table.num_rows

    def _check_order(self, rows: pa.Table) -> None:
        if LOAN_ID not in rows.column_names or not rows.num_rows:
            return
        keys = [rows[k].combine_chunks() for k in (LOAN_ID, ITEM) if k in rows.column_names]
        first = tuple(key[0].as_py() for key in keys)
        if (self._last is not None and first <= self._last) or not _ascending(keys):
            raise SanchaError(
                "the rows are not in order of loan id and item, or a loan id comes twice",
                help="sort the rows; each loan id stands once in `loans`, each item number once in its file",
            )
        self._last = tuple(key[-1].as_py() for key in keys)


def open_book(folder: Path, vocabulary: Vocabulary, *, verify: bool = False) -> Book:
    """Open a book and check it against the vocabulary: its files, columns and types, loan ids and parents.

    The checks take seconds for a million loans. `verify` also reads every byte against the recorded digest.
    Raises SanchaError for whatever is wrong, with the file or the loan ids.
    """
    header = _header(folder)
    book = _book(folder, header)
    for name in header["tables"]:
        if name not in tables(vocabulary):
            raise SanchaError(
                f"the book has a table `{name}` that the vocabulary “{vocabulary.name}” lacks",
                where=folder / BOOK_FILE,
                help=did_you_mean(name, tables(vocabulary)) or f"the book was made for “{book.vocabulary}”",
            )
    if LOANS not in book.tables:
        raise SanchaError("the book has no table `loans`", where=folder / BOOK_FILE)
    schemas = {name: _check_file(book, name, vocabulary) for name in book.tables}
    if book.rows[LOANS] == 0:
        raise SanchaError("the book is empty: `loans` has no row", where=book.tables[LOANS])
    if verify and digest_of(folder) != book.digest:
        raise SanchaError(
            "the book is not the one that was written: its digest differs",
            where=folder,
            help="a file was changed or damaged; make the book again",
        )
    with duckdb.connect() as connection:
        ordered = _check_rows(connection, book, vocabulary, schemas)
    return dataclasses.replace(book, ordered=ordered)


def damage(book: Book) -> SanchaError | None:
    """The first row group of a book that cannot be read, as an error; None if all can. Reads the whole book."""
    for name, path in book.tables.items():
        try:
            with pq.ParquetFile(path) as file:
                groups, group = file.num_row_groups, 0
                for group in range(groups):
                    for _ in file.iter_batches(row_groups=[group]):
                        pass
        except (OSError, pa.ArrowException) as error:
            first = str(error).partition("\n")[0]
            return SanchaError(
                f"row group {group + 1} of {groups} of `{name}` cannot be read: {first}",
                where=path,
                help="the file was damaged after it was written; make the book again",
            )
    return None


def read_file(book: Book, vocabulary: Vocabulary, loan_id: str) -> LoanFile:
    """One loan file by its id; SanchaError with the nearest ids if the book has none of that name."""
    with duckdb.connect() as connection:
        rows = _rows_between(connection, book, vocabulary, loan_id, loan_id)
        for file in _assembled(rows, vocabulary):
            return file
        near = connection.execute(
            f"SELECT {LOAN_ID} FROM read_parquet($path) ORDER BY levenshtein({LOAN_ID}, $id), 1 LIMIT 3",
            {"path": str(book.tables[LOANS]), "id": loan_id},
        ).fetchall()
    raise SanchaError(
        f"the book has no loan file `{loan_id}`",
        where=book.path,
        help="the nearest are " + ", ".join(f"`{row[0]}`" for row in near),
    )


def read_files(book: Book, vocabulary: Vocabulary, loan_ids: Iterable[str]) -> dict[str, LoanFile]:
    """Some loan files by their ids; ids that the book lacks are left out."""
    wanted = ", ".join("'" + loan_id.replace("'", "''") + "'" for loan_id in sorted(set(loan_ids)))
    if not wanted:
        return {}
    found = {}
    with duckdb.connect() as connection:
        for name in (LOANS, *vocabulary.lists):
            if name in book.tables:
                order = LOAN_ID if name == LOANS else f"{LOAN_ID}, {ITEM}"
                query = f"SELECT * FROM read_parquet($path) WHERE {LOAN_ID} IN ({wanted}) ORDER BY {order}"
                found[name] = connection.sql(query, params={"path": str(book.tables[name])}).to_arrow_table()
    return {file.id: file for file in _assembled(found, vocabulary)}


def iter_files(book: Book, vocabulary: Vocabulary, *, batch: int = 2_000) -> Iterator[LoanFile]:
    """All loan files in order of their ids, `batch` of them in memory at a time.

    A book in order is read once from end to end; of one that is not, each batch is looked up.
    """
    paths = {name: book.tables[name] for name in (LOANS, *vocabulary.lists) if name in book.tables}
    if all(map(_in_order, paths.values())):
        cursors = {name: _Cursor(path, batch) for name, path in paths.items()}
        while (loans := cursors[LOANS].next(batch)).num_rows:
            last = loans[LOAN_ID][-1].as_py()
            lists = {name: cursors[name].until(last) for name in paths if name != LOANS}
            yield from _assembled({LOANS: loans, **lists}, vocabulary)
        return
    with duckdb.connect() as connection:
        bounds = connection.execute(
            f"""SELECT min({LOAN_ID}), max({LOAN_ID}) FROM (
                  SELECT {LOAN_ID}, (row_number() OVER (ORDER BY {LOAN_ID}) - 1) // $batch AS part
                  FROM read_parquet($path)) GROUP BY part ORDER BY part""",
            {"path": str(book.tables[LOANS]), "batch": batch},
        ).fetchall()
        for first, last in bounds:
            yield from _assembled(_rows_between(connection, book, vocabulary, first, last), vocabulary)


def read_reference(book: Book, vocabulary: Vocabulary) -> Reference:
    """The reference lists that the book has, as rows of their fields, in the order of the file."""
    return {
        name: pq.read_table(book.tables[REFERENCE + name]).to_pylist()
        for name in vocabulary.reference
        if REFERENCE + name in book.tables
    }


def digest_of(folder: Path) -> str:
    """SHA-256 over the sorted lines `<relative path> <sha256 of the file>` of all Parquet files of a book."""
    lines = []
    for path in folder.rglob("*.parquet"):
        with path.open("rb") as file:
            lines.append(
                f"{path.relative_to(folder).as_posix()} {hashlib.file_digest(file, 'sha256').hexdigest()}\n"
            )
    return "sha256:" + hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _with_counts(loans: pa.Table, given: Mapping[str, pa.Table], vocabulary: Vocabulary) -> pa.Table:
    if LOAN_ID not in loans.column_names:
        return loans
    for name in vocabulary.lists:
        if name in loans.column_names:
            continue
        if name not in given or LOAN_ID not in given[name].column_names:
            loans = loans.append_column(name, pa.nulls(loans.num_rows, pa.int64()))
            continue
        found = pc.value_counts(given[name][LOAN_ID].combine_chunks())
        where = pc.index_in(loans[LOAN_ID], value_set=found.field("values"))
        counts = pc.fill_null(pc.take(found.field("counts"), where), 0)
        loans = loans.append_column(name, pc.cast(counts, pa.int64()))
    return loans


def _conform(rows: pa.Table, schema: pa.Schema, table: str, vocabulary: Vocabulary, where: Path) -> pa.Table:
    """The rows with the columns of the schema in its order, or a SanchaError that names what does not fit."""
    _check_columns(rows.schema, schema, table, where, vocabulary)
    rows = rows.select(schema.names)
    for key in (LOAN_ID, ITEM):
        if key in schema.names and rows[key].null_count and not table.startswith(REFERENCE):
            raise SanchaError(f"`{table}` has rows without `{key}`", where=where)
    rows = rows.cast(schema)
    for name, field in fields_of(vocabulary, table).items():
        if field.required and rows[name].null_count:
            raise SanchaError(
                f"`{name}` is required, and missing in {rows[name].null_count} rows", where=where
            )
        if field.type.name == "one of":
            strange = set(pc.unique(rows[name]).to_pylist()) - set(field.type.values) - {None}
            if strange:
                raise _not_one_of(table, name, field, sorted(strange), where)
    return rows


def _check_columns(
    found: pa.Schema, wanted: pa.Schema, table: str, where: Path, vocabulary: Vocabulary
) -> None:
    names = set(found.names)
    if absent := [n for n in wanted.names if n not in names]:
        raise SanchaError(
            f"`{table}` lacks the column{'s' if len(absent) > 1 else ''} {_listed(absent)}",
            where=where,
            help=f"a book has one column a fact of the vocabulary “{vocabulary.name}”; where nothing is "
            "known, fill it with nulls",
        )
    if strange := [n for n in found.names if n not in set(wanted.names)]:
        raise SanchaError(
            f"the vocabulary has no column{'s' if len(strange) > 1 else ''} {_listed(strange)} in `{table}`",
            where=where,
            help=did_you_mean(strange[0], wanted.names),
        )
    if twice := sorted(n for n in names if found.names.count(n) > 1):
        raise SanchaError(f"`{table}` has the column {_listed(twice)} twice", where=where)
    for field in wanted:
        other = found.field(field.name).type
        if not _same_type(other, field.type):
            raise SanchaError(
                f"the column `{field.name}` of `{table}` is {other}; expected {field.type}",
                where=where,
                help="docs/formats.md lists the column types of a book",
            )


def _same_type(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        return _same_type(found.value_type, wanted)
    if pa.types.is_list(wanted):
        lists = pa.types.is_list(found) or pa.types.is_large_list(found)
        return bool(lists) and _same_type(found.value_type, wanted.value_type)
    if pa.types.is_string(wanted):
        kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
        return any(is_text(found) for is_text in kinds)
    return bool(found == wanted)


def _header(folder: Path) -> dict[str, Any]:
    path = folder / BOOK_FILE
    if not folder.is_dir():
        raise SanchaError(
            "there is no such book", where=folder, help="`sancha synth` and `sancha import` make books"
        )
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SanchaError(
            f"the folder is not a book: it has no {BOOK_FILE}",
            where=folder,
            help="`sancha synth` and `sancha import` make books",
        ) from None
    except (OSError, ValueError) as e:
        raise SanchaError(f"{BOOK_FILE} cannot be read: {e}", where=path, help="make the book again") from e
    kinds = {
        "format": int,
        "vocabulary": str,
        "as_of": str,
        "synthetic": bool,
        "loans": int,
        "tables": dict,
        "digest": str,
        "source": str,
    }
    if not isinstance(header, dict):
        raise SanchaError(f"{BOOK_FILE} is not an object", where=path, help="make the book again")
    for key, kind in kinds.items():
        if not isinstance(header.get(key), kind):
            state = "lacks" if key not in header else "has a wrong value for"
            raise SanchaError(f"{BOOK_FILE} {state} `{key}`", where=path, help="make the book again")
    if header["format"] != FORMAT:
        raise SanchaError(
            f"the book has format {header['format']}; this version reads format {FORMAT}",
            where=path,
            help="make the book again with this version",
        )
    if not all(isinstance(n, int) for n in header["tables"].values()):
        raise SanchaError(
            f"{BOOK_FILE} has a wrong value for `tables`", where=path, help="make the book again"
        )
    try:
        dt.date.fromisoformat(header["as_of"])
    except ValueError:
        raise SanchaError(
            f"{BOOK_FILE} has `{header['as_of']}` as its day", where=path, help="write `as_of` as 2024-12-31"
        ) from None
    return header


def _book(folder: Path, header: Mapping[str, Any]) -> Book:
    rows = header["tables"]
    return Book(
        path=folder,
        vocabulary=header["vocabulary"],
        as_of=dt.date.fromisoformat(header["as_of"]),
        loans=header["loans"],
        digest=header["digest"],
        synthetic=header["synthetic"],
        source=header["source"],
        tables={name: folder / file_of(name) for name in rows},
        rows=dict(rows),
    )


def _check_file(book: Book, table: str, vocabulary: Vocabulary) -> pa.Schema:
    """Check that the file of a table can be read and has the columns; return its columns."""
    path = book.tables[table]
    try:
        with pq.ParquetFile(path) as file:
            found, rows = file.schema_arrow, file.metadata.num_rows
    except FileNotFoundError:
        raise SanchaError(f"the book lacks the file of its table `{table}`", where=path) from None
    except (OSError, pa.ArrowException) as e:
        raise SanchaError(
            f"the file of `{table}` cannot be read as Parquet; it looks truncated or damaged",
            where=path,
            help=f"make the book again ({str(e).splitlines()[0]})",
        ) from e
    wanted = table_schema(vocabulary, table)
    if table == LOANS:
        absent = [n for n in vocabulary.lists if n not in found.names]
        wanted = pa.schema([field for field in wanted if field.name not in absent])
    _check_columns(found, wanted, table, path, vocabulary)
    if rows != book.rows[table] or (table == LOANS and rows != book.loans):
        raise SanchaError(
            f"`{table}` has {rows} rows, and {BOOK_FILE} says {book.rows[table]}",
            where=path,
            help="the file was replaced or damaged; make the book again",
        )
    return found


def _check_rows(
    connection: duckdb.DuckDBPyConnection,
    book: Book,
    vocabulary: Vocabulary,
    schemas: Mapping[str, pa.Schema],
) -> bool:
    """Check every row; whether `loans` is in order of loan ids."""
    loans = book.tables[LOANS]
    with ThreadPoolExecutor(1) as beside:
        in_order = beside.submit(_in_order, loans)
        for table, path in book.tables.items():
            _check_values(connection, path, table, vocabulary)
            _check_days(connection, path, table, vocabulary)
        ordered = in_order.result()
    counted = [n for n in vocabulary.lists if n in schemas[LOANS].names]
    columns = ", ".join([LOAN_ID, *(f'"{n}"' for n in counted)])
    lists = [n for n in vocabulary.lists if n in book.tables]
    # Only items need their parents more than once.
    kind = "TABLE" if lists else "VIEW"
    query = f"SELECT {columns} FROM read_parquet('{_quoted(loans)}')"
    connection.execute(f"CREATE TEMP {kind} parents AS {query}")
    if not ordered:
        _check_ids(connection, loans)
    for name in counted:
        if name not in lists and _ids(connection, f'SELECT 1 FROM parents WHERE "{name}" <> 0 LIMIT 1'):
            raise SanchaError(
                f"`loans` counts items of `{name}`, and the book has no table of them",
                where=loans,
                help=f"give the book `{file_of(name)}`; where a file's items are not known, the number is null",
            )
    for name in _doubtful_lists(connection, book, lists, counted):
        _check_list(connection, book, name, counted=name in counted)
    return ordered


def _check_ids(connection: duckdb.DuckDBPyConnection, loans: Path) -> None:
    """Every file has an id of its own."""
    if _ids(connection, f"SELECT 'x' FROM parents WHERE {LOAN_ID} IS NULL LIMIT 1"):
        raise SanchaError("`loans` has rows without a loan id", where=loans)
    query = f"SELECT {LOAN_ID} FROM parents GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 3"
    if twice := _ids(connection, query):
        raise SanchaError(
            f"loan ids come more than once in `loans`: {_listed(twice)}",
            where=loans,
            help="a loan file has one row; several loans under one contract need several ids",
        )


_MISNUMBERED = "(numbers < items OR lowest <> 1 OR highest <> items OR total <> items * (items + 1) // 2)"


def _owners(path: Path) -> str:
    return f"""SELECT {LOAN_ID} AS owner, count(*) AS items, count({ITEM}) AS numbers, min({ITEM}) AS lowest,
               max({ITEM}) AS highest, sum({ITEM}) AS total FROM read_parquet('{_quoted(path)}') GROUP BY 1"""


def _doubtful_lists(
    connection: duckdb.DuckDBPyConnection, book: Book, lists: list[str], counted: list[str]
) -> list[str]:
    """The lists in which something is wrong: one pass over all of them, that meets the parents once."""
    if not lists:
        return []
    owners = " UNION ALL ".join(
        f"SELECT {i} AS list, * FROM ({_owners(book.tables[n])})" for i, n in enumerate(lists)
    )
    counts = " ".join(f'WHEN {i} THEN "{n}"' for i, n in enumerate(lists) if n in counted)
    count = f"CASE list {counts} ELSE items END" if counts else "items"
    wrong = connection.execute(
        f"""SELECT DISTINCT list FROM ({owners}) LEFT JOIN parents ON owner = {LOAN_ID}
            WHERE {LOAN_ID} IS NULL OR {_MISNUMBERED} OR items IS DISTINCT FROM {count}"""
    ).fetchall()
    doubtful = {lists[row[0]] for row in wrong}
    # Where a parent counts items that are not there, the sum is too large.
    both = [n for n in lists if n in counted]
    if both:
        sums = connection.execute(
            "SELECT " + ", ".join(f'coalesce(sum("{n}"), 0)' for n in both) + " FROM parents"
        )
        found = sums.fetchone()
        assert found is not None
        doubtful |= {n for n, total in zip(both, found, strict=True) if total != book.rows[n]}
    return [n for n in lists if n in doubtful]


def _check_list(connection: duckdb.DuckDBPyConnection, book: Book, name: str, *, counted: bool) -> None:
    """Every item has a parent and a number, the numbers are 1, 2, …, and the parent counts its items well."""
    path = book.tables[name]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE owners AS {_owners(path)}")
    query = f"""SELECT coalesce(owner, '(none)') FROM owners ANTI JOIN parents ON owner = {LOAN_ID}
                ORDER BY 1 LIMIT 3"""
    if orphans := _ids(connection, query):
        raise SanchaError(
            f"`{name}` has rows of loan ids that are not in `loans`: {_listed(orphans)}",
            where=path,
            help="every item belongs to a loan file of the same book",
        )
    if misnumbered := _ids(connection, f"SELECT owner FROM owners WHERE {_MISNUMBERED} ORDER BY 1 LIMIT 3"):
        raise SanchaError(
            f"the items of `{name}` are not numbered 1, 2, … in {_listed(misnumbered)}",
            where=path,
            help=f"`{ITEM}` counts the items within a loan file",
        )
    if counted:
        query = f"""SELECT {LOAN_ID} FROM parents LEFT JOIN owners ON owner = {LOAN_ID}
                    WHERE coalesce(items, 0) <> coalesce("{name}", 0) ORDER BY 1 LIMIT 3"""
        if miscounted := _ids(connection, query):
            raise SanchaError(
                f"the column `{name}` of `loans` does not tell the number of items in {_listed(miscounted)}",
                where=path,
                help="it is the number of items, or null where the list is missing",
            )


def _check_values(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, vocabulary: Vocabulary
) -> None:
    """No value outside its enumeration, no required fact missing: one pass over those columns."""
    fields = {n: f for n, f in fields_of(vocabulary, table).items() if f.type.name == "one of" or f.required}
    tests = []
    for name, field in fields.items():
        column = f'"{name}"'
        values = ", ".join(f"'{v}'" for v in field.type.values)
        outside = f"{column} NOT IN ({values})" if field.type.name == "one of" else "false"
        tests.append(f"count(*) FILTER ({outside}), count(*) - count({column})")
    if not tests:
        return
    row = connection.execute(f"SELECT {', '.join(tests)} FROM read_parquet('{_quoted(path)}')").fetchone()
    assert row is not None
    for (name, field), outside, absent in zip(fields.items(), row[::2], row[1::2], strict=True):
        if outside:
            values = ", ".join(f"'{v}'" for v in field.type.values)
            query = f"""SELECT DISTINCT "{name}" FROM read_parquet('{_quoted(path)}')
                        WHERE "{name}" NOT IN ({values}) ORDER BY 1 LIMIT 3"""
            raise _not_one_of(table, name, field, _ids(connection, query), path)
        if absent and field.required:
            raise SanchaError(f"`{name}` is required, and missing in {absent} rows of `{table}`", where=path)


def _check_days(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, vocabulary: Vocabulary
) -> None:
    """No day before the year 1 or after 9999, which no value of the language can be."""
    names = [n for n, f in fields_of(vocabulary, table).items() if f.type.name in ("date", "date-time")]
    with pq.ParquetFile(path) as file:
        names = [n for n in names if not _days_known(file.metadata, n)]
    outside = " UNION ALL ".join(
        f"""(SELECT '{name}' FROM read_parquet('{_quoted(path)}')
             WHERE "{name}" < DATE '0001-01-01' OR "{name}" >= DATE '10000-01-01' LIMIT 1)"""
        for name in names
    )
    if outside and (found := _ids(connection, outside)):
        raise SanchaError(
            f"the column `{found[0]}` of `{table}` holds days outside the years 1 to 9999",
            where=path,
            help="make the book again: `sancha import` rejects such values one by one",
        )


def _days_known(metadata: pq.FileMetaData, name: str) -> bool:
    """Whether the statistics of a column of days say that all lie within the years that Python knows."""
    index = [metadata.schema.column(i).path for i in range(metadata.num_columns)].index(name)
    for group in range(metadata.num_row_groups):
        column = metadata.row_group(group).column(index)
        statistics = column.statistics
        if statistics is None or not (statistics.has_min_max or statistics.null_count == column.num_values):
            return False
        try:
            # A day that is none raises.
            _ = statistics.min, statistics.max
        except (OverflowError, ValueError):
            return False
    return True


def _not_one_of(table: str, name: str, field: Field, strange: list[str], where: Path) -> SanchaError:
    return SanchaError(
        f"the column `{name}` of `{table}` holds {_listed(strange)}, which the vocabulary does not name",
        where=where,
        help=did_you_mean(strange[0], field.type.values) or f"expected {field.type}",
    )


class _Cursor:
    """Reads a Parquet file in order of loan id, from end to end."""

    def __init__(self, path: Path, batch: int) -> None:
        file = pq.ParquetFile(path)
        self._rest = file.schema_arrow.empty_table()
        self._batches = file.iter_batches(batch)

    def next(self, rows: int) -> pa.Table:
        """The next so many rows, fewer at the end."""
        while self._rest.num_rows < rows and self._more():
            pass
        return self._take(rows)

    def until(self, loan_id: str) -> pa.Table:
        """The next rows whose loan id is not greater."""
        while (not self._rest.num_rows or self._rest[LOAN_ID][-1].as_py() <= loan_id) and self._more():
            pass
        return self._take(pc.sum(pc.less_equal(self._rest[LOAN_ID], loan_id)).as_py() or 0)

    def _more(self) -> bool:
        batch = next(self._batches, None)
        if batch is None:
            return False
        self._rest = pa.concat_tables([self._rest, pa.Table.from_batches([batch])])
        return True

    def _take(self, rows: int) -> pa.Table:
        taken, self._rest = self._rest.slice(0, rows), self._rest.slice(rows)
        return taken


def _in_order(path: Path) -> bool:
    """Whether the rows of a table stand in order of loan id, and of item where there is one."""
    with pq.ParquetFile(path) as file:
        keys = [k for k in (LOAN_ID, ITEM) if k in file.schema_arrow.names]
        last: tuple[object, ...] | None = None
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=keys)
            columns = [rows[k].combine_chunks() for k in keys]
            if not rows.num_rows or any(c.null_count for c in columns):
                return False
            first = tuple(c[0].as_py() for c in columns)
            if (last is not None and first <= last) or not _ascending(columns):
                return False
            last = tuple(c[-1].as_py() for c in columns)
    return True


def _ascending(keys: list[pa.Array]) -> bool:
    """Whether each row comes after the one before it, by loan id and then by item."""
    before = pc.less(keys[0][:-1], keys[0][1:])
    if len(keys) > 1:
        same = pc.equal(keys[0][:-1], keys[0][1:])
        before = pc.or_(before, pc.and_(same, pc.less(keys[1][:-1], keys[1][1:])))
    return bool(pc.all(before, min_count=0).as_py())


def _rows_between(
    connection: duckdb.DuckDBPyConnection, book: Book, vocabulary: Vocabulary, first: str, last: str
) -> dict[str, pa.Table]:
    """The rows of the files whose ids lie between two ids, both included, in order."""
    found = {}
    for name in (LOANS, *vocabulary.lists):
        if name in book.tables:
            order = LOAN_ID if name == LOANS else f"{LOAN_ID}, {ITEM}"
            query = (
                f"SELECT * FROM read_parquet($path) WHERE {LOAN_ID} BETWEEN $first AND $last ORDER BY {order}"
            )
            values = {"path": str(book.tables[name]), "first": first, "last": last}
            found[name] = connection.sql(query, params=values).to_arrow_table()
    return found


def _assembled(tables: Mapping[str, pa.Table], vocabulary: Vocabulary) -> Iterator[LoanFile]:
    """Loan files of the rows of their tables, which stand in order."""
    loans = tables[LOANS]
    lists = {name: _by_owner(table) for name, table in tables.items() if name != LOANS}
    columns = {name: loans[name].to_pylist() for name in loans.column_names}
    facts = zip(*(columns[name] for name in vocabulary.facts), strict=True) if vocabulary.facts else iter(())
    for position, (loan_id, values) in enumerate(zip(columns[LOAN_ID], facts, strict=True)):
        items: dict[str, list[Item] | None] = {}
        for name in vocabulary.lists:
            known = name in columns and columns[name][position] is not None
            there = name in lists and (known or name not in columns)
            items[name] = lists.get(name, {}).get(loan_id, []) if known or there else None
        yield LoanFile(loan_id, dict(zip(vocabulary.facts, values, strict=True)), items)


def _by_owner(rows: pa.Table) -> dict[str, list[Item]]:
    names = [n for n in rows.column_names if n != LOAN_ID]
    owners: dict[str, list[Item]] = {}
    values: Iterable[tuple[object, ...]] = zip(*(rows[n].to_pylist() for n in names), strict=True)
    for owner, item in zip(rows[LOAN_ID].to_pylist(), values, strict=True):
        owners.setdefault(owner, []).append(dict(zip(names, item, strict=True)))
    return owners


def _ids(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(query).fetchall()]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"

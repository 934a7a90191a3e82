"""The working tables of a run: a chunk of a book's files and of their items, numbered, in the types of the plan.

Decimals become whole numbers of their scale, files and items get small keys, and only what the plan reads is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from sancha.engine.book.schema import ITEM, LOAN_ID, LOANS, REFERENCE, table_schema
from sancha.engine.book.store import Book
from sancha.engine.feel.types import Type
from sancha.engine.policy.plan import Plan
from sancha.engine.policy.vocabulary import Vocabulary
from sancha.engine.run.relations import FILE_KEY, ROW_KEY, quoted
from sancha.engine.run.to_columns import (
    DECIMALS,
    BookBounds,
    ColumnBounds,
    ListBounds,
    limits,
    storage,
)

#: Files that are judged together, at most, and values of them; the memory of a run grows with these, and not with the
#: book. Neither depends on the machine, so that the same book has the same chunks everywhere. Without exceptions, which
#: take more room than all else, twice as many files go together.
CHUNK = 250_000
CHUNK_VALUES = 25_000_000
#: Up to so many queries it costs less to read the book for each than to lay the files out in a table first.
FEW_QUERIES = 4
_MANY = 1_000
_WIDE = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Span:
    """A chunk: its files are those with ids from `first` to `last`. Of a book in order of loan ids `row` is the row of
    `loans` at which they begin, from 0 on; without lists nothing asks for their ids, which then are empty."""

    first: str
    last: str
    files: int
    row: int | None = None


def spans(book: Book, plan: Plan, size: int = CHUNK) -> Iterator[Span]:
    """The chunks of a book, in order of loan ids. Books are written in that order; others are sorted here."""
    loans = book.tables[LOANS]
    if not book.ordered:
        yield from _sorted_spans(loans, size)
    elif not plan.lists:
        yield from (Span("", "", min(size, book.loans - row), row) for row in range(0, book.loans, size))
    else:
        with pq.ParquetFile(loans) as file:
            row = 0
            for batch in file.iter_batches(size, columns=[LOAN_ID]):
                ids = batch.column(0)
                yield Span(ids[0].as_py(), ids[-1].as_py(), len(ids), row)
                row += len(ids)


def _sorted_spans(loans: Path, size: int) -> Iterator[Span]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""SELECT min({LOAN_ID}), max({LOAN_ID}), count(*) FROM (
                  SELECT {LOAN_ID}, (row_number() OVER (ORDER BY {LOAN_ID}) - 1) // $size AS part
                  FROM read_parquet($path)) GROUP BY part ORDER BY part""",
            {"path": str(loans), "size": size},
        ).fetchall()
    yield from (Span(*row) for row in rows)


def chunk_size(book: Book, plan: Plan, exceptions: bool) -> int:
    """How many files of a book are judged together, with or without their exceptions."""
    values = len(plan.facts) * book.rows[LOANS]
    for name, fields in plan.lists.items():
        # The keys of an item are values too.
        values += (len(fields) + 2) * book.rows.get(name, 0)
    most = CHUNK if exceptions else 2 * CHUNK
    return max(min(most, CHUNK_VALUES * book.rows[LOANS] // max(values, 1)), 1)


def book_bounds(book: Book, vocabulary: Vocabulary, plan: Plan) -> BookBounds:
    """What the statistics of a book's Parquet files tell of the columns that the plan reads.

    A list that the book has no table for is empty, and missing where the loans do not count its items as none.
    """
    loans = pq.read_metadata(book.tables[LOANS])
    facts = {name: _column(loans, name, vocabulary.facts[name].type) for name in plan.facts}
    lists = {}
    for name in plan.lists:
        counted = name in _names(loans)
        if name not in book.tables:
            missing = not counted or _column(loans, name, Type("integer")).nullable
            lists[name] = without_rows(plan.lists[name], missing)
            continue
        metadata = pq.read_metadata(book.tables[name])
        spec = vocabulary.lists[name]
        fields = {
            f: _column(metadata, f, field.type) for f, field in spec.fields.items() if f in plan.lists[name]
        }
        most = _column(metadata, ITEM, Type("integer")).high
        items = metadata.num_rows if most is None else min(most, metadata.num_rows)
        missing = counted and _column(loans, name, Type("integer")).nullable
        lists[name] = ListBounds(fields, items, missing)
    reference = {}
    for name in plan.reference:
        if REFERENCE + name not in book.tables:
            reference[name] = without_rows(plan.reference[name], True)
            continue
        metadata = pq.read_metadata(book.tables[REFERENCE + name])
        spec = vocabulary.reference[name]
        fields = {
            f: _column(metadata, f, field.type)
            for f, field in spec.fields.items()
            if f in plan.reference[name]
        }
        reference[name] = ListBounds(fields, metadata.num_rows, False)
    return BookBounds(facts, lists, reference)


def has_list(book: Book, name: str) -> bool:
    """Whether a book knows a list for some file: by numbers of items in `loans`, or without them by its table."""
    loans = pq.read_metadata(book.tables[LOANS])
    if name not in _names(loans):
        return name in book.tables
    index = _names(loans).index(name)
    columns = [loans.row_group(i).column(index) for i in range(loans.num_row_groups)]
    return any(c.statistics is None or c.statistics.null_count < c.num_values for c in columns)


def without_rows(fields: Iterable[str], missing: bool) -> ListBounds:
    """The bounds of a list without rows."""
    return ListBounds({field: ColumnBounds(True, 0, 0) for field in fields}, 0, missing)


def _names(metadata: pq.FileMetaData) -> list[str]:
    return [metadata.schema.column(i).path for i in range(metadata.num_columns)]


def _column(metadata: pq.FileMetaData, name: str, type: Type) -> ColumnBounds:
    if type.name == "list":
        return ColumnBounds()
    index = _names(metadata).index(name)
    nullable, low, high = False, None, None
    known = True
    for group in range(metadata.num_row_groups):
        column = metadata.row_group(group).column(index)
        if not column.num_values:
            continue
        statistics = column.statistics
        if statistics is None or not statistics.has_null_count:
            return ColumnBounds()
        nullable |= statistics.null_count > 0
        if statistics.null_count == column.num_values:
            continue
        if not statistics.has_min_max:
            known = False
        elif type.name in DECIMALS or type.name in ("integer", "days"):
            places = DECIMALS[type.name][0] if type.name in DECIMALS else 0
            least, most = (
                int(x.scaleb(places, _WIDE)) if places else int(x) for x in (statistics.min, statistics.max)
            )
            low = least if low is None else min(low, least)
            high = most if high is None else max(high, most)
        elif type.name == "date":
            first, last = statistics.min.toordinal(), statistics.max.toordinal()
            low = first if low is None else min(low, first)
            high = last if high is None else max(high, last)
    if not known:
        return ColumnBounds(nullable)
    # A column without a single value is bounded by anything.
    numeric = type.name in DECIMALS or type.name in ("integer", "days")
    return ColumnBounds(
        nullable, 0 if numeric and low is None else low, 0 if numeric and high is None else high
    )


class WorkingTables:
    """Makes the relations `files`, `list:NAME` and `reference:NAME` of a connection.

    `paths` are the Parquet files of the tables of the book; a list without one has no rows. Of a book in order they are
    views, which read the book anew for each query, unless `queries`, of which it is told how many there will be, are
    many.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        vocabulary: Vocabulary,
        plan: Plan,
        bounds: BookBounds,
        paths: Mapping[str, Path],
        queries: int = _MANY,
    ) -> None:
        self.connection = connection
        self.vocabulary = vocabulary
        self.plan = plan
        self.bounds = bounds
        self.paths = paths
        self.queries = queries

    def reference(self) -> None:
        """Load the reference lists, once for all chunks."""
        for name, fields in self.plan.reference.items():
            spec, bounds = self.vocabulary.reference[name], self.bounds.reference[name]
            columns = [f"row_number() OVER () AS {ROW_KEY}"]
            columns += [self.column(f, spec.fields[f].type, bounds.fields[f]) for f in sorted(fields)]
            self._make("TABLE", f"reference:{name}", columns, self._source(REFERENCE + name))

    def load(self, span: Span) -> None:
        """Load the files of a chunk and their items."""
        where = f"{LOAN_ID} BETWEEN {_text(span.first)} AND {_text(span.last)}"
        loans = read_parquet(self.paths[LOANS])
        # Files have the numbers from 1 on, in order of their ids.
        if span.row is None:
            number, numbered = f"row_number() OVER (ORDER BY {LOAN_ID})", f"{loans} WHERE {where}"
        else:
            number = f"file_row_number - {span.row - 1}"
            within = f"file_row_number BETWEEN {span.row} AND {span.row + span.files - 1}"
            numbered = f"{read_parquet(self.paths[LOANS], rows=True)} WHERE {within}"
        number = f"CAST({number} AS INTEGER) AS f"
        columns = []
        for name in sorted(self.plan.facts):
            columns.append(self.column(name, self.vocabulary.facts[name].type, self.bounds.facts[name], "x."))
        for name in self.plan.lists:
            if self.bounds.lists[name].missing:
                # Without a table and without a number of items in `loans`, it is missing for every file.
                lacking = f"x.{quoted(name)} IS NULL" if self._counted(name) else "TRUE"
                columns.append(f"{lacking} AS {quoted('list:' + name)}")
        if self.plan.lists or span.row is None:
            # Files that are in no order are put into it by their ids alone: sorting whole rows would cost more than
            # judging them.
            self._make("TABLE", "numbers", [LOAN_ID, number], numbered)
        kind = "VIEW" if span.row is not None and self.queries <= FEW_QUERIES else "TABLE"
        if span.row is None:
            self._make(kind, "files", ["n.*", *columns], self._within(LOANS, where))
        else:
            self._make(kind, "files", [f"x.{LOAN_ID}", number, *columns], f"(FROM {numbered}) x")
        for name, fields in self.plan.lists.items():
            spec, bounds = self.vocabulary.lists[name], self.bounds.lists[name]
            key = f"CAST(n.f AS BIGINT) * {bounds.items + 1} + x.{ITEM} AS {ROW_KEY}"
            columns = [f"n.f AS {FILE_KEY}", key, f"x.{ITEM}"]
            columns += [self.column(f, spec.fields[f].type, bounds.fields[f], "x.") for f in sorted(fields)]
            self._make(kind, f"list:{name}", columns, self._within(name, where))

    def _within(self, table: str, where: str) -> str:
        """The rows of a table of the book that belong to the chunk, as `x`, with their files' numbers, as `n`."""
        return f"(SELECT * FROM {self._source(table)} WHERE {where}) x JOIN numbers n USING ({LOAN_ID})"

    def _source(self, table: str) -> str:
        if table in self.paths:
            return read_parquet(self.paths[table])
        self.connection.register(f"no:{table}", table_schema(self.vocabulary, table).empty_table())
        return quoted(f"no:{table}")

    def _counted(self, name: str) -> bool:
        """Whether the loans have a column for the number of items of a list."""
        return name in self.paths or name in pq.read_schema(self.paths[LOANS]).names

    def _make(self, kind: str, name: str, columns: Sequence[str], source: str) -> None:
        self.connection.execute(
            f"CREATE OR REPLACE {kind} {quoted(name)} AS SELECT {', '.join(columns)} FROM {source}"
        )

    def column(self, name: str, type: Type, bounds: ColumnBounds, table: str = "") -> str:
        """A column of the source in the type of the plan."""
        source = f"{table}{quoted(name)}"
        sql_type, places = storage(type, bounds)
        if not places:
            return f"{source} AS {quoted(name)}"
        low, high = limits(type, bounds)
        digits = 18 if type.name != "number" else 30
        unit = 10**places
        # DuckDB keeps the width of the decimal in the product: widen it where the product needs more digits.
        wide = max(-low, high) * unit >= 10**digits
        widened = f"CAST({source} AS DECIMAL(38,{places}))" if wide else source
        return f"CAST({widened} * {unit} AS {sql_type}) AS {quoted(name)}"


def read_parquet(path: Path, *, rows: bool = False) -> str:
    """SQL that reads a Parquet file; with `rows` also the number of each row, from 0 on, as `file_row_number`."""
    return f"read_parquet({_text(str(path))}{', file_row_number = true' if rows else ''})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

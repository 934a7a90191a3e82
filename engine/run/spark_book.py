"""Books that a Spark session reads: a folder on this machine, a folder at a URL, or tables of a catalog.

`s3a://bank/books/2024` is a folder of a book as docs/formats.md has it, in which a table may also be a folder of parts.
`delta:s3a://bank/books/2024` is one whose tables are in another format that Spark knows by that name, each a path
without an ending: `loans`, `visits`, `reference/staff`.
`table:lake.credit` is a database of a catalog, with Iceberg, Delta or other tables of these columns: `loans`, a table
a list by its name, and `reference_NAME` a reference list. What `open_book` asks of a book on disk, Spark asks of these.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sancha.engine.book.schema import ITEM, LOAN_ID, LOANS, REFERENCE, fields_of, file_of, table_schema
from sancha.engine.book.store import BOOK_FILE, Book, damage, open_book
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.plan import Plan
from sancha.engine.policy.vocabulary import Field, Vocabulary
from sancha.engine.run.relations import literal, quoted
from sancha.engine.run.replay import rules_that_read, rules_without_lists
from sancha.engine.run.spark_session import pattern
from sancha.engine.run.to_columns import DECIMALS, BookBounds, ColumnBounds, ListBounds
from sancha.engine.run.working import book_bounds, without_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: What the place of a book in a catalog begins with.
CATALOG = "table:"
#: A format and a URL.
_FORMAT = re.compile(r"(?P<format>\w+):(?P<url>[A-Za-z][\w+.-]*://.*)")
_WHOLE = ("integer", "days")


@dataclass(frozen=True)
class Source:
    """A book and how a session reads it.

    `reference` holds the rows of reference lists, in their order; `absent` names the tables that the book lacks for
    every file, with the rules that read them; `damage` is what is wrong with its files, where they can be looked at.
    """

    book: Book
    place: str
    bounds: Callable[[Plan], BookBounds]
    read: Callable[[SparkSession, str], DataFrame]
    reference: Callable[[str], pa.Table]
    absent: Callable[[Plan], dict[str, list[str]]]
    damage: Callable[[], SanchaError | None]


#: Footers that are read at a time.
_AT_A_TIME = 8


def is_remote(place: str) -> bool:
    """Whether a place is one that only a session reads."""
    return place.startswith(CATALOG) or "://" in place


def on_disk(folder: Path, vocabulary: Vocabulary) -> Source:
    """A book on this machine's disk, or one that is mounted by all workers."""
    book = open_book(folder, vocabulary)

    def read(spark: SparkSession, table: str) -> DataFrame:
        return spark.read.parquet(pattern(book.tables[table]))

    return Source(
        book,
        str(folder),
        lambda plan: book_bounds(book, vocabulary, plan),
        read,
        lambda table: pq.read_table(book.tables[table]),
        lambda plan: rules_without_lists(plan, book),
        lambda: damage(book),
    )


def from_session(
    spark: SparkSession, place: str, vocabulary: Vocabulary, plan: Plan, as_of: dt.date | None
) -> Source:
    """A book that the session reads, checked; SanchaError for whatever is wrong.

    Only tables that the plan reads are looked at. A book in a catalog has no day of its own: `as_of` is needed.
    """
    wanted = [LOANS, *plan.lists, *(REFERENCE + name for name in plan.reference)]
    frames, header = _frames(spark, place, wanted)
    if LOANS not in frames:
        raise SanchaError(
            f"no table `{LOANS}` can be read at `{place}`", help="the session must be able to read it"
        )
    day = as_of or (dt.date.fromisoformat(header["as_of"]) if "as_of" in header else None)
    if day is None:
        raise SanchaError(f"the book at `{place}` has no day of its own", help="give it: --as-of 2024-12-31")
    for name, frame in frames.items():
        _check_columns(frame, name, vocabulary, place)
    with contextlib.ExitStack() as views:
        rows = _check_rows(spark, views, frames, vocabulary, place)
    book = Book(
        path=Path(place),
        vocabulary=vocabulary.name,
        as_of=day,
        loans=rows[LOANS],
        digest=header.get("digest", ""),
        synthetic=bool(header.get("synthetic", False)),
        source=place,
        tables={name: Path(file_of(name)) for name in frames},
        rows=rows,
    )
    return Source(
        book,
        place,
        lambda read: _bounds(frames, rows, vocabulary, read),
        lambda _, table: frames[table],
        lambda table: frames[table].toArrow(),
        lambda read: _absent(frames, read),
        lambda: None,
    )


def _absent(frames: Mapping[str, DataFrame], plan: Plan) -> dict[str, list[str]]:
    """As `rules_without_lists` has it."""
    loans = frames[LOANS]
    counted = [name for name in plan.lists if name in loans.columns]
    texts = [f"count({quoted(name)}) AS n{i}" for i, name in enumerate(counted)]
    (known,) = loans.selectExpr("count(*)", *texts).collect()
    lacking = {name for name, values in zip(counted, known[1:], strict=True) if not values}
    lacking |= {name for name in plan.lists if name not in counted and name not in frames}
    absent = [name for name in plan.lists if name in lacking]
    absent += [REFERENCE + name for name in plan.reference if REFERENCE + name not in frames]
    return rules_that_read(plan, absent)


def _frames(
    spark: SparkSession, place: str, wanted: Iterable[str]
) -> tuple[dict[str, DataFrame], Mapping[str, Any]]:
    """The tables that there are, and what book.json says."""
    frames: dict[str, DataFrame] = {}
    if place.startswith(CATALOG):
        database = place.removeprefix(CATALOG)
        for name in wanted:
            table = f"{database}.{name.replace('/', '_')}"
            if spark.catalog.tableExists(table):
                frames[name] = spark.read.table(table)
        return frames, {}
    if (match := _FORMAT.fullmatch(place)) is not None:
        root = match["url"].rstrip("/")
        for name in wanted:
            if (frame := _loaded(spark, match["format"], f"{root}/{name}")) is not None:
                frames[name] = frame
        return frames, _header(spark, root) or {}
    root = place.rstrip("/")
    header = _header(spark, root)
    if header is None:
        raise SanchaError(
            f"there is no book at `{place}`: {BOOK_FILE} cannot be read", help="a book is a folder with it"
        )
    for name in wanted:
        if name in header["tables"]:
            frames[name] = spark.read.parquet(f"{root}/{file_of(name)}")
            _check_parts(spark, frames[name], name)
    return frames, header


def _check_parts(spark: SparkSession, frame: DataFrame, table: str) -> None:
    """All files of a table have the same columns: Spark would take those of one file, and let others miss values."""
    parts = sorted(frame.inputFiles())
    if len(parts) < 2:
        return

    def columns(part: str) -> dict[str, str]:
        return {field.name: field.dataType.simpleString() for field in spark.read.parquet(part).schema.fields}

    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        found = list(threads.map(columns, parts))
    first = found[0]
    for part, other in zip(parts, found, strict=True):
        for name in {**first, **other}:
            if first.get(name) != other.get(name):
                raise SanchaError(
                    f"the files of `{table}` differ in the column `{name}`: {first.get(name, 'absent')} in "
                    f"{Path(parts[0]).name}, {other.get(name, 'absent')} in {Path(part).name}",
                    where=Path(part).parent,
                    help="write the table again, with one schema",
                )


def _header(spark: SparkSession, root: str) -> Mapping[str, Any] | None:
    """What book.json of a folder says; None where there is none."""
    from pyspark.errors import AnalysisException

    try:
        (row,) = spark.read.text(f"{root}/{BOOK_FILE}", wholetext=True).collect()
    except AnalysisException:
        return None
    try:
        found: dict[str, Any] = json.loads(row[0])
        return {"tables": found["tables"], **found}
    except (ValueError, KeyError, TypeError) as error:
        raise SanchaError(f"`{root}/{BOOK_FILE}` is not what `sancha import` writes") from error


def _loaded(spark: SparkSession, format: str, path: str) -> DataFrame | None:
    """A table at a path; None where there is nothing."""
    from pyspark.errors import AnalysisException

    try:
        frame = spark.read.format(format).load(path)
        # Through Spark Connect nothing is looked at before it is asked for.
        frame.columns  # noqa: B018
    except AnalysisException as error:
        if re.search("PATH_NOT_FOUND|TABLE_OR_VIEW_NOT_FOUND|TABLE_NOT_FOUND|doesn't exist", str(error)):
            return None
        raise
    return frame


def _check_columns(frame: DataFrame, table: str, vocabulary: Vocabulary, place: str) -> None:
    """Of all columns of a table that the vocabulary names, the type; other columns are left alone."""
    found = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    for field in table_schema(vocabulary, table):
        if table == LOANS and field.name in vocabulary.lists and field.name not in found:
            continue
        wanted = _spark_type(field.type)
        if field.name not in found:
            raise SanchaError(f"`{table}` at `{place}` lacks the column `{field.name}`")
        if found[field.name] != wanted:
            raise SanchaError(
                f"the column `{field.name}` of `{table}` at `{place}` is {found[field.name]}; expected {wanted}",
                help="docs/formats.md lists the column types of a book; a view of a catalog can give them",
            )


def _spark_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"array<{_spark_type(kind.value_type)}>"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    names = {"string": "string", "bool": "boolean", "int64": "bigint", "date32[day]": "date"}
    return names.get(str(kind), "timestamp_ntz")


def _check_rows(
    spark: SparkSession,
    views: contextlib.ExitStack,
    frames: Mapping[str, DataFrame],
    vocabulary: Vocabulary,
    place: str,
) -> dict[str, int]:
    """The numbers of rows, where ids, parents, items and values are as a book has them. Views go with `views`."""
    for view in ("sancha check", "sancha loans"):
        views.callback(spark.catalog.dropTempView, view)
    rows = {}
    for name, frame in frames.items():
        frame.createOrReplaceTempView("`sancha check`")
        fields = fields_of(vocabulary, name)
        tests = ["count(*)"]
        names = []
        for f, field in fields.items():
            column = quoted(f)
            if field.required:
                names.append(f"`{f}` is required, and missing")
                tests.append(f"count_if({column} IS NULL)")
            if field.type.name == "one of":
                values = (
                    ", ".join(literal(v) for v in field.type.values).replace("{{", "{").replace("}}", "}")
                )
                names.append(f"`{f}` holds what the vocabulary does not name")
                tests.append(f"count_if({column} NOT IN ({values}))")
        if not name.startswith(REFERENCE):
            names.append(f"`{LOAN_ID}` is missing")
            tests.append(f"count_if({LOAN_ID} IS NULL)")
        listed = ", ".join(f"{t} AS t{i}" for i, t in enumerate(tests))
        (found,) = spark.sql(f'SELECT {listed} FROM "sancha check"').collect()
        rows[name] = found[0]
        for told, count in zip(names, found[1:], strict=True):
            if count:
                raise SanchaError(f"{told} in {count:,} rows of `{name}` at `{place}`")
    if not rows[LOANS]:
        raise SanchaError(f"the book at `{place}` is empty: `{LOANS}` has no row")
    loans = frames[LOANS]
    loans.createOrReplaceTempView("`sancha loans`")
    twice = f'SELECT {LOAN_ID} FROM "sancha loans" GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 3'
    _none(spark, twice, f"loan ids come more than once in `{LOANS}` at `{place}`")
    for name in vocabulary.lists:
        if name not in frames:
            continue
        frames[name].createOrReplaceTempView("`sancha check`")
        owners = f"""(SELECT {LOAN_ID} AS owner, count(*) AS items, count(DISTINCT {ITEM}) AS numbers,
                      min({ITEM}) AS lowest, max({ITEM}) AS highest FROM "sancha check" GROUP BY 1)"""
        counted = f"coalesce(items, 0) <> coalesce({quoted(name)}, 0)" if name in loans.columns else "FALSE"
        wrong = f"""SELECT coalesce(owner, {LOAN_ID}) FROM {owners} FULL JOIN "sancha loans" ON owner = {LOAN_ID}
                    WHERE {LOAN_ID} IS NULL OR numbers < items OR lowest <> 1 OR highest <> items OR {counted}
                    ORDER BY 1 LIMIT 3"""
        _none(
            spark,
            wrong,
            f"the items of `{name}` at `{place}` lack a loan file, are not numbered 1, 2, …, or are not as many "
            "as `loans` says",
        )
    return rows


def _none(spark: SparkSession, query: str, told: str) -> None:
    found = [str(row[0]) for row in spark.sql(query).collect()]
    if found:
        raise SanchaError(f"{told}: {', '.join(f'`{x}`' for x in found)}")


# -- bounds -----------------------------------------------------------------------------------------------------------


def _bounds(
    frames: Mapping[str, DataFrame], rows: Mapping[str, int], vocabulary: Vocabulary, plan: Plan
) -> BookBounds:
    """What `book_bounds` takes from the statistics of Parquet, from one pass over each table."""
    loans = frames[LOANS]
    counted = [name for name in plan.lists if name in loans.columns]
    facts, known = _of_columns(loans, vocabulary.facts, sorted(plan.facts), rows[LOANS], counted)
    lists, reference = {}, {}
    for name, fields in plan.lists.items():
        missing = not known[name] if name in counted else name not in frames
        if name not in frames:
            lists[name] = without_rows(fields, missing)
            continue
        found, _ = _of_columns(frames[name], vocabulary.lists[name].fields, sorted(fields), rows[name], ())
        most = frames[name].agg({ITEM: "max"}).collect()[0][0] or 0
        lists[name] = ListBounds(found, most, missing)
    for name, fields in plan.reference.items():
        table = REFERENCE + name
        if table not in frames:
            reference[name] = without_rows(fields, True)
            continue
        spec = vocabulary.reference[name].fields
        found, _ = _of_columns(frames[table], spec, sorted(fields), rows[table], ())
        reference[name] = ListBounds(found, rows[table], False)
    return BookBounds(facts, lists, reference)


def _of_columns(
    frame: DataFrame, fields: Mapping[str, Field], names: Sequence[str], rows: int, counted: Sequence[str]
) -> tuple[dict[str, ColumnBounds], dict[str, bool]]:
    """The bounds of columns, and whether further ones have a value in every row."""
    # A count makes it one row, even of no columns.
    texts = ["count(*) AS rows"]
    for i, name in enumerate(names):
        texts.append(f"count({quoted(name)}) AS n{i}")
        if fields[name].type.name in DECIMALS or fields[name].type.name in _WHOLE:
            texts += [f"min({quoted(name)}) AS low{i}", f"max({quoted(name)}) AS high{i}"]
    texts += [f"count({quoted(name)}) AS counted{i}" for i, name in enumerate(counted)]
    (row,) = frame.selectExpr(*texts).collect()
    found = {}
    for i, name in enumerate(names):
        kind = fields[name].type.name
        nullable = row[f"n{i}"] < rows
        if kind == "list":
            found[name] = ColumnBounds()
        elif f"low{i}" in row:
            places = DECIMALS[kind][0] if kind in DECIMALS else 0
            low, high = (_whole(row[f"{side}{i}"], places) for side in ("low", "high"))
            found[name] = ColumnBounds(nullable, low, high)
        else:
            found[name] = ColumnBounds(nullable)
    return found, {name: row[f"counted{i}"] == rows for i, name in enumerate(counted)}


def _whole(value: Any, places: int) -> int:
    """A bound as a whole number of its places; 0 for a column without a value, which anything bounds."""
    if value is None:
        return 0
    numerator, denominator = value.as_integer_ratio()
    return int(numerator * 10**places // denominator)

"""From an extract to a book: `sancha import`.

The work is done column by column in DuckDB, in a scratch database beside the book. Two things hold for
every import: a text that cannot be read is a line of rejects.parquet and unknown in the book; and every row
of every source is imported, rejected with a reason, or left out by the mapping's own words, and they add up.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as TMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from sancha.engine.book.extract import Staged, locate, stage
from sancha.engine.book.mapping import (
    ColumnMap,
    ListMap,
    Mapping,
    Source,
    load_mapping,
    sql_literal,
    sql_type,
)
from sancha.engine.book.reading import Reading, condition, key_text, plain, quote, reading
from sancha.engine.book.schema import ITEM, LOAN_ID, LOANS, REFERENCE
from sancha.engine.book.sources import Databases, Origin
from sancha.engine.book.store import Book, BookWriter
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.vocabulary import Field, Vocabulary

#: The columns of rejects.parquet.
REJECTS = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("text", pa.string()),
        ("reason", pa.string()),
        ("rejected", pa.string()),
        ("fact", pa.string()),
        ("loan", pa.string()),
        ("file", pa.string()),
    ]
)
_MEMORY = "1500MB"
_CHUNK = 50_000
_SHOWN = 20
_SHOWN_RULES = 12

#: Called with the steps done and all steps.
Progress = Callable[[int, int], None]
#: Called with what is being done: `loans: 1,200,000 rows read`, `list visits`.
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SourceCount:
    """The rows of one source: `rows` = `imported` + `rejected` + `left_out`. Left out are rows that a `where`
    of the mapping excludes, or of a source `looked up by` the loans that no loan refers to."""

    source: str
    file: str
    rows: int
    imported: int
    rejected: int
    left_out: int
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RejectCount:
    """How often one reason befell one fact. `whole_rows`: the rows were not imported at all. `example`: a text."""

    source: str
    fact: str | None
    reason: str
    whole_rows: bool
    count: int
    example: str | None


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did. `values_rejected` counts single values that are unknown in the book; `absent` are the lists
    of the vocabulary, by table, that the mapping does not fill: they are missing in every file."""

    book: Book
    sources: tuple[SourceCount, ...]
    rejects: tuple[RejectCount, ...]
    values_rejected: int
    absent: tuple[str, ...]

    @property
    def rows_rejected(self) -> int:
        return sum(source.rejected for source in self.sources)

    def text(self, rules: TMapping[str, Sequence[str]] | None = None) -> str:
        """What was imported, rejected and left out, for people: rows in and out of every source add up.

        `rules` are those of a policy that read a list, by table: `rules_without_lists` in engine/run/replay.py.
        """
        lines = [f"{self.book.path}: {self.book.loans:,} loan files as of {self.book.as_of}"]
        for s in self.sources:
            lines.append(
                f"  {s.file}: {s.rows:,} rows = {s.imported:,} imported + {s.rejected:,} rejected"
                + (f" + {s.left_out:,} left out by the mapping" if s.left_out else "")
            )
            if s.unread:
                lines.append(f"    columns that the mapping does not read: {', '.join(s.unread)}")
        lines.extend(f"  {name}: {rows:,} rows" for name, rows in self.book.rows.items() if name != LOANS)
        if self.absent and rules is None:
            lines.append(f"  not in the extract, missing in every file: {', '.join(self.absent)}")
        read = {table: rules[table] for table in self.absent if table in rules} if rules else {}
        if read:
            lines.append("  not in the extract; where it matters, these rules will be unknown:")
        for table, ids in read.items():
            more = f" and {len(ids) - _SHOWN_RULES} more" if len(ids) > _SHOWN_RULES else ""
            lines.append(f"    {table}: {', '.join(ids[:_SHOWN_RULES])}{more}")
        if not self.rejects:
            return "\n".join([*lines, "every value was read"])
        lines.append(
            f"rejects.parquet holds {self.rows_rejected:,} rows that were not imported, and"
            f" {self.values_rejected:,} values that could not be read and are unknown:"
        )
        for r in self.rejects[:_SHOWN]:
            what = "rows" if r.whole_rows else f"values of {r.fact}"
            example = f", such as {_shortened(r.example)}" if r.example else ""
            lines.append(f"  {r.source}: {r.count:,} {what}: {r.reason}{example}")
        if len(self.rejects) > _SHOWN:
            lines.append(f"  and {len(self.rejects) - _SHOWN} reasons more")
        return "\n".join(lines)


def import_extract(
    source: Path | None,
    mapping: Path,
    vocabulary: Vocabulary,
    out: Path,
    *,
    progress: Progress | None = None,
    note: Note | None = None,
) -> ImportResult:
    """Import an extract as the book `out`. `source` is its file, the folder of its files, or None: databases alone.

    Raises PackError for a defect of the mapping and SanchaError for an extract that cannot be read; then
    nothing is left at `out`, or what was there before.
    """
    plan = load_mapping(mapping, vocabulary)
    origins = locate(plan, source)
    tell = progress or (lambda _done, _total: None)
    with BookWriter(
        out, vocabulary, as_of=plan.as_of, synthetic=plan.synthetic, source=plan.origin or plan.name
    ) as writer:
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".import", dir=out.parent))
        try:
            with (
                duckdb.connect(str(scratch / "extract.db")) as connection,
                Databases(_MEMORY, scratch) as databases,
            ):
                connection.execute(f"SET memory_limit = '{_MEMORY}'")
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute(f"SET temp_directory = {quote(str(scratch / 'spill'))}")
                work = _Import(
                    connection,
                    plan,
                    vocabulary,
                    writer,
                    databases,
                    origins,
                    scratch,
                    tell,
                    note or (lambda _text: None),
                )
                counts = work.run()
                rejects, values = work.finish()
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise SanchaError(
                f"cannot write beside the book: {str(error).splitlines()[0]}",
                where=out,
                help="nothing was left behind",
            ) from error
        except RuntimeError as error:
            if str(error) == "Query interrupted":  # how DuckDB passes on Ctrl-C
                raise KeyboardInterrupt from error
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    given = {item.name for item in plan.lists} | {REFERENCE + item.name for item in plan.reference}
    known = (*vocabulary.lists, *(REFERENCE + name for name in vocabulary.reference))
    absent = tuple(name for name in known if name not in given)
    return ImportResult(writer.book, counts, rejects, values, absent)


@dataclass(frozen=True, slots=True)
class _Cell:
    """One value to be read: its column map, how it is read, and the SQL of the row that a reject names."""

    column: ColumnMap
    how: Reading
    fact: str
    row: str = "row"


@dataclass
class _Import:
    connection: duckdb.DuckDBPyConnection
    plan: Mapping
    vocabulary: Vocabulary
    writer: BookWriter
    databases: Databases
    origins: dict[str, Origin]
    scratch: Path
    tell: Progress
    note: Note
    staged: dict[str, Staged] = field(default_factory=dict)

    def run(self) -> tuple[SourceCount, ...]:
        plan = self.plan
        steps = len(plan.sources) + 2 + len(plan.lists) + len(plan.reference)
        self.connection.execute(
            """CREATE TABLE rejects (source VARCHAR, "row" BIGINT, "column" VARCHAR, text VARCHAR,
               reason VARCHAR, rejected VARCHAR, fact VARCHAR, loan VARCHAR);
               CREATE TABLE parts (source VARCHAR, file VARCHAR, before BIGINT)"""
        )
        for done, (name, source) in enumerate(plan.sources.items()):
            self.tell(done, steps)
            self._stage(name, source)
        done = len(plan.sources)
        self.tell(done, steps)
        self.note("loan files")
        self._key_root()
        others = [s for s in plan.sources.values() if s.name != plan.root and s.key]
        for source in others:
            self._key(source)
            self._take(source)
        self._loans(others)
        for item in plan.lists:
            done += 1
            self.tell(done, steps)
            self.note(f"list {item.name}")
            self._list(item)
        self._write_loans()
        for item in plan.reference:
            done += 1
            self.tell(done, steps)
            self.note(f"reference list {item.name}")
            self._reference(item)
        self.tell(steps - 1, steps)
        self.note("counting")
        counts = tuple(self._count(source) for source in plan.sources.values())
        self.tell(steps, steps)
        return counts

    def finish(self) -> tuple[tuple[RejectCount, ...], int]:
        """Write rejects.parquet, always, and sum it up."""
        self.writer.add_table("rejects", REJECTS.empty_table())
        # Rows are counted on through the files of a dataset; people count within a file.
        query = """SELECT r.source, r.row - coalesce(p.before, 0) AS "row", "column", text, reason, rejected,
                          fact, loan, p.file
                   FROM rejects r ASOF LEFT JOIN parts p ON r.source = p.source AND r.row > p.before
                   ORDER BY r.source, r.row, fact NULLS FIRST, loan, "column\""""
        for rows in self._chunks(query):
            self.writer.add_table("rejects", rows.cast(REJECTS))
        summary = self._rows(
            f"""SELECT source, fact, if(count(*) = 1, min(reason), why), whole, count(*) AS n, min_by(text, "row")
                FROM (SELECT *, rejected = 'row' AS whole,
                      regexp_replace(reason, {quote(_PLACE)}, 'an earlier row already') AS why FROM rejects)
                GROUP BY source, fact, why, whole ORDER BY n DESC, 1, 2, 3"""
        )
        (values,) = self._rows("SELECT count(*) FROM rejects WHERE rejected = 'value'")[0]
        return tuple(RejectCount(*row) for row in summary), values

    # --- the sources and their keys

    def _stage(self, name: str, source: Source) -> None:
        lost: list[tuple[int, str, str]] = []
        columns = self.plan.columns(name)
        self.staged[name] = stage(
            self.connection,
            self.databases,
            source,
            self.origins[name],
            columns,
            f"source_{len(self.staged)}",
            self.scratch,
            lambda row, text, reason: lost.append((row, text, reason)),
            lambda read: self.note(f"{name}: {read:,} rows read"),
        )
        if parts := [(name, file, before) for file, before in self.staged[name].parts]:
            self.connection.executemany("INSERT INTO parts VALUES (?, ?, ?)", parts)
        for start in range(0, len(lost), _CHUNK):
            rows, texts, reasons = zip(*lost[start : start + _CHUNK], strict=True)
            self.connection.register("lost", pa.table({"r": rows, "t": texts, "why": reasons}))
            self.connection.execute(
                f"INSERT INTO rejects SELECT {quote(name)}, r, NULL, t, why, 'row', NULL, NULL FROM lost"
            )
            self.connection.unregister("lost")

    def _key_root(self) -> None:
        """`twice`: rows whose key stands on an earlier row. They and rows without a key are rejected."""
        staged = self._root
        source = staged.source
        key = key_text(source.key, source.joined_by, staged.cells)
        kept = condition(source.where, staged.cells)
        self.connection.execute(
            f"""CREATE TABLE root_rows AS SELECT row, {key} AS key FROM {staged.table} WHERE {kept};
                CREATE TABLE twice AS SELECT row, key, first FROM root_rows JOIN
                (SELECT key, min(row) AS first FROM root_rows GROUP BY key HAVING count(*) > 1) USING (key)
                WHERE row > first"""
        )
        self._reject_rows(source, "SELECT row, NULL AS key FROM root_rows WHERE key IS NULL", _NO_KEY)
        self._reject_rows(source, "FROM twice", self._already(source))
        self.connection.execute("DROP TABLE root_rows")

    def _key(self, source: Source) -> None:
        """`keys_SOURCE`: the key (NULL: none) of each row, and its ordinal in the order of the mapping."""
        staged = self.staged[source.name]
        key = key_text(source.key, source.joined_by, staged.cells)
        kept = condition(source.where, staged.cells)
        cells = [self._cell(column, staged, "order by") for column in source.order]
        relation = f"(SELECT *, {key} AS key, NULL AS loan_id FROM {staged.table} WHERE {kept})"
        self._read_cells("sorted", relation, ["row", "key"], cells)
        order = ", ".join([*(f"v{i} NULLS LAST" for i in range(len(cells))), "row"])
        ordinal = f"row_number() OVER (ORDER BY {order})" if cells else "row"
        self.connection.execute(
            f"""CREATE TABLE {_key_table(staged)} AS SELECT row, key, {ordinal} AS ordinal FROM sorted;
                DROP TABLE sorted"""
        )

    # --- facts taken from other sources

    def _take(self, source: Source) -> None:
        """`taken_N`: for each key of the source the facts that its rows give."""
        facts = [f for f in self.plan.facts if f.source == source.name]
        if not facts:
            return
        staged = self.staged[source.name]
        rows = f"{staged.table} JOIN {_key_table(staged)} USING (row)"
        parts: list[str] = []
        cells: list[_Cell] = []
        sums: dict[int, str] = {}
        for i, fact in enumerate(facts):
            where = condition(fact.where, staged.cells)
            parts.append(f"count(*) FILTER ({where}) AS n{i}")
            if fact.take in ("only", "first", "last"):
                how = reading(fact, staged.cells, native=staged.native, zone=self.plan.zone)
                by = "ordinal" if fact.take != "only" else "row"
                pick = "arg_max" if fact.take == "last" else "arg_min"
                parts.append(f"{pick}_null({how.text}, {by}) FILTER ({where}) AS text{i}")
                parts.append(f"{pick}(row, {by}) FILTER ({where}) AS row{i}")
                cells.append(_Cell(fact, how.at(f"text{i}"), fact.name, f"row{i}"))
            elif fact.take in ("sum", "smallest", "largest"):
                sums[i] = self._aggregate(fact, staged, rows, where, i)
        taken = f"taken_{staged.table}"
        self.connection.execute(
            f"CREATE TABLE grouped AS SELECT key, NULL AS loan_id, {', '.join(parts)} FROM {rows}"
            " WHERE key IS NOT NULL GROUP BY key"
        )
        self._read_cells("values_read", "grouped", ["key", *(f"n{i}" for i in range(len(facts)))], cells)
        places = {cell.fact: f"v{i}" for i, cell in enumerate(cells)}
        columns, joins = [], []
        for i, fact in enumerate(facts):
            if i in sums:
                joins.append(f"LEFT JOIN {sums[i]} USING (key)")
            value = {"count": f"n{i}", "any": f"n{i} > 0"}.get(fact.take or "") or places.get(
                fact.name, f"sum{i}"
            )
            columns.append(f"{self._when_none(fact, f'n{i}', value)} AS {_name(fact.name)}")
        self.connection.execute(
            f"""CREATE TABLE {taken} AS SELECT key, {", ".join(columns)} FROM values_read {" ".join(joins)};
                DROP TABLE grouped; DROP TABLE values_read"""
        )

    def _aggregate(self, fact: ColumnMap, staged: Staged, rows: str, where: str, i: int) -> str:
        """A table of the sum, the smallest or the largest a key; unknown as soon as one value is missing."""
        cell = self._cell(fact, staged, fact.name)
        relation = f"(SELECT *, NULL AS loan_id FROM {rows} WHERE key IS NOT NULL AND {where})"
        self._read_cells("each", relation, ["row", "key"], [cell])
        function = {"sum": "sum", "smallest": "min", "largest": "max"}[fact.take or ""]
        whole = f"TRY_CAST({function}(v0) AS {sql_type(fact.type)})"
        self.connection.execute(
            f"""CREATE TABLE sum_{staged.table}_{i} AS
                SELECT key, CASE WHEN count(*) = count(v0) THEN {whole} END AS sum{i} FROM each GROUP BY key;
                DROP TABLE each"""
        )
        return f"sum_{staged.table}_{i}"

    def _when_none(self, fact: ColumnMap, number: str, value: str) -> str:
        """The value, or what the mapping says for a loan file without any row: `number` is 0 or NULL then."""
        none = {"count": "0", "any": "false"}.get(fact.take or "")
        if fact.none is not None:
            none = sql_literal(fact.type, fact.none)
        return value if none is None else f"CASE WHEN coalesce({number}, 0) = 0 THEN {none} ELSE {value} END"

    # --- the loan files

    def _loans(self, others: Sequence[Source]) -> None:
        """`loans`: loan_id, row, the keys by which other sources are looked up, and the facts."""
        staged = self._root
        facts = [f for f in self.plan.facts if f.source == self.plan.root]
        cells = [self._cell(column, staged, column.name) for column in facts]
        carried = {"loan_id": "loan_id", "row": "row"}
        for source in others:
            other = self.staged[source.name]
            key = "loan_id"
            if source.looked_up_by is not None:
                key = key_text(source.looked_up_by, source.joined_by, staged.cells)
            carried[f"key_{other.table}"] = key
        keys = ", ".join(
            f"{sql} AS {name}" for name, sql in carried.items() if name not in ("loan_id", "row")
        )
        key = key_text(staged.source.key, staged.source.joined_by, staged.cells)
        kept = condition(staged.source.where, staged.cells)
        relation = (
            f"(SELECT *{', ' + keys if keys else ''} FROM (SELECT *, {key} AS loan_id FROM {staged.table}"
            f" WHERE {kept} AND row NOT IN (SELECT row FROM twice)) WHERE loan_id IS NOT NULL)"
        )
        self._read_cells("root_facts", relation, list(carried), cells)
        columns = [f"v{i} AS {_name(column.name)}" for i, column in enumerate(facts)]
        joins = []
        for source in others:
            taken = [f for f in self.plan.facts if f.source == source.name]
            if not taken:
                continue
            other = self.staged[source.name]
            alias = f"t_{other.table}"
            joins.append(f"LEFT JOIN taken_{other.table} {alias} ON {alias}.key = key_{other.table}")
            for fact in taken:
                value = self._when_none(
                    fact, f"CASE WHEN {alias}.key IS NULL THEN 0 ELSE 1 END", f"{alias}.{_name(fact.name)}"
                )
                columns.append(f"{value} AS {_name(fact.name)}")
        required = [_name(f.name) for f in self.plan.facts if f.required]
        complete = " AND ".join(f"{name} IS NOT NULL" for name in required) or "true"
        # With nothing to join, the loan files are read once: a table would be a needless copy.
        kind = "TABLE" if others or self.plan.lists else "VIEW"
        self.connection.execute(
            f"""CREATE VIEW all_loans AS
                SELECT {", ".join([*carried, *columns])} FROM root_facts {" ".join(joins)};
                CREATE {kind} loans AS SELECT * FROM all_loans WHERE {complete}"""
        )
        for fact in self.plan.facts:
            if fact.required:
                self._reject_rows(
                    staged.source,
                    f"SELECT row, loan_id AS key FROM all_loans WHERE {_name(fact.name)} IS NULL",
                    quote(f"the required fact {fact.name} is missing"),
                    fact.name,
                )
        if not self._number("SELECT count(*) FROM loans"):
            raise SanchaError(
                f"no row of `{staged.origin.label}` can be imported: the book would be empty",
                where=staged.origin.where,
                help=self._first_reason() or "the extract has no data row, or `where` leaves out every row",
            )

    def _write_loans(self) -> None:
        mapped = {fact.name for fact in self.plan.facts}
        counts = {item.name: item for item in self.plan.lists}
        columns, joins = [LOAN_ID], []
        for name, known in self.vocabulary.facts.items():
            columns.append(
                _name(name) if name in mapped else f"CAST(NULL AS {sql_type(known.type)}) AS {_name(name)}"
            )
        for i, name in enumerate(self.vocabulary.lists):
            if name in counts:
                joins.append(f"LEFT JOIN {_name('items ' + name)} i{i} USING ({LOAN_ID})")
                none = "NULL" if counts[name].missing_if_none else "0"
                columns.append(f"coalesce(i{i}.number, {none}) AS {_name(name)}")
            else:
                columns.append(f"CAST(NULL AS BIGINT) AS {_name(name)}")
        query = f"SELECT {', '.join(columns)} FROM loans {' '.join(joins)} ORDER BY {LOAN_ID}"
        for rows in self._chunks(query):
            self.writer.append(LOANS, rows)

    # --- lists

    def _list(self, item: ListMap) -> None:
        """One item a row of the source, in the order of the source; `items NAME` counts them for the root."""
        staged = self.staged[item.source]
        cells = [self._cell(column, staged, f"{item.name}.{column.name}") for column in item.fields]
        rows = f"{staged.table} s"
        if item.source == self.plan.root:
            rows += " JOIN (SELECT loan_id, row, row AS ordinal FROM loans) USING (row)"
        else:
            owners = f"SELECT loan_id, key_{staged.table} AS key FROM loans"
            rows += f" JOIN {_key_table(staged)} USING (row) JOIN ({owners}) USING (key)"
        relation = f"(SELECT s.*, loan_id, ordinal FROM {rows} WHERE {condition(item.where, staged.cells)})"
        self._read_cells("items_read", relation, [LOAN_ID, "row", "ordinal"], cells)
        complete = self._complete(item, "items_read", staged.source, self.vocabulary.lists[item.name].fields)
        given = {column.name: f"v{i}" for i, column in enumerate(item.fields)}
        columns = [
            f"{given.get(name, f'CAST(NULL AS {sql_type(known.type)})')} AS {_name(name)}"
            for name, known in self.vocabulary.lists[item.name].fields.items()
        ]
        number = f"row_number() OVER (PARTITION BY {LOAN_ID} ORDER BY ordinal)"
        query = f"SELECT {LOAN_ID}, {number} AS {ITEM}, {', '.join(columns)} FROM items_read WHERE {complete}"
        empty = self.connection.sql(f"SELECT * FROM ({query}) LIMIT 0").to_arrow_table()
        self.writer.append(item.name, empty)
        for rows_read in self._chunks(f"{query} ORDER BY {LOAN_ID}, {ITEM}"):
            self.writer.append(item.name, rows_read)
        self.connection.execute(
            f"""CREATE TABLE {_name("items " + item.name)} AS
                SELECT {LOAN_ID}, count(*) AS number FROM items_read WHERE {complete} GROUP BY {LOAN_ID};
                DROP TABLE items_read"""
        )

    def _reference(self, item: ListMap) -> None:
        staged = self.staged[item.source]
        known = self.vocabulary.reference[item.name].fields
        where = condition((*staged.source.where, *item.where), staged.cells)
        cells = [self._cell(column, staged, f"{item.name}.{column.name}") for column in item.fields]
        relation = f"(SELECT *, NULL AS loan_id FROM {staged.table} WHERE {where})"
        self._read_cells("items_read", relation, ["row", LOAN_ID], cells)
        complete = self._complete(item, "items_read", staged.source, known)
        given = {column.name: f"v{i}" for i, column in enumerate(item.fields)}
        columns = ", ".join(
            f"{given.get(name, f'CAST(NULL AS {sql_type(f.type)})')} AS {_name(name)}"
            for name, f in known.items()
        )
        query = f"SELECT {columns} FROM items_read WHERE {complete} ORDER BY row"
        self.writer.append(
            REFERENCE + item.name,
            self.connection.sql(f"SELECT * FROM ({query}) LIMIT 0").to_arrow_table(),
        )
        for rows in self._chunks(query):
            self.writer.append(REFERENCE + item.name, rows)
        self.connection.execute("DROP TABLE items_read")

    def _complete(self, item: ListMap, table: str, source: Source, known: TMapping[str, Field]) -> str:
        """The condition that all required fields are there; rows without one are rejected."""
        tests = []
        for i, column in enumerate(item.fields):
            if known[column.name].required:
                tests.append(f"v{i} IS NOT NULL")
                self._reject_rows(
                    source,
                    f"SELECT DISTINCT row, {LOAN_ID} AS key FROM {table} WHERE v{i} IS NULL",
                    quote(f"the required field {item.name}.{column.name} is missing"),
                    f"{item.name}.{column.name}",
                )
        return " AND ".join(tests) or "true"

    # --- counting

    def _count(self, source: Source) -> SourceCount:
        """Every row of the source is accounted for; a row that is not is a defect of the import itself."""
        staged = self.staged[source.name]
        rejected_before = f"SELECT row FROM rejects WHERE source = {quote(source.name)} AND rejected = 'row'"
        if source.name == self.plan.root:
            imported = self._number("SELECT count(*) FROM loans")
            left_out = self._number(
                f"SELECT count(*) FROM {staged.table} WHERE NOT {_all(condition(source.where, staged.cells))}"
            )
        else:
            kept = _all(condition(source.where, staged.cells))
            reference = _any(
                condition(i.where, staged.cells) for i in self.plan.reference if i.source == source.name
            )
            only = _any(
                condition(f.where, staged.cells)
                for f in self.plan.facts
                if f.source == source.name and f.take == "only"
            )
            many = _any(
                [
                    *(
                        condition(f.where, staged.cells)
                        for f in self.plan.facts
                        if f.source == source.name and f.take != "only"
                    ),
                    *(condition(i.where, staged.cells) for i in self.plan.lists if i.source == source.name),
                ]
            )
            self.connection.execute(
                f"""CREATE OR REPLACE TABLE asked AS
                    SELECT row, {kept} AND {reference} AS listed, {kept} AND {only} AS single,
                           {kept} AND {many} AS several FROM {staged.table}"""
            )
            if source.key:
                self._settle_keys(source, staged)
            imported = self._number(
                f"""SELECT count(*) FROM asked WHERE (listed OR row IN (SELECT row FROM found))
                    AND row NOT IN ({rejected_before})"""
                if source.key
                else f"SELECT count(*) FROM asked WHERE listed AND row NOT IN ({rejected_before})"
            )
            unasked = "NOT (listed OR single OR several)"
            if source.looked_up_by is not None:
                unasked += " OR (NOT listed AND row IN (SELECT row FROM unreferred))"
            left_out = self._number(f"SELECT count(*) FROM asked WHERE {unasked}")
        rejected = self._number(f"SELECT count(DISTINCT row) FROM ({rejected_before})")
        if imported + rejected + left_out != staged.rows:
            raise SanchaError(
                f"the rows of `{source.name}` do not add up: {staged.rows} read, {imported} imported,"
                f" {rejected} rejected, {left_out} left out",
                where=staged.origin.where,
                help="this is a defect of the import; the book was not written",
            )
        return SourceCount(
            source.name, staged.origin.label, staged.rows, imported, rejected, left_out, staged.unread
        )

    def _settle_keys(self, source: Source, staged: Staged) -> None:
        """`found`: rows that went into a loan file; `unreferred`: no loan has their key. Rejects the rest."""
        keys = _key_table(staged)
        wanted = "(single OR several) AND NOT listed"
        self.connection.execute(
            f"""CREATE OR REPLACE TABLE matched AS
                SELECT row, key, single, several FROM asked JOIN {keys} USING (row)
                WHERE (single OR several) AND key IN (SELECT key_{staged.table} FROM loans);
                CREATE OR REPLACE TABLE found AS
                SELECT row FROM matched WHERE several
                UNION SELECT min(row) FROM matched WHERE single GROUP BY key;
                CREATE OR REPLACE TABLE unreferred AS
                SELECT row, key FROM asked JOIN {keys} USING (row)
                WHERE {wanted} AND key IS NOT NULL AND row NOT IN (SELECT row FROM matched)"""
        )
        self._reject_rows(
            source,
            f"SELECT row, NULL AS key FROM asked JOIN {keys} USING (row) WHERE {wanted} AND key IS NULL",
            _NO_KEY,
        )
        if source.looked_up_by is None:
            self._reject_rows(source, "SELECT row, key FROM unreferred", "'no loan file has this key'")
        self._reject_rows(
            source,
            """SELECT m.row, key, first FROM matched m
               JOIN (SELECT key, min(row) AS first FROM matched WHERE single GROUP BY key) USING (key)
               WHERE m.row NOT IN (SELECT row FROM found)""",
            self._already(source),
        )

    # --- reading and rejecting

    def _cell(self, column: ColumnMap, staged: Staged, fact: str) -> _Cell:
        if column.constant is not None:
            literal = sql_literal(column.type, column.constant) or "NULL"
            return _Cell(column, Reading("NULL", literal, "''"), fact)
        return _Cell(column, reading(column, staged.cells, native=staged.native, zone=self.plan.zone), fact)

    def _read_cells(self, table: str, relation: str, carried: Iterable[str], cells: Sequence[_Cell]) -> None:
        """Create `table` with the carried columns and the values `v0`, `v1`, … of the cells; note rejects.

        The relation has `loan_id`, and for each cell the row that its text stands on.
        """
        keep, every = ", ".join(carried), range(len(cells))
        texts = "".join(f", CAST({c.how.text} AS VARCHAR) AS t{i}" for i, c in enumerate(cells))
        plains = "".join(f", t{i}, {plain(f't{i}')} AS p{i}" for i in every)
        values = "".join(f", t{i}, {c.how.value(f't{i}', f'p{i}')} AS v{i}" for i, c in enumerate(cells))
        bad = "".join(f", v{i}, t{i} IS NOT NULL AND v{i} IS NULL AS b{i}" for i in every)
        # One step a projection: an expression is worked out once, however often the next step names it.
        self.connection.execute(
            f"""CREATE TABLE {table} AS SELECT {keep}{bad} FROM (SELECT {keep}{values} FROM
                (SELECT {keep}{plains} FROM (SELECT {keep}{texts} FROM {relation})))"""
        )
        if not cells:
            return
        sums = ", ".join(f"count(*) FILTER (b{i})" for i in range(len(cells)))
        for i, (cell, bad) in enumerate(
            zip(cells, self._rows(f"SELECT {sums} FROM {table}")[0], strict=True)
        ):
            if bad:
                read = (f"t{i}", f"p{i}")
                self.connection.execute(
                    f"""INSERT INTO rejects SELECT {quote(cell.column.source)}, line,
                        {quote(cell.column.label)}, t{i}, {cell.how.reason(*read)}, 'value',
                        {quote(cell.fact)}, loan_id FROM (SELECT *, {plain(f"t{i}")} AS p{i} FROM
                        (SELECT {cell.row} AS line, loan_id, {cell.how.text} AS t{i} FROM {relation}))
                        WHERE t{i} IS NOT NULL AND {cell.how.value(*read)} IS NULL"""
                )

    def _reject_rows(self, source: Source, query: str, reason: str, fact: str | None = None) -> None:
        """Reject the rows (row, key, …) of the query; `reason` is SQL over its columns."""
        label = ", ".join(source.key)
        self.connection.execute(
            f"""INSERT INTO rejects SELECT {quote(source.name)}, row, {quote(label)}, key, {reason}, 'row',
                {quote(fact) if fact else "NULL"}, NULL FROM ({query})"""
        )

    def _already(self, source: Source) -> str:
        """SQL: why a row is rejected whose key stands on the row `first`."""
        if len(self.staged[source.name].parts) < 2:
            return "'the key is on row ' || first || ' already'"
        place = f"""(SELECT first - max(before) || ' of ' || max_by(file, before) FROM parts
                     WHERE source = {quote(source.name)} AND before < first)"""
        return f"'the key is on row ' || {place} || ' already'"

    # --- small things

    @property
    def _root(self) -> Staged:
        return self.staged[self.plan.root]

    def _first_reason(self) -> str | None:
        row = self._rows("SELECT reason, count(*) FROM rejects GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1")
        return f"the most frequent reason: {row[0][0]}" if row else None

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def _number(self, query: str) -> int:
        return int(self._rows(query)[0][0])

    def _chunks(self, query: str) -> Iterable[pa.Table]:
        for batch in self.connection.sql(query).to_arrow_reader(_CHUNK):
            yield pa.Table.from_batches([batch])


#: The place of an earlier row in a reason.
_PLACE = r"row \d+( of .*)? already$"


def _shortened(text: str) -> str:
    """A text of the extract as a line can show it."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"`{line[:37]}…`" if len(line) > 38 else f"`{line}`"


_NO_KEY = "'no key, or a key whose digits a spreadsheet has dropped'"


def _key_table(staged: Staged) -> str:
    return f"keys_{staged.table}"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _all(test: str) -> str:
    return f"({test})"


def _any(tests: Iterable[str]) -> str:
    return "(" + (" OR ".join(f"({test})" for test in tests) or "false") + ")"

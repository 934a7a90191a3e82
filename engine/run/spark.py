"""The same plan on Apache Spark, for a book that one machine does not hold, or that lives on a cluster already.

The cells of `Columns` become Spark's SQL (`spark_sql`), over views of the book: `files`, `list:NAME`, `reference:NAME`,
in which decimals are whole numbers and files are told apart by their ids. What a file comes to is written once, as
`result`, in Parquet; codes, counts and sums are read from that. Exceptions with their facts are then computed for the
files that have any, some rules at a time. Functions of the row evaluator run in Python on the workers.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import date
from decimal import Context, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sancha.engine.book.schema import ITEM, LOAN_ID, LOANS, REFERENCE, table_schema
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome, Plan
from sancha.engine.policy.vocabulary import Field, Vocabulary
from sancha.engine.run.columns import Columns
from sancha.engine.run.counting import RuleOutcomes, count
from sancha.engine.run.exact import Function
from sancha.engine.run.portfolio import Sum, Tally
from sancha.engine.run.relations import FILE_KEY, ROW_KEY, Cell, Relations, literal, quoted
from sancha.engine.run.results import (
    COUNTS_SCHEMA,
    EXCEPTIONS,
    EXCEPTIONS_SCHEMA,
    FORMAT,
    Label,
    Run,
    RunWriter,
    codes_schema,
    versions,
)
from sancha.engine.run.spark_book import Source, from_session, is_remote, on_disk
from sancha.engine.run.spark_session import Unreadable, failures, judging, pattern, place, session, settings
from sancha.engine.run.spark_sql import HUGE, Dialect, SparkQuery, SparkRelations, Untranslatable
from sancha.engine.run.to_columns import BookBounds, ColumnBounds, calendar_functions, storage
from sancha.engine.run.working import CHUNK, chunk_size

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Rules whose exceptions are computed by one query.
EXCEPTIONS_AT_A_TIME = 12
_WIDE = Context(prec=100)
_TYPES = {"HUGEINT": HUGE, "VARCHAR": "STRING", "VARCHAR[]": "ARRAY<STRING>", "TIMESTAMP": "TIMESTAMP_NTZ"}
_COUNTS = (
    "rule SMALLINT, version SMALLINT, branch STRING, product STRING, quarter INT, code TINYINT, files BIGINT, "
    "exposure DECIMAL(38, 2)"
)


def replay_on_spark(
    book: Path | str,
    pack: Path | Pack,
    out: Path,
    *,
    spark: SparkSession | None = None,
    master: str | None = None,
    remote: str | None = None,
    hindsight: bool = False,
    as_of: date | None = None,
    exceptions: bool = True,
    progress: bool = False,
) -> Run:
    """Judge every file of a book by every rule of a pack on Spark, and write the run to the folder `out`.

    `book` is a folder, or what `spark_book` reads: a URL, or `table:` and a database of a catalog. The workers must be
    able to write to the folder `out`. The run is that of the other engines: the same codes, outcomes and exceptions.
    `progress` tells on standard error what is being done. SanchaError as theirs, where a rule holds what has no
    translation, and where Spark fails; then nothing is left at `out`, or what was there.
    """
    started = time.perf_counter()
    policy = pack if isinstance(pack, Pack) else load_pack(pack)
    plan = lower(policy, hindsight=hindsight)
    if policy.product is not None:
        plan = replaced(plan, facts=plan.facts | {policy.product})
    with contextlib.ExitStack() as stack:
        tell = stack.enter_context(_progress(progress))
        if is_remote(str(book)):
            tell("starting Spark")
            running = spark or session(master=master, remote=remote)
            stack.enter_context(settings(running))
            tell("looking at the book")
            with judging(running):
                source = from_session(running, str(book), policy.vocabulary, plan, as_of)
                compiled = SparkPlan(policy, source, plan, source.book.as_of)
        else:
            # What is wrong with a book or a pack on disk is told before a session is started.
            source = on_disk(Path(book), policy.vocabulary)
            compiled = SparkPlan(policy, source, plan, as_of or source.book.as_of)
            tell("starting Spark")
            running = spark or session(master=master, remote=remote)
            stack.enter_context(settings(running))
        return _run(compiled, running, out, hindsight, exceptions, started, tell)


def _run(
    compiled: SparkPlan,
    spark: SparkSession,
    out: Path,
    hindsight: bool,
    exceptions: bool,
    started: float,
    tell: Callable[[str], None],
) -> Run:
    policy, plan, opened = compiled.pack, compiled.plan, compiled.source.book
    rules = [Label(rule.id, rule.stage, rule.versions) for rule in plan.rules]
    groups = [Label(rule.id, rule.stage, (rule.version,)) for rule in plan.portfolio]
    absent = compiled.source.absent(plan)
    with RunWriter(out, rules, groups) as writer:
        work = writer.folder.absolute() / "spark"
        try:
            with judging(spark):
                row_functions = _judge(compiled, spark, work, writer, exceptions, tell)
        except Unreadable as error:
            raise compiled.source.damage() or error from error
        shutil.rmtree(work, ignore_errors=True)
        writer.finish(
            {
                "format": FORMAT,
                "pack": {"name": policy.name, "version": policy.version, "digest": policy.digest},
                "book": {
                    "path": compiled.source.place,
                    "digest": opened.digest,
                    "as_of": compiled.as_of.isoformat(),
                    "synthetic": opened.synthetic,
                    "loans": opened.loans,
                },
                "engine": "spark",
                "hindsight": hindsight,
                "row_functions": row_functions,
                "missing_lists": absent,
                "versions": {**versions(), "spark": spark.version},
                "rules": len(plan.rules) + len(plan.portfolio),
                "files": opened.loans,
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
    assert writer.run is not None
    return writer.run


@contextlib.contextmanager
def _progress(shown: bool) -> Iterator[Callable[[str], None]]:
    """Tells what is being done, on standard error."""
    columns = [TextColumn("replay"), SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
    with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda text: bar.update(task, description=text)


class SparkPlan:
    """A policy compiled for a book, in Spark's SQL. SanchaError where a rule holds what cannot be translated."""

    def __init__(self, pack: Pack, source: Source, plan: Plan, as_of: date) -> None:
        self.pack, self.source, self.plan, self.as_of = pack, source, plan, as_of
        self.dialect = Dialect()
        bounds = source.bounds(plan)
        self.columns = Columns(pack, source.book, plan, as_of, bounds=bounds, relations=SparkRelations())
        self.evidence = [self._evidence(number) for number in range(len(plan.rules))]
        for rule, env, evidence in zip(
            self.columns.rules, self.columns.environments, self.evidence, strict=True
        ):
            known = self.columns.compiler
            judged = (known.column(rule.rule.judged, env, "DATE"),)
            shown = [c for c in self.columns.shown if c.name in (rule.code, rule.version, rule.quarter)]
            self._check(rule.rule.id, [*shown, *judged, *evidence])
        for portfolio in self.columns.portfolio:
            names = {portfolio.where, portfolio.group, portfolio.measure, portfolio.open, *portfolio.doubts}
            self._check(portfolio.plan.id, [c for c in self.columns.shown if c.name in names])

    def _evidence(self, number: int) -> tuple[Cell, Cell, Cell]:
        """The facts of a rule, what was missing, and its note."""
        compiler, env = self.columns.compiler, self.columns.environments[number]
        rule = self.plan.rules[number]
        facts = compiler.evidence(rule.evidence, env)
        missing = compiler.named([(name, compiler.boolean(core, env)) for name, core in rule.blame])
        return facts, missing, compiler.column(rule.note, env, "VARCHAR")

    def _check(self, rule: str, cells: Sequence[Cell]) -> None:
        seen: set[Cell] = set()
        pending = list(cells)
        while pending:
            cell = pending.pop()
            if cell in seen:
                continue
            seen.add(cell)
            pending.extend(cell.needs)
            if cell.kind == "raw":
                continue
            try:
                self.dialect.template(cell)
                if cell.empty is not None:
                    self.dialect.text(cell.empty)
            except Untranslatable as error:
                raise SanchaError(
                    f"the rule `{rule}` holds what has no translation to Spark: {error}",
                    help="run it with `--engine columns`; nothing was run",
                ) from error

    def query(self, outputs: Sequence[Cell], name: str, files: str = "files", all_files: bool = True) -> Laid:
        return lay_out(outputs, self.columns.compiler.relations, self.dialect, name, files, all_files)


@dataclass(frozen=True)
class Laid:
    """A query whose parts are views."""

    parts: Sequence[tuple[str, str]]
    body: str


def lay_out(
    outputs: Sequence[Cell],
    relations: Relations,
    dialect: Dialect,
    name: str,
    files: str = "files",
    all_files: bool = True,
) -> Laid:
    """As `relations.query`, in parts; `name` begins the names of their views."""
    laid = SparkQuery(relations, dialect, name, files, all_files)
    body = laid.body(outputs)
    return Laid(laid.ctes, body)


class Views:
    """Views of a session, gone after the `with` block. Parts of queries that are read twice are written to `folder`:
    views that are made of views are planned anew at each place, and their plans would double at every stage."""

    def __init__(
        self, spark: SparkSession, folder: Path, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self.spark = spark
        self.folder = folder
        self.tell = tell
        self.names: dict[str, None] = {}

    def __enter__(self) -> Views:
        return self

    def __exit__(self, *_: object) -> None:
        # A session that was lost has none.
        with contextlib.suppress(*failures()):
            for name in self.names:
                self.spark.catalog.dropTempView(name)

    def add(self, name: str, frame: DataFrame) -> None:
        frame.createOrReplaceTempView(f"`{name}`")
        self.names[name] = None

    def frame(self, laid: Laid) -> DataFrame:
        """The rows of a query."""
        texts = [body for _, body in laid.parts] + [laid.body]
        for i, (name, body) in enumerate(laid.parts):
            found = self.spark.sql(body)
            read = re.compile(rf"\b(FROM|JOIN) {name}\b")
            if sum(len(read.findall(text)) for text in texts[i + 1 :]) > 1:
                self.tell(f"part {i + 1} of {len(laid.parts)}")
                found.write.parquet(place(self.folder / name))
                found = self.spark.read.parquet(pattern(self.folder / name))
            self.add(name, found)
        return self.spark.sql(laid.body)


# -- the book ---------------------------------------------------------------------------------------------------------


def add_book(
    spark: SparkSession, views: Views, source: Source, vocabulary: Vocabulary, plan: Plan, bounds: BookBounds
) -> None:
    """The views `files`, `list:NAME` and `reference:NAME` of what a plan reads of a book."""

    def read(table: str) -> DataFrame:
        if table in source.book.tables:
            return source.read(spark, table)
        return spark.createDataFrame(table_schema(vocabulary, table).empty_table())

    loans = read(LOANS)
    columns = [f"{quoted(LOAN_ID)} AS f", quoted(LOAN_ID)]
    columns += [_column(n, vocabulary.facts[n], bounds.facts[n]) for n in sorted(plan.facts)]
    for name in plan.lists:
        if bounds.lists[name].missing:
            # Without a number of items in `loans`, a list is missing for every file.
            known = f"{quoted(name)} IS NULL" if name in loans.columns else "TRUE"
            columns.append(f"{known} AS {quoted('list:' + name)}")
    _select(spark, views, "files", columns, loans)
    for name, fields in plan.lists.items():
        spec, known_ = vocabulary.lists[name], bounds.lists[name]
        columns = [f"{quoted(LOAN_ID)} AS {FILE_KEY}", f"{ITEM} AS {ROW_KEY}", ITEM]
        columns += [_column(f, spec.fields[f], known_.fields[f]) for f in sorted(fields)]
        _select(spark, views, f"list:{name}", columns, read(name))
    for name, fields in plan.reference.items():
        spec, known_ = vocabulary.reference[name], bounds.reference[name]
        columns = [ROW_KEY]
        columns += [_column(f, spec.fields[f], known_.fields[f]) for f in sorted(fields)]
        _select(spark, views, f"reference:{name}", columns, _numbered(spark, source, vocabulary, name))


def _numbered(spark: SparkSession, source: Source, vocabulary: Vocabulary, name: str) -> DataFrame:
    """A reference list with the numbers of its rows, in the order of the file."""
    table = REFERENCE + name
    schema = table_schema(vocabulary, table)
    known = table in source.book.tables
    rows = source.reference(table).select(schema.names).cast(schema) if known else schema.empty_table()
    return spark.createDataFrame(rows.append_column("#k", pa.array(range(1, rows.num_rows + 1), pa.int64())))


def _select(spark: SparkSession, views: Views, name: str, columns: Sequence[str], source: DataFrame) -> None:
    given = f"given:{name}"
    views.add(given, source)
    views.add(name, spark.sql(f"SELECT {', '.join(columns)} FROM {quoted(given)}"))


def _column(name: str, field: Field, bounds: ColumnBounds) -> str:
    """A column of the book in the type of the plan: a decimal as a whole number of its places."""
    sql_type, places = storage(field.type, bounds)
    if not places:
        return quoted(name)
    return f"CAST({quoted(name)} * {10**places} AS {_TYPES.get(sql_type, sql_type)}) AS {quoted(name)}"


# -- judging ----------------------------------------------------------------------------------------------------------


def _judge(
    plan: SparkPlan,
    spark: SparkSession,
    work: Path,
    writer: RunWriter,
    exceptions: bool,
    tell: Callable[[str], None],
) -> dict[str, list[str]]:
    from sancha.engine.run.replay import Replay, write_groups

    mark = f"q{uuid.uuid4().hex[:8]}"
    columns = plan.columns
    with Views(spark, work / "parts", lambda part: tell(f"judging files: {part}")) as views:
        tell("judging files")
        register(spark, plan.columns.compiler.numbers.functions.values(), plan.pack.calendar)
        add_book(spark, views, plan.source, plan.pack.vocabulary, plan.plan, plan.columns.bounds)
        result = work / "result"
        views.frame(plan.query(list(columns.shown), f"{mark}_main")).write.parquet(place(result))
        views.add("result", spark.read.parquet(pattern(result)))
        tell("writing codes")
        ends = _write_codes(plan, spark, work, writer, exceptions)
        tell("counting outcomes")
        counts = _counts(plan, spark)
        writer.count(counts)
        if exceptions:
            views.tell = lambda part: None
            _write_exceptions(plan, spark, views, work, writer, counts, mark, ends, tell)
        tell("adding up groups")
        tallies = {c.plan.id: _tally(plan, spark, i) for i, c in enumerate(columns.portfolio)}
    source = plan.source
    run = Replay(plan.pack, source.book, plan.plan, plan.as_of, False, exceptions)
    lists = [name for name in plan.plan.reference if REFERENCE + name in source.book.tables]
    reference = {name: source.reference(REFERENCE + name).to_pylist() for name in lists}
    write_groups(run, tallies, reference, writer)
    return columns.row_functions()


def register(spark: SparkSession, functions: Iterable[Function], calendar: Calendar) -> None:
    """Make the functions known to a session that queries call in Python, on the workers."""
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]

    for f in (*functions, *calendar_functions(calendar)):
        spark.udf.register(f.name, arrow_udf(f.call, _TYPES.get(f.result, f.result)))


def _read_back(folder: Path) -> Iterator[pa.Table]:
    """The rows of a folder of parts, in the order of the parts, some at a time."""
    for path in sorted(folder.glob("part-*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(CHUNK):
                yield pa.Table.from_batches([batch])


def _write_codes(
    plan: SparkPlan, spark: SparkSession, work: Path, writer: RunWriter, exceptions: bool
) -> list[str]:
    """Writes the codes in the chunks of the columnar engine, whatever the parts of Spark; gives their last loan ids."""
    columns = plan.columns
    names = [columns.loan_id, *(c.code for c in columns.rules)]
    folder = work / "codes"
    spark.sql(f"SELECT {', '.join(names)} FROM result ORDER BY f").write.parquet(place(folder))
    schema = codes_schema([c.rule.id for c in columns.rules])
    size = chunk_size(plan.source.book, plan.plan, exceptions)
    ends = []
    held = schema.empty_table()
    for table in _read_back(folder):
        held = pa.concat_tables([held, table.rename_columns(schema.names).cast(schema)])
        while held.num_rows > size:
            ends.append(_write_chunk(writer, held.slice(0, size)))
            held = held.slice(size)
    ends.append(_write_chunk(writer, held))
    return ends


def _write_chunk(writer: RunWriter, codes: pa.Table) -> str:
    writer.codes(codes.combine_chunks())
    last: str = codes[LOAN_ID][-1].as_py()
    return last


def _counts(plan: SparkPlan, spark: SparkSession) -> pa.Table:
    """The outcomes counted, in the columns of `COUNTS_SCHEMA`."""
    columns = plan.columns
    counted = _Counting(
        [(c.code, c.version, c.quarter) for c in columns.rules],
        columns.branch,
        columns.product,
        columns.exposure,
    )
    wanted = {columns.branch: columns.branch, columns.exposure: f"coalesce({columns.exposure}, 0)"}
    if columns.product:
        wanted[columns.product] = columns.product
    for rule in columns.rules:
        wanted[rule.code] = rule.code
        wanted |= {n: f"coalesce({n}, -1)" for n in (rule.version, rule.quarter)}
    listed = ", ".join(f"{text} AS {name}" for name, text in wanted.items())
    parts = spark.sql(f"SELECT {listed} FROM result").mapInArrow(counted, _COUNTS)
    keys = ["rule", "version", "branch", "product", "quarter", "code"]
    added = parts.groupBy(*keys).agg({"files": "sum", "exposure": "sum"})
    return added.select(
        *keys,
        added["sum(files)"].alias("files"),
        added["sum(exposure)"].cast("DECIMAL(38, 2)").alias("exposure"),
    ).toArrow()


@dataclass(frozen=True)
class _Counting:
    """Counts the outcomes of batches, on the workers."""

    rules: Sequence[tuple[str, str, str]]
    branch: str
    product: str | None
    exposure: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            known: dict[str, Any] = {}

            def of(name: str, batch: pa.RecordBatch = batch, known: dict[str, Any] = known) -> Any:
                if name not in known:
                    known[name] = batch[name].to_numpy(zero_copy_only=False)
                return known[name]

            branch = batch[self.branch]
            product = batch[self.product] if self.product else pa.nulls(len(branch), pa.string())
            rules = [RuleOutcomes(i, of(c), of(v), of(q)) for i, (c, v, q) in enumerate(self.rules)]
            table, _ = count(rules, branch, product, of(self.exposure))
            yield from table.cast(COUNTS_SCHEMA).to_batches()


def _write_exceptions(
    plan: SparkPlan,
    spark: SparkSession,
    views: Views,
    work: Path,
    writer: RunWriter,
    counts: pa.Table,
    mark: str,
    ends: Sequence[str],
    tell: Callable[[str], None],
) -> None:
    """Writes the exceptions in chunks that end with the loan ids `ends`."""
    columns = plan.columns
    codes = {int(o) for o in EXCEPTIONS}
    found = {
        number
        for number, code in zip(counts["rule"].to_pylist(), counts["code"].to_pylist(), strict=True)
        if code in codes
    }
    listed = ", ".join(map(str, sorted(codes)))
    numbers = sorted(found)
    if not numbers:
        return
    folder = work / "exceptions"
    for start in range(0, len(numbers), EXCEPTIONS_AT_A_TIME):
        group = numbers[start : start + EXCEPTIONS_AT_A_TIME]
        tell(f"exceptions of rules {start + 1} to {start + len(group)} of {len(numbers)}")
        some = " OR ".join(f"{columns.rules[n].code} IN ({listed})" for n in group)
        source = f"(SELECT * FROM files LEFT SEMI JOIN (SELECT f FROM result WHERE {some}) USING (f))"
        outputs = list(dict.fromkeys(cell for n in group for cell in plan.evidence[n]))
        rows = views.frame(plan.query(outputs, f"{mark}_{start}", source, all_files=False))
        views.add(f"{mark}_evidence", rows)
        entries = []
        for n in group:
            rule, (facts, missing, note) = columns.rules[n], plan.evidence[n]
            lacked = (
                f"CASE WHEN r.{rule.code} = {int(Outcome.UNKNOWN)} THEN e.{missing.name} "
                "ELSE CAST(array() AS ARRAY<STRING>) END"
            )
            parts = {
                "number": f"CAST({n} AS INT)",
                "code": f"r.{rule.code}",
                "version": f"CAST(r.{rule.version} AS INT)",
                "judged_on": f"r.{rule.judged}",
                "facts": f"e.{facts.name}",
                "missing": lacked,
                "note": f"CAST(e.{note.name} AS STRING)",
            }
            entries.append(f"named_struct({', '.join(f'{literal(k)}, {v}' for k, v in parts.items())})")
        spark.sql(
            f"""SELECT r.f, r.{columns.loan_id} AS loan_id, r.{columns.branch} AS branch,
                       CAST(CAST(r.{columns.exposure} AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
                            AS DECIMAL(18, 2)) AS exposure, s.*
                FROM {mark}_evidence e JOIN result r ON r.f = e.f
                LATERAL VIEW inline(filter(array({", ".join(entries)}), x -> x.code IN ({listed}))) s"""
        ).write.mode("append").parquet(place(folder))
    ordered = work / "exceptions-in-order"
    spark.read.parquet(pattern(folder)).orderBy("f", "number").write.parquet(place(ordered))
    tell("writing exceptions")
    held: list[pa.Table] = []
    last = iter(ends)
    end = next(last)
    for table in _read_back(ordered):
        while table.num_rows and table["loan_id"][-1].as_py() > end:
            within = pc.sum(pc.less_equal(table["loan_id"], end)).as_py()
            _write_held(plan, writer, [*held, table.slice(0, within)])
            held, table, end = [], table.slice(within), next(last)
        held.append(table)
    _write_held(plan, writer, held)


def _write_held(plan: SparkPlan, writer: RunWriter, held: Sequence[pa.Table]) -> None:
    if held:
        writer.exceptions(_labelled(plan, pa.concat_tables(held).combine_chunks()))


def _labelled(plan: SparkPlan, table: pa.Table) -> pa.Table:
    """Exceptions with the names of rules, stages, outcomes and versions in place of numbers."""
    rules = plan.plan.rules
    number = table["number"]
    # The versions of all rules stand in one row; a rule's begin at its place.
    versions = [version for rule in rules for version in rule.versions]
    begin = pa.array([0, *itertools.accumulate(len(rule.versions) for rule in rules)][:-1], pa.int32())
    version = pc.add(table["version"], begin.take(number.combine_chunks()))
    texts = {int(o): o.text for o in Outcome}
    made = {
        "rule": pa.array([rule.id for rule in rules], pa.string()).take(number),
        "stage": pa.array([rule.stage for rule in rules], pa.string()).take(number),
        "outcome": pa.array([texts[code] for code in sorted(texts)]).take(table["code"]),
        "version": pa.array(versions, pa.string()).take(version),
        "group": pa.nulls(table.num_rows, pa.string()),
    }
    arrays = [made[name] if name in made else table[name] for name in EXCEPTIONS_SCHEMA.names]
    return pa.table(dict(zip(EXCEPTIONS_SCHEMA.names, arrays, strict=True))).cast(EXCEPTIONS_SCHEMA)


# -- portfolio rules --------------------------------------------------------------------------------------------------


def _tally(plan: SparkPlan, spark: SparkSession, number: int) -> Tally:
    """What the book comes to for a portfolio rule."""
    columns = plan.columns.portfolio[number]
    tally = Tally()
    flags = [f"coalesce(bool_or({x}), FALSE)" for x in (columns.open, *columns.doubts)]
    named = ", ".join(f"{text} AS x{i}" for i, text in enumerate(flags))
    (row,) = spark.sql(f"SELECT {named} FROM result").collect()
    if row[0]:
        groups = spark.sql(f"SELECT DISTINCT {columns.group} FROM result WHERE {columns.open}")
        tally.open.update(group for (group,) in groups.collect())
    doubts, group_doubts = columns.asked.doubts, columns.asked.group_doubts
    split = len(doubts)
    tally.missing.update(name for (name, _), yes in zip(doubts, row[1 : split + 1], strict=True) if yes)
    tally.group_missing.update(
        name for (name, _), yes in zip(group_doubts, row[split + 1 :], strict=True) if yes
    )
    exposure = f"sum(CAST(coalesce({plan.columns.exposure}, 0) AS {HUGE}))"
    where = f"{columns.where} AND {columns.measure} IS NOT NULL"
    if columns.scale >= 0:
        text = f"""SELECT {columns.group}, count(*), sum(CAST({columns.measure} AS {HUGE})), {exposure}
                   FROM result WHERE {where} GROUP BY {columns.group}"""
        for group, files, total, amount in spark.sql(text).collect():
            tally.add(group, Sum(files, _WIDE.scaleb(total, -columns.scale), _WIDE.scaleb(amount, -2)))
        return tally
    # Decimals as texts are added where they are, by the row's arithmetic.
    text = f"""SELECT {columns.group} AS g, {columns.measure} AS measure,
                      coalesce({plan.columns.exposure}, 0) AS exposure
               FROM result WHERE {where}"""
    parts = spark.sql(text).mapInArrow(_sums, "g STRING, files BIGINT, total STRING, exposure STRING")
    for group, files, total, amount in parts.collect():
        tally.add(group, Sum(files, Decimal(total), _WIDE.scaleb(Decimal(amount), -2)))
    return tally


def _sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The sums of the groups in batches, as texts."""
    for batch in batches:
        tally = Tally()
        for row in batch.to_pylist():
            tally.add(row["g"], Sum(1, Decimal(row["measure"]), Decimal(row["exposure"])))
        yield pa.RecordBatch.from_pylist(
            [
                {"g": g, "files": s.files, "total": str(s.total), "exposure": str(s.exposure)}
                for g, s in tally.groups.items()
            ],
            pa.schema(
                [("g", pa.string()), ("files", pa.int64()), ("total", pa.string()), ("exposure", pa.string())]
            ),
        )

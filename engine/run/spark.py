"""The same plan on Apache Spark, for a book that one machine does not hold, or that lives on a cluster already.

The cells of `Columns` become Spark's SQL (`spark_sql`), over views of the book: `files`, `list:NAME`, `reference:NAME`,
in which decimals are whole numbers and files are told apart by their ids. What a file comes to is written once, as
`result`, in Parquet; codes, counts and sums are read from that. Exceptions with their facts are then computed for the
files that have any, some rules at a time. Functions of the row evaluator run in Python on the workers.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import date
from decimal import Context, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sancha.engine.book.schema import ITEM, LOAN_ID, LOANS, REFERENCE, table_schema
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome, Plan
from sancha.engine.policy.vocabulary import Field, Vocabulary
from sancha.engine.run import working
from sancha.engine.run.columns import Columns
from sancha.engine.run.counting import RuleOutcomes, count
from sancha.engine.run.exact import Function
from sancha.engine.run.portfolio import Sum, Tally
from sancha.engine.run.relations import FILE_KEY, ROW_KEY, Cell, Relations, literal, quoted
from sancha.engine.run.results import (
    EXCEPTIONS,
    EXCEPTIONS_SCHEMA,
    Label,
    Run,
    RunWriter,
    codes_schema,
    versions,
)
from sancha.engine.run.spark_book import Source, from_session, is_remote, on_disk
from sancha.engine.run.spark_sql import HUGE, Dialect, SparkQuery, SparkRelations, Untranslatable
from sancha.engine.run.to_columns import BookBounds, ColumnBounds, calendar_functions, storage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: What the text of the queries takes for granted. All may be set in a session that runs.
SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.variable.substitute": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
}
#: Rules whose exceptions are computed by one query.
EXCEPTIONS_AT_A_TIME = 12
_WIDE = Context(prec=100)
_TYPES = {"HUGEINT": HUGE, "VARCHAR": "STRING", "VARCHAR[]": "ARRAY<STRING>", "TIMESTAMP": "TIMESTAMP_NTZ"}
_COUNTS = (
    "rule SMALLINT, version SMALLINT, branch STRING, product STRING, quarter INT, code TINYINT, files BIGINT, "
    "exposure DECIMAL(38, 2)"
)


def session(
    *, master: str | None = None, remote: str | None = None, memory: str | None = None
) -> SparkSession:
    """A Spark session: the one that runs, or a new one.

    `master` is a master's URL (`local[2]`, `spark://host:7077`, `yarn`), `remote` that of a Spark Connect server
    (`sc://host:15002`); without either Spark's own configuration decides, as under spark-submit, or this machine.
    `memory` is the driver's (`4g`). SanchaError where pyspark or Java is missing, or the cluster does not answer.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SanchaError(
            "Spark is not installed",
            help="install the extra: pip install 'sancha[spark]'; it needs Java 17 or 21",
        ) from error
    if master and remote:
        raise SanchaError("name a master or a Spark Connect server, not both")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("sancha replay")
    if remote:
        builder = builder.remote(remote)
    else:
        if master or "SPARK_ENV_LOADED" not in os.environ:
            builder = builder.master(master or "local[*]")
        if (master or "local").startswith("local"):
            builder = builder.config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1")
            builder = builder.config("spark.ui.showConsoleProgress", "false")
            # Two hundred partitions, the default, are for a cluster.
            builder = builder.config("spark.sql.shuffle.partitions", "8")
        if memory:
            builder = builder.config("spark.driver.memory", memory)
    try:
        with quiet():
            return builder.getOrCreate()
    except Exception as error:
        text = str(error).strip().splitlines()
        raise SanchaError(
            f"no Spark session: {text[0] if text else type(error).__name__}",
            help="Spark needs Java 17 or 21 (JAVA_HOME), and a cluster that answers at the given address",
        ) from error


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
) -> Run:
    """Judge every file of a book by every rule of a pack on Spark, and write the run to the folder `out`.

    `book` is a folder, or what `spark_book` reads: a URL, or `table:` and a database of a catalog. The workers must be
    able to write to the folder `out`. The run is that of the other engines: the same codes, outcomes and exceptions.
    SanchaError as theirs, and where a rule holds what has no translation.
    """
    started = time.perf_counter()
    policy = pack if isinstance(pack, Pack) else load_pack(pack)
    plan = lower(policy, hindsight=hindsight)
    if policy.product is not None:
        plan = replaced(plan, facts=plan.facts | {policy.product})
    with contextlib.ExitStack() as stack:
        if is_remote(str(book)):
            running = spark or session(master=master, remote=remote)
            stack.enter_context(settings(running))
            source = from_session(running, str(book), policy.vocabulary, plan, as_of)
            compiled = SparkPlan(policy, source, plan, source.book.as_of)
        else:
            # What is wrong with a book or a pack on disk is told before a session is started.
            source = on_disk(Path(book), policy.vocabulary)
            compiled = SparkPlan(policy, source, plan, as_of or source.book.as_of)
            running = spark or session(master=master, remote=remote)
            stack.enter_context(settings(running))
        return _run(compiled, running, out, hindsight, exceptions, started)


def _run(
    compiled: SparkPlan, spark: SparkSession, out: Path, hindsight: bool, exceptions: bool, started: float
) -> Run:
    policy, plan, opened = compiled.pack, compiled.plan, compiled.source.book
    rules = [Label(rule.id, rule.stage, rule.versions) for rule in plan.rules]
    groups = [Label(rule.id, rule.stage, (rule.version,)) for rule in plan.portfolio]
    with RunWriter(out, rules, groups) as writer:
        work = writer.folder.absolute() / "spark"
        row_functions = _judge(compiled, spark, work, writer, exceptions)
        shutil.rmtree(work, ignore_errors=True)
        writer.finish(
            {
                "format": 1,
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
                "versions": {**versions(), "spark": spark.version},
                "rules": len(plan.rules) + len(plan.portfolio),
                "files": opened.loans,
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
    assert writer.run is not None
    return writer.run


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without pyspark's warnings of versions of pandas, which nothing here uses."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


@contextlib.contextmanager
def settings(spark: SparkSession) -> Iterator[None]:
    """SETTINGS within the block; the session's own afterwards."""
    before = {name: spark.conf.get(name, None) for name in SETTINGS}
    try:
        for name, value in SETTINGS.items():
            spark.conf.set(name, value)
        with quiet():
            yield
    finally:
        for name, old in before.items():
            if old is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, old)


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
    """Views of a session, gone after the `with` block. Parts of queries that are read twice are written to `folder`, a
    URI: views that are made of views are planned anew at each place, and their plans would double at every stage."""

    def __init__(self, spark: SparkSession, folder: str) -> None:
        self.spark = spark
        self.folder = folder
        self.names: dict[str, None] = {}

    def __enter__(self) -> Views:
        return self

    def __exit__(self, *_: object) -> None:
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
                place = f"{self.folder}/{name}"
                found.write.parquet(place)
                found = self.spark.read.parquet(place)
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
    plan: SparkPlan, spark: SparkSession, work: Path, writer: RunWriter, exceptions: bool
) -> dict[str, list[str]]:
    from sancha.engine.run.replay import Replay, write_groups

    mark = f"q{uuid.uuid4().hex[:8]}"
    columns = plan.columns
    with Views(spark, (work / "parts").as_uri()) as views:
        register(spark, plan.columns.compiler.numbers.functions.values(), plan.pack.calendar)
        add_book(spark, views, plan.source, plan.pack.vocabulary, plan.plan, plan.columns.bounds)
        result = (work / "result").as_uri()
        views.frame(plan.query(list(columns.shown), f"{mark}_main")).write.parquet(result)
        views.add("result", spark.read.parquet(result))
        _write_codes(plan, spark, work, writer)
        counts = _counts(plan, spark)
        writer.count(counts)
        if exceptions:
            _write_exceptions(plan, spark, views, work, writer, counts, mark)
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
            for batch in file.iter_batches(working.CHUNK):
                yield pa.Table.from_batches([batch])


def _write_codes(plan: SparkPlan, spark: SparkSession, work: Path, writer: RunWriter) -> None:
    columns = plan.columns
    names = [columns.loan_id, *(c.code for c in columns.rules)]
    folder = work / "codes"
    spark.sql(f"SELECT {', '.join(names)} FROM result ORDER BY f").write.parquet(folder.as_uri())
    schema = codes_schema([c.rule.id for c in columns.rules])
    for table in _read_back(folder):
        writer.codes(table.rename_columns(schema.names).cast(schema))


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
            yield from table.to_batches()


def _write_exceptions(
    plan: SparkPlan,
    spark: SparkSession,
    views: Views,
    work: Path,
    writer: RunWriter,
    counts: pa.Table,
    mark: str,
) -> None:
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
        ).write.mode("append").parquet(folder.as_uri())
    ordered = work / "exceptions-in-order"
    spark.read.parquet(folder.as_uri()).orderBy("f", "number").write.parquet(ordered.as_uri())
    for table in _read_back(ordered):
        writer.exceptions(_labelled(plan, table))


def _labelled(plan: SparkPlan, table: pa.Table) -> pa.Table:
    """Exceptions with the names of rules, stages, outcomes and versions in place of numbers."""
    rules = plan.plan.rules
    numbers, codes = table["number"].to_pylist(), table["code"].to_pylist()
    places = table["version"].to_pylist()
    texts = {int(o): o.text for o in EXCEPTIONS}
    made = {
        "rule": pa.array([rules[n].id for n in numbers]),
        "stage": pa.array([rules[n].stage for n in numbers]),
        "outcome": pa.array([texts[c] for c in codes]),
        "version": pa.array(
            [None if p is None else rules[n].versions[p] for n, p in zip(numbers, places, strict=True)],
            pa.string(),
        ),
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

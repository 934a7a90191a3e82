"""The replay: every rule of a pack on every file of a book, as columns or row by row, written as a run."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sancha.engine.book.schema import LOAN_ID, REFERENCE
from sancha.engine.book.store import Book, iter_files, open_book, read_reference
from sancha.engine.diagnostics import SanchaError
from sancha.engine.feel import core as c
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import ListEvidence, Outcome, Plan, PortfolioPlan, RulePlan
from sancha.engine.run.exact import Exact, Missing
from sancha.engine.run.portfolio import Conditions, RowTallies, Sum, Tally, conditions, judge_groups
from sancha.engine.run.relations import Cell as Column
from sancha.engine.run.relations import literal, query, quoted
from sancha.engine.run.results import (
    EXCEPTIONS,
    EXCEPTIONS_SCHEMA,
    FORMAT,
    OUTCOMES_SCHEMA,
    Run,
    RunWriter,
    codes_schema,
    quarter,
    versions,
)
from sancha.engine.run.row import Evaluator, Reference
from sancha.engine.run.to_columns import TEXTS, Compiler, prepare
from sancha.engine.run.working import CHUNK, WorkingTables, book_bounds, parquet_sources, spans

ENGINES = ("columns", "row")
#: What DuckDB may hold; beyond it, intermediate results go to the disk.
MEMORY = "2GB"
#: Files that the row engine writes at a time.
_BATCH = 2_000
_WIDE = Context(prec=100)


def replay(
    book: Path,
    pack: Path,
    out: Path,
    *,
    engine: str = "columns",
    hindsight: bool = False,
    progress: bool = True,
    as_of: date | None = None,
) -> Run:
    """Judge every file of a book by every rule of a pack, and write the run to the folder `out`.

    `engine` is `columns` or `row`; both give the same. `as_of` replaces the day of the book. SanchaError where the
    book, the pack or the place of the results cannot be worked with; then nothing is left at `out`, or what was there.
    """
    if engine not in ENGINES:
        raise SanchaError(f"unknown engine `{engine}`", help=f"the engines are {' and '.join(ENGINES)}")
    started = time.perf_counter()
    policy = load_pack(pack)
    opened = open_book(book, policy.vocabulary)
    plan = lower(policy, hindsight=hindsight)
    check_reads(plan, opened)
    if policy.product is not None:
        plan = dataclasses.replace(plan, facts=plan.facts | {policy.product})
    day = as_of or opened.as_of
    run = _Run(policy, opened, plan, day, hindsight)
    with RunWriter(out, [rule.id for rule in plan.rules]) as writer:
        with _bar(progress, opened.loans) as step:
            (_Columns(run, writer) if engine == "columns" else _Rows(run, writer)).go(step)
        writer.finish(
            {
                "format": FORMAT,
                "pack": {"name": policy.name, "version": policy.version, "digest": policy.digest},
                "book": {
                    "path": str(book),
                    "digest": opened.digest,
                    "as_of": day.isoformat(),
                    "synthetic": opened.synthetic,
                    "loans": opened.loans,
                },
                "engine": engine,
                "hindsight": hindsight,
                "versions": versions(),
                "rules": len(plan.rules) + len(plan.portfolio),
                "files": opened.loans,
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
    assert writer.run is not None
    return writer.run


def check_reads(plan: Plan, book: Book) -> None:
    """SanchaError if a rule reads a list for which the book has no table. (Facts are checked when it is opened.)"""
    if all(table in book.tables for table in (*plan.lists, *(REFERENCE + name for name in plan.reference))):
        return
    for rule in (*plan.rules, *plan.portfolio):
        for name, reference in _lists_of(rule):
            table = REFERENCE + name if reference else name
            if table not in book.tables:
                raise SanchaError(
                    f"the rule `{rule.id}` reads the list `{name}`, which the book has no table for",
                    where=book.path,
                    help=f"give the book `{table}.parquet`; where a file's items are not known, "
                    "its number of items in `loans` is null",
                )


def _lists_of(rule: RulePlan | PortfolioPlan) -> Iterator[tuple[str, bool]]:
    """The lists that a rule reads, and whether they are reference lists."""
    cores = [core for _, core in rule.lets]
    if isinstance(rule, RulePlan):
        cores += [rule.code, rule.version, rule.judged, rule.note, *(core for _, core in rule.blame)]
    else:
        cores += [rule.where, rule.group, rule.measure, rule.require]
    yield from ((e.list, False) for e in rule.evidence if isinstance(e, ListEvidence))
    for core in cores:
        for node in c.walk(core):
            if isinstance(node, c.ListFact):
                yield node.name, node.reference


class Counts:
    """Outcomes counted one by one. A key is what stands before `files` in `OUTCOMES_SCHEMA`."""

    def __init__(self) -> None:
        self.found: dict[tuple[Any, ...], tuple[int, Decimal]] = {}

    def add(self, key: tuple[Any, ...], exposure: object) -> None:
        files, total = self.found.get(key, (0, Decimal(0)))
        amount = exposure if isinstance(exposure, Decimal) else Decimal(0)
        self.found[key] = (files + 1, _WIDE.add(total, amount))

    def table(self) -> pa.Table:
        rows = [(*key[:-1], key[-1].text, *found) for key, found in self.found.items()]
        names = OUTCOMES_SCHEMA.names
        return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], OUTCOMES_SCHEMA)


@dataclasses.dataclass(frozen=True)
class _Run:
    """What is to be run."""

    pack: Pack
    book: Book
    plan: Plan
    as_of: date
    hindsight: bool


@contextmanager
def _bar(shown: bool, files: int) -> Iterator[Any]:
    """A progress bar on standard error; calls to what it gives advance it by so many files."""
    columns = [
        TextColumn("replay"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as bar:
        task = bar.add_task("replay", total=files)
        yield lambda count: bar.advance(task, count)


def _write_groups(run: _Run, tallies: dict[str, Tally], reference: Reference, writer: RunWriter) -> None:
    """The outcomes of the portfolio rules."""
    rows: list[dict[str, Any]] = []
    counts = Counts()
    for plan in run.plan.portfolio:
        for found in judge_groups(plan, tallies[plan.id], run.pack, reference, run.as_of):
            key = (plan.id, plan.version, plan.stage, None, None, quarter(run.as_of), found.outcome)
            counts.add(key, found.sum.exposure)
            if found.outcome in EXCEPTIONS:
                rows.append(
                    {
                        "rule": plan.id,
                        "stage": plan.stage,
                        "outcome": found.outcome.text,
                        "version": plan.version,
                        "judged_on": run.as_of,
                        "exposure": found.sum.exposure,
                        "facts": [{"fact": name, "value": value} for name, value in found.facts],
                        "missing": list(found.missing),
                        "group": found.group,
                    }
                )
    writer.exceptions(pa.Table.from_pylist(rows, EXCEPTIONS_SCHEMA))
    writer.count(counts.table())


# -- as columns -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _PortfolioColumns:
    """The columns of the table `result` that a portfolio rule needs."""

    plan: PortfolioPlan
    asked: Conditions
    scale: int


class _Columns:
    """The columnar engine: chunk by chunk, codes first, then counts, then the evidence of the exceptions."""

    def __init__(self, run: _Run, writer: RunWriter) -> None:
        self.run = run
        self.writer = writer
        self.rules = run.plan.rules
        bounds = book_bounds(run.book, run.pack.vocabulary, run.plan)
        self.compiler = Compiler(run.pack.vocabulary, bounds, run.pack.calendar, run.as_of)
        self.bounds = bounds
        self.environments = {rule.id: self.compiler.bind(rule.lets) for rule in self.rules}
        self.registered = 0
        self.evidence_queries: dict[tuple[str, bool], str] = {}
        self.tallies = {plan.id: Tally() for plan in run.plan.portfolio}
        self.portfolio: list[_PortfolioColumns] = []

    def go(self, step: Any) -> None:
        main = self.main_query()
        with duckdb.connect() as self.connection:
            self.prepare()
            tables = WorkingTables(
                self.connection,
                self.run.pack.vocabulary,
                self.run.plan,
                self.bounds,
                parquet_sources(self.run.book),
            )
            tables.reference()
            for span in spans(self.run.book.tables["loans"], CHUNK):
                tables.load(span)
                self.register()
                self.connection.execute(f"CREATE OR REPLACE TEMP TABLE result AS {main}")
                self.write_codes()
                found = self.count_outcomes()
                self.tally_groups()
                self.write_exceptions(found)
                step(span.files)
        _write_groups(
            self.run, self.tallies, read_reference(self.run.book, self.run.pack.vocabulary), self.writer
        )

    def prepare(self) -> None:
        self.connection.execute(f"SET memory_limit = '{MEMORY}'")
        self.connection.execute(f"SET temp_directory = {literal(str(self.writer.folder / 'spill'))}")
        self.connection.execute("SET preserve_insertion_order = false")
        prepare(self.connection, self.run.pack.calendar)

    def register(self) -> None:
        """Make the row's functions known that the queries compiled so far call."""
        functions = list(self.compiler.numbers.functions.values())
        for function in functions[self.registered :]:
            self.connection.create_function(
                function.name,
                function.call,
                list(function.parameters),
                function.result,
                type="arrow",
                null_handling="special",
            )
        self.registered = len(functions)

    # -- codes --------------------------------------------------------------------------------------------

    def main_query(self) -> str:
        """`result`: of each file the code, version and day of every rule, and what portfolio rules ask."""
        compiler, plan = self.compiler, self.run.plan
        columns: dict[str, Column] = {}
        for i, rule in enumerate(self.rules):
            env = self.environments[rule.id]
            columns[f"code{i}"] = compiler.column(rule.code, env, "TINYINT")
            columns[f"version{i}"] = compiler.column(rule.version, env, "SMALLINT")
            columns[f"judged{i}"] = compiler.column(rule.judged, env, "DATE")
        columns["branch"] = compiler.column(plan.branch, compiler.root, "VARCHAR")
        columns["exposure"] = compiler.column(plan.exposure, compiler.root, "BIGINT")
        if self.run.pack.product is not None:
            spec = self.run.pack.vocabulary.facts[self.run.pack.product]
            columns["product"] = compiler.column(c.Fact(spec.type, spec.name), compiler.root, "VARCHAR")
        for i, rule in enumerate(plan.portfolio):
            columns |= self.portfolio_columns(i, rule)
        body = query(list(columns.values()), compiler.relations)
        names = ", ".join(f"{cell.name} AS {name}" for name, cell in columns.items())
        return f"SELECT f, {names} FROM ({body})"

    def portfolio_columns(self, i: int, plan: PortfolioPlan) -> dict[str, Column]:
        compiler = self.compiler
        env = compiler.bind(plan.lets)
        asked = conditions(plan)
        columns = {
            f"where{i}": compiler.boolean(asked.where, env),
            f"group{i}": compiler.column(asked.group, env, "VARCHAR"),
            f"open{i}": compiler.boolean(asked.open, env),
        }
        measure = compiler.value(asked.measure, env)
        # Whole numbers are summed by SQL; what is no whole number of a scale goes as text, and is summed here.
        scale = measure.scale if isinstance(measure, Exact) else -1
        if isinstance(measure, Exact):
            columns[f"measure{i}"] = measure.cell
        elif isinstance(measure, Missing):
            columns[f"measure{i}"] = compiler.null("VARCHAR")
        else:
            columns[f"measure{i}"] = compiler.numbers.digits(measure).cell
        for j, (_, core) in enumerate((*asked.doubts, *asked.group_doubts)):
            columns[f"doubt{i}_{j}"] = compiler.boolean(core, env)
        self.portfolio.append(_PortfolioColumns(plan, asked, scale))
        return columns

    def write_codes(self) -> None:
        columns = [f"code{i} AS {quoted(rule.id)}" for i, rule in enumerate(self.rules)]
        text = f"SELECT {', '.join([LOAN_ID, *columns])} FROM files JOIN result USING (f) ORDER BY f"
        self.writer.codes(self.table(text, codes_schema(self.writer.rules)))

    def table(self, text: str, schema: pa.Schema) -> pa.Table:
        return self.connection.sql(text).to_arrow_table().cast(schema)

    # -- counts -------------------------------------------------------------------------------------------

    def count_outcomes(self) -> dict[int, set[Outcome]]:
        """Count the outcomes of the chunk; gives the outcomes that each rule has in it."""
        if not self.rules:
            return {}
        product = "product" if self.run.pack.product is not None else "CAST(NULL AS VARCHAR)"
        parts = []
        for i, rule in enumerate(self.rules):
            period = f"year(judged{i}) || 'Q' || quarter(judged{i})"
            names = ", ".join(literal(v) for v in rule.versions)
            parts.append(
                f"SELECT {i} AS number, {literal(rule.id)} AS rule, "
                f"(CAST([{names}] AS VARCHAR[]))[version{i} + 1] AS version, {literal(rule.stage)} AS stage, "
                f"branch, product, period, code{i} AS code, files, exposure FROM (SELECT version{i}, branch, "
                f"{product} AS product, {period} AS period, code{i}, count(*) AS files, "
                "coalesce(sum(exposure), 0) AS exposure FROM result GROUP BY ALL)"
            )
        texts = ", ".join(f"({int(o)}, {literal(o.text)})" for o in Outcome)
        counted = f"""
            SELECT rule, version, stage, branch, product, period, o.text AS outcome, files,
                   {_amount("exposure", 38)} AS exposure, number, o.code
            FROM ({" UNION ALL ".join(parts)}) c JOIN (VALUES {texts}) o(code, text) ON o.code = c.code"""
        table = self.connection.sql(counted).to_arrow_table()
        self.writer.count(table.select(OUTCOMES_SCHEMA.names))
        found: dict[int, set[Outcome]] = {}
        pairs = table.group_by(["number", "code"]).aggregate([])
        for number, code in zip(pairs["number"].to_pylist(), pairs["code"].to_pylist(), strict=True):
            found.setdefault(number, set()).add(Outcome(code))
        return found

    def tally_groups(self) -> None:
        for i, columns in enumerate(self.portfolio):
            tally = self.tallies[columns.plan.id]
            names = [name for name, _ in (*columns.asked.doubts, *columns.asked.group_doubts)]
            flags = [
                f"coalesce(bool_or({x}), FALSE)"
                for x in (f"open{i}", *(f"doubt{i}_{j}" for j in range(len(names))))
            ]
            row = self.connection.execute(f"SELECT {', '.join(flags)} FROM result").fetchone()
            assert row is not None
            if row[0]:
                open_groups = f"SELECT DISTINCT group{i} FROM result WHERE open{i}"
                tally.open.update(group for (group,) in self.connection.execute(open_groups).fetchall())
            split = len(columns.asked.doubts)
            missing = [name for name, yes in zip(names[:split], row[1 : split + 1], strict=True) if yes]
            tally.missing.update(missing)
            tally.group_missing.update(
                name for name, yes in zip(names[split:], row[split + 1 :], strict=True) if yes
            )
            total = f"sum(measure{i})" if columns.scale >= 0 else f"list(measure{i})"
            for group, files, measure, exposure in self.connection.execute(
                f"SELECT group{i}, count(*), {total}, coalesce(sum(exposure), 0) FROM result "
                f"WHERE where{i} AND measure{i} IS NOT NULL GROUP BY ALL"
            ).fetchall():
                tally.add(group, Sum(files, _total(measure, columns.scale), Decimal(exposure).scaleb(-2)))

    # -- exceptions ---------------------------------------------------------------------------------------

    def write_exceptions(self, found: dict[int, set[Outcome]]) -> None:
        self.connection.execute(
            "CREATE OR REPLACE TEMP TABLE exceptions (f INTEGER, rule SMALLINT, code TINYINT, version VARCHAR, "
            f"judged_on DATE, facts {TEXTS}, missing VARCHAR[], note VARCHAR)"
        )
        for number, outcomes in sorted(found.items()):
            if outcomes & set(EXCEPTIONS):
                self.connection.execute(self.evidence_query(number, Outcome.UNKNOWN in outcomes))
        rules = ", ".join(f"({i}, {literal(r.id)}, {literal(r.stage)})" for i, r in enumerate(self.rules))
        outcomes_ = ", ".join(f"({int(o)}, {literal(o.text)})" for o in EXCEPTIONS)
        text = f"""
            SELECT {LOAN_ID}, r.id AS rule, r.stage, branch, o.text AS outcome, version, judged_on,
                   {_amount("exposure", 18)} AS exposure, facts, missing, note, CAST(NULL AS VARCHAR) AS "group"
            FROM exceptions e JOIN files USING (f)
            JOIN (SELECT f, branch, exposure FROM result) USING (f)
            JOIN (VALUES {rules}) r(number, id, stage) ON r.number = e.rule
            JOIN (VALUES {outcomes_}) o(code, text) ON o.code = e.code
            ORDER BY f, e.rule"""
        self.writer.exceptions(self.table(text, EXCEPTIONS_SCHEMA))

    def evidence_query(self, number: int, unknown: bool) -> str:
        """Adds the exceptions of a rule, with what it read, and, where it left a file open, what it lacked."""
        key = (self.rules[number].id, unknown)
        if key not in self.evidence_queries:
            self.evidence_queries[key] = self.compile_evidence(number, unknown)
            self.register()
        return self.evidence_queries[key]

    def compile_evidence(self, number: int, unknown: bool) -> str:
        compiler, rule = self.compiler, self.rules[number]
        env = self.environments[rule.id]
        facts, note = compiler.evidence(rule.evidence, env), compiler.column(rule.note, env, "VARCHAR")
        body = query([facts, note], compiler.relations, files=_some(number, EXCEPTIONS), all_files=False)
        names = ", ".join(literal(v) for v in rule.versions)
        version = f"(CAST([{names}] AS VARCHAR[]))[r.version{number} + 1]"
        missing, blame = "CAST([] AS VARCHAR[])", ""
        if unknown:
            blamed = compiler.named([(name, compiler.boolean(core, env)) for name, core in rule.blame])
            missing = f"coalesce(b.{blamed.name}, [])"
            rest = query(
                [blamed], compiler.relations, files=_some(number, [Outcome.UNKNOWN]), all_files=False
            )
            blame = f"LEFT JOIN ({rest}) b ON b.f = e.f"
        return f"""
            INSERT INTO exceptions
            SELECT e.f, {number}, r.code{number}, {version}, r.judged{number}, e.{facts.name}, {missing}, e.{note.name}
            FROM ({body}) e JOIN result r ON r.f = e.f {blame}"""


def _amount(cents: str, digits: int) -> str:
    """SQL: whole cents as a decimal."""
    return f"CAST(CAST({cents} AS DECIMAL({digits}, 0)) * CAST(0.01 AS DECIMAL(3, 2)) AS DECIMAL({digits}, 2))"


def _some(number: int, outcomes: Sequence[Outcome]) -> str:
    """The files whose outcome of a rule is one of these."""
    codes = ", ".join(str(int(o)) for o in outcomes)
    return f"(SELECT * FROM files SEMI JOIN (SELECT f FROM result WHERE code{number} IN ({codes})) USING (f))"


def _total(measure: Any, scale: int) -> Decimal:
    """The sum of a group's measure: a whole number of its scale, or decimals as texts."""
    if scale >= 0:
        return Decimal(measure).scaleb(-scale, context=_WIDE)
    total = Decimal(0)
    for text in measure:
        total = _WIDE.add(total, Decimal(text))
    return total


# -- row by row -------------------------------------------------------------------------------------------------------


class _Rows:
    """The row engine: the definition, file by file."""

    def __init__(self, run: _Run, writer: RunWriter) -> None:
        self.run = run
        self.writer = writer
        self.evaluator = Evaluator(run.pack, plan=run.plan)
        self.stages = {rule.id: rule.stage for rule in run.plan.rules}

    def go(self, step: Any) -> None:
        run = self.run
        reference = read_reference(run.book, run.pack.vocabulary)
        tallies = RowTallies(run.plan.portfolio, run.pack.exposure, run.pack)
        codes: list[dict[str, Any]] = []
        counts = Counts()
        exceptions: list[dict[str, Any]] = []
        for number, file in enumerate(iter_files(run.book, run.pack.vocabulary), 1):
            codes.append({LOAN_ID: file.id})
            branch, exposure = file.facts[run.pack.branch], file.facts[run.pack.exposure]
            product = None if run.pack.product is None else file.facts[run.pack.product]
            for judged in self.evaluator.judge(file, reference, run.as_of):
                codes[-1][judged.rule] = int(judged.outcome)
                stage, period = self.stages[judged.rule], quarter(judged.judged_on)
                key = (judged.rule, judged.version, stage, branch, product, period, judged.outcome)
                counts.add(key, exposure)
                if judged.outcome in EXCEPTIONS:
                    reasons = self.evaluator.reasons(judged, file, reference, run.as_of)
                    exceptions.append(
                        {
                            "loan_id": file.id,
                            "rule": judged.rule,
                            "stage": stage,
                            "branch": branch,
                            "outcome": judged.outcome.text,
                            "version": judged.version,
                            "judged_on": judged.judged_on,
                            "exposure": exposure,
                            "facts": [{"fact": name, "value": value} for name, value in reasons.facts],
                            "missing": list(reasons.missing),
                            "note": judged.note,
                        }
                    )
            tallies.add(file, reference, run.as_of)
            if number % _BATCH == 0 or number == run.book.loans:
                self.writer.codes(pa.Table.from_pylist(codes, codes_schema(self.writer.rules)))
                self.writer.exceptions(pa.Table.from_pylist(exceptions, EXCEPTIONS_SCHEMA))
                step(len(codes))
                codes, exceptions = [], []
        self.writer.count(counts.table())
        _write_groups(run, tallies.tallies, reference, self.writer)

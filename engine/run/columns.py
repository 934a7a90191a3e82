"""The columnar engine: a policy over a book in chunks of files, by DuckDB, as many chunks at a time as there are cores.

Of each chunk first `result`, a row a file with the code, version and day of every rule; from it the counts; and then,
for the exceptions alone, the facts that each rule read, and those whose absence left it open.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from sancha.engine.book.schema import LOAN_ID
from sancha.engine.book.store import Book
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import (
    ListEvidence,
    Outcome,
    Plan,
    PortfolioPlan,
    RulePlan,
    ScalarEvidence,
)
from sancha.engine.run.counting import RuleOutcomes, count
from sancha.engine.run.exact import Exact, Missing, register
from sancha.engine.run.portfolio import Conditions, Sum, Tally, conditions
from sancha.engine.run.relations import (
    CONSTANT,
    Cell,
    Relations,
    functions_of,
    has_aggregates,
    literal,
    query,
)
from sancha.engine.run.results import (
    EXCEPTIONS,
    EXCEPTIONS_SCHEMA,
    EXPOSURE,
    Numbers,
    amounts,
    codes_schema,
)
from sancha.engine.run.to_columns import BookBounds, Compiler, prepare
from sancha.engine.run.working import (
    FEW_QUERIES,
    Span,
    WorkingTables,
    book_bounds,
    chunk_size,
    spans,
)

#: What DuckDB may hold; beyond it, intermediate results go to the disk.
MEMORY = "2GB"
#: Chunks that are judged at a time, at most: each needs its share of the memory.
MOST_WORKERS = 4
_WIDE = Context(prec=13_000)


#: Makes of the table `codes` or `exceptions` what is wanted of it.
Encode = Callable[[str, pa.Table], Any]


@dataclass(frozen=True)
class ChunkResult:
    """What a chunk of files comes to: tables in the schemas of `results`, codes and exceptions as they were asked for,
    and the sums of portfolio rules."""

    files: int
    codes: Any
    counts: pa.Table
    exceptions: Any
    tallies: Mapping[str, Tally]


@dataclass(frozen=True, slots=True)
class _RuleColumns:
    """The columns of `result` for a rule."""

    rule: RulePlan
    code: str
    version: str
    judged: str
    quarter: str


@dataclass(frozen=True, slots=True)
class _PortfolioColumns:
    """The columns of `result` for a portfolio rule. A scale below 0 says that the measure is a decimal as text."""

    plan: PortfolioPlan
    asked: Conditions
    where: str
    group: str
    measure: str
    open: str
    doubts: tuple[str, ...]
    scale: int


class Columns:
    """A policy compiled for a book."""

    def __init__(
        self,
        pack: Pack,
        book: Book,
        plan: Plan,
        as_of: date,
        *,
        bounds: BookBounds | None = None,
        relations: Relations | None = None,
    ) -> None:
        self.pack = pack
        self.book = book
        self.plan = plan
        self.bounds = bounds or book_bounds(book, pack.vocabulary, plan)
        self.compiler = Compiler(pack.vocabulary, self.bounds, pack.calendar, as_of, relations)
        self.environments = [self.compiler.bind(rule.lets) for rule in plan.rules]
        self.shown: dict[Cell, None] = {}
        self.rules = [self._rule(rule, env) for rule, env in zip(plan.rules, self.environments, strict=True)]
        self.portfolio = [self._portfolio(rule) for rule in plan.portfolio]
        self.exposure = self._show(self.compiler.column(plan.exposure, self.compiler.root, "BIGINT"))
        self.loan_id = self._show(self._text_of(LOAN_ID))
        self.branch = self._show(self._text_of(pack.branch))
        self.product = None if pack.product is None else self._show(self._text_of(pack.product))
        self.main = query(list(self.shown), self.compiler.relations)
        self._evidence: dict[tuple[int, bool], str] = {}
        self._all: _Reasons | None = None
        self._registered = 0
        self._lock = threading.Lock()

    def _show(self, cell: Cell) -> str:
        """Makes a cell a column of `result`."""
        self.shown[cell] = None
        return cell.name

    def _text_of(self, column: str) -> Cell:
        relations = self.compiler.relations
        found = relations.raw(relations.files, column, "VARCHAR", True)
        return relations.plain("CAST({0} AS VARCHAR)", [found], "VARCHAR")

    def _rule(self, rule: RulePlan, env: Any) -> _RuleColumns:
        compiler = self.compiler
        judged = compiler.column(rule.judged, env, "DATE")
        quarter = "CAST(year({0}) * 4 + quarter({0}) - 1 AS INTEGER)"
        return _RuleColumns(
            rule,
            self._show(compiler.column(rule.code, env, "TINYINT")),
            self._show(compiler.column(rule.version, env, "SMALLINT")),
            self._show(judged),
            self._show(compiler.relations.plain(quarter, [judged], "INTEGER")),
        )

    def _portfolio(self, plan: PortfolioPlan) -> _PortfolioColumns:
        compiler = self.compiler
        env, asked = compiler.bind(plan.lets), conditions(plan)
        measure = compiler.value(asked.measure, env)
        # Whole numbers are summed by SQL; what is no whole number of a scale goes as text, and is summed here.
        scale = measure.scale if isinstance(measure, Exact) else -1
        if isinstance(measure, Exact):
            cell = measure.cell
        else:
            missing = isinstance(measure, Missing)
            cell = compiler.null("VARCHAR") if missing else compiler.numbers.digits(measure).cell
        doubts = (*asked.doubts, *asked.group_doubts)
        return _PortfolioColumns(
            plan,
            asked,
            self._show(compiler.boolean(asked.where, env)),
            self._show(compiler.column(asked.group, env, "VARCHAR")),
            self._show(cell),
            self._show(compiler.boolean(asked.open, env)),
            tuple(self._show(compiler.boolean(core, env)) for _, core in doubts),
            scale,
        )

    def row_functions(self) -> dict[str, list[str]]:
        """The rules that call functions of the row evaluator, with the operators that they call them for."""
        reasons = {f.name: f.reason for f in self.compiler.numbers.functions.values()}
        cells = {cell.name: cell for cell in self.shown}
        shown: list[tuple[str, tuple[str, ...]]]
        shown = [(c.rule.id, (c.code, c.version, c.judged)) for c in self.rules]
        shown += [(c.plan.id, (c.where, c.group, c.measure, c.open, *c.doubts)) for c in self.portfolio]
        found = {}
        for rule, names in shown:
            called = {f for name in names for f in functions_of(cells[name])} & reasons.keys()
            if called:
                found[rule] = sorted({reasons[f] for f in called})
        return found

    # -- running ------------------------------------------------------------------------------------------

    def results(
        self, spill: Path, *, skip: int = 0, exceptions: bool = True, encode: Encode | None = None
    ) -> Iterator[ChunkResult]:
        """The results of all chunks but the first `skip`, in order of loan ids; with or without exceptions.

        `spill` is a folder for what memory does not hold. `encode` makes of the tables `codes` and `exceptions` what is
        wanted of them, in the threads that judge.
        """
        size = chunk_size(self.book, self.plan, exceptions)
        chunks = list(spans(self.book, self.plan, size))[skip:]
        if not chunks:
            return
        cores = min(os.cpu_count() or 1, MOST_WORKERS)
        workers = min(cores, len(chunks))
        with duckdb.connect() as connection:
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            connection.execute(f"SET temp_directory = {literal(str(spill))}")
            prepare(connection, self.pack.calendar)
            self.register(connection)
            # Reference lists have no numbers of their own: they keep the order of their file.
            self.tables(connection, exceptions).reference()
            # Items need no order; files that are read as they stand keep theirs.
            kept = "false" if self.plan.lists else "true"
            connection.execute(f"SET preserve_insertion_order = {kept}")
            # A book of one chunk has its rules share the cores.
            hands = max(cores // workers, 1)
            encode = encode or (lambda name, table: table)
            made = [_Worker(self, connection, i, hands, exceptions, encode) for i in range(workers)]
            yield from _in_order(made, chunks)

    def tables(self, connection: duckdb.DuckDBPyConnection, exceptions: bool) -> WorkingTables:
        """The working tables of a connection, with or without the exceptions to come."""
        lists = sum(any(isinstance(e, ListEvidence) for e in c.rule.evidence) for c in self.rules)
        queries = 2 + lists if exceptions else 1
        vocabulary, paths = self.pack.vocabulary, self.book.tables
        return WorkingTables(connection, vocabulary, self.plan, self.bounds, paths, queries)

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the row's functions known that the queries compiled so far call."""
        functions = list(self.compiler.numbers.functions.values())
        for function in functions[self._registered :]:
            register(connection, function)
        self._registered = len(functions)

    def evidence(self, number: int, unknown: bool, connection: duckdb.DuckDBPyConnection) -> str:
        """A query of the exceptions of a rule: `f`, the facts that it read, those that it lacked where it left a file
        open (`unknown`), and the note."""
        with self._lock:
            key = (number, unknown)
            if key not in self._evidence:
                self._evidence[key] = self._compile_evidence(number, unknown)
                self.register(connection)
            return self._evidence[key]

    def _compile_evidence(self, number: int, unknown: bool) -> str:
        compiler, columns = self.compiler, self.rules[number]
        facts, note, blamed = self._reasons(number)
        body = query([facts, note], compiler.relations, files=_some(columns, EXCEPTIONS), all_files=False)
        if not unknown:
            return f"SELECT f, {facts.name} AS facts, {_NONE} AS missing, {note.name} AS note FROM ({body})"
        files = _some(columns, [Outcome.UNKNOWN])
        rest = query([blamed], compiler.relations, files=files, all_files=False)
        return (
            f"SELECT e.f, e.{facts.name} AS facts, coalesce(b.{blamed.name}, []) AS missing, e.{note.name} AS note "
            f"FROM ({body}) e LEFT JOIN ({rest}) b ON b.f = e.f"
        )

    def _reasons(self, number: int) -> tuple[Cell, Cell, Cell]:
        """The facts that a rule read, its note, and the names of what may leave it open."""
        compiler, rule, env = self.compiler, self.rules[number].rule, self.environments[number]
        facts, note = compiler.evidence(rule.evidence, env), compiler.column(rule.note, env, "VARCHAR")
        return facts, note, compiler.named([(name, compiler.boolean(core, env)) for name, core in rule.blame])

    def reasons_of_all(self, connection: duckdb.DuckDBPyConnection) -> _Reasons:
        """One query for all rules that read no list, over the files of which any rule makes an exception."""
        with self._lock:
            if self._all is None:
                self._all = self._compile_all()
                self.register(connection)
            return self._all

    def _compile_all(self) -> _Reasons:
        compiler, relations = self.compiler, self.compiler.relations
        plain: dict[int, tuple[dict[str, Cell], list[tuple[str, Cell]], Cell]] = {}
        asking: dict[Cell, list[int]] = {}
        for number, (columns, env) in enumerate(zip(self.rules, self.environments, strict=True)):
            evidence = [e for e in columns.rule.evidence if isinstance(e, ScalarEvidence)]
            facts = {e.name: compiler.text(e.value, env) for e in evidence}
            blamed = [(name, compiler.boolean(core, env)) for name, core in columns.rule.blame]
            blamed = [(name, cell) for name, cell in blamed if cell is not compiler.false]
            note = compiler.column(columns.rule.note, env, "VARCHAR")
            lists = len(evidence) < len(columns.rule.evidence)
            if lists or any(map(has_aggregates, (*facts.values(), *(cell for _, cell in blamed), note))):
                continue
            plain[number] = (facts, blamed, note)
            for cell in dict.fromkeys(facts.values()):
                asking.setdefault(cell, []).append(number)
        if not plain:
            return _Reasons("", {}, ())

        bits = {number: divmod(i, _BITS) for i, number in enumerate(plain)}

        def where(numbers: Sequence[int], cell: Cell) -> Cell:
            """The cell where one of the rules makes an exception."""
            if cell.kind == CONSTANT or len(numbers) > _MANY_RULES:
                return cell
            masks: dict[int, int] = {}
            for word, bit in (bits[number] for number in numbers):
                masks[word] = masks.get(word, 0) | 1 << bit
            asked = " OR ".join(f"{{{i + 1}}} & {mask} <> 0" for i, mask in enumerate(masks.values()))
            marks = [relations.raw(relations.files, f"{_MARKS}{word}", "BIGINT", False) for word in masks]
            return relations.plain(f"(CASE WHEN {asked} THEN {{0}} END)", [cell, *marks], cell.type, True)

        texts = {cell: where(numbers, cell) for cell, numbers in asking.items()}
        # What a file may lack, by words of bits.
        lacks = [(number, name, cell) for number, (_, blamed, _) in plain.items() for name, cell in blamed]
        blame: dict[int, list[tuple[str, int, int]]] = {number: [] for number in plain}
        words: list[Cell] = []
        for first in range(0, len(lacks), _BITS):
            some = lacks[first : first + _BITS]
            for bit, (number, name, _) in enumerate(some):
                blame[number].append((name, len(words), bit))
            terms = (f"(CASE WHEN {{{bit}}} THEN {1 << bit} ELSE 0 END)" for bit in range(len(some)))
            cells = [cell for *_, cell in some]
            words.append(relations.plain(f"CAST({' | '.join(terms)} AS BIGINT)", cells, "BIGINT", False))
        outputs: dict[Cell, None] = dict.fromkeys(words)
        rules = {}
        for number, (facts, _, note) in plain.items():
            # Of a rule that never has a note its column is a constant.
            told = [where([number], note)] if note.kind != CONSTANT else []
            outputs |= dict.fromkeys([*(texts[cell] for cell in facts.values()), *told])
            rules[number] = _PlainReasons(
                tuple((name, texts[cell].name) for name, cell in facts.items()),
                tuple(blame[number]),
                told[0].name if told else None,
                bits[number],
            )
        source = f"(SELECT x.*, r.* EXCLUDE (f) FROM files x JOIN {_EXCEPTED} r USING (f))"
        # A text that is chosen is computed within the condition, for the files that it chooses.
        within = {cell for cell in asking if texts[cell] is not cell}
        within |= {note for *_, note in plain.values()}
        text = query(list(outputs), relations, files=source, within=within)
        return _Reasons(text, rules, tuple(word.name for word in words))


@dataclass(frozen=True, slots=True)
class _PlainReasons:
    """Of a rule the names of the facts that it reads with their columns; the names of what may be missing, each with
    its word and bit; the column of its note (None: it never has one); the word and bit that mark its files."""

    facts: tuple[tuple[str, str], ...]
    blame: tuple[tuple[str, int, int], ...]
    note: str | None
    mark: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Reasons:
    """A query, what it tells of the rules of which it speaks, and its columns of what is missing, 63 bits each."""

    text: str
    rules: Mapping[int, _PlainReasons]
    words: tuple[str, ...]


#: The files of which a rule that reads no list makes an exception; each such rule is a bit of a word.
_EXCEPTED = "excepted"
_MARKS = "#exceptions"
_BITS = 63
#: A fact that more rules ask for is given for all files that have an exception.
_MANY_RULES = 12


def _in_order(workers: Sequence[_Worker], chunks: Sequence[Span]) -> Iterator[ChunkResult]:
    """The results of the chunks, in their order; no more are under way, or waiting, than there are workers."""
    free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def judge(span: Span) -> ChunkResult:
        worker = free.get()
        try:
            return worker.judge(span)
        finally:
            free.put(worker)

    pending: deque[Future[ChunkResult]] = deque()
    rest = iter(chunks)
    executor = ThreadPoolExecutor(len(workers))
    try:
        for span in rest:
            pending.append(executor.submit(judge, span))
            if len(pending) > len(workers):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # After an error or an interruption nobody waits for what is still being computed.
        for worker in workers:
            worker.interrupt()
        executor.shutdown(cancel_futures=True)
        for worker in workers:
            worker.close()


class _Worker:
    """Judges chunks with tables of its own, in a schema of the shared database."""

    def __init__(
        self,
        columns: Columns,
        shared: duckdb.DuckDBPyConnection,
        number: int,
        hands: int,
        with_exceptions: bool,
        encode: Encode,
    ) -> None:
        self.columns = columns
        self.encode = encode
        self.with_exceptions = with_exceptions
        self.shared = shared
        shared.execute(f"CREATE SCHEMA worker{number}")
        self.cursors = [shared.cursor() for _ in range(hands)]
        for cursor in self.cursors:
            cursor.execute(f"SET search_path = 'worker{number},main'")
        self.cursor = self.cursors[0]
        self.tables = columns.tables(self.cursor, with_exceptions)

    def interrupt(self) -> None:
        for cursor in self.cursors:
            cursor.interrupt()

    def close(self) -> None:
        for cursor in self.cursors:
            cursor.close()

    def judge(self, span: Span) -> ChunkResult:
        """Judge the files of a chunk."""
        self.tables.load(span)
        answers = self.answers()
        rules = self.columns.rules
        codes = pa.Table.from_arrays(
            [answers[self.columns.loan_id], *(answers[c.code] for c in rules)],
            schema=codes_schema([c.rule.id for c in rules]),
        )
        counts, found = self.counts(answers)
        tallies = {c.plan.id: self.tally(c) for c in self.columns.portfolio}
        exceptions = (
            self.exceptions(answers, found) if self.with_exceptions else EXCEPTIONS_SCHEMA.empty_table()
        )
        encoded = (self.encode("codes", codes), self.encode("exceptions", exceptions))
        return ChunkResult(span.files, encoded[0], counts, encoded[1], tallies)

    def table(self, text: str, schema: pa.Schema) -> pa.Table:
        return self.cursor.sql(text).to_arrow_table().cast(schema)

    def answers(self) -> dict[str, pa.Array]:
        """The columns of `result`, in order of loan ids; those that are counted have -1 for no version or quarter.

        `result` is made known to the queries for portfolio rules and reasons.
        """
        found = self.cursor.sql(self.columns.main).to_arrow_table().combine_chunks()
        order = found["f"].combine_chunks().to_numpy()
        if not (order[:-1] < order[1:]).all():
            found = found.take(pa.array(np.argsort(order)))
        if self.tables.queries > FEW_QUERIES:
            # A table is asked in less time than what Python holds.
            self.cursor.register("answered", found)
            self.cursor.execute("CREATE OR REPLACE TABLE result AS FROM answered")
            self.cursor.unregister("answered")
        else:
            for cursor in self.cursors:
                cursor.register("result", found)
        answers = {name: found[name].combine_chunks() for name in found.column_names}
        for name in (n for c in self.columns.rules for n in (c.version, c.quarter)):
            answers[name] = answers[name].fill_null(-1)
        return answers

    def counts(self, answers: Mapping[str, pa.Array]) -> tuple[pa.Table, dict[int, set[Outcome]]]:
        """The outcomes of the chunk, counted; and the outcomes that each rule has in it."""
        columns = self.columns
        numbers: dict[str, Any] = {}

        def of(name: str) -> Any:
            if name not in numbers:
                numbers[name] = answers[name].to_numpy()
            return numbers[name]

        branch = answers[columns.branch]
        product = answers[columns.product] if columns.product else pa.nulls(len(branch), pa.string())
        rules = [
            RuleOutcomes(i, of(c.code), of(c.version), of(c.quarter)) for i, c in enumerate(columns.rules)
        ]
        return count(rules, branch, product, answers[columns.exposure].fill_null(0).to_numpy())

    def tally(self, columns: _PortfolioColumns) -> Tally:
        """What the chunk adds to the sums of a portfolio rule."""
        tally = Tally()
        flags = [f"coalesce(bool_or({x}), FALSE)" for x in (columns.open, *columns.doubts)]
        row = self.cursor.execute(f"SELECT {', '.join(flags)} FROM result").fetchone()
        assert row is not None
        if row[0]:
            groups = f"SELECT DISTINCT {columns.group} FROM result WHERE {columns.open}"
            tally.open.update(group for (group,) in self.cursor.execute(groups).fetchall())
        doubts, group_doubts = columns.asked.doubts, columns.asked.group_doubts
        split = len(doubts)
        tally.missing.update(name for (name, _), yes in zip(doubts, row[1 : split + 1], strict=True) if yes)
        tally.group_missing.update(
            name for (name, _), yes in zip(group_doubts, row[split + 1 :], strict=True) if yes
        )
        total = f"sum({columns.measure})" if columns.scale >= 0 else f"list({columns.measure})"
        for group, files, measure, exposure in self.cursor.execute(
            f"SELECT {columns.group}, count(*), {total}, coalesce(sum({self.columns.exposure}), 0) FROM result "
            f"WHERE {columns.where} AND {columns.measure} IS NOT NULL GROUP BY ALL"
        ).fetchall():
            tally.add(group, Sum(files, _total(measure, columns.scale), Decimal(exposure).scaleb(-2, _WIDE)))
        return tally

    # -- exceptions ---------------------------------------------------------------------------------------

    def exceptions(self, answers: Mapping[str, pa.Array], found: Mapping[int, set[Outcome]]) -> pa.Table:
        """The exceptions of the chunk, in order of loan ids and rules."""
        work = {n: Outcome.UNKNOWN in o for n, o in sorted(found.items()) if o & set(EXCEPTIONS)}
        if not work:
            return EXCEPTIONS_SCHEMA.empty_table()
        reasons = self.columns.reasons_of_all(self.shared)
        number, told = self.plain_reasons(answers, reasons, work)
        of_lists = self.list_reasons([(n, unknown) for n, unknown in work.items() if n not in reasons.rules])
        if of_lists:
            number = np.concatenate([number, *(np.full(t.num_rows, n) for n, t in of_lists.items())])
            told = pa.concat_tables([told, *of_lists.values()]).combine_chunks()
            order = np.lexsort((number, told["f"].combine_chunks().to_numpy()))
            number, told = number[order], told.take(pa.array(order))
        return self.described(answers, number, told)

    def plain_reasons(
        self, answers: Mapping[str, pa.Array], reasons: _Reasons, work: Collection[int]
    ) -> tuple[Numbers, pa.Table]:
        """The exceptions of those rules that read no list, from one query for all of them: the number of the rule and
        the reasons of each, in order of files and rules."""
        rules = {number: reasons.rules[number] for number in work if number in reasons.rules}
        if not rules:
            return np.zeros(0, np.int64), _REASONS.empty_table()
        files, width = len(answers["f"]), len(self.columns.rules)
        marks: dict[str, Numbers] = {}
        for of_rule in reasons.rules.values():
            marks.setdefault(f"{_MARKS}{of_rule.mark[0]}", np.zeros(files, np.int64))
        keys = []
        for n, of_rule in rules.items():
            code = answers[self.columns.rules[n].code].to_numpy()
            found = np.flatnonzero(_IS_EXCEPTION[code])
            word, bit = of_rule.mark
            marks[f"{_MARKS}{word}"][found] |= 1 << bit
            keys.append((found * width + n) * 2 + (code[found] == Outcome.UNKNOWN))
        some = np.any([word != 0 for word in marks.values()], axis=0)
        self.cursor.register(_EXCEPTED, pa.table({"f": answers["f"], **marks}).filter(pa.array(some)))
        wide = self.cursor.sql(reasons.text).to_arrow_table()
        # The row of each file among those of the query.
        row = np.zeros(files, np.int64)
        row[wide["f"].to_numpy() - 1] = np.arange(wide.num_rows)
        rest, unknown = np.divmod(np.sort(np.concatenate(keys)), 2)
        file, number = np.divmod(rest, width)
        told = _Told(wide, rules, number, row[file])
        columns = [
            pa.array(file + 1, pa.int32()),
            told.facts(),
            told.missing(reasons.words, unknown == 1),
            told.note(),
        ]
        return number, pa.Table.from_arrays(columns, schema=_REASONS)

    def list_reasons(self, work: Sequence[tuple[int, bool]]) -> dict[int, pa.Table]:
        """The reasons of rules (number, whether it left a file open), a query each, with all cursors at a time."""
        pending = deque(work)
        parts: dict[int, pa.Table] = {}

        def run(cursor: duckdb.DuckDBPyConnection) -> None:
            while pending:
                try:
                    number, unknown = pending.popleft()
                except IndexError:
                    return
                text = self.columns.evidence(number, unknown, self.shared)
                parts[number] = cursor.sql(text).to_arrow_table().cast(_REASONS)

        if len(self.cursors) == 1:
            run(self.cursor)
            return parts
        with ThreadPoolExecutor(len(self.cursors)) as executor:
            for done in [executor.submit(run, cursor) for cursor in self.cursors]:
                done.result()
        return parts

    def described(self, answers: Mapping[str, pa.Array], number: Numbers, told: pa.Table) -> pa.Table:
        """The reasons, each of the rule of a number, with what the results say of it."""
        rules = self.columns.rules
        parts = np.unique(number).tolist()
        rows = told["f"].combine_chunks().to_numpy() - 1
        place = pa.array(rows)

        def of_rule(name: Callable[[_RuleColumns], str], type_: pa.DataType) -> pa.Array:
            """For each row a column that its rule names."""
            names = {n: name(rules[n]) for n in parts}
            distinct = list(dict.fromkeys(names.values()))
            if len(distinct) == 1:
                return answers[distinct[0]].take(place).cast(type_)
            which = np.zeros(len(rules), np.int64)
            for n, column in names.items():
                which[n] = distinct.index(column)
            stacked = pa.concat_arrays([answers[column].cast(type_) for column in distinct])
            return stacked.take(pa.array(which[number] * len(answers["f"]) + rows))

        versions = [v for n in parts for v in rules[n].rule.versions]
        first = np.zeros(len(rules), np.int64)
        count = 0
        for n in parts:
            first[n] = count
            count += len(rules[n].rule.versions)
        version = of_rule(lambda c: c.version, pa.int16()).to_numpy().astype(np.int64)
        outcome = of_rule(lambda c: c.code, pa.int8())
        columns = [
            answers[self.columns.loan_id].take(place),
            pa.array([c.rule.id for c in rules]).take(pa.array(number)),
            pa.array([c.rule.stage for c in rules]).take(pa.array(number)),
            answers[self.columns.branch].take(place),
            pa.array([o.text for o in Outcome]).take(outcome),
            pa.array(versions, pa.string()).take(pa.array(first[number] + version, mask=version < 0)),
            of_rule(lambda c: c.judged, pa.date32()),
            amounts(answers[self.columns.exposure].take(place), EXPOSURE),
            told["facts"],
            _empty_for_none(told["missing"].combine_chunks()),
            told["note"],
            pa.nulls(len(rows), pa.string()),
        ]
        return pa.Table.from_arrays(columns, schema=EXCEPTIONS_SCHEMA)


#: Bytes of texts that stand in one array.
_MOST_TEXT = 2**31 - 1
#: By the code of an outcome.
_IS_EXCEPTION = np.isin(range(len(Outcome)), EXCEPTIONS)
#: Of an exception: its file, the facts, what was missing (None: nothing), and the note.
_REASONS = pa.schema(
    [
        pa.field("f", pa.int32()),
        *(EXCEPTIONS_SCHEMA.field(name) for name in ("facts", "missing", "note")),
    ]
)
_NONE = "CAST([] AS VARCHAR[])"


class _Told:
    """What a query tells of exceptions: of each the number of the rule and the row of the query's table `wide`."""

    def __init__(
        self, wide: pa.Table, rules: Mapping[int, _PlainReasons], number: Numbers, row: Numbers
    ) -> None:
        self.wide = wide
        self.rules = rules
        self.number = number
        self.row = row

    def by_number(self, values: Sequence[int]) -> Numbers:
        """For each exception the value of its rule."""
        found = np.zeros(max(self.rules) + 1, np.int64)
        found[list(self.rules)] = values
        return found[self.number]

    def facts(self) -> pa.ListArray:
        lengths = [len(of_rule.facts) for of_rule in self.rules.values()]
        facts = [fact for of_rule in self.rules.values() for fact in of_rule.facts]
        counts = self.by_number(lengths)
        ends = np.cumsum(counts)
        # Of each fact of each exception its exception, and its place among the facts of all rules.
        which = np.repeat(np.arange(len(counts)), counts)
        first = self.by_number(np.cumsum([0, *lengths[:-1]]).tolist()) - (ends - counts)
        fact = np.arange(len(which)) + first[which]
        names = pa.array([name for name, _ in facts], pa.string()).take(pa.array(fact))
        values = self.chosen([column for _, column in facts], fact, self.row[which])
        type_ = EXCEPTIONS_SCHEMA.field("facts").type
        pairs = pa.StructArray.from_arrays([names, values], fields=list(type_.value_type))
        return pa.ListArray.from_arrays(_offsets(counts), pairs)

    def missing(self, words: Sequence[str], unknown: Numbers) -> pa.ListArray:
        """The names of what was missing where an exception is an unknown outcome."""
        bits = [self.wide[word].to_numpy() for word in words]
        names: list[str] = []
        whose, what = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for number, of_rule in self.rules.items():
            own = np.flatnonzero((self.number == number) & unknown) if of_rule.blame else ()
            for name, word, bit in of_rule.blame:
                whose.append(own[bits[word][self.row[own]] >> bit & 1 == 1])
                what.append(np.full(len(whose[-1]), len(names)))
                names.append(name)
        # The names stand one after the other, and go exception by exception.
        all_ = np.concatenate(whose)
        place = np.concatenate(what)[np.argsort(all_, kind="stable")]
        counts = np.bincount(all_, minlength=len(self.number))
        return pa.ListArray.from_arrays(_offsets(counts), pa.array(names, pa.string()).take(pa.array(place)))

    def note(self) -> pa.Array:
        places = self.by_number(range(len(self.rules)))
        return self.chosen([of_rule.note for of_rule in self.rules.values()], places, self.row)

    def chosen(self, columns: Sequence[str | None], which: Numbers, row: Numbers) -> pa.Array:
        """Of each pair of `which` and `row` the text of that column in that row; none of a column None."""
        distinct = [name for name in dict.fromkeys(columns) if name is not None]
        if not distinct:
            return pa.nulls(len(which), pa.string())
        place = np.array([-1 if name is None else distinct.index(name) for name in columns], np.int64)[which]
        at = pa.array(place * self.wide.num_rows + row, mask=place < 0)
        chunks = [chunk.cast(pa.string()) for name in distinct for chunk in self.wide[name].chunks]
        texts = pa.chunked_array(chunks, pa.string())
        if texts.nbytes < _MOST_TEXT:
            return texts.combine_chunks().take(at)
        # Arrow's offsets of texts have 32 bits: what is longer stays in its chunks, which takes more time.
        found = texts.take(at)
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _offsets(counts: Numbers) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())


def _empty_for_none(lists: pa.ListArray) -> pa.ListArray:
    """Lists, empty where there are none: what `fill_null` gives, in a small part of its time."""
    return pa.ListArray.from_arrays(_offsets(lists.value_lengths().fill_null(0).to_numpy()), lists.flatten())


def _codes(outcomes: Iterable[Outcome]) -> str:
    return ", ".join(str(int(o)) for o in outcomes)


def _some(columns: _RuleColumns, outcomes: Sequence[Outcome]) -> str:
    """SQL: the files whose outcome of a rule is one of these."""
    chosen = f"SELECT f FROM result WHERE {columns.code} IN ({_codes(outcomes)})"
    return f"(SELECT * FROM files SEMI JOIN ({chosen}) USING (f))"


def _total(measure: Any, scale: int) -> Decimal:
    """The sum of a group's measure: a whole number of its scale, or decimals as texts."""
    if scale >= 0:
        return Decimal(measure).scaleb(-scale, context=_WIDE)
    total = Decimal(0)
    for text in measure:
        total = _WIDE.add(total, Decimal(text))
    return total

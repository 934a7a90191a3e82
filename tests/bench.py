"""Expressions over a generated book, by both ways to run: values compared as texts of evidence, file by file."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from agreement import Generator, Varied, constants_of, generated_book
from expressions import Expressions
from policies import Compared, policy

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.book.store import Book, iter_files, read_reference
from sancha.engine.feel import core as c
from sancha.engine.feel.check import check
from sancha.engine.policy.lower import lower_core
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Plan
from sancha.engine.policy.vocabulary import Vocabulary
from sancha.engine.run.as_text import as_text
from sancha.engine.run.exact import register
from sancha.engine.run.relations import query
from sancha.engine.run.row import Reference
from sancha.engine.run.to_columns import Compiler, prepare
from sancha.engine.run.to_python import compile_core
from sancha.engine.run.working import WorkingTables, book_bounds, spans


@dataclass
class Bench:
    """A generated book, open to both ways to run."""

    pack: Pack
    book: Book
    files: list[LoanFile]
    reference: Reference
    connection: duckdb.DuckDBPyConnection
    plan: Plan

    def core(self, text: str) -> c.Core | None:
        core, _ = check(text, self.pack.scope)
        return None if core is None else lower_core(self.pack, core)

    def columns(self, cores: Sequence[c.Core]) -> list[tuple[str | None, ...]]:
        """For each file the values as texts of evidence."""
        bounds = book_bounds(self.book, self.pack.vocabulary, self.plan)
        compiler = Compiler(self.pack.vocabulary, bounds, self.pack.calendar, self.book.as_of)
        cells = [compiler.text(core, compiler.root) for core in cores]
        functions = compiler.numbers.functions.values()
        for f in functions:
            register(self.connection, f)
        body = query(cells, compiler.relations)
        names = ", ".join(cell.name for cell in cells)
        try:
            return self.connection.execute(f"SELECT {names} FROM ({body}) ORDER BY f").fetchall()
        finally:
            for f in functions:
                self.connection.remove_function(f.name)

    def rows(self, core: c.Core) -> list[str | None]:
        function = compile_core(core, self.pack.calendar)
        values = (function(f.facts, f.lists, self.reference, self.book.as_of) for f in self.files)
        return [as_text(value, core.type) for value in values]

    def disagreements(self, named: Sequence[tuple[str, c.Core]]) -> list[str]:
        found = []
        columns = self.columns([core for _, core in named])
        for i, (name, core) in enumerate(named):
            for file, got, wanted in zip(self.files, columns, self.rows(core), strict=True):
                if got[i] != wanted:
                    found.append(f"{name}\n  {file.id}: columns {got[i]}, row {wanted}")
                    break
        return found


def reading_everything(vocabulary: Vocabulary) -> Plan:
    """A plan without rules, for which all columns are read."""
    return Plan(
        (),
        (),
        c.TRUE,
        c.TRUE,
        frozenset(vocabulary.facts),
        {name: frozenset(spec.fields) for name, spec in vocabulary.lists.items()},
        {name: frozenset(spec.fields) for name, spec in vocabulary.reference.items()},
        False,
    )


def open_bench(folder: Path, pack: Pack, generator: Generator, files: int) -> Bench:
    book = generated_book(folder, pack.vocabulary, generator, files, as_of=dt.date(2024, 6, 30))
    vocabulary = pack.vocabulary
    plan = reading_everything(vocabulary)
    connection = duckdb.connect()
    prepare(connection, pack.calendar)
    bounds = book_bounds(book, vocabulary, plan)
    tables = WorkingTables(connection, vocabulary, plan, bounds, book.tables)
    tables.reference()
    (span,) = spans(book, plan)
    tables.load(span)
    reference = read_reference(book, vocabulary)
    return Bench(pack, book, list(iter_files(book, vocabulary)), reference, connection, plan)


def compare_expressions(folder: Path, seed: int, files: int, expressions: int = 100) -> Compared:
    """Expressions in the scope of a generated policy, its tables and decisions too, over a book."""
    rng = random.Random(seed)
    pack = policy(folder / "pack", seed, 1)
    bench = open_bench(folder / "book", pack, Varied(seed, constants_of(pack)), files)
    draw = Expressions(rng, pack.scope)
    comparisons, differences = 0, []
    try:
        for _ in range(expressions // 25):
            texts = [draw.any(rng.choice([1, 2, 3, 3, 4])) for _ in range(25)]
            named = [(x, core) for x in texts if len(x) < 1_000 and (core := bench.core(x)) is not None]
            comparisons += len(named) * files
            differences += bench.disagreements(named)
    finally:
        bench.connection.close()
    return Compared(comparisons, differences)

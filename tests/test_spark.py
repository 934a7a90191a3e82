"""Spark computes what the row evaluator computes: expressions, tables, packs; on one machine, a cluster, a server."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from agreement import Generator, Large, Varied, constants_of, differences, generated_book
from bench import reading_everything
from expressions import Expressions
from policies import policy
from small_pack import write_pack
from test_columns import generated_lookups, kept
from test_replay import generated_pack, loan

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.book.schema import table_schema
from sancha.engine.book.store import Book, iter_files, read_reference, write_book
from sancha.engine.diagnostics import SanchaError
from sancha.engine.feel import core as c
from sancha.engine.feel.check import check
from sancha.engine.policy.lower import lower_core
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Plan
from sancha.engine.run import working
from sancha.engine.run.as_text import as_text
from sancha.engine.run.replay import replay
from sancha.engine.run.row import Reference
from sancha.engine.run.to_columns import Compiler
from sancha.engine.run.to_python import compile_core
from sancha.engine.run.working import book_bounds

pyspark = pytest.importorskip("pyspark", reason="needs pyspark, the extra sancha[spark]")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("needs Java 17 or 21", allow_module_level=True)

from sancha.engine.run.spark import Views, add_book, lay_out, register, replay_on_spark  # noqa: E402
from sancha.engine.run.spark_book import on_disk  # noqa: E402
from sancha.engine.run.spark_session import cause, pattern, place, session, settings  # noqa: E402
from sancha.engine.run.spark_sql import Dialect, SparkRelations, Untranslatable  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
AGREE = Path(__file__).parent / "agree"
HOST = "127.0.0.1"
pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    # Sockets between Python and Java are closed when the session is collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    running = session(master="local[2]")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(AGREE / "pack")


# -- expressions ------------------------------------------------------------------------------------------------------


@dataclass
class Bench:
    """A generated book, open to the row evaluator and to Spark."""

    pack: Pack
    book: Book
    plan: Plan
    files: list[LoanFile]
    reference: Reference
    spark: Any

    def disagreements(self, named: Sequence[tuple[str, c.Core]]) -> list[str]:
        found = []
        columns = self.columns([core for _, core in named])
        for i, (name, core) in enumerate(named):
            function = compile_core(core, self.pack.calendar)
            for file, got in zip(self.files, columns, strict=True):
                value = function(file.facts, file.lists, self.reference, self.book.as_of)
                if got[i + 1] != as_text(value, core.type):
                    found.append(f"{name}\n  {file.id}: Spark {got[i + 1]}, row {as_text(value, core.type)}")
                    break
        return found

    def columns(self, cores: Sequence[c.Core]) -> list[tuple[str | None, ...]]:
        """For each file its id and the values as texts of evidence."""
        vocabulary = self.pack.vocabulary
        bounds = book_bounds(self.book, vocabulary, self.plan)
        compiler = Compiler(vocabulary, bounds, self.pack.calendar, self.book.as_of, SparkRelations())
        cells = [compiler.text(core, compiler.root) for core in cores]
        laid = lay_out(list(dict.fromkeys(cells)), compiler.relations, Dialect(), "bench")
        folder = tempfile.mkdtemp(dir=self.book.path.parent)
        with settings(self.spark), Views(self.spark, Path(folder)) as views:
            register(self.spark, compiler.numbers.functions.values(), self.pack.calendar)
            source = on_disk(self.book.path, vocabulary)
            add_book(self.spark, views, source, vocabulary, self.plan, bounds)
            rows = views.frame(laid).toArrow().sort_by("f")
        return list(zip(*(rows[name].to_pylist() for name in ("f", *(x.name for x in cells))), strict=True))


@pytest.fixture(scope="module", params=["missing facts", "no fact missing", "large values"])
def bench(
    request: pytest.FixtureRequest, pack: Pack, spark: Any, tmp_path_factory: pytest.TempPathFactory
) -> Bench:
    constants = constants_of(pack)
    generator = {
        "missing facts": Generator(11, constants, 0.15),
        "no fact missing": Generator(12, constants, 0),
        "large values": Large(13, {}, 0.1),
    }[request.param]
    vocabulary = pack.vocabulary
    as_of = dt.date(2024, 6, 30)
    book = generated_book(tmp_path_factory.mktemp("bench") / "book", vocabulary, generator, 60, as_of=as_of)
    plan = reading_everything(vocabulary)
    reference = read_reference(book, vocabulary)
    return Bench(pack, book, plan, list(iter_files(book, vocabulary)), reference, spark)


def test_kept_expressions_agree(bench: Bench) -> None:
    named = []
    for text in kept():
        core, defects = check(text, bench.pack.scope)
        assert core is not None, (text, defects)
        named.append((text, lower_core(bench.pack, core)))
    assert bench.disagreements(named) == []


@pytest.mark.parametrize("seed", range(2))
def test_generated_expressions_and_tables_agree(bench: Bench, seed: int) -> None:
    rng = random.Random(seed)
    draw = Expressions(rng, bench.pack.scope)
    named: list[tuple[str, c.Core]] = []
    while len(named) < 25:
        text = draw.any(rng.choice([1, 2, 3, 4]))
        core, _ = check(text, bench.pack.scope)
        if core is not None and len(text) < 1_000:
            named.append((text, lower_core(bench.pack, core)))
    named += [lookup for _ in range(3) for lookup in generated_lookups(rng, bench.pack)]
    assert bench.disagreements(named) == []


# -- what differs between the dialects --------------------------------------------------------------------------------


def spark_text(duckdb: str, **types: str) -> str:
    """The translation of an expression over columns of given types."""
    relations = SparkRelations()
    cells = [relations.raw(relations.files, name, kind, True) for name, kind in types.items()]
    template = duckdb
    for i, name in enumerate(types):
        template = template.replace(f"<{name}>", f"{{{i}}}")
    made = Dialect().template(relations.plain(template, cells, "BIGINT"))
    return made.format(*types)


@pytest.mark.parametrize(
    ("text", "types", "rows"),
    [
        # 38 digits: Spark's own quotient of decimals rounds, and holds 32 digits before the point.
        (
            "<a> // <b>",
            {"a": "HUGEINT", "b": "HUGEINT"},
            [
                (a * x, b * y, abs(a) // b * x * y)
                for a in (0, 1, 6, 7, 10**31, 10**32 - 1, 10**32, 10**37 + 123456789, 10**38 - 1)
                for b in (1, 2, 3, 7, 999_999, 1_000_000, 1_000_001, 10**20, 10**38 - 1)
                for x in (1, -1)
                for y in (1, -1)
            ],
        ),
        ("<a> // <b>", {"a": "BIGINT", "b": "BIGINT"}, [(-7, 2, -3), (7, -2, -3), (2**63 - 1, 1, 2**63 - 1)]),
        ("<a> % <b>", {"a": "BIGINT", "b": "BIGINT"}, [(-7, 2, -1), (7, -2, 1), (-7, None, None)]),
        (
            "(CAST([5, NULL, 7] AS BIGINT[]))[<a> + 1]",
            {"a": "BIGINT"},
            [(0, 5), (1, None), (2, 7), (3, None), (None, None)],
        ),
        ("<a> - <b>", {"a": "DATE", "b": "DATE"}, [(dt.date(2024, 3, 1), dt.date(2024, 2, 28), 2)]),
        (
            "<a> IS NOT DISTINCT FROM <b>",
            {"a": "BIGINT", "b": "BIGINT"},
            [(None, None, True), (1, None, False)],
        ),
        (
            "<a> || '\\{}${x}''' || <a>",
            {"a": "VARCHAR"},
            [("三", "三\\{}${x}'三"), ("\\", "\\\\{}${x}'\\")],
        ),
        # Spark's own negative keeps 34 digits.
        ("-<a>", {"a": "HUGEINT"}, [(10**38 - 1, 1 - 10**38), (1 - 10**38, 10**38 - 1), (None, None)]),
        ("abs(<a>)", {"a": "HUGEINT"}, [(10**38 - 1, 10**38 - 1), (1 - 10**38, 10**38 - 1), (0, 0)]),
        (
            "<a> + <b>",
            {"a": "HUGEINT", "b": "HUGEINT"},
            [(10**38 - 2, 1, 10**38 - 1), (-1, 2 - 10**38, 1 - 10**38)],
        ),
        ("<a> * <b>", {"a": "HUGEINT", "b": "HUGEINT"}, [(10**19 - 1, 10**19 - 1, (10**19 - 1) ** 2)]),
        # Spark writes small decimals without an exponent in ANSI mode alone.
        (
            "CAST(CAST(<a> AS DECIMAL(9, 0)) * CAST('0.000000001' AS DECIMAL(9, 9)) AS VARCHAR)",
            {"a": "BIGINT"},
            [(-5, "-0.000000005"), (0, "0.000000000"), (10**8 + 1, "0.100000001"), (None, None)],
        ),
        ("CAST(NOT <a> > 1 AS TINYINT)", {"a": "BIGINT"}, [(1, 1), (2, 0), (None, None)]),
        ("sign(<a>)", {"a": "HUGEINT"}, [(10**37, 1), (-(10**37), -1), (0, 0), (None, None)]),
    ],
)
def test_words_of_other_meaning(
    spark: Any, text: str, types: dict[str, str], rows: list[tuple[Any, ...]]
) -> None:
    kinds = {
        "HUGEINT": pa.decimal128(38, 0),
        "BIGINT": pa.int64(),
        "DATE": pa.date32(),
        "VARCHAR": pa.string(),
    }
    template = text.replace("{", "{{").replace("}", "}}")
    columns = {
        name: pa.array([r[i] for r in rows], kinds[kind]) for i, (name, kind) in enumerate(types.items())
    }
    with settings(spark):
        spark.createDataFrame(pa.table({**columns, "n": list(range(len(rows)))})).createOrReplaceTempView(
            "given"
        )
        query = f"SELECT {spark_text(template, **types)} AS found FROM given ORDER BY n"
        assert [row[0] for row in spark.sql(query).collect()] == [row[-1] for row in rows]


@pytest.mark.parametrize(
    "text", ["date_diff('day', <a>, <a>)", "<a> / 2", "list_median(<a>)", "strftime(<a>, '%j')"]
)
def test_what_has_no_known_translation_is_an_error(text: str) -> None:
    with pytest.raises(Untranslatable):
        spark_text(text, a="DATE")


def test_the_error_names_the_rule(pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything runs."""

    def nothing(self: Dialect, sql: str) -> str:
        raise Untranslatable("frobnicate(x)")

    monkeypatch.setattr(Dialect, "text", nothing)
    generated_book(tmp_path / "book", pack.vocabulary, Generator(3, constants_of(pack)), 5)
    with pytest.raises(SanchaError, match=r"the rule `.+` holds .*frobnicate\(x\)"):
        replay_on_spark(tmp_path / "book", pack, tmp_path / "run", spark=object())  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


# -- runs -------------------------------------------------------------------------------------------------------------


def test_generated_packs_agree(tmp_path: Path, spark: Any, pack: Pack) -> None:
    book = tmp_path / "book"
    generated_book(book, pack.vocabulary, Generator(3, constants_of(pack)), 150)
    for seed in range(2):
        generated_pack(tmp_path / f"pack{seed}", seed)
        row = replay(book, tmp_path / f"pack{seed}", tmp_path / f"row{seed}", engine="row", progress=False)
        run = replay_on_spark(book, tmp_path / f"pack{seed}", tmp_path / f"spark{seed}", spark=spark)
        assert differences(run.path, row.path) == []
        assert run.outcomes == row.outcomes
        assert not (tmp_path / f".spark{seed}.partial").exists()


@pytest.mark.parametrize("seed", range(2))
def test_generated_policies_agree(tmp_path: Path, spark: Any, seed: int) -> None:
    """Vocabularies, tables, waivers, triggers, dated parameters and portfolio rules that are drawn too."""
    drawn = policy(tmp_path / "pack", seed, rules=6)
    values = Varied(seed, constants_of(drawn))
    generated_book(tmp_path / "book", drawn.vocabulary, values, 40, as_of=dt.date(2024, 2, 29))
    row = replay(tmp_path / "book", drawn, tmp_path / "row", engine="row", progress=False)
    run = replay_on_spark(tmp_path / "book", drawn, tmp_path / "spark", spark=spark)
    assert differences(run.path, row.path) == []
    assert run.outcomes == row.outcomes


TABLES = ("codes", "outcomes", "exceptions")


@pytest.mark.parametrize("size", [250_000, 7])
def test_the_same_bytes_as_columns(
    spark: Any, judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Whatever parts Spark makes: the chunks are those of the columnar engine."""
    monkeypatch.setattr(working, "CHUNK", size)
    columns = replay(judged / "book", judged / "pack", tmp_path / "columns", progress=False)
    run = replay_on_spark(judged / "book", judged / "pack", tmp_path / "spark", spark=spark)
    assert pq.read_metadata(run.path / "codes.parquet").num_row_groups == -(-60 // size)
    assert run.outcomes == columns.outcomes
    for name in TABLES:
        assert (run.path / f"{name}.parquet").read_bytes() == (
            columns.path / f"{name}.parquet"
        ).read_bytes(), name


LITTLE = [
    f"rule: T-{i}\njudged on: loan.decided_on\nin force: {{from: 2020-01-01}}\nrequire: {require}"
    for i, require in enumerate(
        [
            "loan.amount > 0",
            "some v in visits satisfies v.done",
            "some p in people satisfies p.id = loan.branch",
        ]
    )
]


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, whose name is no URL, with a book, a small pack, and their run by the row engine."""
    folder = tmp_path_factory.mktemp("little") / "贷款 [1] 100%"
    pack = load_pack(write_pack(folder / "pack", *LITTLE))
    generated_book(folder / "book", pack.vocabulary, Generator(6, constants_of(pack)), 20)
    replay(folder / "book", pack, folder / "row", engine="row", progress=False)
    return folder


def test_lists_that_the_book_lacks_are_told(spark: Any, tmp_path: Path) -> None:
    """On disk and at a URL, as the columnar engine tells them: without a table, and without any number of items."""
    small = load_pack(write_pack(tmp_path / "pack", *LITTLE))
    rows = pa.Table.from_pylist([loan(1), loan(2)], table_schema(small.vocabulary, "loans"))
    for name, column in {"unknown": None, "none": pa.nulls(2, pa.int64()), "known": pa.array([0, 0])}.items():
        book = tmp_path / f"book-{name}"
        loans = rows.drop_columns(["visits"])
        if column is not None:
            loans = loans.append_column("visits", column)
        write_book(
            book, small.vocabulary, {"loans": loans}, as_of=dt.date(2024, 6, 30), synthetic=True, source="t"
        )
        if column is None:  # as a book that says nothing of the list
            written = pq.read_table(book / "loans.parquet").drop_columns(["visits"])
            pq.write_table(written, book / "loans.parquet")
        columns = tmp_path / f"columns-{name}"
        wanted = replay(book, small, columns, progress=False).info["missing_lists"]
        assert set(wanted) == {"reference/people"} | ({"visits"} if name != "known" else set())
        for i, at in enumerate((book, book.as_uri())):
            run = replay_on_spark(at, small, tmp_path / f"spark-{name}-{i}", spark=spark)
            assert run.info["missing_lists"] == wanted
            assert differences(run.path, columns) == []


def test_books_that_the_session_reads(spark: Any, little: Path, tmp_path: Path) -> None:
    """At a URL, and as tables of a catalog."""
    url = place(little / "book").replace("[", "\\[").replace("]", "\\]")
    run = replay_on_spark(url, little / "pack", tmp_path / "url", spark=spark)
    assert differences(run.path, little / "row") == []
    spark.sql(f"CREATE DATABASE bank LOCATION '{(tmp_path / 'bank').as_uri()}'")
    shutil.copytree(little / "book", tmp_path / "book")
    for path in (tmp_path / "book").rglob("*.parquet"):
        name = path.relative_to(tmp_path / "book").with_suffix("").as_posix().replace("/", "_")
        spark.sql(f"CREATE TABLE bank.{name} USING parquet LOCATION '{path.as_uri()}'")
    with pytest.raises(SanchaError, match="no day of its own"):
        replay_on_spark("table:bank", little / "pack", tmp_path / "no", spark=spark)
    as_of = dt.date(2024, 12, 31)
    for at in ("table:bank", "table:spark_catalog.bank"):
        run = replay_on_spark(at, little / "pack", tmp_path / "tables", spark=spark, as_of=as_of)
        assert differences(run.path, little / "row") == []
    assert not [view for view in spark.catalog.listTables() if view.isTemporary]


@pytest.mark.parametrize("header", [True, False])
def test_tables_of_another_format_at_a_path(spark: Any, little: Path, tmp_path: Path, header: bool) -> None:
    """As `delta:` and `iceberg:` where the session knows these; ORC is one that Spark knows itself."""
    lake = tmp_path / "lake"
    with settings(spark):
        for path in (little / "book").rglob("*.parquet"):
            name = path.relative_to(little / "book").with_suffix("").as_posix()
            spark.read.parquet(pattern(path)).repartition(2).write.orc(place(lake / name))
    at, as_of = f"orc:{lake.as_uri()}", dt.date(2024, 12, 31)
    if header:
        shutil.copy(little / "book" / "book.json", lake)
        run = replay_on_spark(at, little / "pack", tmp_path / "run", spark=spark)
        assert run.info["book"]["digest"]
    else:
        with pytest.raises(SanchaError, match="no day of its own"):
            replay_on_spark(at, little / "pack", tmp_path / "run", spark=spark)
        run = replay_on_spark(at, little / "pack", tmp_path / "run", spark=spark, as_of=as_of)
    assert differences(run.path, little / "row") == []
    with pytest.raises(SanchaError, match="no table `loans` can be read"):
        replay_on_spark(f"orc:{(tmp_path / 'none').as_uri()}", little / "pack", tmp_path / "no", spark=spark)
    with pytest.raises(SanchaError, match="Failed to find the data source: delta") as error:
        replay_on_spark(f"delta:{lake.as_uri()}", little / "pack", tmp_path / "no", spark=spark)
    assert "--packages" in (error.value.help or "")


def test_bad_books_that_the_session_reads(spark: Any, little: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    shutil.copytree(little / "book", book)
    loans = pq.read_table(book / "loans.parquet")
    pq.write_table(pa.concat_tables([loans, loans.slice(0, 1)]), book / "loans.parquet")
    with pytest.raises(SanchaError, match="more than once"):
        replay_on_spark(book.as_uri(), little / "pack", tmp_path / "run", spark=spark)
    with pytest.raises(SanchaError, match="no book"):
        replay_on_spark((tmp_path / "none").as_uri(), little / "pack", tmp_path / "run", spark=spark)
    (book / "loans.parquet").unlink()
    (book / "loans.parquet").mkdir()
    for number in range(2):
        part = loans.slice(number * 3, 3)
        lacking = part.drop_columns(["loan.decided_on"]) if number else part
        pq.write_table(lacking, book / "loans.parquet" / f"part-{number}.parquet")
    with pytest.raises(
        SanchaError, match=r"`loan.decided_on`: date in part-0.parquet, absent in part-1.parquet"
    ):
        replay_on_spark(book.as_uri(), little / "pack", tmp_path / "run", spark=spark)
    assert not (tmp_path / "run").exists()


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate it. SQLSTATE: 22012\n== SQL ==\nx",
         "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012"),
        ("An error occurred while calling o9.parquet.\n: org.apache.spark.SparkException: Job aborted.\n\tat a.b(C)\n"
         "Caused by: java.io.IOException: No space left on device\n\tat d.e(F)\n\t... 1 more\n",
         "No space left on device"),
        ("An error occurred while calling o9.load.\n: org.apache.spark.SparkClassNotFoundException: [NO_SUCH] None: "
         "x.y. SQLSTATE: 42K02\n\tat a.b(C)\nCaused by: java.lang.ClassNotFoundException: x.DefaultSource\n\tat d.e(F)",
         "[NO_SUCH] None: x.y. SQLSTATE: 42K02"),
        ("An error occurred while calling o9.load.\n: org.apache.spark.SparkException: Job aborted due to stage "
         "failure: Task 0 in stage 4.0 failed 1 times, most recent failure: Lost task 0.0 in stage 4.0 (TID 4) "
         "(host executor 1): java.io.IOException: Mkdirs failed to create file:/x (exists=false)\n\tat a.b(C)",
         "Mkdirs failed to create file:/x (exists=false)"),
        ("An exception was thrown from the Python worker:\nTraceback (most recent call last):\n  File \"x\", line 1\n"
         "    import y\nModuleNotFoundError: No module named 'y'\n\n\tat org.apache.spark.X.y(Z.scala:1)",
         "ModuleNotFoundError: No module named 'y'"),
        ("", "RuntimeError"),
    ],
)  # fmt: skip
def test_the_cause_of_a_failure_is_one_line(text: str, told: str) -> None:
    assert cause(RuntimeError(text)) == told


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in ("book", "pack"))


def test_a_job_that_fails_leaves_nothing(
    spark: Any, little: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a worker, while a run is being written; the run that was there stays."""
    out = tmp_path / "run"
    before = replay_on_spark(little / "book", little / "pack", out, spark=spark).info

    def fail(batches: Any) -> Any:
        for _ in batches:
            raise ModuleNotFoundError("No module named 'sancha'")
        yield

    monkeypatch.setattr("sancha.engine.run.spark._Counting", lambda *_: fail)
    with pytest.raises(SanchaError, match="No module named 'sancha'") as error:
        replay_on_spark(little / "book", little / "pack", out, spark=spark)
    assert error.value.message.count("\n") == 0 and "workers need" in (error.value.help or "")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sancha.engine.run.spark._write_codes", stop)
    with pytest.raises(KeyboardInterrupt):
        replay_on_spark(little / "book", little / "pack", out, spark=spark)
    assert left(tmp_path) == ["run"] and json.loads((out / "run.json").read_text()) == before
    assert not [view for view in spark.catalog.listTables() if view.isTemporary]


def test_a_damaged_file_is_named(spark: Any, little: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    shutil.copytree(little / "book", book)
    path = book / "loans.parquet"
    column = pq.read_metadata(path).row_group(0).column(1)
    with path.open("r+b") as file:
        file.seek(column.dictionary_page_offset or column.data_page_offset)
        file.write(b"\xff" * 40)
    with pytest.raises(SanchaError, match="row group 1 of 1 of `loans` cannot be read"):
        replay_on_spark(book, little / "pack", tmp_path / "run", spark=spark)
    with pytest.raises(SanchaError, match="Spark could not judge the book") as error:
        replay_on_spark(book.as_uri(), little / "pack", tmp_path / "run", spark=spark)
    assert "made again" in (error.value.help or "") and left(tmp_path) == []


def test_what_nothing_answers_is_told_at_once(little: Path, tmp_path: Path) -> None:
    port = free_port()
    for at in ({"remote": f"sc://{HOST}:{port}/;user_id=x"}, {"master": f"spark://{HOST}:{port}"}):
        with pytest.raises(SanchaError, match=f"nothing answers at .*{port}"):
            replay_on_spark(little / "book", little / "pack", tmp_path / "run", **at)  # type: ignore[arg-type]
    assert left(tmp_path) == []


def test_settings_of_a_session_are_put_back(spark: Any) -> None:
    spark.conf.set("spark.sql.session.timeZone", "Asia/Shanghai")
    with settings(spark):
        assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.session.timeZone") == "Asia/Shanghai"
    assert spark.conf.get("spark.sql.ansi.doubleQuotedIdentifiers") == "false"


# -- clusters ---------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


@contextmanager
def process(command: Sequence[str], log: Path, ready: str | Callable[[], bool]) -> Iterator[Path]:
    """A server, until the block ends; `ready` is a text of its log, or says that it answers."""
    env = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": HOST}
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=env, start_new_session=True
        )
    try:
        for _ in range(600):
            text = log.read_text(encoding="utf-8", errors="replace")
            if ready in text if isinstance(ready, str) else ready():
                break
            assert server.poll() is None, text
            time.sleep(0.25)
        else:
            pytest.fail(f"no `{ready}`: {log.read_text(encoding='utf-8', errors='replace')}")
        yield log
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def answers(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex((HOST, port)) == 0


def spark_command(name: str, *args: str) -> list[str]:
    return [str(Path(pyspark.__file__).parent / "bin" / name), *args]


def run_by_command(book: Path, pack: Path, out: Path, *options: str) -> None:
    command = [
        sys.executable,
        "-m",
        "sancha.cli",
        "replay",
        str(book),
        "--pack",
        str(pack),
        "--out",
        str(out),
    ]
    env = {**os.environ, "SPARK_LOCAL_IP": HOST}
    found = subprocess.run([*command, "--engine", "spark", *options], capture_output=True, text=True, env=env)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, pack: Pack) -> Path:
    """A folder with a book, a pack, and their run by the row engine."""
    folder = tmp_path_factory.mktemp("judged")
    generated_book(folder / "book", pack.vocabulary, Generator(5, constants_of(pack)), 60)
    generated_pack(folder / "pack", 3, rules=5)
    replay(folder / "book", folder / "pack", folder / "row", engine="row", progress=False)
    return folder


def test_a_standalone_master_with_two_workers(judged: Path, tmp_path: Path) -> None:
    port = free_port()
    url = f"spark://{HOST}:{port}"
    deploy = "org.apache.spark.deploy"
    master = spark_command("spark-class", f"{deploy}.master.Master", "--host", HOST, "--port", str(port))
    worker = spark_command("spark-class", f"{deploy}.worker.Worker", "--host", HOST, "-c", "1", "-m", "1g")
    with process([*master, "--webui-port", "0"], tmp_path / "master", "New state: ALIVE"):
        works = [[*worker, "-d", str(tmp_path / f"w{i}"), "--webui-port", "0", url] for i in range(2)]
        joined = "Successfully registered with master"
        with process(works[0], tmp_path / "one", joined), process(works[1], tmp_path / "two", joined):
            run_by_command(judged / "book", judged / "pack", tmp_path / "run", "--master", url)
            logs = [(tmp_path / name).read_text() for name in ("one", "two")]
    assert differences(tmp_path / "run", judged / "row") == []
    assert all("Asked to launch executor" in log for log in logs)


def test_spark_connect(judged: Path, tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="needs pyspark[connect]")
    port = free_port()
    command = spark_command(
        "spark-submit",
        *("--master", "local[2]", "--conf", f"spark.connect.grpc.binding.port={port}"),
        *("--conf", "spark.ui.enabled=false", "--conf", "spark.sql.shuffle.partitions=4"),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"),
    )
    with process(command, tmp_path / "server", lambda: answers(port)):
        run_by_command(judged / "book", judged / "pack", tmp_path / "run", "--remote", f"sc://{HOST}:{port}")
    assert differences(tmp_path / "run", judged / "row") == []

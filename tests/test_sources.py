"""Where books come from: datasets of many files, DuckDB files, PostgreSQL, workbooks; and what is wrong with them."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from extracts import HEAD, facts, refused, rejected, run, vocabulary_in

from sancha.engine.book.intake import import_extract
from sancha.engine.book.mapping import load_mapping
from sancha.engine.book.rejects import COLUMNS, list_rejects, write_rejects
from sancha.engine.book.store import open_book
from sancha.engine.diagnostics import PackError, SanchaError
from sancha.engine.policy.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    return vocabulary_in(tmp_path_factory.mktemp("vocabulary"))


# --- datasets of many files ----------------------------------------------------------------------------------

DATASET = """
sources: {main: {file: main, key: id}}
facts: {a.money: amt, a.text: {column: name}}
"""


def put(folder: Path, file: str, /, **columns: Any) -> Path:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def test_a_dataset_is_read_in_order_of_its_paths(tmp_path: Path, vocabulary: Vocabulary) -> None:
    put(tmp_path, "main/b.parquet", id=["3", "1"], amt=pa.array([5, 6], pa.int32()), name=["c", "again"])
    put(tmp_path, "main/a.parquet", name=["一", "b"], id=["1", "2"], amt=[Decimal("1.50"), None], more=[1, 2])
    (tmp_path / "main" / "_SUCCESS").touch()
    (tmp_path / "main" / ".a.parquet.crc").touch()
    for mapping in (DATASET, DATASET.replace("file: main", "file: 'main/*.parquet'")):
        result = run(tmp_path, mapping, vocabulary)
        assert facts(result, "loan_id", "a.money", "a.text") == [
            ("1", Decimal("1.50"), "一"),
            ("2", None, "b"),
            ("3", Decimal("5.00"), "c"),
        ]
        assert rejected(result, "file", "row", "text", "reason") == [
            ("b.parquet", 2, "1", "the key is on row 1 of a.parquet already")
        ]
        (source,) = result.sources
        assert (source.rows, source.imported, source.rejected) == (4, 3, 1)
        assert source.unread == ("more",)
        assert "1 rows: the key is on row 1 of a.parquet already, such as `1`" in result.text()


def test_folders_name_values(tmp_path: Path, vocabulary: Vocabulary) -> None:
    put(tmp_path, "main/month=2024-01/branch=%E6%B8%A9%E5%B7%9E/x.parquet", id=["1"], amt=[1])
    put(tmp_path, "main/month=__HIVE_DEFAULT_PARTITION__/branch=b/x.parquet", id=["2"], amt=[2])
    mapping = DATASET.replace("column: name", "column: branch").replace("a.money: amt", "a.month: month")
    result = run(tmp_path, mapping, vocabulary)
    assert facts(result, "loan_id", "a.month", "a.text") == [("1", "2024-01", "温州"), ("2", None, "b")]


def test_csv_files_of_a_dataset(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "1.csv").write_text("id,amt,name\n1,1.5,a\n2,x,b\n")
    (tmp_path / "main" / "2.csv").write_text("name,id,amt\nc,3,2\nd,4\ne,,5\n")
    result = run(tmp_path, DATASET, vocabulary)
    assert facts(result, "loan_id", "a.money", "a.text") == [
        ("1", Decimal("1.50"), "a"),
        ("2", None, "b"),
        ("3", Decimal("2.00"), "c"),
    ]
    assert rejected(result, "file", "row", "rejected", "text") == [
        ("1.csv", 2, "value", "x"),
        ("2.csv", 2, "row", "d,4"),
        ("2.csv", 3, "row", None),
    ]
    (tmp_path / "main" / "3.csv").write_text("name,id,amount\nc,5,2\n")
    shutil.rmtree(tmp_path / "book")
    error = refused(tmp_path, DATASET, vocabulary)
    assert error.code == "E0605" and "`3.csv` has no column `amt`" in error.message


@pytest.mark.parametrize(
    ("second", "message", "help"),
    [
        (
            {"id": ["2"], "name": ["b"]},
            "`b.parquet` has no column `amt`, which `a.parquet` has",
            "its columns",
        ),
        (
            {"id": ["2"], "name": ["b"], "amtt": [1]},
            "`b.parquet` has no column `amt`",
            "did you mean `amtt`?",
        ),
        ({"id": ["2"], "name": ["b"], "amt": ["1"]}, "the column `amt` is text in `b.parquet`", "one type"),
        ({"id": ["2"], "name": ["b"], "amt": [1.5]}, "the column `amt` is a binary float", "one type"),
        ({"id": [2], "name": ["b"], "amt": [1]}, "the column `id` is a whole number or decimal", "one type"),
    ],
)
def test_files_that_differ_are_refused(
    tmp_path: Path, vocabulary: Vocabulary, second: dict[str, Any], message: str, help: str
) -> None:
    put(tmp_path, "main/a.parquet", id=["1"], amt=[1], name=["a"])
    put(tmp_path, "main/b.parquet", **second)
    error = refused(tmp_path, DATASET, vocabulary)
    assert error.code == "E0605" and str(error.where).endswith("b.parquet")
    assert message in error.message and help in (error.help or "")


def test_datasets_that_are_none(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main").mkdir()
    assert "is empty" in refused(tmp_path, DATASET, vocabulary).message
    pattern = DATASET.replace("file: main", "file: 'main/*.parquet'")
    assert "is empty" in refused(tmp_path, pattern, vocabulary).message
    put(tmp_path, "main/a.parquet", id=["1"], amt=[1], name=["a"])
    (tmp_path / "main" / "b.csv").write_text("id,amt,name\n2,2,b\n")
    assert "of one kind" in refused(tmp_path, DATASET, vocabulary).message
    (tmp_path / "main" / "b.csv").unlink()
    (tmp_path / "main" / "_delta_log").mkdir()
    assert "a Delta table" in refused(tmp_path, DATASET, vocabulary).message
    (tmp_path / "main" / "_delta_log").rmdir()
    put(tmp_path, "main/month=1/b.parquet", id=["2"], amt=[1], name=["a"])
    assert "folders of the same columns" in refused(tmp_path, DATASET, vocabulary).message
    (tmp_path / "main" / "a.parquet").rename(tmp_path / "main" / "month=1" / "a.parquet")
    named = DATASET.replace("column: name", "column: month")
    put(tmp_path, "main/month=1/b.parquet", id=["2"], amt=[1], name=["a"], month=["1"])
    assert "in the file and in the name of its folder" in refused(tmp_path, named, vocabulary).message


@pytest.mark.parametrize("checksum", [True, False])
def test_a_corrupt_row_group_is_named(tmp_path: Path, vocabulary: Vocabulary, checksum: bool) -> None:
    path = tmp_path / "main" / "a.parquet"
    path.parent.mkdir()
    table = pa.table({"id": [str(i) for i in range(3000)], "amt": range(3000), "name": ["abcdefgh"] * 3000})
    options = {"row_group_size": 1000, "use_dictionary": False, "write_page_checksum": checksum}
    pq.write_table(table, path, compression="none" if checksum else "zstd", **options)
    at = pq.read_metadata(path).row_group(1).column(1).data_page_offset
    with path.open("r+b") as file:
        # Of a page that is not compressed only the checksum can tell.
        file.seek(at + (2000 if checksum else 40))
        file.write(b"\xff\xff\xff\xff")
    error = refused(tmp_path, DATASET, vocabulary)
    assert error.code == "E0603" and error.where == path
    assert error.message.startswith("row group 2 of 3 of the file cannot be read")


def test_a_truncated_file(tmp_path: Path, vocabulary: Vocabulary) -> None:
    path = put(tmp_path, "main/a.parquet", id=["1"], amt=[1], name=["a"])
    path.write_bytes(path.read_bytes()[:-20])
    error = refused(tmp_path, DATASET, vocabulary)
    assert error.code == "E0603" and "cannot be read as Parquet" in error.message


def test_names_with_dots_and_numbers_that_do_not_fit(tmp_path: Path, vocabulary: Vocabulary) -> None:
    amounts = pa.array([Decimal("1e17"), Decimal("0.001"), Decimal("12")], pa.decimal128(38, 3))
    days = pa.array([-800_000, 2_932_897, 1], pa.int32()).cast(pa.date32())
    put(tmp_path, "main/a.parquet", **{"id": ["1", "2", "3"], "a.b": amounts, "d": days})
    mapping = "sources: {main: {file: main, key: id}}\nfacts: {a.money: a.b, a.day: d}\n"
    result = run(tmp_path, mapping, vocabulary)
    assert facts(result, "loan_id", "a.money", "a.day") == [
        ("1", None, None),
        ("2", None, None),
        ("3", Decimal("12.00"), dt.date(1970, 1, 2)),
    ]
    assert [row[0] for row in rejected(result, "reason")][:1] == ["not a date of the form yyyy-mm-dd"]
    assert result.values_rejected == 4


# --- workbooks -----------------------------------------------------------------------------------------------

ONE = "sources: {main: {key: id}}\nfacts: {a.money: amt, a.text: name, a.day: d}\n"


def test_cells_with_errors_formulas_and_far_off(tmp_path: Path, vocabulary: Vocabulary) -> None:
    path = tmp_path / "x.xlsx"
    with xlsxwriter.Workbook(path, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        book.add_worksheet("hidden").hide()
        date = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, ["id", "amt", "name", "d"])
        sheet.write_row(1, 0, ["1", 0.1, "中文"])
        sheet.write_formula(2, 1, "=1/0", None, "#DIV/0!")
        sheet.write_row(2, 2, ["#N/A"])
        sheet.write(2, 0, "2")
        sheet.write(2, 3, 60, date)  # 29 February 1900, which was no day
        sheet.write(3, 0, "3")
        sheet.write_formula(3, 1, "=1+1.5", None, 2.5)
        sheet.write(3, 3, 45292, date)
        sheet.write(1_048_575, 16_383, "far")
        sheet.write(1_048_575, 0, "4")
    result = run(tmp_path, ONE, vocabulary, path)
    assert facts(result, "loan_id", "a.money", "a.text", "a.day") == [
        ("1", Decimal("0.10"), "中文", None),
        ("2", None, None, None),
        ("3", Decimal("2.50"), None, dt.date(2024, 1, 1)),
        ("4", None, None, None),
    ]
    assert rejected(result, "row", "text", "reason") == [
        (2, "60", "not a date of the form yyyy-mm-dd"),
        (2, "#DIV/0!", "not an amount"),
        (2, "#N/A", "an error of a spreadsheet, not a text"),
    ]


def test_a_count_that_lies_does_no_harm(tmp_path: Path, vocabulary: Vocabulary) -> None:
    good, bad = tmp_path / "good.xlsx", tmp_path / "bad.xlsx"
    with xlsxwriter.Workbook(good) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["id", "amt", "name", "d"])
        sheet.write_row(1, 0, ["1", 1, "a"])
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(bad, "w") as new:
        for item in old.infolist():
            content = old.read(item)
            if item.filename == "xl/sharedStrings.xml":
                content = content.replace(b'uniqueCount="', b'uniqueCount="99999999999')
            new.writestr(item, content)
    assert facts(run(tmp_path, ONE, vocabulary, bad), "loan_id", "a.text") == [("1", "a")]
    bad.write_bytes(good.read_bytes()[:-200])
    with pytest.raises(SanchaError, match="the workbook cannot be read") as error:
        run(tmp_path, ONE, vocabulary, bad)
    assert error.value.code == "E0603"


# --- lists, keys and rejects ---------------------------------------------------------------------------------

LISTS = """
sources:
  main: {file: main.csv, key: id}
  events: {file: events.csv, key: id}
facts: {a.money: amt}
lists: {visits: {from: events, fields: {date: d}}}
"""


def test_children_without_parents_and_rejects_in_a_list(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main.csv").write_text("id,amt\n1,1\n1,2\n,3\n2,=1+1\n")
    (tmp_path / "events.csv").write_text("id,d\n1,2024-01-01\n9,2024-01-02\n,2024-01-03\n2,0000-00-00\n")
    result = run(tmp_path, LISTS, vocabulary)
    assert facts(result, "loan_id", "visits") == [("1", 1), ("2", 1)]
    found, number = list_rejects(result.book.path, source="events")
    assert found.column_names == list(COLUMNS) and number == 3
    assert [(r["row"], r["text"], r["reason"]) for r in found.to_pylist()] == [
        (2, "9", "no loan file has this key"),
        (3, None, "no key, or a key whose digits a spreadsheet has dropped"),
        (4, "0000-00-00", "not a date of the form yyyy-mm-dd"),
    ]
    assert list_rejects(result.book.path, fact="a.money", most=0)[1] == 1
    assert write_rejects(result.book.path, tmp_path / "rejects.csv") == 6
    text = (tmp_path / "rejects.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines()[0] == ",".join(COLUMNS) and "'=1+1" in text
    assert result.absent == ("reference/people",)
    assert "  not in the extract, missing in every file: reference/people\n" in result.text()
    told = "  not in the extract; where it matters, these rules will be unknown:\n    reference/people: "
    assert f"{told}T-1, T-2\n" in result.text({"reference/people": ["T-1", "T-2"]})
    many = {"reference/people": [f"T-{number}" for number in range(20)]}
    assert "T-10, T-11 and 8 more\n" in result.text(many)
    assert "not in the extract" not in result.text({"visits": ["T-1"]}), "no rule reads what is absent"
    with pytest.raises(SanchaError, match="no list of rejects"):
        list_rejects(tmp_path)


def test_a_child_table_that_is_not_there(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main.csv").write_text("id,amt\n1,1\n")
    assert "the file of the source `events` is not there" in refused(tmp_path, LISTS, vocabulary).message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{file: a, duckdb: b, table: t, key: id}", "the source `main` has `file` already"),
        ("{duckdb: b, key: id}", "the source `main` needs either `table` or `query`"),
        ("{duckdb: b, table: t, query: q, key: id}", "the source `main` needs either `table` or `query`"),
        ("{file: b, table: t, key: id}", "`table` is for a source in a database"),
        ("{duckdb: b, table: t, delimiter: ';', key: id}", "`delimiter` says nothing about a table"),
        (
            "{postgres: 'postgresql://u:p@h/d', table: t, key: id}",
            "must be the name of an environment variable",
        ),
    ],
)
def test_sources_that_are_not_well_named(
    tmp_path: Path, vocabulary: Vocabulary, source: str, message: str
) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(
        f"mapping: t\nas of: 2024-12-31\nroot: main\nsources: {{main: {source}}}\nfacts: {{a.text: x}}\n"
    )
    with pytest.raises(PackError) as error:
        load_mapping(path, vocabulary)
    assert message in str(error.value)


# --- DuckDB --------------------------------------------------------------------------------------------------

TYPED = """
time zone: Asia/Shanghai
sources:
  main: {SOURCE, key: id}
facts:
  {a.text: t, a.kind: k, a.flag: f, a.count: i, a.number: n, a.money: m, a.day: d, a.at: ts}
"""
LARGE = Decimal("1234567890123456789012.12345678")


def test_a_duckdb_file(tmp_path: Path, vocabulary: Vocabulary) -> None:
    with duckdb.connect(str(tmp_path / "core.duckdb")) as connection:
        connection.execute("CREATE TYPE kind AS ENUM ('x', 'y')")
        connection.execute("CREATE SCHEMA s")
        connection.execute(
            """CREATE TABLE s.loans (id INT, t VARCHAR, k kind, f BOOLEAN, i HUGEINT, n DECIMAL(38,10),
               m DOUBLE, d DATE, ts TIMESTAMPTZ, staff VARCHAR[])"""
        )
        connection.execute(
            """INSERT INTO s.loans VALUES (1, '中文', 'x', true, 5, 1234567890123456789012.12345678, 0.1::DOUBLE + 0.2,
               '2024-02-29', '2024-01-01 00:30:00+08', ['A', '王']), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               NULL, [])"""
        )
    mapping = TYPED.replace("SOURCE", "duckdb: core.duckdb, table: s.loans") + (
        "lists: {visits: {from: main, fields: {staff: staff}}}\n"
    )
    result = run(tmp_path, mapping, vocabulary)
    expected = (
        "中文",
        "x",
        True,
        5,
        LARGE,
        Decimal("0.30"),
        dt.date(2024, 2, 29),
        dt.datetime(2024, 1, 1, 0, 30),
    )
    names = [f"a.{n}" for n in ("text", "kind", "flag", "count", "number", "money", "day", "at")]
    assert facts(result, "loan_id", *names) == [("1", *expected), ("2", *[None] * 8)]
    assert pq.read_table(result.book.path / "visits.parquet")["staff"].to_pylist() == [["A", "王"], []]
    assert result.sources[0].file == "s.loans of core.duckdb"
    query = TYPED.replace("SOURCE", 'duckdb: core.duckdb, query: "SELECT * FROM s.loans WHERE id = 2;"')
    assert len(facts(run(tmp_path, query, vocabulary), "loan_id")) == 1


def test_duckdb_files_that_cannot_be_read(tmp_path: Path, vocabulary: Vocabulary) -> None:
    def ask(source: str) -> SanchaError:
        return refused(tmp_path, TYPED.replace("SOURCE", source), vocabulary)

    assert "is not there" in ask("duckdb: core.duckdb, table: t").message
    (tmp_path / "core.duckdb").write_bytes(b"no database" * 500)
    error = ask("duckdb: core.duckdb, table: t")
    assert error.code == "E0606" and "cannot be read" in error.message
    (tmp_path / "core.duckdb").unlink()
    duckdb.connect(str(tmp_path / "core.duckdb")).execute("CREATE TABLE loans (id INT)").close()
    error = ask("duckdb: core.duckdb, table: loan")
    assert (error.message, error.help) == ("the database has no table `loan`", "did you mean `loans`?")
    assert "the query fails" in ask("duckdb: core.duckdb, query: SELECT nix FROM loans").message
    assert "the query fails" in ask("duckdb: core.duckdb, query: DROP TABLE loans").message
    assert ask("duckdb: core.duckdb, table: loans").code == "E0602"


# --- PostgreSQL ----------------------------------------------------------------------------------------------

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
PASSWORD = "ge%heim"
VARIABLE = "SANCHA_TEST_DB"


class Server:
    """A PostgreSQL server of its own on the loopback, in a folder of its own, ended by its own process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.bin = BINARIES[-1].parent
        # PostgreSQL does not run as root.
        self.user: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}
        self.data.mkdir()
        (folder / "password").write_text(PASSWORD)
        if self.user:
            folder.chmod(0o755)
            for path in (self.data, folder / "password"):
                shutil.chown(path, **self.user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.call("initdb", "-D", self.data, "-U", "bank", "-A", "scram-sha-256", "-N", "-E", "UTF8",
                  "--locale=C", "--pwfile", folder / "password")  # fmt: skip

    def call(self, name: str, *arguments: object) -> None:
        done = subprocess.run(
            [self.bin / name, *map(str, arguments)], cwd="/", capture_output=True, text=True, **self.user
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self.data, "fsync": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [self.bin / "postgres", "-D", self.data, "-p", str(self.port), *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, **self.user)
        for _ in range(150):
            assert self.process.poll() is None, (self.folder / "log").read_text()
            ready = [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # "fast": without waiting for clients
        self.process.wait(30)

    def uri(self, password: str = "ge%25heim", port: int | None = None) -> str:
        return f"postgresql://bank:{password}@127.0.0.1:{port or self.port}/postgres"

    def run(self, *statements: str) -> None:
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.uri(), autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if not BINARIES:
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql: apt-get install postgresql")
    pytest.importorskip("adbc_driver_postgresql", reason="pip install 'sancha[postgres]'")
    folder = Path(tempfile.mkdtemp(prefix="sancha-postgres-"))
    started = Server(folder)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv(VARIABLE, server.uri())
    monkeypatch.delenv("PGPASSWORD", raising=False)
    server.run("DROP SCHEMA IF EXISTS s CASCADE", "CREATE SCHEMA s", "CREATE TYPE s.kind AS ENUM ('x', 'y')")
    return server


def test_values_of_postgresql_arrive_exactly(
    tmp_path: Path, vocabulary: Vocabulary, postgres: Server
) -> None:
    postgres.run(
        """CREATE TABLE s.loans (id uuid, t char(6), k s.kind, f boolean, i bigint, n numeric, m money,
           d date, ts timestamptz, staff text[])""",
        """INSERT INTO s.loans VALUES
           ('00000000-0000-0000-0000-000000000001', '中文', 'x', true, 9007199254740993,
            1234567890123456789012.12345678, 1234.5, '2024-02-29', '2024-01-01 00:30:00+08', ARRAY['A', '王,二']),
           ('00000000-0000-0000-0000-000000000002', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}'),
           ('00000000-0000-0000-0000-000000000003', '', 'y', false, -1, 'NaN', NULL, 'infinity',
            '2024-10-27 02:30:00+02', NULL)""",
        "CREATE TABLE s.people (id text, f8 float8)",
        "INSERT INTO s.people SELECT 'P' || i, 0.1 FROM generate_series(1, 3) i",
    )
    mapping = (
        TYPED.replace("SOURCE", f"postgres: {VARIABLE}, table: s.loans").replace(
            "\nfacts",
            f"\n  people: {{postgres: {VARIABLE}, query: 'SELECT id FROM s.people WHERE f8 < 1'}}\nfacts",
        )
        + "lists: {visits: {from: main, fields: {staff: staff}}}\n"
        + "reference: {people: {from: people, fields: {id: id}}}\n"
    )
    result = run(tmp_path, mapping, vocabulary)
    names = [f"a.{n}" for n in ("text", "kind", "flag", "count", "number", "money", "day", "at")]
    id = "00000000-0000-0000-0000-00000000000"
    day, moment = dt.date(2024, 2, 29), dt.datetime(2024, 1, 1, 0, 30)
    assert facts(result, "loan_id", *names) == [
        (f"{id}1", "中文", "x", True, 9007199254740993, LARGE, Decimal("1234.50"), day, moment),
        (f"{id}2", *[None] * 8),
        (f"{id}3", None, "y", False, -1, None, None, None, dt.datetime(2024, 10, 27, 8, 30)),
    ]
    staff = pq.read_table(result.book.path / "visits.parquet")["staff"].to_pylist()
    assert staff == [["A", "王,二"], [], None]
    assert [(r[0], r[1]) for r in rejected(result, "fact", "text")] == [
        ("a.day", "infinity"),
        ("a.number", "NaN"),
    ]
    assert result.book.rows["reference/people"] == 3
    assert {s.source: s.file for s in result.sources} == {
        "main": f"s.loans of ${VARIABLE}",
        "people": f"a query of ${VARIABLE}",
    }
    assert PASSWORD not in (result.book.path / "book.json").read_text()


def test_floats_of_postgresql_have_the_digits_that_they_are_sure_of(
    tmp_path: Path, vocabulary: Vocabulary, postgres: Server
) -> None:
    query = """SELECT '1' AS id, 0.1::float8 + 0.2 AS m, 1e20::float8 AS n, 1e-7::float8 AS r
               UNION ALL SELECT '2', 'NaN', 'Infinity', 0.25::float4"""
    mapping = f"""
    sources: {{main: {{postgres: {VARIABLE}, key: id, query: "{query}"}}}}
    facts: {{a.money: m, a.number: r, a.count: n}}
    """
    result = run(tmp_path, mapping, vocabulary)
    assert facts(result, "loan_id", "a.money", "a.number", "a.count") == [
        ("1", Decimal("0.30"), Decimal("0.0000001"), None),
        ("2", None, Decimal("0.25"), None),
    ]
    assert [row[0] for row in rejected(result, "text")] == ["1e+20", "Infinity", "NaN"]


def test_all_tables_are_of_one_moment(tmp_path: Path, vocabulary: Vocabulary, postgres: Server) -> None:
    postgres.run(
        "CREATE TABLE s.loans AS SELECT i::text AS id, i AS amt FROM generate_series(1, 1000) i",
        "CREATE TABLE s.events AS SELECT i::text AS id, DATE '2024-01-01' AS d FROM generate_series(1, 1000) i",
    )
    mapping = LISTS.replace("file: main.csv", f"postgres: {VARIABLE}, table: s.loans").replace(
        "file: events.csv", f"postgres: {VARIABLE}, table: s.events"
    )
    seen: list[str] = []

    def meanwhile(text: str) -> None:
        if not seen:  # the loans are read, the events not yet
            postgres.run("INSERT INTO s.events VALUES ('1001', '2024-01-01')")
        seen.append(text)

    path = tmp_path / "mapping.yaml"
    path.write_text(HEAD + mapping)
    result = import_extract(None, path, vocabulary, tmp_path / "book", note=meanwhile)
    assert result.rows_rejected == 0 and result.book.rows == {"loans": 1000, "visits": 1000}
    assert "events: 1,000 rows read" in seen and seen[-1] == "counting"


def test_connections_that_fail(
    tmp_path: Path, vocabulary: Vocabulary, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(source: str = "table: s.loans") -> SanchaError:
        error = refused(tmp_path, TYPED.replace("SOURCE", f"postgres: {VARIABLE}, {source}"), vocabulary)
        shown = f"{error.message} {error.help} {error.where}"
        assert "heim" not in shown and "falsch" not in shown
        return error

    error = ask()
    assert (error.code, error.message) == ("E0606", "the database has no table `s.loans`")
    postgres.run("CREATE TABLE s.loans (id text, b bytea)", "INSERT INTO s.loans VALUES ('1', 'x')")
    assert ask().message == f"`s.loans of ${VARIABLE}` has no column `t`"
    assert "refuses the query of `main`" in ask("query: SELEC").message
    assert "refuses the query of `main`" in ask('query: "SELECT 1; DROP TABLE s.loans"').message
    writes = 'query: "WITH x AS (DELETE FROM s.loans RETURNING id) SELECT id FROM x"'
    assert ask(writes).code == "E0606"
    divided = 'query: "SELECT id, id AS t, id AS k, id AS f, 5 AS i, 1/0 AS n, id AS m, id AS d, id AS ts FROM s.loans"'
    assert "division by zero" in ask(divided).message
    blob = 'query: "SELECT id, b AS t, id AS k, id AS f, id AS i, id AS n, id AS m, id AS d, id AS ts FROM s.loans"'
    assert "is of type bytea, which has no text" in ask(blob).message
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        connections = {
            postgres.uri("falsch"): "password authentication failed",
            postgres.uri().replace("/postgres", "/nix"): 'database "nix" does not exist',
            postgres.uri(port=closed.getsockname()[1]): "onnection refused",
            "postgresql://bank:gehe heim@h/d": "is no connection that PostgreSQL understands",
            "geheim": "is no connection that PostgreSQL understands",
        }
        for uri, told in connections.items():
            monkeypatch.setenv(VARIABLE, uri)
            assert told in ask().message, uri
    monkeypatch.delenv(VARIABLE)
    error = ask()
    assert error.message == f"the environment variable `{VARIABLE}` is not set" and "export" in (
        error.help or ""
    )


def test_a_connection_that_dies_midway_leaves_nothing(
    tmp_path: Path, vocabulary: Vocabulary, postgres: Server
) -> None:
    query = "SELECT i::text AS id, i AS amt FROM generate_series(1, 100000000) i"
    mapping = f"""
    sources: {{main: {{postgres: {VARIABLE}, key: id, query: "{query}"}}}}
    facts: {{a.money: amt}}
    """
    path = tmp_path / "mapping.yaml"
    path.write_text(HEAD + textwrap.dedent(mapping))
    killed = threading.Event()

    def kill(_text: str) -> None:
        if not killed.is_set():
            killed.set()
            postgres.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    with pytest.raises(
        SanchaError, match=f"by `{VARIABLE}` broke off while the query of `main` was read"
    ) as error:
        import_extract(None, path, vocabulary, tmp_path / "book", note=kill)
    assert error.value.code == "E0606" and killed.is_set()
    assert [p.name for p in tmp_path.iterdir()] == ["mapping.yaml"]


def test_text_that_is_not_utf8(
    tmp_path: Path, vocabulary: Vocabulary, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.run(
        "DROP DATABASE IF EXISTS ascii", "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0"
    )
    monkeypatch.setenv(VARIABLE, postgres.uri().replace("/postgres", "/ascii"))
    query = r"SELECT '1' AS id, 5 AS amt, convert_from('\\xd6d0', 'SQL_ASCII') AS name"
    mapping = f"""
    sources: {{main: {{postgres: {VARIABLE}, key: id, query: "{query}"}}}}
    facts: {{a.money: amt, a.text: name}}
    """
    error = refused(tmp_path, mapping, vocabulary)
    assert error.code == "E0604" and "is not UTF-8" in error.message


# --- one bad extract, wherever it lies -------------------------------------------------------------------------

FAR, BEFORE = "10000-01-01", "before"
#: Loan, amount, day: ids that come twice or are missing, amounts and days that do not fit.
BAD_LOANS = [
    ("1", "1.5", "2024-01-31"),
    ("2", "100000000000000000", "2024-01-31"),
    ("1", "9", "2024-01-31"),
    (None, "3", "2024-01-31"),
    ("3", "0.001", FAR),
    ("4", "-4", BEFORE),
    ("2", "9", "2024-01-31"),
]
#: Loan and day of a visit: loans that are not there, none named, a day that does not fit.
BAD_EVENTS = [("1", "2024-01-01"), ("9", "2024-01-02"), (None, "2024-01-03"), ("3", FAR), ("1", "2024-02-01")]
BAD = """
sources:
  main: {MAIN, key: id}
  events: {EVENTS, key: id}
facts: {a.money: amt, a.day: d}
lists: {visits: {from: events, fields: {date: d}}}
"""
Rows = list[tuple[str | None, ...]]


def put_csv(folder: Path, name: str, columns: str, rows: Rows) -> None:
    folder.mkdir()
    for number, part in enumerate((rows[:2], rows[2:])):
        days = [["-0044-03-15" if cell == BEFORE else cell or "" for cell in row] for row in part]
        lines = [columns.replace(" ", ","), *(",".join(row) for row in days)]
        (folder / f"{name}{number}.csv").write_text("\n".join(lines) + "\n")


def put_parquet(folder: Path, name: str, columns: str, rows: Rows) -> None:
    far = {FAR: 2_932_897, BEFORE: -735_525}
    for number, part in enumerate((rows[:2], rows[2:])):
        table: dict[str, Any] = {}
        for column, cells in zip(columns.split(), zip(*part, strict=True), strict=True):
            if column == "amt":
                table[column] = pa.array([Decimal(cell or "") for cell in cells], pa.decimal128(38, 3))
            elif column == "d":
                days = [
                    far[cell]
                    if cell in far
                    else (dt.date.fromisoformat(cell or "") - dt.date(1970, 1, 1)).days
                    for cell in cells
                ]
                table[column] = pa.array(days, pa.int32()).cast(pa.date32())
            else:
                table[column] = pa.array(cells, pa.string())
        put(folder, f"{name}{number}.parquet", **table)


def put_sql(name: str, columns: str, rows: Rows) -> list[str]:
    kinds = {"id": "varchar", "amt": "numeric(38,3)", "d": "date"}
    listed = ", ".join(f"{column} {kinds[column]}" for column in columns.split())
    texts = [
        ["NULL" if cell is None else f"'{'0044-03-15 BC' if cell == BEFORE else cell}'" for cell in row]
        for row in rows
    ]
    values = ", ".join(f"({', '.join(row)})" for row in texts)
    return [f"CREATE TABLE {name} ({listed})", f"INSERT INTO {name} VALUES {values}"]


@pytest.fixture(params=["csv", "parquet", "duckdb", "postgres"])
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[Path], str]]:
    """What holds the extract, and a function that puts it there and gives its mapping."""
    kind: str = request.param
    server: Server | None = request.getfixturevalue("postgres") if kind == "postgres" else None

    def place(folder: Path) -> str:
        tables = {"main": ("id amt d", BAD_LOANS), "events": ("id d", BAD_EVENTS)}
        mapping = BAD
        for name, (columns, rows) in tables.items():
            source = f"file: {name}"
            if kind == "csv":
                put_csv(folder / name, name, columns, rows)
            elif kind == "parquet":
                put_parquet(folder / name, name, columns, rows)
            elif server is not None:
                server.run(*put_sql(f"s.{name}", columns, rows))
                source = f"postgres: {VARIABLE}, table: s.{name}"
            else:
                with duckdb.connect(str(folder / "core.duckdb")) as connection:
                    for statement in put_sql(name, columns, rows):
                        connection.execute(statement.replace("0044-03-15 BC", "0044-03-15 (BC)"))
                source = f"duckdb: core.duckdb, table: {name}"
            mapping = mapping.replace(name.upper(), source)
        return mapping

    return kind, place


def test_a_bad_extract_is_counted_out_alike_wherever_it_lies(
    tmp_path: Path, vocabulary: Vocabulary, bad: tuple[str, Callable[[Path], str]]
) -> None:
    kind, place = bad
    result = run(tmp_path, place(tmp_path), vocabulary)
    assert facts(result, "loan_id", "a.money", "a.day", "visits") == [
        ("1", Decimal("1.50"), dt.date(2024, 1, 31), 2),
        ("2", None, dt.date(2024, 1, 31), 0),
        ("3", None, None, 1),
        ("4", Decimal("-4.00"), None, 0),
    ]
    assert {s.source: (s.rows, s.imported, s.rejected, s.left_out) for s in result.sources} == {
        "main": (7, 4, 3, 0),
        "events": (5, 3, 2, 0),
    }
    found = rejected(result, "source", "fact", "rejected", "loan", "reason")
    shown = [(*row[:4], row[4].partition(" is on row ")[0]) for row in found]
    no_key = "no key, or a key whose digits a spreadsheet has dropped"
    no_day, too_large = "not a date of the form yyyy-mm-dd", "more than 2 places, or too large"
    assert shown == [
        ("events", None, "row", None, "no loan file has this key"),
        ("events", None, "row", None, no_key),
        ("events", "visits.date", "value", "3", no_day),
        ("main", "a.money", "value", "2", too_large),
        ("main", None, "row", None, "the key"),
        ("main", None, "row", None, no_key),
        ("main", "a.day", "value", "3", no_day),
        ("main", "a.money", "value", "3", too_large),
        ("main", "a.day", "value", "4", no_day),
        ("main", None, "row", None, "the key"),
    ]
    if kind in ("csv", "parquet"):
        files = [f"events0.{kind}", *[f"events1.{kind}"] * 2, f"main0.{kind}", *[f"main1.{kind}"] * 6]
        rows = [2, 1, 2, 2, 1, 2, 3, 3, 4, 5]  # counted within the file
        assert rejected(result, "file", "row") == list(zip(files, rows, strict=True))
    open_book(tmp_path / "book", vocabulary, verify=True)


def test_a_child_table_that_is_missing_or_lost_a_column_is_told_wherever_it_lies(
    tmp_path: Path,
    vocabulary: Vocabulary,
    bad: tuple[str, Callable[[Path], str]],
    request: pytest.FixtureRequest,
) -> None:
    kind, place = bad
    mapping = place(tmp_path)
    error = refused(tmp_path, mapping.replace("date: d", "date: day"), vocabulary)
    assert error.code == "E0602" and "has no column `day`" in error.message
    if kind in ("csv", "parquet"):
        shutil.rmtree(tmp_path / "events")
        expected = "the file of the source `events` is not there"
    elif kind == "duckdb":
        with duckdb.connect(str(tmp_path / "core.duckdb")) as connection:
            connection.execute("DROP TABLE events")
        expected = "the database has no table `events`"
    else:
        request.getfixturevalue("postgres").run("DROP TABLE s.events")
        expected = "the database has no table `s.events`"
    assert expected in refused(tmp_path, mapping, vocabulary).message

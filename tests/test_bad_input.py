"""Bad input at the command line: a clear message with place and help, exit status 2, and nothing half-written."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_pack import small_pack

from sancha.engine.book.schema import table_schema
from sancha.engine.book.store import write_book
from sancha.engine.diagnostics import SanchaError
from sancha.engine.run.replay import replay

SANCHA = str(Path(sys.executable).with_name("sancha"))


def sancha(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run([SANCHA, *map(str, arguments)], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("books") / "book"
    assert sancha("synth", "--loans", "300", "--out", folder).returncode == 0
    return folder


@pytest.fixture
def damaged(book: Path, tmp_path: Path) -> Path:
    """A copy of the book to damage."""
    return Path(shutil.copytree(book, tmp_path / "book"))


def refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr, done.stderr


def test_a_truncated_parquet_file(damaged: Path, tmp_path: Path) -> None:
    file = damaged / "visits.parquet"
    file.write_bytes(file.read_bytes()[:-200])
    refused(sancha("replay", damaged, "--out", tmp_path / "run"), "visits.parquet")
    assert not (tmp_path / "run").exists()


def test_a_book_without_loans(damaged: Path, tmp_path: Path) -> None:
    for file in damaged.glob("*.parquet"):
        pq.write_table(pq.read_table(file).slice(0, 0), file)
    refused(sancha("replay", damaged, "--out", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_book_without_a_column_that_a_rule_reads(damaged: Path, tmp_path: Path) -> None:
    file = damaged / "loans.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["approval.level"]), file)
    refused(sancha("replay", damaged, "--out", tmp_path / "run"), "approval.level")
    assert not (tmp_path / "run").exists()


def test_a_book_without_a_list_that_a_rule_reads(damaged: Path, tmp_path: Path) -> None:
    (damaged / "visits.parquet").unlink()
    refused(sancha("replay", damaged, "--out", tmp_path / "run"), "visits")
    assert not (tmp_path / "run").exists()


# --- books that were changed after they were written ----------------------------------------------------------

DAY = dt.date(2024, 5, 17)
RULE = """
rule: T-1
judged on: loan.decided_on
in force: {from: 2020-01-01}
require: loan.amount <= 100 and (some v in visits satisfies v.done)
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A pack and a book of three files with a visit each."""
    pack = small_pack(tmp_path / "pack", RULE)
    loans = [
        {"loan_id": f"L{i}", "loan.amount": Decimal(i), "loan.decided_on": DAY, "visits": 1} for i in range(3)
    ]
    visits = [{"loan_id": f"L{i}", "item": 1, "date": DAY, "done": True} for i in range(3)]
    tables = {
        name: pa.Table.from_pylist(rows, table_schema(pack.vocabulary, name))
        for name, rows in {"loans": loans, "visits": visits}.items()
    }
    write_book(tmp_path / "book", pack.vocabulary, tables, as_of=DAY, synthetic=True, source="test")
    return tmp_path


def other(table: str, column: str, values: pa.Array) -> Callable[[Path], None]:
    """A column of the book with other values, of another type even."""

    def change(book: Path) -> None:
        path = book / f"{table}.parquet"
        rows = pq.read_table(path)
        pq.write_table(rows.set_column(rows.column_names.index(column), column, values), path)

    return change


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a loan id twice": (
        other("loans", "loan_id", pa.array(["L0", "L1", "L1"])),
        "loan ids come more than once in `loans`: `L1`",
    ),
    "a loan id missing": (
        other("loans", "loan_id", pa.array(["L0", None, "L2"])),
        "`loans` has rows without a loan id",
    ),
    "an item without a parent": (
        other("visits", "loan_id", pa.array(["L0", "L1", "L9"])),
        "`visits` has rows of loan ids that are not in `loans`: `L9`",
    ),
    "an item of nobody": (
        other("visits", "loan_id", pa.array(["L0", "L1", None])),
        "`visits` has rows of loan ids that are not in `loans`",
    ),
    "an item lost": (
        other("loans", "visits", pa.array([1, 2, 1])),
        "the column `visits` of `loans` does not tell the number of items in `L1`",
    ),
    "a child table missing": (
        lambda book: (book / "visits.parquet").unlink(),
        "the book lacks the file of its table `visits`",
    ),
    "decimals of more digits": (
        other("loans", "loan.amount", pa.array([Decimal("1e17"), None, None], pa.decimal128(20, 2))),
        "the column `loan.amount` of `loans` is decimal128(20, 2); expected decimal128(18, 2)",
    ),
    "binary floats": (
        other("loans", "loan.amount", pa.array([0.1, None, None])),
        "the column `loan.amount` of `loans` is double; expected decimal128(18, 2)",
    ),
    "days as text": (
        other("loans", "loan.decided_on", pa.array(["2024-05-17"] * 3)),
        "the column `loan.decided_on` of `loans` is string; expected date32",
    ),
    "a day after 9999": (
        other("loans", "loan.decided_on", pa.array([2932897, 0, 0], pa.int32()).cast(pa.date32())),
        "the column `loan.decided_on` of `loans` holds days outside the years 1 to 9999",
    ),
}


@pytest.mark.parametrize("engine", ["columns", "row"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_book_that_was_changed_is_refused(small: Path, name: str, engine: str) -> None:
    change, message = CHANGES[name]
    change(small / "book")
    with pytest.raises(SanchaError) as error:
        replay(small / "book", small / "pack", small / "run", engine=engine, progress=False)
    assert message in error.value.message and "book" in str(error.value.where)
    assert sorted(p.name for p in small.iterdir()) == ["book", "pack"], "nothing half-written"


def test_no_book_at_all(tmp_path: Path) -> None:
    refused(sancha("replay", tmp_path / "nowhere", "--out", tmp_path / "run"), "nowhere")


def test_a_folder_that_is_something_else_is_not_replaced(book: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    refused(sancha("replay", book, "--out", tmp_path / "mine"), "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text(encoding="utf-8") == "dear"


def test_an_unknown_engine(book: Path, tmp_path: Path) -> None:
    refused(sancha("replay", book, "--out", tmp_path / "run", "--engine", "steam"), "steam")


def test_an_interrupted_replay_leaves_nothing(book: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [SANCHA, "replay", str(book), "--out", str(tmp_path / "run"), "--engine", "row"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):  # until it has begun to write beside the goal
        if list(tmp_path.iterdir()) or process.poll() is not None:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the replay was done before it could be interrupted")
    assert process.returncode == 130 and "interrupted" in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(book: Path, small_disk: Path) -> None:
    refused(sancha("replay", book, "--out", small_disk / "run"), "space")
    assert list(small_disk.iterdir()) == []
    refused(sancha("synth", "--loans", "2000", "--out", small_disk / "book"), "space")
    assert list(small_disk.iterdir()) == []

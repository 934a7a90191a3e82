"""Bad input at the command line: a clear message with place and help, exit status 2, and nothing half-written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

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

"""The main job end to end: the demonstration on a small book."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sancha.audit.recall import recall

SANCHA = Path(sys.executable).with_name("sancha")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a demonstration of 1,000 loan files, and what the command printed."""
    folder = tmp_path_factory.mktemp("demonstration") / "demo"
    command = [str(SANCHA), "demo", "--out", str(folder), "--loans", "1000", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_it_says_what_was_found_and_where_it_lies(demo: tuple[Path, str]) -> None:
    folder, said = demo
    assert "seeded faults found: 20 of 20" in said
    for name in ("report.html", "report.pdf", "lists", "run", "book", "answers-synthetic.csv"):
        assert str(folder / name) in said and (folder / name).exists()


def test_every_fault_is_found_by_its_rules_and_nothing_else(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    found = recall(folder / "book", folder / "run")
    assert len(found) == 20
    for fault in found:
        assert fault.seeded > 0 and fault.found == fault.seeded, fault
        assert fault.others == 0, fault


def test_the_run_adds_up(demo: tuple[Path, str]) -> None:
    run = demo[0] / "run"
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    codes = pq.read_table(run / "codes.parquet")
    outcomes = pq.read_table(run / "outcomes.parquet").to_pandas()
    files = outcomes.groupby("rule")["files"].sum()
    rules = [name for name in codes.column_names if name != "loan_id"]
    assert codes.num_rows == info["files"] == 1000
    assert all(files[rule] == 1000 for rule in rules)
    assert sum(info["outcomes"].values()) == outcomes["files"].sum()


def test_a_second_demonstration_takes_the_place_of_the_first(demo: tuple[Path, str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine", encoding="utf-8")
    done = subprocess.run([str(SANCHA), "demo", "--out", str(other)], capture_output=True, text=True)
    assert done.returncode == 2 and "not empty" in done.stderr
    assert [p.name for p in other.iterdir()] == ["letter.txt"]

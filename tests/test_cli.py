"""The command line as a person meets it: what it prints, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from small_pack import write_pack
from typer.testing import CliRunner

from sancha import cli
from sancha.cli import app
from sancha.engine.diagnostics import SanchaError

ROOT = Path(__file__).resolve().parent.parent
SANCHA = Path(sys.executable).with_name("sancha")


def sancha(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    return subprocess.run(
        [str(SANCHA), *map(str, arguments)], cwd=cwd, capture_output=True, text=True, env=environment
    )


def test_check_the_demonstration_pack() -> None:
    done = sancha("check")
    assert done.returncode == 0, done.stderr
    assert "no errors" in done.stdout


def test_an_error_has_place_line_mark_and_help(tmp_path: Path) -> None:
    assert sancha("init", tmp_path / "policy").returncode == 0
    rule = tmp_path / "policy" / "pre_loan" / "PRE-05.yaml"
    text = rule.read_text(encoding="utf-8").replace("borrower.tax_rating", "borrower.tax_ratign", 1)
    rule.write_text(text, encoding="utf-8")
    done = sancha("check", tmp_path / "policy")
    assert done.returncode == 2
    assert "error[E0201]: unknown fact `borrower.tax_ratign`" in done.stderr
    assert "PRE-05.yaml:" in done.stderr and "^^^^^^^^" in done.stderr
    assert "did you mean `borrower.tax_rating`" in done.stderr
    assert "Traceback" not in done.stderr


def test_explain() -> None:
    assert "E0201" in sancha("explain", "e0201").stdout
    done = sancha("explain", "E9999")
    assert done.returncode == 2 and "no error code" in done.stderr


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 / 3 + 0.1", "0.4333333333333333333333333333333333"),
        ("application.amount * 0.7", "3500000"),
        ('application.on + @"P1M"', "2024-02-29"),
        ('count(visits[done]) >= 1 and application.kind = "新"', "true"),
        ("application.note = 5 or application.amount < 1", "unknown: missing application.note"),
    ],
)
def test_feel(tmp_path: Path, expression: str, expected: str) -> None:
    context = tmp_path / "file.json"
    context.write_text(
        json.dumps(
            {
                "application": {"amount": 5000000, "on": "2024-01-31", "kind": "新", "note": None},
                "visits": [{"done": True}, {"done": False}],
            }
        ),
        encoding="utf-8",
    )
    done = sancha("feel", expression, "--context", context)
    assert (done.returncode, done.stdout.strip()) == (0, expected), done.stderr


def test_feel_with_a_pack_and_no_file() -> None:
    assert sancha("feel", "application.amount > 3", "--pack", ROOT / "rules").stdout.strip() == (
        "unknown: missing application.amount"
    )
    assert (
        sancha("feel", "parameters.dual_visit_amount", "--pack", ROOT / "rules").stdout.strip() == "500000.00"
    )


def test_feel_errors(tmp_path: Path) -> None:
    done = sancha("feel", "1 +")
    assert done.returncode == 2 and "E0102" in done.stderr
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    done = sancha("feel", "1", "--context", broken)
    assert done.returncode == 2 and "not JSON" in done.stderr


def test_decide_as_json_and_in_words(tmp_path: Path) -> None:
    file = json.loads(
        (ROOT / "rules" / "files" / "ordinary working-capital loan.json").read_text(encoding="utf-8")
    )
    file["approval"]["approver_id"] = file["review"]["reviewer_id"]
    path = tmp_path / "one person.json"
    path.write_text(json.dumps(file), encoding="utf-8")
    decided = json.loads(sancha("decide", path, "--json").stdout)
    found = {o["rule"]: o for o in decided["outcomes"]}
    assert found["APR-01"]["outcome"] == "breach"
    assert found["APR-01"]["facts"]["approval.approver_id"] == file["review"]["reviewer_id"]
    words = sancha("decide", path, "--explain", "--rule", "APR-01", "--lang", "zh").stdout
    assert f"approval.approver_id = {file['review']['reviewer_id']}" in words and "审贷分离" in words


def test_decide_refuses_what_the_vocabulary_lacks(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text('{"as_of": "2024-12-31", "application": {"amuont": 5}}', encoding="utf-8")
    done = sancha("decide", file)
    assert done.returncode == 2
    assert "amuont" in done.stderr and "amount" in done.stderr and "Traceback" not in done.stderr
    file.write_text('{"as_of": "2024-12-31", "application": {"amount": "five"}}', encoding="utf-8")
    done = sancha("decide", file)
    assert done.returncode == 2 and "application.amount" in done.stderr


def test_test_fails_where_a_scenario_fails(tmp_path: Path) -> None:
    assert sancha("init", tmp_path / "policy").returncode == 0
    features = tmp_path / "policy" / "features"
    for file in features.rglob("*.feature"):
        file.unlink()
    (features / "one.feature").write_text(
        'Feature: One\n  Scenario: it fails\n    Given a loan file\n    And approval.decision is "rejected"\n'
        "    When the file is judged by PRE-05\n    Then the outcome is breach\n",
        encoding="utf-8",
    )
    done = sancha("test", tmp_path / "policy")
    assert done.returncode == 1
    assert "1 failed" in done.stdout


# --- importing and replaying, in this process ------------------------------------------------------------------

EXTRACT = """
mapping: command line
vocabulary: {vocabulary}
as of: 2024-12-31
root: main
sources:
  main: {{file: main, key: id}}
facts: {{loan.amount: amt}}
"""
LIST_RULE = """
rule: T-1
judged on: loan.decided_on
in force: {from: 2024-01-01}
require: count(visits) >= 1
"""


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    """A pack with a rule on a list, and a dataset of two files that does not have the list."""
    write_pack(tmp_path / "pack", LIST_RULE)
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "1.csv").write_text("id,amt\n1,1\n2,x\n")
    (tmp_path / "main" / "2.csv").write_text("id,amt\n3,3\n3,4\n")
    (tmp_path / "mapping.yaml").write_text(EXTRACT.format(vocabulary="pack/vocabulary.yaml"))
    return tmp_path


def called(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_import_tells_which_rules_will_be_unknown(extract: Path) -> None:
    book, mapping = extract / "book", extract / "mapping.yaml"
    done = called("import", extract, "--mapping", mapping, "--out", book)
    assert done.exit_code == 0, done.output
    assert "main (2 files): 4 rows = 3 imported + 1 rejected" in done.output
    assert (
        "not in the extract; where it matters, these rules will be unknown:\n    visits: T-1\n" in done.output
    )
    assert "payments" not in done.output, "no rule reads it"
    # A vocabulary by itself, and a pack in error: what is missing is told without rules.
    (extract / "pack" / "rules" / "part0.yaml").write_text("rule: T-1\n")
    done = called("import", extract, "--mapping", mapping, "--out", book)
    assert done.exit_code == 0
    assert "not in the extract, missing in every file: visits, payments, reference/people" in done.output


def test_what_an_import_does_is_told_behind_the_bar(extract: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(cli.progress, "note", lambda _bar, text: told.append(text))
    called("import", extract, "--mapping", extract / "mapping.yaml", "--out", extract / "book")
    assert told == ["main: 2 rows read", "main: 4 rows read", "loan files", "counting"]


def test_replay_verifies_a_book_when_asked(extract: Path) -> None:
    called("import", extract, "--mapping", extract / "mapping.yaml", "--out", extract / "book")
    replay = ("replay", extract / "book", "--pack", extract / "pack", "--out", extract / "run")
    assert called(*replay, "--verify").exit_code == 0
    loans = extract / "book" / "loans.parquet"
    pq.write_table(pq.read_table(loans), loans, compression="none")
    done = called(*replay, "--verify")
    assert isinstance(done.exception, SanchaError) and "digest" in done.exception.render()
    done = called(*replay, "--verify", "--engine", "spark")
    assert isinstance(done.exception, SanchaError) and "--verify" in done.exception.message

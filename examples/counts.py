"""Prints what a replay found: one line a rule. Usage: counts.py RUN PACK"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from sancha.engine.policy.pack import load_pack

OUTCOMES = ("pass", "breach", "unknown", "not due", "not applicable")


def counts(run: Path) -> dict[str, dict[str, int]]:
    """For each rule its outcomes with the number of files, or of groups for a portfolio rule."""
    query = "SELECT rule, outcome, CAST(sum(files) AS BIGINT) FROM read_parquet($path) GROUP BY ALL"
    with duckdb.connect() as connection:
        rows = connection.execute(query, {"path": str(run / "outcomes.parquet")}).fetchall()
    found: dict[str, dict[str, int]] = {}
    for rule, outcome, files in sorted(rows):
        if files:
            found.setdefault(rule, {})[outcome] = files
    return found


def main(run: Path, pack: Path) -> None:
    rules = load_pack(pack).rules
    table = Table(box=None, pad_edge=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("title")
    for outcome in OUTCOMES:
        table.add_column(outcome, justify="right", no_wrap=True)
    for rule, found in counts(run).items():
        numbers = [f"{found[outcome]:,}" if outcome in found else "" for outcome in OUTCOMES]
        table.add_row(rule, rules[rule].title["en"], *numbers, style="bold" if "breach" in found else None)
    Console().print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

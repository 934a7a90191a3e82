"""Recall on a synthetic book: whether the rules meant to find the seeded faults have found them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

#: The record of the seeded faults beside a synthetic book.
FAULTS = "faults.json"


@dataclass(frozen=True, slots=True)
class FaultRecall:
    """One seeded fault: loan files that have it, those found by its rules, and breaches of them elsewhere."""

    fault: str
    title: dict[str, str]
    rules: tuple[str, ...]
    seeded: int
    found: int
    others: int


def recall(book: Path, run: Path) -> list[FaultRecall]:
    """For each seeded fault: a loan file counts as found if one of the fault's rules is a breach there.

    A breach on a file without that fault counts as another, unless the same rule is meant to find a fault there.
    """
    faults = json.loads((book / FAULTS).read_text(encoding="utf-8"))
    query = (
        "SELECT rule, list(loan_id) FROM read_parquet(?) "
        "WHERE outcome = 'breach' AND loan_id IS NOT NULL GROUP BY rule"
    )
    with duckdb.connect() as connection:
        rows = connection.execute(query, [str(run / "exceptions.parquet")]).fetchall()
    breaches = {rule: set(loans) for rule, loans in rows}
    meant: dict[str, set[str]] = {}
    for fault in faults.values():
        for rule in fault["rules"]:
            meant.setdefault(rule, set()).update(fault["loans"])
    out = []
    counted: set[str] = set()
    for number, fault in faults.items():
        loans = set(fault["loans"])
        found = {loan for rule in fault["rules"] for loan in breaches.get(rule, set()) & loans}
        fresh = [rule for rule in fault["rules"] if rule not in counted]
        counted.update(fresh)
        others = sum(len(breaches.get(rule, set()) - meant[rule]) for rule in fresh)
        out.append(FaultRecall(number, fault["title"], tuple(fault["rules"]), len(loans), len(found), others))
    return out

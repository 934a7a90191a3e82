"""One decision of 20 conditions on a file of 30 fields: the row evaluator beside zen-engine's compiled expression.

    .venv/bin/python benchmarks/decide.py

Both judge the same file by the same conditions, in turn, in one process. Sancha's file holds decimals and dates and
any fact may be missing; zen-engine's holds floats, and dates as numbers (20240821), the cheapest it can compare. It is
given as a dictionary, and as the JSON text of it, which the binding reads in less time. All 20 conditions hold, so that
neither may stop early.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import zen

from sancha.engine.feel import types as t
from sancha.engine.feel.check import Scope
from sancha.engine.feel.context import checked
from sancha.engine.run.to_python import compile_core

FACTS: dict[str, tuple[t.Type, Any]] = {
    "borrower.kind": (t.TEXT, "company"),
    "borrower.established_on": (t.DATE, date(2016, 5, 17)),
    "borrower.industry": (t.TEXT, "C"),
    "borrower.employees": (t.INTEGER, 42),
    "borrower.assets": (t.MONEY, Decimal("18250000.00")),
    "borrower.liabilities": (t.MONEY, Decimal("9100000.00")),
    "borrower.net_assets": (t.MONEY, Decimal("9150000.00")),
    "borrower.listed": (t.BOOLEAN, False),
    "borrower.related": (t.BOOLEAN, False),
    "borrower.tax_rating": (t.TEXT, "B"),
    "application.product": (t.TEXT, "working_capital"),
    "application.amount": (t.MONEY, Decimal("3000000.00")),
    "application.term": (t.INTEGER, 12),
    "application.received_on": (t.DATE, date(2024, 8, 1)),
    "application.purpose": (t.TEXT, "raw_materials"),
    "application.rate": (t.RATE, Decimal("0.0435")),
    "declared.revenue": (t.MONEY, Decimal("25000000.00")),
    "declared.employees": (t.INTEGER, 42),
    "declared.debt": (t.MONEY, Decimal("6000000.00")),
    "third_party.vat": (t.MONEY, Decimal("23800000.00")),
    "third_party.inflow": (t.MONEY, Decimal("24100000.00")),
    "third_party.insured": (t.INTEGER, 38),
    "bureau.lenders": (t.INTEGER, 2),
    "bureau.overdue": (t.MONEY, Decimal("0.00")),
    "bureau.guarantees": (t.MONEY, Decimal("1200000.00")),
    "bureau.queries": (t.INTEGER, 3),
    "approval.level": (t.INTEGER, 2),
    "approval.decided_on": (t.DATE, date(2024, 8, 21)),
    "approval.amount": (t.MONEY, Decimal("2800000.00")),
    "approval.term": (t.INTEGER, 12),
}

#: The conditions in Sancha's words; zen-engine's words differ for equality and dates.
CONDITIONS = [
    'borrower.kind = "company"',
    'application.product in ("working_capital", "fixed_asset")',
    "application.amount <= 10000000",
    "application.term <= 36",
    'application.purpose != "dividend"',
    "application.rate in [0.0295..0.0745]",
    "declared.revenue > 0",
    "declared.revenue / third_party.vat <= 1.2",
    "third_party.inflow / declared.revenue >= 0.7",
    "third_party.insured / declared.employees >= 0.5",
    "borrower.liabilities / borrower.assets <= 0.7",
    "bureau.lenders <= 4",
    "bureau.overdue = 0",
    "bureau.guarantees <= borrower.net_assets * 0.5",
    "bureau.queries < 6",
    "approval.level >= 2",
    "approval.amount <= application.amount",
    "approval.term <= application.term",
    'approval.decided_on >= @"2024-07-01"',
    'borrower.tax_rating in ("A", "B", "M") and not(borrower.related)',
]


def zen_words(condition: str) -> str:
    """The same condition as zen-engine writes it."""
    for a, b in (
        (' = "', ' == "'),
        (" = 0", " == 0"),
        ('@"2024-07-01"', "20240701"),
        ('("', '["'),
        ('")', '"]'),
    ):
        condition = condition.replace(a, b)
    return condition.replace("not(borrower.related)", "not borrower.related")


def zen_file() -> dict[str, Any]:
    file: dict[str, Any] = {}
    for name, (_, value) in FACTS.items():
        group, _, fact = name.partition(".")
        plain = float(value) if isinstance(value, Decimal) else value
        if isinstance(value, date):
            plain = int(value.strftime("%Y%m%d"))
        file.setdefault(group, {})[fact] = plain
    return file


def seconds(call: Callable[[], object], loops: int) -> float:
    start = time.perf_counter()
    for _ in range(loops):
        call()
    return (time.perf_counter() - start) / loops


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--loops", type=int, default=3000)
    options = parser.parse_args()

    text = " and ".join(f"({condition})" for condition in CONDITIONS)
    core = checked(text, Scope(facts={name: type_ for name, (type_, _) in FACTS.items()}), t.BOOLEAN)
    function = compile_core(core)
    facts = {name: value for name, (_, value) in FACTS.items()}
    expression = zen.compile_expression(" and ".join(f"({zen_words(c)})" for c in CONDITIONS))
    file = zen_file()
    text_file = json.dumps(file)
    held = [function(facts, {}, {}, None), expression.evaluate(file), expression.evaluate(text_file)]
    if held != [True, True, True]:
        raise SystemExit("the two do not agree that all conditions hold")

    def sancha() -> object:
        return function(facts, {}, {}, None)

    def zen_engine() -> object:
        return expression.evaluate(file)

    def zen_text() -> object:
        return expression.evaluate(text_file)

    ways = (sancha, zen_engine, zen_text)
    for call in ways:
        seconds(call, options.loops)
    rounds = [[seconds(call, options.loops) for call in ways] for _ in range(options.rounds)]
    print(
        f"{len(CONDITIONS)} conditions, {len(FACTS)} fields, {options.rounds} rounds of {options.loops} decisions each"
    )
    names = ("sancha, row evaluator", "zen-engine, a dictionary", "zen-engine, JSON text")
    for name, times in zip(names, zip(*rounds, strict=True), strict=True):
        print(f"{name:<26} {statistics.median(times) * 1e6:8.2f} µs a decision (median)")
    for name, place in (("a dictionary", 1), ("JSON text", 2)):
        ratio = statistics.median(times[place] / times[0] for times in rounds)
        print(f"zen-engine / sancha, {name:<13}{ratio:8.2f} (median of ratios)")


if __name__ == "__main__":
    main()

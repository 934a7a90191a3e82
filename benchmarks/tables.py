"""Decision tables of 100, 1,000 and 10,000 rows: the indexed table beside zen-engine's on the same rows.

    .venv/bin/python benchmarks/tables.py

Two equality columns and two columns of intervals; no two rows match the same file. Both engines decide the same files,
in turn, in one process: with the hit policy `unique` (zen-engine has none, and takes the `first`) and with `collect`.
`lookup` is the table's decision by the facts of a file; `rule` is a rule that needs it, judged with its versions and
dates by the row evaluator. zen-engine's files hold floats, its decision is no more than the table, and it is run in the
fastest of its ways: from a static loader, which compiles the decision once.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import zen

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.policy.lower import lower_decision
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.run.row import Evaluator
from sancha.engine.run.to_python import compile_core

SIZES = (100, 1_000, 10_000)
BRANCHES = [f"B{n:02}" for n in range(20)]
TERMS = [12, 36]
KINDS = ["working_capital", "fixed_asset", "personal_business", "invoice", "guarantee"]
DAY = date(2024, 12, 31)

PACK = {
    "pack.yaml": """
pack: benchmark
version: "1"
title: {en: Benchmark}
notice: {en: Generated}
languages: [en]
currency: CNY
time zone: Asia/Shanghai
dimensions: {branch: loan.branch, exposure: loan.amount}
""",
    "vocabulary.yaml": f"""
vocabulary: benchmark
groups:
  loan:
    label: {{en: Loan}}
    facts:
      branch: {{type: text, label: {{en: branch}}}}
      kind: {{type: "one of [{", ".join(KINDS)}]", label: {{en: kind}}}}
      amount: {{type: money, label: {{en: amount}}}}
      term: {{type: integer, label: {{en: term}}}}
""",
    "sources.yaml": "S: {en: Source}\n",
    "causes.yaml": "C: {en: Cause}\n",
    "clauses/all.md": "## one.1 Clause\n\nText.\n",
    "rules/level.yaml": """
table: level
title: {en: Level}
hit policy: POLICY
inputs:
  - {name: branch, expression: loan.branch}
  - {name: kind, expression: loan.kind}
  - {name: amount, expression: loan.amount}
  - {name: term, expression: loan.term}
outputs:
  - {name: level, type: integer}
rows: level.csv
clause: one.1
source: {document: S, evidence: B}
""",
    "rules/R-1.yaml": """
rule: R-1
title: {en: Title}
stage: in-loan
judged on: as_of
in force: {from: 2020-01-01}
applies when: loan.amount > 0
require: level >= 3
impact: control
cause: C
clause: one.1
source: {document: S, evidence: B}
finding: {en: Found}
recommend: {en: Do}
""",
}


@dataclass(frozen=True)
class TableRow:
    """A row: branch, kind, the amounts (low, high] and the terms up to `term` and above the one before."""

    branch: str
    kind: str
    low: int
    high: int
    terms: tuple[int | None, int | None]
    level: int

    def cells(self) -> list[str]:
        low, high = self.terms
        term = f"<= {high}" if low is None else f"> {low}" if high is None else f"({low}..{high}]"
        return [self.branch, self.kind, f"({self.low}..{self.high}]", term, str(self.level)]


def rows_of(size: int) -> list[TableRow]:
    """So many rows that do not overlap, in an order that tells nothing."""
    bounds = [None, *TERMS, None]
    terms = list(itertools.pairwise(bounds))
    grid = itertools.product(range(size), BRANCHES, KINDS, terms)
    rows = [
        TableRow(branch, kind, band * 50_000, (band + 1) * 50_000, term, n % 7)
        for n, (band, branch, kind, term) in enumerate(itertools.islice(grid, size))
    ]
    random.Random(size).shuffle(rows)
    return rows


def files_of(rows: Sequence[TableRow], count: int) -> list[dict[str, Any]]:
    """Files that match a row each."""
    rng = random.Random(1)
    files = []
    for row in rng.choices(rows, k=count):
        low, high = row.terms
        files.append(
            {
                "loan.branch": row.branch,
                "loan.kind": row.kind,
                "loan.amount": Decimal(row.high - rng.randrange(1, 40_000)),
                "loan.term": high if high is not None else (low or 0) + 1,
            }
        )
    return files


def pack_of(rows: Sequence[TableRow], policy: str) -> tuple[Pack, float]:
    """The pack with its table in CSV, and the seconds to load it and make its table ready."""
    with tempfile.TemporaryDirectory() as folder:
        lines = ["branch,kind,amount,term,level"]
        lines += [",".join([f'"""{row.branch}"""', *row.cells()[1:]]) for row in rows]
        for name, text in {**PACK, "rules/level.csv": "\n".join(lines) + "\n"}.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("POLICY", policy), encoding="utf-8")
        start = time.perf_counter()
        pack = load_pack(Path(folder))
        compile_core(lower_decision(pack, "level"))
        return pack, time.perf_counter() - start


def zen_decision(rows: Sequence[TableRow], policy: str) -> Callable[[dict[str, Any]], Any]:
    names = ["branch", "kind", "amount", "term"]
    rules = []
    for n, row in enumerate(rows):
        branch, kind, amount, term, level = row.cells()
        rules.append(
            {
                "_id": str(n),
                "branch": f'"{branch}"',
                "kind": f'"{kind}"',
                "amount": amount,
                "term": term,
                "level": level,
            }
        )
    table = {
        "hitPolicy": policy,
        "inputs": [{"id": name, "name": name, "field": f"loan.{name}"} for name in names],
        "outputs": [{"id": "level", "name": "level", "field": "level"}],
        "rules": rules,
    }
    graph = {
        "nodes": [
            {"id": "in", "name": "in", "type": "inputNode"},
            {"id": "table", "name": "table", "type": "decisionTableNode", "content": table},
            {"id": "out", "name": "out", "type": "outputNode"},
        ],
        "edges": [
            {"id": "1", "type": "edge", "sourceId": "in", "targetId": "table"},
            {"id": "2", "type": "edge", "sourceId": "table", "targetId": "out"},
        ],
    }
    engine = zen.ZenEngine({"loader": {"type": "static", "content": {"table": graph}}})
    return lambda file: engine.evaluate("table", file)


def zen_file(file: dict[str, Any]) -> dict[str, Any]:
    plain = {name.partition(".")[2]: float(v) if isinstance(v, Decimal) else v for name, v in file.items()}
    return {"loan": plain}


def micros(call: Callable[[], object], files: int) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) / files * 1e6


@dataclass(frozen=True)
class Figures:
    load: float
    lookup: float
    rule: float
    zen: float
    ratio: float


def measure(size: int, policies: tuple[str, str], rounds: int, count: int) -> Figures:
    """Medians in µs a decision, and the median of zen-engine's time over that of the lookup, round by round."""
    rows = rows_of(size)
    files = files_of(rows, count)
    pack, load = pack_of(rows, policies[0])
    table = compile_core(lower_decision(pack, "level"))
    evaluator = Evaluator(pack)
    loans = [LoanFile(f"L{n}", file, {}) for n, file in enumerate(files)]
    decision = zen_decision(rows, policies[1])
    plain = [zen_file(file) for file in files]

    def lookup() -> list[object]:
        return [table(file, {}, {}, DAY) for file in files]

    def rule() -> list[object]:
        return [evaluator.judge(loan, {}, DAY) for loan in loans]

    def zen_engine() -> list[object]:
        return [decision(file)["result"] for file in plain]

    def level(result: Any) -> int:
        return sum(part["level"] for part in result) if isinstance(result, list) else result["level"]

    if lookup() != [level(result) for result in zen_engine()]:
        raise SystemExit(f"the two do not agree on a table of {size} rows")
    rule()
    rounded = [(micros(lookup, count), micros(rule, count), micros(zen_engine, count)) for _ in range(rounds)]
    lookups, judged, others = zip(*rounded, strict=True)
    ratios = [other / own for own, _, other in rounded]
    return Figures(load, *map(statistics.median, (lookups, judged, others, ratios)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--files", type=int, default=100, help="files decided a round")
    options = parser.parse_args()
    print(f"4 inputs; medians of {options.rounds} rounds of {options.files} decisions; µs a decision")
    print(
        f"{'hit policy':<14}{'rows':>8}{'load ms':>10}{'lookup':>10}{'rule':>10}{'zen':>10}{'zen / lookup':>14}"
    )
    for policies in (("unique", "first"), ("collect sum", "collect")):
        found = {}
        for size in SIZES:
            found[size] = measure(size, policies, options.rounds, options.files)
            f = found[size]
            times = "".join(f"{x:>10.2f}" for x in (f.lookup, f.rule, f.zen))
            print(f"{policies[0]:<14}{size:>8,}{f.load * 1e3:>10.0f}{times}{f.ratio:>14.1f}")
        growth = [
            found[SIZES[-1]].lookup / found[SIZES[0]].lookup,
            found[SIZES[-1]].zen / found[SIZES[0]].zen,
        ]
        print(f"{'':<14}from 100 to 10,000 rows: lookup × {growth[0]:.1f}, zen-engine × {growth[1]:.1f}")


if __name__ == "__main__":
    main()

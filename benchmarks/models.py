"""Loading a model of 50 decisions: half of them tables of 20 rules, half literals, in a chain of requirements.

    .venv/bin/python benchmarks/models.py

Each time is from the file to a model that is ready, and from the file to all 50 values. Expressions compile when they
are first needed, so the second is the longer.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from sancha.engine.dmn.check import check_model
from sancha.engine.dmn.run import load

HEAD = '<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" name="Bench" namespace="https://example.org/b">'
INPUTS = {"Amount": Decimal(250_000), "Term": Decimal(12), "Grade": "B"}


def model(decisions: int, rules: int) -> str:
    parts = [HEAD]
    for name in INPUTS:
        kind = "string" if name == "Grade" else "number"
        parts.append(
            f'<inputData id="_{name}" name="{name}"><variable name="{name}" typeRef="{kind}"/></inputData>'
        )
    for i in range(decisions):
        needs = [("Input", name) for name in INPUTS] + ([("Decision", f"Step {i - 1}")] if i else [])
        parts.append(f'<decision id="_{i}" name="Step {i}"><variable name="Step {i}" typeRef="number"/>')
        for kind, name in needs:
            target = f"_{name}" if kind == "Input" else f"_{i - 1}"
            parts.append(
                f'<informationRequirement><required{kind} href="#{target}"/></informationRequirement>'
            )
        parts.append(literal(i) if i % 2 else table(i, rules))
        parts.append("</decision>")
    return "\n".join([*parts, "</definitions>"])


def literal(i: int) -> str:
    text = f'if Grade = "A" and Amount > {i}000 then Step {i - 1} + Amount / Term else max(Step {i - 1}, {i}) * 1.01'
    return f"<literalExpression><text>{text.replace('<', '&lt;')}</text></literalExpression>"


def table(i: int, rules: int) -> str:
    columns = "".join(
        f"<input><inputExpression><text>{name}</text></inputExpression></input>" for name in INPUTS
    )
    before = f"Step {i - 1} + " if i else ""
    rows = []
    for n in range(rules):
        cells = [f"[{n}0000..{n + 1}0000)" if n < rules - 1 else f"&gt;= {n}0000", "&lt;= 36", '"A", "B"']
        entries = "".join(f"<inputEntry><text>{cell}</text></inputEntry>" for cell in cells)
        rows.append(f"<rule>{entries}<outputEntry><text>{before}{n}</text></outputEntry></rule>")
    return f'<decisionTable hitPolicy="UNIQUE">{columns}<output/>{"".join(rows)}</decisionTable>'


def timed(function: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """The least and the median time in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1000)
    return min(times), statistics.median(times)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--decisions", type=int, default=50)
    options.add_argument("--rules", type=int, default=20, help="rules of each table")
    options.add_argument("--rounds", type=int, default=7)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.dmn"
        path.write_text(model(chosen.decisions, chosen.rules), encoding="utf-8")
        found = load(path).evaluate(INPUTS)
        assert not found.warnings, found.warnings[:3]
        assert None not in found.values.values()
        print(f"{chosen.decisions} decisions, tables of {chosen.rules} rules, {path.stat().st_size >> 10} KB")
        print(f"{'':28}{'least':>10}{'median':>10}")
        for name, function in {
            "load": lambda: load(path),
            "load and decide all": lambda: load(path).evaluate(INPUTS),
            "check": lambda: check_model(path),
        }.items():
            least, median = timed(function, chosen.rounds)
            print(f"{name:28}{least:7.1f} ms{median:7.1f} ms")
        loaded = load(path)
        loaded.evaluate(INPUTS)
        least, median = timed(lambda: loaded.evaluate(INPUTS), chosen.rounds)
        print(f"{'decide all again':28}{least:7.2f} ms{median:7.2f} ms")


if __name__ == "__main__":
    main()

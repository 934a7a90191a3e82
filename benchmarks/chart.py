"""The chart of the README: outcomes a second of each way to run, from the tables in `benchmarks/results/`.

    .venv/bin/python benchmarks/chart.py

Writes `docs/figures/throughput.svg`, the same for the same tables. It has light and dark colours by the reader's
setting, asks for no font or other resource, and its letters can be read where a phone shows it 340 pixels wide.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from published import Measured, read_all

from sancha.engine.files import write_file

CHART = Path(__file__).resolve().parent.parent / "docs" / "figures" / "throughput.svg"
WIDTH, MARGIN = 400, 12
ROW, BAR, HEAD, AXIS, GAP = 36, 12, 28, 22, 20
MILLION = 1_000_000
#: What the ways of `columns.py` are called in the chart.
NAMES = {
    "sancha": "sancha, with exceptions and their evidence",
    "codes": "sancha, outcomes and counts",
    "evaluated": "sancha, evaluation alone",
    "hand": "SQL by hand in DuckDB, counts a rule",
    "hand by group": "SQL by hand, sancha's counts",
    "hand evaluated": "SQL by hand, evaluation alone",
    "numpy": "NumPy by hand, decimals as floats",
    "zen": "zen-engine, one expression for all rules",
    "zen by rule": "zen-engine, an expression a rule",
    "durable_rules": "durable_rules, many files at a time",
    "durable_rules by file": "durable_rules, file by file",
}
#: A way that judges nothing, and one between two others.
LEFT_OUT = ("scan", "judged")
STYLE = """
  .ground { fill: #ffffff } .text { fill: #1c2733; stroke: #ffffff }
  .quiet { fill: #55606c; stroke: #ffffff } .line { stroke: #d3d9df }
  .ours { fill: #0b6e77 } .theirs { fill: #98a5b2 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } .text { fill: #e6edf3; stroke: #0d1117 }
    .quiet { fill: #9aa7b4; stroke: #0d1117 } .line { stroke: #30363d }
    .ours { fill: #3fb6bf } .theirs { fill: #5f6c7a }
  }
  .text, .quiet { paint-order: stroke; stroke-width: 4px; stroke-linejoin: round }
  text { font-family: system-ui, sans-serif; font-size: 13px }
  .head { font-weight: 600; font-size: 14px } .small { font-size: 11px }
"""


def in_words(number: float, digits: int = 2) -> str:
    """A rate to at least so many digits: 640,000, 3.1 million, 131 million, 1.2 billion."""
    if number < MILLION:
        rough = 10 ** max(0, math.floor(math.log10(number)) + 1 - digits)
        return f"{round(number / rough) * rough:,}"
    unit, name = (MILLION, "million") if number < 1_000 * MILLION else (1_000 * MILLION, "billion")
    shown = number / unit
    return f"{shown:,.{max(0, digits - 1 - math.floor(math.log10(shown)))}f} {name}"


def bars(table: Measured) -> list[tuple[str, float]]:
    """Ways and their rates, the fastest first."""
    shown = [(way, rate) for way, rate in table.rates.items() if way not in LEFT_OUT]
    return sorted(shown, key=lambda bar: (-bar[1], bar[0]))


def panel(table: Measured, top: int, decades: tuple[int, int]) -> Iterator[str]:
    low, high = decades
    inner = WIDTH - 2 * MARGIN
    shown = bars(table)
    floor = top + HEAD + len(shown) * ROW

    def place(rate: float) -> float:
        return round((math.log10(rate) - low) / (high - low) * inner, 1)

    yield f'<text class="text head" x="{MARGIN}" y="{top + 15}">{table.files:,} files × {table.rules} rules</text>'
    for decade in range(low, high + 1):
        x = MARGIN + place(10.0**decade)
        anchor = "start" if decade == low else "end" if decade == high else "middle"
        yield f'<line class="line" x1="{x}" x2="{x}" y1="{top + HEAD}" y2="{floor}"/>'
        label = in_words(10.0**decade, 1)
        yield f'<text class="quiet small" x="{x}" y="{floor + 14}" text-anchor="{anchor}">{label}</text>'
    for n, (way, rate) in enumerate(shown):
        y = top + HEAD + n * ROW
        name = escape(NAMES.get(way, way))
        kind = "ours" if name.startswith("sancha") else "theirs"
        yield f'<text class="text" x="{MARGIN}" y="{y + 15}">{name}</text>'
        yield (
            f'<text class="text" x="{WIDTH - MARGIN}" y="{y + 15}" text-anchor="end">{in_words(rate)}</text>'
        )
        yield f'<rect class="{kind}" x="{MARGIN}" y="{y + 20}" width="{place(rate)}" height="{BAR}" rx="2"/>'


def draw(tables: Sequence[Measured]) -> str:
    """The chart as SVG: a panel a table, all on one logarithmic scale.

    Raises SystemExit if there is no table.
    """
    rates = [rate for table in tables for _, rate in bars(table)]
    if not rates:
        raise SystemExit("benchmarks/results/ has no table of files × rules a second")
    low, high = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))
    # A bar of no length could not be seen.
    decades = (low - 1 if min(rates) < 1.5 * 10**low else low, max(high, low + 1))
    parts: list[str] = []
    top = 44
    for table in tables:
        parts += panel(table, top, decades)
        top += HEAD + len(bars(table)) * ROW + AXIS + GAP
    height = top - GAP + 4
    told = "; ".join(
        f"{table.files:,} files × {table.rules} rules: "
        + ", ".join(f"{NAMES.get(way, way)} {in_words(rate)}" for way, rate in bars(table))
        for table in tables
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH * 3 // 2}" '
        f'height="{height * 3 // 2}" role="img" aria-labelledby="title told">'
    )
    lines = [
        head,
        '<title id="title">Files × rules judged a second</title>',
        f'<desc id="told">{escape(told)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="text head" x="{MARGIN}" y="22">Files × rules judged a second</text>',
        f'<text class="quiet small" x="{WIDTH - MARGIN}" y="22" text-anchor="end">logarithmic scale</text>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=CHART)
    options = parser.parse_args()
    text = draw(read_all())
    write_file(options.out, text)
    print(options.out)


if __name__ == "__main__":
    main()

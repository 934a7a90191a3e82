"""Compiling the policy of `mix.py` for the columnar engine, once and with its rules repeated under other thresholds.

    .venv/bin/python benchmarks/compiling.py --publish compiling

Each size is a process of its own. The time is from the folder of the pack to the queries of all rules.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mix
import published

from sancha.engine.book.store import open_book
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import load_pack
from sancha.engine.run.columns import Columns
from sancha.engine.run.replay import replay

#: How often the rules are repeated.
COPIES = (1, 5, 20)
FILES = 10_000


def compiled(pack_folder: Path, book: Path) -> dict[str, float]:
    start = time.perf_counter()
    pack = load_pack(pack_folder)
    read = time.perf_counter()
    opened = open_book(book, pack.vocabulary)
    before = time.perf_counter()
    plan = lower(pack)
    plan = dataclasses.replace(plan, facts=plan.facts | {pack.product or pack.branch})
    columns = Columns(pack, opened, plan, opened.as_of)
    end = time.perf_counter()
    return {
        "rules": len(pack.rules),
        "read": read - start,
        "compile": end - before,
        "query": len(columns.main),
    }


def replayed(pack_folder: Path, book: Path, out: Path) -> dict[str, float]:
    start = os.times()
    run = replay(book, pack_folder, out, progress=False)
    end = os.times()
    exceptions = sum(run.outcomes[o] for o in ("breach", "unknown", "waived"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"seconds": end.elapsed - start.elapsed, "exceptions": exceptions, "memory": peak}


def child(*arguments: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--child", *arguments], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit("a measurement failed")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--publish", metavar="NAME", help="keep the table as benchmarks/results/NAME.md")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        folders = [Path(argument) for argument in options.child]
        print(json.dumps(compiled(*folders) if len(folders) == 2 else replayed(*folders)))
        return
    table = [
        "| rules | pack read and checked, s | compiled, s | characters of the main query |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        book = folder / "book"
        for copies in COPIES:
            mix.write_pack(folder / f"pack{copies}", copies=copies)
        mix.write_book(book, load_pack(folder / "pack1").vocabulary, FILES)
        found: dict[int, list[dict[str, float]]] = {copies: [] for copies in COPIES}
        for _ in range(options.rounds):
            for copies in COPIES:
                found[copies].append(child(str(folder / f"pack{copies}"), str(book)))
        for runs in found.values():
            read, compile_ = (statistics.median(run[key] for run in runs) for key in ("read", "compile"))
            table.append(f"| {runs[0]['rules']:,} | {read:.2f} | {compile_:.2f} | {runs[0]['query']:,} |")
        last = child(str(folder / f"pack{COPIES[-1]}"), str(book), str(folder / "run"))
    words = (
        f"Medians of {options.rounds} rounds; a replay of {FILES:,} files by {found[COPIES[-1]][0]['rules']:,} rules, "
        f"with {last['exceptions']:,} exceptions and their evidence, takes {last['seconds']:.1f} s and "
        f"{last['memory']:.2f} GB"
    )
    print(words, "", *table, sep="\n")
    if options.publish:
        command = f".venv/bin/python benchmarks/compiling.py --rounds {options.rounds}"
        title = "Compiling a policy for the columnar engine"
        published.publish(options.publish, title, command, ("duckdb", "pyarrow"), words, table)


if __name__ == "__main__":
    main()

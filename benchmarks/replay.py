"""Replaying a synthetic book under the demonstration pack, with all evidence, as whole processes.

.venv/bin/python benchmarks/replay.py
.venv/bin/python benchmarks/replay.py --loans 1000000 --rounds 1
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SANCHA = str(Path(sys.executable).with_name("sancha"))


def measured(*command: str) -> tuple[float, float]:
    """Wall seconds and peak memory in GB of a command; it must succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loans", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        book, run = f"{folder}/book", f"{folder}/run"
        made = measured(SANCHA, "synth", "--loans", str(options.loans), "--out", book)
        rounds = [measured(SANCHA, "replay", book, "--out", run) for _ in range(options.rounds)]
    print(f"{options.loans:,} loan files, medians of {options.rounds} rounds, start of Python included")
    print(f"synth   {made[0]:8.1f} s   {made[1]:5.2f} GB")
    seconds, memory = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"replay  {seconds:8.1f} s   {memory:5.2f} GB")


if __name__ == "__main__":
    main()

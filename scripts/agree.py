#!/usr/bin/env python3
"""The hunt for differences between the two ways to run, for as long as one likes.

    scripts/agree.py [--seed S] [--comparisons N] [--minutes M] [--files F] [--rules R] [--keep FOLDER]
    scripts/agree.py --expressions [...]

From the seed on, each seed makes a vocabulary, a policy of R rules and a book of F files, and judges the book as
columns and row by row. Outcomes, counts, facts and missing facts must be the same. It ends after N comparisons (files
times rules) or M minutes, whichever comes first. A difference, or an error of either way, is printed and kept in the
folder, with the policy and the book; then the next seed has its turn. Exit code 1 if there was any.

With `--expressions` values are compared rather than outcomes: 100 random expressions in the scope of the policy.
A comparison is then a file times an expression, and costs a tenth.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from bench import compare_expressions  # noqa: E402
from policies import compare  # noqa: E402  (the generators stand beside the tests)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--comparisons", type=int, default=20_000_000)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rules", type=int, default=12)
    parser.add_argument("--keep", type=Path, default=Path("agree-findings"))
    parser.add_argument("--expressions", action="store_true")
    asked = parser.parse_args()
    started, done, findings, seed = time.monotonic(), 0, 0, asked.seed
    while done < asked.comparisons and time.monotonic() - started < asked.minutes * 60:
        folder = asked.keep / str(seed)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            if asked.expressions:
                found = compare_expressions(folder, seed, asked.files)
            else:
                found = compare(folder, seed, asked.files, asked.rules)
            done, said = done + found.comparisons, found.differences
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            said = [f"{type(error).__name__}: {str(error)[:500]} ({Path(last.filename).name}:{last.lineno})"]
        if said:
            findings += 1
            print(f"seed {seed}, kept in {folder}:", *said, sep="\n  ", flush=True)
        else:
            shutil.rmtree(folder)
        seed += 1
        seconds = time.monotonic() - started
        print(
            f"{done:>12,} comparisons, {seed - asked.seed} policies, {findings} findings, {seconds:,.0f} s",
            flush=True,
        )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""The hunt for differences between the two ways to run, for as long as one likes.

    scripts/agree.py [--seed S] [--comparisons N] [--minutes M] [--files F] [--rules R] [--keep FOLDER]
    scripts/agree.py --expressions [...]
    scripts/agree.py --live [...]
    scripts/agree.py --book BOOK --pack PACK [--first N]
    scripts/agree.py --soak SESSIONS [--pack PACK]

From the seed on, each seed makes a vocabulary, a policy of R rules and a book of F files, and judges the book as
columns and row by row. Outcomes, counts, facts and missing facts must be the same. It ends after N comparisons (files
times rules) or M minutes, whichever comes first. A difference, or an error of either way, is printed and kept in the
folder, with the policy and the book; then the next seed has its turn. Exit code 1 if there was any.

With `--expressions` values are compared rather than outcomes: 100 random expressions in the scope of the policy.
A comparison is then a file times an expression, and costs a tenth.

With `--live` the policies of the seeds are judged live, by durable_rules, beside the row evaluator and the columns. A
file is told as events, out of order and twice; it is judged as it stands after some of them, in two orders, and in the
end: three comparisons a rule. Take fewer files, such as 200. With `--pack` too it is one policy, and generated books.

With `--book` the files of a book are judged live after each of their events, in order of time, and in the end beside a
replay as columns, which is written to the folder.

With `--soak` the engine runs so many sessions in one process, and its resident memory is told ten times.
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

from agreement import Generator, constants_of, generated_book  # noqa: E402  (the generators stand beside the tests)
from bench import compare_expressions  # noqa: E402
from live_agreement import LiveCompared, compare_live, compare_policy, soak  # noqa: E402
from policies import Compared, compare  # noqa: E402

from sancha.engine.book.store import open_book  # noqa: E402
from sancha.engine.policy.pack import load_pack  # noqa: E402
from sancha.engine.run.live import LiveJudge  # noqa: E402
from sancha.engine.run.replay import replay  # noqa: E402

#: Files of a book that are compared before it is told how far it is.
SOME = 500


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
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--book", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--soak", type=int)
    asked = parser.parse_args()
    if asked.soak:
        for sessions, memory in soak(asked.pack or ROOT / "rules", asked.soak, max(asked.soak // 10, 1)):
            print(f"{sessions:>12,} sessions, {memory:,.1f} MB", flush=True)
        return 0
    if asked.book:
        return compare_book(asked.book, asked.pack or ROOT / "rules", asked.first, asked.keep)
    started, done, findings, seed = time.monotonic(), 0, 0, asked.seed
    while done < asked.comparisons and time.monotonic() - started < asked.minutes * 60:
        folder = asked.keep / str(seed)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            found: Compared | LiveCompared
            if asked.expressions:
                found = compare_expressions(folder, seed, asked.files)
            elif asked.pack:
                found = compare_generated(folder, asked.pack, seed, asked.files)
            elif asked.live:
                found = compare_policy(folder, seed, asked.files, asked.rules)
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


def compare_generated(folder: Path, rules: Path, seed: int, files: int) -> LiveCompared:
    """A generated book, live and as columns, by a policy."""
    pack = load_pack(rules)
    book = generated_book(folder / "book", pack.vocabulary, Generator(seed, constants_of(pack), 0.06), files)
    replay(folder / "book", pack, folder / "columns", engine="columns", progress=False)
    judge = LiveJudge(pack)
    try:
        return compare_live(book, pack, judge, folder / "columns", seed=seed)
    finally:
        judge.close()


def compare_book(path: Path, rules: Path, first: int, folder: Path) -> int:
    """A book, live after each event and as columns; 1 if there was a difference."""
    pack = load_pack(rules)
    book = open_book(path, pack.vocabulary)
    replay(path, pack, folder / "columns", engine="columns", progress=False)
    judge = LiveJudge(pack)
    whole = LiveCompared()
    try:
        for start in range(first, book.loans, SOME):
            part = compare_live(
                book, pack, judge, folder / "columns", each_event=True, first=start, last=start + SOME
            )
            whole.add(part)
            print(f"{start:>9,} {whole}", *part.differences, sep="\n  ", flush=True)
    finally:
        judge.close()
    print(f"the engine ended {judge.ended} times")
    return 1 if whole.differences or judge.ended else 0


if __name__ == "__main__":
    sys.exit(main())

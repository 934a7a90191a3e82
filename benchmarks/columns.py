"""The columnar engine beside its peers, side by side in one run: the policy of `mix.py` on a book of many files.

    .venv/bin/python benchmarks/columns.py --loans 1000000
    .venv/bin/python benchmarks/columns.py --loans 10000000 --no-lists
    .venv/bin/python benchmarks/columns.py --loans 1000000 --simple --publish simple

`--publish NAME` keeps the table in `benchmarks/results/NAME.md`, with the command, the machine and the versions.

The columns `codes` and `evaluated` are the time of that way by the time of the other, for as many files: the one writes
what it finds, as `hand` does, and the other does no more than the ways of `peers.py`.

Each way to run is a process of its own, with the same two threads and the same limit of memory, and all are run in
turn, round by round: ratios are of the same round. The answers are compared file by file before anything is reported.

    sancha            codes, counts by branch, product and quarter, and exceptions with evidence: a whole replay
    codes             the same without the exceptions
    judged            codes and counts, and nothing written
    evaluated         the query of the rules alone, and what breaches, is left open or out, counted by rule
    hand              the rules by hand in DuckDB SQL, one expression a rule; codes as Parquet, and counts a rule
    hand evaluated    the same alone, counted by rule, and nothing written
    hand by group     as `hand`, with the counts that sancha gives: by branch, product and quarter, with the exposure
    scan              DuckDB reads the columns that the rules read, and does nothing with them

and with `--simple` the ways of `peers.py`: NumPy, zen-engine and durable_rules.

`hand` reads decimals as they are, which DuckDB computes faster than integers made of them. In the time of `sancha`,
`codes` and `judged` are the reading of the pack, the checks of the book and the compiling; the ways that only evaluate
(`evaluated`, `hand evaluated` and those of `peers.py`) are prepared before the clock starts. Python's start is in none.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import gc
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import mix
import numpy as np
import peers
import published
import pyarrow.parquet as pq

from sancha.engine.book.store import Book, open_book
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.run.columns import Columns
from sancha.engine.run.replay import replay
from sancha.engine.run.to_columns import prepare
from sancha.engine.run.working import spans

THREADS = 2
MEMORY = "2GB"
LOAN_KINDS = ("simple", "ratio", "table", "temporal", "dated")
VERSIONS = ("duckdb", "pyarrow", "numpy", "zen-engine", "durable_rules")


def kinds_of(options: argparse.Namespace) -> tuple[str, ...] | None:
    if options.simple:
        return ("simple",)
    return LOAN_KINDS if options.no_lists else None


# -- the ways to run ----------------------------------------------------------------------------------------------


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}; SET memory_limit = '{MEMORY}'")
    connection.execute(f"SET temp_directory = '{folder / 'spill'}'; SET preserve_insertion_order = false")
    return connection


def loans_view(book: Path) -> str:
    names = ", ".join(f'"loan.{name}" AS {name}' for name in mix.FACTS)
    return f"SELECT loan_id, {names} FROM read_parquet('{book / 'loans.parquet'}')"


def code_of(rule: mix.MixRule) -> str:
    """The outcome of a rule by hand: an expert leaves out the tests for null where there is none."""
    a, r = rule.sql_applies, rule.sql_require
    if rule.open:
        return f"CASE WHEN NOT ({a}) THEN 2 WHEN {r} THEN 0 WHEN NOT ({r}) THEN 1 ELSE 3 END"
    return f"CASE WHEN NOT ({a}) THEN 2 WHEN {r} THEN 0 ELSE 1 END"


def by_hand(folder: Path, book: Path, options: argparse.Namespace, by_group: bool = False) -> None:
    rules = mix.rules(kinds_of(options))
    with connect(folder) as connection:
        connection.execute(f"CREATE VIEW loans AS {loans_view(book)}")
        for name in mix.LISTS:
            if (book / f"{name}.parquet").exists():
                connection.execute(
                    f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{book / name}.parquet')"
                )
        codes = ", ".join(f'CAST({code_of(r)} AS TINYINT) AS "{r.id}"' for r in rules)
        if by_group:
            # Texts of a group are compared once a file, and its number by every rule: faster than one UNPIVOT.
            connection.execute(
                "CREATE TEMP TABLE groups AS SELECT *, CAST(row_number() OVER () AS INTEGER) AS number FROM "
                "(SELECT DISTINCT branch AS b, product AS p, date_trunc('quarter', decided_on) AS q FROM loans)"
            )
            codes += ", g.number, l.amount"
        joins = " ".join(j for r in rules for j in r.joins)
        if by_group:
            quarter = "date_trunc('quarter', l.decided_on)"
            joins += f" JOIN groups g ON g.b = l.branch AND g.p = l.product AND g.q = {quarter}"
        out = folder / "hand.parquet"
        connection.execute(
            f"COPY (SELECT l.loan_id, {codes} FROM loans l {joins}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
        )
        if by_group:
            for rule in rules:
                connection.execute(
                    f"SELECT number, \"{rule.id}\", count(*), sum(amount) FROM read_parquet('{out}') GROUP BY ALL"
                ).fetchall()
        else:
            counts = ", ".join(f'count_if("{r.id}" = {code})' for r in rules for code in range(4))
            connection.execute(f"SELECT {counts} FROM read_parquet('{out}')").fetchall()
        if not options.simple:
            for group in mix.GROUPS:
                connection.execute(
                    f"SELECT {group.group}, sum({group.measure}) / sum(sum({group.measure})) OVER () FROM loans "
                    f"WHERE {group.sql_where} GROUP BY ALL"
                ).fetchall()


def counted(codes: str, source: str) -> str:
    """SQL that counts the outcomes of columns of codes; what passes is the rest."""
    counts = ", ".join(f"count_if({code} = {n})" for code in codes.split() for n in (1, 2, 3))
    return f"SELECT count(*), {counts} FROM {source}"


def evaluated_by_hand(folder: Path, book: Path, options: argparse.Namespace) -> Callable[[], None]:
    rules = mix.rules(kinds_of(options))
    connection = connect(folder)
    connection.execute(f"CREATE VIEW loans AS {loans_view(book)}")
    for name in mix.LISTS:
        if (book / f"{name}.parquet").exists():
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{book / name}.parquet')")
    codes = ", ".join(f"CAST({code_of(r)} AS TINYINT) AS c{i}" for i, r in enumerate(rules))
    joins = " ".join(j for r in rules for j in r.joins)
    names = " ".join(f"c{i}" for i in range(len(rules)))

    def run() -> None:
        connection.execute(counted(names, f"(SELECT {codes} FROM loans l {joins})")).fetchall()

    return run


def evaluated_by_sancha(folder: Path, book: Path, options: argparse.Namespace) -> Callable[[], None]:
    """The query of the rules over all files at once."""
    pack, opened, columns = compiled(folder, book)
    connection = connect(folder)
    prepare(connection, pack.calendar)
    columns.register(connection)
    tables = columns.tables(connection, exceptions=False)
    tables.reference()
    codes = " ".join(rule.code for rule in columns.rules)

    def run() -> None:
        for span in spans(opened, columns.plan, opened.loans):
            tables.load(span)
            connection.execute(counted(codes, f"({columns.main})")).fetchall()

    return run


def compiled(folder: Path, book: Path) -> tuple[Pack, Book, Columns]:
    pack = load_pack(folder / "pack")
    opened = open_book(book, pack.vocabulary)
    plan = lower(pack)
    plan = dataclasses.replace(plan, facts=plan.facts | {pack.product or pack.branch})
    return pack, opened, Columns(pack, opened, plan, opened.as_of)


def by_hand_with_groups(folder: Path, book: Path, options: argparse.Namespace) -> None:
    by_hand(folder, book, options, by_group=True)


def scan(folder: Path, book: Path, options: argparse.Namespace) -> None:
    """Every column that a rule reads is read to its end; `max` is the cheapest that needs all values."""
    rules = mix.rules(kinds_of(options))
    texts = " ".join(f"{r.sql_applies} {r.sql_require} {' '.join(r.joins)}" for r in rules)
    words = set(texts.replace("(", " ").replace(")", " ").replace(",", " ").split())
    with connect(folder) as connection:
        columns = [n for n in mix.FACTS if n in words or n == "decided_on"]
        maxima = ", ".join(f"max(hash({name}))" for name in ("loan_id", *columns))
        connection.execute(f"SELECT {maxima} FROM ({loans_view(book)})").fetchall()
        if kinds_of(options) is None:
            for name, fields in mix.LISTS.items():
                maxima = ", ".join(f"max(hash({f}))" for f in ("loan_id", *fields))
                connection.execute(f"SELECT {maxima} FROM read_parquet('{book / name}.parquet')").fetchall()


def by_sancha(folder: Path, book: Path, options: argparse.Namespace, exceptions: bool = True) -> None:
    replay(book, folder / "pack", folder / "run", progress=False, exceptions=exceptions)


def codes_by_sancha(folder: Path, book: Path, options: argparse.Namespace) -> None:
    by_sancha(folder, book, options, exceptions=False)


def judged_by_sancha(folder: Path, book: Path, options: argparse.Namespace) -> None:
    """The chunks of the columnar engine, one after the other, and nothing kept of them."""
    _, _, columns = compiled(folder, book)
    for chunk in columns.results(folder / "spill", exceptions=False):
        assert chunk.files


WHOLE: dict[str, Callable[[Path, Path, argparse.Namespace], None]] = {
    "sancha": by_sancha,
    "codes": codes_by_sancha,
    "judged": judged_by_sancha,
    "hand": by_hand,
    "hand by group": by_hand_with_groups,
    "scan": scan,
}

# Evaluation alone: what a way reads and compiles before the first file is prepared before the clock starts.
PREPARED: dict[str, Callable[[Path, Path, argparse.Namespace], Callable[[], Any]]] = {
    "evaluated": evaluated_by_sancha,
    "hand evaluated": evaluated_by_hand,
    **peers.WAYS,
}


# -- measuring ----------------------------------------------------------------------------------------------------


def child(options: argparse.Namespace) -> None:
    """One way to run, measured from within: seconds, CPU seconds, peak memory in GB."""
    folder, book = Path(options.folder), Path(options.book)
    if options.child in PREPARED:
        work = PREPARED[options.child](folder, book, options)
    else:
        work = functools.partial(WHOLE[options.child], folder, book, options)
    gc.disable()
    before, start = os.times(), time.perf_counter()
    answer = work()
    seconds, after = time.perf_counter() - start, os.times()
    if answer is not None:
        np.savez(folder / f"{options.child}.npz", **answer)
    used = after.user + after.system - before.user - before.system
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "cpu": used, "memory": peak}))


def measured(way: str, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", way, "--folder", options.folder, "--book", options.book]
    command += ["--simple"] * options.simple + ["--no-lists"] * options.no_lists
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{way} failed")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(folder: Path, options: argparse.Namespace) -> str:
    """That all ways gave the same codes of the same files; what was compared."""
    ours = folder / "run" / "codes.parquet"
    rules = [r.id for r in mix.rules(kinds_of(options))]
    compared = 0
    if (folder / "hand.parquet").exists():
        differ = " + ".join(f'count_if(a."{r}" <> b."{r}")' for r in rules)
        with connect(folder) as connection:
            row = connection.execute(
                f"SELECT count(*), {differ} FROM read_parquet('{ours}') a "
                f"JOIN read_parquet('{folder / 'hand.parquet'}') b USING (loan_id)"
            ).fetchone()
        assert row is not None
        if row[0] != pq.read_metadata(ours).num_rows or row[1]:
            raise SystemExit(f"sancha and hand differ in {row[1]} outcomes of {row[0]} files")
        compared += row[0] * len(rules)
    for way in peers.WAYS:
        if not (folder / f"{way}.npz").exists():
            continue
        found = np.load(folder / f"{way}.npz")
        first = pq.read_table(ours, columns=list(found))
        for rule in found:
            answers = first[rule].to_numpy()[: len(found[rule])]
            if not np.array_equal(answers, found[rule]):
                places = np.flatnonzero(answers != found[rule])
                raise SystemExit(
                    f"{way} differs from sancha in {len(places)} files of {rule}, first {places[0]}"
                )
            compared += len(answers)
    return f"{compared:,} outcomes compared, all equal"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loans", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-lists", action="store_true", help="the rules on the loan table alone")
    parser.add_argument(
        "--simple", action="store_true", help="the 60 simple rules, and the record engines too"
    )
    parser.add_argument("--folder", default="/tmp/sancha-benchmark", help="for the book and the results")
    parser.add_argument("--book", help="a book that `mix.write_book` made")
    parser.add_argument("--ways", help="only these, by commas")
    parser.add_argument("--publish", metavar="NAME", help="keep the table as benchmarks/results/NAME.md")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options)
    folder = Path(options.folder)
    shutil.rmtree(folder / "pack", ignore_errors=True)
    # What another policy or book left would be compared with this one.
    for left in (folder / "hand.parquet", *folder.glob("*.npz")):
        left.unlink(missing_ok=True)
    mix.write_pack(folder / "pack", kinds_of(options))
    pack = load_pack(folder / "pack")
    if not options.book:
        options.book = str(folder / f"book-{options.loans}{'-no-lists' * options.no_lists}")
    if not Path(options.book).exists():
        mix.write_book(Path(options.book), pack.vocabulary, options.loans, lists=not options.no_lists)
    ways = [*WHOLE, *(way for way in PREPARED if options.simple or way not in peers.WAYS)]
    if options.ways:
        ways = [w for w in ways if w in options.ways.split(",")]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        # `codes` leaves a run of its own: the whole replay goes last.
        for way in reversed(ways):
            found[way].append(measured(way, options))
    files = json.loads((Path(options.book) / "book.json").read_text())["loans"]
    words = (
        f"{files:,} files, {len(pack.rules)} rules; medians of {options.rounds} rounds; {THREADS} threads, "
        f"limit of memory {MEMORY}; {compare(folder, options)}"
    )
    if options.simple:
        words += "; " + ", ".join(peers.WAYS) + " use one thread"
    table = [
        "| | seconds | CPU s | peak memory | `codes` by it | `evaluated` by it | files × rules a second |",
        "|---|---|---|---|---|---|---|",
    ]
    for way, runs in found.items():
        seconds, cpu, memory = (statistics.median(r[k] for r in runs) for k in ("seconds", "cpu", "memory"))
        many = min(peers.RECORDS.get(way, files), files)
        ratios = []
        for ours in ("codes", "evaluated"):
            own = zip(found.get(ours, ()), runs, strict=False)
            times = [a["seconds"] / files / (b["seconds"] / many) for a, b in own]
            ratios.append(f"{statistics.median(times):.4f}" if times else "–")
        table.append(
            f"| {way} | {seconds:.2f} | {cpu:.1f} | {memory:.2f} GB | {' | '.join(ratios)} | "
            f"{many * len(pack.rules) / seconds:,.0f} |"
        )
    print(words, "", *table, sep="\n")
    if options.publish:
        title = "The columnar engine beside its peers"
        published.publish(options.publish, title, command(options), VERSIONS, words, table)


def command(options: argparse.Namespace) -> str:
    """The command as one would repeat it elsewhere: without this machine's folders."""
    parts = [f"--loans {options.loans}", f"--rounds {options.rounds}"]
    parts += ["--simple"] * options.simple + ["--no-lists"] * options.no_lists
    parts += [f'--ways "{options.ways}"'] * bool(options.ways)
    return f".venv/bin/python benchmarks/columns.py {' '.join(parts)}"


if __name__ == "__main__":
    main()

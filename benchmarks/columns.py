"""The columnar engine beside its peers, side by side in one run: the policy of `mix.py` on a book of many files.

    .venv/bin/python benchmarks/columns.py --loans 1000000
    .venv/bin/python benchmarks/columns.py --loans 10000000 --no-lists

Each way to run is a process of its own, with the same two threads and the same limit of memory, and all are run in
turn, round by round: ratios are of the same round. The answers are compared file by file before anything is reported.

    sancha            codes, counts by branch, product and quarter, and exceptions with evidence: a whole replay
    codes             the same without the exceptions
    hand              the rules by hand in DuckDB SQL, one expression a rule; codes as Parquet, and counts a rule
    hand, by group    the same with the counts that sancha gives: by branch, product and quarter, with the exposure
    scan              DuckDB reads the columns that the rules read, and does nothing with them
    numpy             the simple rules over arrays read from the book, in the manner of OpenFisca; decimals as floats
    zen               the simple rules record by record, on as many files as take some seconds

`hand` reads decimals as they are, which DuckDB computes faster than integers made of them. Sancha's time holds the
reading of the pack, the checks of the book, and the compiling; Python's start is in none.
"""

from __future__ import annotations

import argparse
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
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import mix
import numpy as np
import pyarrow.parquet as pq

from sancha.engine.policy.pack import load_pack
from sancha.engine.run.replay import replay

THREADS = 2
MEMORY = "2GB"
LOAN_KINDS = ("simple", "ratio", "table", "temporal", "dated")
#: Files that a record engine judges: enough for some seconds.
RECORDS = {"zen": 2_000}


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
        joins = " ".join(j for r in rules for j in r.joins)
        out = folder / "hand.parquet"
        connection.execute(
            f"COPY (SELECT l.loan_id, {codes} FROM loans l {joins}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
        )
        counts = ", ".join(
            f'count_if("{r.id}" = {code}) AS "{r.id}:{code}"' for r in rules for code in range(4)
        )
        found = connection.execute(f"SELECT {counts} FROM read_parquet('{out}')").fetchone()
        assert found is not None
        if not options.simple:
            for group in mix.GROUPS:
                connection.execute(
                    f"SELECT {group.group}, sum({group.measure}) / sum(sum({group.measure})) OVER () FROM loans "
                    f"WHERE {group.sql_where} GROUP BY ALL"
                ).fetchall()


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


def loan_arrays(book: Path) -> dict[str, np.ndarray]:
    table = pq.read_table(book / "loans.parquet")
    found = {}
    for name, (type_, values) in mix.FACTS.items():
        column = table[f"loan.{name}"]
        if isinstance(values[0], str):
            found[name] = column.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
            order = column.combine_chunks().dictionary_encode().dictionary.to_pylist()
            found[name] = np.array([values.index(v) for v in order])[found[name]]
        elif type_ == "date":
            found[name] = column.to_numpy()
        else:
            found[name] = column.cast("float64").to_numpy() if type_ != "boolean" else column.to_numpy()
    return found


def numpy_words(sql: str) -> str:
    """A simple condition over arrays; texts are numbers of an enumeration."""
    import re

    def text(match: re.Match[str]) -> str:
        name, symbol, value = match.groups()
        return f"({name} {'==' if symbol == '=' else '!='} {mix.FACTS[name][1].index(value)})"  # type: ignore[arg-type]

    def member(match: re.Match[str]) -> str:
        values = [mix.FACTS[match[1]][1].index(v.strip(" '")) for v in match[2].split(",")]  # type: ignore[arg-type]
        return f"np.isin({match[1]}, {values})"

    sql = re.sub(r"(\w+) in \(([^)]*)\)", member, sql)
    sql = re.sub(r"(\w+) (=|<>) '(\w+)'", text, sql)
    sql = re.sub(r"(\w+) BETWEEN (\S+) AND (\S+)", r"((\1 >= \2) & (\1 <= \3))", sql)
    sql = re.sub(r"(\w+ [<>]=? [\w.]+( \+ \w+)?)", r"(\1)", sql)
    return sql.replace("not(", "np.logical_not(").replace(" or ", " | ").replace(" and ", " & ")


def by_numpy(folder: Path, book: Path, options: argparse.Namespace) -> Callable[[], dict[str, np.ndarray]]:
    rules = mix.rules(("simple",))
    made = [(r.id, r.open, numpy_words(r.sql_applies), numpy_words(r.sql_require)) for r in rules]
    compiled = [(i, o, compile(a, i, "eval"), compile(r, i, "eval")) for i, o, a, r in made]

    def run() -> dict[str, np.ndarray]:
        arrays = loan_arrays(book)
        absent = np.isnan(arrays["score"])
        names = {"np": np, **arrays}
        found = {}
        for id, is_open, applies, require in compiled:
            held = eval(require, names)
            code = np.where(held, 0, 1)
            if is_open:
                code = np.where(~held & absent & ~(arrays["amount"] <= float(id_limit(id))), 3, code)
            found[id] = np.where(eval(applies, names), code, 2).astype(np.int8)
            np.bincount(found[id], minlength=6)
        return found

    return run


def id_limit(id: str) -> str:
    """The amount below which the rule on the score holds without it."""
    rule = next(r for r in mix.rules(("simple",)) if r.id == id)
    return rule.sql_require.rsplit("<= ", 1)[1]


def records(book: Path, count: int) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        found = connection.execute(f"{loans_view(book)} ORDER BY loan_id LIMIT {count}").fetchall()
        names = [d[0] for d in connection.description or ()]

    def plain(value: Any) -> Any:
        return float(value) if isinstance(value, Decimal) else value

    rows = [{n: plain(v) for n, v in zip(names, row, strict=True)} for row in found]
    for row in rows:
        for name, (type_, _) in mix.FACTS.items():
            if type_ == "date" and row[name] is not None:
                row[name] = int(row[name].strftime("%Y%m%d"))
    return rows


def zen_words(sql: str) -> str:
    import re

    sql = re.sub(r"(\w+) in \(([^)]*)\)", r"\1 in [\2]", sql)
    sql = re.sub(r"(\w+) BETWEEN (\S+) AND (\S+)", r"\1 in [\2..\3]", sql)
    sql = re.sub(r" = ", " == ", sql).replace("<>", "!=")
    return sql.replace("not(", "not (")


def by_zen(folder: Path, book: Path, options: argparse.Namespace) -> Callable[[], dict[str, list[int]]]:
    import zen

    rules = mix.rules(("simple",))
    parts = []
    for r in rules:
        held = zen_words(r.sql_require)
        if r.open:
            held = f"(score == null ? ({held.split(' or ')[1]} ? 0 : 3) : (({held}) ? 0 : 1))"
        else:
            held = f"(({held}) ? 0 : 1)"
        parts.append(f"({zen_words(r.sql_applies)}) ? {held} : 2")
    expressions = [zen.compile_expression(p) for p in parts]
    rows = records(book, RECORDS["zen"])

    def run() -> dict[str, list[int]]:
        found: dict[str, list[int]] = {r.id: [] for r in rules}
        for row in rows:
            for rule, expression in zip(rules, expressions, strict=True):
                found[rule.id].append(int(expression.evaluate(row)))
        return found

    return run


WHOLE: dict[str, Callable[[Path, Path, argparse.Namespace], None]] = {
    "sancha": by_sancha,
    "codes": codes_by_sancha,
    "hand": by_hand,
    "hand, by group": by_hand_with_groups,
    "scan": scan,
}
RECORD_ENGINES = {"numpy": by_numpy, "zen": by_zen}


# -- measuring ----------------------------------------------------------------------------------------------------


def child(options: argparse.Namespace) -> None:
    """One way to run, measured from within: seconds, CPU seconds, peak memory in GB."""
    folder, book = Path(options.folder), Path(options.book)
    if options.child in RECORD_ENGINES:
        run = RECORD_ENGINES[options.child](folder, book, options)
        work: Callable[[], Any] = run
    else:
        work = lambda: WHOLE[options.child](folder, book, options)  # noqa: E731
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
    for way in RECORD_ENGINES:
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
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options)
    folder = Path(options.folder)
    shutil.rmtree(folder / "pack", ignore_errors=True)
    mix.write_pack(folder / "pack", kinds_of(options))
    pack = load_pack(folder / "pack")
    if not options.book:
        options.book = str(folder / f"book-{options.loans}{'-no-lists' * options.no_lists}")
    if not Path(options.book).exists():
        mix.write_book(Path(options.book), pack.vocabulary, options.loans, lists=not options.no_lists)
    ways = [*WHOLE, *(RECORD_ENGINES if options.simple else ())]
    if options.ways:
        ways = [w for w in ways if w in options.ways.split(",")]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        # `codes` leaves a run of its own: the whole replay goes last.
        for way in reversed(ways):
            found[way].append(measured(way, options))
    files = json.loads((Path(options.book) / "book.json").read_text())["loans"]
    print(f"{files:,} files, {len(pack.rules)} rules, {options.rounds} rounds, {THREADS} threads, {MEMORY}")
    print(compare(folder, options))
    print(
        "\n| | seconds | CPU s | peak memory | time of `codes` by its own | files × rules a second |"
    )
    print("|---|---|---|---|---|---|")
    for way, runs in found.items():
        seconds, cpu, memory = (statistics.median(r[k] for r in runs) for k in ("seconds", "cpu", "memory"))
        many = RECORDS.get(way, files)
        ratio = "–"
        if "codes" in found:
            own = zip(found["codes"], runs, strict=True)
            ratio = f"{statistics.median(a['seconds'] / files / (b['seconds'] / many) for a, b in own):.3f}"
        print(
            f"| {way} | {seconds:.2f} | {cpu:.1f} | {memory:.2f} GB | {ratio} | "
            f"{many * len(pack.rules) / seconds:,.0f} |"
        )


if __name__ == "__main__":
    main()

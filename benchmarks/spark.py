"""Spark beside DuckDB on one machine: the demonstration pack on synthetic books, cold and warm, with the peak memory.

    .venv/bin/python benchmarks/spark.py --loans 100000 1000000 [--pack rules] [--master local[2]] [--times 2]

Each engine is a process of its own. Its first replay is the cold one (for Spark with the start of its session and the
compiling of the JVM), the best of the further ones the warm one. CPU seconds and memory are those of the process and of
those that it starts (the JVM, Python workers): memory is the sum of the resident sets, sampled. The results of both are
compared; the table goes to benchmarks/results/spark.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from sancha.engine.book.synthesize import synthesize
from sancha.engine.policy.pack import load_pack
from sancha.engine.policy.vocabulary import load_vocabulary
from sancha.engine.run.replay import replay
from sancha.engine.run.results import versions

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    options = arguments()
    if options.engine:
        worker(options)
        return
    rows = []
    with tempfile.TemporaryDirectory(prefix="spark.", dir=options.folder) as name:
        folder = Path(name)
        for loans in options.loans:
            book = folder / f"book-{loans}"
            synthesize(loans, 1, book, load_vocabulary(options.pack / "vocabulary.yaml"))
            for engine in ("columns", "spark"):
                given = {
                    "engine": engine,
                    "book": book,
                    "out": folder / f"run-{engine}",
                    "pack": options.pack,
                    "master": options.master,
                    "times": options.times,
                    "memory": options.memory,
                }
                words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
                rows.append(
                    {"loans": loans, "engine": engine, **measured([sys.executable, __file__, *words])}
                )
                print(rows[-1], flush=True)
            same(folder / "run-columns", folder / "run-spark")
            shutil.rmtree(book)
    text = table(options, rows)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "spark.md").write_text(text, encoding="utf-8")
    print(text)


def worker(options: argparse.Namespace) -> None:
    """Replays in this process; prints what it took, as JSON."""
    pack = load_pack(options.pack)
    times, cpu, own, start = [], [], [], 0.0
    began = time.perf_counter()
    if options.engine == "spark":
        from sancha.engine.run.spark import replay_on_spark
        from sancha.engine.run.spark_session import session

        spark = session(master=options.master, memory=options.memory)
        start = time.perf_counter() - began
    for _ in range(options.times):
        shutil.rmtree(options.out, ignore_errors=True)
        began, used, here = time.perf_counter(), processor(os.getsid(0)), time.process_time()
        if options.engine == "spark":
            replay_on_spark(options.book, pack, options.out, spark=spark)
        else:
            replay(options.book, pack, options.out, engine=options.engine, progress=False)
        times.append(time.perf_counter() - began)
        cpu.append(processor(os.getsid(0)) - used)
        own.append(time.process_time() - here)
    best = times.index(min(times[1:], default=times[0]))
    found = {"start": start, "cold": times[0], "warm": times[best], "cpu": cpu[best], "own": own[best]}
    print(json.dumps(found), flush=True)


def measured(command: list[str]) -> dict[str, Any]:
    """What a worker prints, and the most memory of its processes in GB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    text, _ = process.communicate()
    watcher.join()
    if process.returncode:
        sys.exit(f"{command} failed")
    return {**json.loads(text.strip().splitlines()[-1]), "memory": peak / 1e9}


def processes(session: int) -> Iterator[list[str]]:
    """The fields of /proc/PID/stat, from the state on, of the processes of a session."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            yield fields


def resident(session: int) -> int:
    """The resident memory of the processes of a session, in bytes."""
    return sum(int(fields[21]) * os.sysconf("SC_PAGE_SIZE") for fields in processes(session))


def processor(session: int) -> float:
    """The CPU seconds of the processes of a session, and of those that they waited for."""
    ticks = sum(int(field) for fields in processes(session) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def same(a: Path, b: Path) -> None:
    """Ends the benchmark where two runs differ in a code, a count or an exception."""
    with duckdb.connect() as connection:
        for name in ("codes", "outcomes", "exceptions"):
            left, right = (f"read_parquet('{run / name}.parquet')" for run in (a, b))
            query = f"SELECT count(*) FROM (FROM {left} EXCEPT ALL FROM {right})"
            back = f"SELECT count(*) FROM (FROM {right} EXCEPT ALL FROM {left})"
            counts = [connection.execute(q).fetchone()[0] for q in (query, back)]  # type: ignore[index]
            if any(counts):
                sys.exit(f"{name} differ: {counts}")


def table(options: argparse.Namespace, rows: list[dict[str, Any]]) -> str:
    import pyspark

    rules = len(load_pack(options.pack).rules)
    made = {**versions(), "pyspark": pyspark.__version__}
    lines = [
        f"# Spark beside DuckDB: {rules} rules of the pack `{options.pack.name}`",
        "",
        f"`python benchmarks/spark.py --loans {' '.join(map(str, options.loans))} --master '{options.master}' "
        f"--memory {options.memory} --times {options.times}`",
        "",
        f"One machine of {os.cpu_count()} cores that others share: quote ratios, not seconds. "
        + ", ".join(f"{name} {version}" for name, version in made.items())
        + ". The runs of both engines were the same in every code, count and exception. CPU seconds are those of the "
        "warm replay, of all processes, and in brackets of the Python process that is Spark's driver.",
        "",
        "| files | engine | start of the session | cold | warm | warm, of DuckDB's | CPU, warm | peak memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    base = {row["loans"]: row["warm"] for row in rows if row["engine"] == "columns"}
    for row in rows:
        name = "DuckDB" if row["engine"] == "columns" else f"Spark, {options.master}"
        start = f"{row['start']:.0f} s" if row["start"] else ""
        cpu = f"{row['cpu']:.1f} s" + (f" ({row['own']:.1f})" if row["start"] else "")
        lines.append(
            f"| {row['loans']:,} | {name} | {start} | {row['cold']:.1f} s | {row['warm']:.1f} s "
            f"| {row['warm'] / base[row['loans']]:.1f} | {cpu} | {row['memory']:.1f} GB |"
        )
    found = [row for row in rows if row["engine"] == "spark"]
    if len(found) > 1:
        first, last = found[0], found[-1]
        more = (last["loans"] - first["loans"]) / 1e6
        each = {name: (last[name] - first[name]) / more for name in ("cpu", "own")}
        lines += [
            "",
            f"From {first['loans']:,} to {last['loans']:,} files, a million files more cost Spark "
            f"{each['cpu']:.0f} CPU seconds, of which the driver's Python process {each['own']:.1f}.",
        ]
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--loans", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--pack", type=Path, default=ROOT / "rules")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--memory", default="4g", help="of Spark's driver")
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where books and runs are put for the time being")
    parser.add_argument("--engine", choices=["columns", "spark"], help=argparse.SUPPRESS)
    parser.add_argument("--book", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""The live way: files through its engine and beside others, and events through `sancha watch` with its store.

    .venv/bin/python benchmarks/live.py
    .venv/bin/python benchmarks/live.py --parts files,rates --events 5000
    .venv/bin/python benchmarks/live.py --publish live

Files and events are of the demonstration pack: a synthetic book, and the events by which its files became known, in
order of time, from the opening of each file to the day of the book.

    files     files a second by the ways of `engines.py`, in turn, in one process; ratios are of the same round
    rates     events a second of `watch`, from a file of events into a new store: by the row evaluator on one core, and
              by durable_rules with one worker and with two; what it takes to start is measured in the same round, with
              no events, and taken off
    latency   from the writing of an event to a pipe to the reading of the line of an alert that it moved, at 100 events
              of one day a second, into a store that has the years before
    memory    resident memory of `watch` by the row evaluator over a million events, and by durable_rules over fewer:
              the histories of some hundred loans, one after the other, then the same as those of other loans, and so on
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import engines
import published

from sancha.engine.book.store import open_book
from sancha.engine.book.synthesize import synthesize
from sancha.engine.files import replacing, write_file
from sancha.engine.policy.pack import load_pack
from sancha.engine.policy.vocabulary import Vocabulary
from sancha.engine.watch.book_events import events_of_book
from sancha.engine.watch.events import event_json, order

ROOT = Path(__file__).resolve().parent.parent
PACK = ROOT / "rules"
SANCHA = Path(sys.executable).with_name("sancha")
VERSIONS = ("durable_rules", "clipspy")
PARTS = ("files", "rates", "latency", "memory")
#: Events of a loan of the synthetic book, a little less than it has on average.
EVENTS_OF_A_LOAN = 40
#: How `watch` is run: its engine, the cores that it may use (None: all).
RUNS: dict[str, tuple[list[str], int | None]] = {
    "row, one core": (["--engine", "row"], 1),
    "durable_rules, 1 worker": (["--engine", "live", "--workers", "1"], None),
    "durable_rules, 2 workers": (["--engine", "live", "--workers", "2"], None),
}
#: Events of the loans whose histories are repeated, for the memory.
REPEATED = 20_000
#: Events of a loan for each of the last day, a little more than there are.
EVENTS_BY_LAST_DAY = 48
#: Events a second, for the latency.
PACE = 100

Table = list[str]


# -- files and events -------------------------------------------------------------------------------------------------


def book_of(folder: Path, loans: int, vocabulary: Vocabulary) -> Path:
    place = folder / f"book-{loans}"
    if not (place / "book.json").exists():
        synthesize(loans, 1, place, vocabulary)
    return place


def events_file(folder: Path, count: int, vocabulary: Vocabulary) -> Path:
    """The whole histories of as many loans as have so many events, as lines of JSON in order of time."""
    place = folder / f"events-{count}.jsonl"
    if place.exists():
        return place
    book = open_book(book_of(folder, max(200, count // EVENTS_OF_A_LOAN), vocabulary), vocabulary)
    told: list[tuple[tuple[datetime, str], str]] = []
    loan = ""
    for event in events_of_book(book, vocabulary):
        if event.loan != loan and len(told) >= count:
            break
        loan = event.loan
        told.append((order(event), event_json(event)))
    if len(told) < count:
        raise SystemExit(f"the book has {len(told):,} events only: fewer, or another EVENTS_OF_A_LOAN")
    told.sort()
    write_file(place, "".join(f"{line}\n" for _, line in told))
    return place


def repeated(folder: Path, count: int, vocabulary: Vocabulary) -> Path:
    """At least so many events: those of some hundred loans again and again, each time as those of other loans.

    What a watcher keeps of a loan grows with its history; here each part of the stream is like the one before.
    """
    place = folder / f"repeated-{count}.jsonl"
    if place.exists():
        return place
    few = [json.loads(line) for line in events_file(folder, REPEATED, vocabulary).read_bytes().splitlines()]
    with replacing(place) as beside, beside.open("w", encoding="utf-8") as out:
        told = 0
        for turn in itertools.count():
            for event in few:
                if "loan" in event or not turn:
                    named = {name: f"{event[name]}#{turn}" for name in ("id", "loan") if "loan" in event}
                    out.write(json.dumps(event | named, ensure_ascii=False, separators=(",", ":")) + "\n")
                    told += 1
            if told >= count:
                break
    return place


# -- files ------------------------------------------------------------------------------------------------------------


def measure_files(folder: Path, count: int, rounds: int, vocabulary: Vocabulary) -> tuple[str, Table]:
    work = engines.work(PACK, book_of(folder, max(200, count), vocabulary), count)
    ways = {name: make(work) for name, make in engines.WAYS.items()}
    # What is compiled when it is first needed is compiled now.
    answers = {name: way.run() for name, way in ways.items()}
    compared = engines.compare(ways, answers)
    del answers
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            gc.collect()
            start = time.perf_counter()
            way.run()
            seconds[name].append(time.perf_counter() - start)
    rules = len(work.plan.rules)
    sets = work.rulesets.rulesets
    of = sum(len(ruleset.rules) for ruleset in sets)
    words = (
        f"{count:,} files, {rules} rules, {len(sets)} rulesets of {of:,} rules; medians of {rounds} rounds; "
        f"one thread; {compared:,} outcomes compared, all equal"
    )
    table = [
        "| a file by all rules | files a second | time by `durable_rules` | time by `durable_rules in C` |",
        "|---|---|---|---|",
    ]
    for name, times in seconds.items():
        ratios = [
            statistics.median(a / b for a, b in zip(times, seconds[other], strict=True))
            for other in ("durable_rules", "durable_rules in C")
        ]
        table.append(
            f"| {name} | {count / statistics.median(times):,.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |"
        )
    return words, table


# -- events -----------------------------------------------------------------------------------------------------------


def command(store: Path, run: str, source: str) -> list[str]:
    return [str(SANCHA), "watch", source, "--pack", str(PACK), "--store", str(store), *RUNS[run][0]]


def started(command: Sequence[str], cores: int | None, **more: object) -> subprocess.Popen[bytes]:
    """A process, on so many of the cores that this one may use."""
    allowed = sorted(os.sched_getaffinity(0))[: cores or None]

    def confine() -> None:
        os.sched_setaffinity(0, allowed)

    return subprocess.Popen(command, preexec_fn=confine, **more)  # type: ignore[call-overload,no-any-return]


def seconds_of(folder: Path, run: str, events: Path) -> tuple[float, float]:
    """Seconds of a whole run of `watch` into a new store, and CPU seconds of all its processes."""
    store = fresh(folder)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with (folder / "alerts.jsonl").open("wb") as alerts:
        process = started(
            command(store, run, str(events)), RUNS[run][1], stdout=alerts, stderr=subprocess.PIPE
        )
        _, told = process.communicate()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{run} failed: {told.decode()}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fresh(folder: Path) -> Path:
    for left in folder.glob("store.sqlite*"):
        left.unlink()
    return folder / "store.sqlite"


def stored(store: Path) -> int:
    """How many events a store has."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        row = db.execute("SELECT count(*) FROM events").fetchone()
    return int(row[0])


@dataclass(frozen=True, slots=True)
class Rate:
    """A run of `watch`: seconds and CPU seconds to start, those of its events besides, and how many these were."""

    start: float
    seconds: float
    cpu: float
    events: int

    @property
    def a_second(self) -> float:
        return self.events / self.seconds


def measure_rates(folder: Path, events: dict[str, Path], rounds: int) -> tuple[str, Table]:
    nothing = folder / "nothing.jsonl"
    nothing.write_text("", encoding="utf-8")
    found: dict[str, list[Rate]] = {run: [] for run in events}
    for _ in range(rounds):
        for run, file in events.items():
            start, start_cpu = seconds_of(folder, run, nothing)
            whole, cpu = seconds_of(folder, run, file)
            count = stored(folder / "store.sqlite")
            found[run].append(Rate(start, whole - start, cpu - start_cpu, count))
    words = f"events a second, every one of them committed; medians of {rounds} rounds"
    table = [
        "| `watch` | events | seconds to start | events a second | events a CPU second | by 1 worker |",
        "|---|---|---|---|---|---|",
    ]
    one = found.get("durable_rules, 1 worker")
    for run, rates in found.items():
        grown = ""
        if one is not None and run.startswith("durable_rules"):
            grown = (
                f"{statistics.median(a.a_second / b.a_second for a, b in zip(rates, one, strict=True)):.2f}"
            )
        start, a_second = (
            statistics.median(getattr(r, name) for r in rates) for name in ("start", "a_second")
        )
        cpu = statistics.median(r.events / r.cpu for r in rates)
        table.append(
            f"| {run} | {rates[0].events:,} | {start:.1f} | {a_second:,.0f} | {cpu:,.0f} | {grown} |"
        )
    return words, table


def paced(folder: Path, seconds: int, vocabulary: Vocabulary) -> tuple[Path, list[bytes]]:
    """A store that has taken in all but the last day of many loans, and events of that day for so many seconds."""
    wanted = PACE * seconds + 1
    lines = (
        events_file(folder, wanted * EVENTS_BY_LAST_DAY, vocabulary).read_bytes().splitlines(keepends=True)
    )
    day = json.loads(lines[-1])["at"][:10]
    first = next(n for n, line in enumerate(lines) if json.loads(line)["at"][:10] == day)
    if len(lines) - first < wanted:
        raise SystemExit(f"{len(lines) - first:,} events of the last day are too few for {seconds} seconds")
    before = folder / "before.jsonl"
    write_file(before, b"".join(lines[:first]))
    row = next(iter(RUNS))
    seconds_of(folder, row, before)
    kept = folder / "before.sqlite"
    (folder / "store.sqlite").replace(kept)
    return kept, lines[first : first + wanted]


def latency(folder: Path, run: str, kept: Path, lines: Sequence[bytes]) -> list[float]:
    """Milliseconds from writing an event to a pipe to reading a line of an alert that it moved.

    Events are written at their times, whatever became of those before; the first one, which begins the day, is waited
    for and not measured.
    """
    store = fresh(folder)
    shutil.copy(kept, store)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = started(command(store, run, "-"), RUNS[run][1], **pipes)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    alerts, sent, times = process.stdout, dict[str, float](), list[float]()

    def read() -> None:
        for line in alerts:
            now = time.perf_counter()
            alert = json.loads(line)
            at = sent.get(alert.get("opened_by") or alert.get("by") or "")
            if at is not None:
                times.append((now - at) * 1e3)

    reader = threading.Thread(target=read)
    reader.start()
    before = stored(store)
    process.stdin.write(lines[0])
    process.stdin.flush()
    while stored(store) == before:
        if process.poll() is not None:
            raise SystemExit(f"{run} failed: {process.stderr.read().decode()}")
        time.sleep(0.1)
    begin = time.perf_counter()
    for number, line in enumerate(lines[1:]):
        time.sleep(max(begin + number / PACE - time.perf_counter(), 0))
        sent[json.loads(line)["id"]] = time.perf_counter()
        process.stdin.write(line)
        process.stdin.flush()
    process.stdin.close()
    reader.join()
    if process.wait():
        raise SystemExit(f"{run} failed: {process.stderr.read().decode()}")
    return times


def measure_latency(
    folder: Path, seconds: int, runs: Sequence[str], vocabulary: Vocabulary
) -> tuple[str, Table]:
    kept, lines = paced(folder, seconds, vocabulary)
    words = (
        f"from an event to its alert, at {PACE} events a second for {seconds} seconds: of one day of many loans, "
        f"into a store that has their {stored(kept):,} events before"
    )
    table = ["| `watch` | events | alerts | p50 ms | p99 ms | longest ms |", "|---|---|---|---|---|---|"]
    for run in runs:
        times = latency(folder, run, kept, lines)
        if len(times) < 100:
            raise SystemExit(f"{run}: {len(times)} alerts are too few for a 99th percentile")
        cuts = statistics.quantiles(times, n=100, method="inclusive")
        table.append(
            f"| {run} | {len(lines) - 1:,} | {len(times):,} | {cuts[49]:.0f} | {cuts[98]:.0f} | {max(times):.0f} |"
        )
    return words, table


def resident(process: int) -> float:
    """MiB of a process and of those that it started."""
    total = 0.0
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            total = int(line.split()[1]) / 1024
    return total + sum(resident(int(child)) for child in children)


def measure_memory(folder: Path, events: dict[str, Path]) -> tuple[str, Table]:
    """Resident memory as events go by, looked at each second; at a share of the events the most that it was by then."""
    words = "resident memory of all processes of `watch`, in MiB, as events go by, and the size of the store at the end"
    shares = [10, 20, 40, 60, 80, 100]
    table = [
        f"| `watch` | events | {' | '.join(f'at {share} %' for share in shares)} | store, MiB | seconds |",
        f"|---|---|{'---|' * len(shares)}---|---|",
    ]
    for run, file in events.items():
        store = fresh(folder)
        points: list[tuple[int, float]] = []
        start = time.perf_counter()
        with (folder / "alerts.jsonl").open("wb") as alerts:
            process = started(
                command(store, run, str(file)), RUNS[run][1], stdout=alerts, stderr=subprocess.DEVNULL
            )
            while process.poll() is None:
                points.append((sampled(store), resident(process.pid)))
                time.sleep(1)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"{run} failed")
        count = stored(store)
        at = [max(m for n, m in points if n <= count * share / 100) for share in shares]
        size = sum(part.stat().st_size for part in folder.glob("store.sqlite*")) / 2**20
        table.append(
            f"| {run} | {count:,} | {' | '.join(f'{m:,.0f}' for m in at)} | {size:,.0f} | {seconds:,.0f} |"
        )
    return words, table


def sampled(store: Path) -> int:
    """About how many events a store has, at no cost; 0 while it is being made."""
    if not store.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
            row = db.execute("SELECT max(number) FROM events").fetchone()
    except sqlite3.Error:
        return 0
    return int(row[0] or 0)


# -- the whole --------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="only these, by commas")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=50_000, help="by the row evaluator")
    parser.add_argument("--live-events", type=int, default=6_000, help="by durable_rules")
    parser.add_argument("--seconds", type=int, default=60, help="of the latency")
    parser.add_argument("--memory-events", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/sancha-benchmark-live"))
    parser.add_argument("--publish", metavar="NAME", help="keep the tables as benchmarks/results/NAME.md")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {min(unknown)}: {', '.join(PARTS)}")
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = load_pack(PACK).vocabulary
    row, *live = RUNS
    found: list[tuple[str, Table]] = []

    def say(measured: tuple[str, Table]) -> None:
        found.append(measured)
        print(measured[0], "", *measured[1], "", sep="\n", flush=True)

    try:
        if "files" in parts:
            say(measure_files(folder, options.files, options.rounds, vocabulary))
        few = events_file(folder, options.live_events, vocabulary) if set(parts) - {"files"} else Path()
        if "rates" in parts:
            events = {row: events_file(folder, options.events, vocabulary)} | dict.fromkeys(live, few)
            say(measure_rates(folder, events, options.rounds))
        if "latency" in parts:
            say(measure_latency(folder, options.seconds, [row, live[-1]], vocabulary))
        if "memory" in parts:
            counts = {row: options.memory_events, live[-1]: options.memory_events // 50}
            say(measure_memory(folder, {run: repeated(folder, n, vocabulary) for run, n in counts.items()}))
    finally:
        fresh(folder)
    if options.publish:
        words = "; ".join(words for words, _ in found)
        tables = [line for _, table in found for line in (*table, "")]
        shown = f".venv/bin/python benchmarks/live.py --parts {options.parts} --rounds {options.rounds}"
        published.publish(options.publish, "The live way", shown, VERSIONS, words, tables[:-1])


if __name__ == "__main__":
    main()

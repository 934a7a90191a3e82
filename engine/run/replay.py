"""The replay: every rule of a pack on every file of a book, as columns or row by row, written as a run."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sancha.engine.book.schema import LOAN_ID, REFERENCE
from sancha.engine.book.store import Book, damage, iter_files, open_book, read_reference
from sancha.engine.diagnostics import SanchaError
from sancha.engine.feel import core as c
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import ListEvidence, Plan, PortfolioPlan, RulePlan
from sancha.engine.run import working
from sancha.engine.run.columns import Columns
from sancha.engine.run.portfolio import RowTallies, Sum, Tally, judge_groups
from sancha.engine.run.results import (
    COUNTS_SCHEMA,
    EXCEPTIONS,
    EXCEPTIONS_SCHEMA,
    FORMAT,
    SPILL,
    Label,
    Run,
    RunWriter,
    codes_schema,
    quarter,
    versions,
)
from sancha.engine.run.row import Evaluator, Reference
from sancha.engine.run.working import has_list

#: Files that the row engine writes at a time.
_BATCH = 2_000
#: Rules that a message lists.
_SHOWN = 12
_WIDE = Context(prec=100)


def replay(
    book: Path,
    pack: Path | Pack,
    out: Path,
    *,
    engine: str = "columns",
    hindsight: bool = False,
    progress: bool = True,
    as_of: date | None = None,
    exceptions: bool = True,
    verify: bool = False,
) -> Run:
    """Judge every file of a book by every rule of a pack, a folder or loaded, and write the run to the folder `out`.

    `engine` is `columns` or `row`; both give the same. `as_of` replaces the day of the book. Without `exceptions` the
    columnar engine leaves `exceptions.parquet` empty but for groups. A run of the columnar engine that was stopped, by
    Ctrl-C or by the end of its process, is carried on by the next of the same book, pack and options, and ends with the
    same bytes. `verify` first reads the book against its digest. SanchaError where the book, the pack or the place of
    the results cannot be worked with; then nothing is left at `out`, or what was there.
    """
    if engine not in ENGINES:
        raise SanchaError(f"unknown engine `{engine}`", help=f"the engines are {' and '.join(ENGINES)}")
    started = time.perf_counter()
    policy = pack if isinstance(pack, Pack) else load_pack(pack)
    opened = open_book(book, policy.vocabulary, verify=verify)
    plan = lower(policy, hindsight=hindsight)
    absent = rules_without_lists(plan, opened)
    if policy.product is not None:
        plan = dataclasses.replace(plan, facts=plan.facts | {policy.product})
    day = as_of or opened.as_of
    run = Replay(policy, opened, plan, day, hindsight, exceptions)
    key = _key(run) if engine == "columns" else None
    rules = [Label(rule.id, rule.stage, rule.versions) for rule in plan.rules]
    groups = [Label(rule.id, rule.stage, (rule.version,)) for rule in plan.portfolio]
    with RunWriter(out, rules, groups, key) as writer:
        with _bar(progress, opened.loans, *_told(writer), *_told_absent(absent)) as step:
            try:
                row_functions = ENGINES[engine](run, writer, step)
            except duckdb.InterruptException:
                raise
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise damage(opened) or error from error
        writer.finish(
            {
                "format": FORMAT,
                "pack": {"name": policy.name, "version": policy.version, "digest": policy.digest},
                "book": {
                    "path": str(book),
                    "digest": opened.digest,
                    "as_of": day.isoformat(),
                    "synthetic": opened.synthetic,
                    "loans": opened.loans,
                },
                "engine": engine,
                "hindsight": hindsight,
                "row_functions": row_functions,
                "missing_lists": absent,
                "versions": versions(),
                "rules": len(plan.rules) + len(plan.portfolio),
                "files": opened.loans,
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
    assert writer.run is not None
    return writer.run


def rules_without_lists(plan: Plan, book: Book) -> dict[str, list[str]]:
    """The lists that rules read and the book does not have, with those rules: `{"reference/staff": ["AUT-03"]}`.

    Such a list is missing in every file, so that the rules are unknown where it matters. (One that the book records as
    empty, by a table without rows or by numbers of items that are all 0, is not among them.)
    """
    absent = [name for name in plan.lists if not has_list(book, name)]
    absent += [REFERENCE + name for name in plan.reference if REFERENCE + name not in book.tables]
    return rules_that_read(plan, absent)


def rules_that_read(plan: Plan, tables: Iterable[str]) -> dict[str, list[str]]:
    """For each of these tables, lists or reference lists, the rules that read it."""
    rules: list[RulePlan | PortfolioPlan] = [*plan.rules, *plan.portfolio]
    reads = {rule.id: set(_lists_of(rule)) for rule in rules}
    return {
        table: [rule for rule, names in reads.items() if table.removeprefix(REFERENCE) in names]
        for table in tables
    }


def _told_absent(absent: Mapping[str, list[str]]) -> Iterator[str]:
    for table, rules in absent.items():
        name = (
            f"reference list `{table.removeprefix(REFERENCE)}`"
            if table.startswith(REFERENCE)
            else f"list `{table}`"
        )
        shown = ", ".join(rules[:_SHOWN]) + (
            f" and {len(rules) - _SHOWN} more" if len(rules) > _SHOWN else ""
        )
        yield f"the book has no {name}: unknown where it matters: {shown}"


def _lists_of(rule: RulePlan | PortfolioPlan) -> Iterator[str]:
    """The lists that a rule reads, or whose absence it asks for."""
    cores = [core for _, core in rule.lets]
    if isinstance(rule, RulePlan):
        cores += [rule.code, rule.version, rule.judged, rule.note, *(core for _, core in rule.blame)]
    else:
        cores += [rule.where, rule.group, rule.measure, rule.require]
    yield from (e.list for e in rule.evidence if isinstance(e, ListEvidence))
    for core in cores:
        for node in c.walk(core):
            if isinstance(node, c.ListFact):
                yield node.name
            elif isinstance(node, c.ListMissing):
                yield node.list


class Counts:
    """Outcomes counted one by one. A key is what stands before `files` in `COUNTS_SCHEMA`."""

    def __init__(self) -> None:
        self.found: dict[tuple[Any, ...], tuple[int, Decimal]] = {}

    def add(self, key: tuple[Any, ...], exposure: object) -> None:
        files, total = self.found.get(key, (0, Decimal(0)))
        amount = exposure if isinstance(exposure, Decimal) else Decimal(0)
        self.found[key] = (files + 1, _WIDE.add(total, amount))

    def table(self) -> pa.Table:
        rows = [(*key, *found) for key, found in self.found.items()]
        names = COUNTS_SCHEMA.names
        return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], COUNTS_SCHEMA)


@dataclasses.dataclass(frozen=True)
class Replay:
    """What is to be run."""

    pack: Pack
    book: Book
    plan: Plan
    as_of: date
    hindsight: bool
    exceptions: bool


def _key(run: Replay) -> dict[str, Any]:
    """All that the results depend on."""
    stats = {name: path.stat() for name, path in run.book.tables.items()}
    return {
        "pack": run.pack.digest,
        "book": run.book.digest,
        "tables": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()},
        "as_of": run.as_of.isoformat(),
        "hindsight": run.hindsight,
        "exceptions": run.exceptions,
        "chunk": working.CHUNK,
        "versions": versions(),
    }


def _told(writer: RunWriter) -> Iterator[str]:
    """What became of a run that was stopped."""
    if writer.done:
        files = sum(note["files"] for note in writer.done)
        yield f"carrying on with the run that was stopped after {files:,} files"
    if writer.forgotten:
        yield "a run was stopped here, of another book, pack, version or options: starting anew"


@contextmanager
def _bar(shown: bool, files: int, *messages: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, below messages; calls to what it gives advance it by so many files."""
    columns = [
        TextColumn("replay"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as bar:
        for message in messages if shown else ():
            bar.console.print(message)
        task = bar.add_task("replay", total=files)
        yield lambda count: bar.advance(task, count)


def write_groups(run: Replay, tallies: dict[str, Tally], reference: Reference, writer: RunWriter) -> None:
    """The outcomes of the portfolio rules."""
    rows: list[dict[str, Any]] = []
    counts = Counts()
    for number, plan in enumerate(run.plan.portfolio, len(run.plan.rules)):
        for found in judge_groups(plan, tallies[plan.id], run.pack, reference, run.as_of):
            key = (number, 0, None, None, quarter(run.as_of), int(found.outcome))
            counts.add(key, found.sum.exposure)
            if found.outcome in EXCEPTIONS:
                rows.append(
                    {
                        "rule": plan.id,
                        "stage": plan.stage,
                        "outcome": found.outcome.text,
                        "version": plan.version,
                        "judged_on": run.as_of,
                        "exposure": found.sum.exposure,
                        "facts": [{"fact": name, "value": value} for name, value in found.facts],
                        "missing": list(found.missing),
                        "group": found.group,
                    }
                )
    writer.exceptions(pa.Table.from_pylist(rows, EXCEPTIONS_SCHEMA))
    writer.count(counts.table())


# -- as columns -------------------------------------------------------------------------------------------------------


def _judge_columns(run: Replay, writer: RunWriter, step: Callable[[int], None]) -> dict[str, list[str]]:
    """The columnar engine: chunk by chunk. Gives the rules that are computed in part by the row's functions."""
    tallies = {plan.id: Tally() for plan in run.plan.portfolio}
    for note in writer.done:
        for rule, found in note["tallies"].items():
            tallies[rule].update(_tally(found))
        step(note["files"])
    spill = writer.folder / SPILL
    columns = Columns(run.pack, run.book, run.plan, run.as_of)
    chunks = columns.results(spill, skip=len(writer.done), exceptions=run.exceptions, encode=writer.encode)
    for chunk in chunks:
        writer.codes(chunk.codes)
        writer.count(chunk.counts)
        writer.exceptions(chunk.exceptions)
        for rule, tally in chunk.tallies.items():
            tallies[rule].update(tally)
        told = {rule: _told_tally(tally) for rule, tally in chunk.tallies.items()}
        writer.commit({"files": chunk.files, "tallies": told})
        step(chunk.files)
    shutil.rmtree(spill, ignore_errors=True)
    write_groups(run, tallies, read_reference(run.book, run.pack.vocabulary), writer)
    return columns.row_functions()


def _told_tally(tally: Tally) -> dict[str, Any]:
    """A tally as JSON; None sorts before all texts."""
    return {
        "groups": [
            [group, found.files, str(found.total), str(found.exposure)]
            for group, found in sorted(
                tally.groups.items(), key=lambda item: (item[0] is not None, item[0] or "")
            )
        ],
        "open": sorted(tally.open, key=lambda group: (group is not None, group or "")),
        "missing": sorted(tally.missing),
        "group_missing": sorted(tally.group_missing),
    }


def _tally(told: Mapping[str, Any]) -> Tally:
    groups = {
        group: Sum(files, Decimal(total), Decimal(sum_)) for group, files, total, sum_ in told["groups"]
    }
    return Tally(groups, set(told["open"]), set(told["missing"]), set(told["group_missing"]))


# -- row by row -------------------------------------------------------------------------------------------------------


def _judge_rows(run: Replay, writer: RunWriter, step: Callable[[int], None]) -> dict[str, list[str]]:
    """The row engine: the definition, file by file."""
    evaluator = Evaluator(run.pack, plan=run.plan)
    places = {rule.id: (number, rule) for number, rule in enumerate(run.plan.rules)}
    reference = read_reference(run.book, run.pack.vocabulary)
    tallies = RowTallies(run.plan.portfolio, run.pack.exposure, run.pack)
    codes: list[dict[str, Any]] = []
    counts = Counts()
    exceptions: list[dict[str, Any]] = []
    for done, file in enumerate(iter_files(run.book, run.pack.vocabulary), 1):
        codes.append({LOAN_ID: file.id})
        branch, exposure = file.facts[run.pack.branch], file.facts[run.pack.exposure]
        product = None if run.pack.product is None else file.facts[run.pack.product]
        for judged in evaluator.judge(file, reference, run.as_of):
            codes[-1][judged.rule] = int(judged.outcome)
            number, rule = places[judged.rule]
            version = None if judged.version is None else rule.versions.index(judged.version)
            period = quarter(judged.judged_on)
            counts.add((number, version, branch, product, period, int(judged.outcome)), exposure)
            if judged.outcome in EXCEPTIONS:
                reasons = evaluator.reasons(judged, file, reference, run.as_of)
                exceptions.append(
                    {
                        "loan_id": file.id,
                        "rule": judged.rule,
                        "stage": rule.stage,
                        "branch": branch,
                        "outcome": judged.outcome.text,
                        "version": judged.version,
                        "judged_on": judged.judged_on,
                        "exposure": exposure,
                        "facts": [{"fact": name, "value": value} for name, value in reasons.facts],
                        "missing": list(reasons.missing),
                        "note": judged.note,
                    }
                )
        tallies.add(file, reference, run.as_of)
        if done % _BATCH == 0 or done == run.book.loans:
            writer.codes(pa.Table.from_pylist(codes, codes_schema(writer.rules)))
            writer.exceptions(pa.Table.from_pylist(exceptions, EXCEPTIONS_SCHEMA))
            step(len(codes))
            codes, exceptions = [], []
    writer.count(counts.table())
    write_groups(run, tallies.tallies, reference, writer)
    return {}


ENGINES: dict[str, Callable[[Replay, RunWriter, Callable[[int], None]], dict[str, list[str]]]] = {
    "columns": _judge_columns,
    "row": _judge_rows,
}

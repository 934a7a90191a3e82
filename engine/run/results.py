"""What a run leaves on disk (docs/formats.md, "A run"): schemas, and a writer that leaves all of it, or what the next
writer carries on with."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import duckdb
import numpy as np
import pyarrow as pa

import sancha
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.parquet_append import ParquetAppender

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such locks
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
RUN_FILE = "run.json"
#: Outcomes that are written file by file.
EXCEPTIONS = (Outcome.BREACH, Outcome.UNKNOWN, Outcome.WAIVED)

Numbers = np.ndarray[Any, np.dtype[Any]]

#: Of a file, and of a group, whose sum may be longer than any amount.
EXPOSURE = pa.decimal128(38, 2)
EXCEPTIONS_SCHEMA = pa.schema(
    [
        pa.field("loan_id", pa.string()),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("branch", pa.string()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("version", pa.string()),
        pa.field("judged_on", pa.date32()),
        pa.field("exposure", EXPOSURE),
        pa.field("facts", pa.list_(pa.struct([("fact", pa.string()), ("value", pa.string())]))),
        pa.field("missing", pa.list_(pa.string())),
        pa.field("note", pa.string()),
        pa.field("group", pa.string()),
    ]
)
OUTCOMES_SCHEMA = pa.schema(
    [
        pa.field("rule", pa.string(), nullable=False),
        pa.field("version", pa.string()),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("branch", pa.string()),
        pa.field("product", pa.string()),
        pa.field("period", pa.string()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("files", pa.int64(), nullable=False),
        pa.field("exposure", EXPOSURE, nullable=False),
    ]
)

#: Outcomes as they are counted: the numbers of the rule among all, of its version (from 0), of the quarter (year * 4
#: and 0 to 3), and of the outcome.
COUNTS_SCHEMA = pa.schema(
    [
        pa.field("rule", pa.int16(), nullable=False),
        pa.field("version", pa.int16()),
        pa.field("branch", pa.string()),
        pa.field("product", pa.string()),
        pa.field("quarter", pa.int32()),
        pa.field("code", pa.int8(), nullable=False),
        pa.field("files", pa.int64(), nullable=False),
        pa.field("exposure", EXPOSURE, nullable=False),
    ]
)
#: The same, with texts as dictionaries.
COUNTS_ENCODED = pa.schema(
    [f.with_type(pa.dictionary(pa.int32(), f.type)) if f.type == pa.string() else f for f in COUNTS_SCHEMA]
)


@dataclass(frozen=True, slots=True)
class Label:
    """What the results say of a rule: `versions` are the first days of its versions."""

    rule: str
    stage: str
    versions: tuple[str, ...]


def codes_schema(rules: Sequence[str]) -> pa.Schema:
    columns = [pa.field(rule, pa.int8(), nullable=False) for rule in rules]
    return pa.schema([pa.field("loan_id", pa.string(), nullable=False), *columns])


def quarter(day: date | None) -> int | None:
    """The quarter of a day in the numbers of `COUNTS_SCHEMA`."""
    return None if day is None else day.year * 4 + (day.month - 1) // 3


@dataclass(frozen=True, slots=True)
class Run:
    """A run on disk. `info` is run.json."""

    path: Path
    info: Mapping[str, Any]

    @property
    def outcomes(self) -> Mapping[str, int]:
        """The number of outcomes of each kind, over all rules."""
        counts: Mapping[str, int] = self.info["outcomes"]
        return counts


#: Notes what is done, a line a chunk, for a run that is stopped in between.
_JOURNAL = "journal.jsonl"
_COUNTS = "counts"
#: The folder of a run for what memory does not hold.
SPILL = "spill"
#: What adding up the counts of a run may hold.
_MEMORY = "1GB"


class RunWriter:
    """Writes a run beside its final folder, which it becomes at the end of the `with` block, if `finish` was called.

    A run that stood there before stays until then. After an error nothing else is left. With a `key`, which tells all
    that the results depend on, what was committed stays when the run is stopped, however it is stopped, and the next
    writer of the same folder and key carries on: `done` are the notes of the commits before. Of another key it starts
    anew, and `forgotten` says how many were given up. `rules` are those that judge files, `groups` the others.
    """

    def __init__(
        self,
        out: Path,
        rules: Sequence[Label],
        groups: Sequence[Label] = (),
        key: Mapping[str, Any] | None = None,
    ) -> None:
        self.out = out
        self.rules = tuple(label.rule for label in rules)
        self.labels = (*rules, *groups)
        self.key = None if key is None else json.loads(json.dumps({"format": FORMAT, **key}))
        self.run: Run | None = None
        self.done: list[Any] = []
        self.forgotten = 0
        self.folder = out.parent / f".{out.name}.partial"
        self._files: dict[str, ParquetAppender] = {}
        self._lock: int | None = None
        self._journal: TextIO | None = None

    def __enter__(self) -> Self:
        out = self.out
        if out.exists() and not (out / RUN_FILE).is_file() and (out.is_file() or any(out.iterdir())):
            raise SanchaError(
                f"`{out.name}` is there already and is not a run",
                where=out,
                help="name another folder, or empty this one",
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.folder, out)
            ends = self._resume()
            for name, schema, unique in (
                ("codes", codes_schema(self.rules), ("loan_id",)),
                ("exceptions", EXCEPTIONS_SCHEMA, ()),
                (_COUNTS, COUNTS_ENCODED, ()),
            ):
                path = self.folder / f"{name}.parquet"
                self._files[name] = ParquetAppender(path, schema, ends.get(name, ()), unique)
        except OSError as error:
            self._leave()
            raise _cannot_write(error, out) from error
        except BaseException as error:
            if not isinstance(error, SanchaError):
                self._leave()
            raise
        return self

    def _resume(self) -> dict[str, list[int]]:
        """Read the journal of a run that was stopped, and open it; where the tables ended that were committed."""
        path = self.folder / _JOURNAL
        lines = _lines(path)
        commits: list[dict[str, Any]] = []
        if self.key is not None and lines[:1] == [self.key]:
            commits = lines[1:]
            shutil.rmtree(self.folder / SPILL, ignore_errors=True)
        else:
            self.forgotten = max(len(lines) - 1, 0)
            for old in self.folder.iterdir():
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        self.done = [c["done"] for c in commits]
        if self.key is not None:
            # The last line may be half a line.
            whole = "".join(_line(x) for x in (self.key, *commits))
            fresh = self.folder / f"{_JOURNAL}.new"
            fresh.write_text(whole, encoding="utf-8")
            fresh.replace(path)
            self._journal = path.open("a", encoding="utf-8")
        ends: dict[str, list[int]] = {}
        for commit in commits:
            for name, found in commit["ends"].items():
                ends.setdefault(name, []).extend(found)
        return ends

    def codes(self, table: pa.Table) -> None:
        """The codes of some files: `loan_id`, then a column a rule. Chunks come in order of loan ids."""
        self._files["codes"].append(table)

    def exceptions(self, table: pa.Table) -> None:
        """Exceptions in the columns of the schema. Chunks come in order of loan ids."""
        if table.num_rows:
            self._files["exceptions"].append(table)

    def count(self, table: pa.Table) -> None:
        """Outcomes counted, in the columns of `COUNTS_SCHEMA`; equal groups are added up at the end."""
        if table.num_rows:
            self._files[_COUNTS].append(table)

    def commit(self, note: Any) -> None:
        """What was written so far is done: a run that is stopped carries on after it. `note` is JSON."""
        if self._journal is None:
            return
        ends = {}
        for name, file in self._files.items():
            file.sync()
            ends[name] = file.take_ends()
        self._journal.write(_line({"done": note, "ends": ends}))
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self.done.append(note)

    def finish(self, info: Mapping[str, Any]) -> None:
        """The last of a run: its counts, and run.json with `info` and the counts by outcome."""
        for file in self._files.values():
            file.finish()
        counts = self._files[_COUNTS].path
        table = _added_up(counts, self.labels, self.folder)
        with ParquetAppender(self.folder / "outcomes.parquet", OUTCOMES_SCHEMA) as writer:
            writer.append(table)
            writer.finish()
        totals = {outcome.text: 0 for outcome in Outcome}
        by_outcome = table.group_by("outcome").aggregate([("files", "sum")])
        totals |= dict(zip(*(by_outcome[n].to_pylist() for n in ("outcome", "files_sum")), strict=True))
        whole = {**{k: v for k, v in info.items() if k != "seconds"}, "outcomes": totals}
        whole["seconds"] = info["seconds"]
        text = json.dumps(whole, ensure_ascii=False, indent=1)
        (self.folder / RUN_FILE).write_text(text + "\n", encoding="utf-8")
        counts.unlink()
        self._close()
        (self.folder / _JOURNAL).unlink(missing_ok=True)
        self.run = Run(self.out, whole)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = error is not None and not isinstance(error, Exception)
        try:
            self._close()
            if error is None and self.run is not None:
                _replace(self.folder, self.out)
        except OSError as failure:
            error = error or failure
        finally:
            if stopped and self.done:
                self._unlock()
            else:
                self._leave()
        if isinstance(error, OSError | duckdb.Error) and not isinstance(error, SanchaError):
            raise _cannot_write(error, self.out) from error

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        if self._journal is not None:
            self._journal.close()

    def _leave(self) -> None:
        """Nothing is left of what was not finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _lines(path: Path) -> list[Any]:
    """The lines of a journal that were written whole."""
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            found.append(json.loads(line) if line.endswith(b"\n") else None)
        except ValueError:
            found.append(None)
        if found[-1] is None:
            return found[:-1]
    return found


def _locked(folder: Path, out: Path) -> int | None:
    """A lock on the folder, which ends with the process; SanchaError where another process holds it."""
    if fcntl is None:
        return None
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            # Some network disks know no locks.
            return None
        raise SanchaError(
            f"another replay is writing `{out.name}`",
            where=out,
            help="wait until it is done, or name another folder",
        ) from error
    return lock


def _added_up(counts: Path, labels: Sequence[Label], spill: Path) -> pa.Table:
    """The counts with one row a group, in order of the groups, in the columns of `OUTCOMES_SCHEMA`."""
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute(f"SET temp_directory = {_literal(spill)}")
        found = connection.sql(
            f"""SELECT rule, coalesce(version, -1) AS version, branch, product, coalesce(quarter, -1) AS quarter, code,
                       CAST(sum(files) AS BIGINT) AS files, sum(exposure) AS exposure
                FROM read_parquet({_literal(counts)}) GROUP BY ALL"""
        ).to_arrow_table()
    found = found.combine_chunks()
    rules = [(label.rule, day, label.stage) for label in labels for day in (*label.versions, None)]
    first = np.cumsum([0, *(len(label.versions) + 1 for label in labels)])
    rule, version, quarter_, code = (found[n].to_numpy() for n in ("rule", "version", "quarter", "code"))
    # Without a version it is the last of the rule's entries.
    entry = np.where(version < 0, first[rule + 1] - 1, first[rule] + version)
    quarters, period = np.unique(quarter_, return_inverse=True)
    periods = [None if q < 0 else f"{q // 4}Q{q % 4 + 1}" for q in quarters.tolist()]
    places = [_Place(rules, entry)]
    for name in ("branch", "product"):
        texts = found[name].combine_chunks().dictionary_encode()
        number = texts.indices.fill_null(len(texts.dictionary)).to_numpy()
        places.append(_Place([(text,) for text in (*texts.dictionary.to_pylist(), None)], number))
    places += [_Place([(p,) for p in periods], period), _Place([(o.text,) for o in Outcome], code)]
    order = np.lexsort([place.rank for place in reversed(places)])
    texts = [column for place in places for column in place.texts(order)]
    rule_, version_, stage, *rest = texts
    rows = pa.array(order)
    columns = [rule_, version_, stage, *rest, found["files"].take(rows), found["exposure"].take(rows)]
    table = pa.Table.from_arrays(columns, names=OUTCOMES_SCHEMA.names)
    return table.cast(OUTCOMES_SCHEMA)


class _Place:
    """For each row one of some tuples of texts; `rank` is its place among them in their order, None last."""

    def __init__(self, values: Sequence[tuple[str | None, ...]], number: Numbers) -> None:
        order = sorted(range(len(values)), key=lambda i: [(v is None, v or "") for v in values[i]])
        ranks = np.empty(len(values), np.int64)
        ranks[order] = np.arange(len(values))
        self.values = values
        self.number = number
        self.rank = ranks[number]

    def texts(self, order: Numbers) -> list[pa.Array]:
        """The columns of texts of the rows in an order."""
        rows = pa.array(self.number[order])
        return [pa.array(column, pa.string()).take(rows) for column in zip(*self.values, strict=True)]


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def versions() -> dict[str, str]:
    """What made a run, for run.json."""
    return {
        "sancha": vars(sancha)["__version__"],
        "duckdb": duckdb.__version__,
        "pyarrow": pa.__version__,
        "python": platform.python_version(),
    }


def _cannot_write(error: Exception, out: Path) -> SanchaError:
    text = str(error).splitlines()[0]
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in text or "disk" in text.lower()
    if isinstance(error, duckdb.OutOfMemoryException):
        return SanchaError(f"the replay needs more memory or room for temporary files: {text}", where=out)
    if isinstance(error, duckdb.Error) and not full:
        return SanchaError(f"the book could not be judged: {text}", where=out)
    reason = "no space is left on the disk" if full else getattr(error, "strerror", None) or text
    return SanchaError(f"cannot write the run: {reason}", where=out, help="nothing was left behind")


def _replace(new: Path, out: Path) -> None:
    """Give the folder `new` the name `out`; an older run of that name goes away last."""
    if not out.exists():
        new.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
    out.rename(old / out.name)
    try:
        new.rename(out)
    except OSError:
        (old / out.name).rename(out)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)

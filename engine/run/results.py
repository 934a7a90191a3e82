"""What a run leaves on disk (docs/formats.md, "A run"): schemas, and a writer that leaves all of it, or what the next
writer carries on with."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import duckdb
import numpy as np
import pyarrow as pa

import sancha
from sancha.engine.diagnostics import SanchaError
from sancha.engine.files import take_place
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.parquet_append import End, ParquetAppender, intact

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such locks
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
RUN_FILE = "run.json"
#: Outcomes that are written file by file.
EXCEPTIONS = (Outcome.BREACH, Outcome.UNKNOWN, Outcome.WAIVED)

Numbers = np.ndarray[Any, np.dtype[Any]]
_WIDE = Context(prec=100)

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
#: The same on disk: all that tells a group in one number (`_Keys`), and cents by 32 bits, the last 64 with the sign.
_COUNTED = pa.schema([pa.field(name, pa.int64()) for name in ("key", "files", "low", "middle", "high")])


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
        self._keys = _Keys(self.labels)
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
                (_COUNTS, _COUNTED, ()),
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

    def _resume(self) -> dict[str, list[End]]:
        """Read the journal of a run that was stopped, and open it; where the tables ended that were committed."""
        path = self.folder / _JOURNAL
        lines = _lines(path)
        commits: list[dict[str, Any]] = []
        if self.key is not None and lines[:1] == [self.key]:
            commits = _intact(self.folder, lines[1:])
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
        ends: dict[str, list[End]] = {}
        for commit in commits:
            for name, found in commit["ends"].items():
                ends.setdefault(name, []).extend(End(*end) for end in found)
            self._keys.carry_on(commit["pairs"])
        return ends

    def encode(self, name: str, table: pa.Table) -> pa.Table | bytes:
        """A table of `codes` or `exceptions` as it is written; any thread may encode."""
        return self._files[name].encode(table) if table.num_rows else table

    def codes(self, table: pa.Table | bytes) -> None:
        """The codes of some files, or encoded: `loan_id`, then a column a rule. Chunks come in order of loan ids."""
        self._files["codes"].append(table)

    def exceptions(self, table: pa.Table | bytes) -> None:
        """Exceptions in the columns of the schema, or encoded. Chunks come in order of loan ids."""
        if isinstance(table, bytes) or table.num_rows:
            self._files["exceptions"].append(table)

    def count(self, table: pa.Table) -> None:
        """Outcomes counted, in the columns of `COUNTS_SCHEMA`; equal groups are added up at the end."""
        if table.num_rows:
            self._files[_COUNTS].append(_numbered(table.cast(COUNTS_ENCODED), self._keys))

    def commit(self, note: Any) -> None:
        """What was written so far is done: a run that is stopped carries on after it. `note` is JSON.

        The end of a process loses nothing of it. After the end of the machine, what its disk does not hold as it was
        written is done again.
        """
        if self._journal is None:
            return
        ends = {}
        for name, file in self._files.items():
            ends[name] = file.take_ends()
        self._journal.write(_line({"done": note, "ends": ends, "pairs": self._keys.take()}))
        self._journal.flush()
        self.done.append(note)

    def finish(self, info: Mapping[str, Any]) -> None:
        """The last of a run: its counts, and run.json with `info` and the counts by outcome."""
        for file in self._files.values():
            file.finish()
        counts = self._files[_COUNTS].path
        table = _added_up(counts, self._keys, self.folder)
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
                take_place(self.folder, self.out)
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


def _intact(folder: Path, commits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first commits of which the folder holds all tables as they were written."""
    whole = len(commits)
    for name in commits[0]["ends"] if commits else ():
        ends = [[End(*end) for end in commit["ends"][name]] for commit in commits]
        rest = intact(folder / f"{name}.parquet", [end for found in ends for end in found])
        for number, found in enumerate(ends):
            rest -= len(found)
            if rest < 0:
                whole = min(whole, number)
                break
    return commits[:whole]


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


class _Keys:
    """Numbers of groups: of the pair of branch and product, the quarter, the rule, its version and the code."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self.labels = labels
        self.pairs: dict[tuple[str | None, str | None], int] = {}
        self._taken = 0
        #: How many quarters, versions, rules and codes there may be, with none among the first two.
        versions = max((len(label.versions) for label in labels), default=0)
        self.sizes = (10_000 * 4 + 1, versions + 1, max(len(labels), 1), len(Outcome))

    def carry_on(self, pairs: Iterable[Sequence[str | None]]) -> None:
        """Know the pairs of an earlier writer."""
        for branch, product in pairs:
            self.pairs.setdefault((branch, product), len(self.pairs))
        self._taken = len(self.pairs)

    def take(self) -> list[tuple[str | None, str | None]]:
        """The pairs that are new since this was last asked."""
        found = list(self.pairs)[self._taken :]
        self._taken = len(self.pairs)
        return found

    def of(self, column: Mapping[str, pa.Array]) -> Numbers:
        """The number of each row of counts in the columns of `COUNTS_ENCODED`."""
        key = self._pair(column["branch"], column["product"])
        # 0 stands for no quarter, and for no version.
        parts = [column[name].fill_null(-1).to_numpy() + 1 for name in ("quarter", "version")]
        parts += [column[name].to_numpy() for name in ("rule", "code")]
        for part, size in zip(parts, self.sizes, strict=True):
            key = key * size + part
        return key

    def _pair(self, branch: pa.DictionaryArray, product: pa.DictionaryArray) -> Numbers:
        texts = [[*column.dictionary.to_pylist(), None] for column in (branch, product)]
        places = [c.indices.fill_null(len(c.dictionary)).to_numpy() for c in (branch, product)]
        width = len(texts[1])
        both = places[0].astype(np.int64) * width + places[1]
        found = pa.array(both).dictionary_encode()
        pairs = [(texts[0][n // width], texts[1][n % width]) for n in found.dictionary.to_pylist()]
        numbers = np.array([self.pairs.setdefault(p, len(self.pairs)) for p in pairs], np.int64)
        chosen: Numbers = numbers[found.indices.to_numpy()]
        return chosen

    def places(self, key: Numbers) -> list[_Place]:
        """What the numbers stand for: rule, version and stage; branch; product; period; outcome."""
        parts = []
        for size in reversed(self.sizes):
            key, part = np.divmod(key, size)
            parts.append(part)
        code, rule, version, quarter_ = parts
        rules = [(label.rule, day, label.stage) for label in self.labels for day in (None, *label.versions)]
        first = np.cumsum([0, *(len(label.versions) + 1 for label in self.labels)])
        quarters, period = np.unique(quarter_, return_inverse=True)
        periods = [f"{(q - 1) // 4}Q{(q - 1) % 4 + 1}" if q else None for q in quarters.tolist()]
        pairs = list(self.pairs)
        found = [_Place(rules, first[rule] + version)]
        for column in (0, 1):
            texts: dict[str | None, int] = {}
            number = np.array([texts.setdefault(pair[column], len(texts)) for pair in pairs], np.int64)
            found.append(_Place([(text,) for text in texts], number[key]))
        found += [
            _Place([(p,) for p in periods], period),
            _Place([(o.text,) for o in Outcome], code),
        ]
        return found


def _numbered(table: pa.Table, keys: _Keys) -> pa.Table:
    """Counts in the columns of `COUNTS_ENCODED` as they are written."""
    column = {name: table[name].combine_chunks() for name in table.column_names}
    # A decimal of Arrow is two words, the lower one first; here none is missing.
    exposure = column["exposure"]
    words = np.frombuffer(exposure.buffers()[1], np.int64).reshape(-1, 2)
    words = words[exposure.offset : exposure.offset + len(exposure)]
    low = words[:, 0]
    limbs = [low & 0xFFFFFFFF, (low >> 32) & 0xFFFFFFFF, words[:, 1]]
    return pa.table([keys.of(column), column["files"].to_numpy(), *limbs], names=_COUNTED.names)


def _added_up(counts: Path, keys: _Keys, spill: Path) -> pa.Table:
    """The counts with one row a group, in order of the groups, in the columns of `OUTCOMES_SCHEMA`."""
    names = _COUNTED.names[1:]
    added = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in names)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute(f"SET temp_directory = {_literal(spill)}")
        query = f"SELECT key, {added} FROM read_parquet({_literal(counts)}) GROUP BY key"
        table = connection.sql(query).to_arrow_table().combine_chunks()
    if not table.num_rows:
        return OUTCOMES_SCHEMA.empty_table()
    key, files, *limbs = (table[name].to_numpy() for name in _COUNTED.names)
    places = keys.places(key)
    order = np.argsort(_ranked(places))
    columns = [column for place in places for column in place.texts(order)]
    columns += [pa.array(files[order]), _exposure(*(limb[order] for limb in limbs))]
    return pa.Table.from_arrays(columns, names=OUTCOMES_SCHEMA.names).cast(OUTCOMES_SCHEMA)


def _exposure(low: Numbers, middle: Numbers, high: Numbers) -> pa.Array:
    """Cents by 32 bits as decimals."""
    if not high.any() and middle.max(initial=0) < 1 << 30 and low.max(initial=0) < 1 << 62:
        return amounts(pa.array((middle << 32) + low), EXPOSURE)
    limbs = zip(low.tolist(), middle.tolist(), high.tolist(), strict=True)
    return pa.array([Decimal(a + (b << 32) + (c << 64)).scaleb(-2, _WIDE) for a, b, c in limbs], EXPOSURE)


def amounts(cents: pa.Array, type_: pa.DataType) -> pa.Array:
    """Whole cents, of up to 64 bits, as decimals of a type with two places."""
    given = cents.fill_null(0).to_numpy()
    # A decimal of Arrow is two words, the lower one first; the upper one holds the sign.
    words = np.empty((len(given), 2), np.int64)
    words[:, 0], words[:, 1] = given, given >> 63
    validity = None
    if cents.null_count:
        known = np.packbits(cents.is_valid().to_numpy(zero_copy_only=False), bitorder="little")
        validity = pa.py_buffer(known)
    return pa.Array.from_buffers(type_, len(given), [validity, pa.py_buffer(words)])


def _ranked(places: Sequence[_Place]) -> Numbers:
    """One number a row, in order of its places."""
    found, size = places[0].rank, len(places[0].values)
    for place in places[1:]:
        if size * len(place.values) >= 1 << 62:
            ranks, found = np.unique(found, return_inverse=True)
            size = len(ranks)
        found, size = found * len(place.values) + place.rank, size * len(place.values)
    return found


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

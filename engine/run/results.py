"""What a run leaves on disk (docs/formats.md, "A run"): schemas, and a writer that leaves all of it or nothing."""

from __future__ import annotations

import errno
import json
import platform
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import sancha
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.plan import Outcome

FORMAT = 1
RUN_FILE = "run.json"
#: Outcomes that are written file by file.
EXCEPTIONS = (Outcome.BREACH, Outcome.UNKNOWN, Outcome.WAIVED)

#: Counts that are kept before equal groups are added up.
_MANY_COUNTS = 1_000_000
EXPOSURE = pa.decimal128(18, 2)
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
        pa.field("exposure", pa.decimal128(38, 2), nullable=False),
    ]
)


def codes_schema(rules: Sequence[str]) -> pa.Schema:
    columns = [pa.field(rule, pa.int8(), nullable=False) for rule in rules]
    return pa.schema([pa.field("loan_id", pa.string(), nullable=False), *columns])


def quarter(day: date | None) -> str | None:
    """`2024Q3`"""
    return None if day is None else f"{day.year}Q{(day.month + 2) // 3}"


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


class RunWriter:
    """Writes a run beside its final folder, which it becomes at the end of the `with` block, if `finish` was called.

    After an error or an interruption nothing is left, and a run that stood there before still does.
    """

    def __init__(self, out: Path, rules: Sequence[str]) -> None:
        self.out = out
        self.rules = tuple(rules)
        self.run: Run | None = None
        self._writers: list[pq.ParquetWriter] = []
        self._counts: list[pa.Table] = []

    def __enter__(self) -> Self:
        out = self.out
        if out.exists() and not (out / RUN_FILE).is_file() and (out.is_file() or any(out.iterdir())):
            raise SanchaError(
                f"`{out.name}` is there already and is not a run",
                where=out,
                help="name another folder, or empty this one",
            )
        # Named before it is made, so that an interruption in between finds it.
        self.folder = out.parent / f".{out.name}.{secrets.token_hex(4)}.partial"
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir()
            self._codes = self._writer("codes", codes_schema(self.rules))
            self._exceptions = self._writer("exceptions", EXCEPTIONS_SCHEMA)
        except OSError as error:
            raise _cannot_write(error, out) from error
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def _writer(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        path = self.folder / f"{name}.parquet"
        writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=3, version="2.6")
        self._writers.append(writer)
        return writer

    def codes(self, table: pa.Table) -> None:
        """The codes of some files: `loan_id`, then a column a rule. Chunks come in order of loan ids."""
        self._codes.write_table(table.cast(codes_schema(self.rules)), row_group_size=max(table.num_rows, 1))

    def exceptions(self, table: pa.Table) -> None:
        """Exceptions in the columns of the schema. Chunks come in order of loan ids."""
        if table.num_rows:
            self._exceptions.write_table(table.cast(EXCEPTIONS_SCHEMA), row_group_size=table.num_rows)

    def count(self, table: pa.Table) -> None:
        """Outcomes counted, in the columns of `OUTCOMES_SCHEMA`; equal groups are added up."""
        self._counts.append(table.cast(OUTCOMES_SCHEMA))
        if sum(t.num_rows for t in self._counts) > _MANY_COUNTS:
            self._counts = [_added_up(self._counts)]

    def finish(self, info: Mapping[str, Any]) -> None:
        """The last of a run: its counts, and run.json with `info` and the counts by outcome."""
        table = _added_up(self._counts)
        with self._writer("outcomes", OUTCOMES_SCHEMA) as writer:
            writer.write_table(table)
        totals = {outcome.text: 0 for outcome in Outcome}
        by_outcome = table.group_by("outcome").aggregate([("files", "sum")])
        totals |= dict(zip(*(by_outcome[n].to_pylist() for n in ("outcome", "files_sum")), strict=True))
        whole = {**{k: v for k, v in info.items() if k != "seconds"}, "outcomes": totals}
        whole["seconds"] = info["seconds"]
        text = json.dumps(whole, ensure_ascii=False, indent=1)
        (self.folder / RUN_FILE).write_text(text + "\n", encoding="utf-8")
        self.run = Run(self.out, whole)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for writer in self._writers:
                # A writer that could not write cannot close either; the first error is the one to tell.
                try:
                    writer.close()
                except OSError as failure:
                    error = error or failure
            if error is None and self.run is not None:
                _replace(self.folder, self.out)
        except OSError as failure:
            error = failure
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        if isinstance(error, OSError | duckdb.Error) and not isinstance(error, SanchaError):
            raise _cannot_write(error, self.out) from error


def _added_up(counts: Sequence[pa.Table]) -> pa.Table:
    """The counts with one row a group, in order of the groups."""
    keys = OUTCOMES_SCHEMA.names[:-2]
    table = pa.concat_tables([OUTCOMES_SCHEMA.empty_table(), *counts])
    table = table.group_by(keys).aggregate([("files", "sum"), ("exposure", "sum")])
    table = table.rename_columns(OUTCOMES_SCHEMA.names).cast(OUTCOMES_SCHEMA)
    return table.sort_by([(key, "ascending") for key in keys])


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

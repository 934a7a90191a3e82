"""Where the rows of a source come from: files, the files of a dataset, or a database.

A dataset is a folder or a pattern of files with the same columns, with or without folders named `column=value` (as
Hive and Spark write them). Its files are read in the order of their paths, each checked against the first. Databases
are read in place, one query a source, as text that the database itself writes: no number passes through a binary
float, and all sources of one PostgreSQL connection are read in one read-only snapshot.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import duckdb
import pyarrow as pa

from sancha.engine.book.mapping import Mapping as ImportMapping
from sancha.engine.book.mapping import Source
from sancha.engine.book.reading import UNIT_SEPARATOR
from sancha.engine.diagnostics import Place, SanchaError, did_you_mean

CSV = (".csv", ".tsv", ".txt", ".dat")
SHEETS = (".xlsx", ".xlsm")
PARQUET = (".parquet", ".parq")
#: How Hive and Spark write a missing value into the name of a folder.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
#: What a table of these kinds keeps beside its files: which of them still count is told nowhere else.
_VERSIONED = {"_delta_log": "Delta", "metadata": "Iceberg", ".hoodie": "Hudi"}


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a source. `name` is its path within the extract; `folders` are the values of `column=value`."""

    path: Path
    name: str
    folders: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a source is read: its files in order, or one database. `label` names it for people."""

    label: str
    where: Path | Place
    parts: tuple[Part, ...] = ()


def locate(mapping: ImportMapping, given: Path | None) -> dict[str, Origin]:
    """Where each source is. `given` is the folder that holds the files, or the one file; None: databases alone.

    Raises SanchaError for a file that is not there and for a dataset whose files do not belong together.
    """
    if given is not None and not given.exists():
        raise SanchaError("there is no such file or folder to import", where=given)
    named = {source.file or source.duckdb for source in mapping.sources.values() if not source.postgres}
    found = {}
    for name, source in mapping.sources.items():
        asked = source.table or "a query"
        if source.postgres is not None:
            found[name] = Origin(f"{asked} of ${source.postgres}", source.place)
            continue
        written = source.file or source.duckdb
        if given is None or (given.is_dir() and written is None):
            help = "state `file` in the source, or give the file itself instead of its folder"
            raise SanchaError(
                f"the source `{name}` does not name its file"
                if given
                else "the folder of the files is not given",
                where=source.place,
                help=help,
            )
        if given.is_dir():
            folder, path = given, given / (written or "")
        else:
            folder = given.parent
            path = given if written is None or len(named) == 1 else folder / written
        if source.duckdb is not None:
            _must_exist(path, name)
            found[name] = Origin(f"{asked} of {path.name}", path)
        else:
            found[name] = _files(source, path, folder)
    return found


def _files(source: Source, path: Path, folder: Path) -> Origin:
    if path.is_dir():
        return _dataset(source, path, path, [p for p in sorted(path.rglob("*")) if p.is_file()])
    if not path.exists() and any(mark in path.name or mark in str(source.file) for mark in "*?["):
        pattern = Path(source.file or "")
        base = Path(pattern.anchor) if pattern.is_absolute() else folder
        relative = str(pattern.relative_to(pattern.anchor)) if pattern.is_absolute() else str(pattern)
        fixed = base.joinpath(*_fixed(PurePath(relative)))
        return _dataset(source, path, fixed, [p for p in sorted(base.glob(relative)) if p.is_file()])
    _must_exist(path, source.name)
    _kind_of(path)
    return Origin(path.name, path, (Part(path, path.name),))


def _fixed(pattern: PurePath) -> list[str]:
    """The folders of a pattern above its first wildcard."""
    fixed = []
    for step in pattern.parts[:-1]:
        if any(mark in step for mark in "*?["):
            break
        fixed.append(step)
    return fixed


def _must_exist(path: Path, name: str) -> None:
    if not path.is_file():
        there = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        near = did_you_mean(path.name, there) or f"the folder holds {', '.join(there[:8]) or 'nothing'}"
        raise SanchaError(f"the file of the source `{name}` is not there", where=path, help=near)


def _dataset(source: Source, path: Path, root: Path, files: list[Path]) -> Origin:
    """The files below `root`, but those whose names or folders begin with `_` or `.`, as writers mark their own."""
    for mark, kind in _VERSIONED.items():
        marker = root / mark
        if marker.is_dir() and (mark != "metadata" or any(marker.glob("*.metadata.json"))):
            raise SanchaError(
                f"the folder is a {kind} table: its files alone do not tell which rows still count",
                where=root,
                code="E0605",
                help=f"let the engine that keeps the table write it out as plain Parquet, without `{mark}`",
            )
    inside = [f for f in files if not any(s.startswith(("_", ".")) for s in f.relative_to(root).parts)]
    if not inside:
        raise SanchaError(
            f"the dataset of the source `{source.name}` is empty: no file is there", where=path, code="E0605"
        )
    kinds = {_kind_of(f): f for f in inside}
    if len(kinds) > 1:
        one, other = [f"`{f.relative_to(root).as_posix()}`" for f in list(kinds.values())[:2]]
        raise SanchaError(
            f"the files of a dataset are of one kind; here are {one} and {other}",
            where=root,
            code="E0605",
            help="name the files by a pattern such as `file: loans/*.parquet`",
        )
    parts = tuple(Part(f, f.relative_to(root).as_posix(), _folders(f.relative_to(root))) for f in inside)
    for part in parts:
        if set(part.folders) != set(parts[0].folders):
            raise SanchaError(
                f"`{part.name}` and `{parts[0].name}` do not stand in folders of the same columns",
                where=root,
                code="E0605",
                help="the folders of a dataset are named `column=value`, the same columns for all files",
            )
    return Origin(f"{source.file} ({len(parts):,} files)" if len(parts) > 1 else parts[0].name, path, parts)


def _kind_of(path: Path) -> tuple[str, ...]:
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    for kind in (CSV, SHEETS, PARQUET):
        if suffix in kind and (kind is CSV or path.suffix.lower() != ".gz"):
            return kind
    known = ", ".join((*CSV, ".csv.gz", *SHEETS, *PARQUET))
    help = (
        "save it as `Excel Workbook (*.xlsx)`" if suffix in (".xls", ".xlsb", ".ods") else f"known: {known}"
    )
    raise SanchaError(f"no reader for files of the kind `{suffix}`", where=path, help=help)


def _folders(path: PurePath) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for step in path.parts[:-1]:
        column, equals, value = step.partition("=")
        if equals and column:
            found[unquote(column)] = None if value == _NO_VALUE else unquote(value)
    return found


# --- databases ---------------------------------------------------------------------------------------------


class Databases:
    """The connections of an import, opened when first needed and closed at its end."""

    def __init__(self, memory: str, scratch: Path) -> None:
        self._memory = memory
        self._scratch = scratch
        self._postgres: dict[str, Any] = {}
        self._duckdb: dict[Path, duckdb.DuckDBPyConnection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in (*self._postgres.values(), *self._duckdb.values()):
            with suppress(Exception):  # what is lost already cannot be closed
                connection.close()

    def columns(self, source: Source, origin: Origin) -> dict[str, str]:
        """The columns of the table or query, with their types as the database names them."""
        return self._postgres_columns(source) if source.postgres else self._duckdb_columns(source, origin)

    def batches(self, source: Source, origin: Origin, expressions: list[str]) -> Iterator[pa.RecordBatch]:
        """The rows, as the values of SQL expressions."""
        listed = ", ".join(expressions) or "1"
        if source.postgres is None:
            with _duckdb_errors(source, origin):
                reader = self._open_duckdb(source, origin).sql(f"SELECT {listed} FROM {_relation(source)}")
                yield from reader.to_arrow_reader(_BATCH)
            return
        with _postgres_errors(source):
            cursor = self._open_postgres(source).cursor()
            try:
                cursor.execute(f"SELECT {listed} FROM {_relation(source)}")
                yield from cursor.fetch_record_batch()
            finally:
                with suppress(Exception):
                    cursor.close()

    # DuckDB

    def _open_duckdb(self, source: Source, origin: Origin) -> duckdb.DuckDBPyConnection:
        assert isinstance(origin.where, Path)
        path = origin.where.resolve()
        if path not in self._duckdb:
            connection = self._duckdb[path] = duckdb.connect(str(path), read_only=True)
            connection.execute(f"SET memory_limit = '{self._memory}'")
            connection.execute("SET TimeZone = 'UTC'")
            spill = str(self._scratch / "duckdb").replace("'", "''")
            connection.execute(f"SET temp_directory = '{spill}'")
        return self._duckdb[path]

    def _duckdb_columns(self, source: Source, origin: Origin) -> dict[str, str]:
        with _duckdb_errors(source, origin):
            connection = self._open_duckdb(source, origin)
            rows = connection.execute(f"DESCRIBE SELECT * FROM {_relation(source)}").fetchall()
        return {str(row[0]): str(row[1]) for row in rows}

    # PostgreSQL

    def _connection_text(self, source: Source) -> str:
        variable = source.postgres or ""
        text = os.environ.get(variable, "").strip()
        if not text:
            raise SanchaError(
                f"the environment variable `{variable}` is not set",
                where=source.place,
                code="E0606",
                help=f"export {variable}='postgresql://user@host:5432/database'; "
                "a password may also stand in ~/.pgpass or PGPASSWORD",
            )
        return text

    def _open_postgres(self, source: Source) -> Any:
        text = self._connection_text(source)
        if text not in self._postgres:
            try:
                from adbc_driver_postgresql import dbapi as driver
            except ImportError:
                raise SanchaError(
                    "PostgreSQL is read by a driver that is not installed",
                    where=source.place,
                    code="E0606",
                    help="pip install 'sancha[postgres]'",
                ) from None
            connection = self._postgres[text] = driver.connect(_with_timeout(text))
            with connection.cursor() as cursor:
                # One snapshot for all tables: a loan and its repayments are of the same moment.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                for setting in ("TimeZone = 'UTC'", "DateStyle = 'ISO'", "client_encoding = 'UTF8'"):
                    cursor.execute(f"SET LOCAL {setting}")
        return self._postgres[text]

    def _postgres_columns(self, source: Source) -> dict[str, str]:
        with _postgres_errors(source), self._open_postgres(source).cursor() as cursor:
            cursor.execute(f"SELECT * FROM {_relation(source)} LIMIT 0")
            schema = cursor.fetch_record_batch().schema
        return {field.name: (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode() for field in schema}


_BATCH = 65_536


def _relation(source: Source) -> str:
    """The table, by its name with or without its schema, or the query."""
    if source.query is not None:
        return f"({source.query}\n) AS asked"
    return ".".join('"' + step.replace('"', '""') + '"' for step in (source.table or "").split("."))


def postgres_text(column: str, kind: str, place: Place) -> str:
    """The SQL by which PostgreSQL itself writes a column as text, in the form that the readings expect."""
    name = '"' + column.replace('"', '""') + '"'
    if kind.startswith("_"):
        # An empty array is known and empty: a lone separator, which the reading splits into nothing.
        by = f"'{UNIT_SEPARATOR}'"
        return f"CASE WHEN cardinality({name}) = 0 THEN {by} ELSE array_to_string({name}, {by}) END"
    if kind in ("float4", "float8"):
        # To numeric goes what a float is sure of, 15 digits; what has more before the point has lost some.
        finite = f"abs({name}) < 1e15"
        return f"CASE WHEN {finite} THEN CAST(CAST({name} AS numeric) AS text) ELSE CAST({name} AS text) END"
    if kind == "money":
        return f"CAST(CAST({name} AS numeric) AS text)"
    if kind in ("bytea", "record"):
        help = "let a `query` give plain columns"
        raise SanchaError(
            f"the column `{column}` is of type {kind}, which has no text", where=place, help=help
        )
    return f"CAST({name} AS text)"


def _with_timeout(text: str) -> str:
    """The connection with a time after which a host that does not answer is given up, where it states none."""
    if "connect_timeout" in text or "PGCONNECT_TIMEOUT" in os.environ:
        return text
    if text.startswith(("postgres://", "postgresql://")):
        return f"{text}{'&' if '?' in text else '?'}connect_timeout=20"
    return f"{text} connect_timeout=20"


@contextmanager
def _postgres_errors(source: Source) -> Iterator[None]:
    """Errors of PostgreSQL as ours. No part of the connection is shown: it may hold a password."""
    try:
        yield
    except (ImportError, SanchaError):
        raise
    except UnicodeDecodeError as error:
        raise SanchaError(
            f"{_asked(source)} holds text that is not UTF-8", where=source.place, code="E0604"
        ) from error
    except Exception as error:
        # While rows stream, the driver's errors come through Arrow.
        if not type(error).__module__.startswith("adbc_driver") and "[libpq]" not in str(error):
            raise
        code = getattr(error, "sqlstate", None)
        if code == "22021" or "invalid byte sequence" in str(error):
            raise SanchaError(
                f"{_asked(source)} holds text that is not UTF-8",
                where=source.place,
                code="E0604",
                help="mend the text in the database, or let a `query` convert it",
            ) from None
        text = re.sub(r"^([A-Z_]+: *)?(\[libpq\] *)?", "", str(error)).strip()
        first = text.partition("\n")[0]
        first = re.sub(r"^Failed to [a-z ]+(?:'.*')?: *(ERROR|FATAL): *", "", first)
        first = re.sub(r"\.? *SQLSTATE: \w+ *$", "", first).rstrip(". ")
        raise _postgres_error(source, first, text, code) from None


def _postgres_error(source: Source, first: str, text: str, code: str | None) -> SanchaError:
    variable = source.postgres or ""
    if "Failed to connect" in text:
        known = re.search(
            r"(password authentication failed|no password supplied|[Cc]onnection refused|could not translate host"
            r"|database \"[^\"]*\" does not exist|role \"[^\"]*\" does not exist|timeout expired|no pg_hba.conf entry"
            r"|too many (?:clients|connections)|starting up|shutting down|SSL[^\n]*)",
            text,
        )
        told = known[1] if known else "its value is no connection that PostgreSQL understands"
        return SanchaError(
            f"cannot connect to PostgreSQL by `{variable}`: {told}",
            where=source.place,
            code="E0606",
            help=f"{variable} holds postgresql://user@host:port/database, or `host=… dbname=… user=…`; "
            "the password may stand in ~/.pgpass or PGPASSWORD",
        )
    if code in ("42P01", "3F000"):
        message, help = (
            f"the database has no table `{source.table}`",
            f"by `{variable}`; a schema goes before it",
        )
        if source.query is not None:
            message, help = f"the query fails: {first}", f"it was put to the database of `{variable}`"
        return SanchaError(message, where=source.place, code="E0606", help=help)
    if code is not None and code.startswith("42"):
        help = "the query stands alone: one SELECT" if source.query else "ask who keeps the database"
        return SanchaError(
            f"PostgreSQL refuses {_asked(source)}: {first}", where=source.place, code="E0606", help=help
        )
    if code is not None and code.startswith("22"):
        return SanchaError(f"{_asked(source)} cannot be read: {first}", where=source.place, code="E0606")
    return SanchaError(
        f"the connection to PostgreSQL by `{variable}` broke off while {_asked(source)} was read: {first}",
        where=source.place,
        code="E0606",
        help="nothing was left behind; import again when the server answers",
    )


@contextmanager
def _duckdb_errors(source: Source, origin: Origin) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException:
        raise
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException) as error:
        first = str(error).partition("\n")[0].partition(": ")[2]
        message = (
            f"the query fails: {first}" if source.query else f"the database has no table `{source.table}`"
        )
        near = re.search(r"Did you mean \"([^\"]+)\"", str(error))
        raise SanchaError(
            message, where=source.place, code="E0606", help=f"did you mean `{near[1]}`?" if near else None
        ) from error
    except duckdb.Error as error:
        first = str(error).partition("\n")[0].partition(": ")[2] or str(error)
        lock = "lock" in first
        raise SanchaError(
            "the DuckDB file is open elsewhere for writing"
            if lock
            else f"the DuckDB file cannot be read: {first}",
            where=origin.where,
            code="E0606",
            help="close the program that has it open" if lock else "it may be damaged, or of a newer DuckDB",
        ) from error


def _asked(source: Source) -> str:
    return f"the table `{source.table}`" if source.table else f"the query of `{source.name}`"

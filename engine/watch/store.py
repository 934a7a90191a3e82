"""What a watcher remembers: events, files, alerts, dead letters and what was written out, in one SQLite file.

The store is in WAL mode with `synchronous=FULL`: what was committed holds when the process is killed, and, because each
commit waits for the disk, when the power fails. (`NORMAL` would lose the last commits with the power, and `DELETE`
waits for the disk three times a commit.)
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sancha.engine.diagnostics import SanchaError

#: The form of the store.
FORMAT = "sancha watch 1"
#: Seconds that a store locked by another process is waited for.
PATIENCE = 30.0
#: Characters that are kept of a dead letter; one that waits for its loan is kept whole.
MOST_TEXT = 2_000

_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, loan TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX events_of_loan ON events (loan);
CREATE TABLE loans (
    loan TEXT PRIMARY KEY, wake INTEGER, wakes TEXT NOT NULL, alerts INTEGER NOT NULL, told INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE files (loan TEXT PRIMARY KEY, folded INTEGER NOT NULL, file TEXT NOT NULL);
CREATE INDEX loans_that_wake ON loans (wake) WHERE wake IS NOT NULL;
CREATE TABLE alerts (loan TEXT, id TEXT, state TEXT NOT NULL, PRIMARY KEY (loan, id)) WITHOUT ROWID;
CREATE TABLE lines (number INTEGER PRIMARY KEY, alert TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, digest BLOB NOT NULL, reason TEXT NOT NULL,
    message TEXT NOT NULL, waits_for TEXT, text TEXT NOT NULL, UNIQUE (place, digest)
);
CREATE INDEX letters_that_wait ON letters (waits_for) WHERE waits_for IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that could not be used. `waits_for` is the loan that it speaks of, where that may still come."""

    number: int
    place: str
    reason: str
    message: str
    waits_for: str | None
    text: str


@dataclass(frozen=True, slots=True)
class LoanRow:
    """What the store keeps of a loan besides its events, its alerts and its file.

    `wake` is the day (its ordinal) on which time alone may move a rule or an alert of it, None: never; `wakes` tells
    the days of the rules, as JSON; `alerts` counts its alerts, and `told` is the number of the last event that its file
    is told of.
    """

    loan: str
    wake: int | None
    wakes: str
    alerts: int
    told: int


class Store:
    """The store in a file. It is made where there is none. One watcher at a time has it; others may read.

    Raises SanchaError, E0740, where it cannot be used: another watcher has it, it is another kind of file, another
    process keeps it locked, the disk is full.
    """

    def __init__(self, path: Path, *, read_only: bool = False, patience: float = PATIENCE) -> None:
        self.path = path
        self._lock: int | None = None
        if read_only and not path.is_file():
            raise SanchaError("there is no store", where=path, help="`sancha watch --store FILE` makes one")
        if not read_only:
            self._lock = _locked(path)
        try:
            with self.told():
                self.db = sqlite3.connect(path, timeout=patience, isolation_level=None)
                self._open(read_only)
        except BaseException:
            self.close()
            raise

    def _open(self, read_only: bool) -> None:
        run = self.db.execute
        if read_only:
            run("PRAGMA query_only = ON")
        else:
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = FULL")
            # Pages in memory, and pages of the log before they go to the file: bounds, whatever comes.
            run("PRAGMA cache_size = -65536")
            run("PRAGMA wal_autocheckpoint = 4000")
            run("PRAGMA journal_size_limit = 67108864")
        tables = {name for (name,) in run("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables and not read_only:
            with self.transaction():
                for statement in _TABLES.split(";")[:-1]:
                    run(statement)
                self.set("format", FORMAT)
        elif "settings" not in tables or self.setting("format") != FORMAT:
            raise SanchaError(
                "this is no store of a watcher",
                code="E0740",
                where=self.path,
                help="name another file with --store",
            )

    def close(self) -> None:
        """Gives the store free."""
        db: sqlite3.Connection | None = getattr(self, "db", None)
        if db is not None:
            db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is done inside, on the disk at the end. Raises SanchaError, E0740."""
        with self.told():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors of SQLite as ours."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            message, help_ = _ERRORS.get(code, (f"the store cannot be worked with: {error}", None))
            raise SanchaError(message, code="E0740", where=self.path, help=help_) from error

    # -- settings ---------------------------------------------------------------------------------------------------

    def setting(self, name: str) -> str | None:
        row = self.db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def set(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    @property
    def clock(self) -> date | None:
        """The latest day of any event."""
        found = self.setting("clock")
        return None if found is None else date.fromisoformat(found)

    # -- events -----------------------------------------------------------------------------------------------------

    def known(self, ids: Sequence[str]) -> dict[str, str]:
        """The texts of those of these events that the store has, by id."""
        return dict(_in(self.db, "SELECT id, text FROM events WHERE id IN", ids))

    def add(self, events: Iterable[tuple[str, str, str]]) -> None:
        """Events as (id, loan, text)."""
        self.db.executemany("INSERT INTO events (id, loan, text) VALUES (?, ?, ?)", events)

    def texts(self, loan: str, after: int = 0) -> list[tuple[int, str]]:
        """The events of a loan (of none: ticks and rows of reference lists) that came after a number, as they came."""
        return self.db.execute(
            "SELECT number, text FROM events WHERE loan = ? AND number > ? ORDER BY number", (loan, after)
        ).fetchall()

    def last_event(self) -> int:
        """The number of the event that came last; 0: none came."""
        return int(self.db.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()[0])

    # -- loans ------------------------------------------------------------------------------------------------------

    def loans(self, ids: Sequence[str]) -> dict[str, LoanRow]:
        """Those of these loans that the store knows."""
        rows = _in(self.db, "SELECT loan, wake, wakes, alerts, told FROM loans WHERE loan IN", ids)
        return {row[0]: LoanRow(*row) for row in rows}

    def all_loans(self, after: str = "", most: int = 1_000) -> list[str]:
        """The ids of so many loans, in order, that come after an id."""
        return [
            loan
            for (loan,) in self.db.execute(
                "SELECT loan FROM loans WHERE loan > ? ORDER BY loan LIMIT ?", (after, most)
            )
        ]

    def wake(self, day: int, most: int) -> list[str]:
        """So many of the loans that wake on a day or before, those that wake first before others."""
        rows = self.db.execute(
            "SELECT loan FROM loans WHERE wake <= ? ORDER BY wake, loan LIMIT ?", (day, most)
        )
        return [loan for (loan,) in rows]

    def put_loans(self, rows: Iterable[LoanRow]) -> None:
        """Loans as they are now."""
        self.db.executemany(
            "INSERT OR REPLACE INTO loans VALUES (?, ?, ?, ?, ?)",
            ((row.loan, row.wake, row.wakes, row.alerts, row.told) for row in rows),
        )

    def files(self, ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Files of these loans as they stood after the event of a number, where the store has them."""
        rows = _in(self.db, "SELECT loan, folded, file FROM files WHERE loan IN", ids)
        return {loan: (folded, file) for loan, folded, file in rows}

    def put_files(self, rows: Iterable[tuple[str, int, str]]) -> None:
        """Files as (loan, number of the last event that they are told of, `Snapshots.write`)."""
        self.db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)

    # -- alerts -----------------------------------------------------------------------------------------------------

    def alerts(self, loans: Sequence[str]) -> dict[str, list[str]]:
        """The alerts of these loans, as JSON, in the order of their ids."""
        found: dict[str, list[str]] = {}
        for loan, _, state in sorted(_in(self.db, "SELECT loan, id, state FROM alerts WHERE loan IN", loans)):
            found.setdefault(loan, []).append(state)
        return found

    def put_alerts(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Alerts as (loan, id, JSON)."""
        self.db.executemany("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?)", rows)

    def last_line(self) -> int:
        """The number of the last line; 0: there is none."""
        return int(self.db.execute("SELECT coalesce(max(number), 0) FROM lines").fetchone()[0])

    def add_lines(self, lines: Iterable[tuple[int, str, str]]) -> None:
        """Lines to be written out, as (number, alert, text)."""
        self.db.executemany("INSERT INTO lines VALUES (?, ?, ?)", lines)

    def line(self, number: int) -> str | None:
        row = self.db.execute("SELECT text FROM lines WHERE number = ?", (number,)).fetchone()
        return None if row is None else row[0]

    def lines(self, after: int = 0) -> Iterator[tuple[int, str]]:
        """Lines with their numbers, in order."""
        return iter(
            self.db.execute("SELECT number, text FROM lines WHERE number > ? ORDER BY number", (after,))
        )

    def history(self, alert: str) -> list[str]:
        """The lines of one alert, in order."""
        rows = self.db.execute("SELECT text FROM lines WHERE alert = ? ORDER BY number", (alert,))
        return [text for (text,) in rows]

    # -- dead letters -----------------------------------------------------------------------------------------------

    def lay_aside(
        self, place: str, reason: str, message: str, text: bytes, waits_for: str | None = None
    ) -> bool:
        """Keeps a message that cannot be used; gives whether it is new: of the same place and text, one is kept."""
        digest = hashlib.blake2b(text, digest_size=16).digest()
        shown = text.decode("utf-8", "replace")
        if waits_for is None and len(shown) > MOST_TEXT:
            shown = shown[:MOST_TEXT] + "…"
        done = self.db.execute(
            "INSERT OR IGNORE INTO letters (place, digest, reason, message, waits_for, text) VALUES (?, ?, ?, ?, ?, ?)",
            (place, digest, reason, message, waits_for, shown),
        )
        return done.rowcount > 0

    def waiting(self, loans: Sequence[str]) -> list[Letter]:
        """The letters that wait for these loans, in the order in which they came."""
        select = "SELECT number, place, reason, message, waits_for, text FROM letters WHERE waits_for IN"
        return sorted((Letter(*row) for row in _in(self.db, select, loans)), key=lambda letter: letter.number)

    def take_back(self, letters: Iterable[Letter]) -> None:
        """These letters have found their loan."""
        self.db.executemany("DELETE FROM letters WHERE number = ?", ((letter.number,) for letter in letters))

    def letters(self) -> Iterator[Letter]:
        """All dead letters, in the order in which they came."""
        select = "SELECT number, place, reason, message, waits_for, text FROM letters ORDER BY number"
        return (Letter(*row) for row in self.db.execute(select))

    def count_letters(self) -> dict[str, int]:
        """How many dead letters there are, by reason."""
        return dict(self.db.execute("SELECT reason, count(*) FROM letters GROUP BY reason ORDER BY reason"))


#: What the kinds of error of SQLite mean to whoever runs a watcher.
_ERRORS: dict[int, tuple[str, str | None]] = {
    sqlite3.SQLITE_BUSY: (
        "another process keeps the store locked",
        "end what else has the file open, and start again: nothing that was committed is lost",
    ),
    sqlite3.SQLITE_FULL: (
        "there is no room for the store",
        "free some space and start again: nothing that was committed is lost",
    ),
    sqlite3.SQLITE_IOERR: (
        "the disk does not take or give what the store needs",
        "look at its room and its health, and start again: nothing that was committed is lost",
    ),
    sqlite3.SQLITE_NOTADB: ("this is no store of a watcher", "name another file with --store"),
    sqlite3.SQLITE_CANTOPEN: (
        "the store cannot be opened",
        "its folder must be there, and may be written to",
    ),
    sqlite3.SQLITE_READONLY: ("the store may not be written to", "give yourself the right to write it"),
}
#: Parameters of a statement, at most.
_MOST_PARAMETERS = 500


def _in(db: sqlite3.Connection, select: str, values: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for i in range(0, len(values), _MOST_PARAMETERS):
        some = values[i : i + _MOST_PARAMETERS]
        yield from db.execute(f"{select} ({','.join('?' * len(some))})", some)


def _locked(path: Path) -> int:
    """The lock of the watcher that has the store: a file beside it, whose lock ends with the process, however."""
    beside = path.with_name(f"{path.name}.lock")
    try:
        lock = os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise SanchaError(
            f"the store cannot be opened: {error.strerror}",
            code="E0740",
            where=path,
            help="its folder must be there, and may be written to",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise SanchaError(
            "another watcher has this store",
            code="E0740",
            where=path,
            help="a store has one watcher at a time: end the other, or name another store",
        ) from error
    return lock

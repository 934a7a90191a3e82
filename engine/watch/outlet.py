"""Where alerts go: lines of JSON, each told once, whenever the process ends.

Lines are numbered and committed to the store before they are written. A file tells by itself, at the next start, what
was written; of a pipe the store alone remembers, so that the lines of one batch may come twice there, where the process
ended between writing them and noting it. Their numbers tell.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol

from sancha.engine.diagnostics import SanchaError
from sancha.engine.watch.store import Store

#: The number, in the store's settings, of the last line that was written.
WRITTEN = "written"


class Outlet(Protocol):
    """Takes numbered lines, in order. `last` is the number of the last that was written, where the next batch is to
    note it."""

    last: int

    def write(self, lines: Iterable[tuple[int, str]]) -> None: ...

    def close(self) -> None: ...


class StreamOutlet:
    """Lines to a pipe or to standard output; what was not written before comes first."""

    def __init__(self, stream: BinaryIO, store: Store) -> None:
        self.stream, self.store = stream, store
        with store.told():
            self.last = int(store.setting(WRITTEN) or 0)
            waiting = list(store.lines(self.last))
        self.write(waiting)

    def write(self, lines: Iterable[tuple[int, str]]) -> None:
        numbered = list(lines)
        if numbered:
            self.stream.write(_joined(numbered))
            self.stream.flush()
            self.last = numbered[-1][0]
            with self.store.transaction():
                self.store.set(WRITTEN, str(self.last))

    def close(self) -> None:
        """The stream is not ours."""


class FileOutlet:
    """Lines at the end of a file. A last line that was written in part is cut, and what lacks is written.

    A file that is new or empty begins after the line that the store has noted. Raises SanchaError: E0740 where the file
    holds lines of another store, E0730 where it cannot be written.
    """

    def __init__(self, path: Path, store: Store) -> None:
        self.path, self.store = path, store
        with self._told():
            self.file = path.open("ab+", buffering=0)
        try:
            with self._told():
                tail = _cut(self.file)
            with store.told():
                self.last = int(store.setting(WRITTEN) or 0) if tail is None else self._number(tail)
                waiting = list(store.lines(self.last))
            self.write(waiting)
        except BaseException:
            self.file.close()
            raise

    def _number(self, tail: bytes) -> int:
        """The number of the last line of the file."""
        try:
            number = int(json.loads(tail)["line"])
            known = self.store.line(number)
        except (ValueError, KeyError, TypeError):
            number, known = 0, None
        if known is None or known.encode() != tail:
            raise SanchaError(
                "the alerts in this file are not of this store",
                code="E0740",
                where=self.path,
                help="name the file that was written with this store, or a new one",
            )
        return number

    def write(self, lines: Iterable[tuple[int, str]]) -> None:
        numbered = list(lines)
        if numbered:
            with self._told():
                left = memoryview(_joined(numbered))
                while left:
                    left = left[self.file.write(left) :]
                os.fsync(self.file.fileno())
            self.last = numbered[-1][0]

    def close(self) -> None:
        self.file.close()

    def _told(self) -> _Told:
        return _Told(self.path)


class _Told:
    """Errors of the disk as ours."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: object, __: object) -> None:
        if isinstance(error, OSError):
            raise SanchaError(
                f"cannot write the alerts: {error.strerror or error}",
                code="E0730",
                where=self.path,
                help="mend it and start again: the store has all alerts, and what lacks in the file is written then",
            ) from error


def _joined(lines: Iterable[tuple[int, str]]) -> bytes:
    return b"".join(text.encode() + b"\n" for _, text in lines)


def _cut(file: FileIO) -> bytes | None:
    """Cuts what stands after the last line break; gives the last line, None: there is none."""
    end = file.seek(0, os.SEEK_END)
    block, start = b"", end
    while start > 0 and block[:-1].count(b"\n") < 2:
        step = min(start, 1 << 16)
        start -= step
        file.seek(start)
        block = file.read(step) + block
    whole = block.rfind(b"\n") + 1
    file.truncate(start + whole)
    lines = block[:whole].split(b"\n")
    return lines[-2] if len(lines) > 1 else None


def open_outlet(path: Path | None, stream: BinaryIO, store: Store) -> Outlet:
    """Where alerts go: a file, or the stream where none is named. Raises SanchaError."""
    if path is None:
        return StreamOutlet(stream, store)
    if path.is_dir():
        raise SanchaError("this is a folder", where=path, help="name a file for the alerts")
    if path.exists() and not path.is_file():
        return StreamOutlet(path.open("wb"), store)
    return FileOutlet(path, store)

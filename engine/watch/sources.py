"""Where events come from: batches of messages, each with its place, taken back to as soon as the store has them."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from sancha.engine.diagnostics import SanchaError
from sancha.engine.watch.events import MOST_BYTES

#: Lines of a batch, at most.
MOST_LINES = 2_000
#: Seconds without a line after which an empty batch is given, so that signals are seen to.
IDLE = 0.2
#: Seconds between two looks at a file that is followed.
_LOOK = 0.1
#: Bytes that are read at a time.
_CHUNK = 1 << 19

P = TypeVar("P")


class Source(Protocol[P]):
    """Batches of (place, message), in the order in which they came; an empty one where nothing came for a while.

    `str(place)` shows where a message stands (`events.jsonl:12`). `commit(place)` says that the store has all up to
    this message, the last of its batch; what was not committed may be given again, by this process or the next.
    """

    def __iter__(self) -> Iterator[list[tuple[P, bytes]]]: ...

    def commit(self, place: P) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, from 1."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"


class Lines:
    """Cuts bytes into lines that are not blank. Of a line longer than an event may be, its beginning is given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self.rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[Line, bytes]]:
        if len(self.rest) > MOST_BYTES:
            end = data.find(b"\n")
            if end < 0:
                return
            data = data[end:]
        *whole, rest = (self.rest + data).split(b"\n")
        self.rest = rest[: MOST_BYTES + 1]
        for line in whole:
            self.number += 1
            if line and not line.isspace():
                yield Line(self.name, self.number), line

    def end(self) -> Iterator[tuple[Line, bytes]]:
        """The last line, where nothing ends it."""
        if self.rest:
            yield from self.feed(b"\n")


class StreamSource:
    """The lines of a pipe or of standard input. What is there is given at once: a lone event waits for no company."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor = descriptor
        self.lines = Lines(name)

    def __iter__(self) -> Iterator[list[tuple[Line, bytes]]]:
        batch: list[tuple[Line, bytes]] = []
        while True:
            ready, _, _ = select.select([self.descriptor], [], [], 0 if batch else IDLE)
            if not ready:
                yield from _parts(batch) or ([],)
                batch = []
                continue
            data = os.read(self.descriptor, _CHUNK)
            batch += self.lines.feed(data) if data else self.lines.end()
            if not data or len(batch) >= MOST_LINES:
                yield from _parts(batch)
                batch = []
            if not data:
                return

    def commit(self, place: Line) -> None:
        """What was read from a pipe is gone from it."""

    def close(self) -> None:
        """The descriptor is not ours."""


class FileSource:
    """The lines of a file; with `follow` also those that are still to be written to it, without an end.

    A file that is followed may be cut, or another may take its name: that is read from its beginning.
    Raises SanchaError where the file cannot be read.
    """

    def __init__(self, path: Path, *, follow: bool = False) -> None:
        self.path = path
        self.follow = follow
        try:
            self.file = path.open("rb")
        except OSError as error:
            raise SanchaError(f"cannot read the events: {error.strerror}", where=path) from error

    def __iter__(self) -> Iterator[list[tuple[Line, bytes]]]:
        lines = Lines(str(self.path))
        idle = 0.0
        while True:
            data = self.file.read(_CHUNK)
            if data:
                yield from _parts(list(lines.feed(data)))
                idle = 0.0
            elif not self.follow:
                yield from _parts(list(lines.end()))
                return
            elif self._begun_anew():
                yield from _parts(list(lines.end()))
                lines = Lines(str(self.path))
            else:
                idle += _LOOK
                time.sleep(_LOOK)
                if idle >= IDLE:
                    yield []

    def _begun_anew(self) -> bool:
        """Whether the name stands for another file by now, or the file was cut; then it is opened."""
        try:
            named, held = self.path.stat(), os.fstat(self.file.fileno())
            if os.path.samestat(named, held) and held.st_size >= self.file.tell():
                return False
            file = self.path.open("rb")
        except OSError:
            return False  # Between its going and its coming.
        self.file.close()
        self.file = file
        return True

    def commit(self, place: Line) -> None:
        """A file is read from its beginning each time: the store knows what it has."""

    def close(self) -> None:
        self.file.close()


def open_source(name: str, *, follow: bool = False) -> StreamSource | FileSource:
    """The source that a command line names: a file, a named pipe, or `-` for standard input. Raises SanchaError."""
    if name == "-":
        return StreamSource(sys.stdin.fileno(), "stdin")
    path = Path(name)
    if path.is_dir():
        raise SanchaError(
            "this is a folder", where=path, help="name a file of events, or `-` for standard input"
        )
    if path.is_fifo():
        return StreamSource(os.open(path, os.O_RDONLY), name)
    return FileSource(path, follow=follow)


def _parts(batch: list[tuple[Line, bytes]]) -> list[list[tuple[Line, bytes]]]:
    return [batch[i : i + MOST_LINES] for i in range(0, len(batch), MOST_LINES)]

"""A book as events: to begin a store with, or to write to a file of events."""

from __future__ import annotations

import datetime as dt
import heapq
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from sancha.engine.book.loan_file import plain_item
from sancha.engine.book.store import Book, iter_files, open_book, read_reference
from sancha.engine.files import replacing
from sancha.engine.policy.vocabulary import Vocabulary
from sancha.engine.watch.events import Event, event_json
from sancha.engine.watch.history import events_of
from sancha.engine.watch.sources import MOST_LINES

#: Events that are sorted in memory at a time.
_SORTED = 200_000


def events_of_book(
    book: Book, vocabulary: Vocabulary, step: Callable[[int], None] = lambda _: None
) -> Iterator[Event]:
    """The rows of the reference lists, then file by file the events by which each became known. `step` counts files.

    Rows are known from the start, and nothing says when that was: they are of the first day that there is. A reference
    list without rows has no events.
    """
    for name, rows in read_reference(book, vocabulary).items():
        for number, row in enumerate(rows or (), 1):
            data = plain_item(row, vocabulary.reference[name])
            yield Event(f"{name}/{number}", "", dt.datetime.min, name, data)
    for done, file in enumerate(iter_files(book, vocabulary), 1):
        yield from events_of(file, vocabulary, book.as_of)
        step(done)


def write_events(
    book: Path, vocabulary: Vocabulary, out: Path, step: Callable[[int], None] = lambda _: None
) -> int:
    """Writes the events of a book as JSON lines, in the order of their times; gives their number. `step` counts files.

    Raises SanchaError where the book cannot be read or the file not be written.
    """
    opened = open_book(book, vocabulary)
    count = 0
    with ExitStack() as stack:
        beside = stack.enter_context(replacing(out))
        parts = []
        events = events_of_book(opened, vocabulary, step)
        while some := list(islice(events, _SORTED)):
            part = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", dir=beside.parent))
            part.writelines(sorted(map(_keyed, some)))
            part.seek(0)
            parts.append(part)
        with beside.open("w", encoding="utf-8") as file:
            for line in heapq.merge(*parts):
                file.write(line.split("\t", 2)[2])
                count += 1
    return count


def _keyed(event: Event) -> str:
    return f"{event.at.isoformat()}\t{json.dumps(event.id)}\t{event_json(event)}\n"


class BookSource:
    """The events of a book, file by file."""

    def __init__(self, book: Path, vocabulary: Vocabulary) -> None:
        self.name = str(book)
        self.book = open_book(book, vocabulary)
        self.vocabulary = vocabulary

    def __iter__(self) -> Iterator[list[tuple[str, bytes]]]:
        batch: list[tuple[str, bytes]] = []
        loan = ""
        for event in events_of_book(self.book, self.vocabulary):
            # The events of a file come in one batch, so that its history is judged once.
            if len(batch) >= MOST_LINES and event.loan != loan:
                yield batch
                batch = []
            loan = event.loan
            batch.append((f"{self.name}: {event.id}", event_json(event).encode()))
        if batch:
            yield batch

    def commit(self, place: str) -> None:
        """The store knows what it has."""

    def close(self) -> None:
        """Nothing is held."""

"""Events of loan files as they arrive, and the file that they come to (docs/live.md, "Events").

A file is what its events say, in order of the time at which the bank knew of them, and of their ids where that is
equal: events that arrive late, twice or out of order come to the same file.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sancha.engine.book.loan_file import (
    Item,
    LoanFile,
    group_from_json,
    items_from_json,
    loan_file_from_json,
)
from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.policy.vocabulary import Vocabulary

#: What an event is about, besides the groups, lists and reference lists of the vocabulary.
FILE, TICK, CLOSE = "file", "tick", "close"
#: Bytes of an event, at most.
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the bank came to know at a time.

    `kind` is `file` (a loan file is opened, or stated anew as a whole), a group (facts of it), a list (an item), a
    reference list (a row of it; `loan` is empty), `tick` (a day begins) or `close` (an alert is closed). `data` is the
    JSON object of the event, numbers as decimals; `item` the number of an item in its list, None: the next one.
    """

    id: str
    loan: str
    at: dt.datetime
    kind: str
    data: Mapping[str, object]
    item: int | None = None
    #: The data by the types of the vocabulary, once they were read: a file, facts by their full names, or an item.
    read: LoanFile | dict[str, object] | None = field(default=None, compare=False, repr=False)


class BadEvent(Exception):
    """What was read is no event that can be used: `reason` in a word, and what is wrong with it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def read_event(line: bytes, vocabulary: Vocabulary) -> Event:
    """An event from a line of JSON: `{"id", "loan", "at", "kind", "data", "item"}`. Raises BadEvent.

    Its data have been read once by the types of the vocabulary.
    """
    if len(line) > MOST_BYTES:
        raise BadEvent("too large", f"{len(line):,} bytes; an event has at most {MOST_BYTES:,}")
    try:
        found = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise BadEvent("not JSON", str(error)) from error
    if not isinstance(found, dict):
        raise BadEvent("not an event", "an event is a JSON object")
    unknown = found.keys() - {"id", "loan", "at", "kind", "data", "item"}
    if unknown:
        raise BadEvent("not an event", f"an event has no `{min(unknown)}`")
    id_, kind = found.get("id"), found.get("kind")
    if not isinstance(id_, str) or not id_:
        raise BadEvent("not an event", "`id` is a text that no other event has")
    if not isinstance(kind, str):
        raise BadEvent("not an event", "`kind` is a text")
    if not _is_kind(kind, vocabulary):
        kinds = [FILE, TICK, CLOSE, *vocabulary.group_names, *vocabulary.lists, *vocabulary.reference]
        help_ = did_you_mean(kind, kinds)
        raise BadEvent("unknown kind", f"`{kind}` is no kind of event" + (f"; {help_}" if help_ else ""))
    loan = found.get("loan", "")
    common = kind in vocabulary.reference or kind == TICK
    if not isinstance(loan, str) or bool(loan) is common:
        raise BadEvent("not an event", f"an event `{kind}` {'has no' if common else 'names its'} `loan`")
    data = found.get("data", {})
    if not isinstance(data, dict):
        raise BadEvent("not an event", "`data` is an object")
    item = found.get("item")
    if item is not None and (isinstance(item, bool) or not isinstance(item, int) or item < 1):
        raise BadEvent("not an event", "`item` is the number of an item in its list, from 1")
    if item is not None and kind not in vocabulary.lists:
        raise BadEvent("not an event", f"`item` belongs to events of lists, not to `{kind}`")
    if b"\\ud" in line.lower():
        try:
            json.dumps(found, ensure_ascii=False, default=str).encode()
        except (UnicodeEncodeError, RecursionError) as error:
            raise BadEvent("not an event", "a text has half a character (a lone surrogate)") from error
    at = _time(found.get("at"))
    read = None if kind in (TICK, CLOSE) else _read(kind, data, vocabulary)
    return Event(id_, loan, at, kind, data, item, read)


def event_json(event: Event) -> str:
    """An event as a line of JSON, which `read_event` reads back."""
    told: dict[str, object] = {
        "id": event.id,
        "loan": event.loan,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "data": event.data,
    }
    if not event.loan:
        del told["loan"]
    if event.item is not None:
        told["item"] = event.item
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=str)


def _is_kind(kind: str, vocabulary: Vocabulary) -> bool:
    return (
        kind in vocabulary.lists
        or kind in vocabulary.group_names
        or kind in vocabulary.reference
        or kind in (FILE, TICK, CLOSE)
    )


def order(event: Event) -> tuple[dt.datetime, str]:
    """Events of a file are told in this order."""
    return (event.at, event.id)


def folded(loan: str, events: Iterable[Event], vocabulary: Vocabulary) -> LoanFile:
    """The file that its events come to; they stand in `order`."""
    file = LoanFile(loan, dict.fromkeys(vocabulary.facts), dict.fromkeys(vocabulary.lists))
    for event in events:
        file = after(file, event, vocabulary)
    return file


def after(file: LoanFile, event: Event, vocabulary: Vocabulary) -> LoanFile:
    """The file after one more event; the file given stays as it is."""
    read = event.read if event.read is not None else _read(event.kind, event.data, vocabulary)
    if isinstance(read, LoanFile):
        return LoanFile(file.id, read.facts, read.lists)
    if event.kind in vocabulary.lists:
        return LoanFile(
            file.id,
            file.facts,
            {**file.lists, event.kind: amended(file.lists[event.kind] or [], event, read)},
        )
    return LoanFile(file.id, {**file.facts, **read}, file.lists)


def amended(items: list[Item], event: Event, item: Mapping[str, object]) -> list[Item]:
    """The items of a list with one more, or with one of them changed; they stand in the order of their numbers."""
    last = int(str(items[-1]["item"])) if items else 0
    number = event.item or last + 1
    if number > last:
        return [*items, {**item, "item": number}]
    # What an item said before stays, but for the fields that the event names.
    before = next((each for each in items if each["item"] == number), {})
    changed = {**item, **{k: v for k, v in before.items() if k not in event.data}, "item": number}
    return sorted(
        (each for each in (*items, changed) if each is not before), key=lambda i: int(str(i["item"]))
    )


def _read(kind: str, data: Mapping[str, object], vocabulary: Vocabulary) -> LoanFile | dict[str, object]:
    """What an event says, by the types of the vocabulary. Raises BadEvent."""
    try:
        if kind == FILE:
            return loan_file_from_json(data, vocabulary)[0]
        definition = vocabulary.lists.get(kind) or vocabulary.reference.get(kind)
        if definition is None:
            return group_from_json(kind, data, vocabulary)
        return items_from_json(kind, [data], definition, numbered=False)[0]
    except SanchaError as error:
        raise BadEvent("wrong type", error.message) from error


def _time(value: object) -> dt.datetime:
    """A date (the first moment of it) or a local time."""
    try:
        if isinstance(value, str):
            found = dt.datetime.fromisoformat(value)
            if found.tzinfo is None:
                return found
    except ValueError:
        pass
    raise BadEvent("not an event", '`at` is when it became known: "2024-12-31" or "2024-12-31T09:30:00"')

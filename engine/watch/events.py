"""Events of loan files as they arrive, and the file that they come to (docs/live.md, "Events").

A file is what its events say, in order of the time at which the bank knew of them, and of their ids where that is
equal: events that arrive late, twice or out of order come to the same file.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sancha.engine.book.loan_file import LoanFile, loan_file_from_json
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
    kinds = [FILE, TICK, CLOSE, *groups(vocabulary), *vocabulary.lists, *vocabulary.reference]
    if kind not in kinds:
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
    event = Event(id_, loan, _time(found.get("at")), kind, data, item)
    if kind not in (TICK, CLOSE):
        _typed(event, vocabulary)
    return event


def groups(vocabulary: Vocabulary) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in vocabulary.facts if "." in name))


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
    told = _typed(event, vocabulary)
    if event.kind == FILE:
        return LoanFile(file.id, told.facts, told.lists)
    if event.kind in vocabulary.lists:
        items = list(file.lists[event.kind] or ())
        number = event.item or max((int(str(i["item"])) for i in items), default=0) + 1
        item = (told.lists[event.kind] or [{}])[0]
        # What an item said before stays, but for the fields that the event names.
        before = next((i for i in items if i["item"] == number), {})
        changed = {**item, **{k: v for k, v in before.items() if k not in event.data}, "item": number}
        items = sorted((i for i in (*items, changed) if i is not before), key=lambda i: int(str(i["item"])))
        return LoanFile(file.id, file.facts, {**file.lists, event.kind: items})
    named = {f"{event.kind}.{name}" for name in event.data}
    facts = {name: told.facts[name] if name in named else value for name, value in file.facts.items()}
    return LoanFile(file.id, facts, file.lists)


def _typed(event: Event, vocabulary: Vocabulary) -> LoanFile:
    """What an event says, as a file of it alone. Raises BadEvent."""
    data: Mapping[str, object] = event.data
    if event.kind in vocabulary.lists or event.kind in vocabulary.reference:
        data = {event.kind: [event.data]}
    elif event.kind != FILE:
        data = {event.kind: event.data}
    try:
        return loan_file_from_json(data, vocabulary, whole=event.kind == FILE)[0]
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

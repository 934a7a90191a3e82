"""What a watcher has at hand: which rules an event can move, files as they stand, rows of reference lists by day."""

from __future__ import annotations

import datetime as dt
import json
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sancha.engine.book.loan_file import Item, LoanFile, plain
from sancha.engine.feel import core as c
from sancha.engine.feel.types import Type
from sancha.engine.policy.plan import Plan, RulePlan
from sancha.engine.policy.vocabulary import Vocabulary
from sancha.engine.watch.alerts import Alert
from sancha.engine.watch.clock import NEVER
from sancha.engine.watch.events import FILE, Event, after, amended, order

#: Combinations of facts whose rules are remembered.
_MOST_NAMES = 10_000


class Moves:
    """The rules whose outcome an event can move: those that read a fact, a list or a reference list that it names."""

    def __init__(self, plan: Plan, vocabulary: Vocabulary) -> None:
        self.all = tuple(rule.id for rule in plan.rules)
        self.vocabulary = vocabulary
        self._by_name: dict[str, list[str]] = {}
        for rule in plan.rules:
            for name in _reads(rule):
                self._by_name.setdefault(name, []).append(rule.id)
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def of(self, event: Event) -> tuple[str, ...]:
        """In the order of the pack."""
        if event.kind == FILE:
            return self.all
        if event.kind in self.vocabulary.lists or event.kind in self.vocabulary.reference:
            return self.of_list(event.kind)
        names = (event.kind, *event.data)
        if names not in self._known:
            if len(self._known) > _MOST_NAMES:
                self._known.clear()
            moved = {rule for name in event.data for rule in self._by_name.get(f"{event.kind}.{name}", ())}
            self._known[names] = tuple(rule for rule in self.all if rule in moved)
        return self._known[names]

    def of_list(self, name: str) -> tuple[str, ...]:
        return tuple(self._by_name.get(name, ()))


def _reads(rule: RulePlan) -> set[str]:
    """The facts, lists and reference lists that a rule's outcome rests on."""
    found = set()
    for node in c.walk_once([rule.code, *(core for _, core in rule.lets)]):
        match node:
            case c.Fact() | c.ListFact():
                found.add(node.name)
            case c.ListMissing() | c.Field() | c.ListField():
                found.add(node.list)
            case _:
                pass
    return found


@dataclass(slots=True)
class Loan:
    """A loan as it stands. `last` is the place of its last event in `events.order`, `folded` the number of the event
    up to which `file` is told, `saved` that of the file which the store has. `wakes` are days of rules, ordinals."""

    id: str
    file: LoanFile
    last: tuple[dt.datetime, str] | None = None
    folded: int = 0
    saved: int = 0
    wakes: dict[str, int] = field(default_factory=dict)
    alerts: dict[str, list[Alert]] = field(default_factory=dict)
    #: Alerts that the store does not have as they are.
    changed: list[Alert] = field(default_factory=list)

    def wake(self) -> int:
        """The day on which time alone may move a rule or an alert of it."""
        days = [*self.wakes.values(), *(a.wake for alerts in self.alerts.values() for a in alerts)]
        return min(days, default=NEVER)

    def alert(self, id_: str) -> Alert | None:
        return next((a for alerts in self.alerts.values() for a in alerts if a.id == id_), None)

    def take(self, events: Iterable[Event], vocabulary: Vocabulary) -> None:
        """Tells it events that come after all it was told."""
        for event in events:
            self.file = file_after(self.file, event, vocabulary)
            self.last = order(event)


def file_after(file: LoanFile, event: Event, vocabulary: Vocabulary) -> LoanFile:
    """`events.after`, for files that are read from a snapshot too."""
    read, facts, lists = event.read, file.facts, file.lists
    if not isinstance(facts, _Facts) or not isinstance(lists, _Lists) or not isinstance(read, dict):
        return after(file, event, vocabulary)
    if event.kind in vocabulary.lists:
        return LoanFile(file.id, facts, lists.but(event.kind, amended(lists[event.kind] or [], event, read)))
    return LoanFile(file.id, facts.but(read), lists)


class _Facts(dict[str, object]):
    """The facts of a snapshot, each read when it is asked for: an event or a day concerns few of them."""

    __slots__ = ("raw", "snapshots")

    def __init__(self, raw: Mapping[str, Any], snapshots: Snapshots) -> None:
        self.raw, self.snapshots = raw, snapshots

    def __missing__(self, name: str) -> object:
        reader = self.snapshots.readers[name]
        value = self.raw.get(name)
        if value is not None and reader is not None:
            value = reader(value)
        self[name] = value
        return value

    def but(self, read: Mapping[str, object]) -> _Facts:
        other = _Facts({**self.raw, **{name: plain(value) for name, value in read.items()}}, self.snapshots)
        other.update(self)
        other.update(read)
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ({name: self[name] for name in self.snapshots.readers},)


#: A list that was not read yet.
_RAW: Any = object()


class _Lists(dict[str, list[Item] | None]):
    """The lists of a snapshot, each read when it is asked for."""

    __slots__ = ("raw", "snapshots")

    def __init__(self, raw: Mapping[str, str], snapshots: Snapshots) -> None:
        self.raw, self.snapshots = raw, snapshots
        self.update(dict.fromkeys(snapshots.vocabulary.lists))
        self.update(dict.fromkeys(raw, _RAW))

    def __getitem__(self, name: str) -> list[Item] | None:
        found = dict.__getitem__(self, name)
        if found is _RAW:
            found = self[name] = self.snapshots.items(name, self.raw[name])
        return found

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]

    def but(self, name: str, items: list[Item]) -> _Lists:
        other = _Lists({each: text for each, text in self.raw.items() if each != name}, self.snapshots)
        other.update(self)
        other[name] = items
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ({name: self[name] for name in self},)


class Snapshots:
    """Files in the form of the store: what is missing is left out, and nothing is checked again.

    Lines of JSON: `{"last", "facts", "lists"}`, then the items of each list that is named, a line a list, so that the
    lists that nobody asks for pass through unread.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        #: How each fact comes back from `plain`.
        self.readers = {name: _reader(fact.type) for name, fact in vocabulary.facts.items()}
        self._fields = {
            name: {field.name: _reader(field.type) for field in spec.fields.values()}
            for name, spec in vocabulary.lists.items()
        }

    def write(self, loan: Loan) -> str:
        assert loan.last is not None
        at, id_ = loan.last
        read = loan.file.facts
        facts = read.raw if isinstance(read, _Facts) else {name: plain(value) for name, value in read.items()}
        facts = {name: value for name, value in facts.items() if value is not None}
        # What was read from a snapshot and is as it was passes through.
        lists = dict(loan.file.lists.raw) if isinstance(loan.file.lists, _Lists) else {}
        for name, items in loan.file.lists.items():
            if name not in lists and items is not None:
                told = [{k: plain(v) for k, v in item.items() if v is not None} for item in items]
                lists[name] = _json(told)
        return "\n".join(
            (_json({"last": [at.isoformat(), id_], "facts": facts, "lists": list(lists)}), *lists.values())
        )

    def read(self, loan: str, text: str) -> tuple[LoanFile, tuple[dt.datetime, str]]:
        """The file, and the place of its last event in `events.order`."""
        head, *lists = text.split("\n")
        told = json.loads(head)
        at, id_ = told["last"]
        raw = dict(zip(told["lists"], lists, strict=True))
        file = LoanFile(loan, _Facts(told["facts"], self), _Lists(raw, self))
        return file, (dt.datetime.fromisoformat(at), id_)

    def items(self, name: str, raw: str) -> list[Item]:
        """The items of a list."""
        readers = self._fields[name]
        empty: Item = dict.fromkeys(readers)
        out = []
        for told in json.loads(raw):
            item = empty.copy()
            for key, value in told.items():
                reader = readers.get(key)
                item[key] = value if reader is None else reader(value)
            out.append(item)
        return out


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _reader(type_: Type) -> Callable[[Any], object] | None:
    """How a value of a type comes back from `plain`; None: as it is."""
    if type_.name == "list" and type_.item is not None:
        inner = _reader(type_.item)
        return None if inner is None else lambda values: [None if v is None else inner(v) for v in values]
    readers: dict[str, Callable[[Any], object]] = {
        "money": Decimal,
        "rate": Decimal,
        "number": Decimal,
        "date": dt.date.fromisoformat,
        "date-time": dt.datetime.fromisoformat,
    }
    return readers.get(type_.name)


class ReferenceLists:
    """The rows of reference lists, each from the day on which it became known. A list without rows is missing."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[tuple[dt.datetime, str], int, Item]]] = {}
        self._last = 0
        self._all: dict[str, list[Item]] | None = {}
        self._of_day: tuple[int, dict[str, list[Item]]] | None = None

    def add(self, event: Event) -> None:
        assert isinstance(event.read, dict)
        day = event.at.toordinal()
        insort(self._rows.setdefault(event.kind, []), (order(event), day, event.read), key=lambda row: row[0])
        self._last = max(self._last, day)
        self._all = self._of_day = None

    def on(self, day: int) -> Mapping[str, list[Item]]:
        """The lists as known on a day, an ordinal: the same object for the same day, until there are other rows."""
        if day >= self._last:
            if self._all is None:
                self._all = self._known(day)
            return self._all
        if self._of_day is None or self._of_day[0] != day:
            self._of_day = day, self._known(day)
        return self._of_day[1]

    def _known(self, day: int) -> dict[str, list[Item]]:
        found = {}
        for name, rows in self._rows.items():
            count = bisect_right(rows, day, key=lambda row: row[1])
            if count:
                found[name] = [row for _, _, row in rows[:count]]
        return found


class Ticks:
    """The days on which time is looked at: every day, Monday or first of a month, and the days of `tick` events."""

    def __init__(self, every: str) -> None:
        self.every = every
        self.told: list[int] = []

    def add(self, day: int) -> None:
        if day not in self.told:
            insort(self.told, day)

    def next(self, day: int) -> int:
        """The first of them that is not before a day; `NEVER`: there is none."""
        if day >= NEVER or self.every == "daily":
            return day
        found = NEVER
        if self.every == "weekly":
            found = day + (1 - day) % 7  # the ordinal of a Monday is one more than a multiple of seven
        elif self.every == "monthly":
            found = next(
                (n for n in range(day, min(day + 31, NEVER)) if dt.date.fromordinal(n).day == 1), NEVER
            )
        at = bisect_right(self.told, day - 1)
        return min(found, self.told[at]) if at < len(self.told) else found

    def last(self, day: int) -> int:
        """The last of them that is not after a day; 0: there is none."""
        if self.every == "daily":
            return day
        found = 0
        if self.every == "weekly":
            found = day - (day - 1) % 7
        elif self.every == "monthly" and day:
            found = dt.date.fromordinal(day).replace(day=1).toordinal()
        at = bisect_right(self.told, day)
        return max(found, self.told[at - 1]) if at else found


def by_day(events: Iterable[Event]) -> Iterator[tuple[int, list[Event]]]:
    """Events in order, day by day."""
    day, some = 0, list[Event]()
    for event in events:
        if event.at.toordinal() != day and some:
            yield day, some
            some = []
        day = event.at.toordinal()
        some.append(event)
    if some:
        yield day, some

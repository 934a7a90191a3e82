"""The events by which a loan file of a book became known (docs/live.md, "Events")."""

from __future__ import annotations

import datetime as dt

from sancha.engine.book.loan_file import Item, LoanFile, plain, plain_item, to_json
from sancha.engine.policy.vocabulary import AS_OF, ListDef, Vocabulary
from sancha.engine.watch.events import FILE, Event, order


def events_of(file: LoanFile, vocabulary: Vocabulary, as_of: dt.date) -> list[Event]:
    """The events that come to the file (`events.folded`), in `events.order`; those at days, at their first moment.

    Facts become known on the day that their `known on` names, those of one group and day of record by one event; an
    item on the day that its list's `known on` names; facts that are known `as_of` on that day. All else is told when
    the file is opened: facts and lists without a `known on`, those whose day is missing (their rules never see them),
    which lists are empty rather than missing, and required facts, for no file is without them. The data are plain JSON.

    A file is opened on the first day on which something of it became known: what has no `known on` is known "from the
    start", and rules see it on any day, so it cannot come later than anything else; an earlier day would be invented.

    The ids are `LOAN` for the opening, `LOAN/approval/approval.decided_on` for a group, `LOAN/inspections/3` for an
    item; a `/` in the number of the loan is written `%2F`, so that ids are unique in a book.
    """
    told: list[tuple[dt.date, str, str, dict[str, object], int | None]] = []
    opening = LoanFile(file.id, dict.fromkeys(file.facts), {n: i and [] for n, i in file.lists.items()})

    groups: dict[tuple[dt.date, str, str], dict[str, object]] = {}
    for name, fact in vocabulary.facts.items():
        value = file.facts[name]
        if value is None:
            continue
        day = _day(file, fact.known_on, as_of)
        if fact.required or day is None:
            opening.facts[name] = value
        if day is not None:
            group, _, short = name.partition(".")
            groups.setdefault((day, f"{group}/{fact.known_on}", group), {})[short] = plain(value)
    told += [(day, place, group, facts, None) for (day, place, group), facts in groups.items()]

    undated: list[tuple[str, str, dict[str, object], int]] = []
    for name, items in file.lists.items():
        definition = vocabulary.lists[name]
        if _told_whole(items, definition):
            opening.lists[name] = items
            continue
        for item in items or ():
            number = int(str(item["item"]))
            day = _day_of_item(item, definition)
            place, data = f"{name}/{number}", plain_item(item, definition)
            if day is None:
                undated.append((place, name, data, number))
            else:
                told.append((day, place, name, data, number))

    opened = min([as_of, *(day for day, *_ in told)])
    told += [(opened, place, name, data, number) for place, name, data, number in undated]
    loan = file.id.replace("%", "%25").replace("/", "%2F")
    # The id of the opening is what all others begin with, so that it stands first of its day.
    events = [Event(loan, file.id, _moment(opened), FILE, to_json(opening, vocabulary))]
    events += [
        Event(f"{loan}/{place}", file.id, _moment(day), kind, data, number)
        for day, place, kind, data, number in told
    ]
    return sorted(events, key=order)


def _day(file: LoanFile, known_on: str | None, as_of: dt.date) -> dt.date | None:
    """The day that a `known on` names; None: there is none."""
    if known_on is None:
        return None
    day = as_of if known_on == AS_OF else file.facts[known_on]
    assert day is None or isinstance(day, dt.date)
    return day


def _day_of_item(item: Item, definition: ListDef) -> dt.date | None:
    day = None if definition.known_on is None else item[definition.known_on]
    assert day is None or isinstance(day, dt.date)
    return day


def _told_whole(items: list[Item] | None, definition: ListDef) -> bool:
    """Whether a list can be told when the file is opened: nothing of it becomes known later, and its items stand in
    the order of their numbers, which is all that the opening says of them."""
    return not items or (
        all(_day_of_item(item, definition) is None for item in items)
        and [item["item"] for item in items] == list(range(1, len(items) + 1))
    )


def _moment(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min)

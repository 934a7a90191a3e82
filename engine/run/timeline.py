"""One loan file, event by event in the order in which things became known, and what each event moved.

A file is judged on every day from the first to the last, as it was known on that day, before and after each event of
the day, by the row evaluator. Days are not searched by bisection: the outcomes of a rule may come and go between two
days. A rule whose outcome cannot depend on the day alone is judged after events only.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from sancha.engine.book.loan_file import LoanFile, plain
from sancha.engine.book.store import Book, open_book, read_file, read_reference
from sancha.engine.feel import core as c
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome, RulePlan
from sancha.engine.run.judge import EXPLAINED
from sancha.engine.run.obligations import Obligation, Obligations, State
from sancha.engine.run.row import Evaluator, Judgement, Reasons, Reference
from sancha.engine.watch.alerts import Terms
from sancha.engine.watch.events import Event, after, folded
from sancha.engine.watch.history import events_of

#: The form of the JSON of a timeline.
FORMAT = 1
#: What shows how far the days (ordinals) of a timeline have come.
Track = Callable[[range], Iterable[int]]


@dataclass(frozen=True, slots=True)
class Move:
    """A rule whose outcome an event, or time alone, moved. `before` is None where the file was opened by it."""

    before: Outcome | None
    judgement: Judgement
    reasons: Reasons | None

    @property
    def after(self) -> Outcome:
        return self.judgement.outcome

    @property
    def raised(self) -> bool:
        """Whether an alert was raised by it: a rule that is in breach is an alert."""
        return self.after is Outcome.BREACH

    @property
    def cleared(self) -> bool:
        return self.before is Outcome.BREACH


@dataclass(frozen=True, slots=True)
class Change:
    """An obligation whose state an event, or time alone, changed.

    `before` is None where there was none yet: one whose first day lies ahead, or that does not apply. Where it went
    away, as an event told that it does not apply, its state is `not applicable`.
    """

    before: State | None
    obligation: Obligation


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened: an event (None: time passed), the rules that it moved and the obligations that it changed."""

    day: dt.date
    event: Event | None
    moves: tuple[Move, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that was in breach from a day to the day before another (None: to the end), and why at first.

    `level` and `due`, the last day to close it, are those with which a watcher raises it.
    """

    rule: str
    level: str
    raised_on: dt.date
    due: dt.date
    cleared_on: dt.date | None
    move: Move


@dataclass(frozen=True)
class Timeline:
    """What became known of a loan file until a day, `as_of`, and what it moved.

    `outcomes` are those of the last day. Events later than that day are left out; `later` counts them.
    """

    pack: Pack
    loan_id: str
    as_of: dt.date
    hindsight: bool
    entries: tuple[Entry, ...]
    outcomes: tuple[Judgement, ...]
    obligations: tuple[Obligation, ...]
    file: LoanFile
    later: int
    book: Book | None = None

    @cached_property
    def levels(self) -> Mapping[str, str]:
        """The level with which an alert of each rule is raised."""
        return self._terms.levels

    @cached_property
    def _terms(self) -> Terms:
        return Terms(self.pack)

    @cached_property
    def alerts(self) -> tuple[Alert, ...]:
        """All alerts in the order in which they were raised."""
        found: list[Alert] = []
        open_: dict[str, int] = {}
        for entry in self.entries:
            for move in entry.moves:
                rule = move.judgement.rule
                if move.cleared:
                    place = open_.pop(rule)
                    found[place] = dataclasses.replace(found[place], cleared_on=entry.day)
                if move.raised:
                    open_[rule] = len(found)
                    level = self.levels[rule]
                    due = dt.date.fromordinal(self._terms.due(level, entry.day.toordinal()))
                    found.append(Alert(rule, level, entry.day, due, None, move))
        return tuple(found)

    def finding(self, move: Move, lang: str) -> str:
        """What the pack says of a breach, with the facts of the day."""
        texts = self.pack.rules[move.judgement.rule].finding
        text = texts.get(lang) or next(iter(texts.values()))
        return text if move.reasons is None else move.reasons.tell(text)

    def as_json(self) -> dict[str, Any]:
        """Plain values (docs/formats.md, "A timeline as JSON")."""
        return {
            "format": FORMAT,
            "pack": {"name": self.pack.name, "version": self.pack.version, "digest": self.pack.digest},
            "book": None
            if self.book is None
            else {"digest": self.book.digest, "synthetic": self.book.synthetic},
            "loan": self.loan_id,
            "as_of": self.as_of.isoformat(),
            "hindsight": self.hindsight,
            "later_events": self.later,
            "entries": [self._entry(entry) for entry in self.entries],
            "alerts": [
                {
                    "rule": alert.rule,
                    "level": alert.level,
                    "raised_on": alert.raised_on.isoformat(),
                    "due": alert.due.isoformat(),
                    "cleared_on": plain(alert.cleared_on),
                    "finding": self._findings(alert.move),
                }
                for alert in self.alerts
            ],
            "obligations": [_obligation(o) for o in self.obligations],
            "outcomes": {j.rule: j.outcome.text for j in self.outcomes},
        }

    def _entry(self, entry: Entry) -> dict[str, Any]:
        event = entry.event
        return {
            "day": entry.day.isoformat(),
            "event": None
            if event is None
            else {
                "id": event.id,
                "at": event.at.isoformat(),
                "kind": event.kind,
                "item": event.item,
                "data": event.data,
            },
            "moves": [self._move(move) for move in entry.moves],
            "obligations": [
                {**_obligation(change.obligation), "before": change.before} for change in entry.changes
            ],
        }

    def _move(self, move: Move) -> dict[str, Any]:
        j = move.judgement
        return {
            "rule": j.rule,
            "before": None if move.before is None else move.before.text,
            "after": j.outcome.text,
            "version": j.version,
            "judged_on": plain(j.judged_on),
            "note": j.note,
            "finding": self._findings(move) if move.raised else None,
            "facts": {} if move.reasons is None else dict(move.reasons.facts),
            "missing": [] if move.reasons is None else list(move.reasons.missing),
        }

    def _findings(self, move: Move) -> dict[str, str]:
        return {lang: self.finding(move, lang) for lang in self.pack.languages}


def timeline_of(
    book: Path,
    pack: Path | Pack,
    loan_id: str,
    *,
    as_of: dt.date | None = None,
    hindsight: bool = False,
    verify: bool = False,
    track: Track = iter,
) -> Timeline:
    """The timeline of a loan file of a book; see `timeline`. `verify` first reads the book against its digest.

    SanchaError where the book or the pack cannot be worked with, or where the book has no such file.
    """
    policy = pack if isinstance(pack, Pack) else load_pack(pack)
    opened = open_book(book, policy.vocabulary, verify=verify)
    file = read_file(opened, policy.vocabulary, loan_id)
    reference = read_reference(opened, policy.vocabulary)
    return timeline(file, reference, policy, as_of=as_of, hindsight=hindsight, book=opened, track=track)


def timeline(
    file: LoanFile,
    reference: Reference,
    pack: Pack,
    *,
    as_of: dt.date | None = None,
    hindsight: bool = False,
    book: Book | None = None,
    track: Track = iter,
) -> Timeline:
    """The timeline of a loan file until a day, that of the book unless it is given; `track` walks over its days.

    Reference lists are as they stand in the book throughout: it does not say since when.
    """
    day = as_of or (book.as_of if book is not None else None)
    if day is None:
        raise ValueError("a timeline ends on a day")
    evaluator = Evaluator(pack, plan=lower(pack, hindsight=hindsight))
    history = _History(evaluator, pack, reference)
    events = events_of(file, pack.vocabulary, day)
    known = [event for event in events if event.at.date() <= day]
    entries = tuple(history.entries(file.id, known, day, track))
    return Timeline(
        pack,
        file.id,
        day,
        hindsight,
        entries,
        tuple(history.judged.values()),
        tuple(history.obligations.values()),
        history.file,
        len(events) - len(known),
        book,
    )


class _History:
    """A file as it stood, and what was found of it last."""

    def __init__(self, evaluator: Evaluator, pack: Pack, reference: Reference) -> None:
        self.evaluator = evaluator
        self.pack = pack
        self.reference = reference
        self.finder = Obligations(evaluator.plan, pack.calendar)
        self.timed = {id for id, rule in evaluator.rules.items() if reads_the_day(rule.plan)}
        self.judged: dict[str, Judgement] = {}
        self.obligations: dict[tuple[str, str, str | None, int | None], Obligation] = {}

    def entries(self, loan: str, events: list[Event], last: dt.date, track: Track) -> Iterator[Entry]:
        """One an event, and one a day on which time alone moved something."""
        vocabulary = self.pack.vocabulary
        self.file = folded(loan, (), vocabulary)
        by_day = {day: list(group) for day, group in groupby(events, lambda e: e.at.date())}
        first = events[0].at.date()
        for number in track(range(first.toordinal(), last.toordinal() + 1)):
            day = dt.date.fromordinal(number)
            if day != first:
                # Until its day is known, a rule is judged on the day at hand.
                moving = [id for id, j in self.judged.items() if id in self.timed or j.judged_on is None]
                entry = self.entry(day, None, self.judge(day, moving))
                if entry.moves or entry.changes:
                    yield entry
            for event in by_day.get(day, ()):
                self.file = after(self.file, event, vocabulary)
                yield self.entry(day, event, self.judge(day, list(self.evaluator.rules)))

    def judge(self, day: dt.date, rules: list[str]) -> tuple[Move, ...]:
        moves = []
        for judgement in self.evaluator.judge(self.file, self.reference, day, rules):
            last = self.judged.get(judgement.rule)
            self.judged[judgement.rule] = judgement
            if last is None or last.outcome is not judgement.outcome:
                reasons = None
                if judgement.outcome in EXPLAINED:
                    reasons = self.evaluator.reasons(judgement, self.file, self.reference, day)
                moves.append(Move(None if last is None else last.outcome, judgement, reasons))
        return tuple(moves)

    def entry(self, day: dt.date, event: Event | None, moves: tuple[Move, ...]) -> Entry:
        found = {o.key: o for o in self.finder.of(self.file, self.reference, day) if _begun(o, day)}
        before, self.obligations = self.obligations, found
        changes = []
        for key, now in found.items():
            was = before.get(key)
            if was is None or (was.state, was.due, was.opened_on) != (now.state, now.due, now.opened_on):
                changes.append(Change(None if was is None else was.state, now))
        for key, was in before.items():
            if key not in found:
                gone = Obligation(
                    was.rule, was.version, was.list, was.item, was.opened_on, was.due, State.NOT_APPLICABLE
                )
                changes.append(Change(was.state, gone))
        return Entry(day, event, moves, tuple(changes))


def _begun(obligation: Obligation, day: dt.date) -> bool:
    """Whether an obligation is one, and its first day is not ahead."""
    if obligation.state is State.OPEN and obligation.opened_on is not None:
        return obligation.opened_on <= day
    return obligation.state is not State.NOT_APPLICABLE


def reads_the_day(plan: RulePlan) -> bool:
    """Whether the outcome of a rule may move from day to day while its file stays as it is.

    One judged on the day that a fact names reads the day of the book only where that fact is missing (its `day`).
    """
    cores: Mapping[str, c.Core] = {
        **dict(plan.lets),
        "$code": plan.code,
        "$judged": plan.judged,
        "$note": plan.note,
    }
    return any(_reads_as_of(core) for name, core in cores.items() if name != "day")


def _reads_as_of(core: c.Core) -> bool:
    for node in c.walk_once([core]):
        if isinstance(node, c.Var) and node.name == "as_of":
            return True
        if isinstance(node, c.Lookup) and any(v.name == "as_of" for v in node.table.variables):
            return True
    return False


def _obligation(found: Obligation) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "version": found.version,
        "list": found.list,
        "item": found.item,
        "opened_on": plain(found.opened_on),
        "due": plain(found.due),
        "state": found.state,
    }

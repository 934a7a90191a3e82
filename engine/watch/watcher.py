"""The watcher: takes events in, judges the files that they move, and says what became of their alerts.

A file is judged on a day by what was known at its end. Its history is that of all its events in order, whenever they
arrived: on each day on which an event moved a rule, or on which time alone did, the rule is judged, and its alerts
follow from that. An event that comes late is put in its place, and the rules that it moves are judged anew from its day
on; what was told of their alerts and no longer holds is taken back. So the order of arrival makes no difference in the
end.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.judge import Judge, Request
from sancha.engine.run.row import Evaluator
from sancha.engine.watch.alerts import Alert, Close, Course, Entry, Terms, Told, shown, tell
from sancha.engine.watch.clock import NEVER, Clock, RuleClock
from sancha.engine.watch.events import CLOSE, FILE, TICK, BadEvent, Event, after, order, read_event
from sancha.engine.watch.loans import Loan, Moves, ReferenceLists, Snapshots, Ticks, by_day, file_after
from sancha.engine.watch.outlet import WRITTEN
from sancha.engine.watch.store import LoanRow, Store

#: Files that are kept in memory.
MOST_FILES = 4_000
#: Loans whose time has come that are judged at a time.
_CHUNK = 500


@dataclass
class Summary:
    """What was done, counted."""

    events: int = 0
    repeated: int = 0
    letters: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    #: Outcomes that the other engine was not asked, or did not give, by the reason; they are the row evaluator's alone.
    by_row: Counter[str] = field(default_factory=Counter)

    def text(self) -> str:
        letters = {reason: count for reason, count in sorted(self.letters.items()) if count > 0}
        reasons = f" ({', '.join(f'{reason} {n:,}' for reason, n in letters.items())})" if letters else ""
        kinds = ["raised", "withdrawn", "cleared", "escalated", "closed"]
        kinds += sorted(self.alerts.keys() - set(kinds))
        by_row = "".join(
            f"\nby the row evaluator alone: {n:,} ({note})" for note, n in sorted(self.by_row.items())
        )
        return (
            f"events: {self.events:,} taken in, {self.repeated:,} known already\n"
            f"dead letters: {sum(letters.values()):,}{reasons}\n"
            f"alerts: {', '.join(f'{self.alerts[kind]:,} {kind}' for kind in kinds)}{by_row}"
        )


@dataclass
class _Batch:
    """What comes of one batch until it is committed."""

    clock: int
    lines: list[tuple[int, str, str]] = field(default_factory=list)
    requests: list[tuple[Request, Mapping[str, Any], str | None]] = field(default_factory=list)
    touched: dict[str, Loan] = field(default_factory=dict)
    #: Closings that speak of no alert that is known.
    closes: dict[str, list[tuple[str, bytes, Event]]] = field(default_factory=dict)


class Watcher:
    """Takes in batches of messages. Each is committed as a whole: events, alerts, and the lines that tell of them.

    `judge`, where one is given, judges besides the row evaluator, and what they do not agree on is told. `today` is the
    machine's day, after which no event can be; `tick` says on which days time is looked at (`daily`, `weekly`,
    `monthly`, `none`: on those of `tick` events alone). Lines are in the language `lang`.
    """

    def __init__(
        self,
        pack: Pack,
        store: Store,
        *,
        today: Callable[[], dt.date],
        judge: Judge | None = None,
        tick: str = "daily",
        lang: str = "en",
        most_files: int = MOST_FILES,
    ) -> None:
        if tick not in ("daily", "weekly", "monthly", "none"):
            raise SanchaError(f"unknown tick `{tick}`", help="ticks are daily, weekly, monthly and none")
        self.pack, self.store, self.judge = pack, store, judge
        self.today, self.lang, self.most_files = today, lang, most_files
        self.vocabulary = pack.vocabulary
        plan = lower(pack)
        self.evaluator = Evaluator(pack, plan=plan)
        self.rules = {rule.id: RuleClock(rule, pack) for rule in plan.rules}
        self.moves = Moves(plan, pack.vocabulary)
        self.terms = Terms(pack)
        self.snapshots = Snapshots(pack.vocabulary)
        self.reference = ReferenceLists()
        self.ticks = Ticks(tick)
        self.summary = Summary()
        self.loans: OrderedDict[str, Loan] = OrderedDict()
        with store.told():
            self._carry_on()

    def _carry_on(self) -> None:
        """Takes up the store where it was left."""
        store = self.store
        self.clock = 0 if store.clock is None else store.clock.toordinal()
        self.number = store.last_event()
        self.line = store.last_line()
        #: The number of the last event that files are told of.
        self.upto = self.number
        #: The number of the last line that was written out, to be noted with the next batch.
        self.written: int | None = None
        self.first_letter = max((letter.number for letter in store.letters()), default=0) + 1
        for _, text in store.texts(""):
            event = self._stored(text)
            if event.kind == TICK:
                self.ticks.add(event.at.toordinal())
            else:
                self.reference.add(event)

    # -- one batch --------------------------------------------------------------------------------------------------

    def take(self, messages: Sequence[tuple[object, bytes]]) -> list[tuple[int, str]]:
        """Takes in messages with their places; gives the lines to be written, numbered, once all is committed.

        Raises SanchaError where the store cannot be worked with; then nothing of the batch was taken in.
        """
        read: list[tuple[str, bytes, Event | BadEvent]] = []
        last_day = self.today() + dt.timedelta(days=1)
        for place, text in messages:
            read.append((str(place), text, self._read(text, last_day)))
        with self.store.transaction():
            batch = _Batch(self.clock)
            fresh = self._fresh(read)
            self._take(fresh, batch)
            self._finish(batch)
        self.clock = batch.clock
        return [(number, text) for number, _, text in batch.lines]

    def judge_anew(self) -> Iterator[list[tuple[int, str]]]:
        """Judges every file on the day of the clock, by all rules: the policy is another one. Gives lines as `take`."""
        after_ = ""
        while loans := self.store.all_loans(after_, _CHUNK):
            after_ = loans[-1]
            with self.store.transaction():
                batch = _Batch(self.clock)
                because = f"the policy is {self.pack.name} {self.pack.version} now"
                for loan in self._load(loans):
                    loan.wakes = {rule: day for rule, day in loan.wakes.items() if rule in self.rules}
                    self._advance(loan, [], batch, dict.fromkeys(self.rules, self.clock), because)
                self._finish(batch)
            yield [(number, text) for number, _, text in batch.lines]
        with self.store.transaction():
            self.store.set("pack", self.pack.digest)

    def _read(self, text: bytes, last_day: dt.date) -> Event | BadEvent:
        try:
            text.decode()
            event = read_event(text, self.vocabulary)
            if event.at.date() > last_day:
                raise BadEvent("in the future", f"it is of {event.at.date()}, after the day of this machine")
            if event.kind == CLOSE:
                _close_of(event)
        except UnicodeDecodeError as error:
            return BadEvent("not JSON", f"it is no UTF-8 text: {error.reason} at byte {error.start + 1}")
        except BadEvent as bad:
            return bad
        return event

    def _fresh(self, read: Sequence[tuple[str, bytes, Event | BadEvent]]) -> list[tuple[str, bytes, Event]]:
        """The events that are new and of known loans, or of none; the others are counted, and laid aside."""
        store = self.store
        events = [(place, text, event) for place, text, event in read if isinstance(event, Event)]
        for place, text, bad in read:
            if isinstance(bad, BadEvent):
                self._lay_aside(place, text, bad)
        wanted = list(dict.fromkeys(e.loan for *_, e in events if e.loan and e.loan not in self.loans))
        known = store.loans(wanted)
        opened = {e.loan for *_, e in events if e.kind == FILE and e.loan in wanted and e.loan not in known}
        for letter in store.waiting(list(opened)) if opened else ():
            text = letter.text.encode()
            event = self._read(text, dt.date.max)
            if isinstance(event, Event):
                events.append((letter.place, text, event))
                self._take_back([letter])
        seen = store.known([e.id for *_, e in events])
        fresh = []
        for place, text, event in events:
            before = seen.get(event.id)
            if before is not None:
                if _same(before, text):
                    self.summary.repeated += 1
                else:
                    self._lay_aside(
                        place,
                        text,
                        BadEvent("duplicate id", f"the event `{event.id}` said something else before"),
                    )
            elif event.loan and event.loan in wanted and event.loan not in known and event.loan not in opened:
                bad = BadEvent("unknown loan", f"no event `file` has opened the loan `{event.loan}` yet")
                self._lay_aside(place, text, bad, event.loan)
            else:
                seen[event.id] = text.decode()
                fresh.append((place, text, event))
        return fresh

    def _lay_aside(self, place: str, text: bytes, bad: BadEvent, waits_for: str | None = None) -> None:
        if self.store.lay_aside(place, bad.reason, bad.message, text, waits_for):
            self.summary.letters[bad.reason] += 1
        else:
            self.summary.repeated += 1

    def _take_back(self, letters: Iterable[Any]) -> None:
        for letter in letters:
            self.store.take_back([letter])
            if letter.number >= self.first_letter:
                self.summary.letters[letter.reason] -= 1

    def _take(self, fresh: Sequence[tuple[str, bytes, Event]], batch: _Batch) -> None:
        self._add([(text, event) for _, text, event in fresh if event.kind != CLOSE])
        rows, of_loans = [], dict[str, list[Event]]()
        for place, text, event in fresh:
            batch.clock = max(batch.clock, event.at.toordinal())
            if event.kind == TICK:
                self.ticks.add(event.at.toordinal())
            elif event.kind == CLOSE:
                batch.closes.setdefault(event.loan, []).append((place, text, event))
            elif not event.loan:
                self.reference.add(event)
                rows.append(event)
            else:
                of_loans.setdefault(event.loan, []).append(event)
        loans = list(dict.fromkeys((*of_loans, *batch.closes)))
        for i in range(0, len(loans), _CHUNK):
            for loan in self._load(loans[i : i + _CHUNK]):
                self._advance(loan, of_loans.get(loan.id, []), batch)
                self._close(loan, batch.closes.get(loan.id, []), batch)
        self.upto = self.number
        if rows:
            self._judge_by_rows(rows, batch)
        # Time passed for the other loans too.
        last = self.ticks.last(batch.clock)
        if last > self.ticks.last(self.clock) or any(event.kind == TICK for *_, event in fresh):
            self._put(batch)
            while loans := self.store.wake(last, _CHUNK):
                for loan in self._load(loans):
                    self._advance(loan, [], batch)
                self._put(batch)

    def _add(self, kept: Sequence[tuple[bytes, Event]]) -> None:
        self.store.add((event.id, event.loan, text.decode()) for text, event in kept)
        self.number += len(kept)
        self.summary.events += len(kept)

    def _judge_by_rows(self, rows: Sequence[Event], batch: _Batch) -> None:
        """Rows of reference lists came: every file is judged anew by the rules that read them."""
        dirty: dict[str, int] = {}
        for event in rows:
            for rule in self.moves.of(event):
                dirty[rule] = min(dirty.get(rule, NEVER), event.at.toordinal())
        because = _because(rows)
        self._put(batch)
        after_ = ""
        while dirty and (loans := self.store.all_loans(after_, _CHUNK)):
            after_ = loans[-1]
            for loan in self._load(loans):
                self._advance(loan, [], batch, dirty, because)
            self._put(batch)

    def _put(self, batch: _Batch) -> None:
        """Puts what was touched into the store; files that were long not asked for leave the memory."""
        self.store.put_loans(map(_row, batch.touched.values()))
        alerts = []
        for loan in batch.touched.values():
            alerts += [(loan.id, alert.id, alert.to_json()) for alert in loan.changed]
            loan.changed = []
        self.store.put_alerts(alerts)
        batch.touched = {}
        files = []
        while len(self.loans) > self.most_files:
            _, loan = self.loans.popitem(last=False)
            if loan.folded > loan.saved:
                files.append((loan.id, loan.folded, self.snapshots.write(loan)))
        self.store.put_files(files)

    def _finish(self, batch: _Batch) -> None:
        if self.judge is not None and batch.requests:
            self._compare(self.judge, batch)
        self._put(batch)
        self.store.add_lines(batch.lines)
        if self.written is not None:
            self.store.set(WRITTEN, str(self.written))
        if batch.clock != self.clock:
            self.store.set("clock", dt.date.fromordinal(batch.clock).isoformat())

    # -- files ------------------------------------------------------------------------------------------------------

    def _stored(self, text: str) -> Event:
        try:
            return read_event(text.encode(), self.vocabulary)
        except BadEvent as bad:
            raise SanchaError(
                f"an event of the store does not fit the pack's vocabulary: {bad.message}",
                code="E0740",
                where=self.store.path,
                help="watch with the vocabulary that the store was begun with, or begin a new store",
            ) from bad

    def _load(self, ids: Sequence[str]) -> list[Loan]:
        """Loans as they stand, in this order; one that the store does not know stands at its beginning."""
        absent = [id_ for id_ in ids if id_ not in self.loans]
        rows, files = self.store.loans(absent), self.store.files(absent)
        alerts = self.store.alerts([id_ for id_, row in rows.items() if row.alerts])
        out = []
        for id_ in ids:
            loan = self.loans.get(id_)
            if loan is None:
                loan = self._from_store(id_, rows.get(id_), files.get(id_), alerts.get(id_, []))
                self.loans[id_] = loan
            else:
                self.loans.move_to_end(id_)
            out.append(loan)
        return out

    def _from_store(
        self, id_: str, row: LoanRow | None, file: tuple[int, str] | None, alerts: Iterable[str]
    ) -> Loan:
        empty = LoanFile(id_, dict.fromkeys(self.vocabulary.facts), dict.fromkeys(self.vocabulary.lists))
        loan = Loan(id_, empty)
        if row is None:
            return loan
        loan.wakes = json.loads(row.wakes)
        for alert in map(Alert.from_json, alerts):
            loan.alerts.setdefault(alert.rule, []).append(alert)
        if file is not None:
            loan.folded = loan.saved = file[0]
            loan.file, loan.last = self.snapshots.read(id_, file[1])
        events = self._events(id_, loan.folded, self.upto) if loan.folded < row.told else []
        if events and loan.last is not None and order(events[0]) < loan.last:
            loan.file, loan.last = empty, None
            events = self._events(id_, upto=self.upto)
        if events:
            loan.take(events, self.vocabulary)
            loan.folded = self.upto
        return loan

    def _events(self, loan: str, after_: int = 0, upto: int | None = None) -> list[Event]:
        """What a file is told, in order, of the events that came after a number and up to another."""
        found = (self._stored(t) for n, t in self.store.texts(loan, after_) if upto is None or n <= upto)
        return sorted((event for event in found if event.kind != CLOSE), key=order)

    # -- judging ----------------------------------------------------------------------------------------------------

    def _advance(
        self,
        loan: Loan,
        events: Sequence[Event],
        batch: _Batch,
        anew: Mapping[str, int] | None = None,
        because: str = "",
    ) -> None:
        """Judges a loan up to the clock: from its new events on by the rules that they move, by others where time moves
        them, and by the rules `anew` from their days on."""
        today = batch.clock
        events = sorted(events, key=order)
        anew = dict(anew or {})
        base = loan.file
        start = min([*anew.values(), *(e.at.toordinal() for e in events[:1])], default=NEVER)
        in_order = loan.last is None or not events or order(events[0]) > loan.last
        if not in_order or (loan.last is not None and anew and start <= loan.last[0].toordinal()):
            told = self._events(loan.id)
            first = told[0].at.toordinal()
            anew = {rule: max(day, first) for rule, day in anew.items()}
            start = max(start, first)
            base = LoanFile(
                loan.id, dict.fromkeys(self.vocabulary.facts), dict.fromkeys(self.vocabulary.lists)
            )
            for event in told:
                if event.at.toordinal() < start:
                    base = after(base, event, self.vocabulary)
            days = list(by_day(e for e in told if e.at.toordinal() >= start))
        else:
            days = list(by_day(events))
        dirty = dict(anew)
        for event in events:
            for rule in self.moves.of(event):
                dirty[rule] = min(dirty.get(rule, NEVER), event.at.toordinal())
        courses: dict[str, Course] = {}
        for rule, day in dirty.items():
            if loan.wakes.get(rule, 0) >= day:
                del loan.wakes[rule]
            if rule in loan.alerts:
                courses[rule] = Course(loan.id, rule, loan.alerts[rule], self.terms, self.ticks.next)
                courses[rule].begin(day)
        file, at = base, 0
        while True:
            forced = min(anew.values(), default=NEVER)
            wakes = min(loan.wakes.values(), default=NEVER)
            day = min(days[at][0] if at < len(days) else NEVER, forced, self.ticks.next(wakes))
            if day > today:
                break
            moved: dict[str, str | None] = {}
            if at < len(days) and days[at][0] == day:
                for event in days[at][1]:
                    file = file_after(file, event, self.vocabulary)
                    for rule in self.moves.of(event):
                        if dirty.get(rule, NEVER) <= day:
                            moved[rule] = event.id
                at += 1
            asked = dict(moved)
            for rule in [rule for rule, first in anew.items() if first == day]:
                del anew[rule]
                asked.setdefault(rule, None)
            for rule, wake in loan.wakes.items():
                if wake <= day and self.ticks.next(wake) <= day:
                    asked.setdefault(rule, None)
            self._judge(loan, file, day, asked, moved, courses, batch)
        if events or loan.last is None:
            loan.file = file
            loan.last = max(filter(None, (loan.last, order(events[-1]) if events else None)), default=None)
            loan.folded = self.number
        self._conclude(loan, courses, batch, because or _because(events))

    def _judge(
        self,
        loan: Loan,
        file: LoanFile,
        day: int,
        asked: Mapping[str, str | None],
        moved: Mapping[str, str | None],
        courses: dict[str, Course],
        batch: _Batch,
    ) -> None:
        """One day of a file, by the rules asked, each moved by an event or (None) by time."""
        reference, clock = self.reference.on(day), Clock.on(day)
        for rule, by in asked.items():
            outcome, wake = self.rules[rule].judge(file.facts, file.lists, reference, clock)
            if wake < NEVER:
                loan.wakes[rule] = wake
            else:
                loan.wakes.pop(rule, None)
            breach = outcome is Outcome.BREACH
            course = courses.get(rule)
            if course is None:
                if not breach and rule not in loan.alerts:
                    continue
                course = courses[rule] = Course(
                    loan.id, rule, loan.alerts.get(rule, []), self.terms, self.ticks.next
                )
            raised = course.judged(day, breach, by, rule in moved)
            if raised is not None:
                raised.statement = self._statement(file, reference, day, rule, by)
        if self.judge is not None and asked:
            request = Request(file, dt.date.fromordinal(day), tuple(asked))
            batch.requests.append((request, reference, next(iter(moved.values()), None)))

    def _statement(
        self, file: LoanFile, reference: Mapping[str, Any], day: int, rule: str, by: str | None
    ) -> dict[str, Any]:
        """What is said of an alert's raising."""
        as_of = dt.date.fromordinal(day)
        (judged,) = self.evaluator.judge(file, reference, as_of, [rule])
        reasons = self.evaluator.reasons(judged, file, reference, as_of)
        policy = self.pack.rules[rule]
        version = next(
            (v for v in policy.versions if v.valid_from.isoformat() == judged.version), policy.versions[-1]
        )
        return {
            "opened_by": by,
            "title": self._in(policy.title),
            "clause": version.clause,
            "version": judged.version,
            "explanation": reasons.tell(self._in(policy.finding)),
            "facts": dict(reasons.facts),
        }

    def _in(self, texts: Mapping[str, str]) -> str:
        return texts.get(self.lang) or next(iter(texts.values()))

    # -- alerts -----------------------------------------------------------------------------------------------------

    def _conclude(self, loan: Loan, courses: dict[str, Course], batch: _Batch, because: str) -> None:
        """Brings the alerts of a loan up to the clock, and tells what is new of them."""
        touched: list[Alert] = []
        for rule, alerts in loan.alerts.items():
            if rule not in courses and any(a.wake <= batch.clock for a in alerts):
                courses[rule] = Course(loan.id, rule, alerts, self.terms, self.ticks.next)
        raised = False
        for rule, course in courses.items():
            course.end(batch.clock)
            if course.alerts:
                loan.alerts[rule] = course.alerts
                touched += [a for a in course.alerts if not a.withdrawn or a in course.withdrawn]
        owner = None if self.pack.owner is None else loan.file.facts[self.pack.owner]
        for alerts in loan.alerts.values():
            for alert in alerts:
                if not alert.told:
                    alert.owner = None if owner is None else str(owner)
                elif alert.open and owner is not None and alert.owner != owner:
                    alert.owner = str(owner)
                    if alert not in touched:
                        touched.append(alert)
        found: list[tuple[int, Alert, Told]] = []
        for alert in touched:
            if not alert.id:
                raised = True
                alert.id = self._id(loan, alert)
            news = tell(alert, because)
            found += [(told.entry.day if told.entry else 0, alert, told) for told in news]
            loan.changed.append(alert)
        for _, alert, told in sorted(found, key=lambda each: each[0]):
            self._tell(alert, told, batch)
        batch.touched[loan.id] = loan
        if raised:
            self._close_late(loan, batch)

    def _id(self, loan: Loan, alert: Alert) -> str:
        name = id_ = f"{loan.id}/{alert.rule}/{shown(alert.since)}"
        number = 1
        while loan.alert(id_) is not None:
            number += 1
            id_ = f"{name}/{number}"
        return id_

    def _tell(self, alert: Alert, told: Told, batch: _Batch) -> None:
        entry = told.entry
        line: dict[str, Any] = {
            "line": self.line + 1,
            "id": alert.id,
            "status": told.status,
            "on": shown(entry.day if entry else batch.clock),
            "rule": alert.rule,
            "level": entry.level if entry else alert.level,
            "loan": alert.loan,
            "owner": alert.owner,
            "raised_on": shown(alert.since),
            "due": shown(entry.due if entry else alert.due),
        }
        if entry is not None:
            line |= self._of_entry(alert, entry)
        self._line(alert.id, line | told.fields, batch)

    def _of_entry(self, alert: Alert, entry: Entry) -> dict[str, Any]:
        """What a line of an entry has besides."""
        match entry.kind:
            case "raised" | "escalated":
                review = self.terms.review(entry.level, entry.day)
                return {"review_due": shown(review)} if entry.due is not None else {"overdue": True}
            case "closed" if alert.close is not None:
                close = alert.close
                return {
                    "due": None,
                    "by": close.event,
                    "reason": close.reason,
                    "closed_by": close.by,
                    "second": close.second,
                }
            case "lowered":
                return {}
            case _:
                return {"by": entry.by}

    def _line(self, alert: str, line: Mapping[str, Any], batch: _Batch) -> None:
        self.line += 1
        batch.lines.append((self.line, alert, json.dumps(line, ensure_ascii=False, separators=(",", ":"))))
        self.summary.alerts[line["status"]] += 1

    def _close(self, loan: Loan, closes: Sequence[tuple[str, bytes, Event]], batch: _Batch) -> None:
        """Closes alerts as events say, or lays the events aside."""
        for place, text, event in sorted(closes, key=lambda each: order(each[2])):
            try:
                self._close_one(loan, event, batch)
            except BadEvent as bad:
                waits = loan.id if bad.reason == "unknown alert" else None
                self._lay_aside(place, text, bad, waits)
            else:
                self._add([(text, event)])

    def _close_late(self, loan: Loan, batch: _Batch) -> None:
        """Closings that came before their alert was known."""
        letters = [x for x in self.store.waiting([loan.id]) if x.reason == "unknown alert"]
        found = []
        for letter in letters:
            event = self._read(letter.text.encode(), dt.date.max)
            if isinstance(event, Event) and loan.alert(str(event.data["alert"])) is not None:
                self._take_back([letter])
                found.append((letter.place, letter.text.encode(), event))
        self._close(loan, found, batch)

    def _close_one(self, loan: Loan, event: Event, batch: _Batch) -> None:
        close = _close_of(event)
        alert = loan.alert(str(event.data["alert"]))
        if alert is None:
            raise BadEvent("unknown alert", f"the loan `{loan.id}` has no alert `{event.data['alert']}` yet")
        if alert.withdrawn:
            raise BadEvent("bad close", f"`{alert.id}` was withdrawn")
        if alert.close is not None:
            raise BadEvent("bad close", f"`{alert.id}` was closed on {shown(alert.close.day)}")
        if close.day < alert.since:
            raise BadEvent("bad close", f"`{alert.id}` was raised on {shown(alert.since)}, after that day")
        if close.second == alert.owner:
            raise BadEvent("bad close", f"the second person is the owner, `{alert.owner}`")
        alert.close = close
        later = [spell.start for spell in alert.spells] + [step.day for step in alert.steps]
        if max(later) > close.day or max(alert.clean, default=0) > close.day:
            because = f"it was closed on {shown(close.day)} by the event `{event.id}`"
            self._advance(loan, [], batch, {alert.rule: close.day + 1}, because)
        else:
            course = Course(loan.id, alert.rule, loan.alerts[alert.rule], self.terms, self.ticks.next)
            self._conclude(loan, {alert.rule: course}, batch, "")

    # -- another engine ---------------------------------------------------------------------------------------------

    def _compare(self, judge: Judge, batch: _Batch) -> None:
        """Has another engine judge what was judged, and tells where it does not agree."""
        groups: dict[int, list[tuple[Request, Mapping[str, Any], str | None]]] = {}
        for each in batch.requests:
            groups.setdefault(id(each[1]), []).append(each)
        for group in groups.values():
            answers = judge.judge([request for request, *_ in group], group[0][1])
            for (request, _, by), found in zip(group, answers, strict=True):
                for one in found:
                    if one.disagrees:
                        self._disagrees(request, one, by, batch)
                    elif one.note is not None:
                        self.summary.by_row[one.note] += 1

    def _disagrees(self, request: Request, found: Any, by: str | None, batch: _Batch) -> None:
        judged = found.judgement
        id_ = f"{request.file.id}/{judged.rule}/{request.as_of.isoformat()}/engine"
        line = {
            "line": self.line + 1,
            "id": id_,
            "status": "engine disagreement",
            "on": request.as_of.isoformat(),
            "rule": judged.rule,
            "level": self.terms.levels[judged.rule],
            "loan": request.file.id,
            "opened_by": by,
            "row": judged.outcome.text,
            "engine": None if found.engine is None else found.engine.text,
            "explanation": found.note,
            "facts": dict(found.reasons.facts) if found.reasons is not None else {},
        }
        self._line(id_, line, batch)


def _close_of(event: Event) -> Close:
    """What an event `close` says. Raises BadEvent."""
    unknown = event.data.keys() - {"alert", "reason", "closed_by", "second"}
    if unknown:
        raise BadEvent("bad close", f"a close has no `{min(unknown)}`")
    said = []
    for name in ("alert", "reason", "closed_by", "second"):
        value = event.data.get(name)
        if not isinstance(value, str) or not value.strip():
            raise BadEvent("bad close", f"a close names its `{name}`")
        said.append(value)
    _, reason, by, second = said
    if by == second:
        raise BadEvent("bad close", "the second person is the one who closes")
    return Close(event.at.toordinal(), event.id, reason, by, second)


def _same(before: str, text: bytes) -> bool:
    """Whether two texts of an event say the same."""
    try:
        return before.encode() == text or json.loads(before) == json.loads(text)
    except (ValueError, RecursionError):
        return False


def _because(events: Sequence[Event]) -> str:
    """Why what was told before no longer holds: these events were not known."""
    if not events:
        return "time has passed"
    shown_ = [f"`{e.id}` of {e.at.date()}" for e in events[:3]]
    more = f" and {len(events) - 3} more" if len(events) > 3 else ""
    return f"it would not have been so had {', '.join(shown_)}{more} been known"


def _row(loan: Loan) -> LoanRow:
    wake = loan.wake()
    wakes = json.dumps(loan.wakes, separators=(",", ":"))
    alerts = sum(map(len, loan.alerts.values()))
    return LoanRow(loan.id, wake if wake < NEVER else None, wakes, alerts, loan.folded)

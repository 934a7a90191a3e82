"""Alerts: what a rule's outcomes, day by day, come to (docs/live.md, "Alerts").

An alert is of a loan and a rule. Its course follows from the days on which the rule was judged, the day on which it was
closed, and the days that passed: whatever came late, the course is drawn anew from that day on, and what was told of it
before is compared with what is true now.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sancha.engine.policy.pack import Pack
from sancha.engine.watch.clock import NEVER

#: From the least to the most pressing.
LEVELS = ("yellow", "orange", "red")
#: The level of a rule without a `signal`, by its impact.
BY_IMPACT = {"formal": "yellow", "control": "yellow", "regulatory": "orange", "fraud": "red"}
#: Working days to close an alert, where the pack has no `parameters.signal_days_LEVEL`.
DAYS = {"red": 1, "orange": 3, "yellow": 10}
#: Working days in which a red or orange alert is followed by a review of the loan's grade, where the pack has no
#: `parameters.classification_review_days`.
REVIEW_DAYS = 5
#: Judgings without a breach, on days of their own, after which an escalated alert goes down by a level.
CLEAN = 2

#: The first day, an ordinal, on which time is looked at that is not before a day; `NEVER` where there is none yet.
TickDay = Callable[[int], int]


class Terms:
    """The levels, days and owner that a pack gives to alerts."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.levels = {
            id: rule.signal or BY_IMPACT[rule.impact]
            for id, rule in pack.rules.items()
            if rule.kind != "portfolio"
        }

    def due(self, level: str, day: int) -> int:
        """The last day to close an alert of a level of a day."""
        return self._after(day, self._days(f"signal_days_{level}", DAYS[level], day))

    def review(self, level: str, day: int) -> int | None:
        """The last day for a review of the loan's grade; None: the level asks for none."""
        if level == "yellow":
            return None
        return self._after(day, self._days("classification_review_days", REVIEW_DAYS, day))

    def _days(self, name: str, default: int, day: int) -> int:
        parameter = self.pack.parameters.get(name)
        found: Any = default
        for first, constant, _ in parameter.steps if parameter is not None else ():
            if first.toordinal() <= day:
                found = constant.value
        return int(found)

    def _after(self, day: int, days: int) -> int:
        """So many working days later; outside the calendar, so many days from Monday to Friday."""
        found = self.pack.calendar.add(date.fromordinal(day), days)
        if found is not None and found.toordinal() >= day:
            return found.toordinal()
        last = date.fromordinal(day)
        while days > 0:
            last += timedelta(days=1)
            days -= last.weekday() < 5
        return last.toordinal()


@dataclass(slots=True)
class Spell:
    """Days of breach: from the day on (`by` an event; None: by time), before `until` (None: still)."""

    start: int
    by: str | None
    until: int | None = None
    until_by: str | None = None

    def holds(self, day: int) -> bool:
        return self.start <= day and (self.until is None or day < self.until)


@dataclass(slots=True)
class Step:
    """The level from a day on, and the last day to close the alert then (None: it has been escalated for good)."""

    day: int
    level: str
    due: int | None


@dataclass(slots=True)
class Close:
    """An alert was closed on a day, by an event."""

    day: int
    event: str
    reason: str
    by: str
    second: str


@dataclass(slots=True)
class Entry:
    """Something told of an alert: raised, again, cleared, escalated, lowered, closed. Which of the events of its day
    it came `by` makes no difference."""

    day: int
    kind: str
    level: str
    due: int | None
    by: str | None = field(compare=False)


@dataclass(slots=True)
class Alert:
    """One alert. Days are ordinals. `statement` is what is said of its raising; `told` what was told already."""

    loan: str
    rule: str
    spells: list[Spell]
    steps: list[Step]
    id: str = ""
    owner: str | None = None
    clean: list[int] = field(default_factory=list)
    close: Close | None = None
    withdrawn: bool = False
    statement: dict[str, Any] = field(default_factory=dict)
    told: list[Entry] = field(default_factory=list)
    told_statement: dict[str, Any] = field(default_factory=dict)
    told_owner: str | None = None

    @property
    def since(self) -> int:
        return self.spells[0].start

    @property
    def level(self) -> str:
        return self.steps[-1].level

    @property
    def open(self) -> bool:
        return self.close is None and not self.withdrawn

    @property
    def due(self) -> int | None:
        return self.steps[-1].due if self.open else None

    @property
    def wake(self) -> int:
        """The day on which time alone moves it."""
        due = self.due
        return NEVER if due is None else due + 1

    def in_breach(self) -> bool:
        return self.spells[-1].until is None

    def entries(self) -> list[Entry]:
        """All that is to be told of it, in order."""
        found: list[tuple[int, int, Entry]] = []

        def add(rank: int, day: int, kind: str, by: str | None) -> None:
            step = next((s for s in reversed(self.steps) if s.day <= day), self.steps[0])
            found.append((day, rank, Entry(day, kind, step.level, step.due, by)))

        for number, spell in enumerate(self.spells):
            add(1, spell.start, "again" if number else "raised", spell.by)
            if spell.until is not None and (self.close is None or spell.until <= self.close.day):
                add(1, spell.until, "cleared", spell.until_by)
        for before, step in zip(self.steps, self.steps[1:], strict=False):
            lowered = LEVELS.index(step.level) < LEVELS.index(before.level)
            add(2 if lowered else 0, step.day, "lowered" if lowered else "escalated", None)
        if self.close is not None:
            add(3, self.close.day, "closed", self.close.event)
        return [entry for _, _, entry in sorted(found, key=lambda each: each[:2])]

    # -- as JSON ----------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        told = {
            "loan": self.loan,
            "rule": self.rule,
            "spells": [_values(spell) for spell in self.spells],
            "steps": [_values(step) for step in self.steps],
            "id": self.id,
            "owner": self.owner,
            "clean": self.clean,
            "close": None if self.close is None else _values(self.close),
            "withdrawn": self.withdrawn,
            "statement": self.statement,
            "told": [_values(entry) for entry in self.told],
            "told_statement": None if self.told_statement == self.statement else self.told_statement,
            "told_owner": self.told_owner,
        }
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Alert:
        found = json.loads(text)
        found["spells"] = [Spell(*each) for each in found["spells"]]
        found["steps"] = [Step(*each) for each in found["steps"]]
        found["told"] = [Entry(*each) for each in found["told"]]
        found["close"] = None if found["close"] is None else Close(*found["close"])
        if found["told_statement"] is None:
            found["told_statement"] = found["statement"]
        return cls(**found)


def _values(part: Spell | Step | Close | Entry) -> list[Any]:
    return [getattr(part, name) for name in part.__slots__]


class Course:
    """The alerts of one rule of one loan, drawn day by day.

    `begin` goes back to a day; then `judged` is told of the days from there on, in order; `end` brings it to today.
    """

    def __init__(self, loan: str, rule: str, alerts: list[Alert], terms: Terms, tick_day: TickDay) -> None:
        self.loan, self.rule = loan, rule
        self.alerts = alerts
        self.terms = terms
        self.tick_day = tick_day
        #: Alerts of later days than the course was drawn anew from: they are found again, or withdrawn.
        self.before: list[Alert] = []
        self.withdrawn: list[Alert] = []

    def begin(self, day: int) -> None:
        """Forgets all from a day on, but not what was told."""
        kept = []
        for alert in self.alerts:
            if alert.withdrawn:
                kept.append(alert)
            elif alert.since >= day:
                self.before.append(alert)
            else:
                _rewind(alert, day)
                kept.append(alert)
        self.alerts = kept

    def judged(self, day: int, breach: bool, by: str | None, observed: bool) -> Alert | None:
        """The rule was judged on a day, moved `by` an event (None: by time); gives the alert that was raised."""
        self._resolve(day)
        last = self._last()
        if last is not None:
            self._pass_time(last, day)
        if breach:
            if last is not None and last.in_breach():
                return None
            if last is not None and (last.close is None or last.close.day >= day):
                last.spells.append(Spell(day, by))
                return None
            level = self.terms.levels[self.rule]
            raised = Alert(
                self.loan, self.rule, [Spell(day, by)], [Step(day, level, self.terms.due(level, day))]
            )
            self.alerts.append(raised)
            return raised
        if last is not None:
            if last.in_breach():
                last.spells[-1].until, last.spells[-1].until_by = day, by
            if observed:
                self._observed(last, day)
        return None

    def end(self, today: int) -> None:
        """All days up to today have been judged."""
        self._resolve(today + 1)
        for alert in self.alerts:
            if not alert.withdrawn:
                self._pass_time(alert, today)

    def _last(self) -> Alert | None:
        standing = [alert for alert in self.alerts if not alert.withdrawn]
        return max(standing, key=lambda alert: alert.since) if standing else None

    def _resolve(self, day: int) -> None:
        """What became of the alerts, told before, of the days that have been judged anew."""
        while self.before and min(alert.since for alert in self.before) < day:
            old = min(self.before, key=lambda alert: alert.since)
            self.before.remove(old)
            found = next(
                (a for a in self.alerts if not a.id and any(s.holds(old.since) for s in a.spells)), None
            )
            if found is None:
                old.withdrawn = True
                self.alerts.append(old)
                self.withdrawn.append(old)
            else:
                found.id, found.owner, found.close = old.id, old.owner, old.close
                found.told, found.told_statement, found.told_owner = (
                    old.told,
                    old.told_statement,
                    old.told_owner,
                )

    def _pass_time(self, alert: Alert, day: int) -> None:
        """An alert that is not closed in time goes up by a level; a red one is told of once more."""
        while (due := alert.steps[-1].due) is not None:
            over = self.tick_day(due + 1)
            if over > day or (alert.close is not None and alert.close.day < over):
                return
            level = alert.level
            if level == LEVELS[-1]:
                alert.steps.append(Step(over, level, None))
            else:
                level = LEVELS[LEVELS.index(level) + 1]
                alert.steps.append(Step(over, level, self.terms.due(level, over)))

    def _observed(self, alert: Alert, day: int) -> None:
        """A judging of an event that found no breach: after two of them an escalated alert goes down by a level."""
        if alert.close is not None and alert.close.day < day:
            return
        alert.clean.append(day)
        # A level goes up as a day begins, before the judging of that day, and down by it.
        since = alert.spells[-1].start + 1
        for before, step in zip(alert.steps, alert.steps[1:], strict=False):
            since = max(since, step.day + (LEVELS.index(step.level) < LEVELS.index(before.level)))
        if sum(clean >= since for clean in alert.clean) < CLEAN:
            return
        own = self.terms.levels[self.rule]
        if LEVELS.index(alert.level) > LEVELS.index(own):
            level = LEVELS[LEVELS.index(alert.level) - 1]
            alert.steps.append(Step(day, level, self.terms.due(level, day)))


def _rewind(alert: Alert, day: int) -> None:
    """The alert as it was before a day, which is later than its raising; how it was closed is kept."""
    alert.spells = [spell for spell in alert.spells if spell.start < day]
    spell = alert.spells[-1]
    if spell.until is not None and spell.until >= day:
        spell.until = spell.until_by = None
    alert.steps = [step for step in alert.steps if step.day < day]
    alert.clean = [clean for clean in alert.clean if clean < day]


@dataclass(frozen=True, slots=True)
class Told:
    """A line to be told of an alert: an entry of it (None: what was told before changes), and further fields."""

    status: str
    entry: Entry | None
    fields: dict[str, Any]


def tell(alert: Alert, because: str) -> list[Told]:
    """What is to be told of an alert now; from then on it counts as told. `because` says why what was told before no
    longer holds, where it does not."""
    if alert.withdrawn:
        return [Told("withdrawn", None, {"why": because})]
    entries, told = alert.entries(), alert.told
    out: list[Told] = []
    same = 0
    if told:
        same = 1
        while same < min(len(told), len(entries)) and told[same] == entries[same]:
            same += 1
        fields: dict[str, Any] = {}
        if told[0] != entries[0] or _without(alert.told_statement) != _without(alert.statement):
            fields |= {"why": because, **alert.statement}
        if same < len(told):
            gone = [{"status": entry.kind, "on": shown(entry.day)} for entry in told[same:]]
            fields |= {"why": because, "no_longer": gone}
        if alert.told_owner != alert.owner:
            fields.setdefault("why", f"the owner was {alert.told_owner or 'nobody'}")
        if fields:
            out.append(Told("changed", None, fields))
    for entry in entries[same:]:
        out.append(Told(entry.kind, entry, alert.statement if entry.kind == "raised" else {}))
    alert.told, alert.told_statement, alert.told_owner = entries, alert.statement, alert.owner
    return out


def _without(statement: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != "opened_by"}


def shown(day: int | None) -> str | None:
    """A day as lines have it."""
    return None if day is None else date.fromordinal(day).isoformat()

"""The page of a timeline: one HTML file, with a picture, that needs no network and no script."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from unicodedata import east_asian_width

from markupsafe import Markup

from sancha.engine.files import write_file
from sancha.engine.page import environment, page_css
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.impact_text import fact_label
from sancha.engine.run.obligations import Obligation, State
from sancha.engine.run.timeline import Timeline
from sancha.engine.run.timeline_text import Row, Teller, brief, row_of, rows, teller
from sancha.engine.watch.events import FILE

#: Widths of the picture, in units of its view box.
LABELS, PLOT, MARGIN = 236.0, 880.0, 24.0
LANE = 22.0
#: Days between two things that are drawn; longer gaps are cut.
GAP = 62
#: The least room between two dates on the axis.
_APART = 62.0
#: What a label of a lane may be wide, in half-width characters.
_LABEL = 35


@dataclass(frozen=True, slots=True)
class Mark:
    """A thing in a lane: from `x` as wide as `width` (0: a point). `kind` styles it, `row` is what it links to."""

    x: float
    width: float
    kind: str
    text: str
    row: int | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Lane:
    y: float
    label: str
    title: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Lanes under a heading."""

    y: float
    name: str
    lanes: tuple[Lane, ...]


class Axis:
    """Days across: in proportion, but that a long wait takes less room than the same days of business, and that gaps
    longer than `GAP` are cut (`cuts`, where)."""

    def __init__(self, days: Sequence[date], left: float, width: float) -> None:
        self.days = sorted(set(days))
        if len(self.days) == 1:
            self.days.append(self.days[0] + timedelta(days=1))
        gaps = [(b - a).days for a, b in zip(self.days, self.days[1:], strict=False)]
        shares = [min(gap, GAP) ** 0.6 for gap in gaps]
        self.places = [left]
        for share in shares:
            self.places.append(self.places[-1] + share / sum(shares) * width)
        self.cuts = [
            (a + b) / 2 for a, b, gap in zip(self.places, self.places[1:], gaps, strict=False) if gap > GAP
        ]

    def x(self, day: date) -> float:
        if day <= self.days[0]:
            return self.places[0]
        if day >= self.days[-1]:
            return self.places[-1]
        i = bisect_right(self.days, day) - 1
        part = (day - self.days[i]).days / (self.days[i + 1] - self.days[i]).days
        return self.places[i] + part * (self.places[i + 1] - self.places[i])

    def ticks(self) -> list[tuple[float, str]]:
        """Firsts of months with their names, as many as have room; those that begin a year or a quarter first."""
        first, last = self.days[0], self.days[-1]
        months = range(first.year * 12 + first.month, last.year * 12 + last.month)
        starts = [date(m // 12, m % 12 + 1, 1) for m in months if m // 12 <= 9999]
        if len(starts) > 2_400:  # two centuries: years are enough
            starts = [day for day in starts if day.month == 1]
        starts.sort(key=lambda day: (day.month != 1, day.month % 3 != 1, day))
        found: list[tuple[float, str]] = []
        ends = (self.places[0], self.places[-1])
        for day in starts:
            x = self.x(day)
            # The dates at the ends stand inward of them, and are longer.
            if all(abs(x - end) >= 1.7 * _APART for end in ends) and all(
                abs(x - o) >= _APART for o, _ in found
            ):
                found.append((x, f"{day.year:04}" if day.month == 1 else f"{day.year:04}-{day.month:02}"))
        return sorted([(ends[0], str(first)), *found, (ends[1], str(last))])


@dataclass(frozen=True, slots=True)
class Picture:
    axis: Axis
    ticks: tuple[tuple[float, str], ...]
    sections: tuple[Section, ...]
    height: float
    width: float = LABELS + PLOT + MARGIN


def write_page(timeline: Timeline, lang: str, path: Path) -> None:
    """Write the timeline as one HTML file in a language, `en` or `zh`. SanchaError where the disk refuses."""
    words = teller(timeline, lang)
    told = rows(timeline, words)
    templates = environment("sancha.engine.run")
    pack = timeline.pack
    states = [o.state for o in timeline.obligations]
    days: list[tuple[date, list[tuple[int, Row]]]] = []
    for number, row in enumerate(told):
        if not days or days[-1][0] != row.day:
            days.append((row.day, []))
        days[-1][1].append((number, row))

    def clause(rule: str, version: str | None) -> str:
        versions = pack.rules[rule].versions
        used = next((v for v in versions if v.valid_from.isoformat() == version), versions[-1])
        found = pack.clauses[used.clause]
        return f"{found.id} {found.title}"

    html = templates.get_template("timeline.html.j2").render(
        w=words,
        lang="zh-CN" if lang == "zh" else "en",
        t=timeline,
        css=Markup(page_css() + _asset("impact.css") + _asset("timeline.css")),
        picture=picture(timeline, told, words),
        days=days,
        place=_places(told),
        events=sum(entry.event is not None for entry in timeline.entries),
        alerts=timeline.alerts,
        open_alerts=sum(alert.cleared_on is None for alert in timeline.alerts),
        met=states.count(State.MET),
        late=sum(state in (State.MISSED, State.MET_LATE) for state in states),
        open_obligations=states.count(State.OPEN),
        branch=timeline.file.facts.get(pack.branch),
        exposure=timeline.file.facts.get(pack.exposure),
        outcomes=words.counts(
            {o.text: sum(j.outcome is o for j in timeline.outcomes) for o in Outcome}, "outcome"
        ),
        clause=clause,
        label=lambda name: fact_label(pack, name, words),
        each=lambda row: [row_of(entry, timeline, words) for entry in row.entries],
        brief=lambda row: brief(row, timeline, words) if row.facts else "",
        file_kind=FILE,
    )
    write_file(path, html)


def _places(told: Sequence[Row]) -> dict[tuple[object, ...], int]:
    """The row in which an alert was raised, by (`alert`, rule, day), or an obligation took a state, by (state, key)."""
    found: dict[tuple[object, ...], int] = {}
    for number, row in enumerate(told):
        for move in row.raised:
            found["alert", move.judgement.rule, row.day] = number
        for change in row.changes:
            found[str(change.obligation.state), change.obligation.key] = number
    return found


def picture(timeline: Timeline, told: Sequence[Row], words: Teller) -> Picture:
    """Lanes of events by kind, of obligations and of alerts by rule, over one axis of days."""
    last = max([timeline.as_of, *(o.due for o in timeline.obligations if o.due and o.state is State.OPEN)])
    first = told[0].day
    days = [timeline.as_of, last, *(row.day for row in told)]
    days += [d for o in timeline.obligations for d in (o.opened_on, o.due) if d and first <= d <= last]
    axis = Axis(days, LABELS, PLOT)
    places = _places(told)
    parts = (
        ("lane.events", list(_event_lanes(timeline, told, words, axis))),
        ("lane.obligations", list(_obligation_lanes(timeline, told, words, axis, places))),
        ("lane.alerts", list(_alert_lanes(timeline, words, axis, places))),
    )
    sections = []
    y = 40.0
    for name, lanes in parts:
        if lanes:
            made = tuple(
                Lane(y + LANE * number, _cut(label), label, tuple(marks))
                for number, (label, marks) in enumerate(lanes, 1)
            )
            sections.append(Section(y, words(name), made))
            y += LANE * (len(lanes) + 1) + 10
    return Picture(axis, tuple(axis.ticks()), tuple(sections), y)


def _event_lanes(
    timeline: Timeline, told: Sequence[Row], words: Teller, axis: Axis
) -> Iterator[tuple[str, list[Mark]]]:
    kinds: dict[str, dict[date, list[int]]] = {}
    for number, row in enumerate(told):
        for entry in row.entries:
            if entry.event is None:
                kinds.setdefault("", {}).setdefault(row.day, []).append(number)
            elif entry.event.kind != FILE:
                kinds.setdefault(entry.event.kind, {}).setdefault(row.day, []).append(number)
    by_time = kinds.pop("", {})
    for kind, days in kinds.items():
        label = _kind(kind, timeline, words)
        yield (
            label,
            [
                Mark(
                    axis.x(day),
                    0,
                    "event",
                    f"{day} {label}" + (f" × {len(n)}" if len(n) > 1 else ""),
                    n[0],
                    len(n),
                )
                for day, n in days.items()
            ],
        )
    if by_time:
        label = words("time")
        yield label, [Mark(axis.x(day), 0, "time", f"{day} {label}", n[0]) for day, n in by_time.items()]


def _kind(kind: str, timeline: Timeline, words: Teller) -> str:
    vocabulary = timeline.pack.vocabulary
    texts = vocabulary.lists[kind].label if kind in vocabulary.lists else vocabulary.groups.get(kind, {})
    return words.said(texts) or kind


def _obligation_lanes(
    timeline: Timeline,
    told: Sequence[Row],
    words: Teller,
    axis: Axis,
    places: dict[tuple[object, ...], int],
) -> Iterator[tuple[str, list[Mark]]]:
    by_rule: dict[str, list[list[Obligation]]] = {}
    dated = (o for o in timeline.obligations if o.opened_on and o.due)
    for o in sorted(dated, key=lambda o: (o.opened_on, o.due, o.state)):
        lanes = by_rule.setdefault(o.rule, [])
        # Obligations that overlap stand in lanes of their own.
        lane = next((lane for lane in lanes if not _overlap(lane[-1], o)), None)
        if lane is None:
            lanes.append([o])
        else:
            lane.append(o)
    for rule, lanes in by_rule.items():
        for number, lane in enumerate(lanes):
            marks = []
            for o in lane:
                assert o.opened_on is not None and o.due is not None
                text = f"{words(f'state.{o.state}')}: {words.about(o, timeline)}, {o.opened_on} – {o.due}"
                row = places.get((str(o.state), o.key))
                x, end = axis.x(o.opened_on), axis.x(o.due)
                kind = str(o.state).replace(" ", "-")
                marks.append(Mark(x, max(end - x, 3.0), kind, text, row))
                if o.state in (State.MET, State.MET_LATE) and row is not None:
                    # When what was expected became known.
                    marks.append(Mark(axis.x(told[row].day), 0, f"{kind} response", text, row))
                elif o.state is State.MISSED:
                    marks.append(Mark(end, 0, "missed response", text, row))
            label = f"{rule} {words.title(rule, timeline)}" if number == 0 else ""
            yield label, marks


def _overlap(one: Obligation, other: Obligation) -> bool:
    """Whether they would hide each other. Those of one day and state may: a row tells of each."""
    assert one.opened_on is not None and one.due is not None and other.opened_on is not None
    alike = (one.opened_on, one.due, one.state) == (other.opened_on, other.due, other.state)
    return other.opened_on <= one.due and not alike


def _alert_lanes(
    timeline: Timeline, words: Teller, axis: Axis, places: dict[tuple[object, ...], int]
) -> Iterator[tuple[str, list[Mark]]]:
    by_rule: dict[str, list[Mark]] = {}
    for alert in timeline.alerts:
        x = axis.x(alert.raised_on)
        end = axis.x(alert.cleared_on or timeline.as_of)
        until = words("not_cleared") if alert.cleared_on is None else str(alert.cleared_on)
        text = f"{words(f'level.{alert.level}')}: {alert.raised_on} – {until}"
        kind = f"alert {alert.level}" + (" cleared" if alert.cleared_on else "")
        row = places.get(("alert", alert.rule, alert.raised_on))
        x = min(x, end - 4.0)
        by_rule.setdefault(alert.rule, []).append(Mark(x, end - x, kind, text, row))
    for rule, marks in by_rule.items():
        yield f"{rule} {words.title(rule, timeline)}", marks


def _cut(label: str) -> str:
    """The label, as long as there is room."""
    width = 0
    for number, character in enumerate(label):
        width += 2 if east_asian_width(character) in "WF" else 1
        if width > _LABEL:
            return label[:number].rstrip() + "…"
    return label


def _asset(name: str) -> str:
    return resources.files("sancha.engine.run").joinpath("templates", name).read_text(encoding="utf-8")

"""A timeline in words: its rows, which the page shows too, and the table for a terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress import track
from rich.table import Table
from rich.text import Text

from sancha.engine.diagnostics import SanchaError
from sancha.engine.feel.types import Type
from sancha.engine.files import write_file
from sancha.engine.policy.plan import Outcome
from sancha.engine.policy.vocabulary import Field
from sancha.engine.run.impact_text import Words
from sancha.engine.run.obligations import Obligation, State
from sancha.engine.run.timeline import Alert, Change, Entry, Move, Timeline, timeline_of
from sancha.engine.watch.events import FILE, Event

LANGUAGES = ("en", "zh")
#: Days that take a few seconds.
_MANY = 10_000
_STATES = {
    State.OPEN: "cyan",
    State.MET: "green",
    State.MET_LATE: "yellow",
    State.MISSED: "bold red",
    State.UNKNOWN: "yellow",
    State.NOT_APPLICABLE: "dim",
}
_OUTCOMES = {
    Outcome.PASS: "green",
    Outcome.UNKNOWN: "yellow",
    Outcome.WAIVED: "magenta",
    Outcome.NOT_DUE: "cyan",
}
LEVELS = {"red": "bold red", "orange": "bold dark_orange", "yellow": "bold yellow"}


@dataclass(frozen=True, slots=True)
class Row:
    """An entry, or events of one list and day that moved nothing, told at once.

    `moved` are the rules that moved to an outcome, alerts apart; of the opening, `settled` counts them by outcome.
    """

    entries: tuple[Entry, ...]
    title: str
    facts: tuple[tuple[str, str], ...]
    raised: tuple[Move, ...]
    cleared: tuple[Move, ...]
    changes: tuple[Change, ...]
    moved: tuple[tuple[Outcome, tuple[Move, ...]], ...]
    settled: tuple[tuple[Outcome, int], ...]

    @property
    def day(self) -> date:
        return self.entries[0].day

    @property
    def event(self) -> Event | None:
        return self.entries[0].event

    @property
    def silent(self) -> bool:
        return not (self.raised or self.cleared or self.changes or self.moved)


class Teller(Words):
    """The texts of a timeline in a language."""

    def event(self, event: Event, timeline: Timeline) -> str:
        """What an event is about: `Post-loan inspections 3`."""
        vocabulary = timeline.pack.vocabulary
        if event.kind == FILE:
            return self("opening")
        if event.kind in vocabulary.lists:
            return f"{self.said(vocabulary.lists[event.kind].label)} {event.item}"
        return self.said(vocabulary.groups.get(event.kind, {})) or event.kind

    def facts(self, event: Event, timeline: Timeline) -> tuple[tuple[str, str], ...]:
        """(label, value) of all that an event says."""
        if event.kind == FILE:
            return tuple(self._opening(event, timeline))
        fields = self.fields(event, timeline)
        return tuple(
            (self.said(fields[name].label), self.shown(value, fields[name].type))
            for name, value in event.data.items()
        )

    def fields(self, event: Event, timeline: Timeline) -> Mapping[str, Field]:
        """What the names in the data of an event mean, of a group or of a list."""
        vocabulary = timeline.pack.vocabulary
        if event.kind in vocabulary.lists:
            return vocabulary.lists[event.kind].fields
        return {name: vocabulary.facts[f"{event.kind}.{name}"] for name in event.data}

    def _opening(self, event: Event, timeline: Timeline) -> Iterator[tuple[str, str]]:
        vocabulary = timeline.pack.vocabulary
        for key, told in event.data.items():
            if isinstance(told, Mapping):
                for name, value in told.items():
                    fact = f"{key}.{name}"
                    yield vocabulary.label(fact, self.lang), self.shown(value, vocabulary.facts[fact].type)
            elif key in vocabulary.lists and isinstance(told, Sequence):
                fields = vocabulary.lists[key].fields
                for number, item in enumerate(told, 1):
                    values = (
                        f"{self.said(fields[n].label)} {self.shown(v, fields[n].type)}"
                        for n, v in item.items()
                    )
                    yield f"{self.said(vocabulary.lists[key].label)} {number}", ", ".join(values)

    def shown(self, value: object, type_: Type) -> str:
        if isinstance(value, bool):
            return self("true" if value else "false")
        if isinstance(value, list):
            return ", ".join("–" if v is None else str(v) for v in value)
        if type_.name == "money":
            return f"{Decimal(str(value)):,}"
        if type_.name in ("rate", "number"):
            return f"{Decimal(str(value)).normalize():f}"
        return str(value).replace("T", " ") if type_.name == "date-time" else str(value)

    def title(self, rule: str, timeline: Timeline) -> str:
        return self.said(timeline.pack.rules[rule].title)

    def about(self, obligation: Obligation, timeline: Timeline) -> str:
        """What an obligation is of: an item of a list, or the file."""
        if obligation.list is None:
            return self("of_file")
        vocabulary = timeline.pack.vocabulary
        spec = vocabulary.lists.get(obligation.list) or vocabulary.reference[obligation.list]
        return self.said(spec.label) + ("" if obligation.item is None else f" {obligation.item}")

    def counts(self, counts: Mapping[str, int], of: str) -> str:
        """`3 met, 1 missed`"""
        parts = [self("counted", n=n, what=self(f"{of}.{name}")) for name, n in counts.items() if n]
        return ("、" if self.lang == "zh" else ", ").join(parts) or self("none")


def teller(timeline: Timeline, lang: str) -> Teller:
    known_language(lang)
    return Teller(lang, timeline.pack.currency, "timeline.yaml")


def rows(timeline: Timeline, words: Teller) -> list[Row]:
    """The entries as they are shown: events of one list and day that moved nothing stand in one row."""
    found: list[Row] = []
    for entry in timeline.entries:
        row = row_of(entry, timeline, words)
        last = found[-1] if found else None
        if last is not None and _alike(last, row):
            first = last.entries[0].event
            assert first is not None and row.event is not None
            title = f"{words.event(first, timeline)}–{row.event.item}"
            found[-1] = Row((*last.entries, entry), title, (), (), (), (), (), ())
        else:
            found.append(row)
    return found


def row_of(entry: Entry, timeline: Timeline, words: Teller) -> Row:
    event = entry.event
    raised = tuple(move for move in entry.moves if move.raised)
    cleared = tuple(move for move in entry.moves if move.cleared)
    settled = Counter(move.after for move in entry.moves if move.before is None and not move.raised)
    moved: dict[Outcome, list[Move]] = {}
    for move in entry.moves:
        if not move.raised and not move.cleared and move.before is not None:
            moved.setdefault(move.after, []).append(move)
    return Row(
        (entry,),
        _passing(entry, words) if event is None else words.event(event, timeline),
        () if event is None else words.facts(event, timeline),
        raised,
        cleared,
        entry.changes,
        tuple((outcome, tuple(moved[outcome])) for outcome in Outcome if outcome in moved),
        tuple((outcome, settled[outcome]) for outcome in Outcome if settled[outcome]),
    )


def _passing(entry: Entry, words: Teller) -> str:
    late = any(change.obligation.state in (State.MISSED, State.MET_LATE) for change in entry.changes)
    return words("due_passes" if late else "time")


def _alike(last: Row, row: Row) -> bool:
    one, other = last.event, row.event
    return (
        one is not None
        and other is not None
        and last.silent
        and row.silent
        and last.day == row.day
        and one.kind == other.kind
        and other.item is not None
        and last.entries[-1].event is not None
        and last.entries[-1].event.item == other.item - 1
    )


def tell(
    book: Path,
    pack: Path,
    loan_id: str,
    lang: str,
    *,
    html: Path | None = None,
    json_file: Path | None = None,
    as_of: date | None = None,
    hindsight: bool = False,
    verify: bool = False,
) -> RenderableType:
    """The timeline of a loan file of a book for a terminal, and as a page and as JSON where these are named."""
    from sancha.engine.run.timeline_page import write_page

    known_language(lang)
    found = timeline_of(book, pack, loan_id, as_of=as_of, hindsight=hindsight, verify=verify, track=_track)
    written = [path for path in (html, json_file) if path is not None]
    if html is not None:
        write_page(found, lang, html)
    if json_file is not None:
        write_file(json_file, json.dumps(found.as_json(), ensure_ascii=False, indent=2) + "\n")
    shown = [
        Text(f"{'' if number else chr(10)}{path}", overflow="fold") for number, path in enumerate(written)
    ]
    return Group(in_table(found, lang), *shown)


def _track(days: range) -> Iterable[int]:
    """With a bar, where a date of long ago makes it many days."""
    console = Console(stderr=True)
    return track(days, "days", console=console, transient=True, disable=len(days) < _MANY)


def known_language(lang: str) -> None:
    if lang not in LANGUAGES:
        raise SanchaError(f"a timeline is told in `en` or `zh`, not in `{lang}`")


def in_table(timeline: Timeline, lang: str) -> RenderableType:
    """The timeline for a terminal of 80 columns."""
    words = teller(timeline, lang)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before: Row | None = None
    for row in rows(timeline, words):
        if before is not None and not (before.silent and row.silent):
            table.add_row()
        day = "" if before is not None and row.day == before.day else str(row.day)
        table.add_row(Text(day, style="bold"), _title(row, timeline, words))
        for line in _effects(row, timeline, words):
            table.add_row("", line)
        before = row
    return Group(*_heading(timeline, words), Text(), table, Text(), *_end(timeline, words))


def _heading(timeline: Timeline, words: Teller) -> Iterator[Text]:
    facts = timeline.file.facts
    name = Text(timeline.loan_id, style="bold")
    about = [facts.get(timeline.pack.branch), facts.get(timeline.pack.exposure)]
    shown = [words.exact(v) if isinstance(v, Decimal) else str(v) for v in about if v is not None]
    name.append("".join(f", {text}" for text in shown), style="")
    yield name
    yield Text(f"{timeline.pack.name} {timeline.pack.version}")
    for line in summary(timeline, words):
        yield Text(line)
    if timeline.book is not None and timeline.book.synthetic:
        yield Text(words("synthetic"), style="dim")


def summary(timeline: Timeline, words: Teller) -> Iterator[str]:
    events = [entry.event for entry in timeline.entries if entry.event is not None]
    yield words("head.line", **{"from": timeline.entries[0].day}, until=timeline.as_of, events=len(events))
    alerts = timeline.alerts
    yield words("head.alerts", n=len(alerts), open=sum(a.cleared_on is None for a in alerts))
    states = Counter(str(o.state) for o in timeline.obligations)
    if states:
        counts = {str(state): states[str(state)] for state in State}
        yield words("head.obligations", counts=words.counts(counts, "state"))
    if timeline.later:
        yield words("later", n=timeline.later, day=timeline.as_of)


def _title(row: Row, timeline: Timeline, words: Teller) -> Text:
    text = Text(overflow="ellipsis", no_wrap=True)
    if row.event is None:
        return text.append(row.title, style="italic").append(f"  {words('time_note')}", style="dim")
    text.append(row.title, style="" if row.silent else "bold")
    if row.facts:
        text.append(f"  {brief(row, timeline, words)}", style="dim")
    return text


def brief(row: Row, timeline: Timeline, words: Teller) -> str:
    """What an event says, in a line: texts without their labels, and not the day on which it stands."""
    assert row.event is not None
    if row.event.kind == FILE:
        return words("more_facts", n=len(row.facts))
    fields = words.fields(row.event, timeline)
    told = []
    for (name, value), (label, text) in zip(row.event.data.items(), row.facts, strict=True):
        if value != str(row.day):
            text = " ".join(text.split())
            told.append(text if fields[name].type.name in ("text", "one of") else f"{label} {text}")
    return words("comma").join(told)


def _effects(row: Row, timeline: Timeline, words: Teller) -> Iterator[RenderableType]:
    levels = timeline.levels
    for change in row.changes:
        yield _hung(_change(change, timeline, words))
    for move in row.raised:
        rule = move.judgement.rule
        level = levels[rule]
        text = Text(
            words("said_of", what=words("alert.raised"), about=words(f"level.{level}")), style=LEVELS[level]
        )
        text.append(f" {rule} ").append(words.title(rule, timeline), style="not bold")
        yield _hung(text)
        yield _hung(Text(timeline.finding(move, words.lang), style="italic"), 4)
    for move in row.cleared:
        rule = move.judgement.rule
        text = Text(words("alert.cleared"), style="bold green")
        text.append(f" {rule} ").append(words.title(rule, timeline), style="not bold")
        text.append(
            f"{words('comma')}{words('now', outcome=words(f'outcome.{move.after.text}'))}", style="not bold"
        )
        yield _hung(text)
    for outcome, moves in row.moved:
        text = Text(
            f"{words(f'outcome.{outcome.text}')}{words('colon')}", style=_OUTCOMES.get(outcome, "dim")
        )
        text.append(", ".join(_named(m) for m in moves), style="not bold")
        yield _hung(text)
    if row.settled:
        counts = {outcome.text: n for outcome, n in row.settled}
        yield _hung(Text(words.counts(counts, "outcome"), style="dim"))


def _named(move: Move) -> str:
    note = move.judgement.note
    return move.judgement.rule + ("" if note is None else f" ({note})")


def _change(change: Change, timeline: Timeline, words: Teller) -> Text:
    o = change.obligation
    about = words.about(o, timeline)
    if o.due is not None:
        about += words("comma") + words("due_on", day=o.due)
    text = Text(words(f"change.{o.state}"), style=_STATES[o.state])
    text.append(f" {o.rule}", style="bold")
    told = words("said_of", what=words.title(o.rule, timeline), about=about)
    return text.append(f" {told}", style="not bold default")


def _hung(text: Text, indent: int = 2) -> RenderableType:
    """The text, indented, further lines too."""
    table = Table.grid(padding=0)
    table.add_column(width=indent)
    table.add_column(overflow="fold")
    table.add_row("", text)
    return table


def _end(timeline: Timeline, words: Teller) -> Iterator[RenderableType]:
    counts = Counter(j.outcome.text for j in timeline.outcomes)
    yield Text(
        f"{words('outcomes')}{words('colon')}{words.counts({o.text: counts[o.text] for o in Outcome}, 'outcome')}"
    )
    for alert in timeline.alerts:
        if alert.cleared_on is None:
            yield _hung(_open(alert, timeline, words))


def _open(alert: Alert, timeline: Timeline, words: Teller) -> Text:
    text = Text(alert.rule, style=LEVELS[alert.level])
    text.append(f" {words.title(alert.rule, timeline)}{words('comma')}", style="not bold default")
    return text.append(f"{words('alert.raised')} {alert.raised_on}", style="not bold default")

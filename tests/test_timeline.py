"""The timeline of one loan file: a small one that can be followed by hand, and generated ones against every day."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import re
import shutil
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from agreement import Generator, constants_of, generated_book
from jsonschema import Draft202012Validator
from policies import policy
from rich.console import Console
from small_pack import loan_file, small_pack
from typer.testing import CliRunner

from sancha.cli import app
from sancha.engine.book.loan_file import LoanFile, plain_item
from sancha.engine.book.schema import LOANS, table_schema
from sancha.engine.book.store import Book, iter_files, open_book, read_file, read_reference, write_book
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.impact_text import all_texts
from sancha.engine.run.obligations import Obligations, State
from sancha.engine.run.row import Evaluator, Reference
from sancha.engine.run.timeline import Timeline, timeline, timeline_of
from sancha.engine.run.timeline_page import GAP, Axis, write_page
from sancha.engine.run.timeline_text import in_table
from sancha.engine.watch.events import Event, event_json, folded, order
from sancha.engine.watch.history import events_of

RULES = Path(__file__).parent.parent / "rules"
DEMO = Path(__file__).parent.parent / "demo" / "book"
FORMATS = Path(__file__).parent.parent / "docs" / "formats.md"

#: Each payment is followed by a visit; payments keep to the amount; a level is known, from a day on.
PARTS = (
    """
    rule: T-01
    kind: trigger
    in force: {from: 2024-01-01}
    for each: p in payments
    from: p.date
    within: '@"P10D"'
    expect: some v in visits satisfies v.date in [p.date..due]
    signal: orange
    finding: {en: No visit within ten days}
    """,
    """
    rule: C-01
    judged on: as_of
    in force: {from: 2024-01-01}
    require: count(payments) = 0 or sum(payments.amount) <= loan.amount
    signal: red
    finding: {en: "More than {loan.amount} was paid"}
    """,
    """
    rule: C-02
    judged on: as_of
    in force: {from: 2024-04-01}
    require: review.level >= 2
    """,
)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(f"2024-{text}")


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return small_pack(tmp_path / "pack", *PARTS)


def small_file(pack: Pack) -> LoanFile:
    """Two payments, the first visited in time, the second twelve days later; the review comes in May."""
    return loan_file(
        pack,
        {
            "payments": [
                {"date": day("02-01"), "amount": Decimal("60.00"), "number": "P1"},
                {"date": day("03-01"), "amount": Decimal("50.00"), "number": "P2"},
            ],
            "visits": [{"date": day("02-05"), "done": True}, {"date": day("03-13")}],
        },
        loan__branch="East",
        loan__amount=Decimal("100.00"),
        review__done_on=day("05-02"),
        review__level=2,
    )


def told(found: Timeline) -> list[tuple[Any, ...]]:
    """(day, event, rules moved, obligations changed) of each entry."""
    return [
        (
            str(entry.day),
            None if entry.event is None else entry.event.id,
            {
                m.judgement.rule: f"{'-' if m.before is None else m.before.text} > {m.after.text}"
                for m in entry.moves
            },
            {f"{c.obligation.rule}.{c.obligation.item}": str(c.obligation.state) for c in entry.changes},
        )
        for entry in found.entries
    ]


def test_a_small_file_day_by_day(pack: Pack) -> None:
    found = timeline(small_file(pack), {}, pack, as_of=day("12-31"))
    assert told(found) == [
        # The file is opened on the day of what is known first, the payment.
        (
            "2024-02-01",
            "L1",
            {"T-01": "- > not applicable", "C-01": "- > pass", "C-02": "- > not applicable"},
            {},
        ),
        ("2024-02-01", "L1/payments/1", {"T-01": "not applicable > not due"}, {"T-01.1": "open"}),
        ("2024-02-05", "L1/visits/1", {"T-01": "not due > pass"}, {"T-01.1": "met"}),
        (
            "2024-03-01",
            "L1/payments/2",
            {"T-01": "pass > not due", "C-01": "pass > breach"},
            {"T-01.2": "open"},
        ),
        # Its last day to be visited is 11 March.
        ("2024-03-12", None, {"T-01": "not due > breach"}, {"T-01.2": "missed"}),
        ("2024-03-13", "L1/visits/2", {}, {"T-01.2": "met late"}),
        # The rule comes into force; the review is not there yet.
        ("2024-04-01", None, {"C-02": "not applicable > unknown"}, {}),
        ("2024-05-02", "L1/review/review.done_on", {"C-02": "unknown > pass"}, {}),
    ]
    assert {j.rule: j.outcome for j in found.outcomes} == {
        "T-01": Outcome.BREACH,
        "C-01": Outcome.BREACH,
        "C-02": Outcome.PASS,
    }
    assert [(a.rule, a.level, str(a.raised_on), a.cleared_on) for a in found.alerts] == [
        ("C-01", "red", "2024-03-01", None),
        ("T-01", "orange", "2024-03-12", None),
    ]
    assert found.finding(found.alerts[0].move, "en") == "More than 100.00 was paid"


def test_an_alert_is_cleared(tmp_path: Path) -> None:
    pack = small_pack(
        tmp_path,
        """
        rule: C-01
        judged on: as_of
        in force: {from: 2024-01-01, until: 2024-03-31}
        require: count(visits) = 2
        """,
    )
    visits = {"visits": [{"date": day("02-01")}, {"date": day("02-03")}, {"date": day("02-05")}]}
    found = timeline(loan_file(pack, visits), {}, pack, as_of=day("12-31"))
    # Alerts come and go: no search between two days would find them all. The level is that of the rule's impact.
    assert [(a.level, str(a.raised_on), str(a.cleared_on)) for a in found.alerts] == [
        ("yellow", "2024-02-01", "2024-02-03"),
        ("yellow", "2024-02-05", "2024-04-01"),
    ]


def test_an_obligation_whose_first_day_lies_ahead_opens_on_it(tmp_path: Path) -> None:
    pack = small_pack(
        tmp_path,
        """
        rule: T-01
        kind: trigger
        in force: {from: 2024-01-01}
        applies when: count(payments) = 0
        from: loan.decided_on
        within: '@"P10D"'
        expect: count(visits) > 0
        """,
    )
    file = loan_file(
        pack,
        {"payments": [{"date": day("06-05")}], "visits": []},
        loan__decided_on=day("06-01"),
        review__done_on=day("02-01"),
    )
    found = timeline(file, {}, pack, as_of=day("12-31"))
    assert [(str(e.day), c.before, str(c.obligation.state)) for e in found.entries for c in e.changes] == [
        ("2024-06-01", None, "open"),
        # Whether it applies is read on its first day: the payment came later.
        ("2024-06-12", State.OPEN, "missed"),
    ]
    assert {j.rule: j.outcome for j in found.outcomes} == {"T-01": Outcome.BREACH}


def test_an_obligation_that_no_longer_applies_goes_away(tmp_path: Path) -> None:
    """With hindsight, what became known later may say so."""
    pack = small_pack(
        tmp_path,
        """
        rule: T-01
        kind: trigger
        in force: {from: 2024-01-01}
        for each: p in payments
        applies when: review.level = null
        from: p.date
        within: '@"P10D"'
        expect: count(visits) > 0
        """,
    )
    file = loan_file(
        pack,
        {"payments": [{"date": day("06-05")}], "visits": []},
        review__done_on=day("06-08"),
        review__level=1,
    )
    found = timeline(file, {}, pack, as_of=day("12-31"), hindsight=True)
    assert [(str(e.day), c.before, str(c.obligation.state)) for e in found.entries for c in e.changes] == [
        ("2024-06-05", None, "open"),
        ("2024-06-08", State.OPEN, "not applicable"),
    ]


def test_what_is_later_than_the_day_is_counted(pack: Pack) -> None:
    found = timeline(small_file(pack), {}, pack, as_of=day("03-05"))
    assert (len(found.entries), found.later) == (4, 2)
    assert found.entries[-1].day == day("03-01")
    assert [(o.item, o.state) for o in found.obligations] == [(1, State.MET), (2, State.OPEN)]


def every_day(found: Timeline, file: LoanFile, reference: Reference, days: Iterator[dt.date]) -> None:
    """What the timeline says of days, against the row evaluator's word on the file as it was known on each."""
    pack = found.pack
    evaluator = Evaluator(pack, hindsight=found.hindsight)
    finder = Obligations(evaluator.plan, pack.calendar)
    events = events_of(file, pack.vocabulary, found.as_of)
    for at in days:
        known = folded(file.id, [e for e in events if e.at.date() <= at], pack.vocabulary)
        outcomes = {
            m.judgement.rule: m.after for entry in found.entries if entry.day <= at for m in entry.moves
        }
        assert {j.rule: j.outcome for j in evaluator.judge(known, reference, at)} == outcomes, at
        states = {
            c.obligation.key: c.obligation.state
            for entry in found.entries
            if entry.day <= at
            for c in entry.changes
            if c.obligation.state is not State.NOT_APPLICABLE
        }
        for o in finder.of(known, reference, at):
            ahead = o.state is State.OPEN and o.opened_on is not None and o.opened_on > at
            if o.state is not State.NOT_APPLICABLE and not ahead:
                assert states[o.key] is o.state, (at, o)


def span(found: Timeline) -> int:
    return (found.as_of - found.entries[0].day).days


def test_every_day_of_the_small_file(pack: Pack) -> None:
    file = small_file(pack)
    found = timeline(file, {}, pack, as_of=day("12-31"))
    every_day(found, file, {}, (found.entries[0].day + dt.timedelta(n) for n in range(span(found) + 1)))


def some_days(found: Timeline, rng: random.Random, count: int) -> Iterator[dt.date]:
    """Days drawn at random, days before and of entries, and the last."""
    first = found.entries[0].day
    yield found.as_of
    for entry in rng.sample(found.entries, min(len(found.entries), count)):
        yield entry.day
        if entry.day > first:
            yield entry.day - dt.timedelta(1)
    for _ in range(count):
        yield first + dt.timedelta(rng.randint(0, span(found)))


@pytest.mark.parametrize("seed", range(400, 404))
def test_days_of_generated_policies(tmp_path: Path, seed: int) -> None:
    pack = policy(tmp_path / "pack", seed, 16)
    as_of = dt.date(2024, 6, 30)
    values = Generator(seed, constants_of(pack))
    book = generated_book(tmp_path / "book", pack.vocabulary, values, 6, as_of=as_of, references=3)
    check_days(pack, book, iter_files(book, pack.vocabulary), values.random)


def test_days_of_files_of_the_demonstration_book() -> None:
    if not DEMO.exists():
        pytest.skip("needs demo/book; run `make demo`")
    pack = load_pack(RULES)
    book = open_book(DEMO, pack.vocabulary)
    check_days(pack, book, islice(iter_files(book, pack.vocabulary), 5), random.Random(1))


def check_days(pack: Pack, book: Book, files: Iterator[LoanFile], rng: random.Random) -> None:
    reference = read_reference(book, pack.vocabulary)
    for file in files:
        found = timeline(file, reference, pack, book=book)
        every_day(found, file, reference, some_days(found, rng, 8))
        if not found.later:
            # The last day is the day of the book: what a replay says of the file.
            assert found.file == file
            assert list(found.outcomes) == Evaluator(pack).judge(file, reference, found.as_of)


def watched(
    pack: Pack, files: list[LoanFile], book: Book | None, as_of: dt.date, folder: Path
) -> set[tuple[Any, ...]]:
    """The alerts that a watcher raises of the events of files, and the days on which they were cleared."""
    events = [event for file in files for event in events_of(file, pack.vocabulary, as_of)]
    if book is not None:
        for name, rows in read_reference(book, pack.vocabulary).items():
            spec = pack.vocabulary.reference[name]
            events += [
                Event(f"{name}/{n}", "", dt.datetime.min, name, plain_item(row, spec))
                for n, row in enumerate(rows)
            ]
    events.append(Event("end", "", dt.datetime.combine(as_of, dt.time.max), "tick", {}))
    lines = "".join(event_json(event) + "\n" for event in sorted(events, key=order))
    (folder / "events.jsonl").write_text(lines, encoding="utf-8")
    options = {"--pack": pack.path, "--store": folder / "store", "--alerts": folder / "alerts.jsonl"}
    done = CliRunner().invoke(
        app,
        [
            "watch",
            str(folder / "events.jsonl"),
            *(str(part) for option in options.items() for part in option),
        ],
    )
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in (folder / "alerts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["status"] for line in told} <= {"raised", "cleared", "escalated", "lowered"}
    cleared = {line["id"]: line["on"] for line in told if line["status"] == "cleared"}
    return {
        (line["loan"], line["rule"], line["level"], line["on"], line["due"], cleared.get(line["id"]))
        for line in told
        if line["status"] == "raised"
    }


def alerts_of(found: Timeline) -> set[tuple[Any, ...]]:
    return {
        (found.loan_id, a.rule, a.level, str(a.raised_on), str(a.due), a.cleared_on and str(a.cleared_on))
        for a in found.alerts
    }


def test_a_watcher_raises_the_same_alerts(pack: Pack, tmp_path: Path) -> None:
    file, as_of = small_file(pack), day("12-31")
    found = alerts_of(timeline(file, {}, pack, as_of=as_of))
    assert len(found) == 2
    assert watched(pack, [file], None, as_of, tmp_path) == found


def test_a_watcher_raises_the_same_alerts_of_the_demonstration_book(tmp_path: Path) -> None:
    if not DEMO.exists():
        pytest.skip("needs demo/book; run `make demo`")
    pack = load_pack(RULES)
    book = open_book(DEMO, pack.vocabulary)
    reference = read_reference(book, pack.vocabulary)
    files = list(islice(iter_files(book, pack.vocabulary), 400, 412))
    found = set().union(*(alerts_of(timeline(file, reference, pack, book=book)) for file in files))
    assert found
    assert watched(pack, files, book, book.as_of, tmp_path) == found


# -- as it is shown ---------------------------------------------------------------------------------------------------


def in_words(found: Timeline, lang: str) -> str:
    console = Console(width=80, file=io.StringIO())
    console.print(in_table(found, lang))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_table_of_the_small_file(pack: Pack) -> None:
    text = "\n".join(
        line.rstrip()
        for line in in_words(timeline(small_file(pack), {}, pack, as_of=day("12-31")), "en").splitlines()
    )
    assert text == GOLDEN.strip("\n")


GOLDEN = """
L1, East, 100.00
small 1
2024-02-01 to 2024-12-31, 6 events
2 alerts, 2 not cleared
obligations: 1 met, 1 met late

2024-02-01  Loan file opened  2 facts
              1 pass, 2 not applicable

            Payments 1  P1, amount 60.00
              obligation opened T-01 Title (Payments 1, due 2024-02-11)
              not due: T-01

2024-02-05  Visits 1  done yes
              obligation met T-01 Title (Payments 1, due 2024-02-11)
              pass: T-01

2024-03-01  Payments 2  P2, amount 50.00
              obligation opened T-01 Title (Payments 2, due 2024-03-11)
              alert raised (red) C-01 Title
                More than 100.00 was paid
              not due: T-01

2024-03-12  A due date passes  without an event
              obligation missed T-01 Title (Payments 2, due 2024-03-11)
              alert raised (orange) T-01 Title
                No visit within ten days

2024-03-13  Visits 2
              obligation met late T-01 Title (Payments 2, due 2024-03-11)

2024-04-01  Time passes  without an event
              unknown: C-02

2024-05-02  Review  level 2
              pass: C-02

Outcomes on the last day: 1 pass, 2 breach
  C-01 Title, alert raised 2024-03-01
  T-01 Title, alert raised 2024-03-12
"""


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_table_fits_eighty_columns(lang: str) -> None:
    if not DEMO.exists():
        pytest.skip("needs demo/book; run `make demo`")
    text = in_words(timeline_of(DEMO, RULES, "L0000001"), lang)
    assert all(Console(width=80).measure(line).maximum <= 80 for line in text.splitlines())


def test_texts_have_the_same_slots_in_both_languages() -> None:
    for key, texts in all_texts("timeline.yaml").items():
        assert list(texts) == ["en", "zh"], key
        slots = [set(re.findall(r"\{(\w+)", texts[lang])) for lang in ("en", "zh")]
        assert slots[0] == slots[1], key


class _Page(HTMLParser):
    """Ids, links within the page, and elements left open."""

    VOID = frozenset({"br", "meta", "link", "line", "rect", "circle", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name == "href" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag, (tag, self.getpos())


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page(pack: Pack, tmp_path: Path, lang: str) -> None:
    file = small_file(pack)
    file.facts["loan.branch"] = "<b>East</b>"
    write_page(timeline(file, {}, pack, as_of=day("12-31")), lang, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(html)
    assert page.open == [] and len(page.ids) == len(set(page.ids))
    assert all(link == "data:," or link[1:] in page.ids for link in page.links)
    assert "&lt;b&gt;East" in html and "<b>East" not in html and "http" not in html
    # One bar an obligation and an alert, a cross where none followed in time.
    assert html.count('class="mark bar met"') == 1 and html.count('class="mark bar met-late"') == 1
    assert html.count('class="mark bar alert red"') == html.count('class="mark bar alert orange"') == 1


def test_an_axis_keeps_the_order_of_days_and_cuts_long_gaps() -> None:
    days = [day("01-01"), day("01-02"), day("01-20"), day("06-01"), day("06-02")]
    axis = Axis(days, 100, 800)
    every = [axis.x(day("01-01") + dt.timedelta(n)) for n in range(154)]
    assert every == sorted(every) and len(set(every)) == 154
    assert (every[0], round(every[-1])) == (100, 900)
    assert len(axis.cuts) == 1 and axis.x(day("01-20")) < axis.cuts[0] < axis.x(day("06-01"))
    assert (day("06-01") - day("01-20")).days > GAP
    assert Axis([day("01-01")], 0, 10).x(day("01-01")) == 0
    ticks = [x for x, _ in axis.ticks()]
    assert ticks == sorted(ticks)


def test_the_page_in_a_browser(pack: Pack, tmp_path: Path) -> None:
    """Nothing is said in the console, nothing is wider than the window."""
    chromium = shutil.which("chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if chromium is None:
        pytest.skip("needs chromium")
    write_page(timeline(small_file(pack), {}, pack, as_of=day("12-31")), "zh", tmp_path / "page.html")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width in (1280, 420):
            page = browser.new_page(viewport={"width": width, "height": 800})
            said: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.goto((tmp_path / "page.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert said == []
        browser.close()


# -- JSON and the command ---------------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """The schema that docs/formats.md gives."""
    text = FORMATS.read_text(encoding="utf-8").partition("## A timeline as JSON")[2]
    found: dict[str, Any] = json.loads(text.partition("```json")[2].partition("```")[0])
    return found


def test_json_is_as_documented(pack: Pack) -> None:
    found = timeline(small_file(pack), {}, pack, as_of=day("12-31")).as_json()
    told = json.loads(json.dumps(found))
    Draft202012Validator.check_schema(schema())
    Draft202012Validator(schema()).validate(told)
    assert told["entries"][4] == {
        "day": "2024-03-12",
        "event": None,
        "moves": [
            {
                "rule": "T-01",
                "before": "not due",
                "after": "breach",
                "version": "2024-01-01",
                "judged_on": "2024-03-11",
                "note": None,
                "finding": {"en": "No visit within ten days"},
                "facts": {
                    "payments[1].date": "2024-02-01",
                    "payments[2].date": "2024-03-01",
                    "visits[1].date": "2024-02-05",
                },
                "missing": [],
            }
        ],
        "obligations": [
            {
                "rule": "T-01",
                "version": "2024-01-01",
                "list": "payments",
                "item": 2,
                "opened_on": "2024-03-01",
                "due": "2024-03-11",
                "state": "missed",
                "before": "open",
            }
        ],
    }
    assert told["alerts"][1] == {
        "rule": "T-01",
        "level": "orange",
        "raised_on": "2024-03-12",
        "due": "2024-03-15",
        "cleared_on": None,
        "finding": {"en": "No visit within ten days"},
    }


@pytest.fixture
def book(pack: Pack, tmp_path: Path) -> Path:
    loans = [{"loan_id": "L1", "loan.branch": "East", "loan.amount": Decimal("100.00"), "visits": 0}]
    tables = {LOANS: pa.Table.from_pylist(loans, table_schema(pack.vocabulary, LOANS))}
    write_book(
        tmp_path / "book", pack.vocabulary, tables, as_of=day("12-31"), synthetic=True, source="a test"
    )
    return tmp_path / "book"


def run(book: Path, pack: Pack, *options: str) -> Any:
    return CliRunner().invoke(app, ["replay", str(book), "--pack", str(pack.path), *options])


def test_the_command(book: Path, pack: Pack, tmp_path: Path) -> None:
    page, plain = tmp_path / "out" / "t.html", tmp_path / "out" / "t.json"
    done = run(book, pack, "--timeline", "--loan", "L1", "--html", str(page), "--json", str(plain))
    assert done.exit_code == 0, done.output
    assert "Loan file opened" in done.output
    assert "<svg" in page.read_text(encoding="utf-8")
    told = json.loads(plain.read_text(encoding="utf-8"))
    Draft202012Validator(schema()).validate(told)
    assert told["book"]["synthetic"] is True
    assert read_file(open_book(book, pack.vocabulary), pack.vocabulary, "L1").lists["visits"] == []


@pytest.mark.parametrize(
    ("options", "message", "help"),
    [
        (["--timeline"], "`--timeline` is that of one loan file", "--loan ID"),
        (["--timeline", "--loan", "L2"], "the book has no loan file `L2`", "`L1`"),
        (["--timeline", "--loan", "L1", "--out", "x"], "`--out` belongs to a replay", "--html FILE"),
        (["--timeline", "--loan", "L1", "--engine", "spark"], "`--engine spark` belongs", "--html FILE"),
        (["--timeline", "--loan", "L1", "--lang", "fr"], "`en` or `zh`, not in `fr`", None),
        (["--loan", "L1"], "`--loan` belongs to `--timeline`", "sancha decide"),
        (["--html", "x"], "`--html` belongs to `--timeline`", "sancha decide"),
        ([], "a replay writes its results to a folder", "--out FOLDER"),
    ],
)
def test_bad_input(book: Path, pack: Pack, options: list[str], message: str, help: str | None) -> None:
    error = run(book, pack, *options).exception
    assert isinstance(error, SanchaError)
    assert message in error.message
    assert help is None or help in (error.help or "")

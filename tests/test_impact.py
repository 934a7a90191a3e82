"""The impact of a change of policy: known changes on hand-made files, laws that hold for any two packs, bad input."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import re
import shutil
from collections import Counter
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from agreement import Generator, constants_of, generated_book
from rich.console import Console
from small_pack import write_pack
from typer.testing import CliRunner

from sancha.cli import app
from sancha.engine.book.schema import LOANS, table_schema
from sancha.engine.book.store import write_book
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.as_if import as_if, last_change
from sancha.engine.policy.differences import differences, paired_rules
from sancha.engine.policy.pack import load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run import impact as impact_module
from sancha.engine.run.impact import impact
from sancha.engine.run.impact_model import Impact
from sancha.engine.run.impact_text import all_texts, in_table
from sancha.engine.run.replay import replay

PARAMETERS = """
    parameters:
      cap:
        label: {en: Cap}
        type: money
        values:
          - {from: 2020-01-01, value: 100, source: {document: S, evidence: B}}
"""
TABLE = """
    table: limit
    hit policy: unique
    in force: {from: 2020-01-01}
    inputs: [{name: kind, expression: loan.kind}]
    outputs: [{name: most, type: money}]
    rows: [[a, "100"], [b, "200"], [c, "300"]]
"""
CAP = """
    rule: CAP-1
    judged on: loan.decided_on
    in force: {from: 2020-01-01}
    applies when: loan.kind != "c"
    require: loan.amount <= parameters.cap
"""
LIMIT = """
    rule: LIM-1
    title: {en: Within the limit}
    stage: in-loan
    judged on: loan.decided_on
    in force: {from: 2020-01-01}
    require: loan.amount <= limit
"""
SHARE = """
    rule: SHA-1
    kind: portfolio
    stage: post-loan
    in force: {from: 2020-01-01}
    where: loan.amount > 0
    group by: loan.branch
    measure: loan.amount
    require: share <= 0.5
"""
AS_OF = dt.date(2024, 12, 31)


def made(folder: Path, *parts: str, cap: str | None = None, **files: str) -> Path:
    text = PARAMETERS if cap is None else PARAMETERS.replace("value: 100", f"value: {cap}")
    return write_pack(folder, *parts, parameters__all_yaml=text, **files)


def book_of(folder: Path, pack: Path, rows: list[dict[str, Any]]) -> Path:
    vocabulary = load_pack(pack).vocabulary
    full = [
        {
            "loan_id": f"L{number:02d}",
            **dict.fromkeys(vocabulary.facts),
            **{name.replace("__", "."): value for name, value in row.items()},
            **dict.fromkeys(vocabulary.lists, 0),
        }
        for number, row in enumerate(rows, 1)
    ]
    tables = {LOANS: pa.Table.from_pylist(full, table_schema(vocabulary, LOANS))}
    write_book(folder, vocabulary, tables, as_of=AS_OF, synthetic=True, source="made for a test")
    return folder


def file(
    kind: str | None, amount: str | None, branch: str = "North", day: str = "2024-05-01"
) -> dict[str, Any]:
    return {
        "loan__kind": kind,
        "loan__amount": None if amount is None else Decimal(amount),
        "loan__branch": branch,
        "loan__decided_on": dt.date.fromisoformat(day),
    }


FILES = [
    file("a", "90"),
    file("a", "120", "South"),
    file("b", "150"),
    file("c", "150"),
    file("a", None, "South"),
    file("b", "80", "South"),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a pack `old` and a book of six files."""
    made(tmp_path / "old", CAP, LIMIT, SHARE, TABLE)
    book_of(tmp_path / "book", tmp_path / "old", FILES)
    return tmp_path


def compared(place: Path, new: str = "new", old: str = "old", out: str = "out", **options: Any) -> Impact:
    return impact(place / old, place / new, place / "book", place / out, progress=False, **options)


def changes(out: Path) -> list[tuple[str, str, str, str]]:
    rows = pq.read_table(out / "changes.parquet").to_pylist()
    return [(row["loan_id"], row["rule"], row["old"], row["new"]) for row in rows]


def rule_of(found: Impact, name: str) -> Any:
    return next(rule for rule in found.rules if rule.id == name)


# -- known changes ------------------------------------------------------------------------------------------------


def test_a_parameter_is_changed(place: Path) -> None:
    made(place / "new", CAP, LIMIT, SHARE, TABLE, cap="130")
    found = compared(place)
    assert changes(place / "out") == [("L02", "CAP-1", "breach", "pass")]
    cap = rule_of(found, "CAP-1")
    assert (cap.moves.passed.files, cap.moves.relieved.files, cap.moves.breached.files) == (1, 1, 0)
    assert cap.moves.relieved.exposure == Decimal(120)
    assert cap.moves.unchanged.files == 5 and cap.moves.unchanged.without_exposure == 1
    assert [(d.kind, d.name) for d in cap.because] == [("parameter", "cap")]
    assert [(p.key, p.old, p.new) for p in cap.because[0].parts] == [
        ("values[2020-01-01].value", "100.00", "130.00")
    ]
    (example,) = cap.examples
    assert example.loan_id == "L02" and example.branch == "South" and example.version == "2020-01-01"
    shown = {fact.name: (fact.old, fact.new) for fact in example.facts}
    assert shown["parameters.cap"] == ("100.00", "130.00") and shown["loan.amount"] == ("120.00", "120.00")
    assert example.facts[0].name == "parameters.cap", "what differs comes first"
    # L02 is still above the limit of its kind, so that no file is free of breaches.
    assert {name: tally.files for name, tally in found.files.items()} == {
        "all": 6,
        "changed": 1,
        "breached": 0,
        "relieved": 0,
        "before": 2,
        "after": 2,
    }


def test_a_row_of_a_table_is_changed(place: Path) -> None:
    made(place / "new", CAP, LIMIT, SHARE, TABLE.replace('[b, "200"]', '[b, "140"]'))
    found = compared(place)
    assert changes(place / "out") == [("L03", "LIM-1", "pass", "breach")]
    (difference,) = found.differences
    assert (difference.kind, difference.name) == ("table", "limit")
    assert [(p.key, p.old, p.new) for p in difference.parts] == [("row 2", "b | 200", "b | 140")]
    assert rule_of(found, "LIM-1").because == (difference,) and rule_of(found, "CAP-1").because == ()
    assert dict(found.branches)["North"].breached.files == 1
    assert dict(found.stages)["in-loan"].breached.exposure == Decimal(150)


def test_rules_added_removed_and_renamed_are_told_apart(place: Path) -> None:
    more = """
        rule: NEW-1
        title: {en: Known amount}
        judged on: loan.decided_on
        in force: {from: 2020-01-01}
        require: loan.amount >= 100
    """
    renamed = LIMIT.replace("LIM-1", "LIM-2")
    made(place / "new", renamed, SHARE, TABLE, more)
    found = compared(place)
    assert {rule.id: rule.state for rule in found.rules} == {
        "LIM-2": "renamed",
        "NEW-1": "added",
        "CAP-1": "removed",
    }
    assert not rule_of(found, "LIM-2").moves.changed.files
    assert ("L01", "NEW-1", "not applicable", "breach") in changes(place / "out")
    assert ("L02", "CAP-1", "breach", "not applicable") in changes(place / "out")
    assert not any(loan == "L04" and rule == "CAP-1" for loan, rule, _, _ in changes(place / "out"))
    states = {(d.name, d.state, d.old_name) for d in found.differences if d.kind == "rule"}
    assert states == {("LIM-2", "renamed", "LIM-1"), ("NEW-1", "added", None), ("CAP-1", "removed", None)}
    example = rule_of(found, "CAP-1").examples[0]
    assert all(fact.read == (True, False) for fact in example.facts)


def test_groups_of_the_book_are_compared(place: Path) -> None:
    made(place / "new", CAP, LIMIT, SHARE.replace("0.5", "0.9"), TABLE)
    found = compared(place)
    assert changes(place / "out") == []
    assert [(g.group, g.old, g.new) for g in found.groups] == []
    known = [row for row in FILES if row["loan__amount"] is not None]
    shutil.rmtree(place / "book")
    book_of(place / "book", place / "old", known)
    found = compared(place)
    assert [(g.rule, g.group, g.old, g.new) for g in found.groups] == [("SHA-1", "North", "breach", None)]
    assert found.groups[0].old_facts["files"] == "3"
    assert found.portfolio["SHA-1"] == ({"breach": 1, "pass": 1}, {"pass": 2})


def test_a_rule_that_comes_to_speak_of_the_book(place: Path) -> None:
    """It is removed as the one, and added as the other; and the other way round."""
    share = SHARE.replace("SHA-1", "CAP-1").replace("post-loan", "pre-loan")
    made(place / "new", share, LIMIT, TABLE)
    there = compared(place)
    back = compared(place, old="new", new="old", out="back")
    assert (
        rule_of(there, "CAP-1").moves.not_applicable.files
        == rule_of(back, "CAP-1").moves.applicable.files
        == 5
    )
    assert there.portfolio["CAP-1"] == back.portfolio["CAP-1"][::-1]
    assert there.portfolio["CAP-1"][0] == {} and sum(there.portfolio["CAP-1"][1].values()) == 2


def test_a_policy_as_if_it_had_been_in_force_then(place: Path) -> None:
    later = PARAMETERS + "          - {from: 2025-07-01, value: 130, source: {document: S, evidence: B}}\n"
    write_pack(place / "new", CAP, LIMIT, SHARE, TABLE, parameters__all_yaml=later)
    assert compared(place).total.changed.files == 0
    found = compared(place, as_if="last")
    assert found.as_if == (None, dt.date(2025, 7, 1))
    assert changes(place / "out") == [("L02", "CAP-1", "breach", "pass")]
    assert rule_of(found, "CAP-1").examples[0].version == "2020-01-01"
    assert compared(place, as_if=dt.date(2025, 6, 30)).total.changed.files == 0
    # The days of one and the same policy: what is in force now against what was then.
    assert compared(place, old="new", as_if="2025-07-01").total.changed.files == 1
    assert rule_of(compared(place, old="new", as_if="last"), "CAP-1").because == ()
    # Two days of one policy: what one change of it does, all else being equal.
    apart = compared(place, old="new", old_as_if="2025-06-30", as_if="2025-07-01")
    assert apart.total.changed.files == 1 and not apart.same_pack
    (told,) = apart.differences
    assert (told.kind, told.name, told.parts[0].old, told.parts[0].new) == (
        "parameter",
        "cap",
        "100.00",
        "130.00",
    )
    assert rule_of(apart, "CAP-1").because == (told,)
    assert compared(place, old="new", old_as_if="2025-07-01", as_if="last").same_pack


def test_as_if_lifts_what_is_in_force_on_the_day_and_nothing_else(tmp_path: Path) -> None:
    dated = CAP.replace("{from: 2020-01-01}", "{from: 2023-01-01, until: 2023-12-31}")
    pack = load_pack(made(tmp_path / "pack", dated, LIMIT, SHARE, TABLE))
    assert last_change(pack) == dt.date(2023, 1, 1)
    within, after = as_if(pack, dt.date(2023, 12, 31)), as_if(pack, dt.date(2024, 1, 1))
    book_of(tmp_path / "book", tmp_path / "pack", FILES)
    for name, judged in (("within", within), ("after", after)):
        replay(tmp_path / "book", judged, tmp_path / name, progress=False)
    codes = [
        pq.read_table(tmp_path / name / "codes.parquet")["CAP-1"].to_pylist() for name in ("within", "after")
    ]
    assert codes == [[0, 1, 1, 2, 3, 0], [2] * 6]
    assert len({pack.digest, within.digest, after.digest}) == 3
    with pytest.raises(SanchaError, match="no rule of small 1 is in force on 1999-01-01"):
        as_if(pack, dt.date(1999, 1, 1))


def test_only_the_rules_asked_for_are_compared(place: Path) -> None:
    made(place / "new", CAP, LIMIT, SHARE, TABLE.replace('[b, "200"]', '[b, "140"]'), cap="130")
    found = compared(place, rules=["LIM-1"])
    assert [rule.id for rule in found.rules] == ["LIM-1"] and not found.portfolio
    assert {row[1] for row in changes(place / "out")} == {"LIM-1"}


def test_an_older_run_spares_a_replay(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(place / "new", CAP, LIMIT, SHARE, TABLE, cap="130")
    whole = compared(place)
    replay(place / "book", place / "old", place / "run", engine="row", progress=False)
    calls: list[Path] = []

    def counted(book: Path, pack: Any, out: Path, **options: Any) -> Any:
        calls.append(out)
        return replay(book, pack, out, **options)

    monkeypatch.setattr(impact_module, "replay", counted)
    again = compared(place, out="again", old_run=place / "run")
    assert len(calls) == 1 and again.total == whole.total
    for name in ("changes.parquet", "summary.parquet", "impact.json", "impact.html"):
        assert (place / "out" / name).read_bytes() == (place / "again" / name).read_bytes(), name


def test_a_comparison_that_was_stopped_carries_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(place / "new", CAP, LIMIT, SHARE, TABLE, cap="130")
    calls: list[str] = []

    def stopped(book: Path, pack: Any, out: Path, **options: Any) -> Any:
        calls.append(out.name)
        if calls == ["old", "new"]:
            raise KeyboardInterrupt
        return replay(book, pack, out, **options)

    monkeypatch.setattr(impact_module, "replay", stopped)
    with pytest.raises(KeyboardInterrupt):
        compared(place)
    assert not (place / "out").exists()
    compared(place)
    assert calls == ["old", "new", "new"]
    assert changes(place / "out") == [("L02", "CAP-1", "breach", "pass")]
    assert sorted(p.name for p in place.iterdir()) == ["book", "new", "old", "out"]


# -- laws ---------------------------------------------------------------------------------------------------------

CONDITIONS = [
    "loan.amount <= 700000",
    "loan.amount <= 1000000 and loan.rate <= 0.3",
    'loan.kind in ("a", "b")',
    "review.level >= 2 or loan.other > loan.amount",
    "some v in visits satisfies v.done",
    "count(visits) >= 2",
    "sum(payments.amount) <= loan.amount",
    "limit >= loan.amount",
]


def drawn(folder: Path, rng: random.Random) -> Path:
    parts = [TABLE.replace("300", str(rng.choice([300, 700000])))]
    for number in range(5):
        first = rng.choice(["2020-01-01", "2024-02-29", "2024-06-01"])
        if rng.random() < 0.2:
            continue
        parts.append(
            f"""
            rule: R-{number}
            title: {{en: Rule {number}}}
            stage: {["pre-loan", "in-loan", "post-loan"][number % 3]}
            judged on: loan.decided_on
            in force: {{from: {first}}}
            applies when: {rng.choice(CONDITIONS)}
            require: {rng.choice(CONDITIONS)}
            """
        )
    parts.append(LIMIT)
    return made(folder, *parts, cap=str(rng.choice([100, 700000])))


@pytest.mark.parametrize("seed", range(4))
def test_laws(tmp_path: Path, seed: int) -> None:
    """Sums, mirrors, and the difference of two runs of the row evaluator."""
    rng = random.Random(seed)
    drawn(tmp_path / "old", rng)
    drawn(tmp_path / "new", rng)
    pack = load_pack(tmp_path / "old")
    generated_book(tmp_path / "book", pack.vocabulary, Generator(seed, constants_of(pack)), 120)
    there = compared(tmp_path)
    back = compared(tmp_path, old="new", new="old", out="back")

    for rule in there.rules:
        moves = rule.moves
        assert moves.files == 120
        newly = [moves.newly(outcome).files for outcome in Outcome]
        assert sum(newly) == moves.changed.files == 120 - moves.unchanged.files
        for views in (rule.branches, rule.products):
            assert sum(view.files for _, view in views) == 120
        other = next(r for r in back.rules if (r.old, r.new) == (rule.new, rule.old))
        assert {(new, old): tally for (old, new), tally in moves.found.items()} == dict(other.moves.found)
    assert sum(m.files for _, m in there.stages) == there.total.files == 120 * len(there.rules)
    assert sum(m.files for _, m in there.sizes) == there.total.files
    assert there.files["breached"] == back.files["relieved"]

    runs = {}
    for name in ("old", "new"):
        replay(tmp_path / "book", tmp_path / name, tmp_path / f"run-{name}", engine="row", progress=False)
        rows = pq.read_table(tmp_path / f"run-{name}" / "codes.parquet").to_pylist()
        runs[name] = {
            (row["loan_id"], rule.id): Outcome(row.get(rule.id, Outcome.NOT_APPLICABLE)).text
            for row in rows
            for rule in there.rules
        }
    expected = {
        (loan, rule, runs["old"][loan, rule], runs["new"][loan, rule])
        for loan, rule in runs["old"]
        if runs["old"][loan, rule] != runs["new"][loan, rule]
    }
    found = changes(tmp_path / "out")
    assert set(found) == expected and len(found) == len(expected)
    assert found == sorted(found, key=lambda row: (row[1], row[0]))

    summary = pq.read_table(tmp_path / "out" / "summary.parquet")
    different = summary.filter(pc.not_equal(summary["old"], summary["new"]))
    assert sum(different["files"].to_pylist()) == len(found)
    loans = pq.read_table(tmp_path / "book" / "loans.parquet")
    exposure = dict(zip(loans["loan_id"].to_pylist(), loans["loan.amount"].to_pylist(), strict=True))
    assert sum(different["exposure"].to_pylist()) == sum(exposure[row[0]] or 0 for row in found)
    without = sum(exposure[row[0]] is None for row in found)
    assert sum(different["without_exposure"].to_pylist()) == without
    shown = Counter((e.old.text, e.new.text, r.id) for r in there.rules for e in r.examples)
    assert set(shown) <= {(old, new, rule) for _, rule, old, new in found}


def test_a_policy_against_itself_changes_nothing(place: Path) -> None:
    shutil.copytree(place / "old", place / "new")
    found = compared(place)
    assert found.same_pack and not found.differences and not found.changed_rules and not found.groups
    assert changes(place / "out") == []
    assert found.total.unchanged.files == found.total.files == 12
    result = CliRunner().invoke(
        app,
        ["impact", str(place / "old"), str(place / "new"), str(place / "book"), "--out", str(place / "x")],
    )
    assert result.exit_code == 0 and "OLD and NEW are the same policy. Nothing changed." in result.output


def test_the_same_input_gives_the_same_bytes(place: Path) -> None:
    made(place / "new", CAP, LIMIT, SHARE, TABLE, cap="130")
    compared(place)
    compared(place, out="again")
    for found in sorted((place / "out").iterdir()):
        assert found.read_bytes() == (place / "again" / found.name).read_bytes(), found.name
    first = (place / "out" / "impact.json").read_bytes()
    compared(place)
    assert (place / "out" / "impact.json").read_bytes() == first


# -- differences of the text --------------------------------------------------------------------------------------


def test_differences_name_what_decides_and_what_does_not(tmp_path: Path) -> None:
    old = load_pack(made(tmp_path / "old", CAP, LIMIT, TABLE))
    changed = CAP.replace("loan.amount <=", "loan.other <=") + "    finding: {en: Another text}\n"
    rows = TABLE.replace('[a, "100"], ', "").replace('[c, "300"]', '[c, "300"], [a, "90"]')
    made(tmp_path / "new", changed, LIMIT, rows)
    (tmp_path / "new" / "clauses" / "all.md").write_text(
        "## one.1 Clause\n\nAnother text.\n", encoding="utf-8"
    )
    new = load_pack(tmp_path / "new")
    found = {d.name: d for d in differences(old, new)}
    assert {name: (d.kind, d.state, d.decides) for name, d in found.items()} == {
        "CAP-1": ("rule", "changed", True),
        "limit": ("table", "changed", True),
        "one.1": ("clause", "changed", False),
    }
    assert [(p.key, p.decides) for p in found["CAP-1"].parts] == [("require", True), ("finding.en", False)]
    assert [(p.key, p.old, p.new) for p in found["limit"].parts] == [
        ("row 1", "a | 100", None),
        ("row 3", None, "a | 90"),
    ]
    assert differences(old, old) == ()


def test_rules_that_could_be_several_are_not_taken_for_renamed(tmp_path: Path) -> None:
    old = load_pack(made(tmp_path / "old", CAP, LIMIT, TABLE))
    demand = LIMIT.replace("LIM-1", "LIM-4").replace("Within the limit", "Other words")
    new = load_pack(made(tmp_path / "named", CAP, demand, TABLE))
    assert [(o and o.id, n and n.id) for o, n in paired_rules(old, new)][1] == ("LIM-1", "LIM-4")
    twins = [LIMIT.replace("LIM-1", name) for name in ("LIM-2", "LIM-3")]
    new = load_pack(made(tmp_path / "new", CAP, *twins, TABLE))
    pairs = [(o and o.id, n and n.id) for o, n in paired_rules(old, new)]
    assert pairs == [("CAP-1", "CAP-1"), (None, "LIM-2"), (None, "LIM-3"), ("LIM-1", None)]


# -- what is shown ------------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """The texts and addresses of a page, whose elements are all closed."""

    VOID = frozenset(("meta", "link", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_page_and_table(place: Path, lang: str) -> None:
    strange = LIMIT.replace("Within the limit", "<b>Within</b> & the limit")
    made(place / "new", CAP, strange, SHARE, TABLE.replace('[b, "200"]', '[b, "140"]'), cap="130")
    found = compared(place, lang=lang)
    html = (place / "out" / "impact.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(html)
    assert not page.open and len(page.ids) == len(set(page.ids))
    assert all(link == "data:," or link[1:] in page.ids for link in page.links)
    assert "&lt;b&gt;Within" in html and "<b>" not in html and "http" not in html
    assert "100.00" in html and "130.00" in html and "L02" in html and "L03" in html
    console = Console(width=80, file=io.StringIO())
    console.print(in_table(found, lang))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "b | 200 → b | 140" in text and "CAP-1" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_texts_have_the_same_slots_in_both_languages() -> None:
    for key, texts in all_texts().items():
        assert list(texts) == ["en", "zh"], key
        slots = [set(re.findall(r"\{(\w+)", texts[lang])) for lang in ("en", "zh")]
        assert slots[0] == slots[1], key


def test_json_holds_what_was_found(place: Path) -> None:
    made(place / "new", CAP, LIMIT, SHARE, TABLE, cap="130")
    compared(place)
    told = json.loads((place / "out" / "impact.json").read_text(encoding="utf-8"))
    (cap,) = [rule for rule in told["rules"] if rule["rule"] == "CAP-1"]
    assert cap["newly_passed"] == {"files": 1, "exposure": "120.00", "without_exposure": 0}
    assert cap["because"] == [{"kind": "parameter", "name": "cap"}]
    assert {"fact": "parameters.cap", "old": "100.00", "new": "130.00"} in cap["examples"][0]["facts"]


# -- bad input ----------------------------------------------------------------------------------------------------


def test_packs_of_other_vocabularies_are_refused(place: Path) -> None:
    new = made(place / "new", CAP, LIMIT, TABLE)
    text = (new / "vocabulary.yaml").read_text(encoding="utf-8")
    other = text.replace("rate: {type: rate", "rate: {type: integer")
    (new / "vocabulary.yaml").write_text(other, encoding="utf-8")
    with pytest.raises(SanchaError, match=r"`loan\.rate` is rate in OLD, integer in NEW"):
        compared(place)
    score = "      score: {type: integer, label: {en: score}}\n"
    more = text.replace("      rate: {type: rate", f"{score}      rate: {{type: rate")
    assert more != text
    (new / "vocabulary.yaml").write_text(more, encoding="utf-8")
    with pytest.raises(
        SanchaError, match=r"does not hold what NEW reads.*lacks the column `loan\.score`"
    ) as raised:
        compared(place)
    assert "`loan.score` is in NEW alone" in (raised.value.help or "")
    assert not (place / "out").exists()


def test_packs_without_a_rule_in_common_are_refused(place: Path) -> None:
    made(place / "new", SHARE)
    made(place / "old2", CAP, LIMIT, TABLE)
    with pytest.raises(SanchaError, match="no rule in common"):
        compared(place, old="old2")


def test_runs_that_do_not_fit_are_refused(place: Path) -> None:
    made(place / "new", CAP, LIMIT, SHARE, TABLE, cap="130")
    replay(place / "book", place / "new", place / "run", progress=False)
    with pytest.raises(SanchaError, match="the run is of another pack"):
        compared(place, old_run=place / "run")
    replay(place / "book", place / "old", place / "run", progress=False, hindsight=True)
    with pytest.raises(SanchaError, match="another setting of hindsight"):
        compared(place, old_run=place / "run")
    with pytest.raises(SanchaError, match="not a complete run"):
        compared(place, old_run=place / "book")


def test_places_rules_days_and_languages_that_cannot_be(place: Path) -> None:
    made(place / "new", CAP, LIMIT, SHARE, TABLE, cap="130")
    with pytest.raises(SanchaError, match="neither pack has a rule `CAP-2`") as raised:
        compared(place, rules=["CAP-2"])
    assert "CAP-1" in (raised.value.help or "")
    with pytest.raises(SanchaError, match="`soon` is no day"):
        compared(place, as_if="soon")
    with pytest.raises(SanchaError, match="no page in the language `fr`"):
        compared(place, lang="fr")
    with pytest.raises(SanchaError, match="`book` is there already and is not a comparison"):
        compared(place, out="book")
    assert sorted(p.name for p in place.iterdir()) == ["book", "new", "old"]

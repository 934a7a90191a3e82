"""A pack as a DMN model: valid, drawn without overlaps, and of the same meaning, whatever is missing."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dmn_files import Sides
from lxml import etree
from small_pack import loan_file, small_pack, write_pack

from sancha.engine.book.store import iter_files, open_book, read_reference
from sancha.engine.book.synthesize import synthesize
from sancha.engine.diagnostics import SanchaError
from sancha.engine.dmn.diagram import layout
from sancha.engine.dmn.export import EXTENSION, export_pack
from sancha.engine.dmn.read import read_model
from sancha.engine.policy.pack import Pack, load_pack

RULES = Path(__file__).parent.parent / "rules"
DAYS = [
    dt.date(2023, 12, 31),
    dt.date(2024, 1, 1),
    dt.date(2024, 6, 30),
    dt.date(2024, 7, 1),
    dt.date(2025, 1, 1),
]

#: One rule, as every pack has some.
RULE = """
    rule: R-1
    judged on: as_of
    in force: {from: 2020-01-01}
    require: loan.amount > 0
"""


def table(policy: str, rows: str, output: str = "money", default: str = "", more: str = "") -> str:
    return f"""
        table: t
        hit policy: {policy}
        inputs:
          - {{name: kind, expression: loan.kind}}
          - {{name: amount, expression: loan.amount}}
        outputs: [{{name: value, type: {output}}}]
        rows: {rows}
        {f"default: [{default}]" if default else ""}
        {more}
    """


def files(pack: Pack, count: int = 150, seed: int = 1) -> list[Any]:
    """Files in which every fact is missing now and then, and amounts stand at the limits."""
    chance = random.Random(seed)
    amounts = [None, *(Decimal(x) for x in ("0", "10", "10.01", "50", "99.99", "100", "500"))]
    days = [None, dt.date(2024, 1, 31), dt.date(2024, 2, 29), dt.date(2023, 2, 28), dt.date(2024, 9, 30)]
    out = []
    for _ in range(count):
        payments = [
            {
                "number": chance.choice(["x", "y", None]),
                "date": chance.choice(days),
                "amount": chance.choice(amounts),
            }
            for _ in range(chance.randrange(4))
        ]
        visits = [
            {"date": chance.choice(days), "done": chance.choice([True, False, None]),
             "staff": chance.choice([None, [], ["S1"], ["S1", "S2"], ["S2", "S2"]])}
            for _ in range(chance.randrange(3))
        ]  # fmt: skip
        out.append(
            loan_file(
                pack,
                {
                    "payments": chance.choice([None, payments, payments]),
                    "visits": chance.choice([None, visits, visits]),
                },
                loan__kind=chance.choice([None, "a", "b", "c"]),
                loan__branch=chance.choice([None, "x", "y", "", "xyz"]),
                loan__amount=chance.choice(amounts),
                loan__other=chance.choice(amounts),
                loan__rate=chance.choice([None, Decimal("0.1"), Decimal("0.25")]),
                loan__decided_on=chance.choice(days),
                loan__grade=chance.choice([None, 1, 2, 3]),
                review__done_on=chance.choice(days),
                review__level=chance.choice([None, 1, 5]),
            )
        )
    return out


def agree(tmp_path: Path, *parts: str, **more: str) -> Path:
    """Exports a pack of these parts, and compares it with the row evaluator. The model."""
    pack = small_pack(tmp_path / "pack", RULE, *parts, **more)
    export_pack(tmp_path / "pack", "dmn15", tmp_path / "model.dmn")
    count, found = Sides(pack, tmp_path / "model.dmn").differences(files(pack), itertools.cycle(DAYS))
    assert count >= 150
    assert found == []
    return tmp_path / "model.dmn"


ROWS = '[[a, "<= 10", 1], [a, "> 10", 2], ["b, c", "[50..100)", 3], ["not(a)", "-", 4]]'
APART = '[[a, "<= 10", 1], [a, "> 10", 2], ["b", "[50..100)", 3], ["b", ">= 100", 4]]'


@pytest.mark.parametrize("dates", ["", "in force: {from: 2024-01-01, until: 2024-12-31}"])
@pytest.mark.parametrize("default", ["", "7", "0"])
@pytest.mark.parametrize(
    ("policy", "rows"),
    [
        ("unique", APART),
        ("any", ROWS),
        ("first", ROWS),
        ("collect sum", ROWS),
        ("collect min", ROWS),
        ("collect max", ROWS),
        ("collect count", ROWS),
    ],
)
def test_every_hit_policy_means_the_same_with_values_missing(
    tmp_path: Path, policy: str, rows: str, default: str, dates: str
) -> None:
    agree(tmp_path, table(policy, rows, default=default, more=dates))


@pytest.mark.parametrize("default", ["", "default: [8, b]"])
@pytest.mark.parametrize("policy", ["unique", "first", "collect max"])
def test_several_outputs(tmp_path: Path, policy: str, default: str) -> None:
    second = "money" if policy.startswith("collect") else '"one of [a, b, c]"'
    rows = '[[a, "<= 10", 1, V], [a, "> 10", 2, W], [b, -, 3, V]]'
    shown = {"V": "5", "W": "6"} if policy.startswith("collect") else {"V": "a", "W": "c"}
    for mark, value in shown.items():
        rows = rows.replace(mark, value)
    default = default.replace("b]", "9]") if policy.startswith("collect") else default
    agree(
        tmp_path,
        f"""
        table: t
        hit policy: {policy}
        inputs: [{{name: kind, expression: loan.kind}}, {{name: amount, expression: loan.amount}}]
        outputs: [{{name: x, type: money}}, {{name: y, type: {second}}}]
        rows: {rows}
        {default}
        """,
    )


PARAMETERS = """
    parameters:
      limit:
        label: {en: Limit}
        type: money
        values:
          - {from: 2024-01-01, value: 50, source: {document: S, evidence: B}}
          - {from: 2024-07-01, value: 100, source: {document: S, evidence: B}}
      share:
        label: {en: Share}
        type: rate
        values: [{from: 2010-01-01, value: 0.2, source: {document: S, evidence: B}}]
"""


@pytest.mark.parametrize("policy", ["unique", "first", "collect sum", "collect min"])
def test_versions_parameters_in_cells_and_conditions_in_cells(tmp_path: Path, policy: str) -> None:
    agree(
        tmp_path,
        f"""
        table: t
        hit policy: {policy}
        inputs: [{{name: kind, expression: loan.kind}}, {{name: amount, expression: loan.amount}}]
        outputs: [{{name: value, type: money}}]
        versions:
          - in force: {{from: 2024-01-01, until: 2024-06-30}}
            rows: [[a, "<= parameters.limit", 1], [b, "> 10", parameters.limit]]
          - in force: {{from: 2024-07-01}}
            rows: [[a, "not(< parameters.limit)", 1], [b, "? > 10 and ? != 50", 3]]
            default: [12]
        """,
        parameters__all_yaml=PARAMETERS,
    )


@pytest.mark.parametrize("policy", ["unique", "first", "collect max"])
@pytest.mark.parametrize("default", ["", "default: [0.5]"])
def test_tables_that_are_called(tmp_path: Path, policy: str, default: str) -> None:
    agree(
        tmp_path,
        f"""
        table: cap
        hit policy: {policy}
        in force: {{from: 2024-01-01}}
        inputs: [{{name: kind, type: "one of [a, b, c]"}}, {{name: amount, type: money}}]
        outputs: [{{name: value, type: rate}}]
        rows: [[a, "<= parameters.limit", 0.1], [b, "-", parameters.share]]
        {default}
        """,
        """
        decision: capped
        type: money
        value: cap(loan.kind, loan.other) * loan.amount
        """,
        parameters__all_yaml=PARAMETERS,
    )


EXPRESSIONS = [
    ("boolean", 'loan.kind = "a"'),
    ("boolean", 'loan.kind != "a" or loan.amount > 50'),
    ("boolean", 'not(loan.kind in ("a", "b")) and loan.branch = "x"'),
    ("boolean", "loan.amount = loan.other"),
    ("boolean", "loan.amount != loan.other and (loan.kind = null or loan.amount < 100)"),
    ("boolean", "loan.amount in (10..100] or loan.amount in (< 5, 500)"),
    ("boolean", "loan.amount between 10 and 100"),
    ("money", 'if loan.kind = "a" then loan.amount else loan.other'),
    ("money", 'if loan.kind = "a" and loan.amount > 10 or loan.branch = "x" then 1 else 2'),
    ("boolean", 'if loan.amount > 10 then loan.kind = "a" else loan.branch != "y"'),
    ("money", "if loan.amount = null then 0 else if loan.amount > 50 then loan.amount / 3 else -loan.amount"),
    ("number", "loan.amount / loan.other"),
    ("money", "min(loan.amount, loan.other) + max(loan.amount, 20)"),
    ("money", "round half up(loan.amount * loan.rate, 1)"),
    ("integer", "modulo(loan.grade, 2) + floor(loan.rate * 10) + abs(-3)"),
    ("number", "loan.rate ** 2"),
    ("integer", "days between(loan.decided_on, review.done_on)"),
    ("integer", "months between(loan.decided_on, review.done_on)"),
    ("integer", "years between(loan.decided_on, review.done_on)"),
    ("integer", "working days between(loan.decided_on, review.done_on)"),
    ("date", "add working days(loan.decided_on, loan.grade * 7)"),
    ("date", "add working days(loan.decided_on, 1 - loan.grade)"),
    ("date", "add working days(loan.decided_on, 180)"),
    ("boolean", '(if loan.grade > 2 then loan.kind else loan.branch) = "x"'),
    ("boolean", '(if loan.grade > 2 then loan.kind else loan.branch) in ("x", "a")'),
    ("date", 'loan.decided_on + @"P1M"'),
    ("days", "loan.decided_on - review.done_on"),
    ("date", 'loan.decided_on - @"P15D"'),
    ("boolean", 'loan.decided_on + @"P30D" < review.done_on'),
    ("integer", "loan.decided_on.month * 100 + loan.decided_on.day + loan.decided_on.weekday"),
    ("boolean", 'some p in payments satisfies p.amount > 50 and p.number = "x"'),
    ("boolean", 'every p in payments satisfies p.amount > 5 or p.number != "x"'),
    ("boolean", "some v in visits satisfies count(distinct values(v.staff)) >= 2"),
    ("boolean", 'every v in visits[done] satisfies list contains(v.staff, "S1")'),
    ("boolean", "some p in payments, q in payments satisfies p.number = q.number and p.date < q.date"),
    ("integer", "count(payments)"),
    ("integer", 'count(payments[number = "x"])'),
    ("integer", "count(distinct values(payments.number))"),
    ("money", "sum(payments.amount)"),
    ("money", 'sum(payments[amount > 10 and number != "y"].amount)'),
    ("money", "max(payments.amount) - min(payments[amount < 100].amount)"),
    ("date", "max(payments.date)"),
    ("boolean", "payments = null or sum(payments[date >= loan.decided_on].amount) > loan.amount"),
    (
        "boolean",
        "every p in payments satisfies "
        "sum(payments[number = p.number and days between(p.date, date) < 60].amount) < 500",
    ),
    ("text", 'lower case("X") + substring(loan.branch, 1, 1)'),
    ("text", "substring(loan.branch, 2, 3)"),
    ("boolean", 'starts with(loan.branch, "x") or contains(loan.branch, "y")'),
    ("integer", "if as_of > loan.decided_on then loan.grade else string length(loan.branch)"),
    ("boolean", "some p in people satisfies p.level >= loan.grade"),
]  # fmt: skip


def test_expressions_mean_the_same_with_values_missing(tmp_path: Path) -> None:
    parts = [
        f"decision: d{n}\ntype: {type_}\nvalue: {text!r}".replace("''", "'")
        for n, (type_, text) in enumerate(EXPRESSIONS)
    ]
    pack = small_pack(tmp_path / "pack", RULE, *parts)
    export_pack(tmp_path / "pack", "dmn15", tmp_path / "model.dmn")
    sides = Sides(pack, tmp_path / "model.dmn")
    for reference in ({}, {"people": [{"id": "a", "level": 2}, {"id": "b", "level": None}]}):
        count, found = sides.differences(files(pack, 250), itertools.cycle(DAYS), reference)
        assert count == 250 * len(EXPRESSIONS)
        assert found == []


def test_one_day_alone(tmp_path: Path) -> None:
    day = dt.date(2024, 3, 1)
    pack = small_pack(
        tmp_path / "pack",
        RULE,
        table("first", ROWS, more="in force: {from: 2024-01-01}"),
        "decision: d\ntype: money\nvalue: t * parameters.share + parameters.limit",
        parameters__all_yaml=PARAMETERS,
    )
    report = export_pack(tmp_path / "pack", "dmn15", tmp_path / "model.dmn", on=day)
    text = (tmp_path / "model.dmn").read_text(encoding="utf-8").split("<extensionElements>")[-1]
    assert "as_of" not in text
    assert any(loss.where == "parameter limit" for loss in report.losses)
    sides = Sides(pack, tmp_path / "model.dmn")
    assert sides.differences(files(pack), itertools.repeat(day))[1] == []


@pytest.mark.parametrize("target", ["dmn15", "camunda8"])
def test_the_demonstration_pack_on_a_synthetic_book(tmp_path: Path, target: str) -> None:
    pack = load_pack(RULES)
    synthesize(300, 5, tmp_path / "book", pack.vocabulary)
    book = open_book(tmp_path / "book", pack.vocabulary)
    export_pack(RULES, target, tmp_path / "model.dmn")
    sides = Sides(pack, tmp_path / "model.dmn")
    if target == "camunda8":
        return  # its dates arrive as texts, see below
    days = itertools.cycle([book.as_of, dt.date(2017, 5, 31), dt.date(2024, 7, 1)])
    count, found = sides.differences(
        iter_files(book, pack.vocabulary), days, read_reference(book, pack.vocabulary)
    )
    assert count == 300 * len(sides.rows)
    assert found == []


def test_conditions_of_checks_become_decisions_on_request(tmp_path: Path) -> None:
    export_pack(RULES, "dmn15", tmp_path / "model.dmn", rules=True)
    names = {d.name for d in read_model(tmp_path / "model.dmn").decisions}
    assert {"PRE_20_applies", "PRE_20_holds"} <= names
    assert not any(name.startswith("LIM_02") for name in names)  # a portfolio rule speaks of no file


def test_dates_arrive_as_texts_in_camunda(tmp_path: Path) -> None:
    write_pack(
        tmp_path / "pack", RULE, 'decision: late\ntype: boolean\nvalue: "loan.decided_on > review.done_on"'
    )
    export_pack(tmp_path / "pack", "camunda8", tmp_path / "model.dmn")
    model = Sides(load_pack(tmp_path / "pack"), tmp_path / "model.dmn").model
    given = {"loan": {"decided_on": "2024-02-01"}, "review": {"done_on": "2024-01-31"}}
    assert model.evaluate(given, None).values == {"late": True}


# -- the form ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["dmn15", "camunda8"])
def test_the_model_is_read_without_problems(tmp_path: Path, target: str) -> None:
    report = export_pack(RULES, target, tmp_path / "model.dmn")
    model = read_model(tmp_path / "model.dmn")
    assert model.problems == ()
    assert model.version == ("1.5" if target == "dmn15" else "1.3")
    assert len(model.decisions) == report.decisions
    pack = load_pack(RULES)
    held = {e.name for e in model.elements}
    assert set(pack.decisions) <= held
    ids = [node.get("id") for node in etree.parse(tmp_path / "model.dmn").iter() if node.get("id")]
    assert len(ids) == len(set(ids))


def test_what_the_model_does_not_hold_is_reported_and_carried(tmp_path: Path) -> None:
    report = export_pack(RULES, "dmn15", tmp_path / "out" / "model.dmn")
    with report.losses_path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(r["where"], r["what"], r["why"]) for r in rows] == [
        (x.where, x.what, x.why) for x in report.losses
    ]
    assert {f"rule {id}" for id in load_pack(RULES).rules} <= {r["where"] for r in rows}
    carried = etree.parse(tmp_path / "out" / "model.dmn").getroot().find(f".//{{{EXTENSION}}}pack")
    assert carried is not None
    paths = {file.get("path") for file in carried.iter(f"{{{EXTENSION}}}file")}
    assert {"pack.yaml", "waivers.yaml", "approval/authority.csv", "clauses/limits.md"} <= paths


def test_exports_are_equal_to_the_byte(tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_pack(RULES, "dmn15", tmp_path / f"{name}.dmn")
    assert (tmp_path / "a.dmn").read_bytes() == (tmp_path / "b.dmn").read_bytes()


def test_an_unknown_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SanchaError, match="unknown target `dmn`") as error:
        export_pack(RULES, "dmn", tmp_path / "model.dmn")
    assert error.value.help == "did you mean `dmn15`?" or "dmn15" in (error.value.help or "")
    assert list(tmp_path.iterdir()) == []


# -- the diagram -------------------------------------------------------------------------------------------------------


def crosses(a: tuple[float, float], b: tuple[float, float], box: Any) -> bool:
    """Whether the line from a to b passes through the inside of a box."""
    low, high = 0.0, 1.0
    for p, q, start, size in ((a[0], b[0], box.x, box.width), (a[1], b[1], box.y, box.height)):
        inside = (start + 1, start + size - 1)
        if p == q:
            if not inside[0] < p < inside[1]:
                return False
            continue
        first, last = sorted(((inside[0] - p) / (q - p), (inside[1] - p) / (q - p)))
        low, high = max(low, first), min(high, last)
    return low < high


def sound(sizes: dict[str, tuple[float, float]], edges: list[tuple[str, str]]) -> None:
    found = layout(sizes, edges)
    boxes = list(found.shapes.items())
    for (_, a), (_, b) in itertools.combinations(boxes, 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
        assert apart
    for (low, high), points in found.lines.items():
        assert found.shapes[low].y > found.shapes[high].y  # what is required stands below
        for start, end in itertools.pairwise(points):
            for name, box in boxes:
                assert not crosses(start, end, box), f"{low} -> {high} crosses {name}"


def test_shapes_do_not_overlap_and_lines_pass_between_them() -> None:
    for seed in range(12):
        chance = random.Random(seed)
        names = [f"n{i}" for i in range(chance.randrange(1, 30))]
        sizes = {n: chance.choice([(180.0, 80.0), (150.0, 46.0), (140.0, 64.0)]) for n in names}
        edges = [(a, b) for a, b in itertools.combinations(names, 2) if chance.random() < 0.15]
        sound(sizes, edges)


@pytest.mark.parametrize("rules", [False, True])
def test_the_diagram_shows_every_element_and_requirement(tmp_path: Path, rules: bool) -> None:
    export_pack(RULES, "dmn15", tmp_path / "model.dmn", rules=rules)
    root = etree.parse(tmp_path / "model.dmn").getroot()
    shown = {node.get("dmnElementRef") for node in root.iter("{*}DMNShape")}
    drawn = {node.get("dmnElementRef") for node in root.iter("{*}DMNEdge")}
    kinds = ("decision", "inputData", "businessKnowledgeModel", "knowledgeSource")
    assert shown == {node.get("id") for kind in kinds for node in root.findall(f"{{*}}{kind}")}
    assert drawn == {
        node.get("id")
        for kind in ("informationRequirement", "knowledgeRequirement", "authorityRequirement")
        for node in root.iter(f"{{*}}{kind}")
    }

"""The in-loan and post-loan rules: clean files, covered outcomes, the tables of limits, the wording."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from gherkin.parser import Parser
from gherkin.pickles.compiler import Compiler

from sancha.engine.book.loan_file import load_loan_file
from sancha.engine.policy.pack import Pack, Rule, load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.row import Evaluator

ROOT = Path(__file__).parent.parent
FOLDERS = ("approval", "disbursement", "post_loan")
FILES = sorted((ROOT / "rules" / "files").glob("*.json"))
#: Rules that ask for a trace alone: its absence is the finding, so nothing stays unknown.
NEVER_UNKNOWN = {"NPL-01"}
#: Words that say more than a replay can know.
AVOIDED = ("违法", "guilty", "must be punished", "illegal")
OUTCOMES = {o.text: o for o in Outcome} | {
    "通过": Outcome.PASS,
    "违反": Outcome.BREACH,
    "不适用": Outcome.NOT_APPLICABLE,
    "无法判断": Outcome.UNKNOWN,
    "未到期": Outcome.NOT_DUE,
}


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(ROOT / "rules")


@pytest.fixture(scope="module")
def rules(pack: Pack) -> list[Rule]:
    return [rule for rule in pack.rules.values() if Path(rule.place.file).parent.name in FOLDERS]


JUDGED = re.compile(r"(?:is judged by|按) (\S+)")
ASKED = re.compile(r"(?:the outcome(?: of .+)? is|结论为) (.+)$")


def scenario_outcomes() -> Iterator[tuple[str, Outcome]]:
    """(rule, outcome asked for) of every scenario, outlines expanded."""
    for folder in FOLDERS:
        for file in sorted((ROOT / "features" / folder).glob("*.feature")):
            document = {**Parser().parse(file.read_text(encoding="utf-8")), "uri": str(file)}
            for pickle in Compiler().compile(document):
                rule = ""
                for step in pickle["steps"]:
                    if found := JUDGED.search(step["text"]):
                        rule = found[1]
                    elif found := ASKED.search(step["text"]):
                        yield rule, OUTCOMES[found[1]]


def table(relative: str) -> list[dict[str, str]]:
    with (ROOT / relative).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_rule_has_a_scenario_for_every_outcome(rules: list[Rule]) -> None:
    asked = defaultdict(set)
    for rule, outcome in scenario_outcomes():
        asked[rule].add(outcome)
    lacking = {}
    for rule in rules:
        wanted = {Outcome.PASS, Outcome.BREACH, Outcome.NOT_APPLICABLE, Outcome.UNKNOWN}
        wanted |= {Outcome.NOT_DUE} if rule.kind == "trigger" else set()
        wanted -= {Outcome.UNKNOWN} if rule.id in NEVER_UNKNOWN else set()
        # A portfolio rule speaks of the groups that there are.
        wanted -= {Outcome.NOT_APPLICABLE} if rule.kind == "portfolio" else set()
        if missing := wanted - asked[rule.id]:
            lacking[rule.id] = sorted(o.text for o in missing)
    assert not lacking


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_clean_files_breach_nothing_and_leave_nothing_open(path: Path, pack: Pack, rules: list[Rule]) -> None:
    file, reference, as_of = load_loan_file(path, pack.vocabulary)
    assert as_of is not None
    evaluator = Evaluator(pack)
    judged = evaluator.judge(file, reference, as_of, [rule.id for rule in rules if rule.kind != "portfolio"])
    fine = (Outcome.PASS, Outcome.NOT_APPLICABLE, Outcome.NOT_DUE)
    assert {j.rule: j.outcome.text for j in judged if j.outcome not in fine} == {}


def test_the_authority_matrix_is_that_of_the_content_sheet() -> None:
    # Section 2.2, in 10,000 yuan: the highest exposure of levels 1 to 4; level 5 has no top.
    limits = {
        "real_estate": (500, 1000, 2000, 3000),
        "deposit_pledge": (1000, 2000, 5000, 10000),
        "other_collateral": (200, 500, 1000, 2000),
        "guarantee_company": (200, 500, 1000, 2000),
        "guarantee": (100, 300, 500, 1000),
        "unsecured": (30, 100, 300, 500),
    }
    expected = []
    for security, tops in limits.items():
        yuan = [top * 10_000 for top in tops]
        cells = [f"<= {yuan[0]}", *(f"({a}..{b}]" for a, b in pairwise(yuan)), f"> {yuan[-1]}"]
        expected += [(cell, security, str(level)) for level, cell in enumerate(cells, 1)]
    rows = table("rules/approval/authority.csv")
    assert [(r["exposure"], r["security"], r["level"]) for r in rows] == expected


def test_the_loan_to_value_caps_are_those_of_the_content_sheet() -> None:
    # Section 2.7; the lower end for life policies, half of 70 % for vehicles.
    rows = table("rules/disbursement/ltv_cap.csv")
    assert {r["kind"]: Decimal(r["cap"]) for r in rows} == {
        "own_deposit": Decimal("0.9"),
        "foreign_deposit": Decimal("0.75"),
        "bank_acceptance": Decimal("0.9"),
        "residential": Decimal("0.7"),
        "commercial": Decimal("0.5"),
        "plant": Decimal("0.4"),
        "land_use_right": Decimal("0.5"),
        "equipment": Decimal("0.3"),
        "vehicle": Decimal("0.35"),
        "receivables": Decimal("0.7"),
        "stock": Decimal("0.5"),
        "life_policy": Decimal("0.8"),
        "ip": Decimal("0.3"),
    }


def test_texts_accuse_nobody(pack: Pack, rules: list[Rule]) -> None:
    texts = [
        text
        for rule in rules
        for part in (rule.title, rule.finding, rule.recommend)
        for text in part.values()
    ]
    texts += [pack.clauses[rule.clause].text for rule in rules]
    assert not [text for text in texts for word in AVOIDED if word in text]


def test_rules_of_a_statute_are_hard_law(rules: list[Rule]) -> None:
    # CTR-03 warns sixty days ahead of what the statute says: to be late for a warning is no breach of it.
    by_statute = {rule.id for rule in rules if rule.source["evidence"] == "V-law"} - {"CTR-03"}
    assert {rule.id for rule in rules if rule.hard_law} == by_statute

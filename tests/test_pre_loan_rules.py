"""The frame, the pre-loan and the portfolio rules: outcomes, clean files, the calendar, the size table."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest
from gherkin.parser import Parser
from gherkin.pickles.compiler import Compiler

from sancha.engine.book.loan_file import load_loan_file
from sancha.engine.policy.pack import Pack, Rule, load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.row import Evaluator

ROOT = Path(__file__).parent.parent
FOLDERS = ("pre_loan", "portfolio")
FILES = sorted((ROOT / "rules" / "files").glob("*.json"))
ZH = {"通过": "pass", "违反": "breach", "不适用": "not applicable", "无法判断": "unknown", "豁免": "waived"}
JUDGED = re.compile(r"(?:is judged by|按) (\S+)")
ASKED = re.compile(r"(?:the outcome(?: of .+)? is|结论为) (.+)$")


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(ROOT / "rules")


@pytest.fixture(scope="module")
def rules(pack: Pack) -> list[Rule]:
    return [rule for rule in pack.rules.values() if Path(rule.place.file).parent.name in FOLDERS]


def test_every_rule_has_a_scenario_for_every_outcome(rules: list[Rule]) -> None:
    asked = defaultdict(set)
    for folder in FOLDERS:
        for file in sorted((ROOT / "features" / folder).glob("*.feature")):
            document = {**Parser().parse(file.read_text(encoding="utf-8")), "uri": str(file)}
            for pickle in Compiler().compile(document):
                rule = ""
                for step in pickle["steps"]:
                    if found := JUDGED.search(step["text"]):
                        rule = found[1]
                    elif found := ASKED.search(step["text"]):
                        asked[rule].add(ZH.get(found[1], found[1]))
    lacking = {}
    for rule in rules:
        wanted = {"pass", "breach", "unknown"}
        # A portfolio rule speaks of the groups that there are.
        wanted |= set() if rule.kind == "portfolio" else {"not applicable"}
        if missing := wanted - asked[rule.id]:
            lacking[rule.id] = sorted(missing)
    assert not lacking


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_clean_files_breach_nothing_and_leave_nothing_open(path: Path, pack: Pack, rules: list[Rule]) -> None:
    file, reference, as_of = load_loan_file(path, pack.vocabulary)
    assert as_of is not None
    judged = Evaluator(pack).judge(file, reference, as_of, [r.id for r in rules if r.kind != "portfolio"])
    fine = (Outcome.PASS, Outcome.NOT_APPLICABLE)
    assert {j.rule: j.outcome.text for j in judged if j.outcome not in fine} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_loan_files_carry_valid_credit_codes(path: Path) -> None:
    # GB 32100-2015: weights 3^i mod 31 over the first seventeen characters.
    code = json.loads(path.read_text(encoding="utf-8"))["borrower"].get("uscc")
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    if code is not None:
        total = sum(alphabet.index(char) * pow(3, i, 31) for i, char in enumerate(code[:17]))
        assert code[17] == alphabet[-total % 31]


def test_the_calendar_knows_holidays_and_make_up_days(pack: Pack) -> None:
    # The 2024 notice: Spring Festival 10 to 17 February, work on Sunday 4 and 18 February, and so on.
    calendar = pack.calendar
    assert calendar.between(date(2024, 2, 9), date(2024, 2, 18)) == 1
    assert calendar.between(date(2024, 2, 3), date(2024, 2, 4)) == 1
    assert calendar.between(date(2024, 9, 30), date(2024, 10, 8)) == 1
    assert calendar.between(date(2024, 10, 11), date(2024, 10, 12)) == 1
    # Working days a year, by the notices: 2020 had its Spring Festival prolonged.
    years = {y: calendar.between(date(y - 1, 12, 31), date(y, 12, 31)) for y in range(2016, 2027)}
    assert (years[2020], years[2023], years[2024], years[2025]) == (249, 249, 251, 248)


def test_the_calendar_does_not_speak_beyond_its_days(pack: Pack) -> None:
    assert pack.calendar.between(date(2026, 12, 30), date(2026, 12, 31)) == 1
    assert pack.calendar.between(date(2026, 12, 31), date(2027, 1, 4)) is None


def test_the_size_table_is_that_of_the_content_sheet() -> None:
    # Section 1.6: lower bounds of medium and small as (staff, revenue, assets), amounts in 10,000 yuan.
    sheet = {
        "industry": ((300, 2000, 0), (20, 300, 0)),
        "construction": ((0, 6000, 5000), (0, 300, 300)),
        "wholesale": ((20, 5000, 0), (5, 1000, 0)),
        "retail": ((50, 500, 0), (10, 100, 0)),
        "transport": ((300, 3000, 0), (20, 200, 0)),
        "warehousing": ((100, 1000, 0), (20, 100, 0)),
        "post": ((300, 2000, 0), (20, 100, 0)),
        "hospitality": ((100, 2000, 0), (10, 100, 0)),
        "information": ((100, 1000, 0), (10, 100, 0)),
        "software": ((100, 1000, 0), (10, 50, 0)),
        "property_services": ((300, 1000, 0), (100, 500, 0)),
        "leasing": ((100, 0, 8000), (10, 0, 100)),
        "other": ((100, 0, 0), (10, 0, 0)),
    }
    with (ROOT / "rules" / "pre_loan" / "size_by_standard.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["class"], row["size"]): row for row in csv.DictReader(file)}

    def bound(cell: str, unit: int) -> int:
        return 0 if cell == "-" else int(cell.removeprefix(">= ")) // unit

    for name, (medium, small) in sheet.items():
        for size, bounds in (("medium", medium), ("small", small)):
            row = rows[name, size]
            found = (bound(row["staff"], 1), bound(row["revenue"], 10_000), bound(row["assets"], 10_000))
            assert found == bounds, (name, size)


def test_rules_of_a_statute_are_hard_law(rules: list[Rule]) -> None:
    by_statute = {rule.id for rule in rules if rule.source["evidence"] == "V-law"}
    assert (
        {rule.id for rule in rules if rule.hard_law} == by_statute == {"CB-01", "DOC-07", "GUA-04", "PRE-08"}
    )


def test_values_without_a_norm_say_so(pack: Pack) -> None:
    """What has no source but the pack itself is never tagged as regulation or as a statute."""
    steps = [step for p in pack.parameters.values() for step in p.steps]
    own = {source["evidence"] for _, _, source in steps if source["document"] == "S0"}
    assert own <= {"B", "R-hi", "R-lo"}

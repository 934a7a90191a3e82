"""The demonstration pack as a whole: what the issue of a pack is, counted from its files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sancha.engine.policy.pack import Pack, load_pack, pack_digest

ROOT = Path(__file__).resolve().parent.parent
OUTCOMES = {"pass": "通过", "breach": "违反", "not applicable": "不适用", "unknown": "无法判断"}


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(ROOT / "rules")


def test_every_stage_and_kind(pack: Pack) -> None:
    assert len(pack.rules) >= 40
    assert {r.stage for r in pack.rules.values()} == {"pre-loan", "in-loan", "post-loan"}
    assert {r.kind for r in pack.rules.values()} == {"check", "trigger", "portfolio"}
    assert {"authority", "ltv_cap"} <= set(pack.decisions)


def test_a_threshold_changes_on_the_first_of_july_2024(pack: Pack) -> None:
    changes = [
        name
        for name, p in pack.parameters.items()
        if any(str(day) == "2024-07-01" for day, _, _ in p.steps[1:])
    ]
    assert changes


def test_a_rule_has_versions_and_a_waiver_is_given(pack: Pack) -> None:
    assert any(len(r.versions) > 1 for r in pack.rules.values())
    assert pack.waivers


def test_article_numbers_of_the_2024_measures_are_not_claimed(pack: Pack) -> None:
    for rule in pack.rules.values():
        for source in [rule.source, *(v.source for v in rule.versions)]:
            if source["document"] in ("S1", "S2", "S3") and source["article"] is not None:
                assert source["article"] == "unverified", rule.id


def test_words_to_avoid(pack: Pack) -> None:
    for rule in pack.rules.values():
        texts = " ".join([*rule.title.values(), *rule.finding.values(), *rule.recommend.values()])
        for word in ("违法", "guilty", "must be punished"):
            assert word not in texts, rule.id


def _scenarios() -> dict[str, set[str]]:
    """For each rule, the outcomes that its scenarios ask for, with the cells of outlines."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "features").rglob("*.feature")):
        text = file.read_text(encoding="utf-8")
        for block in re.split(r"^\s*(?:Scenario Outline|Scenario|场景大纲|场景):", text, flags=re.M)[1:]:
            rules = set(re.findall(r"(?:judged by|按) ([A-Z][A-Z0-9]*-[0-9A-Za-z]+)", block))
            if "<" in block:
                rules |= set(re.findall(r"\b([A-Z][A-Z0-9]*-[0-9A-Za-z]+)\b", block))
            asked = set()
            for english, chinese in OUTCOMES.items():
                cell = rf"\|\s*(?:{english}|{chinese})\s*\|"
                step = rf"(?:outcome(?: of \"[^\"]*\")? is {english}|结论为 {chinese})\s*$"
                if re.search(cell, block) or re.search(step, block, re.M):
                    asked.add(english)
            for rule in rules:
                found.setdefault(rule, set()).update(asked)
    return found


#: What cannot be, with the reason why.
NEVER = {"NPL-01": {"unknown"}}  # it reads one date, and the date being there is its scope


def test_every_rule_has_scenarios_for_pass_breach_and_unknown(pack: Pack) -> None:
    """Not applicable too, unless the rule applies to every file by its own words."""
    found = _scenarios()
    for rule in pack.rules.values():
        asked = found.get(rule.id, set())
        wanted = {"pass", "breach", "unknown"}
        if rule.kind != "portfolio":
            wanted.add("not applicable")
        wanted -= NEVER.get(rule.id, set())
        assert wanted <= asked, f"{rule.id} lacks scenarios for {sorted(wanted - asked)}"


def test_a_third_of_the_feature_files_is_chinese() -> None:
    files = list((ROOT / "features").rglob("*.feature"))
    chinese = [f for f in files if f.read_text(encoding="utf-8").startswith("# language: zh-CN")]
    assert len(chinese) * 3 >= len(files) * 0.9


def test_the_digest_follows_the_text(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    before = pack_digest(tmp_path / "rules")
    assert before == pack_digest(ROOT / "rules")
    file = next((tmp_path / "rules").rglob("*.csv"))
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert pack_digest(tmp_path / "rules") != before

"""The audit: intervals, severity, a run in scope, findings, the opinion, and engagements gone wrong."""

from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.audit_run import (
    BRANCHES,
    BREACH,
    PASS,
    UNKNOWN,
    branches_of,
    cents_of,
    codes_like,
    days_of,
    make_run,
    write_book,
    write_run,
)
from hypothesis import given
from hypothesis import strategies as st

from sancha.audit import prose
from sancha.audit.engagement import MANIFEST, run_engagement
from sancha.audit.engagement_file import load_engagement
from sancha.audit.evidence import Evidence, Scope, quarter
from sancha.audit.exceptions import SlotValues, sentence, value_text
from sancha.audit.findings import Finding, ItemComparison, Reply, Terms, derive_findings, fact_label
from sancha.audit.measures import Tally, bounds, wilson
from sancha.audit.opinion import form_opinion
from sancha.audit.severity import DUE_DAYS, assess, likelihood_points
from sancha.audit.texts import Texts
from sancha.audit.triangulation import published_wordings, questionnaire
from sancha.engine.diagnostics import PackError, SanchaError
from sancha.engine.policy.pack import Pack, load_pack, slots_of
from sancha.surveys.instrument import load_instrument
from sancha.surveys.responses import load_responses
from sancha.surveys.synthesize import synthesize_answers
from sancha.surveys.tabulate import analyse

ROOT = Path(__file__).resolve().parent.parent
INSTRUMENT = ROOT / "surveys" / "instrument.yaml"
REPORT_DATE = date(2025, 1, 20)


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(ROOT / "rules")


def evidence_of(
    folder: Path, pack: Pack, given_codes: dict[str, np.ndarray], scope: Scope | None = None, **options: Any
) -> Evidence:
    loans = len(next(iter(given_codes.values())))
    book = write_book(folder / "book", loans)
    run = write_run(folder / "run", book, pack, given_codes, **options)
    return open_evidence(run, book, pack, scope)


def open_evidence(run: Path, book: Path, pack: Pack, scope: Scope | None = None) -> Evidence:
    portfolio = [r.id for r in pack.rules.values() if r.kind == "portfolio"]
    return Evidence(
        run, book, scope or Scope(), branch=pack.branch, product=pack.product, portfolio=portfolio, seed=7
    )


def terms(**changes: Any) -> Terms:
    return dataclasses.replace(Terms(REPORT_DATE), **changes)


# Intervals


def test_wilson_known_vectors() -> None:
    """18 of 40: 30.7 % to 60.2 %. And Newcombe's (1998) case 81 of 263: 0.2553 to 0.3662."""
    t = Texts("en")
    low, high = wilson(18, 40)
    assert (t.percent(low), t.percent(high)) == ("30.7%", "60.2%")
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (Decimal("0.2553"), Decimal("0.3662"))
    assert wilson(0, 20)[0] == 0 and wilson(20, 20)[1] == 1
    assert round(wilson(0, 20)[1], 4) == Decimal("0.1611")


@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(case: tuple[int, int]) -> None:
    count, n = case
    low, high = wilson(count, n)
    assert 0 <= low <= Decimal(count) / n <= high <= 1
    mirrored = wilson(n - count, n)
    assert abs(mirrored[0] - (1 - high)) < Decimal("1e-25")


def test_wilson_refuses_nonsense() -> None:
    for count, n in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no interval"):
            wilson(count, n)


def test_bounds_of_what_is_not_known() -> None:
    assert bounds(18, 40, 10) == (Decimal(18) / 50, Decimal(28) / 50)
    assert bounds(0, 0, 0) is None


# Severity


@pytest.mark.parametrize(
    ("rate", "points"),
    [("0.0499", 1), ("0.05", 2), ("0.20", 2), ("0.2001", 3), ("0", 1), ("1", 3)],
)
def test_likelihood_at_its_boundaries(rate: str, points: int) -> None:
    assert likelihood_points(Decimal(rate)) == points


@pytest.mark.parametrize(
    ("rate", "impact", "circumstances", "score", "level"),
    [
        ("0.01", "formal", {}, 1, "low"),
        ("0.30", "formal", {}, 3, "low"),
        ("0.10", "control", {}, 4, "medium"),
        ("0.10", "regulatory", {"override": True}, 7, "medium"),
        ("0.10", "fraud", {}, 8, "high"),
        ("0.30", "control", {"repeat": True}, 8, "high"),
        ("0.01", "control", {"repeat": True}, 4, "medium"),
        ("0.0001", "formal", {"hard_law": True}, 3, "high"),
    ],
)
def test_severity_by_the_formula(
    rate: str, impact: str, circumstances: dict[str, bool], score: int, level: str
) -> None:
    severity = assess(Decimal(rate), impact, **circumstances)
    assert (severity.score, severity.level) == (score, level)
    assert severity.arithmetic.endswith(f"= {score}")


def test_a_single_breach_of_statute_is_high_and_says_why() -> None:
    severity = assess(Decimal("0.0001"), "regulatory", hard_law=True)
    assert (severity.arithmetic, severity.by_statute) == ("1 × 3 + 2 = 5", True)
    assert not assess(Decimal("0.5"), "fraud", hard_law=True).by_statute


# What a run says in scope


def test_counting_words_are_exact(pack: Pack, tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(52, breach=18, unknown=7, waived=2, na=3)})
    (finding,) = derive_findings(evidence, pack, terms(unknown_tolerance=Decimal(1)))
    cents = cents_of(52)
    hit, passed = int(cents[:18].sum()), int(cents[30:].sum())
    t = Texts("en")
    text = t.join(prose.condition(t, finding))
    amount, total = Decimal(hit) / 100, Decimal(hit + passed) / 100
    assert text.startswith(
        "18 of 40 files judged appear not to comply (45.0%; 95% Wilson interval 30.7%–60.2%; "
        f"amount {t.money(amount)} of {t.money(total)}, {t.percent(amount / total)})."
    )
    assert "A further 7 could not be judged" in text
    assert f"between {t.percent(Decimal(18) / 47)} and {t.percent(Decimal(25) / 47)}." in text
    assert "Covered by a valid waiver, and not counted above: 2" in text
    assert prose.headline(Texts("zh"), finding).endswith("40笔中18笔疑似不符")
    first = date.fromordinal(int(days_of(52)[:18].min()))
    assert finding.condition.first == first and t.day(first) in text


def test_scope_of_branches_stages_products_and_period(pack: Pack, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    draw = {r: rng.choice([PASS, BREACH, UNKNOWN], 400).astype(np.int8) for r in ("PRE-20", "APR-01")}
    whole = evidence_of(tmp_path, pack, draw)
    branch = BRANCHES[2]
    scope = Scope(branches=(branch,), stages=("pre-loan",), first=date(2022, 1, 1), last=date(2023, 12, 31))
    part = open_evidence(whole.path, whole.book, pack, scope)
    days = days_of(400)
    inside = (branches_of(400) == 2) & (days >= date(2022, 1, 1).toordinal())
    inside &= days <= date(2023, 12, 31).toordinal()
    counts = part.counts()[()]
    assert counts.breach.files == int((draw["PRE-20"][inside] == BREACH).sum())
    assert counts.judged.files == int((draw["PRE-20"][inside] != UNKNOWN).sum())
    assert part.exception_count() == int((draw["PRE-20"][inside] != PASS).sum())
    assert {c.branch for c in part.cells} == {branch}


def test_scope_of_products_needs_the_run_to_count_them(pack: Pack, tmp_path: Path) -> None:
    whole = evidence_of(tmp_path, pack, {"PRE-20": codes_like(200, breach=60)})
    scope = Scope(products=("working_capital",))
    part = open_evidence(whole.path, whole.book, pack, scope)
    products = np.array(pq.read_table(whole.book / "loans.parquet")["application.product"].to_pylist())
    assert part.counts()[()].breach.files == int((products[:60] == "working_capital").sum())
    assert part.exception_count() == part.counts()[()].breach.files
    outcomes = pq.read_table(whole.path / "outcomes.parquet").drop_columns(["product"])
    pq.write_table(outcomes, whole.path / "outcomes.parquet")
    with pytest.raises(SanchaError, match="does not count by product"):
        open_evidence(whole.path, whole.book, pack, scope)


@pytest.mark.parametrize(
    ("scope", "message", "help"),
    [
        (Scope(first=date(2023, 2, 1)), "begins on 2023-02-01, within a quarter", "begin on 2023-01-01"),
        (Scope(last=date(2023, 2, 1)), "ends on 2023-02-01, within a quarter", "end on 2023-03-31"),
        (Scope(first=date(2024, 1, 1), last=date(2023, 12, 31)), "before it begins", None),
        (Scope(branches=("湖滨分行",)), "no outcome of the run is of the branch", "湖滨支行"),
        (Scope(first=date(2030, 1, 1)), "nothing in the run lies within", "widen the scope"),
    ],
)
def test_scope_gone_wrong(pack: Pack, tmp_path: Path, scope: Scope, message: str, help: str | None) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(60, breach=6)})
    with pytest.raises(SanchaError, match=message) as caught:
        open_evidence(evidence.path, evidence.book, pack, scope)
    assert help is None or help in (caught.value.help or "")


def test_a_period_may_end_with_the_book(pack: Pack, tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(60, breach=6)})
    last = date(2025, 2, 14)
    part = open_evidence(evidence.path, evidence.book, pack, Scope(last=last))
    assert part.counts()[()].breach.files == 6
    assert [quarter(d) for d in (date(2024, 1, 1), date(2024, 12, 31))] == ["2024Q1", "2024Q4"]


def test_a_run_that_is_not_whole(pack: Pack, tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(60, breach=6)})
    cut = tmp_path / "cut"
    shutil.copytree(evidence.path, cut)
    (cut / "exceptions.parquet").write_bytes((cut / "exceptions.parquet").read_bytes()[:900])
    with pytest.raises(SanchaError, match=r"`exceptions.parquet` of the run cannot be read"):
        open_evidence(cut, evidence.book, pack)
    (cut / "run.json").write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(SanchaError, match="has format 2"):
        open_evidence(cut, evidence.book, pack)
    (cut / "run.json").unlink()
    with pytest.raises(SanchaError, match="not a complete run"):
        open_evidence(cut, evidence.book, pack)


def test_samples_can_be_drawn_again(pack: Pack, tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(600, breach=400, unknown=20)})
    table = evidence.exceptions(rules=["PRE-20"], outcomes=("breach", "unknown"))
    drawn = table.filter(table["sample"])
    outcomes = drawn["outcome"].to_pylist()
    assert outcomes.count("breach") == 40 and outcomes.count("unknown") == 20
    again = open_evidence(evidence.path, evidence.book, pack).exceptions(rules=["PRE-20"])
    assert again.filter(again["sample"])["loan_id"].to_pylist() == [
        loan for loan, o in zip(drawn["loan_id"].to_pylist(), outcomes, strict=True) if o == "breach"
    ]


# Findings


def test_findings_stand_worst_first_and_statute_before_all(pack: Pack, tmp_path: Path) -> None:
    statute = next(r.id for r in pack.rules.values() if r.hard_law and r.kind != "portfolio")
    evidence = evidence_of(
        tmp_path,
        pack,
        {
            "PRE-20": codes_like(200, breach=60),
            "DOC-05": codes_like(200, breach=4),
            statute: codes_like(200, breach=1),
        },
    )
    findings = derive_findings(evidence, pack, terms(repeat=frozenset({"PRE-20"})))
    assert [f.id for f in findings][:2] == [statute, "PRE-20"]
    assert [f.code for f in findings] == ["F01", "F02", "F03"]
    first, second = findings[:2]
    assert first.severity.level == "high" and first.severity.by_statute
    assert second.severity.arithmetic == "3 × 2 + 2 = 8" and second.severity.level == "high"
    due = [f.rectification.due for f in findings]
    assert due == [date.fromordinal(REPORT_DATE.toordinal() + DUE_DAYS[f.severity.level]) for f in findings]
    assert all(f.confidence == "lead" and f.cause.is_draft and f.recommendation.is_draft for f in findings)
    assert all(f.rectification.response is None for f in findings)


def test_tolerance_lets_weaknesses_pass_but_not_statute(pack: Pack, tmp_path: Path) -> None:
    statute = next(r.id for r in pack.rules.values() if r.hard_law and r.kind != "portfolio")
    evidence = evidence_of(
        tmp_path, pack, {"PRE-20": codes_like(200, breach=4), statute: codes_like(200, breach=1)}
    )
    findings = derive_findings(evidence, pack, terms(exception_tolerance=Decimal("0.02")))
    assert [f.id for f in findings] == [statute]
    assert len(derive_findings(evidence, pack, terms(exception_tolerance=Decimal("0.0199")))) == 2


def test_materiality_keeps_what_is_high(pack: Pack, tmp_path: Path) -> None:
    statute = next(r.id for r in pack.rules.values() if r.hard_law and r.kind != "portfolio")
    evidence = evidence_of(
        tmp_path, pack, {"PRE-20": codes_like(200, breach=4), statute: codes_like(200, breach=1)}
    )
    findings = derive_findings(evidence, pack, terms(materiality=Decimal(10) ** 12))
    assert [(f.id, f.below_materiality) for f in findings] == [(statute, False), ("PRE-20", True)]


def test_criteria_name_the_version_in_force(pack: Pack, tmp_path: Path) -> None:
    rule = next(r for r in pack.rules.values() if len(r.versions) > 1 and r.kind == "check")
    evidence = evidence_of(tmp_path, pack, {rule.id: codes_like(400, breach=90)})
    (finding,) = derive_findings(evidence, pack, terms())
    assert finding.criteria is not None
    versions = finding.criteria.versions
    assert len(versions) >= 1 and sum(v.counts.breach.files for v in versions) == 90
    for version in versions:
        found = next(v for v in rule.versions if v.valid_from.isoformat() == version.version)
        assert version.document == found.source["document"] and version.evidence == found.source["evidence"]
        assert version.document_title == pack.sources[version.document]
    assert {c.id for c in finding.criteria.clauses} <= set(pack.clauses)


def test_unknown_above_tolerance_is_a_finding_of_its_own(pack: Pack, tmp_path: Path) -> None:
    given_codes = {
        "XV-04": codes_like(100, unknown=40),
        "PRE-20": codes_like(100, unknown=6),
        "PRE-21": codes_like(100, unknown=5),
    }
    evidence = evidence_of(tmp_path, pack, given_codes)
    words = ({"en": "No trace of {fact}", "zh": "未见{fact}"}, {"en": "c"}, {"en": "find {fact}"})
    findings = derive_findings(evidence, pack, terms(), data_gap_words=words)
    assert [f.id for f in findings] == ["data:third_party.electricity_kwh", "data:approval.level"]
    gap = findings[0]
    assert gap.recommendation.text["en"] == "find electricity of the last 12 months in kWh"
    assert gap.title["zh"] == "未见近12个月用电量" and gap.rules == ("XV-04",)
    assert gap.severity.arithmetic == "3 × 2 = 6" and gap.severity.level == "medium"
    assert gap.effect.affected.files == 40 and gap.outcome == "unknown"
    t = Texts("en")
    assert prose.condition(t, gap)[0].startswith("40 of 100 outcomes cannot be judged (40.0%;")


def test_groups_of_a_portfolio_rule(pack: Pack, tmp_path: Path) -> None:
    rule = next(r for r in pack.rules.values() if r.kind == "portfolio")
    evidence = evidence_of(
        tmp_path, pack, {"PRE-20": codes_like(50)}, groups={rule.id: {"C": BREACH, "F": PASS, "A": PASS}}
    )
    (finding,) = derive_findings(evidence, pack, terms())
    assert finding.kind == "groups"
    assert prose.headline(Texts("en"), finding).endswith("1 of 3 groups appears to exceed the limit")
    table = evidence.exceptions(rules=[rule.id])
    assert table["group"].to_pylist() == ["C"] and table["loan_id"].to_pylist() == [None]


def test_a_signal_is_raised_not_broken(pack: Pack, tmp_path: Path) -> None:
    rule = next(r for r in pack.rules.values() if r.signal and r.kind != "portfolio")
    evidence = evidence_of(tmp_path, pack, {rule.id: codes_like(50, breach=5)})
    (finding,) = derive_findings(evidence, pack, terms())
    assert finding.kind == "signal"
    assert prose.headline(Texts("en"), finding).endswith("raised by 5 of 50 files")


def test_what_people_write_takes_the_place_of_drafts(pack: Pack, tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(50, breach=5)})
    reply = Reply(
        "PRE-20",
        "Zhao Min",
        cause="No second person was free.",
        response="Agreed.",
        accepted=True,
        owner="unit head",
        due=date(2025, 3, 1),
        confirmed=True,
    )
    (finding,) = derive_findings(evidence, pack, terms(), replies=[reply])
    assert not finding.cause.is_draft and finding.cause.author == "Zhao Min"
    assert finding.recommendation.is_draft
    assert finding.confidence == "confirmed"
    put_right = finding.rectification
    assert (put_right.due, put_right.state) == (date(2025, 3, 1), "plan accepted")
    assert put_right.owner == "unit head"


def test_distressed_loans_are_told_by_their_grade(pack: Pack, tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(300, breach=200)})
    bad = ("special_mention", "substandard")
    (finding,) = derive_findings(evidence, pack, terms(distressed_fact="loan.grade", distressed_values=bad))
    loans = pq.read_table(evidence.book / "loans.parquet")
    grades, cents = loans["loan.grade"].to_pylist()[:200], cents_of(300)[:200]
    hit = [int(c) for g, c in zip(grades, cents, strict=True) if g in bad]
    assert finding.effect.distressed == Tally(len(hit), Decimal(sum(hit)) / 100)
    with pytest.raises(SanchaError, match=r"no column `loan\.grad`") as caught:
        derive_findings(evidence, pack, terms(distressed_fact="loan.grad", distressed_values=bad))
    assert "loan.grade" in (caught.value.help or "")


def test_findings_add_up(pack: Pack, tmp_path: Path) -> None:
    """Branches, quarters, versions and rows of every finding sum to its total."""
    book, run = make_run(tmp_path, pack, loans=600, exceptions=4_000, seed=11)
    evidence = open_evidence(run, book, pack)
    findings = derive_findings(evidence, pack, terms())
    assert len(findings) > 20
    for f in findings:
        hits = prose.hits(f)
        by_branch = sum((c.of(f.outcome) for _, c in f.condition.by_branch), Tally())
        if f.kind != "groups":
            assert by_branch == hits
            assert sum((c.of(f.outcome) for _, c in f.condition.by_quarter), Tally()) == hits
        rows = evidence.exceptions(rules=f.rules, outcomes=(f.outcome,))
        assert rows.num_rows == hits.files
        assert sum(rows["exposure"].to_pylist()) == hits.exposure
        if f.criteria:
            assert sum((v.counts.breach for v in f.criteria.versions), Tally()) == hits
        low, high = f.condition.interval or (0, 1)
        assert low <= f.condition.rate <= high


# Sentences of exceptions


def test_slots_take_what_was_read_and_else_the_book(pack: Pack, tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(30, breach=3)})
    table = evidence.exceptions(rules=["PRE-20"])
    values = SlotValues(evidence, pack, table)
    loan = table["loan_id"][0].as_py()
    found = values.of(loan, ["loan.amount", "application.amount"], {"application.amount": "5000000.00"})
    expected = pq.read_table(evidence.book / "loans.parquet", filters=[("loan_id", "=", loan)])
    assert found["application.amount"] == "5000000.00"
    assert (
        Decimal(found.get("loan.amount", expected["loan.amount"][0].as_py()))
        == expected["loan.amount"][0].as_py()
    )
    t = Texts("en")
    rule = dataclasses.replace(
        pack.rules["PRE-20"], finding={"en": "{loan.amount} and {loan.rate}, {loan.grade}"}
    )
    text = sentence(t, pack, rule, {"loan.amount": "1234567.80", "loan.rate": "0.0435"})
    assert text == "1,234,567.80 and 4.35%, [five-tier grade]"
    assert slots_of("{a.b} {a.b} { c }") == ["a.b", "c"]
    assert value_text(t, "boolean", "true") == "yes" and value_text(t, "money", "n/a") == "n/a"


def test_labels_of_facts_of_lists(pack: Pack) -> None:
    assert fact_label(pack.vocabulary, "visits[2].date")["en"] == "Site visits 2: date"
    assert fact_label(pack.vocabulary, "visits[2].date")["zh"] == "实地调查 2：日期"
    assert fact_label(pack.vocabulary, "no.such")["en"] == "no.such"


# The opinion


def graded(pack: Pack, folder: Path, given_codes: dict[str, np.ndarray]) -> tuple[str, list[str]]:
    evidence = evidence_of(folder, pack, given_codes)
    findings = derive_findings(evidence, pack, terms())
    opinion = form_opinion(evidence, pack, findings)
    return opinion.grade, [r.key for r in opinion.reasons]


def test_opinion_by_the_written_rule(pack: Pack, tmp_path: Path) -> None:
    statute = next(r.id for r in pack.rules.values() if r.hard_law and r.kind != "portfolio")
    cases = {
        "clean": ({"PRE-20": codes_like(100)}, ("satisfactory", ["reason.clean"])),
        "low": ({"DOC-05": codes_like(100, breach=2)}, ("satisfactory", ["reason.clean"])),
        "medium": ({"PRE-20": codes_like(100, breach=8)}, ("improvement", ["reason.medium"])),
        "statute": (
            {statute: codes_like(100, breach=1)},
            ("major improvement", ["reason.statute", "reason.high"]),
        ),
        "score": (
            {"PRE-20": codes_like(100, breach=40)},
            ("major improvement", ["reason.score"]),
        ),
        "blind": ({"PRE-20": codes_like(100, unknown=60)}, ("none", ["reason.coverage"])),
    }
    for name, (given_codes, expected) in cases.items():
        assert graded(pack, tmp_path / name, given_codes) == expected, name


def test_scores_weigh_rules_by_impact(pack: Pack, tmp_path: Path) -> None:
    """A control rule (2 points) at 80 % and a fraud rule (4 points) at 95 %: (2 x 80 + 4 x 95) / 6 = 90."""
    control = next(r for r in pack.rules.values() if r.impact == "control" and r.stage == "pre-loan")
    fraud = next(r for r in pack.rules.values() if r.impact == "fraud" and r.stage == "pre-loan")
    evidence = evidence_of(
        tmp_path, pack, {control.id: codes_like(100, breach=20), fraud.id: codes_like(100, breach=5)}
    )
    opinion = form_opinion(evidence, pack, derive_findings(evidence, pack, terms()))
    assert [(s.stage, s.score, s.rules) for s in opinion.scores] == [("pre-loan", Decimal("90.0"), 2)]


# Triangulation


@pytest.fixture(scope="module")
def tabulation(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("answers") / "answers.csv"
    form = load_instrument(INSTRUMENT)
    synthesize_answers(form, path, respondents=120, seed=3)
    return analyse(form, load_responses(form, path), invited=150)


def test_three_numbers_side_by_side(pack: Pack, tmp_path: Path, tabulation: Any) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(40, breach=18, waived=2)})
    answers = questionnaire(tabulation, evidence)
    (finding,) = derive_findings(
        evidence, pack, terms(), comparisons=answers.by_rule, wordings=published_wordings()
    )
    item = next(c for c in finding.comparisons if c.item == "Q01")
    row = tabulation.items.set_index("item").loc["Q01"]
    assert item.answers == int(row["n"]) and item.files == 38
    assert item.agreement == Decimal(int(row["top2_n"])) / int(row["n"])
    assert item.practice == Decimal(20) / 38
    assert item.gap is not None and abs(item.gap - (item.agreement - item.practice)) < Decimal("1e-20")
    assert item.band == ("conflict" if abs(item.gap) > Decimal("0.25") else item.band)
    assert finding.wordings and all(w.evidence == "V-sec" for w in finding.wordings)
    assert answers.respondents == 120 and answers.invited == 150 and answers.synthetic
    shares = [c.share for c in answers.causes]
    assert shares == sorted(shares, key=lambda s: -(s or 0))


def test_a_gap_needs_both_sides(pack: Pack, tmp_path: Path, tabulation: Any) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(40, unknown=40)})
    answers = questionnaire(tabulation, evidence)
    item = next(c for c in answers.gaps if c.item == "Q01")
    assert (item.practice, item.gap, item.band) == (None, None, "unavailable")
    assert isinstance(item, ItemComparison) and item.sort_key[0] is True


def test_the_longest_beginning_names_the_wording(pack: Pack, tmp_path: Path) -> None:
    wordings = published_wordings()
    evidence = evidence_of(tmp_path, pack, {"PAY-09": codes_like(40, breach=4)})
    (finding,) = derive_findings(evidence, pack, terms(), wordings=wordings)
    assert finding.wordings == wordings["PAY-09"]
    elsewhere = dataclasses.replace(pack, sources={"S14": pack.sources["S14"], "S1": pack.sources["S1"]})
    (finding,) = derive_findings(evidence, elsewhere, terms(), wordings=wordings)
    assert not finding.wordings
    assert any("未落实" in w.words["zh"] for w in wordings["PAY-09"])
    assert not any("未落实" in w.words["zh"] for w in wordings["PAY"])


# Engagements


ENGAGEMENT = """\
engagement: T-1
title: {en: Test audit, zh: 测试审计}
auditee: {en: A bank, zh: 某银行}
report date: 2025-01-20
languages: [en]
book: book
pack: rules
run: run
"""


@pytest.fixture(scope="module")
def place(pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engagement")
    book = write_book(folder / "book", 60)
    write_run(
        folder / "run", book, pack, {"PRE-20": codes_like(60, breach=6), "XV-04": codes_like(60, unknown=20)}
    )
    (folder / "rules").symlink_to(ROOT / "rules", target_is_directory=True)
    return folder


def write_engagement(folder: Path, more: str = "", text: str = ENGAGEMENT) -> Path:
    path = folder / "ENGAGEMENT.yaml"
    path.write_text(text + more, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("more", "line", "says"),
    [
        ("titel: x\n", 9, "unknown key `titel`"),
        ("scope: {stages: [preloan]}\n", 9, "pre-loan"),
        ("tolerance: {exceptions: 1.5}\n", 9, "less than or equal to 1"),
        ("questionnaire: {instrument: no.yaml, responses: no.csv}\n", 9, "there is no file `no.yaml`"),
        ("materiality: much\n", 9, "decimal"),
        ("responses: nowhere.yaml\n", 9, "there is no file `nowhere.yaml`"),
        ("period: {from: 2024-04-01, until: 2024-01-31}\n", 9, "ends before it begins"),
    ],
)
def test_engagement_errors_have_a_place(place: Path, more: str, line: int, says: str) -> None:
    with pytest.raises(PackError) as caught:
        load_engagement(write_engagement(place, more))
    text = caught.value.render()
    assert says in text and f"ENGAGEMENT.yaml:{line}:" in text


def test_all_engagement_errors_in_one_pass(place: Path) -> None:
    text = "engagement: T\ntitle: {}\nauditee: {en: x}\nreport date: 2025-13-01\nbook: nobook\npack: rules\n"
    with pytest.raises(PackError) as caught:
        load_engagement(write_engagement(place, text=text))
    assert "ENGAGEMENT.yaml:4:" in caught.value.render()
    text = text.replace("2025-13-01", "2025-01-01")
    with pytest.raises(PackError) as caught:
        load_engagement(write_engagement(place, text=text))
    rendered = caught.value.render()
    assert "there is no folder `nobook`" in rendered and "`title` has no text" in rendered


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("repeat findings: [PRE-2O]\n", "the pack has no rule `PRE-2O`"),
        ("scope: {rules: [PRE-20, NO-1]}\n", "the pack has no rule `NO-1`"),
    ],
)
def test_rules_an_engagement_names_must_exist(place: Path, tmp_path: Path, more: str, says: str) -> None:
    with pytest.raises(PackError, match=says):
        run_engagement(write_engagement(place, more), tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_a_run_of_another_pack_is_refused(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(place / "run", folder)
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    info["pack"]["digest"] = "sha256:" + "1" * 64
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    engagement = write_engagement(place, text=ENGAGEMENT.replace("run: run", f"run: {folder}"))
    with pytest.raises(SanchaError, match="made with another pack") as caught:
        run_engagement(engagement, tmp_path / "out")
    assert "ENGAGEMENT.yaml:8:" in caught.value.render()
    assert not (tmp_path / "out").exists() and len(list(tmp_path.iterdir())) == 1


def test_nothing_is_left_when_a_step_fails(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "report.html")

    monkeypatch.setattr("sancha.audit.engagement.write_html", full)
    with pytest.raises(SanchaError, match="No space left on device") as caught:
        run_engagement(write_engagement(place), out)
    assert "make room" in (caught.value.help or "")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert [p.name for p in out.iterdir()] == ["notes.txt"]

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sancha.audit.engagement.write_html", stop)
    with pytest.raises(KeyboardInterrupt):
        run_engagement(write_engagement(place), out)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_only_an_engagement_is_replaced(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("mine", encoding="utf-8")
    with pytest.raises(SanchaError, match=r"holds `report.html`, which no engagement left there"):
        run_engagement(write_engagement(place), out)
    assert (out / "report.html").read_text(encoding="utf-8") == "mine"
    assert not (out / MANIFEST).exists()


def test_responses_must_speak_of_findings(place: Path, tmp_path: Path) -> None:
    (place / "responses.yaml").write_text(
        "responses:\n  - {finding: PRE-21, author: Zhao Min, response: Agreed.}\n", encoding="utf-8"
    )
    with pytest.raises(SanchaError, match="`PRE-21`, which is no finding") as caught:
        run_engagement(write_engagement(place, "responses: responses.yaml\n"), tmp_path / "out")
    assert "PRE-20" in (caught.value.help or "")


def test_findings_are_frozen_and_of_one_kind(pack: Pack, tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, pack, {"PRE-20": codes_like(40, breach=4)})
    (finding,) = derive_findings(evidence, pack, terms())
    assert isinstance(finding, Finding)
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.number = 2  # type: ignore[misc]
    assert evidence.codes(pa.array(["L000001", "L000040"]), ["PRE-20"])["PRE-20"].to_pylist() == [1, 0]

"""The overall conclusion and the three checks score, each by a written rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from sancha.audit.evidence import STAGES, Counts, Evidence
from sancha.audit.findings import Finding
from sancha.audit.measures import Tally, rate
from sancha.audit.severity import IMPACT, LEVELS
from sancha.engine.policy.pack import Pack

Grade = Literal["satisfactory", "improvement", "major improvement", "none"]

# Bank parameters: no external norm exists.
#: Below the first share of outcomes judged nothing is concluded, below the second the grade is one lower.
COVERAGE_LOW, COVERAGE_HIGH = Decimal("0.50"), Decimal("0.90")
#: Stage scores that mark the conclusion down by two steps and by one.
SCORE_LOW, SCORE_HIGH = Decimal(75), Decimal(90)
#: So many findings of high severity mark the conclusion down by two steps.
MANY_HIGH = 3


@dataclass(frozen=True, slots=True)
class StageScore:
    """The weighted pass rate of a stage times 100, None where nothing was judged. Coverage is a fraction."""

    stage: str
    score: Decimal | None
    coverage: Decimal | None
    rules: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a grade was given: a key of the texts, with its slots as plain values."""

    key: str
    slots: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Opinion:
    """The overall conclusion with its reasons, and what it rests on. `coverage` is a fraction."""

    grade: Grade
    reasons: tuple[Reason, ...]
    scores: tuple[StageScore, ...]
    coverage: Decimal | None
    affected: Tally
    outcomes: Counts
    levels: tuple[tuple[str, int], ...]


def form_opinion(evidence: Evidence, pack: Pack, findings: Sequence[Finding]) -> Opinion:
    """The conclusion by the rule of `method.conclusion` in texts.yaml: the first line that fits."""
    scores = tuple(s for stage in STAGES if (s := _score(evidence, pack, stage)).rules)
    outcomes = evidence.counts().get((), Counts())
    coverage = _coverage(outcomes)
    levels = tuple((level, sum(f.severity.level == level for f in findings)) for level in LEVELS)
    high, medium = levels[0][1], levels[1][1]
    statute = sum(bool(f.criteria and f.criteria.hard_law) for f in findings)

    below = {
        limit: [
            Reason("reason.score", (("stage", s.stage), ("score", s.score), ("limit", limit)))
            for s in scores
            if s.score is not None and s.score < limit
        ]
        for limit in (SCORE_LOW, SCORE_HIGH)
    }

    def uncovered(limit: Decimal) -> list[Reason]:
        if coverage is None or coverage >= limit:
            return []
        return [Reason("reason.coverage", (("share", coverage), ("limit", limit)))]

    if coverage is None or coverage < COVERAGE_LOW:
        grade: Grade = "none"
        reasons = uncovered(COVERAGE_LOW)
    elif statute or high >= MANY_HIGH or below[SCORE_LOW]:
        grade = "major improvement"
        reasons = [Reason("reason.statute", (("count", statute),))] if statute else []
        reasons += [Reason("reason.high", (("count", high),))] if high else []
        reasons += below[SCORE_LOW] + uncovered(COVERAGE_HIGH)
    elif high or medium or below[SCORE_HIGH] or uncovered(COVERAGE_HIGH):
        grade = "improvement"
        reasons = [Reason("reason.high", (("count", high),))] if high else []
        reasons += [Reason("reason.medium", (("count", medium),))] if medium else []
        reasons += below[SCORE_HIGH] + uncovered(COVERAGE_HIGH)
    else:
        grade = "satisfactory"
        reasons = [Reason("reason.clean", (("limit", SCORE_HIGH),))]
    return Opinion(grade, tuple(reasons), scores, coverage, evidence.affected(), outcomes, levels)


def _coverage(counts: Counts) -> Decimal | None:
    concerned = counts.concerned.files
    return rate(concerned - counts.unknown.files, concerned)


def _score(evidence: Evidence, pack: Pack, stage: str) -> StageScore:
    """100 times the mean of the rules' pass rates, weighted by their impact points."""
    weighted, weights, rules = Decimal(0), 0, 0
    total = Counts()
    by_rule = evidence.counts("rule")
    for id_, rule in pack.rules.items():
        counts = by_rule.get((id_,))
        if rule.stage != stage or counts is None:
            continue
        rules += 1
        total += counts
        passed = rate(counts.of("pass").files, counts.judged.files)
        if passed is not None:
            weighted += IMPACT[rule.impact] * passed
            weights += IMPACT[rule.impact]
    score = (100 * weighted / weights).quantize(Decimal("0.1")) if weights else None
    return StageScore(stage, score, _coverage(total), rules, total)

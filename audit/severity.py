"""The severity of a finding, by a written formula, with its arithmetic open.

    score = likelihood (1 to 3) x impact (1 to 4) + aggravators

A bank parameter: no external norm exists. A single breach of a rule of statute is high whatever the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Level = Literal["high", "medium", "low"]
LEVELS: tuple[Level, ...] = ("high", "medium", "low")

#: Points by the kind of harm that a breach does.
IMPACT = {"formal": 1, "control": 2, "regulatory": 3, "fraud": 4}
#: Points added, by circumstance, in the order in which they are shown.
AGGRAVATORS = {"repeat": 2, "hard law": 2, "override": 1}
#: Days from the report to the date by which a finding is to be put right.
DUE_DAYS: dict[Level, int] = {"high": 30, "medium": 60, "low": 90}


@dataclass(frozen=True, slots=True)
class Severity:
    """A level and how it came about."""

    level: Level
    score: int
    likelihood: int
    impact: int
    aggravators: tuple[tuple[str, int], ...]
    by_statute: bool

    @property
    def arithmetic(self) -> str:
        """`2 x 3 + 2 = 8`, with the multiplication sign of print."""
        extra = "".join(f" + {points}" for _, points in self.aggravators)
        return f"{self.likelihood} × {self.impact}{extra} = {self.score}"


def likelihood_points(rate: Decimal) -> int:
    """1 below 5 %, 2 from 5 % to 20 %, 3 above 20 % of the files judged."""
    return 1 if rate < Decimal("0.05") else 2 if rate <= Decimal("0.20") else 3


def assess(
    rate: Decimal, impact: str, *, hard_law: bool = False, repeat: bool = False, override: bool = False
) -> Severity:
    """The severity of breaches at `rate` (a fraction) of a rule with this `impact` (a key of IMPACT)."""
    likelihood, points = likelihood_points(rate), IMPACT[impact]
    present = {"repeat": repeat, "hard law": hard_law, "override": override}
    aggravators = tuple((name, extra) for name, extra in AGGRAVATORS.items() if present[name])
    score = likelihood * points + sum(extra for _, extra in aggravators)
    level: Level = "low" if score <= 3 else "medium" if score <= 7 else "high"
    by_statute = hard_law and level != "high"
    return Severity("high" if hard_law else level, score, likelihood, points, aggravators, by_statute)

"""Counts with amounts, rates and intervals. Exact decimals throughout; rates are fractions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

#: The two-sided 95 % quantile of the standard normal distribution.
Z95 = Decimal("1.959963984540054")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Tally:
    """So many files (or groups, for a portfolio rule) with so much exposure, in the pack's currency."""

    files: int = 0
    exposure: Decimal = ZERO

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.files + other.files, self.exposure + other.exposure)


def rate(part: int | Decimal, whole: int | Decimal) -> Decimal | None:
    """`part / whole` as a fraction, or None where there is no whole."""
    return Decimal(part) / Decimal(whole) if whole else None


def wilson(successes: int, trials: int, z: Decimal = Z95) -> tuple[Decimal, Decimal]:
    """The Wilson score interval of a binomial proportion, as fractions in [0, 1].

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927). Raises ValueError
    unless 0 <= successes <= trials and trials > 0.
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"no interval for {successes} of {trials}")
    with localcontext() as context:
        context.prec = 34
        n, p, zz = Decimal(trials), Decimal(successes) / trials, z * z
        centre = (p + zz / (2 * n)) / (1 + zz / n)
        half = z * ((p * (1 - p) + zz / (4 * n)) / n).sqrt() / (1 + zz / n)
        # At the ends the interval touches 0 or 1 exactly; rounding must not say otherwise.
        low = ZERO if successes == 0 else max(ZERO, centre - half)
        high = Decimal(1) if successes == trials else min(Decimal(1), centre + half)
        return low, high


def bounds(breaches: int, judged: int, unknown: int) -> tuple[Decimal, Decimal] | None:
    """Between what the rate must lie whatever the missing facts hold: all unknown pass, all breach."""
    whole = judged + unknown
    return (Decimal(breaches) / whole, Decimal(breaches + unknown) / whole) if whole else None

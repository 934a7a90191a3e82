"""The statistics of a questionnaire, each a pure function."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats


def cronbach_alpha(scores: np.ndarray) -> float:
    """Cronbach's alpha of complete answers, shape (respondents, items); nan where it is not defined.

    k/(k-1) · (1 - sum of item variances / variance of the sum), with sample variances (Cronbach 1951).
    """
    n, k = scores.shape
    if n < 2 or k < 2:
        return math.nan
    total = float(scores.sum(axis=1).var(ddof=1))
    if total == 0:
        return math.nan
    items = float(scores.var(axis=0, ddof=1).sum())
    return float(k / (k - 1) * (1 - items / total))


def alpha_interval(alpha: float, n: int, k: int) -> tuple[float, float]:
    """95 % interval of Cronbach's alpha from the F distribution (Feldt 1965)."""
    if math.isnan(alpha) or n < 2 or k < 2:
        return math.nan, math.nan
    f = stats.f(n - 1, (n - 1) * (k - 1))
    return float(1 - (1 - alpha) * f.ppf(0.975)), float(1 - (1 - alpha) * f.ppf(0.025))


def item_rest_correlation(scores: np.ndarray, item: int) -> float:
    """Pearson's correlation of one item with the sum of the others; nan where either does not vary."""
    one, rest = scores[:, item], np.delete(scores, item, axis=1).sum(axis=1)
    if len(one) < 3 or one.std() == 0 or rest.std() == 0:
        return math.nan
    return float(np.corrcoef(one, rest)[0, 1])


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share; nan where n is 0."""
    if n == 0:
        return math.nan, math.nan
    interval = stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Association:
    """A test of independence of rows and columns. `rows` counts the rows after merging."""

    test: str  # "chi-square" | "fisher" | "none"
    p: float
    statistic: float
    degrees: int
    rows: int


def association(counts: np.ndarray) -> Association:
    """Test whether the shares differ between rows; counts of shape (groups, 2).

    Pearson's chi-square without continuity correction. While an expected count is below 5, the two smallest
    rows are merged; two rows that are still too small are tested by Fisher's exact test.
    """
    rows = counts[counts.sum(axis=1) > 0]
    if len(rows) < 2 or (rows.sum(axis=0) == 0).any():
        return Association("none", math.nan, math.nan, 0, len(rows))
    while True:
        expected = np.outer(rows.sum(axis=1), rows.sum(axis=0)) / rows.sum()
        if expected.min() >= 5:
            test = stats.chi2_contingency(rows, correction=False)
            return Association(
                "chi-square", float(test.pvalue), float(test.statistic), int(test.dof), len(rows)
            )
        if len(rows) == 2:
            p = float(stats.fisher_exact(rows).pvalue)
            return Association("fisher", p, math.nan, 0, 2)
        order = np.argsort(rows.sum(axis=1), kind="stable")
        rows = np.vstack([rows[np.sort(order[2:])], rows[order[:2]].sum(axis=0)])


def merge_groups(sizes: dict[str, int], least: int, *, ordered: bool) -> list[tuple[str, ...]]:
    """Merge groups until each holds at least `least` people, so that no count stands for fewer.

    Unordered: the smallest group joins the next smallest. Ordered: it joins its smaller neighbour.
    Empty groups are dropped. The result keeps the order of `sizes`; it is one group or none where that is all
    that can be shown.
    """
    groups: list[tuple[tuple[str, ...], int]] = [((code,), n) for code, n in sizes.items() if n > 0]
    while len(groups) > 1 and min(n for _, n in groups) < least:
        small = min(range(len(groups)), key=lambda i: groups[i][1])
        others = [i for i in range(len(groups)) if i != small]
        if ordered:
            others = [i for i in others if abs(i - small) == 1]
        mate = min(others, key=lambda i: groups[i][1])
        first, last = sorted((small, mate))
        joined = (groups[first][0] + groups[last][0], groups[first][1] + groups[last][1])
        groups = [*groups[:first], joined, *groups[first + 1 : last], *groups[last + 1 :]]
    return [codes for codes, n in groups if n >= least]


def rows_to_pool(counts: np.ndarray, least: int, hide: frozenset[int] = frozenset()) -> frozenset[int]:
    """Which rows of a table of shape (groups, 2) may be shown only together.

    A row with a cell below `least` is hidden, and so are the rows of `hide`. What is left of the column
    totals after subtracting the visible rows is the sum of the hidden ones, so more rows are hidden until

    - there are at least two, and both of their summed cells are at least `least`;
    - whatever the other hidden rows hold, at least `least` values remain possible for the cells of each of
      them (or as many as its size allows).

    The smallest row that achieves this is taken, or the smallest of all where none does alone. Either all
    rows are returned, or the sum of the returned rows may be shown as one row.
    """
    hidden = {i for i, row in enumerate(counts) if row.min() < least} | hide
    by_size = sorted(range(len(counts)), key=lambda i: (int(counts[i].sum()), i))
    while hidden and len(hidden) < len(counts) and not _pool_is_safe(counts[sorted(hidden)], least):
        left = [i for i in by_size if i not in hidden]
        enough = (i for i in left if _pool_is_safe(counts[sorted(hidden | {i})], least))
        hidden = hidden | {next(enough, left[0])}
    return frozenset(hidden)


def difference_is_small(part: np.ndarray, whole: np.ndarray, holds: np.ndarray, least: int) -> bool:
    """Whether one shown group lies within another so that subtracting them would show a cell below `least`.

    All arguments are boolean over the respondents: members of either group, and whether the answer holds.
    """
    rest = whole & ~part
    if (part & ~whole).any() or not rest.any():
        return False
    return min(int((rest & holds).sum()), int((rest & ~holds).sum())) < least


def _pool_is_safe(rows: np.ndarray, least: int) -> bool:
    totals, sizes = rows.sum(axis=0), rows.sum(axis=1)
    if len(rows) < 2 or totals.min() < least:
        return False
    highest = np.minimum(sizes, totals[0])
    lowest = np.maximum(0, sizes - totals[1])
    return bool((highest - lowest + 1 >= np.minimum(least, sizes + 1)).all())

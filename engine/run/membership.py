"""Whether a value is one of many constants, or lies in one of many constant ranges: by one search, however many."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Container
from itertools import accumulate
from typing import Any

from sancha.engine.run.index import Interval


class Ranges:
    """A union of intervals of ordered values, which may overlap. `value in ranges` costs one binary search."""

    def __init__(self, intervals: Collection[Interval]) -> None:
        bounds = {b for interval in intervals for b in (interval.low, interval.high) if b is not None}
        self._bounds: list[Any] = sorted(bounds)
        number = {bound: i for i, bound in enumerate(self._bounds)}
        # Place 2i is the gap below bound i, place 2i + 1 the bound, the last place the gap above all.
        places = 2 * len(self._bounds) + 1
        steps = [0] * (places + 1)
        for interval in intervals:
            first, last = 0, places - 1
            if interval.low is not None:
                first = 2 * number[interval.low] + (1 if interval.low_closed else 2)
            if interval.high is not None:
                last = 2 * number[interval.high] + (1 if interval.high_closed else 0)
            if first <= last:
                steps[first] += 1
                steps[last + 1] -= 1
        self._inside = [covered > 0 for covered in accumulate(steps[:-1])]

    def __contains__(self, value: Any) -> bool:
        bounds = self._bounds
        i = bisect_left(bounds, value)
        return self._inside[2 * i + (i < len(bounds) and bounds[i] == value)]


def container(intervals: Collection[Interval]) -> Container[Any]:
    """What holds the values of the intervals: a set where all of them are single values."""
    points = [
        i.low for i in intervals if i.low is not None and i.low == i.high and i.low_closed and i.high_closed
    ]
    return frozenset(points) if len(points) == len(intervals) else Ranges(intervals)

"""The working-day calendar of a pack."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Calendar:
    """Working days from `first` on. `counts[i]` is the number of working days up to and including day `i`.

    The calendar speaks for the days from `first` to `first + len(counts) - 1` only.
    """

    first: date
    counts: tuple[int, ...]

    @staticmethod
    def empty() -> Calendar:
        """A calendar that speaks for no day."""
        return Calendar(date(2000, 1, 1), ())

    @staticmethod
    def of(
        first: date,
        last: date,
        weekend: Iterable[str],
        holidays: Iterable[date],
        working_weekends: Iterable[date],
    ) -> Calendar:
        free, off, on = {WEEKDAYS.index(d) for d in weekend}, set(holidays), set(working_weekends)
        counts, count = [], 0
        for n in range((last - first).days + 1):
            day = first + timedelta(days=n)
            count += day in on or (day.weekday() not in free and day not in off)
            counts.append(count)
        return Calendar(first, tuple(counts))

    def count(self, day: date) -> int | None:
        """Working days up to and including the day; None outside the calendar."""
        index = (day - self.first).days
        return self.counts[index] if 0 <= index < len(self.counts) else None

    def between(self, start: date, end: date) -> int | None:
        """Working days after `start` up to and including `end`; negative where `end` is earlier."""
        a, b = self.count(start), self.count(end)
        return None if a is None or b is None else b - a

    def add(self, start: date, days: int) -> date | None:
        """The working day that is `days` working days after `start`; None outside the calendar.

        With `days` 0 or less it is the latest working day whose count is so far back.
        """
        count = self.count(start)
        if count is None:
            return None
        index = bisect_left(self.counts, count + days)
        if count + days < 1 or index >= len(self.counts):
            return None
        return self.first + timedelta(days=index)

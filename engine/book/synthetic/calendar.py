"""Working days, seasons and months, as days since 1970-01-01."""

from __future__ import annotations

import datetime as dt

import numpy as np

from sancha.engine.book.synthetic.draw import Ints, Stream

_EPOCH = dt.date(1970, 1, 1)

# Public holidays of mainland China (State Council General Office notices): first day, number of days.
_HOLIDAYS = """
2020-01-01 1, 2020-01-24 10, 2020-04-04 3, 2020-05-01 5, 2020-06-25 3, 2020-10-01 8,
2021-01-01 3, 2021-02-11 7, 2021-04-03 3, 2021-05-01 5, 2021-06-12 3, 2021-09-19 3, 2021-10-01 7,
2022-01-01 3, 2022-01-31 7, 2022-04-03 3, 2022-04-30 5, 2022-06-03 3, 2022-09-10 3, 2022-10-01 7,
2022-12-31 3, 2023-01-21 7, 2023-04-05 1, 2023-04-29 5, 2023-06-22 3, 2023-09-29 8,
2023-12-30 3, 2024-02-10 8, 2024-04-04 3, 2024-05-01 5, 2024-06-08 3, 2024-09-15 3, 2024-10-01 7,
2025-01-01 1, 2025-01-28 8, 2025-04-04 3, 2025-05-01 5, 2025-05-31 3, 2025-10-01 8,
2026-01-01 3, 2026-02-15 9, 2026-04-04 3, 2026-05-01 5, 2026-06-19 3, 2026-09-25 3, 2026-10-01 7
"""
_NEW_YEARS = (
    "2020-01-25",
    "2021-02-12",
    "2022-02-01",
    "2023-01-22",
    "2024-02-10",
    "2025-01-29",
    "2026-02-17",
)

# Applications come with the busy months of trade and the year's credit quota: weights of January … December.
_SEASON = (110, 70, 130, 105, 100, 120, 90, 95, 120, 85, 95, 80)
# First loans, year by year: those who come back fill the years between.
_GROWTH = (85, 75, 90, 175)


def day(date: dt.date) -> int:
    return (date - _EPOCH).days


def date_of(number: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=number)


def add_months(days: Ints, months: int | Ints) -> Ints:
    """The same day of the month so many months later, or the last day of that month."""
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    target = month + np.asarray(months).astype("timedelta64[M]")
    in_month = (dates - month.astype("datetime64[D]")).astype(np.int64)
    length = (
        (target + np.timedelta64(1, "M")).astype("datetime64[D]") - target.astype("datetime64[D]")
    ).astype(np.int64)
    day: Ints = target.astype("datetime64[D]").astype(np.int64) + np.minimum(in_month, length - 1)
    return day


def year_of(days: Ints) -> Ints:
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def month_of(days: Ints) -> Ints:
    """1 … 12."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1


def day_of_month(days: Ints) -> Ints:
    dates = days.astype("datetime64[D]")
    first: Ints = dates.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days - first + 1


def months_between(start: Ints, end: Ints) -> Ints:
    """Calendar months from the month of `start` to the month of `end`."""
    return (end.astype("datetime64[D]").astype("datetime64[M]")).astype(np.int64) - (
        start.astype("datetime64[D]").astype("datetime64[M]")
    ).astype(np.int64)


class Calendar:
    """The working days of the bank around the four years that end on `as_of`."""

    def __init__(self, as_of: dt.date) -> None:
        self.as_of = day(as_of)
        self.start = self.as_of - 4 * 365
        self._first = self.start - 800
        days = np.arange(self._first, self.as_of + 400)
        weekday = (days + 3) % 7
        holiday = np.zeros(len(days), dtype=bool)
        for entry in _HOLIDAYS.replace("\n", " ").split(","):
            begin, length = entry.split()
            offset = day(dt.date.fromisoformat(begin)) - self._first
            holiday[max(offset, 0) : max(offset + int(length), 0)] = True
        working = (weekday < 5) & ~holiday
        index = np.where(working, np.arange(len(days)), -1)
        self._before = np.maximum.accumulate(index)
        index = np.where(working, np.arange(len(days)), len(days) - 1)
        self._after = np.minimum.accumulate(index[::-1])[::-1]
        season = np.array(_SEASON)[month_of(days) - 1]
        growth = np.array(_GROWTH)[np.clip((days - self.start) // 365, 0, 3)]
        weight = np.where(working, season * growth * 20, np.where(weekday == 5, season * growth, 0))
        for new_year in _NEW_YEARS:
            offset = day(dt.date.fromisoformat(new_year)) - self._first
            quiet = slice(max(offset - 10, 0), max(offset + 12, 0))
            weight[quiet] //= 5
        weight[: self.start - self._first] = 0
        self._arrivals = np.cumsum(weight)

    def next(self, days: Ints) -> Ints:
        """The day itself if the bank works on it, or the first working day after it."""
        return self._after[days - self._first] + self._first

    def near(self, days: Ints) -> Ints:
        """The nearest working day: the one before for a Saturday, the one after for a Sunday."""
        return np.where((days + 3) % 7 == 5, self.previous(days), self.next(days))

    def previous(self, days: Ints) -> Ints:
        """The day itself if the bank works on it, or the last working day before it."""
        return self._before[days - self._first] + self._first

    @staticmethod
    def weekday(days: Ints) -> Ints:
        """The day itself, or the Friday before it if it falls on a weekend."""
        return days - np.maximum((days + 3) % 7 - 4, 0)

    def arrivals(self, stream: Stream, first: Ints, last: Ints) -> Ints:
        """Days of application within the bounds (both included), busy months and weekdays being likelier."""
        low = self._arrivals[first - 1 - self._first]
        high = self._arrivals[np.maximum(last, first) - self._first]
        target = low + stream.below(np.maximum(high - low, 1), len(first))
        return np.searchsorted(self._arrivals, target, side="right") + self._first

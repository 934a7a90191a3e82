"""Dates, times and durations made of texts and numbers, and the calendar (DMN 1.5, 10.3.4.1, 10.3.4.6, 10.3.4.8)."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextvars import ContextVar
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from sancha.engine.feel.builtins.registry import FeelError, builtin
from sancha.engine.feel.values import (
    Date,
    DateTime,
    DaysTimeDuration,
    Time,
    YearsMonthsDuration,
    midnight,
    parse_date,
    parse_date_time,
    parse_duration,
    parse_time,
    same,
    to_text,
)
from sancha.engine.run.runtime import CONTEXT

_SECOND = 10**9
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June",
           "July", "August", "September", "October", "November", "December")  # fmt: skip


def _clock() -> datetime.datetime:
    return datetime.datetime.now().astimezone()


#: What `now` and `today` read: the machine's clock with its offset, unless a run is to be judged on another moment.
CLOCK: ContextVar[Callable[[], datetime.datetime]] = ContextVar("clock", default=_clock)


# -- making them -------------------------------------------------------------------------------------------------------


@builtin("date(from: string | date | date and time)", example=('date("2012-12-25")', '@"2012-12-25"'))
def date_from(from_: str | Date | DateTime) -> Date:
    """The date that a text writes (`YYYY-MM-DD`), or the date of a date and time."""
    if isinstance(from_, str):
        return parse_date(from_)
    return from_.date if isinstance(from_, DateTime) else from_


@builtin("date(year: number, month: number, day: number)", example=("date(2012, 12, 25)", '@"2012-12-25"'))
def date_of(year: Decimal, month: Decimal, day: Decimal) -> Date:
    """The date of a year, a month (1 to 12) and a day. Null where there is no such day."""
    return Date(_whole(year, "year"), _whole(month, "month"), _whole(day, "day"))


@builtin("time(from: string | time | date and time | date)", example=('time("23:59:00Z")', '@"23:59:00Z"'))
def time_from(from_: str | Time | DateTime | Date) -> Time:
    """The time that a text writes (`hh:mm:ss` with an offset or a zone), or the time of a date and time.

    The time of a date is midnight UTC.
    """
    if isinstance(from_, str):
        return parse_time(from_)
    if isinstance(from_, Date):
        return midnight(from_).time
    return from_.time if isinstance(from_, DateTime) else from_


@builtin(
    "time(hour: number, minute: number, second: number, offset?: days and time duration | null)",
    example=('time(23, 59, 0, @"PT2H")', '@"23:59:00+02:00"'),
)
def time_of(hour: Decimal, minute: Decimal, second: Decimal, offset: DaysTimeDuration | None) -> Time:
    """The time of an hour, a minute and a second, which may have a fraction, with its offset from UTC if given."""
    seconds, nanosecond = _second(second)
    return Time(_whole(hour, "hour"), _whole(minute, "minute"), seconds, nanosecond, _offset(offset))


@builtin(
    "date and time(from: string | date and time | date)",
    example=('date and time("2012-12-24T23:59:00")', '@"2012-12-24T23:59:00"'),
)
def date_time_from(from_: str | DateTime | Date) -> DateTime:
    """The date and time that a text writes: a date, `T` and a time. A date alone is its midnight, local time.

    A value of the type date, as everywhere, is its midnight in UTC.
    """
    if isinstance(from_, str):
        return parse_date_time(from_)
    return midnight(from_) if isinstance(from_, Date) else from_


@builtin(
    "date and time(date: date | date and time, time: time)",
    example=('date and time(@"2012-12-24", @"23:59:00")', '@"2012-12-24T23:59:00"'),
)
def date_time_of(date: Date | DateTime, time: Time) -> DateTime:
    """The time on the date; what time the first argument has does not count."""
    return DateTime(date.date if isinstance(date, DateTime) else date, time)


_PARTS = "year: number, month: number, day: number, hour: number, minute: number, second: number"


@builtin(
    f"date and time({_PARTS}, offset?: days and time duration | null)",
    example=('date and time(2012, 12, 24, 23, 59, 0, @"PT8H")', '@"2012-12-24T23:59:00+08:00"'),
)
def date_time_of_parts(
    year: Decimal,
    month: Decimal,
    day: Decimal,
    hour: Decimal,
    minute: Decimal,
    second: Decimal,
    offset: DaysTimeDuration | None,
) -> DateTime:
    """The date and time of its parts, with an offset from UTC if given."""
    return DateTime(date_of(year, month, day), time_of(hour, minute, second, offset))


@builtin(
    f"date and time({_PARTS}, timezone: string)",
    example=(
        'date and time(2012, 12, 24, 23, 59, 0, "Asia/Shanghai")',
        '@"2012-12-24T23:59:00@Asia/Shanghai"',
    ),
)
def date_time_in_zone(
    year: Decimal,
    month: Decimal,
    day: Decimal,
    hour: Decimal,
    minute: Decimal,
    second: Decimal,
    timezone: str,
) -> DateTime:
    """The date and time of its parts in an IANA time zone."""
    seconds, nanosecond = _second(second)
    time = Time(_whole(hour, "hour"), _whole(minute, "minute"), seconds, nanosecond, zone=timezone)
    return DateTime(date_of(year, month, day), time)


@builtin(
    "duration(from: string | days and time duration | years and months duration)",
    example=('duration("P2Y2M") = duration("P26M")', "true"),
)
def duration(from_: Any) -> DaysTimeDuration | YearsMonthsDuration:
    """The duration that a text writes: days and time (`P1DT2H3M4S`) or years and months (`P1Y2M`), never both."""
    return parse_duration(from_) if isinstance(from_, str) else from_


@builtin(
    "years and months duration(from: date | date and time, to: date | date and time)",
    example=('years and months duration(@"2011-12-22", @"2013-08-24")', '@"P1Y8M"'),
)
def years_and_months_duration(from_: Date | DateTime, to: Date | DateTime) -> YearsMonthsDuration:
    """Completed years and months from one date to another, times left aside; negative where `to` is earlier.

    A month is complete once the day of the month has come: from 31 January to 29 February none is, and who is born on
    29 February completes a year on 1 March of a common year. Where the two differ in kind, a date is its midnight.
    """
    start = from_.date if isinstance(from_, DateTime) else from_
    end = to.date if isinstance(to, DateTime) else to
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and end.day < start.day:
        months -= 1
    elif months < 0 and end.day > start.day:
        months += 1
    return YearsMonthsDuration(months)


@builtin("now()", example=("now() instance of date and time", "true"))
def now() -> DateTime:
    """The present date and time, with the machine's offset from UTC."""
    moment = CLOCK.get()()
    offset = moment.utcoffset()
    return DateTime(
        Date(moment.year, moment.month, moment.day),
        Time(
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond * 1000,
            None if offset is None else offset // datetime.timedelta(seconds=1),
        ),
    )


@builtin("today()", example=("today() instance of date", "true"))
def today() -> Date:
    """The present date by the machine's clock."""
    present: DateTime = now()
    return present.date


# -- the calendar ------------------------------------------------------------------------------------------------------


@builtin("day of year(date: date | date and time)", example=("day of year(date(2019, 9, 17))", "260"))
def day_of_year(date: Date | DateTime) -> Decimal:
    """The number of the day within its year; the first is 1."""
    return Decimal(_day_of_year(date_from(date)))


@builtin("day of week(date: date | date and time)", example=("day of week(date(2019, 9, 17))", '"Tuesday"'))
def day_of_week(date: Date | DateTime) -> str:
    """The day of the week in English: "Monday" to "Sunday"."""
    return _DAYS[date_from(date).weekday - 1]


@builtin(
    "month of year(date: date | date and time)", example=("month of year(date(2019, 9, 17))", '"September"')
)
def month_of_year(date: Date | DateTime) -> str:
    """The month in English: "January" to "December"."""
    return _MONTHS[date_from(date).month - 1]


@builtin("week of year(date: date | date and time)", example=("week of year(date(2005, 1, 1))", "53"))
def week_of_year(date: Date | DateTime) -> Decimal:
    """The number of the week by ISO 8601: weeks begin on Monday, the first is the one with 4 January."""
    day = date_from(date)
    thursday = Date.of(day.days - day.weekday + 4)  # a week belongs to the year of its Thursday
    return Decimal((_day_of_year(thursday) - 1) // 7 + 1)


def _day_of_year(date: Date) -> int:
    return date.days - Date(date.year, 1, 1).days + 1


@builtin("is(value1: any, value2: any)", example=('is(@"23:00:50Z", @"23:00:50")', "false"))
def is_(value1: Any, value2: Any) -> bool:
    """Whether both are the same value of the same type. Times are the same only with the same offset or zone."""
    return same(value1, value2)


# -- parts -------------------------------------------------------------------------------------------------------------


def _whole(number: Decimal, what: str) -> int:
    if abs(number) >= 10**10 or number != number.to_integral_value():
        raise FeelError(f"{to_text(number)[:40]} is no {what}")
    return int(number)


def _second(number: Decimal) -> tuple[int, int]:
    """Seconds and nanoseconds; digits beyond the nanosecond are cut off."""
    if not 0 <= number < 60:
        raise FeelError(f"{to_text(number)[:40]} is no second")
    return divmod(int(number.scaleb(9, CONTEXT).to_integral_value(ROUND_FLOOR)), _SECOND)


def _offset(offset: DaysTimeDuration | None) -> int | None:
    if offset is None:
        return None
    seconds, rest = divmod(offset.nanoseconds, _SECOND)
    if rest:
        raise FeelError("an offset from UTC has whole seconds")
    return seconds

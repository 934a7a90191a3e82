"""The values of full FEEL: dates, times, durations, ranges and functions; their text, equality, order, arithmetic.

DMN 1.5, 10.3.2. A number is a `Decimal`, a string a `str`, a boolean a `bool`, null is None, a list a `list`, a
context a `dict`; the other kinds are the classes below. Two of their values are `==` where they are the same element
of FEEL's domain (its `is`); FEEL's `=` is `equal`, its `<` is `order`.

Dates are of the proleptic Gregorian calendar, from the year -999,999,999 to 999,999,999, with a year 0 as in ISO 8601.
Time is exact to the nanosecond; what is finer is cut off. An IANA time zone is looked up in the package `tzdata`, so
that the same value has the same offset on every machine.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sancha.engine.feel.errors import FeelError
from sancha.engine.feel.syntax import Node, shape
from sancha.engine.run.runtime import CONTEXT

if TYPE_CHECKING:
    from sancha.engine.feel.kinds import Kind

Value = Any

YEARS = 999_999_999
_SECOND = 10**9
_MINUTE = 60 * _SECOND
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR
#: XML Schema's bound of an offset from UTC, in seconds.
_FARTHEST = 14 * 3600
#: A duration's parts are numbers of 34 digits.
_LONGEST = 10**34
#: Products and quotients of durations are computed with all digits before they are cut to whole units.
_WIDE = decimal.Context(prec=150, traps=[])


# -- the classes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Date:
    year: int
    month: int
    day: int

    def __post_init__(self) -> None:
        if not -YEARS <= self.year <= YEARS:
            raise FeelError(f"the year {self.year} is out of range")
        if not 1 <= self.month <= 12:
            raise FeelError(f"{self.month} is no month")
        if not 1 <= self.day <= days_in_month(self.year, self.month):
            raise FeelError(f"{self.year}-{self.month:02} has no day {self.day}")

    @classmethod
    def of(cls, days: int) -> Date:
        """The date so many days after 1970-01-01."""
        era, day_of_era = divmod(days + 719_468, 146_097)
        year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
        day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
        shifted = (5 * day_of_year + 2) // 153  # months since March
        month = shifted + 3 if shifted < 10 else shifted - 9
        return cls(era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1)

    @property
    def days(self) -> int:
        """The days since 1970-01-01."""
        year = self.year - (self.month <= 2)
        era, year_of_era = divmod(year, 400)
        day_of_year = (153 * (self.month - 3 if self.month > 2 else self.month + 9) + 2) // 5 + self.day - 1
        return (
            era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468
        )

    @property
    def weekday(self) -> int:
        """1 is Monday, 7 is Sunday (ISO 8601)."""
        return (self.days + 3) % 7 + 1

    def plus_months(self, months: int) -> Date:
        """The same day so many months later; the last day of the month where it is shorter."""
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Date(year, month + 1, min(self.day, days_in_month(year, month + 1)))

    def __str__(self) -> str:
        year = f"{self.year:04}" if self.year >= 0 else f"-{-self.year:04}"
        return f"{year}-{self.month:02}-{self.day:02}"


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    return 28 + is_leap(year) if month == 2 else 30 if month in (4, 6, 9, 11) else 31


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day: local, or with an `offset` from UTC in seconds, or in an IANA time `zone`."""

    hour: int
    minute: int
    second: int
    nanosecond: int = 0
    offset: int | None = None
    zone: str | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.hour <= 23 and 0 <= self.minute <= 59 and 0 <= self.second <= 59):
            raise FeelError(f"{self.hour:02}:{self.minute:02}:{self.second:02} is no time of day")
        if not 0 <= self.nanosecond < _SECOND:
            raise FeelError(f"{self.nanosecond} is no part of a second")
        if self.offset is not None and not -_FARTHEST <= self.offset <= _FARTHEST:
            raise FeelError("an offset from UTC is at most 14 hours")
        if self.zone is not None:
            if self.offset is not None:
                raise FeelError("a time has an offset or a time zone, not both")
            time_zone(self.zone)

    @classmethod
    def of(cls, nanoseconds: int, offset: int | None = None, zone: str | None = None) -> Time:
        """The time of day so many nanoseconds after midnight, counted on over midnight."""
        seconds, nanosecond = divmod(nanoseconds % _DAY, _SECOND)
        return cls(seconds // 3600, seconds // 60 % 60, seconds % 60, nanosecond, offset, zone)

    @property
    def nanoseconds(self) -> int:
        """Since midnight, by the clock on the wall."""
        return ((self.hour * 60 + self.minute) * 60 + self.second) * _SECOND + self.nanosecond

    @property
    def utc_offset(self) -> int | None:
        """In seconds; None of a local time.

        Without a date a zone's offset is open: it is taken to be its standard time by the rules that hold from now on.
        """
        if self.zone is None:
            return self.offset
        return min(_zone_offset(self.zone, Date(8000, month, 1), self, False) for month in (1, 7))

    def __str__(self) -> str:
        text = f"{self.hour:02}:{self.minute:02}:{self.second:02}{_fraction(self.nanosecond)}"
        if self.zone is not None:
            return f"{text}@{self.zone}"
        if self.offset is None:
            return text
        if self.offset == 0:
            return f"{text}Z"
        minutes, seconds = divmod(abs(self.offset), 60)
        sign = "-" if self.offset < 0 else "+"
        return f"{text}{sign}{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


@dataclass(frozen=True, slots=True)
class DateTime:
    """A date and a time of day. `later` tells the second from the first of two equal times, where clocks go back."""

    date: Date
    time: Time
    later: bool = False

    @classmethod
    def of(cls, nanoseconds: int, offset: int | None = None, zone: str | None = None) -> DateTime:
        """So many nanoseconds after midnight of 1970-01-01, by the clock on the wall."""
        days, rest = divmod(nanoseconds, _DAY)
        return cls(Date.of(days), Time.of(rest, offset, zone))

    @property
    def nanoseconds(self) -> int:
        """Since midnight of 1970-01-01, by the clock on the wall."""
        return self.date.days * _DAY + self.time.nanoseconds

    @property
    def utc_offset(self) -> int | None:
        """In seconds; None of a local time. A time that clocks skip has the offset from before they do."""
        if self.time.zone is None:
            return self.time.offset
        return _zone_offset(self.time.zone, self.date, self.time, self.later)

    def plus(self, nanoseconds: int) -> DateTime:
        """So much later on the time line; a local time counts on as if its clock were never set."""
        if self.time.zone is None:
            return DateTime.of(self.nanoseconds + nanoseconds, self.time.offset)
        utc = self.nanoseconds - (self.utc_offset or 0) * _SECOND + nanoseconds
        offset, later = _zone_offset_at(self.time.zone, DateTime.of(utc))
        local = DateTime.of(utc + offset * _SECOND, zone=self.time.zone)
        return DateTime(local.date, local.time, later)

    def __str__(self) -> str:
        return f"{self.date}T{self.time}"


@dataclass(frozen=True, slots=True)
class DaysTimeDuration:
    nanoseconds: int

    def __post_init__(self) -> None:
        if abs(self.nanoseconds) >= _LONGEST * _SECOND:
            raise FeelError("the duration is too long", "arithmetic")

    def __str__(self) -> str:
        if self.nanoseconds == 0:
            return "PT0S"
        seconds, nanosecond = divmod(abs(self.nanoseconds), _SECOND)
        days, seconds = divmod(seconds, 86_400)
        hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
        text = f"{days}D" if days else ""
        if seconds or nanosecond:
            text += "T" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
            if rest or nanosecond:
                text += f"{rest}{_fraction(nanosecond)}S"
        return f"{'-' if self.nanoseconds < 0 else ''}P{text}"


@dataclass(frozen=True, slots=True)
class YearsMonthsDuration:
    months: int

    def __post_init__(self) -> None:
        if abs(self.months) >= _LONGEST:
            raise FeelError("the duration is too long", "arithmetic")

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        text = (f"{years}Y" if years else "") + (f"{months}M" if months or not years else "")
        return f"{'-' if self.months < 0 else ''}P{text}"


@dataclass(frozen=True, slots=True)
class Range:
    """`[low..high]`; None is no bound, as in the value `(< 5)`: `Range(None, 5, False, False)`."""

    low: Value
    high: Value
    low_closed: bool
    high_closed: bool

    @classmethod
    def checked(cls, low: Value, high: Value, low_closed: bool, high_closed: bool) -> Range:
        """A range whose ends are of one ordered kind and in order, or a `FeelError`."""
        if low is None and high is None:
            raise FeelError("a range has at least one end")
        ends = [end for end in (low, high) if end is not None]
        for end in ends:
            if order(end, end) is None:
                raise FeelError(f"a range has no end of the kind {kind_of(end)}")
        if len(ends) == 2:
            if kind_of(low) != kind_of(high):
                raise FeelError(f"a range from a {kind_of(low)} to a {kind_of(high)}")
            if order(low, high) == 1:
                raise FeelError(f"the range starts at {to_text(low)}, after its end {to_text(high)}")
        return cls(low, high, low_closed and low is not None, high_closed and high is not None)

    def includes(self, value: Value) -> bool | None:
        """Whether the value lies within; None where it cannot be compared with an end."""
        low = 1 if self.low is None else order(value, self.low)
        high = -1 if self.high is None else order(value, self.high)
        if low is None or high is None:
            return None
        return (low > 0 or (low == 0 and self.low_closed)) and (high < 0 or (high == 0 and self.high_closed))

    def __str__(self) -> str:
        low, high = ("" if end is None else written(end) for end in (self.low, self.high))
        return f"{'[' if self.low_closed else '('}{low}..{high}{']' if self.high_closed else ')'}"


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function value: names and types of its parameters (None: any), and what to call with their values.

    `builtin` names a built-in function: it is called in any of its forms, `parameters` are those of the first.
    `source` is the syntax of a function that is written in FEEL, `captured` what it sees of its scope: functions that
    agree in both are equal.
    """

    parameters: tuple[tuple[str, Kind | None], ...]
    run: Callable[..., Value]
    result: Kind | None = None
    builtin: str | None = None
    source: Node | None = None
    captured: tuple[Value, ...] = ()

    def __call__(self, *arguments: Value) -> Value:
        return self.run(*arguments)

    def __str__(self) -> str:
        return f"function({', '.join(name for name, _ in self.parameters)})"


# -- time zones --------------------------------------------------------------------------------------------------------

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


@cache
def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name, or a `FeelError`."""
    try:
        if _ZONE.fullmatch(name):
            with resources.files("tzdata.zoneinfo").joinpath(name).open("rb") as file:
                return ZoneInfo.from_file(file, name)
    except (OSError, ValueError):
        pass
    raise FeelError(f'there is no time zone "{name[:80]}"')


def _python(date: Date, time: Time, zone: datetime.tzinfo, later: bool = False) -> datetime.datetime:
    """As Python's, which ends at the year 9999: far years stand for the same of another cycle of 400 years."""
    year = date.year if 1000 <= date.year < 9000 else date.year % 400 + (400 if date.year < 1000 else 8000)
    return datetime.datetime(
        year, date.month, date.day, time.hour, time.minute, time.second, tzinfo=zone, fold=later
    )  # fmt: skip


def _zone_offset(zone: str, date: Date, time: Time, later: bool) -> int:
    """The seconds by which a zone's clocks are before UTC when they show this."""
    return _seconds(_python(date, time, time_zone(zone), later))


def _zone_offset_at(zone: str, utc: DateTime) -> tuple[int, bool]:
    """The offset of a zone at a time in UTC, and whether its clocks show that time again."""
    local = _python(utc.date, utc.time, datetime.UTC).astimezone(time_zone(zone))
    return _seconds(local), bool(local.fold)


def _seconds(moment: datetime.datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None
    return offset // datetime.timedelta(seconds=1)


# -- texts -------------------------------------------------------------------------------------------------------------

_DATE_TEXT = r"(-?(?:[1-9][0-9]{4,8}|[0-9]{4}))-([0-9]{2})-([0-9]{2})"
#: XML Schema writes UTC as `Z`, DMN's examples also as `z`. Offsets with seconds are beyond XML Schema: FEEL's own
#: `time` makes them, so the text of a time must be able to hold them.
_OFFSET_TEXT = r"(?:([Zz]|[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)|@(.+))?"
_TIME_TEXT = rf"([0-9]{{2}}):([0-9]{{2}}):([0-9]{{2}})(?:\.([0-9]+))?{_OFFSET_TEXT}"
_DATE = re.compile(_DATE_TEXT)
_DATE_OFFSET = re.compile(rf"{_DATE_TEXT}([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})?")
_TIME = re.compile(_TIME_TEXT)
_DATE_TIME = re.compile(rf"{_DATE_TEXT}T{_TIME_TEXT}")
_NUMBER = r"[0-9]{1,40}"
_YEARS_MONTHS = re.compile(rf"(-?)P(?=[0-9])(?:({_NUMBER})Y)?(?:({_NUMBER})M)?")
_DAYS_TIME = re.compile(
    rf"(-?)P(?=[0-9T])(?:({_NUMBER})D)?"
    rf"(?:T(?=[0-9])(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})(?:\.([0-9]+))?S)?)?"
)


def parse_date(text: str) -> Date:
    """`2024-01-31`, as XML Schema's date without a time zone, or a `FeelError`."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise FeelError(f'"{text[:80]}" is no date (YYYY-MM-DD)')
    return Date(int(match[1]), int(match[2]), int(match[3]))


def parse_time(text: str) -> Time:
    """`09:30:00`, with a fraction, and with `Z`, an offset `+08:00` or a zone `@Asia/Shanghai`, or a `FeelError`.

    `24:00:00` is the midnight at which a day ends, for a time alone the same as `00:00:00` (XML Schema).
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise FeelError(f'"{text[:80]}" is no time (hh:mm:ss)')
    return _time(match.groups())[0]


def parse_date_time(text: str) -> DateTime:
    """A date, `T` and a time, or a date alone, which is its midnight, local time; or a `FeelError`.

    A date alone may have an offset, as in XML Schema (DMN's own example is `2012-03-07Z`).
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        if (day := _DATE_OFFSET.fullmatch(text)) is not None:
            date = Date(int(day[1]), int(day[2]), int(day[3]))
            return DateTime(date, Time(0, 0, 0, offset=None if day[4] is None else _offset(day[4])))
        raise FeelError(f'"{text[:80]}" is no date and time (YYYY-MM-DDThh:mm:ss)')
    date = Date(int(match[1]), int(match[2]), int(match[3]))
    time, days = _time(match.groups()[3:])
    return DateTime(Date.of(date.days + days) if days else date, time)


def parse_duration(text: str) -> DaysTimeDuration | YearsMonthsDuration:
    """`P1Y2M` or `P1DT2H3M4.5S`, each part optional, a sign before; never both kinds; or a `FeelError`."""
    if (match := _YEARS_MONTHS.fullmatch(text)) is not None:
        months = int(match[2] or 0) * 12 + int(match[3] or 0)
        return YearsMonthsDuration(-months if match[1] else months)
    if (match := _DAYS_TIME.fullmatch(text)) is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:5])
        length = days * _DAY + hours * _HOUR + minutes * _MINUTE + seconds * _SECOND + _nanosecond(match[6])
        return DaysTimeDuration(-length if match[1] else length)
    raise FeelError(f'"{text[:80]}" is no duration (P1Y2M or P1DT2H3M4S)')


def parse_temporal(text: str) -> Date | Time | DateTime | DaysTimeDuration | YearsMonthsDuration | None:
    """The value of a literal `@"…"`; None where it is none."""
    try:
        if text.startswith(("P", "-P")):
            return parse_duration(text)
        if text[2:3] == ":":
            return parse_time(text)
        return parse_date_time(text) if "T" in text else parse_date(text)
    except FeelError:
        return None


def _time(parts: tuple[str | None, ...]) -> tuple[Time, int]:
    """From the groups of `_TIME_TEXT`: the time of day, and the days it lies ahead (the midnight `24:00:00`)."""
    hour, minute, second = (int(part or 0) for part in parts[:3])
    nanosecond = _nanosecond(parts[3])
    midnight = hour == 24 and not (minute or second or (parts[3] or "").strip("0"))
    offset = None if parts[4] is None else _offset(parts[4])
    return Time(0 if midnight else hour, minute, second, nanosecond, offset, parts[5]), int(midnight)


def _offset(text: str) -> int:
    if text in "Zz":
        return 0
    hours, minutes, seconds = (int(part) for part in f"{text[1:]}:00".split(":")[:3])
    if minutes > 59 or seconds > 59:
        raise FeelError(f'"{text}" is no offset from UTC')
    length = (hours * 60 + minutes) * 60 + seconds
    return -length if text[0] == "-" else length


def _nanosecond(digits: str | None) -> int:
    return int((digits or "")[:9].ljust(9, "0"))


def _fraction(nanosecond: int) -> str:
    return f".{nanosecond:09}".rstrip("0") if nanosecond else ""


def to_text(value: Value) -> str:
    """A value as FEEL's `string` gives it: a string and a date as they are, what lies within a list as `written`."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, _TEMPORAL) else written(value)


def written(value: Value) -> str:
    """A value as it would be written in FEEL: a string in quotes, a date as `@"2024-01-31"`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return _plain(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)}: {written(part)}' for key, part in value.items())}}}"
    return f'@"{value}"' if isinstance(value, _TEMPORAL) else str(value)


def _plain(number: Decimal) -> str:
    """All digits, no exponent, no trailing zeros: equal numbers have equal texts."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _quoted(text: str) -> str:
    for char, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(char, written)
    return f'"{text}"'


def _key(key: str) -> str:
    return key if key and all(part.isidentifier() for part in key.split(" ")) else _quoted(key)


# -- kinds, equality, order --------------------------------------------------------------------------------------------

_KINDS: dict[type, str] = {
    Decimal: "number",
    str: "string",
    bool: "boolean",
    type(None): "null",
    list: "list",
    dict: "context",
    Function: "function",
    Range: "range",
    Date: "date",
    Time: "time",
    DateTime: "date and time",
    DaysTimeDuration: "days and time duration",
    YearsMonthsDuration: "years and months duration",
}
_TEMPORAL = (Date, Time, DateTime, DaysTimeDuration, YearsMonthsDuration)


def kind_of(value: Value) -> str:
    """The name of the value's kind, as FEEL's types are named. What is no value of FEEL is a `TypeError`."""
    try:
        return _KINDS[type(value)]
    except KeyError:
        raise TypeError(f"{type(value).__name__} is no kind of FEEL value") from None


def equal(a: Value, b: Value) -> bool | None:
    """FEEL's `=` (DMN 1.5, table 53). None: the kinds differ, so there is no answer.

    null is equal to null alone. Lists and contexts are equal if all their parts surely are.
    """
    if a is None or b is None:
        return a is b
    kind = kind_of(a)
    if kind != kind_of(b):
        return None
    match kind:
        case "list":
            return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
        case "context":
            return a.keys() == b.keys() and all(equal(part, b[key]) for key, part in a.items())
        case "range":
            ends = (a.low_closed, a.high_closed) == (b.low_closed, b.high_closed)
            return ends and equal(a.low, b.low) is True and equal(a.high, b.high) is True
        case "time" | "date and time":
            return order(a, b) == 0
        case "function":
            return _one_function(a, b)
    return bool(a == b)


def _one_function(a: Function, b: Function) -> bool:
    """Whether both have the same parameters, body and scope (DMN 1.5, table 53), or are one built-in."""
    if a is b or a.source is None or b.source is None:
        return a is b or (a.builtin is not None and a.builtin == b.builtin)
    return (
        a.parameters == b.parameters
        and shape(a.source) == shape(b.source)
        and len(a.captured) == len(b.captured)
        and all(map(same, a.captured, b.captured))
    )


def order(a: Value, b: Value) -> int | None:
    """-1, 0 or 1 as `a` is before, equal to or after `b` (DMN 1.5, table 54). None: they cannot be compared.

    Times, and dates and times, are compared on the time line. Where only one of two has an offset or a zone, the other
    takes its offset: then both clocks are compared as they stand.
    """
    kind = kind_of(a)
    if kind != kind_of(b):
        return None
    left: Value
    right: Value
    match kind:
        case "number" | "string":
            left, right = a, b
        case "date":
            left, right = (a.year, a.month, a.day), (b.year, b.month, b.day)
        case "time" | "date and time":
            left, right = a.nanoseconds, b.nanoseconds
            mine, other = a.utc_offset, b.utc_offset
            if mine is not None and other is not None:
                left, right = left - mine * _SECOND, right - other * _SECOND
        case "days and time duration":
            left, right = a.nanoseconds, b.nanoseconds
        case "years and months duration":
            left, right = a.months, b.months
        case _:
            return None
    return int(left > right) - int(left < right)


def same(a: Value, b: Value) -> bool:
    """FEEL's `is`: whether both are the same element of its domain, with the same offset or zone."""
    kind = kind_of(a)
    if kind != kind_of(b):
        return False
    match kind:
        case "list":
            return len(a) == len(b) and all(map(same, a, b))
        case "context":
            return a.keys() == b.keys() and all(same(part, b[key]) for key, part in a.items())
        case "range":
            closed = (a.low_closed, a.high_closed) == (b.low_closed, b.high_closed)
            return closed and same(a.low, b.low) and same(a.high, b.high)
        case "function":
            return bool(equal(a, b))
    return bool(a == b)


# -- properties --------------------------------------------------------------------------------------------------------


def _seconds_of(value: Time) -> Decimal:
    return _scaled(value.second * _SECOND + value.nanosecond)


def _scaled(nanoseconds: int) -> Decimal:
    """Nanoseconds as a number of seconds."""
    seconds, rest = divmod(nanoseconds, _SECOND)
    return Decimal(nanoseconds).scaleb(-9) if rest else Decimal(seconds)


def _offset_of(value: Time | DateTime) -> DaysTimeDuration | None:
    offset = value.utc_offset
    return None if offset is None else DaysTimeDuration(offset * _SECOND)


def _part(length: int, unit: int, per: int | None = None) -> Decimal:
    """So many whole units of a length, without those that make a larger one; with the length's sign."""
    count = abs(length) // unit
    count = count if per is None else count % per
    return Decimal(-count if length < 0 else count)


def _rest(length: int) -> Decimal:
    seconds = _scaled(abs(length) % _MINUTE)
    return CONTEXT.minus(seconds) if length < 0 else seconds


_DATE_PARTS: dict[str, Callable[[Date], Value]] = {
    "year": lambda d: Decimal(d.year),
    "month": lambda d: Decimal(d.month),
    "day": lambda d: Decimal(d.day),
    "weekday": lambda d: Decimal(d.weekday),
}
_TIME_PARTS: dict[str, Callable[[Time], Value]] = {
    "hour": lambda t: Decimal(t.hour),
    "minute": lambda t: Decimal(t.minute),
    "second": _seconds_of,
    "timezone": lambda t: t.zone,
}


def _of_date(part: Callable[[Date], Value]) -> Callable[[DateTime], Value]:
    return lambda value: part(value.date)


def _of_time(part: Callable[[Time], Value]) -> Callable[[DateTime], Value]:
    return lambda value: part(value.time)


#: The properties of each kind (DMN 1.5, tables 65 to 67).
PROPERTIES: dict[str, dict[str, Callable[[Any], Value]]] = {
    "date": dict(_DATE_PARTS),
    "time": {**_TIME_PARTS, "time offset": _offset_of},
    "date and time": {
        **{name: _of_date(part) for name, part in _DATE_PARTS.items()},
        **{name: _of_time(part) for name, part in _TIME_PARTS.items()},
        "time offset": _offset_of,
    },
    "days and time duration": {
        "days": lambda d: _part(d.nanoseconds, _DAY),
        "hours": lambda d: _part(d.nanoseconds, _HOUR, 24),
        "minutes": lambda d: _part(d.nanoseconds, _MINUTE, 60),
        "seconds": lambda d: _rest(d.nanoseconds),
    },
    "years and months duration": {
        "years": lambda d: _part(d.months, 12),
        "months": lambda d: _part(d.months, 1, 12),
    },
    "range": {
        "start": lambda r: r.low,
        "end": lambda r: r.high,
        "start included": lambda r: r.low_closed,
        "end included": lambda r: r.high_closed,
    },
}


def get_property(value: Value, name: str) -> Value:
    """`value.name` of a date, time, duration or range; a `FeelError` where its kind has no such property."""
    kind = kind_of(value)
    part = PROPERTIES.get(kind, {}).get(name)
    if part is None:
        raise FeelError(f'a {kind} has no property "{name}"', "no such property")
    return part(value)


# -- arithmetic --------------------------------------------------------------------------------------------------------


def _divisor(number: Decimal) -> Decimal:
    if not number:
        raise FeelError("division by zero", "arithmetic")
    return number


def _whole(length: Decimal, rounding: str) -> int:
    """A product or quotient of a duration in whole units, or a `FeelError` where it is too long."""
    if not length.is_finite() or length.adjusted() > 50:
        raise FeelError("the duration is too long", "arithmetic")
    return int(length.to_integral_value(rounding))


def _times(a: DaysTimeDuration, n: Decimal) -> DaysTimeDuration:
    return DaysTimeDuration(_whole(_WIDE.multiply(a.nanoseconds, n), decimal.ROUND_HALF_EVEN))


def _over(a: DaysTimeDuration, n: Decimal) -> DaysTimeDuration:
    return DaysTimeDuration(_whole(_WIDE.divide(a.nanoseconds, _divisor(n)), decimal.ROUND_HALF_EVEN))


def _months_times(a: YearsMonthsDuration, n: Decimal) -> YearsMonthsDuration:
    return YearsMonthsDuration(_whole(_WIDE.multiply(a.months, n), decimal.ROUND_DOWN))


def _months_over(a: YearsMonthsDuration, n: Decimal) -> YearsMonthsDuration:
    return YearsMonthsDuration(_whole(_WIDE.divide(a.months, _divisor(n)), decimal.ROUND_DOWN))


def midnight(date: Date) -> DateTime:
    """DMN's implicit conversion of a date (DMN 1.5, 10.3.2.9.4): its midnight in UTC."""
    return DateTime(date, Time(0, 0, 0, offset=0))


def _between(a: Time | DateTime, b: Time | DateTime) -> DaysTimeDuration:
    """From `b` to `a`, where both have an offset or zone, or neither has."""
    mine, other = a.utc_offset, b.utc_offset
    if mine is None and other is None:
        return DaysTimeDuration(a.nanoseconds - b.nanoseconds)
    if mine is None or other is None:
        raise FeelError("only one of the two has an offset or a time zone: their difference is open")
    return DaysTimeDuration(a.nanoseconds - b.nanoseconds - (mine - other) * _SECOND)


def _date_plus(date: Date, nanoseconds: int) -> Date:
    """The day of the moment so long after the date's midnight."""
    return Date.of(date.days + nanoseconds // _DAY)


def _time_plus(time: Time, nanoseconds: int) -> Time:
    return Time.of(time.nanoseconds + nanoseconds, time.offset, time.zone)


def _moved(value: DateTime, months: int) -> DateTime:
    return DateTime(value.date.plus_months(months), value.time)


_N = "number"
_D, _T, _DT = "date", "time", "date and time"
_DTD, _YMD = "days and time duration", "years and months duration"

#: (operator, kinds of the operands) → its meaning (DMN 1.5, tables 56 to 62), where a date, a time or a duration
#: is one of them. What is not here is null. Where the month that years and months lead to lacks the day, its last
#: day is taken.
ARITHMETIC: dict[tuple[str, ...], Callable[..., Value]] = {
    ("-", _D, _D): lambda a, b: DaysTimeDuration((a.days - b.days) * _DAY),
    ("-", _DT, _DT): _between,
    ("-", _DT, _D): lambda a, b: _between(a, midnight(b)),
    ("-", _D, _DT): lambda a, b: _between(midnight(a), b),
    ("-", _T, _T): _between,
    ("+", _YMD, _YMD): lambda a, b: YearsMonthsDuration(a.months + b.months),
    ("-", _YMD, _YMD): lambda a, b: YearsMonthsDuration(a.months - b.months),
    ("+", _DTD, _DTD): lambda a, b: DaysTimeDuration(a.nanoseconds + b.nanoseconds),
    ("-", _DTD, _DTD): lambda a, b: DaysTimeDuration(a.nanoseconds - b.nanoseconds),
    ("+", _DT, _YMD): lambda a, b: _moved(a, b.months),
    ("-", _DT, _YMD): lambda a, b: _moved(a, -b.months),
    ("+", _YMD, _DT): lambda a, b: _moved(b, a.months),
    ("+", _DT, _DTD): lambda a, b: a.plus(b.nanoseconds),
    ("-", _DT, _DTD): lambda a, b: a.plus(-b.nanoseconds),
    ("+", _DTD, _DT): lambda a, b: b.plus(a.nanoseconds),
    ("+", _T, _DTD): lambda a, b: _time_plus(a, b.nanoseconds),
    ("-", _T, _DTD): lambda a, b: _time_plus(a, -b.nanoseconds),
    ("+", _DTD, _T): lambda a, b: _time_plus(b, a.nanoseconds),
    ("+", _D, _YMD): lambda a, b: a.plus_months(b.months),
    ("-", _D, _YMD): lambda a, b: a.plus_months(-b.months),
    ("+", _YMD, _D): lambda a, b: b.plus_months(a.months),
    ("+", _D, _DTD): lambda a, b: _date_plus(a, b.nanoseconds),
    ("-", _D, _DTD): lambda a, b: _date_plus(a, -b.nanoseconds),
    ("+", _DTD, _D): lambda a, b: _date_plus(b, a.nanoseconds),
    ("*", _YMD, _N): _months_times,
    ("*", _N, _YMD): lambda a, b: _months_times(b, a),
    ("/", _YMD, _N): _months_over,
    ("/", _YMD, _YMD): lambda a, b: CONTEXT.divide(a.months, _divisor(Decimal(b.months))),
    ("*", _DTD, _N): _times,
    ("*", _N, _DTD): lambda a, b: _times(b, a),
    ("/", _DTD, _N): _over,
    ("/", _DTD, _DTD): lambda a, b: CONTEXT.divide(a.nanoseconds, _divisor(Decimal(b.nanoseconds))),
    ("negate", _DTD): lambda a: DaysTimeDuration(-a.nanoseconds),
    ("negate", _YMD): lambda a: YearsMonthsDuration(-a.months),
}

"""What generated Python calls: decimals of 34 digits, half to even, and dates. Arguments are never missing."""

from __future__ import annotations

import calendar
import decimal
from datetime import date, datetime, timedelta
from decimal import Decimal

#: FEEL's numbers: IEEE 754 decimal128.
CONTEXT = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_EVEN, traps=[])
#: The places that a number of decimal128 can have before or after the point.
_PLACES = 6144
#: Rounding to a number of places first needs all digits.
_WIDE = decimal.Context(prec=500, traps=[])

ADD = CONTEXT.add
SUBTRACT = CONTEXT.subtract
MULTIPLY = CONTEXT.multiply
#: Not by zero: the operator's row asks for that.
DIVIDE = CONTEXT.divide
MINUS = CONTEXT.minus
ABS = CONTEXT.abs

Number = Decimal | int


def POWER(a: Number, b: int) -> Decimal | None:
    if abs(b) > 999_999:
        return None
    result = CONTEXT.power(a, b)
    return result if result.is_finite() and abs(result.adjusted()) <= _PLACES else None


def FLOOR(a: Number) -> int:
    return int(Decimal(a).to_integral_value(decimal.ROUND_FLOOR))


def CEILING(a: Number) -> int:
    return int(Decimal(a).to_integral_value(decimal.ROUND_CEILING))


def MODULO(a: int, b: int) -> int | None:
    return a % b if b else None


def _round(a: Number, places: int, mode: str) -> Decimal:
    if places > 100 or Decimal(a).adjusted() > 300:
        return Decimal(a)  # there is nothing to round off
    if places < -100:
        return Decimal(0)
    return Decimal(a).quantize(Decimal(1).scaleb(-places), mode, _WIDE)


def ROUND_HALF_EVEN(a: Number, places: int) -> Decimal:
    return _round(a, places, decimal.ROUND_HALF_EVEN)


def ROUND_HALF_UP(a: Number, places: int) -> Decimal:
    return _round(a, places, decimal.ROUND_HALF_UP)


def ROUND_UP(a: Number, places: int) -> Decimal:
    return _round(a, places, decimal.ROUND_UP)


def ROUND_DOWN(a: Number, places: int) -> Decimal:
    return _round(a, places, decimal.ROUND_DOWN)


def ADD_DAYS(day: date, days: int) -> date | None:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return None


def ADD_MONTHS(day: date, months: int) -> date | None:
    """So many months later; the last day of the month where it is shorter. Outside the years 1 to 9999: missing."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:
        return None
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def MONTHS_BETWEEN(start: date, end: date) -> int:
    """The largest n (by size) for which `start` + n months does not go past `end`; negative where `end` is earlier."""
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and ADD_MONTHS(start, months) > end:  # type: ignore[operator]
        return months - 1
    if months < 0 and ADD_MONTHS(start, months) < end:  # type: ignore[operator]
        return months + 1
    return months


def YEARS_BETWEEN(start: date, end: date) -> int:
    months = MONTHS_BETWEEN(start, end)
    return months // 12 if months >= 0 else -(-months // 12)


def SECONDS_BETWEEN(start: datetime, end: datetime) -> Decimal:
    span = end - start
    return Decimal(span // timedelta(microseconds=1)).scaleb(-6)


def LOWER(text: str) -> str:
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def UPPER(text: str) -> str:
    return "".join(up if len(up := char.upper()) == 1 else char for char in text)


def SUBSTRING(text: str, start: int, length: int) -> str | None:
    """Characters from `start` on (1 is the first, -1 the last); missing for a start of 0 or a length below 1."""
    if start == 0 or length < 1:
        return None
    begin = start - 1 if start > 0 else len(text) + start
    return text[max(begin, 0) : max(begin + length, 0)]


NAMES = {name: value for name, value in globals().items() if name.isupper() and not name.startswith("_")}

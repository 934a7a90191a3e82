"""Numeric functions (DMN 1.5, 10.3.4.5): decimals of 34 digits, half to even."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Any

from sancha.engine.feel import values
from sancha.engine.feel.builtins.registry import FeelError, builtin
from sancha.engine.run import runtime

#: The places after the point to which a number may be rounded: what decimal128 can hold.
_SCALES = range(-6111, 6177)
#: With the bounds of decimal128's exponents; what is nearer to zero loses digits.
_DECIMAL128 = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_EVEN, Emin=-6143, Emax=6144, traps=[])
#: Remainders need all digits of the quotient of the largest number by the smallest.
_EXACT = decimal.Context(prec=12_500, rounding=decimal.ROUND_HALF_EVEN, traps=[])


def finite(n: Decimal) -> Decimal:
    """A result as a number of decimal128. Raises FeelError for what is none: infinity, too large or too small."""
    if n.is_nan():
        raise FeelError("the result is not a number", "arithmetic")
    found = _DECIMAL128.plus(n) if n else Decimal(0)
    if found.is_infinite() or (n and not found):
        raise FeelError(f"the number is too {'small' if n and not found else 'large'}", "overflow")
    return found


def integer(n: Decimal, name: str) -> int:
    """A position, a length or a scale: what stands after the point is dropped. Raises FeelError if it is huge."""
    if n.adjusted() > 18:
        raise FeelError(f"{name} {n} is out of range")
    return int(n)


def rounded(n: Decimal, scale: Decimal, mode: str) -> Decimal:
    """`n` to `scale` places after the point (before it, where negative), in one of decimal's rounding modes."""
    places = integer(scale, "scale")
    if places not in _SCALES:
        raise FeelError(f"scale {places} is not in [-6111..6176]")
    exponent = n.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -places:
        return n
    return finite(n.quantize(Decimal(1).scaleb(-places), mode, runtime.CONTEXT))


@builtin("decimal(n: number, scale: number)", example=("decimal(2.125, 2)", "2.12"))
def decimal_(n: Decimal, scale: Decimal) -> Decimal:
    """n rounded to so many places after the point, half to even."""
    return rounded(n, scale, decimal.ROUND_HALF_EVEN)


@builtin("floor(n: number)", example=("floor(-1.5)", "-2"))
def floor(n: Decimal) -> Decimal:
    """The largest whole number that is at most n."""
    return rounded(n, Decimal(0), decimal.ROUND_FLOOR)


@builtin("floor(n: number, scale: number)", example=("floor(-1.56, 1)", "-1.6"))
def floor_scale(n: Decimal, scale: Decimal) -> Decimal:
    """The largest number of so many places that is at most n."""
    return rounded(n, scale, decimal.ROUND_FLOOR)


@builtin("ceiling(n: number)", example=("ceiling(-1.5)", "-1"))
def ceiling(n: Decimal) -> Decimal:
    """The smallest whole number that is at least n."""
    return rounded(n, Decimal(0), decimal.ROUND_CEILING)


@builtin("ceiling(n: number, scale: number)", example=("ceiling(-1.56, 1)", "-1.5"))
def ceiling_scale(n: Decimal, scale: Decimal) -> Decimal:
    """The smallest number of so many places that is at least n."""
    return rounded(n, scale, decimal.ROUND_CEILING)


@builtin("round up(n: number, scale: number)", example=("round up(-1.121, 2)", "-1.13"))
def round_up(n: Decimal, scale: Decimal) -> Decimal:
    """n rounded to so many places, away from zero."""
    return rounded(n, scale, decimal.ROUND_UP)


@builtin("round down(n: number, scale: number)", example=("round down(-1.126, 2)", "-1.12"))
def round_down(n: Decimal, scale: Decimal) -> Decimal:
    """n rounded to so many places, towards zero."""
    return rounded(n, scale, decimal.ROUND_DOWN)


@builtin("round half up(n: number, scale: number)", example=("round half up(2.125, 2)", "2.13"))
def round_half_up(n: Decimal, scale: Decimal) -> Decimal:
    """n rounded to so many places, halves away from zero."""
    return rounded(n, scale, decimal.ROUND_HALF_UP)


@builtin("round half down(n: number, scale: number)", example=("round half down(2.125, 2)", "2.12"))
def round_half_down(n: Decimal, scale: Decimal) -> Decimal:
    """n rounded to so many places, halves towards zero."""
    return rounded(n, scale, decimal.ROUND_HALF_DOWN)


@builtin("abs(n: number | days and time duration | years and months duration)", example=("abs(-3.5)", "3.5"))
def abs_(n: Any) -> Any:
    """The value without its sign."""
    if isinstance(n, values.DaysTimeDuration):
        return values.DaysTimeDuration(abs(n.nanoseconds))
    if isinstance(n, values.YearsMonthsDuration):
        return values.YearsMonthsDuration(abs(n.months))
    return runtime.ABS(n)


@builtin("modulo(dividend: number, divisor: number)", example=("modulo(-10.1, 4.5)", "3.4"))
def modulo(dividend: Decimal, divisor: Decimal) -> Decimal:
    """`dividend - divisor * floor(dividend / divisor)`: the remainder, with the sign of the divisor."""
    if not divisor:
        raise FeelError("modulo by zero", "division by zero")
    remainder = _EXACT.remainder(dividend, divisor)
    if remainder and remainder.is_signed() != divisor.is_signed():
        remainder = _EXACT.add(remainder, divisor)
    return finite(remainder)


@builtin("sqrt(number: number)", example=("sqrt(16)", "4"))
def sqrt(number: Decimal) -> Decimal:
    """The square root; null for a negative number."""
    if number < 0:
        raise FeelError(f"no square root of {number}, which is negative")
    return finite(runtime.CONTEXT.sqrt(number))


@builtin("log(number: number)", example=("decimal(log(10), 8)", "2.30258509"))
def log(number: Decimal) -> Decimal:
    """The natural logarithm; null for zero and below."""
    if number <= 0:
        raise FeelError(f"no logarithm of {number}, which is not positive")
    return finite(runtime.CONTEXT.ln(number))


@builtin("exp(number: number)", example=("decimal(exp(5), 8)", "148.4131591"))
def exp(number: Decimal) -> Decimal:
    """Euler's number to this power."""
    return finite(runtime.CONTEXT.exp(number))


@builtin("odd(number: number)", example=("odd(5)", "true"))
def odd(number: Decimal) -> bool:
    """Whether a whole number is odd; null for other numbers."""
    return _half_remains(number)


@builtin("even(number: number)", example=("even(2)", "true"))
def even(number: Decimal) -> bool:
    """Whether a whole number is even; null for other numbers."""
    return not _half_remains(number)


def _half_remains(number: Decimal) -> bool:
    if number != number.to_integral_value():
        raise FeelError(f"{number} is not a whole number, so neither odd nor even")
    return bool(_EXACT.remainder(number, Decimal(2)))

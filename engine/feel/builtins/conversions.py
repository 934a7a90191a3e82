"""Conversions between texts and other values (DMN 1.5, 10.3.4.1), and negation (10.3.4.2)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from sancha.engine.feel import values
from sancha.engine.feel.builtins.numbers import finite
from sancha.engine.feel.builtins.registry import FeelError, builtin
from sancha.engine.run import runtime

_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_GROUPING, _DECIMAL = (" ", ",", "."), (",", ".")


@builtin("string(from: any)", example=("string(1.1)", '"1.1"'))
def string(from_: Any) -> str:
    """The value as FEEL writes it; a string as it is."""
    if from_ is None:
        raise FeelError("null has no text")
    return values.to_text(from_)


@builtin(
    "number(from: string, grouping separator: string | null, decimal separator: string | null)",
    example=('number("1 000,50", " ", ",")', "1000.5"),
)
def number(from_: str, grouping: str | None, point: str | None) -> Decimal:
    """The number that a text writes.

    The grouping separator (space, comma, point, or null for none) may stand between the digits before the decimal
    separator (comma, point, or null for a point). The two must differ.
    """
    if grouping is not None and grouping not in _GROUPING:
        raise FeelError(f'the grouping separator "{grouping}" is not a space, a comma or a point')
    if point is not None and point not in _DECIMAL:
        raise FeelError(f'the decimal separator "{point}" is neither a comma nor a point')
    if grouping is not None and grouping == point:
        raise FeelError(f'"{grouping}" separates both groups and decimals')
    return _number(from_, grouping, point or ".")


@builtin("number(from: string)", example=('number("1000.50")', "1000.5"))
def number_plain(from_: str) -> Decimal:
    """The number that a text writes as FEEL does. Not in the standard, but in the models of several tools."""
    return _number(from_, None, ".")


def _number(text: str, grouping: str | None, point: str) -> Decimal:
    whole, separator, fraction = text.partition(point)
    if grouping == point:
        whole, separator, fraction = text, "", ""
    if grouping is not None:
        whole = whole.replace(grouping, "")
        fraction = fraction.replace(grouping, "")
    plain = f"{whole}.{fraction}" if separator else whole
    if _NUMBER.fullmatch(plain) is None:
        raise FeelError(f'"{text}" is not a number')
    return finite(runtime.CONTEXT.create_decimal(plain))


@builtin("not(negand: boolean | null)", example=("not(true)", "false"))
def not_(negand: bool | None) -> bool | None:
    """The opposite of a boolean; null for all else."""
    return None if negand is None else not negand

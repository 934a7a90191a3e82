"""Values as the text of evidence: one definition for all ways to run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sancha.engine.feel.types import Type


def as_text(value: Any, type_: Type) -> str | None:
    """A value of the type as text, None for missing.

    Money has two places; rates and numbers have no trailing zeros and no exponent; days read `P15D`, months `P2M`; a
    date-time shows microseconds only where it has some; a list joins its items with `, `.
    """
    if value is None:
        return None
    match type_.name:
        case "boolean":
            return "true" if value else "false"
        case "money":
            # Zero has no sign: half of nothing owed is not `-0.00`.
            value = Decimal(value) or Decimal(0)
            text = _plain(value)
            return f"{value:.2f}" if len(text.partition(".")[2]) <= 2 else text
        case "integer" | "rate" | "number" | "numeral":
            return _plain(value)
        case "days":
            return f"-P{-value}D" if value < 0 else f"P{value}D"
        case "months":
            return f"-P{-value}M" if value < 0 else f"P{value}M"
        case "date":
            assert isinstance(value, date)
            return value.isoformat()
        case "date-time":
            assert isinstance(value, datetime)
            return value.isoformat()
        case "list":
            return _joined(value, type_)
    return str(value)


def _plain(value: Decimal | int) -> str:
    text = f"{Decimal(value):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _joined(values: Sequence[Any], type_: Type) -> str:
    assert type_.item is not None
    return ", ".join(as_text(v, type_.item) or "" for v in values)

"""The types of the strict language. Whether a value may be missing is kept beside the type, not in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCALARS = ("text", "boolean", "integer", "number", "money", "rate", "date", "date-time", "days")


@dataclass(frozen=True, slots=True)
class Type:
    """A type by name. `values` belong to `one of`, `item` to `list`, `fields` to `record`."""

    name: str
    values: tuple[str, ...] = ()
    item: Type | None = None
    fields: tuple[tuple[str, Type], ...] = ()

    def __str__(self) -> str:
        if self.name == "one of":
            return f"one of [{', '.join(self.values)}]"
        if self.name == "list":
            return f"list of {self.item}"
        if self.name == "numeral":
            return "number"
        return self.name

    def field(self, name: str) -> Type | None:
        return dict(self.fields).get(name)


TEXT = Type("text")
BOOLEAN = Type("boolean")
INTEGER = Type("integer")
NUMBER = Type("number")
MONEY = Type("money")
RATE = Type("rate")
DATE = Type("date")
DATE_TIME = Type("date-time")
DAYS = Type("days")
MONTHS = Type("months")
#: A number written in the text: it fits money, rates and numbers alike.
NUMERAL = Type("numeral")
#: A written number without a fraction: it fits whole numbers too.
INTEGRAL = Type("numeral", values=("integer",))
#: The type of `null`, and of an expression that is already in error.
NULL = Type("null")
ERROR = Type("error")
#: The type of every expression of the full language, whose values tell their kind when it runs.
ANY = Type("any")

_NUMERIC = {"integer", "number", "rate", "numeral"}


def is_number(t: Type) -> bool:
    """Whether the type is a plain number: not money, not a span of time."""
    return t.name in _NUMERIC


def is_numeric(t: Type) -> bool:
    return t.name in _NUMERIC or t.name == "money"


def is_text(t: Type) -> bool:
    return t.name in ("text", "one of")


def one_of(*values: str) -> Type:
    return Type("one of", values=tuple(values))


def list_of(item: Type) -> Type:
    return Type("list", item=item)


def common(a: Type, b: Type) -> Type | None:
    """The type that holds the values of both, or None where there is none."""
    if a == b or b.name in ("null", "error"):
        return a
    if a.name in ("null", "error"):
        return b
    if is_number(a) and is_number(b):
        if a.name == b.name == "numeral":
            return NUMERAL
        if {a.name, b.name} == {"integer", "numeral"}:
            return INTEGER if INTEGRAL in (a, b) else NUMBER
        return b if a.name == "numeral" else a if b.name == "numeral" else NUMBER
    if {a.name, b.name} == {"money", "numeral"}:
        return MONEY
    if is_text(a) and is_text(b):
        if a.name == b.name == "one of":
            return one_of(*a.values, *(v for v in b.values if v not in a.values))
        return TEXT
    return None


_ONE_OF = re.compile(r"one of \[(.*)\]", re.S)


def parse_type(text: str) -> Type | None:
    """A type as the vocabulary writes it (`money`, `one of [a, b]`, `list of text`), or None."""
    text = text.strip()
    if text in SCALARS:
        return Type(text)
    if match := _ONE_OF.fullmatch(text):
        values = tuple(v.strip() for v in match[1].split(",") if v.strip())
        return one_of(*values) if values and len(set(values)) == len(values) else None
    if text.startswith("list of "):
        item = parse_type(text.removeprefix("list of "))
        return list_of(item) if item and item.name in ("text", "one of", "integer", "date") else None
    return None

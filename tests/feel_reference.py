"""A reference interpreter of core, as slow and as plain as its definition: the row evaluator is held to it.

Nothing is shared with the engine but the nodes. Missing is None; every operand is looked at, none is spared.
"""

from __future__ import annotations

import datetime as dt
import decimal
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sancha.engine.feel import core as c
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.tables import Table, input_name

CONTEXT = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_EVEN)


@dataclass(frozen=True)
class World:
    """What an expression is evaluated in."""

    facts: Mapping[str, Any]
    lists: Mapping[str, Any]
    reference: Mapping[str, Any]
    as_of: dt.date
    calendar: Calendar
    names: Mapping[str, Any] = field(default_factory=dict)

    def bind(self, name: str, value: Any) -> World:
        return World(
            self.facts, self.lists, self.reference, self.as_of, self.calendar, {**self.names, name: value}
        )


def value_of(node: c.Core, world: World) -> Any:
    match node:
        case c.Const():
            return node.value
        case c.Fact():
            if node.known is not None and value_of(node.known, world) is not True:
                return None
            return world.facts[node.name]
        case c.Var():
            return world.as_of if node.name == "as_of" else world.names[node.name]
        case c.Field():
            return world.names[node.var][node.name]
        case c.Element():
            return world.names[node.var]
        case c.Op():
            given = [value_of(arg, world) for arg in node.args]
            return None if None in given else operator(node, given, world.calendar)
        case c.And():
            return conjunction([value_of(arg, world) for arg in node.args])
        case c.Or():
            return disjunction([value_of(arg, world) for arg in node.args])
        case c.Not():
            return negation(value_of(node.arg, world))
        case c.If():
            condition = value_of(node.condition, world)
            branches = {True: value_of(node.then, world), False: value_of(node.otherwise, world)}
            return None if condition is None else branches[condition]
        case c.Is():
            return value_of(node.arg, world) is node.truth
        case c.ListMissing():
            known = world.lists if node.list in world.lists else world.reference
            return known.get(node.list) is None
        case c.Let():
            return value_of(node.body, world.bind(node.name, value_of(node.value, world)))
        case c.Some():
            return some(node, world)
        case c.Agg():
            return aggregate(node, world)
        case c.Lookup():
            return lookup(node.table, [value_of(i, world) for i in node.inputs], node.output, world)
    raise TypeError(type(node).__name__)


# -- three-valued logic ------------------------------------------------------------------------------------


def conjunction(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def disjunction(values: list[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False


def negation(value: bool | None) -> bool | None:
    return None if value is None else not value


# -- lists -------------------------------------------------------------------------------------------------


def items(source: c.Source, world: World) -> list[Any] | None:
    match source:
        case c.ListFact():
            return (world.reference if source.reference else world.lists).get(source.name)
        case c.ListField():
            return world.names[source.var][source.name]  # type: ignore[no-any-return]
        case c.ListConst():
            return [value_of(item, world) for item in source.items]
    raise TypeError(type(source).__name__)


def belongs(comp: c.Comp, inner: World) -> bool | None:
    return True if comp.where is None else value_of(comp.where, inner)


def some(node: c.Some, world: World) -> bool | None:
    found = items(node.comp.source, world)
    if found is None:
        return None
    inner = [world.bind(node.comp.var, item) for item in found]
    return disjunction([conjunction([belongs(node.comp, w), value_of(node.body, w)]) for w in inner])


def aggregate(node: c.Agg, world: World) -> Any:
    found = items(node.comp.source, world)
    if found is None:
        return None
    inner = [world.bind(node.comp.var, item) for item in found]
    membership = [belongs(node.comp, w) for w in inner]
    if None in membership:
        return None
    kept = [w for w, belonging in zip(inner, membership, strict=True) if belonging]
    if node.function == "count" and not node.distinct:
        return len(kept)
    assert node.comp.item is not None
    values = [value_of(node.comp.item, w) for w in kept]
    if None in values:
        return None
    match node.function:
        case "count":
            return len(set(values))
        case "sum":
            return total(values)
        case "mean":
            return CONTEXT.divide(total(values), len(values)) if values else None
        case "min":
            return min(values, default=None)
        case "max":
            return max(values, default=None)
    raise ValueError(node.function)


def total(values: list[Any]) -> Any:
    result = 0
    for value in values:
        result = (
            result + value
            if isinstance(result, int) and isinstance(value, int)
            else CONTEXT.add(result, value)
        )
    return result


# -- decision tables ---------------------------------------------------------------------------------------


def lookup(table: Table, inputs: list[Any], output: int, world: World) -> Any:
    for i, value in enumerate(inputs):
        world = world.bind(input_name(i), value)
    met = [conjunction([value_of(test, world) for test in row.tests]) for row in table.rows]
    outputs = [[value_of(o, world) for o in row.outputs] for row in table.rows]
    sure = [out for out, hit in zip(outputs, met, strict=True) if hit is True]
    default = None if table.default is None else value_of(table.default[output], world)
    policy = table.hit_policy
    if policy == "first":
        first = next((i for i, hit in enumerate(met) if hit is not False), None)
        if first is None:
            return default
        return outputs[first][output] if met[first] else None
    if policy in ("unique", "any"):
        if not sure:
            return None if None in met else default
        alike = len(sure) == 1 or (policy == "any" and all(out == sure[0] for out in sure))
        return sure[0][output] if alike else None
    if None in met:
        return None
    if policy == "collect count":
        return len(sure)
    if not sure:
        return default if table.default is not None else 0 if policy == "collect sum" else None
    column = [out[output] for out in sure]
    if None in column:
        return None
    return {"collect sum": total, "collect min": min, "collect max": max}[policy](column)


# -- operators ---------------------------------------------------------------------------------------------


def operator(node: c.Op, given: list[Any], calendar: Calendar) -> Any:
    name = node.row.name
    kinds = tuple(p.name for p in node.row.params)
    if name in COMPARISONS:
        return COMPARISONS[name](*given)
    if name in ("+", "-", "*", "/", "negate", "abs"):
        return arithmetic(name, kinds, given)
    if name == "working days between":
        return working_days(given[0], given[1], calendar)
    if name == "add working days":
        return add_working_days(given[0], given[1], calendar)
    return FUNCTIONS[name](*given)


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: not b < a,
    ">": lambda a, b: b < a,
    ">=": lambda a, b: not a < b,
}


def arithmetic(name: str, kinds: tuple[str, ...], given: list[Any]) -> Any:
    if kinds[0] == "text":
        return "".join(given)
    if kinds[0] == "date":
        return dates(name, kinds[1], given)
    if set(kinds) <= {"integer", "days", "months"} and name != "/":
        return {
            "+": sum,
            "-": lambda v: v[0] - v[1],
            "*": lambda v: v[0] * v[1],
            "negate": lambda v: -v[0],
            "abs": lambda v: max(v[0], -v[0]),
        }[name](given)
    # Exact in fractions, then rounded once to 34 digits.
    exact = [Fraction(v) for v in given]
    if name == "/" and exact[1] == 0:
        return None
    result = {
        "+": sum,
        "-": lambda v: v[0] - v[1],
        "*": lambda v: v[0] * v[1],
        "/": lambda v: v[0] / v[1],
        "negate": lambda v: -v[0],
        "abs": lambda v: max(v[0], -v[0]),
    }[name](exact)
    return rounded(Fraction(result))


def rounded(exact: Fraction) -> Decimal:
    """A fraction to 34 digits, half to even."""
    if exact == 0:
        return Decimal(0)
    size = abs(exact)
    places = 0
    while size * Fraction(10) ** places >= 10**34:
        places -= 1
    while size * Fraction(10) ** places < 10**33:
        places += 1
    scaled = size * Fraction(10) ** places
    whole, rest = divmod(scaled, 1)
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1):
        whole += 1
    digits = Decimal(int(whole)).scaleb(-places, decimal.Context(prec=60))
    return digits.copy_negate() if exact < 0 else digits


def dates(name: str, kind: str, given: list[Any]) -> Any:
    day, other = given
    if kind == "date":
        return day.toordinal() - other.toordinal()
    sign = 1 if name == "+" else -1
    if kind == "days":
        ordinal = day.toordinal() + sign * other
        return dt.date.fromordinal(ordinal) if 1 <= ordinal <= dt.date.max.toordinal() else None
    return later(day, sign * other)


def later(day: dt.date, months: int) -> dt.date | None:
    """Month by month; then the day of the month, or the last day of a shorter one."""
    year, month = day.year, day.month
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        year, month = (year + 1, 1) if month > 12 else (year - 1, 12) if month < 1 else (year, month)
    if not 1 <= year <= 9999:
        return None
    return dt.date(year, month, min(day.day, monthrange(year, month)[1]))


def months_between(start: dt.date, end: dt.date) -> int:
    count = 0
    if start <= end:
        while (day := later(start, count + 1)) is not None and day <= end:
            count += 1
        return count
    while (day := later(start, -count - 1)) is not None and day >= end:
        count += 1
    return -count


def years_between(start: dt.date, end: dt.date) -> int:
    months = months_between(start, end)
    return abs(months) // 12 * (1 if months >= 0 else -1)


def is_working(day: dt.date, calendar: Calendar) -> bool | None:
    today, before = calendar.count(day), calendar.count(day - dt.timedelta(1))
    return None if today is None or before is None else today > before


def working_days(start: dt.date, end: dt.date, calendar: Calendar) -> int | None:
    if calendar.count(start) is None or calendar.count(end) is None:
        return None
    first, last = min(start, end), max(start, end)
    days = [first + dt.timedelta(n) for n in range(1, (last - first).days + 1)]
    count = sum(bool(is_working(day, calendar)) for day in days)
    return count if start <= end else -count


def add_working_days(start: dt.date, days: int, calendar: Calendar) -> dt.date | None:
    """Day by day. No working days later is the day itself, or the working day before one that is free."""
    if calendar.count(start) is None:
        return None
    step = dt.timedelta(1 if days > 0 else -1)
    day, left = start, abs(days)
    if days <= 0:
        while is_working(day, calendar) is False:
            day -= dt.timedelta(1)
    while left:
        day += step
        if calendar.count(day) is None:
            return None
        left -= is_working(day, calendar) is not False
    return day if calendar.count(day) else None


def rounding(mode: str) -> Callable[[Any, int], Decimal]:
    def function(number: Any, places: int) -> Decimal:
        exact = Fraction(number) * Fraction(10) ** places
        size = abs(exact)
        whole, rest = divmod(size, 1)
        up = {
            "half even": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1),
            "half up": rest >= Fraction(1, 2),
            "up": rest > 0,
            "down": False,
        }[mode]
        digits = Decimal(int(whole) + up).scaleb(-places, decimal.Context(prec=200))
        return digits.copy_negate() if exact < 0 else digits

    return function


def power(base: Any, exponent: int) -> Decimal | None:
    if base == 0 and exponent <= 0:
        return None
    return rounded(Fraction(base) ** exponent)


def substring(text: str, start: int, length: int) -> str | None:
    if start == 0 or length < 1:
        return None
    positions = range(1, len(text) + 1)
    begin = start if start > 0 else len(text) + 1 + start
    return "".join(text[p - 1] for p in positions if begin <= p < begin + length)


def cased(text: str, change: Callable[[str], str]) -> str:
    return "".join(change(char) if len(change(char)) == 1 else char for char in text)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "**": power,
    "floor": lambda n: Fraction(n).__floor__(),
    "ceiling": lambda n: Fraction(n).__ceil__(),
    "modulo": lambda a, b: None if b == 0 else a - b * Fraction(a, b).__floor__(),
    "decimal": rounding("half even"),
    "round half up": rounding("half up"),
    "round up": rounding("up"),
    "round down": rounding("down"),
    "min": lambda a, b: b if b < a else a,
    "max": lambda a, b: b if b > a else a,
    "contains": lambda text, part: any(text[i : i + len(part)] == part for i in range(len(text) + 1)),
    "starts with": lambda text, part: text[: len(part)] == part,
    "ends with": lambda text, part: (
        text[len(text) - len(part) :] == part if len(part) <= len(text) else False
    ),
    "string length": lambda text: sum(1 for _ in text),
    "lower case": lambda text: cased(text, str.lower),
    "upper case": lambda text: cased(text, str.upper),
    "substring": substring,
    "date": lambda time: dt.date(time.year, time.month, time.day),
    "days between": lambda start, end: end.toordinal() - start.toordinal(),
    "months between": months_between,
    "years between": years_between,
    "seconds between": lambda start, end: rounded(
        Fraction((end - start) // dt.timedelta(microseconds=1), 10**6)
    ),
    ".year": lambda day: day.year,
    ".month": lambda day: day.month,
    ".day": lambda day: day.day,
    ".hour": lambda time: time.hour,
    ".minute": lambda time: time.minute,
    ".weekday": lambda day: (day.toordinal() - 1) % 7 + 1,
}

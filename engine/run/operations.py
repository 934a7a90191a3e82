"""What generated Python calls for the full language: operations on values whose kinds are known when they run.

Each takes the `Site` of its expression first. What the standard calls an error gives null and a warning; nothing is
swallowed. Numbers and texts mean what the strict language's rows of the operator table say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sancha.engine.feel import operators
from sancha.engine.feel.builtins import BUILTINS, Builtin, FeelError
from sancha.engine.feel.builtins.numbers import finite
from sancha.engine.feel.core import Site
from sancha.engine.feel.kinds import ANY, Kind, applied, coerce, instance_of
from sancha.engine.feel.syntax import Node
from sancha.engine.feel.types import NUMBER, TEXT
from sancha.engine.feel.values import (
    ARITHMETIC,
    Date,
    Function,
    Range,
    equal,
    get_property,
    kind_of,
    midnight,
    order,
)
from sancha.engine.run import runtime
from sancha.engine.run.java import method


@dataclass(frozen=True, slots=True)
class Warning:
    """Why something is null. `line` and `column` count from 1 in `text`, which stands at `place`."""

    kind: str
    message: str
    place: str
    text: str
    line: int
    column: int

    def __str__(self) -> str:
        where = f"{self.place}, " if self.place else ""
        return f"{where}line {self.line}, column {self.column}: {self.message}"


#: More warnings of one run than this say nothing new.
_MOST_WARNINGS = 1_000
#: A range of more items is not walked through, a longer list or text is not made.
MAX_ITEMS = 1_000_000
_LONGEST_TEXT = 10_000_000
#: Items gone through and functions called in one run: beyond that it is taken to run without end.
MAX_STEPS = 5_000_000
#: Python's frames: enough for functions that call themselves some thousand times.
_FRAMES = 8_000


class Exhausted(Exception):
    """A run took more steps than it may."""


class Listening:
    """Collects the warnings of all that runs inside, and bounds its steps; a listener further out gets them too."""

    def __init__(self) -> None:
        self.found: list[Warning] = []
        self.steps = 0
        self.guarded = False

    def __enter__(self) -> list[Warning]:
        self.outer = _RUN.get()
        self.root: Listening = self if self.outer is None else self.outer.root
        if self.outer is None:
            self.frames = sys.getrecursionlimit()
            sys.setrecursionlimit(max(self.frames, _FRAMES))
        self.token = _RUN.set(self)
        return self.found

    def __exit__(self, *_: object) -> None:
        _RUN.reset(self.token)
        if self.outer is None:
            sys.setrecursionlimit(self.frames)
        else:
            self.outer.found.extend(self.found)


_RUN: ContextVar[Listening | None] = ContextVar("run", default=None)


def warn(site: Site, kind: str, message: str) -> None:
    run = _RUN.get()
    if run is None or len(run.found) >= _MOST_WARNINGS:
        return
    line = site.text.count("\n", 0, site.span[0])
    column = site.span[0] - (site.text.rfind("\n", 0, site.span[0]) + 1)
    run.found.append(Warning(kind, message, site.place, site.text, line + 1, column + 1))


def guarded(site: Site, function: Callable[..., Any], *args: Any) -> Any:
    """The value of a function, or null with a warning where it runs without end.

    Only the outermost of such calls gives up: an inner one would be tried again and again.
    """
    run = _RUN.get()
    if run is None or run.root.guarded:
        return function(*args)
    run.root.guarded = True
    try:
        return function(*args)
    except RecursionError:
        warn(site, "limit", "functions call each other too deep, or without end")
    except Exhausted:
        warn(site, "limit", f"more than {MAX_STEPS:,} steps")
    finally:
        run.root.guarded = False
    return None


def _step() -> None:
    run = _RUN.get()
    if run is not None:
        run.root.steps += 1
        if run.root.steps > MAX_STEPS:
            raise Exhausted


def FAIL(site: Site, kind: str, message: str) -> None:
    warn(site, kind, message)


# -- operators ----------------------------------------------------------------------------------------------------


def _raised(base: Decimal, exponent: Decimal) -> Decimal | None:
    """A power with any exponent to 999,999,999 (DMN 1.5, table 60); the strict language has whole ones only."""
    if abs(exponent) > 999_999_999 or (not base and exponent < 0):
        return None
    if not exponent:
        return Decimal(1)  # of 0 too, as in Java and IEEE 754
    power = runtime.CONTEXT.power(base, exponent)
    return None if base and not power else power


def _rows() -> dict[tuple[str, ...], Callable[..., Any]]:
    """The meaning of each operator by the kinds of its operands: numbers and texts from the one table."""
    found: dict[tuple[str, ...], Callable[..., Any]] = dict(ARITHMETIC)
    kinds = {NUMBER: "number", TEXT: "string"}
    for row in operators.OPERATORS:
        if row.names or not all(p in kinds for p in row.params) or row.result not in kinds:
            continue
        operands = ["a", "b"][: len(row.params)]
        code = f"lambda {', '.join(operands)}: {row.python.format(*operands)}"
        found[(row.name, *(kinds[p] for p in row.params))] = eval(code, dict(runtime.NAMES))
    found["**", "number", "number"] = _raised
    return found


_ROWS = _rows()


def OPERATE(site: Site, op: str, *operands: Any) -> Any:
    row = _ROWS.get((op, *map(kind_of, operands)))
    shown = "-" if op == "negate" else op
    if row is None:
        if None in operands:
            warn(site, "missing operand", f"an operand of `{shown}` is null")
        else:
            kinds = " and ".join(map(kind_of, operands))
            warn(site, "type", f"`{shown}` does not take {kinds}")
        return None
    try:
        value = row(*operands)
    except FeelError as error:
        warn(site, error.kind, error.message)
        return None
    if value is None:
        warn(site, "arithmetic", "division by zero" if op == "/" else f"`{shown}` has no result here")
        return None
    return _bounded(site, value)


def _number(site: Site, value: Decimal) -> Decimal | None:
    if value.is_finite() and abs(value.adjusted()) <= 6143:
        return value
    try:
        return finite(value)
    except FeelError as error:
        warn(site, "arithmetic", error.message)
    return None


_ORDERED: dict[str, Callable[[int], bool]] = {
    "<": lambda n: n < 0,
    "<=": lambda n: n <= 0,
    ">": lambda n: n > 0,
    ">=": lambda n: n >= 0,
}


def COMPARE(site: Site, op: str, a: Any, b: Any) -> bool | None:
    if op in ("=", "!="):
        same = equal(a, b)
        if same is None:
            warn(site, "type", f"`{op}` compares {kind_of(a)} with {kind_of(b)}")
            return None
        return same if op == "=" else not same
    found = order(a, b)
    if found is None:
        if a is None or b is None:
            warn(site, "missing operand", f"an operand of `{op}` is null")
        else:
            warn(site, "type", f"`{op}` does not compare {kind_of(a)} with {kind_of(b)}")
        return None
    return _ORDERED[op](found)


def TRUTH(site: Site, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    warn(site, "type", f"true or false is wanted here, not {kind_of(value)}")
    return None


# -- ranges and tests ---------------------------------------------------------------------------------------------


def RANGE(site: Site, low_closed: bool, high_closed: bool, low: Any, high: Any) -> Range | None:
    if low is None or high is None:
        warn(site, "missing operand", "an end of the range is null")
        return None
    try:
        return Range.checked(low, high, low_closed, high_closed)
    except FeelError as error:
        warn(site, "invalid range", error.message)
        return None


def STEPS(site: Site, low: Any, high: Any) -> Range | None:
    """What `for` goes through, which may go down."""
    if low is None or high is None:
        warn(site, "missing operand", "an end of the range is null")
        return None
    return Range(low, high, True, True)


def HALF_RANGE(site: Site, op: str, end: Any) -> Range | None:
    if end is None or op == "!=":
        warn(site, "invalid range", "the end of the range is null" if end is None else "`!=` is no range")
        return None
    if op == "=":
        return Range(end, end, True, True)
    return Range(None, end, False, op == "<=") if op[0] == "<" else Range(end, None, op == ">=", False)


def PASSES(site: Site, op: str, value: Any, operand: Any) -> bool | None:
    """A unary test such as `< 5`; a missing value neither passes nor fails tests of order."""
    if op not in ("=", "!=") and (value is None or operand is None):
        return None
    return COMPARE(site, op, value, operand)


def MATCHES(site: Site, condition: bool, value: Any, test: Any) -> bool | None:
    """A unary test that is an expression: within a range, an element of a list, or equal.

    `condition`: one that has the form of a condition, and holds by itself whatever the value.
    """
    if isinstance(test, Range):
        found = equal(value, test) is True or within(value, test)
        if found is None and value is not None:
            warn(site, "type", f"a range of {_ends(test)} does not compare with {kind_of(value)}")
        return found
    if isinstance(test, list):
        if isinstance(value, list) and equal(value, test):
            return True
        return any(
            equal(value, part) is True or (isinstance(part, Range) and within(value, part) is True)
            for part in test
        )
    if condition and test is None:
        return None  # what could not be computed is equal to nothing
    if condition and isinstance(test, bool) and not isinstance(value, bool) and value is not None:
        return test
    return equal(value, test)


def LIES(site: Site, value: Any, test: Any) -> bool | None:
    """Whether a value lies in a range as written, which is null where it is none."""
    return None if test is None else MATCHES(site, False, value, test)


def _ends(range_: Range) -> str:
    return kind_of(range_.high if range_.low is None else range_.low)


def within(value: Any, range_: Range) -> bool | None:
    """Whether a value lies in a range; None where they cannot be compared."""
    return None if value is None else range_.includes(value)


# -- lists and contexts -------------------------------------------------------------------------------------------


def LIST(site: Site, *items: Any) -> list[Any]:
    return list(items)


def ENTRIES(site: Site, keys: Sequence[str], *values: Any) -> dict[str, Any]:
    return dict(zip(keys, values, strict=True))


def GET(site: Site, name: str, base: Any) -> Any:
    if isinstance(base, dict):
        if name in base:
            return base[name]
        warn(site, "unknown entry", f"the context has no entry `{name}`")
        return None
    if base is None:
        return None
    if isinstance(base, list):
        return [GET(site, name, item) for item in base]
    try:
        return get_property(base, name)
    except FeelError as error:
        warn(site, "unknown entry", error.message)
        return None


def ENTRY(site: Site, name: str, lazy: bool, item: Any, *outer: Any) -> Any:
    if isinstance(item, dict) and name in item:
        return item[name]
    if outer:
        return outer[0]() if lazy else outer[0]
    if not isinstance(item, dict) and item is not None:
        try:
            return get_property(item, name)
        except FeelError:
            pass
    warn(site, "unknown name", f"there is no `{name}` in scope or in the item")
    return None


def ITEM(site: Site, base: Any, index: Any) -> Any:
    """The item at a position: 1 is the first, -1 the last."""
    items = base if isinstance(base, list) else [base]
    if base is None or index != index.to_integral_value() or not 1 <= abs(index) <= len(items):
        if base is not None:
            warn(site, "index", f"there is no item {index:f} in a list of {len(items)}")
        return None
    return items[int(index) - 1 if index > 0 else int(index)]


def FILTER(
    site: Site, base: Any, condition: Callable[[Any], Any], position: Callable[[], Any] | None = None
) -> Any:
    """The items that meet the condition. `position` is what it means outside of the items: a number is an index."""
    if base is None:
        return None
    items = base if isinstance(base, list) else [base]
    if position is not None:
        with _unheard():
            index = position()
        if isinstance(index, Decimal):
            return ITEM(site, items, index)
    if not items:
        with _unheard():
            index = condition(None)
        return ITEM(site, items, index) if isinstance(index, Decimal) else []
    kept = []
    for item in items:
        _step()
        met = condition(item)
        if isinstance(met, Decimal):
            return ITEM(site, items, met)
        if met is True:
            kept.append(item)
        elif met is not None and met is not False:
            warn(site, "type", f"a filter wants true or false, or a position, not {kind_of(met)}")
            return None
    return kept


@contextmanager
def _unheard() -> Iterator[None]:
    """What is tried only to see what it is warns of nothing."""
    run = _RUN.get()
    before = len(run.found) if run is not None else 0
    yield
    if run is not None:
        del run.found[before:]


def _walked(site: Site, source: Any) -> Iterator[Any] | None:
    """The items of what is iterated over; None where it cannot be."""
    if source is None:
        warn(site, "missing operand", "there is nothing to go through: null")
        return None
    if isinstance(source, list):
        return iter(source)
    if not isinstance(source, Range):
        return iter([source])
    low, high = source.low, source.high
    if isinstance(low, Date) and isinstance(high, Date):
        first, last = low.days, high.days
        wrap: Callable[[int], Any] = Date.of
    elif isinstance(low, Decimal) and isinstance(high, Decimal) and low == int(low) and high == int(high):
        first, last = int(low), int(high)
        wrap = Decimal
    else:
        warn(site, "type", "only ranges of whole numbers or of dates can be gone through")
        return None
    step = 1 if first <= last else -1
    first, last = first + (0 if source.low_closed else step), last - (0 if source.high_closed else step)
    if abs(last - first) >= MAX_ITEMS:
        warn(site, "limit", f"a range of more than {MAX_ITEMS} items")
        return None
    return map(wrap, range(first, last + step, step))


def _each(
    site: Site, sources: Sequence[Callable[..., Any]], bound: tuple[Any, ...]
) -> Iterator[tuple[Any, ...] | None]:
    """All combinations of the items, the last source fastest; None in place of a source that cannot be walked."""
    if len(bound) == len(sources):
        yield bound
        return
    items = _walked(site, sources[len(bound)](*bound))
    if items is None:
        yield None
        return
    for item in items:
        _step()
        yield from _each(site, sources, (*bound, item))


def FOR(site: Site, partial: bool, *parts: Callable[..., Any]) -> list[Any] | None:
    *sources, body = parts
    results: list[Any] = []
    for bound in _each(site, sources, ()):
        if bound is None:
            return None
        if len(results) >= MAX_ITEMS:
            warn(site, "limit", f"more than {MAX_ITEMS} results")
            return None
        results.append(body(*bound, list(results) if partial else None))
    return results


def QUANTIFIED(site: Site, kind: str, *parts: Callable[..., Any]) -> bool | None:
    *sources, body = parts
    deciding = kind == "some"
    result: bool | None = not deciding
    for bound in _each(site, sources, ()):
        if bound is None:
            return None
        met = TRUTH(site, body(*bound))
        if met is deciding:
            return deciding
        if met is None:
            result = None
    return result


# -- functions ----------------------------------------------------------------------------------------------------


def FUNCTION(
    site: Site,
    parameters: tuple[tuple[str, Kind | None], ...],
    source: Node,
    run: Callable[..., Any],
    *captured: Any,
) -> Function:
    return Function(parameters, run, source=source, captured=captured)


def EXTERNAL(
    site: Site,
    parameters: tuple[tuple[str, Kind | None], ...],
    source: Node,
    body: Callable[[], Any],
    *captured: Any,
) -> Function:
    """A function in another language: of Java's library, or one that gives null and says why."""
    mapping = body()
    java = mapping.get("java") if isinstance(mapping, dict) else None
    named = [java.get("class"), java.get("method signature")] if isinstance(java, dict) else [None, None]

    def unknown(*_: Any) -> None:
        what = (
            "of PMML models"
            if isinstance(mapping, dict) and "pmml" in mapping
            else "that name no Java method"
        )
        warn(site, "external function", f"external functions {what} are not run")

    if not all(isinstance(part, str) for part in named):
        return Function(parameters, unknown, source=source, captured=captured)
    try:
        run = method(*named)
    except FeelError as error:
        message = error.message

        def absent(*_: Any) -> None:
            warn(site, "external function", message)

        return Function(parameters, absent, source=source, captured=captured)
    return Function(parameters, run, source=source, captured=captured)


def INVOKE(site: Site, names: tuple[str, ...], function: Any, *args: Any) -> Any:
    if not isinstance(function, Function):
        warn(site, "type", f"{kind_of(function)} cannot be called")
        return None
    if function.builtin is not None:
        return CALL(site, function.builtin, names, *args)
    known = [name for name, _ in function.parameters]
    if names:
        given = dict(zip(names, args, strict=True))
        if len(given) != len(names) or not given.keys() <= set(known):
            warn(site, "arguments", f"the function's parameters are {', '.join(known) or 'none'}")
            return None
        args = tuple(given.get(name) for name in known)  # as of built-ins: what is not named is null
    elif len(args) != len(known):
        warn(site, "arguments", f"the function takes {len(known)} arguments, not {len(args)}")
        return None
    _step()
    try:
        return applied(function, *args)
    except FeelError as error:
        warn(site, error.kind, error.message)
    return None


def BUILTIN(site: Site, name: str) -> Function:
    """A built-in function as a value."""
    row, *others = BUILTINS[name]
    kinds = [[kind for kind in p.kinds if kind != "null"] for p in row.parameters]
    parameters = tuple(
        (p.name, None if others or len(kind) > 1 or kind == ["any"] else Kind(kind[0]))
        for p, kind in zip(row.parameters, kinds, strict=True)
    )
    return Function(parameters, lambda *args: CALL(site, name, (), *args), builtin=name)


def CALL(site: Site, name: str, names: tuple[str, ...], *args: Any) -> Any:
    """A call of a built-in: the first row that takes the arguments as they are, or else after conversions."""
    rows = [(row, bound) for row in BUILTINS[name] if (bound := _bound(row, names, args)) is not None]
    if names:  # of rows with the same names, the one in whose order they are written
        rows.sort(key=lambda found: [p.name for p in found[0].parameters][: len(names)] != list(names))
    if not rows:
        forms = " or ".join(f"`{row.signature}`" for row in BUILTINS[name])
        warn(site, "arguments", f"`{name}` is called as {forms}")
        return None
    for convert in (False, True):
        for row, values in rows:
            taken = _taken(row, values, convert)
            if taken is not None:
                return _called(site, row, taken)
    if None in args:
        warn(site, "missing operand", f"an argument of `{name}` is null")
    else:
        forms = " or ".join(f"`{row.signature}`" for row, _ in rows)
        warn(site, "type", f"{forms} does not take {', '.join(map(kind_of, args))}")
    return None


def _called(site: Site, row: Builtin, values: Sequence[Any]) -> Any:
    try:
        value = row.run(*values)
    except FeelError as error:
        warn(site, error.kind, f"{row.name}: {error.message}")
        return None
    return _bounded(site, value)


def _bounded(site: Site, value: Any) -> Any:
    """A value that is not too large to go on with."""
    if isinstance(value, Decimal):
        return _number(site, value)
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        warn(site, "limit", f"a list of more than {MAX_ITEMS:,} items")
        return None
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        warn(site, "limit", f"a string of more than {_LONGEST_TEXT:,} characters")
        return None
    return value


_LEFT_OUT = object()


def _bound(row: Builtin, names: tuple[str, ...], args: tuple[Any, ...]) -> list[Any] | None:
    """The arguments in the order of the row's parameters, or None where their number or names do not fit."""
    parameters = row.parameters
    variadic = bool(parameters) and parameters[-1].variadic
    if names:
        given = dict(zip(names, args, strict=True))
        if len(given) != len(names) or not set(given) <= {p.name for p in parameters}:
            return None
        # What is not named is null (DMN 1.5, 10.3.2.13.5), or left out where it may be.
        values = [given.get(p.name, _LEFT_OUT if p.optional else None) for p in parameters]
        if variadic:
            last = values.pop()
            values.extend(last if isinstance(last, list) else [last])
        return values
    least = sum(not p.optional for p in parameters)
    if len(args) < least or (len(args) > len(parameters) and not variadic):
        return None
    return [*args, *[_LEFT_OUT] * (len(parameters) - len(args))]


def _taken(row: Builtin, values: Sequence[Any], convert: bool) -> list[Any] | None:
    """The values as the row takes them, or None where one is of another kind."""
    out: list[Any] = []
    for i, value in enumerate(values):
        kinds = row.parameters[min(i, len(row.parameters) - 1)].kinds
        if value is _LEFT_OUT:
            out.append(None)
            continue
        kind = kind_of(value)
        if "any" in kinds or kind in kinds:
            out.append(value)
        elif not convert or value is None:
            return None
        elif isinstance(value, list) and len(value) == 1 and kind_of(value[0]) in kinds:
            out.append(value[0])
        elif "list" in kinds:
            out.append([value])
        elif kind == "date" and "date and time" in kinds:
            out.append(midnight(value))
        else:
            return None
    return out


def INSTANCE(site: Site, kind: Kind, value: Any) -> bool:
    return instance_of(value, kind)


def COERCE(site: Site, kind: Kind, value: Any) -> Any:
    if kind is ANY:
        return value
    try:
        return coerce(value, kind)
    except FeelError as error:
        warn(site, error.kind, error.message)
        return None


# -- decision tables ----------------------------------------------------------------------------------------------


def TABLE(site: Site, spec: Any, width: int, *args: Any) -> Any:
    from sancha.engine.run.decision_table import decide

    return decide(site, spec, args[:width], args[width:])


OPERATIONS = {name: value for name, value in globals().items() if name.isupper() and callable(value)}

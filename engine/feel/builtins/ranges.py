"""Relations between points and ranges (DMN 1.5, 10.3.4.11), and `range` (10.3.4.1).

A point is a number, a string, a date, a time or a duration. An end that is null has no bound. Points and ends without
an order, as a date and a number, make the answer null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sancha.engine.feel import values
from sancha.engine.feel.builtins.numbers import finite
from sancha.engine.feel.builtins.registry import BUILTINS, FeelError, builtin
from sancha.engine.feel.lexer import FeelSyntaxError, Token, tokens
from sancha.engine.feel.values import Range
from sancha.engine.run import runtime

_POINT = "number | string | date | time | date and time | days and time duration | years and months duration"


class _End(NamedTuple):
    """A place on the line of values, so that each relation of the standard's table is a comparison of such places.

    `infinite` is -1 or 1 for an end without bound, otherwise 0. `side` is 0 at the value, -1 just before it (where
    `..5)` ends) and 1 just after it (where `(5..` begins).
    """

    value: Any
    infinite: int = 0
    side: int = 0

    def against(self, other: _End) -> int:
        """Negative, zero or positive: below, at or above the other. Raises FeelError where there is no order."""
        if self.infinite or other.infinite:
            return self.infinite - other.infinite
        order = values.order(self.value, other.value)
        if order is None:
            kinds = f"{values.kind_of(self.value)} and a {values.kind_of(other.value)}"
            raise FeelError(f"a {kinds} have no order")
        return order or self.side - other.side


def _low(place: Any) -> _End:
    """Where a range begins, or a point."""
    if not isinstance(place, Range):
        return _End(place)
    return _End(None, -1) if place.low is None else _End(place.low, 0, 0 if place.low_closed else 1)


def _high(place: Any) -> _End:
    """Where a range ends, or a point."""
    if not isinstance(place, Range):
        return _End(place)
    return _End(None, 1) if place.high is None else _End(place.high, 0, 0 if place.high_closed else -1)


def _before(a: Any, b: Any) -> bool:
    return _high(a).against(_low(b)) < 0


def _meets(a: Range, b: Range) -> bool:
    return _high(a).against(_low(b)) == 0


def _overlaps(a: Range, b: Range) -> bool:
    return not _before(a, b) and not _before(b, a)


def _overlaps_before(a: Range, b: Range) -> bool:
    return _low(a).against(_low(b)) < 0 and not _before(a, b) and _high(a).against(_high(b)) <= 0


def _overlaps_after(a: Range, b: Range) -> bool:
    return _low(b).against(_low(a)) < 0 and not _before(b, a) and _high(b).against(_high(a)) <= 0


def _finishes(a: Any, b: Range) -> bool:
    return _high(a).against(_high(b)) == 0 and _low(a).against(_low(b)) >= 0


def _includes(a: Range, b: Any) -> bool:
    return _low(a).against(_low(b)) <= 0 and _high(a).against(_high(b)) >= 0


def _starts(a: Any, b: Range) -> bool:
    return _low(a).against(_low(b)) == 0 and _high(a).against(_high(b)) <= 0


def _coincides(a: Any, b: Any) -> bool:
    return _low(a).against(_low(b)) == 0 and _high(a).against(_high(b)) == 0


@builtin(f"before(point1: {_POINT}, point2: {_POINT})", example=("before(1, 10)", "true"))
def before_points(a: Any, b: Any) -> bool:
    """Whether the first point is less than the second."""
    return _before(a, b)


@builtin(f"before(point: {_POINT}, range: range)", example=("before(1, (1..10])", "true"))
def before_point_range(point: Any, range_: Range) -> bool:
    """Whether the point is less than all of the range."""
    return _before(point, range_)


@builtin(f"before(range: range, point: {_POINT})", example=("before([1..10], 10)", "false"))
def before_range_point(range_: Range, point: Any) -> bool:
    """Whether all of the range is less than the point."""
    return _before(range_, point)


@builtin("before(range1: range, range2: range)", example=("before([1..10), [10..20])", "true"))
def before_ranges(a: Range, b: Range) -> bool:
    """Whether all of the first range is less than all of the second."""
    return _before(a, b)


@builtin(f"after(point1: {_POINT}, point2: {_POINT})", example=("after(10, 5)", "true"))
def after_points(a: Any, b: Any) -> bool:
    """Whether the first point is greater than the second."""
    return _before(b, a)


@builtin(f"after(point: {_POINT}, range: range)", example=("after(10, [1..10))", "true"))
def after_point_range(point: Any, range_: Range) -> bool:
    """Whether the point is greater than all of the range."""
    return _before(range_, point)


@builtin(f"after(range: range, point: {_POINT})", example=("after([11..20], 11)", "false"))
def after_range_point(range_: Range, point: Any) -> bool:
    """Whether all of the range is greater than the point."""
    return _before(point, range_)


@builtin("after(range1: range, range2: range)", example=("after([11..20], [1..10])", "true"))
def after_ranges(a: Range, b: Range) -> bool:
    """Whether all of the first range is greater than all of the second."""
    return _before(b, a)


@builtin("meets(range1: range, range2: range)", example=("meets([1..5], [5..10])", "true"))
def meets(a: Range, b: Range) -> bool:
    """Whether the first range ends where the second begins, and both hold that point."""
    return _meets(a, b)


@builtin("met by(range1: range, range2: range)", example=("met by([5..10], [1..5])", "true"))
def met_by(a: Range, b: Range) -> bool:
    """Whether the first range begins where the second ends, and both hold that point."""
    return _meets(b, a)


@builtin("overlaps(range1: range, range2: range)", example=("overlaps([1..5], [3..8])", "true"))
def overlaps(a: Range, b: Range) -> bool:
    """Whether the ranges have a point in common."""
    return _overlaps(a, b)


@builtin("overlaps before(range1: range, range2: range)", example=("overlaps before([1..5], [3..8])", "true"))
def overlaps_before(a: Range, b: Range) -> bool:
    """Whether the first range begins before the second, reaches into it, and does not end after it."""
    return _overlaps_before(a, b)


@builtin("overlaps after(range1: range, range2: range)", example=("overlaps after([3..8], [1..5])", "true"))
def overlaps_after(a: Range, b: Range) -> bool:
    """Whether the second range begins before the first, reaches into it, and does not end after it."""
    return _overlaps_after(a, b)


@builtin(f"finishes(point: {_POINT}, range: range)", example=("finishes(10, [1..10])", "true"))
def finishes_point(point: Any, range_: Range) -> bool:
    """Whether the point is the last of the range."""
    return _high(point).against(_high(range_)) == 0


@builtin("finishes(range1: range, range2: range)", example=("finishes([5..10], [1..10])", "true"))
def finishes(a: Range, b: Range) -> bool:
    """Whether both ranges end alike, and the first does not begin before the second."""
    return _finishes(a, b)


@builtin(f"finished by(range: range, point: {_POINT})", example=("finished by([1..10), 10)", "false"))
def finished_by_point(range_: Range, point: Any) -> bool:
    """Whether the point is the last of the range."""
    return _high(point).against(_high(range_)) == 0


@builtin("finished by(range1: range, range2: range)", example=("finished by([1..10], [5..10])", "true"))
def finished_by(a: Range, b: Range) -> bool:
    """Whether both ranges end alike, and the second does not begin before the first."""
    return _finishes(b, a)


@builtin(f"includes(range: range, point: {_POINT})", example=("includes([1..10), 10)", "false"))
def includes_point(range_: Range, point: Any) -> bool:
    """Whether the point is in the range."""
    return _includes(range_, point)


@builtin("includes(range1: range, range2: range)", example=("includes([1..10], [4..6])", "true"))
def includes(a: Range, b: Range) -> bool:
    """Whether all of the second range is in the first."""
    return _includes(a, b)


@builtin(f"during(point: {_POINT}, range: range)", example=("during(1, (1..10])", "false"))
def during_point(point: Any, range_: Range) -> bool:
    """Whether the point is in the range."""
    return _includes(range_, point)


@builtin("during(range1: range, range2: range)", example=("during([4..6], [1..10])", "true"))
def during(a: Range, b: Range) -> bool:
    """Whether all of the first range is in the second."""
    return _includes(b, a)


@builtin(f"starts(point: {_POINT}, range: range)", example=("starts(1, [1..10])", "true"))
def starts_point(point: Any, range_: Range) -> bool:
    """Whether the point is the first of the range."""
    return _low(point).against(_low(range_)) == 0


@builtin("starts(range1: range, range2: range)", example=("starts([1..5], [1..10])", "true"))
def starts(a: Range, b: Range) -> bool:
    """Whether both ranges begin alike, and the first does not end after the second."""
    return _starts(a, b)


@builtin(f"started by(range: range, point: {_POINT})", example=("started by((1..10], 1)", "false"))
def started_by_point(range_: Range, point: Any) -> bool:
    """Whether the point is the first of the range."""
    return _low(point).against(_low(range_)) == 0


@builtin("started by(range1: range, range2: range)", example=("started by([1..10], [1..5])", "true"))
def started_by(a: Range, b: Range) -> bool:
    """Whether both ranges begin alike, and the second does not end after the first."""
    return _starts(b, a)


@builtin(f"coincides(point1: {_POINT}, point2: {_POINT})", example=("coincides(5, 5)", "true"))
def coincides_points(a: Any, b: Any) -> bool:
    """Whether the points are the same."""
    return _coincides(a, b)


@builtin("coincides(range1: range, range2: range)", example=("coincides((1..5), [1..5])", "false"))
def coincides(a: Range, b: Range) -> bool:
    """Whether both ranges begin alike and end alike."""
    return _coincides(a, b)


_OPEN, _CLOSE = ("[", "(", "]"), ("]", ")", "[")
#: The functions whose calls, with a written string, may stand as an end of a range.
_LITERALS = frozenset({"date", "time", "date and time", "duration"})


@builtin("range(from: string)", example=('range("[18..21)")', "[18..21)"))
def range_(from_: str) -> Range:
    """The range that a text writes.

    Its ends are numbers, strings, dates, times or durations as FEEL writes them, `@"…"` or `date("…")`. Both are of
    one kind and the low one is not above the high one. An open end may have no bound: `(..21]`.
    """
    try:
        found = tokens(from_, full=True)[:-1]
    except FeelSyntaxError as problem:
        raise FeelError(f'"{from_}" is not a range: {problem.message}') from None
    signs = [token.value if token.kind == "operator" else "" for token in found]
    if not found or signs[0] not in _OPEN or signs[-1] not in _CLOSE or signs.count("..") != 1:
        raise FeelError(f'"{from_}" is not a range')
    dots = signs.index("..")
    low_closed, high_closed = signs[0] == "[", signs[-1] == "]"
    low = _bound(found[1:dots], low_closed)
    high = _bound(found[dots + 1 : -1], high_closed)
    return Range.checked(low, high, low_closed, high_closed)


def _bound(written: Sequence[Token], closed: bool) -> Any:
    """The value of an end of a range; None for one without bound, which must be open."""
    match [(token.kind, token.value) for token in written]:
        case [] if not closed:
            return None
        case [("number", number)]:
            return finite(runtime.CONTEXT.create_decimal(number))
        case [("operator", "-"), ("number", number)]:
            return finite(runtime.CONTEXT.create_decimal("-" + number))
        case [("text", text)]:
            return text
        case [("temporal", text)]:
            value = values.parse_temporal(text)
            if value is not None:
                return value
        case [*words, ("operator", "("), ("text", text), ("operator", ")")]:
            name = " ".join(word for _, word in words)
            if name in _LITERALS:
                row = next(
                    r for r in BUILTINS[name] if "string" in r.parameters[0].kinds and not r.parameters[1:]
                )
                return row.run(text)
    raise FeelError("an end of the range is no literal")

"""Exact numbers in SQL: whole numbers with a scale, quotients as two of them, and, where those do not suffice, the
row's own arithmetic.

The row evaluator rounds each result to 34 digits, half to even. Here every number is planned with its bounds:

- `Exact` is n * 10^-scale with n within known bounds. A result whose n stays below 10^34 was not rounded by the row
  either. The cells are BIGINT, or HUGEINT (38 digits) where the bounds ask for it.
- `Ratio` is over / under, rounded by the row once, and missing where `under` is 0. It is compared by cross
  multiplication. That gives the row's answer: two different values over/under and c differ, relative to c, by at
  least 1 / |c * under| taken in whole numbers, so if that product is at most 10^33 they differ by more than half a unit
  of the 34th digit, and rounding cannot make them equal or swap them; where they are equal, c itself is the quotient,
  and needs no rounding.
- `Digits` is a decimal as text, computed by the very function that the row evaluator calls. It holds what is left:
  quotients that are computed with further, powers, products of more than 34 digits. It is exact by construction, and
  slower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from sancha.engine.feel.operators import BY_NAME, Operator
from sancha.engine.feel.types import Type
from sancha.engine.policy.calendar import Calendar
from sancha.engine.run.as_text import as_text
from sancha.engine.run.relations import ROW_FUNCTION, Cell, Relations, Scope, deeper, functions_of
from sancha.engine.run.runtime import NAMES

#: The row rounds nothing below this.
ROW_LIMIT = 10**34
#: What HUGEINT surely holds.
SQL_LIMIT = 10**38
#: See `Ratio` above.
DISTINCT_LIMIT = 10**33
BIGINT_MAX = 2**63 - 1
#: Whether a condition is true, and whether a value is missing.
KNOWN_TRUE, ABSENT = "coalesce({0}, FALSE)", "({0} IS NULL)"
#: The types whose values are whole numbers.
WHOLE = ("integer", "days", "months")


@dataclass(frozen=True, slots=True)
class Plain:
    """A value that is no number: text, boolean, date, date-time, or a list of them."""

    cell: Cell
    type: Type

    @property
    def scope(self) -> Scope:
        return self.cell.scope


@dataclass(frozen=True, slots=True)
class Exact:
    """`cell` * 10^-`scale`; the cell lies within `low` and `high`."""

    cell: Cell
    scale: int
    low: int
    high: int

    @property
    def scope(self) -> Scope:
        return self.cell.scope

    @property
    def size(self) -> int:
        return max(abs(self.low), abs(self.high))

    @property
    def constant(self) -> int | None:
        """The whole number, where the plan knows it."""
        return self.low if self.cell.kind == "constant" and self.cell.template != "NULL" else None


@dataclass(frozen=True, slots=True)
class Ratio:
    """`over` / `under`, missing where `under` is 0."""

    over: Exact
    under: Exact

    @property
    def scope(self) -> Scope:
        return deeper(self.over.scope, self.under.scope)


@dataclass(frozen=True, slots=True)
class Digits:
    """The row's decimal as text."""

    cell: Cell

    @property
    def scope(self) -> Scope:
        return self.cell.scope


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that is always missing, of whatever type is needed."""

    scope: Scope


Number = Exact | Ratio | Digits
Value = Plain | Exact | Ratio | Digits | Missing


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the row's that SQL calls: Arrow arrays in, an Arrow array out."""

    name: str
    call: Callable[..., pa.Array]
    parameters: tuple[str, ...]
    result: str
    reason: str


def register(connection: duckdb.DuckDBPyConnection, function: Function) -> None:
    """Make a function known to a connection, and to all that share its database."""
    connection.create_function(
        function.name,
        function.call,
        list(function.parameters),
        function.result,
        type=ARROW,
        null_handling=SPECIAL,
    )


class Numbers:
    """Builds the cells of numeric operators. `functions` collects those of the row's that the query needs."""

    def __init__(self, relations: Relations, calendar: Calendar) -> None:
        self.relations = relations
        self.functions: dict[tuple[object, ...], Function] = {}
        #: What a cell that chooses chooses by: a condition, and the cells for true and false.
        self.cases: dict[Cell, tuple[Cell, Cell, Cell]] = {}
        self.names = {
            **NAMES,
            "WORKING_DAYS_BETWEEN": calendar.between,
            "ADD_WORKING_DAYS": calendar.add,
        }

    # -- making -------------------------------------------------------------------------------------------

    def constant(self, value: int | Decimal) -> Exact:
        """A constant with the fewest places that hold it."""
        if isinstance(value, int):
            scale, n = 0, value
        else:
            sign, digits, exponent = value.as_tuple()
            assert isinstance(exponent, int)
            n = int("".join(map(str, digits))) * (-1 if sign else 1)
            while exponent < 0 and n % 10 == 0:
                n, exponent = n // 10, exponent + 1
            n, scale = (n * 10**exponent, 0) if exponent > 0 else (n, -exponent)
        return self.whole(n, scale)

    def whole(self, n: int, scale: int = 0) -> Exact:
        return Exact(self.relations.constant(f"({n})" if n < 0 else str(n), _sql_type(n, n)), scale, n, n)

    def raw(self, cell: Cell, scale: int, low: int, high: int) -> Exact:
        return Exact(cell, scale, low, high)

    def exact(
        self,
        template: str,
        args: Sequence[Exact],
        scale: int,
        low: int,
        high: int,
        nullable: bool | None = None,
    ) -> Exact:
        """A whole number computed from others; the first argument is widened if the result needs it."""
        type = _sql_type(low, high)
        cells = [a.cell for a in args]
        if type == "HUGEINT":
            cells = [self.huge(c) for c in cells]
        elif all(a.constant is not None and a.cell.type == "BIGINT" for a in args):
            # SQL would take small constants for INTEGER.
            cells[0] = self.relations.plain("CAST({0} AS BIGINT)", [cells[0]], "BIGINT")
        cell = self.relations.plain(template, cells, type, nullable)
        if type == "BIGINT" and any(c.type == "HUGEINT" for c in cells):
            cell = self.relations.plain("CAST({0} AS BIGINT)", [cell], "BIGINT")
        return Exact(cell, scale, low, high)

    def huge(self, cell: Cell) -> Cell:
        return (
            cell
            if cell.type == "HUGEINT"
            else self.relations.plain("CAST({0} AS HUGEINT)", [cell], "HUGEINT")
        )

    def scaled(self, a: Exact, scale: int) -> Exact | None:
        """The same value with more places; None where that does not fit."""
        if scale == a.scale:
            return a
        factor = 10 ** (scale - a.scale)
        if a.constant is not None:
            n = a.constant * factor
            return self.whole(n, scale) if abs(n) < SQL_LIMIT else None
        if a.size * factor >= SQL_LIMIT:
            return None
        return self.exact(f"({{0}} * {factor})", [a], scale, a.low * factor, a.high * factor)

    def aligned(self, a: Exact, b: Exact) -> tuple[Exact, Exact] | None:
        scale = max(a.scale, b.scale)
        left, right = self.scaled(a, scale), self.scaled(b, scale)
        return None if left is None or right is None else (left, right)

    def times(self, a: Exact, b: Exact) -> Exact | None:
        """The product; None where it does not fit 38 digits."""
        bounds = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
        low, high = min(bounds), max(bounds)
        if max(abs(low), abs(high)) >= SQL_LIMIT:
            return None
        scale = a.scale + b.scale
        if a.constant is not None and b.constant is not None:
            return self.whole(a.constant * b.constant, scale)
        if a.constant == 1 and a.scale == 0:
            return b
        if b.constant == 1 and b.scale == 0:
            return a
        return self.exact("({0} * {1})", [a, b], scale, low, high)

    # -- arithmetic ---------------------------------------------------------------------------------------

    def add(self, row: Operator, a: Value, b: Value, sign: int) -> Value:
        if isinstance(a, Exact) and isinstance(b, Exact) and (pair := self.aligned(a, b)):
            left, right = pair
            low, high = (right.low, right.high) if sign > 0 else (-right.high, -right.low)
            low, high = left.low + low, left.high + high
            if self.unrounded(row, low, high):
                if left.constant is not None and right.constant is not None:
                    return self.whole(left.constant + sign * right.constant, left.scale)
                return self.exact(
                    "({0} + {1})" if sign > 0 else "({0} - {1})", [left, right], left.scale, low, high
                )
        return self.by_row(row, a, b)

    def multiply(self, row: Operator, a: Value, b: Value) -> Value:
        for x, y in ((a, b), (b, a)):
            if isinstance(x, Ratio) and isinstance(y, Exact) and (shift := _power_of_ten(y)) is not None:
                found = self.shifted(x, shift)
                if found is not None:
                    return found
        if isinstance(a, Exact) and isinstance(b, Exact):
            product = self.times(a, b)
            if product is not None and self.unrounded(row, product.low, product.high):
                return product
        return self.by_row(row, a, b)

    def divide(self, row: Operator, a: Value, b: Value) -> Value:
        if isinstance(b, Exact) and (shift := _power_of_ten(b)) is not None:
            found: Ratio | Exact | None = None
            if isinstance(a, Ratio):
                found = self.shifted(a, -shift)
            elif isinstance(a, Exact) and a.size < ROW_LIMIT:
                found = self.moved(a, -shift)
            if found is not None:
                return found
        if isinstance(a, Exact) and isinstance(b, Exact) and max(a.size, b.size) < ROW_LIMIT:
            return Ratio(a, b)
        return self.by_row(row, a, b)

    def moved(self, a: Exact, shift: int) -> Exact | None:
        """The value times 10^shift; None where that does not fit."""
        if shift <= a.scale:
            return Exact(a.cell, a.scale - shift, a.low, a.high)
        found = self.scaled(Exact(a.cell, 0, a.low, a.high), shift - a.scale)
        return None if found is None else Exact(found.cell, 0, found.low, found.high)

    def shifted(self, a: Ratio, shift: int) -> Ratio | None:
        """The quotient times 10^shift: its digits stay, so that it is still rounded once."""
        over = self.moved(a.over, shift)
        return None if over is None else Ratio(over, a.under)

    def negate(self, row: Operator, a: Value) -> Value:
        match a:
            case Exact():
                if a.constant is not None:
                    return self.whole(-a.constant, a.scale)
                return self.exact("(-{0})", [a], a.scale, -a.high, -a.low)
            case Ratio():
                over = self.negate(row, a.over)
                assert isinstance(over, Exact)
                return Ratio(over, a.under)
        return self.by_row(row, a)

    def absolute(self, row: Operator, a: Value) -> Value:
        match a:
            case Exact():
                return self.magnitude(a)
            case Ratio():
                return Ratio(self.magnitude(a.over), self.magnitude(a.under))
        return self.by_row(row, a)

    def magnitude(self, a: Exact) -> Exact:
        if a.low >= 0:
            return a
        if a.constant is not None:
            return self.whole(abs(a.constant), a.scale)
        return self.exact("abs({0})", [a], a.scale, 0, a.size)

    def power(self, row: Operator, a: Value, b: Value) -> Value:
        """A small constant exponent is a product; the rest is the row's."""
        if isinstance(a, Exact) and isinstance(b, Exact) and b.scale == 0 and b.constant in range(1, 13):
            product: Exact | None = a
            for _ in range(int(b.constant or 1) - 1):
                product = None if product is None else self.times(product, a)
            if product is not None and product.size < ROW_LIMIT:
                return product
        return self.by_row(row, a, b)

    def modulo(self, row: Operator, a: Value, b: Value) -> Value:
        if isinstance(a, Exact) and isinstance(b, Exact):
            template = "((({0} % nullif({1}, 0)) + {1}) % nullif({1}, 0))"
            if a.size > BIGINT_MAX:
                # The least BIGINT overflows when divided by -1.
                a = Exact(self.huge(a.cell), 0, a.low, a.high)
            return self.exact(template, [a, b], 0, min(b.low, 0) * 2, max(b.high, 0) * 2, True)
        return self.by_row(row, a, b)

    def unrounded(self, row: Operator, low: int, high: int) -> bool:
        """Whether the row gives a result within these bounds without rounding; whole numbers it never rounds."""
        limit = SQL_LIMIT if row.result.name in WHOLE else ROW_LIMIT
        return max(abs(low), abs(high)) < limit

    # -- comparison ---------------------------------------------------------------------------------------

    def compare(self, row: Operator, a: Value, b: Value) -> Plain:
        """`row` is one of `= != < <= > >=`."""
        symbol = "<>" if row.name == "!=" else row.name
        found: Cell | None = None
        match a, b:
            case Exact(), Exact():
                found = self.compare_exact(symbol, a, b)
            case Ratio(), Exact() | Ratio():
                found = self.compare_ratio(symbol, a, b)
            case Exact(), Ratio():
                found = self.compare_ratio(_MIRROR[symbol], b, a)
        if found is not None:
            return Plain(found, row.result)
        value = self.by_row(row, a, b)
        assert isinstance(value, Plain)
        return value

    def compare_exact(self, symbol: str, a: Exact, b: Exact) -> Cell | None:
        if a.constant is not None and b.constant is None:
            return self.compare_exact(_MIRROR[symbol], b, a)
        if b.constant is not None:
            found = self.compare_constant(symbol, a, b.constant, b.scale)
            if found is not None:
                return found
        pair = self.aligned(a, b)
        if pair is None:
            return None
        return self.relations.plain(f"({{0}} {symbol} {{1}})", [pair[0].cell, pair[1].cell], "BOOLEAN")

    def compare_constant(self, symbol: str, a: Exact, n: int, scale: int) -> Cell | None:
        """Comparison with a constant at the scale of the other side, however many digits the constant has."""
        if a.constant is not None:
            return None
        up = 10 ** max(a.scale - scale, 0)
        down = 10 ** max(scale - a.scale, 0)
        floor, rest = divmod(n * up, down)
        if rest:
            if symbol in ("=", "<>"):
                return self.known(a.cell, symbol == "<>")
            # x < 2.5 and x <= 2.5 are x <= 2 in whole numbers; x > 2.5 and x >= 2.5 are x > 2.
            symbol = "<=" if symbol in ("<", "<=") else ">"
        verdict = decided(symbol, a.low, a.high, floor)
        if verdict is not None:
            return self.known(a.cell, verdict)
        bound = self.whole(floor)
        return self.relations.plain(f"({{0}} {symbol} {{1}})", [a.cell, bound.cell], "BOOLEAN")

    def known(self, cell: Cell, answer: bool) -> Cell:
        """The answer wherever the cell is not missing."""
        text = "TRUE" if answer else "FALSE"
        if not cell.nullable:
            return self.relations.constant(text, "BOOLEAN")
        return self.relations.plain(f"(CASE WHEN {{0}} IS NOT NULL THEN {text} END)", [cell], "BOOLEAN")

    def compare_ratio(self, symbol: str, a: Ratio, b: Exact | Ratio) -> Cell | None:
        over, under = (b.over, b.under) if isinstance(b, Ratio) else (b, None)
        left = a.over if under is None else self.times(a.over, under)
        right = self.times(over, a.under)
        if left is None or right is None:
            return None
        pair = self.aligned(left, right)
        if pair is None or pair[1].size > DISTINCT_LIMIT:
            return None
        left, right = pair
        cells = [left.cell, right.cell]
        signs = [a.under] if under is None else [a.under, under]
        straight, mirrored = f"{{0}} {symbol} {{1}}", f"{{0}} {_MIRROR[symbol]} {{1}}"
        if all(s.low >= 0 for s in signs):
            present = " AND ".join(f"{{{i + 2}}} > 0" for i in range(len(signs)))
            text = f"(CASE WHEN {present} THEN {straight} END)"
        elif len(signs) == 1:
            text = f"(CASE WHEN {{2}} > 0 THEN {straight} WHEN {{2}} < 0 THEN {mirrored} END)"
        else:
            text = f"(CASE sign({{2}}) * sign({{3}}) WHEN 1 THEN {straight} WHEN -1 THEN {mirrored} END)"
        if all(s.low > 0 and not s.cell.nullable for s in signs):
            return self.relations.plain(f"({straight})", cells, "BOOLEAN")
        return self.relations.plain(text, [*cells, *(s.cell for s in signs)], "BOOLEAN", True)

    # -- choosing -----------------------------------------------------------------------------------------

    def choose(self, condition: Cell, a: Value, b: Value) -> Value:
        """`a` where the condition is true, `b` where it is false, missing where it is missing."""
        if isinstance(a, Missing) and isinstance(b, Missing):
            return a
        if isinstance(a, Digits) or isinstance(b, Digits):
            return self.choose_digits(condition, a, b)
        if isinstance(a, Ratio) or isinstance(b, Ratio):
            (over_a, under_a), (over_b, under_b) = self.ratio(a), self.ratio(b)
            over = self.choose(condition, over_a, over_b)
            # A missing `over` suffices.
            under: Value | None = under_b if under_a is None else under_a
            if under_a is not None and under_b is not None:
                under = self.choose(condition, under_a, under_b)
            if isinstance(over, Exact) and isinstance(under, Exact):
                return Ratio(over, under)
            return self.choose_digits(condition, a, b)
        left, right = self.present(a, b), self.present(b, a)
        pair = self.aligned(left, right)
        if pair is None:
            return self.choose_digits(condition, a, b)
        left, right = pair
        low = (
            right.low
            if isinstance(a, Missing)
            else left.low
            if isinstance(b, Missing)
            else min(left.low, right.low)
        )
        high = (
            right.high
            if isinstance(a, Missing)
            else left.high
            if isinstance(b, Missing)
            else max(left.high, right.high)
        )
        type = _sql_type(low, high)
        cell = self.case(condition, left.cell, right.cell, type)
        return Exact(cell, left.scale, low, high)

    def present(self, value: Value, other: Value) -> Exact:
        """The value, or a typed null with the other's scale."""
        if isinstance(value, Missing):
            assert isinstance(other, Exact)
            return Exact(self.relations.constant("NULL", other.cell.type), other.scale, other.low, other.high)
        assert isinstance(value, Exact)
        return value

    def ratio(self, value: Value) -> tuple[Exact | Missing, Exact | None]:
        """The value as over and under; of a missing one `under` does not matter."""
        match value:
            case Ratio():
                return value.over, value.under
            case Exact():
                return value, self.whole(1)
            case Missing():
                return value, None
        raise TypeError(type(value).__name__)

    def choose_digits(self, condition: Cell, a: Value, b: Value) -> Digits:
        return Digits(self.case(condition, self.digits(a).cell, self.digits(b).cell, "VARCHAR"))

    def case(self, condition: Cell, a: Cell, b: Cell, type: str) -> Cell:
        """CASE with a condition that may be missing. Constants are given the type that the plan expects."""
        if a is b and not condition.nullable:
            return a
        then, otherwise = "{1}", "{2}"
        if type in ("BIGINT", "HUGEINT") and (a.type != type or a.kind == "constant"):
            then = f"CAST({then} AS {type})"
        if type in ("BIGINT", "HUGEINT") and (b.type != type or b.kind == "constant"):
            otherwise = f"CAST({otherwise} AS {type})"
        if condition.nullable:
            text = f"(CASE {{0}} WHEN TRUE THEN {then} WHEN FALSE THEN {otherwise} END)"
        elif b.template == "NULL":
            text, nullable = f"(CASE WHEN {{0}} THEN {then} END)", True
            return self.relations.plain(text, [condition, a], type, nullable)
        else:
            text = f"(CASE WHEN {{0}} THEN {then} ELSE {otherwise} END)"
        cell = self.relations.plain(text, [condition, a, b], type)
        self.cases[cell] = (condition, a, b)
        return cell

    def narrowed(self, cell: Cell, type: str) -> Cell:
        """A small whole number in a narrower type. Choices between constants by conditions that are never missing
        become the bits of masks: a machine computes these for many rows at once, and branches one by one."""
        if cell.kind == "constant" and cell.template != "NULL":
            return self.relations.constant(f"CAST({cell.template} AS {type})", type)
        if cell not in self.cases:
            return self.relations.plain(f"CAST({{0}} AS {type})", [cell], type)
        condition, *branches = self.cases[cell]
        graded = self.graded(cell, type)
        if graded is not None:
            return graded
        then, otherwise = (self.narrowed(b, type) for b in branches)
        if condition.nullable or then.kind != "constant" or then.nullable or otherwise.nullable:
            return self.case(condition, then, otherwise, type)
        if functions_of(otherwise):
            # The row's functions are called for as few rows as possible.
            return self.case(condition, then, otherwise, type)
        zero, one = (self.relations.constant(f"CAST({n} AS {type})", type) for n in (0, 1))
        if (then, otherwise) in ((zero, one), (one, zero)):
            text = f"CAST({'' if then is one else 'NOT '}{{0}} AS {type})"
            return self.relations.plain(text, [condition], type)
        mask = self.relations.plain(f"(-CAST({{0}} AS {type}))", [condition], type)
        chosen = self.relations.plain("({0} & {1})", [mask, then], type)
        rest = self.relations.plain(
            "({0} & {1})", [self.relations.plain("(~{0})", [mask], type), otherwise], type
        )
        if zero in (then, otherwise):
            return rest if then is zero else chosen
        return self.relations.plain("({0} | {1})", [chosen, rest], type)

    def graded(self, cell: Cell, type: str) -> Cell | None:
        """0 where a condition is true, a constant where it is missing, and 1 where it is false: `coalesce` tells the
        three apart in one step."""
        sure, zero, rest = self.cases[cell]
        if sure.template != KNOWN_TRUE or zero.template != "0" or rest not in self.cases:
            return None
        absent, missing, one = self.cases[rest]
        if absent.template != ABSENT or absent.args != sure.args or one.template != "1":
            return None
        if missing.kind != "constant" or missing.nullable:
            return None
        text = f"coalesce(CAST(NOT {{0}} AS {type}), CAST({missing.template} AS {type}))"
        return self.relations.plain(text, sure.args, type, False)

    def extreme(self, row: Operator, a: Value, b: Value) -> Value:
        """The smaller or larger of two: SQL's `least` and `greatest` would skip a missing one."""
        if isinstance(a, Digits) or isinstance(b, Digits):
            return self.by_row(row, a, b)
        first = self.compare(_comparison("<=" if row.name == "min" else ">="), a, b)
        if isinstance(a, Exact) and isinstance(b, Exact) and (pair := self.aligned(a, b)):
            left, right = pair
            pick = min if row.name == "min" else max
            low, high = pick(left.low, right.low), pick(left.high, right.high)
            cell = self.case(first.cell, left.cell, right.cell, _sql_type(low, high))
            return Exact(cell, left.scale, low, high)
        return self.choose(first.cell, a, b)

    # -- rounding -----------------------------------------------------------------------------------------

    def rounded(self, row: Operator, a: Value, *scale: Value) -> Value:
        """`floor` and `ceiling`, and the roundings to a number of places."""
        mode = _MODES[row.name]
        places = 0
        for given in scale:
            if not isinstance(given, Exact) or given.constant is None or abs(given.constant) > 30:
                return self.by_row(row, a, given)
            places = given.constant
        found: Exact | None = None
        match a:
            case Exact():
                found = self.round_exact(mode, a, places)
            case Ratio():
                found = self.round_ratio(mode, a, places)
        return self.by_row(row, a, *scale) if found is None else found

    def round_exact(self, mode: str, a: Exact, places: int) -> Exact | None:
        if a.scale <= places:
            return a
        unit = 10 ** (a.scale - places)
        return self.quotient(mode, a, self.whole(unit), places, nullable=a.cell.nullable)

    def round_ratio(self, mode: str, a: Ratio, places: int) -> Exact | None:
        up = places + a.under.scale - a.over.scale
        over, under = a.over, a.under
        # over / under in units of 10^-places is (over * 10^up) / under in whole numbers.
        left = self.scaled(Exact(over.cell, 0, over.low, over.high), max(up, 0))
        right = self.scaled(Exact(under.cell, 0, under.low, under.high), max(-up, 0))
        if left is None or right is None or 2 * (left.size + right.size) > DISTINCT_LIMIT:
            return None
        return self.quotient(mode, left, right, places, nullable=True)

    def quotient(self, mode: str, over: Exact, under: Exact, places: int, nullable: bool) -> Exact | None:
        """over / under as a whole number, rounded; the result has `places` (below 0: hundreds and so on)."""
        template = _ROUNDING[mode]
        size = over.size if places >= 0 else over.size * 10**-places
        if size + 1 >= SQL_LIMIT or max(over.size, under.size) * 2 >= SQL_LIMIT:
            return None
        divisor = under
        if not under.constant:
            cell = self.relations.plain("nullif({0}, 0)", [under.cell], under.cell.type, True)
            divisor = Exact(cell, 0, under.low, under.high)
        size = over.size // abs(under.constant or 1) + 1
        args = [over, divisor]
        if 2 * max(over.size, under.size) > BIGINT_MAX:
            args = [Exact(self.huge(x.cell), 0, x.low, x.high) for x in args]
        low, high = (-size if over.low < 0 or under.low < 0 else 0), size
        found = self.exact(template, args, max(places, 0), low, high, nullable)
        if places >= 0:
            return found
        back = self.scaled(Exact(found.cell, 0, low, high), -places)
        return None if back is None else Exact(back.cell, 0, back.low, back.high)

    # -- the row's own arithmetic -------------------------------------------------------------------------

    def digits(self, value: Value) -> Digits:
        """The value as the row's decimal in text."""
        match value:
            case Digits():
                return value
            case Missing():
                return Digits(self.relations.constant("NULL", "VARCHAR"))
            case Exact():
                text = self.relations.plain("CAST({0} AS VARCHAR)", [value.cell], "VARCHAR")
                if value.scale == 0:
                    return Digits(text)
                return Digits(self.relations.plain(f"({{0}} || 'E-{value.scale}')", [text], "VARCHAR"))
            case Ratio():
                found = self.by_row(_comparison("/"), value.over, value.under)
                assert isinstance(found, Digits)
                return found
        raise TypeError(type(value).__name__)

    def by_row(self, row: Operator, *args: Value) -> Value:
        """The operator as the row evaluator computes it, called for each value."""
        call = row_function(row, self.names)
        cells: list[Cell] = []
        readers: list[Callable[[Any], Any]] = []
        types: list[str] = []
        for arg, param in zip(args, row.params, strict=True):
            if isinstance(arg, Plain):
                cells.append(arg.cell)
                readers.append(_same)
                types.append(arg.cell.type)
            else:
                cells.append(self.digits(arg).cell)
                readers.append(_whole if param.name in WHOLE else Decimal)
                types.append("VARCHAR")
        result = _RESULTS.get(row.result.name, "VARCHAR")
        numeric = row.result.name in _NUMERIC
        function = self.function((row.key,), call, readers, types, result, f"`{row.name}`")
        template = f"{function.name}({', '.join(f'{{{i}}}' for i in range(len(cells)))})"
        cell = self.relations.plain(template, cells, result, True)
        return Digits(cell) if numeric else Plain(cell, row.result)

    def folded(self, function: str, values: Cell) -> Digits:
        """sum, mean, min or max of a list of decimals as text, in order, as the row computes it."""
        made = self.function(
            (function,), _FOLDS[function], [_decimals], ["VARCHAR[]"], "VARCHAR", f"`{function}`"
        )
        return Digits(self.relations.plain(f"{made.name}({{0}})", [values], "VARCHAR", True))

    def canonical(self, value: Value) -> Cell:
        """A number as text such that equal numbers are equal texts."""
        made = self.function(
            ("canonical",), _canonical, [Decimal], ["VARCHAR"], "VARCHAR", "distinct quotients"
        )
        return self.relations.plain(f"{made.name}({{0}})", [self.digits(value).cell], "VARCHAR")

    def text(self, value: Value, type: Type) -> Cell:
        """The text of evidence, by `as_text`, of a decimal in text."""
        read = _whole if type.name in WHOLE else Decimal
        reason = "the text of a quotient"
        made = self.function(
            ("text", type.name), lambda v: as_text(v, type), [read], ["VARCHAR"], "VARCHAR", reason
        )
        return self.relations.plain(f"{made.name}({{0}})", [self.digits(value).cell], "VARCHAR")

    def plain_function(self, name: str, call: Callable[..., Any], type: str, reason: str) -> str:
        """The SQL name of a function of one value of a type that gives one of the same type."""
        return self.function((name,), call, [_same], [type], type, reason).name

    def function(
        self,
        key: tuple[object, ...],
        call: Callable[..., Any],
        readers: Sequence[Callable[[Any], Any]],
        types: Sequence[str],
        result: str,
        reason: str,
    ) -> Function:
        full = (*key, *types, result)
        if full not in self.functions:
            name = f"{ROW_FUNCTION}{len(self.functions)}"
            self.functions[full] = Function(
                name, _vectorised(call, readers, result), tuple(types), result, reason
            )
        return self.functions[full]


_MIRROR = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_MODES = {
    "floor": "floor",
    "ceiling": "ceiling",
    "decimal": "half even",
    "round half up": "half up",
    "round up": "up",
    "round down": "down",
}
_NUMERIC = {"number", "money", "rate", "numeral", *WHOLE}
_RESULTS = {"boolean": "BOOLEAN", "date": "DATE", "text": "VARCHAR"}
_ARROW = {"BOOLEAN": pa.bool_(), "DATE": pa.date32(), "VARCHAR": pa.string()}

# `//` cuts towards zero, and the rest has the sign of the dividend.
_SIDE = "CASE WHEN ({0} < 0) = ({1} < 0) THEN 1 ELSE -1 END"
_WHOLE, _REST = "({0} // {1})", "({0} % {1})"
_ROUNDING = {
    "down": f"{_WHOLE}",
    "up": f"({_WHOLE} + CASE WHEN {_REST} = 0 THEN 0 ELSE {_SIDE} END)",
    "floor": f"({_WHOLE} - CASE WHEN {_REST} <> 0 AND ({{0}} < 0) <> ({{1}} < 0) THEN 1 ELSE 0 END)",
    "ceiling": f"({_WHOLE} + CASE WHEN {_REST} <> 0 AND ({{0}} < 0) = ({{1}} < 0) THEN 1 ELSE 0 END)",
    "half up": f"({_WHOLE} + CASE WHEN abs({_REST}) * 2 >= abs({{1}}) THEN {_SIDE} ELSE 0 END)",
    "half even": f"({_WHOLE} + CASE WHEN abs({_REST}) * 2 > abs({{1}}) "
    f"OR (abs({_REST}) * 2 = abs({{1}}) AND {_WHOLE} % 2 <> 0) THEN {_SIDE} ELSE 0 END)",
}


def _sql_type(low: int, high: int) -> str:
    return "BIGINT" if max(abs(low), abs(high)) <= BIGINT_MAX else "HUGEINT"


def _power_of_ten(a: Exact) -> int | None:
    """The exponent where the value is a constant power of ten."""
    if a.constant is None or a.constant <= 0:
        return None
    text = str(a.constant)
    return len(text) - 1 - a.scale if text.strip("0") == "1" and text[0] == "1" else None


def decided(symbol: str, low: int, high: int, n: int) -> bool | None:
    """The answer of `x symbol n` where all x within the bounds give the same."""
    below, above = high < n, low > n
    match symbol:
        case "=":
            return False if below or above else None
        case "<>":
            return True if below or above else None
        case "<":
            return True if below else False if low >= n else None
        case "<=":
            return True if high <= n else False if above else None
        case ">":
            return True if above else False if high <= n else None
        case _:
            return True if low >= n else False if below else None


def _comparison(name: str) -> Operator:
    """The row of the operator table for two numbers."""
    return next(row for row in BY_NAME[name] if [p.name for p in row.params] == ["number", "number"])


def row_function(row: Operator, names: Mapping[str, Any]) -> Callable[..., Any]:
    """An operator as the row evaluator has it, as a function of present values."""
    arguments = [f"a{i}" for i in range(len(row.params))]
    source = f"lambda {', '.join(arguments)}: {row.python.format(*arguments)}"
    return eval(source, dict(names))  # type: ignore[no-any-return]


def _same(value: Any) -> Any:
    return value


def _whole(text: str) -> int | Decimal:
    return int(text) if text.lstrip("-").isdigit() else Decimal(text)


def _decimals(values: Sequence[str]) -> list[Decimal]:
    return [Decimal(v) for v in values]


def _sum(values: Sequence[Decimal]) -> Decimal:
    total: Any = 0
    for value in values:
        total = NAMES["ADD"](total, value)
    return Decimal(total)


_FOLDS: dict[str, Callable[[list[Decimal]], Any]] = {
    "sum": _sum,
    "mean": lambda values: NAMES["DIVIDE"](_sum(values), len(values)) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
}


def _canonical(value: Decimal) -> str:
    return str(value.normalize(_CANONICAL)) if value else "0"


_CANONICAL = Context(prec=400)


def _vectorised(
    call: Callable[..., Any], readers: Sequence[Callable[[Any], Any]], result: str
) -> Callable[..., pa.Array]:
    """The function over Arrow arrays: missing where an argument is; decimals go out as text."""

    def apply(columns: Sequence[pa.Array]) -> pa.Array:
        out: list[Any] = []
        for values in zip(*(c.to_pylist() for c in columns), strict=True):
            if None in values:
                out.append(None)
                continue
            value = call(*(read(v) for read, v in zip(readers, values, strict=True)))
            out.append(
                str(value) if isinstance(value, Decimal | int) and not isinstance(value, bool) else value
            )
        return pa.array(out, _ARROW[result])

    # DuckDB counts the parameters of the function.
    names = ", ".join(f"a{i}" for i in range(len(readers)))
    return eval(f"lambda {names}: apply([{names}])", {"apply": apply})  # type: ignore[no-any-return]

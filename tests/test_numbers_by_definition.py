"""The numbers of the full language against fractions: 34 digits, half to even; rounding functions by their words."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from feel_reference import rounded
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sancha.engine.run.dynamic import compile_text

NUMBERS = st.one_of(
    st.decimals(-(10**12), 10**12, places=2),
    st.builds(
        lambda digits, places: Decimal(digits).scaleb(-places),
        st.integers(-(10**34) + 1, 10**34 - 1),
        st.integers(-5, 40),
    ),
    st.integers(-20, 20).map(Decimal),
)
PROGRAMS = {op: compile_text(f"a {op} b", ["a", "b"]) for op in ("+", "-", "*", "/")}
SCALES = st.integers(-4, 8)


@pytest.mark.parametrize("op", PROGRAMS)
@settings(max_examples=300)
@given(a=NUMBERS, b=NUMBERS)
def test_arithmetic(op: str, a: Decimal, b: Decimal) -> None:
    x, y = Fraction(a), Fraction(b)
    result = PROGRAMS[op].run({"a": a, "b": b})
    if op == "/" and not y:
        assert result.value is None and result.warnings
        return
    exact = {"+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "/": lambda: x / y}[op]()
    assert result.value == rounded(exact)
    assert not result.warnings


def nearest(x: Fraction, tie: int) -> int:
    """The nearest whole number; at a tie, `tie` is 1 for away from zero, -1 for towards it, 0 for the even one."""
    whole, rest = divmod(abs(x), 1)
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and (tie == 1 or (tie == 0 and whole % 2 == 1)))
    return int(math.copysign(1, x)) * int(whole + up)


ROUNDINGS = {
    "decimal": lambda x: nearest(x, 0),
    "round half up": lambda x: nearest(x, 1),
    "round half down": lambda x: nearest(x, -1),
    "round up": lambda x: math.ceil(x) if x > 0 else math.floor(x),
    "round down": math.trunc,
    "floor": math.floor,
    "ceiling": math.ceil,
}


@pytest.mark.parametrize("name", ROUNDINGS)
@settings(max_examples=200)
@given(
    n=st.one_of(
        NUMBERS, st.builds(lambda i, p: Decimal(i).scaleb(-p), st.integers(-99999, 99999), st.integers(0, 6))
    ),
    scale=SCALES,
)
def test_rounding(name: str, n: Decimal, scale: int) -> None:
    unit = Fraction(10) ** -scale
    exact = ROUNDINGS[name](Fraction(n) / unit) * unit
    result = compile_text(f"{name}(n, scale)", ["n", "scale"]).run({"n": n, "scale": Decimal(scale)})
    assert Fraction(result.value) == exact
    if scale == 0 and name in ("floor", "ceiling"):
        assert compile_text(f"{name}(n)", ["n"]).run({"n": n}).value == result.value


@settings(max_examples=200)
@given(a=NUMBERS, b=NUMBERS)
def test_modulo(a: Decimal, b: Decimal) -> None:
    """modulo(a, b) is a - b * floor(a / b), and has the sign of b."""
    assume(b)
    exact = Fraction(a) - Fraction(b) * math.floor(Fraction(a) / Fraction(b))
    result: Any = compile_text("modulo(a, b)", ["a", "b"]).run({"a": a, "b": b}).value
    assert result == rounded(exact)


@settings(max_examples=200)
@given(st.lists(NUMBERS, min_size=1, max_size=6))
def test_aggregates(numbers: list[Decimal]) -> None:
    def of(name: str) -> Any:
        return compile_text(f"{name}(xs)", ["xs"]).run({"xs": numbers}).value

    total = Decimal(0)
    for number in numbers:
        total = rounded(Fraction(total) + Fraction(number))
    assert of("sum") == total or of("sum") == rounded(sum(map(Fraction, numbers), Fraction(0)))
    assert of("min") == min(numbers) and of("max") == max(numbers)
    ordered = sorted(map(Fraction, numbers))
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    assert abs(Fraction(of("median")) - middle) <= abs(middle) / 10**30
    assert sorted(of("mode")) == of("mode")

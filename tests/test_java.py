"""External functions of decision models: Java's own static methods by name, and null with a reason for all others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sancha.engine.run.dynamic import compile_text


def called(class_name: str, signature: str, *arguments: str) -> tuple[Any, list[str]]:
    parameters = ", ".join(f"p{i}" for i in range(len(arguments)))
    mapping = f'{{java: {{class: "{class_name}", method signature: "{signature}"}}}}'
    text = f"{{f: function({parameters}) external {mapping}, result: f({', '.join(arguments)})}}.result"
    found = compile_text(text).run({})
    return found.value, [w.kind for w in found.warnings]


@pytest.mark.parametrize(
    ("class_name", "signature", "arguments", "expected"),
    [
        ("java.lang.Math", "max(int, int)", ("3", "-7"), Decimal(3)),
        ("java.lang.Math", "abs(double)", ("-2.5",), Decimal("2.5")),
        ("java.lang.Math", "floorMod(int, int)", ("-7", "3"), Decimal(2)),
        ("java.lang.Math", "round(double)", ("-2.5",), Decimal(-2)),
        ("java.lang.Math", "cos(double)", ("0",), Decimal(1)),
        ("java.lang.Integer", "parseInt(java.lang.String)", ('"-42"',), Decimal(-42)),
        ("java.lang.Integer", "compare(int, int)", ("1", "2"), Decimal(-1)),
        ("java.lang.Double", "valueOf(java.lang.String)", ('"1.25"',), Decimal("1.25")),
        ("java.lang.Boolean", "parseBoolean(java.lang.String)", ('"TRUE"',), True),
        ("java.lang.String", "valueOf(java.lang.Object)", ("null",), "null"),
        (
            "java.lang.String",
            "format(java.lang.String, [Ljava.lang.Object;)",
            ('"%s owes %,.2f, %05d%%"', '["Li", 1234567.5, 42]'),
            "Li owes 1,234,567.50, 00042%",
        ),
    ],
)
def test_methods_of_the_library(
    class_name: str, signature: str, arguments: tuple[str, ...], expected: Any
) -> None:
    assert called(class_name, signature, *arguments) == (expected, [])


@pytest.mark.parametrize(
    ("class_name", "signature", "arguments"),
    [
        ("java.lang.Runtime", "exit(int)", ("0",)),
        ("java.lang.Math", "nothing(int)", ("0",)),
        ("java.lang.Math", "abs", ("0",)),
        ("java.lang.Math", "abs(int)", ("1.5",)),
        ("java.lang.Math", "abs(byte)", ("128",)),
        ("java.lang.Math", "abs(int)", ("null",)),
        ("java.lang.Math", "sqrt(double)", ('"4"',)),
        ("java.lang.Math", "sqrt(double)", ("-1",)),
        ("java.lang.Math", "max(int, int)", ("1",)),
        ("java.lang.Integer", "parseInt(java.lang.String)", ('"4.2"',)),
        ("java.lang.String", "format(java.lang.String, [Ljava.lang.Object;)", ('"%d"', "[1.5]")),
    ],
)
def test_what_cannot_be_had_is_null_with_a_reason(
    class_name: str, signature: str, arguments: tuple[str, ...]
) -> None:
    assert called(class_name, signature, *arguments) == (None, ["external function"])


def test_other_mappings_are_not_run() -> None:
    found = compile_text('(function(x) external {pmml: {document: "m.pmml", model: "m"}})(1)').run({})
    assert found.value is None
    assert [w.kind for w in found.warnings] == ["external function"]

"""The full language by readable cases in `feel/full/*.txt`, and decision tables in `feel/full/tables/*.txt`.

A file of cases has lines `let NAME = EXPRESSION`, which later lines may use, and

    EXPRESSION => VALUE
    on INPUT: CELL => VALUE          a unary test, as in the cell of a decision table

VALUE is written plainly: numbers without needless zeros, texts in quotes, `error` for what is no sentence of the
language. A mark after it speaks of warnings: none means that there are none, ` !` that there is at least one, ` ~` that
the specification leaves open whether one is due.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sancha.engine.feel import syntax as s
from sancha.engine.feel.lexer import FeelSyntaxError
from sancha.engine.feel.parser import parse_dmn, parse_dmn_tests
from sancha.engine.feel.values import Function, Range, to_text
from sancha.engine.run.dynamic import compile_dynamic

CASES = Path(__file__).parent / "feel" / "full"


def shown(value: Any) -> str:
    """A value as the cases write it; of the engine's own printing only that of temporal values is used."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Decimal):
        value = value or Decimal(0)
        digits = f"{value:f}" if abs(value.adjusted()) < 100 else str(value)
        return digits.rstrip("0").rstrip(".") if "." in digits and "E" not in digits else digits
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key(k)}: {shown(v)}' for k, v in value.items())}}}"
    if isinstance(value, Range):
        low, high = "([" [value.low_closed], ")]" [value.high_closed]  # fmt: skip
        return f"{low}{shown(value.low)}..{shown(value.high)}{high}"
    if isinstance(value, Function):
        return "function"
    return to_text(value)


def key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name, ensure_ascii=False)


def keys(value: Any) -> Iterator[str]:
    """The keys of all contexts within a value."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from keys(item)


@dataclass
class World:
    """The values in scope. Where a file uses a name before it is known, it is unknown."""

    values: dict[str, Any]

    def names(self) -> list[str]:
        return [*self.values, *(name for value in self.values.values() for name in keys(value))]

    def evaluate(self, text: str) -> tuple[Any, bool]:
        """The value and whether anything was warned of. Raises FeelSyntaxError."""
        return self.run(parse_dmn(text, self.names()), text)

    def cell(self, text: str, value: Any) -> tuple[Any, bool]:
        inner = World({"?": value, **self.values})
        return inner.run(parse_dmn_tests(text, inner.names()), text)

    def run(self, tree: s.Node, text: str = "") -> tuple[Any, bool]:
        result = compile_dynamic(tree, list(self.values), text=text).run(self.values)
        for warning in result.warnings:
            assert warning.kind and warning.message, warning
            if warning.text:
                row = warning.text.split("\n")[warning.line - 1]
                assert warning.line >= 1 and 1 <= warning.column <= len(row) + 1, warning
        return result.value, bool(result.warnings)


def agrees(found: tuple[str, bool], expected: str) -> bool:
    value, warned = found
    if expected.endswith((" !", " ~")):
        return value == expected[:-2] and (expected[-1] == "~" or warned)
    return value == expected and not warned


def lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda p: p.stem)
def test_cases(path: Path) -> None:
    world = World({})
    wrong = []
    count = 0
    for number, line in lines(path):
        if line.startswith("let "):
            name, equals, text = line.removeprefix("let ").partition(" = ")
            assert equals, f"{path.name}:{number}: no ` = `"
            world.values[name] = world.evaluate(text)[0]
            continue
        text, arrow, expected = line.rpartition(" => ")
        assert arrow, f"{path.name}:{number}: no ` => `"
        count += 1
        try:
            if text.startswith("on "):
                given, _, cell = text.removeprefix("on ").partition(": ")
                value, warned = world.cell(cell, world.evaluate(given)[0])
            else:
                value, warned = world.evaluate(text)
            found = shown(value), warned
        except FeelSyntaxError:
            found = "error", False
        if not agrees(found, expected):
            mark = " !" if found[1] else ""
            wrong.append(f"{path.name}:{number}: {text} => {expected}, found {found[0]}{mark}")
    assert count >= 50
    assert not wrong, f"{len(wrong)} of {count}\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + // one\n2", "3"),
        ("1 +\n2\n", "3"),
        ("// first\n// second\n1", "1"),
        ("/* over\ntwo lines */ 1", "1"),
        ("1 // last", "1"),
        ("/**/1/**/", "1"),
        ("/* a */ /* b */ 1 /* c */ + 1", "2"),
        ("monthly\n  income", "10000"),
        ("monthly\tincome + 1", "10001"),
        ("{\n  a: 1, // one\n  b: a + 1 /* two */\n}.b", "2"),
        ("if true\nthen 1\nelse 2", "1"),
        ('string\nlength("a")', "1"),
        ("\u00a01\u2003+\ufeff1\u3000", "2"),
        ("[\n  1,\n  2\n]", "[1, 2]"),
        ("", "error"),
        ("  \n ", "error"),
        ("1 // one\r+ 1", "2"),
        ('"two\nlines"', r'"two\nlines"'),
        ("// nothing", "error"),
        ("/* open\n1", "error"),
    ],
)
def test_lines_and_spaces(text: str, expected: str) -> None:
    world = World({"monthly income": Decimal(10000)})
    try:
        found = shown(world.evaluate(text)[0])
    except FeelSyntaxError:
        found = "error"
    assert found == expected


# -- decision tables ---------------------------------------------------------------------------------------------------


def split(text: str) -> list[str]:
    return [part.strip() for part in text.split("|")]


def outputs(text: str) -> tuple[s.Node, ...]:
    return tuple(parse_dmn(entry) for entry in split(text))


def given_values(text: str) -> dict[str, Any]:
    if not text:
        return {}
    value, _ = World({}).evaluate("{" + text + "}")
    assert isinstance(value, dict)
    return value


@dataclass
class TableText:
    """A table as the files write it: its head by key, its rows, and what is given and expected."""

    name: str
    policy: str
    head: dict[str, str]
    rows: list[str]
    cases: list[tuple[int, dict[str, Any], str]]

    def tree(self, names: list[str]) -> s.DecisionTable:
        span = (0, 0)
        expressions = split(self.head["inputs"]) if self.head["inputs"] else []
        allowed = split(self.head["allowed"]) if "allowed" in self.head else ["-"] * len(expressions)
        tests = [None if text == "-" else parse_dmn_tests(text, ["?", *names]) for text in allowed]
        inputs = [
            s.TableInput(span, parse_dmn(text, names), test)
            for text, test in zip(expressions, tests, strict=True)
        ]
        columns = [None if name == "-" else name for name in split(self.head["outputs"])]
        default: tuple[s.Node | None, ...] = (None,) * len(columns)
        if "default" in self.head:
            default = outputs(self.head["default"])
        priorities = split(self.head["values"]) if "values" in self.head else ["-"] * len(columns)
        values = [None if p == "-" else self.listed(p) for p in priorities]
        table_outputs = [
            s.TableOutput(span, name, ranked, otherwise)
            for name, ranked, otherwise in zip(columns, values, default, strict=True)
        ]
        rules = []
        for row in self.rows:
            cells = split(row)
            assert len(cells) == len(inputs) + len(columns), row
            rules.append(
                s.TableRule(
                    span,
                    tuple(parse_dmn_tests(cell, ["?", *names]) for cell in cells[: len(inputs)]),
                    tuple(parse_dmn(cell, names) for cell in cells[len(inputs) :]),
                )
            )
        return s.DecisionTable(span, self.policy, tuple(inputs), tuple(table_outputs), tuple(rules))

    @staticmethod
    def listed(text: str) -> tuple[s.Node, ...]:
        node = parse_dmn(f"[{text}]")
        assert isinstance(node, s.ListOf)
        return node.items


def tables(path: Path) -> list[TableText]:
    found: list[TableText] = []
    for number, line in lines(path):
        key, colon, rest = line.partition(":")
        if line.startswith("table "):
            name, _, policy = line.removeprefix("table ").rpartition(": ")
            found.append(TableText(name, policy, {}, [], []))
        elif line.startswith("given"):
            values, _, expected = line.removeprefix("given").rpartition(" => ")
            found[-1].cases.append((number, given_values(values.strip()), expected))
        elif colon and key in ("inputs", "allowed", "outputs", "values", "default"):
            found[-1].head[key] = rest.strip()
        else:
            found[-1].rows.append(line)
    return found


@pytest.mark.parametrize("path", sorted((CASES / "tables").glob("*.txt")), ids=lambda p: p.stem)
def test_tables(path: Path) -> None:
    wrong = []
    count = 0
    for table in tables(path):
        names = list(dict.fromkeys(name for _, values, _ in table.cases for name in values))
        tree = table.tree(names)
        for number, values, expected in table.cases:
            count += 1
            value, warned = World({name: values.get(name) for name in names}).run(tree)
            if not agrees((shown(value), warned), expected):
                mark = " !" if warned else ""
                wrong.append(
                    f"{path.name}:{number}: {table.name} ({table.policy}) {values} => {expected}, "
                    f"found {shown(value)}{mark}"
                )
    assert count >= 50
    assert not wrong, f"{len(wrong)} of {count}\n" + "\n".join(wrong)

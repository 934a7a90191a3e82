"""Generated expressions of the full language, against feelin (npm), an evaluator of other authors in another language.

Values must be the same; whether and how one warns is each evaluator's own. Where feelin answers otherwise, the table
below says by which words of the specification: either the form is left out of the generated expressions, or the
difference is recognised by the text and by both answers. What is not explained there fails the test.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from full_expressions import cells, expressions
from hypothesis import HealthCheck, example, given, settings
from test_feel_full import shown

from sancha.engine.feel.lexer import FeelSyntaxError
from sancha.engine.feel.values import Range, parse_temporal
from sancha.engine.run.dynamic import compile_text
from sancha.engine.run.dynamic import test_text as cell_text

FOLDER = Path(__file__).parent / "feelin"
NODE = shutil.which("node")

#: Forms and literals that are left out, by their names in `full_expressions`, and what feelin 8.2 makes of them.
LEFT_OUT = {
    "days times": "10.3.2.13, products of a duration and a number: feelin gives null",
    "days over": "10.3.2.13, a duration divided by a number: feelin gives null",
    "negative": "10.3.2.13, the minus of a duration: feelin gives null",
    "hours": "10.3.2.13, a date plus a days and time duration is a date: feelin gives a date and time",
    "months between": "10.3.4.1, years and months duration(from, to): feelin gives days too, and null across years",
    "computed range": "10.3.2.7, a range starts before its end: feelin makes ranges that end before they start",
    "between": "10.3.2.13, x between a and b is x >= a and x <= b: feelin exchanges ends that are not in order",
    "started by": "10.3.4.7, started by: feelin gives null wherever the starts are closed",
    "mode": "10.3.4.4, the modes are sorted in ascending order: feelin keeps their order",
    "median": "10.3.4.4, the median is of the sorted list: feelin sorts numbers as texts",
    "extreme date": "10.3.4.4, min and max of anything comparable: feelin gives null for computed lists of dates",
    "remove": "10.3.4.4, remove at a negative position, or from an empty list: feelin removes another item, or nothing",
    "sublist": "10.3.4.4, a position lies within the list, or the call is null: feelin gives an empty list",
    "insert before": "10.3.4.4, the same: feelin inserts into an empty list",
    "substring": "10.3.4.3, a start position lies within the text, or the call is null: feelin gives an empty text",
    "free condition": "10.3.2.5, conditions that call functions: feelin mistakes some for what they are called with",
    "starts": "10.3.4.7, a comparison of ends, true or false: feelin gives null where they differ in being closed",
    "finishes": "the same",
    "finished by": "the same",
    "coincides": "the same",
    "during": "the same",
    "overlaps before": "the same",
    "overlaps after": "the same",
    "lists": "10.3.2.13, lists of other lengths are not equal: feelin gives null",
    "date of parts": "10.3.4.1, a date that does not exist is null: feelin sorts null, and x = null gives it null",
    "booleans": "10.3.2.5, a filter keeps the items for which it is true: feelin takes booleans in lists for filters",
    "10:30:00Z": "10.3.2.3.5 and 10.3.2.3.7, zones: feelin takes what has none for UTC, and forgets offsets",
    "16:30:00+08:00": "the same",
    "08:00:00-05:00": "the same",
    "2024-02-29T10:30:00Z": "the same",
    "2024-02-29T16:30:00+08:00": "the same",
    "2024-02-29T02:30:00-05:00": "the same",
}


@dataclass(frozen=True)
class Difference:
    """A known difference: the text holds `pattern`, and one of both answers, or a part of it, is as given."""

    pattern: str
    ours: str
    theirs: str
    reason: str

    def explains(self, text: str, ours: str, theirs: str) -> bool:
        return (
            re.search(self.pattern, text) is not None
            and re.search(self.ours, ours) is not None
            and re.search(self.theirs, theirs) is not None
        )


KNOWN = [
    Difference(
        "^on ",
        "^null$",
        "^(true|false)$",
        "10.3.2.13: the order of null is null, its negation too; feelin says false",
    ),
    Difference(
        r'^on @"-?P.*(\+|-)',
        "",
        "",
        "10.3.2.3.8: days and time durations are equal by their length; feelin takes some beyond a year for equal",
    ),
    Difference(
        r" in \(",
        "^(true|false)$",
        "^null$",
        "10.3.2.13: x = null is false for x; feelin gives null for x in (null)",
    ),
    Difference(
        r'list contains\(.*@"',
        "",
        "",
        "10.3.4.4: an element equal to the value; feelin compares dates by identity",
    ),
    Difference(
        r"\b(sort|some|every)\b.*\.[abc]\b",
        "",
        "",
        "10.3.2.13: a missing entry is null, and some, every and sort of null are null; feelin takes null for false",
    ),
    Difference(
        r"(<|>)=? .*\.[abc]\b|\.[abc]\b.* (<|>)=?",
        "",
        "",
        "10.3.2.13: a missing entry is null, which has no order; feelin compares texts with what is no text",
    ),
]


class Feelin:
    """A process of feelin that answers expression after expression."""

    def __init__(self) -> None:
        assert NODE is not None
        self.process = subprocess.Popen(
            [NODE, "evaluate.mjs"],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def evaluate(self, text: str, **more: str) -> str:
        """The value as the cases of the language write it, or `error`."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"text": text, **more}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return "error" if "error" in answer else shown(value_of(answer["value"]))

    def close(self) -> None:
        self.process.communicate()


def value_of(tagged: Any) -> Any:
    """An answer of feelin as one of our values."""
    if not isinstance(tagged, dict):
        return tagged
    ((kind, content),) = tagged.items()
    if kind == "number":
        return Decimal(content)
    if kind == "list":
        return [value_of(item) for item in content]
    if kind == "context":
        return {key: value_of(entry) for key, entry in content}
    if kind == "range":
        low_closed, low, high, high_closed = content
        return Range(value_of(low), value_of(high), low_closed, high_closed)
    if kind == "string":
        return content
    return parse_temporal(content)


def ours(text: str, given: str | None = None) -> str:
    try:
        if given is None:
            return shown(compile_text(text).run({}).value)
        return shown(cell_text(text).run({"?": compile_text(given).run({}).value}).value)
    except FeelSyntaxError:
        return "error"


pytestmark = pytest.mark.skipif(
    NODE is None or not (FOLDER / "node_modules" / "feelin").is_dir(),
    reason="needs node, and feelin: run `npm ci` in tests/feelin",
)


@pytest.fixture(scope="module")
def feelin() -> Iterator[Feelin]:
    process = Feelin()
    yield process
    process.close()


def alike(found: str, theirs: str) -> bool:
    """The same value; or the same number as far as a binary float holds it (10.3.2.3.1: FEEL has 34 digits)."""
    if found == theirs:
        return True
    try:
        return float(found) == float(theirs)
    except ValueError:
        return False


def compare(text: str, found: str, theirs: str) -> None:
    if not alike(found, theirs) and not any(known.explains(text, found, theirs) for known in KNOWN):
        pytest.fail(f"{text}\n  here: {found}\n  feelin: {theirs}")


@settings(max_examples=1200, suppress_health_check=list(HealthCheck))
@given(expressions(stray=False, without=frozenset(LEFT_OUT)))
@example("1 + 2 * 3")
def test_values(feelin: Feelin, text: str) -> None:
    compare(text, ours(text), feelin.evaluate(text))


@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(cells(without=frozenset(LEFT_OUT)))
def test_unary_tests(feelin: Feelin, cell: tuple[str, str]) -> None:
    given_, text = cell
    compare(f"on {given_}: {text}", ours(text, given_), feelin.evaluate(text, input=given_))


def test_the_comparison_compares(feelin: Feelin) -> None:
    """Nothing is explained away: simple values come back as they are, and each known difference is one."""
    for text, value in [
        ("1 + 2", "3"),
        ('"a" + "b"', '"ab"'),
        ('[1, {a: @"2024-02-29"}, true, null]', "[1, {a: 2024-02-29}, true, null]"),
        ("[1..5)", "[1..5)"),
        ("1 +", "error"),
        ('@"P1DT2H" = @"PT26H"', "true"),
    ]:
        assert ours(text) == feelin.evaluate(text) == value
    with pytest.raises(pytest.fail.Exception):
        compare("1 + 1", "2", "3")

"""String functions (DMN 1.5, 10.3.4.3). Positions and lengths count characters of Unicode.

Patterns are the regular expressions of XPath and XQuery (`engine/feel/patterns.py`). What XPath calls an error gives
null: an invalid pattern, flag or replacement, and in `replace` and `split` a pattern that matches the empty string.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sancha.engine.feel import patterns, values
from sancha.engine.feel.builtins.numbers import integer
from sancha.engine.feel.builtins.registry import FeelError, builtin
from sancha.engine.feel.patterns import PatternError, compile_pattern
from sancha.engine.run import runtime


@builtin(
    "substring(string: string, start position: number, length?: number | null)",
    example=('substring("foobar", -2, 1)', '"a"'),
)
def substring(string: str, start: Decimal, length: Decimal | None) -> str:
    """The characters from a position on, all or at most so many; -1 is the last."""
    at = integer(start, "start position")
    most = len(string) if length is None else integer(length, "length")
    if at == 0 or abs(at) > len(string):
        raise FeelError(f"position {start} is not in a string of {len(string)} characters")
    if most < 1:
        raise FeelError(f"a length of {length}")
    return runtime.SUBSTRING(string, at, most) or ""


@builtin("string length(string: string)", example=('string length("foo")', "3"))
def string_length(string: str) -> Decimal:
    """How many characters there are."""
    return Decimal(len(string))


@builtin("upper case(string: string)", example=('upper case("aBc4")', '"ABC4"'))
def upper_case(string: str) -> str:
    """The string in capital letters, as Unicode maps them: one letter may become two, `ß` is `SS`."""
    return string.upper()


@builtin("lower case(string: string)", example=('lower case("aBc4")', '"abc4"'))
def lower_case(string: str) -> str:
    """The string in small letters, as Unicode maps them."""
    return string.lower()


@builtin(
    "substring before(string: string, match: string)", example=('substring before("foobar", "bar")', '"foo"')
)
def substring_before(string: str, match: str) -> str:
    """What stands before the first match; empty if there is none."""
    before, found, _ = string.partition(match) if match else ("", "", "")
    return before if found else ""


@builtin(
    "substring after(string: string, match: string)", example=('substring after("foobar", "ob")', '"ar"')
)
def substring_after(string: str, match: str) -> str:
    """What stands after the first match; empty if there is none."""
    return string.partition(match)[2] if match else string


@builtin("contains(string: string, match: string)", example=('contains("foobar", "of")', "false"))
def contains(string: str, match: str) -> bool:
    """Whether the match stands in the string."""
    return match in string


@builtin("starts with(string: string, match: string)", example=('starts with("foobar", "fo")', "true"))
def starts_with(string: str, match: str) -> bool:
    """Whether the string begins with the match."""
    return string.startswith(match)


@builtin("ends with(string: string, match: string)", example=('ends with("foobar", "r")', "true"))
def ends_with(string: str, match: str) -> bool:
    """Whether the string ends with the match."""
    return string.endswith(match)


@builtin(
    "matches(input: string, pattern: string, flags?: string | null)",
    example=('matches("foobar", "^fo*B", "i")', "true"),
)
def matches(input_: str, pattern: str, flags: str | None) -> bool:
    """Whether a part of the string matches the regular expression. Flags: s, m, i, x, q."""
    try:
        return compile_pattern(pattern, flags or "").matches(input_)
    except PatternError as problem:
        raise FeelError(str(problem), "invalid pattern") from None


@builtin(
    "replace(input: string, pattern: string, replacement: string, flags?: string | null)",
    example=('replace("abcd", "(ab)|(a)", "[1=$1][2=$2]")', '"[1=ab][2=]cd"'),
)
def replace(input_: str, pattern: str, replacement: str, flags: str | None) -> str:
    """The string with all matches replaced; `$1` is what the first group of the pattern matched."""
    try:
        return patterns.replace(input_, compile_pattern(pattern, flags or ""), replacement)
    except PatternError as problem:
        raise FeelError(str(problem), "invalid pattern") from None


@builtin(
    "split(string: string, delimiter: string)", example=('split("a;b;c;;", ";")', '["a", "b", "c", "", ""]')
)
def split(string: str, delimiter: str) -> list[str]:
    """What stands between the matches of a regular expression."""
    try:
        return patterns.split(string, compile_pattern(delimiter))
    except PatternError as problem:
        raise FeelError(str(problem), "invalid pattern") from None


@builtin("string join(list: list)", example=('string join(["a", null, "c"])', '"ac"'))
def string_join(list_: list[Any]) -> str:
    """The strings of the list as one; nulls are left out."""
    return _joined(list_, "")


@builtin(
    "string join(list: list, delimiter: string | null)",
    example=('string join(["a", "b", null, "c"], "-")', '"a-b-c"'),
)
def string_join_delimited(list_: list[Any], delimiter: str | None) -> str:
    """The strings of the list as one, with the delimiter between them; nulls are left out."""
    return _joined(list_, delimiter or "")


def _joined(items: list[Any], delimiter: str) -> str:
    for item in items:
        if item is not None and not isinstance(item, str):
            raise FeelError(f"the list holds a {values.kind_of(item)}, not only strings")
    return delimiter.join(item for item in items if item is not None)

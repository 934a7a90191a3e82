"""The built-in functions of the full language: their examples, their laws, and patterns against Python's own."""

from __future__ import annotations

import re
import statistics
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sancha.engine.feel import patterns, values
from sancha.engine.feel.builtins import BUILTINS, Builtin, FeelError
from sancha.engine.feel.patterns import PatternError, compile_pattern
from sancha.engine.feel.values import Function, Range, parse_temporal
from sancha.engine.run import runtime
from sancha.engine.run.dynamic import compile_text

numbers = st.decimals(-(10**9), 10**9, places=3).map(lambda n: n.normalize())
words = st.text("ab三,.", max_size=8)
items = st.one_of(numbers, words, st.booleans(), st.none(), st.lists(numbers, max_size=2))
lists = st.lists(items, max_size=6)
contexts = st.dictionaries(words, items, max_size=4)


def value(text: str) -> Any:
    result = compile_text(text).run({})
    assert result.warnings == (), text
    return result.value


def row(name: str, arguments: int = 0) -> Builtin:
    """The function of that name with so many parameters, or its first."""
    return next((r for r in BUILTINS[name] if arguments == len(r.parameters)), BUILTINS[name][0])


def call(name: str, *arguments: Any) -> Any:
    return row(name, len(arguments)).run(*arguments)


def less(a: Decimal, b: Decimal) -> bool:
    return a < b


def function(run: Any) -> Function:
    return Function((("x", None), ("y", None)), run)


# -- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILTINS)
def test_every_row_does_what_its_example_says(name: str) -> None:
    for each in BUILTINS[name]:
        expression, expected = each.example
        assert values.equal(value(expression), value(expected)) is True, each.signature
        assert each.doc, each.signature
        assert name + "(" in expression, f"{each.signature}: the example calls another function"


@pytest.mark.parametrize("name", BUILTINS)
def test_every_function_can_be_called_with_named_parameters(name: str) -> None:
    """Called with null for each name: there are warnings of what null leads to, but none of the names."""
    for each in BUILTINS[name]:
        if each.parameters and not any(p.variadic for p in each.parameters):
            arguments = ", ".join(f"{p.name}: null" for p in each.parameters)
            kinds = {w.kind for w in compile_text(f"{name}({arguments})").run({}).warnings}
            assert "arguments" not in kinds, each.signature


temporals = st.sampled_from(
    [*map(parse_temporal, ("2024-02-29", "09:00:00Z", "2024-02-29T09:00:00", "P1DT2H", "-P1Y"))]
)
ranges = st.builds(Range, st.none() | numbers, numbers, st.just(False), st.booleans())
functions = st.sampled_from(
    [Function((("x", None),), lambda x: x), Function((("x", None), ("y", None)), lambda x, y: True)]
)
anything = st.one_of(
    items, temporals, ranges, functions, contexts, st.lists(st.one_of(temporals, contexts, items), max_size=3)
)


def is_value(found: Any) -> bool:
    kind = values.kind_of(found)
    parts = found if kind == "list" else found.values() if kind == "context" else ()
    return (kind != "number" or found.is_finite()) and all(map(is_value, parts))


@pytest.mark.parametrize("count", [1, 2, 3])
@given(name=st.sampled_from(sorted(BUILTINS)), given=st.tuples(anything, anything, anything))
@settings(max_examples=400)
def test_any_arguments_give_a_value_or_null(count: int, name: str, given: tuple[Any, ...]) -> None:
    names = "abc"[:count]
    result = compile_text(f"{name}({', '.join(names)})", names).run(dict(zip(names, given, strict=False)))
    assert is_value(result.value)


# -- numbers -----------------------------------------------------------------------------------------------------------


@given(numbers, numbers.filter(bool))
def test_modulo_is_what_floor_division_leaves(a: Decimal, b: Decimal) -> None:
    assert Fraction(call("modulo", a, b)) == Fraction(a) % Fraction(b)


def test_modulo_is_exact_where_the_quotient_has_more_than_34_digits() -> None:
    assert call("modulo", Decimal("1e6000"), Decimal(7)) == pow(10, 6000, 7)
    assert call("modulo", Decimal("1e40"), Decimal("-0.3")) == Decimal("-0.2")


def half_down(n: Fraction) -> int:
    whole, rest = divmod(abs(n), 1)
    return int(whole + (rest > Fraction(1, 2))) * (1 if n > 0 else -1)


ROUNDINGS = {
    "round half down": half_down,
    "floor": lambda n: n.__floor__(),
    "ceiling": lambda n: n.__ceil__(),
    "round down": lambda n: n.__trunc__(),
    "round up": lambda n: n.__ceil__() if n > 0 else n.__floor__(),
    "round half up": lambda n: int(abs(n) + Fraction(1, 2)) * (1 if n > 0 else -1),
    "decimal": round,
}


@pytest.mark.parametrize("name", ROUNDINGS)
@given(n=numbers, scale=st.integers(-4, 4))
def test_rounding_agrees_with_fractions(name: str, n: Decimal, scale: int) -> None:
    unit = Fraction(10) ** -scale
    found = call(name, n, Decimal(scale))
    assert Fraction(found) == ROUNDINGS[name](Fraction(n) / unit) * unit
    assert not (found.is_zero() and found.is_signed()), "there is no negative zero"


@pytest.mark.parametrize("name", ROUNDINGS)
def test_scales_end_where_decimal128_ends(name: str) -> None:
    n = Decimal("5.5")
    assert call(name, n, Decimal(6176)) == n
    call(name, n, Decimal(-6111))
    for scale in (6177, -6112, 10**30):
        with pytest.raises(FeelError, match="scale"):
            call(name, n, Decimal(scale))


def test_money_keeps_34_digits() -> None:
    amount = Decimal("12345678901234567890123456789012.345")
    assert call("decimal", amount, Decimal(2)) == runtime.CONTEXT.plus(amount)
    assert value("decimal(1/3, 40)") == value("1/3")
    assert value("exp(1) - 2.718281828459045235360287471352662") == 0


@pytest.mark.parametrize("n", ["0.5", "-1.5", "1e-3"])
def test_a_fraction_is_neither_odd_nor_even(n: str) -> None:
    for name in ("odd", "even"):
        with pytest.raises(FeelError):
            call(name, Decimal(n))


@given(st.integers(-(10**40), 10**40))
def test_a_whole_number_is_odd_or_even(n: int) -> None:
    assert call("odd", Decimal(n)) is bool(n % 2) is not call("even", Decimal(n))


@pytest.mark.parametrize(
    "text", ["sqrt(-1)", "log(0)", "log(-1)", "modulo(1, 0)", "exp(20000)", "exp(-20000)"]
)
def test_what_is_no_number_is_null_with_a_warning(text: str) -> None:
    result = compile_text(text).run({})
    assert result.value is None and len(result.warnings) == 1


# -- strings -----------------------------------------------------------------------------------------------------------


@given(words, words)
def test_before_match_after_make_the_string(text: str, match: str) -> None:
    before, after = call("substring before", text, match), call("substring after", text, match)
    assert (before + match + after == text) if call("contains", text, match) else (before, after) == ("", "")


@given(st.text("ab🐎", min_size=1), st.integers(-9, 9), st.integers(1, 9))
def test_substring_is_a_slice_of_characters(text: str, start: int, length: int) -> None:
    if start == 0 or abs(start) > len(text):
        with pytest.raises(FeelError):
            call("substring", text, Decimal(start), Decimal(length))
    else:
        at = start - 1 if start > 0 else len(text) + start
        assert call("substring", text, Decimal(start), Decimal(length)) == text[at:][:length]
        assert call("substring", text, Decimal(start), None) == text[at:]


@given(st.lists(st.text("ab"), min_size=1), st.sampled_from(["; ", "|", "()", "\\"]))
def test_split_undoes_join(parts: list[str], delimiter: str) -> None:
    joined = call("string join", parts, delimiter)
    assert call("split", joined, re.sub(r"([|()\\])", r"\\\1", delimiter)) == parts


@given(st.integers(-(10**12), 10**12), st.sampled_from([" ", ",", "."]), st.sampled_from([",", "."]))
def test_numbers_are_read_with_their_separators(n: int, grouping: str, point: str) -> None:
    text = f"{n:,}".replace(",", grouping) + point + "25"
    if grouping == point:
        with pytest.raises(FeelError, match="both"):
            call("number", text, grouping, point)
    else:
        assert call("number", text, grouping, point) == Decimal(f"{n}.25")


@pytest.mark.parametrize("text", ["1.5.5", "+1", " 1", "1_000", "٣", "", ",", "1e99999"])
def test_what_is_left_without_grouping_separators_must_be_a_number(text: str) -> None:
    with pytest.raises(FeelError):
        call("number", text, ",", ".")


@pytest.mark.parametrize("text", ["1000.5", "1,000.5", "1,,000.5", ",1000.5", "1000.5,"])
def test_all_grouping_separators_are_removed(text: str) -> None:
    assert call("number", text, ",", ".") == Decimal("1000.5")


# -- patterns ----------------------------------------------------------------------------------------------------------

MATCHES = [
    # what XPath means otherwise than Python
    ("a\n", "a$", "", False),
    ("a\nb", "a$", "m", True),
    ("a\nb", "^b", "m", True),
    ("a\n", "^$", "m", False),
    ("a\rb", "a.b", "", False),
    ("a\nb", "a.b", "s", True),
    ("_", r"\w", "", False),
    ("+", r"\w", "", True),
    ("\u00a0", r"\s", "", False),
    ("三", r"\p{L}", "", True),
    ("α", r"^\p{IsGreek}$", "", True),
    ("a", r"\P{Lu}", "", True),
    ("x", r"[\P{Lu}-[x]]", "", False),
    (":", r"\i", "", True),
    ("-", r"^[\c-[a-z]]$", "", True),
    ("b", "[a-c-[b]]", "", False),
    ("-", "[ab-]", "", True),
    ("#", "a # b", "x", False),
    ("a#b", "a # b", "x", True),
    ("a b", "a[ ]b", "x", True),
    # case-blind, with sets
    ("\u212a", "k", "i", True),
    ("ς", "Σ", "i", True),
    ("q", "[^Q]", "i", False),
    ("o", "[A-Z-[OI]]", "i", False),
    ("aBAb", r"^(ab)\1$", "i", True),
    ("a", r"\p{Lu}", "i", False),
    # groups and references
    ("aa", r"(a)(b)?\2a", "", True),
    ("a" + "b" * 10 + "b0", "(a)(b)(b)(b)(b)(b)(b)(b)(b)(b)\\100", "", False),
    ("a" + "b" * 10 + "0", "(a)(b)(b)(b)(b)(b)(b)(b)(b)(b)\\100", "", True),
    ("aba0", r"(a)b\10", "", True),
    # all characters stand for themselves
    ("a.b", "A.B", "qi", True),
    ("axb", "a.b", "q", False),
]


@pytest.mark.parametrize(("text", "pattern", "flags", "expected"), MATCHES)
def test_patterns_mean_what_xpath_says(text: str, pattern: str, flags: str, expected: bool) -> None:
    compiled = compile_pattern(pattern, flags)
    assert compiled.matches(text) is expected
    slow = patterns._machine(compiled).search(text, 0)
    assert (slow is not None) is expected


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "a)", "[", "[a", "[]", "]", "*", "a**", "a{2,1}", "{1}", "a{9999999}", "[b-a]", r"[a-\d]", "[a-c-e]",
     r"\b", r"\0", r"[\1]", "\\", r"(a\1)", r"(a)\2", "(?=a)", "(?i)a", r"\p{Nope}", r"\p{ L}", r"\pL", "(" * 51,
     "[a-[" * 51],
)  # fmt: skip
def test_what_is_no_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(PatternError, match=r".\Z"):
        compile_pattern(pattern)


@pytest.mark.parametrize("flags", ["p", " ", "i i", "A"])
def test_unknown_flags_are_errors(flags: str) -> None:
    with pytest.raises(PatternError, match="unknown flag"):
        compile_pattern("a", flags)


#: Patterns that Python and XPath read alike; no loop over what may be empty, where engines differ in what is matched.
atoms = st.sampled_from(["a", "b", "[ab]", "[^a]", "(?:ab)", "(a)", "(b|ab)", "(a|b|ba)"])
pieces = st.builds(
    "".join, st.tuples(atoms, st.sampled_from(["", "?", "*", "+", "*?", "+?", "??", "{1,2}", "{2}"]))
)
branches = st.lists(pieces, min_size=1, max_size=4).map("".join)
nested = st.builds(
    "({}){}".format, branches.filter(lambda b: not re.match(b, "")), st.sampled_from(["+", "*?", "{2,}"])
)
expressions = st.lists(st.one_of(branches, nested), min_size=1, max_size=3).map("|".join)


@given(expressions, st.text("ab", max_size=9))
def test_both_ways_to_match_agree_with_python(pattern: str, text: str) -> None:
    expected = re.search(pattern, text)
    compiled = compile_pattern(pattern)
    for found in (patterns._machine(compiled).search(text, 0), compiled._regex(text, 0)):
        assert (found and found[0]) == (expected and expected.span())


@given(
    st.text(r"ab()[]|*+?^$\.-{},1dpLx ", max_size=12),
    st.text("ab-1 ", max_size=6),
    st.sampled_from(["", "x", "im"]),
)
def test_any_text_is_a_pattern_or_a_clear_error(pattern: str, text: str, flags: str) -> None:
    try:
        compiled = compile_pattern(pattern, flags)
        fast = compiled._regex(text, 0)
        slow = patterns._machine(compiled).search(text, 0)
    except PatternError:
        return
    assert (fast is None) is (slow is None)


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|a)*b", "a*a*a*a*a*b", "(a?){25}a{25}b", "((a*)*)*b", "(a|aa)+$b"]
)
def test_hard_patterns_end(pattern: str) -> None:
    assert compile_pattern(pattern).matches("a" * 2000) is False


def test_a_pattern_that_needs_too_many_steps_is_null() -> None:
    result = compile_text(r'matches(text, "(a*)*(a*)*(a*)*\\1\\2b")', ["text"]).run({"text": "a" * 200})
    assert result.value is None
    assert "steps" in result.warnings[0].message


def test_replacements() -> None:
    def replaced(text: str, pattern: str, replacement: str, flags: str = "") -> str:
        return patterns.replace(text, compile_pattern(pattern, flags), replacement)

    assert replaced("2024-05", "([0-9]+)-([0-9]+)", "$2/$1") == "05/2024"
    assert replaced("abc", "b", r"\$\\$0") == r"a$\bc"
    assert replaced("abc", "(b)", "$12$2") == "ab2c"
    assert replaced("a.c", ".", "$1", "q") == "a$1c"
    assert replaced("ab", "(a)|(b)", "<$1$2>") == "<a><b>"
    assert replaced("aaa", "a{2}", "b") == "ba"
    for pattern, replacement in (("a*", ""), ("^", ""), ("a", "$"), ("a", "$x"), ("a", "\\n"), ("a", "\\")):
        with pytest.raises(PatternError):
            replaced("a", pattern, replacement)


# -- lists -------------------------------------------------------------------------------------------------------------


@given(lists)
def test_reversing_twice_changes_nothing(list_: list[Any]) -> None:
    assert call("reverse", call("reverse", list_)) == list_


@given(st.lists(numbers))
def test_sort_is_a_stable_permutation(list_: list[Decimal]) -> None:
    pairs = [[n % 5, n] for n in list_]
    by_first = function(lambda x, y: x[0] < y[0])
    assert call("sort", pairs, by_first) == sorted(pairs, key=lambda pair: pair[0])
    assert call("sort", list_, function(less)) == sorted(list_)


def test_sort_and_list_replace_ask_for_a_boolean_of_two_arguments() -> None:
    one = Function((("x", None),), lambda x: True)
    for name in ("sort(list, f)", "list replace(list, f, 1)"):
        for f, message in ((one, "two arguments"), (function(lambda x, y: None), "gave a null")):
            result = compile_text(name, ["list", "f"]).run({"list": [Decimal(1), Decimal(2)], "f": f})
            assert result.value is None
            assert message in result.warnings[0].message


@given(lists, lists)
def test_union_is_the_distinct_items_of_both(a: list[Any], b: list[Any]) -> None:
    union = call("union", a, b)
    assert call("distinct values", union) == union == call("distinct values", call("concatenate", a, b))
    for item in (*a, *b):
        assert len(call("index of", union, item)) == 1


@given(lists, items)
def test_an_item_is_contained_where_it_has_a_place(list_: list[Any], item: Any) -> None:
    places = call("index of", list_, item)
    assert call("list contains", list_, item) is bool(places)
    assert all(values.equal(list_[int(place) - 1], item) for place in places)


def test_equal_items_are_of_one_kind() -> None:
    mixed = [
        Decimal(1),
        True,
        "1",
        Decimal("1.0"),
        None,
        [Decimal(1)],
        None,
        parse_temporal("P1D"),
        parse_temporal("PT24H"),
    ]
    assert call("distinct values", mixed) == [mixed[at] for at in (0, 1, 2, 4, 5, 7)]


@given(lists, items, st.integers(-7, 7))
def test_what_is_inserted_can_be_removed(list_: list[Any], item: Any, position: int) -> None:
    if position == 0 or abs(position) > len(list_):
        for name, more in (
            ("insert before", (item,)),
            ("remove", ()),
            ("list replace", (item,)),
            ("sublist", (None,)),
        ):
            with pytest.raises(FeelError, match="position"):
                call(name, list_, Decimal(position), *more)
        return
    at = position - 1 if position > 0 else len(list_) + position
    longer = call("insert before", list_, Decimal(position), item)
    assert longer[at] is item and call("remove", longer, Decimal(at + 1)) == list_
    assert call("list replace", list_, Decimal(position), item) == [*list_[:at], item, *list_[at + 1 :]]
    assert call("sublist", list_, Decimal(position), None) == list_[at:]


@given(lists, st.integers(1, 6), st.integers(-1, 7))
def test_a_sublist_has_the_length_asked_for(list_: list[Any], start: int, length: int) -> None:
    if start <= len(list_) and 1 <= length <= len(list_) - start + 1:
        assert call("sublist", list_, Decimal(start), Decimal(length)) == list_[start - 1 :][:length]
    else:
        with pytest.raises(FeelError):
            call("sublist", list_, Decimal(start), Decimal(length))


@given(st.recursive(items, lambda inner: st.lists(inner, max_size=3), max_leaves=12))
def test_flatten_leaves_no_list(nested: Any) -> None:
    def leaves(tree: Any) -> list[Any]:
        return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, list) else [tree]

    assert call("flatten", [nested]) == leaves(nested)


def test_flatten_goes_as_deep_as_the_list() -> None:
    deep: list[Any] = [1]
    for _ in range(100_000):
        deep = [deep]
    assert call("flatten", deep) == [1]


def test_no_function_changes_its_arguments() -> None:
    given = [Decimal(3), Decimal(1), [Decimal(2)]]
    one = Decimal(1)
    for name in ("reverse", "flatten", "distinct values"):
        call(name, given)
    for name, other in (("append", one), ("concatenate", [one]), ("union", [one]), ("remove", one)):
        BUILTINS[name][0].run(given, other)
    call("insert before", given, one, one)
    assert given == [Decimal(3), Decimal(1), [Decimal(2)]]


@given(st.lists(numbers, min_size=1, max_size=9))
def test_aggregates_agree_with_their_definitions(list_: list[Decimal]) -> None:
    assert call("sum", list_) == reduce(runtime.ADD, list_) == row("sum").run(list_)
    assert call("min", list_) == min(list_) and call("max", list_) == max(list_)
    assert call("median", list_) == statistics.median(list_)
    assert call("mode", list_) == sorted(statistics.multimode(list_))
    mean = sum(map(Fraction, list_)) / len(list_)
    assert abs(Fraction(call("mean", list_)) - mean) <= abs(mean) * Fraction(1, 10**30)
    if len(list_) > 1:
        variance = statistics.variance(map(Fraction, list_))
        found = Fraction(call("stddev", list_))
        assert abs(found * found - variance) <= variance * Fraction(1, 10**20)


def test_aggregates_of_nothing() -> None:
    for name in ("sum", "product", "min", "max", "mean", "median", "stddev"):
        assert value(f"{name}([])") is None
    assert [value(f"{text}([])") for text in ("mode", "count", "all", "any")] == [[], 0, True, False]
    for name in ("sum", "min", "median", "mode", "all", "concatenate", "union"):
        assert compile_text(f"{name}()").run({}).warnings


@pytest.mark.parametrize("name", ["sum", "product", "min", "max", "mean", "median", "stddev", "mode"])
@pytest.mark.parametrize("items", ['[1, "a"]', "[1, null]", "[null]", "[[1], 2]", '1, "a"', "1, null"])
def test_mixed_items_are_null_with_a_warning(name: str, items: str) -> None:
    result = compile_text(f"{name}({items})").run({})
    assert result.value is None
    assert result.warnings


@pytest.mark.parametrize("items", ["[true, false, 1]", '"a"', "[[true]]", "false, 0"])
def test_all_and_any_take_booleans(items: str) -> None:
    for name in ("all", "any"):
        result = compile_text(f"{name}({items})").run({})
        assert result.value is None and result.warnings


@given(st.lists(st.sampled_from([True, False, None]), max_size=4))
def test_all_and_any_are_the_connectives_over_lists(list_: list[bool | None]) -> None:
    text = " and ".join(["true", *map(values.written, list_)])
    assert call("all", list_) is value(text)
    assert call("any", list_) is value(text.replace("and", "or").replace("true", "false", 1))


# -- contexts ----------------------------------------------------------------------------------------------------------


@given(contexts, words, items)
def test_what_is_put_into_a_context_is_got(context: dict[str, Any], key: str, item: Any) -> None:
    put = call("context put", context, key, item)
    assert call("get value", put, key) is item
    assert list(put) == list(context) + [key] * (key not in context)
    assert put == BUILTINS["context put"][1].run(context, [key], item)


@given(contexts)
def test_a_context_is_its_entries(context: dict[str, Any]) -> None:
    assert call("context", call("get entries", context)) == context


@given(st.lists(contexts, max_size=3))
def test_merging_is_putting_one_by_one(parts: list[dict[str, Any]]) -> None:
    merged: dict[str, Any] = {}
    for part in parts:
        for key, item in part.items():
            merged = call("context put", merged, key, item)
    assert call("context merge", parts) == merged


def test_a_nested_put_needs_contexts_on_its_way() -> None:
    assert value('context put({x: 1, y: {a: {b: 0}}}, ["y", "a", "c"], 2)') == value(
        "{x: 1, y: {a: {b: 0, c: 2}}}"
    )
    for keys in ('["x", "a"]', '["z", "a"]', "[1]", "[]", '["y", null]'):
        result = compile_text(f"context put({{x: 1, y: {{a: 0}}}}, {keys}, 2)").run({})
        assert result.value is None and result.warnings, keys


# -- ranges ------------------------------------------------------------------------------------------------------------

#: Points between and beyond the ends of the ranges below, so that sets of them differ where the ranges do.
GRID = [Decimal(n) / 4 for n in range(17)]
ENDS = (Decimal(1), Decimal(2), Decimal(3))
RANGES = [
    Range(low, high, low_closed, high_closed)
    for low, high in product((None, *ENDS), (None, *ENDS))
    for low_closed, high_closed in product((True, False), repeat=2)
    if (low is not None or high is not None)
    and (low is None or high is None or low < high or (low == high and low_closed and high_closed))
    and not (low is None and low_closed)
    and not (high is None and high_closed)
]


def points(range_: Range) -> set[Decimal]:
    return {point for point in GRID if range_.includes(point)}


def below(a: set[Decimal], b: set[Decimal]) -> bool:
    """Whether a point of `a` is less than all of `b`."""
    return min(a) < min(b)


def above(a: set[Decimal], b: set[Decimal]) -> bool:
    return max(a) > max(b)


RELATIONS = {
    "before": lambda a, b: max(a) < min(b),
    "meets": lambda a, b: a & b == {max(a)} == {min(b)},
    "overlaps": lambda a, b: bool(a & b),
    "overlaps before": lambda a, b: bool(a & b) and below(a, b) and not above(a, b),
    "overlaps after": lambda a, b: bool(a & b) and below(b, a) and not above(b, a),
    "finishes": lambda a, b: a <= b and max(a) == max(b),
    "includes": lambda a, b: a >= b,
    "starts": lambda a, b: a <= b and min(a) == min(b),
    "coincides": lambda a, b: a == b,
}
CONVERSE = {
    "after": "before",
    "met by": "meets",
    "finished by": "finishes",
    "during": "includes",
    "started by": "starts",
}


@pytest.mark.parametrize("name", [*RELATIONS, *CONVERSE])
def test_relations_of_ranges_are_those_of_their_points(name: str) -> None:
    between = next(r for r in BUILTINS[name] if [p.kinds for p in r.parameters] == [("range",), ("range",)])
    for a, b in product(RANGES, RANGES):
        expected = (
            RELATIONS[CONVERSE[name]](points(b), points(a))
            if name in CONVERSE
            else RELATIONS[name](points(a), points(b))
        )
        assert between.run(a, b) is expected, f"{name}({a}, {b})"


@pytest.mark.parametrize(
    "name",
    [n for n in (*RELATIONS, *CONVERSE) if "met" not in n and "meets" not in n and "overlaps" not in n],
)
def test_a_point_is_the_range_of_itself_alone(name: str) -> None:
    for each in BUILTINS[name]:
        kinds = [p.kinds == ("range",) for p in each.parameters]
        between = next(r for r in BUILTINS[name] if all(p.kinds == ("range",) for p in r.parameters))
        for a, b in product(RANGES if kinds[0] else GRID, RANGES if kinds[1] else GRID):
            as_ranges = [
                side if isinstance(side, Range) else Range(side, side, True, True) for side in (a, b)
            ]
            assert each.run(a, b) is between.run(*as_ranges), f"{name}({a}, {b})"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("before(@\"2024-01-31\", [@\"2024-02-01\"..@\"2024-02-29\"])", True),
        ("during(@\"P1M\", (@\"P0M\"..@\"P1Y\"])", True),
        ("overlaps([\"a\"..\"c\"], [\"b\"..\"d\"])", True),
        ("includes([@\"09:00:00\"..@\"17:00:00\"), @\"17:00:00\")", False),
        ("coincides(@\"2024-01-01T00:00:00Z\", @\"2024-01-01T08:00:00+08:00\")", True),
        ("before(point1: 1, point2: 2)", True),
        ("includes(range: [1..2], point: 0)", False),
        ("finished by(range1: [1..10], range2: (3..10])", True),
    ],
)  # fmt: skip
def test_relations_hold_for_all_that_has_an_order(text: str, expected: bool) -> None:
    assert value(text) is expected


@pytest.mark.parametrize(
    "text", ['before(1, "a")', 'includes([1..2], "a")', "meets([1..2], 2)", "before(true, false)"]
)
def test_what_has_no_order_is_null_with_a_warning(text: str) -> None:
    result = compile_text(text).run({})
    assert result.value is None and result.warnings


@pytest.mark.parametrize(
    "text",
    ["[1..3]", "(1..3)", "]1..3[", "[ -1.5 .. .5 ]", '["a..b".."c"]', '[@"P1D"..duration("P2D"))', "(..3]", "[1..)",
     "]..3[", '[date("2024-01-01") .. @"2024-12-31"]', '(time( "09:00:00" )..@"17:00:00")', "[1..1]"],
)  # fmt: skip
def test_a_range_is_read_as_it_is_written(text: str) -> None:
    found = call("range", text)
    assert isinstance(found, Range)
    assert (found.low_closed, found.high_closed) == (text[0] == "[", text[-1] == "]")
    assert [end is None for end in (found.low, found.high)] == [text[1:3] == "..", text[-3:-1] == ".."]
    if found.low is not None and found.high is not None:
        assert values.equal(found, value(text)) is True


@pytest.mark.parametrize(
    "text",
    ["", " ", "1..3", "[1..3", "[1,3]", "[..3]", "[1..]", "(..)", "[3..1]", '[1.."a"]', "[null..3]", "[true..true]",
     "[1..2..3]", "[1..x]", "[1..1+1]", '["a..3]', "[{}..3]", "[1..--1]", ">= 10",
     '[date(string("2024-01-01"))..@"2024-12-31"]', '[@"2024-01-01"..@"2024-12-31T00:00:00"]',
     '[@"2024-02-30"..@"2024-12-31"]', '[date("2024-02-30")..@"2024-12-31"]'],
)  # fmt: skip
def test_what_is_no_range_is_null(text: str) -> None:
    with pytest.raises(FeelError):
        call("range", text)

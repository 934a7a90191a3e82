"""The language: readable cases in `feel/*.txt`, the operator table, and generated expressions."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from bench import reading_everything
from feel_reference import World, value_of
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sancha.engine.book.loan_file import loan_file_from_json
from sancha.engine.book.schema import LOANS, REFERENCE, table_schema
from sancha.engine.book.store import Book, write_book
from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.check import Defect, Scope, check, check_cell, check_list
from sancha.engine.feel.lexer import KEYWORDS, FeelSyntaxError
from sancha.engine.feel.operators import FORMS, FUNCTIONS, OPERATORS
from sancha.engine.feel.parser import MAX_DEPTH, parse, parse_tests
from sancha.engine.feel.printer import cell_to_text, to_text
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.tables import Row, Table, input_name
from sancha.engine.policy.vocabulary import load_vocabulary
from sancha.engine.run.as_text import as_text
from sancha.engine.run.relations import query
from sancha.engine.run.to_columns import Compiler, prepare
from sancha.engine.run.to_python import compile_core
from sancha.engine.run.working import WorkingTables, book_bounds, spans

CASES = Path(__file__).parent / "feel"
VOCABULARY = load_vocabulary(CASES / "vocabulary.yaml")
SCOPE = Scope(
    facts={name: f.type for name, f in VOCABULARY.facts.items()},
    lists={name: {k: f.type for k, f in d.fields.items()} for name, d in VOCABULARY.lists.items()},
    reference={name: {k: f.type for k, f in d.fields.items()} for name, d in VOCABULARY.reference.items()},
    variables={"as_of": c.Var(t.DATE, "as_of", nullable=False)},
)
CALENDAR = Calendar.of(
    dt.date(2024, 1, 1),
    dt.date(2024, 12, 31),
    ["saturday", "sunday"],
    [dt.date(2024, 6, 10), *(dt.date(2024, 10, day) for day in (1, 2, 3, 4, 7))],
    [dt.date(2024, 9, 29), dt.date(2024, 10, 12)],
)


def world_of(data: dict[str, Any]) -> World:
    file, reference, as_of = loan_file_from_json(data, VOCABULARY)
    return World(file.facts, file.lists, reference, as_of or dt.date(2024, 12, 31), CALENDAR)


def run(core: c.Core, world: World) -> Any:
    """The value by the row evaluator."""
    return compile_core(core, CALENDAR)(world.facts, world.lists, world.reference, world.as_of)


def shown(core: c.Core | None, defects: list[Defect], world: World) -> str:
    """What a case expects: a value as text, `unknown`, or the error codes in the order of the text."""
    if core is None:
        return " ".join(["error", *(d.code for d in sorted(defects, key=lambda d: d.span))])
    value = run(core, world)
    expected = value_of(core, world)
    assert same(value, expected), f"the row evaluator gives {value!r}, the definition {expected!r}"
    text = as_text(value, core.type)
    return "unknown" if text is None else text


def same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return (type(a) is bool) == (type(b) is bool) and bool(a == b)


# -- cases -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    line: int
    expression: str
    expected: str
    on: str | None = None


def read_cases(path: Path) -> tuple[dict[str, Any], list[Case]]:
    """The loan file at the head of a file of cases, and its cases: `expression => value`, one a line."""
    text = path.read_text(encoding="utf-8")
    data: dict[str, Any] = {}
    start = next((i for i in line_starts(text) if text[i] == "{"), None)
    first = 0
    if start is not None:
        data, end = json.JSONDecoder(parse_float=Decimal).raw_decode(text, start)
        first = text.count("\n", 0, end) + 1
    cases = []
    for number, line in enumerate(text.split("\n")[first:], first + 1):
        if not line.strip() or line.startswith("#"):
            continue
        expression, arrow, expected = line.rpartition(" => ")
        assert arrow, f"{path.name}:{number}: no ` => `"
        on, colon, cell = expression.removeprefix("on ").partition(": ")
        if line.startswith("on ") and colon:
            cases.append(Case(number, cell, expected, on))
        else:
            cases.append(Case(number, expression, expected))
    return data, cases


def line_starts(text: str) -> Iterator[int]:
    at = 0
    for line in text.splitlines(keepends=True):
        yield at
        at += len(line)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda p: p.stem)
def test_cases(path: Path) -> None:
    data, cases = read_cases(path)
    world = world_of(data)
    assert len(cases) >= 10
    wrong = []
    for case in cases:
        if case.on is None:
            found = shown(*check(case.expression, SCOPE), world)
        else:
            operand, defects = check(case.on, SCOPE)
            assert operand is not None, defects
            found = shown(*check_cell(case.expression, operand, SCOPE), world)
        if found != case.expected:
            wrong.append(f"{path.name}:{case.line}: {case.expression} => {case.expected}, found {found}")
    assert not wrong, "\n" + "\n".join(wrong)


def book_of(folder: Path, world: World) -> Book:
    """A book of one loan file."""
    counts = {name: None if found is None else len(found) for name, found in world.lists.items()}
    rows: dict[str, list[dict[str, Any]]] = {LOANS: [{"loan_id": "L1", **world.facts, **counts}]}
    rows |= {name: [{"loan_id": "L1", **item} for item in found or ()] for name, found in world.lists.items()}
    rows |= {REFERENCE + name: list(world.reference.get(name) or ()) for name in VOCABULARY.reference}
    tables = {
        name: pa.Table.from_pylist(found, table_schema(VOCABULARY, name)) for name, found in rows.items()
    }
    return write_book(folder, VOCABULARY, tables, as_of=world.as_of, synthetic=True, source="cases")


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda p: p.stem)
def test_cases_by_columns(path: Path, tmp_path: Path) -> None:
    """The columnar engine gives the values that the cases expect."""
    data, cases = read_cases(path)
    book = book_of(tmp_path / "book", world_of(data))
    plan = reading_everything(VOCABULARY)
    bounds = book_bounds(book, VOCABULARY, plan)
    with duckdb.connect() as connection:
        prepare(connection, CALENDAR)
        tables = WorkingTables(connection, VOCABULARY, plan, bounds, book.tables)
        tables.reference()
        (span,) = spans(book, plan)
        tables.load(span)
        compiler = Compiler(VOCABULARY, bounds, CALENDAR, book.as_of)
        cells = []
        for case in cases:
            operand = None if case.on is None else check(case.on, SCOPE)[0]
            core, _ = (
                check(case.expression, SCOPE)
                if operand is None
                else check_cell(case.expression, operand, SCOPE)
            )
            if core is not None and core.type != t.MONTHS:  # no fact is a span of months
                cells.append((case, compiler.text(c.unique(core), compiler.root)))
        for f in compiler.numbers.functions.values():
            connection.create_function(
                f.name, f.call, list(f.parameters), f.result, type="arrow", null_handling="special"
            )
        wrong = []
        for case, cell in cells:
            (found,) = connection.execute(
                f"SELECT {cell.name} FROM ({query([cell], compiler.relations)})"
            ).fetchone()  # type: ignore[misc]
            if (found if found is not None else "unknown") != case.expected:
                wrong.append(f"{path.name}:{case.line}: {case.expression} => {case.expected}, found {found}")
        assert not wrong, "\n" + "\n".join(wrong)


EXAMPLES = [(row.key, row.example) for row in OPERATORS] + [(form.name, form.example) for form in FORMS]


@pytest.mark.parametrize(("expression", "expected"), [e for _, e in EXAMPLES], ids=[k for k, _ in EXAMPLES])
def test_examples_of_the_operators(expression: str, expected: str) -> None:
    core, defects = check(expression, SCOPE)
    assert core is not None, defects
    world = world_of({})
    value = run(core, world)
    assert same(value, value_of(core, world))
    if (
        isinstance(value, int | Decimal)
        and not isinstance(value, bool)
        and not expected.startswith(("P", "-P"))
    ):
        assert value == Decimal(expected)
    else:
        assert as_text(value, core.type) == expected.strip('"')


def test_every_operator_names_its_arguments() -> None:
    for row in OPERATORS:
        if row.name in FUNCTIONS:
            assert len(row.names) == len(row.params), row.key
        assert row.doc.endswith("."), row.key


# -- the printer -------------------------------------------------------------------------------------------

NAMES = ("a", "b", "loan", "days", "months", "years", "seconds", "三查", "_x", "working", "?")
FIELDS = ("amount", "date", "year", "in", "between", "then", "三")


def nodes(inner: st.SearchStrategy[s.Node]) -> st.SearchStrategy[s.Node]:
    """All kinds of node, as the parser can make them."""
    span = (0, 0)
    operator = st.sampled_from(["and", "or", "=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "**"])
    comparison = st.sampled_from(["<", "<=", ">", ">=", "=", "!="])
    name = st.sampled_from([n for n in NAMES if n != "?"])
    range_ = st.builds(s.Range, st.just(span), inner, inner, st.booleans(), st.booleans())
    test = st.one_of(inner, range_, st.builds(s.Test, st.just(span), comparison, inner))
    some = st.lists(inner, max_size=3).map(tuple)
    function = st.sampled_from(["f", "not", "days between", "count", "list contains", "working", "三查"])
    call = st.builds(s.Call, st.just(span), function, some, st.just(()), st.just(span))
    named = st.dictionaries(name, inner, min_size=1, max_size=3).flatmap(
        lambda d: st.builds(
            s.Call, st.just(span), function, st.just(tuple(d.values())), st.just(tuple(d)), st.just(span)
        )
    )
    bindings = st.lists(st.tuples(name, inner), min_size=1, max_size=2).map(tuple)
    return st.one_of(
        st.builds(s.Binary, st.just(span), operator, inner, inner),
        st.builds(s.Unary, st.just(span), st.just("-"), inner),
        st.builds(s.Between, st.just(span), inner, inner, inner),
        st.builds(s.In, st.just(span), inner, st.lists(test, min_size=1, max_size=3).map(tuple)),
        st.builds(s.If, st.just(span), inner, inner, inner),
        st.builds(s.Quantified, st.just(span), st.sampled_from(["some", "every"]), bindings, inner),
        st.builds(s.Path, st.just(span), inner, st.sampled_from(FIELDS), st.just(span)),
        st.builds(s.Filter, st.just(span), inner, inner),
        st.builds(s.ListOf, st.just(span), some),
        call,
        named,
    )


LEAVES = st.one_of(
    st.sampled_from(NAMES).map(lambda n: s.Name((0, 0), n)),
    st.decimals(0, 10**12, places=2).map(lambda v: s.Literal((0, 0), v)),
    st.sampled_from(["0", "1", "0.50", "1E+3", "1E-90", "123456789012345678901234567890.1234"]).map(
        lambda v: s.Literal((0, 0), Decimal(v))
    ),
    st.text(max_size=5).map(lambda v: s.Literal((0, 0), v)),
    st.sampled_from([True, False, None]).map(lambda v: s.Literal((0, 0), v)),
    st.sampled_from(["2024-02-29", "P15D", "三"]).map(lambda v: s.Temporal((0, 0), v)),
)
TREES = st.recursive(LEAVES, nodes, max_leaves=12)


def plain(node: Any) -> Any:
    """The tree without spans."""
    if isinstance(node, s.Node):
        fields = [f.name for f in dataclasses.fields(node) if f.name not in ("span", "name_span")]
        return (type(node).__name__, *(plain(getattr(node, name)) for name in fields))
    if isinstance(node, tuple):
        return tuple(map(plain, node))
    return (type(node).__name__, node)


@settings(max_examples=500)
@given(TREES)
@example(parse("(days) between (1 + 2) * 3 and 4"))
@example(parse("(if a then b else c) + 1"))
@example(parse("(some x in a satisfies x) and b"))
@example(parse("-(if a then b else c).year"))
@example(parse("a between (if b then c else d) and e"))
def test_what_is_printed_reads_as_the_same_tree(tree: s.Node) -> None:
    text = to_text(tree)
    assert plain(parse(text)) == plain(tree)


@settings(max_examples=200)
@given(TREES)
def test_no_pair_of_parentheses_is_needless(tree: s.Node) -> None:
    """Taking any one pair away gives another tree or none. Left out: pairs of calls, and those after `in`."""
    text = to_text(tree)
    assume(len(text) < 200 and '"' not in text)
    for opening, closing in pairs(text):
        before = text[:opening]
        if before[-1:].isalnum() or before[-1:] == "_" or before.endswith(" in "):
            continue
        if text[closing - 1 : closing] == ".." or ".." in text[opening:closing]:
            continue
        shorter = f"{before} {text[opening + 1 : closing]} {text[closing + 1 :]}"
        try:
            changed = plain(parse(shorter)) != plain(tree)
        except FeelSyntaxError:
            changed = True
        assert changed, f"{text} could be {shorter}"


def pairs(text: str) -> Iterator[tuple[int, int]]:
    opened = []
    for i, char in enumerate(text):
        if char == "(":
            opened.append(i)
        elif char == ")" and opened:
            yield opened.pop(), i


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("((a) or (b)) and (c)", "(a or b) and c"),
        ("a and (b and c)", "a and (b and c)"),
        ("(a and b) and c", "a and b and c"),
        ("(1 + 2) * (3)", "(1 + 2) * 3"),
        ("1 - (2 - 3)", "1 - (2 - 3)"),
        ("(-2) ** 2", "-2 ** 2"),
        ("-(2 ** 2)", "-(2 ** 2)"),
        ("a and (some x in xs satisfies x > 1)", "a and some x in xs satisfies x > 1"),
        ("(some x in xs satisfies x > 1) and a", "(some x in xs satisfies x > 1) and a"),
        ("x in (1)", "x in 1"),
        ("x in (1, 2)", "x in (1, 2)"),
        ("x in ]1..2[", "x in (1..2)"),
        ("x in < 5", "x in (< 5)"),
        ("days between( from : a , to : b )", "days between(from: a, to: b)"),
        ('"三\\n\\"查\\""', '"三\\n\\"查\\""'),
        ('visits[ staff = "S1" ] . date', 'visits[staff = "S1"].date'),
    ],
)
def test_printed(written: str, printed: str) -> None:
    assert to_text(parse(written)) == printed


@pytest.mark.parametrize(
    "cell",
    [
        "-",
        "5",
        "[1..5)",
        "< 3, > 5",
        "not(5)",
        "not([1..2], 5)",
        "(not(a)), b",
        '"a", "b"',
        "? > 3 and ? < 5",
    ],
)
def test_cells_are_printed(cell: str) -> None:
    tree = parse_tests(cell)
    assert cell_to_text(tree) == cell
    assert plain(parse_tests(cell_to_text(tree))) == plain(tree)


# -- the checker on anything -------------------------------------------------------------------------------

MARKS = [
    "(",
    ")",
    "[",
    "]",
    ",",
    "..",
    ".",
    ":",
    "?",
    "+",
    "-",
    "*",
    "/",
    "**",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "//",
    "/*",
    '"',
    "；",
    "1",
    "0",
    "2.5",
    '"a"',
    '"三"',
    '@"2024-01-31"',
    '@"P1D"',
    '@"P1M"',
]
WORDS = [*KEYWORDS, *FUNCTIONS, *SCOPE.facts, *SCOPE.lists, *MARKS, "\n", "staff", "as_of", "item"]
WORDS += ["p", "p.amount", "p.tags", "amount"]
TOKENS = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)


def refused_or_typed(text: str) -> None:
    """A text gives a core or defects; each defect has a code, a message and a place within the text."""
    operand = c.Var(t.MONEY, input_name(0))
    for core, defects in (
        check(text, SCOPE),
        check(text, SCOPE, t.BOOLEAN),
        check_cell(text, operand, SCOPE),
    ):
        assert (core is None) == bool(defects)
        for defect in defects:
            start, end = defect.span
            assert 0 <= start < end <= max(len(text), 1), (text, defect)
            assert defect.message and defect.code.startswith("E0"), (text, defect)
    comp, _, _, defects = check_list(text, SCOPE)
    assert (comp is None) == bool(defects)


@settings(max_examples=1000)
@given(TOKENS)
def test_any_tokens_are_refused_or_typed(text: str) -> None:
    refused_or_typed(text)


@settings(max_examples=300)
@given(st.text(max_size=40))
@example("")
@example(" ")
@example("\n")
@example("\x00")
@example("\ud800")
@example("@")
@example('@"')
def test_any_text_is_refused_or_typed(text: str) -> None:
    refused_or_typed(text)


@settings(max_examples=300)
@given(TREES)
def test_any_tree_is_refused_or_typed(tree: s.Node) -> None:
    refused_or_typed(to_text(tree))


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["1"] * 20_000),
        " and ".join(["is.true"] * 6_000),
        " or ".join(["is.false"] * 6_000),
        "a" + ".b" * 20_000,
        "payments" + "[paid]" * 5_000,
        "(" * 40_000 + "1" + ")" * 40_000,
        "[" * 50_000,
        "-" * 50_000 + "1",
        "not(" * 20_000 + "true" + ")" * 20_000,
        "if true then " * 7_000 + "1",
        "some p in payments satisfies " * 3_000 + "true",
        "1 in " * 15_000 + "1",
        "1" * 90_000,
        '"' + "三" * 99_000 + '"',
        "/*" * 40_000,
        "(1 + " * 99 + "1" + ")" * 99,
        "x" * 100_001,
    ],
    ids=lambda text: f"{text[:12]}…{len(text)}",
)
def test_long_and_deep_texts_are_refused_or_run(text: str) -> None:
    refused_or_typed(text)
    core, defects = check(text, SCOPE)
    if core is None:
        assert {d.code for d in defects} <= {"E0102", "E0103", "E0104", "E0201"}
    else:
        run(core, world_of({"is": {"true": True, "false": False}}))


@pytest.mark.parametrize(
    "nest",
    [
        lambda n: "1 + " * n + "1",
        lambda n: "loan.ratio / " * n + "2",
        lambda n: "not(" * n + "is.missing" + ")" * n,
        lambda n: "if is.missing then 1 else " * n + "2",
        lambda n: "if is.true then " * n + "2" + " else 1" * n,
        lambda n: "(is.missing and (is.true or " * (n // 5) + "is.missing" + "))" * (n // 5),
        lambda n: "min(1, " * n + "loan.term" + ")" * n,
        lambda n: "floor(" * n + "loan.ratio" + ")" * n,
        lambda n: "(" * n + "is.missing" + " = null)" * n,
    ],
)
def test_what_is_just_not_too_deep_runs(nest: Any) -> None:
    text = nest(MAX_DEPTH - 4)
    core, defects = check(text, SCOPE)
    assert core is not None, defects
    world = world_of({"is": {"true": True}, "loan": {"ratio": 1, "term": 3}})
    assert same(run(core, world), value_of(core, world))
    assert check(nest(3 * MAX_DEPTH), SCOPE)[1][0].code == "E0104"


# -- the row evaluator against the definition --------------------------------------------------------------

NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "10",
    "0.5",
    "2.5",
    "0.1",
    "0.05",
    "100",
    "33.33",
    "1000000",
    "0.00000001",
    "99999999999.99",
    "1234567890123456.78",
]
#: Around month ends, leap days and the calendar's free days; the last three lie outside the calendar.
DATES = [
    "2024-01-31",
    "2024-02-28",
    "2024-02-29",
    "2024-03-31",
    "2024-06-07",
    "2024-06-08",
    "2024-10-01",
    "2024-12-31",
    "2023-02-28",
    "2025-01-01",
    "0001-01-01",
    "9999-12-31",
]
TIMES = ["2024-02-29T00:00:00", "2024-02-29T23:59:59.999999", "2024-03-01T09:30:00"]
TEXTS = ["", "a", "b", "ab", "三", "三查", "ß", "A"]


class Expressions:
    """Draws the text of an expression of a type, over the facts, lists and items that are in scope."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.items: list[tuple[str, str]] = []
        self.count = 0

    def pick(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def of(self, kind: str, depth: int) -> str:
        own = getattr(self, "on_" + kind.replace("-", "_").replace(" ", "_"), None)
        if depth == 0 or own is None or self.pick(False, False, False, False, True):
            return self.leaf(kind, depth)
        form = self.choice if self.pick(False, False, False, False, False, False, True) else own
        return str(form(kind, depth - 1))

    def leaf(self, kind: str, depth: int) -> str:
        options = [name for name, type_ in SCOPE.facts.items() if type_.name == kind]
        for var, list_ in self.items:
            options += [f"{var}.{f}" for f, type_ in SCOPE.lists[list_].items() if type_.name == kind]
        if kind in ("number", "rate", "money"):
            options += self.draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=2))
        written = {
            "integer": ["0", "1", "2", "-1", "3", "36"],
            "boolean": ["true", "false"],
            "text": [f'"{text}"' for text in TEXTS],
            "one of": [],
            "date": [*(f'@"{d}"' for d in DATES), "as_of"],
            "date-time": [f'@"{time}"' for time in TIMES],
            "days": ['@"P0D"', '@"P1D"', '@"-P30D"', '@"P366D"'],
            "months": ['@"P1M"', '@"P12M"', '@"-P1M"', '@"P1Y"', '@"P13M"'],
        }
        return str(self.pick(*options, *written.get(kind, [])))

    def choice(self, kind: str, depth: int) -> str:
        if kind == "months":
            return self.leaf(kind, depth)
        return f"(if {self.of('boolean', depth)} then {self.of(kind, depth)} else {self.of(kind, depth)})"

    def two(self, kind: str, depth: int) -> tuple[str, str]:
        return self.of(kind, depth), self.of(kind, depth)

    # -- by type -------------------------------------------------------------------------------------------

    def on_boolean(self, kind: str, depth: int) -> str:
        form = self.pick(
            "compare",
            "compare",
            "junction",
            "junction",
            "not",
            "in",
            "between",
            "null",
            "text",
            "list",
            "list",
        )
        if form == "junction":
            parts = [self.of("boolean", depth) for _ in range(self.pick(2, 2, 3))]
            return "(" + f" {self.pick('and', 'or')} ".join(parts) + ")"
        if form == "not":
            return f"not({self.of('boolean', depth)})"
        if form == "null":
            kinds = ("number", "money", "boolean", "date", "text", "one of")
            subject = self.pick("payments", "absent", "staff", None) or self.of(self.pick(*kinds), depth)
            return f"({subject} {self.pick('=', '!=')} null)"
        if form == "text":
            name = self.pick("contains", "starts with", "ends with")
            return f"{name}({', '.join(self.two('text', depth))})"
        if form == "list":
            return self.on_items(depth)
        if form == "compare" and self.pick(True, False, False, False):
            alike = [("loan.kind", "missing.kind", '"fixed"')]
            alike += [(f"{var}.channel", '"bank"', '"cash"') for var, _ in self.items]
            a, *others = self.pick(*alike)
            return f"({a} {self.pick('=', '!=')} {self.pick(*others)})"
        ordered = self.pick(
            "number", "integer", "money", "rate", "text", "date", "date-time", "days", "months"
        )
        a, b = self.two(ordered, depth)
        if form == "compare":
            return f"({a} {self.pick('=', '!=', '<', '<=', '>', '>=')} {b})"
        if form == "between":
            return f"({a} between {b} and {self.of(ordered, depth)})"
        tests = [
            self.pick(b, f"{self.pick('<', '<=', '>', '>=', '!=')} {b}", "null")
            for _ in range(self.pick(1, 2))
        ]
        if all(part.startswith(("loan.", "missing.", "(", "as_of")) for part in (b,)):
            tests.append(f"{self.pick('[', '(')}{b}..{self.of(ordered, depth)}{self.pick(']', ')')}")
        return f"({a} in ({', '.join(tests)}))"

    def on_items(self, depth: int) -> str:
        form = self.pick("quantified", "quantified", "contains", "in")
        if form == "quantified":
            source, list_ = self.records(depth)
            var = self.name()
            self.items.append((var, list_))
            body = self.of("boolean", depth)
            self.items.pop()
            return f"({self.pick('some', 'every')} {var} in {source} satisfies {body})"
        kind = self.pick("money", "text", "integer", "date")
        values = self.values(kind, depth)
        if form == "contains":
            return f"list contains({values}, {self.of(kind, depth)})"
        return f"({self.of(kind, depth)} in {values})"

    def on_number(self, kind: str, depth: int) -> str:
        form = self.pick(
            "arithmetic", "arithmetic", "power", "round", "ratio", "mean", "min", "abs", "seconds"
        )
        if form == "arithmetic":
            a, b = self.two("number", depth)
            return f"({a} {self.pick('+', '-', '*', '/')} {b})"
        if form == "power":
            return f"(({self.of('number', depth)}) ** {self.pick('0', '1', '2', '3', '-1', '-2')})"
        if form == "ratio":
            amounts = ("loan.amount", "loan.other", "loan.zero", "missing.amount")
            return f"({self.of('money', 0)} / {self.pick(*amounts)})"
        return self.shared("number", form, depth)

    def on_integer(self, kind: str, depth: int) -> str:
        form = self.pick(
            "arithmetic",
            "arithmetic",
            "floor",
            "modulo",
            "count",
            "count",
            "length",
            "between",
            "part",
            "min",
        )
        if form == "arithmetic":
            a, b = self.two("integer", depth)
            return f"({a} {self.pick('+', '-', '*')} {b})"
        if form == "floor":
            return f"{self.pick('floor', 'ceiling')}({self.of('number', depth)})"
        if form == "modulo":
            return f"modulo({', '.join(self.two('integer', depth))})"
        if form == "count":
            if self.pick(True, False):
                return f"count({self.records(depth)[0]})"
            kinds = ("money", "text", "integer", "date")
            return f"count(distinct values({self.values(self.pick(*kinds), depth)}))"
        if form == "length":
            return f"string length({self.of('text', depth)})"
        if form == "between":
            name = self.pick("days between", "months between", "years between", "working days between")
            # Far dates would make the month-by-month definition slow.
            near = [f'@"{d}"' for d in DATES[:10]] + ["loan.decided_on", "missing.date"]
            return f"{name}({self.pick(*near)}, {self.pick(*near)})"
        if form == "part":
            return f"({self.of('date', depth)}).{self.pick('year', 'month', 'day', 'weekday')}"
        return self.shared("integer", form, depth)

    def on_money(self, kind: str, depth: int) -> str:
        form = self.pick("sum", "sum", "times", "divided", "round", "mean", "min", "abs")
        if form == "sum":
            a, b = self.two("money", depth)
            return f"({a} {self.pick('+', '-')} {b})"
        if form == "times":
            return f"({self.pick('loan.amount', 'missing.amount')} * {self.of('number', depth)})"
        if form == "divided":
            divisor = self.pick("12", "3", "loan.term", "loan.ratio", "loan.rate")
            return f"({self.pick('loan.amount', 'loan.other')} / {divisor})"
        return self.shared("money", form, depth)

    def shared(self, kind: str, form: str, depth: int) -> str:
        """Forms that numbers and amounts have in common."""
        if form == "round":
            name = self.pick("decimal", "round half up", "round up", "round down")
            return f"{name}({self.of(kind, depth)}, {self.pick('0', '1', '2', '-1', '-2', '5')})"
        if form == "min":
            return f"{self.pick('min', 'max')}({', '.join(self.two(kind, depth))})"
        if form == "abs":
            return f"{self.pick('abs', '-')}({self.of(kind, depth)})"
        if form == "seconds":
            return f"seconds between({', '.join(self.two('date-time', depth))})"
        values = self.values("money" if kind == "money" else "integer", depth)
        return f"{self.pick('sum', 'mean', 'min', 'max')}({values})"

    def on_rate(self, kind: str, depth: int) -> str:
        return self.leaf(kind, depth)

    def on_text(self, kind: str, depth: int) -> str:
        form = self.pick("join", "case", "substring")
        if form == "join":
            a, b = self.two("text", depth)
            return f"({a} + {b})"
        if form == "case":
            return f"{self.pick('lower case', 'upper case')}({self.of('text', depth)})"
        start, length = self.pick("0", "1", "2", "-1", "-3", "loan.term"), self.pick("1", "2", "0")
        return f"substring({self.of('text', depth)}, {start}, {length})"

    def on_date(self, kind: str, depth: int) -> str:
        form = self.pick("add", "add", "working", "date", "min", "agg")
        if form == "add":
            other = self.of(self.pick("days", "months"), depth)
            return f"({self.of('date', depth)} {self.pick('+', '-')} {other})"
        if form == "working":
            return f"add working days({self.of('date', depth)}, {self.pick('0', '1', '2', '5', '-1', '-3')})"
        if form == "date":
            return f"date({self.of('date-time', depth)})"
        if form == "agg":
            return f"{self.pick('min', 'max')}({self.values('date', depth)})"
        return f"{self.pick('min', 'max')}({', '.join(self.two('date', depth))})"

    def on_days(self, kind: str, depth: int) -> str:
        form = self.pick("sum", "dates", "times", "abs")
        if form == "sum":
            a, b = self.two("days", depth)
            return f"({a} {self.pick('+', '-')} {b})"
        if form == "dates":
            a, b = self.two("date", depth)
            return f"({a} - {b})"
        if form == "times":
            a, b = self.of("days", depth), self.of("integer", 0)
            return self.pick(f"({a} * {b})", f"({b} * {a})")
        return f"{self.pick('abs', '-')}({self.of('days', depth)})"

    # -- lists ---------------------------------------------------------------------------------------------

    def name(self) -> str:
        self.count += 1
        return f"x{self.count}"

    def records(self, depth: int) -> tuple[str, str]:
        """A list of items with fields, perhaps filtered, and the list whose fields they are."""
        name = self.pick("payments", "holes", "empty", "absent")
        if depth > 0 and self.pick(True, False):
            conditions = ("amount > 50", "paid", "late != null", "amount = null", 'channel = "bank"')
            conditions += ("count(tags) > 0", "item.late >= 1 or paid", "date > loan.decided_on")
            return f"{name}[{self.pick(*conditions)}]", name
        return name, name

    def values(self, kind: str, depth: int) -> str:
        """A list of plain values."""
        if self.pick(True, False, False):
            return f"[{', '.join(self.of(kind, depth) for _ in range(self.pick(1, 2, 3)))}]"
        field = {"money": "amount", "integer": "late", "text": "number", "date": "date"}[kind]
        return f"{self.records(depth)[0]}.{field}"


@st.composite
def expressions(draw: Any, *kinds: str) -> str:
    kind = draw(st.sampled_from(kinds))
    return Expressions(draw).of(kind, draw(st.integers(2, 3)))


KINDS = (
    "boolean",
    "boolean",
    "boolean",
    "number",
    "integer",
    "integer",
    "money",
    "money",
    "text",
    "date",
    "days",
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, now and then missing."""
    return st.integers(0, 7).flatmap(lambda n: strategy if n else st.none())


AMOUNTS = st.sampled_from(["0", "0.01", "50", "100", "100.50", "5000000", "-3.25", "99999999999.99"]).map(
    Decimal
)
DAYS = st.sampled_from(DATES[:9])
ITEMS = st.fixed_dictionaries(
    {
        "number": maybe(st.sampled_from(TEXTS)),
        "date": maybe(DAYS),
        "amount": maybe(AMOUNTS),
        "paid": maybe(st.booleans()),
        "late": maybe(st.integers(0, 3)),
        "channel": maybe(st.sampled_from(["bank", "cash"])),
        "tags": maybe(st.lists(st.sampled_from(["a", "b"]), max_size=2)),
    },
)
FILES = st.fixed_dictionaries(
    {
        "is": st.just({"true": True, "false": False}),
        "loan": st.fixed_dictionaries(
            {
                "amount": maybe(AMOUNTS),
                "other": maybe(AMOUNTS),
                "zero": st.just(0),
                "rate": maybe(st.sampled_from(["0", "0.0435", "0.05"]).map(Decimal)),
                "ratio": maybe(st.sampled_from(["0", "1.25", "-2", "0.00000001"]).map(Decimal)),
                "term": maybe(st.sampled_from([0, 1, 3, 36])),
                "kind": maybe(st.sampled_from(["working", "fixed", "personal"])),
                "name": maybe(st.sampled_from(TEXTS)),
                "decided_on": maybe(DAYS),
                "signed_at": maybe(st.sampled_from(TIMES)),
                "grace": maybe(st.integers(-5, 400)),
            },
        ),
        "empty": st.just([]),
        "payments": st.lists(ITEMS, min_size=1, max_size=3),
        "holes": st.lists(ITEMS, max_size=3),
    },
)


@settings(max_examples=800)
@given(expressions(*KINDS), FILES)
def test_the_row_evaluator_is_the_definition(text: str, data: dict[str, Any]) -> None:
    core, defects = check(text, SCOPE)
    assume(not {d.code for d in defects} & {"E0104", "E0211"})
    assert core is not None, (text, defects)
    assert plain(parse(to_text(parse(text)))) == plain(parse(text))
    world = world_of(data)
    found, expected = run(core, world), value_of(core, world)
    assert same(found, expected), f"{text}: {found!r}, by definition {expected!r}"
    if found is not None:
        assert as_text(found, core.type) is not None
        assert not isinstance(found, Decimal) or math.isfinite(found)
    if found is None and not c.nullable(core):
        # Only dates that leave the calendar are missing without a word.
        moved = {"+", "-", "min", "max"}
        assert any(
            isinstance(n, c.Op) and n.row.name in moved and n.row.params[0] == t.DATE for n in c.walk(core)
        ), text


@settings(max_examples=150)
@given(expressions("boolean"), expressions("boolean"), expressions("number"), expressions("number"), FILES)
def test_forms_that_only_policies_have(a: str, b: str, x: str, y: str, data: dict[str, Any]) -> None:
    """`Let`, facts that are known from a day on, and tests of truth."""
    cores = [check(text, SCOPE)[0] for text in (a, b, x, y)]
    assume(all(core is not None for core in cores))
    p, q, m, n = cores
    assert p is not None and q is not None and m is not None and n is not None
    chosen = c.If(t.NUMBER, c.Var(t.BOOLEAN, "p"), m, n)
    shapes: list[c.Core] = [
        c.Let(t.NUMBER, "p", p, chosen),
        c.Let(
            t.BOOLEAN, "p", q, c.conj(c.Var(t.BOOLEAN, "p"), c.Is(t.BOOLEAN, c.Var(t.BOOLEAN, "p"), True), p)
        ),
        c.Fact(t.MONEY, "loan.amount", p),
        c.Is(t.BOOLEAN, c.Fact(t.MONEY, "loan.amount", q), None),
        *(c.Is(t.BOOLEAN, p, truth) for truth in (True, False, None)),
        c.disj(c.Is(t.BOOLEAN, p, None), c.negate(p), q),
        c.If(t.NUMBER, c.Is(t.BOOLEAN, m, None), n, m),
    ]
    world = world_of(data)
    for shape in shapes:
        core = c.unique(shape)
        found, expected = run(core, world), value_of(shape, world)
        assert same(found, expected), f"{shape}: {found!r}, by definition {expected!r}"


CELLS = st.sampled_from(
    ["-", "1", "2", "< 2", ">= 2", "[1..3]", "(1..3]", "not(2)", "1, 3", "null", "< 2, null"]
)
KIND_CELLS = st.sampled_from(["-", "working", "fixed", "not(fixed)", "working, personal", "null"])
OUTPUTS = st.sampled_from(["0", "1", "2.5", "loan.ratio", "null"])
POLICIES = ["unique", "first", "any", "collect sum", "collect min", "collect max", "collect count"]


@settings(max_examples=250)
@given(
    st.lists(st.tuples(CELLS, KIND_CELLS, OUTPUTS, OUTPUTS), min_size=1, max_size=4),
    st.sampled_from(POLICIES),
    st.one_of(st.none(), st.tuples(OUTPUTS, OUTPUTS)),
    st.sampled_from(["1", "2", "3", "missing.integer"]),
    st.sampled_from(["loan.kind", "missing.kind"]),
    st.sampled_from(["working", "fixed", "personal"]),
)
def test_decision_tables(
    cells: list[tuple[str, str, str, str]],
    policy: str,
    default: tuple[str, str] | None,
    number: str,
    kind: str,
    value: str,
) -> None:
    def output(text: str) -> c.Core:
        core = check(text, SCOPE)[0]
        assert core is not None
        # Outputs of a table may be missing by a parameter that is not in force; facts they do not read.
        return c.Const(t.NUMBER, None) if text in ("null", "loan.ratio") else core

    kinds = SCOPE.facts["loan.kind"]
    inputs = (("number", t.INTEGER), ("kind", kinds))
    rows = []
    for i, (first, second, *outputs) in enumerate(cells, 1):
        pairs_ = enumerate(zip((first, second), inputs, strict=True))
        tests = [check_cell(text, c.Var(type_, input_name(n)), SCOPE)[0] for n, (text, (_, type_)) in pairs_]
        assert None not in tests
        rows.append(Row(tuple(tests), tuple(map(output, outputs)), i))  # type: ignore[arg-type]
    names = (("a", t.NUMBER), ("b", t.NUMBER))
    table = Table(
        "t", policy, inputs, names, tuple(rows), None if default is None else tuple(map(output, default))
    )
    given_inputs = tuple(check(text, SCOPE)[0] for text in (number, kind))
    world = world_of({"loan": {"kind": value}})
    for i in range(2):
        core = c.Lookup(t.NUMBER, table, given_inputs, i)  # type: ignore[arg-type]
        found, expected = run(core, world), value_of(core, world)
        assert same(found, expected), (
            f"{policy} {cells} {default} output {i}: {found!r}, by definition {expected!r}"
        )

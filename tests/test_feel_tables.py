"""Decision tables of the strict language by readable cases in `feel/tables/*.txt`; tables of 10,000 rows in both.

table NAME: HIT POLICY
inputs: NAME: TYPE | …
default: OUTPUT
CELL | … | OUTPUT
given NAME: VALUE, … => OUTPUT, or `unknown`
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from bench import reading_everything
from feel_reference import value_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_feel import CALENDAR, SCOPE, VOCABULARY, book_of, run, same, world_of
from test_feel_full import TableText, World, lines, split

from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.check import check, check_cell
from sancha.engine.feel.parser import parse_dmn, parse_dmn_tests
from sancha.engine.policy.tables import Row, Table, input_name, overlaps
from sancha.engine.run.dynamic import compile_dynamic
from sancha.engine.run.relations import query
from sancha.engine.run.to_columns import Compiler, prepare
from sancha.engine.run.working import WorkingTables, book_bounds, spans

CASES = Path(__file__).parent / "feel" / "tables"
TYPES = {
    "integer": t.INTEGER,
    "number": t.NUMBER,
    "money": t.MONEY,
    "text": t.TEXT,
    "date": t.DATE,
    "boolean": t.BOOLEAN,
    "one of [working, fixed, personal]": t.one_of("working", "fixed", "personal"),
}


@dataclass
class Strict:
    name: str
    policy: str
    inputs: tuple[tuple[str, t.Type], ...] = ()
    default: c.Core | None = None
    rows: list[Row] = field(default_factory=list)
    cases: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, line: str) -> None:
        *cells, output = split(line)
        tests = []
        for i, (cell, (_, type_)) in enumerate(zip(cells, self.inputs, strict=True)):
            test, defects = check_cell(cell, c.Var(type_, input_name(i)), SCOPE)
            assert test is not None, (line, defects)
            tests.append(test)
        self.rows.append(Row(tuple(tests), (number(output),), len(self.rows) + 1))

    def table(self) -> Table:
        default = None if self.default is None else (self.default,)
        return Table(self.name, self.policy, self.inputs, (("out", t.INTEGER),), tuple(self.rows), default)


def number(text: str) -> c.Core:
    return c.Const(t.INTEGER, None if text == "null" else int(text))


def strict_tables(path: Path) -> list[Strict]:
    found: list[Strict] = []
    for at, line in lines(path):
        key, _, rest = line.partition(": ")
        if line.startswith("table "):
            name, _, policy = line.removeprefix("table ").rpartition(": ")
            found.append(Strict(name, policy))
        elif key == "inputs":
            pairs = (part.split(": ", 1) for part in split(rest))
            found[-1].inputs = tuple((name, TYPES[type_]) for name, type_ in pairs)
        elif key == "default":
            found[-1].default = number(rest)
        elif line.startswith("given "):
            given, _, expected = line.removeprefix("given ").rpartition(" => ")
            found[-1].cases.append((at, given, expected))
        else:
            found[-1].add(line)
    return found


def given_inputs(table: Strict, given: str) -> tuple[c.Core, ...]:
    texts = dict(part.split(": ", 1) for part in given.split(", "))
    inputs: list[c.Core] = []
    for name, type_ in table.inputs:
        core = c.Const(type_, None) if texts[name] == "null" else check(texts[name], SCOPE)[0]
        assert core is not None
        inputs.append(core)
    return tuple(inputs)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda p: p.stem)
def test_cases(path: Path) -> None:
    world = world_of({})
    wrong = []
    count = 0
    for table in strict_tables(path):
        for at, asked, expected in table.cases:
            count += 1
            core = c.Lookup(t.INTEGER, table.table(), given_inputs(table, asked), 0)
            value = run(core, world)
            assert same(value, value_of(core, world)), f"{path.name}:{at}: {value!r} is not the definition"
            found = "unknown" if value is None else str(value)
            if found != expected:
                wrong.append(
                    f"{path.name}:{at}: {table.name} ({table.policy}) {asked} => {expected}, found {found}"
                )
    assert count >= 80
    assert not wrong, f"{len(wrong)} of {count}\n" + "\n".join(wrong)


# -- tables of 10,000 rows ---------------------------------------------------------------------------------------------

ROWS = 10_000
#: Value asked, the row of the ladder that holds it: [0..10), [10..20) … [99990..100000).
RUNGS = [(0, 1), (9, 1), (10, 2), (49_999, 5_000), (50_000, 5_001), (99_990, 10_000), (99_999, 10_000)]


@cache
def rungs(width: int) -> tuple[Row, ...]:
    """Row i (from 0) takes [10 i..10 i + width) and gives i + 1."""
    operand = c.Var(t.INTEGER, "?0")
    rows = []
    for i in range(ROWS):
        test, _ = check_cell(f"[{10 * i}..{10 * i + width})", operand, SCOPE)
        assert test is not None
        rows.append(Row((test,), (c.Const(t.INTEGER, i + 1),), i + 1))
    return tuple(rows)


def ladder(policy: str, *, width: int = 10) -> Table:
    return Table("ladder", policy, (("x", t.INTEGER),), (("out", t.INTEGER),), rungs(width), None)


def looked_up(table: Table, *values: int | None) -> list[Any]:
    world = world_of({})
    found = []
    for value in values:
        given = c.Const(t.INTEGER, value)
        found.append(run(c.Lookup(t.INTEGER, table, (given,), 0), world))
    return found


def test_a_unique_table_of_10000_rows() -> None:
    table = ladder("unique")
    assert looked_up(table, *(x for x, _ in RUNGS), -1, 100_000, None) == [
        *(row for _, row in RUNGS),
        None,
        None,
        None,
    ]
    assert next(iter(overlaps(table)), None) is None


def test_rows_that_overlap_among_10000() -> None:
    table = ladder("unique", width=11)
    assert looked_up(table, 9, 10, 11, 50_000, 50_001) == [1, None, 2, None, 5_001]
    assert len(list(overlaps(table))) == ROWS - 1
    assert looked_up(ladder("first", width=11), 9, 10, 50_000, 100_000) == [1, 1, 5_000, 10_000]
    assert looked_up(ladder("collect sum", width=11), 9, 10, 50_000, 200_000, None) == [1, 3, 10_001, 0, None]
    assert looked_up(ladder("collect count", width=1_000_000), 0, 99_999, -1) == [1, 10_000, 0]


@pytest.mark.parametrize(
    ("policy", "width", "expected"),
    [
        ("U", 10, {9: 1, 10: 2, 50_000: 5_001, 99_999: 10_000, 100_000: None, -1: None}),
        ("U", 11, {9: 1, 10: None, 11: 2, 50_000: None}),
        ("F", 11, {10: 1, 50_000: 5_000}),
        ("R", 11, {9: [1], 10: [1, 2], 50_000: [5_000, 5_001]}),
        ("C+", 11, {9: 1, 10: 3, 50_000: 10_001}),
        ("C#", 1_000_000, {0: 1, 99_999: 10_000}),
    ],
)
def test_tables_of_10000_rows_in_the_full_language(
    policy: str, width: int, expected: dict[int, int | list[int] | None]
) -> None:
    span = (0, 0)
    rules = tuple(
        s.TableRule(
            span,
            (parse_dmn_tests(f"[{10 * i}..{10 * i + width})"),),
            (s.Literal(span, Decimal(i + 1)),),
        )
        for i in range(ROWS)
    )
    tree = s.DecisionTable(
        span, policy, (s.TableInput(span, parse_dmn("x", ["x"])),), (s.TableOutput(span, None),), rules
    )
    program = compile_dynamic(tree, ["x"])
    assert {x: program.run({"x": Decimal(x)}).value for x in expected} == expected


# -- tables of the full language, against their cells one by one -----------------------------------------------------

CELLS = [
    *(
        "-",
        "1",
        "2",
        "< 2",
        "<= 2",
        "> 1",
        ">= 2",
        "= 2",
        "!= 2",
        "[1..3]",
        "(1..3)",
        "]1..3[",
        "[1..3)",
        "2.00",
    ),
    *("1, 3", "< 1, > 2", "[1..2], 5", "not(2)", "not(1, 3)", "not(> 2)", "not([1..2])", "null", "not(null)"),
    *(
        '"a"',
        '"b"',
        '"a", "b"',
        '< "b"',
        '["a".."c")',
        'not("a")',
        "true",
        "false",
        "not(true)",
        '@"2024-02-29"',
    ),
    *(
        '< @"2024-02-29"',
        '[@"2024-01-01"..@"2024-02-29"]',
        '<= @"P1D"',
        '@"P1M"',
        "? > 1",
        "? = null",
        "even(?)",
    ),
    *(
        "y",
        "< y",
        "[1..y]",
        "? != y",
        "[1, 2]",
        '["a", 2]',
        "not([1, 2])",
        "{a: 1}",
        '1, "a", null',
        "2, null",
    ),
    *(
        "> 1.999999999999999999999999999999999",
        "[2..2]",
        "(2..2]",
        '@"10:30:00"',
        '>= @"2024-02-29T00:00:00Z"',
    ),
]
VALUES = [
    *(
        "1",
        "2",
        "2.0",
        "3",
        "0.5",
        "2.000000000000000000000000000000001",
        "null",
        '"a"',
        '"b"',
        '""',
        "true",
        "false",
    ),
    *(
        '@"2024-02-29"',
        '@"2024-02-28"',
        '@"P1D"',
        '@"P1M"',
        "[1, 2]",
        "[2]",
        "[]",
        "{a: 1}",
        '@"10:30:00"',
        "[null]",
    ),
    *('@"2024-02-29T08:00:00+08:00"', '@"2024-02-29T00:00:00"', '@"PT24H"'),
]
OUTPUTS = ["1", "2", "3", "2.0", "x"]
RANKED = "3, 1, 2"


def cell_holds(cell: str, value: Any, world: World) -> bool:
    if cell in ("true", "false"):  # constants are compared; alone, a test that is true might be a condition
        return value is (cell == "true")
    return world.cell(cell, value)[0] is True


def decided(policy: str, outputs: list[Any]) -> Any:
    """What a hit policy makes of the outputs of the rules that match, by DMN 1.5, 8.2.10 and 8.2.11."""
    if not outputs:
        return None
    if policy in ("U", "A"):
        alike = len(outputs) == 1 or (policy == "A" and all(o == outputs[0] for o in outputs))
        return outputs[0] if alike else None
    ranks = [3, 1, 2]
    if policy in ("P", "O"):
        ranked = sorted(outputs, key=lambda o: ranks.index(int(o)))
        return ranked if policy == "O" else ranked[0]
    aggregated = {"C+": sum, "C<": min, "C>": max, "C#": lambda found: Decimal(len(found))}
    if policy in aggregated:
        return aggregated[policy](outputs)
    return outputs[0] if policy == "F" else outputs


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(st.sampled_from(CELLS), st.sampled_from(CELLS), st.sampled_from(["1", "2", "3", "2.0"])),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["U", "A", "P", "F", "R", "O", "C", "C+", "C<", "C>", "C#"]),
    st.lists(st.tuples(st.sampled_from(VALUES), st.sampled_from(VALUES)), min_size=1, max_size=4),
    st.sampled_from(["2", "null", '"b"']),
)
def test_a_table_is_its_cells(
    rules: list[tuple[str, str, str]], policy: str, given_: list[tuple[str, str]], y: str
) -> None:
    """The index of a table finds the rows whose cells hold, each asked alone."""
    values: dict[str, Any] = {"x": None, "z": None, "y": World({}).evaluate(y)[0]}
    rows = [f"{first} | {second} | {output}" for first, second, output in rules]
    head = {"inputs": "x | z", "outputs": "-"}
    if policy in ("P", "O"):
        head["values"] = RANKED
    tree = TableText("t", policy, head, rows, []).tree(list(values))
    for first, second in given_:
        values |= {"x": World({}).evaluate(first)[0], "z": World({}).evaluate(second)[0]}
        world = World(values)
        outputs = [
            Decimal(output)
            for a, b, output in rules
            if cell_holds(a, values["x"], world) and cell_holds(b, values["z"], world)
        ]
        found = world.run(tree)[0]
        expected = decided(policy, outputs)
        if not outputs and policy in ("C", "R", "O", "C#"):
            continue  # the standard leaves the empty answer open: nothing, an empty list, none
        assert found == expected, f"{policy} x = {first}, z = {second}, y = {y}: {rows}"


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda p: p.stem)
def test_cases_by_columns(path: Path, tmp_path: Path) -> None:
    """The columnar engine gives what the cases expect."""
    book = book_of(tmp_path / "book", world_of({}))
    plan = reading_everything(VOCABULARY)
    bounds = book_bounds(book, VOCABULARY, plan)
    wrong = []
    with duckdb.connect() as connection:
        prepare(connection, CALENDAR)
        working = WorkingTables(connection, VOCABULARY, plan, bounds, book.tables)
        working.reference()
        (span,) = spans(book, plan)
        working.load(span)
        for table in strict_tables(path):
            compiler = Compiler(VOCABULARY, bounds, CALENDAR, book.as_of)
            cells = [
                compiler.text(
                    c.unique(c.Lookup(t.INTEGER, table.table(), given_inputs(table, asked), 0)), compiler.root
                )
                for _, asked, _ in table.cases
            ]
            names = ", ".join(cell.name for cell in cells)
            found = connection.execute(f"SELECT {names} FROM ({query(cells, compiler.relations)})").fetchone()
            assert found is not None
            for (at, asked, expected), value in zip(table.cases, found, strict=True):
                if (value if value is not None else "unknown") != expected:
                    wrong.append(
                        f"{path.name}:{at}: {table.name} ({table.policy}) {asked} => {expected}, found {value}"
                    )
    assert not wrong, "\n" + "\n".join(wrong)

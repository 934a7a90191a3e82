"""Decision tables: the index against the definition, which looks at every row; overlaps; tables of 10,000 rows."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from feel_reference import World, value_of
from hypothesis import given, settings
from hypothesis import strategies as st
from small_pack import loan_file, outcome, small_pack, write_pack

from sancha.engine.diagnostics import PackError
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.check import Scope, check_cell, check_value
from sancha.engine.feel.operators import BY_NAME
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.cells import CellReader, cell_slip
from sancha.engine.policy.pack import load_pack
from sancha.engine.policy.plan import Outcome as O
from sancha.engine.policy.tables import Row, Table, constraint, input_name, overlaps
from sancha.engine.run import index as index_module
from sancha.engine.run.index import ANY, OPAQUE, Constraint, Index, Interval, Region, bits, by_kind
from sancha.engine.run.to_python import compile_core

POLICIES = ("unique", "first", "any", "collect sum", "collect min", "collect max", "collect count")
DAY = dt.date(2024, 3, 1)
SCOPE = Scope(parameters={"limit": t.MONEY, "most": t.INTEGER, "since": t.DATE})
#: The parameters, each changing on a day.
STEPS: dict[str, tuple[c.Value, c.Value]] = {
    "limit": (3, Decimal("5.5")),
    "most": (4, 6),
    "since": (dt.date(2024, 1, 2), dt.date(2024, 1, 4)),
}
DATES = [dt.date(2024, 1, day) for day in range(1, 6)]
#: Bounds as a cell writes them, and values as facts hold them, by type.
BOUNDS: dict[t.Type, list[str]] = {
    t.INTEGER: [str(n) for n in range(1, 6)],
    t.MONEY: ["1", "2.5", "3", "3.01", "5"],
    t.RATE: ["0.1", "0.25", "0.3", "1"],
    t.DATE: [f'@"{day}"' for day in DATES],
    t.TEXT: ['"a"', '"b"', '"三查"'],
    t.one_of("p", "q", "r"): ["p", "q", "r"],
    t.BOOLEAN: ["true", "false"],
}
VALUES: dict[t.Type, list[Any]] = {
    t.INTEGER: [*range(7)],
    t.MONEY: [Decimal(x) for x in ("0.99", "1.00", "2.00", "2.50", "3.00", "3.01", "4.00", "5.00", "5.01")],
    t.RATE: [Decimal(x) for x in ("0.05", "0.1", "0.2", "0.25", "0.3", "0.4", "1", "2")],
    t.DATE: [dt.date(2023, 12, 31), *DATES, dt.date(2024, 1, 6)],
    t.TEXT: ["", "a", "aa", "b", "c", "三查", "龙"],
    t.one_of("p", "q", "r"): ["p", "q", "r"],
    t.BOOLEAN: [True, False],
}
TYPES = list(BOUNDS)
BY_PARAMETER = {t.INTEGER: "most", t.MONEY: "limit", t.DATE: "since"}


def cell_text(rng: random.Random, type_: t.Type, *, opaque: bool = True) -> str:
    a, b = sorted(rng.choices(range(len(BOUNDS[type_])), k=2))
    low, high = BOUNDS[type_][a], BOUNDS[type_][b]
    forms = [
        "-",
        "-",
        "null",
        "not(null)",
        low,
        f"{low}, {high}",
        f"not({low})",
        f"not({low}, {high})",
        f"null, {low}",
    ]
    if type_.name not in ("one of", "boolean"):
        forms += [f"< {high}", f"<= {high}", f"> {low}", f">= {low}", f"[{low}..{high}]", f"({low}..{high}]"]
        forms += [
            f"[{low}..{high})",
            f"not([{low}..{high}))",
            f"< {low}, > {high}",
            f"[{low}..{high}], {high}",
        ]
        forms += [f"null, >= {high}", f"? > {low} and {high} >= ?"]
    if opaque and type_ in BY_PARAMETER:
        name = f"parameters.{BY_PARAMETER[type_]}"
        forms += [f"<= {name}", f"> {name}", f"{low}, > {name}"]
    return rng.choice(forms)


def on_the_day(core: c.Core) -> c.Core:
    """The core with its parameters read on the day of the book, as lowering leaves it."""

    def change(node: c.Core) -> c.Core:
        if not isinstance(node, c.Param):
            return node
        before, after = (c.Const(node.type, value) for value in STEPS[node.name])
        row = next(r for r in BY_NAME[">="] if r.params[0] == t.DATE)
        day = c.Op(t.BOOLEAN, row, (c.Var(t.DATE, "as_of", nullable=False), c.Const(t.DATE, DAY)))
        return c.If(node.type, day, after, before)

    return c.rewrite(core, change)


def cell_of(text: str, type_: t.Type, i: int) -> c.Core:
    core, defects = check_cell(text, c.Var(type_, input_name(i)), SCOPE)
    assert core is not None, (text, defects)
    return on_the_day(core)


def table_of(types: list[t.Type], rows: list[list[str]], policy: str = "unique", **more: Any) -> Table:
    """A table of cells as text; the output of a row is its number."""
    made = tuple(
        Row(
            tuple(cell_of(text, type_, i) for i, (text, type_) in enumerate(zip(row, types, strict=True))),
            (c.Const(t.INTEGER, number),),
            number,
        )
        for number, row in enumerate(rows, 1)
    )
    inputs = tuple((f"i{i}", type_) for i, type_ in enumerate(types))
    return Table("t", policy, inputs, (("o", t.INTEGER),), made, more.get("default"))


def generated(rng: random.Random) -> Table:
    policy = rng.choice(POLICIES)
    types = rng.choices(TYPES, k=rng.randint(1, 3))
    texts = [[cell_text(rng, type_) for type_ in types] for _ in range(rng.randint(1, 7))]
    table = table_of(types, texts, policy)

    def outputs() -> tuple[c.Core, ...]:
        written = rng.choice(["1", "1", "2", "3", "parameters.most", "parameters.most + 1"])
        first = check_value(written, t.INTEGER, SCOPE)[0]
        second = check_value(rng.choice(["0.5", "0.50", "7.25", "parameters.limit"]), t.MONEY, SCOPE)[0]
        assert first is not None and second is not None
        missing = c.Const(t.NULL, None)
        return on_the_day(missing if rng.random() < 0.05 else first), on_the_day(second)

    fixed = outputs() if policy == "any" and rng.random() < 0.7 else None
    rows = tuple(Row(row.tests, fixed or outputs(), row.number) for row in table.rows)
    default = outputs() if rng.random() < 0.4 else None
    return Table("t", policy, table.inputs, (("n", t.INTEGER), ("m", t.MONEY)), rows, default)


@pytest.mark.parametrize("cells", [4096, 3, 1])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_the_index_agrees_with_a_scan(cells: int, seed: int) -> None:
    """All hit policies, rows that overlap, open and closed ends, nulls, parameters by the day; few cells and many."""
    rng = random.Random(seed)
    table = generated(rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "_CELLS", cells)
        _ = table.index
    facts = {f"i{i}": c.Fact(type_, f"i{i}") for i, (_, type_) in enumerate(table.inputs)}
    lookups = [c.Lookup(type_, table, tuple(facts.values()), i) for i, (_, type_) in enumerate(table.outputs)]
    functions = [compile_core(lookup) for lookup in lookups]
    for _ in range(12):
        values = {
            name: None if rng.random() < 0.2 else rng.choice(VALUES[fact.type])
            for name, fact in facts.items()
        }
        day = rng.choice([dt.date(2024, 2, 29), DAY])
        world = World(values, {}, {}, day, Calendar.empty())
        assert table.index.function(*values.values(), day) == table.index.match(values.values())
        for lookup, function in zip(lookups, functions, strict=True):
            expected = value_of(lookup, world)
            assert function(values, {}, {}, day) == expected, (table.hit_policy, values, day)


# -- the index itself: several kinds in a column, as DMN has them -----------------------------------------------------

KINDS: list[list[Any]] = [[1, 2, Decimal("2.5"), 3, 4], ["a", "b", "c"], [True, False]]
SAMPLES = [None, 0, 1, Decimal("2.50"), 3, 5, "a", "bb", "d", True, False, (1,)]


def generated_region(rng: random.Random) -> Constraint:
    def interval(kind: list[Any]) -> Interval:
        low, high = rng.choice([None, *kind]), rng.choice([None, *kind])
        return Interval(
            low, high, low is not None and rng.random() < 0.5, high is not None and rng.random() < 0.5
        )

    some = tuple(interval(rng.choice(KINDS)) for _ in range(rng.choice([0, 1, 1, 2, 3])))
    return rng.choice([ANY, OPAQUE, *[Region(some, rng.choice([True, False, None]))] * 4])


def passes(region: Region, value: Any) -> bool | None:
    """None for a value without a kind, unless all values pass."""
    if value is None:
        return region.missing
    kind = by_kind(value)
    unbounded = any(i.low is None and i.high is None for i in region.intervals)
    if kind is None:
        return True if unbounded else None

    def inside(i: Interval) -> bool:
        bounds = [by_kind(b) for b in (i.low, i.high) if b is not None]
        return (
            all(b is not None and b[0] == kind[0] for b in bounds)
            and (i.low is None or value > i.low or (value == i.low and i.low_closed))
            and (i.high is None or value < i.high or (value == i.high and i.high_closed))
        )

    return any(map(inside, region.intervals))


@pytest.mark.parametrize("cells", [4096, 3, 1])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_columns_of_several_kinds(cells: int, seed: int) -> None:
    rng = random.Random(seed)
    size = rng.randint(0, 9)
    columns = [[generated_region(rng) for _ in range(size)] for _ in range(rng.randint(1, 3))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "_CELLS", cells)
        index = Index(columns, by_kind)
    for _ in range(10):
        values = [rng.choice(SAMPLES) for _ in columns]
        expected: list[tuple[int, bool]] = []
        for row in range(size):
            sure = True
            for column, value in zip(columns, values, strict=True):
                region = column[row]
                met = None if region is OPAQUE else passes(region, value)
                if met is False:
                    break
                sure = sure and met is True
            else:
                expected.append((row, sure))
        assert list(index.matches(values)) == expected


@given(st.sets(st.integers(0, 300)))
def test_bits(numbers: set[int]) -> None:
    assert list(bits(sum(1 << n for n in numbers))) == sorted(numbers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-", ANY),
        ("2.5", Region.point(Decimal("2.5"))),
        ("null", Region((), True)),
        ("not(null)", Region((Interval(),), False)),
        ("null, > 3", Region.of(Interval(3), missing=True)),
        ("(1..3]", Region.of(Interval(1, 3, False, True))),
        ("not((1..3])", Region.of(Interval(None, 1, False, True), Interval(3))),
        ("3 < ?", Region.of(Interval(3))),
        ("!= 3", Region.of(Interval(None, 3), Interval(3))),
        ("< parameters.limit", OPAQUE),
        ("? * 2 > 3", OPAQUE),
    ],
)
def test_what_a_cell_asks(text: str, expected: Constraint) -> None:
    core, _ = check_cell(text, c.Var(t.MONEY, "?0"), SCOPE)
    assert core is not None
    assert constraint(core, "?0") == expected
    assert text == "-" or constraint(core, "?1") == OPAQUE


NUMBERS = st.sampled_from(["0", "1", "2", "007", "10", "0.5", "2.50", "3.0", "12345678901234567890", "1.5.2"])
SIGNS = st.sampled_from(["", "<", "<= ", ">", "[", "(", "]", ")", "..", ", ", "-", " ", "not(", "= "])


@given(
    cells=st.lists(
        st.lists(st.one_of(NUMBERS, NUMBERS, SIGNS), max_size=6).map("".join), min_size=2, max_size=12
    ),
    type_=st.sampled_from([t.INTEGER, t.MONEY, t.RATE, t.TEXT, t.DATE]),
)
@settings(max_examples=300)
def test_cells_that_differ_in_numbers_are_read_alike(cells: list[str], type_: t.Type) -> None:
    """What the reader makes of a cell that is like an earlier one is what the checker makes of it."""
    reader = CellReader(SCOPE)
    operand = c.Var(type_, "?0")
    for text in (
        *cells,
        "[1..2)",
        "[7..90)",
        "(3.5..40]",
        "(1.5..2]",
        "[5..4]",
        "> 1",
        "> 22",
        "1, 2",
        "1, 5",
    ):
        if cell_slip(text, type_) is None:
            assert reader.input(text, operand) == check_cell(text, operand, SCOPE)


# -- overlaps ---------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32))
@settings(max_examples=80)
def test_overlaps_are_the_rows_that_share_a_value(seed: int) -> None:
    rng = random.Random(seed)
    types = rng.choices(TYPES, k=rng.randint(1, 2))
    texts = [[cell_text(rng, type_, opaque=False) for type_ in types] for _ in range(rng.randint(1, 8))]
    table = table_of(types, texts)
    worlds = World({}, {}, {}, DAY, Calendar.empty())

    def meet(a: Row, b: Row, i: int) -> bool:
        for value in (None, *VALUES[types[i]]):
            world = worlds.bind(input_name(i), value)
            if value_of(a.tests[i], world) is value_of(b.tests[i], world) is True:
                return True
        return False

    expected = [
        (a.number, b.number)
        for n, a in enumerate(table.rows)
        for b in table.rows[n + 1 :]
        if all(meet(a, b, i) for i in range(len(types)))
    ]
    assert [(a.number, b.number) for a, b in overlaps(table)] == expected, texts


@pytest.mark.parametrize(
    ("type_", "a", "b", "overlap"),
    [
        (t.INTEGER, "(5..6)", "5.5", False),
        (t.INTEGER, "> 5", "< 6", False),
        (t.INTEGER, "> 5", "< 7", True),
        (t.MONEY, "> 5", "< 6", True),
        (t.MONEY, "> 5", "< 5.01", False),
        (t.RATE, "> 0.1", "< 0.101", True),
        (t.DATE, '> @"2024-01-31"', '< @"2024-02-01"', False),
        (t.DATE, '> @"2024-01-31"', '< @"2024-02-02"', True),
        (t.BOOLEAN, "not(true)", "not(false)", False),
        (t.one_of("p", "q"), "not(p)", "not(q)", False),
        (t.one_of("p", "q", "r"), "not(p)", "not(q)", True),
        (t.INTEGER, "null", "-", True),
        (t.INTEGER, "null", "not(null)", False),
        (t.INTEGER, "<= parameters.most", "-", False),
    ],
)
def test_an_overlap_needs_a_value_of_the_type(type_: t.Type, a: str, b: str, overlap: bool) -> None:
    if a == "(5..6)":
        type_, b = t.INTEGER, "(5..6)"
    assert bool(list(overlaps(table_of([type_], [[a], [b]])))) is overlap


# -- large tables -----------------------------------------------------------------------------------------------------

BIG = """
table: big
hit policy: {policy}
inputs:
  - {{name: kind, expression: loan.kind}}
  - {{name: amount, expression: loan.amount}}
  - {{name: other, expression: loan.other}}
  - {{name: rate, expression: loan.rate}}
outputs:
  - {{name: level, type: integer}}
rows: big.csv
"""
RULE = """
rule: R-1
judged on: loan.decided_on
in force: {from: 2020-01-01}
applies when: loan.kind != null
require: big >= 3
"""


def grid(rows: int) -> list[str]:
    """Rows that do not overlap: amounts in bands of 1,000, each for one kind and from a rate on."""
    return [f"{'abc'[i % 3]},({i}000..{i + 1}000],-,>= 0.0{i % 5},{i % 7}" for i in range(rows)]


def big_csv(lines: list[str]) -> str:
    return "\n".join(["kind,amount,other,rate,level", *lines]) + "\n"


def test_a_table_of_ten_thousand_rows(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, BIG.format(policy="unique"), RULE, rules__big_csv=big_csv(grid(10_000)))

    def outcome_of(number: int, **facts: Any) -> O:
        known = {
            "loan__kind": "abc"[number % 3],
            "loan__amount": Decimal(number * 1000 + 1000),
            "loan__rate": Decimal("0.05"),
            "loan__decided_on": dt.date(2024, 5, 1),
        }
        return outcome(pack, loan_file(pack, **{**known, **facts}), "R-1")

    for number in (0, 1, 2, 3, 4_095, 9_999):
        assert outcome_of(number) == (O.PASS if number % 7 >= 3 else O.BREACH), number
    assert outcome_of(3, loan__kind="b") == O.UNKNOWN  # a gap
    assert outcome_of(3, loan__rate=Decimal("0.02")) == O.UNKNOWN
    assert outcome_of(4, loan__amount=None) == O.UNKNOWN
    assert outcome_of(4, loan__other=None) == O.PASS


def test_an_index_of_more_rows_than_digits_of_a_number() -> None:
    """Python writes no number of more than 4,300 digits."""
    rows = 20_000
    column = [Region.of(Interval(n, n + 1, True, False)) for n in range(rows)]
    index = Index([column])
    for number in (0, 9_999, rows - 1):
        assert index.function(number) == index.match([number]) == (1 << number, 0, 0)
    assert index.function(rows) == (0, 0, 0)
    assert index.function(None)[0] == index.function(None)[1] == (1 << rows) - 1


def test_overlaps_of_large_tables_are_found(tmp_path: Path) -> None:
    lines = grid(10_000)
    lines[9_000] = lines[17].replace("17000..", "17500..")
    write_pack(tmp_path, BIG.format(policy="unique"), RULE, rules__big_csv=big_csv(lines))
    with pytest.raises(PackError) as caught:
        load_pack(tmp_path)
    (defect,) = caught.value.diagnostics
    assert defect.message == "rows 18 and 9001 of `big` both match some files"
    assert defect.place is not None and defect.place.line == 9_002


def test_a_table_full_of_overlaps_is_told_in_short(tmp_path: Path) -> None:
    write_pack(tmp_path, BIG.format(policy="unique"), RULE, rules__big_csv=big_csv(["-,-,-,-,1"] * 3_000))
    with pytest.raises(PackError) as caught:
        load_pack(tmp_path)
    messages = [d.message for d in caught.value.diagnostics]
    assert messages[0] == "rows 1 and 2 of `big` both match some files"
    assert messages[-1] == "more rows of `big` overlap: these are the first 20 pairs"
    assert len(messages) == 21

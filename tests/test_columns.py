"""The columnar engine computes what the row evaluator computes, value for value."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Context, Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from agreement import Generator, Large, constants_of
from bench import Bench, open_bench
from expressions import Expressions
from hypothesis import given, settings
from hypothesis import strategies as st

from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.check import check, check_cell, check_value
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.lower import lower_core
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.tables import Row, Table, input_name
from sancha.engine.run import lookup
from sancha.engine.run.as_text import as_text
from sancha.engine.run.exact import Exact, register
from sancha.engine.run.relations import query
from sancha.engine.run.runtime import LOWER, UPPER
from sancha.engine.run.to_columns import Compiler, prepare
from sancha.engine.run.to_python import compile_core
from sancha.engine.run.working import book_bounds

AGREE = Path(__file__).parent / "agree"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(AGREE / "pack")


@pytest.fixture(scope="module", params=["missing facts", "no fact missing", "large values"])
def bench(
    request: pytest.FixtureRequest, pack: Pack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    constants = constants_of(pack)
    generator = {
        "missing facts": Generator(11, constants, 0.15),
        "no fact missing": Generator(12, constants, 0),
        "large values": Large(13, {}, 0.1),
    }[request.param]
    made = open_bench(tmp_path_factory.mktemp("bench") / "book", pack, generator, 150)
    yield made
    made.connection.close()


def kept() -> list[str]:
    lines = (AGREE / "expressions.feel").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_kept_expressions_agree(bench: Bench) -> None:
    named = []
    for text in kept():
        core, defects = check(text, bench.pack.scope)
        assert core is not None, (text, defects)
        named.append((text, lower_core(bench.pack, core)))
    assert bench.disagreements(named) == []


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_generated_expressions_agree(bench: Bench, seed: int) -> None:
    rng = random.Random(seed)
    draw = Expressions(rng, bench.pack.scope)
    texts = [draw.any(rng.choice([1, 2, 3, 4, 5])) for _ in range(25)]
    named = [(text, core) for text in texts if len(text) < 3_000 and (core := bench.core(text)) is not None]
    assert len(named) > 5
    assert bench.disagreements(named) == []


# -- decision tables ----------------------------------------------------------------------------------------------

INPUTS = (
    (t.MONEY, ("loan.amount", "loan.amount - loan.value", "sum(visits.amount)")),
    (t.one_of("p", "q", "r"), ("loan.kind",)),
    (t.INTEGER, ("loan.term", "count(visits)", "loan.level")),
    (t.BOOLEAN, ("loan.secured", "loan.amount > loan.value")),
    (t.DATE, ("loan.decided_on",)),
    (t.RATE, ("loan.rate", "loan.amount / loan.value")),
    (t.TEXT, ("loan.officer",)),
)
OUTPUTS = (
    (t.INTEGER, ("0", "1", "2", "3", "-1", "null")),
    (t.RATE, ("0.7", "0.5", "0.70", "0.12345678")),
    (t.MONEY, ("100", "70.5")),
    (t.one_of("u", "v"), ("u", "v")),
    (t.BOOLEAN, ("true", "false")),
    (t.DATE, ('@"2024-01-01"', '@"2024-02-01"')),
    (t.TEXT, ('"x"', '"y{0}"')),
)
POLICIES = ("unique", "first", "any", "collect sum", "collect min", "collect max", "collect count")


def cell(rng: random.Random, type_: t.Type) -> str:
    if rng.random() < 0.3:
        return "-"
    fixed = {
        "one of": ("p", "p, q", "not(r)", '"q"'),
        "boolean": ("true", "false"),
        "text": ('"S1"', '"S1", "S2"', 'not("三查")', '< "a"'),
        "date": ('< @"2024-01-31"', '>= @"2024-02-29"', '[@"2024-01-01"..@"2024-12-31"]'),
    }
    if type_.name in fixed:
        return rng.choice(fixed[type_.name])
    low, high = rng.choice([0, 1, 2, 3, 7, 70]), rng.choice([100, 360, 700_000])
    return rng.choice(
        [
            f">= {low}",
            f"< {high}",
            f"[{low}..{high})",
            f"({low}..{high}]",
            f"{low}",
            f"{low}, {high}",
            f"not({low})",
        ]
    )


def generated_lookups(rng: random.Random, pack: Pack) -> list[tuple[str, c.Core]]:
    """A random decision table, looked up for each of its outputs."""
    policy = rng.choice(POLICIES)
    inputs = [rng.choice(INPUTS) for _ in range(rng.randint(1, 3))]
    fit = {"collect sum": ("integer", "rate", "money"), "collect min": ("integer", "rate", "money", "date")}
    fit["collect max"] = fit["collect min"]
    outputs = [o for o in OUTPUTS if o[0].name in fit.get(policy, (o[0].name,))]
    chosen = [rng.choice(outputs) for _ in range(rng.randint(1, 2))]
    if policy == "any" and rng.random() < 0.7:
        chosen = [(type_, values[:1]) for type_, values in chosen]

    def values(rank: int | None = None) -> tuple[c.Core, ...]:
        found = []
        for type_, texts in chosen:
            text = texts[0] if rank == 0 else rng.choice(texts)
            core = c.Const(t.NULL, None) if text == "null" else check_value(text, type_, pack.scope)[0]
            assert core is not None
            found.append(core)
        return tuple(found)

    rows = []
    for number in range(1, rng.randint(2, 7)):
        tests = []
        for i, (type_, _) in enumerate(inputs):
            test, defects = check_cell(cell(rng, type_), c.Var(type_, input_name(i)), pack.scope)
            assert test is not None, defects
            tests.append(test)
        rows.append(Row(tuple(tests), values(), number))
    default = values(0) if rng.random() < 0.4 else None
    table = Table(
        "generated",
        policy,
        tuple((f"i{i}", type_) for i, (type_, _) in enumerate(inputs)),
        tuple((f"o{i}", type_) for i, (type_, _) in enumerate(chosen)),
        tuple(rows),
        default,
    )
    given_ = []
    for _, texts in inputs:
        core, _ = check(rng.choice(texts), pack.scope)
        assert core is not None
        given_.append(lower_core(pack, core))
    kinds = [t.INTEGER if policy == "collect count" else type_ for type_, _ in chosen]
    return [(f"{policy} {table}", c.Lookup(kind, table, tuple(given_), i)) for i, kind in enumerate(kinds)]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_generated_tables_agree(bench: Bench, seed: int) -> None:
    rng = random.Random(seed)
    named = [lookup for _ in range(4) for lookup in generated_lookups(rng, bench.pack)]
    assert bench.disagreements(named) == []


@given(seed=st.integers(0, 2**32))
@settings(max_examples=15)
def test_generated_tables_agree_where_functions_look_up(bench: Bench, seed: int) -> None:
    """As above, with the ways of large tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "_ARMS", 1)
        patch.setattr(lookup, "_LIST", 1)
        named = [found for _ in range(4) for found in generated_lookups(random.Random(seed), bench.pack)]
        assert bench.disagreements(named) == []


def test_tables_of_ten_thousand_rows_are_no_chains_of_conditions(bench: Bench) -> None:
    """100 bands of amounts, 50 officers, and loans that are secured or not; the rows do not overlap."""
    amount, officer, secured = (
        c.Var(type_, input_name(i)) for i, type_ in enumerate((t.MONEY, t.TEXT, t.BOOLEAN))
    )
    rows = []
    for number in range(10_000):
        band, rest = divmod(number, 100)
        name, is_secured = divmod(rest, 2)
        cells = (f"({band * 9_000}..{(band + 1) * 9_000}]", f'"S{name}"', "true" if is_secured else "false")
        tests = [
            check_cell(text, var, bench.pack.scope)[0]
            for text, var in zip(cells, (amount, officer, secured), strict=True)
        ]
        assert None not in tests
        rows.append(Row(tuple(tests), (c.Const(t.INTEGER, number),), number + 1))  # type: ignore[arg-type]
    inputs = (("amount", t.MONEY), ("officer", t.TEXT), ("secured", t.BOOLEAN))
    table = Table("large", "unique", inputs, (("out", t.INTEGER),), tuple(rows), None)
    cores = [bench.core(text) for text in ("loan.amount", "loan.officer", "loan.secured")]
    core = c.Lookup(t.INTEGER, table, tuple(core for core in cores if core is not None), 0)
    assert bench.disagreements([("large", core)]) == []
    bounds = book_bounds(bench.book, bench.pack.vocabulary, bench.plan)
    compiler = Compiler(bench.pack.vocabulary, bounds, bench.pack.calendar, bench.book.as_of)
    body = query([compiler.text(core, compiler.root)], compiler.relations)
    assert body.count("WHEN") < 200


# -- what the templates of the operator table call ----------------------------------------------------------------


@pytest.fixture(scope="module")
def connection(pack: Pack) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        prepare(made, pack.calendar)
        yield made


def compile_one(text: str, facts: dict[str, t.Type], calendar: Calendar) -> tuple[c.Core, Compiler]:
    from sancha.engine.feel.check import Scope
    from sancha.engine.policy.vocabulary import Field, Vocabulary
    from sancha.engine.run.to_columns import BookBounds, ColumnBounds

    core, defects = check(text, Scope(facts=facts))
    assert core is not None, defects
    fields = {name: Field(name, type_, {"en": name}) for name, type_ in facts.items()}
    # As wide as the amounts of a bank are.
    wide = ColumnBounds(True, -(10**14), 10**14)
    known = {name: wide if type_ in (t.MONEY, t.RATE) else ColumnBounds() for name, type_ in facts.items()}
    bounds = BookBounds(known, {}, {})
    return core, Compiler(Vocabulary("", fields, {}, {}, {}), bounds, calendar, dt.date(2024, 1, 1))


def over_table(text: str, table: pa.Table, facts: dict[str, t.Type], calendar: Calendar) -> None:
    """Both ways to run give the same for every row of a table of facts."""
    core, compiler = compile_one(text, facts, calendar)
    shown = compiler.text(core, compiler.root)
    with duckdb.connect() as con:
        prepare(con, calendar)
        for f in compiler.numbers.functions.values():
            register(con, f)
        con.register("given", table)
        con.execute("CREATE TABLE files AS SELECT row_number() OVER () AS f, * FROM given")
        columns = ", ".join(f'"{name}"' for name in facts)
        found = con.execute(
            f"SELECT {columns}, {shown.name} FROM ({query([shown], compiler.relations)}) JOIN files USING (f)"
        )
        function = compile_core(core, calendar)
        for *values, text_ in found.fetchall():
            wanted = as_text(function(dict(zip(facts, values, strict=True)), {}, {}, None), core.type)
            assert text_ == wanted, (text, values)


def test_letters_agree_for_all_characters() -> None:
    changed = [chr(i) for i in range(1, 0x110000) if not 0xD800 <= i < 0xE000]
    odd = [x for x in changed if len(x.lower()) > 1 or len(x.upper()) > 1 or x.lower() != x or x.upper() != x]
    assert (
        len(odd) > 2_000
        and any(LOWER(x) != x.lower() for x in odd)
        and any(UPPER(x) != x.upper() for x in odd)
    )
    table = pa.table({"a.s": [*odd, *(f"x{x}三" for x in odd), "".join(odd)]})
    for text in ("lower case(a.s)", "upper case(a.s)", "string length(a.s)"):
        over_table(text, table, {"a.s": t.TEXT}, Calendar.empty())


def test_dates_agree_around_month_ends_and_leap_days(pack: Pack) -> None:
    days = [dt.date(2023, 12, 28) + dt.timedelta(days=i) for i in range(0, 70, 1)]
    days += [
        dt.date(2020, 2, 28),
        dt.date(2020, 2, 29),
        dt.date(2024, 12, 31),
        dt.date(1, 1, 1),
        dt.date(9999, 12, 31),
    ]
    pairs = [(a, b) for a in days[::2] for b in days]
    facts = {"a.d": t.DATE, "a.e": t.DATE}
    table = pa.table({"a.d": pa.array([a for a, _ in pairs]), "a.e": pa.array([b for _, b in pairs])})
    for name in ("days between", "months between", "years between", "working days between"):
        over_table(f"{name}(a.d, a.e)", table, facts, pack.calendar)
    for span in ('@"P1M"', '@"P13M"', '@"P1Y"', '@"P31D"'):
        over_table(f"a.d + {span} <= a.e", table, facts, pack.calendar)
        over_table(f"a.d - {span}", table, facts, pack.calendar)
    for count in (-3, 0, 1, 5, 10_000):
        over_table(f"add working days(a.d, {count})", table, facts, pack.calendar)


def test_quotients_exactly_at_the_limit() -> None:
    """Amounts whose quotient is the limit, and those one cent beside it, on either side of zero."""
    amounts = []
    for i in range(1, 400):
        value = Decimal(i * 37_003).scaleb(-2) * (-1 if i % 5 == 0 else 1)
        for limit in (Decimal("0.7"), Decimal(1) / 3, Decimal("0.65")):
            at = (value * limit).quantize(Decimal("0.01"))
            amounts += [(at + Decimal(cents).scaleb(-2), value) for cents in (-1, 0, 1)]
    amounts += [(Decimal("1.00"), Decimal("0.00")), (Decimal("0.00"), Decimal("0.00"))]
    facts = {"a.m": t.MONEY, "a.v": t.MONEY}
    # The working tables hold amounts in cents; here a table of cents stands for them.
    core, compiler = compile_one("a.m / a.v <= 0.7", facts, Calendar.empty())
    for text in (
        "a.m / a.v <= 0.7",
        "a.m / a.v < 0.7",
        "a.m / a.v = 0.65",
        "a.m / a.v > 1 / 3",
        "a.m * 10 = a.v * 7",
    ):
        core, compiler = compile_one(text, facts, Calendar.empty())
        cell_ = compiler.boolean(core, compiler.root)
        table = pa.table({k: pa.array([int(p[i].scaleb(2)) for p in amounts]) for i, k in enumerate(facts)})
        with duckdb.connect() as con:
            con.register("given", table)
            con.execute("CREATE TABLE files AS SELECT row_number() OVER () AS f, * FROM given")
            found = [
                r[0]
                for r in con.execute(
                    f"SELECT {cell_.name} FROM ({query([cell_], compiler.relations)}) ORDER BY f"
                ).fetchall()
            ]
        function = compile_core(core)
        assert found == [function({"a.m": m, "a.v": v}, {}, {}, None) for m, v in amounts], text


# -- how it is laid out -------------------------------------------------------------------------------------------


def test_equal_parts_are_one_cell(pack: Pack) -> None:
    _, compiler = compile_one("a.m > 1", {"a.m": t.MONEY, "a.n": t.MONEY}, Calendar.empty())
    first, _ = compile_one("a.m / a.n > 0.5 and a.m > 1", {"a.m": t.MONEY, "a.n": t.MONEY}, Calendar.empty())
    second, _ = compile_one("a.m > 1 and a.m / a.n > 0.5", {"a.m": t.MONEY, "a.n": t.MONEY}, Calendar.empty())
    a, b = compiler.boolean(first, compiler.root), compiler.boolean(second, compiler.root)
    assert a is not b and set(a.args) == set(b.args)


def test_no_binary_floats_and_no_slow_way_for_plain_arithmetic() -> None:
    facts = {"a.m": t.MONEY, "a.n": t.MONEY, "a.r": t.RATE}
    for text in (
        "a.m / a.n <= 0.7",
        "a.m * a.r >= a.n",
        "a.m + a.n > 3",
        "decimal(a.m / a.n, 2) = 0.33",
        "a.m / 12 < a.n",
    ):
        core, compiler = compile_one(text, facts, Calendar.empty())
        compiler.value(core, compiler.root)
        assert not compiler.numbers.functions, text
    core, compiler = compile_one("a.m / a.n * 3 <= 0.7", facts, Calendar.empty())
    compiler.value(core, compiler.root)
    assert [f.reason for f in compiler.numbers.functions.values()] == ["`/`", "`*`", "`<=`"]


def test_constants_keep_their_digits() -> None:
    _, compiler = compile_one("a.m > 1", {"a.m": t.MONEY}, Calendar.empty())
    for text in ("0.7", "-70.010", "1E+3", "12345678901234567890123456789012", "0.00000001", "0"):
        value = compiler.numbers.constant(Decimal(text))
        assert isinstance(value, Exact) and value.constant is not None
        assert Decimal(value.constant).scaleb(-value.scale, Context(prec=60)) == Decimal(text)

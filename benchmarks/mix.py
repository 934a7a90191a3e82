"""What `benchmarks/columns.py` measures: a policy of 100 rules in the mix of a bank's, and a book to judge by it.

60 simple comparisons, 10 ratios, 5 decision tables of 50 rows, 15 rules over child lists, 5 temporal ones, 3 with dated
values, and 2 on the whole portfolio. Each rule stands twice: in FEEL, as a pack has it, and as the one SQL expression
that an expert writes for it by hand: decimals as they are, quotients multiplied out, child lists grouped once a rule
and joined, no test for null where the columns have none. FEEL and SQL are separate texts but for the names of facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from sancha.engine.book.schema import table_schema
from sancha.engine.book.store import BookWriter
from sancha.engine.policy.vocabulary import Vocabulary

AS_OF = date(2024, 12, 31)
FILES_AT_ONCE = 100_000
ITEMS = {"repayments": 12, "transactions": 10, "inspections": 3}
PRODUCTS = ("working_capital", "fixed_asset", "personal_business", "invoice", "guarantee")
KINDS = ("company", "sole_trader", "partnership", "cooperative")
GRADES = ("A1", "A2", "B1", "B2", "C", "D")
PURPOSES = ("raw_materials", "equipment", "wages", "rent", "refinancing", "dividend")
INDUSTRIES = tuple("ABCDEFGHIJKLMNOPQRST")
TYPES = ("sale", "wage", "tax", "loan", "other")

#: Fact -> type, and how its values are drawn: (low, high) for numbers and days before the end of the book.
FACTS: dict[str, tuple[str, tuple[int, int] | tuple[str, ...]]] = {
    "branch": ("text", tuple(f"B{n:02}" for n in range(40))),
    "product": ("one of", PRODUCTS),
    "kind": ("one of", KINDS),
    "grade": ("one of", GRADES),
    "purpose": ("one of", PURPOSES),
    "industry": ("text", INDUSTRIES),
    "secured": ("boolean", (0, 10)),
    "related": ("boolean", (0, 2)),
    "listed": ("boolean", (0, 1)),
    "received_on": ("date", (60, 1200)),
    "decided_on": ("date", (30, 1100)),
    "signed_on": ("date", (20, 1090)),
    "matures_on": ("date", (-900, 400)),
    "classified_on": ("date", (0, 125)),
    "asked": ("money", (1_000_000, 1_050_000_000)),
    "amount": ("money", (1_000_000, 1_000_000_000)),
    "balance": ("money", (0, 900_000_000)),
    "revenue": ("money", (2_000_000_000, 20_000_000_000)),
    "vat": ("money", (2_000_000_000, 18_000_000_000)),
    "inflow": ("money", (4_000_000_000, 18_000_000_000)),
    "assets": ("money", (1_000_000_000, 30_000_000_000)),
    "liabilities": ("money", (0, 2_000_000_000)),
    "net_assets": ("money", (-100_000_000, 20_000_000_000)),
    "debt": ("money", (0, 1_200_000_000)),
    "collateral": ("money", (1_000_000_000, 8_000_000_000)),
    "overdue": ("money", (0, 30_000_000)),
    "guarantees": ("money", (0, 1_500_000_000)),
    "group_exposure": ("money", (1_000_000, 4_000_000_000)),
    "rate": ("rate", (2_950_000, 9_000_000)),
    "term": ("integer", (3, 61)),
    "employees": ("integer", (0, 300)),
    "insured": ("integer", (0, 300)),
    "lenders": ("integer", (0, 8)),
    "queries": ("integer", (0, 10)),
    "score": ("integer", (300, 900)),
    "days_past_due": ("integer", (0, 120)),
    "level": ("integer", (1, 6)),
}
#: Facts that some files lack, one in twenty of them.
OPEN = ("net_assets", "collateral", "score", "classified_on", "vat")
LISTS: dict[str, dict[str, tuple[str, tuple[int, int] | tuple[str, ...]]]] = {
    "repayments": {
        "due_on": ("date", (0, 360)),
        "paid_on": ("date", (-5, 360)),
        "due": ("money", (100_000, 50_000_000)),
        "paid": ("money", (100_000, 50_000_000)),
    },
    "transactions": {
        "done_on": ("date", (0, 700)),
        "amount": ("money", (-50_000_000, 100_000_000)),
        "type": ("one of", TYPES),
        "party": ("text", tuple(f"P{n:03}" for n in range(500))),
    },
    "inspections": {
        "done_on": ("date", (0, 500)),
        "on_site": ("boolean", (0, 10)),
        "officer": ("text", tuple(f"S{n:02}" for n in range(60))),
    },
}
OPEN_FIELDS = ("repayments.paid_on",)


@dataclass(frozen=True, slots=True)
class MixRule:
    """One rule: FEEL with `@` for `loan.`, and SQL over the columns of the loan table.

    `open`: a column that it reads may be null. `joins` are the grouped child tables of the SQL, by their alias.
    """

    id: str
    kind: str
    applies: str
    require: str
    sql_applies: str
    sql_require: str
    open: bool = False
    joins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MixTable:
    """A decision table: two inputs, rows of cells in FEEL and their SQL."""

    name: str
    inputs: tuple[str, str]
    types: tuple[str, str]
    rows: tuple[tuple[str, str, int], ...]
    sql: str


@dataclass(frozen=True, slots=True)
class GroupRule:
    """A portfolio rule: the share of a group in the sum of a measure."""

    id: str
    where: str
    sql_where: str
    group: str
    measure: str
    limit: str


def both(text: str) -> tuple[str, str]:
    """A simple condition in FEEL and in SQL."""
    feel = re.sub(r"@(\w+)", r"loan.\1", text).replace("#", "@")
    sql = re.sub(r'#"([-\d]+)"', r"DATE '\1'", text)
    sql = re.sub(r"\bin \[(\S+)\.\.(\S+)\]", r"BETWEEN \1 AND \2", sql)
    sql = re.sub(r"@(\w+)", r"\1", sql).replace('"', "'").replace("!=", "<>")
    return feel, sql


def simple(number: int, applies: str, require: str, kind: str = "simple") -> MixRule:
    feel, sql = zip(both(applies), both(require), strict=True)
    is_open = any(f"@{name}" in applies + require for name in OPEN)
    return MixRule(f"{kind[0].upper()}-{number:03}", kind, feel[0], feel[1], sql[0], sql[1], is_open)


_APPLIES = (
    '@product = "working_capital"',
    '@product in ("working_capital", "personal_business")',
    '@kind != "sole_trader"',
    "@amount > 1000000",
    "@secured",
    "not(@listed)",
)
_SIMPLE = (
    "@amount <= 98{0}000",
    "@term < 60 or @amount <= {0}00000",
    "@lenders <= 6 or @queries < 8 or @amount <= {0}000",
    '@purpose != "dividend" or @amount < 8{0}0000',
    "@overdue <= 29{0}00",
    "@level >= 2 or @amount <= 8{0}0000",
    "@balance <= @amount + 7{0}0000",
    "@rate in [0.029{0}..0.0895]",
    "@score >= 310 or @amount <= {0}00000",
    '@grade in ("A1", "A2", "B1", "B2") or @amount <= 9{0}0000',
)


def _simple_rules() -> Iterator[MixRule]:
    values = ("30", "32", "34", "35", "38", "40")
    for i, (applies, value) in enumerate(zip(_APPLIES, values, strict=True)):
        for j, text in enumerate(_SIMPLE):
            yield simple(i * 10 + j + 1, applies, text.format(value))


_RATIOS = (
    ("@liabilities / @assets <= 0.7", "liabilities * 10 <= assets * 7"),
    ("@debt / @revenue <= 0.35", "debt * 100 <= revenue * 35"),
    ("@inflow / @revenue >= 0.3", "inflow * 10 >= revenue * 3"),
    ("@revenue / @vat <= 6", "CASE WHEN vat <> 0 THEN revenue <= vat * 6 END"),
    ("@insured / @employees >= 0.02", "CASE WHEN employees <> 0 THEN insured * 100 >= employees * 2 END"),
    ("@amount / @collateral <= 0.65", "CASE WHEN collateral <> 0 THEN amount * 100 <= collateral * 65 END"),
    ("@guarantees / @assets <= 0.5", "guarantees * 10 <= assets * 5"),
    ("(@debt + @amount) / @revenue <= 0.5", "(debt + amount) * 10 <= revenue * 5"),
    ("@group_exposure / @assets <= 1.6", "group_exposure * 10 <= assets * 16"),
    (
        "@amount / @net_assets <= 0.9",
        "CASE WHEN net_assets > 0 THEN amount * 10 <= net_assets * 9 "
        "WHEN net_assets < 0 THEN amount * 10 >= net_assets * 9 END",
    ),
)


def _ratio_rules() -> Iterator[MixRule]:
    for i, (feel, sql) in enumerate(_RATIOS):
        rule = simple(i + 1, _APPLIES[i % 3 + 3], feel, "ratio")
        yield MixRule(
            rule.id,
            rule.kind,
            rule.applies,
            rule.require,
            rule.sql_applies,
            sql,
            # A quotient by 0 is missing too.
            rule.open or "CASE" in sql,
        )


def _cases(column: str, other: str, rows: list[tuple[str, str, int]]) -> str:
    arms = []
    for cell, value, output in rows:
        low, high = re.findall(r"\d+", cell)
        arms.append(f"WHEN {column} > {low} AND {column} <= {high} AND {other} = '{value}' THEN {output}")
    return f"CASE {' '.join(arms)} ELSE 0 END"


def tables() -> tuple[MixTable, ...]:
    """Five tables of 50 rows: ten bands of an amount or number by five values."""
    made = []
    for number, (column, other, values, top) in enumerate(
        (
            ("amount", "product", PRODUCTS, 10_000_000),
            ("group_exposure", "grade", GRADES[:5], 40_000_000),
            ("term", "purpose", PURPOSES[:5], 60),
            ("days_past_due", "product", PRODUCTS, 120),
            ("balance", "grade", GRADES[:5], 9_000_000),
        )
    ):
        step = top // 10
        rows = [
            (f"({band * step}..{(band + 1) * step}]", value, (band + place * (number + 1)) % 6 + 1)
            for band in range(10)
            for place, value in enumerate(values)
        ]
        kind = "integer" if column in ("term", "days_past_due") else "money"
        made.append(
            MixTable(
                f"table{number + 1}",
                (column, other),
                (kind, "one of"),
                tuple(rows),
                _cases(column, other, rows),
            )
        )
    return tuple(made)


def _table_rules() -> Iterator[MixRule]:
    for number, table in enumerate(tables(), 1):
        applies = simple(number, _APPLIES[number % 6], "true", "table")
        yield MixRule(
            applies.id,
            "table",
            applies.applies,
            f"{table.name} <= loan.level + 4",
            applies.sql_applies,
            f"({table.sql}) <= level + 4",
        )


#: FEEL, SQL over the joined aggregate, the aggregate, and whether it may be unknown.
_CHILD = (
    (
        "count(repayments[paid < due]) <= 8",
        "coalesce(j.v, 0) <= 8",
        "SELECT loan_id, count(*) AS v FROM repayments WHERE paid < due GROUP BY loan_id",
        False,
    ),
    (
        "sum(repayments.paid) >= 2000000",
        "coalesce(j.v, 0) >= 2000000",
        "SELECT loan_id, sum(paid) AS v FROM repayments GROUP BY loan_id",
        False,
    ),
    (
        "sum(repayments.due) <= loan.amount * 3 + 3000000",
        "coalesce(j.v, 0) <= amount * 3 + 3000000",
        "SELECT loan_id, sum(due) AS v FROM repayments GROUP BY loan_id",
        False,
    ),
    (
        "every r in repayments satisfies r.due <= 499900",
        "coalesce(j.v, 0) <= 499900",
        "SELECT loan_id, max(due) AS v FROM repayments GROUP BY loan_id",
        False,
    ),
    (
        "some r in repayments satisfies r.paid_on > r.due_on",
        "CASE WHEN j.t > 0 THEN TRUE WHEN j.n > 0 THEN NULL ELSE FALSE END",
        "SELECT loan_id, count(*) FILTER (WHERE paid_on > due_on) AS t, count(*) FILTER (WHERE paid_on IS NULL) AS n "
        "FROM repayments GROUP BY loan_id",
        True,
    ),
    (
        'count(transactions[type in ("sale", "wage")]) >= 1',
        "coalesce(j.v, 0) >= 1",
        "SELECT loan_id, count(*) AS v FROM transactions WHERE type IN ('sale', 'wage') GROUP BY loan_id",
        False,
    ),
    (
        'sum(transactions[type = "loan"].amount) <= loan.debt',
        "coalesce(j.v, 0) <= debt",
        "SELECT loan_id, sum(amount) AS v FROM transactions WHERE type = 'loan' GROUP BY loan_id",
        False,
    ),
    (
        "count(distinct values(transactions.party)) >= 9",
        "coalesce(j.v, 0) >= 9",
        "SELECT loan_id, count(DISTINCT party) AS v FROM transactions GROUP BY loan_id",
        False,
    ),
    (
        "max(transactions.amount) <= loan.revenue",
        "j.v <= revenue",
        "SELECT loan_id, max(amount) AS v FROM transactions GROUP BY loan_id",
        False,
    ),
    (
        'not(some t in transactions satisfies t.type = "tax" and t.amount > 980000)',
        "j.loan_id IS NULL",
        "SELECT DISTINCT loan_id FROM transactions WHERE type = 'tax' AND amount > 980000",
        False,
    ),
    (
        "count(inspections[on_site]) <= 1",
        "coalesce(j.v, 0) <= 1",
        "SELECT loan_id, count(*) AS v FROM inspections WHERE on_site GROUP BY loan_id",
        False,
    ),
    (
        'some i in inspections satisfies i.done_on >= loan.signed_on - @"P200D"',
        "j.v >= signed_on - 200",
        "SELECT loan_id, max(done_on) AS v FROM inspections GROUP BY loan_id",
        False,
    ),
    (
        "count(distinct values(inspections.officer)) >= 2",
        "coalesce(j.v, 0) >= 2",
        "SELECT loan_id, count(DISTINCT officer) AS v FROM inspections GROUP BY loan_id",
        False,
    ),
    (
        'max(inspections.done_on) >= @"2023-11-30"',
        "j.v >= DATE '2023-11-30'",
        "SELECT loan_id, max(done_on) AS v FROM inspections GROUP BY loan_id",
        False,
    ),
    (
        'count(repayments[due_on >= @"2024-10-01" and paid * 50 < due]) = 0',
        "j.loan_id IS NULL",
        "SELECT DISTINCT loan_id FROM repayments WHERE due_on >= DATE '2024-10-01' AND paid * 50 < due",
        False,
    ),
)


def _child_rules() -> Iterator[MixRule]:
    for i, (feel, sql, join, may_be_open) in enumerate(_CHILD):
        applies = simple(i + 1, _APPLIES[i % 6], "true", "child")
        alias = f"j{i + 1}"
        yield MixRule(
            applies.id,
            "child",
            applies.applies,
            feel,
            applies.sql_applies,
            sql.replace("j.", f"{alias}."),
            may_be_open,
            (f"LEFT JOIN ({join}) {alias} ON {alias}.loan_id = l.loan_id",),
        )


_TEMPORAL = (
    ('@decided_on - @received_on <= #"P1000D"', "decided_on - received_on <= 1000"),
    ('@signed_on <= @decided_on + #"P900D"', "signed_on <= decided_on + 900"),
    ('@matures_on <= @signed_on + #"P5Y"', "matures_on <= CAST(signed_on + INTERVAL 5 YEAR AS DATE)"),
    (
        '@classified_on + #"P4M" >= #"2024-12-31"',
        "CAST(classified_on + INTERVAL 4 MONTH AS DATE) >= DATE '2024-12-31'",
    ),
    ('@received_on + #"P30M" >= @signed_on', "CAST(received_on + INTERVAL 30 MONTH AS DATE) >= signed_on"),
)


def _temporal_rules() -> Iterator[MixRule]:
    for i, (feel, sql) in enumerate(_TEMPORAL):
        rule = simple(i + 1, _APPLIES[i], feel, "when")
        yield MixRule(rule.id, "temporal", rule.applies, rule.require, rule.sql_applies, sql, rule.open)


_CAP = "CASE WHEN decided_on >= DATE '2024-01-01' THEN {2} WHEN decided_on >= DATE '2022-07-01' THEN {1} ELSE {0} END"
PARAMETERS = {
    "cap": ("money", (9_600_000, 9_800_000, 9_900_000)),
    "gap": ("rate", ("0.30", "0.35", "0.40")),
    "longest": ("integer", (58, 59, 59)),
}


def _dated_rules() -> Iterator[MixRule]:
    for i, (name, feel, sql) in enumerate(
        (
            ("cap", "loan.amount <= parameters.cap", "amount <= {}"),
            ("gap", "loan.debt <= loan.revenue * parameters.gap", "debt <= revenue * {}"),
            ("longest", "loan.term <= parameters.longest", "term <= {}"),
        ),
        1,
    ):
        applies = simple(i, _APPLIES[i], "true", "dated")
        value = _CAP.format(*PARAMETERS[name][1])
        yield MixRule(
            applies.id, "dated", applies.applies, feel, applies.sql_applies, sql.format(f"({value})")
        )


GROUPS = (
    GroupRule("P-001", "loan.balance > 0", "balance > 0", "industry", "balance", "0.06"),
    GroupRule("P-002", 'loan.product = "fixed_asset"', "product = 'fixed_asset'", "branch", "amount", "0.03"),
)


def rules(kinds: tuple[str, ...] | None = None) -> list[MixRule]:
    """The rules on files, of these kinds (None: all 98)."""
    made = [
        *_simple_rules(),
        *_ratio_rules(),
        *_table_rules(),
        *_child_rules(),
        *_temporal_rules(),
        *_dated_rules(),
    ]
    return [r for r in made if kinds is None or r.kind in kinds]


# -- the pack ---------------------------------------------------------------------------------------------------------

_COMMON = """title: {en: Rule}
stage: in-loan
impact: control
cause: C
clause: one.1
source: {document: S, evidence: B}
finding: {en: Found}
recommend: {en: Do}
"""


def _type(type: str, values: tuple[int, int] | tuple[str, ...]) -> str:
    return f'"one of [{", ".join(map(str, values))}]"' if type == "one of" else type


def write_pack(folder: Path, kinds: tuple[str, ...] | None = None, copies: int = 1) -> list[MixRule]:
    """Write the policy as a pack; `copies` repeats the rules on files under other names and other thresholds.

    Gives the rules on files, in their order.
    """
    facts = "\n".join(
        f"      {name}: {{type: {_type(*spec)}, label: {{en: {name}}}}}" for name, spec in FACTS.items()
    )
    lists = "\n".join(
        f"  {name}:\n    label: {{en: {name}}}\n    fields:\n"
        + "\n".join(f"      {f}: {{type: {_type(*spec)}, label: {{en: {f}}}}}" for f, spec in fields.items())
        for name, fields in LISTS.items()
    )
    files = {
        "pack.yaml": "pack: mix\nversion: '1'\ntitle: {en: Mix}\nnotice: {en: Generated}\nlanguages: [en]\n"
        "currency: CNY\ntime zone: Asia/Shanghai\n"
        "dimensions: {branch: loan.branch, exposure: loan.amount, product: loan.product}\n",
        "vocabulary.yaml": f"vocabulary: mix\ngroups:\n  loan:\n    label: {{en: Loan}}\n    facts:\n{facts}\n"
        f"lists:\n{lists}\n",
        "sources.yaml": "S: {en: Source}\n",
        "causes.yaml": "C: {en: Cause}\n",
        "clauses/all.md": "## one.1 Clause\n\nText.\n",
    }
    days = ("2010-01-01", "2022-07-01", "2024-01-01")
    files["parameters/all.yaml"] = "parameters:\n" + "".join(
        f"  {name}:\n    label: {{en: {name}}}\n    type: {type_}\n    values:\n"
        + "".join(
            f"      - {{from: {day}, value: {value}, source: {{document: S, evidence: B}}}}\n"
            for day, value in zip(days, values, strict=True)
        )
        for name, (type_, values) in PARAMETERS.items()
    )
    made: list[MixRule] = []
    chosen = rules(kinds)
    for copy in range(copies):
        for rule in chosen:
            id = rule.id if not copy else f"{rule.id}x{copy}"
            # A copy differs in its condition, so that it is no copy to the planner.
            applies = rule.applies if not copy else f"{rule.applies} and loan.amount != {5_000_000 + copy}"
            made.append(MixRule(id, rule.kind, applies, rule.require, rule.sql_applies, rule.sql_require))
            files[f"rules/{id}.yaml"] = (
                f"rule: {id}\njudged on: loan.decided_on\nin force: {{from: 2015-01-01}}\n"
                f"applies when: |-\n  {applies}\nrequire: |-\n  {rule.require}\n{_COMMON}"
            )
    if kinds is None or "portfolio" in kinds:
        for group in GROUPS:
            files[f"rules/{group.id}.yaml"] = (
                f"rule: {group.id}\nkind: portfolio\nin force: {{from: 2015-01-01}}\nwhere: |-\n  {group.where}\n"
                f"group by: loan.{group.group}\nmeasure: loan.{group.measure}\n"
                f"require: share <= {group.limit}\n{_COMMON}"
            )
    if kinds is None or "table" in kinds:
        for table in tables():
            inputs = "".join(
                f"  - {{name: i{n}, expression: loan.{i}}}\n" for n, i in enumerate(table.inputs)
            )
            files[f"tables/{table.name}.yaml"] = (
                f"table: {table.name}\ntitle: {{en: Table}}\nhit policy: unique\ninputs:\n{inputs}"
                f"outputs:\n  - {{name: out, type: integer}}\nrows: {table.name}.csv\nclause: one.1\n"
                "source: {document: S, evidence: B}\ndefault: ['0']\n"
            )
            lines = ["i0,i1,out", *(f"{a},{b},{n}" for a, b, n in table.rows)]
            files[f"tables/{table.name}.csv"] = "\n".join(lines) + "\n"
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return made


# -- the book ---------------------------------------------------------------------------------------------------------


def write_book(
    folder: Path, vocabulary: Vocabulary, files: int, *, lists: bool = True, seed: int = 1
) -> None:
    """A book of so many files, the same for the same numbers, in flat memory; all lists have the same length."""
    rng = np.random.default_rng(seed)
    with BookWriter(
        folder, vocabulary, as_of=AS_OF, synthetic=True, source=f"benchmarks/mix.py --loans {files}"
    ) as writer:
        for start in range(0, files, FILES_AT_ONCE):
            count = min(FILES_AT_ONCE, files - start)
            ids = pa.array([f"L{n:09}" for n in range(start, start + count)])
            columns = {"loan_id": ids}
            columns |= {f"loan.{n}": _drawn(rng, *spec, count, n in OPEN) for n, spec in FACTS.items()}
            for name, items in ITEMS.items():
                columns[name] = pa.array(np.full(count, items if lists else 0))
            writer.append("loans", pa.Table.from_pydict(columns, table_schema(vocabulary, "loans")))
            for name, fields in LISTS.items() if lists else ():
                many = ITEMS[name]
                rows = {
                    "loan_id": ids.take(pa.array(np.repeat(np.arange(count), many))),
                    "item": pa.array(np.tile(np.arange(1, many + 1), count)),
                }
                for field, spec in fields.items():
                    rows[field] = _drawn(rng, *spec, count * many, f"{name}.{field}" in OPEN_FIELDS)
                writer.append(name, pa.Table.from_pydict(rows, table_schema(vocabulary, name)))


def _drawn(
    rng: np.random.Generator, type: str, values: tuple[int, int] | tuple[str, ...], count: int, is_open: bool
) -> pa.Array:
    missing = rng.random(count) < 0.05 if is_open else None
    if isinstance(values[0], str):
        codes = pa.array(rng.integers(0, len(values), count, dtype=np.int32), mask=missing)
        return pa.DictionaryArray.from_arrays(codes, pa.array(values)).cast(pa.string())
    low, high = int(values[0]), int(values[1])
    drawn = rng.integers(low, high, count)
    match type:
        case "boolean":
            return pa.array(drawn < 1 if high > 1 else drawn < 0, mask=missing)
        case "date":
            days = (AS_OF - date(1970, 1, 1)).days - drawn
            return pa.array(days.astype(np.int32), pa.int32(), mask=missing).cast(pa.date32())
        case "integer":
            return pa.array(drawn, mask=missing)
    places = 2 if type == "money" else 8
    # Two words a decimal, the lower one first; the upper one holds the sign.
    words = np.empty((count, 2), np.int64)
    words[:, 0], words[:, 1] = drawn, drawn >> 63
    validity = None
    if missing is not None:
        validity = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.decimal128(18, places), count, [validity, pa.py_buffer(words.tobytes())])

"""Generated policies over generated books: as columns and row by row the same outcomes, facts and reasons.

`scripts/agree.py` does the same for as long as one likes.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from agreement import Generator, Large, constants_of, differences, generated_book
from bench import compare_expressions
from expressions import ALL, Expressions, reached
from policies import compare, policy

from sancha.engine.book.schema import LOANS, table_schema
from sancha.engine.book.store import write_book
from sancha.engine.diagnostics import PackError
from sancha.engine.policy.pack import load_pack
from sancha.engine.run.replay import replay

AGREE = Path(__file__).parent / "agree"

SEEDS = range(100, 112)
FILES = 1_500
RULES = 12
#: How often the expressions of the policies use each operator and form, at least.
LEAST = 5


def test_there_are_two_hundred_thousand_comparisons() -> None:
    assert len(SEEDS) * FILES * RULES >= 200_000


@pytest.mark.parametrize("seed", SEEDS)
def test_generated_policies_agree(tmp_path: Path, seed: int) -> None:
    """A vocabulary, decisions, tables, checks, triggers, portfolio rules and waivers of the seed's own."""
    found = compare(tmp_path, seed, FILES, RULES)
    assert found.comparisons == FILES * RULES
    assert found.differences == []


@pytest.mark.parametrize("values", ["at the constants", "at the ends of the types"])
@pytest.mark.parametrize("name", sorted(p.name for p in AGREE.glob("kept-*")))
def test_kept_counterexamples_agree(tmp_path: Path, name: str, values: str) -> None:
    """Rules on which the ways to run once failed or differed, beside the pack of tests/agree; each file says why."""
    shutil.copytree(AGREE / "pack", tmp_path / "pack")
    shutil.copytree(AGREE / name, tmp_path / "pack" / "rules" / name)
    pack = load_pack(tmp_path / "pack")
    made = Generator(5, constants_of(pack)) if values == "at the constants" else Large(6, {})
    generated_book(tmp_path / "book", pack.vocabulary, made, 300)
    for engine in ("columns", "row"):
        replay(tmp_path / "book", pack, tmp_path / engine, engine=engine, progress=False)
    assert differences(tmp_path / "columns", tmp_path / "row") == []


@pytest.mark.parametrize("engine", ["columns", "row"])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1)])
def test_the_sum_of_a_group_has_all_its_digits(tmp_path: Path, engine: str, order: tuple[int, ...]) -> None:
    """270 places lie between the files of a group, the two largest of which cancel out."""
    shutil.copytree(AGREE / "pack", tmp_path / "pack")
    shutil.copytree(AGREE / "kept-sums", tmp_path / "pack" / "rules" / "kept")
    pack = load_pack(tmp_path / "pack")
    usage = ("9999999999999999999999.99999999", "0.00000001", "-9999999999999999999999.99999999")
    loans = [
        {"loan_id": f"L{i}", "loan.kind": "p", "loan.amount": Decimal(1), "loan.usage": Decimal(usage[place])}
        for i, place in enumerate(order)
    ]
    tables = {LOANS: pa.Table.from_pylist(loans, table_schema(pack.vocabulary, LOANS))}
    write_book(
        tmp_path / "book",
        pack.vocabulary,
        tables,
        as_of=dt.date(2024, 12, 31),
        synthetic=True,
        source="a test",
    )
    replay(tmp_path / "book", pack, tmp_path / "run", engine=engine, progress=False)
    found = pq.read_table(tmp_path / "run" / "exceptions.parquet").to_pylist()
    (facts,) = ({f["fact"]: f["value"] for f in row["facts"]} for row in found if row["rule"] == "KEPT-22")
    assert facts["total"] == "0." + "0" * 71 + "1"


def test_a_run_without_any_outcome_is_written(tmp_path: Path) -> None:
    """Portfolio rules alone, and no file that belongs to a group: there is nothing to count."""
    shutil.copytree(AGREE / "pack", tmp_path / "pack")
    (tmp_path / "pack" / "rules" / "base.yaml").unlink()
    shutil.copytree(AGREE / "kept-groups", tmp_path / "pack" / "rules" / "kept")
    pack = load_pack(tmp_path / "pack")
    generated_book(tmp_path / "book", pack.vocabulary, Generator(5, {}, missing=1), 5)
    for engine in ("columns", "row"):
        replay(tmp_path / "book", pack, tmp_path / engine, engine=engine, progress=False)
        assert pq.read_table(tmp_path / engine / "outcomes.parquet").num_rows == 0
    assert differences(tmp_path / "columns", tmp_path / "row") == []


def test_portfolio_rules_that_call_the_row_are_told(tmp_path: Path) -> None:
    shutil.copytree(AGREE / "pack", tmp_path / "pack")
    shutil.copytree(AGREE / "kept-groups", tmp_path / "pack" / "rules" / "kept")
    rules = tmp_path / "pack" / "rules" / "kept" / "rules.yaml"
    text = rules.read_text(encoding="utf-8")
    told = {}
    for measure in ("loan.amount * 3", "loan.amount / loan.value * 3"):
        rules.write_text(text.replace("measure: loan.amount", f"measure: {measure}"), encoding="utf-8")
        pack = load_pack(tmp_path / "pack")
        generated_book(tmp_path / "book", pack.vocabulary, Generator(5, constants_of(pack)), 50)
        replay(tmp_path / "book", pack, tmp_path / "run", progress=False)
        told[measure] = json.loads((tmp_path / "run" / "run.json").read_text())["row_functions"]
        shutil.rmtree(tmp_path / "run")
    assert told == {"loan.amount * 3": {}, "loan.amount / loan.value * 3": {"KEPT-21": ["`*`", "`/`"]}}


QUOTED = '"S{}"'


def many(count: int, text: str = "loan.amount + {}") -> str:
    return ", ".join(text.format(i) for i in range(count))


#: Expressions, and whether they check.
MANY = {
    "and": (" and ".join(f"loan.amount > {i}" for i in range(300)), True),
    "or": (" or ".join(f'loan.officer = "S{i}"' for i in range(300)), True),
    "in": (f"loan.officer in ({many(1_000, QUOTED)})", True),
    "list": (f"max([{many(300)}]) > 300", True),
    "values": (f"some x in [{many(300)}] satisfies x = 371", True),
    "arguments": (f"min({many(100)}) > 5", True),
    "too many arguments": (f"min({many(101)}) > 5", False),
    "terms": (f"{' + '.join(['loan.amount'] * 102)} > 0", False),
    "parts": (f"{'(' * 101}loan.secured{')' * 101}", False),
    "lists": (f"{'some x in visits satisfies ' * 11}x.done", False),
}


@pytest.mark.parametrize("name", MANY)
def test_what_checks_runs_in_both_ways_however_long_it_is(tmp_path: Path, name: str) -> None:
    """What is too deep to run is an error when it is checked, and says so."""
    text, sound = MANY[name]
    shutil.copytree(AGREE / "pack", tmp_path / "pack")
    rules = tmp_path / "pack" / "rules" / "base.yaml"
    document = yaml.safe_load(rules.read_text(encoding="utf-8"))
    document |= {"require": text, "in force": {"from": "2010-01-01"}}
    rules.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    if not sound:
        with pytest.raises(PackError) as error:
            load_pack(tmp_path / "pack")
        assert {d.code for d in error.value.diagnostics} == {"E0104"}
        return
    pack = load_pack(tmp_path / "pack")
    generated_book(tmp_path / "book", pack.vocabulary, Generator(5, constants_of(pack)), 50)
    for engine in ("columns", "row"):
        replay(tmp_path / "book", pack, tmp_path / engine, engine=engine, progress=False)
    assert differences(tmp_path / "columns", tmp_path / "row") == []


def texts_of(value: object) -> list[str]:
    """All texts of a document."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts_of(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts_of(part)]
    return [value] if isinstance(value, str) else []


def test_the_generator_reaches_every_operator_and_form(tmp_path: Path) -> None:
    """Each row of the operator table, and each construct, in expressions that check: in the grammar's own and in the
    conditions of rules."""
    found: Counter[str] = Counter()
    for seed in SEEDS[:4]:
        pack = policy(tmp_path / str(seed), seed, RULES)
        for file in (pack.path / "rules").glob("rule*.yaml"):
            for text in texts_of(yaml.safe_load(file.read_text(encoding="utf-8"))):
                found += reached(text, pack.scope)
        rng = random.Random(seed)
        draw = Expressions(rng, pack.scope)
        for _ in range(2_500):
            found += reached(draw.any(rng.choice([1, 2, 3])), pack.scope)
    assert [name for name in ALL if found[name] < LEAST] == []


def test_the_generator_reaches_every_part_of_a_policy(tmp_path: Path) -> None:
    found: Counter[str] = Counter()
    for seed in range(36):
        pack = policy(tmp_path / str(seed), seed, 6)
        assert load_pack(pack.path).digest == pack.digest
        found.update(rule.kind for rule in pack.rules.values())
        found.update("versions" for rule in pack.rules.values() if len(rule.versions) > 1)
        found.update(
            "working days"
            for r in pack.rules.values()
            for v in r.versions
            if v.trigger and v.trigger.working_days
        )
        found.update("waiver" for _ in pack.waivers)
        for decision in pack.decisions.values():
            kind = "called" if decision.called else "read"
            found.update(v.table.hit_policy if v.table else "literal" for v in decision.versions)
            found.update(kind for v in decision.versions if v.table)
            found.update("computed cells" for v in decision.versions if v.table and v.table.computed)
        vocabulary = pack.vocabulary
        fields = [*vocabulary.facts.values()]
        for spec in (*vocabulary.lists.values(), *vocabulary.reference.values()):
            fields += spec.fields.values()
            found.update(["known list"] if spec.known_on else ["list"])
        found.update(str(f.type) if f.type.item else f.type.name for f in fields)
        found.update("required" for f in fields if f.required)
        found.update("known later" for f in fields if f.known_on)
        found.update("reference" for _ in vocabulary.reference)
    wanted = [
        *("check", "trigger", "portfolio", "versions", "working days", "waiver", "literal", "called", "read"),
        *("unique", "first", "any", "collect sum", "collect min", "collect max", "collect count"),
        *("computed cells", "known list", "list", "required", "known later", "reference"),
        *("money", "rate", "number", "integer", "days", "boolean", "text", "date", "date-time", "one of"),
        *("list of text", "list of integer", "list of date"),
    ]
    assert [name for name in wanted if found[name] < LEAST] == []


@pytest.mark.parametrize("seed", range(200, 203))
def test_generated_expressions_agree(tmp_path: Path, seed: int) -> None:
    """Values of any type, as texts of evidence, in the scope of a generated policy."""
    found = compare_expressions(tmp_path, seed, 200)
    assert found.comparisons > 10_000 and found.differences == []

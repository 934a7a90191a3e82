"""The replay: both engines write the same run, all of it or nothing."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from agreement import Generator, constants_of, differences, generated_book
from expressions import rule as generated_rule
from small_pack import small_pack, write_pack

from sancha.engine.book import store
from sancha.engine.book.schema import table_schema
from sancha.engine.book.store import open_book, write_book
from sancha.engine.book.synthesize import synthesize
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.vocabulary import load_vocabulary
from sancha.engine.run import columns as columns_module
from sancha.engine.run import replay as replay_module
from sancha.engine.run import working
from sancha.engine.run.replay import replay
from sancha.engine.run.results import EXCEPTIONS_SCHEMA, OUTCOMES_SCHEMA, RunWriter

ROOT = Path(__file__).resolve().parent.parent
AGREE = Path(__file__).parent / "agree"
DATA = Path(os.environ.get("SANCHA_DATA", ROOT.parent / "shared" / "data"))
AS_OF = dt.date(2024, 12, 31)


def both(folder: Path, book: Path, pack: Path, **options: Any) -> Path:
    """Replays by both engines, and asks that they agree in everything; the columnar run."""
    runs = {engine: folder / f"run-{engine}" for engine in ("columns", "row")}
    for engine, out in runs.items():
        replay(book, pack, out, engine=engine, progress=False, **options)
    assert differences(runs["columns"], runs["row"]) == []
    infos = [json.loads((out / "run.json").read_text()) for out in runs.values()]
    assert infos[0]["outcomes"] == infos[1]["outcomes"]
    return runs["columns"]


# -- agreement ----------------------------------------------------------------------------------------------------


def test_demonstration_pack_agrees_on_generated_files(tmp_path: Path) -> None:
    """2,000 files with missing facts, amounts and dates at the thresholds, month ends, leap days, odd lists."""
    pack = load_pack(ROOT / "rules")
    generated_book(tmp_path / "book", pack.vocabulary, Generator(7, constants_of(pack), 0.06), 2_000)
    run = both(tmp_path, tmp_path / "book", ROOT / "rules")
    outcomes = json.loads((run / "run.json").read_text())["outcomes"]
    assert all(outcomes[name] for name in ("pass", "breach", "not applicable", "unknown", "not due"))


@pytest.mark.parametrize("hindsight", [False, True])
def test_demonstration_pack_agrees_on_the_synthetic_book(tmp_path: Path, hindsight: bool) -> None:
    vocabulary = load_vocabulary(ROOT / "rules" / "vocabulary.yaml")
    synthesize(600, 3, tmp_path / "book", vocabulary)
    both(tmp_path, tmp_path / "book", ROOT / "rules", hindsight=hindsight)


@pytest.mark.parametrize("example", ["sba", "bpic2012"])
def test_examples_agree_on_the_real_books(tmp_path: Path, example: str) -> None:
    source = DATA / example
    if not source.is_dir():
        pytest.skip(f"needs the data folder {source}")
    from sancha.engine.book.intake import import_extract

    folder = ROOT / "examples" / example
    vocabulary = load_vocabulary(folder / "pack" / "vocabulary.yaml")
    import_extract(source, folder / "mapping.yaml", vocabulary, tmp_path / "book")
    both(tmp_path, tmp_path / "book", folder / "pack")


def generated_pack(folder: Path, seed: int, rules: int = 10) -> Pack:
    """The pack of tests/agree with random rules and waivers."""
    rng = random.Random(seed)
    shutil.copytree(AGREE / "pack", folder)
    scope = load_pack(folder).scope
    made: list[dict[str, Any]] = []
    attempts = 0
    while len(made) < rules:
        attempts += 1
        assert attempts < rules * 20, "the generator draws too few rules that check"
        drawn = generated_rule(rng, scope, len(made))
        (folder / "rules" / "generated.yaml").write_text(_documents([*made, drawn]), encoding="utf-8")
        try:
            load_pack(folder)
        except SanchaError:
            continue
        made.append(drawn)
    (folder / "rules" / "generated.yaml").write_text(_documents(made), encoding="utf-8")
    waivers = [
        {
            "waiver": f"W-{number}",
            "rule": drawn["rule"],
            "scope": "loan.secured",
            "approver": "S1",
            "level": rng.choice([2, 3, 4]),
            "from": "2024-01-01",
            "until": rng.choice(["2024-03-31", "2025-12-31"]),
            "compensating control": {"en": "None"},
        }
        for number, drawn in enumerate(made)
        if drawn.get("kind") != "portfolio" and rng.random() < 0.5
    ]
    (folder / "waivers.yaml").write_text(yaml.safe_dump({"waivers": waivers}), encoding="utf-8")
    return load_pack(folder)


def _documents(rules: list[dict[str, Any]]) -> str:
    return "---\n".join(yaml.safe_dump(r, allow_unicode=True, sort_keys=False) for r in rules)


@pytest.fixture(scope="module")
def agree_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pack = load_pack(AGREE / "pack")
    folder = tmp_path_factory.mktemp("agree") / "book"
    generated_book(folder, pack.vocabulary, Generator(3, constants_of(pack)), 150)
    return folder


@pytest.mark.parametrize("seed", range(6))
def test_generated_packs_agree(tmp_path: Path, agree_book: Path, seed: int) -> None:
    generated_pack(tmp_path / "pack", seed)
    both(tmp_path, agree_book, tmp_path / "pack", hindsight=seed % 3 == 0)


@pytest.mark.parametrize("pack", sorted(p.name for p in AGREE.glob("kept-*")) or ["none"])
def test_kept_packs_agree(tmp_path: Path, agree_book: Path, pack: str) -> None:
    """Packs on which the engines once disagreed: rules of a file `rules.yaml` added to the pack of tests/agree."""
    if pack == "none":
        return
    shutil.copytree(AGREE / "pack", tmp_path / "pack")
    shutil.copytree(AGREE / pack, tmp_path / "pack" / "rules" / pack)
    both(tmp_path, agree_book, tmp_path / "pack")


# -- what a run says ----------------------------------------------------------------------------------------------

CHECK = """
rule: T-01
judged on: loan.decided_on
in force: {from: 2020-01-01}
applies when: loan.kind = "a"
require: loan.amount <= 100 and (some v in visits satisfies v.done)
"""


def small_book(folder: Path, pack: Pack, rows: list[dict[str, Any]], visits: list[dict[str, Any]]) -> Path:
    vocabulary = pack.vocabulary
    tables = {
        "loans": pa.Table.from_pylist(rows, table_schema(vocabulary, "loans")),
        "visits": pa.Table.from_pylist(visits, table_schema(vocabulary, "visits")),
        "payments": pa.Table.from_pylist([], table_schema(vocabulary, "payments")),
        "reference/people": pa.Table.from_pylist([], table_schema(vocabulary, "reference/people")),
    }
    write_book(folder, vocabulary, tables, as_of=AS_OF, synthetic=True, source="test")
    return folder


def loan(number: int, **facts: Any) -> dict[str, Any]:
    known = {
        "loan.branch": "East",
        "loan.kind": "a",
        "loan.amount": Decimal("100.00"),
        "loan.decided_on": dt.date(2024, 5, 17),
        "visits": 1,
        "payments": 0,
    }
    return {"loan_id": f"L{number}", **known, **{k.replace("__", "."): v for k, v in facts.items()}}


def visit(number: int, **fields: Any) -> dict[str, Any]:
    known = {
        "loan_id": f"L{number}",
        "item": 1,
        "date": dt.date(2024, 5, 1),
        "staff": ["三", "B"],
        "done": True,
    }
    return {**known, **fields}


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A run of one rule over five files."""
    pack = small_pack(tmp_path / "pack", CHECK)
    rows = [
        loan(1),
        loan(2, loan__amount=Decimal("100.01")),
        loan(3, loan__kind="b"),
        loan(4, visits=None),
        loan(5, loan__amount=None, loan__branch=None),
    ]
    small_book(tmp_path / "book", pack, rows, [visit(1), visit(2), visit(3), visit(5, done=None)])
    return both(tmp_path, tmp_path / "book", tmp_path / "pack")


def test_codes_and_exceptions(told: Path) -> None:
    codes = pq.read_table(told / "codes.parquet")
    assert codes.schema.field("T-01").type == pa.int8()
    assert codes.to_pydict() == {"loan_id": ["L1", "L2", "L3", "L4", "L5"], "T-01": [0, 1, 2, 3, 3]}
    table = pq.read_table(told / "exceptions.parquet")
    assert table.schema.equals(EXCEPTIONS_SCHEMA)
    breach, no_list, no_amount = table.to_pylist()
    assert breach["outcome"] == "breach" and breach["version"] == "2020-01-01" and breach["branch"] == "East"
    assert breach["judged_on"] == dt.date(2024, 5, 17) and breach["exposure"] == Decimal("100.01")
    assert [(f["fact"], f["value"]) for f in breach["facts"]] == [
        ("loan.amount", "100.01"),
        ("loan.decided_on", "2024-05-17"),
        ("loan.kind", "a"),
        ("visits[1].date", "2024-05-01"),
        ("visits[1].done", "true"),
    ]
    assert breach["missing"] == [] and breach["note"] is None and breach["group"] is None
    assert no_list["missing"] == ["visits"] and no_amount["missing"] == ["loan.amount", "visits.done"]
    assert no_amount["exposure"] is None and no_amount["branch"] is None
    assert {f["fact"]: f["value"] for f in no_amount["facts"]}["loan.amount"] is None


def test_outcomes_are_counted_by_branch_product_and_quarter(told: Path) -> None:
    table = pq.read_table(told / "outcomes.parquet")
    assert table.schema.equals(OUTCOMES_SCHEMA)
    rows = table.to_pylist()
    assert sum(r["files"] for r in rows) == 5
    assert {(r["branch"], r["outcome"]): (r["files"], r["exposure"]) for r in rows} == {
        ("East", "pass"): (1, Decimal("100.00")),
        ("East", "breach"): (1, Decimal("100.01")),
        ("East", "not applicable"): (1, Decimal("100.00")),
        ("East", "unknown"): (1, Decimal("100.00")),
        (None, "unknown"): (1, Decimal("0.00")),
    }
    assert {r["period"] for r in rows} == {"2024Q2"} and {r["product"] for r in rows} == {None}
    info = json.loads((told / "run.json").read_text())
    assert info["outcomes"] == {
        "pass": 1,
        "breach": 1,
        "not applicable": 1,
        "unknown": 2,
        "waived": 0,
        "not due": 0,
    }
    assert info["files"] == 5 and info["rules"] == 1 and info["engine"] == "columns" and not info["hindsight"]
    assert info["book"]["as_of"] == "2024-12-31" and {"sancha", "duckdb", "python"} <= set(info["versions"])


def test_another_day_of_the_book(tmp_path: Path) -> None:
    rule = "rule: T-01\njudged on: as_of\nin force: {from: 2024-06-01}\nrequire: loan.amount > 1"
    pack = small_pack(tmp_path / "pack", rule)
    small_book(tmp_path / "book", pack, [loan(1)], [visit(1)])
    for day, outcome in ((None, "pass"), (dt.date(2024, 5, 31), "not applicable")):
        run = replay(tmp_path / "book", tmp_path / "pack", tmp_path / "run", progress=False, as_of=day)
        assert run.outcomes[outcome] == 1


GROUPS = """
rule: T-02
kind: portfolio
in force: {from: 2020-01-01}
where: loan.grade > 0
group by: loan.branch
measure: loan.amount
require: share <= 0.5
"""


def groups(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> dict[str, tuple[str, list[str], dict[str, str | None]]]:
    """The outcomes of the groups, with what was missing and the figures of those that are exceptions."""
    pack = small_pack(tmp_path / "pack", GROUPS)
    small_book(tmp_path / "book", pack, [{**r, "visits": 0} for r in rows], [])
    run = both(tmp_path, tmp_path / "book", tmp_path / "pack")
    found = pq.read_table(run / "exceptions.parquet").to_pylist()
    return {
        r["group"]: (r["outcome"], r["missing"], {f["fact"]: f["value"] for f in r["facts"]}) for r in found
    } | {"counted": pq.read_table(run / "outcomes.parquet").select(["outcome", "files"]).to_pydict()}  # type: ignore[dict-item]


def test_a_group_above_the_limit_is_a_breach(tmp_path: Path) -> None:
    rows = [
        loan(1, loan__grade=1),
        loan(2, loan__branch="West", loan__grade=1, loan__amount=Decimal("100.01")),
    ]
    found = groups(tmp_path, [*rows, loan(3, loan__grade=0, loan__branch="North")])
    assert found["counted"] == {"outcome": ["breach", "pass"], "files": [1, 1]}
    outcome, missing, facts = found["West"]
    assert (outcome, missing) == ("breach", [])
    assert facts == {"share": "0.500025", "total": "100.01", "files": "1"}


def test_files_without_a_group_leave_open_who_would_pass(tmp_path: Path) -> None:
    rows = [
        loan(i, loan__grade=1, loan__branch=b) for i, b in enumerate(["East", "East", "East", "West", None])
    ]
    found = groups(tmp_path, rows)
    assert found["East"][0] == "breach"
    # 1 of 5 is within the limit, and 2 of 5 would be: the file without a branch cannot matter.
    assert found["counted"] == {"outcome": ["breach", "pass"], "files": [1, 1]}


def test_files_without_a_group_can_matter(tmp_path: Path) -> None:
    rows = [
        loan(i, loan__grade=1, loan__branch=b) for i, b in enumerate(["East", "West", "South", None, None])
    ]
    found = groups(tmp_path, rows)
    assert {g: found[g][:2] for g in ("East", "West", "South")} == {
        g: ("unknown", ["loan.branch"]) for g in ("East", "West", "South")
    }


def test_an_amount_that_is_missing_leaves_the_shares_open(tmp_path: Path) -> None:
    west = loan(2, loan__grade=None, loan__branch="West")
    rows = [loan(1, loan__grade=1), west, loan(3, loan__grade=1, loan__amount=None)]
    found = groups(tmp_path, rows)
    assert found["East"][:2] == ("unknown", ["loan.amount", "loan.grade"])


# -- how it is written --------------------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path: Path) -> Callable[..., Path]:
    pack = small_pack(tmp_path / "pack", CHECK)
    rows = [loan(i, loan__amount=Decimal(95 + i % 10)) for i in range(100, 200)]
    small_book(tmp_path / "book", pack, rows, [visit(i) for i in range(100, 200)])

    def run(out: Path, **options: Any) -> Path:
        return replay(tmp_path / "book", tmp_path / "pack", out, progress=False, **options).path

    return run


def test_the_same_bytes_again(tmp_path: Path, demo: Callable[..., Path]) -> None:
    for name in ("first", "second"):
        demo(tmp_path / name)
    for file in ("codes", "outcomes", "exceptions"):
        first, second = ((tmp_path / run / f"{file}.parquet").read_bytes() for run in ("first", "second"))
        assert first == second


def test_chunks_make_no_difference(
    tmp_path: Path, demo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo(tmp_path / "whole")
    monkeypatch.setattr(working, "CHUNK", 7)
    demo(tmp_path / "chunks")
    assert differences(tmp_path / "chunks", tmp_path / "whole") == []


def test_the_room_of_a_text_or_a_word_makes_no_difference(
    tmp_path: Path, demo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo(tmp_path / "one")
    monkeypatch.setattr(columns_module, "_MOST_TEXT", 0)
    monkeypatch.setattr(columns_module, "_BITS", 3)
    demo(tmp_path / "many")
    assert differences(tmp_path / "many", tmp_path / "one") == []
    exceptions = [pq.read_table(tmp_path / run / "exceptions.parquet") for run in ("one", "many")]
    assert exceptions[0].num_rows > 30 and exceptions[0].equals(exceptions[1])


def test_books_out_of_order(
    tmp_path: Path, demo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo(tmp_path / "sorted")
    loans = tmp_path / "book" / "loans.parquet"
    table = pq.read_table(loans)
    pq.write_table(table.take(list(reversed(range(table.num_rows)))), loans)
    monkeypatch.setattr(working, "CHUNK", 30)
    demo(tmp_path / "reversed")
    assert differences(tmp_path / "reversed", tmp_path / "sorted") == []


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name not in ("pack", "book"))


def test_an_older_run_is_replaced_and_other_folders_are_not(
    tmp_path: Path, demo: Callable[..., Path]
) -> None:
    demo(tmp_path / "run")
    (tmp_path / "run" / "old").write_text("x")
    demo(tmp_path / "run")
    assert not (tmp_path / "run" / "old").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    with pytest.raises(SanchaError, match="`mine` is there already and is not a run"):
        demo(tmp_path / "mine")
    assert left(tmp_path) == ["mine", "run"]


@pytest.mark.parametrize("engine", ["columns", "row"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_nothing_is_left_of_a_run_that_failed(
    tmp_path: Path,
    demo: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    failure: BaseException,
) -> None:
    demo(tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_text()

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(RunWriter, "exceptions", fail)
    expected = SanchaError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as error:
        demo(tmp_path / "run", engine=engine)
    if isinstance(error.value, SanchaError):
        assert (
            "no space is left on the disk" in error.value.message
            and error.value.help == "nothing was left behind"
        )
    assert left(tmp_path) == ["run"] and (tmp_path / "run" / "run.json").read_text() == before


def test_lists_that_the_book_lacks_are_missing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def rule(id: str, require: str) -> str:
        return f"rule: {id}\njudged on: loan.decided_on\nin force: {{from: 2020-01-01}}\nrequire: {require}"

    write_pack(
        tmp_path / "pack",
        rule("T-01", "loan.amount > 0"),
        rule("T-02", "some v in visits satisfies v.done"),
        rule("T-03", "some p in people satisfies p.id = loan.branch"),
        rule("T-04", "count(people) = 0 or visits = null"),
    )
    pack = load_pack(tmp_path / "pack")
    rows = pa.Table.from_pylist([loan(1), loan(2)], table_schema(pack.vocabulary, "loans"))
    counts = {"unknown": None, "known": pa.array([0, 0]), "some": pa.array([None, 0], pa.int64())}
    found = {}
    for name, column in counts.items():
        loans = rows.drop_columns(["visits"])
        if column is not None:
            loans = loans.append_column("visits", column)
        folder = tmp_path / name
        write_book(folder, pack.vocabulary, {"loans": loans}, as_of=AS_OF, synthetic=True, source="t")
        if name == "unknown":  # as a book that says nothing of the list
            rewritten = pq.read_table(folder / "loans.parquet").drop_columns(["visits"])
            pq.write_table(rewritten, folder / "loans.parquet")
        run = both(tmp_path / f"run {name}", folder, tmp_path / "pack")
        found[name] = [list(row.values())[1:] for row in pq.read_table(run / "codes.parquet").to_pylist()]
        info = json.loads((run / "run.json").read_text())
        assert info["missing_lists"]["reference/people"] == ["T-03", "T-04"]
        assert info["missing_lists"].get("visits") == (["T-02", "T-04"] if name == "unknown" else None)
        rows_of = pq.read_table(run / "exceptions.parquet").to_pylist()
        missing = {row["rule"]: row["missing"] for row in rows_of if row["outcome"] == "unknown"}
        assert missing["T-03"] == ["people"]
    assert found == {
        "unknown": [[0, 3, 3, 0], [0, 3, 3, 0]],
        "known": [[0, 1, 3, 3], [0, 1, 3, 3]],
        "some": [[0, 3, 3, 0], [0, 1, 3, 3]],
    }
    replay(tmp_path / "unknown", tmp_path / "pack", tmp_path / "told", progress=True)
    told = " ".join(capfd.readouterr().err.split())
    assert "the book has no list `visits`: unknown where it matters: T-02, T-04" in told


@pytest.mark.parametrize("engine", ["columns", "row"])
def test_a_damaged_row_group_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    pack = small_pack(tmp_path / "pack", CHECK)
    monkeypatch.setattr(store, "ROW_GROUP", 2)
    book = small_book(tmp_path / "book", pack, [loan(i) for i in range(6)], [visit(i) for i in range(6)])
    path = book / "loans.parquet"
    metadata = pq.read_metadata(path)
    names = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    column = metadata.row_group(1).column(names.index("loan.amount"))
    with path.open("r+b") as file:
        file.seek(column.dictionary_page_offset or column.data_page_offset)
        file.write(b"\xff" * 40)
    with pytest.raises(SanchaError) as error:
        replay(book, tmp_path / "pack", tmp_path / "run", engine=engine, progress=False)
    assert error.value.message.startswith("row group 2 of 3 of `loans` cannot be read")
    assert error.value.where == path and left(tmp_path) == []
    with pytest.raises(SanchaError, match="its digest differs"):
        replay(book, tmp_path / "pack", tmp_path / "run", engine=engine, progress=False, verify=True)


def test_unknown_engine(tmp_path: Path) -> None:
    with pytest.raises(SanchaError, match="unknown engine `spark`"):
        replay(tmp_path, tmp_path, tmp_path / "run", engine="spark")


def test_many_groups_do_not_overflow(tmp_path: Path) -> None:
    """Exposures are summed in whole cents, beyond what one amount may be."""
    most = Decimal("9999999999999999.99")
    pack = small_pack(tmp_path / "pack", CHECK)
    small_book(tmp_path / "book", pack, [loan(i, loan__amount=most, visits=0) for i in range(50)], [])
    run = both(tmp_path, tmp_path / "book", tmp_path / "pack")
    assert pq.read_table(run / "outcomes.parquet")["exposure"].to_pylist() == [most * 50]


def test_little_memory_and_one_worker_give_the_same(
    tmp_path: Path, demo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo(tmp_path / "one")
    monkeypatch.setattr(columns_module, "MEMORY", "64MB")
    monkeypatch.setattr(columns_module, "MOST_WORKERS", 1)
    monkeypatch.setattr(working, "CHUNK", 20)
    demo(tmp_path / "two")
    assert differences(tmp_path / "two", tmp_path / "one") == []


def test_the_book_is_opened_once(
    tmp_path: Path, demo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    monkeypatch.setattr(
        replay_module,
        "open_book",
        lambda *args, **options: opened.append(args) or open_book(*args, **options),
    )
    demo(tmp_path / "run")
    assert len(opened) == 1


def test_what_whole_numbers_cannot_hold_is_computed_by_the_row_and_told(tmp_path: Path) -> None:
    rule = "rule: T-01\njudged on: loan.decided_on\nin force: {from: 2020-01-01}\nrequire: "
    for requirement, told_ in (
        ("loan.amount / loan.other <= 0.7", {}),
        ("loan.amount / loan.other * 3 >= 1", {"T-01": ["`*`", "`/`", "`>=`"]}),
    ):
        pack = small_pack(tmp_path / "pack", rule + requirement)
        # A third of three: 1 exactly, but 0.9999999999999999999999999999999999 in 34 digits.
        rows = [loan(1, loan__amount=Decimal("1.00"), loan__other=Decimal("3.00"), visits=0)]
        small_book(tmp_path / "book", pack, rows, [])
        run = both(tmp_path, tmp_path / "book", tmp_path / "pack")
        assert json.loads((run / "run.json").read_text())["row_functions"] == told_
        assert pq.read_table(run / "codes.parquet")["T-01"].to_pylist() == [0 if not told_ else 1]


# -- runs that are stopped ----------------------------------------------------------------------------------------

#: Replays in chunks of 7 files, and ends by SIGKILL before the so many-th call of what writes.
STOPPED = """
import os, signal, sys
from pathlib import Path
from sancha.engine.run import parquet_append, replay, results, working

working.CHUNK = 7
left = [int(sys.argv[1])]


def deadly(function):
    def call(*args, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)

    return call


parquet_append._encoded = deadly(parquet_append._encoded)
results.RunWriter.commit = deadly(results.RunWriter.commit)
results.ParquetAppender.take_ends = deadly(results.ParquetAppender.take_ends)
results.ParquetAppender.finish = deadly(results.ParquetAppender.finish)
results._added_up = deadly(results._added_up)
results.take_place = deadly(results.take_place)
folder = Path(sys.argv[2])
replay.replay(folder / "book", folder / "pack", folder / "run", progress=False)
"""
WRITTEN = ("codes.parquet", "outcomes.parquet", "exceptions.parquet")


def same_bytes(folder: Path) -> None:
    """That the run which was stopped is the one which was not."""
    for name in WRITTEN:
        assert (folder / "run" / name).read_bytes() == (folder / "whole" / name).read_bytes(), name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals that cannot be caught")
@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_killed_carries_on_and_ends_with_the_same_bytes(
    tmp_path: Path, demo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(working, "CHUNK", 7)
    demo(tmp_path / "whole")
    (tmp_path / "stopped.py").write_text(STOPPED)
    rng = random.Random(seed)
    # Seven calls a chunk, fifteen chunks, nine calls at the end.
    for calls in (rng.randint(1, 40), rng.randint(1, 40), rng.randint(30, 60)):
        command = [sys.executable, str(tmp_path / "stopped.py"), str(calls), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not (tmp_path / "run").exists() and (tmp_path / ".run.partial").is_dir()
    judged: list[int] = []
    monkeypatch.setattr(RunWriter, "encode", _noted(RunWriter.encode, judged))
    demo(tmp_path / "run")
    assert sum(judged) < 100, "what was done before is not done again"
    same_bytes(tmp_path)
    assert left(tmp_path) == ["run", "stopped.py", "whole"]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted([*WRITTEN, "run.json"])


def _noted(function: Callable[..., Any], judged: list[int]) -> Callable[..., Any]:
    def call(writer: RunWriter, name: str, table: pa.Table) -> Any:
        judged.extend([table.num_rows] if name == "codes" else [])
        return function(writer, name, table)

    return call


def stopped(monkeypatch: pytest.MonkeyPatch, run: Callable[[], object], after: int) -> None:
    """Ctrl-C after so many chunks."""
    commit = RunWriter.commit
    calls: list[object] = []

    def interrupted(writer: RunWriter, note: Any) -> None:
        commit(writer, note)
        calls.append(note)
        if len(calls) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run()


def test_what_the_disk_does_not_hold_as_it_was_written_is_done_again(
    tmp_path: Path,
    demo: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As after the end of the machine: the journal says more than the disk has."""
    monkeypatch.setattr(working, "CHUNK", 7)
    demo(tmp_path / "whole")
    stopped(monkeypatch, lambda: demo(tmp_path / "run"), 4)
    partial = tmp_path / ".run.partial"
    lines = (partial / "journal.jsonl").read_text().splitlines()
    first, second = (json.loads(line)["ends"]["codes"][0][0] for line in lines[1:3])
    data = bytearray((partial / "codes.parquet").read_bytes())
    data[(first + second) // 2] ^= 1
    (partial / "codes.parquet").write_bytes(data)
    replay(tmp_path / "book", tmp_path / "pack", tmp_path / "run")
    assert "carrying on with the run that was stopped after 7 files" in capsys.readouterr().err
    same_bytes(tmp_path)


def test_a_run_that_is_interrupted_carries_on_and_says_so(
    tmp_path: Path,
    demo: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(working, "CHUNK", 7)
    demo(tmp_path / "whole")
    stopped(monkeypatch, lambda: demo(tmp_path / "run"), 4)
    assert left(tmp_path) == [".run.partial", "whole"]
    # Half a line of the journal, and bytes beyond what was committed, count for nothing.
    with (tmp_path / ".run.partial" / "journal.jsonl").open("a") as journal:
        journal.write('{"done": {"files": 7')
    with (tmp_path / ".run.partial" / "codes.parquet").open("ab") as codes:
        codes.write(b"x" * 1000)
    replay(tmp_path / "book", tmp_path / "pack", tmp_path / "run")
    assert "carrying on with the run that was stopped after 28 files" in capsys.readouterr().err
    same_bytes(tmp_path)
    assert left(tmp_path) == ["run", "whole"]


def test_a_run_of_another_policy_starts_anew_and_says_so(
    tmp_path: Path,
    demo: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(working, "CHUNK", 7)
    demo(tmp_path / "whole", hindsight=True)
    stopped(monkeypatch, lambda: demo(tmp_path / "run"), 2)
    replay(tmp_path / "book", tmp_path / "pack", tmp_path / "run", hindsight=True)
    assert "starting anew" in capsys.readouterr().err
    assert differences(tmp_path / "run", tmp_path / "whole") == []


def test_portfolio_rules_remember_what_was_counted_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = small_pack(tmp_path / "pack", GROUPS)
    rows = [loan(i, loan__grade=1, visits=0, loan__branch=["East", "West", None][i % 3]) for i in range(9)]
    rows.append(loan(9, loan__grade=None, visits=0))
    small_book(tmp_path / "book", pack, rows, [])
    monkeypatch.setattr(working, "CHUNK", 4)

    def run(out: Path) -> None:
        replay(tmp_path / "book", tmp_path / "pack", out, progress=False)

    run(tmp_path / "whole")
    stopped(monkeypatch, lambda: run(tmp_path / "run"), 2)
    run(tmp_path / "run")
    assert differences(tmp_path / "run", tmp_path / "whole") == []


def test_two_replays_do_not_write_the_same_run(tmp_path: Path, demo: Callable[..., Path]) -> None:
    pytest.importorskip("fcntl")
    with (
        RunWriter(tmp_path / "run", [], key={}),
        pytest.raises(SanchaError, match="another replay is writing `run`"),
    ):
        demo(tmp_path / "run")
    assert demo(tmp_path / "run").is_dir()

"""The live way agrees with the row evaluator and the columnar replay, whatever the files, the packs and the order in
which events arrive; `scripts/agree.py --live` does the same for as long as one likes.

All of it runs in worker processes, so that a fault of the engine fails a test and does not end them all.
"""

from __future__ import annotations

import datetime as dt
import itertools
import multiprocessing
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from agreement import Generator, Large, constants_of, generated_book
from live_agreement import compare_live, compare_policy, run_answers, sent, soak, state
from small_pack import FRAME, loan_file, small_pack
from test_replay import generated_pack
from test_rulesets import all_rulesets, faults

from sancha.engine.book.store import iter_files, open_book
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.policy.vocabulary import load_vocabulary
from sancha.engine.run.judge import Request, RowJudge
from sancha.engine.run.live import BEYOND, LiveJudge
from sancha.engine.run.replay import replay
from sancha.engine.run.ruleset_limits import within
from sancha.engine.run.to_rulesets import to_rulesets
from sancha.engine.watch.events import order
from sancha.engine.watch.history import events_of

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo" / "book"
DATA = Path(os.environ.get("SANCHA_DATA", ROOT.parent / "shared" / "data"))
AS_OF = dt.date(2024, 12, 31)


@contextmanager
def judge_of(pack: Pack, **options: Any) -> Iterator[LiveJudge]:
    judge = LiveJudge(pack, **options)
    try:
        yield judge
        assert judge.ended == 0, "a worker ended"
    finally:
        judge.close()


@pytest.fixture(scope="module")
def demonstration() -> Iterator[tuple[Pack, LiveJudge]]:
    pack = load_pack(ROOT / "rules")
    with judge_of(pack) as judge:
        yield pack, judge


# -- books ------------------------------------------------------------------------------------------------------------


def test_the_demonstration_book(tmp_path: Path, demonstration: tuple[Pack, LiveJudge]) -> None:
    if not DEMO.exists():
        pytest.skip("needs demo/book; run `make demo`")
    pack, judge = demonstration
    replay(DEMO, pack, tmp_path / "run", progress=False)
    rules = len(lower(pack).rules)
    compared = compare_live(
        open_book(DEMO, pack.vocabulary), pack, judge, tmp_path / "run", some=1, first=100, last=140
    )
    assert compared.differences == [] and compared.outcomes > 40 * rules
    assert compared.not_asked == 0


@pytest.mark.parametrize("kind", [Generator, Large])
def test_generated_files(
    tmp_path: Path, kind: type[Generator], demonstration: tuple[Pack, LiveJudge]
) -> None:
    """Missing facts, equal dates, late arrivals, duplicates, texts of all kinds, amounts at thresholds and at the ends
    of their types."""
    pack, judge = demonstration
    book = generated_book(tmp_path / "book", pack.vocabulary, kind(7, constants_of(pack), 0.06), 40)
    run = None
    if kind is Generator:
        run = tmp_path / "run"
        replay(tmp_path / "book", pack, run, progress=False)
    rules = len(lower(pack).rules)
    compared = compare_live(book, pack, judge, run, seed=7)
    assert compared.differences == [] and compared.outcomes > 40 * rules
    assert compared.not_asked < 120 * rules // (50 if kind is Generator else 4)


@pytest.mark.parametrize("seed", range(3))
def test_generated_packs(tmp_path: Path, seed: int) -> None:
    pack = generated_pack(tmp_path / "pack", seed)
    generator = Generator(3 + seed, constants_of(pack))
    book = generated_book(tmp_path / "book", pack.vocabulary, generator, 40)
    hindsight = seed == 2
    replay(tmp_path / "book", pack, tmp_path / "run", progress=False, hindsight=hindsight)
    with judge_of(pack, hindsight=hindsight) as judge:
        compared = compare_live(book, pack, judge, tmp_path / "run", seed=seed)
    assert compared.differences == [] and compared.outcomes > 40 * len(lower(pack).rules)


@pytest.mark.parametrize("seed", range(300, 302))
def test_drawn_policies(tmp_path: Path, seed: int) -> None:
    """Vocabulary, decisions, tables, checks, triggers, waivers of the seed's own."""
    compared = compare_policy(tmp_path, seed, 30)
    assert compared.differences == [] and compared.outcomes > 500


def test_the_log_of_a_bank_event_by_event(tmp_path: Path) -> None:
    source = DATA / "bpic2012"
    if not source.is_dir():
        pytest.skip(f"needs the data folder {source}")
    from sancha.engine.book.intake import import_extract

    example = ROOT / "examples" / "bpic2012"
    vocabulary = load_vocabulary(example / "pack" / "vocabulary.yaml")
    import_extract(source, example / "mapping.yaml", vocabulary, tmp_path / "book")
    pack = load_pack(example / "pack")
    replay(tmp_path / "book", pack, tmp_path / "run", progress=False)
    book = open_book(tmp_path / "book", vocabulary)
    with judge_of(pack) as judge:
        compared = compare_live(book, pack, judge, tmp_path / "run", each_event=True, first=5_000, last=5_025)
    assert compared.differences == [] and compared.files > 500 and compared.not_asked == 0


def test_two_orders_come_to_one_file(demonstration: tuple[Pack, LiveJudge], tmp_path: Path) -> None:
    """The same events, all orders of five of them, each twice: one file."""
    pack, _ = demonstration
    book = generated_book(tmp_path / "book", pack.vocabulary, Generator(9, constants_of(pack)), 5)
    for file in iter_files(book, pack.vocabulary):
        events = sent(events_of(file, pack.vocabulary, AS_OF), pack.vocabulary)
        for arrived in itertools.permutations(events[:5]):
            assert state(file.id, [*arrived, *events[5:], *arrived], pack.vocabulary)[0] == file
        assert events == sorted(events, key=order)


# -- many of everything -----------------------------------------------------------------------------------------------

HEAD = "rule: {}\njudged on: as_of\nin force: {{from: 2020-01-01}}\n"
TRIGGER = """
rule: {}
kind: trigger
in force: {{from: 2020-01-01}}
for each: p in payments
from: p.date
within: '@"P15D"'
expect: {}
"""
REQUIRED = FRAME["vocabulary.yaml"]
for fact in ("amount", "other amount"):
    REQUIRED = REQUIRED.replace(
        f"{{type: money, label: {{en: {fact}}}}}",
        f"{{type: money, required: true, label: {{en: {fact}}}}}",
        1,
    )


def requirements() -> Iterator[str]:
    """Conditions with many parts, near and beyond what a ruleset holds."""
    for n in (12, 40):
        yield " and ".join(f"loan.grade > {i}" for i in range(n))
        yield " or ".join(f'loan.branch = "S{i}"' for i in range(n))
        yield " and ".join(f"loan.grade + {i} > 0" for i in range(3 * n))
    # Of facts that are never missing: conjunctions of joins, of one pattern and of many.
    for n in (11, 15, 18, 22, 40):
        yield " and ".join(f"loan.amount < loan.other + {i}" for i in range(n))
        yield " and ".join(f"loan.amount + {i} < loan.other" for i in range(n))
    yield " and ".join(f"(loan.grade > {i} or loan.rate > 0.{i})" for i in range(1, 9))


def tables() -> dict[str, str]:
    """Tables of 150 rows of which one value meets one, or many."""
    bands = [f"[{i}..{i + 1})" for i in range(150)]
    points = [str(i) for i in range(150)]
    steps = [f"< {i}" for i in range(150)]
    found = {}
    for name, cells, hit in (
        ("bands", bands, "unique"),
        ("points", points, "unique"),
        *(
            (f"steps{n}", steps, hit)
            for n, hit in enumerate(("first", "collect sum", "collect max", "collect count"))
        ),
        ("steps4", steps[:90], "any"),
        # No value meets the one row of it.
        ("steps5", ["(3..3)"], "unique"),
    ):
        head = {
            "table": name,
            "title": {"en": "T"},
            "clause": "one.1",
            "source": {"document": "S", "evidence": "B"},
        }
        head |= {"in force": {"from": "2020-01-01"}, "hit policy": hit}
        head |= {
            "inputs": [{"name": "a", "expression": "loan.amount"}],
            "outputs": [{"name": "band", "type": "integer"}],
        }
        rows = [[cell, "1" if hit == "any" else str(n)] for n, cell in enumerate(cells)]
        found[f"rules__{name}_yaml"] = yaml.safe_dump(head | {"rows": rows}, sort_keys=False)
    return found


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    rules = [HEAD.format(f"R-{n:02d}") + f"require: {text}" for n, text in enumerate(requirements())]
    rules += [
        HEAD.format(f"B-{name}") + f"require: {name} > 70"
        for name in ("bands", "points", *(f"steps{n}" for n in range(6)))
    ]
    # Many rules that join the same facts.
    rules += [
        HEAD.format(f"J-{n:02d}")
        + f"applies when: loan.grade > {n % 4}\nrequire: loan.amount < loan.other and loan.grade < {n}"
        for n in range(40)
    ]
    answers = (
        "v.date in [p.date..due]",
        "v.date = p.date and v.done",
        "v.date >= p.date and v.date != due",
        "v.done",
    )
    rules += [
        TRIGGER.format(f"O-{n}", f"some v in visits satisfies {text}") for n, text in enumerate(answers)
    ]
    waivers = [
        {
            "waiver": f"W-{n}",
            "rule": "R-00",
            "scope": f"loan.grade = {n}",
            "approver": "S1",
            "level": 3,
            "from": "2020-01-01",
            "until": "2025-12-31",
            "compensating control": {"en": "None"},
        }
        for n in range(12)
    ]
    return small_pack(
        tmp_path_factory.mktemp("crowded"),
        *(rule + "\nwaivable by: 3" if rule.startswith("rule: R-00") else rule for rule in rules),
        vocabulary_yaml=REQUIRED,
        waivers_yaml=yaml.safe_dump({"waivers": waivers}),
        **tables(),
    )


def crowd(pack: Pack) -> list[Request]:
    """Files with values at the ends of what the engine holds, and with many obligations and answers."""
    most = Decimal(2**53 // 10**6)
    day = dt.date(2024, 1, 1)
    files = [
        loan_file(
            pack,
            loan__amount=amount,
            loan__other=other,
            loan__grade=grade,
            loan__rate=rate,
            loan__branch=branch,
        )
        for amount, other in (
            (most, -most),
            (-most, most),
            (Decimal(5), Decimal(7)),
            (Decimal(150), Decimal(150)),
        )
        for grade in (None, 0, 3, 50)
        for rate, branch in ((None, None), (Decimal("0.5"), "S3"), (Decimal(0), '三"\\'))
    ]
    plain = {"loan__amount": Decimal(74), "loan__other": Decimal(1)}
    for payments, visits in ((0, 5), (1, 0), (1, 40), (40, 1), (40, 40), (300, 300)):
        for apart in (0, 1):
            lists = {
                # Equal items, or one a day; every seventh answer is not done, every eleventh has no day.
                "payments": [{"date": day + dt.timedelta(days=apart * n)} for n in range(payments)],
                "visits": [
                    {
                        "date": None if n % 11 == 10 else day + dt.timedelta(days=2 * apart * n),
                        "done": n % 7 != 6,
                    }
                    for n in range(visits)
                ],
            }
            files.append(loan_file(pack, lists, **plain))
    return [Request(file, AS_OF) for file in files]


def test_many_of_everything(crowded: Pack) -> None:
    made = to_rulesets(lower(crowded))
    assert [fault for rules in all_rulesets(made) for fault in faults(rules)] == []
    assert all(map(within, all_rulesets(made)))
    asked = crowd(crowded)
    with judge_of(crowded) as judge:
        found = judge.judge(asked, {})
    told = [f for each in found for f in each if f.disagrees or f.note is not None]
    assert told == []
    rows = RowJudge(crowded).judge(asked, {})
    assert [[f.judgement for f in each] for each in found] == [[f.judgement for f in each] for each in rows]
    outcomes = Counter(f.judgement.outcome for each in found for f in each)
    assert len(outcomes) >= 5


def test_beyond_the_largest_number_the_engine_is_not_asked(crowded: Pack) -> None:
    """A cent more than it holds, of one fact: of the rules that read it the row evaluator's answer stands alone."""
    amount = Decimal(2**53 // 10**4 + 1).scaleb(-2)
    file = loan_file(crowded, loan__amount=amount, loan__other=Decimal(1), loan__grade=1)
    with judge_of(crowded) as judge:
        (found,) = judge.judge([Request(file, AS_OF)], {})
    notes = {f.judgement.rule: f.note for f in found}
    assert set(notes.values()) == {None, BEYOND}
    assert notes["J-00"] == BEYOND and notes["R-00"] is None


def test_a_session_after_an_error_is_as_good_as_any(crowded: Pack) -> None:
    """A ruleset is made to hold more than the engine can have waiting: files that meet it are refused, all others are
    judged in the same states as ever."""
    made = to_rulesets(lower(crowded))
    (changed,) = (ruleset for ruleset in made.rulesets if "J-00" in ruleset.decides)
    name = next(
        term.name for term in made.rules["J-00"].terms if getattr(term.core, "name", "") == "loan.grade"
    )
    burst = {f"x{n}": {"all": [{"f": {"$and": [{"t": 0}, {"$gt": {name: n - 10**8}}]}}]} for n in range(65)}
    larger = replace(changed, rules={**changed.rules, **burst})
    rulesets = replace(made, rulesets=tuple(larger if r is changed else r for r in made.rulesets))
    good = loan_file(crowded, loan__amount=Decimal(1), loan__other=Decimal(1))
    bad = loan_file(crowded, loan__amount=Decimal(1), loan__other=Decimal(1), loan__grade=5)
    asked = [Request(file, AS_OF) for file in [good, bad, bad, bad] * 10]
    with judge_of(crowded, rulesets=rulesets) as judge:
        found = judge.judge(asked, {})
    refused = "Could not assert fact, error code: 303"
    for request, each in zip(asked, found, strict=True):
        notes = {f.judgement.rule: f.note for f in each}
        wanted = refused if request.file is bad else None
        assert {notes[rule] for rule in changed.decides} == {wanted}
        assert not any(f.disagrees for f in each)
        assert all(note is None for rule, note in notes.items() if rule not in changed.decides)


def test_a_table_reads_the_parameters_of_the_day(tmp_path: Path) -> None:
    """Its cells speak of the day that the rule is judged on, or of a trigger's event."""
    table = """
        table: cap
        title: {en: T}
        clause: one.1
        source: {document: S, evidence: B}
        in force: {from: 2020-01-01}
        hit policy: first
        inputs: [{name: a, expression: loan.amount}]
        outputs: [{name: cap, type: boolean}]
        rows: [["< parameters.least", "true"], ["-", "false"]]
    """
    parameters = """
        parameters:
          least:
            type: money
            label: {en: least}
            values:
              - {from: 2020-01-01, value: 10, source: {document: S, evidence: B}}
              - {from: 2024-03-01, value: 20, source: {document: S, evidence: B}}
    """
    day = "loan.decided_on"
    check = HEAD.format("T-01").replace("as_of", day) + "require: cap"
    trigger = TRIGGER.format("T-02", "some v in visits satisfies v.date in [p.date..due]")
    pack = small_pack(
        tmp_path,
        check,
        trigger + "applies when: cap",
        rules__cap_yaml=table,
        parameters__all_yaml=parameters,
    )
    asked = [
        Request(
            loan_file(
                pack,
                {"payments": [{"date": dt.date(2024, month, 1)}]},
                loan__amount=amount and Decimal(amount),
                loan__decided_on=dt.date(2024, month, 1),
            ),
            AS_OF,
        )
        for amount in (5, 15, 25, None)
        for month in (2, 3)
    ]
    with judge_of(pack) as judge:
        found = judge.judge(asked, {})
    assert [f for each in found for f in each if f.disagrees or f.note] == []
    rows = RowJudge(pack).judge(asked, {})
    assert [[f.judgement for f in each] for each in found] == [[f.judgement for f in each] for each in rows]
    assert len({f.judgement.outcome for each in found for f in each}) >= 3


def test_reference_lists_that_change(tmp_path: Path) -> None:
    """Each file is judged with those that are given with it."""
    pack = small_pack(
        tmp_path,
        HEAD.format("T-01") + "require: some p in people satisfies p.id = loan.branch and p.level > 2",
    )
    asked = [Request(loan_file(pack, loan__branch=branch), AS_OF) for branch in ("A", "B", "三", None)] * 4
    with judge_of(pack, workers=2) as judge:
        for rows in ([("A", 3), ("B", 2)], [("A", 1), ("三", 9)], None, [], [("A", 3), ("B", 2)]):
            people = None if rows is None else [{"id": id, "level": level} for id, level in rows]
            found = judge.judge(asked, {"people": people})
            assert not any(f.disagrees or f.note for each in found for f in each)
            rows_found = RowJudge(pack).judge(asked, {"people": people})
            assert [[f.judgement for f in e] for e in found] == [[f.judgement for f in e] for e in rows_found]


# -- for long, and side by side ---------------------------------------------------------------------------------------


def test_sessions_leave_nothing_behind() -> None:
    """3,000 sessions, each of eight states used again and again. `scripts/agree.py --soak` runs more of them."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc to tell the memory of a process")
    steps = list(soak(ROOT / "rules", 3_000, 500))
    assert len(steps) >= 5
    assert steps[-1][1] - steps[1][1] < 16, f"resident memory in MB grew: {steps}"


def test_two_processes_with_one_pack(tmp_path: Path, demonstration: tuple[Pack, LiveJudge]) -> None:
    """Judges of several processes at once do not meet."""
    pack, judge = demonstration
    book = generated_book(tmp_path / "book", pack.vocabulary, Generator(8, constants_of(pack)), 10)
    asked = [Request(file, AS_OF) for file in iter_files(book, pack.vocabulary)]
    with judge_of(pack, workers=2) as other:
        rng = random.Random(1)
        for _ in range(2):
            rng.shuffle(asked)
            found = [other.judge(asked, {}), judge.judge(asked, {}), RowJudge(pack).judge(asked, {})]
            assert not any(f.disagrees for each in (*found[0], *found[1]) for f in each)
            first, second, third = ([[f.judgement for f in each] for each in one] for one in found)
            assert first == second == third
    assert len(multiprocessing.active_children()) == len(judge.workers)


# -- what is compared -------------------------------------------------------------------------------------------------


def test_a_difference_is_found(tmp_path: Path) -> None:
    """Of the engine, and of the replay: outcomes, facts, and what is missing."""
    pack = small_pack(tmp_path / "pack", HEAD.format("T-01") + "require: loan.amount <= 100")
    book = generated_book(tmp_path / "book", pack.vocabulary, Generator(1, constants_of(pack)), 20)
    replay(tmp_path / "book", pack, tmp_path / "run", progress=False)
    judge = RowJudge(pack)
    assert compare_live(book, pack, judge, tmp_path / "run").differences == []
    said = run_answers(tmp_path / "run", ["T-01"])
    assert {answer[0] for rules in said.values() for answer in rules.values()} == {
        "pass",
        "breach",
        "unknown",
    }

    class Contrary(RowJudge):
        def judge(self, requests: Any, reference: Any) -> Any:
            return [
                [replace(f, disagrees=f.judgement.outcome is Outcome.BREACH) for f in found]
                for found in super().judge(requests, reference)
            ]

    assert any("disagrees" in text for text in compare_live(book, pack, Contrary(pack), None).differences)
    for rule in ("loan.amount <= 99", "loan.amount <= 100 and loan.grade != 10000"):
        other = small_pack(tmp_path / rule[:20], HEAD.format("T-01") + f"require: {rule}")
        assert compare_live(book, pack, RowJudge(other), tmp_path / "run").differences != []

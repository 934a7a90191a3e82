"""Faults of the live way: a worker that dies, hangs, is stopped or cannot start loses nothing, and says so."""

from __future__ import annotations

import contextlib
import ctypes
import datetime as dt
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from small_pack import loan_file, small_pack

from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run import live
from sancha.engine.run.judge import Request, RowJudge
from sancha.engine.run.live import LiveJudge
from sancha.engine.run.to_rulesets import Rulesets, to_rulesets

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs the signals of Unix")

AS_OF = dt.date(2024, 12, 31)
RULES = (
    """
    rule: T-01
    judged on: as_of
    in force: {from: 2020-01-01}
    require: loan.amount <= 100
    """,
    """
    rule: T-02
    kind: trigger
    in force: {from: 2020-01-01}
    for each: p in payments
    from: p.date
    within: '@"P15D"'
    expect: some v in visits satisfies v.date in [p.date..due]
    """,
    """
    rule: T-03
    judged on: as_of
    in force: {from: 2020-01-01}
    applies when: loan.kind = "a"
    require: loan.amount < loan.other
    """,
)


def in_worker() -> bool:
    return multiprocessing.parent_process() is not None


class Poison(Decimal):
    """An amount that does something to the process in which the engine is given it, in mid-session."""

    def scaleb(self, *args: Any) -> Decimal:
        if in_worker():
            self.act()
        return Decimal(self).scaleb(*args)

    def act(self) -> None:
        raise NotImplementedError


class Kills(Poison):
    def act(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class ReadsNothing(Poison):
    def act(self) -> None:
        ctypes.string_at(0)


class Stops(Poison):
    def act(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)


class Loops(Poison):
    def act(self) -> None:
        while True:
            pass


class Exits(Poison):
    def act(self) -> None:
        os._exit(3)


class Deadly:
    """Rules that end the process which registers them."""

    def __deepcopy__(self, memo: object) -> Any:
        ctypes.string_at(0)


class Unreadable:
    """What no process can read."""

    def __reduce__(self) -> Any:
        return (int, ("three",))


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return small_pack(tmp_path_factory.mktemp("faults"), *RULES)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """After each test its workers are no more."""
    yield
    assert multiprocessing.active_children() == []


@contextlib.contextmanager
def judge_of(pack: Pack, **options: Any) -> Iterator[LiveJudge]:
    judge = LiveJudge(pack, **options)
    pids = [worker.process.pid for worker in judge.workers]
    try:
        yield judge
    finally:
        pids += [worker.process.pid for worker in judge.workers]
        judge.close()
        assert not any(map(alive, pids))


def alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that ended and was not waited for yet is no more.
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def requests(pack: Pack, poisoned: dict[int, type[Decimal]], count: int = 20) -> list[Request]:
    """Files, some of them with an amount of their own."""
    day = dt.date(2024, 3, 1)
    return [
        Request(
            loan_file(
                pack,
                {"payments": [{"date": day}] * (n % 3), "visits": [{"date": day}] * (n % 2)},
                loan__amount=poisoned.get(n, Decimal)(90 + n),
                loan__other=Decimal(100),
                loan__kind="ab"[n % 2],
            ),
            AS_OF,
        )
        for n in range(count)
    ]


def outcomes(findings: list[Any]) -> list[list[Outcome]]:
    return [[f.judgement.outcome for f in found] for found in findings]


def notes(findings: list[Any]) -> dict[int, str]:
    """Of the files with notes the one note that all their findings have."""
    out = {}
    for number, found in enumerate(findings):
        (note,) = {f.note for f in found}
        if note is not None:
            out[number] = note
        assert not any(f.disagrees for f in found)
    return out


@pytest.mark.parametrize(
    ("poison", "why"),
    [
        (Kills, "SIGKILL"),
        (ReadsNothing, "SIGSEGV"),
        (Exits, "exit status 3"),
        (Stops, "no answer within 3 seconds"),
        (Loops, "no answer within 3 seconds"),
    ],
)
def test_a_worker_that_ends_in_mid_session_loses_nothing(
    pack: Pack, poison: type[Decimal], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if poison in (Stops, Loops):
        monkeypatch.setattr(live, "FILE_LIMIT", 3.0)
    asked = requests(pack, {11: poison})
    with judge_of(pack) as judge:
        first = judge.workers[0].process.pid
        found = judge.judge(asked, {})
        assert outcomes(found) == outcomes(RowJudge(pack).judge(asked, {}))
        assert notes(found) == {11: f"the engine ended ({why}); judged by the row evaluator"}
        assert judge.ended == 1 and judge.workers[0].process.pid != first and not alive(first)
        # The next one goes on as if nothing had been.
        assert notes(judge.judge(requests(pack, {}), {})) == {}


def test_two_workers_and_two_faults(pack: Pack) -> None:
    asked = requests(pack, {0: Kills, 13: ReadsNothing}, 40)
    with judge_of(pack, workers=2) as judge:
        found = judge.judge(asked, {})
        assert outcomes(found) == outcomes(RowJudge(pack).judge(asked, {}))
        assert notes(found).keys() == {0, 13} and judge.ended == 2


def test_a_worker_killed_while_it_rests(pack: Pack) -> None:
    with judge_of(pack, workers=2) as judge:
        for worker in judge.workers:
            worker.process.kill()
            worker.process.join()
        asked = requests(pack, {})
        found = judge.judge(asked, {})
        assert outcomes(found) == outcomes(RowJudge(pack).judge(asked, {})) and judge.ended == 2


def test_a_worker_that_no_longer_reads(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped while it rests, and what it is given is more than its pipe holds."""
    monkeypatch.setattr(live, "FILE_LIMIT", 3.0)
    asked = [
        Request(replace(request.file, facts={**request.file.facts, "loan.branch": "三" * 200_000}), AS_OF)
        for request in requests(pack, {}, 12)
    ]
    with judge_of(pack) as judge:
        pid = judge.workers[0].process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        found = judge.judge(asked, {})
        assert outcomes(found) == outcomes(RowJudge(pack).judge(asked, {})) and judge.ended == 1
        assert set(notes(found)) <= {0}


def test_nothing_is_answered_after_an_interruption(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was under way would be taken for answers on other files."""
    with judge_of(pack) as judge:

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(live, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                judge.judge(requests(pack, {}), {})
        assert not any(worker.process.is_alive() for worker in judge.workers)
        with pytest.raises(OSError):
            judge.judge(requests(pack, {}, 3), {})


def hanging(pack: Pack) -> Rulesets:
    """Rulesets that are never registered: the engine looks for a free one of 512 places, and there is none."""
    made = to_rulesets(lower(pack))
    rules = {f"r{n}": {"all": [{"f": {"$and": [{"t": 0}, {"s0": n}]}}]} for n in range(600)}
    return replace(made, rulesets=(replace(made.rulesets[0], rules=rules),))


def test_rulesets_that_are_never_registered(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "START_LIMIT", 5.0)
    with pytest.raises(
        SanchaError, match=r"at the rules from `T-01` on: (no answer within 5 seconds|SIGALRM)"
    ) as error:
        LiveJudge(pack, workers=2, rulesets=hanging(pack))
    assert error.value.help is not None and "--engine row" in error.value.help


def test_rulesets_that_end_the_process(pack: Pack) -> None:
    made = to_rulesets(lower(pack))
    rules = {"r0": {"all": [{"f": {"t": Deadly()}}]}}
    deadly = replace(made, rulesets=(replace(made.rulesets[0], rules=rules),))
    with pytest.raises(SanchaError, match="at the rules from `T-01` on: SIGSEGV"):
        LiveJudge(pack, rulesets=deadly)


def test_a_worker_that_cannot_start(pack: Pack, capfd: pytest.CaptureFixture[str]) -> None:
    made = to_rulesets(lower(pack))
    with pytest.raises(SanchaError, match="does not take the rulesets: exit status 1"):
        LiveJudge(pack, rulesets=replace(made, texts={"a": Unreadable()}))  # type: ignore[dict-item]
    assert "invalid literal" in capfd.readouterr().err


def test_a_worker_that_cannot_start_again(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """After three attempts the engine is given up, and what was asked is an error, not half an answer."""
    with judge_of(pack) as judge:
        judge.workers[0].given = b"no pickle"
        with pytest.raises(SanchaError, match="does not take the rulesets: exit status 1"):
            judge.judge(requests(pack, {3: Kills}), {})
    assert capfd.readouterr().err.count("UnpicklingError") == 3


#: Starts a judge, says which processes are at work, and is killed while they are.
WATCHING = """
import signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_live_faults as faults
from sancha.engine.policy.pack import load_pack
from sancha.engine.run import live

if __name__ == "__main__":
    live.FILE_LIMIT = 1.0
    pack = load_pack(Path(sys.argv[2]))
    judge = live.LiveJudge(pack, workers=2)
    print(*(worker.process.pid for worker in judge.workers), flush=True)
    live.FILE_LIMIT = 60.0
    if sys.argv[3] == "looping":
        judge.judge(faults.requests(pack, {0: faults.Loops, 1: faults.Loops}, 2), {})
    signal.pause()
"""


@pytest.mark.parametrize("state", ["at rest", "looping"])
def test_no_process_is_left_when_the_one_that_watches_is_killed(
    tmp_path: Path, pack: Pack, state: str
) -> None:
    """Whatever the workers do: those at rest see their connection end, those without an end have a limit of their
    own."""
    (tmp_path / "watching.py").write_text(WATCHING)
    command = [sys.executable, tmp_path / "watching.py", Path(__file__).parent, pack.path, state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        pids = [int(pid) for pid in watching.stdout.readline().split()]
        assert len(pids) == 2 and all(map(alive, pids))
        time.sleep(0.5)
        watching.kill()
    end = time.monotonic() + 60
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(alive, pids))


def swapped(pack: Pack, rule: str) -> Rulesets:
    """Rulesets by which a rule passes where it is in breach, and the other way round."""
    other = {Outcome.PASS: Outcome.BREACH, Outcome.BREACH: Outcome.PASS}
    made = to_rulesets(lower(pack))
    return replace(
        made,
        rulesets=tuple(
            replace(
                ruleset,
                meaning=tuple(
                    tuple((id, other.get(o, o) if id == rule else o) for id, o in outcomes)
                    for outcomes in ruleset.meaning
                ),
            )
            for ruleset in made.rulesets
        ),
    )


def test_a_disagreement_is_told_with_both_answers(pack: Pack) -> None:
    asked = requests(pack, {})
    with judge_of(pack, rulesets=swapped(pack, "T-01")) as judge:
        found = judge.judge(asked, {})
    assert outcomes(found) == outcomes(RowJudge(pack).judge(asked, {}))
    for first, *others in found:
        assert not any(f.disagrees for f in others)
        assert first.disagrees
        assert (
            first.engine
            is {Outcome.PASS: Outcome.BREACH, Outcome.BREACH: Outcome.PASS}[first.judgement.outcome]
        )
        engine, row = first.engine.text, first.judgement.outcome.text
        assert first.note == f"the engine concludes {engine}, the row evaluator {row}"


def test_what_the_engine_does_not_conclude_or_concludes_twice_is_a_disagreement(pack: Pack) -> None:
    made = to_rulesets(lower(pack))
    (ruleset,) = made.rulesets
    silent = replace(ruleset, meaning=tuple(() for _ in ruleset.meaning))
    both = tuple((*some, ("T-01", Outcome.WAIVED)) for some in ruleset.meaning)
    asked = requests(pack, {}, 2)
    with judge_of(pack, rulesets=replace(made, rulesets=(silent,))) as judge:
        for finding in [f for found in judge.judge(asked, {}) for f in found]:
            assert finding.disagrees and finding.engine is None
            assert finding.note is not None and finding.note.startswith("the engine concludes nothing,")
    with judge_of(pack, rulesets=replace(made, rulesets=(replace(ruleset, meaning=both),))) as judge:
        for first, *_ in judge.judge(asked, {}):
            assert first.disagrees and first.engine is None
            assert first.note is not None and "pass and waived" in first.note


def test_the_watcher_tells_a_disagreement_of_the_engine(tmp_path: Path) -> None:
    from watching import Watching, opened, watched_pack

    pack = watched_pack(tmp_path)
    with judge_of(pack, rulesets=swapped(pack, "W-1")) as judge:
        raised, disagreement = Watching(tmp_path, pack, judge=judge).take(opened(101))
    assert (raised["status"], raised["rule"]) == ("raised", "W-1")
    assert disagreement["status"] == "engine disagreement" and disagreement["rule"] == "W-1"
    assert (disagreement["row"], disagreement["engine"]) == ("breach", "pass")


def test_findings_travel(pack: Pack) -> None:
    """What a worker is given and what it answers is what can be sent."""
    asked = requests(pack, {})
    assert pickle.loads(pickle.dumps(asked)) == asked
    found = RowJudge(pack).judge(asked, {})
    assert pickle.loads(pickle.dumps(found)) == found

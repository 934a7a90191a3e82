"""The watcher under faults: killed, without room, locked out, given what it cannot use. Nothing is lost or doubled."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_pack import write_pack
from watching import OWNED, RULES, TODAY, Watching, event, opened, standing, watched_pack

from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.judge import Found, Request, RowJudge
from sancha.engine.run.row import Reference
from sancha.engine.watch.letters import letters_table
from sancha.engine.watch.outlet import FileOutlet, StreamOutlet, open_outlet
from sancha.engine.watch.session import sources_of, watch
from sancha.engine.watch.sources import FileSource, Line, Lines, StreamSource, open_source
from sancha.engine.watch.store import Store
from sancha.engine.watch.watcher import Watcher

SANCHA = str(Path(sys.executable).with_name("sancha"))


def stream(files: int = 40, seed: int = 1) -> list[bytes]:
    """Events of some files over half a year, most of them in order, some twice, some late."""
    draw = random.Random(seed)
    told: list[tuple[dt.date, bytes]] = []
    first = dt.date(2024, 1, 2)
    for loan in (f"L{n}" for n in range(files)):
        start = first + dt.timedelta(days=draw.randrange(60))
        told.append((start, opened(draw.choice([50, 100, 101]), start.isoformat(), loan)))
        for number in range(draw.randrange(3, 12)):
            day = start + dt.timedelta(days=draw.randrange(1, 120))
            kind, data = draw.choice(
                [
                    ("loan", {"amount": draw.choice([90, 100, 101, 150])}),
                    ("payments", {"number": str(number), "date": day.isoformat()}),
                    ("visits", {"date": day.isoformat()}),
                ]
            )
            arrives = day + dt.timedelta(days=draw.choice([0, 0, 5, 30]))
            told.append((arrives, event(f"{loan}-{number}", day.isoformat(), kind, data, loan=loan)))
    told += draw.sample(told, len(told) // 10)
    told.append((dt.date(2024, 12, 1), event("end", "2024-07-31", "tick", loan=None)))
    return [line for _, line in sorted(told, key=lambda each: each[0])]


def sancha(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run(
        [SANCHA, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        **options,
    )


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    watched_pack(folder)
    return folder / "pack"


# -- killed -----------------------------------------------------------------------------------------------------------

#: A watcher that takes in few lines at a time, and ends itself where it is told to.
DRIVER = textwrap.dedent(
    """
    import datetime, os, signal, sys
    from pathlib import Path
    from sancha.engine.watch import outlet, session, sources, store

    pack, kept, events, alerts, place, count = sys.argv[1:]
    sources.MOST_LINES = 7
    left = int(count)

    def end(here):
        global left
        if here == place:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    class Watched(outlet.FileOutlet):
        def write(self, lines):
            end("before the lines are written")
            numbered = list(lines)
            if numbered and place == "in the middle of a line":
                half = outlet._joined(numbered)[:-40]
                self.file.write(half)
                end("in the middle of a line")
                os.truncate(self.path, os.path.getsize(self.path) - len(half))
            super().write(numbered)
            end("after the lines were written")

    add_lines = store.Store.add_lines
    def before_commit(self, lines):
        add_lines(self, lines)
        end("before the commit")
    store.Store.add_lines = before_commit
    outlet.FileOutlet = Watched
    session.watch(
        Path(pack), Path(kept), session.sources_of([events]), stream=sys.stdout.buffer, alerts=Path(alerts),
        today=lambda: datetime.date(2024, 12, 31),
    )
    """
)


def drive(folder: Path, pack: Path, place: str, count: int) -> subprocess.Popen[bytes]:
    script = folder / "driver.py"
    script.write_text(DRIVER, encoding="utf-8")
    arguments = [
        pack,
        folder / "store.db",
        folder / "events.jsonl",
        folder / "alerts.jsonl",
        place,
        str(count),
    ]
    return subprocess.Popen([sys.executable, str(script), *map(str, arguments)], stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    _, said = process.communicate(timeout=120)
    return process.returncode, said


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, pack: Path) -> bytes:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "events.jsonl").write_bytes(b"\n".join(stream()) + b"\n")
    code, said = finish(drive(folder, pack, "nowhere", 1))
    assert code == 0, said
    alerts = (folder / "alerts.jsonl").read_bytes()
    kinds = Counter(json.loads(line)["status"] for line in alerts.splitlines())
    assert min(kinds[status] for status in ("raised", "withdrawn", "cleared", "escalated", "changed")) > 1, (
        kinds
    )
    return alerts


@pytest.mark.parametrize(
    "place",
    [
        "before the commit",
        "before the lines are written",
        "in the middle of a line",
        "after the lines were written",
    ],
)
def test_killed_at_each_place_it_repeats_and_loses_nothing(
    place: str, pack: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(stream()) + b"\n")
    for count in (3, 9):
        assert finish(drive(tmp_path, pack, place, count))[0] == -signal.SIGKILL
    code, said = finish(drive(tmp_path, pack, "nowhere", 1))
    assert code == 0, said
    assert (tmp_path / "alerts.jsonl").read_bytes() == undisturbed


def test_killed_at_any_moment_it_repeats_and_loses_nothing(
    pack: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(stream()) + b"\n")
    draw = random.Random(5)
    killed = 0
    for _ in range(6):
        process = drive(tmp_path, pack, "nowhere", 1)
        alerts, before = tmp_path / "alerts.jsonl", 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            before = before or (alerts.stat().st_size if alerts.exists() else 0)
            if alerts.exists() and alerts.stat().st_size > before:
                time.sleep(draw.random() * 0.05)
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        killed += finish(process)[0] == -signal.SIGKILL
    assert killed > 0
    code, said = finish(drive(tmp_path, pack, "nowhere", 1))
    assert code == 0, said
    assert (tmp_path / "alerts.jsonl").read_bytes() == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_after_the_batch_at_hand(number: signal.Signals, pack: Path, tmp_path: Path) -> None:
    command = [SANCHA, "watch", "--pack", str(pack), "--store", str(tmp_path / "store.db")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(opened(101) + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["status"] == "raised"  # at once: it waits for no company
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"events: 1 taken in" in said and b"alerts: 1 raised" in said and b"Traceback" not in said


# -- where alerts go --------------------------------------------------------------------------------------------------


def test_a_pipe_goes_on_where_the_store_says(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(101))  # committed, and not written
    out = (tmp_path / "pipe").open("wb+")
    with out:
        StreamOutlet(out, watching.store)
        StreamOutlet(out, watching.store)
        out.seek(0)
        assert [json.loads(line)["line"] for line in out] == [1]


def test_the_alerts_of_another_store_are_not_added_to(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(101))
    alerts = tmp_path / "alerts.jsonl"
    for text in ('{"line": 1}\n', "a letter\n", '{"line": 9}\n'):
        alerts.write_text(text, encoding="utf-8")
        with pytest.raises(SanchaError, match="not of this store"):
            open_outlet(alerts, sys.stdout.buffer, watching.store)
        assert alerts.read_text(encoding="utf-8") == text


def test_an_alerts_file_that_was_moved_away_begins_after_what_was_written(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    alerts = tmp_path / "alerts.jsonl"
    outlet = FileOutlet(alerts, watching.store)
    outlet.write((line["line"], json.dumps(line)) for line in watching.take(opened(101)))
    outlet.close()
    watching.watcher.written = outlet.last
    watching.take(event("e2", "2024-03-02", "loan", {"amount": 90}))
    alerts.rename(tmp_path / "alerts.1")
    FileOutlet(alerts, watching.store).close()
    assert [json.loads(line)["status"] for line in alerts.read_bytes().splitlines()] == ["cleared"]


def test_the_place_of_the_alerts_is_a_folder(pack: Path, tmp_path: Path) -> None:
    done = sancha("watch", "--pack", pack, "--store", tmp_path / "s.db", "--alerts", tmp_path, input="")
    assert done.returncode == 2 and "folder" in done.stderr


# -- one store --------------------------------------------------------------------------------------------------------


def test_a_second_watcher_is_told(tmp_path: Path, pack: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(101))
    events = tmp_path / "events.jsonl"
    events.write_bytes(opened(101, loan="L2") + b"\n")
    done = sancha("watch", events, "--pack", pack, "--store", tmp_path / "store.db")
    assert done.returncode == 2 and done.stdout == ""
    assert "another watcher has this store" in done.stderr
    watching.again()
    assert len(watching.alerts()) == 1


def test_a_store_that_another_process_keeps_locked(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.store.close()
    watching.store = Store(tmp_path / "store.db", patience=0.2)
    watching.watcher = Watcher(watching.pack, watching.store, today=lambda: TODAY)
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SanchaError, match="another process keeps the store locked") as error:
        watching.take(opened(101))
    assert error.value.code == "E0740"
    other.execute("ROLLBACK")
    other.close()
    assert [line["status"] for line in watching.take(opened(101))] == ["raised"]


def test_others_may_read_a_store_at_work(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(b"nonsense")
    letters_table(tmp_path / "store.db")


@pytest.mark.parametrize("content", [b"a letter, and no store at all" * 40, None])
def test_a_file_of_another_kind_is_no_store(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE mine (x)")
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(SanchaError, match="no store of a watcher"):
        Store(path)
    assert content is None or path.read_bytes() == before


def test_a_full_disk(pack: Path, small_disk: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(stream(300)) + b"\n")
    command = [
        "watch",
        events,
        "--pack",
        pack,
        "--store",
        small_disk / "s.db",
        "--alerts",
        small_disk / "a.jsonl",
    ]
    done = sancha(*command)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "room" in done.stderr or "disk" in done.stderr or "space" in done.stderr.lower()
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    done = sancha(*command)
    assert done.returncode == 0, done.stderr
    other = ["watch", events, "--pack", pack, "--store", tmp_path / "s.db", "--alerts", tmp_path / "a.jsonl"]
    assert sancha(*other).returncode == 0
    assert (small_disk / "a.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()


def test_the_alerts_find_no_room(pack: Path, small_disk: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(stream(300)) + b"\n")
    alerts = small_disk / "a.jsonl"
    done = sancha("watch", events, "--pack", pack, "--store", tmp_path / "s.db", "--alerts", alerts)
    assert done.returncode == 2 and "cannot write the alerts" in done.stderr
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    assert (
        sancha("watch", events, "--pack", pack, "--store", tmp_path / "s.db", "--alerts", alerts).returncode
        == 0
    )
    numbers = [json.loads(line)["line"] for line in alerts.read_bytes().splitlines()]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 100


# -- what cannot be used ----------------------------------------------------------------------------------------------

BAD = {
    "not JSON": (b"{", "not JSON"),
    "no UTF-8": (b'{"id": "\xff"}', "not JSON"),
    "UTF-16": (opened(60, loan="L3").decode().encode("utf-16"), "not JSON"),
    "deeply nested": (b"[" * 200_000, "not JSON"),
    "no object": (b"[]", "not an event"),
    "no id": (event("", "2024-03-01", "loan"), "not an event"),
    "no time": (event("e", "yesterday", "loan"), "not an event"),
    "a zone": (event("e", "2024-03-01T09:00:00+08:00", "loan"), "not an event"),
    "another field": (event("e", "2024-03-01", "loan", more=1), "not an event"),
    "half a character": (
        event("e", "2024-03-01", "loan", {"branch": 0}).replace(b"0}", b'"\\ud83d"}'),
        "not an event",
    ),
    "unknown kind": (event("e", "2024-03-01", "lone", {"amount": 1}), "unknown kind"),
    "unknown loan": (event("e", "2024-03-01", "loan", {"amount": 1}, loan="L9"), "unknown loan"),
    "unknown fact": (event("e", "2024-03-01", "loan", {"amout": 1}), "wrong type"),
    "wrong type": (event("e", "2024-03-01", "loan", {"amount": "much"}), "wrong type"),
    "a number without end": (
        event("e", "2024-03-01", "loan", {"grade": 0}).replace(b"0}", b"1e999999999}"),
        "wrong type",
    ),
    "too great a number": (event("e", "2024-03-01", "loan", {"grade": 2**63}), "wrong type"),
    "a binary float": (event("e", "2024-03-01", "loan", {"amount": 0}).replace(b"0}", b"NaN}"), "wrong type"),
    "the future": (event("e", "2025-01-02", "loan", {"amount": 1}), "in the future"),
    "a tick in the future": (event("e", "2025-01-02", "tick", loan=None), "in the future"),
    "too large": (event("e", "2024-03-01", "loan", {"branch": "x" * (1 << 20)}), "too large"),
    "other content": (opened(51), "duplicate id"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_laid_aside_and_the_watcher_goes_on(name: str, tmp_path: Path) -> None:
    line, reason = BAD[name]
    watching = Watching(tmp_path)
    told = watching.told(opened(50), line, event("e2", "2024-12-31", "loan", {"amount": 101}))
    assert told == [("raised", "2024-12-31")]
    assert watching.letters() == [("test:2", reason)]
    assert watching.watcher.summary.letters == {reason: 1}
    assert watching.watcher.summary.events == 2
    assert f"dead letters: 1 ({reason} 1)" in watching.watcher.summary.text()
    (letter,) = watching.store.letters()
    assert letter.message and len(letter.text) <= 2_001


def test_an_event_of_tomorrow_is_taken(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(101, at="2025-01-01"))
    assert watching.letters() == []


def test_the_same_event_again_is_counted(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    line = opened(101)
    other_form = json.dumps(dict(reversed(json.loads(line).items())), indent=1).replace("\n", "").encode()
    assert len(watching.take(line, line)) == 1
    assert watching.take(line, other_form) == []
    watching.again()
    assert watching.take(line) == []
    assert watching.watcher.summary.repeated == 1
    assert watching.letters() == []


def test_a_dead_letter_that_comes_again_from_its_place_is_kept_once(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    for _ in range(2):
        watching.watcher.take([("events.jsonl:1", b"nonsense")])
    watching.watcher.take([("events.jsonl:2", b"nonsense")])
    assert watching.letters() == [("events.jsonl:1", "not JSON"), ("events.jsonl:2", "not JSON")]


def test_the_command_line_lists_dead_letters(pack: Path, tmp_path: Path) -> None:
    lines = b"\n".join([opened(50), b"", b"nonsense", event("e", "2024-03-01", "lone")])
    done = subprocess.run(
        [SANCHA, "watch", "--pack", str(pack), "--store", str(tmp_path / "s.db")],
        input=lines,
        capture_output=True,
    )
    assert done.returncode == 0 and done.stdout == b""
    assert b"dead letters: 2 (not JSON 1, unknown kind 1)" in done.stderr
    listed = sancha("watch", "--dead-letters", "--store", tmp_path / "s.db").stdout
    assert "stdin:3" in listed and "stdin:4" in listed and "did you mean `loan`" in " ".join(listed.split())
    assert "2 dead letters: not JSON 1, unknown kind 1" in listed
    assert sancha("watch", "--dead-letters", "--store", tmp_path / "other.db").returncode == 2


# -- sources ----------------------------------------------------------------------------------------------------------


def test_lines_are_cut_and_numbered() -> None:
    lines = Lines("f")
    found = [*lines.feed(b"a\n\nb"), *lines.feed(b"c\r\n \nd"), *lines.end()]
    assert found == [(Line("f", 1), b"a"), (Line("f", 3), b"bc\r"), (Line("f", 5), b"d")]


def test_a_line_without_an_end_takes_no_memory() -> None:
    lines = Lines("f")
    for _ in range(40):
        assert list(lines.feed(b"x" * (1 << 20))) == []
        assert len(lines.rest) <= (2 << 20) + 1
    ((place, text), second) = lines.feed(b"x\nb\n")
    assert place == Line("f", 1) and len(text) == (1 << 20) + 1
    assert second == (Line("f", 2), b"b")


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def test_a_file_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"a\nb")
    found: list[bytes] = []
    steps = [
        lambda: append(path, b"c\nd\n"),
        lambda: path.write_bytes(b"e\n"),  # cut
        lambda: (path.rename(tmp_path / "old"), path.write_bytes(b"f\n")),
    ]
    source = FileSource(path, follow=True)
    for batch in source:
        found += [text for _, text in batch]
        if not batch:
            if not steps:
                break
            steps.pop(0)()
    source.close()
    assert found == [b"a", b"bc", b"d", b"e", b"f"]


def test_a_pipe_gives_what_is_there(tmp_path: Path) -> None:
    out, into = os.pipe()
    batches = iter(StreamSource(out, "pipe"))
    assert next(batches) == []
    os.write(into, b"a\nb\nc")
    assert next(batches) == [(Line("pipe", 1), b"a"), (Line("pipe", 2), b"b")]
    os.close(into)
    assert list(batches) == [[(Line("pipe", 3), b"c")]]
    os.close(out)


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    for name, message in ((tmp_path, "folder"), (tmp_path / "none.jsonl", "cannot read the events")):
        with pytest.raises(SanchaError, match=message):
            open_source(str(name))


# -- policies and engines ---------------------------------------------------------------------------------------------


def test_another_policy_judges_every_file_anew(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(
        b"\n".join([opened(101), opened(60, loan="L2"), event("t", "2024-03-04", "tick", loan=None)])
    )
    first = write_pack(tmp_path / "first", *RULES, pack_yaml=OWNED)
    stricter = [rule.replace("<= 100", "<= 55") for rule in RULES]
    second = write_pack(tmp_path / "second", *stricter, pack_yaml=OWNED)
    said: list[str] = []
    for pack in (first, second):
        with (tmp_path / "out").open("ab") as out:
            sources = sources_of([str(events)])
            watch(pack, tmp_path / "s.db", sources, stream=out, today=lambda: TODAY, tell=said.append)
    told = [json.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    assert [(line["loan"], line["status"], line["on"]) for line in told] == [
        ("L1", "raised", "2024-03-01"),
        ("L2", "raised", "2024-03-04"),
    ]
    assert said == ["the policy is small 1 now: every file is judged anew"]


def test_a_store_of_another_vocabulary(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.take(opened(101))
    watching.store.close()
    rules = Path(__file__).resolve().parent.parent / "rules"
    with (
        Store(tmp_path / "store.db") as store,
        pytest.raises(SanchaError, match="does not fit the pack's vocabulary"),
    ):
        watcher = Watcher(load_pack(rules), store, today=lambda: TODAY)
        for _ in watcher.judge_anew():
            pass


class Contrary(RowJudge):
    """An engine that takes breaches for passes."""

    def judge(self, requests: Sequence[Request], reference: Reference) -> list[list[Found]]:
        return [
            [
                Found(f.judgement, f.reasons, True, Outcome.PASS, "the engine finds nothing")
                if f.judgement.outcome is Outcome.BREACH
                else f
                for f in findings
            ]
            for findings in super().judge(requests, reference)
        ]


def test_an_engine_that_does_not_agree_is_told_with_both_answers(tmp_path: Path) -> None:
    pack = watched_pack(tmp_path)
    watching = Watching(tmp_path, pack, judge=Contrary(pack))
    raised, disagreement = watching.take(opened(101))
    assert raised["status"] == "raised"
    assert disagreement == {
        "line": 2,
        "id": "L1/W-1/2024-03-01/engine",
        "status": "engine disagreement",
        "on": "2024-03-01",
        "rule": "W-1",
        "level": "orange",
        "loan": "L1",
        "opened_by": "L1-open",
        "row": "breach",
        "engine": "pass",
        "explanation": "the engine finds nothing",
        "facts": {"loan.amount": "101.00"},
    }
    assert "1 engine disagreement" in watching.watcher.summary.text()


def test_both_engines_tell_the_same(tmp_path: Path) -> None:
    pack = watched_pack(tmp_path)
    one, other = Watching(tmp_path / "one", pack), Watching(tmp_path / "other", pack, judge=RowJudge(pack))
    lines = stream(8)
    assert one.take(*lines) == other.take(*lines)
    assert standing(one) == standing(other)


def test_unknown_options(pack: Path, tmp_path: Path) -> None:
    for options in (["--engine", "steam"], ["--tick", "hourly"], ["--kafka", "localhost:9092"]):
        done = sancha("watch", "--pack", pack, "--store", tmp_path / "s.db", *options, input="")
        assert done.returncode == 2, done.stderr

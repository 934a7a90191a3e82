"""The benchmark of the live way measures what it says: all engines come to the same outcomes by the same facts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
#: In a process of its own: a fault in a library's C code is no test that stops.
CHILD = """
import sys
from pathlib import Path
import engines, live
from sancha.engine.policy.pack import load_pack
folder = Path(sys.argv[1])
work = engines.work(live.PACK, live.book_of(folder, 200, load_pack(live.PACK).vocabulary), 4)
ways = {name: make(work) for name, make in engines.WAYS.items()}
for turn in range(2):
    answers = {name: way.run() for name, way in ways.items()}
    print(engines.compare(ways, answers), len(work.plan.rules))
fired = {name for answer in answers["clipspy"] for _, name in ways["clipspy"].fired(answer)}
print(*sorted(name.rstrip("0123456789") for name in fired))
answers["clipspy"][1] = answers["clipspy"][0]
try:
    engines.compare(ways, answers)
except SystemExit as error:
    print(error)
"""


def test_all_engines_come_to_the_same_outcomes_by_the_same_rules(tmp_path: Path) -> None:
    pytest.importorskip("clips", reason="clipspy is not installed: extra `benchmark`")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        cwd=BENCHMARKS,
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first, again, fired, error = done.stdout.splitlines()
    compared, rules = map(int, first.split())
    assert first == again and compared == 4 * 7 * rules and rules > 90
    # Triggers are judged by the engines too: what is met, and what is late.
    assert {"met", "late", "r"} <= set(fired.split())
    assert error.startswith("clipspy ") and "file 1" in error


def test_events_are_whole_histories_in_order_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import live

    from sancha.engine.policy.pack import load_pack
    from sancha.engine.watch.events import read_event

    vocabulary = load_pack(live.PACK).vocabulary
    place = live.events_file(tmp_path, 600, vocabulary)
    events = [read_event(line, vocabulary) for line in place.read_bytes().splitlines()]
    assert 600 <= len(events) < 1_000
    assert [event.at for event in events] == sorted(event.at for event in events)
    opened = [event.loan for event in events if event.kind == "file"]
    assert len(opened) == len(set(opened)) and {event.loan for event in events if event.loan} == set(opened)
    assert len({event.id for event in events}) == len(events)

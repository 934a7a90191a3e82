"""What `scripts/fuzz.py` found stays mended, and a short run of it finds nothing. Long runs are by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Found by `scripts/fuzz.py`, or made by hand: files of bytes, in a folder named as the target.
INPUTS = sorted((ROOT / "tests" / "fuzz").glob("*/*"))
#: Inputs a target in a short run, of one seed: the same ones each time.
EXECUTIONS = {"lexer": 1500, "parser": 500, "parser-full": 400, "xml": 400, "tables": 200}


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "scripts" / "fuzz.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", INPUTS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_what_was_found_stays_mended(fuzz: ModuleType, path: Path) -> None:
    assert fuzz.finding(path.parent.name, path.read_bytes()) is None


@pytest.mark.parametrize("target", EXECUTIONS)
def test_a_short_run_finds_nothing(fuzz: ModuleType, target: str) -> None:
    run = fuzz.Run(target, None)
    fuzz.with_hypothesis(run, seconds=120, seed=20260101, most=EXECUTIONS[target])
    assert not run.found
    assert run.executions >= EXECUTIONS[target]


@pytest.mark.parametrize(
    ("behaviour", "what"),
    [
        (lambda data: None, None),
        (lambda data: 1 / 0, "ZeroDivisionError"),
        (lambda data: [][1], "IndexError"),
        (lambda data: recursive(data), "RecursionError"),
        (lambda data: forever(), "TooLong"),
    ],
)
def test_findings_are_seen(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, behaviour: object, what: str | None
) -> None:
    monkeypatch.setitem(fuzz.TARGETS, "lexer", behaviour)
    monkeypatch.setattr(fuzz, "PATIENCE", 0.2)
    found = fuzz.finding("lexer", b"")
    assert (found is None) if what is None else str(found).startswith(what)


def recursive(data: bytes) -> None:
    recursive(data)


def forever() -> None:
    while True:
        pass

"""Errors as an interface: packs in error and exactly what is said of them, and a page for every code."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sancha.engine.diagnostics import Diagnostic, PackError, Place, SanchaError, explanation, known_codes
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import load_pack

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
GOOD = HERE / "good" / "minimal"
BAD = sorted(p for p in (HERE / "bad").iterdir() if p.is_dir())


def said_of(folder: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of the minimal pack with the files of a folder laid over it. A file `x.remove` takes `x` away."""
    pack = work / "pack"
    shutil.copytree(GOOD, pack)
    for file in folder.rglob("*"):
        relative = file.relative_to(folder)
        if file.is_dir() or relative.name == "expected.txt":
            continue
        if relative.suffix == ".remove":
            (pack / relative.with_suffix("")).unlink()
            continue
        (pack / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, pack / relative)
    monkeypatch.chdir(work)
    with pytest.raises(SanchaError) as error:
        lower(load_pack(Path("pack")))
    return error.value.render() + "\n"


@pytest.mark.parametrize("folder", BAD, ids=lambda p: p.name)
def test_what_is_said_of_a_pack_in_error(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = (folder / "expected.txt").read_text(encoding="utf-8")
    assert said_of(folder, tmp_path, monkeypatch) == expected

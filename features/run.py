"""Runs the scenarios of a pack through pytest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import load_pack

#: The environment variables by which `scenarios.py` is told its pack and folder.
PACK = "SANCHA_PACK"
FEATURES = "SANCHA_FEATURES"


def features_of(pack: Path) -> Path:
    """The scenarios of a pack: its folder `features`, or one beside it."""
    for folder in (pack / "features", pack.resolve().parent / "features"):
        if any(folder.rglob("*.feature")):
            return folder
    raise SanchaError(f"the pack `{pack}` has no scenarios", where=pack / "features", help="write *.feature files in it")


def run_scenarios(pack: Path, only: str | None = None, verbose: bool = False) -> int:
    """Runs all scenarios, or those whose name holds `only`; 0 if all passed. The pack is checked first."""
    load_pack(pack)
    module = Path(__file__).with_name("scenarios.py")
    os.environ[PACK] = str(pack.resolve())
    os.environ[FEATURES] = str(features_of(pack).resolve())
    arguments = [str(module), "--import-mode=importlib", "-p", "no:cacheprovider", "-c", os.devnull, "--tb=short",
                 "--rootdir", str(pack.resolve()), "-W", "error", "--show-capture=no"]  # fmt: skip
    arguments += ["-v"] if verbose else ["-q"]
    if only:
        arguments += ["-k", only]
    return int(pytest.main(arguments))

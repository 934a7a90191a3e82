"""Runs the scenarios of a pack through pytest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import load_pack
from sancha.features import scenarios


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
    os.environ[scenarios.PACK] = str(pack.resolve())
    os.environ[scenarios.FEATURES] = str(features_of(pack).resolve())
    arguments = [str(module), "--import-mode=importlib", "-p", "no:cacheprovider", "-c", os.devnull, "--tb=short",
                 "--rootdir", str(pack.resolve()), "-W", "error", "--show-capture=no"]  # fmt: skip
    arguments += ["-v"] if verbose else ["-q"]
    if only:
        arguments += ["-k", only]
    return int(pytest.main(arguments))

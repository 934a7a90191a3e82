"""The scenarios of the demonstration pack, as tests of the pack and of the engine alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_bdd import scenarios

from sancha.engine.policy.pack import load_pack
from sancha.engine.run.row import Evaluator
from sancha.features.steps import *  # noqa: F403

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def evaluators() -> dict[bool, Evaluator]:
    pack = load_pack(ROOT / "rules")
    return {hindsight: Evaluator(pack, hindsight=hindsight) for hindsight in (False, True)}


scenarios(str(ROOT / "features"))

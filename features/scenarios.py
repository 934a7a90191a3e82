"""The test module that `sancha test` hands to pytest: all scenarios of a folder, for one pack.

The folder and the pack come from the environment, as pytest-bdd binds scenarios when the module is imported.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_bdd import scenarios

from sancha.engine.policy.pack import load_pack
from sancha.engine.run.row import Evaluator
from sancha.features.run import FEATURES, PACK
from sancha.features.steps import *  # noqa: F403


@pytest.fixture(scope="session")
def evaluators() -> dict[bool, Evaluator]:
    pack = load_pack(Path(os.environ[PACK]))
    return {hindsight: Evaluator(pack, hindsight=hindsight) for hindsight in (False, True)}


if FEATURES in os.environ:
    scenarios(os.environ[FEATURES])

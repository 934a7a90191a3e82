"""Runs the scenarios of a pack through pytest, and reports them as a policy owner reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sancha.engine.diagnostics import Diagnostic, Place, SanchaError, did_you_mean
from sancha.engine.policy.pack import load_pack

#: The environment variables by which `scenarios.py` is told its pack and folder.
PACK = "SANCHA_PACK"
FEATURES = "SANCHA_FEATURES"

out = Console()


def features_of(pack: Path) -> Path:
    """The scenarios of a pack: its folder `features`, or one beside it."""
    for folder in (pack / "features", pack.resolve().parent / "features"):
        if any(folder.rglob("*.feature")):
            return folder
    raise SanchaError(
        f"the pack `{pack}` has no scenarios", where=pack / "features", help="write *.feature files in it"
    )


def run_scenarios(pack: Path, only: str | None = None, verbose: bool = False) -> int:
    """Runs all scenarios, or those whose name holds `only`; 0 if all passed. The pack is checked first."""
    rules = load_pack(pack).rules
    features = features_of(pack)
    module = Path(__file__).with_name("scenarios.py")
    os.environ[PACK] = str(pack.resolve())
    os.environ[FEATURES] = str(features.resolve())
    arguments = [
        str(module),
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:terminal",
        "-c",
        os.devnull,
        "--rootdir",
        str(pack.resolve()),
        "-W",
        "error",
    ]
    reporter = Reporter(features, only, verbose)
    status = int(pytest.main(arguments, plugins=[reporter]))
    for text in reporter.said:
        out.print(text, markup=False, highlight=False, soft_wrap=True)
    if reporter.broken:
        return 2
    if only and not reporter.chosen:
        raise SanchaError(
            f"no scenario has `{only}` in its name", where=features, help=did_you_mean(only.upper(), rules)
        )
    reporter.tell_counts()
    return int(status != 0)


@dataclass(frozen=True, slots=True)
class Fault:
    """A step that failed: its file and line, and what it raised."""

    path: Path
    line: int
    raised: Exception


@dataclass
class Reporter:
    """Chooses scenarios by name, and tells what became of them, each failure with the step at fault."""

    features: Path
    only: str | None
    verbose: bool
    chosen: int = 0
    found: int = 0
    passed: int = 0
    broken: bool = False
    said: list[str] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.found = len(items)
        if self.only:
            wanted = self.only.casefold()
            items[:] = [item for item in items if wanted in _name(item).casefold()]
        self.chosen = len(items)

    def pytest_bdd_step_error(self, request: Any, feature: Any, step: Any, exception: Exception) -> None:
        self.faults[request.node.nodeid] = Fault(Path(feature.filename), step.line_number, exception)

    def pytest_bdd_step_func_lookup_error(self, request: Any, feature: Any, step: Any) -> None:
        unknown = SanchaError(
            "there is no such step", help="docs/formats.md lists the steps, under Scenarios"
        )
        self.faults[request.node.nodeid] = Fault(Path(feature.filename), step.line_number, unknown)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken = True
            lines = [line[4:] for line in str(report.longrepr).splitlines() if line.startswith("E   ")]
            self.said.append("\n".join(["failed: the scenarios cannot be read", *lines]))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report = yield
        if report.when == "call" or report.failed:
            name = _name(item) + _example(item)
            if report.passed:
                self.passed += 1
                if self.verbose:
                    self.said.append(f"pass    {name}")
            else:
                self.said.append(self._failure(item, name, report) + "\n")
        return report

    def _failure(self, item: pytest.Item, name: str, report: pytest.TestReport) -> str:
        if item.nodeid not in self.faults:
            return f"failed: {name}\n{report.longrepr}"
        fault = self.faults[item.nodeid]
        text = fault.path.read_text(encoding="utf-8").splitlines()[fault.line - 1]
        indent = len(text) - len(text.lstrip())
        shown_path = self.features / fault.path.resolve().relative_to(self.features.resolve())
        place = Place(str(shown_path), fault.line, indent + 1, len(text) - indent, text)
        raised = fault.raised
        message = raised.message if isinstance(raised, SanchaError) else str(raised).partition("\nassert ")[0]
        head, _, more = message.partition("\n")
        help = raised.help if isinstance(raised, SanchaError) else None
        shown = Diagnostic("", f"{name}: {head}", place, help).render().replace("error:", "failed:", 1)
        return f"{shown}\n{more}" if more else shown

    def tell_counts(self) -> None:
        of = f" of {self.found:,}" if self.chosen != self.found else ""
        failed = self.chosen - self.passed
        word = "scenario" if self.chosen == 1 and not of else "scenarios"
        out.print(f"{self.chosen:,} {word}{of}: {self.passed:,} passed, {failed:,} failed", highlight=False)


def _name(item: pytest.Item) -> str:
    from pytest_bdd.scenario import (
        scenario_wrapper_template_registry,  # pytest warns if it is imported before it starts
    )

    scenario = scenario_wrapper_template_registry.get(item.obj) if isinstance(item, pytest.Function) else None
    return str(scenario.name) if scenario is not None else item.name


def _example(item: pytest.Item) -> str:
    """The row of examples of an outline."""
    params: Mapping[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    row = params.get("_pytest_bdd_example") or {}
    return f" ({', '.join(f'{k}: {v}' for k, v in row.items())})" if row else ""

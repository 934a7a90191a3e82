"""Published measurements: what `benchmarks/results/` keeps of each, and how their tables are read again.

A file names the command, the machine and the versions, then has the table that the benchmark printed.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sancha.engine.files import write_file

RESULTS = Path(__file__).resolve().parent / "results"
#: The column that the chart shows.
RATE = "files × rules a second"
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Measured:
    """A published table: how many files and rules, and of each way to run how many outcomes it gave a second."""

    source: str
    files: int
    rules: int
    rates: dict[str, float]


def machine() -> str:
    """The machine in words: cores that this process may use, memory, system, kind of processor."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        system = platform.system()
    return f"{cores} core{'s' * (cores != 1)}, {memory:.0f} GiB of memory, {system}, {platform.machine()}"


def versions(packages: Sequence[str]) -> str:
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    )


def publish(
    name: str, title: str, command: str, packages: Sequence[str], measured: str, table: Sequence[str]
) -> Path:
    """Write `benchmarks/results/NAME.md`, whole or not at all.

    `measured`: what was measured, in a sentence that begins with `1,000,000 files, 60 rules`; `table`: Markdown lines.
    """
    lines = [
        f"# {title}",
        f"    {command}",
        f"{measured}.",
        f"{machine()}; {versions(packages)}.",
        "\n".join(table),
    ]
    path = RESULTS / f"{name}.md"
    write_file(path, "\n\n".join(lines) + "\n")
    return path


def read(path: Path) -> list[Measured]:
    """The tables of a file that tell a rate, each with the files and rules last named before it."""
    found: list[Measured] = []
    size: tuple[int, int] | None = None
    columns: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("|"):
            columns = []
            if match := re.search(r"([\d,]+) files, ([\d,]+) rules", line):
                size = int(match[1].replace(",", "")), int(match[2].replace(",", ""))
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not columns:
            columns = cells
            if RATE in columns:
                if size is None:
                    raise SystemExit(f"{path}:{number}: no line before the table tells its files and rules")
                found.append(Measured(path.stem, *size, {}))
        elif RATE in columns and not set(line) <= set("|-: "):
            rate = cells[columns.index(RATE)]
            found[-1].rates[cells[0]] = float(rate.replace(",", ""))
    return found


def read_all(folder: Path = RESULTS) -> list[Measured]:
    return [table for path in sorted(folder.glob("*.md")) for table in read(path)]

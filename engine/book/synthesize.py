"""`sancha synth`: a believable synthetic book, with seeded faults that the demonstration pack should find."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from sancha.engine.book.schema import REFERENCE, table_schema
from sancha.engine.book.store import Book, BookWriter
from sancha.engine.book.synthetic import bank as banks
from sancha.engine.book.synthetic import blemishes, dossier, evidence, faults, lending, servicing
from sancha.engine.book.synthetic.calendar import Calendar
from sancha.engine.book.synthetic.cell import LOAN_NUMBER, Cell, rendered
from sancha.engine.book.synthetic.columns import Column
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.vocabulary import Vocabulary

#: Files that are made together. The bytes depend on it: it is part of the format of the book, not a setting.
CELL = 10_000
LARGEST = 9_000_000
FIRST_DAY, LAST_DAY = dt.date(2024, 1, 1), dt.date(2026, 12, 31)
FAULTS_FILE = "faults.json"
NOISE_FILE = "noise.json"


def synthesize(
    loans: int,
    seed: int,
    out: Path,
    vocabulary: Vocabulary,
    *,
    as_of: dt.date = dt.date(2024, 12, 31),
    progress: Callable[[int], None] | None = None,
) -> Book:
    """Make a book of `loans` files in the folder `out`; the same numbers give the same bytes, in flat memory.

    Beside the tables it writes `faults.json` (by number of the fault: title, rules, the loan files that
    show it, and `expected`: which rule should find which of them) and `noise.json` (ordinary blemishes by
    name, and how often each fact is missing). `progress` is called with the number of files done. Raises
    SanchaError for a number of loans or a day that cannot be, and for a vocabulary that does not know what
    the book holds.
    """
    if not faults.SMALLEST <= loans <= LARGEST:
        raise SanchaError(
            f"cannot make a book of {loans} loans",
            help=f"ask for {faults.SMALLEST} (every fault needs a file) to {LARGEST}",
        )
    if not FIRST_DAY <= as_of <= LAST_DAY:
        raise SanchaError(
            f"cannot make a book dated {as_of}",
            help=f"name a day from {FIRST_DAY} to {LAST_DAY}: its holidays are known",
        )
    if seed < 0:
        raise SanchaError(f"the seed is {seed}", help="name a whole number that is not negative")
    bank = banks.found(seed, loans, as_of, vocabulary)
    calendar = Calendar(as_of)
    found = _Findings()
    cells = -(-loans // CELL)
    source = f"sancha synth --loans {loans} --seed {seed} --as-of {as_of}"
    with BookWriter(out, vocabulary, as_of=as_of, synthetic=True, source=source) as writer:
        for index in range(cells):
            first, last = loans * index // cells, loans * (index + 1) // cells
            cell = Cell(seed, index, first + 1, last - first, vocabulary, calendar, bank)
            number = make(cell, faults.allot(loans, first, last - first))
            found.add(cell, number)
            for name, table in cell.tables(number).items():
                writer.append(name, table)
            if progress is not None:
                progress(last)
        for name, columns in {"staff": bank.staff, "delegations": bank.delegations}.items():
            writer.append(REFERENCE + name, _reference(vocabulary, name, columns))
        writer.add_json(FAULTS_FILE, found.faults())
        writer.add_json(NOISE_FILE, found.noise())
    return writer.book


def make(cell: Cell, cases: dict[int, int]) -> np.ndarray:
    """Fill a cell; returns the place of each file in the order of the book."""
    loans = lending.borrowers(cell)
    faults.cast(cell, loans, cases)
    lending.settle(cell, loans)
    lending.timeline(cell, loans)
    lending.guarantors(cell, loans)
    exposure = lending.approve(cell, loans)
    servicing.state(cell, loans)
    dossier.fill(cell, loans, exposure)
    dossier.young_with_care(cell, loans)
    evidence.gather(cell, loans)
    servicing.serve(cell, loans)
    faults.plant(cell, loans)
    blemishes.blemish(cell, loans)
    blemishes.lose(cell, loans)
    return loans.number


def _reference(vocabulary: Vocabulary, name: str, columns: dict[str, Column]) -> pa.Table:
    arrays = rendered(f"the reference list `{name}`", columns, vocabulary.reference[name].fields, slice(None))
    return pa.Table.from_pydict(arrays, table_schema(vocabulary, REFERENCE + name))


class _Findings:
    """What the answer books say, gathered cell by cell: loan ids in order."""

    def __init__(self) -> None:
        self._faults: dict[int, list[str]] = {}
        self._expected: dict[int, dict[str, list[str]]] = {}
        self._blemishes: dict[str, list[str]] = {}
        self._missing: dict[str, int] = {}

    def add(self, cell: Cell, number: np.ndarray) -> None:
        def ids(files: np.ndarray) -> list[str]:
            found: list[str] = LOAN_NUMBER.render(np.sort(cell.first + number[files])).to_pylist()
            return found

        for fault, files in cell.cast.items():
            self._faults.setdefault(fault, []).extend(ids(files))
            for rule, shown in cell.expected[fault].items():
                self._expected.setdefault(fault, {}).setdefault(rule, []).extend(ids(shown))
        for name, mask in cell.blemishes.items():
            self._blemishes.setdefault(name, []).extend(ids(np.flatnonzero(mask)))
        for name, count in cell.missing.items():
            self._missing[name] = self._missing.get(name, 0) + count

    def faults(self) -> dict[str, object]:
        return {
            str(fault.number): {
                "title": {"en": fault.en, "zh": fault.zh},
                "rules": list(fault.rules),
                "loans": self._faults[fault.number],
                "expected": self._expected[fault.number],
            }
            for fault in faults.FAULTS
        }

    def noise(self) -> dict[str, object]:
        return {
            "blemishes": {
                kind.name: {
                    "title": {"en": kind.en, "zh": kind.zh},
                    "rules": list(kind.rules),
                    "loans": self._blemishes[kind.name],
                }
                for kind in blemishes.NOTED
            },
            "missing": self._missing,
        }

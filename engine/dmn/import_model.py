"""`sancha dmn import`: a DMN model as a policy pack.

A model that Sancha exported carries its pack: it is restored, and what another tool has changed since is taken over
(`restore.py`). Any other model is translated (`to_pack.py`).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from sancha.engine.dmn.meanings import Entry
from sancha.engine.dmn.read import read_model
from sancha.engine.dmn.restore import restore
from sancha.engine.dmn.to_pack import translate
from sancha.engine.files import new_folder, write_file
from sancha.engine.policy.pack import load_pack


@dataclass(frozen=True)
class ImportReport:
    """What became of a model. `entries` stand in `report_path` as CSV too (kind, line of the XML, where, what)."""

    path: Path
    report_path: Path
    restored: bool
    facts: int
    tables: int
    decisions: int
    entries: tuple[Entry, ...]

    @property
    def lost(self) -> tuple[Entry, ...]:
        return tuple(e for e in self.entries if e.kind == "lost")

    def text(self) -> str:
        origin = "restored from its export" if self.restored else "translated"
        head = f"{self.path}: {origin}: {self.facts} facts, {self.tables} tables, {self.decisions} decisions"
        lines = [
            f"  {e.kind}: {f'line {e.line}, ' if e.line else ''}{e.where}: {e.what}" for e in self.entries
        ]
        return "\n".join(
            [head, *lines, f"{len(self.lost)} parts left out; this report stands in {self.report_path}"]
        )


def import_model(path: Path, out: Path) -> ImportReport:
    """Writes the model as a policy pack into the folder `out`, which must not exist yet.

    The pack passes `sancha check`. Raises SanchaError where the file is no model, or where nothing of it can be held.
    """
    definitions = read_model(path)
    with new_folder(out) as beside:
        restored = restore(path, definitions, beside)
        entries = translate(definitions, beside) if restored is None else restored
        pack = load_pack(beside)
    report_path = out.with_name(f"{out.name}.report.csv")
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerows(
        [("kind", "line", "where", "what"), *((e.kind, e.line, e.where, e.what) for e in entries)]
    )
    write_file(report_path, rows.getvalue())
    tables = sum(any(v.table is not None for v in d.versions) for d in pack.decisions.values())
    return ImportReport(
        out,
        report_path,
        restored is not None,
        len(pack.vocabulary.facts),
        tables,
        len(pack.decisions) - tables,
        tuple(entries),
    )

"""The perception–practice gap: what staff say, set against what the loan files show.

gap = top-2 share of an item - pass rate of its rules, both of 0 to 1. The pass rate is
pass / (pass + breach); waived breaches, unknown outcomes and outcomes not yet due are counted beside it and
are in neither term. Where an item names several rules, their tests are added up, and each rule stands on its
own in `gap_rules`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sancha.engine.diagnostics import SanchaError

from .instrument import Instrument
from .statistics import wilson_interval

OUTCOMES = ("pass", "breach", "not applicable", "unknown", "waived", "not due")


@dataclass(frozen=True)
class RuleCounts:
    """The outcomes of one rule, or of several together: tests and money by outcome."""

    files: Mapping[str, int] = field(default_factory=dict)
    exposure: Mapping[str, Decimal] = field(default_factory=dict)

    def __add__(self, other: RuleCounts) -> RuleCounts:
        return RuleCounts(
            {o: self.files.get(o, 0) + other.files.get(o, 0) for o in OUTCOMES},
            {o: self.exposure.get(o, Decimal(0)) + other.exposure.get(o, Decimal(0)) for o in OUTCOMES},
        )

    @property
    def judged(self) -> int:
        return self.files.get("pass", 0) + self.files.get("breach", 0)

    @property
    def judged_exposure(self) -> Decimal:
        return self.exposure.get("pass", Decimal(0)) + self.exposure.get("breach", Decimal(0))


@dataclass(frozen=True)
class RunOutcomes:
    """What the questionnaire reads of a replay."""

    pack: str
    pack_version: str
    pack_digest: str
    book_digest: str
    as_of: str
    synthetic: bool
    rules: Mapping[str, RuleCounts]


def load_run(run: Path) -> RunOutcomes:
    """Read `run.json` and `outcomes.parquet` of a replay. Raises `SanchaError` where they cannot be read."""
    try:
        info = json.loads((run / "run.json").read_text(encoding="utf-8"))
        pack, book = info["pack"], info["book"]
        table = pq.read_table(
            run / "outcomes.parquet",
            columns=["rule", "outcome", "files", "exposure"],
        )
        counts: dict[str, RuleCounts] = {}
        grouped = table.group_by(["rule", "outcome"]).aggregate([("files", "sum"), ("exposure", "sum")])
        for row in grouped.sort_by([("rule", "ascending"), ("outcome", "ascending")]).to_pylist():
            if row["outcome"] not in OUTCOMES:
                raise SanchaError(
                    f"unknown outcome `{row['outcome']}` of `{row['rule']}`",
                    help="the outcomes are: " + ", ".join(OUTCOMES),
                    where=run / "outcomes.parquet",
                    code="E0720",
                )
            exposure = Decimal(0) if row["exposure_sum"] is None else Decimal(row["exposure_sum"])
            one = RuleCounts({row["outcome"]: row["files_sum"]}, {row["outcome"]: exposure})
            counts[row["rule"]] = counts.get(row["rule"], RuleCounts()) + one
        return RunOutcomes(
            pack=pack["name"],
            pack_version=str(pack["version"]),
            pack_digest=pack["digest"],
            book_digest=book["digest"],
            as_of=str(book["as_of"]),
            synthetic=bool(book.get("synthetic", False)),
            rules=counts,
        )
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as e:
        reason = f"`{e.args[0]}` is missing in run.json" if isinstance(e, KeyError) else str(e)
        raise SanchaError(
            f"the run cannot be read: {reason}",
            help="name a folder written by `sancha replay … --out`",
            where=run,
            code="E0720",
        ) from e


def band_of(gap: Fraction, instrument: Instrument) -> str:
    """`consistent`, `minor` or `conflict`, decided on the exact fraction."""
    size = abs(gap)
    if size <= Fraction(instrument.gap_bands.consistent):
        return "consistent"
    return "minor" if size <= Fraction(instrument.gap_bands.minor) else "conflict"


def gap_tables(
    instrument: Instrument, items: pd.DataFrame, run: RunOutcomes
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The gap of each item that names rules, and of each of its rules.

    `items` is the item table (`item`, `n`, `top2_n`). `status` is `compared`, `few answers` (fewer than the
    small cell), `not judged` (the run has no pass or breach) or `not in the run`.
    """
    answers = items.set_index("item")
    rows, details = [], []
    for item in instrument.items:
        if not item.rules:
            continue
        n, top2_n = int(answers.at[item.item, "n"]), int(answers.at[item.item, "top2_n"])
        present = [r for r in item.rules if r in run.rules]
        together = sum((run.rules[r] for r in present), RuleCounts())
        rows.append(
            {
                "item": item.item,
                "rules": ", ".join(item.rules),
                "absent": ", ".join(r for r in item.rules if r not in run.rules),
                **_compare(instrument, n, top2_n, together if present else None),
            }
        )
        details += [
            {"item": item.item, "rule": r, **_compare(instrument, n, top2_n, run.rules.get(r))}
            for r in item.rules
        ]
    names = ["item", "rules", "absent", *_compare(instrument, 0, 0, None)]
    return (
        pd.DataFrame(rows, columns=names),
        pd.DataFrame(details, columns=["item", "rule", *names[3:]]),
    )


def _compare(instrument: Instrument, n: int, top2_n: int, counts: RuleCounts | None) -> dict[str, object]:
    files = {} if counts is None else counts.files
    judged = 0 if counts is None else counts.judged
    enough = n >= instrument.small_cell
    low, high = wilson_interval(top2_n, n) if enough else (math.nan, math.nan)
    row: dict[str, object] = {
        "n": n,
        "top2_n": top2_n if enough else 0,
        "top2": top2_n / n if enough else math.nan,
        "top2_low": low,
        "top2_high": high,
        "passes": files.get("pass", 0),
        "breaches": files.get("breach", 0),
        "judged": judged,
        "waived": files.get("waived", 0),
        "unknown": files.get("unknown", 0),
        "pass_rate": files.get("pass", 0) / judged if judged else math.nan,
        "passed_exposure": Decimal(0) if counts is None else counts.exposure.get("pass", Decimal(0)),
        "judged_exposure": Decimal(0) if counts is None else counts.judged_exposure,
        "gap": math.nan,
        "band": "unavailable",
        "direction": "",
        "status": "compared",
    }
    if counts is None:
        row["status"] = "not in the run"
    elif not judged:
        row["status"] = "not judged"
    elif not enough:
        row["status"] = "few answers"
    else:
        gap = Fraction(top2_n, n) - Fraction(files.get("pass", 0), judged)
        row["gap"] = float(gap)
        row["band"] = band_of(gap, instrument)
        row["direction"] = "" if row["band"] == "consistent" else "answers" if gap > 0 else "files"
    return row

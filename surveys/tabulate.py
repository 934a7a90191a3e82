"""Tabulation of a staff questionnaire: items, dimensions, causes, breakdowns, and the gap to the replay."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from sancha.engine.diagnostics import SanchaError

from .instrument import LANGUAGES, POINTS, Background, Instrument, Language, load_instrument
from .output import write_tabulation
from .responses import Responses, load_responses
from .statistics import (
    alpha_interval,
    association,
    cronbach_alpha,
    difference_is_small,
    item_rest_correlation,
    merge_groups,
    rows_to_pool,
    wilson_interval,
)
from .triangulation import RunOutcomes, gap_tables, load_run

NOT_STATED = "not_stated"


@dataclass(frozen=True)
class Tabulation:
    """All tables of a questionnaire. Shares are of 0 to 1; nan where there is nothing to show.

    - `items`, one row a statement: `n` opinions, `dont_know`, `no_answer` (blank or rejected), `share_1` …
      `share_5` of the opinions **after recoding** reverse-worded statements, `top2_n`, `top2` with its 95 %
      Wilson interval `top2_low` and `top2_high`, `mean`, `sd`; `top2_unmarked` leaves the marked ones out.
    - `dimensions`: `k` items, `n` complete answers, `mean` of the item means, `alpha` with its 95 % interval,
      `alpha_unmarked`. `reliability`: `item_rest` correlation and `alpha_if_dropped` of each item.
    - `background`: people by answer, small groups merged.
    - `cross`, and `causes_by_group`: one row an item or cause, breakdown and group: `n`, `count` that agree
      (or ticked), `share`; `state` is `shown`, `hidden` (no numbers) or `together` (the hidden groups as one
      row). `cross_tests`, `cause_tests`: the test of each breakdown, `p`, and `q` (p adjusted for the number
      of tests).
    - `causes`, ranked: `count` of `n` respondents that answered, `share` with its 95 % Wilson interval.
    - `gap`, `gap_rules`: see `triangulation`. Empty without a run.
    - `quality`: counts of what was read, marked and rejected. `rejects` as in `Responses`.
    - `open_answers`: `answer`, `cause` (coded), sorted by text, so that no answer leads to a respondent.
    """

    instrument: Instrument
    lang: Language
    file: str
    file_digest: str
    respondents: int
    invited: int | None
    response_rate: float
    first_day: dt.date | None
    last_day: dt.date | None
    synthetic: bool
    run: RunOutcomes | None
    items: pd.DataFrame
    dimensions: pd.DataFrame
    reliability: pd.DataFrame
    background: pd.DataFrame
    cross: pd.DataFrame
    cross_tests: pd.DataFrame
    causes: pd.DataFrame
    causes_by_group: pd.DataFrame
    cause_tests: pd.DataFrame
    gap: pd.DataFrame
    gap_rules: pd.DataFrame
    quality: pd.DataFrame
    open_answers: pd.DataFrame
    cause_texts: pd.DataFrame
    rejects: pd.DataFrame

    def count(self, name: str) -> int:
        """A count of the quality table."""
        return int(self.quality.set_index("name").at[name, "count"])


def tabulate(
    instrument: Path,
    responses: Path,
    out: Path,
    *,
    run: Path | None = None,
    invited: int | None = None,
    lang: str = "en",
) -> Tabulation:
    """Tabulate `responses` to `instrument` into the folder `out`, beside the replay `run` where one is given.

    Writes `report.html`, `tables.xlsx`, `tabulation.json` and one CSV a table, all or nothing. `invited` is
    the number of people asked. Raises `SanchaError` on input that cannot be worked with.
    """
    if lang not in LANGUAGES:
        raise SanchaError(f"unknown language `{lang}`", help="the languages are: " + ", ".join(LANGUAGES))
    form = load_instrument(instrument)
    result = analyse(
        form,
        load_responses(form, responses),
        run=None if run is None else load_run(run),
        invited=invited,
        lang="zh" if lang == "zh" else "en",
    )
    write_tabulation(result, out)
    return result


def analyse(
    instrument: Instrument,
    responses: Responses,
    *,
    run: RunOutcomes | None = None,
    invited: int | None = None,
    lang: Language = "en",
) -> Tabulation:
    """All tables of the responses, without writing anything."""
    people = responses.respondents
    if people < instrument.small_cell:
        raise SanchaError(
            f"only {people} respondents: fewer than {instrument.small_cell} cannot be tabulated anonymously",
            where=responses.file,
            code="E0714",
        )
    if invited is not None and invited < people:
        raise SanchaError(
            f"{invited} were invited but {people} responded",
            help="give the number of people asked to take part",
            where=responses.file,
            code="E0714",
        )
    scores = recoded(instrument, responses.answers)
    marked = responses.quality["too_fast"] | responses.quality["attention_failed"]
    groupings = {
        b.item: grouping(b, responses.background[b.item], instrument.small_cell)
        for b in instrument.background
    }
    broken_down = {b.item: groupings[b.item] for b in instrument.background if b.break_down}
    labels = {b.item: _group_labels(b, lang) for b in instrument.background}

    items = _items(instrument, responses, scores, marked, lang)
    dimensions, reliability = _dimensions(instrument, scores, marked, lang)
    top2 = (scores >= 4).astype("boolean")
    cross, cross_tests = _break_down(
        "item", top2, responses.background, broken_down, labels, instrument.small_cell
    )
    answered = responses.causes.any(axis=1)
    ticked = responses.causes.astype("boolean").where(answered, pd.NA)
    by_cause, cause_tests = _break_down(
        "cause", ticked, responses.background, broken_down, labels, instrument.small_cell
    )
    gap, gap_rules = gap_tables(instrument, items, run or RunOutcomes("", "", "", "", "", False, {}))
    if run is None:
        gap, gap_rules = gap.iloc[:0], gap_rules.iloc[:0]
    gap.insert(1, "text", gap["item"].map(items.set_index("item")["text"]))
    days = [d for d in responses.quality["date"] if d is not None]
    return Tabulation(
        instrument=instrument,
        lang=lang,
        file=responses.file,
        file_digest=responses.digest,
        respondents=people,
        invited=invited,
        response_rate=people / invited if invited else math.nan,
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        synthetic=responses.synthetic,
        run=run,
        items=items,
        dimensions=dimensions,
        reliability=reliability,
        background=_background(instrument, responses.background, groupings, labels),
        cross=cross,
        cross_tests=cross_tests,
        causes=_causes(instrument, responses.causes, lang),
        causes_by_group=by_cause,
        cause_tests=cause_tests,
        gap=gap,
        gap_rules=gap_rules,
        quality=_quality(responses, marked),
        open_answers=_open_answers(responses),
        cause_texts=pd.DataFrame({"text": sorted(t for t in responses.open["cause_other"] if t)}),
        rejects=responses.rejects,
    )


def recoded(instrument: Instrument, answers: pd.DataFrame) -> pd.DataFrame:
    """Answers with reverse-worded statements turned, so that 5 is favourable throughout."""
    scores = answers.copy()
    for item in instrument.items:
        if item.reverse:
            scores[item.item] = POINTS[0] + POINTS[-1] - scores[item.item]
    return scores


def _items(
    instrument: Instrument, responses: Responses, scores: pd.DataFrame, marked: pd.Series, lang: Language
) -> pd.DataFrame:
    rows = []
    for item in instrument.items:
        opinions = scores[item.item].dropna().astype(int)
        unmarked = scores.loc[~marked, item.item].dropna()
        n, dont_know = len(opinions), int(responses.dont_know[item.item].sum())
        top2 = int((opinions >= 4).sum())
        enough = n >= instrument.small_cell
        low, high = wilson_interval(top2, n) if enough else (math.nan, math.nan)
        rows.append(
            {
                "item": item.item,
                "text": item.text.of(lang),
                "dimensions": ", ".join(item.dimensions),
                "cause": item.cause,
                "reverse": item.reverse,
                "n": n,
                "dont_know": dont_know,
                "no_answer": responses.respondents - n - dont_know,
                **{f"share_{p}": float((opinions == p).mean()) if enough else math.nan for p in POINTS},
                "top2_n": top2 if enough else 0,
                "top2": top2 / n if enough else math.nan,
                "top2_low": low,
                "top2_high": high,
                "mean": float(opinions.mean()) if enough else math.nan,
                "sd": float(opinions.std(ddof=1)) if enough else math.nan,
                "top2_unmarked": float((unmarked >= 4).mean())
                if enough and len(unmarked) >= instrument.small_cell
                else math.nan,
            }
        )
    return pd.DataFrame(rows)


def _dimensions(
    instrument: Instrument, scores: pd.DataFrame, marked: pd.Series, lang: Language
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, details = [], []
    for dimension in instrument.dimensions:
        codes = [i.item for i in instrument.items if dimension.code in i.dimensions]
        if not codes:
            continue
        complete = scores[codes].dropna().to_numpy(dtype=float)
        unmarked = scores.loc[~marked, codes].dropna().to_numpy(dtype=float)
        enough = len(complete) >= instrument.small_cell
        alpha = cronbach_alpha(complete) if enough else math.nan
        low, high = alpha_interval(alpha, *complete.shape)
        rows.append(
            {
                "dimension": dimension.code,
                "label": dimension.label.of(lang),
                "k": len(codes),
                "n": len(complete),
                "mean": float(scores[codes].mean().mean()) if enough else math.nan,
                "alpha": alpha,
                "alpha_low": low,
                "alpha_high": high,
                "alpha_unmarked": cronbach_alpha(unmarked)
                if len(unmarked) >= instrument.small_cell
                else math.nan,
            }
        )
        details += [
            {
                "dimension": dimension.code,
                "item": code,
                "item_rest": item_rest_correlation(complete, n) if enough and len(codes) > 1 else math.nan,
                "alpha_if_dropped": cronbach_alpha(np.delete(complete, n, axis=1)) if enough else math.nan,
            }
            for n, code in enumerate(codes)
        ]
    return pd.DataFrame(rows), pd.DataFrame(details)


def _causes(instrument: Instrument, ticked: pd.DataFrame, lang: Language) -> pd.DataFrame:
    n = int(ticked.any(axis=1).sum())
    rows = []
    for cause in instrument.cause_question.causes:
        count = int(ticked[cause.code].sum())
        low, high = wilson_interval(count, n)
        rows.append(
            {
                "cause": cause.code,
                "label": cause.label.of(lang),
                "count": count,
                "n": n,
                "share": count / n if n else math.nan,
                "low": low,
                "high": high,
            }
        )
    table = pd.DataFrame(rows).sort_values(["count", "cause"], ascending=[False, True], ignore_index=True)
    table.insert(0, "rank", table["count"].rank(method="min", ascending=False).astype(int))
    return table


Groups = list[tuple[str, ...]]


def grouping(question: Background, given: pd.Series, least: int) -> Groups:
    """The answers of a background question, merged until each group holds at least `least` people."""
    counts = given.fillna(NOT_STATED).value_counts()
    sizes = {code: int(counts.get(code, 0)) for code in (*question.codes, NOT_STATED)}
    return merge_groups(sizes, least, ordered=question.ordered)


def _group_labels(question: Background, lang: Language) -> dict[str, str]:
    return {a.code: a.label.of(lang) for a in question.answers} | {
        NOT_STATED: "未填写" if lang == "zh" else "not stated"
    }


def _label(group: Iterable[str], labels: Mapping[str, str]) -> str:
    return " + ".join(labels[code] for code in group)


def _background(
    instrument: Instrument,
    given: pd.DataFrame,
    groupings: Mapping[str, Groups],
    labels: Mapping[str, Mapping[str, str]],
) -> pd.DataFrame:
    rows = []
    for question in instrument.background:
        codes = given[question.item].fillna(NOT_STATED)
        for group in groupings[question.item]:
            count = int(codes.isin(group).sum())
            rows.append(
                {
                    "item": question.item,
                    "group": "+".join(group),
                    "label": _label(group, labels[question.item]),
                    "count": count,
                    "share": count / len(codes),
                }
            )
    return pd.DataFrame(rows, columns=["item", "group", "label", "count", "share"])


def _break_down(
    name: str,
    holds: pd.DataFrame,
    given: pd.DataFrame,
    groupings: Mapping[str, Groups],
    labels: Mapping[str, Mapping[str, str]],
    least: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each column of `holds` (true, false, or NA for no opinion) by each grouping, small cells hidden.

    The tests are computed on the rows as shown, the hidden groups as one, so that p gives away nothing.
    """
    rows, tests = [], []
    members = {
        by: [given[by].fillna(NOT_STATED).isin(group).to_numpy() for group in groups]
        for by, groups in groupings.items()
        if len(groups) > 1
    }
    for code in holds.columns:
        valid = holds[code].notna().to_numpy()
        yes = holds[code].fillna(False).to_numpy(dtype=bool)
        hidden = _hidden_rows({by: [m & valid for m in masks] for by, masks in members.items()}, yes, least)
        for by, masks in members.items():
            shown: list[np.ndarray] = []
            for n, (group, mask) in enumerate(zip(groupings[by], masks, strict=True)):
                row = {name: code, "by": by, "group": "+".join(group), "label": _label(group, labels[by])}
                if n in hidden[by]:
                    rows.append({**row, "n": None, "count": None, "share": math.nan, "state": "hidden"})
                else:
                    shown.append(_cells(mask & valid, yes))
                    rows.append({**row, **_numbers(shown[-1]), "state": "shown"})
            if hidden[by] and shown:
                together = np.logical_or.reduce([masks[n] for n in hidden[by]])
                codes = [c for n in sorted(hidden[by]) for c in groupings[by][n]]
                shown.append(_cells(together & valid, yes))
                row = {name: code, "by": by, "group": "+".join(codes), "label": _label(codes, labels[by])}
                rows.append({**row, **_numbers(shown[-1]), "state": "together"})
            test = association(np.array(shown)) if shown else association(np.zeros((0, 2), dtype=int))
            tests.append(
                {
                    name: code,
                    "by": by,
                    "test": test.test,
                    "statistic": test.statistic,
                    "degrees": test.degrees,
                    "rows": test.rows,
                    "p": test.p,
                }
            )
    columns = [name, "by", "group", "label", "n", "count", "share", "state"]
    table = pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "count": "Int64"})
    tested = pd.DataFrame(tests, columns=[name, "by", "test", "statistic", "degrees", "rows", "p"])
    tested["q"] = math.nan
    usable = tested["p"].notna()
    if usable.any():
        tested.loc[usable, "q"] = stats.false_discovery_control(tested.loc[usable, "p"].to_numpy())
    return table, tested


def _cells(mask: np.ndarray, yes: np.ndarray) -> np.ndarray:
    return np.array([int((mask & yes).sum()), int((mask & ~yes).sum())])


def _numbers(cells: np.ndarray) -> dict[str, object]:
    count, n = int(cells[0]), int(cells.sum())
    return {"n": n, "count": count, "share": count / n}


def _hidden_rows(
    members: Mapping[str, list[np.ndarray]], yes: np.ndarray, least: int
) -> dict[str, frozenset[int]]:
    """The rows to hide in each breakdown, so that neither one nor two of them together show a small cell.

    Two breakdowns together do where a group of one lies within a group of the other (auditors within the
    audit department): the few people between them could be had by subtraction.
    """
    hide: dict[str, frozenset[int]] = {by: frozenset() for by in members}
    while True:
        hidden = {
            by: rows_to_pool(np.array([_cells(m, yes) for m in masks]), least, hide[by])
            for by, masks in members.items()
        }
        shown: list[tuple[str, int | None, np.ndarray]] = []
        for by, masks in members.items():
            shown += [(by, n, m) for n, m in enumerate(masks) if n not in hidden[by]]
            if 0 < len(hidden[by]) < len(masks):
                shown.append((by, None, np.logical_or.reduce([masks[n] for n in hidden[by]])))
        clash = next(
            (
                (part, whole)
                for part in shown
                for whole in shown
                if part[0] != whole[0] and difference_is_small(part[2], whole[2], yes, least)
            ),
            None,
        )
        if clash is None:
            return hidden
        by, n, _ = clash[0] if clash[0][1] is not None else clash[1]
        if n is None:  # two pooled rows: one more row joins the first
            n = min(i for i in range(len(members[by])) if i not in hidden[by])
        hide[by] = hidden[by] | {n}


def _quality(responses: Responses, marked: pd.Series) -> pd.DataFrame:
    marks = responses.quality
    counts = {
        "rows": responses.rows,
        "blank_rows": responses.blank_rows,
        "rows_left_out": responses.rows_left_out,
        "respondents": responses.respondents,
        "cells_rejected": len(responses.rejects) - responses.rows_left_out,
        "too_fast": int(marks["too_fast"].sum()),
        "time_unknown": int(marks["seconds"].isna().sum()),
        "attention_failed": int(marks["attention_failed"].sum()),
        "attention_blank": int(marks["attention_blank"].sum()),
        "marked": int(marked.sum()),
        "no_cause": int((~responses.causes.any(axis=1)).sum()),
    }
    return pd.DataFrame({"name": list(counts), "count": list(counts.values())})


def _open_answers(responses: Responses) -> pd.DataFrame:
    given = responses.open[responses.open["answer"].notna()]
    table = pd.DataFrame({"answer": given["answer"].to_list(), "cause": given["code"].to_list()})
    return table.sort_values("answer", ignore_index=True)

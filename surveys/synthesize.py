"""Synthetic answers to an instrument, for demonstrations and tests. Every row says that it is synthetic."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from sancha.engine.diagnostics import SanchaError
from sancha.engine.files import write_file

from .instrument import Background, Instrument, Item, Language

Weights = Mapping[str, float]

# A believable staff: weights of the answers of the background questions; the answers of a question not named
# here are equally likely. Posts and loans in charge depend on the department.
_STAFF: Mapping[str, Weights] = {
    "A1": {"head_office": 12, "branch": 33, "sub_branch": 55},
    "A2": {"front": 44, "review": 17, "risk": 16, "audit": 11, "workout": 7, "other": 5},
    "A4": {"under_1": 5, "1_3": 18, "4_6": 26, "7_10": 27, "over_10": 24},
    "A6": {"none": 100},
    "A7": {"secondary": 2, "college": 16, "bachelor": 68, "postgraduate": 14},
}
_BY_DEPARTMENT: Mapping[tuple[str, str], Weights] = {
    ("front", "A3"): {"rm": 58, "co_rm": 30, "manager": 12},
    ("review", "A3"): {"reviewer": 55, "approver": 30, "disb_checker": 10, "manager": 5},
    ("risk", "A3"): {"post_loan": 62, "disb_checker": 26, "manager": 12},
    ("audit", "A3"): {"auditor": 90, "manager": 10},
    ("workout", "A3"): {"workout": 90, "manager": 10},
    ("other", "A3"): {"manager": 60, "disb_checker": 40},
    ("front", "A6"): {"none": 6, "1_30": 34, "31_60": 33, "61_100": 19, "over_100": 8},
}
# How favourably a department sees the practice, in standard deviations, and the stages it works on.
_OUTLOOK: Weights = {"front": 0.30, "review": 0.05, "risk": -0.10, "audit": -0.55, "workout": -0.45}
_OWN_WORK: Mapping[str, Sequence[str]] = {
    "front": ("pre", "post", "culture"),
    "review": ("in", "culture"),
    "risk": ("in", "post", "culture"),
    "audit": ("pre", "in", "post", "culture", "audit"),
    "workout": ("post", "culture"),
}
_BLAMES: Mapping[str, Sequence[str]] = {
    "front": ("C03", "C04", "C07"),
    "review": ("C02", "C06", "C03"),
    "risk": ("C02", "C05", "C08"),
    "audit": ("C01", "C09", "C10"),
    "workout": ("C11", "C02", "C09"),
}
_OPEN: Sequence[tuple[str, Mapping[Language, str]]] = (
    (
        "C02",
        {"en": "Two people on every visit, without exception", "zh": "每次实地调查都应双人到场，不留例外"},
    ),
    ("C02", {"en": "More time for the visit and fewer forms", "zh": "多留时间做实地调查，少填表"}),
    ("C03", {"en": "Access to tax and electricity data at the desk", "zh": "在系统内直接查询税务和用电数据"}),
    ("C04", {"en": "Do not lend into the same industry in one park", "zh": "不要在同一园区扎堆投放同一行业"}),
    ("C05", {"en": "Signals must reach the officer on the same day", "zh": "预警信号应当日送达客户经理"}),
    ("C06", {"en": "Reviewers should not report to the sales side", "zh": "审查人员不应由营销条线考核"}),
    ("C07", {"en": "One list of papers, asked for once", "zh": "资料一次性告知、一次收齐"}),
    ("C08", {"en": "Ask other banks where the money went", "zh": "建立同业间的资金去向查询机制"}),
    ("C09", {"en": "Fewer post-loan reports, but real ones", "zh": "贷后报告少而精，到现场看实物"}),
    ("C10", {"en": "Check again whether findings were mended", "zh": "对审计问题整改情况做回头看"}),
    ("C11", {"en": "Sell or restructure early", "zh": "尽早转让或重组不良贷款"}),
    ("C01", {"en": "Targets that reward a good file", "zh": "考核应体现档案和调查质量"}),
)

_CUTS = (-1.55, -0.75, 0.05, 1.05)  # between the five points, in standard deviations of the latent answer
_LOADING = 0.62  # of an item on its dimension; gives alphas of about 0.8 for ten items
_COMMON = 0.5  # share of the variance of a dimension that all dimensions have in common


def synthesize_answers(
    instrument: Instrument,
    out_csv: Path,
    *,
    respondents: int = 180,
    seed: int,
    lang: Language = "en",
    first_day: dt.date = dt.date(2025, 3, 3),
) -> None:
    """Write synthetic answers to `out_csv`: the same arguments give the same bytes.

    Answers follow one latent factor a dimension with a common part, departments differ in outlook and in what
    they know, and a few respondents are too fast or inattentive. `lang` is the language of the open answers;
    the answers are dated in the three weeks from `first_day`. Raises `SanchaError` without respondents.
    """
    if respondents < 1:
        raise SanchaError(f"{respondents} respondents cannot answer", help="give a number of 1 or more")
    rng = random.Random(seed)
    level = {i.item: rng.gauss(0.55, 0.55) for i in instrument.items}
    numbers = range(1, respondents + 1)
    hasty = set(rng.sample(numbers, math.ceil(respondents * 0.02)))
    inattentive = set(rng.sample(numbers, math.ceil(respondents * 0.02))) | set(sorted(hasty)[::2])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, instrument.columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    for number in numbers:
        person = _respondent(
            instrument, rng, level, lang, first_day, hasty=number in hasty, inattentive=number in inattentive
        )
        writer.writerow({"respondent": f"S{number:04d}", "synthetic": "yes", **person})
    write_file(out_csv, text.getvalue().encode("utf-8-sig"))


def _respondent(
    instrument: Instrument,
    rng: random.Random,
    level: Weights,
    lang: Language,
    first_day: dt.date,
    *,
    hasty: bool,
    inattentive: bool,
) -> dict[str, object]:
    row: dict[str, object] = {}
    department = ""
    for question in instrument.background:
        weights = _BY_DEPARTMENT.get((department, question.item), _STAFF.get(question.item, {}))
        row[question.item] = _background(question, weights, rng, row)
        if question.item == "A2":
            department = str(row["A2"])
    row["date"] = (first_day + dt.timedelta(days=7 * rng.randrange(3) + rng.randrange(5))).isoformat()

    common = rng.gauss(0, 1)
    factors = {
        d.code: math.sqrt(_COMMON) * common + math.sqrt(1 - _COMMON) * rng.gauss(0, 1)
        for d in instrument.dimensions
    }
    row["seconds"] = rng.randint(31, 88) if hasty else max(95, round(rng.lognormvariate(6.05, 0.42)))
    expected = instrument.attention_item.expected
    row["attention"] = rng.choice([p for p in (1, 3, 4, 5) if p != expected]) if inattentive else expected
    favourite = rng.choice((3, 4, 4, 5))
    for item in instrument.items:
        if hasty:  # the same answer all the way down, whatever the wording
            row[item.item] = favourite if rng.random() < 0.85 else rng.randint(1, 5)
        else:
            row[item.item] = _answer(instrument, item, rng, level[item.item], factors, department)

    if rng.random() < 0.97:
        for column, cause in zip(
            instrument.cause_question.columns, _causes(instrument, rng, department), strict=False
        ):
            row[column] = cause
    if rng.random() < 0.22:
        code, texts = rng.choice(_OPEN)
        row[instrument.open_question.item] = texts[lang]
        if code in {c.code for c in instrument.cause_question.causes}:
            row[instrument.coded_column] = code
    return row


def _background(
    question: Background, weights: Weights, rng: random.Random, so_far: Mapping[str, object]
) -> str:
    codes = list(question.codes)
    if question.item == "A5" and so_far.get("A4") in codes:  # not longer in this field than in banking
        codes = codes[: codes.index(str(so_far["A4"])) + 1]
        return rng.choices(codes, [1 + 2 * n for n in range(len(codes))])[0]
    if set(weights) & set(codes):
        return rng.choices(codes, [weights.get(c, 0.0) for c in codes])[0]
    return rng.choice(codes)


def _answer(
    instrument: Instrument,
    item: Item,
    rng: random.Random,
    level: float,
    factors: Weights,
    department: str,
) -> object:
    own = set(_OWN_WORK.get(department, ())) & set(item.dimensions)
    chance = rng.random()
    if chance < (0.015 if own else 0.075):
        return instrument.scale.dont_know.code
    factor = sum(factors[d] for d in item.dimensions) / math.sqrt(len(item.dimensions))
    latent = level + _OUTLOOK.get(department, 0.0) + _LOADING * factor
    latent += math.sqrt(1 - _LOADING**2) * rng.gauss(0, 1)
    point = 1 + sum(latent > cut for cut in _CUTS)
    if chance > 0.996:
        return ""
    return 6 - point if item.reverse else point


def _causes(instrument: Instrument, rng: random.Random, department: str) -> list[str]:
    codes = [c.code for c in instrument.cause_question.causes]
    blamed = _BLAMES.get(department, ())
    wanted = min(rng.choice((1, 2, 2, 3, 3, 3)), instrument.cause_question.most)
    ticked: list[str] = []
    while len(ticked) < wanted:
        left = [c for c in codes if c not in ticked]
        ticked.append(rng.choices(left, [3.0 if c in blamed else 1.0 for c in left])[0])
    return sorted(ticked)

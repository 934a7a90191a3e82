"""Opinion beside practice: the questionnaire's tables set against the replay in the engagement's scope."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any

from sancha.audit.evidence import Counts, Evidence
from sancha.audit.findings import ItemComparison, PublishedWording, Text
from sancha.engine.policy.source import read_yaml
from sancha.surveys.instrument import Instrument, Item
from sancha.surveys.instrument import Text as FormText
from sancha.surveys.tabulate import Tabulation
from sancha.surveys.triangulation import band_of


@dataclass(frozen=True, slots=True)
class CauseNamed:
    """A cause as respondents named it: `count` of `n`, with its 95 % Wilson interval as fractions."""

    code: str
    label: Text
    count: int
    n: int
    share: Decimal | None
    interval: tuple[Decimal, Decimal] | None


@dataclass(frozen=True, slots=True)
class Dimension:
    label: Text
    items: int
    answers: int
    mean: Decimal | None
    alpha: Decimal | None


@dataclass(frozen=True, slots=True)
class ItemAnswers:
    """One statement. `agreement` is the share of 4 and 5 after recoding, `mean` of 1 to 5."""

    item: str
    text: Text
    reverse: bool
    answers: int
    dont_know: int
    agreement: Decimal | None
    mean: Decimal | None


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """What the report shows of the questionnaire, in both languages. `gaps` are over all rules of an item."""

    title: Text
    respondents: int
    invited: int | None
    synthetic: bool
    too_fast: int
    inattentive: int
    small_cell: int
    gaps: tuple[ItemComparison, ...]
    gap_rules: Mapping[str, tuple[str, ...]]
    causes: tuple[CauseNamed, ...]
    dimensions: tuple[Dimension, ...]
    items: tuple[ItemAnswers, ...]
    by_rule: Mapping[str, tuple[ItemComparison, ...]]


def questionnaire(tabulation: Tabulation, evidence: Evidence) -> Questionnaire:
    """The tabulation beside the outcomes in scope, by item and by rule."""
    form = tabulation.instrument
    answers = tabulation.items.set_index("item")
    counts = evidence.counts("rule")
    gaps: list[ItemComparison] = []
    gap_rules: dict[str, tuple[str, ...]] = {}
    by_rule: dict[str, tuple[ItemComparison, ...]] = {}
    items = []
    for item in form.items:
        row = answers.loc[item.item]
        n, top2 = int(row["n"]), int(row["top2_n"])
        enough = n >= form.small_cell
        agreement = Fraction(top2, n) if enough else None
        items.append(
            ItemAnswers(
                item.item,
                {"en": item.text.en, "zh": item.text.zh},
                item.reverse,
                n,
                int(row["dont_know"]),
                _decimal(agreement),
                _measured(row["mean"]),
            )
        )
        if not item.rules:
            continue
        present = [r for r in item.rules if (r,) in counts]
        gap_rules[item.item] = tuple(item.rules)
        together = sum((counts[(r,)] for r in present), Counts())
        gaps.append(_comparison(form, item, n, agreement, together))
        for rule in present:
            one = _comparison(form, item, n, agreement, counts[(rule,)])
            by_rule[rule] = (*by_rule.get(rule, ()), one)
    labels = {c.code: c.label for c in form.cause_question.causes}
    return Questionnaire(
        title={"en": form.title.en, "zh": form.title.zh},
        respondents=tabulation.respondents,
        invited=tabulation.invited,
        synthetic=tabulation.synthetic,
        too_fast=tabulation.count("too_fast"),
        inattentive=tabulation.count("attention_failed"),
        small_cell=form.small_cell,
        gaps=tuple(gaps),
        gap_rules=gap_rules,
        causes=tuple(_causes(tabulation, labels)),
        dimensions=tuple(
            Dimension(
                _both(next(d.label for d in form.dimensions if d.code == row["dimension"])),
                int(row["k"]),
                int(row["n"]),
                _measured(row["mean"]),
                _measured(row["alpha"]),
            )
            for row in tabulation.dimensions.to_dict("records")
        ),
        items=tuple(items),
        by_rule=by_rule,
    )


def _comparison(
    form: Instrument, item: Item, n: int, agreement: Fraction | None, counts: Counts
) -> ItemComparison:
    judged = counts.judged.files
    practice = Fraction(counts.of("pass").files, judged) if judged else None
    gap = agreement - practice if agreement is not None and practice is not None else None
    return ItemComparison(
        item=item.item,
        text=_both(item.text),
        reverse=item.reverse,
        answers=n,
        agreement=_decimal(agreement),
        files=judged,
        practice=_decimal(practice),
        gap=_decimal(gap),
        band="unavailable" if gap is None else band_of(gap, form),
    )


def _causes(tabulation: Tabulation, labels: Mapping[str, Any]) -> Iterable[CauseNamed]:
    for row in tabulation.causes.to_dict("records"):
        n, count = int(row["n"]), int(row["count"])
        low, high = _measured(row["low"]), _measured(row["high"])
        yield CauseNamed(
            row["cause"],
            _both(labels[row["cause"]]),
            count,
            n,
            Decimal(count) / n if n else None,
            (low, high) if low is not None and high is not None else None,
        )


@cache
def published_wordings() -> Mapping[str, tuple[PublishedWording, ...]]:
    """Published wordings by the beginning of a rule's id."""
    with resources.as_file(resources.files("sancha.audit").joinpath("wordings.yaml")) as path:
        entries = read_yaml(path, path.name)[0].value
    found: dict[str, tuple[PublishedWording, ...]] = {}
    for entry in entries:
        wording = PublishedWording(entry["when"], entry["authority"], entry["words"], "S15", "V-sec")
        for prefix in entry["rules"]:
            found[prefix] = (*found.get(prefix, ()), wording)
    return found


def _both(text: FormText) -> Text:
    return {"en": text.en, "zh": text.zh}


def _decimal(value: Fraction | None) -> Decimal | None:
    return None if value is None else Decimal(value.numerator) / value.denominator


def _measured(value: float) -> Decimal | None:
    """A statistic for print, to four places."""
    return None if math.isnan(value) else Decimal(f"{value:.4f}")

"""The fixed texts of a tabulation in both languages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib import resources

from sancha.engine.policy.source import read_yaml

from .instrument import Language


@cache
def all_texts() -> Mapping[str, Mapping[str, str]]:
    """Every fixed text by key and language."""
    with resources.as_file(resources.files(__package__).joinpath("texts.yaml")) as path:
        texts: Mapping[str, Mapping[str, str]] = read_yaml(path, "texts.yaml")[0].value
        return texts


class Texts:
    """The texts of one language. An unknown key or slot is a defect: KeyError."""

    def __init__(self, lang: Language) -> None:
        self.lang = lang

    def __call__(self, key: str, **slots: object) -> str:
        return all_texts()[key][self.lang].format(**slots)

    def join(self, *sentences: str) -> str:
        return ("" if self.lang == "zh" else " ").join(sentences)


def percent(share: float) -> str:
    """`45.0%`, or `–` where there is none."""
    return "–" if math.isnan(share) else f"{share:.1%}"


def signed(gap: float) -> str:
    """A gap with its sign: `+0.41`."""
    return "–" if math.isnan(gap) else f"{gap:+.2f}".replace("-", "−")


def figure(value: float, places: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{places}f}".replace("-", "−")


def probability(p: float) -> str:
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def ratio(part: Decimal, whole: Decimal) -> float:
    """A share of amounts for display; nan where the whole is nothing."""
    return float(part / whole) if whole else math.nan

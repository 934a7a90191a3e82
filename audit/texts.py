"""The fixed texts of a report in both languages, and how numbers, amounts and days are written in each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib import resources
from typing import Any

from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.policy.source import read_yaml

LANGUAGES = ("en", "zh")
#: Words that a generated text does not use: the replay sees records, not acts, and passes no verdict.
AVOIDED = ("违法", "guilty", "must be punished")

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


@cache
def all_texts() -> Mapping[str, Mapping[str, str]]:
    """Every fixed text by key and language."""
    with resources.as_file(resources.files("sancha.audit").joinpath("texts.yaml")) as path:
        texts: Mapping[str, Mapping[str, str]] = read_yaml(path, "texts.yaml")[0].value
        return texts


def avoided_words(text: str) -> list[str]:
    """The words to avoid that the text uses."""
    lowered = text.lower()
    return [word for word in AVOIDED if word in lowered]


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language, and its ways to write numbers. `currency` is an ISO 4217 code."""

    lang: str
    currency: str = "CNY"

    def __post_init__(self) -> None:
        if self.lang not in LANGUAGES:
            raise SanchaError(
                f"there is no report in the language `{self.lang}`",
                help=did_you_mean(self.lang, LANGUAGES) or f"the languages are {', '.join(LANGUAGES)}",
            )

    def __call__(self, key: str, **slots: Any) -> str:
        """The text of `key` with its slots filled: `{n}`, and `{n:file|files}` for the word that fits `n`.

        An unknown key or slot is a defect: KeyError.
        """

        def fill(match: re.Match[str]) -> str:
            value = str(slots[match[1]])
            return value if match[2] is None else match[2] if value == "1" else match[3]

        return re.sub(r"\{(\w+)(?::([^|}]*)\|([^}]*))?\}", fill, all_texts()[key][self.lang])

    def said(self, text: Mapping[str, str]) -> str:
        """A text of a pack in this language, or in whichever it has."""
        return text.get(self.lang) or next((t for t in text.values() if t), "")

    def number(self, value: int | Decimal) -> str:
        return f"{value:,}"

    def percent(self, share: Decimal | None, digits: int = 1) -> str:
        """`45.0%`. More digits below one percent, and where fewer would show nothing or everything."""
        if share is None:
            return "–"
        value = Decimal(share) * 100
        if 0 < value < 1:
            digits += 1
        while digits < 6:
            shown = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
            if (shown != 0 or value == 0) and (shown != 100 or value == 100):
                break
            digits += 1
        return f"{shown:,}%"

    def points(self, difference: Decimal | None) -> str:
        """A difference of shares in percentage points with its sign: `+41.0`."""
        if difference is None:
            return "–"
        value = (Decimal(difference) * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
        return f"{value:+,}".replace("-", "−")

    def exact(self, amount: Decimal | None) -> str:
        """`32,600,000.00`, without the currency."""
        return "–" if amount is None else f"{amount.quantize(Decimal('0.01')):,}"

    def money(self, amount: Decimal) -> str:
        """`CNY 32.6 million` or `3,260.0万元`: for prose, three or more significant digits."""
        name = all_texts().get(f"currency.{self.currency}", {}).get(self.lang, self.currency)
        steps = _STEPS[self.lang]
        size, unit = next(((s, u) for s, u in steps if abs(amount) >= s), (Decimal(1), ""))
        places = Decimal("0.01") if unit in ("", " billion", "亿") else Decimal("0.1")
        figure = f"{(amount / size).quantize(places, ROUND_HALF_UP):,}"
        return f"{figure}{unit}{name}" if self.lang == "zh" else f"{name} {figure}{unit}"

    def day(self, day: date | None) -> str:
        """A day in prose: `31 December 2024`, `2024年12月31日`."""
        if day is None:
            return self("not_recorded")
        if self.lang == "zh":
            return f"{day.year}年{day.month}月{day.day}日"
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

    def join(self, parts: list[str]) -> str:
        """Sentences of one paragraph."""
        return ("" if self.lang == "zh" else " ").join(p for p in parts if p)

    def listed(self, words: list[str]) -> str:
        return ("、" if self.lang == "zh" else ", ").join(words)


_STEPS = {
    "en": ((Decimal(10) ** 9, " billion"), (Decimal(10) ** 6, " million")),
    "zh": ((Decimal(10) ** 8, "亿"), (Decimal(10) ** 4, "万")),
}

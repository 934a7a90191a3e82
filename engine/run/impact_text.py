"""An impact in words: the fixed texts in both languages, how numbers are written, and the table for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib import resources
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sancha.engine.policy.differences import Difference, Part
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.source import read_yaml
from sancha.engine.run.impact_model import Impact, Moves, Tally

#: Rules and differences that a terminal shows; the page has all.
SHOWN = 30
_STEPS = {
    "en": ((Decimal(10) ** 9, "billion"), (Decimal(10) ** 6, "million")),
    "zh": ((Decimal(10) ** 8, "亿"), (Decimal(10) ** 4, "万")),
}
_CURRENCIES = {("CNY", "zh"): "元", ("USD", "zh"): "美元", ("EUR", "zh"): "欧元"}


@cache
def all_texts(file: str = "impact.yaml") -> Mapping[str, Mapping[str, str]]:
    """Every fixed text by key and language."""
    with resources.as_file(resources.files("sancha.engine.run").joinpath("templates", file)) as path:
        texts: Mapping[str, Mapping[str, str]] = read_yaml(path, file)[0].value
        return texts


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of a language, `en` or `zh`, in a file of them. `currency` is an ISO 4217 code."""

    lang: str
    currency: str
    file: str = "impact.yaml"

    def __call__(self, key: str, **slots: Any) -> str:
        """The text of a key with its slots: `{n}`, and `{n:file lacks|files lack}` for the words that fit `n`."""

        def fill(match: re.Match[str]) -> str:
            value = slots[match[1]]
            shown = self.number(value) if isinstance(value, int) else str(value)
            return shown if match[2] is None else f"{shown} {match[2] if value == 1 else match[3]}"

        return re.sub(r"\{(\w+)(?::([^|}]*)\|([^}]*))?\}", fill, all_texts(self.file)[key][self.lang])

    def said(self, texts: Mapping[str, str]) -> str:
        """A text of a pack in this language, or in whichever it has."""
        return texts.get(self.lang) or next((text for text in texts.values() if text), "")

    def number(self, value: int | Decimal) -> str:
        return f"{value:,}"

    def exact(self, amount: Decimal | None) -> str:
        return "–" if amount is None else f"{amount:,.2f}"

    def currency_name(self) -> str:
        return _CURRENCIES.get((self.currency, self.lang), self.currency)

    def unit(self, largest: Decimal, times: int = 10) -> tuple[Decimal, str]:
        """The unit in which amounts up to this one are shown: its size and name. It is so many `times` the unit."""
        for size, name in _STEPS[self.lang]:
            if abs(largest) >= size * times:
                return (
                    size,
                    f"{name}{self.currency_name()}" if self.lang == "zh" else f"{self.currency} {name}",
                )
        return Decimal(1), self.currency_name()

    def amount(self, amount: Decimal, size: Decimal) -> str:
        """An amount in a unit: whole, or with one place where the unit is not one."""
        places = Decimal(1) if size == 1 else Decimal("0.1")
        return f"{(amount / size).quantize(places, ROUND_HALF_UP):,}"

    def money(self, amount: Decimal) -> str:
        """`CNY 32.6 million`, `3,260.0万元`."""
        size, unit = self.unit(amount, 1)
        figure = self.amount(amount, size)
        if self.lang == "zh":
            return f"{figure}{unit}"
        return f"{self.currency} {figure}{unit.removeprefix(self.currency)}"

    def size(self, low: int | None) -> str:
        """A size of exposure by its lower end."""
        if low is None:
            return self("not_recorded")
        if low == 0:
            return self("size_below", high=10_000)
        return self("size", low=low, high=low * 10)

    def part(self, part: Part) -> str:
        """The key of a part: the value of a parameter by its day, a row of a table by its number."""
        value = re.fullmatch(r"values\[(.+)\]\.value", part.key)
        row = re.fullmatch(r"row(?:\[(.+)\])? (\d+)", part.key)
        if value is not None:
            return self("from_day", day=value[1])
        if row is not None:
            number = self("row", n=row[2])
            return number if row[1] is None else f"{number}, {self('from_day', day=row[1])}"
        return self(f"key.{part.key}") if f"key.{part.key}" in all_texts() else part.key

    def name(self, difference: Difference) -> str:
        """`table ltv_cap`"""
        kind = self(f"kind.{difference.kind}")
        return kind if difference.name == difference.kind else f"{kind} {difference.name}"

    def state(self, difference: Difference) -> str:
        return self(f"state.{difference.state}", name=difference.old_name)


def fact_label(pack: Pack, name: str, words: Words) -> str:
    """What the pack calls a fact, a field of an item, a parameter or a decision."""
    vocabulary = pack.vocabulary
    if name in vocabulary.facts:
        return vocabulary.label(name, words.lang)
    head, _, rest = name.partition(".")
    if head == "parameters" and rest in pack.parameters:
        return words.said(pack.parameters[rest].label)
    if head in pack.decisions:
        return words.said(pack.decisions[head].title)
    item = re.fullmatch(r"(\w+)\[(\d+)\]", head)
    if item is not None and item[1] in vocabulary.lists:
        spec = vocabulary.lists[item[1]]
        field = words.said(spec.fields[rest].label) if rest in spec.fields else rest
        return f"{words.said(spec.label)} {item[2]}: {field}"
    return name


def in_table(found: Impact, lang: str) -> RenderableType:
    """The comparison for a terminal of 80 columns: what the policy says differently, and what it does, worst first."""
    words = Words(lang, found.new.currency)
    parts: list[RenderableType] = [_heading(found, words), Text()]
    if found.same_pack:
        return Group(*parts, Text(f"{words('same_pack')} {words('nothing')}"))
    parts += [Text(words("says"), style="bold"), *_differences(found, words), Text()]
    parts += [Text(words("does"), style="bold")]
    changed = found.changed_rules
    if changed:
        parts.append(_rules(found, words))
    else:
        parts.append(Text(words("no_outcome")))
    if len(changed) > SHOWN:
        parts.append(Text(words("see", n=len(changed) - SHOWN, file="impact.html")))
    if changed and len(found.rules) > len(changed):
        parts.append(Text(words("rest", n=len(found.rules) - len(changed))))
    parts += [*_groups(found, words), Text(), Text(files_line(found, words))]
    if missing := found.files["all"].without_exposure:
        parts.append(Text(words("without_line", n=missing)))
    return Group(*parts)


def files_line(found: Impact, words: Words) -> str:
    counts = {name: tally.files for name, tally in found.files.items()}
    return words("files_line", **counts, amount=words.money(found.files["breached"].exposure))


def _heading(found: Impact, words: Words) -> Text:
    text = Text()
    for pack, day in zip((found.old, found.new), found.as_if, strict=True):
        text.append(" → " if text else "", style="bold")
        text.append(f"{pack.name} {pack.version}", style="bold")
        text.append("" if day is None else f" ({words('as_if', day=day)})")
    text.append(f", {words('on_book', files=found.book.loans, day=found.as_of)}")
    return text


def _differences(found: Impact, words: Words) -> Iterator[Text]:
    lines = [line for d in found.differences if d.decides for line in difference_lines(d, words)]
    for line in lines[:SHOWN]:
        yield Text(f"  {line}")
    if len(lines) > SHOWN:
        yield Text("  " + words("see", n=len(lines) - SHOWN, file="impact.html"))
    if rest := sum(not d.decides for d in found.differences):
        yield Text("  " + words("wording_line", n=rest))
    if not found.differences:
        yield Text("  " + words("same_text"))


def difference_lines(difference: Difference, words: Words) -> Iterator[str]:
    """The parts of a difference that decide, a line each."""
    name = words.name(difference)
    if difference.state != "changed":
        yield f"{name} {words.state(difference)}"
    if difference.state in ("changed", "renamed"):
        for part in difference.parts:
            if part.decides:
                yield f"{name}, {words.part(part)}: {_short(part.old)} → {_short(part.new)}"


def _short(text: str | None) -> str:
    shown = " ".join((text or "–").split())
    return shown if len(shown) <= 160 else shown[:159] + "…"


def _rules(found: Impact, words: Words) -> Table:
    size, unit = words.unit(found.total.breached.exposure)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(words("rule"), no_wrap=True, vertical="bottom")
    for key in ("changed", *_COLUMNS):
        table.add_column(words(key), justify="right", vertical="bottom", min_width=6)
    table.add_column(words("of_breached", unit=unit), justify="right", vertical="bottom")

    def add(name: str, moves: Moves, style: str = "") -> None:
        tallies: Sequence[Tally] = [getattr(moves, key) for key in ("changed", *_COLUMNS)]
        cells = [words.number(tally.files) if tally.files else "–" for tally in tallies]
        amount = words.amount(moves.breached.exposure, size) if moves.breached.files else "–"
        table.add_row(name, *cells, amount, style=style)

    for rule in found.changed_rules[:SHOWN]:
        add(rule.id, rule.moves)
    add(words("all"), found.total, "bold")
    return table


#: The columns of a terminal; waived and not due stand in the page.
_COLUMNS = ("breached", "relieved", "passed", "unknown", "not_applicable")


def _groups(found: Impact, words: Words) -> Iterator[Text]:
    if found.groups:
        yield Text()
        yield Text(words("groups"), style="bold")
    for change in found.groups[:SHOWN]:
        before, now = (
            words("no_exception") if outcome is None else words(f"outcome.{outcome}")
            for outcome in (change.old, change.new)
        )
        yield Text(f"  {change.rule} {change.group}: {before} → {now}")
    if len(found.groups) > SHOWN:
        yield Text("  " + words("see", n=len(found.groups) - SHOWN, file="impact.html"))

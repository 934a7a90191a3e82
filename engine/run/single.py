"""One expression, or one loan file: evaluated, decided and explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from sancha.engine.book.loan_file import load_loan_file
from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.feel.context import checked, context_of, read_context
from sancha.engine.policy.blame import blame
from sancha.engine.policy.lower import lower_core
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.as_text import as_text
from sancha.engine.run.row import Evaluator, Judgement, Reasons
from sancha.engine.run.to_python import compile_core, compile_cores

_STYLES = {
    Outcome.PASS: "green",
    Outcome.BREACH: "bold red",
    Outcome.UNKNOWN: "yellow",
    Outcome.WAIVED: "magenta",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The value of an expression as text; None where it is unknown, with the facts that are missing."""

    text: str | None
    missing: tuple[str, ...]


def evaluate(expression: str, context: Path | None, pack: Path | None) -> Answer:
    """Evaluates one expression over a JSON context: plain JSON, or, with a pack, a loan file of its vocabulary.

    With a pack, its parameters and decisions can be used: those of the day of the file, the latest without a file.
    """
    if pack is not None:
        loaded = load_pack(pack)
        core = lower_core(loaded, checked(expression, loaded.scope))
        calendar = loaded.calendar
        if context is None:
            vocabulary = loaded.vocabulary
            absent, no_lists = dict.fromkeys(vocabulary.facts), dict.fromkeys(vocabulary.lists)
            args: tuple[Any, ...] = (absent, no_lists, {}, date.max)
        else:
            file, reference, as_of = load_loan_file(context, loaded.vocabulary)
            args = (file.facts, file.lists, reference, _day(as_of, context))
    else:
        found = read_context(context) if context is not None else context_of({})
        core, calendar = checked(expression, found.scope), None
        args = (found.facts, found.lists, {}, date.max)
    value = compile_core(core, calendar)(*args)
    if value is not None:
        return Answer(as_text(value, core.type), ())
    pairs = blame(core, {})
    blamed = compile_cores([condition for _, condition in pairs], (), calendar)(*args)
    return Answer(None, tuple(sorted({name for (name, _), yes in zip(pairs, blamed, strict=True) if yes})))


@dataclass(frozen=True)
class Decided:
    """All outcomes for one loan file, with the reasons."""

    pack: Pack
    loan_id: str
    as_of: date
    lang: str
    found: tuple[tuple[Judgement, Reasons], ...]
    #: Facts that the file holds; one of them that a rule sees as missing became known after the day judged.
    present: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Plain values: pack, file, and an entry a rule."""
        return {
            "pack": {"name": self.pack.name, "version": self.pack.version, "digest": self.pack.digest},
            "loan": self.loan_id,
            "as_of": self.as_of.isoformat(),
            "outcomes": [
                {
                    "rule": j.rule,
                    "title": dict(self.pack.rules[j.rule].title),
                    "stage": self.pack.rules[j.rule].stage,
                    "outcome": j.outcome.text,
                    "version": j.version,
                    "judged_on": None if j.judged_on is None else j.judged_on.isoformat(),
                    "clause": self.pack.rules[j.rule].clause,
                    "note": j.note,
                    "facts": dict(r.facts),
                    "missing": list(r.missing),
                }
                for j, r in self.found
            ],
        }

    def as_table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for column in ("rule", "outcome", "judged on", "title"):
            table.add_column(column)
        for j, _ in self.found:
            if j.outcome is Outcome.NOT_APPLICABLE:
                continue
            title = _in(self.pack.rules[j.rule].title, self.lang)
            table.add_row(
                j.rule, Text(j.outcome.text, style=_STYLES.get(j.outcome, "")), str(j.judged_on or ""), title
            )
        counts = {o: sum(j.outcome is o for j, _ in self.found) for o in Outcome}
        table.caption = ", ".join(f"{n} {o.text}" for o, n in counts.items() if n)
        table.caption_justify = "left"
        return table

    def in_words(self) -> str:
        """The reasons of what did not pass: clause, version, facts, and what is missing."""
        parts = []
        for j, r in self.found:
            if j.outcome in (Outcome.BREACH, Outcome.UNKNOWN, Outcome.WAIVED, Outcome.NOT_DUE):
                parts.append(self._reason(j, r))
        return "\n\n".join(parts) or "Every rule that applies is met."

    def _reason(self, j: Judgement, r: Reasons) -> str:
        rule = self.pack.rules[j.rule]
        version = next((v for v in rule.versions if v.valid_from.isoformat() == j.version), rule.versions[-1])
        clause = self.pack.clauses[version.clause]
        source = f"{version.source['document']}, {version.source['evidence']}"
        lines = [
            f"{j.rule} {_in(rule.title, self.lang)}: {j.outcome.text}",
            f"  clause {clause.id} {clause.title} (source {source}), version in force from {j.version or 'no day'}",
        ]
        if j.outcome in (Outcome.BREACH, Outcome.WAIVED):
            lines.append("  " + r.tell(_in(rule.finding, self.lang)))
        if r.missing:
            lines.append(f"  left open by: {', '.join(r.missing)}")
        if j.note:
            lines.append(f"  {j.note}")
        lines += [f"    {name} = {self._seen(name, value, j)}" for name, value in r.facts]
        return "\n".join(lines)

    def _seen(self, name: str, value: str | None, j: Judgement) -> str:
        if value is not None:
            return value
        return f"(not known yet on {j.judged_on})" if name in self.present else "(missing)"


def decide(
    path: Path,
    pack: Path,
    *,
    rules: Sequence[str] | None = None,
    as_of: date | None = None,
    hindsight: bool = False,
    lang: str = "en",
) -> Decided:
    """Judges one loan file (JSON) by all rules that speak of files, or by those named."""
    loaded = load_pack(pack)
    if lang not in loaded.languages:
        raise SanchaError(
            f"the pack has no texts in `{lang}`", help=f"its languages are {', '.join(loaded.languages)}"
        )
    evaluator = Evaluator(loaded, hindsight=hindsight)
    for rule in rules or ():
        if rule not in evaluator.rules:
            raise SanchaError(f"unknown rule `{rule}`", help=did_you_mean(rule, evaluator.rules))
    file, reference, day = load_loan_file(path, loaded.vocabulary)
    day = as_of or _day(day, path)
    judged = evaluator.judge(file, reference, day, rules)
    found = tuple((j, evaluator.reasons(j, file, reference, day)) for j in judged)
    present = frozenset(name for name, value in file.facts.items() if value is not None)
    return Decided(loaded, file.id, day, lang, found, present)


def _day(day: date | None, path: Path) -> date:
    if day is None:
        raise SanchaError(
            "the loan file does not say the day it is judged on",
            where=path,
            help='add "as_of": "2024-12-31", or give --as-of',
        )
    return day


def _in(texts: Any, lang: str) -> str:
    return str(texts.get(lang) or next(iter(texts.values())))

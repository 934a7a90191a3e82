"""Loan files as the inputs of an exported DMN model, and the answers of both languages side by side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.dmn.run import Model, load
from sancha.engine.feel import types as t
from sancha.engine.feel.values import DaysTimeDuration, parse_temporal
from sancha.engine.policy.lower import lower_decision
from sancha.engine.policy.pack import Pack
from sancha.engine.run.to_python import compile_core


def to_value(value: Any, type_: t.Type | None = None) -> Any:
    """A value of a loan file as a value of the full language."""
    if value is None or isinstance(value, bool | str | Decimal):
        return value
    if isinstance(value, list | tuple):
        return [to_value(part) for part in value]
    if isinstance(value, dt.date):
        return parse_temporal(value.isoformat())
    assert isinstance(value, int)
    return parse_temporal(f"{'-' if value < 0 else ''}P{abs(value)}D") if type_ == t.DAYS else Decimal(value)


def to_inputs(pack: Pack, file: LoanFile, reference: Mapping[str, Any], as_of: dt.date) -> dict[str, Any]:
    vocabulary = pack.vocabulary
    inputs: dict[str, Any] = {"as_of": to_value(as_of)}
    for name, value in file.facts.items():
        group, _, fact = name.partition(".")
        inputs.setdefault(group, {})[fact] = to_value(value, vocabulary.facts[name].type)
    for name, part in (*vocabulary.lists.items(), *vocabulary.reference.items()):
        items = file.lists.get(name) if name in vocabulary.lists else reference.get(name)
        inputs[name] = None if items is None else [
            {f: to_value(item.get(f), part.fields[f].type) for f in part.fields} for item in items
        ]  # fmt: skip
    return inputs


class Sides:
    """The decisions of a pack by the row evaluator, and those of its export by the DMN engine."""

    def __init__(self, pack: Pack, model: Path) -> None:
        self.pack = pack
        self.model: Model = load(model)
        self.needs = {data.name for data in self.model.inputs}
        self.rows = {}
        for decision in pack.decisions.values():
            for output, _ in () if decision.called else decision.outputs:
                name = decision.name if len(decision.outputs) == 1 else f"{decision.name}.{output}"
                self.rows[name] = compile_core(lower_decision(pack, name, hindsight=True), pack.calendar)

    def differences(
        self, files: Iterable[LoanFile], days: Iterable[dt.date], reference: Mapping[str, Any] | None = None
    ) -> tuple[int, list[str]]:
        """How many values were compared, and those that differ, in words."""
        reference = reference or {}
        found, count = [], 0
        for file, day in zip(files, days, strict=False):
            inputs = to_inputs(self.pack, file, reference, day)
            given = {name: value for name, value in inputs.items() if name in self.needs}
            values = self.model.evaluate(given, None).values
            for name, row in self.rows.items():
                head, _, output = name.partition(".")
                strict = row(file.facts, file.lists, reference, day)
                type_ = dict(self.pack.decisions[head].outputs)[
                    output or self.pack.decisions[head].outputs[0][0]
                ]
                wanted = to_value(strict, type_)
                got = values[head]
                if output and got is not None:
                    got = got[output]
                count += 1
                same = got == wanted and (got is None) == (wanted is None)
                if not same and not (isinstance(got, DaysTimeDuration) and got == wanted):
                    found.append(
                        f"{name} of {file.id} on {day}: {wanted!r}, the model says {got!r}; {file.facts}"
                    )
        return count, found

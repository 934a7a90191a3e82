"""The strict language and its standard form: what is exported means the same to the evaluator of the full language.

Two evaluators of different languages meet on generated expressions and loan files: the row evaluator computes the
strict expression, the full one what `engine/dmn/to_standard.py` writes for it. Unknown is null, never false.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import assume, given, settings
from test_feel import FILES, KINDS, SCOPE, VOCABULARY, check, expressions, run, world_of

from sancha.engine.dmn.to_standard import Standard
from sancha.engine.feel import types as t
from sancha.engine.feel.values import YearsMonthsDuration, parse_temporal, to_text
from sancha.engine.run.dynamic import compile_text

#: Functions of the strict language that the standard lacks; an exported model brings them along.
_REACHED = 'start + @"P1M" * months'
_MONTHS = "(end.year - start.year) * 12 + end.month - start.month"
_BETWEEN = (
    "if months > 0 and reached > end then months - 1 "
    "else if months < 0 and reached < end then months + 1 else months"
)
MONTHS_BETWEEN = f"function(start, end) {{months: {_MONTHS}, reached: {_REACHED}, result: {_BETWEEN}}}.result"
YEARS_BETWEEN = """function(start, end) {months: months_between(start, end), result:
    if months >= 0 then floor(months / 12) else ceiling(months / 12)}.result"""


def helpers() -> dict[str, Any]:
    months = compile_text(MONTHS_BETWEEN).run({}).value
    years = compile_text(YEARS_BETWEEN, ["months_between"]).run({"months_between": months}).value
    return {"months_between": months, "years_between": years}


HELPERS = helpers()


def full(value: Any, type_: t.Type) -> Any:
    """A value of the strict language as one of the full language."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, list):
        return [full(item, t.TEXT) for item in value]
    if isinstance(value, dt.date):
        return parse_temporal(value.isoformat())
    if type_.name == "months":
        return YearsMonthsDuration(value)
    if type_.name == "days":
        return parse_temporal(f"{'-' if value < 0 else ''}P{abs(value)}D")
    return Decimal(value)


def plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | str | Decimal) else to_text(value)


def inputs(world: Any) -> dict[str, Any]:
    """The loan file as an exported model takes it: groups of facts as contexts, lists as lists of contexts."""
    values: dict[str, Any] = dict(HELPERS)
    for name, fact in VOCABULARY.facts.items():
        group, _, key = name.partition(".")
        values.setdefault(group, {})[key] = full(world.facts.get(name), fact.type)
    lists: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [
        (VOCABULARY.lists, world.lists),
        (VOCABULARY.reference, world.reference),
    ]
    for definitions, found in lists:
        for name, definition in definitions.items():
            items = found.get(name)
            fields = definition.fields.items()
            values[name] = items and [
                {key: full(item.get(key), f.type) for key, f in fields} for item in items
            ]
            values[name] = [] if items == [] else values[name]
    return {**values, "as_of": full(world.as_of, t.DATE)}


def told_apart(text: str) -> bool:
    """Where the strict language's functions are other functions than the standard's, or its years end."""
    return any(
        part in text for part in ("upper case(", "substring(", "** 0", "0001-", "9999-", "working days")
    )


@settings(max_examples=700)
@given(expressions(*KINDS), FILES)
def test_what_is_exported_means_the_same(text: str, data: dict[str, Any]) -> None:
    core, _ = check(text, SCOPE)
    assume(core is not None and not told_apart(text))
    assert core is not None
    world = world_of(data)
    expected = plain(full(run(core, world), core.type))
    written = Standard().text(core)
    values = inputs(world)
    keys = [key for definition in VOCABULARY.lists.values() for key in definition.fields]
    found = plain(compile_text(written, values, keys=keys).run(values).value)
    assert found == expected, f"{text}\n  is written {written}\n  which is {found}, not {expected}"

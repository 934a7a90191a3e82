"""A scope from plain JSON, for single expressions: types are read off the values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sancha.engine.diagnostics import Diagnostic, PackError, Place, SanchaError
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.check import Scope, check
from sancha.engine.feel.temporal import parse_date, parse_date_time


@dataclass(frozen=True)
class Context:
    """Facts by dotted name, lists of records, and the scope that types them."""

    scope: Scope
    facts: Mapping[str, Any]
    lists: Mapping[str, Any]


def read_context(path: Path) -> Context:
    """Reads a JSON object: groups are objects, lists are arrays of objects, dates are texts `2024-01-31`.

    Numbers are decimals. A null is a missing fact whose type is unknown: it fits everything that is asked of it.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SanchaError(f"cannot read the context: {error.strerror}", where=path) from None
    except UnicodeDecodeError:
        raise SanchaError("the context is not UTF-8 text", where=path, help="save it as UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise SanchaError(f"the context is not JSON: {error}", where=path) from None
    if not isinstance(data, dict):
        raise SanchaError("the context is not an object", where=path, help='write {"amount": 5000000, …}')
    return context_of(data)


def context_of(data: Mapping[str, Any]) -> Context:
    facts: dict[str, Any] = {}
    types: dict[str, t.Type] = {}
    lists: dict[str, Any] = {}
    fields: dict[str, dict[str, t.Type]] = {}
    variables: dict[str, c.Core] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                visit(f"{prefix}.{key}" if prefix else key, part)
        elif isinstance(value, list):
            lists[prefix], fields[prefix] = _records(prefix, value)
        else:
            type_, plain = _typed(value)
            facts[prefix] = plain
            types[prefix] = type_
            if "." not in prefix:
                variables[prefix] = c.Fact(type_, prefix)

    visit("", data)
    return Context(Scope(facts=types, lists=fields, variables=variables), facts, lists)


def _records(name: str, values: list[Any]) -> tuple[list[dict[str, Any]], dict[str, t.Type]]:
    if not all(isinstance(v, dict) for v in values):
        raise SanchaError(
            f"`{name}` holds items that are not objects",
            where="the context",
            help='write a list as [{"amount": 1}, …]',
        )
    types: dict[str, t.Type] = {}
    items = []
    for number, record in enumerate(values, 1):
        item: dict[str, Any] = {"item": number}
        for key, value in record.items():
            if isinstance(value, list):
                pairs = [_typed(v) for v in value]
                type_: t.Type = t.list_of(pairs[0][0] if pairs else t.TEXT)
                plain: Any = [v for _, v in pairs]
            else:
                type_, plain = _typed(value)
            known = types.get(key)
            if known is None or known.name == "error":
                types[key] = type_
            elif type_.name != "error" and type_ != known:
                joined = t.common(known, type_)
                if joined is None:
                    raise SanchaError(
                        f"`{name}[{number}].{key}` is {type_}, before it was {known}", where="the context"
                    )
                types[key] = joined
            item[key] = plain
        items.append(item)
    for item in items:
        for key in types:
            item.setdefault(key, None)
    return items, types


def _typed(value: Any) -> tuple[t.Type, Any]:
    match value:
        case None:
            return t.ERROR, None
        case bool():
            return t.BOOLEAN, value
        case int():
            return t.INTEGER, value
        case Decimal():
            return t.NUMBER, value
        case str():
            if any("\ud800" <= char <= "\udfff" for char in value):
                raise SanchaError("a text holds half a character (a lone surrogate)", where="the context")
            if (day := parse_date(value)) is not None:
                return t.DATE, day
            if (time := parse_date_time(value)) is not None:
                return t.DATE_TIME, time
            return t.TEXT, value
    raise SanchaError(f"`{value}` is no value", where="the context")


def checked(text: str, scope: Scope, expect: t.Type | None = None, file: str = "expression") -> c.Core:
    """The core of one expression. Raises PackError with all its defects, each with its place in the text."""
    core, defects = check(text, scope, expect)
    if core is not None:
        return core
    lines = text.split("\n")
    found = []
    for d in defects:
        line = text.count("\n", 0, d.span[0])
        column = d.span[0] - (text.rfind("\n", 0, d.span[0]) + 1)
        found.append(
            Diagnostic(
                d.code,
                d.message,
                Place(file, line + 1, column + 1, max(1, d.span[1] - d.span[0]), lines[line]),
                d.help,
            )
        )
    raise PackError(found)

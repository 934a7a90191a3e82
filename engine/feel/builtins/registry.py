"""The built-in functions of the full language, as rows of one table: signature, meaning, text, example.

A row is a Python function over FEEL's values (`engine/feel/values.py`), registered under its FEEL signature.
Several rows of one name are its overloads. Calling, coercions and missing arguments are the evaluator's work: a
function is called with values of the kinds that its signature names, in the order of its parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sancha.engine.feel.errors import FeelError as FeelError


@dataclass(frozen=True, slots=True)
class Parameter:
    """`kinds` are the kinds of value taken, `any` for all, `null` where a missing value is passed on.

    An `optional` parameter that is left out is passed as None; `variadic` takes all arguments that are left.
    """

    name: str
    kinds: tuple[str, ...]
    optional: bool = False
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Builtin:
    name: str
    parameters: tuple[Parameter, ...]
    run: Callable[..., Any]
    doc: str
    example: tuple[str, str]

    @property
    def signature(self) -> str:
        parts = []
        for p in self.parameters:
            mark = "..." if p.variadic else "?" if p.optional else ""
            parts.append(f"{p.name}{mark}: {' | '.join(p.kinds)}")
        return f"{self.name}({', '.join(parts)})"


#: All rows by name, in the order in which they are tried.
BUILTINS: dict[str, list[Builtin]] = {}

_SIGNATURE = re.compile(r"([^(]+)\((.*)\)", re.S)
_PARAMETER = re.compile(r"([^:?.]+)(\?|\.\.\.)?\s*:\s*(.+)")


def builtin(signature: str, example: tuple[str, str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a Python function as a row.

    `signature`: `substring(string: string, start position: number, length?: number | null)`; `...` after a name
    takes any number of arguments. The function's docstring is the manual's text. `example`: expression and its
    value as FEEL writes it.
    """

    def register(run: Callable[..., Any]) -> Callable[..., Any]:
        name, parameters = _parsed(signature)
        row = Builtin(name, parameters, run, (run.__doc__ or "").strip(), example)
        BUILTINS.setdefault(name, []).append(row)
        return run

    return register


def _parsed(signature: str) -> tuple[str, tuple[Parameter, ...]]:
    match = _SIGNATURE.fullmatch(signature)
    assert match is not None, signature
    parameters = []
    for text in filter(None, (part.strip() for part in match[2].split(","))):
        part = _PARAMETER.fullmatch(text)
        assert part is not None, text
        kinds = tuple(kind.strip() for kind in part[3].split("|"))
        parameters.append(Parameter(part[1].strip(), kinds, part[2] == "?", part[2] == "..."))
    return match[1].strip(), tuple(parameters)

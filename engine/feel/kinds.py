"""Types as values conform to them: `instance of`, item definitions, and the implicit conversions of DMN.

DMN 1.5, 10.3.2.9: the lattice of types with `Any` above all and `Null` below, conformance, and the conversions to and
from a singleton list and from date to date and time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sancha.engine.feel import syntax as s
from sancha.engine.feel.errors import FeelError
from sancha.engine.feel.values import Function, Range, kind_of, midnight, to_text

#: The types without parts, by their names in DMN 1.5 and, after them, by those of earlier editions.
SIMPLE = {
    "Any": "Any",
    "Null": "Null",
    "number": "number",
    "string": "string",
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "date and time": "date and time",
    "days and time duration": "days and time duration",
    "years and months duration": "years and months duration",
    "list": "list",
    "context": "context",
    "function": "function",
    "range": "range",
    "dateTime": "date and time",
    "dayTimeDuration": "days and time duration",
    "yearMonthDuration": "years and months duration",
    "any": "Any",
    "null": "Null",
}


@dataclass(frozen=True, slots=True, eq=False)
class Constraint:
    """What the values of a type must pass beside conforming to it; `text` is the unary tests as written.

    `holds` takes the value and, for an entry of a context, the context: tests may speak of the entries beside it.
    `last` are the tests of the type itself, where it restricts another that is restricted too.
    """

    text: str
    holds: Callable[[Any, Mapping[str, Any]], bool]
    last: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type. `name` is one of `SIMPLE`'s values.

    `item` is the type of a list's elements or of a range's ends; `fields` are the entries that a context must have
    (None: any context); `parameters` and `result` describe a function (None: any function).
    `allowed` does not count for conformance, only for `coerce` (the value of a variable must be among its type's).
    `label` is the name that a model gives to the type.
    """

    name: str
    item: Kind | None = None
    fields: tuple[tuple[str, Kind], ...] | None = None
    parameters: tuple[Kind, ...] | None = None
    result: Kind | None = None
    allowed: Constraint | None = None
    label: str | None = None

    def __str__(self) -> str:
        return self.label or self.structure

    @property
    def structure(self) -> str:
        """The type as FEEL writes it."""
        if self.item is not None:
            return f"{self.name}<{self.item}>"
        if self.fields is not None:
            return "context<" + ", ".join(f"{name}: {kind}" for name, kind in self.fields) + ">"
        if self.parameters is not None:
            return f"function<{', '.join(map(str, self.parameters))}> -> {self.result or ANY}"
        return self.name

    def list_of(self) -> Kind:
        return Kind("list", item=self)


ANY = Kind("Any")


class UnknownType(Exception):
    """A type that neither FEEL nor the model defines; `name` is what was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no type `{name}`")
        self.name = name


def kind_from_type(written: s.TypeName, named: Mapping[str, Kind]) -> Kind:
    """The type that a text means, given the types that the model names. Raises UnknownType."""
    name = written.name
    if name in named and not written.parameters:
        return named[name]
    if name not in SIMPLE:
        raise UnknownType(name)
    name = SIMPLE[name]
    parts = tuple(kind_from_type(part, named) for part in written.parameters)
    if name in ("list", "range") and parts:
        return Kind(name, item=parts[0])
    if name == "context" and written.names:
        return Kind(name, fields=tuple(zip(written.names, parts, strict=True)))
    if name == "function" and written.result is not None:
        return Kind(name, parameters=parts, result=kind_from_type(written.result, named))
    return Kind(name)


def instance_of(value: Any, kind: Kind) -> bool:
    """Whether a value conforms to a type, as `instance of` asks: null only to `Null`."""
    if value is None:
        return kind.name == "Null"
    return kind.name != "Null" and _conforms(value, kind)


def conforms(kind: Kind, other: Kind) -> bool:
    """Whether every value of a type may stand where the other is expected."""
    if other.name == "Any" or kind.name == "Null":
        return True
    if kind.name != other.name:
        return False
    if other.item is not None:
        return kind.item is not None and conforms(kind.item, other.item)
    if other.fields is not None:
        mine = dict(kind.fields or ())
        return all(name in mine and conforms(mine[name], field) for name, field in other.fields)
    if other.parameters is not None:
        return kind.parameters is not None and _same_call(kind.parameters, kind.result, other)
    return True


def coerce(value: Any, kind: Kind) -> Any:
    """A value as it is bound to a variable of a type, after the implicit conversions. Null passes.

    Raises FeelError for a value that does not conform even then, or that the type does not allow.
    """
    if value is None or kind is ANY:
        return value
    value = _converted(value, kind)
    if (broken := _forbidden(value, kind)) is not None:
        item, constraint = broken
        raise FeelError(f"{_shown(item)} is not among the allowed values {constraint.text}", "not allowed")
    return value


def applied(function: Function, *arguments: Any) -> Any:
    """A function's value for so many arguments as it has parameters, bound and given back by their types.

    Raises FeelError where one does not conform.
    """
    bound = (
        value if kind is None else coerce(value, kind)
        for value, (_, kind) in zip(arguments, function.parameters, strict=True)
    )
    result = function.run(*bound)
    return result if function.result is None else coerce(result, function.result)


def restricted(kind: Kind, allowed: Constraint) -> Kind:
    """The type with fewer values; each constraint that stood before holds too."""
    before = kind.allowed
    if before is None:
        return replace(kind, allowed=allowed)
    both = Constraint(
        f"{before.text} and {allowed.text}",
        lambda value, beside: before.holds(value, beside) and allowed.holds(value, beside),
        allowed.text,
    )
    return replace(kind, allowed=both)


def _converted(value: Any, kind: Kind) -> Any:
    """The value, or what one implicit conversion makes of it; of a date, to or from a singleton list, one more."""
    if kind.name == "list" and not isinstance(value, list):
        candidates, wrapped = [(value, kind.item or ANY)], True
    elif kind.name != "list" and isinstance(value, list) and len(value) == 1:
        candidates, wrapped = [(value, kind), (value[0], kind)], False
    else:
        candidates, wrapped = [(value, kind)], False
    for candidate, target in candidates:
        if not _conforms(candidate, target):
            if target.name != "date and time" or kind_of(candidate) != "date":
                continue
            candidate = midnight(candidate)
        return [candidate] if wrapped else candidate
    raise FeelError(f"{_shown(value)} is no {kind}{_misfit(value, kind)}", "type")


def _misfit(value: Any, kind: Kind, path: str = "") -> str:
    """The part of a value that does not conform, for a message; nothing where the value has no parts."""
    if isinstance(value, list) and kind.name == "list" and kind.item is not None:
        for number, part in enumerate(value, 1):
            if not _conforms(part, kind.item):
                return _misfit(part, kind.item, f"{path}[{number}]")
    if isinstance(value, dict) and kind.fields is not None:
        for name, field in kind.fields:
            inner = f"{path}.{name}".lstrip(".")
            if name not in value:
                return f": it has no `{inner}`"
            if not _conforms(value[name], field):
                return _misfit(value[name], field, inner)
    return f": its `{path}`, {_shown(value)}, is no {kind.label or kind.name}" if path else ""


def _conforms(value: Any, kind: Kind) -> bool:
    """Whether a value conforms to a type; null, as part of a value, conforms to all."""
    if value is None or kind.name == "Any":
        return True
    if kind_of(value) != kind.name:
        return False
    if kind.item is not None:
        parts = [value.low, value.high] if isinstance(value, Range) else value
        return all(_conforms(part, kind.item) for part in parts)
    if kind.fields is not None:
        return all(name in value and _conforms(value[name], field) for name, field in kind.fields)
    if kind.parameters is not None:
        assert isinstance(value, Function)
        return _same_call([known or ANY for _, known in value.parameters], value.result, kind)
    return True


def _same_call(parameters: Any, result: Kind | None, other: Kind) -> bool:
    """Contravariant in the parameters, covariant in the result; a result of unknown type is taken on trust."""
    assert other.parameters is not None
    return (
        len(parameters) == len(other.parameters)
        and all(conforms(theirs, mine) for mine, theirs in zip(parameters, other.parameters, strict=True))
        and (result is None or other.result is None or conforms(result, other.result))
    )


def _forbidden(
    value: Any, kind: Kind, beside: Mapping[str, Any] | None = None
) -> tuple[Any, Constraint] | None:
    """The part of a conforming value that its type does not allow, and what it breaks."""
    if value is None:
        return None
    if kind.allowed is not None and not kind.allowed.holds(value, beside or {}):
        return value, kind.allowed
    if kind.name == "list" and kind.item is not None:
        parts = ((part, kind.item, beside) for part in value)
    elif kind.fields is not None:
        parts = ((value[name], field, value) for name, field in kind.fields)
    else:
        return None
    return next((broken for part in parts if (broken := _forbidden(*part)) is not None), None)


def _shown(value: Any) -> str:
    """A value in a message: short, and with its type where the text alone does not tell."""
    if isinstance(value, list):
        return "the list" if value else "the empty list"
    if isinstance(value, (dict, Function)):
        return f"the {kind_of(value)}"
    text = to_text(value)
    text = text if len(text) <= 60 else text[:57] + "…"
    return f'"{text}"' if isinstance(value, str) else text

"""What the names of a DMN model stand for in a pack, while it is translated; and what the report says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sancha.engine.dmn import model as m
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.lexer import KEYWORDS, FeelSyntaxError
from sancha.engine.feel.parser import parse_dmn, parse_dmn_tests

NOWHERE = (0, 0)
NULL = s.Literal(NOWHERE, None)
#: An expression of so many parts fills some twenty pages.
LARGEST = 5_000
#: Deeper structures are a defect of the model.
DEEPEST = 30


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the report. `kind`: `lost` (left out), `changed` (means something else), `added`, `kept`."""

    kind: str
    line: int
    where: str
    what: str


def snake(text: str) -> str:
    """A name as an identifier: `Applicant's Age` is `applicant_s_age`, `riskLevel` is `risk_level`."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    text = re.sub(r"\W+", "_", text).strip("_").lower() or "value"
    text = re.sub(r"__+", "_", text)
    text = text if re.match(r"[^\W\d]", text) else f"n_{text}"
    return f"{text}_" if text in KEYWORDS or text in ("item", "note") else text


class Lost(Exception):
    """What the strict form cannot hold."""

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(what)
        self.what, self.line = what, line


# -- what names stand for ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """A context: its members by their original names."""

    members: Mapping[str, Meaning]


@dataclass(frozen=True, slots=True)
class ItemList:
    """A list fact. `fields` maps original names to the vocabulary's; None: plain values, in the field `value`."""

    node: s.Node
    fields: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Item:
    """An item that a loop or filter binds."""

    node: s.Node
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Function:
    """A business knowledge model, or a function in a context."""

    name: str
    function: m.FunctionDefinition
    scope: Mapping[str, Meaning]


@dataclass(frozen=True, slots=True)
class Alias:
    """A function that the strict language has itself: its name there, and how many of the arguments it takes."""

    function: str
    arguments: int


Meaning = s.Node | Group | ItemList | Item | Function | Alias


@dataclass(frozen=True, slots=True)
class ModelType:
    """A type of the model: a strict scalar type by its text, the fields of a context, or the element of a list."""

    scalar: str | None = None
    fields: tuple[tuple[str, ModelType, str | None], ...] | None = None
    element: ModelType | None = None


def parse_name(text: str, names: Iterable[str]) -> s.Node:
    try:
        return parse_dmn(text, names)
    except FeelSyntaxError:
        return s.Name(NOWHERE, text)


def resolve(node: s.Node, names: Mapping[str, Meaning]) -> Meaning | None:
    """What a name or path stands for, as far as it names something of the model."""
    if isinstance(node, s.Name):
        return names.get(node.name)
    if not isinstance(node, s.Path):
        return None
    base = resolve(node.base, names)
    if isinstance(base, Group):
        found = base.members.get(node.name)
        if found is None:
            raise Lost(f"`{node.name}` is unknown, or left out")
        return found
    if isinstance(base, Item):
        if node.name not in base.fields:
            raise Lost(f"the items have no field `{node.name}`")
        return s.Path(NOWHERE, base.node, base.fields[node.name], NOWHERE)
    return None


# -- small parts -------------------------------------------------------------------------------------------------------


@contextmanager
def at_line(line: int) -> Iterator[None]:
    """Gives an error within its line, where it has none."""
    try:
        yield
    except Lost as lost:
        lost.line = lost.line or line
        raise


def bounded(node: s.Node, line: int) -> s.Node:
    """The node, unless putting expressions in place of names has made it longer than anyone could read."""
    sizes: dict[int, int] = {}

    def size(part: s.Node) -> int:
        if id(part) not in sizes:
            sizes[id(part)] = 1 + sum(map(size, s.children(part)))
        return sizes[id(part)]

    if size(node) > LARGEST:
        raise Lost("written out, with functions and entries in place of their names, it is too long", line)
    return node


def call(function: str, *arguments: s.Node) -> s.Node:
    return s.Call(NOWHERE, function, arguments, (), NOWHERE)


def unique(name: str, taken: Iterable[str]) -> str:
    held = set(taken)
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 10_000))) if n not in held)


def shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"


def declarable(type_: t.Type) -> t.Type | None:
    """A type as the files of a pack can name it."""
    if type_.name == "numeral":
        return t.NUMBER
    return type_ if type_.name in (*t.SCALARS, "one of") else None


def enumeration(tests: m.UnaryTests | None) -> tuple[str, ...] | None:
    """The texts that allowed values list, where they list nothing else."""
    if tests is None or not tests.text.text.strip():
        return None
    try:
        tree = parse_dmn_tests(tests.text.text)
    except FeelSyntaxError:
        return None
    if not isinstance(tree, s.In):
        return None
    values = [x.value for x in tree.tests if isinstance(x, s.Literal) and isinstance(x.value, str)]
    plain = all(v.strip() == v and v and not re.search(r"[,\[\]\n]", v) for v in values)
    return tuple(dict.fromkeys(values)) if len(values) == len(tree.tests) and plain else None

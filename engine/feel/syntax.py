"""The syntax tree of FEEL: what the parser reads and the printer writes. Spans are offsets into the text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Node:
    span: Span


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A number (Decimal), a text (str), true or false (bool), null (None)."""

    value: Decimal | str | bool | None


@dataclass(frozen=True, slots=True)
class Temporal(Node):
    """A literal `@"…"`: a date, a date-time or a duration, as written."""

    text: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Path(Node):
    """`base.name`"""

    base: Node
    name: str
    name_span: Span


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-x`"""

    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`and or = != < <= > >= + - * / **`"""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Between(Node):
    operand: Node
    low: Node
    high: Node


@dataclass(frozen=True, slots=True)
class Range(Node):
    """`[low..high]`; an open end is written `(`, `)`, `]` or `[`."""

    low: Node
    high: Node
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True, slots=True)
class Test(Node):
    """A unary test `< x`, as on the right of `in` and in the cells of tables."""

    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class In(Node):
    """`operand in (test, …)`: true if one of the tests holds."""

    operand: Node
    tests: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class If(Node):
    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Quantified(Node):
    """`some x in xs, y in ys satisfies body`, or `every`."""

    kind: str
    bindings: tuple[tuple[str, Node], ...]
    body: Node


@dataclass(frozen=True, slots=True)
class Filter(Node):
    """`base[condition]`"""

    base: Node
    condition: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`function(arguments)` or `function(name: argument, …)`; `names` is empty for positions."""

    function: str
    arguments: tuple[Node, ...]
    names: tuple[str, ...]
    name_span: Span


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyTest(Node):
    """The cell `-`: always true."""


@dataclass(frozen=True, slots=True)
class Negated(Node):
    """The cell `not(test, …)`."""

    tests: tuple[Node, ...]


def children(node: Node) -> Iterator[Node]:
    """The parts of a node, in the order of the text."""
    kind: Any = type(node)
    for name in _parts(kind):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif name == "bindings":
            yield from (source for _, source in value)
        else:
            yield from value


def walk(node: Node) -> Iterator[Node]:
    """The node and all its parts, outermost first."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(children(current))))


@cache
def _parts(kind: type) -> tuple[str, ...]:
    """The attributes of a node class that hold parts."""
    kinds = {"Node", "tuple[Node, ...]", "tuple[tuple[str, Node], ...]"}
    return tuple(f.name for f in dataclasses.fields(kind) if f.type in kinds)

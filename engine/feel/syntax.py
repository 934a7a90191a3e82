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


# -- what only the full language has (DMN models) ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Context(Node):
    """`{key: value, …}`; an entry sees those before it. A boxed context may end in a `result` that stands for it."""

    entries: tuple[tuple[str, Node], ...]
    result: Node | None = None


@dataclass(frozen=True, slots=True)
class TypeName(Node):
    """A type as written: `number`, `list<T>`, `range<T>`, `context<a: T, …>`, `function<T, …> -> T`, or a model's.

    `parameters` are those between `<` and `>` (`names`: the keys of a context), `result` that after `->`.
    """

    name: str
    parameters: tuple[TypeName, ...] = ()
    names: tuple[str, ...] = ()
    result: TypeName | None = None


@dataclass(frozen=True, slots=True)
class Function(Node):
    """`function(a: T, b) body`. `parameters` are names with their types; `external` bodies name foreign code."""

    parameters: tuple[tuple[str, TypeName | None], ...]
    body: Node
    external: bool = False


@dataclass(frozen=True, slots=True)
class Invoke(Node):
    """A call of a function value: `function(arguments)`; `names` is empty for positions."""

    function: Node
    arguments: tuple[Node, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Steps(Node):
    """`1..3` or `3..1` as what `for` goes through: both ends are included."""

    low: Node
    high: Node


@dataclass(frozen=True, slots=True)
class For(Node):
    """`for x in xs, y in [1..3] return body`; `partial` in the body is the list of the results so far."""

    bindings: tuple[tuple[str, Node], ...]
    body: Node


@dataclass(frozen=True, slots=True)
class InstanceOf(Node):
    operand: Node
    type: TypeName


@dataclass(frozen=True, slots=True)
class Relation(Node):
    """A boxed relation: a list of contexts with the same keys."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class TableInput(Node):
    """An input column: its expression, and the tests that its values must pass (None: any)."""

    expression: Node
    allowed: Node | None = None


@dataclass(frozen=True, slots=True)
class TableOutput(Node):
    """An output column. `name` is None for a single output; `allowed` lists the values in order of priority."""

    name: str | None
    allowed: tuple[Node, ...] | None = None
    default: Node | None = None


@dataclass(frozen=True, slots=True)
class TableRule(Node):
    """A row: a cell (as `parse_dmn_tests` reads it) for each input, an expression for each output."""

    tests: tuple[Node, ...]
    outputs: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class DecisionTable(Node):
    """`hit_policy` is U, A, P, F, R, O, C, C+, C<, C> or C#."""

    hit_policy: str
    inputs: tuple[TableInput, ...]
    outputs: tuple[TableOutput, ...]
    rules: tuple[TableRule, ...]


@dataclass(frozen=True, slots=True)
class Typed(Node):
    """A value that must conform to a type, or becomes null with a warning. `kind` is a `kinds.Kind`."""

    body: Node
    kind: Any


@dataclass(frozen=True, slots=True)
class Located(Node):
    """`body` was read from `text`, which stands at `place` (a decision, a cell): spans within speak of that text."""

    place: str
    text: str
    body: Node


def operands(node: Binary) -> list[Node]:
    """The operands of a chain of one operator, first to last: however long, it is one."""
    found: list[Node] = []
    current: Node = node
    while isinstance(current, Binary) and current.op == node.op:
        found.append(current.right)
        current = current.left
    return [current, *reversed(found)]


def children(node: Node) -> Iterator[Node]:
    """The parts of a node, in the order of the text."""
    kind: Any = type(node)
    for name in _parts(kind):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif name in ("bindings", "entries"):
            yield from (part for _, part in value)
        elif name == "rows":
            yield from (cell for row in value for cell in row)
        elif value is not None:
            yield from value


def shape(node: Any) -> Any:
    """A node without its places: two texts that differ in spaces and comments alone have one shape."""
    if isinstance(node, Located):
        return shape(node.body)
    if isinstance(node, tuple):
        return tuple(map(shape, node))
    if not isinstance(node, Node):
        return type(node), node  # for Python, true is 1
    names = (f.name for f in dataclasses.fields(node) if f.name not in ("span", "name_span"))
    return type(node), *(shape(getattr(node, name)) for name in names)


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
    kinds = {
        "Node",
        "Node | None",
        "tuple[Node, ...]",
        "tuple[Node, ...] | None",
        "tuple[tuple[str, Node], ...]",
    }
    parts = {
        "tuple[tuple[Node, ...], ...]",
        "tuple[TableInput, ...]",
        "tuple[TableOutput, ...]",
        "tuple[TableRule, ...]",
    }
    return tuple(f.name for f in dataclasses.fields(kind) if f.type in kinds | parts)

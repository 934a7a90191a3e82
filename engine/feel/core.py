"""The core language: what every expression, rule and table means, in a few typed nodes.

The checker elaborates syntax to core, the policy lowers whole rules to core, and each way to run compiles core and
nothing else, so that the ways cannot drift apart. The nodes hold Kleene logic: every value may be missing (`null`).

A list never stands as a value: a `Comp` (comprehension) names its source, the items kept and what each item gives,
and `Some` and `Agg` make a scalar of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sancha.engine.feel.operators import Operator
from sancha.engine.feel.types import BOOLEAN, NULL, Type

if TYPE_CHECKING:
    from sancha.engine.policy.tables import Table

Value = Decimal | int | str | bool | date | datetime | None


@dataclass(frozen=True, slots=True)
class Core:
    type: Type


@dataclass(frozen=True, slots=True)
class Const(Core):
    value: Value


@dataclass(frozen=True, slots=True)
class Fact(Core):
    """A scalar fact of the loan file. Where `known` is given, the fact is missing unless `known` is true."""

    name: str
    known: Core | None = None


@dataclass(frozen=True, slots=True)
class Var(Core):
    """A scalar that a `Let` or the clock binds: `as_of`, `judged_on`, `due`, a decision."""

    name: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Field(Core):
    """A field of the item that a `Comp` binds."""

    var: str
    name: str
    list: str


@dataclass(frozen=True, slots=True)
class Element(Core):
    """The item itself, where a `Comp` binds plain values."""

    var: str
    path: str


@dataclass(frozen=True, slots=True)
class Param(Core):
    """A dated parameter by name. Lowering replaces it by its value on the day."""

    name: str


@dataclass(frozen=True, slots=True)
class Decided(Core):
    """An output of a named decision, or of a table that reads the file. Lowering binds it to a variable."""

    name: str
    output: str


@dataclass(frozen=True, slots=True)
class TableCall(Core):
    """An output of a table called with arguments. Lowering replaces it by `Lookup` in the version of the day."""

    name: str
    args: tuple[Core, ...]
    output: str


@dataclass(frozen=True, slots=True)
class Op(Core):
    """A strict operator of the table: missing if an operand is."""

    row: Operator
    args: tuple[Core, ...]


@dataclass(frozen=True, slots=True)
class And(Core):
    args: tuple[Core, ...]


@dataclass(frozen=True, slots=True)
class Or(Core):
    args: tuple[Core, ...]


@dataclass(frozen=True, slots=True)
class Not(Core):
    arg: Core


@dataclass(frozen=True, slots=True)
class If(Core):
    """Missing if the condition is missing."""

    condition: Core
    then: Core
    otherwise: Core


@dataclass(frozen=True, slots=True)
class Is(Core):
    """Whether the argument is `truth` (True, False or None for missing). Never missing itself."""

    arg: Core
    truth: bool | None


@dataclass(frozen=True, slots=True)
class ListMissing(Core):
    """Whether a list fact is missing (not: empty). Never missing itself."""

    list: str


@dataclass(frozen=True, slots=True)
class Lookup(Core):
    """An output of a decision table for these inputs, by the table's hit policy."""

    table: Table
    inputs: tuple[Core, ...]
    output: int


@dataclass(frozen=True, slots=True)
class Let(Core):
    name: str
    value: Core
    body: Core


# -- what only the full language has ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Where a part of an expression stands: in which text, and the text's own place (a decision, a cell)."""

    place: str
    text: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Dynamic(Core):
    """An operation on values whose kinds are known only when it runs: `function` names it in `engine/run/dynamic.py`.

    `data` are constants of the operation. It is not strict: missing operands reach it.
    """

    function: str
    site: Site
    data: tuple[Any, ...]
    args: tuple[Core, ...]


@dataclass(frozen=True, slots=True)
class Lambda(Core):
    """A function of so many values, each a `Var` of the body."""

    params: tuple[str, ...]
    body: Core


# -- lists ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """Where the items of a list come from."""


@dataclass(frozen=True, slots=True)
class ListFact(Source):
    """A list of the loan file (`reference=False`) or of the book (`reference=True`)."""

    name: str
    reference: bool = False


@dataclass(frozen=True, slots=True)
class ListField(Source):
    """A list-valued field of an outer item."""

    var: str
    name: str
    list: str


@dataclass(frozen=True, slots=True)
class ListConst(Source):
    items: tuple[Core, ...]


@dataclass(frozen=True, slots=True)
class Comp:
    """The items `var` of `source` for which `where` is true (None: all), each giving `item` (None: the record).

    An item whose `where` is missing may or may not belong: aggregates over it are missing, `Some` is Kleene.
    """

    source: Source
    var: str
    where: Core | None
    item: Core | None


@dataclass(frozen=True, slots=True)
class Some(Core):
    """Kleene disjunction over the items: of `where and body` of each. Missing if the list is."""

    comp: Comp
    body: Core


@dataclass(frozen=True, slots=True)
class Agg(Core):
    """`function` is count, sum, mean, min, max. `distinct` keeps one of equal items (for count)."""

    function: str
    comp: Comp
    distinct: bool = False


TRUE = Const(BOOLEAN, True)
FALSE = Const(BOOLEAN, False)
MISSING = Const(NULL, None)


def conj(*args: Core | None) -> Core:
    """Conjunction, flattened; None and true leave it as it is, false decides it."""
    flat: list[Core] = []
    for arg in args:
        if arg is None or arg == TRUE:
            continue
        flat.extend(arg.args if isinstance(arg, And) else (arg,))
    if FALSE in flat:
        return FALSE
    return TRUE if not flat else flat[0] if len(flat) == 1 else And(BOOLEAN, tuple(flat))


def disj(*args: Core) -> Core:
    """Disjunction, flattened; false leaves it as it is, true decides it."""
    flat: list[Core] = []
    for arg in args:
        if arg != FALSE:
            flat.extend(arg.args if isinstance(arg, Or) else (arg,))
    if TRUE in flat:
        return TRUE
    return FALSE if not flat else flat[0] if len(flat) == 1 else Or(BOOLEAN, tuple(flat))


def negate(arg: Core) -> Core:
    if isinstance(arg, Not):
        return arg.arg
    if arg in (TRUE, FALSE):
        return FALSE if arg == TRUE else TRUE
    return Not(BOOLEAN, arg)


def children(node: Core | Comp | Source) -> Iterator[Core | Comp | Source]:
    """The parts of a node, in order. A table's cells are not parts: they speak of its inputs alone."""
    for name in _part_names(type(node)):
        value = getattr(node, name)
        if isinstance(value, (Core, Comp, Source)):
            yield value
        elif isinstance(value, tuple):
            yield from (v for v in value if isinstance(v, (Core, Comp, Source)))


def _part_names(kind: type) -> tuple[str, ...]:
    """The attributes of a node class that can hold parts."""
    if kind not in _PARTS:
        _PARTS[kind] = _named_parts(kind)
    return _PARTS[kind]


_PARTS: dict[type, tuple[str, ...]] = {}


def _named_parts(kind: Any) -> tuple[str, ...]:
    """The attributes of a node class that can hold parts."""
    plain = {
        "type",
        "value",
        "name",
        "var",
        "list",
        "path",
        "row",
        "function",
        "distinct",
        "truth",
        "nullable",
        "site",
        "data",
        "params",
    }
    keep = {"value"} if kind is Let else set()
    return tuple(f.name for f in dataclasses.fields(kind) if f.name not in plain or f.name in keep)


def walk(node: Core | Comp | Source) -> Iterator[Core | Comp | Source]:
    """The node and all its parts, outermost first."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(children(current))))


def walk_once(nodes: Iterable[Core | Comp | Source]) -> Iterator[Core | Comp | Source]:
    """All parts of the nodes; what several of them share comes once."""
    pending = list(nodes)
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if id(current) not in seen:
            seen.add(id(current))
            yield current
            pending.extend(children(current))


def rewrite(node: Core, change: Callable[[Core], Core]) -> Core:
    """The node with `change` applied to every core node, innermost first."""
    return change(_parts(node, change))


def rewrite_comp(comp: Comp, change: Callable[[Core], Core]) -> Comp:
    rebuilt: Comp = _parts(comp, change)
    return rebuilt


def _parts(node: Any, change: Callable[[Core], Core]) -> Any:
    """The node rebuilt from changed parts; generic over all node classes, so it is typed by its callers."""
    updates = {}
    for name in _part_names(type(node)):
        value = getattr(node, name)
        new = _changed(value, change)
        if new is not value:
            updates[name] = new
    return dataclasses.replace(node, **updates) if updates else node


def _changed(value: Any, change: Callable[[Core], Core]) -> Any:
    if isinstance(value, Core):
        return change(_parts(value, change))
    if isinstance(value, (Comp, Source)):
        return _parts(value, change)
    if isinstance(value, tuple) and any(isinstance(v, (Core, Comp, Source)) for v in value):
        changed = tuple(_changed(v, change) for v in value)
        return changed if any(a is not b for a, b in zip(changed, value, strict=True)) else value
    return value


def unique(node: Core) -> Core:
    """The node with the items of nested lists named by their depth, so that no loop can disturb an outer one.

    Equal parts at equal depth stay equal.
    """
    renamed: Core = _unique(node, {_DEPTH: "0"}, {})
    return renamed


#: The entry of a scope that counts how deep it lies.
_DEPTH = ""


def _unique(node: Any, bound: Mapping[str, str], memo: dict[tuple[int, int], Any]) -> Any:
    """`bound` maps names in scope to their new ones. Parts that several places share are renamed once a scope."""
    key = (id(node), id(bound))
    if key in memo:
        return memo[key][0]
    match node:
        case Comp():
            inner = _deeper(bound, node.var)
            where = None if node.where is None else _unique(node.where, inner, memo)
            item = None if node.item is None else _unique(node.item, inner, memo)
            renamed: Any = Comp(_unique(node.source, bound, memo), inner[node.var], where, item)
        case Some():
            comp = _unique(node.comp, bound, memo)
            inner = _deeper(bound, node.comp.var)
            renamed = Some(node.type, comp, _unique(node.body, inner, memo))
        case Field() | Element() | ListField() if node.var in bound:
            inner = {}
            renamed = dataclasses.replace(node, var=bound[node.var])
        case _:
            inner = {}
            renamed = _renewed(node, bound, memo)
    # The scope is kept beside the result, lest another take its identity.
    memo[key] = (renamed, node, bound, inner if isinstance(node, Comp | Some) else None)
    return renamed


def _deeper(bound: Mapping[str, str], var: str) -> dict[str, str]:
    depth = str(int(bound[_DEPTH]) + 1)
    return {**bound, var: f"v{depth}", _DEPTH: depth}


def _renewed(node: Any, bound: Mapping[str, str], memo: dict[tuple[int, int], Any]) -> Any:
    updates = {}
    for name in _part_names(type(node)):
        value = getattr(node, name)
        new = value
        if isinstance(value, (Core, Comp, Source)):
            new = _unique(value, bound, memo)
        elif isinstance(value, tuple) and any(isinstance(v, (Core, Comp, Source)) for v in value):
            items = tuple(_unique(v, bound, memo) for v in value)
            new = items if any(a is not b for a, b in zip(items, value, strict=True)) else value
        if new is not value:
            updates[name] = new
    return dataclasses.replace(node, **updates) if updates else node


def nullable(node: Core) -> bool:
    """Whether the node can be missing, judged from its form alone."""
    match node:
        case Const(value=value):
            return value is None
        case Var():
            return node.nullable
        case Is() | ListMissing():
            return False
        case And() | Or():
            return any(map(nullable, node.args))
        case Not():
            return nullable(node.arg)
        case Op():
            return node.row.partial or any(map(nullable, node.args))
        case If(condition=Is(arg=arg, truth=None)) if arg == node.otherwise:
            return nullable(node.then)  # the first of two that is known
        case If():
            return any(map(nullable, (node.condition, node.then, node.otherwise)))
        case Let():
            return nullable(node.body)
        case _:
            return True

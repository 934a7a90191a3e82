"""The full language: syntax to core, with every name resolved. What kinds the values have is known when it runs.

The counterpart of `check.py` for DMN models. The same core and the same code generator carry both languages: `and`,
`or`, `not` of tests, `if` and `let` are the strict language's nodes, everything else is `Dynamic`, an operation of
`engine/run/dynamic.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sancha.engine.diagnostics import did_you_mean
from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.builtins import BUILTINS
from sancha.engine.feel.builtins.numbers import finite
from sancha.engine.feel.builtins.registry import FeelError
from sancha.engine.feel.kinds import ANY, Kind, UnknownType, kind_from_type
from sancha.engine.feel.values import Date, parse_temporal


@dataclass(frozen=True, slots=True)
class Problem:
    """A defect that is sure before anything runs: an unknown name, function or type. It gives null when it runs."""

    kind: str
    message: str
    site: c.Site
    help: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """`core` reads the names in scope as facts; `problems` are what could not be resolved."""

    core: c.Core
    problems: tuple[Problem, ...]


def resolve(
    tree: s.Node,
    names: Iterable[str],
    types: Mapping[str, Kind] | None = None,
    place: str = "",
    text: str = "",
) -> Resolved:
    """The core of an expression. `names` are in scope, `types` are those that the model names."""
    resolver = _Resolver(names, types or {}, place, text)
    core = resolver.core(tree)
    return Resolved(core, tuple(resolver.problems))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Values from `low` to `high`; None is no bound. `value` is True for the one value `low` (which may be null)."""

    low: Any = None
    high: Any = None
    low_closed: bool = False
    high_closed: bool = False
    point: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table. `bounds` (None: any value passes) where it is constant, or else the argument that tests it."""

    bounds: tuple[Bounds, ...] | None = None
    test: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """An output entry: a constant, or the argument that computes it."""

    value: Any = None
    argument: int | None = None


@dataclass(frozen=True, eq=False)
class TableSpec:
    """A decision table as the evaluator gets it. `names` is None for a single output without a name.

    `allowed`: for each input the argument that tests its values, or None. `order`: the output values in order of
    priority, as arguments. `default`: arguments, or None.
    """

    hit_policy: str
    names: tuple[str, ...] | None
    width: int
    allowed: tuple[int | None, ...]
    rows: tuple[tuple[Cell, ...], ...]
    outputs: tuple[tuple[Output, ...], ...]
    order: tuple[tuple[int, ...] | None, ...]
    default: tuple[int | None, ...] | None


@dataclass(slots=True)
class _Frame:
    """What a construct brings into scope: variables by name, or all entries of the item of a filter."""

    variables: dict[str, c.Core] = field(default_factory=dict)
    item: c.Core | None = None


_TESTS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "!=": "!="}
_NOT_CONSTANT = object()
#: What stands in conditions, not in positions of a list; and filters, so that nested ones are resolved once.
_CONDITIONS = (s.In, s.Between, s.Quantified, s.InstanceOf, s.Filter)
#: The types that have no meaning without their parts.
_FORMS = {
    "list": "list<number>",
    "range": "range<number>",
    "context": "context<a: number>",
    "function": "function<number> -> number",
}


def _types(written: s.TypeName) -> Iterator[s.TypeName]:
    """A type as written and all its parts."""
    yield written
    for part in (*written.parameters, *(() if written.result is None else (written.result,))):
        yield from _types(part)


class _Resolver:
    def __init__(self, names: Iterable[str], types: Mapping[str, Kind], place: str, text: str) -> None:
        self.types = types
        self.place, self.text = place, text
        self.frames = [_Frame({name: c.Fact(t.ANY, name) for name in names})]
        self.problems: list[Problem] = []
        self.fresh = 0

    # -- places, scopes -----------------------------------------------------------------------------------

    def site(self, node: s.Node) -> c.Site:
        return c.Site(self.place, self.text, node.span)

    def dynamic(self, function: str, node: s.Node, args: Sequence[c.Core], *data: Any) -> c.Dynamic:
        return c.Dynamic(t.ANY, function, self.site(node), data, tuple(args))

    def problem(self, node: s.Node, kind: str, message: str, help: str | None = None) -> c.Core:
        """A defect: told now, and again by the null that it gives."""
        self.problems.append(Problem(kind, message, self.site(node), help))
        return self.dynamic("FAIL", node, (), kind, message)

    def variable(self, name: str) -> c.Var:
        self.fresh += 1
        return c.Var(t.ANY, f"{name}#{self.fresh}")

    @contextmanager
    def scope(
        self, variables: Mapping[str, c.Core] | None = None, item: c.Core | None = None
    ) -> Iterator[_Frame]:
        frame = _Frame(dict(variables or {}), item)
        self.frames.append(frame)
        yield frame
        self.frames.pop()

    def function(self, names: Sequence[str], body: s.Node) -> c.Lambda:
        """A lambda whose parameters are visible by name in the body."""
        variables = [self.variable(name) for name in names]
        with self.scope(dict(zip(names, variables, strict=True))):
            return c.Lambda(t.ANY, tuple(v.name for v in variables), self.core(body))

    def found(self, name: str) -> c.Core | None:
        """What a name means, seen from the innermost scope, or None: unknown."""
        return self.visible(name, len(self.frames) - 1)

    def visible(self, name: str, level: int) -> c.Core | None:
        for at in range(level, -1, -1):
            frame = self.frames[at]
            if name in frame.variables:
                return frame.variables[name]
            if frame.item is not None:
                return self.entry(name, frame.item, self.visible(name, at - 1))
        return None

    def entry(self, name: str, item: c.Core, outer: c.Core | None) -> c.Core:
        """An entry of the item, or, where it has none of that name, what the name means outside."""
        if outer is None and name in BUILTINS:
            outer = c.Dynamic(t.ANY, "BUILTIN", self.nowhere, (name,), ())
        lazy = isinstance(outer, c.Dynamic)
        rest = () if outer is None else (c.Lambda(t.ANY, (), outer),) if lazy else (outer,)
        return c.Dynamic(t.ANY, "ENTRY", self.nowhere, (name, lazy), (item, *rest))

    @property
    def nowhere(self) -> c.Site:
        return c.Site(self.place, self.text, (0, 0))

    def declared(self, name: str) -> bool:
        """Whether a name is surely a variable: not only, perhaps, an entry of a filtered item."""
        return any(name in frame.variables for frame in self.frames)

    # -- expressions --------------------------------------------------------------------------------------

    def core(self, node: s.Node) -> c.Core:
        return getattr(self, f"on_{type(node).__name__}")(node)  # type: ignore[no-any-return]

    def on_Literal(self, node: s.Literal) -> c.Core:
        value = node.value
        if isinstance(value, Decimal):
            try:
                value = finite(value)
            except FeelError as error:
                return self.problem(node, error.kind, error.message)
        return c.Const(t.ANY, value)

    def on_Temporal(self, node: s.Temporal) -> c.Core:
        value: Any = parse_temporal(node.text)
        if value is None:
            return self.problem(node, "invalid literal", f'@"{node.text}" is no date, time or duration')
        return c.Const(t.ANY, value)

    def on_Name(self, node: s.Name) -> c.Core:
        found = self.found(node.name)
        if isinstance(found, c.Dynamic) and found.function == "ENTRY":
            return dataclasses.replace(found, site=self.site(node))
        if found is not None:
            return found
        if node.name in BUILTINS:
            return self.dynamic("BUILTIN", node, (), node.name)
        known = {name for frame in self.frames for name in frame.variables}
        return self.problem(
            node,
            "unknown name",
            f"there is no `{node.name}` in scope",
            did_you_mean(node.name, known | set(BUILTINS)),
        )

    def on_Path(self, node: s.Path) -> c.Core:
        return self.dynamic("GET", node, [self.core(node.base)], node.name)

    def on_Unary(self, node: s.Unary) -> c.Core:
        constant = self.constant(node)
        if constant is not _NOT_CONSTANT:
            return c.Const(t.ANY, constant)
        return self.dynamic("OPERATE", node, [self.core(node.operand)], "negate")

    def on_Binary(self, node: s.Binary) -> c.Core:
        if node.op in ("and", "or"):
            args = tuple(map(self.truth, s.operands(node)))
            return c.And(t.BOOLEAN, args) if node.op == "and" else c.Or(t.BOOLEAN, args)
        args = (self.core(node.left), self.core(node.right))
        return self.dynamic("COMPARE" if node.op in _TESTS else "OPERATE", node, args, node.op)

    def truth(self, node: s.Node) -> c.Core:
        """An operand of `and`, `or`, `if`: anything but true and false is missing."""
        core = self.core(node)
        return core if core.type == t.BOOLEAN else c.Dynamic(t.BOOLEAN, "TRUTH", self.site(node), (), (core,))

    def on_Between(self, node: s.Between) -> c.Core:
        value = self.variable("value")
        low = self.dynamic("COMPARE", node, [value, self.core(node.low)], ">=")
        high = self.dynamic("COMPARE", node, [value, self.core(node.high)], "<=")
        both = c.And(t.BOOLEAN, (low, high))
        return c.Let(t.BOOLEAN, value.name, self.core(node.operand), both)

    def on_Range(self, node: s.Range) -> c.Core:
        args = [self.core(node.low), self.core(node.high)]
        return self.dynamic("RANGE", node, args, node.low_closed, node.high_closed)

    def on_Steps(self, node: s.Steps) -> c.Core:
        return self.dynamic("STEPS", node, [self.core(node.low), self.core(node.high)])

    def on_Test(self, node: s.Test) -> c.Core:
        """A range with one end, as a value."""
        return self.dynamic("HALF_RANGE", node, [self.core(node.operand)], node.op)

    def on_In(self, node: s.In) -> c.Core:
        operand = self.core(node.operand)
        if isinstance(operand, c.Var):
            return self.any_test(operand, node.tests)
        value = self.variable("value")
        return c.Let(t.BOOLEAN, value.name, operand, self.any_test(value, node.tests))

    def on_Negated(self, node: s.Negated) -> c.Core:
        value = self.found("?")
        assert value is not None
        return c.Not(t.BOOLEAN, self.any_test(value, node.tests))

    def on_AnyTest(self, node: s.AnyTest) -> c.Core:
        return c.TRUE

    def any_test(self, value: c.Core, tests: Sequence[s.Node]) -> c.Core:
        found = tuple(self.test(value, test) for test in tests)
        return found[0] if len(found) == 1 else c.Or(t.BOOLEAN, found)

    def test(self, value: c.Core, node: s.Node) -> c.Core:
        """Whether a value passes a unary test."""

        def dynamic(function: str, args: Sequence[c.Core], *data: Any) -> c.Core:
            return c.Dynamic(t.BOOLEAN, function, self.site(node), data, (value, *args))

        if isinstance(node, s.Test):
            return dynamic("PASSES", [self.core(node.operand)], node.op)
        asks = any(isinstance(part, s.Name) and part.name == "?" for part in s.walk(node))
        with self.scope({"?": value}):
            core = self.core(node)
        if asks:
            return (
                core
                if core.type == t.BOOLEAN
                else c.Dynamic(t.BOOLEAN, "TRUTH", self.site(node), (), (core,))
            )
        if isinstance(node, s.Range):
            return dynamic("LIES", [core])
        return dynamic("MATCHES", [core], not isinstance(node, s.Literal | s.Name | s.Path))

    def on_If(self, node: s.If) -> c.Core:
        condition = c.Is(t.BOOLEAN, self.truth(node.condition), True)
        return c.If(t.ANY, condition, self.core(node.then), self.core(node.otherwise))

    def on_Quantified(self, node: s.Quantified) -> c.Core:
        return self.dynamic("QUANTIFIED", node, self.loop(node.bindings, node.body), node.kind)

    def on_For(self, node: s.For) -> c.Core:
        partial = any(isinstance(part, s.Name) and part.name == "partial" for part in s.walk(node.body))
        return self.dynamic("FOR", node, self.loop(node.bindings, node.body, "partial"), partial)

    def loop(self, bindings: Sequence[tuple[str, s.Node]], body: s.Node, *more: str) -> list[c.Core]:
        """A lambda for each source, of the items before it, and one for the body."""
        out: list[c.Core] = []
        names: list[str] = []
        for name, source in bindings:
            out.append(self.function(names, source))
            names.append(name)
        return [*out, self.function([*names, *more], body)]

    def on_Filter(self, node: s.Filter) -> c.Core:
        base = self.core(node.base)
        if isinstance(self.constant(node.condition), Decimal):
            return self.dynamic("ITEM", node, [base, self.core(node.condition)])
        item = self.variable("item")
        with self.scope(item=item), self.scope({"item": self.entry("item", item, item)}):
            body = self.core(node.condition)
        position = self.position(node.condition)
        rest = [] if position is None else [c.Lambda(t.ANY, (), position)]
        return self.dynamic("FILTER", node, [base, c.Lambda(t.ANY, (item.name,), body), *rest])

    def position(self, condition: s.Node) -> c.Core | None:
        """What may be an index as seen from outside of the items, where an entry of theirs cannot hide it."""
        if any(isinstance(part, _CONDITIONS) for part in s.walk(condition)) or (
            isinstance(condition, s.Binary) and condition.op not in ("+", "-", "*", "/", "**")
        ):
            return None
        before = len(self.problems)
        core = self.core(condition)
        if len(self.problems) > before:  # it speaks of an item
            del self.problems[before:]
            return None
        return core

    def on_Call(self, node: s.Call) -> c.Core:
        args = [self.core(a) for a in node.arguments]
        if self.declared(node.function) or (node.function not in BUILTINS and self.found(node.function)):
            function = self.core(s.Name(node.name_span, node.function))
            return self.dynamic("INVOKE", node, [function, *args], node.names)
        if node.function in BUILTINS:
            return self.dynamic("CALL", node, args, node.function, node.names)
        return self.problem(
            node,
            "unknown function",
            f"there is no function `{node.function}`",
            did_you_mean(node.function, BUILTINS),
        )

    def on_Invoke(self, node: s.Invoke) -> c.Core:
        args = [self.core(a) for a in (node.function, *node.arguments)]
        return self.dynamic("INVOKE", node, args, node.names)

    def on_ListOf(self, node: s.ListOf) -> c.Core:
        return self.dynamic("LIST", node, [self.core(item) for item in node.items])

    def on_Context(self, node: s.Context) -> c.Core:
        bound: list[tuple[c.Var, c.Core]] = []
        with self.scope() as frame:
            for key, entry in node.entries:
                value = self.core(entry)
                variable = self.variable(key)
                bound.append((variable, value))
                frame.variables[key] = variable
            if node.result is not None:
                body = self.core(node.result)
            else:
                keys = tuple(key for key, _ in node.entries)
                body = self.dynamic("ENTRIES", node, [v for v, _ in bound], keys)
        for variable, value in reversed(bound):
            body = c.Let(t.ANY, variable.name, value, body)
        return body

    def on_Relation(self, node: s.Relation) -> c.Core:
        rows = [
            self.dynamic("ENTRIES", node, [self.core(cell) for cell in row], node.columns)
            for row in node.rows
        ]
        return self.dynamic("LIST", node, rows)

    def on_Function(self, node: s.Function) -> c.Core:
        parameters = tuple(
            (name, None if kind is None else self.kind(kind)) for name, kind in node.parameters
        )
        if node.external:
            mapping = self.function([], node.body)
            return self.dynamic("EXTERNAL", node, [mapping, *_captured(mapping)], parameters, node)
        body = self.function([name for name, _ in parameters], node.body)
        return self.dynamic("FUNCTION", node, [body, *_captured(body)], parameters, node)

    def kind(self, written: s.TypeName) -> Kind:
        try:
            return kind_from_type(written, self.types)
        except UnknownType as error:
            self.problem(written, "unknown type", str(error), did_you_mean(error.name, self.types))
            return ANY

    def on_InstanceOf(self, node: s.InstanceOf) -> c.Core:
        bare = next((part.name for part in _types(node.type) if self.bare(part)), None)
        if bare is not None:  # DMN 1.5, table 61
            return self.problem(
                node.type, "unknown type", f"the type `{bare}` needs parameters: `{_FORMS[bare]}`"
            )
        try:
            kind = kind_from_type(node.type, self.types)
        except UnknownType as error:
            return self.problem(node.type, "unknown type", str(error), did_you_mean(error.name, self.types))
        return self.dynamic("INSTANCE", node, [self.core(node.operand)], kind)

    def bare(self, written: s.TypeName) -> bool:
        """Whether a type lacks the parameters that it must have; `context<>` and `function<>` have none."""
        return (
            written.name in _FORMS
            and written.name not in self.types
            and written.span[1] - written.span[0] == len(written.name)
        )

    def on_Typed(self, node: s.Typed) -> c.Core:
        return self.dynamic("COERCE", node, [self.core(node.body)], node.kind)

    def on_Located(self, node: s.Located) -> c.Core:
        before = self.place, self.text
        self.place, self.text = node.place, node.text
        core = self.core(node.body)
        self.place, self.text = before
        return core

    # -- decision tables ----------------------------------------------------------------------------------

    def on_DecisionTable(self, node: s.DecisionTable) -> c.Core:
        arguments: list[c.Core] = []

        def argument(core: c.Core) -> int:
            arguments.append(core)
            return len(arguments) - 1

        def lazily(entry: s.Node) -> int:
            return argument(c.Lambda(t.ANY, (), self.core(entry)))

        def cell(test: s.Node) -> Cell:
            bounds = self.bounds(test)
            if bounds is not _NOT_CONSTANT:
                return Cell(bounds)  # type: ignore[arg-type]
            return Cell(test=argument(self.function(["?"], test)))

        def output(entry: s.Node) -> Output:
            constant = self.constant(entry)
            return Output(constant) if constant is not _NOT_CONSTANT else Output(argument=lazily(entry))

        inputs = [self.core(i.expression) for i in node.inputs]
        spec = TableSpec(
            node.hit_policy,
            None if len(node.outputs) == 1 else tuple(o.name or "" for o in node.outputs),
            len(node.outputs),
            tuple(
                None if i.allowed is None else argument(self.function(["?"], i.allowed)) for i in node.inputs
            ),
            tuple(tuple(map(cell, rule.tests)) for rule in node.rules),
            tuple(tuple(map(output, rule.outputs)) for rule in node.rules),
            tuple(None if o.allowed is None else tuple(lazily(a) for a in o.allowed) for o in node.outputs),
            tuple(None if o.default is None else lazily(o.default) for o in node.outputs)
            if any(o.default is not None for o in node.outputs)
            else None,
        )
        return self.dynamic("TABLE", node, [*inputs, *arguments], spec, len(inputs))

    def bounds(self, test: s.Node) -> tuple[Bounds, ...] | object | None:
        """A cell as bounds, None for a cell that all values pass, or `_NOT_CONSTANT`."""
        match test:
            case s.Located():
                return self.bounds(test.body)
            case s.AnyTest():
                return None
            case s.In():
                found = tuple(self.bound(part) for part in test.tests)
                return _NOT_CONSTANT if None in found else found
        return _NOT_CONSTANT

    def bound(self, test: s.Node) -> Bounds | None:
        match test:
            case s.Range():
                low, high = self.constant(test.low), self.constant(test.high)
                if _ordered(low) and type(low) is type(high):
                    return Bounds(low, high, test.low_closed, test.high_closed)
            case s.Test(op="!="):
                return None
            case s.Test(op=op):
                end = self.constant(test.operand)
                if op == "=" and (_ordered(end) or end is None or isinstance(end, bool)):
                    return Bounds(end, end, point=True)
                if _ordered(end):
                    closed = op in ("<=", ">=")
                    return (
                        Bounds(high=end, high_closed=closed)
                        if op[0] == "<"
                        else Bounds(end, low_closed=closed)
                    )
            case _:
                value = self.constant(test)
                if _ordered(value) or value is None or isinstance(value, bool):
                    return Bounds(value, value, point=True)
        return None

    def constant(self, node: s.Node) -> Any:
        """The value of an expression that is plainly a constant, or `_NOT_CONSTANT`."""
        match node:
            case s.Located():
                return self.constant(node.body)
            case s.Literal(value=Decimal() as value):
                return _number(value)
            case s.Literal():
                return node.value
            case s.Unary(operand=s.Literal(value=Decimal() as value)):
                return _number(value.copy_negate())
            case s.Temporal():
                moment = parse_temporal(node.text)
                return _NOT_CONSTANT if moment is None else moment
        return _NOT_CONSTANT


def _captured(function: c.Lambda) -> Iterator[c.Core]:
    """What a function sees of its scope, in the order of its text."""
    parts = list(c.walk(function))
    inside = {name for part in parts if isinstance(part, c.Lambda) for name in part.params}
    inside |= {part.name for part in parts if isinstance(part, c.Let)}
    for part in dict.fromkeys(part for part in parts if isinstance(part, c.Var | c.Fact)):
        if isinstance(part, c.Fact) or part.name not in inside:
            yield part


def _number(value: Decimal) -> object:
    """A literal as a number, or `_NOT_CONSTANT` where it is beyond their range."""
    try:
        return finite(value)
    except FeelError:
        return _NOT_CONSTANT


def _ordered(value: object) -> bool:
    """Whether an index can hold the value."""
    return isinstance(value, Decimal | str | Date)

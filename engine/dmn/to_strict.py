"""Full FEEL as strict FEEL, on the syntax tree: with the names of the pack, without what its language does not have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sancha.engine.dmn import model as m
from sancha.engine.dmn.meanings import (
    NOWHERE,
    NULL,
    Alias,
    Entry,
    Function,
    Group,
    Item,
    ItemList,
    Lost,
    Meaning,
    at_line,
    call,
    resolve,
    shortened,
    snake,
    unique,
)
from sancha.engine.dmn.to_vocabulary import Inputs
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.check import check
from sancha.engine.feel.lexer import FeelSyntaxError
from sancha.engine.feel.parser import parse_dmn
from sancha.engine.feel.printer import to_text
from sancha.engine.feel.temporal import temporal_value


@dataclass
class Expressions(Inputs, ABC):
    """Texts of a model as expressions of the pack. Raises Lost for what the strict language cannot hold."""

    #: Names that paths may end in.
    keys: frozenset[str] = frozenset()

    @abstractmethod
    def invoke(
        self, d: m.Definitions, model: Function, given: list[s.Node], by_name: list[str], line: int
    ) -> s.Node:
        """A call of a function of the model with these arguments, in their order or by name."""

    def known(self, names: Mapping[str, Meaning]) -> frozenset[str]:
        return frozenset(names) | self.keys

    def parsed(self, d: m.Definitions, text: m.Text, names: Mapping[str, Meaning]) -> s.Node:
        language = text.language or d.expression_language or "feel"
        if "feel" not in language.lower():
            raise Lost(f"the expression language `{language}` is not FEEL", text.line)
        if not text.text.strip():
            return NULL
        try:
            return parse_dmn(text.text, self.known(names))
        except FeelSyntaxError as error:
            raise Lost(f"`{shortened(text.text)}`: {error.message}", text.line) from None

    def text(self, d: m.Definitions, text: m.Text, names: Mapping[str, Meaning]) -> s.Node:
        with at_line(text.line):
            return self.strict(self.parsed(d, text, names), names, d)

    def strict(self, node: s.Node, names: Mapping[str, Meaning], d: m.Definitions) -> s.Node:
        """Full FEEL as strict FEEL, with the names of the pack."""

        def go(part: s.Node) -> s.Node:
            return self.strict(part, names, d)

        def all_(parts: Iterable[s.Node]) -> tuple[s.Node, ...]:
            return tuple(map(go, parts))

        match node:
            case s.Literal() | s.AnyTest():
                return node
            case s.Temporal():
                if temporal_value(node.text) is None:
                    raise Lost(f'`@"{node.text}"` is no date, date-time or duration of whole days or months')
                return node
            case s.Name() | s.Path():
                return self.path(node, names, d)
            case s.Unary():
                return replace(node, operand=go(node.operand))
            case s.Binary():
                if node.op == "**":
                    self.whole(exponent := go(node.right))
                    return replace(node, left=go(node.left), right=exponent)
                return self.binary(replace(node, left=go(node.left), right=go(node.right)))
            case s.Between():
                return replace(node, operand=go(node.operand), low=go(node.low), high=go(node.high))
            case s.Range():
                return replace(node, low=go(node.low), high=go(node.high))
            case s.Test():
                return replace(node, operand=go(node.operand))
            case s.In():
                return replace(node, operand=go(node.operand), tests=all_(node.tests))
            case s.Negated():
                return replace(node, tests=all_(node.tests))
            case s.If():
                return unguarded(
                    replace(
                        node, condition=go(node.condition), then=go(node.then), otherwise=go(node.otherwise)
                    )
                )
            case s.ListOf():
                return replace(node, items=all_(node.items))
            case s.Filter():
                return self.listing(node, names, 0, d)[0]
            case s.Quantified():
                held = dict(names)
                bindings = []
                for variable, source in node.bindings:
                    found, fields = self.listing(source, held, 0, d)
                    fresh = unique(snake(variable), self.taken)
                    bound = s.Name(NOWHERE, fresh)
                    held[variable] = bound if fields is None else Item(bound, fields)
                    bindings.append((fresh, found))
                return replace(node, bindings=tuple(bindings), body=self.strict(node.body, held, d))
            case s.Call():
                return self.call(node, names, d)
            case s.Invoke():
                function = resolve(node.function, names)
                if isinstance(function, Function):
                    given = [go(a) for a in node.arguments]
                    return self.invoke(d, function, given, list(node.names), 0)
        words = {
            "Context": "contexts as values",
            "Function": "functions as values",
            "Invoke": "functions as values",
            "For": "`for … return`",
            "InstanceOf": "`instance of`",
            "Relation": "relations",
        }
        raise Lost(f"the strict language has no {words.get(type(node).__name__, type(node).__name__)}")

    def path(self, node: s.Node, names: Mapping[str, Meaning], d: m.Definitions) -> s.Node:
        found = resolve(node, names)
        if isinstance(found, s.Node):
            return found
        if isinstance(found, ItemList):
            return found.node
        if isinstance(found, Group):
            raise Lost(f"`{to_text(node)}` stands for several values")
        if isinstance(found, Item):
            raise Lost(f"an item of a list as a value: `{to_text(node)}`")
        if isinstance(found, Function | Alias):
            raise Lost("the strict language has no functions as values")
        if isinstance(node, s.Name):
            if node.name == "?":
                return node
            raise Lost(f"unknown name `{node.name}`")
        assert isinstance(node, s.Path)
        base, fields = self.listing(node.base, names, 0, d)
        if fields is not None:
            if node.name not in fields:
                raise Lost(f"the items have no field `{node.name}`")
            return s.Path(NOWHERE, base, fields[node.name], NOWHERE)
        if node.name == "days" and isinstance(base, s.Binary) and base.op == "-":
            return call("days between", base.right, base.left)
        return s.Path(NOWHERE, base, node.name, NOWHERE)

    def whole(self, exponent: s.Node) -> None:
        """Makes the facts of an exponent whole numbers: the strict language has no others there."""
        for part in s.walk(exponent):
            if not (isinstance(part, s.Path) and isinstance(part.base, s.Name)):
                continue
            fact = self.groups.get(part.base.name, {}).get("facts", {}).get(part.name)
            if fact is not None and fact["type"] == "number":
                fact["type"] = "integer"
                name = f"{part.base.name}.{part.name}"
                self.scope = replace(self.scope, facts={**self.scope.facts, name: t.INTEGER})
                self.entries.append(
                    Entry("changed", 0, f"fact {name}", "a whole number, as it is an exponent")
                )

    def binary(self, node: s.Binary) -> s.Node:
        """`(b - a) / @"P1D"` has a name of its own in the strict language."""
        if node.op == "/" and isinstance(node.left, s.Binary) and node.left.op == "-":
            unit = node.right.text if isinstance(node.right, s.Temporal) else None
            word = {"P1D": "days between", "PT1S": "seconds between"}.get(unit or "")
            if word is not None:
                return call(word, node.left.right, node.left.left)
        return node

    def call(self, node: s.Call, names: Mapping[str, Meaning], d: m.Definitions) -> s.Node:
        found = resolve(s.Name(NOWHERE, node.function), names)
        given = [
            self.listing(a, names, 0, d)[0]
            if isinstance(a, s.Name | s.Path | s.Filter)
            else self.strict(a, names, d)
            for a in node.arguments
        ]
        if isinstance(found, Function):
            return self.invoke(d, found, given, list(node.names), 0)
        if isinstance(found, Alias):
            return call(found.function, *given[: found.arguments])
        if node.function in ("date", "date and time", "duration") and len(node.arguments) == 1:
            argument = node.arguments[0]
            if isinstance(argument, s.Literal) and isinstance(argument.value, str):
                return self.strict(s.Temporal(NOWHERE, argument.value), names, d)
            core, _ = check(to_text(given[0]), self.scope)
            kind = {"date": "date", "date and time": "date-time", "duration": "days"}[node.function]
            if core is not None and core.type.name == kind:
                return given[0]
        return replace(node, arguments=tuple(given))

    def listing(
        self, node: s.Node, names: Mapping[str, Meaning], line: int, d: m.Definitions | None = None
    ) -> tuple[s.Node, Mapping[str, str] | None]:
        """A list, and the fields of its items; None for plain values."""
        d = d or self.definitions
        found = resolve(node, names)
        if isinstance(found, ItemList):
            return found.node, found.fields
        if isinstance(node, s.Filter):
            base, fields = self.listing(node.base, names, line, d)
            condition = self.strict(node.condition, self.within(names, fields), d)
            return s.Filter(NOWHERE, base, condition), fields
        if isinstance(node, s.Name | s.Path):
            return self.path(node, names, d), None
        return self.strict(node, names, d), None

    def within(self, names: Mapping[str, Meaning], fields: Mapping[str, str] | None) -> dict[str, Meaning]:
        """The names within a filter."""
        item = s.Name(NOWHERE, "item")
        if fields is None:
            return {**names, "item": item}
        own: dict[str, Meaning] = {k: s.Name(NOWHERE, v) for k, v in fields.items()}
        return {**names, **own, "item": Item(item, fields)}


# -- guards ------------------------------------------------------------------------------------------------------------


def unguarded(node: s.If) -> s.Node:
    """`if x = null then null else x > 3` without its guard, which the strict language has by itself."""
    if node.then != NULL and not (isinstance(node.then, s.Literal) and node.then.value is None):
        return node
    parts: list[s.Node] = []
    pending = [node.condition]
    while pending:
        part = pending.pop()
        if isinstance(part, s.Binary) and part.op == "or":
            pending += [part.left, part.right]
        else:
            parts.append(part)
    guarded = set()
    for part in parts:
        if not (isinstance(part, s.Binary) and part.op == "=" and _is_null(part.right)):
            return node
        guarded.add(to_text(part.left))
    return node.otherwise if guarded <= _needs(node.otherwise) else node


def _needs(node: s.Node) -> set[str]:
    """Values, as text, without which the strict language leaves the expression open."""
    match node:
        case s.Name() | s.Path():
            return {to_text(node)}
        case s.Unary():
            return _needs(node.operand)
        case s.Binary(op="and" | "or"):
            return _needs(node.left) & _needs(node.right)
        case s.Binary(op="=" | "!=") if _is_null(node.left) or _is_null(node.right):
            return set()
        case s.Binary():
            return _needs(node.left) | _needs(node.right)
        case s.Between():
            return _needs(node.operand)
        case s.In() if not any(_is_null(test) for test in node.tests):
            return _needs(node.operand)
        case s.If():
            return _needs(node.condition) | (_needs(node.then) & _needs(node.otherwise))
        case s.Quantified():
            return _needs(node.bindings[0][1])
        case s.Filter():
            return _needs(node.base)
        case s.Call() if not node.names:
            return set().union(*map(_needs, node.arguments))
    return set()


def _is_null(node: s.Node) -> bool:
    return isinstance(node, s.Literal) and node.value is None

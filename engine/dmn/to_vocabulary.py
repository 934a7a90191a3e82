"""The input data and item definitions of a DMN model as a vocabulary: facts and lists, with types as use tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sancha.engine.dmn import model as m
from sancha.engine.dmn.lower import parts
from sancha.engine.dmn.meanings import (
    DEEPEST,
    NOWHERE,
    Entry,
    Group,
    ItemList,
    Lost,
    Meaning,
    ModelType,
    enumeration,
    snake,
    unique,
)
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.check import Scope
from sancha.engine.feel.lexer import FeelSyntaxError
from sancha.engine.feel.parser import parse_dmn
from sancha.engine.policy.pack import AS_OF, JUDGED_ON
from sancha.engine.policy.vocabulary import RESERVED

_SCALARS = {
    "string": "text",
    "boolean": "boolean",
    "number": "number",
    "date": "date",
    "date and time": "date-time",
    "dateTime": "date-time",
    "days and time duration": "days",
    "dayTimeDuration": "days",
    "integer": "number",
    "long": "number",
    "double": "number",
}
#: Types by which the type of a name beside is told.
_PLAIN = {ref: ref if ref in ("string", "boolean", "date", "date and time") else "number" for ref in (
    "string", "boolean", "date", "date and time", "number", "integer", "long", "double"
)}  # fmt: skip
_E = TypeVar("_E", bound=m.Expression)


@dataclass
class Inputs:
    """What the inputs of a model become, and what their names stand for."""

    definitions: m.Definitions
    entries: list[Entry] = field(default_factory=list)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    lists: dict[str, dict[str, Any]] = field(default_factory=dict)
    scope: Scope = field(default_factory=Scope)
    taken: set[str] = field(default_factory=lambda: set(RESERVED))
    facts_of: dict[tuple[str, str], Meaning] = field(default_factory=dict)
    loose: dict[str, dict[str, Meaning]] = field(default_factory=dict)

    def lose(self, line: int, where: str, what: str) -> None:
        self.entries.append(Entry("lost", line, where, what))

    def fresh(self, text: str) -> str:
        name = snake(text)
        found = next(n for n in (name, *(f"{name}_{i}" for i in range(2, 10_000))) if n not in self.taken)
        self.taken.add(found)
        return found

    def reset_scope(self) -> None:
        facts = {
            f"{group}.{name}": t.parse_type(fact["type"]) or t.TEXT
            for group, part in self.groups.items()
            for name, fact in part["facts"].items()
        }
        lists = {
            name: {f: t.parse_type(spec["type"]) or t.TEXT for f, spec in part["fields"].items()}
            for name, part in self.lists.items()
        }
        self.scope = Scope(
            facts=facts, lists=lists, decisions={}, variables={"as_of": AS_OF, "judged_on": JUDGED_ON}
        )

    def inputs(self, d: m.Definitions) -> None:
        hints = self.hints(d)
        for data in d.inputs:
            key = (d.namespace, data.id or data.name)
            where = f'input data "{data.name}"'
            type_ = self.type_of(d, data.type_ref)
            if type_ is None and data.name in hints:
                type_ = self.type_of(d, hints[data.name])
                if type_ is not None:
                    what = f"no type: read as {type_.scalar}, as it is used" if type_.scalar else "no type"
                    self.entries.append(Entry("changed", data.line, where, what))
            if snake(data.name).rstrip("_") == "as_of" and type_ is not None and type_.scalar == "date":
                self.facts_of[key] = s.Name(NOWHERE, "as_of")
                continue
            if type_ is None:
                shown = f"the type `{data.type_ref}`" if data.type_ref else "no type"
                members = {
                    n.split(".", 1)[1]: ref for n, ref in hints.items() if n.startswith(f"{data.name}.")
                }
                if members:
                    fields = tuple(
                        (n, self.type_of(d, r) or ModelType("text"), None) for n, r in members.items()
                    )
                    type_ = ModelType(fields=fields)
                    self.entries.append(
                        Entry(
                            "changed",
                            data.line,
                            where,
                            f"{shown}: its members are those that the tables read",
                        )
                    )
                else:
                    type_ = ModelType("text")
                    self.entries.append(Entry("changed", data.line, where, f"{shown}: read as text"))
            try:
                self.facts_of[key] = self.vocabulary(data.name, data.label or data.name, type_, data.line)
            except Lost as lost:
                self.lose(data.line, where, lost.what)
        known = {data.name for data in d.inputs} | {x.name for x in d.decisions}
        known |= {x.variable.name for x in d.decisions if x.variable is not None}
        self.loose[d.namespace] = {}
        for name, ref in hints.items():
            head, _, rest = name.partition(".")
            if head in known or rest:
                continue
            type_ = self.type_of(d, ref) or ModelType("text")
            self.loose[d.namespace][name] = self.vocabulary(name, name, type_, 0)
            self.entries.append(
                Entry("added", 0, f'input "{name}"', "the model names it without input data for it")
            )

    def hints(self, d: m.Definitions) -> dict[str, str | None]:
        """Names that input columns read as they stand, with the type of the column, or the one that use suggests."""
        out: dict[str, str | None] = {}
        for table in self.logic(d, m.DecisionTable):
            for clause in table.inputs:
                if clause.expression is None:
                    continue
                text = " ".join(clause.expression.text.text.split())
                if re.fullmatch(r"[^\W\d][\w .]*", text) and text not in ("true", "false", "null"):
                    out.setdefault(text, clause.expression.type_ref)
        for name, type_ in self.used_as(d).items():
            if name in {data.name for data in d.inputs} and out.get(name) is None:
                out[name] = type_
        return out

    def logic(self, d: m.Definitions, kind: type[_E]) -> Iterator[_E]:
        """All boxed expressions of a kind in the decisions of a model."""
        pending = [x.expression for x in d.decisions if x.expression is not None]
        while pending:
            found = pending.pop()
            if isinstance(found, kind):
                yield found
            pending += parts(found)
            if isinstance(found, m.DecisionTable):
                pending += [x.expression for x in found.inputs if x.expression is not None]
                pending += [output for rule in found.rules for output in rule.outputs]

    def used_as(self, d: m.Definitions) -> dict[str, str]:
        """The types that operators and literals suggest for the names beside them."""
        names = [data.name for data in d.inputs]
        trees = []
        for expression in self.logic(d, m.LiteralExpression):
            with suppress(FeelSyntaxError):
                trees.append(parse_dmn(expression.text.text, names))
        variables = [x.variable for x in d.inputs] + [x.variable for x in d.decisions]
        known = {v.name: _PLAIN[v.type_ref] for v in variables if v is not None and v.type_ref in _PLAIN}
        out: dict[str, str] = {}
        for _ in range(3):  # what one expression tells of a name, another needs to know
            for node in (node for tree in trees for node in s.walk(tree)):
                for part, type_ in _suggested(node, {**out, **known}):
                    if isinstance(part, s.Name):
                        out.setdefault(part.name, type_)
        return out

    def type_of(self, d: m.Definitions, ref: str | None, depth: int = 0) -> ModelType | None:
        if ref is None or depth > DEEPEST:
            return None
        item = next((i for i in d.item_definitions if i.name == ref), None)
        if item is not None:
            return self.item_type(d, item, depth + 1)
        prefix, _, rest = ref.partition(".")
        for imported in d.imports:
            if imported.definitions is not None and imported.name in (prefix, ""):
                found = self.type_of(imported.definitions, rest if imported.name else ref, depth + 1)
                if found is not None:
                    return found
        return ModelType(_SCALARS[ref]) if ref in _SCALARS else None

    def item_type(self, d: m.Definitions, item: m.ItemDefinition, depth: int) -> ModelType | None:
        found: ModelType | None
        if item.components:
            parts = ((part, self.item_type(d, part, depth + 1)) for part in item.components)
            found = ModelType(
                fields=tuple((part.name, type_, part.label) for part, type_ in parts if type_ is not None)
            )
        else:
            found = self.type_of(d, item.type_ref, depth + 1)
            values = enumeration(item.allowed_values)
            if found is not None and found.scalar == "text" and values is not None:
                found = ModelType(f"one of [{', '.join(values)}]")
        if found is not None and item.is_collection:
            found = ModelType(element=found)
        return found

    def vocabulary(self, name: str, label: str, type_: ModelType, line: int) -> Meaning:
        """Facts or a list for an input, and what its name stands for."""
        if type_.scalar is not None:
            if "inputs" not in self.groups:
                self.taken.add("inputs")
                self.groups["inputs"] = {"label": {"en": "Inputs"}, "facts": {}}
            return self.fact("inputs", name, label, type_.scalar)
        if type_.element is not None:
            return self.list_fact(self.fresh(name), label, type_.element, line)
        group = self.fresh(name)
        self.groups[group] = {"label": {"en": label}, "facts": {}}
        meaning = self.members(group, "", type_, line)
        if not self.groups[group]["facts"]:
            del self.groups[group]
        return meaning

    def members(self, group: str, prefix: str, type_: ModelType, line: int) -> Group:
        out: dict[str, Meaning] = {}
        for name, part, label in type_.fields or ():
            if part.scalar is not None:
                out[name] = self.fact(group, f"{prefix}{name}", label or name, part.scalar)
            elif part.element is not None:
                try:
                    out[name] = self.list_fact(
                        self.fresh(f"{group} {prefix}{name}"), label or name, part.element, line
                    )
                except Lost as lost:
                    self.lose(line, f'input data "{group}"', f"`{name}`: {lost.what}")
            else:
                out[name] = self.members(group, f"{prefix}{name} ", part, line)
        return Group(out)

    def fact(self, group: str, name: str, label: str, type_: str) -> s.Node:
        facts = self.groups[group]["facts"]
        key = unique(snake(name), facts)
        facts[key] = {"type": type_, "label": {"en": label}}
        return s.Path(NOWHERE, s.Name(NOWHERE, group), key, NOWHERE)

    def list_fact(self, name: str, label: str, element: ModelType, line: int) -> ItemList:
        node = s.Name(NOWHERE, name)
        if element.scalar is not None:
            fields = {"value": {"type": element.scalar, "label": {"en": "value"}}}
            self.lists[name] = {"label": {"en": label}, "fields": fields}
            return ItemList(s.Path(NOWHERE, node, "value", NOWHERE), None)
        if element.fields is None:
            raise Lost("lists of lists")
        specs: dict[str, Any] = {}
        names: dict[str, str] = {}
        for original, part, field_label in element.fields:
            text = part.scalar
            if part.element is not None and part.element.scalar is not None:
                text = f"list of {part.element.scalar}"
            if text is None or t.parse_type(text) is None:
                self.lose(
                    line,
                    f'list "{label}"',
                    f"the field `{original}`: a list within a list, or a nested context",
                )
                continue
            key = unique(snake(original), specs)
            specs[key] = {"type": text, "label": {"en": field_label or original}}
            names[original] = key
        if not specs:
            raise Lost("a list whose items have no plain fields")
        self.lists[name] = {"label": {"en": label}, "fields": specs}
        return ItemList(node, names)


def _suggested(node: s.Node, known: Mapping[str, str]) -> Iterator[tuple[s.Node, str]]:
    """Parts of a node with the types that it suggests for them."""
    match node:
        case s.Binary(op="and" | "or"):
            yield from ((node.left, "boolean"), (node.right, "boolean"))
        case s.Binary():
            for part, other in ((node.left, node.right), (node.right, node.left)):
                type_ = "number" if node.op in ("*", "/", "**") else _plain_type(other, known)
                if type_ is not None:
                    yield part, type_
        case s.If():
            yield node.condition, "boolean"
        case s.Between():
            if (type_ := _plain_type(node.low, known)) is not None:
                yield node.operand, type_
        case s.In():
            for test in node.tests:
                held = (
                    test.operand
                    if isinstance(test, s.Test)
                    else test.low
                    if isinstance(test, s.Range)
                    else test
                )
                if (type_ := _plain_type(held, known)) is not None:
                    yield node.operand, type_
        case s.Call(function="not"):
            yield from ((a, "boolean") for a in node.arguments)
        case s.Call(function="min" | "max"):
            for type_ in filter(None, (_plain_type(a, known) for a in node.arguments)):
                yield from ((a, type_) for a in node.arguments)


def _plain_type(node: s.Node, known: Mapping[str, str]) -> str | None:
    """The type of a literal, of a name whose type is known, or of arithmetic."""
    match node:
        case s.Literal(value=None):
            return None
        case s.Literal(value=bool()):
            return "boolean"
        case s.Literal(value=str()):
            return "string"
        case s.Literal():
            return "number"
        case s.Name():
            return known.get(node.name)
        case s.Binary(op="*" | "/" | "**"):
            return "number"
        case s.Call(function="date" | "date and time"):
            return node.function
    return None

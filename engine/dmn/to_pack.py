"""A DMN model in the strict language: its tables and decisions as those of a pack, and a report of what did not fit.

Input data and item definitions become the vocabulary, names become identifiers with the original as label, full FEEL
becomes strict FEEL on the syntax tree, decision tables keep their hit policies. What the strict form cannot hold is
left out, with all that requires it, and named in the report with its line in the XML.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sancha.engine.diagnostics import SanchaError
from sancha.engine.dmn import model as m
from sancha.engine.dmn.lower import parts
from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.check import Callable_, Scope, check, check_cell, check_value
from sancha.engine.feel.lexer import KEYWORDS, FeelSyntaxError
from sancha.engine.feel.parser import parse, parse_dmn, parse_dmn_tests, parse_tests
from sancha.engine.feel.printer import cell_to_text, to_text
from sancha.engine.feel.temporal import temporal_value
from sancha.engine.policy.pack import AS_OF, JUDGED_ON
from sancha.engine.policy.tables import Row, Table, input_name, overlaps
from sancha.engine.policy.vocabulary import RESERVED

_NOWHERE = (0, 0)
_NULL = s.Literal(_NOWHERE, None)
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
_POLICIES = {
    "U": "unique",
    "A": "any",
    "F": "first",
    "P": "first",
    "C+": "collect sum",
    "C<": "collect min",
    "C>": "collect max",
    "C#": "collect count",
}
_LISTS = {
    "C": "a collection of rows is a list, which no strict decision holds",
    "R": "rows in their order are a list, which no strict decision holds",
    "O": "outputs in their order are a list, which no strict decision holds",
}
_E = TypeVar("_E", bound=m.Expression)
#: An expression of so many parts fills some twenty pages.
_LARGEST = 5_000
#: Deeper structures are a defect of the model.
_DEPTH = 30


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the report. `kind`: `lost` (left out), `changed` (means something else), `added`, `kept`."""

    kind: str
    line: int
    where: str
    what: str


def translate(definitions: m.Definitions, folder: Path) -> list[Entry]:
    """Writes the model as the files of a pack into an empty folder; gives the report. Raises SanchaError."""
    return Importer(definitions).write(folder)


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
class _Item:
    """An item that a loop or filter binds."""

    node: s.Node
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Model:
    """A business knowledge model, or a function in a context."""

    name: str
    function: m.FunctionDefinition
    scope: Mapping[str, Meaning]


@dataclass(frozen=True, slots=True)
class Alias:
    """A function that the strict language has itself: its name there, and how many of the arguments it takes."""

    function: str
    arguments: int


Meaning = s.Node | Group | ItemList | _Item | _Model | Alias


@dataclass(frozen=True, slots=True)
class _Type:
    """A type of the model: a strict scalar type by its text, the fields of a context, or the element of a list."""

    scalar: str | None = None
    fields: tuple[tuple[str, _Type, str | None], ...] | None = None
    element: _Type | None = None


@dataclass
class _Called:
    """A decision table that is called: its name, and its inputs as expressions over the parameters."""

    name: str
    inputs: tuple[s.Node, ...]


@dataclass
class Importer:
    definitions: m.Definitions
    entries: list[Entry] = field(default_factory=list)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    lists: dict[str, dict[str, Any]] = field(default_factory=dict)
    parts: list[tuple[str, dict[str, Any], list[list[str]] | None]] = field(default_factory=list)
    clauses: dict[str, tuple[str, str]] = field(default_factory=dict)
    scope: Scope = field(default_factory=Scope)
    taken: set[str] = field(default_factory=lambda: set(RESERVED))
    #: Results of decisions by namespace and id; an error where they could not be carried over.
    done: dict[tuple[str, str], Meaning | Lost] = field(default_factory=dict)
    called: dict[int, _Called] = field(default_factory=dict)
    facts_of: dict[tuple[str, str], Meaning] = field(default_factory=dict)
    loose: dict[str, dict[str, Meaning]] = field(default_factory=dict)
    #: Names that paths may end in.
    keys: frozenset[str] = frozenset()
    where: str = ""
    #: Knowledge models whose names are being resolved, and how deep calls are put into one another.
    open: set[int] = field(default_factory=set)
    models: dict[int, _Model] = field(default_factory=dict)
    depth: int = 0

    # -- the whole ----------------------------------------------------------------------------------------

    def write(self, folder: Path) -> list[Entry]:
        models = list(_all(self.definitions))
        self.by_namespace = {d.namespace: d for d in models}
        self.keys = frozenset(_component_names(models))
        for problem in self.definitions.problems:
            line = problem.place.line if problem.place else 0
            self.entries.append(Entry("lost", line, self.definitions.name, problem.message))
        for d in models:
            self.inputs(d)
        self.reset_scope()
        for d in models:
            for decision in d.decisions:
                with suppress(Lost):  # it stands in the report
                    self.result(d, decision)
            for service in d.services:
                self.lose(
                    service.line, f'decision service "{service.name}"', "the strict language has no services"
                )
        self.unused_functions(models)
        if not self.parts:
            raise SanchaError(
                "nothing of the model can be held in the strict language",
                where=self.definitions.path,
                help="\n".join(f"line {e.line}, {e.where}: {e.what}" for e in self.entries[:10]),
            )
        self.checks(models)
        self.emit(folder)
        return self.entries

    def lose(self, line: int, where: str, what: str) -> None:
        self.entries.append(Entry("lost", line, where, what))

    def unused_functions(self, models: Iterable[m.Definitions]) -> None:
        for d in models:
            for knowledge in d.knowledge_models:
                logic = knowledge.logic
                if logic is not None and logic.kind != "FEEL":
                    self.lose(
                        knowledge.line,
                        f'knowledge model "{knowledge.name}"',
                        f"its body is {logic.kind}, not FEEL",
                    )

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

    # -- input data ---------------------------------------------------------------------------------------

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
                self.facts_of[key] = s.Name(_NOWHERE, "as_of")
                continue
            if type_ is None:
                shown = f"the type `{data.type_ref}`" if data.type_ref else "no type"
                members = {
                    n.split(".", 1)[1]: ref for n, ref in hints.items() if n.startswith(f"{data.name}.")
                }
                if members:
                    fields = tuple((n, self.type_of(d, r) or _Type("text"), None) for n, r in members.items())
                    type_ = _Type(fields=fields)
                    self.entries.append(
                        Entry(
                            "changed",
                            data.line,
                            where,
                            f"{shown}: its members are those that the tables read",
                        )
                    )
                else:
                    type_ = _Type("text")
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
            type_ = self.type_of(d, ref) or _Type("text")
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

    def type_of(self, d: m.Definitions, ref: str | None, depth: int = 0) -> _Type | None:
        if ref is None or depth > _DEPTH:
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
        return _Type(_SCALARS[ref]) if ref in _SCALARS else None

    def item_type(self, d: m.Definitions, item: m.ItemDefinition, depth: int) -> _Type | None:
        found: _Type | None
        if item.components:
            parts = ((part, self.item_type(d, part, depth + 1)) for part in item.components)
            found = _Type(
                fields=tuple((part.name, type_, part.label) for part, type_ in parts if type_ is not None)
            )
        else:
            found = self.type_of(d, item.type_ref, depth + 1)
            values = _enumeration(item.allowed_values)
            if found is not None and found.scalar == "text" and values is not None:
                found = _Type(f"one of [{', '.join(values)}]")
        if found is not None and item.is_collection:
            found = _Type(element=found)
        return found

    def vocabulary(self, name: str, label: str, type_: _Type, line: int) -> Meaning:
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

    def members(self, group: str, prefix: str, type_: _Type, line: int) -> Group:
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
        key = _unique(snake(name), facts)
        facts[key] = {"type": type_, "label": {"en": label}}
        return s.Path(_NOWHERE, s.Name(_NOWHERE, group), key, _NOWHERE)

    def list_fact(self, name: str, label: str, element: _Type, line: int) -> ItemList:
        node = s.Name(_NOWHERE, name)
        if element.scalar is not None:
            fields = {"value": {"type": element.scalar, "label": {"en": "value"}}}
            self.lists[name] = {"label": {"en": label}, "fields": fields}
            return ItemList(s.Path(_NOWHERE, node, "value", _NOWHERE), None)
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
            key = _unique(snake(original), specs)
            specs[key] = {"type": text, "label": {"en": field_label or original}}
            names[original] = key
        if not specs:
            raise Lost("a list whose items have no plain fields")
        self.lists[name] = {"label": {"en": label}, "fields": specs}
        return ItemList(node, names)

    # -- decisions ----------------------------------------------------------------------------------------

    def result(self, d: m.Definitions, decision: m.Decision) -> Meaning:
        """What the name of a decision stands for, its logic carried over. Raises Lost inside other decisions."""
        key = (d.namespace, decision.id or decision.name)
        if key not in self.done:
            self.done[key] = Lost("decisions that require each other in a circle", decision.line)
            outer, self.where = self.where, f'decision "{decision.name}"'
            mark = None
            known = self.scope.decisions
            try:
                names = self.names(d, decision)  # with all that it requires
                mark, known = len(self.parts), self.scope.decisions
                self.done[key] = self.decide(d, decision, names)
            except Lost as lost:
                if mark is not None:
                    del self.parts[mark:]
                    self.scope = replace(self.scope, decisions=known)
                held = {name for name, _, _ in self.parts}
                self.called = {key: x for key, x in self.called.items() if x.name in held}
                self.depth = 0
                self.entries = [e for e in self.entries if e.where != self.where or e.kind == "lost"]
                self.done[key] = lost
                self.lose(lost.line or decision.line, self.where, lost.what)
            self.where = outer
        found = self.done[key]
        if isinstance(found, Lost):
            raise Lost(f'it requires the decision "{decision.name}", which is left out')
        return found

    def decide(self, d: m.Definitions, decision: m.Decision, names: Mapping[str, Meaning]) -> Meaning:
        if decision.expression is None:
            raise Lost("it has no logic")
        name = self.fresh(decision.name)
        text = "\n\n".join(
            x for x in (decision.description, decision.question, decision.allowed_answers) if x and x.strip()
        )
        self.clauses[f"dmn.{name}"] = (decision.label or decision.name, text.strip())
        return self.boxed(
            d, decision.expression, names, name, decision.label or decision.name, decision.type_ref
        )

    def names(self, d: m.Definitions, element: m.Decision | m.BusinessKnowledgeModel) -> dict[str, Meaning]:
        """What the logic of an element may name."""
        out: dict[str, Meaning] = dict(self.loose.get(d.namespace, {}))
        references = [*element.required_knowledge]
        if isinstance(element, m.Decision):
            references += [*element.required_inputs, *element.required_decisions]
        elements: list[tuple[m.Definitions, m.DrgElement, str]] = []
        for reference in references:
            target = self.by_namespace.get(reference.namespace or d.namespace)
            found = None
            if target is not None:
                found = next((e for e in target.elements if e.id == reference.target), None)
            if found is None or target is None:
                raise Lost(f"the requirement `{reference.href}` leads nowhere", reference.line)
            prefix = ""
            if target is not d:
                prefix = next((i.name for i in d.imports if i.namespace == target.namespace), "")
            elements.append((target, found, prefix))
        if not references and isinstance(element, m.Decision):
            # Models of some tools name elements without requiring them.
            elements = [(d, e, "") for e in d.elements if e is not element and not isinstance(e, m.Decision)]
        for target, found, prefix in elements:
            meaning = self.meaning_of(target, found)
            if prefix:
                known = out.get(prefix)
                members = dict(known.members) if isinstance(known, Group) else {}
                out[prefix] = Group({**members, found.name: meaning})
            else:
                out[found.name] = meaning
                if isinstance(found, m.Decision) and found.variable is not None:
                    out[found.variable.name] = meaning
        return out

    def meaning_of(self, d: m.Definitions, element: m.DrgElement) -> Meaning:
        match element:
            case m.InputData():
                key = (d.namespace, element.id or element.name)
                if key not in self.facts_of:
                    raise Lost(f'it reads the input data "{element.name}", which is left out')
                return self.facts_of[key]
            case m.Decision():
                return self.result(d, element)
            case m.BusinessKnowledgeModel():
                if element.logic is None:
                    raise Lost(f'the knowledge model "{element.name}" has no logic')
                if id(element) in self.models:
                    return self.models[id(element)]
                if id(element) in self.open:
                    raise Lost(f'the knowledge model "{element.name}" calls itself')
                self.open.add(id(element))
                try:
                    found = self.models[id(element)] = _Model(
                        element.name, element.logic, self.names(d, element)
                    )
                    return found
                finally:
                    self.open.discard(id(element))
        raise Lost(f'it calls the decision service "{element.name}"')

    # -- boxed expressions --------------------------------------------------------------------------------

    def boxed(
        self,
        d: m.Definitions,
        expression: m.Expression,
        names: Mapping[str, Meaning],
        name: str,
        title: str,
        type_ref: str | None,
    ) -> Meaning:
        """A boxed expression as a part of the pack called `name`, and what stands for it."""
        type_ref = type_ref or expression.type_ref
        if isinstance(expression, m.DecisionTable):
            return self.table(d, expression, names, name, title, type_ref)
        if isinstance(expression, m.Context) and all(e.variable is not None for e in expression.entries):
            members: dict[str, Meaning] = {}
            held = dict(names)
            for entry in expression.entries:
                assert entry.variable is not None
                if entry.value is None:
                    raise Lost(f'the entry "{entry.variable.name}" has no value', entry.line)
                part = self.fresh(f"{name} {entry.variable.name}")
                self.clauses.setdefault(f"dmn.{part}", (f"{title}: {entry.variable.name}", ""))
                if isinstance(entry.value, m.FunctionDefinition):
                    meaning: Meaning = _Model(entry.variable.name, entry.value, dict(held))
                else:
                    meaning = self.boxed(
                        d, entry.value, held, part, f"{title}: {entry.variable.name}", entry.variable.type_ref
                    )
                members[entry.variable.name] = held[entry.variable.name] = meaning
            return Group(members)
        tree = self.tree(d, expression, names, name, title)
        return self.literal(tree, name, title, self.type_of(d, type_ref), expression.line)

    def literal(self, tree: s.Node, name: str, title: str, type_: _Type | None, line: int) -> s.Node:
        """A decision of one expression."""
        text = to_text(tree)
        declared = t.parse_type(type_.scalar) if type_ is not None and type_.scalar is not None else None
        core, defects = check(text, self.scope, declared)
        if core is None and declared is not None:
            core, more = check(text, self.scope)
            if core is not None:
                self.entries.append(
                    Entry(
                        "changed",
                        line,
                        self.where,
                        f"its declared type {declared} is not that of its expression",
                    )
                )
            defects, declared = more or defects, None
        if core is None:
            raise Lost(f"`{_short(text)}`: {defects[0].message}", line)
        found = declared or _declarable(core.type)
        if found is None:
            raise Lost(f"`{_short(text)}` has no type of the strict language", line)
        self.add("decision", name, title, {"type": str(found), "value": text}, None)
        self.scope = replace(
            self.scope, decisions={**self.scope.decisions, name: Callable_(name, (), ((name, found),))}
        )
        return s.Name(_NOWHERE, name)

    def add(
        self, kind: str, name: str, title: str, body: Mapping[str, Any], rows: list[list[str]] | None
    ) -> None:
        clause = f"dmn.{name}"
        self.clauses.setdefault(clause, (title, ""))
        part = {kind: name, "title": {"en": title}, **body, "clause": clause}
        part["source"] = {"document": "MODEL", "evidence": "B"}
        self.parts.append((name, part, rows))

    def tree(
        self,
        d: m.Definitions,
        expression: m.Expression | None,
        names: Mapping[str, Meaning],
        name: str,
        title: str,
    ) -> s.Node:
        """A boxed expression as strict syntax. Tables within it become parts of their own."""
        match expression:
            case m.LiteralExpression():
                return self.text(d, expression.text, names)
            case m.Conditional():
                parts = (expression.condition, expression.then, expression.otherwise)
                trees = [self.tree(d, part, names, name, title) for part in parts]
                return s.If(_NOWHERE, trees[0], trees[1], trees[2])
            case m.Context():
                held = dict(names)
                for entry in expression.entries:
                    if entry.variable is None:
                        return _bounded(self.tree(d, entry.value, held, name, title), entry.line)
                    held[entry.variable.name] = self.entry(d, entry, held, name, title)
                raise Lost("a context in a place for one value", expression.line)
            case m.Iterator(kind="some" | "every"):
                source, fields = self.boxed_list(d, expression.collection, names, name, title)
                variable = _unique(snake(expression.variable), self.taken)
                bound = s.Name(_NOWHERE, variable)
                held = {**names, expression.variable: bound if fields is None else _Item(bound, fields)}
                body = self.tree(d, expression.body, held, name, title)
                return s.Quantified(_NOWHERE, expression.kind, ((variable, source),), body)
            case m.Filter():
                return self.boxed_list(d, expression, names, name, title)[0]
            case m.Invocation():
                if not isinstance(expression.function, m.LiteralExpression):
                    raise Lost("an invocation of something else than a named function", expression.line)
                given = {}
                for binding in expression.bindings:
                    given[binding.parameter.name] = self.tree(d, binding.value, names, name, title)
                text = expression.function.text.text.strip()
                found = _resolve(parse_name(text, self.known(names)), names)
                if not isinstance(found, _Model):
                    raise Lost(f"`{text}` is no knowledge model", expression.line)
                return self.invoke(d, found, list(given.values()), list(given), expression.line)
            case m.DecisionTable():
                part = self.fresh(f"{name} table")
                meaning = self.table(d, expression, names, part, title, None)
                if isinstance(meaning, Group):
                    raise Lost("a table with several outputs in a place for one value", expression.line)
                assert isinstance(meaning, s.Node)
                return meaning
            case None:
                return _NULL
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(expression).__name__).lower()
        raise Lost(f"the strict language has no boxed {kind.removeprefix('boxed ')}", expression.line)

    def entry(
        self, d: m.Definitions, entry: m.ContextEntry, names: Mapping[str, Meaning], name: str, title: str
    ) -> Meaning:
        """What an entry of a context stands for in those after it."""
        assert entry.variable is not None
        if isinstance(entry.value, m.FunctionDefinition):
            return _Model(entry.variable.name, entry.value, names)
        if isinstance(entry.value, m.LiteralExpression):
            tree = self.parsed(d, entry.value.text, names)
            found = _resolve(tree, names)
            if found is not None:
                return found
            if isinstance(tree, s.Filter | s.Path):
                node, fields = self.listing(tree, names, entry.line)
                return ItemList(node, fields) if fields is not None or isinstance(tree, s.Filter) else node
        return self.tree(d, entry.value, names, f"{name} {entry.variable.name}", title)

    def boxed_list(
        self,
        d: m.Definitions,
        expression: m.Expression | None,
        names: Mapping[str, Meaning],
        name: str,
        title: str,
    ) -> tuple[s.Node, Mapping[str, str] | None]:
        if isinstance(expression, m.LiteralExpression):
            return self.listing(self.parsed(d, expression.text, names), names, expression.line)
        if isinstance(expression, m.Filter):
            base, fields = self.boxed_list(d, expression.collection, names, name, title)
            condition = self.tree(d, expression.match, self.within(names, fields), name, title)
            return s.Filter(_NOWHERE, base, condition), fields
        return self.tree(d, expression, names, name, title), None

    # -- texts --------------------------------------------------------------------------------------------

    def known(self, names: Mapping[str, Meaning]) -> frozenset[str]:
        return frozenset(names) | self.keys

    def parsed(self, d: m.Definitions, text: m.Text, names: Mapping[str, Meaning]) -> s.Node:
        language = text.language or d.expression_language or "feel"
        if "feel" not in language.lower():
            raise Lost(f"the expression language `{language}` is not FEEL", text.line)
        if not text.text.strip():
            return _NULL
        try:
            return parse_dmn(text.text, self.known(names))
        except FeelSyntaxError as error:
            raise Lost(f"`{_short(text.text)}`: {error.message}", text.line) from None

    def text(self, d: m.Definitions, text: m.Text, names: Mapping[str, Meaning]) -> s.Node:
        with _at(text.line):
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
                    fresh = _unique(snake(variable), self.taken)
                    bound = s.Name(_NOWHERE, fresh)
                    held[variable] = bound if fields is None else _Item(bound, fields)
                    bindings.append((fresh, found))
                return replace(node, bindings=tuple(bindings), body=self.strict(node.body, held, d))
            case s.Call():
                return self.call(node, names, d)
            case s.Invoke():
                function = _resolve(node.function, names)
                if isinstance(function, _Model):
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
        found = _resolve(node, names)
        if isinstance(found, s.Node):
            return found
        if isinstance(found, ItemList):
            return found.node
        if isinstance(found, Group):
            raise Lost(f"`{to_text(node)}` stands for several values")
        if isinstance(found, _Item):
            raise Lost(f"an item of a list as a value: `{to_text(node)}`")
        if isinstance(found, _Model | Alias):
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
            return s.Path(_NOWHERE, base, fields[node.name], _NOWHERE)
        if node.name == "days" and isinstance(base, s.Binary) and base.op == "-":
            return _call("days between", base.right, base.left)
        return s.Path(_NOWHERE, base, node.name, _NOWHERE)

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
                return _call(word, node.left.right, node.left.left)
        return node

    def call(self, node: s.Call, names: Mapping[str, Meaning], d: m.Definitions) -> s.Node:
        found = _resolve(s.Name(_NOWHERE, node.function), names)
        given = [
            self.listing(a, names, 0, d)[0]
            if isinstance(a, s.Name | s.Path | s.Filter)
            else self.strict(a, names, d)
            for a in node.arguments
        ]
        if isinstance(found, _Model):
            return self.invoke(d, found, given, list(node.names), 0)
        if isinstance(found, Alias):
            return _call(found.function, *given[: found.arguments])
        if node.function in ("date", "date and time", "duration") and len(node.arguments) == 1:
            argument = node.arguments[0]
            if isinstance(argument, s.Literal) and isinstance(argument.value, str):
                return self.strict(s.Temporal(_NOWHERE, argument.value), names, d)
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
        found = _resolve(node, names)
        if isinstance(found, ItemList):
            return found.node, found.fields
        if isinstance(node, s.Filter):
            base, fields = self.listing(node.base, names, line, d)
            condition = self.strict(node.condition, self.within(names, fields), d)
            return s.Filter(_NOWHERE, base, condition), fields
        if isinstance(node, s.Name | s.Path):
            return self.path(node, names, d), None
        return self.strict(node, names, d), None

    def within(self, names: Mapping[str, Meaning], fields: Mapping[str, str] | None) -> dict[str, Meaning]:
        """The names within a filter."""
        item = s.Name(_NOWHERE, "item")
        if fields is None:
            return {**names, "item": item}
        own: dict[str, Meaning] = {k: s.Name(_NOWHERE, v) for k, v in fields.items()}
        return {**names, **own, "item": _Item(item, fields)}

    # -- functions ----------------------------------------------------------------------------------------

    def invoke(
        self, d: m.Definitions, model: _Model, given: list[s.Node], by_name: list[str], line: int
    ) -> s.Node:
        """A call with its arguments put in place; a decision table becomes one that is called."""
        function = model.function
        if function.kind != "FEEL" or function.body is None:
            raise Lost(f'the function "{model.name}" has no body in FEEL', line)
        parameters = [p.name for p in function.parameters]
        if by_name:
            if set(by_name) - set(parameters):
                raise Lost(f'the function "{model.name}" has no parameter `{by_name[0]}`', line)
            values = dict(zip(by_name, given, strict=True))
            given = [values.get(p, _NULL) for p in parameters]
        if len(given) != len(parameters):
            raise Lost(
                f'the function "{model.name}" takes {len(parameters)} arguments, not {len(given)}', line
            )
        arguments: dict[str, Meaning] = dict(zip(parameters, given, strict=True))
        if isinstance(function.body, m.DecisionTable):
            called = self.called_table(d, model)
            names = {**model.scope, **arguments}
            values_ = [self.strict(part, names, d) for part in called.inputs]
            return _call(called.name, *values_)
        self.depth += 1
        if self.depth > _DEPTH:
            raise Lost(f'the function "{model.name}" calls itself', line)
        tree = self.tree(d, function.body, {**model.scope, **arguments}, snake(model.name), model.name)
        self.depth -= 1
        return _bounded(tree, line)

    def called_table(self, d: m.Definitions, model: _Model) -> _Called:
        body = model.function.body
        assert isinstance(body, m.DecisionTable)
        if id(body) not in self.called:
            types = {p.name: p.type_ref for p in model.function.parameters}
            inputs, columns = [], []
            for clause in body.inputs:
                if clause.expression is None:
                    raise Lost("an input column without an expression", clause.line)
                tree = self.parsed(d, clause.expression.text, {**model.scope, **dict.fromkeys(types, _NULL)})
                ref = clause.expression.type_ref or (
                    types.get(tree.name) if isinstance(tree, s.Name) else None
                )
                type_ = self.type_of(d, ref)
                if isinstance(tree, s.Name) and type_ is not None:
                    better = self.type_of(d, types.get(tree.name))
                    type_ = better if better is not None and better.scalar else type_
                if type_ is None or type_.scalar is None:
                    raise Lost(f'the knowledge model "{model.name}" has an input without a type', clause.line)
                inputs.append(tree)
                columns.append((clause.label or clause.expression.text.text, None, type_.scalar))
            name = self.fresh(model.name)
            self.clauses.setdefault(f"dmn.{name}", (model.name, ""))
            meaning = self.rows(d, body, columns, name, model.name, self.output_ref(model.function), {})
            if not isinstance(meaning, s.Node):
                raise Lost(f'the knowledge model "{model.name}" has several outputs', body.line)
            self.called[id(body)] = _Called(name, tuple(inputs))
        return self.called[id(body)]

    def output_ref(self, function: m.FunctionDefinition) -> str | None:
        return function.body.type_ref if function.body is not None else None

    # -- decision tables ----------------------------------------------------------------------------------

    def table(
        self,
        d: m.Definitions,
        table: m.DecisionTable,
        names: Mapping[str, Meaning],
        name: str,
        title: str,
        type_ref: str | None,
    ) -> Meaning:
        columns: list[tuple[str, str | None, str]] = []
        for clause in table.inputs:
            if clause.expression is None:
                raise Lost("an input column without an expression", clause.line)
            text = to_text(self.text(d, clause.expression.text, names))
            core, defects = check(text, self.scope)
            if core is None:
                raise Lost(f"`{_short(text)}`: {defects[0].message}", clause.line)
            declared = self.type_of(d, clause.expression.type_ref)
            found = _declarable(core.type)
            shown = str(found) if found is not None else (declared.scalar if declared else None) or "text"
            columns.append((clause.label or clause.expression.text.text, text, shown))
        return self.rows(d, table, columns, name, title, type_ref, names)

    def rows(
        self,
        d: m.Definitions,
        table: m.DecisionTable,
        columns: Sequence[tuple[str, str | None, str]],
        name: str,
        title: str,
        type_ref: str | None,
        names: Mapping[str, Meaning],
    ) -> Meaning:
        """A table with its input columns (label, expression or None, type)."""
        if table.policy in _LISTS:
            raise Lost(f"hit policy {table.policy}: {_LISTS[table.policy]}", table.line)
        if not columns or not table.rules:
            raise Lost("a table without inputs or without rows", table.line)
        if not table.outputs or any(
            len(r.inputs) != len(columns) or len(r.outputs) != len(table.outputs) for r in table.rules
        ):
            raise Lost("a table whose rows have not a cell for each column", table.line)
        policy = _POLICIES[table.policy]
        rules = self.by_priority(d, table, type_ref) if table.policy == "P" else list(table.rules)
        heads: dict[str, None] = {}
        for label, _, _ in columns:
            heads[_unique(snake(label), heads)] = None
        inputs = list(heads)
        types = [t.parse_type(type_) or t.TEXT for _, _, type_ in columns]
        cells = [
            [self.cell(d, test, types, i, names) for i, test in enumerate(rule.inputs)] for rule in rules
        ]
        # Values stand bare where, after all cells, the input still is one of a list.
        cells = [[_bare(parse_tests(x), types[i]) or x for i, x in enumerate(row)] for row in cells]
        outputs = self.outputs(d, table, rules, type_ref, names, policy)
        if outputs is None:
            return self.computed(
                d, table, rules, cells, inputs, columns, types, name, title, type_ref, names, policy
            )
        for output, _, _ in outputs:
            heads[_unique(output, heads)] = None
        out_names = list(heads)[len(inputs) :]
        notes = ["; ".join(a.strip() for a in rule.annotations if a.strip()) for rule in rules]
        lines = [[*row, *(texts[i] for _, _, texts in outputs), notes[i]] for i, row in enumerate(cells)]
        policy = self.separate(policy, table, types, outputs, cells, name)
        default = self.default(d, table, outputs, names)
        if policy == "collect sum" and default is None:
            default = ["null"] * len(outputs)  # no rows: 0 in the strict language, null in the standard
        self.part(
            name,
            title,
            policy,
            inputs,
            columns,
            types,
            list(zip(out_names, (o[1] for o in outputs), strict=True)),
            lines,
            default,
        )
        node = s.Name(_NOWHERE, name)
        if len(outputs) == 1:
            return node
        return Group(
            {
                clause.name or f"output {i + 1}": s.Path(_NOWHERE, node, out_names[i], _NOWHERE)
                for i, clause in enumerate(table.outputs)
            }
        )

    def part(
        self,
        name: str,
        title: str,
        policy: str,
        inputs: Sequence[str],
        columns: Sequence[tuple[str, str | None, str]],
        types: Sequence[t.Type],
        outputs: Sequence[tuple[str, t.Type]],
        lines: list[list[str]],
        default: list[str] | None,
    ) -> None:
        shown = []
        for head, (_, text, _), type_ in zip(inputs, columns, types, strict=True):
            core = None if text is None else check(text, self.scope)[0]
            same = core is not None and core.type == type_
            shown.append(
                {"name": head}
                | ({} if text is None else {"expression": text})
                | ({} if same else {"type": str(type_)})
            )
        body: dict[str, Any] = {
            "hit policy": policy,
            "inputs": shown,
            "outputs": [{"name": n, "type": str(type_)} for n, type_ in outputs],
            "rows": f"{name}.csv",
        }
        if default is not None:
            body["default"] = default
        self.add("table", name, title, body, [[*inputs, *(n for n, _ in outputs), "note"], *lines])
        called = all(text is None for _, text, _ in columns)
        arguments = tuple(zip(inputs, types, strict=True)) if called else ()
        signature = Callable_(name, arguments, tuple(outputs))
        self.scope = replace(self.scope, decisions={**self.scope.decisions, name: signature})

    def cell(
        self,
        d: m.Definitions,
        tests: m.UnaryTests,
        types: list[t.Type],
        i: int,
        names: Mapping[str, Meaning],
    ) -> str:
        """A cell in strict form. A value that the type of the input lacks makes the column one of texts."""
        text = tests.text
        if not text.text.strip():
            return "-"
        try:
            tree = parse_dmn_tests(text.text, self.known(names))
        except FeelSyntaxError as error:
            raise Lost(f"the cell `{_short(text.text)}`: {error.message}", text.line) from None
        with _at(text.line):
            cell = cell_to_text(self.strict(tree, names, d))
        _, defects = check_cell(cell, c.Var(types[i], input_name(i)), Scope())
        if defects and types[i].name == "one of":
            types[i] = t.TEXT
            _, defects = check_cell(cell, c.Var(t.TEXT, input_name(i)), Scope())
        if defects:
            raise Lost(f"the cell `{_short(cell)}`: {defects[0].message}", text.line)
        return cell

    def outputs(
        self,
        d: m.Definitions,
        table: m.DecisionTable,
        rules: Sequence[m.Rule],
        type_ref: str | None,
        names: Mapping[str, Meaning],
        policy: str,
    ) -> list[tuple[str, t.Type, list[str]]] | None:
        """The output columns as (name, type, cells); None where a cell is not a constant."""
        out = []
        whole = self.type_of(d, type_ref)
        for i, clause in enumerate(table.outputs):
            declared = self.type_of(d, clause.type_ref)
            if declared is None and whole is not None:
                declared = (
                    whole
                    if len(table.outputs) == 1
                    else {n: p for n, p, _ in whole.fields or ()}.get(clause.name or "")
                )
            texts = []
            found = t.NULL
            for rule in rules:
                tree = self.text(d, rule.outputs[i].text, names)
                text = to_text(tree)
                core, _ = check(text, Scope())
                if core is None:
                    return None
                joined = t.common(found, core.type)
                if joined is None:
                    raise Lost("outputs of different types in one column", rule.line)
                found = joined
                texts.append(text)
            type_ = t.parse_type(declared.scalar) if declared is not None and declared.scalar else None
            values = _enumeration(clause.values)
            if values is not None and found.name in ("text", "null"):
                type_ = t.one_of(*values)
            type_ = type_ or _declarable(found)
            if policy == "collect count":
                type_ = t.NUMBER
                texts = ["1"] * len(texts)
            if type_ is None:
                raise Lost("an output without a type", clause.line)
            if any(check_value(x, type_, Scope())[1] for x in texts):
                type_ = _declarable(found)
                if type_ is None or any(check_value(x, type_, Scope())[1] for x in texts):
                    raise Lost("outputs that are not of the declared type", clause.line)
            if type_.name == "one of":
                texts = [x[1:-1] if x[1:-1] in type_.values and x[:1] == '"' else x for x in texts]
            out.append((snake(clause.name or clause.label or table.output_label or "result"), type_, texts))
        return out

    def default(
        self,
        d: m.Definitions,
        table: m.DecisionTable,
        outputs: Sequence[tuple[str, t.Type, list[str]]],
        names: Mapping[str, Meaning],
    ) -> list[str] | None:
        given = [clause.default for clause in table.outputs]
        if all(x is None or not x.text.text.strip() for x in given):
            return None
        texts = ["null" if x is None else to_text(self.text(d, x.text, names)) for x in given]
        for text, (_, type_, _) in zip(texts, outputs, strict=True):
            if defects := check_value(text, type_, Scope())[1]:
                raise Lost(f"the default `{text}`: {defects[0].message}", table.line)
        self.entries.append(
            Entry(
                "changed",
                table.line,
                self.where,
                "with a value missing, the default stands only if no row may match",
            )
        )
        return texts

    def separate(
        self,
        policy: str,
        table: m.DecisionTable,
        types: Sequence[t.Type],
        outputs: Sequence[tuple[str, t.Type, list[str]]],
        cells: Sequence[Sequence[str]],
        name: str,
    ) -> str:
        """`any` for a unique table two of whose rows both match: the strict language refuses it as unique."""
        if policy != "unique":
            return policy
        rows = []
        for number, row in enumerate(cells, 1):
            tests = [
                check_cell(x, c.Var(types[i], input_name(i)), Scope())[0] or c.TRUE for i, x in enumerate(row)
            ]
            rows.append(Row(tuple(tests), (), number))
        shape = Table(name, policy, tuple(("", x) for x in types), (), tuple(rows), None)
        pair = next(overlaps(shape), None)
        if pair is None:
            return policy
        what = f"rows {pair[0].number} and {pair[1].number} of a unique table both match: its hit policy is now any"
        self.entries.append(Entry("changed", table.rules[pair[1].number - 1].line, self.where, what))
        return "any"

    def computed(
        self,
        d: m.Definitions,
        table: m.DecisionTable,
        rules: Sequence[m.Rule],
        cells: list[list[str]],
        inputs: Sequence[str],
        columns: Sequence[tuple[str, str | None, str]],
        types: Sequence[t.Type],
        name: str,
        title: str,
        type_ref: str | None,
        names: Mapping[str, Meaning],
        policy: str,
    ) -> Meaning:
        """A table whose outputs are computed: it finds the row, and a decision for each output computes that row's."""
        if policy.startswith("collect"):
            raise Lost(f"hit policy {table.policy} over outputs that are computed", table.line)
        if any(text is None for _, text, _ in columns):
            raise Lost("a table that is called, with outputs that are computed", table.line)
        texts = [tuple(to_text(self.text(d, x.text, names)) for x in rule.outputs) for rule in rules]
        if any(x.default is not None and x.default.text.text.strip() for x in table.outputs):
            last = tuple(
                "null" if x.default is None else to_text(self.text(d, x.default.text, names))
                for x in table.outputs
            )
        else:
            last = None
        distinct = list(dict.fromkeys(texts))
        finder = self.fresh(f"{name} row")
        policy = self.separate(policy, table, types, [], cells, name)
        lines = [[*row, str(distinct.index(texts[i]) + 1), ""] for i, row in enumerate(cells)]
        default = None if last is None else ["0"]
        head = _unique("row", dict.fromkeys(inputs))
        self.part(
            finder, f"{title}: the row", policy, inputs, columns, types, [(head, t.INTEGER)], lines, default
        )
        whole = self.type_of(d, type_ref)
        members: dict[str, Meaning] = {}
        for i, clause in enumerate(table.outputs):
            tree: s.Node = _NULL
            cases = [(n, row[i]) for n, row in enumerate(distinct, 1)] + (
                [] if last is None else [(0, last[i])]
            )
            for number, text in reversed(cases):
                asked = s.Binary(
                    _NOWHERE, "=", s.Name(_NOWHERE, finder), s.Literal(_NOWHERE, _decimal(number))
                )
                tree = s.If(_NOWHERE, asked, parse(text), tree)
            single = len(table.outputs) == 1
            part = name if single else self.fresh(f"{name} {clause.name or i + 1}")
            type_ = self.type_of(d, clause.type_ref) or (whole if single else None)
            members[clause.name or f"output {i + 1}"] = self.literal(tree, part, title, type_, table.line)
        return next(iter(members.values())) if len(members) == 1 else Group(members)

    def by_priority(self, d: m.Definitions, table: m.DecisionTable, type_ref: str | None) -> list[m.Rule]:
        """The rows in the order of their outputs' priority: the first that matches is the one of highest priority."""
        orders = []
        for clause in table.outputs:
            values = _enumeration(clause.values)
            if values is None:
                item = next((x for x in d.item_definitions if x.name == (clause.type_ref or type_ref)), None)
                values = _enumeration(item.allowed_values) if item is not None else None
            orders.append(values)
        if all(order is None for order in orders):
            raise Lost("hit policy P without output values to order by", table.line)

        def rank(rule: m.Rule) -> tuple[int, ...]:
            out = []
            for order, output in zip(orders, rule.outputs, strict=True):
                if order is not None:
                    value = output.text.text.strip().strip('"')
                    if value not in order:
                        raise Lost(f"hit policy P: `{value}` is no output value", output.line)
                    out.append(order.index(value))
            return tuple(out)

        self.entries.append(
            Entry(
                "changed",
                table.line,
                self.where,
                "hit policy P: the rows stand in order of priority, the first counts",
            )
        )
        return sorted(table.rules, key=rank)

    def bare(self, cell: s.Node, type_: t.Type) -> str | None:
        return _bare(cell, type_)

    # -- the files of the pack ----------------------------------------------------------------------------

    def checks(self, models: Iterable[m.Definitions]) -> None:
        """A rule for each decision that none other requires: that it is reached."""
        required = {
            (r.namespace or d.namespace, r.target)
            for d in models
            for x in d.decisions
            for r in x.required_decisions
            if not isinstance(self.done.get((d.namespace, x.id or x.name)), Lost)
        }
        number = 0
        for d in self.by_namespace.values():
            for decision in d.decisions:
                key = (d.namespace, decision.id or decision.name)
                found = self.done.get(key)
                if key in required or found is None or isinstance(found, Lost):
                    continue
                asked = [to_text(node) for node in _leaves(found)]
                if not asked:
                    continue
                number += 1
                title = decision.label or decision.name
                self.parts.append(
                    (
                        f"reached_{number:02d}",
                        {
                            "rule": f"DMN-{number:02d}",
                            "title": {"en": f"The decision {title} is reached"},
                            "stage": "pre-loan",
                            "judged on": "as_of",
                            "in force": {"from": "2000-01-01"},
                            "require": " and ".join(f"{x} != null" for x in asked),
                            "impact": "formal",
                            "clause": self.clause_of(asked[0]),
                            "source": {"document": "MODEL", "evidence": "B"},
                            "finding": {"en": f"The facts at hand do not lead to a decision: {title}."},
                            "recommend": {"en": "Complete the facts that the decision reads."},
                        },
                        None,
                    )
                )
        if number == 0:
            raise SanchaError(
                "nothing of the model can be held in the strict language", where=self.definitions.path
            )
        self.entries.append(
            Entry(
                "added",
                0,
                f"{number} rules DMN-…",
                "a pack has rules: each asks that a decision of the model is reached",
            )
        )

    def clause_of(self, name: str) -> str:
        return f"dmn.{name.split('.')[0]}"

    def emit(self, folder: Path) -> None:
        group = self.fresh("file")
        self.groups = {
            group: {
                "label": {"en": "File"},
                "facts": {
                    "branch": {"type": "text", "label": {"en": "branch"}},
                    "exposure": {"type": "money", "label": {"en": "exposure"}},
                },
            },
            **self.groups,
        }
        self.entries.append(
            Entry(
                "added",
                0,
                f"facts {group}.branch and {group}.exposure",
                "every pack groups its results by them",
            )
        )
        title = self.definitions.label or self.definitions.name or self.definitions.path.stem
        _yaml(
            folder / "pack.yaml",
            {
                "pack": snake(title).replace("_", "-"),
                "version": "1.0.0",
                "title": {"en": title},
                "notice": {"en": f"Imported from the DMN model {self.definitions.path.name}."},
                "languages": ["en"],
                "currency": "CNY",
                "time zone": "Asia/Shanghai",
                "dimensions": {"branch": f"{group}.branch", "exposure": f"{group}.exposure"},
            },
        )
        vocabulary: dict[str, Any] = {"vocabulary": title, "groups": self.groups}
        if self.lists:
            vocabulary["lists"] = self.lists
        _yaml(folder / "vocabulary.yaml", vocabulary)
        source = f"DMN model {title}, namespace {self.definitions.namespace}"
        _yaml(folder / "sources.yaml", {"MODEL": {"en": source}})
        used = {str(part["clause"]) for _, part, _ in self.parts}
        (folder / "clauses").mkdir()
        text = "\n\n".join(
            f"## {id} {' '.join(head.split())}\n\n{re.sub(r'(?m)^##', '#', body)}".rstrip()
            for id, (head, body) in self.clauses.items()
            if id in used
        )
        (folder / "clauses" / "model.md").write_text(text + "\n", encoding="utf-8")
        (folder / "decisions").mkdir()
        for name, part, rows in self.parts:
            _yaml(folder / "decisions" / f"{name}.yaml", part)
            if rows is not None:
                held = io.StringIO()
                csv.writer(held, lineterminator="\n").writerows(rows)
                (folder / "decisions" / f"{name}.csv").write_text(held.getvalue(), encoding="utf-8")


# -- guards ------------------------------------------------------------------------------------------------------------


def unguarded(node: s.If) -> s.Node:
    """`if x = null then null else x > 3` without its guard, which the strict language has by itself."""
    if node.then != _NULL and not (isinstance(node.then, s.Literal) and node.then.value is None):
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


# -- small parts -------------------------------------------------------------------------------------------------------


@contextmanager
def _at(line: int) -> Iterator[None]:
    """Gives an error within its line, where it has none."""
    try:
        yield
    except Lost as lost:
        lost.line = lost.line or line
        raise


def parse_name(text: str, names: Iterable[str]) -> s.Node:
    try:
        return parse_dmn(text, names)
    except FeelSyntaxError:
        return s.Name(_NOWHERE, text)


def _resolve(node: s.Node, names: Mapping[str, Meaning]) -> Meaning | None:
    """What a name or path stands for, as far as it names something of the model."""
    if isinstance(node, s.Name):
        return names.get(node.name)
    if not isinstance(node, s.Path):
        return None
    base = _resolve(node.base, names)
    if isinstance(base, Group):
        found = base.members.get(node.name)
        if found is None:
            raise Lost(f"`{node.name}` is unknown, or left out")
        return found
    if isinstance(base, _Item):
        if node.name not in base.fields:
            raise Lost(f"the items have no field `{node.name}`")
        return s.Path(_NOWHERE, base.node, base.fields[node.name], _NOWHERE)
    return None


def _bounded(node: s.Node, line: int) -> s.Node:
    """The node, unless putting expressions in place of names has made it longer than anyone could read."""
    sizes: dict[int, int] = {}

    def size(part: s.Node) -> int:
        if id(part) not in sizes:
            sizes[id(part)] = 1 + sum(map(size, s.children(part)))
        return sizes[id(part)]

    if size(node) > _LARGEST:
        raise Lost("written out, with functions and entries in place of their names, it is too long", line)
    return node


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


def _leaves(meaning: Meaning) -> Iterator[s.Node]:
    if isinstance(meaning, s.Node):
        yield meaning
    elif isinstance(meaning, Group):
        for part in meaning.members.values():
            yield from _leaves(part)


def _call(function: str, *arguments: s.Node) -> s.Node:
    return s.Call(_NOWHERE, function, arguments, (), _NOWHERE)


def _decimal(number: int) -> Any:
    from decimal import Decimal

    return Decimal(number)


def _unique(name: str, taken: Iterable[str]) -> str:
    held = set(taken)
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 10_000))) if n not in held)


def _bare(cell: s.Node, type_: t.Type) -> str | None:
    """A cell of values of `one of` without quotes, as one writes it in a spreadsheet."""
    if type_.name != "one of" or not isinstance(cell, s.In):
        return None
    values = [x.value for x in cell.tests if isinstance(x, s.Literal) and isinstance(x.value, str)]
    plain = all(re.fullmatch(r"[^\W\d]\w*", v) and v not in KEYWORDS for v in values)
    return ", ".join(values) if plain and len(values) == len(cell.tests) else None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"


def _declarable(type_: t.Type) -> t.Type | None:
    """A type as the files of a pack can name it."""
    if type_.name == "numeral":
        return t.NUMBER
    return type_ if type_.name in (*t.SCALARS, "one of") else None


def _enumeration(tests: m.UnaryTests | None) -> tuple[str, ...] | None:
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


def _all(definitions: m.Definitions, seen: set[str] | None = None) -> Iterator[m.Definitions]:
    """The model and those that it imports, the imported ones first."""
    seen = set() if seen is None else seen
    if definitions.namespace in seen:
        return
    seen.add(definitions.namespace)
    for item in definitions.imports:
        if item.definitions is not None:
            yield from _all(item.definitions, seen)
    yield definitions


def _component_names(models: Iterable[m.Definitions]) -> Iterator[str]:
    def items(parts: Iterable[m.ItemDefinition]) -> Iterator[str]:
        for part in parts:
            yield part.name
            yield from items(part.components)

    for d in models:
        for item in d.item_definitions:
            yield from items(item.components)
        for decision in d.decisions:
            for table in _tables(decision.expression):
                yield from (x.name for x in table.outputs if x.name)
            yield from _entry_names(decision.expression)


def _entry_names(expression: m.Expression | None) -> Iterator[str]:
    if isinstance(expression, m.Context):
        for entry in expression.entries:
            if entry.variable is not None:
                yield entry.variable.name
            yield from _entry_names(entry.value)


def _tables(expression: m.Expression | None) -> Iterator[m.DecisionTable]:
    if isinstance(expression, m.DecisionTable):
        yield expression
    elif isinstance(expression, m.Context):
        for entry in expression.entries:
            yield from _tables(entry.value)


def _yaml(path: Path, value: Mapping[str, Any]) -> None:
    from ruamel.yaml import YAML

    writer = YAML()
    writer.width = 110
    writer.allow_unicode = True
    with path.open("w", encoding="utf-8") as file:
        writer.dump(dict(value), file)

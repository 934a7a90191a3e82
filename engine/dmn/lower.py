"""Boxed expressions and item definitions to the syntax tree and the types of FEEL, so that one evaluator runs all.

What cannot be lowered (a text that is no FEEL, an unknown type) is a problem with its place; the part becomes null,
and a table with such a cell becomes null as a whole, as no row of it can be trusted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sancha.engine.diagnostics import Diagnostic, Place, did_you_mean
from sancha.engine.dmn import model as m
from sancha.engine.dmn.source import Sources
from sancha.engine.feel import syntax as s
from sancha.engine.feel.core import Site
from sancha.engine.feel.kinds import (
    ANY,
    SIMPLE,
    Constraint,
    Kind,
    UnknownType,
    kind_from_type,
    restricted,
)
from sancha.engine.feel.lexer import FeelSyntaxError
from sancha.engine.feel.parser import parse_dmn, parse_dmn_source, parse_dmn_tests, parse_type
from sancha.engine.run.dynamic import Program, compile_dynamic

_NOWHERE = (0, 0)
_NULL = s.Literal(_NOWHERE, None)
#: Signs that a name may hold and that are operators elsewhere.
_SIGNS = frozenset("+-*/.'")


#: Texts without a name, which read alike everywhere: most cells of tables.
_CONSTANT = re.compile(r'(?:"[^"\\]*"|[\s\d.,<>=()\[\]-])*')


class _Named(Mapping[str, Kind]):
    """The types that a model sees by name: its own, and through its imports those of other models, one after another.

    An import without a name shows the imported model's own types only.
    """

    def __init__(self, types: Types) -> None:
        self.types = types

    def __getitem__(self, name: str) -> Kind:
        if name in self.types.own:
            return self.types.own[name]
        for prefix, imported in self.types.imported:
            if not prefix and name in imported.own:
                return imported.own[name]
            if (
                prefix
                and name.startswith(f"{prefix}.")
                and (rest := name[len(prefix) + 1 :]) in imported.named
            ):
                return imported.named[rest]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """Its own and those of the models that it imports itself."""
        names = dict.fromkeys(self.types.written)
        for prefix, imported in self.types.imported:
            names.update(dict.fromkeys(f"{prefix}.{name}" if prefix else name for name in imported.written))
        return iter(names)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Types:
    """The types that a model names, its own and (with the prefix of the import) those of the models it imports."""

    def __init__(
        self, definitions: m.Definitions, sources: Sources, known: dict[Path, Types] | None = None
    ) -> None:
        """`known` are the types of models that were read before, by the path; this one's are added."""
        known = {} if known is None else known
        known[definitions.path] = self
        self.definitions = definitions
        self.sources = sources
        self.problems: list[Diagnostic] = []
        self.own: dict[str, Kind] = {}
        self.imported: list[tuple[str, Types]] = []
        self.named: Mapping[str, Kind] = _Named(self)
        #: The tests of allowed values, with their texts and the names of components that they may speak of.
        self.tests: list[tuple[s.Located, m.Text, frozenset[str]]] = []
        #: The names of components, entries, columns and outputs: what may follow a point.
        self.keys: set[str] = set()
        for link in definitions.imports:
            if link.definitions is not None:
                path = link.definitions.path
                imported = known[path] if path in known else Types(link.definitions, sources, known)
                self.imported.append((link.name, imported))
                self.keys |= imported.keys | {element.name for element in link.definitions.elements}
        self.written = {item.name: item for item in definitions.item_definitions}
        self._open: list[str] = []
        for name in self.written:
            self._define(name)
        self.keys.update(_keys(definitions))
        self.keys.update(name for name in self.written if _SIGNS & set(name))

    def kind(self, type_ref: str | None, line: int) -> Kind:
        """The type that is written, `Any` where none is; an unknown one is a problem and `Any`."""
        if type_ref is None:
            return ANY
        name = type_ref
        if name in self.written:
            self._define(name)
        if name in self.named:
            return self.named[name]
        if name in SIMPLE:
            return kind_from_type(s.TypeName(_NOWHERE, name), {})
        try:
            return kind_from_type(parse_type(type_ref, list(self.named)), self.named)
        except (UnknownType, FeelSyntaxError):
            known = [*self.named, *SIMPLE]
            text = m.Text(text=type_ref, line=line)
            place = self.sources.place(self.definitions.path, text, 0, len(type_ref))
            self.problems.append(
                Diagnostic("E0907", f"there is no type `{type_ref}`", place, did_you_mean(type_ref, known))
            )
            return ANY

    def _line(self, line: int) -> str:
        return self.sources.line(self.definitions.path, line)

    def _define(self, name: str) -> None:
        if name in self.own and name in self._open:
            return
        if name in self._open:
            item = self.written[name]
            chain = " → ".join([*self._open[self._open.index(name) :], name])
            self.problems.append(
                Diagnostic(
                    "E0906",
                    f"a type that holds itself: {chain}",
                    Place(str(self.definitions.path), item.line, 1, 1, self._line(item.line)),
                    "its values are taken as they come, as of type `Any`",
                )
            )
            self.own[name] = ANY
            return
        if name not in self.own:
            self._open.append(name)
            kind = self._item(self.written[name])
            self._open.pop()
            self.own[name] = Kind(
                kind.name, kind.item, kind.fields, kind.parameters, kind.result, kind.allowed, name
            )

    def _item(self, item: m.ItemDefinition, beside: frozenset[str] = frozenset()) -> Kind:
        """The type of a definition, or of a component; `beside`: the names of the components of its context."""
        if item.components:
            names = frozenset(part.name for part in item.components)
            kind = Kind(
                "context", fields=tuple((part.name, self._item(part, names)) for part in item.components)
            )
        elif item.function is not None:
            function = item.function
            output = function.output_type_ref
            kind = Kind(
                "function",
                parameters=tuple(self.kind(p.type_ref, p.line) for p in function.parameters),
                result=None if output is None else self.kind(output, function.line),
            )
        else:
            kind = self.kind(item.type_ref, item.line)
        if item.allowed_values is not None:
            kind = self._restricted(
                kind, item.allowed_values, f'allowed values of type "{item.name}"', beside
            )
        if item.is_collection:
            kind = kind.list_of()
        if item.type_constraint is not None:
            kind = self._restricted(kind, item.type_constraint, f'constraint of type "{item.name}"', beside)
        return kind

    def _restricted(self, kind: Kind, tests: m.UnaryTests, place: str, beside: frozenset[str]) -> Kind:
        text = tests.text
        if not text.text.strip():
            return kind
        try:
            tree = parse_dmn_tests(text.text, {*beside, *_keys_of_kind(kind)})
        except FeelSyntaxError as error:
            at = self.sources.place(self.definitions.path, text, *error.span)
            self.problems.append(Diagnostic(error.code, f"{place}: {error.message}", at, error.help))
            return kind
        located = s.Located(_NOWHERE, place, text.text, tree)
        self.tests.append((located, text, beside))
        return restricted(kind, Constraint(" ".join(text.text.split()), _holds(located, beside, self.named)))


def _holds(
    tests: s.Node, beside: frozenset[str], types: Mapping[str, Kind]
) -> Callable[[Any, Mapping[str, Any]], bool]:
    """Unary tests as a function; compiled when it is first asked."""
    program: Program | None = None

    def holds(value: Any, context: Mapping[str, Any]) -> bool:
        nonlocal program
        if program is None:
            program = compile_dynamic(tests, [*beside, "?"], types)
        return program.run({**context, "?": value}).value is True

    return holds


def allowed_tests(text: str) -> tuple[s.Node, ...] | None:
    """The tests of a type's allowed values, in order: the priorities of outputs that name none themselves."""
    try:
        tree = parse_dmn_tests(text, ())
    except FeelSyntaxError:
        return None
    return tree.tests if isinstance(tree, s.In) else None


class Lowering:
    """The expressions of one model. `problems`, `places` (each with its text) and `tables` by place fill up."""

    def __init__(self, definitions: m.Definitions, types: Types, where: str = "") -> None:
        self.definitions = definitions
        self.types = types
        #: What follows the name of an element: places are told apart by it, those of imported models too.
        self.where = where
        self.keys = frozenset(types.keys)
        self.problems: list[Diagnostic] = []
        #: Where each problem of a text is, as warnings tell it.
        self.sites: dict[Diagnostic, Site] = {}
        self.places: dict[str, tuple[Path, m.Text]] = {}
        self.tables: dict[str, m.DecisionTable] = {}
        #: What was parsed: many cells of a table have one text.
        self._trees: dict[tuple[Any, str, frozenset[str]], s.Node] = {}

    # -- elements of the graph ----------------------------------------------------------------------------

    def decision(self, decision: m.Decision, names: Iterable[str]) -> s.Node | None:
        """The logic of a decision, its result of the type of its variable. None: it has no logic."""
        place = f'decision "{decision.name}"{self.where}'
        if decision.expression is None or _is_blank(decision.expression):
            return None
        expression = decision.expression
        if isinstance(expression, m.DecisionTable) and expression.type_ref is None:
            expression = replace(expression, type_ref=decision.type_ref)
        node = self.expression(expression, place, frozenset(names))
        if decision.type_ref == expression.type_ref:
            return node
        return self.typed(node, decision.type_ref, decision.line, place)

    def function(self, model: m.BusinessKnowledgeModel, names: Iterable[str]) -> s.Node | None:
        """A business knowledge model as a function. None: it has no logic."""
        if model.logic is None or _is_blank(model.logic.body):
            return None
        place = f'business knowledge model "{model.name}"{self.where}'
        kinds = [self.types.kind(ref, model.line) for ref in (model.logic.type_ref, model.type_ref)]
        return self.definition(model.logic, place, frozenset(names), kinds)

    # -- boxed expressions --------------------------------------------------------------------------------

    def expression(self, expression: m.Expression | None, place: str, names: frozenset[str]) -> s.Node:
        if expression is None:
            return _NULL
        match expression:
            case m.LiteralExpression():
                node = self.text(expression.text, place, names)
            case m.Context():
                node = self.context(expression, place, names)
            case m.Invocation():
                node = self.invocation(expression, place, names)
            case m.FunctionDefinition():
                return self.definition(
                    expression, place, names, [self.types.kind(expression.type_ref, expression.line)]
                )
            case m.BoxedList():
                node = s.ListOf(_NOWHERE, tuple(self.items(expression.items, place, names, "item")))
            case m.Relation():
                node = self.relation(expression, place, names)
            case m.Conditional():
                node = self.conditional(expression, place, names)
            case m.Filter():
                node = s.Filter(
                    _NOWHERE,
                    self.expression(expression.collection, f"{place}, in", names),
                    self.expression(expression.match, f"{place}, match", names | {"item"}),
                )
            case m.Iterator():
                node = self.iterator(expression, place, names)
            case m.DecisionTable():
                node = self.table(expression, place, names)
            case _:
                raise TypeError(type(expression).__name__)
        return self.typed(node, expression.type_ref, expression.line, place)

    def typed(self, node: s.Node, type_ref: str | None, line: int, place: str) -> s.Node:
        """The value as a variable of a type takes it."""
        kind = self.types.kind(type_ref, line)
        if kind is ANY:
            return node
        self.places.setdefault(place, (self.definitions.path, m.Text(text="", line=line)))
        return s.Located(_NOWHERE, place, "", s.Typed(_NOWHERE, node, kind))

    def text(self, text: m.Text, place: str, names: frozenset[str]) -> s.Node:
        """A text of FEEL; null where there is none."""
        if not text.text.strip():
            return _NULL
        return self.parsed(parse_dmn, text, place, names) or _NULL

    def tests(self, tests: m.UnaryTests, place: str, names: frozenset[str]) -> s.Node | None:
        """A cell; one without text passes all. None: it cannot be read."""
        if not tests.text.text.strip():
            return s.AnyTest(_NOWHERE)
        return self.parsed(parse_dmn_tests, tests.text, place, names)

    def parsed(
        self,
        parse: Callable[[str, Iterable[str], Iterable[str]], s.Node],
        text: m.Text,
        place: str,
        names: frozenset[str],
    ) -> s.Node | None:
        self.places[place] = (self.definitions.path, text)
        language = text.language or self.definitions.expression_language
        if language and not _is_feel(language):
            message = f"the expression language `{language}` is not FEEL"
            self.problem(place, text, (0, len(text.text)), "E0908", message, "write the text in FEEL")
            return None
        known = (parse, text.text, frozenset[str]() if _CONSTANT.fullmatch(text.text) else names)
        try:
            tree = self._trees.get(known)
            if tree is None:
                tree = self._trees[known] = parse(text.text, names, self.keys)
        except FeelSyntaxError as error:
            self.problem(place, text, error.span, error.code, error.message, error.help)
            return None
        return s.Located((0, len(text.text)), place, text.text, tree)

    def problem(
        self, place: str, text: m.Text, span: s.Span, code: str, message: str, help: str | None = None
    ) -> None:
        at = self.types.sources.place(self.definitions.path, text, *span)
        found = Diagnostic(code, f"{place}: {message}", at, help)
        self.problems.append(found)
        self.sites[found] = Site(place, text.text, span)

    def items(
        self, expressions: Iterable[m.Expression], place: str, names: frozenset[str], what: str
    ) -> Iterator[s.Node]:
        for number, part in enumerate(expressions, 1):
            yield self.expression(part, f"{place}, {what} {number}", names)

    def context(self, context: m.Context, place: str, names: frozenset[str]) -> s.Node:
        entries: list[tuple[str, s.Node]] = []
        result = None
        for entry in context.entries:
            if entry.variable is None:
                result = self.expression(entry.value, f"{place}, result", names)
                continue
            name = entry.variable.name
            at = f'{place}, entry "{name}"'
            value = self.expression(entry.value, at, names)
            entries.append((name, self.typed(value, entry.variable.type_ref, entry.line, at)))
            names = names | {name}
        return s.Context(_NOWHERE, tuple(entries), result)

    def invocation(self, invocation: m.Invocation, place: str, names: frozenset[str]) -> s.Node:
        function = self.expression(invocation.function, f"{place}, invoked function", names)
        arguments = []
        for binding in invocation.bindings:
            at = f'{place}, parameter "{binding.parameter.name}"'
            value = self.expression(binding.value, at, names)
            arguments.append(self.typed(value, binding.parameter.type_ref, binding.line, at))
        parameters = tuple(binding.parameter.name for binding in invocation.bindings)
        body = function.body if isinstance(function, s.Located) else function
        if isinstance(body, s.Name) and isinstance(function, s.Located):
            call: s.Node = s.Call(body.span, body.name, tuple(arguments), parameters, body.span)
            return s.Located(function.span, function.place, function.text, call)
        return s.Invoke(_NOWHERE, function, tuple(arguments), parameters)

    def definition(
        self, function: m.FunctionDefinition, place: str, names: frozenset[str], kinds: Iterable[Kind]
    ) -> s.Node:
        """A function, its result of the given types (of the types' results where they are functions')."""
        parameters = tuple((p.name, self.type_name(p.type_ref, p.line)) for p in function.parameters)
        inner = names | {p.name for p in function.parameters}
        if function.kind == "FEEL":
            body = self.expression(function.body, place, inner)
            for kind in kinds:
                body = _typed(body, _result(kind, len(parameters)))
            return s.Function(_NOWHERE, parameters, body)
        mapping = self.expression(function.body, place, names)
        body = s.Context(_NOWHERE, ((function.kind.lower(), mapping),))
        return s.Function(_NOWHERE, parameters, body, external=True)

    def type_name(self, type_ref: str | None, line: int) -> s.TypeName | None:
        if type_ref is None or self.types.kind(type_ref, line) is ANY:
            return None
        if type_ref in self.types.named or type_ref in SIMPLE:
            return s.TypeName(_NOWHERE, type_ref)
        return parse_type(type_ref, self.types.named)

    def relation(self, relation: m.Relation, place: str, names: frozenset[str]) -> s.Node:
        rows = []
        for number, row in enumerate(relation.rows, 1):
            at = f"{place}, row {number}"
            cells = list(self.items(row.items, at, names, "column"))
            cells += [_NULL] * (len(relation.columns) - len(cells))
            rows.append(
                tuple(
                    self.typed(cell, column.type_ref, row.line, f"{at}, column {n}")
                    for n, (cell, column) in enumerate(zip(cells, relation.columns, strict=False), 1)
                )
            )
        return s.Relation(_NOWHERE, tuple(column.name for column in relation.columns), tuple(rows))

    def iterator(self, iterator: m.Iterator, place: str, names: frozenset[str]) -> s.Node:
        collection = self.source(iterator.collection, f"{place}, in", names)
        bindings = ((iterator.variable, collection),)
        if iterator.kind == "for":
            inner = names | {iterator.variable, "partial"}
            return s.For(_NOWHERE, bindings, self.expression(iterator.body, f"{place}, return", inner))
        # What `satisfies` says must be true or false (DMN 1.5, 10.2.2.10): of all items, also those after the deciding.
        body = self.expression(iterator.body, f"{place}, satisfies", names | {iterator.variable})
        met: s.Node = s.Typed(_NOWHERE, s.For(_NOWHERE, bindings, body), Kind("boolean").list_of())
        met = s.Located(_NOWHERE, f"{place}, satisfies", "", met)
        each = s.Name(_NOWHERE, "?each")
        return s.Quantified(_NOWHERE, iterator.kind, ((each.name, met),), each)

    def source(self, collection: m.Expression | None, place: str, names: frozenset[str]) -> s.Node:
        """What an iterator goes through; a text may be `1..3`, as after the `in` of `for`."""
        if isinstance(collection, m.LiteralExpression) and collection.text.text.strip():
            node = self.parsed(parse_dmn_source, collection.text, place, names) or _NULL
            return self.typed(node, collection.type_ref, collection.line, place)
        return self.expression(collection, place, names)

    def conditional(self, conditional: m.Conditional, place: str, names: frozenset[str]) -> s.Node:
        """`if … then … else`, and null where the condition is a value that is neither true nor false."""
        condition = self.expression(conditional.condition, f"{place}, if", names)
        value, truth = s.Name(_NOWHERE, "?if"), s.Name(_NOWHERE, "?true")
        choice = s.If(
            _NOWHERE,
            truth,
            self.expression(conditional.then, f"{place}, then", names),
            self.expression(conditional.otherwise, f"{place}, else", names),
        )
        some = s.Binary(_NOWHERE, "!=", value, _NULL)
        neither = s.Binary(_NOWHERE, "=", truth, _NULL)
        result = s.If(_NOWHERE, s.Binary(_NOWHERE, "and", some, neither), _NULL, choice)
        typed = s.Located(_NOWHERE, f"{place}, if", "", s.Typed(_NOWHERE, value, Kind("boolean")))
        entries = ((value.name, condition), (truth.name, typed))
        return s.Context(_NOWHERE, entries, result)

    # -- decision tables ----------------------------------------------------------------------------------

    def table(self, table: m.DecisionTable, place: str, names: frozenset[str]) -> s.Node:
        before = len(self.problems)
        inputs = tuple(self.input(c, f"{place}, input {n}", names) for n, c in enumerate(table.inputs, 1))
        outputs = tuple(
            self.output(c, f"{place}, output {n}", names, table) for n, c in enumerate(table.outputs, 1)
        )
        rules = []
        for number, rule in enumerate(table.rules, 1):
            at = f"{place}, rule {number}"
            tests = [
                self.tests(cell, f"{at}, input {n}", names) or s.AnyTest(_NOWHERE)
                for n, cell in enumerate(rule.inputs[: len(inputs)], 1)
            ]
            tests += [s.AnyTest(_NOWHERE)] * (len(inputs) - len(tests))
            cells = [
                self.expression(cell, f"{at}, output {n}", names)
                for n, cell in enumerate(rule.outputs[: len(outputs)], 1)
            ]
            cells += [_NULL] * (len(outputs) - len(cells))
            rules.append(s.TableRule(_NOWHERE, tuple(tests), tuple(cells)))
        if len(self.problems) > before:
            return _NULL
        self.tables[place] = table
        self.places[place] = (self.definitions.path, m.Text(text="", line=table.line))
        node = s.DecisionTable(_NOWHERE, table.policy, inputs, outputs, tuple(rules))
        return s.Located(_NOWHERE, place, "", node)

    def input(self, clause: m.InputClause, place: str, names: frozenset[str]) -> s.TableInput:
        if clause.expression is not None:
            expression = self.text(clause.expression.text, place, names)
        else:
            label = m.Text(text=clause.label or "", line=clause.line)
            expression = self.text(label, place, names)
        allowed = None
        if clause.values is not None and clause.values.text.text.strip():
            allowed = self.tests(clause.values, f"{place}, values", names)
        return s.TableInput(_NOWHERE, expression, allowed)

    def output(
        self, clause: m.OutputClause, place: str, names: frozenset[str], table: m.DecisionTable
    ) -> s.TableOutput:
        values = None
        if clause.values is not None and clause.values.text.text.strip():
            tests = self.tests(clause.values, f"{place}, values", names)
            tests = tests.body if isinstance(tests, s.Located) else tests
            values = tests.tests if isinstance(tests, s.In) else None
        elif table.hit_policy in ("PRIORITY", "OUTPUT ORDER"):
            values = self.priorities(clause, table)
        default = None
        if clause.default is not None and clause.default.text.text.strip():
            default = self.expression(clause.default, f"{place}, default", names)
        return s.TableOutput(_NOWHERE, self.output_name(clause, table), values, default)

    def output_name(self, clause: m.OutputClause, table: m.DecisionTable) -> str | None:
        """None for the one output of a table, which is the result itself."""
        if len(table.outputs) == 1:
            return None
        if clause.name:
            return clause.name
        number = table.outputs.index(clause) + 1
        self.problems.append(
            Diagnostic(
                "E0903",
                f"output {number} of a table of several outputs has no name",
                Place(
                    str(self.definitions.path),
                    clause.line,
                    1,
                    1,
                    self.types.sources.line(self.definitions.path, clause.line),
                ),
                'add `name="…"`',
            )
        )
        return clause.label or str(number)

    def priorities(self, clause: m.OutputClause, table: m.DecisionTable) -> tuple[s.Node, ...] | None:
        """The allowed values of the output's type, where the column lists none."""
        kind = self.types.kind(clause.type_ref or table.type_ref, clause.line)
        if clause.type_ref is None and kind.name == "list" and kind.item is not None:
            kind = kind.item
        if clause.type_ref is None and len(table.outputs) > 1:
            kind = dict(kind.fields or ()).get(clause.name or "", ANY)
        return None if kind.allowed is None else allowed_tests(kind.allowed.last or kind.allowed.text)


def _is_blank(expression: m.Expression | None) -> bool:
    """Whether there is no logic: nothing, or a text that says nothing."""
    return expression is None or (
        isinstance(expression, m.LiteralExpression) and not expression.text.text.strip()
    )


def _result(kind: Kind, parameters: int) -> Kind:
    """What a function of a type gives; a type that is none of such a function is that of the result itself."""
    if kind.name != "function" or (kind.parameters is not None and len(kind.parameters) != parameters):
        return kind
    return kind.result or ANY


def _typed(node: s.Node, kind: Kind) -> s.Node:
    return node if kind is ANY else s.Typed(node.span, node, kind)


def _is_feel(language: str) -> bool:
    return "feel" in language.lower()


def _keys(definitions: m.Definitions) -> Iterator[str]:
    """Names that may follow a point: of components, entries, columns and outputs."""

    def components(items: Iterable[m.ItemDefinition]) -> Iterator[str]:
        for item in items:
            for part in item.components:
                yield part.name
            yield from components(item.components)

    yield from components(definitions.item_definitions)
    pending: list[m.Expression | None] = [d.expression for d in definitions.decisions]
    pending += [b.logic for b in definitions.knowledge_models]
    while pending:
        expression = pending.pop()
        if isinstance(expression, m.Context):
            yield from (entry.variable.name for entry in expression.entries if entry.variable)
        elif isinstance(expression, m.Relation):
            yield from (column.name for column in expression.columns)
        elif isinstance(expression, m.DecisionTable):
            yield from (output.name for output in expression.outputs if output.name)
        if expression is not None:
            pending += parts(expression)


def parts(expression: m.Expression) -> list[m.Expression]:
    """The expressions directly within a boxed expression; a table's cells are not among them."""
    match expression:
        case m.Context():
            found = [entry.value for entry in expression.entries]
        case m.Invocation():
            found = [expression.function, *(binding.value for binding in expression.bindings)]
        case m.FunctionDefinition():
            found = [expression.body]
        case m.BoxedList():
            found = list(expression.items)
        case m.Relation():
            found = list(expression.rows)
        case m.Conditional():
            found = [expression.condition, expression.then, expression.otherwise]
        case m.Filter():
            found = [expression.collection, expression.match]
        case m.Iterator():
            found = [expression.collection, expression.body]
        case _:
            found = []
    return [part for part in found if part is not None]


def _keys_of_kind(kind: Kind) -> Iterator[str]:
    for name, field in kind.fields or ():
        yield name
        yield from _keys_of_kind(field)
    if kind.item is not None:
        yield from _keys_of_kind(kind.item)

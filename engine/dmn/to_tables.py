"""The decision tables of a DMN model as those of a pack: hit policies, cells, and outputs, constant or computed."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sancha.engine.dmn import model as m
from sancha.engine.dmn.meanings import (
    NOWHERE,
    NULL,
    Entry,
    Function,
    Group,
    Lost,
    Meaning,
    ModelType,
    at_line,
    declarable,
    enumeration,
    shortened,
    snake,
    unique,
)
from sancha.engine.dmn.to_strict import Expressions
from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.check import Callable_, Scope, check, check_cell, check_value
from sancha.engine.feel.lexer import KEYWORDS, FeelSyntaxError
from sancha.engine.feel.parser import parse, parse_dmn_tests, parse_tests
from sancha.engine.feel.printer import cell_to_text, to_text
from sancha.engine.policy.tables import Row, Table, input_name, overlaps

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


@dataclass
class CalledTable:
    """A decision table that is called: its name, and its inputs as expressions over the parameters."""

    name: str
    inputs: tuple[s.Node, ...]


@dataclass
class Tables(Expressions):
    """Tables as parts of a pack, each with its clause. Raises Lost for what the strict language cannot hold."""

    parts: list[tuple[str, dict[str, Any], list[list[str]] | None]] = field(default_factory=list)
    clauses: dict[str, tuple[str, str]] = field(default_factory=dict)
    called: dict[int, CalledTable] = field(default_factory=dict)
    where: str = ""

    @abstractmethod
    def literal(self, tree: s.Node, name: str, title: str, type_: ModelType | None, line: int) -> s.Node:
        """A decision of one expression, and what stands for it."""

    def add(
        self, kind: str, name: str, title: str, body: Mapping[str, Any], rows: list[list[str]] | None
    ) -> None:
        clause = f"dmn.{name}"
        self.clauses.setdefault(clause, (title, ""))
        part = {kind: name, "title": {"en": title}, **body, "clause": clause}
        part["source"] = {"document": "MODEL", "evidence": "B"}
        self.parts.append((name, part, rows))

    def called_table(self, d: m.Definitions, model: Function) -> CalledTable:
        body = model.function.body
        assert isinstance(body, m.DecisionTable)
        if id(body) not in self.called:
            types = {p.name: p.type_ref for p in model.function.parameters}
            inputs, columns = [], []
            for clause in body.inputs:
                if clause.expression is None:
                    raise Lost("an input column without an expression", clause.line)
                tree = self.parsed(d, clause.expression.text, {**model.scope, **dict.fromkeys(types, NULL)})
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
            self.called[id(body)] = CalledTable(name, tuple(inputs))
        return self.called[id(body)]

    def output_ref(self, function: m.FunctionDefinition) -> str | None:
        return function.body.type_ref if function.body is not None else None

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
                raise Lost(f"`{shortened(text)}`: {defects[0].message}", clause.line)
            declared = self.type_of(d, clause.expression.type_ref)
            found = declarable(core.type)
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
            heads[unique(snake(label), heads)] = None
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
            heads[unique(output, heads)] = None
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
        node = s.Name(NOWHERE, name)
        if len(outputs) == 1:
            return node
        return Group(
            {
                clause.name or f"output {i + 1}": s.Path(NOWHERE, node, out_names[i], NOWHERE)
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
            raise Lost(f"the cell `{shortened(text.text)}`: {error.message}", text.line) from None
        with at_line(text.line):
            cell = cell_to_text(self.strict(tree, names, d))
        _, defects = check_cell(cell, c.Var(types[i], input_name(i)), Scope())
        if defects and types[i].name == "one of":
            types[i] = t.TEXT
            _, defects = check_cell(cell, c.Var(t.TEXT, input_name(i)), Scope())
        if defects:
            raise Lost(f"the cell `{shortened(cell)}`: {defects[0].message}", text.line)
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
            values = enumeration(clause.values)
            if values is not None and found.name in ("text", "null"):
                type_ = t.one_of(*values)
            type_ = type_ or declarable(found)
            if policy == "collect count":
                type_ = t.NUMBER
                texts = ["1"] * len(texts)
            if type_ is None:
                raise Lost("an output without a type", clause.line)
            if any(check_value(x, type_, Scope())[1] for x in texts):
                type_ = declarable(found)
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
        head = unique("row", dict.fromkeys(inputs))
        self.part(
            finder, f"{title}: the row", policy, inputs, columns, types, [(head, t.INTEGER)], lines, default
        )
        whole = self.type_of(d, type_ref)
        members: dict[str, Meaning] = {}
        for i, clause in enumerate(table.outputs):
            tree: s.Node = NULL
            cases = [(n, row[i]) for n, row in enumerate(distinct, 1)] + (
                [] if last is None else [(0, last[i])]
            )
            for number, text in reversed(cases):
                asked = s.Binary(NOWHERE, "=", s.Name(NOWHERE, finder), s.Literal(NOWHERE, Decimal(number)))
                tree = s.If(NOWHERE, asked, parse(text), tree)
            single = len(table.outputs) == 1
            part = name if single else self.fresh(f"{name} {clause.name or i + 1}")
            type_ = self.type_of(d, clause.type_ref) or (whole if single else None)
            members[clause.name or f"output {i + 1}"] = self.literal(tree, part, title, type_, table.line)
        return next(iter(members.values())) if len(members) == 1 else Group(members)

    def by_priority(self, d: m.Definitions, table: m.DecisionTable, type_ref: str | None) -> list[m.Rule]:
        """The rows in the order of their outputs' priority: the first that matches is the one of highest priority."""
        orders = []
        for clause in table.outputs:
            values = enumeration(clause.values)
            if values is None:
                item = next((x for x in d.item_definitions if x.name == (clause.type_ref or type_ref)), None)
                values = enumeration(item.allowed_values) if item is not None else None
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


def _bare(cell: s.Node, type_: t.Type) -> str | None:
    """A cell of values of `one of` without quotes, as one writes it in a spreadsheet."""
    if type_.name != "one of" or not isinstance(cell, s.In):
        return None
    values = [x.value for x in cell.tests if isinstance(x, s.Literal) and isinstance(x.value, str)]
    plain = all(re.fullmatch(r"[^\W\d]\w*", v) and v not in KEYWORDS for v in values)
    return ", ".join(values) if plain and len(values) == len(cell.tests) else None

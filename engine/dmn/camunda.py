"""Models as Camunda's tools write them: made to say what its engine takes for granted.

Camunda's engine gives a decision all variables of the process, whether the model declares them or not, and the result
of a required decision under its id or the name of its output. In the standard a decision sees what it requires, by
name. So a model of this dialect gets an input data element for each undeclared name that its expressions read, and its
decisions the variables by which others read them. A name that only cells of tables have is left alone: there it is
more likely a text without its quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sancha.engine.dmn import model as m
from sancha.engine.dmn.lower import Lowering, Types
from sancha.engine.dmn.source import Sources
from sancha.engine.feel.full import resolve

_NAMESPACES = ("http://camunda.org/schema/1.0/dmn", "http://camunda.org/schema/zeebe/1.0")
#: Camunda's names of types that are numbers in the standard.
_NUMBERS = frozenset(("integer", "long", "double"))
#: Its types of columns that tell how a value of JSON is to be read.
_TEMPORAL = frozenset(("date", "time", "dateTime", "dayTimeDuration", "yearMonthDuration"))


def is_camundas(exporter: str | None, namespaces: Iterable[str]) -> bool:
    """Whether a model was written by Camunda's tools, by its exporter and the namespaces that its root declares."""
    return (exporter or "").startswith("Camunda") or any(uri in _NAMESPACES for uri in namespaces)


def adopted(definitions: m.Definitions) -> m.Definitions:
    """The model with its undeclared inputs declared, and its decisions known by the names that others use."""
    if definitions.imports:
        return definitions
    definitions = replace(
        definitions,
        inputs=tuple(replace(i, variable=_typed(i.variable)) for i in definitions.inputs),
        decisions=tuple(replace(d, variable=_typed(d.variable)) for d in definitions.decisions),
    )
    decisions = {d.id: d for d in definitions.decisions if d.id is not None}
    inputs = {i.name: i for i in definitions.inputs}
    reads = {d.name: list(_unknown(definitions, d)) for d in definitions.decisions}
    variables: dict[str, str] = {}
    declared: dict[str, m.InputData] = {}
    requires: dict[str, list[str]] = {}
    for decision in definitions.decisions:
        required = [decisions[r.target] for r in decision.required_decisions if r.target in decisions]
        for name, type_ref, line in reads[decision.name]:
            known = next((d for d in required if name in _results(d)), None)
            if known is not None:
                variables.setdefault(known.name, name)
            elif not any(name in _columns(d) for d in required):
                if name not in inputs and name not in declared:
                    variable = m.InformationItem(name=name, line=line, type_ref=type_ref)
                    declared[name] = m.InputData(name=name, line=line, id=f"input {name}", variable=variable)
                requires.setdefault(decision.name, []).append(name)
    all_inputs = inputs | declared
    changed = []
    for decision in definitions.decisions:
        names = [*requires.get(decision.name, ()), *_in_cells(decision, declared)]
        more = tuple(_reference(all_inputs[name], decision.line) for name in dict.fromkeys(names))
        if more:
            decision = replace(decision, required_inputs=(*decision.required_inputs, *more))
        if decision.name in variables and (
            decision.variable is None or decision.variable.name == decision.name
        ):
            variable = decision.variable or m.InformationItem(name=decision.name, line=decision.line)
            decision = replace(decision, variable=replace(variable, name=variables[decision.name]))
        changed.append(decision)
    return replace(
        definitions,
        decisions=tuple(changed),
        inputs=(*(_with_id(i) for i in definitions.inputs), *declared.values()),
    )


def _unknown(definitions: m.Definitions, decision: m.Decision) -> Iterator[tuple[str, str | None, int]]:
    """The names that a decision reads and does not require, with the type that their column gives them."""
    if decision.expression is None:
        return
    types = Types(definitions, Sources())
    lowering = Lowering(definitions, types)
    elements = {e.id: e for e in definitions.elements if e.id is not None}
    required = (*decision.required_inputs, *decision.required_decisions, *decision.required_knowledge)
    names = [elements[r.target].name for r in required if r.target in elements]
    node = lowering.decision(replace(decision, expression=_without_rules(decision.expression)), names)
    if node is None:
        return
    columns = {}
    if isinstance(decision.expression, m.DecisionTable):
        for clause in decision.expression.inputs:
            if clause.expression is not None:
                columns[clause.expression.text.text.strip()] = clause.expression.type_ref
    for problem in resolve(node, names, types.named).problems:
        if problem.kind == "unknown name":
            start, end = problem.site.span
            name = " ".join(problem.site.text[start:end].split())
            type_ref = columns.get(name)
            yield name, type_ref if type_ref in _TEMPORAL else None, decision.line


def _typed(variable: m.InformationItem | None) -> m.InformationItem | None:
    if variable is None or variable.type_ref not in _NUMBERS:
        return variable
    return replace(variable, type_ref="number")


def _without_rules(expression: m.Expression) -> m.Expression:
    return replace(expression, rules=()) if isinstance(expression, m.DecisionTable) else expression


def _columns(decision: m.Decision) -> list[str]:
    table = decision.expression
    return [o.name for o in table.outputs if o.name] if isinstance(table, m.DecisionTable) else []


def _results(decision: m.Decision) -> list[str]:
    """The names under which Camunda's engine gives the whole result of a decision to others."""
    columns = _columns(decision)
    found = columns if len(columns) == 1 else []
    return [*found, *([decision.id] if decision.id else [])]


def _in_cells(decision: m.Decision, names: Iterable[str]) -> Iterator[str]:
    """The names that stand in the cells of a decision's table."""
    table = decision.expression
    if not isinstance(table, m.DecisionTable):
        return
    cells = [cell.text.text for rule in table.rules for cell in rule.inputs]
    cells += [cell.text.text for rule in table.rules for cell in rule.outputs]
    words = set(re.findall(r'\w+|"[^"]*"', "\n".join(cells)))
    yield from (name for name in names if name in words)


def _with_id(element: m.InputData) -> m.InputData:
    return element if element.id else replace(element, id=f"input {element.name}")


def _reference(element: m.InputData, line: int) -> m.Reference:
    target = element.id or f"input {element.name}"
    return m.Reference(href=f"#{target}", line=line, namespace=None, target=target)

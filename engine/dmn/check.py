"""A DMN model's defects, as far as they are sure before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from sancha.engine.diagnostics import Diagnostic, Place, SanchaError
from sancha.engine.dmn import model as m
from sancha.engine.dmn.lower import parts
from sancha.engine.dmn.run import Element, Model, Unit, load, position
from sancha.engine.feel import core as c
from sancha.engine.feel.errors import FeelError
from sancha.engine.feel.full import Bounds, Cell, Problem, TableSpec, resolve
from sancha.engine.feel.values import Date, equal, order, to_text
from sancha.engine.run.decision_table import table_index
from sancha.engine.run.dynamic import compile_dynamic
from sancha.engine.run.index import bits
from sancha.engine.run.java import method

_CODES = {
    "unknown name": "E0911",
    "unknown function": "E0203",
    "unknown type": "E0907",
    "invalid literal": "E0209",
}
#: More pairs of rules of one table say nothing new.
_MOST_OVERLAPS = 10


def check_model(path: Path | str) -> list[Diagnostic]:
    """All defects of a model and of those it imports, in the order of the files; none: it can be relied on to run.

    A file that cannot be read at all, or whose requirements run in a circle, gives the one defect that says so.
    """
    try:
        model = load(path)
    except SanchaError as error:
        place = error.where if isinstance(error.where, Place) else Place(str(error.where or path), 1, 1)
        return [Diagnostic(error.code or "", error.message, place, error.help)]
    return sorted(dict.fromkeys(_found(model)), key=position)


def _found(model: Model) -> Iterator[Diagnostic]:
    yield from model.problems
    for unit in model.units.values():
        for element in unit.elements.values():
            model.kind(element)
            yield from _of_logic(model, element)
        yield from _of_types(model, unit)
        yield from unit.lowering.problems
        yield from unit.types.problems


def _of_types(model: Model, unit: Unit) -> Iterator[Diagnostic]:
    for located, text, beside in unit.types.tests:
        for problem in resolve(located, [*beside, "?"], unit.types.named).problems:
            place = model.sources.place(unit.definitions.path, text, *problem.site.span)
            yield _diagnostic(problem, located.place, place)


def _of_logic(model: Model, element: Element) -> Iterator[Diagnostic]:
    unit, lowering = element.unit, element.unit.lowering
    names = element.names
    match element.element:
        case m.Decision() as decision:
            logic = decision.expression
            node = lowering.decision(decision, names)
        case m.BusinessKnowledgeModel() as knowledge:
            logic = knowledge.logic
            node = lowering.function(knowledge, names)
        case _:
            return
    if node is None:
        yield _at(
            model,
            unit,
            element.element.line,
            "E0912",
            f"{element.what} has no logic",
            "add an expression or a decision table",
        )
        return
    yield from _foreign(model, unit, element, logic)
    resolved = resolve(node, names, unit.types.named, element.what)
    for problem in resolved.problems:
        found = lowering.places.get(problem.site.place)
        if found is None:
            place = _line(model, unit, element.element.line)
        else:
            place = model.sources.place(found[0], found[1], *problem.site.span)
        yield _diagnostic(problem, problem.site.place, place)
    for part in c.walk_once([resolved.core]):
        if isinstance(part, c.Dynamic) and part.function == "TABLE":
            spec: TableSpec = part.data[0]
            table = lowering.tables.get(part.site.place)
            if table is not None:
                yield from _unlisted(model, unit, part, table, spec)
            if spec.hit_policy in "PO" and not any(spec.order):
                yield _at(
                    model,
                    unit,
                    lowering.places[part.site.place][1].line,
                    "E0903",
                    f"{part.site.place}: hit policy {spec.hit_policy} ranks by output values, and none are listed",
                    "list the values of an output, the first one first: `<outputValues>`",
                )
            if spec.hit_policy == "U" and table is not None:
                yield from _overlapping(model, unit, part.site.place, table, spec)


def _diagnostic(problem: Problem, where: str, place: Place) -> Diagnostic:
    help = problem.help
    if help is None and problem.kind in ("unknown name", "unknown function"):
        help = "what an expression sees must be required by its decision, or stand before it in its context"
    return Diagnostic(_CODES.get(problem.kind, "E0102"), f"{where}: {problem.message}", place, help)


def _foreign(model: Model, unit: Unit, element: Element, logic: m.Expression | None) -> Iterator[Diagnostic]:
    """Function bodies in other languages that cannot be run."""
    pending = [] if logic is None else [logic]
    while pending:
        expression = pending.pop()
        if isinstance(expression, m.FunctionDefinition) and expression.kind != "FEEL":
            reason = "a function body in PMML is not run, and gives null"
            if expression.kind == "Java":
                reason = _java(unit, expression) or ""
            if reason:
                yield _at(
                    model,
                    unit,
                    expression.line,
                    "E0908",
                    f"{element.what}: {reason}",
                    "write the body in FEEL",
                )
        pending += parts(expression)


def _java(unit: Unit, function: m.FunctionDefinition) -> str | None:
    """Why the method that a function names cannot be called; None: it can."""
    node = unit.lowering.expression(function.body, "", frozenset())
    mapping = compile_dynamic(node, (), unit.types.named).run({}).value
    names = mapping if isinstance(mapping, dict) else {}
    class_name, signature = names.get("class"), names.get("method signature")
    if not isinstance(class_name, str) or not isinstance(signature, str):
        return "a function in Java names a `class` and a `method signature`"
    try:
        method(class_name, signature)
    except FeelError as error:
        return error.message
    return None


def _unlisted(
    model: Model, unit: Unit, node: c.Dynamic, table: m.DecisionTable, spec: TableSpec
) -> Iterator[Diagnostic]:
    """Constant outputs that are not among the values that their column lists, where those are constant too."""
    arguments = node.args[len(spec.allowed) :]
    for column, listed in enumerate(spec.order):
        bodies = [cast(c.Lambda, arguments[number]).body for number in listed or ()]
        values = [body.value for body in bodies if isinstance(body, c.Const)]
        if not values or len(values) < len(bodies):
            continue
        for rule, outputs in zip(table.rules, spec.outputs, strict=True):
            value = outputs[column].value
            if outputs[column].argument is None and not any(equal(value, one) for one in (None, *values)):
                shown = f'"{value}"' if isinstance(value, str) else to_text(value)
                yield _at(
                    model,
                    unit,
                    rule.outputs[column].line,
                    "E0915",
                    f"{node.site.place}: {shown} is not among the values of output {column + 1}",
                    "list it, or correct the entry",
                )


def _overlapping(
    model: Model, unit: Unit, place: str, table: m.DecisionTable, spec: TableSpec
) -> Iterator[Diagnostic]:
    """Pairs of rules that have a value in common in each column, as far as constants tell."""
    index = table_index(spec)
    found = 0
    for i, cells in enumerate(spec.rows):
        for j in bits(index.meeting(i) >> (i + 1)):
            other = i + 1 + j
            if not all(map(_meet, cells, spec.rows[other])):
                continue
            found += 1
            if found > _MOST_OVERLAPS:
                return
            yield _at(
                model,
                unit,
                table.rules[other].line,
                "E0913",
                f"{place}: rules {i + 1} and {other + 1} can both match, which hit policy UNIQUE forbids",
                "part them, or choose a hit policy that says which one counts",
            )


def _meet(a: Cell, b: Cell) -> bool:
    if a.test is not None or b.test is not None:
        return False
    if a.bounds is None or b.bounds is None:
        return True
    return any(_share(x, y) for x in a.bounds for y in b.bounds)


def _share(a: Bounds, b: Bounds) -> bool:
    """Whether two intervals or values have a value in common."""
    if (a.point and a.low is None) or (b.point and b.low is None):
        return a.point and b.point and a.low is b.low
    low, low_closed = _tighter(_low(a), _low(b), 1)
    high, high_closed = _tighter(_high(a), _high(b), -1)
    if any(_other_kind(x, y) for x in (a.low, a.high) for y in (b.low, b.high)):
        return False
    if low is None or high is None:
        return True
    way = order(low, high) if not isinstance(low, bool) else (0 if low is high else 1)
    if way is None or way > 0:
        return False
    if way == 0:
        return low_closed and high_closed
    if isinstance(low, Date) and isinstance(high, Date) and not (low_closed or high_closed):
        return high.days - low.days > 1
    return True


def _low(bounds: Bounds) -> tuple[object, bool]:
    return bounds.low, bounds.point or bounds.low_closed


def _high(bounds: Bounds) -> tuple[object, bool]:
    return (bounds.low, True) if bounds.point else (bounds.high, bounds.high_closed)


def _other_kind(a: object, b: object) -> bool:
    return a is not None and b is not None and type(a) is not type(b)


def _tighter(a: tuple[object, bool], b: tuple[object, bool], sign: int) -> tuple[object, bool]:
    """The end that leaves less."""
    if a[0] is None or b[0] is None:
        return b if a[0] is None else a
    if isinstance(a[0], bool):
        return a
    way = (order(a[0], b[0]) or 0) * sign
    if way == 0:
        return a[0], a[1] and b[1]
    return a if way > 0 else b


def _at(model: Model, unit: Unit, line: int, code: str, message: str, help: str) -> Diagnostic:
    return Diagnostic(code, message, _line(model, unit, line), help)


def _line(model: Model, unit: Unit, line: int) -> Place:
    text = model.sources.line(unit.definitions.path, line)
    indent = len(text) - len(text.lstrip())
    return Place(str(unit.definitions.path), line, indent + 1, max(1, len(text.strip())), text)

"""Decision tables of a pack as those of DMN: all versions in one table, and rows for what is missing.

The strict language answers null where a row may match because a value that it needs is missing; the standard takes such
a row as not matched. So, in the export, a row is followed by one that matches where the first may, and gives null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from sancha.engine.dmn.to_standard import Standard, either, is_null
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.printer import to_text
from sancha.engine.policy.pack import Decision, DecisionVersion
from sancha.engine.policy.tables import Row, Table, input_name

if TYPE_CHECKING:
    from sancha.engine.dmn.export import Exporter

#: A count is the sum of ones: so a row that may match can make it null.
_AGGREGATION = {"collect sum": "SUM", "collect count": "SUM", "collect min": "MIN", "collect max": "MAX"}


@dataclass
class _Line:
    """A row of a decision table in the making. `mark` says why we added it: `unknown`, `default`, `none`."""

    cells: list[str]
    outputs: list[str]
    note: str = ""
    mark: str = ""


class TableWriter:
    """One decision table, with all versions that are to be written, as an element or several.

    The hit policies F, U without default, and collections keep their meaning in one table. A unique table with a
    default needs two more: `NAME_rows` holds the rows, `NAME_open` tells whether a row may match, and `NAME` puts the
    default only where none may.
    """

    def __init__(self, exporter: Exporter, decision: Decision, versions: list[DecisionVersion]) -> None:
        self.exporter, self.decision = exporter, decision
        self.versions = [v for v in versions if v.table is not None]
        self.dated = exporter.dated(decision)
        every = [v.table for v in decision.versions if v.table is not None]
        self.shape: Table = every[0]
        self.policy = self.shape.hit_policy
        self.standard = exporter.standard(("as_of",) if decision.called else ())

    def write(self) -> None:
        zero = all(
            v.table.default in (None, (c.Const(t.INTEGRAL, 0),) * len(self.shape.outputs))
            for v in self.tables
        )
        counted = self.policy in ("collect sum", "collect count")
        plain = all(v.table.default is None for v in self.tables)
        self.whole = whole = self.policy == "first" or plain or (counted and zero)
        name = self.decision.name
        if whole:
            self.element(name, lambda parent, i: self.table(parent, name, self.lines(), i), "table")
            return
        rows, open_ = self.fresh(f"{name}_rows"), self.fresh(f"{name}_open")
        self.element(rows, lambda parent, i: self.table(parent, rows, self.lines(), i), "rows")
        before, self.standard = self.standard, self.exporter.standard(self.standard.plain)
        self.element(open_, lambda parent, i: self.open_table(parent, open_), "open", single=True)
        self.standard = self.exporter.standard(before.plain)
        self.wrapper(name, rows, open_)

    @property
    def tables(self) -> list[_Tabled]:
        return [_Tabled(v, v.table) for v in self.versions if v.table is not None]

    def fresh(self, name: str) -> str:
        taken = self.exporter.taken | self.exporter.elements.keys()
        return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 99))) if n not in taken)

    # -- rows ---------------------------------------------------------------------------------------------

    def lines(self) -> list[_Line]:
        out: list[_Line] = []
        for v in self.tables:
            day = [self.exporter.span(v.version)[0]] if self.dated else []
            notes = self.exporter.notes.get((self.decision.name, v.version.valid_from), ())
            for row in v.table.rows:
                note = notes[row.number - 1] if row.number <= len(notes) else ""
                outputs = [self.output(core) for core in row.outputs]
                if self.policy == "collect count":
                    outputs = ["1"] * len(outputs)
                out.append(_Line([*day, *(self.cell(row, i, "sure") for i in self.places)], outputs, note))
                if self.policy == "first" or self.policy.startswith("collect"):
                    out += self.unknown_lines(row, day)
            if self.policy == "first" and v.table.default is not None:
                default = [self.output(core) for core in v.table.default]
                out.append(_Line([*day, *("-" for _ in self.places)], default, "no row matches", "default"))
            elif self.policy in ("collect sum", "collect count") and self.whole:
                zero = ["0"] * len(self.shape.outputs)
                out.append(_Line([*day, *("-" for _ in self.places)], zero, "the sum of no rows", "none"))
        return out

    @property
    def places(self) -> range:
        return range(len(self.shape.inputs))

    def unknown_lines(self, row: Row, day: list[str]) -> Iterator[_Line]:
        """Rows that match where `row` may match but does not surely, and give null."""
        open_ = [i for i in self.places if row.tests[i] != c.TRUE and self.may_lack(i)]
        note, outputs = f"row {row.number} is unknown: a value is missing", ["null"] * len(row.outputs)
        if self.policy == "first":
            # The sure row stands before it, so that it needs no more than to match where the row may.
            if open_:
                yield _Line(
                    [*day, *(self.cell(row, i, "maybe") for i in self.places)], outputs, note, "unknown"
                )
            return
        for j in open_:
            cells = [
                self.cell(row, i, "sure" if i < j else "unknown" if i == j else "maybe") for i in self.places
            ]
            yield _Line([*day, *cells], outputs, note, "unknown")

    def may_lack(self, i: int) -> bool:
        """Whether an input can be missing."""
        return self.decision.called or any(c.nullable(v.inputs[i]) for v in self.versions)

    def cell(self, row: Row, i: int, reading: str) -> str:
        return _cell(self.standard, row.tests[i], i, reading if self.may_lack(i) else "sure")

    def output(self, core: c.Core) -> str:
        return self.standard.text(core)

    # -- elements -----------------------------------------------------------------------------------------

    def element(
        self, name: str, logic: Callable[[etree._Element, int | None], None], part: str, single: bool = False
    ) -> None:
        """A decision, or a knowledge model for a table that is called. `logic` writes its table."""
        x, decision = self.exporter, self.decision
        several = len(decision.outputs) > 1 and not single
        typed = None if x.camunda or single else type_name(decision.name) if several else None
        if not several and not single:
            typed = x.type_ref(decision.outputs[0][1], type_name(decision.name))
        kind = "businessKnowledgeModel" if decision.called else "decision"
        label = x.label(decision.title)
        xml = x.drg(kind, name, label, x.clause_text(decision), None if decision.called else typed)
        parent = xml
        if decision.called:
            parent = x.make(xml, "encapsulatedLogic", kind="FEEL")
            for argument, ref in self.parameters():
                x.make(parent, "formalParameter", id=x.id(name, argument), name=argument, typeRef=ref)
        if several and self.policy.startswith("collect"):
            context = x.make(parent, "context", id=x.id("context", name))
            for i, (output, type_) in enumerate(decision.outputs):
                entry = x.make(context, "contextEntry")
                x.make(entry, "variable", name=output, typeRef=x.type_ref(type_))
                logic(entry, i)
        else:
            logic(parent, None)
        x.origin(xml, decision.name, part)
        x.note_clock(decision.name, self.standard.used)
        x.add(kind, name, xml, self.standard.used, decision.clause)

    def parameters(self) -> list[tuple[str, str | None]]:
        x = self.exporter
        given = [(name, x.type_ref(type_)) for name, type_ in self.shape.inputs]
        more = {"as_of": x.type_ref(t.DATE), "parameters": None if x.camunda else "tParameters"}
        return [*given, *((name, more[name]) for name in x.calls[self.decision.name])]

    def head(self, parent: etree._Element, name: str, policy: str) -> etree._Element:
        """A table with its input columns."""
        x, decision = self.exporter, self.decision
        aggregation = _AGGREGATION.get(policy)
        table = x.make(
            parent,
            "decisionTable",
            id=x.id("table", name),
            hitPolicy="COLLECT" if aggregation else policy.upper(),
            aggregation=aggregation,
        )
        if self.dated:
            clause = x.make(table, "input", id=x.id("input", name, "day"), label="day")
            x.extend(clause, "day")
            expression = x.make(clause, "inputExpression", typeRef=x.type_ref(t.DATE))
            x.make(expression, "text", x.as_of(decision.called))
            if not decision.called:
                self.standard.used.variables.add("as_of")
        for i, (label, type_) in enumerate(self.shape.inputs):
            clause = x.make(table, "input", id=x.id("input", name, label), label=label)
            expression = x.make(clause, "inputExpression", typeRef=x.type_ref(type_))
            inputs = self.versions[0].inputs if self.versions else self.decision.versions[0].inputs
            x.make(expression, "text", label if decision.called else self.standard.text(inputs[i]))
        return table

    def table(self, parent: etree._Element, name: str, lines: Sequence[_Line], only: int | None) -> None:
        """The table; with `only`, that output alone."""
        x = self.exporter
        table = self.head(parent, name, self.policy)
        kept = [i for i in range(len(self.shape.outputs)) if only is None or i == only]
        for i in kept:
            output, type_ = self.shape.outputs[i]
            named = len(kept) > 1 or x.camunda
            # The same name as the table's own would shadow it; a single output has no name of its own.
            x.make(
                table,
                "output",
                id=x.id("output", name, output),
                label=output,
                name=output if named else None,
                typeRef=x.type_ref(type_),
            )
        x.make(table, "annotation", name="note") if not x.camunda else None
        for number, line in enumerate(lines, 1):
            self.rule(table, name, number, line, kept)

    def rule(self, table: etree._Element, name: str, number: int, line: _Line, kept: Sequence[int]) -> None:
        x = self.exporter
        rule = x.make(table, "rule", id=x.id("rule", name, str(number)))
        if x.camunda and line.note:
            x.make(rule, "description", line.note)
        if line.mark:
            x.extend(rule, line.mark)
        for cell in line.cells:
            x.make(x.make(rule, "inputEntry", id=x.id("cell", name, str(number))), "text", cell)
        for i in kept:
            x.make(x.make(rule, "outputEntry", id=x.id("cell", name, str(number))), "text", line.outputs[i])
        if not x.camunda:
            x.make(x.make(rule, "annotationEntry"), "text", line.note)

    def open_table(self, parent: etree._Element, name: str) -> None:
        """True where a row matches or may match."""
        x = self.exporter
        table = self.head(parent, name, "first")
        x.make(
            table,
            "output",
            id=x.id("output", name),
            label="open",
            name="open" if x.camunda else None,
            typeRef="boolean",
        )
        number = 0
        for v in self.tables:
            day = [x.span(v.version)[0]] if self.dated else []
            for row in v.table.rows:
                number += 1
                cells = [*day, *(self.cell(row, i, "maybe") for i in self.places)]
                rule = x.make(table, "rule", id=x.id("rule", name, str(number)))
                for cell in cells:
                    x.make(x.make(rule, "inputEntry", id=x.id("cell", name, str(number))), "text", cell)
                x.make(x.make(rule, "outputEntry", id=x.id("cell", name, str(number))), "text", "true")
        rule = x.make(table, "rule", id=x.id("rule", name, str(number + 1)))
        for _ in range(self.dated + len(self.places)):
            x.make(x.make(rule, "inputEntry", id=x.id("cell", name, str(number + 1))), "text", "-")
        x.make(x.make(rule, "outputEntry", id=x.id("cell", name, str(number + 1))), "text", "false")

    def wrapper(self, name: str, rows: str, open_: str) -> None:
        """The rows where one matches, null where one may, the default of the day where none does."""
        x, decision = self.exporter, self.decision
        arguments = f"({', '.join(n for n, _ in self.parameters())})" if decision.called else ""
        separate = len(decision.outputs) > 1 and self.policy.startswith("collect")

        none = "0" if self.policy in ("collect sum", "collect count") else "null"

        def chosen(path: str, kept: range) -> str:
            defaults = [
                (
                    x.span(v.version)[1],
                    none if v.table.default is None else self.record([v.table.default[i] for i in kept]),
                )
                for v in self.tables
            ]
            fallback = x.by_day(defaults, self.dated, self.standard.used, decision.called)
            found = f"{rows}{arguments}{path}"
            return f"if {found} != null then {found}\nelse if {open_}{arguments} then null\nelse {fallback}"

        if separate:  # each output is a collection of its own
            entries = [
                f"{n}: {chosen(f'.{n}', range(i, i + 1))}" for i, (n, _) in enumerate(decision.outputs)
            ]
            text = "{" + ",\n ".join(entries) + "}"
        else:
            text = chosen("", range(len(decision.outputs)))
        if not decision.called:
            self.standard.used.decisions |= {rows, open_}
            element = x.literal_element(
                decision, name, decision.outputs[0][1], text, self.standard.used, "default"
            )
            if len(decision.outputs) > 1 and not x.camunda:
                for node in element.xml.iter():
                    if node.get("typeRef"):
                        node.set("typeRef", type_name(name))
            return
        self.standard.used.tables |= {rows, open_}

        def logic(parent: etree._Element, _: int | None) -> None:
            x.make(x.make(parent, "literalExpression", id=x.id("literal", name)), "text", text)

        self.element(name, logic, "default")
        # What the knowledge models of its parts take, their callers pass as to the table itself.
        x.calls[rows] = x.calls[open_] = x.calls[name]

    def record(self, cores: Sequence[c.Core]) -> str:
        """The outputs as one value."""
        values = [self.output(core) for core in cores]
        if len(values) == 1:
            return values[0]
        return (
            "{" + ", ".join(f"{n}: {v}" for (n, _), v in zip(self.shape.outputs, values, strict=True)) + "}"
        )


@dataclass(frozen=True, slots=True)
class _Tabled:
    version: DecisionVersion
    table: Table


def _cell(standard: Standard, core: c.Core, i: int, reading: str) -> str:
    """A cell as unary tests: passes where it is `sure` (true), `maybe` (true or unknown) or `unknown`."""
    if core == c.TRUE:
        return "-"

    def asked(node: c.Core) -> c.Core:
        return c.Var(node.type, "?") if isinstance(node, c.Var) and node.name == input_name(i) else node

    core = c.rewrite(core, asked)
    negative = isinstance(core, c.Not)
    tests = _tests(standard, core.arg if isinstance(core, c.Not) else core)
    if tests is not None and not any(isinstance(n, c.Param) for n in c.walk(core)):
        listed = ", ".join(tests)
        if reading == "unknown":
            return "null"
        if negative:
            ordered = any(test[0] in "<>[(" for test in tests)
            if reading == "sure":
                return f"not({listed}, null)"
            # `not(null < 1)` is null: a test of order leaves a missing value out, one of equality lets it pass.
            return f"? = null or {to_text(standard.true(core))}" if ordered else f"not({listed})"
        return listed if reading == "sure" else f"null, {listed}"
    if reading == "sure":
        return ", ".join(tests) if tests is not None and not negative else to_text(standard.true(core))
    if reading == "maybe":
        return f"if {to_text(standard.false(core))} then false else true"
    unknown = standard.unknown_if(core)
    return to_text(either(unknown) if unknown is not None else is_null(standard.exact(core)))


def _tests(standard: Standard, core: c.Core) -> list[str] | None:
    """The condition as tests of one operand, where it has that form."""
    if isinstance(core, c.Or):
        parts = [_tests(standard, arg) for arg in core.args]
        return None if None in parts else [test for part in parts for test in part or ()]
    if isinstance(core, c.And) and len(core.args) == 2:
        low, high = core.args
        if not (isinstance(low, c.Op) and isinstance(high, c.Op)):
            return None
        ends = {">": "(", ">=": "["}.get(low.row.name), {"<": ")", "<=": "]"}.get(high.row.name)
        if None in ends or not (_of_input(low) and _of_input(high)):
            return None
        return [f"{ends[0]}{standard.text(low.args[1])}..{standard.text(high.args[1])}{ends[1]}"]
    if isinstance(core, c.Op) and _of_input(core):
        value = standard.text(core.args[1])
        if core.row.name == "=":
            return [value]
        if core.row.name in ("<", "<=", ">", ">="):
            return [f"{core.row.name} {value}"]
    return None


def _of_input(core: c.Op) -> bool:
    """Whether the input is compared with a constant or a parameter."""
    if len(core.args) != 2:
        return False
    left, right = core.args
    return isinstance(left, c.Var) and left.name == "?" and isinstance(right, c.Const | c.Param)


def type_name(*parts: str) -> str:
    """`size_by_standard` as `tSizeByStandard`."""
    return "t" + "".join(word[:1].upper() + word[1:] for part in parts for word in part.split("_"))

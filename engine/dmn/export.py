"""A policy pack as a DMN model: tables, decisions and dated parameters as other tools read them, with a diagram.

What DMN cannot hold (rules as obligations, clauses, waivers, the calendar, labels in other languages) travels in
extension elements of the namespace `EXTENSION`, so that importing the model gives the pack again; the loss report names
it. What a missing value means in the strict language is written out (`to_standard.py`), in tables by rows
of their own: a row that may match, because a value that it needs is missing, is followed by one that gives null.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

from lxml import etree

from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.dmn.diagram import layout
from sancha.engine.dmn.export_tables import TableWriter, type_name
from sancha.engine.dmn.to_standard import MODELS, Standard, Used
from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.printer import to_text
from sancha.engine.files import write_file
from sancha.engine.policy import models
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.pack import Decision, DecisionVersion, Pack, Parameter, load_pack
from sancha.engine.policy.source import read_yaml

Target = Literal["dmn15", "camunda8"]
TARGETS: tuple[Target, ...] = ("dmn15", "camunda8")
#: The namespace of our extension elements.
EXTENSION = "https://sancha.dev/dmn/1"
_MODEL = {
    "dmn15": "https://www.omg.org/spec/DMN/20230324/MODEL/",
    "camunda8": "https://www.omg.org/spec/DMN/20191111/MODEL/",
}
_DMNDI = {
    "dmn15": "https://www.omg.org/spec/DMN/20230324/DMNDI/",
    "camunda8": "https://www.omg.org/spec/DMN/20191111/DMNDI/",
}
_DC = "http://www.omg.org/spec/DMN/20180521/DC/"
_DI = "http://www.omg.org/spec/DMN/20180521/DI/"
_MODELER = "http://camunda.org/schema/modeler/1.0"
_SIZES = {
    "decision": (180.0, 80.0),
    "inputData": (150.0, 46.0),
    "businessKnowledgeModel": (180.0, 60.0),
    "knowledgeSource": (140.0, 64.0),
}
_TYPES = {
    "text": "string",
    "one of": "string",
    "boolean": "boolean",
    "integer": "number",
    "number": "number",
    "money": "number",
    "rate": "number",
    "date": "date",
    "date-time": "date and time",
    "days": "days and time duration",
    "months": "years and months duration",
}
_CAMUNDA_TYPES = {
    "date and time": "dateTime",
    "days and time duration": "dayTimeDuration",
    "years and months duration": "yearMonthDuration",
}
#: The kinds of file that a pack is made of.
PARTS = (".yaml", ".csv", ".xlsx", ".md", ".json", ".feature")
#: Characters that no XML text can hold as they are.
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Loss:
    """What the model does not hold as DMN: the part of the pack, what of it, and why."""

    where: str
    what: str
    why: str


@dataclass(frozen=True)
class ExportReport:
    """What was written. `losses` stand in `losses_path` as CSV too (where, what, why)."""

    path: Path
    losses_path: Path
    target: Target
    decisions: int
    knowledge_models: int
    inputs: int
    losses: tuple[Loss, ...]

    def text(self) -> str:
        head = (
            f"{self.path}: {self.decisions} decisions, {self.knowledge_models} business knowledge models, "
            f"{self.inputs} inputs"
        )
        alike: dict[tuple[str, str], list[str]] = {}
        for loss in self.losses:
            alike.setdefault((loss.what, loss.why), []).append(loss.where)
        lines = [f"  {_listed(where)}: {what} ({why})" for (what, why), where in alike.items()]
        return "\n".join(
            [head, f"not held as DMN ({len(self.losses)} parts, see {self.losses_path}):", *lines]
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more


def export_pack(
    pack: Path, target: str, out: Path, *, on: date | None = None, rules: bool = False
) -> ExportReport:
    """Writes the tables, parameters and decisions of a pack as a DMN model, and beside it the loss report.

    `target` is `dmn15` (DMN 1.5) or `camunda8` (DMN 1.3 in the dialect of Camunda 8). With `on`, the model holds what
    was in force on that day; without, all versions, chosen by the input `as_of`. With `rules`, the conditions of the
    checks become boolean decisions too. Raises SanchaError, PackError for a pack with defects.
    """
    known = next((name for name in TARGETS if name == target), None)
    if known is None:
        raise SanchaError(
            f"unknown target `{target}`", help=did_you_mean(target, TARGETS) or "dmn15 or camunda8"
        )
    loaded = load_pack(pack)
    exporter = Exporter(loaded, known, on, rules)
    root = exporter.definitions()
    losses = tuple(dict.fromkeys(exporter.losses))
    losses_path = out.with_name(f"{out.name}.losses.csv")
    text = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerows([("where", "what", "why"), *((x.where, x.what, x.why) for x in losses)])
    write_file(out, text)
    write_file(losses_path, rows.getvalue())
    count = exporter.count
    return ExportReport(
        out,
        losses_path,
        known,
        count("decision"),
        count("businessKnowledgeModel"),
        count("inputData"),
        losses,
    )


def day_span(version: DecisionVersion, camunda: bool) -> tuple[str, str]:
    """The days of a version, as a cell and as a condition on `{0}`."""
    first = None if version.valid_from == date.min else _day_text(version.valid_from, camunda)
    last = None if version.valid_until is None else _day_text(version.valid_until, camunda)
    if first is None and last is None:
        return "-", "true"
    if last is None:
        return f">= {first}", f"{{0}} >= {first}"
    if first is None:
        return f"<= {last}", f"{{0}} <= {last}"
    return f"[{first}..{last}]", f"{{0}} in [{first}..{last}]"


def _day_text(day: date, camunda: bool) -> str:
    return f'date("{day.isoformat()}")' if camunda else f'@"{day.isoformat()}"'


def standard_text(pack: Pack, core: c.Core, camunda: bool) -> str:
    """An expression of the pack as the export writes it."""
    return Exporter(pack, "camunda8" if camunda else "dmn15", None, False).standard().text(core)


def logic_digest(element: etree._Element) -> str:
    """SHA-256 of what a decision or knowledge model computes: without ids, labels, notes and extension elements."""

    def plain(node: etree._Element) -> object:
        kept = {k: v for k, v in node.attrib.items() if k in ("hitPolicy", "aggregation", "name", "kind")}
        if kept.get("hitPolicy") == "UNIQUE":
            del kept["hitPolicy"]
        parts = [plain(p) for p in node if _local(p) not in _BESIDE_LOGIC]
        return (_local(node), sorted(kept.items()), " ".join((node.text or "").split()), parts)

    logic = [plain(part) for part in element if _local(part) in _LOGIC]
    return hashlib.sha256(repr(logic).encode()).hexdigest()


_LOGIC = ("decisionTable", "literalExpression", "context", "encapsulatedLogic", "conditional", "invocation")
_BESIDE_LOGIC = (
    "extensionElements",
    "description",
    "annotation",
    "annotationEntry",
    "inputValues",
    "outputValues",
    "",
)


def _local(node: etree._Element) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


@dataclass
class _Element:
    """An element of the decision requirements graph. `needs` are the names of those that it requires.

    `page` is the clause on whose page of the diagram the conditions of a rule stand.
    """

    kind: str
    name: str
    xml: etree._Element
    used: Used = field(default_factory=Used)
    needs: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    page: str | None = None


class Exporter:
    def __init__(self, pack: Pack, target: Target, on: date | None, rules: bool) -> None:
        self.pack, self.target, self.on, self.rules = pack, target, on, rules
        self.camunda = target == "camunda8"
        self.losses: list[Loss] = []
        self.elements: dict[str, _Element] = {}
        self.namespace = _MODEL[target]
        self.ids: set[str] = set()
        vocabulary = pack.vocabulary
        listed = (*vocabulary.lists.values(), *vocabulary.reference.values())
        self.taken = frozenset(
            {"item", "as_of", "parameters", "judged_on", "partial"}
            | {*vocabulary.groups, *vocabulary.lists, *vocabulary.reference, *pack.decisions}
            | {name for part in listed for name in part.fields}
        )
        self.several = frozenset(d.name for d in pack.decisions.values() if len(d.outputs) > 1)
        self.calls = {d.name: self.extra_arguments(d) for d in pack.decisions.values() if d.called}
        self.notes = _notes(pack)

    def count(self, kind: str) -> int:
        return sum(e.kind == kind for e in self.elements.values())

    # -- the clock ----------------------------------------------------------------------------------------

    def versions(self, decision: Decision) -> list[DecisionVersion]:
        """The versions to write: all, or the one in force on the day."""
        ordered = sorted(decision.versions, key=lambda v: v.valid_from)
        if self.on is None:
            return ordered
        day = self.on
        held = [v for v in ordered if v.valid_from <= day and (v.valid_until is None or day <= v.valid_until)]
        if len(held) < len(ordered):
            self.loss(
                f"{'table' if ordered[0].table else 'decision'} {decision.name}",
                f"{len(ordered) - len(held)} other versions",
                f"the model is that of {day}",
            )
        return held

    def dated(self, decision: Decision) -> bool:
        """Whether the day decides which version speaks."""
        bounds = [(v.valid_from, v.valid_until) for v in decision.versions]
        return self.on is None and bounds != [(date.min, None)]

    def span(self, version: DecisionVersion) -> tuple[str, str]:
        return day_span(version, self.camunda)

    def day(self, day: date) -> str:
        return _day_text(day, self.camunda)

    def extra_arguments(self, decision: Decision) -> list[str]:
        """What a table that is called reads beside its arguments: the day, and parameters in its cells."""
        cores = [
            x
            for v in decision.versions
            if v.table
            for r in v.table.rows
            for x in (*r.tests, *r.outputs, *(v.table.default or ()))
        ]
        reads = any(isinstance(n, c.Param) for core in cores for n in c.walk(core))
        return (["as_of"] if self.dated(decision) else []) + (["parameters"] if reads else [])

    def loss(self, where: str, what: str, why: str) -> None:
        self.losses.append(Loss(where, what, why))

    # -- expressions --------------------------------------------------------------------------------------

    def standard(self, plain: Iterable[str] = ()) -> Standard:
        return Standard(
            taken=self.taken,
            calls=self.calls,
            several=self.several,
            literals=not self.camunda,
            as_text=self.camunda,
            plain=frozenset(plain),
            sure=frozenset(
                n
                for n, p in self.pack.parameters.items()
                if self.on is not None and p.steps and p.steps[0][0] <= self.on
            ),
        )

    def as_of(self, called: bool = False) -> str:
        return "date(as_of)" if self.camunda and not called else "as_of"

    # -- XML ----------------------------------------------------------------------------------------------

    def make(
        self, parent: etree._Element | None, tag: str, text: str | None = None, **attributes: str | None
    ) -> etree._Element:
        name = f"{{{self.namespace}}}{tag}"
        given = {key.rstrip("_"): value for key, value in attributes.items() if value is not None}
        node = etree.Element(name, given) if parent is None else etree.SubElement(parent, name, given)
        if text is not None:
            node.text = text
        return node

    def extend(
        self, parent: etree._Element, tag: str, text: str | None = None, **attributes: str
    ) -> etree._Element:
        """An element of our namespace among the extension elements of `parent`."""
        holder = parent.find(f"{{{self.namespace}}}extensionElements")
        if holder is None:
            holder = self.make(None, "extensionElements")
            first = parent.find(f"{{{self.namespace}}}description")
            parent.insert(0 if first is None else 1, holder)
        node = etree.SubElement(holder, f"{{{EXTENSION}}}{tag}", attributes)
        node.text = text
        return node

    def id(self, *parts: str) -> str:
        base = re.sub(r"[^\w.-]", "_", "_".join(parts))
        base = base if re.match(r"[^\W\d]", base) else f"_{base}"
        fresh, number = base, 1
        while fresh in self.ids:
            number += 1
            fresh = f"{base}_{number}"
        self.ids.add(fresh)
        return fresh

    def label(self, texts: Mapping[str, str]) -> str:
        return texts.get(self.pack.languages[0]) or next(iter(texts.values()))

    def type_ref(self, type_: t.Type, name: str | None = None) -> str | None:
        """The name of a type in the model; `name` is that of the item definition for `one of`."""
        plain = _TYPES.get(type_.name)
        if self.camunda:
            return _CAMUNDA_TYPES.get(plain or "", plain)
        return name if name is not None and type_.name == "one of" else plain

    # -- the model ----------------------------------------------------------------------------------------

    def definitions(self) -> etree._Element:
        pack = self.pack
        for decision in pack.decisions.values():
            self.decision(decision)
        if self.rules:
            for rule in pack.rules.values():
                self.rule_conditions(rule.id)
        self.parameters_node()
        self.helpers()
        self.inputs()
        self.sources()
        nsmap = {
            None: self.namespace,
            "dmndi": _DMNDI[self.target],
            "dc": _DC,
            "di": _DI,
            "sancha": EXTENSION,
        }
        if self.camunda:
            nsmap["modeler"] = _MODELER
        head = {"id": self.id("definitions"), "name": pack.name, "namespace": f"{EXTENSION}/{pack.name}"}
        head |= {"exporter": "Sancha", "exporterVersion": _version()}
        if self.camunda:
            head |= {
                f"{{{_MODELER}}}executionPlatform": "Camunda Cloud",
                f"{{{_MODELER}}}executionPlatformVersion": "8.6.0",
            }
        root = etree.Element(f"{{{self.namespace}}}definitions", head, nsmap=nsmap)
        self.make(root, "description", f"{self.label(pack.title)}\n{self.label(pack.notice)}")
        if not self.camunda:
            self.item_definitions(root)
        order = ("inputData", "decision", "businessKnowledgeModel", "knowledgeSource")
        for element in sorted(self.elements.values(), key=lambda e: order.index(e.kind)):
            root.append(element.xml)
        self.requirements()
        self.general_losses()
        self.carried(root)
        self.diagram(root)
        etree.cleanup_namespaces(root, keep_ns_prefixes=["sancha"])
        return root

    def add(
        self, kind: str, name: str, xml: etree._Element, used: Used, clause: str | None = None
    ) -> _Element:
        element = _Element(kind, name, xml, used)
        if clause is not None:
            element.sources.add(clause)
        self.elements[name] = element
        return element

    def drg(
        self, kind: str, name: str, label: str | None, text: str | None, type_ref: str | None
    ) -> etree._Element:
        xml = self.make(None, kind, id=self.id(kind, name), name=name, label=label)
        if text:
            self.make(xml, "description", text)
        if kind != "knowledgeSource":
            self.make(xml, "variable", id=self.id("variable", name), name=name, typeRef=type_ref)
        return xml

    # -- decisions ----------------------------------------------------------------------------------------

    def decision(self, decision: Decision) -> None:
        versions = self.versions(decision)
        if any(v.table for v in decision.versions):
            TableWriter(self, decision, versions).write()
        else:
            self.literal(decision, versions)

    def literal(self, decision: Decision, versions: list[DecisionVersion]) -> None:
        standard = self.standard()
        parts = [(self.span(v)[1], standard.text(v.value)) for v in versions if v.value is not None]
        text = self.by_day(parts, self.dated(decision), standard.used)
        self.note_clock(decision.name, standard.used)
        self.literal_element(decision, decision.name, decision.outputs[0][1], text, standard.used)

    def by_day(self, parts: list[tuple[str, str]], dated: bool, used: Used, called: bool = False) -> str:
        """The text of the version in force on the day; null where none is."""
        if not dated:
            return parts[0][1] if parts else "null"
        used.variables.add("as_of")
        text = "null"
        for condition, body in reversed(parts):
            text = f"if {condition.format(self.as_of(called))} then {body}\nelse {text}"
        return text

    def literal_element(
        self, decision: Decision, name: str, type_: t.Type, text: str, used: Used, part: str = "value"
    ) -> _Element:
        typed = self.type_ref(type_, type_name(decision.name))
        xml = self.drg("decision", name, self.label(decision.title), self.clause_text(decision), typed)
        expression = self.make(xml, "literalExpression", id=self.id("literal", name), typeRef=typed)
        self.make(expression, "text", text)
        self.origin(xml, decision.name, part)
        return self.add("decision", name, xml, used, decision.clause)

    def origin(self, xml: etree._Element, name: str, part: str) -> None:
        """Says from what part of the pack the logic came, and its digest, by which a change elsewhere is seen."""
        self.extend(xml, "origin", name=name, part=part, digest=logic_digest(xml))

    def clause_text(self, decision: Decision) -> str | None:
        clause = self.pack.clauses.get(decision.clause)
        return f"{clause.id} {clause.title}" if clause else None

    def note_clock(self, name: str, used: Used) -> None:
        if "judged_on" in used.variables:
            used.variables.discard("judged_on")
            self.loss(f"decision {name}", "`judged_on`", "DMN has no day judged: read as the input `as_of`")
        for note in sorted(used.notes):
            self.loss(f"decision {name}", note, "no standard expression says the same")

    def rule_conditions(self, id: str) -> None:
        """A check's `applies when` and `require` as boolean decisions, read on the day `as_of`."""
        rule = self.pack.rules[id]
        if rule.kind != "check":
            return
        name = re.sub(r"\W", "_", id)
        pseudo = Decision(
            name, rule.title, ((name, t.BOOLEAN),), (), False, rule.clause, rule.source, rule.place
        )
        for suffix, part in (("applies", "applies"), ("holds", "require")):
            standard = self.standard()
            texts = []
            for v in rule.versions:
                if self.on is None or (
                    v.valid_from <= self.on and (v.valid_until is None or self.on <= v.valid_until)
                ):
                    core = getattr(v, part)
                    span = DecisionVersion(v.valid_from, v.valid_until)
                    texts.append((self.span(span)[1], standard.text(core)))
            text = self.by_day(texts, self.on is None, standard.used)
            self.note_clock(f"{name}_{suffix}", standard.used)
            shown = self.literal_element(
                pseudo, f"{name}_{suffix}", t.BOOLEAN, text, standard.used, part="rule"
            )
            shown.page = rule.clause

    # -- parameters ---------------------------------------------------------------------------------------

    def parameters_node(self) -> None:
        """One decision `parameters`: a context with an entry for each parameter that is used."""
        names = sorted(set().union(*(e.used.parameters for e in self.elements.values())))
        if not names:
            return
        xml = self.drg(
            "decision",
            "parameters",
            "Parameters",
            "Dated values of the policy",
            None if self.camunda else "tParameters",
        )
        used = Used()
        if self.on is None:
            used.variables.add("as_of")
        if self.camunda:
            entries = [f"{n}: {self.parameter_text(self.pack.parameters[n])}" for n in names]
            expression = self.make(xml, "literalExpression", id=self.id("literal", "parameters"))
            self.make(expression, "text", "{" + ",\n ".join(entries) + "}")
        else:
            context = self.make(xml, "context", id=self.id("context", "parameters"))
            for n in names:
                self.parameter_entry(context, self.pack.parameters[n])
        if self.on is not None:
            late = [n for n in names if len(self.pack.parameters[n].steps) > 1]
            for n in late:
                self.loss(f"parameter {n}", "its other values", f"the model is that of {self.on}")
        self.origin(xml, "parameters", "parameters")
        self.add("decision", "parameters", xml, used)

    def parameter_text(self, parameter: Parameter) -> str:
        standard = self.standard()
        if self.on is not None:
            held = [value for first, value, _ in parameter.steps if first <= self.on]
            return to_text(standard.constant(held[-1])) if held else "null"
        text = "null"
        for first, value, _ in parameter.steps:
            text = (
                f"if {self.as_of()} >= {self.day(first)} then {to_text(standard.constant(value))} else {text}"
            )
        return text

    def parameter_entry(self, context: etree._Element, parameter: Parameter) -> None:
        entry = self.make(context, "contextEntry", id=self.id("entry", parameter.name))
        typed = self.type_ref(parameter.type, type_name("parameters", parameter.name))
        self.make(
            entry,
            "variable",
            id=self.id("variable", "parameters", parameter.name),
            name=parameter.name,
            label=self.label(parameter.label),
            typeRef=typed,
        )
        if self.on is not None or len(parameter.steps) == 1:
            expression = self.make(entry, "literalExpression", typeRef=typed)
            self.make(expression, "text", self.parameter_text(parameter))
            return
        table = self.make(entry, "decisionTable", id=self.id("table", parameter.name), hitPolicy="UNIQUE")
        clause = self.make(table, "input", id=self.id("input", parameter.name), label="day")
        expression = self.make(clause, "inputExpression", typeRef="date")
        self.make(expression, "text", self.as_of())
        self.make(table, "output", id=self.id("output", parameter.name), typeRef=typed)
        self.make(table, "annotation", name="source")
        for i, (first, value, source) in enumerate(parameter.steps):
            rule = self.make(table, "rule", id=self.id("rule", parameter.name, str(i + 1)))
            last = parameter.steps[i + 1][0] if i + 1 < len(parameter.steps) else None
            cell = f">= {self.day(first)}" if last is None else f"[{self.day(first)}..{self.day(last)})"
            self.make(self.make(rule, "inputEntry"), "text", cell)
            self.make(self.make(rule, "outputEntry"), "text", to_text(self.standard().constant(value)))
            self.make(
                self.make(rule, "annotationEntry"), "text", f"{source['document']} {source['evidence']}"
            )

    # -- functions that the standard lacks ----------------------------------------------------------------

    def helpers(self) -> None:
        wanted = set().union(*(e.used.models for e in self.elements.values()))
        if "years between" in wanted:
            wanted.add("months between")
        for word in sorted(wanted):
            name = MODELS[word]
            counted = word.endswith("working days")
            body = {
                "months between": _MONTHS_BETWEEN,
                "years between": _YEARS_BETWEEN,
                "working days between": _working_days(self.pack.calendar, self.day, adding=False),
                "add working days": _working_days(self.pack.calendar, self.day, adding=True),
            }[word]
            xml = self.drg("businessKnowledgeModel", name, word, f"`{word}` of the policy language", None)
            logic = self.make(xml, "encapsulatedLogic", kind="FEEL")
            for parameter, ref in (("start", "date"), ("days", "number") if counted else ("end", "date")):
                self.make(logic, "formalParameter", id=self.id(name, parameter), name=parameter, typeRef=ref)
            context = self.make(logic, "context", id=self.id("context", name))
            for key, text in body:
                entry = self.make(context, "contextEntry")
                if key:
                    self.make(entry, "variable", name=key)
                text = (
                    text.replace('@"P1M"', 'duration("P1M")').replace('@"P1D"', 'duration("P1D")')
                    if self.camunda
                    else text
                )
                self.make(self.make(entry, "literalExpression"), "text", text)
            used = Used()
            if word == "years between":
                used.models.add("months between")
            self.origin(xml, name, "helper")
            self.add("businessKnowledgeModel", name, xml, used)

    # -- inputs and types ---------------------------------------------------------------------------------

    def inputs(self) -> None:
        facts = set().union(*(e.used.facts for e in self.elements.values())) if self.elements else set()
        lists = set().union(*(e.used.lists for e in self.elements.values())) if self.elements else set()
        if any("as_of" in e.used.variables for e in self.elements.values()):
            xml = self.drg(
                "inputData", "as_of", "Day", "The day on which the decisions are read", self.type_ref(t.DATE)
            )
            self.add("inputData", "as_of", xml, Used())
        for group in sorted({name.split(".")[0] for name in facts}):
            label = self.label(self.pack.vocabulary.groups[group])
            xml = self.drg("inputData", group, label, None, "Any" if self.camunda else type_name(group))
            self.add("inputData", group, xml, Used())
        for name in sorted(lists):
            part = self.pack.vocabulary.lists.get(name) or self.pack.vocabulary.reference[name]
            xml = self.drg(
                "inputData", name, self.label(part.label), None, "Any" if self.camunda else type_name(name)
            )
            self.add("inputData", name, xml, Used())
        self.facts, self.lists = facts, lists

    def item_definitions(self, root: etree._Element) -> None:
        vocabulary = self.pack.vocabulary
        for group in sorted({name.split(".")[0] for name in self.facts}):
            item = self.make(root, "itemDefinition", id=self.id("type", group), name=type_name(group))
            for name in (n for n in vocabulary.facts if n in self.facts and n.split(".")[0] == group):
                fact = vocabulary.facts[name]
                self.component(item, name.split(".", 1)[1], fact.type, self.label(fact.label))
        for name in sorted(self.lists):
            part = vocabulary.lists.get(name) or vocabulary.reference[name]
            item = self.make(
                root, "itemDefinition", id=self.id("type", name), name=type_name(name), isCollection="true"
            )
            read = self.fields_of(name)
            for f in part.fields.values():
                if f.name in read:
                    self.component(item, f.name, f.type, self.label(f.label))
        for decision in self.pack.decisions.values():
            if decision.name in self.several:
                item = self.make(
                    root, "itemDefinition", id=self.id("type", decision.name), name=type_name(decision.name)
                )
                for output, type_ in decision.outputs:
                    self.component(item, output, type_, None)
            elif decision.outputs[0][1].name == "one of":
                self.simple(root, type_name(decision.name), decision.outputs[0][1])
        if "parameters" in self.elements:
            item = self.make(root, "itemDefinition", id=self.id("type", "parameters"), name="tParameters")
            for n in sorted(set().union(*(e.used.parameters for e in self.elements.values()))):
                parameter = self.pack.parameters[n]
                self.component(item, n, parameter.type, self.label(parameter.label))
                if parameter.type.name == "one of":
                    self.simple(root, type_name("parameters", n), parameter.type)

    def fields_of(self, name: str) -> set[str]:
        """The fields of a list that the model reads."""
        return {
            n.name
            for core in self.cores()
            for n in c.walk(core)
            if isinstance(n, c.Field | c.ListField) and n.list == name
        }

    def cores(self) -> Iterator[c.Core]:
        for decision in self.pack.decisions.values():
            for v in decision.versions:
                yield from (core for core in (v.value, *v.inputs) if core is not None)
        for rule in self.pack.rules.values() if self.rules else ():
            if rule.kind == "check":
                for version in rule.versions:
                    yield from (core for core in (version.applies, version.require) if core is not None)

    def component(self, item: etree._Element, name: str, type_: t.Type, label: str | None) -> None:
        plain = type_.item if type_.name == "list" and type_.item is not None else type_
        node = self.make(
            item,
            "itemComponent",
            id=self.id(item.get("id") or "", name),
            name=name,
            label=label,
            isCollection="true" if type_.name == "list" else None,
        )
        self.type_body(node, plain)
        if str(type_) != _TYPES.get(plain.name) and plain.name not in ("text", "one of"):
            self.extend(node, "type", str(type_))

    def simple(self, root: etree._Element, name: str, type_: t.Type) -> None:
        self.type_body(self.make(root, "itemDefinition", id=self.id("type", name), name=name), type_)

    def type_body(self, node: etree._Element, type_: t.Type) -> None:
        self.make(node, "typeRef", _TYPES[type_.name])
        if type_.name == "one of":
            values = ", ".join(to_text(s.Literal((0, 0), v)) for v in type_.values)
            self.make(self.make(node, "allowedValues"), "text", values)

    def sources(self) -> None:
        """The clauses of the policy text as knowledge sources."""
        for id in sorted(set().union(*(e.sources for e in self.elements.values()))):
            clause = self.pack.clauses[id]
            xml = self.drg("knowledgeSource", f"clause {id}", clause.title, clause.text or None, None)
            self.make(xml, "type", "clause of the policy")
            self.add("knowledgeSource", f"clause {id}", xml, Used())

    # -- requirements -------------------------------------------------------------------------------------

    def requirements(self) -> None:
        for element in self.elements.values():
            used = element.used
            wanted: list[tuple[str, str, str]] = []
            called = element.kind == "businessKnowledgeModel"
            if not called:
                inputs = {n.split(".")[0] for n in used.facts} | used.lists | (used.variables & {"as_of"})
                wanted += [("informationRequirement", "requiredInput", n) for n in sorted(inputs)]
                decided = set(used.decisions) | ({"parameters"} if self.reads_parameters(element) else set())
                wanted += [("informationRequirement", "requiredDecision", n) for n in sorted(decided)]
            known = used.tables | {MODELS[m] for m in used.models}
            wanted += [("knowledgeRequirement", "requiredKnowledge", n) for n in sorted(known)]
            wanted += [
                ("authorityRequirement", "requiredAuthority", f"clause {n}") for n in sorted(element.sources)
            ]
            at = self.requirement_place(element.xml, called)
            for tag, kind, name in wanted:
                requirement = self.make(None, tag, id=self.id(tag, element.name, name))
                self.make(requirement, kind, href=f"#{self.elements[name].xml.get('id')}")
                element.xml.insert(at, requirement)
                element.needs.add(name)
                at += 1

    def reads_parameters(self, element: _Element) -> bool:
        passed = any("parameters" in self.calls.get(name, ()) for name in element.used.tables)
        return element.name != "parameters" and (bool(element.used.parameters) or passed)

    def requirement_place(self, xml: etree._Element, called: bool) -> int:
        """Requirements stand after the variable of a decision, and after the logic of a knowledge model."""
        last = "encapsulatedLogic" if called else "variable"
        return next((i + 1 for i, part in enumerate(xml) if _local(part) == last), len(xml))

    # -- what DMN does not hold ---------------------------------------------------------------------------

    def general_losses(self) -> None:
        pack = self.pack
        obligations = "DMN has no obligations judged on days of their own, with outcomes and deadlines"
        for rule in pack.rules.values():
            if self.rules and rule.kind == "check":
                why = "the outcome, the day judged and what was known on it; its conditions are decisions"
                self.loss(f"rule {rule.id}", why, obligations)
            else:
                self.loss(f"rule {rule.id}", f"the {rule.kind} as a whole", obligations)
        if pack.waivers:
            self.loss("waivers.yaml", f"{len(pack.waivers)} waivers", "DMN has no exceptions to a decision")
        others = [lang for lang in pack.languages if lang != pack.languages[0]]
        if others:
            self.loss("labels", f"the texts in {', '.join(others)}", "DMN has one label an element")
        hidden = sorted(
            {
                name if name in pack.vocabulary.facts else f"{name} (items)"
                for name in (*self.facts, *self.lists)
                if self.known_on(name)
            }
        )
        if hidden:
            self.loss(
                "vocabulary.yaml",
                f"`known on` of {', '.join(hidden)}",
                "DMN knows no day on which a value became known: give the model what was known on `as_of`",
            )
        typed = sorted(
            n for n in self.facts if pack.vocabulary.facts[n].type.name in ("integer", "money", "rate")
        )
        if typed:
            self.loss(
                "vocabulary.yaml",
                f"the types integer, money and rate of {len(typed)} facts",
                "a DMN number has no unit and no places",
            )
        unused = [n for n in pack.vocabulary.facts if n not in self.facts]
        self.loss(
            "vocabulary.yaml",
            f"{len(unused)} facts",
            "no decision reads them: the model names only its inputs",
        )
        idle = [n for n in pack.parameters if not any(n in e.used.parameters for e in self.elements.values())]
        for name in sorted(idle):
            self.loss(f"parameter {name}", "its values", "only rules read it")
        if self.camunda:
            self.loss(
                "types", "item definitions and allowed values", "Camunda 8 does not check structured types"
            )

    def known_on(self, name: str) -> str | None:
        vocabulary = self.pack.vocabulary
        if name in vocabulary.facts:
            return vocabulary.facts[name].known_on
        return vocabulary.lists[name].known_on if name in vocabulary.lists else None

    def carried(self, root: etree._Element) -> None:
        """The files of the pack, and the losses, as extension elements."""
        pack = self.pack
        held = self.extend(
            root, "pack", name=pack.name, version=pack.version, digest=pack.digest, target=self.target,
            **({} if self.on is None else {"on": self.on.isoformat()}),
        )  # fmt: skip
        for file in sorted(pack.path.rglob("*")):
            relative = file.relative_to(pack.path)
            hidden = any(part.startswith((".", "__")) for part in relative.parts)
            if not file.is_file() or hidden or file.suffix not in PARTS:
                continue
            node = etree.SubElement(held, f"{{{EXTENSION}}}file", {"path": relative.as_posix()})
            content = file.read_bytes()
            try:
                text = content.decode("utf-8")
            except UnicodeDecodeError:
                text = "\0"
            if _NOT_XML.search(text):
                node.set("encoding", "base64")
                text = base64.b64encode(content).decode()
            node.text = text
        for loss in dict.fromkeys(self.losses):
            etree.SubElement(
                held, f"{{{EXTENSION}}}loss", {"where": loss.where, "what": loss.what, "why": loss.why}
            )

    # -- the diagram --------------------------------------------------------------------------------------

    def diagram(self, root: etree._Element) -> None:
        """One page with the tables and decisions, and one for the checks of each clause, with what they require."""
        holder = etree.SubElement(root, f"{{{_DMNDI[self.target]}}}DMNDI")
        # The modeler of Camunda 8 shows one page.
        pages = [
            None,
            *sorted({e.page for e in self.elements.values() if e.page} if not self.camunda else ()),
        ]
        for clause in pages:
            own = [e for e in self.elements.values() if self.camunda or e.page == clause]
            if clause is None and not self.camunda:
                read = set().union(*(e.needs for e in own))
                own = [e for e in own if e.name in read or e.kind in ("decision", "businessKnowledgeModel")]
            edges = [(need, e.name) for e in own for need in sorted(e.needs)]
            shown = {e.name for e in own} | {low for low, _ in edges}
            self.page(holder, f"clause {clause}" if clause else self.pack.name, shown, edges)

    def page(self, holder: etree._Element, title: str, shown: set[str], edges: list[tuple[str, str]]) -> None:
        found = layout({n: _SIZES[e.kind] for n, e in self.elements.items() if n in shown}, edges)
        di = _DMNDI[self.target]
        attributes = {"id": self.id("diagram", title), "name": title}
        page = etree.SubElement(holder, f"{{{di}}}DMNDiagram", attributes)
        if not self.camunda:
            width, height = found.size
            etree.SubElement(page, f"{{{di}}}Size", {"width": f"{width:g}", "height": f"{height:g}"})
        for name, box in found.shapes.items():
            ref = self.elements[name].xml.get("id") or ""
            shape = etree.SubElement(
                page, f"{{{di}}}DMNShape", {"id": self.id("shape", ref), "dmnElementRef": ref}
            )
            bounds = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
            etree.SubElement(shape, f"{{{_DC}}}Bounds", {k: f"{v:g}" for k, v in bounds.items()})
        for (low, high), points in found.lines.items():
            target = f"#{self.elements[low].xml.get('id')}"
            requirement = next(r for r in self.elements[high].xml if any(x.get("href") == target for x in r))
            ref = requirement.get("id") or ""
            edge = etree.SubElement(
                page, f"{{{di}}}DMNEdge", {"id": self.id("edge", ref), "dmnElementRef": ref}
            )
            for x, y in points:
                etree.SubElement(edge, f"{{{_DI}}}waypoint", {"x": f"{x:g}", "y": f"{y:g}"})


def _notes(pack: Pack) -> dict[tuple[str, date], list[str]]:
    """The notes of the rows of each version of a table, where its file has a column `note`."""
    out: dict[tuple[str, date], list[str]] = {}
    for file in {d.place.file for d in pack.decisions.values()}:
        for document in read_yaml(Path(file), file):
            if not isinstance(document.value, dict) or "table" not in document.value:
                continue
            spec = models.TableFile.model_validate(document.value)
            versions: Sequence[models.TableFile | models.TableVersionFile] = spec.versions or [spec]
            for version in versions:
                rows = version.rows
                first = version.in_force.from_ if version.in_force is not None else date.min
                if isinstance(rows, str) and rows.endswith(".csv"):
                    text = (Path(file).parent / rows).read_text(encoding="utf-8-sig")
                    records = [r for r in csv.reader(io.StringIO(text)) if any(x.strip() for x in r)]
                    header = [h.strip() for h in records[0]]
                    if "note" in header:
                        at = header.index("note")
                        out[spec.table, first] = [r[at].strip() for r in records[1:]]
    return out


_MONTHS_BETWEEN = (
    ("months", "(end.year - start.year) * 12 + end.month - start.month"),
    ("reached", 'start + @"P1M" * months'),
    (
        "",
        "if months > 0 and reached > end then months - 1 "
        "else if months < 0 and reached < end then months + 1 else months",
    ),
)
_YEARS_BETWEEN = (
    ("months", "months_between(start, end)"),
    ("", "if months >= 0 then floor(months / 12) else ceiling(months / 12)"),
)


def _working_days(
    calendar: Calendar, day: Callable[[date], str], *, adding: bool
) -> tuple[tuple[str, str], ...]:
    """Counting working days, or adding them, with the calendar of the pack written out."""
    days = [calendar.first + timedelta(days=n) for n in range(len(calendar.counts))]
    before = (0, *calendar.counts)
    working = [d for n, d in enumerate(days) if calendar.counts[n] > before[n]]
    share = {w: sum(d.isoweekday() == w for d in working) / max(1, len(days)) for w in range(1, 8)}
    weekend = [w for w, part in share.items() if 2 * part < 1 / 7]
    works = set(working)
    off = [d for d in days if d not in works and d.isoweekday() not in weekend]
    on = [d for d in working if d.isoweekday() in weekend]
    first, last = (days[0], days[-1]) if days else (date.max, date.min)
    known = (
        ("weekend", f"[{', '.join(map(str, weekend))}]"),
        ("holidays", f"[{', '.join(map(day, off))}]"),
        ("working_weekends", f"[{', '.join(map(day, on))}]"),
    )
    open_ = (
        "candidates[list contains(working_weekends, item) "
        "or not(list contains(weekend, item.weekday)) and not(list contains(holidays, item))]"
    )
    within = f"[{day(first)}..{day(last)}]"
    if not adding:
        return (
            *known,
            ("low", "if start <= end then start else end"),
            ("length", 'abs((end - start) / @"P1D")'),
            ("candidates", 'if length = 0 then [] else for i in 1..length return low + @"P1D" * i'),
            ("working", open_),
            (
                "",
                f"if start = null or end = null or not(start in {within}) or not(end in {within}) then null "
                "else if start <= end then count(working) else -count(working)",
            ),
        )
    gap = max(((b - a).days for a, b in pairwise(working)), default=1)
    return (
        *known,
        ("length", f"(abs(days) + 1) * {gap}"),
        (
            "candidates",
            'if days > 0 then (for i in 1..length return start + @"P1D" * i) '
            'else (for i in 0..length return start - @"P1D" * i)',
        ),
        ("working", f"({open_})[item in {within}]"),
        # Beyond the calendar there are no days to pick.
        ("place", "if days > 0 then days else 1 - days"),
        (
            "",
            f"if start = null or days = null or not(start in {within}) or place > count(working) "
            "then null else working[place]",
        ),
    )


def _version() -> str:
    from importlib.metadata import version

    return version("sancha")

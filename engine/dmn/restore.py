"""The pack that an exported model carries, with what another tool has changed in the model since.

Each exported table and decision names its origin and the digest of its logic. Where the digest still holds, the files
of the pack stand as they were, to the byte. Where it does not, the rows or the expression are read from the model and
written into the file of the pack that they came from; rows that the export added for missing values are left out.
"""

from __future__ import annotations

import base64
import copy
import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from lxml import etree
from ruamel.yaml import YAML

from sancha.engine.diagnostics import PackError, SanchaError
from sancha.engine.dmn import model as m
from sancha.engine.dmn.export import EXTENSION, PARTS, day_span, logic_digest, standard_text
from sancha.engine.dmn.meanings import Alias, Entry, Group, ItemList, Lost, Meaning
from sancha.engine.dmn.to_pack import Importer
from sancha.engine.dmn.to_standard import MODELS
from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel.check import Scope, check, check_cell, check_value
from sancha.engine.feel.lexer import FeelSyntaxError
from sancha.engine.feel.parser import parse_dmn, parse_dmn_tests
from sancha.engine.feel.printer import cell_to_text, to_text
from sancha.engine.feel.temporal import parse_date
from sancha.engine.policy.pack import JUDGED_ON, Decision, DecisionVersion, Pack, constant, load_pack
from sancha.engine.policy.tables import Table, input_name

_NOWHERE = (0, 0)
_HELD = ("decision", "businessKnowledgeModel")
_MARKS = ("unknown", "default", "none", "day")
#: How logic that follows from other parts is called in the report.
_DERIVED = {
    "open": "it follows from the rows of the table",
    "default": "it follows from the table and its default",
    "helper": "it stands for a function of the strict language",
    "rule": "rules are taken from the pack that the model carries",
}


def restore(path: Path, definitions: m.Definitions, folder: Path) -> list[Entry] | None:
    """Writes the carried pack into the folder and takes over what has changed. None: the model carries none."""
    carried = _carried(definitions)
    if carried is None:
        return None
    for file in carried.iter(f"{{{EXTENSION}}}file"):
        _write(file, folder)
    pack = load_pack(folder)
    entries: list[Entry] = []
    if pack.digest != carried.get("digest"):
        entries.append(Entry("changed", 0, "the pack in the model", "it is not the one that was exported"))
    restorer = _Restorer(
        definitions, pack, folder, entries, carried.get("target") == "camunda8", carried.get("on")
    )
    restorer.compare(_tree(path))
    return entries


def _carried(definitions: m.Definitions) -> etree._Element | None:
    for text in definitions.extensions:
        if EXTENSION in text:
            node = etree.fromstring(text.encode(), _parser())
            if node.tag == f"{{{EXTENSION}}}pack":
                return node
    return None


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _tree(path: Path) -> etree._Element:
    return etree.parse(str(path), _parser()).getroot()


def _write(file: etree._Element, folder: Path) -> None:
    name = file.get("path") or ""
    relative = PurePosixPath(name)
    sound = name and not relative.is_absolute() and ".." not in relative.parts and "\\" not in name
    if not sound or relative.suffix not in PARTS or any(part.startswith(".") for part in relative.parts):
        raise SanchaError(f"the model carries a file `{name}`, which is no part of a pack")
    target = folder.joinpath(*relative.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = file.text or ""
    try:
        content = base64.b64decode(text, validate=True) if file.get("encoding") == "base64" else text.encode()
    except ValueError:
        raise SanchaError(f"the file `{name}` that the model carries is damaged") from None
    target.write_bytes(content)


@dataclass
class _Restorer:
    definitions: m.Definitions
    pack: Pack
    folder: Path
    entries: list[Entry]
    camunda: bool
    on: str | None

    def compare(self, root: etree._Element) -> None:
        """Takes over each element whose logic is no longer the one that was exported."""
        elements = {e.id: e for e in self.definitions.elements}
        seen: set[str] = set()
        unchanged = 0
        for node in root:
            if not isinstance(node.tag, str) or etree.QName(node).localname not in (
                "decision",
                "businessKnowledgeModel",
            ):
                continue
            element = elements.get(node.get("id"))
            origin = node.find(f"./{{*}}extensionElements/{{{EXTENSION}}}origin")
            shown = f'{etree.QName(node).localname} "{node.get("name")}"'
            line = node.sourceline or 0
            if origin is None or element is None:
                what = "it was added to the model, and the pack does not have it"
                self.entries.append(Entry("lost", line, shown, what))
                continue
            name, part = origin.get("name") or "", origin.get("part") or ""
            seen.add(name)
            if logic_digest(node) == origin.get("digest"):
                unchanged += 1
                continue
            before = {file: file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
            try:
                what = self.take(element, name, part)
                load_pack(self.folder)
                self.entries.append(Entry("changed", line, shown, what))
            except (Lost, FeelSyntaxError, PackError) as error:
                self.revert(before)
                reason = error.diagnostics[0].message if isinstance(error, PackError) else str(error)
                at = error.line if isinstance(error, Lost) and error.line else line
                self.entries.append(
                    Entry("lost", at, shown, f"changed since the export, not taken over: {reason}")
                )
        for name in self.pack.decisions:
            if name not in seen:
                self.entries.append(Entry("lost", 0, name, "it is no longer in the model; the pack keeps it"))
        self.entries.insert(
            0, Entry("kept", 0, "the pack", f"restored; {unchanged} tables and decisions are as exported")
        )

    def revert(self, before: Mapping[Path, bytes]) -> None:
        """The files of the pack as they were."""
        for file in self.folder.rglob("*"):
            if file.is_file() and file not in before:
                file.unlink()
        for file, content in before.items():
            file.write_bytes(content)

    def take(self, element: m.DrgElement, name: str, part: str) -> str:
        if part in _DERIVED:
            raise Lost(_DERIVED[part])
        if part == "parameters":
            assert isinstance(element, m.Decision)
            return self.take_parameters(element)
        decision = self.pack.decisions.get(name)
        if decision is None:
            raise Lost(f"the pack has no `{name}`")
        if part == "value":
            assert isinstance(element, m.Decision)
            return self.take_value(element, decision)
        logic = element.expression if isinstance(element, m.Decision) else None
        if isinstance(element, m.BusinessKnowledgeModel) and element.logic is not None:
            logic = element.logic.body
        if not isinstance(logic, m.DecisionTable):
            raise Lost("it is no longer a decision table")
        return self.take_table(logic, decision)

    # -- names --------------------------------------------------------------------------------------------

    def translator(self) -> tuple[Importer, dict[str, Meaning]]:
        """What turns the model's expressions into those of the pack, and what its names mean: themselves."""
        vocabulary = self.pack.vocabulary
        groups: dict[str, dict[str, Meaning]] = {}
        for fact in vocabulary.facts:
            group, _, last = fact.partition(".")
            groups.setdefault(group, {})[last] = _path(fact)
        names: dict[str, Meaning] = {group: Group(members) for group, members in groups.items()}
        for listed in (*vocabulary.lists.values(), *vocabulary.reference.values()):
            names[listed.name] = ItemList(s.Name(_NOWHERE, listed.name), {f: f for f in listed.fields})
        names["as_of"] = s.Name(_NOWHERE, "as_of")
        names["parameters"] = Group({n: _path(f"parameters.{n}") for n in self.pack.parameters})
        for decision in self.pack.decisions.values():
            if decision.called:
                table = next(v.table for v in decision.versions if v.table is not None)
                names[decision.name] = Alias(decision.name, len(table.inputs))
            elif len(decision.outputs) == 1:
                names[decision.name] = s.Name(_NOWHERE, decision.name)
            else:
                names[decision.name] = Group({o: _path(f"{decision.name}.{o}") for o, _ in decision.outputs})
        for word, model in MODELS.items():
            names[model] = Alias(word, 2)
        scope = self.pack.scope
        variables = {**scope.variables, "judged_on": JUDGED_ON}
        importer = Importer(self.definitions, scope=replace(scope, variables=variables))
        importer.keys = frozenset(
            {n.split(".")[-1] for n in vocabulary.facts}
            | {f for x in (*vocabulary.lists.values(), *vocabulary.reference.values()) for f in x.fields}
            | set(self.pack.parameters)
            | {o for d in self.pack.decisions.values() for o, _ in d.outputs}
        )
        return importer, names

    # -- expressions --------------------------------------------------------------------------------------

    def take_value(self, element: m.Decision, decision: Decision) -> str:
        if not isinstance(element.expression, m.LiteralExpression):
            raise Lost("it is no longer an expression")
        importer, names = self.translator()
        text = element.expression.text
        tree = importer.parsed(self.definitions, text, names)
        versions = self.versions(decision)
        dated = self.on is None and [(v.valid_from, v.valid_until) for v in decision.versions] != [
            (date.min, None)
        ]
        parts = (
            _by_day(tree, [day_span(v, self.camunda)[1] for v in versions], self.camunda) if dated else [tree]
        )
        if parts is None:
            raise Lost("the days of its versions have changed")
        taken = []
        for v, part in zip(versions, parts, strict=True):
            assert v.value is not None
            if to_text(part) == to_text(
                parse_dmn(standard_text(self.pack, v.value, self.camunda), importer.known(names))
            ):
                continue
            new = to_text(importer.strict(part, names, self.definitions))
            core, defects = check(new, importer.scope, decision.outputs[0][1])
            if core is None:
                raise Lost(f"`{new}`: {defects[0].message}")
            self.edit(decision, v, {"value": new})
            taken.append(new)
        return f"taken over: `{'; '.join(taken)}`"

    def versions(self, decision: Decision) -> list[DecisionVersion]:
        ordered = sorted(decision.versions, key=lambda v: v.valid_from)
        if self.on is None:
            return ordered
        day = date.fromisoformat(self.on)
        return [v for v in ordered if v.valid_from <= day and (v.valid_until is None or day <= v.valid_until)]

    # -- parameters ---------------------------------------------------------------------------------------

    def take_parameters(self, element: m.Decision) -> str:
        """Takes over values that were changed, and values from days that are new."""
        importer, names = self.translator()
        entries: dict[str, m.Expression | s.Node | None] = {}
        if isinstance(element.expression, m.Context):
            entries = {e.variable.name: e.value for e in element.expression.entries if e.variable is not None}
        elif isinstance(element.expression, m.LiteralExpression):
            tree = importer.parsed(self.definitions, element.expression.text, names)
            entries = dict(tree.entries) if isinstance(tree, s.Context) else {}
        taken = []
        for name, held in entries.items():
            parameter = self.pack.parameters.get(name)
            if parameter is None:
                raise Lost(f"the pack has no parameter `{name}`")
            if isinstance(held, m.LiteralExpression):
                held = importer.parsed(self.definitions, held.text, names)
            found = self.steps(held, importer, names)
            known = {first: value for first, value, _ in parameter.steps}
            if self.on is not None:
                first = max(d for d in known if d <= date.fromisoformat(self.on))
                found = dict.fromkeys([first], next(iter(found.values()), "null"))
            changed = {}
            for first, text in found.items():
                plain = text[1:-1] if text.startswith('"') else text.removeprefix('@"').removesuffix('"')
                value = constant(plain, parameter.type)
                if value is None:
                    raise Lost(f"`{text}` is no value of the parameter `{name}`, of type {parameter.type}")
                if first not in known or known[first].value != value.value:
                    changed[first] = plain
            gone = known.keys() - found.keys() if self.on is None else set()
            if gone:
                raise Lost(f"the parameter `{name}` has no value any more from {min(gone)} on")
            if changed:
                self.edit_parameter(name, changed)
                taken += [f"{name} {plain} from {first}" for first, plain in changed.items()]
        return f"taken over: {'; '.join(taken)}" if taken else "no value of a parameter is another"

    def steps(
        self, held: m.Expression | s.Node | None, importer: Importer, names: Mapping[str, Meaning]
    ) -> dict[date, str]:
        """The values of a parameter by the first day of each."""
        out: dict[date, str] = {}
        if isinstance(held, m.DecisionTable):
            for rule in held.rules:
                cell = importer.strict(parse_dmn_tests(rule.inputs[0].text.text), names, self.definitions)
                test = cell.tests[0] if isinstance(cell, s.In) and len(cell.tests) == 1 else None
                first = test.low if isinstance(test, s.Range) and test.low_closed else None
                if isinstance(test, s.Test) and test.op == ">=":
                    first = test.operand
                out[_date(first)] = to_text(importer.text(self.definitions, rule.outputs[0].text, names))
            return out
        if not isinstance(held, s.Node):
            raise Lost("the form of a parameter was changed")
        tree = importer.strict(held, names, self.definitions)
        if self.on is not None:
            return {date.fromisoformat(self.on): to_text(tree)}
        while isinstance(tree, s.If):
            if not (isinstance(tree.condition, s.Binary) and tree.condition.op == ">="):
                raise Lost("the form of a parameter was changed")
            out[_date(tree.condition.right)] = to_text(tree.then)
            tree = tree.otherwise
        return out

    def edit_parameter(self, name: str, changed: Mapping[date, str]) -> None:
        for file in sorted((self.folder / "parameters").rglob("*.yaml")):
            yaml, documents = _read(file)
            found = next(
                (d["parameters"][name] for d in documents if name in (d or {}).get("parameters", {})), None
            )
            if found is None:
                continue
            steps = found["values"]
            for first, plain in changed.items():
                step = next((x for x in steps if str(x["from"]) == first.isoformat()), None)
                if step is None:
                    step = copy.deepcopy(steps[-1])
                    step["from"] = first
                    steps.append(step)
                # Digits stand without quotes; the reader takes them as they are written.
                step["value"] = yaml.load(plain) if re.fullmatch(r"-?\d+(\.\d+)?", plain) else plain
            steps.sort(key=lambda x: str(x["from"]))
            _save(file, yaml, documents)
            return
        raise Lost(f"no file of the pack gives the parameter `{name}`")

    # -- tables -------------------------------------------------------------------------------------------

    def take_table(self, table: m.DecisionTable, decision: Decision) -> str:
        importer, names = self.translator()
        shape = next(v.table for v in decision.versions if v.table is not None)
        marked = ["day" in _marks(clause) for clause in table.inputs]
        if len(table.inputs) - sum(marked) != len(shape.inputs) or len(table.outputs) != len(shape.outputs):
            raise Lost("columns were added to the table, or taken away")
        rows: dict[str, list[list[str]]] = {}
        defaults: dict[str, list[str]] = {}
        for rule in table.rules:
            marks = _marks(rule)
            if marks & {"unknown", "none"}:
                continue
            day = next((x.text.text.strip() for x, own in zip(rule.inputs, marked, strict=True) if own), "-")
            cells = [x for x, own in zip(rule.inputs, marked, strict=True) if not own]
            outputs = [self.output(importer, names, x, shape, i) for i, x in enumerate(rule.outputs)]
            if "default" in marks:
                defaults[day] = outputs
                continue
            line = [self.cell(importer, names, x, shape, i) for i, x in enumerate(cells)]
            note = (
                "; ".join(a.strip() for a in rule.annotations if a.strip())
                or (rule.description or "").strip()
            )
            rows.setdefault(day, []).append([*line, *outputs, note])
        versions = self.versions(decision)
        spans = {day_span(v, self.camunda)[0]: v for v in versions} if any(marked) else {"-": versions[0]}
        for day in rows:
            if day not in spans:
                raise Lost(f"rows for the days `{day}`, for which the pack has no version")
        count = 0
        for day, v in spans.items():
            if day not in rows:
                raise Lost(f"no row is left for the days `{day}`")
            changes: dict[str, Any] = {"rows": rows[day]}
            if day in defaults:
                changes["default"] = defaults[day]
            self.edit(decision, v, changes)
            count += len(rows[day])
        return f"taken over: {count} rows"

    def cell(
        self, importer: Importer, names: Mapping[str, Meaning], tests: m.UnaryTests, shape: Table, i: int
    ) -> str:
        text = tests.text
        if not text.text.strip():
            return "-"
        try:
            tree = importer.strict(parse_dmn_tests(text.text, importer.known(names)), names, self.definitions)
        except FeelSyntaxError as error:
            raise Lost(f"the cell `{text.text}`: {error.message}", text.line) from None
        if isinstance(tree, s.Negated):
            # The strict `not` leaves a missing value open without being told.
            kept = tuple(x for x in tree.tests if not (isinstance(x, s.Literal) and x.value is None))
            tree = replace(tree, tests=kept or tree.tests)
        cell = cell_to_text(tree)
        scope = Scope(parameters=importer.scope.parameters)
        _, defects = check_cell(cell, c.Var(shape.inputs[i][1], input_name(i)), scope)
        if defects:
            raise Lost(f"the cell `{cell}`: {defects[0].message}", text.line)
        return importer.bare(tree, shape.inputs[i][1]) or cell

    def output(
        self,
        importer: Importer,
        names: Mapping[str, Meaning],
        output: m.LiteralExpression,
        shape: Table,
        i: int,
    ) -> str:
        text = to_text(importer.text(self.definitions, output.text, names))
        type_ = shape.outputs[i][1]
        if type_.name == "one of" and text[1:-1] in type_.values:
            return text[1:-1]
        _, defects = check_value(text, type_, Scope(parameters=importer.scope.parameters))
        if defects:
            raise Lost(f"the output `{text}`: {defects[0].message}", output.line)
        return text

    # -- files --------------------------------------------------------------------------------------------

    def edit(self, decision: Decision, version: DecisionVersion, changes: dict[str, Any]) -> None:
        """Writes new values into the file of a decision; comments and the order of its keys stay."""
        file = Path(decision.place.file)
        yaml, documents = _read(file)
        kind = "table" if version.table is not None else "decision"
        found = next(d for d in documents if isinstance(d, dict) and d.get(kind) == decision.name)
        for part in found.get("versions") or ():
            if str(part["in force"]["from"]) == version.valid_from.isoformat():
                found_version = part
                break
        else:
            found_version = found
        rows = changes.get("rows")
        if rows is not None:
            given = found_version["rows"]
            assert version.table is not None
            heads = [n for n, _ in (*version.table.inputs, *version.table.outputs)]
            if isinstance(given, str):
                target = file.parent / (given if given.endswith(".csv") else f"{decision.name}.csv")
                _write_rows(target, heads, rows)
                changes = {**changes, "rows": target.name} if not given.endswith(".csv") else {
                    k: v for k, v in changes.items() if k != "rows"
                }  # fmt: skip
            else:
                changes = {**changes, "rows": [row[: len(heads)] for row in rows]}
        if [str(x) for x in changes.get("default", ())] == [
            str(x) for x in found_version.get("default") or ()
        ]:
            changes = {k: v for k, v in changes.items() if k != "default"}
        if changes:
            found_version.update(changes)
            _save(file, yaml, documents)


def _read(file: Path) -> tuple[YAML, list[Any]]:
    """The documents of a YAML file, to be written with their comments."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml, list(yaml.load_all(file.read_text(encoding="utf-8")))


def _save(file: Path, yaml: YAML, documents: list[Any]) -> None:
    held = io.StringIO()
    yaml.dump_all(documents, held)
    file.write_text(held.getvalue(), encoding="utf-8")


def _date(node: s.Node | None) -> date:
    day = parse_date(node.text) if isinstance(node, s.Temporal) else None
    if day is None:
        raise Lost("the days of a parameter were changed to something else than dates")
    return day


def _write_rows(target: Path, heads: list[str], rows: list[list[str]]) -> None:
    """The rows as CSV, in the order of the columns that the file had."""
    columns = [*heads, "note"]
    if target.is_file():
        first = next(csv.reader(io.StringIO(target.read_text(encoding="utf-8-sig"))), columns)
        columns = [x.strip() for x in first]
    order = [(*heads, "note").index(x) for x in columns]
    held = io.StringIO()
    csv.writer(held, lineterminator="\n").writerows([columns, *([row[i] for i in order] for row in rows)])
    target.write_text(held.getvalue(), encoding="utf-8")


def _marks(element: m.Element) -> set[str]:
    """Our marks among the extension elements of a row or column."""
    return {
        mark
        for text in element.extensions
        for mark in _MARKS
        if EXTENSION in text and re.search(rf"^<(?:[\w.-]+:)?{mark}\b", text.strip())
    }


def _by_day(tree: s.Node, conditions: list[str], camunda: bool) -> list[s.Node] | None:
    """The expressions of the versions, from `if as_of … then A else if … else null`; None: it has another form."""
    shown = "date(as_of)" if camunda else "as_of"
    parts = []
    for condition in conditions:
        if not isinstance(tree, s.If) or to_text(tree.condition) != to_text(
            parse_dmn(condition.format(shown), ["as_of"])
        ):
            return None
        parts.append(tree.then)
        tree = tree.otherwise
    return parts if isinstance(tree, s.Literal) and tree.value is None else None


def _path(name: str) -> s.Node:
    head, *rest = name.split(".")
    node: s.Node = s.Name(_NOWHERE, head)
    for part in rest:
        node = s.Path(_NOWHERE, node, part, _NOWHERE)
    return node

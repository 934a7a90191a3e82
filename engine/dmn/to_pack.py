"""A DMN model in the strict language: its tables and decisions as those of a pack, and a report of what did not fit.

Input data and item definitions become the vocabulary, names become identifiers with the original as label, full FEEL
becomes strict FEEL on the syntax tree, decision tables keep their hit policies. What the strict form cannot hold is
left out, with all that requires it, and named in the report with its line in the XML.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from sancha.engine.diagnostics import SanchaError
from sancha.engine.dmn import model as m
from sancha.engine.dmn.meanings import (
    DEEPEST,
    NOWHERE,
    NULL,
    Entry,
    Function,
    Group,
    Item,
    ItemList,
    Lost,
    Meaning,
    ModelType,
    bounded,
    call,
    declarable,
    parse_name,
    resolve,
    shortened,
    snake,
    unique,
)
from sancha.engine.dmn.to_tables import Tables
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.check import Callable_, check
from sancha.engine.feel.printer import to_text


def translate(definitions: m.Definitions, folder: Path) -> list[Entry]:
    """Writes the model as the files of a pack into an empty folder; gives the report. Raises SanchaError."""
    return Importer(definitions).write(folder)


@dataclass
class Importer(Tables):
    """The decisions of a model as those of a pack, with all that they require, and the files of the pack."""

    #: Results of decisions by namespace and id; an error where they could not be carried over.
    done: dict[tuple[str, str], Meaning | Lost] = field(default_factory=dict)
    #: Knowledge models whose names are being resolved, and how deep calls are put into one another.
    open: set[int] = field(default_factory=set)
    models: dict[int, Function] = field(default_factory=dict)
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
                    found = self.models[id(element)] = Function(
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
                    meaning: Meaning = Function(entry.variable.name, entry.value, dict(held))
                else:
                    meaning = self.boxed(
                        d, entry.value, held, part, f"{title}: {entry.variable.name}", entry.variable.type_ref
                    )
                members[entry.variable.name] = held[entry.variable.name] = meaning
            return Group(members)
        tree = self.tree(d, expression, names, name, title)
        return self.literal(tree, name, title, self.type_of(d, type_ref), expression.line)

    def literal(self, tree: s.Node, name: str, title: str, type_: ModelType | None, line: int) -> s.Node:
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
            raise Lost(f"`{shortened(text)}`: {defects[0].message}", line)
        found = declared or declarable(core.type)
        if found is None:
            raise Lost(f"`{shortened(text)}` has no type of the strict language", line)
        self.add("decision", name, title, {"type": str(found), "value": text}, None)
        self.scope = replace(
            self.scope, decisions={**self.scope.decisions, name: Callable_(name, (), ((name, found),))}
        )
        return s.Name(NOWHERE, name)

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
                return s.If(NOWHERE, trees[0], trees[1], trees[2])
            case m.Context():
                held = dict(names)
                for entry in expression.entries:
                    if entry.variable is None:
                        return bounded(self.tree(d, entry.value, held, name, title), entry.line)
                    held[entry.variable.name] = self.entry(d, entry, held, name, title)
                raise Lost("a context in a place for one value", expression.line)
            case m.Iterator(kind="some" | "every"):
                source, fields = self.boxed_list(d, expression.collection, names, name, title)
                variable = unique(snake(expression.variable), self.taken)
                bound = s.Name(NOWHERE, variable)
                held = {**names, expression.variable: bound if fields is None else Item(bound, fields)}
                body = self.tree(d, expression.body, held, name, title)
                return s.Quantified(NOWHERE, expression.kind, ((variable, source),), body)
            case m.Filter():
                return self.boxed_list(d, expression, names, name, title)[0]
            case m.Invocation():
                if not isinstance(expression.function, m.LiteralExpression):
                    raise Lost("an invocation of something else than a named function", expression.line)
                given = {}
                for binding in expression.bindings:
                    given[binding.parameter.name] = self.tree(d, binding.value, names, name, title)
                text = expression.function.text.text.strip()
                found = resolve(parse_name(text, self.known(names)), names)
                if not isinstance(found, Function):
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
                return NULL
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(expression).__name__).lower()
        raise Lost(f"the strict language has no boxed {kind.removeprefix('boxed ')}", expression.line)

    def entry(
        self, d: m.Definitions, entry: m.ContextEntry, names: Mapping[str, Meaning], name: str, title: str
    ) -> Meaning:
        """What an entry of a context stands for in those after it."""
        assert entry.variable is not None
        if isinstance(entry.value, m.FunctionDefinition):
            return Function(entry.variable.name, entry.value, names)
        if isinstance(entry.value, m.LiteralExpression):
            tree = self.parsed(d, entry.value.text, names)
            found = resolve(tree, names)
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
            return s.Filter(NOWHERE, base, condition), fields
        return self.tree(d, expression, names, name, title), None

    # -- functions ----------------------------------------------------------------------------------------

    def invoke(
        self, d: m.Definitions, model: Function, given: list[s.Node], by_name: list[str], line: int
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
            given = [values.get(p, NULL) for p in parameters]
        if len(given) != len(parameters):
            raise Lost(
                f'the function "{model.name}" takes {len(parameters)} arguments, not {len(given)}', line
            )
        arguments: dict[str, Meaning] = dict(zip(parameters, given, strict=True))
        if isinstance(function.body, m.DecisionTable):
            called = self.called_table(d, model)
            names = {**model.scope, **arguments}
            values_ = [self.strict(part, names, d) for part in called.inputs]
            return call(called.name, *values_)
        self.depth += 1
        if self.depth > DEEPEST:
            raise Lost(f'the function "{model.name}" calls itself', line)
        tree = self.tree(d, function.body, {**model.scope, **arguments}, snake(model.name), model.name)
        self.depth -= 1
        return bounded(tree, line)

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


def _leaves(meaning: Meaning) -> Iterator[s.Node]:
    if isinstance(meaning, s.Node):
        yield meaning
    elif isinstance(meaning, Group):
        for part in meaning.members.values():
            yield from _leaves(part)


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
    writer = YAML()
    writer.width = 110
    writer.allow_unicode = True
    with path.open("w", encoding="utf-8") as file:
        writer.dump(dict(value), file)

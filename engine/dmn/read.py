"""DMN models as XML, read safely: no external entities, no document types, bounded size and depth.

DMN 1.1 to 1.6 are read. What the standard does not know in its own namespace is a problem with its place, never
dropped; what other namespaces add is kept as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NoReturn

from lxml import etree

from sancha.engine.diagnostics import Diagnostic, Place, SanchaError
from sancha.engine.dmn import model as m
from sancha.engine.dmn.camunda import adopted, is_camundas
from sancha.engine.dmn.source import source_lines

#: Larger files are no decision model: one of 10,000 rows and 10 columns takes some 20 MB.
MAX_BYTES = 64 << 20
#: Boxed expressions within boxed expressions; each takes two elements or more.
MAX_DEPTH = 100

_NAMESPACE = re.compile(r"https?://www\.omg\.org/spec/DMN/(\d{8})/(?:MODEL/|dmn\.xsd)")
VERSIONS = {
    "20151101": "1.1",
    "20180521": "1.2",
    "20191111": "1.3",
    "20211108": "1.4",
    "20230324": "1.5",
    "20240513": "1.6",
}
_EXPRESSIONS = (
    "literalExpression context invocation functionDefinition relation list conditional filter for some every "
    "decisionTable"
).split()
#: What the standard has and a run does not need, wherever it stands.
_UNUSED = frozenset(
    "authorityRequirement impactedPerformanceIndicator decisionMaker decisionOwner usingProcess usingTask "
    "supportedObjective knowledgeSource elementCollection performanceIndicator organizationUnit "
    "businessContextElement association group textAnnotation artifact DMNDI importedValues".split()
)
_ABOUT = frozenset(("description", "extensionElements"))
_POLICIES = ("UNIQUE", "FIRST", "PRIORITY", "ANY", "COLLECT", "RULE ORDER", "OUTPUT ORDER")

_E = Any  # an element of lxml, which has no types


def read_model(path: Path | str) -> m.Definitions:
    """The model in a file, and in the files that it imports.

    Raises SanchaError for a file that is no DMN model; what is amiss within one is told in `problems`.
    """
    return _Library().read(Path(path))


def target_namespace(path: Path) -> str | None:
    """The namespace that the model in a file defines, or None where there is none to be read."""
    try:
        with path.open("rb") as file:
            events = etree.iterparse(
                file, events=("start",), resolve_entities=False, no_network=True, load_dtd=False
            )
            _, root = next(iter(events))
            return root.get("namespace") if _tag(root)[0] else None
    except (OSError, StopIteration, etree.XMLSyntaxError):
        return None


class _Library:
    """The files that one model leads to, each read once."""

    def __init__(self) -> None:
        self.folders: dict[Path, dict[str, Path]] = {}
        self.models: dict[Path, m.Definitions] = {}
        self.open: list[Path] = []

    def read(self, path: Path) -> m.Definitions:
        known = path.resolve()
        if known in self.models:
            return self.models[known]
        self.open.append(known)
        found = _Reader(path).definitions()
        problems = list(found.problems)
        imports = tuple(self.imported(item, path, problems) for item in found.imports)
        self.open.pop()
        found = replace(found, imports=imports, problems=tuple(problems))
        self.models[known] = adopted(found) if is_camundas(found.exporter, found.namespaces) else found
        return self.models[known]

    def imported(self, item: m.Import, importer: Path, problems: list[Diagnostic]) -> m.Import:
        def amiss(message: str, help: str) -> m.Import:
            problems.append(Diagnostic("E0904", message, _place(importer, item.line), help))
            return item

        if (
            not _NAMESPACE.fullmatch(item.import_type)
            and "DMN" not in item.import_type
            and item.import_type != ""
        ):
            return amiss(
                f"an import of `{item.import_type}`, which is no DMN model", "only DMN models can be imported"
            )
        path = self.place(item, importer)
        if path is None:
            return amiss(
                f"no model of the namespace `{item.namespace}` was found",
                "put the imported model beside the importing one",
            )
        if path.resolve() in self.open:
            return amiss(
                "models that import each other in a circle", "take what both need into a third model"
            )
        model = self.read(path)
        if model.namespace != item.namespace:
            return amiss(
                f"`{path.name}` defines the namespace `{model.namespace}`, not `{item.namespace}`",
                "correct `namespace` or `locationURI`",
            )
        return replace(item, definitions=model)

    def place(self, item: m.Import, importer: Path) -> Path | None:
        folder = importer.parent
        if item.location and not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:", item.location):
            named = folder / item.location
            if named.is_file():
                return named
        if folder not in self.folders:
            self.folders[folder] = {}
            for path in sorted(folder.glob("*.dmn"), reverse=True):
                if (namespace := target_namespace(path)) is not None:
                    self.folders[folder][namespace] = path
        return self.folders[folder].get(item.namespace)


def _place(path: Path, number: int) -> Place:
    lines = source_lines(path.read_bytes())
    line = lines[number - 1] if number <= len(lines) else ""
    indent = len(line) - len(line.lstrip())
    return Place(str(path), number, indent + 1, max(1, len(line) - indent), line)


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Diagnostic] = []
        self.depth = 0
        try:
            if path.stat().st_size > MAX_BYTES:
                self.refuse(f"the file is larger than {MAX_BYTES >> 20} MB", "split the model")
            self.data = path.read_bytes()
        except OSError as error:
            raise SanchaError(
                f"the model cannot be read: {error.strerror or error}",
                code="E0901",
                where=path,
                help="give the path of a .dmn file",
            ) from None
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
        )
        try:
            self.root: _E = etree.fromstring(self.data, parser)
        except etree.XMLSyntaxError as error:
            line, column = error.position if error.position else (1, 1)
            self.refuse(
                f"this is not well-formed XML: {_plain(error)}",
                "export the model anew",
                max(1, line or 1),
                max(1, column or 1),
            )
        except (ValueError, LookupError) as error:
            self.refuse(f"this cannot be read as XML: {error}", "export the model anew")
        if self.root.getroottree().docinfo.internalDTD is not None:
            self.refuse(
                "a document type (`<!DOCTYPE …>`) stands in the file",
                "take it out: a DMN model has none, and entities are not read",
            )
        namespace, name = _tag(self.root)
        match = _NAMESPACE.fullmatch(namespace or "")
        if match is None or match[1] not in VERSIONS or name != "definitions":
            known = ", ".join(VERSIONS.values())
            self.refuse(
                f"the root element is `{name}` of the namespace `{namespace or ''}`, not a DMN model",
                f"DMN {known} are read; its models begin with `<definitions …>`",
                self.root.sourceline or 1,
            )
        self.namespace = namespace
        self.version = VERSIONS[match[1]]

    def refuse(self, message: str, help: str, line: int = 1, column: int = 1) -> NoReturn:
        raise SanchaError(message, help=help, code="E0901", where=self.at(line, column))

    # -- places -------------------------------------------------------------------------------------------

    @cached_property
    def lines(self) -> list[str]:
        return source_lines(self.data)

    def at(self, line: int, column: int = 1, length: int = 1) -> Place:
        data = getattr(self, "data", b"")
        text = self.lines[line - 1] if data and 0 < line <= len(self.lines) else ""
        return Place(str(self.path), line, column, length, text)

    def problem(self, element: _E, code: str, message: str, help: str | None = None) -> None:
        line = element.sourceline or 1
        place = self.at(line)
        start = place.text.find("<" + element.tag.rpartition("}")[2])
        if element.prefix:
            start = max(start, place.text.find(f"<{element.prefix}:{element.tag.rpartition('}')[2]}"))
        self.problems.append(Diagnostic(code, message, self.at(line, max(0, start) + 1), help))

    # -- elements -----------------------------------------------------------------------------------------

    def children(self, element: _E, *known: str) -> Iterator[tuple[str, _E]]:
        """The children of the standard's namespace that are among `known`; others are told as problems."""
        for child in element:
            if not isinstance(child.tag, str):
                continue
            namespace, name = _tag(child)
            if namespace != self.namespace or name in _ABOUT:
                continue
            if name in known:
                yield name, child
            elif name not in _UNUSED:
                self.problem(
                    child,
                    "E0902",
                    f"`{name}` has no place in `{_tag(element)[1]}` in DMN {self.version}",
                    "it is not read: what it says has no effect",
                )

    def only(self, element: _E, *known: str) -> dict[str, _E]:
        """The children by name, each at most once."""
        found: dict[str, _E] = {}
        for name, child in self.children(element, *known):
            if name in found:
                self.problem(
                    child, "E0903", f"a second `{name}` in `{_tag(element)[1]}`", "only one can stand here"
                )
            else:
                found[name] = child
        return found

    def each_once(self, element: _E, path: str) -> None:
        """Tells of names that stand twice among the parts of an element."""
        names: set[str] = set()
        for part in element.iterfind("/".join(f"{{{self.namespace}}}{tag}" for tag in path.split("/"))):
            name = self.name(part, needed=False)
            if name and name in names:
                self.problem(
                    part, "E0905", f"`{name}` stands twice in `{_tag(element)[1]}`", "rename one of them"
                )
            names.add(name)

    def about(self, element: _E) -> dict[str, Any]:
        """What all elements have."""
        extensions: list[str] = []
        description = None
        for child in element:
            if not isinstance(child.tag, str):
                continue
            namespace, name = _tag(child)
            if namespace != self.namespace:
                extensions.append(_outer(child))
            elif name == "extensionElements":
                extensions.extend(_outer(part) for part in child if isinstance(part.tag, str))
            elif name == "description":
                description = "".join(child.itertext())
        return {
            "line": element.sourceline or 1,
            "id": element.get("id"),
            "label": element.get("label"),
            "description": description,
            "extensions": tuple(extensions),
        }

    def name(self, element: _E, needed: bool = True) -> str:
        name = " ".join((element.get("name") or "").split())
        if needed and not name:
            self.problem(element, "E0903", f"`{_tag(element)[1]}` without a name", 'add `name="…"`')
        return name

    def type_ref(self, element: _E, attribute: str = "typeRef") -> str | None:
        return self.type_name(element.get(attribute), element)

    def type_name(self, written: str | None, element: _E) -> str | None:
        """A type as written, without the prefix of a namespace: DMN 1.1 and some tools since write qualified names."""
        if written is None or not written.strip():
            return None
        text = " ".join(written.split())
        prefix, colon, rest = text.partition(":")
        if colon and re.fullmatch(r"[\w.-]+", prefix) and rest:
            uri = element.nsmap.get(prefix, "")
            if prefix == "feel" or "/FEEL" in uri:
                return rest
            if uri:
                imported = {
                    item.get("namespace"): item.get("name")
                    for item in self.root.iter(f"{{{self.namespace}}}import")
                }
                return f"{imported[uri]}.{rest}" if imported.get(uri) else rest
        return text

    def text(self, element: _E) -> m.Text:
        """What stands in the `text` of an element, nothing where there is none."""
        parts = self.only(element, "text", "importedValues")
        if "importedValues" in parts:
            self.problem(
                parts["importedValues"],
                "E0908",
                "an expression that is imported from another document is not run",
                "write the expression in FEEL, into `text`",
            )
        child = parts.get("text")
        if child is None:
            return m.Text(text="", line=element.sourceline or 1, language=element.get("expressionLanguage"))
        for part in child:
            if isinstance(part.tag, str):
                self.problem(part, "E0902", "an element within a text", "write `<` as `&lt;`")
        return m.Text(
            text="".join(child.itertext()),
            line=child.sourceline or 1,
            language=element.get("expressionLanguage"),
        )

    def tests(self, element: _E) -> m.UnaryTests:
        return m.UnaryTests(text=self.text(element), **self.about(element))

    def item(self, element: _E, needed: bool = True) -> m.InformationItem:
        for _ in self.children(element):
            pass
        return m.InformationItem(
            name=self.name(element, needed), type_ref=self.type_ref(element), **self.about(element)
        )

    def reference(self, element: _E) -> m.Reference:
        href = (element.get("href") or "").strip()
        namespace, hash, target = href.rpartition("#")
        if not hash or not target:
            self.problem(element, "E0903", f"`{href}` is no reference to an element", 'write `href="#id"`')
            target = href
            namespace = ""
        return m.Reference(
            href=href, line=element.sourceline or 1, namespace=namespace or None, target=target
        )

    def choice(self, element: _E, attribute: str, known: tuple[str, ...], default: str | None) -> Any:
        value = element.get(attribute)
        if value is None:
            return default
        if value not in known:
            self.problem(
                element, "E0903", f"`{value}` is no value of `{attribute}`", "it takes " + ", ".join(known)
            )
            return default
        return value

    # -- expressions --------------------------------------------------------------------------------------

    def within(self, element: _E, *others: str) -> m.Expression | None:
        """The one expression in an element."""
        found: m.Expression | None = None
        for name, child in self.children(element, *_EXPRESSIONS, *others):
            if name in others:
                continue
            if found is not None:
                self.problem(
                    child, "E0903", f"a second expression in `{_tag(element)[1]}`", "only one can stand here"
                )
                continue
            found = self.expression(name, child)
        return found

    def expression(self, name: str, element: _E) -> m.Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse(
                f"boxed expressions within one another more than {MAX_DEPTH} deep",
                "give a part a name, as a decision or a business knowledge model",
                element.sourceline or 1,
            )
        read: Callable[[_E, dict[str, Any]], m.Expression] = getattr(self, f"read_{name}")
        found = read(element, {**self.about(element), "type_ref": self.type_ref(element)})
        self.depth -= 1
        return found

    def read_literalExpression(self, element: _E, about: dict[str, Any]) -> m.Expression:
        return m.LiteralExpression(text=self.text(element), **about)

    def literal(self, element: _E) -> m.LiteralExpression:
        """An element that is a literal expression by another name."""
        return m.LiteralExpression(
            text=self.text(element), type_ref=self.type_ref(element), **self.about(element)
        )

    def read_context(self, element: _E, about: dict[str, Any]) -> m.Expression:
        entries = []
        for _, child in self.children(element, "contextEntry"):
            variable = None
            for name, part in self.children(child, "variable", *_EXPRESSIONS):
                if name == "variable":
                    variable = self.item(part, needed=False)
            # An empty variable is how some tools write the result.
            if variable is not None and not variable.name:
                variable = None
            value = self.within(child, "variable")
            if value is None:
                self.problem(child, "E0903", "an entry without an expression", "without one it is null")
            entries.append(m.ContextEntry(variable=variable, value=value, **self.about(child)))
        self.each_once(element, "contextEntry/variable")
        return m.Context(entries=tuple(entries), **about)

    def read_invocation(self, element: _E, about: dict[str, Any]) -> m.Expression:
        bindings = []
        for _, child in self.children(element, "binding", *_EXPRESSIONS):
            if _tag(child)[1] != "binding":
                continue
            parameter = next(
                (
                    self.item(part)
                    for name, part in self.children(child, "parameter", *_EXPRESSIONS)
                    if name == "parameter"
                ),
                None,
            )
            if parameter is None:
                self.problem(child, "E0903", "a binding without a parameter", 'add `<parameter name="…"/>`')
                continue
            bindings.append(
                m.Binding(parameter=parameter, value=self.within(child, "parameter"), **self.about(child))
            )
        self.each_once(element, "binding/parameter")
        function = self.within(element, "binding")
        if function is None:
            self.problem(element, "E0903", "an invocation of nothing", "say which function is invoked")
        return m.Invocation(function=function, bindings=tuple(bindings), **about)

    def read_functionDefinition(self, element: _E, about: dict[str, Any]) -> m.Expression:
        parameters = [
            self.item(child)
            for name, child in self.children(element, "formalParameter", *_EXPRESSIONS)
            if name == "formalParameter"
        ]
        self.each_once(element, "formalParameter")
        return m.FunctionDefinition(
            kind=self.choice(element, "kind", ("FEEL", "Java", "PMML"), "FEEL"),
            parameters=tuple(parameters),
            body=self.within(element, "formalParameter"),
            **about,
        )

    def read_list(self, element: _E, about: dict[str, Any]) -> m.BoxedList:
        items = [self.expression(name, child) for name, child in self.children(element, *_EXPRESSIONS)]
        return m.BoxedList(items=tuple(items), **about)

    def read_relation(self, element: _E, about: dict[str, Any]) -> m.Expression:
        columns, rows = [], []
        for name, child in self.children(element, "column", "row"):
            if name == "column":
                columns.append(self.item(child))
            else:
                row = self.read_list(child, {**self.about(child), "type_ref": self.type_ref(child)})
                if len(row.items) != len(columns):
                    self.problem(
                        child,
                        "E0903",
                        f"a row of {len(row.items)} cells in a relation of {len(columns)} columns",
                        "give each column a cell",
                    )
                rows.append(row)
        self.each_once(element, "column")
        return m.Relation(columns=tuple(columns), rows=tuple(rows), **about)

    def read_conditional(self, element: _E, about: dict[str, Any]) -> m.Expression:
        parts = self.only(element, "if", "then", "else")
        return m.Conditional(
            condition=self.part(element, parts, "if"),
            then=self.part(element, parts, "then"),
            otherwise=self.part(element, parts, "else"),
            **about,
        )

    def read_filter(self, element: _E, about: dict[str, Any]) -> m.Expression:
        parts = self.only(element, "in", "match")
        return m.Filter(
            collection=self.part(element, parts, "in"), match=self.part(element, parts, "match"), **about
        )

    def iterator(self, kind: Any, element: _E, about: dict[str, Any]) -> m.Expression:
        last = "return" if kind == "for" else "satisfies"
        parts = self.only(element, "in", last)
        variable = " ".join((element.get("iteratorVariable") or "").split())
        if not variable:
            self.problem(
                element, "E0903", f"a `{kind}` without `iteratorVariable`", 'add `iteratorVariable="…"`'
            )
        return m.Iterator(
            kind=kind,
            variable=variable,
            collection=self.part(element, parts, "in"),
            collection_type=self.type_ref(parts["in"]) if "in" in parts else None,
            body=self.part(element, parts, last),
            **about,
        )

    def read_for(self, element: _E, about: dict[str, Any]) -> m.Expression:
        return self.iterator("for", element, about)

    def read_some(self, element: _E, about: dict[str, Any]) -> m.Expression:
        return self.iterator("some", element, about)

    def read_every(self, element: _E, about: dict[str, Any]) -> m.Expression:
        return self.iterator("every", element, about)

    def part(self, element: _E, parts: dict[str, _E], name: str) -> m.Expression | None:
        if name in parts:
            return self.within(parts[name])
        self.problem(element, "E0903", f"`{_tag(element)[1]}` lacks `{name}`", f"add `<{name}>…</{name}>`")
        return None

    def read_decisionTable(self, element: _E, about: dict[str, Any]) -> m.Expression:
        inputs, outputs, rules, annotations = [], [], [], []
        for name, child in self.children(element, "input", "output", "rule", "annotation"):
            if name == "input":
                inputs.append(self.input_clause(child))
            elif name == "output":
                outputs.append(self.output_clause(child))
            elif name == "annotation":
                annotations.append(child.get("name") or "")
            else:
                rules.append(self.rule(child, len(inputs), len(outputs)))
        if not outputs:
            self.problem(element, "E0903", "a decision table without an output", "add `<output>`")
        self.each_once(element, "output")
        if element.get("aggregation") and element.get("hitPolicy") != "COLLECT":
            self.problem(
                element,
                "E0903",
                "`aggregation` without hit policy COLLECT",
                'it has no effect: write `hitPolicy="COLLECT"`',
            )
        return m.DecisionTable(
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            rules=tuple(rules),
            hit_policy=self.choice(element, "hitPolicy", _POLICIES, "UNIQUE"),
            aggregation=self.choice(element, "aggregation", ("SUM", "COUNT", "MIN", "MAX"), None),
            orientation=self.choice(
                element,
                "preferredOrientation",
                ("Rule-as-Row", "Rule-as-Column", "CrossTable"),
                "Rule-as-Row",
            ),
            output_label=element.get("outputLabel"),
            annotations=tuple(annotations),
            **about,
        )

    def input_clause(self, element: _E) -> m.InputClause:
        parts = self.only(element, "inputExpression", "inputValues")
        expression = self.literal(parts["inputExpression"]) if "inputExpression" in parts else None
        values = self.tests(parts["inputValues"]) if "inputValues" in parts else None
        return m.InputClause(expression=expression, values=values, **self.about(element))

    def output_clause(self, element: _E) -> m.OutputClause:
        parts = self.only(element, "outputValues", "defaultOutputEntry")
        default = self.literal(parts["defaultOutputEntry"]) if "defaultOutputEntry" in parts else None
        return m.OutputClause(
            name=self.name(element, needed=False) or None,
            type_ref=self.type_ref(element),
            values=self.tests(parts["outputValues"]) if "outputValues" in parts else None,
            default=default,
            **self.about(element),
        )

    def rule(self, element: _E, inputs: int, outputs: int) -> m.Rule:
        tests, results, annotations = [], [], []
        for name, child in self.children(element, "inputEntry", "outputEntry", "annotationEntry"):
            if name == "inputEntry":
                tests.append(self.tests(child))
            elif name == "outputEntry":
                results.append(self.literal(child))
            else:
                annotations.append(self.text(child).text)
        if (len(tests), len(results)) != (inputs, outputs):
            self.problem(
                element,
                "E0903",
                f"a rule of {len(tests)} input and {len(results)} output entries in a table of {inputs} inputs and "
                f"{outputs} outputs",
                "give each column an entry; `-` where any value passes",
            )
        return m.Rule(
            inputs=tuple(tests),
            outputs=tuple(results),
            annotations=tuple(annotations),
            **self.about(element),
        )

    # -- definitions --------------------------------------------------------------------------------------

    def item_definition(self, element: _E) -> m.ItemDefinition:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse(
                f"types within one another more than {MAX_DEPTH} deep",
                "give a part a name, as an item definition of its own",
                element.sourceline or 1,
            )
        components, found = [], {}
        for name, child in self.children(
            element, "typeRef", "allowedValues", "typeConstraint", "itemComponent", "functionItem"
        ):
            if name == "itemComponent":
                components.append(self.item_definition(child))
            elif name in found:
                self.problem(child, "E0903", f"a second `{name}` in one type", "only one can stand here")
            else:
                found[name] = child
        self.depth -= 1
        type_ref = found.get("typeRef")
        function = found.get("functionItem")
        if len(found.keys() & {"typeRef", "functionItem"}) + bool(components) > 1:
            self.problem(
                element,
                "E0903",
                "a type is a reference, or has components, or is a function",
                "keep one of `typeRef`, `itemComponent`, `functionItem`",
            )
        return m.ItemDefinition(
            name=self.name(element),
            type_ref=None if type_ref is None else self.type_name("".join(type_ref.itertext()), type_ref),
            components=tuple(components),
            function=None if function is None else self.function_item(function),
            allowed_values=self.tests(found["allowedValues"]) if "allowedValues" in found else None,
            type_constraint=self.tests(found["typeConstraint"]) if "typeConstraint" in found else None,
            is_collection=(element.get("isCollection") or "").strip() in ("true", "1"),
            type_language=element.get("typeLanguage"),
            **self.about(element),
        )

    def function_item(self, element: _E) -> m.FunctionItem:
        return m.FunctionItem(
            parameters=tuple(self.item(child) for _, child in self.children(element, "parameters")),
            output_type_ref=self.type_ref(element, "outputTypeRef"),
            **self.about(element),
        )

    def input_data(self, element: _E) -> m.InputData:
        parts = self.only(element, "variable")
        variable = self.item(parts["variable"], needed=False) if "variable" in parts else None
        return m.InputData(name=self.name(element), variable=variable, **self.about(element))

    def required(self, element: _E, kind: str, *targets: str) -> Iterator[tuple[str, m.Reference]]:
        """The references in the requirements of a kind."""
        for child in element:
            if _tag(child) == (self.namespace, kind):
                parts = self.only(child, *targets)
                if not parts:
                    self.problem(child, "E0903", f"an empty `{kind}`", "say what is required, or take it out")
                yield from ((name, self.reference(part)) for name, part in parts.items())

    def decision(self, element: _E) -> m.Decision:
        variable, texts = None, {}
        for name, child in self.children(
            element,
            "variable",
            "question",
            "allowedAnswers",
            "informationRequirement",
            "knowledgeRequirement",
            *_EXPRESSIONS,
        ):
            if name == "variable":
                variable = self.item(child, needed=False)
            elif name in ("question", "allowedAnswers"):
                texts[name] = "".join(child.itertext())
        needs = list(self.required(element, "informationRequirement", "requiredInput", "requiredDecision"))
        knows = list(self.required(element, "knowledgeRequirement", "requiredKnowledge"))
        others = ("variable", "question", "allowedAnswers", "informationRequirement", "knowledgeRequirement")
        return m.Decision(
            name=self.name(element),
            variable=variable,
            expression=self.within(element, *others),
            required_inputs=tuple(ref for name, ref in needs if name == "requiredInput"),
            required_decisions=tuple(ref for name, ref in needs if name == "requiredDecision"),
            required_knowledge=tuple(ref for _, ref in knows),
            question=texts.get("question"),
            allowed_answers=texts.get("allowedAnswers"),
            **self.about(element),
        )

    def knowledge_model(self, element: _E) -> m.BusinessKnowledgeModel:
        parts = self.only_some(element, "variable", "encapsulatedLogic", many=("knowledgeRequirement",))
        logic = None
        if "encapsulatedLogic" in parts:
            found = self.expression("functionDefinition", parts["encapsulatedLogic"])
            assert isinstance(found, m.FunctionDefinition)
            logic = found
        return m.BusinessKnowledgeModel(
            name=self.name(element),
            variable=self.item(parts["variable"], needed=False) if "variable" in parts else None,
            logic=logic,
            required_knowledge=tuple(
                ref for _, ref in self.required(element, "knowledgeRequirement", "requiredKnowledge")
            ),
            **self.about(element),
        )

    def only_some(self, element: _E, *known: str, many: tuple[str, ...]) -> dict[str, _E]:
        found: dict[str, _E] = {}
        for name, child in self.children(element, *known, *many):
            if name in found:
                self.problem(
                    child, "E0903", f"a second `{name}` in `{_tag(element)[1]}`", "only one can stand here"
                )
            elif name not in many:
                found[name] = child
        return found

    def service(self, element: _E) -> m.DecisionService:
        lists: dict[str, list[m.Reference]] = {}
        variable = None
        for name, child in self.children(
            element, "variable", "outputDecision", "encapsulatedDecision", "inputDecision", "inputData"
        ):
            if name == "variable":
                variable = self.item(child, needed=False)
            else:
                lists.setdefault(name, []).append(self.reference(child))
        if "outputDecision" not in lists:
            self.problem(
                element, "E0903", "a decision service without an output", 'add `<outputDecision href="#…"/>`'
            )
        return m.DecisionService(
            name=self.name(element),
            variable=variable,
            outputs=tuple(lists.get("outputDecision", ())),
            encapsulated=tuple(lists.get("encapsulatedDecision", ())),
            input_decisions=tuple(lists.get("inputDecision", ())),
            input_data=tuple(lists.get("inputData", ())),
            **self.about(element),
        )

    def imported(self, element: _E) -> m.Import:
        return m.Import(
            name=self.name(element, needed=False),
            namespace=(element.get("namespace") or "").strip(),
            import_type=(element.get("importType") or "").strip(),
            location=element.get("locationURI"),
            **self.about(element),
        )

    def definitions(self) -> m.Definitions:
        root = self.root
        found: dict[str, list[Any]] = {}
        readers: dict[str, Callable[[_E], Any]] = {
            "import": self.imported,
            "itemDefinition": self.item_definition,
            "inputData": self.input_data,
            "decision": self.decision,
            "businessKnowledgeModel": self.knowledge_model,
            "decisionService": self.service,
        }
        for name, child in self.children(root, *readers):
            found.setdefault(name, []).append(readers[name](child))
        return m.Definitions(
            path=self.path,
            name=self.name(root, needed=False) or self.path.stem,
            namespace=(root.get("namespace") or "").strip(),
            version=self.version,
            exporter=root.get("exporter"),
            exporter_version=root.get("exporterVersion"),
            namespaces=tuple(dict.fromkeys(root.nsmap.values())),
            expression_language=root.get("expressionLanguage"),
            type_language=root.get("typeLanguage"),
            imports=tuple(found.get("import", ())),
            item_definitions=tuple(found.get("itemDefinition", ())),
            inputs=tuple(found.get("inputData", ())),
            decisions=tuple(found.get("decision", ())),
            knowledge_models=tuple(found.get("businessKnowledgeModel", ())),
            services=tuple(found.get("decisionService", ())),
            problems=tuple(self.problems),
            **self.about(root),
        )


def _tag(element: _E) -> tuple[str | None, str]:
    """Namespace and local name; a comment has neither."""
    tag = element.tag
    return _parted(tag) if isinstance(tag, str) else (None, "")


@lru_cache(maxsize=1024)
def _parted(tag: str) -> tuple[str | None, str]:
    if tag.startswith("{"):
        namespace, _, name = tag[1:].partition("}")
        return namespace, name
    return None, tag


def _outer(element: _E) -> str:
    """An element as XML, its namespaces declared, without what follows it."""
    return etree.tostring(element, encoding="unicode", with_tail=False)


def _plain(error: Exception) -> str:
    """The parser's message without the position, which stands beside it."""
    return re.sub(r",? line \d+, column \d+( \(.*\))?$", "", str(error))

"""The decision requirements graph: each decision once, after what it requires (DMN 1.5, 10.4)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from sancha.engine.diagnostics import Diagnostic, Place, SanchaError, did_you_mean
from sancha.engine.dmn import model as m
from sancha.engine.dmn.lower import Lowering, Types
from sancha.engine.dmn.read import read_model
from sancha.engine.dmn.source import Sources
from sancha.engine.feel import syntax as s
from sancha.engine.feel.builtins.ranges import range_
from sancha.engine.feel.core import Site
from sancha.engine.feel.errors import FeelError
from sancha.engine.feel.kinds import ANY, Kind, coerce
from sancha.engine.feel.values import Function, parse_temporal, to_text
from sancha.engine.run.dynamic import Program, Warning, compile_dynamic
from sancha.engine.run.operations import INVOKE, Listening, guarded, warn
from sancha.engine.run.runtime import CONTEXT

#: The namespace of a model and the id of an element in it (its kind and name, where it has no id).
Key = tuple[str, str]

#: Which inputs are given differs from run to run; so many ways are kept in mind.
_MOST_PLANS = 1_000

_WORDS = {
    m.InputData: "input data",
    m.Decision: "decision",
    m.BusinessKnowledgeModel: "business knowledge model",
    m.DecisionService: "decision service",
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`values` by the name of the decision. `warnings` say why what is null is null; `Model.place_of` finds each."""

    values: dict[str, Any]
    warnings: tuple[Warning, ...]


@dataclass(slots=True, eq=False)
class Element:
    """An element of the graph, and what its logic sees: `(import, name)` of each requirement, and its key."""

    key: Key
    element: m.DrgElement
    unit: Unit
    requires: tuple[tuple[str, str, Key], ...] = ()
    program: Program | None = None
    kind: Kind | None = None
    #: What made a part of the logic null.
    problems: tuple[Diagnostic, ...] = ()

    @property
    def name(self) -> str:
        return self.element.name

    @property
    def names(self) -> tuple[str, ...]:
        """What the logic sees: the names of required elements, and of imports for imported ones."""
        return tuple(dict.fromkeys(prefix or name for prefix, name, _ in self.requires))

    @property
    def what(self) -> str:
        return f'{_WORDS[type(self.element)]} "{self.name}"{self.unit.lowering.where}'


@dataclass(slots=True, eq=False)
class Unit:
    """One model among those that were loaded together."""

    definitions: m.Definitions
    types: Types
    lowering: Lowering
    elements: dict[str, Element] = field(default_factory=dict)


def load(path: Path | str) -> Model:
    """The model in a file and in those it imports, ready to evaluate; expressions compile when first needed.

    Raises SanchaError for a file that is no DMN model and for requirements in a circle. Defects of single elements
    are in `problems`: such a part gives null.
    """
    return Model(read_model(path))


def evaluate_file(
    path: Path | str, inputs: Path | str | None = None, decisions: Sequence[str] | None = None
) -> tuple[Model, Evaluation]:
    """The decisions of a model for the inputs in a file of JSON, an object by the inputs' names; `-` is standard input.

    Raises SanchaError for a file that cannot be used, and for an input or a decision that the model does not have.
    """
    model = load(path)
    given = {} if inputs is None else _read_inputs(inputs)
    for name, element, _ in model.given_elements(given):
        if element is None:
            raise SanchaError(
                f"the model has no input `{name}`",
                code="E0914",
                where=str(inputs),
                help=did_you_mean(name, model.input_names)
                or "its inputs are " + (", ".join(dict.fromkeys(model.input_names)) or "none"),
            )
    values = {}
    for name, value in given.items():
        try:
            values[name] = from_json(value, model.input_kind(name))
        except FeelError as error:
            raise SanchaError(
                f"the input `{name}`: {error.message}",
                code="E0914",
                where=str(inputs),
                help="numbers have 34 digits and exponents up to 6144; texts are Unicode",
            ) from None
    return model, model.evaluate(values, decisions or None)


def _read_inputs(path: Path | str) -> dict[str, Any]:
    def refuse(message: str, place: Place | str = str(path)) -> SanchaError:
        return SanchaError(
            message,
            code="E0914",
            where=place,
            help='the file holds one object: `{"Applicant": {"Age": 35}, "Amount": 50000}`',
        )

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        try:
            found = {_whole(key): value for key, value in pairs}
        except FeelError as error:
            raise refuse(error.message) from None
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise refuse(f"`{twice}` is given twice")
        return found

    def no_number(text: str) -> Any:
        raise refuse(f"`{text}` is no number")

    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
        value = json.loads(
            data.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=no_number,
            object_pairs_hook=once,
        )
    except OSError as error:
        raise refuse(f"the inputs cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise refuse("the inputs are not in UTF-8") from None
    except json.JSONDecodeError as error:
        line = error.doc.split("\n")[error.lineno - 1]
        raise refuse(
            f"this is not JSON: {error.msg}", Place(str(path), error.lineno, error.colno, 1, line)
        ) from None
    except RecursionError:
        raise refuse("the inputs are nested too deep") from None
    if not isinstance(value, dict):
        raise refuse("the inputs are no object")
    return value


class Model:
    """A loaded model. `problems` are its defects as far as reading and resolving found them."""

    def __init__(self, definitions: m.Definitions) -> None:
        self.definitions = definitions
        self.sources = Sources()
        self.problems: list[Diagnostic] = []
        self.units: dict[str, Unit] = {}
        self._types: dict[Path, Types] = {}
        self._read(definitions)
        self.unit = self.units[definitions.namespace]
        self.elements = {e.key: e for unit in self.units.values() for e in unit.elements.values()}
        for unit in self.units.values():
            for element in unit.elements.values():
                element.requires = tuple(self._requirements(element))
        self.order = self._order()
        self._functions: dict[Key, Any] = {}
        self._plans: dict[tuple[tuple[Key, ...], frozenset[Key]], tuple[Key, ...]] = {}

    # -- what there is ------------------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[m.InputData, ...]:
        return self.definitions.inputs

    @property
    def decisions(self) -> tuple[m.Decision, ...]:
        return self.definitions.decisions

    @property
    def input_names(self) -> list[str]:
        """The names of all inputs; of an imported model after that of the import."""
        prefixes = {unit.definitions.namespace: self._prefix(self.unit, unit) for unit in self.units.values()}
        return [
            f"{prefix}.{e.name}" if (prefix := prefixes[e.key[0]]) else e.name
            for e in self.elements.values()
            if isinstance(e.element, m.InputData)
        ]

    def given_elements(self, inputs: Mapping[str, Any]) -> Iterator[tuple[str, Element | None, Any]]:
        """What is given to which input or decision, with its name as given; None: there is no such element.

        An imported element is named alone, with its import (`Model B.Age`), or as an entry of a context of that name.
        """
        for name, value in inputs.items():
            element = self._given_element(name)
            if element is None and isinstance(value, Mapping) and (unit := self._imported(self.unit, name)):
                yield from self._within(unit, value, name)
            else:
                yield name, element, value

    def _within(
        self, unit: Unit, entries: Mapping[str, Any], prefix: str
    ) -> Iterator[tuple[str, Element | None, Any]]:
        for name, value in entries.items():
            element = self._of(unit, name)
            if element is None and isinstance(value, Mapping) and (other := self._imported(unit, name)):
                yield from self._within(other, value, f"{prefix}.{name}")
            else:
                yield f"{prefix}.{name}", element, value

    @property
    def defects(self) -> list[Diagnostic]:
        """`problems`, and what was found amiss with types since, each once."""
        found = [*self.problems, *(p for unit in self.units.values() for p in unit.types.problems)]
        return sorted(dict.fromkeys(found), key=position)

    def find(self, name: str, kinds: Any, namespace: str | None = None) -> Element | None:
        """An element by its name: of this model, or else, where only one has the name, of an imported one."""
        units = [self.unit, *self.units.values()] if namespace is None else [self.units.get(namespace)]
        for unit in filter(None, units[:1]):
            for element in unit.elements.values():
                if element.name == name and isinstance(element.element, kinds):
                    return element
        found = [
            e
            for unit in units[1:]
            if unit is not None
            for e in unit.elements.values()
            if e.name == name and isinstance(e.element, kinds)
        ]
        return found[0] if len(found) == 1 else None

    def kind(self, element: Element) -> Kind:
        """The type of an element's variable."""
        if element.kind is None:
            element.kind = element.unit.types.kind(element.element.type_ref, element.element.line)
        return element.kind

    def input_kind(self, name: str) -> Kind:
        """The type of an input, or of a decision whose value is given; `Any` where there is none of the name."""
        element = self._given_element(name)
        if element is not None:
            return self.kind(element)
        unit = self._imported(self.unit, name)
        return ANY if unit is None else self._kind_of(unit)

    def _kind_of(self, unit: Unit) -> Kind:
        """The type of a context of the inputs and decisions of an imported model."""
        fields = [
            (e.name, self.kind(e))
            for e in unit.elements.values()
            if isinstance(e.element, (m.InputData, m.Decision))
        ]
        for item in unit.definitions.imports:
            if item.name and item.namespace in self.units:
                fields.append((item.name, self._kind_of(self.units[item.namespace])))
        return Kind("context", fields=tuple(fields))

    def place_of(self, warning: Warning) -> Place | None:
        """The place in the XML of what a warning speaks of."""
        for unit in self.units.values():
            if warning.place in unit.lowering.places:
                path, text = unit.lowering.places[warning.place]
                lines = text.text.split("\n")
                start = sum(len(line) + 1 for line in lines[: warning.line - 1]) + warning.column - 1
                return self.sources.place(path, text, start, start + 1)
        for element in self.elements.values():
            if element.what == warning.place:
                path, line = element.unit.definitions.path, element.element.line
                return self.sources.place(path, m.Text(text="", line=line), 0, 1)
        return None

    # -- evaluation ---------------------------------------------------------------------------------------

    def evaluate(self, inputs: Mapping[str, Any], decisions: Sequence[str] | None = None) -> Evaluation:
        """The values of decisions (all of the model, where none are named) for values of FEEL by the inputs' names.

        A decision service may be named too; it sees of the inputs those that it declares. A value may be given for a
        decision, which is then not made. Raises SanchaError for an unknown decision.
        """
        wanted = [self._decision(name) for name in decisions] if decisions is not None else None
        if wanted is None:
            wanted = [self.unit.elements[_id(d)] for d in self.decisions]
        with Listening() as warnings:
            given = self.given(inputs)
            values = self.solve([e.key for e in wanted if isinstance(e.element, m.Decision)], given)
            for element in wanted:
                if isinstance(element.element, m.DecisionService):
                    values[element.key] = self._served(element, element.element, given)
        return Evaluation({e.name: values[e.key] for e in wanted}, _once(warnings))

    def _served(self, element: Element, service: m.DecisionService, given: Mapping[Key, Any]) -> Any:
        """The result of a decision service for the inputs and decisions that are given."""
        function = self._function(element)
        site = Site(element.what, "", (0, 0))
        result = guarded(site, function.run, *(given.get(e.key) for e in self._inputs(element, service)))
        return _coerced(site, result, function.result)

    def invoke(self, name: str, arguments: Mapping[str, Any]) -> Evaluation:
        """The result of a decision service or of a business knowledge model, for arguments by name.

        Arguments that are lacking are null. The values of a service are by the names of its output decisions.
        """
        element = self.find(name, (m.DecisionService, m.BusinessKnowledgeModel))
        if element is None:
            known = [e.name for e in self.unit.elements.values() if isinstance(e.element, m.DecisionService)]
            raise SanchaError(
                f"the model has no decision service or business knowledge model `{name}`",
                code="E0909",
                where=self.definitions.path,
                help=did_you_mean(name, known),
            )
        with Listening() as warnings:
            function = self._function(element)
            if not isinstance(function, Function):
                return Evaluation({name: None}, _once(warnings))
            site = Site(element.what, "", (0, 0))
            values = [
                _coerced(site, arguments.get(parameter), kind) for parameter, kind in function.parameters
            ]
            result = _coerced(site, guarded(site, function.run, *values), function.result)
        if isinstance(element.element, m.DecisionService):
            outputs = [e.name for e in self._listed(element, element.element.outputs)]
            if len(outputs) == 1:
                return Evaluation({outputs[0]: result}, _once(warnings))
            entries = result if isinstance(result, dict) else {}
            return Evaluation({name: entries.get(name) for name in outputs}, _once(warnings))
        return Evaluation({name: result}, _once(warnings))

    def given(self, inputs: Mapping[str, Any]) -> dict[Key, Any]:
        """Values by the names of inputs and decisions, as the graph takes them: of the variable's type, or null."""
        given: dict[Key, Any] = {}
        for name, element, value in self.given_elements(inputs):
            if element is not None:
                given[element.key] = _coerced(Site(element.what, "", (0, 0)), value, self.kind(element))
            else:
                help = did_you_mean(name, self.input_names)
                warn(
                    Site("", "", (0, 0)),
                    "unknown input",
                    f"the model has no input `{name}`" + (f": {help}" if help else ""),
                )
        return given

    def solve(self, targets: Iterable[Key], given: Mapping[Key, Any]) -> dict[Key, Any]:
        """The values of elements, each computed once, where some are given."""
        values: dict[Key, Any] = {}
        for key in self._plan(tuple(targets), frozenset(given)):
            values[key] = given[key] if key in given else self._value(self.elements[key], values)
        return values

    def _plan(self, targets: tuple[Key, ...], given: frozenset[Key]) -> tuple[Key, ...]:
        """What has to be known for some elements, in order, where others are given."""
        plan = self._plans.get((targets, given))
        if plan is None:
            needed: set[Key] = set()
            pending = list(targets)
            while pending:
                key = pending.pop()
                if key not in needed:
                    needed.add(key)
                    if key not in given:
                        pending += [required for _, _, required in self.elements[key].requires]
            plan = tuple(sorted(needed, key=self.order.__getitem__))
            if len(self._plans) < _MOST_PLANS:
                self._plans[targets, given] = plan
        return plan

    def _value(self, element: Element, values: Mapping[Key, Any]) -> Any:
        match element.element:
            case m.InputData():
                warn(Site(element.what, "", (0, 0)), "missing input", f"{element.what} is not given")
                return None
            case m.Decision():
                program = self.program(element)
                return None if program is None else program.value(self._scope(element, values))
        return self._function(element)

    def _scope(self, element: Element, values: Mapping[Key, Any]) -> dict[str, Any]:
        scope: dict[str, Any] = {}
        for prefix, name, key in element.requires:
            if prefix:
                scope.setdefault(prefix, {})[name] = values[key]
            else:
                scope[name] = values[key]
        return scope

    # -- functions ----------------------------------------------------------------------------------------

    def _function(self, element: Element) -> Any:
        """A business knowledge model or decision service as a function; it depends on no input, so it is made once."""
        if element.key in self._functions:
            if self._functions[element.key] is None:
                self._complain(element)
        elif isinstance(element.element, m.DecisionService):
            self._functions[element.key] = self._service(element, element.element)
        else:
            self._functions[element.key] = self._forward(element)
            program = self.program(element)
            values = {key: self._function(self.elements[key]) for _, _, key in element.requires}
            self._functions[element.key] = (
                None if program is None else program.value(self._scope(element, values))
            )
        return self._functions[element.key]

    def _forward(self, element: Element) -> Function:
        """Stands for a business knowledge model while it is made: it may call itself, and others that call it."""
        logic = element.element.logic if isinstance(element.element, m.BusinessKnowledgeModel) else None
        names = [parameter.name for parameter in logic.parameters] if logic is not None else []
        site = Site(element.what, "", (0, 0))
        return Function(
            tuple((name, None) for name in names),
            lambda *arguments: INVOKE(site, (), self._functions[element.key], *arguments),
        )

    def _service(self, element: Element, service: m.DecisionService) -> Function:
        """A service is a function of its input data and then its input decisions (DMN 1.5, 10.4)."""
        inputs = self._inputs(element, service)
        outputs = self._listed(element, service.outputs)
        kind = self.kind(element)

        def run(*arguments: Any) -> Any:
            given = {e.key: value for e, value in zip(inputs, arguments, strict=True)}
            values = self.solve([e.key for e in outputs], given)
            if len(outputs) == 1:
                return values[outputs[0].key]
            return {e.name: values[e.key] for e in outputs}

        parameters = tuple((e.name, self.kind(e)) for e in inputs)
        result = kind.result if kind.name == "function" else None if kind is ANY else kind
        return Function(parameters, run, result)

    def _inputs(self, element: Element, service: m.DecisionService) -> list[Element]:
        return [*self._listed(element, service.input_data), *self._listed(element, service.input_decisions)]

    def _listed(self, element: Element, references: Iterable[m.Reference]) -> list[Element]:
        found = (self.resolve(element.unit, reference) for reference in references)
        return [e for e in found if e is not None]

    # -- compiling ----------------------------------------------------------------------------------------

    def program(self, element: Element) -> Program | None:
        """The compiled logic of a decision or business knowledge model; None where it has none."""
        if element.program is None:
            lowering = element.unit.lowering
            names = element.names
            before = len(lowering.problems)
            node: s.Node | None = None
            if isinstance(element.element, m.Decision):
                node = lowering.decision(element.element, names)
            elif isinstance(element.element, m.BusinessKnowledgeModel):
                node = lowering.function(element.element, names)
            element.problems = tuple(lowering.problems[before:])
            if node is not None:
                try:
                    element.program = compile_dynamic(node, names, element.unit.types.named, element.what)
                except (
                    SanchaError
                ) as error:  # it is nested too deep: the other decisions are made all the same
                    element.problems += (Diagnostic(error.code or "", error.message, None, error.help),)
        if element.program is None or element.problems:
            self._complain(element)
        return element.program

    def _complain(self, element: Element) -> None:
        """Says why the logic of an element, or a part of it, is null."""
        if element.program is None and not element.problems:
            warn(Site(element.what, "", (0, 0)), "no logic", f"{element.what} has no logic")
        for problem in element.problems:
            site = element.unit.lowering.sites.get(problem, Site(element.what, "", (0, 0)))
            warn(site, "syntax", problem.message)

    # -- the graph ----------------------------------------------------------------------------------------

    def _read(self, definitions: m.Definitions) -> None:
        known = self.units.get(definitions.namespace)
        if known is not None:
            if known.definitions.path != definitions.path:
                self._problem(
                    definitions,
                    1,
                    "E0905",
                    f"`{known.definitions.path.name}` has the namespace `{definitions.namespace}` too",
                    "give each model a namespace of its own; of the two, only the other one is used",
                )
            return
        if definitions.path in self._types:
            types = self._types[definitions.path]
        else:
            types = Types(definitions, self.sources, self._types)
        where = f' of the model "{definitions.name}"' if self.units else ""
        unit = Unit(definitions, types, Lowering(definitions, types, where))
        self.units[definitions.namespace] = unit
        self.problems += [*definitions.problems, *types.problems]
        kinds: set[str] = set()
        for kind in definitions.item_definitions:
            if kind.name in kinds:
                message = f"the type `{kind.name}` stands twice in the model"
                self._problem(definitions, kind.line, "E0905", message, "rename one of them")
            kinds.add(kind.name)
        names: dict[str, int] = {}
        for element in definitions.elements:
            key = _id(element)
            if key in unit.elements or element.name in names:
                what = f"`{element.name}`" if element.name in names else f"id `{key}`"
                self._problem(
                    definitions,
                    element.line,
                    "E0905",
                    f"{what} stands twice in the model",
                    "rename one of them",
                )
                if key in unit.elements:
                    continue
            names[element.name] = element.line
            unit.elements[key] = Element((definitions.namespace, key), element, unit)
        for item in definitions.imports:
            if item.definitions is not None:
                self._read(item.definitions)

    def _problem(
        self, definitions: m.Definitions, line: int, code: str, message: str, help: str | None
    ) -> None:
        text = self.sources.line(definitions.path, line)
        place = Place(str(definitions.path), line, len(text) - len(text.lstrip()) + 1, 1, text)
        self.problems.append(Diagnostic(code, message, place, help))

    def _requirements(self, element: Element) -> Iterator[tuple[str, str, Key]]:
        references: tuple[m.Reference, ...] = ()
        wanted: list[tuple[tuple[m.Reference, ...], Any]] = []
        match element.element:
            case m.Decision() as decision:
                wanted = [
                    (decision.required_inputs, m.InputData),
                    (decision.required_decisions, m.Decision),
                    (decision.required_knowledge, (m.BusinessKnowledgeModel, m.DecisionService)),
                ]
            case m.BusinessKnowledgeModel() as knowledge:
                wanted = [(knowledge.required_knowledge, (m.BusinessKnowledgeModel, m.DecisionService))]
                yield "", element.name, element.key
            case m.DecisionService() as service:
                for references, kinds in (
                    (service.outputs, m.Decision),
                    (service.encapsulated, m.Decision),
                    (service.input_decisions, m.Decision),
                    (service.input_data, m.InputData),
                ):
                    for reference in references:
                        self._found(element, reference, kinds)
        for references, kinds in wanted:
            for reference in references:
                found = self._found(element, reference, kinds)
                if found is not None:
                    prefix = self._prefix(element.unit, found.unit)
                    yield prefix, found.name, found.key
                    variable = found.element.variable
                    if variable is not None and variable.name not in ("", found.name):
                        yield prefix, variable.name, found.key

    def _found(self, element: Element, reference: m.Reference, kinds: Any) -> Element | None:
        """What a reference leads to; a problem where it leads nowhere, or to the wrong kind of element."""
        found = self.resolve(element.unit, reference)
        if found is not None and isinstance(found.element, kinds):
            return found
        if found is not None:
            message = f"{element.what} refers to {found.what}, which cannot stand here"
            wanted = kinds if isinstance(kinds, tuple) else (kinds,)
            help: str | None = "what can stand here: " + " or ".join(_WORDS[kind] for kind in wanted)
        else:
            message = f"{element.what} refers to `{reference.href}`, which is not there"
            help = did_you_mean(reference.target, [e.key[1] for e in element.unit.elements.values()])
        self._problem(element.unit.definitions, reference.line, "E0903", message, help)
        return None

    def resolve(self, unit: Unit, reference: m.Reference) -> Element | None:
        """What a reference of a model leads to: by its namespace, or within the model."""
        target = unit if reference.namespace is None else self.units.get(reference.namespace)
        found = None if target is None else target.elements.get(reference.target)
        if found is None and reference.namespace is None:
            return None
        return found

    def _prefix(self, unit: Unit, other: Unit) -> str:
        """The name by which a model knows another: of its import, or empty."""
        if unit is other:
            return ""
        for item in unit.definitions.imports:
            if item.namespace == other.definitions.namespace:
                return item.name
        return ""

    def _imported(self, unit: Unit, name: str) -> Unit | None:
        for item in unit.definitions.imports:
            if item.name == name and item.namespace in self.units:
                return self.units[item.namespace]
        return None

    def _of(self, unit: Unit, name: str) -> Element | None:
        for element in unit.elements.values():
            if element.name == name and isinstance(element.element, (m.InputData, m.Decision)):
                return element
        return None

    def _given_element(self, name: str) -> Element | None:
        """What a value is given to: an input or decision by its name, `Import.Name`, or `{namespace}Name`."""
        if name.startswith("{"):
            namespace, _, local = name[1:].partition("}")
            return self.find(local, (m.InputData, m.Decision), namespace)
        found = self.find(name, (m.InputData, m.Decision))
        if found is None and "." in name:
            for item in self.definitions.imports:
                unit = self._imported(self.unit, item.name)
                if item.name and unit is not None and name.startswith(f"{item.name}."):
                    return self._of(unit, name[len(item.name) + 1 :])
        return found

    def _decision(self, name: str) -> Element:
        found = self.find(name, m.Decision) or self.find(name, m.DecisionService)
        if found is None:
            known = [d.name for d in (*self.decisions, *self.definitions.services)]
            raise SanchaError(
                f"the model has no decision `{name}`",
                code="E0909",
                where=self.definitions.path,
                help=did_you_mean(name, known) or "its decisions are " + (", ".join(known) or "none"),
            )
        return found

    def _order(self) -> dict[Key, int]:
        """The place of each element in an order in which requirements come first. Raises SanchaError for a circle."""
        order: dict[Key, int] = {}
        open_: dict[Key, Iterator[tuple[str, str, Key]]] = {}
        for start in self.elements:
            if start in order:
                continue
            open_[start] = iter(self.elements[start].requires)
            while open_:
                key, rest = next(reversed(open_.items()))
                following = next((k for _, _, k in rest if k not in order), None)
                if following is None:
                    del open_[key]
                    order[key] = len(order)
                elif following in open_:
                    chain = [*open_][[*open_].index(following) :]
                    # Functions may call each other, and themselves; nothing else may wait for itself.
                    if not all(isinstance(self.elements[k].element, m.BusinessKnowledgeModel) for k in chain):
                        self._refuse_circle([*chain, following])
                else:
                    open_[following] = iter(self.elements[following].requires)
        return order

    def _refuse_circle(self, chain: Sequence[Key]) -> None:
        elements = [self.elements[key] for key in chain]
        definitions = elements[0].unit.definitions
        line = elements[0].element.line
        raise SanchaError(
            "requirements in a circle: " + " → ".join(e.name for e in elements),
            code="E0906",
            where=Place(str(definitions.path), line, 1, 1, self.sources.line(definitions.path, line)),
            help="take out one of these requirements",
        )


def position(diagnostic: Diagnostic) -> tuple[str, int, int]:
    """What diagnostics are sorted by."""
    place = diagnostic.place
    return (place.file, place.line, place.column) if place else ("", 0, 0)


def _once(warnings: Iterable[Warning]) -> tuple[Warning, ...]:
    """Each warning once: of the same place for each item of a list they say nothing new."""
    return tuple(dict.fromkeys(warnings))


def _id(element: m.DrgElement) -> str:
    return element.id or f"{_WORDS[type(element)]} {element.name}"


def _coerced(site: Site, value: Any, kind: Kind | None) -> Any:
    if kind is None:
        return value
    try:
        return coerce(value, kind)
    except FeelError as error:
        warn(site, error.kind, error.message)
        return None


# -- JSON ----------------------------------------------------------------------------------------------------


def from_json(value: Any, kind: Kind = ANY) -> Any:
    """A value of JSON as one of FEEL: dates, times, durations and ranges are texts where the type says so.

    Numbers may be `int`, `Decimal` or, exactly as written, `float`; they are rounded to 34 digits. Raises FeelError
    for what FEEL has no value for: numbers beyond decimal128, halves of characters.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (Decimal, int, float)):
        return _number(value if isinstance(value, Decimal) else Decimal(repr(value)))
    if isinstance(value, str):
        return _from_text(_whole(value), kind)
    if isinstance(value, list):
        return [from_json(part, item_kind(kind)) for part in value]
    if isinstance(value, Mapping):
        fields = dict((item_kind(kind) if kind.name == "list" else kind).fields or ())
        return {_whole(str(key)): from_json(part, fields.get(key, ANY)) for key, part in value.items()}
    raise FeelError(f"{type(value).__name__} is no value of JSON")


def _number(value: Decimal) -> Decimal:
    """A number as decimal128 holds it."""
    number = CONTEXT.plus(value)
    if not number.is_finite() or number.adjusted() > 6144:
        raise FeelError(f"{str(value)[:40]} is no number of FEEL")
    return number if number.adjusted() >= -6176 else Decimal(0)


def _whole(text: str) -> str:
    """A text that can be written: JSON's escapes can make half a character of UTF-16."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FeelError(f"a text holds half a character: {ascii(text[error.start])[1:-1]}") from None
    return text


def item_kind(kind: Kind) -> Kind:
    """The type of the items of a list that is given for a type: of a singleton, it may be the type itself."""
    return kind.item or ANY if kind.name == "list" else kind


_TEMPORAL = frozenset(
    ("date", "time", "date and time", "days and time duration", "years and months duration")
)


def _from_text(text: str, kind: Kind) -> Any:
    if kind.name == "list" and kind.item is not None:
        return _from_text(text, kind.item)
    if kind.name == "range":
        try:
            return range_(text)
        except FeelError:
            return text
    if kind.name not in _TEMPORAL:
        return text
    value = parse_temporal(text)
    return text if value is None else value


def to_json(value: Any) -> Any:
    """A value of FEEL as JSON has it: whole numbers as `int`, others as `Decimal`, temporal values as texts.

    A range or function becomes its text.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.adjusted() < 30 else value
    if isinstance(value, list):
        return [to_json(part) for part in value]
    if isinstance(value, Mapping):
        return {key: to_json(part) for key, part in value.items()}
    return to_text(value)


def json_text(value: Any, indent: int = 2) -> str:
    """JSON with exact decimals, of what `to_json` gives."""

    def write(part: Any, depth: int) -> str:
        if isinstance(part, Decimal):
            return f"{part:f}" if abs(part.adjusted()) <= 40 else str(part)
        if isinstance(part, (list, dict)) and part:
            pad, end = " " * indent * (depth + 1), " " * indent * depth
            if isinstance(part, dict):
                items = [
                    f"{json.dumps(str(k), ensure_ascii=False)}: {write(v, depth + 1)}"
                    for k, v in part.items()
                ]
            else:
                items = [write(v, depth + 1) for v in part]
            opening, closing = "{}" if isinstance(part, dict) else "[]"
            return opening + "\n" + ",\n".join(pad + item for item in items) + "\n" + end + closing
        return json.dumps(part, ensure_ascii=False)

    return write(value, 0)

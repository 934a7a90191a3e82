"""A DMN model as it was read: definitions, the elements of the decision requirements graph, boxed expressions.

The names are those of the DMN 1.5 metamodel (chapters 5 to 8 and 10.5), in Python's spelling. Each element tells the
`line` of the XML on which it begins. Nothing is resolved here: types and references stay as written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal as Choice

from sancha.engine.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """What all elements have. `extensions` are the foreign elements and those of `extensionElements`, as XML texts."""

    line: int
    id: str | None = None
    label: str | None = None
    description: str | None = None
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Element):
    """`name` has its white space made single blanks, as FEEL has it."""

    name: str


# -- text ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text of an expression language; `line` is that of its first character."""

    text: str
    line: int
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnaryTests(Element):
    """The tests of a cell, of input or output values, of allowed values."""

    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationItem(Named):
    """A variable, a formal parameter, a column of a relation."""

    type_ref: str | None = None


# -- expressions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression(Element):
    type_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteralExpression(Expression):
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEntry(Element):
    """An entry without a variable is the result of its context."""

    variable: InformationItem | None
    value: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Expression):
    entries: tuple[ContextEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding(Element):
    parameter: InformationItem
    value: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation(Expression):
    function: Expression | None
    bindings: tuple[Binding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDefinition(Expression):
    kind: Choice["FEEL", "Java", "PMML"]
    parameters: tuple[InformationItem, ...]
    body: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxedList(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation(Expression):
    columns: tuple[InformationItem, ...]
    rows: tuple[BoxedList, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional(Expression):
    condition: Expression | None
    then: Expression | None
    otherwise: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Expression):
    collection: Expression | None
    match: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Iterator(Expression):
    """`for … return`, `some … satisfies` and `every … satisfies`; `collection_type` is the type of `in`."""

    kind: Choice["for", "some", "every"]
    variable: str
    collection: Expression | None
    collection_type: str | None = None
    body: Expression | None


HitPolicy = Choice["UNIQUE", "FIRST", "PRIORITY", "ANY", "COLLECT", "RULE ORDER", "OUTPUT ORDER"]
Aggregation = Choice["SUM", "COUNT", "MIN", "MAX"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputClause(Element):
    """`expression` is None for a column whose label alone says what is tested."""

    expression: LiteralExpression | None
    values: UnaryTests | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputClause(Element):
    name: str | None = None
    type_ref: str | None = None
    values: UnaryTests | None = None
    default: LiteralExpression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Element):
    inputs: tuple[UnaryTests, ...]
    outputs: tuple[LiteralExpression, ...]
    annotations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionTable(Expression):
    inputs: tuple[InputClause, ...]
    outputs: tuple[OutputClause, ...]
    rules: tuple[Rule, ...]
    hit_policy: HitPolicy = "UNIQUE"
    aggregation: Aggregation | None = None
    orientation: Choice["Rule-as-Row", "Rule-as-Column", "CrossTable"] = "Rule-as-Row"
    output_label: str | None = None
    annotations: tuple[str, ...] = ()

    @property
    def policy(self) -> str:
        """The hit policy as one writes it in a table's corner: U, A, P, F, R, O, C, C+, C<, C>, C#."""
        if self.hit_policy != "COLLECT":
            return self.hit_policy[0]
        return "C" + {"SUM": "+", "COUNT": "#", "MIN": "<", "MAX": ">", None: ""}[self.aggregation]


# -- types ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionItem(Element):
    parameters: tuple[InformationItem, ...] = ()
    output_type_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDefinition(Named):
    """A type: a reference to another, components, or a function. Components are item definitions themselves.

    `allowed_values` hold for the value, for each element of a collection; `type_constraint` (DMN 1.5) for the
    collection as a whole.
    """

    type_ref: str | None = None
    components: tuple[ItemDefinition, ...] = ()
    function: FunctionItem | None = None
    allowed_values: UnaryTests | None = None
    type_constraint: UnaryTests | None = None
    is_collection: bool = False
    type_language: str | None = None


# -- the decision requirements graph -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A link to an element: `namespace` is None for one of the same model."""

    href: str
    line: int
    namespace: str | None
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputData(Named):
    variable: InformationItem | None = None

    @property
    def type_ref(self) -> str | None:
        return self.variable.type_ref if self.variable else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Named):
    variable: InformationItem | None = None
    expression: Expression | None = None
    required_inputs: tuple[Reference, ...] = ()
    required_decisions: tuple[Reference, ...] = ()
    required_knowledge: tuple[Reference, ...] = ()
    question: str | None = None
    allowed_answers: str | None = None

    @property
    def type_ref(self) -> str | None:
        return self.variable.type_ref if self.variable else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessKnowledgeModel(Named):
    variable: InformationItem | None = None
    logic: FunctionDefinition | None = None
    required_knowledge: tuple[Reference, ...] = ()

    @property
    def type_ref(self) -> str | None:
        return self.variable.type_ref if self.variable else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionService(Named):
    variable: InformationItem | None = None
    outputs: tuple[Reference, ...] = ()
    encapsulated: tuple[Reference, ...] = ()
    input_decisions: tuple[Reference, ...] = ()
    input_data: tuple[Reference, ...] = ()

    @property
    def type_ref(self) -> str | None:
        return self.variable.type_ref if self.variable else None


DrgElement = InputData | Decision | BusinessKnowledgeModel | DecisionService


@dataclass(frozen=True, slots=True, kw_only=True)
class Import(Element):
    """`name` is empty where the imported elements are known without a prefix (DMN 1.4).

    `definitions` is the imported model, None where it is no DMN model or was not found.
    """

    name: str
    namespace: str
    import_type: str
    location: str | None = None
    definitions: Definitions | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions(Named):
    """A model. `version` is that of the standard, `1.1` to `1.6`; `problems` are what reading found amiss.

    `namespaces` are those that the root element declares.
    """

    path: Path
    namespace: str
    version: str
    exporter: str | None = None
    exporter_version: str | None = None
    namespaces: tuple[str, ...] = ()
    expression_language: str | None = None
    type_language: str | None = None
    imports: tuple[Import, ...] = ()
    item_definitions: tuple[ItemDefinition, ...] = ()
    inputs: tuple[InputData, ...] = ()
    decisions: tuple[Decision, ...] = ()
    knowledge_models: tuple[BusinessKnowledgeModel, ...] = ()
    services: tuple[DecisionService, ...] = ()
    problems: tuple[Diagnostic, ...] = ()

    @property
    def elements(self) -> tuple[DrgElement, ...]:
        """All elements of the decision requirements graph that this model defines."""
        return (*self.inputs, *self.decisions, *self.knowledge_models, *self.services)

"""The checker: syntax to typed core, all errors of a text in one pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from sancha.engine.diagnostics import did_you_mean
from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.lexer import FeelSyntaxError
from sancha.engine.feel.operators import BY_NAME, FORMS, FUNCTIONS, accepts, resolve, result_type
from sancha.engine.feel.parser import MAX_DEPTH, parse, parse_tests
from sancha.engine.feel.temporal import temporal_value


@dataclass(frozen=True, slots=True)
class Defect:
    """An error in an expression: `span` are offsets into its text."""

    code: str
    message: str
    span: tuple[int, int]
    help: str | None = None


@dataclass(frozen=True, slots=True)
class Callable_:
    """A decision or table as expressions see it. `args` is empty for those that are used by name."""

    name: str
    args: tuple[tuple[str, t.Type], ...]
    outputs: tuple[tuple[str, t.Type], ...]


@dataclass(frozen=True)
class Scope:
    """What names mean: facts by dotted name, lists with the types of their fields, parameters, decisions, variables."""

    facts: Mapping[str, t.Type] = field(default_factory=dict)
    lists: Mapping[str, Mapping[str, t.Type]] = field(default_factory=dict)
    reference: Mapping[str, Mapping[str, t.Type]] = field(default_factory=dict)
    parameters: Mapping[str, t.Type] = field(default_factory=dict)
    decisions: Mapping[str, Callable_] = field(default_factory=dict)
    variables: Mapping[str, c.Core] = field(default_factory=dict)
    items: Mapping[str, tuple[str, str]] = field(
        default_factory=dict
    )  # name -> (variable of a Comp, its list)
    #: Decisions, and parameters by dotted name, that are given but in error: using them is no further error.
    broken: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Item:
    """A record bound by a quantifier or filter."""

    var: str
    list: str
    fields: Mapping[str, t.Type]


@dataclass(frozen=True, slots=True)
class _List:
    """A list-valued expression: a comprehension, and what kind of record it gives where `item` is None."""

    comp: c.Comp
    list: str = ""
    fields: Mapping[str, t.Type] = field(default_factory=dict)
    distinct: bool = False


#: Lists within lists; further loops could not be run, nor understood.
MAX_LOOPS = 10

_Meaning = c.Core | _Item | _List
_BAD = c.Const(t.ERROR, None)


def check(text: str, scope: Scope, expect: t.Type | None = None) -> tuple[c.Core | None, list[Defect]]:
    """The core of an expression of type `expect` (None: any scalar), and its defects. None if it has any."""
    checker = Checker(scope)
    try:
        node = parse(text)
    except FeelSyntaxError as error:
        return None, [Defect(error.code, error.message, error.span, error.help)]
    core = checker.scalar(node)
    if expect is not None:
        core = checker.fit(core, expect, node)
    if not checker.defects and len(text) > MAX_LOOPS and _loops(core) > MAX_LOOPS:
        checker.defect(
            "E0104", f"lists are nested more than {MAX_LOOPS} deep", node, "name a part as a decision"
        )
    return (None if checker.defects else core), checker.defects


def check_cell(text: str, operand: c.Core, scope: Scope) -> tuple[c.Core | None, list[Defect]]:
    """The core of a cell of a decision table, true if the input `operand` passes it. For an input of type
    `one of`, its values may stand without quotes."""
    checker = Checker(Scope(**{**scope.__dict__, "variables": {**scope.variables, "?": operand}}))
    try:
        node = parse_tests(text)
    except FeelSyntaxError as error:
        return None, [Defect(error.code, error.message, error.span, error.help)]
    if isinstance(node, s.AnyTest):
        return c.TRUE, []
    tests = node.tests  # type: ignore[attr-defined]
    if operand.type.name == "one of":
        tests = tuple(map(_quoted, tests))
    core = c.disj(*(checker.test(operand, test) for test in tests))
    if isinstance(node, s.Negated):
        core = c.negate(core)
    return (None if checker.defects else core), checker.defects


def check_value(text: str, expect: t.Type, scope: Scope) -> tuple[c.Core | None, list[Defect]]:
    """The core of an output cell; the values of `one of` may stand without quotes."""
    if expect.name == "one of" and text.strip() in expect.values:
        return c.Const(expect, text.strip()), []
    return check(text, scope, expect)


def check_list(text: str, scope: Scope) -> tuple[c.Comp | None, str, Mapping[str, t.Type], list[Defect]]:
    """A list of records, as `for each: d in disbursements` names it: its comprehension, list and fields."""
    checker = Checker(scope)
    try:
        node = parse(text)
    except FeelSyntaxError as error:
        return None, "", {}, [Defect(error.code, error.message, error.span, error.help)]
    found = checker.records(node)
    if found is None or checker.defects:
        return None, "", {}, checker.defects
    return found.comp, found.list, found.fields, []


def _quoted(test: s.Node) -> s.Node:
    """In the cells of a fact that is one of a list, a bare name is a value."""
    return s.Literal(test.span, test.name) if isinstance(test, s.Name) and test.name != "?" else test


class Checker:
    """Elaborates syntax in a scope; defects are collected, and a part in error silences what depends on it."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.defects: list[Defect] = []
        self.reported: set[Defect] = set()
        self.names: dict[str, _Meaning] = dict(scope.variables)
        for name, (var, list_name) in scope.items.items():
            fields = scope.lists.get(list_name) or scope.reference.get(list_name) or {}
            self.names[name] = _Item(var, list_name, fields)
        taken = {var for var, _ in scope.items.values()}
        self.fresh = (f"i{n}" for n in itertools.count(1) if f"i{n}" not in taken)
        self.groups: dict[str, list[str]] = {}
        for fact in scope.facts:
            group, _, name = fact.rpartition(".")
            self.groups.setdefault(group, []).append(name)

    def defect(self, code: str, message: str, node: s.Node | s.Span, help: str | None = None) -> c.Core:
        span = node.span if isinstance(node, s.Node) else node
        found = Defect(code, message, span, help)
        if found not in self.reported:  # both ends of a range may be wrong in the same way
            self.reported.add(found)
            self.defects.append(found)
        return _BAD

    # -- kinds of expression ------------------------------------------------------------------------------

    def scalar(self, node: s.Node) -> c.Core:
        """A single value; a list or a record in its place is an error."""
        meaning = self.meaning(node)
        if isinstance(meaning, c.Core):
            return meaning
        if isinstance(meaning, _Item):
            return self.defect("E0208", "an item is used as a value", node, _field_help(meaning.fields))
        help = "ask `some … in … satisfies …`, or make one value of it with `count`, `sum`, `min` or `max`"
        return self.defect("E0208", "a list is used as a value", node, help)

    def condition(self, node: s.Node) -> c.Core:
        return self.fit(self.scalar(node), t.BOOLEAN, node)

    def fit(self, core: c.Core, expect: t.Type, node: s.Node) -> c.Core:
        """The value where `expect` is needed: of the type, or of one that it takes in."""
        given = core.type
        if "error" in (given.name, expect.name) or given.name == "null":
            return core
        if expect.name == "one of":
            return self.enumerated(core, expect, node)
        if given.name == "one of" and expect.name == "text":
            return core
        if accepts(expect, given) or (
            t.is_number(expect) and t.is_number(given) and expect.name != "integer"
        ):
            return core
        if expect.name == "rate" and t.is_number(given):
            return core
        help = None
        if isinstance(core, c.Const) and given.name == "text":
            help = "what stands in quotes is a text: take the expression out of its quotes"
        elif expect.name == "text":
            help = "a text stands in double quotes"
        return self.defect("E0204", f"expected {in_words(expect)}, found {in_words(given)}", node, help)

    def enumerated(self, core: c.Core, expect: t.Type, node: s.Node) -> c.Core:
        """Checks the values that are compared with, or given for, a `one of` type."""
        if isinstance(core, c.Const) and isinstance(core.value, str):
            if core.value not in expect.values:
                help = did_you_mean(core.value, expect.values) or f"the values are {_listed(expect.values)}"
                return self.defect("E0206", f"`{core.value}` is not a value of this fact", node, help)
            return c.Const(expect, core.value)
        if core.type.name == "one of" and not set(core.type.values) & set(expect.values):
            return self.defect("E0206", f"{core.type} and {expect} have no value in common", node)
        if not t.is_text(core.type) and core.type.name != "error":
            return self.defect("E0204", f"expected {in_words(expect)}, found {in_words(core.type)}", node)
        return core

    def list_(self, node: s.Node) -> _List | None:
        """A list; a single value in its place is an error."""
        meaning = self.meaning(node)
        if isinstance(meaning, _List):
            return meaning
        if not (isinstance(meaning, c.Core) and meaning.type.name == "error"):
            lists = [*self.scope.lists, *self.scope.reference]
            help = did_you_mean(node.name, lists) if isinstance(node, s.Name) else None
            self.defect("E0208", "expected a list", node, help)
        return None

    def records(self, node: s.Node) -> _List | None:
        found = self.list_(node)
        if found is not None and found.comp.item is not None:
            self.defect("E0208", "expected a list of items with fields", node)
            return None
        return found

    # -- meaning ------------------------------------------------------------------------------------------

    def meaning(self, node: s.Node) -> _Meaning:
        method: Callable[[s.Node], _Meaning] = getattr(self, f"on_{type(node).__name__.lower()}")
        return method(node)

    def on_literal(self, node: s.Literal) -> _Meaning:
        if node.value is None:
            return c.MISSING
        if isinstance(node.value, bool):
            return c.Const(t.BOOLEAN, node.value)
        if isinstance(node.value, str):
            return c.Const(t.TEXT, node.value)
        if len(node.value.as_tuple().digits) > 34:
            return self.defect("E0104", "a number of more than 34 digits", node)
        if node.value == node.value.to_integral_value() and abs(node.value) < 10**18:
            return c.Const(t.INTEGRAL, int(node.value))
        return c.Const(t.NUMERAL, node.value)

    def on_temporal(self, node: s.Temporal) -> _Meaning:
        value = temporal_value(node.text)
        if value is None:
            return self.defect(
                "E0209",
                f'`@"{node.text}"` is no date, time or duration',
                node,
                'write a date as @"2024-01-31", a date-time as @"2024-01-31T09:00:00", a duration as @"P15D" or @"P1M"',
            )
        kind, plain = value
        return c.Const(t.Type(kind), plain)

    def on_name(self, node: s.Name) -> _Meaning:
        name = node.name
        if name in self.names:
            return self.names[name]
        if name in self.scope.lists or name in self.scope.reference:
            reference = name not in self.scope.lists
            fields = self.scope.reference[name] if reference else self.scope.lists[name]
            return _List(c.Comp(c.ListFact(name, reference), next(self.fresh), None, None), name, fields)
        if name in self.scope.decisions:
            decision = self.scope.decisions[name]
            if decision.args:
                wanted = ", ".join(n for n, _ in decision.args)
                return self.defect(
                    "E0205", f"`{name}` needs its arguments", node, f"write `{name}({wanted})`"
                )
            if len(decision.outputs) == 1:
                output, type_ = decision.outputs[0]
                return c.Decided(type_, name, output)
            help = f"its outputs are {_listed(f'{name}.{o}' for o, _ in decision.outputs)}"
            return self.defect("E0208", f"`{name}` has several outputs", node, help)
        if name in self.scope.broken:
            return _BAD
        if name in self.groups:
            facts = [f"{name}.{fact}" for fact in self.groups[name]]
            return self.defect(
                "E0201", f"`{name}` is a group of facts", node, f"its facts are {_listed(facts)}"
            )
        if name == "?":
            place = "`?` stands only in the cells of a decision table, for the value of the input"
            return self.defect("E0201", "`?` has no meaning here", node, place)
        near = did_you_mean(name, self.known_names())
        if near is None and any(name in type_.values for type_ in self.scope.facts.values()):
            near = f'texts stand in double quotes: `"{name}"`'
        return self.defect("E0201", f"unknown name `{name}`", node, near)

    def on_path(self, node: s.Path) -> _Meaning:
        dotted = _dotted(node)
        if dotted is not None and dotted.split(".")[0] not in self.names:
            found = self.dotted(node, dotted)
            if found is not None:
                return found
        base = self.meaning(node.base)
        if isinstance(base, _Item):
            return self.item_field(base, node)
        if isinstance(base, _List):
            return self.projection(base, node)
        if base.type.name == "error":
            return base
        row = resolve(f".{node.name}", [base.type])
        if row is None:
            parts = [
                r.name
                for rows in BY_NAME.values()
                for r in rows
                if r.name[0] == "." and resolve(r.name, [base.type])
            ]
            help = f"it has {_listed(dict.fromkeys(parts))}" if parts else None
            return self.defect("E0202", f"{in_words(base.type)} has no `.{node.name}`", node.name_span, help)
        return c.Op(row.result, row, (base,))

    def dotted(self, node: s.Path, dotted: str) -> _Meaning | None:
        """Facts, parameters and outputs, whose names hold dots. None: the path starts at something else."""
        scope = self.scope
        if dotted in scope.facts:
            return c.Fact(scope.facts[dotted], dotted)
        head, _, last = dotted.rpartition(".")
        if dotted in scope.broken or head in scope.broken:
            return _BAD
        if head == "parameters":
            if last in scope.parameters:
                return c.Param(scope.parameters[last], last)
            return self.defect(
                "E0201", f"unknown parameter `{last}`", node.name_span, did_you_mean(last, scope.parameters)
            )
        if head in scope.decisions and not scope.decisions[head].args:
            outputs = dict(scope.decisions[head].outputs)
            if last in outputs:
                return c.Decided(outputs[last], head, last)
            if len(outputs) > 1:
                return self.defect(
                    "E0202",
                    f"`{head}` has no output `{last}`",
                    node.name_span,
                    did_you_mean(last, outputs) or f"its outputs are {_listed(outputs)}",
                )
        if head in self.groups and head not in scope.lists and head not in scope.reference:
            near = did_you_mean(dotted, scope.facts) or f"`{head}` has {_listed(self.groups[head])}"
            return self.defect("E0201", f"unknown fact `{dotted}`", node, near)
        first = dotted.split(".")[0]
        known = (*scope.lists, *scope.reference, *scope.decisions)
        if first in known or first in self.groups:
            return None
        return self.defect(
            "E0201", f"unknown name `{dotted}`", node, did_you_mean(dotted, self.known_names())
        )

    def item_field(self, base: _Item, node: s.Path) -> _Meaning:
        type_ = base.fields.get(node.name)
        if type_ is None:
            return self.defect(
                "E0202",
                f"an item of `{base.list}` has no field `{node.name}`",
                node.name_span,
                did_you_mean(node.name, base.fields) or _field_help(base.fields),
            )
        return self.field_of(base, node.name, type_)

    def field_of(self, base: _Item, name: str, type_: t.Type) -> _Meaning:
        if type_.name != "list":
            return c.Field(type_, base.var, name, base.list)
        assert type_.item is not None
        var = next(self.fresh)
        element = c.Element(type_.item, var, f"{base.list}.{name}")
        return _List(c.Comp(c.ListField(base.var, name, base.list), var, None, element))

    def projection(self, base: _List, node: s.Path) -> _Meaning:
        if base.comp.item is not None:
            return self.defect("E0202", f"the items have no field `{node.name}`", node.name_span)
        item = self.item_field(_Item(base.comp.var, base.list, base.fields), node)
        if isinstance(item, _List):
            return self.defect(
                "E0208",
                f"`{node.name}` is a list in each item",
                node.name_span,
                f"ask item by item: `some x in … satisfies some y in x.{node.name} satisfies …`",
            )
        if not isinstance(item, c.Core) or item.type.name == "error":
            return _BAD
        return _List(c.Comp(base.comp.source, base.comp.var, base.comp.where, item))

    def on_filter(self, node: s.Filter) -> _Meaning:
        base = self.list_(node.base)
        if base is None:
            return _BAD
        saved = dict(self.names)
        if base.comp.item is None:
            record = _Item(base.comp.var, base.list, base.fields)
            for name, type_ in base.fields.items():
                self.names[name] = self.field_of(record, name, type_)
            self.names["item"] = record
        else:
            self.names["item"] = base.comp.item
        condition = self.scalar(node.condition)
        self.names = saved
        if t.is_number(condition.type):
            return self.defect(
                "E0210",
                "items are not picked by position",
                node.condition,
                "the order of a list carries no meaning here: filter by a condition",
            )
        condition = self.fit(condition, t.BOOLEAN, node.condition)
        comp = base.comp
        where = c.conj(comp.where, condition)
        return _List(c.Comp(comp.source, comp.var, where, comp.item), base.list, base.fields, base.distinct)

    def on_listof(self, node: s.ListOf) -> _Meaning:
        items = [self.scalar(item) for item in node.items]
        type_ = t.NULL
        for item, part in zip(items, node.items, strict=True):
            joined = t.common(type_, item.type)
            if joined is None:
                return self.defect("E0204", f"a list of {in_words(type_)} and {in_words(item.type)}", part)
            type_ = joined
        var = next(self.fresh)
        return _List(c.Comp(c.ListConst(tuple(items)), var, None, c.Element(type_, var, "")))

    def on_unary(self, node: s.Unary) -> _Meaning:
        if isinstance(node.operand, s.Literal) and not isinstance(node.operand.value, bool | str | None):
            literal = self.on_literal(node.operand)
            if isinstance(literal, c.Const) and literal.type.name == "numeral":
                return c.Const(literal.type, _negative(literal.value))
        return self.apply("negate", (self.scalar(node.operand),), node, "-")

    def on_binary(self, node: s.Binary) -> _Meaning:
        if node.op in ("and", "or"):
            join = c.conj if node.op == "and" else c.disj
            return join(*map(self.condition, s.operands(node)))
        if node.op in ("=", "!="):
            for side, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(other, s.Literal) and other.value is None:
                    return self.presence(side, node.op == "=")
        return self.compare_or_compute(node.op, self.scalar(node.left), self.scalar(node.right), node)

    def presence(self, node: s.Node, missing: bool) -> c.Core:
        meaning = self.meaning(node)
        if isinstance(meaning, c.Core):
            core: c.Core = c.Is(t.BOOLEAN, meaning, None)
        elif (
            isinstance(meaning, _List)
            and _whole(meaning.comp)
            and isinstance(meaning.comp.source, c.ListFact)
        ):
            core = c.ListMissing(t.BOOLEAN, meaning.comp.source.name)
        else:
            help = "ask for the items instead: `count(…) = 0`, or `some … in … satisfies …`"
            return self.defect(
                "E0208", "only a fact, a single field or a whole list can be asked for with null", node, help
            )
        return core if missing else c.negate(core)

    def compare_or_compute(self, op: str, left: c.Core, right: c.Core, node: s.Node) -> c.Core:
        if op in ("=", "!="):
            for a, b, part in ((left, right, _right(node)), (right, left, _left(node))):
                if a.type.name == "one of" and t.is_text(b.type):
                    b = self.enumerated(b, a.type, part)
                    if b is _BAD:
                        return _BAD
        return self.apply(op, (left, right), node, op)

    def apply(self, name: str, args: tuple[c.Core, ...], node: s.Node, shown: str) -> c.Core:
        given = [a.type for a in args]
        for arg in args:
            if arg.type.name == "error":
                # A fact whose type nobody knows is missing, and so is what is made of it.
                return arg if isinstance(arg, c.Fact) else _BAD
        if any(g.name == "null" for g in given):
            return self.defect(
                "E0204",
                f"`{shown}` with null is always unknown",
                node,
                "a missing fact is asked for with `= null` or `!= null`",
            )
        row = resolve(name, given)
        if row is None:
            compares = name in _COMPARING and len(given) == 2
            text = (
                f"cannot compare {' with '.join(map(in_words, given))}"
                if compares
                else f"does not take {_joined(given)}"
            )
            return self.defect("E0204", f"`{shown}` {text}", node, _operand_help(name, given))
        return c.Op(result_type(row, given), row, args)

    def on_between(self, node: s.Between) -> _Meaning:
        x = self.scalar(node.operand)
        return c.conj(
            self.apply(">=", (x, self.scalar(node.low)), node, "between"),
            self.apply("<=", (x, self.scalar(node.high)), node, "between"),
        )

    def on_in(self, node: s.In) -> _Meaning:
        operand = self.scalar(node.operand)
        return c.disj(*(self.test(operand, test) for test in node.tests))

    def test(self, operand: c.Core, test: s.Node) -> c.Core:
        """One unary test of an operand, as core."""
        if isinstance(test, s.Range):
            low, high = self.scalar(test.low), self.scalar(test.high)
            if _above(low, high):
                return self.defect("E0211", "the range is empty: its low end is above its high end", test)
            return c.conj(
                self.apply(">=" if test.low_closed else ">", (operand, low), test, "in"),
                self.apply("<=" if test.high_closed else "<", (operand, high), test, "in"),
            )
        if isinstance(test, s.Test):
            right = self.scalar(test.operand)
            if operand.type.name == "one of":
                right = self.enumerated(right, operand.type, test.operand)
            return self.apply(test.op, (operand, right), test, test.op)
        if isinstance(test, s.ListOf):
            return c.disj(*(self.test(operand, item) for item in test.items))
        if isinstance(test, s.Literal) and test.value is None:
            return c.Is(t.BOOLEAN, operand, None)
        meaning = self.meaning(test)
        if isinstance(meaning, _List):
            return self.contains(meaning, operand, test)
        if isinstance(meaning, _Item):
            return self.scalar(test)
        if meaning.type.name == "boolean" and operand.type.name != "boolean" and _asks(test):
            return meaning
        if operand.type.name == "one of":
            meaning = self.enumerated(meaning, operand.type, test)
        return self.apply("=", (operand, meaning), test, "in")

    def contains(self, found: _List, value: c.Core, node: s.Node) -> c.Core:
        if found.comp.item is None:
            return self.defect(
                "E0208", "a value is no item of a list of records", node, _field_help(found.fields)
            )
        return c.Some(t.BOOLEAN, found.comp, self.compare_or_compute("=", found.comp.item, value, node))

    def on_if(self, node: s.If) -> _Meaning:
        condition = self.condition(node.condition)
        then, otherwise = self.scalar(node.then), self.scalar(node.otherwise)
        type_ = t.common(then.type, otherwise.type)
        if type_ is None:
            return self.defect(
                "E0204", f"`then` gives {in_words(then.type)}, `else` {in_words(otherwise.type)}", node
            )
        return c.If(type_, condition, then, otherwise)

    def on_quantified(self, node: s.Quantified) -> _Meaning:
        saved = dict(self.names)
        comps: list[c.Comp] = []
        for name, where in node.bindings:
            found = self.list_(where)
            if found is None:
                self.names[name] = _BAD
                continue
            comps.append(found.comp)
            record = _Item(found.comp.var, found.list, found.fields)
            self.names[name] = record if found.comp.item is None else found.comp.item
        body = self.condition(node.body)
        self.names = saved
        if len(comps) < len(node.bindings):
            return _BAD
        if node.kind == "every":
            body = c.negate(body)
        for comp in reversed(comps):
            body = c.Some(t.BOOLEAN, comp, body)
        return c.negate(body) if node.kind == "every" else body

    def on_range(self, node: s.Range) -> _Meaning:
        return self.defect("E0210", "a range stands only after `in`", node)

    def on_test(self, node: s.Test) -> _Meaning:
        return self.defect("E0210", "a test stands only after `in`", node)

    # -- calls --------------------------------------------------------------------------------------------

    def on_call(self, node: s.Call) -> _Meaning:
        name = node.function
        if name in self.scope.decisions:
            return self.table_call(node, self.scope.decisions[name])
        if name not in FUNCTIONS:
            known = (*FUNCTIONS, *(n for n, d in self.scope.decisions.items() if d.args))
            for argument in node.arguments:
                self.meaning(argument)
            if name in self.scope.broken:
                return _BAD
            return self.defect(
                "E0203", f"unknown function `{name}`", node.name_span, did_you_mean(name, known)
            )
        form = next((f for f in FORMS if f.name == name), None)
        arguments = self.named(node, form.names if form else (), {r.names for r in BY_NAME.get(name, ())})
        if arguments is None:
            return _BAD
        if name == "not":
            return c.negate(self.condition(arguments[0])) if self.arity(node, arguments, 1) else _BAD
        if name in ("min", "max") and len(arguments) > 1:
            if len(arguments) > MAX_DEPTH:  # each is compared with the result of those before it
                help = f"give them as a list: `{name}([…])`"
                return self.defect("E0104", f"`{name}` of more than {MAX_DEPTH} arguments", node, help)
            result = self.scalar(arguments[0])
            for argument in arguments[1:]:
                result = self.apply(name, (result, self.scalar(argument)), node, name)
            return result
        if form is not None:
            return self.aggregate(node, name, arguments)
        wanted = {len(r.params) for r in BY_NAME[name]}
        if len(arguments) not in wanted:
            return self.arity_defect(node, sorted(wanted), len(arguments))
        return self.apply(name, tuple(self.scalar(a) for a in arguments), node, name)

    def named(
        self, node: s.Call, form: tuple[str, ...], rows: Iterable[tuple[str, ...]]
    ) -> list[s.Node] | None:
        """The arguments by position, whether they were given by position or by name."""
        if not node.names:
            return list(node.arguments)
        given = dict(zip(node.names, node.arguments, strict=True))
        for names in (form, *rows):
            if set(names) == set(given):
                return [given[n] for n in names]
        expected = form or next(iter(rows), ())
        self.defect("E0205", f"`{node.function}` takes the arguments {_listed(expected)}", node)
        return None

    def arity(self, node: s.Call, arguments: list[s.Node], wanted: int) -> bool:
        if len(arguments) == wanted:
            return True
        self.arity_defect(node, [wanted], len(arguments))
        return False

    def arity_defect(self, node: s.Call, wanted: list[int], given: int) -> c.Core:
        count = " or ".join(map(str, wanted))
        plural = "argument" if wanted == [1] else "arguments"
        return self.defect("E0205", f"`{node.function}` takes {count} {plural}, not {given}", node)

    def aggregate(self, node: s.Call, name: str, arguments: list[s.Node]) -> _Meaning:
        if not self.arity(node, arguments, 2 if name == "list contains" else 1):
            return _BAD
        found = self.list_(arguments[0])
        if found is None:
            return _BAD
        comp = found.comp
        if name == "list contains":
            return self.contains(found, self.scalar(arguments[1]), node)
        if name == "distinct values":
            if comp.item is None:
                return self.defect(
                    "E0208",
                    "items with fields have no distinct values",
                    node,
                    "project a field: `distinct values(xs.field)`",
                )
            return _List(comp, found.list, found.fields, distinct=True)
        if name == "count":
            return c.Agg(t.INTEGER, "count", comp, found.distinct)
        if found.distinct:
            return self.defect(
                "E0208", f"`{name}` of distinct values", node, "distinct values stand within `count`"
            )
        if comp.item is None:
            return self.defect(
                "E0208", f"`{name}` needs numbers, dates or amounts", node, _field_help(found.fields)
            )
        if comp.item.type.name == "error":
            return _BAD
        allowed = (
            ("date", "date-time", "days") if name in ("min", "max") else ("days",) if name == "sum" else ()
        )
        if not t.is_numeric(comp.item.type) and comp.item.type.name not in allowed:
            return self.defect("E0204", f"`{name}` does not take {in_words(comp.item.type)}", node)
        type_ = comp.item.type
        if name == "mean" and type_.name in ("integer", "numeral"):
            type_ = (
                t.NUMBER if type_.name == "integer" else t.NUMERAL
            )  # no whole number, even of whole numbers
        return c.Agg(type_, name, comp)

    def table_call(self, node: s.Call, table: Callable_) -> _Meaning:
        wanted = [n for n, _ in table.args]
        arguments = self.named(node, tuple(wanted), ())
        if arguments is None:
            return _BAD
        if not self.arity(node, arguments, len(wanted)):
            return _BAD
        args = tuple(
            self.fit(self.scalar(a), type_, a) for a, (_, type_) in zip(arguments, table.args, strict=True)
        )
        if len(table.outputs) != 1:
            return self.defect(
                "E0208", f"`{table.name}` has several outputs", node, "give a table that is called one output"
            )
        output, type_ = table.outputs[0]
        return c.TableCall(type_, table.name, args, output)

    def known_names(self) -> list[str]:
        return [
            *self.names,
            *self.scope.facts,
            *self.scope.lists,
            *self.scope.reference,
            *self.scope.decisions,
            *(f"parameters.{p}" for p in self.scope.parameters),
        ]


def _dotted(node: s.Node) -> str | None:
    if isinstance(node, s.Name):
        return node.name
    if isinstance(node, s.Path) and (base := _dotted(node.base)) is not None:
        return f"{base}.{node.name}"
    return None


def _above(low: c.Core, high: c.Core) -> bool:
    """Whether both are written values of a type, the first the larger."""
    if not (isinstance(low, c.Const) and isinstance(high, c.Const) and low.type.name == high.type.name):
        return False
    return low.value is not None and low.value > high.value  # type: ignore[operator]


def _whole(comp: c.Comp) -> bool:
    return comp.where is None and comp.item is None


def _negative(value: c.Value) -> c.Value:
    """A written number with a minus sign, all its digits kept."""
    return value.copy_negate() if isinstance(value, Decimal) else -value  # type: ignore[operator]


def _asks(node: s.Node) -> bool:
    """Whether a test speaks of its operand by `?`, and so is a condition rather than a value."""
    return any(isinstance(part, s.Name) and part.name == "?" for part in s.walk(node))


def _loops(node: c.Core | c.Comp | c.Source) -> int:
    """How many lists are walked within one another."""
    inner = max(map(_loops, c.children(node)), default=0)
    return inner + isinstance(node, c.Some | c.Agg)


def _left(node: s.Node) -> s.Node:
    return node.left if isinstance(node, s.Binary) else node


def _right(node: s.Node) -> s.Node:
    return node.right if isinstance(node, s.Binary) else node


def in_words(type_: t.Type) -> str:
    """A type as messages name it, with its article."""
    if type_ == t.INTEGRAL:
        return "a whole number"
    words = {
        "boolean": "true or false",
        "numeral": "a number",
        "number": "a number",
        "money": "money",
        "rate": "a rate",
        "integer": "a whole number",
        "date": "a date",
        "date-time": "a date-time",
        "days": "a span of days",
        "months": "a span of months",
        "text": "text",
        "null": "null",
    }
    return words.get(type_.name) or ("one of a list of values" if type_.name == "one of" else str(type_))


def _listed(names: Iterable[str]) -> str:
    shown = [f"`{n}`" for n in names]
    return ", ".join(shown[:12]) + (" …" if len(shown) > 12 else "")


def _field_help(fields: Mapping[str, t.Type]) -> str | None:
    return f"its fields are {_listed(fields)}" if fields else None


def _joined(types: Iterable[t.Type]) -> str:
    return " and ".join(map(in_words, types))


_COMPARING = frozenset(("=", "!=", "<", "<=", ">", ">="))


def _operand_help(name: str, given: list[t.Type]) -> str | None:
    names = {g.name for g in given}
    if "money" in names and names & {"number", "integer", "rate"}:
        return "money compares with money: divide two amounts to get a number, or give the parameter the type money"
    if names & {"date", "date-time"} and names & {"integer", "numeral", "number"}:
        return 'a date is written @"2024-01-31", a span of days @"P15D"'
    if "days" in names and names & {"integer", "numeral", "number"}:
        return 'a span of days is written @"P15D"; `days between(a, b)` gives a whole number'
    if names == {"date", "date-time"}:
        return "`date(…)` gives the day of a date-time"
    if names & {"text", "one of"} and (name == "date" or names & {"date", "date-time"}):
        return 'a date is written @"2024-01-31"'
    if (
        "text" in names
        and names & {"numeral", "integer", "number", "money", "rate", "boolean"}
        and len(given) == 2
    ):
        return "numbers, true and false are written without quotes"
    rows = BY_NAME.get(name, ())
    if name in _COMPARING or not 0 < len(rows) <= 3:
        return None
    return f"`{name}` takes {', or '.join(dict.fromkeys(_joined(row.params) for row in rows))}"


def is_plain(value: object) -> bool:
    """Whether a constant can stand in generated text as it is."""
    return isinstance(value, bool | int | str) or value is None or isinstance(value, date | datetime)

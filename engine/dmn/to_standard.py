"""Strict FEEL to standard FEEL: the core of an expression as a syntax tree that means the same in any DMN engine.

The two languages differ where something is missing. In the strict language a comparison with a missing value, and a
condition that is missing, leave the answer open (null); the standard answers `null = 1` with false and takes the `else`
of `if null`, drops an item whose condition is null, and sums an empty list to null. Three readings of a condition keep
the meaning: `exact` has the same three values, `true` holds just where the condition is true, `false` just where it is
false; what is neither is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.printer import to_text

_NOWHERE = (0, 0)
_NULL = s.Literal(_NOWHERE, None)
_TRUE = s.Literal(_NOWHERE, True)
_FALSE = s.Literal(_NOWHERE, False)
_FLIPPED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
#: Functions of the strict language that the standard lacks: the name of the knowledge model that stands for each.
MODELS = {
    "months between": "months_between",
    "years between": "years_between",
    "working days between": "working_days_between",
    "add working days": "add_working_days",
}


def name(text: str) -> s.Node:
    """A name, or a path `a.b`."""
    head, *rest = text.split(".")
    node: s.Node = s.Name(_NOWHERE, head)
    for part in rest:
        node = s.Path(_NOWHERE, node, part, _NOWHERE)
    return node


def literal(value: Decimal | int | str | bool | None) -> s.Node:
    plain = isinstance(value, int) and not isinstance(value, bool)
    return s.Literal(_NOWHERE, Decimal(value) if plain else value)  # type: ignore[arg-type]


def binary(op: str, left: s.Node, right: s.Node) -> s.Node:
    return s.Binary(_NOWHERE, op, left, right)


def call(function: str, *arguments: s.Node) -> s.Node:
    return s.Call(_NOWHERE, function, arguments, (), _NOWHERE)


def either(parts: Sequence[s.Node]) -> s.Node:
    """The disjunction of the parts; false for none."""
    return _joined("or", parts, _FALSE)


def both(parts: Sequence[s.Node]) -> s.Node:
    """The conjunction of the parts; true for none."""
    return _joined("and", parts, _TRUE)


def choice(condition: s.Node, then: s.Node, otherwise: s.Node) -> s.Node:
    if condition == _TRUE or then == otherwise:
        return then
    return otherwise if condition == _FALSE else s.If(_NOWHERE, condition, then, otherwise)


def _joined(op: str, parts: Sequence[s.Node], neutral: s.Node) -> s.Node:
    decisive = _FALSE if neutral == _TRUE else _TRUE
    kept = list(dict.fromkeys(p for p in parts if p != neutral))
    if decisive in kept:
        return decisive
    if not kept:
        return neutral
    node = kept[0]
    for part in kept[1:]:
        node = binary(op, node, part)
    return node


def is_null(node: s.Node) -> s.Node:
    return binary("=", node, _NULL)


def not_null(node: s.Node) -> s.Node:
    return binary("!=", node, _NULL)


@dataclass
class Standard:
    """Writes core as standard FEEL.

    `taken` are names that no loop may use, `calls` says which names a table that is called takes besides its arguments,
    `several` are the tables with several outputs. Without `literals`, dates are written `date("…")`. With `as_text`,
    dates of the input arrive as texts, as in JSON, and are converted; names in `plain` are values already.
    `used` gathers what was named.
    """

    taken: frozenset[str] = frozenset()
    calls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    several: frozenset[str] = frozenset()
    literals: bool = True
    as_text: bool = False
    plain: frozenset[str] = frozenset()
    #: Parameters that surely have a value.
    sure: frozenset[str] = frozenset()
    used: Used = field(default_factory=lambda: Used())
    #: What a condition around has found to be there.
    _known: set[c.Core] = field(default_factory=set)
    _names: dict[str, str] = field(default_factory=dict)
    _filters: list[str] = field(default_factory=list)

    def text(self, core: c.Core) -> str:
        """The exact reading as text."""
        return to_text(self.exact(core))

    # -- values -------------------------------------------------------------------------------------------

    def constant(self, core: c.Const) -> s.Node:
        value = core.value
        if isinstance(value, datetime):
            return self.temporal("date and time", value.isoformat())
        if isinstance(value, date):
            return self.temporal("date", value.isoformat())
        if core.type.name in ("days", "months") and isinstance(value, int):
            unit = "D" if core.type.name == "days" else "M"
            return self.temporal("duration", f"{'-' if value < 0 else ''}P{abs(value)}{unit}")
        return literal(value)

    def temporal(self, function: str, text: str) -> s.Node:
        return s.Temporal(_NOWHERE, text) if self.literals else call(function, literal(text))

    def exact(self, core: c.Core) -> s.Node:
        """The value, null where it is missing."""
        match core:
            case c.Const():
                return self.constant(core)
            case c.Fact():
                self.used.facts.add(core.name)
                return self.given(name(core.name), core.type)
            case c.Var():
                return self.variable(core)
            case c.Field():
                return self.given(self.field_of(core.var, core.name), core.type)
            case c.Element():
                return self.given(s.Name(_NOWHERE, self.item(core.var)), core.type)
            case c.Param():
                return self.parameter(core)
            case c.Decided():
                self.used.decisions.add(core.name)
                return name(f"{core.name}.{core.output}" if core.name in self.several else core.name)
            case c.TableCall():
                self.used.tables.add(core.name)
                more = [
                    self.variable(c.Var(t.DATE, n)) if n == "as_of" else name(n)
                    for n in self.calls[core.name]
                ]
                return call(core.name, *map(self.exact, core.args), *more)
            case c.Op():
                return self.operator(core)
            case c.If():
                return self.conditional(core, self.exact)
            case c.Agg():
                return self.aggregate(core)
            case _:
                return self.condition(core)

    def variable(self, core: c.Var) -> s.Node:
        if core.name == "judged_on":
            self.used.variables.add("judged_on")
            return self.variable(c.Var(t.DATE, "as_of"))
        self.used.variables.add(core.name)
        node = s.Name(_NOWHERE, core.name)
        return node if core.name in self.plain or core.name != "as_of" else self.given(node, core.type)

    def given(self, node: s.Node, type_: t.Type) -> s.Node:
        """A value of the input, in its type."""
        function = {"date": "date", "date-time": "date and time", "days": "duration"}.get(type_.name)
        return call(function, node) if self.as_text and function is not None else node

    def parameter(self, core: c.Param) -> s.Node:
        self.used.parameters.add(core.name)
        return name(f"parameters.{core.name}")

    def operator(self, core: c.Op) -> s.Node:
        word, args = core.row.name, core.args
        if word in ("=", "!="):
            return self.condition(core)
        given = [self.exact(a) for a in args]
        if word == "negate":
            return s.Unary(_NOWHERE, "-", given[0])
        if word.startswith("."):
            return s.Path(_NOWHERE, given[0], word[1:], _NOWHERE)
        if not word[0].isalpha():
            return binary(word, given[0], given[1])
        if word == "days between":
            # The quotient, as some engines count the days beyond whole months in `.days`.
            return binary("/", binary("-", given[1], given[0]), self.temporal("duration", "P1D"))
        if word == "seconds between":
            return binary("/", binary("-", given[1], given[0]), self.temporal("duration", "PT1S"))
        if word == "substring":
            start = args[1]
            if isinstance(start, c.Const) and isinstance(start.value, int) and start.value > 0:
                # Beyond its end the strict language finds nothing in a text, the standard null.
                short = binary("<", call("string length", given[0]), given[1])
                return choice(short, literal(""), call(word, *given))
            self.used.notes.add("`substring` from a place before or beyond the text is null in the standard")
        if word in MODELS:
            self.used.models.add(word)
            return call(MODELS[word], *given)
        return call(word, *given)

    # -- conditions ---------------------------------------------------------------------------------------

    def condition(self, core: c.Core) -> s.Node:
        """The exact reading of a condition that is not a plain value."""
        if not c.nullable(core):
            return self.true(core)
        unknown = self.unknown_if(core)
        if unknown is not None and not self.native(core):
            leaves: set[c.Core] = {
                n
                for n in c.walk(core)
                if isinstance(n, c.Fact | c.Field | c.Element) and is_null(self.exact(n)) in unknown
            }
            return choice(either(unknown), _NULL, self.knowing(leaves, core, self.true))
        match core:
            case c.Not(arg=c.Some() as some):
                return self.quantified("every", some, self.exact, negated=True)
            case c.Not():
                return call("not", self.exact(core.arg))
            case c.And():
                return _chain("and", [self.exact(a) for a in core.args])
            case c.Or():
                return _chain("or", self.alternatives(core, self.exact))
            case c.Some():
                return self.quantified("some", core, self.exact)
            case c.Op() if core.row.name in ("=", "!=") and not self.native(core):
                # What may be missing only as a whole, such as a conditional, is asked as a whole.
                missing = [is_null(self.exact(a)) for a in core.args if self.may_lack(a)]
                return choice(either(missing), _NULL, self.knowing(set(core.args), core, self.true))
            case c.Op():
                return self.true(core)
        raise TypeError(f"{type(core).__name__} is lowered")

    def native(self, core: c.Core) -> bool:
        """Whether the standard gives the same three values for the condition as it is written."""
        match core:
            case c.And() | c.Or():
                return all(map(self.native, core.args))
            case c.Not():
                return self.native(core.arg)
            case c.Op() if core.row.name in ("=", "!="):
                return _as_boolean(core) is not None or not any(map(c.nullable, core.args))
            case c.If() | c.Some():
                return False
            case _:
                return True

    def true(self, core: c.Core) -> s.Node:
        """A condition that is true just where `core` is true."""
        return self.reading(core, True)

    def false(self, core: c.Core) -> s.Node:
        """A condition that is true just where `core` is false."""
        return self.reading(core, False)

    def reading(self, core: c.Core, wanted: bool) -> s.Node:
        match core:
            case c.Const():
                return literal(core.value is wanted)
            case c.Not():
                return self.reading(core.arg, not wanted)
            case c.And() | c.Or():
                conjunction = isinstance(core, c.And) is wanted
                if not conjunction:
                    return either(self.alternatives(core, lambda a: self.reading(a, wanted)))
                if (same := _same_operand(core)) is not None and isinstance(core, c.Or):
                    operand, values = same
                    shown = self.exact(operand)
                    among = s.In(_NOWHERE, shown, tuple(self.exact(v) for v in values))
                    return both([*(self.known(operand)), call("not", among)])
                if (interval := self.interval(core)) is not None:
                    return interval
                return both([self.reading(a, wanted) for a in core.args])
            case c.Is(truth=None):
                shown = self.exact(core.arg)
                return is_null(shown) if wanted else not_null(shown)
            case c.Is():
                held = self.reading(core.arg, bool(core.truth))
                return held if wanted else _not(held)
            case c.ListMissing():
                shown = self.source(c.ListFact(core.list))
                return is_null(shown) if wanted else not_null(shown)
            case c.If():
                return self.branches(core, wanted)
            case c.Some():
                if wanted:
                    return self.quantified("some", core, self.true)
                return self.quantified("every", core, self.false)
            case c.Op() if core.row.name in ("=", "!="):
                return self.equality(core, wanted)
            case c.Op() if core.row.name in _FLIPPED and not wanted:
                return binary(_FLIPPED[core.row.name], self.exact(core.args[0]), self.exact(core.args[1]))
            case _:
                shown = self.exact(core)
                return shown if wanted else _not(shown)

    def equality(self, core: c.Op, wanted: bool) -> s.Node:
        equal = (core.row.name == "=") is wanted
        if (asked := _as_boolean(core)) is not None:
            operand, value = asked
            shown = self.exact(operand)
            return shown if value is equal else _not(shown)
        left, right = (self.exact(a) for a in core.args)
        guards = [not_null(x) for x, a in zip((left, right), core.args, strict=True) if self.may_lack(a)]
        if equal:
            # null = x is false for any known x; only null = null needs its guard.
            return both([*(guards[:1] if len(guards) == 2 else []), binary("=", left, right)])
        return both([*guards, binary("!=", left, right)])

    def alternatives(self, core: c.And | c.Or, read: Callable[[c.Core], s.Node]) -> list[s.Node]:
        """The parts of a disjunction; equalities of one value with several constants become one `in`."""
        same = _same_operand(core)
        if same is not None and isinstance(core, c.Or) and read != self.exact:
            operand, values = same
            return [s.In(_NOWHERE, self.exact(operand), tuple(self.exact(v) for v in values))]
        return [read(a) for a in core.args]

    def interval(self, core: c.Core) -> s.Node | None:
        """`x in [a..b]` for two bounds of one value."""
        if not (isinstance(core, c.And) and len(core.args) == 2):
            return None
        low, high = core.args
        if not (isinstance(low, c.Op) and isinstance(high, c.Op) and low.args[0] == high.args[0]):
            return None
        if low.row.name not in (">", ">=") or high.row.name not in ("<", "<="):
            return None
        first, last = low.args[1], high.args[1]
        if not _in_order(first, last):
            # A range whose ends are not in order is null in the standard, where the comparisons are false.
            if (low.row.name, high.row.name) != (">=", "<="):
                return None
            return s.Between(_NOWHERE, self.exact(low.args[0]), self.exact(first), self.exact(last))
        ends = s.Range(
            _NOWHERE, self.exact(low.args[1]), self.exact(high.args[1]), low.row.name == ">=", high.row.name == "<="
        )  # fmt: skip
        return s.In(_NOWHERE, self.exact(low.args[0]), (ends,))

    def known(self, core: c.Core) -> list[s.Node]:
        return [not_null(self.exact(core))] if self.may_lack(core) else []

    def may_lack(self, core: c.Core) -> bool:
        """Whether the value can be missing here."""
        return c.nullable(core) and core not in self._known

    def unknown_if(self, core: c.Core) -> list[s.Node] | None:
        """Conditions, never null, of which one holds just where `core` is missing; None: there are none so simple."""
        match core:
            case c.Const():
                return [_TRUE] if core.value is None else []
            case c.Is() | c.ListMissing():
                return []
            case c.Not():
                return self.unknown_if(core.arg)
            case c.Param() if core.name in self.sure:
                return []
            case c.Fact() | c.Field() | c.Param() | c.Decided() | c.Var() | c.Element() if (
                core in self._known
            ):
                return []
            case c.Fact() | c.Field() | c.Param() | c.Decided() | c.Var() | c.Element():
                return [is_null(self.exact(core))] if c.nullable(core) else []
            case c.Op() if not core.row.partial and not (core.row.name in ("+", "-") and core.type == t.DATE):
                parts = [self.unknown_if(a) for a in core.args]
                return None if None in parts else list(dict.fromkeys(n for p in parts for n in p or ()))
            case c.Op() | c.TableCall() | c.Agg():
                return [is_null(self.exact(core))]
            case c.And() | c.Or():
                parts = [self.unknown_if(a) for a in core.args]
                first = parts[0]
                alike = first is not None and all(p is not None and set(p) == set(first) for p in parts)
                return first if alike else None
            case _:
                return None

    def conditional(self, core: c.If, read: Callable[[c.Core], s.Node]) -> s.Node:
        condition = self.true(core.condition)
        then, otherwise = read(core.then), self.knowing(_present_unless(core.condition), core.otherwise, read)
        if not c.nullable(core.condition):
            return choice(condition, then, otherwise)
        unknown = self.unknown_if(core.condition)
        if unknown is not None:
            return choice(either(unknown), _NULL, choice(condition, then, otherwise))
        return choice(condition, then, choice(self.false(core.condition), otherwise, _NULL))

    def knowing(self, present: set[c.Core], core: c.Core, read: Callable[[c.Core], s.Node]) -> s.Node:
        """The reading of `core` where these values are known to be there."""
        before, self._known = self._known, self._known | present
        node = read(core)
        self._known = before
        return node

    def branches(self, core: c.If, wanted: bool) -> s.Node:
        """Where a conditional is true, or false."""

        def read(part: c.Core) -> s.Node:
            return self.reading(part, wanted)

        if not c.nullable(core.condition):
            return choice(self.true(core.condition), read(core.then), read(core.otherwise))
        first = both([self.true(core.condition), read(core.then)])
        return either([first, both([self.false(core.condition), read(core.otherwise)])])

    # -- lists --------------------------------------------------------------------------------------------

    def source(self, source: c.Source) -> s.Node:
        match source:
            case c.ListFact():
                self.used.lists.add(source.name)
                return s.Name(_NOWHERE, source.name)
            case c.ListField():
                return self.field_of(source.var, source.name)
            case c.ListConst():
                return s.ListOf(_NOWHERE, tuple(self.exact(i) for i in source.items))
        raise TypeError(type(source).__name__)

    def field_of(self, var: str, field_name: str) -> s.Node:
        item = self.item(var)
        if item == "item" and self._filters and self._filters[-1] != var:
            return s.Name(_NOWHERE, field_name)  # an inner filter has taken the name `item`
        return s.Path(_NOWHERE, s.Name(_NOWHERE, item), field_name, _NOWHERE)

    def item(self, var: str) -> str:
        return self._names.get(var, var)

    def bind(self, comp: c.Comp) -> str:
        """A name for the items of a list, that nothing else has."""
        match comp.source:
            case c.ListFact(name=text) | c.ListField(name=text):
                base = re.sub(r"s$", "", re.sub(r"ies$", "y", text))
            case _:
                base = "value"
        taken = self.taken | set(self._names.values())
        fresh = next(
            n for n in (base, f"{base}_item", *(f"{base}_{i}" for i in range(2, 99))) if n not in taken
        )
        self._names[comp.var] = fresh
        return fresh

    def quantified(
        self, kind: str, core: c.Some, read: Callable[[c.Core], s.Node], negated: bool = False
    ) -> s.Node:
        source = self.source(core.comp.source)
        held = self.bind(core.comp)
        body = c.conj(core.comp.where, core.body)
        inner = read(c.negate(body) if negated else body)
        del self._names[core.comp.var]
        node: s.Node = s.Quantified(_NOWHERE, kind, ((held, source),), inner)
        if isinstance(core.comp.source, c.ListConst):
            return node
        if read == self.exact:
            return choice(is_null(source), _NULL, node)
        return both([not_null(source), node])

    def aggregate(self, core: c.Agg) -> s.Node:
        comp = core.comp
        source = self.source(comp.source)
        unknown = [] if isinstance(comp.source, c.ListConst) else [is_null(source)]
        values = source
        if comp.where is not None:
            if c.nullable(comp.where):
                held = self.bind(comp)
                missing = self.unknown_if(comp.where)
                open_ = either(missing) if missing is not None else is_null(self.exact(comp.where))
                del self._names[comp.var]
                if open_ != _FALSE:
                    unknown.append(s.Quantified(_NOWHERE, "some", ((held, source),), open_))
            self._filters.append(comp.var)
            self._names[comp.var] = "item"
            values = s.Filter(_NOWHERE, source, self.true(comp.where))
            del self._names[comp.var]
            self._filters.pop()
        if isinstance(comp.item, c.Field):
            values = s.Path(_NOWHERE, values, comp.item.name, _NOWHERE)
            if self.as_text and comp.item.type.name in ("date", "date-time", "days"):
                values = s.For(_NOWHERE, (("value", values),), self.given(name("value"), comp.item.type))
        if core.distinct:
            unknown.append(call("list contains", values, _NULL))
            values = call("distinct values", values)
        result = call(core.function, values)
        if core.function == "sum":
            result = choice(binary("=", call("count", values), literal(0)), literal(0), result)
        elif core.function in ("min", "max", "mean"):
            unknown.append(call("list contains", values, _NULL))
        return choice(either(unknown), _NULL, result)


@dataclass
class Used:
    """What an expression speaks of."""

    facts: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    parameters: set[str] = field(default_factory=set)
    decisions: set[str] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    #: What the standard means otherwise, in words.
    notes: set[str] = field(default_factory=set)


def _in_order(first: c.Core, last: c.Core) -> bool:
    """Whether these are constants, the first no greater than the last."""
    if not (isinstance(first, c.Const) and isinstance(last, c.Const)):
        return False
    return None not in (first.value, last.value) and bool(first.value <= last.value)  # type: ignore[operator]


def _present_unless(condition: c.Core) -> set[c.Core]:
    """The values that are there where the condition is false."""
    parts = condition.args if isinstance(condition, c.Or) else (condition,)
    return {p.arg for p in parts if isinstance(p, c.Is) and p.truth is None}


def _not(node: s.Node) -> s.Node:
    if node in (_TRUE, _FALSE):
        return _FALSE if node == _TRUE else _TRUE
    if isinstance(node, s.Call) and node.function == "not":
        return node.arguments[0]
    return call("not", node)


def _chain(op: str, parts: Sequence[s.Node]) -> s.Node:
    return _joined(op, parts, _TRUE if op == "and" else _FALSE)


def _as_boolean(core: c.Op) -> tuple[c.Core, bool] | None:
    """The operand and value of a comparison with true or false."""
    left, right = core.args
    if isinstance(right, c.Const) and isinstance(right.value, bool):
        return left, right.value
    if isinstance(left, c.Const) and isinstance(left.value, bool):
        return right, left.value
    return None


def _same_operand(core: c.And | c.Or) -> tuple[c.Core, list[c.Core]] | None:
    """The value and the constants of `x = a or x = b or …`."""
    operands, values = [], []
    for arg in core.args:
        if not (isinstance(arg, c.Op) and arg.row.name == "=" and isinstance(arg.args[1], c.Const)):
            return None
        if isinstance(arg.args[1].value, bool):
            return None
        operands.append(arg.args[0])
        values.append(arg.args[1])
    if len(operands) < 2 or any(o != operands[0] for o in operands):
        return None
    return operands[0], list(values)

"""Core to Python: one generated function an expression or rule. This way to run is the definition.

The generated code keeps values in local variables, with `None` for missing, and jumps over what can no longer
matter: no conjunct is looked at after a false one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from functools import cache
from typing import Any

from sancha.engine.diagnostics import SanchaError
from sancha.engine.feel import core as c
from sancha.engine.feel.types import INTEGRAL
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.tables import Table, constraint, input_name
from sancha.engine.run.index import OPAQUE, Region, bits
from sancha.engine.run.membership import container
from sancha.engine.run.runtime import NAMES

#: A compiled function: (facts, lists, reference, as_of) -> the values of its expressions.
Compiled = Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any], Any], tuple[Any, ...]]
#: What a part is worth as a test for missing (None: never missing) and an expression for the value where it is not.
_Guarded = tuple[str | None, str]
#: Operands of a junction stand in blocks within blocks up to this depth, so that they see what was computed before.
_NESTED = 12
#: From so many constants on, a value is looked up among them.
_MANY = 6
#: Operators whose value is missing only where an operand is.
_COMPARISONS = ("=", "<", "<=", ">", ">=")
#: What takes statements to compute.
_LONG = (c.And, c.Or, c.If, c.Some, c.Agg, c.Lookup, c.Let)


def compile_cores(
    cores: Sequence[c.Core], lets: Sequence[tuple[str, c.Core]] = (), calendar: Calendar | None = None
) -> Compiled:
    """A function that gives the values of `cores`, in order, as a tuple.

    It takes all scalar facts by dotted name (None: missing), lists as sequences of mappings (or None:
    missing), reference lists alike, and the day of the book. `lets` bind names for all
    cores, each may use those before it.
    """
    return _Writer(calendar or Calendar.empty()).function(cores, lets)


def compile_core(core: c.Core, calendar: Calendar | None = None) -> Callable[..., Any]:
    """A function of the same arguments that gives the value of one expression."""
    return _Writer(calendar or Calendar.empty()).function([core], (), single=True)


def source_of(cores: Sequence[c.Core], lets: Sequence[tuple[str, c.Core]] = ()) -> str:
    """The Python that is generated, for reading."""
    writer = _Writer(Calendar.empty())
    writer.function(cores, lets)
    return writer.source


class _Parts:
    """The parts of expressions by number: equal parts have one, whatever objects they are.

    `uses[number]` is in how many places of different parts it stands; `names[number]` are those of the variables and
    items that it speaks of.
    """

    def __init__(self, cores: Iterable[c.Core] = ()) -> None:
        self.uses: list[int] = []
        self.names: list[frozenset[str]] = []
        self.vars: dict[int, str] = {}
        #: Those with an operation of the full language in them.
        self.dynamic: set[int] = set()
        self.inner: list[tuple[int, ...]] = []
        self.numbers: dict[object, int] = {}
        #: The objects are kept, lest another take the identity of one.
        self.known: dict[int, tuple[int, object]] = {}
        self.roots = [self.number(core) for core in cores]
        for root in self.roots:
            self.uses[root] += 1

    def number(self, node: c.Core | c.Comp | c.Source) -> int:
        found = self.known.get(id(node))
        if found is not None:
            return found[0]
        parts = tuple(map(self.number, c.children(node)))
        key = (type(node), parts, _own(node))
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.uses)
            self.uses.append(0)
            self.inner.append(parts)
            self.names.append(self._names(node, parts))
            if isinstance(node, c.Var):
                self.vars[number] = node.name
            if isinstance(node, c.Dynamic | c.Lambda) or not self.dynamic.isdisjoint(parts):
                self.dynamic.add(number)
            for part in parts:
                self.uses[part] += 1
        self.known[id(node)] = number, node
        return number

    def _names(self, node: c.Core | c.Comp | c.Source, parts: tuple[int, ...]) -> frozenset[str]:
        names = frozenset[str]().union(*(self.names[part] for part in parts))
        match node:
            case c.Var():
                return frozenset((node.name,))
            case c.Field() | c.Element() | c.ListField():
                return names | {node.var}
            case c.Lookup():
                return names.union(variable.name for variable in node.table.variables)
            case _:
                return names

    def read_more_than_once(self) -> set[str]:
        """The names of the variables that are written in more than one place, equal parts counted as often as they are
        written."""
        places = [0] * len(self.uses)
        for root in self.roots:
            places[root] += 1
        for number in reversed(range(len(places))):  # a part has a number below that of what holds it
            for part in self.inner[number]:
                places[part] = min(places[part] + places[number], 2)
        found: dict[str, int] = {}
        for number, name in self.vars.items():
            found[name] = found.get(name, 0) + places[number]
        return {name for name, count in found.items() if count > 1}


def _own(node: c.Core | c.Comp | c.Source) -> tuple[object, ...]:
    """What a node is besides its parts."""
    match node:
        case c.Const():
            return node.type, type(node.value), str(node.value)
        case c.Op():
            return node.type, id(node.row)
        case c.Lookup():
            return node.type, id(node.table), node.output
        case c.Dynamic() | c.Lambda():
            return (id(node),)
        case _:
            kind: Any = type(node)
            values = (getattr(node, name) for name in _fields(kind))
            return tuple(None if isinstance(value, _PART) else value for value in values)


_PART = (c.Core, c.Comp, c.Source, tuple)


@cache
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


class _Writer:
    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.lines: list[str] = []
        self.indent = 1
        self.count = 0
        self.loops = 0
        self.source = ""
        self.space: dict[str, Any] = {
            **NAMES,
            "WORKING_DAYS_BETWEEN": calendar.between,
            "ADD_WORKING_DAYS": calendar.add,
        }
        self.facts: dict[str, str] = {}
        self.constants: dict[tuple[type, object], str] = {}
        self.tables: dict[int, str] = {}
        self.keep: list[object] = []
        self.lets: dict[str, c.Core] = {}
        #: The local variable of each item that a loop has at hand.
        self.items_at_hand: dict[str, str] = {}
        #: Names bound to local variables, a scope for each block; an inner block sees the outer ones.
        self.scopes: list[dict[str, tuple[str, bool]]] = [{}]
        #: Names of `lets` and their local variables: such a name stands for the same in every scope.
        self.shared: set[tuple[str, str]] = set()
        self.parts = _Parts()
        #: Parts at hand, a scope for each block too: by number, and by what their free names stand for.
        self.made: list[dict[object, _Guarded]] = [{}]

    def function(
        self, cores: Sequence[c.Core], lets: Sequence[tuple[str, c.Core]], single: bool = False
    ) -> Compiled:
        self.lets = dict(lets)
        try:
            self.parts = _Parts((*cores, *(core for _, core in lets)))
            self.bind_shared(lets)
            results = [self.atom(core) for core in cores]
            self.write(f"return {results[0]}" if single else f"return ({''.join(r + ', ' for r in results)})")
            loads = [f"    {local} = facts[{name!r}]" for name, local in self.facts.items()]
            self.source = "\n".join(["def f(facts, lists, reference, as_of):", *loads, *self.lines]) + "\n"
            exec(compile(self.source, "<generated from policy>", "exec"), self.space)
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise SanchaError(
                "an expression is nested too deep to run", code="E0104", help="name a part as a decision"
            ) from error
        return self.space["f"]  # type: ignore[no-any-return]

    def bind_shared(self, lets: Sequence[tuple[str, c.Core]]) -> None:
        """Binds at the start what more than one place uses; the clauses of a rule stay where they are first needed."""
        shared = self.parts.read_more_than_once()
        for name, core in lets:
            if name in shared and name not in ("applies", "holds", "code"):
                self.shared.add((name, self.bind(name, core)[0]))

    # -- writing ------------------------------------------------------------------------------------------

    def write(self, line: str) -> None:
        self.lines.append("    " * self.indent + line)

    def fresh(self) -> str:
        self.count += 1
        return f"t{self.count}"

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        self.write(header)
        self.indent += 1
        mark = len(self.lines)
        with self.scope():
            yield
        if len(self.lines) == mark:
            self.write("pass")
        self.indent -= 1

    @contextmanager
    def scope(self) -> Iterator[None]:
        self.scopes.append({})
        self.made.append({})
        yield
        self.made.pop()
        self.scopes.pop()

    def constant(self, value: object) -> str:
        if value is None or isinstance(value, bool | str):
            return repr(value)
        if isinstance(value, int):
            return f"({value})" if value < 0 else str(value)
        key = (type(value), str(value))
        if key not in self.constants:
            name = f"K{len(self.constants)}"
            self.constants[key] = name
            self.space[name] = value
        return self.constants[key]

    def assign(self, expression: str) -> str:
        local = self.fresh()
        self.write(f"{local} = {expression}")
        return local

    # -- expressions --------------------------------------------------------------------------------------

    def atom(self, node: c.Core) -> str:
        """The value as a name or constant."""
        expression, _ = self.value(node)
        return (
            expression if expression.isidentifier() or isinstance(node, c.Const) else self.assign(expression)
        )

    def value(self, node: c.Core) -> tuple[str, bool]:
        """An expression for the value, and whether it may be None. It may be evaluated once only."""
        null, expression = self.guarded(node)
        if null is None:
            return expression, False
        if expression == "None":
            return "None", True
        if null == f"{expression} is None":
            return expression, True
        return f"(None if {null} else {expression})", True

    def guarded(self, node: c.Core) -> _Guarded:
        """A test for missing (None: never missing), and an expression for the value where it is not.

        What was computed before, here or around this block, is not computed again.
        """
        match node:
            case c.Const():
                text = self.constant(node.value)
                return ("True" if node.value is None else None), text
            case c.Var():
                local, maybe = self.variable(node)
                return (f"{local} is None" if maybe and node.nullable else None), local
            case c.Fact(known=None):
                local = self.fact(node.name)
                return f"{local} is None", local
            case c.Dynamic() | c.Lambda():
                return self.computed(node)
        number = self.parts.number(node)
        key = (number, *map(self.meaning, sorted(self.parts.names[number])))
        for made in reversed(self.made):
            if key in made:
                return made[key]
        null, expression = self.computed(node)
        if self.parts.uses[number] > 1 and isinstance(node, c.Op | c.Or) and not expression.isidentifier():
            expression = self.assign(f"None if {null} else {expression}" if null else expression)
            null = f"{expression} is None" if null else None
        self.made[-1][key] = null, expression
        return null, expression

    def share(self, later: Sequence[c.Core]) -> None:
        """Computes before the blocks what other places need too. (A function that calls itself has to wait.)"""
        for part in later:
            if isinstance(part, c.Op):
                self.share(part.args)
            elif isinstance(part, c.Is | c.Not):
                self.share((part.arg,))
            elif isinstance(part, _LONG):
                number = self.parts.number(part)
                if self.parts.uses[number] > 1 and number not in self.parts.dynamic:
                    self.guarded(part)

    def meaning(self, name: str) -> str:
        """What a name stands for here, as far as it can differ from block to block."""
        item = self.items_at_hand.get(name, "")
        for scope in reversed(self.scopes):
            if name in scope:
                local = scope[name][0]
                return item if (name, local) in self.shared else f"{item} {local}"
        return item

    def computed(self, node: c.Core) -> _Guarded:
        match node:
            case c.Op():
                return self.operator(node)
            case c.Not():
                null, expression = self.guarded(node.arg)
                if null is not None and not expression.isidentifier():
                    local = self.assign(f"None if {null} else {expression}")
                    null, expression = f"{local} is None", local
                return null, f"(not {expression})"
            case c.Or() if (choice := self.membership(node)) is not None:
                operand, values = choice
                null, expression = self.guarded(operand)
                return null, f"({expression} in {values})"
            case c.Is():
                expression, maybe = self.value(node.arg)
                if node.truth is None:
                    return None, f"({expression} is None)" if maybe else "False"
                if maybe:
                    return None, f"({expression} is {node.truth})"
                return None, expression if node.truth else f"(not {expression})"
            case c.ListMissing():
                return None, f"({self.list_named(node.list)} is None)"
            case _:
                local, maybe = self.statement(node)
                return (f"{local} is None" if maybe else None), local

    def membership(self, node: c.Or) -> tuple[c.Core, str] | None:
        """The operand and the constants of a disjunction that asks whether it is one of them, or in a range of them.

        Fewer than `_MANY` are compared one by one, but for texts.
        """
        operand = _operand(node.args[0])
        if operand is None or (len(node.args) < _MANY and operand.type.name not in ("text", "one of")):
            return None
        number = self.parts.number(operand)
        regions = [_region(arg, number, self.parts) for arg in node.args]
        if None in regions:
            return None
        intervals = [interval for region in regions if region is not None for interval in region.intervals]
        held = container(intervals)
        if isinstance(held, frozenset) and len(node.args) < _MANY:
            return operand, repr(tuple(interval.low for interval in intervals))
        return operand, self.quoted(held)

    def variable(self, node: c.Var) -> tuple[str, bool]:
        if node.name == "as_of":
            return "as_of", False
        for scope in reversed(self.scopes):
            if node.name in scope:
                return scope[node.name]
        local, maybe = self.bind(node.name, self.lets[node.name])
        self.shared.add((node.name, local))
        return local, maybe

    def bind(self, name: str, core: c.Core) -> tuple[str, bool]:
        expression, maybe = self.value(core)
        plain = expression.isidentifier() and expression not in ("None", "True", "False")
        local = expression if plain else self.assign(expression)
        self.scopes[-1][name] = (local, maybe)
        return local, maybe

    def fact(self, name: str) -> str:
        if name not in self.facts:
            self.facts[name] = f"f{len(self.facts)}"
        return self.facts[name]

    def operator(self, node: c.Op) -> tuple[str | None, str]:
        nulls: list[str] = []
        operands: list[str] = []
        decimals = any(arg.type.name in ("money", "rate", "number") for arg in node.args)
        for i, arg in enumerate(node.args):
            if decimals and isinstance(arg, c.Const) and type(arg.value) is int:
                arg = c.Const(arg.type, Decimal(arg.value))  # decimals compare faster with their like
            null, expression = self.guarded(arg)
            if null == "True":
                return "True", "None"
            if null is not None and null != f"{expression} is None":
                # The operand is computed once, before its absence is asked for.
                local = self.assign(f"None if {null} else {expression}")
                null, expression = f"{local} is None", local
            if null is not None and null not in nulls:
                nulls.append(null)
            if (
                node.row.python.count(f"{{{i}}}") > 1
                and not expression.isidentifier()
                and not isinstance(arg, c.Const)
            ):
                expression = self.assign(f"None if {null} else {expression}" if null else expression)
            operands.append(expression)
        text = node.row.python.format(*operands)
        null = " or ".join(nulls) or None
        if not node.row.partial and node.row.name not in ("+", "-"):
            return null, text
        if not node.row.partial and node.type.name != "date":
            return null, text
        local = self.assign(f"None if {null} else {text}" if null else text)
        return f"{local} is None", local

    def statement(self, node: c.Core) -> tuple[str, bool]:
        """Statements that leave the value in a local variable: its name, and whether it may be None."""
        match node:
            case c.Fact():
                return self.known_fact(node)
            case c.Field():
                return self.assign(f"{self.items_at_hand[node.var]}[{node.name!r}]"), True
            case c.Element():
                return self.items_at_hand[node.var], True
            case c.And() | c.Or():
                return self.junction(node)
            case c.If():
                return self.conditional(node)
            case c.Some():
                return self.some(node)
            case c.Agg():
                return self.aggregate(node)
            case c.Lookup():
                return self.lookup(node)
            case c.Dynamic():
                return self.dynamic(node)
            case c.Lambda():
                return self.nested(node), False
            case c.Let():
                self.scopes.append({})
                body: c.Core = node
                while isinstance(body, c.Let):
                    self.bind(body.name, body.value)
                    body = body.body
                result = self.value(body)
                self.scopes.pop()
                return self.assign(result[0]), result[1]
            case _:
                raise TypeError(f"{type(node).__name__} is not lowered")

    def known_fact(self, node: c.Fact) -> tuple[str, bool]:
        local = self.fact(node.name)
        assert node.known is not None
        known, maybe = self.value(node.known)
        return self.assign(f"{local} if {known}{' is True' if maybe else ''} else None"), True

    def junction(self, node: c.And | c.Or) -> tuple[str, bool]:
        """Kleene conjunction or disjunction; what follows a deciding operand is not evaluated."""
        conjunction = isinstance(node, c.And)
        start, deciding = ("True", "False") if conjunction else ("False", "True")
        self.share(node.args[1:])
        result = self.assign(start)
        maybe = False
        with ExitStack() as blocks:
            for i, arg in enumerate(node.args):
                if i:
                    if self.indent >= _NESTED:
                        blocks.close()
                    blocks.enter_context(self.block(f"if {result} is not {deciding}:"))
                null, expression = self.guarded(arg)
                test = f"not {expression}" if conjunction else expression
                if null is None:
                    self.write(f"if {test}: {result} = {deciding}")
                else:
                    maybe = True
                    self.write(f"if {null}: {result} = None")
                    if expression != "None":
                        self.write(f"elif {test}: {result} = {deciding}")
        return result, maybe

    @contextmanager
    def guard(self, header: str | None) -> Iterator[None]:
        if header is None:
            yield
        else:
            with self.block(header):
                yield

    def conditional(self, node: c.If) -> tuple[str, bool]:
        result = self.fresh()
        null, condition = self.guarded(node.condition)
        self.share((node.then, node.otherwise))
        word = "if"
        if null is not None:
            if not condition.isidentifier() and condition != "None":
                local = self.assign(f"None if {null} else {condition}")
                null, condition = f"{local} is None", local
            self.write(f"if {null}: {result} = None")
            word = "elif"
        maybe = null is not None
        for header, part in ((f"{word} {condition}:", node.then), ("else:", node.otherwise)):
            with self.block(header):
                expression, absent = self.value(part)
                maybe = maybe or absent
                self.write(f"{result} = {expression}")
        return result, maybe

    # -- values of kinds known when they run --------------------------------------------------------------

    def dynamic(self, node: c.Dynamic) -> tuple[str, bool]:
        from sancha.engine.run.operations import OPERATIONS  # the strict language does without

        if node.function not in self.space:
            self.space[node.function] = OPERATIONS[node.function]
        parts = [self.quoted(part) for part in (node.site, *node.data)] + [
            self.atom(arg) for arg in node.args
        ]
        return self.assign(f"{node.function}({', '.join(parts)})"), True

    def quoted(self, value: object) -> str:
        """A name for an object of the compiler's, as it is."""
        if value is None or isinstance(value, bool | str):
            return repr(value)
        name = f"Q{len(self.keep)}"
        self.keep.append(value)
        self.space[name] = value
        return name

    def nested(self, node: c.Lambda) -> str:
        """A function within the function: what it does not bind itself it sees from outside."""
        local = f"g{self.fresh()}"
        params = [f"p{self.fresh()}" for _ in node.params]
        with self.block(f"def {local}({', '.join(params)}):"):
            self.scopes[-1].update(
                {name: (param, True) for name, param in zip(node.params, params, strict=True)}
            )
            self.write(f"return {self.atom(node.body)}")
        return local

    # -- lists --------------------------------------------------------------------------------------------

    def list_named(self, name: str) -> str:
        return f"(lists.get({name!r}) if {name!r} in lists else reference.get({name!r}))"

    def items(self, source: c.Source) -> tuple[str, bool]:
        """An expression for the items, and whether the list may be missing."""
        match source:
            case c.ListFact():
                return self.assign(
                    f"{'reference' if source.reference else 'lists'}.get({source.name!r})"
                ), True
            case c.ListField():
                return self.assign(f"{self.items_at_hand[source.var]}[{source.name!r}]"), True
            case c.ListConst():
                return self.assign(f"({''.join(self.atom(i) + ', ' for i in source.items)})"), False
        raise TypeError(type(source).__name__)

    @contextmanager
    def loop(self, comp: c.Comp, items: str) -> Iterator[None]:
        self.loops += 1
        if self.loops > 15:
            raise SanchaError(
                "lists are nested more than 15 deep", code="E0104", help="name a part as a decision"
            )
        outer, local = self.items_at_hand, f"i{self.fresh()}"
        self.items_at_hand = {**outer, comp.var: local}
        with self.block(f"for {local} in {items}:"):
            yield
        self.items_at_hand = outer
        self.loops -= 1

    def some(self, node: c.Some) -> tuple[str, bool]:
        result = self.fresh()
        items, absent = self.items(node.comp.source)
        maybe = absent
        if absent:
            self.write(f"if {items} is None: {result} = None")
        with self.guard("else:" if absent else None):
            self.write(f"{result} = False")
            with self.loop(node.comp, items):
                kept = c.conj(node.comp.where, node.body)
                null, expression = self.computed(kept) if isinstance(kept, c.And) else self.guarded(kept)
                word = "if"
                if null is not None:
                    maybe = True
                    self.write(f"if {null}: {result} = None")
                    word = "elif"
                if expression != "None":
                    with self.block(f"{word} {expression}:"):
                        self.write(f"{result} = True")
                        self.write("break")
        return result, maybe

    _START = {"count": "0", "sum": "0", "mean": "0", "min": "None", "max": "None"}

    def aggregate(self, node: c.Agg) -> tuple[str, bool]:
        comp, kind = node.comp, node.function
        result, total = self.fresh(), self.fresh()
        seen = self.fresh() if node.distinct or kind == "mean" else ""
        items, absent = self.items(comp.source)
        if absent:
            self.write(f"if {items} is None: {result} = None")
        with self.guard("else:" if absent else None):
            self.write(f"{total} = {self._START[kind]}")
            if seen:
                self.write(f"{seen} = {'set()' if node.distinct else '0'}")
            with self.loop(comp, items):
                self.kept(comp, result)
                if kind == "count" and not node.distinct:
                    self.write(f"{total} += 1")
                else:
                    self.gather(node, result, total, seen)
            with self.block("else:"):
                self.write(f"{result} = {self.finish(node, total, seen)}")
        return result, True

    def kept(self, comp: c.Comp, result: str) -> None:
        """Leaves out an item that the condition does, and gives up where that is unknown."""
        if comp.where is None:
            return
        null, condition = self.guarded(comp.where)
        if null is not None:
            with self.block(f"if {null}:"):
                self.write(f"{result} = None")
                self.write("break")
        if condition != "None":
            self.write(f"if not {condition}: continue")

    def gather(self, node: c.Agg, result: str, total: str, seen: str) -> None:
        assert node.comp.item is not None
        item = self.atom(node.comp.item)
        with self.block(f"if {item} is None:"):
            self.write(f"{result} = None")
            self.write("break")
        if node.distinct:
            self.write(f"{seen}.add({item})")
        elif node.function in ("sum", "mean"):
            # Written whole numbers have a sum that is one, and counts as one where a whole number is asked.
            whole = node.comp.item.type.name in ("integer", "days") or node.type == INTEGRAL
            self.write(f"{total} = {f'{total} + {item}' if whole else f'ADD({total}, {item})'}")
            if seen:
                self.write(f"{seen} += 1")
        else:
            sign = "<" if node.function == "min" else ">"
            self.write(f"if {total} is None or {item} {sign} {total}: {total} = {item}")

    def finish(self, node: c.Agg, total: str, seen: str) -> str:
        if node.distinct:
            return f"len({seen})"
        return f"(DIVIDE({total}, {seen}) if {seen} else None)" if node.function == "mean" else total

    # -- decision tables ----------------------------------------------------------------------------------

    def lookup(self, node: c.Lookup) -> tuple[str, bool]:
        if id(node.table) not in self.tables:
            name = f"T{len(self.tables)}"
            self.tables[id(node.table)] = name
            self.keep.append(node.table)
            self.space[name] = _table_function(node.table, self.calendar)
        days = (self.variable(v)[0] for v in node.table.variables)
        arguments = [*(self.atom(i) for i in node.inputs), *days]
        row = self.assign(f"{self.tables[id(node.table)]}({', '.join(arguments)})")
        return self.assign(f"None if {row} is None else {row}[{node.output}]"), True


def _region(test: c.Core, operand: int, parts: _Parts) -> Region | None:
    """The values that pass a comparison with constants, or a conjunction of some: the operand is the part `operand`.

    None where it is anything else, or does not have to be missing where the operand is.
    """
    stand_in = input_name(0)

    def compared(op: c.Core) -> c.Core | None:
        if not isinstance(op, c.Op) or len(op.args) != 2 or op.row.name not in _COMPARISONS:
            return None
        sides = [isinstance(arg, c.Const) for arg in op.args]
        if sum(sides) != 1 or parts.number(op.args[sides.index(False)]) != operand:
            return None
        args = [arg if isinstance(arg, c.Const) else c.Var(arg.type, stand_in) for arg in op.args]
        return dataclasses.replace(op, args=tuple(args))

    tests = [compared(op) for op in (test.args if isinstance(test, c.And) else (test,))]
    if None in tests:
        return None
    region = constraint(c.conj(*tests), stand_in)
    return region if region is not OPAQUE and region.missing is None else None


def _operand(test: c.Core) -> c.Core | None:
    """What a comparison, or the first of a conjunction, compares with a constant."""
    op = test.args[0] if isinstance(test, c.And) else test
    if not isinstance(op, c.Op):
        return None
    return next((arg for arg in op.args if not isinstance(arg, c.Const)), None)


def _table_function(table: Table, calendar: Calendar) -> Callable[..., tuple[Any, ...] | None]:
    """A function of the inputs, and of the table's variables: the outputs by the hit policy, or None for missing.

    What is constant needs no code; the rest is compiled when it is first needed.
    """
    names = [f"a{i}" for i in range(len(table.inputs))]
    bound = {input_name(i): (name, True) for i, name in enumerate(names)}
    for i, variable in enumerate(table.variables):
        names.append("as_of" if variable.name == "as_of" else f"day{i}")
        bound[variable.name] = (names[-1], variable.nullable)

    def compiled(cores: Sequence[c.Core]) -> Callable[..., tuple[Any, ...]]:
        writer = _Writer(calendar)
        writer.scopes[0] = dict(bound)
        writer.parts = _Parts(cores)
        results = [writer.atom(core) for core in cores]
        writer.write(f"return ({''.join(r + ', ' for r in results)})")
        source = "\n".join([f"def f({', '.join(names)}):", *writer.lines]) + "\n"
        exec(compile(source, "<generated from table>", "exec"), writer.space)
        return writer.space["f"]  # type: ignore[no-any-return]

    return _hit(table, compiled)


def _hit(
    table: Table, compiled: Callable[[Sequence[c.Core]], Callable[..., tuple[Any, ...]]]
) -> Callable[..., tuple[Any, ...] | None]:
    policy, match, constants = table.hit_policy, table.index.function, table.constants
    cells: dict[int, Callable[..., tuple[Any, ...]]] = {}
    computed: dict[int, Callable[..., tuple[Any, ...]]] = {}

    def verified(row: int, met: bool | None, args: tuple[Any, ...]) -> bool | None:
        """`met`, and the cells of the row that the index does not hold."""
        for i, cell in enumerate(table.rows[row].tests):
            if table.constraints[i][row] is OPAQUE:
                if id(cell) not in cells:
                    cells[id(cell)] = compiled([cell])
                (found,) = cells[id(cell)](*args)
                if found is None:
                    met = None
                elif not found:
                    return False
        return met

    def output(row: int, args: tuple[Any, ...]) -> tuple[Any, ...]:
        values = constants[row]
        if values is not None:
            return values
        if row not in computed:
            computed[row] = compiled(table.rows[row].outputs)
        return computed[row](*args)

    def none(args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if table.default is None:
            return None
        if -1 not in computed:
            computed[-1] = compiled(table.default)
        return computed[-1](*args)

    def first(*args: Any) -> tuple[Any, ...] | None:
        rows, open_, verify = match(*args)
        for row in bits(rows):
            met: bool | None = not (open_ and open_ >> row & 1) or None
            if verify and verify >> row & 1:
                met = verified(row, met, args)
            if met is None:
                return None
            if met:
                return output(row, args)
        return none(args)

    def single(*args: Any) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = None
        rows, open_, verify = match(*args)
        if not (open_ or verify) and rows & (rows - 1) == 0:  # a file is mostly of one row
            return output(rows.bit_length() - 1, args) if rows else none(args)
        hits, left_open = 0, bool(open_ & ~verify)
        for row in bits(rows & (~open_ | verify)):
            if verify and verify >> row & 1:
                met = verified(row, not open_ >> row & 1 or None, args)
                left_open = left_open or met is None
                if not met:
                    continue
            values = output(row, args)
            hits += 1
            if hits > 1 and (policy == "unique" or values != found):
                return None
            found = values
        if hits:
            return found
        return None if left_open else none(args)

    def collect(*args: Any) -> tuple[Any, ...] | None:
        rows, open_, verify = match(*args)
        if open_ & ~verify:
            return None
        if not verify and rows and rows & (rows - 1) == 0 and policy != "collect count":
            return output(rows.bit_length() - 1, args)
        hits = []
        for row in bits(rows):
            if verify and verify >> row & 1:
                met = verified(row, not open_ >> row & 1 or None, args)
                if met is None:
                    return None
                if not met:
                    continue
            hits.append(row)
        if policy == "collect count":
            return (len(hits),) * len(table.outputs)
        if not hits:
            if table.default is not None:
                return none(args)
            return (0,) * len(table.outputs) if policy == "collect sum" else None
        columns = zip(*(output(row, args) for row in hits), strict=True)
        return tuple(None if None in column else fold(policy, column) for column in columns)

    return {"first": first, "unique": single, "any": single}.get(policy, collect)


def fold(policy: str, column: tuple[Any, ...]) -> Any:
    if policy == "collect min":
        return min(column)
    if policy == "collect max":
        return max(column)
    total = column[0]
    for value in column[1:]:
        total = (
            total + value if isinstance(total, int) and isinstance(value, int) else NAMES["ADD"](total, value)
        )
    return total

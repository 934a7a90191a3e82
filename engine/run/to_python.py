"""Core to Python: one generated function an expression or rule. This way to run is the definition.

The generated code keeps values in local variables, with `None` for missing, and jumps over what can no longer
matter: no conjunct is looked at after a false one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from sancha.engine.diagnostics import SanchaError
from sancha.engine.feel import core as c
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.tables import Table, input_name
from sancha.engine.run.index import OPAQUE, bits
from sancha.engine.run.runtime import NAMES

#: A compiled function: (facts, lists, reference, as_of) -> the values of its expressions.
Compiled = Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any], Any], tuple[Any, ...]]


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

    def function(
        self, cores: Sequence[c.Core], lets: Sequence[tuple[str, c.Core]], single: bool = False
    ) -> Compiled:
        self.lets = dict(lets)
        try:
            self.bind_shared(cores, lets)
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

    def bind_shared(self, cores: Sequence[c.Core], lets: Sequence[tuple[str, c.Core]]) -> None:
        """Binds at the start what more than one place uses; the clauses of a rule stay where they are first needed."""
        uses: dict[str, int] = {}
        for core in (*cores, *(core for _, core in lets)):
            for node in c.walk(core):
                if isinstance(node, c.Var):
                    uses[node.name] = uses.get(node.name, 0) + 1
        for name, core in lets:
            if uses.get(name, 0) > 1 and name not in ("applies", "holds", "code"):
                self.bind(name, core)

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
        self.scopes.append({})
        mark = len(self.lines)
        yield
        if len(self.lines) == mark:
            self.write("pass")
        self.scopes.pop()
        self.indent -= 1

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

    def guarded(self, node: c.Core) -> tuple[str | None, str]:
        """A test for missing (None: never missing), and an expression for the value where it is not."""
        match node:
            case c.Const():
                text = self.constant(node.value)
                return ("True" if node.value is None else None), text
            case c.Var():
                local, maybe = self.variable(node)
                return (f"{local} is None" if maybe and node.nullable else None), local
            case c.Op():
                return self.operator(node)
            case c.Not():
                null, expression = self.guarded(node.arg)
                if null is not None and not expression.isidentifier():
                    local = self.assign(f"None if {null} else {expression}")
                    null, expression = f"{local} is None", local
                return null, f"(not {expression})"
            case c.Or() if (choice := _one_of(node)) is not None:
                operand, values = choice
                null, expression = self.guarded(operand)
                return null, f"({expression} in {values!r})"
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

    def variable(self, node: c.Var) -> tuple[str, bool]:
        if node.name == "as_of":
            return "as_of", False
        for scope in reversed(self.scopes):
            if node.name in scope:
                return scope[node.name]
        return self.bind(node.name, self.lets[node.name])

    def bind(self, name: str, core: c.Core) -> tuple[str, bool]:
        expression, maybe = self.value(core)
        local = self.assign(expression)
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
        if node.known is None:
            return local, True
        known, maybe = self.value(node.known)
        return self.assign(f"{local} if {known}{' is True' if maybe else ''} else None"), True

    def junction(self, node: c.And | c.Or) -> tuple[str, bool]:
        """Kleene conjunction or disjunction; what follows a deciding operand is not evaluated."""
        conjunction = isinstance(node, c.And)
        start, deciding = ("True", "False") if conjunction else ("False", "True")
        result = self.assign(start)
        maybe = False
        for i, arg in enumerate(node.args):
            with self.guard(f"if {result} is not {deciding}:" if i else None):
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
                null, expression = self.guarded(c.conj(node.comp.where, node.body))
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
            whole = node.comp.item.type.name in ("integer", "days")
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


def _one_of(node: c.Or) -> tuple[c.Core, tuple[str, ...]] | None:
    """The operand and values of a disjunction that asks whether one fact is one of several texts."""
    operands, values = [], []
    for arg in node.args:
        if not (
            isinstance(arg, c.Op)
            and arg.row.name == "="
            and isinstance(arg.args[0], c.Fact | c.Var | c.Field)
        ):
            return None
        if not (isinstance(arg.args[1], c.Const) and isinstance(arg.args[1].value, str)):
            return None
        operands.append(arg.args[0])
        values.append(arg.args[1].value)
    return (operands[0], tuple(values)) if all(o == operands[0] for o in operands) else None


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
        return tuple(None if None in column else _fold(policy, column) for column in columns)

    return {"first": first, "unique": single, "any": single}.get(policy, collect)


def _fold(policy: str, column: tuple[Any, ...]) -> Any:
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

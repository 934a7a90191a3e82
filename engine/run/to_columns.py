"""Core to columns: the cells of a whole policy, from which `relations` lays out DuckDB queries.

Nothing is dropped and nothing is approximated: every core node has its cells, with Kleene logic carried only as far as
the bounds of the book say that something can be missing. What the machine's whole numbers cannot hold is computed by
the row's own functions (see `exact`), and named in `Compiler.numbers.functions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sancha.engine.diagnostics import SanchaError
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.operators import BY_NAME, Operator
from sancha.engine.feel.types import Type
from sancha.engine.policy.calendar import Calendar
from sancha.engine.policy.plan import Evidence, ListEvidence, ScalarEvidence
from sancha.engine.policy.tables import Row, Table, input_name
from sancha.engine.policy.vocabulary import ListDef, Vocabulary
from sancha.engine.run.exact import (
    ABSENT,
    KNOWN_TRUE,
    ROW_LIMIT,
    WHOLE,
    Digits,
    Exact,
    Function,
    Missing,
    Numbers,
    Plain,
    Ratio,
    Value,
    decided,
    register,
)
from sancha.engine.run.lookup import Lookups
from sancha.engine.run.relations import (
    ELEMENT,
    Cell,
    Elements,
    Items,
    References,
    Relations,
    Scope,
    deeper,
    literal,
)
from sancha.engine.run.runtime import LOWER, UPPER

#: Places, and the largest whole number of that scale, by type.
DECIMALS = {"money": (2, 10**18 - 1), "rate": (8, 10**18 - 1), "number": (8, 10**30 - 1)}
_BIGINT = 2**63 - 1
#: Of a decimal that is one machine word.
_WORD_DIGITS = 18
#: Lists within items have no recorded bound; this is beyond what a file holds.
_MANY = 2**31

TEXTS = "STRUCT(fact VARCHAR, value VARCHAR)[]"


@dataclass(frozen=True, slots=True)
class ColumnBounds:
    """What is known of a column: whether a value may be missing, and the least and the greatest (None: only what the
    type says), of numbers as whole numbers of their scale, of dates as ordinals."""

    nullable: bool = True
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class ListBounds:
    """What is known of a list: its columns, the most items a file has, and whether a file may lack it."""

    fields: Mapping[str, ColumnBounds] = field(default_factory=dict)
    items: int = _MANY
    missing: bool = True


@dataclass(frozen=True, slots=True)
class BookBounds:
    """What is known of a book before it is read."""

    facts: Mapping[str, ColumnBounds] = field(default_factory=dict)
    lists: Mapping[str, ListBounds] = field(default_factory=dict)
    reference: Mapping[str, ListBounds] = field(default_factory=dict)


def storage(type: Type, bounds: ColumnBounds) -> tuple[str, int]:
    """The SQL type of a column of the working tables, and its places: decimals are kept as whole numbers."""
    if type.name == "list" and type.item is not None:
        return f"{storage(type.item, ColumnBounds())[0]}[]", 0
    if type.name in DECIMALS:
        low, high = limits(type, bounds)
        return ("BIGINT" if max(-low, high) <= _BIGINT else "HUGEINT"), DECIMALS[type.name][0]
    if type.name in WHOLE:
        return "BIGINT", 0
    return {"boolean": "BOOLEAN", "date": "DATE", "date-time": "TIMESTAMP"}.get(type.name, "VARCHAR"), 0


def limits(type: Type, bounds: ColumnBounds) -> tuple[int, int]:
    """The least and the greatest whole number that a numeric column holds."""
    declared = DECIMALS[type.name][1] if type.name in DECIMALS else _BIGINT
    return (
        -declared if bounds.low is None else bounds.low,
        declared if bounds.high is None else bounds.high,
    )


@dataclass(frozen=True, slots=True)
class _Item:
    """The record that a comprehension binds: its columns, in its scope."""

    scope: Scope
    spec: ListDef = field(compare=False)
    bounds: ListBounds = field(compare=False)


class _Env:
    """What names mean: variables are values, item variables records. Values are remembered by node."""

    __slots__ = ("inner", "memo", "names", "parent")

    def __init__(self, parent: _Env | None, names: dict[str, Value | _Item]) -> None:
        self.parent = parent
        self.names = names
        # The node stands beside its value, so that no other node can take its identity.
        self.memo: dict[int, tuple[c.Core, Value]] = {}
        self.inner: dict[tuple[str, object], _Env] = {}

    def find(self, name: str) -> Value | _Item:
        env: _Env | None = self
        while env is not None:
            if name in env.names:
                return env.names[name]
            env = env.parent
        raise KeyError(name)

    def with_name(self, name: str, meaning: Value | _Item) -> _Env:
        key = (name, meaning)
        if key not in self.inner:
            self.inner[key] = _Env(self, {name: meaning})
        return self.inner[key]


class Compiler:
    """Cells for the expressions of one policy over one book."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        bounds: BookBounds,
        calendar: Calendar,
        as_of: date,
        relations: Relations | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.bounds = bounds
        self.calendar = calendar
        self.relations = relations or Relations()
        self.numbers = Numbers(self.relations, calendar)
        self.lookups = Lookups(self.numbers)
        #: The first and the last day of columns of dates, as ordinals.
        self.days: dict[Cell, tuple[int, int]] = {}
        self.root = _Env(None, {"as_of": self.constant(c.Const(t.DATE, as_of))})

    # -- entry --------------------------------------------------------------------------------------------

    def bind(self, lets: Iterable[tuple[str, c.Core]]) -> _Env:
        """The variables of a rule."""
        env = _Env(self.root, {})
        for name, core in lets:
            # Each sees those before it; what was computed for them holds for those after.
            env.names[name] = self.value(core, env)
        return env

    def boolean(self, core: c.Core, env: _Env) -> Cell:
        value = self.value(core, env)
        return self.null("BOOLEAN") if isinstance(value, Missing) else value.cell  # type: ignore[union-attr]

    def column(self, core: c.Core, env: _Env, type: str) -> Cell:
        """The value as a cell of an SQL type: whole numbers, dates and texts."""
        value = self.value(core, env)
        if isinstance(value, Missing):
            return self.relations.constant(f"CAST(NULL AS {type})", type)
        if isinstance(value, Ratio | Digits):
            raise TypeError("a quotient is no column")
        if type in ("TINYINT", "SMALLINT"):
            return self.numbers.narrowed(value.cell, type)
        return self.relations.plain(f"CAST({{0}} AS {type})", [value.cell], type)

    def named(self, conditions: Sequence[tuple[str, Cell]]) -> Cell:
        """The names of the conditions that are true, as a list in their order."""
        conditions = [(name, cell) for name, cell in conditions if cell is not self.false]
        if not conditions:
            return self.relations.constant("CAST([] AS VARCHAR[])", "VARCHAR[]")
        entries = ", ".join(
            f"CASE WHEN {{{i}}} THEN {literal(name)} END" for i, (name, _) in enumerate(conditions)
        )
        template = f"list_filter([{entries}], lambda x: x IS NOT NULL)"
        return self.relations.plain(template, [cell for _, cell in conditions], "VARCHAR[]", False)

    def evidence(self, evidence: Sequence[Evidence], env: _Env) -> Cell:
        """The facts as a list of names and texts."""
        scalars = [
            f"struct_pack(fact := {literal(e.name)}, value := {{{i}}})"
            for i, e in enumerate(e for e in evidence if isinstance(e, ScalarEvidence))
        ]
        texts = [self.text(e.value, env) for e in evidence if isinstance(e, ScalarEvidence)]
        parts = [self.seen_items(e, env) for e in evidence if isinstance(e, ListEvidence)]
        first = f"CAST([{', '.join(scalars)}] AS {TEXTS})"
        if not parts:
            return self.relations.plain(first, texts, TEXTS, False)
        rest = [f"{{{len(texts) + i}}}" for i in range(len(parts))]
        joined = rest[0] if len(rest) == 1 else f"list_concat({', '.join(rest)})"
        template = f"list_concat({first}, {joined})" if scalars else joined
        return self.relations.plain(template, [*texts, *parts], TEXTS, False)

    def seen_items(self, evidence: ListEvidence, env: _Env) -> Cell:
        """The fields of the items that a rule saw, in order of the items."""
        spec = self.vocabulary.lists[evidence.list]
        inner = self.relations.scope(self.relations.files, Items(evidence.list))
        within = env.with_name(evidence.var, _Item(inner, spec, self.bounds.lists[evidence.list]))
        where = None if evidence.where is None else self.boolean(evidence.where, within)
        item = self.relations.raw(inner, "item", "BIGINT", False)
        args = [item, *([where] if where is not None else [])]
        entries = []
        for f in evidence.fields:
            name = f"{literal(evidence.list + '[')} || {{0}} || {literal('].' + f.name)}"
            entries.append(f"struct_pack(fact := {name}, value := {{{len(args)}}})")
            args.append(self.text(f, within))
        keep = "" if where is None else " FILTER (WHERE {1})"
        template = f"flatten(list([{', '.join(entries)}] ORDER BY {{0}}){keep})"
        return self.relations.gathered(inner, template, args, TEXTS, f"CAST([] AS {TEXTS})")

    # -- values -------------------------------------------------------------------------------------------

    def value(self, core: c.Core, env: _Env) -> Value:
        known = env.memo.get(id(core))
        if known is None:
            known = (core, self.compute(core, env))
            env.memo[id(core)] = known
        return known[1]

    def compute(self, node: c.Core, env: _Env) -> Value:
        match node:
            case c.Const():
                return self.constant(node)
            case c.Fact():
                return self.fact(node, env)
            case c.Var() | c.Element():
                return self.variable(node.name if isinstance(node, c.Var) else node.var, env)
            case c.Field():
                return self.item_field(node, env)
            case c.Op():
                return self.operator(node.row, [self.value(a, env) for a in node.args])
            case c.And() | c.Or():
                join = self.all_of if isinstance(node, c.And) else self.any_of
                return Plain(join([self.boolean(a, env) for a in node.args]), t.BOOLEAN)
            case c.Not():
                return Plain(self.opposite(self.boolean(node.arg, env)), t.BOOLEAN)
            case c.If():
                condition = self.boolean(node.condition, env)
                return self.choose(condition, self.value(node.then, env), self.value(node.otherwise, env))
            case c.Is():
                return Plain(self.truth(node, env), t.BOOLEAN)
            case c.ListMissing():
                return Plain(self.list_missing(node.list), t.BOOLEAN)
            case c.Let():
                return self.value(node.body, env.with_name(node.name, self.value(node.value, env)))
            case c.Some():
                return self.some(node, env)
            case c.Agg():
                return self.aggregate(node, env)
            case c.Lookup():
                return self.lookup(node, env)
        raise SanchaError(
            f"`{type(node).__name__}` cannot be run over columns",
            help="this is a defect: lowering left it behind",
        )

    def constant(self, node: c.Const) -> Value:
        value = node.value
        match value:
            case None:
                return Missing(self.relations.book)
            case bool():
                return Plain(self.true if value else self.false, t.BOOLEAN)
            case str():
                return Plain(
                    self.relations.constant("'" + value.replace("'", "''") + "'", "VARCHAR"), node.type
                )
            case datetime():
                text = value.isoformat(sep=" ")
                return Plain(self.relations.constant(f"TIMESTAMP '{text}'", "TIMESTAMP"), node.type)
            case date():
                return Plain(self.relations.constant(f"DATE '{value.isoformat()}'", "DATE"), node.type)
        return self.numbers.constant(value)

    @property
    def true(self) -> Cell:
        return self.relations.constant("TRUE", "BOOLEAN")

    @property
    def false(self) -> Cell:
        return self.relations.constant("FALSE", "BOOLEAN")

    def null(self, type: str) -> Cell:
        return self.relations.constant("NULL", type)

    def variable(self, name: str, env: _Env) -> Value:
        meaning = env.find(name)
        assert not isinstance(meaning, _Item), f"the item `{name}` stands as a value"
        return meaning

    def fact(self, node: c.Fact, env: _Env) -> Value:
        spec = self.vocabulary.facts[node.name]
        value = self.raw(self.relations.files, node.name, spec.type, self.bounds.facts[node.name])
        if node.known is None:
            return value
        return self.choose(
            self.truth_of(self.boolean(node.known, env), True), value, Missing(self.relations.book)
        )

    def item_field(self, node: c.Field, env: _Env) -> Value:
        item = env.find(node.var)
        assert isinstance(item, _Item), f"`{node.var}` is no item"
        return self.raw(
            item.scope, node.name, item.spec.fields[node.name].type, item.bounds.fields[node.name]
        )

    def raw(self, scope: Scope, column: str, type: Type, bounds: ColumnBounds) -> Value:
        sql_type, scale = storage(type, bounds)
        cell = self.relations.raw(scope, column, sql_type, bounds.nullable)
        if type.name in DECIMALS or type.name in WHOLE:
            return Exact(cell, scale, *limits(type, bounds))
        if type.name == "date" and bounds.low is not None and bounds.high is not None:
            self.days[cell] = (bounds.low, bounds.high)
        return Plain(cell, type)

    # -- logic --------------------------------------------------------------------------------------------

    def all_of(self, cells: Sequence[Cell]) -> Cell:
        return self.junction(cells, self.true, self.false, "AND")

    def any_of(self, cells: Sequence[Cell]) -> Cell:
        return self.junction(cells, self.false, self.true, "OR")

    def junction(self, cells: Sequence[Cell], neutral: Cell, deciding: Cell, word: str) -> Cell:
        kept = [x for x in dict.fromkeys(cells) if x is not neutral]
        if deciding in kept:
            return deciding
        if len(kept) < 2:
            return kept[0] if kept else neutral
        return self.relations.plain(_junction(word, len(kept)), kept, "BOOLEAN")

    def opposite(self, cell: Cell) -> Cell:
        if cell in (self.true, self.false):
            return self.false if cell is self.true else self.true
        return self.relations.plain("(NOT {0})", [cell], "BOOLEAN")

    def truth(self, node: c.Is, env: _Env) -> Cell:
        if node.truth is None:
            return self.absent(self.value(node.arg, env))
        return self.truth_of(self.boolean(node.arg, env), node.truth)

    def truth_of(self, cell: Cell, truth: bool) -> Cell:
        """Whether a cell is true, or false; missing is neither."""
        if cell.template == "NULL":
            return self.false
        if not cell.nullable:
            return cell if truth else self.opposite(cell)
        template = KNOWN_TRUE if truth else "(NOT coalesce({0}, TRUE))"
        return self.relations.plain(template, [cell], "BOOLEAN", False)

    def absent(self, value: Value) -> Cell:
        """Whether a value is missing."""
        match value:
            case Missing():
                return self.true
            case Ratio():
                zero = self.relations.plain("(coalesce({0}, 0) = 0)", [value.under.cell], "BOOLEAN", False)
                if value.under.low > 0 and not value.under.cell.nullable:
                    zero = self.false
                return self.any_of([self.absent(value.over), zero])
        if not value.cell.nullable:
            return self.false
        return self.relations.plain(ABSENT, [value.cell], "BOOLEAN", False)

    def choose(self, condition: Cell, a: Value, b: Value) -> Value:
        if condition in (self.true, self.false):
            return a if condition is self.true else b
        if condition.template == "NULL" or (isinstance(a, Missing) and isinstance(b, Missing)):
            return Missing(self.relations.book)
        if isinstance(a, Plain) or isinstance(b, Plain):
            known = a if isinstance(a, Plain) else b
            assert isinstance(known, Plain)
            cells = [self.null(known.cell.type) if isinstance(x, Missing) else x.cell for x in (a, b)]  # type: ignore[union-attr]
            return Plain(self.numbers.case(condition, cells[0], cells[1], known.cell.type), known.type)
        return self.numbers.choose(condition, a, b)

    def unless(self, doubt: Cell, value: Value) -> Value:
        """The value where `doubt` is false; missing where it is true."""
        return self.choose(self.opposite(doubt), value, Missing(self.relations.book))

    # -- operators ----------------------------------------------------------------------------------------

    def operator(self, row: Operator, args: Sequence[Value]) -> Value:
        if any(isinstance(a, Missing) for a in args):
            return Missing(self.relations.book)
        kind = row.params[0].name
        if row.name in ("=", "!=", "<", "<=", ">", ">=") and kind in ("number", "money", "days", "months"):
            return self.numbers.compare(row, args[0], args[1])
        if row.result.name in ("number", "money", *WHOLE) and not any(isinstance(a, Plain) for a in args):
            return self.arithmetic(row, args)
        if any(isinstance(a, Digits | Ratio) for a in args):
            return self.numbers.by_row(row, *args)
        if row.name in _MIRRORED and kind == "date":
            found = self.compare_days(row.name, args)
            if found is not None:
                return Plain(found, row.result)
        return self.by_template(row, args)

    def compare_days(self, name: str, args: Sequence[Value]) -> Cell | None:
        """The answer of a comparison with a constant date that is the same for all days of a column."""
        first, second = (a.cell for a in args)  # type: ignore[union-attr]
        if first.kind == "constant":
            name, first, second = _MIRRORED[name], second, first
        if first not in self.days or second.kind != "constant" or not second.template.startswith("DATE '"):
            return None
        day = date.fromisoformat(second.template.removeprefix("DATE '").removesuffix("'")).toordinal()
        answer = decided("<>" if name == "!=" else name, *self.days[first], day)
        return None if answer is None else self.numbers.known(first, answer)

    def arithmetic(self, row: Operator, args: Sequence[Value]) -> Value:
        match row.name:
            case "+" | "-":
                return self.numbers.add(row, args[0], args[1], 1 if row.name == "+" else -1)
            case "*":
                return self.numbers.multiply(row, args[0], args[1])
            case "/":
                return self.numbers.divide(row, args[0], args[1])
            case "negate":
                return self.numbers.negate(row, args[0])
            case "abs":
                return self.numbers.absolute(row, args[0])
            case "**":
                return self.numbers.power(row, args[0], args[1])
            case "modulo":
                return self.numbers.modulo(row, args[0], args[1])
            case "min" | "max":
                return self.numbers.extreme(row, args[0], args[1])
            case "floor" | "ceiling" | "decimal" | "round half up" | "round up" | "round down":
                return self.numbers.rounded(row, *args)
        return self.numbers.by_row(row, *args)

    def by_template(self, row: Operator, args: Sequence[Value]) -> Value:
        """Operators on texts and times: the operator table says what they are in SQL."""
        cells = [a.cell for a in args]  # type: ignore[union-attr]
        if row.name in _LETTERS:
            return Plain(self.letters(row, cells[0]), row.result)
        type = _SQL_TYPES.get(row.result.name, "BIGINT")
        nullable = True if row.partial or row.name in _MAY_FAIL else None
        whole = row.result.name in WHOLE
        template = f"CAST({row.sql} AS BIGINT)" if whole else row.sql
        cell = self.relations.plain(template, cells, type, nullable)
        if whole:
            low, high = _RANGES.get(row.name, (-4_000_000, 4_000_000))
            return Exact(cell, 0, low, high)
        if row.name == "seconds between":
            return Exact(cell, 6, -(10**18), 10**18)
        return Plain(cell, row.result)

    def letters(self, row: Operator, cell: Cell) -> Cell:
        """Small and capital letters: some characters change their number in one way to run and not in the other."""
        call, odd = _LETTERS[row.name]
        name = self.numbers.plain_function(row.name, call, "VARCHAR", f"`{row.name}` of rare letters")
        template = f"(CASE WHEN regexp_matches({{0}}, '[{odd}]') THEN {name}({{0}}) ELSE {row.sql} END)"
        return self.relations.plain(template, [cell], "VARCHAR")

    # -- lists --------------------------------------------------------------------------------------------

    def list_missing(self, name: str) -> Cell:
        """Whether a file lacks a list; of a reference list, the book."""
        if name in self.vocabulary.reference:
            return self.true if self.bounds.reference[name].missing else self.false
        if name not in self.vocabulary.lists or not self.bounds.lists[name].missing:
            return self.false
        return self.relations.raw(self.relations.files, f"list:{name}", "BOOLEAN", False)

    def some(self, node: c.Some, env: _Env) -> Value:
        comp = node.comp
        if isinstance(comp.source, c.ListConst):
            found = []
            for item in comp.source.items:
                within = env.with_name(comp.var, self.value(item, env))
                found.append(self.met(comp.where, node.body, within))
            return Plain(self.any_of(found), t.BOOLEAN)
        if isinstance(comp.source, c.ListField) and isinstance(node.body, c.Some):
            further = node.body.comp.source
            if isinstance(further, c.ListFact):
                return self.elements_last(comp, comp.source, node.body, further, env)
        inner, within, missing = self.enter(comp, env, node.body)
        parts = self.conjuncts(self.met(comp.where, node.body, within))
        # What does not speak of the item is asked once, outside: conjunction distributes over the disjunction.
        met = self.all_of([p for p in parts if p.scope is inner])
        outside = [p for p in parts if p.scope is not inner]
        whole = self.overlap(inner, met) or self.membership(inner, met)
        if whole is not None and not outside:
            return Plain(whole, t.BOOLEAN)
        result = self.all_of([*outside, whole or self.ever_met(inner, met)])
        return self.unless(missing, Plain(result, t.BOOLEAN))

    def conjuncts(self, cell: Cell) -> list[Cell]:
        if len(cell.args) > 1 and cell.template == _junction("AND", len(cell.args)):
            return [part for arg in cell.args for part in self.conjuncts(arg)]
        return [cell]

    def ever_met(self, inner: Scope, met: Cell) -> Cell:
        """Kleene disjunction of a condition over the rows of a scope."""
        if not met.nullable or met is self.false:
            return self.ever(inner, met)
        code = self.relations.aggregate(inner, "kleene", self.graded(met), None, "TINYINT")
        template = "(CASE {0} WHEN 2 THEN TRUE WHEN 0 THEN FALSE END)"
        return self.relations.plain(template, [code], "BOOLEAN", True)

    def elements_last(
        self, elements: c.Comp, field: c.ListField, body: c.Some, further: c.ListFact, env: _Env
    ) -> Value:
        """`some e in x.elements, r in rows satisfies …` as `some r in rows, e in x.elements`: conditions on elements
        alone are computed within the list, without a row for each. The order does not matter to Kleene disjunction,
        except for which of the lists is missing or empty."""
        condition = c.conj(body.comp.where, body.body)
        rows = c.Comp(further, body.comp.var, None, None)
        swapped = c.Some(t.BOOLEAN, rows, c.Some(t.BOOLEAN, elements, condition))
        found = self.value(swapped, env)
        rows_missing = self.list_missing(further.name)
        if rows_missing is not self.false:
            unknown = c.Some(t.BOOLEAN, elements, c.Const(t.BOOLEAN, None))
            found = self.choose(rows_missing, self.value(unknown, env), found)
        return self.unless(self.absent(self.list_field(field, env)), found)

    def membership(self, inner: Scope, met: Cell) -> Cell | None:
        """Whether an element of a list equals a value of an outer scope, where the condition says no more; missing
        where the list is."""
        if not isinstance(inner.rows, Elements) or met.template != "({0} = {1})":
            return None
        outside = [arg for arg in met.args if arg.scope is not inner]
        if len(outside) != 1 or not all(a in outside or a.template == ELEMENT for a in met.args):
            return None
        values = inner.rows.values
        return self.relations.plain(_MEMBER, [values, outside[0], self.gaps(values)], "BOOLEAN", True)

    def overlap(self, inner: Scope, met: Cell) -> Cell | None:
        """Whether an element of a list is a member of another list, where the condition says no more; missing where
        a list is, unless the first is empty."""
        if not isinstance(inner.rows, Elements) or met.template != _MEMBER:
            return None
        other, element, gaps = met.args
        if other.scope is inner or element.scope is not inner or element.template != ELEMENT:
            return None
        values = inner.rows.values
        return self.relations.plain(_OVERLAP, [values, other, self.gaps(values), gaps], "BOOLEAN", True)

    def gaps(self, values: Cell) -> Cell:
        """Whether an element of a list is missing."""
        return self.relations.plain("(list_count({0}) < len({0}))", [values], "BOOLEAN")

    def graded(self, cell: Cell) -> Cell:
        """2 for true, 0 for false, 1 for unknown."""
        template = "CAST(CASE {0} WHEN TRUE THEN 2 WHEN FALSE THEN 0 ELSE 1 END AS TINYINT)"
        return self.relations.plain(template, [cell], "TINYINT", False)

    def met(self, where: c.Core | None, body: c.Core, env: _Env) -> Cell:
        parts = [self.boolean(body, env)]
        if where is not None:
            parts.insert(0, self.boolean(where, env))
        return self.all_of(parts)

    def enter(self, comp: c.Comp, env: _Env, body: c.Core | None = None) -> tuple[Scope, _Env, Cell]:
        """The scope of a list's items, the names within it, and whether the list is missing.

        The scope stands within the innermost scope that the comprehension speaks of, and in no other.
        """
        parts = [p for p in (comp.where, comp.item, body) if p is not None]
        outer = self.relations.book
        for part in parts:
            outer = deeper(outer, self.anchor(part, env, frozenset({comp.var})))
        match comp.source:
            case c.ListFact(name=name, reference=False):
                outer = deeper(outer, self.relations.files)
                inner = self.relations.scope(outer, Items(name))
                item = _Item(inner, self.vocabulary.lists[name], self.bounds.lists[name])
                return inner, env.with_name(comp.var, item), self.list_missing(name)
            case c.ListFact(name=name):
                on = None if outer is self.relations.book else self.key(comp, body, env)
                inner = self.relations.scope(outer, References(name, on))
                item = _Item(inner, self.vocabulary.reference[name], self.bounds.reference[name])
                return inner, env.with_name(comp.var, item), self.list_missing(name)
            case c.ListField():
                values = self.list_field(comp.source, env)
                assert values.type.item is not None
                inner = self.relations.scope(deeper(outer, values.scope), Elements(values.cell))
                element = self.raw(inner, ELEMENT, values.type.item, ColumnBounds())
                return inner, env.with_name(comp.var, element), self.absent(values)
            case c.ListConst(items=items):
                listed = [self.value(i, env) for i in items]
                for value in listed:
                    outer = deeper(outer, value.scope)
                cell, element_of = self.listed(listed)
                inner = self.relations.scope(outer, Elements(cell))
                return inner, env.with_name(comp.var, element_of(inner)), self.false
        raise TypeError(type(comp.source).__name__)

    def list_field(self, field: c.ListField, env: _Env) -> Plain:
        """A list-valued field of an item."""
        record = env.find(field.var)
        assert isinstance(record, _Item), f"`{field.var}` is no item"
        type = record.spec.fields[field.name].type
        value = self.raw(record.scope, field.name, type, record.bounds.fields[field.name])
        assert isinstance(value, Plain)
        return value

    def listed(self, values: Sequence[Value]):  # type: ignore[no-untyped-def]
        """A list-valued cell of some values, and what its element is in the scope of its elements."""
        numbers = [v for v in values if isinstance(v, Exact)]
        plain = next((v for v in values if isinstance(v, Plain)), None)
        if all(isinstance(v, Missing) for v in values):
            return self.list_of([self.null("BOOLEAN")] * len(values), "BOOLEAN"), Missing
        if plain is not None:
            kind, made = plain.cell.type, plain.type
            cells = [self.null(kind) if isinstance(v, Missing) else v.cell for v in values]  # type: ignore[union-attr]
            return self.list_of(cells, kind), lambda s: Plain(
                self.relations.raw(s, ELEMENT, kind, True), made
            )
        if len(numbers) == sum(not isinstance(v, Missing) for v in values):
            scale = max(v.scale for v in numbers)
            scaled = [self.numbers.scaled(v, scale) if isinstance(v, Exact) else None for v in values]
            if all(s is not None or isinstance(v, Missing) for s, v in zip(scaled, values, strict=True)):
                low = min(s.low for s in scaled if s is not None)
                high = max(s.high for s in scaled if s is not None)
                kind = "BIGINT" if max(abs(low), abs(high)) <= _BIGINT else "HUGEINT"
                cells = [self.null(kind) if s is None else s.cell for s in scaled]
                return self.list_of(cells, kind), lambda s: Exact(
                    self.relations.raw(s, ELEMENT, kind, True), scale, low, high
                )
        cells = [self.numbers.digits(v).cell for v in values]
        return self.list_of(cells, "VARCHAR"), lambda s: Digits(
            self.relations.raw(s, ELEMENT, "VARCHAR", True)
        )

    def list_of(self, cells: Sequence[Cell], type: str) -> Cell:
        entries = ", ".join(f"{{{i}}}" for i in range(len(cells)))
        return self.relations.plain(f"CAST([{entries}] AS {type}[])", cells, f"{type}[]", False)

    def key(self, comp: c.Comp, body: c.Core | None, env: _Env) -> tuple[str, Cell] | None:
        """A field of a reference list and what it must equal, where the condition has such a conjunct."""
        own = frozenset({comp.var})
        condition = c.conj(comp.where, body)
        for conjunct in condition.args if isinstance(condition, c.And) else (condition,):
            if not (isinstance(conjunct, c.Op) and conjunct.row.name == "="):
                continue
            for left, right in (conjunct.args, conjunct.args[::-1]):
                if not (isinstance(left, c.Field) and left.var == comp.var) or self.speaks_of(
                    right, comp.var
                ):
                    continue
                if self.anchor(right, env, own).depth == 0:
                    continue
                value = self.value(right, env)
                whole = isinstance(value, Exact) and value.scale == 0 and left.type.name in WHOLE
                if whole or (isinstance(value, Plain) and left.type.name not in DECIMALS):
                    return left.name, value.cell  # type: ignore[union-attr]
        return None

    def speaks_of(self, core: c.Core, var: str) -> bool:
        return any(isinstance(n, c.Field | c.Element | c.ListField) and n.var == var for n in c.walk(core))

    def anchor(self, node: c.Core | c.Comp | c.Source, env: _Env, bound: frozenset[str]) -> Scope:
        """The innermost scope that a node speaks of, apart from the variables that are bound within it."""
        match node:
            case c.Fact() | c.ListMissing():
                found = self.relations.files
            case c.ListFact():
                return self.relations.book if node.reference else self.relations.files
            case c.Field() | c.Element() | c.ListField():
                found = self.relations.book if node.var in bound else env.find(node.var).scope
            case c.Var():
                return self.relations.book if node.name in bound else env.find(node.name).scope
            case c.Let():
                first = self.anchor(node.value, env, bound)
                return deeper(first, self.anchor(node.body, env, bound | {node.name}))
            case c.Lookup():
                found = self.table_anchor(node.table, env, bound)
            case c.Some() | c.Agg():
                found = self.anchor(node.comp.source, env, bound)
                parts = (node.comp.where, node.comp.item, node.body if isinstance(node, c.Some) else None)
                inner = bound | {node.comp.var}
                for part in parts:
                    if part is not None:
                        found = deeper(found, self.anchor(part, env, inner))
                return found
            case _:
                found = self.relations.book
        for child in c.children(node):
            found = deeper(found, self.anchor(child, env, bound))
        return found

    def table_anchor(self, table: Table, env: _Env, bound: frozenset[str]) -> Scope:
        """The cells of a table may read parameters by the day of the rule."""
        found = self.relations.book
        own = bound | {input_name(i) for i in range(len(table.inputs))}
        outputs = [*table.rows, Row((), table.default, 0)] if table.default is not None else table.rows
        for row in outputs:
            for core in (*row.tests, *row.outputs):
                if not isinstance(core, c.Const):
                    found = deeper(found, self.anchor(core, env, own))
        return found

    def aggregate(self, node: c.Agg, env: _Env) -> Value:
        comp = node.comp
        inner, within, missing = self.enter(comp, env)
        where = None if comp.where is None else self.boolean(comp.where, within)
        if where is self.true:
            where = None
        doubts = [missing]
        if where is not None and where.nullable:
            doubts.append(self.ever(inner, self.absent(Plain(where, t.BOOLEAN))))
        if node.function == "count" and not node.distinct:
            result: Value = self.count(inner, where)
        else:
            assert comp.item is not None
            item = self.value(comp.item, within)
            if isinstance(item, Missing):
                present = self.count(inner, where)
                some = self.relations.plain("({0} > 0)", [present.cell], "BOOLEAN", False)
                empty = (
                    self.numbers.whole(0)
                    if node.function in ("count", "sum")
                    else Missing(self.relations.book)
                )
                result = self.choose(some, Missing(self.relations.book), empty)
            else:
                absent = self.absent(item)
                if absent is not self.false:
                    kept = [absent] if where is None else [self.truth_of(where, True), absent]
                    doubts.append(self.ever(inner, self.all_of(kept)))
                result = self.folded(node, inner, where, item)
        return self.unless(self.any_of(doubts), result)

    def ever(self, inner: Scope, condition: Cell) -> Cell:
        """Whether a condition, never missing, is true of a row."""
        if condition is self.false:
            return self.false
        return self.relations.aggregate(inner, "any", condition, None, "BOOLEAN")

    def count(self, inner: Scope, where: Cell | None) -> Exact:
        return Exact(self.relations.aggregate(inner, "count", None, where, "BIGINT"), 0, 0, self.most(inner))

    def most(self, inner: Scope) -> int:
        """The most rows that an outer row has in a scope."""
        match inner.rows:
            case Items(name=name):
                return self.bounds.lists[name].items
            case References(name=name):
                return self.bounds.reference[name].items
        return _MANY

    def folded(self, node: c.Agg, inner: Scope, where: Cell | None, item: Value) -> Value:
        """sum, mean, min, max, or the count of distinct values, of the items kept; none of them is missing."""
        aggregate = self.relations.aggregate
        if node.distinct:
            value = self.numbers.canonical(item) if isinstance(item, Ratio | Digits) else item.cell  # type: ignore[union-attr]
            return Exact(aggregate(inner, "distinct", value, where, "BIGINT"), 0, 0, self.most(inner))
        if isinstance(item, Plain):
            return Plain(aggregate(inner, node.function, item.cell, where, item.cell.type), item.type)
        if isinstance(item, Exact) and node.function in ("min", "max"):
            cell = aggregate(inner, node.function, item.cell, where, item.cell.type)
            return Exact(cell, item.scale, item.low, item.high)
        many = max(self.most(inner), 1)
        if isinstance(item, Exact) and item.size * many < ROW_LIMIT:
            low, high = min(item.low * many, 0), max(item.high * many, 0)
            type = "BIGINT" if max(-low, high) <= _BIGINT else "HUGEINT"
            total = Exact(aggregate(inner, "sum", item.cell, where, type), item.scale, low, high)
            return total if node.function == "sum" else Ratio(total, self.count(inner, where))
        digits = self.numbers.digits(item).cell
        present = self.opposite(self.absent(Digits(digits)))
        kept = present if where is None else self.all_of([where, present])
        return self.numbers.folded(node.function, aggregate(inner, "list", digits, kept, "VARCHAR[]"))

    # -- decision tables ----------------------------------------------------------------------------------

    def lookup(self, node: c.Lookup, env: _Env) -> Value:
        table = node.table
        inputs = [self.value(core, env) for core in node.inputs]
        within = _Env(env, {input_name(i): value for i, value in enumerate(inputs)})
        if (place := self.lookups.row(table, inputs)) is not None:
            outputs = [self.value(row.outputs[node.output], within) for row in table.rows]
            default = None if table.default is None else self.value(table.default[node.output], within)
            return self.picked(place, outputs, default or Missing(self.relations.book))
        met = [self.all_of([self.boolean(test, within) for test in row.tests]) for row in table.rows]
        outputs = [self.value(row.outputs[node.output], within) for row in table.rows]
        default = None if table.default is None else self.value(table.default[node.output], within)
        nothing = Missing(self.relations.book)
        match table.hit_policy:
            case "first":
                return self.picked(self.first(met), outputs, default or nothing)
            case "unique" | "any":
                return self.picked(self.single(table, met, within), outputs, default or nothing)
            case "collect count":
                return self.total([self.numbers.whole(1)] * len(met), met)
        if not met:
            return default or (self.numbers.whole(0) if table.hit_policy == "collect sum" else nothing)
        some = self.any_of(met)
        # An open row leaves the collection open, though another is sure.
        doubt = self.any_of([self.absent(Plain(m, t.BOOLEAN)) for m in met])
        if table.hit_policy == "collect sum":
            found = self.total(outputs, met)
            return self.unless(doubt, found if default is None else self.choose(some, found, default))
        name = table.hit_policy.removeprefix("collect ")
        found, before = outputs[0], met[0]
        for condition, output in zip(met[1:], outputs[1:], strict=True):
            better = self.extreme(name, found, output)
            found = self.choose(condition, self.choose(before, better, output), found)
            before = self.any_of([before, condition])
        return self.unless(doubt, self.choose(some, found, default or nothing))

    def first(self, met: Sequence[Cell]) -> Cell:
        """The number of the first row that is met, 0 for none; missing if a row before may be met."""
        arms = []
        for i, cell in enumerate(met):
            open_ = f"WHEN {{{i}}} IS NULL THEN NULL " if cell.nullable else ""
            arms.append(f"{open_}WHEN {{{i}}} THEN {i + 1}")
        return self.chosen_row(f"CAST(CASE {' '.join(arms)} ELSE 0 END AS BIGINT)", met)

    def single(self, table: Table, met: Sequence[Cell], env: _Env) -> Cell:
        """The number of the one row that is met, 0 for none; missing if there are several, or one may be met."""
        arms = [f"WHEN {{{i}}} THEN {i + 1}" for i in range(len(met))]
        open_ = [f"{{{i}}} IS NULL" for i, cell in enumerate(met) if cell.nullable]
        if open_:
            arms.append(f"WHEN {' OR '.join(open_)} THEN NULL")
        row = self.chosen_row(f"CAST(CASE {' '.join(arms)} ELSE 0 END AS BIGINT)", met)
        if len(met) < 2:
            return row
        clash = self.clash(table, met, env)
        if clash is self.false:
            return row
        return self.relations.plain("(CASE WHEN {0} THEN NULL ELSE {1} END)", [clash, row], "BIGINT", True)

    def chosen_row(self, template: str, met: Sequence[Cell]) -> Cell:
        if not met:
            return self.relations.constant("0", "BIGINT")
        return self.relations.plain(template, met, "BIGINT", any(m.nullable for m in met))

    def clash(self, table: Table, met: Sequence[Cell], env: _Env) -> Cell:
        """Whether rows are met that may not be met together."""
        sure = [self.truth_of(m, True) for m in met]
        if table.hit_policy == "unique":
            ones = " + ".join(f"CAST({{{i}}} AS TINYINT)" for i in range(len(sure)))
            return self.relations.plain(f"(CAST(0 AS BIGINT) + {ones} > 1)", sure, "BOOLEAN", False)
        values = [[self.value(o, env) for o in row.outputs] for row in table.rows]
        pairs = []
        for i in range(len(sure)):
            for j in range(i + 1, len(sure)):
                same = self.all_of([self.same(a, b) for a, b in zip(values[i], values[j], strict=True)])
                pairs.append(self.all_of([sure[i], sure[j], self.opposite(same)]))
        return self.any_of(pairs)

    def same(self, a: Value, b: Value) -> Cell:
        """Whether two values are equal, or both missing."""
        if a == b:
            return self.true
        if isinstance(a, Missing) or isinstance(b, Missing):
            return self.all_of([self.absent(a), self.absent(b)])
        if isinstance(a, Plain) and isinstance(b, Plain):
            return self.relations.plain("({0} IS NOT DISTINCT FROM {1})", [a.cell, b.cell], "BOOLEAN", False)
        equal = self.truth_of(self.operator(_numeric("="), [a, b]).cell, True)  # type: ignore[union-attr]
        return self.any_of([equal, self.all_of([self.absent(a), self.absent(b)])])

    def picked(self, row: Cell, outputs: Sequence[Value], default: Value) -> Value:
        """The output of the row of a number; the default for 0."""
        entries = [default, *outputs]
        known = [e for e in entries if not isinstance(e, Missing)]
        if not known:
            return Missing(self.relations.book)
        if all(isinstance(e, Exact) and e.constant is not None for e in known):
            scale = max(e.scale for e in known if isinstance(e, Exact))
            scaled = [self.numbers.scaled(e, scale) if isinstance(e, Exact) else None for e in entries]
            present = [s for s in scaled if s is not None]
            if len(present) == len(known):
                low, high = min(s.low for s in present), max(s.high for s in present)
                if max(abs(low), abs(high)) <= _BIGINT:
                    cell = self.from_list(row, [None if s is None else s.cell for s in scaled], "BIGINT")
                    return Exact(cell, scale, low, high)
        if all(isinstance(e, Plain) and e.cell.kind == "constant" for e in known):
            plain = known[0]
            assert isinstance(plain, Plain)
            cells = [None if isinstance(e, Missing) else e.cell for e in entries]  # type: ignore[union-attr]
            return Plain(self.from_list(row, cells, plain.cell.type), plain.type)
        found = default
        for number in range(len(outputs), 0, -1):
            is_row = self.relations.plain(f"({{0}} = {number})", [row], "BOOLEAN")
            found = self.choose(is_row, outputs[number - 1], found)
        # Where the row is not known, neither is the default.
        return self.unless(self.absent(Plain(row, t.INTEGER)), found)

    def from_list(self, row: Cell, cells: Sequence[Cell | None], type: str) -> Cell:
        """A constant by the number of the row: one look into a list, not one comparison a row."""
        values = ", ".join("NULL" if cell is None else cell.template for cell in cells)
        values = values.replace("{", "{{").replace("}", "}}")
        nullable = row.nullable or None in cells
        return self.relations.plain(f"(CAST([{values}] AS {type}[]))[{{0}} + 1]", [row], type, nullable)

    def total(self, outputs: Sequence[Value], met: Sequence[Cell]) -> Value:
        zero = self.numbers.whole(0)
        found: Value = zero
        for condition, output in zip(met, outputs, strict=True):
            found = self.operator(_numeric("+"), [found, self.choose(condition, output, zero)])
        return found

    def extreme(self, name: str, a: Value, b: Value) -> Value:
        if isinstance(a, Plain) and isinstance(b, Plain):
            return self.operator(next(r for r in BY_NAME[name] if r.params[0].name == "date"), [a, b])
        return self.operator(_numeric(name), [a, b])

    # -- texts of evidence --------------------------------------------------------------------------------

    def text(self, core: c.Core, env: _Env) -> Cell:
        """The text of a value, by the definition of `as_text`."""
        value = self.value(core, env)
        type = core.type
        match value:
            case Missing():
                return self.null("VARCHAR")
            case Ratio() | Digits():
                return self.numbers.text(value, type)
            case Exact():
                return self.number_text(value, type)
        name = value.type.name if value.type.name != "null" else type.name
        if name in ("text", "one of"):
            return value.cell
        if name == "list" and value.type.item is not None:
            return self.list_text(value)
        return self.relations.plain(_TEXT_OF.get(name, "CAST({0} AS VARCHAR)"), [value.cell], "VARCHAR")

    def list_text(self, value: Plain) -> Cell:
        assert value.type.item is not None
        item = "CAST(x AS VARCHAR)"
        if value.type.item.name == "days":
            item = _DAYS.replace("{0}", "x")
        each = f"list_transform({{0}}, lambda x: coalesce({item}, ''))"
        return self.relations.plain(f"array_to_string({each}, ', ')", [value.cell], "VARCHAR")

    def number_text(self, value: Exact, type: Type) -> Cell:
        if type.name == "days":
            return self.relations.plain(_DAYS, [value.cell], "VARCHAR")
        if value.scale == 0 and type.name != "money":
            return self.relations.plain("CAST({0} AS VARCHAR)", [value.cell], "VARCHAR")
        if type.name == "money" and value.scale <= 2:
            amount = self.numbers.scaled(value, 2)
            if amount is None:
                return self.numbers.text(value, type)
            return self.relations.plain(_places(amount, 2), [amount.cell], "VARCHAR")
        plain = f"rtrim(rtrim({_places(value, value.scale)}, '0'), '.')"
        if type.name == "money":
            unit = 10 ** (value.scale - 2)
            cents = _places(value, 2).replace("{0}", f"({{0}} // {unit})")
            # Less than a cent below zero has no whole cents that could carry the sign; it is not a whole cent either.
            plain = f"(CASE WHEN {{0}} % {unit} = 0 THEN {cents} ELSE {plain} END)"
        return self.relations.plain(plain, [value.cell], "VARCHAR")


_MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _junction(word: str, count: int) -> str:
    return f"({f' {word} '.join(f'{{{i}}}' for i in range(count))})"


def _places(value: Exact, scale: int) -> str:
    """A template: a whole number within the bounds of the value as a decimal of so many places."""
    digits = len(str(value.size))
    if digits + scale <= _WORD_DIGITS:
        # The product of decimals that are machine words has the places of both.
        unit = f"CAST('{Decimal(1).scaleb(-scale):f}' AS DECIMAL({scale}, {scale}))"
        return f"CAST(CAST({{0}} AS DECIMAL({digits}, 0)) * {unit} AS VARCHAR)"
    unit_ = 10**scale
    whole, rest = f"CAST(abs({{0}}) // {unit_} AS VARCHAR)", f"CAST(abs({{0}}) % {unit_} AS VARCHAR)"
    return f"(CASE WHEN {{0}} < 0 THEN '-' ELSE '' END || {whole} || '.' || lpad({rest}, {scale}, '0'))"


def _numeric(name: str) -> Operator:
    return next(row for row in BY_NAME[name] if row.params[0].name == "number")


#: Of a list `{0}`, a value `{1}`, and whether an element is missing.
_MEMBER = (
    "(CASE WHEN list_contains({0}, {1}) THEN TRUE WHEN len({0}) = 0 THEN FALSE "
    "WHEN {0} IS NULL OR {1} IS NULL OR {2} THEN NULL ELSE FALSE END)"
)
#: Of two lists, and whether an element of either is missing.
_OVERLAP = (
    "(CASE WHEN list_has_any({0}, {1}) THEN TRUE WHEN len({0}) = 0 THEN FALSE "
    "WHEN {0} IS NULL OR {1} IS NULL THEN NULL WHEN len({1}) = 0 THEN FALSE WHEN {2} OR {3} THEN NULL ELSE FALSE END)"
)
_DAYS = "(CASE WHEN {0} < 0 THEN '-P' || -CAST({0} AS HUGEINT) || 'D' ELSE 'P' || {0} || 'D' END)"
_TEXT_OF = {
    "date-time": "(CASE WHEN epoch_us({0}) % 1000000 = 0 THEN strftime({0}, '%Y-%m-%dT%H:%M:%S') "
    "ELSE strftime({0}, '%Y-%m-%dT%H:%M:%S.%f') END)",
}
_SQL_TYPES = {"boolean": "BOOLEAN", "date": "DATE", "date-time": "TIMESTAMP", "text": "VARCHAR"}
#: Results outside the years 1 to 9999, and substrings that do not exist, are missing.
_MAY_FAIL = {"+", "-", "substring"}
_RANGES = {
    ".year": (1, 9999),
    ".month": (1, 12),
    ".day": (1, 31),
    ".hour": (0, 23),
    ".minute": (0, 59),
    ".weekday": (1, 7),
    "string length": (0, _MANY),
    "months between": (-120_000, 120_000),
    "years between": (-10_000, 10_000),
}
#: The row's function, and the characters whose other letter is more than one character, so that the row leaves them.
_LETTERS = {
    "lower case": (LOWER, "\u0130"),
    "upper case": (UPPER, "\u00df\u1f80-\u1faf\u1fb3\u1fc3\u1ff3"),
}

#: What the templates of the operator table call. Dates stay within the years 1 to 9999, as in the row evaluator.
MACROS = (
    """sancha_day(d) AS CASE WHEN d BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN d END""",
    # `least` and `greatest` skip a missing span, and the date then lies outside the years, hence is missing too.
    """sancha_add_days(d, n) AS sancha_day(d + CAST(greatest(least(n, 4000000), -4000000) AS INTEGER))""",
    """sancha_add_months(d, n) AS
         sancha_day(CAST(d + to_months(CAST(greatest(least(n, 200000), -200000) AS INTEGER)) AS DATE))""",
    """sancha_months_apart(a, b) AS (year(b) - year(a)) * 12 + month(b) - month(a)""",
    """sancha_months_between(a, b) AS CASE
         WHEN sancha_months_apart(a, b) > 0 AND day(a) > day(b) AND b <> last_day(b) THEN sancha_months_apart(a, b) - 1
         WHEN sancha_months_apart(a, b) < 0 AND day(a) < day(b) THEN sancha_months_apart(a, b) + 1
         ELSE sancha_months_apart(a, b) END""",
    """sancha_years_between(a, b) AS sancha_months_between(a, b) // 12""",
    """sancha_working_days_between(a, b) AS sancha_working_day(b) - sancha_working_day(a)""",
    # A missing number lies, after `least`, beyond every calendar.
    """sancha_add_working_days(d, n) AS
         sancha_nth_working_day(sancha_working_day(d) + CAST(greatest(least(n, 4000000), -4000000) AS BIGINT))""",
    """sancha_seconds_between(a, b) AS epoch_us(b) - epoch_us(a)""",
    """sancha_begin(s, n) AS CASE WHEN n > 0 THEN CAST(n AS HUGEINT) - 1 ELSE length(s) + CAST(n AS HUGEINT) END""",
    # A position within what a text can have. None is missing here: the condition below sees to that.
    """sancha_position(n) AS CAST(greatest(least(n, 2000000000), 0) AS BIGINT)""",
    """sancha_cut(s, begin, k) AS
         substring(s, sancha_position(begin) + 1, sancha_position(begin + k) - sancha_position(begin))""",
    """sancha_substring(s, n, k) AS CASE WHEN n <> 0 AND k >= 1 THEN sancha_cut(s, sancha_begin(s, n), k) END""",
)


def prepare(connection: duckdb.DuckDBPyConnection, calendar: Calendar) -> None:
    """Make what the templates of the operator table call known to a connection."""
    for function in calendar_functions(calendar):
        register(connection, function)
    for macro in MACROS:
        connection.execute(f"CREATE OR REPLACE MACRO {macro}")


def calendar_functions(calendar: Calendar) -> tuple[Function, Function]:
    """The number of a day among the working days, and the working day of a number."""
    return (
        Function("sancha_working_day", _working_day(calendar), ("DATE",), "BIGINT", ""),
        Function("sancha_nth_working_day", _nth_working_day(calendar), ("BIGINT",), "DATE", ""),
    )


def _working_day(calendar: Calendar) -> Callable[[pa.Array], pa.Array]:
    """The number of a day among the working days; missing outside the calendar."""
    counts = pa.array(calendar.counts, pa.int64())
    first = calendar.first.toordinal() - date(1970, 1, 1).toordinal()

    def call(days: pa.Array) -> pa.Array:
        return _taken(counts, pc.subtract(days.cast(pa.int32()).cast(pa.int64()), first))

    return call


def _nth_working_day(calendar: Calendar) -> Callable[[pa.Array], pa.Array]:
    """The working day of a number from 1 on; missing outside the calendar."""
    first = calendar.first.toordinal()
    days, before = [], 0
    for offset, count in enumerate(calendar.counts):
        if count > before:
            days.append(date.fromordinal(first + offset))
        before = count
    table = pa.array(days, pa.date32())

    def call(numbers: pa.Array) -> pa.Array:
        return _taken(table, pc.subtract(numbers, 1))

    return call


def _taken(values: pa.Array, index: pa.Array) -> pa.Array:
    """The values at an index; missing where there is none."""
    inside = pc.and_(pc.greater_equal(index, 0), pc.less(index, len(values)))
    found = pc.take(values, pc.if_else(inside, index, None))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found

"""Relations: expressions over files and their items as numbered cells, and cells as one staged SQL query.

Every expression of a policy becomes a `Cell`, and equal cells are one cell, however many rules ask for them. A cell
belongs to a `Scope`: the book (one row), the files, or the items of a list within an outer scope. An aggregate over the
rows of an inner scope is a cell of the outer one. A query is laid out in stages: the rows of a scope with what can be
computed of each, then the aggregates over its inner scopes, joined back, then what needs those, and so on. Within a
stage a cell that is used more than once is a column, computed once; the others stand in the expressions that use them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Book:
    """The one row of the outermost scope."""


@dataclass(frozen=True, slots=True)
class Files:
    """A row a loan file: the table `files`, keyed by `f`."""


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a list of the loan file: the table `list:NAME` with `#f`, `#k` (unique) and its fields."""

    name: str


@dataclass(frozen=True, slots=True)
class References:
    """The rows of a reference list: the table `reference:NAME` with `#k` and its fields.

    `on` is a field and a cell that a row must equal to matter; rows and outer rows where either is missing remain,
    for there the answer may be open.
    """

    name: str
    on: tuple[str, Cell] | None = None


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a list-valued cell of the outer scope."""

    values: Cell


Rows = Book | Files | Items | References | Elements


class Scope:
    """Rows within an outer scope. Scopes and cells are compared by identity; `Relations` makes each once.

    `keys` tell its rows apart, `columns` are all the keys that its rows show.
    """

    __slots__ = ("columns", "depth", "keys", "number", "parent", "rows")

    def __init__(self, parent: Scope | None, rows: Rows, number: int) -> None:
        self.parent = parent
        self.rows = rows
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.number = number
        own = {Book: (), Files: ("f",)}.get(type(rows), (f"k{number}",))
        outer = parent.keys if parent else ()
        # Items are numbered through all files: their own number tells the file too.
        alone = isinstance(rows, Items) and parent is not None and isinstance(parent.rows, Files)
        self.keys: tuple[str, ...] = own if alone else (*outer, *own)
        self.columns: tuple[str, ...] = (*(parent.columns if parent else ()), *own)


RAW, PLAIN, AGGREGATE, CONSTANT = "raw", "plain", "aggregate", "constant"
#: The raw column by which the items of a list, or the elements of a value, stand in order.
ORDER = "#k"
#: The raw column of an element of a list-valued cell.
ELEMENT = "value"
#: What the names of functions of the row evaluator begin with.
ROW_FUNCTION = "sancha_row_"
#: The keys of the tables of lists, quoted; `#` keeps them apart from fields.
FILE_KEY, ROW_KEY = '"#f"', '"#k"'


class Cell:
    """One SQL expression in one scope.

    `template` holds `{0}`, `{1}` … for its arguments; of a raw cell it is the column's name, of a constant the literal.
    `empty` is what an aggregate gives over no rows (None: missing).
    """

    __slots__ = ("args", "empty", "inner", "kind", "name", "nullable", "scope", "template", "type")

    def __init__(
        self,
        kind: str,
        scope: Scope,
        template: str,
        args: tuple[Cell, ...],
        type: str,
        nullable: bool,
        number: int,
        inner: Scope | None = None,
        empty: str | None = None,
    ) -> None:
        self.kind = kind
        self.scope = scope
        self.template = template
        self.args = args
        self.type = type
        self.nullable = nullable
        self.name = f"c{number}"
        self.inner = inner
        self.empty = empty

    @property
    def needs(self) -> tuple[Cell, ...]:
        """The cells it is computed from; for an aggregate also those by which its rows are found."""
        if self.inner is None:
            return self.args
        match self.inner.rows:
            case Elements(values=cell) | References(on=(_, cell)):
                return (*self.args, cell)
        return self.args

    def repeats(self, index: int) -> bool:
        """Whether the text of the argument would stand more than once in the query; macros repeat theirs."""
        return (
            self.template.count(f"{{{index}}}") > 1 or "sancha_" in self.template or "lambda" in self.template
        )


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One value of many rows, in SQL: of a column `{0}`, and of a list `{0}` that holds them.

    `empty` is what it gives of no rows (None: missing). Missing values are skipped.
    """

    rows: str
    values: str
    empty: str | None


#: `any` and `kleene` are the disjunction; `kleene` gives 2 for true, 0 for false, 1 for unknown.
AGGREGATES = {
    "any": Aggregate("bool_or({0})", "list_bool_or({0})", "FALSE"),
    "kleene": Aggregate("max({0})", "list_max({0})", "0"),
    "count": Aggregate("count(*)", "len({0})", "0"),
    "distinct": Aggregate("count(DISTINCT {0})", "len(list_distinct({0}))", "0"),
    "sum": Aggregate("sum({0})", "list_sum({0})", "0"),
    "min": Aggregate("min({0})", "list_min({0})", None),
    "max": Aggregate("max({0})", "list_max({0})", None),
    "list": Aggregate("list({0} ORDER BY {1})", "{0}", "[]"),
}


class Relations:
    """All scopes and cells of a policy over a book."""

    def __init__(self) -> None:
        self._scopes: dict[tuple[Scope | None, Rows], Scope] = {}
        self._cells: dict[tuple[object, ...], Cell] = {}
        self.book = self.scope(None, Book())
        self.files = self.scope(self.book, Files())

    def scope(self, parent: Scope | None, rows: Rows) -> Scope:
        key = (parent, rows)
        if key not in self._scopes:
            self._scopes[key] = Scope(parent, rows, len(self._scopes))
        return self._scopes[key]

    def raw(self, scope: Scope, column: str, type: str, nullable: bool) -> Cell:
        """A column of the table behind the scope; of `Elements` the element itself, by any column name."""
        return self._cell(RAW, scope, column, (), type, nullable)

    def constant(self, literal: str, type: str) -> Cell:
        return self._cell(CONSTANT, self.book, literal, (), type, literal == "NULL")

    def plain(self, template: str, args: Sequence[Cell], type: str, nullable: bool | None = None) -> Cell:
        """An expression over cells of one chain of scopes. `nullable` is by default whether an argument is."""
        if nullable is None:
            nullable = any(a.nullable for a in args)
        scope = max((a.scope for a in args), key=lambda s: s.depth, default=self.book)
        return self._cell(PLAIN, scope, template, tuple(args), type, nullable)

    def aggregate(
        self, inner: Scope, function: str, value: Cell | None, where: Cell | None, type: str
    ) -> Cell:
        """One of `AGGREGATES` over the rows of `inner` for which `where` is true: a cell of the scope around it.

        `value` is not missing in those rows; None stands for the row itself.
        """
        assert inner.parent is not None
        made = AGGREGATES[function]
        if isinstance(inner.rows, Elements):
            found = self._over_list(inner, inner.rows.values, made, value, where, type)
            if found is not None:
                return found
        args = [] if value is None else [value]
        template = made.rows
        if "{1}" in template:
            args.append(self.raw(inner, ORDER, "BIGINT", False))
        if where is not None:
            template = f"{template} FILTER (WHERE {{{len(args)}}})"
            args.append(where)
        empty = None if made.empty is None else f"CAST({made.empty} AS {type})"
        return self.gathered(inner, f"CAST({template} AS {type})", args, type, empty)

    def gathered(
        self, inner: Scope, template: str, args: Sequence[Cell], type: str, empty: str | None
    ) -> Cell:
        """An aggregate by its template."""
        assert inner.parent is not None
        return self._cell(AGGREGATE, inner.parent, template, tuple(args), type, empty is None, inner, empty)

    def _over_list(
        self, inner: Scope, values: Cell, made: Aggregate, value: Cell | None, where: Cell | None, type: str
    ) -> Cell | None:
        """The aggregate as an expression over the list itself, where no cell of the elements needs further rows."""
        outer = [values]
        source = "{0}"
        for cell, function in ((where, "list_filter"), (value, "list_transform")):
            if cell is None or cell.template == ELEMENT:
                continue
            body = self._of_element(inner, cell, outer)
            if body is None or len(body) > 2_000:
                return None
            source = f"{function}({source}, lambda e{inner.number}: {body})"
        text = f"CAST({made.values.replace('{0}', source)} AS {type})"
        if made.empty is not None:
            text = f"coalesce({text}, CAST({made.empty} AS {type}))"
        return self.plain(text, outer, type, made.empty is None)

    def _of_element(self, inner: Scope, cell: Cell, outer: list[Cell]) -> str | None:
        """A template of a cell in terms of the element; cells of outer scopes are added to `outer`, by number."""
        if cell.kind == CONSTANT:
            return cell.template.replace("{", "{{").replace("}", "}}")
        if cell.scope is not inner:
            if cell not in outer:
                outer.append(cell)
            return f"{{{outer.index(cell)}}}"
        if cell.kind == RAW:
            return f"e{inner.number}" if cell.template == ELEMENT else None
        if cell.kind != PLAIN:
            return None
        parts = [self._of_element(inner, arg, outer) for arg in cell.args]
        if None in parts:
            return None
        # The placeholders of this template are filled; braces of literals stay doubled for the next time.
        marks = [f"\0{i}\0" for i in range(len(parts))]
        text = cell.template.format(*marks).replace("{", "{{").replace("}", "}}")
        for mark, part in zip(marks, parts, strict=True):
            text = text.replace(mark, part or "")
        return text

    def _cell(
        self,
        kind: str,
        scope: Scope,
        template: str,
        args: tuple[Cell, ...],
        type: str,
        nullable: bool,
        inner: Scope | None = None,
        empty: str | None = None,
    ) -> Cell:
        key = (kind, scope, template, args, type, inner)
        cell = self._cells.get(key)
        if cell is None:
            cell = Cell(kind, scope, template, args, type, nullable, len(self._cells), inner, empty)
            self._cells[key] = cell
        return cell


def deeper(a: Scope, b: Scope) -> Scope:
    """The inner of two scopes, one of which lies in the other."""
    return a if a.depth >= b.depth else b


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal, safe within a template."""
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"


def functions_of(cell: Cell) -> set[str]:
    """The names of the functions of the row evaluator that a cell, or a cell it is computed from, calls."""
    found: set[str] = set()
    seen: set[Cell] = set()
    pending = [cell]
    while pending:
        current = pending.pop()
        if current not in seen:
            seen.add(current)
            found.update(_ROW_FUNCTION.findall(current.template))
            pending.extend(current.needs)
    return found


def query(
    outputs: Sequence[Cell],
    relations: Relations,
    *,
    files: str = "files",
    all_files: bool = True,
    within: Collection[Cell] = (),
) -> str:
    """SQL that gives `f` and one column an output, by its name, for each row of the table `files`.

    `all_files` says that the tables of lists hold items of these files only. The cells of `within` are computed where
    they are used, however often: for conditions that choose few rows.
    """
    return Query(relations, files, all_files, frozenset(within)).text(outputs)


def has_aggregates(cell: Cell) -> bool:
    """Whether a cell, or a cell it is computed from, gathers rows of an inner scope."""
    seen: set[Cell] = set()
    pending = [cell]
    while pending:
        current = pending.pop()
        if current.kind == AGGREGATE:
            return True
        if current not in seen:
            seen.add(current)
            pending.extend(current.needs)
    return False


_ROW_FUNCTION = re.compile(rf"{ROW_FUNCTION}\d+")


class Query:
    """One query as it is laid out. Ways to run other than DuckDB's override how its parts are written."""

    def __init__(
        self, relations: Relations, files: str, all_files: bool, within: frozenset[Cell] = frozenset()
    ) -> None:
        self.relations = relations
        self.within = within
        self.files_table = files
        self.all_files = all_files
        self.ctes: list[tuple[str, str]] = []
        self.stages: dict[tuple[Cell, Scope], int] = {}
        self.count = 0

    def text(self, outputs: Sequence[Cell]) -> str:
        body = self.body(outputs)
        parts = ", ".join(f"{name} AS MATERIALIZED ({part})" for name, part in self.ctes)
        return f"WITH {parts} {body}" if parts else body

    def body(self, outputs: Sequence[Cell]) -> str:
        """What reads the parts in `ctes`, which are filled here; each part reads those before it."""
        book = self.outer_cells(outputs, self.relations.files)
        source = f"FROM {self.files_table} x"
        if book:
            name = self.cte(self.build(self.relations.book, "SELECT 1 AS one", book))
            source += f" CROSS JOIN {name} t"
        files = self.relations.files
        columns = ["x.f", *self.raw_columns(files, outputs), *(f"t.{c.name}" for c in book)]
        return self.build(files, f"SELECT {', '.join(columns)} {source}", outputs)

    def cte(self, body: str) -> str:
        self.count += 1
        name = f"r{self.count}"
        self.ctes.append((name, body))
        return name

    def template(self, cell: Cell) -> str:
        """The template of a cell that is no raw column."""
        return cell.template

    def repeats(self, cell: Cell, index: int) -> bool:
        """Whether the text of an argument would stand more than once where the cell is written out."""
        return cell.repeats(index)

    def empty(self, cell: Cell) -> str | None:
        """What an aggregate gives over no rows."""
        return cell.empty

    # -- what is needed -----------------------------------------------------------------------------------

    def stage(self, cell: Cell, scope: Scope) -> int:
        """How many rounds of aggregates over inner scopes must be joined to rows of `scope` before the cell."""
        if cell.scope.depth < scope.depth or cell.kind == CONSTANT:
            return 0
        key = (cell, scope)
        if key not in self.stages:
            stage = max((self.stage(n, scope) for n in cell.needs), default=0)
            self.stages[key] = stage + (cell.kind == AGGREGATE and cell.scope is scope)
        return self.stages[key]

    def outer_cells(self, cells: Iterable[Cell], scope: Scope) -> list[Cell]:
        """The cells of scopes around `scope` that the cells are computed from."""
        found: dict[Cell, None] = {}
        seen: set[Cell] = set()
        pending = list(cells)
        while pending:
            cell = pending.pop()
            if cell in seen or cell.kind == CONSTANT:
                continue
            seen.add(cell)
            if cell.scope.depth < scope.depth:
                found[cell] = None
            else:
                pending.extend(cell.needs)
        return sorted(found, key=_number)

    def cells_of(self, scope: Scope, cells: Iterable[Cell]) -> list[Cell]:
        """The cells of `scope` itself that the cells are computed from, each after those it needs."""
        found: list[Cell] = []
        seen: set[Cell] = set()

        def visit(cell: Cell) -> None:
            if cell in seen or cell.kind == CONSTANT or cell.scope.depth < scope.depth:
                return
            seen.add(cell)
            for need in cell.needs:
                visit(need)
            if cell.scope is scope:
                found.append(cell)

        for cell in cells:
            visit(cell)
        return found

    def raw_columns(self, scope: Scope, cells: Iterable[Cell]) -> list[str]:
        raw = [c for c in self.cells_of(scope, cells) if c.kind == RAW]
        return [f"x.{quoted(c.template)} AS {c.name}" for c in raw]

    # -- laying out ---------------------------------------------------------------------------------------

    def build(self, scope: Scope, source: str, outputs: Sequence[Cell]) -> str:
        """A SELECT of the keys of `scope` and the outputs, from a source of its raw and outer cells."""
        cells = self.cells_of(scope, outputs)
        last = max((self.stage(c, scope) for c in cells), default=0)
        uses = self.uses(scope, cells, outputs, last)
        available = {c for c in uses if c.scope is not scope or c.kind == RAW}
        current = f"({source})"
        for stage in range(last + 1):
            if stage:
                found = [c for c in cells if c.kind == AGGREGATE and self.stage(c, scope) == stage]
                current = f"({self.joined(scope, current, found, available)})"
                available.update(found)
            here = [c for c in cells if c.kind == PLAIN and self.stage(c, scope) == stage]
            current = self.layers(here, uses, stage, current, available)
            if stage < last:
                kept = sorted((c for c in available if max(uses[c]) > stage), key=_number)
                columns = [*scope.columns, *(c.name for c in kept)]
                current = self.cte(f"SELECT {', '.join(columns) or '1 AS one'} FROM {current}")
                available = set(kept)
        columns = [
            *scope.columns,
            *(f"{self.expression(c, available)} AS {c.name}" for c in dict.fromkeys(outputs)),
        ]
        return f"SELECT {', '.join(columns)} FROM {current}"

    def uses(
        self, scope: Scope, cells: Sequence[Cell], outputs: Sequence[Cell], last: int
    ) -> dict[Cell, list[int]]:
        """For each cell that rows of `scope` may show, the stages of those that use it; an output counts as `last`."""
        uses: dict[Cell, list[int]] = {c: [] for c in cells}

        def add(cell: Cell, stage: int) -> None:
            if cell.kind != CONSTANT:
                uses.setdefault(cell, []).append(stage)

        for cell in cells:
            stage = self.stage(cell, scope)
            if cell.kind == PLAIN:
                for i, arg in enumerate(cell.args):
                    add(arg, stage)
                    if self.repeats(cell, i):
                        add(arg, stage)
            elif cell.kind == AGGREGATE:
                # The inner rows show it: it must be a column one stage before.
                for outer in self.outer_cells(cell.needs, cell.inner or scope):
                    add(outer, stage)
        for cell in outputs:
            add(cell, last)
        for cell in reversed(cells):
            # What stands in several places needs what it is computed from in each of them.
            for stage in uses[cell][1:] if cell in self.within else ():
                for arg in cell.args:
                    add(arg, stage)
        return uses

    def layers(
        self,
        here: Sequence[Cell],
        uses: dict[Cell, list[int]],
        stage: int,
        current: str,
        available: set[Cell],
    ) -> str:
        """The source with columns for those cells that are used twice or later; adds them to `available`."""
        named = [
            c
            for c in here
            if c not in self.within and (len(uses[c]) > 1 or max(uses[c], default=stage) > stage)
        ]
        layer: dict[Cell, int] = {}
        chosen = set(named)

        def depth(cell: Cell) -> int:
            """The layer after which all that the cell needs are columns."""
            if cell in layer:
                return layer[cell]
            if cell in available or cell.kind == CONSTANT:
                return 0
            deepest = max((depth(a) for a in cell.args), default=0)
            layer[cell] = deepest + (cell in chosen)
            return layer[cell]

        for cell in named:
            depth(cell)
        for level in sorted({layer[c] for c in named}):
            columns = [c for c in named if layer[c] == level]
            texts = [f"{self.expression(c, available)} AS {c.name}" for c in columns]
            current = f"(SELECT *, {', '.join(texts)} FROM {current})"
            available.update(columns)
        return current

    def expression(self, cell: Cell, available: set[Cell]) -> str:
        if cell in available:
            return cell.name
        if cell.kind == CONSTANT:
            return self.template(cell)
        assert cell.kind == PLAIN, (cell.kind, cell.template)
        return self.template(cell).format(*(self.expression(a, available) for a in cell.args))

    # -- inner scopes -------------------------------------------------------------------------------------

    def joined(self, scope: Scope, current: str, found: Sequence[Cell], available: set[Cell]) -> str:
        """The rows of `scope` with these aggregates over its inner scopes beside them."""
        inner_scopes = sorted({c.inner for c in found if c.inner}, key=lambda s: s.number)
        # A book without keys has one row, which ungrouped aggregates keep.
        columns, joins = ["t.*"], []
        for number, inner in enumerate(inner_scopes):
            group = [c for c in found if c.inner is inner]
            body = self.inner(scope, inner, current, group)
            on = " AND ".join(f"t.{k} = a{number}.{k}" for k in scope.keys)
            joins.append(f"LEFT JOIN ({body}) a{number} ON {on}" if on else f"CROSS JOIN ({body}) a{number}")
            for c in group:
                name, empty = f"a{number}.{c.name}", self.empty(c)
                columns.append(name if empty is None else f"coalesce({name}, {empty}) AS {c.name}")
        return f"SELECT {', '.join(columns)} FROM {current} t {' '.join(joins)}"

    def inner(self, scope: Scope, inner: Scope, current: str, group: Sequence[Cell]) -> str:
        """The aggregates of one inner scope, grouped by the keys of the outer one."""
        wanted = list(dict.fromkeys(a for c in group for a in c.args if a.kind != CONSTANT))
        outer = self.outer_cells(wanted, inner)
        source = self.source(scope, inner, current, wanted, outer)
        body = self.build(inner, source, wanted)
        available = set(wanted)
        texts = [
            f"{self.template(c).format(*(self.expression(a, available) for a in c.args))} AS {c.name}"
            for c in group
        ]
        keys = ", ".join(scope.keys)
        if not keys:
            return f"SELECT {', '.join(texts)} FROM ({body})"
        return f"SELECT {keys}, {', '.join(texts)} FROM ({body}) GROUP BY {keys}"

    def source(
        self, scope: Scope, inner: Scope, current: str, wanted: Sequence[Cell], outer: Sequence[Cell]
    ) -> str:
        """The rows of `inner` with the outer cells they need."""
        own = inner.keys[-1]
        raw = self.raw_columns(inner, wanted)
        shown = [*(f"t.{k}" for k in scope.columns), *(f"t.{c.name}" for c in outer)]
        match inner.rows:
            case Items(name=name):
                table = quoted(f"list:{name}")
                if self.all_files and isinstance(scope.rows, Files) and not outer:
                    columns = [f"x.{FILE_KEY} AS f", f"x.{ROW_KEY} AS {own}", *raw]
                    return f"SELECT {', '.join(columns)} FROM {table} x"
                columns = [*shown, f"x.{ROW_KEY} AS {own}", *raw]
                return f"SELECT {', '.join(columns)} FROM {table} x JOIN {current} t ON t.f = x.{FILE_KEY}"
            case References(name=name, on=on):
                columns = [*shown, f"x.{ROW_KEY} AS {own}", *raw]
                return _references(
                    f"SELECT {', '.join(columns)} FROM {quoted(f'reference:{name}')} x", current, on
                )
            case Elements(values=values):
                cells = [c for c in self.cells_of(inner, wanted) if c.kind == RAW]
                return self.elements(values, own, shown, cells, current)
        raise TypeError(type(inner.rows).__name__)

    def elements(
        self, values: Cell, own: str, shown: Sequence[str], cells: Sequence[Cell], current: str
    ) -> str:
        """A row for each element of `values`: its number as `own`, what is shown of the outer row, raw cells."""
        element, ordinal = f"unnest(t.{values.name})", f"generate_subscripts(t.{values.name}, 1)"
        columns = [*shown, f"{ordinal} AS {own}"]
        columns += [f"{ordinal if c.template == ORDER else element} AS {c.name}" for c in cells]
        return f"SELECT {', '.join(columns)} FROM {current} t"


def _references(select: str, current: str, on: tuple[str, Cell] | None) -> str:
    """The rows of a reference list beside outer rows `t`: those that are equal, and those that may be."""
    if on is None:
        return f"{select} CROSS JOIN {current} t"
    field, outer = f"x.{quoted(on[0])}", on[1]
    parts = [
        f"{select} JOIN {current} t ON {field} = t.{outer.name}",
        f"{select} CROSS JOIN {current} t WHERE {field} IS NULL",
    ]
    if outer.nullable:
        parts.append(f"{select} CROSS JOIN {current} t WHERE t.{outer.name} IS NULL AND {field} IS NOT NULL")
    return " UNION ALL ".join(parts)


def _number(cell: Cell) -> int:
    return int(cell.name[1:])

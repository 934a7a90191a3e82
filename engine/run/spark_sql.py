"""Cells and queries in the SQL of Apache Spark: what `relations` lays out for DuckDB, with the same answers.

sqlglot reads the templates of cells in DuckDB's dialect and writes Spark's. Where the two mean different things by the
same words, or Spark has no such words, the table here says what stands for it: exact division of whole numbers of 38
digits, lists in order, dates, and what DuckDB has as macros. A construct that is neither known to agree nor in the
table is an error, `Untranslatable`, before anything runs.

The text is for a session in ANSI mode with double-quoted identifiers (see `spark.SETTINGS`). HUGEINT is DECIMAL(38, 0).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sancha.engine.run.relations import (
    CONSTANT,
    ORDER,
    ROW_FUNCTION,
    Cell,
    Files,
    Items,
    Query,
    Relations,
    Rows,
    Scope,
)

#: Functions that Spark calls in Python; they may not stand within the lambdas of list functions.
CALLED = re.compile(rf"({ROW_FUNCTION}|sancha_place_)\d+|sancha_\w*working_day\w*")
HUGE = "DECIMAL(38, 0)"
_BIGINT = 2**63


class Untranslatable(Exception):
    """A construct that has no known translation: its text in DuckDB's SQL."""


class SparkRelations(Relations):
    """Relations whose items are told apart by file and item number: nothing numbers the items of the whole book."""

    def scope(self, parent: Scope | None, rows: Rows) -> Scope:
        found = super().scope(parent, rows)
        if isinstance(rows, Items) and parent is not None and isinstance(parent.rows, Files):
            found.keys = (*parent.keys, found.columns[-1])
        return found

    def _of_element(self, inner: Scope, cell: Cell, outer: list[Cell]) -> str | None:
        return None if CALLED.search(cell.template) else super()._of_element(inner, cell, outer)


class SparkQuery(Query):
    """A query in Spark's SQL. Its parts are to be made views, in their order; `name` begins their names."""

    def __init__(
        self, relations: Relations, dialect: Dialect, name: str, files: str = "files", all_files: bool = True
    ) -> None:
        super().__init__(relations, files, all_files)
        self.dialect = dialect
        self.name = name

    def cte(self, body: str) -> str:
        self.count += 1
        name = f"{self.name}_{self.count}"
        self.ctes.append((name, body))
        return name

    def template(self, cell: Cell) -> str:
        return self.dialect.template(cell)

    def repeats(self, cell: Cell, index: int) -> bool:
        return cell.repeats(index) or self.dialect.template(cell).count(f"{{{index}}}") > 1

    def empty(self, cell: Cell) -> str | None:
        return None if cell.empty is None else self.dialect.text(cell.empty)

    def elements(
        self, values: Cell, own: str, shown: Sequence[str], cells: Sequence[Cell], current: str
    ) -> str:
        columns = [*shown, f"e.place + 1 AS {own}"]
        columns += [f"{'e.place + 1' if c.template == ORDER else 'e.element'} AS {c.name}" for c in cells]
        view = f"LATERAL VIEW posexplode(t.{values.name}) e AS place, element"
        return f"SELECT {', '.join(columns)} FROM {current} t {view}"


class Dialect:
    """Translates templates, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, tuple[str, ...]], str] = {}

    def template(self, cell: Cell) -> str:
        """The template of a cell, over the same arguments. Untranslatable if there is none."""
        if cell.kind == CONSTANT:
            return self.text(cell.template)
        key = (cell.template, tuple(arg.type for arg in cell.args))
        if key not in self._known:
            self._known[key] = self._template(*key)
        return self._known[key]

    def text(self, sql: str) -> str:
        """SQL without arguments."""
        key = (sql, ("",))
        if key not in self._known:
            self._known[key] = _translated(sql, {})
        return self._known[key]

    def _template(self, template: str, types: tuple[str, ...]) -> str:
        mark = "arg"
        while mark in template:
            mark += "_"
        names = [f"{mark}{i}_" for i in range(len(types))]
        text = _translated(template.format(*names), dict(zip(names, types, strict=True)))
        text = text.replace("{", "{{").replace("}", "}}")
        return re.sub(rf"\b{mark}(\d+)_\b", r"{\1}", text)


def _translated(sql: str, types: dict[str, str]) -> str:
    try:
        tree: Any = sqlglot.parse_one(sql, read="duckdb")
    except SqlglotError as error:
        raise Untranslatable(sql) from error
    # A parent lets the root be replaced like any other node.
    holder = exp.Tuple(expressions=[tree])
    _Rewriter(types).rewrite(tree)
    return " ".join(holder.expressions[0].sql("spark", comments=False).split("\n"))


def _spark(text: str, **parts: exp.Expression) -> exp.Expression:
    """An expression of Spark's SQL with parts in the place of names."""
    tree = sqlglot.parse_one(text, read="spark")

    def fill(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Column | exp.Identifier) and node.name in parts:
            return parts[node.name].copy()
        return node

    return tree.transform(fill)


#: Quotients of whole numbers of 38 digits, cut towards zero. Spark's quotient of decimals has six places and 32 digits
#: before them; where that may not suffice, the dividend is divided in two steps.
_DIVIDED = f"CAST((x - x % y) / y AS {HUGE})"
_LARGE = _DIVIDED.replace("y", "1000000")
_QUOTIENT = f"""(CASE WHEN x < 100000000000000000000000000000000 AND x > -100000000000000000000000000000000
      OR y >= 1000000 OR y <= -1000000 THEN {_DIVIDED}
    ELSE CAST(({_LARGE} - {_LARGE} % y) / y AS {HUGE}) * 1000000
         + CAST((({_LARGE} % y) * 1000000 + x % 1000000
                 - (({_LARGE} % y) * 1000000 + x % 1000000) % y) / y AS {HUGE}) END)"""

#: Spark's words for the macros of `to_columns`, by the names of their parameters.
_MACROS = {
    "sancha_day": ("d", "(CASE WHEN d BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN d END)"),
    "sancha_add_days": (
        "d n",
        "sancha_day(date_add(d, CAST(greatest(least(n, 4000000), -4000000) AS INT)))",
    ),
    "sancha_add_months": (
        "d n",
        "sancha_day(add_months(d, CAST(greatest(least(n, 200000), -200000) AS INT)))",
    ),
    "sancha_months_apart": ("a b", "((year(b) - year(a)) * 12 + month(b) - month(a))"),
    "sancha_months_between": (
        "a b",
        """(CASE WHEN sancha_months_apart(a, b) > 0 AND day(a) > day(b) AND b <> last_day(b)
                 THEN sancha_months_apart(a, b) - 1
                 WHEN sancha_months_apart(a, b) < 0 AND day(a) < day(b) THEN sancha_months_apart(a, b) + 1
                 ELSE sancha_months_apart(a, b) END)""",
    ),
    "sancha_years_between": ("a b", "(sancha_months_between(a, b) DIV 12)"),
    "sancha_working_days_between": ("a b", "(sancha_working_day(b) - sancha_working_day(a))"),
    "sancha_add_working_days": (
        "d n",
        "sancha_nth_working_day(sancha_working_day(d) + CAST(greatest(least(n, 4000000), -4000000) AS BIGINT))",
    ),
    "sancha_seconds_between": (
        "a b",
        "(unix_micros(CAST(b AS TIMESTAMP_LTZ)) - unix_micros(CAST(a AS TIMESTAMP_LTZ)))",
    ),
    "sancha_begin": (
        "s n",
        f"(CASE WHEN n > 0 THEN CAST(n AS {HUGE}) - 1 ELSE length(s) + CAST(n AS {HUGE}) END)",
    ),
    "sancha_position": ("n", "CAST(greatest(least(n, 2000000000), 0) AS INT)"),
    "sancha_cut": (
        "s begin k",
        "substring(s, sancha_position(begin) + 1, sancha_position(begin + k) - sancha_position(begin))",
    ),
    "sancha_substring": (
        "s n k",
        "(CASE WHEN n <> 0 AND k >= 1 THEN sancha_cut(s, sancha_begin(s, n), k) END)",
    ),
}
_MACRO_TYPES = {
    "sancha_day": "DATE",
    "sancha_add_days": "DATE",
    "sancha_add_months": "DATE",
    "sancha_add_working_days": "DATE",
    "sancha_substring": "VARCHAR",
}
#: Called in Python under their own names.
_UDFS = {"sancha_working_day": "BIGINT", "sancha_nth_working_day": "DATE"}

#: Nodes that mean the same in both, over arguments that are translated.
_SAME = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg, exp.Add, exp.Sub, exp.Mul,
    exp.Mod, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.And, exp.Or, exp.Not, exp.Is, exp.In, exp.Between,
    exp.DPipe, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Case, exp.If, exp.Lambda, exp.DataType, exp.DataTypeParam,
    exp.ColumnDef, exp.Filter,
    exp.Where, exp.Distinct, exp.PropertyEQ, exp.Struct, exp.Star, exp.Cast, exp.Array, exp.ArrayFilter, exp.Transform,
    exp.Flatten, exp.Trim, exp.Pad, exp.Abs, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.ArrayMax,
    exp.ArrayMin, exp.ArrayContains, exp.Sum, exp.Min, exp.Max, exp.Count, exp.LogicalOr, exp.ArrayConcat,
    exp.ArrayToString, exp.StartsWith, exp.EndsWith, exp.Contains, exp.Lower, exp.Upper, exp.Year, exp.Month, exp.Day,
    exp.Quarter, exp.Hour, exp.Minute, exp.LastDay, exp.Substring, exp.Dot,
    exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseNot,
)  # fmt: skip
_FORMATS = {
    "%Y-%m-%dT%H:%M:%S": "yyyy-MM-dd''T''HH:mm:ss",
    "%Y-%m-%dT%H:%M:%S.%f": "yyyy-MM-dd''T''HH:mm:ss.SSSSSS",
}
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_WIDTH = {name: width for width, name in enumerate((*_INTEGERS, "HUGEINT"))}


class _Rewriter:
    """Rewrites a tree in place, inner nodes first. `types` are those of names, in the words of the plan."""

    def __init__(self, types: dict[str, str]) -> None:
        self.names = dict(types)
        self.types: dict[int, str | None] = {}
        self.kept: list[exp.Expression] = []

    def rewrite(self, node: exp.Expression) -> None:
        self.bind(node)
        self.type(node)
        for child in list(node.iter_expressions()):
            self.rewrite(child)
        found = self.translated(node)
        if found is not node:
            node.replace(found)

    def bind(self, node: exp.Expression) -> None:
        """The elements that lambdas name have the type of the list's."""
        if isinstance(node, exp.ArrayFilter | exp.Transform) and isinstance(node.expression, exp.Lambda):
            of = self.type(node.this)
            for name in node.expression.expressions:
                self.names[name.name] = of[:-2] if of and of.endswith("[]") else ""

    # -- types --------------------------------------------------------------------------------------------

    def type(self, node: exp.Expression) -> str | None:
        """The type of a node before it is rewritten; None where it does not matter."""
        if id(node) not in self.types:
            self.kept.append(node)
            self.types[id(node)] = self._type(node)
        return self.types[id(node)]

    def _type(self, node: exp.Expression) -> str | None:
        match node:
            case exp.Column() | exp.Identifier():
                return self.names.get(node.name)
            case exp.Literal():
                if node.is_string:
                    return "VARCHAR"
                size = abs(int(node.name)) if node.name.isdigit() else 0
                return "INTEGER" if size < 2**31 else "BIGINT" if size < _BIGINT else "HUGEINT"
            case exp.Cast():
                return _type_name(node.to)
            case (
                exp.Paren()
                | exp.Neg()
                | exp.BitwiseNot()
                | exp.Abs()
                | exp.Sum()
                | exp.Min()
                | exp.Max()
                | exp.ArrayFilter()
            ):
                return self.type(node.this)
            case exp.Filter():
                return self.type(node.this)
            case (
                exp.BitwiseAnd()
                | exp.BitwiseOr()
                | exp.Mod()
                | exp.IntDiv()
                | exp.Mul()
                | exp.Add()
                | exp.Sub()
            ):
                sides = [self.type(node.this), self.type(node.expression)]
                if "DATE" in sides:
                    return "BIGINT" if sides == ["DATE", "DATE"] else "DATE"
                return _widest(sides)
            case exp.Case():
                values = [i.args["true"] for i in node.args["ifs"]]
                if node.args.get("default") is not None:
                    values.append(node.args["default"])
                return _widest([self.type(v) for v in values])
            case exp.Coalesce() | exp.Greatest() | exp.Least() | exp.Nullif():
                return _widest([self.type(v) for v in node.iter_expressions()])
            case (
                exp.Length() | exp.Year() | exp.Month() | exp.Day() | exp.Sign() | exp.Count() | exp.Quarter()
            ):
                return "BIGINT"
            case exp.Transform():
                self.bind(node)
                of = self.type(node.expression.this)
                return None if of is None else f"{of}[]"
            case exp.ArrayMax() | exp.ArrayMin() | exp.Bracket():
                of = self.type(node.this)
                return None if of is None else of.removesuffix("[]")
            case exp.LastDay():
                return "DATE"
            case exp.Anonymous():
                return _MACRO_TYPES.get(node.name.lower(), _UDFS.get(node.name.lower()))
        return None

    # -- what differs -------------------------------------------------------------------------------------

    def translated(self, node: exp.Expression) -> exp.Expression:
        rewrite = _REWRITES.get(type(node))
        if rewrite is not None:
            return rewrite(self, node)
        if isinstance(node, _SAME):
            return node
        raise Untranslatable(node.sql("duckdb"))

    def divided(self, node: exp.Expression) -> exp.Expression:
        sides = [self.type(node.this), self.type(node.expression)]
        if not all(s in _WIDTH for s in sides):
            raise Untranslatable(node.sql("duckdb"))
        if "HUGEINT" not in sides:
            return _spark("(x DIV y)", x=_wrapped(node.this), y=_wrapped(node.expression))
        x, y = (exp.cast(n.copy(), HUGE, dialect="spark") for n in (node.this, node.expression))
        return _spark(_QUOTIENT, x=x, y=y)

    def subtracted(self, node: exp.Expression) -> exp.Expression:
        if [self.type(node.this), self.type(node.expression)] == ["DATE", "DATE"]:
            return _spark("datediff(x, y)", x=node.this, y=node.expression)
        return node

    def cast(self, node: exp.Expression) -> exp.Expression:
        if self.type(node) == "HUGEINT":
            inner = node.this.this if isinstance(node.this, exp.Filter) else node.this
            if isinstance(inner, exp.Sum):
                # The sum of whole numbers of 64 bits may have more.
                inner.set("this", exp.cast(inner.this.copy(), HUGE, dialect="spark"))
        return node

    def negated(self, node: exp.Expression) -> exp.Expression:
        """Spark's negative of a decimal, and with it `abs`, keeps 34 digits; its difference keeps all."""
        if self.type(node) in _INTEGERS or isinstance(node.this, exp.Literal):
            return node
        return _spark("(0 - x)", x=_wrapped(node.this))

    def absolute(self, node: exp.Expression) -> exp.Expression:
        if self.type(node) in _INTEGERS:
            return node
        return _spark("(CASE WHEN x < 0 THEN 0 - x ELSE x END)", x=_wrapped(node.this))

    def data_type(self, node: exp.Expression) -> exp.Expression:
        return exp.DataType.build(HUGE, dialect="spark") if node.is_type("int128") else node

    def length(self, node: exp.Expression) -> exp.Expression:
        kind = self.type(node.this)
        if kind is None:
            # Lists that are made here have no type that matters.
            kind = "[]" if isinstance(node.this, exp.ArrayFilter | exp.Transform | exp.ArrayDistinct) else ""
        if kind.endswith("[]"):
            return _spark("size(x)", x=node.this)
        if kind == "VARCHAR":
            return _spark("length(x)", x=node.this)
        raise Untranslatable(node.sql("duckdb"))

    def element(self, node: exp.Expression) -> exp.Expression:
        (index,) = node.expressions
        if not (isinstance(index, exp.Add) and index.expression.name == "1"):
            raise Untranslatable(node.sql("duckdb"))
        return _spark("try_element_at(x, CAST(i AS INT))", x=node.this, i=index)

    def distinct_list(self, node: exp.Expression) -> exp.Expression:
        return _spark("array_distinct(filter(x, e -> e IS NOT NULL))", x=node.this)

    def overlap(self, node: exp.Expression) -> exp.Expression:
        return _spark("arrays_overlap(x, y)", x=node.this, y=node.expression)

    def sign(self, node: exp.Expression) -> exp.Expression:
        return _spark("(CASE WHEN x > 0 THEN 1 WHEN x < 0 THEN -1 WHEN x = 0 THEN 0 END)", x=node.this)

    def weekday(self, node: exp.Expression) -> exp.Expression:
        return _spark("(weekday(x) + 1)", x=node.this)

    def formatted(self, node: exp.Expression) -> exp.Expression:
        pattern = _FORMATS.get(node.args["format"].name)
        if pattern is None:
            raise Untranslatable(node.sql("duckdb"))
        return _spark(f"date_format(x, '{pattern}')".replace("''", "\\'"), x=node.this)

    def collected(self, node: exp.Expression) -> exp.Expression:
        """`list(x ORDER BY k)`: Spark collects in any order; the condition of a filter belongs to the collecting."""
        ordered = node.this.this if isinstance(node, exp.Filter) else node.this
        if not isinstance(ordered, exp.Order) or len(ordered.expressions) != 1:
            raise Untranslatable(node.sql("duckdb"))
        (key,) = ordered.expressions
        pair = "collect_list(named_struct('place_', k, 'element_', v))"
        parts = {"k": key.this, "v": ordered.this}
        if isinstance(node, exp.Filter):
            pair += " FILTER (WHERE c)"
            parts["c"] = node.expression.this
        return _spark(f"transform(array_sort({pair}), e -> e.element_)", **parts)

    def filtered(self, node: exp.Expression) -> exp.Expression:
        return self.collected(node) if isinstance(node.this, exp.ArrayAgg) else node

    def collecting(self, node: exp.Expression) -> exp.Expression:
        return node if isinstance(node.parent, exp.Filter) else self.collected(node)

    def ordered(self, node: exp.Expression) -> exp.Expression:
        if not isinstance(node.find_ancestor(exp.ArrayAgg), exp.ArrayAgg):
            raise Untranslatable(node.sql("duckdb"))
        return node

    def letters(self, node: exp.Expression) -> exp.Expression:
        """Letters beyond ASCII and Chinese, which has no case, are left to the row's function."""
        first = node.args["ifs"][0]
        if not isinstance(first.this, exp.RegexpLike):
            return node
        call, plain, text = first.args["true"], node.args["default"], first.this.this
        odd = _spark("(CASE WHEN x RLIKE '[^\\\\x00-\\\\x7F\\\\x{2E80}-\\\\x{9FFF}]' THEN x END)", x=text)
        return _spark("coalesce(f, p)", f=exp.Anonymous(this=call.name, expressions=[odd]), p=plain)

    def anonymous(self, node: exp.Expression) -> exp.Expression:
        name = node.name.lower()
        if name not in _MACROS and CALLED.fullmatch(name):
            # Names of functions are written as they were registered.
            return exp.Anonymous(this=name, expressions=node.expressions)
        if name in _MACROS:
            return _expanded(name, node.expressions)
        made = _FUNCTIONS.get(name)
        if made is None:
            raise Untranslatable(node.sql("duckdb"))
        return _spark(made, **dict(zip("xy", node.expressions, strict=False)))


def _expanded(name: str, args: Sequence[exp.Expression]) -> exp.Expression:
    parameters, text = _MACROS[name]
    given = {p: _wrapped(a) for p, a in zip(parameters.split(), args, strict=True)}
    tree: Any = exp.Paren(this=_spark(text, **given))
    for call in list(tree.find_all(exp.Anonymous)):
        inner = call.name.lower()
        if inner in _MACROS:
            call.replace(_expanded(inner, call.expressions))
    root: exp.Expression = tree.this
    return root


def _wrapped(node: exp.Expression) -> exp.Expression:
    simple = exp.Column | exp.Identifier | exp.Literal | exp.Paren | exp.Func
    return node.copy() if isinstance(node, simple) else exp.Paren(this=node.copy())


#: Functions that sqlglot does not know, over `x` and `y`.
_FUNCTIONS = {
    "list_bool_or": "exists(x, e -> coalesce(e, FALSE))",
    "list_sum": f"aggregate(x, CAST(0 AS {HUGE}), (s, e) -> CAST(s + coalesce(e, 0) AS {HUGE}))",
    "list_count": "size(filter(x, e -> e IS NOT NULL))",
    "epoch_us": "unix_micros(CAST(x AS TIMESTAMP_LTZ))",
}
_REWRITES: dict[type[exp.Expression], Callable[[_Rewriter, Any], exp.Expression]] = {
    exp.IntDiv: _Rewriter.divided,
    exp.Sub: _Rewriter.subtracted,
    exp.Neg: _Rewriter.negated,
    exp.Abs: _Rewriter.absolute,
    exp.Cast: _Rewriter.cast,
    exp.DataType: _Rewriter.data_type,
    exp.Length: _Rewriter.length,
    exp.Bracket: _Rewriter.element,
    exp.ArrayDistinct: _Rewriter.distinct_list,
    exp.ArrayOverlaps: _Rewriter.overlap,
    exp.Sign: _Rewriter.sign,
    exp.DayOfWeekIso: _Rewriter.weekday,
    exp.TimeToStr: _Rewriter.formatted,
    exp.ArrayAgg: _Rewriter.collecting,
    exp.Filter: _Rewriter.filtered,
    exp.Order: _Rewriter.ordered,
    exp.Ordered: _Rewriter.ordered,
    exp.Case: _Rewriter.letters,
    exp.RegexpLike: lambda _, node: node,
    exp.Anonymous: _Rewriter.anonymous,
}


def _type_name(kind: exp.DataType) -> str:
    if kind.is_type("array"):
        return f"{_type_name(kind.expressions[0])}[]" if kind.expressions else "[]"
    text = kind.sql("duckdb")
    return {"INT128": "HUGEINT", "TEXT": "VARCHAR", "INT": "INTEGER"}.get(text, text)


def _widest(types: Sequence[str | None]) -> str | None:
    known = [t for t in types if t is not None]
    numbers = [t for t in known if t in _WIDTH]
    if numbers:
        return max(numbers, key=lambda t: _WIDTH[t])
    return known[0] if known else None

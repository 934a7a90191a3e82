"""Generated expressions of the full language, most of them with operands of the kinds that the standard asks for.

Numbers are small and dyadic, so that an evaluator over binary floats gives the same: whole numbers, halves and
quarters under + - *, division by powers of two, and functions that keep them so.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NUMBERS = ["0", "1", "2", "3", "4", "7", "10", "0.5", "0.25", "2.5", "1.75", "100", "-1", "-2.5", "-10"]
TEXTS = ["", "a", "b", "ab", "foobar", "Foo Bar", "三查", "a,b,c", "2024", "x1y2", "é", "🐎a"]
DATES = [
    "2024-01-31",
    "2024-02-28",
    "2024-02-29",
    "2023-02-28",
    "2024-03-01",
    "2023-12-31",
    "2024-12-31",
    "2000-02-29",
]
TIMES = ["00:00:00", "10:30:00", "16:30:15", "23:59:59", "10:30:00Z", "16:30:00+08:00", "08:00:00-05:00"]
DATE_TIMES = [
    *("2024-02-29T00:00:00", "2024-02-29T10:30:00", "2023-12-31T23:59:59", "2024-03-01T08:15:30"),
    *("2024-02-29T10:30:00Z", "2024-02-29T16:30:00+08:00", "2024-02-29T02:30:00-05:00"),
]
DAYS = ["P0D", "P1D", "P30D", "-P1D", "PT1H", "PT90M", "P1DT12H", "PT24H", "-PT36H", "PT30S", "P366D"]
WHOLE_DAYS = ["P0D", "P1D", "P30D", "-P1D", "P366D"]
MONTHS = ["P0M", "P1M", "P12M", "P1Y", "-P1M", "P1Y6M", "P13M", "-P2Y"]
FIELDS = {"a": "number", "b": "string", "c": "number"}
PATTERNS = ["a", "o+", "[a-c]", "^foo", "bar$", "[0-9]", "(o)(b)", "x|y", "\\\\d", "."]

SCALARS = ["number", "string", "boolean", "date", "time", "date and time", "days", "months"]
LISTS = ["numbers", "strings", "booleans", "dates"]
ITEMS = {"numbers": "number", "strings": "string", "booleans": "boolean", "dates": "date"}
KINDS = [*SCALARS, *LISTS, "context", "contexts", "range"]


class Expressions:
    """Draws the text of an expression of a kind. Variables in scope are those that its own forms bind."""

    def __init__(self, draw: Any, *, stray: bool = True, without: frozenset[str] = frozenset()) -> None:
        self.draw = draw
        self.stray = stray
        self.without = without
        self.scope: list[tuple[str, str]] = []

    def pick(self, *options: Any) -> Any:
        return self.draw(st.sampled_from([o for o in options if o.__hash__ is None or o not in self.without]))

    def chance(self, of: int) -> bool:
        return bool(self.pick(*[True], *[False] * (of - 1)))

    def of(self, kind: str, depth: int) -> str:
        """Now and then an expression of another kind, or null."""
        if self.stray and self.chance(25):
            kind = self.pick(*KINDS, "null")
        known = [name for name, k in self.scope if k == kind]
        if known and self.chance(3):
            return str(self.pick(*known))
        if kind == "null":
            return "null"
        if depth <= 0 or self.chance(4):
            return self.leaf(kind)
        if self.chance(12):
            condition, then, otherwise = (self.of(k, depth - 1) for k in ("boolean", kind, kind))
            return f"(if {condition} then {then} else {otherwise})"
        if self.chance(15):
            return self.applied(kind, depth - 1)
        method = getattr(self, "on_" + kind.replace(" ", "_"))
        return str(method(depth - 1))

    def leaf(self, kind: str) -> str:
        if kind in LISTS:
            items = [self.leaf(ITEMS[kind]) for _ in range(self.pick(0, 1, 2, 3, 4))]
            if self.stray and self.chance(15):
                items.append("null")
            return f"[{', '.join(items)}]"
        if kind == "context":
            entries = [f"{key}: {self.leaf(FIELDS[key])}" for key in list(FIELDS)[: self.pick(0, 1, 2, 3)]]
            return f"{{{', '.join(entries)}}}"
        if kind == "contexts":
            rows = [
                f"{{a: {self.leaf('number')}, b: {self.leaf('string')}}}"
                for _ in range(self.pick(0, 1, 2, 3))
            ]
            return f"[{', '.join(rows)}]"
        if kind == "range":
            return self.range()
        temporal = {"date": DATES, "time": TIMES, "date and time": DATE_TIMES, "days": DAYS, "months": MONTHS}
        if kind in temporal:
            return f'@"{self.pick(*temporal[kind])}"'
        if kind == "string":
            return f'"{self.pick(*TEXTS)}"'
        return str(self.pick(*{"number": NUMBERS, "boolean": ["true", "false"]}[kind]))

    def applied(self, kind: str, depth: int) -> str:
        """Forms of any kind: a function applied, a context read, a list indexed, the only item of a list."""
        form = self.pick("function", "context", "index", "singleton")
        if form == "index":
            return f"[{self.of(kind, depth)}, {self.of(kind, depth)}][{self.pick('1', '2', '-1', '-2')}]"
        if form == "singleton":
            return f"[{self.of(kind, depth)}][1]"
        name, bound = self.pick("x", "y"), self.pick(*SCALARS)
        value = self.of(bound, depth)
        self.scope.append((name, bound))
        body = self.of(kind, depth)
        self.scope.pop()
        if form == "context":
            return f"{{{name}: {value}, r: {body}}}.r"
        return f"(function({name}) {body})({value})"

    def args(self, depth: int, *kinds: str) -> str:
        return ", ".join(self.of(kind, depth) for kind in kinds)

    # -- by kind -------------------------------------------------------------------------------------------------------

    def on_boolean(self, depth: int) -> str:
        form = (
            self.pick(
                "compare",
                "compare",
                "equal",
                "junction",
                "junction",
                "between",
                "in",
                "in",
                "not",
                "text",
                "quantified",
            )
            if not self.chance(4)
            else self.pick("contains", "instance", "range", "number", "all", "point", "same")
        )
        if form == "junction":
            parts = [self.of("boolean", depth) for _ in range(self.pick(2, 3))]
            return "(" + f" {self.pick('and', 'or')} ".join(parts) + ")"
        if form == "not":
            return f"not({self.of('boolean', depth)})"
        if form == "compare":
            kind = self.pick(*[k for k in SCALARS if k != "boolean"])
            return f"({self.of(kind, depth)} {self.pick('<', '<=', '>', '>=')} {self.of(kind, depth)})"
        if form == "equal":
            kind = self.pick(*SCALARS, "context", "range", "lists")
            kind = self.pick(*LISTS, "contexts") if kind == "lists" else kind
            return f"({self.of(kind, depth)} {self.pick('=', '!=')} {self.of(kind, depth)})"
        kind = self.pick("number", "string", "date", "days", "months")
        if form == "between":
            return f"({self.of(kind, depth)} between {self.of(kind, depth)} and {self.of(kind, depth)})"
        if form == "in":
            return f"({self.of(kind, depth)} in ({', '.join(self.test(kind, depth) for _ in range(self.pick(1, 2)))}))"
        if form == "text":
            return (
                f"{self.pick('contains', 'starts with', 'ends with')}({self.args(depth, 'string', 'string')})"
            )
        if form == "quantified":
            source = self.pick(*LISTS)
            items = self.of(source, depth)
            self.scope.append(("v", ITEMS[source]))
            body = self.of("boolean", depth)
            self.scope.pop()
            return f"({self.pick('some', 'every')} v in {items} satisfies {body})"
        if form == "contains":
            source = self.pick(*LISTS)
            return f"list contains({self.args(depth, source, ITEMS[source])})"
        if form == "instance":
            names = (
                "number",
                "string",
                "boolean",
                "date",
                "time",
                "date and time",
                "list<number>",
                "context<a: number>",
            )
            return f"({self.of(self.pick(*KINDS), depth)} instance of {self.pick(*names)})"
        if form == "number":
            return f"{self.pick('even', 'odd')}({self.pick('0', '1', '2', '-3', '10')})"
        if form == "all":
            return f"{self.pick('all', 'any')}({self.of('booleans', depth)})"
        if form == "same":
            kind = self.pick(*SCALARS, "context")
            return f"is({self.args(depth, kind, kind)})"
        if form == "point":
            a, b = self.leaf("number"), self.range()
            name = self.pick("before", "after", "during", "starts", "finishes")
            return f"{name}({a}, {b})"
        name = self.pick(
            *(
                "before",
                "after",
                "meets",
                "met by",
                "overlaps",
                "overlaps before",
                "overlaps after",
                "includes",
            ),
            *("finishes", "finished by", "during", "starts", "started by", "coincides"),
        )
        return f"{name}({self.range()}, {self.range()})"

    def range(self) -> str:
        low = self.pick(1, 2, 3, 5)
        return f"{self.pick('[', '(')}{low}..{low + self.pick(1, 2, 4)}{self.pick(']', ')')}"

    def test(self, kind: str, depth: int) -> str:
        form = self.pick("value", "compare", "range")
        if form == "value":
            return self.of(kind, depth)
        if form == "compare":
            return f"{self.pick('<', '<=', '>', '>=')} {self.of(kind, depth)}"
        return self.range() if kind == "number" else self.of(kind, depth)

    def on_number(self, depth: int) -> str:
        form = self.pick(
            "sum",
            "sum",
            "product",
            "minus",
            "list",
            "list",
            "part",
            "text",
            "round",
            "modulo",
            "power",
            "half",
        )
        if form in ("sum", "product"):
            op = self.pick("+", "-") if form == "sum" else "*"
            return f"({self.of('number', depth)} {op} {self.of('number', depth)})"
        if form == "minus":
            return f"-({self.of('number', depth)})"
        if form == "half":
            return f"({self.of('number', depth)} / {self.pick('2', '4', '0.5', '0')})"
        if form == "power":
            return f"({self.of('number', depth)} ** {self.pick('1', '2', '3')})"
        if form == "modulo":
            return f"modulo({self.of('number', depth)}, {self.pick('2', '3', '-4', '0.5', '0')})"
        if form == "round":
            name = self.pick(
                "floor",
                "ceiling",
                "abs",
                "decimal",
                "round up",
                "round down",
                "round half up",
                "round half down",
            )
            scale = ", " + self.pick("0", "-1") if name.startswith(("decimal", "round")) else ""
            return f"{name}({self.of('number', depth)}{scale})"
        if form == "text":
            if self.chance(3):
                return f'number("{self.pick("1", "2.5", "-3", "x", "1,000.5")}", ",", ".")'
            return f"string length({self.of('string', depth)})"
        if form == "part":
            kind, names = self.pick(
                ("date", ("year", "month", "day", "weekday")),
                ("time", ("hour", "minute", "second")),
                ("date and time", ("year", "month", "day", "hour", "minute", "second")),
                ("days", ("days", "hours", "minutes", "seconds")),
                ("months", ("years", "months")),
                ("context", ("a", "c")),
            )
            if self.chance(5):
                return f"{self.pick('day of year', 'week of year')}({self.of('date', depth)})"
            return f"({self.of(kind, depth)}).{self.pick(*names)}"
        if self.chance(3):
            return f"count({self.of(self.pick(*LISTS, 'contexts'), depth)})"
        name = self.pick("sum", "min", "max", "product", "median", "count")
        return f"{name}({self.of('numbers', depth)})"

    def on_string(self, depth: int) -> str:
        form = self.pick(
            "plus", "case", "substring", "around", "replace", "join", "string", "calendar", "field"
        )
        if form == "plus":
            return f"({self.of('string', depth)} + {self.of('string', depth)})"
        if form == "case":
            return f"{self.pick('upper case', 'lower case')}({self.of('string', depth)})"
        if form == "substring":
            length = self.pick("", ", 1", ", 2")
            return f"substring({self.of('string', depth)}, {self.pick('1', '2', '-1', '-2', '3')}{length})"
        if form == "around":
            return (
                f"{self.pick('substring before', 'substring after')}({self.args(depth, 'string', 'string')})"
            )
        if form == "replace":
            return (
                f'replace({self.of("string", depth)}, "{self.pick(*PATTERNS)}", "{self.pick("", "-", "zz")}")'
            )
        if form == "join":
            return (
                f"string join({self.of('strings', depth)}, {self.pick(chr(34) * 2, chr(34) + '-' + chr(34))})"
            )
        if form == "string":
            return f"string({self.of(self.pick('number', 'string', 'boolean', 'date'), depth)})"
        if form == "calendar":
            return f"{self.pick('day of week', 'month of year')}({self.of('date', depth)})"
        return f"({self.of('context', depth)}).b"

    def whole(self) -> str:
        return f'@"{self.pick(*WHOLE_DAYS, *MONTHS)}"'

    def on_date(self, depth: int) -> str:
        form = self.pick("plus", "plus", "date of parts", "date", "extreme date")
        if form == "plus":
            span = (
                self.of(self.pick("days", "months"), depth)
                if self.pick("hours", "days") == "hours"
                else self.whole()
            )
            return f"({self.of('date', depth)} {self.pick('+', '-')} {span})"
        if form == "date of parts":
            return f"date({self.pick('2023', '2024')}, {self.pick('1', '2', '12', '13')}, {self.pick('1', '29', '31')})"
        if form == "extreme date":
            return f"{self.pick('min', 'max')}({self.of('dates', depth)})"
        return f"date({self.of(self.pick('date', 'date and time'), depth)})"

    def on_time(self, depth: int) -> str:
        form = self.pick("plus", "parts", "time")
        if form == "plus":
            return f"({self.of('time', depth)} {self.pick('+', '-')} {self.of('days', depth)})"
        if form == "parts":
            return f"time({self.pick('0', '10', '23', '24')}, {self.pick('0', '30', '60')}, {self.pick('0', '15')})"
        return f"time({self.of('date and time', depth)})"

    def on_date_and_time(self, depth: int) -> str:
        if self.chance(2):
            return f"date and time({self.args(depth, self.pick('date', 'date and time'), 'time')})"
        span = self.pick("days", "months")
        return f"({self.of('date and time', depth)} {self.pick('+', '-')} {self.of(span, depth)})"

    def on_days(self, depth: int) -> str:
        form = self.pick("plus", "days times", "days over", "between", "between", "abs", "negative")
        if form == "plus":
            return f"({self.of('days', depth)} {self.pick('+', '-')} {self.of('days', depth)})"
        if form == "days times":
            return f"({self.of('days', depth)} * {self.pick('2', '3', '-1', '0')})"
        if form == "days over":
            return f"({self.of('days', depth)} / {self.pick('2', '1', '-1')})"
        if form == "abs":
            return f"abs({self.of('days', depth)})"
        if form == "negative":
            return f"-({self.of('days', depth)})"
        kind = self.pick("date", "date and time")
        return f"({self.of(kind, depth)} - {self.of(kind, depth)})"

    def on_months(self, depth: int) -> str:
        form = self.pick("plus", "days times", "months between", "months between", "abs")
        if form == "plus":
            return f"({self.of('months', depth)} {self.pick('+', '-')} {self.of('months', depth)})"
        if form == "days times":
            return f"({self.of('months', depth)} * {self.pick('2', '3', '-1', '0')})"
        if form == "abs":
            return f"abs({self.of('months', depth)})"
        return f"years and months duration({self.args(depth, 'date', 'date')})"

    def list_of(self, kind: str, depth: int) -> str:
        item = ITEMS[kind]
        form = self.pick("items", "filter", "filter", "for", "for", "function", "function", "joined")
        if form == "items":
            return f"[{', '.join(self.of(item, depth) for _ in range(self.pick(0, 1, 2, 3)))}]"
        if form == "filter":
            items = self.of(kind, depth)
            return f"{items}[{self.condition('item', item, depth)}]"
        if form == "for":
            source = self.pick(*LISTS, "range")
            items = (
                f"{self.pick(1, 2, 3)}..{self.pick(1, 2, 3)}" if source == "range" else self.of(source, depth)
            )
            self.scope.append(("i", ITEMS.get(source, "number")))
            body = self.of(item, depth)
            self.scope.pop()
            return f"(for i in {items} return {body})"
        if form == "joined":
            return f"{self.pick('concatenate', 'union')}({self.args(depth, kind, kind)})"
        items = self.of(kind, depth)
        name = self.pick(
            *("reverse", "append", "distinct values", "flatten", "sublist", "remove", "insert before", "sort")
        )
        if name == "flatten":
            return f"flatten([{items}, {self.of(kind, depth)}])"
        more = {
            "append": f", {self.of(item, depth)}",
            "sublist": f", {self.pick('1', '2', '-1')}",
            "remove": f", {self.pick('1', '-1')}",
            "insert before": f", {self.pick('1', '-1')}, {self.of(item, depth)}",
            "sort": f", function(p, q) p {self.pick('<', '>')} q",
        }
        return f"{name}({items}{more.get(name, '')})"

    def condition(self, name: str, kind: str, depth: int) -> str:
        """What a filter asks of the item or field `name`."""
        if self.pick("free condition", "plain condition") == "plain condition":
            order = () if kind == "boolean" else ("<", "<=", ">", ">=")
            return f"{name} {self.pick('=', '!=', *order)} {self.leaf(kind)}"
        self.scope.append((name, kind))
        condition = self.of("boolean", depth)
        self.scope.pop()
        return condition

    def on_numbers(self, depth: int) -> str:
        special = self.pick("list", "list", "list", "index", "mode", "project")
        if special == "index":
            return f"index of({self.args(depth, 'numbers', 'number')})"
        if special == "mode":
            return f"mode({self.of('numbers', depth)})"
        if special == "project":
            return f"{self.of('contexts', depth)}.a"
        return self.list_of("numbers", depth)

    def on_strings(self, depth: int) -> str:
        special = self.pick("list", "list", "list", "split", "project")
        if special == "split":
            return f'split({self.of("string", depth)}, "{self.pick(",", "o", "a")}")'
        if special == "project":
            return f"{self.of('contexts', depth)}.b"
        return self.list_of("strings", depth)

    def on_booleans(self, depth: int) -> str:
        return self.list_of("booleans", depth)

    def on_dates(self, depth: int) -> str:
        return self.list_of("dates", depth)

    def on_context(self, depth: int) -> str:
        form = self.pick("entries", "entries", "put", "merge", "item", "nested")
        if form == "put":
            key = self.pick(*FIELDS)
            return f'context put({self.of("context", depth)}, "{key}", {self.of(FIELDS[key], depth)})'
        if form == "merge":
            return f"context merge([{self.of('context', depth)}, {self.of('context', depth)}])"
        if form == "item":
            return f"{self.of('contexts', depth)}[{self.pick('1', '-1')}]"
        if form == "nested":
            return f"{{a: {self.of('context', depth)}}}.a"
        first = self.of("number", depth)
        self.scope.append(("a", "number"))
        second = self.of("string", depth)
        self.scope.pop()
        return f"{{a: {first}, b: {second}}}"

    def on_contexts(self, depth: int) -> str:
        if self.chance(2):
            field = self.pick(("a", "number"), ("b", "string"))
            items = self.of("contexts", depth)
            return f"{items}[{self.condition(*field, depth)}]"
        return f"[{self.args(depth, 'context', 'context')}]"

    def on_range(self, depth: int) -> str:
        if self.pick("literal", "computed range") == "literal":
            return self.range()
        kind = self.pick("number", "date", "days")
        return f"{self.pick('[', '(')}{self.of(kind, depth)}..{self.of(kind, depth)}{self.pick(']', ')')}"


@st.composite
def expressions(draw: Any, depth: int = 3, stray: bool = True, without: frozenset[str] = frozenset()) -> str:
    """The text of an expression of any kind. With `stray`, some operands are null or of a wrong kind.

    `without` names forms and literals to leave out.
    """
    made = Expressions(draw, stray=stray, without=without)
    return made.of(made.pick(*KINDS), depth)


@st.composite
def cells(draw: Any, without: frozenset[str] = frozenset()) -> tuple[str, str]:
    """An input and a cell: unary tests of that kind of value, some of them by `?`."""
    made = Expressions(draw, stray=False, without=without)
    kind = made.pick("number", "number", "string", "date", "days", "months", "boolean")
    tests = []
    for _ in range(made.pick(1, 1, 2, 3)):
        form = made.pick("test", "test", "question")
        if kind == "boolean":
            tests.append(made.pick("true", "false"))
        elif form == "test":
            tests.append(made.test(kind, 1))
        else:
            made.scope.append(("?", kind))
            tests.append(f"? {made.pick('=', '!=', '<', '<=', '>', '>=')} {made.of(kind, 1)}")
            made.scope.pop()
    text = ", ".join(tests)
    return made.leaf(kind), f"not({text})" if made.chance(4) else text

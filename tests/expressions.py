"""Random expressions and rules of the strict language, well typed as far as a grammar can, for a given scope."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel import types as t
from sancha.engine.feel.check import Scope, check
from sancha.engine.feel.operators import FORMS, OPERATORS, Operator
from sancha.engine.feel.parser import parse

LITERALS = {
    "number": (
        "0",
        "1",
        "2",
        "0.7",
        "0.3",
        "1.5",
        "-2",
        "100",
        "12",
        "0.33333333",
        "0.125",
        "34.56789012345678901234567890123456",
        "123456789012345678901234567890",
    ),
    "money": ("0", "1", "70", "70.01", "100", "33.33", "700000", "1000000.00", "70.005", "-5"),
    "integer": ("0", "1", "2", "3", "7", "12", "-1", "36"),
    "text": ('"S1"', '"S2"', '"三查"', '"foobar"', '""', '"o"', '"𠮷野家"', '"ß"', '"{0}"'),
    "date": ('@"2024-02-29"', '@"2024-01-31"', '@"2023-02-28"', '@"2024-06-30"', '@"2024-12-31"', "as_of"),
    "days": ('@"P15D"', '@"P30D"', '-@"P3D"', '@"P400D"'),
    "date-time": ('@"2024-02-29T00:00:00"', '@"2024-02-29T12:00:00"'),
    "months": ('@"P1M"', '@"P1Y"', '@"P13M"', '-@"P2M"'),
    "boolean": ("true", "false"),
}
LITERALS["rate"] = LITERALS["number"][:8]
#: Operators by the type of their result.
ROWS: dict[str, list[Operator]] = {}
for _row in OPERATORS:
    ROWS.setdefault(_row.result.name, []).append(_row)
ROUNDING = ("decimal", "round half up", "round up", "round down")


class Expressions:
    """Draws texts of expressions by type, to a depth."""

    def __init__(self, rng: random.Random, scope: Scope) -> None:
        self.random = rng
        self.scope = scope
        #: Names bound to items, with their list; `#` marks an element of text.
        self.items: list[tuple[str, str]] = []
        self.extra: dict[str, tuple[str, ...]] = {}
        self.count = 0
        self.facts: dict[str, list[str]] = {}
        #: Calls of tables: name, types of the arguments, by type of the output.
        self.calls: dict[str, list[tuple[str, list[t.Type]]]] = {}
        self.one_ofs: dict[str, tuple[str, ...]] = {}
        for name, type_ in scope.facts.items():
            self._fact(name, type_)
        for name, type_ in scope.parameters.items():
            self._fact(f"parameters.{name}", type_)
        for name, decision in scope.decisions.items():
            if decision.args:
                (_, result), *rest = decision.outputs
                if not rest:
                    self.calls.setdefault(result.name, []).append(
                        (name, [type_ for _, type_ in decision.args])
                    )
                continue
            for output, type_ in decision.outputs:
                self._fact(name if len(decision.outputs) == 1 else f"{name}.{output}", type_)
        self.fields: dict[str, Mapping[str, t.Type]] = {**scope.lists, **scope.reference}
        self.lists = {name: self._by_type(fields) for name, fields in self.fields.items()}

    def _fact(self, name: str, type_: t.Type) -> None:
        self.facts.setdefault(type_.name, []).append(name)
        if type_.name == "one of":
            self.one_ofs[name] = type_.values

    def sound(self, kind: str, depth: int, expect: t.Type | None = None, most: int = 400) -> str:
        """An expression that checks."""
        for _ in range(40):
            text = self.of(kind, depth)
            if len(text) <= most and check(text, self.bound_scope(), expect)[0] is not None:
                return text
        return self.leaf(kind)

    def bound_scope(self) -> Scope:
        """The scope with the names that the grammar has bound."""
        items = {name: ("each", of) for name, of in self.items if name != "item" and of[0] != "#"}
        variables = {name: c.Var(t.Type(kind), name) for kind, names in self.extra.items() for name in names}
        return Scope(
            **{**self.scope.__dict__, "items": items, "variables": {**self.scope.variables, **variables}}
        )

    def _by_type(self, fields: Mapping[str, Any]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, type_ in fields.items():
            found.setdefault(type_.name, []).append(name)
        return found

    def of(self, kind: str, depth: int) -> str:
        method: Callable[[int], str] = getattr(self, kind.replace("-", "_").replace(" ", "_"))
        return method(depth)

    def any(self, depth: int) -> str:
        kinds = ["boolean"] * 6 + ["number"] * 3 + ["money"] * 2 + ["integer"] * 2 + ["text", "date", "days"]
        return self.of(self.random.choice(kinds), depth)

    # -- leaves -------------------------------------------------------------------------------------------

    def leaf(self, kind: str) -> str:
        options = []
        for name, of in self.items:
            prefix = "" if name == "item" else f"{name}."
            options += [f"{prefix}{field}" for field in self.lists.get(of, {}).get(kind, ())] * 3
            options += [name] * 3 * (of == f"#{kind}")
        options += [*self.facts.get(kind, ()), *self.extra.get(kind, ())]
        if (self.random.random() < 0.2 and kind in LITERALS) or not options:
            return self.random.choice(LITERALS.get(kind) or LITERALS["text"])
        if kind in self.calls and self.random.random() < 0.15:
            name, types = self.random.choice(self.calls[kind])
            return f"{name}({', '.join(self.leaf(type_.name) for type_ in types)})"
        return self.random.choice(options)

    def chance(self, *arms: tuple[float, Callable[[], str]]) -> str:
        """One of the arms, by weight."""
        return self.random.choices([arm for _, arm in arms], [weight for weight, _ in arms])[0]()

    # -- lists --------------------------------------------------------------------------------------------

    def filtered(self, name: str, depth: int) -> str:
        if self.random.random() < 0.5:
            return name
        hidden = self.items
        # Within a filter the fields of the item stand by their names, and hide `item` of the filters around.
        self.items = [x for x in hidden if x[0] != "item"]
        self.items.append(("item", name))
        condition = self.boolean(depth - 1)
        self.items = hidden
        twice = f"[{self.boolean(0)}]" if self.random.random() < 0.05 else ""
        return f"{name}[{condition}]{twice}"

    def quantified(self, depth: int) -> str:
        word = self.random.choice(["some", "every"])
        if not self.lists or self.random.random() < 0.08:
            return self.over_values(word, depth)
        of = self.random.choice(list(self.lists))
        if depth > 1 and self.random.random() < 0.12:
            other = self.random.choice(list(self.lists))
            return self.within(
                of,
                lambda v: self.within(
                    other,
                    lambda w: f"({word} {v} in {of}, {w} in {other} satisfies {self.boolean(depth - 2)})",
                ),
            )
        return self.within(
            of, lambda v: f"({word} {v} in {self.filtered(of, depth)} satisfies {self.boolean(depth - 1)})"
        )

    def over_values(self, word: str, depth: int) -> str:
        """A condition on values: a list written out, or a field of items."""
        kind = self.random.choice(["text", "money", "integer", "date", "number"])
        values = self.values(kind, depth)
        return self.within(
            f"#{kind}", lambda v: f"({word} {v} in {values} satisfies {self.boolean(depth - 1)})"
        )

    def within(self, of: str, body: Callable[[str], str]) -> str:
        self.count += 1
        name = f"x{self.count}"
        self.items.append((name, of))
        text = body(name)
        self.items.pop()
        return text

    def held(self) -> tuple[str, str] | None:
        """A list that an item holds, and the type of its elements."""
        holders = []
        for name, of in self.items:
            for field, type_ in self.fields.get(of, {}).items():
                if type_.item is not None:
                    holders.append((field if name == "item" else f"{name}.{field}", type_.item.name))
        return self.random.choice(holders) if holders else None

    def elements(self, depth: int) -> str:
        """A condition on a list that an item holds."""
        holder = self.held()
        pick = self.random.choice
        if holder is None:
            kind = pick(["text", "text", "integer", "date", "money"])
            value = self.of(kind, depth - 1)
            if self.random.random() < 0.3:
                return f"({value} in {self.values(kind, depth)})"
            return f"list contains({self.values(kind, depth)}, {value})"
        name, kind = holder
        if self.random.random() < 0.2:
            name = f"{name}[item {pick(['=', '!='])} {self.leaf(kind)}]"
        return self.chance(
            (3, lambda: f"(count(distinct values({name})) >= {pick('012')})"),
            (2, lambda: f"(count({name}) {pick(['=', '<', '>'])} {pick('012')})"),
            (3, lambda: f"list contains({name}, {self.of(kind, depth - 1)})"),
            (1, lambda: f"({self.of(kind, depth - 1)} in {name})"),
            (
                5,
                lambda: self.within(
                    f"#{kind}",
                    lambda v: (
                        f"({pick(['some', 'every'])} {v} in {name} satisfies {self.boolean(depth - 1)})"
                    ),
                ),
            ),
        )

    def values(self, kind: str, depth: int) -> str:
        """A list of values of a type."""
        found = [(name, field) for name, fields in self.lists.items() for field in fields.get(kind, ())]
        held = self.held() if self.random.random() < 0.3 else None
        if held is not None and held[1] == kind:
            return held[0]
        if found and self.random.random() < 0.75:
            name, field = self.random.choice(found)
            return f"{self.filtered(name, depth)}.{field}"
        return f"[{', '.join(self.of(kind, depth - 1) for _ in range(self.random.randint(1, 3)))}]"

    def called(self, kind: str, depth: int) -> str:
        """A row of the operator table, each as often as any other of its result."""
        row = self.random.choice(ROWS[kind])
        args = [self.of(param.name, depth - 1) for param in row.params]
        if row.name.startswith("."):
            return f"{self.leaf(row.params[0].name)}{row.name}"
        if row.name == "negate":
            return f"(-({args[0]}))"
        if row.name == "**":
            args[1] = self.random.choice(["2", "3", "-1", "0", "-2", "10", self.leaf("integer")])
        if not row.names:
            return f"({args[0]} {row.name} {args[1]})"
        if self.random.random() < 0.15:
            named = [f"{name}: {arg}" for name, arg in zip(row.names, args, strict=True)]
            self.random.shuffle(named)
            return f"{row.name}({', '.join(named)})"
        return f"{row.name}({', '.join(args)})"

    # -- by type ------------------------------------------------------------------------------------------

    def compared(self, kind: str, depth: int) -> str:
        sign = self.random.choice(["=", "!=", "<", "<=", ">", ">=", "<=", ">="])
        return f"({self.of(kind, depth - 1)} {sign} {self.of(kind, depth - 1)})"

    def one_of(self, depth: int) -> str:
        return self.leaf("one of")

    def date_time(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.7:
            return self.leaf("date-time")
        pick = self.random.choice
        return self.chance(
            (2, lambda: self.chosen("date-time", depth)),
            (1, lambda: f"{pick(['min', 'max'])}({self.values('date-time', depth)})"),
        )

    def months(self, depth: int) -> str:
        return self.random.choice(LITERALS["months"])

    def rate(self, depth: int) -> str:
        return self.number(depth)

    def boolean(self, depth: int) -> str:
        pick = self.random.choice
        if depth <= 0:
            return pick([self.leaf("boolean"), f"({self.leaf('money')} > {pick(LITERALS['money'])})"])
        return self.chance(
            (14, lambda: self.compared("number", depth)),
            (10, lambda: self.compared("money", depth)),
            (5, lambda: self.compared("text", depth)),
            (6, lambda: self.compared("date", depth)),
            (2, lambda: self.compared("days", depth)),
            (2, lambda: self.compared("date-time", depth)),
            (16, lambda: f"({self.boolean(depth - 1)} {pick(['and', 'or'])} {self.boolean(depth - 1)})"),
            (5, lambda: f"not({self.boolean(depth - 1)})"),
            (
                3,
                lambda: (
                    f"({self.leaf(pick(['money', 'date', 'text', 'boolean', 'one of']))} {pick(['=', '!='])} null)"
                ),
            ),
            (2, lambda: f"({self.number(depth - 1)} = null)"),
            (
                3,
                lambda: (
                    f"({self.number(depth - 1)} in {pick('([')}0..{pick(['1', '2.5', '70'])}{pick(')]')})"
                ),
            ),
            (5, lambda: self.enumerated()),
            (14, lambda: self.called("boolean", depth)),
            (4, lambda: self.tested(depth)),
            (
                2,
                lambda: (
                    f"({self.of(kind := pick(['money', 'number', 'date']), depth - 1)} between "
                    f"{self.of(kind, depth - 1)} and {self.of(kind, depth - 1)})"
                ),
            ),
            (19, lambda: self.quantified(depth)),
            (4, lambda: self.elements(depth)),
            (3, lambda: self.chosen("boolean", depth)),
            (
                2 * bool(self.scope.lists),
                lambda: f"({pick(list(self.scope.lists))} {pick(['=', '!='])} null)",
            ),
            (
                2,
                lambda: (
                    f"{pick(['contains', 'starts with', 'ends with'])}({self.text(depth - 1)}, {self.text(depth - 1)})"
                ),
            ),
        )

    def enumerated(self) -> str:
        """A test of a fact or field that is one of a list of values."""
        options = list(self.one_ofs.items())
        for name, of in self.items:
            prefix = "" if name == "item" else f"{name}."
            fields = self.fields.get(of, {}).items()
            options += [(f"{prefix}{field}", type_.values) for field, type_ in fields if type_.values]
        if not options:
            return self.compared("text", 1)
        pick = self.random.choice
        name, values = pick(options)
        some = [f'"{v}"' for v in self.random.sample(values, self.random.randint(1, len(values)))]
        return pick(
            [
                f"({name} in ({', '.join(some)}))",
                f"({name} {pick(['=', '!='])} {some[0]})",
                f"({name} in ({some[0]}, null))",
                f"({name} {pick(['=', '!=', '<', '>='])} {pick(options)[0]})",
                f"({name} = (if {self.boolean(0)} then {some[0]} else {pick(options)[0]}))",
            ]
        )

    def tested(self, depth: int) -> str:
        """`in`, with tests of every form."""
        pick = self.random.choice
        kind = pick(["number", "money", "date", "integer", "text", "days", "date-time", "rate"])

        constants = LITERALS.get(kind, ())
        # Many constants are looked up, not compared one by one.
        many = bool(constants) and self.random.random() < 0.3

        def value() -> str:
            return pick(constants) if many else self.of(kind, depth - 1)

        def test() -> str:
            forms = [
                value(),
                f"{pick(['<', '<=', '>', '>='])} {value()}",
                f"{pick('([')}{value()}..{value()}{pick(')]')}",
                "null",
            ]
            return self.random.choices(forms, [8, 0.5, 4, 0.2] if many else None)[0]

        tests = ", ".join(test() for _ in range(self.random.randint(6, 12) if many else pick([1, 2, 3])))
        return f"({self.of(kind, depth - 1)} in ({tests}))"

    def chosen(self, kind: str, depth: int) -> str:
        then, otherwise = self.of(kind, depth - 1), self.of(kind, depth - 1)
        return f"(if {self.boolean(depth - 1)} then {then} else {otherwise})"

    def integer(self, depth: int) -> str:
        pick = self.random.choice
        if depth <= 0:
            return self.leaf("integer")
        return self.chance(
            (25, lambda: self.leaf("integer")),
            (10, lambda: f"({self.integer(depth - 1)} {pick('+-*')} {self.integer(depth - 1)})"),
            (
                15 * bool(self.lists),
                lambda: f"count({self.filtered(pick(list(self.lists)), depth)})",
            ),
            (15, lambda: self.called("integer", depth)),
            (2, lambda: self.count_of_held(depth)),
            (
                8,
                lambda: (
                    f"count(distinct values({self.values(pick(['text', 'money', 'integer', 'date']), depth)}))"
                ),
            ),
            (6, lambda: f"{pick(['floor', 'ceiling'])}({self.number(depth - 1)})"),
            (
                5,
                lambda: (
                    f"{pick(['days', 'months', 'years', 'working days'])} between({self.date(depth - 1)}, "
                    f"{self.date(depth - 1)})"
                ),
            ),
            (4, lambda: f"{pick(['sum', 'min', 'max'])}({self.values('integer', depth)})"),
            (4, lambda: self.chosen("integer", depth)),
            (4, lambda: f"modulo({self.integer(depth - 1)}, {self.integer(depth - 1)})"),
            (4, lambda: f"abs({self.integer(depth - 1)})"),
            (4, lambda: f"{self.leaf('date')}.{pick(['year', 'month', 'day', 'weekday'])}"),
            (2, lambda: f"string length({self.text(depth - 1)})"),
            (5, lambda: f"{pick(['min', 'max'])}({self.integer(depth - 1)}, {self.integer(depth - 1)})"),
        )

    def count_of_held(self, depth: int) -> str:
        held = self.held()
        if held is None:
            return self.leaf("integer")
        return self.random.choice(["count({})", "count(distinct values({}))"]).format(held[0])

    def number(self, depth: int) -> str:
        pick = self.random.choice
        if depth <= 0:
            return self.leaf(pick(["rate", "number", "integer"]))
        return self.chance(
            (16, lambda: self.leaf(pick(["rate", "number", "integer"]))),
            (12, lambda: f"({self.money(depth - 1)} / {self.money(depth - 1)})"),
            (10, lambda: self.called("number", depth)),
            (8, lambda: f"({self.number(depth - 1)} / {self.number(depth - 1)})"),
            (16, lambda: f"({self.number(depth - 1)} {pick('+-*')} {self.number(depth - 1)})"),
            (8, lambda: self.integer(depth - 1)),
            (4, lambda: f"abs({self.number(depth - 1)})"),
            (6, lambda: f"{pick(['min', 'max'])}({self.number(depth - 1)}, {self.number(depth - 1)})"),
            (8, lambda: f"{pick(ROUNDING)}({self.number(depth - 1)}, {pick(['0', '2', '4', '-1', '1'])})"),
            (4, lambda: self.chosen("number", depth)),
            (
                8,
                lambda: (
                    f"{pick(['sum', 'mean', 'min', 'max'])}({self.values(pick(['rate', 'number', 'integer']), depth)})"
                ),
            ),
            (3, lambda: f"({self.number(depth - 1)} ** {pick(['2', '3', '-1', '0'])})"),
            (3, lambda: f"(-{self.number(depth - 1)})"),
            (3, lambda: f"seconds between({self.leaf('date-time')}, {self.leaf('date-time')})"),
        )

    def money(self, depth: int) -> str:
        pick = self.random.choice
        if depth <= 0:
            return self.leaf("money")
        return self.chance(
            (30, lambda: self.leaf("money")),
            (10, lambda: self.called("money", depth)),
            (20, lambda: f"({self.money(depth - 1)} {pick('+-')} {self.money(depth - 1)})"),
            (10, lambda: f"({self.leaf('money')} * {self.number(depth - 1)})"),
            (6, lambda: f"({self.leaf('money')} / {self.number(depth - 1)})"),
            (14, lambda: f"{pick(['sum', 'min', 'max', 'mean'])}({self.values('money', depth)})"),
            (5, lambda: self.chosen("money", depth)),
            (5, lambda: f"{pick(['min', 'max'])}({self.money(depth - 1)}, {self.money(depth - 1)})"),
            (5, lambda: f"abs({self.money(depth - 1)})"),
            (5, lambda: f"{pick(ROUNDING)}({self.money(depth - 1)}, {pick(['0', '1', '-2'])})"),
        )

    def text(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.6:
            return self.leaf("text")
        pick = self.random.choice
        return self.chance(
            (3, lambda: f"({self.text(depth - 1)} + {self.text(depth - 1)})"),
            (2, lambda: f"{pick(['lower case', 'upper case'])}({self.text(depth - 1)})"),
            (
                3,
                lambda: (
                    f"substring({self.text(depth - 1)}, {self.integer(depth - 1)}, {self.integer(depth - 1)})"
                ),
            ),
            (2, lambda: self.chosen("text", depth)),
            (3, lambda: self.called("text", depth)),
            (2, lambda: self.leaf("one of")),
        )

    def date(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.45:
            return self.leaf("date")
        pick = self.random.choice
        return self.chance(
            (25, lambda: f"({self.date(depth - 1)} {pick('+-')} {self.days(depth - 1)})"),
            (20, lambda: f"({self.date(depth - 1)} {pick('+-')} {pick(LITERALS['months'])})"),
            (15, lambda: f"add working days({self.date(depth - 1)}, {self.integer(depth - 1)})"),
            (15, lambda: f"{pick(['min', 'max'])}({self.values('date', depth)})"),
            (7, lambda: f"date({self.leaf('date-time')})"),
            (8, lambda: f"{pick(['min', 'max'])}({self.date(depth - 1)}, {self.date(depth - 1)})"),
            (10, lambda: self.chosen("date", depth)),
            (15, lambda: self.called("date", depth)),
        )

    def days(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.4:
            return self.leaf("days")
        pick = self.random.choice
        return self.chance(
            (50, lambda: f"({self.date(depth - 1)} - {self.date(depth - 1)})"),
            (20, lambda: f"({self.days(depth - 1)} * {self.integer(depth - 1)})"),
            (15, lambda: f"({self.days(depth - 1)} {pick('+-')} {self.days(depth - 1)})"),
            (15, lambda: f"abs({self.days(depth - 1)})"),
            (20, lambda: self.called("days", depth)),
            (10, lambda: f"{pick(['sum', 'min', 'max'])}({self.values('days', depth)})"),
            (5, lambda: self.chosen("days", depth)),
        )


def reached(text: str, scope: Scope) -> Counter[str]:
    """How often an expression uses each row of the operator table, by key, and each form, by name."""
    core, _ = check(text, scope)
    found: Counter[str] = Counter()
    if core is None:
        return found
    found.update(node.row.key for node in c.walk(core) if isinstance(node, c.Op))
    forms = {form.name for form in FORMS}
    for node in s.walk(parse(text)):
        match node:
            case s.Binary() if node.op in ("=", "!=") and _null(node):
                found["= null"] += 1
            case s.Binary() if node.op in forms:
                found[node.op] += 1
            case s.Quantified():
                found[node.kind] += 1
            case s.Call() if node.function in forms and len(node.arguments) != 2:
                found[f"{node.function} of a list" if node.function in ("min", "max") else node.function] += 1
            case s.Call() if node.function == "list contains":
                found[node.function] += 1
            case s.If() | s.In() | s.Between():
                found[type(node).__name__.lower()] += 1
    return found


def _null(node: s.Binary) -> bool:
    return any(isinstance(side, s.Literal) and side.value is None for side in (node.left, node.right))


#: What `reached` counts.
ALL = [row.key for row in OPERATORS] + [
    f"{form.name} of a list" if form.name in ("min", "max") else form.name for form in FORMS
]


def rule(rng: random.Random, scope: Scope, number: int) -> dict[str, Any]:
    """A random rule as its YAML keys: a check with one or two versions, a trigger, or a portfolio rule."""
    draw = Expressions(rng, scope)
    common = {
        "rule": f"GEN-{number:02d}",
        "title": {"en": "Generated"},
        "stage": rng.choice(["pre-loan", "in-loan", "post-loan"]),
        "impact": "control",
        "cause": "C",
        "clause": "one.1",
        "source": {"document": "S", "evidence": "B"},
        "finding": {"en": "Found"},
        "recommend": {"en": "Do"},
    }
    kind = rng.choices(["check", "trigger", "portfolio"], [6, 3, 1])[0]
    if kind == "check":
        days = [*_facts(draw, "date"), "as_of"]
        judged = rng.choice(days) if rng.random() < 0.9 else draw.sound("date", 2, t.DATE)
        return common | {"judged on": judged} | _check(rng, draw)
    if kind == "trigger":
        return common | {"kind": "trigger"} | _trigger(rng, draw)
    return common | {"kind": "portfolio"} | _portfolio(rng, draw)


def _facts(draw: Expressions, kind: str) -> list[str]:
    """The facts of a type, without parameters and decisions."""
    return [name for name in draw.facts.get(kind, ()) if name in draw.scope.facts]


FIRST_DAYS = ("2010-01-01", "2024-01-31", "2024-06-30")


def _check(rng: random.Random, draw: Expressions) -> dict[str, Any]:
    draw.extra["date"] = ("judged_on",)
    applies = {"applies when": draw.sound("boolean", 2, t.BOOLEAN)} if rng.random() < 0.7 else {}
    require = {"require": draw.sound("boolean", rng.choice([2, 3, 3, 4]), t.BOOLEAN)}
    require |= {"waivable by": 3} if rng.random() < 0.8 else {}
    if rng.random() < 0.6:
        return {"in force": {"from": rng.choice(FIRST_DAYS)}, **applies, **require}
    versions = [
        {"in force": {"from": "2010-01-01", "until": rng.choice(["2024-01-30", "2024-02-29"])}},
        {"in force": {"from": "2024-03-01"}, "require": draw.sound("boolean", 2, t.BOOLEAN)},
    ]
    if rng.random() < 0.4:
        versions[1]["in force"] = {"from": "2024-03-01", "until": "2024-06-30"}
        versions.append(
            {"in force": {"from": "2024-07-02"}, "applies when": draw.sound("boolean", 1, t.BOOLEAN)}
        )
    return {**applies, **require, "versions": versions}


WITHIN = ('@"P15D"', '@"P1M"', "5 working days", '@"P0D"', "0 working days", '-@"P3D"', '@"P1Y"')


def _trigger(rng: random.Random, draw: Expressions) -> dict[str, Any]:
    dated = [name for name in draw.lists if name in draw.scope.lists and "date" in draw.lists[name]]
    body: dict[str, Any] = {"waivable by": 3}
    each = bool(dated) and rng.random() < 0.7
    if each:
        of = rng.choice(dated)
        body["for each"] = f"e in {of}"
        if rng.random() < 0.3:
            body["for each"] += f"[{_filter(draw, of)}]"
        draw.items.append(("e", of))
    body["applies when"] = draw.sound("boolean", 1, t.BOOLEAN)
    starts = [f"e.{field}" for field in draw.lists[of]["date"]] if each else _facts(draw, "date") or ["as_of"]
    body["from"] = rng.choice(starts)
    body["within"] = _within(rng, draw)
    draw.extra["date"] = ("due",)
    reply = draw.sound("boolean", 1, t.BOOLEAN)
    if dated and rng.random() < 0.85:
        other = rng.choice(dated)
        draw.items.append(("r", other))
        reply = draw.sound("boolean", 1, t.BOOLEAN)
        draw.items.pop()
        field = rng.choice(draw.lists[other]["date"])
        reply = f"some r in {other} satisfies r.{field} in [{body['from']}..due] and {reply}"
    body["expect"] = reply
    if rng.random() < 0.75:
        return body | {"in force": {"from": rng.choice(FIRST_DAYS)}}
    last = rng.choice(["2024-01-30", "2024-05-31"])
    versions = [
        {"in force": {"from": "2010-01-01", "until": last}},
        {"in force": {"from": "2024-06-01"}, "within": _within(rng, draw)},
    ]
    return body | {"versions": versions}


def _within(rng: random.Random, draw: Expressions) -> str:
    if rng.random() < 0.6:
        return rng.choice(WITHIN)
    hidden, draw.extra = draw.extra, {}
    text = (
        f"{draw.sound('integer', 1, t.INTEGER)} working days"
        if rng.random() < 0.5
        else draw.sound("days", 1, t.DAYS)
    )
    draw.extra = hidden
    return text


def _filter(draw: Expressions, of: str) -> str:
    """A condition that stands in a filter of a list."""
    for _ in range(20):
        draw.items.append(("item", of))
        text = draw.boolean(1)
        draw.items.pop()
        if check(f"count({of}[{text}])", draw.bound_scope())[0] is not None:
            return text
    return "true"


def _portfolio(rng: random.Random, draw: Expressions) -> dict[str, Any]:
    group = rng.choice([*_facts(draw, "text"), *_facts(draw, "one of")])
    if rng.random() < 0.2:
        group = draw.sound("text", 2, t.TEXT)
    where = draw.sound("boolean", 2, t.BOOLEAN)
    measure = draw.sound(rng.choice(["money", "money", "number"]), rng.choice([0, 0, 1, 2]))
    limits = ["share <= 0.3", "files <= 20", "share < 0.2 or files > 10", "total / files >= total / 3"]
    limits += [f"share <= {name}" for name in draw.facts.get("rate", ()) if name.startswith("parameters.")]
    limits += ["share * 3 = 1 or total = 0", 'group != "S1" and share < 0.05']
    for name in draw.scope.reference:
        for field in draw.lists[name].get("text", ()):
            limits.append(f"files <= count({name}[{field} = group]) * 10")
    return {
        "in force": {"from": rng.choice(["2010-01-01", "2024-06-30"])},
        "where": where,
        "group by": group,
        "measure": measure,
        "require": rng.choice(limits),
    }

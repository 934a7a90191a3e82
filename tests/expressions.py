"""Random expressions and rules of the strict language, well typed as far as a grammar can, for a given scope."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from sancha.engine.feel.check import Scope

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
        for name, type_ in scope.facts.items():
            self.facts.setdefault(type_.name, []).append(name)
        for name, type_ in scope.parameters.items():
            self.facts.setdefault(type_.name, []).append(f"parameters.{name}")
        for name, decision in scope.decisions.items():
            if not decision.args:
                for output, type_ in decision.outputs:
                    self.facts.setdefault(type_.name, []).append(
                        name if output == name else f"{name}.{output}"
                    )
        lists: dict[str, Mapping[str, Any]] = {**scope.lists, **scope.reference}
        self.lists = {name: self._by_type(fields) for name, fields in lists.items()}

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
            options += [f"{name}.{field}" for field in self.lists.get(of, {}).get(kind, ())] * 3
            options += [name] * 3 * (of == "#" and kind == "text")
        options += [*self.facts.get(kind, ()), *self.extra.get(kind, ())]
        if kind in LITERALS and (self.random.random() < 0.2 or not options):
            return self.random.choice(LITERALS[kind])
        return self.random.choice(options)

    def chance(self, *arms: tuple[float, Callable[[], str]]) -> str:
        """One of the arms, by weight."""
        return self.random.choices([arm for _, arm in arms], [weight for weight, _ in arms])[0]()

    # -- lists --------------------------------------------------------------------------------------------

    def filtered(self, name: str, depth: int) -> str:
        if self.random.random() < 0.5:
            return name
        self.items.append(("item", name))
        condition = self.boolean(depth - 1)
        self.items.pop()
        return f"{name}[{condition}]"

    def quantified(self, depth: int) -> str:
        word, of = self.random.choice(["some", "every"]), self.random.choice(list(self.lists))
        return self.within(
            of, lambda v: f"({word} {v} in {self.filtered(of, depth)} satisfies {self.boolean(depth - 1)})"
        )

    def within(self, of: str, body: Callable[[str], str]) -> str:
        self.count += 1
        name = f"x{self.count}"
        self.items.append((name, of))
        text = body(name)
        self.items.pop()
        return text

    def elements(self, depth: int) -> str:
        """A condition on a list that an item holds."""
        holders = [
            f"{name}.{field}"
            for name, of in self.items
            for field in self.lists.get(of, {}).get("list", ())
            if name != "item"
        ]
        if not holders:
            return f"list contains({self.values('text', depth)}, {self.text(depth - 1)})"
        holder = self.random.choice(holders)
        if self.random.random() < 0.4:
            return f"(count(distinct values({holder})) >= {self.random.choice('012')})"
        return self.within("#", lambda v: f"(some {v} in {holder} satisfies {self.boolean(depth - 1)})")

    def values(self, kind: str, depth: int) -> str:
        """A list of values of a type."""
        found = [(name, field) for name, fields in self.lists.items() for field in fields.get(kind, ())]
        if found and self.random.random() < 0.75:
            name, field = self.random.choice(found)
            return f"{self.filtered(name, depth)}.{field}"
        return f"[{', '.join(self.of(kind, depth - 1) for _ in range(self.random.randint(1, 3)))}]"

    # -- by type ------------------------------------------------------------------------------------------

    def compared(self, kind: str, depth: int) -> str:
        sign = self.random.choice(["=", "!=", "<", "<=", ">", ">=", "<=", ">="])
        return f"({self.of(kind, depth - 1)} {sign} {self.of(kind, depth - 1)})"

    def one_of(self, depth: int) -> str:
        return self.leaf("one of")

    def date_time(self, depth: int) -> str:
        return self.leaf("date-time")

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
            (3, lambda: f'({self.kind()} in ("p", "q"))'),
            (19, lambda: self.quantified(depth)),
            (4, lambda: self.elements(depth)),
            (3, lambda: self.chosen("boolean", depth)),
            (2, lambda: f"({pick(list(self.scope.lists))} = null)"),
            (
                2,
                lambda: (
                    f"{pick(['contains', 'starts with', 'ends with'])}({self.text(depth - 1)}, {self.text(depth - 1)})"
                ),
            ),
        )

    def kind(self) -> str:
        """A fact or field whose values are p, q and r."""
        options = [n for n, t in self.scope.facts.items() if "q" in t.values]
        for name, of in self.items:
            fields = {**self.scope.lists, **self.scope.reference}.get(of, {})
            options += [f"{name}.{field}" for field, t in fields.items() if "q" in t.values]
        return self.random.choice(options)

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
            (15, lambda: f"count({self.filtered(pick(list(self.lists)), depth)})"),
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

    def number(self, depth: int) -> str:
        pick = self.random.choice
        if depth <= 0:
            return self.leaf(pick(["rate", "number", "integer"]))
        return self.chance(
            (16, lambda: self.leaf(pick(["rate", "number", "integer"]))),
            (12, lambda: f"({self.money(depth - 1)} / {self.money(depth - 1)})"),
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
        )


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
        return (
            common
            | {"judged on": rng.choice(["loan.decided_on", "loan.signed_on", "review.done_on", "as_of"])}
            | _check(rng, draw)
        )
    if kind == "trigger":
        return common | {"kind": "trigger"} | _trigger(rng, draw)
    return common | {
        "kind": "portfolio",
        "in force": {"from": "2010-01-01"},
        "where": draw.boolean(2),
        "group by": rng.choice(["loan.kind", "loan.branch", "later.grade"]),
        "measure": rng.choice(["later.balance", "loan.amount", "loan.rate", "loan.amount / 3"]),
        "require": rng.choice(
            ["share <= 0.3", "share <= parameters.cap", "files <= 20", "share < 0.2 or files > 10"]
        ),
    }


def _check(rng: random.Random, draw: Expressions) -> dict[str, Any]:
    applies = {"applies when": draw.boolean(2)} if rng.random() < 0.7 else {}
    require = {"require": draw.boolean(3), "waivable by": 3}
    if rng.random() < 0.6:
        return {"in force": {"from": rng.choice(["2010-01-01", "2024-01-31"])}, **applies, **require}
    versions = [
        {"in force": {"from": "2010-01-01", "until": rng.choice(["2024-01-30", "2024-02-29"])}},
        {"in force": {"from": "2024-03-01"}, "require": draw.boolean(2)},
    ]
    return {**applies, **require, "versions": versions}


def _trigger(rng: random.Random, draw: Expressions) -> dict[str, Any]:
    dated = [name for name in draw.lists if name in draw.scope.lists and "date" in draw.lists[name]]
    body: dict[str, Any] = {"in force": {"from": rng.choice(["2010-01-01", "2024-01-31"])}, "waivable by": 3}
    each = rng.random() < 0.7
    if each:
        of = rng.choice(dated)
        body["for each"] = f"e in {of}"
        draw.items.append(("e", of))
    body["applies when"] = draw.boolean(1)
    body["from"] = "e.date" if each else rng.choice(["loan.signed_on", "review.done_on"])
    body["within"] = rng.choice(
        ['@"P15D"', '@"P1M"', "5 working days", "parameters.days working days", '@"P0D"']
    )
    draw.extra["date"] = ("due",)
    other = rng.choice(dated)
    draw.items.append(("r", other))
    reply = draw.boolean(1)
    draw.items.pop()
    body["expect"] = f"some r in {other} satisfies r.date in [{body['from']}..due] and {reply}"
    return body

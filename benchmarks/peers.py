"""The simple rules of `mix.py` by other means: NumPy, zen-engine and durable_rules.

    numpy                 arrays of the whole book, decimals as floats, each condition computed once, as OpenFisca
                          keeps what it has calculated; the reading of the book is measured too
    zen                   one expression for all rules, which gives the list of their codes; a file comes as JSON
    zen by rule           one compiled expression a rule; a file comes as a dictionary
    durable_rules         files as facts, many at a time; an action is told of all files that meet its pattern
    durable_rules by file a file is a fact, judged before the next one comes

`zen` and `durable_rules` are the fastest that we found these libraries to offer, the others the plain way to use them.
Their files are ready in memory, with the facts that the rules read and no more; zen-engine has JSON numbers,
durable_rules whole numbers in units of the last decimal place, as it compares decimals as floats.

Each way gives a function that judges the first files of a book, in order of loan ids, and gives the codes of each rule:
0 pass, 1 breach, 2 not applicable, 3 unknown. All run in one thread, and write nothing.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import operator
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import mix
import numpy as np
import pyarrow.parquet as pq

Codes = dict[str, np.ndarray]
Value = str | bool | Decimal

#: Files that a way judges: enough for some seconds.
RECORDS = {
    "zen": 100_000,
    "zen by rule": 4_000,
    "durable_rules": 50_000,
    "durable_rules by file": 5_000,
}
#: Facts that durable_rules holds at a time: more or fewer are slower.
TOGETHER = 400
PLACES = {"money": 2, "rate": 8}
OPPOSITE = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "in": "not in", "not in": "in", "between": "outside"}


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of a fact: with a number, with the sum of a number and the fact `plus`, or with listed values."""

    fact: str
    operator: str
    values: tuple[Value, ...]
    plus: str | None = None

    def negated(self) -> Condition:
        return replace(self, operator=OPPOSITE[self.operator])


@dataclass(frozen=True, slots=True)
class Rule:
    """A simple rule: it applies on one condition, and requires that one of some holds."""

    id: str
    applies: Condition
    require: tuple[Condition, ...]
    #: The fact of `require` that files may lack.
    open: str | None


def condition(sql: str) -> Condition:
    if match := re.fullmatch(r"(\w+) ([<>]=?) (?:(\w+) \+ )?([\d.]+)", sql):
        return Condition(match[1], match[2], (Decimal(match[4]),), match[3])
    if match := re.fullmatch(r"(\w+) BETWEEN (\S+) AND (\S+)", sql):
        return Condition(match[1], "between", (Decimal(match[2]), Decimal(match[3])))
    if match := re.fullmatch(r"(\w+) in \((.*)\)", sql):
        return Condition(match[1], "in", tuple(v.strip(" '") for v in match[2].split(",")))
    if match := re.fullmatch(r"(\w+) (=|<>) '(\w+)'", sql):
        return Condition(match[1], "in" if match[2] == "=" else "not in", (match[3],))
    if match := re.fullmatch(r"not\((\w+)\)", sql):
        return Condition(match[1], "in", (False,))
    return Condition(sql, "in", (True,))


def rules() -> list[Rule]:
    found = []
    for rule in mix.rules(("simple",)):
        require = tuple(condition(text) for text in rule.sql_require.split(" or "))
        missing = next((c.fact for c in require if c.fact in mix.OPEN), None)
        found.append(Rule(rule.id, condition(rule.sql_applies), require, missing))
    return found


def facts_read() -> list[str]:
    return sorted({c.fact for rule in rules() for c in (rule.applies, *rule.require)})


def texts(book: Path, count: int, whole: bool = False) -> list[str]:
    """The first files as JSON, with the facts that the rules read; `whole`: decimals in units of their last place."""
    fields = []
    for name in facts_read():
        places = PLACES.get(mix.FACTS[name][0], 0) if whole else 0
        value = f'CAST("loan.{name}" * {10**places} AS BIGINT)' if places else f'"loan.{name}"'
        fields.append(f"'{name}': {value}")
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT CAST(to_json({{{', '.join(fields)}}}) AS VARCHAR) FROM read_parquet('{book / 'loans.parquet'}') "
            f"ORDER BY loan_id LIMIT {count}"
        ).fetchall()
    return [text for (text,) in found]


# -- NumPy --------------------------------------------------------------------------------------------------------

COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}


def arrays(book: Path) -> dict[str, np.ndarray]:
    """The facts that the rules read: numbers as floats, values of an enumeration by their places in it."""
    table = pq.read_table(book / "loans.parquet", columns=[f"loan.{name}" for name in facts_read()])
    found = {}
    for name in facts_read():
        type_, values = mix.FACTS[name]
        column = table[f"loan.{name}"].combine_chunks()
        if isinstance(values[0], str):
            encoded = column.dictionary_encode()
            places = np.array([values.index(v) for v in encoded.dictionary.to_pylist()], np.int8)
            found[name] = places[encoded.indices.to_numpy(zero_copy_only=False)]
        else:
            number = column if type_ == "boolean" else column.cast("float64")
            found[name] = number.to_numpy(zero_copy_only=False)
    return found


def holds(c: Condition, facts: dict[str, np.ndarray]) -> np.ndarray:
    fact = facts[c.fact]
    match c.operator, c.values:
        case "in", (bool(wanted),):
            return fact if wanted else ~fact
        case "in", (str(name),):
            return np.asarray(fact == mix.FACTS[c.fact][1].index(name))
        case "not in", (str(name),):
            return np.asarray(fact != mix.FACTS[c.fact][1].index(name))
        case (("in" | "not in"), _):
            names = mix.FACTS[c.fact][1]
            chosen = np.array([(name in c.values) == (c.operator == "in") for name in names])
            return np.asarray(chosen[fact])
        case "between", (low, high):
            return (fact >= float(low)) & (fact <= float(high))
    limit = float(c.values[0]) + (facts[c.plus] if c.plus else 0)
    return np.asarray(COMPARED[c.operator](fact, limit))


def by_numpy(folder: Path, book: Path, options: argparse.Namespace) -> Callable[[], Codes]:
    judged = rules()

    def run() -> Codes:
        facts = arrays(book)
        known: dict[Condition, np.ndarray] = {}

        def held(c: Condition) -> np.ndarray:
            if c not in known:
                known[c] = holds(c, facts)
            return known[c]

        found = {}
        for rule in judged:
            met = functools.reduce(np.logical_or, map(held, rule.require))
            code = (~met).view(np.int8)
            if rule.open:
                code = np.where(~met & np.isnan(facts[rule.open]), np.int8(3), code)
            found[rule.id] = np.where(held(rule.applies), code, np.int8(2))
            np.bincount(found[rule.id], minlength=4)
        return found

    return run


# -- zen-engine ---------------------------------------------------------------------------------------------------


def zen_text(c: Condition) -> str:
    values = [str(v) if isinstance(v, Decimal) else json.dumps(v) for v in c.values]
    match c.operator:
        case "between":
            return f"{c.fact} in [{values[0]}..{values[1]}]"
        case "in" | "not in" if len(values) == 1:
            return f"{c.fact} {'==' if c.operator == 'in' else '!='} {values[0]}"
        case "in" | "not in":
            return f"{c.fact} {c.operator} [{', '.join(values)}]"
    return f"{c.fact} {c.operator} {f'{c.plus} + ' if c.plus else ''}{values[0]}"


def zen_code(rule: Rule) -> str:
    code = f"({' or '.join(map(zen_text, rule.require))} ? 0 : 1)"
    if rule.open:
        others = " or ".join(zen_text(c) for c in rule.require if c.fact != rule.open)
        code = f"({rule.open} == null ? ({others} ? 0 : 3) : {code})"
    return f"({zen_text(rule.applies)} ? {code} : 2)"


def by_zen(folder: Path, book: Path, options: argparse.Namespace) -> Callable[[], Codes]:
    import zen

    judged = rules()
    expression = zen.compile_expression(f"[{', '.join(map(zen_code, judged))}]")
    files = texts(book, RECORDS["zen"])

    def run() -> Codes:
        found = np.array([expression.evaluate(file) for file in files], np.int8)
        return {rule.id: found[:, n] for n, rule in enumerate(judged)}

    return run


def by_zen_by_rule(folder: Path, book: Path, options: argparse.Namespace) -> Callable[[], Codes]:
    import zen

    judged = rules()
    expressions = [zen.compile_expression(zen_code(rule)) for rule in judged]
    files = [json.loads(text) for text in texts(book, RECORDS["zen by rule"])]

    def run() -> Codes:
        found = np.array([[e.evaluate(file) for e in expressions] for file in files], np.int8)
        return {rule.id: found[:, n] for n, rule in enumerate(judged)}

    return run


# -- durable_rules ------------------------------------------------------------------------------------------------

OPERATORS = {"<=": "$lte", "<": "$lt", ">=": "$gte", ">": "$gt"}
#: What one fact has to meet, all of it.
Pattern = list[dict[str, Any]]


def alternatives(c: Condition) -> list[Pattern]:
    """Patterns of which the files that meet the condition meet one: alternatives within a pattern are slower."""
    places = PLACES.get(mix.FACTS[c.fact][0], 0)
    values = [int(v.scaleb(places)) if isinstance(v, Decimal) else v for v in c.values]
    match c.operator:
        case "in":
            return [[{c.fact: value}] for value in values]
        case "not in":
            return [[{"$neq": {c.fact: value}} for value in values]]
        case "between":
            return [[{"$gte": {c.fact: values[0]}}, {"$lte": {c.fact: values[1]}}]]
        case "outside":
            return [[{"$lt": {c.fact: values[0]}}], [{"$gt": {c.fact: values[1]}}]]
    value = {"$add": {"$l": {"$m": c.plus}, "$r": values[0]}} if c.plus else values[0]
    return [[{OPERATORS[c.operator]: {c.fact: value}}]]


def joined(*conditions: Condition) -> Iterator[Pattern]:
    for chosen in itertools.product(*map(alternatives, conditions)):
        yield list(itertools.chain.from_iterable(chosen))


def patterns(judged: list[Rule]) -> Iterator[tuple[list[int], int, Pattern]]:
    """Which rules get which code of a file that meets which pattern; a pass is what no pattern says.

    That rules do not apply is one pattern for all that apply on the same condition, and what a pattern begins with is
    shared by all that begin so: durable_rules tests it once.
    """
    scopes: dict[Condition, list[int]] = {}
    for n, rule in enumerate(judged):
        scopes.setdefault(rule.applies, []).append(n)
    for applies, numbers in scopes.items():
        for pattern in joined(applies.negated()):
            yield numbers, 2, pattern
    for n, rule in enumerate(judged):
        for pattern in joined(rule.applies, *(c.negated() for c in rule.require)):
            yield [n], 1, pattern
        if rule.open:
            others = [c.negated() for c in rule.require if c.fact != rule.open]
            for applies, rest in itertools.product(joined(rule.applies), joined(*others)):
                yield [n], 3, [*applies, {"$nex": {rule.open: 1}}, *rest]


def durable_rule(pattern: Pattern, run: Callable[[Any], None], **settings: int) -> dict[str, Any]:
    return {"all": [{"m": {"$and": pattern} if len(pattern) > 1 else pattern[0]}], "run": run, **settings}


def durable_files(book: Path, count: int) -> list[dict[str, Any]]:
    """Facts, numbered from 0; a fact that is missing is no property."""
    found = [json.loads(text) for text in texts(book, count, whole=True)]
    return [
        {"sid": "files", "id": n, **{k: v for k, v in file.items() if v is not None}}
        for n, file in enumerate(found)
    ]


def durable_host(ruleset: dict[str, Any]) -> Any:
    from durable.engine import Host

    class OneThread(Host):  # type: ignore[misc]
        def _run(self) -> None:
            """No timers: there are no rules on time, and its threads race with the deletion of facts."""

    return OneThread({"simple": ruleset})


def by_durable_rules(folder: Path, book: Path, options: argparse.Namespace) -> Callable[[], Codes]:
    from durable.engine import MessageNotHandledException

    judged = rules()
    files = durable_files(book, RECORDS["durable_rules"])
    codes = np.zeros((len(judged), len(files)), np.int8)

    def action(numbers: list[int], code: int) -> Callable[[Any], None]:
        def run(c: Any) -> None:
            met = [file.id for file in c.m]
            for n in numbers:
                codes[n, met] = code

        return run

    ruleset = {
        str(n): durable_rule(pattern, action(numbers, code), cap=TOGETHER)
        for n, (numbers, code, pattern) in enumerate(patterns(judged))
    }
    # Actions start when the last fact of a batch meets a pattern. Without any, a state cannot be deleted either.
    ruleset["last"] = durable_rule([{"last": True}], lambda c: None)
    host = durable_host(ruleset)

    def run() -> Codes:
        for start in range(0, len(files), TOGETHER):
            # Raised where a file meets no pattern: it passes.
            with suppress(MessageNotHandledException):
                host.assert_facts("simple", files[start : start + TOGETHER])
            host.assert_fact("simple", {"sid": "files", "id": "last", "last": True})
            host.delete_state("simple", "files")
        return {rule.id: codes[n] for n, rule in enumerate(judged)}

    return run


def by_durable_rules_by_file(folder: Path, book: Path, options: argparse.Namespace) -> Callable[[], Codes]:
    from durable.engine import MessageNotHandledException

    judged = rules()
    files = durable_files(book, RECORDS["durable_rules by file"])
    codes = np.zeros((len(judged), len(files)), np.int8)

    def action(numbers: list[int], code: int) -> Callable[[Any], None]:
        def run(c: Any) -> None:
            codes[numbers, c.m.id] = code

        return run

    host = durable_host(
        {
            str(n): durable_rule(pattern, action(numbers, code))
            for n, (numbers, code, pattern) in enumerate(patterns(judged))
        }
    )

    def run() -> Codes:
        for file in files:
            with suppress(MessageNotHandledException):
                host.assert_fact("simple", file)
            host.retract_fact("simple", file)
        return {rule.id: codes[n] for n, rule in enumerate(judged)}

    return run


WAYS: dict[str, Callable[[Path, Path, argparse.Namespace], Callable[[], Codes]]] = {
    "numpy": by_numpy,
    "zen": by_zen,
    "zen by rule": by_zen_by_rule,
    "durable_rules": by_durable_rules,
    "durable_rules by file": by_durable_rules_by_file,
}

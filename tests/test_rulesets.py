"""Rulesets stay within what durable_rules does well: their form, and limits that are tried on the engine itself."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import islice, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from agreement import Generator, Large, constants_of, generated_book
from policies import policy
from test_replay import generated_pack

from sancha.engine.book.store import iter_files, read_reference
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.run import guard
from sancha.engine.run.guard import Session, TableSession
from sancha.engine.run.ruleset_limits import (
    MOST_JOINS,
    MOST_PATTERNS,
    MOST_PROPERTIES,
    MOST_RULES,
    MOST_WAITING,
    most_waiting,
    patterns,
    within,
)
from sancha.engine.run.to_rulesets import Rulesets, to_rulesets

ROOT = Path(__file__).resolve().parent.parent
PACKS = [
    "rules",
    "examples/sba/pack",
    "examples/bpic2012/pack",
    "generated 1",
    "generated 2",
    "drawn 3",
    "drawn 4",
]
EXACT = 2**53
SIGNS = {"$lt", "$lte", "$gt", "$gte", "$neq"}


def pack_of(name: str, folder: Path) -> Pack:
    kind, _, seed = name.partition(" ")
    match kind:
        case "generated":
            return generated_pack(folder / "pack", int(seed))
        case "drawn":
            return policy(folder / "pack", int(seed))
    return load_pack(ROOT / name)


def all_rulesets(made: Rulesets) -> Iterator[Mapping[str, Any]]:
    yield from (ruleset.rules for ruleset in made.rulesets)
    for table in made.tables:
        yield from table.rulesets


# -- their form -------------------------------------------------------------------------------------------------------


def faults(rules: Mapping[str, Any]) -> Iterator[str]:
    """What of a ruleset is outside the form that keeps the engine exact."""
    if len(rules) > 200:
        yield f"{len(rules)} rules"
    names: set[str] = set()
    for name, rule in rules.items():
        if rule.keys() != {"all"} or not 1 <= len(rule["all"]) <= 16:
            yield f"{name} is no conjunction of patterns"
            continue
        aliases: list[str] = []
        for place, pattern in enumerate(rule["all"]):
            ((alias, body),) = pattern.items()
            parts = body.get("$and", [body])
            wrong = [f"{name}: {fault}" for fault in _pattern_faults(place, parts, aliases)]
            yield from wrong
            names |= set() if wrong else {*_names(parts)}
            if alias in aliases or alias == "m" or len({*aliases, alias}) != place + 1:
                yield f"{name}: {alias} names two facts"
            aliases.append(alias)
    if names & {"id", "sid"}:
        yield "a condition on an id"
    if len({fnv(name) for name in names | {"id", "sid", "t", "one"}}) != len(
        names | {"id", "sid", "t", "one"}
    ):
        yield "two properties have one hash"


def _pattern_faults(place: int, parts: list[Any], aliases: list[str]) -> Iterator[str]:
    if parts[0].keys() != {"t"} or type(parts[0]["t"]) is not int:
        yield "the first condition does not tell the kind"
    joins = []
    for part in parts:
        ((sign, value),) = part.items()
        if sign.startswith("$"):
            if sign not in SIGNS or len(value) != 1:
                yield f"a condition {sign}"
                continue
            ((_, value),) = value.items()
        if isinstance(value, dict):
            ((alias, other),) = value.items()
            joins.append(part)
            if alias not in aliases or other in ("id", "sid"):
                yield f"a join with {alias}.{other}"
        elif joins:
            yield "a constant after a join"
        elif type(value) is not int or abs(value) > EXACT:
            yield f"a constant {value!r}"
    if bool(joins) is not bool(place):
        yield "every pattern but the first joins"
    if joins and joins[-1] not in ({"$gte": {"one": {alias: "one"}}} for alias in aliases):
        yield "the last join may be false"


def _names(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        ((name, value),) = part.items()
        if name.startswith("$"):
            ((name, value),) = value.items()
        yield name
        if isinstance(value, dict):
            yield from value.values()


def fnv(text: str) -> int:
    """The 32-bit hash by which the engine tells names apart: FNV-1a."""
    found = 0x811C9DC5
    for byte in text.encode():
        found = (found ^ byte) * 0x01000193 & 0xFFFFFFFF
    return found


@pytest.mark.parametrize("name", PACKS)
def test_rulesets_have_the_form_that_keeps_the_engine_exact(name: str, tmp_path: Path) -> None:
    made = to_rulesets(lower(pack_of(name, tmp_path)))
    assert [fault for rules in all_rulesets(made) for fault in faults(rules)] == []
    for rules in all_rulesets(made):
        assert within(rules)


def test_the_form_is_looked_at() -> None:
    """Each of these is a fault."""
    first, last = {"f": {"$and": [{"t": 0}, {"s1": 1}]}}, {"$gte": {"one": {"f": "one"}}}
    sound = [first, {"g": {"$and": [{"t": 1}, {"$lt": {"v": {"f": "s1"}}}, last]}}]
    assert list(faults({"r": {"all": sound}})) == []
    wrong: list[list[Any]] = [
        [{"f": {"$and": [{"s1": 1}, {"t": 0}]}}],
        [{"f": {"$and": [{"t": 0}, {"s1": "text"}]}}],
        [{"f": {"$and": [{"t": 0}, {"s1": True}]}}],
        [{"f": {"$and": [{"t": 0}, {"s1": 2**53 + 1}]}}],
        [{"f": {"$and": [{"t": 0}, {"$or": [{"s1": 1}]}]}}],
        [first, {"g": {"$and": [{"t": 1}, last, {"s1": 1}]}}],
        [first, {"g": {"$and": [{"t": 1}, {"$lt": {"v": {"f": "s1"}}}]}}],
        [first, {"g": {"$and": [{"t": 1}, {"$lt": {"v": {"h": "s1"}}}, last]}}],
        [first, {"g": {"$and": [{"t": 1}, {"$lt": {"v": {"f": "id"}}}, last]}}],
        [first, {"g": {"t": 1}}],
    ]
    assert all(list(faults({"r": {"all": rule}})) for rule in wrong)
    assert list(faults({"r": {"all": sound, "count": 3}})) and list(faults({"r": {"any": sound}}))


@pytest.mark.parametrize("name", ["rules", "generated 1", "drawn 3"])
def test_facts_are_whole_numbers(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the file: values at thresholds and at the ends of their types, texts of all kinds, all of it missing."""
    given: list[dict[str, Any]] = []

    def taken(handle: int, text: str) -> tuple[int, int]:
        given.append(json.loads(text))
        return (1, 0)

    deaf = SimpleNamespace(assert_fact=taken, delete_state=lambda *_: None, error=Exception)
    monkeypatch.setattr(guard, "engine", deaf)
    monkeypatch.setattr(guard, "_registered", lambda *_: SimpleNamespace(_handle=0))
    pack = pack_of(name, tmp_path)
    made = to_rulesets(lower(pack))
    tables = {rules.number: TableSession(rules) for rules in made.tables}
    sessions = [Session(ruleset, made, tables, pack) for ruleset in made.rulesets]
    for generator in (Generator(1, constants_of(pack)), Large(2, {}), Generator(3, {}, missing=1)):
        book = generated_book(
            tmp_path / str(generator.missing) / type(generator).__name__, pack.vocabulary, generator, 12
        )
        reference = read_reference(book, pack.vocabulary)
        for file in iter_files(book, pack.vocabulary):
            for session in sessions:
                session.judge(file, reference, book.as_of)
    assert len(given) > 100
    for fact in given:
        assert type(fact.pop("sid")) is str
        assert all(type(value) is int and abs(value) <= EXACT for value in fact.values())
        assert len(fact) <= MOST_PROPERTIES + 1


# -- the engine's limits ----------------------------------------------------------------------------------------------

#: Runs rulesets in a process of its own: for each what fired of some facts, or what the engine said.
CHILD = """
import json, sys
import durable_rules_engine as engine
from sancha.engine.run.guard import EngineError, _registered, _Run

for number, (rules, files) in enumerate(json.load(sys.stdin)):
    told = []
    try:
        ruleset = _registered(f"case{number}", rules)
        for facts in files:
            try:
                with _Run(ruleset) as run:
                    for fact in facts:
                        run.give(fact)
                told.append(sorted(name for name, _ in run.fired if name != "begin"))
            except EngineError as error:
                told.append(str(error))
    except engine.error as error:
        told = str(error)
    print(json.dumps(told), flush=True)
"""

Rules = dict[str, Any]
Files = list[list[dict[str, int]]]


def run_cases(cases: list[tuple[Rules, Files]]) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(cases), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def scalar(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"all": [{"f": {"$and": [{"t": 0}, *parts]}}]}


def joined(kind: int, *parts: dict[str, Any]) -> dict[str, Any]:
    return {f"g{kind}": {"$and": [{"t": kind}, *parts, {"$gte": {"one": {"f": "one"}}}]}}


def waiting(count: int, *, meets: bool) -> tuple[Rules, Files]:
    """Rules that begin with conditions of their own, which all hold, and go on with one that holds or does not."""
    rules = {
        f"r{n}": scalar({"$gte": {f"s{n}": 0}}, {("$lt" if meets else "$gt"): {f"s{n}": 5}})
        for n in range(count)
    }
    return rules, [[{"t": 0, "one": 1, **{f"s{n}": 1 for n in range(count)}}]]


def joining(count: int) -> tuple[Rules, Files]:
    """Rules that join the same kind of facts."""
    rules = {
        f"r{n}": {"all": [{"f": {"$and": [{"t": 0}, {"q": n}]}}, joined(5, {"$gt": {"v": {"f": "w"}}})]}
        for n in range(count)
    }
    return rules, [[{"t": 5, "one": 1, "v": 3}, {"t": 0, "one": 1, "q": 2, "w": 1}]]


def wide(count: int) -> tuple[Rules, Files]:
    rules = {"r0": scalar(*({f"s{n}": 1} for n in range(count - 1)))}
    return rules, [[{"t": 0, **{f"s{n}": 1 for n in range(count - 1)}}]]


def long(count: int) -> tuple[Rules, Files]:
    """A rule of so many patterns."""
    joins = [joined(n, {"$gt": {"v": {"f": "w"}}}) for n in range(1, count)]
    facts = [{"t": n, "one": 1, "v": 3} for n in range(1, count)]
    return {"r0": {"all": [{"f": {"t": 0}}, *joins]}}, [[*facts, {"t": 0, "one": 1, "w": 1}]]


def dense(count: int) -> tuple[Rules, Files]:
    """A pattern of so many joins."""
    joins = [{"$gt": {"v": {"f": f"w{n}"}}} for n in range(count)]
    facts = [{"t": 1, "one": 1, "v": 3}, {"t": 0, "one": 1, **{f"w{n}": 1 for n in range(count)}}]
    return {"r0": {"all": [{"f": {"t": 0}}, joined(1, *joins)]}}, [facts]


def test_the_limits_are_the_engines() -> None:
    """At a limit all fires that should; beyond it the engine refuses, and says so. `within` knows the same."""
    cases = [
        (waiting(MOST_WAITING, meets=True), MOST_WAITING),
        (waiting(MOST_WAITING, meets=False), 0),
        (joining(MOST_WAITING), 1),
        (wide(MOST_PROPERTIES), 1),
        (long(MOST_PATTERNS), 1),
        (dense(MOST_JOINS), 1),
    ]
    for ((rules, _), fires), told in zip(cases, run_cases([case for case, _ in cases]), strict=True):
        assert within(rules) and [len(fired) for fired in told] == [fires]
    beyond = [
        (waiting(MOST_WAITING + 1, meets=True), "303"),
        (waiting(MOST_WAITING + 1, meets=False), "303"),
        (joining(MOST_WAITING + 1), "303"),
        (wide(MOST_PROPERTIES + 3), "302"),
        (long(MOST_PATTERNS + 1), "304"),
        (dense(MOST_JOINS + 1), "113"),
    ]
    for ((rules, _), code), told in zip(beyond, run_cases([case for case, _ in beyond]), strict=True):
        assert not within(rules)
        assert (told if isinstance(told, str) else told[0]).endswith(f"error code: {code}")


def test_what_is_within_the_limits_is_not_refused() -> None:
    """Rulesets drawn near the limit of what may wait: all that are within take any fact, and give the right answer."""
    rng = random.Random(5)
    cases: list[tuple[Rules, Files]] = []
    near = 0
    while len(cases) < 24:
        properties = [f"s{n}" for n in range(rng.choice([3, 12, 40]))]
        rules = {
            f"r{n}": scalar(*(drawn(rng, name) for name in sorted(rng.sample(properties, rng.randint(1, 3)))))
            for n in range(rng.randint(40, MOST_RULES))
        }
        if not within(rules):
            continue
        near += most_waiting(patterns(rules)) > MOST_WAITING // 2
        files = [
            [{"t": 0, "one": 1, **{name: rng.randint(-2, 7) for name in properties if rng.random() < 0.95}}]
            for _ in range(40)
        ]
        cases.append((rules, files))
    assert near > 12
    for (rules, files), told in zip(cases, run_cases(cases), strict=True):
        assert told == [
            sorted(name for name, rule in rules.items() if holds(rule, file[0])) for file in files
        ]


def drawn(rng: random.Random, name: str) -> dict[str, Any]:
    sign, value = rng.choice(["", *sorted(SIGNS)]), rng.randint(-1, 6)
    return {sign: {name: value}} if sign else {name: value}


def holds(rule: dict[str, Any], fact: dict[str, int]) -> bool:
    tests = {
        "$lt": int.__lt__,
        "$lte": int.__le__,
        "$gt": int.__gt__,
        "$gte": int.__ge__,
        "$neq": int.__ne__,
    }
    for part in rule["all"][0]["f"]["$and"]:
        ((sign, value),) = part.items()
        name = sign
        if sign in tests:
            ((name, value),) = value.items()
        if name not in fact or not tests.get(sign, int.__eq__)(fact[name], value):
            return False
    return True


def test_numbers_are_exact_to_the_limit() -> None:
    """As constants and as facts, beside constants and beside facts, with every sign."""
    numbers = sorted(
        {sign * (n + step) for n in (0, 2**31, 2**32, EXACT - 1) for step in (0, 1) for sign in (1, -1)}
    )
    cases: list[tuple[Rules, Files]] = []
    for constant in numbers:
        rules: Rules = {}
        for sign in ("", *sorted(SIGNS)):
            rules[f"c{sign}"] = scalar({sign: {"w": constant}} if sign else {"w": constant})
            part: dict[str, Any] = {"v": {"f": "w"}}
            rules[f"j{sign}"] = {"all": [{"f": {"t": 0}}, joined(1, {sign: part} if sign else part)]}
        cases.append(
            (rules, [[{"t": 1, "one": 1, "v": constant}, {"t": 0, "one": 1, "w": n}] for n in numbers])
        )
    mirrored = {"": "", "$neq": "$neq", "$lt": "$gt", "$lte": "$gte", "$gt": "$lt", "$gte": "$lte"}
    for constant, (rules, _), told in zip(numbers, cases, run_cases(cases), strict=True):
        for n, fired in zip(numbers, told, strict=True):
            signs = [s for s in mirrored if holds(rules[f"c{s}"], {"t": 0, "w": n})]
            assert fired == sorted([*(f"c{s}" for s in signs), *(f"j{mirrored[s]}" for s in signs)]), (
                constant,
                n,
            )


def test_ids_of_facts_keep_apart() -> None:
    """The engine tells facts apart by a hash of 32 bits: those of a session's running numbers differ."""
    hashes = {fnv(str(number)) for number in range(1, 100_001)}
    assert len(hashes) == 100_000


def test_what_may_wait_is_counted() -> None:
    def count(*rules: list[dict[str, Any]]) -> int:
        return most_waiting(patterns({f"r{n}": scalar(*rule) for n, rule in enumerate(rules)}))

    one, two = {"s0": 1}, {"s0": 2}
    assert count([one], [two]) == 1, "no value is both"
    assert count([{"$gt": {"s0": 1}}], [{"$gt": {"s0": 2}}], [{"$lt": {"s0": 9}}]) == 3
    assert count([{"$gt": {"s0": 1}}], [{"$lt": {"s0": 1}}]) == 1
    assert count([one, {"s1": 1}], [one, {"s2": 1}]) == 2, "shared as far as they begin alike"
    assert count([one], [{"s1": 1}], [{"s2": 1}, {"s3": 1}], [{"s2": 1}, {"s4": 1}]) == 4
    assert count([one], [one, {"s1": 1}]) == 1


# -- what is beyond a limit is the guard's ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rules", "drawn 3"])
def test_rulesets_are_few(name: str, tmp_path: Path) -> None:
    """Neighbours share a ruleset as long as they can."""
    made = to_rulesets(lower(pack_of(name, tmp_path)))
    sizes = [len(ruleset.rules) for ruleset in made.rulesets]
    assert all(a + b > 50 for a, b in pairwise(sizes)) or len(list(islice(sizes, 2))) == 1

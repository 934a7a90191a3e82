"""What durable_rules holds: the limits of rulesets, and how near a ruleset comes to them.

They were read from its source (version 2.0.28: events.c, rete.c and state.h of src/rules), and tried: see
tests/test_rulesets.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

#: Rules of a ruleset. Of 257 that end in one condition the engine registers none; of 256 it reads beyond its list.
MOST_RULES = 200
#: Conditions that hold of a fact and wait to be followed up, of rules that hold and of those that do not: of more than
#: 64 the engine refuses the fact, whatever else it meets.
MOST_WAITING = 64
#: Properties of a fact besides `id` and `sid`.
MOST_PROPERTIES = 250
#: Patterns of a rule, and joins of a pattern besides the last one.
MOST_PATTERNS = 16
MOST_JOINS = 28

_HOLDS = {
    "": int.__eq__,
    "$neq": int.__ne__,
    "$lt": int.__lt__,
    "$lte": int.__le__,
    "$gt": int.__gt__,
    "$gte": int.__ge__,
}

#: A condition: its sign, the property, and a constant; or, of a join, a mapping.
Condition = tuple[str, str, Any]


def conditions(pattern: Mapping[str, Any]) -> list[Condition]:
    """The conditions of a pattern of a rule, in the order in which the engine follows them up."""
    ((_, body),) = pattern.items()
    return [_condition(part) for part in body.get("$and", [body])]


def _condition(part: Mapping[str, Any]) -> Condition:
    ((name, value),) = part.items()
    if not name.startswith("$"):
        return ("", name, value)
    ((property_, operand),) = value.items()
    return (name, property_, operand)


def patterns(rules: Mapping[str, Any]) -> Iterator[list[Condition]]:
    for rule in rules.values():
        for pattern in rule["all"]:
            yield conditions(pattern)


def properties(rules: Mapping[str, Any]) -> set[str]:
    """All properties that rules read of facts, those that joins read of other facts among them."""
    found: set[str] = set()
    for pattern in patterns(rules):
        for _, name, operand in pattern:
            found.add(name)
            if isinstance(operand, Mapping):
                found |= set(operand.values())
    return found


def within(rules: Mapping[str, Any]) -> bool:
    """Whether the engine holds a ruleset."""
    return (
        len(rules) <= MOST_RULES
        and len(properties(rules)) <= MOST_PROPERTIES
        and all(len(rule["all"]) <= MOST_PATTERNS for rule in rules.values())
        and all(_joins(pattern) <= MOST_JOINS + 1 for pattern in patterns(rules))
        and most_waiting(patterns(rules)) <= MOST_WAITING
    )


def _joins(pattern: Iterable[Condition]) -> int:
    return sum(isinstance(operand, Mapping) for _, _, operand in pattern)


def most_waiting(tails: Iterable[Sequence[Condition]]) -> int:
    """The conditions that one fact can have waiting at most.

    The engine shares what patterns begin with, but for joins; those that hold after a condition wait together, and are
    followed up one by one, each with what waits after it.
    """
    shared: dict[Condition, list[Sequence[Condition]]] = defaultdict(list)
    together = 0
    deepest = 1
    for tail in tails:
        if not tail:
            continue
        if isinstance(tail[0][2], Mapping):
            # One after another, whether they hold or not.
            together += 1
        else:
            shared[tail[0]].append(tail[1:])
    named: dict[str, list[Condition]] = defaultdict(list)
    for condition, rest in shared.items():
        named[condition[1]].append(condition)
        deepest = max(deepest, most_waiting(rest))
    together += sum(map(_most_at_once, named.values()))
    return together - 1 + deepest if together else 0


def _most_at_once(some: Sequence[Condition]) -> int:
    """How many of the conditions on one property a value meets at most."""
    values = {value for _, _, constant in some for value in (constant - 1, constant, constant + 1)}
    return max(sum(_HOLDS[sign](value, constant) for sign, _, constant in some) for value in values)

"""Rulesets of durable_rules as constructs for CLIPS: the same rules, on the same facts.

A kind of fact of a ruleset is a template, a property a slot; a rule is a rule. Terms that are compared with each other
are facts of their own for durable_rules; here they are slots of the file's fact, so that CLIPS decides in its pattern
network and joins nothing but what answers an obligation. Facts are given by `assert_fact`: as text they are four times
slower.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import clips
import clips._clips

from sancha.engine.run.to_rulesets import FILE_KIND

#: The value of a slot whose property a fact does not have: below all that the engine holds.
NOTHING = -(2**60)
_OPERATORS = {"$eq": "=", "$neq": "<>", "$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
#: Properties that say whether another one is missing: most are 0.
_MARK = re.compile(r"m\d+")

#: The name of a pattern, and a property.
Place = tuple[str, str]
Definition = Mapping[str, Any]
#: A fact given (True) or taken away, by the name of its ruleset.
Step = tuple[str, bool, dict[str, Any]]
#: The same for CLIPS: the template and its slots; of a fact taken away the number of the step that gave it.
Made = tuple[str, dict[str, int], int | None]


@dataclass(frozen=True, slots=True)
class Constructs:
    """Templates with their slots, and rules; a rule concludes by its number, and `names` has its ruleset and name."""

    slots: Mapping[str, tuple[str, ...]]
    rules: tuple[str, ...]
    names: tuple[tuple[str, str], ...]

    def templates(self) -> Iterator[str]:
        for template, slots in self.slots.items():
            declared = (f"(slot {slot} (default {default(slot)}))" for slot in slots)
            yield f"(deftemplate {template} {' '.join(declared)})"


def default(slot: str) -> int:
    return 0 if _MARK.fullmatch(slot) else NOTHING


def to_clips(rulesets: Mapping[str, Definition]) -> Constructs:
    slots: dict[str, dict[str, None]] = {}
    rules: list[str] = []
    names: list[tuple[str, str]] = []
    for ruleset, definition in rulesets.items():
        for name, rule in definition.items():
            patterns = _patterns(ruleset, rule["all"])
            for template, constraints in patterns:
                slots.setdefault(template, {}).update(dict.fromkeys(constraints))
            conditions = " ".join(_pattern(template, constraints) for template, constraints in patterns)
            rules.append(f"(defrule r{len(rules)} {conditions} => (conclude {len(rules)}))")
            names.append((ruleset, name))
    return Constructs({t: tuple(sorted(s, key=_order)) for t, s in slots.items()}, tuple(rules), tuple(names))


def _template(ruleset: str, kind: int) -> str:
    return f"{ruleset}-{kind}" if kind >= 0 else f"{ruleset}-x{-kind}"


def _order(slot: str) -> tuple[str, int, str]:
    """Slots are matched in this order: marks first, which most rules share."""
    name = slot.rstrip("0123456789")
    return ("" if name == "m" else name, int(slot[len(name) :] or 0), slot)


def _pattern(template: str, constraints: Mapping[str, str]) -> str:
    return f"({template} {' '.join(f'({slot} {constraints[slot]})' for slot in sorted(constraints, key=_order))})"


def _patterns(ruleset: str, patterns: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, str]]]:
    """The templates of a rule's patterns with what is asked of their slots."""
    asked = {
        alias: list(_conditions(condition)) for pattern in patterns for alias, condition in pattern.items()
    }
    kinds = {alias: value for alias, found in asked.items() for _, name, value in found if name == "t"}
    literals: dict[Place, list[str]] = {}
    tests: dict[Place, list[str]] = {}
    bound: set[Place] = set()
    first = next(iter(asked))

    def place(alias: str, name: str) -> Place:
        return (first, _own(kinds[alias])) if kinds[alias] > FILE_KIND else (alias, name)

    for alias, found in asked.items():
        for operator, name, value in found:
            # A last condition that is always true is for durable_rules alone.
            if name in ("t", "one"):
                continue
            here = place(alias, name)
            if isinstance(value, Mapping):
                ((other, theirs),) = value.items()
                there = place(other, theirs)
                bound |= {here, there}
                for compared in (here, there):
                    literals.setdefault(compared, []).append(f"~{NOTHING}")
                # Within a pattern a slot is compared with one that stands before it.
                at = max(here, there, key=lambda p: _order(p[1])) if here[0] == there[0] else here
                tests.setdefault(at, []).append(
                    f":({_OPERATORS[operator]} {_variable(here)} {_variable(there)})"
                )
            elif operator == "$eq":
                literals.setdefault(here, []).append(str(value))
            elif operator == "$neq":
                literals.setdefault(here, []).append(f"~{value}&~{NOTHING}")
            else:
                bound.add(here)
                tests.setdefault(here, []).append(f":({_OPERATORS[operator]} {_variable(here)} {value})")
                if operator in ("$lt", "$lte"):
                    literals.setdefault(here, []).append(f"~{NOTHING}")
    places = {*literals, *tests, *bound}
    made = []
    for alias, kind in kinds.items():
        if kind > FILE_KIND:
            continue
        constraints = {
            p[1]: "&".join(
                [_variable(p)] * (p in bound)
                + sorted(set(literals.get(p, ())))
                + sorted(set(tests.get(p, ())))
            )
            for p in places
            if p[0] == alias
        }
        made.append((_template(ruleset, kind), constraints))
    return made


def _own(kind: int) -> str:
    """The property of the file's fact that a fact of its own, of this kind, stands for."""
    return f"s{kind - FILE_KIND - 1}"


def _variable(place: Place) -> str:
    return f"?{place[0]}-{place[1]}"


def _conditions(condition: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    ((key, value),) = condition.items()
    if key == "$and":
        for part in value:
            yield from _conditions(part)
    elif key in _OPERATORS:
        ((name, compared),) = value.items()
        yield key, name, compared
    else:
        yield "$eq", key, value


def facts(constructs: Constructs, steps: Iterable[Step]) -> list[Made]:
    """The facts of a file. What no rule asks for is left out, and what is the slot's default is not said."""
    made: list[Made] = []
    given: dict[tuple[str, Any, Any], int] = {}
    own: dict[str, dict[str, int]] = {}
    for ruleset, is_given, fact in steps:
        kind = fact["t"]
        if kind > FILE_KIND:
            own.setdefault(ruleset, {})[_own(kind)] = fact["v"]
            continue
        template = _template(ruleset, kind)
        place = (ruleset, fact["sid"], fact["id"])
        if template not in constructs.slots:
            continue
        if is_given:
            given[place] = len(made)
            known = {**fact, **own.get(ruleset, {})} if kind == FILE_KIND else fact
            slots = {
                s: v for s in constructs.slots[template] if (v := known.get(s, default(s))) != default(s)
            }
            made.append((template, slots, None))
        else:
            made.append((template, {}, given[place]))
    return made


class Clips:
    """The rules in an environment of CLIPS."""

    def __init__(self, constructs: Constructs) -> None:
        self.environment = clips.Environment()
        self.fired: list[int] = []
        self.environment.define_function(self.fired.append, "conclude")
        for text in (*constructs.templates(), *constructs.rules):
            self.environment.build(text)
        self.templates = {name: self.environment.find_template(name) for name in constructs.slots}

    def run(self, facts: list[Made]) -> list[int]:
        """The numbers of the rules that fired for these facts."""
        self.environment.reset()
        self.fired.clear()
        given: list[Any] = []
        for template, slots, taken in facts:
            if taken is None:
                given.append(self.templates[template].assert_fact(**slots))
            else:
                # What a fact meets is concluded before it is taken away.
                self.environment.run()
                given[taken].retract()
                given.append(None)
        self.environment.run()
        for fact in given:
            if fact is not None:
                _release(fact)
        return list(self.fired)


def _release(fact: Any) -> None:
    """Gives a fact back to CLIPS. clipspy 1.0.6 means to, but calls `ReleaseFact` with an argument too many and passes
    over the error: every fact is kept, and each makes the next ones slower."""
    clips._clips.lib.ReleaseFact(fact._fact)

"""A policy as it stands on one day, held to have been in force on every day: what if it had been so then?"""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import date
from typing import Any, TypeVar

from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import Decision, DecisionVersion, Pack, Parameter, Rule, Version

_Dated = TypeVar("_Dated", Version, DecisionVersion)
#: No file is judged on it.
_NEVER = date.min


def last_change(pack: Pack) -> date:
    """The day from which the pack changes no more by itself: the last on which a version or a value begins."""
    days = [v.valid_from for r in pack.rules.values() for v in r.versions]
    days += [v.valid_from for d in pack.decisions.values() for v in d.versions]
    days += [first for p in pack.parameters.values() for first, _, _ in p.steps]
    return max(days, default=_NEVER)


def as_if(pack: Pack, day: date) -> Pack:
    """The pack with what is in force on `day` in force on every day, and what is not then on none.

    Rules, decisions and tables keep the version of the day, parameters their value of it. The days on which facts
    became known stay as they are, and so do waivers, which were given for their own time, and the calendar.
    SanchaError where no rule is in force on `day`.
    """
    rules = {name: _rule(rule, day) for name, rule in pack.rules.items()}
    decisions = {name: _decision(decision, day) for name, decision in pack.decisions.items()}
    parameters = {name: _parameter(parameter, day) for name, parameter in pack.parameters.items()}
    if all(version_on(rule, day) is None for rule in pack.rules.values()):
        first = min(v.valid_from for r in pack.rules.values() for v in r.versions) if pack.rules else None
        raise SanchaError(
            f"no rule of {pack.name} {pack.version} is in force on {day}",
            where=pack.path,
            help=None if first is None else f"its first rule is in force from {first} on",
        )
    digest = hashlib.sha256(f"{pack.digest} as if of {day}".encode()).hexdigest()
    return dataclasses.replace(
        pack, rules=rules, decisions=decisions, parameters=parameters, digest=f"sha256:{digest}"
    )


def version_on(part: Rule | Decision, day: date) -> Version | DecisionVersion | None:
    """The version of a rule, a decision or a table that is in force on a day."""
    found: Version | DecisionVersion | None = _on(part.versions, day)
    return found


def _on(versions: tuple[Version, ...] | tuple[DecisionVersion, ...], day: date) -> Any:
    held = (v for v in versions if v.valid_from <= day and (v.valid_until is None or day <= v.valid_until))
    return next(held, None)


def _always(version: _Dated) -> _Dated:
    return dataclasses.replace(version, valid_from=date.min, valid_until=None)


def _never(version: _Dated) -> _Dated:
    return dataclasses.replace(version, valid_from=_NEVER, valid_until=_NEVER)


def _rule(rule: Rule, day: date) -> Rule:
    found: Version | None = _on(rule.versions, day)
    version = _never(rule.versions[-1]) if found is None else _always(found)
    return dataclasses.replace(rule, versions=(version,))


def _decision(decision: Decision, day: date) -> Decision:
    found: DecisionVersion | None = _on(decision.versions, day)
    version = _never(decision.versions[-1]) if found is None else _always(found)
    return dataclasses.replace(decision, versions=(version,))


def _parameter(parameter: Parameter, day: date) -> Parameter:
    begun = [step for step in parameter.steps if step[0] <= day]
    steps = tuple((date.min, constant, source) for _, constant, source in begun[-1:])
    return dataclasses.replace(parameter, steps=steps)

"""When time alone may move a rule: its conditions are evaluated on a day that notes what it is compared with.

An evaluation is one path through comparisons. As long as each of them gives the same answer, so does the rule. A day
can tell of every comparison from which later day on its answer is another one; the first of these is when the rule has
to be asked again, and on no day before. So a file is judged day by day by looking at the days that matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

from sancha.engine.feel import core as c
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Outcome, RulePlan
from sancha.engine.run.to_python import compile_cores

#: A day, as its ordinal, that never comes.
NEVER = date.max.toordinal() + 1
_OUTCOMES = tuple(Outcome)


class Clock(date):
    """A day that notes the first later day, `wake` (an ordinal), on which a comparison with it has another answer.

    What is subtracted from it, or it from what, gives days that take note alike.
    """

    __slots__ = ("ordinal", "wake")
    ordinal: int
    wake: int

    @classmethod
    def on(cls, ordinal: int) -> Clock:
        clock = cls.fromordinal(ordinal)
        clock.ordinal = ordinal
        clock.wake = NEVER
        return clock

    def note(self, days: int) -> None:
        """So many days later an answer is another one."""
        if days > 0 and self.ordinal + days < self.wake:
            self.wake = self.ordinal + days

    def __lt__(self, other: date) -> bool:
        days = other.toordinal() - self.ordinal
        if days > 0 and other is not self and self.ordinal + days < self.wake:
            self.wake = self.ordinal + days
        return days > 0

    def __ge__(self, other: date) -> bool:
        return not self < other

    def __le__(self, other: date) -> bool:
        days = other.toordinal() + 1 - self.ordinal
        if days > 0 and other is not self and self.ordinal + days < self.wake:
            self.wake = self.ordinal + days
        return days > 0

    def __gt__(self, other: date) -> bool:
        return not self <= other

    def __eq__(self, other: object) -> bool:
        if other is self or not isinstance(other, date):
            return other is self
        days = other.toordinal() - self.ordinal
        self.note(days or 1)
        return days == 0

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        self.note(1)
        return hash(date.fromordinal(self.ordinal))

    def __sub__(self, other: object) -> Any:
        if not isinstance(other, date):
            return NotImplemented
        return Span(self, self.ordinal - other.toordinal(), 0 if other is self else 1)

    def __rsub__(self, other: object) -> Any:
        if not isinstance(other, date):
            return NotImplemented
        return Span(self, other.toordinal() - self.ordinal, -1)


class Span:
    """The time between two days of which one is the clock's."""

    __slots__ = ("days",)

    def __init__(self, clock: Clock, days: int, slope: int) -> None:
        self.days = Days(clock, days, slope)


class Days:
    """Days that grow (slope 1) or shrink (-1) with the clock, and note what they are compared with there.

    They are no number, lest something compute with them unnoticed.
    """

    __slots__ = ("clock", "days", "slope")

    def __init__(self, clock: Clock, days: int, slope: int) -> None:
        self.clock = clock
        self.days = days
        self.slope = slope

    def _until(self, other: Any, ends: bool) -> Any:
        """The other number; noted is the day on which it is reached (`ends`: the answer changes there) or passed."""
        if isinstance(other, Days):
            self.clock.note(1)
            return other.days
        if self.slope:
            left = (other - self.days) * self.slope
            self.clock.note(math.ceil(left) if ends else math.floor(left) + 1)
        return other

    # Upwards, what is below a number is so until the number is reached, downwards what is not below it until it is
    # passed; what is equal to it no longer is on the next day.
    def __lt__(self, other: Any) -> bool:
        return bool(self.days < self._until(other, self.slope > 0))

    def __ge__(self, other: Any) -> bool:
        return bool(self.days >= self._until(other, self.slope > 0))

    def __le__(self, other: Any) -> bool:
        return bool(self.days <= self._until(other, self.slope < 0))

    def __gt__(self, other: Any) -> bool:
        return bool(self.days > self._until(other, self.slope < 0))

    def __eq__(self, other: object) -> bool:
        self._until(other, True)
        return bool(self.days == self._until(other, False))

    def __hash__(self) -> int:
        self.clock.note(1)
        return hash(self.days)


class RuleClock:
    """A rule's outcome on a day, and the day from which on time alone may give another one.

    It is the row evaluator's code, on facts as it takes them. A rule that computes with the day otherwise than by
    comparing it, or days since or until it, is asked again on the next day.
    """

    def __init__(self, plan: RulePlan, pack: Pack) -> None:
        self.outcome = compile_cores([plan.code], plan.lets, pack.calendar)
        self.daily = computes_with_the_day(plan)

    def judge(
        self,
        facts: Mapping[str, object],
        lists: Mapping[str, Any],
        reference: Mapping[str, Any],
        clock: Clock,
    ) -> tuple[Outcome, int]:
        """(outcome, the ordinal of the day)"""
        if self.daily:
            (code,) = self.outcome(facts, lists, reference, date.fromordinal(clock.ordinal))
            return _OUTCOMES[code], clock.ordinal + 1
        clock.wake = NEVER
        (code,) = self.outcome(facts, lists, reference, clock)
        return _OUTCOMES[code], clock.wake


def computes_with_the_day(plan: RulePlan) -> bool:
    """Whether a rule's outcome rests on a value that is computed of the day it is judged on."""
    seeker = _Seeker(dict(plan.lets))
    return seeker.of_the_day(plan.code, {}) or seeker.found


#: Operators whose answer is by comparison.
_COMPARED = frozenset({"=", "!=", "<", "<=", ">", ">="})


class _Seeker:
    """Follows the day through a rule: a value is "of the day" where it grows with it."""

    def __init__(self, lets: Mapping[str, c.Core]) -> None:
        self.lets = lets
        self.known: dict[str, bool] = {}
        self.found = False

    def of_the_day(self, node: c.Core, bound: Mapping[str, bool]) -> bool:
        match node:
            case c.Var(name="as_of"):
                return True
            case c.Var():
                if node.name in bound:
                    return bound[node.name]
                if node.name not in self.known:
                    self.known[node.name] = node.name in self.lets and self.of_the_day(
                        self.lets[node.name], {}
                    )
                return self.known[node.name]
            case c.Let():
                value = self.of_the_day(node.value, bound)
                return self.of_the_day(node.body, {**bound, node.name: value})
            case c.If():
                self.of_the_day(node.condition, bound)
                return self.either(node.then, node.otherwise, bound=bound)
            case c.Some():
                self.comp(node.comp, bound)
                self.of_the_day(node.body, bound)
                return False
            case c.Agg():
                inner = self.comp(node.comp, bound)
                if inner and (node.distinct or node.function not in ("min", "max")):
                    self.found = True
                return inner
            case c.Lookup():
                self.found = self.either(*node.inputs, bound=bound) or self.found
                return False
            case c.Op():
                inner = self.either(*node.args, bound=bound)
                if not inner:
                    return False
                if node.row.name in _COMPARED:
                    return False
                self.found = self.found or node.row.name != "days between"
                return True
            case _:
                inner = False
                for part in c.children(node):
                    if isinstance(part, c.Core):
                        inner = self.of_the_day(part, bound) or inner
                    elif isinstance(part, c.Comp):
                        inner = self.comp(part, bound) or inner
                self.found = self.found or (inner and isinstance(node, c.Dynamic | c.Lambda))
                return inner and not isinstance(node, c.And | c.Or | c.Not | c.Is)

    def either(self, *nodes: c.Core, bound: Mapping[str, bool]) -> bool:
        found = [self.of_the_day(node, bound) for node in nodes]  # each is walked through
        return any(found)

    def comp(self, comp: c.Comp, bound: Mapping[str, bool]) -> bool:
        if isinstance(comp.source, c.ListConst) and self.either(*comp.source.items, bound=bound):
            self.found = True
        if comp.where is not None:
            self.of_the_day(comp.where, bound)
        return comp.item is not None and self.of_the_day(comp.item, bound)

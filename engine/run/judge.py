"""Judging files as they change: one interface, and the row evaluator behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Outcome, Plan
from sancha.engine.run.row import Evaluator, Judgement, Reasons, Reference

#: Outcomes whose reasons are given.
EXPLAINED = frozenset({Outcome.BREACH, Outcome.UNKNOWN, Outcome.WAIVED})


@dataclass(frozen=True, slots=True)
class Request:
    """A file to judge on a day by some rules (None: all that speak of files)."""

    file: LoanFile
    as_of: date
    rules: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a rule. Where the engine does not agree with the row evaluator, whose answer this is,
    `engine` is the outcome that it gave (None: none); `disagrees` then is true. `note` says why the engine was not
    asked, or gave no answer."""

    judgement: Judgement
    reasons: Reasons | None
    disagrees: bool = False
    engine: Outcome | None = None
    note: str | None = None


class Judge(Protocol):
    """Judges files: the findings of each request in the order of its rules."""

    def judge(self, requests: Sequence[Request], reference: Reference) -> list[list[Found]]: ...

    def close(self) -> None: ...


class RowJudge:
    """The row evaluator alone, in this process."""

    def __init__(self, pack: Pack, *, hindsight: bool = False, plan: Plan | None = None) -> None:
        self.evaluator = Evaluator(pack, hindsight=hindsight, plan=plan)

    def judge(self, requests: Sequence[Request], reference: Reference) -> list[list[Found]]:
        return [self.one(request, reference) for request in requests]

    def one(self, request: Request, reference: Reference) -> list[Found]:
        file, day = request.file, request.as_of
        judged = self.evaluator.judge(file, reference, day, request.rules)
        return [
            Found(j, self.evaluator.reasons(j, file, reference, day) if j.outcome in EXPLAINED else None)
            for j in judged
        ]

    def close(self) -> None:
        """Nothing is held."""

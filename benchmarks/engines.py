"""The engines that judge a file as it changes, side by side: what `live.py` measures of files.

    durable_rules         as its documentation has it: facts by `Host.assert_fact`, actions that note what fired, the
                          facts ready; nothing guards it
    durable_rules in C    the same facts given to the functions of its C library, without its classes
    guard                 the live engine's sessions, from the file to its outcomes: the same facts, computed
    live                  what a worker does for a file: the guard, and the row evaluator that confirms it, with reasons
    clipspy               the same rules as CLIPS constructs, the same facts, ready
    row                   the row evaluator alone
    row with reasons      the row evaluator with the reasons of what is not well, as `watch` asks for them

All judge the same files by all rules, in turn, in one process and one thread, and come to the same outcomes.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import durable_rules_engine as library
from durable.engine import Host, MessageNotHandledException

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.book.store import iter_files, open_book, read_reference
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome, Plan
from sancha.engine.run.judge import Request, RowJudge
from sancha.engine.run.live import LiveEvaluator
from sancha.engine.run.row import Evaluator, Reference
from sancha.engine.run.to_rulesets import Rulesets, to_rulesets

#: The outcomes of the rules of a file.
Outcomes = dict[str, Outcome]
#: What fired: rulesets, and the names of their rules.
Fired = list[tuple[str, str]]
#: Judges the files, and gives of each what `Way.outcomes` reads.
Run = Callable[[], list[Any]]
GIVE, TAKE, END = "assert_fact", "retract_fact", "delete_state"


@dataclass(frozen=True, slots=True)
class Step:
    """What the C library is told: a fact as JSON, given or taken away, or the slot whose session ends."""

    ruleset: str
    what: str
    text: str


@dataclass(frozen=True)
class Work:
    """Files to judge, and what the ways to judge them share.

    `definitions` are the rulesets that the guard registers, `steps` of each file what it tells them.
    """

    pack: Pack
    plan: Plan
    rulesets: Rulesets
    files: list[LoanFile]
    reference: Reference
    as_of: date
    definitions: dict[str, dict[str, Any]]
    steps: list[list[Step]]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to judge the files; `outcomes` reads what `run` gave of a file, `fired` which rules of the engine fired."""

    run: Run
    outcomes: Callable[[Any], Outcomes]
    fired: Callable[[Any], set[tuple[str, str]]] | None = None


def work(pack_folder: Path, book_folder: Path, count: int) -> Work:
    pack = load_pack(pack_folder)
    plan = lower(pack)
    rulesets = to_rulesets(plan)
    book = open_book(book_folder, pack.vocabulary)
    files = list(itertools.islice(iter_files(book, pack.vocabulary), count))
    reference = read_reference(book, pack.vocabulary)
    noted = _Noted()
    with noted.noting():
        evaluator = LiveEvaluator(pack, plan, rulesets)
        steps = []
        for file in files:
            noted.steps = []
            for session in evaluator.sessions:
                found = session.judge(file, reference, book.as_of)
                if None in found.values():
                    raise SystemExit(
                        f"{file.id}: a number is beyond what the engine holds; draw another book"
                    )
            steps.append(noted.steps)
    return Work(pack, plan, rulesets, files, reference, book.as_of, noted.definitions, steps)


class _Noted:
    """What is told to the C library by whoever uses it."""

    def __init__(self) -> None:
        self.definitions: dict[str, dict[str, Any]] = {}
        self.names: dict[Any, str] = {}
        self.steps: list[Step] = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        own = {name: getattr(library, name) for name in ("create_ruleset", GIVE, TAKE, END)}

        def create_ruleset(name: str, definition: str) -> Any:
            handle = own["create_ruleset"](name, definition)
            self.definitions[name], self.names[handle] = json.loads(definition), name
            return handle

        def note(what: str) -> Callable[[Any, str], Any]:
            def told(handle: Any, text: str) -> Any:
                self.steps.append(Step(self.names[handle], what, text))
                return own[what](handle, text)

            return told

        library.create_ruleset = create_ruleset
        for what in (GIVE, TAKE, END):
            setattr(library, what, note(what))
        try:
            yield
        finally:
            for name, function in own.items():
                setattr(library, name, function)


# -- the ways ---------------------------------------------------------------------------------------------------------


class _Bare(Host):  # type: ignore[misc]
    def _run(self) -> None:
        """No timers: there are no rules on time, and its threads race with the deletion of states."""


def _meaning(work: Work) -> dict[tuple[str, str], tuple[tuple[str, Outcome], ...]]:
    """What it means that a rule of a ruleset fires."""
    return {
        (ruleset.name, f"r{number}"): outcomes
        for ruleset in work.rulesets.rulesets
        for number, outcomes in enumerate(ruleset.meaning)
    }


def _engine_way(work: Work, run: Run, read: Callable[[Any], Fired]) -> Way:
    meaning = _meaning(work)
    return Way(
        run,
        lambda found: _one_each(o for place in read(found) for o in meaning.get(place, ())),
        lambda found: set(read(found)),
    )


def _one_each(found: Iterable[tuple[str, Outcome]]) -> Outcomes:
    outcomes: Outcomes = {}
    for rule, outcome in found:
        if outcomes.setdefault(rule, outcome) is not outcome:
            raise SystemExit(f"two outcomes of {rule}: {outcomes[rule].text} and {outcome.text}")
    return outcomes


def by_durable_rules(work: Work) -> Way:
    fired: Fired = []

    def noting(place: tuple[str, str]) -> Callable[[Any], None]:
        return lambda c: fired.append(place)

    hosts = {}
    for ruleset, definition in work.definitions.items():
        rules = {
            name: {**rule, "run": noting((ruleset, name))} for name, rule in copy.deepcopy(definition).items()
        }
        hosts[ruleset] = _Bare({ruleset: rules})
    told = [
        [
            (hosts[s.ruleset], s.ruleset, s.what, s.text if s.what == END else json.loads(s.text))
            for s in steps
        ]
        for steps in work.steps
    ]

    def run() -> list[Any]:
        answers = []
        for file in told:
            fired.clear()
            for host, name, what, fact in file:
                # Raised where no pattern asks for the fact.
                with suppress(MessageNotHandledException):
                    if what == GIVE:
                        host.assert_fact(name, fact)
                    elif what == TAKE:
                        host.retract_fact(name, fact)
                    else:
                        host.delete_state(name, fact)
            answers.append(list(fired))
        return answers

    return _engine_way(work, run, list)


def by_durable_rules_in_c(work: Work) -> Way:
    hosts = {}
    for ruleset, definition in work.definitions.items():
        rules = {name: {**rule, "run": lambda c: None} for name, rule in copy.deepcopy(definition).items()}
        hosts[ruleset] = _Bare({ruleset: rules})
    handles = {ruleset: host.get_ruleset(ruleset)._handle for ruleset, host in hosts.items()}
    told = [[(s.ruleset, handles[s.ruleset], s.what, s.text) for s in steps] for steps in work.steps]

    def run() -> list[Any]:
        answers = []
        for file in told:
            fired: Fired = []
            for name, handle, what, text in file:
                if what == END:
                    library.delete_state(handle, text)
                    continue
                give = library.assert_fact if what == GIVE else library.retract_fact
                result, state = give(handle, text)
                if result != 0 or not (started := library.start_action_for_state(handle, state)):
                    continue
                context, message = started
                while message:
                    # The message is an object whose one key is the name of the rule.
                    fired.append((name, message[2 : message.index('"', 2)]))
                    library.update_state(handle, context)
                    message = library.complete_and_start_action(handle, state)
            answers.append(fired)
        return answers

    return _engine_way(work, run, list)


def by_guard(work: Work) -> Way:
    sessions = LiveEvaluator(work.pack, work.plan, work.rulesets).sessions

    def run() -> list[Any]:
        answers = []
        for file in work.files:
            found = {}
            for session in sessions:
                found |= session.judge(file, work.reference, work.as_of)
            answers.append(found)
        return answers

    return Way(run, lambda found: _one_each((id, o) for id, all_ in found.items() for o in all_))


def by_live(work: Work) -> Way:
    evaluator = LiveEvaluator(work.pack, work.plan, work.rulesets)

    def run() -> list[Any]:
        return [evaluator.judge(Request(file, work.as_of), work.reference) for file in work.files]

    def outcomes(found: Any) -> Outcomes:
        if any(each.disagrees or each.note for each in found):
            raise SystemExit("the engine and the row evaluator differ")
        return {each.judgement.rule: each.judgement.outcome for each in found}

    return Way(run, outcomes)


def by_clipspy(work: Work) -> Way:
    import to_clips

    constructs = to_clips.to_clips(work.definitions)
    clips = to_clips.Clips(constructs)
    files = [
        to_clips.facts(
            constructs, ((s.ruleset, s.what == GIVE, json.loads(s.text)) for s in steps if s.what != END)
        )
        for steps in work.steps
    ]

    def run() -> list[Any]:
        return [clips.run(file) for file in files]

    return _engine_way(work, run, lambda fired: [constructs.names[number] for number in fired])


def by_row(work: Work) -> Way:
    evaluator = Evaluator(work.pack, plan=work.plan)

    def run() -> list[Any]:
        return [evaluator.judge(file, work.reference, work.as_of) for file in work.files]

    return Way(run, lambda found: {judged.rule: judged.outcome for judged in found})


def by_row_with_reasons(work: Work) -> Way:
    judge = RowJudge(work.pack, plan=work.plan)

    def run() -> list[Any]:
        return [judge.one(Request(file, work.as_of), work.reference) for file in work.files]

    return Way(run, lambda found: {each.judgement.rule: each.judgement.outcome for each in found})


WAYS: dict[str, Callable[[Work], Way]] = {
    "durable_rules": by_durable_rules,
    "durable_rules in C": by_durable_rules_in_c,
    "guard": by_guard,
    "live": by_live,
    "clipspy": by_clipspy,
    "row": by_row,
    "row with reasons": by_row_with_reasons,
}


def compare(ways: dict[str, Way], answers: dict[str, list[Any]]) -> int:
    """How many outcomes were compared. SystemExit where two differ in one, or in a rule of the engine that fired."""
    first = [ways["row"].outcomes(answer) for answer in answers["row"]]
    fired: dict[int, set[tuple[str, str]]] = {}
    compared = 0
    for name, way in ways.items():
        for n, answer in enumerate(answers[name]):
            if way.outcomes(answer) != first[n]:
                raise SystemExit(f"{name} differs from row in file {n}")
            compared += len(first[n])
            if way.fired and fired.setdefault(n, way.fired(answer)) != way.fired(answer):
                raise SystemExit(f"{name}: of file {n} other rules of the engine fire")
    return compared

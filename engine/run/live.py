"""The live way to run a pack: durable_rules behind a guard, in worker processes, confirmed by the row evaluator.

A fault in the engine's C code ends the process that it runs in, and cannot be caught there. It therefore runs in
processes of its own, watched from here: a file on which one ends, or that takes too long, is judged by the row
evaluator, and the finding says so. Every other answer of the engine is compared with the row evaluator's, which stands.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Outcome, Plan
from sancha.engine.run.guard import EngineError, Session, TableSession
from sancha.engine.run.judge import Found, Request, RowJudge
from sancha.engine.run.row import Reference
from sancha.engine.run.to_rulesets import Rulesets, to_rulesets

#: Seconds that a worker may take to be ready, and for a file.
START_LIMIT = 120.0
FILE_LIMIT = 20.0
#: Files that a worker is given at a time.
_CHUNK = 8
#: Bytes that a pipe holds on every system.
_PIPE = 4096
#: Starts in a row that may fail before the engine is given up.
_MOST_STARTS = 3

#: The note of a finding for which the engine was not asked.
BEYOND = "a number beyond what the engine holds exactly"


class LiveEvaluator:
    """The engine, its guard and the row evaluator in this process, which a fault of the engine ends."""

    def __init__(
        self, pack: Pack, plan: Plan, rulesets: Rulesets, told: Callable[[str], None] | None = None
    ) -> None:
        self.row = RowJudge(pack, plan=plan)
        tables = {rules.number: TableSession(rules) for rules in rulesets.tables}
        self.sessions = []
        for ruleset in rulesets.rulesets:
            if told is not None:
                told(ruleset.decides[0])
            self.sessions.append(Session(ruleset, rulesets, tables, pack))

    def judge(self, request: Request, reference: Reference) -> list[Found]:
        """The findings of a file: the row evaluator's, each beside the engine's."""
        rows = self.row.one(request, reference)
        wanted = None if request.rules is None else frozenset(request.rules)
        answers: dict[str, set[Outcome] | str] = {}
        for session in self.sessions:
            asked = [id for id in session.ruleset.decides if wanted is None or id in wanted]
            if not asked:
                continue
            try:
                concluded = session.judge(request.file, reference, request.as_of, wanted)
            except EngineError as error:
                answers |= dict.fromkeys(asked, str(error))
                continue
            answers |= {id: BEYOND if found is None else found for id, found in concluded.items()}
        return [_confirmed(row, answers[row.judgement.rule]) for row in rows]


def _confirmed(row: Found, answer: set[Outcome] | str) -> Found:
    """The row evaluator's finding, with what the engine says of it."""
    if isinstance(answer, str):
        return Found(row.judgement, row.reasons, note=answer)
    if answer == {row.judgement.outcome}:
        return row
    found = " and ".join(o.text for o in sorted(answer)) or "nothing"
    engine = next(iter(answer)) if len(answer) == 1 else None
    note = f"the engine concludes {found}, the row evaluator {row.judgement.outcome.text}"
    return Found(row.judgement, row.reasons, disagrees=True, engine=engine, note=note)


class LiveJudge:
    """Judges files by durable_rules in worker processes."""

    def __init__(
        self, pack: Pack, *, workers: int = 1, hindsight: bool = False, rulesets: Rulesets | None = None
    ) -> None:
        plan = lower(pack, hindsight=hindsight)
        self.rulesets = rulesets or to_rulesets(plan)
        self.row = RowJudge(pack, plan=plan)
        self._given = pickle.dumps((pack, plan, self.rulesets))
        #: How often a worker ended before its time.
        self.ended = 0
        self.workers: list[_Worker] = []
        try:
            self.workers = [_Worker(self._given) for _ in range(max(workers, 1))]
            for worker in self.workers:
                worker.ready()
        except BaseException:
            self.close()
            raise

    def judge(self, requests: Sequence[Request], reference: Reference) -> list[list[Found]]:
        try:
            return self._judge(requests, reference)
        except BaseException:
            # Answers that are still to come must not be taken for those of other files.
            self.close()
            raise

    def _judge(self, requests: Sequence[Request], reference: Reference) -> list[list[Found]]:
        found: list[list[Found] | None] = [None] * len(requests)
        waiting = deque(range(len(requests)))
        for worker in self.workers:
            worker.tell(reference)
        while waiting or any(worker.pending for worker in self.workers):
            for worker in self.workers:
                if waiting and not worker.pending:
                    # The last files are spread over all workers.
                    share = -(-len(waiting) // len(self.workers))
                    numbers = [waiting.popleft() for _ in range(min(_CHUNK, share))]
                    worker.give([(n, requests[n]) for n in numbers])
            busy = [worker for worker in self.workers if worker.pending]
            heard = wait([w.connection for w in busy], timeout=max(min(w.left() for w in busy), 0))
            for worker in busy:
                if worker.connection in heard:
                    why = worker.hear(found)
                else:
                    why = (
                        None if worker.left() > 0 else worker.kill(f"no answer within {FILE_LIMIT:g} seconds")
                    )
                if why is not None:
                    self._replace(worker, why, requests, reference, found, waiting)
        return [answer if answer is not None else [] for answer in found]

    def _replace(
        self,
        worker: _Worker,
        why: str,
        requests: Sequence[Request],
        reference: Reference,
        found: list[list[Found] | None],
        waiting: deque[int],
    ) -> None:
        """A worker ended: the file that it had at hand is judged by the row evaluator, the others by the next one."""
        self.ended += 1
        if worker.pending:
            number, *rest = worker.pending
            waiting.extendleft(reversed(rest))
            note = f"the engine ended ({why}); judged by the row evaluator"
            found[number] = [
                Found(row.judgement, row.reasons, note=note)
                for row in self.row.one(requests[number], reference)
            ]
        worker.restart()
        worker.tell(reference)

    def close(self) -> None:
        for worker in self.workers:
            worker.close()


class _Worker:
    """A process with the engine, as it is seen from outside. `pending` are the numbers of the files that it has."""

    def __init__(self, given: bytes) -> None:
        self.given = given
        self.pending: deque[int] = deque()
        self.deadline = 0.0
        self.reference: Reference | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        given = (theirs, self.given, 2 * START_LIMIT, 2 * FILE_LIMIT)
        self.process = context.Process(target=_work, args=given, daemon=True)
        self.process.start()
        theirs.close()
        self.reference = None

    def ready(self) -> None:
        """Wait until the rulesets are registered and have been tried. Raises SanchaError."""
        end, rule = time.monotonic() + START_LIMIT, ""
        while True:
            if not self.connection.poll(max(end - time.monotonic(), 0)):
                why = f"no answer within {START_LIMIT:g} seconds"
                self.kill(why)
                break
            try:
                rule = self.connection.recv()
            except (EOFError, OSError):
                why = self._ended()
                break
            if rule is None:
                return
        place = f" at the rules from `{rule}` on" if rule else ""
        raise SanchaError(
            f"durable_rules does not take the rulesets{place}: {why}",
            help="`--engine row` judges without it; `sancha check --live` tells what runs where",
        )

    def restart(self) -> None:
        """Another process in the place of one that ended."""
        self.pending.clear()
        for left in reversed(range(_MOST_STARTS)):
            self.connection.close()
            self._start()
            try:
                return self.ready()
            except SanchaError:
                if not left:
                    raise

    def tell(self, reference: Reference) -> None:
        """Make the reference lists known, where they are others than before."""
        if self.reference is not reference:
            self._send(reference)
            self.reference = reference

    def give(self, requests: Sequence[tuple[int, Request]]) -> None:
        self.pending.extend(number for number, _ in requests)
        self.deadline = time.monotonic() + FILE_LIMIT
        self._send([request for _, request in requests])

    def _send(self, message: Any) -> None:
        data = pickle.dumps(message)
        # What is more than a pipe holds is not taken before the process reads: one that does not is ended.
        watch = threading.Timer(FILE_LIMIT, self.process.kill) if len(data) > _PIPE else None
        if watch is not None:
            watch.start()
        # That the process ended is heard when its answer is waited for.
        with contextlib.suppress(OSError):
            self.connection.send_bytes(data)
        if watch is not None:
            watch.cancel()

    def hear(self, found: list[list[Found] | None]) -> str | None:
        """Take an answer; or why there will be none."""
        try:
            answer = self.connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            return self._ended()
        found[self.pending.popleft()] = answer
        self.deadline = time.monotonic() + FILE_LIMIT
        return None

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def kill(self, why: str) -> str:
        self.process.kill()
        self.process.join()
        return why

    def _ended(self) -> str:
        self.process.join(5)
        code = self.process.exitcode
        if code is None:
            return self.kill("it closed its connection")
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def close(self) -> None:
        self.connection.close()
        self.process.join(1)
        if self.process.exitcode is None:
            self.kill("")


def _work(connection: Connection, given: bytes, start_limit: float, file_limit: float) -> None:
    """A worker: says what it registers, then None, and answers file by file."""
    # Ctrl-C reaches the whole group: the process that watches decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _ended_after(start_limit):
            pack, plan, rulesets = pickle.loads(given)
            evaluator = LiveEvaluator(pack, plan, rulesets, connection.send)
        connection.send(None)
        reference: Reference = {}
        while True:
            message = connection.recv()
            if isinstance(message, list):
                for request in message:
                    with _ended_after(file_limit):
                        answer = evaluator.judge(request, reference)
                    connection.send(answer)
            else:
                reference = message
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The process that watches has closed the connection, or is no more.
        return


@contextlib.contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """The process ends where this takes longer, though nobody watches any more and the engine has no end."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)

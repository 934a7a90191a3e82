"""The live way beside the row evaluator and the columnar replay: the same outcomes, facts and missing facts.

Files are told as events, sent and read again, out of order and twice; they are judged as they stand after some of the
events, and in the end, where the replay has judged them too.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
from agreement import Varied, constants_of, generated_book
from policies import policy

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.book.store import Book, iter_files, read_reference
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.policy.vocabulary import Vocabulary
from sancha.engine.run.judge import Found, Judge, Request
from sancha.engine.run.live import BEYOND, LiveJudge
from sancha.engine.run.replay import replay
from sancha.engine.watch.events import FILE, Event, after, event_json, folded, order, read_event
from sancha.engine.watch.history import events_of

#: Outcome, facts with their values, missing facts; the last two None where no reasons are given.
Answer = tuple[str, tuple[tuple[str, str | None], ...] | None, tuple[str, ...] | None]

#: Files that the judge is given at a time.
_BATCH = 64
_SHOWN = 5


@dataclass
class LiveCompared:
    """Outcomes compared, those of them that the engine was not asked for, and what was said differently."""

    outcomes: int = 0
    not_asked: int = 0
    files: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def comparisons(self) -> int:
        return self.outcomes

    def __str__(self) -> str:
        asked = f"{self.outcomes:,} outcomes of {self.files:,} states of files, {self.not_asked:,} not asked"
        return f"{asked}, {len(self.differences)} differences"

    def add(self, other: LiveCompared) -> None:
        self.outcomes += other.outcomes
        self.not_asked += other.not_asked
        self.files += other.files
        self.differences += other.differences

    def differs(self, text: str) -> None:
        if len(self.differences) < _SHOWN:
            self.differences.append(text)

    def take(self, request: Request, found: Iterable[Found]) -> None:
        """The engine and the row evaluator on one file."""
        self.files += 1
        for each in found:
            self.outcomes += 1
            self.not_asked += each.note == BEYOND
            if each.disagrees or each.note not in (None, BEYOND):
                self.differs(
                    f"{request.file.id} {each.judgement.rule} of {request.as_of}: {each.note or 'disagrees'}"
                )


def answers(found: Iterable[Found]) -> dict[str, Answer]:
    """The answers of one file by rule."""
    return {
        f.judgement.rule: (
            f.judgement.outcome.text,
            None if f.reasons is None else tuple(sorted(f.reasons.facts)),
            None if f.reasons is None else f.reasons.missing,
        )
        for f in found
    }


def run_answers(run: Path, rules: Iterable[str]) -> dict[str, dict[str, Answer]]:
    """What a run of the replay says, file by file and rule by rule."""
    codes = pq.read_table(run / "codes.parquet").to_pydict()
    loans = codes["loan_id"]
    found: dict[str, dict[str, Answer]] = {loan: {} for loan in loans}
    for rule in rules:
        for loan, code in zip(loans, codes[rule], strict=True):
            found[loan][rule] = (Outcome(code).text, None, None)
    for row in pq.read_table(run / "exceptions.parquet").to_pylist():
        if row["loan_id"] is not None:
            facts = tuple(sorted((f["fact"], f["value"]) for f in row["facts"]))
            found[row["loan_id"]][row["rule"]] = (row["outcome"], facts, tuple(row["missing"]))
    return found


def file_rules(pack: Pack) -> list[str]:
    """The rules that speak of files."""
    return [rule.id for rule in pack.rules.values() if rule.kind != "portfolio"]


def sent(events: Iterable[Event], vocabulary: Vocabulary) -> list[Event]:
    """Events as they are read from what was sent."""
    return [read_event(event_json(event).encode(), vocabulary) for event in events]


def arrivals(events: list[Event], rng: random.Random) -> list[Event]:
    """The events in an order of their own, some of them twice."""
    out = [*events, *rng.sample(events, rng.randint(0, len(events)))]
    rng.shuffle(out)
    return out


def state(loan: str, arrived: Iterable[Event], vocabulary: Vocabulary) -> tuple[LoanFile, dt.date]:
    """The file that events come to in whatever order they arrived, and the latest day among them."""
    events = sorted({event.id: event for event in arrived}.values(), key=order)
    return folded(loan, events, vocabulary), max(event.at.date() for event in events)


def states(file: LoanFile, pack: Pack, as_of: dt.date, rng: random.Random, some: int) -> Iterator[Request]:
    """The file as it stands after some of its events have arrived, in `some` orders, each second time by some of the
    rules; at last, the file itself by all of them."""
    vocabulary = pack.vocabulary
    rules = file_rules(pack)
    events = sent(events_of(file, vocabulary, as_of), vocabulary)
    for _ in range(some):
        arrived = arrivals(events, rng)
        # A file is judged once it is open.
        opened = next(n for n, event in enumerate(arrived, 1) if event.kind == FILE)
        wanted = tuple(rng.sample(rules, rng.randint(0, len(rules)))) if rng.random() < 0.5 else None
        yield Request(*state(file.id, arrived[: rng.randint(opened, len(arrived))], vocabulary), wanted)
    whole, _ = state(file.id, arrivals(events, rng), vocabulary)
    assert whole == file, f"{file.id} is another file after its events"
    yield Request(whole, as_of)


def every_event(file: LoanFile, vocabulary: Vocabulary, as_of: dt.date) -> Iterator[Request]:
    """The file after each of its events, in their order; at last, on the day of the book."""
    stands = LoanFile(file.id, dict.fromkeys(vocabulary.facts), dict.fromkeys(vocabulary.lists))
    for event in sent(events_of(file, vocabulary, as_of), vocabulary):
        stands = after(stands, event, vocabulary)
        yield Request(stands, event.at.date())
    assert stands == file, f"{file.id} is another file after its events"
    yield Request(stands, as_of)


def compare_live(
    book: Book,
    pack: Pack,
    judge: Judge,
    run: Path | None,
    *,
    seed: int = 0,
    some: int = 2,
    each_event: bool = False,
    first: int = 0,
    last: int | None = None,
) -> LiveCompared:
    """Judges the files of a book by a judge, as they stand after some of their events (`some` orders), or after each;
    and in the end beside a `run` of the replay on the same book."""
    vocabulary = pack.vocabulary
    rules = file_rules(pack)
    wanted: Mapping[str, Mapping[str, Answer]] = {} if run is None else run_answers(run, rules)
    reference = read_reference(book, vocabulary)
    compared = LiveCompared()
    rng = random.Random(seed)

    def all_states() -> Iterator[Request]:
        for file in itertools.islice(iter_files(book, vocabulary), first, last):
            if each_event:
                yield from every_event(file, vocabulary, book.as_of)
            else:
                yield from states(file, pack, book.as_of, rng, some)

    # The last judging of a file is that of the book.
    final: dict[str, list[Found]] = {}
    requests = all_states()
    while batch := list(itertools.islice(requests, _BATCH)):
        for request, found in zip(batch, judge.judge(batch, reference), strict=True):
            if [f.judgement.rule for f in found] != list(rules if request.rules is None else request.rules):
                compared.differs(f"{request.file.id}: findings of other rules than were asked for")
            compared.take(request, found)
            final[request.file.id] = found
    for loan, found in final.items() if wanted else ():
        columns = Counter(wanted[loan].items())
        live = Counter(answers(found).items())
        for (rule, answer), _ in (live - columns).items():
            compared.differs(f"{loan} {rule}: live {answer}, columns {wanted[loan].get(rule)}")
    return compared


def compare_policy(folder: Path, seed: int, files: int, rules: int = 12) -> LiveCompared:
    """Judges a generated book by a generated policy, live and as columns. The folder holds them, and the run."""
    rng = random.Random(seed)
    pack = policy(folder / "pack", seed, rules)
    as_of = rng.choice(
        [dt.date(2024, 12, 31), dt.date(2024, 2, 29), dt.date(2024, 6, 30), dt.date(2024, 7, 1)]
    )
    values = Varied(seed, constants_of(pack))
    references = rng.choice([0, 1, 7])
    book = generated_book(folder / "book", pack.vocabulary, values, files, as_of=as_of, references=references)
    hindsight = rng.random() < 0.25
    shutil.rmtree(folder / "columns", ignore_errors=True)
    replay(folder / "book", pack, folder / "columns", engine="columns", progress=False, hindsight=hindsight)
    judge = LiveJudge(pack, hindsight=hindsight)
    try:
        compared = compare_live(book, pack, judge, folder / "columns", seed=seed)
    finally:
        judge.close()
    if judge.ended:
        compared.differs(f"the engine ended {judge.ended} times")
    return compared


#: Judges synthetic files over and over, and tells the resident memory in pages.
SOAK = """
import sys
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from sancha.engine.book.store import iter_files, read_reference
from sancha.engine.book.synthesize import synthesize
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import load_pack
from sancha.engine.run.guard import Session, TableSession
from sancha.engine.run.to_rulesets import to_rulesets

pack, wanted, step = load_pack(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
made = to_rulesets(lower(pack))
tables = {rules.number: TableSession(rules) for rules in made.tables}
sessions = [Session(ruleset, made, tables, pack) for ruleset in made.rulesets]
with TemporaryDirectory() as folder:
    book = synthesize(200, 1, Path(folder) / "book", pack.vocabulary)
    files, reference = list(iter_files(book, pack.vocabulary)), read_reference(book, pack.vocabulary)
done = 0
for file in cycle(files):
    for session in sessions:
        if done % step == 0:
            print(done, Path("/proc/self/statm").read_text().split()[1], flush=True)
        if done == wanted:
            sys.exit()
        session.judge(file, reference, book.as_of)
        done += 1
"""


def soak(pack: Path, sessions: int, step: int) -> Iterator[tuple[int, float]]:
    """Sessions of the engine in one process, those of tables besides: how many are over, and the resident memory in
    MB, every `step`."""
    command = [sys.executable, "-c", SOAK, str(pack), str(sessions), str(step)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            done, pages = map(int, line.split())
            yield done, pages * resource.getpagesize() / 2**20
    assert process.returncode == 0, f"the engine ended: {process.returncode}"

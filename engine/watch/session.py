"""`sancha watch`: sources, watcher and outlet put together, until the sources end or somebody says stop."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import load_pack
from sancha.engine.policy.vocabulary import Vocabulary
from sancha.engine.run.judge import Judge
from sancha.engine.watch.outlet import Outlet, open_outlet
from sancha.engine.watch.sources import Source, open_source
from sancha.engine.watch.store import Store
from sancha.engine.watch.watcher import MOST_FILES, Summary, Watcher

ENGINES = ("row", "live")


def watch(
    pack: Path,
    store: Path,
    sources: Sequence[Callable[[Vocabulary], Source[Any]]],
    *,
    stream: BinaryIO,
    today: Callable[[], date],
    alerts: Path | None = None,
    engine: str = "row",
    workers: int = 1,
    tick: str = "daily",
    lang: str = "en",
    files: int = MOST_FILES,
    tell: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Takes in the events of the sources, one after the other, and writes alerts to a file, or to `stream`.

    Ends with the sources; at the first SIGINT or SIGTERM after the batch at hand, at the second at once. `tell` is told
    of what an operator should know; so many `files` are kept in memory. Raises SanchaError where the pack, the store, a
    source or the place of the alerts cannot be worked with: what was committed holds, and the next start carries on.
    """
    if engine not in ENGINES:
        raise SanchaError(f"unknown engine `{engine}`", help=f"the engines are {' and '.join(ENGINES)}")
    policy = load_pack(pack)
    with ExitStack() as stack:
        kept = stack.enter_context(Store(store))
        judge: Judge | None = None
        if engine == "live":
            from sancha.engine.run.live import LiveJudge

            judge = LiveJudge(policy, workers=workers)
            stack.callback(judge.close)
        outlet = open_outlet(alerts, stream, kept)
        stack.callback(outlet.close)
        watcher = Watcher(policy, kept, today=today, judge=judge, tick=tick, lang=lang, most_files=files)
        with kept.told():
            before = kept.setting("pack")
        if before != policy.digest:
            if before is not None and watcher.clock:
                tell(f"the policy is {policy.name} {policy.version} now: every file is judged anew")
            for lines in watcher.judge_anew():
                _written(lines, watcher, outlet)
        with _rare_collections(), _stopping(tell) as stopped:
            for opened in sources:
                if stopped():
                    break
                source = opened(policy.vocabulary)
                try:
                    _follow(source, watcher, outlet, stopped)
                finally:
                    source.close()
        with kept.transaction():
            kept.set("written", str(outlet.last))
    return watcher.summary


def sources_of(
    names: Sequence[str],
    *,
    book: Path | None = None,
    follow: bool = False,
    kafka: str | None = None,
    topic: str | None = None,
    group: str = "sancha",
    settings: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Callable[[Vocabulary], Source[Any]]]:
    """The sources that a command line names, opened one after the other: a book, files, a topic. None of them: standard
    input."""
    found: list[Callable[[Vocabulary], Source[Any]]] = []
    if book is not None:
        from sancha.engine.watch.book_events import BookSource

        found.append(lambda vocabulary: BookSource(book, vocabulary))
    for number, name in enumerate(names or ([] if book is not None or kafka is not None else ["-"]), 1):
        found.append(partial(_opened, name, follow and number == len(names)))
    if kafka is not None and topic is not None:
        from sancha.engine.watch.kafka import KafkaSource, read_settings

        given = read_settings(settings) if settings is not None else {}
        found.append(lambda _: KafkaSource(kafka, topic, group=group, settings=given, tell=tell))
    return found


def _opened(name: str, follow: bool, _: Vocabulary) -> Source[Any]:
    return open_source(name, follow=follow)


def _follow(source: Source[Any], watcher: Watcher, outlet: Outlet, stopped: Callable[[], bool]) -> None:
    for batch in source:
        if batch:
            _written(watcher.take(batch), watcher, outlet)
            source.commit(batch[-1][0])
        if stopped():
            return


def _written(lines: Sequence[tuple[int, str]], watcher: Watcher, outlet: Outlet) -> None:
    outlet.write(lines)
    watcher.written = outlet.last if lines else None


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Files come and go by the counts of their references: to look through all of them for cycles, as often as Python
    does by itself, takes a third of the time and finds nothing."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _stopping(tell: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came. The second one interrupts."""
    came: list[int] = []

    def stop(number: int, _: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        tell("stopping after the batch at hand")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

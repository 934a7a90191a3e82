"""A watcher on a store of its own, for tests: events go in, lines come out as they were written."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from small_pack import FRAME, small_pack

from sancha.engine.policy.pack import Pack
from sancha.engine.watch.alerts import Alert
from sancha.engine.watch.store import Store
from sancha.engine.watch.watcher import Watcher

#: The machine's day of all tests.
TODAY = dt.date(2024, 12, 31)
OWNED = FRAME["pack.yaml"].replace("exposure: loan.amount}", "exposure: loan.amount, owner: loan.branch}")
#: What a rule has besides its conditions.
RULES = (
    """
    rule: W-1
    judged on: as_of
    in force: {from: 2015-01-01}
    require: loan.amount <= 100
    signal: orange
    """,
    """
    rule: T-1
    kind: trigger
    in force: {from: 2015-01-01}
    for each: p in payments
    from: p.date
    within: '@"P10D"'
    expect: some v in visits satisfies v.date in [p.date..due]
    """,
    """
    rule: R-1
    judged on: as_of
    in force: {from: 2015-01-01}
    applies when: loan.kind = "a"
    require: some p in people satisfies p.level >= 3
    """,
)


def watched_pack(folder: Path) -> Pack:
    return small_pack(folder / "pack", *RULES, pack_yaml=OWNED)


def event(id: str, at: str, kind: str, data: dict[str, Any] | None = None, **more: Any) -> bytes:
    """An event as a line; of the loan L1 where no other is named."""
    told: dict[str, Any] = {"id": id, "loan": "L1", "at": at, "kind": kind, "data": data or {}, **more}
    if told["loan"] is None:
        del told["loan"]
    return json.dumps(told, ensure_ascii=False).encode()


def opened(amount: int = 50, at: str = "2024-03-01", loan: str = "L1", **facts: Any) -> bytes:
    """A file is opened: its lists are there, and empty."""
    loan_facts = {"branch": "B1", "kind": "b", "amount": amount, **facts}
    return event(f"{loan}-open", at, "file", {"loan": loan_facts, "visits": [], "payments": []}, loan=loan)


class Watching:
    """A watcher that is given batches of lines."""

    def __init__(self, folder: Path, pack: Pack | None = None, **options: Any) -> None:
        self.folder = folder
        self.pack = pack or watched_pack(folder)
        self.options = {"today": lambda: TODAY, **options}
        self.lines: list[dict[str, Any]] = []
        self.given = 0
        self.begin()

    def begin(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.store = Store(self.folder / "store.db")
        self.watcher = Watcher(self.pack, self.store, **self.options)

    def again(self) -> None:
        """The process ends, and the next one begins."""
        self.store.close()
        self.begin()

    def take(self, *events: bytes) -> list[dict[str, Any]]:
        """One batch; the lines that it gives."""
        batch = [(f"test:{self.given + n}", line) for n, line in enumerate(events, 1)]
        self.given += len(events)
        found = [json.loads(text) for _, text in self.watcher.take(batch)]
        self.lines += found
        return found

    def told(self, *events: bytes, fields: Sequence[str] = ("status", "on")) -> list[tuple[Any, ...]]:
        """One batch; these fields of the lines that it gives."""
        return [tuple(line.get(name) for name in fields) for line in self.take(*events)]

    def alerts(self) -> list[Alert]:
        found = [
            Alert.from_json(text) for (text,) in self.store.db.execute("SELECT state FROM alerts ORDER BY id")
        ]
        return [alert for alert in found if not alert.withdrawn]

    def letters(self) -> list[tuple[str, str]]:
        return [(letter.place, letter.reason) for letter in self.store.letters()]


def day(ordinal: int | None) -> str | None:
    return None if ordinal is None else dt.date.fromordinal(ordinal).isoformat()


def standing(watching: Watching) -> list[Any]:
    """What all that arrived comes to, whatever the order: the alerts that were not withdrawn, without their ids."""
    return sorted(
        (
            a.loan,
            a.rule,
            [(day(s.start), s.by, day(s.until), s.until_by) for s in a.spells],
            [(day(s.day), s.level, day(s.due)) for s in a.steps],
            None if a.close is None else (day(a.close.day), a.close.event),
            a.owner or "",
            json.dumps(a.statement, sort_keys=True),
        )
        for a in watching.alerts()
    )

"""The dead letters of a store, for people."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sancha.engine.watch.store import Store

#: Characters of a letter that are shown.
_SHOWN = 200


def letters_table(store: Path) -> Group:
    """What could not be used, in the order in which it came: place, reason, what is wrong, the text; and a count.

    A watcher may be at work on the store. Raises SanchaError where it cannot be read.
    """
    table = Table(box=None, pad_edge=False)
    for column in ("place", "reason", "what is wrong", "text"):
        table.add_column(column, overflow="fold")
    with Store(store, read_only=True) as opened, opened.told():
        for letter in opened.letters():
            text = letter.text if len(letter.text) <= _SHOWN else letter.text[:_SHOWN] + "…"
            table.add_row(*map(Text, (letter.place, letter.reason, letter.message, text)))
        counts = opened.count_letters()
    total = f"{sum(counts.values()):,} dead letters"
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
    summary = Text(f"{total}: {reasons}" if counts else total)
    return Group(table, summary) if counts else Group(summary)

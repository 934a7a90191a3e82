"""A cell: a batch of loan files that are made together, and closed in itself (chains, groups, guarantees)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from sancha.engine.book.schema import LOAN_ID, LOANS, arrow_type, table_schema
from sancha.engine.book.synthetic.bank import Bank
from sancha.engine.book.synthetic.calendar import Calendar
from sancha.engine.book.synthetic.columns import Column, Items, Template, Text, Words
from sancha.engine.book.synthetic.draw import NA, Ints, Mask, Stream
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.vocabulary import Field, Vocabulary

ONLY_DEMONSTRATION = "synthetic books are made for the vocabulary of the demonstration pack"
LOAN_NUMBER = Template("L#######")
DRAWDOWN_NUMBER = Template("L#######-##")


@dataclass
class Cell:
    """The loan files of one batch. Arrays are one a file unless their comment says otherwise."""

    seed: int
    index: int
    first: int  # number of the first file in the book, counted from 1
    size: int
    vocabulary: Vocabulary
    calendar: Calendar
    bank: Bank
    facts: dict[str, Column] = field(default_factory=dict)
    lists: dict[str, Items] = field(default_factory=dict)
    absent: dict[str, Mask] = field(default_factory=dict)
    #: Which files show which fault, by its number; the other files that a fault needs are in `extras`.
    cast: dict[int, Ints] = field(default_factory=dict)
    extras: dict[int, Ints] = field(default_factory=dict)
    #: Which files are breached by which rule as a fault, and which have which blemish.
    expected: dict[int, dict[str, Ints]] = field(default_factory=dict)
    blemishes: dict[str, Mask] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)

    @property
    def as_of(self) -> int:
        return self.calendar.as_of

    def stream(self, name: str) -> Stream:
        """The draws of one chapter: what one chapter draws does not move the others."""
        return Stream(self.seed, "cell", self.index, name)

    def code(self, name: str, value: str) -> int:
        """The code of a value in the enumeration of a fact, or of a field of a list (`visits.type`)."""
        table, _, label = name.partition(".")
        items = self.vocabulary.lists.get(table)
        known = self.vocabulary.facts.get(name) or (items and items.fields.get(label))
        if not known or value not in known.type.values:
            raise SanchaError(
                f"the vocabulary “{self.vocabulary.name}” has no value `{value}` of `{name}`",
                help=ONLY_DEMONSTRATION,
            )
        return known.type.values.index(value)

    def codes(self, name: str, *values: str) -> Ints:
        return np.array([self.code(name, value) for value in values])

    def put(self, name: str, values: Ints | Mask | int, text: Text | None = None) -> Ints:
        """Set a fact of all files."""
        column = np.broadcast_to(np.asarray(values, dtype=np.int64), (self.size,)).copy()
        self.facts[name] = Column(column, text)
        return column

    def put_text(self, name: str, values: pa.Array) -> None:
        """Set a fact of all files to texts that are there for each."""
        self.put(name, np.arange(self.size), Words(values))

    def get(self, name: str) -> Ints:
        """The values of a fact, to read and to change in place."""
        return self.facts[name].values

    def rows(self, table: str, files: Ints) -> Ints:
        """The places of the items that the files have in a list, in its order."""
        mask = np.zeros(self.size, dtype=bool)
        mask[files] = True
        return np.flatnonzero(mask[self.lists[table].owner])

    def faulty(self) -> Mask:
        """The files that are part of a fault."""
        mask = np.zeros(self.size, dtype=bool)
        for files in (*self.cast.values(), *self.extras.values()):
            mask[files] = True
        return mask

    def of(self, number: int) -> Mask:
        """The files of one fault."""
        mask = np.zeros(self.size, dtype=bool)
        mask[self.cast[number]] = True
        return mask

    def tables(self, number: Ints) -> dict[str, pa.Table]:
        """The Arrow tables of the cell. `number` is the place of each file in the cell's order, from 0."""
        order = np.argsort(number)
        ids = LOAN_NUMBER.render(np.arange(self.first, self.first + self.size))
        made = {}
        counts = {}
        for name, definition in self.vocabulary.lists.items():
            items = self.lists[name]
            if name in self.absent:
                items.keep(~items.of(self.absent[name]))
            place = number[items.owner]
            day = items[definition.known_on] if definition.known_on else np.zeros(len(items), dtype=np.int64)
            rows = np.lexsort((day, place))
            place = place[rows]
            count = np.bincount(place, minlength=self.size)
            item = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count) + 1
            columns = {LOAN_ID: ids.take(pa.array(place)), "item": pa.array(item)}
            columns |= rendered(f"the list `{name}`", items.columns, definition.fields, rows)
            made[name] = pa.Table.from_pydict(columns, table_schema(self.vocabulary, name))
            counts[name] = count
        root = {LOAN_ID: ids}
        root |= rendered("a loan file", self.facts, self.vocabulary.facts, order)
        for name, count in counts.items():
            gone = self.absent[name][order] if name in self.absent else np.zeros(self.size, dtype=bool)
            root[name] = pa.array(count, mask=gone)
        made[LOANS] = pa.Table.from_pydict(root, table_schema(self.vocabulary, LOANS))
        return made


def rendered(
    what: str, columns: Mapping[str, Column], fields: Mapping[str, Field], rows: Ints | slice
) -> dict[str, pa.Array]:
    """The rows of the columns as Arrow arrays, by the vocabulary; a fact that is not made is missing."""
    if strange := [name for name in columns if name not in fields]:
        raise SanchaError(f"the vocabulary does not know `{strange[0]}` of {what}", help=ONLY_DEMONSTRATION)
    size = len(next(iter(columns.values())).values[rows])
    return {
        name: Column(columns[name].values[rows], columns[name].text).to_arrow(field.type)
        if name in columns
        else pa.nulls(size, arrow_type(field.type))
        for name, field in fields.items()
    }


def missing(size: int) -> Ints:
    return np.full(size, NA)

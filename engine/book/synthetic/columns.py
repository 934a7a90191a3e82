"""Columns of whole numbers, and how they become Arrow arrays of the vocabulary's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sancha.engine.book.schema import arrow_type
from sancha.engine.book.synthetic.draw import NA, Ints, Mask
from sancha.engine.feel.types import Type


@dataclass(frozen=True, slots=True)
class Words:
    """Texts by their place in a list of texts."""

    values: pa.Array

    def render(self, codes: Ints) -> pa.Array:
        return self.values.take(pa.array(codes))


@dataclass(frozen=True, slots=True)
class Template:
    """Texts that hold a number: each `#` is a digit, the last digit at the last `#` (`L#######-##`)."""

    pattern: str

    def render(self, codes: Ints) -> pa.Array:
        row = np.frombuffer(self.pattern.encode("ascii"), dtype=np.uint8)
        texts = np.tile(row, (len(codes), 1))
        rest = codes.copy()
        for place in np.flatnonzero(row == ord("#"))[::-1]:
            texts[:, place] = ord("0") + rest % 10
            rest //= 10
        return fixed_width(texts)


@dataclass(frozen=True, slots=True)
class Hashes:
    """Words of 63 bits as sixteen hexadecimal digits."""

    def render(self, codes: Ints) -> pa.Array:
        octets = codes.astype(">u8").view(np.uint8).reshape(-1, 8)
        digits = np.stack([octets >> 4, octets & 15], axis=2).reshape(-1, 16)
        return fixed_width(np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[digits])


Text: TypeAlias = Words | Template | Hashes


@dataclass(slots=True)
class Column:
    """Whole numbers, NA where missing. Two dimensions are lists.

    They are fen of money, 1e-8 of rates and numbers, days or microseconds since 1970, 0 and 1, the place of a
    value in its enumeration, or what `text` makes a text of.
    """

    values: Ints
    text: Text | None = None

    def to_arrow(self, t: Type) -> pa.Array:
        if t.name == "list":
            return self._lists(t)
        known = self.values != NA
        values = np.where(known, self.values, 0)
        return _array(values, known, t, self.text)

    def _lists(self, t: Type) -> pa.Array:
        """Rows of at most so many entries; a row that begins with GONE is missing, NA is no entry."""
        assert t.item is not None
        there = self.values != NA
        gone = self.values[:, 0] == GONE
        there &= ~gone[:, None]
        flat = self.values[there]
        entries = _array(flat, np.ones(len(flat), dtype=bool), t.item, self.text)
        ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(ends), entries, mask=pa.array(gone))


#: In the first place of a row of a list column: the list itself is missing.
GONE = NA + 1


def _array(values: Ints, known: Mask, t: Type, text: Text | None) -> pa.Array:
    kind = arrow_type(t)
    if t.name == "text":
        assert text is not None
        return _blanked(text.render(values), known)
    if t.name == "one of":
        return _blanked(pa.array(t.values, pa.string()).take(pa.array(values)), known)
    if pa.types.is_decimal(kind):
        return pa.Array.from_buffers(kind, len(values), [_validity(known), _wide(values)])
    if t.name == "boolean":
        return pa.array(values.astype(bool), mask=~known)
    if t.name == "date":
        return pa.array(values.astype(np.int32), pa.int32(), mask=~known).cast(kind)
    return pa.array(values, pa.int64(), mask=~known).cast(kind)


def _blanked(texts: pa.Array, known: Mask) -> pa.Array:
    if known.all():
        return texts
    return pc.if_else(pa.array(known), texts, pa.scalar(None, pa.string()))


def _validity(known: Mask) -> pa.Buffer | None:
    return None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little").tobytes())


def _wide(values: Ints) -> pa.Buffer:
    """Whole numbers as 128-bit ones: the buffer of a decimal array, whose scale is in its type."""
    words = np.empty((len(values), 2), dtype=np.int64)
    words[:, 0] = values
    words[:, 1] = values >> 63
    return pa.py_buffer(words.tobytes())


def fixed_width(texts: np.ndarray) -> pa.Array:
    """Rows of ASCII octets as texts of one length."""
    rows, width = texts.shape
    ends = np.arange(rows + 1, dtype=np.int32) * width
    buffers = [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(np.ascontiguousarray(texts).tobytes())]
    return pa.Array.from_buffers(pa.string(), rows, buffers)


def joined(*parts: pa.Array | str) -> pa.Array:
    """Texts put together piece by piece; a plain string stands in every row."""
    return pc.binary_join_element_wise(*parts, "")


def words(values: Sequence[str]) -> Words:
    return Words(pa.array(values, pa.string()))


class Items:
    """The items of one list for all files of a cell: the file each belongs to, and a column a field."""

    def __init__(self, owner: Ints, columns: Mapping[str, Column]) -> None:
        self.owner = owner
        self.columns = dict(columns)

    def __len__(self) -> int:
        return len(self.owner)

    def __getitem__(self, field: str) -> Ints:
        return self.columns[field].values

    def __setitem__(self, field: str, values: Ints) -> None:
        self.columns[field].values = values

    def of(self, files: Mask) -> Mask:
        """Which items belong to the files."""
        return files[self.owner]

    def keep(self, rows: Mask) -> None:
        """Drop the other items."""
        self.owner = self.owner[rows]
        for column in self.columns.values():
            column.values = column.values[rows]

    def add(self, owner: Ints, fields: Mapping[str, Ints | int]) -> None:
        """Add one item to each of the files; a field that is not named is missing."""
        self.owner = np.concatenate([self.owner, owner])
        for name, column in self.columns.items():
            values = np.full((len(owner), *column.values.shape[1:]), NA)
            if name in fields:
                values[...] = fields[name]
            column.values = np.concatenate([column.values, values])

"""Appending to a Parquet file, so that what was appended once is never written again.

Each table is appended as a Parquet file of its own. What its footer says of places is moved to where it now stands, and
at the end one footer for all row groups closes the file: readers know no other. A file that was not closed can be cut
at the end of any table and carried on.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

_MAGIC = b"PAR1"
#: Of FileMetaData (Apache Parquet, parquet.thrift): the places in the file, by the ids of the fields down to them.
#: Row groups are 4; a group's place is 5, its column chunks 1, of which 2 is a place and 3 what is said of the column:
#: 9 first data page, 10 index page, 11 dictionary page.
_PLACES = {(4, 5), (4, 1, 2), (4, 1, 3, 9), (4, 1, 3, 10), (4, 1, 3, 11)}
_COMPRESSION: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "version": "2.6"}


class End(NamedTuple):
    """Where a table ends in its file, and the CRC-32 of its bytes."""

    place: int
    check: int


def intact(path: Path, ends: Sequence[End]) -> int:
    """How many of the first tables the file holds as they were appended."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        for number, end in enumerate(ends):
            if zlib.crc32(file.read(end.place - file.tell())) != end.check or file.tell() != end.place:
                return number
    return len(ends)


class ParquetAppender:
    """A Parquet file that tables are appended to; `ends` are the places at which they ended, one a table.

    With the ends of an earlier appender to the same file it carries on after the last of them. `unique` are columns of
    texts that seldom come twice.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, ends: Iterable[End] = (), unique: Iterable[str] = ()
    ) -> None:
        self.path = path
        self.schema = schema
        self._encodings = _encodings(schema, unique)
        self.ends = list(ends)
        self._taken = len(self.ends)
        self._file = path.open("r+b" if self.ends else "wb")
        self._file.truncate(self.ends[-1].place if self.ends else 0)
        self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def encode(self, table: pa.Table) -> bytes:
        """A table of the schema as it is appended; any thread may encode."""
        return _encoded(table.cast(self.schema), self._encodings)

    def append(self, table: pa.Table | bytes) -> None:
        """Append a table of the schema, or one that was encoded, as one row group."""
        data = table if isinstance(table, bytes) else self.encode(table)
        self._file.write(data)
        self._file.flush()
        self.ends.append(End(self._file.tell(), zlib.crc32(data)))

    def take_ends(self) -> list[End]:
        """The ends of the tables appended since this was last asked."""
        found = self.ends[self._taken :]
        self._taken = len(self.ends)
        return found

    def finish(self) -> None:
        """Close the file with one footer for all that was appended."""
        if not self.ends:
            self.append(self.schema.empty_table())
        start, whole = 0, None
        for end, _ in self.ends:
            found = pq.read_metadata(pa.BufferReader(_MAGIC + self._footer(start, end)))
            if whole is None:
                whole = found
            else:
                whole.append_row_groups(found)
            start = end
        assert whole is not None
        footer = io.BytesIO()
        whole.write_metadata_file(footer)
        if len(self.ends) > 1:
            self._file.write(footer.getvalue()[len(_MAGIC) :])
        self.close()

    def close(self) -> None:
        self._file.close()

    def _footer(self, start: int, end: int) -> bytes:
        """The footer of a table, its length and the magic, for the place at which it stands."""
        with self.path.open("rb") as file:
            file.seek(end - 8)
            length = int.from_bytes(file.read(4), "little")
            file.seek(end - 8 - length)
            moved = _moved(file.read(length), start)
        return moved + len(moved).to_bytes(4, "little") + _MAGIC


def _encodings(schema: pa.Schema, unique: Iterable[str]) -> dict[str, Any]:
    """How columns are encoded: dictionaries cost more than the bytes of small numbers, and the differences of texts in
    order."""
    found = dict.fromkeys(unique, "DELTA_BYTE_ARRAY")
    found |= {field.name: "BYTE_STREAM_SPLIT" for field in schema if pa.types.is_integer(field.type)}
    # Statistics help to find rows, by what stands once in a row.
    statistics = [field.name for field in schema if not pa.types.is_nested(field.type)]
    if not found:
        return {"write_statistics": statistics}
    dictionaries = [name for name in schema.names if name not in found]
    return {"column_encoding": found, "use_dictionary": dictionaries, "write_statistics": statistics}


def _encoded(table: pa.Table, encodings: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **_COMPRESSION, **encodings) as writer:
        writer.write_table(table, row_group_size=max(table.num_rows, 1))
    return bytes(sink.getvalue())


def _moved(footer: bytes, by: int) -> bytes:
    """A FileMetaData in Thrift's compact protocol with all places moved by so many bytes."""
    if not by:
        return footer
    out = bytearray()
    _Footer(footer, out, by).struct(())
    return bytes(out)


class _Footer:
    """Copies a structure of Thrift's compact protocol."""

    def __init__(self, source: bytes, out: bytearray, by: int) -> None:
        self.source = source
        self.out = out
        self.by = by
        self.at = 0

    def struct(self, path: tuple[int, ...]) -> None:
        field = 0
        while True:
            head = self.byte()
            if not head:
                return
            delta, kind = head >> 4, head & 15
            field = field + delta if delta else _unzigzag(self.varint())
            self.value(kind, (*path, field))

    def value(self, kind: int, path: tuple[int, ...]) -> None:
        if kind == _I64 and path in _PLACES:
            place = _unzigzag(self.varint(copy=False))
            # Where there is no such place, 0 stands.
            _put_varint(self.out, (place + self.by if place else 0) << 1)
        else:
            self.copiers[kind](self, path)

    def listed(self, path: tuple[int, ...]) -> None:
        head = self.byte()
        count, kind = head >> 4, head & 15
        if count == 15:
            count = self.varint()
        for _ in range(count):
            # In a list a truth value takes a byte; in a structure it is told by its kind.
            if kind in (1, 2):
                self.byte()
            else:
                self.value(kind, path)

    def byte(self) -> int:
        found = self.source[self.at]
        self.out.append(found)
        self.at += 1
        return found

    def varint(self, copy: bool = True) -> int:
        start, shift, found = self.at, 0, 0
        while True:
            byte = self.source[self.at]
            self.at += 1
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if copy:
            self.out += self.source[start : self.at]
        return found

    def bytes(self, count: int) -> None:
        self.out += self.source[self.at : self.at + count]
        self.at += count

    def refuse(self, path: tuple[int, ...]) -> None:
        raise ValueError(f"unexpected kind of field in the footer: {path}")

    copiers: dict[int, Callable[[_Footer, tuple[int, ...]], Any]] = {
        1: lambda self, path: None,
        2: lambda self, path: None,
        3: lambda self, path: self.bytes(1),
        4: lambda self, path: self.varint(),
        5: lambda self, path: self.varint(),
        6: lambda self, path: self.varint(),
        7: lambda self, path: self.bytes(8),
        8: lambda self, path: self.bytes(self.varint()),
        9: listed,
        10: listed,
        11: refuse,
        12: struct,
    }


_I64 = 6


def _unzigzag(n: int) -> int:
    return (n >> 1) ^ -(n & 1)


def _put_varint(out: bytearray, n: int) -> None:
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)

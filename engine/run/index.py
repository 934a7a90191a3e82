"""The index of a decision table: which rows match some values, without a look at each row.

The bounds that the cells of a column name cut its values into *places*: the bounds themselves, and the gaps between
them. For each place the index holds the rows whose cell passes there, as the bits of one whole number. A decision is a
binary search a column, and one `&` over the columns.

A caller makes a `Region` of each cell that is a union of intervals, `ANY` of a cell `-`, and `OPAQUE` of any other
cell, whose rows it tests itself::

    amounts = [Region.of(Interval(0, 100, True, False)), ANY]     # [0..100), -
    products = [Region.point("a"), OPAQUE]
    for row, sure in Index([amounts, products]).matches([Decimal(5), "a"]): ...

For values of several kinds in a column (DMN), give `by_kind`, or a function like it, as `key`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, Final, NamedTuple

#: The bounds of a column are cut into no more than so many cells, and a column takes no more than so many bytes.
_CELLS = 4_096
_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of ordered values. None is no bound: `Interval()` holds all values, of whatever kind."""

    low: Any = None
    high: Any = None
    low_closed: bool = False
    high_closed: bool = False


@dataclass(frozen=True, slots=True)
class Region:
    """The values that pass a cell, as a union of intervals, and what the cell says of a missing value.

    `missing`: True (it passes), False (it does not), or None: unknown.
    """

    intervals: tuple[Interval, ...]
    missing: bool | None = None

    @classmethod
    def of(cls, *intervals: Interval, missing: bool | None = None) -> Region:
        return cls(intervals, missing)

    @classmethod
    def point(cls, value: Any, missing: bool | None = None) -> Region:
        return cls((Interval(value, value, True, True),), missing)


#: A cell that all values pass, missing ones too: `-`.
ANY: Final = Region((Interval(),), True)
#: A cell that cannot be indexed: the caller tests its rows.
OPAQUE: Final = None

Constraint = Region | None
#: The kind of a value and what it is ordered by within the kind; None: it cannot be indexed.
Key = Callable[[Any], tuple[Hashable, Any] | None]


def by_kind(value: Any) -> tuple[Hashable, Any] | None:
    """The key of numbers, strings and booleans of FEEL, which are never equal to one another."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, Decimal | int):
        return "number", value
    if isinstance(value, str):
        return "string", value
    return None


class Match(NamedTuple):
    """Rows as bits, row 0 the lowest: those that may match, and of those the ones that are not yet sure.

    `open`: a cell speaks of a missing value and leaves it unknown. `verify`: the caller has to test the opaque cells
    of the row, or all of it where a value had no key.
    """

    rows: int
    open: int
    verify: int


class Index:
    """`columns[i][row]` is the constraint of column i. All columns have the same number of rows.

    Without `key` all values of a column are of one ordered type, save that numbers may be `int` and `Decimal`. A
    region without any bound (`-`) holds values of all kinds, an interval with a bound those of its bound's kind.
    """

    def __init__(self, columns: Sequence[Sequence[Constraint]], key: Key | None = None) -> None:
        self.rows = len(columns[0]) if columns else 0
        self._all = (1 << self.rows) - 1
        self._key = key
        self._columns = [_Column(column, key) for column in columns]
        self._opaque = 0
        for column in self._columns:
            self._opaque |= column.opaque

    def __getstate__(self) -> dict[str, Any]:
        """All but what was generated, which another process generates for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "function"}

    @cached_property
    def kinds(self) -> list[set[Hashable]]:
        """For each column the kinds that its cells compare with; empty where a cell is opaque."""
        return [set() if column.opaque else set(column.axes) for column in self._columns]

    def match(self, values: Iterable[Any]) -> Match:
        """The rows for a value a column, None for a missing one. Values beyond the columns are not looked at."""
        rows, open_, verify = self._all, 0, self._opaque
        key = self._key
        doubtful: list[tuple[_Axis, int]] = []
        for column, value in zip(self._columns, values, strict=False):
            if value is None:
                rows &= column.missing
                open_ |= column.open
                continue
            if key is None:
                axis = column.axis
                if axis is None:
                    rows &= column.always
                    continue
            else:
                kind = key(value)
                if kind is None:
                    verify |= ~column.always
                    continue
                axis = column.axes.get(kind[0])
                if axis is None:
                    rows &= column.always
                    continue
                value = kind[1]
            place = axis.find(value)
            rows &= axis.masks[place // axis.width]
            if axis.width > 1:
                doubtful.append((axis, place))
        for axis, place in doubtful:
            rows = axis.exact(rows, place)
        return Match(rows, rows & open_, rows & verify)

    @cached_property
    def function(self) -> Callable[..., tuple[int, int, int]]:
        """`match` as generated Python, for an argument a column and any more; not for an index with a `key`."""
        space: dict[str, Any] = {
            "bisect_left": bisect_left,
            "bisect_right": bisect_right,
            "all_rows": self._all,
        }
        lines, after = ["rows, open_ = all_rows, 0"], []
        for i, column in enumerate(self._columns):
            space |= {f"missing{i}": column.missing, f"open{i}": column.open, f"always{i}": column.always}
            lines.append(f"if a{i} is None:")
            lines.append(f"    rows &= missing{i}" + (f"; open_ |= open{i}" if column.open else ""))
            if column.axis is None:
                found = f"always{i}"
            else:
                found = column.axis.source(i, space)
                if column.axis.width > 1:
                    after.append(f"if a{i} is not None: rows = exact{i}(rows, place{i})")
            lines.append(f"else: rows &= {found}")
        verify = "rows & verify" if self._opaque else "0"
        names = "".join(f"a{i}, " for i in range(len(self._columns)))
        lines += [*after, f"return rows, rows & open_ if open_ else 0, {verify}"]
        source = "\n    ".join([f"def match({names}*_):", *lines])
        space["verify"] = self._opaque
        exec(compile(source, "<generated from index>", "exec"), space)
        return space["match"]  # type: ignore[no-any-return]

    def matches(self, values: Iterable[Any]) -> Iterator[tuple[int, bool]]:
        """(row, whether it surely matches), the first row first; the caller tests rows that are not sure."""
        rows, open_, verify = self.match(values)
        unsure = open_ | verify
        for row in bits(rows):
            yield row, not unsure >> row & 1

    def meeting(self, row: int) -> int:
        """The rows that may share with `row` a value in each column, or a missing one; all that do are among them.

        No row with an opaque cell is.
        """
        if self._opaque >> row & 1:
            return 0
        rows = self._all & ~self._opaque
        for column in self._columns:
            rows &= column.meeting(row)
        return rows


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, the lowest first."""
    if mask.bit_count() <= 16:
        while mask:
            low = mask & -mask
            yield low.bit_length() - 1
            mask ^= low
    else:  # a search through the digits costs less than to copy the number for each bit
        digits = bin(mask)[:1:-1]
        at = digits.find("1")
        while at >= 0:
            yield at
            at = digits.find("1", at + 1)


class _Column:
    """`always`: rows that pass any value of any kind. `missing`, `open`: rows that may pass a missing value."""

    def __init__(self, constraints: Sequence[Constraint], key: Key | None) -> None:
        always: list[int] = []
        opaque: list[int] = []
        passing: list[int] = []
        unknown: list[int] = []
        bounded: dict[Hashable, list[tuple[int, Interval]]] = {}
        for row, region in enumerate(constraints):
            kinds = None if region is None else _kinds(region, key)
            if region is None or kinds is None:
                opaque.append(row)
                continue
            if region.missing is not False:
                (passing if region.missing else unknown).append(row)
            for kind, interval in kinds:
                if kind is _UNBOUNDED:
                    always.append(row)
                else:
                    bounded.setdefault(kind, []).append((row, interval))
        size = len(constraints)
        self.opaque = _mask(opaque, size)
        self.always = _mask(always, size) | self.opaque
        self.open = _mask(unknown, size)
        self.missing = _mask(passing, size) | self.open | self.opaque
        self.axes = {kind: _Axis(found, self.always, size, key) for kind, found in bounded.items()}
        self.axis = next(iter(self.axes.values()), None)
        self.passing = _mask(passing, size)

    def meeting(self, row: int) -> int:
        if self.always >> row & 1:
            return -1
        rows = self.passing if self.passing >> row & 1 else 0
        for axis in self.axes.values():
            rows |= axis.meeting(row)
        return rows


#: The kind of an interval without bounds.
_UNBOUNDED: Final = object()


def _kinds(region: Region, key: Key | None) -> list[tuple[Hashable, Interval]] | None:
    """Each interval with the kind of its bounds; None where a bound has no key, or its bounds are of two kinds."""
    found: list[tuple[Hashable, Interval]] = []
    for interval in region.intervals:
        low, high = interval.low, interval.high
        if low is None and high is None:
            found.append((_UNBOUNDED, interval))
        elif key is None:
            found.append((None, interval))
        else:
            keys = [key(bound) for bound in (low, high) if bound is not None]
            if None in keys or len({k[0] for k in keys if k is not None}) != 1:
                return None
            assert keys[0] is not None
            found.append((keys[0][0], interval))
    return found


class _Axis:
    """The places of one kind of values: 2i is the gap below bound i, 2i + 1 the bound, the last the gap above all.

    Where each bound goes with the gap above it, as in `[a..b)`, or with the one below, as in `(a..b]`, the two are one
    place. `width` places make a cell. `masks` holds the rows that pass somewhere in a cell, `partial` those of them
    that do not pass all of it. `find` gives the place of a value.
    """

    def __init__(
        self, intervals: Sequence[tuple[int, Interval]], always: int, size: int, key: Key | None
    ) -> None:
        def plain(bound: Any) -> Any:
            found = (None, bound) if key is None else key(bound)
            assert found is not None
            return found[1]

        values = {
            plain(b) for _, interval in intervals for b in (interval.low, interval.high) if b is not None
        }
        self.bounds = sorted(values)
        number = {bound: i for i, bound in enumerate(self.bounds)}
        end = 2 * len(self.bounds)
        found: list[tuple[int, int, int]] = []
        for row, interval in intervals:
            first, last = 0, end
            if interval.low is not None:
                first = 2 * number[plain(interval.low)] + (1 if interval.low_closed else 2)
            if interval.high is not None:
                last = 2 * number[plain(interval.high)] + (1 if interval.high_closed else 0)
            if first <= last:
                found.append((row, first, last))
        self.find: Callable[[Any], int] = self.place
        if all((first % 2 or first == 0) and last % 2 == 0 for _, first, last in found):
            self.find = partial(bisect_right, self.bounds)
            found = [(row, (first + 1) // 2, (last + 1) // 2) for row, first, last in found]
            end //= 2
        elif all(first % 2 == 0 and (last % 2 or last == end) for _, first, last in found):
            self.find = partial(bisect_left, self.bounds)
            found = [(row, first // 2, last // 2) for row, first, last in found]
            end //= 2
        cells = min(_CELLS, max(64, _BYTES // (size // 8 + 1)))
        self.width = -(-(end + 1) // cells)
        self.always = always
        spans: dict[int, list[tuple[int, int]]] = {}
        for row, first, last in found:
            spans.setdefault(row, []).append((first, last))
        self.spans = {row: _joined(found, 1) for row, found in spans.items()}
        self.fill(end // self.width + 1, end, size)

    def fill(self, cells: int, end: int, size: int) -> None:
        """One sweep over the cells: rows enter and leave, and the rows within are noted."""
        width, always = self.width, self.always
        enter: list[list[int]] = [[] for _ in range(cells + 1)]
        leave: list[list[int]] = [[] for _ in range(cells + 1)]
        parts: list[list[int]] = [[] for _ in range(cells)]
        for row, spans in self.spans.items():
            for first, last in _joined([(a // width, b // width) for a, b in spans], 0):
                enter[first].append(row)
                leave[last + 1].append(row)
            if width > 1:
                for first, last in spans:
                    if first % width:
                        parts[first // width].append(row)
                    if last % width != width - 1 and last != end:
                        parts[last // width].append(row)
        self.masks: list[int] = []
        self.partial = [_mask(rows, size) & ~always for rows in parts] if width > 1 else []
        current = 0
        for cell in range(cells):
            if leave[cell]:
                current &= ~_mask(leave[cell], size)
            if enter[cell]:
                current |= _mask(enter[cell], size)
            self.masks.append(current | always if always else current)

    def place(self, value: Any) -> int:
        bounds = self.bounds
        i = bisect_left(bounds, value)
        return 2 * i + 1 if i < len(bounds) and bounds[i] == value else 2 * i

    def exact(self, rows: int, place: int) -> int:
        """The rows without those that pass somewhere in the cell of the place, but not there."""
        for row in bits(rows & self.partial[place // self.width]):
            if not self.holds(row, place):
                rows ^= 1 << row
        return rows

    def source(self, i: int, space: dict[str, Any]) -> str:
        """The mask for the argument `a{i}` as Python; what it needs is put into `space`."""
        space |= {f"masks{i}": self.masks, f"bounds{i}": self.bounds, f"find{i}": self.find}
        if self.width > 1:
            space[f"exact{i}"] = self.exact
            return f"masks{i}[(place{i} := find{i}(a{i})) // {self.width}]"
        if self.find == self.place and all(mask == self.always for mask in self.masks[::2]):
            space[f"points{i}"] = dict(zip(self.bounds, self.masks[1::2], strict=True)).get
            return f"points{i}(a{i}, always{i})"
        if isinstance(self.find, partial):
            return f"masks{i}[{self.find.func.__name__}(bounds{i}, a{i})]"
        return f"masks{i}[find{i}(a{i})]"

    def meeting(self, row: int) -> int:
        """The rows in the cells that the row reaches, by a tree of the rows in ever longer spans of cells."""
        tree, size, rows = self.tree, len(self.masks), 0
        for first, last in self.spans.get(row, ()):
            a, b = first // self.width + size, last // self.width + size + 1
            while a < b:
                if a & 1:
                    rows |= tree[a]
                    a += 1
                if b & 1:
                    b -= 1
                    rows |= tree[b]
                a, b = a >> 1, b >> 1
        return rows

    @cached_property
    def tree(self) -> list[int]:
        size = len(self.masks)
        tree = [0] * size + self.masks
        for node in range(size - 1, 0, -1):
            tree[node] = tree[2 * node] | tree[2 * node + 1]
        return tree

    def holds(self, row: int, place: int) -> bool:
        return any(first <= place <= last for first, last in self.spans.get(row, ()))


def _joined(spans: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Spans of whole numbers in order, those that overlap joined; with a `gap` of 1 those that touch too."""
    if len(spans) == 1:
        return spans
    out: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + gap:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out


def _mask(rows: Iterable[int], size: int) -> int:
    digits = bytearray(size // 8 + 1)
    for row in rows:
        digits[row >> 3] |= 1 << (row & 7)
    return int.from_bytes(digits, "little")

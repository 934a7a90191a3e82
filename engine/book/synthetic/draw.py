"""Draws from a bit stream, in whole numbers only."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

#: What stands for a missing value in the arrays of a draft.
NA = np.iinfo(np.int64).min


class Stream:
    """A stream of draws, the same for the same key on every machine and with every version of NumPy.

    It takes the raw words of PCG64, whose stream NumPy promises to keep, and makes whole numbers of them.
    """

    def __init__(self, *key: int | str) -> None:
        words = [zlib.crc32(k.encode()) if isinstance(k, str) else k for k in key]
        self._bits = np.random.PCG64(np.random.SeedSequence(words))

    def words(self, size: int) -> Ints:
        """Words of 32 bits."""
        return (self._bits.random_raw(size) >> np.uint64(32)).astype(np.int64)

    def hashes(self, size: int) -> Ints:
        """Words of 63 bits, distinct for all purposes."""
        return (self._bits.random_raw(size) >> np.uint64(1)).astype(np.int64)

    def below(self, limit: int | Ints, size: int) -> Ints:
        """Uniform in 0 … limit - 1, for limits up to 2 ** 31."""
        return (self.words(size) * limit) >> 32

    def between(self, low: int | Ints, high: int | Ints, size: int) -> Ints:
        """Uniform in low … high, both included; `low` where they cross."""
        return low + self.below(np.maximum(np.asarray(high) - low + 1, 1), size)

    def chance(self, per_100k: int | Ints, size: int) -> Mask:
        """True so many times in 100,000."""
        return self.below(100_000, size) < per_100k

    def pick(self, weights: Sequence[int] | Ints, size: int) -> Ints:
        """Indices 0, 1, … in proportion to the weights."""
        ends = np.cumsum(weights)
        place: Ints = np.searchsorted(ends, self.below(int(ends[-1]), size), side="right")
        return place

    def spread(self, knots: Sequence[tuple[int, int]], size: int) -> Ints:
        """A distribution by its quantiles: (per mille, value) knots from 0 to 1000, and lines between."""
        at = np.array([q for q, _ in knots]) * 1_000
        values = np.array([v for _, v in knots])
        u = self.below(1_000_000, size)
        left = np.searchsorted(at, u, side="right") - 1
        width = at[left + 1] - at[left]
        drawn: Ints = values[left] + (u - at[left]) * (values[left + 1] - values[left]) // width
        return drawn

    def order(self, size: int) -> Ints:
        """A random order of 0 … size - 1."""
        return np.argsort(self.hashes(size), kind="stable")


def round_to(values: Ints, step: int | Ints) -> Ints:
    """Rounded to the nearest multiple of the step, at least one step."""
    rounded: Ints = np.maximum((values + step // 2) // step, 1) * step
    return rounded


def ranges(counts: Ints) -> tuple[Ints, Ints]:
    """For counts c0, c1, …: the owner of each item, and its number 0, 1, … within the owner."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)

"""Outcomes counted by rule, version, branch, product and quarter: whole columns at a time.

The keys of a row are numbered densely, once for all rules that share them; with its code a row then is the number of a
bin, and each rule costs one pass for the files and one for their exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from sancha.engine.policy.plan import Outcome
from sancha.engine.run.results import COUNTS_SCHEMA

_CODES = len(Outcome)
#: More than quarters there are in 9999 years, of a version, and of none.
_QUARTERS = 1 << 16
#: Whole numbers below this are exact in the sums of `bincount`, which are floats of 53 bits.
_EXACT = 2**53
_LIMB = 26

Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class RuleOutcomes:
    """A rule's outcomes file by file: its number, the codes, and as whole numbers, -1 for none, version and quarter."""

    number: int
    codes: Numbers
    versions: Numbers
    quarters: Numbers


def count(
    rules: Sequence[RuleOutcomes], branch: pa.Array, product: pa.Array, exposure: Numbers
) -> tuple[pa.Table, dict[int, set[Outcome]]]:
    """The outcomes in the columns of `COUNTS_SCHEMA`, and those that each rule has.

    `branch` and `product` are texts; `exposure` is in cents, 0 where it is missing. Sums are exact.
    """
    group, groups = _groups(branch, product)
    weights = _limbs(exposure)
    most = max((int(r.versions.max(initial=-1)) for r in rules), default=-1) + 2
    known: dict[tuple[int, int], tuple[Numbers, Numbers]] = {}
    found: dict[int, set[Outcome]] = {}
    parts: list[tuple[Numbers, ...]] = []
    for rule in rules:
        pair = (id(rule.versions), id(rule.quarters))
        if pair not in known:
            key = (group * _QUARTERS + (rule.quarters + 1)) * most + (rule.versions + 1)
            encoded = pa.array(key).dictionary_encode()
            bins = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64) * _CODES
            known[pair] = (bins, encoded.dictionary.to_numpy())
        bins, keys = known[pair]
        bins = bins + rule.codes
        files = np.bincount(bins)
        filled = np.flatnonzero(files)
        sums = [np.bincount(bins, weights=w)[filled].astype(np.int64) for w in weights]
        codes = filled % _CODES
        found[rule.number] = {Outcome(int(c)) for c in np.unique(codes)}
        parts.append((np.full(len(filled), rule.number), keys[filled // _CODES], codes, files[filled], *sums))
    if not parts:
        return COUNTS_SCHEMA.empty_table(), found
    number, key, code, files, *sums = (np.concatenate(column) for column in zip(*parts, strict=True))
    version, key = key % most - 1, key // most
    quarter, place = key % _QUARTERS - 1, key // _QUARTERS
    columns = [
        pa.array(number, pa.int16()),
        pa.array(version, pa.int16(), mask=version < 0),
        *(column.take(pa.array(place)) for column in groups),
        pa.array(quarter, pa.int32(), mask=quarter < 0),
        pa.array(code, pa.int8()),
        pa.array(files, pa.int64()),
        _amounts(sums),
    ]
    return pa.Table.from_arrays(columns, schema=COUNTS_SCHEMA), found


def _groups(branch: pa.Array, product: pa.Array) -> tuple[Numbers, tuple[pa.Array, pa.Array]]:
    """The number of each row's branch and product, and both by that number."""
    first, second = branch.dictionary_encode(), product.dictionary_encode()
    # A text that is missing comes after those that there are.
    places = [
        np.nan_to_num(e.indices.to_numpy(zero_copy_only=False), nan=len(e.dictionary)).astype(np.int64)
        for e in (first, second)
    ]
    width = len(second.dictionary) + 1
    pair = pa.array(places[0] * width + places[1]).dictionary_encode()
    numbers = pair.dictionary.to_numpy()
    texts = []
    for encoded, place in ((first, numbers // width), (second, numbers % width)):
        texts.append(encoded.dictionary.take(pa.array(place, mask=place == len(encoded.dictionary))))
    return pair.indices.to_numpy(zero_copy_only=False).astype(np.int64), (texts[0], texts[1])


def _limbs(exposure: Numbers) -> list[Numbers]:
    """The amounts as floats whose sums are exact: whole, or in limbs of 26 bits, the least first."""
    most = max(abs(int(exposure.min(initial=0))), int(exposure.max(initial=0)))
    if most * len(exposure) < _EXACT:
        return [exposure.astype(np.float64)]
    mask = (1 << _LIMB) - 1
    limbs = [exposure & mask, (exposure >> _LIMB) & mask, exposure >> 2 * _LIMB]
    return [limb.astype(np.float64) for limb in limbs]


def _amounts(sums: Sequence[Numbers]) -> pa.Array:
    """Sums of cents, by limbs, as decimals."""
    type_ = COUNTS_SCHEMA.field("exposure").type
    if len(sums) > 1:
        cents = (sum(int(n) << i * _LIMB for i, n in enumerate(limbs)) for limbs in zip(*sums, strict=True))
        return pa.array([Decimal(c).scaleb(-2) for c in cents], type_)
    return amounts(pa.array(sums[0]), type_)


def amounts(cents: pa.Array, type_: pa.DataType) -> pa.Array:
    """Whole cents as decimals of a type with two places."""
    given = cents.fill_null(0).to_numpy()
    # A decimal of Arrow is two words, the lower one first; the upper one holds the sign.
    words = np.empty((len(given), 2), np.int64)
    words[:, 0], words[:, 1] = given, given >> 63
    validity = None
    if cents.null_count:
        known = np.packbits(cents.is_valid().to_numpy(zero_copy_only=False), bitorder="little")
        validity = pa.py_buffer(known)
    return pa.Array.from_buffers(type_, len(given), [validity, pa.py_buffer(words)])

"""Outcomes counted by rule, version, branch, product and quarter: whole columns at a time.

The keys of a row are numbered densely, once for all rules that share them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa

from sancha.engine.policy.plan import Outcome
from sancha.engine.run.results import COUNTS_ENCODED, Numbers, amounts

_CODES = len(Outcome)
#: More than quarters there are in 9999 years, of a version, and of none.
_QUARTERS = 1 << 16
#: Whole numbers below this are exact in the sums of `bincount`, which are floats of 53 bits.
_EXACT = 2**53
_LIMB = 26


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
    """The outcomes in the columns of `COUNTS_SCHEMA`, texts as dictionaries, and those that each rule has.

    `branch` and `product` are texts; `exposure` is in cents, 0 where it is missing. Sums are exact.
    """
    group, groups = _groups(branch, product)
    weights = _limbs(exposure)
    most = max((int(r.versions.max(initial=-1)) for r in rules), default=-1) + 2
    sharing: dict[tuple[int, int], list[RuleOutcomes]] = {}
    for rule in rules:
        sharing.setdefault((id(rule.versions), id(rule.quarters)), []).append(rule)
    found: dict[int, set[Outcome]] = {}
    parts: list[tuple[Numbers, ...]] = []
    for same in sharing.values():
        key = (group * _QUARTERS + (same[0].quarters + 1)) * most + (same[0].versions + 1)
        encoded = pa.array(key).dictionary_encode()
        rows = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        keys = encoded.dictionary.to_numpy()
        for rule, (files, *sums) in _counted(same, rows, len(keys), weights):
            place, code = files.nonzero()
            found[rule.number] = {Outcome(int(c)) for c in np.unique(code)}
            counts = (s[place, code].astype(np.int64) for s in (files, *sums))
            parts.append((np.full(len(place), rule.number), keys[place], code, *counts))
    if not parts:
        return COUNTS_ENCODED.empty_table(), found
    number, key, code, files, *sums = (np.concatenate(column) for column in zip(*parts, strict=True))
    version, key = key % most - 1, key // most
    quarter, place = key % _QUARTERS - 1, key // _QUARTERS
    columns = [
        pa.array(number, pa.int16()),
        pa.array(version, pa.int16(), mask=version < 0),
        *(_texts(column, place) for column in groups),
        pa.array(quarter, pa.int32(), mask=quarter < 0),
        pa.array(code, pa.int8()),
        pa.array(files, pa.int64()),
        _amounts(sums),
    ]
    return pa.Table.from_arrays(columns, schema=COUNTS_ENCODED), found


def _counted(
    rules: Sequence[RuleOutcomes], rows: Numbers, groups: int, weights: Sequence[Numbers]
) -> Iterator[tuple[RuleOutcomes, list[Numbers]]]:
    """For each rule the number of files and the sum of each weight, by the group of a row (axis 0) and code (axis 1).

    Rules of the same scope do not apply to the same files, which are counted once for all of them; breaches and the
    like are few; and those that pass are the rest.
    """
    kinds = (None, *weights)
    whole = [np.bincount(rows, w, groups) for w in kinds]
    scopes: dict[bytes, list[Numbers]] = {}
    for rule in rules:
        outside = rule.codes == Outcome.NOT_APPLICABLE
        scope = np.packbits(outside).tobytes()
        if scope not in scopes:
            scopes[scope] = [
                np.bincount(rows[outside], w if w is None else w[outside], groups) for w in kinds
            ]
        few = np.flatnonzero((rule.codes != Outcome.PASS) & ~outside)
        bins = rows[few] * _CODES + rule.codes[few]
        found = []
        for w, all_, other in zip(kinds, whole, scopes[scope], strict=True):
            sums = np.bincount(bins, w if w is None else w[few], groups * _CODES).reshape(groups, _CODES)
            sums[:, Outcome.PASS] = all_ - other - sums.sum(axis=1)
            sums[:, Outcome.NOT_APPLICABLE] = other
            found.append(sums)
        yield rule, found


def _texts(column: pa.Array, place: Numbers) -> pa.Array:
    """The texts at places, as a dictionary."""
    encoded = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(pa.array(place)), encoded.dictionary)


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
    type_ = COUNTS_ENCODED.field("exposure").type
    if len(sums) > 1:
        cents = (sum(int(n) << i * _LIMB for i, n in enumerate(limbs)) for limbs in zip(*sums, strict=True))
        return pa.array([Decimal(c).scaleb(-2) for c in cents], type_)
    return amounts(pa.array(sums[0]), type_)

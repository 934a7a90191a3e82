"""The exceptions of a report as two compact blocks that a page unpacks in the browser."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sancha.audit.evidence import OUTCOMES, STAGES, Evidence
from sancha.audit.exceptions import SlotValues, label, type_of
from sancha.audit.findings import Finding
from sancha.audit.texts import Texts
from sancha.engine.policy.pack import Pack, slots_of

#: No value in a column of whole numbers.
NONE = 0xFFFFFFFF
#: No day in a column of days since 1970.
NO_DAY = -(2**31)


def pack_exceptions(
    t: Texts,
    pack: Pack,
    evidence: Evidence,
    findings: Sequence[Finding],
    rules: Sequence[str],
    table: pa.Table,
) -> tuple[str, str]:
    """Exceptions as two blocks for the page: what its table shows first, and what is opened on request.

    Each block is a header in JSON, which names the arrays that follow it, deflated and in base64. Texts are
    stored once and referred to by number, and amounts are whole hundredths.
    """
    severity = {r: f for f in reversed(findings) if f.kind != "data" for r in f.rules}
    gaps = {r: f for f in reversed(findings) if f.kind == "data" for r in f.rules}
    loan, loans = _coded(table["loan_id"])
    rule, rule_ids = _coded(table["rule"], list(rules))
    branch, branches = _coded(table["branch"])
    product, products = _coded(table["product"]) if "product" in table.schema.names else (None, [])
    outcome, _ = _coded(table["outcome"], list(OUTCOMES))
    version, versions = _coded(table["version"])
    group, groups = _coded(table["group"])
    note, notes = _coded(table["note"])
    days = pc.fill_null(table["judged_on"].combine_chunks().cast(pa.int32()), NO_DAY).to_numpy()
    amounts = table["exposure"].combine_chunks().cast(pa.decimal128(20, 2))
    hundredths = pc.multiply(amounts, pa.scalar(Decimal(100)))
    cents = pc.fill_null(hundredths, -1).cast(pa.float64()).to_numpy(zero_copy_only=False)
    core_header = {
        "rows": table.num_rows,
        "loans": loans,
        "branches": branches,
        "products": products,
        "versions": versions,
        "groups": groups,
        "notes": notes,
        "outcomes": list(OUTCOMES),
        "stages": [s for s in STAGES if any(pack.rules[i].stage == s for i in rules)],
        "rules": [
            {
                "id": i,
                "title": t.said(pack.rules[i].title),
                "stage": pack.rules[i].stage,
                "severity": severity[i].severity.level if i in severity else None,
                "finding": severity[i].code if i in severity else None,
                "gap": gaps[i].code if i in gaps else None,
                "gapSeverity": gaps[i].severity.level if i in gaps else None,
                "says": t.said(pack.rules[i].finding),
                "clause": pack.rules[i].clause,
            }
            for i in rule_ids
        ],
    }
    core_arrays = {
        "loan": loan.astype("<u4"),
        "rule": rule.astype("<u2"),
        "branch": branch.astype("<u4"),
        "outcome": outcome.astype("u1"),
        "version": version.astype("<u4"),
        "day": days.astype("<i4"),
        "cents": cents.astype("<f8"),
        "group": group.astype("<u4"),
        "note": note.astype("<u4"),
        "sample": table["sample"].combine_chunks().cast(pa.uint8()).to_numpy(zero_copy_only=False),
    }
    if product is not None:
        core_arrays["product"] = product.astype("<u4")
    detail_header, detail_arrays = _details(t, pack, evidence, table, loans, rules)
    return _block(core_header, core_arrays), _block(detail_header, detail_arrays)


def _details(
    t: Texts, pack: Pack, evidence: Evidence, table: pa.Table, loans: Sequence[str], rules: Sequence[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    slots = {i: slots_of(t.said(pack.rules[i].finding)) for i in rules}
    more = SlotValues(evidence, pack, table)
    names: dict[str, int] = {}
    values: dict[str, int] = {}
    starts, fact_names, fact_values, is_read = [0], [], [], []
    missing_starts, missing = [0], []
    columns = (table[c].to_pylist() for c in ("loan_id", "rule", "facts", "missing"))
    for loan, rule, facts, lacks in zip(*columns, strict=True):
        read = {f["fact"]: f["value"] for f in facts or ()}
        wanted = more.of(loan, [s for s in slots.get(rule, ()) if s not in read], read)
        for pairs, mark in ((read, 1), (wanted, 0)):
            for name, value in pairs.items():
                fact_names.append(names.setdefault(name, len(names)))
                fact_values.append(values.setdefault(value if value is not None else "", len(values)))
                is_read.append(mark)
        starts.append(len(fact_names))
        missing += [names.setdefault(name, len(names)) for name in lacks or ()]
        missing_starts.append(len(missing))
    every_slot = {s for found in slots.values() for s in found}
    for name in sorted(every_slot):
        names.setdefault(name, len(names))
    numbered: dict[str, str] = {}
    header = {
        "facts": [{"name": n, "label": t.said(label(pack, n)), "type": type_of(pack, n)} for n in names],
        "values": list(values),
        "codes": numbered,
    }
    arrays = {
        "start": np.array(starts, "<u4"),
        "fact": np.array(fact_names, "<u4"),
        "value": np.array(fact_values, "<u4"),
        "read": np.array(is_read, "u1"),
        "missingStart": np.array(missing_starts, "<u4"),
        "missing": np.array(missing, "<u4"),
    }
    codes = evidence.codes(pa.array(loans, pa.string()), list(rules))
    for i, rule in enumerate(rules):
        if rule in codes.schema.names:
            numbered[str(i)] = f"code{i}"
            arrays[f"code{i}"] = codes[rule].combine_chunks().fill_null(2).to_numpy().astype("u1")
    return header, arrays


def _coded(column: pa.ChunkedArray, known: Sequence[str] | None = None) -> tuple[np.ndarray, list[str]]:
    """Numbers for texts, NONE for null; and the texts, in the order of their numbers."""
    if known is not None:
        found = pc.index_in(column.combine_chunks(), value_set=pa.array(known, pa.string()))
        return pc.fill_null(found, 0).to_numpy(), list(known)
    encoded = column.combine_chunks().cast(pa.string()).dictionary_encode()
    numbers = encoded.indices.to_numpy(zero_copy_only=False)
    numbers = np.where(np.isnan(numbers), NONE, numbers) if numbers.dtype.kind == "f" else numbers
    return numbers.astype("<u4"), encoded.dictionary.to_pylist()


def _block(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """The length of the header in four bytes, the header, the arrays by 8 bytes; deflated, in base64."""
    at, layout, parts = 0, {}, []
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        layout[name] = [array.dtype.str.lstrip("<|"), at, array.size]
        padding = -len(data) % 8
        parts.append(data + b"\0" * padding)
        at += len(data) + padding
    text = json.dumps({**header, "arrays": layout}, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    whole = b"".join([len(text).to_bytes(4, "little"), text, *parts])
    return base64.b64encode(deflate.compress(whole) + deflate.flush()).decode()

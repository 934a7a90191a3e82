"""Generated loan files for tests that two ways to run agree: every fact may be missing, values sit on boundaries."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sancha.engine.book.schema import LOANS, REFERENCE, table_schema
from sancha.engine.book.store import Book, write_book
from sancha.engine.feel import core as c
from sancha.engine.feel.types import Type
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.plan import ListEvidence
from sancha.engine.policy.vocabulary import Vocabulary

PLACES = {"money": 2, "rate": 8, "number": 8}
_WIDE = Context(prec=60)
#: Texts that sort, fold and count in different ways unless code points are meant.
TEXTS = (
    *("S1", "S2", "S3", "", "三查", "foobar", "𠮷野家", "aBc", "ß", "İstanbul", "￿", "a'b\"c{0}\\"),
    # Trailing blanks, marks of their own, letters beyond the basic plane, line ends, what SQL and formats might read.
    *(
        "S1 ",
        " S1",
        "e\u0301",
        "é",
        "ΑΣ",
        "ς",
        "👨‍👩‍👧",
        "\U00010400",
        "a\nb",
        "a\r\n",
        "\t",
        "%_",
        "null",
        "NaN",
        "{}",
        "$1",
    ),
)
DATES = tuple(
    dt.date.fromisoformat(d)
    for d in (
        "2024-02-29",
        "2023-02-28",
        "2024-01-31",
        "2024-03-31",
        "2024-12-31",
        "2024-06-30",
        "2020-02-29",
    )
)


class Generator:
    """Draws values by type: constants of the policy and their neighbours, awkward ones, and anything."""

    def __init__(self, seed: int, constants: Mapping[str, Iterable[Any]], missing: float = 0.12) -> None:
        self.random = random.Random(seed)
        self.missing = missing
        self.constants = {kind: sorted(set(values), key=repr) for kind, values in constants.items()}

    def column(self, name: str, type_: Type, required: bool) -> Any:
        """A value of a column."""
        return self.value(type_, 0 if required else None)

    def value(self, type_: Type, missing: float | None = None) -> Any:
        if self.random.random() < (self.missing if missing is None else missing):
            return None
        if type_.name == "list":
            assert type_.item is not None
            return [self.value(type_.item, 0.05) for _ in range(self.random.choice([0, 1, 1, 2, 3]))]
        if type_.name == "boolean":
            return self.random.random() < 0.5
        if type_.name == "one of":
            return self.random.choice(type_.values)
        known = self.constants.get(type_.name, ())
        if known and self.random.random() < 0.5:
            return self.random.choice(known)
        draw: Callable[[], Any] = getattr(self, "_" + type_.name.replace("-", "_"))
        return draw()

    def _text(self) -> str:
        return self.random.choice(TEXTS)

    def _integer(self) -> int:
        return self.random.choice([0, 1, 2, 3, 5, 7, -7, 12, 36, self.random.randint(-500, 500)])

    _days = _integer

    def _money(self) -> Decimal:
        base = self.random.choice(["0", "1", "70", "100", "33.33", "700000", "1000000", "5000000"])
        cents = self.random.choice([0, 0, 0, 1, -1, self.random.randint(-(10**8), 10**8)])
        return (Decimal(base) + Decimal(cents).scaleb(-2)).quantize(Decimal("0.01"))

    def _rate(self) -> Decimal:
        base = self.random.choice(["0", "0.7", "0.3", "1", "0.33333333", "0.05"])
        return (Decimal(base) + Decimal(self.random.choice([0, 0, 1, -1])).scaleb(-8)).quantize(
            Decimal("1e-8")
        )

    def _number(self) -> Decimal:
        base = self.random.choice(["0", "2.5", "-2.5", "1000", "0.125", "123456.78901234"])
        return (Decimal(base) * self.random.choice([1, 1, 3])).quantize(Decimal("1e-8"))

    def _date(self) -> dt.date:
        if self.random.random() < 0.4:
            return self.random.choice(DATES)
        return dt.date(2024, 6, 1) + dt.timedelta(days=self.random.randint(-500, 300))

    def _date_time(self) -> dt.datetime:
        seconds = self.random.choice([0, 43_200, self.random.randint(-(10**7), 10**7)])
        return dt.datetime(2024, 2, 29) + dt.timedelta(
            seconds=seconds, microseconds=self.random.choice([0, 0, 250_000])
        )


class Large(Generator):
    """Values at the ends of what their types hold."""

    def _ends(self, digits: int, places: int) -> Decimal:
        most = 10**digits - 1
        n = self.random.choice([most, -most, 10 ** (digits - 1), 1, 0, self.random.randint(-most, most)])
        return Decimal(n).scaleb(-places, _WIDE)

    def _money(self) -> Decimal:
        return self._ends(18, 2)

    def _rate(self) -> Decimal:
        return self._ends(18, 8)

    def _number(self) -> Decimal:
        return self._ends(30, 8)

    def _integer(self) -> int:
        return self.random.choice([2**63 - 1, -(2**63), 0, 1, -1, self.random.randint(-(2**63), 2**63 - 1)])

    _days = _integer

    def _date(self) -> dt.date:
        return self.random.choice(
            [dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1969, 12, 31), dt.date(2024, 2, 29)]
        )

    def _date_time(self) -> dt.datetime:
        ends = (dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999))
        return self.random.choice([*ends, dt.datetime(1969, 12, 31, 23, 59, 59, 999_999)])


class Varied(Generator):
    """Each column in a manner of its own: without missing values, with some, with most, with nothing else; ordinary
    values, those at the ends of the type, both, or always the same."""

    def __init__(self, seed: int, constants: Mapping[str, Iterable[Any]]) -> None:
        super().__init__(seed, constants)
        self.large = Large(seed, {})
        self.large.random = self.random
        self.manners: dict[str, tuple[float, str, list[Any]]] = {}

    def column(self, name: str, type_: Type, required: bool) -> Any:
        rng = self.random
        if name not in self.manners:
            missing = 0 if required else rng.choices([0, 0.04, 0.12, 0.5, 0.97, 1], [20, 30, 30, 10, 5, 2])[0]
            how = rng.choices(["plain", "few", "same", "large", "both"], [60, 18, 4, 5, 8])[0]
            some = [self.value(type_, 0) for _ in range(1 if how == "same" else 3)]
            self.manners[name] = (missing, how, some)
        missing, how, some = self.manners[name]
        if rng.random() < missing:
            return None
        if how in ("same", "few"):
            return rng.choice(some)
        large = how == "large" or (how == "both" and rng.random() < 0.1)
        return (self.large if large else self).value(type_, 0)


def constants_of(pack: Pack) -> dict[str, set[Any]]:
    """The constants that a policy compares with, and their nearest neighbours, by type."""
    found: dict[str, set[Any]] = {
        k: set() for k in ("money", "rate", "number", "integer", "days", "date", "text")
    }
    for core in _cores(pack):
        for node in c.walk(core):
            if not isinstance(node, c.Const) or node.value is None or isinstance(node.value, bool):
                continue
            value = node.value
            if isinstance(value, str):
                found["text"].add(value)
            elif isinstance(value, dt.datetime):
                continue
            elif isinstance(value, dt.date):
                found["date"] |= {value, value - dt.timedelta(days=1), value + dt.timedelta(days=1)}
            else:
                _numbers(found, Decimal(value))
    return found


def _numbers(found: dict[str, set[Any]], value: Decimal) -> None:
    for kind, places in PLACES.items():
        unit = Decimal(1).scaleb(-places)
        if abs(value) < 10**8:
            nearest = value.quantize(unit, context=_WIDE)
            found[kind] |= {nearest, nearest + unit, nearest - unit}
    if value == int(value) and abs(value) < 10**6:
        found["integer"] |= {int(value), int(value) + 1, int(value) - 1}
        found["days"] |= {int(value), int(value) + 1}


def _cores(pack: Pack) -> Iterable[c.Core]:
    plan = lower(pack)
    for rule in plan.rules:
        yield from (core for _, core in rule.lets)
        yield from (e.where for e in rule.evidence if isinstance(e, ListEvidence) and e.where is not None)
    for p in plan.portfolio:
        yield from (p.where, p.require)


def generated_book(
    folder: Path,
    vocabulary: Vocabulary,
    generator: Generator,
    files: int,
    *,
    as_of: dt.date = dt.date(2024, 12, 31),
    references: int = 12,
) -> Book:
    """A book of generated files: lists missing, empty, short and longer, ids of reference lists among the texts."""
    rng = generator.random
    loans: list[dict[str, Any]] = []
    items: dict[str, list[dict[str, Any]]] = {name: [] for name in vocabulary.lists}
    for number in range(files):
        row: dict[str, Any] = {"loan_id": f"L{number:06d}"}
        row |= {n: generator.column(n, f.type, f.required) for n, f in vocabulary.facts.items()}
        for name, spec in vocabulary.lists.items():
            row[name] = rng.choice([None, 0, 0, 1, 1, 2, 3, 4] if rng.random() < 0.98 else [9, 9, 9, 60])
            for item in range(row[name] or 0):
                fields = {
                    n: generator.column(f"{name}.{n}", f.type, f.required) for n, f in spec.fields.items()
                }
                items[name].append({"loan_id": row["loan_id"], "item": item + 1, **fields})
        loans.append(row)
    tables = {LOANS: pa.Table.from_pylist(loans, table_schema(vocabulary, LOANS))}
    for name in vocabulary.lists:
        tables[name] = pa.Table.from_pylist(items[name], table_schema(vocabulary, name))
    for name, spec in vocabulary.reference.items():
        rows = [
            {n: generator.column(f"{name}.{n}", f.type, f.required) for n, f in spec.fields.items()}
            for _ in range(references)
        ]
        tables[REFERENCE + name] = pa.Table.from_pylist(rows, table_schema(vocabulary, REFERENCE + name))
    return write_book(folder, vocabulary, tables, as_of=as_of, synthetic=True, source="generated for a test")


def differences(columns: Path, row: Path, show: int = 5) -> list[str]:
    """What two runs say differently: outcomes, counts, and exceptions with their facts and what was missing."""
    found: list[str] = []
    for name in ("codes", "outcomes", "exceptions"):
        left, right = (pq.read_table(p / f"{name}.parquet") for p in (columns, row))
        if left.equals(right):
            continue
        found.append(f"{name}: {left.num_rows} and {right.num_rows} rows")
        a, b = left.to_pylist(), right.to_pylist()
        if name == "codes":
            found += [
                f"{x['loan_id']} {rule}: columns {x[rule]}, row {y[rule]}"
                for x, y in zip(a, b, strict=True)
                for rule in x
                if x[rule] != y[rule]
            ][:show]
            continue
        first, second = ({repr(r): r for r in rows} for rows in (a, b))
        found += [f"columns only: {r}" for k, r in first.items() if k not in second][:show]
        found += [f"row only: {r}" for k, r in second.items() if k not in first][:show]
        if len(found) == 1:
            found.append("the same rows in another order")
    return found

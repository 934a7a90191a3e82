"""What a run holds of an engagement's scope, read by DuckDB where it lies on disk."""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from sancha.audit.measures import Tally
from sancha.engine.diagnostics import SanchaError, did_you_mean

OUTCOMES = ("pass", "breach", "not applicable", "unknown", "waived", "not due")
STAGES = ("pre-loan", "in-loan", "post-loan")
#: Outcomes from which rates are taken. A waived breach is neither: it is counted beside them.
JUDGED = ("pass", "breach")
#: Outcomes of the files to which a rule applies, or may apply.
CONCERNED = (*JUDGED, "waived", "unknown")
#: Rows of exceptions that are read at a time.
BATCH = 20_000

_RUN_FILES = {
    "codes.parquet": ("loan_id",),
    "outcomes.parquet": ("rule", "version", "stage", "branch", "period", "outcome", "files", "exposure"),
    "exceptions.parquet": (
        *("loan_id", "rule", "stage", "branch", "outcome", "version", "judged_on", "exposure"),
        *("facts", "missing", "note", "group"),
    ),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at. An empty set means all; `first` and `last` bound the day judged."""

    branches: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """The tallies of the outcomes of one rule, or of one cell of a table."""

    by_outcome: Mapping[str, Tally] = field(default_factory=dict)

    def of(self, *outcomes: str) -> Tally:
        return sum((self.by_outcome.get(o, Tally()) for o in outcomes), Tally())

    def __add__(self, other: Counts) -> Counts:
        return Counts({o: self.of(o) + other.of(o) for o in {*self.by_outcome, *other.by_outcome}})

    @property
    def breach(self) -> Tally:
        return self.of("breach")

    @property
    def judged(self) -> Tally:
        return self.of(*JUDGED)

    @property
    def concerned(self) -> Tally:
        return self.of(*CONCERNED)

    @property
    def unknown(self) -> Tally:
        return self.of("unknown")

    @property
    def waived(self) -> Tally:
        return self.of("waived")


@dataclass(frozen=True, slots=True)
class Cell:
    """One group of outcomes: rule, stage, branch, quarter and version, with its counts."""

    rule: str
    stage: str
    branch: str | None
    period: str | None
    version: str | None
    outcome: str
    tally: Tally


class Evidence:
    """A run, its book and a scope. Reads what is asked for; holds no table in memory but the outcomes."""

    def __init__(
        self,
        run: Path,
        book: Path,
        scope: Scope,
        *,
        branch: str | None,
        product: str | None = None,
        portfolio: Iterable[str] = (),
        seed: int = 0,
    ) -> None:
        """`branch` and `product` are the facts to group by; `portfolio` are the rules that judge the book."""
        self.path, self.book, self.scope, self.seed = run, book, scope, seed
        self.portfolio = frozenset(portfolio)
        self.info = _run_info(run)
        self.as_of = date.fromisoformat(self.info["book"]["as_of"])
        self._branch, self._product = branch, product
        self._db = duckdb.connect()
        self._check_files()
        self._check_period()
        self._db.execute(f"create view loans as from read_parquet({_literal(book / 'loans.parquet')})")
        self._loan_columns = frozenset(r[0] for r in self._db.execute("describe loans").fetchall())
        self._create_outcomes()
        self._create_exceptions()
        self.cells = self._read_cells()
        self._counts: dict[tuple[str, ...], dict[tuple[Any, ...], Counts]] = {}
        self._check_scope()

    # The files

    def _check_files(self) -> None:
        for name, needed in _RUN_FILES.items():
            path = self.path / name
            try:
                columns = {
                    r[0] for r in self._db.execute(f"describe from read_parquet({_literal(path)})").fetchall()
                }
            except duckdb.Error as error:
                raise SanchaError(
                    f"`{name}` of the run cannot be read: {_first_line(error)}",
                    where=path,
                    help="replay the book again: the run is incomplete or was written by another version",
                    code="E0802",
                ) from error
            if absent := [c for c in needed if c not in columns]:
                raise SanchaError(
                    f"`{name}` of the run lacks the column `{absent[0]}`", where=path, code="E0802"
                )

    def _check_period(self) -> None:
        """Outcomes are counted by quarter, so a period must not cut through one."""
        first, last = self.scope.first, self.scope.last
        if first and last and first > last:
            raise SanchaError(f"the period ends ({last}) before it begins ({first})", code="E0802")
        if first and (first.month % 3 != 1 or first.day != 1):
            raise SanchaError(
                f"the period begins on {first}, within a quarter: outcomes are counted by quarter",
                help=f"begin on {_quarter_start(first)}",
                code="E0802",
            )
        if last and last < self.as_of and last != _quarter_end(last):
            raise SanchaError(
                f"the period ends on {last}, within a quarter: outcomes are counted by quarter",
                help=f"end on {_quarter_end(last)}",
                code="E0802",
            )

    @property
    def _until(self) -> date | None:
        """The last day of the period where it ends a quarter. Else it lies on the day of the book or after,
        and there is nothing to leave out."""
        last = self.scope.last
        return last if last and last == _quarter_end(last) else None

    def _create_outcomes(self) -> None:
        path = self.path / "outcomes.parquet"
        where = ["true"]
        if self.scope.branches:
            where.append(f"({_among('branch', self.scope.branches)} or {_among('rule', self.portfolio)})")
        if self.scope.products:
            columns = [
                r[0] for r in self._db.execute(f"describe from read_parquet({_literal(path)})").fetchall()
            ]
            if "product" not in columns:
                raise SanchaError(
                    "the engagement is limited to some products, but the run does not count by product",
                    where=path,
                    help="name the product under `dimensions:` in pack.yaml and replay the book, "
                    "or leave `products` out of the scope",
                    code="E0802",
                )
            where.append(f"({_among('product', self.scope.products)} or {_among('rule', self.portfolio)})")
        where += [_among(c, v) for c, v in (("stage", self.scope.stages), ("rule", self.scope.rules)) if v]
        if self.scope.first:
            where.append(f"(period is null or period >= {_literal(quarter(self.scope.first))})")
        if self._until:
            where.append(f"(period is null or period <= {_literal(quarter(self._until))})")
        self._db.execute(
            f"create table outcomes as from read_parquet({_literal(path)}) where {' and '.join(where)}"
        )

    def _create_exceptions(self) -> None:
        where = ["true"]
        if self.scope.branches:
            where.append(f"({_among('branch', self.scope.branches)} or {_among('rule', self.portfolio)})")
        if self.scope.products:
            if self._product not in self._loan_columns:
                raise SanchaError(
                    f"the book has no column `{self._product}` by which to limit the scope to products",
                    where=self.book / "loans.parquet",
                    code="E0802",
                )
            inside = f"select loan_id from loans where {_among(_name(self._product), self.scope.products)}"
            where.append(f"(loan_id in ({inside}) or {_among('rule', self.portfolio)})")
        where += [_among(c, v) for c, v in (("stage", self.scope.stages), ("rule", self.scope.rules)) if v]
        if self.scope.first:
            where.append(f"(judged_on is null or judged_on >= {_literal(self.scope.first)})")
        if self._until:
            where.append(f"(judged_on is null or judged_on <= {_literal(self._until)})")
        self._db.execute(
            f"create view exceptions as from read_parquet({_literal(self.path / 'exceptions.parquet')}) "
            f"where {' and '.join(where)}"
        )

    def _read_cells(self) -> tuple[Cell, ...]:
        rows = self._db.execute(
            "select rule, stage, branch, period, version, outcome, sum(files)::bigint, sum(exposure) "
            "from outcomes group by all order by all"
        ).fetchall()
        return tuple(Cell(r[0], r[1], r[2], r[3], r[4], r[5], Tally(r[6], r[7] or Decimal(0))) for r in rows)

    def _check_scope(self) -> None:
        known = {c.branch for c in self.cells if c.branch}
        if missing := [b for b in self.scope.branches if b not in known]:
            everywhere = self._db.execute(
                f"select distinct branch from read_parquet({_literal(self.path / 'outcomes.parquet')}) "
                "where branch is not null"
            ).fetchall()
            raise SanchaError(
                f"no outcome of the run is of the branch `{missing[0]}`",
                help=did_you_mean(missing[0], [r[0] for r in everywhere]),
                code="E0802",
            )
        if not any(c.outcome in CONCERNED for c in self.cells):
            raise SanchaError(
                "nothing in the run lies within the engagement's scope",
                where=self.path,
                help="widen the scope or the period, or look whether the book is the right one",
                code="E0802",
            )

    # The counts

    def counts(self, *by: str) -> Mapping[tuple[Any, ...], Counts]:
        """Counts grouped by attributes of `Cell`: `counts("stage", "branch")[("pre-loan", "North")]`."""
        if by not in self._counts:
            groups: dict[tuple[Any, ...], dict[str, Tally]] = {}
            for cell in self.cells:
                tallies = groups.setdefault(tuple(getattr(cell, a) for a in by), {})
                tallies[cell.outcome] = tallies.get(cell.outcome, Tally()) + cell.tally
            self._counts[by] = {key: Counts(value) for key, value in groups.items()}
        return self._counts[by]

    def loans_in_book(self) -> int:
        return int(self.info["book"]["loans"])

    def without_branch(self) -> int:
        """Files of the book whose branch is not recorded: they lie in no branch's scope."""
        if self._branch not in self._loan_columns:
            return 0
        return self._one(f"select count(*) from loans where {_name(self._branch)} is null")

    def affected(self) -> Tally:
        """Files in scope with at least one breach, each counted once."""
        return self._distinct("outcome = 'breach'")

    def missing_facts(self) -> list[tuple[str, str, int]]:
        """(rule, fact, files) over the unknown outcomes; items of a list count as their field."""
        return self._db.execute(
            "select rule, fact, count(*) from (select rule, loan_id, unnest(list_distinct("
            r"list_transform(missing, lambda m: regexp_replace(m, '\[\d+\]', '', 'g')))) "
            "as fact from exceptions where outcome = 'unknown') group by all order by 1, 3 desc, 2"
        ).fetchall()

    def lacking(self, rules: Iterable[str]) -> Tally:
        """Files for which at least one of the rules could not be judged, each counted once."""
        return self._distinct(f"outcome = 'unknown' and {_among('rule', rules)}")

    def days(self, rules: Iterable[str], outcome: str) -> tuple[date | None, date | None]:
        """First and last day judged among the exceptions of these rules."""
        return self._db.execute(
            f"select min(judged_on), max(judged_on) from exceptions "
            f"where outcome = {_literal(outcome)} and {_among('rule', rules)}"
        ).fetchall()[0]

    def distressed(self, rules: Iterable[str], fact: str, values: Iterable[str]) -> Tally:
        """Of the files in breach of these rules, those whose fact has one of the values."""
        if fact not in self._loan_columns:
            raise SanchaError(
                f"the book has no column `{fact}`, by which distressed loans are to be told",
                where=self.book / "loans.parquet",
                help=did_you_mean(fact, self._loan_columns),
                code="E0802",
            )
        inside = f"select loan_id from loans where {_among(_name(fact), values)}"
        return self._distinct(f"outcome = 'breach' and {_among('rule', rules)} and loan_id in ({inside})")

    def rejects(self) -> int:
        """Values of the extract that could not be read when the book was imported."""
        path = self.book / "rejects.parquet"
        return self._one(f"select count(*) from read_parquet({_literal(path)})") if path.is_file() else 0

    # The exceptions

    def exceptions(
        self,
        *,
        rules: Iterable[str] | None = None,
        outcomes: Iterable[str] = ("breach",),
        order: Iterable[str] = (),
        limit: int | None = None,
    ) -> pa.Table:
        """Exceptions in the order of the rules given and, within it, largest exposure first.

        Columns as in the run, with `product` where the book has it, and `sample`, which marks the files drawn
        for a look at the documents: of each rule and outcome, 25 or a tenth, whichever is more, in the order
        of a digest of seed and file, so that anyone can draw them again.
        """
        return self._db.sql(self._exceptions_query(rules, outcomes, order, limit)).to_arrow_table()

    def exception_batches(
        self,
        *,
        rules: Iterable[str] | None = None,
        outcomes: Iterable[str] = ("breach",),
        order: Iterable[str] = (),
    ) -> Iterator[pa.RecordBatch]:
        """The same, some thousand rows at a time: of a large book there are too many to hold."""
        # A cursor of its own, so that other questions can be asked while the batches are read.
        with self._db.cursor() as cursor:
            query = self._exceptions_query(rules, outcomes, order, None)
            yield from cursor.sql(query).to_arrow_reader(BATCH)

    def largest(self, rules: Iterable[str], outcome: str, limit: int) -> pa.Table:
        """The exceptions of these rules with the largest exposure, whichever rule they are of."""
        return self._db.sql(
            f"from exceptions where outcome = {_literal(outcome)} and {_among('rule', rules)} "
            f'order by exposure desc nulls last, loan_id, rule, "group" limit {limit}'
        ).to_arrow_table()

    def count(self, rules: Iterable[str] | None, outcomes: Iterable[str]) -> int:
        """The number of exceptions of these rules (None: all) and outcomes."""
        chosen = "true" if rules is None else _among("rule", rules)
        return self._one(f"select count(*) from exceptions where {_among('outcome', outcomes)} and {chosen}")

    def fact_names(self, rules: Iterable[str] | None, outcomes: Iterable[str]) -> list[str]:
        """The facts read in these exceptions, most frequent first."""
        chosen = "true" if rules is None else _among("rule", rules)
        rows = self._db.execute(
            "select fact from (select unnest(facts).fact as fact from exceptions "
            f"where {_among('outcome', outcomes)} and {chosen}) group by 1 order by count(*) desc, 1"
        ).fetchall()
        return [row[0] for row in rows]

    def _exceptions_query(
        self,
        rules: Iterable[str] | None,
        outcomes: Iterable[str],
        order: Iterable[str],
        limit: int | None,
    ) -> str:
        chosen = "true" if rules is None else _among("rule", rules)
        ranks = "".join(f" when {_literal(rule)} then {i}" for i, rule in enumerate(order))
        rank = f"case d.rule{ranks} end nulls last, " if ranks else ""
        product = f'l.{_name(self._product)} as "product", ' if self._product in self._loan_columns else ""
        return f"""
            with drawn as (
              select *, row_number() over (
                  partition by rule, outcome
                  order by md5({_literal(self.seed)} || '|' || coalesce(loan_id, "group", ''))
                ) <= greatest(25, ceil(0.1 * count(*) over (partition by rule, outcome))) as sample
              from exceptions
              where {_among("outcome", outcomes)} and {chosen}
            )
            select d.loan_id, d.rule, d.stage, d.branch, {product} d.outcome, d.version, d.judged_on,
                   d.exposure, d.facts, d.missing, d.note, d."group", d.sample
            from drawn d {"left join loans l using (loan_id)" if product else ""}
            order by {rank}d.rule, d.outcome, d.exposure desc nulls last, d.loan_id, d."group"
            {f"limit {limit}" if limit is not None else ""}
            """

    def exception_count(self) -> int:
        return self._one("select count(*) from exceptions")

    def codes(self, loans: pa.Array, rules: list[str]) -> pa.Table:
        """The outcome codes of these loans, one int8 column a rule, in the order of `loans`."""
        path = self.path / "codes.parquet"
        known = {r[0] for r in self._db.execute(f"describe from read_parquet({_literal(path)})").fetchall()}
        self._db.register("wanted", pa.table({"loan_id": loans, "place": pa.array(range(len(loans)))}))
        columns = ", ".join(_name(r) for r in rules if r in known) or "loan_id"
        table = self._db.sql(
            f"select {columns} from wanted left join read_parquet({_literal(path)}) using (loan_id) "
            "order by place"
        ).to_arrow_table()
        self._db.unregister("wanted")
        return table

    def loan_facts(self, loans: pa.Array, facts: Iterable[str]) -> dict[str, list[str | None]]:
        """Scalar facts of these loans as text, in the order of `loans`, without those the book lacks."""
        known = [f for f in facts if f in self._loan_columns]
        if not known:
            return {}
        self._db.register("wanted", pa.table({"loan_id": loans, "place": pa.array(range(len(loans)))}))
        columns = ", ".join(f"{_name(f)}::varchar as {_name(f)}" for f in known)
        table = self._db.sql(
            f"select {columns} from wanted left join loans using (loan_id) order by place"
        ).to_arrow_table()
        self._db.unregister("wanted")
        return {f: table[f].to_pylist() for f in known}

    def _one(self, query: str) -> int:
        return int(self._db.execute(query).fetchall()[0][0])

    def _distinct(self, where: str) -> Tally:
        files, exposure = self._db.execute(
            "select count(*), coalesce(sum(exposure), 0)::decimal(38,2) from "
            f"(select loan_id, max(exposure) as exposure from exceptions "
            f"where loan_id is not null and {where} group by 1)"
        ).fetchall()[0]
        return Tally(files, exposure)


def quarter(day: date) -> str:
    """`2024Q3`."""
    return f"{day.year}Q{(day.month + 2) // 3}"


def _quarter_start(day: date) -> date:
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def _quarter_end(day: date) -> date:
    month = 3 * ((day.month + 2) // 3)
    return date(day.year, month, calendar.monthrange(day.year, month)[1])


def _run_info(run: Path) -> dict[str, Any]:
    path = run / "run.json"
    try:
        info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if info["format"] != 1:
            raise SanchaError(
                f"the run has format {info['format']}, this version reads format 1", where=path, code="E0802"
            )
        _ = info["pack"]["digest"], info["book"]["as_of"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SanchaError(
            f"this is not a complete run: {_first_line(error)}",
            where=path,
            help="make one with `sancha replay BOOK --pack PACK --out RUN`",
            code="E0802",
        ) from error
    return info


def _literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _name(column: str | None) -> str:
    return '"' + str(column).replace('"', '""') + '"'


def _among(column: str, values: Iterable[str]) -> str:
    listed = ", ".join(_literal(v) for v in values)
    return f"{column} in ({listed})" if listed else "false"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

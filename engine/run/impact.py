"""The impact of a change of policy: one book judged under two packs, and what comes out differently, and why.

Both packs are replayed; their codes are compared in DuckDB, column by column, into a table of transitions by rule,
branch, product and size. A rule that a pack lacks does not apply under it. The first few files of each change by
exposure are judged again by the row evaluator, for the facts that decide.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.book.schema import LOAN_ID, LOANS
from sancha.engine.book.store import Book, open_book, read_files, read_reference
from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.files import take_place
from sancha.engine.policy.as_if import as_if as always
from sancha.engine.policy.as_if import last_change, version_on
from sancha.engine.policy.differences import (
    Difference,
    differences,
    in_force,
    other_facts,
    paired_rules,
    reaching,
)
from sancha.engine.policy.pack import Pack, Rule, load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.impact_model import (
    RANK,
    Example,
    GroupChange,
    Impact,
    Moves,
    RuleImpact,
    SeenFact,
    Tally,
    as_json,
)
from sancha.engine.run.impact_page import write_page
from sancha.engine.run.replay import replay
from sancha.engine.run.results import RUN_FILE, versions
from sancha.engine.run.row import Evaluator, Judgement, Reasons, Reference

IMPACT_FILE = "impact.json"
LANGUAGES = ("en", "zh")
STAGES = ("pre-loan", "in-loan", "post-loan")
#: Example files of each kind of change of a rule, and facts shown of each.
EXAMPLES = 3
MOST_FACTS = 40
#: What comparing may hold in memory, and rules compared in one statement.
_MEMORY = "1GB"
_RULES_AT_A_TIME = 100
_ROW_GROUP = 1_000_000
_AMOUNT = pa.decimal128(38, 2)

CHANGES_SCHEMA = pa.schema(
    [
        pa.field("loan_id", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("branch", pa.string()),
        pa.field("product", pa.string()),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("exposure", pa.decimal128(18, 2)),
        pa.field("old", pa.string(), nullable=False),
        pa.field("new", pa.string(), nullable=False),
    ]
)
SUMMARY_SCHEMA = pa.schema(
    [
        pa.field("rule", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("branch", pa.string()),
        pa.field("product", pa.string()),
        pa.field("exposure_from", pa.int64()),
        pa.field("old", pa.string(), nullable=False),
        pa.field("new", pa.string(), nullable=False),
        pa.field("files", pa.int64(), nullable=False),
        pa.field("exposure", _AMOUNT, nullable=False),
        pa.field("without_exposure", pa.int64(), nullable=False),
    ]
)


def impact(
    old: Path,
    new: Path,
    book: Path,
    out: Path,
    *,
    rules: Sequence[str] | None = None,
    as_if: date | str | None = None,
    old_as_if: date | str | None = None,
    as_of: date | None = None,
    hindsight: bool = False,
    old_run: Path | None = None,
    examples: int = EXAMPLES,
    lang: str = "en",
    progress: bool = True,
) -> Impact:
    """Judge a book under two packs, compare, and write `changes.parquet`, `summary.parquet`, `impact.json` and
    `impact.html` (in the language `lang`, en or zh) to the folder `out`.

    `rules` limits the comparison to rules, by their ids in either pack. `as_if` is a day, or "last": the policy that
    NEW has on that day, or after its last change, is held to have been in force on every day; `old_as_if` is the same
    for OLD. `as_of` replaces the day of the book. `old_run` is a run of OLD on this book, day and sight of facts, which
    then is not judged again. `examples` are the files told of for each kind of change of a rule. A comparison that is
    stopped, by Ctrl-C or by the end of its process, carries on when it is asked for again. SanchaError where packs,
    book or run do not fit each other; then nothing is left at `out`, or what was there.
    """
    if lang not in LANGUAGES:
        raise SanchaError(
            f"there is no page in the language `{lang}`",
            help=did_you_mean(lang, LANGUAGES) or f"the languages are {', '.join(LANGUAGES)}",
        )
    _check_place(out)
    before, after = load_pack(old), load_pack(new)
    opened = _opened(book, before, after)
    told = differences(before, after)
    dated = (before, after)
    days = (_day(old_as_if, before), _day(as_if, after))
    if days[0] is not None and days[1] is not None:
        known = {(d.kind, d.name) for d in told}
        begun = in_force(before, after, (days[0], days[1]))
        told = (*(d for d in begun if (d.kind, d.name) not in known), *told)
    before, after = (
        pack if day is None else always(pack, day) for pack, day in zip(dated, days, strict=True)
    )
    whole = before
    pairs = _chosen(paired_rules(before, after), rules)
    if rules is not None:
        before, after = _limited(before, [o for o, _ in pairs]), _limited(after, [n for _, n in pairs])
        reached = [
            d
            for pack, side in ((after, [n for _, n in pairs]), (before, [o for o, _ in pairs]))
            for rule in side
            if rule is not None
            for d in reaching(rule, pack, told)
        ]
        told = tuple(d for d in told if d in reached)
    judged = as_of or opened.as_of
    options: dict[str, Any] = {"hindsight": hindsight, "as_of": judged}
    if old_run is not None:
        _check_run(old_run, whole, opened, judged, hindsight)
    work = out.parent / f".{out.name}.partial"
    try:
        work.mkdir(parents=True, exist_ok=True)
        for left in work.glob("result.*"):
            shutil.rmtree(left)
        first = old_run or _run(book, before, work / "old", opened, options, progress)
        same = before.digest == after.digest
        second = first if same else _run(book, after, work / "new", opened, options, progress)
        staged = Path(tempfile.mkdtemp(prefix="result.", dir=work))
        staged.chmod(0o755)
        found = _compared(
            _Sides(
                before, after, dated, days, opened, judged, hindsight, pairs, first, second, told, examples
            ),
            staged,
            out,
        )
        (staged / IMPACT_FILE).write_text(
            json.dumps(as_json(found), ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
        write_page(found, lang, staged / "impact.html")
        take_place(staged, out)
    except duckdb.InterruptException:
        raise
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        raise SanchaError(
            f"cannot write the comparison: {error.strerror or error}",
            where=out,
            help="nothing was left behind",
        ) from error
    except duckdb.Error as error:
        shutil.rmtree(work, ignore_errors=True)
        raise SanchaError(f"the runs cannot be compared: {str(error).splitlines()[0]}", where=out) from error
    except Exception:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)
    return found


# -- what is compared -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sides:
    """What is compared: `old` and `new`, as if of the days `as_if`, if given; `dated` are both with their own days."""

    old: Pack
    new: Pack
    dated: tuple[Pack, Pack]
    as_if: tuple[date | None, date | None]
    book: Book
    as_of: date
    hindsight: bool
    pairs: Sequence[tuple[Rule | None, Rule | None]]
    old_run: Path
    new_run: Path
    differences: Sequence[Difference]
    examples: int


def _day(day: date | str | None, pack: Pack) -> date | None:
    if day == "last":
        return last_change(pack)
    if isinstance(day, str):
        try:
            return date.fromisoformat(day)
        except ValueError:
            raise SanchaError(
                f"`{day}` is no day to hold the policy of", help="write a day as 2024-07-01, or `last`"
            ) from None
    return day


def _check_place(out: Path) -> None:
    if out.exists() and not (out / IMPACT_FILE).is_file() and (out.is_file() or any(out.iterdir())):
        raise SanchaError(
            f"`{out.name}` is there already and is not a comparison",
            where=out,
            help="name another folder, or empty this one",
        )


def _opened(book: Path, old: Pack, new: Pack) -> Book:
    """The book, which fits the vocabularies of both packs; SanchaError that names the facts that differ."""
    facts = other_facts(old.vocabulary, new.vocabulary)
    shown = "; ".join(facts[:5]) + (f"; and {len(facts) - 5} more" if len(facts) > 5 else "")
    if not set(old.vocabulary.facts) & set(new.vocabulary.facts) or any("OLD," in fact for fact in facts):
        raise SanchaError(
            f"the packs have different vocabularies: {shown}",
            where=new.path / "vocabulary.yaml",
            help="one book cannot be judged under both; compare versions of one policy",
        )
    for pack in (old, new):
        try:
            opened = open_book(book, pack.vocabulary)
        except SanchaError as error:
            if not facts:
                raise
            side = "OLD" if pack is old else "NEW"
            raise SanchaError(
                f"the book does not hold what {side} reads: {error.message}",
                where=error.where,
                help=f"the vocabularies of the packs differ: {shown}",
                code=error.code,
            ) from error
    return opened


def _chosen(
    pairs: Sequence[tuple[Rule | None, Rule | None]], wanted: Sequence[str] | None
) -> list[tuple[Rule | None, Rule | None]]:
    if not any(o and n for o, n in pairs):
        raise SanchaError(
            "the packs have no rule in common, neither by id nor by title or clause",
            help="compare two versions of one policy",
        )
    if wanted is None:
        return list(pairs)
    known = {rule.id for pair in pairs for rule in pair if rule is not None}
    for name in wanted:
        if name not in known:
            raise SanchaError(f"neither pack has a rule `{name}`", help=did_you_mean(name, sorted(known)))
    return [pair for pair in pairs if any(rule is not None and rule.id in wanted for rule in pair)]


def _limited(pack: Pack, rules: Iterable[Rule | None]) -> Pack:
    """The pack with some of its rules."""
    kept = {rule.id for rule in rules if rule is not None}
    digest = hashlib.sha256(f"{pack.digest} {sorted(kept)}".encode()).hexdigest()
    chosen = {name: rule for name, rule in pack.rules.items() if name in kept}
    return dataclasses.replace(pack, rules=chosen, digest=f"sha256:{digest}")


def _check_run(run: Path, pack: Pack, book: Book, as_of: date, hindsight: bool) -> None:
    """SanchaError if the run is not of this pack, book, day and sight of facts."""
    info = _info(run)
    if info is None:
        raise SanchaError(
            "this is not a complete run",
            where=run,
            help="make one with `sancha replay BOOK --pack OLD --out RUN`, or leave `--old-run` out",
        )
    asked = {"pack": pack.digest, "book": book.digest, "day": as_of.isoformat(), "hindsight": hindsight}
    found = _told(info)
    other = [name for name, value in asked.items() if found[name] != value]
    if other:
        names = {
            "pack": "pack",
            "book": "book",
            "day": "day of the book",
            "hindsight": "setting of hindsight",
        }
        raise SanchaError(
            f"the run is of another {names[other[0]]} than the comparison",
            where=run,
            help=f"the run: {found[other[0]]}; the comparison: {asked[other[0]]}",
        )


def _info(run: Path) -> dict[str, Any] | None:
    try:
        info = json.loads((run / RUN_FILE).read_text(encoding="utf-8"))
        _ = _told(info), info["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(info)


def _told(info: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "pack": info["pack"]["digest"],
        "book": info["book"]["digest"],
        "day": info["book"]["as_of"],
        "hindsight": info["hindsight"],
    }


def _run(book: Path, pack: Pack, run: Path, opened: Book, options: Mapping[str, Any], progress: bool) -> Path:
    """The run of a pack, without the exceptions of files; it stays from a comparison that was stopped after it."""
    info = _info(run)
    wanted = {
        "pack": pack.digest,
        "book": opened.digest,
        "day": options["as_of"].isoformat(),
        "hindsight": options["hindsight"],
    }
    if info is None or _told(info) != wanted or info["versions"] != versions():
        replay(book, pack, run, exceptions=False, progress=progress, **options)
    return run


# -- comparing --------------------------------------------------------------------------------------------------------


def _compared(sides: _Sides, folder: Path, out: Path) -> Impact:
    of_files, of_book = (_speaking_of(sides.pairs, book=book) for book in (False, True))
    with (
        tempfile.TemporaryDirectory(prefix="compare.", dir=folder.parent) as spill,
        duckdb.connect(str(Path(spill) / "compare.duckdb")) as connection,
    ):
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute(f"SET temp_directory = {_literal(spill)}")
        comparison = _Comparison(connection, sides, of_files)
        comparison.load()
        comparison.summarize()
        pq.write_table(comparison.summary(), folder / "summary.parquet", compression="zstd", version="2.6")
        comparison.write_changes(folder / "changes.parquet")
        views = {key: comparison.moves(key) for key in ("stage", "branch", "product", "exposure_from")}
        by_rule = {key[0]: moves for key, moves in comparison.moves("rule").items()}
        by_branch, by_product = comparison.moves("rule", "branch"), comparison.moves("rule", "product")
        (total,) = comparison.moves().values() or (Moves({}),)
        chosen = comparison.examples()
        files = comparison.files()
    explained = _explained(sides, of_files, chosen)
    rules = [
        RuleImpact(
            old,
            new,
            by_rule.get(_name(old, new), Moves({})),
            _because(sides, old, new),
            _worst_first((key[1], m) for key, m in by_branch.items() if key[0] == _name(old, new)),
            _worst_first((key[1], m) for key, m in by_product.items() if key[0] == _name(old, new)),
            explained.get(_name(old, new), ()),
        )
        for old, new in of_files
    ]
    return Impact(
        out,
        sides.old,
        sides.new,
        sides.as_if,
        sides.book,
        sides.as_of,
        sides.hindsight,
        rules,
        *_groups(sides, of_book),
        sides.differences,
        total,
        [(stage, views["stage"][stage,]) for stage in STAGES if (stage,) in views["stage"]],
        _worst_first((key[0], moves) for key, moves in views["branch"].items()),
        _worst_first((key[0], moves) for key, moves in views["product"].items()),
        sorted(
            ((key[0], moves) for key, moves in views["exposure_from"].items()),
            key=lambda row: (row[0] is None, row[0] or 0),
        ),
        files,
    )


def _speaking_of(
    pairs: Sequence[tuple[Rule | None, Rule | None]], *, book: bool
) -> list[tuple[Rule | None, Rule | None]]:
    """The rules that speak of the book, or those that speak of files; what becomes the other is in both lists."""

    def kept(rule: Rule | None) -> Rule | None:
        return rule if rule is not None and (rule.kind == "portfolio") == book else None

    return [(o, n) for o, n in ((kept(old), kept(new)) for old, new in pairs) if o or n]


def _worst_first(rows: Iterable[tuple[str | None, Moves]]) -> list[tuple[str | None, Moves]]:
    return sorted(rows, key=lambda row: (row[1].worst, row[0] is None, row[0] or ""))


def _because(sides: _Sides, old: Rule | None, new: Rule | None) -> tuple[Difference, ...]:
    found: list[Difference] = []
    for rule, pack in ((new, sides.new), (old, sides.old)):
        if rule is not None:
            found += [d for d in reaching(rule, pack, sides.differences) if d not in found]
    return tuple(d for d in sides.differences if d in found)


def _name(old: Rule | None, new: Rule | None) -> str:
    """What a pair is called: as NEW has it, if it does."""
    found = new or old
    assert found is not None
    return found.id


class _Comparison:
    """The codes of two runs side by side: the table `pairs`, a row a file with what it is of, and a column a rule."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        sides: _Sides,
        pairs: Sequence[tuple[Rule | None, Rule | None]],
    ) -> None:
        self.connection = connection
        self.sides = sides
        self.pairs = pairs

    def load(self) -> None:
        """One code a rule and file: that of OLD times the number of outcomes, plus that of NEW."""
        pack = self.sides.new
        product = _quoted(pack.product) if pack.product else "NULL"
        loans = _literal(self.sides.book.tables[LOANS])
        # Powers of ten tell the sizes apart: 10,000 stands for 10,000 up to below 100,000.
        size = f"CASE WHEN exposure < {_SMALLEST} THEN 0 ELSE {_POWER} END"
        self.connection.execute(
            f"""CREATE TABLE loans AS
                SELECT {LOAN_ID}, branch, product, exposure, {size} AS exposure_from FROM (
                  SELECT {LOAN_ID}, {_quoted(pack.branch)} AS branch, CAST({product} AS VARCHAR) AS product,
                         CAST({_quoted(pack.exposure)} AS DECIMAL(18, 2)) AS exposure FROM read_parquet({loans}))
                ORDER BY {LOAN_ID}"""
        )
        self.connection.execute(
            """CREATE TABLE groups AS
               SELECT (row_number() OVER (ORDER BY branch, product, exposure_from))::INTEGER AS g, *
               FROM (SELECT DISTINCT branch, product, exposure_from FROM loans)"""
        )
        columns, changes, before, after = [], [], [], []
        for number, (old, new) in enumerate(self.pairs):
            left = f"o.{_quoted(old.id)}" if old else str(int(Outcome.NOT_APPLICABLE))
            right = f"n.{_quoted(new.id)}" if new else str(int(Outcome.NOT_APPLICABLE))
            columns.append(f"CAST({left} * {len(Outcome)} + {right} AS UTINYINT) AS r{number}")
            changes.append(f"{left} <> {right}")
            before.append(f"{left} = {int(Outcome.BREACH)}")
            after.append(f"{right} = {int(Outcome.BREACH)}")
        runs = [_literal(run / "codes.parquet") for run in (self.sides.old_run, self.sides.new_run)]
        # All three are in order of loan ids; whether they are is asked below.
        self.connection.execute(
            f"""CREATE TABLE pairs AS
                SELECT l.{LOAN_ID}, g.g, l.exposure,
                       o.{LOAN_ID} IS NOT DISTINCT FROM l.{LOAN_ID}
                         AND n.{LOAN_ID} IS NOT DISTINCT FROM l.{LOAN_ID} AS same,
                       {_any(changes)} AS changed, {_any(before)} AS before, {_any(after)} AS after
                       {"".join(f", {column}" for column in columns)}
                FROM loans l POSITIONAL JOIN read_parquet({runs[0]}) o POSITIONAL JOIN read_parquet({runs[1]}) n
                JOIN groups g ON g.branch IS NOT DISTINCT FROM l.branch AND g.product IS NOT DISTINCT FROM l.product
                  AND g.exposure_from IS NOT DISTINCT FROM l.exposure_from"""
        )
        if self._one("SELECT count(*) FROM pairs WHERE NOT same"):
            raise SanchaError(
                "the runs are not of the same loan files",
                where=self.sides.old_run,
                help="replay the book under OLD again, or leave `--old-run` out",
            )
        self.connection.execute("DROP TABLE loans")

    def summarize(self) -> None:
        self.connection.execute(
            "CREATE TABLE moves (number INTEGER, g INTEGER, code UTINYINT, files BIGINT, exposure DECIMAL(38, 2), "
            "without_exposure BIGINT)"
        )
        numbers = range(len(self.pairs))
        for first in numbers[::_RULES_AT_A_TIME]:
            parts = [
                f"SELECT {i}, g, r{i}, count(*), coalesce(sum(exposure), 0), count(*) - count(exposure) "
                f"FROM pairs GROUP BY g, r{i}"
                for i in numbers[first : first + _RULES_AT_A_TIME]
            ]
            self.connection.execute(f"INSERT INTO moves {' UNION ALL '.join(parts)}")
        names = [(i, _name(*pair), (pair[1] or pair[0]).stage) for i, pair in enumerate(self.pairs)]  # type: ignore[union-attr]
        self.connection.execute("CREATE TABLE rules (number INTEGER, rule VARCHAR, stage VARCHAR)")
        if names:
            self.connection.executemany("INSERT INTO rules VALUES (?, ?, ?)", names)
        self.connection.execute(
            f"""CREATE VIEW summary AS
                SELECT rule, stage, branch, product, exposure_from, code // {len(Outcome)} AS old_code,
                       code % {len(Outcome)} AS new_code, files, exposure, without_exposure
                FROM moves JOIN rules USING (number) JOIN groups USING (g)"""
        )

    def summary(self) -> pa.Table:
        """All transitions in the columns of `SUMMARY_SCHEMA`, in their order."""
        keys = ", ".join(SUMMARY_SCHEMA.names[:5])
        return (
            self.connection.sql(
                f"SELECT {keys}, {_text('old_code')} AS old, {_text('new_code')} AS new, files, exposure, "
                f"without_exposure FROM summary ORDER BY {keys}, old, new"
            )
            .to_arrow_table()
            .cast(SUMMARY_SCHEMA)
        )

    def write_changes(self, path: Path) -> None:
        """The changes, rule by rule in order of their names, then by loan id."""
        changed = {
            number
            for (number,) in self.connection.execute(
                f"SELECT DISTINCT number FROM moves WHERE {_changed('code')}"
            ).fetchall()
        }
        names = {number: _name(*self.pairs[number]) for number in changed}
        with pq.ParquetWriter(path, CHANGES_SCHEMA, compression="zstd", version="2.6") as writer:
            for number in sorted(changed, key=names.__getitem__):
                old, new = self.pairs[number]
                stage = _literal((new or old).stage)
                batches = self.connection.sql(
                    f"""SELECT {LOAN_ID}, {_literal(names[number])} AS rule, branch, product, {stage} AS stage,
                               exposure, {_text(f"r{number} // {len(Outcome)}")} AS old,
                               {_text(f"r{number} % {len(Outcome)}")} AS new
                        FROM pairs JOIN groups USING (g) WHERE {_changed(f"r{number}")} ORDER BY {LOAN_ID}"""
                ).to_arrow_reader(_ROW_GROUP)
                for batch in batches:
                    if batch.num_rows:
                        writer.write_table(pa.table(batch).cast(CHANGES_SCHEMA), row_group_size=_ROW_GROUP)

    def moves(self, *by: str) -> dict[tuple[Any, ...], Moves]:
        """The transitions added up by columns of the summary."""
        keys = "".join(f"{column}, " for column in by)
        rows = self.connection.execute(
            f"SELECT {keys}old_code, new_code, sum(files)::BIGINT, sum(exposure), sum(without_exposure)::BIGINT "
            "FROM summary GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        found: dict[tuple[Any, ...], dict[tuple[Outcome, Outcome], Tally]] = {} if by else {(): {}}
        for *key, old, new, files, exposure, without in rows:
            pair = (Outcome(old), Outcome(new))
            found.setdefault(tuple(key), {})[pair] = Tally(files, exposure, without)
        return {key: Moves(moves) for key, moves in found.items()}

    def examples(self) -> dict[str, list[_Chosen]]:
        """Of each kind of change of each rule, the files of the largest exposure."""
        out: dict[str, list[_Chosen]] = {}
        pairs = self.connection.execute(
            f"SELECT DISTINCT number, code FROM moves WHERE {_changed('code')} ORDER BY ALL"
        ).fetchall()
        kinds: dict[tuple[int, int], list[int]] = {}
        for number, code in pairs:
            kinds.setdefault((number, code % len(Outcome)), []).append(code)
        rank = {int(outcome): place for place, outcome in enumerate(RANK)}
        for (number, _), codes in sorted(kinds.items(), key=lambda kind: (kind[0][0], rank[kind[0][1]])):
            rows = self.connection.execute(
                f"SELECT {LOAN_ID}, branch, product, exposure, r{number} FROM pairs JOIN groups USING (g) "
                f"WHERE r{number} IN ({', '.join(map(str, codes))}) "
                f"ORDER BY exposure DESC NULLS LAST, {LOAN_ID} LIMIT {self.sides.examples}"
            ).fetchall()
            found = out.setdefault(_name(*self.pairs[number]), [])
            for loan_id, branch, product, exposure, code in rows:
                old, new = divmod(code, len(Outcome))
                found.append(_Chosen(loan_id, branch, product, exposure, Outcome(old), Outcome(new)))
        return out

    def files(self) -> dict[str, Tally]:
        """Loan files, each counted once: `all`, `changed` by any rule, `breached` (in breach of some rule now, of none
        before), `relieved` (of none now, of some before), and those in breach `before` and `after`."""
        conditions = {
            "all": "true",
            "changed": "changed",
            "breached": "after AND NOT before",
            "relieved": "before AND NOT after",
            "before": "before",
            "after": "after",
        }
        parts = [
            f"count(*) FILTER ({c}), coalesce(sum(exposure) FILTER ({c}), 0)::DECIMAL(38, 2), "
            f"count(*) FILTER (({c}) AND exposure IS NULL)"
            for c in conditions.values()
        ]
        row = self.connection.execute(f"SELECT {', '.join(parts)} FROM pairs").fetchone()
        assert row is not None
        return {name: Tally(*row[i * 3 : i * 3 + 3]) for i, name in enumerate(conditions)}

    def _one(self, query: str) -> int:
        return int(self.connection.execute(query).fetchall()[0][0])


#: Exposures below this are one size.
_SMALLEST = 10_000
_POWER = "CAST('1' || repeat('0', length(CAST(trunc(exposure) AS VARCHAR)) - 1) AS BIGINT)"


def _changed(code: str) -> str:
    """SQL: whether a code tells of two different outcomes."""
    return f"{code} NOT IN ({', '.join(str(int(o) * (len(Outcome) + 1)) for o in Outcome)})"


def _text(code: str) -> str:
    """SQL: an outcome as text."""
    names = ", ".join(_literal(outcome.text) for outcome in Outcome)
    return f"([{names}])[({code}) + 1]"


def _any(conditions: Sequence[str]) -> str:
    """SQL: whether any condition is true, as a balanced tree: engines bound the depth of expressions."""
    if len(conditions) <= 1:
        return f"({conditions[0]})" if conditions else "false"
    half = len(conditions) // 2
    return f"({_any(conditions[:half])} OR {_any(conditions[half:])})"


def _literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


# -- examples ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Chosen:
    loan_id: str
    branch: str | None
    product: str | None
    exposure: Decimal | None
    old: Outcome
    new: Outcome


def _explained(
    sides: _Sides, pairs: Sequence[tuple[Rule | None, Rule | None]], chosen: Mapping[str, Sequence[_Chosen]]
) -> dict[str, list[Example]]:
    """The examples with what either rule read, by the row evaluator."""
    wanted = {found.loan_id for examples in chosen.values() for found in examples}
    out: dict[str, list[Example]] = {}
    judges = []
    for pack in (sides.old, sides.new):
        files = read_files(sides.book, pack.vocabulary, wanted)
        reference = read_reference(sides.book, pack.vocabulary)
        judges.append(_Judge(Evaluator(pack, hindsight=sides.hindsight), files, reference, sides.as_of))
    for old, new in pairs:
        name = _name(old, new)
        for found in chosen.get(name, ()):
            before = judges[0](old, found.loan_id)
            after = judges[1](new, found.loan_id)
            judgement, reasons = after or before or (None, None)
            assert judgement is not None and reasons is not None
            facts = _seen(before, after)
            out.setdefault(name, []).append(
                Example(
                    found.loan_id,
                    found.branch,
                    found.product,
                    found.exposure,
                    found.old,
                    found.new,
                    judgement.judged_on,
                    _version(sides, old, new, judgement),
                    tuple(facts[:MOST_FACTS]),
                    max(len(facts) - MOST_FACTS, 0),
                    reasons.missing,
                    judgement.note,
                )
            )
    return out


def _version(sides: _Sides, old: Rule | None, new: Rule | None, judgement: Judgement) -> str | None:
    """The first day of the version that judged, as its pack has it."""
    side, rule = (0, old) if new is None else (1, new)
    day = sides.as_if[side]
    if day is None or rule is None:
        return judgement.version
    found = version_on(sides.dated[side].rules[rule.id], day)
    return None if found is None else found.valid_from.isoformat()


_Judged = tuple[Judgement, Reasons]


@dataclass(frozen=True)
class _Judge:
    evaluator: Evaluator
    files: Mapping[str, LoanFile]
    reference: Reference
    as_of: date

    def __call__(self, rule: Rule | None, loan_id: str) -> _Judged | None:
        if rule is None:
            return None
        file = self.files[loan_id]
        (judgement,) = self.evaluator.judge(file, self.reference, self.as_of, [rule.id])
        return judgement, self.evaluator.reasons(judgement, file, self.reference, self.as_of)


def _seen(before: _Judged | None, after: _Judged | None) -> list[SeenFact]:
    """The facts that either rule read: those first whose values differ, then those of the file, then those of items."""
    old, new = (dict(judged[1].facts) if judged else {} for judged in (before, after))
    facts = [SeenFact(n, old.get(n), new.get(n), (n in old, n in new)) for n in dict.fromkeys((*new, *old))]
    return sorted(facts, key=lambda fact: (not fact.differs, "[" in fact.name))


# -- groups of the book -----------------------------------------------------------------------------------------------


def _groups(
    sides: _Sides, pairs: Sequence[tuple[Rule | None, Rule | None]]
) -> tuple[dict[str, tuple[dict[str, int], dict[str, int]]], list[GroupChange]]:
    """The outcomes of portfolio rules under OLD and NEW, counted by groups; and the groups that differ."""
    counts: dict[str, tuple[dict[str, int], dict[str, int]]] = {}
    changes: list[GroupChange] = []
    if not pairs:
        return counts, changes
    outcomes, exceptions = [], []
    with duckdb.connect() as connection:
        for run in (sides.old_run, sides.new_run):
            tables = [
                f"read_parquet({_literal(run / name)})" for name in ("outcomes.parquet", "exceptions.parquet")
            ]
            rules = ", ".join(_literal(rule.id) for pair in pairs for rule in pair if rule is not None)
            outcomes.append(
                connection.sql(f"SELECT rule, outcome, files FROM {tables[0]} WHERE rule IN ({rules})")
                .to_arrow_table()
                .to_pylist()
            )
            exceptions.append(
                connection.sql(
                    f'SELECT rule, "group", outcome, facts FROM {tables[1]} '
                    f'WHERE rule IN ({rules}) AND "group" IS NOT NULL'
                )
                .to_arrow_table()
                .to_pylist()
            )
    for old, new in pairs:
        found: list[dict[str, dict[str, Any]]] = []
        counted: list[dict[str, int]] = []
        for rule, rows, listed in zip((old, new), outcomes, exceptions, strict=True):
            id = None if rule is None else rule.id
            counted.append({row["outcome"]: row["files"] for row in rows if row["rule"] == id})
            found.append({row["group"]: row for row in listed if row["rule"] == id})
        name = _name(old, new)
        counts[name] = (counted[0], counted[1])
        for group in sorted({*found[0], *found[1]}):
            was, now = found[0].get(group), found[1].get(group)
            if (was and was["outcome"]) != (now and now["outcome"]):
                changes.append(
                    GroupChange(
                        name,
                        group,
                        None if was is None else was["outcome"],
                        None if now is None else now["outcome"],
                        {} if was is None else {f["fact"]: f["value"] for f in was["facts"]},
                        {} if now is None else {f["fact"]: f["value"] for f in now["facts"]},
                    )
                )
    return counts, changes

"""The two real books: what their replays find, pinned, and found again by pandas straight from the raw files.

The data are not part of the repository. SANCHA_DATA names their folder; otherwise it is `../shared/data`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from sancha.engine.book.intake import ImportResult, import_extract
from sancha.engine.book.mapping import load_mapping, mapped_vocabulary
from sancha.engine.book.store import open_book
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.vocabulary import load_vocabulary
from sancha.engine.run.replay import replay

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("SANCHA_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True)
class Replayed:
    """A real book and its replay."""

    imported: ImportResult
    pack: Pack
    run: Path

    def counts(self) -> dict[str, dict[str, int]]:
        query = "SELECT rule, outcome, CAST(sum(files) AS BIGINT) FROM read_parquet(?) GROUP BY ALL"
        found: dict[str, dict[str, int]] = {}
        for rule, outcome, files in duckdb.execute(query, [str(self.run / "outcomes.parquet")]).fetchall():
            if files:
                found.setdefault(rule, {})[outcome] = files
        return found

    def files(self, rule: str, outcome: str = "breach") -> set[str]:
        query = "SELECT loan_id FROM read_parquet(?) WHERE rule = ? AND outcome = ?"
        path = str(self.run / "exceptions.parquet")
        return {row[0] for row in duckdb.execute(query, [path, rule, outcome]).fetchall()}

    def groups(self, rule: str) -> dict[str, int]:
        query = "SELECT \"group\", exposure FROM read_parquet(?) WHERE rule = ? AND outcome = 'breach'"
        path = str(self.run / "exceptions.parquet")
        return {row[0]: int(row[1]) for row in duckdb.execute(query, [path, rule]).fetchall()}

    def rejects(self) -> dict[str, int]:
        return {str(reject.fact): reject.count for reject in self.imported.rejects}


def replayed(name: str, folder: str, work: Path) -> Replayed:
    data = DATA / folder
    if not data.is_dir():
        pytest.skip(f"the data are not there: {data}; SANCHA_DATA may name the folder that holds `{folder}`")
    example = ROOT / "examples" / name
    vocabulary = load_vocabulary(example / "pack" / "vocabulary.yaml")
    result = import_extract(data, example / "mapping.yaml", vocabulary, work / "book")
    replay(work / "book", example / "pack", work / "run", progress=False)
    return Replayed(result, load_pack(example / "pack"), work / "run")


def assert_engines_agree(example: Replayed, work: Path) -> None:
    """The row evaluator is the definition: on every file and every rule the columns say the same."""
    book = example.imported.book.path
    replay(book, example.pack.path, work / "row", engine="row", progress=False)
    for table in ("codes", "outcomes"):
        paths = [str(example.run / f"{table}.parquet"), str(work / "row" / f"{table}.parquet")]
        apart = "(FROM read_parquet($1) EXCEPT ALL FROM read_parquet($2))"
        assert duckdb.execute(f"SELECT count(*) FROM {apart}", paths).fetchall() == [(0,)], table
        assert duckdb.execute(f"SELECT count(*) FROM {apart}", paths[::-1]).fetchall() == [(0,)], table


@pytest.mark.parametrize("name", ["sba", "bpic2012"])
def test_the_examples_are_whole(name: str) -> None:
    """Without the data: the mapping fits the vocabulary, the pack has no defect, its scenarios hold."""
    example = ROOT / "examples" / name
    path = mapped_vocabulary(example / "mapping.yaml")
    assert path == example / "pack" / "vocabulary.yaml"
    load_mapping(example / "mapping.yaml", load_vocabulary(path))
    pack = load_pack(example / "pack")
    assert len(pack.rules) >= 12
    assert {rule.kind for rule in pack.rules.values()} == {"check", "trigger", "portfolio"}
    told = "\n".join(p.read_text() for p in (example / "pack" / "features").glob("*.feature"))
    assert not [rule for rule in pack.rules if rule not in told], "every rule has a scenario"
    assert (example / "run.sh").stat().st_mode & 0o111


# --- SBA ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sba(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    return replayed("sba", "sba", tmp_path_factory.mktemp("sba"))


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    """The raw file, read by hand: another reader of money and dates than the importer's."""
    path = DATA / "sba" / "sba_loans_raw.csv"
    if not path.is_file():
        pytest.skip(f"the data are not there: {path.parent}")
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame = pd.DataFrame({"id": raw["LoanNr_ChkDgt"]})
    for new, old in {
        "disbursed": "DisbursementGross",
        "balance": "BalanceGross",
        "charged": "ChgOffPrinGr",
        "amount": "GrAppv",
        "guaranteed": "SBA_Appv",
    }.items():
        frame[new] = (
            raw[old].map(lambda t: round(float(t.strip().lstrip("$").replace(",", "")) * 100)).astype("int64")
        )
    for new, old in {
        "approved_on": "ApprovalDate",
        "charged_on": "ChgOffDate",
        "first_on": "DisbursementDate",
    }.items():
        frame[new] = raw[old].map(_day)
    frame["term"] = raw["Term"].astype(int)
    frame["year"] = raw["ApprovalFY"].astype(int)
    for new, old in {
        "status": "MIS_Status",
        "line": "RevLineCr",
        "low_doc": "LowDoc",
        "naics": "NAICS",
        "new": "NewExist",
        "bank": "Bank",
        "zip": "Zip",
    }.items():
        frame[new] = raw[old]
    return frame


MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def _day(text: str) -> pd.Timestamp:
    if not text:
        return pd.NaT
    day, month, year = text.split("-")
    return pd.Timestamp((1900 if int(year) >= 60 else 2000) + int(year), MONTHS.index(month) + 1, int(day))


SBA_COUNTS: dict[str, dict[str, int]] = {
    "CAP-01": {"pass": 2627, "not applicable": 1696},
    "CAP-02": {"pass": 4157, "breach": 1, "not applicable": 165},
    "CAP-03": {"pass": 163, "not applicable": 4160},
    "CAP-04": {"pass": 448, "not applicable": 3875},
    "CON-01": {"pass": 591, "breach": 1},
    "DSB-01": {"pass": 4310, "breach": 3, "not applicable": 10},
    "DSB-02": {"pass": 4225, "breach": 24, "unknown": 74},
    "DSB-03": {"pass": 4311, "breach": 8, "not applicable": 4},
    "DSB-04": {"pass": 3957, "breach": 366},
    "FY-01": {"pass": 4323},
    "GUA-01": {"pass": 4147, "breach": 11, "not applicable": 165},
    "GUA-02": {"pass": 4323},
    "GUA-03": {"pass": 447, "unknown": 1, "not applicable": 3875},
    "REC-01": {"pass": 2628, "breach": 1, "not applicable": 1694},
    "REC-02": {"pass": 4291, "breach": 32},
    "STA-01": {"pass": 4309, "breach": 14},
    "STA-02": {"pass": 3564, "breach": 30, "unknown": 14, "not applicable": 715},
    "STA-03": {"pass": 714, "breach": 1, "unknown": 14, "not applicable": 3594},
    "STA-04": {"pass": 711, "breach": 4, "unknown": 14, "not applicable": 3594},
    "STA-05": {"pass": 4313, "breach": 10},
    "STA-06": {"pass": 744, "unknown": 3, "not applicable": 3576},
    "STA-07": {"pass": 4309, "unknown": 14},
    "TRM-01": {"pass": 4313, "breach": 10},
    "TRM-02": {"pass": 4261, "breach": 18, "not applicable": 44},
    "TRM-03": {"pass": 161, "breach": 2, "not applicable": 4160},
    "TRM-04": {"pass": 1344, "breach": 10, "unknown": 221, "not applicable": 2748},
}


def test_sba_import(sba: Replayed, loans: pd.DataFrame) -> None:
    (count,) = sba.imported.sources
    assert (count.rows, count.imported, count.rejected, count.left_out, count.unread) == (
        4323,
        4323,
        0,
        0,
        (),
    )
    # Codes outside the data dictionary: 0 and T for lines of credit, 0 for new businesses.
    junk = {
        "approval.revolving": loans.line.isin(["0", "T"]).sum(),
        "borrower.stage": (loans.new == "0").sum(),
    }
    assert sba.rejects() == junk == {"approval.revolving": 1026, "borrower.stage": 32}
    book = open_book(
        sba.imported.book.path, load_vocabulary(ROOT / "examples/sba/pack/vocabulary.yaml"), verify=True
    )
    columns = (
        '"approval.amount", "approval.guaranteed", "disbursement.amount", "loan.charged_off_amount",'
        ' "approval.approved_on", "disbursement.first_on", "loan.charged_off_on", "borrower.zip"'
    )
    rows = duckdb.sql(f"SELECT loan_id, {columns} FROM '{book.tables['loans']}' ORDER BY loan_id").fetchall()
    for row, want in zip(rows, loans.sort_values("id").itertuples(), strict=True):
        assert row[0] == want.id
        money = (want.amount, want.guaranteed, want.disbursed, want.charged)
        assert tuple(round(value * 100) for value in row[1:5]) == money
        days = (want.approved_on, want.first_on, want.charged_on)
        assert row[5:8] == tuple(None if pd.isna(day) else day.date() for day in days)
        assert row[8] == want.zip.rjust(5, "0")


def test_sba_counts(sba: Replayed) -> None:
    assert sba.counts() == SBA_COUNTS


SBA_BREACHES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "CAP-01": lambda d: (d.approved_on >= "2000-12-21") & (d.amount > 2_000_000_00),
    "CAP-02": lambda d: (d.guaranteed < d.amount) & (d.guaranteed > _guarantee(d)),
    "CAP-04": lambda d: (d.low_doc == "Y") & (d.amount > 100_000_00),
    "DSB-01": lambda d: d.first_on < d.approved_on,
    "DSB-02": lambda d: (d.line == "N") & (d.disbursed > d.amount),
    "DSB-03": lambda d: (d.disbursed > 0) & d.first_on.isna(),
    "DSB-04": lambda d: ~(d.first_on <= d.approved_on + pd.DateOffset(years=1)),
    "GUA-01": lambda d: (d.guaranteed < d.amount) & (d.guaranteed * 100 > d.amount * _share(d) + 100_00),
    "REC-01": lambda d: (d.approved_on >= "2000-10-01") & (d.naics == "0"),
    "REC-02": lambda d: d.new == "0",
    "STA-01": lambda d: d.status == "",
    "STA-02": lambda d: (d.status == "P I F") & (d.charged_on.notna() | (d.charged > 0)),
    "STA-03": lambda d: (d.status == "CHGOFF") & d.charged_on.isna(),
    "STA-04": lambda d: (d.status == "CHGOFF") & (d.charged == 0),
    "STA-05": lambda d: d.charged > d.disbursed,
    "STA-06": lambda d: d.charged_on < d.first_on,
    "STA-07": lambda d: d.balance != 0,
    "TRM-01": lambda d: d.term == 0,
    "TRM-02": lambda d: (d.approved_on >= "1996-03-01") & (d.term > 300),
    "TRM-03": lambda d: (
        (d.approved_on >= "1986-04-07") & (d.guaranteed == d.amount) & ~d.term.isin([120, 240])
    ),
    "TRM-04": lambda d: (
        (d.approved_on >= "1998-10-01") & (d.line == "Y") & (d.guaranteed * 2 == d.amount) & (d.term > 84)
    ),
    "FY-01": lambda d: d.year != d.approved_on.dt.year + (d.approved_on.dt.month >= _first_month(d)),
}


def _share(d: pd.DataFrame) -> pd.Series:
    """The guarantee share in per cent by amount and day."""
    large = np.select([d.approved_on >= "1995-10-12", d.approved_on >= "1986-04-07"], [75, 85], 90)
    limit = np.select(
        [d.approved_on >= "2000-12-21", d.approved_on >= "1995-10-12", d.approved_on >= "1986-04-07"],
        [150_000_00, 100_000_00, 155_000_00],
        100_000_00,
    )
    small = np.select([d.approved_on >= "2000-12-21", d.approved_on >= "1995-10-12"], [85, 80], 90)
    return pd.Series(np.where(d.amount <= limit, small, large), d.index)


def _guarantee(d: pd.DataFrame) -> pd.Series:
    days = ["2004-04-05", "2000-12-21", "1988-11-03", "1976-06-04"]
    limits = [1_500_000_00, 1_000_000_00, 750_000_00, 500_000_00]
    return pd.Series(np.select([d.approved_on >= day for day in days], limits, 350_000_00), d.index)


def _first_month(d: pd.DataFrame) -> pd.Series:
    """The month in which the fiscal year begins: July until June 1976, October from then on."""
    return pd.Series(np.where(d.approved_on < "1976-07-01", 7, 10), d.index)


@pytest.mark.parametrize("rule", sorted(SBA_BREACHES))
def test_sba_breaches_by_hand(sba: Replayed, loans: pd.DataFrame, rule: str) -> None:
    assert sba.files(rule) == set(loans.id[SBA_BREACHES[rule](loans)])


def test_sba_unknowns_by_hand(sba: Replayed, loans: pd.DataFrame) -> None:
    """A junk code matters only where the rest does not settle the rule."""
    unread = ~loans.line.isin(["Y", "N"])
    assert sba.files("DSB-02", "unknown") == set(loans.id[unread & (loans.disbursed > loans.amount)])
    assert sba.files("GUA-03", "unknown") == set(loans.id[unread & (loans.low_doc == "Y")])
    assert sba.files("STA-06", "unknown") == set(loans.id[loans.charged_on.notna() & loans.first_on.isna()])


def test_sba_old_fiscal_year(sba: Replayed, loans: pd.DataFrame) -> None:
    """The loan of August 1971 belongs to fiscal year 1972: right by the rule of its day, wrong by today's."""
    (old,) = loans[loans.approved_on == "1971-08-13"].itertuples()
    assert old.year == 1972 != old.approved_on.year + (old.approved_on.month >= 10)
    assert [str(v.valid_from) for v in sba.pack.rules["FY-01"].versions] == [
        "1953-07-30",
        "1976-07-01",
        "1976-10-01",
    ]
    code = f"SELECT \"FY-01\" FROM '{sba.run / 'codes.parquet'}' WHERE loan_id = '{old.id}'"
    assert duckdb.sql(code).fetchall() == [(0,)]


def test_sba_lenders(sba: Replayed, loans: pd.DataFrame) -> None:
    share = loans[loans.bank != ""].groupby("bank").amount.sum() / loans.amount.sum()
    assert set(sba.groups("CON-01")) == set(share[share > 0.10].index) == {"WELLS FARGO BANK NATL ASSOC"}


def test_sba_engines_agree(sba: Replayed, tmp_path: Path) -> None:
    assert_engines_agree(sba, tmp_path)


# --- BPI Challenge 2012 ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bpic(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    return replayed("bpic2012", "bpic2012", tmp_path_factory.mktemp("bpic"))


@dataclass(frozen=True)
class Log:
    """The raw log: `cases` by id, `events` in order, `decisions` and `approved` by case."""

    cases: pd.DataFrame
    events: pd.DataFrame
    decisions: pd.DataFrame
    approved: pd.DataFrame

    def first(self, activity: str) -> pd.DataFrame:
        return self.events[self.events.activity == activity].groupby("case").first()

    def decided(self, events: pd.DataFrame) -> pd.DataFrame:
        """The events of approved applications up to the day of approval, with who decided."""
        decision = pd.DataFrame({"decided_by": self.approved.officer, "decided_on": self.approved.day})
        joined = events.join(decision, on="case", how="inner")
        return joined[joined.day <= joined.decided_on]


@pytest.fixture(scope="module")
def log() -> Log:
    folder = DATA / "bpic2012"
    if not folder.is_dir():
        pytest.skip(f"the data are not there: {folder}")
    cases = pd.read_csv(folder / "cases.csv", dtype=str, keep_default_na=False)
    cases = pd.DataFrame(
        {
            "day": cases["REG_DATE"].str[:10],
            "amount": cases["AMOUNT_REQ"].astype(int),
            "n": cases["n_events"].astype(int),
        }
    ).set_axis(cases["concept:name"])
    events = pd.read_csv(folder / "events.csv.gz", dtype=str, keep_default_na=False)
    events.columns = ["case", "number", "officer", "step", "activity", "time"]
    # The offsets are those of local time, so the day is what the text says.
    events["day"] = events.time.str[:10]
    events["at"] = pd.to_datetime(events.time, utc=True)
    events = events.assign(number=events.number.astype(int)).sort_values(["case", "number"])
    decisions = (
        events[events.activity.isin(["A_APPROVED", "A_DECLINED", "A_CANCELLED"])].groupby("case").first()
    )
    return Log(cases, events, decisions, decisions[decisions.activity == "A_APPROVED"])


BPIC_COUNTS: dict[str, dict[str, int]] = {
    "AMT-01": {"pass": 13086, "breach": 1},
    "APR-01": {"pass": 2246, "not applicable": 10841},
    "APR-02": {"pass": 2243, "breach": 3, "not applicable": 10841},
    "CON-01": {"pass": 6, "breach": 3},
    "CON-02": {"pass": 7, "breach": 2},
    "FRD-01": {"pass": 78, "breach": 30, "not applicable": 12979},
    "FRD-02": {"pass": 30, "not applicable": 13057},
    "FRD-03": {"pass": 26, "breach": 4, "not applicable": 13057},
    "LIM-01": {"pass": 2242, "breach": 4, "not applicable": 10841},
    "LOG-01": {"pass": 9559, "breach": 3528},
    "LOG-02": {"pass": 13087},
    "SOD-01": {"pass": 2196, "breach": 50, "not applicable": 10841},
    "SOD-02": {"pass": 2020, "breach": 226, "not applicable": 10841},
    "SYS-01": {"pass": 2243, "breach": 3, "not applicable": 10841},
    "TRN-01": {"pass": 11266, "breach": 1499, "not due": 322},
    "TRN-02": {"pass": 5009, "breach": 104, "not applicable": 7974},
    "TRN-03": {"pass": 3207, "breach": 2, "not due": 45, "not applicable": 9833},
}


def test_bpic_import(bpic: Replayed, log: Log) -> None:
    counts = {c.source: (c.rows, c.imported, c.rejected, c.left_out) for c in bpic.imported.sources}
    assert counts == {"applications": (13087, 13087, 0, 0), "events": (262200, 262200, 0, 0)}
    assert bpic.imported.values_rejected == 0
    book = open_book(
        bpic.imported.book.path, load_vocabulary(ROOT / "examples/bpic2012/pack/vocabulary.yaml")
    )
    assert book.rows == {"loans": 13087, "events": 262200, "work": 170107, "offers": 31244}
    events = duckdb.sql(
        f"""SELECT loan_id, item, strftime("at", '%Y-%m-%dT%H:%M:%S.%g'), coalesce(officer_id, '')
            FROM '{book.tables["events"]}' ORDER BY loan_id, item"""
    ).fetchall()
    raw = zip(
        log.events.case, log.events.number + 1, log.events.time.str[:23], log.events.officer, strict=True
    )
    assert events == list(raw), "local times, in the order of the log"
    assert sum(1 for *_, officer in events if not officer) == 18010


def test_bpic_counts(bpic: Replayed) -> None:
    assert bpic.counts() == BPIC_COUNTS


def test_bpic_duties_by_hand(bpic: Replayed, log: Log) -> None:
    accepted = log.first("A_ACCEPTED").officer.reindex(log.approved.index)
    assert len(log.approved) == 2246
    assert bpic.files("SOD-01") == set(log.approved.index[log.approved.officer == accepted])
    assert bpic.files("SYS-01") == set(log.approved.index[log.approved.officer == "112"])
    offers = log.decided(log.events[log.events.activity == "O_CREATED"])
    assert bpic.files("SOD-02") == set(offers.case[offers.officer == offers.decided_by])
    taken = (
        log.events[log.events.activity == "O_ACCEPTED"].groupby("case").day.min().reindex(log.approved.index)
    )
    assert bpic.files("APR-02") == set(log.approved.index[~(taken <= log.approved.day)])


def test_bpic_fraud_review_by_hand(bpic: Replayed, log: Log) -> None:
    review = log.events[log.events.activity == "W_Beoordelen fraude"]
    assert review.case.nunique() == 108
    approved = log.approved[log.approved.index.isin(review.case)]
    assert bpic.files("FRD-01") == set(approved.index)
    worked = log.decided(review[review.step != "SCHEDULE"])
    assert bpic.files("FRD-03") == set(worked.case[worked.officer == worked.decided_by])
    ended = review[review.step == "COMPLETE"].groupby("case")["at"].max().reindex(approved.index)
    assert not (ended > approved["at"]).any()


def test_bpic_amounts_by_hand(bpic: Replayed, log: Log) -> None:
    assert bpic.files("AMT-01") == set(log.cases.index[log.cases.amount == 0])
    amounts = log.cases.amount.reindex(log.approved.index)
    assert bpic.files("LIM-01") == set(amounts.index[amounts > 50_000])
    totals = amounts.groupby(log.approved.officer).sum()
    assert totals.idxmax() == "10138"
    assert bpic.groups("CON-01") == totals[totals > 5_000_000].to_dict()
    assert bpic.groups("CON-02") == totals[totals / totals.sum() > 0.25].to_dict()


HOLIDAYS = ["2011-12-26", "2012-04-06", "2012-04-09", "2012-04-30", "2012-05-17", "2012-05-28"]
END = "2012-03-14"


def _due(days: pd.Series, working: int) -> pd.Series:
    """The day so many working days later; a weekend counts from the Friday before."""
    found = np.busday_offset(days.to_numpy("datetime64[D]"), working, roll="backward", holidays=HOLIDAYS)
    return pd.Series(found.astype(str), days.index)


def test_bpic_turnaround_by_hand(bpic: Replayed, log: Log) -> None:
    due = _due(log.cases.day, 20)
    decided = log.decisions.day.reindex(log.cases.index)
    late = ~(decided <= due)
    # Applications that are still open when the log ends are late only if their last day is over.
    assert bpic.files("TRN-01") == set(due.index[late & (due < END)])
    assert (late & (due >= END)).sum() == BPIC_COUNTS["TRN-01"]["not due"]
    assert decided[late & (due >= END)].isna().all()

    accepted = log.first("A_ACCEPTED").day
    sent = log.events[log.events.activity == "O_SENT"].join(
        pd.DataFrame({"from": accepted, "due": _due(accepted, 1)}), on="case", how="inner"
    )
    prompt = set(sent.case[(sent.day >= sent["from"]) & (sent.day <= sent.due)])
    assert bpic.files("TRN-02") == set(accepted.index) - prompt


def test_bpic_log_by_hand(bpic: Replayed, log: Log) -> None:
    nobody = log.events[(log.events.officer == "") & (log.events.step == "COMPLETE")]
    assert bpic.files("LOG-01") == set(nobody.case)
    assert (log.events.groupby("case").size() == log.cases.n.sort_index()).all()


def test_bpic_engines_agree(bpic: Replayed, tmp_path: Path) -> None:
    assert_engines_agree(bpic, tmp_path)


@pytest.mark.parametrize("name", ["sba", "bpic2012"])
def test_scenarios_of_the_examples(name: str) -> None:
    """In a process of their own: a run of scenarios is a run of pytest."""
    pack = ROOT / "examples" / name / "pack"
    code = "import sys; from sancha.cli import main; sys.argv[1:] = ['test', sys.argv[1]]; main()"
    done = subprocess.run([sys.executable, "-c", code, str(pack)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]

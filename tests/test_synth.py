"""The synthetic book: the same every time, true in itself, with faults that the rules meant for them find."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sancha.engine.book import synthesize as synth
from sancha.engine.book.store import Book, iter_files, open_book, to_json
from sancha.engine.book.synthesize import synthesize
from sancha.engine.book.synthetic import faults
from sancha.engine.book.synthetic.bank import BRANCHES
from sancha.engine.book.synthetic.calendar import Calendar, add_months, date_of, day
from sancha.engine.book.synthetic.columns import GONE, Column, Hashes, Template, words
from sancha.engine.book.synthetic.draw import NA, Stream, ranges
from sancha.engine.book.synthetic.industries import INDUSTRIES, size_class
from sancha.engine.book.synthetic.names import USCC_SIGNS, credit_code_check, credit_codes
from sancha.engine.diagnostics import SanchaError
from sancha.engine.feel.types import parse_type
from sancha.engine.policy.vocabulary import Vocabulary, load_vocabulary
from sancha.engine.run.replay import replay

RULES = Path(__file__).parent.parent / "rules"
DAY = dt.date(2024, 12, 31)
SIZE = 2_000


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return load_vocabulary(RULES / "vocabulary.yaml")


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> Book:
    folder = tmp_path_factory.mktemp("synth") / "book"
    synthesize(SIZE, 20, folder, vocabulary)
    return open_book(folder, vocabulary, verify=True)


@pytest.fixture
def query(book: Book) -> duckdb.DuckDBPyConnection:
    """A connection with a view for each table of the book."""
    connection = duckdb.connect()
    for name, path in book.tables.items():
        connection.execute(
            f"CREATE VIEW \"{name.removeprefix('reference/')}\" AS FROM read_parquet('{path}')"
        )
    return connection


def answers(book: Book, name: str) -> dict[str, dict]:
    return json.loads((book.path / name).read_text(encoding="utf-8"))


# The parts


def test_the_stream_of_draws_never_changes() -> None:
    stream = Stream(1, "vector")
    assert stream.words(4).tolist() == [624785805, 4014056231, 2976297521, 3521090871]
    assert stream.hashes(2).tolist() == [201601871194438357, 5824593145174678365]
    assert stream.pick((1, 2, 3), 10).tolist() == [1, 0, 1, 0, 2, 1, 2, 0, 1, 2]
    assert stream.spread(((0, 0), (500, 10), (1000, 1000)), 6).tolist() == [102, 9, 264, 0, 441, 96]


def test_draws_keep_to_their_bounds() -> None:
    stream = Stream(2, "bounds")
    assert set(stream.between(3, 5, 500).tolist()) == {3, 4, 5}
    assert set(stream.between(np.full(50, 7), np.full(50, 6), 50).tolist()) == {7}
    assert not stream.chance(0, 1_000).any()
    assert stream.chance(100_000, 1_000).all()
    assert sorted(stream.order(100).tolist()) == list(range(100))
    owner, number = ranges(np.array([2, 0, 3]))
    assert (owner.tolist(), number.tolist()) == ([0, 0, 2, 2, 2], [0, 1, 0, 1, 2])


@given(st.dates(dt.date(2015, 1, 1), dt.date(2035, 12, 31)), st.integers(-120, 120))
def test_months_are_added_as_the_calendar_has_them(start: dt.date, months: int) -> None:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    last = dt.date(year + (month == 11), month % 12 + 2 if month < 11 else 1, 1) - dt.timedelta(days=1)
    expected = dt.date(year, month + 1, min(start.day, last.day))
    assert date_of(int(add_months(np.array([day(start)]), months)[0])) == expected


def test_working_days_leave_out_weekends_and_the_spring_festival() -> None:
    calendar = Calendar(DAY)
    days = np.array([day(dt.date(2024, 2, 9)), day(dt.date(2024, 2, 10)), day(dt.date(2024, 3, 2))])
    assert [str(date_of(d)) for d in calendar.next(days).tolist()] == [
        "2024-02-09",
        "2024-02-19",
        "2024-03-04",
    ]
    assert [str(date_of(d)) for d in calendar.previous(days).tolist()] == [
        "2024-02-09",
        "2024-02-09",
        "2024-03-01",
    ]
    assert [str(date_of(d)) for d in calendar.near(days).tolist()] == [
        "2024-02-09",
        "2024-02-09",
        "2024-03-01",
    ]


def test_columns_become_arrow_without_floats() -> None:
    values = np.array([-105, NA, 123456789012345])
    assert Column(values).to_arrow(parse_type("money")).to_pylist() == [
        Decimal("-1.05"),
        None,
        Decimal("1234567890123.45"),
    ]
    assert Column(values[:1]).to_arrow(parse_type("rate")).to_pylist() == [Decimal("-0.00000105")]
    assert Column(np.array([0, NA, 1])).to_arrow(parse_type("boolean")).to_pylist() == [False, None, True]
    texts = Column(np.array([1, NA]), words(["a", "b"])).to_arrow(parse_type("text"))
    assert texts.to_pylist() == ["b", None]
    assert Template("L####-##").render(np.array([102, 7])).to_pylist() == ["L0001-02", "L0000-07"]
    assert Hashes().render(np.array([255, 2**62])).to_pylist() == ["00000000000000ff", "4000000000000000"]
    lists = Column(np.array([[1, 2], [NA, NA], [GONE, NA], [3, NA]]), Template("S#"))
    assert lists.to_arrow(parse_type("list of text")).to_pylist() == [["S1", "S2"], [], None, ["S3"]]


def test_credit_codes_have_their_check_sign() -> None:
    # Worked example of the content sheet, section A.
    assert credit_code_check("91350100M000100Y43") == "3"
    serials = np.arange(0, 31**6, 31**6 // 499)
    codes = credit_codes(1 + serials % 3, serials % 6, serials).to_pylist()
    assert len(set(codes)) == len(codes)
    assert all(len(code) == 18 and credit_code_check(code) == code[17] for code in codes)
    assert all(set(code) <= set(USCC_SIGNS) for code in codes)


@pytest.mark.parametrize(
    ("code", "staff", "revenue", "assets", "size"),
    [
        # The trap of the content sheet: 350 staff and 15m of revenue are small, for medium needs both bounds.
        ("3484", 350, 15_000_000, 1, "small"),
        ("3484", 300, 20_000_000, 1, "medium"),
        ("3484", 19, 900_000_000, 1, "micro"),
        ("3484", 1_000, 400_000_000, 1, "large"),
        ("4710", 1, 60_000_000, 50_000_000, "medium"),
        ("4710", 1, 60_000_000, 49_999_999, "small"),
        ("5165", 5, 10_000_000, 1, "small"),
        ("5165", 4, 10_000_000, 1, "micro"),
        ("7111", 100, 1, 80_000_000, "medium"),
        ("0141", 1, 500_000, 1, "small"),
    ],
)
def test_size_classes_are_a_cascade_of_lower_bounds(
    code: str, staff: int, revenue: int, assets: int, size: str
) -> None:
    industry = [i.code for i in INDUSTRIES].index(code)
    found = size_class(*(np.array([v]) for v in (industry, staff, revenue, assets)))
    assert ("large", "medium", "small", "micro")[int(found[0])] == size


# The same book every time


def content_digest(folder: Path, vocabulary: Vocabulary) -> str:
    """A digest of what a book says, whatever its bytes."""
    digest = hashlib.sha256()
    for file in iter_files(open_book(folder, vocabulary), vocabulary):
        digest.update(json.dumps(to_json(file, vocabulary), ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, vocabulary: Vocabulary) -> None:
    one = synthesize(300, 5, tmp_path / "one", vocabulary)
    two = synthesize(300, 5, tmp_path / "two", vocabulary)
    other = synthesize(300, 6, tmp_path / "other", vocabulary)
    assert one.digest == two.digest != other.digest
    for name in ("faults.json", "noise.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_smallest_book_says_what_it_always_said(tmp_path: Path, vocabulary: Vocabulary) -> None:
    """A golden value: it changes only where the generator, or the vocabulary, is changed on purpose."""
    synthesize(faults.SMALLEST, 1, tmp_path / "book", vocabulary)
    assert (
        content_digest(tmp_path / "book", vocabulary)
        == "5c91d4d8b66447eeca7949a7cc5304d0775328b5b95cc484ee6d8c33b68f52d1"
    )


def test_cells_make_one_book(tmp_path: Path, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth, "CELL", 300)
    done: list[int] = []
    book = synthesize(1_000, 3, tmp_path / "book", vocabulary, progress=done.append)
    assert done == [250, 500, 750, 1_000]
    assert open_book(tmp_path / "book", vocabulary) == book
    ids = pq.read_table(book.tables["loans"], columns=["loan_id"])["loan_id"].to_pylist()
    assert ids == [f"L{i:07}" for i in range(1, 1_001)]
    whole = faults.allot(1_000, 0, 1_000)
    for number, fault in answers(book, "faults.json").items():
        cases = len(fault["loans"]) // (3 if number == "4" else 1)
        assert cases == whole[int(number)] >= 1


@pytest.mark.parametrize(
    ("loans", "seed", "as_of", "message"),
    [
        (199, 1, DAY, "a book of 199 loans"),
        (10_000_000, 1, DAY, "a book of 10000000 loans"),
        (200, -1, DAY, "seed is -1"),
        (200, 1, dt.date(2019, 12, 31), "dated 2019-12-31"),
    ],
)
def test_what_cannot_be_made(
    tmp_path: Path, vocabulary: Vocabulary, loans: int, seed: int, as_of: dt.date, message: str
) -> None:
    with pytest.raises(SanchaError, match=message):
        synthesize(loans, seed, tmp_path / "book", vocabulary, as_of=as_of)
    assert list(tmp_path.iterdir()) == []


def test_another_vocabulary_is_refused(tmp_path: Path, vocabulary: Vocabulary) -> None:
    fewer = {name: fact for name, fact in vocabulary.facts.items() if name != "bureau.lenders"}
    with pytest.raises(SanchaError, match=r"does not know `bureau\.lenders`"):
        synthesize(200, 1, tmp_path / "book", replace(vocabulary, facts=fewer))
    assert list(tmp_path.iterdir()) == []


def test_a_fact_that_is_new_to_the_generator_is_missing(tmp_path: Path, vocabulary: Vocabulary) -> None:
    new = replace(vocabulary.facts["borrower.name"], name="borrower.nickname")
    wider = replace(vocabulary, facts={**vocabulary.facts, "borrower.nickname": new})
    book = synthesize(200, 1, tmp_path / "book", wider)
    nicknames = pq.read_table(book.tables["loans"], columns=["borrower.nickname"])["borrower.nickname"]
    assert nicknames.null_count == 200


@pytest.mark.parametrize("as_of", [dt.date(2024, 2, 29), dt.date(2025, 6, 30), dt.date(2026, 12, 31)])
def test_other_days(tmp_path: Path, vocabulary: Vocabulary, as_of: dt.date) -> None:
    book = synthesize(200, 1, tmp_path / "book", vocabulary, as_of=as_of)
    assert open_book(tmp_path / "book", vocabulary).as_of == as_of
    paid = pq.read_table(book.tables["disbursements"], columns=["date"])["date"].to_pylist()
    assert max(paid) <= as_of
    assert max(paid) > as_of - dt.timedelta(days=60)


# True in itself


def test_the_process_is_in_order(query: duckdb.DuckDBPyConnection) -> None:
    wrong = query.execute("""
        SELECT loan_id FROM loans WHERE NOT (
          "borrower.established_on" < "application.received_on"
          AND "application.received_on" <= "investigation.interview_on"
          AND "investigation.interview_on" <= "investigation.report_date"
          AND "investigation.report_date" <= "review.done_at"::DATE
          AND "review.done_at"::DATE <= "approval.decided_on"
          AND "approval.decided_on" <= "contract.signed_on"
          AND "contract.signed_on" < "loan.maturity_on")""").fetchall()
    assert wrong == []
    early = query.execute("""
        SELECT loan_id FROM disbursements JOIN loans USING (loan_id)
        WHERE date < "contract.signed_on" OR date > DATE '2024-12-31'""").fetchall()
    assert early == []


def test_money_adds_up(query: duckdb.DuckDBPyConnection) -> None:
    drawn = query.execute("""
        SELECT loan_id FROM loans JOIN disbursements d USING (loan_id)
        GROUP BY loan_id, "loan.amount" HAVING sum(d.amount) <> "loan.amount" """).fetchall()
    paid = query.execute("""
        SELECT loan_no FROM disbursements d JOIN payments p USING (loan_no)
        GROUP BY loan_no, d.amount HAVING sum(p.amount) <> d.amount""").fetchall()
    assert (drawn, paid) == ([], [])
    wrong = query.execute("""
        SELECT loan_id FROM loans WHERE NOT ("loan.balance" BETWEEN 0 AND "loan.amount")
        OR ("loan.balance" > 0) <> ("npl.written_off_on" IS NULL
            AND ("loan.days_past_due" > 0 OR "loan.maturity_on" > DATE '2024-12-31'))""").fetchall()
    assert wrong == []


def test_days_past_due_follow_from_the_repayments(query: duckdb.DuckDBPyConnection) -> None:
    wrong = query.execute("""
        SELECT loan_id FROM loans
        LEFT JOIN (SELECT loan_id, min(due_on) AS missed FROM repayments WHERE paid_on IS NULL GROUP BY 1)
        USING (loan_id)
        WHERE "loan.days_past_due" <> coalesce(date_diff('day', missed, DATE '2024-12-31'), 0)""").fetchall()
    assert wrong == []


def test_the_exposure_of_the_group_is_what_the_group_owes(query: duckdb.DuckDBPyConnection) -> None:
    """The loans of the group decided before and not yet due, but for the one that the file renews."""
    wrong = query.execute("""
        WITH files AS (
          SELECT loan_id, "borrower.group_id" AS g, "approval.decided_on" AS day, "approval.amount" AS amount,
                 "loan.original_maturity_on" AS maturity, "application.prior_loan_id" AS prior,
                 "approval.group_exposure" AS exposure FROM loans)
        SELECT a.loan_id FROM files a LEFT JOIN files b ON a.g = b.g AND b.day < a.day AND b.maturity >= a.day
          AND b.loan_id || '-01' IS DISTINCT FROM a.prior
        WHERE a.exposure IS NOT NULL
          AND a.loan_id NOT IN (SELECT x.loan_id FROM files x JOIN files y ON x.g = y.g AND x.day = y.day
                                WHERE x.loan_id <> y.loan_id)
        GROUP BY a.loan_id, a.amount, a.exposure, a.g
        HAVING a.g IS NOT NULL AND a.amount + coalesce(sum(b.amount), 0) <> a.exposure""").fetchall()
    # A group whose number is missing in one file looks smaller from the others than it is.
    lost = query.execute('SELECT count(*) FROM loans WHERE "borrower.group_id" IS NULL').fetchall()[0][0]
    assert len(wrong) <= 2 * lost < SIZE / 25


def test_circles_follow_from_the_guarantees(book: Book, query: duckdb.DuckDBPyConnection) -> None:
    edges = query.execute("""
        SELECT DISTINCT guarantor_id, "borrower.id" FROM guarantees JOIN loans USING (loan_id)
        WHERE kind = 'company'""").fetchall()
    firms = sorted({firm for edge in edges for firm in edge})
    place = {firm: i for i, firm in enumerate(firms)}
    pairs = ([place[a] for a, _ in edges], [place[b] for _, b in edges])
    graph = coo_array((np.ones(len(edges)), pairs), shape=(len(firms), len(firms)))
    _, label = connected_components(graph, directed=True, connection="strong")
    sizes = dict(zip(firms, np.bincount(label)[label].tolist(), strict=True))
    rows = query.execute("""SELECT "borrower.id", "network.circle_size", "network.circle_exposure",
                        "network.circle_overdue_members" FROM loans""").fetchall()
    assert all(size == sizes.get(firm, 1) for firm, size, _, _ in rows)
    circles = {(exposure, overdue) for _, size, exposure, overdue in rows if size > 1}
    assert circles == {(Decimal("46000000.00"), 0), (Decimal("46000000.00"), 1)}
    assert sum(size > 1 for _, size, _, _ in rows) == len(answers(book, "faults.json")["4"]["loans"])


def test_people_are_on_the_staff_and_approvers_have_delegations(
    book: Book, query: duckdb.DuckDBPyConnection
) -> None:
    columns = ("investigation.lead_id", "review.reviewer_id", "approval.approver_id")
    for column in columns:
        assert (
            query.execute(f'SELECT "{column}" FROM loans ANTI JOIN staff ON id = "{column}"').fetchall() == []
        )
    without = query.execute("""
        SELECT loan_id FROM loans ANTI JOIN delegations ON person_id = "approval.approver_id"
          AND level >= "approval.level" AND "approval.decided_on" BETWEEN "from" AND until""").fetchall()
    noise = answers(book, "noise.json")["blemishes"]
    assert [row[0] for row in without] == noise["late delegation"]["loans"]


def test_the_book_looks_like_a_branch_network(query: duckdb.DuckDBPyConnection) -> None:
    branches = dict(query.execute('SELECT "application.branch", count(*) FROM loans GROUP BY 1').fetchall())
    assert set(branches) == {name for name, _, _ in BRANCHES}
    assert max(branches, key=lambda name: branches[name]) == BRANCHES[0][0]
    (share,) = query.execute(
        """SELECT avg(("borrower.industry_section" IN ('C', 'F'))::INT) FROM loans"""
    ).fetchone()
    assert 0.6 < share < 0.9
    small, middle, large = query.execute(
        'SELECT quantile_cont("loan.amount"::DOUBLE, [0.1, 0.5, 1]) FROM loans'
    ).fetchone()[0]
    assert 100_000 <= small < 500_000 < middle < 3_000_000 < large <= 60_000_000
    weekend = query.execute("""SELECT count(*) FROM loans
        WHERE dayofweek("application.received_on") IN (0, 6)""")
    assert weekend.fetchone() == (0,)
    quiet, busy = query.execute("""SELECT count(*) FILTER (month("application.received_on") = 2),
        count(*) FILTER (month("application.received_on") = 3) FROM loans""").fetchone()
    assert quiet < busy
    live, bad = query.execute("""SELECT sum("loan.balance"), sum("loan.balance") FILTER
        ("loan.grade" IN ('substandard', 'doubtful', 'loss')) FROM loans""").fetchone()
    assert Decimal("0.005") < bad / live < Decimal("0.08")


def test_weak_branches_have_more_blemishes(book: Book, query: duckdb.DuckDBPyConnection) -> None:
    noise = answers(book, "noise.json")
    made = {k: v for k, v in noise["blemishes"].items() if k != "in arrears"}
    blemished = pa.table({"loan_id": sorted({i for kind in made.values() for i in kind["loans"]})})
    assert 0.1 < blemished.num_rows / SIZE < 0.6
    query.register("blemished", blemished)
    rows = query.execute("""SELECT "application.branch", avg((loan_id IN (FROM blemished))::INT) FROM loans
                        GROUP BY 1""").fetchall()
    rates = dict(rows)
    weak = [rates[name] for name, _, is_weak in BRANCHES if is_weak]
    others = [rates[name] for name, _, is_weak in BRANCHES if not is_weak]
    assert min(weak) > 1.3 * sum(others) / len(others)
    missing = query.execute("""SELECT count(*) FILTER ("third_party.vat_sales" IS NULL
        AND "application.product" <> 'personal_consumption') FROM loans""").fetchone()
    assert missing == (noise["missing"]["third_party.vat_sales"],)
    assert 0.02 < missing[0] / SIZE < 0.12


# The faults


@pytest.fixture(scope="session")
def codes(tmp_path_factory: pytest.TempPathFactory, book: Book) -> dict[str, dict[str, int]]:
    """The replay of the book by the demonstration pack: the outcome code by rule and loan id."""
    run = tmp_path_factory.mktemp("replay") / "run"
    replay(book.path, RULES, run, progress=False)
    table = pq.read_table(run / "codes.parquet")
    ids = table["loan_id"].to_pylist()
    return {
        rule: dict(zip(ids, table[rule].to_pylist(), strict=True))
        for rule in table.column_names
        if rule != "loan_id"
    }


BREACH, UNKNOWN, WAIVED = 1, 3, 4


def test_every_fault_is_there_and_no_file_has_two(book: Book) -> None:
    found = answers(book, "faults.json")
    assert list(found) == [str(i) for i in range(1, 21)]
    loans = [loan for fault in found.values() for loan in fault["loans"]]
    assert len(loans) == len(set(loans))
    for fault in found.values():
        assert fault["loans"] and fault["title"]["en"] and fault["title"]["zh"]
        assert set(fault["expected"]) == set(fault["rules"])
        assert all(set(expected) <= set(fault["loans"]) for expected in fault["expected"].values())
    noise = answers(book, "noise.json")["blemishes"]
    assert not set(loans) & {loan for kind in noise.values() for loan in kind["loans"]}


def test_the_rules_meant_for_a_fault_find_every_file_of_it(
    book: Book, codes: dict[str, dict[str, int]]
) -> None:
    for number, fault in answers(book, "faults.json").items():
        for rule, loans in fault["expected"].items():
            missed = [loan for loan in loans if codes[rule][loan] != BREACH]
            assert not missed, f"fault {number}: {rule} does not find {missed}"


def test_no_other_file_breaches_the_rules_of_the_faults(book: Book, codes: dict[str, dict[str, int]]) -> None:
    found = answers(book, "faults.json").values()
    for rule in sorted({rule for fault in found for rule in fault["rules"]}):
        own = {loan for fault in found if rule in fault["rules"] for loan in fault["loans"]}
        strange = [loan for loan, code in codes[rule].items() if code == BREACH and loan not in own]
        assert not strange, f"{rule} is breached by {strange}"


def test_every_other_breach_is_a_blemish_on_record(book: Book, codes: dict[str, dict[str, int]]) -> None:
    found = answers(book, "faults.json").values()
    faulty = {loan for fault in found for loan in fault["loans"]}
    kinds = answers(book, "noise.json")["blemishes"]
    known = {rule: set() for kind in kinds.values() for rule in kind["rules"]}
    for kind in kinds.values():
        for rule in kind["rules"]:
            known[rule] |= set(kind["loans"])
    for rule, outcomes in codes.items():
        breached = {loan for loan, code in outcomes.items() if code in (BREACH, WAIVED)}
        strange = sorted(breached - faulty - known.get(rule, set()))
        assert not strange, f"{rule} is breached by {strange}, and no blemish is on record"


def test_every_blemish_shows(book: Book, codes: dict[str, dict[str, int]]) -> None:
    """A blemished file breaches the rule of its blemish, unless a missing fact leaves the rule open."""
    for name, kind in answers(book, "noise.json")["blemishes"].items():
        rules = [rule for rule in kind["rules"] if rule in codes]
        for loan in kind["loans"]:
            assert {codes[rule][loan] for rule in rules} & {BREACH, UNKNOWN, WAIVED}, f"{name}: {loan}"

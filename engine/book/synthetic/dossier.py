"""The facts of the dossier: borrower, application, investigation, figures, rating, review, approval."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from sancha.engine.book.synthetic import bank as banks
from sancha.engine.book.synthetic import industries, names
from sancha.engine.book.synthetic.calendar import day, month_of, year_of
from sancha.engine.book.synthetic.cell import DRAWDOWN_NUMBER, Cell, missing
from sancha.engine.book.synthetic.columns import Template, Words, words
from sancha.engine.book.synthetic.draw import NA, Ints, round_to
from sancha.engine.book.synthetic.lending import (
    COMPANY,
    FEN,
    GRADES,
    ISSUES,
    KINDS,
    OTHER,
    PB,
    PC,
    PRODUCTS,
    PURPOSES,
    RATE,
    RENEWAL,
    SECOND,
    SECURITIES,
    SOLE_TRADER,
    WC,
    Loans,
)

#: The day from which a video interview, and a remote investigation of a small loan, is allowed.
VIDEO_FROM = day(dt.date(2024, 7, 1))
SINGLE_LIMIT = 300_000
SIZES = ("large", "medium", "small", "micro")
REMOTE_LIMIT = 1_000_000

_OVERRIDE_REASONS = words(
    [
        "新增长期订单，现金流改善",
        "抵押物足值，第二还款来源充分",
        "纳税等级提升，上下游稳定",
        "实控人追加连带责任保证",
    ]
)
DEPTS = words([banks.REVIEW, "授信评审岗", banks.FRONT])


def fill(cell: Cell, loans: Loans, exposure: Ints) -> None:
    """All scalar facts that are fixed when the contract is signed."""
    _borrower(cell, loans)
    _application(cell, loans)
    _investigation(cell, loans)
    _figures(cell, loans)
    _rating(cell, loans)
    _review(cell, loans)
    _approval(cell, loans, exposure)
    _contract(cell, loans)


def coded(cell: Cell, fact: str, values: tuple[str, ...], codes: Ints) -> None:
    """Set a fact that is kept as places in our own tuple of values."""
    cell.put(fact, cell.codes(fact, *values)[codes])


def _borrower(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("borrowers")
    count = len(loans.guaranteed)
    b = loans.borrower
    begin = np.flatnonzero(loans.position == 0)
    kind, industry = loans.kind[begin], loans.industry[begin]
    owner = names.people(stream, count)
    trade = industries.TRADES.take(pa.array(industry))
    word = stream.hashes(count)
    firm = names.firms(word, trade, "有限公司")
    shop = names.firms(word, trade, "经营部")
    union = names.firms(word, trade, "专业合作社")
    name = pa.compute.if_else(
        pa.array(kind == COMPANY),
        firm,
        pa.compute.if_else(
            pa.array(kind == SOLE_TRADER), shop, pa.compute.if_else(pa.array(kind == OTHER), union, owner)
        ),
    )
    serial = cell.first + np.arange(count)
    cell.put("borrower.id", serial[b], Template("C#######"))
    cell.put("borrower.name", b, Words(name))
    register = np.array([1, 2, 2, 3])[kind]
    codes = names.credit_codes(register, stream.below(6, count), serial * 7 + 31)
    cell.put("borrower.uscc", np.where(loans.product == PC, NA, b), Words(codes))
    coded(cell, "borrower.kind", KINDS, loans.kind)
    cell.put("borrower.legal_rep", b, Words(owner))
    controller = stream.chance(6_000, count) & np.isin(kind, (COMPANY, OTHER))
    other = names.people(stream, count)
    cell.put("borrower.controller", b, Words(pa.compute.if_else(pa.array(controller), other, owner)))

    # Nothing younger than thirteen months before the first application: younger firms are drawn as faults,
    # or come with enhanced verification.
    first = loans.received[begin]
    established = first - stream.spread(
        ((0, 420), (150, 900), (500, 2_900), (850, 5_600), (1000, 9_500)), count
    )
    since = np.where(
        stream.chance(80_000, count), established, established + (first - 400 - established) * 6 // 10
    )
    cell.put("borrower.established_on", established[b])
    cell.put("borrower.controller_share_since", since[b])
    section = [i.section for i in industries.INDUSTRIES]
    cell.put("borrower.industry_code", loans.industry, words([i.code for i in industries.INDUSTRIES]))
    coded(cell, "borrower.industry_section", tuple(section), loans.industry)
    coded(
        cell,
        "borrower.industry_restriction",
        tuple(i.restriction for i in industries.INDUSTRIES),
        loans.industry,
    )
    cell.put("borrower.is_related_person", loans.related)
    cell.put("borrower.public_official", 0)
    cell.put("borrower.group_id", 2 * cell.first + loans.group, Template("G########"))
    cell.put("borrower.registration_status", cell.code("borrower.registration_status", "active"))
    cell.put("borrower.abnormal_list", 0)
    cell.put("borrower.dishonest_debtor", 0)
    rating = stream.pick((16, 56, 17, 11), count)
    coded(cell, "borrower.tax_rating", ("A", "B", "M", "C"), rating[b])


def _application(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("applications")
    n = cell.size
    cell.put("application.branch", loans.branch, banks.NAMES)
    cell.put("application.received_on", loans.received)
    coded(cell, "application.product", PRODUCTS, loans.product)
    coded(cell, "application.issue_type", ISSUES, loans.issue)
    cell.put("application.amount", loans.applied * FEN)
    cell.put("application.term_months", loans.term)
    purpose = missing(n)
    for code, table in enumerate(PURPOSES):
        rows = loans.product == code
        values, weights = zip(*table, strict=True)
        purpose[rows] = cell.codes("application.purpose", *values)[stream.pick(weights, int(rows.sum()))]
    cell.put("application.purpose", purpose)
    coded(cell, "application.security", SECURITIES, loans.security)
    cell.put("application.is_new_customer", loans.is_new)
    cell.put(
        "application.long_cash_cycle", ((loans.term > 36) & (loans.product == WC)) | stream.chance(6_000, n)
    )
    inside = loans.previous >= 0
    follows = inside & (loans.issue == RENEWAL)
    outside = ~inside & np.isin(
        loans.issue, (ISSUES.index("renewal_no_principal"), ISSUES.index("new_for_old"))
    )
    prior = np.where(follows, cell.first + loans.number[loans.previous], 9_000_000 + stream.below(900_000, n))
    prior = np.where(follows | outside, prior * 100 + 1, NA)
    cell.put("application.prior_loan_id", prior, DRAWDOWN_NUMBER)
    matured = np.where(follows, loans.maturity[loans.previous], loans.disbursed + stream.below(3, n))
    cell.put("application.prior_maturity_on", np.where(follows | outside, matured, NA))
    normal = cell.code("application.prior_grade", "normal")
    cell.put("application.prior_grade", np.where(follows | outside, normal, NA))


def _investigation(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("investigations")
    n = cell.size
    free = ~cell.faulty()
    crew = cell.bank.managers_count[loans.branch]
    lead = loans.manager
    place = stream.below(crew, n)
    second = cell.bank.managers[loans.branch, place]
    second = np.where(second == lead, cell.bank.managers[loans.branch, (place + 1) % crew], second)
    # Who was hired after the application cannot have led it.
    absent = cell.bank.joined_on[lead] > loans.received - 20
    veteran = cell.bank.managers[loans.branch, (place + 2) % crew]
    veteran = np.where(veteran == second, cell.bank.managers[loans.branch, (place + 3) % crew], veteran)
    lead = np.where(absent & free, veteran, lead)
    loans.manager = lead
    fresh = loans.received - cell.bank.joined_on[lead] < 365
    small = np.isin(loans.product, (PB, PC)) & (loans.applied <= SINGLE_LIMIT)
    loans.single |= free & small & ~loans.is_new & ~fresh & stream.chance(45_000, n)
    remote = free & np.isin(loans.product, (PB,)) & (loans.applied <= REMOTE_LIMIT) & ~loans.single
    loans.remote = remote & (loans.received >= VIDEO_FROM) & stream.chance(7_000, n)
    mode = np.select([loans.single, loans.remote], [0, 2], 1)
    coded(cell, "investigation.mode", ("single", "dual", "remote"), mode)
    cell.put("investigation.lead_id", lead, cell.bank.ids)
    cell.put("investigation.second_id", np.where(loans.single, NA, second), cell.bank.ids)
    cell.put("investigation.lead_is_new_employee", fresh)
    cell.put("investigation.report_date", loans.report)
    cell.put("investigation.interview_on", loans.visit)
    video = loans.remote | ((loans.received >= VIDEO_FROM) & stream.chance(12_000, n) & free)
    coded(cell, "investigation.interview_mode", ("in_person", "video"), video.astype(np.int64))
    cell.put("investigation.enhanced", stream.chance(5_000, n) & free)
    similarity = stream.spread(((0, 8), (250, 24), (500, 36), (800, 55), (960, 72), (1000, 86)), n)
    cell.put("investigation.report_similarity", similarity * (RATE // 100))


def _figures(cell: Cell, loans: Loans) -> None:
    """Balance sheet, declared figures, third parties, credit bureau: in a clean file they tell one story."""
    stream = cell.stream("figures")
    n, count = cell.size, len(loans.guaranteed)
    b = loans.borrower
    highest = np.zeros(count, dtype=np.int64)
    np.maximum.at(highest, b, loans.amount)
    multiple = stream.spread(
        ((0, 220), (250, 360), (500, 500), (750, 760), (950, 1_150), (1000, 1_800)), count
    )
    size = np.maximum(highest * multiple // 100, 400_000)
    margin = stream.between(28, 64, count)
    assets = size * stream.between(45, 110, count) // 100
    # A guarantor is good for what it has guaranteed, more than twice over.
    assets = np.maximum(assets, loans.guaranteed_amount * 25 // 10 * 100 // (100 - margin))
    assets = round_to(assets, 1_000)
    liabilities = round_to(assets * margin // 100, 1_000)
    growth = stream.between(-6, 16, count)

    year = year_of(loans.received) - year_of(np.array([cell.calendar.start]))
    revenue = round_to(size[b] * (100 + growth[b] * year) // 100, 1_000)
    prior = round_to(revenue * 100 // (100 + growth[b] + stream.between(-3, 3, n)), 1_000)
    staff_cost = stream.between(250_000, 900_000, count)
    employees = np.maximum(size // staff_cost, 1)
    size_class = industries.size_class(loans.industry, employees[b], revenue, assets[b])
    consumer = loans.product == PC

    def own(values: Ints) -> Ints:
        """What a person who borrows to consume does not have."""
        return np.where(consumer, NA, values)

    cell.put("borrower.employees", own(employees[b]))
    cell.put("borrower.total_assets", own(assets[b] * FEN))
    cell.put("borrower.liabilities", own(liabilities[b] * FEN))
    cell.put("borrower.net_assets", own((assets - liabilities)[b] * FEN))
    coded(cell, "borrower.size_class", SIZES, size_class)
    cell.facts["borrower.size_class"].values[consumer] = NA

    def near(values: Ints, low: int, high: int) -> Ints:
        """The figure of another source, in fen: so many per cent of ours, and odd cents."""
        return values * stream.between(low * 10, high * 10, n) // 10 + stream.below(100, n)

    debt = round_to(revenue * stream.spread(((0, 3), (500, 16), (900, 32), (1000, 48)), n) // 100, 1_000)
    # Who renews owes at least what is renewed.
    debt = np.where(loans.issue == RENEWAL, debt + loans.amount, debt)
    service = round_to(debt * 17 // 100 + loans.amount * 7 // 100, 1_000)
    cover = stream.spread(((0, 126), (300, 160), (700, 230), (1000, 420)), n)
    cell.put("declared.revenue", own(revenue * FEN))
    cell.put("declared.revenue_prior", own(prior * FEN))
    cell.put("declared.employees", own(employees[b]))
    cell.put("declared.debt", own(debt * FEN))
    cell.put("declared.annual_debt_service", own(service * FEN))
    cell.put("declared.annual_cash_flow", own(round_to(service * cover // 100, 1_000) * FEN))
    cell.put("third_party.vat_sales", own(near(revenue, 90, 108)))
    cell.put("third_party.tax_filed_revenue", own(near(revenue, 89, 107)))
    cell.put("third_party.bank_inflow", own(near(revenue, 82, 122)))
    per_wan = industries.KWH[loans.industry] * stream.between(70, 130, n) // 100 + 1
    power: Ints = (revenue // 10_000 * per_wan * 100 + stream.below(100, n)).astype(np.int64)
    change = np.maximum(growth[b], -4) + stream.between(-11, 11, n)
    before: Ints = power * 100 // (100 + change)
    cell.put("third_party.electricity_kwh", own(power * (RATE // 100)))
    cell.put("third_party.electricity_kwh_prior", own(before * (RATE // 100)))
    heads = (employees[b] * stream.between(60, 100, n) + 99) // 100
    cell.put("third_party.social_insurance_heads", own(heads))

    personal = round_to(loans.amount * stream.between(0, 180, n) // 100, 1_000)
    cell.put("bureau.lenders", 1 + stream.pick((46, 30, 17, 7), n))
    cell.put("bureau.balance", np.where(consumer, personal * FEN, near(debt, 86, 104)))
    cell.put("bureau.overdue_now", 0)
    guaranteed = loans.guaranteed_amount[b]
    net = (assets - liabilities)[b]
    elsewhere = np.where(stream.chance(22_000, n), net * stream.between(2, 8, n) // 100, 0)
    cell.put("bureau.external_guarantee_balance", np.where(consumer, 0, guaranteed + elsewhere) * FEN)
    cell.put("bureau.queries_3m", stream.pick((20, 32, 26, 14, 6, 2), n))
    overdue = np.where(stream.chance(9_000, n), stream.between(1, 4, n), 0)
    cell.put("bureau.overdue_months_24m", overdue)
    cell.put("bureau.consecutive_overdue_months", np.minimum(overdue, 1 + stream.below(2, n)))


def _rating(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("ratings")
    n = cell.size
    override = stream.chance(4_000, n) & (loans.rating < 4) & ~cell.faulty()
    coded(cell, "rating.grade", GRADES, loans.rating)
    coded(cell, "rating.model_grade", GRADES, loans.rating + override)
    cell.put("rating.rated_on", loans.rated)
    cell.put("rating.override_reason", np.where(override, stream.below(4, n), NA), _OVERRIDE_REASONS)
    second = cell.bank.approver(np.full(n, 3), loans.branch, year_of(loans.decided), stream)
    cell.put("rating.override_approver_id", np.where(override, second, NA), cell.bank.ids)


def _review(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("reviews")
    n = cell.size
    reviewers = cell.bank.reviewers
    cell.put("review.reviewer_id", reviewers[stream.below(len(reviewers), n)], cell.bank.ids)
    cell.put("review.dept", 0, DEPTS)
    opened = stream.between(8 * 60 + 30, 13 * 60, n)
    same_day = loans.review_in == loans.review_out
    minutes = stream.spread(((0, 24), (200, 45), (600, 95), (900, 170), (1000, 240)), n)
    closed = np.where(same_day, opened + minutes, stream.between(9 * 60, 17 * 60, n))
    moment = SECOND * 60
    cell.put("review.received_at", (loans.review_in * 1440 + opened) * moment + stream.below(60, n) * SECOND)
    cell.put("review.done_at", (loans.review_out * 1440 + closed) * moment + stream.below(60, n) * SECOND)
    coded(cell, "review.opinion", ("agree", "agree_with_conditions"), stream.pick((63, 37), n))
    # A rushed review asks less; none asks nothing.
    asked = stream.spread(((0, 1), (300, 1), (700, 3), (950, 6), (1000, 10)), n)
    cell.put("review.questions", np.where(same_day & (minutes < 45), 1, asked))
    cell.put("review.attended_visit", 0)


def _approval(cell: Cell, loans: Loans, exposure: Ints) -> None:
    stream = cell.stream("decisions")
    n = cell.size
    approver = cell.bank.approver(loans.level, loans.branch, year_of(loans.decided), stream)
    cell.put("approval.decided_on", loans.decided)
    cell.put("approval.decision", cell.code("approval.decision", "approved"))
    cell.put("approval.approver_id", approver, cell.bank.ids)
    cell.put("approval.level", loans.level)
    cell.put("approval.dept", loans.level - 1, banks.APPROVAL_DEPTS)
    cell.put("approval.amount", loans.amount * FEN)
    cell.put("approval.term_months", loans.term)
    cell.put("approval.group_exposure", exposure * FEN)
    met = np.isin(loans.level, (3, 5))
    members = np.array([5, 7, 7, 9])[stream.below(4, n)]
    away = np.minimum(stream.below(3, n), members // 3)
    cell.put("approval.committee_members", np.where(met, members, NA))
    cell.put("approval.committee_present", np.where(met, members - away, NA))
    cell.put("approval.named_votes", np.where(met, 1, NA))
    meeting = year_of(loans.decided) * 1_000 + (loans.decided - 4) // 7 % 53 * 10 + loans.level
    cell.put("approval.minutes_id", np.where(met, meeting, NA), Template("DSH####-###"))


def _contract(cell: Cell, loans: Loans) -> None:
    month = year_of(loans.signed) * 100 + month_of(loans.signed)
    serial = cell.first + loans.number
    cell.put("contract.number", month * 10**7 + serial, Template("HT####-##-#######"))
    cell.put("contract.signed_on", loans.signed)
    cell.put("contract.face_to_face", 1)


def young_with_care(cell: Cell, loans: Loans) -> None:
    """Some firms are young, or lately taken over, and were looked at with enhanced verification: no fault."""
    stream = cell.stream("young")
    n = cell.size
    able = (loans.position == 0) & loans.last & ~cell.faulty() & np.isin(loans.product, (WC, PB))
    young = able & stream.chance(2_200, n)
    since = loans.received - stream.between(200, 340, n)
    cell.get("borrower.controller_share_since")[young] = since[young]
    founded = young & stream.chance(50_000, n)
    cell.get("borrower.established_on")[founded] = since[founded]
    cell.get("investigation.enhanced")[young] = 1

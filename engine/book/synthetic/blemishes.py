"""Ordinary imperfections of a book: small breaches of other rules than the faults', and missing facts.

They come more often in weak branches, in some products and in some quarters, so that a heat map and a trend
have something to show. Files that are part of a fault have none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sancha.engine.book.synthetic import bank as banks
from sancha.engine.book.synthetic.calendar import day, month_of, year_of
from sancha.engine.book.synthetic.cell import Cell
from sancha.engine.book.synthetic.columns import GONE
from sancha.engine.book.synthetic.dossier import DEPTS, SIZES, VIDEO_FROM
from sancha.engine.book.synthetic.draw import NA, Ints, Mask, Stream
from sancha.engine.book.synthetic.evidence import KINDS as COLLATERAL
from sancha.engine.book.synthetic.evidence import PROPERTY
from sancha.engine.book.synthetic.faults import flow
from sancha.engine.book.synthetic.lending import (
    COMPANY,
    FEN,
    INDIVIDUAL,
    NEW,
    OTHER,
    PB,
    PC,
    RATE,
    RENEWAL,
    WC,
    Loans,
)

Able: TypeAlias = Callable[[Cell, Loans], Mask]
Mar: TypeAlias = Callable[[Cell, Loans, Ints, Stream], None]

#: The day from which entrusted payment of large personal drawdowns, and the statutory terms, bind.
MEASURES_2024 = day(dt.date(2024, 7, 1))
#: The day of the notice on business loans and property, with its tests of inflow and of young firms.
NOTICE_39 = day(dt.date(2021, 3, 26))


@dataclass(frozen=True)
class Natural:
    """An imperfection: its name, its titles, and the rules it may breach."""

    name: str
    en: str
    zh: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Blemish(Natural):
    """An imperfection that is made: how many of 100,000 able files have it, which are able, and how."""

    per_100k: int
    able: Able
    mar: Mar


def _any(cell: Cell, loans: Loans) -> Mask:
    return np.ones(cell.size, dtype=bool)


def _business(cell: Cell, loans: Loans) -> Mask:
    return np.isin(loans.product, (WC, PB))


def _firm(cell: Cell, loans: Loans) -> Mask:
    return np.isin(loans.kind, (COMPANY, OTHER))


def _business_of_firm(cell: Cell, loans: Loans) -> Mask:
    return _business(cell, loans) & _firm(cell, loans)


def _having(table: str) -> Able:
    def able(cell: Cell, loans: Loans) -> Mask:
        mask = np.zeros(cell.size, dtype=bool)
        mask[cell.lists[table].owner] = True
        return mask

    return able


def _both(*tests: Able) -> Able:
    return lambda cell, loans: np.logical_and.reduce([test(cell, loans) for test in tests])


def _live_for(days: int) -> Able:
    return lambda cell, loans: loans.live & (cell.as_of - loans.disbursed > days)


def _set(fact: str, value: Callable[[Cell, Loans, Ints, Stream], Ints | int]) -> Mar:
    def mar(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
        cell.get(fact)[files] = value(cell, loans, files, stream)

    return mar


def _coded(fact: str, *values: str) -> Mar:
    """Set the fact to one of the values."""
    return _set(
        fact, lambda cell, loans, files, s: cell.codes(fact, *values)[s.below(len(values), len(files))]
    )


def _scaled(fact: str, by: str, low: int, high: int) -> Mar:
    """Set the fact to so many per cent of another."""
    return _set(
        fact, lambda cell, loans, files, s: cell.get(by)[files] * s.between(low, high, len(files)) // 100
    )


def _whole(low: int, high: int, fact: str) -> Mar:
    return _set(fact, lambda cell, loans, files, s: s.between(low, high, len(files)))


def _one_each(cell: Cell, table: str, files: Ints) -> Ints:
    """The last item of each of the files in a list."""
    rows = cell.rows(table, files)
    owner = cell.lists[table].owner[rows]
    order = np.argsort(owner, kind="stable")
    last = np.append(owner[order][1:] != owner[order][:-1], True)
    found: Ints = rows[order][last]
    return found


# Before the loan


def _one_came(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    rows = cell.rows("visits", files)
    cell.lists["visits"]["staff"][rows, 1] = NA


def _visit_after(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    visits = cell.lists["visits"]
    rows = cell.rows("visits", files)
    visits["date"][rows] = np.minimum(
        loans.report[visits.owner[rows]] + 1 + stream.below(2, len(rows)), cell.as_of
    )


def _visited_once(cell: Cell, loans: Loans) -> Mask:
    """One visit, and time between report and decision for a late one."""
    once: Mask = (loans.second_visit == NA) & ~loans.remote & (loans.decided > loans.report + 3)
    return once & _business(cell, loans)


def _same_photos(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    visits = cell.lists["visits"]
    rows = cell.rows("visits", files)
    order = rows[np.argsort(visits.owner[rows], kind="stable")]
    pairs = order.reshape(-1, 2)
    visits["photos"][pairs[:, 1], 0] = visits["photos"][pairs[:, 0], 0]


def _late_consent(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    queries = cell.lists["queries"]
    rows = cell.rows("queries", files)
    rows = rows[queries["subject"][rows] == cell.code("queries.subject", "controller")]
    queries["consent_signed_on"][rows] = queries["queried_on"][rows] + stream.between(1, 5, len(rows))


def _old_query(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    queries = cell.lists["queries"]
    rows = cell.rows("queries", files)
    old = loans.decided[queries.owner[rows]] - stream.between(34, 80, len(rows))
    queries["consent_signed_on"][rows] -= queries["queried_on"][rows] - old
    queries["queried_on"][rows] = old


def _drop(table: str, field: str, value: str) -> Mar:
    def mar(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
        items = cell.lists[table]
        rows = cell.rows(table, files)
        gone = np.zeros(len(items), dtype=bool)
        gone[rows] = items[field][rows] == cell.code(f"{table}.{field}", value)
        items.keep(~gone)

    return mar


def _old_statements(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    documents = cell.lists["documents"]
    rows = cell.rows("documents", files)
    rows = rows[documents["type"][rows] == cell.code("documents.type", "financial_statement")]
    documents["dated"][rows] -= stream.between(185, 300, len(rows))


def _new_controller(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    cell.get("borrower.controller_share_since")[files] = loans.received[files] - stream.between(
        30, 170, len(files)
    )
    cell.get("investigation.enhanced")[files] = 1


def _many_guarantees(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    guarantees = cell.lists["guarantees"]
    rows = cell.rows("guarantees", files)
    rows = rows[guarantees["kind"][rows] != cell.code("guarantees.kind", "guarantee_company")]
    guarantees["guaranteed_count"][rows] = stream.between(6, 9, len(rows))


def _guaranteed(cell: Cell, loans: Loans) -> Mask:
    guarantees = cell.lists["guarantees"]
    mask = np.zeros(cell.size, dtype=bool)
    mask[guarantees.owner[guarantees["kind"] != cell.code("guarantees.kind", "guarantee_company")]] = True
    return mask


def _lately_bought(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    collateral = cell.lists["collateral"]
    rows = cell.rows("collateral", files)
    owner = collateral.owner[rows]
    collateral["acquired_on"][rows] = loans.received[owner] - stream.between(60, 170, len(rows))
    collateral["acquired_price"][rows] = np.maximum(
        collateral["acquired_price"][rows], collateral["bank_value"][rows]
    )
    cell.get("investigation.enhanced")[files] = 1


def _on_a_home(cell: Cell, loans: Loans) -> Mask:
    collateral = cell.lists["collateral"]
    home = np.isin(collateral["kind"], cell.codes("collateral.kind", "residential", "commercial"))
    mask = np.zeros(cell.size, dtype=bool)
    mask[collateral.owner[home]] = True
    mask[collateral.owner[~home]] = False
    return mask & _business(cell, loans)


# Decision and money


def _quick_review(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    minutes = stream.between(3, 13, len(files))
    cell.get("review.done_at")[files] = cell.get("review.received_at")[files] + minutes * 60_000_000


def _no_question(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    cell.get("review.questions")[files] = 0
    cell.get("review.opinion")[files] = cell.code("review.opinion", "agree")


def _weak_committee(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    kind = stream.below(3, len(files))
    members = cell.get("approval.committee_members")[files]
    present = cell.get("approval.committee_present")
    present[files] = np.where(kind == 0, members // 2, present[files])
    votes = cell.get("approval.named_votes")
    votes[files] = np.where(kind == 1, 0, votes[files])
    minutes = cell.get("approval.minutes_id")
    minutes[files] = np.where(kind == 2, NA, minutes[files])


def _bold_override(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    top = len(cell.vocabulary.facts["rating.grade"].type.values) - 1
    model = cell.get("rating.model_grade")
    model[files] = np.minimum(cell.get("rating.grade")[files] + 1 + stream.below(2, len(files)), top)
    cell.get("rating.override_reason")[files] = NA
    cell.get("rating.override_approver_id")[files] = NA


def _late_condition(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    conditions = cell.lists["conditions"]
    rows = _one_each(cell, "conditions", files)
    start = loans.disbursed[conditions.owner[rows]]
    conditions["met_on"][rows] = np.minimum(start + stream.between(1, 20, len(rows)), cell.as_of)


def _self_paid(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    payments = cell.lists["payments"]
    rows = _one_each(cell, "payments", files)
    payments["mode"][rows] = cell.code("payments.mode", "self")
    drawdowns = cell.lists["disbursements"]
    mine = np.isin(drawdowns["loan_no"], payments["loan_no"][rows])
    drawdowns["pay_mode"][mine] = cell.code("disbursements.pay_mode", "mixed")


def _large_payment(cell: Cell, loans: Loans) -> Mask:
    """The last payment is of a size that must be entrusted by the bank's own rule, and by none other."""
    payments = cell.lists["payments"]
    rows = _one_each(cell, "payments", np.flatnonzero(_business(cell, loans)))
    large = (payments["amount"][rows] >= 1_000_000 * FEN) & (payments["amount"][rows] <= 9_000_000 * FEN)
    mask = np.zeros(cell.size, dtype=bool)
    mask[payments.owner[rows[large]]] = True
    return mask


def _related_payee(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    payments = cell.lists["payments"]
    rows = _one_each(cell, "payments", files)
    related = cell.codes("payments.related_to", "borrower", "borrower", "guarantor", "staff")
    payments["related_to"][rows] = related[stream.below(4, len(rows))]


def _own_drawdown(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    drawdowns = cell.lists["disbursements"]
    rows = cell.rows("disbursements", files)
    drawdowns["pay_mode"][rows] = cell.code("disbursements.pay_mode", "mixed")


# After the loan


def _stale_value(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    collateral = cell.lists["collateral"]
    collateral["revalued_on"][cell.rows("collateral", files)] = NA


def _revaluable(cell: Cell, loans: Loans) -> Mask:
    collateral = cell.lists["collateral"]
    mask = np.zeros(cell.size, dtype=bool)
    kinds = cell.codes(
        "collateral.kind", *COLLATERAL[:PROPERTY], "equipment", "vehicle", "receivables", "stock", "ip"
    )
    old = np.isin(collateral["kind"], kinds) & (cell.as_of - collateral["appraised_on"] > 366)
    mask[collateral.owner[old]] = True
    return mask & loans.live


def _missed_checks(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    """No check for longer than the interval allows: the latest ones, but for first checks, were not made."""
    inspections = cell.lists["inspections"]
    rows = cell.rows("inspections", files)
    first = cell.code("inspections.type", "first")
    late = (inspections["type"][rows] != first) & (inspections["done_on"][rows] > cell.as_of - 190)
    gone = np.zeros(len(inspections), dtype=bool)
    gone[rows[late]] = True
    inspections.keep(~gone)


def _no_full_check(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    inspections = cell.lists["inspections"]
    rows = cell.rows("inspections", files)
    full, routine = cell.codes("inspections.type", "full", "routine")
    rows = rows[inspections["type"][rows] == full]
    inspections["type"][rows] = routine


def _one_inspector(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    inspections = cell.lists["inspections"]
    rows = cell.rows("inspections", files)
    first = inspections["type"][rows] == cell.code("inspections.type", "first")
    inspections["staff"][rows[first | stream.chance(40_000, len(rows))], 1] = NA


def _late_classification(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    old = cell.as_of - stream.between(95, 190, len(files))
    cell.get("loan.classified_on")[files] = np.maximum(old, loans.disbursed[files])


def _late_plan(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    entered = cell.get("npl.entered_on")[files]
    plan = entered + stream.between(32, 90, len(files))
    cell.get("npl.plan_on")[files] = np.where(plan <= cell.as_of, plan, NA)


def _money(party: str, to: str, low: int, high: int, ours: int, days: int = 25) -> Mar:
    def mar(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
        share = stream.between(low, high, len(files))
        amount = np.maximum(loans.amount[files] * share // 100 // 1_000, 1) * 1_000 * FEN
        date = np.minimum(loans.disbursed[files] + stream.between(2, days, len(files)), cell.as_of)
        flow(cell, files, date, amount, 2, party, to, ours)

    return mar


def _paid_out(days: int) -> Able:
    def able(cell: Cell, loans: Loans) -> Mask:
        old: Mask = cell.as_of - loans.disbursed > days
        return _having("payments")(cell, loans) & old

    return able


def _smaller(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    """Recorded one class too small, as suits the statistics of inclusive loans."""
    sizes = cell.codes("borrower.size_class", *SIZES)
    recorded = cell.get("borrower.size_class")
    recorded[files] = np.where(recorded[files] == sizes[2], sizes[3], sizes[2])


def _sized(cell: Cell, loans: Loans) -> Mask:
    middle = cell.codes("borrower.size_class", *SIZES[1:3])
    firm: Mask = loans.kind == COMPANY
    return firm & np.isin(cell.get("borrower.size_class"), middle)


def _not_alone(cell: Cell, loans: Loans) -> Mask:
    """Two investigators had to go."""
    return _business(cell, loans) & ~loans.single & ~loans.remote & ((loans.applied > 500_000) | loans.is_new)


BLEMISHES = (
    Blemish(
        "one visitor",
        "only one of the two investigators on the visits",
        "双人调查实际仅一人到场",
        ("PRE-20",),
        2_600,
        _not_alone,
        _one_came,
    ),
    Blemish(
        "visit after report",
        "site visit after the report",
        "实地调查晚于调查报告",
        ("PRE-22",),
        1_800,
        _visited_once,
        _visit_after,
    ),
    Blemish(
        "video before 2024-07",
        "interview by video before it was allowed",
        "视频面谈早于制度允许日期",
        ("PRE-23",),
        1_200,
        lambda c, x: _business(c, x) & (x.decided < VIDEO_FROM),
        _coded("investigation.interview_mode", "video"),
    ),
    Blemish(
        "similar report",
        "report close to another of the officer's",
        "调查报告与本人其他报告雷同",
        ("PRE-27",),
        1_500,
        _any,
        _set("investigation.report_similarity", lambda c, x, f, s: s.between(90, 99, len(f)) * (RATE // 100)),
    ),
    Blemish(
        "photos of the other visit",
        "the same photo on two visits",
        "两次调查使用同一影像",
        ("PRE-28",),
        900,
        lambda c, x: (x.second_visit != NA) & ~x.remote,
        _same_photos,
    ),
    Blemish(
        "tax below declared",
        "revenue filed for tax below the declared",
        "纳税申报收入明显低于申报收入",
        ("XV-02", "XV-12"),
        2_200,
        _business,
        _scaled("third_party.tax_filed_revenue", "declared.revenue", 45, 78),
    ),
    Blemish(
        "inflow below declared",
        "inflow does not match declared revenue",
        "流水与申报收入不匹配",
        ("XV-03", "XV-12"),
        2_400,
        lambda c, x: _business(c, x) & (x.decided >= NOTICE_39),
        _scaled("third_party.bank_inflow", "declared.revenue", 35, 66),
    ),
    Blemish(
        "few insured",
        "few of the staff in social insurance",
        "社保参保人数偏低",
        ("XV-05", "XV-12"),
        2_800,
        lambda c, x: _business(c, x) & (c.get("declared.employees") >= 8),
        _scaled("third_party.social_insurance_heads", "declared.employees", 15, 46),
    ),
    Blemish(
        "debts not declared",
        "bureau debt above the declared",
        "征信负债高于申报负债",
        ("XV-07", "XV-12"),
        1_600,
        _business,
        _scaled("bureau.balance", "declared.debt", 114, 190),
    ),
    Blemish(
        "late consent",
        "bureau consent signed after the query",
        "征信授权晚于查询",
        ("CB-01",),
        900,
        _having("queries"),
        _late_consent,
    ),
    Blemish(
        "old query",
        "bureau report older than thirty days at approval",
        "征信报告超过有效期",
        ("CB-02",),
        1_300,
        _business,
        _old_query,
    ),
    Blemish(
        "overdue in bureau",
        "current overdue in the bureau",
        "征信显示当前逾期",
        ("CB-03",),
        500,
        _any,
        _set("bureau.overdue_now", lambda c, x, f, s: s.between(1, 60, len(f)) * 1_000 * FEN),
    ),
    Blemish(
        "overdue history",
        "overdue months at the limit",
        "历史逾期达到限制",
        ("CB-04",),
        700,
        _any,
        _whole(6, 9, "bureau.overdue_months_24m"),
    ),
    Blemish(
        "many lenders", "many lenders", "多头授信", ("CB-05",), 2_400, _any, _whole(5, 8, "bureau.lenders")
    ),
    Blemish(
        "guarantees for others",
        "guarantees above half of net assets",
        "对外担保占净资产比例偏高",
        ("CB-06",),
        1_400,
        lambda c, x: x.product != PC,
        _scaled("bureau.external_guarantee_balance", "borrower.net_assets", 54, 92),
    ),
    Blemish(
        "high leverage",
        "liabilities above seventy per cent of assets",
        "资产负债率偏高",
        ("RAT-01",),
        2_000,
        _firm,
        _scaled("borrower.liabilities", "borrower.total_assets", 71, 84),
    ),
    Blemish(
        "thin cover",
        "cash flow hardly covers debt service",
        "偿债覆盖不足",
        ("RAT-03",),
        2_200,
        _business,
        _scaled("declared.annual_cash_flow", "declared.annual_debt_service", 82, 118),
    ),
    Blemish(
        "equipment on working capital",
        "working capital asked for equipment",
        "流动资金贷款用于设备",
        ("PUR-01",),
        500,
        lambda c, x: x.product == WC,
        _coded("application.purpose", "equipment"),
    ),
    Blemish(
        "size class",
        "recorded in a smaller size class",
        "企业规模登记偏小",
        ("PRE-10",),
        2_400,
        _sized,
        _smaller,
    ),
    Blemish(
        "not active",
        "registration not active",
        "登记状态异常",
        ("PRE-01", "REN-03"),
        250,
        lambda c, x: x.kind != INDIVIDUAL,
        _coded("borrower.registration_status", "moved_out", "revoked"),
    ),
    Blemish(
        "negative list",
        "on a negative list",
        "列入负面名单",
        ("PRE-05", "REN-03"),
        450,
        _firm,
        _set("borrower.abnormal_list", lambda c, x, f, s: 1),
    ),
    Blemish(
        "public official",
        "business loan to a public official",
        "向公职人员发放经营贷款",
        ("PRE-09",),
        300,
        lambda c, x: x.product == PB,
        _set("borrower.public_official", lambda c, x, f, s: 1),
    ),
    Blemish(
        "new controller",
        "controller changed lately",
        "实际控制人近期变更",
        ("PRE-12",),
        800,
        lambda c, x: _firm(c, x) & (x.position == 0) & x.last,
        _new_controller,
    ),
    Blemish(
        "no purpose evidence",
        "no evidence of the purpose",
        "未见用途证明",
        ("DOC-05",),
        1_600,
        lambda c, x: (x.issue == NEW) & (x.applied > 500_000),
        _drop("documents", "type", "purpose_evidence"),
    ),
    Blemish(
        "old statements",
        "statements older than six months",
        "财务报表过期",
        ("DOC-12",),
        1_800,
        _firm,
        _old_statements,
    ),
    Blemish(
        "busy guarantor",
        "guarantor of more than five borrowers",
        "保证人担保户数过多",
        ("CON-04",),
        1_500,
        _guaranteed,
        _many_guarantees,
    ),
    Blemish(
        "lately bought",
        "property bought shortly before it was pledged",
        "短期购入房产抵押",
        ("LTV-09",),
        1_000,
        lambda c, x: _on_a_home(c, x) & (x.decided >= NOTICE_39),
        _lately_bought,
    ),
    Blemish("quick review", "review within minutes", "审查用时过短", ("APR-04",), 1_900, _any, _quick_review),
    Blemish(
        "no question",
        "no question asked in review",
        "审查未提出实质性问题",
        ("APR-05",),
        2_500,
        _any,
        _no_question,
    ),
    Blemish(
        "reviewer on the visit",
        "reviewer took part in the visit",
        "审查人参与实地调查",
        ("APR-03",),
        600,
        _any,
        _set("review.attended_visit", lambda c, x, f, s: 1),
    ),
    Blemish(
        "reviewer of the same department",
        "reviewer from the investigator's department",
        "审查人与调查人同部门",
        ("APR-02",),
        500,
        _any,
        _set("review.dept", lambda c, x, f, s: DEPTS.values.to_pylist().index(banks.FRONT)),
    ),
    Blemish(
        "weak committee",
        "committee without quorum, names or minutes",
        "贷审会表决留痕不全",
        ("APR-06",),
        3_500,
        lambda c, x: np.isin(x.level, (3, 5)),
        _weak_committee,
    ),
    Blemish(
        "bold override",
        "rating raised without reason and second approver",
        "评级上调未见理由和复核",
        ("APR-08",),
        900,
        lambda c, x: x.rating < 4,
        _bold_override,
    ),
    Blemish(
        "long term",
        "term beyond three years without a long cash cycle",
        "期限超过三年且无长周期理由",
        ("TRM-01",),
        20_000,
        lambda c, x: (x.product == WC) & (x.term > 36) & (x.decided >= MEASURES_2024),
        _set("application.long_cash_cycle", lambda c, x, f, s: 0),
    ),
    Blemish(
        "late condition",
        "condition met after disbursement",
        "放款后才落实批复条件",
        ("PAY-09",),
        2_400,
        _both(_having("conditions"), lambda c, x: c.as_of - x.disbursed > 2),
        _late_condition,
    ),
    Blemish(
        "self payment",
        "large payment by the borrower itself",
        "大额支付未受托",
        ("PAY-06", "PAY-04"),
        2_000,
        _large_payment,
        _self_paid,
    ),
    Blemish(
        "related payee",
        "payee related to the borrower",
        "收款人为关联方",
        ("PAY-07",),
        1_400,
        _having("payments"),
        _related_payee,
    ),
    Blemish(
        "own drawdown",
        "personal drawdown above the limit not entrusted",
        "个人经营贷款超限额未受托支付",
        ("PAY-04",),
        2_500,
        lambda c, x: (x.product == PB) & (x.amount > 1_100_000) & (x.disbursed >= MEASURES_2024),
        _own_drawdown,
    ),
    Blemish(
        "not face to face",
        "contract not signed face to face",
        "合同未面签",
        ("CTR-06",),
        800,
        _any,
        _set("contract.face_to_face", lambda c, x, f, s: 0),
    ),
    Blemish(
        "stale value",
        "collateral not revalued within a year",
        "押品超过一年未重估",
        ("LTV-08",),
        9_000,
        _revaluable,
        _stale_value,
    ),
    Blemish(
        "missed checks",
        "no inspection within the interval",
        "贷后检查间隔超期",
        ("PST-04", "PST-05", "PST-06"),
        6_000,
        _live_for(195),
        _missed_checks,
    ),
    Blemish(
        "no full check",
        "no full inspection within a year",
        "一年内未做全面检查",
        ("PST-05",),
        5_500,
        _live_for(366),
        _no_full_check,
    ),
    Blemish(
        "one inspector",
        "inspections by one person",
        "贷后检查仅一人",
        ("PST-07",),
        2_200,
        _paid_out(60),
        _one_inspector,
    ),
    Blemish(
        "late classification",
        "classification older than a quarter",
        "风险分类未按季更新",
        ("CLS-15",),
        5_000,
        _live_for(120),
        _late_classification,
    ),
    Blemish(
        "arrears graded normal",
        "some days past due, graded normal",
        "短期逾期仍列正常类",
        ("CLS-01",),
        25_000,
        lambda c, x: (x.dpd > 0) & (x.dpd <= 30) & (x.issue != RENEWAL),
        _coded("loan.grade", "normal"),
    ),
    Blemish(
        "late plan",
        "disposal plan late",
        "不良处置方案超期",
        ("NPL-01",),
        16_000,
        lambda c, x: (x.dpd > 130) & ~x.written_off,
        _late_plan,
    ),
    Blemish(
        "to the guarantor",
        "loan money to the guarantor",
        "资金流向保证人",
        ("FND-02",),
        700,
        _both(_paid_out(3), _guaranteed),
        _money("guarantor", "保证人账户", 8, 30, 1),
    ),
    Blemish(
        "to property",
        "loan money to a developer",
        "资金流入房地产",
        ("FND-05",),
        450,
        _paid_out(3),
        _money("property", "房地产开发企业预售资金户", 15, 60, 0),
    ),
    Blemish(
        "cash",
        "large cash withdrawal",
        "大额取现",
        ("FND-07",),
        900,
        lambda c, x: _paid_out(3)(c, x) & (x.amount >= 600_000),
        _money("cash", "现金支取", 9, 20, 1),
    ),
    Blemish(
        "untraced",
        "a fifth or more out of sight at other banks",
        "资金转至他行后无法追踪",
        ("FND-08",),
        3_600,
        _paid_out(45),
        _money("peer_bank", "他行账户", 24, 65, 0),
    ),
)

# What comes about by itself: noted, not made.
LATE_DELEGATION = Natural(
    "late delegation", "decided before the year's delegation was renewed", "年度授权下达前审批", ("AUT-02",)
)
ARREARS = Natural(
    "in arrears", "days past due: a signal, not a lapse of the bank", "贷款逾期（风险信号）", ("W-01", "W-02")
)
NOTED: tuple[Natural, ...] = (*BLEMISHES, LATE_DELEGATION, ARREARS)

# Facts and lists that are not there, in so many of 100,000 files; facts of one line are lost together.
_MISSING_FACTS = (
    ("third_party.vat_sales", 6_000),
    ("third_party.tax_filed_revenue", 5_500),
    ("third_party.bank_inflow", 3_500),
    ("third_party.electricity_kwh third_party.electricity_kwh_prior", 8_000),
    ("third_party.electricity_kwh_prior", 1_500),
    ("third_party.social_insurance_heads", 8_000),
    ("declared.annual_cash_flow", 2_500),
    ("declared.revenue_prior", 1_500),
    ("bureau.queries_3m", 1_800),
    ("bureau.external_guarantee_balance", 2_200),
    ("borrower.controller_share_since", 1_500),
    ("borrower.tax_rating", 2_000),
    ("borrower.group_id", 900),
    ("borrower.public_official", 700),
    ("investigation.report_similarity", 4_000),
    ("investigation.interview_mode", 800),
    ("review.received_at", 1_400),
    ("review.questions", 1_200),
    ("approval.group_exposure", 600),
    ("rating.model_grade", 900),
    ("contract.face_to_face", 1_100),
    ("loan.classified_on", 500),
)
_MISSING_LISTS = (
    ("visits", 500),
    ("documents", 700),
    ("queries", 900),
    ("conditions", 800),
    ("transactions", 3_000),
    ("inspections", 900),
)
_MISSING_FIELDS = (
    ("visits.photos", 500),
    ("visits.staff", 300),
    ("collateral.bank_value", 600),
    ("guarantees.net_assets", 900),
    ("guarantees.outstanding", 1_500),
    ("documents.dated", 500),
    ("payments.payee_owner", 1_500),
    ("transactions.to_is_ours", 900),
    ("inspections.similarity", 250),
    ("inspections.photos", 120),
)


def odds(cell: Cell, loans: Loans) -> Ints:
    """How much likelier a blemish is in each file than in an average one, per cent."""
    branch = np.array([60, 75, 80, 90, 95, 85, 110, 120, 100, 130, 260, 310])[loans.branch]
    product = np.array([100, 125, 80, 90])[loans.product]
    # Discipline slackened for two years, and was tightened since; the last month of a quarter is hurried.
    elapsed = (cell.as_of - loans.decided) // 365
    year = np.array([80, 105, 135, 105, 105])[np.clip(elapsed, 0, 4)]
    month = np.where(month_of(loans.decided) % 3 == 0, 120, 92)
    likelier: Ints = branch * product // 100 * year // 100 * month // 100
    return likelier


def blemish(cell: Cell, loans: Loans) -> None:
    """Mar some ordinary files, and note which; a file seldom has more than two blemishes."""
    free = ~cell.faulty()
    likelier = odds(cell, loans)
    for kind in BLEMISHES:
        stream = cell.stream(f"blemish {kind.name}")
        often = kind.per_100k * likelier // 100
        chosen = free & kind.able(cell, loans) & stream.chance(often, cell.size)
        cell.blemishes[kind.name] = chosen
        files = np.flatnonzero(chosen)
        if len(files):
            kind.mar(cell, loans, files, stream)
    start = banks.late_start(year_of(loans.decided))
    late = np.isin(cell.get("approval.approver_id"), cell.bank.late) & (loans.decided < start)
    cell.blemishes[LATE_DELEGATION.name] = late & free
    cell.blemishes[ARREARS.name] = (loans.dpd > 0) & loans.live & free


def lose(cell: Cell, loans: Loans) -> None:
    """Take facts, lists and fields away from some ordinary files; each loss is counted."""
    free = ~cell.faulty()
    weak = np.where(banks.WEAK[loans.branch], 180, 90)
    for together, per_100k in _MISSING_FACTS:
        chosen = free & cell.stream(f"lost {together}").chance(per_100k * weak // 100, cell.size)
        for name in together.split():
            values = cell.get(name)
            cell.missing[name] = cell.missing.get(name, 0) + int((chosen & (values != NA)).sum())
            values[chosen] = NA
    for name, per_100k in _MISSING_LISTS:
        gone = free & cell.stream(f"lost {name}").chance(per_100k * weak // 100, cell.size)
        cell.absent[name] = gone
        cell.missing[name] = int(gone.sum())
    for name, per_100k in _MISSING_FIELDS:
        table, _, label = name.partition(".")
        items = cell.lists[table]
        gone = items.of(free) & cell.stream(f"lost {name}").chance(per_100k, len(items))
        values = items[label]
        if values.ndim == 2:
            cell.missing[name] = int(gone.sum())
            values[gone, 0] = GONE
        else:
            cell.missing[name] = int((gone & (values != NA)).sum())
            values[gone] = NA

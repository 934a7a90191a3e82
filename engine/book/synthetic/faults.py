"""The twenty seeded faults (content sheet 8.3): what each needs of its file, and the trace it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from sancha.engine.book.synthetic import industries
from sancha.engine.book.synthetic.calendar import add_months, year_of
from sancha.engine.book.synthetic.cell import Cell
from sancha.engine.book.synthetic.columns import Words
from sancha.engine.book.synthetic.dossier import SIZES
from sancha.engine.book.synthetic.draw import NA, Ints, Stream
from sancha.engine.book.synthetic.lending import (
    COMPANY,
    FEN,
    GRADES,
    GUARANTEE,
    INDIVIDUAL,
    NEW,
    PB,
    RATE,
    REAL_ESTATE,
    RENEWAL,
    UNSECURED,
    WC,
    Loans,
)
from sancha.engine.book.synthetic.servicing import SIGNALS, SPECIAL, TIERS

#: Works on the given files of a cell; the stream is its own.
Step: TypeAlias = Callable[[Cell, Loans, Ints, Stream], None]


@dataclass(frozen=True)
class Fault:
    """A fault: its number in the content sheet, the rules meant to find it, how many cases in 10,000 files.

    `shape` fixes what kind of loan it befalls, before anything is worked out from it; `plant` leaves the
    trace in a file that is clean otherwise. Of the files drawn for a case the last `extras` set the scene.
    """

    number: int
    en: str
    zh: str
    rules: tuple[str, ...]
    cases: int
    shape: Step
    plant: Step
    files: int = 1
    extras: int = 0


def _company(cell: Cell, loans: Loans, files: Ints, stream: Stream, low: int = 80, high: int = 480) -> None:
    """A working-capital loan to a firm on real estate, applied for in the last two years; 10,000 yuan."""
    size = len(files)
    loans.product[files] = WC
    loans.kind[files] = COMPANY
    firm = np.array([i.firm if i.restriction == "normal" else 0 for i in industries.INDUSTRIES])
    loans.industry[files] = stream.pick(firm, size)
    loans.term[files] = 12
    loans.security[files] = REAL_ESTATE
    loans.issue[files] = NEW
    loans.rollovers[files] = 0
    loans.is_new[files] = False
    loans.related[files] = False
    loans.rating[files] = GRADES.index("A2")
    loans.amount[files] = stream.between(low, high, size) * 10_000
    loans.dpd[files] = 0
    _received(cell, loans, files, stream, 800, 160)


def _owner(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    """The same to the owner of a business."""
    _company(cell, loans, files, stream, 60, 160)
    loans.product[files] = PB
    loans.kind[files] = INDIVIDUAL
    person = [i.person if i.restriction == "normal" else 0 for i in industries.INDUSTRIES]
    loans.industry[files] = stream.pick(person, len(files))


def _received(cell: Cell, loans: Loans, files: Ints, stream: Stream, early: int, late: int) -> None:
    """Applied for between `early` and `late` days before the day of the book."""
    _on(cell, loans, files, cell.as_of - stream.between(late, early, len(files)))


def _on(cell: Cell, loans: Loans, files: Ints, day: Ints) -> None:
    """Applied for on the day, or as near as keeps clear of the new year, when some delegations come late."""
    of_year = (day - cell.as_of) % 365
    day = np.where(of_year < 45, day + 45 - of_year, np.where(of_year > 300, day - (of_year - 300), day))
    loans.earliest[files] = day
    loans.latest[files] = day


def _nothing(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    """No trace beyond the kind of loan."""


def _first_rows(cell: Cell, table: str, files: Ints) -> Ints:
    """The first item of each of the files, in the order of the files; each must have one."""
    owner = cell.lists[table].owner
    place = np.full(cell.size, -1)
    place[owner[::-1]] = np.arange(len(owner))[::-1]
    assert (place[files] >= 0).all()
    return place[files]


# 1


def _shape_single(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream, 80, 300)
    which = stream.below(len(cell.bank.newcomers), len(files))
    person = cell.bank.newcomers[which]
    loans.manager[files] = person
    loans.branch[files] = cell.bank.newcomers_branch[which]
    joined = cell.bank.joined_on[person]
    low = np.maximum(joined + 50, cell.as_of - 1_000)
    _on(cell, loans, files, stream.between(low, np.minimum(joined + 330, cell.as_of - 80), len(files)))
    loans.single[files] = True


def _plant_single(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    cell.get("investigation.lead_is_new_employee")[files] = 1


# 2


def _shape_turnover(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    makers = np.array(
        [i.firm * m for i, m in zip(industries.INDUSTRIES, industries.MANUFACTURING, strict=True)]
    )
    makers[[i.restriction != "normal" for i in industries.INDUSTRIES]] = 0
    loans.industry[files] = stream.pick(makers, len(files))


def _plant_turnover(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    size = len(files)
    sold = cell.get("third_party.vat_sales")[files]
    declared = sold * stream.between(192, 212, size) // 100 // (1_000 * FEN) * (1_000 * FEN)
    cell.get("declared.revenue")[files] = declared
    cell.get("declared.revenue_prior")[files] = declared * stream.between(90, 99, size) // 100
    cell.get("third_party.tax_filed_revenue")[files] = declared * stream.between(92, 104, size) // 100
    cell.get("third_party.bank_inflow")[files] = declared * stream.between(88, 104, size) // 100
    before = cell.get("third_party.electricity_kwh_prior")[files]
    cell.get("third_party.electricity_kwh")[files] = before * stream.between(62, 67, size) // 100
    # The class follows what was declared.
    staff, assets = cell.get("borrower.employees")[files], cell.get("borrower.total_assets")[files] // FEN
    by_size = industries.size_class(loans.industry[files], staff, declared // FEN, assets)
    cell.get("borrower.size_class")[files] = cell.codes("borrower.size_class", *SIZES)[by_size]


# 3


def _shape_shell(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _owner(cell, loans, files, stream)
    loans.is_new[files] = True


def _plant_shell(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    founded = add_months(loans.received[files], -8)
    cell.get("borrower.established_on")[files] = founded
    cell.get("borrower.controller_share_since")[files] = founded
    cell.get("investigation.enhanced")[files] = 0
    collateral = cell.lists["collateral"]
    rows = _first_rows(cell, "collateral", files)
    collateral["kind"][rows] = cell.code("collateral.kind", "residential")
    collateral["acquired_on"][rows] = add_months(loans.received[files], -8) + 3
    price = collateral["secured_amount"][rows] * 100 // 92
    # The appraisal makes the house worth half as much again as its owner paid eight months before.
    worth = price * 150 // 100 // (10_000 * FEN) * (10_000 * FEN)
    collateral["acquired_price"][rows] = price
    collateral["prior_liens"][rows] = 0
    collateral["bank_value"][rows] = worth
    collateral["appraised_value"][rows] = worth + 50_000 * FEN


# 4


def _shape_triangle(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    loans.security[files] = GUARANTEE
    thirds = files.reshape(-1, 3)
    around = 500_000 * stream.between(-3, 3, len(thirds))
    loans.amount[thirds] = 15_500_000
    loans.amount[thirds[:, 0]] += around
    loans.amount[thirds[:, 1]] -= around + 500_000
    # One of the three is forty days behind.
    loans.dpd[thirds[:, 0]] = 40
    _received(cell, loans, files, stream, 330, 200)


# 5


def _plant_one_person(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    cell.get("review.reviewer_id")[files] = cell.get("approval.approver_id")[files]


# 6


def _shape_authority(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    pairs = files.reshape(-1, 2)
    loans.amount[files] = 3_000_000
    later, earlier = pairs[:, 0], pairs[:, 1]
    loans.branch[earlier] = loans.branch[later]
    day = cell.as_of - stream.between(120, 290, len(later))
    loans.earliest[later] = loans.latest[later] = day
    loans.earliest[earlier] = loans.latest[earlier] = day - stream.between(20, 60, len(later))
    loans.group[earlier] = loans.group[later]


def _plant_authority(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    level = np.ones(len(files), dtype=np.int64)
    year = year_of(loans.decided[files])
    approver = cell.bank.approver(level, loans.branch[files], year, stream)
    cell.get("approval.level")[files] = 1
    cell.get("approval.approver_id")[files] = approver
    cell.get("approval.dept")[files] = 0
    for fact in ("committee_members", "committee_present", "named_votes", "minutes_id"):
        cell.get(f"approval.{fact}")[files] = NA


# 7


def _plant_registration(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    rows = cell.rows("collateral", files)
    collateral = cell.lists["collateral"]
    collateral["registered_on"][rows] = loans.disbursed[collateral.owner[rows]] + 9


# 8


def _shape_split(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    loans.amount[files] = 19_600_000


def _plant_split(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    payments, transactions = cell.lists["payments"], cell.lists["transactions"]
    rows = cell.rows("payments", files)
    flows = cell.rows("transactions", files)
    flows = flows[transactions["hop"][flows] == 1]
    second = rows[1::2]
    payments["payee_owner"][second] = payments["payee_owner"][rows[::2]]
    payments["date"][second] += 2
    transactions["date"][flows[1::2]] += 2
    payments["mode"][rows] = cell.code("payments.mode", "self")
    drawdowns = cell.rows("disbursements", files)
    cell.lists["disbursements"]["pay_mode"][drawdowns] = cell.code("disbursements.pay_mode", "self")


# 9, 10


def flow(cell: Cell, files: Ints, days: Ints, amount: Ints, hop: int, party: str, to: str, ours: int) -> None:
    """One more movement of money in each of the files; days since 1970, amounts in fen."""
    transactions = cell.lists["transactions"]
    column = transactions.columns["to"]
    assert isinstance(column.text, Words)
    column.text = Words(pa.concat_arrays([column.text.values, pa.array([to])]))
    transactions.add(
        files,
        {
            "date": days,
            "amount": amount,
            "hop": hop,
            "to": len(column.text.values) - 1,
            "party": cell.code("transactions.party", party),
            "to_is_ours": ours,
        },
    )


def _shape_return(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    loans.amount[files] = 500_000 * stream.between(20, 29, len(files))


def _plant_return(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    amount = np.full(len(files), 8_000_000 * FEN)
    flow(cell, files, loans.disbursed[files] + 4, amount, 2, "controller", "实际控制人个人账户", 1)


def _plant_securities(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    share = stream.between(20, 60, len(files))
    amount = loans.amount[files] * share // 100 // 10_000 * 10_000 * FEN
    flow(cell, files, loans.disbursed[files] + 6, amount, 2, "securities", "证券公司客户交易结算资金户", 0)


# 11, 12


def _plant_late_check(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    inspections, visits = cell.lists["inspections"], cell.lists["visits"]
    first = cell.code("inspections.type", "first")
    rows = cell.rows("inspections", files)
    rows = rows[inspections["type"][rows] == first]
    owner = inspections.owner[rows]
    inspections["done_on"][rows] = loans.disbursed[owner] + 15 + 41
    visit = _first_rows(cell, "visits", owner)
    inspections["photos"][rows] = visits["photos"][visit][:, : inspections["photos"].shape[1]]


def _shape_long(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    loans.rating[files] = GRADES.index("B1")
    _received(cell, loans, files, stream, 800, 300)


def _plant_clones(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    inspections = cell.lists["inspections"]
    rows = cell.rows("inspections", files)
    rows = rows[inspections["type"][rows] == cell.code("inspections.type", "routine")]
    place = np.arange(len(rows)) - np.searchsorted(inspections.owner[rows], inspections.owner[rows])
    rows = rows[(place == 1) | (place == 2)]
    inspections["similarity"][rows] = 97 * (RATE // 100)


# 13


def _shape_arrears(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    loans.dpd[files] = 97
    _received(cell, loans, files, stream, 400, 300)


def _plant_grade(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    cell.get("loan.grade")[files] = cell.code("loan.grade", TIERS[SPECIAL])
    for fact in ("entered_on", "plan_on", "route"):
        cell.get(f"npl.{fact}")[files] = NA


# 14, 15


def _shape_rolled(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    loans.issue[files] = RENEWAL
    loans.rollovers[files] = 3
    _received(cell, loans, files, stream, 300, 100)


def _shape_renewal(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    loans.issue[files] = RENEWAL
    loans.rollovers[files] = 1


def _plant_late_renewal(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    days = np.minimum(stream.between(1, 12, len(files)), loans.decided[files] - loans.received[files] - 1)
    cell.get("application.prior_maturity_on")[files] = loans.decided[files] - days


# 16


def _shape_general(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream, 60, 250)
    loans.security[files] = GUARANTEE
    # Paid out so that six months after maturity is some twenty days after the day of the book.
    ends = np.full(len(files), cell.as_of) + stream.between(17, 23, len(files))
    matured = add_months(ends, -6)
    loans.paid_out_on[files] = cell.calendar.next(add_months(matured + 1, -12))
    loans.dpd[files] = cell.as_of - (add_months(loans.paid_out_on[files], 12) - 1)


def _plant_general(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    guarantees = cell.lists["guarantees"]
    rows = cell.rows("guarantees", files)
    guarantees["type"][rows] = cell.code("guarantees.type", "general")
    guarantees["period_end"][rows] = add_months(loans.maturity[guarantees.owner[rows]], 6)


# 17


def _shape_no_resolution(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream, 60, 250)
    loans.security[files] = GUARANTEE


def _plant_no_resolution(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    guarantees = cell.lists["guarantees"]
    rows = cell.rows("guarantees", files)
    rows = rows[guarantees["kind"][rows] == cell.code("guarantees.kind", "company")]
    guarantees["resolution_on"][rows] = NA
    documents = cell.lists["documents"]
    drop = np.zeros(len(documents), dtype=bool)
    papers = cell.rows("documents", files)
    drop[papers] = documents["type"][papers] == cell.code("documents.type", "resolution")
    documents.keep(~drop)


# 18


def _shape_related(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream, 50, 200)
    loans.security[files] = UNSECURED
    loans.related[files] = True


# 19


def _plant_closed(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    lead = cell.get("investigation.lead_id")[files]
    after = np.minimum(40 + stream.below(40, len(files)), cell.as_of - loans.disbursed[files] - 12)
    raised = loans.disbursed[files] + after
    cell.lists["warnings"].add(
        files,
        {
            "signal": SIGNALS.values.to_pylist().index("W17"),
            "level": cell.code("warnings.level", "red"),
            "raised_on": raised,
            "owner_id": lead,
            "closed_on": raised + 5,
            "closed_by": lead,
        },
    )


# 20


def _shape_written_off(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    _company(cell, loans, files, stream)
    dpd = stream.between(520, 640, len(files))
    loans.dpd[files] = dpd
    loans.written_off[files] = True
    _on(cell, loans, files, cell.as_of - dpd - stream.between(200, 300, len(files)))


def _plant_no_review(cell: Cell, loans: Loans, files: Ints, stream: Stream) -> None:
    cell.get("npl.responsibility_reviewed_on")[files] = NA


FAULTS = (
    Fault(
        1,
        "one investigator, new to the post",
        "新员工单人调查",
        ("PRE-21",),
        40,
        _shape_single,
        _plant_single,
    ),
    Fault(
        2,
        "declared revenue about twice the invoiced sales while electricity fell by a third",
        "申报收入约为开票额两倍而用电量下降三成以上",
        ("XV-01", "XV-04"),
        30,
        _shape_turnover,
        _plant_turnover,
    ),
    Fault(
        3,
        "firm and house both held for eight months, house pledged at 92 % of its price",
        "企业成立与房产持有均为八个月，按购入价的92%抵押",
        ("PRE-03", "LTV-01"),
        20,
        _shape_shell,
        _plant_shell,
    ),
    Fault(
        4,
        "triangle of guarantees, one of its firms overdue",
        "三户企业循环担保，其中一户已逾期",
        ("GUA-01", "GUA-02"),
        8,
        _shape_triangle,
        _nothing,
        files=3,
    ),
    Fault(
        5,
        "reviewer and approver are one person",
        "审查人与审批人为同一人",
        ("APR-01",),
        30,
        _company,
        _plant_one_person,
    ),
    Fault(
        6,
        "second loan to a group approved by a level below the group's exposure",
        "集团第二笔贷款由低于合并授信所需层级审批",
        ("AUT-01",),
        20,
        _shape_authority,
        _plant_authority,
        files=2,
        extras=1,
    ),
    Fault(
        7,
        "mortgage registered after disbursement",
        "放款后才办理抵押登记",
        ("LTV-02",),
        40,
        _company,
        _plant_registration,
    ),
    Fault(
        8,
        "payment split between two payees of one owner",
        "化整为零向同一控制人的两个收款人支付",
        ("PAY-08",),
        20,
        _shape_split,
        _plant_split,
    ),
    Fault(
        9,
        "loan money back with the controller through a payee",
        "贷款资金经收款人回流实际控制人",
        ("FND-01",),
        25,
        _shape_return,
        _plant_return,
    ),
    Fault(
        10,
        "loan money to a securities account",
        "贷款资金流入证券账户",
        ("FND-04",),
        30,
        _company,
        _plant_securities,
    ),
    Fault(
        11,
        "first check late, with photos of the investigation",
        "首次贷后检查逾期且沿用贷前影像",
        ("PST-01", "PST-10"),
        50,
        _company,
        _plant_late_check,
    ),
    Fault(12, "post-loan reports alike", "贷后检查报告高度雷同", ("PST-11",), 50, _shape_long, _plant_clones),
    Fault(
        13,
        "97 days past due, graded special mention",
        "逾期97天仍列关注类",
        ("CLS-02",),
        30,
        _shape_arrears,
        _plant_grade,
    ),
    Fault(
        14,
        "rolled over three times without repayment",
        "连续三次周转未还本金",
        ("EVG-02",),
        30,
        _shape_rolled,
        _nothing,
    ),
    Fault(
        15,
        "renewal approved after maturity",
        "续贷审批晚于原贷款到期日",
        ("REN-02",),
        30,
        _shape_renewal,
        _plant_late_renewal,
    ),
    Fault(
        16,
        "general guarantee whose period is about to end",
        "保证合同未约定连带责任且保证期间即将届满",
        ("CTR-02", "CTR-03"),
        40,
        _shape_general,
        _plant_general,
    ),
    Fault(
        17,
        "no resolution of the guarantor company",
        "保证人公司决议未见留痕",
        ("DOC-07",),
        40,
        _shape_no_resolution,
        _plant_no_resolution,
    ),
    Fault(
        18,
        "unsecured loan to a related person",
        "向关系人发放信用贷款",
        ("PRE-08",),
        20,
        _shape_related,
        _nothing,
    ),
    Fault(
        19,
        "red signal closed by its owner without action",
        "红色预警由责任人自行关闭且未见处置留痕",
        ("WRN-02", "WRN-05"),
        40,
        _company,
        _plant_closed,
    ),
    Fault(
        20,
        "write-off without review of responsibility",
        "核销前未见责任认定留痕",
        ("NPL-05",),
        20,
        _shape_written_off,
        _plant_no_review,
    ),
)
#: The smallest book that has a file of every fault and enough clean ones.
SMALLEST = 200


def allot(loans: int, first: int, size: int) -> dict[int, int]:
    """How many cases of each fault fall to the `size` files after the first `first` of a book of `loans`."""
    cases = {}
    for fault in FAULTS:
        total = max(1, (fault.cases * loans + 5_000) // 10_000)
        cases[fault.number] = total * (first + size) // loans - total * first // loans
    return cases


def cast(cell: Cell, loans: Loans, cases: dict[int, int]) -> None:
    """Choose the files of each fault among borrowers with one loan, and give each file the shape it needs."""
    stream = cell.stream("cast")
    single = np.flatnonzero(loans.last & (loans.position == 0))
    free = single[stream.order(len(single))]
    for fault in FAULTS:
        files, free = np.split(free, [cases[fault.number] * fault.files])
        chosen = files.reshape(-1, fault.files)
        cell.cast[fault.number] = chosen[:, : fault.files - fault.extras].reshape(-1)
        cell.extras[fault.number] = chosen[:, fault.files - fault.extras :].reshape(-1)
        loans.group[files] = cell.size + loans.borrower[files]
        if len(files):
            fault.shape(cell, loans, files, cell.stream(f"shape {fault.number}"))
            loans.applied[files] = loans.amount[files]


def plant(cell: Cell, loans: Loans) -> None:
    """Leave the traces, and note which rule should find which file."""
    for fault in FAULTS:
        files = cell.cast[fault.number]
        if len(files):
            fault.plant(cell, loans, files, cell.stream(f"plant {fault.number}"))
        cell.expected[fault.number] = dict.fromkeys(fault.rules, files)
    others = cell.cast[4].reshape(-1, 3)[:, 1:].reshape(-1)
    cell.expected[4]["GUA-02"] = others

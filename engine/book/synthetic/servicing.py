"""After the money is out: repayment, arrears, inspections, signals, classification, disposal, circles."""

from __future__ import annotations

import numpy as np

from sancha.engine.book.synthetic import bank as banks
from sancha.engine.book.synthetic.calendar import add_months, day_of_month, month_of, months_between, year_of
from sancha.engine.book.synthetic.cell import DRAWDOWN_NUMBER, Cell
from sancha.engine.book.synthetic.columns import Column, Hashes, Items, words
from sancha.engine.book.synthetic.draw import NA, Ints, ranges, round_to
from sancha.engine.book.synthetic.evidence import photos
from sancha.engine.book.synthetic.lending import FA, FEN, PB, PC, RATE, RENEWAL, UNSECURED, Loans, circles

TIERS = ("normal", "special_mention", "substandard", "doubtful", "loss")
NORMAL, SPECIAL, SUBSTANDARD, DOUBTFUL, LOSS = range(5)
#: Days past due beyond which a loan is at least of the tier (content sheet 3.4).
BEYOND = np.array([0, 0, 90, 270, 360])

# Prime rate of the year before the spread, in basis points; how the book's loans stand by days past due.
_PRIME = {2020: 385, 2021: 385, 2022: 370, 2023: 350, 2024: 340, 2025: 310, 2026: 305}
_ARREARS = ((1, 30, 30), (31, 90, 22), (91, 270, 20), (271, 360, 8), (361, 1_000, 20))

ACTIONS = words(
    [
        "现场走访企业并核对订单",
        "约谈实际控制人，制定还款计划",
        "冻结未用额度，移送资产保全",
        "追加担保措施并重新评估押品",
        "核对资金流水，要求说明用途",
    ]
)
CLOSINGS = words(["风险因素已消除", "已补充材料并核实", "已结清逾期本息", "转入资产保全管理"])
SIGNALS = words(
    ["W01", "W02", "W03", "W04", "W06", "W08", "W10", "W11", "W12", "W13", "W14", "W17", "W18", "W20"]
)


def state(cell: Cell, loans: Loans) -> None:
    """How each loan stands on the day of the book: repaid, running, in arrears, written off."""
    stream = cell.stream("arrears")
    n = cell.size
    as_of = cell.as_of
    free = ~cell.faulty()
    weak = banks.WEAK[loans.branch]
    odds = np.where(weak, 9_500, 3_600) + np.array([-1_800, -900, 600, 2_600, 5_000])[loans.rating]
    odds += np.where(loans.security == UNSECURED, 1_500, 0)
    bucket = stream.pick([weight for _, _, weight in _ARREARS], n)
    low = np.array([low for low, _, _ in _ARREARS])[bucket]
    high = np.array([high for _, high, _ in _ARREARS])[bucket]
    drawn = stream.between(low, high, n)
    # The first missed payment lies after the first weeks, and not after maturity.
    possible = (as_of - drawn >= loans.disbursed + 45) & (as_of - drawn <= loans.maturity)
    bad = free & loans.last & possible & stream.chance(odds, n)
    loans.dpd = np.where(loans.dpd != NA, loans.dpd, np.where(bad, drawn, 0))
    loans.written_off |= free & (loans.dpd > 480) & stream.chance(60_000, n)
    # A few loans that ran out lately were extended, for no longer than they ran.
    able = free & loans.last & (loans.dpd == 0) & (loans.term <= 12) & (loans.maturity < as_of)
    months = np.minimum(np.array([3, 6])[stream.below(2, n)], loans.term)
    until = add_months(loans.maturity, months)
    extended = able & (until > as_of) & stream.chance(7_000, n)
    loans.original = loans.maturity
    loans.maturity = np.where(extended, until, loans.maturity)
    loans.extension = np.where(extended, months, 0)
    owing = (loans.dpd > 0) | (loans.maturity > as_of)
    loans.live = owing & ~loans.written_off
    loans.missed = np.where(loans.dpd > 0, as_of - loans.dpd, NA)
    written_off_on = np.minimum(as_of - loans.dpd + 91 + stream.between(200, 340, n), as_of - 8)
    loans.ended = np.where(loans.written_off, written_off_on, np.where(owing, as_of, loans.maturity))


def serve(cell: Cell, loans: Loans) -> None:
    _loan(cell, loans)
    _repayments(cell, loans)
    _grade(cell, loans)
    _disposal(cell, loans)
    _warnings(cell, loans)
    _inspections(cell, loans)
    _network(cell, loans)


def _loan(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("loans")
    n = cell.size
    prime = np.array([_PRIME.get(y, 310) for y in range(2015, 2031)])[year_of(loans.signed) - 2015]
    spread = np.array([20, 55, 95, 145, 190])[loans.rating] + stream.between(0, 12, n) * 5
    spread += np.where(np.isin(loans.product, (PB, PC)), 40, 0) + np.where(loans.security == UNSECURED, 90, 0)
    cell.put("loan.amount", loans.amount * FEN)
    cell.put("loan.rate", round_to(prime + spread, 5) * (RATE // 10_000))
    cell.put("loan.days_past_due", loans.dpd)
    cell.put("loan.maturity_on", loans.maturity)
    cell.put("loan.original_maturity_on", loans.original)
    cell.put("loan.original_term_months", loans.term)
    cell.put("loan.extension_months", loans.extension)
    cell.put("loan.rollovers", loans.rollovers)


def _repayments(cell: Cell, loans: Loans) -> None:
    """Interest by the month or quarter; principal at maturity, or in equal parts if the loan runs long."""
    stream = cell.stream("repayments")
    n = cell.size
    as_of = cell.as_of
    monthly = np.isin(loans.product, (PB, PC)) | (loans.dpd > 0)
    every = np.where(monthly, 1, 3)
    on_day = np.where(monthly, 5 + stream.below(21, n), 21)
    late = loans.dpd > 0
    on_day = np.where(late, np.minimum(day_of_month(np.where(late, loans.missed, 0)), 28), on_day)
    start = loans.disbursed
    offset = np.where(every == 3, (2 - (month_of(start) - 1) % 3) % 3, 0)
    count = months_between(start, loans.maturity) // every + 2
    owner, place = ranges(count)
    month = start[owner].astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    month = month + offset[owner] + place * every[owner]
    due = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + on_day[owner] - 1
    inside = (due > start[owner] + 10) & (due < loans.maturity[owner] - 3)
    owner = np.concatenate([owner[inside], np.arange(n)])
    due = np.concatenate([due[inside], loans.maturity])
    # A missed day that the calendar of this loan does not have is a due day of its own.
    own = np.flatnonzero(late)
    have = np.isin(own * 100_000 + loans.missed[own], owner * 100_000 + due)
    owner = np.concatenate([owner, own[~have]])
    due = np.concatenate([due, loans.missed[own[~have]]])
    order = np.lexsort((due, owner))
    owner, due = owner[order], due[order]

    first = np.append(True, owner[1:] != owner[:-1])
    final = np.append(owner[1:] != owner[:-1], True)
    before = np.where(first, start[owner], np.append(0, due[:-1]))
    parts = np.bincount(owner, minlength=n)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
    fen = loans.amount * FEN
    slow = (loans.term > 12) & np.isin(loans.product, (PB, PC, FA))
    portion: Ints = np.where(slow, fen // parts // 100 * 100, 0)
    owed = fen[owner] - portion[owner] * number
    principal = np.where(final, owed, portion[owner])
    rate = cell.get("loan.rate") // (RATE // 10_000)
    interest: Ints = (owed * rate[owner] // 10_000 * (due - before) + 180) // 360
    amount = principal + interest

    seen = due <= as_of
    unpaid = late[owner] & (due >= np.where(late, loans.missed, 0)[owner])
    lag = np.where(
        stream.chance(4_000, len(owner)), 1 + stream.below(4, len(owner)), -stream.below(3, len(owner))
    )
    paid = seen & ~unpaid
    repaid = np.zeros(n, dtype=np.int64)
    np.add.at(repaid, owner[paid], principal[paid])
    cell.put("loan.balance", np.where(loans.written_off, 0, fen - repaid))
    cell.lists["repayments"] = Items(
        owner[seen],
        {
            "due_on": Column(due[seen]),
            "due_amount": Column(amount[seen]),
            "paid_on": Column(np.where(paid, np.minimum(due + lag, as_of), NA)[seen]),
            "paid_amount": Column(np.where(paid, amount, NA)[seen]),
        },
    )


def _grade(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("grades")
    n = cell.size
    tier = (loans.dpd[:, None] > BEYOND[1:]).sum(axis=1)
    watched = (loans.dpd == 0) & loans.live & stream.chance(2_000, n) & ~cell.faulty()
    watched |= (cell.get("loan.extension_months") > 0) & (loans.dpd == 0)
    tier = np.where(watched & (loans.issue != RENEWAL), SPECIAL, tier)
    cell.put("loan.grade", cell.codes("loan.grade", *TIERS)[tier])
    last = np.where(loans.live, cell.as_of - stream.between(4, 40, n), loans.ended - stream.between(0, 25, n))
    cell.put("loan.classified_on", np.maximum(last, loans.disbursed))


def _disposal(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("disposal")
    n = cell.size
    as_of = cell.as_of
    bad = loans.dpd > 90
    entered = np.where(bad, loans.missed + 91, NA)
    plan = entered + stream.between(5, 28, n)
    plan = np.where(bad & (plan <= as_of), plan, NA)
    route = cell.codes("npl.route", "collection", "restructuring", "transfer", "write_off")
    chosen = np.where(loans.written_off, 3, stream.pick((64, 21, 15), n))
    off = np.where(loans.written_off, loans.ended, NA)
    cell.put("npl.entered_on", entered)
    cell.put("npl.plan_on", plan)
    cell.put("npl.route", np.where(plan != NA, route[chosen], NA))
    cell.put("npl.written_off_on", off)
    reviewed = np.where(loans.written_off, np.maximum(off - stream.between(10, 90, n), entered + 30), NA)
    cell.put("npl.responsibility_reviewed_on", reviewed)


def _warnings(cell: Cell, loans: Loans) -> None:
    """Signals of arrears, and a few of business; each is answered in time and closed by a second person."""
    stream = cell.stream("warnings")
    n = cell.size
    as_of = cell.as_of
    late, later = loans.dpd > 0, loans.dpd > 30
    shown = np.minimum(loans.ended, as_of)
    span = np.maximum(shown - loans.disbursed - 25, 1)
    soft = (shown - loans.disbursed > 60) & stream.chance(np.where(banks.WEAK[loans.branch], 9_000, 5_500), n)
    soft &= ~cell.of(19)
    kind = 2 + stream.below(12, n)
    level = np.where(stream.chance(30_000, n), 1, 2)
    parts = [
        (late, np.zeros(n, dtype=np.int64), np.full(n, 1), np.where(late, loans.missed + 1, 0)),
        (later, np.ones(n, dtype=np.int64), np.full(n, 0), np.where(later, loans.missed + 31, 0)),
        (soft, kind, level, loans.disbursed + 25 + stream.below(span, n)),
    ]
    owner = np.concatenate([np.flatnonzero(who) for who, *_ in parts])
    signal, tier, raised = (np.concatenate([part[place][part[0]] for part in parts]) for place in (1, 2, 3))
    size = len(owner)
    raised = np.minimum(raised, as_of)
    # Within 1, 3 and 10 calendar days, which are never more than so many working days.
    answer = np.where(
        tier == 0, stream.below(2, size), np.where(tier == 1, stream.below(4, size), stream.below(9, size))
    )
    acted = np.minimum(raised + answer, as_of)
    closed = acted + stream.between(10, 60, size)
    open_ = (closed > as_of) | ((signal < 2) & stream.chance(35_000, size))
    postloan = cell.bank.postloan[loans.branch[owner]]
    manager = cell.get("investigation.lead_id")[owner]
    cell.lists["warnings"] = Items(
        owner,
        {
            "signal": Column(signal, SIGNALS),
            "level": Column(cell.codes("warnings.level", "red", "orange", "yellow")[tier]),
            "raised_on": Column(raised),
            "owner_id": Column(manager, cell.bank.ids),
            "acted_on": Column(acted),
            "action": Column(np.where(tier == 0, 2, stream.below(5, size)), ACTIONS),
            "closed_on": Column(np.where(open_, NA, closed)),
            "closed_by": Column(np.where(open_, NA, postloan), cell.bank.ids),
            "close_reason": Column(
                np.where(open_, NA, np.where(signal < 2, 3, stream.below(2, size))), CLOSINGS
            ),
        },
    )


def _inspections(cell: Cell, loans: Loans) -> None:
    """First checks of each drawdown, routine and full ones in turn, repayment funds before maturity."""
    stream = cell.stream("inspections")
    as_of = cell.as_of
    calendar = cell.calendar
    drawdowns = cell.lists["disbursements"]
    types = cell.codes("inspections.type", "first", "routine", "full", "repayment_funds", "special")
    size = len(drawdowns)
    start = loans.disbursed
    parts: list[tuple[Ints, Ints, Ints, Ints]] = []  # file, type, due, done

    due = drawdowns["date"] + 15
    done = calendar.previous(drawdowns["date"] + 4 + stream.below(12, size))
    parts.append((drawdowns.owner, np.full(size, 0), due, np.maximum(done, drawdowns["date"])))

    grade = cell.get("loan.grade")
    watched = grade != cell.code("loan.grade", "normal")
    interval = np.array([150, 80, 50, 26, 26])[loans.rating]
    interval = np.where((loans.term <= 6) | watched, 26, interval)
    life = np.maximum(loans.ended - start, 0)
    owner, place = ranges(life // interval)
    due = start[owner] + (place + 1) * interval[owner]
    parts.append((owner, np.full(len(owner), 1), due, due - stream.below(5, len(owner))))
    owner, place = ranges(life // 330)
    due = start[owner] + (place + 1) * 330
    parts.append((owner, np.full(len(owner), 2), due, due - stream.below(20, len(owner))))
    for days in (30, 10):
        due = loans.maturity - days
        owner = np.flatnonzero((due <= as_of) & (due > start + 20))
        parts.append((owner, np.full(len(owner), 3), due[owner], due[owner] - stream.below(4, len(owner))))
    # Whatever is in arrears is looked at within the week, red signals or not.
    owner = np.flatnonzero(loans.live & (watched | (loans.dpd > 0)) & (as_of - start > 15))
    done = as_of - stream.below(6, len(owner))
    parts.append((owner, np.full(len(owner), 4), done, done))

    owner, kind, due, done = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    done = np.where(kind > 0, calendar.weekday(done), done)
    seen = done <= as_of
    owner, kind, due, done = owner[seen], kind[seen], due[seen], done[seen]
    order = np.lexsort((done, owner))
    owner, kind, due, done = owner[order], kind[order], due[order], done[order]
    size = len(owner)
    first_no = (cell.first + loans.number[owner]) * 100 + 1
    number = first_no + _drawdown(kind, owner)
    lead = cell.get("investigation.lead_id")[owner]
    partner = cell.bank.postloan[loans.branch[owner]]
    bad = grade[owner] != cell.code("loan.grade", "normal")
    similarity = stream.spread(((0, 4), (250, 26), (500, 44), (800, 64), (960, 79), (1000, 88)), size)
    conclusion = np.where(
        bad & (kind == 4), 2, np.where(stream.chance(np.where(bad, 40_000, 6_000), size), 1, 0)
    )
    cell.lists["inspections"] = Items(
        owner,
        {
            "loan_no": Column(number, DRAWDOWN_NUMBER),
            "type": Column(types[kind]),
            "due_on": Column(due),
            "done_on": Column(done),
            "staff": Column(np.stack([lead, partner], axis=1), cell.bank.ids),
            "on_site": Column(np.ones(size, dtype=np.int64)),
            "photos": Column(photos(cell, "inspection photos", size, 3, 2), Hashes()),
            "similarity": Column(similarity * (RATE // 100)),
            "conclusion": Column(
                cell.codes("inspections.conclusion", "normal", "attention", "risk")[conclusion]
            ),
        },
    )


def _drawdown(kind: Ints, owner: Ints) -> Ints:
    """Which drawdown of its file a first check is for, from 0; other checks are for the first."""
    first = kind == 0
    place = np.cumsum(first) - 1
    begin = np.searchsorted(owner, owner)
    return np.where(first, place - (np.cumsum(first) - first)[begin], 0)


def _network(cell: Cell, loans: Loans) -> None:
    size, label = circles(loans)
    overdue = np.zeros(len(loans.guaranteed), dtype=np.int64)
    overdue[loans.borrower[loans.dpd > 0]] = 1
    first = np.flatnonzero(loans.position == 0)
    in_arrears = np.bincount(label[first], weights=overdue, minlength=len(overdue)).astype(np.int64)
    together = np.zeros(len(overdue), dtype=np.int64)
    np.add.at(together, label[loans.live], loans.amount[loans.live])
    cell.put("network.circle_size", size)
    cell.put("network.circle_exposure", np.where(size > 1, together[label], loans.amount) * FEN)
    cell.put(
        "network.circle_overdue_members", np.where(size > 1, in_arrears[label] - overdue[loans.borrower], 0)
    )

"""From the application to the money: who borrows what, on what security, and who decides when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sancha.engine.book.synthetic import bank as banks
from sancha.engine.book.synthetic import industries
from sancha.engine.book.synthetic.calendar import add_months
from sancha.engine.book.synthetic.cell import Cell, missing
from sancha.engine.book.synthetic.draw import NA, Ints, Mask, round_to

FEN = 100
RATE = 10**8
SECOND = 10**6
WAN = 10_000

PRODUCTS = ("working_capital", "personal_business", "fixed_asset", "personal_consumption")
WC, PB, FA, PC = range(4)
COMPANY, SOLE_TRADER, INDIVIDUAL, OTHER = range(4)
KINDS = ("company", "sole_trader", "individual_owner", "other_org")
SECURITIES = (
    "real_estate",
    "deposit_pledge",
    "other_collateral",
    "guarantee_company",
    "guarantee",
    "unsecured",
)
REAL_ESTATE, DEPOSIT, OTHER_COLLATERAL, GUARANTEE_COMPANY, GUARANTEE, UNSECURED = range(6)
ISSUES = ("new", "renewal_no_principal", "new_for_old", "transferred_in")
NEW, RENEWAL, NEW_FOR_OLD, TRANSFERRED = range(4)
GRADES = ("A1", "A2", "B1", "B2", "C")

# Amounts in yuan by their quantiles (per mille), for each product.
_AMOUNTS = (
    (
        (0, 100_000),
        (50, 250_000),
        (100, 400_000),
        (250, 800_000),
        (500, 1_600_000),
        (750, 3_200_000),
        (900, 6_000_000),
        (950, 9_000_000),
        (990, 16_000_000),
        (997, 22_000_000),
        (1000, 30_000_000),
    ),
    (
        (0, 50_000),
        (50, 100_000),
        (250, 300_000),
        (500, 650_000),
        (750, 1_300_000),
        (900, 2_600_000),
        (970, 4_500_000),
        (1000, 8_000_000),
    ),
    ((0, 500_000), (100, 1_200_000), (500, 4_000_000), (900, 12_000_000), (1000, 30_000_000)),
    ((0, 30_000), (250, 100_000), (500, 200_000), (750, 350_000), (1000, 800_000)),
)
_TERMS = (
    ((6, 8), (12, 70), (24, 11), (36, 9), (48, 2)),
    ((12, 45), (24, 15), (36, 30), (60, 10)),
    ((36, 35), (48, 15), (60, 35), (84, 10), (96, 5)),
    ((12, 20), (24, 25), (36, 40), (60, 15)),
)
_SECURITY = (
    (52, 3, 8, 10, 20, 7),
    (55, 2, 2, 6, 17, 18),
    (75, 0, 15, 10, 0, 0),
    (30, 0, 0, 0, 0, 70),
)
PURPOSES = (
    (("raw_materials", 45), ("stock", 35), ("wages", 8), ("rent", 4), ("other", 8)),
    (("raw_materials", 20), ("stock", 45), ("wages", 6), ("rent", 12), ("equipment", 9), ("other", 8)),
    (("equipment", 62), ("plant", 38)),
    (("consumption", 100),),
)
# Top of what each level may approve alone, in yuan of group exposure, by security (content sheet 2.2).
_AUTHORITY = WAN * np.array(
    [
        [500, 1000, 2000, 3000],
        [1000, 2000, 5000, 10_000],
        [200, 500, 1000, 2000],
        [200, 500, 1000, 2000],
        [100, 300, 500, 1000],
        [30, 100, 300, 500],
    ]
)


@dataclass
class Loans:
    """What lending has fixed of each file, beyond the facts. Days are since 1970; NA where there is none."""

    borrower: Ints  # place of the borrower in the cell
    position: Ints  # 0, 1, … in the borrower's chain of loans
    previous: Ints  # the file that this one follows, or -1
    last: Mask  # the borrower's last loan
    branch: Ints
    product: Ints
    kind: Ints
    industry: Ints
    amount: Ints  # approved, yuan
    applied: Ints
    term: Ints
    security: Ints
    issue: Ints
    rating: Ints
    is_new: Mask
    rollovers: Ints
    group: Ints  # customer group
    manager: Ints  # lead investigator, place in the staff
    related: Mask
    single: Mask
    remote: Mask
    # What a fault fixes in advance: bounds of the day of application, day of disbursement, days past due.
    earliest: Ints
    latest: Ints
    paid_out_on: Ints
    dpd: Ints
    # Filled by the timeline.
    received: Ints
    queried: Ints
    visit: Ints
    second_visit: Ints
    report: Ints
    rated: Ints
    review_in: Ints
    review_out: Ints
    decided: Ints
    signed: Ints
    registered: Ints
    disbursed: Ints
    maturity: Ints
    original: Ints  # the maturity before any extension
    extension: Ints  # months
    number: Ints  # place in the order of the book, from 0
    ended: Ints  # the day of the last repayment or of the write-off, or of the book while money is owed
    missed: Ints  # the first due day that was not paid
    live: Mask  # the book has a balance
    written_off: Mask
    level: Ints
    # The guarantor among the borrowers of the cell, or -1; and the facts of each borrower as a guarantor.
    guarantor: Ints
    guaranteed: Ints  # by borrower: how many borrowers it guarantees
    guaranteed_amount: Ints  # by borrower: yuan it guarantees


def borrowers(cell: Cell) -> Loans:
    """Chains of loans: most borrowers have one, some come back two or three times."""
    stream = cell.stream("chains")
    n = cell.size
    length = 1 + stream.pick((62, 24, 10, 4), n)
    count = int(np.searchsorted(np.cumsum(length), n)) + 1
    length = length[:count]
    length[-1] -= length.sum() - n
    borrower = np.repeat(np.arange(count), length)
    begin = np.cumsum(length) - length
    position = np.arange(n) - begin[borrower]
    chained = length[borrower] > 1

    of_one = np.where(length > 1, stream.pick((62, 38), count), stream.pick((50, 29, 11, 10), count))
    product = of_one[borrower]
    kind_of = np.select(
        [of_one == WC, of_one == PB, of_one == FA],
        [
            np.array([COMPANY, OTHER])[stream.pick((97, 3), count)],
            np.array([INDIVIDUAL, SOLE_TRADER])[stream.pick((70, 30), count)],
            np.full(count, COMPANY),
        ],
        INDIVIDUAL,
    )
    kind = kind_of[borrower]
    firm = stream.pick([i.firm for i in industries.INDUSTRIES], count)
    person = stream.pick([i.person for i in industries.INDUSTRIES], count)
    industry = np.where(np.isin(kind_of, (COMPANY, OTHER)), firm, person)[borrower]

    amount = np.zeros(n, dtype=np.int64)
    term = np.zeros(n, dtype=np.int64)
    security = np.zeros(n, dtype=np.int64)
    for code in range(4):
        rows = product == code
        size = int(rows.sum())
        amount[rows] = stream.spread(_AMOUNTS[code], size)
        months, weights = zip(*_TERMS[code], strict=True)
        term[rows] = np.array(months)[stream.pick(weights, size)]
        security[rows] = stream.pick(_SECURITY[code], size)
    # A borrower who comes back asks for about the same as before, on the same security.
    change = np.array([80, 100, 100, 100, 120, 140])[stream.below(6, n)]
    amount = np.where(chained, amount[begin[borrower]] * np.where(position > 0, change, 100) // 100, amount)
    security = security[begin[borrower]]
    short = np.array([6, 12])[
        np.where(length[borrower] > 2, stream.pick((40, 60), n), stream.pick((15, 85), n))
    ]
    term = np.where(chained, short, term)
    renewed = (position > 0) & stream.chance(55_000, n)
    # Two renewals are the most that policy allows; the third is a fault.
    fourth = np.flatnonzero(position == 3)
    renewed[fourth[renewed[fourth - 1] & renewed[fourth - 2]]] = False
    rollovers = np.zeros(n, dtype=np.int64)
    for place in range(1, 4):
        rows = np.flatnonzero((position == place) & renewed)
        amount[rows] = amount[rows - 1]
        rollovers[rows] = rollovers[rows - 1] + 1
    outside = (length[borrower] == 1) & np.isin(product, (WC, PB)) & stream.chance(9_000, n)
    issue = np.where(renewed, RENEWAL, NEW)
    issue[outside] = np.array([RENEWAL, NEW_FOR_OLD, TRANSFERRED])[
        stream.pick((75, 20, 5), int(outside.sum()))
    ]
    rollovers[outside & (issue == RENEWAL)] = 1

    branch_of = stream.pick([share for _, share, _ in banks.BRANCHES], count)
    weak = banks.WEAK[branch_of[borrower]]
    rating = np.where(weak, stream.pick((6, 30, 36, 21, 7), n), stream.pick((13, 42, 30, 12, 3), n))
    crew = cell.bank.managers_count[branch_of]
    manager_of = cell.bank.managers[branch_of, stream.below(crew, count)]
    manager = manager_of[borrower]
    newcomer = stream.chance(6_000, n)
    return Loans(
        borrower=borrower,
        position=position,
        previous=np.where(position > 0, np.arange(n) - 1, -1),
        last=position == length[borrower] - 1,
        branch=branch_of[borrower],
        product=product,
        kind=kind,
        industry=industry,
        amount=amount,
        applied=amount.copy(),
        term=term,
        security=security,
        issue=issue,
        rating=rating,
        is_new=(position == 0) & (issue == NEW) & stream.chance(np.where(chained, 70_000, 45_000), n),
        rollovers=rollovers,
        group=_groups(cell, count)[borrower],
        manager=np.where(newcomer, _newcomer(cell, branch_of[borrower], manager), manager),
        related=stream.chance(500, count)[borrower],
        single=np.zeros(n, dtype=bool),
        remote=np.zeros(n, dtype=bool),
        live=np.zeros(n, dtype=bool),
        written_off=np.zeros(n, dtype=bool),
        earliest=missing(n),
        latest=missing(n),
        paid_out_on=missing(n),
        dpd=missing(n),
        guarantor=np.full(n, -1),
        guaranteed=np.zeros(count, dtype=np.int64),
        guaranteed_amount=np.zeros(count, dtype=np.int64),
        **{
            name: missing(n)
            for name in (
                "received",
                "queried",
                "visit",
                "second_visit",
                "report",
                "rated",
                "review_in",
                "review_out",
                "decided",
                "signed",
                "registered",
                "disbursed",
                "maturity",
                "original",
                "extension",
                "number",
                "level",
                "ended",
                "missed",
            )
        },
    )


def _groups(cell: Cell, count: int) -> Ints:
    """Customer groups: 15 in 100 borrowers share theirs with one or two others."""
    stream = cell.stream("groups")
    group = np.arange(count)
    order = stream.order(count)
    size = 2 + stream.below(2, count)
    place = 0
    while place < count * 15 // 100:
        members = order[place : place + size[place]]
        group[members] = members[0]
        place += int(size[place])
    return group


def _newcomer(cell: Cell, branch: Ints, otherwise: Ints) -> Ints:
    """A new account manager of the branch, where it has one."""
    found = otherwise.copy()
    for person, home in zip(cell.bank.newcomers, cell.bank.newcomers_branch, strict=True):
        found[branch == home] = person
    return found


def settle(cell: Cell, loans: Loans) -> None:
    """Make the parts of each file fit together, after the faults have had their say on some of them."""
    stream = cell.stream("settle")
    n = cell.size
    free = ~cell.faulty()
    unsecured_top = np.array([3_000_000, 1_000_000, 0, 300_000])[loans.product]
    too_big = (loans.security == UNSECURED) & (loans.amount > unsecured_top)
    too_big |= (loans.security == GUARANTEE) & (loans.amount > 8_000_000)
    loans.security[too_big & free] = REAL_ESTATE
    loans.related &= free | (loans.security == UNSECURED)
    loans.security[loans.related & free & (loans.security == UNSECURED)] = REAL_ESTATE
    step = np.select([loans.amount < 1_000_000, loans.amount < 5_000_000], [10_000, 100_000], 500_000)
    loans.amount = np.where(free, round_to(loans.amount, step), loans.amount)
    renewed = np.flatnonzero((loans.previous >= 0) & (loans.issue == RENEWAL))
    for _ in range(3):
        loans.amount[renewed] = loans.amount[renewed - 1]
    more = stream.chance(12_000, n) & free & (loans.issue == NEW) & (loans.amount >= 1_000_000)
    loans.applied = np.where(more, round_to(loans.amount * 6 // 5, step), loans.amount)


def timeline(cell: Cell, loans: Loans) -> None:
    """The days of the process, in order, all working days; a renewal is paid out as the old loan matures."""
    stream = cell.stream("timeline")
    n = cell.size
    calendar = cell.calendar
    to_visit = stream.between(1, 5, n)
    again = stream.chance(45_000, n) & (loans.product != PC)
    to_second = np.where(again, stream.between(1, 3, n), 0)
    to_report = stream.between(1, 3, n)
    to_review = stream.between(0, 1, n)
    reviewing = np.array([0, 0, 1, 1, 2])[stream.below(5, n)]
    to_decision = stream.between(0, 2, n) + np.where(loans.amount > 5_000_000, stream.between(1, 4, n), 0)
    to_signing = stream.between(1, 6, n)
    to_registry = stream.between(1, 3, n)
    to_money = stream.between(0, 2, n)
    process = (
        to_visit + to_second + to_report + to_review + reviewing + to_decision + to_signing + to_registry
    )
    # Each step may wait for a weekend, and one for a long holiday.
    process = process + to_money + 27

    gap = stream.between(-15, 20, n)
    after = np.zeros(n, dtype=np.int64)
    for place in range(2, -1, -1):
        rows = np.flatnonzero((loans.position == place) & ~loans.last)
        renewed = loans.issue[rows + 1] == RENEWAL
        repeat = 31 * loans.term[rows] + process[rows + 1] + 20
        after[rows] = after[rows + 1] + np.where(renewed, 31 * loans.term[rows] + 5, repeat)
    latest = cell.as_of - np.where(loans.last, process - 13, process) - after
    earliest = np.maximum(np.where(loans.earliest == NA, calendar.start, loans.earliest), calendar.start)
    latest = np.where(loans.latest == NA, latest, np.minimum(latest, loans.latest))
    drawn = calendar.arrivals(stream, np.minimum(earliest, latest), latest)

    def run(rows: Ints, received: Ints, paid_out: Ints) -> None:
        """The process of some files from the day of application; paid out on the day given, where one is."""
        received = calendar.near(received)
        visit = calendar.next(received + to_visit[rows])
        second = calendar.next(visit + to_second[rows])
        report = calendar.next(second + to_report[rows])
        review_in = calendar.next(report + to_review[rows])
        review_out = calendar.next(review_in + reviewing[rows])
        decided = calendar.next(review_out + to_decision[rows])
        signed = calendar.next(decided + to_signing[rows])
        registered = calendar.next(signed + to_registry[rows])
        disbursed = np.maximum(calendar.next(registered + to_money[rows]), paid_out)
        loans.received[rows] = received
        loans.queried[rows] = np.maximum(received, decided - 25)
        loans.visit[rows] = visit
        loans.second_visit[rows] = np.where(to_second[rows] > 0, second, NA)
        loans.report[rows] = report
        loans.rated[rows] = np.minimum(report + 1, review_in)
        loans.review_in[rows] = review_in
        loans.review_out[rows] = review_out
        loans.decided[rows] = decided
        loans.signed[rows] = signed
        loans.registered[rows] = registered
        loans.disbursed[rows] = disbursed
        loans.maturity[rows] = add_months(disbursed, loans.term[rows]) - 1

    for place in range(4):
        rows = np.flatnonzero(loans.position == place)
        if place == 0:
            paid_out = loans.paid_out_on[rows]
            forced = np.maximum(paid_out, calendar.start) - process[rows]
            run(rows, np.where(paid_out == NA, drawn[rows], forced), paid_out)
            # What would be paid out after the day of the book is moved three weeks back.
            late = rows[loans.disbursed[rows] > cell.as_of]
            run(late, loans.received[late] - 21, loans.paid_out_on[late])
        else:
            matured = loans.maturity[rows - 1]
            renewal = loans.issue[rows] == RENEWAL
            paid_out = np.where(renewal, calendar.previous(matured - 1), NA)
            run(rows, np.where(renewal, paid_out - process[rows], matured + gap[rows]), paid_out)
    loans.number[np.lexsort((np.arange(n), loans.received))] = np.arange(n)


def group_exposure(loans: Loans) -> Ints:
    """Yuan approved to the customer group that are live when each file is decided, this file included.

    The loan that a file renews is repaid by it, and does not count.
    """
    order = np.lexsort((loans.decided, loans.group))
    total = loans.amount.copy()
    for lag in range(1, len(order)):
        later, earlier = order[lag:], order[:-lag]
        together = loans.group[later] == loans.group[earlier]
        if not together.any():
            break
        later, earlier = later[together], earlier[together]
        live = loans.maturity[earlier] >= loans.decided[later]
        live &= (loans.previous[later] != earlier) | (loans.issue[later] != RENEWAL)
        np.add.at(total, later[live], loans.amount[earlier[live]])
    return total


def approve(cell: Cell, loans: Loans) -> Ints:
    """The level that decides, by the authority matrix and its modifiers; returns the exposure in yuan."""
    stream = cell.stream("approval")
    exposure = group_exposure(loans)
    level = 1 + (exposure[:, None] > _AUTHORITY[loans.security]).sum(axis=1)
    level += loans.term > 36
    level += (loans.security == UNSECURED) & loans.is_new
    level += loans.rating >= GRADES.index("B1")
    restricted = np.array([i.restriction == "hq_only" for i in industries.INDUSTRIES])[loans.industry]
    level = np.where(restricted, np.maximum(level, 4), level)
    circle = circles(loans)[0] >= 2
    exception = stream.chance(700, cell.size) & ~cell.faulty()
    level = np.minimum(level + circle + exception, 5)
    above = stream.chance(6_000, cell.size) & ~cell.faulty()
    loans.level = np.where(loans.related, 5, np.minimum(level + above, 5))
    cell.put("approval.hard_rule_exception", exception)
    return exposure


def guarantors(cell: Cell, loans: Loans) -> None:
    """Which borrower stands surety for which: firms for firms, in a circle only where a fault asks for it."""
    stream = cell.stream("guarantors")
    count = len(loans.guaranteed)
    firm = np.zeros(count, dtype=bool)
    firm[loans.borrower] = loans.kind == COMPANY
    clean = np.ones(count, dtype=bool)
    clean[loans.borrower[cell.faulty()]] = False
    pool = stream.order(count)
    pool = pool[(firm & clean)[pool]]
    rank = np.full(count, len(pool))
    rank[pool] = np.arange(len(pool))
    # A guarantor comes later in the random order than the firm it guarantees: so no circle can close.
    ahead = rank[loans.borrower] + 1 + stream.below(40, cell.size)
    asked = (loans.position == 0) & (loans.kind == COMPANY) & ~cell.faulty() & (ahead < len(pool))
    asked &= np.where(
        loans.security == GUARANTEE, stream.chance(45_000, cell.size), stream.chance(4_000, cell.size)
    )
    loans.guarantor[asked] = pool[ahead[asked]]
    # The later loans of a chain keep the guarantor of the first.
    begin = np.flatnonzero(loans.position == 0)
    loans.guarantor = loans.guarantor[begin][np.searchsorted(begin, np.arange(cell.size), side="right") - 1]
    for triangle in cell.cast[4].reshape(-1, 3):
        loans.guarantor[triangle] = loans.borrower[np.roll(triangle, 1)]
    given = loans.guarantor >= 0
    edges = np.unique(np.stack([loans.guarantor[given], loans.borrower[given]]), axis=1)
    loans.guaranteed = np.bincount(edges[0], minlength=count)
    highest = np.zeros(count, dtype=np.int64)
    np.maximum.at(highest, loans.borrower, loans.amount)
    loans.guaranteed_amount = np.zeros(count, dtype=np.int64)
    np.add.at(loans.guaranteed_amount, edges[0], highest[edges[1]])


def circles(loans: Loans) -> tuple[Ints, Ints]:
    """Circles of mutual guarantees: by file, the number of firms in its circle (1: none) and its number.

    They are the strongly connected components of the graph guarantor -> borrower.
    """
    given = loans.guarantor >= 0
    count = len(loans.guaranteed)
    edges = (np.ones(int(given.sum()), dtype=np.int8), (loans.guarantor[given], loans.borrower[given]))
    _, label = connected_components(
        coo_array(edges, shape=(count, count)), directed=True, connection="strong"
    )
    label = label.astype(np.int64)
    return np.bincount(label)[label[loans.borrower]], label[loans.borrower]

"""The lists of the dossier and of the money: visits, papers, security, conditions, drawdowns, flows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sancha.engine.book.synthetic import industries, names
from sancha.engine.book.synthetic.calendar import add_months, day_of_month
from sancha.engine.book.synthetic.cell import DRAWDOWN_NUMBER, Cell, missing
from sancha.engine.book.synthetic.columns import Column, Hashes, Items, Template, Words, words
from sancha.engine.book.synthetic.draw import NA, Ints, Mask, ranges, round_to
from sancha.engine.book.synthetic.lending import (
    COMPANY,
    DEPOSIT,
    FA,
    FEN,
    GUARANTEE,
    GUARANTEE_COMPANY,
    INDIVIDUAL,
    OTHER,
    OTHER_COLLATERAL,
    PB,
    PC,
    REAL_ESTATE,
    RENEWAL,
    UNSECURED,
    WC,
    Loans,
)

#: Loan to value by kind, per cent (content sheet 2.7), in the order of our kinds of collateral.
KINDS = (
    "residential",
    "commercial",
    "plant",
    "land_use_right",
    "own_deposit",
    "bank_acceptance",
    "equipment",
    "vehicle",
    "receivables",
    "stock",
    "ip",
)
CAPS: Ints = np.array([70, 50, 40, 50, 90, 90, 30, 35, 70, 50, 30])
PROPERTY = 4  # the kinds before this place are land and buildings
#: What a piece of each kind is worth at least, in yuan.
LEAST: Ints = 10_000 * np.array([60, 50, 200, 120, 0, 0, 0, 5, 0, 0, 0])
_BY_SECURITY = {
    REAL_ESTATE: (50, 24, 20, 6, 0, 0, 0, 0, 0, 0, 0),
    DEPOSIT: (0, 0, 0, 0, 60, 40, 0, 0, 0, 0, 0),
    OTHER_COLLATERAL: (0, 0, 0, 0, 0, 0, 38, 10, 34, 14, 4),
}
_CONDITIONS = words(
    [
        "抵押登记办妥后放款",
        "抵押物投保且本行为第一受益人",
        "保证合同签署并核验决议",
        "结算账户开立于本行",
        "提供购销合同及发票",
        "追加实际控制人连带责任保证",
        "代发工资在本行办理",
    ]
)
_WITNESSES = words(["财务负责人", "生产负责人", "仓库主管", "店长"])
_SHOPS = pa.array(["汽车销售", "家居装饰", "家电", "教育培训", "旅游服务", "口腔医疗"])
# Net assets of the six guarantee companies that the bank works with, in yuan.
_INSURERS = 1_000_000 * np.array([310, 380, 450, 520, 640, 900])


def gather(cell: Cell, loans: Loans) -> None:
    _visits(cell, loans)
    _documents(cell, loans)
    _queries(cell, loans)
    _collateral(cell, loans)
    _guarantees(cell, loans)
    _conditions(cell, loans)
    _drawdowns(cell, loans)
    _payments(cell, loans)
    _transactions(cell, loans)


def photos(cell: Cell, chapter: str, rows: int, most: int, least: int) -> Ints:
    """Hashes of photos, `least` to `most` a row."""
    stream = cell.stream(chapter)
    hashes = stream.hashes(rows * most).reshape(rows, most)
    count = stream.between(least, most, rows)
    return np.where(np.arange(most) < count[:, None], hashes, NA)


def _visits(cell: Cell, loans: Loans) -> None:
    files = np.arange(cell.size)
    again = np.flatnonzero((loans.second_visit != NA) & ~loans.remote)
    there = files[~loans.remote]
    owner = np.concatenate([there, again])
    lead = cell.get("investigation.lead_id")[owner]
    second = cell.get("investigation.second_id")[owner]
    size = len(owner)
    stream = cell.stream("visits")
    controller = cell.facts["borrower.controller"]
    assert isinstance(controller.text, Words)
    people = pa.concat_arrays([controller.text.values, _WITNESSES.values])
    late = np.arange(size) >= len(there)
    witness = len(controller.text.values) + stream.below(4, size)
    met = np.where(late, witness, controller.values[owner])
    cell.lists["visits"] = Items(
        owner,
        {
            "date": Column(np.where(late, loans.second_visit[owner], loans.visit[owner])),
            "staff": Column(np.stack([lead, second], axis=1), cell.bank.ids),
            "on_site": Column(np.ones(size, dtype=np.int64)),
            "person_met": Column(met, Words(people)),
            "photos": Column(photos(cell, "visit photos", size, 4, 2), Hashes()),
        },
    )


def _documents(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("documents")
    n = cell.size
    firm = np.isin(loans.kind, (COMPANY, OTHER))
    business = loans.product != PC
    secured = np.isin(loans.security, (REAL_ESTATE, OTHER_COLLATERAL))
    guaranteed = np.isin(loans.security, (GUARANTEE, GUARANTEE_COMPANY))
    month_end = loans.received - day_of_month(loans.received)
    everyone = np.ones(n, dtype=bool)
    old = stream.between(200, 2_000, n)
    far = loans.received + stream.between(1_500, 6_000, n)
    none = missing(n)
    early = loans.received + stream.below(3, n)
    early = np.minimum(early, loans.report)
    # type, who has it, received, dated, valid until
    papers: list[tuple[str, Mask, Ints, Ints, Ints]] = [
        ("business_licence", business, loans.received, loans.received - old, far),
        ("owner_id", everyone, loans.received, loans.received - old - 300, far),
        ("articles", firm, loans.received, loans.received - old, none),
        ("financial_statement", business, early, month_end, none),
        ("bank_statements", business, early, month_end, none),
        ("tax_returns", business, early, month_end - 16, none),
        ("purpose_evidence", loans.issue != RENEWAL, early, loans.received - stream.below(12, n), none),
        ("credit_report", everyone, loans.queried, loans.queried, none),
        ("collateral_title", secured, early, loans.received - old - 500, none),
        ("appraisal", loans.security == REAL_ESTATE, loans.report, loans.report - 1, loans.report + 365),
        ("site_photos", business & ~loans.remote, loans.report, loans.visit, none),
        ("resolution", firm & (secured | guaranteed), loans.decided, loans.decided, none),
        ("spouse_consent", loans.security == REAL_ESTATE, loans.decided, loans.decided, none),
    ]
    owner = np.concatenate([np.flatnonzero(has) for _, has, *_ in papers])
    kind = np.concatenate([np.full(int(has.sum()), cell.code("documents.type", t)) for t, has, *_ in papers])
    received, dated, until = (
        np.concatenate([columns[place][columns[1]] for columns in papers]) for place in (2, 3, 4)
    )
    cell.lists["documents"] = Items(
        owner,
        {
            "type": Column(kind),
            "received_on": Column(received),
            "dated": Column(dated),
            "valid_until": Column(until),
            "original_seen": Column(stream.chance(97_000, len(owner)).astype(np.int64)),
        },
    )


def _queries(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("queries")
    n = cell.size
    subjects = [
        ("firm", loans.kind != INDIVIDUAL),
        ("controller", np.ones(n, dtype=bool)),
        ("spouse", stream.chance(62_000, n)),
        ("guarantor", np.isin(loans.security, (GUARANTEE, GUARANTEE_COMPANY))),
    ]
    owner = np.concatenate([np.flatnonzero(has) for _, has in subjects])
    subject = np.concatenate(
        [np.full(int(has.sum()), cell.code("queries.subject", s)) for s, has in subjects]
    )
    review, approval = cell.codes("queries.reason", "guarantor_review", "loan_approval")
    queried = np.minimum(loans.queried[owner] + stream.below(3, len(owner)), loans.decided[owner])
    cell.lists["queries"] = Items(
        owner,
        {
            "subject": Column(subject),
            "consent_signed_on": Column(np.minimum(loans.received[owner], queried)),
            "queried_on": Column(queried),
            "reason": Column(
                np.where(subject == cell.code("queries.subject", "guarantor"), review, approval)
            ),
        },
    )


def _collateral(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("collateral")
    n = cell.size
    has = np.isin(loans.security, tuple(_BY_SECURITY))
    count = np.where(has, 1 + (stream.chance(16_000, n) & (loans.amount >= 2_000_000)), 0)
    owner, place = ranges(count)
    size = len(owner)
    kind = np.zeros(size, dtype=np.int64)
    for security, weights in _BY_SECURITY.items():
        rows = loans.security[owner] == security
        kind[rows] = stream.pick(weights, int(rows.sum()))
    people = np.isin(loans.kind[owner], (INDIVIDUAL,)) & (loans.security[owner] == REAL_ESTATE)
    kind[people & (kind > 1)] = 0
    half = loans.amount[owner] // 2
    secured = np.where(
        count[owner] == 1, loans.amount[owner], np.where(place == 0, half, loans.amount[owner] - half)
    )
    liens = np.where(
        (kind < PROPERTY) & stream.chance(6_000, size), secured * stream.between(5, 25, size) // 100, 0
    )
    liens = round_to(np.maximum(liens, 1), 10_000) * (liens > 0)
    used = stream.spread(((0, 40), (200, 62), (500, 80), (800, 93), (1000, 99)), size)
    value: Ints = -(-(secured + liens) * 10_000 // (CAPS[kind] * used))
    value = np.maximum(-(-value // 10_000) * 10_000, LEAST[kind])
    appraised = round_to(value * stream.between(100, 112, size) // 100, 10_000)
    appraised = np.maximum(appraised, value)
    acquired = loans.received[owner] - stream.spread(
        ((0, 430), (300, 1_200), (700, 3_000), (1000, 7_500)), size
    )
    price = round_to(value * stream.between(55, 105, size) // 100, 10_000)
    deposit = (kind >= PROPERTY) & (kind < PROPERTY + 2)
    appraised_on = np.where(deposit, loans.signed[owner], loans.report[owner] - stream.below(6, size))
    codes = cell.codes("collateral.kind", *KINDS)
    number = (cell.first + loans.number[owner]) * 10 + place
    insured = np.isin(kind, (0, 1, 2, 6, 7, 9))
    cell.lists["collateral"] = Items(
        owner,
        {
            "id": Column(number, Template("P########")),
            "kind": Column(codes[kind]),
            "acquired_on": Column(np.where(deposit, loans.signed[owner], acquired)),
            "acquired_price": Column(np.where(deposit, value, price) * FEN),
            "appraised_value": Column(appraised * FEN),
            "appraised_on": Column(appraised_on),
            "bank_value": Column(value * FEN),
            "prior_liens": Column(liens * FEN),
            "secured_amount": Column(secured * FEN),
            "registered_on": Column(loans.registered[owner]),
            "insured_until": Column(np.where(insured, missing(size), NA)),
            "revalued_on": Column(missing(size)),
        },
    )
    end = loans.ended[owner]
    last = appraised_on + (end - appraised_on) // 330 * 330
    revalued = np.where(~deposit & (last > appraised_on + 300), last - stream.below(14, size), NA)
    cell.lists["collateral"]["revalued_on"] = revalued
    years = 1 + np.maximum(end - loans.disbursed[owner], 0) // 365
    cell.lists["collateral"]["insured_until"] = np.where(
        insured, loans.disbursed[owner] + years * 365 + stream.between(20, 200, size), NA
    )


def _guarantees(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("guarantees")
    n = cell.size
    begin = np.flatnonzero(loans.position == 0)
    b = loans.borrower
    inside = loans.guarantor >= 0
    mainly = loans.security == GUARANTEE
    firm = np.isin(loans.kind, (COMPANY, OTHER))
    outside_of = stream.chance(55_000, len(begin))[b]
    outside = mainly & ~inside & outside_of & firm & ~cell.of(4)
    outside |= cell.of(17) & ~inside
    insurer = loans.security == GUARANTEE_COMPANY
    personal = np.where(
        mainly, ~(inside | outside) | stream.chance(60_000, n), firm & stream.chance(38_000, n)
    ) & (loans.security != UNSECURED)
    personal &= ~cell.of(4) & ~cell.of(18)

    amount = loans.amount * FEN
    kinds = cell.codes("guarantees.kind", "company", "person", "guarantee_company")
    end = add_months(loans.maturity, 36)
    spouse = loans.signed - stream.below(3, n)
    resolution = np.minimum(loans.decided + stream.below(3, n), loans.signed)

    def rows(
        who: Mask, kind: int, guarantor: pa.Array, **fields: Ints
    ) -> tuple[Ints, pa.Array, dict[str, Ints]]:
        files = np.flatnonzero(who)
        made = {name: values[files] for name, values in fields.items()}
        made["kind"] = np.full(len(files), kind)
        return files, guarantor.take(pa.array(files)), made

    net_of = cell.get("borrower.net_assets")
    own_net = np.zeros(len(begin), dtype=np.int64)
    np.maximum.at(own_net, b, net_of)
    by_firm = np.where(inside, loans.guarantor, 0)
    external_net = round_to(loans.amount * stream.between(160, 600, n) // 100, 10_000) * FEN
    insurer_net = _INSURERS[b % 6] * FEN
    person_net = round_to(loans.amount * stream.between(120, 420, n) // 100, 10_000) * FEN
    nobody = missing(n)
    firms = Template("C#######").render(
        np.where(inside, cell.first + by_firm, 8_000_000 + (b * 7919 + cell.first) % 900_000)
    )
    parts = [
        rows(
            inside,
            kinds[0],
            firms,
            resolution_on=resolution,
            spouse_consent_on=nobody,
            net_assets=own_net[by_firm],
            outstanding=loans.guaranteed_amount[by_firm] * FEN,
            guaranteed_count=loans.guaranteed[by_firm],
        ),
        rows(
            outside,
            kinds[0],
            firms,
            resolution_on=resolution,
            spouse_consent_on=nobody,
            net_assets=external_net,
            outstanding=np.minimum(amount * stream.between(100, 150, n) // 100, external_net),
            guaranteed_count=stream.between(1, 4, n),
        ),
        rows(
            insurer,
            kinds[2],
            Template("C900000#").render(1 + b % 6),
            resolution_on=resolution,
            spouse_consent_on=nobody,
            net_assets=insurer_net,
            outstanding=insurer_net * (3 + b % 4),
            guaranteed_count=80 + 37 * (b % 6),
        ),
        rows(
            personal,
            kinds[1],
            Template("P#######").render(cell.first + b),
            resolution_on=nobody,
            spouse_consent_on=spouse,
            net_assets=person_net,
            outstanding=amount,
            guaranteed_count=stream.between(1, 2, n),
        ),
    ]
    owner = np.concatenate([files for files, _, _ in parts])
    guarantor = pa.concat_arrays([ids for _, ids, _ in parts])
    fields = {
        name: np.concatenate([made[name] for _, _, made in parts])
        for name in (
            "kind",
            "resolution_on",
            "spouse_consent_on",
            "net_assets",
            "outstanding",
            "guaranteed_count",
        )
    }
    joint = cell.code("guarantees.type", "joint")
    cell.lists["guarantees"] = Items(
        owner,
        {
            "guarantor_id": Column(np.arange(len(owner)), Words(guarantor)),
            "kind": Column(fields["kind"]),
            "amount": Column(amount[owner]),
            "type": Column(np.full(len(owner), joint)),
            "resolution_on": Column(fields["resolution_on"]),
            "spouse_consent_on": Column(fields["spouse_consent_on"]),
            "period_end": Column(end[owner]),
            "net_assets": Column(fields["net_assets"]),
            "outstanding": Column(fields["outstanding"]),
            "guaranteed_count": Column(fields["guaranteed_count"]),
        },
    )


def _conditions(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("conditions")
    n = cell.size
    property_ = loans.security == REAL_ESTATE
    guaranteed = np.isin(loans.security, (GUARANTEE, GUARANTEE_COMPANY))
    general = 3 + stream.pick((40, 34, 14, 12), n)
    parts = [
        (property_, np.full(n, 0), loans.registered),
        (property_ & stream.chance(60_000, n), np.full(n, 1), loans.registered),
        (guaranteed, np.full(n, 2), loans.signed),
        (
            (loans.product != PC) & stream.chance(70_000, n),
            general,
            np.maximum(loans.signed, loans.registered - stream.below(3, n)),
        ),
    ]
    owner = np.concatenate([np.flatnonzero(who) for who, _, _ in parts])
    cell.lists["conditions"] = Items(
        owner,
        {
            "text": Column(np.concatenate([text[who] for who, text, _ in parts]), _CONDITIONS),
            "met_on": Column(np.concatenate([met[who] for who, _, met in parts])),
        },
    )


def _drawdowns(cell: Cell, loans: Loans) -> None:
    stream = cell.stream("drawdowns")
    n = cell.size
    wish = np.select(
        [loans.product == FA, (loans.product == WC) & (loans.amount >= 3_000_000), loans.product == PB],
        [stream.between(1, 4, n), 1 + stream.chance(30_000, n), 1 + stream.chance(8_000, n)],
        1,
    )
    wish = np.where((loans.issue == RENEWAL) | cell.faulty(), 1, wish)
    spacing = stream.between(15, 50, n)
    room = np.maximum(np.minimum(cell.as_of, loans.disbursed + 150) - loans.disbursed, 0)
    count = np.minimum(wish, 1 + room // (spacing + 9))
    owner, place = ranges(count)
    date = cell.calendar.next(loans.disbursed[owner] + place * spacing[owner])
    share = round_to(loans.amount[owner] // count[owner], 10_000)
    rest = loans.amount[owner] - share * (count[owner] - 1)
    amount = np.where(place == count[owner] - 1, rest, share)
    checkers = cell.bank.checkers
    cell.lists["disbursements"] = Items(
        owner,
        {
            "loan_no": Column((cell.first + loans.number[owner]) * 100 + place + 1, DRAWDOWN_NUMBER),
            "date": Column(date),
            "amount": Column(amount * FEN),
            "pay_mode": Column(missing(len(owner))),
            "checker_id": Column(checkers[stream.below(len(checkers), len(owner))], cell.bank.ids),
        },
    )


def _payments(cell: Cell, loans: Loans) -> None:
    """What the money is paid for: up to four payees a drawdown, all of different owners."""
    stream = cell.stream("payments")
    drawdowns = cell.lists["disbursements"]
    total = drawdowns["amount"] // FEN
    renewal = (loans.issue == RENEWAL)[drawdowns.owner]
    many = np.select(
        [total >= 2_000_000, total >= 400_000],
        [1 + stream.below(3, len(total)), 1 + stream.below(2, len(total))],
        1,
    )
    many = np.where(cell.of(8)[drawdowns.owner], 2, many)
    owner_d, place = ranges(np.where(renewal, 0, many))
    size = len(owner_d)
    file = drawdowns.owner[owner_d]
    share = round_to(total[owner_d] // many[owner_d], 10_000)
    amount = np.where(place == many[owner_d] - 1, total[owner_d] - share * (many[owner_d] - 1), share)
    # Small sums may be paid by the borrower itself, if the relation is not new with a middling grade.
    whole = total[owner_d]
    trusted = ~(loans.is_new & (loans.rating >= 2))[file]
    small = (whole <= 500_000) & trusted
    alone = stream.chance(np.where(small, 55_000, 0), len(owner_d))
    consumer = (loans.product == PC)[file]
    alone |= consumer & (whole <= 300_000) & stream.chance(60_000, size)
    entrusted, self_paid = cell.codes("payments.mode", "entrusted", "self")
    # The number of the payee within the file: payees and their owners differ within a file.
    within = _number_within(file)
    word = stream.hashes(size)
    trade = stream.pick([i.firm for i in industries.INDUSTRIES], size)
    trade = np.where(consumer, len(industries.TRADES) + stream.below(len(_SHOPS), size), trade)
    lines = pa.concat_arrays([industries.TRADES, _SHOPS]).take(pa.array(trade))
    payee = names.firms(word + within * 101, lines, "有限公司", within + file)
    owners = names.people_of(within + file % 7, word // 3)
    contract = cell.first + loans.number[file]
    delay = np.where(alone, stream.below(4, size), 0)
    paid_on = np.minimum(drawdowns["date"][owner_d] + delay, cell.as_of)
    cell.lists["payments"] = Items(
        file,
        {
            "loan_no": Column(drawdowns["loan_no"][owner_d], DRAWDOWN_NUMBER),
            "date": Column(paid_on),
            "payee": Column(np.arange(size), Words(payee)),
            "payee_owner": Column(np.arange(size), Words(owners)),
            "amount": Column(amount * FEN),
            "mode": Column(np.where(alone, self_paid, entrusted)),
            "contract_no": Column(contract * 10 + within % 10, Template("CG########")),
            "related_to": Column(np.full(size, cell.code("payments.related_to", "none"))),
        },
    )
    by_self = np.bincount(owner_d[alone], minlength=len(total))
    modes = cell.codes("disbursements.pay_mode", "entrusted", "mixed", "self")
    everything = np.where(renewal, 1, many)
    drawdowns["pay_mode"] = modes[np.where(by_self == 0, 0, np.where(by_self < everything, 1, 2))]


def _number_within(owner: Ints) -> Ints:
    """The number 0, 1, … of each row within its owner; rows of an owner stand together."""
    change = np.flatnonzero(np.diff(owner, prepend=-1))
    return np.arange(len(owner)) - np.repeat(change, np.diff(np.append(change, len(owner))))


def _transactions(cell: Cell, loans: Loans) -> None:
    """Where the money goes: to the payees, then to wages, tax and suppliers; a little is out of sight."""
    stream = cell.stream("transactions")
    payments = cell.lists["payments"]
    party = {
        name: cell.code("transactions.party", name)
        for name in ("supplier", "wages", "tax", "cash", "unknown", "peer_bank", "borrower")
    }
    first = payments.owner
    size = len(first)
    payee = payments.columns["payee"].text
    assert isinstance(payee, Words)
    others = pa.array(["代发工资户", "国家金库", "现金支取", "他行账户", "上游供应商", "借款人结算户"])
    texts = Words(pa.concat_arrays([payee.values, others]))
    ours = stream.chance(52_000, size)
    parts = [
        (
            first,
            payments["date"],
            payments["amount"],
            np.ones(size),
            np.arange(size),
            np.full(size, party["supplier"]),
            ours,
        )
    ]
    n = cell.size
    start = loans.disbursed
    paid = np.zeros(n, dtype=bool)
    paid[first] = True
    business = paid & (loans.product != PC)

    def flow(
        who: Mask, after: Ints, share: Ints, to: int, kind: str, hop: int, seen: int, top: int = 10**12
    ) -> None:
        files = np.flatnonzero(who & (start + after <= cell.as_of))
        money = np.minimum(round_to(loans.amount[files] * share[files] // 1_000, 100), top) * FEN
        parts.append(
            (
                files,
                start[files] + after[files],
                money,
                np.full(len(files), hop),
                np.full(len(files), size + to),
                np.full(len(files), party[kind]),
                stream.chance(seen, len(files)),
            )
        )

    flow(
        business & stream.chance(48_000, n),
        stream.between(4, 25, n),
        stream.between(30, 180, n),
        0,
        "wages",
        2,
        90_000,
    )
    flow(
        business & stream.chance(40_000, n),
        stream.between(6, 35, n),
        stream.between(10, 60, n),
        1,
        "tax",
        2,
        100_000,
    )
    flow(
        business & stream.chance(55_000, n),
        stream.between(3, 30, n),
        stream.between(80, 400, n),
        4,
        "supplier",
        2,
        35_000,
    )
    flow(
        business & stream.chance(8_000, n),
        stream.between(2, 20, n),
        stream.between(3, 28, n),
        2,
        "cash",
        2,
        100_000,
        45_000,
    )
    flow(
        business & stream.chance(16_000, n),
        stream.between(3, 28, n),
        stream.between(10, 110, n),
        3,
        "peer_bank",
        2,
        0,
    )
    flow(
        business & stream.chance(7_000, n),
        stream.between(5, 40, n),
        stream.between(5, 60, n),
        3,
        "unknown",
        3,
        0,
    )
    trade = business & np.isin(loans.product, (WC, PB))
    flow(
        trade & stream.chance(3_000, n),
        stream.between(2, 26, n),
        stream.between(5, 45, n),
        5,
        "borrower",
        2,
        100_000,
    )
    owner, date, amount, hop, to, kind, seen = (np.concatenate(c) for c in zip(*parts, strict=True))
    cell.lists["transactions"] = Items(
        owner,
        {
            "date": Column(date),
            "amount": Column(amount),
            "hop": Column(hop.astype(np.int64)),
            "to": Column(to, texts),
            "party": Column(kind),
            "to_is_ours": Column(seen.astype(np.int64)),
            "cleared_on": Column(missing(len(owner))),
        },
    )

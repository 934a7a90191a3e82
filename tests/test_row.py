"""What a rule means for a file: scope, clocks, versions, triggers, waivers, tables, and the facts that are blamed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from small_pack import judged, loan_file, outcome, small_pack

from sancha.engine.policy.plan import Outcome as O

D = date
FIRST = """
rule: R-1
judged on: loan.decided_on
in force: {from: 2020-01-01}
"""


# -- scope and requirement in three-valued logic ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "amount", "expected"),
    [
        ("a", Decimal(100), O.PASS),
        ("a", Decimal("100.01"), O.BREACH),
        ("b", Decimal(500), O.NOT_APPLICABLE),
        ("b", None, O.NOT_APPLICABLE),
        ("a", None, O.UNKNOWN),
        (None, Decimal(100), O.UNKNOWN),
        (None, Decimal(500), O.UNKNOWN),
        (None, None, O.UNKNOWN),
    ],
)
def test_scope_and_requirement(tmp_path: Path, kind: str | None, amount: Decimal | None, expected: O) -> None:
    pack = small_pack(tmp_path, FIRST + 'applies when: loan.kind = "a"\nrequire: loan.amount <= 100')
    file = loan_file(pack, loan__kind=kind, loan__amount=amount, loan__decided_on=D(2024, 5, 1))
    assert outcome(pack, file, "R-1") is expected


def test_blame_names_what_would_settle_it(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, FIRST + 'require: loan.kind = "a" or (loan.amount <= 100 and loan.other > 0)')
    decided = {"loan__decided_on": D(2024, 5, 1)}
    _, reasons = judged(pack, loan_file(pack, **decided), "R-1")
    assert reasons.missing == ("loan.amount", "loan.kind", "loan.other")
    _, reasons = judged(pack, loan_file(pack, loan__kind="b", loan__amount=Decimal(5), **decided), "R-1")
    assert reasons.missing == ("loan.other",)
    # The conjunction is false already: only the kind can settle it.
    _, reasons = judged(pack, loan_file(pack, loan__amount=Decimal(500), **decided), "R-1")
    assert reasons.missing == ("loan.kind",)
    judgement, reasons = judged(pack, loan_file(pack, loan__amount=Decimal(5)), "R-1")
    assert judgement.outcome is O.UNKNOWN and "loan.decided_on" in reasons.missing


def test_division_by_zero_is_unknown_and_blames_the_operands(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, FIRST + "require: loan.amount / loan.other <= 0.5")
    file = loan_file(pack, loan__amount=Decimal(1), loan__other=Decimal(0), loan__decided_on=D(2024, 5, 1))
    judgement, reasons = judged(pack, file, "R-1")
    assert judgement.outcome is O.UNKNOWN
    assert reasons.missing == ("loan.amount", "loan.other")


def test_absence_can_be_asked_for(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, FIRST + "require: loan.amount != null and visits != null")
    decided = {"loan__decided_on": D(2024, 5, 1)}
    assert outcome(pack, loan_file(pack, **decided), "R-1") is O.BREACH
    assert outcome(pack, loan_file(pack, {"visits": []}, loan__amount=Decimal(1), **decided), "R-1") is O.PASS


# -- the day judged -----------------------------------------------------------------------------------------------


def test_a_file_without_its_day_is_unknown_unless_out_of_scope(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, FIRST + 'applies when: loan.kind = "a"\nrequire: loan.amount <= 100')
    assert outcome(pack, loan_file(pack, loan__kind="a", loan__amount=Decimal(1)), "R-1") is O.UNKNOWN
    assert outcome(pack, loan_file(pack, loan__kind="b"), "R-1") is O.NOT_APPLICABLE


VERSIONS = """
rule: R-1
judged on: loan.decided_on
versions:
  - in force: {from: 2020-01-01, until: 2023-06-30}
    require: loan.amount <= 100
  - in force: {from: 2023-07-01, until: 2023-12-31}
    applies when: loan.kind = "a"
    require: loan.amount <= 50
  - in force: {from: 2024-02-01}
    require: loan.amount <= 10
"""


@pytest.mark.parametrize(
    ("day", "expected", "version"),
    [
        (D(2019, 12, 31), O.NOT_APPLICABLE, None),
        (D(2020, 1, 1), O.PASS, "2020-01-01"),
        (D(2023, 6, 30), O.PASS, "2020-01-01"),
        (D(2023, 7, 1), O.BREACH, "2023-07-01"),
        (D(2023, 12, 31), O.BREACH, "2023-07-01"),
        (D(2024, 1, 15), O.NOT_APPLICABLE, None),
        (D(2024, 2, 1), O.BREACH, "2024-02-01"),
    ],
)
def test_the_version_of_the_day_speaks(tmp_path: Path, day: date, expected: O, version: str | None) -> None:
    pack = small_pack(tmp_path, VERSIONS)
    file = loan_file(pack, loan__kind="a", loan__amount=Decimal(60), loan__decided_on=day)
    judgement, _ = judged(pack, file, "R-1")
    assert (judgement.outcome, judgement.version) == (expected, version)


def test_a_parameter_has_its_value_of_the_day(tmp_path: Path) -> None:
    parameters = """
        parameters:
          cap:
            label: {en: cap}
            type: money
            values:
              - {from: 2020-01-01, value: 100, source: {document: S, evidence: B}}
              - {from: 2024-07-01, value: 200, source: {document: S, evidence: B}}
    """
    pack = small_pack(
        tmp_path, FIRST + "require: loan.amount <= parameters.cap", parameters__caps_yaml=parameters
    )
    for day, expected in ((D(2024, 6, 30), O.BREACH), (D(2024, 7, 1), O.PASS)):
        file = loan_file(pack, loan__amount=Decimal(150), loan__decided_on=day)
        judgement, reasons = judged(pack, file, "R-1")
        assert judgement.outcome is expected
        assert dict(reasons.facts)["parameters.cap"] == ("100.00" if expected is O.BREACH else "200.00")


# -- what was known -----------------------------------------------------------------------------------------------


def test_facts_and_items_known_later_are_not_seen(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, FIRST + "require: review.level >= 2 and count(visits) >= 1")
    decided = D(2024, 5, 1)
    visits = {"visits": [{"date": D(2024, 5, 2)}]}
    early = loan_file(
        pack,
        {"visits": [{"date": D(2024, 5, 1)}]},
        review__done_on=decided,
        review__level=2,
        loan__decided_on=decided,
    )
    assert outcome(pack, early, "R-1") is O.PASS
    late_visit = loan_file(pack, visits, review__done_on=decided, review__level=2, loan__decided_on=decided)
    assert outcome(pack, late_visit, "R-1") is O.BREACH
    assert outcome(pack, late_visit, "R-1", hindsight=True) is O.PASS
    late_review = loan_file(
        pack,
        {"visits": [{"date": decided}]},
        review__done_on=D(2024, 5, 2),
        review__level=2,
        loan__decided_on=decided,
    )
    judgement, reasons = judged(pack, late_review, "R-1")
    assert judgement.outcome is O.UNKNOWN and reasons.missing == ("review.level",)
    assert dict(reasons.facts)["review.level"] is None
    assert outcome(pack, late_review, "R-1", hindsight=True) is O.PASS


def test_evidence_shows_only_the_items_that_were_seen(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, FIRST + "require: some v in visits satisfies v.done")
    visits = [{"date": D(2024, 4, 1), "done": False}, {"date": D(2024, 6, 1), "done": True}]
    file = loan_file(pack, {"visits": visits}, loan__decided_on=D(2024, 5, 1))
    judgement, reasons = judged(pack, file, "R-1")
    assert judgement.outcome is O.BREACH
    assert dict(reasons.facts) == {
        "loan.decided_on": "2024-05-01",
        "visits[1].date": "2024-04-01",
        "visits[1].done": "false",
    }


def test_an_undated_item_may_or_may_not_have_been_known(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, FIRST + "require: some v in visits satisfies v.done")
    file = loan_file(pack, {"visits": [{"done": True}]}, loan__decided_on=D(2024, 5, 1))
    judgement, reasons = judged(pack, file, "R-1")
    assert judgement.outcome is O.UNKNOWN and reasons.missing == ("visits.date",)
    # An item that does not satisfy the condition does not matter, whenever it became known.
    file = loan_file(pack, {"visits": [{"done": False}]}, loan__decided_on=D(2024, 5, 1))
    assert outcome(pack, file, "R-1") is O.BREACH


def test_what_is_known_on_the_day_of_the_book_is_seen_by_rules_of_that_day_alone(tmp_path: Path) -> None:
    second = FIRST.replace("R-1", "R-2").replace("loan.decided_on", "as_of")
    pack = small_pack(tmp_path, FIRST + "require: loan.grade <= 3", second + "require: loan.grade <= 3")
    file = loan_file(pack, loan__grade=2, loan__decided_on=D(2024, 5, 1))
    assert outcome(pack, file, "R-1") is O.UNKNOWN
    assert outcome(pack, file, "R-2") is O.PASS


# -- triggers -----------------------------------------------------------------------------------------------------

TRIGGER = """
rule: R-1
kind: trigger
in force: {from: 2024-01-10}
for each: p in payments
applies when: p.amount > 0
from: p.date
within: '@"P15D"'
expect: some v in visits satisfies v.done and v.date in [p.date..due]
"""


@pytest.mark.parametrize(
    ("visited", "as_of", "expected"),
    [
        (D(2024, 3, 16), D(2024, 12, 31), O.PASS),  # day 15
        (D(2024, 3, 17), D(2024, 12, 31), O.BREACH),  # day 16
        (None, D(2024, 3, 16), O.NOT_DUE),  # the last day is not over
        (None, D(2024, 3, 17), O.BREACH),
        (D(2024, 3, 5), D(2024, 3, 6), O.PASS),  # met before it was due
        (D(2024, 3, 10), D(2024, 3, 6), O.NOT_DUE),  # the visit is not known yet
    ],
)
def test_trigger_clock(tmp_path: Path, visited: date | None, as_of: date, expected: O) -> None:
    pack = small_pack(tmp_path, TRIGGER)
    visits = [] if visited is None else [{"date": visited, "done": True}]
    file = loan_file(pack, {"payments": [{"date": D(2024, 3, 1), "amount": Decimal(5)}], "visits": visits})
    assert outcome(pack, file, "R-1", as_of) is expected


def test_the_worst_event_counts(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, TRIGGER)
    done = [{"date": D(2024, 3, 2), "done": True}]

    def found(
        *days: date, visits: list[dict[str, object]] | None = done, amount: Decimal | None = Decimal(1)
    ) -> O:
        payments = [{"date": day, "amount": amount} for day in days]
        return outcome(pack, loan_file(pack, {"payments": payments, "visits": visits}), "R-1", D(2024, 5, 1))

    assert found() is O.NOT_APPLICABLE
    assert found(D(2024, 1, 9)) is O.NOT_APPLICABLE  # before the rule was in force
    assert found(D(2024, 3, 1)) is O.PASS
    assert found(D(2024, 3, 1), D(2024, 4, 20)) is O.NOT_DUE
    assert found(D(2024, 3, 1), D(2024, 4, 20), D(2024, 4, 1)) is O.BREACH
    assert found(D(2024, 3, 1), visits=None) is O.UNKNOWN
    assert found(D(2024, 3, 1), amount=None) is O.PASS or found(D(2024, 3, 1), amount=None) is O.UNKNOWN
    assert outcome(pack, loan_file(pack, {"visits": []}), "R-1") is O.UNKNOWN  # no list of payments


def test_a_breach_is_dated_by_its_last_day_to_respond(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, TRIGGER)
    payments = [{"date": day, "amount": Decimal(1)} for day in (D(2024, 2, 1), D(2024, 6, 1))]
    file = loan_file(pack, {"payments": payments, "visits": [{"date": D(2024, 2, 3), "done": True}]})
    judgement, _ = judged(pack, file, "R-1")
    assert (judgement.outcome, judgement.judged_on) == (O.BREACH, D(2024, 6, 16))


def test_working_days_of_the_calendar(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, TRIGGER.replace("""'@"P15D"'""", "3 working days"))
    # After Friday 27 September: Sunday 29 (a make-up day), Monday 30, then the holiday until Tuesday 8 October.
    for visited, expected in ((D(2024, 10, 8), O.PASS), (D(2024, 10, 9), O.BREACH)):
        file = loan_file(
            pack,
            {
                "payments": [{"date": D(2024, 9, 27), "amount": Decimal(1)}],
                "visits": [{"date": visited, "done": True}],
            },
        )
        assert outcome(pack, file, "R-1") is expected


# -- waivers ------------------------------------------------------------------------------------------------------

WAIVER = """
    waivers:
      - waiver: W-1
        rule: R-1
        scope: loan.kind = "a"
        approver: S1
        level: 3
        from: 2024-01-01
        until: 2024-06-30
        compensating control: {en: Call}
"""


@pytest.mark.parametrize(
    ("kind", "day", "level", "expected", "note"),
    [
        ("a", D(2024, 1, 1), 3, O.WAIVED, "waiver W-1"),
        ("a", D(2024, 6, 30), 3, O.WAIVED, "waiver W-1"),
        ("a", D(2024, 7, 1), 3, O.BREACH, "waiver W-1 expired 2024-06-30"),
        ("a", D(2023, 12, 31), 3, O.BREACH, "waiver W-1 not in force before 2024-01-01"),
        ("b", D(2024, 3, 1), 3, O.BREACH, None),
        (None, D(2024, 3, 1), 3, O.BREACH, None),
        ("a", D(2024, 3, 1), 4, O.BREACH, "waiver W-1 beyond authority"),
        ("a", D(2024, 3, 1), None, O.BREACH, "waiver W-1 beyond authority"),
    ],
)
def test_waivers(
    tmp_path: Path, kind: str | None, day: date, level: int | None, expected: O, note: str | None
) -> None:
    rule = FIRST + "require: loan.amount <= 100" + (f"\nwaivable by: {level}" if level else "")
    pack = small_pack(tmp_path, rule, waivers_yaml=WAIVER)
    file = loan_file(pack, loan__kind=kind, loan__amount=Decimal(500), loan__decided_on=day)
    judgement, _ = judged(pack, file, "R-1")
    assert (judgement.outcome, judgement.note) == (expected, note)
    passing = loan_file(pack, loan__kind=kind, loan__amount=Decimal(5), loan__decided_on=day)
    assert judged(pack, passing, "R-1")[0].note is None


# -- decisions and tables -----------------------------------------------------------------------------------------

TABLE = """
table: band
hit policy: {policy}
inputs:
  - {{name: amount, expression: loan.amount}}
  - {{name: kind, expression: loan.kind}}
outputs:
  - {{name: level, type: integer}}
rows: band.csv
"""
ROWS = 'amount,kind,level\n<= 100,-,1\n> 100,a,2\n> 100,"b, c",3\n'


@pytest.mark.parametrize(
    ("policy", "amount", "kind", "level"),
    [
        ("unique", 100, None, 1),  # the other input does not matter
        ("unique", 101, "a", 2),
        ("unique", 101, "c", 3),
        ("unique", 101, None, None),
        ("unique", None, "a", None),
        ("first", 100, None, 1),
        ("first", 101, None, None),
        ("collect sum", 101, "a", 2),
        ("collect sum", 100, "a", 1),
        ("collect sum", 101, None, None),
        ("collect count", 101, "b", 1),
        ("collect max", 101, "b", 3),
    ],
)
def test_hit_policies_in_three_valued_logic(
    tmp_path: Path, policy: str, amount: int | None, kind: str | None, level: int | None
) -> None:
    pack = small_pack(
        tmp_path, TABLE.format(policy=policy), FIRST + "require: band = 1", rules__band_csv=ROWS
    )
    from sancha.engine.run.row import Evaluator

    file = loan_file(pack, loan__amount=None if amount is None else Decimal(amount), loan__kind=kind)
    assert Evaluator(pack).decision("band", file, {}, D(2024, 5, 1)) == level


def test_a_table_is_called_with_the_item_at_hand(tmp_path: Path) -> None:
    table = """
    table: cap
    hit policy: unique
    inputs: [{name: number, type: text}]
    outputs: [{name: most, type: money}]
    rows: [['"x"', "10"], ['"y"', "20"]]
    """
    rule = FIRST + "require: every p in payments satisfies p.amount <= cap(p.number)"
    pack = small_pack(tmp_path, table, rule)

    def found(*payments: tuple[str | None, int]) -> O:
        items = [{"number": n, "amount": Decimal(a), "date": D(2024, 1, 1)} for n, a in payments]
        return outcome(pack, loan_file(pack, {"payments": items}, loan__decided_on=D(2024, 5, 1)), "R-1")

    assert found(("x", 10), ("y", 20)) is O.PASS
    assert found(("x", 11)) is O.BREACH
    assert found(("z", 1)) is O.UNKNOWN  # the table has no row for it
    assert found((None, 1), ("x", 11)) is O.BREACH
    assert found((None, 1)) is O.UNKNOWN


def test_reference_lists(tmp_path: Path) -> None:
    rule = FIRST + "require: some p in people satisfies p.id = loan.branch and p.level >= 2"
    pack = small_pack(tmp_path, rule)
    file = loan_file(pack, loan__branch="S1", loan__decided_on=D(2024, 5, 1))
    people = [{"id": "S1", "level": 1}, {"id": "S2", "level": 3}]
    assert outcome(pack, file, "R-1", reference={"people": people}) is O.BREACH
    assert outcome(pack, file, "R-1", reference={"people": [*people, {"id": "S1", "level": 2}]}) is O.PASS
    assert outcome(pack, file, "R-1") is O.UNKNOWN


def test_inner_lists_do_not_disturb_outer_ones(tmp_path: Path) -> None:
    """A decision over a list is used for each item of another: each keeps its own item."""
    decision = """
    decision: last_paid
    type: date
    value: max(payments.date)
    """
    rule = FIRST + (
        "require: every v in visits satisfies (some p in payments satisfies p.date = v.date and last_paid >= v.date)"
        " and v.done"
    )
    pack = small_pack(tmp_path, decision, rule)
    visits = [{"date": D(2024, 1, 1), "done": True}, {"date": D(2024, 2, 1), "done": True}]
    payments = [{"date": D(2024, 2, 1)}, {"date": D(2024, 1, 1)}]
    file = loan_file(pack, {"visits": visits, "payments": payments}, loan__decided_on=D(2024, 5, 1))
    assert outcome(pack, file, "R-1") is O.PASS

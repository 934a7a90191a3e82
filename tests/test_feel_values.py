"""The values of the full language: texts, calendar, order, arithmetic, time zones.

Where Python's own dates reach, the years 1 to 9999, they are the independent witness.
"""

from __future__ import annotations

import datetime
import zoneinfo
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sancha.engine.feel.errors import FeelError
from sancha.engine.feel.values import (
    ARITHMETIC,
    YEARS,
    Date,
    DateTime,
    DaysTimeDuration,
    Function,
    Range,
    Time,
    YearsMonthsDuration,
    days_in_month,
    equal,
    get_property,
    kind_of,
    order,
    parse_duration,
    parse_temporal,
    same,
    to_text,
    written,
)

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR
ZONES = [
    "Europe/Paris",
    "Asia/Shanghai",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Etc/UTC",
]


def value(text: str) -> Any:
    """The value of `@"text"`, which is one."""
    found = parse_temporal(text)
    assert found is not None, text
    return found


def calculate(left: Any, op: str, right: Any) -> Any:
    left, right = (value(v) if isinstance(v, str) else v for v in (left, right))
    return ARITHMETIC[op, kind_of(left), kind_of(right)](left, right)


any_year = st.one_of(st.integers(1990, 2035), st.integers(-YEARS, YEARS), st.integers(-5, 5))


@st.composite
def dates(draw: st.DrawFn, years: st.SearchStrategy[int] = any_year) -> Date:
    year = draw(years)
    month = draw(st.integers(1, 12))
    day = draw(st.one_of(st.integers(1, 28), st.integers(28, 31)))
    return Date(year, month, min(day, days_in_month(year, month)))


near_dates = dates(st.integers(1600, 2400))
nanoseconds = st.one_of(
    st.integers(0, DAY - 1), st.integers(0, 86_399).map(lambda s: s * SECOND), st.sampled_from([0, DAY - 1])
)
offsets = st.one_of(st.integers(-56, 56).map(lambda quarter: quarter * 900), st.integers(-50_400, 50_400))
places = st.one_of(
    st.just((None, None)), offsets.map(lambda o: (o, None)), st.sampled_from(ZONES).map(lambda z: (None, z))
)
times = st.builds(lambda n, place: Time.of(n, *place), nanoseconds, places)
date_times = st.builds(DateTime, dates(), times)
days_time = st.one_of(
    st.integers(-400, 400).map(lambda n: n * DAY),
    st.integers(-10 * DAY, 10 * DAY),
    st.integers(-(10**30), 10**30),
).map(DaysTimeDuration)
years_months = st.one_of(st.integers(-40, 40), st.integers(-(10**12), 10**12)).map(YearsMonthsDuration)
temporal_values = st.one_of(dates(), times, date_times, days_time, years_months)


# -- the calendar ------------------------------------------------------------------------------------------------------


@given(st.dates())
def test_days_and_weekdays_are_those_of_pythons_calendar(day: datetime.date) -> None:
    ours = Date(day.year, day.month, day.day)
    assert ours.days == day.toordinal() - datetime.date(1970, 1, 1).toordinal()
    assert ours.weekday == day.isoweekday()
    assert Date.of(ours.days) == ours


@given(dates())
def test_each_day_follows_the_one_before(day: Date) -> None:
    assert Date.of(day.days) == day
    assume(day != Date(YEARS, 12, 31))
    following = Date.of(day.days + 1)
    assert order(day, following) == -1
    assert following.weekday == day.weekday % 7 + 1
    expected = (day.year, day.month, day.day + 1)
    if day.day == days_in_month(day.year, day.month):
        expected = (day.year, day.month + 1, 1) if day.month < 12 else (day.year + 1, 1, 1)
    assert (following.year, following.month, following.day) == expected


@given(dates(), st.integers(-(10**6), 10**6))
def test_the_calendar_repeats_after_400_years(day: Date, cycles: int) -> None:
    year = day.year + 400 * cycles
    assume(abs(year) <= YEARS)
    again = Date(year, day.month, day.day)
    assert again.days - day.days == 146_097 * cycles
    assert again.weekday == day.weekday


def test_leap_days() -> None:
    for year in (2000, 2024, 0, -4, -400, 1600, 999_999_996):
        assert value(f"{Date(year, 2, 28)}").days + 2 == Date(year, 3, 1).days
    for text in ("1900-02-29", "2100-02-29", "2023-02-29", "-0001-02-29", "2024-02-30", "2024-04-31"):
        assert parse_temporal(text) is None


def test_the_year_before_1_is_0() -> None:
    assert calculate("0001-01-01", "-", "P1D") == Date(0, 12, 31)
    assert calculate("0000-01-01", "-", "P1D") == Date(-1, 12, 31)
    assert to_text(calculate("0000-01-01", "-", "P1D")) == "-0001-12-31"


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2024-01-28", 1, "2024-02-28"),
        ("2024-01-29", 1, "2024-02-29"),
        ("2024-01-30", 1, "2024-02-29"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2023-01-29", 1, "2023-02-28"),
        ("2023-01-31", 1, "2023-02-28"),
        ("2023-01-31", 2, "2023-03-31"),
        ("2023-01-31", 3, "2023-04-30"),
        ("2023-03-31", -1, "2023-02-28"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2024-02-29", -12, "2023-02-28"),
        ("2023-12-31", 2, "2024-02-29"),
        ("0000-03-31", -1, "0000-02-29"),
        ("-0001-12-31", 2, "0000-02-29"),
        ("9999-12-31", 2, "10000-02-29"),
    ],
)
def test_months_keep_the_day_or_end_with_the_month(start: str, months: int, end: str) -> None:
    duration = YearsMonthsDuration(months)
    assert str(calculate(start, "+", duration)) == end
    assert str(calculate(duration, "+", start)) == end
    assert str(calculate(start, "-", YearsMonthsDuration(-months))) == end
    assert str(calculate(f"{start}T10:15:00+08:00", "+", duration)) == f"{end}T10:15:00+08:00"


# -- texts -------------------------------------------------------------------------------------------------------------


@given(temporal_values)
@example(Date(-YEARS, 1, 1))
@example(Date(12, 1, 1))
@example(DaysTimeDuration(-1))
@example(YearsMonthsDuration(0))
def test_a_text_reads_back_as_its_value(given_value: Any) -> None:
    assert parse_temporal(to_text(given_value)) == given_value


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2024-01-31", "2024-01-31"),
        ("-0044-03-15", "-0044-03-15"),
        ("10000-01-01", "10000-01-01"),
        ("999999999-12-31", "999999999-12-31"),
        ("10:30:00.500", "10:30:00.5"),
        ("10:30:00.000", "10:30:00"),
        ("10:30:00.1234567899", "10:30:00.123456789"),
        ("10:30:00+00:00", "10:30:00Z"),
        ("10:30:00-00:00", "10:30:00Z"),
        ("10:30:00z", "10:30:00Z"),
        ("10:30:00+14:00", "10:30:00+14:00"),
        ("10:30:00-09:30", "10:30:00-09:30"),
        ("24:00:00", "00:00:00"),
        ("24:00:00.000Z", "00:00:00Z"),
        ("2023-12-31T24:00:00", "2024-01-01T00:00:00"),
        ("2024-02-28T24:00:00@Asia/Shanghai", "2024-02-29T00:00:00@Asia/Shanghai"),
        ("2024-01-31T10:30:00@Europe/Paris", "2024-01-31T10:30:00@Europe/Paris"),
        ("P1DT2H", "P1DT2H"),
        ("PT24H", "P1D"),
        ("P0DT25H", "P1DT1H"),
        ("PT90M", "PT1H30M"),
        ("PT3600.50S", "PT1H0.5S"),
        ("PT0.000000001S", "PT0.000000001S"),
        ("-PT36H", "-P1DT12H"),
        ("P0D", "PT0S"),
        ("-PT0S", "PT0S"),
        ("P1Y2M", "P1Y2M"),
        ("P26M", "P2Y2M"),
        ("-P14M", "-P1Y2M"),
        ("P0Y", "P0M"),
        ("P1Y0M", "P1Y"),
        ("-P0M", "P0M"),
    ],
)
def test_texts_are_normalised(text: str, normal: str) -> None:
    assert to_text(value(text)) == normal


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "2024",
            "2024-1-1",
            "24-01-01",
            "02024-01-01",
            "+2024-01-01",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
        ),
        *(
            "1000000000-01-01",
            "2024-01-01Z",
            " 2024-01-01",
            "2024-01-01 ",
            "2024-01-01\n",
            "2024/01/01",
            "２０２４-01-01",
        ),
        *(
            "7:00:00",
            "07:00",
            "07:0:00",
            "07:00:0",
            "07:00:00.",
            "25:00:00",
            "24:00:01",
            "24:00:00.1",
            "23:60:00",
        ),
        *(
            "23:59:60",
            "T07:00:00",
            "07:00:00T",
            "07:00:00+1:00",
            "07:00:00+01",
            "07:00:00+14:01",
            "07:00:00+19:00",
        ),
        *(
            "07:00:00+01:60",
            "07:00:00Z@Etc/UTC",
            "07:00:00+01:00@Europe/Paris",
            "07:00:00@",
            "07:00:00@Mars/Base",
        ),
        *(
            "07:00:00@europe/paris",
            "07:00:00@../zoneinfo/Europe/Paris",
            "07:00:00@Europe",
            "07:00:00@tzdata.zi",
        ),
        *(
            "2024-01-01T",
            "2024-01-01T7:00:00",
            "2024-01-01 07:00:00",
            "2024-01-01t07:00:00",
            "2023-02-29T00:00:00",
        ),
        *(
            "P",
            "-P",
            "PT",
            "P1DT",
            "P1YT1H",
            "P1Y1D",
            "P1M1Y",
            "P1H",
            "PT1D",
            "P1.5D",
            "PT.5S",
            "PT1.S",
            "+P1D",
            "P-1D",
        ),
        *("P-1D", "p1d", "1D", "P1W", "--P1D", "P1D ", f"P1{'0' * 34}D", f"P1{'0' * 33}Y", f"P{'9' * 5000}D"),
    ],
)
def test_what_is_no_temporal_value(text: str) -> None:
    assert parse_temporal(text) is None


@given(st.text(st.sampled_from("0123456789-+:.TZPYMDHS@/Etc ")))
def test_any_text_is_a_value_or_none(text: str) -> None:
    found = parse_temporal(text)
    assert found is None or parse_temporal(to_text(found)) == found


def test_texts_of_other_values() -> None:
    context = {
        "a": Decimal("1.50"),
        "loan amount": None,
        'the "x"': [True, 'say "hi"\n'],
        "día": value("P1D"),
    }
    assert written(context) == (
        '{a: 1.5, loan amount: null, "the \\"x\\"": [true, "say \\"hi\\"\\n"], día: @"P1D"}'
    )
    assert to_text("as it is") == "as it is"
    assert to_text(Decimal("-0.0")) == "0"
    assert to_text(Decimal("1E+3")) == "1000"
    assert to_text(Decimal("1E-7")) == "0.0000001"
    assert to_text(Range(Decimal(1), Decimal(2), True, False)) == "[1..2)"
    assert to_text(Range(None, value("2024-01-31"), False, True)) == '(..@"2024-01-31"]'
    assert to_text(Range("a", None, True, False)) == '["a"..)'
    assert to_text(Function((("a", None), ("b", None)), lambda a, b: a)) == "function(a, b)"


# -- equality and order ------------------------------------------------------------------------------------------------

clocked = st.builds(lambda n, offset: Time.of(n, offset), nanoseconds, offsets)
comparable = [
    dates(),
    days_time,
    years_months,
    clocked,
    nanoseconds.map(Time.of),
    st.builds(DateTime, dates(), clocked),
    st.builds(
        DateTime, near_dates, st.builds(lambda n, z: Time.of(n, zone=z), nanoseconds, st.sampled_from(ZONES))
    ),
]


@given(st.one_of([st.tuples(kind, kind, kind) for kind in comparable]))
def test_order_is_total_and_agrees_with_equality(triple: tuple[Any, Any, Any]) -> None:
    a, b, c = triple
    first, back = order(a, b), order(b, a)
    assert first is not None and back is not None
    assert first == -back
    assert equal(a, b) is (first == 0)
    assert equal(a, a) is True
    second, both = order(b, c), order(a, c)
    assert second is not None and both is not None
    if first <= 0 and second <= 0:
        assert both <= 0
    if first == 0 and second == 0:
        assert equal(a, c) is True
    if same(a, b):
        assert equal(a, b) is True
        assert hash(a) == hash(b)


def test_clocks_of_different_places_are_compared_on_the_time_line() -> None:
    assert equal(value("2024-01-01T12:00:00+01:00"), value("2024-01-01T11:00:00Z")) is True
    assert equal(value("2024-07-01T12:00:00@Europe/Paris"), value("2024-07-01T10:00:00Z")) is True
    assert equal(value("2024-01-01T12:00:00@Europe/Paris"), value("2024-01-01T11:00:00Z")) is True
    assert order(value("2024-01-01T20:00:00@Asia/Shanghai"), value("2024-01-01T12:00:01Z")) == -1
    assert equal(value("20:00:50+00:00"), value("21:00:50+01:00")) is True
    # A time of day has no date: its zone's standard time holds, in either hemisphere.
    assert equal(value("12:00:00@Europe/Paris"), value("12:00:00+01:00")) is True
    assert equal(value("12:00:00@Australia/Melbourne"), value("12:00:00+10:00")) is True
    assert equal(value("00:01:00@Etc/UTC"), value("00:01:00Z")) is True
    # As XML Schema has it, a time of day does not turn over midnight when its offset changes.
    assert order(value("00:30:00+01:00"), value("23:30:00Z")) == -1


def test_a_local_time_takes_the_offset_of_the_other() -> None:
    assert order(value("2024-01-01T12:00:00"), value("2024-01-01T12:00:01+08:00")) == -1
    assert equal(value("2024-01-01T12:00:00"), value("2024-01-01T12:00:00+08:00")) is True
    assert same(value("2024-01-01T12:00:00"), value("2024-01-01T12:00:00+08:00")) is False
    assert order(value("12:00:01"), value("12:00:00@Asia/Shanghai")) == 1


def test_values_of_different_kinds_are_neither_equal_nor_ordered() -> None:
    samples = [
        Decimal(1), "a", True, [], {}, value("2024-01-01"), value("10:00:00"), value("2024-01-01T00:00:00Z"),
        value("P1D"), value("P1Y"), Range(Decimal(1), None, False, False), Function((), lambda: None),
    ]  # fmt: skip
    assert len({kind_of(v) for v in samples}) == len(samples)
    for i, a in enumerate(samples):
        assert equal(a, a) is True
        assert equal(a, None) is False
        assert equal(None, a) is False
        assert order(a, None) is None
        for b in samples[i + 1 :]:
            assert equal(a, b) is None
            assert order(a, b) is None
            assert not same(a, b)
    assert equal(None, None) is True
    assert equal(value("P0Y"), value("P0D")) is None
    for unordered in (True, [], {}, samples[-1], samples[-2]):
        assert order(unordered, unordered) is None


def test_equality_of_what_has_parts() -> None:
    one, other = Decimal("1"), Decimal("1.0")
    assert equal([one, ["a", None]], [other, ["a", None]]) is True
    assert equal([one], [other, other]) is False
    assert equal([one], ["a"]) is False
    assert equal({"a": one, "b": None}, {"b": None, "a": other}) is True
    assert equal({"a": one}, {"b": one}) is False
    assert equal(Range(one, None, True, False), Range(other, None, True, False)) is True
    assert equal(Range(one, None, True, False), Range(other, None, False, False)) is False
    assert equal(Range(one, None, False, False), Range(one, one, False, False)) is False
    assert same([value("10:00:00Z")], [value("10:00:00+00:00")])
    assert not same([value("10:00:00Z")], [value("10:00:00@Etc/UTC")])
    assert not same({"a": one}, {"a": "1"})


def test_only_values_of_feel_have_a_kind() -> None:
    for stranger in (1, 1.5, (1,), datetime.date(2024, 1, 1)):
        with pytest.raises(TypeError):
            kind_of(stranger)


# -- ranges ------------------------------------------------------------------------------------------------------------


def test_ranges_are_checked() -> None:
    one, two = Decimal(1), Decimal(2)
    assert Range.checked(one, two, True, True) == Range(one, two, True, True)
    assert Range.checked(None, two, True, True) == Range(None, two, False, True)
    for low, high in ((two, one), (one, "a"), (None, None), ([], []), (True, None), (one, value("P1D"))):
        with pytest.raises(FeelError):
            Range.checked(low, high, True, True)


@given(st.one_of([st.tuples(kind, kind, kind) for kind in comparable]), st.booleans(), st.booleans())
def test_a_range_includes_what_lies_between_its_ends(
    triple: tuple[Any, Any, Any], low_closed: bool, high_closed: bool
) -> None:
    low, point, high = triple
    found = Range(low, high, low_closed, high_closed).includes(point)
    below = equal(low, point) if order(low, point) == 0 else order(low, point) == -1
    above = equal(point, high) if order(point, high) == 0 else order(point, high) == -1
    inside = bool(below and above)
    if equal(low, point):
        inside = inside and low_closed
    if equal(point, high):
        inside = inside and high_closed
    assert found is inside
    assert Range(low, None, low_closed, False).includes(Decimal(1)) is None


# -- arithmetic --------------------------------------------------------------------------------------------------------


@given(dates(), dates())
def test_a_date_and_the_days_to_another_give_the_other(start: Date, end: Date) -> None:
    assert calculate(start, "+", calculate(end, "-", start)) == end
    assert calculate(end, "-", calculate(end, "-", start)) == start


@given(near_dates, near_dates, times, nanoseconds)
def test_a_moment_and_the_time_to_another_give_the_other(a: Date, b: Date, time: Time, n: int) -> None:
    start, end = DateTime(a, time), DateTime(b, Time.of(n, time.offset, time.zone))
    assume(_shown(start) and _shown(end))
    assert calculate(start, "+", calculate(end, "-", start)) == end


def _shown(moment: DateTime) -> bool:
    """Whether clocks of the zone ever show this, as they do except where they are put forward."""
    return moment.plus(0) == moment


@given(times, days_time)
def test_times_of_day_turn_round_midnight(time: Time, duration: DaysTimeDuration) -> None:
    later = calculate(time, "+", duration)
    assert (later.offset, later.zone) == (time.offset, time.zone)
    assert (later.nanoseconds - time.nanoseconds - duration.nanoseconds) % DAY == 0
    assert calculate(later, "-", duration) == time


@given(near_dates, st.integers(-3000, 3000))
def test_months_agree_with_the_strict_language(day: Date, months: int) -> None:
    from sancha.engine.run.runtime import ADD_MONTHS

    expected = ADD_MONTHS(datetime.date(day.year, day.month, day.day), months)
    assert expected is not None
    assert str(calculate(day, "+", YearsMonthsDuration(months))) == expected.isoformat()


@given(st.one_of(st.tuples(days_time, days_time), st.tuples(years_months, years_months)))
def test_durations_add_up(pair: tuple[Any, Any]) -> None:
    a, b = pair
    assert calculate(calculate(a, "+", b), "-", b) == a
    assert calculate(a, "+", b) == calculate(b, "+", a)
    negated = ARITHMETIC["negate", kind_of(b)](b)
    assert calculate(a, "-", b) == calculate(a, "+", negated)
    assert calculate(b, "*", Decimal(-1)) == negated
    assert calculate(calculate(a, "*", Decimal(3)), "/", Decimal(3)) == a
    if order(b, calculate(b, "-", b)):
        assert calculate(calculate(b, "*", Decimal(7)), "/", b) == 7


@pytest.mark.parametrize(
    ("left", "op", "right", "expected"),
    [
        ("2024-01-31", "+", "PT36H", "2024-02-01"),
        ("2024-01-31", "-", "PT1S", "2024-01-30"),
        ("2024-01-31", "-", "-PT1S", "2024-01-31"),
        ("2024-03-01", "-", "2024-02-01", "P29D"),
        ("2024-03-01", "-", "2024-02-29T12:00:00Z", "PT12H"),
        ("2024-03-01T08:00:00@Asia/Shanghai", "-", "2024-03-01", "PT0S"),
        ("2024-03-01T00:00:00", "-", "2024-02-29T23:59:59.5", "PT0.5S"),
        ("10:00:00+02:00", "-", "10:00:00Z", "-PT2H"),
        ("10:00:00", "-", "11:30:00", "-PT1H30M"),
        ("P10Y11M", "/", Decimal("2.5"), "P4Y4M"),
        ("P10Y11M", "/", Decimal("-2.5"), "-P4Y4M"),
        ("P1M", "/", Decimal(2), "P0M"),
        ("-P3M", "/", Decimal(2), "-P1M"),
        ("P1Y", "*", Decimal("0.34"), "P4M"),
        ("PT1S", "/", Decimal(3), "PT0.333333333S"),
        ("PT2S", "/", Decimal(3), "PT0.666666667S"),
        (Decimal("1.5"), "*", "P4DT1H", "P6DT1H30M"),
        ("P1Y", "/", "P5M", "2.4"),
        ("PT1H", "/", "P1D", "0.04166666666666666666666666666666667"),
    ],
)
def test_arithmetic(left: Any, op: str, right: Any, expected: str) -> None:
    assert to_text(calculate(left, op, right)) == expected


@pytest.mark.parametrize(
    ("left", "op", "right"),
    [
        ("P1Y", "/", Decimal(0)),
        ("P1D", "/", Decimal("0.0")),
        ("P1Y", "/", "P0M"),
        ("P1D", "/", "PT0S"),
        ("2024-01-01T00:00:00", "-", "2024-01-01T00:00:00Z"),
        ("2024-01-01", "-", "2024-01-01T00:00:00"),
        ("10:00:00", "-", "10:00:00@Europe/Paris"),
        ("999999999-12-31", "+", "P1D"),
        ("999999999-12-31", "+", "P1M"),
        ("-999999999-01-01", "-", "PT1S"),
        ("-999999999-01-01T00:00:00", "-", "PT0.000000001S"),
        ("2024-01-01", "+", "P1000000000Y"),
        ("P1D", "*", Decimal("1E+40")),
        ("P1D", "*", Decimal("1E+6000")),
        ("P1M", "*", Decimal("1E+34")),
        ("P1M", "/", Decimal("1E-6000")),
    ],
)
def test_what_has_no_result(left: Any, op: str, right: Any) -> None:
    with pytest.raises(FeelError):
        calculate(left, op, right)


def test_only_the_standards_combinations_have_a_meaning() -> None:
    short = {
        "date": "D", "time": "T", "date and time": "DT", "days and time duration": "d",
        "years and months duration": "y", "number": "n",
    }  # fmt: skip
    by_operator: dict[str, set[str]] = {}
    for op, *kinds in ARITHMETIC:
        by_operator.setdefault(op, set()).add(" ".join(short[k] for k in kinds))
    moved = {"DT y", "DT d", "T d", "D y", "D d"}
    assert by_operator == {
        "+": moved | {" ".join(reversed(pair.split())) for pair in moved} | {"y y", "d d"},
        "-": moved | {"D D", "DT DT", "DT D", "D DT", "T T", "y y", "d d"},
        "*": {"y n", "n y", "d n", "n d"},
        "/": {"y n", "y y", "d n", "d d"},
        "negate": {"d", "y"},
    }


# -- time zones --------------------------------------------------------------------------------------------------------


@given(
    st.datetimes(datetime.datetime(1900, 1, 2), datetime.datetime(2100, 1, 1)),
    st.sampled_from(ZONES),
    st.integers(-(10**9), 10**9),
)
@example(datetime.datetime(2024, 3, 31, 2, 30), "Europe/Paris", 0)
@example(datetime.datetime(2024, 10, 27, 2, 30), "Europe/Paris", 3600)
@example(datetime.datetime(2024, 10, 27, 1, 59, 59), "Europe/Paris", 3601)
@example(datetime.datetime(2024, 4, 7, 1, 45), "Australia/Lord_Howe", 1800)
def test_time_in_zones_passes_as_python_has_it(moment: datetime.datetime, zone: str, seconds: int) -> None:
    start = moment.replace(microsecond=0, tzinfo=zoneinfo.ZoneInfo(zone))
    later = (start.astimezone(datetime.UTC) + datetime.timedelta(seconds=seconds)).astimezone(start.tzinfo)
    ours = value(f"{start.replace(tzinfo=None).isoformat()}@{zone}").plus(seconds * SECOND)
    assert str(ours) == f"{later.replace(tzinfo=None).isoformat()}@{zone}"
    offset = later.utcoffset()
    assert offset is not None
    assert ours.utc_offset == offset.total_seconds()


def test_the_hour_that_clocks_skip() -> None:
    skipped = value("2024-03-31T02:30:00@Europe/Paris")
    assert to_text(skipped) == "2024-03-31T02:30:00@Europe/Paris"
    assert equal(skipped, value("2024-03-31T03:30:00@Europe/Paris")) is True
    assert equal(skipped, value("2024-03-31T01:30:00Z")) is True
    before = value("2024-03-31T01:59:59@Europe/Paris")
    assert to_text(calculate(before, "+", "PT1S")) == "2024-03-31T03:00:00@Europe/Paris"
    assert (
        to_text(calculate("2024-03-30T12:00:00@Europe/Paris", "+", "P1D"))
        == "2024-03-31T13:00:00@Europe/Paris"
    )
    assert (
        to_text(calculate("2024-03-31T12:00:00@Europe/Paris", "-", "2024-03-30T12:00:00@Europe/Paris"))
        == "PT23H"
    )
    # Months move the date; the clock stands as it did.
    assert (
        to_text(calculate("2024-02-29T02:30:00@Europe/Paris", "+", "P1M"))
        == "2024-03-29T02:30:00@Europe/Paris"
    )


def test_the_hour_that_clocks_show_twice() -> None:
    first = value("2024-10-27T02:30:00@Europe/Paris")
    second = calculate(first, "+", "PT1H")
    assert equal(first, value("2024-10-27T00:30:00Z")) is True
    assert equal(second, value("2024-10-27T01:30:00Z")) is True
    assert to_text(second) == to_text(first)
    assert calculate(second, "-", first) == parse_duration("PT1H")
    assert calculate(second, "-", "PT1H") == first
    assert order(first, second) == -1
    assert to_text(calculate(second, "+", "PT30M")) == "2024-10-27T03:00:00@Europe/Paris"


def test_zones_far_from_pythons_years() -> None:
    assert get_property(value("99999-07-01T12:00:00@Europe/Paris"), "time offset") == parse_duration("PT2H")
    assert get_property(value("99999-01-01T12:00:00@Europe/Paris"), "time offset") == parse_duration("PT1H")
    ancient = value("-2021-01-01T10:10:10@Australia/Melbourne")
    assert to_text(calculate(ancient, "-", "P1D")) == "-2022-12-31T10:10:10@Australia/Melbourne"
    last = value("999999999-12-31T23:59:59.999999999@Europe/Paris")
    assert order(last, value("999999999-12-31T22:59:59.999999999Z")) == 0
    for far in ("0999-12-31T23:59:59", "1000-01-01T00:00:00", "8999-12-31T23:59:59", "9000-01-01T00:00:00"):
        moment = value(f"{far}@America/New_York")
        assert moment.plus(DAY).plus(-DAY) == moment


# -- properties --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("2024-02-29", {"year": "2024", "month": "2", "day": "29", "weekday": "4"}),
        ("-0044-03-15", {"year": "-44", "month": "3", "day": "15"}),
        (
            "10:30:05.25",
            {"hour": "10", "minute": "30", "second": "5.25", "time offset": "null", "timezone": "null"},
        ),
        ("10:30:00-05:30", {"time offset": '@"-PT5H30M"', "timezone": "null"}),
        ("10:30:00@Etc/UTC", {"time offset": '@"PT0S"', "timezone": '"Etc/UTC"'}),
        (
            "2024-07-01T10:30:00@Europe/Paris",
            {
                "year": "2024",
                "weekday": "1",
                "hour": "10",
                "time offset": '@"PT2H"',
                "timezone": '"Europe/Paris"',
            },
        ),
        ("P1DT2H3M4.5S", {"days": "1", "hours": "2", "minutes": "3", "seconds": "4.5"}),
        ("-P1DT2H3M4.5S", {"days": "-1", "hours": "-2", "minutes": "-3", "seconds": "-4.5"}),
        ("PT25H", {"days": "1", "hours": "1", "minutes": "0", "seconds": "0"}),
        ("P26M", {"years": "2", "months": "2"}),
        ("-P14M", {"years": "-1", "months": "-2"}),
    ],
)
def test_properties(text: str, properties: dict[str, str]) -> None:
    for name, expected in properties.items():
        assert written(get_property(value(text), name)) == expected, name


def test_properties_of_ranges() -> None:
    values = {
        name: get_property(Range(Decimal(1), None, True, False), name)
        for name in ("start", "end", "start included", "end included")
    }
    assert values == {"start": 1, "end": None, "start included": True, "end included": False}


@pytest.mark.parametrize(
    ("given_value", "name"),
    [
        (value("2024-01-01"), "hour"),
        (value("2024-01-01"), "time offset"),
        (value("10:00:00"), "day"),
        (value("P1Y"), "days"),
        (value("P1D"), "months"),
        (value("2024-01-01"), "Year"),
        (Decimal(1), "year"),
        (None, "year"),
    ],
)
def test_a_kind_has_no_other_properties(given_value: Any, name: str) -> None:
    with pytest.raises(FeelError, match="has no property"):
        get_property(given_value, name)


@given(days_time)
def test_the_parts_of_a_duration_make_it_up(duration: DaysTimeDuration) -> None:
    parts = {name: get_property(duration, name) for name in ("days", "hours", "minutes", "seconds")}
    assert all(abs(parts[name]) < bound for name, bound in (("hours", 24), ("minutes", 60), ("seconds", 60)))
    seconds = ((parts["days"] * 24 + parts["hours"]) * 60 + parts["minutes"]) * 60
    assert int(seconds) * SECOND + int(parts["seconds"].scaleb(9)) == duration.nanoseconds

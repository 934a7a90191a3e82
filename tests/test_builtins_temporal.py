"""The temporal built-in functions of the full language, each called as an expression calls it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sancha.engine.feel.builtins import BUILTINS
from sancha.engine.feel.builtins.temporal import CLOCK
from sancha.engine.feel.values import DateTime, Time, parse_temporal, to_text, written
from sancha.engine.run.dynamic import compile_text

NAMES = (
    "date", "time", "date and time", "duration", "years and months duration", "now", "today", "day of year",
    "day of week", "month of year", "week of year", "is",
)  # fmt: skip


def evaluate(text: str, **names: Any) -> Any:
    """The value of an expression; null comes with a warning."""
    result = compile_text(text, names).run(names)
    if result.value is None:
        assert result.warnings, f"{text} is null without a warning"
    return result.value


@pytest.mark.parametrize(
    "row", [row for name in NAMES for row in BUILTINS[name]], ids=lambda row: row.signature
)
def test_examples_hold(row: Any) -> None:
    expression, expected = row.example
    assert written(evaluate(expression)) == expected
    assert row.doc


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('date("2017-01-01")', "2017-01-01"),
        ('date("-2017-12-31")', "-2017-12-31"),
        ('date("99999-12-31")', "99999-12-31"),
        ('date(@"2017-08-14T14:25:00.123456789@Europe/Paris")', "2017-08-14"),
        ('date(date("2017-08-14"))', "2017-08-14"),
        ('date(from: "2012-12-25")', "2012-12-25"),
        ("date(year: -2016, month: 1, day: 31)", "-2016-01-31"),
        ("date(21, 1, 2)", "0021-01-02"),
        ("date(2024.0, 2, 29)", "2024-02-29"),
        ("date(999999999, 12, 31)", "999999999-12-31"),
        ('time("11:22:33.444")', "11:22:33.444"),
        ('time(@"2017-08-10T10:20:00-01:00")', "10:20:00-01:00"),
        ('time(@"2017-08-10T10:20:00@Asia/Dhaka")', "10:20:00@Asia/Dhaka"),
        ('time(@"2017-08-10")', "00:00:00Z"),
        ('time(@"10:20:00+08:00")', "10:20:00+08:00"),
        ("time(12, 0, 0)", "12:00:00"),
        ("time(12, 59, 1.3, null)", "12:59:01.3"),
        ("time(12, 59, 59.9999999999999999999999999999999)", "12:59:59.999999999"),
        ('time(hour: 11, minute: 59, second: 45, offset: @"-PT2H")', "11:59:45-02:00"),
        ('time(11, 59, 45, duration("PT0S"))', "11:59:45Z"),
        ('time(11, 59, 45, duration("PT2H45M55S"))', "11:59:45+02:45:55"),
        ('time(string(time(11, 59, 45, duration("PT2H45M55S"))))', "11:59:45+02:45:55"),
        ('date and time("2012-12-24T23:59:00")', "2012-12-24T23:59:00"),
        ('date and time("2012-12-24")', "2012-12-24T00:00:00"),
        ('date and time("2016-12-31T24:00:00Z")', "2017-01-01T00:00:00Z"),
        ('date and time(@"2012-12-24")', "2012-12-24T00:00:00Z"),
        ('date and time(@"2012-12-24T23:59:00@Etc/UTC")', "2012-12-24T23:59:00@Etc/UTC"),
        ('date and time(@"2017-08-10T10:20:00+02:00", @"23:59:01@Europe/Paris")', "2017-08-10T23:59:01@Europe/Paris"),
        ('date and time(time: @"09:15:30Z", date: @"2017-09-05")', "2017-09-05T09:15:30Z"),
        ("date and time(2017, 12, 31, 11, 22, 33.5)", "2017-12-31T11:22:33.5"),
        ('date and time(2017, 12, 31, 11, 22, 33, @"-PT8H")', "2017-12-31T11:22:33-08:00"),
        ('date and time(2017, 12, 31, 11, 22, 33, "Europe/Paris")', "2017-12-31T11:22:33@Europe/Paris"),
        ('duration("-P1DT2H3M4.123S")', "-P1DT2H3M4.123S"),
        ('duration("P999999999M")', "P83333333Y3M"),
        ('duration(@"P1Y")', "P1Y"),
        ('duration(from: "PT1000H")', "P41DT16H"),
        ('date("2012-12-25") - date("2012-12-24") = duration("P1D")', "true"),
        ('date and time("2012-12-24T23:59:00") + duration("PT1M") = date and time("2012-12-25T00:00:00")', "true"),
        ('time("23:59:00z") + duration("PT2M") = time("00:01:00@Etc/UTC")', "true"),
        ('date and time("2012-12-24T23:59:00") - date and time("2012-12-22T03:45:00")', "P2DT20H14M"),
    ],
)  # fmt: skip
def test_values(text: str, expected: str) -> None:
    assert to_text(evaluate(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("date(null)", 'date("")', "date(2017)", "date([])", "date()", 'date("2017-01-01T00:00:00")'),
        *('date("2017-02-29")', "date(2017, 13, 1)"),
        *("date(2017, 2, 29)", "date(2017, 1, 0)", "date(2017.5, 1, 1)", "date(2017, null, 1)"),
        *("date(1000000000, 1, 1)", "date(1E+6000, 1, 1)", 'date("2017", 1, 1)', 'date(value: "2017-01-01")'),
        *('time("24:00:01")', "time(24, 0, 0)", "time(-1, 0, 0)", "time(1, 60, 0)", "time(1, 0, 60)"),
        *("time(null)", "time(12, 0)", "time(12, null, 0)", 'time(12, 0, 0, "PT1H")', 'time(12, 0, 0, @"PT15H")'),
        *('time(12, 0, 0, @"PT0.5S")', 'time(12, 0, 0, @"P1M")', "time(1.5, 0, 0)", "time(1, 0, -0.5)"),
        *("date and time(null)", 'date and time(null, @"10:00:00")', 'date and time(@"2017-01-01", null)'),
        *('date and time("10:00:00")', 'date and time(@"10:00:00", @"2017-01-01")', "date and time(2017, 1, 1)"),
        *('date and time(2017, 1, 1, 0, 0, 0, "Mars/Base")', 'date and time("2017-01-01T10:00:00+01:00@Europe/Paris")'),
        *("duration(null)", 'duration("")', 'duration("P1Y1D")', "duration(1)", 'duration(@"2017-01-01")'),
        *('years and months duration(@"2017-01-01")', 'years and months duration(@"10:00:00", @"11:00:00")'),
        *('years and months duration(@"2017-01-01", null)', "now(1)", "today(null)"),
        *("day of year(null)", 'day of week("foo")', 'month of year(value: @"2017-01-01")'),
        'week of year(@"10:00:00")',
        'is(value1: 1, value2: 1, value3: 1)',
    ],
)  # fmt: skip
def test_what_is_null(text: str) -> None:
    assert evaluate(text) is None


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2011-12-22", "2013-08-24", "P1Y8M"),
        ("2013-08-24", "2011-12-22", "-P1Y8M"),
        ("2016-01-01", "2016-01-01", "P0M"),
        ("2024-01-31", "2024-02-29", "P0M"),
        ("2024-01-31", "2024-03-31", "P2M"),
        ("2024-01-29", "2024-02-29", "P1M"),
        ("2024-02-29", "2024-01-30", "P0M"),
        ("2024-02-29", "2024-01-29", "-P1M"),
        # Completed years of one born on 29 February.
        ("2004-02-29", "2022-02-28", "P17Y11M"),
        ("2004-02-29", "2022-03-01", "P18Y"),
        ("2004-02-29", "2024-02-28", "P19Y11M"),
        ("2004-02-29", "2024-02-29", "P20Y"),
        # Times do not count, nor do offsets; a date and a date and time go together.
        ("2017-12-31T13:00:00", "2018-01-31T12:00:00", "P1M"),
        ("2015-12-24T00:00:01-01:00", "2016-12-24T23:59:00-08:00", "P1Y"),
        ("2017-01-15", "2018-01-15T00:00:00@Asia/Shanghai", "P1Y"),
        ("2017-09-05T10:20:00-01:00", "-2019-10-01T12:32:59+02:00", "-P4035Y11M"),
        ("-999999999-01-01", "999999999-12-31", "P1999999998Y11M"),
    ],
)
def test_years_and_months_between(start: str, end: str, expected: str) -> None:
    assert to_text(evaluate(f'years and months duration(@"{start}", @"{end}")')) == expected


@given(st.dates(), st.dates())
def test_whole_months_are_the_most_that_reach(start: datetime.date, end: datetime.date) -> None:
    """Months are whole if the day of the month has come: the start's day and the end's day say so."""
    text = to_text(evaluate(f'years and months duration(@"{start}", @"{end}")'))
    whole = evaluate(f'@"{text}" / @"P1M"')
    back = to_text(evaluate(f'years and months duration(@"{end}", @"{start}")'))
    assert back == (text.removeprefix("-") if text.startswith("-") else text if text == "P0M" else f"-{text}")
    exact = (end.year - start.year) * 12 + end.month - start.month
    assert abs(whole) <= abs(exact) <= abs(whole) + 1
    assert (whole == exact) == ((end.day - start.day) * exact >= 0)


@given(st.dates())
def test_the_calendar_is_pythons(day: datetime.date) -> None:
    text = f'[day of year(d), day of week(d), month of year(d), week of year(d), week of year(@"{day}T23:59:59+14:00")]'
    found = evaluate(text, d=parse_temporal(day.isoformat()))
    week = day.isocalendar().week
    assert found == [day.timetuple().tm_yday, day.strftime("%A"), day.strftime("%B"), week, week]


@pytest.mark.parametrize(
    ("year", "last_week"),
    [(1, 52), (0, 52), (-1, 52), (9999, 52), (10_000, 52), (2020, 53), (999_999_998, 53)],
)
def test_weeks_at_the_turn_of_the_year(year: int, last_week: int) -> None:
    # 28 December is always in the last week of its year, 4 January in the first.
    assert evaluate(f"week of year(date({year}, 12, 28))") == last_week
    assert evaluate(f"week of year(date({year}, 1, 4))") == 1


def test_is_tells_apart_what_is_only_equal() -> None:
    for text, expected in {
        'is(@"23:00:50Z", @"23:00:50+00:00")': True,
        'is(@"23:00:50Z", @"23:00:50")': False,
        'is(@"23:00:50Z", @"23:00:50@Etc/UTC")': False,
        'is(@"2012-12-25", @"23:00:50")': False,
        'is(@"P0Y", @"P0D")': False,
        'is([@"10:00:00Z"], [@"10:00:00+00:00"])': True,
        "is(1, 1.00)": True,
        'is({a: @"PT1H"}, {a: @"PT60M"})': True,
        "is([1..3], [1..3])": True,
        "is([1..3], [1..3))": False,
        "is(null, null)": True,
        "is(value1: 1)": False,
        "is(true, 1)": False,
    }.items():
        assert evaluate(text) is expected, text


@contextmanager
def clock(moment: datetime.datetime) -> Iterator[None]:
    token = CLOCK.set(lambda: moment)
    try:
        yield
    finally:
        CLOCK.reset(token)


def test_now_and_today_read_the_clock() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=8))
    with clock(datetime.datetime(2024, 2, 29, 23, 59, 59, 250_000, zone)):
        assert to_text(evaluate("now()")) == "2024-02-29T23:59:59.25+08:00"
        assert to_text(evaluate("today()")) == "2024-02-29"
        assert to_text(evaluate('today() + @"P1Y"')) == "2025-02-28"
    before = datetime.datetime.now(datetime.UTC)
    found = evaluate("now()")
    assert isinstance(found, DateTime)
    assert isinstance(found.time, Time) and found.utc_offset is not None
    seconds = found.date.days * 86_400 + found.time.nanoseconds // 10**9 - found.utc_offset
    assert seconds >= int(before.timestamp())


def test_numbers_come_as_decimals() -> None:
    for text in (
        'day of year(@"2024-12-31")',
        'week of year(@"2024-12-31")',
        '@"2024-12-31".year',
        '@"P1D".hours',
    ):
        assert type(evaluate(text)) is Decimal

"""Dates, date-times and durations as texts."""

from __future__ import annotations

import re
from datetime import date, datetime

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
_DAYS = re.compile(r"(-?)P(\d+)D")
_MONTHS = re.compile(r"(-?)P(?:(\d+)Y)?(?:(\d+)M)?")


def parse_date(text: str) -> date | None:
    """`2024-01-31` as a date; None where it is none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_date_time(text: str) -> datetime | None:
    """`2024-01-31T09:00` with optional seconds, as local time of the pack; None where it is none."""
    if not _DATE_TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def parse_days(text: str) -> int | None:
    """`P15D` as a number of days."""
    match = _DAYS.fullmatch(text)
    return None if match is None or len(match[2]) > 7 else int(match[1] + match[2])


def temporal_value(text: str) -> tuple[str, date | datetime | int] | None:
    """The kind (`date`, `date-time`, `days`, `months`) and value of the text of a literal `@"…"`."""
    if (day := parse_date(text)) is not None:
        return "date", day
    if (time := parse_date_time(text)) is not None:
        return "date-time", time
    if (days := parse_days(text)) is not None:
        return "days", days
    match = _MONTHS.fullmatch(text)
    if match and (match[2] or match[3]) and len(text) < 10:
        months = int(match[2] or 0) * 12 + int(match[3] or 0)
        return "months", -months if match[1] else months
    return None

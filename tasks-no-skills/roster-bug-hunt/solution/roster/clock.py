"""Times of day, days and shifts as text."""

import re
from datetime import date, timedelta

DAY = 24 * 60
_TIME = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")


def minute(text):
    match = _TIME.fullmatch(text)
    if not match or int(match[1]) * 60 + int(match[2]) > DAY:
        raise ValueError(f"no time of day: {text!r}")
    return int(match[1]) * 60 + int(match[2])


def time(value):
    return f"{value // 60:02d}:{value % 60:02d}"


def show(span):
    return f"{time(span[0])}-{time(span[1])}"


def next_day(day):
    return str(date.fromisoformat(day) + timedelta(days=1))


def pieces(day, shift):
    """[(day, start, end)]: the shift, cut at midnight."""
    first, _, last = shift.partition("-")
    start, end = minute(first), minute(last)
    if start == DAY or start == end:
        raise ValueError(f"no shift: {shift!r}")
    if start < end:
        return [(day, start, end)]
    head = [(day, start, DAY)]
    return head + [(next_day(day), 0, end)] if end else head

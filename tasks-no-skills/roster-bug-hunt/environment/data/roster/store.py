"""Rosters as text: one line per person and day, separated by tabs."""

from .book import Roster


def dumps(roster):
    return "".join(f"{day}\t{name}\t{' '.join(roster.shifts(name, day))}\n" for name, day in roster.days())


def loads(text):
    roster = Roster()
    for line in text.splitlines():
        day, name, shifts = line.split("\t")
        for shift in shifts.split():
            roster.book(name, day, shift)
    return roster

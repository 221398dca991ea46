"""Who works when."""

from .clock import minute, pieces, show
from .spans import SpanSet


class Clash(Exception):
    """The person is already booked at that time."""


class Roster:
    def __init__(self):
        self._booked = {}  # (name, day) -> SpanSet
        self._free = {}  # (name, day) -> spans that gaps() found

    def _of(self, name, day):
        return self._booked.setdefault((name, day), SpanSet())

    def book(self, name, day, shift):
        for piece_day, start, end in pieces(day, shift):
            taken = self._of(name, piece_day)
            if taken & SpanSet([(start, end)]):
                raise Clash(f"{name} is already booked on {piece_day}")
            taken.add(start, end)
            self._free.pop((name, piece_day), None)

    def cancel(self, name, day, shift):
        first, last = shift.split("-")
        self._of(name, day).remove(minute(first), minute(last))

    def shifts(self, name, day):
        return [show(span) for span in self._of(name, day).spans()]

    def free(self, name, day, opening="08:00-18:00"):
        if (name, day) not in self._free:
            first, last = opening.split("-")
            self._free[name, day] = self._of(name, day).gaps(minute(first), minute(last))
        return [show(span) for span in self._free[name, day]]

    def minutes(self, name, first, last):
        return sum(spans.total() for (who, day), spans in self._booked.items() if who == name and first <= day <= last)

    def on_duty(self, day):
        return sorted(name for name, when in self._booked if when == day)

    def days(self):
        return sorted(self._booked, key=lambda key: (key[1], key[0]))

    def what_if(self):
        twin = Roster()
        twin._booked = dict(self._booked)
        return twin

    def __eq__(self, other):
        return isinstance(other, Roster) and self._booked == other._booked

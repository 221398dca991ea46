"""Who works when."""

from .clock import minute, pieces, show
from .spans import SpanSet


class Clash(Exception):
    """The person is already booked at that time."""


class Roster:
    def __init__(self):
        self._booked = {}  # (name, day) -> SpanSet, never an empty one

    def _of(self, name, day):
        return self._booked.get((name, day), SpanSet())

    def _put(self, name, day, spans):
        self._booked[name, day] = spans
        if not spans:
            del self._booked[name, day]

    def book(self, name, day, shift):
        parts = pieces(day, shift)
        for piece_day, start, end in parts:
            if self._of(name, piece_day) & SpanSet([(start, end)]):
                raise Clash(f"{name} is already booked on {piece_day}")
        for piece_day, start, end in parts:
            spans = self._of(name, piece_day)
            spans.add(start, end)
            self._put(name, piece_day, spans)

    def cancel(self, name, day, shift):
        for piece_day, start, end in pieces(day, shift):
            spans = self._of(name, piece_day)
            spans.remove(start, end)
            self._put(name, piece_day, spans)

    def shifts(self, name, day):
        return [show(span) for span in self._of(name, day).spans()]

    def free(self, name, day, opening="08:00-18:00"):
        first, last = opening.split("-")
        return [show(span) for span in self._of(name, day).gaps(minute(first), minute(last))]

    def minutes(self, name, first, last):
        return sum(spans.total() for (who, day), spans in self._booked.items() if who == name and first <= day <= last)

    def on_duty(self, day):
        return sorted(name for name, when in self._booked if when == day)

    def days(self):
        return sorted(self._booked, key=lambda key: (key[1], key[0]))

    def what_if(self):
        twin = Roster()
        twin._booked = {key: spans.copy() for key, spans in self._booked.items()}
        return twin

    def __eq__(self, other):
        return isinstance(other, Roster) and self._booked == other._booked

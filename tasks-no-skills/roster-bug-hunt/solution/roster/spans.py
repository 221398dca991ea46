"""Sets of minutes, kept as the edges of their spans."""

from bisect import bisect_left, bisect_right


class SpanSet:
    """Half-open spans [start, end) in canonical form; see CONTRACT.md."""

    def __init__(self, spans=()):
        # start, end, start, end, ... in ascending order: an even index is a start, an odd one an end.
        self._edges = []
        for start, end in spans:
            self.add(start, end)

    def add(self, start, end):
        self._check(start, end)
        if start == end:
            return
        first, last = bisect_left(self._edges, start), bisect_right(self._edges, end)
        new = []
        if first % 2 == 0:
            new.append(start)
        if last % 2 == 0:
            new.append(end)
        self._edges[first:last] = new

    def remove(self, start, end):
        self._check(start, end)
        if start == end:
            return
        first, last = bisect_left(self._edges, start), bisect_right(self._edges, end)
        new = []
        if first % 2 == 1:
            new.append(start)
        if last % 2 == 1:
            new.append(end)
        self._edges[first:last] = new

    @staticmethod
    def _check(start, end):
        if start > end:
            raise ValueError(f"span ends before it starts: {start}-{end}")

    def spans(self):
        return list(zip(self._edges[::2], self._edges[1::2]))

    def total(self):
        return sum(end - start for start, end in self.spans())

    def contains(self, minute):
        return bisect_right(self._edges, minute) % 2 == 1

    def covers(self, start, end):
        if start >= end:
            return True
        index = bisect_right(self._edges, start)
        return index % 2 == 1 and end <= self._edges[index]

    def gaps(self, start, end):
        rest = SpanSet([(start, end)])
        for taken in self.spans():
            rest.remove(*taken)
        return rest.spans()

    def __and__(self, other):
        both = SpanSet()
        for start, end in self.spans():
            for other_start, other_end in other.spans():
                if max(start, other_start) < min(end, other_end):
                    both.add(max(start, other_start), min(end, other_end))
        return both

    def copy(self):
        twin = SpanSet()
        twin._edges = self._edges[:]
        return twin

    def __bool__(self):
        return bool(self._edges)

    def __eq__(self, other):
        return isinstance(other, SpanSet) and self._edges == other._edges

    def __repr__(self):
        return f"SpanSet({self.spans()})"

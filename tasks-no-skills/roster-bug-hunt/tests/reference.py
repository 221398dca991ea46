"""The contract, spelled out minute by minute with plain sets: slow, and nothing to get wrong."""
from datetime import date, timedelta


class Clash(Exception):
    pass


def runs(minutes):
    spans = []
    for m in sorted(minutes):
        if spans and spans[-1][1] == m:
            spans[-1][1] = m + 1
        else:
            spans.append([m, m + 1])
    return [tuple(span) for span in spans]


class SpanSet:
    def __init__(self, spans=()):
        self.minutes = set()
        for start, end in spans:
            self.add(start, end)

    def add(self, start, end):
        if start > end:
            raise ValueError
        self.minutes |= set(range(start, end))

    def remove(self, start, end):
        if start > end:
            raise ValueError
        self.minutes -= set(range(start, end))

    def spans(self):
        return runs(self.minutes)

    def total(self):
        return len(self.minutes)

    def contains(self, minute):
        return minute in self.minutes

    def covers(self, start, end):
        return set(range(start, end)) <= self.minutes

    def gaps(self, start, end):
        return runs(set(range(start, end)) - self.minutes)

    def __and__(self, other):
        both = SpanSet()
        both.minutes = self.minutes & other.minutes
        return both

    def copy(self):
        return self & self

    def __bool__(self):
        return bool(self.minutes)

    def __eq__(self, other):
        return self.minutes == other.minutes


def minute(text):
    hours, _, rest = text.partition(":")
    if len(text) != 5 or len(hours) != 2 or not (hours + rest).isdigit() or int(rest) > 59 or int(hours) * 60 + int(rest) > 1440:
        raise ValueError
    return int(hours) * 60 + int(rest)


def shown(minutes):
    return [f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in runs(minutes)]


def pieces(day, shift):
    """day -> the minutes of the shift on it"""
    start, end = (minute(text) for text in shift.split("-"))
    if start == 1440 or start == end:
        raise ValueError
    if start < end:
        return {day: set(range(start, end))}
    tomorrow = str(date.fromisoformat(day) + timedelta(days=1))
    return {day: set(range(start, 1440)), tomorrow: set(range(end))}


class Roster:
    def __init__(self):
        self.booked = {}  # (day, name) -> minutes, at least one

    def of(self, name, day):
        return self.booked.get((day, name), set())

    def put(self, name, day, minutes):
        self.booked[day, name] = minutes
        if not minutes:
            del self.booked[day, name]

    def book(self, name, day, shift):
        wanted = pieces(day, shift)
        if any(self.of(name, when) & minutes for when, minutes in wanted.items()):
            raise Clash
        for when, minutes in wanted.items():
            self.put(name, when, self.of(name, when) | minutes)

    def cancel(self, name, day, shift):
        for when, minutes in pieces(day, shift).items():
            self.put(name, when, self.of(name, when) - minutes)

    def shifts(self, name, day):
        return shown(self.of(name, day))

    def free(self, name, day, opening="08:00-18:00"):
        start, end = (minute(text) for text in opening.split("-"))
        return shown(set(range(start, end)) - self.of(name, day))

    def minutes(self, name, first, last):
        return sum(len(minutes) for (day, who), minutes in self.booked.items() if who == name and first <= day <= last)

    def on_duty(self, day):
        return sorted(who for when, who in self.booked if when == day)

    def days(self):
        return [(who, when) for when, who in sorted(self.booked)]

    def what_if(self):
        twin = Roster()
        twin.booked = dict(self.booked)
        return twin

    def __eq__(self, other):
        return self.booked == other.booked


def dumps(roster):
    return "".join(f"{day}\t{name}\t{' '.join(roster.shifts(name, day))}\n" for name, day in roster.days())


def loads(text):
    roster = Roster()
    for line in text.splitlines():
        day, name, shifts = line.split("\t")
        for shift in shifts.split():
            roster.book(name, day, shift)
    return roster


def command(path, name, *rest):
    with open(path, encoding="utf-8") as file:
        roster = loads(file.read())
    answer = {"free": roster.free, "duty": roster.on_duty, "minutes": roster.minutes}[name](*rest)
    return "\n".join(answer) + "\n" if isinstance(answer, list) else f"{answer}\n"


NAMES = {"SpanSet": SpanSet, "Roster": Roster, "loads": loads, "dumps": dumps, "command": command}

import csv
import json
import math
import re
from bisect import bisect_right
from collections import defaultdict
from datetime import date, datetime, timedelta

KWH = {"kWh": 1.0, "MWh": 1000.0, "GJ": 1000 / 3.6, "Mcal": 1.163}
CHANGES = [(datetime(2023, 10, 29, 1), 1), (datetime(2024, 3, 31, 1), 2)]
HOLIDAYS = {date(2023, 11, 1), date(2024, 3, 29), date(2024, 4, 1)}


def offset(moment):
    hours = 2
    for change, after in CHANGES:
        hours = after if moment >= change else hours
    return hours


def to_utc(stamp, second=False):
    """The moment of a local stamp; of two, the later one if `second`."""
    fits = [stamp - timedelta(hours=h) for h in (2, 1) if offset(stamp - timedelta(hours=h)) == h]
    return fits[-1] if second else fits[0]


def parse(line):
    return datetime.strptime(line, "%d.%m.%Y %H:%M")


class Log:
    """One meter's readings: UTC and kWh delivered since the first row."""

    def __init__(self):
        self.unit, self.wrap, self.register, self.turns, self.base = None, None, None, 0, 0.0
        self.times, self.totals, self.last = [], [], None

    def add(self, moment, value):
        if self.wrap and self.register is not None and value < self.register - 1e-9:
            self.turns += 1
        self.register = value
        self.times.append(moment)
        self.totals.append(self.base + (value + self.turns * (self.wrap or 0)) * KWH[self.unit])

    def row(self, stamp, text):
        if (stamp, text) == self.last:
            return
        previous = self.last[0] if self.last else None
        second = previous is not None and previous.date() == stamp.date() and (stamp <= previous or self.second)
        self.second, self.last = second, (stamp, text)
        value = float(text) if re.fullmatch(r"[\d.]+", text) else math.nan
        if not math.isnan(value):
            self.add(to_utc(stamp, second), value)

    def remark(self, stamp, text):
        if found := re.fullmatch(r"unit (kWh|MWh|GJ|Mcal)(?:, wraps at (\d+))?", text):
            before, total = self.unit, (self.register or 0) * KWH[self.unit or "kWh"] + self.turns * (self.wrap or 0) * KWH[self.unit or "kWh"]
            self.unit, self.wrap = found[1], float(found[2]) if found[2] else None
            if before:
                count = total / KWH[self.unit]
                self.turns = int(count // self.wrap) if self.wrap else 0
                # The new display may show a little less than the old one did: no digit is lost but the last.
                self.register = count - self.turns * (self.wrap or 0) - 0.01
        elif found := re.fullmatch(r"exchanged: last ([\d.]+) (\w+), first ([\d.]+) (\w+)", text):
            self.add(to_utc(stamp), float(found[1]))
            self.unit, self.wrap, self.turns = found[4], None, 0
            self.base = self.totals[-1] - float(found[3]) * KWH[self.unit]
            self.register = float(found[3])

    second = False

    def total(self, moment):
        index = bisect_right(self.times, moment)
        if index == len(self.times):
            return self.totals[-1]
        t0, t1, e0, e1 = self.times[index - 1], self.times[index], self.totals[index - 1], self.totals[index]
        return e0 + (e1 - e0) * ((moment - t0) / (t1 - t0))


def read(path):
    logs = defaultdict(Log)
    for line in open(path, encoding="utf-8").read().splitlines()[1:]:
        if line.startswith("#"):
            _, day, clock, meter, text = line.split(" ", 4)
            logs[meter].remark(parse(f"{day} {clock}"), text)
        else:
            stamp, meter, text = line.split(";")
            logs[meter].row(parse(stamp), text.strip())
    return logs


rows, bill = [], defaultdict(lambda: defaultdict(float))
for name in ("autumn", "spring"):
    for meter, log in sorted(read(f"/app/meters/{name}.csv").items()):
        day = (log.times[0] + timedelta(hours=offset(log.times[0]))).date()
        while True:
            midnight = datetime(day.year, day.month, day.day)
            start, stop = to_utc(midnight), to_utc(midnight + timedelta(days=1))
            if stop > log.times[-1]:
                break
            if start >= log.times[0]:
                gap = any(b - a > timedelta(hours=3) and a < stop and b > start for a, b in zip(log.times, log.times[1:]))
                bill[meter][f"{day:%Y-%m}"] += 0
                if gap:
                    rows.append([str(day), meter, "", ""])
                else:
                    kwh, peak = log.total(stop) - log.total(start), 0.0
                    if day.weekday() < 5 and day not in HOLIDAYS:
                        peak = log.total(to_utc(midnight.replace(hour=22))) - log.total(to_utc(midnight.replace(hour=6)))
                    rows.append([str(day), meter, f"{kwh:.3f}", f"{peak:.3f}"])
                    low, high = (0.094, 0.131) if day < date(2023, 11, 1) else (0.098, 0.139)
                    bill[meter][f"{day:%Y-%m}"] += (kwh - peak) * low + peak * high
            day += timedelta(days=1)
with open("/app/days.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["day", "meter", "kwh", "peak_kwh"])
    writer.writerows(sorted(rows))
with open("/app/bill.json", "w") as file:
    json.dump({meter: {month: round(cost, 2) for month, cost in months.items()} for meter, months in bill.items()}, file)

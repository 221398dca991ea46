import gzip
import json
import re
from datetime import datetime, timedelta, timezone

LINE = re.compile(r"([A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{3}) \[(\w+)\] (.*)")
FROM = datetime(2023, 12, 31, 20, 30, tzinfo=timezone.utc)
TO = datetime(2024, 1, 1, 3, 0, tzinfo=timezone.utc)


def read(name):
    opener = gzip.open if name.endswith("gz") else open
    with opener(f"/app/logs/{name}", "rt") as file:
        return file.read().splitlines()


lines = []
for name in ("gate.log.3.gz", "gate.log.2.gz", "gate.log.1", "gate.log"):
    new = read(name)
    overlap = max(k for k in range(min(len(lines), len(new), 200) + 1) if k == 0 or lines[-k:] == new[:k])
    lines += new[overlap:]


def milliseconds(text):
    if text == "-":
        return None
    if text.endswith("ms"):
        return int(text[:-2])
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?([\d.]+)s", text).groups()
    return int(minutes or 0) * 60000 + round(float(seconds) * 1000)


requests, running, offset = [], {}, None
for line in lines:
    match = LINE.match(line)
    if not match:
        continue
    stamp, source, text = match.groups()
    # The night is known: what is stamped December is 2023, January is 2024, by whatever clock.
    naive = datetime.strptime(("2023 " if stamp.startswith("Dec") else "2024 ") + stamp, "%Y %b %d %H:%M:%S.%f")
    if clock := re.search(r"log clock is (?:now )?UTC([+-])(\d\d):(\d\d)", text):
        sign, hours, minutes = clock.groups()
        offset = (1 if sign == "+" else -1) * timedelta(hours=int(hours), minutes=int(minutes))
        continue
    moment = (naive - offset).replace(tzinfo=timezone.utc)
    if begin := re.fullmatch(r"#(\w\w) BEGIN (\S+) (\S+)", text):
        number, method, target = begin.groups()
        path = target.split("?")[0]
        path = "/" + "/".join("{id}" if part.isdigit() else part for part in path.strip("/").split("/"))
        request = {"begin": moment, "route": f"{method} {path}", "status": None, "ms": None}
        requests.append(request)
        running[source, number] = request
    elif end := re.fullmatch(r"#(\w\w) END (\d+) took=(\S+)", text):
        request = running.pop((source, end[1]), None)
        if request:
            request["status"], request["ms"] = int(end[2]), milliseconds(end[3])

chosen = [r for r in requests if FROM <= r["begin"] < TO]
timed = [r for r in chosen if r["ms"] is not None]
for r in timed:
    r["end"] = r["begin"] + timedelta(milliseconds=r["ms"])
routes = {}
for route in sorted({r["route"] for r in chosen}):
    mine = [r for r in chosen if r["route"] == route]
    known = sorted(r["ms"] for r in mine if r["ms"] is not None)
    routes[route] = {
        "requests": len(mine),
        "unfinished": sum(r["status"] is None for r in mine),
        "errors": sum((r["status"] or 0) >= 500 for r in mine),
        "p95_ms": known[-(-95 * len(known) // 100) - 1] if known else None,
    }
level = highest = 0
at = None
for moment, change in sorted([(r["begin"], 1) for r in timed] + [(r["end"], -1) for r in timed]):
    level += change
    if level > highest:
        highest, at = level, moment
ends = sorted(r["end"] for r in timed if r["status"] < 500)
gap, start, stop = max(((b - a, a, b) for a, b in zip(ends, ends[1:])), key=lambda item: item[0])


def utc(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


report = {"requests": len(chosen), "routes": routes, "peak": {"in_flight": highest, "at": utc(at)}, "outage": {"from": utc(start), "to": utc(stop)}}
with open("/app/incident.json", "w") as file:
    json.dump(report, file, indent=2)

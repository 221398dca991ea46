"""Checks /app/incident.json against expected.json, which make_data.py wrote from the simulated night."""
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from ctrf import read_output, run

EXPECTED = json.loads((HERE / "expected.json").read_text())


def found(*keys):
    value = json.loads(read_output("/app/incident.json"))
    for key in keys:
        value = value[key]
    return value


def whole(value):
    return value if type(value) is int or (type(value) is float and value.is_integer()) else None


def requests():
    assert whole(found("requests")) == EXPECTED["requests"], "requests is wrong"


def names():
    missing, surplus = set(EXPECTED["routes"]) - set(found("routes")), set(found("routes")) - set(EXPECTED["routes"])
    assert not missing and not surplus, f"{len(missing)} routes missing, {len(surplus)} surplus"


def per_route(column):
    routes = found("routes")
    wrong = sum(whole(routes.get(route, {}).get(column)) != row[column] for route, row in EXPECTED["routes"].items())
    assert not wrong, f"{column} is wrong for {wrong} of {len(EXPECTED['routes'])} routes"


def same(*keys):
    expected = EXPECTED
    for key in keys:
        expected = expected[key]
    value = found(*keys)
    assert type(value) is type(expected) and value == expected, f"{'.'.join(keys)} is wrong"


run([
    ("number of requests", 2, requests),
    ("names of the routes", 0.5, names),
    ("requests per route", 1.5, lambda: per_route("requests")),
    ("unfinished requests per route", 2, lambda: per_route("unfinished")),
    ("errors per route", 1.5, lambda: per_route("errors")),
    ("95th percentile per route", 1.5, lambda: per_route("p95_ms")),
    ("peak in flight", 1, lambda: same("peak", "in_flight")),
    ("moment of the peak", 1, lambda: same("peak", "at")),
    ("start of the outage", 1, lambda: same("outage", "from")),
    ("end of the outage", 1, lambda: same("outage", "to")),
])

"""Checks /app/plan.json against the rules and this file's own copy of the week."""
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from ctrf import read_output, run

STUDIO = json.loads((HERE / "studio.json").read_text())
LOWEST = 10482  # found and proved by exhaustive search (solution/solve.py)
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
BATCHES = {batch["id"]: batch for batch in STUDIO["batches"]}
TIMES = {f"{day} {hour:02d}:00": index * 24 + hour for index, day in enumerate(DAYS) for hour in range(24)}


def cents(hour):
    clock = f"{hour % 24:02d}:00"
    week = STUDIO["cents_per_kwh"]["Mon-Fri" if hour < 120 else "Sat-Sun"]
    return next(price for first, last, price in week if first <= clock < last)


def plan():
    """(start, heating ends, unloaded, programme, batches) of each firing, once all of them are of the right form and every step is in exactly one."""
    found, firings, steps = json.loads(read_output("/app/plan.json", 100_000)), [], []
    for firing in found["firings"]:
        name, batches, start = firing["programme"], firing["batches"], TIMES[firing["start"]]
        programme = STUDIO["programmes"][name]
        assert type(batches) is list and batches, "a firing without batches"
        hot = start + len(programme["kwh"])
        firings.append((start, hot, hot + programme["cooling_hours"], name, batches))
        steps += [(batch, name) for batch in batches]
    wanted = [(batch["id"], name) for batch in STUDIO["batches"] for name, _ in batch["steps"]]
    assert sorted(steps) == sorted(wanted), "some step is missing, unknown or there twice"
    return firings


def room():
    for _, _, _, name, batches in plan():
        litres = sum(dict(BATCHES[batch]["steps"])[name] for batch in batches)
        assert litres <= STUDIO["kiln"]["volume_litres"], "a firing holds too much"


def kiln():
    free, firings = 0, plan()
    for start, _, unloaded, _, _ in firings:
        assert start >= free, "firings overlap or are out of order"
        free = unloaded
    assert free <= 168, "the last firing runs past the end of the week"
    for first, last in STUDIO["kiln"]["closed"]:
        assert all(unloaded <= TIMES[first] or start >= TIMES[last] for start, _, unloaded, _, _ in firings), "the kiln is in use while closed"


def fuse():
    rule = STUDIO["fuse"]
    for start, _, _, name, _ in plan():
        for hour, kwh in enumerate(STUDIO["programmes"][name]["kwh"], start):
            assert not rule["from"] <= f"{hour % 24:02d}:00" < rule["to"] or kwh <= rule["max_kwh"], "the fuse blows"


def order():
    firings = {(batch, name): (start, unloaded) for start, _, unloaded, name, batches in plan() for batch in batches}
    for batch in STUDIO["batches"]:
        for (before, _), (after, _) in zip(batch["steps"], batch["steps"][1:]):
            assert firings[batch["id"], after][0] >= firings[batch["id"], before][1] + STUDIO["rest_hours"], "a step comes too early after the one before"


def cost():
    """What a plan that keeps all rules costs."""
    for rule in (room, kiln, fuse, order):
        rule()
    total = 0
    for start, _, unloaded, name, batches in plan():
        total += sum(kwh * cents(hour) for hour, kwh in enumerate(STUDIO["programmes"][name]["kwh"], start))
        for batch in batches:
            if BATCHES[batch]["steps"][-1][0] == name:
                total += max(0, unloaded - TIMES[BATCHES[batch]["due"]]) * BATCHES[batch]["late_cents_per_hour"]
    return total


def stated():
    assert json.loads(read_output("/app/plan.json", 100_000))["cost_cents"] == cost(), "cost_cents is not what the plan costs"


def within(share, words):
    assert cost() * 100 <= LOWEST * (100 + share), words


run([
    ("every step is fired once", 0.5, plan),
    ("loads fit the kiln", 0.5, room),
    ("kiln hours", 0.5, kiln),
    ("fuse", 0.5, fuse),
    ("order and rest", 0.5, order),
    ("stated cost", 1, stated),
    ("within 5 % of the lowest cost", 1.5, lambda: within(5, "more than 5 % above the lowest cost")),
    ("lowest cost", 4, lambda: within(0, "not the lowest cost")),
])

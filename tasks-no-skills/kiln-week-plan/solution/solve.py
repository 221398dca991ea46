"""Exact: from firing to firing, over (steps done, steps in the last firing), keeping the undominated (kiln free at, cost) pairs."""
import json
from itertools import combinations

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
WEEK = 7 * 24
studio = json.load(open("/app/studio.json"))
programmes, rest, room = studio["programmes"], studio["rest_hours"], studio["kiln"]["volume_litres"]


def hour(text):
    day, clock = text.split()
    return DAYS.index(day) * 24 + int(clock[:2])


price = [0] * WEEK
for day in range(7):
    for first, last, cents in studio["cents_per_kwh"]["Mon-Fri" if day < 5 else "Sat-Sun"]:
        for clock in range(int(first[:2]), int(last[:2])):
            price[day * 24 + clock] = cents
closed = {h for first, last in studio["kiln"]["closed"] for h in range(hour(first), hour(last))}
fuse = studio["fuse"]
weak = range(int(fuse["from"][:2]), int(fuse["to"][:2]))

starts = {name: [] for name in programmes}  # programme -> (start, unloading, cents)
for name, programme in programmes.items():
    heat, cool = programme["kwh"], programme["cooling_hours"]
    for start in range(WEEK - len(heat) - cool + 1):
        end = start + len(heat) + cool
        blown = any((start + k) % 24 in weak and kwh > fuse["max_kwh"] for k, kwh in enumerate(heat))
        if not blown and not closed & set(range(start, end)):
            starts[name].append((start, end, sum(kwh * price[start + k] for k, kwh in enumerate(heat))))

steps = []  # (batch, programme, litres, bit of the step before, due or None, cents an hour late)
for batch in studio["batches"]:
    for index, (name, litres) in enumerate(batch["steps"]):
        last = index == len(batch["steps"]) - 1
        steps.append((batch["id"], name, litres, 1 << len(steps) - 1 if index else 0, hour(batch["due"]) if last else None, batch["late_cents_per_hour"]))
FULL = (1 << len(steps)) - 1
cheapest = {name: min(cents for _, _, cents in found) for name, found in starts.items()}


def bound(done):
    """At least this much electricity is still to come."""
    total = 0
    for name in programmes:
        litres = sum(step[2] for j, step in enumerate(steps) if step[1] == name and not done >> j & 1)
        total += -(-litres // room) * cheapest[name]
    return total


def loads(done):
    for name in programmes:
        ready = [j for j, step in enumerate(steps) if step[1] == name and not done >> j & 1 and (not step[3] or done & step[3])]
        for size in range(1, len(ready) + 1):
            for chosen in combinations(ready, size):
                if sum(steps[j][2] for j in chosen) <= room:
                    yield name, chosen


def search(limit):
    """The cheapest complete label with a cost of at most `limit`, or None. A label: (kiln free at, cost, label before, start, programme, steps)."""
    layer, best = {(0, 0): [(0, 0, None, None, None, ())]}, None
    while layer:
        following = {}
        for (done, before), labels in layer.items():
            for name, chosen in loads(done):
                bits = sum(1 << j for j in chosen)
                wait = rest if any(steps[j][3] & before for j in chosen) else 0
                spare = limit - bound(done | bits)
                out = following.setdefault((done | bits, bits), [])
                for label in labels:
                    least = None
                    for start, end, cents in starts[name]:
                        if start < label[0] + wait:
                            continue
                        cost = label[1] + cents + sum(steps[j][5] * max(0, end - steps[j][4]) for j in chosen if steps[j][4] is not None)
                        if cost <= spare and (least is None or cost < least):
                            least = cost
                            out.append((end, cost, label, start, name, chosen))
        layer = {}
        for key, labels in following.items():
            kept = []
            for label in sorted(labels, key=lambda label: label[:2]):
                if not kept or label[1] < kept[-1][1]:
                    kept.append(label)
            if key[0] == FULL:
                for label in kept:
                    if best is None or label[1] < best[1]:
                        best, limit = label, label[1]
            elif kept:
                layer[key] = kept
    return best


limit, label = bound(0), None
while label is None:
    limit = limit * 5 // 4
    label = search(limit)
cost, firings = label[1], []
while label[2]:
    start = f"{DAYS[label[3] // 24]} {label[3] % 24:02d}:00"
    firings.insert(0, {"start": start, "programme": label[4], "batches": [steps[j][0] for j in label[5]]})
    label = label[2]
with open("/app/plan.json", "w") as file:
    json.dump({"firings": firings, "cost_cents": cost}, file, indent=1)
print(cost, *firings, sep="\n")

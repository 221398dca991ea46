"""Checks /app/report.json against the values of the noiseless model (make_data.py prints them)."""
import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
from ctrf import read_output, run

TOLERANCE = 0.001


def value(*keys, kind=(int, float)):
    found = json.loads(read_output("/app/report.json"))
    for key in keys:
        found = found[key]
    assert type(found) in kind, f"{'.'.join(keys)} has the wrong type"
    return found


def exact(expected, *keys):
    assert value(*keys, kind=(int,)) == expected, f"{'.'.join(keys)} is wrong"


def near(expected, *keys):
    assert abs(value(*keys) - expected) <= TOLERANCE * expected, f"{'.'.join(keys)} is more than 0.1 % off"


run([
    ("number of parts", 1, lambda: exact(5, "parts")),
    ("facets of the largest part", 2, lambda: exact(616, "largest", "facets")),
    ("material of the largest part", 1, lambda: exact(0x2A, "largest", "material_id")),
    ("volume of the largest part", 2, lambda: near(24.196260, "largest", "volume_cm3")),
    ("mass of the largest part", 2, lambda: near(191.150454, "largest", "mass_g")),
    ("total mass of all parts", 2, lambda: near(410.876732, "total_mass_g")),
])

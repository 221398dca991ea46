import csv
import json
import math
import struct
from collections import defaultdict
from itertools import product

WELD_MM = 0.02


def read_facets(path):
    blob = open(path, "rb").read()
    header = dict(item.split("=") for item in blob[:80].decode().split() if "=" in item)
    assert header["unit"] == "0.1mm"
    (count,) = struct.unpack_from("<I", blob, 80)
    for index in range(count):
        start = 84 + 50 * index
        numbers = struct.unpack_from("<12f", blob, start)
        (word,) = struct.unpack_from(">H", blob, start + 48)
        if not word & 0x8000:
            corners = [tuple(0.1 * x for x in numbers[3 + 3 * k : 6 + 3 * k]) for k in range(3)]
            yield corners, word & 0x3F


def weld(points):
    """Number of the corner each point belongs to; a grid with its 26 neighbours finds what plain rounding splits."""
    cells, places, numbers = defaultdict(list), [], []
    for point in points:
        cell = tuple(math.floor(x / WELD_MM) for x in point)
        found = None
        for step in product((-1, 0, 1), repeat=3):
            for number in cells.get(tuple(c + s for c, s in zip(cell, step)), ()):
                if math.dist(places[number], point) < WELD_MM:
                    found = number
        if found is None:
            found = len(places)
            places.append(point)
            cells[cell].append(found)
        numbers.append(found)
    return numbers, places


def six_volume(a, b, c):
    return a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])


def area(a, b, c):
    u, v = [b[i] - a[i] for i in range(3)], [c[i] - a[i] for i in range(3)]
    return math.hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]) / 2


def edges(facet):
    return [frozenset((facet[k], facet[(k + 1) % 3])) for k in range(3)]


def shells(facets):
    by_edge = defaultdict(list)
    for index, facet in enumerate(facets):
        for edge in edges(facet):
            by_edge[edge].append(index)
    seen = set()
    for first in range(len(facets)):
        if first in seen:
            continue
        stack, shell = [first], []
        seen.add(first)
        while stack:
            index = stack.pop()
            shell.append(index)
            for edge in edges(facets[index]):
                for other in by_edge[edge]:
                    if other not in seen:
                        seen.add(other)
                        stack.append(other)
        if all(len(by_edge[edge]) == 2 for index in shell for edge in edges(facets[index])):
            yield shell


def encloses(triangles, point):
    """Whether the point lies inside, by the solid angle the shell covers."""
    total = 0.0
    for triangle in triangles:
        a, b, c = ([x - y for x, y in zip(corner, point)] for corner in triangle)
        la, lb, lc = math.hypot(*a), math.hypot(*b), math.hypot(*c)
        dot = lambda p, q: sum(x * y for x, y in zip(p, q))
        total += 2 * math.atan2(six_volume(a, b, c), la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(a, c) * lb)
    return abs(total) > 2 * math.pi


def main():
    raw = list(read_facets("/app/scan.stl"))
    numbers, places = weld([corner for corners, _ in raw for corner in corners])
    unique = {}
    for index, (_, material) in enumerate(raw):
        a, b, c = numbers[3 * index : 3 * index + 3]
        unique.setdefault(min((a, b, c), (b, c, a), (c, a, b)), material)
    facets, materials = list(unique), list(unique.values())
    triangles = [[places[n] for n in facet] for facet in facets]
    outer, voids = [], []
    for shell in shells(facets):
        volume = sum(six_volume(*triangles[i]) for i in shell) / 6000
        (outer if volume > 0 else voids).append([list(shell), volume])
    bodies = [[triangles[i] for i in shell] for shell, _ in outer]
    for shell, volume in voids:
        (owner,) = [k for k, body in enumerate(bodies) if encloses(body, triangles[shell[0]][0])]
        outer[owner][0] += shell
        outer[owner][1] += volume
    densities = {}
    with open("/app/materials.csv") as file:
        for row in csv.DictReader(file):
            densities[int(row["id"], 16)] = float(row["density"]) * {"g/cm3": 1.0, "kg/m3": 0.001}[row["unit"]]
    parts = []
    for shell, volume in outer:
        covered = defaultdict(float)
        for i in shell:
            covered[materials[i]] += area(*triangles[i])
        material = max(covered, key=covered.__getitem__)
        parts.append((volume, len(shell), material, volume * densities[material]))
    volume, count, material, mass = max(parts)
    report = {
        "parts": len(parts),
        "largest": {"facets": count, "material_id": material, "volume_cm3": volume, "mass_g": mass},
        "total_mass_g": sum(part[3] for part in parts),
    }
    with open("/app/report.json", "w") as file:
        json.dump(report, file, indent=2)
    print(report)


main()

"""Writes environment/data/scan.stl (seeded) and prints the exact values of the noiseless parts."""
import math
import random
import struct
from pathlib import Path

rng = random.Random(40417)
UNIT_MM = 0.1
NOISE_MM = 0.0038
DENSITY = {0x03: 2.70, 0x0A: 1.01, 0x0B: 8.78, 0x10: 4.28, 0x14: 11.2, 0x1B: 4.43, 0x20: 8.47, 0x2A: 7.9}


def sphere(centre, radius, slices, stacks, squash=1.0):
    cx, cy, cz = centre
    ring = [
        [
            (cx + radius * math.sin(math.pi * i / stacks) * math.cos(2 * math.pi * j / slices),
             cy + radius * math.sin(math.pi * i / stacks) * math.sin(2 * math.pi * j / slices),
             cz + squash * radius * math.cos(math.pi * i / stacks))
            for j in range(slices)
        ]
        for i in range(1, stacks)
    ]
    top, bottom = (cx, cy, cz + squash * radius), (cx, cy, cz - squash * radius)
    facets = []
    for j in range(slices):
        k = (j + 1) % slices
        facets += [(top, ring[0][j], ring[0][k]), (bottom, ring[-1][k], ring[-1][j])]
        for upper, lower in zip(ring, ring[1:]):
            facets += [(upper[j], lower[j], lower[k]), (upper[j], lower[k], upper[k])]
    return facets


def torus(centre, major, minor, around, across):
    def point(i, j):
        a, b = 2 * math.pi * (i % around) / around, 2 * math.pi * (j % across) / across
        r = major + minor * math.cos(b)
        return (centre[0] + r * math.cos(a), centre[1] + r * math.sin(a), centre[2] + minor * math.sin(b))

    facets = []
    for i in range(around):
        for j in range(across):
            a, b, c, d = point(i, j), point(i + 1, j), point(i + 1, j + 1), point(i, j + 1)
            facets += [(a, b, c), (a, c, d)]
    return facets


def box(low, high, cells):
    """A box whose faces are cut into cells x cells squares."""
    def at(axis_values):
        return tuple(low[i] + (high[i] - low[i]) * axis_values[i] / cells for i in range(3))

    facets = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (0, cells):
            for p in range(cells):
                for q in range(cells):
                    quad = []
                    for dp, dq in ((0, 0), (1, 0), (1, 1), (0, 1)):
                        values = [0, 0, 0]
                        values[axis], values[u], values[v] = side, p + dp, q + dq
                        quad.append(at(values))
                    if side == 0:
                        quad.reverse()
                    facets += [(quad[0], quad[1], quad[2]), (quad[0], quad[2], quad[3])]
    return facets


def bracket(origin, scale):
    """A U profile (8 corners) extruded along y."""
    profile = [(0, 0), (50, 0), (50, 40), (41, 40), (41, 12), (9, 12), (9, 40), (0, 40)]
    caps = [(0, 1, 4), (0, 4, 5), (1, 2, 3), (1, 3, 4), (5, 6, 7), (5, 7, 0)]
    depth = 30

    def at(index, y):
        x, z = profile[index]
        return (origin[0] + x * scale, origin[1] + y * scale, origin[2] + z * scale)

    facets = []
    for a, b, c in caps:
        facets += [(at(a, 0), at(b, 0), at(c, 0)), (at(c, depth), at(b, depth), at(a, depth))]
    for i in range(8):
        k = (i + 1) % 8
        facets += [(at(i, 0), at(i, depth), at(k, depth)), (at(i, 0), at(k, depth), at(k, 0))]
    return facets


def inward(facets):
    return [(a, c, b) for a, b, c in facets]


def volume(facets):
    return sum(
        a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
        for a, b, c in facets
    ) / 6


def area(facet):
    a, b, c = facet
    u = [b[i] - a[i] for i in range(3)]
    v = [c[i] - a[i] for i in range(3)]
    return math.dist((u[1] * v[2], u[2] * v[0], u[0] * v[1]), (u[2] * v[1], u[0] * v[2], u[1] * v[0])) / 2


def parts():
    """(name, facets of outer shell and voids, material by area, how stray tags are laid)."""
    u = (-12.35, 4.15, 30.25)
    bracket_body = bracket(u, 0.95)
    bracket_void = inward(box((u[0] + 6, u[1] + 4, u[2] + 2.6), (u[0] + 41, u[1] + 24, u[2] + 8.6), 7))
    # Stands in the notch of the bracket without touching it.
    block_low = (u[0] + 12.05, u[1] + 6.15, u[2] + 13.65)
    block = box(block_low, (block_low[0] + 22.5, block_low[1] + 15.25, block_low[2] + 20.5), 5)
    block_void = inward(sphere((block_low[0] + 11.3, block_low[1] + 7.6, block_low[2] + 9.9), 5.5, 12, 8))
    ball = sphere((95.75, -40.25, 60.05), 20.2, 26, 16)
    ball_void = inward(sphere((96.35, -40.85, 60.45), 16.6, 14, 9))
    ring = torus((20.15, 70.65, 12.35), 13.4, 4.3, 26, 11)
    # One corner in common with the bracket, nothing else.
    tip = (u[0] + 50 * 0.95, u[1], u[2])
    far = [(tip[0] + 9, tip[1] - 2, tip[2] - 1), (tip[0] + 4, tip[1] - 11, tip[2] + 1), (tip[0] + 5, tip[1] - 4, tip[2] - 12)]
    wedge = [(tip, far[0], far[1]), (tip, far[1], far[2]), (tip, far[2], far[0]), (far[0], far[2], far[1])]
    if volume(wedge) < 0:
        wedge = inward(wedge)
    return [
        ("bracket", bracket_body + bracket_void, 0x2A, 0x03),
        ("block", block + block_void, 0x1B, 0x0A),
        ("ball", ball + ball_void, 0x0B, 0x10),
        ("ring", ring, 0x14, 0x20),
        ("wedge", wedge, 0x03, 0x03),
    ]


def tag(name, facets, material, stray):
    """Material ids: the right one covers most of the area, though not always most of the facets."""
    if name == "bracket":
        order = sorted(facets, key=area)
        small, budget, tagged = 0.0, 0.40 * sum(map(area, facets)), {}
        for facet in order:
            small += area(facet)
            tagged[facet] = stray if small < budget else material
        return tagged
    return {facet: stray if stray != material and rng.random() < 0.2 else material for facet in facets}


def main():
    records, summary = [], []
    for name, facets, material, stray in parts():
        tagged = tag(name, facets, material, stray)
        by_area = {}
        for facet, tag_id in tagged.items():
            by_area[tag_id] = by_area.get(tag_id, 0) + area(facet)
        assert max(by_area, key=by_area.__getitem__) == material, (name, by_area)
        cm3 = volume(facets) / 1000
        summary.append((cm3, name, len(facets), material, cm3 * DENSITY[material]))
        for number, (facet, tag_id) in enumerate(tagged.items()):
            strip = 17 + number // 40
            records.append((facet, strip << 6 | tag_id))
            if rng.random() < 0.14:
                turn = rng.randrange(3)
                records.append((facet[turn:] + facet[:turn], (strip + 1) << 6 | tag_id))

    # Dust: open patches, one of them large and far from the origin.
    dome = [f for f in sphere((310.25, 240.15, -180.45), 34, 16, 10) if sum(p[2] for p in f) / 3 > -178]
    flake = [f for f in box((60.05, 60.25, 90.35), (75, 71, 90.9), 3) if max(p[2] for p in f) > 90.8][:-1]
    records += [(f, (300 << 6) | 0x2A) for f in dome] + [(f, (302 << 6) | 0x20) for f in flake]

    # Retracted records: facets from before the table slipped, and webs that would tie separate parts together.
    everything = [f for _, facets, _, _ in parts() for f in facets]
    for facet in rng.sample(everything, 60):
        moved = tuple((x + 1.35, y - 0.85, z + 0.45) for x, y, z in facet)
        records.append((moved, 0x8000 | (310 << 6) | 0x10))
    for (a, b, _), (c, d, _) in zip(rng.sample(everything, 24), rng.sample(everything, 24)):
        records += [((a, b, c), 0x8000 | (311 << 6) | 0x10), ((c, d, a), 0x8000 | (311 << 6) | 0x10)]

    rng.shuffle(records)
    header = b"solid rig=4 job=0417 unit=0.1mm strips=312".ljust(80, b" ")
    out = bytearray(header + struct.pack("<I", len(records)))
    for facet, word in records:
        normal = rng.choice([(0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)])
        corners = [(x + rng.uniform(-NOISE_MM, NOISE_MM)) / UNIT_MM for point in facet for x in point]
        out += struct.pack("<12f", *normal, *corners) + struct.pack(">H", word)
    target = Path(__file__).parent.parent / "environment/data/scan.stl"
    target.write_bytes(out)
    points = {p for f in everything for p in f}
    print(len(out), "bytes,", len(records), "records, closest corners", min_gap(points))
    for row in sorted(summary, reverse=True):
        print("%.6f cm3  %-8s facets %d material %d mass %.6f" % row)
    print("total mass %.6f" % sum(row[4] for row in summary))


def min_gap(points):
    points = sorted(points)
    best = math.inf
    for i, p in enumerate(points):
        for q in points[i + 1:]:
            if q[0] - p[0] > best:
                break
            best = min(best, math.dist(p, q))
    return best


if __name__ == "__main__":
    main()

import cmath
import csv
import math
import struct


def chunks(blob):
    at = 12
    while at + 8 <= len(blob):
        name, size = blob[at : at + 4], struct.unpack_from("<I", blob, at + 4)[0]
        yield name, blob[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


found = dict(chunks(open("/app/recording.wav", "rb").read()))
print(found[b"LIST"])
_, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", found[b"fmt "])
assert (channels, block, bits) == (2, 6, 24)
audio = found[b"data"]
pairs = [
    (int.from_bytes(audio[i : i + 3], "little", signed=True), int.from_bytes(audio[i + 3 : i + 6], "little", signed=True))
    for i in range(0, len(audio) - 5, 6)
]
LOST, FULL = -(1 << 23), 1 << 23
kept = [pair for pair in pairs if LOST not in pair]
means = [sum(pair[c] for pair in kept) / len(kept) for c in (0, 1)]
mono = [0.0 if LOST in pair else ((pair[0] - means[0]) - (pair[1] - means[1])) / 2 / FULL for pair in pairs]


def first_sample(frame):
    return -(-frame * rate // 100)


loud = []
for frame in range(len(mono) * 100 // rate):
    part = mono[first_sample(frame) : first_sample(frame + 1)]
    power = sum(x * x for x in part) / len(part)
    loud.append(power > 0 and 10 * math.log10(power) >= -38)
runs = []
for frame, is_loud in enumerate(loud):
    if is_loud and runs and frame - runs[-1][1] < 6:
        runs[-1][1] = frame + 1
    elif is_loud:
        runs.append([frame, frame + 1])
with open("/app/segments.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["start_ms", "end_ms", "peak_db", "tone_hz"])
    for start, end in runs:
        if end - start >= 5:
            span = range(first_sample(start), first_sample(end))
            peak = max(abs(mono[i]) for i in span)
            tone = max((210, 260, 330, 410, 520, 640), key=lambda f: abs(sum(mono[i] * cmath.exp(-2j * math.pi * f * i / rate) for i in span)))
            writer.writerow([start * 10, end * 10, f"{20 * math.log10(peak):.2f}", tone])

"""Writes environment/data/recording.wav (seeded) and prints the calls as they were laid out."""
import math
import random
import struct
from pathlib import Path

RATE = 2490
SAMPLES = 29898
FULL = 1 << 23
LOST = -FULL
rng = random.Random(2490)

# (first frame, end frame, tone, amplitude): what sounds. Frame edges avoid multiples of ten, where i*100/RATE is an integer.
PULSES = [
    (0, 7, 330, 0.22),  # from the first frame on
    (31, 36, 520, 0.30),  # exactly 50 ms: kept
    (57, 61, 260, 0.35),  # 40 ms: dropped
    (83, 86, 210, 0.25), (91, 94, 210, 0.31),  # two short ones 50 ms apart: one call of 110 ms
    (123, 141, 640, 0.12), (147, 159, 410, 0.20),  # exactly 60 ms apart: two calls
    (188, 211, 410, 0.18), (216, 219, 210, 0.42), (224, 241, 410, 0.16),  # joined through a short one, louder but brief
    (283, 287, 520, 0.40), (293, 297, 520, 0.40),  # 40 ms each, 60 ms apart: both dropped
    (331, 402, 260, 0.05),
    (433, 434, 330, 0.50),  # a click
    (467, 488, 210, 0.10), (493, 514, 330, 0.21), (519, 527, 210, 0.12),
    (566, 573, 640, 0.33), (578, 579, 410, 0.47), (584, 585, 410, 0.47), (589, 592, 640, 0.28),
    (633, 651, 520, 0.09), (658, 671, 520, 0.09),  # 70 ms apart
    (702, 748, 260, 0.14),
    (781, 785, 410, 0.33), (789, 793, 260, 0.24),
    (834, 835, 210, 0.5), (841, 847, 410, 0.2),  # a click 60 ms before a call
    (872, 959, 640, 0.045), (964, 968, 330, 0.06),
    (1003, 1008, 260, 0.28),
    (1041, 1046, 330, 0.11), (1049, 1054, 330, 0.13), (1059, 1064, 330, 0.10), (1071, 1076, 520, 0.36),
    (1109, 1113, 640, 0.41), (1118, 1119, 640, 0.41),
    (1151, 1163, 210, 0.26),
    (1183, 1202, 410, 0.17),  # runs into the end, where the last frame is not whole
]
# (first sample, length, channels lost)
LOST_RUNS = [
    (1130, 9, "L"), (2600, 30, "R"), (5100, 12, "LR"), (8990, 40, "L"), (10900, 25, "LR"), (13400, 33, "R"), (16110, 14, "L"), (19900, 30, "LR"),
    (22400, 21, "R"), (24350, 26, "L"), (27100, 60, "R"), (29640, 5, "LR"),
]


def sound():
    mono = [rng.uniform(-0.004, 0.004) for _ in range(SAMPLES)]
    for first, end, tone, amplitude in PULSES:
        # ceil(k*RATE/100): the first sample of frame k.
        start, stop = -(-first * RATE // 100), min(SAMPLES, -(-end * RATE // 100))
        for i in range(start, stop):
            # Full amplitude on the first and on the last sample.
            edge = min(i - start, stop - 1 - i)
            mono[i] += amplitude * math.cos(2 * math.pi * tone * (i - start) / RATE) if edge else amplitude
    return mono


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def main():
    mono = sound()
    lost = {i: channels for start, length, channels in LOST_RUNS for i in range(start, start + length)}
    audio = bytearray()
    for i, value in enumerate(mono):
        pair = (round((value * 0.97 + 0.031) * FULL), round((value * -1.03 - 0.047) * FULL))
        for number, channel in zip(pair, "LR"):
            assert -FULL < number < FULL
            number = LOST if channel in lost.get(i, "") else number
            audio += number.to_bytes(3, "little", signed=True)
    audio += rng.randbytes(4)
    remarks = (
        b"Hydrophone 2 (right) is wired with reversed polarity: turn its sign before mixing. A sample lost on the way to the tape is"
        b" written as -8388608. Where either channel lost a sample, leave the pair out of both means and take m[i] = 0."
    )
    info = b"INFO" + chunk(b"ISFT", b"TapeDeck 3.1\0") + chunk(b"ICMT", remarks + b"\0")
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, 2, RATE, RATE * 6, 6, 24, 22, 24, 3) + guid
    blob = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE"
    blob += chunk(b"JUNK", rng.randbytes(27)) + chunk(b"LIST", info) + chunk(b"fmt ", fmt)
    blob += chunk(b"fact", struct.pack("<I", 0)) + b"data" + struct.pack("<I", 0xFFFFFFFF) + bytes(audio)
    target = Path(__file__).parent.parent / "environment/data/recording.wav"
    target.write_bytes(blob)
    print(len(blob), "bytes")
    print(*expected(mono, lost), sep="\n")


def expected(mono, lost):
    """From the layout: edges in frames, peaks and tones from the sound before it was recorded."""
    heard = [v for i, v in enumerate(mono) if i not in lost]
    mean = sum(heard) / len(heard)
    signal = [0.0 if i in lost else v - mean for i, v in enumerate(mono)]
    for k in range(SAMPLES * 100 // RATE):
        frame = signal[-(-k * RATE // 100) : -(-(k + 1) * RATE // 100)]
        level = 20 * math.log10(max(1e-9, math.sqrt(sum(v * v for v in frame) / len(frame))))
        assert abs(level + 38) > 0.7, (k, level)
    runs = []
    for first, end, _, _ in PULSES:
        end = min(end, SAMPLES * 100 // RATE)
        if runs and (first - runs[-1][1]) * 10 < 60:
            runs[-1][1] = end
        else:
            runs.append([first, end])
    for first, end in runs:
        if (end - first) * 10 < 50:
            continue
        start, stop = -(-first * RATE // 100), -(-end * RATE // 100)
        part = [(i, signal[i]) for i in range(start, stop)]
        power = {
            f: abs(sum(v * complex(math.cos(2 * math.pi * f * i / RATE), -math.sin(2 * math.pi * f * i / RATE)) for i, v in part))
            for f in (210, 260, 330, 410, 520, 640)
        }
        tone, second = sorted(power, key=power.__getitem__, reverse=True)[:2]
        yield first * 10, end * 10, round(20 * math.log10(max(abs(v) for _, v in part)), 2), tone, "margin %.2f" % (power[tone] / power[second])


if __name__ == "__main__":
    main()

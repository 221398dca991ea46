"""Checks /app/segments.csv against the calls that were laid out (make_data.py prints them)."""
import csv
import io
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
from ctrf import read_output, run

CALLS = [
    (0, 70, -13.05, 330), (310, 360, -10.33, 520), (830, 940, -10.06, 210), (1230, 1410, -18.18, 640), (1470, 1590, -13.84, 410),
    (1880, 2410, -7.48, 410), (3310, 4020, -25.36, 260), (4670, 5270, -13.38, 330), (5660, 5920, -6.48, 640), (6330, 6510, -20.53, 520),
    (6580, 6710, -20.55, 520), (7020, 7480, -16.82, 260), (7810, 7930, -9.55, 410), (8410, 8470, -13.80, 410), (8720, 9680, -24.02, 640),
    (10030, 10080, -11.00, 260), (10410, 10640, -17.51, 330), (10710, 10760, -8.82, 520), (11090, 11190, -7.67, 640),
    (11510, 11630, -11.62, 210), (11830, 12000, -15.18, 410),
]


def column(name):
    text = read_output("/app/segments.csv", 100_000).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert [cell.strip() for cell in rows[0]] == ["start_ms", "end_ms", "peak_db", "tone_hz"], "wrong header"
    cells = [row[rows[0].index(name)].strip() for row in rows[1:] if row]
    assert len(cells) == len(CALLS), f"{len(cells)} calls is the wrong number"
    return cells


def integers(name, expected):
    wrong = sum(int(cell) != value for cell, value in zip(column(name), expected))
    assert not wrong, f"{wrong} of {len(CALLS)} values of {name} are wrong"


def peaks():
    wrong = sum(not abs(float(cell) - call[2]) <= 0.026 for cell, call in zip(column("peak_db"), CALLS))
    assert not wrong, f"{wrong} of {len(CALLS)} values of peak_db are wrong"


run([
    ("number of calls", 1, lambda: column("start_ms")),
    ("start times", 3, lambda: integers("start_ms", [call[0] for call in CALLS])),
    ("end times", 3, lambda: integers("end_ms", [call[1] for call in CALLS])),
    ("peak levels", 2, peaks),
    ("tones", 1, lambda: integers("tone_hz", [call[3] for call in CALLS])),
])

"""Checks /app/days.csv and /app/bill.json against expected.json, which make_data.py wrote from the readings in UTC."""
import csv
import io
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from ctrf import read_output, run

EXPECTED = json.loads((HERE / "expected.json").read_text())
WANTED = {(day, meter): (kwh, peak) for day, meter, kwh, peak in EXPECTED["days"]}
CLOCK_CHANGES = ("2023-10-29", "2024-03-31")


def found():
    rows = list(csv.reader(io.StringIO(read_output("/app/days.csv", 100_000).decode("utf-8-sig"))))
    assert [cell.strip() for cell in rows[0]] == ["day", "meter", "kwh", "peak_kwh"], "wrong header"
    rows = [[cell.strip() for cell in row] for row in rows[1:] if row]
    assert all(len(row) == 4 for row in rows), "a row has not four columns"
    return [((row[0], row[1]), (row[2], row[3])) for row in rows]


def days():
    assert [key for key, _ in found()] == list(WANTED), "not the right days and meters in the right order"


def blank():
    have = dict(found())
    wrong = sum((values == ("", "")) != (have.get(key) == ("", "")) for key, values in WANTED.items())
    assert not wrong, f"{wrong} days are blank and should not be, or the other way round"


def close(text, value):
    return text != "" and abs(float(text) - float(value)) <= 0.021


def values(index, chosen):
    have = dict(found())
    keys = [key for key in WANTED if WANTED[key][0] and chosen(*key)]
    wrong = sum(key not in have or not close(have[key][index], WANTED[key][index]) for key in keys)
    assert not wrong, f"{wrong} of {len(keys)} values are wrong"


def ordinary(name):
    return lambda day, meter: meter == name and day not in CLOCK_CHANGES


def bill():
    have = json.loads(read_output("/app/bill.json"))
    wrong = []
    for meter, months in EXPECTED["bill"].items():
        assert set(have[meter]) == set(months), f"not the months of {meter}"
        wrong += [f"{meter} {month}" for month, cost in months.items() if type(have[meter][month]) not in (int, float) or not abs(have[meter][month] - cost) <= 0.025]
    assert not wrong and set(have) == set(EXPECTED["bill"]), f"{len(wrong)} sums are wrong"


run([
    ("days and meters", 1, days),
    ("days without values", 1, blank),
    ("heat of meter A", 1, lambda: values(0, ordinary("A"))),
    ("heat of meter B", 1, lambda: values(0, ordinary("B"))),
    ("heat of meter C", 1, lambda: values(0, ordinary("C"))),
    ("heat on days of clock change", 2, lambda: values(0, lambda day, meter: day in CLOCK_CHANGES)),
    ("heat in peak time", 1.5, lambda: values(1, lambda day, meter: True)),
    ("bill", 1.5, bill),
])

"""Checks /app/out/ against expected.json, which make_data.py wrote from the orders themselves."""
import csv
import io
import json
import sys
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from ctrf import read_output, run

EXPECTED = json.loads((HERE / "expected.json").read_text())
ROWS, SUMMARY = EXPECTED["customers"], EXPECTED["summary"]


def customers():
    rows = list(csv.reader(io.StringIO(read_output("/app/out/customers.csv").decode("utf-8-sig"))))
    assert rows[0] == ["email", "orders", "total_eur"], "wrong header"
    return [row for row in rows[1:] if row]


def summary(key):
    found = json.loads(read_output("/app/out/summary.json"))[key]
    assert type(found) is type(SUMMARY[key]), f"{key} has the wrong type"
    return found


def addresses():
    assert sorted(row[0] for row in customers()) == sorted(row[0] for row in ROWS), "not the right set of addresses"


def per_customer(column, read):
    found = {row[0]: read(row[column]) for row in customers()}
    wrong = sum(found.get(row[0]) != read(str(row[column])) for row in ROWS)
    assert not wrong, f"wrong for {wrong} of {len(ROWS)} customers"


def money(text):
    assert len(text) < 20 and text == text.strip() and text.isascii(), "not a plain amount"
    assert Decimal(text).as_tuple().exponent == -2, "not two decimals"
    return Decimal(text)


def row_order():
    keys = [(-money(row[2]), row[0]) for row in customers()]
    assert len(keys) == len(ROWS) and keys == sorted(keys), "rows are missing or out of order"
    per_customer(2, money)


def counts(key):
    found = summary(key)
    wrong = sorted(shop for shop, count in SUMMARY[key].items() if type(found.get(shop)) is not int or found[shop] != count)
    assert not wrong and len(found) == 3, f"wrong for {', '.join(wrong) or 'an unknown shop'}"


def totals():
    found = summary("total_eur")
    wrong = sorted(shop for shop, total in SUMMARY["total_eur"].items() if type(found.get(shop)) is not str or money(found[shop]) != Decimal(total))
    assert not wrong, f"wrong for {', '.join(wrong)}"


def rejected():
    found = summary("rejected")
    assert all(type(name) is str for name in found), "not a list of strings"
    missing, surplus = set(SUMMARY["rejected"]) - set(found), set(found) - set(SUMMARY["rejected"])
    assert not missing and not surplus and len(found) == len(set(found)), f"{len(missing)} missing, {len(surplus)} surplus"


run([
    ("customer addresses", 1, addresses),
    ("orders per customer", 2, lambda: per_customer(1, int)),
    ("total per customer", 3, lambda: per_customer(2, money)),
    ("row order", 1, row_order),
    ("counted orders per shop", 1, lambda: counts("counted")),
    ("cancelled orders per shop", 1, lambda: counts("cancelled")),
    ("rejected orders", 1, rejected),
    ("total per shop", 2, totals),
])

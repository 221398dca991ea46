import csv
import io
import json
import re
from collections import defaultdict
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path

IN, OUT = Path("/app/in"), Path("/app/out")
CENT = Decimal("0.01")


def number(text, thousands, point):
    text = re.sub(r"\s", "", text.replace("C$", "").replace("$", ""))
    sign = 1
    if text.startswith("(") and text.endswith(")"):
        text, sign = text[1:-1], -1
    elif text.endswith("-"):
        text, sign = text[:-1], -1
    text = text.replace(thousands, "").replace(point, ".") if thousands else text.replace(point, ".")
    try:
        return sign * Decimal(text)
    except InvalidOperation:
        return None


def day(text, pattern):
    try:
        return datetime.strptime(text.strip(), pattern).date()
    except ValueError:
        return None


def rows(name, encoding, delimiter):
    text = (IN / name).read_bytes().decode(encoding)
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]


def lyon():
    for n, when, _, email, money, currency, status, updated, _ in rows("lyon.csv", "cp1252", ";"):
        if n.isdigit():
            yield int(n), day(when, "%d/%m/%Y"), email, number(money, "", ","), currency, status, datetime.strptime(updated, "%d/%m/%Y %H:%M")


def wien():
    for n, when, _, email, money, currency, status, updated, _ in rows("wien.csv", "utf-16", "\t"):
        if n.isdigit():
            yield int(n), day(when, "%d.%m.%Y"), email, number(money, ".", ","), currency, status, datetime.strptime(updated, "%d.%m.%Y %H:%M")


def boston():
    new = False
    for row in rows("boston.csv", "utf-8-sig", ","):
        if "order_id" in row:
            new = True
        elif new and row[2].isdigit():
            updated, status, n, email, when, cents, currency, _, _ = row
            amount = number(cents, ",", ".")
            yield int(n), day(when, "%Y-%m-%d"), email, amount and amount / 100, currency, status, datetime.strptime(updated, "%Y-%m-%d %H:%M")
        elif not new and row[0].isdigit():
            n, when, _, email, money, currency, status, updated, _ = row
            yield int(n), day(when, "%m/%d/%y"), email, number(money, ",", "."), currency, status, datetime.strptime(updated, "%m/%d/%y %I:%M %p")


rates = defaultdict(list)
for row in csv.DictReader(open(IN / "rates.csv", encoding="utf-8")):
    rates[row["currency"]].append((date.fromisoformat(row["valid_from"]), Decimal(row["eur"]) / Decimal(row["per"])))


def euros(amount, currency, when):
    rate = Decimal(1) if currency == "EUR" else max(entry for entry in rates[currency] if entry[0] <= when)[1]
    return (amount * rate).quantize(CENT, ROUND_HALF_UP)


customers = defaultdict(list)
summary = {"counted": {}, "cancelled": {}, "total_eur": {}, "rejected": []}
for shop, read in (("lyon", lyon), ("boston", boston), ("wien", wien)):
    best, seen = {}, []
    for n, when, email, amount, currency, status, updated in read():
        seen.append(n)
        if when is not None and amount is not None and (n not in best or updated >= best[n][0]):
            best[n] = (updated, when, email.strip().lower(), amount, currency.strip(), status.strip().lower())
    counted = {n: v for n, v in best.items() if v[5] not in ("cancelled", "annulé", "annulée", "storniert")}
    values = []
    for _, when, email, amount, currency, _ in counted.values():
        values.append(euros(amount, currency, when))
        customers[email].append(values[-1])
    summary["counted"][shop] = len(counted)
    summary["cancelled"][shop] = len(best) - len(counted)
    summary["total_eur"][shop] = str(sum(values, Decimal("0.00")))
    summary["rejected"] += [f"{shop}-{n}" for n in sorted(set(seen) - set(best))]
OUT.mkdir(exist_ok=True)
table = sorted(((-sum(values), email, len(values)) for email, values in customers.items()))
with open(OUT / "customers.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["email", "orders", "total_eur"])
    writer.writerows([email, count, f"{-total:.2f}"] for total, email, count in table)
(OUT / "summary.json").write_text(json.dumps(summary, indent=2))

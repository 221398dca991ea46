"""Writes the exports under environment/data/in and expected.json beside this file (seeded; the answer comes from the orders, not from the files)."""
import csv
import io
import json
import random
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

rng = random.Random(31007)
HERE = Path(__file__).parent
IN = HERE.parent / "environment/data/in"
NBSP, NARROW = "\u00a0", "\u202f"

RATES = {
    "USD": [("2023-11-15", 1, "0.95"), ("2024-01-09", 1, "0.905"), ("2024-02-12", 1, "0.925"), ("2024-03-11", 1, "0.85"), ("2024-05-07", 1, "0.95")],
    "CAD": [("2023-11-15", 1, "0.675"), ("2024-03-04", 1, "0.65"), ("2024-04-10", 1, "0.705")],
    "CHF": [("2023-11-15", 1, "1.05"), ("2024-02-03", 1, "1.035"), ("2024-04-05", 1, "1.015")],
    "JPY": [("2023-11-15", 100, "0.65"), ("2024-03-06", 100, "0.615")],
    "HUF": [("2023-11-15", 100, "0.265"), ("2024-04-08", 100, "0.255")],
}
CURRENCIES = {
    "lyon": ["EUR"] * 6 + ["CHF"] * 3 + ["JPY"],
    "boston": ["USD"] * 8 + ["CAD"] * 3,
    "wien": ["EUR"] * 5 + ["CHF"] * 2 + ["HUF"] * 2,
}
STATUS = {
    "lyon": (["payée", "Payée", "expédiée", "remboursée"], ["annulée", "Annulé", "ANNULÉE"]),
    "boston": (["paid", "Shipped", "refunded"], ["cancelled", "Cancelled "]),
    "wien": (["bezahlt", "versandt", "gutgeschrieben"], ["storniert", "Storniert", "STORNIERT"]),
}
NOTES = {
    "lyon": ["", "", "", "cadeau; emballage", "livrer à l'école\nsonner 2 fois", 'dit "urgent"', "code: 1234;5678\nTOTAL;à vérifier"],
    "boston": ["", "", "", "gift, wrap it", "call first\n417,3/4/24,see old order", 'says "ASAP"', "Order,Date,Customer"],
    "wien": ["", "", "", "Geschenk\tverpackt", "Stiege 2\nTür 14", 'heißt "Büro"', "nächste Woche"],
}
NAMES = [
    "Anaïs Lefèvre", "Björn Größl", "Carla Núñez", "Denise O'Hara", "Émile Zwick", "Fritz Hölzl", "Gina Park", "Hugo Besançon", "Inès Çelik", "Jürgen Mayr",
    "Karen Wu", "Léa Dupont", "Mia Österreicher", "Noël Marchand", "Oskar Weiß", "Paula Reyes", "Quentin Hébert", "Rosa Süß", "Sam Li", "Théo Garçon",
    "Ursula Fröhlich", "Vera Krauß", "Will Stone", "Xaver Mühl", "Yvonne Prévost", "Zoë Bell", "Ada Kern", "Bruno Petit", "Cleo Marsh", "Dario Fuchs",
]


class Version:
    def __init__(self, number, day, updated, name, email, amount, currency, status, cancelled):
        self.number, self.day, self.updated, self.name, self.email = number, day, updated, name, email
        self.amount, self.currency, self.status, self.cancelled = amount, currency, status, cancelled
        self.broken = None


def ascii_name(name):
    table = str.maketrans({"ï": "i", "è": "e", "é": "e", "É": "E", "ö": "oe", "ü": "ue", "ß": "ss", "ñ": "n", "ú": "u", "ç": "c", "Ç": "C", "ë": "e", "ô": "o", "Ö": "Oe", "'": ""})
    return name.translate(table)


CUSTOMERS = [(name, ascii_name(name).lower().replace(" ", ".") + f"@{host}") for name, host in zip(NAMES, ["example.org", "example.com", "mail.example"] * 10)]


def spelled(email):
    styles = [email, email, email, email.title(), email.upper(), f" {email}", f"{email} ", f"{email}{NBSP}"]
    return rng.choice(styles)


def amount_for(currency):
    scale = {"JPY": 9000, "HUF": 21000}.get(currency, 60)
    value = Decimal(int(scale * 100 * min(20, rng.lognormvariate(0, 1.1)))) / 100
    if rng.random() < 0.12:
        value *= 7
    if currency in ("JPY", "HUF"):
        value = value.to_integral_value()
    if rng.random() < 0.3:
        value = value.quantize(Decimal("0.1")) if rng.random() < 0.5 else value.to_integral_value()
    value = max(value, Decimal(3))
    return -value if rng.random() < 0.11 else value


def make_orders(shop, count, first, last):
    span = (last - first).days
    for number in sorted(rng.sample(range(1, 900), count)):
        day = first + timedelta(days=rng.randrange(span))
        currency = rng.choice(CURRENCIES[shop])
        amount = amount_for(currency)
        name, email = rng.choice(CUSTOMERS)
        moment = datetime(day.year, day.month, day.day, rng.randrange(8, 20), rng.randrange(60))
        versions = []
        for _ in range(rng.choices([1, 2, 3], [72, 20, 8])[0]):
            cancelled = rng.random() < 0.13
            status = rng.choice(STATUS[shop][cancelled])
            versions.append(Version(number, day, moment, name, spelled(email), amount, currency, status, cancelled))
            if rng.random() < 0.75:  # else changed again within the same minute
                moment += timedelta(minutes=rng.randrange(3, 60 * 24 * 40))
            change = rng.random()
            if change < 0.5:
                amount = amount_for(currency)
            elif change < 0.7:
                day += timedelta(days=rng.randrange(1, 25))
            elif change < 0.8:
                name, email = rng.choice(CUSTOMERS)
        for version in versions:
            if rng.random() < 0.07:
                version.broken = rng.choice(["empty", "word", "date"])
        yield versions


def standing(versions, position):
    whole = [v for v in versions if not v.broken]
    return max(whole, key=lambda v: (v.updated, position[v])) if whole else None


def euros(version):
    per, eur = 1, Decimal(1)
    if version.currency != "EUR":
        for start, units, value in RATES[version.currency]:
            if date.fromisoformat(start) <= version.day:
                per, eur = units, Decimal(value)
    return (version.amount * eur / per).quantize(Decimal("0.01"), ROUND_HALF_UP)


def grouped(value, thousands, point, digits):
    text = f"{abs(value):,.{digits}f}"
    return text.replace(",", "\0").replace(".", point).replace("\0", thousands)


def digits_of(value):
    return max(0, -value.normalize().as_tuple().exponent) if rng.random() < 0.4 else 2


def lyon_row(v):
    money = ("-" if v.amount < 0 else "") + grouped(v.amount, rng.choice([NBSP, " "]), ",", digits_of(v.amount))
    money = {"empty": "", "word": "à voir"}.get(v.broken, money)
    day = f"31/{rng.choice(['02', '04', '06'])}/2024" if v.broken == "date" else f"{v.day:%d/%m/%Y}"
    return [f"{v.number:06d}", day, v.name, v.email, money, v.currency, v.status, f"{v.updated:%d/%m/%Y %H:%M}", rng.choice(NOTES["lyon"])]


def boston_old_row(v):
    sign = "$" if v.currency == "USD" else "C$"
    money = sign + grouped(v.amount, ",", ".", digits_of(v.amount))
    money = f"({money})" if v.amount < 0 else money
    money = {"empty": "", "word": "TBD"}.get(v.broken, money)
    day = f"2/30/{24}" if v.broken == "date" else f"{v.day.month}/{v.day.day}/{v.day:%y}"
    clock = v.updated.strftime("%I:%M %p").lstrip("0")
    return [f"{v.number:05d}", day, v.name, v.email, money, v.currency, v.status, f"{v.updated.month}/{v.updated.day}/{v.updated:%y} {clock}", rng.choice(NOTES["boston"])]


def boston_new_row(v):
    money = {"empty": "", "word": "pending"}.get(v.broken, str(int(v.amount * 100)))
    day = "2024-04-31" if v.broken == "date" else v.day.isoformat()
    return [f"{v.updated:%Y-%m-%d %H:%M}", v.status, str(v.number), v.email, day, money, v.currency, v.name, rng.choice(NOTES["boston"])]


def wien_row(v):
    money = grouped(v.amount, ".", ",", digits_of(v.amount)) + ("-" if v.amount < 0 else "")
    money = {"empty": "", "word": "offen"}.get(v.broken, money)
    day = "30.02.2024" if v.broken == "date" else f"{v.day.day}.{v.day.month}.{v.day.year}"
    return [str(v.number), day, v.name, v.email, money, v.currency, v.status, f"{v.updated:%d.%m.%Y %H:%M}", rng.choice(NOTES["wien"])]


def table(rows, delimiter, end="\r\n"):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return text.getvalue()


def in_file_order(orders):
    """Versions mostly in order of change, a few out of place."""
    versions = [v for group in orders for v in group]
    return sorted(versions, key=lambda v: v.updated + timedelta(hours=rng.choice([0, 0, 0, 0, 900])))


def main():
    IN.mkdir(parents=True, exist_ok=True)
    first, last = date(2023, 12, 1), date(2024, 6, 1)
    shops = {"lyon": list(make_orders("lyon", 230, first, last)), "boston": list(make_orders("boston", 260, first, last)), "wien": list(make_orders("wien", 210, first, last))}
    sequence = {shop: in_file_order(orders) for shop, orders in shops.items()}
    position = {v: i for versions in sequence.values() for i, v in enumerate(versions)}

    rows = [["N° commande", "Date", "Client", "E-mail", "Montant", "Devise", "État", "Modifié le", "Remarque"], *map(lyon_row, sequence["lyon"])]
    rows += [[], ["TOTAL", "", "", "", "48 211,07", "EUR", "", "", "édité par la caisse"]]
    (IN / "lyon.csv").write_bytes(table(rows, ";").encode("cp1252"))

    cut = len(sequence["boston"]) * 11 // 20
    rows = [["Order", "Date", "Customer", "Email", "Amount", "Currency", "Status", "Updated", "Note"], *map(boston_old_row, sequence["boston"][:cut])]
    rows += [["Subtotal", "", "", "", "$23,911.40", "USD", "", "", ""], []]
    rows += [["updated", "status", "order_id", "email", "order_date", "total_cents", "currency", "customer", "comment"], *map(boston_new_row, sequence["boston"][cut:])]
    (IN / "boston.csv").write_bytes(b"\xef\xbb\xbf" + table(rows, ",", "\n").encode())

    rows = [["Bestellnr", "Datum", "Kunde", "E-Mail", "Betrag", "Währung", "Status", "Geändert", "Bemerkung"]]
    for i, v in enumerate(sequence["wien"]):
        if i and i % 90 == 0:
            rows += [["Übertrag", "", "", "", "9.120,44", "", "", "", ""], rows[0]]
        rows.append(wien_row(v))
    (IN / "wien.csv").write_bytes(b"\xff\xfe" + table(rows, "\t").encode("utf-16-le"))

    rates = [[start, currency, per, eur] for currency, entries in RATES.items() for start, per, eur in entries]
    rng.shuffle(rates)
    (IN / "rates.csv").write_text(table([["valid_from", "currency", "per", "eur"], *rates], ",", "\n"))

    customers, summary = {}, {"counted": {}, "cancelled": {}, "total_eur": {}, "rejected": []}
    for shop, orders in shops.items():
        summary["counted"][shop] = summary["cancelled"][shop] = 0
        total = Decimal("0.00")
        for versions in orders:
            v = standing(versions, position)
            if v is None:
                summary["rejected"].append(f"{shop}-{versions[0].number}")
            elif v.cancelled:
                summary["cancelled"][shop] += 1
            else:
                value = euros(v)
                email = v.email.strip().lower()
                count, before = customers.get(email, (0, Decimal("0.00")))
                customers[email] = (count + 1, before + value)
                summary["counted"][shop] += 1
                total += value
        summary["total_eur"][shop] = str(total)
    rows = sorted(([e, n, str(t)] for e, (n, t) in customers.items()), key=lambda r: (-Decimal(r[2]), r[0]))
    (HERE / "expected.json").write_text(json.dumps({"customers": rows, "summary": summary}, indent=0) + "\n")
    print(summary, len(rows), "customers;", {p.name: p.stat().st_size for p in IN.iterdir()})
    print(rows[:3], rows[-3:])


if __name__ == "__main__":
    main()

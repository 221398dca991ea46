"""Writes the rescued files and expected.json. The rows are seeded; SQLite salts the write-ahead log at random, so that file differs each time."""
import json
import random
import shutil
import sqlite3
import struct
import tempfile
import uuid
from datetime import datetime, timedelta
from pathlib import Path

rng = random.Random(52110)
HERE = Path(__file__).parent
RESCUE = HERE.parent / "environment/data/rescue"
SCHEMA = (RESCUE / "schema.sql").read_text()
MEMOS = [None, None, "", "rent", "thanks!", "Büro, März", "two\nlines", "ticket #88", "—", "it's late"]
PAGE = 1024


class Ledger:
    """The ledger as it should be, beside the connection that gets it as it went wrong."""

    def __init__(self, con):
        self.con, self.next_id, self.seq, self.now = con, 1, 1, datetime(2024, 1, 3, 8)
        self.accounts, self.transfers, self.outbox = {}, {}, []

    def account(self, number, owner, opening):
        self.accounts[number] = [owner, opening]
        self.con.execute("INSERT INTO accounts VALUES (?, ?, ?, ?)", (number, owner, opening, opening))

    def tell(self, kind, number, payload):
        self.outbox.append([self.seq, kind, number, payload])
        self.con.execute("INSERT INTO outbox VALUES (?, ?, ?, ?)", self.outbox[-1])
        self.seq += 1

    def book(self, ghost=False, as_text=False):
        number, self.next_id = self.next_id, self.next_id + rng.choice([1, 1, 1, 1, 2])
        self.now += timedelta(seconds=rng.randrange(40, 9000))
        source, target = rng.sample(sorted(self.accounts), 2)
        if ghost:
            source, target = rng.choice([(source, 900 + rng.randrange(5)), (900 + rng.randrange(5), target)])
        cents = int(rng.lognormvariate(7.5, 1.2)) + 1
        name = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        row = [number, name, source, target, cents, f"{self.now:%Y-%m-%d %H:%M:%S}", rng.choice(MEMOS)]
        self.transfers[number] = row
        written = [*row[:4], f"{cents // 100}.{cents % 100:02d} EUR" if as_text else cents, *row[5:]]
        self.con.execute("INSERT INTO transfers VALUES (?, ?, ?, ?, ?, ?, ?)", written)
        payload = {"uuid": name, "from": source, "to": target, "amount": f"{cents // 100}.{cents % 100:02d}", "at": f"{self.now:%Y-%m-%dT%H:%M:%SZ}", "memo": row[6]}
        self.tell("booked", number, json.dumps(payload, ensure_ascii=False))
        return number

    def void(self, number):
        del self.transfers[number]
        self.con.execute("DELETE FROM transfers WHERE id = ?", (number,))
        self.tell("voided", number, None)

    def drift(self, count):
        """The till keeps balances up to date, not always well."""
        for number in rng.sample(sorted(self.accounts), count):
            self.con.execute("UPDATE accounts SET balance = balance + ? WHERE id = ?", (rng.randrange(-9000, 9000), number))


def connect(path):
    con = sqlite3.connect(path, isolation_level=None)
    con.execute("PRAGMA synchronous = OFF")
    return con


def leaf_pages(path, root):
    blob = path.read_bytes()
    page = blob[(root - 1) * PAGE : root * PAGE]
    assert page[0] == 5, "the root should be an interior page"
    cells = struct.unpack(">H", page[3:5])[0]
    pointers = struct.unpack(f">{cells}H", page[12 : 12 + 2 * cells])
    leaves = [struct.unpack(">I", page[p : p + 4])[0] for p in pointers]
    assert all(blob[(n - 1) * PAGE] == 13 for n in leaves)
    return leaves


def wal_pages(path):
    blob = path.read_bytes()
    return {struct.unpack_from(">I", blob, at)[0] for at in range(32, len(blob), 24 + PAGE)}


def main():
    work = Path(tempfile.mkdtemp())
    path = work / "ledger.db"
    con = connect(path)
    con.execute(f"PRAGMA page_size = {PAGE}")
    con.executescript(SCHEMA)
    ledger = Ledger(con)
    for number in range(1, 38):
        ledger.account(number, f"Owner {number:02d} {rng.choice(['AG', 'Ltd', 'SARL', 'é Cie'])}", rng.randrange(0, 500000))
    for i in range(240):
        ledger.book(ghost=i in (31, 105, 203), as_text=i in (12, 44, 60, 61, 154, 170, 171, 222))
    for number in rng.sample(sorted(ledger.transfers), 12):
        ledger.void(number)
    ledger.drift(30)
    con.close()

    # Where the unique index lost entries, the till's retries went through.
    con = connect(path)
    con.execute("PRAGMA writable_schema = ON")
    index = con.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_transfers_1'").fetchone()[0]
    root = con.execute("SELECT rootpage FROM sqlite_master WHERE name = 'transfers'").fetchone()[0]
    sql = con.execute("SELECT sql FROM sqlite_master WHERE name = 'transfers'").fetchone()[0]
    con.execute("DELETE FROM sqlite_master WHERE name = 'sqlite_autoindex_transfers_1'")
    con.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'transfers'", (sql.replace(" UNIQUE", ""),))
    con.close()
    leaves = leaf_pages(path, root)
    damaged = [leaves[5], leaves[6], leaves[17]]
    blob = path.read_bytes()
    lost = [n for n, row in ledger.transfers.items() if any(row[1].encode() in blob[(p - 1) * PAGE : p * PAGE] for p in damaged)]
    con = connect(path)
    ledger.con = con
    retried = [lost[2], lost[-3], *rng.sample(sorted(set(ledger.transfers) - set(lost)), 6)]
    copies = []
    for number in retried:
        copy = [ledger.next_id, *ledger.transfers[number][1:]]
        copy[5] = f"{datetime.fromisoformat(copy[5]) + timedelta(seconds=2):%Y-%m-%d %H:%M:%S}"
        con.execute("INSERT INTO transfers VALUES (?, ?, ?, ?, ?, ?, ?)", copy)
        copies.append(ledger.next_id)
        ledger.next_id += 1
    con.execute("PRAGMA writable_schema = ON")
    con.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'transfers'", (sql,))
    con.execute("INSERT INTO sqlite_master VALUES ('index', 'sqlite_autoindex_transfers_1', 'transfers', ?, NULL)", (index,))
    con.close()

    # From here on everything lies in the write-ahead log only.
    con = connect(path)
    ledger.con = con
    con.execute("PRAGMA journal_mode = WAL")
    con.execute("PRAGMA wal_autocheckpoint = 0")
    for _ in range(2):
        con.execute("BEGIN")
        number = max(ledger.accounts) + 1
        ledger.account(number, f"Owner {number:02d} new", rng.randrange(0, 90000))
        for i in range(8):
            ledger.book(ghost=i == 3)
        tail = [n for n in ledger.transfers if n > lost[-1] and n not in retried]
        ledger.void(rng.choice(tail))
        con.execute("UPDATE accounts SET owner = owner || ' i.L.' WHERE id = ?", (number - 5,))
        ledger.accounts[number - 5][0] += " i.L."
        ledger.drift(1)
        con.execute("COMMIT")
    state = json.loads(json.dumps([ledger.accounts, ledger.transfers, ledger.outbox]))
    con.execute("PRAGMA cache_size = 4")
    con.execute("BEGIN")
    for _ in range(7):
        ledger.book()
    con.execute("UPDATE accounts SET owner = 'nobody' WHERE id = 3")
    shutil.copy(path, RESCUE / "ledger-2024.db")
    shutil.copy(work / "ledger.db-wal", RESCUE / "ledger.db-wal")
    con.execute("ROLLBACK")
    con.close()

    assert not wal_pages(RESCUE / "ledger.db-wal") & set(damaged), "a damaged page is whole in the log"
    with open(RESCUE / "ledger-2024.db", "r+b") as file:
        for page, filling in zip(damaged, (bytes(PAGE), bytes(PAGE), b"\xde\xad" * (PAGE // 2))):
            file.seek((page - 1) * PAGE)
            file.write(filling)
    write_expected(state, lost, retried, copies)
    print({p.name: p.stat().st_size for p in RESCUE.iterdir()}, len(lost), "rows lost")


def write_expected(state, lost, retried, copies):
    accounts, transfers, outbox = state
    good = {n: row for n, row in transfers.items() if str(row[2]) in accounts and str(row[3]) in accounts}
    balances = {n: opening for n, (_, opening) in accounts.items()}
    for _, _, source, target, cents, _, _ in good.values():
        balances[str(source)] -= cents
        balances[str(target)] += cents
    expected = {
        "accounts": [[int(n), owner, opening, balances[n]] for n, (owner, opening) in accounts.items()],
        "transfers": list(good.values()),
        "quarantine": [row for n, row in transfers.items() if n not in good],
        "outbox": outbox,
        "lost": lost,
        "retried": retried,
        "retried_ids": copies,
    }
    assert len(expected["quarantine"]) >= 3
    text = json.dumps(expected, ensure_ascii=False)
    (HERE / "expected.json").write_text(text.replace("], [", "],\n[") + "\n")


if __name__ == "__main__":
    main()

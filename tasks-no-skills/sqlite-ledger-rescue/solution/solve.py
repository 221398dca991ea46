import json
import shutil
import sqlite3
import tempfile
from pathlib import Path

RESCUE, OUT = Path("/app/rescue"), Path("/app/repaired.db")
work = Path(tempfile.mkdtemp())
# A write-ahead log belongs to a database by its name only.
shutil.copy(RESCUE / "ledger-2024.db", work / "ledger.db")
shutil.copy(RESCUE / "ledger.db-wal", work / "ledger.db-wal")
old = sqlite3.connect(work / "ledger.db")
accounts = old.execute("SELECT id, owner, opening FROM accounts").fetchall()
outbox = old.execute("SELECT seq, kind, transfer_id, payload FROM outbox").fetchall()

transfers = {}
for number in range(1, max(row[2] for row in outbox) + 200):
    try:
        row = old.execute("SELECT * FROM transfers NOT INDEXED WHERE id = ?", (number,)).fetchone()
    except sqlite3.DatabaseError:
        continue
    if row:
        transfers[number] = list(row)
old.close()

voided = {number for _, kind, number, _ in outbox if kind == "voided"}
for _, kind, number, payload in outbox:
    if kind == "booked" and number not in voided and number not in transfers:
        told = json.loads(payload)
        cents = int(told["amount"].replace(".", ""))
        moment = told["at"].replace("T", " ").replace("Z", "")
        transfers[number] = [number, told["uuid"], told["from"], told["to"], cents, moment, told["memo"]]

known, seen, good, ghosts = {row[0] for row in accounts}, set(), [], []
balance = {number: opening for number, _, opening in accounts}
for number in sorted(transfers):
    row = transfers[number]
    if isinstance(row[4], str):
        euros, unit = row[4].split()
        assert unit == "EUR"
        row[4] = int(euros.replace(".", ""))
    if row[1] in seen:
        continue
    seen.add(row[1])
    if row[2] in known and row[3] in known:
        good.append(row)
        balance[row[2]] -= row[4]
        balance[row[3]] += row[4]
    else:
        ghosts.append(row)

OUT.unlink(missing_ok=True)
new = sqlite3.connect(OUT)
new.executescript((RESCUE / "schema.sql").read_text())
new.execute(
    "CREATE TABLE quarantine (id INTEGER PRIMARY KEY, uuid TEXT, from_account INTEGER, to_account INTEGER, amount INTEGER, booked_at TEXT, memo TEXT)"
)
new.executemany("INSERT INTO accounts VALUES (?, ?, ?, ?)", [(n, owner, opening, balance[n]) for n, owner, opening in accounts])
new.executemany("INSERT INTO transfers VALUES (?, ?, ?, ?, ?, ?, ?)", good)
new.executemany("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?)", ghosts)
new.executemany("INSERT INTO outbox VALUES (?, ?, ?, ?)", outbox)
new.commit()
print(new.execute("PRAGMA integrity_check").fetchall(), new.execute("PRAGMA foreign_key_check").fetchall(), len(good), len(ghosts))
new.close()

"""Checks /app/repaired.db against expected.json, which make_data.py wrote from the ledger as it should be."""
import json
import sqlite3
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from ctrf import read_output, run

EXPECTED = json.loads((HERE / "expected.json").read_text())
WANTED = {row[0]: row for row in EXPECTED["transfers"] + EXPECTED["quarantine"]}
LAST_CHECKPOINTED = max(EXPECTED["retried_ids"])
COPY = Path(tempfile.mkdtemp()) / "copy.db"
TABLES = {
    "accounts": "id, owner, opening, balance",
    "transfers": "id, uuid, from_account, to_account, amount, booked_at, memo",
    "outbox": "seq, kind, transfer_id, payload",
    "quarantine": "id, uuid, from_account, to_account, amount, booked_at, memo",
}
DECLARED = """
CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, opening INTEGER NOT NULL, balance INTEGER NOT NULL);
CREATE TABLE transfers (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, from_account INTEGER NOT NULL REFERENCES accounts (id),
  to_account INTEGER NOT NULL REFERENCES accounts (id), amount INTEGER NOT NULL CHECK (amount > 0), booked_at TEXT NOT NULL, memo TEXT);
CREATE INDEX transfers_booked_at ON transfers (booked_at);
CREATE INDEX transfers_from ON transfers (from_account, booked_at);
CREATE TABLE outbox (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('booked', 'voided')), transfer_id INTEGER NOT NULL, payload TEXT);
CREATE TABLE quarantine (id INTEGER PRIMARY KEY, uuid TEXT, from_account INTEGER, to_account INTEGER, amount INTEGER, booked_at TEXT, memo TEXT);
"""


def opened():
    """A read-only connection to a copy that trusts nothing in it; only plain tables and indexes get this far."""
    COPY.write_bytes(read_output("/app/repaired.db", 5_000_000))
    con = sqlite3.connect(f"file:{COPY}?mode=ro&immutable=1", uri=True)
    con.execute("PRAGMA trusted_schema = OFF")
    steps = iter(range(2000))
    con.set_progress_handler(lambda: next(steps, None) is None, 10_000)
    for kind, sql in con.execute("SELECT type, coalesce(sql, '') FROM sqlite_master"):
        assert kind in ("table", "index") and "VIRTUAL" not in sql.upper(), "something other than plain tables and indexes"
    return con


def rows(table):
    con = opened()
    try:
        return con.execute(f"SELECT {TABLES[table]} FROM {table} NOT INDEXED ORDER BY 1 LIMIT 10000").fetchall()
    finally:
        con.close()


def by_id(table):
    return {row[0]: list(row) for row in rows(table)}


def sound():
    con = opened()
    assert con.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "integrity_check finds faults"
    assert con.execute("PRAGMA foreign_key_check").fetchall() == [], "foreign_key_check finds faults"
    assert len(rows("transfers")) > 100, "hardly any rows"


def shape(con):
    """What the schema says, whatever its spelling."""
    found = {}
    for (table,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1").fetchall():
        columns = [tuple(c) for c in con.execute("SELECT name, upper(type), \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?)", (table,))]
        keys = sorted(con.execute('SELECT "from", "table", "to" FROM pragma_foreign_key_list(?)', (table,)).fetchall())
        indexes = []
        for name, unique, origin, partial in con.execute('SELECT name, "unique", origin, partial FROM pragma_index_list(?)', (table,)).fetchall():
            fields = [c[0] for c in con.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (name,))]
            indexes.append((name if origin == "c" else "", unique, partial, fields))
        sql = con.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()[0]
        found[table] = (columns, keys, sorted(indexes), sql.upper().count("CHECK"))
    return found


def schema():
    model = sqlite3.connect(":memory:")
    model.executescript(DECLARED)
    wanted, found = shape(model), shape(opened())
    assert set(found) == set(wanted), "not the right set of tables"
    wrong = [table for table in wanted if found[table] != wanted[table]]
    assert not wrong, f"columns, constraints or indexes differ: {', '.join(wrong)}"


def everywhere():
    """All transfers of the file, in quarantine or not, amounts as they are."""
    return by_id("transfers") | by_id("quarantine")


def last_transactions():
    have = everywhere()
    late = {n for n in WANTED if n > LAST_CHECKPOINTED}
    assert late <= set(have), "committed transfers are missing"
    assert not {n for n in have if n > max(WANTED)}, "transfers that were never committed"
    owners = [row[:3] for row in rows("accounts")]
    assert owners == [tuple(row[:3]) for row in EXPECTED["accounts"]], "accounts are not those of the last committed transaction"


def no_voided():
    gone = {row[2] for row in EXPECTED["outbox"] if row[1] == "voided"}
    have = set(everywhere())
    assert len(have & set(WANTED)) > 100, "hardly any rows"
    assert not gone & have, f"{len(gone & have)} voided transfers are there"


def restored():
    have = everywhere()
    wrong = sum(have.get(n) != WANTED[n] for n in EXPECTED["lost"] if n in WANTED)
    assert not wrong, f"{wrong} of {len(EXPECTED['lost'])} lost rows are missing or different"


def amounts():
    have = everywhere()
    wrong = sum(n not in have or type(have[n][4]) is not int or have[n][4] != WANTED[n][4] for n in WANTED)
    assert not wrong, f"{wrong} amounts are missing or wrong"


def single():
    have = everywhere()
    assert set(EXPECTED["retried"]) <= set(have), "the first booking of a double one is gone"
    assert not set(EXPECTED["retried_ids"]) & set(have), "double bookings are left"


def same(table):
    assert [list(row) for row in rows(table)] == sorted(EXPECTED[table]), f"{table} differs"


def balances():
    wrong = sum(a != tuple(b) for a, b in zip(rows("accounts"), EXPECTED["accounts"]))
    assert not wrong and len(rows("accounts")) == len(EXPECTED["accounts"]), f"{wrong} accounts are wrong"


run([
    ("sound database file", 0.5, sound),
    ("schema", 0.5, schema),
    ("last committed transaction", 2, last_transactions),
    ("voided transfers stay away", 1, no_voided),
    ("lost rows restored", 2, restored),
    ("amounts in cents", 1, amounts),
    ("double bookings", 1, single),
    ("quarantine", 1, lambda: same("quarantine")),
    ("outbox as committed", 0.5, lambda: same("outbox")),
    ("remaining transfers", 1, lambda: same("transfers")),
    ("balances", 1, balances),
])

CREATE TABLE accounts (
  id INTEGER PRIMARY KEY,
  owner TEXT NOT NULL,
  opening INTEGER NOT NULL,             -- cents
  balance INTEGER NOT NULL              -- cents, kept up to date by the till
);

-- One row per transfer that stands.
CREATE TABLE transfers (
  id INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE,
  from_account INTEGER NOT NULL REFERENCES accounts (id),
  to_account INTEGER NOT NULL REFERENCES accounts (id),
  amount INTEGER NOT NULL CHECK (amount > 0), -- cents
  booked_at TEXT NOT NULL,              -- YYYY-MM-DD HH:MM:SS, UTC
  memo TEXT
);
CREATE INDEX transfers_booked_at ON transfers (booked_at);
CREATE INDEX transfers_from ON transfers (from_account, booked_at);

-- What the mailer has to tell the customers, in the order in which it happened; nothing is ever deleted here.
-- kind 'booked': a transfer was booked; payload is JSON with all of its values (amount in euros).
-- kind 'voided': the transfer was taken back and its row deleted; payload is NULL.
-- A transfer that is sent again leaves no second entry.
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('booked', 'voided')),
  transfer_id INTEGER NOT NULL,
  payload TEXT
);

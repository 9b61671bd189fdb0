-- +goose Up

ALTER TABLE accounts ADD COLUMN first_name TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN last_name TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN verified BOOLEAN NOT NULL DEFAULT TRUE; -- those made from the command line are
ALTER TABLE accounts ADD COLUMN password_hash TEXT; -- argon2id; without one, nobody can log in with a password

-- The codes that were mailed, the latest for each account and purpose; the codes themselves are not kept.
CREATE TABLE codes (
    account    INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    purpose    TEXT    NOT NULL, -- verify, reset
    salt       TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    tries      BIGINT  NOT NULL, -- that were made with it, right or wrong
    expires_at BIGINT  NOT NULL, -- 0 once it was used or ended
    made       BIGINT  NOT NULL, -- codes within a day, which began at:
    made_since BIGINT  NOT NULL,
    PRIMARY KEY (account, purpose)
);
CREATE INDEX codes_by_day ON codes (made_since);

CREATE INDEX sessions_by_expiry ON sessions (expires_at);

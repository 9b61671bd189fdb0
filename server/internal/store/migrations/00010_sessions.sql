-- +goose Up

-- An account sees its sessions: by an id of their own, which is made here as all ids are, of the second in which the session
-- was opened and, instead of chance, of the hash of its token.
ALTER TABLE sessions ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0; -- to some minutes: not every use is written down
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';       -- from which it was opened
ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
UPDATE sessions SET last_used_at = created_at, id =
    substr('0123456789abcdef', CAST(1 + created_at / 1000000 / 268435456 % 16 AS INTEGER), 1) ||
    substr('0123456789abcdef', CAST(1 + created_at / 1000000 / 16777216 % 16 AS INTEGER), 1) ||
    substr('0123456789abcdef', CAST(1 + created_at / 1000000 / 1048576 % 16 AS INTEGER), 1) ||
    substr('0123456789abcdef', CAST(1 + created_at / 1000000 / 65536 % 16 AS INTEGER), 1) ||
    substr('0123456789abcdef', CAST(1 + created_at / 1000000 / 4096 % 16 AS INTEGER), 1) ||
    substr('0123456789abcdef', CAST(1 + created_at / 1000000 / 256 % 16 AS INTEGER), 1) ||
    substr('0123456789abcdef', CAST(1 + created_at / 1000000 / 16 % 16 AS INTEGER), 1) ||
    substr('0123456789abcdef', CAST(1 + created_at / 1000000 % 16 AS INTEGER), 1) ||
    substr(token_hash, 1, 16);
DROP INDEX sessions_by_account;
CREATE INDEX sessions_by_account ON sessions (account, created_at, id);

-- What was done with an account, or tried. Attempts that failed are counted in one line for each network in an hour; all
-- other lines have no hour and are never changed.
CREATE TABLE auth_events (
    id         TEXT    NOT NULL PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    kind       TEXT    NOT NULL,
    at         BIGINT  NOT NULL, -- the first time
    last_at    BIGINT  NOT NULL,
    times      BIGINT  NOT NULL,
    address    TEXT    NOT NULL, -- the last time
    user_agent TEXT    NOT NULL,
    session_id TEXT, -- in which it was done, or that was opened; it may have ended
    target     TEXT, -- the id of what it was done to
    network    TEXT, -- with an hour: empty, if several are counted together
    hour       BIGINT,
    UNIQUE (account, kind, hour, network)
);
CREATE INDEX auth_events_by_account ON auth_events (account, at, id);
CREATE INDEX auth_events_by_age ON auth_events (last_at);

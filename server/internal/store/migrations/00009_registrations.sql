-- +goose Up

-- Who has registered and not proved the address yet. An account is made of it once that is proved: until then nothing can
-- refer to it, and what was registered with it - a password above all - is nobody's. A new registration of an address
-- replaces the one before. It ends after a day.
CREATE TABLE registrations (
    email         TEXT    NOT NULL PRIMARY KEY, -- in lower case
    number        INTEGER NOT NULL UNIQUE,      -- of the account that will be
    id            TEXT    NOT NULL,             -- likewise; each registration has its own
    username      TEXT    UNIQUE,
    display_name  TEXT    NOT NULL,
    first_name    TEXT    NOT NULL,
    last_name     TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL
);
CREATE INDEX registrations_by_age ON registrations (created_at);

-- An account that somebody has acted for before its address was proved was vouched for on the command line. It stays, without
-- the password that anybody may have chosen.
UPDATE accounts SET password_hash = NULL, verified = TRUE
 WHERE NOT verified AND number IN (
    SELECT account FROM sessions UNION SELECT owner FROM servers UNION SELECT account FROM members UNION SELECT account FROM visits
    UNION SELECT account FROM channels UNION SELECT account FROM channel_members UNION SELECT account FROM ledger UNION SELECT account FROM api_keys);
INSERT INTO registrations (email, number, id, username, display_name, first_name, last_name, password_hash, created_at)
SELECT email, number, id, username, display_name, first_name, last_name, password_hash, created_at FROM accounts
 WHERE NOT verified AND password_hash IS NOT NULL;
-- To delete an account, the databases look for whatever refers to it.
CREATE INDEX visits_by_account ON visits (account);
CREATE INDEX channels_by_account ON channels (account);
CREATE INDEX channel_members_by_account ON channel_members (account);
CREATE INDEX ledger_by_account ON ledger (account);
CREATE INDEX api_keys_by_account ON api_keys (account);
DELETE FROM accounts WHERE NOT verified;
DROP INDEX visits_by_account;
DROP INDEX channels_by_account;
DROP INDEX channel_members_by_account;
DROP INDEX ledger_by_account;
DROP INDEX api_keys_by_account;
ALTER TABLE accounts DROP COLUMN verified;

-- The codes that were mailed before are good for a quarter of an hour, and a new one is mailed to whoever asks.
DROP TABLE codes;

-- The codes that were mailed, the latest for each account and purpose; the codes themselves are not kept. Here and below an
-- account is its number, or the one that a registration has for it.
CREATE TABLE codes (
    account    INTEGER NOT NULL,
    purpose    TEXT    NOT NULL, -- verify, reset
    salt       TEXT    NOT NULL, -- another one for each code
    hash       TEXT    NOT NULL,
    network    TEXT    NOT NULL, -- that has asked for it
    tries      BIGINT  NOT NULL, -- by strangers together: those who have neither asked for it nor signed in before
    expires_at BIGINT  NOT NULL, -- 0 once it was used or ended
    PRIMARY KEY (account, purpose)
);
CREATE INDEX codes_by_expiry ON codes (expires_at);

-- How often a network has tried the code with a salt.
CREATE TABLE code_tries (
    account    INTEGER NOT NULL,
    purpose    TEXT    NOT NULL,
    network    TEXT    NOT NULL,
    salt       TEXT    NOT NULL,
    tries      BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL,
    PRIMARY KEY (account, purpose, network)
);
CREATE INDEX code_tries_by_expiry ON code_tries (expires_at);

-- How many codes a network may ask for, and all that are strangers together (an empty network), as buckets of tokens: each
-- is empty further the later it is full again.
CREATE TABLE code_quotas (
    account INTEGER NOT NULL,
    purpose TEXT    NOT NULL,
    network TEXT    NOT NULL,
    full_at BIGINT  NOT NULL,
    PRIMARY KEY (account, purpose, network)
);
CREATE INDEX code_quotas_by_time ON code_quotas (full_at);

-- From where an account was signed in to of late: a few networks, as hashes. What strangers use up does not count there.
CREATE TABLE known_networks (
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    network TEXT    NOT NULL,
    used_at BIGINT  NOT NULL,
    PRIMARY KEY (account, network)
);

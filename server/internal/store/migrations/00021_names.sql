-- +goose Up

-- A registration holds no user name: who proves an address first has it. SQLite cannot drop a constraint: the table is made anew.
CREATE TABLE registrations_anew (
    email         TEXT    NOT NULL PRIMARY KEY, -- in lower case
    number        INTEGER NOT NULL UNIQUE,      -- of the account that will be
    id            TEXT    NOT NULL,             -- likewise; each registration has its own
    username      TEXT,
    display_name  TEXT    NOT NULL,
    first_name    TEXT    NOT NULL,
    last_name     TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL
);
INSERT INTO registrations_anew (email, number, id, username, display_name, first_name, last_name, password_hash, created_at)
SELECT email, number, id, username, display_name, first_name, last_name, password_hash, created_at FROM registrations;
DROP TABLE registrations;
ALTER TABLE registrations_anew RENAME TO registrations;
CREATE INDEX registrations_by_age ON registrations (created_at);

-- +goose Up

-- What members of a server do so many days, weeks or months in a row.
CREATE TABLE streaks (
    id         TEXT    NOT NULL PRIMARY KEY,
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    definition TEXT    NOT NULL, -- Streak
    zones      TEXT    NOT NULL, -- since when it had which timezone: ZoneChange
    position   INTEGER NOT NULL,
    created_at BIGINT  NOT NULL
);
CREATE INDEX streaks_of_server ON streaks (server_id, position, created_at, id);

-- How far each member has come. A streak that is gone has some until they are removed in steps.
CREATE TABLE streak_states (
    account   INTEGER NOT NULL REFERENCES accounts,
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    streak_id TEXT    NOT NULL,
    state     TEXT    NOT NULL, -- streak.State
    PRIMARY KEY (account, server_id, streak_id)
);
CREATE INDEX streak_states_of_streak ON streak_states (server_id, streak_id, account);

-- When members have reached streaks, once with a period. It outlives its streak, and tells by itself what it was called.
CREATE TABLE streak_logs (
    account   INTEGER NOT NULL REFERENCES accounts,
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    streak_id TEXT    NOT NULL,
    period    TEXT    NOT NULL, -- its first day
    id        TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    length    BIGINT  NOT NULL,
    xp        BIGINT  NOT NULL,
    coins     BIGINT  NOT NULL,
    at        BIGINT  NOT NULL,
    PRIMARY KEY (account, server_id, streak_id, period)
);
CREATE INDEX streak_logs_of_account ON streak_logs (account, server_id, at, id);
CREATE INDEX streak_logs_of_streak ON streak_logs (account, server_id, streak_id, at, id);
CREATE INDEX streak_logs_of_server ON streak_logs (server_id);

-- Since when an account had which time zone: ZoneChange. Empty: it never had another one.
ALTER TABLE accounts ADD COLUMN zone_changes TEXT NOT NULL DEFAULT '';

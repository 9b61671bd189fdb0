-- +goose Up

CREATE TABLE leaderboards (
    id         TEXT    NOT NULL PRIMARY KEY,
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    slug       TEXT    NOT NULL,
    definition TEXT    NOT NULL, -- Leaderboard
    position   BIGINT  NOT NULL, -- displayOrder of it
    everybody  BOOLEAN NOT NULL, -- whether it ranks all members; else those below
    created_at BIGINT  NOT NULL,
    UNIQUE (server_id, slug)
);
CREATE INDEX leaderboards_by_position ON leaderboards (server_id, position, created_at, id);

CREATE TABLE leaderboard_roles (
    leaderboard_id TEXT NOT NULL REFERENCES leaderboards ON DELETE CASCADE,
    role_id        TEXT NOT NULL,
    PRIMARY KEY (leaderboard_id, role_id)
);
CREATE INDEX leaderboard_roles_by_role ON leaderboard_roles (role_id);

CREATE TABLE leaderboard_users (
    leaderboard_id TEXT    NOT NULL REFERENCES leaderboards ON DELETE CASCADE,
    account        INTEGER NOT NULL REFERENCES accounts,
    PRIMARY KEY (leaderboard_id, account)
);

-- Their ids in their order, with commas between them: a list of servers is read far more often than they change.
ALTER TABLE servers ADD COLUMN leaderboards TEXT NOT NULL DEFAULT '';

-- What all members have, in order: all-time leaderboards are read from these as they are.
CREATE INDEX totals_by_messages ON totals (server_id, messages, account) WHERE is_member;
CREATE INDEX totals_by_replies ON totals (server_id, replies, account) WHERE is_member;
CREATE INDEX totals_by_reactions ON totals (server_id, reactions, account) WHERE is_member;
CREATE INDEX totals_by_referrals ON totals (server_id, referrals, account) WHERE is_member;

-- A leaderboard as it is shown for a time, and that somebody has looked at. One that is exact is read from the totals, and here is
-- only how far down in it something is. One that has ended is nobody's any more, and a job removes what it has left.
CREATE TABLE leaderboard_standings (
    id             TEXT    NOT NULL PRIMARY KEY,
    server_id      TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    leaderboard_id TEXT    NOT NULL,
    filter         TEXT    NOT NULL,
    from_day       INTEGER NOT NULL, -- since 1970-01-01
    until_day      INTEGER NOT NULL,
    everybody      BOOLEAN NOT NULL, -- as of the leaderboard
    ended          BOOLEAN NOT NULL,
    read_at        BIGINT  NOT NULL,
    deep_at        BIGINT  NOT NULL, -- when somebody has asked for a place far down
    computed_at    BIGINT,
    progress       TEXT    NOT NULL  -- of the job, JSON
);
CREATE UNIQUE INDEX leaderboard_standings_shown ON leaderboard_standings (leaderboard_id, filter, from_day, until_day) WHERE NOT ended;
CREATE INDEX leaderboard_standings_by_server ON leaderboard_standings (server_id, id);
CREATE INDEX leaderboard_standings_by_reading ON leaderboard_standings (read_at, server_id);

-- Who is in one that is not exact, with how much.
CREATE TABLE leaderboard_rows (
    standing_id TEXT             NOT NULL,
    account     INTEGER          NOT NULL,
    server_id   TEXT             NOT NULL,
    value       DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (standing_id, account)
);
CREATE INDEX leaderboard_rows_by_value ON leaderboard_rows (standing_id, value, account);
CREATE INDEX leaderboard_rows_by_account ON leaderboard_rows (account, server_id);

-- How many have more than some values, about 200 places apart, as they were counted in one turn.
CREATE TABLE leaderboard_ladders (
    standing_id TEXT             NOT NULL,
    turn        BIGINT           NOT NULL,
    value       DOUBLE PRECISION NOT NULL,
    above       BIGINT           NOT NULL,
    PRIMARY KEY (standing_id, turn, value)
);

-- Of whom something else than days and totals has changed, in servers that have standings.
CREATE TABLE leaderboard_touched (
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account   INTEGER NOT NULL,
    taken     BOOLEAN NOT NULL, -- by the job, in the transaction that brings them up to date
    PRIMARY KEY (server_id, account)
);
CREATE INDEX leaderboard_touched_taken ON leaderboard_touched (server_id, account) WHERE taken;

-- +goose Up

-- Beside XP and coins, members may have premium currency.
ALTER TABLE ledger ADD COLUMN premium BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN premium BIGINT NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN premium BIGINT NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN premium_spent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE server_days ADD COLUMN premium BIGINT NOT NULL DEFAULT 0;
ALTER TABLE server_days ADD COLUMN premium_spent BIGINT NOT NULL DEFAULT 0;

-- A file with a row for each of many members. How far it is: see store.Bulk.
CREATE TABLE bulk_updates (
    id          TEXT    NOT NULL PRIMARY KEY,
    server_id   TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    key_id      TEXT    NOT NULL, -- by which it came
    kind        TEXT    NOT NULL, -- BulkType
    status      TEXT    NOT NULL, -- BulkStatus, or arriving
    header      TEXT    NOT NULL, -- a JSON array of their names
    total       INTEGER NOT NULL DEFAULT 0,
    processed   INTEGER NOT NULL DEFAULT 0,
    failed      INTEGER NOT NULL DEFAULT 0,
    turn        BOOLEAN NOT NULL DEFAULT FALSE, -- it is the one of its server whose rows are done
    runner      TEXT    NOT NULL DEFAULT '',    -- which run of the job does them
    stepped_at  BIGINT  NOT NULL,               -- when something happened to it last
    created_at  BIGINT  NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT
);
CREATE INDEX bulk_updates_by_server ON bulk_updates (server_id, created_at, id);
CREATE INDEX bulk_updates_waiting ON bulk_updates (server_id, created_at, id) WHERE status = 'queued';
CREATE UNIQUE INDEX bulk_updates_with_turn ON bulk_updates (server_id) WHERE turn;
CREATE INDEX bulk_updates_stalled ON bulk_updates (stepped_at) WHERE turn;
CREATE INDEX bulk_updates_arriving ON bulk_updates (stepped_at) WHERE status = 'arriving';
CREATE INDEX bulk_updates_ended ON bulk_updates (finished_at);

-- The rows that are not done yet, some to a chunk, by the number of the first of them.
CREATE TABLE bulk_chunks (
    bulk_id TEXT    NOT NULL REFERENCES bulk_updates ON DELETE CASCADE,
    first   INTEGER NOT NULL,
    lines   TEXT    NOT NULL, -- a JSON array of BulkLine
    PRIMARY KEY (bulk_id, first)
);

-- What became of those that were done.
CREATE TABLE bulk_rows (
    bulk_id    TEXT    NOT NULL REFERENCES bulk_updates ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    identifier TEXT    NOT NULL,
    failed     BOOLEAN NOT NULL,
    errors     TEXT    NOT NULL, -- a JSON array of BulkRowError
    PRIMARY KEY (bulk_id, number)
);
CREATE INDEX bulk_rows_failed ON bulk_rows (bulk_id, number) WHERE failed;

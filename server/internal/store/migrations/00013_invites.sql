-- +goose Up

-- What lets people into servers. The codes are kept as they are: who made one sees it again in the list, and whoever reads
-- this table reads what they let in to. One that has ended is kept for a while, to tell it from one that never was.
CREATE TABLE invites (
    code       TEXT    NOT NULL PRIMARY KEY,
    id         TEXT    NOT NULL, -- `_id` on the wire, and in the audit trail, which shows no code
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account    INTEGER NOT NULL REFERENCES accounts, -- who made it
    role_id    TEXT, -- null: it gives none
    uses       BIGINT  NOT NULL, -- 0: any number
    remaining  BIGINT  NOT NULL, -- of the uses
    expires_at BIGINT, -- null: never
    created_at BIGINT  NOT NULL,
    ended_at   BIGINT  NOT NULL -- 0: not yet
);
CREATE INDEX invites_by_server ON invites (server_id, ended_at, created_at, id);
CREATE INDEX invites_by_account ON invites (account);
CREATE INDEX invites_by_end ON invites (ended_at, expires_at);

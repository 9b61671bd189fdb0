-- +goose Up

CREATE TABLE leaderboards (
    id         TEXT   NOT NULL PRIMARY KEY,
    server_id  TEXT   NOT NULL REFERENCES servers ON DELETE CASCADE,
    slug       TEXT   NOT NULL,
    definition TEXT   NOT NULL, -- Leaderboard
    position   BIGINT NOT NULL, -- displayOrder of it
    created_at BIGINT NOT NULL,
    UNIQUE (server_id, slug)
);
CREATE INDEX leaderboards_by_position ON leaderboards (server_id, position, created_at, id);

-- Their ids in their order, with commas between them: a list of servers is read far more often than they change.
ALTER TABLE servers ADD COLUMN leaderboards TEXT NOT NULL DEFAULT '';

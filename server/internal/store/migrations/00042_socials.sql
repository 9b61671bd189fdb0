-- +goose Up

-- What members are to do elsewhere. That they did stands in the ledger.
CREATE TABLE socials (
    id         TEXT   NOT NULL PRIMARY KEY,
    server_id  TEXT   NOT NULL REFERENCES servers ON DELETE CASCADE,
    definition TEXT   NOT NULL, -- Social
    created_at BIGINT NOT NULL
);
CREATE INDEX socials_by_server ON socials (server_id, created_at, id);

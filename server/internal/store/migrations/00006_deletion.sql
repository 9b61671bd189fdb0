-- +goose Up

-- Whether a server is there no more, for anybody. What it had goes afterwards, step by step, and then its row.
ALTER TABLE servers ADD COLUMN deleted BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Up

-- How many rows the files of a server have had up to the end of this one: which of them are kept is known without counting. 0: not all of it is there.
ALTER TABLE bulk_updates ADD COLUMN kept BIGINT NOT NULL DEFAULT 0;
-- From whose quota of imported users its rows were taken; 0: from nobody's.
ALTER TABLE bulk_updates ADD COLUMN paid_by BIGINT NOT NULL DEFAULT 0;
CREATE INDEX bulk_updates_kept ON bulk_updates (server_id, kept);

-- Whom a row was about, so that their name goes when they go, and what it has changed of what the ledger knows. 0: nobody.
ALTER TABLE bulk_rows ADD COLUMN account BIGINT NOT NULL DEFAULT 0;
ALTER TABLE bulk_rows ADD COLUMN xp BIGINT NOT NULL DEFAULT 0;
ALTER TABLE bulk_rows ADD COLUMN coins BIGINT NOT NULL DEFAULT 0;
ALTER TABLE bulk_rows ADD COLUMN premium BIGINT NOT NULL DEFAULT 0;
CREATE INDEX bulk_rows_of_account ON bulk_rows (account) WHERE account > 0;

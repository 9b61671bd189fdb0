-- +goose Up

-- How often the runs of a file have failed since some of its rows were done, and why it has ended before all of them were; empty: it has not.
ALTER TABLE bulk_updates ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE bulk_updates ADD COLUMN reason TEXT NOT NULL DEFAULT '';

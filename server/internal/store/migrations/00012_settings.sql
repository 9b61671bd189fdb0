-- +goose Up

-- How a server is run. One from before is joined by nobody who has no invite: whoever wants it open says so.
ALTER TABLE servers ADD COLUMN joining TEXT NOT NULL DEFAULT 'invite'; -- open, invite, closed
ALTER TABLE servers ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE servers ADD COLUMN language TEXT NOT NULL DEFAULT 'en';
ALTER TABLE servers ADD COLUMN domains TEXT NOT NULL DEFAULT '[]'; -- a DomainList
ALTER TABLE servers ADD COLUMN app_url TEXT; -- null: none

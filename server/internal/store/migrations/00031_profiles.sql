-- +goose Up

-- What an account says of itself.
ALTER TABLE accounts ADD COLUMN about_me TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN quote TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN language TEXT NOT NULL DEFAULT 'en';
ALTER TABLE accounts ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';

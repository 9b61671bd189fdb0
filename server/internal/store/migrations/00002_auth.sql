-- +goose Up

ALTER TABLE accounts ADD COLUMN first_name TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN last_name TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN verified BOOLEAN NOT NULL DEFAULT TRUE; -- those made from the command line are
ALTER TABLE accounts ADD COLUMN password_hash TEXT; -- argon2id; without one, nobody can log in with a password

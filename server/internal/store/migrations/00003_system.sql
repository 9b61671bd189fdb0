-- +goose Up

-- The first answers to requests with an Idempotency-Key. The id is made from the key, the caller and the operation; the
-- answer is sealed with a key that is made from the same and is not kept.
CREATE TABLE idempotency (
    id          TEXT   NOT NULL PRIMARY KEY,
    fingerprint TEXT   NOT NULL, -- of the request
    answer      TEXT   NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

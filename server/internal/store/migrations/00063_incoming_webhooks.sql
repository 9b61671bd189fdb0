-- +goose Up

-- Addresses at which other systems ask for something to be done. What is secret is sealed, or only its hash is kept: see vault.
CREATE TABLE incoming_webhooks (
    id         TEXT    NOT NULL PRIMARY KEY,
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    token_hash TEXT    NOT NULL UNIQUE,
    definition TEXT    NOT NULL,            -- IncomingWebhook, masked
    api_key    TEXT    NOT NULL DEFAULT '', -- the hash of what must be in x-api-key; empty: nothing
    cipher_key TEXT    NOT NULL DEFAULT '',
    account    INTEGER NOT NULL,            -- who vouches for it
    calls      BIGINT  NOT NULL DEFAULT 0,  -- that were written down so far
    created_at BIGINT  NOT NULL
);
CREATE INDEX incoming_webhooks_of_server ON incoming_webhooks (server_id, created_at, id);

-- What became of the last calls of each, of which there are so many places.
CREATE TABLE incoming_calls (
    webhook_id TEXT   NOT NULL REFERENCES incoming_webhooks ON DELETE CASCADE,
    place      BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    outcome    TEXT   NOT NULL, -- IncomingOutcome
    reason     TEXT   NOT NULL,
    message_id TEXT,
    at         BIGINT NOT NULL,
    PRIMARY KEY (webhook_id, place)
);
CREATE INDEX incoming_calls_latest ON incoming_calls (webhook_id, number);

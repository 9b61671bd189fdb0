-- +goose Up

-- What a community shows on pages of others.
CREATE TABLE widgets (
    id             TEXT    NOT NULL PRIMARY KEY,
    server_id      TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    slug           TEXT    NOT NULL,
    kind           TEXT    NOT NULL, -- WidgetKind
    channel_id     TEXT    NOT NULL, -- empty: it shows none
    active         BOOLEAN NOT NULL,
    definition     TEXT    NOT NULL, -- Widget
    created_at     BIGINT  NOT NULL,
    UNIQUE (server_id, slug)
);
CREATE INDEX widgets_of_server ON widgets (server_id, created_at, id);
CREATE INDEX widgets_of_channel ON widgets (channel_id) WHERE channel_id <> '';

-- The pairs with which programs ask for tokens.
CREATE TABLE widget_access_keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    key_hash   TEXT    NOT NULL, -- SHA-256 in hex; the key itself is not kept
    account    INTEGER NOT NULL REFERENCES accounts, -- who made it
    definition TEXT    NOT NULL, -- WidgetAccessKey, masked
    created_at BIGINT  NOT NULL
);
CREATE INDEX widget_access_keys_of_server ON widget_access_keys (server_id, created_at, id);
CREATE INDEX widget_access_keys_of_account ON widget_access_keys (account);

-- With what tokens are signed, sealed: see vault. The newest signs; each is kept until the last token that it has signed has ended.
CREATE TABLE widget_signing_keys (
    id         TEXT   NOT NULL PRIMARY KEY,
    secret     TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX widget_signing_keys_at ON widget_signing_keys (created_at);

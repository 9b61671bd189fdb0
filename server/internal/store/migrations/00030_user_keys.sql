-- +goose Up

-- API keys that act for an account in a community. They end with the membership.
CREATE TABLE user_keys (
    id            TEXT    NOT NULL PRIMARY KEY,
    server_id     TEXT    NOT NULL,
    account       INTEGER NOT NULL,
    key_hash      TEXT    NOT NULL UNIQUE, -- SHA-256 in hex; the key itself is not kept
    masked        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    permissions   TEXT    NOT NULL, -- UserKeyPermissions
    channels      TEXT    NOT NULL, -- KeyChannels
    expire_period BIGINT  NOT NULL,
    expires_at    BIGINT, -- null: never
    active        BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    FOREIGN KEY (account, server_id) REFERENCES members ON DELETE CASCADE
);
CREATE INDEX user_keys_by_account ON user_keys (account, created_at, id);
CREATE INDEX user_keys_by_member ON user_keys (account, server_id);
CREATE INDEX user_keys_by_server ON user_keys (server_id);

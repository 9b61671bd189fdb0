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

-- Whom a private or direct channel admits.
CREATE TABLE channel_roles (
    channel_id TEXT NOT NULL REFERENCES channels ON DELETE CASCADE,
    role_id    TEXT NOT NULL REFERENCES roles ON DELETE CASCADE,
    PRIMARY KEY (channel_id, role_id)
);
CREATE INDEX channel_roles_by_role ON channel_roles (role_id);

CREATE TABLE channel_members (
    channel_id TEXT    NOT NULL REFERENCES channels ON DELETE CASCADE,
    account    INTEGER NOT NULL REFERENCES accounts,
    PRIMARY KEY (channel_id, account)
);

CREATE TABLE badges (
    id         TEXT   NOT NULL PRIMARY KEY,
    server_id  TEXT   NOT NULL REFERENCES servers ON DELETE CASCADE,
    definition TEXT   NOT NULL, -- a BadgeUpdate
    created_at BIGINT NOT NULL
);
CREATE INDEX badges_by_server ON badges (server_id, created_at, id);

CREATE TABLE member_badges (
    server_id  TEXT    NOT NULL,
    account    INTEGER NOT NULL,
    badge_id   TEXT    NOT NULL REFERENCES badges ON DELETE CASCADE,
    awarded_at BIGINT  NOT NULL,
    PRIMARY KEY (account, server_id, badge_id),
    FOREIGN KEY (account, server_id) REFERENCES members ON DELETE CASCADE
);
CREATE INDEX member_badges_by_badge ON member_badges (badge_id);

-- What members were credited and have spent. Lines are added and never changed; a balance is their sum. The reason names
-- what a line follows from, and one thing credits a member once.
CREATE TABLE ledger (
    id        TEXT    NOT NULL PRIMARY KEY,
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account   INTEGER NOT NULL REFERENCES accounts,
    kind      TEXT    NOT NULL, -- xp, coins
    amount    BIGINT  NOT NULL,
    reason    TEXT    NOT NULL,
    at        BIGINT  NOT NULL,
    UNIQUE (server_id, account, kind, reason)
);

CREATE TABLE api_keys (
    id            TEXT    NOT NULL PRIMARY KEY,
    server_id     TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    key_hash      TEXT    NOT NULL UNIQUE, -- SHA-256 in hex; the key itself is not kept
    masked        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    permissions   TEXT    NOT NULL, -- a KeyPermissions
    expire_period BIGINT  NOT NULL,
    expires_at    BIGINT, -- null: never
    active        BOOLEAN NOT NULL,
    account       INTEGER NOT NULL REFERENCES accounts, -- who made it
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL
);
CREATE INDEX api_keys_by_server ON api_keys (server_id, created_at, id);

-- Who changed what. Lines are added and never changed, and outlive the server that they are about.
CREATE TABLE audit (
    id         TEXT   NOT NULL PRIMARY KEY,
    server_id  TEXT   NOT NULL,
    actor_type TEXT   NOT NULL, -- account, key
    actor_id   TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    before     TEXT, -- JSON
    after      TEXT, -- JSON
    at         BIGINT NOT NULL
);
CREATE INDEX audit_by_server ON audit (server_id, at, id);

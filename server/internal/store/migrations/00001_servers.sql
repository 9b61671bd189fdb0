-- One text for SQLite and PostgreSQL: ids and hashes are TEXT, moments are microseconds since 1970 in BIGINT,
-- documents are JSON in TEXT.

-- +goose Up

-- Numbers that are handed out once and never again, also after what carried them is gone.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('account', 0);

CREATE TABLE accounts (
    id           TEXT   NOT NULL PRIMARY KEY,
    number       BIGINT NOT NULL UNIQUE,
    email        TEXT   NOT NULL UNIQUE, -- in lower case
    username     TEXT   UNIQUE,
    display_name TEXT   NOT NULL,
    avatar       TEXT,
    created_at   BIGINT NOT NULL
);

CREATE TABLE sessions (
    token_hash TEXT   NOT NULL PRIMARY KEY, -- SHA-256 in hex; the token itself is not kept
    account_id TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account_id);

CREATE TABLE servers (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    image_id   TEXT,
    owner_id   TEXT   NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL
);
CREATE INDEX servers_by_owner ON servers (owner_id);

CREATE TABLE members (
    server_id  TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    account_id TEXT   NOT NULL REFERENCES accounts (id),
    joined_at  BIGINT NOT NULL,
    PRIMARY KEY (account_id, server_id)
);
CREATE INDEX members_by_server ON members (server_id, joined_at, account_id);

-- A day counts once, also for a member who left and came back: visits outlive the membership.
CREATE TABLE visits (
    server_id  TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    day        TEXT NOT NULL, -- 2006-01-02, in UTC
    PRIMARY KEY (server_id, account_id, day)
);

CREATE TABLE roles (
    id                  TEXT    NOT NULL PRIMARY KEY,
    server_id           TEXT    NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    everyone            BOOLEAN NOT NULL, -- the role @all, which every member has without a row in member_roles
    title               TEXT    NOT NULL,
    description         TEXT    NOT NULL,
    class               TEXT    NOT NULL,
    position            BIGINT  NOT NULL, -- `order` on the wire
    billable            BOOLEAN NOT NULL,
    server_permissions  TEXT    NOT NULL,
    channel_permissions TEXT    NOT NULL,
    created_at          BIGINT  NOT NULL,
    updated_at          BIGINT  NOT NULL
);
CREATE INDEX roles_by_server ON roles (server_id, position, id);

CREATE TABLE member_roles (
    server_id  TEXT NOT NULL,
    account_id TEXT NOT NULL,
    role_id    TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, server_id, role_id),
    FOREIGN KEY (account_id, server_id) REFERENCES members (account_id, server_id) ON DELETE CASCADE
);
CREATE INDEX member_roles_by_role ON member_roles (role_id);

CREATE TABLE channels (
    id           TEXT   NOT NULL PRIMARY KEY,
    server_id    TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    account_id   TEXT   NOT NULL REFERENCES accounts (id),
    topic        TEXT   NOT NULL,
    description  TEXT   NOT NULL,
    channel_type TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX channels_by_server ON channels (server_id, created_at, id);

-- One text for SQLite and PostgreSQL: ids and hashes are TEXT, moments are microseconds since 1970 in BIGINT,
-- documents are JSON in TEXT.

-- +goose Up

-- Numbers that are handed out once and never again, also after what carried them is gone.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('account', 0);

-- Everything refers to an account by its number: INTEGER PRIMARY KEY is the row itself in SQLite, so that no second
-- index stands in the way of who is calling.
CREATE TABLE accounts (
    number       INTEGER NOT NULL PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE, -- `_id` on the wire
    email        TEXT    NOT NULL UNIQUE, -- in lower case
    username     TEXT    UNIQUE,
    display_name TEXT    NOT NULL,
    avatar       TEXT,
    created_at   BIGINT  NOT NULL
);

CREATE TABLE sessions (
    token_hash TEXT    NOT NULL PRIMARY KEY, -- SHA-256 in hex; the token itself is not kept
    account    INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account);

CREATE TABLE servers (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    image_id   TEXT,
    owner      INTEGER NOT NULL REFERENCES accounts,
    created_at BIGINT  NOT NULL
);
CREATE INDEX servers_by_owner ON servers (owner);

CREATE TABLE members (
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account   INTEGER NOT NULL REFERENCES accounts,
    joined_at BIGINT  NOT NULL,
    PRIMARY KEY (account, server_id)
);
CREATE INDEX members_by_server ON members (server_id, joined_at, account);

-- A day counts once, also for a member who left and came back: visits outlive the membership.
CREATE TABLE visits (
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account   INTEGER NOT NULL REFERENCES accounts,
    day       TEXT    NOT NULL, -- 2006-01-02, in UTC
    PRIMARY KEY (server_id, account, day)
);

CREATE TABLE roles (
    id                  TEXT    NOT NULL PRIMARY KEY,
    server_id           TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
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
    server_id TEXT    NOT NULL,
    account   INTEGER NOT NULL,
    role_id   TEXT    NOT NULL REFERENCES roles ON DELETE CASCADE,
    PRIMARY KEY (account, server_id, role_id),
    FOREIGN KEY (account, server_id) REFERENCES members ON DELETE CASCADE
);
CREATE INDEX member_roles_by_role ON member_roles (role_id);

CREATE TABLE channels (
    id           TEXT    NOT NULL PRIMARY KEY,
    server_id    TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account      INTEGER NOT NULL REFERENCES accounts, -- who made it
    topic        TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    channel_type TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL
);
CREATE INDEX channels_by_server ON channels (server_id, created_at, id);

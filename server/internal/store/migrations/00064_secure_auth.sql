-- +goose Up

-- Whom API keys sign in to the pages of communities. A row waits for who follows its address, and is then what they are signed in by. It ends
-- with the membership.
CREATE TABLE page_logins (
    id         TEXT    NOT NULL PRIMARY KEY,
    token_hash TEXT    NOT NULL UNIQUE, -- SHA-256 in hex; the token itself is not kept
    key_id     TEXT    NOT NULL, -- of the API key, which may be gone
    server_id  TEXT    NOT NULL,
    account    INTEGER NOT NULL,
    host       TEXT    NOT NULL, -- on which it is followed
    opened     BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL,
    FOREIGN KEY (account, server_id) REFERENCES members ON DELETE CASCADE
);
CREATE INDEX page_logins_of_member ON page_logins (account, server_id, created_at, id);
CREATE INDEX page_logins_expire ON page_logins (expires_at);

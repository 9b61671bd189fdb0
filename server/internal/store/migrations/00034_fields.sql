-- +goose Up

-- The fields in which a community has values of its members.
CREATE TABLE fields (
    id         TEXT    NOT NULL PRIMARY KEY,
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    field_key  TEXT    NOT NULL, -- what programs call it, without regard to upper and lower case
    definition TEXT    NOT NULL, -- UserFieldCreate
    position   BIGINT  NOT NULL,
    identifier BOOLEAN NOT NULL,
    creator    INTEGER NOT NULL REFERENCES accounts,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    UNIQUE (server_id, field_key)
);
CREATE UNIQUE INDEX fields_identifier ON fields (server_id) WHERE identifier;
CREATE INDEX fields_by_creator ON fields (creator);

-- The values, of members and of those who were deleted. A field that is gone has some until they are removed in steps.
CREATE TABLE field_values (
    account    INTEGER NOT NULL REFERENCES accounts,
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    field_id   TEXT    NOT NULL,
    value      TEXT    NOT NULL, -- JSON
    kind       TEXT    NOT NULL, -- which says into what types it converts
    value_key  TEXT    NOT NULL, -- SHA-256 of it as text, without regard to upper and lower case
    unique_key TEXT,             -- the same, if the field was the identifier when it was given
    measure    DOUBLE PRECISION, -- of a number, and of a date in milliseconds
    PRIMARY KEY (account, server_id, field_id)
);
CREATE INDEX field_values_by_value ON field_values (server_id, field_id, value_key, account);
CREATE INDEX field_values_by_kind ON field_values (field_id, kind);
CREATE INDEX field_values_by_measure ON field_values (server_id, field_id, measure, account);
CREATE UNIQUE INDEX field_values_identify ON field_values (field_id, unique_key);

-- What values there were. It outlives its field, and tells by itself what it was called.
CREATE TABLE field_histories (
    id         TEXT    NOT NULL PRIMARY KEY,
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    field_id   TEXT    NOT NULL,
    field      TEXT    NOT NULL,
    account    INTEGER NOT NULL REFERENCES accounts,
    value      TEXT    NOT NULL, -- JSON
    at         BIGINT  NOT NULL,
    actor_type TEXT    NOT NULL,
    actor_id   TEXT    NOT NULL
);
CREATE INDEX field_histories_of_server ON field_histories (server_id, at, id);
CREATE INDEX field_histories_of_field ON field_histories (server_id, field_id, at, id);
CREATE INDEX field_histories_of_account ON field_histories (account, server_id, at, id);
CREATE INDEX field_histories_of_value ON field_histories (server_id, field_id, account, at, id);

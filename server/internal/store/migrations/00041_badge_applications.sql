-- +goose Up

-- Who asks for which badge. What a badge or a server that is gone has left is removed in steps, and nobody finds it meanwhile. A proof is an
-- image that is 'private', not 'shown', and 'ended' from when its application has ended until the sweep makes it leave.
CREATE TABLE badge_applications (
    id        TEXT    NOT NULL PRIMARY KEY,
    badge_id  TEXT    NOT NULL,
    server_id TEXT    NOT NULL,
    account   INTEGER NOT NULL, -- who asks
    note      TEXT    NOT NULL,
    image_id  TEXT,             -- the proof
    at        BIGINT  NOT NULL
);
CREATE UNIQUE INDEX badge_applications_open ON badge_applications (badge_id, account);
CREATE INDEX badge_applications_of_badge ON badge_applications (badge_id, at, id);
CREATE INDEX badge_applications_of_account ON badge_applications (account, server_id, id);
CREATE INDEX badge_applications_of_server ON badge_applications (server_id);

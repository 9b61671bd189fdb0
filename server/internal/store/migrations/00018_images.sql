-- +goose Up

-- Every image has a row before there is a file of it, so that whatever a crash has left can be found: 'arriving' until a server
-- shows it, 'shown', and 'leaving' from when no server does until its file is gone.
CREATE TABLE images (
    id      TEXT PRIMARY KEY,
    account BIGINT NOT NULL, -- who has uploaded it, and for whom its bytes count while it is shown
    bytes   BIGINT NOT NULL,
    state   TEXT NOT NULL,
    at      BIGINT NOT NULL -- when it began to arrive or to leave
);

CREATE INDEX images_by_state ON images (state, at, id);

-- How long those from before are is not known here: they count for nobody.
INSERT INTO images (id, account, bytes, state, at)
SELECT DISTINCT image_id, owner, 0, 'shown', created_at FROM servers WHERE image_id IS NOT NULL AND NOT deleted;

-- +goose Up

CREATE TABLE milestones (
    id         TEXT   NOT NULL PRIMARY KEY,
    server_id  TEXT   NOT NULL REFERENCES servers ON DELETE CASCADE,
    definition TEXT   NOT NULL, -- Milestone
    created_at BIGINT NOT NULL
);
CREATE INDEX milestones_by_server ON milestones (server_id, created_at, id);

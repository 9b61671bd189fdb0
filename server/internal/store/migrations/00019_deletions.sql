-- +goose Up

-- The deletions are gone through in the order of their times, and many may have the same.
DROP INDEX deletions_by_time;
CREATE INDEX deletions_by_time ON deletions (at, server_id);

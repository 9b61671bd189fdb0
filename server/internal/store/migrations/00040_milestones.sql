-- +goose Up

CREATE TABLE milestones (
    id         TEXT   NOT NULL PRIMARY KEY,
    server_id  TEXT   NOT NULL REFERENCES servers ON DELETE CASCADE,
    definition TEXT   NOT NULL, -- Milestone
    created_at BIGINT NOT NULL
);
CREATE INDEX milestones_by_server ON milestones (server_id, created_at, id);

-- Who deletes an account is looked for among whom leaderboards rank.
CREATE INDEX leaderboard_users_by_account ON leaderboard_users (account);

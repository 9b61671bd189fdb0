-- +goose Up

-- Who has deleted a server, and when. It is there for as long as the audit trail of the server is.
CREATE TABLE deletions (
    server_id TEXT    NOT NULL PRIMARY KEY,
    account   INTEGER NOT NULL,
    at        BIGINT  NOT NULL
);
CREATE INDEX deletions_by_time ON deletions (at);

INSERT INTO deletions (server_id, account, at)
SELECT server_id, MIN(CAST(actor_id AS INTEGER)), MIN(at) FROM audit
 WHERE action = 'server.delete' AND actor_type = 'account' GROUP BY server_id;

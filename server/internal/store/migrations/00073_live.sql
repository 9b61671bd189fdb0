-- +goose Up

-- What has happened is followed live, too. A place is given after the commit, in one order for everybody who follows a server.
ALTER TABLE webhook_events ADD COLUMN account BIGINT NOT NULL DEFAULT 0; -- of whom it tells; 0: of nobody
ALTER TABLE webhook_events ADD COLUMN message TEXT NOT NULL DEFAULT ''; -- that it shows, as long as that is there
ALTER TABLE webhook_events ADD COLUMN place BIGINT; -- null: nobody follows it; 0: it waits for its place
ALTER TABLE webhook_events ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
UPDATE webhook_events SET expires_at = at + 2678400000000;
DROP INDEX webhook_events_at;
CREATE INDEX webhook_events_expire ON webhook_events (expires_at);
CREATE INDEX webhook_events_of_account ON webhook_events (account) WHERE account > 0;
CREATE INDEX webhook_events_place ON webhook_events (server_id, place, at, id) WHERE place IS NOT NULL;

-- The servers that somebody has followed.
CREATE TABLE live_servers (
    server_id TEXT    NOT NULL PRIMARY KEY REFERENCES servers ON DELETE CASCADE,
    live      BOOLEAN NOT NULL, -- what happens there is written down
    place     BIGINT  NOT NULL, -- of the last event that has one
    event_id  TEXT    NOT NULL, -- that event
    seen_at   BIGINT  NOT NULL  -- when somebody was following it
);
CREATE INDEX live_servers_seen ON live_servers (seen_at) WHERE live;

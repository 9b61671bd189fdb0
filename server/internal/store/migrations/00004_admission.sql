-- +goose Up

-- Whether an API key has made a channel: then nobody sees it for having made it.
ALTER TABLE channels ADD COLUMN by_key BOOLEAN NOT NULL DEFAULT FALSE;

-- Who has left a server is no longer admitted by name to its channels, not even after joining it again.
DELETE FROM channel_members WHERE NOT EXISTS (
    SELECT 1 FROM channels c JOIN members m ON m.server_id = c.server_id
     WHERE c.id = channel_members.channel_id AND m.account = channel_members.account);

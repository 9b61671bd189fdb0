-- +goose Up

-- The API key that has sent a message, or begun a topic, in the name of its author; null: none has. What was sent before does not
-- say. The topics that say by_key are older: they are in the name of a server.
ALTER TABLE messages ADD COLUMN key_id TEXT;
ALTER TABLE topics ADD COLUMN key_id TEXT;

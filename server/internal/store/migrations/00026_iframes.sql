-- +goose Up

-- The page that an iframe channel shows, and the secret with which it learns who looks at it. The secret is kept as it is: it
-- makes signatures, and whoever reads it can sign for this channel only.
ALTER TABLE channels ADD COLUMN iframe_url TEXT;
ALTER TABLE channels ADD COLUMN signing_secret TEXT;

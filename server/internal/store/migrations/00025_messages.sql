-- +goose Up

-- What members have said. The position of a message is the moment at which it was sent, in microseconds, and a few bits that
-- keep two of one moment apart: it alone is the order of messages, and their key everywhere in here. That of a channel which is
-- gone may stay for a while: nobody finds them, and a job removes them.
CREATE TABLE messages (
    id         TEXT    NOT NULL PRIMARY KEY,
    server_id  TEXT    NOT NULL,
    channel_id TEXT    NOT NULL,
    position   BIGINT  NOT NULL,
    account    INTEGER NOT NULL, -- who has sent it
    topic_id   TEXT,             -- in a forum
    reply_to   TEXT,             -- the id of another one, which may be gone
    text       TEXT    NOT NULL,
    pinned     BOOLEAN NOT NULL DEFAULT FALSE,
    at         BIGINT  NOT NULL,
    edited_at  BIGINT
);

-- Each list has one index that yields its order, and no other one does: PostgreSQL would take any that does, if it thinks
-- that most messages are of this channel, or of this author.
CREATE UNIQUE INDEX messages_by_channel ON messages (channel_id, position);
CREATE INDEX messages_by_author ON messages (channel_id, account, (-position));
CREATE INDEX messages_by_topic ON messages (topic_id, position) WHERE topic_id IS NOT NULL;
CREATE INDEX messages_by_topic_author ON messages (topic_id, account, (-position)) WHERE topic_id IS NOT NULL;

-- How many there are of a channel or a topic, of everybody (the account 0, in shards) and of each author.
CREATE TABLE message_totals (
    scope   TEXT    NOT NULL,
    account INTEGER NOT NULL,
    shard   INTEGER NOT NULL,
    n       BIGINT  NOT NULL,
    PRIMARY KEY (scope, account, shard)
);

CREATE TABLE topics (
    id         TEXT    NOT NULL PRIMARY KEY,
    channel_id TEXT    NOT NULL,
    account    INTEGER NOT NULL, -- who has begun it
    by_key     BOOLEAN NOT NULL, -- in the name of a server
    title      TEXT    NOT NULL,
    created_at BIGINT  NOT NULL
);
CREATE INDEX topics_by_channel ON topics (channel_id, created_at, id);

-- Who has reacted how, and how many have: a message that everybody reacts to is read without counting them.
CREATE TABLE message_reactions (
    message BIGINT  NOT NULL,
    emoji   TEXT    NOT NULL,
    account INTEGER NOT NULL,
    PRIMARY KEY (message, emoji, account)
);
CREATE TABLE message_reaction_counts (
    message BIGINT NOT NULL,
    emoji   TEXT   NOT NULL,
    n       BIGINT NOT NULL,
    at      BIGINT NOT NULL, -- when it came first
    PRIMARY KEY (message, emoji)
);

-- Images that were uploaded for messages, and by which message each is shown. One that none shows is swept after a while.
CREATE TABLE message_images (
    image_id  TEXT    NOT NULL PRIMARY KEY,
    server_id TEXT    NOT NULL,
    account   INTEGER NOT NULL, -- who has uploaded it
    message   BIGINT,
    ordinal   INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    type      TEXT    NOT NULL,
    size      BIGINT  NOT NULL,
    at        BIGINT  NOT NULL
);
CREATE INDEX message_images_by_message ON message_images (message, ordinal) WHERE message IS NOT NULL;
CREATE INDEX message_images_unused ON message_images (at, image_id) WHERE message IS NULL;

-- +goose Up

-- Addresses to which events are sent. What is secret is sealed: see vault.
CREATE TABLE webhooks (
    id            TEXT    NOT NULL PRIMARY KEY,
    server_id     TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    definition    TEXT    NOT NULL, -- Webhook, masked
    secret        TEXT    NOT NULL,
    old_secret    TEXT    NOT NULL DEFAULT '', -- the one before it, which signs beside it until then
    old_until     BIGINT  NOT NULL DEFAULT 0,
    api_key       TEXT    NOT NULL DEFAULT '',
    cipher_key    TEXT    NOT NULL DEFAULT '',
    active        BOOLEAN NOT NULL,
    failing_since BIGINT,                         -- null: the last try was good
    slow          BOOLEAN NOT NULL DEFAULT FALSE, -- it has one lane
    due_at        BIGINT,                         -- when somebody has to begin a lane of it
    created_at    BIGINT  NOT NULL
);
CREATE INDEX webhooks_of_server ON webhooks (server_id, created_at, id);
CREATE INDEX webhooks_due ON webhooks (due_at) WHERE due_at IS NOT NULL;

-- Which events those want that are active.
CREATE TABLE webhook_wants (
    server_id  TEXT NOT NULL,
    kind       TEXT NOT NULL, -- WebhookEventType
    webhook_id TEXT NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    PRIMARY KEY (server_id, kind, webhook_id)
);
CREATE INDEX webhook_wants_of_webhook ON webhook_wants (webhook_id);

-- What has happened, written down with it.
CREATE TABLE webhook_events (
    id         TEXT    NOT NULL PRIMARY KEY,
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    kind       TEXT    NOT NULL,
    channel_id TEXT    NOT NULL, -- empty: in none
    body       TEXT    NOT NULL, -- as it is sent
    waiting    BOOLEAN NOT NULL, -- for its deliveries
    at         BIGINT  NOT NULL
);
CREATE INDEX webhook_events_waiting ON webhook_events (at) WHERE waiting;
CREATE INDEX webhook_events_at ON webhook_events (at);
CREATE INDEX webhook_events_of_server ON webhook_events (server_id);

-- Each of those for each webhook. A webhook that is gone has some until they are removed in steps.
CREATE TABLE webhook_deliveries (
    id         TEXT    NOT NULL PRIMARY KEY,
    webhook_id TEXT    NOT NULL,
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    event_id   TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    status     TEXT    NOT NULL, -- WebhookDeliveryStatus
    tries      INTEGER NOT NULL,
    failed     INTEGER NOT NULL, -- how many of those have failed since it was sent for the first time, or again
    log        TEXT    NOT NULL, -- a JSON array of WebhookTry
    due_at     BIGINT,           -- null: never, or it is on its way
    lane       INTEGER,          -- in which it is on its way
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL
);
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_in_lane ON webhook_deliveries (webhook_id, lane) WHERE lane IS NOT NULL;
CREATE INDEX webhook_deliveries_of_server ON webhook_deliveries (server_id);
CREATE INDEX webhook_deliveries_expire ON webhook_deliveries (expires_at);

-- The lanes of a webhook that are in use: as many calls of it may be under way.
CREATE TABLE webhook_lanes (
    webhook_id TEXT    NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    lane       INTEGER NOT NULL,
    runner     TEXT    NOT NULL, -- which run of the job has it
    beat_at    BIGINT  NOT NULL, -- when it was last heard of
    PRIMARY KEY (webhook_id, lane)
);
CREATE INDEX webhook_lanes_silent ON webhook_lanes (beat_at);

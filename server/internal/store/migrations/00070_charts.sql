-- +goose Up

-- The analyses of charts that members have posted. The position of one is as that of a message. That of a channel which is gone may stay for a while:
-- nobody finds it, and a job removes it.
CREATE TABLE analyses (
    id         TEXT    NOT NULL PRIMARY KEY,
    position   BIGINT  NOT NULL UNIQUE,
    server_id  TEXT    NOT NULL,
    channel_id TEXT    NOT NULL,
    account    INTEGER NOT NULL, -- who has posted it
    key_id     TEXT,             -- the API key that has done so in their name
    type       TEXT    NOT NULL, -- AnalysisType
    definition TEXT    NOT NULL, -- AnalysisMetadata and AnalysisLevels
    drawings   TEXT    NOT NULL, -- AnalysisDrawing
    at         BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL
);
CREATE INDEX analyses_by_channel ON analyses (channel_id, position);
CREATE INDEX analyses_by_author ON analyses (account, position);

-- How analyses are found: in a channel, and there by who has posted them, type, symbol, or several of these. Each has a mark for each of the eight.
CREATE TABLE analysis_marks (
    mark     TEXT   NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (mark, position)
);
CREATE INDEX analysis_marks_by_position ON analysis_marks (position);

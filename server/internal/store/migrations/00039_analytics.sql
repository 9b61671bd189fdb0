-- +goose Up

-- On which day somebody has joined for the first time, on which they did something last, and on which the last time before that; 0: never.
ALTER TABLE totals ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN acted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN acted_before INTEGER NOT NULL DEFAULT 0;

-- Of a day with deeds: how many days before it the last one with any was. 0: there was none; 366: so many or more.
ALTER TABLE days ADD COLUMN since INTEGER NOT NULL DEFAULT 0;

-- How many have joined for the first time, and of those, how many are there no more.
ALTER TABLE server_days ADD COLUMN joined BIGINT NOT NULL DEFAULT 0;
ALTER TABLE server_days ADD COLUMN joined_gone BIGINT NOT NULL DEFAULT 0;

-- How many members did something on a day, by how many days before it they did so last, as in days. Who does something on several days of
-- a range is counted once in it by the first of them: the one before that lies outside. So there are as many rows as there are days,
-- however many members.
CREATE TABLE active_days (
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    day       INTEGER NOT NULL,
    since     INTEGER NOT NULL,
    shard     INTEGER NOT NULL,
    n         BIGINT  NOT NULL,
    gone      BIGINT  NOT NULL, -- of those, how many are there no more
    PRIMARY KEY (server_id, day, since, shard)
);

-- What all members of a server had, as a job has counted it.
CREATE TABLE overviews (
    server_id   TEXT   NOT NULL PRIMARY KEY REFERENCES servers ON DELETE CASCADE,
    snapshot    TEXT,            -- OverviewSnapshot; null: it was not counted yet
    computed_at BIGINT NOT NULL,
    asked_at    BIGINT NOT NULL  -- since when a job is to count it; 0: none is
);

UPDATE days SET since = CASE WHEN b.since > 366 THEN 366 ELSE b.since END
  FROM (SELECT server_id, account, day, day - LAG(day) OVER (PARTITION BY server_id, account ORDER BY day) AS since FROM days WHERE active = 1 AND account > 0) b
 WHERE b.server_id = days.server_id AND b.account = days.account AND b.day = days.day AND b.since IS NOT NULL;
UPDATE totals SET acted = d.day, acted_before = d.before_it
  FROM (SELECT server_id, account, MAX(day) AS day, COALESCE(MAX(before_it), 0) AS before_it FROM (
            SELECT server_id, account, day, LAG(day) OVER (PARTITION BY server_id, account ORDER BY day) AS before_it FROM days WHERE active = 1 AND account > 0) AS lagged
         GROUP BY server_id, account) d
 WHERE d.server_id = totals.server_id AND d.account = totals.account;
INSERT INTO active_days (server_id, day, since, shard, n, gone)
SELECT server_id, day, since, 0, COUNT(*), 0 FROM days WHERE active = 1 AND account > 0 GROUP BY server_id, day, since;

-- Until the upgrade, that is by UTC. Of who has left of themselves it is not known.
UPDATE totals SET joined = CAST(m.joined_at / 86400000000 AS INTEGER) FROM members m WHERE m.server_id = totals.server_id AND m.account = totals.account;
UPDATE totals SET joined = CAST(m.joined_at / 86400000000 AS INTEGER) FROM former_members m WHERE m.server_id = totals.server_id AND m.account = totals.account;
INSERT INTO server_days (server_id, day, shard, joined) SELECT server_id, joined, 0, COUNT(*) FROM totals WHERE joined > 0 GROUP BY server_id, joined
    ON CONFLICT (server_id, day, shard) DO UPDATE SET joined = excluded.joined;

-- +goose Up

-- How many there are of a kind of thing, kept as they come and go, so that nobody has to count. What has them is a server,
-- by its id, or an account, by its number. A tally is the sum of its shards: who adds at the same time as others does so in
-- another row. Of what there may be only so many, each shard holds its share of the limit at most.
CREATE TABLE tallies (
    whose TEXT    NOT NULL,
    kind  TEXT    NOT NULL,
    shard INTEGER NOT NULL,
    n     BIGINT  NOT NULL,
    PRIMARY KEY (whose, kind, shard)
);

INSERT INTO tallies (whose, kind, shard, n)
SELECT server_id, 'members', 0, COUNT(*) FROM members GROUP BY server_id;

INSERT INTO tallies (whose, kind, shard, n)
SELECT server_id, 'audit', 0, COUNT(*) FROM audit GROUP BY server_id;

INSERT INTO tallies (whose, kind, shard, n)
SELECT CAST(account AS TEXT), 'servers', 0, COUNT(*) FROM members GROUP BY account;

-- Evenly, so that a server that has more than it may have now has no shard with room: it keeps them, and gets no more.
INSERT INTO tallies (whose, kind, shard, n)
WITH RECURSIVE shards (shard) AS (
    SELECT 0 UNION ALL SELECT shard + 1 FROM shards WHERE shard < 31
), counted AS (
    SELECT server_id, 'roles' AS kind, COUNT(*) AS n FROM roles GROUP BY server_id
    UNION ALL SELECT server_id, 'channels', COUNT(*) FROM channels GROUP BY server_id
    UNION ALL SELECT server_id, 'badges', COUNT(*) FROM badges GROUP BY server_id
    UNION ALL SELECT server_id, 'keys', COUNT(*) FROM api_keys GROUP BY server_id
)
SELECT server_id, kind, shard, (n + 31 - shard) / 32 FROM counted CROSS JOIN shards WHERE n > shard;

-- What an account has and has done in a server, as one row. The lines of the ledger and the visits stay what it is made of.
CREATE TABLE totals (
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account   INTEGER NOT NULL,
    xp        BIGINT  NOT NULL,
    coins     BIGINT  NOT NULL,
    visits    BIGINT  NOT NULL, -- the days of them
    PRIMARY KEY (server_id, account)
);

INSERT INTO totals (server_id, account, xp, coins, visits)
SELECT server_id, account, SUM(xp), SUM(coins), SUM(visits) FROM (
    SELECT server_id, account, CASE kind WHEN 'xp' THEN amount ELSE 0 END AS xp,
           CASE kind WHEN 'coins' THEN amount ELSE 0 END AS coins, 0 AS visits FROM ledger
    UNION ALL SELECT server_id, account, 0, 0, 1 FROM visits
) AS deeds GROUP BY server_id, account;

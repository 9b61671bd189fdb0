-- +goose Up

-- An account may join many servers at once, too: how many it is in was one row, and becomes as many shards as other tallies
-- have. Evenly, so that an account that has more than it may have now has no shard with room: it keeps them, and gets no more.
INSERT INTO tallies (whose, kind, shard, n)
WITH RECURSIVE shards (shard) AS (
    SELECT 0 UNION ALL SELECT shard + 1 FROM shards WHERE shard < 31
)
SELECT whose, kind, shards.shard, (n + 31 - shards.shard) / 32
  FROM (SELECT whose, kind, n FROM tallies WHERE kind = 'servers' AND shard = 0) AS whole CROSS JOIN shards
 WHERE n > shards.shard
    ON CONFLICT (whose, kind, shard) DO UPDATE SET n = excluded.n;

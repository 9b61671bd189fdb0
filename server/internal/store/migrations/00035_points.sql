-- +goose Up

-- What members are credited for, and what tiers they climb. A server without a row credits nothing.
CREATE TABLE gamification (
    server_id    TEXT   NOT NULL PRIMARY KEY REFERENCES servers ON DELETE CASCADE,
    xp_setting   TEXT   NOT NULL, -- XPSetting
    tier_setting TEXT   NOT NULL, -- TierSetting
    updated_at   BIGINT NOT NULL
);

-- When a member was credited last for what is credited only now and then.
CREATE TABLE cooldowns (
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account   INTEGER NOT NULL REFERENCES accounts,
    action    TEXT    NOT NULL,
    at        BIGINT  NOT NULL,
    PRIMARY KEY (server_id, account, action)
);

-- A line of the ledger is a thing that a member has done, or was given, and what it was worth in XP and in coins. It says on which
-- day of the server that was: days since 1970-01-01. SQLite cannot change a primary key: the table is made anew.
CREATE TABLE ledger_anew (
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account   INTEGER NOT NULL REFERENCES accounts,
    reason    TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    action    TEXT    NOT NULL,
    deed      INTEGER NOT NULL, -- 1: the member has done it
    day       INTEGER NOT NULL,
    xp        BIGINT  NOT NULL,
    coins     BIGINT  NOT NULL,
    at        BIGINT  NOT NULL,
    PRIMARY KEY (server_id, account, reason)
);
INSERT INTO ledger_anew (server_id, account, reason, id, action, deed, day, xp, coins, at)
SELECT server_id, account, REPLACE(reason, 'badge/', 'badges/'), MIN(id), 'badges', 0, CAST(MIN(at) / 86400000000 AS INTEGER),
       CAST(SUM(CASE kind WHEN 'xp' THEN amount ELSE 0 END) AS BIGINT), CAST(SUM(CASE kind WHEN 'coins' THEN amount ELSE 0 END) AS BIGINT), MIN(at)
  FROM ledger GROUP BY server_id, account, reason;
INSERT INTO ledger_anew (server_id, account, reason, id, action, deed, day, xp, coins, at)
SELECT server_id, account, 'badges/' || badge_id, SUBSTR(REPLACE(badge_id, '-', ''), 1, 24), 'badges', 0, CAST(awarded_at / 86400000000 AS INTEGER), 0, 0, awarded_at
  FROM member_badges WHERE TRUE ON CONFLICT DO NOTHING;
INSERT INTO ledger_anew (server_id, account, reason, id, action, deed, day, xp, coins, at)
SELECT m.server_id, m.account, (CASE WHEN m.reply_to IS NULL THEN 'messages/' ELSE 'replies/' END) || m.id, m.id, CASE WHEN m.reply_to IS NULL THEN 'messages' ELSE 'replies' END, 1,
       CAST(m.at / 86400000000 AS INTEGER), 0, 0, m.at
  FROM messages m JOIN servers s ON s.id = m.server_id JOIN accounts a ON a.number = m.account AND a.erased_at IS NULL;
INSERT INTO ledger_anew (server_id, account, reason, id, action, deed, day, xp, coins, at)
SELECT server_id, account, 'visits/' || date, SUBSTR(server_id, 1, 16) || REPLACE(date, '-', ''), 'visits', 1, day, 0, 0, CAST(day AS BIGINT) * 86400000000 FROM (
    SELECT server_id, account, date, era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468 AS day FROM (
        SELECT server_id, account, date, y / 400 AS era, y - y / 400 * 400 AS year, (153 * (CASE WHEN m > 2 THEN m - 3 ELSE m + 9 END) + 2) / 5 + d - 1 AS day FROM (
            SELECT server_id, account, day AS date, CAST(SUBSTR(day, 1, 4) AS INTEGER) - CASE WHEN CAST(SUBSTR(day, 6, 2) AS INTEGER) > 2 THEN 0 ELSE 1 END AS y,
                   CAST(SUBSTR(day, 6, 2) AS INTEGER) AS m, CAST(SUBSTR(day, 9, 2) AS INTEGER) AS d FROM visits) AS dates) AS civil) AS visited;
DROP TABLE ledger;
DROP TABLE visits;
ALTER TABLE ledger_anew RENAME TO ledger;
CREATE INDEX ledger_by_time ON ledger (server_id, account, at, id);

-- How often members did what is counted, beside the counts that there were.
ALTER TABLE totals ADD COLUMN socials BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN referrals BIGINT NOT NULL DEFAULT 0; -- whom they have brought
ALTER TABLE totals ADD COLUMN refer BIGINT NOT NULL DEFAULT 0;     -- whether somebody has brought them
ALTER TABLE totals ADD COLUMN analyses BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN purchases BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN minigames BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN visited INTEGER NOT NULL DEFAULT 0;     -- the last day with a visit
ALTER TABLE totals ADD COLUMN visits_run INTEGER NOT NULL DEFAULT 0;  -- how many days in a row up to then
ALTER TABLE totals DROP COLUMN today;
ALTER TABLE totals DROP COLUMN xp_today;
ALTER TABLE totals DROP COLUMN coins_today;
-- What a member did and got on a day, by the time zone of the server then, as the lines of the ledger say. On the day 0 stands what was
-- counted before there were such lines: all days together are the totals. The account 0 is those who are there no more.
CREATE TABLE days (
    server_id   TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account     INTEGER NOT NULL,
    day         INTEGER NOT NULL, -- since 1970-01-01
    deeds       BIGINT  NOT NULL DEFAULT 0, -- whatever was done
    active      BIGINT  NOT NULL DEFAULT 0, -- 1 if anything was; of the account 0, by how many
    xp          BIGINT  NOT NULL DEFAULT 0, -- that came
    coins       BIGINT  NOT NULL DEFAULT 0,
    xp_spent    BIGINT  NOT NULL DEFAULT 0, -- that went
    coins_spent BIGINT  NOT NULL DEFAULT 0,
    messages    BIGINT  NOT NULL DEFAULT 0,
    replies     BIGINT  NOT NULL DEFAULT 0,
    reactions   BIGINT  NOT NULL DEFAULT 0,
    socials     BIGINT  NOT NULL DEFAULT 0,
    visits      BIGINT  NOT NULL DEFAULT 0,
    referrals   BIGINT  NOT NULL DEFAULT 0,
    refer       BIGINT  NOT NULL DEFAULT 0,
    analyses    BIGINT  NOT NULL DEFAULT 0,
    purchases   BIGINT  NOT NULL DEFAULT 0,
    minigames   BIGINT  NOT NULL DEFAULT 0,
    PRIMARY KEY (server_id, account, day)
);
CREATE INDEX days_by_server ON days (server_id, day, account);

-- The sums of them over the members of a server, in shards, of which each transaction changes one.
CREATE TABLE server_days (
    server_id   TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    day         INTEGER NOT NULL,
    shard       INTEGER NOT NULL,
    deeds       BIGINT  NOT NULL DEFAULT 0,
    active      BIGINT  NOT NULL DEFAULT 0,
    xp          BIGINT  NOT NULL DEFAULT 0,
    coins       BIGINT  NOT NULL DEFAULT 0,
    xp_spent    BIGINT  NOT NULL DEFAULT 0,
    coins_spent BIGINT  NOT NULL DEFAULT 0,
    messages    BIGINT  NOT NULL DEFAULT 0,
    replies     BIGINT  NOT NULL DEFAULT 0,
    reactions   BIGINT  NOT NULL DEFAULT 0,
    socials     BIGINT  NOT NULL DEFAULT 0,
    visits      BIGINT  NOT NULL DEFAULT 0,
    referrals   BIGINT  NOT NULL DEFAULT 0,
    refer       BIGINT  NOT NULL DEFAULT 0,
    analyses    BIGINT  NOT NULL DEFAULT 0,
    purchases   BIGINT  NOT NULL DEFAULT 0,
    minigames   BIGINT  NOT NULL DEFAULT 0,
    PRIMARY KEY (server_id, day, shard)
);

INSERT INTO days (server_id, account, day, deeds, active, xp, coins, xp_spent, coins_spent, messages, replies, visits)
SELECT server_id, account, day, SUM(deed), MAX(deed), SUM(xp), SUM(coins), 0, 0, SUM(message), SUM(reply), SUM(visit) FROM (
    SELECT server_id, account, day, xp, coins, deed, CASE WHEN action IN ('messages', 'replies') THEN 1 ELSE 0 END AS message,
           CASE WHEN action = 'replies' THEN 1 ELSE 0 END AS reply, CASE WHEN action = 'visits' THEN 1 ELSE 0 END AS visit FROM ledger) AS lines
 GROUP BY server_id, account, day;

-- Who was brought by whom is counted from now on, and before now.
INSERT INTO totals (server_id, account, xp, coins, visits, referrals) SELECT server_id, referrer, 0, 0, 0, COUNT(*) FROM referrals WHERE TRUE GROUP BY server_id, referrer
    ON CONFLICT (server_id, account) DO UPDATE SET referrals = excluded.referrals;
INSERT INTO totals (server_id, account, xp, coins, visits, refer) SELECT server_id, account, 0, 0, 0, 1 FROM referrals WHERE TRUE
    ON CONFLICT (server_id, account) DO UPDATE SET refer = 1;
INSERT INTO days (server_id, account, day, messages, replies, reactions, referrals, refer)
SELECT t.server_id, t.account, 0, t.messages - COALESCE(d.messages, 0), t.replies - COALESCE(d.replies, 0), t.reactions, t.referrals, t.refer
  FROM totals t LEFT JOIN (SELECT server_id, account, CAST(SUM(messages) AS BIGINT) AS messages, CAST(SUM(replies) AS BIGINT) AS replies FROM days GROUP BY server_id, account) d
    ON d.server_id = t.server_id AND d.account = t.account
 WHERE t.messages <> COALESCE(d.messages, 0) OR t.replies <> COALESCE(d.replies, 0) OR t.reactions <> 0 OR t.referrals <> 0 OR t.refer <> 0;
INSERT INTO server_days (server_id, day, shard, deeds, active, xp, coins, xp_spent, coins_spent, messages, replies, reactions, socials, visits, referrals, refer, analyses, purchases, minigames)
SELECT server_id, day, 0, CAST(SUM(deeds) AS BIGINT), CAST(SUM(active) AS BIGINT), CAST(SUM(xp) AS BIGINT), CAST(SUM(coins) AS BIGINT), CAST(SUM(xp_spent) AS BIGINT), CAST(SUM(coins_spent) AS BIGINT), CAST(SUM(messages) AS BIGINT), CAST(SUM(replies) AS BIGINT), CAST(SUM(reactions) AS BIGINT), CAST(SUM(socials) AS BIGINT), CAST(SUM(visits) AS BIGINT), CAST(SUM(referrals) AS BIGINT), CAST(SUM(refer) AS BIGINT), CAST(SUM(analyses) AS BIGINT), CAST(SUM(purchases) AS BIGINT), CAST(SUM(minigames) AS BIGINT)
  FROM days GROUP BY server_id, day;

-- How many days in a row each has visited. Until the upgrade, it was the last one.
UPDATE totals SET visited = d.day, visits_run = 1 FROM (SELECT server_id, account, MAX(day) AS day FROM days WHERE visits > 0 GROUP BY server_id, account) d
 WHERE d.server_id = totals.server_id AND d.account = totals.account;


-- For what, and from how many on, a badge is awarded by itself. What it is worth stands in its definition. Null: not known yet.
ALTER TABLE badges ADD COLUMN action TEXT NOT NULL DEFAULT '';
ALTER TABLE badges ADD COLUMN quantity BIGINT;
UPDATE badges SET action = 'messages' WHERE definition LIKE '%"action":"messages"%';
UPDATE badges SET action = 'replies' WHERE definition LIKE '%"action":"replies"%';
UPDATE badges SET action = 'reactions' WHERE definition LIKE '%"action":"reactions"%';
UPDATE badges SET action = 'referrals' WHERE definition LIKE '%"action":"referrals"%';
UPDATE badges SET action = 'visits' WHERE definition LIKE '%"action":"visits"%';
CREATE INDEX badges_by_action ON badges (server_id, action, quantity);

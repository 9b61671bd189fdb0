-- +goose Up

-- By what names are ordered and found, without regard to upper and lower case: see nameKey. They are filled by the migration
-- that follows, because SQL knows too little of Unicode.
ALTER TABLE accounts ADD COLUMN name_key TEXT NOT NULL DEFAULT ''; -- of the display name
ALTER TABLE accounts ADD COLUMN user_key TEXT NOT NULL DEFAULT ''; -- of the user name
ALTER TABLE accounts ADD COLUMN first_key TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN last_key TEXT NOT NULL DEFAULT '';
CREATE INDEX accounts_by_first_name ON accounts (first_key, number);
CREATE INDEX accounts_by_last_name ON accounts (last_key, number);

-- The image itself is named here, so that a backup finds it. The address that was here before was nobody's.
ALTER TABLE accounts ADD COLUMN avatar_image_id TEXT;
ALTER TABLE accounts DROP COLUMN avatar;

-- The keys of an account stand with each of its memberships, too: the members of one server are found and ordered by them.
ALTER TABLE members ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN user_key TEXT NOT NULL DEFAULT '';
CREATE INDEX members_by_name ON members (server_id, name_key, account);
CREATE INDEX members_by_user_name ON members (server_id, user_key, account);

-- When an account signed in last and did anything last, in how many minutes it was active, and on how many days in a row up to
-- the last one.
CREATE TABLE presence (
    account   INTEGER NOT NULL PRIMARY KEY REFERENCES accounts,
    login_at  BIGINT,
    active_at BIGINT  NOT NULL, -- 0: never
    minutes   BIGINT  NOT NULL,
    today     TEXT    NOT NULL, -- 2006-01-02, in UTC
    streak    BIGINT  NOT NULL
);
INSERT INTO presence (account, login_at, active_at, minutes, today, streak)
SELECT account, MAX(created_at), MAX(last_used_at), 0, '', 0 FROM sessions GROUP BY account;

-- The role that an access level gives beside @all.
CREATE TABLE access_levels (
    server_id TEXT   NOT NULL REFERENCES servers ON DELETE CASCADE,
    level     BIGINT NOT NULL,
    role_id   TEXT   NOT NULL REFERENCES roles ON DELETE CASCADE,
    PRIMARY KEY (server_id, level)
);
CREATE INDEX access_levels_by_role ON access_levels (role_id);

-- Who was brought to a server by whom. It outlives both memberships.
CREATE TABLE referrals (
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account   INTEGER NOT NULL REFERENCES accounts,
    referrer  INTEGER NOT NULL REFERENCES accounts,
    at        BIGINT  NOT NULL,
    PRIMARY KEY (server_id, account)
);

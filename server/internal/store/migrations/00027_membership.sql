-- +goose Up

-- Who was deleted from a server. There is no row of members of them, so that whatever asks for members is right by itself;
-- what restoring brings back is here: when they joined, and their roles, badges and channels as one document, which is bounded
-- by how many of each a server may have. Totals, visits and the ledger outlive a membership anyway.
CREATE TABLE former_members (
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account    INTEGER NOT NULL REFERENCES accounts,
    joined_at  BIGINT  NOT NULL,
    deleted_at BIGINT  NOT NULL,
    kept       TEXT    NOT NULL,
    PRIMARY KEY (account, server_id)
);
CREATE INDEX former_members_by_server ON former_members (server_id);

-- An account that an API key has made is nobody's until its address was proved. Until then the password that was given with it
-- is kept like that of a registration: it opens nothing.
ALTER TABLE accounts ADD COLUMN proved BOOLEAN NOT NULL DEFAULT TRUE;

-- What else a member has done in a server, and what of it on one day, the last on which anything was credited. Every member has
-- a row, and whoever was one keeps it.
ALTER TABLE totals ADD COLUMN messages BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN reactions BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN replies BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN today TEXT NOT NULL DEFAULT ''; -- 2006-01-02, in UTC
ALTER TABLE totals ADD COLUMN xp_today BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN coins_today BIGINT NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN is_member BOOLEAN NOT NULL DEFAULT FALSE;

INSERT INTO totals (server_id, account, xp, coins, visits) SELECT server_id, account, 0, 0, 0 FROM members WHERE TRUE ON CONFLICT DO NOTHING;
UPDATE totals SET is_member = TRUE WHERE EXISTS (SELECT 1 FROM members m WHERE m.account = totals.account AND m.server_id = totals.server_id);
CREATE INDEX totals_by_xp ON totals (server_id, xp, account) WHERE is_member;
CREATE INDEX totals_by_coins ON totals (server_id, coins, account) WHERE is_member;

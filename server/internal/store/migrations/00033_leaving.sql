-- +goose Up

-- When an account was deleted; null: it was not. Its row stays, because what it has said does, and with it the number of who has
-- said it. Nothing in the row says who that was: the address is the id, which nobody can sign in with, or register.
ALTER TABLE accounts ADD COLUMN erased_at BIGINT;

-- Whoever leaves takes along what there is of them, and whoever asks is shown it.
CREATE INDEX totals_by_account ON totals (account, server_id);
CREATE INDEX images_by_account ON images (account, id);
CREATE INDEX topics_by_account ON topics (account, id);
CREATE INDEX message_reactions_by_account ON message_reactions (account, message, emoji);
DROP INDEX invites_by_account;
CREATE INDEX invites_by_account ON invites (account, code);

-- The one entry of an audit trail that shows more of an account than its number: that a key has made it.
CREATE INDEX audit_of_new_users ON audit (target) WHERE action = 'user.create';

-- Many keys may be of one moment.
DROP INDEX api_keys_by_voucher;
CREATE INDEX api_keys_by_voucher ON api_keys (account, created_at, id);

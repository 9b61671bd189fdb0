-- +goose Up

-- The second factor of an account. The secret stands here as it is, because it is needed as it is: whoever reads the database
-- can make codes with it, but has no password by that, nor anything to sign in with.
CREATE TABLE two_factor (
    account   INTEGER NOT NULL PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    secret    TEXT    NOT NULL,
    begun_at  BIGINT  NOT NULL,
    confirmed BOOLEAN NOT NULL, -- else it counts for nothing yet
    last_step BIGINT  NOT NULL  -- of 30 seconds, of the last code that was used: it and earlier ones work no more
);

-- Those that are left; the codes themselves are not kept.
CREATE TABLE recovery_codes (
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    hash    TEXT    NOT NULL,
    PRIMARY KEY (account, hash)
);

-- How often codes of six digits were tried, by network; without one, from all networks together that were not known.
CREATE TABLE otp_tries (
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    network TEXT    NOT NULL,
    tries   BIGINT  NOT NULL,
    since   BIGINT  NOT NULL,
    PRIMARY KEY (account, network)
);
CREATE INDEX otp_tries_by_age ON otp_tries (since);

-- Whether only an account with a second factor may do there what a membership alone does not allow.
ALTER TABLE servers ADD COLUMN require_two_factor BOOLEAN NOT NULL DEFAULT FALSE;

CREATE INDEX api_keys_by_voucher ON api_keys (account, created_at);

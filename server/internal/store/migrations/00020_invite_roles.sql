-- +goose Up

-- To whom an invite has given its role: it does so once, or a role that was taken away would come back to whoever leaves and
-- joins again. The rows of an invite go before it does.
CREATE TABLE invite_roles (
    code      TEXT    NOT NULL,
    account   INTEGER NOT NULL,
    server_id TEXT    NOT NULL,
    PRIMARY KEY (code, account)
);
CREATE INDEX invite_roles_by_server ON invite_roles (server_id);

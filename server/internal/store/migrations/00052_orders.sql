-- +goose Up

-- What members have bought. The account 0 is those who are there no more.
CREATE TABLE orders (
    id             TEXT    NOT NULL PRIMARY KEY,
    transaction_id TEXT    NOT NULL UNIQUE,
    server_id      TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    account        INTEGER NOT NULL,
    product_id     TEXT    NOT NULL, -- which may be gone
    category_id    TEXT    NOT NULL, -- as it was; empty: none
    status_id      TEXT    NOT NULL REFERENCES redemption_statuses,
    cancelled      BOOLEAN NOT NULL,
    quantity       BIGINT  NOT NULL,
    price          BIGINT  NOT NULL,
    total          BIGINT  NOT NULL,
    taken          BIGINT  NOT NULL, -- pieces from the stock that were not given back
    day            INTEGER NOT NULL, -- of the server, since 1970-01-01
    product        TEXT    NOT NULL, -- OrderedProduct
    buyer          TEXT    NOT NULL, -- BuyerInformation
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL
);
CREATE INDEX orders_of_server ON orders (server_id, created_at, id);
CREATE INDEX orders_by_status ON orders (server_id, status_id, created_at, id);
CREATE INDEX orders_by_product ON orders (server_id, product_id, created_at, id);
CREATE INDEX orders_by_product_and_status ON orders (server_id, product_id, status_id, created_at, id);
CREATE INDEX orders_of_account ON orders (account, server_id, created_at, id);
CREATE INDEX orders_of_status ON orders (status_id);
CREATE INDEX orders_limiting ON orders (account, product_id, day) WHERE NOT cancelled;
CREATE INDEX orders_limiting_in_category ON orders (account, category_id, day) WHERE NOT cancelled;

-- Only of codes that expire at all: what is sold of a product is looked for by the product, and by this index never.
DROP INDEX vouchers_expiring;
CREATE INDEX vouchers_expiring ON vouchers (expires_at) WHERE order_id IS NULL AND NOT expired AND expires_at < 9223372036854775807;

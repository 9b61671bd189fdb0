-- +goose Up

-- In which states orders of a server are. Those that there are from the beginning are added by the migration after this.
CREATE TABLE redemption_statuses (
    id         TEXT   NOT NULL PRIMARY KEY,
    server_id  TEXT   NOT NULL REFERENCES servers ON DELETE CASCADE,
    name       TEXT   NOT NULL,
    name_key   TEXT   NOT NULL, -- whatever its upper and lower case
    category   TEXT   NOT NULL,
    color      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (server_id, name_key)
);
CREATE INDEX redemption_statuses_of_server ON redemption_statuses (server_id, created_at, id);

-- How the store of a server is set up, where somebody has.
CREATE TABLE stores (
    server_id  TEXT NOT NULL PRIMARY KEY REFERENCES servers ON DELETE CASCADE,
    definition TEXT NOT NULL -- StoreConfig
);

CREATE TABLE categories (
    id         TEXT   NOT NULL PRIMARY KEY,
    server_id  TEXT   NOT NULL REFERENCES servers ON DELETE CASCADE,
    name_key   TEXT   NOT NULL, -- whatever its upper and lower case
    definition TEXT   NOT NULL, -- Category
    status_id  TEXT,            -- in which orders begin
    created_at BIGINT NOT NULL,
    UNIQUE (server_id, name_key)
);
CREATE INDEX categories_of_server ON categories (server_id, created_at, id);

-- Beside the definition stands what a list is made from, which would be long with all of them.
CREATE TABLE products (
    id          TEXT    NOT NULL PRIMARY KEY,
    server_id   TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    category_id TEXT,
    definition  TEXT    NOT NULL, -- Product
    status_id   TEXT,             -- in which orders begin
    name        TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    price       BIGINT  NOT NULL,
    position    BIGINT  NOT NULL,
    archived    BOOLEAN NOT NULL,
    discounted  BOOLEAN NOT NULL,
    restricted  BOOLEAN NOT NULL, -- only those whom an entry names see it
    access      TEXT    NOT NULL, -- StorePermissions; empty: none
    created_at  BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL
);
CREATE INDEX products_of_server ON products (server_id, created_at, id);
CREATE INDEX products_of_category ON products (server_id, category_id, id);

-- How many pieces there are, and were bought. Whoever buys changes this row last, and holds it for a moment.
CREATE TABLE product_stock (
    product_id TEXT   NOT NULL PRIMARY KEY REFERENCES products ON DELETE CASCADE,
    stock      BIGINT CHECK (stock >= 0), -- null: any number
    given      BIGINT NOT NULL DEFAULT 0, -- how many codes it ever had
    taken      BIGINT NOT NULL DEFAULT 0, -- pieces that orders have taken from the stock, and not given back
    orders     BIGINT NOT NULL DEFAULT 0
);

-- The codes of products, sealed. A product that is gone has some until they are removed in steps; those that were bought stay.
CREATE TABLE vouchers (
    product_id TEXT    NOT NULL,
    hash       TEXT    NOT NULL, -- by a key that is not here: the same code has the same
    server_id  TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    sealed     TEXT    NOT NULL,
    seq        BIGINT  NOT NULL, -- among those of the product
    expires_at BIGINT  NOT NULL,
    expired    BOOLEAN NOT NULL DEFAULT FALSE, -- it is not in the stock any more
    order_id   TEXT,             -- null: nobody has bought it
    shown      BOOLEAN NOT NULL DEFAULT FALSE, -- its buyer has seen it
    PRIMARY KEY (product_id, hash)
);
CREATE INDEX vouchers_by_seq ON vouchers (product_id, seq) WHERE order_id IS NULL AND NOT expired;
CREATE INDEX vouchers_by_expiry ON vouchers (product_id, expires_at, seq) WHERE order_id IS NULL AND NOT expired;
CREATE INDEX vouchers_expiring ON vouchers (expires_at) WHERE order_id IS NULL AND NOT expired;
CREATE INDEX vouchers_of_order ON vouchers (order_id, seq) WHERE order_id IS NOT NULL;
CREATE INDEX vouchers_of_server ON vouchers (server_id);

-- What tells whether a secret key is the one with which something here is sealed; no row: nothing is.
CREATE TABLE sealing (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    proof TEXT    NOT NULL
);

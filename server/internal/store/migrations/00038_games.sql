-- +goose Up

-- The games of a server that draw a prize for each play.
CREATE TABLE mini_games (
    id         TEXT   NOT NULL PRIMARY KEY,
    server_id  TEXT   NOT NULL REFERENCES servers ON DELETE CASCADE,
    name       TEXT   NOT NULL,
    definition TEXT   NOT NULL, -- MiniGame
    created_at BIGINT NOT NULL
);
CREATE INDEX mini_games_of_server ON mini_games (server_id, created_at, id);

-- What may be drawn of each, and how often that was. The rest of a prize stands in the definition of its game.
CREATE TABLE mini_game_prizes (
    id      TEXT   NOT NULL PRIMARY KEY,
    game_id TEXT   NOT NULL REFERENCES mini_games ON DELETE CASCADE,
    stock   BIGINT,                   -- null: any number, which is not counted
    drawn   BIGINT NOT NULL DEFAULT 0 -- of a stock
);
CREATE INDEX mini_game_prizes_of_game ON mini_game_prizes (game_id, id);

-- How much each member plays. A game that is gone has some until they are removed in steps.
CREATE TABLE mini_game_players (
    game_id   TEXT    NOT NULL,
    account   INTEGER NOT NULL REFERENCES accounts,
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    day       INTEGER NOT NULL, -- on which they played last
    today     BIGINT  NOT NULL, -- how often, on it
    free      BIGINT  NOT NULL, -- how often of that as plays of the day
    extra     BIGINT  NOT NULL, -- how many plays they have beyond those of the day
    total     BIGINT  NOT NULL, -- how often they played ever
    last_at   BIGINT  NOT NULL, -- 0: never
    PRIMARY KEY (game_id, account)
);
CREATE INDEX mini_game_players_of_account ON mini_game_players (account, server_id, game_id);
CREATE INDEX mini_game_players_of_server ON mini_game_players (server_id);

-- The plays. The account 0 is those who are there no more.
CREATE TABLE mini_game_plays (
    id        TEXT    NOT NULL PRIMARY KEY,
    game_id   TEXT    NOT NULL,
    account   INTEGER NOT NULL,
    server_id TEXT    NOT NULL REFERENCES servers ON DELETE CASCADE,
    prize_id  TEXT    NOT NULL,
    taken     INTEGER NOT NULL, -- 1: it was taken from a stock
    prize     TEXT    NOT NULL, -- MiniGameWin
    at        BIGINT  NOT NULL
);
CREATE INDEX mini_game_plays_of_account ON mini_game_plays (account, server_id, at, id);
CREATE INDEX mini_game_plays_of_game ON mini_game_plays (game_id);
CREATE INDEX mini_game_plays_of_server ON mini_game_plays (server_id);

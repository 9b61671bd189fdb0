-- +goose Up

-- Whether a role lets its members do everything: asked for with every request that is made with an API key. It follows from
-- server_permissions, which are written without blanks.
ALTER TABLE roles ADD COLUMN administrator BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE roles SET administrator = TRUE WHERE server_permissions LIKE '%"server_administrator":true%';
CREATE INDEX roles_of_administrators ON roles (server_id) WHERE administrator;

-- +goose Up

-- A role or badge that is deleted is had by nobody at once, because whoever asks joins it; who had it goes afterwards, step
-- by step. So these rows refer to their member only. SQLite cannot drop a reference: the tables are made anew.

CREATE TABLE member_roles_anew (
    server_id TEXT    NOT NULL,
    account   INTEGER NOT NULL,
    role_id   TEXT    NOT NULL, -- of roles, or of one that was deleted
    PRIMARY KEY (account, server_id, role_id),
    FOREIGN KEY (account, server_id) REFERENCES members ON DELETE CASCADE
);
INSERT INTO member_roles_anew (server_id, account, role_id) SELECT server_id, account, role_id FROM member_roles;
DROP TABLE member_roles;
ALTER TABLE member_roles_anew RENAME TO member_roles;
CREATE INDEX member_roles_by_role ON member_roles (role_id);

CREATE TABLE member_badges_anew (
    server_id  TEXT    NOT NULL,
    account    INTEGER NOT NULL,
    badge_id   TEXT    NOT NULL, -- of badges, or of one that was deleted
    awarded_at BIGINT  NOT NULL,
    PRIMARY KEY (account, server_id, badge_id),
    FOREIGN KEY (account, server_id) REFERENCES members ON DELETE CASCADE
);
INSERT INTO member_badges_anew (server_id, account, badge_id, awarded_at) SELECT server_id, account, badge_id, awarded_at FROM member_badges;
DROP TABLE member_badges;
ALTER TABLE member_badges_anew RENAME TO member_badges;
CREATE INDEX member_badges_by_badge ON member_badges (badge_id);

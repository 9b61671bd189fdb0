package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// permissionsMigration is the version from which on the permissions of categories and products hold the ids of roles and the numbers of
// accounts, and not what these are called.
const permissionsMigration = 62

// migrateShop is the migration of both what stores and files of members keep.
func migrateShop(ctx context.Context, tx *sql.Tx) error {
	for _, text := range boundsOfBulk {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return keepIDsInPermissions(ctx, tx)
}

// boundsOfBulk let it be known without adding up much how many bytes are kept of files: of the rows that are not done, of what tells what became of the
// others, and of that together with all files of the server that ended their turn before.
var boundsOfBulk = []string{
	"ALTER TABLE bulk_updates ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0",
	"ALTER TABLE bulk_updates ADD COLUMN told BIGINT NOT NULL DEFAULT 0",
	"ALTER TABLE bulk_updates ADD COLUMN told_until BIGINT NOT NULL DEFAULT 0",
	"CREATE INDEX bulk_updates_with_rows ON bulk_updates (server_id) WHERE bytes > 0",
	"CREATE INDEX bulk_updates_told ON bulk_updates (server_id, told_until)",
}

// keepIDsInPermissions is the migration of the permissions from before. They go on naming whom they named when it ran: also all roles of one title.
// Who is not there any more is named no more.
func keepIDsInPermissions(ctx context.Context, tx *sql.Tx) error {
	for _, kind := range []struct{ rows, part, update string }{
		{"SELECT id, server_id, definition FROM categories WHERE id > $1 ORDER BY id LIMIT 100", "categoryPermission", "UPDATE categories SET definition = $2 WHERE id = $1"},
		{"SELECT id, server_id, definition FROM products WHERE access <> '' AND id > $1 ORDER BY id LIMIT 100", "productPermission",
			"UPDATE products SET definition = $2, access = $3 WHERE id = $1"},
	} {
		for last := ""; ; {
			found, err := definitionsAfter(ctx, tx, kind.rows, last)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				break
			}
			for _, d := range found {
				last = d.id
				access, err := d.rename(ctx, tx, kind.part)
				if err != nil {
					return err
				}
				args := []any{d.id, written(d.parts)}
				if kind.part == "productPermission" {
					args = append(args, access)
				}
				if _, err := tx.ExecContext(ctx, kind.update, args...); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keptParts are those of a category or a product, as the migration finds them: what the contract says of them may be more by then.
type keptParts struct {
	id, serverID string
	parts        map[string]json.RawMessage
}

func definitionsAfter(ctx context.Context, tx *sql.Tx, text, last string) (found []keptParts, err error) {
	rows, err := tx.QueryContext(ctx, text, last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d keptParts
		if err := rows.Scan(&d.id, &d.serverID, document{&d.parts}); err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, errors.Join(rows.Err(), rows.Close())
}

// rename changes the names in the permissions of a definition, and returns the permissions.
func (d keptParts) rename(ctx context.Context, tx *sql.Tx, part string) (string, error) {
	var entries []map[string]any
	if err := json.Unmarshal(d.parts[part], &entries); err != nil {
		return "", err
	}
	for _, entry := range entries {
		audience, _ := entry["permission"].(map[string]any)
		for member, kind := range map[string]string{"roleNames": "role", "usernames": "user"} {
			if err := d.renameIn(ctx, tx, audience, member, kind); err != nil {
				return "", err
			}
		}
		combined, _ := audience["combination"].([]any)
		for _, one := range combined {
			part, _ := one.(map[string]any)
			kind, _ := part["type"].(string)
			if err := d.renameIn(ctx, tx, part, "values", kind); err != nil {
				return "", err
			}
		}
	}
	text, err := json.Marshal(entries)
	d.parts[part] = text
	return string(text), err
}

func (d keptParts) renameIn(ctx context.Context, tx *sql.Tx, object map[string]any, member, kind string) error {
	names, there := object[member].([]any)
	if !there || kind != "role" && kind != "user" {
		return nil
	}
	named := map[string]bool{}
	ids := []string{}
	for _, name := range names {
		text, _ := name.(string)
		found, err := d.called(ctx, tx, kind, text)
		if err != nil {
			return err
		}
		for _, id := range found {
			if !named[id] {
				ids = append(ids, id)
			}
			named[id] = true
		}
	}
	object[member] = ids
	return nil
}

// called returns who is called so: the ids of roles, or the number of an account.
func (d keptParts) called(ctx context.Context, tx *sql.Tx, kind, name string) (ids []string, err error) {
	var rows *sql.Rows
	if kind == "role" {
		rows, err = tx.QueryContext(ctx, "SELECT id FROM roles WHERE server_id = $1 AND title = $2 ORDER BY id", d.serverID, name)
	} else {
		rows, err = tx.QueryContext(ctx, "SELECT number FROM accounts WHERE username = $1", strings.ToLower(name))
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var role string
		var number int64
		if kind == "role" {
			err = rows.Scan(&role)
		} else {
			err = rows.Scan(&number)
			role = strconv.FormatInt(number, 10)
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, role)
	}
	return ids, errors.Join(rows.Err(), rows.Close())
}

package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Keys holds the API keys of servers.
type Keys struct{ *conn }

// A Key is an API key without the secret itself, and who made it.
type Key struct {
	gen.APIKey
	Account int64
}

const selectKey = `SELECT k.id, k.server_id, k.masked, k.name, k.permissions, k.expire_period, k.expires_at, k.active,
	       k.account, k.created_at, k.updated_at
	  FROM api_keys k `

func scanKey(rows *sql.Rows) (k Key, err error) {
	return k, rows.Scan(&k.ID, &k.CommunityID, &k.Key, &k.Name, document{&k.Permissions}, &k.ExpirePeriod,
		nullableMicros{&k.ExpireDate}, &k.IsActive, &k.Account, micros{&k.CreatedAt}, micros{&k.UpdatedAt})
}

// GetByHash finds the key of a hash, if it is active and has not expired at now.
func (q Keys) GetByHash(ctx context.Context, hash string, now time.Time) (Key, error) {
	// The time is no part of the question, so that the answer can be remembered.
	k, err := get(ctx, q.conn, scanKey, selectKey+`WHERE k.key_hash = $1 AND k.active`, hash)
	if expires, ends := k.ExpireDate.Get(); err == nil && ends && !expires.After(now) {
		return Key{}, ErrNotFound
	}
	return k, err
}

// List returns the keys of a server, oldest first.
func (q Keys) List(ctx context.Context, serverID string) ([]gen.APIKey, error) {
	return list(ctx, q.conn, func(rows *sql.Rows) (gen.APIKey, error) {
		k, err := scanKey(rows)
		return k.APIKey, err
	}, selectKey+`WHERE k.server_id = $1 ORDER BY k.created_at, k.id`, serverID)
}

// Get returns a key of a server.
func (q Keys) Get(ctx context.Context, serverID, id string) (Key, error) {
	return get(ctx, q.conn, scanKey, selectKey+`WHERE k.server_id = $1 AND k.id = $2`, serverID, id)
}

// Insert adds a key by its hash. Beyond MaxKeys it is a LimitError.
func (q Keys) Insert(ctx context.Context, k Key, hash string) error {
	if err := q.exec(ctx, `INSERT INTO api_keys (id, server_id, key_hash, masked, name, permissions, expire_period, expires_at, active,
	       account, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		k.ID, k.CommunityID, hash, k.Key, k.Name, written(k.Permissions), k.ExpirePeriod, microsOrNull(k.ExpireDate),
		k.IsActive, k.Account, k.CreatedAt.UnixMicro(), k.UpdatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, keysTally, k.CommunityID)
}

// Update replaces what may change of a key.
func (q Keys) Update(ctx context.Context, k Key) error {
	return q.change(ctx, `UPDATE api_keys SET name = $2, permissions = $3, expire_period = $4, expires_at = $5, active = $6, updated_at = $7
	 WHERE id = $1`, k.ID, k.Name, written(k.Permissions), k.ExpirePeriod, microsOrNull(k.ExpireDate), k.IsActive, k.UpdatedAt.UnixMicro())
}

// Delete ends a key.
func (q Keys) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, keysTally, `DELETE FROM api_keys WHERE id = $1 RETURNING server_id`, id)
}

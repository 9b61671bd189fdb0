package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Keys holds the API keys of servers.
type Keys struct{ *conn }

// vouched tells whether who vouches for a thing may make such things in its server: that is in the same statement as the thing, because
// it is asked for with every request that is made with it. The contract's x-required-role says who may make them.
const vouched = `EXISTS (
	       SELECT 1 FROM servers s JOIN members m ON m.server_id = s.id AND m.account = k.account
	        WHERE s.id = k.server_id AND NOT s.deleted AND (NOT s.require_two_factor OR EXISTS (
	              SELECT 1 FROM two_factor t WHERE t.account = k.account AND t.confirmed)) AND (s.owner = k.account OR EXISTS (
	              SELECT 1 FROM roles r WHERE r.server_id = s.id AND r.administrator AND (r.everyone OR EXISTS (
	                     SELECT 1 FROM member_roles mr WHERE mr.account = m.account AND mr.server_id = s.id AND mr.role_id = r.id)))))`

// selectKey finds keys, and whether they are vouched for.
const selectKey = `SELECT k.id, k.server_id, k.masked, k.name, k.permissions, k.expire_period, k.expires_at, k.active,
	       k.account, k.created_at, k.updated_at, ` + vouched + `
	  FROM api_keys k `

func scanKey(rows *sql.Rows) (k gen.APIKey, err error) {
	return k, rows.Scan(&k.ID, &k.CommunityID, &k.Key, &k.Name, document{&k.Permissions}, &k.ExpirePeriod, nullableMicros{&k.ExpireDate},
		&k.IsActive, &k.UserID, micros{&k.CreatedAt}, micros{&k.UpdatedAt}, &k.IsTrusted)
}

// GetByHash finds the key of a hash, if it is active and has not expired at now. Whether it is trusted is for the caller to
// look at.
func (q Keys) GetByHash(ctx context.Context, hash string, now time.Time) (gen.APIKey, error) {
	// The time is no part of the question, so that the answer can be remembered.
	k, err := get(ctx, q.conn, scanKey, selectKey+`WHERE k.key_hash = $1 AND k.active`, hash)
	if expires, ends := k.ExpireDate.Get(); err == nil && ends && !expires.After(now) {
		return gen.APIKey{}, ErrNotFound
	}
	return k, err
}

// List returns the keys of a server, oldest first.
func (q Keys) List(ctx context.Context, serverID string) ([]gen.APIKey, error) {
	return list(ctx, q.conn, scanKey, selectKey+`WHERE k.server_id = $1 ORDER BY k.created_at, k.id`, serverID)
}

// Get returns a key of a server.
func (q Keys) Get(ctx context.Context, serverID, id string) (gen.APIKey, error) {
	return get(ctx, q.conn, scanKey, selectKey+`WHERE k.server_id = $1 AND k.id = $2`, serverID, id)
}

// ListOfAccount returns some of the keys for which an account vouches, of those that were made until a moment.
func (q Keys) ListOfAccount(ctx context.Context, account int64, until time.Time, some int) ([]gen.APIKey, error) {
	return list(ctx, q.conn, scanKey, selectKey+`WHERE k.account = $1 AND k.created_at <= $2 ORDER BY k.created_at LIMIT $3`, account, until.UnixMicro(), some)
}

// Insert adds a key by its hash. Beyond MaxKeys it is a LimitError.
func (q Keys) Insert(ctx context.Context, k gen.APIKey, hash string) error {
	if err := q.exec(ctx, `INSERT INTO api_keys (id, server_id, key_hash, masked, name, permissions, expire_period, expires_at, active,
	       account, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		k.ID, k.CommunityID, hash, k.Key, k.Name, written(k.Permissions), k.ExpirePeriod, microsOrNull(k.ExpireDate),
		k.IsActive, k.UserID, k.CreatedAt.UnixMicro(), k.UpdatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, keysTally, k.CommunityID)
}

// Update replaces what may change of a key.
func (q Keys) Update(ctx context.Context, k gen.APIKey) error {
	return q.change(ctx, `UPDATE api_keys SET name = $2, permissions = $3, expire_period = $4, expires_at = $5, active = $6, account = $7,
	       updated_at = $8 WHERE id = $1`,
		k.ID, k.Name, written(k.Permissions), k.ExpirePeriod, microsOrNull(k.ExpireDate), k.IsActive, k.UserID, k.UpdatedAt.UnixMicro())
}

// Delete ends a key.
func (q Keys) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, keysTally, `DELETE FROM api_keys WHERE id = $1 RETURNING server_id`, id)
}

package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// MaxUserKeys is how many user API keys an account has at most.
const MaxUserKeys = 100

// UserKeys holds the API keys that act for accounts. The end of a membership ends those of it.
type UserKeys struct{ *conn }

const selectUserKey = `SELECT k.id, k.server_id, k.account, k.masked, k.name, k.permissions, k.channels, k.expire_period, k.expires_at,
	       k.active, k.created_at, k.updated_at
	  FROM user_keys k JOIN servers s ON s.id = k.server_id AND NOT s.deleted `

func scanUserKey(rows *sql.Rows) (k gen.UserAPIKey, err error) {
	return k, rows.Scan(&k.ID, &k.CommunityID, &k.UserID, &k.Key, &k.Name, document{&k.Permissions}, document{&k.Channels}, &k.ExpirePeriod,
		nullableMicros{&k.ExpireDate}, &k.IsActive, micros{&k.CreatedAt}, micros{&k.UpdatedAt})
}

// GetByHash finds the key of a hash, if it is active and has not expired at now.
func (q UserKeys) GetByHash(ctx context.Context, hash string, now time.Time) (gen.UserAPIKey, error) {
	// The time is no part of the question, so that the answer can be remembered.
	k, err := get(ctx, q.conn, scanUserKey, selectUserKey+`WHERE k.key_hash = $1 AND k.active`, hash)
	if expires, ends := k.ExpireDate.Get(); err == nil && ends && !expires.After(now) {
		return gen.UserAPIKey{}, ErrNotFound
	}
	return k, err
}

// ListOfAccount returns the keys of an account, oldest first.
func (q UserKeys) ListOfAccount(ctx context.Context, account int64) ([]gen.UserAPIKey, error) {
	return list(ctx, q.conn, scanUserKey, selectUserKey+`WHERE k.account = $1 ORDER BY k.created_at, k.id`, account)
}

// ListOfMember returns the keys of an account in a server, oldest first.
func (q UserKeys) ListOfMember(ctx context.Context, serverID string, account int64) ([]gen.UserAPIKey, error) {
	return list(ctx, q.conn, scanUserKey, selectUserKey+`WHERE k.server_id = $1 AND k.account = $2 ORDER BY k.created_at, k.id`, serverID, account)
}

// Get returns a key of an account.
func (q UserKeys) Get(ctx context.Context, account int64, id string) (gen.UserAPIKey, error) {
	return get(ctx, q.conn, scanUserKey, selectUserKey+`WHERE k.account = $1 AND k.id = $2`, account, id)
}

// Insert adds a key by its hash. Beyond MaxUserKeys of the account it is a LimitError. There are few enough to look through.
func (q UserKeys) Insert(ctx context.Context, k gen.UserAPIKey, hash string) error {
	had, err := list(ctx, q.conn, scanOne[string], `SELECT id FROM user_keys WHERE account = $1 LIMIT $2`, k.UserID, MaxUserKeys)
	if err != nil {
		return err
	}
	if len(had) >= MaxUserKeys {
		return &LimitError{Most: MaxUserKeys, What: "user API keys of yours"}
	}
	return q.exec(ctx, `INSERT INTO user_keys (id, server_id, account, key_hash, masked, name, permissions, channels, expire_period, expires_at,
	       active, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		k.ID, k.CommunityID, k.UserID, hash, k.Key, k.Name, written(k.Permissions), written(k.Channels), k.ExpirePeriod, microsOrNull(k.ExpireDate),
		k.IsActive, k.CreatedAt.UnixMicro(), k.UpdatedAt.UnixMicro())
}

// Update replaces what may change of a key.
func (q UserKeys) Update(ctx context.Context, k gen.UserAPIKey) error {
	q.wake(AccountTopic(int64(k.UserID)))
	return q.change(ctx, `UPDATE user_keys SET name = $2, permissions = $3, channels = $4, expire_period = $5, expires_at = $6, active = $7,
	       updated_at = $8 WHERE id = $1`,
		k.ID, k.Name, written(k.Permissions), written(k.Channels), k.ExpirePeriod, microsOrNull(k.ExpireDate), k.IsActive, k.UpdatedAt.UnixMicro())
}

// Delete ends a key.
func (q UserKeys) Delete(ctx context.Context, id string) error {
	account, err := get(ctx, q.conn, scanOne[int64], `DELETE FROM user_keys WHERE id = $1 RETURNING account`, id)
	q.wake(AccountTopic(account))
	return err
}

// DeleteOfAccount ends all keys of an account.
func (q UserKeys) DeleteOfAccount(ctx context.Context, account int64) error {
	q.wake(AccountTopic(account))
	return q.exec(ctx, `DELETE FROM user_keys WHERE account = $1`, account)
}

package store

import (
	"context"
	"database/sql"
	"encoding/hex"

	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// nameKey is by what a name is ordered and compared: equal names have equal keys, whatever their case and however their marks
// are composed. It is written in hexadecimal digits, so that both databases order keys alike, whatever their collation, and that
// the key of the beginning of a name is the beginning of its key.
func nameKey(name string) string {
	return hex.EncodeToString([]byte(words.Caseless(name)))
}

// afterPrefix is behind all keys that begin with a key, and before all others that are.
func afterPrefix(key string) string { return key + "g" }

// keysOf are the keys of an account: of its display name, user name, first and last name.
func keysOf(a Account) (name, user, first, last string) {
	username, _ := a.Username.Get()
	return nameKey(a.DisplayName), nameKey(username), nameKey(a.FirstName), nameKey(a.LastName)
}

// Rename writes the names of an account, also where its memberships are ordered by them, of which there are at most
// MaxMemberships. If the user name is somebody else's, it is ErrDuplicate.
func (q Users) Rename(ctx context.Context, a Account) error {
	name, user, first, last := keysOf(a)
	if err := q.changeOf(ctx, `UPDATE accounts SET username = $2, display_name = $3, first_name = $4, last_name = $5,
	       name_key = $6, user_key = $7, first_key = $8, last_key = $9 WHERE number = $1 AND erased_at IS NULL`,
		a.AccountNumber, textOf(a.Username), a.DisplayName, a.FirstName, a.LastName, name, user, first, last); err != nil {
		return err
	}
	return q.exec(ctx, `UPDATE members SET name_key = $2, user_key = $3 WHERE account = $1`, a.AccountNumber, name, user)
}

// Describe writes what an account says of itself beside its names.
func (q Users) Describe(ctx context.Context, a Account) error {
	return q.changeOf(ctx, `UPDATE accounts SET about_me = $2, quote = $3, language = $4, time_zone = $5 WHERE number = $1 AND erased_at IS NULL`,
		a.AccountNumber, a.AboutMe, a.Quote, a.Language, a.TimeZone)
}

// keysAtOnce is how many accounts fillKeys reads at a time.
const keysAtOnce = 1000

// fillKeys is the migration that gives the accounts from before their keys.
func fillKeys(ctx context.Context, tx *sql.Tx) error {
	for last := int64(0); ; {
		accounts, err := accountsBehind(ctx, tx, last)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			name, user, first, family := keysOf(a)
			if _, err := tx.ExecContext(ctx, "UPDATE accounts SET name_key = $2, user_key = $3, first_key = $4, last_key = $5 WHERE number = $1",
				a.AccountNumber, name, user, first, family); err != nil {
				return err
			}
			last = a.AccountNumber
		}
		if len(accounts) < keysAtOnce {
			break
		}
	}
	_, err := tx.ExecContext(ctx, "UPDATE members SET name_key = (SELECT a.name_key FROM accounts a WHERE a.number = members.account),"+
		" user_key = (SELECT a.user_key FROM accounts a WHERE a.number = members.account)")
	return err
}

func accountsBehind(ctx context.Context, tx *sql.Tx, number int64) (accounts []Account, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT number, username, display_name, first_name, last_name FROM accounts WHERE number > $1 ORDER BY number LIMIT $2",
		number, keysAtOnce)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var a Account
		var username sql.NullString
		if err := rows.Scan(&a.AccountNumber, &username, &a.DisplayName, &a.FirstName, &a.LastName); err != nil {
			return nil, err
		}
		a.Username = nullableOf(username)
		accounts = append(accounts, a)
	}
	return accounts, rows.Err()
}

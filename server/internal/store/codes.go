package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// Codes holds the codes that were mailed, and how often they were asked for and tried. An account is here its number, or the
// one that a registration has for it; what there is of none at all is kept under a number of its own below 0. A network is its hash.
type Codes struct{ *conn }

// A Code is what is kept of a code that was mailed.
type Code struct {
	Account   int64
	Purpose   string
	Salt      string
	Hash      string
	Network   string // that has asked for it
	ExpiresAt time.Time
}

// Insert adds a code, instead of an earlier one of its account and purpose.
func (q Codes) Insert(ctx context.Context, c Code) error {
	return q.exec(ctx, `INSERT INTO codes (account, purpose, salt, hash, network, tries, expires_at) VALUES ($1, $2, $3, $4, $5, 0, $6)
	ON CONFLICT (account, purpose) DO UPDATE
	SET salt = excluded.salt, hash = excluded.hash, network = excluded.network, tries = 0, expires_at = excluded.expires_at`,
		c.Account, c.Purpose, c.Salt, c.Hash, c.Network, c.ExpiresAt.UnixMicro())
}

// A Try is of the code that an account has for a purpose.
type Try struct {
	Account int64
	Purpose string
	Network string // from where
	Known   bool   // whether that is a network of the account

	Life        time.Duration // of a code; one that lives longer was made by a clock that was wrong
	OfNetwork   int64         // how often one network may try a code
	OfStrangers int64         // how often all together may that have neither asked for it nor are known
}

// Try counts a try and returns the code. It is ErrNotFound if there is none, or none that may still be tried from there.
// The work is the same if there is none, so that the time does not tell.
func (q Codes) Try(ctx context.Context, t Try, now time.Time) (Code, error) {
	code, err := get(ctx, q.conn, func(rows *sql.Rows) (Code, error) {
		c, expiresAt := Code{Account: t.Account, Purpose: t.Purpose}, int64(0)
		err := rows.Scan(&c.Salt, &c.Hash, &c.Network, &expiresAt)
		c.ExpiresAt = time.UnixMicro(expiresAt)
		return c, err
	}, `SELECT salt, hash, network, expires_at FROM codes WHERE account = $1 AND purpose = $2`, t.Account, t.Purpose)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Code{}, err
	}
	live := err == nil && code.ExpiresAt.After(now) && !code.ExpiresAt.After(now.Add(t.Life+skew))
	if !live {
		code = Code{ExpiresAt: now.Add(t.Life)}
	}
	counted, err := q.countTry(ctx, t, code)
	if err == nil && (!counted || !live) {
		err = ErrNotFound
	}
	return code, err
}

// countTry counts a try of its network, and then of all strangers if it is one: a network uses up no more than its own.
func (q Codes) countTry(ctx context.Context, t Try, code Code) (counted bool, err error) {
	tries, err := get(ctx, q.conn, scanOne[int64], `SELECT tries FROM code_tries WHERE account = $1 AND purpose = $2 AND network = $3 AND salt = $4`,
		t.Account, t.Purpose, t.Network, code.Salt)
	if err != nil && !errors.Is(err, ErrNotFound) || tries >= t.OfNetwork {
		return false, err
	}
	strangers := 1
	if t.Known || t.Network == code.Network {
		strangers = 0
	}
	within, err := q.changed(ctx, `UPDATE codes SET tries = tries + $4 WHERE account = $1 AND purpose = $2 AND salt = $3 AND tries + $4 <= $5`,
		t.Account, t.Purpose, code.Salt, strangers, t.OfStrangers)
	if err != nil || !within && code.Salt != "" {
		return false, err
	}
	return q.changed(ctx, `INSERT INTO code_tries (account, purpose, network, salt, tries, expires_at) VALUES ($1, $2, $3, $4, 1, $5)
	ON CONFLICT (account, purpose, network) DO UPDATE
	SET tries = CASE WHEN code_tries.salt = excluded.salt THEN code_tries.tries + 1 ELSE 1 END,
	    salt = excluded.salt, expires_at = excluded.expires_at
	WHERE code_tries.salt <> excluded.salt OR code_tries.tries < $6`,
		t.Account, t.Purpose, t.Network, code.Salt, code.ExpiresAt.UnixMicro(), t.OfNetwork)
}

// Spend ends a code that was tried, and tells whether it was still good: it is spent once.
func (q Codes) Spend(ctx context.Context, c Code) (bool, error) {
	return q.changed(ctx, `UPDATE codes SET expires_at = 0, hash = '' WHERE account = $1 AND purpose = $2 AND salt = $3 AND expires_at > 0`,
		c.Account, c.Purpose, c.Salt)
}

// End ends the code that an account has for a purpose. That there is none is no error.
func (q Codes) End(ctx context.Context, account int64, purpose string) error {
	return q.exec(ctx, `UPDATE codes SET expires_at = 0, hash = '' WHERE account = $1 AND purpose = $2`, account, purpose)
}

// A Quota is how much may be had: so much at once, and one more in each span of Every.
type Quota struct {
	AtOnce int
	Every  time.Duration
}

// An Asking is the wish to be mailed a code.
type Asking struct {
	Account int64
	Purpose string
	Network string // from where
	Known   bool   // whether that is a network of the account

	OfNetwork   Quota // of one network
	OfStrangers Quota // of all together that are not known
}

// Ask takes one from the quotas that an asking counts for. If there is none, it returns how long it will be until there is:
// then the transaction must be rolled back.
func (q Codes) Ask(ctx context.Context, a Asking, now time.Time) (wait time.Duration, err error) {
	wait, err = q.take(ctx, a, a.Network, a.OfNetwork, 1, now)
	if err != nil || wait > 0 || a.Known {
		return wait, err
	}
	return q.take(ctx, a, "", a.OfStrangers, 1, now)
}

// TakeSome takes so many from a quota of an account at once, or none: then it returns how long it is until there are as many.
func (q Codes) TakeSome(ctx context.Context, account int64, purpose string, of Quota, some int, now time.Time) (wait time.Duration, err error) {
	return q.take(ctx, Asking{Account: account, Purpose: purpose}, "", of, some, now)
}

// GiveBack gives back what TakeSome has taken.
func (q Codes) GiveBack(ctx context.Context, account int64, purpose string, of Quota, some int) error {
	return q.exec(ctx, `UPDATE code_quotas SET full_at = full_at - $3 WHERE account = $1 AND purpose = $2 AND network = ''`,
		account, purpose, int64(some)*of.Every.Microseconds())
}

// take takes some from a quota. A bucket that is full later than it can be was written to by a clock that was wrong: it is full.
func (q Codes) take(ctx context.Context, a Asking, network string, of Quota, some int, now time.Time) (wait time.Duration, err error) {
	every := int64(some) * of.Every.Microseconds()
	next := now.UnixMicro() + every
	most := now.UnixMicro() + int64(of.AtOnce)*of.Every.Microseconds()
	taken, err := q.changed(ctx, `INSERT INTO code_quotas (account, purpose, network, full_at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (account, purpose, network) DO UPDATE
	SET full_at = CASE WHEN code_quotas.full_at + $5 BETWEEN excluded.full_at AND $6 THEN code_quotas.full_at + $5 ELSE excluded.full_at END
	WHERE code_quotas.full_at + $5 <= $6 OR code_quotas.full_at > $6`,
		a.Account, a.Purpose, network, next, every, most)
	if err != nil || taken {
		return 0, err
	}
	fullAt, err := get(ctx, q.conn, scanOne[int64], `SELECT full_at FROM code_quotas WHERE account = $1 AND purpose = $2 AND network = $3`+unlocked,
		a.Account, a.Purpose, network)
	return max(1, time.Duration(fullAt-(most-every))*time.Microsecond), err
}

// DeleteExpired removes some of what counts no more at now, of each kind, and tells whether there was any.
func (q Codes) DeleteExpired(ctx context.Context, now time.Time, some int) (more bool, err error) {
	for _, text := range []string{
		`DELETE FROM codes WHERE (account, purpose) IN (
	       SELECT account, purpose FROM codes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`,
		`DELETE FROM code_tries WHERE (account, purpose, network) IN (
	       SELECT account, purpose, network FROM code_tries WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`,
		`DELETE FROM code_quotas WHERE (account, purpose, network) IN (
	       SELECT account, purpose, network FROM code_quotas WHERE full_at <= $1 ORDER BY full_at LIMIT $2)`,
	} {
		removed, err := q.changed(ctx, text, now.UnixMicro(), some)
		if err != nil {
			return false, err
		}
		more = more || removed
	}
	return more, nil
}

// Networks holds from where accounts were signed in to of late: from which networks, and on which devices. A device stands
// there as a network does, under its DeviceOf: what is counted for networks is counted for it wherever it is.
type Networks struct{ *conn }

// How many networks and devices of an account are remembered, and a device for how long.
const (
	MaxNetworks = 8
	MaxDevices  = 10
	DeviceLife  = 90 * 24 * time.Hour
)

// devices is what the names of devices begin with, and those of networks do not.
const devices = "device "

// DeviceOf is the name of the device that was given a session, by the hash of its token. It outlives the session.
func DeviceOf(tokenHash string) string { return devices + tokenHash[:32] }

// IsKnown tells whether an account was signed in to from a network or, of late, on a device.
func (q Networks) IsKnown(ctx context.Context, account int64, network string, now time.Time) (bool, error) {
	usedAt, err := get(ctx, q.conn, scanOne[int64], `SELECT used_at FROM known_networks WHERE account = $1 AND network = $2`+unlocked, account, network)
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return false, err
	}
	age := now.Sub(time.UnixMicro(usedAt))
	return !strings.HasPrefix(network, devices) || age < DeviceLife && age > -skew, nil
}

// Remember notes that an account was signed in to from a network, and forgets those that were not used for the longest, and
// before them those that a clock has left that had jumped.
func (q Networks) Remember(ctx context.Context, account int64, network string, now time.Time) error {
	return q.keep(ctx, account, network, MaxNetworks, now)
}

// RememberDevice is Remember for a device. What it was named by before goes: a device counts once.
func (q Networks) RememberDevice(ctx context.Context, account int64, device, before string, now time.Time) error {
	if before != "" {
		if err := q.ForgetDevice(ctx, account, before); err != nil {
			return err
		}
	}
	return q.keep(ctx, account, device, MaxDevices, now)
}

// keep notes a network or a device, and forgets some of its kind beyond the most there may be.
func (q Networks) keep(ctx context.Context, account int64, network string, most int, now time.Time) error {
	if err := q.exec(ctx, `INSERT INTO known_networks (account, network, used_at) VALUES ($1, $2, $3)
	ON CONFLICT (account, network) DO UPDATE SET used_at = excluded.used_at`, account, network, now.UnixMicro()); err != nil {
		return err
	}
	isDevice := strings.HasPrefix(network, devices)
	return q.exec(ctx, `DELETE FROM known_networks WHERE account = $1 AND (network LIKE '`+devices+`%') = $4 AND network NOT IN (
	       SELECT network FROM known_networks WHERE account = $1 AND (network LIKE '`+devices+`%') = $4
	       ORDER BY CASE WHEN used_at > $3 THEN 0 ELSE used_at END DESC, network LIMIT $2)`, account, most, now.UnixMicro(), isDevice)
}

// ForgetDevice forgets a device of an account. That it is not known is no error.
func (q Networks) ForgetDevice(ctx context.Context, account int64, device string) error {
	return q.exec(ctx, `DELETE FROM known_networks WHERE account = $1 AND network = $2`, account, device)
}

// ForgetDevicesBut forgets all devices of an account but one.
func (q Networks) ForgetDevicesBut(ctx context.Context, account int64, device string) error {
	return q.exec(ctx, `DELETE FROM known_networks WHERE account = $1 AND network LIKE '`+devices+`%' AND network <> $2`, account, device)
}

// Forget forgets from where an account was signed in to.
func (q Networks) Forget(ctx context.Context, account int64) error {
	return q.exec(ctx, `DELETE FROM known_networks WHERE account = $1`, account)
}

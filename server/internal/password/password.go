// Package password hashes passwords and checks them, in bounded memory, and in a fair order.
package password

import (
	"context"
	"errors"
	"runtime"

	"github.com/alexedwards/argon2id"
)

// ErrBusy says that too many passwords wait already. It will be possible again in a moment.
var ErrBusy = errors.New("too many passwords are waiting to be checked")

// One hash takes 19 MiB and some tens of milliseconds of one processor.
var params = argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// nobodysHash is of a password that nobody knows. What is checked against it takes as long as against anybody's.
const nobodysHash = "$argon2id$v=19$m=19456,t=2,p=1$X4M324ysvUjRwXqgsZjA8Q$dXnkwjFxXMqd58o50IgsgNtoESryUc7f0mj4PwogDCw"

// A Hasher hashes and checks passwords, as many at once as there are processors. Everybody else waits in a line of bounded
// length: however many log in, memory stays bounded, and who cannot be served soon is refused at once, by ErrBusy. The
// networks in line take turns, so that a flood keeps others waiting by no more than one turn; see Caller. It is safe for
// concurrent use. It must not be called inside a transaction, which would then last as long.
type Hasher struct {
	// Compare tells whether a hash was made of a password. New sets it; a test may watch or replace it.
	Compare func(password, hash string) (same bool, err error)

	line *line
}

// mostAtWork is how many passwords are hashed at once at most, however many processors there are: together they take 76 MiB.
const mostAtWork = 4

// New returns a Hasher for the processors of this machine.
func New() *Hasher {
	return &Hasher{Compare: argon2id.ComparePasswordAndHash, line: newLine(min(runtime.GOMAXPROCS(0), mostAtWork))}
}

// Hash returns what is kept of a password. Waiting for its turn ends with the context.
func (h *Hasher) Hash(ctx context.Context, from Caller, password string) (hash string, err error) {
	err = h.line.whenFree(ctx, from, func() error {
		hash, err = argon2id.CreateHash(password, &params)
		return err
	})
	return hash, err
}

// Matches tells whether a password is the one that a hash was made of. An empty hash is of none, which takes as long.
// Waiting for its turn ends with the context.
func (h *Hasher) Matches(ctx context.Context, from Caller, password, hash string) (same bool, err error) {
	none := hash == ""
	if none {
		hash = nobodysHash
	}
	err = h.line.whenFree(ctx, from, func() error {
		same, err = h.Compare(password, hash)
		return err
	})
	return same && !none, err
}

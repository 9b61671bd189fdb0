package server

import (
	"context"
	"errors"
	"runtime"

	"github.com/alexedwards/argon2id"
	"github.com/rejoin-dev/rejoin/api/contract"
)

// One hash takes 19 MiB and some tens of milliseconds of one processor.
var hashing = argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// nobodysHash is of a password that nobody knows. What is checked against it takes as long as against anybody's.
const nobodysHash = "$argon2id$v=19$m=19456,t=2,p=1$X4M324ysvUjRwXqgsZjA8Q$dXnkwjFxXMqd58o50IgsgNtoESryUc7f0mj4PwogDCw"

// linePerWorker is how many may wait for each that is at work: about as many as are served within a second.
const linePerWorker = 25

// passwords hashes and checks passwords, as many at once as there are processors, with a line of bounded length before
// that: however many log in, memory stays bounded, and who cannot be served soon is told so at once. It must not be
// called inside a transaction, which would then last as long.
type passwords struct {
	atWork chan struct{}
	inLine chan struct{} // those at work among them

	create  func(password string) (hash string, err error)
	compare func(password, hash string) (same bool, err error)
}

func newPasswords() *passwords {
	workers := runtime.GOMAXPROCS(0)
	return &passwords{
		atWork:  make(chan struct{}, workers),
		inLine:  make(chan struct{}, workers*(1+linePerWorker)),
		create:  func(password string) (string, error) { return argon2id.CreateHash(password, &hashing) },
		compare: argon2id.ComparePasswordAndHash,
	}
}

// hash returns what is kept of a password.
func (p *passwords) hash(ctx context.Context, password string) (hash string, err error) {
	err = p.whenFree(ctx, func() error {
		hash, err = p.create(password)
		return err
	})
	return hash, err
}

// matches tells whether a password is the one that a hash was made of. An empty hash is of none, which takes as long.
func (p *passwords) matches(ctx context.Context, password, hash string) (same bool, err error) {
	none := hash == ""
	if none {
		hash = nobodysHash
	}
	err = p.whenFree(ctx, func() error {
		same, err = p.compare(password, hash)
		return err
	})
	return same && !none, err
}

// whenFree works when a place is free. Waiting for it ends with the context.
func (p *passwords) whenFree(ctx context.Context, work func() error) error {
	select {
	case p.inLine <- struct{}{}:
		defer func() { <-p.inLine }()
	default:
		return contract.Unavailable(errors.New("too many passwords are waiting to be checked"))
	}
	select {
	case p.atWork <- struct{}{}:
		defer func() { <-p.atWork }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return work()
}

package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// An actor is who is calling: an account, or an API key in the name of its server.
type actor struct {
	account    int64      // its number; for a key that of whoever made it
	key        *store.Key // nil for an account
	scheme     string     // the security scheme of the contract by which the credential came
	credential string
}

// newCredential makes a session token or an API key.
func (k *core) newCredential() (string, error) {
	secret, err := k.secret(32)
	return hex.EncodeToString(secret), err
}

// secret returns random bytes.
func (k *core) secret(n int) ([]byte, error) {
	secret := make([]byte, n)
	if _, err := io.ReadFull(k.random, secret); err != nil {
		return nil, fmt.Errorf("no randomness for a secret: %w", err)
	}
	return secret, nil
}

// hashOf is what is kept of a credential.
func hashOf(credential string) string {
	sum := sha256.Sum256([]byte(credential))
	return hex.EncodeToString(sum[:])
}

// permissions are what an API key may; an account has none of that kind.
func (a actor) permissions() []gen.KeyPermission {
	if a.key == nil {
		return nil
	}
	return a.key.Permissions
}

// admit lets a request in whose caller the operation takes. It knows the headers alone, so that nobody without a
// credential makes the server read a body.
func (s *Server) admit(c echo.Context, op *contract.Operation) error {
	if err := s.limits.checkAddress(op, c.RealIP()); err != nil {
		return err
	}
	if len(op.Schemes) == 0 {
		return nil
	}
	ctx := c.Request().Context()
	who, err := s.authenticate(ctx, c.Request().Header)
	if err != nil {
		return err
	}
	callFrom(ctx).actor = who
	return op.Admit(who.scheme, who.permissions())
}

// authenticate finds who is calling.
func (k *core) authenticate(ctx context.Context, header http.Header) (actor, error) {
	credential, keyHeader, err := contract.CredentialFrom(header)
	if err != nil {
		return actor{}, err
	}
	hash, now := hashOf(credential), k.now()
	if !keyHeader {
		account, err := k.store.Auth.GetCaller(ctx, hash, now)
		if !errors.Is(err, store.ErrNotFound) {
			return actor{account: account, scheme: contract.SessionAuth, credential: credential}, err
		}
	}
	key, err := k.store.Keys.GetByHash(ctx, hash, now)
	if errors.Is(err, store.ErrNotFound) {
		return actor{}, contract.Unauthenticated("the credential is unknown, ended or expired")
	}
	scheme := contract.KeyAuth
	if keyHeader {
		scheme = contract.APIKeyAuth
	}
	return actor{account: key.Account, key: &key, scheme: scheme, credential: credential}, err
}

package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// An actor is who is calling: an account, or an API key in the name of its server.
type actor struct {
	account    int64      // its number; for a key that of whoever made it
	key        *store.Key // nil for an account
	scheme     string     // the security scheme of the contract by which the credential came
	credential string
}

// The security schemes of the contract.
const (
	sessionScheme = "sessionAuth"
	keyScheme     = "keyAuth"
	apiKeyScheme  = "apiKeyAuth"
)

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

// credentialFrom reads the credential from the headers, and whether it stands in the one for API keys. The fault is for
// a request whose credential is missing or not in the form of one.
func credentialFrom(header http.Header) (credential string, keyHeader bool, err error) {
	authorization, keys := header.Values("Authorization"), header.Values("X-Api-Key")
	switch {
	case len(authorization)+len(keys) == 0:
		return "", false, unauthenticated("the request has no credential: send Authorization: Bearer, or x-api-key")
	case len(authorization)+len(keys) > 1:
		return "", false, unauthenticated("the request has more than one credential: send one")
	case len(keys) == 1:
		credential, keyHeader = keys[0], true
	default:
		kind, rest, _ := strings.Cut(authorization[0], " ")
		if !strings.EqualFold(kind, "Bearer") {
			return "", false, unauthenticated("the Authorization header must have the form: Bearer <credential>")
		}
		credential = strings.TrimSpace(rest)
	}
	if !isCredential(credential) {
		return "", false, unauthenticated("a credential is 64 lower-case hexadecimal characters")
	}
	return credential, keyHeader, nil
}

func isCredential(text string) bool {
	if len(text) != 64 {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// authenticate finds who is calling from the headers alone, so that nobody without a credential makes the server read a body.
func (k *core) authenticate(ctx context.Context, header http.Header) (actor, error) {
	credential, keyHeader, err := credentialFrom(header)
	if err != nil {
		return actor{}, err
	}
	hash, now := hashOf(credential), k.now()
	if !keyHeader {
		account, err := k.store.Auth.GetCaller(ctx, hash, now)
		if !errors.Is(err, store.ErrNotFound) {
			return actor{account: account, scheme: sessionScheme, credential: credential}, err
		}
	}
	key, err := k.store.Keys.GetByHash(ctx, hash, now)
	if errors.Is(err, store.ErrNotFound) {
		return actor{}, unauthenticated("the credential is unknown, ended or expired")
	}
	scheme := keyScheme
	if keyHeader {
		scheme = apiKeyScheme
	}
	return actor{account: key.Account, key: &key, scheme: scheme, credential: credential}, err
}

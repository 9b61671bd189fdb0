package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// An actor is who is calling: an account, perhaps by one of its API keys or a widget token, or an API key in the name of its server.
type actor struct {
	account    int64           // its number; for a key that of whoever vouches for it
	key        *gen.APIKey     // nil for an account
	userKey    *gen.UserAPIKey // nil unless the account acts by one, in its community only
	widget     *widgetPass     // nil unless it came by a widget token
	session    string          // the id of the account's
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

// authenticate finds who is calling.
func (k *core) authenticate(ctx context.Context, credential string, inKeyHeader bool) (contract.Caller, error) {
	if contract.IsJWT(credential) {
		return k.widgetCaller(ctx, credential, false)
	}
	hash, now := hashOf(credential), k.now()
	if !inKeyHeader {
		session, err := k.store.Auth.GetCaller(ctx, hash, now)
		if err == nil {
			k.notes.used(session, now)
			k.notes.active(session.Account, now)
		}
		if !errors.Is(err, store.ErrNotFound) {
			who := actor{account: session.Account, session: session.ID, credential: credential}
			return contract.Caller{Scheme: contract.SessionAuth, Who: who}, err
		}
	}
	key, err := k.store.Keys.GetByHash(ctx, hash, now)
	if errors.Is(err, store.ErrNotFound) {
		return k.authenticateUser(ctx, hash, credential, inKeyHeader)
	}
	if err == nil && !key.IsTrusted {
		err = contract.PermissionDenied("who vouches for this API key may make no keys in its community any more: an administrator must adopt it")
	}
	if err != nil {
		return contract.Caller{}, err
	}
	scheme := contract.KeyAuth
	if inKeyHeader {
		scheme = contract.APIKeyAuth
	}
	who := actor{account: int64(key.UserID), key: &key, credential: credential}
	return contract.Caller{Scheme: scheme, Permissions: key.Permissions, Who: who}, nil
}

// authenticateUser finds the account that is calling by a user API key.
func (k *core) authenticateUser(ctx context.Context, hash, credential string, inKeyHeader bool) (contract.Caller, error) {
	key, err := gen.UserAPIKey{}, store.ErrNotFound
	if !inKeyHeader {
		key, err = k.store.UserKeys.GetByHash(ctx, hash, k.now())
		if err == nil {
			k.notes.active(int64(key.UserID), k.now())
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		err = contract.Unauthenticated("the credential is unknown, ended or expired")
	}
	if err != nil {
		return contract.Caller{}, err
	}
	who := actor{account: int64(key.UserID), userKey: &key, credential: credential}
	return contract.Caller{Scheme: contract.UserKeyAuth, UserPermissions: key.Permissions, Who: who}, nil
}

// keyID is the id of the API key of a server by which the caller comes; empty: it is an account.
func (a actor) keyID() string {
	if a.key == nil {
		return ""
	}
	return a.key.ID
}

// community is the only one in which the caller may act; empty, if there is no such.
func (a actor) community() string {
	switch {
	case a.key != nil:
		return a.key.CommunityID
	case a.userKey != nil:
		return a.userKey.CommunityID
	case a.widget != nil:
		return a.widget.community
	}
	return ""
}

// mayActIn tells whether the credential of the caller lets them do more than read in a channel, if they may.
func (a actor) mayActIn(channelID string) bool {
	return a.userKey == nil || len(a.userKey.Channels) == 0 || slices.Contains(a.userKey.Channels, channelID)
}

// actorFrom is who is calling; nobody in an operation that is for everybody.
func actorFrom(ctx context.Context) actor {
	who, _ := contract.CallerFrom(ctx).Who.(actor)
	return who
}

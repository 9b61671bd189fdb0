package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// keys are the operations of the tag keys: API keys, with which programs act for a community.
type keys struct{ *core }

func (h keys) ListAPIKeys(ctx context.Context, r stub.ListAPIKeysRequestObject) (stub.ListAPIKeysResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.CommunityID, "community")
	if err != nil {
		return nil, err
	}
	found, err := h.store.Keys.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListAPIKeys200JSONResponse{Meta: application(http.StatusOK), Message: "Read API keys success.", Data: found}, nil
}

func (h keys) CreateAPIKey(ctx context.Context, r stub.CreateAPIKeyRequestObject) (stub.CreateAPIKeyResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.APIKeyResponse, err error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return body, err
		}
		s, err := require(ctx, tx.Queries, r.CommunityID, "community")
		if err != nil {
			return body, err
		}
		secret, err := h.newCredential()
		if err != nil {
			return body, err
		}
		now := h.now()
		key := gen.APIKey{
			ID: h.newID(), CommunityID: s.ID, Key: masked(secret), Name: r.Body.Name, Permissions: r.Body.Permissions, IsActive: true,
			ExpirePeriod: r.Body.ExpirePeriod, ExpireDate: expiry(now, r.Body.ExpirePeriod), UserID: int32(s.actor.account), IsTrusted: true,
			CreatedAt: gen.Time{Time: now}, UpdatedAt: gen.Time{Time: now},
		}
		if err := tx.Keys.Insert(ctx, key, hashOf(secret)); err != nil {
			return body, err
		}
		if err := record(ctx, h.core, tx, s.ID, key.ID, nil, &key); err != nil {
			return body, err
		}
		if err := h.vouched(ctx, tx, s, key, keyMade); err != nil {
			return body, err
		}
		key.Key = secret // here, and never again
		return gen.APIKeyResponse{Meta: application(http.StatusCreated), Message: "Create API key success.", Data: key}, nil
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateAPIKey201JSONResponse{Body: body, Headers: stub.CreateAPIKey201ResponseHeaders(again)}, nil
}

func (h keys) UpdateAPIKey(ctx context.Context, r stub.UpdateAPIKeyRequestObject) (stub.UpdateAPIKeyResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateAPIKey200JSONResponse, err error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return answer, err
		}
		s, before, err := h.manageable(ctx, tx, r.CommunityID, r.APIKeyID)
		if err != nil {
			return answer, err
		}
		key, now := before, h.now()
		if r.Body.Name != nil {
			key.Name = *r.Body.Name
		}
		if r.Body.Permissions != nil {
			key.Permissions = *r.Body.Permissions
		}
		if r.Body.ExpirePeriod != nil {
			key.ExpirePeriod, key.ExpireDate = *r.Body.ExpirePeriod, expiry(now, *r.Body.ExpirePeriod)
		}
		if r.Body.IsActive != nil {
			key.IsActive = *r.Body.IsActive
		}
		adopts := valueOf(r.Body.Adopt) && !(key.IsTrusted && int64(key.UserID) == s.actor.account)
		if adopts {
			key.UserID, key.IsTrusted = int32(s.actor.account), true // they may make keys, else they could not be here
		}
		if !same(&before, &key) {
			key.UpdatedAt = gen.Time{Time: now}
		}
		if adopts {
			if err := h.vouched(ctx, tx, s, key, keyAdopted); err != nil {
				return answer, err
			}
		}
		if err := tx.Keys.Update(ctx, key); err != nil {
			return answer, err
		}
		answer = stub.UpdateAPIKey200JSONResponse{Meta: application(http.StatusOK), Message: "Update API key success.", Data: key}
		return answer, record(ctx, h.core, tx, key.CommunityID, key.ID, &before, &key)
	})
}

func (h keys) DeleteAPIKey(ctx context.Context, r stub.DeleteAPIKeyRequestObject) (stub.DeleteAPIKeyResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteAPIKey200JSONResponse, err error) {
		_, key, err := h.manageable(ctx, tx, r.CommunityID, r.APIKeyID)
		if err != nil {
			return answer, err
		}
		if err := tx.Keys.Delete(ctx, key.ID); err != nil {
			return answer, err
		}
		answer = stub.DeleteAPIKey200JSONResponse{Meta: application(http.StatusOK), Message: "Delete API key success.", Data: key}
		return answer, record(ctx, h.core, tx, key.CommunityID, key.ID, &key, nil)
	})
}

func (h keys) GetAPIKeyInfo(ctx context.Context, _ stub.GetAPIKeyInfoRequestObject) (stub.GetAPIKeyInfoResponseObject, error) {
	var info gen.APIKeyInfo
	if k := actorFrom(ctx).userKey; k != nil {
		info = gen.APIKeyInfo{
			ID: k.ID, Kind: "user", Name: k.Name, Key: k.Key, Permissions: texts(k.Permissions), Channels: k.Channels, ExpirePeriod: k.ExpirePeriod,
			ExpireDate: k.ExpireDate, IsActive: k.IsActive, CommunityID: k.CommunityID, UserID: k.UserID, IsTrusted: true,
			CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt,
		}
	} else {
		k := actorFrom(ctx).key
		info = gen.APIKeyInfo{
			ID: k.ID, Kind: "community", Name: k.Name, Key: k.Key, Permissions: texts(k.Permissions), Channels: gen.KeyChannels{}, ExpirePeriod: k.ExpirePeriod,
			ExpireDate: k.ExpireDate, IsActive: k.IsActive, CommunityID: k.CommunityID, UserID: k.UserID, IsTrusted: k.IsTrusted,
			CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt,
		}
	}
	return stub.GetAPIKeyInfo200JSONResponse{Meta: application(http.StatusOK), Message: "Read API key success.", Data: info}, nil
}

// texts are names as texts.
func texts[T ~string](names []T) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = string(name)
	}
	return all
}

// vouched is the step that tells the caller that they vouch for a key from now on: by mail, and in the events of their account.
func (h keys) vouched(ctx context.Context, tx *store.Tx, s standing, key gen.APIKey, done keyDeed) error {
	kind := map[keyDeed]gen.AuthEventKind{keyMade: gen.AuthEventKindKeyCreate, keyAdopted: gen.AuthEventKindKeyAdopt}[done]
	if err := h.addOwnEvent(ctx, tx, kind, key.ID); err != nil {
		return err
	}
	return tx.Jobs.Insert(ctx, keyMail{Account: s.actor.account, Community: s.Name, Key: key.Name, At: key.UpdatedAt, Done: done})
}

// manageable finds a key that the caller may change, and how they stand in its community.
func (h keys) manageable(ctx context.Context, tx *store.Tx, communityID, id string) (s standing, key gen.APIKey, err error) {
	if s, err = require(ctx, tx.Queries, communityID, "community"); err != nil {
		return s, key, err
	}
	key, err = tx.Keys.Get(ctx, communityID, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("API key")
	}
	return s, key, err
}

// masked shows enough of a secret to tell it from others, and no more.
func masked(secret string) string {
	shown := 4
	if len(secret) < 8*shown {
		shown = 0
	}
	return secret[:shown] + strings.Repeat("*", len(secret)-2*shown) + secret[len(secret)-shown:]
}

// wholeKey is how many characters an API key has.
const wholeKey = 64

// maskedBriefly shows of a secret that may be short, as codes of people are, at most a quarter.
func maskedBriefly(secret string) string {
	if len(secret) == wholeKey {
		return masked(secret)
	}
	shown := min(4, len(secret)/4)
	return strings.Repeat("*", len(secret)-shown) + secret[len(secret)-shown:]
}

// expiry is when a key ends that is good for some days from now; for ever, if for none.
func expiry(now time.Time, days int32) gen.Nullable[gen.Time] {
	if days == 0 {
		return gen.Null[gen.Time]()
	}
	return gen.NullableOf(gen.Time{Time: now.UTC().AddDate(0, 0, int(days))})
}

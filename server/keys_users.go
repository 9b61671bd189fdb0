package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// User API keys, with which programs act for an account in a community.

// administersKeys is an operation: whoever may call it in a community may see and end the keys of its members, too.
const administersKeys = "listApiKeys"

func (h keys) CreateUserAPIKey(ctx context.Context, r stub.CreateUserAPIKeyRequestObject) (stub.CreateUserAPIKeyResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.UserAPIKeyResponse, err error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return body, err
		}
		account, err := h.ownAccount(ctx, tx.Queries, r.Params.UserID)
		if err != nil {
			return body, err
		}
		s, err := enter(ctx, tx.Queries, r.Body.CommunityID, "community")
		if err != nil {
			return body, err
		}
		ends, err := endOf(h.now(), r.Body.ExpirePeriod, r.Body.ExpireDate)
		if err != nil {
			return body, err
		}
		if err := h.checkKeyChannels(ctx, tx, s, r.Body.Channels); err != nil {
			return body, err
		}
		secret, err := h.newCredential()
		if err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		key := gen.UserAPIKey{
			ID: h.newID(), CommunityID: s.ID, UserID: int32(account), Key: masked(secret), Name: r.Body.Name, Permissions: r.Body.Permissions,
			Channels: append(gen.KeyChannels{}, r.Body.Channels...), ExpirePeriod: r.Body.ExpirePeriod, ExpireDate: ends, IsActive: true,
			CreatedAt: now, UpdatedAt: now,
		}
		if err := tx.UserKeys.Insert(ctx, key, hashOf(secret)); err != nil {
			return body, err
		}
		if err := h.noticed(ctx, tx, s, key, keyMade); err != nil {
			return body, err
		}
		key.Key = secret // here, and never again
		return gen.UserAPIKeyResponse{Meta: application(http.StatusCreated), Message: "Create API key success.", Data: key}, nil
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateUserAPIKey201JSONResponse{Body: body, Headers: stub.CreateUserAPIKey201ResponseHeaders(again)}, nil
}

func (h keys) ListUserAPIKeys(ctx context.Context, r stub.ListUserAPIKeysRequestObject) (stub.ListUserAPIKeysResponseObject, error) {
	found, err := h.userKeys(ctx, r.UserID, r.Params.CommunityID)
	if err != nil {
		return nil, err
	}
	return stub.ListUserAPIKeys200JSONResponse{Meta: application(http.StatusOK), Message: "Read API keys success.", Data: found}, nil
}

// userKeys are the keys of an account, or those in one community.
func (h keys) userKeys(ctx context.Context, userID string, communityID *string) ([]gen.UserAPIKey, error) {
	q := h.store.Queries
	account, err := h.ownAccount(ctx, q, userID)
	switch {
	case err != nil && communityID == nil:
		return nil, err
	case err == nil && communityID == nil:
		return q.UserKeys.ListOfAccount(ctx, account)
	case err != nil:
		if account, err = h.administered(ctx, q, *communityID, userID); err != nil {
			return nil, err
		}
	default:
		if _, err := enter(ctx, q, *communityID, "community"); err != nil {
			return nil, err
		}
	}
	return q.UserKeys.ListOfMember(ctx, *communityID, account)
}

func (h keys) UpdateUserAPIKey(ctx context.Context, r stub.UpdateUserAPIKeyRequestObject) (stub.UpdateUserAPIKeyResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateUserAPIKey200JSONResponse, err error) {
		if err := h.requireSession(ctx, tx); err != nil {
			return answer, err
		}
		account, err := h.ownAccount(ctx, tx.Queries, r.UserID)
		if err != nil {
			return answer, err
		}
		before, err := userKey(ctx, tx.Queries, account, r.UserAPIKeyID)
		if err != nil {
			return answer, err
		}
		s, err := enter(ctx, tx.Queries, before.CommunityID, "community")
		if err != nil {
			return answer, err
		}
		key, now := before, h.now()
		set(&key.Name, r.Body.Name)
		set(&key.Permissions, r.Body.Permissions)
		set(&key.IsActive, r.Body.IsActive)
		if r.Body.Channels != nil {
			if err := h.checkKeyChannels(ctx, tx, s, *r.Body.Channels); err != nil {
				return answer, err
			}
			key.Channels = *r.Body.Channels
		}
		days, date := valueOf(r.Body.ExpirePeriod), r.Body.ExpireDate
		asItIs := endsAt(before.ExpireDate, date) && (r.Body.ExpirePeriod == nil || days == before.ExpirePeriod)
		if !asItIs && (r.Body.ExpirePeriod != nil || saysEnd(date)) {
			if key.ExpireDate, err = endOf(now, days, date); err != nil {
				return answer, err
			}
			key.ExpirePeriod = days
		}
		if !same(&before, &key) {
			key.UpdatedAt = gen.Time{Time: now}
		}
		if mayDoMore(before, key) {
			if err := h.noticed(ctx, tx, s, key, keyWidened); err != nil {
				return answer, err
			}
		}
		answer = stub.UpdateUserAPIKey200JSONResponse{Meta: application(http.StatusOK), Message: "Update API key success.", Data: key}
		return answer, tx.UserKeys.Update(ctx, key)
	})
}

// mayDoMore tells whether a key may do what it could not do before: with another permission, in another channel, for longer, or again.
func mayDoMore(before, after gen.UserAPIKey) bool {
	more := func(before, after []string) bool {
		return slices.ContainsFunc(after, func(name string) bool { return !slices.Contains(before, name) })
	}
	end := func(of gen.UserAPIKey) time.Time {
		at, ends := of.ExpireDate.Get()
		if !ends {
			return time.Unix(math.MaxInt32, 0)
		}
		return at.Time
	}
	everywhere := len(before.Channels) == 0
	return more(texts(before.Permissions), texts(after.Permissions)) ||
		!everywhere && (len(after.Channels) == 0 || more(before.Channels, after.Channels)) ||
		end(after).After(end(before)) || after.IsActive && !before.IsActive
}

// noticed is the step that tells an account what was done with its key: by mail, and in its events.
func (h keys) noticed(ctx context.Context, tx *store.Tx, s standing, key gen.UserAPIKey, done keyDeed) error {
	kind := map[keyDeed]gen.AuthEventKind{keyMade: gen.AuthEventKindKeyCreate, keyWidened: gen.AuthEventKindKeyWiden}[done]
	if err := h.addOwnEvent(ctx, tx, kind, key.ID); err != nil {
		return err
	}
	return tx.Jobs.Insert(ctx, keyMail{Account: int64(key.UserID), Community: s.Name, Key: key.Name, At: key.UpdatedAt, Done: done, OfUser: true})
}

func (h keys) DeleteUserAPIKey(ctx context.Context, r stub.DeleteUserAPIKeyRequestObject) (stub.DeleteUserAPIKeyResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteUserAPIKey200JSONResponse, err error) {
		account, err := accountWithID(ctx, tx.Queries, r.UserID)
		if err != nil {
			return answer, err
		}
		key, err := userKey(ctx, tx.Queries, account, r.UserAPIKeyID)
		if err != nil {
			return answer, err
		}
		if account != actorFrom(ctx).account {
			if _, err := h.administered(ctx, tx.Queries, key.CommunityID, r.UserID); err != nil {
				return answer, contract.NotFound("API key") // as for those who do not learn that there is one
			}
		}
		if err := tx.UserKeys.Delete(ctx, key.ID); err != nil {
			return answer, err
		}
		if err := h.addEvent(ctx, tx, account, gen.AuthEventKindKeyEnd, actorFrom(ctx).session, key.ID); err != nil {
			return answer, err
		}
		return stub.DeleteUserAPIKey200JSONResponse{Meta: application(http.StatusOK), Message: "Delete API key success.", Data: key}, nil
	})
}

func userKey(ctx context.Context, q store.Queries, account int64, id string) (gen.UserAPIKey, error) {
	key, err := q.UserKeys.Get(ctx, account, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("API key")
	}
	return key, err
}

// ownAccount is the account of the caller, if that is its id: others do not exist for them.
func (h keys) ownAccount(ctx context.Context, q store.Queries, id string) (int64, error) {
	account, err := accountWithID(ctx, q, id)
	if err == nil && account != actorFrom(ctx).account {
		err = contract.NotFound("account")
	}
	return account, err
}

func accountWithID(ctx context.Context, q store.Queries, id string) (int64, error) {
	account, err := q.Auth.GetNumber(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("account")
	}
	return account, err
}

// administered is the account with an id, if it is a member of a community that the caller administers.
func (h keys) administered(ctx context.Context, q store.Queries, communityID, id string) (int64, error) {
	s, err := enter(ctx, q, communityID, "community")
	if err != nil {
		return 0, err
	}
	operations, err := api.Operations()
	if err != nil {
		return 0, err
	}
	if err := s.checkCall(ctx, q, operations.ByID(administersKeys)); err != nil {
		return 0, err
	}
	account, err := accountWithID(ctx, q, id)
	if err != nil {
		return 0, err
	}
	is, err := q.Servers.IsMember(ctx, s.ID, account)
	if err == nil && !is {
		err = contract.NotFound("account")
	}
	return account, err
}

// checkKeyChannels refuses channels that the caller does not see.
func (h keys) checkKeyChannels(ctx context.Context, tx *store.Tx, s standing, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	viewer, err := s.viewer(ctx, tx.Queries)
	if err != nil {
		return err
	}
	for _, id := range ids {
		channel, err := tx.Channels.Get(ctx, id, viewer)
		if errors.Is(err, store.ErrNotFound) || err == nil && channel.ServerID != s.ID {
			return contract.Invalid(contract.Field("/channels", gen.FieldCodeUnknown, "must be channels of the community that you see"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endOf is when a key ends that says so by days, by a date, or by both, if they agree. A date that is null is never.
func endOf(now time.Time, days int32, date gen.Nullable[string]) (gen.Nullable[gen.Time], error) {
	ends := expiry(now, days)
	text, given := date.Get()
	switch {
	case !saysEnd(date):
		return ends, nil
	case days != 0 && !endsAt(ends, date):
		return ends, contract.Invalid(contract.Field("/expireDate", gen.FieldCodeNotAllowed, "must be left out where there is an expirePeriod, or agree with it"))
	case !given:
		return gen.Null[gen.Time](), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return ends, contract.Invalid(contract.Field("/expireDate", gen.FieldCodeMalformed, "must be a moment in the future"))
	}
	if !at.After(now) {
		return ends, contract.Invalid(contract.Field("/expireDate", gen.FieldCodeTooSmall, "must be in the future"))
	}
	return gen.NullableOf(gen.Time{Time: at.UTC()}), nil
}

// saysEnd tells whether a date says when a key ends, or never.
func saysEnd(date gen.Nullable[string]) bool {
	text, given := date.Get()
	return !date.IsZero() && (!given || text != "")
}

// endsAt tells whether a date is that at which a key ends, as answers show it: to the millisecond.
func endsAt(ends gen.Nullable[gen.Time], date gen.Nullable[string]) bool {
	end, does := ends.Get()
	text, given := date.Get()
	if !does || !given {
		return !does && !given && !date.IsZero()
	}
	at, err := time.Parse(time.RFC3339, text)
	return err == nil && at.Truncate(time.Millisecond).Equal(end.Truncate(time.Millisecond))
}

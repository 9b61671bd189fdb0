package client

import (
	"context"
	"iter"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// UserField is a field in which the members of a community have values. A [Field]
	// is something else: what an [Error] says of a part of a request. Its fields are listed at [gen.UserField].
	UserField = gen.UserField
	// UserFieldCreate is what a field is made from. Field, Name and Type are required, and the Options of a select. Its fields are
	// listed at [gen.UserFieldCreate].
	UserFieldCreate = gen.UserFieldCreate
	// UserFieldUpdate is what a field becomes. Name and Type are required; what else is nil stays as it is. Its fields are listed at
	// [gen.UserFieldUpdate].
	UserFieldUpdate = gen.UserFieldUpdate
	// UserFieldType is what values a field takes. The list grows with the contract.
	UserFieldType = gen.UserFieldType
	// UserFieldHistory is a value that a member was given: a string, a float64 or a bool, with the one before, nil if there was
	// none. Its fields are listed at [gen.UserFieldHistory].
	UserFieldHistory = gen.UserFieldHistory
	// UserFieldHistoryCreate is a value for a member, and since when they have it: since now without an At. Its fields are listed at
	// [gen.UserFieldHistoryCreate].
	UserFieldHistoryCreate = gen.UserFieldHistoryCreate
)

// FieldHistoryQuery says which values [FieldsService.Histories] lists. The zero FieldHistoryQuery is of all.
type FieldHistoryQuery struct {
	// FieldID and UserID are the IDs of a field, which may be deleted, and of a member.
	FieldID, UserID string
	// From and To are the first and the last moment. A zero one is no bound.
	From, To time.Time
}

// FieldsService has the operations on the fields in which a community has values of its members. It is a field of [Client].
//
// What members have in them is shown by [UsersService.Data] and [UsersService.Filter], and a new user is given values by
// [UsersService.Create].
type FieldsService struct {
	api *gen.Client
}

// List returns the fields of a community in their order, 200 at most.
//
// For the owner and members with server_administrator, and API keys with [PermissionUserFields].
func (s *FieldsService) List(ctx context.Context, serverID string) ([]UserField, error) {
	return list[UserField](with(ctx, serverID, s.api.ListUserFields))
}

// Get returns a field.
//
// For the owner and members with server_administrator, and API keys with [PermissionUserFields].
func (s *FieldsService) Get(ctx context.Context, serverID, id string) (*UserField, error) {
	if err := checkID(serverID, id); err != nil {
		return nil, err
	}
	return one[UserField](s.api.GetUserField(ctx, serverID, id))
}

// Create makes a field. It fails with [ErrConflict] if another one is called so, or there are 200.
//
// For the owner and members with server_administrator, and API keys with [PermissionUserFields].
func (s *FieldsService) Create(ctx context.Context, serverID string, in UserFieldCreate, opts ...CreateOption) (*UserField, error) {
	if err := checkID(serverID); err != nil {
		return nil, err
	}
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[UserField](making.note(s.api.CreateUserField(ctx, serverID, nil, full(in), making.edits...)))
}

// Update changes a field. It fails with [ErrConflict], and changes nothing, if a value of some member does not convert into what the
// field would take, and if it is to identify members while another one does or while it has values.
//
// For the owner and members with server_administrator, and API keys with [PermissionUserFields].
func (s *FieldsService) Update(ctx context.Context, serverID, id string, in UserFieldUpdate) (*UserField, error) {
	if err := checkID(serverID, id); err != nil {
		return nil, err
	}
	return one[UserField](s.api.UpdateUserField(ctx, serverID, id, full(in)))
}

// Delete ends a field with all its values, and returns it as it was. The history stays.
//
// For the owner and members with server_administrator, and API keys with [PermissionUserFields].
func (s *FieldsService) Delete(ctx context.Context, serverID, id string) (*UserField, error) {
	if err := checkID(serverID, id); err != nil {
		return nil, err
	}
	return one[UserField](s.api.DeleteUserField(ctx, serverID, id))
}

// Set gives a member a value in a field, from a moment on. What the member has at that moment anyway is not written again: the
// history then shows since when. It fails with [ErrInvalidRequest] if the field takes no such value, and with [ErrConflict] if the
// field identifies members and somebody else has the value.
//
// For the owner and members with server_administrator, and API keys with [PermissionUserFields].
func (s *FieldsService) Set(ctx context.Context, serverID, id, userID string, in UserFieldHistoryCreate, opts ...CreateOption) (*UserFieldHistory, error) {
	if err := checkID(serverID, id, userID); err != nil {
		return nil, err
	}
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[UserFieldHistory](making.note(s.api.CreateUserFieldHistory(ctx, serverID, id, userID, nil, full(in), making.edits...)))
}

// Histories returns an iterator over the values that members were given, the latest first, which works as that of
// [ServersService.Members]. Values of later moments that are added meanwhile do not come.
//
// For the owner and members with server_administrator, and API keys with [PermissionUserFields].
func (s *FieldsService) Histories(ctx context.Context, serverID string, query FieldHistoryQuery) iter.Seq2[UserFieldHistory, error] {
	moment := func(at time.Time) *gen.Time {
		if at.IsZero() {
			return nil
		}
		return &gen.Time{Time: at}
	}
	return paged(func(cursor *string, size int32) (*envelope[[]UserFieldHistory], error) {
		params := gen.ListUserFieldHistoriesParams{Cursor: cursor, Limit: &size, From: moment(query.From), To: moment(query.To)}
		ids := []string{serverID}
		for _, id := range []string{query.FieldID, query.UserID} {
			if id != "" {
				ids = append(ids, id)
			}
		}
		if err := checkID(ids...); err != nil {
			return nil, err
		}
		switch {
		case query.FieldID != "" && query.UserID != "":
			of := gen.ListUserFieldHistoriesOfFieldAndUserParams(params)
			return answer[[]UserFieldHistory](s.api.ListUserFieldHistoriesOfFieldAndUser(ctx, serverID, query.FieldID, query.UserID, &of))
		case query.FieldID != "":
			of := gen.ListUserFieldHistoriesOfFieldParams(params)
			return answer[[]UserFieldHistory](s.api.ListUserFieldHistoriesOfField(ctx, serverID, query.FieldID, &of))
		case query.UserID != "":
			of := gen.ListUserFieldHistoriesOfUserParams(params)
			return answer[[]UserFieldHistory](s.api.ListUserFieldHistoriesOfUser(ctx, serverID, query.UserID, &of))
		}
		return answer[[]UserFieldHistory](s.api.ListUserFieldHistories(ctx, serverID, &params))
	})
}

package client

import (
	"context"
	"io"
	"iter"
	"net/http"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// UserCreate is what a user is made from. Their names and the address are required. Without a JoinServer they become a member.
	// Its fields are listed at [gen.UserCreate].
	UserCreate = gen.UserCreate
	// CreatedUser is a user as the answer to their creation shows them. Its fields are listed at [gen.CreatedUser].
	CreatedUser = gen.CreatedUser
	// UserFieldValue is a value of a field of the community. Its fields are listed at [gen.UserFieldValue].
	UserFieldValue = gen.UserFieldValue
	// FilteredUser has the ID of a user as "_id", and the fields that were asked for by their names.
	FilteredUser = gen.FilteredUser
	// UserData is what is known of a member. Its fields are listed at [gen.UserData].
	UserData = gen.UserData
	// ManagedUser is what was done to a user, who is named as they were in the call. Its fields are listed at [gen.ManagedUser].
	ManagedUser = gen.ManagedUser
	// UserParts is a user in parts: what is nil was not asked for. Its fields are listed at [gen.UserParts].
	UserParts = gen.UserParts
	// CommunityUser is a member as lists show them: to an API key with the Email and the LastLogin. Its fields are listed at
	// [gen.CommunityUser].
	CommunityUser = gen.CommunityUser
	// CommunityUserDetails is a member with roles, badges and all. Its fields are listed at [gen.CommunityUserDetails].
	CommunityUserDetails = gen.CommunityUserDetails
	// AccessLevel is the role that a level gives to a new user. Its fields are listed at [gen.AccessLevel].
	AccessLevel = gen.AccessLevel
)

// UserFilter says which users [UsersService.Filter] finds, and what it shows of each.
type UserFilter struct {
	// Fields are what is shown, such as "email" or "xp", or the Field of a [UserField]. Nil: everything.
	Fields []string
	// Filter has, by the name of a field, the value that it must have, or a range: map[string]any{"gte": 1, "lte": 5}.
	Filter map[string]any
}

// UserList says which members [UsersService.List] lists, and in which order. The zero UserList is of all, in the order of joining.
type UserList struct {
	Search string // how the display name or the user name begins
	Role   string // the ID of a role that they have
	Sort   string // such as "xp:desc"
}

// What [UsersService] does to a user.
const (
	deleteUser  = "delete"
	restoreUser = "restore"
)

// UsersService has the operations on the users of a community. It is a field of [Client].
//
// Where a user is named, it is by whatever is known of them: the ID, the address, the number or the user name. Who is no member is
// [ErrNotFound], whether or not there is such an account.
type UsersService struct {
	api *gen.Client
}

// Create makes an account for an address, which becomes a member. Nobody signs in to it until the address was verified by a mailed
// code; whoever has that decides on the password. It fails with [ErrConflict] if somebody has the address or the user name, and
// with [ErrInvalidRequest] if a part of the input is not as it must be.
//
// For API keys with [PermissionCreateUser].
func (s *UsersService) Create(ctx context.Context, in UserCreate, opts ...CreateOption) (*CreatedUser, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[CreatedUser](making.note(s.api.CreateUser(ctx, nil, full(in), making.edits...)))
}

// Filter returns an iterator over the users that a filter finds. It asks for 200 at a time, when the loop gets to them, and for no
// more once the loop is left. An error comes once, with a nil [FilteredUser], and ends the loop.
//
// For API keys with [PermissionGetUserData].
func (s *UsersService) Filter(ctx context.Context, in UserFilter) iter.Seq2[FilteredUser, error] {
	ask := gen.UserFilter{Fields: in.Fields}
	if in.Filter != nil {
		ask.Filter = in.Filter
	}
	return following(func(cursor string) ([]FilteredUser, string, error) {
		ask.Cursor = cursor
		page, err := one[gen.FilteredUserPage](s.api.FilterUsers(ctx, full(ask)))
		if err != nil {
			return nil, "", err
		}
		return page.Users, page.NextCursor, nil
	})
}

// Data returns what is known of a member.
//
// For API keys with [PermissionGetUserData].
func (s *UsersService) Data(ctx context.Context, user string) (*UserData, error) {
	return one[UserData](s.api.GetUserData(ctx, gen.UserQuestion{IDOrEmail: user}))
}

// Delete ends the membership of a user and keeps what they have for [UsersService.Restore]. They find the community no more than a
// stranger does, and cannot join it. It fails with [ErrConflict] for the owner.
//
// For API keys with [PermissionManageUser].
func (s *UsersService) Delete(ctx context.Context, user string) (*ManagedUser, error) {
	return one[ManagedUser](s.api.ManageUser(ctx, gen.UserManagement{Action: deleteUser, User: user}))
}

// Restore makes a deleted user a member again, with roles, badges, channels and points; roles of administrators stay away. It fails
// with [ErrConflict] if the user is a member.
//
// For API keys with [PermissionManageUser].
func (s *UsersService) Restore(ctx context.Context, user string) (*ManagedUser, error) {
	return one[ManagedUser](s.api.ManageUser(ctx, gen.UserManagement{Action: restoreUser, User: user}))
}

// SetAvatar sets the avatar of a user and returns its address; the one before ends. An account sets its own, and leaves the user
// empty. It fails with [ErrInvalidRequest] if the image is not of an accepted kind, and with [ErrPayloadTooLarge] if it is too large.
//
// For every account, and API keys with [PermissionManageUser].
func (s *UsersService) SetAvatar(ctx context.Context, user string, image io.Reader) (address string, err error) {
	f := newForm()
	if user != "" {
		f.text("user", user)
	}
	f.file("avatar", image)
	avatar, err := upload[gen.Avatar](f, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		return s.api.UploadAvatarWithBody(ctx, contentType, body, edits...)
	})
	if err != nil {
		return "", err
	}
	address, _ = avatar.Avatar.Get()
	return address, nil
}

// Get returns a user by their ID, whole. An account finds itself alone.
//
// For every account, and API keys with [PermissionGetUserData].
func (s *UsersService) Get(ctx context.Context, id string) (*UserParts, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[UserParts](s.api.GetUser(ctx, id, nil))
}

// List returns an iterator over members of a community. It asks for 100 at a time, when the loop gets to them, and for no more once
// the loop is left. An error comes once, with a zero [CommunityUser], and ends the loop.
//
// For members, and API keys with [PermissionGetUserData].
func (s *UsersService) List(ctx context.Context, serverID string, in UserList) iter.Seq2[CommunityUser, error] {
	given := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	params := &gen.ListCommunityUsersParams{Search: given(in.Search), Role: given(in.Role), Sort: given(in.Sort), Limit: new(int32(pageSize))}
	return following(func(cursor string) ([]CommunityUser, string, error) {
		if err := checkID(serverID); err != nil {
			return nil, "", err
		}
		params.Cursor = given(cursor)
		page, err := answer[[]CommunityUser](s.api.ListCommunityUsers(ctx, serverID, params))
		if err != nil {
			return nil, "", err
		}
		next := ""
		if page.Meta.NextCursor != nil {
			next = *page.Meta.NextCursor
		}
		return *page.payload(), next, nil
	})
}

// Member returns a member of a community by their ID, with what they have there.
//
// For members, and API keys with [PermissionGetUserData].
func (s *UsersService) Member(ctx context.Context, serverID, id string) (*CommunityUserDetails, error) {
	if err := checkID(serverID, id); err != nil {
		return nil, err
	}
	return one[CommunityUserDetails](s.api.GetCommunityUser(ctx, serverID, id))
}

// AccessLevels returns the roles that access levels give in a server, the lowest level first.
//
// For the owner and members with server_administrator.
func (s *UsersService) AccessLevels(ctx context.Context, serverID string) ([]AccessLevel, error) {
	return list[AccessLevel](with(ctx, serverID, s.api.ListAccessLevels))
}

// SetAccessLevels replaces all access levels of a server, and returns them as they are then. It fails with [ErrInvalidRequest] if a
// level stands there twice, or a role is not one of the server.
//
// For the owner and members with server_administrator.
func (s *UsersService) SetAccessLevels(ctx context.Context, serverID string, levels []AccessLevel) ([]AccessLevel, error) {
	if err := checkID(serverID); err != nil {
		return nil, err
	}
	if levels == nil {
		levels = []AccessLevel{}
	}
	return list[AccessLevel](s.api.UpdateAccessLevels(ctx, serverID, full(gen.AccessLevels{AccessLevels: levels})))
}

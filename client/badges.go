package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// Badge is what members can be awarded. Everything in it is a text, also its Quantity ("3") and its flags ("true").
	// The methods take its ID. Its fields are listed at [gen.Badge].
	Badge = gen.Badge
	// BadgeAction is what a badge is awarded for.
	BadgeAction = gen.BadgeAction
	// Balance is the XP and the coins of a member. Its fields are listed at [gen.Balance].
	Balance = gen.Balance
	// BadgeApplication is that a member asks for a badge. Its Proof is an address or null; see [BadgesService.Proof]. Its fields are listed at
	// [gen.BadgeApplication].
	BadgeApplication = gen.BadgeApplication
	// BadgeCreate is what a badge is made from. Only Title and Action are required. The ServerID may be left out if it is
	// clear: with an API key, or if there is just one server in which the caller may make badges. Its fields are listed at
	// [gen.BadgeCreate].
	BadgeCreate = gen.BadgeCreate
	// BadgeUpdate is what a badge becomes. It replaces the whole badge: what is left out is empty, false or 0 then, and the
	// Quantity 1. To change one thing, begin with [BadgeUpdateFrom]. Its fields are listed at [gen.BadgeUpdate].
	BadgeUpdate = gen.BadgeUpdate
)

// BadgeUpdateFrom is the update that leaves a badge as it is. A [Badge] does not show everything: not what it is worth
// (Award, AwardCurrency and their quantities), nor its DarkImage and LightImage, EnabledDarkAndLight and Applied. These are
// taken from made, which is what the badge was made from, or BadgeCreate(update) with the last update; all else is taken
// from badge. A program that does not know them cannot read them, and an update takes away what it does not give: with
// BadgeCreate{}, the badge is worth nothing then.
//
//	in := client.BadgeUpdateFrom(badge, made)
//	in.Title = "Magpie"
//	_, err := c.Badges.Update(ctx, badge.ID, in)
func BadgeUpdateFrom(badge Badge, made BadgeCreate) BadgeUpdate {
	in := BadgeUpdate(made)
	in.ServerID = "" // It cannot change.
	in.Title, in.Action, in.Description, in.Image = badge.Title, badge.Action, badge.Description, badge.Image
	in.AttachRequired, in.Awarded = badge.AttachRequired == "true", badge.Awarded == "true"
	if quantity, err := strconv.ParseInt(badge.Quantity, 10, 32); err == nil {
		in.Quantity = new(int32(quantity))
	}
	return in
}

// BadgeApplicationCreate is what is said for an application.
type BadgeApplicationCreate struct {
	// Note has up to 1000 characters.
	Note string

	// Proof is a picture, as the Image in [ServerCreate], or nil for none. A badge whose AttachRequired is "true" needs one.
	Proof io.Reader
}

// BadgesService has the operations on badges. It is a field of [Client].
//
// A badge, a member or a server that does not exist and one that is not the caller's to see are
// both [ErrNotFound].
type BadgesService struct {
	api *gen.Client
}

// List returns the badges of a server, oldest first. The server may be "": then it is that of the API key, or the only
// one of the account. If there is no such one, or are several, it fails with [ErrInvalidRequest].
//
// For members, and API keys with [PermissionBadges].
func (s *BadgesService) List(ctx context.Context, serverID string) ([]Badge, error) {
	return list[Badge](s.api.ListBadges(ctx, &gen.ListBadgesParams{ServerID: optional(serverID)}))
}

// Create makes a badge. It fails with [ErrInvalidRequest] if a part of the input is not as it must be, or if the server
// was left out and is not clear.
//
// For the owner and members with server_administrator, and API keys with [PermissionBadges].
func (s *BadgesService) Create(ctx context.Context, in BadgeCreate, opts ...CreateOption) (*Badge, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Badge](making.note(s.api.CreateBadge(ctx, nil, full(in), making.edits...)))
}

// Update replaces a badge and returns it as it is then. What was credited for it stays. It fails with
// [ErrInvalidRequest] if a part of the input is not as it must be.
//
// For the owner and members with server_administrator, and API keys with [PermissionBadges].
func (s *BadgesService) Update(ctx context.Context, id string, in BadgeUpdate) (*Badge, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Badge](s.api.UpdateBadge(ctx, id, full(in)))
}

// Delete removes a badge and takes it from everybody who has it. What was credited for it stays.
//
// For the owner and members with server_administrator, and API keys with [PermissionBadges].
func (s *BadgesService) Delete(ctx context.Context, id string) error {
	return done(with(ctx, id, s.api.DeleteBadge))
}

// Award gives a badge to a member, given by number, credits what it is worth, and returns all badges of the member
// then. Awarding it again changes nothing: a badge is credited once to a member, also if it was removed in between. So
// this is safe to repeat.
//
// For the owner and members with server_administrator, and API keys with [PermissionBadges].
func (s *BadgesService) Award(ctx context.Context, id, userNumber string) ([]Badge, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return list[Badge](s.api.AwardBadge(ctx, id, gen.UserReference{UserID: userNumber}))
}

// Remove takes a badge from a member, given by number. What was credited for it stays. Taking it again changes nothing.
//
// For the owner and members with server_administrator, and API keys with [PermissionBadges].
func (s *BadgesService) Remove(ctx context.Context, id, userNumber string) error {
	if err := checkID(id); err != nil {
		return err
	}
	_, err := list[Badge](s.api.RemoveBadge(ctx, id, gen.UserReference{UserID: userNumber})) // Always an empty array.
	return err
}

// Balance returns what a member of a server, given by number, has been credited and has not spent. It fails with
// [ErrNotFound] if the account is not a member.
//
// For members, and API keys with [PermissionBadges].
func (s *BadgesService) Balance(ctx context.Context, serverID, userNumber string) (*Balance, error) {
	if err := checkID(serverID, userNumber); err != nil {
		return nil, err
	}
	return one[Balance](s.api.GetMemberBalance(ctx, serverID, userNumber))
}

// Apply asks for a badge. It fails with [ErrConflict] if the caller has the badge or an open application for it, and with
// [ErrInvalidRequest] if the badge needs a proof and there is none. So this is safe to repeat.
//
// For members.
func (s *BadgesService) Apply(ctx context.Context, id string, in BadgeApplicationCreate) (*BadgeApplication, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	f := newForm()
	if in.Note != "" {
		f.text("note", in.Note)
	}
	f.file("proof", in.Proof)
	return upload[BadgeApplication](f, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		return s.api.ApplyForBadgeWithBody(ctx, id, contentType, body, edits...)
	})
}

// Applied returns the open applications of the caller in a server, 50 at most. One that is not among them any more was withdrawn or refused, unless the
// caller has the badge. Without a server, it is the only one of the account.
//
// For members.
func (s *BadgesService) Applied(ctx context.Context, serverID string) ([]BadgeApplication, error) {
	return list[BadgeApplication](s.api.ListMyBadgeApplications(ctx, &gen.ListMyBadgeApplicationsParams{ServerID: optional(serverID)}))
}

// Withdraw ends the application of the caller for a badge, if there is one.
//
// For members.
func (s *BadgesService) Withdraw(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	return done(s.api.WithdrawBadgeApplication(ctx, id))
}

// Applications returns an iterator over the open applications for a badge, the oldest first, which works as that of
// [ServersService.Members].
//
// For the owner and members with server_administrator, and API keys with [PermissionBadges].
func (s *BadgesService) Applications(ctx context.Context, id string) iter.Seq2[BadgeApplication, error] {
	return paged(func(cursor *string, size int32) (*envelope[[]BadgeApplication], error) {
		if err := checkID(id); err != nil {
			return nil, err
		}
		return answer[[]BadgeApplication](s.api.ListBadgeApplications(ctx, id, &gen.ListBadgeApplicationsParams{Cursor: cursor, Limit: &size}))
	})
}

// Proof opens the picture that came with an application. The caller closes the [Image]. It fails with [ErrNotFound] if there is no
// such application, or no longer, and if it has no proof. The applicant may open it, too.
//
// For the owner and members with server_administrator, and API keys with [PermissionBadges].
func (s *BadgesService) Proof(ctx context.Context, id, applicationID string) (*Image, error) {
	if err := checkID(id, applicationID); err != nil {
		return nil, err
	}
	return image(s.api.GetBadgeApplicationProof(ctx, id, applicationID))
}

// Refuse ends an application without awarding the badge. To grant one, award the badge. The applicant is not told, and may apply again.
//
// For the owner and members with server_administrator, and API keys with [PermissionBadges].
func (s *BadgesService) Refuse(ctx context.Context, id, applicationID string) error {
	if err := checkID(id, applicationID); err != nil {
		return err
	}
	return done(s.api.RefuseBadgeApplication(ctx, id, applicationID))
}

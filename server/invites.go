package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// invites are the operations of the tag invites: what lets people into a server that is not open to everybody.
type invites struct{ *core }

// endedInvites is how long an invite that has ended is known apart from one that never was.
const endedInvites = 30 * 24 * time.Hour

// ListInvites shows to whom is no administrator only what they made themselves: with the invite of another, they could leave
// and come back with a role that they were never given.
func (h invites) ListInvites(ctx context.Context, r stub.ListInvitesRequestObject) (stub.ListInvitesResponseObject, error) {
	s, err := require(ctx, h.store.Queries, r.ServerID, "server")
	if err != nil {
		return nil, err
	}
	found, err := h.store.Invites.List(ctx, s.ID, h.now())
	if err != nil {
		return nil, err
	}
	body := make([]gen.Invite, 0, len(found))
	for _, invite := range found {
		if s.may.Full || invite.Account == s.actor.account {
			body = append(body, invite.Invite)
		}
	}
	return stub.ListInvites200JSONResponse{Meta: system("Invites"), Body: body}, nil
}

func (h invites) CreateInvite(ctx context.Context, r stub.CreateInviteRequestObject) (stub.CreateInviteResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.InviteResponse, err error) {
		s, err := require(ctx, tx.Queries, r.ServerID, "server")
		if err != nil {
			return body, err
		}
		invite, err := h.inviteFrom(s, *r.Body)
		if err != nil {
			return body, err
		}
		if err := checkInvite(ctx, tx.Queries, s, invite); err != nil {
			return body, err
		}
		if !s.may.Full { // nobody may take the places of all others, which administrators can have back
			if err := tx.Invites.CheckMaker(ctx, s.ID, invite.Account, h.now()); err != nil {
				return body, err
			}
		}
		if err := tx.Invites.Insert(ctx, invite, h.now()); err != nil {
			return body, err
		}
		body = gen.InviteResponse{Meta: system("Invite has been created successfully"), Body: invite.Invite}
		return body, record(ctx, h.core, tx, s.ID, invite.ID, nil, r.Body)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateInvite201JSONResponse{Body: body, Headers: stub.CreateInvite201ResponseHeaders(again)}, nil
}

func (h invites) DeleteInvite(ctx context.Context, r stub.DeleteInviteRequestObject) (stub.DeleteInviteResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteInvite200JSONResponse, err error) {
		s, err := enter(ctx, tx.Queries, r.ServerID, "invite")
		if err != nil {
			return answer, err
		}
		invite, err := tx.Invites.Get(ctx, s.ID, r.InviteCode)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return answer, err
		}
		// Who made it may end it. Everybody else must be allowed to before they learn whether it is there.
		if made := err == nil && invite.Account == s.actor.account; !made {
			if err := s.check(ctx, tx.Queries); err != nil {
				return answer, err
			}
		}
		if err != nil || !invite.Good(h.now()) {
			return answer, contract.NotFound("invite")
		}
		if err := tx.Invites.End(ctx, invite.Code, h.now()); err != nil {
			return answer, err
		}
		answer.Meta = system("Invite has been deleted successfully")
		return answer, record(ctx, h.core, tx, s.ID, invite.ID, madeFrom(invite), nil)
	})
}

// inviteFrom is the invite that a request describes.
func (h invites) inviteFrom(s standing, in gen.InviteCreate) (invite store.Invite, err error) {
	now := h.now()
	invite = store.Invite{Account: s.actor.account, Invite: gen.Invite{
		ID: h.newID(), ServerID: s.ID, UserID: store.Number(s.actor.account), Uses: in.Uses, CreatedAt: gen.Time{Time: now},
	}}
	if in.Uses > 0 {
		invite.Remaining = gen.NullableOf(in.Uses)
	}
	if !in.ExpiresAt.IsZero() {
		if !in.ExpiresAt.After(now) {
			return invite, contract.Invalid(contract.Field("/expiresAt", gen.FieldCodeTooSmall, "must be in the future"))
		}
		invite.ExpiresAt = gen.NullableOf(in.ExpiresAt)
	}
	if in.RoleID != "" {
		invite.RoleID = gen.NullableOf(in.RoleID)
	}
	invite.Code, err = h.newInviteCode()
	return invite, err
}

// madeFrom is what an invite was made from. The audit trail shows it, and not the code.
func madeFrom(invite store.Invite) *gen.InviteCreate {
	made := &gen.InviteCreate{Uses: invite.Uses}
	made.ExpiresAt, _ = invite.ExpiresAt.Get()
	made.RoleID, _ = invite.RoleID.Get()
	return made
}

// The operations that an invite stands for: whoever makes one must be allowed to call them.
const (
	makingInvite = "createInvite"
	givingRole   = "addRoleToUser"
)

// checkInvite refuses an invite that a member may not make. It is asked when the invite is made and again when it is used.
func checkInvite(ctx context.Context, q store.Queries, s standing, invite store.Invite) error {
	operations, err := api.Operations()
	if err != nil {
		return err
	}
	if err := s.checkCall(ctx, q, operations.ByID(makingInvite)); err != nil {
		return err
	}
	id, gives := invite.RoleID.Get()
	if !gives {
		return nil
	}
	role, err := q.Roles.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && role.ServerID != s.ID {
		return contract.Invalid(contract.Field("/roleId", gen.FieldCodeNotAllowed, "must be a role of this server"))
	}
	if err != nil {
		return err
	}
	if role.Everyone {
		return contract.Invalid(contract.Field("/roleId", gen.FieldCodeNotAllowed, "must be another role than @all, which every member has"))
	}
	if err := s.checkCall(ctx, q, operations.ByID(givingRole)); err != nil {
		return err
	}
	return mayWrite(s, role.Role)
}

// enterBy is how somebody gets into a server: an invite of it, which is used up by one use, or nil if it is open. Without
// either, the server does not exist for them.
func (k *core) enterBy(ctx context.Context, tx *store.Tx, server store.Server, code string) (*store.Invite, error) {
	settings, err := tx.Servers.GetSettings(ctx, server.ID)
	if err != nil {
		return nil, err
	}
	if code == "" {
		if settings.Joining != gen.JoiningOpen {
			err = noWayIn()
		}
		return nil, err
	}
	invite, err := tx.Invites.Get(ctx, server.ID, code)
	if errors.Is(err, store.ErrNotFound) {
		err = noWayIn()
	}
	if err != nil {
		return nil, err
	}
	good, err := k.use(ctx, tx, server, invite)
	if err == nil && (!good || settings.Joining == gen.JoiningClosed) {
		err = contract.PermissionDenied("the invite has ended, or nobody gets in")
	}
	return &invite, err
}

// noWayIn is one answer for a server that is not there and for one that takes an invite, so that nobody learns which it is.
func noWayIn() *contract.Error {
	err := contract.NotFound("server")
	err.DevMessage += ", or it takes an invite that is good"
	return err
}

// use uses an invite and tells whether that was possible: whether it has not ended, and whoever made it may still make it.
func (k *core) use(ctx context.Context, tx *store.Tx, server store.Server, invite store.Invite) (bool, error) {
	if !invite.Good(k.now()) {
		return false, nil
	}
	is, err := tx.Servers.IsMember(ctx, server.ID, invite.Account)
	if err != nil || !is {
		return false, err
	}
	maker := standing{Server: server, actor: actor{account: invite.Account}}
	if err := checkInvite(ctx, tx.Queries, maker, invite); err != nil {
		if refused := (*contract.Error)(nil); errors.As(err, &refused) {
			return false, nil
		}
		return false, err
	}
	return tx.Invites.Use(ctx, invite, k.now())
}

// codeLetters are what codes of invites are made of: 22 of 62 letters are 131 bits.
const (
	codeLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	codeLength  = 22
)

func (k *core) newInviteCode() (string, error) {
	code := make([]byte, 0, codeLength)
	for {
		random, err := k.secret(codeLength)
		if err != nil {
			return "", err
		}
		const even = 256 / len(codeLetters) * len(codeLetters) // beyond it, some letters would come more often
		for _, b := range slices.DeleteFunc(random, func(b byte) bool { return int(b) >= even }) {
			if code = append(code, codeLetters[int(b)%len(codeLetters)]); len(code) == codeLength {
				return string(code), nil
			}
		}
	}
}

package server

import (
	"context"
	"io"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// UploadAvatar sets the avatar of a member, or of the account that calls.
func (h users) UploadAvatar(ctx context.Context, r stub.UploadAvatarRequestObject) (stub.UploadAvatarResponseObject, error) {
	var up upload
	form, err := contract.ReadForm(ctx, r.Body, func(name, _ string, content io.Reader) (err error) {
		up, err = h.receive(ctx, actorFrom(ctx).account, name, content)
		return err
	})
	if err != nil {
		h.images.Remove(ctx, up.id)
		return nil, err
	}
	before, err := inTx(ctx, h.core, func(tx *store.Tx) (before string, err error) {
		account, err := h.avatarOf(ctx, tx.Queries, valueOf(form.Text("user")))
		if err != nil {
			return "", err
		}
		if before, err = tx.Users.SetAvatar(ctx, account, up.id); err != nil {
			return "", err
		}
		if err := tx.Images.Leave(ctx, before, h.now()); err != nil { // first: it makes room
			return "", err
		}
		return before, h.show(ctx, tx, up)
	})
	if err != nil {
		return nil, h.giveUp(ctx, up, err)
	}
	h.images.Remove(ctx, before)
	return stub.UploadAvatar200JSONResponse{
		Status: integration, Message: "Avatar uploaded successfully", Data: gen.Avatar{Avatar: h.imageURL(ctx, store.ImagePath(up.id))},
	}, nil
}

// avatarOf finds whose avatar a request sets.
func (k *core) avatarOf(ctx context.Context, q store.Queries, name string) (account int64, err error) {
	who := actorFrom(ctx)
	switch {
	case who.key != nil && name == "":
		return 0, contract.Invalid(contract.Field("/user", gen.FieldCodeRequired, "is required of an API key"))
	case who.key != nil:
		s, err := requireOfKey(ctx, q)
		if err != nil {
			return 0, err
		}
		found, err := memberNamed(ctx, q, s.ID, name)
		return found.AccountNumber, err
	case name == "":
		return who.account, nil
	}
	self, err := q.Auth.GetAccount(ctx, who.account)
	if err == nil && !isNamed(self, name) {
		err = contract.NotFound("user")
	}
	return who.account, err
}

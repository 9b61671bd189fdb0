package server

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// unusedImageLife is how long an image waits for a message. The contract says so.
const unusedImageLife = 24 * time.Hour

func (h messages) UploadMessageImages(ctx context.Context, r stub.UploadMessageImagesRequestObject) (stub.UploadMessageImagesResponseObject, error) {
	// Asked here too, so that nobody who may not can make the server take in a file.
	s, err := mayUpload(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	var uploads []upload
	var kinds []string
	form, err := contract.ReadForm(ctx, r.Body, func(name, kind string, content io.Reader) error {
		up, err := h.receive(ctx, s.actor.account, name, content)
		if up.id != "" {
			uploads, kinds = append(uploads, up), append(kinds, kind)
		}
		return err
	})
	if err != nil {
		h.removeAll(ctx, uploads)
		return nil, err
	}
	answer, err := inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UploadMessageImages200JSONResponse, err error) {
		if _, err := mayUpload(ctx, tx.Queries, s.ID); err != nil {
			return nil, err
		}
		for i, up := range uploads {
			image := store.MessageUpload{ServerID: s.ID, Account: s.actor.account, At: h.now(), Kind: strings.TrimPrefix(kinds[i], "image/")}
			image.MessageImage = gen.MessageImage{
				ID: up.id, Name: fileName(form.FileNames("images")[i]), URL: h.addressOf(ctx, up.id), Type: kinds[i], Size: up.bytes,
			}
			if err := h.show(ctx, tx, up); err != nil {
				return nil, err
			}
			if err := tx.Messages.InsertImage(ctx, image); err != nil {
				return nil, err
			}
			answer = append(answer, image.MessageImage)
		}
		return answer, nil
	})
	if err != nil {
		for _, up := range uploads {
			err = h.giveUp(ctx, up, err)
		}
		return nil, err
	}
	return answer, nil
}

// mayUpload finds how the caller stands in the server to which they upload images, if they may.
func mayUpload(ctx context.Context, q store.Queries, serverID string) (standing, error) {
	s, err := resolve(ctx, q, serverID)
	if err == nil && s.actor.key == nil { // whoever a key will name is asked about then
		err = s.mayPost(ctx, q, "", 1)
	}
	return s, err
}

// addressOf is the absolute address of an image.
func (k *core) addressOf(ctx context.Context, id string) string {
	path, _ := store.ImagePath(id).Get()
	return k.origin(ctx) + path
}

func (k *core) removeAll(ctx context.Context, uploads []upload) {
	for _, up := range uploads {
		k.images.Remove(ctx, up.id)
	}
}

// longestFileName is how many characters of the name of a file are kept. The contract says so.
const longestFileName = 255

// fileName is the name of a file as it is kept: one line, without a path.
func fileName(given string) string {
	name := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '/' || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, given))
	if len(name) == 0 {
		return "image"
	}
	return string(name[:min(len(name), longestFileName)])
}

// takeImages is the step that gives a message the images whose addresses the request names.
func (h messages) takeImages(ctx context.Context, tx *store.Tx, m store.Message, addresses []string) error {
	for i, address := range addresses {
		id := path.Base(address)
		given, _ := store.ImagePath(id).Get()
		var taken bool
		var err error
		if address == h.origin(ctx)+given {
			taken, err = tx.Messages.TakeImage(ctx, m, id, actorFrom(ctx).account, i)
		}
		if err == nil && !taken {
			err = contract.Invalid(contract.Field(fmt.Sprintf("/images/%d", i), gen.FieldCodeNotAllowed, "must be the address of an image that was uploaded here, by the same caller, and that no message has"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

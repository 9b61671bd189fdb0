package server

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

const idempotencyLife = 24 * time.Hour

// A claim is a request's wish to be answered once. Everything about it follows from one secret, which is made from the
// Idempotency-Key, the caller and the operation and is never kept: the database alone tells neither what was asked nor
// what was answered, which may hold a secret that is shown once.
type claim struct {
	secret  [sha256.Size]byte
	request []byte // the fingerprint of it
}

// claimOf returns nil for a request that does not ask for it.
func claimOf(ctx context.Context) *claim {
	key, request := contract.IdempotencyFrom(ctx)
	if key == "" {
		return nil
	}
	caller := actorFrom(ctx).credential
	if caller == "" {
		caller = contract.AddressFrom(ctx) // who has no credential yet is known by where they call from
	}
	return &claim{
		secret:  sha256.Sum256([]byte(contract.OperationFrom(ctx).ID + "\x00" + caller + "\x00" + key)),
		request: request,
	}
}

func (c *claim) derive(purpose string, from ...byte) []byte {
	mac := hmac.New(sha256.New, c.secret[:])
	mac.Write(append([]byte(purpose), from...))
	return mac.Sum(nil)
}

// A replay is the header with which an answer is given again. It has the form of the generated headers of every
// operation that creates something, and is converted to them.
type replay struct{ IdempotentReplayed *string }

// once is inTx for what creates something. If the request has an Idempotency-Key, its first answer is kept in the same
// transaction, and a later request under the same key gets that answer and runs nothing. Two at once are run one after the
// other. A failure is rolled back with everything else, so it is not kept.
func once[T any](ctx context.Context, k *core, do func(*store.Tx) (T, error)) (T, replay, error) {
	return onceIn(ctx, k, k.store.Tx, do)
}

// onceShared is once in a shared transaction: see inSharedTx.
func onceShared[T any](ctx context.Context, k *core, do func(*store.Tx) (T, error)) (T, replay, error) {
	return onceIn(ctx, k, k.store.SharedTx, do)
}

func onceIn[T any](ctx context.Context, k *core, run transaction, do func(*store.Tx) (T, error)) (T, replay, error) {
	type kept struct {
		answer T
		again  replay
	}
	claim := claimOf(ctx)
	result, err := in(ctx, run, func(tx *store.Tx) (result kept, err error) {
		if claim == nil {
			result.answer, err = do(tx)
			return result, err
		}
		earlier, err := claim.take(ctx, k, tx)
		switch {
		case err != nil:
			return result, err
		case earlier != "":
			yes := "true"
			result.again.IdempotentReplayed = &yes
			return result, claim.unseal(earlier, &result.answer)
		}
		if result.answer, err = do(tx); err != nil {
			return result, err
		}
		sealed, err := claim.seal(result.answer, k)
		if err != nil {
			return result, err
		}
		return result, tx.Idempotency.Keep(ctx, claim.id(), sealed)
	})
	return result.answer, result.again, err
}

// take takes the key for this request. If an earlier one has answered under it, take returns its sealed answer; if that was
// another request, it is refused.
func (c *claim) take(ctx context.Context, k *core, tx *store.Tx) (sealed string, err error) {
	now, fingerprint := k.now(), hex.EncodeToString(c.derive("request", c.request...))
	kept, err := tx.Idempotency.Claim(ctx, store.Claim{ID: c.id(), Fingerprint: fingerprint, ExpiresAt: now.Add(idempotencyLife)}, now)
	switch {
	case err != nil || kept == nil:
		return "", err
	case kept.Fingerprint != fingerprint:
		return "", contract.Conflict("This was sent before with other content", "the Idempotency-Key belongs to another request")
	}
	return kept.Answer, nil
}

func (c *claim) id() string { return hex.EncodeToString(c.derive("id")) }

func (c *claim) seal(answer any, k *core) (string, error) {
	text, err := gen.MarshalJSON(answer)
	if err != nil {
		return "", err
	}
	box, err := c.box()
	if err != nil {
		return "", err
	}
	nonce, err := k.secret(box.NonceSize())
	if err != nil {
		return "", err
	}
	return base64.RawStdEncoding.EncodeToString(box.Seal(nonce, nonce, text, nil)), nil
}

func (c *claim) unseal(sealed string, answer any) error {
	data, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return err
	}
	box, err := c.box()
	if err != nil {
		return err
	}
	if len(data) < box.NonceSize() {
		return errors.New("a kept answer is too short")
	}
	text, err := box.Open(nil, data[:box.NonceSize()], data[box.NonceSize():], nil)
	if err != nil {
		return fmt.Errorf("a kept answer does not open: %w", err)
	}
	return json.Unmarshal(text, answer)
}

func (c *claim) box() (cipher.AEAD, error) {
	block, err := aes.NewCipher(c.derive("answer"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

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
		caller = contract.AddressFrom(ctx) // who has no credential yet is told from others by where they call from
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

// once runs what creates something in one transaction. If the request has an Idempotency-Key, its first answer is kept
// in that transaction, and a later request under the same key gets that answer and runs nothing. Two at once are run
// one after the other. A failure is rolled back with everything else, so it is not kept.
func once[T any](ctx context.Context, k *core, do func(*store.Tx) (T, error)) (answer T, again replay, err error) {
	claim := claimOf(ctx)
	err = k.store.Tx(ctx, func(tx *store.Tx) (err error) {
		again = replay{}
		if claim == nil {
			answer, err = do(tx)
			return err
		}
		now := k.now()
		id, fingerprint := hex.EncodeToString(claim.derive("id")), hex.EncodeToString(claim.derive("request", claim.request...))
		kept, err := tx.Idempotency.Claim(ctx, store.Claim{ID: id, Fingerprint: fingerprint, ExpiresAt: now.Add(idempotencyLife)}, now)
		if err != nil {
			return err
		}
		if kept != nil {
			if kept.Fingerprint != fingerprint {
				return contract.Conflict("This was sent before with other content", "the Idempotency-Key belongs to another request")
			}
			yes := "true"
			again.IdempotentReplayed = &yes
			var first T
			if err := claim.unseal(kept.Answer, &first); err != nil {
				return err
			}
			answer = first
			return nil
		}
		if answer, err = do(tx); err != nil {
			return err
		}
		sealed, err := claim.seal(answer, k)
		if err != nil {
			return err
		}
		return tx.Idempotency.Keep(ctx, id, sealed)
	})
	return answer, again, err
}

func (c *claim) seal(answer any, k *core) (string, error) {
	text, err := json.Marshal(answer)
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

package server

import (
	"bytes"
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
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

const idempotencyLife = 24 * time.Hour

// A claim is a request's wish to be answered once. It belongs to an account or an API key, whatever the credential: an
// account has another session after each log-in.
//
// So all that the id, the fingerprint and the seal of its answer are made from is in the database, but for the
// Idempotency-Key, which somebody may guess. That tells nothing which the database does not hold anyway, because what the
// contract calls secret is masked in that answer. The secrets are sealed by themselves, with a key that is made from the
// credential too: the database alone never opens them, and no other session does.
type claim struct {
	secret    [sha256.Size]byte
	ofSession [sha256.Size]byte
	anonymous bool       // there is no credential that could keep a secret
	request   []byte     // the fingerprint of it
	secrets   [][]string // the paths to those of the answer
}

// claimOf returns nil for a request that does not ask for it.
func claimOf(ctx context.Context) *claim {
	key, request := contract.IdempotencyFrom(ctx)
	if key == "" {
		return nil
	}
	who, op := actorFrom(ctx), contract.OperationFrom(ctx)
	caller := "account " + store.Number(who.account)
	switch {
	case who.key != nil:
		caller = "key " + who.key.ID
	case who.userKey != nil:
		caller = "key " + who.userKey.ID
	case who.widget != nil: // whatever its token: the next one comes soon
		caller = "widgets of " + who.widget.community + " " + caller
	case who.credential == "": // they are known by where they call from
		caller = "network " + ratelimit.Network(contract.AddressFrom(ctx))
	}
	c := claimFor(op.ID, caller, who.credential, key, op.Secrets)
	c.request = request
	return c
}

func claimFor(operation, caller, credential, key string, secrets [][]string) *claim {
	secret := func(of string) [sha256.Size]byte {
		return sha256.Sum256([]byte(operation + "\x00" + of + "\x00" + key))
	}
	return &claim{secret: secret(caller), ofSession: secret("credential " + credential), anonymous: credential == "", secrets: secrets}
}

func (c *claim) derive(purpose string, from ...byte) []byte {
	return derived(c.secret, purpose, from...)
}

func derived(secret [sha256.Size]byte, purpose string, from ...byte) []byte {
	mac := hmac.New(sha256.New, secret[:])
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
	return onceIn(ctx, k, k.store.Tx, claimOf(ctx), do)
}

// onceShared is once in a shared transaction: see inSharedTx.
func onceShared[T any](ctx context.Context, k *core, do func(*store.Tx) (T, error)) (T, replay, error) {
	return onceIn(ctx, k, k.store.SharedTx, claimOf(ctx), do)
}

func onceIn[T any](ctx context.Context, k *core, run transaction, claim *claim, do func(*store.Tx) (T, error)) (T, replay, error) {
	type kept struct {
		answer T
		again  replay
	}
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
		return "", contract.Conflict("This was sent before with other content", "the Idempotency-Key (or webhook-id) belongs to another request")
	}
	return kept.Answer, nil
}

func (c *claim) id() string { return hex.EncodeToString(c.derive("id")) }

// seal is an answer as it is kept: without its secrets and, behind a dot, these alone.
func (c *claim) seal(answer any, k *core) (string, error) {
	text, err := gen.MarshalJSON(answer)
	if err != nil {
		return "", err
	}
	var secrets []string
	text, err = c.replaceSecrets(text, func(secret string) string {
		secrets = append(secrets, secret)
		return maskedBriefly(secret)
	})
	if err != nil {
		return "", err
	}
	kept, err := sealed(c.secret, text, k)
	if err != nil || len(secrets) == 0 || c.anonymous {
		return kept, err
	}
	if text, err = json.Marshal(secrets); err != nil {
		return "", err
	}
	beside, err := sealed(c.ofSession, text, k)
	return kept + "." + beside, err
}

// unseal reads a kept answer. Its secrets are shown to the credential that has sent the first request; to another one of the
// same account they stay masked.
func (c *claim) unseal(kept string, answer any) error {
	kept, beside, _ := strings.Cut(kept, ".")
	text, err := unsealed(c.secret, kept)
	if err != nil {
		return err
	}
	if text, err = c.restored(text, beside); err != nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// restored puts the secrets of an answer back, if they were sealed for this credential.
func (c *claim) restored(text []byte, beside string) ([]byte, error) {
	var secrets []string
	opened, err := unsealed(c.ofSession, beside)
	if beside == "" || err != nil {
		return text, nil
	}
	if err := json.Unmarshal(opened, &secrets); err != nil {
		return nil, err
	}
	return c.replaceSecrets(text, func(shown string) string {
		if len(secrets) == 0 {
			return shown
		}
		shown, secrets = secrets[0], secrets[1:]
		return shown
	})
}

// replaceSecrets replaces each secret of an answer, always in the same order.
func (c *claim) replaceSecrets(text []byte, by func(string) string) ([]byte, error) {
	if len(c.secrets) == 0 {
		return text, nil
	}
	var answer any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return nil, err
	}
	for _, path := range c.secrets {
		answer = replaceAt(answer, path, by)
	}
	return gen.MarshalJSON(answer)
}

// replaceAt replaces the texts at a path, and below it, in what was read from JSON.
func replaceAt(value any, path []string, by func(string) string) any {
	switch value := value.(type) {
	case string:
		return by(value)
	case []any:
		if len(path) > 0 {
			path = path[1:] // a "*"
		}
		for i := range value {
			value[i] = replaceAt(value[i], path, by)
		}
	case map[string]any:
		if len(path) > 0 && value[path[0]] != nil {
			value[path[0]] = replaceAt(value[path[0]], path[1:], by)
		}
	}
	return value
}

func sealed(secret [sha256.Size]byte, text []byte, k *core) (string, error) {
	box, err := boxOf(secret)
	if err != nil {
		return "", err
	}
	nonce, err := k.secret(box.NonceSize())
	if err != nil {
		return "", err
	}
	return base64.RawStdEncoding.EncodeToString(box.Seal(nonce, nonce, text, nil)), nil
}

func unsealed(secret [sha256.Size]byte, sealed string) ([]byte, error) {
	data, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, err
	}
	box, err := boxOf(secret)
	if err != nil {
		return nil, err
	}
	if len(data) < box.NonceSize() {
		return nil, errors.New("a kept answer is too short")
	}
	text, err := box.Open(nil, data[:box.NonceSize()], data[box.NonceSize():], nil)
	if err != nil {
		return nil, fmt.Errorf("a kept answer does not open: %w", err)
	}
	return text, nil
}

func boxOf(secret [sha256.Size]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(derived(secret, "answer"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

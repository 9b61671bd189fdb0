package contract

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"net/http"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/gen"
)

// An idempotency is a request's wish to be answered once.
type idempotency struct {
	key     string
	request hash.Hash // of all that makes this request different from others
}

// idempotencyOf returns nil for a request that does not ask for it.
func idempotencyOf(r *http.Request, op *Operation) *idempotency {
	return idempotencyUnder(r.Header.Get(api.IdempotencyKeyHeader), r, op)
}

func idempotencyUnder(key string, r *http.Request, op *Operation) *idempotency {
	if key == "" || !op.Creates {
		return nil
	}
	i := &idempotency{key: key, request: sha256.New()}
	i.add("operation", []byte(op.ID))
	i.add("target", []byte(r.URL.RequestURI()))
	return i
}

// takeKey takes the key that a body names in place of the header, as operations with an [api.IdempotencyKeyMember] let it. What makes the
// request different is the rest of the body then: it is the same request wherever the key stands.
func (state *requestState) takeKey(r *http.Request, body any) error {
	members, is := body.(map[string]any)
	if !is || !state.operation.KeyInBody {
		return nil
	}
	rest := maps.Clone(members)
	delete(rest, api.IdempotencyKeyMember)
	if named, _ := members[api.IdempotencyKeyMember].(string); named != "" {
		if header := r.Header.Get(api.IdempotencyKeyHeader); header != "" && header != named {
			return Invalid(Field("/"+api.IdempotencyKeyMember, gen.FieldCodeNotAllowed, "must be the same as the header "+api.IdempotencyKeyHeader))
		}
		state.idempotency = idempotencyUnder(named, r, state.operation)
	}
	if state.idempotency == nil {
		return nil
	}
	text, err := json.Marshal(rest)
	state.idempotency.add("body", text)
	return err
}

// add makes a part of the request count. A nil receiver is a request without a key.
func (i *idempotency) add(name string, content []byte) {
	if i != nil {
		fmt.Fprintf(i.request, "%s %d\n", name, len(content))
		i.request.Write(content)
	}
}

// IdempotencyFrom returns the Idempotency-Key of a request to an operation that takes one, and a SHA-256 of all that makes
// the request different from others: its operation, its target and its body. Two forms that differ in nothing but their
// boundary are the same; ask after [ReadForm]. Without a key both are empty.
//
// What belongs to a key is the backend's to keep, for each caller: the same fingerprint gets the first answer again, with
// Idempotent-Replayed: true, another one a [Conflict].
func IdempotencyFrom(ctx context.Context) (key string, fingerprint []byte) {
	i := stateFrom(ctx).idempotency
	if i == nil {
		return "", nil
	}
	return i.key, i.request.Sum(nil)
}

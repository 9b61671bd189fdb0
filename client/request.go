package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"reflect"
)

// A CreateOption says more about one call that makes something: it is the last argument of the methods that take it.
type CreateOption func(*creation)

// IdempotencyKey makes it safe to make a call again, say after the program itself broke off and left open whether the
// call had succeeded: for 24 hours, the same key with the same input gets the first answer again, and nothing is made
// twice. With another input the call fails with [ErrConflict]. A call that failed does not use up its key. Without this
// option, each call has a random key, which makes it safe to retry and is of no further use.
//
// The key is a text of 1 to 255 printable ASCII characters without spaces that stands for this one intention and no
// other, such as an order number or a [crypto/rand.Text] that was kept before the first try. It counts for one caller
// and one method.
func IdempotencyKey(key string) CreateOption {
	return func(c *creation) { c.key = key }
}

// Replayed sets *replayed to whether the answer is that of an earlier call with the same [IdempotencyKey], or of an
// earlier attempt of this one.
func Replayed(replayed *bool) CreateOption {
	return func(c *creation) { c.replayed = replayed }
}

// creation is one call that makes something.
type creation struct {
	key      string
	replayed *bool
	edits    []edit
}

const keyHeader = "Idempotency-Key"

func creating(opts []CreateOption) (*creation, error) {
	c := &creation{key: rand.Text()}
	for _, opt := range opts {
		opt(c)
	}
	if c.replayed != nil {
		*c.replayed = false
	}
	// An empty one, or spaces at its end, would get lost on the way without a word.
	if !oneWord(c.key) {
		return nil, fmt.Errorf("%w: %q cannot be an idempotency key", ErrInvalidRequest, c.key)
	}
	c.edits = append(c.edits, header(keyHeader, c.key))
	return c, nil
}

// note takes note of the answer and passes it on.
func (c *creation) note(res *http.Response, err error) (*http.Response, error) {
	if err == nil && c.replayed != nil {
		*c.replayed = res.Header.Get("Idempotent-Replayed") == "true"
	}
	return res, err
}

// full is an input whose lists are never null: one that is nil becomes a list without items. What may be left out and is
// empty is left out all the same, and a nil pointer stays nil.
func full[T any](in T) T {
	fields := reflect.ValueOf(&in).Elem()
	for i := range fields.NumField() {
		switch field := fields.Field(i); {
		case field.Kind() == reflect.Slice && field.IsNil():
			field.Set(reflect.MakeSlice(field.Type(), 0, 0))
		case field.Kind() == reflect.Pointer && !field.IsNil() && field.Elem().Kind() == reflect.Slice && field.Elem().IsNil():
			field.Set(reflect.New(field.Type().Elem()))
			field.Elem().Set(reflect.MakeSlice(field.Type().Elem(), 0, 0))
		}
	}
	return in
}

// fullEach is full of each.
func fullEach[T any](all []T) []T {
	filled := make([]T, len(all))
	for i, in := range all {
		filled[i] = full(in)
	}
	return filled
}

// optional is a text that may be left out.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// with calls an operation on the thing that has the id, unless it cannot be an id.
func with(
	ctx context.Context, id string, call func(context.Context, string, ...edit) (*http.Response, error),
) (*http.Response, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return call(ctx, id)
}

// checkID refuses the ids that would make a request for something else, because they vanish from the path. Every other
// one is escaped, and left to the API to judge.
func checkID(ids ...string) error {
	for _, id := range ids {
		if id == "" || id == "." || id == ".." {
			return fmt.Errorf("%w: %q is not an id", ErrInvalidRequest, id)
		}
	}
	return nil
}

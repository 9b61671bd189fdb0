package gen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// Nullable is a value that may be null:
//
//	if address, ok := server.Image.Get(); ok { ... }
//
// In an answer the zero Nullable is null. In an input it is left out, and [Null] says that there is to be none.
type Nullable[T any] struct {
	value T
	state nullableState
}

type nullableState uint8

const (
	unset nullableState = iota
	isNull
	isSet
)

// NullableOf is a value that is not null.
func NullableOf[T any](value T) Nullable[T] { return Nullable[T]{value, isSet} }

// Null is no value.
func Null[T any]() Nullable[T] { return Nullable[T]{state: isNull} }

// Get returns the value, and whether there is one.
func (n Nullable[T]) Get() (value T, ok bool) { return n.value, n.state == isSet }

// IsNull tells whether there is no value.
func (n Nullable[T]) IsNull() bool { return n.state != isSet }

// IsZero tells whether nothing was said, neither a value nor Null. Such a member of an input is left out.
func (n Nullable[T]) IsZero() bool { return n.state == unset }

// Equal tells whether both are null or have equal values. It is what package cmp compares by.
func (n Nullable[T]) Equal(other Nullable[T]) bool {
	return n.IsNull() == other.IsNull() && reflect.DeepEqual(n.value, other.value)
}

// String is the value as fmt prints it, or "null".
func (n Nullable[T]) String() string {
	if n.IsNull() {
		return "null"
	}
	return fmt.Sprint(n.value)
}

// MarshalJSON writes the value, or null.
func (n Nullable[T]) MarshalJSON() ([]byte, error) {
	if n.IsNull() {
		return []byte("null"), nil
	}
	return MarshalJSON(n.value)
}

// UnmarshalJSON reads a value or null.
func (n *Nullable[T]) UnmarshalJSON(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		*n = Null[T]()
		return nil
	}
	n.state = isSet
	return json.Unmarshal(data, &n.value)
}

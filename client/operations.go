package client

import (
	"slices"
	"strings"
)

// operation is one of the contract. The list of all is in an order in which the first that fits is the right one: a word
// comes before a parameter in the same place.
type operation struct{ method, path, name string }

// operationOf is the name of the operation that a path, without that of the base URL, stands for; or "".
func operationOf(method, path string) string {
	given := strings.Split(path, "/")
	for _, op := range operations {
		if op.method == method && slices.EqualFunc(strings.Split(op.path, "/"), given, fits) {
			return op.name
		}
	}
	return ""
}

func fits(want, given string) bool { return want == given || strings.HasPrefix(want, "{") }

//go:build race

package store

import "encoding/json"

// digestOf is what a remembered value holds. Tests run with the race detector, and see with it who changes one.
func digestOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

//go:build !race

package store

// digestOf is not needed where nobody looks for who changes what is shared.
func digestOf(any) string { return "" }

//go:build !unix

package owner

const noLink = 0 // links are followed: making one needs a right of its own here

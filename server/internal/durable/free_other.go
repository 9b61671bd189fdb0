//go:build !linux && !darwin && !freebsd

package durable

// Free is not known here.
func Free(string) (bytes float64, known bool) { return 0, false }

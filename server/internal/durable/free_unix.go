//go:build linux || darwin || freebsd

package durable

import "syscall"

// Free is how many bytes the disk of a directory has room for.
func Free(dir string) (bytes float64, known bool) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return 0, false
	}
	return float64(disk.Bavail) * float64(disk.Bsize), true
}

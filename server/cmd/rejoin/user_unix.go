//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// checkUser refuses root in the data directory of somebody else: what root makes there the server could not use, and what
// others have put there root should not trust. A directory that is not there yet is nobody's.
func (s storage) checkUser() error {
	info, err := os.Stat(s.Data)
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
		return fmt.Errorf("%s belongs to another user (%d): run this as that user, or, to ask the server, start it", s.Data, owner.Uid)
	}
	return nil
}

//go:build unix

package owner

import "syscall"

// noLink makes opening a file fail if its name is a symbolic link.
const noLink = syscall.O_NOFOLLOW

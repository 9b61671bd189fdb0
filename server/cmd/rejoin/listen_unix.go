//go:build unix

package main

import "syscall"

// letNobodyIn leaves room for one caller, which is the least, on a socket that listens.
func letNobodyIn(socket uintptr) { syscall.Listen(int(socket), 0) }

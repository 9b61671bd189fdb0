package main

import (
	"errors"
	"io/fs"
	"net"
	"strings"
	"syscall"
)

// say is an error as one line for a person: each cause once, and without the names of functions around it.
func say(err error) string {
	text := err.Error()
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		text = strings.ReplaceAll(text, path.Error(), path.Path+": "+path.Err.Error())
	}
	var said []string
	for line := range strings.Lines(text) { // several errors that were joined
		line = strings.Join(strings.Fields(line), " ")
		if line != "" && !strings.Contains(strings.Join(said, " "), line) {
			said = append(said, line)
		}
	}
	return strings.Join(said, "; ")
}

// usage is what is wrong with a command line: the error that begins with the flag, without the command before it.
func usage(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if strings.HasPrefix(inner.Error(), "--") {
			return say(inner)
		}
	}
	return say(err)
}

// causeOf is why an address cannot be used, as the system or the name server says it.
func causeOf(err error) error {
	var name *net.DNSError
	var system syscall.Errno
	switch {
	case errors.As(err, &name):
		return errors.New(name.Err)
	case errors.As(err, &system):
		return system
	}
	return err
}

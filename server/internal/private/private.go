// Package private closes to everybody else what was made before it was made for its owner only, or was opened since.
package private

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// others are the rights of everybody but the owner.
const others fs.FileMode = 0o077

// Tighten takes the rights of everybody but the owner from a directory, and from the files and sockets in it whose names are
// ours. It touches nothing that belongs to another user, nor what is not ours by its name, and does not follow links. A
// directory in which there is something that is not ours keeps its rights, as it may be there for others, too: then foreign
// is the name of one such thing, if there are rights that it keeps.
//
// What is in a directory that is closed already is looked at only if thorough is set: nobody else gets there.
func Tighten(dir string, ours func(name string) bool, thorough bool) (foreign string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	info, err := root.Stat(".")
	if err != nil {
		return "", err
	}
	open := info.Mode().Perm()&others != 0
	if !open && !thorough {
		return "", nil
	}
	if open {
		if foreign, err = find(root, func(name string) (bool, error) { return !ours(name), nil }); err != nil {
			return "", err
		}
		if foreign == "" { // first: from then on nobody puts anything in the place of what was looked at
			if err := tighten(root, ".", info); err != nil {
				return "", err
			}
		}
	}
	_, err = find(root, func(name string) (bool, error) {
		if !ours(name) {
			return false, nil
		}
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) { // it was there for a moment
			return false, nil
		}
		if kind := info.Mode().Type(); err != nil || kind != 0 && kind != fs.ModeSocket {
			return false, err
		}
		return false, tighten(root, name, info)
	})
	return foreign, err
}

func tighten(root *os.Root, name string, info fs.FileInfo) error {
	mode := info.Mode().Perm()
	if mode&others == 0 || !owned(info) {
		return nil
	}
	err := root.Chmod(name, mode&^others)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// find returns the first name in a directory for which is says so, in no order.
func find(root *os.Root, is func(name string) (bool, error)) (string, error) {
	dir, err := root.Open(".")
	if err != nil {
		return "", err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			if found, err := is(name); found || err != nil {
				return name, err
			}
		}
		if err == io.EOF {
			return "", nil
		}
		if err != nil {
			return "", err
		}
	}
}

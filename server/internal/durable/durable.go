// Package durable keeps files that survive a power cut: each is under its name whole, or not at all.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Part is how the name of a file ends that is still being written. It stays if the process dies meanwhile, and is in the
// way of nobody.
const Part = ".part"

// RemoveParts removes those of the files in a directory that are parts and have not changed since before: whoever was writing
// them has died.
func RemoveParts(dir *os.Root, entries []fs.DirEntry, before time.Time) error {
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), Part) {
			continue
		}
		info, err := entry.Info()
		if err == nil && info.ModTime().Before(before) {
			err = dir.Remove(entry.Name())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Write makes a file, readable by its owner only, of what fill writes; it takes the place of one of that name. If it fails,
// what was there is there still, unless all that failed was to make its name last.
func Write(path string, fill func(io.Writer) error) error {
	return write(path, fill, rename)
}

// Create does what Write does, and fails with fs.ErrExist if there is something of that name, now or when fill has
// written: it replaces nothing.
func Create(path string, fill func(io.Writer) error) error {
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return write(path, fill, claim)
}

func write(path string, fill func(io.Writer) error, place func(from, to string) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*"+Part) // 0600
	if err != nil {
		return err
	}
	err = fill(file)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = place(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, Remove(file.Name()))
	}
	return nil
}

// claim renames a file to what nothing is named yet, which it takes with an empty file first. A link would do without, but
// not every disk that a file is kept on has links.
func claim(from, to string) error {
	empty, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = empty.Close()
	if err == nil {
		err = rename(from, to)
	}
	if err != nil {
		return errors.Join(err, Remove(to))
	}
	return nil
}

// Move gives a file that somebody else has written and closed another name on the same disk, in place of one of that name.
func Move(from, to string) error {
	file, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	return rename(from, to)
}

func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// Touch makes an empty file, readable by its owner only, unless there is one of that name.
func Touch(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory survive a power cut.
func syncDir(path string) error {
	if runtime.GOOS == "windows" { // where a directory cannot be synced
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Remove removes those of the files that are there. They may be back after a power cut.
func Remove(paths ...string) error {
	var all error
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

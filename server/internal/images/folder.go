package images

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"
)

const (
	arriving   = ".part"  // the end of a file's name until it is whole
	attributes = ".attrs" // of the file beside an image that earlier versions kept its type in
)

// leftAfter is how old an unfinished file is when nobody can be writing it any more.
const leftAfter = 24 * time.Hour

// A folder keeps each image as a file, whose name is the id.
type folder struct{ root *os.Root }

func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	return &folder{root}, err
}

func (f *folder) close() error { return f.root.Close() }

func (f *folder) put(_ context.Context, id string, content io.Reader) error {
	file, err := f.root.OpenFile(id+arriving, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.root.Rename(id+arriving, id)
	}
	if err != nil {
		return errors.Join(err, f.root.Remove(id+arriving))
	}
	if err := f.sync(); err != nil {
		return errors.Join(err, f.root.Remove(id))
	}
	return nil
}

// sync makes the names of the files survive a power cut.
func (f *folder) sync() error {
	if runtime.GOOS == "windows" { // where a directory cannot be synced
		return nil
	}
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f *folder) get(_ context.Context, id string) (io.ReadCloser, int64, error) {
	file, err := f.root.Open(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, ErrNotFound
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (f *folder) remove(_ context.Context, id string) error {
	err := f.root.Remove(id + attributes)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(f.root.Remove(id), err)
}

func (f *folder) sweep() error {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(1000)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), arriving) {
				continue
			}
			info, err := entry.Info()
			if err == nil && time.Since(info.ModTime()) > leftAfter { // by the clock of the files, which is the machine's
				err = f.root.Remove(entry.Name())
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
}

package images

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/durable"
)

// attributes is the end of the name of the file beside an image that earlier versions kept its type in.
const attributes = ".attrs"

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
	return durable.Write(filepath.Join(f.root.Name(), id), func(to io.Writer) error { _, err := io.Copy(to, content); return err })
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
	var all error
	for _, name := range []string{id + attributes, id} {
		if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// probeBytes are more than what is left on a full disk here and there.
const probeBytes = 64 << 10

func (f *folder) probe(context.Context) error {
	file, err := os.CreateTemp(f.root.Name(), ".probe-*"+durable.Part) // which a sweep removes, should this process die
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, probeBytes))
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

func (f *folder) sweep(before time.Time) error {
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
		if err := durable.RemoveParts(f.root, entries, before); err != nil {
			return err
		}
	}
}

package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/durable"
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/owner"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// Write writes a backup of a database that is in use, as it is at one moment, and of the images that it refers to. Others
// read and write meanwhile. An image that is removed meanwhile is left out, and so is one that was lost; missing is told, and
// the archive says how many they are.
func Write(ctx context.Context, to io.Writer, data *store.Store, kept *images.Store, contract string, missing func(id string)) (err error) {
	snapshot, err := data.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("the database cannot be copied: %w", err)
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	w, err := newWriter(to, Manifest{Format: format, Made: time.Now().UTC().Truncate(time.Second), Contract: contract, Schema: snapshot.Schema})
	if err != nil {
		return err
	}
	if err := w.addFile(databaseName, snapshot.Path); err != nil {
		return err
	}
	if err := snapshot.EachImage(ctx, func(id string) error {
		image, err := kept.Get(ctx, id)
		if errors.Is(err, images.ErrNotFound) {
			w.missing++
			missing(id)
			return nil
		}
		if err != nil {
			return err
		}
		defer image.Close()
		return w.add(imagePrefix+id, image.Size, image)
	}); err != nil {
		return err
	}
	return w.close()
}

func (w *writer) addFile(name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return w.add(name, info.Size(), file)
}

// asideName is the directory in which a restore collects what it reads, until that is known to be whole.
const asideName = ".restoring"

// Restore makes a database, in a directory that has none, of a backup, and puts the images where open says. The database
// comes last: if anything fails before, or the process dies, there is none, and the restore can be run again. The number of
// images that the database refers to and that are not in the backup is missing.
func Restore(ctx context.Context, from io.Reader, database string, open func() (*images.Store, error)) (s Summary, missing int, err error) {
	dir := filepath.Dir(database)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return s, 0, fmt.Errorf("the data directory cannot be used: %w", err)
	}
	aside := filepath.Join(dir, asideName)
	release, err := owner.Lock(database)
	if err != nil {
		return s, 0, err
	}
	defer func() { err = errors.Join(err, release()) }()
	for _, end := range []string{"", "-wal", "-shm", "-journal"} { // the last are written into what is restored
		if _, err := os.Lstat(database + end); !errors.Is(err, fs.ErrNotExist) {
			return s, 0, fmt.Errorf("there is a database in %s already, or a part of one: %s; restore into another directory", dir, filepath.Base(database)+end)
		}
	}
	if err := os.RemoveAll(aside); err != nil { // of one that has died
		return s, 0, err
	}
	if err := os.MkdirAll(filepath.Join(aside, imagePrefix), 0o700); err != nil {
		return s, 0, err
	}
	defer os.RemoveAll(aside)
	if s, err = Read(ctx, from, func(name string, content io.Reader) error { return collect(filepath.Join(aside, name), content) }); err != nil {
		return s, 0, err
	}
	if missing, err = putBack(ctx, aside, open); err != nil {
		return s, 0, err
	}
	return s, missing, durable.Move(filepath.Join(aside, databaseName), database)
}

// putBack checks the database and puts the images where they belong.
func putBack(ctx context.Context, aside string, open func() (*images.Store, error)) (missing int, err error) {
	snapshot, err := store.OpenSnapshot(ctx, filepath.Join(aside, databaseName))
	if err != nil {
		return 0, fmt.Errorf("the database in the backup cannot be used: %w", err)
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	kept, err := open()
	if err != nil {
		return 0, fmt.Errorf("images cannot be kept: %w", err)
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	return missing, snapshot.EachImage(ctx, func(id string) error {
		file, err := os.Open(filepath.Join(aside, imagePrefix, filepath.Base(id)))
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			return nil
		}
		if err != nil {
			return err
		}
		defer file.Close()
		return kept.Put(ctx, id, file)
	})
}

// collect writes a file that is not kept: it need not survive anything.
func collect(path string, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// errBrokenOff is for the maker of a backup who has not got all of it.
var errBrokenOff = errors.New("the server broke the backup off; if one runs, its log says why")

// Pass passes on a backup that is being made, and validates it. That to cannot be written is returned as to says it.
func Pass(ctx context.Context, from io.Reader, to io.Writer) (Summary, error) {
	return Read(ctx, io.TeeReader(maker{from}, to), func(string, io.Reader) error { return nil })
}

// A maker is a stream that does not end before its time without saying so.
type maker struct{ io.Reader }

func (m maker) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = errBrokenOff
	}
	return n, err
}

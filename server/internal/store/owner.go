package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rejoin-dev/rejoin/server/internal/durable"
	"github.com/rejoin-dev/rejoin/server/internal/owner"
)

// ownSQLite makes this process the only one that has a SQLite file, until release is called. Earlier versions made the file
// and those beside it as the umask was; from now on only their owner can read them.
func ownSQLite(path string) (release func() error, err error) {
	if release, err = owner.Lock(path); err != nil {
		return nil, err
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} { // SQLite gives the last two the mode of the first
		if chmod := os.Chmod(name, 0o600); chmod != nil && !errors.Is(chmod, fs.ErrNotExist) {
			err = errors.Join(err, chmod)
		}
	}
	if err = errors.Join(err, removeCopy(path)); err != nil { // that was being made when a process died
		return nil, errors.Join(fmt.Errorf("the database cannot be opened: %w", err), release())
	}
	return release, nil
}

// A SQLite file that is in use says so in its header, in the place of the user version: then its last commits are in the
// file -wal beside it, and a copy without that is not whole. Who closes it cleanly takes the mark away.
const (
	markOffset = 60
	markLength = 4
	inUse      = 1
	readMark   = "PRAGMA user_version"
	setInUse   = "PRAGMA user_version = 1"
	wholeAgain = "PRAGMA user_version = 0"
)

var sqliteMagic = []byte("SQLite format 3\x00")

// markInUse marks a file, and refuses one that is marked and has lost what is beside it. It reads and writes the header
// itself, which costs two flushes of the disk and no checkpoint; so it must be called before SQLite has the file open.
func markInUse(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	header := make([]byte, markOffset+markLength)
	if _, err := file.ReadAt(header, 0); err != nil || !bytes.HasPrefix(header, sqliteMagic) {
		return nil // it is for SQLite to say what this is
	}
	mark := header[markOffset:]
	_, err = os.Stat(path + "-wal")
	missing := errors.Is(err, fs.ErrNotExist)
	if binary.BigEndian.Uint32(mark) == inUse {
		if missing {
			return notWhole(path)
		}
		return nil // of a server that was killed: SQLite reads both files
	}
	// There is a file -wal before anything says that it must be there, also after a power cut.
	if err := durable.Touch(path + "-wal"); err != nil {
		return err
	}
	binary.BigEndian.PutUint32(mark, inUse)
	if _, err = file.WriteAt(mark, markOffset); err == nil {
		err = file.Sync()
	}
	return err
}

func notWhole(path string) error {
	name := filepath.Base(path)
	return fmt.Errorf("%s is not whole: it was copied while a server ran, or %s-wal was removed, which holds what was written last. "+
		"Restore a backup that rejoin backup has made; or, to go on without what is missing, make an empty file %s-wal beside it", path, name, name)
}

// stayInUse marks a file again whose mark the file -wal takes away. One that was killed as it closed has left such a file,
// and so has one of an earlier version that was killed.
func stayInUse(ctx context.Context, db *sql.DB) error {
	var mark int
	err := db.QueryRowContext(ctx, readMark).Scan(&mark)
	if err == nil && mark != inUse {
		_, err = db.ExecContext(ctx, setInUse)
	}
	return err
}

// markWhole takes the mark away and closes the file, upon which SQLite copies into it what is beside it.
func markWhole(path string, write *sql.DB, closeAll func() error) error {
	_, err := write.ExecContext(context.Background(), wholeAgain)
	closing := closeAll()
	if err != nil { // the next one is to find what the mark asks for
		err = errors.Join(fmt.Errorf("the database cannot be marked as whole: %w", err), durable.Touch(path+"-wal"))
	}
	return errors.Join(err, closing)
}

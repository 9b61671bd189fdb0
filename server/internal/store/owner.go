package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/rejoin-dev/rejoin/server/internal/owner"
)

// ownSQLite makes this process the only one that has a SQLite file, until release is called. Earlier versions made the file
// and those beside it as the umask was; from now on only their owner can read them.
func ownSQLite(path string) (release func() error, err error) {
	if release, err = owner.Lock(path); err != nil {
		return nil, err
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} { // SQLite gives the last two the mode of the first
		if err := os.Chmod(name, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("the database cannot be opened: %w", err), release())
		}
	}
	return release, nil
}

// Package owner lets one process at a time have a data directory, so that all that changes its data is in one place.
package owner

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// An InUseError says that another process, or another part of this one, has a data directory.
type InUseError struct {
	Dir string
	PID int // of the process that has it; 0 if it does not say so
}

func (e *InUseError) Error() string {
	process := ""
	if e.PID != 0 {
		process = fmt.Sprintf(" (process %d)", e.PID)
	}
	return fmt.Sprintf("another Rejoin%s runs on the data directory %s", process, e.Dir)
}

// lockEnd is the end of the name of the file that is locked; the file itself stays, as whoever removed it could remove
// the lock of the next owner.
const lockEnd = ".lock"

// Lock makes this the owner of a database file and of all that stands beside it, until release is called or the process
// ends, however it ends. If there is an owner, the error is an *InUseError, at once.
func Lock(database string) (release func() error, err error) {
	lock := flock.New(database+lockEnd, flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be locked: %w", err)
	}
	if !locked {
		return nil, &InUseError{Dir: filepath.Dir(database), PID: ownerIn(database + lockEnd)}
	}
	// Who has it helps whoever is refused, and no more than that: the lock counts without it.
	os.WriteFile(database+lockEnd, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	return lock.Close, nil
}

func ownerIn(path string) (pid int) {
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	text, _ := io.ReadAll(io.LimitReader(file, 20))
	pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

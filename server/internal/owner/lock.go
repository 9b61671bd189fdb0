// Package owner lets one process at a time have a data directory, so that all that changes its data is in one place. Other
// processes ask the owner through a socket in the directory: it listens on Listen, and At is their client.
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
	lock := flock.New(database+lockEnd, flock.SetFlag(os.O_CREATE|os.O_RDWR|noLink), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be locked: %w", err)
	}
	if !locked {
		return nil, &InUseError{Dir: filepath.Dir(database), PID: ownerIn(database + lockEnd)}
	}
	// Who has it helps whoever is refused, and no more than that: the lock counts without it.
	sayWhoIn(lock)
	return lock.Close, nil
}

// sayWhoIn writes this process into the file that is locked, and into no other that has come by its name.
func sayWhoIn(lock *flock.Flock) {
	file, err := os.OpenFile(lock.Path(), os.O_WRONLY|noLink, 0)
	if err != nil {
		return
	}
	defer file.Close()
	opened, err := file.Stat()
	locked, errLocked := lock.Stat()
	if err == nil && errLocked == nil && os.SameFile(opened, locked) && file.Truncate(0) == nil {
		fmt.Fprintln(file, os.Getpid())
	}
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

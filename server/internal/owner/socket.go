package owner

import (
	"net"
	"os"
	"path/filepath"
	"sync"
)

// socketName is the file in the data directory through which its owner can be asked.
const socketName = "rejoin.sock"

// maxSocketPath is how long the path of a socket may be everywhere.
const maxSocketPath = 100

// Listen opens the socket of a data directory, for its owner. Only the user that made it can connect, from the first
// moment on. What an owner that was killed has left is replaced. Closing the listener removes the socket.
func Listen(dir string) (net.Listener, error) {
	aside, path := filepath.Join(dir, "."+socketName), filepath.Join(dir, socketName)
	if err := os.RemoveAll(aside); err != nil {
		return nil, err
	}
	if err := os.Mkdir(aside, 0o700); err != nil { // nobody else gets at what is in it
		return nil, err
	}
	defer os.RemoveAll(aside)
	short, forget, err := shorten(aside)
	if err != nil {
		return nil, err
	}
	defer forget()
	opened, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(short, socketName), Net: "unix"})
	if err != nil {
		return nil, err
	}
	opened.SetUnlinkOnClose(false) // it goes by another name then
	err = os.Chmod(filepath.Join(aside, socketName), 0o600)
	if err == nil {
		err = os.Rename(filepath.Join(aside, socketName), path)
	}
	if err != nil {
		opened.Close()
		return nil, err
	}
	return &listener{UnixListener: opened, remove: sync.OnceFunc(func() { os.Remove(path) })}, nil
}

type listener struct {
	*net.UnixListener
	remove func() // once: the next owner has its own under this name
}

func (l *listener) Close() error {
	l.remove()
	return l.UnixListener.Close()
}

// shorten returns a path to a directory that a socket in it can be named by, and how to take it away again.
func shorten(dir string) (short string, forget func(), err error) {
	if len(filepath.Join(dir, socketName)) <= maxSocketPath {
		return dir, func() {}, nil
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	private, err := os.MkdirTemp("", "rejoin-") // where nobody else can put another link
	if err != nil {
		return "", nil, err
	}
	forget = func() { os.RemoveAll(private) }
	short = filepath.Join(private, "d")
	if err := os.Symlink(dir, short); err != nil {
		forget()
		return "", nil, err
	}
	return short, forget, nil
}

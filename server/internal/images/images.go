// Package images keeps uploaded images as files of a folder.
package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// ErrNotFound says that there is no image of that id.
var ErrNotFound = errors.New("there is no such image")

const (
	arriving   = ".part"  // the end of a file's name until it is whole
	attributes = ".attrs" // of the file beside an image that earlier versions kept its type in
)

// A Store keeps images, each under an id of its own, and never changes one. It is safe for concurrent use, also by several
// processes on one folder.
type Store struct {
	root  *os.Root
	newID func() string
	log   *slog.Logger
}

// Open returns the store in a folder, which is made if need be, readable by its owner only. The ids that newID makes are
// of the characters 0-9 and a-f, and never the same twice.
func Open(dir string, newID func() string, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Store{root: root, newID: newID, log: log}, nil
}

// Close gives the folder back.
func (s *Store) Close() error { return s.root.Close() }

// Put keeps an image under a new id, while it arrives. It survives a power cut once Put has returned; if that fails,
// nothing is kept. That it is an image, and not too large, the caller has seen to.
func (s *Store) Put(content io.Reader) (id string, err error) {
	id = s.newID()
	if err := s.write(id, content); err != nil {
		return "", fmt.Errorf("an image cannot be stored: %w", err)
	}
	return id, nil
}

func (s *Store) write(id string, content io.Reader) error {
	file, err := s.root.OpenFile(id+arriving, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = s.root.Rename(id+arriving, id)
	}
	if err != nil {
		return errors.Join(err, s.root.Remove(id+arriving))
	}
	if err := s.sync(); err != nil {
		return errors.Join(err, s.root.Remove(id))
	}
	return nil
}

// sync makes the names of the files survive a power cut.
func (s *Store) sync() error {
	if runtime.GOOS == "windows" { // where a directory cannot be synced
		return nil
	}
	dir, err := s.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// An Image is one that is open for reading.
type Image struct {
	*os.File
	Type string // such as image/png, told by the content
	Size int64  // in bytes
}

// Get opens an image. The caller closes it.
func (s *Store) Get(id string) (*Image, error) {
	if !isID(id) {
		return nil, ErrNotFound
	}
	file, err := s.root.Open(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	image, err := inspect(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("an image cannot be read: %w", err), file.Close())
	}
	return image, nil
}

// inspect tells what an image is, and leaves it at its beginning.
func inspect(file *os.File) (*Image, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	kind, err := mimetype.DetectReader(file)
	if err != nil {
		return nil, err
	}
	// Special kinds, such as an animated PNG, go by the name of the kind that everybody knows.
	for parent := kind.Parent(); parent != nil && strings.HasPrefix(parent.String(), "image/"); parent = kind.Parent() {
		kind = parent
	}
	_, err = file.Seek(0, io.SeekStart)
	return &Image{File: file, Type: kind.String(), Size: info.Size()}, err
}

// Remove gives up an image that nothing shows any more; an empty id is none. That it fails is logged and nothing else:
// the file costs space, and what its removal follows from is done.
func (s *Store) Remove(ctx context.Context, id string) {
	if id == "" {
		return
	}
	if err := s.remove(id); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "an image that is no longer used could not be removed", slog.String("image", id), slog.Any("error", err))
	}
}

func (s *Store) remove(id string) error {
	if !isID(id) {
		return ErrNotFound
	}
	err := s.root.Remove(id + attributes)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(s.root.Remove(id), err)
}

// isID tells ids from the names of other files in the folder, and of folders above it.
func isID(id string) bool {
	return id != "" && strings.Trim(id, "0123456789abcdef") == ""
}

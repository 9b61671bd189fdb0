// Package images keeps uploaded images, in a folder or in an S3 bucket.
package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/gabriel-vasile/mimetype"
)

var (
	// ErrNotFound says that there is no image of that id.
	ErrNotFound = errors.New("there is no such image")
	// ErrUnavailable says that the images cannot be reached now. Trying again later may help.
	ErrUnavailable = errors.New("the images cannot be reached")
)

// A place is where images are kept. The ids that it is given are good.
type place interface {
	// put returns once the image survives a power cut; if that fails, it keeps nothing, as far as it still can.
	put(ctx context.Context, id string, content io.Reader) error
	// get gives ErrNotFound for an image that is not there. ctx must last until the image was read.
	get(ctx context.Context, id string) (content io.ReadCloser, size int64, err error)
	// remove removes an image, if it is there.
	remove(ctx context.Context, id string) error
	// sweep removes what is unfinished, by an upload that was cut off, and has not changed since before.
	sweep(before time.Time) error
	// probe tells whether something can be put there.
	probe(ctx context.Context) error
	close() error
}

// A Store keeps images, each under an id of its own, and never changes one. It is safe for concurrent use, also by several
// processes on one place.
type Store struct {
	place place
	log   *slog.Logger
}

// scheme begins the URL of a bucket.
const scheme = "s3"

// Validate tells whether a text says where images may be kept: in a directory, or in a bucket (see Open). It does not look
// there.
func Validate(where string) error {
	if !strings.Contains(where, "://") {
		return nil
	}
	_, err := parseBucket(where)
	return err
}

// Open returns the store in a folder, which is made if need be, readable by its owner only; or in an S3 bucket, which is
// asked whether it can be used: s3://bucket/prefix?endpoint=https://s3.example:9000&region=eu-central-1. Prefix, endpoint
// and region may be left out: at the root of the bucket, at AWS, and in $AWS_REGION or us-east-1. Credentials are those of
// $AWS_ACCESS_KEY_ID, $AWS_SECRET_ACCESS_KEY and $AWS_SESSION_TOKEN or, at AWS, of the role of the machine or container.
func Open(ctx context.Context, where string, log *slog.Logger) (*Store, error) {
	place, err := open(ctx, where)
	if err != nil {
		return nil, err
	}
	return &Store{place: place, log: log}, nil
}

// OpenToRead does what Open does for those who only read, and makes nothing: a folder that is not there has no images.
func OpenToRead(ctx context.Context, where string, log *slog.Logger) (*Store, error) {
	if !strings.Contains(where, "://") {
		if _, err := os.Stat(where); errors.Is(err, fs.ErrNotExist) {
			return &Store{place: nowhere{}, log: log}, nil
		}
	}
	return Open(ctx, where, log)
}

// nowhere is a place to read from that is not there.
type nowhere struct{ place }

func (nowhere) get(context.Context, string) (io.ReadCloser, int64, error) { return nil, 0, ErrNotFound }
func (nowhere) close() error                                              { return nil }

func open(ctx context.Context, where string) (place, error) {
	if !strings.Contains(where, "://") {
		return openFolder(where)
	}
	b, err := parseBucket(where)
	if err != nil {
		return nil, err
	}
	return b, b.check(ctx)
}

// Close gives back what Open has taken.
func (s *Store) Close() error { return s.place.close() }

// Put keeps an image under an id, while it arrives. It survives a power cut once Put has returned; if that fails, nothing is
// kept. That it is an image, and not too large, the caller has seen to. The id is of the characters 0-9 and a-f, and
// no other image's; only a restore that is run again may put one a second time.
func (s *Store) Put(ctx context.Context, id string, content io.Reader) error {
	if !isID(id) {
		return fmt.Errorf("an image cannot be stored as %q", id)
	}
	from := &source{Reader: content}
	err := s.place.put(ctx, id, from)
	switch {
	case err == nil:
		return nil
	case from.err != nil:
		return from.err
	}
	return fmt.Errorf("an image cannot be stored: %w", unavailable(ctx, err))
}

// A source remembers what it has failed with: that is not the fault of the place.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != io.EOF {
		s.err = err
	}
	return n, err
}

// unavailable is what a place has failed with: a full disk, a bucket that is gone or that knows its credentials no more.
// Whatever it is, an operator can end it, and who asked can ask again.
func unavailable(ctx context.Context, err error) error {
	if errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// An Image is one that is open for reading.
type Image struct {
	io.Reader
	Type string // such as image/png, told by the content
	Size int64  // in bytes
	io.Closer
}

// Get opens an image. The caller closes it, and does not end ctx before.
func (s *Store) Get(ctx context.Context, id string) (*Image, error) {
	if !isID(id) {
		return nil, ErrNotFound
	}
	content, size, err := s.place.get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("an image cannot be read: %w", unavailable(ctx, err))
	}
	head := make([]byte, min(size, headLength))
	if _, err := io.ReadFull(content, head); err != nil {
		return nil, errors.Join(fmt.Errorf("an image cannot be read: %w", unavailable(ctx, err)), content.Close())
	}
	return &Image{io.MultiReader(bytes.NewReader(head), content), kindOf(head), size, content}, nil
}

// headLength is how much of an image its kind is told from.
const headLength = 3072

// kindOf is the media type of an image. Special kinds, such as an animated PNG, go by the name of the kind that everybody
// knows.
func kindOf(head []byte) string {
	kind := mimetype.Detect(head)
	for parent := kind.Parent(); parent != nil && strings.HasPrefix(parent.String(), "image/"); parent = kind.Parent() {
		kind = parent
	}
	return kind.String()
}

// Remove gives up an image that nothing shows any more; an empty id is none. That it fails is logged and nothing else: who
// cares that it is gone in the end tries again, by Delete.
func (s *Store) Remove(ctx context.Context, id string) {
	if id == "" {
		return
	}
	if err := s.Delete(context.WithoutCancel(ctx), id); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "an image that is no longer used could not be removed", slog.String("image", id), slog.Any("error", err))
	}
}

// Delete removes an image. There may be none of that id any more.
func (s *Store) Delete(ctx context.Context, id string) error {
	if !isID(id) {
		return fmt.Errorf("an image cannot have been stored as %q", id)
	}
	if err := s.place.remove(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("an image cannot be removed: %w", err)
	}
	return nil
}

// Sweep removes what uploads that were cut off by a crash have left unfinished, unless it has changed since before: running ones
// keep what they have, also those of other processes.
func (s *Store) Sweep(before time.Time) error { return s.place.sweep(before) }

// Local tells whether they are kept on a disk here, and not in a bucket.
func (s *Store) Local() bool { _, local := s.place.(*folder); return local }

// Probe tells whether a folder takes a file.
func (s *Store) Probe(ctx context.Context) error { return s.place.probe(ctx) }

// isID tells ids from other names in the same place, and from paths that lead out of it.
func isID(id string) bool {
	return id != "" && strings.Trim(id, "0123456789abcdef") == ""
}

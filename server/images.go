package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"github.com/rejoin-dev/rejoin/api/contract"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"
)

// images keeps uploaded images, each under an id of its own, and never changes one.
type images struct {
	bucket *blob.Bucket
	dir    string // of the bucket
	newID  func() string
	log    *slog.Logger
}

func openImages(dir string, newID func() string, log *slog.Logger) (images, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return images{}, err
	}
	// Temporary files stand beside the images, because a rename cannot cross file systems.
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, DirFileMode: 0o700})
	return images{bucket: bucket, dir: dir, newID: newID, log: log}, err
}

// put keeps an image under a new id, while it arrives. If that fails, nothing is kept.
func (m images) put(ctx context.Context, kind string, content io.Reader) (id string, err error) {
	// A writer is closed even where it has failed; ending its context first is how it learns that nothing must be kept.
	writing, discard := context.WithCancel(ctx)
	defer discard()
	id = m.newID()
	w, err := m.bucket.NewWriter(writing, id, &blob.WriterOptions{ContentType: kind})
	if err != nil {
		return "", fmt.Errorf("an image cannot be stored: %w", err)
	}
	if _, err = io.Copy(w, content); err != nil {
		discard()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return "", fmt.Errorf("an image cannot be stored: %w", err)
	}
	if err := m.flush(id); err != nil {
		m.remove(ctx, id)
		return "", fmt.Errorf("an image cannot be stored for good: %w", err)
	}
	return id, nil
}

// flush makes an image survive a power cut: the bucket leaves to the operating system when its files reach the disk.
func (m images) flush(id string) error {
	sync := func(name string, flag int) error {
		file, err := os.OpenFile(filepath.Join(m.dir, name), flag, 0)
		if err != nil {
			return err
		}
		return errors.Join(file.Sync(), file.Close())
	}
	err := errors.Join(sync(id, os.O_RDWR), sync(id+".attrs", os.O_RDWR))
	if runtime.GOOS != "windows" { // where a directory cannot be opened
		err = errors.Join(err, sync(".", os.O_RDONLY))
	}
	return err
}

// open returns an image. The caller closes it.
func (m images) open(ctx context.Context, id string) (*blob.Reader, error) {
	r, err := m.bucket.NewReader(ctx, id, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, contract.NotFound("image")
	}
	return r, err
}

// remove gives up an image that nothing shows any more; an empty id is none. That it fails is logged and nothing else:
// the file costs space, and what its removal follows from is done.
func (m images) remove(ctx context.Context, id string) {
	if id == "" {
		return
	}
	if err := m.bucket.Delete(context.WithoutCancel(ctx), id); err != nil {
		m.log.LogAttrs(ctx, slog.LevelWarn, "an image that is no longer used could not be removed", slog.String("image", id), slog.Any("error", err))
	}
}

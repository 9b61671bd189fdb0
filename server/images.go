package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/rejoin-dev/rejoin/api/contract"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"
)

// images keeps uploaded images, each under an id of its own, and never changes one.
type images struct {
	bucket *blob.Bucket
	newID  func() string
	log    *slog.Logger
}

func openImages(dir string) (*blob.Bucket, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// Temporary files stand beside the images, because a rename cannot cross file systems.
	return fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, DirFileMode: 0o700})
}

// put keeps an image under a new id, while it arrives. If reading fails, nothing is kept.
func (m images) put(ctx context.Context, kind string, content io.Reader) (id string, err error) {
	// A writer is closed even where it has failed; ending its context first is how it learns that nothing must be kept.
	ctx, discard := context.WithCancel(ctx)
	defer discard()
	id = m.newID()
	w, err := m.bucket.NewWriter(ctx, id, &blob.WriterOptions{ContentType: kind})
	if err != nil {
		return "", fmt.Errorf("an image cannot be stored: %w", err)
	}
	if _, err := io.Copy(w, content); err != nil {
		discard()
		w.Close()
		return "", fmt.Errorf("an image cannot be stored: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("an image cannot be stored: %w", err)
	}
	return id, nil
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

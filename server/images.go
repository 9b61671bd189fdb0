package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/gabriel-vasile/mimetype"
	"github.com/rejoin-dev/rejoin/gen"
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

// What an image may be. SVG is not among them: it can hold scripts.
var imageTypes = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

// sniffLength is how much of a file its type is told from.
const sniffLength = 3072

// put keeps an image under a new id, while it arrives. What its content is not, it is not: the declared type and the
// file name say nothing. If reading fails, nothing is kept.
func (m images) put(ctx context.Context, pointer string, content io.Reader) (id string, err error) {
	head := make([]byte, sniffLength)
	n, err := io.ReadFull(content, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", unreadable(err)
	}
	kind := imageTypeOf(head[:n])
	if kind == "" {
		return "", invalid(problem(pointer, gen.FieldCodeWrongFormat, "must be a PNG, JPEG, GIF or WebP image"))
	}
	// A writer is closed even where it has failed; ending its context first is how it learns that nothing must be kept.
	ctx, discard := context.WithCancel(ctx)
	defer discard()
	id = m.newID()
	w, err := m.bucket.NewWriter(ctx, id, &blob.WriterOptions{ContentType: kind})
	if err != nil {
		return "", fmt.Errorf("an image cannot be stored: %w", err)
	}
	if _, err := io.Copy(w, io.MultiReader(bytes.NewReader(head[:n]), content)); err != nil {
		discard()
		w.Close()
		return "", unreadable(err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("an image cannot be stored: %w", err)
	}
	return id, nil
}

func imageTypeOf(head []byte) string {
	for kind := mimetype.Detect(head); kind != nil; kind = kind.Parent() {
		if imageTypes[kind.String()] {
			return kind.String()
		}
	}
	return ""
}

// open returns an image. The caller closes it.
func (m images) open(ctx context.Context, id string) (*blob.Reader, error) {
	r, err := m.bucket.NewReader(ctx, id, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, notFound("image")
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

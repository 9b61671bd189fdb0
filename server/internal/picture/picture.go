// Package picture writes images anew, so that of what somebody sends nothing is kept but the pixels: no place and no camera
// (EXIF, XMP), no comment, no thumbnail, and nothing that is hidden before, between or behind them.
//
// PNG, JPEG and GIF are decoded and encoded again; what EXIF says of how a JPEG is held is done to its pixels before that is
// forgotten. A GIF stays animated. There is no encoder of WebP in Go, so the container is written anew, with the chunks that
// hold pixels and no others.
//
// An image is a small file that may be large when it is decoded. Look finds out how large by its headers alone, and refuses
// what is larger than MaxMemory.
package picture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	// MaxMemory is how many bytes an image may take while it is written anew: 12 megapixels as PNG, at least as many as JPEG
	// of a camera, fewer if it is progressive.
	MaxMemory = 48 << 20
	// MaxSide is how many pixels an image may be wide or high.
	MaxSide = 16384
	// MaxFrames is how many frames an animation may have.
	MaxFrames = 1000
	// MaxScans is how often a progressive JPEG may go over its pixels. Encoders do so some ten times.
	MaxScans = 100
)

// ErrBroken says that something is no image of a kind that is known, or cannot be decoded.
var ErrBroken = errors.New("the image cannot be decoded")

// A LargeError says that an image would take too much when it is decoded.
type LargeError struct{ What string }

func (e *LargeError) Error() string { return "the image is too large: " + e.What }

// A Picture is an image that was looked at and not decoded yet.
type Picture struct {
	format format
	from   *io.SectionReader
	memory int64
}

// A format is what is known of an image of one kind by its headers.
type format interface {
	// memory is how many bytes it takes to write it anew.
	memory() int64
	// write decodes it and writes it anew.
	write(to io.Writer, from io.Reader) error
}

// Look reads the headers of an image. The error is ErrBroken, a *LargeError, or why it cannot be read.
func Look(from *io.SectionReader) (*Picture, error) {
	head := make([]byte, 12)
	n, err := from.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	head = head[:n]
	for _, kind := range []struct {
		begins func(head []byte) bool
		look   func(*io.SectionReader) (format, error)
	}{{isPNG, lookPNG}, {isJPEG, lookJPEG}, {isGIF, lookGIF}, {isWebP, lookWebP}} {
		if !kind.begins(head) {
			continue
		}
		format, err := kind.look(section(from))
		if err != nil {
			return nil, broken(err)
		}
		memory := format.memory() + overhead
		if memory > MaxMemory {
			return nil, &LargeError{fmt.Sprintf("it takes %d MiB when it is decoded, and may take %d", memory>>20, MaxMemory>>20)}
		}
		return &Picture{format, from, memory}, nil
	}
	return nil, ErrBroken
}

// overhead is what every image takes, for compression and the like.
const overhead = 2 << 20

// Memory is how many bytes Write takes.
func (p *Picture) Memory() int64 { return p.memory }

// Write decodes the image and writes it anew. The error is ErrBroken, or why it cannot be read or written, or the one of ctx.
func (p *Picture) Write(ctx context.Context, to io.Writer) error {
	out := bufio.NewWriterSize(&watched{to: to, ctx: ctx}, 64<<10)
	in := &watched{from: section(p.from), ctx: ctx}
	if err := p.format.write(out, bufio.NewReaderSize(in, 64<<10)); err != nil {
		return broken(err)
	}
	return out.Flush()
}

// A watched reader or writer ends when its context does, because decoders know of none. Its errors are kept apart from those of
// the image.
type watched struct {
	ctx  context.Context
	from io.Reader
	to   io.Writer
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, &failure{err}
	}
	n, err := w.from.Read(p)
	if err != nil && err != io.EOF {
		err = &failure{err}
	}
	return n, err
}

func (w *watched) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, &failure{err}
	}
	n, err := w.to.Write(p)
	if err != nil {
		err = &failure{err}
	}
	return n, err
}

// A failure is one to read or to write, which is not the fault of an image.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

// broken is what an error of a decoder says: that the image is broken, in whatever way, unless something else has failed.
func broken(err error) error {
	var failed *failure
	var large *LargeError
	switch {
	case errors.As(err, &failed):
		return failed.error
	case errors.As(err, &large):
		return large
	}
	return ErrBroken
}

// section reads an image from its beginning.
func section(from *io.SectionReader) *io.SectionReader {
	return io.NewSectionReader(from, 0, from.Size())
}

// checkSides refuses an image that is too wide or too high, or is nothing.
func checkSides(width, height int64) error {
	if width <= 0 || height <= 0 {
		return ErrBroken
	}
	if width > MaxSide || height > MaxSide {
		return &LargeError{fmt.Sprintf("it may be %d pixels wide and high", MaxSide)}
	}
	return nil
}

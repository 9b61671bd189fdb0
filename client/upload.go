package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// form is a multipart/form-data body that is put together while it is sent: the texts and the headers of the parts are
// ready beforehand, and each file is read between them when its turn comes. No file is ever in memory as a whole.
type form struct {
	writer  *multipart.Writer
	written bytes.Buffer // What writer wrote since the last file.
	pieces  []io.Reader
}

func newForm() *form {
	f := &form{}
	f.writer = multipart.NewWriter(&f.written)
	return f
}

func (f *form) text(name, value string) {
	_ = f.writer.WriteField(name, value) // Fails only if a bytes.Buffer does.
}

// file adds what r reads, or nothing if r is nil.
func (f *form) file(name string, r io.Reader) { f.fileNamed(name, name, r) }

func (f *form) fileNamed(name, fileName string, r io.Reader) {
	if r == nil {
		return
	}
	_, _ = f.writer.CreateFormFile(name, fileName)
	f.pieces = append(f.pieces, f.flush(), r)
}

func (f *form) flush() io.Reader {
	piece := bytes.NewReader(slices.Clone(f.written.Bytes()))
	f.written.Reset()
	return piece
}

// upload sends f with call and returns the value in the answer. An error of a file's reader comes before whatever the
// server made of the broken request.
func upload[T any](
	f *form, call func(contentType string, body io.Reader, edits ...edit) (*http.Response, error),
) (*T, error) {
	return uploadFor(f, call, one[T])
}

// uploadFor is upload where answers are read in another way.
func uploadFor[T any](
	f *form, call func(contentType string, body io.Reader, edits ...edit) (*http.Response, error),
	read func(*http.Response, error) (*T, error),
) (*T, error) {
	_ = f.writer.Close()
	end, contentType := f.flush(), f.writer.FormDataContentType()
	if len(f.pieces) == 0 {
		return read(call(contentType, end)) // A *bytes.Reader: net/http can send it again by itself.
	}
	u := newUpload(append(f.pieces, end))
	// With 100-continue, a server that refuses the request can say so before it is sent the file: the answer is not
	// lost in a connection that breaks while the file is being written.
	value, err := read(call(contentType, u.open(), header("Expect", "100-continue")))
	if u.body.stop() && u.body.err != nil {
		return nil, fmt.Errorf("rejoin: reading the file to upload: %w", u.body.err)
	}
	return value, err
}

// uploading is what is sent in the attempts of a call.
type uploading struct {
	pieces []*piece
	body   *uploadBody // Of the last attempt.
}

func newUpload(pieces []io.Reader) *uploading {
	u := &uploading{}
	for _, r := range pieces {
		u.pieces = append(u.pieces, newPiece(r))
	}
	return u
}

// open makes the body of an attempt.
func (u *uploading) open() *uploadBody {
	readers := make([]io.Reader, len(u.pieces))
	for i, p := range u.pieces {
		readers[i] = p
	}
	u.body = &uploadBody{of: u, source: io.MultiReader(readers...), stopped: make(chan struct{})}
	u.body.read, u.body.write = io.Pipe()
	return u.body
}

// reopen makes the body of another attempt, unless a reader has failed, is still in use or cannot be set back.
func (u *uploading) reopen() (io.ReadCloser, bool) {
	if !u.body.stop() || u.body.err != nil {
		return nil, false
	}
	for _, p := range u.pieces {
		if !p.rewind() {
			return nil, false
		}
	}
	return u.open(), true
}

// piece is a reader that knows whether it can be set back to where it was.
type piece struct {
	io.Reader
	seeker io.Seeker // Or nil.
	start  int64
	begun  bool
}

func newPiece(r io.Reader) *piece {
	p := &piece{Reader: r}
	if seeker, ok := r.(io.Seeker); ok {
		// What looks like a file may be a pipe, which has no position.
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			p.seeker, p.start = seeker, start
		}
	}
	return p
}

func (p *piece) Read(b []byte) (int, error) {
	p.begun = true
	return p.Reader.Read(b)
}

func (p *piece) rewind() bool {
	if !p.begun {
		return true
	}
	if p.seeker == nil {
		return false
	}
	p.begun = false
	_, err := p.seeker.Seek(p.start, io.SeekStart)
	return err == nil
}

// uploadBody stands between net/http and readers that are not ours. Read directly, one that blocks would keep net/http
// from returning when the context ends, and one that is used again after the call could still be read by net/http. So a
// goroutine reads it, from the moment net/http asks for the body to the end of the attempt.
type uploadBody struct {
	of      *uploading
	source  io.Reader
	read    *io.PipeReader
	write   *io.PipeWriter
	begin   sync.Once
	over    atomic.Bool   // What source says from now on is of no interest.
	stopped chan struct{} // Closed when source is not used any more.
	err     error         // What source failed with; settled once stopped is closed.
}

func (b *uploadBody) Read(p []byte) (int, error) {
	b.begin.Do(func() { go b.copy() })
	return b.read.Read(p)
}

func (b *uploadBody) copy() {
	defer close(b.stopped)
	buffer := make([]byte, 32<<10)
	for !b.over.Load() {
		n, err := b.source.Read(buffer)
		if n > 0 {
			if _, gone := b.write.Write(buffer[:n]); gone != nil {
				return
			}
		}
		if err != nil {
			if err != io.EOF && !b.over.Load() {
				b.err = err
			}
			b.write.CloseWithError(err)
			return
		}
	}
}

// Close is for net/http, which has no more use for the body.
func (b *uploadBody) Close() error {
	b.interrupt(errors.New("the request is over"))
	return nil
}

func (b *uploadBody) interrupt(reason error) {
	b.over.Store(true)
	b.write.CloseWithError(reason)
}

// during lets ctx interrupt the body until the function that it returns is called. It is given the context of the
// request, not that of the call, because the former also ends at the Timeout of the http.Client.
func (b *uploadBody) during(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { b.interrupt(ctx.Err()) })
}

// patience is how long the end of an attempt waits for a Read in progress. One that takes longer is one that blocks.
const patience = 100 * time.Millisecond

// stop ends the use of the source, and reports whether it is at its end.
func (b *uploadBody) stop() bool {
	b.interrupt(errors.New("the attempt is over"))
	b.begin.Do(func() { close(b.stopped) })
	select {
	case <-b.stopped:
		return true
	case <-time.After(patience):
		return false
	}
}

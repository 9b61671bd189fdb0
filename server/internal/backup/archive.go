// Package backup writes what a Rejoin on SQLite keeps into one file, and puts it back from there.
//
// A backup is a tar archive: manifest.json, the database, the images that it refers to, and a checksum of all of that, so
// that one that is torn or damaged is noticed before anything of it is kept. Neither side holds more of it than it copies.
package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The names in an archive, in their order; images are images/<id>.
const (
	manifestName = "manifest.json"
	databaseName = "rejoin.db"
	imagePrefix  = "images/"
	sumName      = "sha256"
)

// format is the version of the archive that this package writes, and the only one that it reads.
const format = 1

// A Manifest says what an archive is.
type Manifest struct {
	Format   int       `json:"format"`
	Made     time.Time `json:"made"`
	Contract string    `json:"contract"` // the digest of the contract of the server that made it
	Schema   int64     `json:"schema"`   // the version of the database's schema
}

// A Summary is what an archive holds.
type Summary struct {
	Manifest
	Database int64 // in bytes
	Images   int
	Missing  int // images that the database refers to and that were not found when it was made
}

// missingRecord, at the end of an archive, is how many images it goes without, if it does.
const missingRecord = "REJOIN.missing"

// A writer writes an archive.
type writer struct {
	tar     *tar.Writer
	sum     hash.Hash
	now     time.Time
	missing int
}

func newWriter(to io.Writer, m Manifest) (*writer, error) {
	w := &writer{tar: tar.NewWriter(to), sum: sha256.New(), now: m.Made}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return w, w.add(manifestName, int64(len(text)), bytes.NewReader(text))
}

// add writes a part of a known size.
func (w *writer) add(name string, size int64, content io.Reader) error {
	if err := w.tar.WriteHeader(w.header(name, size)); err != nil {
		return err
	}
	begin(w.sum, name, size)
	n, err := io.Copy(io.MultiWriter(w.tar, w.sum), content)
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes instead of %d", name, n, size)
	}
	return err
}

func (w *writer) header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: w.now}
}

// close writes the checksum, and what is missing.
func (w *writer) close() error {
	sum := hex.EncodeToString(w.sum.Sum(nil))
	header := w.header(sumName, int64(len(sum)))
	if w.missing > 0 {
		header.PAXRecords = map[string]string{missingRecord: strconv.Itoa(w.missing)}
	}
	if err := w.tar.WriteHeader(header); err != nil {
		return err
	}
	if _, err := io.WriteString(w.tar, sum); err != nil {
		return err
	}
	return w.tar.Close()
}

// begin puts the beginning of a part into the checksum.
func begin(sum hash.Hash, name string, size int64) { fmt.Fprintf(sum, "%s %d\n", name, size) }

var (
	errDamaged = errors.New("the backup is not whole, or damaged")
	errForeign = errors.New("this is not a backup that rejoin backup made")
	imageName  = regexp.MustCompile(`^images/[0-9a-f]{1,64}$`)
)

const maxSmall = 64 << 10 // of what is read into memory

// Read validates an archive as it is read to its end, and hands each part to keep, the database first. What keep has got
// is good only if Read returns no error in the end. If ctx ends, so does Read, with its cause, and a read or write that
// waits in the system is left behind. That from cannot be read is returned as from says it: it is no fault of the archive.
func Read(ctx context.Context, from io.Reader, keep func(name string, content io.Reader) error) (s Summary, err error) {
	passed, pass := io.Pipe()
	defer passed.Close()
	broken := make(chan error, 1)
	go func() {
		_, err := io.Copy(pass, from)
		broken <- err
		pass.CloseWithError(err)
	}()
	defer context.AfterFunc(ctx, func() { passed.CloseWithError(context.Cause(ctx)) })()
	s, err = readAll(passed, keep)
	if err != nil && ctx.Err() != nil {
		return s, context.Cause(ctx)
	}
	select {
	case why := <-broken:
		if err != nil && why != nil {
			err = why
		}
	default:
	}
	return s, err
}

func readAll(from io.Reader, keep func(name string, content io.Reader) error) (s Summary, err error) {
	r, sum := tar.NewReader(from), sha256.New()
	for n := 0; ; n++ {
		header, err := r.Next()
		switch {
		case n == 0 && err != nil:
			return s, errForeign
		case err != nil:
			return s, fmt.Errorf("%w: %w", errDamaged, err)
		case !isPart(header, n):
			return s, fmt.Errorf("%w: it holds %q", errForeign, header.Name)
		case header.Name == sumName:
			s.Missing, _ = strconv.Atoi(header.PAXRecords[missingRecord])
			return s, readEnd(from, r, sum)
		}
		begin(sum, header.Name, header.Size)
		part := &reader{io.TeeReader(r, sum), nil}
		switch n {
		case 0:
			err = readManifest(part, &s.Manifest)
		default:
			err = keep(header.Name, part)
			if n == 1 {
				s.Database = header.Size
			} else {
				s.Images++
			}
		}
		if err == nil {
			_, err = io.Copy(io.Discard, part)
		}
		if part.err != nil {
			err = fmt.Errorf("%w: %w", errDamaged, part.err)
		}
		if err != nil {
			return s, err
		}
	}
}

// A reader remembers that it could not read, which keep may take for its own failure.
type reader struct {
	io.Reader
	err error
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// isPart tells whether a part may stand where it does: nothing but plain files of the names that are known.
func isPart(h *tar.Header, n int) bool {
	for name := range h.PAXRecords {
		if strings.HasPrefix(name, "GNU.") { // sparse files, which are larger than what is read
			return false
		}
	}
	if h.Typeflag != tar.TypeReg {
		return false
	}
	switch n {
	case 0:
		return h.Name == manifestName && h.Size <= maxSmall
	case 1:
		return h.Name == databaseName
	}
	return imageName.MatchString(h.Name) || h.Name == sumName && h.Size <= maxSmall
}

func readManifest(from io.Reader, m *Manifest) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, m); err != nil || m.Format == 0 {
		return errForeign
	}
	if m.Format != format {
		return fmt.Errorf("the backup has format %d, and this version of Rejoin reads format %d", m.Format, format)
	}
	return nil
}

func readEnd(from io.Reader, r *tar.Reader, sum hash.Hash) error {
	text, err := io.ReadAll(r)
	if err != nil || string(text) != hex.EncodeToString(sum.Sum(nil)) {
		return errDamaged
	}
	if _, err := r.Next(); err != io.EOF {
		return errDamaged
	}
	_, err = io.Copy(io.Discard, from) // whoever writes does so to the end
	return err
}

package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/memory"
	"github.com/rejoin-dev/rejoin/server/internal/picture"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// How images come and go.
//
// One has a row before it has a file, and is shown from when a transaction says so: a crash leaves nothing that is not found.
// Whoever ends that it is shown does so in a transaction, too, and removes the file then; if that is cut off or fails, the sweep
// does it.

const (
	// pictureMemory is how much memory images may take at once while they are written anew, however many come.
	pictureMemory = picture.MaxMemory
	// picturePatience is how long one waits for its turn, in a file.
	picturePatience = 20 * time.Second
	// keptAtOnce is how many images are kept at a time: the others wait in files, where they stand in nobody's way to the database
	// and to its disk.
	keptAtOnce = 4
	// arrivesWithin is how long an image can be on its way: much longer than any request.
	arrivesWithin = time.Hour
	// collected is how much memory an image takes that is worth to be given back at once, so that the next one does not come on top.
	collected = 8 << 20
)

// An upload is an image that has arrived and is not shown yet. The zero upload is none.
type upload struct {
	id    string
	bytes int64
}

// takePicture waits for so much memory to write an image anew in, and returns what gives it back.
func (k *core) takePicture(ctx context.Context, bytes int64) (giveBack func(), err error) {
	for range picturePatience / memory.Patience {
		var release func()
		if release, err = k.pictures.Take(ctx, bytes); err == nil {
			return func() {
				if bytes >= collected {
					runtime.GC()
				}
				release()
			}, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// receive takes in an image of an account while it arrives, as the part of a form: it is written anew, and kept, and not shown yet.
func (k *core) receive(ctx context.Context, account int64, part string, content io.Reader) (upload, error) {
	sent, err := k.scratch()
	if err != nil {
		return upload{}, err
	}
	defer sent.Close()
	size, err := io.Copy(sent, content)
	if err != nil {
		return upload{}, err
	}
	written, err := k.scratch()
	if err != nil {
		return upload{}, err
	}
	defer written.Close()
	if err := k.rewrite(ctx, io.NewSectionReader(sent, 0, size), written); err != nil {
		return upload{}, refused(part, err)
	}
	bytes, err := written.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = written.Seek(0, io.SeekStart)
	}
	if err != nil {
		return upload{}, err
	}
	id, err := k.newImageID()
	if err != nil {
		return upload{}, err
	}
	if err := k.keeping.Acquire(ctx, 1); err != nil {
		return upload{}, err
	}
	defer k.keeping.Release(1)
	up := upload{id, bytes}
	_, err = inTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) {
		return none, tx.Images.Insert(ctx, up.id, account, k.now())
	})
	if err != nil {
		return upload{}, err
	}
	return up, k.images.Put(ctx, up.id, written)
}

// newImageID makes the id of an image, which is all that it takes to see one: it is a secret.
func (k *core) newImageID() (string, error) {
	id, err := k.secret(16)
	return hex.EncodeToString(id), err
}

func (k *core) rewrite(ctx context.Context, from *io.SectionReader, to io.Writer) error {
	found, err := picture.Look(from)
	if err != nil {
		return err
	}
	giveBack, err := k.takePicture(ctx, found.Memory())
	if err != nil {
		return err
	}
	defer giveBack()
	return found.Write(ctx, to)
}

// refused says what is wrong with an image.
func refused(part string, err error) error {
	large := (*picture.LargeError)(nil)
	switch {
	case errors.Is(err, picture.ErrBroken):
		return contract.Invalid(contract.Field("/"+part, gen.FieldCodeMalformed, "must be a whole image that can be decoded"))
	case errors.As(err, &large):
		return contract.Invalid(contract.Field("/"+part, gen.FieldCodeTooLarge, large.What))
	}
	return err
}

// scratch is a file for what is on its way, so that it does not wait in memory. It has no name, if the system lets it have
// none, and is gone when it is closed or the process ends.
func (k *core) scratch() (*scratch, error) {
	file, err := os.CreateTemp(k.data, scratchName+"*")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", images.ErrUnavailable, err)
	}
	return &scratch{file, os.Remove(file.Name()) != nil}, nil
}

// scratchName is how the names begin that such files have for a moment.
const scratchName = ".rejoin.upload-"

// removeScratch removes those that a process has left that died before it could take their names, if they have not changed
// since before.
func (k *core) removeScratch(before time.Time) error {
	entries, err := os.ReadDir(k.data)
	if err != nil {
		return err
	}
	var all error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), scratchName) {
			continue
		}
		info, err := entry.Info()
		if err == nil && info.ModTime().Before(before) {
			err = os.Remove(filepath.Join(k.data, entry.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

type scratch struct {
	*os.File
	named bool
}

// Write fails with ErrUnavailable: the disk is full, or worse.
func (s *scratch) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", images.ErrUnavailable, err)
	}
	return n, err
}

// ReadFrom lets nothing go past Write.
func (s *scratch) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{s}, r) }

// Close ends the file.
func (s *scratch) Close() error {
	err := s.File.Close()
	if s.named {
		err = errors.Join(err, os.Remove(s.Name()))
	}
	return err
}

// show makes an upload one that is shown, in the transaction of what shows it.
func (k *core) show(ctx context.Context, tx *store.Tx, up upload) error {
	if up.id == "" {
		return nil
	}
	return shownAs(tx.Images.Show(ctx, up.id, up.bytes))
}

// showToSome is show of one that is not for everybody who knows its id.
func (k *core) showToSome(ctx context.Context, tx *store.Tx, up upload) error {
	if up.id == "" {
		return nil
	}
	return shownAs(tx.Images.ShowToSome(ctx, up.id, up.bytes))
}

func shownAs(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: an image was given up while it arrived", store.ErrUnavailable)
	}
	return err
}

// giveUp removes an image that was kept for what then was refused. Any other failure leaves it to the sweep: only the answer to
// a commit may have been lost.
func (k *core) giveUp(ctx context.Context, up upload, failure error) error {
	refused, full := (*contract.Error)(nil), (*store.LimitError)(nil)
	if errors.As(failure, &refused) || errors.As(failure, &full) {
		k.images.Remove(ctx, up.id)
	}
	return failure
}

// sweptAtOnce is how many images one step of the sweep removes.
const sweptAtOnce = 100

// sweepImages removes images that nothing shows: those that have left and whose files are still there, and those that have been
// arriving for too long. It asks only for images that have a row here: other files in the same place are none of its business.
func (k *core) sweepImages(ctx context.Context) error {
	now := k.now()
	all := errors.Join(k.removeScratch(now.Add(-arrivesWithin)), k.images.Sweep(now.Add(-arrivesWithin)))
	_, err := inTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) {
		return none, tx.Images.GiveUp(ctx, now.Add(-arrivesWithin), now)
	})
	if err != nil {
		return errors.Join(all, err)
	}
	_, err = k.inSteps(ctx, func(tx *store.Tx) (bool, error) { return tx.Images.LeaveEnded(ctx, sweptAtOnce, now) }) // the rest, next time
	if all = errors.Join(all, err); ctx.Err() != nil {
		return all
	}
	for last := (store.LeavingImage{}); ; {
		leaving, err := k.store.Images.ListLeaving(ctx, last, sweptAtOnce)
		if err != nil || len(leaving) == 0 {
			return errors.Join(all, err)
		}
		var gone []store.LeavingImage
		var failed error
		for _, image := range leaving {
			if err := k.images.Delete(ctx, image.ID); err != nil {
				failed = err // one of them says enough
				continue
			}
			gone = append(gone, image)
		}
		_, err = inTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) {
			for _, image := range gone {
				if err := tx.Images.Delete(ctx, image.ID); err != nil {
					return none, err
				}
			}
			return none, nil
		})
		if all = errors.Join(all, failed); err != nil || ctx.Err() != nil {
			return errors.Join(all, err, ctx.Err())
		}
		if len(gone) == 0 { // nothing can be removed now
			return all
		}
		last = leaving[len(leaving)-1]
	}
}

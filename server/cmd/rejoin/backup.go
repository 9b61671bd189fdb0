package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rejoin-dev/rejoin/server"
	"github.com/rejoin-dev/rejoin/server/internal/backup"
	"github.com/rejoin-dev/rejoin/server/internal/durable"
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/owner"
)

// errUsePostgres is what both commands say where they are not the right ones.
var errUsePostgres = errors.New("a PostgreSQL database is copied with pg_dump and put back with pg_restore; images stay where they are kept: copy their directory or bucket after pg_dump")

type backupCommand struct {
	storage
	File    string `arg:"" help:"File to write; - is standard output." placeholder:"FILE"`
	Replace bool   `aliases:"overwrite" help:"Replace the file if it is there."`
}

func (c backupCommand) Run(ctx context.Context, t terminal) error {
	if c.DB != "" {
		return errUsePostgres
	}
	var made backup.Summary
	fill := func(to io.Writer) error {
		return c.ask(ctx, t, func(o *owner.Client) error {
			stream, err := o.Backup(ctx)
			if err != nil {
				return err
			}
			defer stream.Close()
			made, err = backup.Pass(ctx, stream, to)
			return err
		})
	}
	if err := c.write(t, fill); err != nil {
		return err
	}
	fmt.Fprintf(t.err, "rejoin: backed up the database (%d bytes) and %s\n", made.Database, counted(made.Images, "image"))
	if made.Missing > 0 {
		return fmt.Errorf("not found where images are kept: %s that the database refers to; --images names another place. The backup is kept, whole but for that", counted(made.Missing, "image"))
	}
	return nil
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// write writes a file that is there once it is whole.
func (c backupCommand) write(t terminal, fill func(io.Writer) error) error {
	if c.File == "-" {
		return fill(destination{t.out, "standard output"})
	}
	begun, filled := false, false
	into := func(to io.Writer) error {
		begun = true
		err := fill(destination{to, c.File})
		filled = err == nil
		return err
	}
	place := durable.Create
	if c.Replace {
		place = durable.Write
		if info, err := os.Lstat(c.File); err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file, and is not replaced; to write into it, let - be the file and redirect the output", c.File)
		}
	}
	err := place(c.File, into)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there already; --replace replaces it", c.File)
	case err != nil && !begun: // the error names a file that nobody has asked for
		return fmt.Errorf("no file can be made in %s: %w", filepath.Dir(c.File), reason(err))
	case err != nil && filled:
		return fmt.Errorf("%s cannot be written: %w", c.File, reason(err))
	}
	return err
}

// A destination says, when it cannot be written, what it is to the user.
type destination struct {
	io.Writer
	name string
}

func (d destination) Write(p []byte) (int, error) {
	n, err := d.Writer.Write(p)
	if err != nil {
		err = fmt.Errorf("%s cannot be written: %w", d.name, reason(err))
	}
	return n, err
}

// reason is why the system refuses, without the name of the file.
func reason(err error) error {
	if system := syscall.Errno(0); errors.As(err, &system) {
		return system
	}
	return err
}

type restoreCommand struct {
	storage
	File string `arg:"" help:"Backup to read; - is standard input." placeholder:"FILE"`
}

func (c restoreCommand) Run(ctx context.Context, t terminal) error {
	if c.DB != "" {
		return errUsePostgres
	}
	if err := c.checkUser(); err != nil {
		return err
	}
	from := t.in
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("the backup cannot be read: %w", err)
		}
		defer file.Close()
		from = file
	}
	read, missing, err := backup.Restore(ctx, from, filepath.Join(c.Data, server.DatabaseFile), func() (*images.Store, error) {
		return images.Open(ctx, c.config().ImagesAt(), slog.New(slog.DiscardHandler))
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(t.err, "rejoin: restored the database (%d bytes) and %s, as they were at %s\n",
		read.Database, counted(read.Images, "image"), read.Made.Format("2006-01-02 15:04:05 UTC"))
	if c.lacksKey() {
		fmt.Fprintf(t.err, "rejoin: the secret key is in no backup: if codes of vouchers and the like are sealed, put the copy of it back as %s before the server starts\n", c.keyFile())
	}
	if missing > 0 {
		fmt.Fprintf(t.err, "rejoin: warning: the backup does not have %s that the database refers to\n", counted(missing, "image"))
	}
	return nil
}

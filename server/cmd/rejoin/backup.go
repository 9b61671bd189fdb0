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
	File      string `arg:"" help:"File to write; - is standard output." placeholder:"FILE"`
	Overwrite bool   `help:"Replace the file if it is there."`
}

func (c backupCommand) Run(ctx context.Context, t terminal) error {
	if c.DB != "" {
		return errUsePostgres
	}
	var made backup.Summary
	fill := func(to io.Writer) error {
		return c.ask(ctx, func(o *owner.Client) error {
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
	fmt.Fprintf(t.err, "rejoin: backed up the database (%d bytes) and %d images\n", made.Database, made.Images)
	return nil
}

// write writes a file that is there once it is whole.
func (c backupCommand) write(t terminal, fill func(io.Writer) error) error {
	switch {
	case c.File == "-":
		return fill(t.out)
	case c.Overwrite:
		if info, err := os.Lstat(c.File); err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file, and is not replaced; to write into it, let - be the file and redirect the output", c.File)
		}
		return durable.Write(c.File, fill)
	}
	err := durable.Create(c.File, fill)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; --overwrite replaces it", c.File)
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
	fmt.Fprintf(t.err, "rejoin: restored the database (%d bytes) and %d images, as they were at %s\n",
		read.Database, read.Images, read.Made.Format("2006-01-02 15:04:05 UTC"))
	if missing > 0 {
		fmt.Fprintf(t.err, "rejoin: %d images that the database refers to are not in the backup\n", missing)
	}
	return nil
}

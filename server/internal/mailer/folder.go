package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// A folder keeps mails as files named by their ids, for whoever runs the server to read.
type folder struct {
	dir string
	log *slog.Logger
}

func openFolder(dir string, log *slog.Logger) (folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return folder{}, fmt.Errorf("mails cannot be kept in the data directory: %w", err)
	}
	return folder{dir: dir, log: log}, nil
}

func (f folder) Send(ctx context.Context, message Message) error {
	composed, err := compose("no-reply@rejoin.local", message)
	if err != nil {
		return err
	}
	path := filepath.Join(f.dir, message.ID+".eml")
	// Under another name until it is whole.
	file, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("a mail cannot be written: %w", err)
	}
	_, err = composed.WriteTo(file)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(path+".part", path)
	}
	if err != nil {
		return fmt.Errorf("a mail cannot be written: %w", errors.Join(err, os.Remove(path+".part")))
	}
	f.log.LogAttrs(ctx, slog.LevelInfo, "a mail was written to a file, because no SMTP server is set", slog.String("path", path))
	return nil
}

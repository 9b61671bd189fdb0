package mailer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/durable"
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
	return folder{dir: dir, log: log}, removeParts(dir)
}

// takesAtMost is much longer than a mail takes to be written.
const takesAtMost = time.Hour

// removeParts removes what processes have left that died while they wrote a mail.
func removeParts(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("mails cannot be kept in the data directory: %w", err)
	}
	defer root.Close()
	entries, err := os.ReadDir(dir)
	if err == nil {
		err = durable.RemoveParts(root, entries, time.Now().Add(-takesAtMost))
	}
	return err
}

func (f folder) Send(ctx context.Context, message Message) error {
	composed, err := compose("no-reply@rejoin.local", message)
	if err != nil {
		return err
	}
	path := filepath.Join(f.dir, message.ID+".eml")
	if err := durable.Write(path, func(to io.Writer) error { _, err := composed.WriteTo(to); return err }); err != nil {
		return fmt.Errorf("a mail cannot be written: %w", err)
	}
	f.log.LogAttrs(ctx, slog.LevelInfo, "a mail was written to a file, because no SMTP server is set", slog.String("path", path))
	return nil
}

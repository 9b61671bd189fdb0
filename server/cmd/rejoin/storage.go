package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/rejoin-dev/rejoin/server"
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/owner"
)

// storage says where the data is; every subcommand that opens it has these flags.
type storage struct {
	Data   string `default:"./rejoin-data" help:"Directory of the SQLite database, the images, and mails that are not sent." placeholder:"DIR"`
	DB     string `name:"db" help:"PostgreSQL database to use instead of SQLite." placeholder:"postgres://..."`
	Images string `help:"Where images are kept instead: a directory, or an S3 bucket as s3://BUCKET/PREFIX?endpoint=URL&region=REGION, with the credentials in $$AWS_ACCESS_KEY_ID and $$AWS_SECRET_ACCESS_KEY." placeholder:"DIR|s3://..."`
}

func (s storage) config() server.Config {
	return server.Config{Data: s.Data, Database: s.DB, Images: s.Images}
}

// database is the kind of database, for people.
func (s storage) database() string {
	if s.DB != "" {
		return "PostgreSQL"
	}
	return "SQLite"
}

// Validate refuses what would otherwise be taken for the path of a file. It does not repeat a URL that may hold a password.
func (s storage) Validate() error {
	if s.Data == "" {
		return errors.New("--data must be a directory, and is empty")
	}
	if err := images.Validate(s.Images); err != nil {
		return fmt.Errorf("--images %w", err)
	}
	if s.DB == "" {
		return nil
	}
	if u, err := url.Parse(s.DB); err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return errors.New("--db must be a URL such as postgres://user:password@host:5432/database, with special characters in the password written as %40 and the like")
	}
	return nil
}

// hasDatabase tells whether there is a SQLite database. An empty file is none: SQLite makes it first.
func (s storage) hasDatabase() bool {
	info, err := os.Stat(filepath.Join(s.Data, server.DatabaseFile))
	return err == nil && info.Size() > 0
}

// A server that starts or stops has the data already, or still, and does not answer: it gets this long to do either.
const (
	ownerPatience = 10 * time.Second
	ownerPause    = 50 * time.Millisecond
)

// ask puts a question to the owner of the data directory: to the server that runs, or else to one that is opened for it.
// It makes no database.
func (s storage) ask(ctx context.Context, t terminal, question func(*owner.Client) error) error {
	for end := time.Now().Add(ownerPatience); ; {
		err := question(owner.At(s.Data))
		if !errors.Is(err, owner.ErrNobody) {
			return err
		}
		if !s.hasDatabase() {
			return fmt.Errorf("there is no database in %s: rejoin serve makes one; one in PostgreSQL is named by --db or $REJOIN_DB", s.Data)
		}
		err = s.openAndAsk(ctx, t, question)
		if inUse := (*owner.InUseError)(nil); !errors.As(err, &inUse) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(ownerPause):
		}
	}
}

func (s storage) openAndAsk(ctx context.Context, t terminal, question func(*owner.Client) error) error {
	if err := s.checkUser(); err != nil {
		return err
	}
	opened, err := s.open(ctx)
	if err != nil {
		return err
	}
	sealed, err := opened.HasSealed(ctx)
	if err == nil && sealed && s.lacksKey() {
		fmt.Fprintf(t.err, "rejoin: warning: what is sealed in the database does not open without its secret key, and no server starts: put back %s\n", s.keyFile())
	}
	return errors.Join(err, question(owner.At(s.Data)), opened.Close())
}

// keyFile is where the secret key of a SQLite database is.
func (s storage) keyFile() string { return filepath.Join(s.Data, server.SecretFile) }

// lacksKey tells whether a server that starts with the same environment would have no secret key.
func (s storage) lacksKey() bool {
	_, err := os.Stat(s.keyFile())
	return errors.Is(err, fs.ErrNotExist) && os.Getenv("REJOIN_SECRET_KEY") == ""
}

// open opens the data for a command. What there is to do in the background it leaves to servers.
func (s storage) open(ctx context.Context) (*server.Server, error) {
	config := s.config()
	config.CommandsOnly = true
	return server.New(ctx, config)
}

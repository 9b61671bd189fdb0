package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"

	"github.com/rejoin-dev/rejoin/server"
)

type tokenCommand struct {
	storage
	Email string `required:"" help:"Address of the account." placeholder:"you@example.com"`
}

func (c tokenCommand) Validate() error {
	if c.Email == "" {
		return nil // that it is required is said with what else is
	}
	if address, err := mail.ParseAddress(c.Email); err != nil || address.Address != c.Email {
		return fmt.Errorf("--email must be an e-mail address, and is %q", c.Email)
	}
	return c.storage.Validate()
}

func (c tokenCommand) Run(ctx context.Context, t terminal) (err error) {
	if c.DB == "" {
		if _, err := os.Stat(filepath.Join(c.Data, server.DatabaseFile)); errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(t.err, "rejoin: there is no database in %s; this makes a new one\n", c.Data)
		}
	}
	config := c.config()
	config.Idle = true // a running server does what there is to do
	s, err := server.New(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	token, err := s.Token(ctx, c.Email)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, token)
	return nil
}

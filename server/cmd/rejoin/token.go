package main

import (
	"context"
	"errors"
	"fmt"
	"net/mail"

	"github.com/rejoin-dev/rejoin/server/internal/owner"
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

func (c tokenCommand) Run(ctx context.Context, t terminal) error {
	answer, err := c.token(ctx)
	if err != nil {
		return err
	}
	if answer.New {
		fmt.Fprintf(t.err, "rejoin: there was no account %s; it is made\n", c.Email)
	}
	fmt.Fprintln(t.out, answer.Token)
	return nil
}

func (c tokenCommand) token(ctx context.Context) (answer owner.TokenAnswer, err error) {
	if c.DB == "" {
		err = c.ask(ctx, func(o *owner.Client) error { answer, err = o.Token(ctx, c.Email); return err })
		return answer, err
	}
	s, err := c.open(ctx) // any number of them may
	if err != nil {
		return answer, err
	}
	answer.Token, answer.New, err = s.Token(ctx, c.Email)
	return answer, errors.Join(err, s.Close())
}

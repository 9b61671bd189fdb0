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
	Email        string `required:"" help:"Address of the account." placeholder:"you@example.com"`
	EndTwoFactor bool   `help:"Also switch two-factor off, for who has lost both the app and the recovery codes. Make sure who it is that asks."`
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
	answer, err := c.token(ctx, t)
	if err != nil {
		return err
	}
	if answer.New {
		fmt.Fprintf(t.err, "rejoin: there was no account %s; it is made\n", c.Email)
	}
	switch {
	case answer.TwoFactor && c.EndTwoFactor:
		fmt.Fprintf(t.err, "rejoin: two-factor of %s is off now\n", c.Email)
	case answer.TwoFactor:
		fmt.Fprintf(t.err, "rejoin: two-factor of %s is on, and this token is good without it\n", c.Email)
	case c.EndTwoFactor:
		fmt.Fprintf(t.err, "rejoin: two-factor of %s was not on\n", c.Email)
	}
	fmt.Fprintln(t.out, answer.Token)
	return nil
}

func (c tokenCommand) token(ctx context.Context, t terminal) (answer owner.TokenAnswer, err error) {
	if c.DB == "" {
		asked := owner.TokenRequest{Email: c.Email, EndTwoFactor: c.EndTwoFactor}
		err = c.ask(ctx, t, func(o *owner.Client) error { answer, err = o.Token(ctx, asked); return err })
		return answer, err
	}
	s, err := c.open(ctx) // any number of them may
	if err != nil {
		return answer, err
	}
	answer.Token, answer.New, err = s.Token(ctx, c.Email)
	if err == nil {
		answer.TwoFactor, err = s.TwoFactor(ctx, c.Email, c.EndTwoFactor)
	}
	return answer, errors.Join(err, s.Close())
}

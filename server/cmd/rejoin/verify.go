package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rejoin-dev/rejoin/server/internal/owner"
)

type verifyCommand struct{ storage }

func (c verifyCommand) Run(ctx context.Context, t terminal) error {
	found := 0
	differs := func(difference string) {
		found++
		fmt.Fprintln(t.out, difference)
	}
	if err := c.verify(ctx, t, differs); err != nil {
		return err
	}
	if found > 0 {
		fmt.Fprintf(t.err, "rejoin: %d numbers are not what they are made of\n", found)
		return errFailed
	}
	fmt.Fprintln(t.err, "rejoin: every number that is kept is what it is made of")
	return nil
}

func (c verifyCommand) verify(ctx context.Context, t terminal, differs func(string)) error {
	if c.DB == "" {
		return c.ask(ctx, t, func(o *owner.Client) error { return o.Verify(ctx, differs) })
	}
	s, err := c.open(ctx) // any number of them may
	if err != nil {
		return err
	}
	return errors.Join(s.Verify(ctx, differs), s.Close())
}

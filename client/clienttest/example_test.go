package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/client/clienttest"
)

func ExampleNew() {
	t := newT() // In a test, this is its *testing.T, and nothing needs to be ended.
	defer t.end()

	c := clienttest.New(t)
	club, err := c.Servers.Create(context.Background(), client.ServerCreate{Name: "Chess club"})
	if err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(club.Name)
	// Output: Chess club
}

// Two accounts, and a day that passes.
func ExampleStart() {
	t := newT() // In a test, this is its *testing.T, and nothing needs to be ended.
	defer t.end()
	ctx := context.Background()

	s := clienttest.Start(t)
	s.SetTime(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
	vera, ben := s.Client("vera@example.com"), s.Client("ben@example.com")
	club, err := vera.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		t.Fatalf("%v", err)
	}
	invite, err := vera.Invites.Create(ctx, club.ID, client.InviteCreate{Uses: 1})
	if err != nil {
		t.Fatalf("%v", err)
	}
	if _, err := ben.Servers.Join(ctx, club.ID, client.WithInvite(invite.Code)); err != nil {
		t.Fatalf("%v", err)
	}
	for range 3 {
		visit, err := ben.Servers.Visit(ctx, club.ID)
		if err != nil {
			t.Fatalf("%v", err)
		}
		fmt.Println(s.Now().Format(time.DateTime), visit.Counted)
		s.Advance(8 * time.Hour)
	}
	// Output:
	// 2030-01-01 12:00:00 true
	// 2030-01-01 20:00:00 false
	// 2030-01-02 04:00:00 true
}

func ExampleServer_Code() {
	t := newT() // In a test, this is its *testing.T, and nothing needs to be ended.
	defer t.end()
	ctx := context.Background()

	s := clienttest.Start(t)
	c := s.Visitor()
	_, err := c.Auth.Register(ctx, client.AccountCreate{Email: "vera@example.com", Password: "a long passphrase"})
	if err != nil {
		t.Fatalf("%v", err)
	}
	session, err := c.Auth.VerifyEmail(ctx, "vera@example.com", s.Code("vera@example.com"), client.WithPassword("a long passphrase"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(session.Account.Verified)
	// Output: true
}

// The first two answers say that the API is unavailable. How many attempts does a program need?
func ExampleWithFault() {
	t := newT() // In a test, this is its *testing.T, and nothing needs to be ended.
	defer t.end()

	c := clienttest.New(t, clienttest.WithFault("status=503; times=2"), client.WithRetry(client.Retry{Attempts: 2, Backoff: time.Millisecond}))
	_, err := c.Servers.List(context.Background())
	if failure, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println("failed after", failure.Attempts)
	}
	_, err = c.Servers.List(context.Background())
	fmt.Println(err)
	// Output:
	// failed after 2
	// <nil>
}

// exampleT stands where a test has its *testing.T.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func newT() *exampleT { return &exampleT{} }

func (t *exampleT) Helper()                   {}
func (t *exampleT) Cleanup(f func())          { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Errorf(f string, a ...any) { log.Printf(f, a...) }
func (t *exampleT) Fatalf(f string, a ...any) { log.Fatalf(f, a...) }

func (t *exampleT) TempDir() string {
	dir, err := os.MkdirTemp("", "rejoin-example-")
	if err != nil {
		log.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (t *exampleT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

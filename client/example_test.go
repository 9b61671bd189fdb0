package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"log"
	"net/http/httptest"
	"os"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/server"
)

func Example() {
	url, token, stop := newServer()
	defer stop()

	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	if _, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"}); err != nil {
		log.Fatal(err)
	}
	servers, err := c.Servers.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range servers {
		fmt.Println(s.Name)
	}
	// Output: Chess club
}

func ExampleServersService_Create() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	// Any reader will do: an *os.File, the body of another request, or what was just drawn.
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		log.Fatal(err)
	}
	created, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club", Image: &picture})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("created", created.Name)

	address, err := created.Image.Get() // Fails if there is none.
	if err != nil {
		log.Fatal(err)
	}
	stored, err := c.Servers.Image(ctx, address)
	if err != nil {
		log.Fatal(err)
	}
	defer stored.Close()
	board, err := png.Decode(stored)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stored.ContentType, board.Bounds().Size())
	// Output:
	// created Chess club
	// image/png (8,8)
}

func ExampleServersService_Update() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	created, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}

	// What is left out stays as it is.
	updated, err := c.Servers.Update(ctx, created.ID, client.ServerUpdate{Name: new("Chess and Go club")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(updated.Name)
	// Output: Chess and Go club
}

func ExampleServersService_Members() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	created, err := c.Servers.Create(ctx, client.ServerCreate{Name: "Chess club"})
	if err != nil {
		log.Fatal(err)
	}

	for member, err := range c.Servers.Members(ctx, created.ID) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(member.ID == created.Owner.ID, member.Roles)
	}
	// Output: true [@all]
}

// Ask for the kind of a failure with errors.Is.
func ExampleError() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}

	_, err = c.Servers.Get(context.Background(), "66a282dab13eee0013cbb4d8")
	switch {
	case errors.Is(err, client.ErrNotFound):
		fmt.Println("no such server, or not one of mine")
	case errors.Is(err, client.ErrUnavailable):
		fmt.Println("try again later")
	case err != nil:
		log.Fatal(err)
	}
	// Output: no such server, or not one of mine
}

// Ask for the details of a failure with errors.As, or as here with [errors.AsType].
func ExampleError_fields() {
	url, token, stop := newServer()
	defer stop()
	c, err := client.New(url, client.WithToken(token))
	if err != nil {
		log.Fatal(err)
	}

	_, err = c.Servers.Create(context.Background(), client.ServerCreate{Name: ""})
	if failure, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(failure.Status, failure.Code)
		for _, field := range failure.Fields {
			fmt.Println(field.Pointer, field.Code)
		}
	}
	// Output:
	// 400 invalid_request
	// /name too_short
}

// newServer runs the backend of this repository with an account on it.
func newServer() (url, token string, stop func()) {
	data, err := os.MkdirTemp("", "rejoin-example-")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	backend, err := server.New(ctx, server.Config{Data: data})
	if err != nil {
		log.Fatal(err)
	}
	if token, err = backend.Token(ctx, "vera@example.com"); err != nil {
		log.Fatal(err)
	}
	web := httptest.NewServer(backend.Handler())
	return web.URL, token, func() {
		web.Close()
		if err := errors.Join(backend.Close(), os.RemoveAll(data)); err != nil {
			log.Fatal(err)
		}
	}
}

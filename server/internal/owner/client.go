package owner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rejoin-dev/rejoin/server/internal/cause"
)

// ErrNobody says that nobody answers for a data directory: it has no owner, or one that is starting or stopping.
var ErrNobody = errors.New("no Rejoin runs on the data directory")

// What the owner can be asked: the paths on its socket. Those that read are GET, the others POST.
const (
	PathToken  = "/token"
	PathBackup = "/backup"
	PathVerify = "/verify"
)

// A TokenRequest asks for a session token of an account, which is made if there is none.
type TokenRequest struct {
	Email        string `json:"email"`
	EndTwoFactor bool   `json:"endTwoFactor"` // switch the account's two-factor off
}

// A TokenAnswer is the token, whether the account was made for it, and whether two-factor is on, of which the token does not
// ask anything, or was until it was to be switched off.
type TokenAnswer struct {
	Token     string `json:"token"`
	New       bool   `json:"new"`
	TwoFactor bool   `json:"twoFactor"`
}

// A Client asks the owner of a data directory. Every method fails with ErrNobody, at once, if there is none.
type Client struct{ http http.Client }

// At returns the client of a data directory, whether it has an owner or not.
func At(dir string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		short, forget, err := shorten(dir)
		if err != nil {
			return nil, err
		}
		defer forget()
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(short, socketName))
	}
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Token asks for a new session token of an account.
func (c *Client) Token(ctx context.Context, asked TokenRequest) (answer TokenAnswer, err error) {
	body, err := json.Marshal(asked)
	if err != nil {
		return answer, err
	}
	stream, err := c.ask(ctx, http.MethodPost, PathToken, body)
	if err != nil {
		return answer, err
	}
	defer stream.Close()
	if err := json.NewDecoder(stream).Decode(&answer); err != nil {
		return answer, fmt.Errorf("the server that runs has not answered: %w", cause.Of(err))
	}
	return answer, nil
}

// Backup asks for a backup of the data (package backup). One that breaks off is not whole. The caller closes it.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	return c.ask(ctx, http.MethodGet, PathBackup, nil)
}

// A Verified is a line of the answer to PathVerify: a difference, or at last that there are no more.
type Verified struct {
	Difference string `json:"difference,omitempty"`
	Failed     string `json:"failed,omitempty"` // why there will be no more lines
	Done       bool   `json:"done,omitempty"`
}

// Verify asks for every number that is kept and is not what it is made of, and calls differs with each of them.
func (c *Client) Verify(ctx context.Context, differs func(string)) error {
	stream, err := c.ask(ctx, http.MethodGet, PathVerify, nil)
	if err != nil {
		return err
	}
	defer stream.Close()
	for lines := json.NewDecoder(stream); ; {
		var line Verified
		if err := lines.Decode(&line); err != nil {
			return fmt.Errorf("the server that runs has not compared everything: %w", cause.Of(err))
		}
		switch {
		case line.Done:
			return nil
		case line.Failed != "":
			return fmt.Errorf("the server that runs has not compared everything: %s", line.Failed)
		}
		differs(line.Difference)
	}
}

// maxRefusal is how much is read of why the owner refuses.
const maxRefusal = 1 << 10

func (c *Client) ask(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://rejoin"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	switch {
	case errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNobody
	case err != nil:
		return nil, fmt.Errorf("the server that runs cannot be asked: %w", cause.Of(err))
	case answer.StatusCode == http.StatusOK:
		return answer.Body, nil
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil, errors.New("the server that runs is of another version and does not know this command; restart it")
	}
	why, err := io.ReadAll(io.LimitReader(answer.Body, maxRefusal))
	return nil, errors.Join(errors.New(strings.TrimSpace(string(why))), err)
}

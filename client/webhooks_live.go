package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/client/webhook"
	"github.com/rejoin-dev/rejoin/gen"
)

// LiveEvent is something that has happened.
type LiveEvent struct {
	// Position is where it stands. [WebhooksService.Follow] goes on behind it, within 24 hours.
	Position string
	// Event is what has happened: a pointer to one of the types of package github.com/rejoin-dev/rejoin/client/webhook, such as
	// *webhook.MessagePosted, or *webhook.Unknown for what this version does not know; or a *[StreamReady].
	Event any
}

// StreamReady says that what happens from now on is followed.
type StreamReady struct {
	// Resumed tells whether nothing is left out since the position before. If it is false, read anew what you show.
	Resumed bool `json:"resumed"`
}

// How long Follow waits before it connects again, at least and at most.
const (
	liveWait     = time.Second
	liveMostWait = 30 * time.Second // but for a Retry-After that asks for more
	liveSilence  = time.Minute      // after which a connection is dead: there is a sign of life three times as often
	mostOfEvent  = 4 << 20          // bytes
)

// Follow returns an iterator over what happens in a community, as it happens: everything that the caller may see. Without a server, it is that
// of the API key, or the only one of the account. Without a position it begins now, with a *[StreamReady]; behind one, it goes on where it was,
// within 24 hours.
//
// The first connection fails as any call does. Once it was there, it is made again by itself, for as long as the context lasts, and goes on where
// it was. If that cannot be, because it was away for too long, another *[StreamReady] says so. An event may be yielded twice: its ID tells the
// same one. What the API refuses, such as a credential that has ended, is yielded as an error, which is the last; so is the error of the context.
//
// For members, and API keys with [PermissionWebhooks], and user API keys with [UserPermissionReadOwnMessages].
func (s *WebhooksService) Follow(ctx context.Context, serverID, position string) iter.Seq2[LiveEvent, error] {
	return func(yield func(LiveEvent, error) bool) {
		f := stream{position: position, wait: liveWait, clock: s.clock, open: func(ctx context.Context, position string) (*http.Response, error) {
			params := &gen.StreamEventsParams{ServerID: optional(serverID), LastEventID: optional(position)}
			return s.api.StreamEvents(ctx, params, header("Accept", "text/event-stream"))
		}}
		for {
			more, err := f.connect(ctx, yield)
			if !more {
				return
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(LiveEvent{}, err)
				return
			}
			s.clock.sleep(ctx, f.wait+s.clock.random(f.wait/2)) // connect says that the context has ended
			f.wait = min(2*f.wait, liveMostWait)
		}
	}
}

// A stream goes on over any number of connections.
type stream struct {
	open     func(ctx context.Context, position string) (*http.Response, error)
	position string
	// connected tells whether it ever was, and begun whether anything has been yielded.
	connected, begun bool
	wait             time.Duration // before the next connection
	clock            clock
}

// connect yields what comes on one connection. The error is one after which there is no sense in another one.
func (f *stream) connect(ctx context.Context, yield func(LiveEvent, error) bool) (more bool, err error) {
	connection, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := f.open(connection, f.position)
	if err == nil {
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			err = newError(res)
		}
	}
	if err != nil {
		refused, is := errors.AsType[*Error](err)
		if !f.connected || is && lasting(refused) || ctx.Err() != nil {
			return true, err
		}
		if is {
			f.wait = max(f.wait, refused.RetryAfter)
		}
		return true, nil
	}
	f.connected, f.wait = true, liveWait
	silence := time.AfterFunc(liveSilence, cancel)
	defer silence.Stop()
	for e, err := range sent(res.Body, func() { silence.Reset(liveSilence) }) {
		if errors.Is(err, bufio.ErrTooLong) {
			return true, fmt.Errorf("rejoin: the stream is not usable: %w", err) // the next connection would begin with the same event
		}
		if err != nil {
			return true, nil // it is broken off, and another one goes on
		}
		if e.retry > 0 {
			f.wait = min(e.retry, liveMostWait)
		}
		if e.id != "" {
			f.position = e.id
		}
		if e.kind == "" {
			continue
		}
		event, err := decoded(e)
		if err != nil {
			return true, err
		}
		if ready, is := event.(*StreamReady); is && f.begun && ready.Resumed {
			continue
		}
		f.begun = true
		if !yield(LiveEvent{f.position, event}, nil) {
			return false, nil
		}
	}
	return true, nil
}

// lasting tells whether a refusal stays one.
func lasting(e *Error) bool {
	return e.Status/100 == 4 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}

func decoded(e sentEvent) (any, error) {
	if e.kind != "stream.ready" {
		return webhook.Decode(e.data)
	}
	ready := new(StreamReady)
	if err := json.Unmarshal(e.data, ready); err != nil {
		return nil, fmt.Errorf("rejoin: the stream is not usable: %w", err)
	}
	return ready, nil
}

// A sentEvent is one as server-sent events have it. One without a kind is a position alone.
type sentEvent struct {
	id, kind string
	data     []byte
	retry    time.Duration
}

// sent reads server-sent events, as far as this API sends such. heard is called at each line.
func sent(body io.Reader, heard func()) iter.Seq2[sentEvent, error] {
	return func(yield func(sentEvent, error) bool) {
		lines := bufio.NewScanner(body)
		lines.Buffer(nil, mostOfEvent)
		var e sentEvent
		for lines.Scan() {
			heard()
			line := lines.Bytes()
			name, value, _ := bytes.Cut(line, []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(name) {
			case "id":
				e.id = string(value)
			case "event":
				e.kind = string(value)
			case "data":
				e.data = append(e.data, value...)
			case "retry":
				if ms, err := strconv.Atoi(strings.TrimSpace(string(value))); err == nil {
					e.retry = time.Duration(ms) * time.Millisecond
				}
			}
			if len(line) > 0 {
				continue
			}
			if !yield(e, nil) {
				return
			}
			e = sentEvent{}
		}
		if err := lines.Err(); err != nil {
			yield(sentEvent{}, err)
		}
	}
}

package server

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/server/internal/memory"
	"github.com/rejoin-dev/rejoin/server/internal/ratelimit"
)

// How much memory requests may take at once, beyond the little that each one needs. It is most of what the process may need
// over idle, see cmd/rejoin. They are apart so that nobody who sends slowly keeps others from reading.
const (
	requestMemory = 64 << 20 // long answers while they are made and sent, images while they are decoded
	bodyMemory    = 18 << 20 // long bodies while they are validated
	senderMemory  = 6 << 20  // long bodies while they arrive: as much as has
)

// keptAnswer is how long an answer may be that needs no share of the memory: the system takes it as a whole, whether it is read
// or not.
const keptAnswer = 64 << 10

// boundAnswers is the middleware that gives an operation whose answers may be long a share of the memory: the lists of the
// store let it grow. While an answer is sent it is as large as that. Who does not read theirs is broken off when others
// need the room.
func (k *core) boundAnswers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, response := c.Request(), c.Response()
		if op := contract.OperationFrom(r.Context()); op == nil || !op.LongAnswers {
			return next(c)
		}
		w := &boundedWriter{ResponseWriter: response.Writer, share: k.memory.Share()}
		defer w.share.Close()
		c.SetRequest(r.WithContext(memory.With(r.Context(), &w.share)))
		response.Writer = w
		err := next(c)
		response.Writer = w.ResponseWriter
		switch {
		case w.refused != nil: // nothing was sent yet
			response.Committed, response.Size = false, 0
			return w.refused
		case w.status != 0:
			w.ResponseWriter.WriteHeader(w.status)
		}
		return err
	}
}

// A boundedWriter sends an answer if there is room for it.
type boundedWriter struct {
	http.ResponseWriter
	share   memory.Share
	status  int   // that was not sent yet
	refused error // why nothing was
}

// Unwrap lets others say how long the connection may take.
func (w *boundedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader keeps the status back until the answer follows.
func (w *boundedWriter) WriteHeader(status int) { w.status = status }

func (w *boundedWriter) Write(p []byte) (int, error) {
	if len(p) > keptAnswer {
		w.refused = w.share.Send(int64(len(p)), func() {
			http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
		})
	}
	if w.refused != nil {
		return 0, w.refused
	}
	if w.status != 0 {
		w.ResponseWriter.WriteHeader(w.status)
		w.status = 0
	}
	return w.ResponseWriter.Write(p)
}

// bodyTurns lets each caller hold one share of the memory for bodies at a time, or a few: whoever sends many slowly keeps only themselves
// waiting.
type bodyTurns struct {
	most    int // at a time; 0: one
	mu      sync.Mutex
	callers map[string]*bodyTurn
}

// A bodyTurn is held by who has put something into taken.
type bodyTurn struct {
	taken chan struct{}
	users int // who hold it or wait for it
}

// A longBody is the room that a long body takes: first what has arrived of it, and then, at once, what it takes to validate it.
// So nobody holds much room who does not send as much, nor for long.
type longBody struct {
	arrived   memory.Share
	validated memory.Share
	breakOff  func()
	end       func() // of the turn
}

// takeBody begins the long body of whoever is calling: an account, the API keys of a community, or a network. It waits for their
// turn.
func (s *Server) takeBody(ctx context.Context, breakOff func()) (contract.Room, error) {
	end, err := s.turns.wait(ctx, bodyOf(ctx))
	if err != nil {
		return nil, err
	}
	return &longBody{arrived: s.senders.Share(), validated: s.bodies.Share(), breakOff: breakOff, end: end}, nil
}

// Arrive implements contract.Room.
func (b *longBody) Arrive(ctx context.Context, bytes int64) error {
	return b.arrived.Receive(ctx, bytes, b.breakOff)
}

// Validate implements contract.Room. Who waits here holds what has arrived of them, but those they wait for wait for nobody.
func (b *longBody) Validate(ctx context.Context, bytes int64) error {
	b.arrived.Received()
	if err := b.validated.Wait(ctx, bytes); err != nil {
		return err
	}
	b.arrived.Close()
	return nil
}

// Leave implements contract.Room.
func (b *longBody) Leave() {
	b.arrived.Close()
	b.validated.Close()
	b.end()
}

func bodyOf(ctx context.Context) string {
	switch who := actorFrom(ctx); {
	case who.key != nil:
		return "community " + who.key.CommunityID
	case who.account != 0:
		return "account " + strconv.FormatInt(who.account, 10)
	}
	return "network " + ratelimit.Network(contract.AddressFrom(ctx))
}

// wait waits for the turn of a caller, for as long as for a share.
func (t *bodyTurns) wait(ctx context.Context, caller string) (end func(), err error) {
	t.mu.Lock()
	if t.callers == nil {
		t.callers = map[string]*bodyTurn{}
	}
	mine := t.callers[caller]
	if mine == nil {
		mine = &bodyTurn{taken: make(chan struct{}, max(1, t.most))}
		t.callers[caller] = mine
	}
	mine.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.users--; mine.users == 0 {
			delete(t.callers, caller)
		}
	}
	patience := time.NewTimer(memory.Patience)
	defer patience.Stop()
	select {
	case mine.taken <- struct{}{}:
		return func() { <-mine.taken; leave() }, nil
	case <-ctx.Done():
	case <-patience.C:
	}
	leave()
	return nil, memory.ErrBusy
}

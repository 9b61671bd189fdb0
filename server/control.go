package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/server/internal/backup"
	"github.com/rejoin-dev/rejoin/server/internal/images"
	"github.com/rejoin-dev/rejoin/server/internal/owner"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// startControl answers, on the socket in the data directory, the commands that need the data while this server has it.
// A server whose directory cannot hold a socket serves all the same, but is of no use to a command that has opened it.
func (s *Server) startControl(config Config) error {
	listener, err := owner.Listen(config.Data)
	if err != nil && !config.CommandsOnly {
		s.log.Warn("the data directory cannot hold a socket: commands such as rejoin token cannot reach this server", slog.Any("error", err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("the data directory cannot hold a socket: %w", err)
	}
	stopping, stop := context.WithCancelCause(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+owner.PathToken, s.answerToken)
	long := func(answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			ctx, end := context.WithCancelCause(r.Context())
			defer end(nil)
			defer context.AfterFunc(stopping, func() { end(context.Cause(stopping)) })()
			answer(w, r.WithContext(ctx))
		}
	}
	mux.HandleFunc("GET "+owner.PathBackup, long(func(w http.ResponseWriter, r *http.Request) { s.answerBackup(w, r, config) }))
	mux.HandleFunc("GET "+owner.PathVerify, long(s.answerVerify))
	s.control = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.control.RegisterOnShutdown(func() { stop(errors.New("the server stops")) })
	go s.control.Serve(listener)
	return nil
}

// stopControl breaks off a backup, which can take long, and lets what else is being answered finish for as long as ctx lasts.
// Then it breaks that off, too. The command notices.
func (s *Server) stopControl(ctx context.Context) {
	if s.control == nil || s.control.Shutdown(ctx) == nil {
		return
	}
	s.log.Warn("a command that this server was answering has not finished in time, and is broken off")
	s.control.Close()
}

func (s *Server) answerToken(w http.ResponseWriter, r *http.Request) {
	var asked owner.TokenRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&asked); err != nil {
		http.Error(w, "this is no request for a token", http.StatusBadRequest)
		return
	}
	token, isNew, err := s.Token(r.Context(), asked.Email)
	twoFactor := false
	if err == nil {
		twoFactor, err = s.TwoFactor(r.Context(), asked.Email, asked.EndTwoFactor)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(owner.TokenAnswer{Token: token, New: isNew, TwoFactor: twoFactor})
}

// stalledAfter is how long a command may leave unread what is written of a backup: others wait for it, and the disk holds it.
const stalledAfter = time.Minute

// answerBackup writes a backup while it is read. If something goes wrong after its beginning it breaks off.
func (s *Server) answerBackup(w http.ResponseWriter, r *http.Request, config Config) {
	begun := &begun{ResponseWriter: w, ctx: r.Context(), control: http.NewResponseController(w), patience: s.patience}
	defer context.AfterFunc(begun.ctx, func() { begun.control.SetWriteDeadline(time.Now()) })()
	err := s.backup(begun.ctx, begun, config)
	if err == nil {
		s.log.Info("a backup was made")
		return
	}
	if cause := context.Cause(begun.ctx); cause != nil {
		err = cause
	}
	s.log.Warn("a backup was not made", slog.Any("error", err))
	if begun.written {
		panic(http.ErrAbortHandler)
	}
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

func (s *Server) backup(ctx context.Context, to io.Writer, config Config) (err error) {
	kept := s.images
	if config.CommandsOnly {
		if kept, err = images.OpenToRead(ctx, config.ImagesAt(), s.log); err != nil {
			return fmt.Errorf("images cannot be read: %w", err)
		}
		defer func() { err = errors.Join(err, kept.Close()) }()
	}
	return backup.Write(ctx, to, s.store, kept, api.Digest, func(id string) {
		s.log.Warn("an image is in the database and not where images are kept: the backup goes without it", slog.String("image", id))
	})
}

// Verify compares every number that is kept with what it is made of, and calls differs with what is not the same.
func (s *Server) Verify(ctx context.Context, differs func(difference string)) error {
	return s.store.Verify(ctx, func(d store.Difference) { differs(d.String()) })
}

func (s *Server) answerVerify(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	last := owner.Verified{Done: true}
	if err := s.Verify(r.Context(), func(difference string) { lines.Encode(owner.Verified{Difference: difference}) }); err != nil {
		last = owner.Verified{Failed: err.Error()}
	}
	lines.Encode(last)
}

// begun knows whether anything of an answer was written. It does not wait forever until that is read, nor after its context
// has ended.
type begun struct {
	http.ResponseWriter
	written  bool
	ctx      context.Context
	control  *http.ResponseController
	patience time.Duration
}

func (b *begun) Write(p []byte) (int, error) {
	b.written = true
	if err := b.control.SetWriteDeadline(time.Now().Add(b.patience)); err != nil {
		return 0, err
	}
	if err := b.ctx.Err(); err != nil { // after the deadline, which is taken back when it ends
		return 0, err
	}
	return b.ResponseWriter.Write(p)
}

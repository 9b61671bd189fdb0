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
	"github.com/rejoin-dev/rejoin/server/internal/owner"
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
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+owner.PathToken, s.answerToken)
	mux.HandleFunc("GET "+owner.PathBackup, func(w http.ResponseWriter, r *http.Request) { s.answerBackup(w, r, config) })
	s.control = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	go s.control.Serve(listener)
	return nil
}

// stopControl lets what is being answered finish for as long as ctx lasts. Then it breaks off, which the command notices.
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
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(owner.TokenAnswer{Token: token, New: isNew})
}

// answerBackup writes a backup while it is read. If something goes wrong after its beginning it breaks off.
func (s *Server) answerBackup(w http.ResponseWriter, r *http.Request, config Config) {
	begun := &begun{ResponseWriter: w}
	err := s.backup(r.Context(), begun, config)
	if err == nil {
		s.log.Info("a backup was made")
		return
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
		if kept, err = s.openImages(ctx, config); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, kept.Close()) }()
	}
	return backup.Write(ctx, to, s.store, kept, api.Digest, func(id string) {
		s.log.Warn("an image is in the database and not where images are kept: the backup goes without it", slog.String("image", id))
	})
}

// begun knows whether anything of an answer was written.
type begun struct {
	http.ResponseWriter
	written bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.written = true
	return b.ResponseWriter.Write(p)
}

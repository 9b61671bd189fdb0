package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/owner"
)

// startControl answers, on the socket in the data directory, the commands that need the data while this server has it.
// A server whose directory cannot hold a socket serves all the same, but is of no use to a command that has opened it.
func (s *Server) startControl(config Config) error {
	listener, err := owner.Listen(config.Data)
	if err != nil && !config.Idle {
		s.log.Warn("the data directory cannot hold a socket: commands such as rejoin token cannot reach this server", slog.Any("error", err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("the data directory cannot hold a socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+owner.PathToken, s.answerToken)
	s.control = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	go s.control.Serve(listener)
	return nil
}

// stopControl lets what is being answered finish for as long as ctx lasts.
func (s *Server) stopControl(ctx context.Context) error {
	if s.control == nil {
		return nil
	}
	if err := s.control.Shutdown(ctx); err != nil {
		return errors.Join(errors.New("a command that this server was answering has not finished in time"), s.control.Close())
	}
	return nil
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

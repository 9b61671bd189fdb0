package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

const (
	// proofLasts is how long what was written proves that more can be.
	proofLasts = 5 * time.Second
	// readyTimeout is how long who asks waits for a proof, before this replica gets no more requests.
	readyTimeout = 2 * time.Second
	// probeTimeout is how long a probe may take, and failureLasts after which one that has failed is tried again.
	probeTimeout = 5 * time.Second
	failureLasts = time.Second
)

// readyz says whether this replica should get requests: whether it is shutting down, and whether what it must write can be
// written. Every request of somebody who writes proves that of the database, as long as it works, so that who asks a busy server
// waits behind nobody. Else it is tried, once for all who ask: by a row, and by a file of 64 KiB among the images.
//
// A replica whose disk is full or read-only is not ready, although it could answer who reads: whoever spreads the load and
// whoever is woken up must know. Images in a bucket are not asked for: all replicas share it, and without it each of them
// still does everything else.
func (s *Server) readyz(c echo.Context) error {
	if s.stopping.Load() {
		return c.String(http.StatusServiceUnavailable, "shutting down\n")
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	for _, kept := range s.kept {
		if err := kept.check(ctx); err != nil {
			if !errors.Is(err, store.ErrAway) { // of which the log has a line already, and needs none for each probe
				s.log.WarnContext(ctx, "not ready", slog.String("reason", kept.fault), slog.Any("error", err))
			}
			return c.String(http.StatusServiceUnavailable, kept.fault+"\n")
		}
	}
	return c.String(http.StatusOK, "ok\n")
}

// keptIn are the places that a server writes to.
func keptIn(k *core) []*kept {
	places := []*kept{{name: "database", fault: "the database takes no writes", lastWrite: k.store.LastWrite, probe: k.store.Probe}}
	if k.images.Local() {
		places = append(places, &kept{name: "images", fault: "the directory of images takes no files",
			lastWrite: func() time.Time { return time.Time{} }, probe: k.images.Probe})
	}
	return places
}

// A kept place is where things are written to.
type kept struct {
	name      string
	fault     string           // what is wrong with it when it cannot be
	lastWrite func() time.Time // when that worked, as far as it is known without a probe
	probe     func(context.Context) error

	mu     sync.Mutex
	err    error         // of the last probe
	at     time.Time     // when it ended
	probed chan struct{} // closed when the probe that runs has ended; nil: none runs
}

// check tells whether something can be written, and waits for that no longer than ctx lasts.
func (k *kept) check(ctx context.Context) error {
	k.mu.Lock()
	if time.Since(k.lastWrite()) < proofLasts || k.err == nil && time.Since(k.at) < proofLasts {
		k.mu.Unlock()
		return nil
	}
	if k.err != nil && time.Since(k.at) < failureLasts {
		defer k.mu.Unlock()
		return k.err
	}
	if k.probed == nil {
		k.probed = make(chan struct{})
		go k.run(context.WithoutCancel(ctx), k.probed)
	}
	probed := k.probed
	k.mu.Unlock()
	select {
	case <-probed:
	case <-ctx.Done():
		return errors.New("a probe has not ended in time")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

func (k *kept) run(ctx context.Context, probed chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := k.probe(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err, k.at, k.probed = err, time.Now(), nil
	close(probed)
}

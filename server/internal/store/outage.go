package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// An outage is what a store knows of whether its database can be used. Whatever fails or succeeds reports to it, and it says
// in the log once that the database has gone, and once that it is back: what fails in between says nothing new. If that comes
// and goes, the log has it once a minute.
type outage struct {
	mu       sync.Mutex
	log      *slog.Logger    // nil: what fails is still reported by Open
	since    time.Time       // zero: the database is there
	over     time.Time       // when it was back
	last     time.Time       // when something failed
	written  time.Time       // when something was written, if nothing has failed since
	loggedAt time.Time       // when the log got the line of a loss
	logged   bool            // the log has the line of this outage
	said     map[string]bool // what failed during this outage, or the one before: River logs the same again
}

const (
	mostSaid   = 64               // texts that are kept. There are few: of connections that break, and that cannot be made
	quietFor   = time.Minute      // between two outages that the log has
	repeatsFor = 10 * time.Second // after an outage, River still logs what has failed during it
)

// watch begins, or begins anew, to say in a log what is known.
func (o *outage) watch(log *slog.Logger) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.log, o.since = log, time.Time{}
}

// lost is called with why the database cannot be used.
func (o *outage) lost(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last, o.written = time.Now(), time.Time{}
	if o.log == nil {
		return
	}
	if o.since.IsZero() {
		o.since, o.logged, o.said = o.last, false, map[string]bool{driver.ErrBadConn.Error(): true}
	}
	if !o.logged && time.Since(o.loggedAt) >= quietFor {
		o.logged, o.loggedAt = true, o.last
		o.log.Error("the database cannot be used", "error", causeOf(err))
	}
	if len(o.said) < mostSaid {
		o.said[err.Error()] = true
	}
}

// found is called when the database can be used.
func (o *outage) found() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.log == nil || o.since.IsZero() {
		return
	}
	if o.logged {
		o.log.Info("the database can be used again", "duration_ms", time.Since(o.since).Milliseconds())
	}
	o.since, o.over = time.Time{}, time.Now()
}

// wrote is called when something was written to the disk.
func (o *outage) wrote() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written = time.Now()
}

// unwritten says that what was written proves nothing for now.
func (o *outage) unwritten() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written = time.Time{}
}

func (o *outage) lastWrite() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written
}

// lasts tells whether the database is gone.
func (o *outage) lasts() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.since.IsZero()
}

// explains tells whether a text only repeats what an outage has failed with. Of a job it does so only while that lasts.
func (o *outage) explains(text string, ofJob bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() && (ofJob || time.Since(o.over) > repeatsFor) {
		return false
	}
	for said := range o.said {
		if strings.Contains(text, said) {
			return true
		}
	}
	return false
}

// errorOf is the dialect's, and names an error that the log has in the outage already.
func (p *pool) errorOf(err error) error {
	if p.stuck != nil && p.stuck(err) {
		p.outage.lost(err)
	}
	err = p.dialect.errorOf(err)
	if errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrAway) && p.outage.lasts() {
		err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

// A witness tells an outage what becomes of connections to PostgreSQL, whoever uses them.
type witness struct{ *outage }

// gone tells whether an error says that the database is away, and not that somebody has stopped waiting before it was late,
// or that there is no room for one more connection.
func (w witness) gone(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return err != nil && errors.Is(context.Cause(ctx), errSlow)
	}
	state := sqlState(err)
	return postgreSQL.unavailable(err) && (state == "" || strings.HasPrefix(state, "08") || strings.HasPrefix(state, "57P"))
}

// TraceConnectStart does nothing.
func (witness) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx
}

// TraceConnectEnd sees whether there is a connection.
func (w witness) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	// An address that does not even refuse is noticed by whoever waits no longer.
	if w.gone(ctx, data.Err) || (data.Err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded)) {
		w.lost(data.Err)
	}
}

// TraceQueryStart does nothing.
func (witness) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd sees whether a connection broke.
func (w witness) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if w.gone(ctx, data.Err) {
		w.lost(late(ctx, data.Err))
	}
}

// prepare makes a new connection ready. When it is, the database can be used: an older one could be of a server that is
// just shutting down.
func (w witness) prepare(ctx context.Context, session *pgx.Conn) error {
	err := errors.Join(useIndexes(ctx, session), endWaits(ctx, session))
	if err == nil {
		w.found()
	}
	return err
}

// shouldPing tells whether a connection is tried before it is used: after a while, and if others have just broken.
func (w witness) shouldPing(_ context.Context, params stdlib.ShouldPingParams) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return params.IdleDuration > time.Second || time.Since(w.last) < time.Second
}

package store

import (
	"context"
	"database/sql/driver"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// Who waits for something to happen in the database hears of it after the commit, in whichever process that was: on SQLite there is one, and
// PostgreSQL carries the word to the others. A word may get lost when a process or a connection dies, so who waits looks now and then, too.

// ServerTopic stands for what happens in a server.
func ServerTopic(id string) string { return "server/" + id }

// AccountTopic stands for the credentials of an account, some of which have ended.
func AccountTopic(account int64) string { return "account/" + Number(account) }

// wake has a topic heard once the transaction is committed.
func (c *conn) wake(topic string) {
	if c.tx != nil {
		c.woken = append(c.woken, topic)
	}
}

const (
	wakeChannel = "rejoin_woken"
	wakeTime    = 5 * time.Second // that passing words on may take
	hearAgain   = time.Second     // after the connection was lost
)

// waking is what was woken and not passed on yet.
type waking struct {
	mu      sync.Mutex
	heard   func(topic string) // nil: nobody listens here
	topics  map[string]struct{}
	running bool
}

// pass tells everybody of topics.
func (s *Store) pass(topics []string) {
	if len(topics) == 0 {
		return
	}
	w := &s.waking
	w.mu.Lock()
	heard := w.heard
	if !s.write.queues {
		if w.topics == nil {
			w.topics = map[string]struct{}{}
		}
		for _, topic := range topics {
			w.topics[topic] = struct{}{}
		}
		if !w.running {
			w.running = true
			go s.passOn()
		}
	}
	w.mu.Unlock()
	for _, topic := range topics {
		if heard != nil {
			heard(topic)
		}
	}
}

// passOn tells the other processes, each topic once, however many transactions have woken it meanwhile.
func (s *Store) passOn() {
	w := &s.waking
	for {
		w.mu.Lock()
		topics := w.topics
		w.topics, w.running = nil, len(topics) > 0
		w.mu.Unlock()
		if len(topics) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), wakeTime)
		for topic := range topics {
			if _, err := s.write.db.ExecContext(ctx, `SELECT pg_notify('`+wakeChannel+`', $1)`, topic); err != nil {
				break // who waits looks now and then
			}
		}
		cancel()
	}
}

// Hear calls heard with each topic that is woken, and with the empty one when some may have been missed, until stop is called. There is one
// who hears at a time. heard must not wait for anything.
func (s *Store) Hear(heard func(topic string), log *slog.Logger) (stop func()) {
	set := func(heard func(string)) {
		s.waking.mu.Lock()
		defer s.waking.mu.Unlock()
		s.waking.heard = heard
	}
	set(heard)
	if s.write.queues {
		return func() { set(nil) }
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := s.listen(ctx, heard); err != nil && ctx.Err() == nil {
				log.Debug("what happens on other servers is not heard for a moment", slog.Any("error", s.write.errorOf(err)))
			}
			select {
			case <-ctx.Done():
			case <-time.After(hearAgain):
			}
		}
	}()
	return func() { set(nil); cancel(); <-done }
}

// mostSettling is as long as Settle waits for one that takes long. What it wrote while it did not know what was committed meanwhile is its own.
const mostSettling = 3 * time.Second

// Settle waits until the transactions that had begun before it have ended.
func (s *Store) Settle(ctx context.Context) error {
	if s.write.queues {
		return nil // there is one at a time
	}
	ctx, cancel := context.WithTimeout(ctx, mostSettling)
	defer cancel()
	var now, ended = time.Time{}, false
	err := s.write.db.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&now)
	for err == nil && !ended {
		err = s.write.db.QueryRowContext(ctx, `SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < $1)`, now).Scan(&ended)
		if err == nil && !ended {
			time.Sleep(time.Millisecond)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return s.write.errorOf(err)
}

// listen keeps a connection for as long as that lasts.
func (s *Store) listen(ctx context.Context, heard func(topic string)) error {
	connection, err := s.write.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer connection.Close()
	var failed error
	_ = connection.Raw(func(of any) error {
		session := of.(*stdlib.Conn).Conn()
		if _, failed = session.Exec(ctx, `LISTEN `+wakeChannel); failed != nil {
			return driver.ErrBadConn
		}
		heard("")
		for {
			word, err := session.WaitForNotification(ctx)
			if err != nil {
				failed = err
				return driver.ErrBadConn // nobody else gets a connection that listens
			}
			heard(word.Payload)
		}
	})
	return failed
}

package store

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rejoin-dev/rejoin/gen"
)

func TestAFullDiskIsSaidOnceAndIsOverWithTheNextWrite(t *testing.T) {
	var log bytes.Buffer
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "rejoin.db"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := &life{T: t, s: s, nowAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	write := func() error {
		return s.Tx(t.Context(), func(tx *Tx) error {
			a := Account{Account: gen.Account{ID: l.id(), Email: l.id() + strings.Repeat("a", 4000), CreatedAt: l.now()}}
			return tx.Auth.InsertAccount(t.Context(), &a)
		})
	}
	limit := func(pages string) {
		if _, err := s.write.db.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // which SQLite takes for as many as there are
	full := 0
	for range 10 {
		if err := write(); errors.Is(err, ErrUnavailable) && errors.Is(err, ErrAway) {
			full++
		}
	}
	if full < 5 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "full") {
		t.Errorf("%d of 10 writes found no room: %s", full, &log)
	}
	if _, err := s.Auth.GetAccountByEmail(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) { // who reads is served
		t.Error(err)
	}
	for name, idle := range map[string]func(tx *Tx) error{
		"reads": func(tx *Tx) error {
			if _, err := tx.Auth.GetAccountByEmail(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
				return err
			}
			return nil
		},
		"changes no row": func(tx *Tx) error { return tx.Auth.exec(t.Context(), `DELETE FROM sessions WHERE token_hash = 'none'`) },
	} {
		if err := s.Tx(t.Context(), idle); err != nil || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("who %s (%v) is taken for the end of it: %s", name, err, &log)
		}
	}
	undone := errors.New("undone")
	if err := s.Tx(t.Context(), func(tx *Tx) error {
		return errors.Join(tx.Auth.exec(t.Context(), `UPDATE counters SET value = value`), undone)
	}); !errors.Is(err, undone) || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("who undoes what it wrote (%v) is taken for the end of it: %s", err, &log)
	}
	limit("1000000")
	l.must(write())
	l.must(write())
	if strings.Count(log.String(), "\n") != 2 || !strings.Contains(log.String(), "again") {
		t.Errorf("want a second line: %s", &log)
	}
}

func TestAnOutageThatComesAndGoesIsSaidOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := &outage{}
		o.watch(slog.New(slog.NewTextHandler(&log, nil)))
		lines := func(want int) {
			t.Helper()
			if got := strings.Count(log.String(), "\n"); got != want {
				t.Errorf("got %d lines, want %d: %s", got, want, &log)
			}
		}
		for range 50 {
			o.lost(io.ErrUnexpectedEOF)
			o.found()
			time.Sleep(time.Second)
		}
		lines(2)
		for range 20 { // one that lasts is said in the end
			o.lost(io.ErrUnexpectedEOF)
			time.Sleep(time.Second)
		}
		lines(3)
		o.found()
		lines(4)
	})
}

func TestAnOutageHidesNoFailureButItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		text := slog.NewTextHandler(&log, nil)
		o := &outage{}
		o.watch(slog.New(text))
		river := slog.New(warnings{text, o})
		logs := func(of string, args ...any) bool {
			log.Reset()
			river.Warn(of, append(args, "error", "the mail server hung up: unexpected EOF")...)
			return log.Len() > 0
		}
		o.lost(io.ErrUnexpectedEOF)
		if logs("of the queue") || logs("of a job", "job_id", 7) {
			t.Errorf("repeated while it lasts: %s", &log)
		}
		o.found()
		if logs("of the queue") || !logs("of a job", "job_id", 7) {
			t.Errorf("want what a job fails with, and not what was said: %s", &log)
		}
		time.Sleep(repeatsFor + time.Second)
		if !logs("of the queue") {
			t.Error("a failure is hidden after it is over")
		}
	})
}

// What an operator can end, and what ends by itself, is never an internal error.
func TestWhatPassesIsUnavailable(t *testing.T) {
	for _, code := range []string{"08006", "53100", "53300", "57014", "57P01", "58030", "25P03", "25006", "55P03"} {
		if err := postgreSQL.errorOf(&pgconn.PgError{Code: code}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s of PostgreSQL: got %v", code, err)
		}
	}
	for _, code := range []string{"42601", "22001", "23503", "XX001"} {
		if err := postgreSQL.errorOf(&pgconn.PgError{Code: code}); errors.Is(err, ErrUnavailable) {
			t.Errorf("%s of PostgreSQL, which is a fault of ours or damage, is taken for one that passes", code)
		}
	}
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		account := l.account()
		l.must(s.Close())
		if err := s.Tx(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrUnavailable) {
			t.Errorf("writing to a database that is closed: got %v", err)
		}
		if _, err := s.Auth.GetAccount(t.Context(), account+1); !errors.Is(err, ErrUnavailable) {
			t.Errorf("reading from a database that is closed: got %v", err)
		}
	})
}

func TestASQLiteFileThatTakesNoWritesIsUnavailableAndHeals(t *testing.T) {
	c := crowdOn(t)
	s := c.s
	l := &life{T: t, s: s, nowAt: time.Now()}
	account := l.account()
	write := func() error {
		return s.Tx(t.Context(), func(tx *Tx) error { return tx.Auth.UpdatePassword(t.Context(), account, "x") })
	}
	connect := c.lane.connect
	for name, dsn := range map[string]string{
		"read-only":    sqliteAt(s.url) + "&mode=ro",
		"that is gone": sqliteAt(s.url + ".gone/rejoin.db"),
	} {
		c.lane.turn <- struct{}{}
		l.must(c.lane.disconnect())
		c.lane.connect = func() (driver.Conn, error) { return s.read.db.Driver().Open(dsn) }
		c.lane.release()
		if err := write(); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrAway) {
			t.Errorf("one %s: got %v", name, err)
		}
		if _, err := s.Auth.GetAccount(t.Context(), account); err != nil {
			t.Errorf("one %s: reading: %v", name, err)
		}
		c.lane.connect = connect
		l.must(write())
	}
}

package store

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	limit("1000000")
	l.must(write())
	l.must(write())
	if strings.Count(log.String(), "\n") != 2 || !strings.Contains(log.String(), "again") {
		t.Errorf("want a second line: %s", &log)
	}
}

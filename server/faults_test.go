package server

import (
	"bytes"
	"database/sql"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

// unavailable says what is wrong with an answer that should ask the caller to try again.
func unavailable(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || problemOf(t, w).Body.Code != gen.ProblemCodeUnavailable {
		t.Errorf("got %d %v %s, want 503 and a Retry-After", w.Code, w.Header(), w.Body)
	}
}

func pngImage() io.Reader {
	var content bytes.Buffer
	png.Encode(&content, image.NewRGBA(image.Rect(0, 0, 2, 2)))
	return &content
}

func TestWhereImagesCannotBeReachedCallersAreAskedToTryAgain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "images")
	for name, place := range map[string]struct {
		at            string
		breaks, heals func() error
	}{
		"folder that is gone": {folder, func() error { return os.Rename(folder, folder+".gone") }, func() error { return os.Rename(folder+".gone", folder) }},
		"folder that is a file": {folder, func() error {
			if err := os.Rename(folder, folder+".gone"); err != nil {
				return err
			}
			return os.WriteFile(folder, nil, 0o600)
		}, func() error {
			if err := os.Remove(folder); err != nil {
				return err
			}
			return os.Rename(folder+".gone", folder)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			config := onSQLite(t)
			config.Images = place.at
			s := open(t, config)
			token := tokenOf(t, s, "a@example.com")
			if w := send(s.Handler(), uploadOf(t, token, pngImage())); w.Code != http.StatusCreated {
				t.Fatalf("at first: got %d %s", w.Code, w.Body)
			}
			if err := place.breaks(); err != nil {
				t.Fatal(err)
			}
			unavailable(t, send(s.Handler(), uploadOf(t, token, pngImage())))
			if w := send(s.Handler(), createRequest("/servers", token, "Without an image")); w.Code != http.StatusCreated {
				t.Errorf("without an image: got %d %s", w.Code, w.Body)
			}
			if err := place.heals(); err != nil {
				t.Fatal(err)
			}
			if w := send(s.Handler(), uploadOf(t, token, pngImage())); w.Code != http.StatusCreated {
				t.Errorf("healed: got %d %s", w.Code, w.Body)
			}
		})
	}
}

// What a PostgreSQL that runs may fail with, and its operator can end.
func TestWhilePostgreSQLTakesNoWritesCallersAreAskedToTryAgain(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Own(t)
	s := open(t, Config{Data: t.TempDir(), Database: cluster.URL(), SecretKey: testKey, Idle: true})
	token := tokenOf(t, s, "a@example.com")
	write := func() *httptest.ResponseRecorder { return send(s.Handler(), createRequest("/servers", token, "Club")) }
	if w := write(); w.Code != http.StatusCreated {
		t.Fatalf("at first: got %d %s", w.Code, w.Body)
	}
	inParallel(20, func(int) int { return write().Code }) // as many connections as there may be

	cluster.Run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
	for code, n := range inParallel(40, func(int) int { return write().Code }) {
		if code != http.StatusCreated && code != http.StatusServiceUnavailable {
			t.Errorf("with connections that have ended, %d were answered %d", n, code)
		}
	}

	cluster.Run(`ALTER SYSTEM SET default_transaction_read_only = on`)
	cluster.Run(`SELECT pg_reload_conf(), pg_sleep(0.5)`)
	unavailable(t, write())
	if w := send(s.Handler(), request("GET", "/servers", token)); w.Code != http.StatusOK {
		t.Errorf("reading: got %d %s", w.Code, w.Body)
	}
	cluster.Run(`ALTER SYSTEM RESET default_transaction_read_only`)
	cluster.Run(`SELECT pg_reload_conf(), pg_sleep(0.5)`)
	if w := write(); w.Code != http.StatusCreated {
		t.Errorf("writable again: got %d %s", w.Code, w.Body)
	}

	db, err := sql.Open("pgx", cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), `LOCK TABLE servers IN EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	unavailable(t, write())
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if w := write(); w.Code != http.StatusCreated {
		t.Errorf("without the lock: got %d %s", w.Code, w.Body)
	}
}

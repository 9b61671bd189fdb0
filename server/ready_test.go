package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

func readyOf(s *Server) *httptest.ResponseRecorder {
	return send(s.Handler(), request("GET", "/readyz", ""))
}

// forget makes a server ask for a new proof, as it does by itself a few seconds after the last one.
func (s *Server) forget() {
	for _, kept := range s.kept {
		kept.mu.Lock()
		kept.err, kept.at, kept.lastWrite = nil, time.Time{}, func() time.Time { return time.Time{} }
		kept.mu.Unlock()
	}
}

// smallDisk is a disk of a few MiB, where the tests may make one.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root on Linux can make a small disk")
	}
	dir = t.TempDir()
	if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no small disk can be made: %s", output)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	return dir
}

// fill leaves no room on the disk of a directory, and gives it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return func() { os.Remove(path) }
}

func TestOnAFullDiskAServerIsNotReadyAndAsksCallersToTryAgain(t *testing.T) {
	t.Parallel()
	config := Config{Data: smallDisk(t, "8m"), Idle: true}
	s := open(t, config)
	token := tokenOf(t, s, "a@example.com")
	dir := config.Data
	long := strings.Repeat("a", 100)
	write := func() int { return send(s.Handler(), createRequest("/servers", token, long)).Code }
	for range 50 {
		if code := write(); code != http.StatusCreated {
			t.Fatalf("at first: got %d", code)
		}
	}
	if w := readyOf(s); w.Code != http.StatusOK {
		t.Fatalf("/readyz at first: got %d %s", w.Code, w.Body)
	}
	free := fill(t, dir)
	refused := 0
	for range 900 { // what is left of the file of the log may take some
		switch code := write(); code {
		case http.StatusServiceUnavailable:
			refused++
		case http.StatusCreated:
		default:
			t.Fatalf("without room: got %d", code)
		}
		if refused > 5 {
			break
		}
	}
	s.forget()
	if w := readyOf(s); refused == 0 || w.Code != http.StatusServiceUnavailable {
		t.Errorf("/readyz without room, after %d writes were refused: got %d %s", refused, w.Code, w.Body)
	}
	if w := send(s.Handler(), uploadOf(t, token, pngImage())); w.Code != http.StatusServiceUnavailable {
		t.Errorf("an upload without room: got %d %s", w.Code, w.Body)
	}
	if w := send(s.Handler(), request("GET", "/servers", token)); w.Code != http.StatusOK {
		t.Errorf("reading without room: got %d %s", w.Code, w.Body)
	}
	if got := metricsOf(s); !strings.Contains(got, `rejoin_storage_writable{place="images"} 0`) || !regexp.MustCompile(`rejoin_storage_free_bytes{place="database"} \d{1,4}\n`).MatchString(got) {
		t.Errorf("the metrics do not show it:\n%s", got)
	}
	free()
	s.forget()
	if code, w := write(), readyOf(s); code != http.StatusCreated || w.Code != http.StatusOK {
		t.Errorf("with room again: got %d, and /readyz %d %s", code, w.Code, w.Body)
	}
}

func TestAServerWhoseImagesAreGoneIsNotReady(t *testing.T) {
	config := onSQLite(t)
	s := open(t, config)
	if w := readyOf(s); w.Code != http.StatusOK {
		t.Fatalf("at first: got %d %s", w.Code, w.Body)
	}
	if err := os.Rename(filepath.Join(config.Data, "images"), filepath.Join(config.Data, "gone")); err != nil {
		t.Fatal(err)
	}
	s.forget()
	if w := readyOf(s); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "images") {
		t.Errorf("got %d %s, want 503 and why", w.Code, w.Body)
	}
}

func TestAServerWhosePostgreSQLIsReadOnlyIsNotReady(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Own(t)
	s := open(t, Config{Data: t.TempDir(), Database: cluster.URL(), SecretKey: testKey, Idle: true})
	if w := readyOf(s); w.Code != http.StatusOK {
		t.Fatalf("at first: got %d %s", w.Code, w.Body)
	}
	cluster.Run(`ALTER SYSTEM SET default_transaction_read_only = on`)
	cluster.Run(`SELECT pg_reload_conf(), pg_sleep(0.5)`)
	s.forget()
	if w := readyOf(s); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "takes no writes") {
		t.Errorf("got %d %s, want 503", w.Code, w.Body)
	}
	cluster.Run(`ALTER SYSTEM RESET default_transaction_read_only`)
	cluster.Run(`SELECT pg_reload_conf(), pg_sleep(0.5)`)
	s.forget()
	if w := readyOf(s); w.Code != http.StatusOK {
		t.Errorf("writable again: got %d %s", w.Code, w.Body)
	}
	cluster.Freeze()
	s.forget()
	if w := readyOf(s); w.Code != http.StatusServiceUnavailable {
		t.Errorf("frozen: got %d %s", w.Code, w.Body)
	}
	cluster.Thaw() // so that what is kept can be verified
}

// What others write proves that it works: nothing waits behind them to find that out.
func TestABusyServerIsReadyHoweverManyWait(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		s := open(t, config)
		tokenOf(t, s, "a@example.com")
		readyOf(s) // so that the images are known to take files
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		goOn := make(chan struct{})
		done := make(chan error, 1500)
		for range cap(done) {
			go func() { done <- s.store.Tx(ctx, func(*store.Tx) error { <-goOn; return nil }) }()
		}
		for int(s.store.Waiting())+len(done) < 500 { // where goroutines are slow to begin, some are refused already
			time.Sleep(time.Millisecond)
		}
		if w := readyOf(s); w.Code != http.StatusOK {
			t.Errorf("with %d waiting: got %d %s", s.store.Waiting(), w.Code, w.Body)
		}
		s.forget() // nothing was written for too long
		if w := readyOf(s); config.Database == "" && w.Code != http.StatusServiceUnavailable {
			t.Errorf("with %d waiting for nothing: got %d %s", s.store.Waiting(), w.Code, w.Body)
		}
		cancel()
		close(goOn)
		for range cap(done) {
			<-done
		}
	})
}

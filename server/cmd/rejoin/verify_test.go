package main

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerifyNamesEachNumberThatIsNotWhatItIsMadeOf(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	const good = "rejoin: every number that is kept is what it is made of\n"
	t.Run("serve", func(t *testing.T) {
		_, base := serve(t, "--data", data)
		callerOf(t, data, base).club()
		if code, stdout, stderr := rejoin("verify", "--data", data); code != 0 || stdout != "" || stderr != good {
			t.Errorf("while it runs: %d %q %q", code, stdout, stderr)
		}
	})
	if code, stdout, stderr := rejoin("verify", "--data", data); code != 0 || stdout != "" || stderr != good {
		t.Errorf("while nobody runs: %d %q %q", code, stdout, stderr)
	}
	db, err := sql.Open("sqlite", filepath.Join(data, "rejoin.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE totals SET xp = xp + 1, messages = messages - 2`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := rejoin("verify", "--data", data)
	if lines := strings.Split(strings.TrimSpace(stdout), "\n"); code != 1 || len(lines) != 2 || !strings.Contains(lines[0], "xp is off by 1") || !strings.Contains(lines[1], "messages is off by -2") {
		t.Errorf("got %d %q", code, stdout)
	}
	if stderr != "rejoin: 2 numbers are not what they are made of\n" {
		t.Errorf("it says %q", stderr)
	}
	serve(t, "--data", data)
	if code, again, _ := rejoin("verify", "--data", data); code != 1 || again != stdout {
		t.Errorf("asked of a server: %d %q", code, again)
	}
}

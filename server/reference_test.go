package server

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestTheReferenceShowsInABrowserUnderItsPolicy(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no Chromium")
	}
	base := listen(t, open(t, onSQLite(t)))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var page, log bytes.Buffer
	command := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(),
		"--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", base+"/docs#/servers/listMyServers")
	command.Stdout, command.Stderr = &page, &log
	if err := command.Run(); err != nil {
		t.Fatalf("Chromium fails: %v: %s", err, &log)
	}
	// The operation is there, and open.
	for _, part := range []string{`id="operations-servers-listMyServers"`, `try-out__btn`, `class="btn authorize`} {
		if !strings.Contains(page.String(), part) {
			t.Errorf("the page has no %s", part)
		}
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("the browser says: %s", line)
		}
	}
}

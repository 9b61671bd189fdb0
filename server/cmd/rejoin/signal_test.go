package main

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mainEnv makes this test binary the program itself, so that a test has a process to send signals to.
const mainEnv = "REJOIN_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestOnlyAFirstSIGTERMDrains(t *testing.T) {
	for _, test := range []struct {
		name    string
		signals []syscall.Signal
		drains  bool
	}{
		{"Ctrl-C", []syscall.Signal{syscall.SIGINT}, false},
		{"SIGTERM twice", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, true},
		{"SIGTERM and Ctrl-C", []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr output
			process := exec.Command(os.Args[0], "serve", "--addr=127.0.0.1:0", "--drain=1h", "--data", t.TempDir())
			process.Env = append(os.Environ(), mainEnv+"=yes")
			process.Stdout, process.Stderr = &stdout, &stderr
			if err := process.Start(); err != nil {
				t.Fatal(err)
			}
			defer process.Process.Kill()
			until := func(what string, done func() bool) {
				t.Helper()
				for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("%s: %s%s", what, &stdout, &stderr)
					}
				}
			}
			until("it does not start", func() bool {
				return strings.Contains(stderr.String(), "msg=started") && strings.HasSuffix(stdout.String(), "\n\n")
			})
			base := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(stdout.String())
			for i, signal := range test.signals {
				if err := process.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				if !test.drains || i > 0 {
					continue
				}
				until("it does not drain", func() bool { return strings.Contains(stderr.String(), "msg=draining") })
				answer, err := http.Get(base + "/readyz")
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if answer.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("/readyz says %d while it drains", answer.StatusCode)
				}
			}
			if err := process.Wait(); err != nil {
				t.Errorf("it ended with %v: %s", err, &stderr)
			}
			if log := stderr.String(); strings.Contains(log, "msg=draining") != test.drains || !strings.HasSuffix(log, "msg=stopped\n") {
				t.Errorf("want it to drain: %t, and to stop: %s", test.drains, log)
			}
		})
	}
}

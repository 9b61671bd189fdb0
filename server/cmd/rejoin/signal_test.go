package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

// mainEnv makes this test binary the program itself, so that a test has a process to send signals to.
const mainEnv = "REJOIN_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" {
		main()
	}
	pgtest.Main(m)
}

// A process is `rejoin` on its own.
type process struct {
	*exec.Cmd
	t              *testing.T
	stdout, stderr output
}

// start runs a command line in a process that ends with the test at the latest.
func start(t *testing.T, in io.Reader, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], args...), t: t}
	p.Stdin = in
	p.run()
	return p
}

// run starts the process, which may be a shell that becomes `rejoin`.
func (p *process) run() {
	p.t.Helper()
	p.Env = append(os.Environ(), mainEnv+"=yes")
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.Process.Kill() })
}

// serveApart starts a server and returns its base URL once it answers.
func serveApart(t *testing.T, args ...string) (p *process, base string) {
	t.Helper()
	p = start(t, nil, append([]string{"serve", "--addr=127.0.0.1:0"}, args...)...)
	return p, p.answers()
}

// serveShipped is serveApart of the program as it is shipped.
func serveShipped(t *testing.T, args ...string) (p *process, base string) {
	t.Helper()
	p = execute(t, shipped(t), append([]string{"serve", "--addr=127.0.0.1:0"}, args...)...)
	return p, p.answers()
}

// shipped builds the program as it is shipped: the race detector, which this test binary may have in it, takes many times the memory.
func shipped(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "rejoin")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// execute starts a program.
func execute(t *testing.T, binary string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(binary, args...), t: t}
	p.run()
	return p
}

// memory reads what Linux says of the memory of the process, in bytes; 0, if nothing says it.
func (p *process) memory(line string) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	found := regexp.MustCompile(line + `:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kib, _ := strconv.ParseInt(string(found[1]), 10, 64)
	return kib << 10
}

// answers returns the base URL of a server once it answers.
func (p *process) answers() (base string) {
	p.t.Helper()
	p.until("it does not start", func() bool {
		return strings.Contains(p.stderr.String(), "msg=started") && strings.HasSuffix(p.stdout.String(), "\n\n")
	})
	return regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(p.stdout.String())
}

func (p *process) until(what string, done func() bool) {
	p.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("%s: %s%s", what, &p.stdout, &p.stderr)
		}
	}
}

// untilEnd does something again and again until the process has ended.
func (p *process) untilEnd(do func()) {
	p.t.Helper()
	ended := make(chan struct{})
	go func() { defer close(ended); p.Wait() }()
	p.until("it does not end", func() bool {
		do()
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
}

func (p *process) signal(signal os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
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
			p, base := serveApart(t, "--drain=1h", "--data", t.TempDir())
			for i, signal := range test.signals {
				p.signal(signal)
				if !test.drains || i > 0 {
					continue
				}
				p.until("it does not drain", func() bool { return strings.Contains(p.stderr.String(), "msg=draining") })
				answer, err := http.Get(base + "/readyz")
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if answer.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("/readyz says %d while it drains", answer.StatusCode)
				}
			}
			if err := p.Wait(); err != nil {
				t.Errorf("it ended with %v: %s", err, &p.stderr)
			}
			if log := p.stderr.String(); strings.Contains(log, "msg=draining") != test.drains || !strings.HasSuffix(log, "msg=stopped\n") {
				t.Errorf("want it to drain: %t, and to stop: %s", test.drains, log)
			}
		})
	}
}

func TestWhoSendsSignalsAgainNeedNotWait(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			p, base := serveApart(t, "--drain=1h", "--data", t.TempDir())
			conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// A request that runs for as long as it may.
			io.WriteString(conn, "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
			p.untilEnd(func() { p.Process.Signal(signal) })
			if status := p.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != signal {
				t.Errorf("it ended with %v, want by the signal: %s", p.ProcessState, &p.stderr)
			}
		})
	}
}

func TestASignalEndsARestoreThatGetsNothingToRead(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	nothing, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writes.Close()
	defer nothing.Close()
	p := start(t, nothing, "restore", "--data", data, "-")
	p.until("it does not begin", func() bool {
		_, err := os.Stat(filepath.Join(data, ".restoring", "images"))
		return err == nil
	})
	p.signal(syscall.SIGTERM)
	p.untilEnd(func() {})
	if code, said := p.ProcessState.ExitCode(), p.stderr.String(); code != 1 || said != "rejoin: stopped by the signal terminated\n" {
		t.Errorf("it ended with %d %q", code, said)
	}
	if left, err := os.ReadDir(data); err != nil || len(left) != 1 {
		t.Errorf("left %v (%v), want the lock alone", left, err)
	}
}

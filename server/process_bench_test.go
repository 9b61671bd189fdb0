package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
)

// bareEnv makes this test binary the yardstick: an Echo that answers everything with the bytes of the file that it names,
// with the collector as Go sets it.
const bareEnv = "REJOIN_BENCH_BARE"

func serveBare(file string) {
	answer, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	e := echo.New()
	e.GET("/*", func(c echo.Context) error { return c.JSONBlob(http.StatusOK, answer) })
	fmt.Printf("http://%s\n", listener.Addr())
	panic((&http.Server{Handler: e}).Serve(listener))
}

// A process is a server apart from the one that measures, so that what it costs can be told from what the client costs.
type process struct {
	cmd     *exec.Cmd
	address string
	printed string // until it was ready
	cluster string // directory of the PostgreSQL that it uses; empty: none
}

var (
	printsAddress = regexp.MustCompile(`http://([0-9.]+:[0-9]+)`)
	printsToken   = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
)

// startProcess runs a server until the benchmark ends. It is ready once it has printed its address and what else is waited
// for. What it logs goes nowhere, as fast as can be.
func startProcess(b *testing.B, cmd *exec.Cmd, ready *regexp.Regexp) *process {
	output, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p := &process{cmd: cmd}
	b.Cleanup(func() { p.stop() })
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			b.Fatalf("%s ended before it was ready:\n%s", strings.Join(cmd.Args, " "), p.printed)
		}
		p.printed += line
		if found := printsAddress.FindStringSubmatch(p.printed); found != nil && ready.MatchString(p.printed) {
			p.address = found[1]
			go io.Copy(io.Discard, lines)
			return p
		}
	}
}

// serveCommand runs a binary on a database and a free port.
func serveCommand(binary string, config Config) *exec.Cmd {
	cmd := exec.Command(binary, "serve", "--addr", "127.0.0.1:0", "--data", config.Data)
	if config.Database != "" {
		cmd.Args = append(cmd.Args, "--db", config.Database, "--secret-key", testKey)
	}
	cmd.Env = append(os.Environ(), "REJOIN_DRAIN=0s", "REJOIN_RATE_LIMIT=off") // nobody is sent elsewhere, and one credential asks for all
	return cmd
}

// stop ends the process as an operator does.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	defer time.AfterFunc(10*time.Second, func() { p.cmd.Process.Kill() }).Stop()
	p.cmd.Wait()
}

// do sends a request and reads the answer, which must be a good one.
func (p *process) do(b *testing.B, r *http.Request, into any) (body []byte) {
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", p.address, ""
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode/100 != 2 {
		b.Fatalf("%s %s answered %d: %s (%v)", r.Method, r.URL, answer.StatusCode, body, err)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			b.Fatal(err)
		}
	}
	return body
}

// answer is the body of the answer to a request as it is sent.
func (p *process) answer(b *testing.B, wire []byte) []byte {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		b.Fatal(err)
	}
	return p.do(b, r, nil)
}

// A usage is the CPU time of processes by their number. It is empty where /proc does not tell.
type usage map[int]time.Duration

// since is what processes have used since an earlier look. Those that began since then count whole.
func (u usage) since(before usage) (sum time.Duration) {
	for id, used := range u {
		sum += used - before[id]
	}
	return sum
}

// used looks at the server, and at PostgreSQL.
func (p *process) used() (server, database usage) {
	server, database = usage{p.cmd.Process.Pid: cpuOf(p.cmd.Process.Pid)}, usage{}
	if p.cluster == "" {
		return server, database
	}
	text, _ := os.ReadFile(filepath.Join(p.cluster, "data", "postmaster.pid"))
	first, _, _ := strings.Cut(string(text), "\n")
	postmaster, _ := strconv.Atoi(first)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, _ := os.ReadFile(stat)
		_, fields, _ := strings.Cut(string(text), ") ") // a name may hold blanks
		var state string
		var parent int
		if _, err := fmt.Sscan(fields, &state, &parent); err == nil && parent == postmaster {
			if id, err := strconv.Atoi(filepath.Base(filepath.Dir(stat))); err == nil {
				database[id] = cpuOf(id)
			}
		}
	}
	return server, database
}

// cpuOf adds up the threads of a process: they are told in nanoseconds, the whole in hundredths of a second.
func cpuOf(id int) (sum time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", id))
	for _, thread := range threads {
		text, _ := os.ReadFile(thread)
		first, _, _ := strings.Cut(string(text), " ")
		nanoseconds, _ := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(nanoseconds)
	}
	return sum
}

// clusterOf is the directory that a throw-away PostgreSQL is in.
func clusterOf(b *testing.B, database string) string {
	if database == "" {
		return ""
	}
	address, err := url.Parse(database)
	if err != nil {
		b.Fatal(err)
	}
	return address.Query().Get("host")
}

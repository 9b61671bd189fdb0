// Package pgtest gives tests real PostgreSQL databases: one throw-away cluster for each test binary, started by the
// first test that asks, in a temporary directory, reachable through a Unix socket only.
//
// A package that uses it calls Main from its TestMain. Without PostgreSQL's programs such tests are skipped, unless
// REJOIN_TEST_POSTGRES=require says that this would be a mistake.
package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Main runs the tests of a package and then stops the cluster, if one was started.
func Main(m *testing.M) {
	code := m.Run()
	if running != nil {
		running.stop()
	}
	os.Exit(code)
}

// Installed tells whether there are the programs to start a cluster with.
func Installed() bool {
	_, err := program("initdb")
	return err == nil
}

// Durable makes the cluster wait for the disk when it commits, as it does by itself elsewhere. It is called before the first
// test asks for a database. Other tests need no data that survives a power cut.
func Durable() { fsync = "on" }

var fsync = "off"

// URL returns the address of a new, empty database.
func URL(t testing.TB) string {
	t.Helper()
	return create(t, "test"+strconv.FormatInt(databases.Add(1), 10), "template0")
}

// Template returns the address of a new, empty database that FromTemplate copies once it was filled and closed.
func Template(t testing.TB) string {
	t.Helper()
	return create(t, templateName, "template0")
}

// FromTemplate returns the address of a new database that is a copy of the template.
func FromTemplate(t testing.TB) string {
	t.Helper()
	return create(t, "test"+strconv.FormatInt(databases.Add(1), 10), templateName)
}

const templateName = "filled"

// inUse is the code of a refusal to copy a database as long as somebody looks at it: a connection that is about to end, or a vacuum.
const inUse = "55006"

func create(t testing.TB, name, template string) string {
	t.Helper()
	c, err := start()
	need(t, err)
	db, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for end := time.Now().Add(time.Minute); ; {
		_, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template)
		var refused *pgconn.PgError
		switch {
		case err == nil:
			return c.url(name)
		case errors.As(err, &refused) && refused.Code == inUse && time.Now().Before(end): // PostgreSQL has waited for five seconds itself
		default:
			t.Fatalf("no new database: %v", err)
		}
	}
}

// need ends a test that has no cluster.
func need(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, exec.ErrNotFound) {
		if os.Getenv("REJOIN_TEST_POSTGRES") == "require" {
			t.Fatal("PostgreSQL is not installed, and REJOIN_TEST_POSTGRES=require wants it: install its server (initdb and postgres)")
		}
		t.Skip("PostgreSQL is not installed: this runs on SQLite only")
	}
	if err != nil {
		t.Fatalf("PostgreSQL does not start: %v", err)
	}
}

// A Cluster is one that a test has for itself, to do with it what would disturb others.
type Cluster struct {
	*testing.T
	of *cluster
}

// Own starts one. It is gone when the test ends.
func Own(t *testing.T) Cluster {
	t.Helper()
	of, err := newCluster()
	need(t, err)
	c := Cluster{t, of}
	t.Cleanup(func() { c.Thaw(); of.stop() })
	return c
}

// URL is the address of its database.
func (c Cluster) URL() string { return c.of.url("postgres") }

// Run runs a statement as an operator would, outside of a transaction.
func (c Cluster) Run(text string) {
	c.Helper()
	db, err := sql.Open("pgx", c.URL())
	if err != nil {
		c.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), text); err != nil {
		c.Fatalf("%s: %v", text, err)
	}
}

// Freeze stops all its processes where they are: connections stay open, and nothing answers.
func (c Cluster) Freeze() { c.signal(syscall.SIGSTOP) }

// Thaw lets them go on.
func (c Cluster) Thaw() { c.signal(syscall.SIGCONT) }

// Crash ends the server at once, as pg_ctl -m immediate does, and starts it again.
func (c Cluster) Crash() {
	c.Helper()
	server, err := c.of.pid()
	if err == nil {
		err = syscall.Kill(server, syscall.SIGQUIT)
	}
	if err != nil {
		c.Fatal(err)
	}
	c.of.alive.Close()
	c.of.server.Wait()
	if err := c.of.boot(); err != nil {
		c.Fatalf("PostgreSQL does not start again: %v", err)
	}
}

// signal reaches the server and its children, the server first: it must not start others meanwhile.
func (c Cluster) signal(s syscall.Signal) {
	c.Helper()
	server, err := c.of.pid()
	if err != nil {
		return // it does not run
	}
	syscall.Kill(server, s)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	if len(stats) == 0 {
		c.Skip("this needs /proc")
	}
	for _, stat := range stats {
		content, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(content), ") ") // behind the name come the state and the parent
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(server) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
			syscall.Kill(pid, s)
		}
	}
}

var (
	databases atomic.Int64
	running   *cluster
	start     = sync.OnceValues(func() (*cluster, error) {
		c, err := newCluster()
		running = c
		return c, err
	})
)

type cluster struct {
	dir, postgres string
	attributes    *syscall.SysProcAttr
	alive         io.Closer // while it is open, the cluster runs
	server        *exec.Cmd
}

// pid is the number of the server's process.
func (c *cluster) pid() (int, error) {
	content, err := os.ReadFile(filepath.Join(c.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(content), "\n")
	return strconv.Atoi(first)
}

func (c *cluster) url(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {c.dir}, "user": {"postgres"}}.Encode()
}

// program finds one of PostgreSQL's programs, which Debian keeps out of the PATH.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", exec.ErrNotFound
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}

func newCluster() (*cluster, error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := program("postgres")
	if err != nil {
		return nil, err
	}
	// A socket's path must be short, which a test's own temporary directory is not.
	dir, err := os.MkdirTemp("", "rejoin-pg")
	if err != nil {
		return nil, err
	}
	attributes, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	create := exec.Command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	create.Dir, create.SysProcAttr = dir, attributes
	if output, err := create.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, output)
	}
	c := &cluster{dir: dir, postgres: postgres, attributes: attributes}
	if err := c.boot(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

// boot starts the server, which has been made or has ended before.
func (c *cluster) boot() (err error) {
	// The shell ends the server when this process ends, however it does: then nobody holds its input open any more.
	c.server = exec.Command("sh", "-c", `"$@" & server=$!; cat >/dev/null; kill -INT $server; wait $server`, "sh",
		c.postgres, "-D", filepath.Join(c.dir, "data"), "-k", c.dir, "-c", "listen_addresses=", "-c", "fsync="+fsync, "-c", "max_connections=300")
	c.server.Dir, c.server.SysProcAttr = c.dir, c.attributes
	if c.alive, err = c.server.StdinPipe(); err != nil {
		return err
	}
	if err := c.server.Start(); err != nil {
		return err
	}
	if err := c.wait(); err != nil {
		c.alive.Close()
		c.server.Wait()
		return err
	}
	return nil
}

func (c *cluster) wait() error {
	db, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *cluster) stop() {
	c.alive.Close()
	c.server.Wait()
	os.RemoveAll(c.dir)
}

// unprivileged makes PostgreSQL run as the user postgres where the tests run as root, which it refuses to.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, os.Chown(dir, int(uid), int(gid))
}

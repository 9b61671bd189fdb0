package server

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A row is what somebody does with one kind of request.
type row struct {
	what, by, binary string
	yardstick        *row   // what its speed is told as a share of; nil: it is one itself
	base             string // what another row is, which asks the same of less
	measure          func(*testing.B)
	samples          []sample        // one of each round
	each             []time.Duration // how long each took, where that is looked at
}

// A sample is what was seen in one turn.
type sample struct {
	n             int64
	took          time.Duration
	cpu, database time.Duration // of the server, and of PostgreSQL's processes; 0: it cannot be told
}

func (s sample) rate() float64 { return float64(s.n) / s.took.Seconds() }

func (s sample) each(used time.Duration) float64 {
	return float64(used.Nanoseconds()) / 1000 / float64(max(s.n, 1))
}

// take measures a turn.
func (r *row) take(b *testing.B, p *process, l *load) {
	defer l.close()
	if err := l.dial(); err != nil {
		b.Fatal(err)
	}
	if _, err := l.run(warmUp); err != nil {
		b.Fatalf("%s by %s: %v", r.what, r.by, err)
	}
	server, database := p.used()
	s, err := l.run(turn)
	if err != nil {
		b.Fatalf("%s by %s: %v", r.what, r.by, err)
	}
	serverAfter, databaseAfter := p.used()
	s.cpu, s.database = serverAfter.since(server), databaseAfter.since(database)
	r.samples = append(r.samples, s)
}

// takeBoth measures a turn in which two loads go on. What each of them costs the server cannot be told apart.
func takeBoth(b *testing.B, reads *row, reading *load, writes *row, writing *load) {
	defer reading.close()
	defer writing.close()
	if err := cmp.Or(reading.dial(), writing.dial()); err != nil {
		b.Fatal(err)
	}
	var read, written sample
	var failed [2]error
	var group sync.WaitGroup
	group.Go(func() { read, failed[0] = reading.run(turn) })
	group.Go(func() { written, failed[1] = writing.run(turn) })
	group.Wait()
	if err := cmp.Or(failed[:]...); err != nil {
		b.Fatalf("%s by %s: %v", reads.what, reads.by, err)
	}
	reads.samples, writes.samples = append(reads.samples, read), append(writes.samples, written)
}

// newBareRow measures a bare Echo in a process of its own that answers the same bytes.
func newBareRow(b *testing.B, w work, answer []byte) *row {
	file := filepath.Join(b.TempDir(), "answer.json")
	if err := os.WriteFile(file, answer, 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), bareEnv+"="+file)
	p := startProcess(b, cmd, printsAddress)
	r := &row{what: w.what, by: "bare Echo", binary: "echo"}
	l := newLoad(p.address, onlyRequest(request("GET", "/", "")), w.connections)
	r.measure = func(b *testing.B) { r.take(b, p, l) }
	return r
}

// newDiskRow measures how long it takes until a page that was appended to a file is kept: what every commit on its own waits
// for.
func newDiskRow(b *testing.B, dir string) *row {
	file, err := os.Create(filepath.Join(dir, "appended"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() })
	r := &row{what: "4 KiB appended to a file, and fsync", by: "the disk", binary: "disk"}
	page := make([]byte, 4096)
	r.measure = func(b *testing.B) {
		began, n := time.Now(), int64(0)
		for time.Since(began) < turn {
			from := time.Now()
			if _, err := file.Write(page); err != nil {
				b.Fatal(err)
			}
			if err := file.Sync(); err != nil {
				b.Fatal(err)
			}
			r.each = append(r.each, time.Since(from))
			n++
		}
		r.samples = append(r.samples, sample{n: n, took: time.Since(began)})
	}
	return r
}

// figures is one figure of each round, in order.
func (r *row) figures(of func(i int) float64) (figures []float64) {
	for i := range r.samples {
		figures = append(figures, of(i))
	}
	slices.Sort(figures)
	return figures
}

func (r *row) rates() []float64 { return r.figures(func(i int) float64 { return r.samples[i].rate() }) }

// cpu is the CPU time that a request costs the server and its database, in microseconds.
func (r *row) cpu() (server, database float64) {
	return median(r.figures(func(i int) float64 { return r.samples[i].each(r.samples[i].cpu) })),
		median(r.figures(func(i int) float64 { return r.samples[i].each(r.samples[i].database) }))
}

// share is how fast a row is compared to another one, round by round.
func (r *row) share(of *row) float64 {
	return median(r.figures(func(i int) float64 { return r.samples[i].rate() / of.samples[i].rate() }))
}

// rowOf is the row that tells what somebody does with a binary, nil if it was not asked for.
func rowOf(what, by, binary string, rows []*row) *row {
	for _, r := range rows {
		if r.what == what && r.by == by && r.binary == binary {
			return r
		}
	}
	return nil
}

func median(sorted []float64) float64 { return quantile(sorted, 0.5) }

// quantile is the value that a share of all are not above.
func quantile[T any](sorted []T, q float64) T { return sorted[int(q*float64(len(sorted)-1)+0.5)] }

const (
	thisBinary  = "this"
	otherBinary = "other"
)

// printTable prints the medians of all rounds.
func printTable(to io.Writer, rows []*row) {
	fmt.Fprintf(to, "\nMedians of %d rounds of %v. CPU time is of one request, in microseconds: of the server, and of PostgreSQL's processes.\n", rounds, turn)
	fmt.Fprintf(to, "The yardstick of a list is bare Echo answering the same bytes; that of a create is how often this disk does an fsync.\n")
	fmt.Fprintf(to, "The base is the same with fewer members, or worth nothing.\n\n")
	fmt.Fprintf(to, "%-24s%12s%22s%9s%9s%13s%9s%10s\n", "", "a second", "lowest to highest", "CPU us", "+ PG us", "of yardstick", "of base", "of other")
	what := ""
	for _, r := range rows {
		if r.what != what {
			what = r.what
			fmt.Fprintln(to, what)
		}
		name := r.by
		if r.binary == otherBinary {
			name += " (other)"
		}
		rates := r.rates()
		fmt.Fprintf(to, "  %-22s%12.0f%22s", name, median(rates), fmt.Sprintf("%.0f to %.0f", rates[0], rates[len(rates)-1]))
		server, database := r.cpu()
		fmt.Fprintf(to, "%9s%9s", orDash("%.0f", server), orDash("%.0f", database))
		var ofYardstick, ofBase, ofOther float64
		if r.yardstick != nil {
			ofYardstick = r.share(r.yardstick)
		}
		if base := rowOf(r.base, r.by, r.binary, rows); base != nil {
			ofBase = r.share(base)
		}
		if other := rowOf(r.what, r.by, otherBinary, rows); other != nil && r.binary == thisBinary {
			ofOther = r.share(other)
		}
		fmt.Fprintf(to, "%13s%9s%10s\n", orDash("%.2f", ofYardstick), orDash("%.2f", ofBase), orDash("%.2f", ofOther))
		if r.each != nil {
			slices.Sort(r.each)
			fmt.Fprintf(to, "  one of them: median %v, 9 of 10 within %v\n",
				quantile(r.each, 0.5).Round(time.Microsecond), quantile(r.each, 0.9).Round(time.Microsecond))
		}
	}
}

func orDash(format string, figure float64) string {
	if figure == 0 {
		return "-"
	}
	return fmt.Sprintf(format, figure)
}

// appendLines adds a line for each row and round to a file, as benchstat reads them.
func appendLines(b *testing.B, file string, rows []*row) {
	if file == "" {
		return
	}
	lines, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	plain := strings.NewReplacer(" /", "_", "/{id}/", ".", " ", "_", ",", "")
	for _, r := range rows {
		for _, s := range r.samples {
			fmt.Fprintf(lines, "BenchmarkSpeed/%s/by=%s/binary=%s-%d %d %.2f req/s",
				plain.Replace(r.what), plain.Replace(r.by), r.binary, runtime.GOMAXPROCS(0), s.n, s.rate())
			if s.cpu > 0 {
				fmt.Fprintf(lines, " %.2f cpu-us/req", s.each(s.cpu))
			}
			if s.database > 0 {
				fmt.Fprintf(lines, " %.2f db-us/req", s.each(s.database))
			}
			fmt.Fprintln(lines)
		}
	}
	if err := lines.Close(); err != nil {
		b.Fatal(err)
	}
}

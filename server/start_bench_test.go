package server

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart prints how long `rejoin serve` takes from its exec to the first good answer of /readyz, and how much memory
// it has then at rest: on a database that it has to make, and on one that is there. REJOIN_BENCH_ONLY finds its rows by the
// word start; the other variables are those of BenchmarkSpeed.
func BenchmarkStart(b *testing.B) {
	if !regexp.MustCompile(os.Getenv("REJOIN_BENCH_ONLY")).MatchString(startRows) {
		return
	}
	ours := buildRejoin(b, b.TempDir())
	var rows []*startRow
	for _, database := range databases() {
		rows = append(rows, &startRow{database: database, label: thisBinary, binary: ours})
		if other := os.Getenv("REJOIN_BENCH_BINARY"); other != "" {
			rows = append(rows, &startRow{database: database, label: otherBinary, binary: other})
		}
	}
	for range rounds {
		for _, r := range rows {
			r.take(b)
		}
	}
	fmt.Printf("\nMedians of %d starts, until /readyz says yes.\n\n", rounds)
	fmt.Printf("%-24s%18s%20s%18s\n", "", "new database, ms", "database there, ms", "at rest, MB RSS")
	for _, r := range rows {
		name := r.database.name
		if r.label == otherBinary {
			name += " (other)"
		}
		fmt.Printf("  %-22s%18.0f%20.0f%18.1f\n", name, medianOf(r.makes), medianOf(r.opens), medianOf(r.memory))
	}
	appendStarts(b, os.Getenv("REJOIN_BENCH_LINES"), rows)
	b.ReportMetric(0, "ns/op") // the table says more
}

// startRows is what REJOIN_BENCH_ONLY finds these rows by.
const startRows = "start"

// atRest is how long a server is left alone before its memory is looked at.
const atRest = time.Second

// A startRow is the starts of a binary on a kind of database.
type startRow struct {
	database             database
	label, binary        string
	makes, opens, memory []float64 // in milliseconds and in megabytes, one of each round
}

func (r *startRow) take(b *testing.B) {
	config := r.database.config(b)
	r.makes = append(r.makes, r.start(b, config, 0))
	r.opens = append(r.opens, r.start(b, config, atRest))
}

func (r *startRow) start(b *testing.B, config Config, rest time.Duration) (milliseconds float64) {
	began := time.Now()
	p := startProcess(b, serveCommand(r.binary, config), printsAddress)
	defer p.stop()
	p.do(b, request("GET", "/readyz", ""), nil)
	milliseconds = float64(time.Since(began).Microseconds()) / 1000
	if rest > 0 {
		time.Sleep(rest)
		r.memory = append(r.memory, memoryOf(p.cmd.Process.Pid))
	}
	return milliseconds
}

// memoryOf is what a process has in memory, in megabytes; 0 where /proc does not tell.
func memoryOf(id int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", id))
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseFloat(kilobytes, 64)
	return n / 1024
}

func medianOf(figures []float64) float64 { return median(slices.Sorted(slices.Values(figures))) }

// appendStarts adds a line for each row and round to a file, as benchstat reads them.
func appendStarts(b *testing.B, file string, rows []*startRow) {
	if file == "" {
		return
	}
	lines, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range rows {
		for i := range r.makes {
			fmt.Fprintf(lines, "BenchmarkStart/by=%s/binary=%s-%d 1 %.2f ms-to-make %.2f ms-to-open %.2f MB-at-rest\n",
				r.database.name, r.label, runtime.GOMAXPROCS(0), r.makes[i], r.opens[i], r.memory[i])
		}
	}
	if err := lines.Close(); err != nil {
		b.Fatal(err)
	}
}

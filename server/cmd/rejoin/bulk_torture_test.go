package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/server"
	"github.com/rejoin-dev/rejoin/server/internal/pgtest"
)

// Each row of a file is done once, however often the process is killed meanwhile.
func TestNothingIsLostOrDoubledOfAFileWhenTheServerIsKilled(t *testing.T) {
	rows, kills := 2000, 2
	if os.Getenv(tortureEnv) != "" {
		rows, kills = 20_000, 20
	}
	t.Run("SQLite", func(t *testing.T) { tortureFile(t, rows, kills, []string{"--data", t.TempDir()}) })
	t.Run("PostgreSQL", func(t *testing.T) {
		tortureFile(t, rows, kills, []string{"--db", pgtest.URL(t)}, "--data", t.TempDir(), "--secret-key", secretKey)
	})
}

// worthOf is how many coins a row adds: if one were lost and another one doubled, the sum would hardly be the same. Some rows fail.
func worthOf(row int) (worth int, good bool) { return row * row % 1009, row%50 != 0 }

func tortureFile(t *testing.T, rows, kills int, database []string, more ...string) {
	r := newRig(t, "", server.Config{}, append(more, database...))
	o := officeOf(caller{t: t, base: r.bases[0].Load().(string), token: r.token})
	var file strings.Builder
	file.WriteString("identifier,coins_op,coins\n")
	want, bad := 0, 0
	for row := 1; row <= rows; row++ {
		if worth, good := worthOf(row); good {
			want += worth
			fmt.Fprintf(&file, "1,add,%d\n", worth)
		} else {
			bad++
			fmt.Fprintf(&file, "nobody,add,%d\n", worth)
		}
	}
	began := time.Now()
	o.token = o.key
	var queued struct{ Data struct{ BulkID string } }
	json.Unmarshal([]byte(o.ask("POST", "/apis/v1/users/bulk-update", formType, fileForm(file.String()))), &queued)
	path := "/apis/v1/bulk-updates/" + queued.Data.BulkID
	killed := 0
	for end := time.Now().Add(10 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		o.base = r.bases[0].Load().(string)
		var is struct {
			Data struct {
				Processed, Failed int
				Status            string
				FinishedAt        *string
			}
		}
		json.Unmarshal([]byte(o.ask("GET", path+"/status", "", nil)), &is)
		if is.Data.FinishedAt != nil {
			if is.Data.Status != "done_with_errors" || is.Data.Processed != rows || is.Data.Failed != bad {
				t.Errorf("it has ended as %+v", is.Data)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it does not end: %+v\n%s", is.Data, r.failures())
		}
		if killed < kills && is.Data.Processed >= killed*rows/(kills+1) {
			time.Sleep(rand.N(100 * time.Millisecond)) // anywhere in a step
			killed++
			r.kill(0)
		}
	}
	took := time.Since(began)
	lost, doubled := o.checkRows(path, rows)
	o.token = r.token
	if got := o.coins(); got != want {
		t.Errorf("the rows were worth %d coins, want %d", got, want)
	}
	if code, stdout, stderr := rejoin(append([]string{"verify"}, database...)...); code != 0 {
		t.Errorf("verify: %d %s%s", code, stdout, stderr)
	}
	if killed != kills {
		t.Errorf("it was done before it was killed so often: %d", killed)
	}
	t.Logf("%d rows, %d kills, %s: lost %d, doubled %d, failed %d, coins %d of %d", rows, killed, took.Round(time.Second), lost, doubled, bad, o.coins(), want)
}

// fileForm is the body of a request with a CSV file.
func fileForm(content string) []byte {
	return []byte("--x\r\nContent-Disposition: form-data; name=\"data\"; filename=\"rows.csv\"\r\nContent-Type: text/csv\r\n\r\n" + content + "\r\n--x--\r\n")
}

// checkRows counts the rows of which there is no result, and those of which there is more than one.
func (o office) checkRows(path string, rows int) (lost, doubled int) {
	o.t.Helper()
	r, err := http.NewRequest("GET", o.base+path+"/details", nil)
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+o.key)
	r.Header.Set("Accept", "text/csv")
	_, text, err := exchange(r)
	if err != nil {
		o.t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		o.t.Fatal(err)
	}
	times := make([]int, rows+1)
	for _, line := range lines[1:] {
		row, _ := strconv.Atoi(line[0])
		times[row]++
		if _, good := worthOf(row); good != (line[2] == "succeeded") {
			o.t.Errorf("row %d: %v", row, line)
		}
	}
	for row, n := range times[1:] {
		if n == 0 {
			lost++
		}
		if n > 1 {
			doubled += n - 1
		}
		if n != 1 {
			o.t.Errorf("row %d has %d results", row+1, n)
		}
	}
	return lost, doubled
}

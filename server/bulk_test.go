package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/rejoin-dev/rejoin/gen"
)

// An office is an API key of a club, and where its files are sent.
type office struct {
	club
	s   *Server
	key string
}

func newOffice(t *testing.T, s *Server) office {
	t.Helper()
	c := newClub(t, unlimited(s), "server_administrator")
	return office{club: c, s: s, key: c.keyOf(t, c.owner, "bulkUpdateUser")}
}

func decoded[T any](t *testing.T, w *httptest.ResponseRecorder) (answer T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return answer
}

const bulkUpdatePath = "/apis/v1/users/bulk-update"

// sends sends a file.
func (o office) sends(path string, file io.Reader) *httptest.ResponseRecorder {
	head := "--x\r\nContent-Disposition: form-data; name=\"data\"; filename=\"rows.csv\"\r\nContent-Type: text/csv\r\n\r\n"
	r := httptest.NewRequest("POST", path, io.MultiReader(strings.NewReader(head), file, strings.NewReader("\r\n--x--\r\n")))
	r.Header.Set("Authorization", "Bearer "+o.key)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	return send(o.h, r)
}

func (o office) status(t *testing.T, id string) gen.BulkUpdate {
	t.Helper()
	return do[gen.BulkUpdateResponse](t, o.h, "GET", "/apis/v1/bulk-updates/"+id+"/status", o.key, nil).Data
}

// ended waits until a file has ended.
func (o office) ended(t *testing.T, id string) gen.BulkUpdate {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		is := o.status(t, id)
		if _, ended := is.FinishedAt.Get(); ended {
			return is
		}
		if time.Now().After(end) {
			t.Fatalf("it does not end: %+v", is)
		}
	}
}

// rows are what became of the first rows.
func (o office) rows(t *testing.T, id string) []gen.BulkRow {
	t.Helper()
	return do[gen.BulkRowPageResponse](t, o.h, "GET", "/apis/v1/bulk-updates/"+id+"/details?limit=100", o.key, nil).Data
}

// failures are what is told of the rows that have failed.
func (o office) failures(t *testing.T, id string) string {
	t.Helper()
	var all []string
	for _, row := range o.rows(t, id) {
		for _, e := range row.Errors {
			where := fmt.Sprintf("row %d", row.Row)
			if e.Column != "" {
				where += ", column " + e.Column
			}
			all = append(all, where+": "+e.Message)
		}
	}
	return strings.Join(all, "; ")
}

// A repeated is a file of a header and so many bytes of rows that are all the same.
type repeated struct {
	next, row string
	left      int
}

func rowsOf(header, row string, bytes int) *repeated {
	return &repeated{next: header, row: row, left: len(header) + bytes}
}

func (r *repeated) Read(p []byte) (n int, err error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	if r.next == "" {
		r.next = r.row
	}
	n = copy(p[:min(len(p), r.left)], r.next)
	r.next, r.left = r.next[n:], r.left-n
	return n, nil
}

// inUTF16 is a text in that encoding.
func inUTF16(text string, big bool) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		if big {
			unit = unit<<8 | unit>>8
		}
		b.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	return b.String()
}

// What a file that is none, or hardly one, gets. README has this table.
func TestAFileThatIsHardlyOneGetsWhatTheReadmeSays(t *testing.T) {
	const head, good, mark = "identifier,motto\n", "owner@example.com,x\n", "\uFEFF"
	const crooked, taken = "a quotation mark in a wrong place, or one that is not closed", "200, and all rows are done"
	refused := func(how string) string { return "400 `/data`: " + how }
	text := func(files ...string) (readers []func() io.Reader) {
		for _, file := range files {
			readers = append(readers, func() io.Reader { return strings.NewReader(file) })
		}
		return readers
	}
	million := strings.Repeat("a", 1_000_000) + ",x\n"
	tests := []struct {
		what  string
		files []func() io.Reader
		gets  string
	}{
		{"UTF-8, with or without a byte order mark", text(head+good, mark+head+good, mark+`"identifier",motto`+"\n"+good), taken},
		{"lines that end in CRLF, empty lines, none at the end", text("identifier,motto\r\nowner@example.com,x\r\n", head+"\n"+good+"\n", head+"owner@example.com,x"), taken},
		{"quotes around cells, with commas, lines and `\"\"` in them", text(head + "owner@example.com,\"a, \"\"b\"\"\nc\"\n"), taken},
		{"formulas (`=1+1`, `@a`): they stay texts", text(head + "owner@example.com,=1+1\nowner@example.com,@a\n"), taken},
		{"UTF-16, little or big endian, with or without a byte order mark",
			text(inUTF16(mark+head+good, false), inUTF16(mark+head+good, true), inUTF16(head+good, false), inUTF16(head+good, true)),
			refused(`the header: the file is UTF-16, and must be UTF-8: save it as "CSV UTF-8"`)},
		{"gzip, or the file of a spreadsheet", text("\x1f\x8b\x08\x00\x00", "PK\x03\x04\x14\x00"),
			refused(`the header: the file is compressed, or of a spreadsheet: save it as "CSV UTF-8"`)},
		{"another encoding", text(head + good + "owner@example.com,caf\xe9\n"), refused("row 2, column 2: must be UTF-8")},
		{"the character NUL", text(head + good + "owner@example.com,a\x00b\n"), refused("row 2, column 2: must not contain the character NUL")},
		{"a quote that is not closed, or stands inside of a cell", text(head+good+"\"owner@example.com,x\n", head+good+"owner@example.com,a\"b\n"), refused("row 2: has " + crooked)},
		{"semicolons or tabs", text("identifier;motto\nowner@example.com;x\n", "identifier\tmotto\n"),
			refused("the header, column 1: must have commas between the cells, not semicolons or tabs")},
		{"nothing", text("", mark), refused("the header: the file is empty")},
		{"a header alone", text(head), refused("row 1: is missing: the file has no rows")},
		{"a column that is not known", text("identifier,nonsense\n"), refused("the header, column 2: is not known here: the template shows which columns there are")},
		{"a column that is missing", text("motto\nx\n"), refused("the header, column identifier: is missing")},
		{"a column twice, in whatever case", text("identifier,motto,Motto\n"), refused("the header, column motto: is there twice")},
		{"an `_op` without its numbers", text("identifier,coins_op\n"), refused("the header, column coins: is missing, of which another column says how it counts")},
		{"rows with fewer or more cells than there are columns", text(head + good + "owner@example.com\n" + "owner@example.com,x,y\n"),
			"200, and they fail alone: row 2: has fewer cells than there are columns; row 3: has more cells than there are columns"},
		{"a cell of 1 MB", text(head + good + million), "200, and it fails alone: row 2, column identifier: must have at most 4000 characters"},
		{"a row of more than 1 MiB", text(head + good + strings.Repeat("a", 100_000) + million), refused("row 2: is longer than 1 MiB, or a quotation mark is not closed")},
		{"100,001 rows", []func() io.Reader{func() io.Reader { return rowsOf(head, "a,\n", 100_001*3) }}, refused("row 100001: a file has at most 100000 rows")},
		{"64 MiB and 1 byte", []func() io.Reader{func() io.Reader { return rowsOf(head, million, 64<<20+1-len(head)) }}, "413, and no part of it is kept"},
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		if row := "\n| " + test.what + " | " + test.gets + " |\n"; !strings.Contains(string(readme), row) {
			t.Errorf("README does not have %s", row)
		}
	}
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		do[gen.UserFieldResponse](t, o.h, "POST", "/apis/v1/communities/"+o.id+"/user-fields", o.owner, map[string]any{"field": "motto", "name": "Motto", "type": "text"})
		for _, test := range tests {
			for _, file := range test.files {
				if got := o.gets(t, o.sends(bulkUpdatePath, file())); got != test.gets {
					t.Errorf("%s: got %s, want %s", test.what, got, test.gets)
				}
			}
		}
		if list := do[gen.BulkUpdatePageResponse](t, o.h, "GET", "/apis/v1/bulk-updates?limit=100", o.key, nil).Data; len(list) != 10 { // those that were taken
			t.Errorf("%d files are there", len(list))
		}
	})
}

// It runs beside no other test, whose memory it would see.
func TestALargeFileIsNotHeld(t *testing.T) {
	o := newOffice(t, open(t, onSQLite(t)))
	const head = "identifier,coins_op,coins\n"
	row := strings.Repeat("a", 1_000_000) + ",add,1\n"
	for bytes, want := range map[int]int{64 << 20: http.StatusOK, 64<<20 + 1: http.StatusRequestEntityTooLarge} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := o.sends(bulkUpdatePath, rowsOf(head, row, bytes-len(head)))
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapSys) - int64(before.HeapSys); w.Code != want || grown > 32<<20 {
			t.Errorf("%d bytes: got %d, and the heap has grown by %d: %s", bytes, w.Code, grown, w.Body)
		}
	}
}

// gets is what a file has got, as README says it.
func (o office) gets(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	switch w.Code {
	case http.StatusOK:
		is := o.ended(t, decoded[gen.BulkQueuedResponse](t, w).Data.BulkID)
		told := o.failures(t, is.BulkID)
		switch is.Failed {
		case 0:
			return "200, and all rows are done"
		case 1:
			return "200, and it fails alone: " + told
		}
		return "200, and they fail alone: " + told
	case http.StatusBadRequest:
		problem := decoded[gen.IntegrationErrorResponse](t, w).Data
		if len(problem.Fields) != 1 || problem.Code != gen.ProblemCodeInvalidRequest || problem.Fields[0].Code != gen.FieldCodeMalformed {
			t.Errorf("got %s", w.Body)
		}
		return "400 `" + problem.Fields[0].Pointer + "`: " + problem.Fields[0].Message
	case http.StatusRequestEntityTooLarge:
		return "413, and no part of it is kept"
	}
	return w.Body.String()
}

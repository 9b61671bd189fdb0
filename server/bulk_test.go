package server

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
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

const (
	bulkUpdatePath = "/apis/v1/users/bulk-update"
	bulkImportPath = "/apis/v1/users/bulk-import"
)

// sends sends a file.
func (o office) sends(path string, file io.Reader) *httptest.ResponseRecorder {
	head := "--x\r\nContent-Disposition: form-data; name=\"data\"; filename=\"rows.csv\"\r\nContent-Type: text/csv\r\n\r\n"
	r := httptest.NewRequest("POST", path, io.MultiReader(strings.NewReader(head), file, strings.NewReader("\r\n--x--\r\n")))
	r.Header.Set("Authorization", "Bearer "+o.key)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	return send(o.h, r)
}

// queues sends a file that is taken, and returns its id.
func (o office) queues(t *testing.T, path, file string) string {
	t.Helper()
	w := o.sends(path, strings.NewReader(file))
	if w.Code != http.StatusOK {
		t.Fatalf("it was not taken: %d %s", w.Code, w.Body)
	}
	return decoded[gen.BulkQueuedResponse](t, w).Data.BulkID
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
		{"a column that is not known", text("identifier,nonsense\n"), refused(`the header, column 2: "nonsense" is not known here: the columns are identifier, xp_op, xp, coins_op, coins, motto`)},
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

// usersNamed is a file that makes users of these names.
func usersNamed(names ...string) string {
	file := "firstname,lastname,username,displayname,email\n"
	for _, name := range names {
		file += "Vera,Menchik," + name + ",Vera," + name + "@example.com\n"
	}
	return file
}

func TestARowWithAnAddressThatIsNoneFailsAndKeepsNoOther(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, unlimited(open(t, config)))
		file := usersNamed("vera") + "Nona,Gaprindashvili,nona,Nona,nomail\n" + "Maia,Chiburdanidze,maia,Maia,maia@example.com\n"
		is := o.ended(t, o.queues(t, bulkImportPath, file))
		if failures := o.failures(t, is.BulkID); is.Succeeded != 2 || is.Failed != 1 || !strings.Contains(fmt.Sprint(failures), "email") {
			t.Errorf("got %+v: %s", is, failures)
		}
	})
}

func TestTheRowsOfAnImportAreTakenFromTheQuotaWhenTheyComeAndGivenBackIfTheyAreNeverDone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		config.RateLimit = 5.1 / float64(importedUsers.AtOnce)
		s := open(t, config)
		quota := s.imported
		o := newOffice(t, s)
		s.imported = quota
		sends := func(names ...string) *httptest.ResponseRecorder {
			return o.sends(bulkImportPath, strings.NewReader(usersNamed(names...)))
		}
		refused := decoded[gen.IntegrationErrorResponse](t, sends("a", "b", "c", "d", "e", "f")).Data
		if len(refused.Fields) != 1 || refused.Fields[0].Pointer != "/data" || refused.Fields[0].Code != gen.FieldCodeTooLong {
			t.Errorf("more than may be imported at once: got %+v", refused)
		}
		if is := o.ended(t, o.queues(t, bulkImportPath, usersNamed("vera", "vera", "a b"))); is.Succeeded != 1 || is.Failed != 2 {
			t.Errorf("got %+v: %s", is, o.failures(t, is.BulkID))
		}
		long := o.queues(t, bulkUpdatePath, "identifier,coins_op,coins\n"+strings.Repeat("nobody,add,1\n", 20_000))
		waits := o.queues(t, bulkImportPath, usersNamed("sonja", "nona"))
		if w := sends("maia"); w.Code != http.StatusTooManyRequests {
			t.Errorf("one more, where two have failed: got %d %s", w.Code, w.Body)
		}
		for _, id := range []string{waits, long} {
			do[gen.BulkUpdateResponse](t, o.h, "POST", "/apis/v1/bulk-updates/"+id+"/cancel", o.key, nil)
		}
		if is := o.ended(t, o.queues(t, bulkImportPath, usersNamed("sonja", "nona"))); is.Succeeded != 2 {
			t.Errorf("of two that were given back: got %+v: %s", is, o.failures(t, is.BulkID))
		}
		w := sends("maia")
		if problem := decoded[gen.IntegrationErrorResponse](t, w).Data; w.Code != http.StatusTooManyRequests || problem.Code != gen.ProblemCodeRateLimited || w.Header().Get("Retry-After") == "" {
			t.Errorf("one more: got %d %v %s", w.Code, w.Header(), w.Body)
		}
		if list := do[gen.BulkUpdatePageResponse](t, o.h, "GET", "/apis/v1/bulk-updates", o.key, nil).Data; len(list) != 4 {
			t.Errorf("those that were refused are there: %+v", list)
		}
	})
}

func TestAFileThatRunsIsCancelledAndTheNextOneBegins(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		const rows = 20_000
		first := o.queues(t, bulkUpdatePath, "identifier,coins_op,coins\n"+strings.Repeat("nobody,add,1\n", rows))
		next := o.queues(t, bulkUpdatePath, "identifier,coins_op,coins\nowner@example.com,add,1\n")
		for o.status(t, first).Processed == 0 {
			runtime.Gosched()
		}
		cancelled := do[gen.BulkUpdateResponse](t, o.h, "POST", "/apis/v1/bulk-updates/"+first+"/cancel", o.key, nil).Data
		if cancelled.Status != gen.BulkStatusCancelled || cancelled.Processed == 0 || cancelled.Processed == rows {
			t.Errorf("got %+v", cancelled)
		}
		if is := o.ended(t, next); is.Status != gen.BulkStatusDone {
			t.Errorf("the next one: got %+v", is)
		}
		if is := o.status(t, first); is.Status != cancelled.Status || is.Processed != cancelled.Processed {
			t.Errorf("it was %+v, and is %+v", cancelled, is)
		}
	})
}

func TestARowThatFailsAfterItHasWrittenFailsAloneAmongOthersThatAreWrong(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		fields := "/apis/v1/communities/" + o.id + "/user-fields"
		card := do[gen.UserFieldResponse](t, o.h, "POST", fields, o.owner, map[string]any{"field": "card", "name": "Card", "type": "text"}).Data.ID
		do[gen.UserFieldResponse](t, o.h, "PUT", fields+"/"+card, o.owner, map[string]any{"name": "Card", "type": "text", "isIdentifier": true})
		is := o.ended(t, o.queues(t, bulkUpdatePath, "identifier,coins_op,coins,card\nowner@example.com,add,1,a\nben@example.com,add,1,a\n"+
			"nobody,add,1,\nben@example.com,subtract,5,\nben@example.com,add,1,b\nben@example.com,add,1,\n"))
		const want = "row 2: Another user has this value; row 3, column identifier: must name a member of the community; row 4, column coins: is more than the user has"
		if told := o.failures(t, is.BulkID); is.Succeeded != 3 || is.Failed != 3 || told != want {
			t.Errorf("got %+v: %s", is, told)
		}
		if name := o.rows(t, is.BulkID)[1].Identifier; name != "ben@example.com" {
			t.Errorf("the one that has written is of %q", name)
		}
		o.has(t, gen.Balance{Coins: 2})
	})
}

func TestWhatARowTellsIsBounded(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		header, row := "identifier", "owner@example.com"
		for i := range 12 {
			do[map[string]any](t, o.h, "POST", "/apis/v1/communities/"+o.id+"/user-fields", o.owner, map[string]any{"field": fmt.Sprint("age", i), "name": "Age", "type": "number"})
			header, row = header+fmt.Sprintf(",age%d", i), row+",x"
		}
		id := o.ended(t, o.queues(t, bulkUpdatePath, header+"\n"+row+"\n"+strings.ReplaceAll(row, "x", strings.Repeat("y", 4001))+"\n")).BulkID
		for i, row := range o.rows(t, id) {
			if len(row.Errors) != mostRowErrors {
				t.Errorf("row %d tells %d errors", i+1, len(row.Errors))
			}
		}
	})
}

func TestDetailsAsAFileAreLimitedAsAnExportIs(t *testing.T) {
	s := open(t, onSQLite(t))
	c := newClub(t, s, "server_administrator")
	o := office{club: c, s: s, key: c.keyOf(t, c.owner, "bulkUpdateUser")}
	id := o.ended(t, o.queues(t, bulkUpdatePath, "identifier,xp\nowner@example.com,0\n")).BulkID
	ask := func(accept string) int {
		r := request("GET", "/apis/v1/bulk-updates/"+id+"/details", o.key)
		r.Header.Set("Accept", accept)
		return send(o.h, r).Code
	}
	for range rates["exports"].burst {
		if code := ask("text/csv"); code != http.StatusOK {
			t.Fatalf("got %d", code)
		}
	}
	if code := ask("text/csv"); code != http.StatusTooManyRequests {
		t.Errorf("one too many: got %d", code)
	}
	if code := ask("application/json"); code != http.StatusOK {
		t.Errorf("as JSON: got %d", code)
	}
}

func TestNoMoreThanAQuarterOfASecretIsShown(t *testing.T) {
	for secret, want := range map[string]string{"": "", "abc": "***", "abcd": "***d", "CODE-ONE": "******NE", strings.Repeat("x", 36) + "last": strings.Repeat("*", 36) + "last",
		strings.Repeat("a", 4) + strings.Repeat("0", 60): "aaaa" + strings.Repeat("*", 56) + "0000"} {
		if got := maskedBriefly(secret); got != want {
			t.Errorf("%q is shown as %q, want %q", secret, got, want)
		}
	}
}

func TestWhatBecameOfARowDoesNotNameWhoIsNobodyHere(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		id := o.ended(t, o.queues(t, bulkUpdatePath, "identifier,xp\nben@example.com,0\nbenedikt@example.com,0\nélodie@example.com\nnobody,0\nben@example.com,x\n")).BulkID
		names := func() (names string) {
			for _, row := range o.rows(t, id) {
				names += row.Identifier + " "
			}
			return names
		}
		const others = "b…@example.com é…@example.com nobody "
		if got, want := names(), "ben@example.com "+others+"ben@example.com "; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		made := o.ended(t, o.queues(t, bulkImportPath, usersNamed("vera", "v x"))).BulkID
		if rows := o.rows(t, made); rows[0].Identifier != "vera@example.com" || rows[1].Identifier != "v…@example.com" {
			t.Errorf("got %+v", rows)
		}
		if name := strangersName("a@" + strings.Repeat("é", longestShown-2)); len([]rune(name)) != longestShown {
			t.Errorf("got a name of %d characters", len([]rune(name)))
		}
		// Of whom it names, it is not kept longer than they are there.
		if w := leave(o.s, o.ben, nil); w.Code != http.StatusOK {
			t.Fatalf("Ben does not leave: %d %s", w.Code, w.Body)
		}
		for end := time.Now().Add(time.Minute); names() != " "+others+" "; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it still has %q", names())
			}
		}
	})
}

// A halfSent is a file of which a part has come.
type halfSent struct {
	rest  *io.PipeWriter
	ended chan *httptest.ResponseRecorder
}

// begins sends the first rows of a file, more than are kept at once.
func (o office) begins() halfSent {
	content, rest := io.Pipe()
	b := halfSent{rest, make(chan *httptest.ResponseRecorder, 1)}
	go func() { b.ended <- o.sends(bulkUpdatePath, content) }()
	io.WriteString(rest, "identifier,xp\n"+strings.Repeat("nobody@example.com,0\n", 10*bulkRowsAtOnce))
	return b
}

func TestOfTheFilesThatArriveAtOnceOneTooManyIsRefused(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		var all []halfSent
		for range store.MaxBulkArriving {
			all = append(all, o.begins())
		}
		const small = "identifier,xp\nowner@example.com,0\n"
		if w := o.sends(bulkUpdatePath, strings.NewReader(small)); w.Code != http.StatusConflict {
			t.Errorf("one too many: got %d %s", w.Code, w.Body)
		}
		for i, b := range all {
			b.rest.CloseWithError(io.ErrUnexpectedEOF)
			if w := <-b.ended; w.Code == http.StatusOK {
				t.Errorf("file %d was broken off, and taken: %s", i, w.Body)
			}
		}
		if w := o.sends(bulkUpdatePath, strings.NewReader(small)); w.Code != http.StatusOK {
			t.Errorf("none is taken any more: %d %s", w.Code, w.Body)
		}
	})
}

func TestATemplateIsHarmlessAndAFileToBeginWith(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		do[gen.UserFieldResponse](t, o.h, "POST", "/apis/v1/communities/"+o.id+"/user-fields", o.owner, map[string]any{"field": "=1+1", "name": "Sum", "type": "text"})
		r := request("GET", "/apis/v1/bulk-updates/template", o.key)
		r.Header.Set("Accept", "text/csv")
		template := send(o.h, r).Body.String()
		if !strings.HasSuffix(template, ",'=1+1\n") {
			t.Errorf("got %q", template)
		}
		columns := strings.Count(template, ",")
		is := o.ended(t, o.queues(t, bulkUpdatePath, template+"ben@example.com"+strings.Repeat(",", columns)+"two\n"))
		if is.Status != gen.BulkStatusDone {
			t.Errorf("got %+v: %s", is, o.failures(t, is.BulkID))
		}
	})
}

// Whatever a file fails with, also with what nobody has foreseen, the next one of the community has its turn.
func TestAFileThatFailsAgainAndAgainEndsAndKeepsNoOtherWaiting(t *testing.T) {
	const lines = "identifier,coins_op,coins\nowner@example.com,add,1\nben@example.com,add,1\n"
	for name, chunk := range map[string]string{
		"rows that cannot be read": `no JSON`,
		"a row that panics":        `[{"n":1,"c":["owner@example.com","add","1"]},{"n":2,"c":["ben@example.com","add","1","one cell too many"]}]`,
	} {
		t.Run(name, func(t *testing.T) {
			onEachDatabase(t, func(t *testing.T, config Config) {
				o := newOffice(t, open(t, config))
				before := o.queues(t, bulkUpdatePath, "identifier,coins_op,coins\n"+strings.Repeat("nobody,add,1\n", 20_000))
				broken, next := o.queues(t, bulkUpdatePath, lines), o.queues(t, bulkUpdatePath, lines)
				db := opened(t, config)
				if _, err := db.Exec(`UPDATE bulk_chunks SET lines = $2 WHERE bulk_id = $1`, broken, chunk); err != nil {
					t.Fatal(err)
				}
				do[gen.BulkUpdateResponse](t, o.h, "POST", "/apis/v1/bulk-updates/"+before+"/cancel", o.key, nil)
				is := o.ended(t, broken)
				if is.Status != gen.BulkStatusFailed || !strings.Contains(is.Reason, "the log of the server has the cause") || is.Failed != 0 {
					t.Errorf("it has ended as %+v", is)
				}
				if after := o.ended(t, next); after.Status != gen.BulkStatusDone || after.Reason != "" {
					t.Errorf("the next one has ended as %+v", after)
				}
				o.has(t, gen.Balance{Coins: 1}) // of the next one
			})
		})
	}
}

// opened is the database of a server, beside it.
func opened(t *testing.T, config Config) *sql.DB {
	t.Helper()
	driver, name := "pgx", config.Database
	if name == "" {
		driver, name = "sqlite", "file:"+filepath.Join(config.Data, "rejoin.db")+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// What a spreadsheet makes of a file is its file all the same.
func TestTheCaseOfColumnsAndBlanksAroundCellsDoNotCount(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		is := o.ended(t, o.queues(t, bulkUpdatePath, " Identifier ,Coins_Op,COINS\n ben@example.com , add ,\t5 \n"))
		if is.Status != gen.BulkStatusDone {
			t.Errorf("got %+v: %s", is, o.failures(t, is.BulkID))
		}
		o.has(t, gen.Balance{Coins: 5})
		is = o.ended(t, o.queues(t, bulkImportPath, strings.Replace(usersNamed("vera"), "email", "Email", 1)))
		if is.Status != gen.BulkStatusDone {
			t.Errorf("got %+v: %s", is, o.failures(t, is.BulkID))
		}
		is = o.ended(t, o.queues(t, bulkUpdatePath, "identifier,coins\nben@example.com,5 000\n"))
		if told := o.failures(t, is.BulkID); told != "row 1, column coins: must be a whole number from 0 to 1000000000, such as 5000, without blanks, commas or the sign of a currency" {
			t.Errorf("got %s", told)
		}
	})
}

func TestWhatARowOfAnImportTakesFromAnotherAccountNamesItsColumn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		file := usersNamed("vera") + "Vera,Menchik,vera,Vera,other@example.com\nVera,Menchik,sonja,Vera,vera@example.com\n"
		is := o.ended(t, o.queues(t, bulkImportPath, file))
		if told := o.failures(t, is.BulkID); told != "row 2, column username: the username is taken; row 3, column email: the email is taken" {
			t.Errorf("got %s", told)
		}
	})
}

// Only the address of who is nobody here is masked, whatever else is wrong with the row.
func TestARowThatFailsNamesTheMemberWhomItIsAbout(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, config Config) {
		o := newOffice(t, open(t, config))
		for _, file := range []string{
			"identifier,coins_op,coins\nben@example.com,add\nben@example.com,add,1,2\nnina@example.com,add\n",
			"identifier,coins\nben@example.com,x\nben@example.com," + strings.Repeat("1", 4001) + "\nnina@example.com,x\n",
		} {
			is := o.ended(t, o.queues(t, bulkUpdatePath, file))
			for i, want := range []string{"ben@example.com", "ben@example.com", "n…@example.com"} {
				if row := o.rows(t, is.BulkID)[i]; row.Identifier != want || row.Result != gen.BulkResultFailed {
					t.Errorf("row %d: got %+v, want it to name %s", i+1, row, want)
				}
			}
		}
	})
}

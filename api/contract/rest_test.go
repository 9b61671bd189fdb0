package contract_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
)

const formHead = "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n" + png

// sendAll sends a request to its end before it reads anything, as most clients do.
func sendAll(t *testing.T, address, head, body string) (*http.Response, gen.SystemErrorResponse) {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	if _, err := io.WriteString(connection, head+"\r\nHost: a\r\n\r\n"+body); err != nil {
		t.Fatalf("while sending: %v", err)
	}
	return receive(t, bufio.NewReader(connection))
}

func receive(t *testing.T, from *bufio.Reader) (*http.Response, gen.SystemErrorResponse) {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatalf("while reading: %v", err)
	}
	var answer gen.SystemErrorResponse
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatalf("while reading: %v", err)
	}
	return response, answer
}

func listen(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestARefusalReachesAClientThatSendsAllBeforeItReads(t *testing.T) {
	address := listen(t, serve(t, &backend{}, contract.Options{}))
	const (
		form  = "\r\nContent-Type: multipart/form-data; boundary=b"
		known = "\r\nAuthorization: Bearer "
	)
	file := func(mib int) string { return formHead + strings.Repeat("0", mib<<20) + "\r\n--b--\r\n" }
	for name, test := range map[string]struct {
		head, body string
		status     int
		says       string // of the limit
		field      string
	}{
		"JSON over its limit":     {"POST /roles HTTP/1.1\r\nContent-Type: application/json" + known + token, `{"title":"` + strings.Repeat("a", 4<<20) + `"}`, 413, "47 KiB", " too_long"},
		"a file over its limit":   {"POST /servers HTTP/1.1" + form + known + token, file(6), 413, "5 MiB", "/image too_long"},
		"a file far over it":      {"POST /servers HTTP/1.1" + form + known + token, file(12), 413, "5 MiB", "/image too_long"},
		"an upload by nobody":     {"POST /servers HTTP/1.1" + form, file(5), 401, "", ""},
		"a large one by nobody":   {"POST /servers HTTP/1.1" + form, file(12), 401, "", ""},
		"an upload to nowhere":    {"POST /nope HTTP/1.1" + form, file(5), 404, "", ""},
		"an upload of no method":  {"PATCH /servers HTTP/1.1" + form, file(5), 405, "", ""},
		"another kind of content": {"POST /servers HTTP/1.1\r\nContent-Type: text/plain" + known + token, file(5), 415, "", ""},
		"by HTTP/1.0":             {"POST /servers HTTP/1.0" + form, file(5), 401, "", ""},
		"with Expect":             {"POST /servers HTTP/1.1\r\nExpect: 100-continue" + form, file(5), 401, "", ""},
	} {
		for _, chunked := range []bool{false, true} {
			length, body := fmt.Sprintf("\r\nContent-Length: %d", len(test.body)), test.body
			if chunked {
				if strings.Contains(test.head, "HTTP/1.0") {
					continue
				}
				length, body = "\r\nTransfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(test.body), test.body)
			}
			response, answer := sendAll(t, address, test.head+length, body)
			field := ""
			for _, f := range answer.Body.Fields {
				field += f.Pointer + " " + string(f.Code)
			}
			closes := !chunked || strings.Contains(test.head, "Expect") // of a chunked body it is seen later
			if response.StatusCode != test.status || response.Close != closes || field != test.field || !strings.HasSuffix(answer.Meta.Message, test.says) {
				t.Errorf("%s, chunked %t: got %s, closing %t, %q of %q", name, chunked, response.Status, response.Close, answer.Meta.Message, field)
			}
		}
	}
}

func TestARefusalComesBeforeTheBody(t *testing.T) {
	address := listen(t, serve(t, &backend{}, contract.Options{}))
	for _, expect := range []string{"", "\r\nExpect: 100-continue"} {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		fmt.Fprintf(connection, "POST /servers HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d%s\r\n\r\n", 5<<20, expect)
		from := bufio.NewReader(connection)
		if response, answer := receive(t, from); response.StatusCode != 401 || answer.Body.Code != gen.ProblemCodeUnauthenticated {
			t.Errorf("expecting %q: got %s", expect, response.Status)
		}
		io.WriteString(connection, strings.Repeat("0", 5<<20))
		if rest, err := io.ReadAll(from); len(rest) > 0 || err != nil {
			t.Errorf("expecting %q: after the answer came %q (%v)", expect, rest, err)
		}
	}
}

func TestARefusalComesBeforeASmallBodyToo(t *testing.T) {
	connection, err := net.Dial("tcp", listen(t, serve(t, &backend{}, contract.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	from := bufio.NewReader(connection)
	for range 3 {
		io.WriteString(connection, "POST /servers HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
		// An answer that waited for the body says that the connection is closed.
		if response, _ := receive(t, from); response.StatusCode != 401 || response.Close {
			t.Errorf("got %s, closing %t", response.Status, response.Close)
		}
		io.WriteString(connection, strings.Repeat("0", 100))
	}
}

func TestABodyThatDoesNotComeHoldsNoConnection(t *testing.T) {
	address := listen(t, serve(t, &backend{}, contract.Options{}))
	done := make(chan string)
	requests := map[string]int{
		"GET /servers HTTP/1.1\r\nAuthorization: Bearer " + token:  200,
		"GET /servers HTTP/1.1":                                    401,
		"GET /nope HTTP/1.1\r\nExpect: 100-continue":               404,
		"HEAD /servers HTTP/1.1\r\nAuthorization: Bearer " + token: 200,
		"HEAD /servers HTTP/1.1":                                   401,
	}
	for head, status := range requests {
		go func() {
			connection, err := net.Dial("tcp", address)
			if err != nil {
				done <- err.Error()
				return
			}
			defer connection.Close()
			connection.SetDeadline(time.Now().Add(time.Minute))
			fmt.Fprintf(connection, "%s\r\nHost: a\r\nContent-Length: 100000\r\n\r\n%s", head, strings.Repeat("0", 1000))
			all, err := io.ReadAll(connection)
			if want := fmt.Sprintf("HTTP/1.1 %d ", status); err != nil || !strings.HasPrefix(string(all), want) || strings.Count(string(all), "HTTP/1.1") != 1 {
				done <- fmt.Sprintf("%s: got %q and then %v, want one answer %s and the end", head, all, err, want)
				return
			}
			done <- ""
		}()
	}
	for range requests {
		if wrong := <-done; wrong != "" {
			t.Error(wrong)
		}
	}
}

func TestAConnectionOutlivesTheRefusalOfASmallBody(t *testing.T) {
	const size = 60 << 10
	content := strings.Repeat(" ", size)
	for length, body := range map[string]string{
		fmt.Sprintf("Content-Length: %d", size): content,
		"Transfer-Encoding: chunked":            fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, content),
	} {
		connection, err := net.Dial("tcp", listen(t, serve(t, &backend{}, contract.Options{})))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		from := bufio.NewReader(connection)
		for range 3 {
			fmt.Fprintf(connection, "POST /roles HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%s\r\n\r\n%s", length, body)
			if response, _ := receive(t, from); response.StatusCode != 401 || response.Close {
				t.Errorf("%s: got %s, closing %t", length, response.Status, response.Close)
			}
		}
	}
}

func TestWhoSendsWithoutEndIsCutOff(t *testing.T) {
	for _, length := range []string{"Content-Length: 1000000000000", "Transfer-Encoding: chunked\r\n\r\n10000000000"} {
		connection, err := net.Dial("tcp", listen(t, serve(t, &backend{}, contract.Options{})))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		io.WriteString(connection, "POST /servers HTTP/1.1\r\nHost: a\r\n"+length+"\r\n\r\n")
		piece := make([]byte, 1<<20)
		sent := 0
		for ; err == nil && sent < 1<<10; sent++ {
			_, err = connection.Write(piece)
		}
		if err == nil {
			t.Errorf("%s: %d MiB were taken", length, sent)
		}
	}
}

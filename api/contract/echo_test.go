package contract_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
)

// backend is what a user of the package writes, with the answers of these tests.
type backend struct {
	stub.Unimplemented
	onFile      func(name, kind string, content io.Reader) error
	form        contract.Form
	fingerprint []byte
	order       int32
	err         error
}

func (b *backend) ListMyServers(context.Context, stub.ListMyServersRequestObject) (stub.ListMyServersResponseObject, error) {
	return stub.ListMyServers200JSONResponse{Meta: gen.SystemMeta{Success: true}, Body: []gen.Server{}}, b.err
}

func (b *backend) CreateServer(ctx context.Context, r stub.CreateServerRequestObject) (_ stub.CreateServerResponseObject, err error) {
	if b.form, err = contract.ReadForm(ctx, r.Body, b.onFile); err != nil {
		return nil, err
	}
	_, b.fingerprint = contract.IdempotencyFrom(ctx)
	return stub.CreateServer201JSONResponse{}, nil
}

func (b *backend) ListChannels(context.Context, stub.ListChannelsRequestObject) (stub.ListChannelsResponseObject, error) {
	return stub.ListChannels200JSONResponse{Body: []gen.Channel{}}, nil
}

func (b *backend) CreateRole(_ context.Context, r stub.CreateRoleRequestObject) (stub.CreateRoleResponseObject, error) {
	b.order = r.Body.Order
	return stub.CreateRole201JSONResponse{}, nil
}

func (b *backend) GetAPIKeyInfo(context.Context, stub.GetAPIKeyInfoRequestObject) (stub.GetAPIKeyInfoResponseObject, error) {
	return nil, nil
}

var (
	token    = strings.Repeat("a", 64)
	channels = strings.Repeat("b", 64) // API keys, by their permission
	badges   = strings.Repeat("c", 64)
)

func authenticate(_ context.Context, credential string, inKeyHeader bool) (contract.Caller, error) {
	scheme := contract.KeyAuth
	if inKeyHeader {
		scheme = contract.APIKeyAuth
	}
	switch {
	case credential == token && !inKeyHeader:
		return contract.Caller{Scheme: contract.SessionAuth, Who: "vera"}, nil
	case credential == channels:
		return contract.Caller{Scheme: scheme, Permissions: []gen.KeyPermission{gen.KeyPermissionChannels}}, nil
	case credential == badges:
		return contract.Caller{Scheme: scheme, Permissions: []gen.KeyPermission{gen.KeyPermissionBadges}}, nil
	}
	return contract.Caller{}, contract.Unauthenticated("nobody has this credential")
}

func serve(t *testing.T, b *backend, options contract.Options) *echo.Echo {
	t.Helper()
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Authenticate == nil {
		options.Authenticate = authenticate
	}
	e, err := contract.NewEcho(b, options)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func ask(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func bearer(credential string) []string { return []string{"Authorization", "Bearer " + credential} }

func TestAnOperationTakesWhomTheContractNames(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{})
	for _, test := range []struct {
		who    string
		header []string
		target string
		want   int
	}{
		{"a session", bearer(token), "/servers", 200},
		{"a session", bearer(token), "/channels", 200},
		{"a session", bearer(token), "/apis/v1/channels", 403},
		{"a session in the header for keys", []string{"X-Api-Key", token}, "/channels", 401},
		{"a key with the permission", bearer(channels), "/channels", 200},
		{"a key with the permission", []string{"X-Api-Key", channels}, "/channels", 200},
		{"a key with the permission", []string{"X-Api-Key", channels}, "/apis/v1/channels", 403},
		{"a key without the permission", bearer(badges), "/channels", 403},
		{"a key", bearer(channels), "/servers", 403},
		{"a key in both headers", append(bearer(channels), "X-Api-Key", channels), "/channels", 200},
		{"a session in both headers", append(bearer(token), "X-Api-Key", token), "/servers", 200},
		{"a session that is sent twice", append(bearer(token), bearer(token)...), "/servers", 200},
		{"a key that is sent twice", []string{"X-Api-Key", channels, "X-Api-Key", channels}, "/channels", 200},
		{"a session beside an empty header", append(bearer(token), "X-Api-Key", ""), "/servers", 200},
		{"a key beside an empty header", []string{"Authorization", "", "X-Api-Key", channels}, "/channels", 200},
		{"a key beside an empty bearer", []string{"Authorization", "Bearer ", "X-Api-Key", channels}, "/channels", 200},
		{"nobody", nil, "/servers", 401},
		{"somebody unknown", bearer(strings.Repeat("f", 64)), "/servers", 401},
	} {
		if w := ask(e, "GET", test.target, test.header...); w.Code != test.want {
			t.Errorf("%s, %s: got %d, want %d: %s", test.who, test.target, w.Code, test.want, w.Body)
		}
	}
}

func TestTheBackendIsNotAskedAboutWhatIsNoCredential(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{Authenticate: func(context.Context, string, bool) (contract.Caller, error) {
		t.Error("it was asked")
		return contract.Caller{}, nil
	}})
	for name, header := range map[string][]string{
		"none":       nil,
		"two":        append(bearer(token), "X-Api-Key", channels),
		"two tokens": append(bearer(token), bearer(badges)...),
		"two keys":   {"X-Api-Key", badges, "X-Api-Key", channels},
		"one twice":  append(append(bearer(token), bearer(badges)...), "X-Api-Key", token),
		"basic":      {"Authorization", "Basic " + token},
		"also basic": {"Authorization", "Basic " + token, "X-Api-Key", channels},
		"short":      bearer(token[1:]),
		"upper case": bearer(strings.ToUpper(token)),
		"empty":      {"X-Api-Key", ""},
	} {
		w := ask(e, "GET", "/servers", header...)
		if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: got %d, %v", name, w.Code, w.Header())
		}
	}
}

func TestEveryErrorComesInTheEnvelopeOfItsFamily(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{NewID: func() string { return "an-id" }})
	for _, test := range []struct {
		method, target, body string
		status               int
	}{
		{"GET", "/nope", `{"meta":{"success":false,"message":"Not found","devMessage":"there is no such route"},"body":{"code":"not_found","requestId":"an-id","fields":[]}}`, 404},
		{"GET", "/apis/v1/nope", `{"status":"error","message":"Not found","data":{"code":"not_found","requestId":"an-id","detail":"there is no such route","fields":[]}}`, 404},
		{"GET", "/v1/nope", `{"status":"error","message":"Not found","data":{"code":"not_found","requestId":"an-id","detail":"there is no such route","fields":[]}}`, 404},
		{"PATCH", "/api/v1/servers", `{"meta":{"success":false,"message":"This cannot be done here","devMessage":"the route has other methods; the Allow header names them"},"body":{"code":"method_not_allowed","requestId":"an-id","fields":[]}}`, 405},
		{"GET", "/apis/v1/api-keys/info", `{"meta":{"status":"error","statusCode":401},"message":"Sign in first","data":{"code":"unauthenticated","requestId":"an-id","detail":"the request has no credential: send Authorization: Bearer <credential>","fields":[]}}`, 401},
		{"GET", "/images/66a282dab13eee0013cbb4d8", `{"status":"error","message":"This is not offered here","data":{"code":"not_implemented","requestId":"an-id","detail":"the backend does not implement this operation","fields":[]}}`, 501},
		{"GET", "/images/x", `{"status":"error","message":"The request is not valid","data":{"code":"invalid_request","requestId":"an-id","detail":"see fields","fields":[{"pointer":"path/imageId","code":"wrong_format","message":"must be an id: 24 or 32 lower-case hexadecimal characters"}]}}`, 400},
	} {
		w := ask(e, test.method, test.target)
		if got := strings.TrimSpace(w.Body.String()); w.Code != test.status || got != test.body {
			t.Errorf("%s %s: got %d\n%s, want %d\n%s", test.method, test.target, w.Code, got, test.status, test.body)
		}
	}
}

func TestARequestIDIsTheCallersOwnIfTheContractAcceptsIt(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{})
	seen := map[string]bool{}
	for _, own := range []string{"mine", strings.Repeat("x", 65), "a b", ""} {
		got := ask(e, "GET", "/servers", "X-Request-Id", own).Header().Get("X-Request-Id")
		if (got == own) != (own == "mine") || got == "" || seen[got] {
			t.Errorf("for %q: got %q", own, got)
		}
		seen[got] = true
	}
}

func TestWhatGoesWrongInsideIsLoggedWholeAndToldAsNothing(t *testing.T) {
	secret := errors.New("S3CR3T")
	panics := func(echo.HandlerFunc) echo.HandlerFunc { return func(echo.Context) error { panic(secret) } }
	for name, test := range map[string]struct {
		err     error
		options contract.Options
	}{
		"an error of the operation":      {err: fmt.Errorf("reading: %w", secret)},
		"a panic before it is validated": {options: contract.Options{Outer: []echo.MiddlewareFunc{panics}}},
		"a panic after it was validated": {options: contract.Options{Inner: []echo.MiddlewareFunc{panics}}},
		"an error of the authenticator": {options: contract.Options{Authenticate: func(context.Context, string, bool) (contract.Caller, error) {
			return contract.Caller{}, secret
		}}},
	} {
		var log bytes.Buffer
		test.options.Log = slog.New(slog.NewTextHandler(&log, nil))
		w := ask(serve(t, &backend{err: test.err}, test.options), "GET", "/servers", append(bearer(token), "X-Request-Id", "told")...)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "S3CR3T") || !strings.Contains(w.Body.String(), `"requestId":"told"`) {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
		if !strings.Contains(log.String(), "S3CR3T") || !strings.Contains(log.String(), "request_id=told") {
			t.Errorf("%s: logged %q", name, &log)
		}
	}
}

func TestAnOperationWithoutAnAnswerIsAnErrorAndNotAnEmptySuccess(t *testing.T) {
	var log bytes.Buffer
	e := serve(t, &backend{}, contract.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	w := ask(e, "GET", "/apis/v1/api-keys/info", bearer(channels)...)
	if w.Code != http.StatusInternalServerError || !strings.Contains(log.String(), "GetAPIKeyInfo has returned neither") {
		t.Errorf("got %d, logged %q", w.Code, &log)
	}
}

func postJSON(body io.Reader, contentType string) *http.Request {
	r := httptest.NewRequest("POST", "/roles", body)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func TestAWholeNumberIsAnIntegerHoweverItIsWritten(t *testing.T) {
	for written, want := range map[string]int32{"1": 1, "1.0": 1, "1e1": 10, "100e-1": 10, "0e999999999": 0, "1E+3": 1000} {
		for _, contentType := range []string{"application/json", "APPLICATION/JSON; charset=utf-8"} {
			b := &backend{order: -1}
			w := httptest.NewRecorder()
			serve(t, b, contract.Options{}).ServeHTTP(w, postJSON(strings.NewReader(`{"title":"a","class":"blue","billable":true,"order":`+written+`}`), contentType))
			if w.Code != 201 || b.order != want {
				t.Errorf("%s as %s: got %d, order %d: %s", written, contentType, w.Code, b.order, w.Body)
			}
		}
	}
}

func TestAWrongBodyCostsNoMoreThanItsSize(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{})
	many := func(part string) string { return strings.Repeat(part, 12<<10/len(part)) }
	var unknown strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&unknown, `"k%d":0,`, i)
	}
	for name, body := range map[string]string{
		"unknown members":  `{` + unknown.String() + `"title":"a"}`,
		"a wrong array":    `{"title":[` + many("0,") + `0]}`,
		"members of flags": `{"serverPermissions":{` + unknown.String() + `"allow_dm":0}}`,
		"far too much":     `{"title":"` + strings.Repeat("a", 2<<20) + `"}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, postJSON(strings.NewReader(body), "application/json"))
		runtime.ReadMemStats(&after)
		var answer gen.SystemErrorResponse
		json.Unmarshal(w.Body.Bytes(), &answer)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 32<<20 || len(answer.Body.Fields) > 100 {
			t.Errorf("%s: %d bytes of body cost %d, and %d fields", name, len(body), allocated, len(answer.Body.Fields))
		}
		if want := map[bool]int{true: 413, false: 400}[name == "far too much"]; w.Code != want {
			t.Errorf("%s: got %d, want %d", name, w.Code, want)
		}
	}
}

func TestACredentialThatEndsWhileABodyTakesItsTimeHasNoEffect(t *testing.T) {
	for name, form := range bodies {
		synctest.Test(t, func(t *testing.T) {
			ended, b := false, &backend{order: -1}
			e := serve(t, b, contract.Options{Authenticate: func(ctx context.Context, credential string, inKeyHeader bool) (contract.Caller, error) {
				if ended {
					return contract.Caller{}, contract.Unauthenticated("it has ended")
				}
				return authenticate(ctx, credential, inKeyHeader)
			}})
			w := sendInTwo(e, form, func() { ended = true; time.Sleep(time.Second + 1) })
			if w.Code != 401 || b.order != -1 || b.form.Text("name") != nil {
				t.Errorf("%s: got %d, want 401: %s", name, w.Code, w.Body)
			}
		})
	}
}

func TestItIsAskedOnceWhoIsCallingIfTheBodyTakesNoTime(t *testing.T) {
	for name, form := range bodies {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			e := serve(t, &backend{}, contract.Options{Authenticate: func(ctx context.Context, credential string, inKeyHeader bool) (contract.Caller, error) {
				asked++
				return authenticate(ctx, credential, inKeyHeader)
			}})
			if w := sendInTwo(e, form, func() { time.Sleep(time.Second) }); w.Code != 201 || asked != 1 {
				t.Errorf("%s: got %d and was asked %d times, want 201 and once: %s", name, w.Code, asked, w.Body)
			}
		})
	}
}

// bodies are the kinds of bodies that there are.
var bodies = map[string]struct{ path, contentType, body string }{
	"JSON": {"/roles", "application/json", `{"title":"a","class":"blue","billable":true,"order":1}`},
	"form": {"/servers", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nChess\r\n--b--\r\n"},
}

// sendInTwo sends a body of which the rest comes after a while.
func sendInTwo(h http.Handler, form struct{ path, contentType, body string }, while func()) *httptest.ResponseRecorder {
	wait := readerFunc(func([]byte) (int, error) { while(); return 0, io.EOF })
	r := postJSON(io.MultiReader(strings.NewReader(form.body[:10]), wait, strings.NewReader(form.body[10:])), form.contentType)
	r.URL.Path = form.path
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestAQueryThatCannotBeReadIsRefused(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{})
	for _, query := range []string{"page=%zz", "page=1;limit=3"} {
		if w := ask(e, "GET", "/servers/66a282dab13eee0013cbb4d8/members?"+query, bearer(token)...); w.Code != 400 || !strings.Contains(w.Body.String(), `"query"`) {
			t.Errorf("%s: got %d %s", query, w.Code, w.Body)
		}
	}
}

func TestAnAddressIsThatOfTheConnection(t *testing.T) {
	var address, origin string
	e := serve(t, &backend{}, contract.Options{Inner: []echo.MiddlewareFunc{func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			address, origin = contract.AddressFrom(c.Request().Context()), contract.OriginFrom(c.Request().Context())
			return next(c)
		}
	}}})
	ask(e, "GET", "/servers", append(bearer(token), "X-Forwarded-For", "10.6.6.6", "X-Real-Ip", "10.6.6.6", "X-Forwarded-Proto", "https")...)
	if address != "192.0.2.1" || origin != "http://example.com" {
		t.Errorf("got %s and %s, want what httptest connects from and to", address, origin)
	}
}

func TestMiddlewaresSeeWhatTheirPlacePromises(t *testing.T) {
	var outer, inner []string
	note := func(where *[]string) echo.MiddlewareFunc {
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				err := next(c)
				who, _ := contract.CallerFrom(c.Request().Context()).Who.(string)
				*where = append(*where, fmt.Sprint(contract.OperationFrom(c.Request().Context()).Name(), " ", who, " ", err != nil))
				return err
			}
		}
	}
	e := serve(t, &backend{}, contract.Options{Outer: []echo.MiddlewareFunc{note(&outer)}, Inner: []echo.MiddlewareFunc{note(&inner)}})
	ask(e, "GET", "/servers", bearer(token)...)
	ask(e, "GET", "/servers")
	ask(e, "GET", "/servers/x/members?page=0", bearer(token)...)
	ask(e, "GET", "/nope")
	if want := []string{"listMyServers vera false", "listMyServers  true", "listMembers vera true", "none  true"}; !slices.Equal(outer, want) {
		t.Errorf("outer: got %q, want %q", outer, want)
	}
	if want := []string{"listMyServers vera false"}; !slices.Equal(inner, want) {
		t.Errorf("inner: got %q, want %q", inner, want)
	}
}

// A part of a form: a file, if its content begins with @.
type part struct{ name, content string }

func post(e http.Handler, target, boundary, key string, parts ...part) *httptest.ResponseRecorder {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.SetBoundary(boundary)
	for _, p := range parts {
		if content, isFile := strings.CutPrefix(p.content, "@"); isFile {
			w, _ := form.CreateFormFile(p.name, "file.png")
			io.WriteString(w, content)
		} else {
			form.WriteField(p.name, p.content)
		}
	}
	form.Close()
	r := httptest.NewRequest("POST", target, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+token)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

const png, gif = "\x89PNG\r\n\x1a\n", "GIF89a"

func TestAFormIsValidatedPartByPart(t *testing.T) {
	b := &backend{}
	e := serve(t, b, contract.Options{})
	for _, test := range []struct {
		why   string
		parts []part
		want  string // pointers and codes
		code  int
	}{
		{"a name", []part{{"name", "Chess"}}, "", 201},
		{"an image", []part{{"image", "@" + gif}, {"name", "Chess"}}, "", 201},
		{"nothing", nil, "/name required", 400},
		{"twice", []part{{"name", "a"}, {"name", "b"}}, "/name duplicate", 400},
		{"unknown parts", []part{{"name", "a"}, {"x/y", "b"}}, "/x~1y unknown", 400},
		{"an empty name", []part{{"name", ""}}, "/name too_short", 400},
		{"a long name", []part{{"name", strings.Repeat("ä", 101)}}, "/name too_long", 400},
		{"a very long name", []part{{"name", strings.Repeat("a", 401)}}, "/name too_long", 400},
		{"another encoding", []part{{"name", "\xff"}}, "/name malformed", 400},
		{"another kind of file", []part{{"name", "a"}, {"image", "@<svg xmlns='http://www.w3.org/2000/svg'/>"}}, "/image wrong_format", 400},
		{"an empty file", []part{{"name", "a"}, {"image", "@"}}, "/image wrong_format", 400},
		{"a hundred and one", slices.Repeat([]part{{"nome", "a"}}, 100), strings.TrimPrefix(strings.Repeat(", /nome unknown", 100), ", "), 400},
		{"much at once", []part{{"nome", "a"}, {"image", "@no"}}, "/nome unknown, /image wrong_format, /name required", 400},
		{"a large file", []part{{"name", "a"}, {"image", "@" + png + strings.Repeat("0", 5<<20-len(png)+1)}}, "/image too_long", 413},
		{"a far too large file", []part{{"name", "a"}, {"image", "@" + png + strings.Repeat("0", 6<<20)}}, "/image too_long", 413},
		{"the largest file", []part{{"name", "a"}, {"image", "@" + png + strings.Repeat("0", 5<<20-len(png))}}, "", 201},
	} {
		w := post(e, "/servers", "b", "", test.parts...)
		var answer gen.SystemErrorResponse
		json.Unmarshal(w.Body.Bytes(), &answer)
		var got []string
		for _, field := range answer.Body.Fields {
			got = append(got, field.Pointer+" "+string(field.Code))
		}
		if w.Code != test.code || strings.Join(got, ", ") != test.want {
			t.Errorf("%s: got %d %q, want %d %q", test.why, w.Code, got, test.code, test.want)
		}
	}
	post(e, "/servers", "b", "", part{"name", "Go"}, part{"image", "@" + gif})
	if name := b.form.Text("name"); name == nil || *name != "Go" || string(b.form.File("image")) != gif {
		t.Errorf("got %v and %q", name, b.form.File("image"))
	}
	post(e, "/servers", "b", "", part{"name", "Go"})
	if b.form.File("image") != nil || b.form.Text("image") != nil {
		t.Error("there is an image that was not sent")
	}
}

func TestAFileIsKnownByItsContentAndItsReaderFailsForItself(t *testing.T) {
	var kinds []string
	full := errors.New("the disk is full")
	b := &backend{onFile: func(name, kind string, content io.Reader) error {
		kinds = append(kinds, name+" "+kind)
		if kind == "image/gif" {
			return full
		}
		_, err := io.Copy(io.Discard, content)
		return err
	}}
	e := serve(t, b, contract.Options{})
	if w := post(e, "/servers", "b", "", part{"image", "@" + png}, part{"name", "a"}); w.Code != 201 || b.form.File("image") != nil {
		t.Errorf("got %d, and in memory %q", w.Code, b.form.File("image"))
	}
	if w := post(e, "/servers", "b", "", part{"image", "@" + gif}, part{"name", "a"}); w.Code != 500 {
		t.Errorf("a file that could not be kept: got %d, want 500", w.Code)
	}
	if want := []string{"image image/png", "image image/gif"}; !slices.Equal(kinds, want) {
		t.Errorf("got %q, want %q", kinds, want)
	}
	r := httptest.NewRequest("POST", "/servers", strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n"+png))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	if e.ServeHTTP(w, r); w.Code != 400 || !strings.Contains(w.Body.String(), `"malformed"`) {
		t.Errorf("a body that breaks off: got %d %s, want 400", w.Code, w.Body)
	}
}

// A counted reader knows how much of it was read.
type counted struct {
	io.Reader
	read int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

func TestTheHeadersOfThePartsOfAFormAreFew(t *testing.T) {
	e := serve(t, &backend{}, contract.Options{})
	for why, test := range map[string]struct {
		header string
		want   int
	}{
		"some": {"X: " + strings.Repeat("a", 4<<10), 201}, "much": {"X: " + strings.Repeat("a", 17<<10), 400}, "very much": {"X: " + strings.Repeat("a", 4<<20), 400},
		"without an end": {strings.Repeat("X: a\r\n", 1<<20), 400},
	} {
		body := &counted{Reader: strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"name\"\r\n" + test.header + "\r\n\r\na\r\n--b--\r\n")}
		r := httptest.NewRequest("POST", "/servers", body)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		if e.ServeHTTP(w, r); w.Code != test.want || body.read > 64<<10 {
			t.Errorf("%s: got %d %s, and %d bytes were read", why, w.Code, w.Body, body.read)
		}
	}
	long := strings.Repeat("n", 3<<10)
	if w := post(e, "/servers", "b", "", part{"image", "@" + png}, part{long, ""}, part{long, ""}, part{long, ""}, part{long, ""}, part{long, ""}, part{long, ""}); w.Code != 400 || !strings.Contains(w.Body.String(), "16 KiB") {
		t.Errorf("together: got %d %s", w.Code, w.Body)
	}
}

func TestAFingerprintTellsRequestsApartByAllButTheirBoundary(t *testing.T) {
	b := &backend{}
	e := serve(t, b, contract.Options{})
	of := func(target, boundary, key string, parts ...part) string {
		b.fingerprint = nil
		if w := post(e, target, boundary, key, parts...); w.Code != 201 {
			t.Fatalf("got %d: %s", w.Code, w.Body)
		}
		return string(b.fingerprint)
	}
	first := of("/servers", "b", "key", part{"name", "Chess"}, part{"image", "@" + png})
	if len(first) != 32 || of("/servers", "another", "key", part{"name", "Chess"}, part{"image", "@" + png}) != first {
		t.Error("another boundary makes another request")
	}
	for why, other := range map[string]string{
		"another name":  of("/servers", "b", "key", part{"name", "Go"}, part{"image", "@" + png}),
		"another image": of("/servers", "b", "key", part{"name", "Chess"}, part{"image", "@" + png + "0"}),
		"no image":      of("/servers", "b", "key", part{"name", "Chess"}),
		"a query":       of("/servers?x=1", "b", "key", part{"name", "Chess"}, part{"image", "@" + png}),
	} {
		if other == first {
			t.Errorf("%s makes no other request", why)
		}
	}
	if got := of("/servers", "b", "", part{"name", "Chess"}); got != "" {
		t.Errorf("without a key: got %x", got)
	}
}

func TestOptionsThatCannotBeMeantAreRefused(t *testing.T) {
	for want, options := range map[string]contract.Options{
		"loudly":       {Authenticate: authenticate, CheckAnswers: "loudly"},
		"Authenticate": {},
	} {
		if _, err := contract.NewEcho(&backend{}, options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that names %s", err, want)
		}
	}
}

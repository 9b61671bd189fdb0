package conformance

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Failure is one thing that is not as promised. Nothing in it is secret: credentials, passwords, codes and keys are left
// out.
type Failure struct {
	Text     string    `json:"text"`
	Exchange *Exchange `json:"exchange,omitempty"` // the request and answer in which it was seen, if it was one
}

// Exchange is a request and its answer, as text.
type Exchange struct {
	Request  string `json:"request"`
	Response string `json:"response,omitempty"` // empty: none came

	// Curl repeats the request in a shell in which A and B are the two tokens, and SECRET is any other credential.
	Curl string `json:"curl"`
}

// exchange is one while it is under way. What is sent is set before the answer is, and neither is changed later.
type exchange struct {
	method, url string
	header      http.Header
	body        []byte
	page        bool // it may be for people, and in no contract: the backend has given its whole address

	status   int // 0: no answer
	answered http.Header
	got      []byte
}

type exchangeKey struct{}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

func exchangeOf(req *http.Request) *exchange {
	x, _ := req.Context().Value(exchangeKey{}).(*exchange)
	return x
}

// answer notes what came back. A request that is not sent by a session is of no exchange.
func (x *exchange) answer(resp *http.Response, body []byte) {
	if x != nil {
		x.status, x.answered, x.got = resp.StatusCode, resp.Header, body
	}
}

// reported are the failures of a session, for people.
func (s *session) reported() []Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Failure{}
	for _, f := range s.failures {
		one := Failure{Text: s.suite.redact(f.text)}
		if f.exchange != nil {
			one.Exchange = f.exchange.reported(s.suite.redact)
		}
		all = append(all, one)
	}
	return all
}

func (x *exchange) reported(redact func(string) string) *Exchange {
	text := &Exchange{
		Request: redact(fmt.Sprintf("%s %s\n%s\n%s", x.method, x.url, headerText(x.header), bodyText(x.body))),
		Curl:    x.curl(redact),
	}
	if x.status != 0 {
		text.Response = redact(fmt.Sprintf("%d %s\n%s\n%s", x.status, http.StatusText(x.status), headerText(x.answered), bodyText(x.got)))
	}
	return text
}

func headerText(header http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String()
}

const maxBodyText = 4000

// bodyText is the beginning of a body, without what cannot be shown.
func bodyText(body []byte) string {
	text := strings.ToValidUTF8(string(body[:min(len(body), maxBodyText)]), "\ufffd")
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return '\ufffd'
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
	if len(body) > maxBodyText {
		text += fmt.Sprintf("\n... %d bytes in all", len(body))
	}
	return strings.TrimRight(text, "\n")
}

// curl is a command for bash. A body that cannot be written on a command line is left for a person to find.
func (x *exchange) curl(redact func(string) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -i -X %s %s", x.method, quoted(redact(x.url)))
	for _, name := range slices.Sorted(maps.Keys(x.header)) {
		for _, value := range x.header[name] {
			line := redact(name + ": " + value)
			if placeholder.MatchString(line) {
				fmt.Fprintf(&b, ` -H "%s"`, line) // the shell fills in what is left out
			} else {
				fmt.Fprintf(&b, " -H %s", quoted(line))
			}
		}
	}
	switch {
	case len(x.body) == 0:
	case len(x.body) > maxBodyText || slices.Contains(x.body, 0):
		fmt.Fprintf(&b, " --data-binary @body # of %d bytes, not shown here", len(x.body))
	default:
		fmt.Fprintf(&b, " --data-binary %s", quoted(redact(string(x.body))))
	}
	return b.String()
}

var placeholder = regexp.MustCompile(`^(Authorization: (Bearer )?|X-Api-Key: )\$(A|B|SECRET)$`)

// quoted is one word for bash.
func quoted(text string) string {
	plain := utf8.ValidString(text)
	for _, r := range text {
		plain = plain && r >= ' ' && r != 0x7f
	}
	if plain {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(text) {
		switch {
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + "'"
}

var (
	// credentials differ from ids in their length.
	credentials = regexp.MustCompile(`[0-9a-fA-F]{64,}`)

	secretMembers = regexp.MustCompile(`("(?:password|token|key|secret|authorization)"\s*:\s*)"(?:[^"\\]|\\.)*(?:"|$)`)
	mailedCodes   = regexp.MustCompile(`("code"\s*:\s*)"(?:[0-9]{6}|[0-9A-HJKMNP-TV-Z]{4}[ -]?[0-9A-HJKMNP-TV-Z]{4})"`)
	secretHeaders = regexp.MustCompile(`(?m)^((?:Authorization|X-Api-Key|Cookie|Set-Cookie): (?:Bearer )?)([^$\n]+)$`)
)

// userInfo is what stands before the host in an address.
var userInfo = regexp.MustCompile(`//.*@`)

// withoutPassword is an address as it may be shown: without the user name and password that may be in it.
func withoutPassword(address string) string {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" {
		return userInfo.ReplaceAllString(address, "//") // it is none, and better too short than too long
	}
	parsed.User = nil
	return parsed.String()
}

// redactor takes out of a text what must not be shown: the credentials of the target, also those in its address, and
// whatever else looks like one.
func redactor(target Target, inAddress *url.Userinfo) func(string) string {
	var known []string
	for name, credential := range map[string]string{"$A": target.A, "$B": target.B} {
		if len(credential) >= 8 { // shorter ones stand in tests, and in every other word
			known = append(known, credential, name)
		}
	}
	if inAddress != nil {
		password, _ := inAddress.Password()
		basic := base64.StdEncoding.EncodeToString([]byte(inAddress.Username() + ":" + password)) // as it is sent
		known = append(known, inAddress.String()+"@", "", basic, "[left out]")
		if secret := cmp.Or(password, inAddress.Username()); len(secret) >= 8 {
			known = append(known, secret, "[left out]", url.QueryEscape(secret), "[left out]", url.PathEscape(secret), "[left out]")
		}
	}
	replacer := strings.NewReplacer(known...)
	return func(text string) string {
		text = credentials.ReplaceAllString(replacer.Replace(text), "$$SECRET")
		text = secretMembers.ReplaceAllString(text, `$1"[left out]"`)
		text = mailedCodes.ReplaceAllString(text, `$1"[left out]"`)
		return secretHeaders.ReplaceAllString(text, "$1$$SECRET")
	}
}

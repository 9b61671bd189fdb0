package jwt

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	now  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key  = Key{ID: "k1", Secret: []byte("0123456789abcdef0123456789abcdef")}
	pass = Pass{Subject: "5", Community: "c", Widget: "w", Origin: "https://shop.example", Expires: now.Add(15 * time.Minute)}
)

func find(id string) ([]byte, error) {
	if id != key.ID {
		return nil, ErrInvalid
	}
	return key.Secret, nil
}

func signed(t *testing.T, key Key, p Pass) string {
	t.Helper()
	token, err := Sign(key, p, now)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestATokenSaysWhatItWasMadeFor(t *testing.T) {
	got, err := Read(signed(t, key, pass), now.Add(14*time.Minute), find)
	if err != nil || !got.Expires.Equal(pass.Expires) {
		t.Fatal(got, err)
	}
	if got.Expires = pass.Expires; got != pass {
		t.Errorf("got %+v, want %+v", got, pass)
	}
}

func TestWhatIsNoGoodTokenIsRefused(t *testing.T) {
	good := signed(t, key, pass)
	parts := strings.Split(good, ".")
	with := func(method jwt.SigningMethod, secret any, c jwt.Claims, header map[string]any) string {
		token := jwt.NewWithClaims(method, c)
		for name, value := range header {
			token.Header[name] = value
		}
		text, err := token.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	whole := jwt.MapClaims{"aud": Audience, "community": "c", "sub": "5", "exp": now.Add(time.Minute).Unix()}
	but := func(name string, value any) jwt.MapClaims {
		c := jwt.MapClaims{}
		for n, v := range whole {
			c[n] = v
		}
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return c
	}
	kid := map[string]any{"kid": key.ID}
	if _, err := Read(with(jwt.SigningMethodHS256, key.Secret, whole, kid), now, find); err != nil {
		t.Fatal(err)
	}
	for what, token := range map[string]string{
		"nothing":                 "",
		"words":                   "a.b.c",
		"another signature":       parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")),
		"no signature":            parts[0] + "." + parts[1] + ".",
		"another body":            parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"rejoin-widget","community":"d","exp":9999999999}`)) + "." + parts[2],
		"no algorithm":            with(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, whole, kid),
		"another algorithm":       with(jwt.SigningMethodHS512, key.Secret, whole, kid),
		"another key":             with(jwt.SigningMethodHS256, []byte("another secret, also 32 bytes long"), whole, kid),
		"a key that is not known": with(jwt.SigningMethodHS256, key.Secret, whole, map[string]any{"kid": "k2"}),
		"no key":                  with(jwt.SigningMethodHS256, key.Secret, whole, nil),
		"a key that is no text":   with(jwt.SigningMethodHS256, key.Secret, whole, map[string]any{"kid": 1}),
		"for something else":      with(jwt.SigningMethodHS256, key.Secret, but("aud", "rejoin-else"), kid),
		"for nothing":             with(jwt.SigningMethodHS256, key.Secret, but("aud", nil), kid),
		"of no community":         with(jwt.SigningMethodHS256, key.Secret, but("community", nil), kid),
		"without an end":          with(jwt.SigningMethodHS256, key.Secret, but("exp", nil), kid),
		"over":                    with(jwt.SigningMethodHS256, key.Secret, but("exp", now.Unix()), kid),
		"from the future":         with(jwt.SigningMethodHS256, key.Secret, but("iat", now.Add(time.Hour).Unix()), kid),
	} {
		if got, err := Read(token, now, find); !errors.Is(err, ErrInvalid) || got != (Pass{}) {
			t.Errorf("%s: got %+v and %v", what, got, err)
		}
	}
	if _, err := Read(good, pass.Expires, find); !errors.Is(err, ErrInvalid) {
		t.Errorf("at its end: %v", err)
	}
}

func TestAKeyThatCannotBeReadIsNoBadToken(t *testing.T) {
	broken := errors.New("the database is away")
	if _, err := Read(signed(t, key, pass), now, func(string) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) || errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

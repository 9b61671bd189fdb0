// Package jwt signs and reads the tokens by which pages of widgets say for whom they ask: JWTs by HS256. It knows no key and no
// clock; both are given.
package jwt

import (
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Audience is what the tokens are for. One for something else is not taken for one of these.
const Audience = "rejoin-widget"

// ErrInvalid is a token that is not good: of another form, signed by nobody known, for something else, or over.
var ErrInvalid = errors.New("the token is not good")

// A Pass is what a token says.
type Pass struct {
	Subject   string // the number of an account; empty: nobody
	Community string
	Widget    string // the only one it is for; empty: all of the community
	Origin    string // whose pages it is for; empty: any that may show the widget
	Login     string // by which they are signed in to a community's page; it ends with that. Empty: by none
	Cookie    bool   // it is good as the cookie of that page, and for nothing else
	Expires   time.Time
}

type claims struct {
	jwt.RegisteredClaims
	Community string `json:"community"`
	Widget    string `json:"widget,omitempty"`
	Origin    string `json:"origin,omitempty"`
	Login     string `json:"login,omitempty"`
	Cookie    bool   `json:"cookie,omitempty"`
}

// A Key signs. Its ID is in the tokens.
type Key struct {
	ID     string
	Secret []byte
}

// Sign makes a token.
func Sign(key Key, p Pass, now time.Time) (string, error) {
	c := claims{Community: p.Community, Widget: p.Widget, Origin: p.Origin, Login: p.Login, Cookie: p.Cookie}
	c.Audience, c.Subject = jwt.ClaimStrings{Audience}, p.Subject
	c.IssuedAt, c.ExpiresAt = jwt.NewNumericDate(now), jwt.NewNumericDate(p.Expires)
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	token.Header["kid"] = key.ID
	return token.SignedString(key.Secret)
}

// Read returns what a token says, if it is good at now. The secret is that of the key with an id; if there is none, find returns
// ErrInvalid. Whatever else it returns comes back as it is.
func Read(token string, now time.Time, find func(keyID string) (secret []byte, err error)) (Pass, error) {
	var failed error
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		if id == "" {
			return nil, ErrInvalid
		}
		secret, err := find(id)
		if err != nil && !errors.Is(err, ErrInvalid) {
			failed = err
		}
		return secret, err
	}, jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithAudience(Audience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithLeeway(clocks))
	switch {
	case failed != nil:
		return Pass{}, failed
	case err != nil || c.Community == "" || !now.Before(c.ExpiresAt.Time):
		return Pass{}, ErrInvalid
	}
	return Pass{Subject: c.Subject, Community: c.Community, Widget: c.Widget, Origin: c.Origin, Login: c.Login, Cookie: c.Cookie, Expires: c.ExpiresAt.Time}, nil
}

// clocks is by how much those of replicas may differ: a token may seem to be from the future. It is over when it says so all the same.
const clocks = 30 * time.Second

// Command embed is a page for an iframe channel. It greets whoever looks at it, once it knows that the community has signed who
// that is. To try it, make a channel of the type iframe with `"iframeUrl": "http://127.0.0.1:8090"` and `"signIdentity": true`, start
// the page with the signingSecret of the answer, and open the address that GET /channels/{channelId}/embed gives.
//
//	SIGNING_SECRET=... go run ./server/testdata/embed 127.0.0.1:8090
package main

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// verify tells whether the community has signed these parameters, lately.
func verify(query url.Values, secret string, now time.Time) error {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{query.Get("user_id"), query.Get("username"), query.Get("server_id"), query.Get("ts")}, "\n")))
	given, err := hex.DecodeString(query.Get("sig"))
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return errors.New("the signature is not good")
	}
	signed, err := strconv.ParseInt(query.Get("ts"), 10, 64)
	if age := now.Sub(time.Unix(signed, 0)); err != nil || age > 5*time.Minute || age < -time.Minute {
		return errors.New("the signature has expired")
	}
	return nil
}

func main() {
	secret := os.Getenv("SIGNING_SECRET")
	if len(os.Args) != 2 || secret == "" {
		fmt.Fprintln(os.Stderr, "usage: SIGNING_SECRET=... embed ADDRESS\n\nThe secret is the signingSecret of the channel, the address where to listen, such as 127.0.0.1:8090.")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if err := verify(query, secret, time.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		name := cmp.Or(query.Get("username"), "member") // who has no user name
		fmt.Fprintf(w, "Hello, %s (%s)", html.EscapeString(name), html.EscapeString(query.Get("user_id")))
	})))
}

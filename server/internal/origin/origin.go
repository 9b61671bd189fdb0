// Package origin reads web origins: a scheme, a host and perhaps a port, which is what browsers send in the header Origin
// and what addresses begin with.
package origin

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Of a host it takes what browsers send: names in ASCII and addresses, and so no pattern.
var form = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?$`)

// Parse returns an origin as browsers write it: in lower case, and without the port that its scheme has anyway. The error
// says what an origin must be, and which part is too much. It does not repeat the text, which may hold a password.
func Parse(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		return "", errors.New("must be an origin, such as https://community.example or http://localhost:3000")
	case u.User != nil:
		return "", tooMuch("user")
	case u.RawQuery != "" || u.ForceQuery:
		return "", tooMuch("query")
	case strings.Contains(text, "#"):
		return "", tooMuch("fragment")
	case u.Path != "":
		return "", tooMuch("path")
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "", errors.New("must be an origin whose port is a number from 1 to 65535")
		}
		if (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
			host = strings.TrimSuffix(host, ":"+port)
		}
	}
	parsed := u.Scheme + "://" + host
	if !form.MatchString(parsed) {
		return "", errors.New("must be an origin whose host is a name or an address in ASCII, without a pattern")
	}
	return parsed, nil
}

func tooMuch(part string) error {
	return errors.New("must be an origin, such as https://community.example, without a " + part)
}

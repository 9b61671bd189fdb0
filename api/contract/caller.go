package contract

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/gen"
)

var acceptableRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Identify is the outermost middleware. It gives each answer its X-Request-Id: the caller's own if the contract accepts
// it, otherwise a new one.
func Identify(newID func() string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			id, header := c.Request().Header.Get(echo.HeaderXRequestID), c.Response().Header()
			if !acceptableRequestID.MatchString(id) {
				id = newID()
			}
			header.Set(echo.HeaderXRequestID, id)
			header.Set(echo.HeaderXContentTypeOptions, "nosniff")
			return next(c)
		}
	}
}

// CredentialFrom reads the credential from the headers of a request: 64 lower-case hexadecimal characters, and whether
// they stand in x-api-key, where only an API key counts. The error is an Error, for a request whose credential is missing,
// not in the form of one, or one of several.
func CredentialFrom(header http.Header) (credential string, keyHeader bool, err error) {
	authorization, keys := header.Values("Authorization"), header.Values("X-Api-Key")
	switch {
	case len(authorization)+len(keys) == 0:
		return "", false, Unauthenticated("the request has no credential: send Authorization: Bearer, or x-api-key")
	case len(authorization)+len(keys) > 1:
		return "", false, Unauthenticated("the request has more than one credential: send one")
	case len(keys) == 1:
		credential, keyHeader = keys[0], true
	default:
		kind, rest, _ := strings.Cut(authorization[0], " ")
		if !strings.EqualFold(kind, "Bearer") {
			return "", false, Unauthenticated("the Authorization header must have the form: Bearer <credential>")
		}
		credential = strings.TrimSpace(rest)
	}
	if !isCredential(credential) {
		return "", false, Unauthenticated("a credential is 64 lower-case hexadecimal characters")
	}
	return credential, keyHeader, nil
}

func isCredential(text string) bool {
	if len(text) != 64 {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Admit says whether an operation takes a caller: by the scheme by which the credential came and, where it is an API key,
// by its permissions. The error is an Error.
func (o *Operation) Admit(scheme string, permissions []gen.KeyPermission) error {
	if !slices.Contains(o.Schemes, scheme) {
		return PermissionDenied("this operation does not take such a credential")
	}
	if scheme != SessionAuth && o.Permission != AnyPermission && !slices.Contains(permissions, o.Permission) {
		return PermissionDenied("the API key lacks the permission " + string(o.Permission))
	}
	return nil
}

// Name is the ID, or "none" where no operation was matched.
func (o *Operation) Name() string {
	if o == nil {
		return "none"
	}
	return o.ID
}

// Package api holds the contract of Rejoin: openapi.yaml, the one file from which the server interface, the models
// and the client are generated and against which every request is held at run time.
//
// Spec is what the server publishes at /openapi.yaml, byte for byte. Load parses it.
package api

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// Spec is the contract as it was written. Treat it as read-only.
//
//go:embed openapi.yaml
var Spec []byte

// Digest is the SHA-256 of Spec in lower-case hex: what names the contract that a binary was built from.
var Digest = func() string {
	sum := sha256.Sum256(Spec)
	return hex.EncodeToString(sum[:])
}()

// Load parses the contract and checks that it is a valid OpenAPI document, its examples included. Each call returns
// a document of its own. An error means that the build is broken.
func Load() (*openapi3.T, error) {
	defineFormats()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(Spec)
	if err != nil {
		return nil, fmt.Errorf("the contract cannot be read: %w", err)
	}
	if err := doc.Validate(loader.Context, openapi3.EnableSchemaFormatValidation()); err != nil {
		return nil, fmt.Errorf("the contract is not valid: %w", err)
	}
	return doc, nil
}

// defineFormats teaches the validator the formats that the contract uses and that it does not check by itself. The
// validator keeps them for the whole process, so they are defined once, before any document is read.
var defineFormats = sync.OnceFunc(func() {
	define := func(name string, check func(string) bool) {
		err := errors.New("not in the format " + name)
		openapi3.DefineStringFormatValidator(name, openapi3.NewCallbackValidator(func(value string) error {
			if !check(value) {
				return err
			}
			return nil
		}))
	}
	define("objectid", isObjectID)
	define("uuid", regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString)
	define("hexcolor", regexp.MustCompile(`^#[0-9a-fA-F]{6}$`).MatchString)
	define("email", func(value string) bool {
		address, err := mail.ParseAddress(value)
		return err == nil && address.Address == value
	})
	define("uri", func(value string) bool {
		parsed, err := url.Parse(value)
		return err == nil && parsed.IsAbs() && parsed.Host != ""
	})
})

// isObjectID is checked on every path that holds an id, so it is a loop and not a pattern.
func isObjectID(value string) bool {
	if len(value) != 24 {
		return false
	}
	for _, c := range []byte(value) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

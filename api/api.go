// Package api holds the contract of Rejoin: openapi.yaml, the one file from which the server interface, the models
// and the client are generated and by which every request is validated at run time.
//
// Spec is what the server publishes at /openapi.yaml, byte for byte. SpecJSON says the same, and Load parses that: it takes
// a fraction of the time.
package api

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
)

// Spec is the contract as it was written. Treat it as read-only.
//
//go:embed openapi.yaml
var Spec []byte

// SpecJSON is what `make generate` makes of Spec: the same document as JSON, its members in the same order, with the digest
// of Spec as x-digest. Treat it as read-only.
//
//go:embed openapi.gen.json
var SpecJSON []byte

// Digest is the SHA-256 of Spec in lower-case hex: what names the contract that a binary was built from.
var Digest = func() string {
	sum := sha256.Sum256(Spec)
	return hex.EncodeToString(sum[:])
}()

// Load parses the contract and checks that it is a valid OpenAPI document of which everything can be enforced. Its examples
// enforce nothing: that they are valid is for the tests to say. Each call returns a document of its own. An error means
// that the build is broken.
func Load() (*openapi3.T, error) {
	defineFormats()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(SpecJSON)
	if err != nil {
		return nil, fmt.Errorf("the contract cannot be read: %w", err)
	}
	if doc.Extensions["x-digest"] != Digest {
		return nil, errors.New("openapi.gen.json was not made from openapi.yaml as it is now: run `make generate`")
	}
	if err := doc.Validate(loader.Context, openapi3.EnableSchemaFormatValidation(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("the contract is not valid: %w", err)
	}
	return doc, nil
}

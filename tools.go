//go:build tools

// Package tools pins the generator, so that everyone runs the same one.
package tools

import _ "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"

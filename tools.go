//go:build tools

// Package tools pins the programs that this repository runs, so that everyone runs the same ones.
package tools

import (
	_ "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"
	_ "honnef.co/go/tools/cmd/staticcheck"
)

package server

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/api"
)

// A reader who knows one level knows them all: the handler of an operation is a method of the type named after its
// tag, in the file named after its tag, and every other level has a file of that name too.
func TestEveryOperationStandsInTheFileOfItsTag(t *testing.T) {
	doc, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			tag := op.Tags[0]
			owner, ok := reflect.TypeFor[handlers]().FieldByName(tag)
			if !ok {
				t.Errorf("%s: handlers does not embed a type %s", op.OperationID, tag)
				continue
			}
			method, ok := methodOf(owner.Type, op.OperationID)
			if !ok {
				t.Errorf("%s is not a method of %s", op.OperationID, tag)
				continue
			}
			file, _ := runtime.FuncForPC(method.Func.Pointer()).FileLine(method.Func.Pointer())
			if filepath.Base(file) != tag+".go" {
				t.Errorf("%s is in %s, not in %s.go", op.OperationID, filepath.Base(file), tag)
			}
		}
	}
	for _, tag := range doc.Tags {
		for _, level := range []string{".", "internal/store", "../client", "../api/conformance"} {
			if _, err := os.Stat(filepath.Join(level, tag.Name+".go")); err != nil {
				t.Errorf("the tag %s has no file in %s", tag.Name, level)
			}
		}
	}
}

// methodOf finds the method of an operation. Go spells initialisms otherwise than the contract.
func methodOf(owner reflect.Type, operationID string) (reflect.Method, bool) {
	for method := range owner.Methods() {
		if strings.EqualFold(method.Name, operationID) {
			return method, true
		}
	}
	return reflect.Method{}, false
}

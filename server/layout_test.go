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
			name := strings.ToUpper(op.OperationID[:1]) + op.OperationID[1:]
			method, ok := owner.Type.MethodByName(name)
			if !ok {
				t.Errorf("%s: %s is not a method of %s", op.OperationID, name, tag)
				continue
			}
			file, _ := runtime.FuncForPC(method.Func.Pointer()).FileLine(method.Func.Pointer())
			if filepath.Base(file) != tag+".go" {
				t.Errorf("%s: %s is in %s, not in %s.go", op.OperationID, name, filepath.Base(file), tag)
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

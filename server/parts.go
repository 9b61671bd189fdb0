package server

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
)

// parts are those that an answer shows of a model, by their names on the wire; nil: all of them. P is the model with all of them
// optional, but for its id.
type parts[P any] []string

// partsOf reads which parts are asked for.
func partsOf[P any](fields *string) (p parts[P], err error) {
	if fields == nil {
		return nil, nil
	}
	p = parts[P]{}
	for name := range strings.SplitSeq(*fields, ",") {
		if !isPart(reflect.TypeFor[P](), name) {
			return nil, contract.Invalid(contract.Field("query/fields", gen.FieldCodeNotAllowed, fmt.Sprintf("must have only names of parts, with commas between them, and %.40q is none", name)))
		}
		p = append(p, name)
	}
	return p, nil
}

func isPart(model reflect.Type, name string) bool {
	for field := range model.Fields() {
		if wireName(field) == name {
			return true
		}
	}
	return false
}

func wireName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// of is what is shown of a model.
func (p parts[P]) of(model any) (shown P) {
	from := reflect.New(reflect.TypeOf(model)).Elem() // whose fields can be pointed at
	from.Set(reflect.ValueOf(model))
	to := reflect.ValueOf(&shown).Elem()
	for field := range to.Type().Fields() {
		part := from.FieldByName(field.Name)
		switch name := wireName(field); {
		case name == "_id":
			to.FieldByIndex(field.Index).Set(part)
		case p == nil || slices.Contains(p, name):
			if field.Type == part.Type() { // it says itself when it is not there
				to.FieldByIndex(field.Index).Set(part)
			} else {
				to.FieldByIndex(field.Index).Set(part.Addr())
			}
		}
	}
	return shown
}

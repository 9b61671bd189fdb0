//go:build race

package store

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// digestOf is what a remembered value holds, also where the wire does not show it. Tests run with the race detector, and
// see with it who changes what is shared.
func digestOf(value any) string {
	var b strings.Builder
	digest(&b, reflect.ValueOf(value))
	return b.String()
}

func digest(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			digest(b, v.Index(i))
		}
	case reflect.Map:
		var all []string
		for key, value := range v.Seq2() {
			var one strings.Builder
			digest(&one, key)
			digest(&one, value)
			all = append(all, one.String())
		}
		slices.Sort(all)
		fmt.Fprint(b, all)
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			digest(b, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			digest(b, v.Field(i))
		}
	case reflect.String:
		b.WriteString(v.String())
	default:
		fmt.Fprint(b, v) // a number or a truth
	}
	b.WriteByte(0)
}

package memory

import "reflect"

// CostOf is about how much memory it takes to answer with a value: the value itself, and its JSON, which is there three
// times while it is made.
func CostOf(value any) int64 {
	size, written := costOf(reflect.ValueOf(value))
	return size + 3*written
}

// costOf returns how much memory a value takes, and how many bytes its JSON has.
func costOf(v reflect.Value) (size, written int64) {
	size, written = int64(v.Type().Size()), 24 // and its name, perhaps
	inside := func(of reflect.Value, counted bool) {
		s, w := costOf(of)
		if counted { // it is part of what holds it
			s -= int64(of.Type().Size())
		}
		size, written = size+s, written+w
	}
	switch v.Kind() {
	case reflect.String:
		size += int64(v.Len())
		written += writtenLength(v.String())
	case reflect.Slice:
		for i := range v.Len() {
			inside(v.Index(i), false)
		}
	case reflect.Array:
		for i := range v.Len() {
			inside(v.Index(i), true)
		}
	case reflect.Map:
		for name, member := range v.Seq2() {
			inside(name, false)
			inside(member, false)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			inside(v.Elem(), false)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			inside(v.Field(i), true)
		}
	}
	return size, written
}

// writtenLength is how many bytes a text has as JSON.
func writtenLength(text string) int64 {
	n := len(text)
	for i := range len(text) {
		switch b := text[i]; {
		case b < ' ' || b == 0x7f:
			n += 5 // \u0001
		case b == '"' || b == '\\':
			n++
		case b == 0xe2: // perhaps the end of a line that JavaScript knows
			n += 3
		}
	}
	return int64(n)
}

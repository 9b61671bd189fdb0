package field

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestATypeTakesItsValuesAndTextsThatSayThem(t *testing.T) {
	long, longer := strings.Repeat("ж", maxLine), strings.Repeat("𝄞", maxText)
	colours := Type{Name: Select, Options: []string{"Red", "Straße"}}
	for _, c := range []struct {
		of       Type
		in, want any // nil: it is refused
	}{
		{Type{Name: Text}, "a\nb\u202e<b>=1+1", "a\nb\u202e<b>=1+1"},
		{Type{Name: Text}, "", ""},
		{Type{Name: Text}, 1.5, "1.5"},
		{Type{Name: Text}, 1e15, "1000000000000000"},
		{Type{Name: Text}, 9007199254740994.0, nil},
		{Type{Name: Number}, 9007199254740991.0, 9007199254740991.0},
		{Type{Name: Number}, -9007199254740992.0, nil},
		{Type{Name: Number}, "9007199254740993", nil}, // which would be rounded
		{Type{Name: Number}, "12345678901234567890", nil},
		{Type{Name: Text}, true, "true"},
		{Type{Name: Text}, longer, longer},
		{Type{Name: Text}, longer + "x", nil},
		{Type{Name: Text}, "a\x00b", nil},
		{Type{Name: Text}, "\xff", nil},
		{Type{Name: Text}, nil, nil},
		{Type{Name: Text}, []any{"a"}, nil},
		{Type{Name: Text}, map[string]any{}, nil},
		{Type{Name: Multi}, "a\r\nb", "a\r\nb"},
		{Type{Name: Line}, long, long},
		{Type{Name: Line}, long + "ж", nil},
		{Type{Name: Line}, "a\nb", nil},
		{Type{Name: Number}, 12.5, 12.5},
		{Type{Name: Number}, "12.50", 12.5},
		{Type{Name: Number}, "-0", 0.0},
		{Type{Name: Numerical}, "1e3", 1000.0},
		{Type{Name: Number}, "1e400", nil},
		{Type{Name: Number}, "0x10", nil},
		{Type{Name: Number}, "NaN", nil},
		{Type{Name: Number}, " 1", nil},
		{Type{Name: Number}, "01", nil},
		{Type{Name: Number}, true, nil},
		{Type{Name: Number}, math.Inf(1), nil},
		{Type{Name: Boolean}, false, false},
		{Type{Name: Boolean}, "true", true},
		{Type{Name: Boolean}, "TRUE", nil},
		{Type{Name: Boolean}, 1.0, nil},
		{Type{Name: Date}, "2024-02-29", "2024-02-29"},
		{Type{Name: Date}, "2023-02-29", nil},
		{Type{Name: Date}, "2024-02-29T12:00:00.5+02:00", "2024-02-29T12:00:00.5+02:00"},
		{Type{Name: Date}, "29.02.2024", nil},
		{Type{Name: Date}, 20240229.0, nil},
		{colours, "red", "Red"},
		{colours, "STRASSE", "Straße"},
		{colours, "blue", nil},
		{Type{Name: Select, Options: []string{"1", "true"}}, 1.0, "1"},
		{Type{Name: Select, Options: []string{"1", "true"}}, true, "true"},
	} {
		got, err := (&c.of).Of(c.in)
		if refusal := (*Refusal)(nil); c.want == nil && (!errors.As(err, &refusal) || refusal.Message == "") || c.want != nil && (err != nil || got != c.want) {
			t.Errorf("%s of %.20v: got %.20v, %v; want %.20v", c.of.Name, c.in, got, err, c.want)
		}
	}
}

// Whoever changes the type of a field asks by kinds whether all values convert.
func TestAKindSaysIntoWhatAValueConverts(t *testing.T) {
	for value, kind := range map[any]Kind{
		1.5: KindNumber, "1.50": KindNumber, true: KindBoolean, "false": KindBoolean, "2024-02-29": KindDate, "Ada": KindLine, "": KindLine,
		"a\nb": KindText, strings.Repeat("x", maxLine+1): KindText, strings.Repeat("1", maxNumeral+1): KindLine,
	} {
		if got := KindOf(value); got != kind {
			t.Errorf("%.20v is %s, want %s", value, got, kind)
		}
		for _, name := range []string{Text, Line, Multi, Number, Numerical, Boolean, Date} {
			of := Type{Name: name}
			if _, err := of.Of(value); (err == nil) != of.Takes(kind) {
				t.Errorf("%.20v converts into %s: %v, and its kind %s: %v", value, name, err == nil, kind, of.Takes(kind))
			}
		}
	}
}

func TestSpacesInAKeyBecomeHyphens(t *testing.T) {
	for in, want := range map[string]string{"deposit amount": "deposit-amount", "a": "a", " a  b ": "-a--b-"} {
		if got := Key(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

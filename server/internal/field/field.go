// Package field knows the types of the fields of a community: which values each takes, and into what a value of another type
// converts. It is pure: no clock, no database.
package field

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// A Type is what values a field takes: its name in the contract, and of a select what can be selected.
type Type struct {
	Name    string
	Options []string

	folded map[string]string // the options without regard to case, once one was looked for
}

// option is the option that a text means, whatever its case.
func (t *Type) option(text string) (option string, is bool) {
	if slices.Contains(t.Options, text) {
		return text, true
	}
	if t.folded == nil {
		t.folded = map[string]string{}
		for _, option := range t.Options {
			t.folded[words.Caseless(option)] = option
		}
	}
	option, is = t.folded[words.Caseless(text)]
	return option, is
}

// The names of types.
const (
	Text       = "text"
	Line       = "single-line-text"
	Multi      = "multi-line-text"
	Number     = "number"
	Numerical  = "numerical"
	Boolean    = "boolean"
	Date       = "date"
	Select     = "select"
	maxText    = 4000
	maxLine    = 255
	maxNumeral = 100
	exact      = 1<<53 - 1 // up to which all whole numbers are, on the wire too
)

// A Kind is the strictest class of values to which a value belongs. It is the same for whichever type of field it was given:
// into what a value converts is known by its kind, but for a select.
type Kind string

// The kinds of values.
const (
	KindNumber  Kind = "number"
	KindBoolean Kind = "boolean"
	KindDate    Kind = "date"
	KindLine    Kind = "line"
	KindText    Kind = "text" // too long for a line, or several
)

// Kinds are all of them.
var Kinds = []Kind{KindNumber, KindBoolean, KindDate, KindLine, KindText}

// A Refusal says why a value is none of a type. It never holds the value.
type Refusal struct {
	WrongType bool // it is neither text nor number nor truth value
	TooLong   bool
	Message   string
}

func (r *Refusal) Error() string { return r.Message }

const mustBeNumber = "must be a number between -9007199254740991 and 9007199254740991"

func refused(message string) error { return &Refusal{Message: message} }

// Of is a value as a type takes it: a string, a float64 or a bool. A number that the wire may have rounded is
// none. A text that says a value of the type is that value.
func (t *Type) Of(value any) (any, error) {
	switch v := value.(type) {
	case float64:
		if !(math.Abs(v) <= exact) {
			return nil, refused(mustBeNumber)
		}
		value = v + 0 // which has no minus zero
	case bool:
	case string:
		switch {
		case strings.ContainsRune(v, 0):
			return nil, refused("must not contain the character NUL")
		case !utf8.ValidString(v):
			return nil, refused("must be Unicode")
		case utf8.RuneCountInString(v) > maxText:
			return nil, &Refusal{TooLong: true, Message: "must have at most 4000 characters"}
		}
	default:
		return nil, &Refusal{WrongType: true, Message: "must be a text, a number or a truth value"}
	}
	text := TextOf(value)
	switch t.Name {
	case Number, Numerical:
		if number, is := numberOf(text); is {
			return number, nil
		}
		return nil, refused(mustBeNumber)
	case Boolean:
		if text == "true" || text == "false" {
			return text == "true", nil
		}
		return nil, refused("must be true or false")
	case Date:
		if isDate(text) {
			return text, nil
		}
		return nil, refused("must be a day, YYYY-MM-DD, or a moment of RFC 3339")
	case Select:
		if option, is := t.option(text); is {
			return option, nil
		}
		return nil, refused("must be one of the options of the field")
	case Line:
		if utf8.RuneCountInString(text) > maxLine {
			return nil, &Refusal{TooLong: true, Message: "must have at most 255 characters"}
		}
		if !isLine(text) {
			return nil, refused("must be one line without control characters")
		}
	}
	return text, nil
}

// Takes tells whether all values of a kind convert into a type. Of a select, that depends on each value.
func (t *Type) Takes(kind Kind) bool {
	switch t.Name {
	case Number, Numerical:
		return kind == KindNumber
	case Boolean:
		return kind == KindBoolean
	case Date:
		return kind == KindDate
	case Line:
		return kind != KindText
	}
	return true
}

// Identifies tells whether a field of this type may be the identifier of a community.
func (t *Type) Identifies() bool {
	return slices.Contains([]string{Text, Line, Number, Numerical}, t.Name)
}

// IsNumber tells whether the values of the type are numbers.
func (t *Type) IsNumber() bool { return t.Name == Number || t.Name == Numerical }

// KindOf is the kind of a value of any type.
func KindOf(value any) Kind {
	text := TextOf(value)
	switch _, number := numberOf(text); {
	case number:
		return KindNumber
	case text == "true" || text == "false":
		return KindBoolean
	case isDate(text):
		return KindDate
	case utf8.RuneCountInString(text) <= maxLine && isLine(text):
		return KindLine
	}
	return KindText
}

// TextOf is a value as text.
func TextOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		if text, err := json.Marshal(v); err == nil {
			return string(text)
		}
	}
	return ""
}

// KeyOf is SHA-256 of a value as text, whatever its case: values of one field with the same are equal.
func KeyOf(value any) string {
	sum := sha256.Sum256([]byte(words.Caseless(TextOf(value))))
	return hex.EncodeToString(sum[:])
}

// Measure is by what values are ordered, if they are: numbers, and moments in milliseconds. It is the same for whichever type of field
// a value was given.
func Measure(value any) (measure float64, has bool) {
	text := TextOf(value)
	if number, is := numberOf(text); is {
		return number, true
	}
	at, _, err := momentOf(text)
	return float64(at.UnixMilli()), err == nil
}

// Span is what values of a type are meant by one in a question: a number, a moment, or all moments of a day, in milliseconds.
func (t *Type) Span(value any) (from, to float64, ok bool) {
	value, err := t.Of(value)
	if err != nil {
		return 0, 0, false
	}
	if !t.IsNumber() && t.Name != Date {
		return 0, 0, false
	}
	from, ok = Measure(value)
	if _, long, err := momentOf(TextOf(value)); err == nil && t.Name == Date {
		return from, from + float64(long.Milliseconds()-1), ok
	}
	return from, from, ok
}

// Key is a key of a field: what programs call it, with hyphens for spaces.
func Key(name string) string {
	return strings.Join(strings.Split(name, " "), "-")
}

var numeral = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func numberOf(text string) (float64, bool) {
	if len(text) > maxNumeral || !numeral.MatchString(text) {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number + 0, err == nil && math.Abs(number) <= exact
}

func isDate(text string) bool {
	_, _, err := momentOf(text)
	return err == nil
}

// momentOf reads a day or a moment, and says how long it is.
func momentOf(text string) (at time.Time, long time.Duration, err error) {
	const longest = 40
	if len(text) > longest {
		return at, 0, errors.New("too long")
	}
	if at, err = time.Parse(time.DateOnly, text); err == nil {
		return at, 24 * time.Hour, nil
	}
	at, err = time.Parse(time.RFC3339, text)
	return at, time.Millisecond, err
}

func isLine(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

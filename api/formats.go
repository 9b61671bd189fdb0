package api

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // for machines that have no time zones of their own

	"github.com/getkin/kin-openapi/openapi3"
	"golang.org/x/text/language"
)

// formats are the string formats that the contract may use, each with what decides whether a value is in it. Where
// ajv-formats, which checks formats for much of the JSON Schema world, knows a format, both give the same answer, but
// that a date-time is only what the time of a Go program can be: no leap second, no blank for the T, no lower-case letter.
// testdata/formats.json has the values that this is tested with, here and against ajv-formats.
var formats = map[string]func(string) bool{
	"objectid":  func(value string) bool { return IsHex(value, 24) },
	"hexcolor":  matching(`^#[0-9a-fA-F]{6}$`),
	"uuid":      matching(`^(?i:(urn:uuid:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`),
	"email":     matching(`^` + localPart + `@(` + domainLabel + `\.)+` + domainLabel + `$`),
	"uri":       matching(uri),
	"date":      isDate,
	"date-time": isDateTime,

	"username":     func(value string) bool { return strings.Trim(value, "0123456789") != "" && !IsHex(value, 24) },
	"time-zone":    IsTimeZone,
	"language-tag": isLanguageTag,
}

// matching compiles a pattern when it is first used, so that a program which checks nothing does not begin with it.
func matching(pattern string) func(string) bool {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
	return func(value string) bool { return compiled().MatchString(value) }
}

// IsEmail says whether the contract takes a text for an e-mail address: RFC 5321 without quoted local parts, address
// literals and host names of one label.
func IsEmail(text string) bool { return formats["email"](text) }

// defineFormats teaches the validator the formats. It keeps them for the whole process, so they are defined once, before
// any document is read.
var defineFormats = sync.OnceFunc(func() {
	for name, check := range formats {
		err := errors.New("not in the format " + name)
		openapi3.DefineStringFormatValidator(name, openapi3.NewCallbackValidator(func(value string) error {
			if !check(value) {
				return err
			}
			return nil
		}))
	}
})

// IsHex says whether a text is so many lower-case hexadecimal digits, as ids (24) and credentials (64) are. Nearly every
// request is asked so, and more than once: it is a loop and not a pattern.
func IsHex(text string, digits int) bool {
	if len(text) != digits {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// The letters of an address and of a URI are written out in both cases: (?i) would take the Kelvin sign for a k.
const (
	atom        = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
	localPart   = atom + `(\.` + atom + `)*`
	domainLabel = `[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?`
)

// uri is the grammar of RFC 3986 for a URI of any scheme. As for ajv-formats, something must follow the scheme, and an
// authority may stand behind one slash, so that a port that is no number is taken for a part of a path.
var uri = func() string {
	const (
		unreserved = `A-Za-z0-9\-._~!$&'()*+,;=`
		hex        = `[0-9A-Fa-f]`
		escaped    = `%` + hex + hex
		group      = hex + `{1,4}`
		octet      = `(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)`
		two        = `(` + group + `:` + group + `|(` + octet + `\.){3}` + octet + `)` // the last 32 bits of an IPv6 address
	)
	any := func(more string) string { return `([` + unreserved + more + `]|` + escaped + `)` }
	upTo := func(n string) string { return `((` + group + `:){0,` + n + `}` + group + `)?::` }
	ipv6 := `(` + strings.Join([]string{
		`(` + group + `:){6}` + two,
		`::(` + group + `:){5}` + two,
		`(` + group + `)?::(` + group + `:){4}` + two,
		upTo("1") + `(` + group + `:){3}` + two,
		upTo("2") + `(` + group + `:){2}` + two,
		upTo("3") + group + `:` + two,
		upTo("4") + two,
		upTo("5") + group,
		upTo("6"),
	}, `|`) + `)`
	segment := any(`:@`)
	authority := `(` + any(`:`) + `*@)?(\[(` + ipv6 + `|[Vv]` + hex + `+\.[` + unreserved + `:]+)\]|` + any(``) + `*)(:[0-9]*)?`
	path := `(/` + segment + `*)*`
	return `^[A-Za-z][A-Za-z0-9+\-.]*:` +
		`(//?` + authority + path + `|/(` + segment + `+` + path + `)?|` + segment + `+` + path + `)` +
		`(\?` + any(`:@/?`) + `*)?(#` + any(`:@/?`) + `*)?$`
}()

func isDate(value string) bool {
	_, err := time.Parse(time.DateOnly, value)
	return err == nil
}

var hasDateTimeForm = matching(`^[^T]{10}T[^T]{8}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// isDateTime asks twice: the pattern refuses what Go reads too freely, and Go the hours and days that there are not.
func isDateTime(value string) bool {
	_, err := time.Parse(time.RFC3339, value)
	return err == nil && hasDateTimeForm(value)
}

// local is the name that Go gives to the zone of the machine, whichever that is.
const local = "Local"

var hasZoneForm = matching(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$`)

// IsTimeZone says whether the contract takes a text for a time zone: a name of the IANA database, in its one spelling. For Go,
// "Local" is one too, whatever else lies beside the zones of a machine (their names begin with a lower-case letter), and any
// path that leads to one: there is no end of those.
func IsTimeZone(text string) bool {
	if text == local || !hasZoneForm(text) {
		return false
	}
	_, err := time.LoadLocation(text)
	return err == nil
}

// isLanguageTag takes the tags of BCP 47 that name a language that there is, in their usual case: two tags that mean the same
// are the same.
func isLanguageTag(value string) bool {
	tag, err := language.Raw.Parse(value)
	return err == nil && tag.String() == value
}

// Package sheet reads a CSV file row by row, however long it is, and refuses what is none: it holds one row at a time. It is pure: no clock, no
// database.
package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a file may have.
const (
	MaxRows  = 100_000
	MaxRow   = 1 << 20 // bytes
	MaxCell  = 4000    // characters; more is an error of the row
	mostWide = 1000    // columns
)

// A Fault is why a file is refused. It names no content of it but the name of a column that is not known.
type Fault struct {
	Row     int // from 1 behind the header, which is row 0
	Column  int // from 1; 0: the whole row
	Name    string
	Message string
}

func (f *Fault) Error() string {
	where := "the header"
	if f.Row > 0 {
		where = fmt.Sprintf("row %d", f.Row)
	}
	switch {
	case f.Name != "":
		where += ", column " + f.Name
	case f.Column > 0:
		where += fmt.Sprintf(", column %d", f.Column)
	}
	return where + ": " + f.Message
}

// A Reader reads the rows of a file.
type Reader struct {
	csv    *csv.Reader
	row    *rowLimit
	Header []string
	number int
}

var byteOrderMark = []byte{0xEF, 0xBB, 0xBF}

// Open reads the header of a file.
func Open(from io.Reader) (*Reader, error) {
	head := bufio.NewReader(from)
	first, err := head.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case isUTF16(first):
		return nil, &Fault{Message: "the file is UTF-16, and must be UTF-8: save it as \"CSV UTF-8\""}
	case isPacked(first):
		return nil, &Fault{Message: "the file is compressed, or of a spreadsheet: save it as \"CSV UTF-8\""}
	}
	if bytes.HasPrefix(first, byteOrderMark) {
		head.Discard(len(byteOrderMark))
	}
	limit := &rowLimit{from: head}
	r := &Reader{csv: csv.NewReader(limit), row: limit, number: -1}
	r.csv.FieldsPerRecord = -1
	r.csv.ReuseRecord = true
	header, err := r.Next()
	if err == io.EOF {
		return nil, &Fault{Message: "the file is empty"}
	}
	if err != nil {
		return nil, err
	}
	for _, name := range header {
		r.Header = append(r.Header, strings.TrimSpace(name))
	}
	return r, nil
}

// isUTF16 tells whether a file begins as one that is UTF-16, or UTF-32, does, with a byte order mark or without one.
func isUTF16(first []byte) bool {
	return bytes.HasPrefix(first, []byte{0xFF, 0xFE}) || bytes.HasPrefix(first, []byte{0xFE, 0xFF}) ||
		len(first) >= 2 && (first[0] == 0) != (first[1] == 0) || bytes.HasPrefix(first, []byte{0, 0, 0xFE, 0xFF})
}

// isPacked tells whether a file begins as one of gzip or ZIP does. Spreadsheets are ZIP files.
func isPacked(first []byte) bool {
	return bytes.HasPrefix(first, []byte{0x1F, 0x8B}) || bytes.HasPrefix(first, []byte("PK\x03\x04"))
}

// Number is that of the row that was read last.
func (r *Reader) Number() int { return r.number }

// Next returns the cells of the next row, which are good until the one behind it is read. At the end, it is io.EOF. A file that cannot be read further
// is a *Fault; all else is what the reader of the file has failed with.
func (r *Reader) Next() ([]string, error) {
	r.row.left = MaxRow
	cells, err := r.csv.Read()
	if err == io.EOF {
		return nil, err
	}
	r.number++
	var broken *csv.ParseError
	switch {
	case errors.Is(err, errWideRow):
		return nil, &Fault{Row: r.number, Message: fmt.Sprintf("has more than %d cells", mostWide)}
	case errors.Is(err, errLongRow):
		return nil, &Fault{Row: r.number, Message: "is longer than 1 MiB, or a quotation mark is not closed"}
	case errors.As(err, &broken):
		return nil, &Fault{Row: r.number, Message: "has a quotation mark in a wrong place, or one that is not closed"}
	case err != nil:
		return nil, err
	case r.number > MaxRows:
		return nil, &Fault{Row: r.number, Message: fmt.Sprintf("a file has at most %d rows", MaxRows)}
	}
	for i, cell := range cells {
		switch {
		case strings.IndexByte(cell, 0) >= 0:
			return nil, &Fault{Row: r.number, Column: i + 1, Message: "must not contain the character NUL"}
		case !utf8.ValidString(cell):
			return nil, &Fault{Row: r.number, Column: i + 1, Message: "must be UTF-8"}
		}
	}
	return cells, nil
}

// Columns checks the header against the names that a file may have, as known gives them in their one spelling, and those that it must have. It leaves the
// one spelling in the header. All of them are what the error of an unknown one lists.
func (r *Reader) Columns(known func(name string) (string, bool), required, all []string) error {
	for i, name := range r.Header {
		column, is := known(name)
		if !is {
			column, is = known(Plain(name))
		}
		switch {
		case !is && strings.ContainsAny(name, ";\t") && (len(r.Header) == 1 || isFirstOf(name, known)):
			return &Fault{Column: i + 1, Message: "must have commas between the cells, not semicolons or tabs"}
		case !is:
			return &Fault{Column: i + 1, Message: fmt.Sprintf("%q is not known here: the columns are %s", shortened(name), listed(all))}
		case slices.Contains(r.Header[:i], column):
			return &Fault{Column: i + 1, Name: column, Message: "is there twice"}
		}
		r.Header[i] = column
	}
	for _, name := range required {
		if !slices.Contains(r.Header, name) {
			return &Fault{Name: name, Message: "is missing"}
		}
	}
	return nil
}

// isFirstOf tells whether a column is known that stands before a semicolon or a tab in a name.
func isFirstOf(name string, known func(name string) (string, bool)) bool {
	_, is := known(strings.TrimSpace(name[:strings.IndexAny(name, ";\t")]))
	return is
}

// How much a Fault says of a name, and of names, in characters.
const (
	mostOfName  = 40
	mostOfNames = 330
)

func shortened(name string) string {
	if runes := []rune(name); len(runes) > mostOfName {
		return string(runes[:mostOfName]) + "…"
	}
	return name
}

// listed are names with commas between them, as many as there is room for.
func listed(names []string) string {
	text, left := "", mostOfNames
	for i, name := range names {
		if left -= utf8.RuneCountInString(name) + 2; left < 0 {
			return text + fmt.Sprintf(" and %d more", len(names)-i)
		}
		if i > 0 {
			text += ", "
		}
		text += name
	}
	return text
}

// TooLong tells whether a cell has more characters than one may have.
func TooLong(cell string) bool { return len(cell) > MaxCell && utf8.RuneCountInString(cell) > MaxCell }

// formulas begin with one of these.
const formulas = "=+-@\t\r\n"

// Harmless is a text as a cell that no spreadsheet takes for a formula, also not one to which a semicolon begins another cell.
func Harmless(cell string) string { return eachPart(cell, harmless) }

// Plain is the text of which Harmless has made a cell.
func Plain(cell string) string {
	return eachPart(cell, func(part string, first bool) string {
		if text, is := strings.CutPrefix(part, "'"); is && harmless(text, first) == part {
			return text
		}
		return part
	})
}

func eachPart(cell string, change func(part string, first bool) string) string {
	parts := strings.Split(cell, ";")
	for i, part := range parts {
		parts[i] = change(part, i == 0)
	}
	return strings.Join(parts, ";")
}

func harmless(part string, first bool) string {
	begins := part
	if !first {
		begins = strings.TrimLeft(part, " \"")
	}
	if begins != "" && strings.IndexByte(formulas, begins[0]) >= 0 {
		return "'" + part
	}
	return part
}

var (
	errLongRow = errors.New("a row is too long")
	errWideRow = errors.New("a row has too many cells")
)

// A rowLimit hands on so much before it is asked for another row, and no row of many cells: each costs many times its bytes.
type rowLimit struct {
	from   io.Reader
	left   int
	commas int // of the row that is under way
	quoted bool
	wide   bool // it has too many
}

func (l *rowLimit) Read(p []byte) (int, error) {
	switch {
	case l.wide:
		return 0, errWideRow
	case l.left <= 0:
		return 0, errLongRow
	}
	n, err := l.from.Read(p[:min(len(p), l.left)])
	l.left -= n
	for i, b := range p[:n] {
		switch {
		case b == '"':
			l.quoted = !l.quoted
		case l.quoted:
		case b == ',':
			l.commas++
		case b == '\n':
			l.commas = 0
		}
		if l.commas >= mostWide {
			l.wide = true
			return i, nil // what is before it may end other rows
		}
	}
	return n, err
}

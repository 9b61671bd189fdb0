package sheet

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

// known are the columns of a file of these tests.
func known(name string) (string, bool) {
	for _, column := range []string{"who", "xp", "=sum"} {
		if strings.EqualFold(name, column) {
			return column, true
		}
	}
	return "", false
}

// read reads a file to its end, or to what is wrong with it.
func read(from io.Reader) (rows [][]string, err error) {
	r, err := Open(from)
	if err == nil {
		err = r.Columns(known, []string{"who"}, []string{"who", "xp", "=sum"})
	}
	for err == nil {
		var cells []string
		if cells, err = r.Next(); err == nil {
			rows = append(rows, slices.Clone(cells))
		}
	}
	if err == io.EOF {
		err = nil
	}
	return rows, err
}

func encoded(text string, big, mark bool) string {
	var b strings.Builder
	if mark {
		text = "\uFEFF" + text
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		if big {
			b.WriteByte(byte(unit >> 8))
			b.WriteByte(byte(unit))
		} else {
			b.WriteByte(byte(unit))
			b.WriteByte(byte(unit >> 8))
		}
	}
	return b.String()
}

func TestAFileIsReadRowByRowOrRefusedByRowAndColumn(t *testing.T) {
	const good, utf16Said = "who,xp\n1,2\n", `the header: the file is UTF-16, and must be UTF-8: save it as "CSV UTF-8"`
	const packed = `the header: the file is compressed, or of a spreadsheet: save it as "CSV UTF-8"`
	one := [][]string{{"1", "2"}}
	for name, test := range map[string]struct {
		file    string
		rows    [][]string
		refused string
	}{
		"plain":                  {good, one, ""},
		"no line break at end":   {"who,xp\n1,2", one, ""},
		"CRLF":                   {"who,xp\r\n1,2\r\n", one, ""},
		"byte order mark":        {"\uFEFF" + good, one, ""},
		"mark and quotes":        {"\uFEFF\"who\",\"xp\"\n1,2\n", one, ""},
		"empty lines":            {"who,xp\n\n1,2\n\n", one, ""},
		"another spelling":       {" WHO ,XP\n1,2\n", one, ""},
		"quotes":                 {"who,xp\n\"a,\"\"b\"\"\nc\",2\n", [][]string{{"a,\"b\"\nc", "2"}}, ""},
		"formula":                {"who,xp\n=1+1,@a\n", [][]string{{"=1+1", "@a"}}, ""},
		"formula as a column":    {"who,'=sum\n1,2\n", one, ""},
		"ragged":                 {"who,xp\n1\n1,2,3\n", [][]string{{"1"}, {"1", "2", "3"}}, ""},
		"header alone":           {"who,xp\n", nil, ""},
		"long cell":              {"who,xp\n" + strings.Repeat("a", 500_000) + ",2\n", [][]string{{strings.Repeat("a", 500_000), "2"}}, ""},
		"empty":                  {"", nil, "the header: the file is empty"},
		"a mark alone":           {"\uFEFF", nil, "the header: the file is empty"},
		"UTF-16 LE":              {encoded(good, false, true), nil, utf16Said},
		"UTF-16 BE":              {encoded(good, true, true), nil, utf16Said},
		"UTF-16 LE, no mark":     {encoded(good, false, false), nil, utf16Said},
		"UTF-16 BE, no mark":     {encoded(good, true, false), nil, utf16Said},
		"gzip":                   {"\x1f\x8b\x08\x00", nil, packed},
		"XLSX":                   {"PK\x03\x04\x14", nil, packed},
		"quote that is open":     {"who,xp\n1,2\n\"1,2\n", nil, "row 2: has a quotation mark in a wrong place, or one that is not closed"},
		"quote inside":           {"who,xp\n1,a\"b\n", nil, "row 1: has a quotation mark in a wrong place, or one that is not closed"},
		"quote behind":           {"who,xp\n\"1\"a,2\n", nil, "row 1: has a quotation mark in a wrong place, or one that is not closed"},
		"NUL":                    {"who,xp\n1,2\n1,a\x00\n", nil, "row 2, column 2: must not contain the character NUL"},
		"NUL in the header":      {"who,xp\x00\n", nil, "the header, column 2: must not contain the character NUL"},
		"no UTF-8":               {"who,xp\n\xe9,2\n", nil, "row 1, column 1: must be UTF-8"},
		"unknown column":         {"who,yp\n", nil, "the header, column 2: \"yp\" is not known here: the columns are who, xp, =sum"},
		"a long unknown column":  {"who," + strings.Repeat("é", 41) + "\n", nil, "the header, column 2: \"" + strings.Repeat("é", 40) + "…\" is not known here: the columns are who, xp, =sum"},
		"column without a name":  {"who,\n", nil, "the header, column 2: \"\" is not known here: the columns are who, xp, =sum"},
		"column twice":           {"who,xp,XP\n", nil, "the header, column xp: is there twice"},
		"column missing":         {"xp\n1\n", nil, "the header, column who: is missing"},
		"semicolons":             {"who;xp\n1;2\n", nil, "the header, column 1: must have commas between the cells, not semicolons or tabs"},
		"semicolons and a comma": {"who;\"a, b\";xp,c\n1;2;3\n", nil, "the header: has a quotation mark in a wrong place, or one that is not closed"},
		"semicolons, a comma":    {"who;xp,c\n1;2;3\n", nil, "the header, column 1: must have commas between the cells, not semicolons or tabs"},
		"tabs":                   {"who\txp\n1\t2\n", nil, "the header, column 1: must have commas between the cells, not semicolons or tabs"},
		"long row":               {"who,xp\n1,2\n" + strings.Repeat("a", MaxRow+(64<<10)) + ",2\n", nil, "row 2: is longer than 1 MiB, or a quotation mark is not closed"},
		"long header":            {strings.Repeat("a", MaxRow+(64<<10)), nil, "the header: is longer than 1 MiB, or a quotation mark is not closed"},
		"wide header":            {"who" + strings.Repeat(",", mostWide), nil, "the header: has more than 1000 cells"},
	} {
		rows, err := read(strings.NewReader(test.file))
		said := ""
		if err != nil {
			said = err.Error()
		}
		if fault := (*Fault)(nil); said != test.refused || err != nil && !errors.As(err, &fault) {
			t.Errorf("%s: got %q, want %q", name, said, test.refused)
		}
		if err == nil && !slices.EqualFunc(rows, test.rows, slices.Equal) {
			t.Errorf("%s: got the rows %.100q", name, fmt.Sprint(rows))
		}
	}
}

// An endless is a reader of so many bytes.
type endless struct {
	head, row string
	left      int
}

func (e *endless) Read(p []byte) (n int, err error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	if e.head == "" {
		e.head = e.row
	}
	n = copy(p[:min(len(p), e.left)], e.head)
	e.head, e.left = e.head[n:], e.left-n
	return n, nil
}

func TestAQuotationMarkThatIsNeverClosedHoldsOneRow(t *testing.T) {
	_, err := read(&endless{head: "who,xp\n1,2\n\"", row: "a,b\n", left: 1 << 30})
	if err == nil || err.Error() != "row 2: is longer than 1 MiB, or a quotation mark is not closed" {
		t.Errorf("got %v", err)
	}
}

func TestRowsBeyondTheMostAreRefused(t *testing.T) {
	row := "1,2\n"
	for _, rows := range []int{MaxRows, MaxRows + 1} {
		got, err := read(&endless{head: "who,xp\n", row: row, left: len("who,xp\n") + rows*len(row)})
		if is, want := fmt.Sprint(err), fmt.Sprintf("row %d: a file has at most %d rows", MaxRows+1, MaxRows); len(got) != MaxRows || (rows > MaxRows) != (is == want) {
			t.Errorf("%d rows: got %d and %v", rows, len(got), err)
		}
	}
}

func TestWhatReadingFailsWithIsNoFaultOfTheFile(t *testing.T) {
	gone := errors.New("gone")
	for _, file := range []string{"", "who,", "who,xp\n1,2\n1"} {
		if _, err := read(io.MultiReader(strings.NewReader(file), failing{gone})); !errors.Is(err, gone) {
			t.Errorf("%q: got %v", file, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAHarmlessCellIsNoFormulaAndIsReadAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("='+-@\t a;"))).Draw(t, "text")
		cell := Harmless(text)
		if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
			t.Fatalf("%q is a formula", cell)
		}
		for _, behind := range strings.Split(cell, ";")[1:] { // where a semicolon begins another cell
			if behind = strings.TrimLeft(behind, " "); behind != "" && strings.ContainsRune("=+-@\t\r\n", rune(behind[0])) {
				t.Fatalf("%q has a formula", cell)
			}
		}
		// What already looks as if it had been made harmless cannot be told from what was.
		if Plain(text) == text && Plain(cell) != text {
			t.Fatalf("%q came back as %q", text, Plain(cell))
		}
	})
}

// What is listed has room in an answer, however many columns there are.
func TestOfManyColumnsAsManyAreListedAsThereIsRoomFor(t *testing.T) {
	names := slices.Repeat([]string{strings.Repeat("é", 48)}, 20)
	text := listed(names)
	if want := " and 14 more"; strings.Count(text, names[0]) != 6 || !strings.HasSuffix(text, want) {
		t.Errorf("got %s", text)
	}
}

// Package words says what the words of a text are, for whoever searches in texts. It is pure: the same text has the same words
// whichever database keeps them.
package words

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// longest is how many characters of a word count. Longer ones are no words that somebody looks for.
const longest = 64

// Fold is a text as it is compared where case does not count: NFKC, with the case folding of Unicode. It is the same in every
// language, so that ß is ss, and ı is not i.
func Fold(text string) string {
	return norm.NFKC.String(strings.Map(foldCherokee, cases.Fold().String(norm.NFKC.String(text))))
}

// Caseless is a text without regard to case alone, and to how its marks are composed: NFC, with the case folding of Unicode. Two
// names or values that are equal then are one to their readers; Fold goes further, as who searches wants it.
func Caseless(text string) string {
	return norm.NFC.String(strings.Map(foldCherokee, cases.Fold().String(norm.NFC.String(text))))
}

// foldCherokee puts right what package cases gets wrong: it folds upper to lower case there, and lower to upper.
func foldCherokee(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToUpper(r)
	}
	return r
}

// Of returns the words of a text, folded, each once, in the order in which they come first. A word is made of letters, marks and
// digits. Scripts that are written without blanks have a word for each character.
func Of(text string) []string {
	var all []string
	known := map[string]bool{}
	var word strings.Builder
	length := 0
	end := func() {
		if w := word.String(); w != "" && !known[w] {
			known[w] = true
			all = append(all, w)
		}
		word.Reset()
		length = 0
	}
	for _, r := range Fold(text) {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
			end()
			word.WriteRune(r)
			end()
		case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
			if length++; length <= longest {
				word.WriteRune(r)
			}
		default:
			end()
		}
	}
	end()
	return all
}

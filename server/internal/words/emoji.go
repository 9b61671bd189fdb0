package words

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// What makes an emoji of a letter or a digit that has one.
const emojiSigns = "\ufe0f\u20e3"

// IsEmoji tells whether a text is shown as one sign, and is no letter, digit or blank.
func IsEmoji(text string) bool {
	if uniseg.GraphemeClusterCount(text) != 1 {
		return false
	}
	switch first, _ := utf8.DecodeRuneInString(text); {
	case unicode.IsMark(first) || unicode.IsSpace(first) || unicode.Is(unicode.C, first):
		return false
	case unicode.IsLetter(first) || unicode.IsNumber(first) || first < 0x80:
		return strings.ContainsAny(text, emojiSigns)
	}
	return true
}

package words

import (
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// What makes an emoji of a letter or a digit that has one.
const emojiSigns = "\ufe0f\u20e3"

// IsEmoji tells whether a text is shown as one sign, and is no letter, digit or blank.
func IsEmoji(text string) bool {
	if uniseg.GraphemeClusterCount(text) != 1 {
		return false
	}
	for _, r := range text {
		switch {
		case unicode.IsMark(r) || unicode.IsSpace(r) || unicode.Is(unicode.C, r):
			return false
		case unicode.IsLetter(r) || unicode.IsNumber(r) || r < 0x80:
			return strings.ContainsAny(text, emojiSigns)
		}
		return true
	}
	return false
}

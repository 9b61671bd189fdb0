package words

import (
	"slices"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/text/language"
)

// What emojis are made of, by Unicode Technical Standard 51.
const (
	asText     = '\ufe0e' // the sign before is shown as text
	asPicture  = '\ufe0f' // and as a picture
	joiner     = '\u200d'
	keycap     = '\u20e3'
	blackFlag  = '\U0001f3f4' // of a region, whose name stands behind it in tags
	endOfTags  = '\U000e007f'
	mostJoined = 4 // as in a family
)

// Emoji returns an emoji as it is kept: one that is written in several ways is one. False: the text is not one emoji.
func Emoji(text string) (string, bool) {
	runes := slices.DeleteFunc([]rune(text), func(r rune) bool { return r == asText || r == asPicture })
	bare := string(runes)
	switch {
	case len(runes) == 0 || isSelector([]rune(text)[0]):
		return "", false
	case len(runes) == 1 && isSkin(runes[0]), isFlag(runes), isRegion(runes):
		return bare, true
	case len(runes) == 2 && runes[1] == keycap && strings.ContainsRune("0123456789#*", runes[0]):
		return string([]rune{runes[0], asPicture, keycap}), true
	}
	var made []rune
	for i, part := range strings.Split(bare, string(joiner)) {
		runes := []rune(part)
		if i == mostJoined || len(runes) == 0 || len(runes) > 2 || !isPicture(runes[0]) || len(runes) == 2 && !isSkin(runes[1]) {
			return "", false
		}
		if i > 0 {
			made = append(made, joiner)
		}
		if made = append(made, runes...); len(runes) == 1 && uniseg.StringWidth(part) == 1 { // which is text, unless it is said
			made = append(made, asPicture)
		}
	}
	return string(made), strings.Count(text, string(asPicture))+strings.Count(text, string(asText)) <= mostJoined
}

func isSelector(r rune) bool { return r == asText || r == asPicture }

func isSkin(r rune) bool { return r >= '\U0001f3fb' && r <= '\U0001f3ff' }

// isPicture tells whether a sign is Extended_Pictographic: these, and no others, are one with another picture behind a joiner.
func isPicture(r rune) bool {
	return uniseg.GraphemeClusterCount(string([]rune{r, joiner, '\U0001f600'})) == 1
}

// isFlag tells whether this is the flag of a country: the two letters of its code, as signs.
func isFlag(runes []rune) bool {
	code := make([]byte, 0, 2)
	for _, r := range runes {
		if r < '\U0001f1e6' || r > '\U0001f1ff' || len(code) == 2 {
			return false
		}
		code = append(code, 'A'+byte(r-'\U0001f1e6'))
	}
	region, err := language.ParseRegion(string(code))
	private := region.IsPrivateUse() && region.String() != "XK" // which is Kosovo to everybody
	return len(code) == 2 && err == nil && region.Canonicalize() == region && !private
}

// isRegion tells whether this is the flag of a part of a country: 3 to 6 letters and digits, as tags.
func isRegion(runes []rune) bool {
	if len(runes) < 5 || len(runes) > 8 || runes[0] != blackFlag || runes[len(runes)-1] != endOfTags {
		return false
	}
	return !slices.ContainsFunc(runes[1:len(runes)-1], func(r rune) bool {
		return (r < '\U000e0030' || r > '\U000e0039') && (r < '\U000e0061' || r > '\U000e007a')
	})
}

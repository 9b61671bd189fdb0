package words

import (
	"strings"
	"testing"
)

func TestAnEmojiIsOneSign(t *testing.T) {
	for _, text := range []string{
		"👍", "👍🏽", "👩‍🚀", "🇩🇪", "🇪🇺", "🇽🇰", "❤️", "1️⃣", "#️⃣", "ℹ️", "‼️", "🏴󠁧󠁢󠁷󠁬󠁳󠁿", "🏴", "©️", "🏽", "👨‍👩‍👧‍👦", "👩🏻‍❤️‍💋‍👨🏽", "🏳️‍🌈", "❤️‍🔥", "👁️‍🗨️", "🏌🏽‍♀️", "㊗️", "🫨", "🐦‍🔥", "⌚",
	} {
		if got, is := Emoji(text); !is || got != text {
			t.Errorf("%+q is the emoji %+q (%v)", text, got, is)
		}
	}
	for _, text := range []string{
		"", "a", "я", "яя", "👍👍", "👍a", "a👍", " ", "\u00a0", "1", "漢", "\u0301", "🇩🇪🇩🇪", "\u202e", "\u200d", "\ufe0f", "€", "«", "。", "\ufffc", "\ufffd", "🇩", "🇽🇾", "🇩👍", "👍\u200d", "\u200d👍",
		"👍" + strings.Repeat("\u0301", 10), "👍\u0301", "👍🏽🏽", "1\u20e3\u20e3", "a\u20e3", "\ufe0f❤", "❤" + strings.Repeat("\ufe0f", 10), strings.Repeat("👍\u200d", 9) + "👍",
		"🏴\U000e0067", "🏴\U000e0067\U000e0062\U000e007f", "👍\U000e0067\U000e0062\U000e0077\U000e007f", "\xff",
	} {
		if got, is := Emoji(text); is {
			t.Errorf("%+q is the emoji %+q", text, got)
		}
	}
}

func TestAnEmojiThatIsWrittenInSeveralWaysIsOne(t *testing.T) {
	for text, want := range map[string]string{
		"❤": "❤️", "❤\ufe0e": "❤️", "👍\ufe0f": "👍", "1\u20e3": "1️⃣", "#⃣": "#️⃣", "©": "©️", "🏳‍🌈": "🏳️‍🌈", "👩🏻‍❤‍💋‍👨🏽": "👩🏻‍❤️‍💋‍👨🏽", "☝\ufe0f🏽": "☝🏽",
	} {
		if got, is := Emoji(text); !is || got != want {
			t.Errorf("%+q is kept as %+q (%v), want %+q", text, got, is, want)
		}
	}
}

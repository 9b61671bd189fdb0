package words

import "testing"

func TestAnEmojiIsOneSign(t *testing.T) {
	for text, want := range map[string]bool{
		"👍": true, "👍🏽": true, "👩‍🚀": true, "🇩🇪": true, "❤️": true, "❤": true, "1️⃣": true, "#⃣": true, "ℹ️": true, "‼️": true, "🏴󠁧󠁢󠁷󠁬󠁳󠁿": true, "©": true,
		"": false, "a": false, "я": false, "яя": false, "👍👍": false, "👍a": false, " ": false, "\u00a0": false, "1": false, "漢": false, "\u0301": false,
		"🇩🇪🇩🇪": false, "\u202e": false, "\u200d": false, "\ufe0f": false,
	} {
		if got := IsEmoji(text); got != want {
			t.Errorf("%q is an emoji: %v, want %v", text, got, want)
		}
	}
}

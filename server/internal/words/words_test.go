package words

import (
	"slices"
	"strings"
	"testing"
	"testing/quick"
)

func TestWordsAreFoldedAndComeOnce(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		"  ...!? -- ":                   nil,
		"Hello, hello WORLD":            {"hello", "world"},
		"Straße STRASSE straſſe":        {"strasse"},
		"ıI İi":                         {"ıi", "i\u0307i"},
		"ＦＵＬＬ ﬁne №5":                   {"full", "fine", "no5"},
		"e\u0301t\u00e9 \u00c9TE\u0301": {"\u00e9t\u00e9"},
		"don't e4-e5, 1.e4":             {"don", "t", "e4", "e5", "1"},
		"हिन्दी भाषा":                   {"हिन्दी", "भाषा"},
		"東京タワーへ":                        {"東", "京", "タ", "ワ", "ー", "へ"},
		"a\x00b\u202ec":                 {"a", "b", "c"},
		"👍🏽 ok":                         {"ok"},
	} {
		if got := Of(text); !slices.Equal(got, want) {
			t.Errorf("%q has the words %q, want %q", text, got, want)
		}
	}
}

func TestWordsAreWordsOfThemselves(t *testing.T) {
	err := quick.Check(func(text string) bool {
		found := Of(text)
		for _, word := range found {
			if strings.ContainsAny(word, " '\"\\§:&|!()\x00") {
				return false // what a query is made with
			}
		}
		return slices.Equal(Of(strings.Join(found, " ")), found)
	}, &quick.Config{MaxCount: 2000})
	if err != nil {
		t.Error(err)
	}
}

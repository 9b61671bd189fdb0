package widget

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

func rendered(t *testing.T, p Page) string {
	t.Helper()
	var b strings.Builder
	if err := Render(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryPageIsADocumentWithOneHeadingAndOneMain(t *testing.T) {
	for name, p := range fixtures() {
		shown := rendered(t, p)
		for part, want := range map[string]int{"<main ": 1, "<h1": 1, "<!doctype html>": 1, `nonce="fixture"`: 4, `token: ""`: 1} {
			if got := strings.Count(shown, part); got != want {
				t.Errorf("%s: got %d of %s, want %d", name, got, part, want)
			}
		}
		var part strings.Builder
		if err := RenderPart(&part, p); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(part.String(), "<main ") || !strings.Contains(shown, part.String()) {
			t.Errorf("%s: its part is not its main", name)
		}
	}
}

// The policy of the pages runs no handler and applies no style that stands in an attribute: they have none. What users write makes
// no element, and leads to no address but of the web.
func TestNoTextOfAUserBecomesHTML(t *testing.T) {
	for name, p := range fixtures() {
		for tokens := html.NewTokenizer(strings.NewReader(rendered(t, p))); tokens.Next() != html.ErrorToken; {
			token := tokens.Token()
			if token.Type != html.StartTagToken {
				continue
			}
			for _, attribute := range token.Attr {
				if strings.HasPrefix(attribute.Key, "on") || attribute.Key == "style" {
					t.Errorf("%s: <%s> has %s", name, token.Data, attribute.Key)
				}
				if (attribute.Key == "href" || attribute.Key == "src") && !regexp.MustCompile(`^(https?://|/|#main$)`).MatchString(attribute.Val) {
					t.Errorf("%s: <%s> leads to %s", name, token.Data, attribute.Val)
				}
			}
		}
	}
}

func TestAddressesInMessagesLeadNowhereButToTheWeb(t *testing.T) {
	for text, want := range map[string][]piece{
		"":                                    nil,
		"no address":                          {{Text: "no address"}},
		"see https://a.example/x?y=1.":        {{Text: "see "}, {"https://a.example/x?y=1", "https://a.example/x?y=1"}, {Text: "."}},
		"(https://a.example)":                 {{Text: "("}, {"https://a.example", "https://a.example"}, {Text: ")"}},
		"https://a.example/(b)":               {{"https://a.example/(b)", "https://a.example/(b)"}},
		"javascript:alert(1) data:text/html,": {{Text: "javascript:alert(1) data:text/html,"}},
		"https:// alone":                      {{Text: "https:// alone"}},
		`http://a.example"onclick=x`:          {{"http://a.example", "http://a.example"}, {Text: `"onclick=x`}},
	} {
		if got := pieces(text); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text, all := rapid.String().Draw(t, "text"), ""
		for _, piece := range pieces(text) {
			all += piece.Text
		}
		if all != text {
			t.Fatalf("got %q of %q", all, text)
		}
	})
}

func TestADescriptionInHTMLIsShownAsItsText(t *testing.T) {
	for source, want := range map[string][]string{
		"": nil,
		"<p>One &amp; <b>two</b></p>\n<p>three<br>four</p>": {"One & two", "three", "four"},
		"<ul><li>a</li><li>b</li></ul>":                     {"• a", "• b"},
		"x<script>alert(1)</script><style>p{}</style>y":     {"xy"},
		"a < b": {"a < b"},
	} {
		if got := plain(source); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", source, got, want)
		}
	}
}

func TestImagesComeFromTheServerOrByHTTPS(t *testing.T) {
	for address, shown := range map[string]bool{
		"": false, "https://a.example/i.png": true, "/images/1": true, "//a.example/i.png": false, "http://a.example/i.png": false,
		"javascript:alert(1)": false, "data:image/svg+xml,<svg/>": false, "images/1": false, "https:///x": false, "/\\a.example": true,
	} {
		if got := image(address) != ""; got != shown {
			t.Errorf("%q: got %v", address, got)
		}
	}
}

// Whatever accent an owner chooses, each text of it can be read, in both themes.
func TestEveryAccentCanBeRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accent := color{float64(rapid.IntRange(0, 255).Draw(t, "r")), float64(rapid.IntRange(0, 255).Draw(t, "g")), float64(rapid.IntRange(0, 255).Draw(t, "b"))}
		for theme, a := range map[string]accents{"light": scheme(accent, behindLight, color{0, 0, 0}, 0.09), "dark": scheme(accent, behindDark, color{255, 255, 255}, 0.20)} {
			behind := behindLight
			if theme == "dark" {
				behind = behindDark
			}
			pairs := map[string][2]color{"on the accent": {a.on, a.fill}, "on its breath": {a.text, a.soft}}
			for i := range behind {
				pairs["on the page"+string(rune('0'+i))] = [2]color{a.text, behind[i]}
			}
			for what, pair := range pairs {
				if got := contrast(pair[0], pair[1]); got < 4.5 {
					t.Fatalf("%s, %s: %s on %s has a contrast of %.2f", theme, what, pair[0], pair[1], got)
				}
			}
		}
	})
}

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for got, want := range map[string]string{
		number(0): "0", number(999): "999", number(int64(1234567)): "1,234,567", number(-1234): "−1,234",
		decimal(0.25): "0.25", decimal(1234.5): "1,234.5", decimal(14200): "14,200", figure(1e15): "1P",
		short(9999): "9,999", short(12345): "12.3k", short(4_000_000): "4M",
		plural(1, "day", "days"): "1 day", plural(1000, "day", "days"): "1,000 days",
		initials("Mina Okafor"): "MO", initials("  ken "): "K", initials("田中 健"): "田", initials("🔥"): "?", initials("o'neill"): "ON",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWhoWasActiveOnSeveralDaysIsOneMemberOfTheOverview(t *testing.T) {
	o := overviewPage().Overview
	if members := o.Charts()[0]; members.First.Total != o.Overview.Members.Active {
		t.Errorf("%d were active by the chart, and %d by the tile", members.First.Total, o.Overview.Members.Active)
	}
}

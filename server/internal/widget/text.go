package widget

import (
	"fmt"
	"hash/fnv"
	"html/template"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/chart"
	"golang.org/x/net/html"
)

// functions are what the templates call.
var functions = template.FuncMap{
	"icon":     icon,
	"number":   number,
	"figure":   figure,
	"amount":   func(n int64) string { return figure(float64(n)) },
	"short":    short,
	"initials": initials,
	"hue":      hue,
	"image":    image,
	"known":    func(address gen.ImageURL) string { text, _ := address.Get(); return image(text) },
	"pieces":   pieces,
	"emoji":    emoji,
	"plain":    plain,
	"plural":   plural,
	"title":    sentence,
	"stamp":    func(t gen.Time) string { return t.UTC().Format(time.RFC3339) },
	"person":   func(name string, address gen.ImageURL, size string) face { return face{name, address, size} },
	"dict":     dict,
	"add":      func(a, b int) int { return a + b },
}

// A face is somebody's picture, or the first letters of their name.
type face struct {
	Name    string
	Address gen.ImageURL
	Size    string
}

// dict gives a template more than one value.
func dict(pairs ...any) (map[string]any, error) {
	values := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, is := pairs[i].(string)
		if !is {
			return nil, fmt.Errorf("%v is no name", pairs[i])
		}
		values[name] = pairs[i+1]
	}
	return values, nil
}

// number is a number with a comma between thousands.
func number(value any) string {
	if known, is := value.(*int64); is {
		value = *known
	}
	text := fmt.Sprint(value)
	sign := ""
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		sign, text = "−", rest
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// decimal is a number that may have a fraction, of which two digits are shown.
func decimal(value float64) string {
	text := strconv.FormatFloat(value, 'f', 2, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	fraction = strings.TrimRight(fraction, "0")
	if fraction == "" {
		return number(whole)
	}
	return number(whole) + "." + fraction
}

// figure is a decimal, or a short number where that would be long.
func figure(value float64) string {
	if math.Abs(value) >= 1e9 && math.Abs(value) < 1<<62 {
		return short(int64(value))
	}
	return decimal(value)
}

// short is a number in a few characters: 950, 12.3k, 4M.
func short(n int64) string {
	if -10_000 < n && n < 10_000 {
		return number(n)
	}
	return strings.Replace(chart.Short(n), "-", "−", 1)
}

// plural is a number of things: 1 member, 2 members.
func plural(n any, one, more string) string {
	if text := fmt.Sprint(n); text == "1" {
		return "1 " + one
	}
	return number(n) + " " + more
}

// sentence begins with a capital letter.
func sentence(text any) string {
	words := []rune(strings.ReplaceAll(fmt.Sprint(text), "_", " "))
	if len(words) > 0 {
		words[0] = unicode.ToUpper(words[0])
	}
	return string(words)
}

// initials are up to two letters of a name.
func initials(name string) string {
	letters := ""
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		first := []rune(word)[0]
		if letters += string(unicode.ToUpper(first)); len([]rune(letters)) == 2 || first > 0x2e80 { // one of East Asia is as wide as two
			break
		}
	}
	if letters == "" {
		return "?"
	}
	return letters
}

const hues = 8 // as many as the style sheet has

// hue is the same color for the same name, every time.
func hue(name string) uint32 {
	sum := fnv.New32a()
	sum.Write([]byte(name))
	return sum.Sum32() % hues
}

// image is the address of an image that a page may load, or nothing: of this server, or by https.
func image(address string) string {
	parsed, err := url.Parse(address)
	switch {
	case err != nil || address == "":
		return ""
	case parsed.Scheme == "https" && parsed.Host != "":
		return address
	case parsed.Scheme == "" && parsed.Host == "" && strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//"):
		return address
	}
	return ""
}

// A piece of a message is a text, or an address that leads there.
type piece struct{ Text, Address string }

var address = regexp.MustCompile(`https?://[^\s<>"']+`)

// pieces finds addresses in a text. What ends a sentence is not part of one.
func pieces(text string) (all []piece) {
	for text != "" {
		found := address.FindStringIndex(text)
		if found == nil {
			return append(all, piece{Text: text})
		}
		from, to := found[0], found[1]
		link := strings.TrimRight(text[from:to], ".,;:!?…*_")
		if strings.HasSuffix(link, ")") && !strings.Contains(link, "(") {
			link = strings.TrimRight(link, ")")
		}
		to = from + len(link)
		parsed, err := url.Parse(link)
		if err != nil || parsed.Host == "" {
			all, text = append(all, piece{Text: text[:to]}), text[to:]
			continue
		}
		if from > 0 {
			all = append(all, piece{Text: text[:from]})
		}
		all, text = append(all, piece{link, link}), text[to:]
	}
	return all
}

// plain is the text of HTML, by paragraphs.
func plain(source string) (paragraphs []string) {
	var text strings.Builder
	end := func() {
		if p := strings.Join(strings.Fields(text.String()), " "); p != "" {
			paragraphs = append(paragraphs, p)
		}
		text.Reset()
	}
	skipped := ""
	for tokens := html.NewTokenizer(strings.NewReader(source)); ; {
		kind := tokens.Next()
		token := tokens.Token()
		switch {
		case kind == html.ErrorToken:
			end()
			return paragraphs
		case kind == html.StartTagToken && (token.Data == "script" || token.Data == "style"):
			skipped = token.Data
		case kind == html.EndTagToken && token.Data == skipped:
			skipped = ""
		case skipped != "":
		case kind == html.TextToken:
			text.WriteString(token.Data)
		case token.Data == "li" && kind == html.StartTagToken:
			end()
			text.WriteString("• ")
		case blocks[token.Data]:
			end()
		}
	}
}

var blocks = map[string]bool{
	"p": true, "br": true, "div": true, "li": true, "ul": true, "ol": true, "h1": true, "h2": true, "h3": true, "h4": true,
	"h5": true, "h6": true, "tr": true, "table": true, "blockquote": true, "pre": true, "hr": true,
}

// emoji is one that was written by its name, if many write it so; every other stays as it is.
func emoji(name string) string {
	if known, is := emojis[strings.Trim(name, ":")]; is && strings.HasPrefix(name, ":") {
		return known
	}
	return name
}

var emojis = map[string]string{
	"+1": "👍", "thumbsup": "👍", "-1": "👎", "thumbsdown": "👎", "heart": "❤️", "sparkling_heart": "💖", "fire": "🔥", "tada": "🎉",
	"rocket": "🚀", "clap": "👏", "eyes": "👀", "joy": "😂", "smile": "😄", "wave": "👋", "100": "💯", "star": "⭐", "pray": "🙏",
	"muscle": "💪", "thinking": "🤔", "cry": "😢", "trophy": "🏆", "chart_with_upwards_trend": "📈", "white_check_mark": "✅",
}

// ago is how long ago something was, in words.
func (p Page) ago(at time.Time) string {
	switch past := p.Now.Sub(at); {
	case past < time.Minute:
		return "just now"
	case past < time.Hour:
		return plural(int(past.Minutes()), "minute", "minutes") + " ago"
	case past < 24*time.Hour:
		return plural(int(past.Hours()), "hour", "hours") + " ago"
	case past < 30*24*time.Hour:
		return plural(int(past.Hours()/24), "day", "days") + " ago"
	}
	return at.In(p.Zone).Format("2 Jan 2006")
}

// Ago is how long ago something was, in words.
func (p Page) Ago(at gen.Time) string { return p.ago(at.Time) }

// AgoNull is how long ago something was, if it was.
func (p Page) AgoNull(at gen.Nullable[gen.Time]) string {
	if t, is := at.Get(); is {
		return p.ago(t.Time)
	}
	return ""
}

// Until is how long it takes until then, in words.
func (p Page) Until(at gen.Time) string {
	switch left := at.Sub(p.Now); {
	case left <= 0:
		return "now"
	case left < time.Hour:
		return plural(max(1, int(left.Minutes())), "minute", "minutes")
	case left < 48*time.Hour:
		return plural(int(left.Hours()), "hour", "hours")
	default:
		return plural(int(left.Hours()/24), "day", "days")
	}
}

// Day is a day in words.
func (p Page) Day(at gen.Time) string { return p.day(at.Time) }

func (p Page) day(at time.Time) string {
	at, now := at.In(p.Zone), p.Now.In(p.Zone)
	switch {
	case at.Format(time.DateOnly) == now.Format(time.DateOnly):
		return "Today"
	case at.Format(time.DateOnly) == now.AddDate(0, 0, -1).Format(time.DateOnly):
		return "Yesterday"
	case at.Year() == now.Year():
		return at.Format("Monday, 2 January")
	}
	return at.Format("Monday, 2 January 2006")
}

// Clock is the time of a day.
func (p Page) Clock(at gen.Time) string { return at.In(p.Zone).Format("15:04") }

// Full is a day and its time.
func (p Page) Full(at gen.Time) string { return at.In(p.Zone).Format("2 January 2006, 15:04 MST") }

package widget

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
)

// A Mode is whether a page is light or dark, or as the system of who is looking.
type Mode string

// The modes.
const (
	Light Mode = "light"
	Dark  Mode = "dark"
	Auto  Mode = "auto"
)

// A Look is what the owner of a widget has chosen.
type Look struct {
	Mode   Mode
	Accent string // #rrggbb; empty: that of the house
}

const accentOfTheHouse = "#4f46e5"

func (l Look) mode() Mode {
	if l.Mode == Light || l.Mode == Dark {
		return l.Mode
	}
	return Auto
}

// enough is the contrast that WCAG asks of texts, and a little, since a color has only whole parts.
const enough = 4.6

// The colors behind texts, as in the style sheet: the most distant from the middle of each theme comes last.
var (
	lightest, darkest = color{255, 255, 255}, color{17, 20, 26}
	behindLight       = []color{{244, 245, 248}, {255, 255, 255}}
	behindDark        = []color{{31, 36, 46}, {17, 20, 26}}
)

// style says the accent in both themes: as a surface, as the text on it, as a text of its own, and as a breath of color. Each
// pair can be read, whatever the owner has chosen.
func (l Look) style() template.CSS {
	accent, err := parseColor(l.Accent)
	if err != nil {
		accent, _ = parseColor(accentOfTheHouse)
	}
	light, dark := scheme(accent, behindLight, color{0, 0, 0}, 0.09), scheme(accent, behindDark, color{255, 255, 255}, 0.20)
	return template.CSS(":root{" + light.declare("light") + dark.declare("dark") + "}")
}

type accents struct{ fill, on, text, soft color }

// scheme moves a color towards an end until it can be read on what is behind it.
func scheme(accent color, behind []color, end color, breath float64) accents {
	a := accents{fill: accent, text: accent}
	page := behind[len(behind)-1]
	for step := 0.0; contrast(a.fill, page) < 1.6 && step <= 1; step += 0.04 { // a surface must be seen
		a.fill = mix(accent, end, step)
	}
	a.on = lightest
	if contrast(a.fill, lightest) < enough {
		a.on = darkest
	}
	for step := 0.0; contrast(a.fill, a.on) < enough && step <= 1; step += 0.04 {
		a.fill = mix(accent, opposite(a.on), step)
	}
	a.soft = mix(page, a.fill, breath)
	for step := 0.0; step <= 1; step += 0.04 {
		a.text = mix(accent, end, step)
		if contrast(a.text, a.soft) >= enough && contrast(a.text, behind[0]) >= enough && contrast(a.text, page) >= enough {
			break
		}
	}
	return a
}

func opposite(c color) color {
	if c == lightest {
		return color{0, 0, 0}
	}
	return lightest
}

func (a accents) declare(theme string) string {
	return fmt.Sprintf("--%[1]s-accent:%[2]s;--%[1]s-on-accent:%[3]s;--%[1]s-accent-text:%[4]s;--%[1]s-accent-soft:%[5]s;",
		theme, a.fill, a.on, a.text, a.soft)
}

// A color is red, green and blue.
type color [3]float64

func (c color) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0])), int(math.Round(c[1])), int(math.Round(c[2])))
}

func parseColor(text string) (c color, err error) {
	if len(text) != 7 || text[0] != '#' {
		return c, fmt.Errorf("not a color")
	}
	n, err := strconv.ParseUint(text[1:], 16, 32)
	return color{float64(n >> 16), float64(n >> 8 & 255), float64(n & 255)}, err
}

func mix(from, to color, share float64) (c color) {
	for i := range c {
		c[i] = math.Round(from[i] + (to[i]-from[i])*share)
	}
	return c
}

// contrast is that of WCAG 2: from 1 to 21.
func contrast(a, b color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func (c color) luminance() float64 {
	linear := func(part float64) float64 {
		if part /= 255; part <= 0.04045 {
			return part / 12.92
		} else {
			return math.Pow((part+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

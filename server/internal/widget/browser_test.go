package widget

import (
	"fmt"
	raster "image"
	"image/draw"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/server/internal/browser"
)

const policy = "default-src 'none'; script-src 'nonce-fixture'; style-src 'nonce-fixture'; img-src 'self' https: data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// serve shows the fixtures as a server would.
func serve(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc(Assets+Digest+"/{name}", func(w http.ResponseWriter, r *http.Request) {
		content, contentType, ok := Asset(r.PathValue("name"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content)
	})
	mux.HandleFunc("/photo/{hue}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300"><defs><linearGradient id="g" x2="1" y2="1"><stop stop-color="hsl(%[1]s 60%% 72%%)"/><stop offset="1" stop-color="hsl(%[1]s 55%% 42%%)"/></linearGradient></defs><rect width="400" height="300" fill="url(#g)"/><circle cx="300" cy="90" r="46" fill="#fff" opacity=".5"/><path d="M0 240 120 130l90 80 60-50 130 120v20H0z" fill="#000" opacity=".25"/></svg>`, r.PathValue("hue"))
	})
	mux.HandleFunc("/apis/", http.NotFound)
	mux.HandleFunc("/fixture/{name}", func(w http.ResponseWriter, r *http.Request) {
		p, known := fixtures()[r.PathValue("name")]
		if !known {
			http.NotFound(w, r)
			return
		}
		p.Look.Mode, p.Color, p.Address = Mode(r.FormValue("color")), r.FormValue("color"), r.URL.Path
		if p.Kind == Community {
			for i := range p.Together.Widgets {
				p.Together.Widgets[i].Address = "/fixture/" + string(p.Together.Widgets[i].Kind) + "?color=" + p.Color
			}
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		show := Render
		if r.FormValue("part") != "" {
			show = RenderPart
		}
		if err := show(w, p); err != nil {
			t.Error(err)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// Somebody has looked at these pictures: their folder is named, so that somebody does again.
func TestEveryKindCanBeSeenAndUsedInBothThemesFromPhoneToDesk(t *testing.T) {
	chromium := browser.Open(t)
	axe := browser.Axe(t)
	photo = map[string]string{"Reflective running vest": "/photo/210", "Coffee after the long run": "/photo/28", "Club cap": "/photo/330"}
	defer func() { photo = map[string]string{} }()
	base, folder := serve(t), pictures(t)
	only := os.Getenv("REJOIN_TEST_PICTURES_OF")
	names := []string{}
	for name := range fixtures() {
		if only == "" || strings.HasPrefix(name, only) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	tab := chromium.Tab(widths[0], 760)
	for _, name := range names {
		edge := strings.Contains(name, "-") && !strings.HasPrefix(name, "store-")
		for _, theme := range []Mode{Light, Dark} {
			row := []string{}
			for _, width := range widths {
				if edge && (width == 320) != (theme == Light) { // what a kind has in common with the others is seen there
					continue
				}
				tab.Size(width, 760)
				tab.Show(base + "/fixture/" + name + "?color=" + string(theme))
				look(t, tab, axe, fmt.Sprintf("%s, %s, %d px", name, theme, width))
				file := filepath.Join(folder, fmt.Sprintf("%s-%s-%d.png", name, theme, width))
				if err := os.WriteFile(file, tab.Picture(), 0o600); err != nil {
					t.Fatal(err)
				}
				row = append(row, file)
			}
			if only != "" {
				sheet(t, filepath.Join(folder, "sheet-"+name+"-"+string(theme)+".png"), row)
			}
		}
	}
	for _, said := range tab.Said() {
		if !strings.Contains(said, "nowhere.invalid") && !strings.Contains(said, "404") { // the fixtures have no API, and an image that is gone
			t.Errorf("the browser says %s", said)
		}
	}
}

// A page on a phone leaves its frames less than the 320 pixels that it has.
func TestTheNameOfALevelIsNotBrokenInANarrowFrame(t *testing.T) {
	tab := browser.Open(t).Tab(240, 760)
	tab.Show(serve(t) + "/fixture/currency?color=light")
	if words := tab.Eval(`document.querySelector(".level-words").clientWidth >= 140`); words != "true" {
		t.Errorf("the words beside the ring have %s pixels", tab.Eval(`document.querySelector(".level-words").clientWidth`))
	}
}

var widths = []int64{320, 768, 1280}

// look finds what is wrong without eyes: what axe-core says, a page that is wider than the window, and a text that was run.
func look(t *testing.T, tab *browser.Tab, axe, where string) {
	t.Helper()
	for _, finding := range tab.Findings(axe) {
		for _, node := range finding.Nodes[:min(3, len(finding.Nodes))] {
			t.Errorf("%s: %s (%s): %s: %s", where, finding.Help, finding.ID, node.HTML, node.FailureSummary)
		}
	}
	if over := tab.Eval(`document.documentElement.scrollWidth - document.documentElement.clientWidth`); over != "0" {
		t.Errorf("%s: the page is %s px wider than the window", where, over)
	}
	if tab.Eval(`document.title`) == "owned" {
		t.Errorf("%s: a text of a user was run", where)
	}
}

// pictures is the folder in which the pictures stay.
func pictures(t *testing.T) string {
	folder, err := os.MkdirTemp("", "rejoin-widgets-")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("what the widgets look like is in %s", folder)
	return folder
}

// sheet puts pictures side by side.
func sheet(t *testing.T, file string, names []string) {
	t.Helper()
	var all []raster.Image
	wide, high := 0, 0
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, picture)
		wide, high = wide+picture.Bounds().Dx()+16, max(high, picture.Bounds().Dy())
	}
	sheet := raster.NewRGBA(raster.Rect(0, 0, wide, high))
	for i := range sheet.Pix {
		sheet.Pix[i] = 128
	}
	x := 0
	for _, picture := range all {
		b := picture.Bounds()
		draw.Draw(sheet, b.Add(raster.Pt(x, 0)), picture, b.Min, draw.Src)
		x += b.Dx() + 16
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, sheet); err != nil {
		t.Fatal(err)
	}
}

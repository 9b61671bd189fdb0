package widget

import (
	"fmt"
	"html/template"
)

// icon is one of the drawings below, which say nothing to who listens: a word stands beside each.
func icon(name string) (template.HTML, error) {
	drawing, is := icons[name]
	if !is {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">` + drawing + `</svg>`), nil
}

var icons = map[string]string{
	"alert":    `<circle cx="12" cy="12" r="9"/><path d="M12 7.5v5.5M12 16.3v.2"/>`,
	"arrow":    `<path d="M5 12h14M13 6l6 6-6 6"/>`,
	"back":     `<path d="M19 12H5M11 6l-6 6 6 6"/>`,
	"badge":    `<circle cx="12" cy="9" r="5.5"/><path d="M8.6 13.4 7 21l5-2.6L17 21l-1.6-7.6"/>`,
	"bag":      `<path d="M5.5 8h13l1 12.5h-15zM8.5 10.5V7a3.5 3.5 0 0 1 7 0v3.5"/>`,
	"box":      `<path d="m12 3 8 4.3v9.4L12 21l-8-4.3V7.3zM4.2 7.4 12 11.6l7.8-4.2M12 11.6V21"/>`,
	"chat":     `<path d="M20.5 11.5a7.7 7.7 0 0 1-8 7.5 8.9 8.9 0 0 1-3.4-.7L4 20l1.5-4A7.1 7.1 0 0 1 4.5 11.5a7.7 7.7 0 0 1 8-7.5 7.7 7.7 0 0 1 8 7.5z"/>`,
	"check":    `<path d="m5 12.5 4.600 4.5L19 7.5"/>`,
	"clock":    `<circle cx="12" cy="12" r="8.5"/><path d="M12 7.5V12l3 2"/>`,
	"close":    `<path d="m6.5 6.5 11 11M17.5 6.5l-11 11"/>`,
	"coin":     `<circle cx="12" cy="12" r="8.5"/><circle cx="12" cy="12" r="4.800"/>`,
	"copy":     `<rect x="8.5" y="8.5" width="11.5" height="11.5" rx="2.5"/><path d="M15.5 8.5V6.5a2.5 2.5 0 0 0-2.5-2.5H6.5A2.5 2.5 0 0 0 4 6.5V13a2.5 2.5 0 0 0 2.5 2.5h2"/>`,
	"digital":  `<path d="M12 3.5v11M7.5 10.5 12 15l4.5-4.5M4.5 17.5v1.5a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2v-1.5"/>`,
	"flag":     `<path d="M6 21V4M6 4.800c4-2 8 2 12.5 0v9c-4.5 2-8.5-2-12.5 0"/>`,
	"flame":    `<path d="M12 3c.5 3.5 5.5 5.5 5.5 11a5.5 5.5 0 0 1-11 0c0-2.200 1-3.600 2.200-4.800.3 1.600 1 2.400 1.800 2.800C10.300 8.5 10.800 5.5 12 3z"/>`,
	"gem":      `<path d="M7 4.5h10l4 5.5-9 10.5L3 10zM3 10h18M9 10l3 10.5L15 10l-3-5.5z"/>`,
	"heart":    `<path d="M12 20s-7.5-4.600-7.5-10.200A4.300 4.300 0 0 1 12 7.200a4.300 4.300 0 0 1 7.5 2.600C19.5 15.400 12 20 12 20z"/>`,
	"link":     `<path d="M14 4.5h5.5V10M19 5l-8 8M17.5 14v4a1.5 1.5 0 0 1-1.5 1.5H6A1.5 1.5 0 0 1 4.5 18V8A1.5 1.5 0 0 1 6 6.5h4"/>`,
	"person":   `<circle cx="12" cy="8" r="4"/><path d="M4.5 20.5c.7-4 3.7-6 7.5-6s6.800 2 7.5 6"/>`,
	"physical": `<path d="M3.5 6.5h10v10h-10zM13.5 10h4l3 3.200v3.300h-7z"/><circle cx="7.5" cy="17.5" r="2"/><circle cx="16.7" cy="17.5" r="2"/>`,
	"pin":      `<path d="M9 3.5h6l-.8 6 3.300 3.5H6.5L9.800 9.5zM12 13v7.5"/>`,
	"plus":     `<path d="M12 5.5v13M5.5 12h13"/>`,
	"reply":    `<path d="M9.5 6 4 11.5 9.5 17M4.5 11.5h9c4 0 6 2 6.5 6.5"/>`,
	"send":     `<path d="M4.5 12 20 4.5 15.5 20l-3.7-6.300zM11.800 13.7 20 4.5"/>`,
	"share":    `<circle cx="6" cy="12" r="2.5"/><circle cx="17.5" cy="5.5" r="2.5"/><circle cx="17.5" cy="18.5" r="2.5"/><path d="m8.200 10.800 7-4M8.200 13.200l7 4"/>`,
	"smile":    `<circle cx="12" cy="12" r="8.5"/><path d="M8.5 14c1.7 2.5 5.300 2.5 7 0M9 9.5v.3M15 9.5v.3"/>`,
	"spark":    `<path d="M12 3.5c.7 5 3.5 7.800 8.5 8.5-5 .7-7.800 3.5-8.5 8.5-.7-5-3.5-7.800-8.5-8.5 5-.7 7.800-3.5 8.5-8.5z"/>`,
	"trophy":   `<path d="M7.5 4.5h9V10a4.5 4.5 0 0 1-9 0zM7.5 6H4.5c0 3 1 4.5 3.200 4.800M16.5 6h3c0 3-1 4.5-3.200 4.800M12 14.5V18M8.5 20.5h7M10 18h4v2.5h-4z"/>`,
	"users":    `<circle cx="9" cy="8.5" r="3.5"/><path d="M2.800 19.5c.6-3.5 3-5.200 6.200-5.200s5.600 1.7 6.200 5.200M15.5 5.300a3.5 3.5 0 0 1 0 6.400M17.5 14.800c2 .7 3.300 2.300 3.7 4.7"/>`,
	"voucher":  `<path d="M4 7h16v3.5a1.7 1.7 0 0 0 0 3.400V17.5H4V13.900a1.7 1.7 0 0 0 0-3.400zM14 7.5v2M14 11.300v2M14 15v2"/>`,
}

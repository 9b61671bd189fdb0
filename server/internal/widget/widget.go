// Package widget makes the pages of widgets: what members and visitors see of a community on other people's sites. They are
// whole documents that show their data without a script; small scripts of this package make them live. It knows the models of
// the contract and HTML, and neither who is calling nor what time it is.
package widget

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// A Kind is what a widget shows.
type Kind string

// The kinds of widgets, and the page of a community that has them side by side.
const (
	Channels    Kind = "channels"
	Leaderboard Kind = "leaderboard"
	Milestone   Kind = "milestone"
	Socials     Kind = "socials"
	Store       Kind = "store"
	Currency    Kind = "currency"
	Overview    Kind = "overview"
	Community   Kind = "community"
)

// A State is why a page shows no data. A page that shows them has none.
type State string

// The states of a page without data.
const (
	Waiting State = "waiting" // the page that embeds it says who is looking, or nobody does
	Refused State = "refused" // it is not for who is looking, or not for where it is embedded
	Failed  State = "failed"  // it cannot be shown now
	Missing State = "missing" // there is no such widget
	Ended   State = "ended"   // the link that leads to it works no more
	Left    State = "left"    // who has looked at it has signed out
)

// A Page is a widget as one person sees it. Exactly one of the views is set, unless a State says why none is.
type Page struct {
	Kind      Kind
	Title     string // what it is called
	State     State
	Reason    string // more about the State, in a sentence
	Community string // its id
	Widget    string // its id
	Address   string // the path of the page itself
	Base      string // the server's address before each path; empty where pages are shown from the server itself
	Look      Look
	Color     string   // what the query says of the theme, which links keep
	Origins   []string // of the pages that may embed it
	Public    bool     // it has something to show to whom it does not know
	Token     string   // the page answers with it when its own widgets ask who one is; only the page of a community has one
	Nonce     string   // of its scripts and styles
	Now       time.Time
	Zone      *time.Location // of days and times; nil: UTC
	Me        *Person        // who is looking; nil: nobody knows

	Channel     *ChannelView
	Leaderboard *LeaderboardView
	Milestones  *MilestonesView
	Socials     *SocialsView
	Store       *StoreView
	Currency    *CurrencyView
	Overview    *OverviewView
	Together    *CommunityView
}

// A Person is who is looking.
type Person struct {
	ID     string
	Number string // of the account
	Name   string
	Avatar gen.ImageURL
}

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(functions).ParseFS(templateFiles, "templates/*.html"))

// Render writes the whole document.
func Render(w io.Writer, p Page) error { return render(w, "page", p) }

// RenderPart writes what scripts put in the place of what a page shows: its <main> alone.
func RenderPart(w io.Writer, p Page) error { return render(w, "main", p) }

func render(w io.Writer, name string, p Page) error {
	if p.Zone == nil {
		p.Zone = time.UTC
	}
	if err := templates.ExecuteTemplate(w, name, p); err != nil {
		return fmt.Errorf("no page of a widget: %w", err)
	}
	return nil
}

// Theme is how the page looks before the person's own choice is known.
func (p Page) Theme() Mode { return p.Look.mode() }

// Style has the colors of the widget.
func (p Page) Style() template.CSS { return p.Look.style() }

// Asset is the address of a file of this package.
func (p Page) Asset(name string) string { return p.Base + Assets + Digest + "/" + name }

// Lead is a sentence for the State.
func (p Page) Lead() string {
	switch {
	case p.Reason != "":
		return p.Reason
	case p.State == Waiting:
		return "This shows up as soon as the page around it says who you are."
	case p.State == Refused:
		return "It is not for this account, or not for this page."
	case p.State == Missing:
		return "It was removed, or its address is wrong."
	case p.State == Ended:
		return "It works once, within a minute, and only where it was made for. Go back to the community's site, and follow its link again."
	case p.State == Left:
		return "To come back, follow the link on the community's site."
	}
	return "Something went wrong on our side. Try again in a moment."
}

// Headline says the State in a few words.
func (p Page) Headline() string {
	switch p.State {
	case Waiting:
		return "Waiting to be told who you are"
	case Refused:
		return "Nothing to show here"
	case Missing:
		return "There is no such widget"
	case Ended:
		return "This link does not work any more"
	case Left:
		return "You are signed out"
	}
	return "This cannot be shown right now"
}

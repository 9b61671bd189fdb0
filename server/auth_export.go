package server

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

const (
	// exportedAtOnce is how many rows of an export are in memory. Nothing that is long is read at once.
	exportedAtOnce = 20
	// exportPatience is how long whoever reads an export may take for a part of it.
	exportPatience = 30 * time.Second
)

// exported are the parts of an export behind the account itself, in the order of the contract. What a new part has is read page by
// page: exportPages, and exportInServers where it is found by server.
var exported = []struct {
	name  string
	write func(*export) error
}{
	{"presence", (*export).writePresence},
	{"sessions", (*export).writeSessions},
	{"events", func(e *export) error { return exportPages(e, e.store.Exports.Events, asItIs) }},
	{"communities", func(e *export) error { return exportPages(e, e.store.Exports.Communities, asItIs) }},
	{"badges", func(e *export) error { return exportPages(e, e.store.Exports.Badges, asItIs) }},
	{"applications", func(e *export) error {
		return exportInServers(e, e.store.Exports.Applications, func(a gen.ExportedApplication) any {
			if path, has := a.Proof.Get(); has {
				a.Proof = gen.NullableOf(e.origin + path)
			}
			return a
		})
	}},
	{"visits", func(e *export) error { return exportInServers(e, e.store.Exports.Visits, asItIs) }},
	{"ledger", func(e *export) error { return exportInServers(e, e.store.Exports.Ledger, asItIs) }},
	{"fieldValues", func(e *export) error { return exportInServers(e, e.store.Exports.FieldValues, asItIs) }},
	{"streaks", func(e *export) error {
		return exportInServers(e, e.store.Exports.Streaks, func(s store.ExportedStreak) any { return s.ExportedStreak })
	}},
	{"miniGames", func(e *export) error { return exportInServers(e, e.store.Exports.MiniGames, asItIs) }},
	{"plays", func(e *export) error { return exportInServers(e, e.store.Exports.Plays, asItIs) }},
	{"purchases", func(e *export) error { return exportInServers(e, e.store.Exports.Purchases, asItIs) }},
	{"userKeys", func(e *export) error { return exportPages(e, e.store.Exports.UserKeys, asItIs) }},
	{"apiKeys", func(e *export) error { return exportPages(e, e.store.Exports.APIKeys, asItIs) }},
	{"invites", func(e *export) error {
		return exportPages(e, e.store.Exports.Invites, func(i store.ExportedInvite) any { return i.ExportedInvite })
	}},
	{"images", func(e *export) error {
		return exportPages(e, e.store.Exports.Images, func(i store.ExportedImage) any {
			i.URL = e.origin + i.URL
			return i.ExportedImage
		})
	}},
	{"topics", func(e *export) error { return exportPages(e, e.store.Exports.Topics, asItIs) }},
	{"messages", (*export).writeMessages},
	{"analyses", func(e *export) error {
		return exportPages(e, e.store.Exports.Analyses, func(a store.Analysis) any {
			a.Sender.Avatar = e.account.Avatar
			return a.Analysis
		})
	}},
	{"reactions", func(e *export) error {
		return exportPages(e, e.store.Exports.Reactions, func(r store.ExportedReaction) any { return r.ExportedReaction })
	}},
}

// An export is the answer of ExportMe. It is written as it is read: however long it is, it needs little memory, and no statement
// runs while whoever reads it takes their time.
type export struct {
	*core
	ctx     context.Context
	account store.Account
	session string // the hash of its token
	origin  string

	to    *bufio.Writer
	allow func() // gives the reader time for more
	first bool   // nothing stands in the list yet
}

// ExportMe shows everything that is known of the caller's account.
func (h auth) ExportMe(ctx context.Context, _ stub.ExportMeRequestObject) (stub.ExportMeResponseObject, error) {
	who := actorFrom(ctx)
	account, err := h.store.Auth.GetAccount(ctx, who.account)
	if err != nil {
		return nil, err
	}
	account.Avatar = h.imageURL(ctx, account.Avatar)
	// It may take longer than other requests may.
	long := context.WithoutCancel(ctx)
	return &export{core: h.core, ctx: long, account: account, session: hashOf(who.credential), origin: h.origin(ctx)}, nil
}

// VisitExportMeResponse implements stub.ExportMeResponseObject. What fails once something was sent breaks the connection, so that
// nobody takes it for all.
func (e *export) VisitExportMeResponse(w http.ResponseWriter) error {
	connection := http.NewResponseController(w)
	e.to = bufio.NewWriterSize(w, keptAnswer/2)
	e.allow = func() { _ = connection.SetWriteDeadline(time.Now().Add(exportPatience)) } // without a connection, there is no haste
	w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	w.WriteHeader(http.StatusOK)
	if err := e.write(); err != nil {
		e.log.LogAttrs(e.ctx, slog.LevelInfo, "an export was broken off", slog.String("account", e.account.Number), slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (e *export) write() error {
	meta, err := gen.MarshalJSON(system("Account export"))
	if err == nil {
		e.text(`{"meta":` + string(meta) + `,"body":{"account":`)
		err = e.value(e.account.Account)
	}
	for _, part := range exported {
		if err == nil {
			e.text(`,"` + part.name + `":`)
			err = part.write(e)
		}
	}
	if err == nil {
		err = e.goOn()
	}
	if err == nil {
		e.text(`,"complete":true}}` + "\n")
		err = e.to.Flush()
	}
	return err
}

// text writes what is JSON already. A bufio.Writer remembers what goes wrong, and value tells.
func (e *export) text(json string) { _, _ = e.to.WriteString(json) }

func (e *export) value(v any) error {
	text, err := gen.MarshalJSON(v)
	if err == nil {
		_, err = e.to.Write(text)
	}
	return err
}

// goOn refuses to export more to who was signed out meanwhile, or deleted.
func (e *export) goOn() error {
	_, err := e.store.Auth.GetCaller(e.ctx, e.session, e.now())
	e.allow()
	return err
}

// list writes a list, to which exportItems adds.
func (e *export) list(write func() error) error {
	e.text("[")
	e.first = true
	err := write()
	e.text("]")
	return err
}

// exportItems adds to a list.
func exportItems[T any](e *export, items []T, shown func(T) any) error {
	if err := e.goOn(); err != nil {
		return err
	}
	for _, item := range items {
		if !e.first {
			e.text(",")
		}
		e.first = false
		if err := e.value(shown(item)); err != nil {
			return err
		}
	}
	return nil
}

func asItIs[T any](item T) any { return item }

// allPages adds to a list what is read page by page, each behind the last item of the one before.
func allPages[T any](e *export, read func(after T) ([]T, error), shown func(T) any) error {
	for after := *new(T); ; {
		items, err := read(after)
		if err == nil {
			err = exportItems(e, items, shown)
		}
		if err != nil || len(items) < exportedAtOnce {
			return err
		}
		after = items[len(items)-1]
	}
}

// A reader reads a page of what is known of an account.
type reader[T any] func(ctx context.Context, account int64, after T, some int) ([]T, error)

func exportPages[T any](e *export, read reader[T], shown func(T) any) error {
	return e.list(func() error {
		return allPages(e, func(after T) ([]T, error) { return read(e.ctx, e.account.AccountNumber, after, exportedAtOnce) }, shown)
	})
}

// inServers does something for each server in which the account is or was.
func (e *export) inServers(do func(serverID string) error) error {
	for after := ""; ; {
		servers, err := e.store.Exports.Servers(e.ctx, e.account.AccountNumber, after, exportedAtOnce)
		if err != nil {
			return err
		}
		for _, after = range servers {
			if err := do(after); err != nil {
				return err
			}
		}
		if len(servers) < exportedAtOnce {
			return nil
		}
	}
}

// A scopedReader reads a page of what is known of an account in a server, or a channel.
type scopedReader[T any] func(ctx context.Context, scope string, account int64, after T, some int) ([]T, error)

func exportInServers[T any](e *export, read scopedReader[T], shown func(T) any) error {
	return e.list(func() error {
		return e.inServers(func(serverID string) error { return exportScope(e, serverID, read, shown) })
	})
}

func exportScope[T any](e *export, scope string, read scopedReader[T], shown func(T) any) error {
	return allPages(e, func(after T) ([]T, error) { return read(e.ctx, scope, e.account.AccountNumber, after, exportedAtOnce) }, shown)
}

func (e *export) writePresence() error {
	found, err := e.store.Users.GetPresence(e.ctx, e.account.AccountNumber)
	if err != nil {
		return err
	}
	shown := gen.ExportedPresence{LastLogin: found.LoginAt, LastActive: gen.Null[gen.Time](), Minutes: found.Minutes, Streak: found.Streak}
	if !found.ActiveAt.IsZero() {
		shown.LastActive = gen.NullableOf(gen.Time{Time: found.ActiveAt})
	}
	return e.value(shown)
}

func (e *export) writeSessions() error {
	return e.list(func() error {
		sessions, err := e.store.Auth.ListSessions(e.ctx, e.account.AccountNumber)
		if err != nil {
			return err
		}
		var good []gen.OpenSession
		for _, s := range sessions {
			if s.IsGood(e.now()) {
				s.Current = s.TokenHash == e.session
				good = append(good, s.OpenSession)
			}
		}
		return exportItems(e, good, asItIs)
	})
}

func (e *export) writeMessages() error {
	shown := func(m store.ExportedMessage) any {
		images := make([]string, len(m.Images)) // what was read may be remembered
		for i, path := range m.Images {
			images[i] = e.origin + path
		}
		m.Images = images
		return m.ExportedMessage
	}
	return e.list(func() error {
		return e.inServers(func(serverID string) error {
			channels, err := e.store.Exports.Channels(e.ctx, serverID, e.account.AccountNumber)
			if err != nil {
				return err
			}
			for _, channel := range channels {
				if err := exportScope(e, channel, e.store.Exports.Messages, shown); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

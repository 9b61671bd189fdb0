package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// MaxApplications is how many open applications a member may have in a server. The contract says so.
const MaxApplications = 50

// An Application is that a member asks for a badge. The addresses in it are for whoever shows it.
type Application struct {
	gen.BadgeApplication
	ServerID string
	Account  int64
	ImageID  string // of the proof; empty: there is none
}

// Who is no member any more asks for nothing.
const selectApplication = `SELECT p.id, p.badge_id, p.server_id, p.account, p.note, p.image_id, p.at, a.id, a.username, a.display_name, a.avatar_image_id
	  FROM badge_applications p JOIN members m ON m.server_id = p.server_id AND m.account = p.account JOIN accounts a ON a.number = p.account `

func scanApplication(rows *sql.Rows) (a Application, err error) {
	var image, username, avatar sql.NullString
	err = rows.Scan(&a.ID, &a.BadgeID, &a.ServerID, &a.Account, &a.Note, &image, micros{&a.CreatedAt}, &a.User.ID, &username, &a.User.DisplayName, &avatar)
	a.ImageID, a.User.Number, a.User.Username, a.User.Avatar = image.String, Number(a.Account), nullableOf(username), ImagePath(avatar.String)
	return a, err
}

// ListApplications returns a page of the open applications for a badge, the oldest first.
func (q Badges) ListApplications(ctx context.Context, badgeID string, page Page) ([]Application, error) {
	at, id := page.from(earliest)
	return list(ctx, q.conn, scanApplication, selectApplication+`WHERE p.badge_id = $1 AND (p.at, p.id) > ($2, $3) ORDER BY p.at, p.id LIMIT $4 OFFSET $5`,
		badgeID, at, id, page.Limit, page.Skip)
}

// ListApplicationsOf returns the open applications of a member in a server, the oldest first: they are few.
func (q Badges) ListApplicationsOf(ctx context.Context, serverID string, account int64) ([]Application, error) {
	all, err := list(ctx, q.conn, scanApplication, selectApplication+`JOIN badges b ON b.id = p.badge_id WHERE p.account = $1 AND p.server_id = $2 ORDER BY p.id LIMIT $3`,
		account, serverID, MaxApplications)
	slices.SortFunc(all, func(a, b Application) int { return a.CreatedAt.Compare(b.CreatedAt.Time) })
	return all, err
}

// CountApplications tells how many open applications there are for a badge.
func (q Badges) CountApplications(ctx context.Context, badgeID string) (int64, error) {
	return q.total(ctx, applicationsTally, badgeID)
}

// GetApplication returns an application for a badge that is there.
func (q Badges) GetApplication(ctx context.Context, badgeID, id string) (Application, error) {
	return get(ctx, q.conn, scanApplication, selectApplication+`JOIN badges b ON b.id = p.badge_id WHERE p.id = $1 AND p.badge_id = $2`+unlocked, id, badgeID)
}

// HoldApplicant holds a member: nobody awards them a badge or ends the membership before the transaction ends. Whoever is no member is
// ErrNotFound. The row is written, and not only locked, so that who is waiting for it on PostgreSQL begins anew and sees what was added.
func (q Badges) HoldApplicant(ctx context.Context, serverID string, account int64) error {
	return q.change(ctx, `UPDATE totals SET is_member = TRUE WHERE server_id = $1 AND account = $2 AND is_member`, serverID, account)
}

// IsHeldBy tells whether a member has a badge.
func (q Badges) IsHeldBy(ctx context.Context, b Badge, account int64) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM member_badges WHERE account = $1 AND server_id = $2 AND badge_id = $3)`+unlocked,
		account, b.ServerID, b.ID)
}

// HasApplied tells whether a member has an open application for a badge.
func (q Badges) HasApplied(ctx context.Context, b Badge, account int64) (bool, error) {
	return get(ctx, q.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM badge_applications WHERE badge_id = $1 AND account = $2)`+unlocked, b.ID, account)
}

// InsertApplication adds an application of a member who is held and has none open for the badge. Beyond MaxApplications it is a LimitError.
func (q Badges) InsertApplication(ctx context.Context, a Application) error {
	if err := q.exec(ctx, `INSERT INTO badge_applications (id, badge_id, server_id, account, note, image_id, at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		a.ID, a.BadgeID, a.ServerID, a.Account, a.Note, orNull(a.ImageID), a.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	open, err := list(ctx, q.conn, scanOne[string], `SELECT id FROM badge_applications WHERE account = $1 AND server_id = $2 LIMIT $3`+unlocked,
		a.Account, a.ServerID, MaxApplications+1)
	if err == nil && len(open) > MaxApplications {
		err = &LimitError{Most: MaxApplications, What: "open applications of yours in this server"}
	}
	if err != nil {
		return err
	}
	return q.countIn(ctx, applicationsTally, a.BadgeID)
}

// EndApplication ends the application of a member for a badge, if there is one.
func (q Badges) EndApplication(ctx context.Context, badgeID string, account int64, at time.Time) error {
	_, err := q.endApplications(ctx, at, `DELETE FROM badge_applications WHERE badge_id = $1 AND account = $2 RETURNING badge_id, image_id`, badgeID, account)
	return err
}

// RefuseApplication ends an application. If there is none, it is ErrNotFound.
func (q Badges) RefuseApplication(ctx context.Context, id string, at time.Time) error {
	ended, err := q.endApplications(ctx, at, `DELETE FROM badge_applications WHERE id = $1 RETURNING badge_id, image_id`, id)
	if err == nil && ended == 0 {
		err = ErrNotFound
	}
	return err
}

// EndApplicationsOf ends some of the applications of a member in a server, and tells whether there may be more. There never are more than
// MaxApplications.
func (q Badges) EndApplicationsOf(ctx context.Context, serverID string, account int64, some int, at time.Time) (more bool, err error) {
	ended, err := q.endApplications(ctx, at, `DELETE FROM badge_applications WHERE id IN (
	       SELECT id FROM badge_applications WHERE account = $1 AND server_id = $2 LIMIT $3) RETURNING badge_id, image_id`, account, serverID, some)
	return ended > 0, err
}

// endApplicationsFor ends some of the applications for a badge that is gone, and tells whether there may be more.
func (q Badges) endApplicationsFor(ctx context.Context, badgeID string, some int, at time.Time) (more bool, err error) {
	ended, err := q.endApplications(ctx, at, `DELETE FROM badge_applications WHERE id IN (
	       SELECT id FROM badge_applications WHERE badge_id = $1 LIMIT $2) RETURNING badge_id, image_id`, badgeID, some)
	return ended > 0, err
}

// endApplicationsIn ends some of the applications in a server that is gone, and tells whether there may be more.
func (q Badges) endApplicationsIn(ctx context.Context, serverID string, some int, at time.Time) (more bool, err error) {
	ended, err := q.endApplications(ctx, at, `DELETE FROM badge_applications WHERE id IN (
	       SELECT id FROM badge_applications WHERE server_id = $1 LIMIT $2) RETURNING badge_id, image_id`, serverID, some)
	return ended > 0, err
}

// endApplications runs a statement that deletes applications and returns their badges and proofs. Nobody is shown the proofs any more.
// Their bytes are given back by the sweep: whoever deletes a message with an image holds those first, and then what an award holds.
func (q Badges) endApplications(ctx context.Context, at time.Time, text string, args ...any) (ended int, err error) {
	type gone struct{ badge, image string }
	all, err := list(ctx, q.conn, func(rows *sql.Rows) (g gone, err error) {
		var image sql.NullString
		err = rows.Scan(&g.badge, &image)
		g.image = image.String
		return g, err
	}, text, args...)
	if err != nil {
		return 0, err
	}
	var badges []string
	for _, one := range all {
		badges = append(badges, one.badge)
		if err := Images(q).end(ctx, one.image, at); err != nil {
			return 0, err
		}
	}
	return len(all), q.countAllOut(ctx, applicationsTally, badges)
}

// ProofPath is the path of the proof of an application, null if it has none.
func ProofPath(badgeID, id string, has bool) gen.Nullable[string] {
	if !has {
		return gen.Null[string]()
	}
	return gen.NullableOf("/badges/" + badgeID + "/applications/" + id + "/proof")
}

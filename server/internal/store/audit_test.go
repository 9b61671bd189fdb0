package store

import (
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

func TestTheMigrationFindsWhoHasDeletedAServer(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann, ben := l.account(), l.account()
		gone := l.server(ben, ann)
		l.tx(func(tx *Tx) error {
			by := gen.AuditActor{Type: "account", ID: Number(ben)}
			return tx.Audit.Insert(t.Context(), gone, gen.AuditEntry{ID: l.id(), Actor: by, Action: "server.delete", At: l.now()}, nil, nil)
		})
		migrate(l, "00015_deletions.sql", "INSERT")
		if d, err := s.Audit.GetDeletion(t.Context(), gone); err != nil || d.Account != ben || d.At.UnixMicro() != l.nowAt.UnixMicro() {
			t.Errorf("got %+v, %v; want Ben", d, err)
		}
	})
}

func TestTheMigrationFindsWhoIsAnAdministrator(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		s := open(t, url)
		ctx := t.Context()
		l := &life{T: t, s: s, nowAt: time.Now()}
		ann, ben, cleo := l.account(), l.account(), l.account()
		id := l.server(ann, ben, cleo)
		for account, is := range map[int64]bool{ben: true, cleo: false} {
			role, key := Role{Role: gen.Role{ID: l.id(), ServerID: id}}, l.id()
			role.ServerPermissions.ServerAdministrator, role.ServerPermissions.ManageRoles = is, true
			l.tx(func(tx *Tx) error {
				l.must(tx.Roles.Insert(ctx, role))
				_, err := tx.Roles.InsertOf(ctx, id, account, role.ID)
				l.must(err)
				return tx.Keys.Insert(ctx, gen.APIKey{ID: key, CommunityID: id, UserID: int32(account), IsActive: true}, key)
			})
			for _, column := range []string{"as written", "as migrated"} {
				if k, err := s.Keys.GetByHash(ctx, key, l.nowAt); err != nil || k.IsTrusted != is {
					t.Errorf("%s: got %v (%v), want %v", column, k.IsTrusted, err, is)
				}
				l.tx(func(tx *Tx) error { return tx.Roles.exec(ctx, `UPDATE roles SET administrator = FALSE`) })
				migrate(l, "00014_trust.sql", "UPDATE")
			}
		}
	})
}

// migrate runs those statements of a migration again that begin so.
func migrate(l *life, name, begin string) {
	l.Helper()
	for _, text := range upOf(l.T, name) {
		if strings.HasPrefix(strings.TrimSpace(text), begin) {
			l.tx(func(tx *Tx) error { return tx.Audit.exec(l.Context(), text) })
		}
	}
}

package store

import (
	"context"
	"database/sql"

	"github.com/rejoin-dev/rejoin/gen"
)

// MaxSocials is how many social links a server may have. The contract says so of the list.
const MaxSocials = 100

const selectSocial = `SELECT o.definition FROM socials o `

func scanSocial(rows *sql.Rows) (s gen.Social, err error) { return s, rows.Scan(document{&s}) }

// ListSocials returns the social links of a server, the oldest first.
func (q Gamification) ListSocials(ctx context.Context, serverID string) ([]gen.Social, error) {
	return list(ctx, q.conn, scanSocial, selectSocial+`WHERE o.server_id = $1 ORDER BY o.created_at, o.id`, serverID)
}

// GetSocial returns a social link. In a shared transaction, nobody deletes it until that ends.
func (q Gamification) GetSocial(ctx context.Context, id string) (gen.Social, error) {
	return get(ctx, q.conn, scanSocial, selectSocial+`WHERE o.id = $1 /* FOR SHARE OF o */`, id)
}

// InsertSocial adds a social link. Beyond MaxSocials it is a LimitError.
func (q Gamification) InsertSocial(ctx context.Context, s gen.Social) error {
	if err := q.exec(ctx, `INSERT INTO socials (id, server_id, definition, created_at) VALUES ($1, $2, $3, $4)`,
		s.ID, s.CommunityID, written(s), s.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	return q.countIn(ctx, socialsTally, s.CommunityID)
}

// DeleteSocial removes a social link. What members did there stands in the ledger.
func (q Gamification) DeleteSocial(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, socialsTally, `DELETE FROM socials WHERE id = $1 RETURNING server_id`, id)
}

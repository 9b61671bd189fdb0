package store

import (
	"context"
	"database/sql"

	"github.com/rejoin-dev/rejoin/gen"
)

// Channels holds the channels of servers.
type Channels struct{ conn }

// ListVisible returns the channels of a server that an account may see, oldest first: those for every member, those it
// made itself, and to an administrator also the private ones.
func (q Channels) ListVisible(ctx context.Context, serverID string, account int64, administrator bool) ([]gen.Channel, error) {
	return list(ctx, q.conn, scanChannel, `
	SELECT c.id, c.server_id, c.account, c.topic, c.description, c.channel_type, c.created_at, c.updated_at
	  FROM channels c
	 WHERE c.server_id = $1
	   AND (c.channel_type NOT IN ('private', 'direct') OR c.account = $2 OR ($3 AND c.channel_type = 'private'))
	 ORDER BY c.created_at, c.id`, serverID, account, administrator)
}

func scanChannel(rows *sql.Rows) (c gen.Channel, err error) {
	var number int64
	err = rows.Scan(&c.ObjectID, &c.ServerID, &number, &c.Topic, &c.Description, &c.ChannelType, micros{&c.CreatedAt}, micros{&c.UpdatedAt})
	c.UserID = Number(number)
	c.Permissions = []string{}
	return c, err
}

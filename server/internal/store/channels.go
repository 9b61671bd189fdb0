package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/rejoin-dev/rejoin/gen"
)

// Channels holds the channels of servers and whom they admit.
type Channels struct{ *conn }

// A Viewer is somebody who looks at the channels of a server.
type Viewer struct {
	Account int64 // 0: a program, which is no member
	Full    bool  // the owner, administrators and programs
}

// What a viewer sees. Private channels are seen by the account that made them, by viewers with a full view, and by members whom
// a role or their name admits; direct ones by the account that made them and by members whom their name admits.
const visible = `(c.channel_type NOT IN ('private', 'direct')
	    OR (c.account = $2 AND NOT c.by_key)
	    OR (c.channel_type = 'private' AND $3)
	    OR EXISTS (SELECT 1 FROM channel_members cm WHERE cm.channel_id = c.id AND cm.account = $2)
	    OR (c.channel_type = 'private' AND EXISTS (
	        SELECT 1 FROM channel_roles cr JOIN roles r ON r.id = cr.role_id
	          LEFT JOIN member_roles mr ON mr.role_id = r.id AND mr.server_id = r.server_id AND mr.account = $2
	         WHERE cr.channel_id = c.id AND (r.everyone OR mr.account IS NOT NULL)) AND $2 > 0))`

const selectChannel = `SELECT c.id, c.server_id, c.account, c.topic, c.description, c.channel_type, c.created_at, c.updated_at,
	       c.iframe_url, c.signing_secret IS NOT NULL, (SELECT string_agg(cr.role_id, ',' ORDER BY cr.role_id) FROM channel_roles cr WHERE cr.channel_id = c.id)
	  FROM channels c `

func scanChannel(rows *sql.Rows) (c gen.Channel, err error) {
	var account int64
	var iframe, roles sql.NullString
	err = rows.Scan(&c.ID, &c.ServerID, &account, &c.Topic, &c.Description, &c.ChannelType,
		micros{&c.CreatedAt}, micros{&c.UpdatedAt}, &iframe, &c.SignIdentity, &roles)
	c.IframeURL = iframe.String
	c.UserID = Number(account)
	c.Permissions = splitIDs(roles)
	return c, err
}

// List returns the channels of a server that a viewer sees, oldest first.
func (q Channels) List(ctx context.Context, serverID string, viewer Viewer) ([]gen.Channel, error) {
	return list(ctx, q.conn, scanChannel, selectChannel+`WHERE c.server_id = $1 AND `+visible+` ORDER BY c.created_at, c.id`,
		serverID, viewer.Account, viewer.Full)
}

// GetServerID finds the server of a channel, whoever may see it.
func (q Channels) GetServerID(ctx context.Context, id string) (string, error) {
	return get(ctx, q.conn, scanOne[string], `SELECT server_id FROM channels WHERE id = $1`+unlocked, id)
}

// Get returns a channel that a viewer sees.
func (q Channels) Get(ctx context.Context, id string, viewer Viewer) (gen.Channel, error) {
	return get(ctx, q.conn, scanChannel, selectChannel+`WHERE c.id = $1 AND `+visible+` /* FOR SHARE OF c */`, id, viewer.Account, viewer.Full)
}

// Insert adds a channel that an account has made, or an API key in its name. Beyond MaxChannels it is a LimitError.
func (q Channels) Insert(ctx context.Context, c gen.Channel, account int64, byKey bool) error {
	if err := q.exec(ctx, `INSERT INTO channels (id, server_id, account, by_key, topic, description, channel_type, created_at, updated_at, iframe_url)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		c.ID, c.ServerID, account, byKey, c.Topic, c.Description, c.ChannelType, c.CreatedAt.UnixMicro(), c.UpdatedAt.UnixMicro(), orNull(c.IframeURL)); err != nil {
		return err
	}
	return q.countIn(ctx, channelsTally, c.ServerID)
}

// Update replaces what may change of a channel.
func (q Channels) Update(ctx context.Context, c gen.Channel) error {
	return q.change(ctx, `UPDATE channels SET topic = $2, description = $3, channel_type = $4, updated_at = $5, iframe_url = $6 WHERE id = $1`,
		c.ID, c.Topic, c.Description, c.ChannelType, c.UpdatedAt.UnixMicro(), orNull(c.IframeURL))
}

// SetSigningSecret sets the secret with which the page of a channel learns who looks at it; an empty one ends that.
func (q Channels) SetSigningSecret(ctx context.Context, id, secret string) error {
	return q.change(ctx, `UPDATE channels SET signing_secret = $2 WHERE id = $1`, id, orNull(secret))
}

// GetSigningSecret returns that secret; empty if there is none.
func (q Channels) GetSigningSecret(ctx context.Context, id string) (string, error) {
	secret, err := get(ctx, q.conn, scanOne[sql.NullString], `SELECT signing_secret FROM channels WHERE id = $1`, id)
	return secret.String, err
}

// Delete removes a channel.
func (q Channels) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, channelsTally, `DELETE FROM channels WHERE id = $1 RETURNING server_id`, id)
}

// AdmitRoles sets the roles that a channel admits. They must be roles of its server: a foreign one is ForeignError.
func (q Channels) AdmitRoles(ctx context.Context, channelID, serverID string, roleIDs []string) error {
	if err := q.exec(ctx, `DELETE FROM channel_roles WHERE channel_id = $1`, channelID); err != nil {
		return err
	}
	for i, id := range roleIDs {
		added, err := q.changed(ctx, `INSERT INTO channel_roles (channel_id, role_id)
		SELECT $1, id FROM roles WHERE id = $2 AND server_id = $3`, channelID, id, serverID)
		if err != nil {
			return err
		}
		if !added {
			return &ForeignError{Index: i}
		}
	}
	return nil
}

// AdmitMembers sets the members that a channel admits by name. They must be members of its server: a stranger is ForeignError.
func (q Channels) AdmitMembers(ctx context.Context, channelID, serverID string, accounts []int64) error {
	if err := q.exec(ctx, `DELETE FROM channel_members WHERE channel_id = $1`, channelID); err != nil {
		return err
	}
	for i, account := range accounts {
		added, err := q.changed(ctx, `INSERT INTO channel_members (channel_id, account)
		SELECT $1, account FROM members WHERE account = $2 AND server_id = $3`, channelID, account, serverID)
		if err != nil {
			return err
		}
		if !added {
			return &ForeignError{Index: i}
		}
	}
	return nil
}

// ForeignError says which of several references leads out of the server.
type ForeignError struct{ Index int }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("reference %d leads out of the server", e.Index)
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// DeletedName is what is shown as the name of an account that was deleted.
const DeletedName = "deleted user"

// What goes with an account in the transaction that deletes it: what lets anybody in, and the memberships. Of each there is
// little, however long the account was there. The roles, badges and user API keys of a member go with the membership.
var eraseAtOnce = []string{
	`DELETE FROM sessions WHERE account = $1`,
	`DELETE FROM members WHERE account = $1`, // MaxMemberships
	`DELETE FROM two_factor WHERE account = $1`,
	`DELETE FROM recovery_codes WHERE account = $1`,
	`DELETE FROM codes WHERE account = $1`,
	`DELETE FROM known_networks WHERE account = $1`, // MaxNetworks and MaxDevices
	`DELETE FROM presence WHERE account = $1`,
}

// What goes afterwards, step by step: nobody finds it any more. A table of which an account may have any amount stands here, with
// the account as $1 and how many rows at once as $2, or below, where it is of an account in a server.
var eraseSome = []string{
	`DELETE FROM auth_events WHERE id IN (SELECT id FROM auth_events WHERE account = $1 LIMIT $2)`,
	`DELETE FROM otp_tries WHERE (account, network) IN (SELECT account, network FROM otp_tries WHERE account = $1 LIMIT $2)`,
	`DELETE FROM code_tries WHERE (account, purpose, network) IN (SELECT account, purpose, network FROM code_tries WHERE account = $1 LIMIT $2)`,
	`DELETE FROM code_quotas WHERE (account, purpose, network) IN (SELECT account, purpose, network FROM code_quotas WHERE account = $1 LIMIT $2)`,
	`DELETE FROM former_members WHERE (account, server_id) IN (SELECT account, server_id FROM former_members WHERE account = $1 LIMIT $2)`,
	`UPDATE bulk_rows SET identifier = '', account = 0 WHERE (bulk_id, number) IN (SELECT bulk_id, number FROM bulk_rows WHERE account = $1 AND account > 0 LIMIT $2)`, // the rows are counted
	`DELETE FROM webhook_events WHERE id IN (SELECT id FROM webhook_events WHERE account = $1 AND account > 0 LIMIT $2)`,
	`DELETE FROM leaderboard_users WHERE (leaderboard_id, account) IN (SELECT leaderboard_id, account FROM leaderboard_users WHERE account = $1 LIMIT $2)`,
}

// The same of each server in which it ever was: the server is $1, the account $2, and how many rows at once $3.
var eraseInServer = []string{
	`DELETE FROM ledger WHERE (server_id, account, reason) IN (SELECT server_id, account, reason FROM ledger WHERE server_id = $1 AND account = $2 LIMIT $3)`,
	`DELETE FROM cooldowns WHERE (server_id, account, action) IN (SELECT server_id, account, action FROM cooldowns WHERE server_id = $1 AND account = $2 LIMIT $3)`,
	`DELETE FROM leaderboard_rows WHERE (standing_id, account) IN (SELECT standing_id, account FROM leaderboard_rows WHERE server_id = $1 AND account = $2 LIMIT $3)`,
	`DELETE FROM leaderboard_touched WHERE (server_id, account) IN (SELECT server_id, account FROM leaderboard_touched WHERE server_id = $1 AND account = $2 LIMIT $3)`,
	`DELETE FROM channel_members WHERE (channel_id, account) IN (
	       SELECT cm.channel_id, cm.account FROM channels c JOIN channel_members cm ON cm.channel_id = c.id WHERE c.server_id = $1 AND cm.account = $2 LIMIT $3)`,
	`DELETE FROM streak_states WHERE (account, server_id, streak_id) IN (
	       SELECT account, server_id, streak_id FROM streak_states WHERE server_id = $1 AND account = $2 LIMIT $3)`,
	`DELETE FROM streak_logs WHERE (account, server_id, streak_id, period) IN (
	       SELECT account, server_id, streak_id, period FROM streak_logs WHERE server_id = $1 AND account = $2 LIMIT $3)`,
	`DELETE FROM mini_game_players WHERE (game_id, account) IN (SELECT game_id, account FROM mini_game_players WHERE server_id = $1 AND account = $2 LIMIT $3)`,
	`UPDATE mini_game_plays SET account = 0 WHERE id IN (SELECT id FROM mini_game_plays WHERE server_id = $1 AND account = $2 LIMIT $3)`, // what was drawn is counted
	`UPDATE orders SET account = 0, buyer = '{}' WHERE id IN (SELECT id FROM orders WHERE server_id = $1 AND account = $2 LIMIT $3)`,     // what was sold is counted
	`DELETE FROM field_values WHERE (account, server_id, field_id) IN (
	       SELECT account, server_id, field_id FROM field_values WHERE server_id = $1 AND account = $2 LIMIT $3)`,
	`DELETE FROM field_histories WHERE id IN (SELECT id FROM field_histories WHERE server_id = $1 AND account = $2 LIMIT $3)`,
	`DELETE FROM referrals WHERE (server_id, account) IN (SELECT server_id, account FROM referrals WHERE server_id = $1 AND account = $2 LIMIT $3)`,
}

// GetForDeletion returns an account that Erase is about to erase. Until the transaction has ended, which is a shared one, nothing
// is added that refers to it.
func (a Auth) GetForDeletion(ctx context.Context, number int64) (Account, error) {
	account, err := get(ctx, a.conn, scanAccount, `SELECT `+accountColumns+` WHERE number = $1 AND erased_at IS NULL /* FOR UPDATE OF accounts */`, number)
	return account, erasedIfMissing(err)
}

// OwnsAny tells whether an account owns a server.
func (a Auth) OwnsAny(ctx context.Context, account int64) (bool, error) {
	return get(ctx, a.conn, scanOne[bool], `SELECT EXISTS (SELECT 1 FROM servers WHERE owner = $1 AND NOT deleted)`+unlocked, account)
}

// Erase ends an account that GetForDeletion has returned: who it was, and all that lets anybody act as it. Its address and user
// name are free. The rest is removed by EraseRest, because there may be any amount of it. It returns the id of its avatar, which
// leaves; empty: it had none.
func (a Auth) Erase(ctx context.Context, account Account, at time.Time) (imageID string, err error) {
	if err := a.changeOf(ctx, `UPDATE accounts SET email = id, username = NULL, display_name = $2, first_name = '', last_name = '', avatar_image_id = NULL,
	       password_hash = NULL, about_me = '', quote = '', language = $3, time_zone = $4, zone_changes = '', name_key = '', user_key = '', first_key = '', last_key = '',
	       erased_at = $5 WHERE number = $1 AND erased_at IS NULL`,
		account.AccountNumber, DeletedName, FirstLanguage, FirstTimeZone, at.UnixMicro()); err != nil {
		return "", err
	}
	a.wake(AccountTopic(account.AccountNumber))
	for _, text := range eraseAtOnce {
		if err := a.exec(ctx, text, account.AccountNumber); err != nil {
			return "", err
		}
	}
	if err := Registrations(a).Delete(ctx, account.Email); err != nil {
		return "", err
	}
	made := gen.UserReference{UserID: account.Number}
	if err := a.exec(ctx, `UPDATE audit SET after = $2 WHERE target = $1 AND action = 'user.create'`, account.ID, written(made)); err != nil {
		return "", err
	}
	path, _ := account.Avatar.Get()
	imageID = strings.TrimPrefix(path, imagesPath)
	return imageID, Images(a).Leave(ctx, imageID, at)
}

// EraseRest removes some rows of what an account that was deleted has left, and tells whether there may be more.
func (a Auth) EraseRest(ctx context.Context, account int64, some int, at time.Time) (more bool, err error) {
	for _, text := range eraseSome {
		if gone, err := a.changed(ctx, text, account, some); err != nil || gone {
			return true, err
		}
	}
	type server struct {
		id     string
		member bool // its members are not counted without the account yet
		joined int64
	}
	left, err := get(ctx, a.conn, func(rows *sql.Rows) (s server, err error) { return s, rows.Scan(&s.id, &s.member, &s.joined) },
		`SELECT server_id, is_member, joined FROM totals WHERE account = $1 ORDER BY server_id LIMIT 1`, account)
	if errors.Is(err, ErrNotFound) {
		return false, a.exec(ctx, `DELETE FROM tallies WHERE whose = $1 AND kind IN ($2, $3)`,
			Number(account), membershipsTally.kind, authEventsTally.kind)
	}
	if err != nil {
		return true, err
	}
	for _, text := range eraseInServer {
		if gone, err := a.changed(ctx, text, left.id, account, some); err != nil || gone {
			return true, err
		}
	}
	if more, err := Badges(a).EndApplicationsOf(ctx, left.id, account, some, at); err != nil || more {
		return true, err
	}
	if more, err := Ledger(a).forgetDays(ctx, left.id, account, some); err != nil || more {
		return true, err
	}
	if err := Invites(a).EndOf(ctx, left.id, account, at); err != nil {
		return true, err
	}
	if left.member {
		if err := a.countOut(ctx, membersTally, left.id); err != nil {
			return true, err
		}
	}
	if err := Analytics(a).forgetJoin(ctx, left.id, left.joined); err != nil {
		return true, err
	}
	return true, a.exec(ctx, `DELETE FROM totals WHERE server_id = $1 AND account = $2`, left.id, account)
}

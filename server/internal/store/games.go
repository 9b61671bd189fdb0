package store

import (
	"context"
	"database/sql"
	"slices"

	"github.com/rejoin-dev/rejoin/gen"
)

// Games holds the mini games of servers, how many prizes are left, and who has played.
type Games struct{ *conn }

// MaxMiniGames is how many a server may have. The contract says so of the list.
const MaxMiniGames = 50

const selectGame = `SELECT g.definition FROM mini_games g `

func scanGame(rows *sql.Rows) (g gen.MiniGame, err error) { return g, rows.Scan(document{&g}) }

// A prize is what is counted of one.
type prize struct {
	id           string
	stock, drawn int64
}

func scanPrize(rows *sql.Rows) (p prize, err error) { return p, rows.Scan(&p.id, &p.stock, &p.drawn) }

// tellLeft tells of the prizes of a game that have a stock how many are left.
func tellLeft(g *gen.MiniGame, found []prize) {
	g.Prizes = slices.Clone(g.Prizes) // which others may have read, too
	for i := range g.Prizes {
		at := slices.IndexFunc(found, func(p prize) bool { return p.id == g.Prizes[i].ID })
		if at >= 0 {
			g.Prizes[i].Left = new(int32(max(0, found[at].stock-found[at].drawn)))
		}
	}
}

// List returns the games of a server, the oldest first.
func (q Games) List(ctx context.Context, serverID string) ([]gen.MiniGame, error) {
	games, err := list(ctx, q.conn, scanGame, selectGame+`WHERE g.server_id = $1 ORDER BY g.created_at, g.id`, serverID)
	if err != nil {
		return nil, err
	}
	prizes, err := list(ctx, q.conn, scanPrize, `SELECT p.id, p.stock, p.drawn FROM mini_games g JOIN mini_game_prizes p ON p.game_id = g.id
	 WHERE g.server_id = $1 AND p.stock IS NOT NULL`, serverID)
	for i := range games {
		tellLeft(&games[i], prizes)
	}
	return games, err
}

// Get returns a game. In a shared transaction, nobody changes it until that ends; prizes are drawn of it meanwhile.
func (q Games) Get(ctx context.Context, id string) (gen.MiniGame, error) {
	g, err := get(ctx, q.conn, scanGame, selectGame+`WHERE g.id = $1 /* FOR SHARE OF g */`, id)
	if err != nil {
		return g, err
	}
	prizes, err := list(ctx, q.conn, scanPrize, `SELECT id, stock, drawn FROM mini_game_prizes WHERE game_id = $1 AND stock IS NOT NULL`+unlocked, id)
	tellLeft(&g, prizes)
	return g, err
}

// definition is a game as its column holds it: how many are left of a prize is counted elsewhere.
func definition(g gen.MiniGame) string {
	g.Prizes = slices.Clone(g.Prizes)
	for i := range g.Prizes {
		g.Prizes[i].Left = nil
	}
	return written(g)
}

// Insert adds a game. Beyond MaxMiniGames it is a LimitError.
func (q Games) Insert(ctx context.Context, g gen.MiniGame) error {
	if err := q.exec(ctx, `INSERT INTO mini_games (id, server_id, name, definition, created_at) VALUES ($1, $2, $3, $4, $5)`,
		g.ID, g.CommunityID, g.Name, definition(g), g.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	for _, p := range g.Prizes {
		if err := q.putPrize(ctx, g.ID, p); err != nil {
			return err
		}
	}
	return q.countIn(ctx, gamesTally, g.CommunityID)
}

// putPrize writes down what there is of a prize. How often it was drawn stays.
func (q Games) putPrize(ctx context.Context, gameID string, p gen.MiniGamePrize) error {
	return q.exec(ctx, `INSERT INTO mini_game_prizes (id, game_id, stock) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET stock = excluded.stock`,
		p.ID, gameID, p.Stock)
}

// Update replaces a game, and tells how many are left of its prizes then. Those that it has no more are gone.
func (q Games) Update(ctx context.Context, before, after gen.MiniGame) (gen.MiniGame, error) {
	if err := q.change(ctx, `UPDATE mini_games SET name = $2, definition = $3 WHERE id = $1`, after.ID, after.Name, definition(after)); err != nil {
		return after, err
	}
	has := func(prizes []gen.MiniGamePrize, id string) bool {
		return slices.ContainsFunc(prizes, func(p gen.MiniGamePrize) bool { return p.ID == id })
	}
	for _, p := range before.Prizes {
		if !has(after.Prizes, p.ID) {
			if err := q.exec(ctx, `DELETE FROM mini_game_prizes WHERE id = $1`, p.ID); err != nil {
				return after, err
			}
		}
	}
	for _, p := range after.Prizes {
		if err := q.putPrize(ctx, after.ID, p); err != nil {
			return after, err
		}
	}
	return q.Get(ctx, after.ID)
}

// Delete removes a game. Who has played it is removed by DeleteRest, because there may be any amount of that.
func (q Games) Delete(ctx context.Context, id string) error {
	return q.deleteCounted(ctx, gamesTally, `DELETE FROM mini_games WHERE id = $1 RETURNING server_id`, id)
}

// DeleteRest removes some of what a deleted game has left, and tells whether there may be more.
func (q Games) DeleteRest(ctx context.Context, id string, some int) (more bool, err error) {
	more, err = q.changed(ctx, `DELETE FROM mini_game_plays WHERE id IN (SELECT id FROM mini_game_plays WHERE game_id = $1 LIMIT $2)`, id, some)
	if err != nil || more {
		return true, err
	}
	return q.changed(ctx, `DELETE FROM mini_game_players WHERE (game_id, account) IN (
	       SELECT game_id, account FROM mini_game_players WHERE game_id = $1 LIMIT $2)`, id, some)
}

// Take takes a prize with a stock, and tells whether there was one left.
func (q Games) Take(ctx context.Context, prizeID string) (taken bool, err error) {
	return q.changed(ctx, `UPDATE mini_game_prizes SET drawn = drawn + 1 WHERE id = $1 AND drawn < stock`, prizeID)
}

// A Player is how much a member plays a game.
type Player struct {
	GameID, ServerID string
	Account          int64
	Day              int64 // on which they played last, since 1970-01-01
	Today            int64 // how often, on it
	Free             int64 // how often of that as plays of the day
	Extra            int64 // how many plays they have beyond those of the day
	Total            int64 // how often they played ever
	LastAt           gen.Nullable[gen.Time]
}

const playerColumns = `game_id, server_id, account, day, today, free, extra, total, last_at`

func scanPlayer(rows *sql.Rows) (p Player, err error) {
	var at gen.Time
	err = rows.Scan(&p.GameID, &p.ServerID, &p.Account, &p.Day, &p.Today, &p.Free, &p.Extra, &p.Total, micros{&at})
	if p.LastAt = gen.NullableOf(at); p.Total == 0 {
		p.LastAt = gen.Null[gen.Time]()
	}
	return p, err
}

// HoldPlayer returns how much a member plays a game. Nobody else changes it before the transaction ends.
func (q Games) HoldPlayer(ctx context.Context, game gen.MiniGame, account int64) (Player, error) {
	return get(ctx, q.conn, scanPlayer, `INSERT INTO mini_game_players (`+playerColumns+`) VALUES ($1, $2, $3, 0, 0, 0, 0, 0, 0)
	ON CONFLICT (game_id, account) DO UPDATE SET account = excluded.account RETURNING `+playerColumns, game.ID, game.CommunityID, account)
}

// ListPlayers returns how much a member plays the games of a server: those that they have played, or have more plays of.
func (q Games) ListPlayers(ctx context.Context, serverID string, account int64) ([]Player, error) {
	return list(ctx, q.conn, scanPlayer, `SELECT `+playerColumns+` FROM mini_game_players WHERE account = $1 AND server_id = $2 ORDER BY game_id`, account, serverID)
}

// PutPlayer writes down how much a member plays a game, who was held.
func (q Games) PutPlayer(ctx context.Context, p Player) error {
	at := int64(0)
	if last, known := p.LastAt.Get(); known {
		at = last.UnixMicro()
	}
	return q.change(ctx, `UPDATE mini_game_players SET day = $3, today = $4, free = $5, extra = $6, total = $7, last_at = $8 WHERE game_id = $1 AND account = $2`,
		p.GameID, p.Account, p.Day, p.Today, p.Free, p.Extra, p.Total, at)
}

// A Play is a play of a game.
type Play struct {
	ServerID string
	Account  int64
	Taken    bool // the prize was taken from a stock
	gen.MiniGameLog
}

// InsertPlay adds a play.
func (q Games) InsertPlay(ctx context.Context, p Play) error {
	taken := 0
	if p.Taken {
		taken = 1
	}
	return q.exec(ctx, `INSERT INTO mini_game_plays (id, game_id, account, server_id, prize_id, taken, prize, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		p.ID, p.GameID, p.Account, p.ServerID, p.Prize.ID, taken, written(p.Prize), p.PlayedAt.UnixMicro())
}

// ListPlays returns a page of what a member has played, the latest first.
func (q Games) ListPlays(ctx context.Context, serverID string, account int64, page Page) ([]Play, error) {
	at, id := page.from(latest)
	return list(ctx, q.conn, func(rows *sql.Rows) (p Play, err error) {
		return p, rows.Scan(&p.ID, &p.GameID, &p.Name, document{&p.Prize}, micros{&p.PlayedAt})
	}, `SELECT p.id, p.game_id, g.name, p.prize, p.at FROM mini_game_plays p JOIN mini_games g ON g.id = p.game_id
	 WHERE p.account = $1 AND p.server_id = $2 AND (p.at, p.id) < ($3, $4) ORDER BY p.at DESC, p.id DESC LIMIT $5 OFFSET $6`,
		account, serverID, at, id, page.Limit, page.Skip)
}

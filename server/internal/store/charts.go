package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/rejoin-dev/rejoin/gen"
)

// Charts holds the analyses that members have posted in channels.
type Charts struct{ *conn }

// An Analysis is one, and what has no place on the wire. The key that has posted it is not for everybody, and the address of the avatar is a path.
type Analysis struct {
	gen.Analysis
	Position int64 // in the order of all of them
	Account  int64 // of who has posted it
}

// analysisDefinition is what an analysis says, as it is kept.
type analysisDefinition struct {
	Metadata gen.AnalysisMetadata `json:"metadata"`
	Levels   gen.AnalysisLevels   `json:"levels"`
}

const (
	analysisColumns = `SELECT y.position, y.id, y.server_id, y.channel_id, y.account, y.key_id, a.id, a.username, a.display_name, a.avatar_image_id,
	       y.type, y.definition, y.at, y.updated_at`
	fromAnalyses = ` FROM analyses y JOIN channels c ON c.id = y.channel_id JOIN accounts a ON a.number = y.account `
)

func scanAnalysis(rows *sql.Rows) (y Analysis, err error) { return scanAnalysisWith(rows) }

// scanWhole is scanAnalysis with the drawings.
func scanWhole(rows *sql.Rows) (y Analysis, err error) {
	y.Drawings = []gen.AnalysisDrawing{}
	drawings := y.Drawings
	y, err = scanAnalysisWith(rows, document{&drawings})
	y.Drawings = drawings
	return y, err
}

func scanAnalysisWith(rows *sql.Rows, more ...any) (y Analysis, err error) {
	var key, username, avatar sql.NullString
	var d analysisDefinition
	err = rows.Scan(append([]any{&y.Position, &y.AnalysisID, &y.CommunityID, &y.ChannelID, &y.Account, &key, &y.Sender.ID, &username, &y.Sender.DisplayName, &avatar,
		&y.Type, document{&d}, micros{&y.CreatedAt}, micros{&y.UpdatedAt}}, more...)...)
	y.Sender.Number, y.Sender.Username, y.Sender.Avatar = int32(y.Account), nullableOf(username), ImagePath(avatar.String)
	y.ByKey, y.Metadata, y.Levels = nullableOf(key), d.Metadata, d.Levels
	return y, err
}

// Get returns an analysis. Who may see it is not asked.
func (q Charts) Get(ctx context.Context, id string) (Analysis, error) {
	return get(ctx, q.conn, scanWhole, analysisColumns+`, y.drawings`+fromAnalyses+`WHERE y.id = $1 /* FOR SHARE OF y */`, id)
}

// Hold is for who deletes an analysis: nobody else does before the transaction has ended.
func (q Charts) Hold(ctx context.Context, id string) error {
	_, err := get(ctx, q.conn, scanOne[string], `SELECT id FROM analyses WHERE id = $1 /* FOR UPDATE */`, id)
	return err
}

// An AnalysisScope is which analyses are looked for: in a channel, and of those all, or those of one account, type, symbol, or several of these.
type AnalysisScope struct {
	ChannelID string
	Account   int64
	Type      gen.AnalysisType
	Symbol    string
}

// mark is how the analyses in a scope are found. It begins with the id of the channel.
func (s AnalysisScope) mark() string {
	account := ""
	if s.Account != 0 {
		account = Number(s.Account)
	}
	return strings.Join([]string{s.ChannelID, account, string(s.Type), strings.ToUpper(s.Symbol)}, "/")
}

// marks are those of all scopes that an analysis is in.
func (y Analysis) marks() (all []any) {
	for _, account := range []int64{0, y.Account} {
		for _, kind := range []gen.AnalysisType{"", y.Type} {
			for _, symbol := range []string{"", y.Metadata.Symbol} {
				all = append(all, AnalysisScope{y.ChannelID, account, kind, symbol}.mark())
			}
		}
	}
	return all
}

// ListPositions returns the positions of some analyses, the newest first.
func (q Charts) ListPositions(ctx context.Context, scope AnalysisScope, before int64, some int) ([]int64, error) {
	return list(ctx, q.conn, scanOne[int64], `SELECT position FROM analysis_marks WHERE mark = $1 AND position < $2 ORDER BY position DESC LIMIT $3`+unlocked,
		scope.mark(), before, some)
}

// ListHeads returns the channels of a server that a viewer sees and that have analyses before a position, those with the newest ones first. The
// channel of the scope is left out.
func (q Charts) ListHeads(ctx context.Context, serverID string, viewer Viewer, scope AnalysisScope, before int64) ([]Head, error) {
	all, err := list(ctx, q.conn, scanHead, `SELECT c.id, (SELECT m.position FROM analysis_marks m WHERE m.mark = c.id || $4 AND m.position < $5 ORDER BY m.position DESC LIMIT 1)
	  FROM channels c WHERE c.server_id = $1 AND `+visible+unlocked, serverID, viewer.Account, viewer.Full, scope.mark(), before)
	return newestHeads(all), err
}

// analysesAtOnce is how many analyses one statement reads: as many arguments as a read that is remembered may have.
const analysesAtOnce = 7

// List returns analyses without their drawings, by their positions, in this order.
func (q Charts) List(ctx context.Context, positions []int64) ([]Analysis, error) {
	all := []Analysis{}
	for some := range slices.Chunk(positions, analysesAtOnce) {
		args := make([]any, analysesAtOnce)
		for i := range args {
			args[i] = some[min(i, len(some)-1)]
		}
		found, err := list(ctx, q.conn, scanAnalysis, analysisColumns+fromAnalyses+
			`WHERE y.position IN ($1, $2, $3, $4, $5, $6, $7)`+unlocked, args...)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(found, func(a, b Analysis) int { return cmp.Compare(b.Position, a.Position) })
		all = append(all, found...)
	}
	return all, nil
}

// Insert adds an analysis. It gives it its position.
func (q Charts) Insert(ctx context.Context, y *Analysis) error {
	for added := false; !added; { // as long as another replica has this position
		var err error
		y.Position = q.pool.sent.next(y.CreatedAt.Time)
		if added, err = q.changed(ctx, `INSERT INTO analyses (position, id, server_id, channel_id, account, key_id, type, definition, drawings, at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (position) DO NOTHING`,
			y.Position, y.AnalysisID, y.CommunityID, y.ChannelID, y.Account, textOf(y.ByKey), y.Type, written(analysisDefinition{y.Metadata, y.Levels}), written(y.Drawings),
			y.CreatedAt.UnixMicro(), y.UpdatedAt.UnixMicro()); err != nil {
			return err
		}
	}
	return q.mark(ctx, *y)
}

func (q Charts) mark(ctx context.Context, y Analysis) error {
	return q.exec(ctx, `INSERT INTO analysis_marks (position, mark) VALUES ($1, $2), ($1, $3), ($1, $4), ($1, $5), ($1, $6), ($1, $7), ($1, $8), ($1, $9)`,
		append([]any{y.Position}, y.marks()...)...)
}

// Update replaces what an analysis says and what is drawn in it.
func (q Charts) Update(ctx context.Context, y Analysis) error {
	if err := q.change(ctx, `UPDATE analyses SET type = $2, definition = $3, drawings = $4, updated_at = $5 WHERE id = $1`,
		y.AnalysisID, y.Type, written(analysisDefinition{y.Metadata, y.Levels}), written(y.Drawings), y.UpdatedAt.UnixMicro()); err != nil {
		return err
	}
	if err := q.unmark(ctx, y.Position); err != nil {
		return err
	}
	return q.mark(ctx, y)
}

func (q Charts) unmark(ctx context.Context, position int64) error {
	return q.exec(ctx, `DELETE FROM analysis_marks WHERE position = $1`, position)
}

// Delete ends an analysis.
func (q Charts) Delete(ctx context.Context, y Analysis) error {
	if err := q.change(ctx, `DELETE FROM analyses WHERE id = $1`, y.AnalysisID); err != nil {
		return err
	}
	return q.unmark(ctx, y.Position)
}

// deleteIn removes some of the analyses of a channel that is gone, and tells whether there may be more.
func (q Charts) deleteIn(ctx context.Context, channelID string, some int) (more bool, err error) {
	const first = `(SELECT position FROM analyses WHERE channel_id = $1 ORDER BY position LIMIT $2)`
	few := max(1, some/8) // each has so many marks
	if err := q.exec(ctx, `DELETE FROM analysis_marks WHERE position IN `+first, channelID, few); err != nil {
		return true, err
	}
	return q.changed(ctx, `DELETE FROM analyses WHERE position IN `+first, channelID, few)
}

// An ExportedAnalysis is an analysis, whose avatar is a path, with its position.
type ExportedAnalysis = Analysis

// Analyses are those of an account, newest first.
func (q Exports) Analyses(ctx context.Context, account int64, after ExportedAnalysis, some int) ([]ExportedAnalysis, error) {
	before := after.Position
	if before == 0 {
		before = Newest
	}
	return list(ctx, q.conn, scanWhole, analysisColumns+`, y.drawings FROM (
	       SELECT * FROM analyses WHERE account = $1 AND position < $2 ORDER BY position DESC LIMIT $3) y
	  JOIN channels c ON c.id = y.channel_id JOIN accounts a ON a.number = y.account ORDER BY y.position DESC`, account, before, some)
}

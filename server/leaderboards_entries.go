package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A boardView is a leaderboard as one request looks at it.
type boardView struct {
	*core
	s        standing
	board    gen.Leaderboard
	filter   gen.LeaderboardFilter
	span     daySpan
	ranking  store.Ranking
	exact    bool            // it is read from the totals
	standing *store.Standing // nil: nobody has looked for a while
	limit    int
	fields   map[string]string // the columns that are fields of the community, by the ids of these
	columns  map[string]store.Counted
	deep     bool // somebody has asked for a rank far down
	counted  bool // a rank was taken from the ladder of the standing
}

// ListLeaderboardEntries shows a page of those who are ranked.
func (h leaderboards) ListLeaderboardEntries(ctx context.Context, r stub.ListLeaderboardEntriesRequestObject) (stub.ListLeaderboardEntriesResponseObject, error) {
	v, err := h.viewOf(ctx, r)
	if err != nil {
		return nil, err
	}
	var page rankedPage
	switch ready := v.exact || v.standing != nil; {
	case r.Params.Around != nil:
		page, err = v.around(ctx, *r.Params.Around, r.Params, ready)
	case r.Params.Cursor != nil:
		page, err = v.behind(ctx, *r.Params.Cursor, r.Params, ready)
	default:
		page, err = v.page(ctx, r.Params, ready)
	}
	if err != nil {
		return nil, err
	}
	if err := v.noteReading(ctx); err != nil {
		return nil, err
	}
	answer := stub.ListLeaderboardEntries200JSONResponse{Message: "Read leaderboard entries success.", Data: []gen.LeaderboardEntry{}}
	answer.Meta = gen.LeaderboardPageMeta{
		Status: "success", StatusCode: http.StatusOK, Page: *r.Params.Page, Limit: *r.Params.Limit, Total: page.total(), NextCursor: page.next, ComputedAt: v.computedAt(),
	}
	for i, ranked := range page.ranked {
		if ranked.There { // else it has just gone, and will not be there soon
			answer.Data = append(answer.Data, v.shown(ctx, ranked, page.ranks[i]))
		}
	}
	return answer, nil
}

// viewOf reads what a request looks at.
func (h leaderboards) viewOf(ctx context.Context, r stub.ListLeaderboardEntriesRequestObject) (v *boardView, err error) {
	v = &boardView{core: h.core, limit: int(*r.Params.Limit), fields: map[string]string{}, columns: map[string]store.Counted{}}
	q := h.store.Queries
	if v.s, v.board, err = leaderboardOf(ctx, q, r.LeaderboardID); err != nil {
		return v, err
	}
	if v.filter, err = filterFor(v.board, r.Params.Filter); err != nil {
		return v, err
	}
	rules, err := q.Gamification.Get(ctx, v.s.ID)
	if err != nil {
		return v, err
	}
	everybody, err := q.Leaderboards.RanksEverybody(ctx, v.board.ID)
	if err != nil {
		return v, err
	}
	of := rankingFields[v.board.RankBy]
	v.span = spanOf(v.board, v.filter, h.now(), zoneOf(rules.Zone))
	v.exact = everybody && of != 0 && v.span == allDays
	v.ranking = store.Ranking{Owner: v.s.ID, Of: of, Positive: v.board.PerformanceDisplay.ShowPositive.Enabled}
	if found, err := q.Leaderboards.GetStanding(ctx, v.board.ID, string(v.filter), v.span.from, v.span.until); err == nil {
		v.standing = &found
	} else if !errors.Is(err, store.ErrNotFound) {
		return v, err
	}
	if !v.exact {
		v.ranking.Of = 0
		if v.standing != nil {
			v.ranking.Owner = v.standing.ID
		}
	}
	return v, v.readFields(ctx, of == 0)
}

// readFields finds what of the columns and of the ranking is a field of the community.
func (v *boardView) readFields(ctx context.Context, ranks bool) error {
	for _, column := range v.board.DisplayedFields {
		if of, is := rankingFields[column]; is {
			v.columns[column] = of
		}
	}
	if len(v.columns) == len(v.board.DisplayedFields) && !ranks {
		return nil
	}
	all, err := v.store.Fields.List(ctx, v.s.ID)
	if err != nil {
		return err
	}
	there := !ranks
	for _, f := range all {
		there = there || f.ID == v.board.RankBy && typeOf(f.Definition).IsNumber()
		for _, column := range v.board.DisplayedFields {
			if column == f.ID || column == f.Definition.Field {
				v.fields[f.ID] = column
			}
		}
	}
	if !there { // it was deleted, and nobody has anything in it
		v.ranking.Owner = ""
	}
	return nil
}

// filterFor is the filter of a request, if the leaderboard allows it.
func filterFor(l gen.Leaderboard, given *gen.LeaderboardFilter) (gen.LeaderboardFilter, error) {
	filter := gen.LeaderboardFilterAllTime
	if given != nil {
		filter = *given
	} else if len(l.TimeFilters) > 0 && !slices.Contains(l.TimeFilters, filter) {
		filter = l.TimeFilters[0]
	}
	allowed := slices.Contains(l.TimeFilters, filter) || given == nil && len(l.TimeFilters) == 0
	if rankingFields[l.RankBy] == 0 && filter != gen.LeaderboardFilterAllTime {
		allowed = false
	}
	if !allowed {
		return filter, contract.Invalid(contract.Field("query/filter", gen.FieldCodeNotAllowed, "must be a filter that the leaderboard allows"))
	}
	return filter, nil
}

// A rankedPage is a part of those who are ranked, with their ranks, 0 where they are not known.
type rankedPage struct {
	ranked []store.Ranked
	ranks  []int64
	before int64 // how many are in front, -1 if that is not known
	next   string
}

// total is how many there are at least. Where nobody is shown it is 0: how many are in front would tell of those who are not shown.
func (p rankedPage) total() int64 {
	if len(p.ranked) == 0 {
		return 0
	}
	total := int64(len(p.ranked))
	switch {
	case p.before > 0:
		total += p.before
	case p.before < 0 && len(p.ranks) > 0:
		total += max(0, p.ranks[0]-1)
	}
	if p.next != "" {
		total++
	}
	return total
}

// page is one by its number.
func (v *boardView) page(ctx context.Context, params gen.ListLeaderboardEntriesParams, ready bool) (p rankedPage, err error) {
	if _, err := pageOf(ctx, params.Page, params.Limit, nil); err != nil || !ready {
		return p, err
	}
	skip := (int(*params.Page) - 1) * v.limit
	p.before = int64(skip)
	if p.ranked, err = v.list(ctx, nil, false, skip, v.limit+1); err != nil || len(p.ranked) == 0 {
		return p, err
	}
	first := p.before + 1
	if skip > 0 {
		ties, err := v.store.Leaderboards.CountTies(ctx, v.ranking, p.ranked[0].StandingPlace, skip)
		if err != nil {
			return p, err
		}
		first -= ties
	}
	return v.finish(p, first), nil
}

// behind is one that goes on where another one ended.
func (v *boardView) behind(ctx context.Context, text string, params gen.ListLeaderboardEntriesParams, ready bool) (p rankedPage, err error) {
	if *params.Page != 1 {
		return p, contract.Invalid(contract.Field("query/page", gen.FieldCodeNotAllowed, "must be left out where there is a cursor"))
	}
	c, err := boardCursorOf(text)
	if err != nil || c.board != v.board.ID || c.filter != string(v.filter) {
		return p, notACursor("query/")
	}
	if !ready {
		return p, nil
	}
	if p.ranked, err = v.list(ctx, &c.place, false, 0, v.limit+1); err != nil {
		return p, err
	}
	return v.ranked(ctx, p.ranked)
}

// around is one that has a user in the middle.
func (v *boardView) around(ctx context.Context, name string, params gen.ListLeaderboardEntriesParams, ready bool) (p rankedPage, err error) {
	switch {
	case params.Cursor != nil:
		return p, contract.Invalid(contract.Field("query/cursor", gen.FieldCodeNotAllowed, "must be left out where there is a user to look around"))
	case *params.Page != 1:
		return p, contract.Invalid(contract.Field("query/page", gen.FieldCodeNotAllowed, "must be left out where there is a user to look around"))
	}
	who, err := v.named(ctx, name)
	if err != nil || !ready {
		return p, err
	}
	place, err := v.store.Leaderboards.GetRanked(ctx, v.ranking, who.AccountNumber)
	if errors.Is(err, store.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if top := v.board.PerformanceDisplay.ShowTop; top.Enabled {
		// With who is in front of them on a page, or how many, a rank that is not shown could be counted.
		if rank, err := v.rankOf(ctx, place.Value); err != nil || rank == 0 || rank > int64(top.Value) {
			return p, err
		}
	}
	higher, err := v.list(ctx, &place, true, 0, (v.limit-1)/2)
	if err != nil {
		return p, err
	}
	slices.Reverse(higher)
	above := store.StandingPlace{Value: place.Value, Account: place.Account + 1} // the user is behind that
	lower, err := v.list(ctx, &above, false, 0, v.limit-len(higher)+1)
	if err != nil {
		return p, err
	}
	return v.ranked(ctx, append(higher, lower...))
}

// ranked is a page of which it is not known how many are in front. What ranks they have is counted by what they have: that of the second
// value is asked for, too, because some with the first one may be in front.
func (v *boardView) ranked(ctx context.Context, found []store.Ranked) (p rankedPage, err error) {
	p.ranked, p.before = found, -1
	if len(found) == 0 { // gone meanwhile, or there are no more
		return p, nil
	}
	first, err := v.rankOf(ctx, found[0].Value)
	if err != nil {
		return p, err
	}
	if i := slices.IndexFunc(found, func(r store.Ranked) bool { return r.Value != found[0].Value }); i > 0 {
		second, err := v.rankOf(ctx, found[i].Value)
		if err != nil {
			return p, err
		}
		if second > 0 {
			p.before = second - 1 - int64(i)
		}
	}
	return v.finish(p, first), nil
}

// named finds the member whom a request names. Who may not learn addresses learns nothing of whose one is.
func (v *boardView) named(ctx context.Context, name string) (store.Account, error) {
	if err := v.s.learn(ctx, v.store.Queries); err != nil {
		return store.Account{}, err
	}
	if by, _ := nameOf(name); by == store.ByEmail && !v.s.may.Full {
		itself, err := v.s.namesItself(ctx, v.store.Queries, name)
		if err == nil && !itself {
			err = contract.NotFound("user")
		}
		if err != nil {
			return store.Account{}, err
		}
	}
	return memberNamed(ctx, v.store.Queries, v.s.ID, name)
}

func (v *boardView) list(ctx context.Context, after *store.StandingPlace, up bool, skip, limit int) ([]store.Ranked, error) {
	return v.store.Leaderboards.ListRanked(ctx, store.RankedQuery{
		Ranking: v.ranking, ServerID: v.s.ID, After: after, Up: up, Skip: skip, Limit: limit, Fields: len(v.fields) > 0,
	})
}

// rankOf is the rank of a value, 0 if it is not counted yet, or below all that are shown.
func (v *boardView) rankOf(ctx context.Context, value float64) (int64, error) {
	most := store.MostAbove
	if top := v.board.PerformanceDisplay.ShowTop; top.Enabled {
		most = max(most, int(top.Value))
	}
	rank, exact, counted, err := v.store.Leaderboards.RankOf(ctx, v.ranking, value, most, v.standing)
	if v.board.PerformanceDisplay.ShowTop.Enabled && !exact {
		return 0, err
	}
	v.deep = v.deep || !exact
	v.counted = v.counted || !exact && counted
	if !counted {
		rank = 0
	}
	return rank, err
}

// finish gives the members of a page their ranks, from that of the first on, leaves out those that are not shown, and says where to go on.
func (v *boardView) finish(p rankedPage, rank int64) rankedPage {
	top := v.board.PerformanceDisplay.ShowTop
	for i, r := range p.ranked {
		if i > 0 && r.Value != p.ranked[i-1].Value {
			if rank = p.before + int64(i) + 1; p.before < 0 {
				rank = 0
			}
		}
		p.ranks = append(p.ranks, rank)
	}
	if top.Enabled {
		if i := slices.IndexFunc(p.ranks, func(rank int64) bool { return rank > int64(top.Value) || rank == 0 }); i >= 0 {
			p.ranked, p.ranks = p.ranked[:i], p.ranks[:i]
		}
	}
	if len(p.ranked) > v.limit {
		p.ranked, p.ranks = p.ranked[:v.limit], p.ranks[:v.limit]
		p.next = boardCursor{board: v.board.ID, filter: string(v.filter), place: p.ranked[v.limit-1].StandingPlace}.String()
	}
	return p
}

// shown is an entry as the answer has it.
func (v *boardView) shown(ctx context.Context, r store.Ranked, rank int64) gen.LeaderboardEntry {
	a := r.Account
	entry := gen.LeaderboardEntry{Rank: gen.Null[int32](), Value: r.Value, Columns: map[string]any{}, User: gen.LeaderboardUser{
		ID: a.ID, Number: int32(a.AccountNumber), Username: a.Username, DisplayName: a.DisplayName, Avatar: v.imageURL(ctx, a.Avatar),
	}}
	if rank > 0 {
		entry.Rank = gen.NullableOf(int32(min(rank, math.MaxInt32)))
	}
	for column, of := range v.columns {
		entry.Columns[column] = r.Counts[of-1]
	}
	for id, column := range v.fields {
		if value, has := r.Fields[id]; has {
			entry.Columns[column] = value
		}
	}
	return entry
}

// computedAt is since when it is as it is shown.
func (v *boardView) computedAt() gen.Nullable[gen.Time] {
	switch {
	case v.exact && v.counted:
		return gen.NullableOf(gen.Time{Time: v.standing.Progress.TurnAt})
	case v.exact:
		return gen.NullableOf(gen.Time{Time: v.now()})
	case v.standing == nil:
		return gen.Null[gen.Time]()
	}
	return v.standing.ComputedAt
}

// How often it is written down that somebody looks at a leaderboard, and how often where that is waited for.
const (
	noteReadingEvery = 20 * time.Second
	askAgainEvery    = 2 * time.Second
)

// noteReading writes down that somebody looks, and has the job do what there is to do.
func (v *boardView) noteReading(ctx context.Context) error {
	if v.exact && !v.deep {
		return nil
	}
	now := v.now()
	st := v.standing
	if st != nil {
		every := noteReadingEvery
		if at, computed := st.ComputedAt.Get(); !v.exact && (!computed || now.Sub(at.Time) > boardsRefreshEvery) || v.deep && now.Sub(st.Progress.TurnAt) > boardsRefreshEvery {
			every = askAgainEvery
		}
		if noted := now.Sub(st.ReadAt) < every; noted && (!v.deep || now.Sub(st.DeepAt) < every) {
			return nil
		}
	}
	_, err := inSharedTx(ctx, v.core, func(tx *store.Tx) (none struct{}, err error) {
		if st == nil {
			everybody, err := tx.Leaderboards.RanksEverybody(ctx, v.board.ID)
			if err != nil {
				return none, err
			}
			fresh := store.Standing{
				ID: v.newID(), ServerID: v.s.ID, LeaderboardID: v.board.ID, Filter: string(v.filter), From: v.span.from, Until: v.span.until,
				Everybody: everybody, ReadAt: now, DeepAt: time.UnixMicro(0),
			}
			if v.deep {
				fresh.DeepAt = now
			}
			err = tx.Leaderboards.InsertStanding(ctx, fresh)
			if err != nil {
				return none, err
			}
		} else {
			read := *st
			read.ReadAt = now
			if v.deep {
				read.DeepAt = now
			}
			if err := tx.Leaderboards.NoteReading(ctx, read); err != nil {
				return none, err
			}
		}
		return none, tx.Jobs.Insert(ctx, boardsRefresh{ServerID: v.s.ID})
	})
	if errors.Is(err, store.ErrNotFound) { // it was deleted meanwhile
		err = nil
	}
	return err
}

// A boardCursor is a place in a leaderboard, as the wire shows it. It holds no secret, and nothing that is believed: one that somebody
// else has made leads to some place in the same leaderboard, and ranks are counted from there as ever.
type boardCursor struct {
	board, filter string
	place         store.StandingPlace
}

func (c boardCursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %s %s %d", c.board, c.filter, strconv.FormatFloat(c.place.Value, 'g', -1, 64), c.place.Account))
}

func boardCursorOf(text string) (c boardCursor, err error) {
	plain, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(plain), " ")
	if err != nil || len(parts) != 4 {
		return c, errors.New("not a cursor")
	}
	c.board, c.filter = parts[0], parts[1]
	var errs [2]error
	c.place.Value, errs[0] = strconv.ParseFloat(parts[2], 64)
	c.place.Account, errs[1] = strconv.ParseInt(parts[3], 10, 32)
	if err = errors.Join(errs[:]...); err == nil && (c.String() != text || math.Abs(c.place.Value) > 1e18 && c.place.Value == math.Trunc(c.place.Value) || math.IsNaN(c.place.Value)) {
		err = errors.New("not a cursor")
	}
	return c, err
}

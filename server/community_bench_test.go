package server

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A backend is a server with data in it, and what it may be asked, by the name of the work.
type backend struct {
	*process
	pools map[string]*pool
}

const (
	// makers are accounts that each own a server, to create in.
	makers     = 256
	firstMaker = 100
	// eachMakes is how many channels or servers one of them makes: half of what there may be, so that a tally is never
	// nearly full.
	eachMakes = store.MaxChannels / 2
	// eachSays is how many messages one of them sends: there may be any number.
	eachSays = 1_000_000
	// firstFilled is the number of the first account that is there to be many.
	firstFilled = 1000
)

// newCommunity runs a binary on a new database whose first account owns three servers. The first of these has 50 channels and
// as many members, and entries in its audit trail, as size says.
func newCommunity(b *testing.B, binary string, database database, size int) *backend {
	config := database.config(b)
	p := startProcess(b, serveCommand(binary, config), printsToken)
	owner := printsToken.FindString(p.printed)
	var ids []string
	for i := range 3 {
		ids = append(ids, p.createServer(b, owner, "Server "+strconv.Itoa(i)))
	}
	community := "/servers/" + ids[0]
	var channel gen.ChannelResponse // the last one, where all has been said
	for range 50 {
		p.do(b, channelRequest(owner, ids[0]), &channel)
	}
	var key gen.APIKeyResponse
	p.do(b, jsonRequest("/apis/v1/communities/"+ids[0]+"/api-keys", owner, map[string]any{"name": "reads", "permissions": []string{"getUserData"}}), &key)
	var board gen.LeaderboardResponse
	p.do(b, jsonRequest("/apis/v1/leaderboards", owner, map[string]any{"name": "Most XP", "slug": "most-xp", "serverId": ids[0]}), &board)
	entries := "/apis/v1/leaderboards/" + board.Data.ID + "/entries?limit=20"
	filter := func(by map[string]any) *pool {
		return onlyRequest(jsonRequest("/apis/v1/users/filter", key.Data.Key, map[string]any{"fields": []string{"email", "first_name", "join_date", "xp"}, "filter": by}))
	}
	p.stop()
	fillCommunity(b, database.driver, config, ids[0], channel.Body.ID, size)

	p = startProcess(b, serveCommand(binary, config), printsAddress)
	p.cluster = clusterOf(b, config.Database)
	today := dayOf(time.Now(), time.UTC)
	middle := gen.Time{Time: time.UnixMicro(int64(firstFilled + size/2))}
	cursor := page{operation: "listMembers"}.cursorTo(store.Position{At: middle, ID: strconv.Itoa(firstFilled + size/2)})
	messages := "/apis/v1/messages?count=50&channel_id=" + channel.Body.ID
	said := page{operation: "listMessages"}.cursorTo(store.Message{Position: int64(firstFilled+size/2) << 12}.Place())
	c := &backend{p, map[string]*pool{
		"servers":        onlyRequest(request("GET", "/servers", owner)),
		"channels":       onlyRequest(request("GET", community+"/channels", owner)),
		"members":        onlyRequest(request("GET", community+"/members?limit=5", owner)),
		"members-deep":   onlyRequest(request("GET", community+"/members?limit=5&cursor="+cursor, owner)),
		"filter-name":    filter(map[string]any{"first_name": "Ada", "join_date": map[string]any{"gte": "1970-01-01", "lte": "2030-08-28"}}),
		"filter-xp":      filter(map[string]any{"xp": map[string]any{"gte": firstFilled + size/2}}),
		"entries":        onlyRequest(request("GET", entries, owner)),
		"entries-around": onlyRequest(request("GET", entries+"&around="+strconv.Itoa(firstFilled+size/2), owner)),
		"overview":       onlyRequest(request("GET", "/apis/v1/communities/"+ids[0]+"/analytics/loyalty-overview?interval=week&from="+dateText(today-365)+"&to="+dateText(today), owner)),
		"audit":          onlyRequest(request("GET", community+"/audit?limit=5", owner)),
		"messages":       onlyRequest(request("GET", messages, owner)),
		"messages-deep":  onlyRequest(request("GET", messages+"&cursor="+said, owner)),
		"send-message":   {each: eachSays},
		"send-ruled":     {each: eachSays},
		"create-channel": {each: eachMakes},
		"create-server":  {each: eachMakes},
	}}
	c.addMakers(b)
	return c
}

// addMakers makes ready what creates channels and servers.
func (c *backend) addMakers(b *testing.B) {
	var theirs []string
	channels, servers, messages := c.pools["create-channel"], c.pools["create-server"], c.pools["send-message"]
	ruled := c.pools["send-ruled"]
	var rooms, ruledRooms []string
	for i := range makers {
		id := c.createServer(b, tokenOfMaker(i), "Room")
		theirs = append(theirs, id)
		channels.requests = append(channels.requests, wire(channelRequest(tokenOfMaker(i), id)))
		says := func(in string) (room gen.ChannelResponse, request []byte) {
			c.do(b, jsonRequest("/channels", tokenOfMaker(i), map[string]any{"topic": "Said", "channelType": "open", "serverId": in}), &room)
			return room, wire(jsonRequest("/apis/v1/messages/send", tokenOfMaker(i),
				map[string]any{"channelId": room.Body.ID, "message": "What do you play against the Sicilian?"}))
		}
		room, send := says(id)
		rooms, messages.requests = append(rooms, room.Body.ID), append(messages.requests, send)
		withRules := c.createServer(b, tokenOfMaker(i), "Ruled")
		c.setRules(b, tokenOfMaker(i), withRules)
		room, send = says(withRules)
		ruledRooms, ruled.requests = append(ruledRooms, room.Body.ID), append(ruled.requests, send)
		servers.requests = append(servers.requests, wire(createRequest("/servers", tokenOfMaker(i), "Chess club")))
	}
	seen := func(of func(i int) string, before int) func(int) int64 {
		return func(taken int) (n int64) {
			for i := range taken {
				var answer struct{ Body []struct{} }
				c.do(b, request("GET", of(i), tokenOfMaker(i)), &answer)
				n += int64(len(answer.Body) - before)
			}
			return n
		}
	}
	channels.count = seen(func(i int) string { return "/servers/" + theirs[i] + "/channels" }, 1)
	servers.count = seen(func(int) string { return "/servers" }, 2)
	said := func(rooms []string) func(int) int64 {
		return func(taken int) (n int64) {
			for i := range taken {
				var answer gen.MessageListResponse
				c.do(b, request("GET", "/apis/v1/messages?count=1&channel_id="+rooms[i], tokenOfMaker(i)), &answer)
				n += answer.Data.Total
			}
			return n
		}
	}
	messages.count, ruled.count = said(rooms), said(ruledRooms)
}

// setRules makes a message worth something in every way that there is.
func (p *process) setRules(b *testing.B, token, id string) {
	worth := gen.XPRule{Enabled: true, XP: 3, Coins: 1}
	timed := gen.TimedXPRule{Enabled: true, XP: 10, Coins: 1, Time: 1}
	post := func(target string, body any) {
		text, err := json.Marshal(body)
		if err != nil {
			b.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			b.Fatal(err)
		}
		p.do(b, jsonRequest(target, token, fields), &struct{}{})
	}
	post("/gamifications/"+id+"/xp-setting", gen.XPSetting{
		Enabled: true, Picture: worth, Aboutme: worth, Quote: worth, Visit: worth, Referral: worth, Refer: worth,
		Message: timed, Reply: timed, React: timed, Object: timed, Analysis: timed, Comment: timed, TradingDiscussions: timed,
	})
	for _, quantity := range []int{1, 1_000_000} {
		post("/badges", map[string]any{"title": "Talker", "action": "messages", "quantity": quantity, "serverId": id, "award": true, "awardXpQuantity": 5})
	}
	for _, field := range []string{"messages", "xp"} {
		post("/apis/v1/milestones", gen.MilestoneCreate{Name: field, Field: field, ServerID: id, Steps: []gen.MilestoneStep{{Value: 1, XP: 1}, {Value: 1000, XP: 1}, {Value: 1_000_000, XP: 1}}})
	}
	post("/apis/v1/streaks", map[string]any{"name": "Talks", "serverId": id, "timeframe": map[string]any{"value": "daily", "count": 7},
		"action": map[string]any{"operator": "and", "conditions": []any{map[string]any{"action": "messages", "value": 1_000_000}}}})
}

func tokenOfMaker(i int) string { return hashOf(fmt.Sprintf("maker %d", i)) }

func (p *process) createServer(b *testing.B, token, name string) string {
	var answer gen.CreatedServerResponse
	p.do(b, createRequest("/servers", token, name), &answer)
	return answer.Body.ID
}

func channelRequest(token, serverID string) *http.Request {
	return jsonRequest("/channels", token, map[string]any{"topic": "Openings", "channelType": "open", "serverId": serverID})
}

// fillCommunity makes the makers and fills a server, by SQL, while nobody serves the database.
func fillCommunity(b *testing.B, driver string, config Config, id, channel string, size int) {
	address := config.Database
	if driver == "sqlite" {
		address = "file:" + filepath.Join(config.Data, DatabaseFile) + "?_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)&_pragma=cache_size(-200000)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	run := func(text string, args ...any) {
		if _, err := db.ExecContext(b.Context(), text, args...); err != nil {
			b.Fatalf("%v\n%s", err, text)
		}
	}
	if driver == "pgx" { // no foreign key is looked up for each row, as in the other database
		run(`SET session_replication_role = replica`)
	}
	for i := range makers {
		run(`INSERT INTO accounts (number, id, email, display_name, created_at) VALUES ($1, $2, $2, 'x', 0)`, firstMaker+i, "maker"+strconv.Itoa(i))
		run(`INSERT INTO sessions (token_hash, account, created_at, expires_at) VALUES ($1, $2, 0, $3)`,
			hashOf(tokenOfMaker(i)), firstMaker+i, time.Now().Add(time.Hour).UnixMicro())
	}
	numbers := fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) `, firstFilled, firstFilled+size-1)
	// One in a thousand is called Ada, whose key that is.
	run(`INSERT INTO accounts (number, id, email, display_name, created_at, first_name, first_key) ` + numbers +
		`SELECT i, 'a' || i, 'a' || i, 'x', i, CASE i % 1000 WHEN 0 THEN 'Ada' ELSE 'x' END, CASE i % 1000 WHEN 0 THEN '616461' ELSE '78' END FROM n`)
	run(`INSERT INTO totals (server_id, account, xp, coins, visits, is_member) ` + numbers + `SELECT '` + id + `', i, i, 0, 0, TRUE FROM n`)
	run(`INSERT INTO members (server_id, account, joined_at) ` + numbers + `SELECT '` + id + `', i, i FROM n`)
	// A year in which somebody does something after any number of days, if there are enough members.
	fillDays := fmt.Sprintf(`WITH RECURSIVE d (day) AS (SELECT %d UNION ALL SELECT day + 1 FROM d WHERE day < %d), `, dayOf(time.Now(), time.UTC)-365, dayOf(time.Now(), time.UTC)) +
		fmt.Sprintf(`s (since) AS (SELECT 0 UNION ALL SELECT since + 1 FROM s WHERE since < %d), x (shard) AS (SELECT 0 UNION ALL SELECT shard + 1 FROM x WHERE shard < 7) `, min(366, size/100))
	run(`INSERT INTO server_days (server_id, day, shard, deeds, active, xp, coins, messages, joined) ` + fillDays + `SELECT '` + id + `', day, shard + 8, 100, 50, 1000, 100, 100, 5 FROM d, x`)
	run(`INSERT INTO active_days (server_id, day, since, shard, n, gone) ` + fillDays + `SELECT '` + id + `', day, since, shard + 8, 1, 0 FROM d, s, x WHERE shard = 0 OR since <= 7`)
	run(`INSERT INTO audit (id, server_id, actor_type, actor_id, action, target, at) ` + numbers +
		`SELECT 'e' || i, '` + id + `', 'account', '1', 'role.add', '` + id + `', i FROM n`)
	run(`INSERT INTO messages (position, id, server_id, channel_id, account, text, at) ` + numbers +
		`SELECT CAST(i AS BIGINT) * 4096, 'm' || i, '` + id + `', '` + channel + `', i, 'What do you play against the Sicilian?', i FROM n`)
	run(`INSERT INTO message_totals (scope, account, shard, n) VALUES ($1, 0, 0, $2)`, channel, size)
	for _, kind := range []string{"members", "audit"} {
		run(`INSERT INTO tallies (whose, kind, shard, n) VALUES ($1, $2, 0, $3)
		ON CONFLICT (whose, kind, shard) DO UPDATE SET n = tallies.n + excluded.n`, id, kind, size)
	}
	if driver == "pgx" { // now, and not while it is measured
		run(`VACUUM ANALYZE`)
		run(`CHECKPOINT`)
		return
	}
	run(`PRAGMA wal_checkpoint(TRUNCATE)`)
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server"
)

// days are those of the history, the last of which is today, and history is how long ago it begins.
const (
	days    = 10
	history = days * 24 * time.Hour
)

// A member lives in the community, by a session.
type member struct {
	*client.Client
	name, email, token, number string
	joined                     bool // the owner never does
}

// A club is what the page of the shop has to know.
type club struct {
	id       string
	members  []*member // the first owns it
	messages int
	widgets  map[client.WidgetKind]client.Widget
	pair     client.WidgetAccessKey
	apiKey   string
}

// A seeder makes it, all of it over the wire: the clock stands where the history does.
type seeder struct {
	ctx       context.Context
	server    *server.Server
	clock     *clock
	url, page string
	dice      *rand.Rand
	club      *club

	general, market string // channels
	posts           []string
	products        []client.Product
}

var people = []string{
	"Ada Byron", "Ben Okafor", "Chiara Rossi", "Dmitri Volkov", "Elena García", "Farid Haddad", "Grace Lee", "Hiro Tanaka", "Ines Duarte", "Jonas Weber",
	"Kofi Mensah", "Lena Novak", "Mateo Silva", "Nadia Petrova", "Omar Aziz", "Priya Sharma", "Quentin Moreau", "Rosa Jiménez", "Sven Larsson", "Tara Singh",
	"Umut Demir", "Vera Menchik", "Wei Chen", "Yara Costa",
}

var lines = []string{
	"Good morning everybody ☀️", "Has anyone tried the new espresso blend?", "I have! The dark roast is my favourite so far.", "The tasting on Saturday was wonderful.",
	"Who is coming to the brewing class next week?", "Count me in 🙌", "My V60 finally arrived. Any recipe for a beginner?", "15 grams, 250 millilitres, 93 degrees. Three minutes. Trust me.",
	"That made the best cup I ever had at home, thank you!", "Is the mug from the store as nice as it looks?", "Even nicer. It keeps the warmth for ages.", "I am two badges away from the next tier 😅",
	"The Ethiopian beans smell like blueberries.", "Cold brew season is here.", "Do you grind finer for the Aeropress?", "A bit finer, and thirty seconds less.", "Look at this latte art. It was meant to be a swan.",
	"It is a very confident duck 🦆", "Ten days in a row! My streak lives.", "Decaf people, where are you?", "Here, and not ashamed.", "The roastery tour was worth the early train.",
	"Which milk froths best for you?", "Oat, the barista one.", "I used my coins for the tote bag, no regrets.", "Can we have a thread for grinder maintenance?", "Yes please.",
}

// must ends the making of the community where something goes wrong; seed tells it.
func must[T any](value T, err error) T {
	check(err)
	return value
}

type failure struct{ error }

func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// seed makes the community.
func (s *seeder) seed() (made *club, err error) {
	defer func() {
		switch failed := recover().(type) {
		case nil:
		case failure:
			err = failed.error
		default:
			panic(failed)
		}
	}()
	s.dice, s.club = rand.New(rand.NewPCG(1, 2)), &club{widgets: map[client.WidgetKind]client.Widget{}}
	s.found()
	s.rules()
	s.store()
	for day := days - 1; day >= 0; day-- {
		s.day(day)
	}
	s.clock.set(0)
	s.show()
	return s.club, nil
}

func (s *seeder) owner() *member { return s.club.members[0] }

// found makes the members, and the community.
func (s *seeder) found() {
	for i, name := range people {
		email := strings.ToLower(strings.Fields(name)[0]) + "@beans.example"
		token, _, err := s.server.Token(s.ctx, email)
		check(err)
		c := must(client.New(s.url, client.WithToken(token)))
		first, last, _ := strings.Cut(name, " ")
		username := strings.ToLower(first) + "." + fmt.Sprint(i+1)
		me := must(c.Auth.UpdateMe(s.ctx, client.AccountUpdate{DisplayName: &name, FirstName: &first, LastName: &last, Username: &username}))
		s.club.members = append(s.club.members, &member{Client: c, name: name, email: email, token: token, number: me.Number})
		must(c.Users.SetAvatar(s.ctx, "", avatar(i)))
	}
	s.club.id = must(s.owner().Servers.Create(s.ctx, client.ServerCreate{Name: "The Bean Club"})).ID
	open := client.JoiningOpen
	must(s.owner().Servers.UpdateSettings(s.ctx, s.club.id, client.ServerSettingsUpdate{Joining: &open}))
	channel := func(topic, description string) string {
		return must(s.owner().Channels.Create(s.ctx, client.ChannelCreate{Topic: topic, ChannelType: client.ChannelText, Description: description, ServerID: s.club.id})).ID
	}
	s.general, s.market = channel("Coffee talk", "Everything about beans, brewing and cups"), channel("Bean market", "What beans cost, and where that goes")
}

// avatar is a picture of two colours.
func avatar(n int) *bytes.Reader {
	const size = 96
	picture := image.NewRGBA(image.Rect(0, 0, size, size))
	one, other := hue(n*47), hue(n*47+60)
	for y := range size {
		for x := range size {
			t := float64(x+y) / (2 * size)
			mix := func(a, b uint8) uint8 { return uint8(float64(a)*(1-t) + float64(b)*t) }
			picture.Set(x, y, color.RGBA{mix(one.R, other.R), mix(one.G, other.G), mix(one.B, other.B), 255})
		}
	}
	var file bytes.Buffer
	check(png.Encode(&file, picture))
	return bytes.NewReader(file.Bytes())
}

func hue(degrees int) color.RGBA {
	part := func(shift int) uint8 {
		d := (degrees + shift) % 360
		if d > 180 {
			d = 360 - d
		}
		return uint8(70 + 150*(180-d)/180)
	}
	return color.RGBA{part(0), part(120), part(240), 255}
}

// rules say what deeds are worth, and what is reached by them.
func (s *seeder) rules() {
	o, id := s.owner(), s.club.id
	often := func(xp, coins int32) gen.TimedXPRule {
		return gen.TimedXPRule{Enabled: true, XP: xp, Coins: coins, Time: 1}
	}
	must(o.Gamification.SetXP(s.ctx, id, gen.XPSetting{
		Enabled: true, Visit: gen.XPRule{Enabled: true, XP: 5, Coins: 2}, Message: often(12, 4), Reply: often(8, 3), React: often(2, 1), Analysis: often(40, 20),
		Object: gen.TimedXPRule{Time: 1}, Comment: gen.TimedXPRule{Time: 1}, TradingDiscussions: gen.TimedXPRule{Time: 1},
	}))
	tiers := gen.TierList{
		{Name: "Bean", Levels: []gen.TierLevel{{Name: "Green", XP: 0}, {Name: "Roasted", XP: 60}}},
		{Name: "Brewer", Levels: []gen.TierLevel{{Name: "Filter", XP: 150}, {Name: "Espresso", XP: 300}}},
		{Name: "Barista", Levels: []gen.TierLevel{{Name: "Latte art", XP: 600}, {Name: "Champion", XP: 1200}}},
	}
	must(o.Gamification.SetTiers(s.ctx, id, gen.TierSettingUpdate{Enabled: true, Display: gen.TierDisplay{Levels: true, Tiers: true}, Tiers: &tiers}))
	for name, m := range map[string]struct {
		field string
		steps gen.MilestoneSteps
	}{
		"Talker":  {"messages", gen.MilestoneSteps{{Value: 5, XP: 10, Coins: 5}, {Value: 15, XP: 25, Coins: 15}, {Value: 50, XP: 100, Coins: 60}}},
		"Regular": {"visits", gen.MilestoneSteps{{Value: 3, XP: 10, Coins: 5}, {Value: 7, XP: 30, Coins: 20}, {Value: 30, XP: 150, Coins: 100}}},
		"Friend":  {"reactions", gen.MilestoneSteps{{Value: 10, XP: 10, Coins: 5}, {Value: 40, XP: 40, Coins: 25}}},
	} {
		must(o.Gamification.CreateMilestone(s.ctx, gen.MilestoneCreate{Name: name, Field: m.field, Steps: m.steps, ServerID: id}))
	}
	three, ten := int32(3), int32(10)
	for _, b := range []gen.BadgeCreate{
		{Title: "Early bird", Action: client.BadgeVisits, Quantity: &three, Description: "Three visits"},
		{Title: "Storyteller", Action: client.BadgeMessages, Quantity: &ten, Description: "Ten messages"},
		{Title: "Cheerful", Action: client.BadgeReactions, Quantity: &ten, Description: "Ten reactions"},
	} {
		b.Award, b.AwardXPQuantity, b.AwardCurrency, b.AwardCurrencyQuantity, b.ServerID = true, 20, true, 10, id
		must(o.Badges.Create(s.ctx, b))
	}
	for _, st := range []gen.StreakCreate{
		{Name: "Seven days of talk", Timeframe: gen.StreakTimeframe{Value: "daily", Count: 7}, Action: gen.StreakActionCreate{Operator: "and", Conditions: []gen.StreakConditionCreate{{Action: "messages", Value: 1}}}, Reward: gen.StreakReward{XP: 70, Coins: 40}},
		{Name: "Three days of cheer", Timeframe: gen.StreakTimeframe{Value: "daily", Count: 3}, Action: gen.StreakActionCreate{Operator: "and", Conditions: []gen.StreakConditionCreate{{Action: "reactions", Value: 1}}}, Reward: gen.StreakReward{XP: 20, Coins: 10}},
	} {
		st.ServerID = id
		must(o.Streaks.Create(s.ctx, st))
	}
	for _, so := range []gen.SocialCreate{
		{Platform: "instagram", URL: "https://instagram.example/beanclub", Action: client.SocialFollow, XP: 15, Coins: 10},
		{Platform: "youtube", URL: "https://youtube.example/beanclub", Action: client.SocialLike, XP: 10, Coins: 5},
		{Platform: "x", URL: "https://x.example/beanclub", Action: client.SocialShare, XP: 20, Coins: 10},
	} {
		so.ServerID = id
		must(o.Gamification.CreateSocial(s.ctx, so))
	}
}

// store is what there is for coins.
func (s *seeder) store() {
	o, id := s.owner(), s.club.id
	yes, title, about := true, "The Bean Store", "<p>Coins are earned by being here. Spend them on something that smells good.</p>"
	must(o.Store.Update(s.ctx, gen.StoreConfigUpdate{IsEnabled: &yes, Title: &title, Description: &about, Currency: &gen.StoreCurrency{IsEnabled: true, Name: "Beans"}, ServerID: id}))
	cups := must(o.Store.CreateCategory(s.ctx, gen.CategoryCreate{Name: "Cups and bags", ServerID: id})).ID
	beans := must(o.Store.CreateCategory(s.ctx, gen.CategoryCreate{Name: "Beans and classes", ServerID: id})).ID
	voucher := client.ProductVoucher
	product := func(name, text, category string, price int32, change func(*gen.ProductCreate)) {
		in := gen.ProductCreate{Name: name, Description: &text, Price: &price, CategoryID: gen.NullableOf(category), ServerID: id}
		if change != nil {
			change(&in)
		}
		s.products = append(s.products, *must(o.Store.CreateProduct(s.ctx, in)))
	}
	product("Enamel mug", "<p>Dark blue, 350 ml. It has seen mountains.</p>", cups, 45, func(p *gen.ProductCreate) { p.Stocks = gen.NullableOf(int32(30)) })
	product("Tote bag", "<p>Organic cotton, printed by hand.</p>", cups, 30, nil)
	product("Travel cup", "<p>Steel, keeps the warmth for six hours.</p>", cups, 80, func(p *gen.ProductCreate) { p.Stocks = gen.NullableOf(int32(3)) })
	product("Bag of the month", "<p>250 g of what the roaster likes best right now.</p>", beans, 60, func(p *gen.ProductCreate) {
		less := int32(40)
		p.IsDiscountEnabled, p.DiscountPrice = &yes, &less
	})
	product("10 % on your next order", "<p>A code for the shop.</p>", beans, 20, func(p *gen.ProductCreate) {
		p.Type = &voucher
		for i := range 40 {
			p.Vouchers = append(p.Vouchers, fmt.Sprintf("BEAN-%04d-%04X", i, s.dice.IntN(1<<16)))
		}
	})
	product("Brewing class", "<p>Two hours with our barista, for two.</p>", beans, 220, nil)
}

// day is one in the life of the community, so many days ago.
func (s *seeder) day(ago int) {
	at := func(hour float64) {
		s.clock.set(time.Duration(ago)*24*time.Hour + time.Duration((24-hour)*float64(time.Hour))/3)
	}
	joined := min(len(s.club.members), 6+(days-ago)*3)
	for i, m := range s.club.members[:joined] {
		if i > 0 && !m.joined {
			must(m.Servers.Join(s.ctx, s.club.id))
			m.joined = true
		}
		if i < 4 || s.dice.IntN(3) > 0 {
			must(m.Servers.Visit(s.ctx, s.club.id))
		}
	}
	const said = 26
	for i := range said {
		at(24 * float64(i) / said)
		who := s.club.members[s.dice.IntN(joined)]
		if i < 4 {
			who = s.club.members[i] // they are there every day
		}
		s.say(who)
	}
	if ago < 6 {
		for range 3 {
			s.buy(s.club.members[s.dice.IntN(joined)])
		}
	}
	if ago%3 == 0 {
		s.chart(ago)
	}
}

// say lets somebody say something, or answer, and others like it.
func (s *seeder) say(who *member) {
	line := lines[s.club.messages%len(lines)]
	var id string
	if n := len(s.posts); n > 0 && s.dice.IntN(4) == 0 {
		id = must(who.Messages.Reply(s.ctx, gen.ReplyCreate{MessageID: s.posts[n-1], Message: line})).MessageID
	} else {
		id = must(who.Messages.Send(s.ctx, gen.MessageCreate{ChannelID: s.general, Message: line})).MessageID
	}
	s.club.messages++
	s.posts = append(s.posts, id)
	for range s.dice.IntN(4) {
		fan := s.club.members[s.dice.IntN(6)]
		check(fan.Messages.React(s.ctx, gen.ReactionAdd{MessageID: id, Emoji: []string{"👍", "❤️", "😂", "☕"}[s.dice.IntN(4)]}))
	}
}

// buy lets somebody buy what they can pay.
func (s *seeder) buy(who *member) {
	coins := must(who.Badges.Balance(s.ctx, s.club.id, who.number)).Coins
	for _, i := range s.dice.Perm(len(s.products)) {
		if p := s.products[i]; int64(p.CurrentPrice) <= int64(coins) && i != 2 { // a few of the cup are left
			must(who.Rewards.Buy(s.ctx, gen.PurchaseCreate{ProductID: p.ID}))
			return
		}
	}
}

// chart posts what somebody thinks of the price of beans.
func (s *seeder) chart(ago int) {
	at := 240 + float64(ago)
	must(s.owner().Charts.Create(s.ctx, s.club.id, s.market, gen.AnalysisCreate{
		Metadata: gen.AnalysisMetadataCreate{
			Direction: client.DirectionBullish, EntryPlacement: client.EntryBelowCurrent, Title: "Arabica holds its support", Symbol: "KC", Timeframe: "H1",
			PreferenceText: "Buyers came back at [[sup:the support]].",
		},
		Levels: gen.AnalysisLevelsCreate{
			Pivot: gen.AnalysisLevelCreate{Price: at, ClientObjectID: "pivot", Time: gen.Time{Time: s.clock.now().UTC()}}, Resistance: gen.AnalysisLevelCreate{Price: at + 9, ClientObjectID: "res"},
			Support: gen.AnalysisLevelCreate{Price: at - 6, ClientObjectID: "sup"},
		},
	}))
}

// show makes the widgets, and what the shop needs to say who looks at them.
func (s *seeder) show() {
	o, id := s.owner(), s.club.id
	ranks := "xps"
	board := must(o.Leaderboards.Create(s.ctx, gen.LeaderboardCreate{Name: "Most XP", Slug: "most-xp", RankingField: &ranks, ServerID: id})).ID
	for kind, name := range map[client.WidgetKind]string{
		client.WidgetChannels: "Coffee talk", client.WidgetLeaderboard: "Most XP", client.WidgetMilestone: "Milestones", client.WidgetSocials: "Follow us",
		client.WidgetStore: "The Bean Store", client.WidgetCurrency: "What you have", client.WidgetOverview: "How we do",
	} {
		in := client.WidgetCreate{Kind: kind, Name: name, Slug: string(kind), AllowedOrigins: []string{s.page}, Theme: client.WidgetTheme{Mode: client.ModeAuto, Accent: "#7c4a2d"}, ServerID: id}
		switch kind {
		case client.WidgetChannels:
			in.ChannelID = s.general
		case client.WidgetLeaderboard:
			in.LeaderboardID, in.Public = board, true
		case client.WidgetSocials:
			in.Public = true
		}
		s.club.widgets[kind] = *must(o.Widgets.Create(s.ctx, in))
	}
	s.club.pair = *must(o.Widgets.CreateAccessKey(s.ctx, client.WidgetAccessKeyCreate{Name: "The shop", AllowedOrigins: []string{s.page}, ServerID: id}))
	s.club.apiKey = must(o.Keys.Create(s.ctx, id, client.APIKeyCreate{Name: "The shop", Permissions: []client.KeyPermission{client.PermissionWidgets}})).Key
}

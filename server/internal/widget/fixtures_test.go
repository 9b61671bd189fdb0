package widget

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// What the fixtures are about: a community of people who run.
var (
	now    = time.Date(2026, 11, 28, 15, 4, 0, 0, time.UTC)
	people = []string{"Mina Okafor", "Jonas Weber", "Sofía Reyes", "Ken Tanaka", "Amal Haddad", "Lena Fischer", "Ravi Patel", "Chloé Martin", "Tomás Silva", "Noor Aziz", "Piotr Zając", "Ida Lund"}
	me     = &Person{Number: "7", Name: "Ravi Patel"}
)

const (
	tooLong = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft and everybody who came along with them"
	rtl     = "نادي الجري الصباحي في المدينة القديمة"
	hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
)

func id(n int) string { return fmt.Sprintf("%024x", 0x65a000000000+n) }

func at(before time.Duration) gen.Time { return gen.Time{Time: now.Add(-before)} }

func page(kind Kind, title string) Page {
	return Page{
		Kind: kind, Title: title, Community: id(1), Widget: id(2), Address: "/" + string(kind) + "/" + id(2), Origins: []string{"https://run.example"},
		Nonce: "fixture", Now: now, Me: me,
	}
}

func author(i int) gen.MessageAuthor {
	return gen.MessageAuthor{UserID: int64(i + 1), ID: id(100 + i%len(people)), DisplayName: people[i%len(people)]}
}

func say(n, by int, before time.Duration, text string, more ...func(*gen.Message)) gen.Message {
	m := gen.Message{ID: id(1000 + n), Message: text, User: author(by), Timestamp: at(before), ReplyTo: gen.Null[string](), EditedAt: gen.Null[gen.Time]()}
	for _, change := range more {
		change(&m)
	}
	return m
}

func reacted(pairs ...any) func(*gen.Message) {
	return func(m *gen.Message) {
		for i := 0; i+1 < len(pairs); i += 2 {
			m.Reactions = append(m.Reactions, gen.MessageReaction{Emoji: pairs[i].(string), Count: int64(pairs[i+1].(int))})
		}
	}
}

func replyTo(n int) func(*gen.Message) {
	return func(m *gen.Message) { m.ReplyTo = gen.NullableOf(id(1000 + n)) }
}

func channelPage() Page {
	p := page(Channels, "Training plans")
	question := say(3, 4, 20*time.Hour, "Who is in for the long run on Sunday? 18 km, easy pace, coffee afterwards.", reacted("🔥", 12, ":+1:", 5))
	p.Channel = &ChannelView{
		ID: id(30), Topic: "Ask, share, and find somebody to run with", CanWrite: true, Older: "older",
		Quoted: map[string]gen.Message{question.ID: question},
		Messages: []gen.Message{
			say(9, 6, 4*time.Minute, "On my way, ten minutes late"),
			say(8, 1, 12*time.Minute, "The route is here: https://maps.run.example/routes/old-town-loop?from=bridge (starts at the bridge).", reacted(":tada:", 3)),
			say(7, 1, 13*time.Minute, "Weather looks perfect, by the way ☀️"),
			say(6, 6, 40*time.Minute, "Me too. I will bring the new gels to try.", replyTo(3)),
			say(5, 2, 19*time.Hour, "Count me in 🙌", replyTo(3)),
			question,
			say(2, 0, 26*time.Hour, "New block starts on Monday:\n• Tue: 6 × 800 m\n• Thu: tempo, 40 min\n• Sun: long run", func(m *gen.Message) { m.Pinned = true; m.EditedAt = gen.NullableOf(at(25 * time.Hour)) }),
			say(1, 3, 50*time.Hour, "First 10k under 50 minutes today!", reacted(":clap:", 24, "❤️", 9, "🚀", 2)),
		},
	}
	return p
}

func boardUser(i int) gen.LeaderboardUser {
	return gen.LeaderboardUser{ID: id(100 + i), Number: int32(i + 1), DisplayName: people[i%len(people)]}
}

func leaderboardPage() Page {
	p := page(Leaderboard, "November challenge")
	v := &LeaderboardView{Page: 1, More: true, Filter: gen.LeaderboardFilterMonthly, ComputedAt: gen.NullableOf(at(3 * time.Minute))}
	v.Board = gen.Leaderboard{
		RankBy: "xps", Description: "The ten with the most XP on 30 November get a pair of shoes.", DisplayFieldsOrder: []string{"xps", "messages", "reactions"},
		TimeFilters: []gen.LeaderboardFilter{gen.LeaderboardFilterWeekly, gen.LeaderboardFilterMonthly, gen.LeaderboardFilterAllTime},
	}
	for i := range 12 {
		v.Entries = append(v.Entries, gen.LeaderboardEntry{
			Rank: gen.NullableOf(int32(i + 1)), User: boardUser(i), Value: float64(14200 - i*i*73 - i*411),
			Columns: map[string]any{"messages": float64(412 - i*20), "reactions": float64(90 + i*7)},
		})
	}
	v.Mine = &v.Entries[6]
	p.Leaderboard = v
	return p
}

func milestonePage() Page {
	p := page(Milestone, "Milestones")
	reached := func(before time.Duration) gen.Nullable[gen.Time] { return gen.NullableOf(at(before)) }
	never := gen.Null[gen.Time]()
	p.Milestones = &MilestonesView{
		Milestones: []gen.UserMilestone{
			{ID: id(40), Name: "Voice of the club", Field: "messages", Value: 63, Steps: []gen.UserMilestoneStep{
				{Value: 10, Reached: true, ReachedAt: reached(400 * time.Hour)}, {Value: 50, Reached: true, ReachedAt: reached(50 * time.Hour)}, {Value: 100, ReachedAt: never}, {Value: 500, ReachedAt: never}}},
			{ID: id(41), Name: "Collector", Field: "xp", Value: 12480, Steps: []gen.UserMilestoneStep{
				{Value: 1000, Reached: true, ReachedAt: reached(900 * time.Hour)}, {Value: 10000, Reached: true, ReachedAt: reached(30 * time.Hour)}, {Value: 25000, ReachedAt: never}}},
			{ID: id(42), Name: "Friends bring friends", Field: "referrals", Value: 0, Steps: []gen.UserMilestoneStep{{Value: 1, ReachedAt: never}, {Value: 5, ReachedAt: never}}},
		},
		Plans: map[string]gen.Milestone{
			id(40): {Steps: gen.MilestoneSteps{{Value: 10, XP: 20}, {Value: 50, XP: 100, Coins: 10}, {Value: 100, XP: 250, Coins: 25}, {Value: 500, XP: 1000, Coins: 100}}},
			id(41): {Steps: gen.MilestoneSteps{{Value: 1000, Coins: 10}, {Value: 10000, Coins: 100}, {Value: 25000, Coins: 250}}},
			id(42): {Steps: gen.MilestoneSteps{{Value: 1, XP: 200}, {Value: 5, XP: 1500, Coins: 150}}},
		},
	}
	return p
}

func socialsPage() Page {
	p := page(Socials, "Follow us around")
	link := func(n int, platform string, action gen.SocialAction, address string, xp, coins int32) gen.Social {
		return gen.Social{ID: id(n), Platform: platform, Action: action, URL: address, XP: xp, Coins: coins}
	}
	p.Socials = &SocialsView{
		Links: []gen.Social{
			link(50, "youtube", gen.SocialActionFollow, "https://www.youtube.com/@oldtownrunners", 50, 5),
			link(51, "instagram", gen.SocialActionLike, "https://www.instagram.com/p/Cx0", 20, 0),
			link(52, "strava", gen.SocialActionFollow, "https://www.strava.com/clubs/oldtown", 50, 10),
			link(53, "linkedin", gen.SocialActionShare, "https://www.linkedin.com/posts/oldtown-marathon", 120, 25),
			link(54, "reddit", gen.SocialActionComment, "https://www.reddit.com/r/running/comments/1abc", 30, 0),
		},
		Done: map[string]bool{id(50): true, id(52): true},
	}
	return p
}

var photo = map[string]string{} // an address of an image by the name of a product; the tests with a browser serve them

func product(n int, name string, kind gen.ProductType, price, current int32) gen.Product {
	return gen.Product{
		ID: id(60 + n), Name: name, Type: kind, Price: price, CurrentPrice: current, Image: photo[name],
		CategoryID: gen.NullableOf(id(81)), Category: gen.NullableOf("Gear"), Stocks: gen.Null[int32](),
		AvailableFrom: gen.Null[gen.Time](), AvailableUntil: gen.Null[gen.Time](), DiscountEndDate: gen.Null[gen.Time](),
		Description: "<p>Light, reflective and made of recycled yarn. It fits under any jacket.</p><ul><li>Machine wash at 30°</li><li>Sizes S to XL: say which in the address</li></ul>",
	}
}

func storePage() Page {
	p := page(Store, "Club store")
	coins := int64(1240)
	left := func(p gen.Product, n int32) gen.Product { p.Stocks = gen.NullableOf(n); return p }
	v := &StoreView{Page: 1, More: true, Balance: &coins}
	v.Store = gen.StoreConfig{IsEnabled: true, Title: "Club store", Description: "<p>Coins that you run for, spent on what you run with.</p>"}
	v.Categories = []gen.Category{{ID: id(80), Name: "Vouchers"}, {ID: id(81), Name: "Gear"}, {ID: id(82), Name: "Races"}}
	v.Products = []gen.Product{
		left(product(1, "Coffee after the long run", gen.ProductTypeVoucher, 120, 120), 42),
		left(product(2, "Reflective running vest", gen.ProductTypePhysical, 900, 720), 4),
		product(3, "12-week half marathon plan", gen.ProductTypeDigital, 400, 400),
		left(product(4, "Sports massage, 30 minutes", gen.ProductTypeVoucher, 1500, 1500), 9),
		left(product(5, "Club cap", gen.ProductTypePhysical, 350, 350), 0),
		product(6, "Starting place, City 10k", gen.ProductTypeDigital, 2200, 1870),
	}
	p.Store = v
	return p
}

func productPage() Page {
	p := storePage()
	chosen := p.Store.Products[1]
	chosen.UserInformation = gen.ProductQuestions{IsEnabled: true, ShouldCollectName: true, ShouldCollectAddress: true}
	chosen.DiscountEndDate = gen.NullableOf(at(-51 * time.Hour))
	p.Store.Product = &chosen
	return p
}

func ordersPage() Page {
	p := storePage()
	p.Store.ShowOrders, p.Store.More = true, false
	order := func(n int, what gen.Product, quantity int32, status string, category gen.StatusCategory, before time.Duration, codes ...string) gen.Purchase {
		return gen.Purchase{
			ID: id(90 + n), TransactionID: fmt.Sprintf("RJ-%06d", 1024+n), Quantity: quantity, Price: what.CurrentPrice, Total: int64(quantity * what.CurrentPrice),
			Product: gen.OrderedProduct{ID: what.ID, Name: what.Name, Type: what.Type, Image: what.Image}, Status: gen.OrderStatus{Name: status, Category: category}, CreatedAt: at(before), Vouchers: codes,
		}
	}
	all := p.Store.Products
	p.Store.Orders = []gen.Purchase{
		order(1, all[0], 2, "Complete", gen.StatusCategoryComplete, 30*time.Second, "COFFEE-7K2P-M9XD", "COFFEE-1R8T-Q4WZ"),
		order(2, all[1], 1, "Being packed", gen.StatusCategoryIncomplete, 30*time.Hour),
		order(3, all[4], 1, "Cancelled", gen.StatusCategoryCancelled, 900*time.Hour),
	}
	return p
}

func currencyPage() Page {
	p := page(Currency, "Your club card")
	streak := func(n int, name string, current, longest int64, done bool) gen.StreakStanding {
		return gen.StreakStanding{ID: id(n), Name: name, Current: current, Longest: longest, DoneInPeriod: done, EndsAt: at(-9 * time.Hour), Progress: []gen.StreakProgress{{Action: "messages", Value: 1, Target: 3}}}
	}
	p.Currency = &CurrencyView{
		Balance: gen.Balance{XP: 12480, Coins: 1240, Premium: 15}, ShowLevel: true, Level: 5, Tier: "Silver",
		Levels:  []gen.TierLevel{{Name: "Walker", XP: 0}, {Name: "Jogger", XP: 500}, {Name: "Runner", XP: 2000}, {Name: "Pacer", XP: 5000}, {Name: "Harrier", XP: 10000}, {Name: "Marathoner", XP: 16000}, {Name: "Ultra", XP: 40000}},
		Streaks: []gen.StreakStanding{streak(1, "Say something every day", 5, 21, false), streak(2, "Visit every day", 34, 34, true)},
		Badges: []gen.Badge{
			{Title: "Early bird", Description: "Ten runs before seven in the morning"}, {Title: "Finisher 2026", Description: "Crossed the line of the City 10k"},
			{Title: "Welcomer", Description: "Said hello to fifty new members"},
		},
	}
	return p
}

func overviewPage() Page {
	p := page(Overview, "Old Town Runners")
	o := gen.LoyaltyOverview{From: "2026-10-30", To: "2026-11-28", TimeZone: "Europe/Berlin", Interval: gen.OverviewIntervalDay}
	for i := range 30 {
		day := now.AddDate(0, 0, i-29).Format(time.DateOnly)
		wave := 1 + 0.35*math.Sin(float64(i)*2*math.Pi/7) + float64(i)*0.02
		o.Series = append(o.Series, gen.OverviewPart{
			From: day, To: day, New: int64(6 * wave), Active: int64(180 * wave), Messages: int64(900 * wave), Replies: int64(310 * wave * (1 + 0.2*math.Cos(float64(i)))),
			XPIssued: int64(15400 * wave), XPSpent: int64(2000 * wave), CoinsIssued: int64(1200 * wave), CoinsSpent: int64(700 * (1 + 0.6*math.Sin(float64(i)))),
		})
	}
	o.Members = gen.OverviewMembers{Total: 4812, New: 214, Active: 1903, Returning: 1689}
	o.Activity = gen.OverviewActivity{Messages: 31240, Replies: 11873, Reactions: 54120, Redemptions: 418}
	o.XP, o.Coins = gen.OverviewFlow{Issued: 612400, Spent: 84000}, gen.OverviewFlow{Issued: 48210, Spent: 29110}
	for i := range 6 {
		o.Highest = append(o.Highest, gen.OverviewMember{Rank: int32(i + 1), DisplayName: people[i], XP: int64(14200 - i*1730)})
	}
	o.Snapshot = &gen.OverviewSnapshot{ComputedAt: at(4 * time.Minute), XPOutstanding: 8123400, CoinsOutstanding: 391022, Tiers: []gen.OverviewTier{
		{Name: gen.NullableOf("Gold"), Members: 212}, {Name: gen.NullableOf("Silver"), Members: 1204}, {Name: gen.NullableOf("Bronze"), Members: 2790}, {Name: gen.Null[string](), Members: 606}}}
	p.Overview = &OverviewView{Overview: o, Range: 30}
	return p
}

func communityPage() Page {
	p := page(Community, "Old Town Runners")
	p.Token = "a token"
	p.Together = &CommunityView{Server: gen.Server{Name: "Old Town Runners"}}
	for _, kind := range []Kind{Currency, Channels, Leaderboard, Store} {
		p.Together.Widgets = append(p.Together.Widgets, Placed{Kind: kind, ID: id(2), Name: sentence(kind), Address: "/fixture/" + string(kind) + "?color=" + string(p.Theme())})
	}
	return p
}

// fixtures are pages by their names, each as it is and at its edges.
func fixtures() map[string]Page {
	all := map[string]Page{
		"channels": channelPage(), "leaderboard": leaderboardPage(), "milestone": milestonePage(), "socials": socialsPage(), "store": storePage(),
		"store-product": productPage(), "store-orders": ordersPage(), "currency": currencyPage(), "overview": overviewPage(), "community": communityPage(),
	}
	for _, state := range []State{Waiting, Refused, Failed, Missing, Ended, Left} {
		p := page(Store, "Club store")
		p.State, p.Me = state, nil
		all["state-"+string(state)] = p
	}
	for name, p := range empty() {
		all["empty-"+name] = p
	}
	for name, p := range edges() {
		all["edge-"+name] = p
	}
	return all
}

func empty() map[string]Page {
	all := map[string]Page{}
	for _, kind := range []Kind{Channels, Leaderboard, Milestone, Socials, Store, Currency, Overview, Community} {
		all[string(kind)] = page(kind, sentence(kind))
	}
	set := func(kind Kind, change func(*Page)) {
		p := all[string(kind)]
		change(&p)
		all[string(kind)] = p
	}
	set(Channels, func(p *Page) { p.Channel = &ChannelView{CanWrite: true} })
	set(Leaderboard, func(p *Page) { p.Leaderboard = &LeaderboardView{} })
	set(Milestone, func(p *Page) { p.Milestones = &MilestonesView{} })
	set(Socials, func(p *Page) { p.Socials = &SocialsView{} })
	set(Store, func(p *Page) { p.Store = &StoreView{} })
	set(Currency, func(p *Page) { p.Currency = &CurrencyView{ShowLevel: true} })
	set(Overview, func(p *Page) { p.Overview = &OverviewView{Range: 7} })
	set(Community, func(p *Page) { p.Together = &CommunityView{} })
	return all
}

// edges are pages with texts that are long, of another direction or hostile.
func edges() map[string]Page {
	channel, board, milestone, socials, store, product, currency, overview := channelPage(), leaderboardPage(), milestonePage(), socialsPage(), storePage(), productPage(), currencyPage(), overviewPage()
	texts := []string{tooLong, rtl, hostile}
	for i := range channel.Channel.Messages {
		m := &channel.Channel.Messages[i]
		m.Message, m.User.DisplayName = strings.Repeat(texts[i%3]+" ", 3), texts[(i+1)%3]
	}
	channel.Channel.Topic = hostile + tooLong
	for i := range board.Leaderboard.Entries {
		e := &board.Leaderboard.Entries[i]
		e.User.DisplayName, e.Value = texts[i%3], 1e15-float64(i)
	}
	unranked := gen.LeaderboardEntry{Rank: gen.NullableOf(int32(123456)), User: gen.LeaderboardUser{ID: id(999), DisplayName: tooLong}, Value: 0.25}
	board.Leaderboard.Mine, board.Leaderboard.Page = &unranked, 2
	for i := range milestone.Milestones.Milestones {
		milestone.Milestones.Milestones[i].Name = texts[i%3]
	}
	for i := range socials.Socials.Links {
		socials.Socials.Links[i].Platform, socials.Socials.Links[i].XP, socials.Socials.Links[i].Coins = texts[i%3], 1_000_000, 1_000_000
	}
	for i := range store.Store.Products {
		store.Store.Products[i].Name, store.Store.Products[i].Image = texts[i%3], "https://nowhere.invalid/missing.png"
	}
	store.Store.Categories[0].Name, store.Store.Categories[1].Name, store.Store.Store.Description = tooLong, rtl, hostile+"<p>"+rtl+"</p>"
	product.Store.Product.Name, product.Store.Product.Description, product.Store.Product.Category = rtl, strings.Repeat("<p>"+tooLong+"</p>", 4)+hostile, gen.NullableOf(hostile)
	product.Store.Product.CurrentPrice, product.Store.Product.Price = 1_000_000_000, 2_000_000_000
	currency.Currency.Balance = gen.Balance{XP: 1 << 50, Coins: -1 << 40, Premium: 1 << 50}
	currency.Currency.CoinName, currency.Currency.Tier, currency.Currency.Level = tooLong, rtl, 7
	for i := range currency.Currency.Badges {
		currency.Currency.Badges[i].Title, currency.Currency.Badges[i].Description = texts[i%3], strings.Repeat(texts[i%3], 2)
	}
	for i := range currency.Currency.Streaks {
		currency.Currency.Streaks[i].Name = texts[i%3]
	}
	for i := range overview.Overview.Overview.Highest {
		overview.Overview.Overview.Highest[i].DisplayName = texts[i%3]
	}
	overview.Overview.Overview.Snapshot, overview.Overview.Overview.Series = nil, overview.Overview.Overview.Series[:1]
	all := map[string]Page{"channels": channel, "leaderboard": board, "milestone": milestone, "socials": socials, "store": store, "store-product": product, "currency": currency, "overview": overview}
	for name, p := range all {
		p.Title = tooLong
		all[name] = p
	}
	return all
}

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// say adds a message to a channel.
// was demands that something was there.
func (l *life) was(there bool, err error) error {
	if err == nil && !there {
		l.Error("it was not there")
	}
	return err
}

func (l *life) say(server, channel, topic string, account int64, text string, replyTo ...string) Message {
	l.Helper()
	m := Message{ServerID: server, Account: account, Message: gen.Message{ID: l.id(), Message: text, Timestamp: l.now()}}
	m.Channel.ChannelID, m.ForumTopicID, m.ReplyTo = channel, gen.Null[string](), gen.Null[string]()
	if topic != "" {
		m.ForumTopicID = gen.NullableOf(topic)
	}
	for _, to := range replyTo {
		m.ReplyTo = gen.NullableOf(to)
	}
	l.must(l.s.SharedTx(l.Context(), func(tx *Tx) error { return tx.Messages.Insert(l.Context(), &m, words.Of(text)) }))
	line := LedgerLine{ServerID: server, Account: account, Action: "messages", Reason: "messages/" + m.ID, Day: 20513, Deed: true, Counts: Counts{Messages: 1}}
	if len(replyTo) > 0 {
		line.Action, line.Reason, line.Counts.Replies = "replies", "replies/"+m.ID, 1
	}
	l.tx(func(tx *Tx) error { l.adds(tx, line); return nil })
	return m
}

func idsOfMessages(messages []Message) (ids []string) {
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// talks does in a channel of a server what two members do there.
func (l *life) talks(server string, ann, ben int64) {
	ctx, q := l.Context(), l.s.Messages
	channels, err := l.s.Channels.List(ctx, server, Viewer{Full: true})
	l.must(err)
	channel := channels[0].ID
	first, second := l.say(server, channel, "", ann, "Hello"), l.say(server, channel, "", ben, "Hello, Ann")
	third := l.say(server, channel, "", ann, "Well", second.ID)
	ids := func(messages []Message, err error) string {
		l.must(err)
		return strings.Join(idsOfMessages(messages), " ")
	}
	want := l.are
	all := MessageScope{ChannelID: channel}
	byAnn := MessageScope{ChannelID: channel, Account: ann}
	want(ids(q.List(ctx, all, Oldest, Newest, 10)), third, second, first)
	want(ids(q.List(ctx, all, Oldest, third.Position, 1)), second)
	want(ids(q.List(ctx, byAnn, Oldest, Newest, 10)), third, first)
	want(ids(q.List(ctx, MessageScope{ChannelID: channel, TopicID: "t"}, Oldest, Newest, 10)))
	want(ids(q.List(ctx, MessageScope{ChannelID: channel, TopicID: "t", Account: ann}, Oldest, Newest, 10)))
	want(ids(q.Search(ctx, all, words.Of("HELLO"), Newest, 10)), second, first)
	want(ids(q.Search(ctx, byAnn, words.Of("hello"), Newest, 10)), first)
	want(ids(q.Search(ctx, all, words.Of("ann hello"), Newest, 10)), second)
	want(ids(q.Search(ctx, all, words.Of("hello"), second.Position, 10)), first)
	l.counts(server, channel, map[int64]int64{0: 3, ann: 2, ben: 1})
	if found, err := q.CountFound(ctx, all, words.Of("hello"), 10); err != nil || found != 2 {
		l.Errorf("got %d, %v; want 2", found, err)
	}

	shared := l.sharedTx
	for range 2 { // the second time changes nothing
		shared(func(tx *Tx) error { return reacts(ctx, tx, first, ":ok:", ann, l.now().Time) })
	}
	shared(func(tx *Tx) error { return reacts(ctx, tx, first, "👍", ann, l.now().Time) })
	shared(func(tx *Tx) error { return reacts(ctx, tx, first, "👍", ben, l.now().Time) })
	shared(func(tx *Tx) error { return l.was(tx.Messages.Unreact(ctx, first, ":ok:", ann)) })
	l.tx(func(tx *Tx) error {
		l.must(tx.Messages.Pin(ctx, first.ID, true))
		first.Message.Message = "Good day"
		return tx.Messages.Update(ctx, first, words.Of("Good day"), l.now().Time)
	})
	got, err := q.Get(ctx, first.ID)
	l.must(err)
	if !got.Pinned || got.Message.Message != "Good day" || !slices.Equal(got.Reactions, []gen.MessageReaction{{Emoji: "👍", Count: 2}}) {
		l.Errorf("got %+v", got)
	}
	want(ids(q.Search(ctx, all, words.Of("hello"), Newest, 10)), second)
	shared(func(tx *Tx) error {
		l.must(tx.Messages.Hold(ctx, second.ID))
		return tx.Messages.Delete(ctx, second, l.nowAt)
	})
	want(ids(q.List(ctx, all, Oldest, Newest, 10)), third, first)
	want(ids(q.Search(ctx, all, words.Of("hello"), Newest, 10)))
	l.talksWithImages(first, third, ben)
	l.talksOnTopics(server, channel, ann, ben)
	l.tx(func(tx *Tx) error {
		more, err := tx.Messages.DeleteReactions(ctx, second.Position, 10)
		if more {
			l.Error("there are more reactions")
		}
		return err
	})
}

// talksWithImages gives the second of two messages of one author an image; another one that the author has uploaded stays unused.
func (l *life) talksWithImages(first, third Message, another int64) {
	ctx, q, server, ann := l.Context(), l.s.Messages, third.ServerID, third.Account
	image := func(at time.Time) MessageUpload {
		i := MessageUpload{ServerID: server, Account: ann, Kind: "png", At: at, MessageImage: gen.MessageImage{ID: l.id(), Name: "a b.png", Size: 7}}
		l.tx(func(tx *Tx) error {
			l.must(tx.Images.Insert(ctx, i.ID, ann, at))
			l.must(tx.Images.Show(ctx, i.ID, i.Size))
			return tx.Messages.InsertImage(ctx, i)
		})
		return i
	}
	used, unused := image(l.nowAt), image(l.nowAt.Add(-time.Hour))
	takes := func(m Message, id string, account int64) (taken bool) {
		l.sharedTx(func(tx *Tx) (err error) { taken, err = tx.Messages.TakeImage(ctx, m, id, account, 0); return err })
		return taken
	}
	if takes(third, used.ID, another) || takes(third, l.id(), ann) || !takes(third, used.ID, ann) || takes(first, used.ID, ann) {
		l.Error("an image is for one message of who has uploaded it")
	}
	want := []gen.MessageImage{{ID: used.ID, Name: "a b.png", URL: "/images/" + used.ID, Type: "image/png", Size: 7}}
	if got, err := q.Get(ctx, third.ID); err != nil || !slices.Equal(got.Images, want) {
		l.Errorf("got %+v, %v", got.Images, err)
	}
	l.tx(func(tx *Tx) error {
		more, err := tx.Messages.DeleteUnused(ctx, l.nowAt, l.nowAt, 10)
		if more {
			l.Error("there are more images")
		}
		return err
	})
	for id, want := range map[string]bool{used.ID: true, unused.ID: false} {
		if shown, err := l.s.Images.IsShown(ctx, id); err != nil || shown != want {
			l.Errorf("an image is shown: %v, %v, want %v", shown, err, want)
		}
	}
}

// are wants ids to be those of messages.
func (l *life) are(got string, messages ...Message) {
	l.Helper()
	if wanted := strings.Join(idsOfMessages(messages), " "); got != wanted {
		l.Errorf("got %q, want %q", got, wanted)
	}
}

// counts wants so many messages of each account, 0 for all, in the only channel with any.
func (l *life) counts(server, channel string, want map[int64]int64) {
	l.Helper()
	ctx, q, everything := l.Context(), l.s.Messages, Viewer{Full: true}
	for account, n := range want {
		count, err := q.Count(ctx, MessageScope{ChannelID: channel, Account: account})
		seen, errSeen := q.CountSeen(ctx, server, everything, account)
		heads, errHeads := q.ListHeads(ctx, server, everything, account, Newest)
		if err := errors.Join(err, errSeen, errHeads); err != nil || count != n || seen != n || len(heads) != 1 || heads[0].ChannelID != channel {
			l.Errorf("got %d, %d, %v, %v; want %d", count, seen, heads, err, n)
		}
	}
}

func (l *life) sharedTx(fn func(tx *Tx) error) {
	l.Helper()
	l.must(l.s.SharedTx(l.Context(), fn))
}

// talksOnTopics goes on when two members have talked: two messages of the first are left.
func (l *life) talksOnTopics(server, channel string, ann, ben int64) {
	ctx, q, shared, all := l.Context(), l.s.Messages, l.sharedTx, MessageScope{ChannelID: channel}
	var topics []Topic
	for i := range 2 {
		topics = append(topics, Topic{Account: ann, Topic: gen.Topic{ID: l.id(), ChannelID: channel, Title: "x", CreatedAt: l.now()}})
		shared(func(tx *Tx) error { return tx.Messages.InsertTopic(ctx, topics[i]) })
		for j := range 3 {
			m := l.say(server, channel, topics[i].ID, []int64{ann, ben}[j%2], "on topic")
			shared(func(tx *Tx) error { return reacts(ctx, tx, m, ":ok:", ann, l.now().Time) })
		}
	}
	if found, err := q.ListTopics(ctx, channel, Page{Limit: 10}); err != nil || len(found) != 2 || found[0].ID != topics[1].ID {
		l.Errorf("got %v, %v", found, err)
	}
	if n, err := q.CountTopics(ctx, channel); err != nil || n != 2 {
		l.Errorf("got %d topics, %v", n, err)
	}
	inTopic := MessageScope{ChannelID: channel, TopicID: topics[0].ID}
	l.check(q.GetTopic(ctx, channel, topics[0].ID))
	if found, err := q.Search(ctx, inTopic, words.Of("topic"), Newest, 10); err != nil || len(found) != 3 {
		l.Errorf("got %v, %v", found, err)
	}
	shared(func(tx *Tx) error { return tx.Messages.DeleteTopic(ctx, topics[0].ID) })
	if found, err := q.List(ctx, all, Oldest, Newest, 10); err != nil || len(found) != 5 {
		l.Errorf("got %d messages, %v; want what is not in the topic that is gone", len(found), err)
	}
	for more := true; more; {
		l.tx(func(tx *Tx) (err error) { more, err = tx.Messages.DeleteRest(ctx, inTopic, 2, l.nowAt); return err })
	}
	l.counts(server, channel, map[int64]int64{0: 5, ann: 4, ben: 1})
}

func TestPositionsAreInTheOrderInWhichMessagesWereSent(t *testing.T) {
	p, now := new(positions), time.Now()
	last := int64(0)
	for i := range 10_000 { // more than there are positions in a moment; and a clock that goes back
		next := p.next(now.Add(-time.Duration(i%7) * time.Second))
		if next <= last {
			t.Fatalf("%d comes after %d", next, last)
		}
		last = next
	}
	m := Message{Position: last}
	if position, err := PositionOf(m.Place()); err != nil || position != last {
		t.Errorf("got %d, %v; want %d", position, err, last)
	}
	for _, id := range []string{"", "g", "1000", "-1"} {
		if _, err := PositionOf(Position{ID: id}); !errors.Is(err, ErrPosition) {
			t.Errorf("%q: got %v", id, err)
		}
	}
}

// What a text is found by is the same on both databases, because it is made before it comes to them.
func TestSearchFindsWordsOfEveryScript(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		l := &life{T: t, s: open(t, url), nowAt: time.Now()}
		ann := l.account()
		server := l.server(ann)
		channels, err := l.s.Channels.List(t.Context(), server, Viewer{Full: true})
		l.must(err)
		scope := MessageScope{ChannelID: channels[0].ID}
		texts := []string{
			"Die Straße ist naß", "DIE STRASSE IST NASS", "ıstanbul", "istanbul İstanbul", "e\u0301t\u00e9", "हिन्दी भाषा", "東京タワー", "שלום עולם",
			"'quoted' \\back :tag & | ! ( ) * <-> \"and\" OR NOT NEAR", strings.Repeat("x", 4000), "§" + channels[0].ID, "👍 😀", "\u202eevil\u2066",
		}
		for _, text := range texts {
			l.say(server, channels[0].ID, "", ann, text)
		}
		for search, want := range map[string]int{
			"strasse": 2, "STRAẞE": 2, "nass": 2, "ISTANBUL": 1, "ıSTANBUL": 1, "istanbul": 1, "ÉTÉ": 1, "हिन्दी": 1, "京都": 0, "東京": 1, "京東": 1, "שלום": 1,
			"quoted": 1, "or not near": 1, "tag -tag": 1, "quoted*": 1, "quo": 0, "and & or": 1, strings.Repeat("X", 100): 1, channels[0].ID: 1, "evil": 1, "'": 0,
		} {
			asked := words.Of(search)
			if len(asked) == 0 {
				continue
			}
			found, err := l.s.Messages.Search(t.Context(), scope, asked, Newest, 100)
			if err != nil || len(found) != want {
				t.Errorf("%q finds %d messages, %v; want %d", search, len(found), err, want)
			}
		}
	})
}

func TestAMessageHasSoManyDifferentReactions(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		l := &life{T: t, s: open(t, url), nowAt: time.Now()}
		ann := l.account()
		server := l.server(ann)
		channels, err := l.s.Channels.List(t.Context(), server, Viewer{Full: true})
		l.must(err)
		m := l.say(server, channels[0].ID, "", ann, "Hello")
		react := func(i int) error {
			return l.s.SharedTx(t.Context(), func(tx *Tx) error {
				return reacts(t.Context(), tx, m, fmt.Sprintf(":%d:", i), ann, l.now().Time)
			})
		}
		for i := range MaxReactions {
			l.must(react(i))
		}
		var full *LimitError
		if err := react(MaxReactions); !errors.As(err, &full) {
			t.Errorf("one more: got %v", err)
		}
		l.must(react(0))
	})
}

func reacts(ctx context.Context, tx *Tx, to Message, emoji string, account int64, at time.Time) error {
	_, err := tx.Messages.React(ctx, to, emoji, account, at)
	return err
}

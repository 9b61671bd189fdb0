package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Messages holds what members have said in channels, and who has reacted to it.
type Messages struct{ *conn }

// A Message is one, and what has no place on the wire. Its author's e-mail address and the key that has sent it are not for
// everybody, and the addresses of its images are paths.
type Message struct {
	gen.Message
	Position int64 // in the order of all messages
	ServerID string
	Account  int64 // of its author
}

// Before and behind all messages.
const (
	Oldest int64 = 0
	Newest int64 = latest
)

// How many bits of a position are below its moment.
const positionBits = 12

// PositionOf is the position of a message that has this place in a list.
func PositionOf(p Position) (int64, error) {
	low, err := strconv.ParseUint(p.ID, 16, positionBits)
	if err != nil {
		return 0, ErrPosition
	}
	return p.At.UnixMicro()<<positionBits | int64(low), nil
}

// Place is the place of a message in a list.
func (m Message) Place() Position {
	return PlaceOf(m.Position)
}

// PlaceOf is the place in a list of what has this position.
func PlaceOf(position int64) Position {
	return Position{At: gen.Time{Time: time.UnixMicro(position >> positionBits)}, ID: fmt.Sprintf("%x", position&(1<<positionBits-1))}
}

// positions hands out the positions of messages, each behind the one before it.
type positions struct {
	mu   sync.Mutex
	last int64
}

func (p *positions) next(at time.Time) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = max(p.last+1, at.UnixMicro()<<positionBits|rand.Int64N(1<<positionBits)) // other replicas are at the same moment
	return p.last
}

const messageColumns = `SELECT m.position, m.server_id, m.account, m.id, m.text, CASE WHEN a.erased_at IS NULL THEN a.email END, a.id, a.username, a.display_name, a.avatar_image_id,
	       m.channel_id, c.topic, m.at, m.reply_to, m.topic_id, m.edited_at, m.pinned, m.key_id,
	       (SELECT string_agg(r.emoji || ' ' || CAST(r.n AS TEXT), ',' ORDER BY r.at, r.emoji) FROM message_reaction_counts r WHERE r.message = m.position),
	       (SELECT string_agg(i.image_id || '/' || i.type || '/' || CAST(i.size AS TEXT) || '/' || i.name, '//' ORDER BY i.ordinal)
	          FROM message_images i WHERE i.message = m.position)
	  FROM `

func scanMessage(rows *sql.Rows) (m Message, err error) {
	var email, username, avatar, replyTo, topic, byKey, reactions, images sql.NullString
	err = rows.Scan(&m.Position, &m.ServerID, &m.Account, &m.ID, &m.Message.Message, &email, &m.User.ID, &username, &m.User.DisplayName, &avatar,
		&m.Channel.ChannelID, &m.Channel.Name, micros{&m.Timestamp}, &replyTo, &topic, nullableMicros{&m.EditedAt}, &m.Pinned, &byKey,
		&reactions, &images)
	if err != nil {
		return m, err
	}
	m.User.UserID, m.User.Email = m.Account, nullableOf(email)
	m.User.Username, m.User.Avatar = nullableOf(username), ImagePath(avatar.String)
	m.ReplyTo, m.ForumTopicID, m.ByKey = nullableOf(replyTo), nullableOf(topic), nullableOf(byKey)
	if m.Reactions, err = splitReactions(reactions.String); err == nil {
		m.Images, err = splitImages(images.String)
	}
	return m, err
}

func splitReactions(joined string) ([]gen.MessageReaction, error) {
	all := []gen.MessageReaction{}
	for one := range strings.SplitSeq(joined, ",") {
		if one == "" {
			continue
		}
		emoji, n, _ := strings.Cut(one, " ")
		count, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("a reaction is %q in the database", one)
		}
		all = append(all, gen.MessageReaction{Emoji: emoji, Count: count})
	}
	return all, nil
}

func splitImages(joined string) ([]gen.MessageImage, error) {
	all := []gen.MessageImage{}
	for one := range strings.SplitSeq(joined, "//") {
		if one == "" {
			continue
		}
		parts := strings.SplitN(one, "/", 4)
		size, err := strconv.ParseInt(parts[min(2, len(parts)-1)], 10, 64)
		if err != nil || len(parts) != 4 {
			return nil, fmt.Errorf("an image is %q in the database", one)
		}
		all = append(all, gen.MessageImage{ID: parts[0], Type: "image/" + parts[1], Size: size, Name: parts[3], URL: imagesPath + parts[0]})
	}
	return all, nil
}

// Who has sent a message, and where it is. What is in a channel or a topic that is gone is not there.
const (
	aroundMessage = ` JOIN channels c ON c.id = m.channel_id JOIN accounts a ON a.number = m.account `
	inTopic       = `(m.topic_id IS NULL OR (SELECT t.id FROM topics t WHERE t.id = m.topic_id) IS NOT NULL) ` // EXISTS would read all topics
)

// Get returns a message. Who may see it is not asked.
func (q Messages) Get(ctx context.Context, id string) (Message, error) {
	return get(ctx, q.conn, scanMessage, messageColumns+`messages m`+aroundMessage+`WHERE m.id = $1 AND `+inTopic+`/* FOR SHARE OF m */`, id)
}

// Hold is for who deletes a message: nobody else does before the transaction has ended. Get alone would let several begin, who then
// wait for each other.
func (q Messages) Hold(ctx context.Context, id string) error {
	_, err := get(ctx, q.conn, scanOne[string], `SELECT id FROM messages WHERE id = $1 /* FOR UPDATE */`, id)
	return err
}

// A MessageScope is where messages are looked for, and of whom: in a channel, or a topic of it, of one author or of everybody.
type MessageScope struct {
	ChannelID string
	TopicID   string // empty: the whole channel
	Account   int64  // 0: everybody
}

// totals are by a channel or a topic.
func (s MessageScope) id() string { return cmp.Or(s.TopicID, s.ChannelID) }

// List returns some messages between two positions, newest first.
func (q Messages) List(ctx context.Context, scope MessageScope, after, before int64, some int) ([]Message, error) {
	// The index alone finds the page; what else there is to know is read for its messages only.
	const newest, newestOf = `m.position > $2 AND m.position < $3 ORDER BY m.position DESC`, `-m.position < -CAST($2 AS BIGINT) AND -m.position > -CAST($3 AS BIGINT) ORDER BY -m.position`
	page := func(where, order string, args ...any) ([]Message, error) {
		return list(ctx, q.conn, scanMessage, messageColumns+`(SELECT * FROM messages m WHERE `+where+order+` LIMIT $4) m`+aroundMessage+`ORDER BY m.position DESC`+unlocked,
			append([]any{scope.id(), after, before, some}, args...)...)
	}
	switch {
	case scope.TopicID == "" && scope.Account == 0:
		return page(inTopic+`AND m.channel_id = $1 AND `, newest)
	case scope.TopicID == "":
		return page(inTopic+`AND m.channel_id = $1 AND m.account = $5 AND `, newestOf, scope.Account)
	case scope.Account == 0:
		return page(`m.topic_id = $1 AND `, newest)
	}
	return page(`m.topic_id = $1 AND m.account = $5 AND `, newestOf, scope.Account)
}

// A Head is a channel and the position of its newest message.
type Head struct {
	ChannelID string
	Position  int64
}

// ListHeads returns the channels of a server that a viewer sees and that have messages before a position, of one author or of
// everybody (0), those with the newest ones first.
func (q Messages) ListHeads(ctx context.Context, serverID string, viewer Viewer, account, before int64) ([]Head, error) {
	heads := func(newest string, args ...any) ([]Head, error) {
		return list(ctx, q.conn, scanHead, `SELECT c.id, (SELECT m.position FROM messages m WHERE m.channel_id = c.id`+newest+` LIMIT 1)
	  FROM channels c WHERE c.server_id = $1 AND `+visible+unlocked, append([]any{serverID, viewer.Account, viewer.Full, before}, args...)...)
	}
	var all []Head
	var err error
	if account == 0 {
		all, err = heads(` AND m.position < $4 ORDER BY m.position DESC`)
	} else {
		all, err = heads(` AND m.account = $5 AND -m.position > -CAST($4 AS BIGINT) ORDER BY -m.position`, account)
	}
	return newestHeads(all), err
}

func scanHead(rows *sql.Rows) (h Head, err error) {
	var position sql.NullInt64
	err = rows.Scan(&h.ChannelID, &position)
	h.Position = position.Int64
	return h, err
}

// newestHeads are those of channels that have any, the newest first.
func newestHeads(all []Head) []Head {
	all = slices.DeleteFunc(all, func(h Head) bool { return h.Position == 0 })
	slices.SortFunc(all, func(a, b Head) int { return cmp.Compare(b.Position, a.Position) })
	return all
}

// How a message is found by what is not a word of its text: no word has this sign.
func (s MessageScope) marks() []string {
	marks := []string{"§" + s.ChannelID}
	if s.TopicID != "" {
		marks = append(marks, "§"+s.TopicID)
	}
	if s.Account != 0 {
		marks = append(marks, "§"+Number(s.Account))
	}
	return marks
}

// Search returns some messages with all of some words, before a position, newest first.
func (q Messages) Search(ctx context.Context, scope MessageScope, words []string, before int64, some int) ([]Message, error) {
	find := func(how string) ([]Message, error) {
		return list(ctx, q.conn, scanMessage, messageColumns+`messages m`+aroundMessage+`WHERE m.channel_id = $4 AND m.position IN (`+how+`) AND `+inTopic+
			`ORDER BY m.position DESC`+unlocked, q.pool.allWords(append(scope.marks(), words...)), before, some, scope.ChannelID)
	}
	if q.pool.findLate != "" {
		if found, err := find(q.pool.findLate); err != nil || len(found) == some {
			return found, err
		}
	}
	return find(q.pool.findWords)
}

// CountFound tells how many messages have all of some words, as far as one cares to know.
func (q Messages) CountFound(ctx context.Context, scope MessageScope, words []string, atMost int) (int64, error) {
	return get(ctx, q.conn, scanOne[int64], `SELECT COUNT(*) FROM (`+q.pool.countAll+`) AS found`+unlocked,
		q.pool.allWords(append(scope.marks(), words...)), Newest, atMost)
}

// messageShards is how many rows there are of how many messages a channel has: those who send at once do not wait for each
// other.
const messageShards = 8

func (q Messages) count(ctx context.Context, scope MessageScope, n int64) error {
	add := func(of string, account, shard int64) error {
		return q.exec(ctx, `INSERT INTO message_totals (scope, account, shard, n) VALUES ($1, $2, $3, $4)
	ON CONFLICT (scope, account, shard) DO UPDATE SET n = message_totals.n + excluded.n`, of, account, shard, n)
	}
	for _, of := range []string{scope.ChannelID, scope.TopicID} { // always in this order, or two would wait for each other
		if of == "" {
			continue
		}
		if err := add(of, 0, q.shard%messageShards); err != nil {
			return err
		}
		if err := add(of, scope.Account, 0); err != nil {
			return err
		}
	}
	return nil
}

// Count tells how many messages there are.
func (q Messages) Count(ctx context.Context, scope MessageScope) (int64, error) {
	return get(ctx, q.conn, scanOne[int64], `SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM message_totals WHERE scope = $1 AND account = $2`+unlocked,
		scope.id(), scope.Account)
}

// CountSeen tells how many messages there are in the channels of a server that a viewer sees, of one author or of everybody (0).
func (q Messages) CountSeen(ctx context.Context, serverID string, viewer Viewer, account int64) (int64, error) {
	return get(ctx, q.conn, scanOne[int64], `SELECT CAST(COALESCE(SUM(t.n), 0) AS BIGINT) FROM channels c JOIN message_totals t ON t.scope = c.id AND t.account = $4
	 WHERE c.server_id = $1 AND `+visible+unlocked, serverID, viewer.Account, viewer.Full, account)
}

func (m Message) scope() MessageScope {
	topic, _ := m.ForumTopicID.Get()
	return MessageScope{ChannelID: m.Channel.ChannelID, TopicID: topic, Account: m.Account}
}

// Insert adds a message with the words of its text, and counts it. It gives the message its position.
func (q Messages) Insert(ctx context.Context, m *Message, words []string) error {
	for added := false; !added; { // as long as another replica has this position
		var err error
		m.Position = q.pool.sent.next(m.Timestamp.Time)
		if added, err = q.insertWords(ctx, *m, words); err != nil {
			return err
		}
	}
	if err := q.exec(ctx, `INSERT INTO messages (position, id, server_id, channel_id, account, topic_id, reply_to, text, at, key_id)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		m.Position, m.ID, m.ServerID, m.Channel.ChannelID, m.Account, textOf(m.ForumTopicID), textOf(m.ReplyTo), m.Message.Message, m.Timestamp.UnixMicro(), textOf(m.ByKey)); err != nil {
		return err
	}
	return q.count(ctx, m.scope(), 1)
}

func (q Messages) insertWords(ctx context.Context, m Message, words []string) (added bool, err error) {
	return q.changed(ctx, q.pool.addWords, m.Position, strings.Join(append(m.scope().marks(), words...), " "))
}

func (q Messages) deleteWords(ctx context.Context, position int64) error {
	return q.exec(ctx, `DELETE FROM message_words WHERE rowid = $1`, position)
}

// Update replaces the text of a message, and its words.
func (q Messages) Update(ctx context.Context, m Message, words []string, at time.Time) error {
	if err := q.change(ctx, `UPDATE messages SET text = $2, edited_at = $3 WHERE id = $1`, m.ID, m.Message.Message, at.UnixMicro()); err != nil {
		return err
	}
	if err := q.deleteWords(ctx, m.Position); err != nil {
		return err
	}
	_, err := q.insertWords(ctx, m, words)
	return err
}

// Pin says whether a message is pinned.
func (q Messages) Pin(ctx context.Context, id string, pinned bool) error {
	return q.change(ctx, `UPDATE messages SET pinned = $2 WHERE id = $1`, id, pinned)
}

// Delete ends a message: nobody finds it any more, and its images leave. Its reactions are removed by DeleteReactions, because
// there may be any amount of them.
func (q Messages) Delete(ctx context.Context, m Message, at time.Time) error {
	if err := q.change(ctx, `DELETE FROM messages WHERE id = $1`, m.ID); err != nil {
		return err
	}
	if err := q.leaveImages(ctx, at, `DELETE FROM message_images WHERE message = $1 RETURNING image_id`, m.Position); err != nil {
		return err
	}
	if err := q.deleteWords(ctx, m.Position); err != nil {
		return err
	}
	return q.count(ctx, m.scope(), -1)
}

// MaxReactions is how many different reactions a message may have. The contract says so.
const MaxReactions = 50

// React adds a reaction of an account, and tells whether it was not there. Beyond MaxReactions different ones it is a LimitError.
func (q Messages) React(ctx context.Context, m Message, emoji string, account int64, at time.Time) (added bool, err error) {
	added, err = q.changed(ctx, `INSERT INTO message_reactions (message, emoji, account) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		m.Position, emoji, account)
	if err != nil || !added {
		return false, err
	}
	if err := q.exec(ctx, `INSERT INTO message_reaction_counts (message, emoji, n, at) VALUES ($1, $2, 1, $3)
	ON CONFLICT (message, emoji) DO UPDATE SET n = message_reaction_counts.n + 1`, m.Position, emoji, at.UnixMicro()); err != nil {
		return false, err
	}
	different, err := list(ctx, q.conn, scanOne[string], `SELECT emoji FROM message_reaction_counts WHERE message = $1 LIMIT $2`+unlocked,
		m.Position, MaxReactions+1)
	if err != nil {
		return false, err
	}
	if len(different) > MaxReactions {
		return false, &LimitError{Most: MaxReactions, What: "different reactions to a message"}
	}
	return true, nil
}

// Unreact takes a reaction of an account back, and tells whether it was there.
func (q Messages) Unreact(ctx context.Context, m Message, emoji string, account int64) (gone bool, err error) {
	gone, err = q.changed(ctx, `DELETE FROM message_reactions WHERE message = $1 AND emoji = $2 AND account = $3`, m.Position, emoji, account)
	if err != nil || !gone {
		return gone, err
	}
	if err := q.exec(ctx, `UPDATE message_reaction_counts SET n = n - 1 WHERE message = $1 AND emoji = $2`, m.Position, emoji); err != nil {
		return gone, err
	}
	return gone, q.exec(ctx, `DELETE FROM message_reaction_counts WHERE message = $1 AND emoji = $2 AND n = 0`, m.Position, emoji)
}

// DeleteReactions removes some of the reactions to a message that is gone, and tells whether there may be more.
func (q Messages) DeleteReactions(ctx context.Context, position int64, some int) (more bool, err error) {
	more, err = q.changed(ctx, `DELETE FROM message_reactions WHERE (message, emoji, account) IN (
	       SELECT message, emoji, account FROM message_reactions WHERE message = $1 LIMIT $2)`, position, some)
	if err != nil || more {
		return true, err
	}
	return false, q.exec(ctx, `DELETE FROM message_reaction_counts WHERE message = $1`, position)
}

// messagesAtOnce is how many messages one step of a removal takes at most.
const messagesAtOnce = 100

// DeleteRest removes some of what a channel or topic that is gone has left, and tells whether there may be more. The images
// of these messages leave.
func (q Messages) DeleteRest(ctx context.Context, scope MessageScope, some int, at time.Time) (more bool, err error) {
	const (
		ofChannel = ` FROM messages WHERE channel_id = $1 ORDER BY position LIMIT $2)`
		ofTopic   = ` FROM messages WHERE topic_id = $1 ORDER BY position LIMIT $2)`
	)
	id, first, few := scope.id(), ofChannel, min(some, messagesAtOnce)
	if scope.TopicID != "" {
		first = ofTopic
	}
	more, err = q.changed(ctx, `DELETE FROM message_reactions WHERE (message, emoji, account) IN (
	       SELECT message, emoji, account FROM message_reactions WHERE message IN (SELECT position`+first+` LIMIT $3)`, id, few, some)
	if err != nil || more {
		return true, err
	}
	if err := q.exec(ctx, `DELETE FROM message_reaction_counts WHERE message IN (SELECT position`+first, id, few); err != nil {
		return true, err
	}
	if err := q.leaveImages(ctx, at, `DELETE FROM message_images WHERE message IN (SELECT position`+first+` RETURNING image_id`, id, few); err != nil {
		return true, err
	}
	gone, err := list(ctx, q.conn, func(rows *sql.Rows) (m Message, err error) {
		var topic sql.NullString
		err = rows.Scan(&m.Position, &m.Channel.ChannelID, &m.Account, &topic)
		m.ForumTopicID = nullableOf(topic)
		return m, err
	}, `DELETE FROM messages WHERE id IN (SELECT id`+first+` RETURNING position, channel_id, account, topic_id`, id, few)
	if err != nil {
		return true, err
	}
	for _, m := range gone {
		if err := q.deleteWords(ctx, m.Position); err != nil {
			return true, err
		}
	}
	if scope.TopicID != "" { // of a channel, all goes
		if err := q.countAllGone(ctx, gone); err != nil {
			return true, err
		}
	}
	if len(gone) > 0 {
		return true, nil
	}
	if scope.TopicID == "" {
		if more, err := Charts(q).deleteIn(ctx, scope.ChannelID, some); err != nil || more {
			return true, err
		}
		topic, err := get(ctx, q.conn, scanOne[string], `SELECT id FROM topics WHERE channel_id = $1 LIMIT 1`+unlocked, scope.ChannelID)
		if err == nil {
			if more, err = q.deleteTotals(ctx, topic, some); err == nil && !more {
				err = q.DeleteTopic(ctx, topic)
			}
			return true, err
		}
		if !errors.Is(err, ErrNotFound) {
			return true, err
		}
	}
	if more, err := q.deleteTotals(ctx, id, some); err != nil || more {
		return true, err
	}
	return false, q.exec(ctx, `DELETE FROM tallies WHERE whose = $1 AND kind = $2`, id, topicsTally.kind)
}

// countAllGone counts messages out.
func (q Messages) countAllGone(ctx context.Context, gone []Message) error {
	n := map[MessageScope]int64{}
	for _, m := range gone {
		n[m.scope()]++
	}
	scopes := slices.SortedFunc(maps.Keys(n), func(a, b MessageScope) int { return cmp.Compare(a.Account, b.Account) })
	for _, scope := range scopes {
		if err := q.count(ctx, scope, -n[scope]); err != nil {
			return err
		}
	}
	return nil
}

func (q Messages) deleteTotals(ctx context.Context, of string, some int) (more bool, err error) {
	return q.changed(ctx, `DELETE FROM message_totals WHERE (scope, account, shard) IN (
	       SELECT scope, account, shard FROM message_totals WHERE scope = $1 LIMIT $2)`, of, some)
}

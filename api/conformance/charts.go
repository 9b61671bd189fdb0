package conformance

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// atAnalyses is where analyses are.
const atAnalyses = "/apis/v1/analysis"

var (
	said   = object{"direction": "BULLISH", "entryPlacement": "BELOW_CURRENT", "title": "Bounce", "symbol": "GBP/USD", "preferenceText": "From [[zone:the zone]] to [[res:the top]]."}
	levels = object{"pivot": level(1.345, "piv"), "resistance": level(1.35, "res"), "support": level(1.341, "sup")}
	zone   = object{"type": "RECTANGLE", "clientObjectId": "zone", "points": []any{point(10, 1.34), point(12, 1.342)}, "style": object{"fillColor": "#00FF00", "borderColor": "#008800", "lineWidth": 1}}
	arrow  = object{"type": "LINE", "clientObjectId": "arrow", "points": []any{point(12, 1.345), point(18, 1.35)}, "startHead": "NONE", "endHead": "ARROW", "style": object{"color": "#0000FF", "lineWidth": 2, "lineStyle": "DASHED"}}
	across = object{"type": "HORIZONTAL_LINE", "clientObjectId": "line", "points": []any{point(12, 1.345)}}
)

func level(price float64, name string) object {
	return object{"price": price, "clientObjectId": name, "time": "2026-01-08T12:00:00.000Z"}
}

func point(hour int, price float64) object {
	return object{"time": "2026-01-08T" + strconv.Itoa(hour) + ":00:00.000Z", "price": price}
}

// posts posts an analysis with changes.
func (c caller) posts(in club, channel string, changes object) *answer {
	return c.post(atAnalyses+"/"+in.id+"/channels/"+channel, object{"metadata": said, "levels": levels, "drawings": []any{zone, arrow}}.and(changes))
}

// analysis is the id of an analysis that was posted.
func (a *answer) analysis() string { return a.expect(201).text("/data/analysisId") }

// charted posts an analysis in the channel of a scene.
func (x *scene) charted() string {
	who := x.author()
	if x.byB {
		x.a.appoints(x.server, x.number, 5, "post_analysis")
	}
	return who.posts(x.server, x.channel(), nil).analysis()
}

// analyses lists analyses, and wants these, in this order.
func (c caller) analyses(query string, ids ...string) *answer {
	a := c.get(atAnalyses + "?" + query).expect(200)
	if got := a.each("/data/analyses", "analysisId"); !slices.Equal(got, ids) {
		a.fail("lists the analyses %v, want %v", got, ids)
	}
	return a
}

// charts are the test cases of the tag charts.
var charts = []testCase{
	{"CHARTS-CREATE-01", "createAnalysis getAnalysis channels", "an analysis comes back as it was posted, its links leading to ids, and its type follows from direction and entry", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		types := map[[2]string]string{
			{"BULLISH", "ABOVE_CURRENT"}: "bullish_breakout", {"BULLISH", "BELOW_CURRENT"}: "bullish_bounce",
			{"BEARISH", "ABOVE_CURRENT"}: "bearish_bounce", {"BEARISH", "BELOW_CURRENT"}: "bearish_breakout",
		}
		for of, want := range types {
			made := s.a.posts(club, channel, object{"metadata": said.and(object{"direction": of[0], "entryPlacement": of[1]}), "drawings": []any{zone, arrow, across}}).expect(201)
			made.is("/message", "Analysis created successfully").is("/data/type", want)
			got := s.a.get(atAnalyses+"/"+made.analysis()).expect(200).is("/data", made.at("/data"))
			got.is("/data/metadata/preferenceText", "From [["+got.text("/data/drawings/0/_id")+":the zone]] to [["+got.text("/data/levels/resistance/_id")+":the top]].")
			got.is("/data/channelId", channel).is("/data/communityId", club.id).is("/data/sender/id", plain(club.owner)).is("/data/metadata/comments", "")
			for i, drawn := range []object{zone, arrow, across} {
				at := "/data/drawings/" + strconv.Itoa(i)
				got.has(at, drawn.without("style"))
			}
			got.is("/data/drawings/1/style", arrow["style"]).is("/data/drawings/2/style", object{}).has("/data/levels/pivot", level(1.345, "piv"))
		}
	}},

	{"CHARTS-EXPIRY-01", "createAnalysis updateAnalysis getAnalysis channels", "an analysis says until when it is good, counted from when it was posted", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.posts(club, s.a.makesChannel(club, "open", nil), object{"metadata": said.and(object{"expiry": object{"type": "HOURS", "hours": 24}})})
		posted := made.expect(201).time("/data/createdAt")
		if until := made.time("/data/metadata/expiresAt"); until.Sub(posted).Hours() != 24 {
			made.fail("is good until %v", until)
		}
		at := atAnalyses + "/" + made.analysis()
		s.a.write("PATCH", at, object{"metadata": object{"expiry": object{"type": "HOURS", "hours": 1}}}).expect(200).is("/data/updatedFields", []any{"expiry"})
		if until := s.a.get(at).expect(200).time("/data/metadata/expiresAt"); until.Sub(posted).Hours() != 1 {
			made.fail("is good until %v after the change", until)
		}
		s.a.posts(club, s.a.makesChannel(club, "open", nil), nil).expect(201).is("/data/metadata/expiresAt", nil)
	}},

	{"CHARTS-LEVELS-01", "createAnalysis updateAnalysis channels", "levels rise, also when one of them is changed", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		s.a.posts(club, channel, object{"levels": levels.and(object{"support": level(1.345, "sup")})}).refuses("/levels/support/price", "not_allowed")
		s.a.posts(club, channel, object{"levels": levels.and(object{"resistance": level(1.3, "res")})}).refuses("/levels/resistance/price", "not_allowed")
		at := atAnalyses + "/" + s.a.posts(club, channel, nil).analysis()
		for name, price := range map[string]float64{"pivot": 1.35, "support": 1.36, "resistance": 1.345} {
			s.a.write("PATCH", at, object{"levels": object{name: object{"price": price}}}).refuses("/levels/"+name+"/price", "not_allowed")
		}
		s.a.write("PATCH", at, object{"levels": object{"pivot": object{"price": 1.349}}}).expect(200).is("/data/updatedFields", []any{"pivot"})
		s.a.get(at).expect(200).has("/data/levels/pivot", level(1.349, "piv"))
	}},

	{"CHARTS-DRAWINGS-01", "createAnalysis appendDrawings channels", "a drawing has the points, the heads and the style of its type, and an analysis has 100 of them", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		draws := func(d object) *answer {
			return s.a.posts(club, channel, object{"metadata": said.without("preferenceText"), "drawings": []any{d}})
		}
		draws(zone.and(object{"points": []any{point(10, 1)}})).refuses("/drawings/0/points", "too_few")
		draws(across.and(object{"points": []any{point(10, 1), point(11, 1)}})).refuses("/drawings/0/points", "too_many")
		draws(zone.and(object{"endHead": "ARROW"})).refuses("/drawings/0/endHead", "not_allowed")
		draws(across.and(object{"startHead": "ARROW"})).refuses("/drawings/0/startHead", "not_allowed")
		draws(zone.and(object{"style": object{"color": "#FF0000"}})).refuses("/drawings/0/style/color", "not_allowed")
		draws(arrow.and(object{"style": object{"fillColor": "#FF0000"}})).refuses("/drawings/0/style/fillColor", "not_allowed")
		many := []any{}
		for range 100 {
			many = append(many, across.without("clientObjectId"))
		}
		made := s.a.posts(club, channel, object{"metadata": said.without("preferenceText"), "drawings": many})
		s.a.post(atAnalyses+"/"+made.analysis()+"/drawings", object{"drawings": many[:1]}).expect(409)
		s.a.posts(club, channel, object{"drawings": append(many, zone)}).refuses("/drawings", "too_many")
	}},

	{"CHARTS-LINKS-01", "createAnalysis updateAnalysis appendDrawings getAnalysis channels", "a link leads to a drawing or a level, and no change leaves one that leads nowhere", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		for _, text := range []string{"[[nothing:here]]", "[[:here]]", "[[zone:good]] [[nowhere:bad]]", "[[zone :blank]]"} {
			for _, name := range []string{"preferenceText", "alternativeText", "comments"} {
				s.a.posts(club, channel, object{"metadata": said.and(object{name: text})}).refuses("/metadata/"+name, "not_allowed")
			}
		}
		s.a.posts(club, channel, object{"metadata": said.and(object{"comments": strings.Repeat("[[zone:]]", 400)})}).refuses("/metadata/comments", "too_long")
		s.a.posts(club, channel, object{"drawings": []any{zone, zone}}).refuses("/drawings/1/clientObjectId", "duplicate")
		s.a.posts(club, channel, object{"drawings": []any{zone.and(object{"clientObjectId": "piv"})}, "metadata": said.without("preferenceText")}).refuses("/drawings/0/clientObjectId", "duplicate")

		plainly := "[[zone]] [zone:x] [[a]b:c]]"
		at := atAnalyses + "/" + s.a.posts(club, channel, object{"metadata": said.and(object{"comments": plainly})}).analysis()
		before := s.a.get(at).expect(200).is("/data/metadata/comments", plainly)
		change := func(body object) *answer { return s.a.write("PATCH", at, body) }
		change(object{"drawings": []any{arrow}}).expect(409)
		s.a.get(at).expect(200).is("/data", before.at("/data"))
		change(object{"drawings": []any{across, zone}}).expect(200).is("/data/updatedFields", []any{"drawings"})
		s.a.get(at).expect(200).is("/data/drawings/1/_id", before.text("/data/drawings/0/_id")).is("/data/metadata/preferenceText", before.text("/data/metadata/preferenceText"))
		change(object{"drawings": []any{arrow}, "metadata": object{"preferenceText": "By [[arrow:it]]", "comments": "[[" + before.text("/data/levels/pivot/_id") + ":pivot]]"}}).expect(200)
		change(object{"metadata": object{"comments": "[[zone:gone]]"}}).refuses("/metadata/comments", "not_allowed")

		s.a.post(at+"/drawings", object{"drawings": []any{arrow}}).expect(409)
		s.a.post(at+"/drawings", object{"drawings": []any{zone, across}}).expect(200).is("/data/drawings/2/clientObjectId", "line")
		change(object{"metadata": object{"comments": "[[zone:back]]"}}).expect(200)
	}},

	{"CHARTS-UPDATE-01", "createAnalysis updateAnalysis getAnalysis listAnalyses channels", "what is given is changed, is named, and is found by what it is now", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		id := s.a.posts(club, channel, nil).analysis()
		change := func(body object) *answer { return s.a.write("PATCH", atAnalyses+"/"+id, body).expect(200) }
		change(object{"metadata": object{"symbol": "EUR/USD", "title": "New", "direction": "BEARISH"}, "levels": object{"support": object{"price": 1}}}).
			is("/message", "Analysis updated successfully").is("/data", object{"analysisId": id, "updatedFields": []any{"direction", "title", "symbol", "support"}})
		s.a.write("PATCH", atAnalyses+"/"+id, object{}).expect(400)
		got := s.a.get(atAnalyses+"/"+id).expect(200).is("/data/type", "bearish_breakout").is("/data/metadata/title", "New").is("/data/levels/support/price", plain("1"))
		got.is("/data/drawings/0/clientObjectId", "zone")
		in := "channelId=" + channel
		s.a.analyses(in+"&symbol=eur/usd&type=bearish_breakout", id)
		s.a.analyses(in + "&symbol=GBP/USD")
		s.a.analyses(in + "&type=bullish_bounce")
	}},

	{"CHARTS-WHO-01", "createAnalysis updateAnalysis appendDrawings deleteAnalysis channels keys roles", "who has posted an analysis changes it, as long as they may post; of others administrators and API keys do", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		channel := s.a.makesChannel(club, "open", nil)
		s.b.posts(club, channel, nil).expect(403)
		role := s.a.appoints(club, number, 5, "post_analysis")
		key := s.a.makesKey(club, "analysis")
		key.posts(club, channel, nil).refuses("/sender", "required")
		id := key.posts(club, channel, object{"sender": number}).is("/data/sender/id", plain(number)).analysis()
		change := func(who caller, sender any) *answer {
			body := object{"metadata": object{"title": "New"}}
			if sender != nil {
				body["sender"] = sender
			}
			return who.write("PATCH", atAnalyses+"/"+id, body)
		}
		change(s.b, nil).expect(200)
		change(s.b, number).expect(200)
		change(s.b, club.owner).expect(403)
		change(key.caller, nil).expect(200)
		change(key.caller, number).expect(200)
		change(key.caller, club.owner).expect(200)
		change(s.a, nil).expect(200)
		change(key.caller, unknownNumber).expect(404)
		other := s.a.posts(club, channel, nil).analysis()
		for _, who := range []*answer{
			s.b.write("PATCH", atAnalyses+"/"+other, object{"metadata": object{"title": "Mine"}}), s.b.post(atAnalyses+"/"+other+"/drawings", object{"drawings": []any{across}}),
			key.write("PATCH", atAnalyses+"/"+other, object{"metadata": object{"title": "Mine"}, "sender": number}), s.b.delete(atAnalyses + "/" + other),
		} {
			who.expect(403)
		}
		s.a.takes(role, number).expect(200)
		change(s.b, nil).expect(403)
		s.b.delete(atAnalyses+"/"+id).expect(200).is("/message", "Analysis deleted successfully")
		s.b.get(atAnalyses + "/" + id).expect(404)
		key.delete(atAnalyses + "/" + other).expect(200)
	}},

	{"CHARTS-SEEN-01", "createAnalysis getAnalysis getAnalysisImage listAnalyses channels keys roles", "who sees a channel sees its analyses, and for nobody else they are there", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		s.a.appoints(club, number, 5, "post_analysis", "view_message_history")
		open, closed := s.a.makesChannel(club, "open", nil), s.a.makesChannel(club, "private", nil)
		first, hidden, second := s.b.posts(club, open, nil).analysis(), s.a.posts(club, closed, nil).analysis(), s.a.posts(club, open, nil).analysis()
		s.b.posts(club, closed, nil).expect(404)
		s.b.get(atAnalyses + "/" + hidden).expect(404)
		s.b.get(atAnalyses + "/" + hidden + "/image.svg").expect(404)
		s.b.get(atAnalyses + "?channelId=" + closed).expect(404)
		here := "serverId=" + club.id
		s.b.analyses(here, second, first)
		s.a.analyses(here, second, hidden, first)
		key := s.a.makesKey(club, "analysis")
		key.analyses("", second, hidden, first)
		key.analyses("sender="+number, first)
		key.analyses("sender="+club.owner+"&symbol=gbp/usd&type=bullish_bounce", second, hidden)
		key.analyses("channelId="+open+"&sender="+club.owner, second)
		key.get(atAnalyses + "?sender=" + unknownNumber).expect(404)
		key.posts(club, closed, object{"sender": number}).expect(403)
		page := s.a.analyses(here+"&limit=2", second, hidden)
		s.a.analyses(here+"&limit=2&cursor="+page.text("/data/nextCursor"), first)
		s.a.analyses(here+"&limit=2&page=2", first)
		other := s.a.makesServer("Go club")
		s.a.posts(other, open, nil).expect(404)
	}},

	{"CHARTS-ONCE-01", "createAnalysis listAnalyses channels", "an idempotency key in the body is the same as the header", func(s *session) {
		club := s.a.makesServer("Chess club")
		channel := s.a.makesChannel(club, "open", nil)
		under := func(header, member string, changes object) *answer {
			who := s.a
			if header != "" {
				who = who.under(header)
			}
			if member != "" {
				changes = changes.and(object{"idempotencyKey": member})
			}
			return who.posts(club, channel, changes)
		}
		for _, key := range []string{"chart-" + unknownID(), "analysis_20250109_001"} {
			first := under("", key, object{})
			for _, again := range []*answer{under("", key, object{}), under(key, "", object{}), under(key, key, object{})} {
				first.isRepeated(again)
			}
			under("", key, object{"drawings": []any{zone}}).expect(409)
			under(key, "", object{"drawings": []any{zone}}).expect(409)
			under(key, key+"2", object{}).refuses("/idempotencyKey", "not_allowed")
		}
		if listed := s.a.get(atAnalyses + "?channelId=" + channel).expect(200); len(listed.list("/data/analyses")) != 2 {
			listed.fail("want the 2 that were posted")
		}
	}},

	{"CHARTS-COUNTS-01", "createAnalysis deleteAnalysis setXpSetting channels badges gamification", "an analysis is credited as analysis, and takes that back when it is deleted at once", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.post("/gamifications/"+club.id+"/xp-setting", gives(object{"analysis": object{"enabled": true, "xp": 50, "coins": 2, "time": 0}, "object": object{"enabled": true, "xp": 7, "time": 0}})).expect(200)
		id := s.a.posts(club, s.a.makesChannel(club, "open", nil), nil).analysis()
		s.owns(club, club.owner, 50, 2)
		s.a.delete(atAnalyses + "/" + id).expect(200)
		s.owns(club, club.owner, 0, 0)
	}},

	{"CHARTS-PICTURE-01", "createAnalysis getAnalysisImage channels", "the picture of an analysis is SVG that runs nothing, whatever is written in it", func(s *session) {
		club := s.a.makesServer("Chess club")
		id := s.a.posts(club, s.a.makesChannel(club, "open", nil), object{"metadata": said.and(object{"title": "<script>alert(1)</script> & ]]>", "symbol": `"><x`, "timeframe": "'&"})}).analysis()
		drawn := s.a.get(atAnalyses + "/" + id + "/image.svg").expect(200)
		drawn.carries("Content-Type", "image/svg+xml")
		if policy := drawn.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
			drawn.fail("has the Content-Security-Policy %q", policy)
		}
		decoder := xml.NewDecoder(bytes.NewReader(drawn.raw))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				drawn.stop("is no XML: %v", err)
			}
			if element, is := token.(xml.StartElement); is && strings.EqualFold(element.Name.Local, "script") {
				drawn.fail("has a script")
			}
		}
	}},
}

// Package rule says what members are credited for what they do, as the setting of their server says.
package rule

import (
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// Worth is what something is worth, and how long it is worth nothing after that. The zero Worth is nothing.
type Worth struct {
	XP, Coins int64
	Cooldown  time.Duration
}

// WorthOf is what an action is worth by a setting.
func WorthOf(s gen.XPSetting, action gen.Action) Worth {
	if !s.Enabled {
		return Worth{}
	}
	switch action {
	case gen.ActionMessages:
		return timed(s.Message)
	case gen.ActionReplies:
		return timed(s.Reply)
	case gen.ActionReactions:
		return timed(s.React)
	case gen.ActionAnalyses:
		return timed(s.Analysis)
	case gen.ActionVisits:
		return plain(s.Visit)
	case gen.ActionReferrals:
		return plain(s.Referral)
	case gen.ActionRefer:
		return plain(s.Refer)
	case gen.ActionPicture:
		return plain(s.Picture)
	case gen.ActionAboutme:
		return plain(s.Aboutme)
	case gen.ActionQuote:
		return plain(s.Quote)
	}
	return Worth{}
}

func plain(r gen.XPRule) Worth {
	if !r.Enabled {
		return Worth{}
	}
	return Worth{XP: int64(r.XP), Coins: int64(r.Coins)}
}

// timed is worth a cooldown only where there is anything to wait for.
func timed(r gen.TimedXPRule) Worth {
	worth := plain(gen.XPRule{Enabled: r.Enabled, XP: r.XP, Coins: r.Coins})
	if worth != (Worth{}) {
		worth.Cooldown = time.Duration(r.Time) * time.Second
	}
	return worth
}

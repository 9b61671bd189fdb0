package rule

import (
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

func TestAnActionIsWorthWhatItsRuleSays(t *testing.T) {
	plain := func(xp int32) gen.XPRule { return gen.XPRule{Enabled: true, XP: xp, Coins: 100 * xp} }
	timed := func(xp int32) gen.TimedXPRule {
		return gen.TimedXPRule{Enabled: true, XP: xp, Coins: 100 * xp, Time: xp}
	}
	all := gen.XPSetting{
		Enabled: true, Picture: plain(1), Aboutme: plain(2), Quote: plain(3), Visit: plain(4), Referral: plain(5), Refer: plain(6),
		Message: timed(7), Reply: timed(8), React: timed(9), Object: timed(10), Analysis: timed(11), Comment: timed(12), TradingDiscussions: timed(13),
	}
	worth := map[gen.Action]int64{
		gen.ActionPicture: 1, gen.ActionAboutme: 2, gen.ActionQuote: 3, gen.ActionVisits: 4, gen.ActionReferrals: 5, gen.ActionRefer: 6,
		gen.ActionMessages: 7, gen.ActionReplies: 8, gen.ActionReactions: 9, gen.ActionAnalyses: 11, gen.ActionBadges: 0,
	}
	for action, xp := range worth {
		want := Worth{XP: xp, Coins: 100 * xp}
		if xp >= 7 {
			want.Cooldown = time.Duration(xp) * time.Second
		}
		if got := WorthOf(all, action); got != want {
			t.Errorf("%s: got %+v, want %+v", action, got, want)
		}
		off := all
		off.Enabled = false
		if got := WorthOf(off, action); got != (Worth{}) {
			t.Errorf("%s while it is off: got %+v", action, got)
		}
	}
}

func TestWhatIsDisabledOrWorthNothingHasNoCooldown(t *testing.T) {
	for _, rule := range []gen.TimedXPRule{{XP: 5, Time: 60}, {Enabled: true, Time: 60}} {
		if got := WorthOf(gen.XPSetting{Enabled: true, Message: rule}, gen.ActionMessages); got != (Worth{}) {
			t.Errorf("%+v: got %+v", rule, got)
		}
	}
}

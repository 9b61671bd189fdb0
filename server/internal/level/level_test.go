package level

import (
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
)

var tiers = []gen.Tier{
	{Name: "Bronze", Levels: []gen.TierLevel{{Name: "1", XP: 0}, {Name: "2", XP: 50}}},
	{Name: "Silver", Levels: []gen.TierLevel{{Name: "3", XP: 51}, {Name: "4", XP: 1000}}},
}

func TestALevelIsTheHighestThatTheXPReach(t *testing.T) {
	for _, tt := range []struct {
		xp    int64
		level int32
		tier  string
	}{{-1, 0, ""}, {0, 1, "Bronze"}, {49, 1, "Bronze"}, {50, 2, "Bronze"}, {51, 3, "Silver"}, {999, 3, "Silver"}, {1 << 40, 4, "Silver"}} {
		if level, tier := Of(gen.TierSetting{Enabled: true, Tiers: tiers}, tt.xp); level != tt.level || tier != tt.tier {
			t.Errorf("%d XP: got %d %q, want %d %q", tt.xp, level, tier, tt.level, tt.tier)
		}
	}
	for _, none := range []gen.TierSetting{{Tiers: tiers}, {Enabled: true}} {
		if level, tier := Of(none, 100); level != 0 || tier != "" {
			t.Errorf("without tiers: got %d %q", level, tier)
		}
	}
}

func TestEachLevelNeedsMoreThanTheOneBeforeOverAllTiers(t *testing.T) {
	if i, j, found := Unordered(tiers); found {
		t.Errorf("got %d %d", i, j)
	}
	same := []gen.Tier{tiers[0], {Levels: []gen.TierLevel{{XP: 60}, {XP: 60}}}}
	if i, j, found := Unordered(same); !found || i != 1 || j != 1 {
		t.Errorf("got %d %d %v", i, j, found)
	}
	over := []gen.Tier{tiers[0], {Levels: []gen.TierLevel{{XP: 50}}}}
	if i, j, found := Unordered(over); !found || i != 1 || j != 0 {
		t.Errorf("got %d %d %v", i, j, found)
	}
}

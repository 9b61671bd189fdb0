// Package level says which level and tier a member has, by the XP.
package level

import "github.com/rejoin-dev/rejoin/gen"

// Of is the level of somebody with so much XP, the lowest being 1, and the tier that it is in. Below the lowest, and while there are
// no tiers, it is 0 and empty.
func Of(s gen.TierSetting, xp int64) (level int32, tier string) {
	if !s.Enabled {
		return 0, ""
	}
	for _, t := range s.Tiers {
		for _, l := range t.Levels {
			if xp < l.XP {
				return level, tier
			}
			level, tier = level+1, t.Name
		}
	}
	return level, tier
}

// Unordered is where the first level stands that does not need more XP than the one before it: in which tier, and in which place there.
func Unordered(tiers []gen.Tier) (tier, level int, found bool) {
	last := int64(-1)
	for i, t := range tiers {
		for j, l := range t.Levels {
			if l.XP <= last {
				return i, j, true
			}
			last = l.XP
		}
	}
	return 0, 0, false
}

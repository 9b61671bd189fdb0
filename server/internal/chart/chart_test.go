package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
)

// shown is an overview with so many parts.
func shown(parts int) gen.LoyaltyOverview {
	o := gen.LoyaltyOverview{
		TimeZone: "Europe/Berlin", From: "2026-03-01", To: "2027-03-01", Interval: gen.OverviewIntervalDay,
		Members:  gen.OverviewMembers{Total: 1_000_000, New: 5120, Active: 312_400, Returning: 310_000},
		Activity: gen.OverviewActivity{Messages: 48_200, Replies: 17_300, Reactions: 9900},
		XP:       gen.OverviewFlow{Issued: 5_100_000, Spent: 12_400}, Coins: gen.OverviewFlow{Issued: 804_000, Spent: 352_000},
		Snapshot: &gen.OverviewSnapshot{XPOutstanding: 48_200_000, CoinsOutstanding: 7_350_000, Tiers: []gen.OverviewTier{
			{Name: gen.Null[string](), Members: 120_000}, {Name: gen.NullableOf("Bronze"), Members: 610_000},
			{Name: gen.NullableOf("Silver"), Members: 240_000}, {Name: gen.NullableOf("Gold"), Members: 30_000},
		}},
	}
	for i := range parts {
		wave := 1 + math.Sin(float64(i)/5)
		o.Series = append(o.Series, gen.OverviewPart{From: "2026-03-01", To: "2026-03-01",
			Active: int64(4000 * wave), New: int64(90 * wave), Messages: int64(1500 + 400*wave), Replies: int64(500 * wave)})
	}
	for i, name := range []string{"Ada Lovelace", "Ben & <b>Co</b>", "クロノス騎士団長のながい名前", "مريم", "\x00\x1f\"'", strings.Repeat("W", 100), "Grace", "🎉🎉🎉", "i", ""} {
		o.Highest = append(o.Highest, gen.OverviewMember{Rank: int32(i + 1), DisplayName: name, XP: int64(90_000 - 7000*i)})
	}
	return o
}

// A picture is XML, whatever is in it, and runs nothing.
func TestAPictureOfAnOverviewIsWellFormedWhateverTheNames(t *testing.T) {
	for _, parts := range []int{0, 1, 5, 31, 366} {
		o := shown(parts)
		if parts == 1 {
			o.Snapshot = nil
		}
		var drawn bytes.Buffer
		if err := Overview(&drawn, "<script>alert(1)</script> & ]]> "+strings.Repeat("x", 100), o); err != nil {
			t.Fatal(err)
		}
		if dir := os.Getenv("REJOIN_PICTURES"); dir != "" {
			if err := os.WriteFile(fmt.Sprintf("%s/overview-%d.svg", dir, parts), drawn.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if drawn.Len() > 64<<10 {
			t.Errorf("%d parts take %d bytes", parts, drawn.Len())
		}
		decoder := xml.NewDecoder(&drawn)
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%d parts: %v", parts, err)
			}
			if element, is := token.(xml.StartElement); is {
				if strings.EqualFold(element.Name.Local, "script") {
					t.Error("there is a script")
				}
				for _, attribute := range element.Attr {
					if strings.Contains(attribute.Value, "NaN") || strings.Contains(attribute.Value, "Inf") {
						t.Errorf("%s is %s", attribute.Name.Local, attribute.Value)
					}
				}
			}
		}
	}
}

func TestANumberIsShownInAFewCharacters(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 9999: "9999", 10_000: "10k", 12_345: "12.3k", 99_999: "99.9k", 100_000: "100k", 999_999: "999k", 1_000_000: "1M", 1_250_000: "1.2M",
		-12_345: "-12.3k", 9_007_199_254_740_991: "9P", 31_000_000_000: "31G",
	} {
		if got := Short(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestTheTopOfAChartIsEvenAndNotLessThanWhatIsShown(t *testing.T) {
	for most, want := range map[int64]int64{0: 2, 1: 2, 3: 4, 10: 10, 11: 20, 61: 80, 999: 1000, 1001: 2000} {
		if got := ceiling(most); got != want {
			t.Errorf("%d: got %d, want %d", most, got, want)
		}
	}
}

func TestBarsThatStandForOneDayDoNotCoverEachOther(t *testing.T) {
	for _, parts := range []int{1, 31, 366} {
		c := chartOf(shown(parts), 0, "Members", "active", "new", func(gen.OverviewPart) (int64, int64) { return 3, 3 })
		ends := func(path string) (from, to []float64) {
			for bar := range strings.SplitSeq(strings.TrimSuffix(path, "z"), "z") {
				var x, floor, wide float64
				if _, err := fmt.Sscanf(bar, "M%g %gh%gv", &x, &floor, &wide); err != nil {
					t.Fatalf("%q: %v", bar, err)
				}
				from, to = append(from, x), append(to, x+wide)
			}
			return from, to
		}
		first, firstEnds := ends(c.First.Path)
		second, secondEnds := ends(c.Second.Path)
		const written = 0.2 // how exactly numbers are
		for i := range parts {
			if firstEnds[i] > second[i]+written || i+1 < parts && secondEnds[i] > first[i+1]+written {
				t.Fatalf("%d parts: bars %d are from %g to %g and from %g to %g", parts, i, first[i], firstEnds[i], second[i], secondEnds[i])
			}
		}
	}
}

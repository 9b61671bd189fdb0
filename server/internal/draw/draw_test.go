package draw

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestEachIsDrawnAsOftenAsItsWeightSays(t *testing.T) {
	const draws = 100_000
	for _, test := range []struct {
		weights []int64
		most    float64 // chi-square with as many degrees of freedom as weights above 0, less one: exceeded once in 1,000
	}{
		{[]int64{1, 1}, 10.83},
		{[]int64{1, 2, 3, 10, 84}, 18.47},
		{[]int64{1_000_000, 1, 1_000_000, 0, 500_000}, 16.27},
		{[]int64{7, 7, 7, 7, 7, 7, 7}, 22.46},
	} {
		random := rand.NewChaCha8([32]byte{'s', 'e', 'e', 'd'})
		times, total := make([]float64, len(test.weights)), int64(0)
		for range draws {
			i, err := Weighted(random, test.weights)
			if err != nil {
				t.Fatal(err)
			}
			times[i]++
		}
		for _, weight := range test.weights {
			total += weight
		}
		square := 0.0
		for i, weight := range test.weights {
			want := draws * float64(weight) / float64(total)
			if want == 0 {
				if times[i] != 0 {
					t.Errorf("%v: one of weight 0 was drawn", test.weights)
				}
				continue
			}
			square += (times[i] - want) * (times[i] - want) / want
		}
		if square > test.most {
			t.Errorf("%v were drawn %v times: chi-square is %.2f, which is more than %.2f", test.weights, times, square, test.most)
		}
	}
}

// Of 2^64 values, some are too many for all numbers to be equally likely. A modulo alone would take them.
func TestWhatWouldMakeSomeLikelierIsReadOver(t *testing.T) {
	value := func(v uint64) []byte {
		return []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24), byte(v >> 32), byte(v >> 40), byte(v >> 48), byte(v >> 56)}
	}
	for _, test := range []struct {
		n    uint64
		over uint64 // how many values
	}{{1, 0}, {2, 0}, {3, 1}, {10, 6}, {1 << 63, 0}, {1<<63 + 1, 1<<63 - 1}} {
		lowest := math.MaxUint64 - test.over // the highest that counts
		if got, err := below(bytes.NewReader(value(lowest)), test.n); err != nil || got != test.n-1 {
			t.Errorf("below %d, %d gives %d, %v", test.n, lowest, got, err)
		}
		if test.over == 0 {
			continue
		}
		if got, err := below(bytes.NewReader(append(value(lowest+1), value(5%test.n)...)), test.n); err != nil || got != 5%test.n {
			t.Errorf("below %d, %d was not read over: %d, %v", test.n, lowest+1, got, err)
		}
	}
}

func TestWhatIsDrawnHasAWeight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Int64Range(0, 1_000_000), 0, 50).Draw(t, "weights")
		i, err := Weighted(rand.NewChaCha8([32]byte{rapid.Byte().Draw(t, "seed")}), weights)
		if errors.Is(err, ErrNothing) {
			for _, weight := range weights {
				if weight != 0 {
					t.Fatal("there was something to draw")
				}
			}
			return
		}
		if err != nil || weights[i] == 0 {
			t.Fatalf("drew %d of %v (%v)", i, weights, err)
		}
	})
}

func TestWithoutRandomnessNothingIsDrawn(t *testing.T) {
	for _, random := range []io.Reader{bytes.NewReader(nil), bytes.NewReader([]byte{1, 2, 3})} {
		if i, err := Weighted(random, []int64{1, 2}); err == nil {
			t.Errorf("drew %d", i)
		}
	}
}

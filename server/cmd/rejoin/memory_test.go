package main

import (
	"math"
	"os"
	"runtime/debug"
	"testing"
)

func TestMemoryIsSpentUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	for _, test := range []struct {
		promise, gogc, gomemlimit string
		percent                   int
		limited                   bool
	}{
		{promise: "by default", percent: gcPercent, limited: true},
		{promise: "GOGC", gogc: "100", percent: 100, limited: true},
		{promise: "GOMEMLIMIT", gomemlimit: "off", percent: gcPercent},
	} {
		t.Run(test.promise, func(t *testing.T) {
			t.Setenv("GOGC", test.gogc)
			t.Setenv("GOMEMLIMIT", test.gomemlimit)
			if test.gomemlimit == "" {
				os.Unsetenv("GOMEMLIMIT")
			}
			percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
			spendMemory()
			if limited := debug.SetMemoryLimit(limit) < math.MaxInt64; limited != test.limited {
				t.Errorf("memory is limited: %t, want %t", limited, test.limited)
			}
			if got := debug.SetGCPercent(percent); got != test.percent {
				t.Errorf("the collector runs at %d %%, want %d %%", got, test.percent)
			}
		})
	}
}

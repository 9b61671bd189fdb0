package main

import (
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// gcPercent lets garbage grow to four times what is in use, so that the collector, which takes more time than
	// anything else that a read does, runs a quarter as often.
	gcPercent = 400
	// memoryShare of the machine, or of the control group if that has less, is where garbage ends to grow at that rate. The
	// rest is for the caches of SQLite, which the collector does not know of, and for the system.
	memoryShare = 0.5
	// mostMemory is where it ends at the latest. What is in use never grows as far: requests share a budget.
	mostMemory = 128 << 20
)

// spendMemory trades memory for speed, within a bound, as far as the environment does not say otherwise by GOGC or GOMEMLIMIT.
func spendMemory() {
	memory := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)
	if limit, err := memlimit.Set(memlimit.WithRatio(memoryShare), memlimit.WithProvider(memory)); os.Getenv("GOMEMLIMIT") == "" {
		if err != nil || limit > mostMemory { // nobody knows how much there is, or it is much
			debug.SetMemoryLimit(mostMemory)
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

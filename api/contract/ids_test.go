package contract_test

import (
	"encoding/hex"
	"math/bits"
	"strconv"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
)

const idsMade = 20_000

func TestAnIDSaysWhenItWasMadeAndNothingElse(t *testing.T) {
	before := time.Now().Unix()
	ids := madeIDs(t, contract.NewID, 24)
	after := time.Now().Unix()
	for i, id := range ids {
		second, err := strconv.ParseInt(id[:8], 16, 64)
		if err != nil || second < before || second > after {
			t.Fatalf("%s was made in the second %d, not from %d to %d", id, second, before, after)
		}
		ids[i] = id[8:]
	}
	tellNothing(t, ids)
}

func TestTheIDOfAnImageSaysNothing(t *testing.T) {
	tellNothing(t, madeIDs(t, contract.NewImageID, 32))
}

// madeIDs are ids that were made one after another.
func madeIDs(t *testing.T, newID func() string, length int) []string {
	t.Helper()
	ids, seen := make([]string, idsMade), map[string]bool{}
	for i := range ids {
		ids[i] = newID()
		if len(ids[i]) != length || seen[ids[i]] {
			t.Fatalf("%q has not %d characters, or was made before", ids[i], length)
		}
		seen[ids[i]] = true
	}
	return ids
}

// tellNothing wants every bit to be set in half of the texts, and to change in half of the steps from one to the next: a
// clock, a machine, a process or a counter in them does neither. The bounds are seven standard deviations away.
func tellNothing(t *testing.T, texts []string) {
	t.Helper()
	var set, changed []int
	var last []byte
	for _, text := range texts {
		id, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if set == nil {
			set, changed, last = make([]int, 8*len(id)), make([]int, 8*len(id)), id
		}
		for i := range set {
			set[i] += int(id[i/8] >> (i % 8) & 1)
			changed[i] += bits.OnesCount8((id[i/8] ^ last[i/8]) >> (i % 8) & 1)
		}
		last = id
	}
	const low, high = idsMade/2 - 500, idsMade/2 + 500
	for i := range set {
		if set[i] < low || set[i] > high || changed[i] < low || changed[i] > high {
			t.Errorf("bit %d is set in %d of %d ids and changes %d times: want about half", i, set[i], idsMade, changed[i])
		}
	}
}

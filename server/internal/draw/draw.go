// Package draw draws by chance, honestly: each as often as its weight says, whatever the randomness is read in.
package draw

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ErrNothing is the error of a draw of nothing.
var ErrNothing = errors.New("there is nothing to draw")

// Weighted draws one of some weights and returns which. One of weight 0 is never drawn, and none is negative. It reads eight bytes of
// randomness, and rarely more.
func Weighted(random io.Reader, weights []int64) (int, error) {
	total := uint64(0)
	for _, weight := range weights {
		total += uint64(weight)
	}
	if total == 0 {
		return 0, ErrNothing
	}
	at, err := below(random, total)
	if err != nil {
		return 0, err
	}
	for i, weight := range weights {
		if at < uint64(weight) {
			return i, nil
		}
		at -= uint64(weight)
	}
	panic("what was drawn is beyond the sum of the weights")
}

// below is a number from 0 to n - 1, each as likely as the others. The highest values of what is read would make the lowest numbers
// likelier by one in all: they are read over.
func below(random io.Reader, n uint64) (uint64, error) {
	over := (math.MaxUint64%n + 1) % n // how many there are of those
	for {
		var bytes [8]byte
		if _, err := io.ReadFull(random, bytes[:]); err != nil {
			return 0, fmt.Errorf("no randomness for a draw: %w", err)
		}
		if value := binary.LittleEndian.Uint64(bytes[:]); value <= math.MaxUint64-over {
			return value % n, nil
		}
	}
}

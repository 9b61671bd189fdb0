package contract

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// NewID makes an id of the contract: 24 lower-case hexadecimal characters in the layout of an ObjectId, the second in which
// it was made and then 64 random bits. It is never the same twice, also from several processes, and says nothing about
// others: who knows an id knows nothing of the one before and the one after it.
func NewID() string {
	var id [12]byte
	binary.BigEndian.PutUint32(id[:4], uint32(time.Now().Unix()))
	_, _ = rand.Read(id[4:]) // it does not fail: rather than be without randomness, the process ends
	return hex.EncodeToString(id[:])
}

// NewImageID makes the id of an image, which is all that it takes to see one: 32 lower-case hexadecimal characters, 128
// random bits that do not even tell when.
func NewImageID() string {
	var id [16]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

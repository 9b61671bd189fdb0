// Package webhook says how a webhook is sent: how it is signed and encrypted, and when it is tried again. It knows no clock, no database
// and no network.
package webhook

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// SecretPrefix begins a secret, as Standard Webhooks has it.
const SecretPrefix = "whsec_"

// secretSize is how many bytes are behind it.
const secretSize = 32

// NewSecret makes a secret.
func NewSecret(random io.Reader) (string, error) {
	key := make([]byte, secretSize)
	if _, err := io.ReadFull(random, key); err != nil {
		return "", err
	}
	return SecretPrefix + base64.StdEncoding.EncodeToString(key), nil
}

// A Sending is what is sent, and how.
type Sending struct {
	ID      string
	Body    []byte
	Secrets []string // each of them signs
	APIKey  string   // empty: there is none
	Cipher  string   // cbc, gcm, or empty
	Key     string   // of 32 characters
}

// Sealed is the body and the headers of a try at a moment.
func (s Sending) Sealed(at time.Time, random io.Reader) (header http.Header, body []byte, err error) {
	body = s.Body
	header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Rejoin-Webhooks"}}
	if s.Cipher != "" {
		if body, err = encrypt(body, s.Cipher, []byte(s.Key), random); err != nil {
			return nil, nil, err
		}
		header.Set("X-Encrypted", "true")
	}
	signatures := ""
	for _, secret := range s.Secrets {
		by, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, nil, errors.New("the secret is none")
		}
		signature, err := by.Sign(s.ID, at, body)
		if err != nil {
			return nil, nil, err
		}
		if signatures != "" {
			signatures += " "
		}
		signatures += signature
	}
	header.Set(standardwebhooks.HeaderWebhookID, s.ID)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, signatures)
	if s.APIKey != "" {
		header.Set("X-Api-Key", s.APIKey)
	}
	return header, body, nil
}

// An envelope is an encrypted body.
type envelope struct {
	IV   []byte `json:"iv"`
	Data []byte `json:"data"`
	Tag  []byte `json:"tag,omitempty"`
}

func encrypt(plain []byte, mode string, key []byte, random io.Reader) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(key) != 32 {
		return nil, errors.New("the key has not 32 characters")
	}
	var e envelope
	switch mode {
	case "gcm":
		seal, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		e.IV = make([]byte, seal.NonceSize())
		if _, err := io.ReadFull(random, e.IV); err != nil {
			return nil, err
		}
		sealed := seal.Seal(nil, e.IV, plain, nil)
		end := len(sealed) - seal.Overhead()
		e.Data, e.Tag = sealed[:end], sealed[end:]
	case "cbc":
		e.IV = make([]byte, aes.BlockSize)
		if _, err := io.ReadFull(random, e.IV); err != nil {
			return nil, err
		}
		pad := aes.BlockSize - len(plain)%aes.BlockSize
		e.Data = append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, e.IV).CryptBlocks(e.Data, e.Data)
	default:
		return nil, errors.New("there is no such cipher")
	}
	return json.Marshal(e)
}

// waits are how long after each try that has failed the next one comes.
var waits = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// mostWait is how long an answer may ask to wait.
const mostWait = 24 * time.Hour

// GivenUpAfter is how long nothing is delivered before a webhook is switched off.
const GivenUpAfter = 5 * 24 * time.Hour

// Next is how long to wait after so many tries that have failed, and whether it is tried again. A chance from 0 to 1 spreads those that
// have failed at once; it takes or gives a tenth. What the receiver asks for counts if it is longer.
func Next(failed int, chance float64, retryAfter time.Duration) (wait time.Duration, again bool) {
	if failed < 1 || failed > len(waits) {
		return 0, false
	}
	wait = time.Duration(float64(waits[failed-1]) * (0.9 + 0.2*chance))
	return max(wait, min(retryAfter, mostWait)), true
}

// RetryAfter is how long an answer asks to wait: in seconds, or until a date.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

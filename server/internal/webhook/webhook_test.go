package webhook

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func TestEachSecretVerifiesWhatIsSent(t *testing.T) {
	was, _ := NewSecret(rand.Reader)
	is, _ := NewSecret(rand.Reader)
	s := Sending{ID: "66a282dab13eee0013cbb603", Body: []byte(`{"a":1}`), Secrets: []string{is, was}, APIKey: "abc"}
	header, body, err := s.Sealed(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{was, is} {
		by, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := by.Verify(body, header); err != nil {
			t.Errorf("%s does not verify it: %v", secret, err)
		}
	}
	other, _ := NewSecret(rand.Reader)
	if by, _ := standardwebhooks.NewWebhook(other); by.Verify(body, header) == nil {
		t.Error("another secret verifies it")
	}
	if header.Get("X-Api-Key") != "abc" || header.Get("X-Encrypted") != "" {
		t.Errorf("the headers are %v", header)
	}
}

func TestWhoHasTheKeyReadsWhatIsEncrypted(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	secret, _ := NewSecret(rand.Reader)
	block, _ := aes.NewCipher(key)
	for _, plain := range []string{"", "x", "0123456789abcdef", `{"id":"66a282dab13eee0013cbb603"}`} {
		for _, mode := range []string{"cbc", "gcm"} {
			header, body, err := Sending{ID: "1", Body: []byte(plain), Secrets: []string{secret}, Cipher: mode, Key: string(key)}.Sealed(time.Now(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			by, _ := standardwebhooks.NewWebhook(secret)
			if err := by.Verify(body, header); err != nil || header.Get("X-Encrypted") != "true" {
				t.Errorf("%s: the signature is not over what is sent: %v", mode, err)
			}
			var e envelope
			if err := json.Unmarshal(body, &e); err != nil {
				t.Fatal(err)
			}
			var got []byte
			if mode == "gcm" {
				open, _ := cipher.NewGCM(block)
				got, err = open.Open(nil, e.IV, append(e.Data, e.Tag...), nil)
			} else {
				got = bytes.Clone(e.Data)
				cipher.NewCBCDecrypter(block, e.IV).CryptBlocks(got, got)
				got = got[:len(got)-int(got[len(got)-1])]
			}
			if err != nil || string(got) != plain {
				t.Errorf("%s: read %q %v, want %q", mode, got, err, plain)
			}
		}
	}
}

func TestItIsTriedForThreeDaysAndLaterEachTime(t *testing.T) {
	total := time.Duration(0)
	for failed := 1; failed <= 9; failed++ {
		least, again := Next(failed, 0, 0)
		most, _ := Next(failed, 1, 0)
		if !again || most <= least || least < waits[failed-1]*9/10-time.Second || most > waits[failed-1]*11/10+time.Second {
			t.Errorf("after %d: from %v to %v, again: %v", failed, least, most, again)
		}
		total += least
	}
	if _, again := Next(10, 0, 0); again || total < 65*time.Hour {
		t.Errorf("it goes on after 10 tries, or ends after %v", total)
	}
	if wait, _ := Next(1, 0.5, time.Hour); wait != time.Hour {
		t.Errorf("the receiver asks for an hour, and gets %v", wait)
	}
	if wait, _ := Next(9, 1, 1000*time.Hour); wait > 27*time.Hour {
		t.Errorf("the receiver asks for weeks, and gets %v", wait)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{"120": 2 * time.Minute, "-1": 0, "soon": 0, "": 0, "Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q asks for %v, want %v", text, got, want)
		}
	}
}

package webhook_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/client/webhook"
	"github.com/rejoin-dev/rejoin/gen"
)

const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8Gp8A="
	key    = "0123456789abcdef0123456789abcdef"
)

func signed(t *testing.T, body []byte, at time.Time) http.Header {
	t.Helper()
	by, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := by.Sign("1", at, body)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	header.Set(standardwebhooks.HeaderWebhookID, "1")
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return header
}

func bodyOf(kind string) []byte {
	return []byte(`{"id":"66a282dab13eee0013cbb603","type":"` + kind + `","occurredAt":"2026-03-01T16:50:17.610Z","communityId":"66a282dab13eee0013cbb4d8","data":{}}`)
}

func TestEveryEventOfTheContractHasItsType(t *testing.T) {
	document, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	kinds := document.Components.Schemas["WebhookEventType"].Value.Enum
	if len(kinds) < 13 {
		t.Fatalf("the contract has %d events", len(kinds))
	}
	for _, kind := range kinds {
		body := bodyOf(kind.(string))
		event, err := webhook.Parse(secret, signed(t, body, time.Now()), body)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if _, unknown := event.(*webhook.Unknown); unknown {
			t.Errorf("%s has no type", kind)
		}
	}
	body := bodyOf("moon.landed")
	if event, err := webhook.Parse(secret, signed(t, body, time.Now()), body); err != nil || event.(*webhook.Unknown).Type != "moon.landed" {
		t.Errorf("an event of a later version: %v %v", event, err)
	}
}

func TestWhatIsNotSignedOrOldIsRefused(t *testing.T) {
	body := bodyOf("user.left")
	good := signed(t, body, time.Now())
	for name, try := range map[string]struct {
		secret string
		header http.Header
		body   []byte
	}{
		"another body":      {secret, good, append(bytes.Clone(body), ' ')},
		"another secret":    {"whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8Gp8A=", good, body},
		"no secret":         {"whsec_!", good, body},
		"no headers":        {secret, http.Header{}, body},
		"of yesterday":      {secret, signed(t, body, time.Now().Add(-24*time.Hour)), body},
		"of tomorrow":       {secret, signed(t, body, time.Now().Add(24*time.Hour)), body},
		"an empty body":     {secret, good, nil},
		"no signature":      {secret, http.Header{"Webhook-Id": {"1"}, "Webhook-Timestamp": good["Webhook-Timestamp"]}, body},
		"another timestamp": {secret, http.Header{"Webhook-Id": {"1"}, "Webhook-Timestamp": {"1"}, "Webhook-Signature": good["Webhook-Signature"]}, body},
	} {
		if event, err := webhook.Parse(try.secret, try.header, try.body); !errors.Is(err, webhook.ErrSignature) || event != nil {
			t.Errorf("%s: %v %v", name, event, err)
		}
	}
	for _, text := range []string{"{}", "[]", "x"} {
		if _, err := webhook.Parse(secret, signed(t, []byte(text), time.Now()), []byte(text)); !errors.Is(err, webhook.ErrMalformed) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOnlyTheKeyReadsAnEncryptedBody(t *testing.T) {
	block, _ := aes.NewCipher([]byte(key))
	plain := bodyOf("user.left")
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	data := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	cbc, _ := json.Marshal(map[string][]byte{"iv": iv, "data": data})
	seal, _ := cipher.NewGCM(block)
	sealed := seal.Seal(nil, iv[:12], plain, nil)
	gcm, _ := json.Marshal(map[string][]byte{"iv": iv[:12], "data": sealed[:len(plain)], "tag": sealed[len(plain):]})
	for name, body := range map[string][]byte{"cbc": cbc, "gcm": gcm} {
		header := signed(t, body, time.Now())
		header.Set("X-Encrypted", "true")
		if event, err := webhook.Parse(secret, header, body, webhook.WithKey(key)); err != nil || event.(*webhook.UserLeft).ID == "" {
			t.Errorf("%s: %v %v", name, event, err)
		}
		wrongs := [][]webhook.Option{nil, {webhook.WithKey("short")}}
		for i := range 2000 { // some of which make a padding of what is none
			wrongs = append(wrongs, []webhook.Option{webhook.WithKey(fmt.Sprintf("%032d", i))})
		}
		for _, wrong := range wrongs {
			if _, err := webhook.Parse(secret, header, body, wrong...); !errors.Is(err, webhook.ErrDecrypt) {
				t.Errorf("%s without the key: %v", name, err)
			}
		}
	}
	if _, err := webhook.Parse(secret, signed(t, plain, time.Now()), plain, webhook.WithKey(key)); !errors.Is(err, webhook.ErrDecrypt) {
		t.Errorf("what is not encrypted and should be: %v", err)
	}
}

func ExampleParse() {
	http.HandleFunc("POST /hooks/rejoin", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			return
		}
		event, err := webhook.Parse(secret, r.Header, body)
		if err != nil {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		switch event := event.(type) {
		case *webhook.UserJoined:
			log.Printf("welcome %s", event.Data.User.DisplayName)
		case *webhook.MessagePosted:
			log.Printf("%s in %s", event.Data.Message, event.Data.Channel.ChannelID)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	fmt.Println(gen.WebhookEventTypeUserJoined)
	// Output: user.joined
}

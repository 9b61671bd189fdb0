package webhook

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
)

//go:embed testdata/vectors.json
var vectors []byte

func TestWhatOpenSSLHasEncryptedIsRead(t *testing.T) {
	var all []struct{ Plain, Key, Mode, IV, Data, Tag string }
	if err := json.Unmarshal(vectors, &all); err != nil {
		t.Fatal(err)
	}
	modes := map[string]int{}
	for _, v := range all {
		modes[v.Mode]++
		s := Sealed{IV: v.IV, Data: v.Data, Tag: v.Tag}
		if plain, good := s.Open(v.Mode, v.Key); !good || string(plain) != v.Plain {
			t.Errorf("%s: read %q %v, want %q", v.Mode, plain, good, v.Plain)
		}
		if plain, good := s.Open(v.Mode, "another key of thirty-two letters"[:32]); good && string(plain) == v.Plain {
			t.Errorf("%s: another key reads it", v.Mode)
		}
		if _, good := s.Open(v.Mode, v.Key[:16]); good {
			t.Errorf("%s: half a key reads it", v.Mode)
		}
		for _, broken := range []Sealed{{}, {IV: v.IV, Data: "!"}, {IV: "AAAA", Data: v.Data, Tag: v.Tag}, {IV: v.IV, Data: "AAAA", Tag: v.Tag}, {IV: v.IV, Tag: v.Tag}, {IV: v.IV, Data: v.Data, Tag: "AAAA"}} {
			if _, good := broken.Open(v.Mode, v.Key); good {
				t.Errorf("%s: %v is good", v.Mode, broken)
			}
		}
	}
	if modes["cbc"] != 4 || modes["gcm"] != 4 || len(modes) != 2 {
		t.Errorf("there are %v", modes)
	}
	if _, good := (Sealed{}).Open("ecb", all[0].Key); good {
		t.Error("there is a cipher ecb")
	}
}

func TestWhatIsChangedOnItsWayIsNoticedByGCM(t *testing.T) {
	key := "0123456789abcdef0123456789abcdef"
	_, body, err := Sending{ID: "1", Body: []byte(`{"amount":10}`), Cipher: "gcm", Key: key}.Sealed(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	for _, part := range []*[]byte{&e.IV, &e.Data, &e.Tag} {
		for i := range *part {
			(*part)[i] ^= 1
			if _, good := sealedOf(e).Open("gcm", key); good {
				t.Fatal("a changed bit is not noticed")
			}
			(*part)[i] ^= 1
		}
	}
	if _, good := sealedOf(e).Open("gcm", key); !good {
		t.Error("what was changed back is not good")
	}
}

// Only the paddings of PKCS 7 are good, and of a bad one nothing is cut off: whoever reads it has as much to read.
func TestOnlyAWholePaddingIsGood(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for last := range 256 {
		for wrong := range 17 {
			plain := bytes.Repeat([]byte{'x'}, 32)
			for i := 1; i <= 16 && i <= last; i++ {
				plain[32-i] = byte(last)
			}
			plain[31] = byte(last)
			if wrong > 1 && wrong <= last {
				plain[32-wrong] ^= 0x80
			}
			iv := make([]byte, 16)
			data := make([]byte, 32)
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, plain)
			got, good := sealedOf(envelope{IV: iv, Data: data}).Open("cbc", string(key))
			want := last >= 1 && last <= 16 && !(wrong > 1 && wrong <= last)
			size := 32
			if want {
				size -= last
			}
			if good != want || len(got) != size {
				t.Fatalf("a padding of %d with byte %d changed: good is %v, and %d bytes are left; want %v and %d", last, wrong, good, len(got), want, size)
			}
		}
	}
}

func sealedOf(e envelope) Sealed {
	text := base64.StdEncoding.EncodeToString
	return Sealed{text(e.IV), text(e.Data), text(e.Tag)}
}

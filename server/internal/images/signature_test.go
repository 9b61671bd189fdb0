package images

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// authorization is the header of a signed request: of whom, when, where, over which headers, and the signature.
var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/]+/((\d{8})/([a-z0-9-]+)/s3/aws4_request), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

// checkSignature does what a bucket does with a request that has no query, by the rules that AWS has published (Signature
// Version 4, header based). The service in these tests does not look.
func checkSignature(r *http.Request, secret string) error {
	found := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if found == nil {
		return fmt.Errorf("this is no signature: %q", r.Header.Get("Authorization"))
	}
	scope, day, region, signed, signature := found[1], found[2], found[3], strings.Split(found[4], ";"), found[5]
	moment := r.Header.Get("X-Amz-Date")
	if !strings.HasPrefix(moment, day+"T") || r.URL.RawQuery != "" {
		return errors.New("its day is another one, or it has a query")
	}
	for _, name := range []string{"host", "x-amz-date", "x-amz-content-sha256"} {
		if !slices.Contains(signed, name) {
			return fmt.Errorf("%s is not signed", name)
		}
	}
	request := r.Method + "\n" + r.URL.EscapedPath() + "\n\n"
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		request += name + ":" + value + "\n"
	}
	request += "\n" + found[4] + "\n" + r.Header.Get("X-Amz-Content-Sha256")
	digest := sha256.Sum256([]byte(request))
	key := []byte("AWS4" + secret)
	for _, text := range []string{day, region, "s3", "aws4_request", "AWS4-HMAC-SHA256\n" + moment + "\n" + scope + "\n" + hex.EncodeToString(digest[:])} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != signature {
		return errors.New("it is signed wrongly")
	}
	return nil
}

// The example is the one of AWS: "Authenticating Requests: Using the Authorization Header", GET Object.
func TestSignaturesAreCheckedAsAWSDoes(t *testing.T) {
	r := httptest.NewRequest("GET", "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	r.Header.Set("Range", "bytes=0-9")
	r.Header.Set("X-Amz-Content-Sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	r.Header.Set("X-Amz-Date", "20130524T000000Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"+
		"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
	if err := checkSignature(r, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"); err != nil {
		t.Error(err)
	}
	r.Header.Set("Range", "bytes=0-8")
	if checkSignature(r, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY") == nil {
		t.Error("what was changed after it was signed is taken")
	}
}

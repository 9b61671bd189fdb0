package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestTheStartSaysWhereOperatorsLookAndWhatItTakesForItsAddress(t *testing.T) {
	greeting, base := serve(t, "--data", t.TempDir())
	if strings.Contains(greeting, "WARNING") || get(t, base+"/readyz", "") != http.StatusOK || get(t, base+"/metrics", "") != http.StatusNotFound {
		t.Errorf("on this machine alone: %s", greeting)
	}
	if greeting, _ := serve(t, "--data", t.TempDir(), "--rate-limit=0"); !strings.Contains(greeting, "WARNING    --rate-limit is off") {
		t.Errorf("without limits: %s", greeting)
	}
	greeting, _ = serve(t, "--data", t.TempDir(), "--addr=0.0.0.0:0", "--ops-addr=127.0.0.1:0")
	if !strings.Contains(greeting, "WARNING    --public-url is not set: ") {
		t.Errorf("for everybody: %s", greeting)
	}
	at := regexp.MustCompile(`operators  (\S+)/metrics and (\S+)/readyz`).FindStringSubmatch(greeting)
	if at == nil || get(t, at[1]+"/metrics", "") != http.StatusOK || get(t, at[2]+"/readyz", "") != http.StatusOK {
		t.Errorf("operators do not see anything at %q: %s", at, greeting)
	}
	main := regexp.MustCompile(`Rejoin answers at (\S+)`).FindStringSubmatch(greeting)
	if main == nil || get(t, main[1]+"/metrics", "") != http.StatusNotFound || get(t, main[1]+"/readyz", "") != http.StatusNotFound {
		t.Errorf("everybody sees what is for operators: %s", greeting)
	}
}

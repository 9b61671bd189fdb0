package perm

import (
	"testing"

	"github.com/rejoin-dev/rejoin/gen"
)

func TestWhatASayingNeeds(t *testing.T) {
	for _, c := range []struct {
		text   string
		images int
		lacks  string // who may only post
	}{
		{"Hello", 0, ""},
		{"Hello", 1, AttachFiles},
		{"see HTTPS://example.com", 0, ShareLinks},
		{"http://example.com", 0, ShareLinks},
		{"WWW.example.com", 0, ShareLinks},
		{"ftp://x.y", 0, ShareLinks},
		{"(web+Chess://board)", 0, ShareLinks},
		{"//evil.com", 0, ShareLinks},
		{"see //evil.com", 0, ShareLinks},
		{"//[::1]/a", 0, ShareLinks},
		{`\\evil.com`, 0, ShareLinks},
		{"see evil.com/now", 0, ShareLinks},
		{"bücher.example/", 0, ShareLinks},
		{"evil.xn--p1ai:8080/", 0, ShareLinks},
		{"example.com, ftp or httpx", 0, ""},
		{"either/or, 1.5/2, 24/7 and e.g./i.e.", 0, ""},
		{"a // comment, and ... / or", 0, ""},
		{"@all", 0, AllowMentions},
		{"hello @vera!", 0, AllowMentions},
		{"(@vera)", 0, AllowMentions},
		{"vera@example.com and first.last+x@example.com", 0, ""},
		{"5 @ 3, @", 0, ""},
		{"é@vera", 0, ""},
	} {
		if got := (Standing{ChannelPermissions: gen.ChannelPermissions{PostMessages: true}}).LacksFor(c.text, c.images); got != c.lacks {
			t.Errorf("%q with %d images lacks %q, want %q", c.text, c.images, got, c.lacks)
		}
		if got := Everything().LacksFor(c.text, c.images); got != "" {
			t.Errorf("%q with %d images lacks %q for an owner", c.text, c.images, got)
		}
	}
	for _, either := range []gen.ChannelPermissions{{AttachFiles: true}, {ShareAttachments: true}} {
		if got := (Standing{ChannelPermissions: either}).LacksFor("", 1); got != "" {
			t.Errorf("with %+v an image lacks %q", either, got)
		}
	}
	for _, name := range sayings {
		if !Flag(name) || !Saying(name) {
			t.Errorf("the contract has no role permission %s", name)
		}
	}
	if Saying("delete_messages") || Saying("manage_roles") {
		t.Error("what is done to others is no saying")
	}
}

package perm_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/perm"
)

func role(order int32, server gen.ServerPermissions, channel gen.ChannelPermissions) gen.Role {
	return gen.Role{Order: order, ServerPermissions: server, ChannelPermissions: channel}
}

func TestOf(t *testing.T) {
	everyone := role(10000, gen.ServerPermissions{AllowDM: true}, gen.ChannelPermissions{PostMessages: true})
	for _, test := range []struct {
		name  string
		owner bool
		roles []gen.Role
		want  perm.Standing
	}{
		{"no role, no permission", false, nil, perm.Standing{Highest: 10000}},
		{"the owner may everything, without any role", true, nil, perm.Everything()},
		{"an administrator may everything, however low the role", false,
			[]gen.Role{role(9999, gen.ServerPermissions{ServerAdministrator: true}, gen.ChannelPermissions{})}, perm.Everything()},
		{"roles add up, and the highest counts", false,
			[]gen.Role{role(30, gen.ServerPermissions{BanMembers: true}, gen.ChannelPermissions{}), role(20, gen.ServerPermissions{}, gen.ChannelPermissions{Pinable: true}), everyone},
			perm.Standing{Highest: 20, ServerPermissions: gen.ServerPermissions{AllowDM: true, BanMembers: true}, ChannelPermissions: gen.ChannelPermissions{PostMessages: true, Pinable: true}}},
	} {
		if diff := cmp.Diff(test.want, perm.Of(test.owner, test.roles)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}

func TestEverythingIsEveryFlag(t *testing.T) {
	for _, flags := range []any{perm.Everything().ServerPermissions, perm.Everything().ChannelPermissions} {
		v := reflect.ValueOf(flags)
		for i := range v.NumField() {
			if !v.Field(i).Bool() {
				t.Errorf("%T.%s is not set", flags, v.Type().Field(i).Name)
			}
		}
	}
}

func TestOutranks(t *testing.T) {
	member := perm.Standing{Highest: 50}
	for _, test := range []struct {
		standing perm.Standing
		order    int32
		want     bool
	}{
		{member, 51, true}, {member, 50, false}, {member, 49, false}, {member, 0, false},
		{perm.Everything(), 0, true}, {perm.Standing{Highest: 0}, 0, false}, {perm.Standing{Highest: 10000}, 10000, false},
	} {
		if got := test.standing.Outranks(test.order); got != test.want {
			t.Errorf("highest %d, full %v: Outranks(%d) is %v", test.standing.Highest, test.standing.Full, test.order, got)
		}
	}
}

func TestMayGrantOnlyWhatOneHas(t *testing.T) {
	s := perm.Standing{ServerPermissions: gen.ServerPermissions{KickMembers: true, ManageRoles: true}, ChannelPermissions: gen.ChannelPermissions{PostMessages: true}}
	for _, test := range []struct {
		server  gen.ServerPermissions
		channel gen.ChannelPermissions
		want    bool
	}{
		{gen.ServerPermissions{}, gen.ChannelPermissions{}, true},
		{gen.ServerPermissions{KickMembers: true}, gen.ChannelPermissions{PostMessages: true}, true},
		{gen.ServerPermissions{KickMembers: true, BanMembers: true}, gen.ChannelPermissions{}, false},
		{gen.ServerPermissions{}, gen.ChannelPermissions{ManageMessages: true}, false},
		{gen.ServerPermissions{ServerAdministrator: true}, gen.ChannelPermissions{}, false},
	} {
		if got := s.MayGrant(test.server, test.channel); got != test.want {
			t.Errorf("MayGrant(%+v, %+v) is %v", test.server, test.channel, got)
		}
		if !perm.Everything().MayGrant(test.server, test.channel) {
			t.Errorf("the owner may not grant %+v, %+v", test.server, test.channel)
		}
	}
}

func TestFlagsAreReadInBothSpellings(t *testing.T) {
	want := gen.ServerPermissions{BanMembers: true, OverwriteLanguageSettings: true}
	for name, got := range map[string]gen.ServerPermissions{
		"new": perm.ServerFlags(&gen.ServerPermissionsWrite{BanMembers: true, OverwriteLanguageSettings: true}, nil),
		"old": perm.ServerFlags(nil, &gen.OldServerPermissionsWrite{BanMembers: true, OverwriteLanguage: true}),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	channel := &gen.ChannelPermissionsWrite{PostMessages: true, ShareAttachments: true}
	for name, got := range map[string]gen.ChannelPermissions{
		"new": perm.ChannelFlags(channel, nil), "old": perm.ChannelFlags(nil, channel),
	} {
		if diff := cmp.Diff(gen.ChannelPermissions{PostMessages: true, ShareAttachments: true}, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	if got := perm.ServerFlags(nil, nil); got != (gen.ServerPermissions{}) {
		t.Errorf("nothing written: got %+v", got)
	}
}

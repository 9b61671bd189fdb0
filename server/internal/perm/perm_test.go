package perm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/perm"
)

func TestResolve(t *testing.T) {
	role := func(p gen.ServerPermissions) gen.Role { return gen.Role{ServerPermissions: p} }
	everything := gen.ServerPermissions{
		AllowDm: true, CreateInvite: true, KickMembers: true, WarnMembers: true, SuspendMembers: true, BanMembers: true,
		ManageRoles: true, ManageChannels: true, BroadcastMessages: true, OverwriteLanguageSettings: true, ServerAdministrator: true,
	}
	for _, test := range []struct {
		name  string
		owner bool
		roles []gen.Role
		want  gen.ServerPermissions
	}{
		{"no role, no permission", false, nil, gen.ServerPermissions{}},
		{"the owner may everything, without any role", true, nil, everything},
		{"an administrator may everything", false, []gen.Role{role(gen.ServerPermissions{ServerAdministrator: true})}, everything},
		{
			"roles add up", false,
			[]gen.Role{role(gen.ServerPermissions{AllowDm: true}), role(gen.ServerPermissions{BanMembers: true}), role(gen.ServerPermissions{})},
			gen.ServerPermissions{AllowDm: true, BanMembers: true},
		},
	} {
		if diff := cmp.Diff(test.want, perm.Resolve(test.owner, test.roles)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}

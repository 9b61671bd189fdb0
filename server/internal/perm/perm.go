// Package perm decides what somebody may do in a server. It is pure: who has which roles is somebody else's business.
package perm

import (
	"reflect"
	"strings"

	"github.com/rejoin-dev/rejoin/gen"
)

// A Standing is what somebody may do in a server.
type Standing struct {
	Full               bool // everything: the owner, administrators
	ServerPermissions  gen.ServerPermissions
	ChannelPermissions gen.ChannelPermissions
	Highest            int32 // the order of the highest role; a lower number is a higher role
}

// Everything is the standing of an owner.
func Everything() Standing {
	return Standing{Full: true, ServerPermissions: full[gen.ServerPermissions](), ChannelPermissions: full[gen.ChannelPermissions]()}
}

// Of returns the standing of a member: everything for the owner and for administrators, otherwise the union of the
// member's roles, the role that everybody has among them.
func Of(owner bool, roles []gen.Role) Standing {
	s := Standing{Highest: Lowest}
	for _, role := range roles {
		s.ServerPermissions = union(s.ServerPermissions, role.ServerPermissions)
		s.ChannelPermissions = union(s.ChannelPermissions, role.ChannelPermissions)
		s.Highest = min(s.Highest, role.Order)
	}
	if owner || s.ServerPermissions.ServerAdministrator {
		return Everything()
	}
	return s
}

// Flag tells whether the contract has a role permission of this name, such as manage_roles.
func Flag(name string) bool {
	_, known := flags[name]
	return known
}

// Allows tells whether a role permission is given. One that the contract does not have is given to nobody.
func (s Standing) Allows(name string) bool {
	flag, known := flags[name]
	return known && flag(s)
}

// flags are how the role permissions are looked up, by their names on the wire.
var flags = func() map[string]func(Standing) bool {
	all := map[string]func(Standing) bool{}
	of := func(set reflect.Type, value func(Standing) reflect.Value) {
		for i := range set.NumField() {
			name, _, _ := strings.Cut(set.Field(i).Tag.Get("json"), ",")
			all[name] = func(s Standing) bool { return value(s).Field(i).Bool() }
		}
	}
	of(reflect.TypeFor[gen.ServerPermissions](), func(s Standing) reflect.Value { return reflect.ValueOf(s.ServerPermissions) })
	of(reflect.TypeFor[gen.ChannelPermissions](), func(s Standing) reflect.Value { return reflect.ValueOf(s.ChannelPermissions) })
	return all
}()

// Lowest is the order of the lowest role there can be, which is that of @all. The contract says so.
const Lowest = 10000

// Outranks tells whether a role of this order may be made, changed, given and taken: it must be below one's own highest.
func (s Standing) Outranks(order int32) bool { return s.Full || order > s.Highest }

// MayGrant tells whether a role may have these permissions: nobody grants what they lack.
func (s Standing) MayGrant(server gen.ServerPermissions, channel gen.ChannelPermissions) bool {
	return s.Full || (within(server, s.ServerPermissions) && within(channel, s.ChannelPermissions))
}

// ServerFlags are the flags that a role is written with, in either spelling; what is left out is false.
func ServerFlags(flags *gen.ServerPermissions, old *gen.OldServerPermissionsWrite) (p gen.ServerPermissions) {
	switch {
	case old != nil:
		p = named[gen.ServerPermissions](*old)
		p.OverwriteLanguageSettings = old.OverwriteLanguage
	case flags != nil:
		p = *flags
	}
	return p
}

// ChannelFlags are the flags that a role is written with, in either spelling; what is left out is false.
func ChannelFlags(flags, old *gen.ChannelPermissions) (p gen.ChannelPermissions) {
	switch {
	case old != nil:
		p = *old
	case flags != nil:
		p = *flags
	}
	return p
}

// The functions below work on structs of flags, field by field, so that a flag which the contract gains counts everywhere.

func full[T any]() (flags T) {
	v := reflect.ValueOf(&flags).Elem()
	for i := range v.NumField() {
		v.Field(i).SetBool(true)
	}
	return flags
}

func union[T any](a, b T) T {
	v, w := reflect.ValueOf(&a).Elem(), reflect.ValueOf(b)
	for i := range v.NumField() {
		v.Field(i).SetBool(v.Field(i).Bool() || w.Field(i).Bool())
	}
	return a
}

func within[T any](a, b T) bool {
	v, w := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range v.NumField() {
		if v.Field(i).Bool() && !w.Field(i).Bool() {
			return false
		}
	}
	return true
}

// named takes over the flags of the same name.
func named[T, W any](written W) (flags T) {
	v, w := reflect.ValueOf(&flags).Elem(), reflect.ValueOf(written)
	for i := range w.NumField() {
		if to := v.FieldByName(w.Type().Field(i).Name); to.IsValid() {
			to.SetBool(w.Field(i).Bool())
		}
	}
	return flags
}

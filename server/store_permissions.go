package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A request names roles and users in permissions by what they are called. Kept are the ids of the roles and the numbers of the accounts: who makes
// another role of the same title, or takes a user name that has become free, is not named. They are shown by what they are called now.

// called is what things of a community are called to which categories and products refer. It is read once for all of a request.
type called struct {
	q        store.Queries
	serverID string
	states   []store.Status
	statuses map[string]string // by their ids
	roles    func() (roleNames, error)
	users    map[int64]string // those that were asked for; empty: nobody is called so
}

func calledIn(ctx context.Context, q store.Queries, serverID string) (c called, err error) {
	c = called{q: q, serverID: serverID, statuses: map[string]string{}, users: map[int64]string{}}
	c.roles = sync.OnceValues(func() (roleNames, error) {
		all, err := q.Roles.List(ctx, serverID)
		return namesOfRoles(all), err
	})
	c.states, err = q.Statuses.List(ctx, serverID)
	for _, status := range c.states {
		c.statuses[status.ID] = status.Name
	}
	return c, err
}

// category is a category as it is shown to who looks: with what its status, and those whom its permissions name, are called now.
func (c called) category(ctx context.Context, of gen.Category, to shopper) (shown gen.Category, err error) {
	of.DefaultPurchaseStatus = nameIn(c.statuses, of.DefaultPurchaseStatusID)
	if to.full { // nobody else is shown them
		of.CategoryPermission, err = c.shownPermissions(ctx, of.CategoryPermission)
	}
	return of, err
}

// roleNames are what roles are called: their titles or, where several have the same, their ids.
type roleNames struct {
	byID   map[string]string
	idOf   map[string]string // also of each id
	shared map[string]bool   // a title is that of several
}

func namesOfRoles(all []gen.Role) roleNames {
	names := roleNames{byID: map[string]string{}, idOf: map[string]string{}, shared: map[string]bool{}}
	for _, role := range all {
		_, taken := names.idOf[role.Title]
		names.shared[role.Title] = taken
		names.idOf[role.Title] = role.ID
	}
	for _, role := range all { // an id is that of one, whatever others are called
		names.idOf[role.ID], names.shared[role.ID] = role.ID, false
	}
	for _, role := range all {
		names.byID[role.ID] = role.Title
		if names.shared[role.Title] || names.idOf[role.Title] != role.ID {
			names.byID[role.ID] = role.ID
		}
	}
	return names
}

// What the entries of permissions may have. The contract says so.
const (
	mostPermissions    = 16_000 // bytes, as JSON
	mostPermittedUsers = 200
)

// setPermissions changes permissions, if others are given. Whom they name already may stay, also where they are no member any more.
func (c called) setPermissions(ctx context.Context, kept *gen.StorePermissions, given *gen.StorePermissions, at string) error {
	if given == nil {
		return nil
	}
	if err := checkLength(*given, at); err != nil {
		return err
	}
	if err := c.learnUsers(ctx, *kept); err != nil {
		return err
	}
	stay := map[string]int64{}
	for _, number := range usersIn(*kept) {
		stay[strings.ToLower(c.users[number])] = number
	}
	delete(stay, "")
	after, err := renamed(*given, func(i int, list namedList) ([]string, error) {
		var ids []string
		for _, name := range *list.names {
			id, err := name, error(nil)
			switch list.kind {
			case gen.StoreCombinationTypeRole:
				id, err = c.roleNamed(name)
			case gen.StoreCombinationTypeUser:
				id, err = c.userNamed(ctx, name, stay)
			}
			if errors.Is(err, errShared) {
				return nil, contract.Invalid(contract.Field(fmt.Sprintf("%s/%d/permission/%s", at, i, list.at), gen.FieldCodeNotAllowed, fmt.Sprintf("must name one role each: several have the title %.100q, so give the _id", name)))
			}
			if err != nil {
				return nil, unknownIf(err, fmt.Sprintf("%s/%d/permission/%s", at, i, list.at), fmt.Sprintf("must name roles and members of the community, and %.100q is none", name))
			}
			ids = append(ids, id)
		}
		return ids, nil
	})
	if err != nil {
		return err
	}
	if len(usersIn(after)) > mostPermittedUsers {
		return contract.Invalid(contract.Field(at, gen.FieldCodeTooMany, "must name at most 200 users in all: give many a role"))
	}
	*kept = after
	return checkLength(after, at)
}

func checkLength(all gen.StorePermissions, at string) error {
	text, err := gen.MarshalJSON(all)
	if err == nil && len(text) > mostPermissions {
		err = contract.Invalid(contract.Field(at, gen.FieldCodeTooLong, "must have at most 16,000 bytes as JSON, with 24 characters for each role"))
	}
	return err
}

// errShared says that several are called so.
var errShared = errors.New("several are called so")

func (c called) roleNamed(name string) (string, error) {
	names, err := c.roles()
	if err != nil {
		return "", err
	}
	id, known := names.idOf[name]
	switch {
	case names.shared[name]:
		return "", errShared
	case !known:
		return "", store.ErrNotFound
	}
	return id, nil
}

func (c called) userNamed(ctx context.Context, name string, stay map[string]int64) (string, error) {
	number, stays := stay[strings.ToLower(name)]
	if !stays {
		account, err := c.q.Users.GetMember(ctx, c.serverID, store.ByUsername, strings.ToLower(name))
		if err != nil {
			return "", err
		}
		number = account.AccountNumber
	}
	return strconv.FormatInt(number, 10), nil
}

// shownPermissions are permissions that are kept, with what those whom they name are called now. Who is gone is not shown.
func (c called) shownPermissions(ctx context.Context, kept gen.StorePermissions) (gen.StorePermissions, error) {
	if err := c.learnUsers(ctx, kept); err != nil {
		return nil, err
	}
	return renamed(kept, func(_ int, list namedList) (shown []string, err error) {
		var roles roleNames
		if list.kind == gen.StoreCombinationTypeRole && len(*list.names) > 0 {
			if roles, err = c.roles(); err != nil {
				return nil, err
			}
		}
		for _, id := range *list.names {
			name := id
			switch list.kind {
			case gen.StoreCombinationTypeRole:
				name = roles.byID[id]
			case gen.StoreCombinationTypeUser:
				name = c.users[accountOf(id)]
			}
			if name != "" {
				shown = append(shown, name)
			}
		}
		return shown, nil
	})
}

// learnUsers reads what the users are called whom permissions name, if that was not read yet.
func (c called) learnUsers(ctx context.Context, kept gen.StorePermissions) error {
	var unknown []int64
	for _, number := range usersIn(kept) {
		if _, known := c.users[number]; !known {
			unknown = append(unknown, number)
			c.users[number] = ""
		}
	}
	names, err := c.q.Users.ListUsernames(ctx, unknown)
	for number, name := range names {
		c.users[number] = name
	}
	return err
}

// A namedList is a list of those of one kind in an entry of permissions, and where it stands there.
type namedList struct {
	kind  gen.StoreCombinationType
	at    string
	names *[]string
}

func listsIn(a *gen.StoreAudience) []namedList {
	lists := []namedList{{gen.StoreCombinationTypeRole, "roleNames", &a.RoleNames}, {gen.StoreCombinationTypeTag, "tagNames", &a.TagNames}, {gen.StoreCombinationTypeUser, "usernames", &a.Usernames}}
	for i := range a.Combination {
		part := &a.Combination[i]
		lists = append(lists, namedList{part.Type, fmt.Sprintf("combination/%d/values", i), &part.Values})
	}
	return lists
}

// renamed are permissions with other names in them, none of them twice in a list. What it is given stays as it is: it may be remembered.
func renamed(all gen.StorePermissions, others func(entry int, list namedList) ([]string, error)) (gen.StorePermissions, error) {
	all = slices.Clone(all)
	for i := range all {
		audience := &all[i].Permission
		audience.Combination = slices.Clone(audience.Combination)
		for _, list := range listsIn(audience) {
			if *list.names == nil {
				continue
			}
			found, err := others(i, list)
			if err != nil {
				return nil, err
			}
			once := []string{}
			for _, name := range found {
				if !slices.Contains(once, name) {
					once = append(once, name)
				}
			}
			*list.names = once
		}
	}
	return all, nil
}

// usersIn are the numbers of the accounts that permissions name which are kept.
func usersIn(kept gen.StorePermissions) (numbers []int64) {
	for i := range kept {
		for _, list := range listsIn(&kept[i].Permission) {
			if list.kind != gen.StoreCombinationTypeUser {
				continue
			}
			for _, number := range *list.names {
				numbers = append(numbers, accountOf(number))
			}
		}
	}
	return numbers
}

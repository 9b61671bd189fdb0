package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/shop"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// stores are the operations of the tag store: what a community sells for coins, and to whom. Their own name is that of the package which
// keeps everything.
type stores struct{ *core }

// GetStore shows how the store of a community is set up.
func (h stores) GetStore(ctx context.Context, r stub.GetStoreRequestObject) (stub.GetStoreResponseObject, error) {
	parts, err := partsOf[gen.StoreConfigParts](r.Params.Fields)
	if err != nil {
		return nil, err
	}
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	config, err := storeOf(ctx, h.store.Queries, s.ID)
	if err == nil {
		err = s.learn(ctx, h.store.Queries)
	}
	if err != nil {
		return nil, err
	}
	if !s.may.Full { // who tests a widget is nobody else's business
		config.Widget.TestUsers, config.Widget.TestRoles, config.Widget.UserIdentifierFields = nil, nil, nil
	}
	if lang := valueOf(r.Params.Lang); config.I18N.IsTranslationEnabled {
		config.Title = translatedName(config.Title, config.I18N.TitleTranslations, lang)
		i := slices.IndexFunc(config.I18N.DescriptionTranslations, func(t gen.Translation) bool { return t.Language == lang })
		if i >= 0 {
			config.Description = config.I18N.DescriptionTranslations[i].Value
		}
	}
	return stub.GetStore200JSONResponse{Meta: application(http.StatusOK), Message: "Read store config success.", Data: parts.of(config)}, nil
}

// UpdateStore sets the store of a community up.
func (h stores) UpdateStore(ctx context.Context, r stub.UpdateStoreRequestObject) (stub.UpdateStoreResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateStore200JSONResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return answer, err
		}
		before, err := storeOf(ctx, tx.Queries, s.ID)
		if err != nil {
			return answer, err
		}
		after, err := changedStore(before, *r.Body)
		if err != nil {
			return answer, err
		}
		if !same(&before, &after) {
			after.UpdatedAt = gen.Time{Time: h.now()}
			if err := tx.Stores.Put(ctx, after); err != nil {
				return answer, err
			}
		}
		answer = stub.UpdateStore200JSONResponse{Meta: application(http.StatusOK), Message: "Update store config success.", Data: after}
		return answer, record(ctx, h.core, tx, s.ID, s.ID, &before, &after)
	})
}

// storeOf is the store of a server, whether somebody has set it up or not.
func storeOf(ctx context.Context, q store.Queries, serverID string) (gen.StoreConfig, error) {
	config, err := q.Stores.Get(ctx, serverID)
	if errors.Is(err, store.ErrNotFound) {
		made := gen.Time{Time: bornAt(serverID)}
		config, err = gen.StoreConfig{ID: serverID, CommunityID: serverID, Currency: gen.StoreCurrency{Name: coinsName}, CreatedAt: made, UpdatedAt: made}, nil
	}
	config.WidgetID = gen.Null[string]()
	return config, err
}

const coinsName = "Coins"

// bornAt is the second that an id has at its beginning.
func bornAt(id string) time.Time {
	seconds, _ := strconv.ParseInt(id[:min(8, len(id))], 16, 64)
	return time.Unix(seconds, 0).UTC()
}

func changedStore(c gen.StoreConfig, in gen.StoreConfigUpdate) (gen.StoreConfig, error) {
	set(&c.IsEnabled, in.IsEnabled)
	set(&c.Title, in.Title)
	set(&c.Cover, in.Cover)
	set(&c.Currency, in.Currency)
	set(&c.Widget, in.Widget)
	if c.Currency.Name == "" {
		c.Currency.Name = coinsName
	}
	if c.IsEnabled && strings.TrimSpace(c.Title) == "" {
		return c, contract.Invalid(contract.Field("/title", gen.FieldCodeRequired, "is required of a store that is enabled"))
	}
	if err := setHTML(&c.Description, in.Description, "/description"); err != nil {
		return c, err
	}
	if in.I18N != nil {
		c.I18N = *in.I18N
		c.I18N.DescriptionTranslations = slices.Clone(c.I18N.DescriptionTranslations)
		for i, t := range c.I18N.DescriptionTranslations {
			if err := setHTML(&c.I18N.DescriptionTranslations[i].Value, &t.Value, fmt.Sprintf("/i18n/descriptionTranslations/%d/value", i)); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

// mostHTML is how many characters HTML may have, as the contract says, also when it is sanitised.
const mostHTML = 10_000

// harmless is what HTML of people may have in it.
var harmless = sync.OnceValue(bluemonday.UGCPolicy)

// setHTML changes a text, if another one is given, to what is harmless of it.
func setHTML(text, given *string, at string) error {
	if given == nil {
		return nil
	}
	clean := harmless().Sanitize(*given)
	if utf8.RuneCountInString(clean) > mostHTML {
		return contract.Invalid(contract.Field(at, gen.FieldCodeTooLong, "must have at most 10,000 characters when it is sanitised"))
	}
	*text = clean
	return nil
}

// translatedName is a name in a language, if there is a translation.
func translatedName(name string, all gen.NameTranslations, lang string) string {
	i := slices.IndexFunc(all, func(t gen.NameTranslation) bool { return t.Language == lang })
	if i < 0 || lang == "" {
		return name
	}
	return all[i].Value
}

// A shopper is how somebody looks at a store.
type shopper struct {
	full   bool // whatever it says
	open   bool // the store is
	member shop.Member
}

// shopperOf is how the caller looks at the store, or how they ask a member does, by their _id.
func shopperOf(ctx context.Context, q store.Queries, s *standing, userID *string) (v shopper, err error) {
	if err := s.learn(ctx, q); err != nil {
		return v, err
	}
	account := s.actor.account
	switch {
	case userID == nil && s.may.Full:
		return shopper{full: true, open: true}, nil
	case userID != nil:
		of, err := found(q.Users.GetMember(ctx, s.ID, store.ByID, *userID))
		if err == nil && !s.may.Full && of.AccountNumber != account {
			err = contract.PermissionDenied("an account looks for itself only")
		}
		if err != nil {
			return v, err
		}
		account = of.AccountNumber
	}
	config, err := storeOf(ctx, q, s.ID)
	if err != nil {
		return v, err
	}
	v.open = config.IsEnabled
	v.member, err = shopMember(ctx, q, s.ID, account)
	return v, err
}

// shopMember is a member of a server as entries of permissions that are kept name them.
func shopMember(ctx context.Context, q store.Queries, serverID string, account int64) (m shop.Member, err error) {
	m.Number = strconv.FormatInt(account, 10)
	roles, err := q.Roles.ListOf(ctx, serverID, account)
	for _, role := range roles {
		m.Roles = append(m.Roles, role.ID)
	}
	return m, err
}

// seesCategory tells whether a category is there for who looks.
func (v shopper) seesCategory(c gen.Category) bool {
	return v.full || v.open && !c.IsArchived && shop.Access(shop.IsRestricted(c.CategoryPermission), c.CategoryPermission, v.member) > shop.Nothing
}

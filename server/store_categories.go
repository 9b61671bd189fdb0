package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// ListCategories shows a part of the categories that the caller may view. There are few: all are read.
func (h stores) ListCategories(ctx context.Context, r stub.ListCategoriesRequestObject) (stub.ListCategoriesResponseObject, error) {
	parts, err := partsOf[gen.CategoryParts](r.Params.Fields)
	if err != nil {
		return nil, err
	}
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	viewer, err := shopperOf(ctx, h.store.Queries, &s, r.Params.UserID)
	if err != nil {
		return nil, err
	}
	all, err := h.store.Categories.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	search := searchOf(r.Params.Search)
	by, value, _ := strings.Cut(valueOf(r.Params.Filter), ":")
	all = slices.DeleteFunc(slices.Clone(all), func(c gen.Category) bool {
		return !viewer.seesCategory(c) || !search(c.Name) ||
			by == "isArchived" && c.IsArchived != (value == "true") || by == "viewType" && string(c.ViewType) != value
	})
	sortListed(all, valueOf(r.Params.Sort), func(c gen.Category) sortKey {
		return sortKey{c.Name, 0, int64(c.DisplayOrder), c.CreatedAt, c.UpdatedAt}
	})
	meta, all := cutStore(all, *r.Params.Skip, *r.Params.Limit)
	names, err := calledIn(ctx, h.store.Queries, s.ID)
	answer := stub.ListCategories200JSONResponse{Meta: meta, Message: "Read categories success.", Data: []gen.CategoryParts{}}
	for _, c := range all {
		if err == nil {
			c, err = names.category(ctx, c, viewer)
		}
		answer.Data = append(answer.Data, viewer.category(parts, c, valueOf(r.Params.Lang)))
	}
	return answer, err
}

// category is what is shown of a category to who looks.
func (v shopper) category(parts parts[gen.CategoryParts], c gen.Category, lang string) gen.CategoryParts {
	c.Name = nameOfCategory(c, lang)
	shown := parts.of(c)
	if !v.full {
		shown.CategoryPermission = nil
	}
	return shown
}

func nameOfCategory(c gen.Category, lang string) string {
	if !c.I18N.IsTranslationEnabled {
		return c.Name
	}
	return translatedName(c.Name, c.I18N.NameTranslations, lang)
}

func nameIn(names map[string]string, id gen.Nullable[string]) gen.Nullable[string] {
	value, _ := id.Get()
	if name, known := names[value]; known {
		return gen.NullableOf(name)
	}
	return gen.Null[string]()
}

// CreateCategory makes a category.
func (h stores) CreateCategory(ctx context.Context, r stub.CreateCategoryRequestObject) (stub.CreateCategoryResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.CategoryResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		made := gen.Category{
			ID: h.newID(), CommunityID: s.ID, ViewType: gen.CategoryViewFull, CategoryPermission: gen.StorePermissions{}, CreatedAt: now, UpdatedAt: now,
			DefaultPurchaseStatusID: gen.Null[string](), DefaultPurchaseStatus: gen.Null[string](),
		}
		_, shown, err := h.putCategory(ctx, tx, made, gen.CategoryUpdate(*r.Body), tx.Categories.Insert)
		if err != nil {
			return body, err
		}
		body = gen.CategoryResponse{Meta: application(http.StatusCreated), Message: "Create category success.", Data: shown}
		return body, record(ctx, h.core, tx, s.ID, shown.ID, nil, &shown)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateCategory201JSONResponse{Body: body, Headers: stub.CreateCategory201ResponseHeaders(again)}, nil
}

// putCategory is the step that changes a category as a request asks, writes it down, and returns how it was shown and how it is.
func (k *core) putCategory(ctx context.Context, tx *store.Tx, c gen.Category, in gen.CategoryUpdate, put func(context.Context, gen.Category) error) (before, after gen.Category, err error) {
	before = c
	c.Name = cmp.Or(in.Name, c.Name)
	set(&c.CoverImage, in.CoverImage)
	set(&c.ShouldShowCover, in.ShouldShowCover)
	set(&c.IsArchived, in.IsArchived)
	set(&c.ViewType, in.ViewType)
	set(&c.DisplayOrder, in.DisplayOrder)
	set(&c.I18N, in.I18N)
	names, err := calledIn(ctx, tx.Queries, c.CommunityID)
	if err != nil {
		return before, c, err
	}
	parts := [2]string{"/defaultPurchaseStatusID", "/defaultPurchaseStatusName"}
	if err := setStatus(&c.DefaultPurchaseStatusID, in.DefaultPurchaseStatusID, in.DefaultPurchaseStatusName, names.states, parts); err != nil {
		return before, c, err
	}
	if err := names.setPermissions(ctx, &c.CategoryPermission, in.CategoryPermission, "/categoryPermission"); err != nil {
		return before, c, err
	}
	if !same(&before, &c) {
		c.UpdatedAt, c.DefaultPurchaseStatus = gen.Time{Time: k.now()}, gen.Null[string]()
		err = put(ctx, c)
	}
	if errors.Is(err, store.ErrDuplicate) {
		err = conflictAt("/name", "There is such a category already", "another category of the community has this name")
	}
	if err != nil {
		return before, c, err
	}
	if before, err = names.category(ctx, before, wholeStore); err != nil {
		return before, c, err
	}
	c, err = names.category(ctx, c, wholeStore)
	return before, c, err
}

// setStatus changes a status, if one is given, by its id or by its name.
func setStatus(id *gen.Nullable[string], byID, byName gen.Nullable[string], all []store.Status, at [2]string) error {
	given, pointer := byID, at[0]
	if !byName.IsZero() {
		if !byID.IsZero() {
			return contract.Invalid(contract.Field(at[0], gen.FieldCodeDuplicate, "is given by its name, too; give one"))
		}
		given, pointer = byName, at[1]
	}
	if given.IsZero() {
		return nil
	}
	value, there := given.Get()
	if !there {
		*id = gen.Null[string]()
		return nil
	}
	i := slices.IndexFunc(all, func(s store.Status) bool {
		return pointer == at[0] && s.ID == value || pointer == at[1] && words.Caseless(s.Name) == words.Caseless(value)
	})
	if i < 0 {
		return contract.Invalid(contract.Field(pointer, gen.FieldCodeNotAllowed, "must be a redemption status of the community"))
	}
	if all[i].Category == string(gen.StatusCategoryCancelled) {
		return contract.Invalid(contract.Field(pointer, gen.FieldCodeNotAllowed, "must not be a status of cancelled orders: orders begin in it"))
	}
	*id = gen.NullableOf(all[i].ID)
	return nil
}

// GetCategory shows a category.
func (h stores) GetCategory(ctx context.Context, r stub.GetCategoryRequestObject) (stub.GetCategoryResponseObject, error) {
	parts, err := partsOf[gen.CategoryParts](r.Params.Fields)
	if err != nil {
		return nil, err
	}
	s, c, err := categoryOf(ctx, h.store.Queries, r.CategoryID)
	if err != nil {
		return nil, err
	}
	viewer, err := shopperOf(ctx, h.store.Queries, &s, nil)
	if err == nil && !viewer.seesCategory(c) {
		err = contract.NotFound("category")
	}
	if err != nil {
		return nil, err
	}
	names, err := calledIn(ctx, h.store.Queries, s.ID)
	if err == nil {
		c, err = names.category(ctx, c, viewer)
	}
	return stub.GetCategory200JSONResponse{
		Meta: application(http.StatusOK), Message: "Read category success.", Data: viewer.category(parts, c, valueOf(r.Params.Lang)),
	}, err
}

// categoryOf finds a category with which the caller may do the operation of the request.
func categoryOf(ctx context.Context, q store.Queries, id string) (s standing, c gen.Category, err error) {
	if c, err = q.Categories.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		return s, c, contract.NotFound("category")
	}
	if err == nil {
		s, err = require(ctx, q, c.CommunityID, "category")
	}
	return s, c, err
}

// UpdateCategory changes what is given of a category.
func (h stores) UpdateCategory(ctx context.Context, r stub.UpdateCategoryRequestObject) (stub.UpdateCategoryResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateCategory200JSONResponse, err error) {
		s, before, err := categoryOf(ctx, tx.Queries, r.CategoryID)
		if err == nil {
			err = s.sameServer(r.Body.ServerID)
		}
		if err != nil {
			return answer, err
		}
		before, after, err := h.putCategory(ctx, tx, before, *r.Body, tx.Categories.Update)
		if err != nil {
			return answer, err
		}
		answer = stub.UpdateCategory200JSONResponse{Meta: application(http.StatusOK), Message: "Update category success.", Data: after}
		return answer, record(ctx, h.core, tx, s.ID, after.ID, &before, &after)
	})
}

// DeleteCategory ends a category that holds nothing.
func (h stores) DeleteCategory(ctx context.Context, r stub.DeleteCategoryRequestObject) (stub.DeleteCategoryResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteCategory200JSONResponse, err error) {
		s, gone, err := categoryOf(ctx, tx.Queries, r.CategoryID)
		if err != nil {
			return answer, err
		}
		holds, err := tx.Categories.HoldsAny(ctx, gone)
		if err == nil && holds {
			err = conflictAt("path/categoryID", "The category holds products", "delete its products first, or put them into another category")
		}
		if err != nil {
			return answer, err
		}
		names, err := calledIn(ctx, tx.Queries, s.ID)
		if err != nil {
			return answer, err
		}
		if err := tx.Categories.Delete(ctx, gone.ID); err != nil {
			return answer, err
		}
		if gone, err = names.category(ctx, gone, wholeStore); err != nil {
			return answer, err
		}
		answer = stub.DeleteCategory200JSONResponse{Meta: application(http.StatusOK), Message: "Delete category success.", Data: gone}
		return answer, record(ctx, h.core, tx, s.ID, gone.ID, &gone, nil)
	})
}

// A sortKey is by what categories and products are ordered.
type sortKey struct {
	name             string
	price            int32
	position         int64
	created, updated gen.Time
}

// sortListed brings things that are in the order in which they were made into another one: that of displayOrder, or the one asked for.
func sortListed[T any](all []T, order string, of func(T) sortKey) {
	by, direction, _ := strings.Cut(order, ":")
	slices.SortStableFunc(all, func(first, second T) int {
		a, b := of(first), of(second)
		if direction == "desc" {
			a, b = b, a
		}
		switch by {
		case "name":
			return cmp.Or(strings.Compare(words.Caseless(a.name), words.Caseless(b.name)), strings.Compare(a.name, b.name))
		case "price":
			return cmp.Compare(a.price, b.price)
		case "createdAt":
			return a.created.Compare(b.created.Time)
		case "updatedAt":
			return a.updated.Compare(b.updated.Time)
		}
		return cmp.Compare(a.position, b.position)
	})
}

// searchOf tells whether a name has in it what is searched for.
func searchOf(search *string) func(name string) bool {
	_, word, _ := strings.Cut(valueOf(search), ":")
	word = words.Caseless(word)
	return func(name string) bool { return word == "" || strings.Contains(words.Caseless(name), word) }
}

// cutStore is the part of a list that is asked for, and its envelope.
func cutStore[T any](all []T, skip, limit int32) (gen.StorePageMeta, []T) {
	meta := gen.StorePageMeta{Status: "success", StatusCode: http.StatusOK, Skip: skip, Limit: limit, Total: int32(len(all))}
	from := min(int(skip), len(all))
	return meta, all[from:min(from+int(limit), len(all))]
}

package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/shop"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/words"
)

// ListProducts shows a part of the products that the caller may view. Of those that are not shown, the cards are read.
func (h stores) ListProducts(ctx context.Context, r stub.ListProductsRequestObject) (stub.ListProductsResponseObject, error) {
	parts, err := partsOf[gen.ProductParts](r.Params.Fields)
	if err != nil {
		return nil, err
	}
	q := h.store.Queries
	s, err := resolve(ctx, q, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	viewer, err := shopperOf(ctx, q, &s, r.Params.UserID)
	if err != nil {
		return nil, err
	}
	refers, err := referredBy(ctx, q, s.ID)
	if err != nil {
		return nil, err
	}
	cards, err := q.Products.ListCards(ctx, s.ID, !viewer.full)
	if err != nil {
		return nil, err
	}
	search, filter := searchOf(r.Params.Search), cardFilterOf(r.Params.Filter)
	cards = slices.DeleteFunc(slices.Clone(cards), func(c store.ProductCard) bool { return !viewer.sees(c, refers) || !search(c.Name) || !filter(c) })
	sortListed(cards, valueOf(r.Params.Sort), func(c store.ProductCard) sortKey {
		return sortKey{c.Name, c.Price, c.Position, c.CreatedAt, c.UpdatedAt}
	})
	meta, cards := cutStore(cards, *r.Params.Skip, *r.Params.Limit)
	ids := make([]string, len(cards))
	for i, c := range cards {
		ids[i] = c.ID
	}
	found, err := q.Products.ListOf(ctx, ids)
	answer := stub.ListProducts200JSONResponse{Meta: meta, Message: "Read products success.", Data: []gen.ProductParts{}}
	for _, p := range found {
		shown, err := h.shownProduct(ctx, p, refers, viewer, valueOf(r.Params.Lang))
		if err != nil {
			return nil, err
		}
		answer.Data = append(answer.Data, viewer.product(parts, shown))
	}
	return answer, err
}

// sees tells whether a product is there for who looks.
func (v shopper) sees(c store.ProductCard, refers referred) bool {
	if v.full {
		return true
	}
	category, in := refers.categories[c.CategoryID]
	return v.open && !c.Archived && (!in || v.seesCategory(category)) && shop.Access(c.Restricted, c.Access, v.member) > shop.Nothing
}

// cardOf is the card of a product.
func cardOf(p gen.Product) store.ProductCard {
	category, _ := p.CategoryID.Get()
	return store.ProductCard{CategoryID: category, Archived: p.IsArchived, Restricted: p.IsProductAccessEnabled, Access: p.ProductPermission}
}

// cardFilterOf tells whether a card has what the query asks for.
func cardFilterOf(filter *string) func(store.ProductCard) bool {
	by, value, _ := strings.Cut(valueOf(filter), ":")
	return func(c store.ProductCard) bool {
		switch by {
		case "isArchived":
			return c.Archived == (value == "true")
		case "isDiscountEnabled":
			return c.Discounts == (value == "true")
		case "type":
			return c.Type == value
		case "categoryID":
			return c.CategoryID == value
		}
		return true
	}
}

// product is what is shown of a product to who looks.
func (v shopper) product(parts parts[gen.ProductParts], p gen.Product) gen.ProductParts {
	shown := parts.of(p)
	if !v.full {
		shown.ProductPermission = nil
		if !p.ShouldDisplayRemainingQuantity {
			shown.Stocks = gen.Nullable[int32]{}
		}
	}
	return shown
}

// referred is what products refer to: categories, and what statuses are called, by their ids. It is read once for all products of a request.
type referred struct {
	categories map[string]gen.Category
	named      func() map[string]string // the ids of categories, by their names without regard to case
	called
}

func referredBy(ctx context.Context, q store.Queries, serverID string) (r referred, err error) {
	all, err := q.Categories.List(ctx, serverID)
	if err != nil {
		return r, err
	}
	r.categories = map[string]gen.Category{}
	for _, c := range all {
		r.categories[c.ID] = c
	}
	r.named = sync.OnceValue(func() map[string]string {
		ids := map[string]string{}
		for _, c := range all {
			ids[words.Caseless(c.Name)] = c.ID
		}
		return ids
	})
	r.called, err = calledIn(ctx, q, serverID)
	return r, err
}

// shownProduct is a product with all that is counted of it, and with what things are called now that it refers to.
func (k *core) shownProduct(ctx context.Context, p store.Product, refers referred, to shopper, lang string) (shown gen.Product, err error) {
	shown = p.Product
	shown.CurrentPrice, shown.TotalOrders, shown.Stocks, shown.Category = shop.Price(shown, to.member, k.now()), p.Orders, gen.Null[int32](), gen.Null[string]()
	if p.Stock != nil {
		shown.Stocks = gen.NullableOf(int32(*p.Stock))
	}
	id, _ := shown.CategoryID.Get()
	if category, in := refers.categories[id]; in {
		shown.Category = gen.NullableOf(nameOfCategory(category, lang))
	}
	shown.PurchaseStatusOverride.Status = nameIn(refers.statuses, shown.PurchaseStatusOverride.StatusID)
	if to.full { // nobody else is shown them
		shown.ProductPermission, err = refers.shownPermissions(ctx, shown.ProductPermission)
	}
	return shown, err
}

// wholeStore is how a store looks to who changes it.
var wholeStore = shopper{full: true, open: true}

// GetProduct shows a product.
func (h stores) GetProduct(ctx context.Context, r stub.GetProductRequestObject) (stub.GetProductResponseObject, error) {
	parts, err := partsOf[gen.ProductParts](r.Params.Fields)
	if err != nil {
		return nil, err
	}
	q := h.store.Queries
	s, p, err := productOf(ctx, q, r.ProductID)
	if err != nil {
		return nil, err
	}
	refers, err := referredBy(ctx, q, s.ID)
	if err != nil {
		return nil, err
	}
	viewer, err := shopperOf(ctx, q, &s, nil)
	if err == nil && !viewer.sees(cardOf(p.Product), refers) {
		err = contract.NotFound("product")
	}
	if err != nil {
		return nil, err
	}
	shown, err := h.shownProduct(ctx, p, refers, viewer, valueOf(r.Params.Lang))
	return stub.GetProduct200JSONResponse{Meta: application(http.StatusOK), Message: "Read product success.", Data: viewer.product(parts, shown)}, err
}

// productOf finds a product with which the caller may do the operation of the request.
func productOf(ctx context.Context, q store.Queries, id string) (s standing, p store.Product, err error) {
	if p, err = q.Products.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		return s, p, contract.NotFound("product")
	}
	if err == nil {
		s, err = require(ctx, q, p.CommunityID, "product")
	}
	return s, p, err
}

// CreateProduct makes a product.
func (h stores) CreateProduct(ctx context.Context, r stub.CreateProductRequestObject) (stub.CreateProductResponseObject, error) {
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.ProductResponse, err error) {
		s, err := resolve(ctx, tx.Queries, r.Body.ServerID)
		if err != nil {
			return body, err
		}
		refers, err := referredBy(ctx, tx.Queries, s.ID)
		if err != nil {
			return body, err
		}
		shown, err := h.addProduct(ctx, tx, s.ID, refers, asUpdate(*r.Body))
		if err != nil {
			return body, err
		}
		body = gen.ProductResponse{Meta: application(http.StatusCreated), Message: "Create product success.", Data: shown}
		return body, record(ctx, h.core, tx, s.ID, shown.ID, nil, &shown)
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateProduct201JSONResponse{Body: body, Headers: stub.CreateProduct201ResponseHeaders(again)}, nil
}

// asUpdate is what a product is made from as what changes of one of which nothing is said yet: they have the same parts.
func asUpdate(in gen.ProductCreate) (out gen.ProductUpdate) {
	from, to := reflect.ValueOf(in), reflect.ValueOf(&out).Elem()
	for field := range from.Type().Fields() {
		to.FieldByName(field.Name).Set(from.FieldByIndex(field.Index))
	}
	return out
}

// addProduct is the step that makes a product, and returns it as it is shown.
func (k *core) addProduct(ctx context.Context, tx *store.Tx, serverID string, refers referred, in gen.ProductUpdate) (shown gen.Product, err error) {
	p := store.Product{Product: newProduct()}
	p.ID, p.CommunityID, p.CreatedAt = k.newID(), serverID, gen.Time{Time: k.now()}
	set(&p.Type, in.Type)
	if in.Type == nil && len(in.Vouchers) > 0 {
		p.Type = gen.ProductTypeVoucher
	}
	if p.Type == gen.ProductTypeVoucher {
		p.Stock = new(int64)
	}
	if err := k.changeProduct(ctx, refers, &p, in); err != nil {
		return shown, err
	}
	p.UpdatedAt = p.CreatedAt
	if err := tx.Products.Insert(ctx, p); err != nil {
		return shown, err
	}
	if err := k.addVouchers(ctx, tx, p.Product, in); err != nil {
		return shown, err
	}
	if p.Stock != nil {
		*p.Stock += int64(len(in.Vouchers))
	}
	return k.shownProduct(ctx, p, refers, wholeStore, "")
}

// newProduct is one of which nothing is said.
func newProduct() gen.Product {
	return gen.Product{
		Type: gen.ProductTypePhysical, CategoryID: gen.Null[string](), Category: gen.Null[string](), Stocks: gen.Null[int32](),
		DiscountStartDate: gen.Null[gen.Time](), DiscountEndDate: gen.Null[gen.Time](), AvailableFrom: gen.Null[gen.Time](), AvailableUntil: gen.Null[gen.Time](),
		ExpiringVoucherHighlight: gen.ProductHighlight{Duration: 7, Timeframe: "days"}, ShouldDisplayRemainingQuantity: true,
		ProductPermission:      gen.StorePermissions{},
		PurchaseStatusOverride: gen.ProductStatus{StatusID: gen.Null[string](), Status: gen.Null[string]()},
	}
}

// UpdateProduct changes what is given of a product.
func (h stores) UpdateProduct(ctx context.Context, r stub.UpdateProductRequestObject) (stub.UpdateProductResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateProduct200JSONResponse, err error) {
		s, p, err := productOf(ctx, tx.Queries, r.ProductID)
		if err == nil {
			err = s.sameServer(r.Body.ServerID)
		}
		if err == nil && r.Body.ProductID != "" && r.Body.ProductID != p.ID {
			err = contract.Invalid(contract.Field("/productID", gen.FieldCodeNotAllowed, "must be that of the path, or be left out"))
		}
		if err != nil {
			return answer, err
		}
		refers, err := referredBy(ctx, tx.Queries, s.ID)
		if err != nil {
			return answer, err
		}
		before, after, err := h.replaceProduct(ctx, tx, p, refers, *r.Body)
		if err != nil {
			return answer, err
		}
		answer = stub.UpdateProduct200JSONResponse{Meta: application(http.StatusOK), Message: "Update product success.", Data: after}
		return answer, record(ctx, h.core, tx, s.ID, after.ID, &before, &after)
	})
}

// replaceProduct is the step that changes a product, and returns how it was shown and how it is.
func (k *core) replaceProduct(ctx context.Context, tx *store.Tx, p store.Product, refers referred, in gen.ProductUpdate) (before, after gen.Product, err error) {
	if before, err = k.shownProduct(ctx, p, refers, wholeStore, ""); err != nil {
		return before, after, err
	}
	was, stock := p.Product, p.Stock
	if err := k.changeProduct(ctx, refers, &p, in); err != nil {
		return before, after, err
	}
	if !same(&was, &p.Product) || stock != p.Stock || len(in.Vouchers) > 0 {
		p.UpdatedAt = gen.Time{Time: k.now()}
		if err := tx.Products.Update(ctx, p.Product); err != nil {
			return before, after, err
		}
	}
	if stock != p.Stock {
		if err := tx.Products.SetStock(ctx, p.ID, p.Stock); err != nil {
			return before, after, err
		}
	}
	if err := k.addVouchers(ctx, tx, p.Product, in); err != nil {
		return before, after, err
	}
	if len(in.Vouchers) > 0 {
		if p, err = tx.Products.Get(ctx, p.ID); err != nil {
			return before, after, err
		}
	}
	after, err = k.shownProduct(ctx, p, refers, wholeStore, "")
	return before, after, err
}

// changeProduct changes what is given of a product, and refuses what it cannot become.
func (k *core) changeProduct(ctx context.Context, refers referred, p *store.Product, in gen.ProductUpdate) error {
	was := p.Product
	p.Name = cmp.Or(in.Name, p.Name)
	set(&p.Image, in.Image)
	set(&p.Price, in.Price)
	set(&p.DiscountPrice, in.DiscountPrice)
	set(&p.IsDiscountEnabled, in.IsDiscountEnabled)
	for part, given := range map[*gen.Nullable[gen.Time]]gen.Nullable[gen.Time]{
		&p.DiscountStartDate: in.DiscountStartDate, &p.DiscountEndDate: in.DiscountEndDate, &p.AvailableFrom: in.AvailableFrom, &p.AvailableUntil: in.AvailableUntil,
	} {
		if !given.IsZero() {
			*part = given
		}
	}
	set(&p.UserInformation, in.UserInformation)
	set(&p.ShouldPrioritiesExpiringVouchers, in.ShouldPrioritiesExpiringVouchers)
	set(&p.ShouldDisplayRemainingQuantity, in.ShouldDisplayRemainingQuantity)
	set(&p.ExpiringVoucherHighlight, in.ExpiringVoucherHighlight)
	set(&p.IsArchived, in.IsArchived)
	set(&p.IsProductAccessEnabled, in.IsProductAccessEnabled)
	set(&p.DisplayOrder, in.DisplayOrder)
	if err := setHTML(&p.Description, in.Description, "/description"); err != nil {
		return err
	}
	if err := setHTML(&p.RedemptionInstructions, in.RedemptionInstructions, "/redemptionInstructions"); err != nil {
		return err
	}
	if err := checkTimes(p.Product); err != nil {
		return err
	}
	if err := checkDiscount(was, p.Product, in); err != nil {
		return err
	}
	if err := k.changeStock(p, in); err != nil {
		return err
	}
	if err := setCategory(refers, &p.CategoryID, in); err != nil {
		return err
	}
	if err := setOverride(refers, &p.Product, in); err != nil {
		return err
	}
	return refers.setPermissions(ctx, &p.ProductPermission, in.ProductPermission, "/productPermission")
}

// checkDiscount refuses a discount that takes nothing off, and one of which nobody has said what remains: a product that costs nothing is meant to. A
// product that was kept before this was checked is changed in everything else.
func checkDiscount(was, p gen.Product, in gen.ProductUpdate) error {
	const at = "/discountPrice"
	switch {
	case in.Price == nil && in.DiscountPrice == nil && in.IsDiscountEnabled == nil:
		return nil
	case p.IsDiscountEnabled && !was.IsDiscountEnabled && p.DiscountPrice == 0 && in.DiscountPrice == nil:
		return contract.Invalid(contract.Field(at, gen.FieldCodeRequired, "is required where the discount is enabled"))
	case p.DiscountPrice >= p.Price && (p.IsDiscountEnabled || in.DiscountPrice != nil && p.DiscountPrice > 0):
		return contract.Invalid(contract.Field(at, gen.FieldCodeTooLarge, "must be less than the price"))
	}
	return nil
}

func checkTimes(p gen.Product) error {
	for _, window := range []struct {
		from, until gen.Nullable[gen.Time]
		at          string
	}{{p.DiscountStartDate, p.DiscountEndDate, "/discountEndDate"}, {p.AvailableFrom, p.AvailableUntil, "/availableUntil"}} {
		from, begins := window.from.Get()
		until, ends := window.until.Get()
		if begins && ends && !until.After(from.Time) {
			return contract.Invalid(contract.Field(window.at, gen.FieldCodeNotAllowed, "must be after the start"))
		}
	}
	return nil
}

// changeStock changes how much there is of a product. A product that it is given has another pointer to it then.
func (k *core) changeStock(p *store.Product, in gen.ProductUpdate) error {
	voucher := p.Type == gen.ProductTypeVoucher
	if in.Type != nil && *in.Type != p.Type {
		if voucher != (*in.Type == gen.ProductTypeVoucher) {
			return contract.Invalid(contract.Field("/type", gen.FieldCodeNotAllowed, "must not become a voucher, or another thing than one"))
		}
		p.Type = *in.Type
	}
	expires, ends := in.VoucherExpireDate.Get()
	switch {
	case voucher && !in.Stocks.IsZero():
		return contract.Invalid(contract.Field("/stocks", gen.FieldCodeNotAllowed, "must be left out of a voucher, which counts its codes"))
	case !voucher && len(in.Vouchers) > 0:
		return contract.Invalid(contract.Field("/vouchers", gen.FieldCodeNotAllowed, "must be left out of what is no voucher"))
	case ends && len(in.Vouchers) > 0 && !expires.After(k.now()):
		return contract.Invalid(contract.Field("/voucherExpireDate", gen.FieldCodeTooSmall, "must be later than now"))
	case in.Stocks.IsZero():
		return nil
	}
	p.Stock = nil
	if pieces, limited := in.Stocks.Get(); limited {
		p.Stock = new(int64(pieces))
	}
	return nil
}

// setCategory changes the category, if one is given, by its id or by its name.
func setCategory(refers referred, id *gen.Nullable[string], in gen.ProductUpdate) error {
	const must = "must be a category of the community"
	byID, isID := in.CategoryID.Get()
	byName, isName := in.CategoryName.Get()
	switch {
	case !in.CategoryID.IsZero() && !in.CategoryName.IsZero():
		return contract.Invalid(contract.Field("/categoryID", gen.FieldCodeDuplicate, "is given by its name, too; give one"))
	case isID:
		if _, known := refers.categories[byID]; !known {
			return contract.Invalid(contract.Field("/categoryID", gen.FieldCodeNotAllowed, must))
		}
		*id = gen.NullableOf(byID)
	case isName:
		named, known := refers.named()[words.Caseless(byName)]
		if !known {
			return contract.Invalid(contract.Field("/categoryName", gen.FieldCodeNotAllowed, must))
		}
		*id = gen.NullableOf(named)
	case !in.CategoryID.IsZero() || !in.CategoryName.IsZero():
		*id = gen.Null[string]()
	}
	return nil
}

// setOverride changes in which status an order begins. Whoever names one means it.
func setOverride(refers referred, p *gen.Product, in gen.ProductUpdate) error {
	given, override := in.PurchaseStatusOverride, &p.PurchaseStatusOverride
	if given == nil && in.PurchaseStatusOverrideName.IsZero() {
		return nil
	}
	var byID gen.Nullable[string]
	if given != nil {
		byID = given.StatusID
	}
	names := [2]string{"/purchaseStatusOverride/statusID", "/purchaseStatusOverrideName"}
	if err := setStatus(&override.StatusID, byID, in.PurchaseStatusOverrideName, refers.states, names); err != nil {
		return err
	}
	_, there := override.StatusID.Get()
	switch override.Status = gen.Null[string](); {
	case given != nil && given.IsEnabled && !there:
		return contract.Invalid(contract.Field(names[0], gen.FieldCodeRequired, "is required where it is enabled"))
	case given != nil:
		override.IsEnabled = given.IsEnabled
	default:
		override.IsEnabled = there
	}
	return nil
}

// addVouchers is the step that seals the codes that are given, and adds them.
func (k *core) addVouchers(ctx context.Context, tx *store.Tx, p gen.Product, in gen.ProductUpdate) error {
	if len(in.Vouchers) == 0 {
		return nil
	}
	if err := k.vault.begin(ctx, tx); err != nil {
		return err
	}
	var expires *gen.Time
	if at, ends := in.VoucherExpireDate.Get(); ends {
		expires = &at
	}
	all := make([]store.Voucher, len(in.Vouchers))
	for i, code := range in.Vouchers {
		sealed, err := k.vault.seal(p.ID, code)
		if err != nil {
			return err
		}
		all[i] = store.Voucher{ProductID: p.ID, ServerID: p.CommunityID, Hash: k.vault.hash(p.ID, code), Sealed: sealed, ExpiresAt: expires}
	}
	err := tx.Vouchers.Insert(ctx, p.ID, all)
	if twice := (*store.DuplicateVoucherError)(nil); errors.As(err, &twice) {
		message, why := "The product has this code already", "is a code that the product has, or has had"
		if slices.Contains(in.Vouchers[:twice.At], in.Vouchers[twice.At]) {
			message, why = "A code is given twice", "is given twice"
		}
		err = conflictAt(fmt.Sprintf("/vouchers/%d", twice.At), message, why)
	}
	return err
}

// DeleteProduct ends a product.
func (h stores) DeleteProduct(ctx context.Context, r stub.DeleteProductRequestObject) (stub.DeleteProductResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteProduct200JSONResponse, err error) {
		s, p, err := productOf(ctx, tx.Queries, r.ProductID)
		if err != nil {
			return answer, err
		}
		refers, err := referredBy(ctx, tx.Queries, s.ID)
		if err != nil {
			return answer, err
		}
		if err := tx.Products.Delete(ctx, p.ID); err != nil {
			return answer, err
		}
		if err := tx.Jobs.Insert(ctx, productRemoval{ProductID: p.ID}); err != nil {
			return answer, err
		}
		gone, err := h.shownProduct(ctx, p, refers, wholeStore, "")
		if err != nil {
			return answer, err
		}
		answer = stub.DeleteProduct200JSONResponse{Meta: application(http.StatusOK), Message: "Delete product success.", Data: gone}
		return answer, record(ctx, h.core, tx, s.ID, gone.ID, &gone, nil)
	})
}

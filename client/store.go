package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// StoreConfig is how the store of a community is set up. Its fields are listed at [gen.StoreConfig].
	StoreConfig = gen.StoreConfig
	// StoreConfigUpdate changes what is not nil. An object in it is replaced whole. Its fields are listed at [gen.StoreConfigUpdate].
	StoreConfigUpdate = gen.StoreConfigUpdate
	// StoreCurrency is what coins are called.
	StoreCurrency = gen.StoreCurrency
	// StorePermission says what some members may do, and for how much. Its fields are listed at [gen.StorePermission].
	StorePermission = gen.StorePermission
	// StoreAudience names members.
	StoreAudience = gen.StoreAudience
	// StorePurchaseAccess is what they pay.
	StorePurchaseAccess = gen.StorePurchaseAccess
	// StorePurchaseLimit is how much they buy at most.
	StorePurchaseLimit = gen.StorePurchaseLimit
	// Category is a category of a store. Its fields are listed at [gen.Category].
	Category = gen.Category
	// CategoryCreate is what a category is made from. Name is required. Its fields are listed at [gen.CategoryCreate].
	CategoryCreate = gen.CategoryCreate
	// CategoryUpdate changes what is given; the rest stays. Its fields are listed at [gen.CategoryUpdate].
	CategoryUpdate = gen.CategoryUpdate
	// CategoryView is how a category is shown.
	CategoryView = gen.CategoryView
	// Product is what a store sells. Its fields are listed at [gen.Product]. Members are shown less of it.
	Product = gen.Product
	// ProductCreate is what a product is made from. Name and Price are required. Its fields are listed at [gen.ProductCreate].
	ProductCreate = gen.ProductCreate
	// ProductUpdate changes what is given; the rest stays, and Vouchers are added. Its fields are listed at [gen.ProductUpdate].
	ProductUpdate = gen.ProductUpdate
	// Price is so many whole coins.
	Price = gen.Price
	// StoreImage is the address of an image, or empty.
	StoreImage = gen.StoreImage
	// ProductType is what a product is.
	ProductType = gen.ProductType
	// ProductQuestions are what a buyer has to tell.
	ProductQuestions = gen.ProductQuestions
)

// ProductQuery says which products or categories are listed, and how. The zero ProductQuery is all, in their order.
type ProductQuery struct {
	// Sort is name, price, displayOrder, createdAt or updatedAt, and perhaps :desc behind it. Categories have no price.
	Sort string
	// Keyword is a part of the name.
	Keyword string
	// Filter is a part, a colon and its value, such as isArchived:false.
	Filter string
	// Language is the one in which names are shown, where there is a translation.
	Language string
	// UserID is the ID of a member: only what they see is listed.
	UserID string
}

func (q ProductQuery) search() *string {
	if q.Keyword == "" {
		return nil
	}
	return optional("keyword:" + q.Keyword)
}

// StoreService has the operations on the store of a community, its categories and its products. It is a field of [Client].
type StoreService struct {
	api *gen.Client
}

// Get returns how the store of a community is set up. Without a server, it is that of the API key, or the only one of the account.
//
// For members, and API keys with [PermissionStore].
func (s *StoreService) Get(ctx context.Context, serverID string) (*StoreConfig, error) {
	return one[StoreConfig](s.api.GetStore(ctx, &gen.GetStoreParams{ServerID: optional(serverID)}))
}

// Update sets the store of a community up.
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) Update(ctx context.Context, in StoreConfigUpdate) (*StoreConfig, error) {
	return one[StoreConfig](s.api.UpdateStore(ctx, in))
}

// Categories returns the categories of a store that the caller may view, 100 at most.
//
// For members, and API keys with [PermissionStore].
func (s *StoreService) Categories(ctx context.Context, serverID string, query ProductQuery) ([]Category, error) {
	most := int32(pageSize)
	return list[Category](s.api.ListCategories(ctx, &gen.ListCategoriesParams{
		ServerID: optional(serverID), Limit: &most, Sort: optional(query.Sort), Search: query.search(), Filter: optional(query.Filter),
		Lang: optional(query.Language), UserID: optional(query.UserID),
	}))
}

// GetCategory returns a category. It fails with [ErrNotFound] if the caller may not view it.
//
// For members, and API keys with [PermissionStore].
func (s *StoreService) GetCategory(ctx context.Context, id string) (*Category, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Category](s.api.GetCategory(ctx, id, nil))
}

// CreateCategory makes a category. It fails with [ErrConflict] if another one of the community has the name, or there are 100.
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) CreateCategory(ctx context.Context, in CategoryCreate, opts ...CreateOption) (*Category, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Category](making.note(s.api.CreateCategory(ctx, nil, full(in), making.edits...)))
}

// UpdateCategory changes a category. It fails with [ErrConflict] if another one of the community has the name.
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) UpdateCategory(ctx context.Context, id string, in CategoryUpdate) (*Category, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Category](s.api.UpdateCategory(ctx, id, full(in)))
}

// DeleteCategory ends a category, and returns it as it was. It fails with [ErrConflict] while it holds products.
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) DeleteCategory(ctx context.Context, id string) (*Category, error) {
	return one[Category](with(ctx, id, s.api.DeleteCategory))
}

// Products returns an iterator over the products of a store that the caller may view, which works as that of [ServersService.Members].
// What is added or removed meanwhile may let one come twice, or not at all.
//
// For members, and API keys with [PermissionStore].
func (s *StoreService) Products(ctx context.Context, serverID string, query ProductQuery) iter.Seq2[Product, error] {
	size := int32(pageSize)
	return following(func(cursor string) ([]Product, string, error) {
		params := gen.ListProductsParams{
			ServerID: optional(serverID), Limit: &size, Sort: optional(query.Sort), Search: query.search(), Filter: optional(query.Filter),
			Lang: optional(query.Language), UserID: optional(query.UserID),
		}
		skip, _ := strconv.Atoi(cursor)
		if skip > 0 {
			params.Skip = new(int32(skip))
		}
		found, err := list[Product](s.api.ListProducts(ctx, &params))
		if err != nil || len(found) < pageSize {
			return found, "", err
		}
		return found, strconv.Itoa(skip + len(found)), nil
	})
}

// GetProduct returns a product. It fails with [ErrNotFound] if the caller may not view it.
//
// For members, and API keys with [PermissionStore].
func (s *StoreService) GetProduct(ctx context.Context, id string) (*Product, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Product](s.api.GetProduct(ctx, id, nil))
}

// CreateProduct makes a product. It fails with [ErrConflict] if a code is given twice, or there are 1,000 products.
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) CreateProduct(ctx context.Context, in ProductCreate, opts ...CreateOption) (*Product, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return one[Product](making.note(s.api.CreateProduct(ctx, nil, full(in), making.edits...)))
}

// CreateProducts makes all products, 1,000 at most, or none. It fails with [ErrInvalidRequest] or [ErrConflict], and says what is wrong with each, by
// its place: /3/price is the price of the fourth. Of each, the answer has the texts and the permissions that it was given. A server may be left out
// as for [StoreService.Get].
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) CreateProducts(ctx context.Context, serverID string, in []ProductCreate, opts ...CreateOption) ([]Product, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	params := &gen.CreateProductsParams{ServerID: optional(serverID)}
	return list[Product](making.note(s.api.CreateProducts(ctx, params, fullEach(in), making.edits...)))
}

// CreateProductsFrom is [StoreService.CreateProducts] with a CSV file, 1 MiB at most. Its first row names its columns: Name and Price are required, and
// the contract lists the others. What is wrong is said by the row and the column.
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) CreateProductsFrom(ctx context.Context, serverID string, file io.Reader, opts ...CreateOption) ([]Product, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	return sendProducts(file, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		params := &gen.CreateProductsParams{ServerID: optional(serverID)}
		return making.note(s.api.CreateProductsWithBody(ctx, params, contentType, body, append(edits, making.edits...)...))
	})
}

// UpdateProducts changes all products, 1,000 at most, or none; each is named by its ProductID. It fails and answers as [StoreService.CreateProducts].
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) UpdateProducts(ctx context.Context, serverID string, in []ProductUpdate) ([]Product, error) {
	return list[Product](s.api.UpdateProducts(ctx, &gen.UpdateProductsParams{ServerID: optional(serverID)}, fullEach(in)))
}

// UpdateProductsFrom is [StoreService.UpdateProducts] with a CSV file, as [StoreService.CreateProductsFrom] takes one, with a column Product ID. An empty
// cell changes nothing.
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) UpdateProductsFrom(ctx context.Context, serverID string, file io.Reader) ([]Product, error) {
	return sendProducts(file, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		return s.api.UpdateProductsWithBody(ctx, &gen.UpdateProductsParams{ServerID: optional(serverID)}, contentType, body, edits...)
	})
}

func sendProducts(file io.Reader, call func(contentType string, body io.Reader, edits ...edit) (*http.Response, error)) ([]Product, error) {
	f := newForm()
	f.fileNamed("file", "products.csv", file)
	made, err := upload[[]Product](f, call)
	if err != nil {
		return nil, err
	}
	return *made, nil
}

// UpdateProduct changes a product. It fails with [ErrConflict] if a code is given twice, or was one of the product before.
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) UpdateProduct(ctx context.Context, id string, in ProductUpdate) (*Product, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return one[Product](s.api.UpdateProduct(ctx, id, full(in)))
}

// DeleteProduct ends a product, and returns it as it was. Orders of it stay.
//
// For the owner and members with server_administrator, and API keys with [PermissionStore].
func (s *StoreService) DeleteProduct(ctx context.Context, id string) (*Product, error) {
	return one[Product](with(ctx, id, s.api.DeleteProduct))
}

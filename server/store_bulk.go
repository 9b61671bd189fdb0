package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// CreateProducts makes all products of a list, or none.
func (h stores) CreateProducts(ctx context.Context, r stub.CreateProductsRequestObject) (stub.CreateProductsResponseObject, error) {
	var list productList
	if r.JSONBody != nil {
		for _, in := range *r.JSONBody {
			list.items = append(list.items, asUpdate(in))
		}
	}
	end, err := h.readProducts(ctx, &list, r.MultipartBody)
	if err != nil {
		return nil, err
	}
	defer end()
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.ProductBulkResponse, err error) {
		s, err := resolve(ctx, tx.Queries, valueOf(r.Params.ServerID))
		if err != nil {
			return body, err
		}
		refers, err := referredBy(ctx, tx.Queries, s.ID)
		if err != nil {
			return body, err
		}
		meta := gen.ProductBulkMeta{Status: "success", StatusCode: http.StatusCreated, Created: int32(len(list.items))}
		body = gen.ProductBulkResponse{Meta: meta, Message: "Create products success."}
		body.Data, err = list.each(func(in gen.ProductUpdate) (shown gen.Product, err error) {
			if err := s.sameServer(in.ServerID); err != nil {
				return shown, err
			}
			if shown, err = h.addProduct(ctx, tx, s.ID, refers, in); err == nil {
				err = record(ctx, h.core, tx, s.ID, shown.ID, nil, &shown)
			}
			return shown, err
		})
		return body, err
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateProducts201JSONResponse{Body: body, Headers: stub.CreateProducts201ResponseHeaders(again)}, nil
}

// UpdateProducts changes all products of a list, or none.
func (h stores) UpdateProducts(ctx context.Context, r stub.UpdateProductsRequestObject) (stub.UpdateProductsResponseObject, error) {
	var list productList
	if r.JSONBody != nil {
		list.items = *r.JSONBody
	}
	end, err := h.readProducts(ctx, &list, r.MultipartBody)
	if err != nil {
		return nil, err
	}
	defer end()
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateProducts200JSONResponse, err error) {
		s, err := resolve(ctx, tx.Queries, valueOf(r.Params.ServerID))
		if err != nil {
			return answer, err
		}
		refers, err := referredBy(ctx, tx.Queries, s.ID)
		if err != nil {
			return answer, err
		}
		named := map[string]bool{}
		meta := gen.ProductBulkMeta{Status: "success", StatusCode: http.StatusOK, Updated: int32(len(list.items))}
		answer = stub.UpdateProducts200JSONResponse{Meta: meta, Message: "Update products success."}
		answer.Data, err = list.each(func(in gen.ProductUpdate) (after gen.Product, err error) {
			p, err := productIn(ctx, tx.Queries, s, in.ProductID, named)
			if err == nil {
				err = s.sameServer(in.ServerID)
			}
			if err != nil {
				return after, err
			}
			before, after, err := h.replaceProduct(ctx, tx, p, refers, in)
			if err != nil {
				return after, err
			}
			return after, record(ctx, h.core, tx, s.ID, after.ID, &before, &after)
		})
		return answer, err
	})
}

// productIn finds the product of a community that one of a list is about, which no other one is.
func productIn(ctx context.Context, q store.Queries, s standing, id string, named map[string]bool) (p store.Product, err error) {
	const at = "/productID"
	switch {
	case id == "":
		return p, contract.Invalid(contract.Field(at, gen.FieldCodeRequired, "is required"))
	case named[id]:
		return p, contract.Invalid(contract.Field(at, gen.FieldCodeDuplicate, "is there twice"))
	}
	named[id] = true
	p, err = q.Products.Get(ctx, id)
	if err == nil && p.CommunityID != s.ID {
		err = store.ErrNotFound
	}
	return p, unknownIf(err, at, "must be a product of the community")
}

// A productList is products to be made or changed together.
type productList struct {
	items []gen.ProductUpdate
	file  *productFile // nil: they came as JSON
}

// mostCodes is how many codes a list may bring. Others wait while they are kept. The contract says so.
const mostCodes = 10_000

func (l productList) checkCodes() error {
	codes := 0
	for i, in := range l.items {
		if codes += len(in.Vouchers); codes > mostCodes {
			wrong := contract.Field("/vouchers", gen.FieldCodeTooMany, "must leave the products of a request with at most 10,000 codes")
			return contract.Invalid(l.located(i, []gen.ProblemField{wrong})...)
		}
	}
	return nil
}

// each does something to every product, and tells what is wrong with all of them. The answer has no long text that was not in the request.
func (l productList) each(do func(gen.ProductUpdate) (gen.Product, error)) (all []gen.ProductParts, err error) {
	var invalid, conflicts []gen.ProblemField
	var conflict *contract.Error
	for i, in := range l.items {
		p, err := do(in)
		var e *contract.Error
		switch {
		case err == nil:
			shown := parts[gen.ProductParts](nil).of(p)
			if in.Description == nil {
				shown.Description = nil
			}
			if in.RedemptionInstructions == nil {
				shown.RedemptionInstructions = nil
			}
			if in.ProductPermission == nil {
				shown.ProductPermission = nil
			}
			all = append(all, shown)
		case !errors.As(err, &e):
			return nil, err
		case e.Code == gen.ProblemCodeInvalidRequest:
			invalid = append(invalid, l.located(i, e.Fields)...)
		case e.Code == gen.ProblemCodeConflict && len(e.Fields) > 0:
			conflict, conflicts = e, append(conflicts, l.located(i, e.Fields)...)
		default:
			return nil, err
		}
	}
	switch {
	case len(invalid) > 0:
		return nil, contract.Invalid(invalid...)
	case conflict != nil:
		conflict.Fields = contract.Invalid(conflicts...).Fields
		return nil, conflict
	}
	return all, nil
}

// located is what is wrong with a product, where it stands in the request.
func (l productList) located(i int, fields []gen.ProblemField) (located []gen.ProblemField) {
	for _, f := range fields {
		f.Pointer = fmt.Sprintf("/%d%s", i, f.Pointer)
		if l.file != nil {
			f = l.file.located(f)
		}
		located = append(located, f)
	}
	return located
}

// What a file of products takes while it is read and its products are made.
const productFileMemory = 6 << 20

// readProducts reads the file of a form, if there is one, and refuses a list with too many codes. The memory that it takes is free after end.
func (k *core) readProducts(ctx context.Context, list *productList, body *multipart.Reader) (end func(), err error) {
	end = func() {}
	if body == nil {
		return end, list.checkCodes()
	}
	sent, err := k.scratch()
	if err != nil {
		return nil, err
	}
	defer sent.Close()
	if _, err := contract.ReadForm(ctx, body, func(_, _ string, content io.Reader) error {
		_, err := io.Copy(sent, content)
		return err
	}); err != nil {
		return nil, err
	}
	if _, err := sent.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if end, err = k.bodies.Take(ctx, productFileMemory); err != nil {
		return nil, err
	}
	if err = list.read(ctx, sent); err == nil {
		err = list.checkCodes()
	}
	if err != nil {
		end()
	}
	return end, err
}

// read reads a file, which must be as the contract has it.
func (l *productList) read(ctx context.Context, from io.Reader) error {
	op := contract.OperationFrom(ctx)
	file, err := readProductFile(from, op.Operation)
	if err != nil {
		return err
	}
	l.file = file
	fields := file.wrong
	for _, f := range contract.CheckBody(op.Operation, file.items) {
		fields = append(fields, file.located(f))
	}
	if len(fields) > 0 {
		return contract.Invalid(fields...)
	}
	text, err := json.Marshal(file.items)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &l.items)
}

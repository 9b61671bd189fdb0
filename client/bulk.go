package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// The nouns of this section of the contract.
type (
	// BulkUpdate is a file with a row for each of many members, and how far it is. The methods take its BulkID. Its fields are listed at
	// [gen.BulkUpdate].
	BulkUpdate = gen.BulkUpdate
	// BulkQueued has the BulkID of a file that was taken.
	BulkQueued = gen.BulkQueued
	// BulkRow is what became of a row, which is numbered from 1 behind the header. Its fields are listed at [gen.BulkRow].
	BulkRow = gen.BulkRow
	// BulkRowError is why a row has failed.
	BulkRowError = gen.BulkRowError
	// BulkTemplate has the columns that a file may have.
	BulkTemplate = gen.BulkTemplate
	// BulkColumn is one of them.
	BulkColumn = gen.BulkColumn
	// BulkType is what a file is for.
	BulkType = gen.BulkType
	// BulkStatus is how far a file is.
	BulkStatus = gen.BulkStatus
	// BulkResult is what became of a row.
	BulkResult = gen.BulkResult
)

// BulkQuery says which files are wanted. What is empty does not count.
type BulkQuery struct {
	Type   BulkType
	Status BulkStatus
}

// BulkService has the operations on files of many members. It is a field of [Client]. They are for API keys with
// [PermissionBulkUpdateUser], and about the community of the key.
//
// A file is CSV in UTF-8, of up to 100,000 rows and 64 MiB. It is sent as it is read, and as that of the Image in [ServerCreate] it is only sent again
// if it can be read again. What is wrong with the whole of it is [ErrInvalidRequest]; its rows are done afterwards:
// [BulkService.Wait] for that.
type BulkService struct {
	api   *gen.Client
	clock clock
}

// Import takes a file of users, each of whom gets an account. Its columns are those of the [BulkToImport] template.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) Import(ctx context.Context, file io.Reader, opts ...CreateOption) (*BulkQueued, error) {
	return sendFile(file, opts, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		return s.api.BulkImportWithBody(ctx, nil, contentType, body, edits...)
	})
}

// Update takes a file of what changes for members. Its columns are those of the [BulkToUpdate] template.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) Update(ctx context.Context, file io.Reader, opts ...CreateOption) (*BulkQueued, error) {
	return sendFile(file, opts, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		return s.api.BulkUpdateWithBody(ctx, nil, contentType, body, edits...)
	})
}

// UpdatePremium takes a file of premium currency. Its columns are those of the [BulkToPremium] template.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) UpdatePremium(ctx context.Context, file io.Reader, opts ...CreateOption) (*BulkQueued, error) {
	return sendFile(file, opts, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		return s.api.BulkUpdatePremiumWithBody(ctx, nil, contentType, body, edits...)
	})
}

// given is a value of a list, or nil if it was left out.
func given[T ~string](value T) *T {
	if value == "" {
		return nil
	}
	return &value
}

func sendFile(file io.Reader, opts []CreateOption, call func(contentType string, body io.Reader, edits ...edit) (*http.Response, error)) (*BulkQueued, error) {
	making, err := creating(opts)
	if err != nil {
		return nil, err
	}
	f := newForm()
	f.fileNamed("data", "rows.csv", file)
	return upload[BulkQueued](f, func(contentType string, body io.Reader, edits ...edit) (*http.Response, error) {
		return making.note(call(contentType, body, append(edits, making.edits...)...))
	})
}

// List returns the files of the community, the newest first. They are fetched as the loop gets to them. An error is the last thing that is
// yielded.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) List(ctx context.Context, query BulkQuery) iter.Seq2[BulkUpdate, error] {
	return following(func(cursor string) ([]BulkUpdate, string, error) {
		params := &gen.ListBulkUpdatesParams{Type: given(query.Type), Status: given(query.Status), Limit: new(int32(pageSize)), Cursor: optional(cursor)}
		page, err := bare[gen.BulkUpdatePageResponse](s.api.ListBulkUpdates(ctx, params))
		if err != nil {
			return nil, "", err
		}
		return page.Data, page.Pagination.NextCursor, nil
	})
}

// Status returns how far a file is.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) Status(ctx context.Context, id string) (*BulkUpdate, error) {
	return one[BulkUpdate](with(ctx, id, s.api.GetBulkStatus))
}

// How long [BulkService.Wait] waits between two looks, at first and at most.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = 5 * time.Second
)

// Wait asks how far a file is until it has ended, seldomer as time goes on, and returns how it has ended. Whether all is well, the Status of that tells.
// The rows go on if ctx ends before.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) Wait(ctx context.Context, id string) (*BulkUpdate, error) {
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		is, err := s.Status(ctx, id)
		if err != nil {
			return nil, err
		}
		if _, ended := is.FinishedAt.Get(); ended {
			return is, nil
		}
		if err := s.clock.sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// Details returns what became of the rows of a file that were done, in their order; with a result, of those only. They are fetched as the loop
// gets to them. An error is the last thing that is yielded.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) Details(ctx context.Context, id string, result BulkResult) iter.Seq2[BulkRow, error] {
	return following(func(cursor string) ([]BulkRow, string, error) {
		if err := checkID(id); err != nil {
			return nil, "", err
		}
		params := &gen.GetBulkDetailsParams{Result: given(result), Limit: new(int32(pageSize)), Cursor: optional(cursor)}
		page, err := bare[gen.BulkRowPageResponse](s.api.GetBulkDetails(ctx, id, params))
		if err != nil {
			return nil, "", err
		}
		return page.Data, page.Pagination.NextCursor, nil
	})
}

// DetailsFile opens the same as a CSV file, in which no cell is a formula. The caller closes it.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) DetailsFile(ctx context.Context, id string, result BulkResult) (io.ReadCloser, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	const kind = "text/csv"
	res, err := s.api.GetBulkDetails(ctx, id, &gen.GetBulkDetailsParams{Result: given(result)}, header("Accept", kind))
	if err != nil {
		return nil, err
	}
	switch {
	case res.StatusCode != http.StatusOK:
		err = newError(res)
	case !strings.HasPrefix(res.Header.Get("Content-Type"), kind):
		err = unusable(res, errors.New("it is no CSV file"))
	default:
		return capped(res.Body), nil
	}
	res.Body.Close()
	return nil, err
}

// Cancel ends a file, and returns how far it is. What was done stays done. It fails with [ErrConflict] if the file has ended.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) Cancel(ctx context.Context, id string) (*BulkUpdate, error) {
	return one[BulkUpdate](with(ctx, id, s.api.CancelBulkUpdate))
}

// Template returns the columns that a file may have now.
//
// For API keys with [PermissionBulkUpdateUser].
func (s *BulkService) Template(ctx context.Context, of BulkType) (*BulkTemplate, error) {
	return one[BulkTemplate](s.api.GetBulkTemplate(ctx, &gen.GetBulkTemplateParams{Type: given(of)}))
}

package server

import (
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/gen/stub"
)

type keys struct{ *core }

func (h keys) ListAPIKeys(ctx context.Context, r stub.ListAPIKeysRequestObject) (stub.ListAPIKeysResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h keys) CreateAPIKey(ctx context.Context, r stub.CreateAPIKeyRequestObject) (stub.CreateAPIKeyResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h keys) UpdateAPIKey(ctx context.Context, r stub.UpdateAPIKeyRequestObject) (stub.UpdateAPIKeyResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h keys) DeleteAPIKey(ctx context.Context, r stub.DeleteAPIKeyRequestObject) (stub.DeleteAPIKeyResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h keys) GetAPIKeyInfo(ctx context.Context, r stub.GetAPIKeyInfoRequestObject) (stub.GetAPIKeyInfoResponseObject, error) {
	return nil, errors.New("not written yet")
}

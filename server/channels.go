package server

import (
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/gen/stub"
)

type channels struct{ *core }

func (h channels) ListChannels(ctx context.Context, r stub.ListChannelsRequestObject) (stub.ListChannelsResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h channels) CreateChannel(ctx context.Context, r stub.CreateChannelRequestObject) (stub.CreateChannelResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h channels) UpdateChannel(ctx context.Context, r stub.UpdateChannelRequestObject) (stub.UpdateChannelResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h channels) DeleteChannel(ctx context.Context, r stub.DeleteChannelRequestObject) (stub.DeleteChannelResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h channels) ListIntegrationChannels(ctx context.Context, r stub.ListIntegrationChannelsRequestObject) (stub.ListIntegrationChannelsResponseObject, error) {
	return nil, errors.New("not written yet")
}

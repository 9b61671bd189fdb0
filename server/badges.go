package server

import (
	"context"
	"errors"

	"github.com/rejoin-dev/rejoin/gen/stub"
)

type badges struct{ *core }

func (h badges) ListBadges(ctx context.Context, r stub.ListBadgesRequestObject) (stub.ListBadgesResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h badges) CreateBadge(ctx context.Context, r stub.CreateBadgeRequestObject) (stub.CreateBadgeResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h badges) UpdateBadge(ctx context.Context, r stub.UpdateBadgeRequestObject) (stub.UpdateBadgeResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h badges) DeleteBadge(ctx context.Context, r stub.DeleteBadgeRequestObject) (stub.DeleteBadgeResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h badges) AwardBadge(ctx context.Context, r stub.AwardBadgeRequestObject) (stub.AwardBadgeResponseObject, error) {
	return nil, errors.New("not written yet")
}

func (h badges) RemoveBadge(ctx context.Context, r stub.RemoveBadgeRequestObject) (stub.RemoveBadgeResponseObject, error) {
	return nil, errors.New("not written yet")
}

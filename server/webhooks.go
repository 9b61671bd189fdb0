package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/webhook"
)

// webhooks are the operations of the tag webhooks: what is sent to other systems when something happens in a community. What has happened
// is written down where it happens (events.go); it is sent by jobs (webhooks_job.go).
type webhooks struct{ *core }

const (
	webhookLife = 30 * 24 * time.Hour // of what was sent. The contract says so.
	rotatesFor  = 24 * time.Hour      // as long as an old secret signs beside the new one
)

// Why a webhook is not active.
const (
	hookActive  = "none"
	hookOff     = "switched_off"
	hookGone    = "gone"
	hookFailing = "failing"
)

// ListWebhooks shows the webhooks of a community.
func (h webhooks) ListWebhooks(ctx context.Context, r stub.ListWebhooksRequestObject) (stub.ListWebhooksResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := h.store.Webhooks.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	answer := stub.ListWebhooks200JSONResponse{Meta: application(http.StatusOK), Message: "Read webhooks success.", Data: []gen.Webhook{}}
	for _, one := range found {
		answer.Data = append(answer.Data, one.Webhook)
	}
	return answer, nil
}

// CreateWebhook makes a webhook. Its secrets are shown here, and never again.
func (h webhooks) CreateWebhook(ctx context.Context, r stub.CreateWebhookRequestObject) (stub.CreateWebhookResponseObject, error) {
	in := *r.Body
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.WebhookResponse, err error) {
		s, err := resolve(ctx, tx.Queries, in.ServerID)
		if err != nil {
			return body, err
		}
		if err := h.vault.begin(ctx, tx); err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		made := store.Webhook{Webhook: gen.Webhook{
			ID: h.newID(), CommunityID: s.ID, Channels: []string{}, IsActive: true, InactiveReason: hookActive, FailingSince: gen.Null[gen.Time](), CreatedAt: now, UpdatedAt: now,
		}}
		update := gen.WebhookUpdate{Name: &in.Name, URL: &in.URL, Events: &in.Events, IsActive: in.IsActive}
		if in.Channels != nil {
			update.Channels = &in.Channels
		}
		if in.APIKey.IsEnabled {
			update.APIKey = &in.APIKey
		}
		if in.Encryption.IsEnabled {
			update.Encryption = &in.Encryption
		}
		secret, err := h.newHookSecret(&made)
		if err != nil {
			return body, err
		}
		key, err := h.changeWebhook(ctx, tx, &made, update)
		if err != nil {
			return body, err
		}
		if err := tx.Webhooks.Insert(ctx, made); err != nil {
			return body, err
		}
		if err := record(ctx, h.core, tx, s.ID, made.ID, nil, &made.Webhook); err != nil {
			return body, err
		}
		return gen.WebhookResponse{Meta: application(http.StatusCreated), Message: "Create webhook success.", Data: unmasked(made.Webhook, secret, key)}, nil
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateWebhook201JSONResponse{Body: body, Headers: stub.CreateWebhook201ResponseHeaders(again)}, nil
}

// unmasked is a webhook with those of its secrets that are given.
func unmasked(w gen.Webhook, secret, key string) gen.Webhook {
	if secret != "" {
		w.Secret = secret
	}
	if key != "" {
		w.APIKey.Key = key
	}
	return w
}

// newHookSecret gives a webhook another secret.
func (k *core) newHookSecret(w *store.Webhook) (secret string, err error) {
	if secret, err = webhook.NewSecret(k.random); err != nil {
		return "", err
	}
	w.Secret = masked(secret)
	w.SealedSecret, err = k.vault.seal(hookThing(w.ID), secret)
	return secret, err
}

// hookThing is what the vault knows a webhook by.
func hookThing(id string) string { return "webhook " + id }

// changeWebhook is the step that changes what is given of a webhook, and refuses what none can be. It returns the value of x-api-key, if
// that is new.
func (k *core) changeWebhook(ctx context.Context, tx *store.Tx, w *store.Webhook, in gen.WebhookUpdate) (key string, err error) {
	if in.URL != nil {
		if wrong := k.reaches.CheckURL(*in.URL); wrong != "" {
			return "", contract.Invalid(contract.Field("/url", gen.FieldCodeNotAllowed, wrong))
		}
	}
	set(&w.Name, in.Name)
	set(&w.URL, in.URL)
	if in.Events != nil {
		w.Events = slices.Compact(slices.Sorted(slices.Values(*in.Events)))
	}
	if in.Channels != nil {
		w.Channels = slices.Compact(slices.Sorted(slices.Values(*in.Channels)))
		for _, id := range w.Channels {
			if err := checkHookChannel(ctx, tx, w.CommunityID, id, "/channels"); err != nil {
				return "", err
			}
		}
	}
	if in.IsActive != nil && *in.IsActive != w.IsActive {
		w.IsActive, w.InactiveReason, w.FailingSince = *in.IsActive, hookActive, gen.Null[gen.Time]()
		if !w.IsActive {
			w.InactiveReason = hookOff
		}
	}
	if w.Encryption, w.SealedCipherKey, err = k.changedCipher(hookThing(w.ID), w.Encryption, w.SealedCipherKey, in.Encryption); err != nil {
		return "", err
	}
	if in.APIKey == nil || in.APIKey.IsEnabled == w.APIKey.IsEnabled {
		return "", nil
	}
	w.APIKey, w.SealedAPIKey = gen.WebhookAPIKey{IsEnabled: in.APIKey.IsEnabled}, ""
	if !w.APIKey.IsEnabled {
		return "", nil
	}
	if key, err = k.newCredential(); err != nil {
		return "", err
	}
	w.APIKey.Key = masked(key)
	w.SealedAPIKey, err = k.vault.seal(hookThing(w.ID), key)
	return key, err
}

// checkHookChannel refuses what is no channel of the community.
func checkHookChannel(ctx context.Context, tx *store.Tx, serverID, id, pointer string) error {
	channel, err := tx.Channels.Get(ctx, id, store.Viewer{Full: true})
	if errors.Is(err, store.ErrNotFound) || err == nil && channel.ServerID != serverID {
		err = contract.Invalid(contract.Field(pointer, gen.FieldCodeNotAllowed, "must name channels of the community"))
	}
	return err
}

// changedCipher is the part of it that says how bodies are encrypted, of a thing that the vault knows. The key is sealed.
func (k *core) changedCipher(thing string, is gen.WebhookEncryption, key string, in *gen.WebhookEncryptionSwitch) (gen.WebhookEncryption, string, error) {
	if in == nil {
		return is, key, nil
	}
	is.IsEnabled = in.IsEnabled
	if in.Mode != "" {
		is.Mode = in.Mode
	}
	if in.IsEnabled && is.Mode == "" {
		is.Mode = gen.WebhookCipherGcm
	}
	var err error
	if in.Key != "" {
		key, err = k.vault.seal(thing, in.Key)
	}
	if err == nil && in.IsEnabled && key == "" {
		err = contract.Invalid(contract.Field("/encryption/key", gen.FieldCodeRequired, "is required to switch the encryption on"))
	}
	return is, key, err
}

// hookNamed finds a webhook with which the caller may do the operation of the request.
func hookNamed(ctx context.Context, q store.Queries, id string) (w store.Webhook, err error) {
	if w, err = q.Webhooks.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		return w, contract.NotFound("webhook")
	}
	if err == nil {
		_, err = require(ctx, q, w.CommunityID, "webhook")
	}
	return w, err
}

// GetWebhook shows a webhook.
func (h webhooks) GetWebhook(ctx context.Context, r stub.GetWebhookRequestObject) (stub.GetWebhookResponseObject, error) {
	w, err := hookNamed(ctx, h.store.Queries, r.WebhookID)
	if err != nil {
		return nil, err
	}
	return stub.GetWebhook200JSONResponse{Meta: application(http.StatusOK), Message: "Read webhook success.", Data: w.Webhook}, nil
}

// UpdateWebhook changes what is given of a webhook.
func (h webhooks) UpdateWebhook(ctx context.Context, r stub.UpdateWebhookRequestObject) (stub.UpdateWebhookResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateWebhook200JSONResponse, err error) {
		before, err := hookNamed(ctx, tx.Queries, r.WebhookID)
		if err != nil {
			return answer, err
		}
		if err := h.vault.begin(ctx, tx); err != nil {
			return answer, err
		}
		after := before
		key, err := h.changeWebhook(ctx, tx, &after, *r.Body)
		if err != nil {
			return answer, err
		}
		if !same(&before.Webhook, &after.Webhook) {
			after.UpdatedAt = gen.Time{Time: h.now()}
		}
		if err := tx.Webhooks.Update(ctx, after); err != nil {
			return answer, err
		}
		if after.IsActive && !before.IsActive {
			if err := tx.Webhooks.Rouse(ctx, after.ID, h.now()); err != nil {
				return answer, err
			}
		}
		answer = stub.UpdateWebhook200JSONResponse{Meta: application(http.StatusOK), Message: "Update webhook success.", Data: unmasked(after.Webhook, "", key)}
		return answer, record(ctx, h.core, tx, after.CommunityID, after.ID, &before.Webhook, &after.Webhook)
	})
}

// DeleteWebhook ends a webhook.
func (h webhooks) DeleteWebhook(ctx context.Context, r stub.DeleteWebhookRequestObject) (stub.DeleteWebhookResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteWebhook200JSONResponse, err error) {
		gone, err := hookNamed(ctx, tx.Queries, r.WebhookID)
		if err != nil {
			return answer, err
		}
		if err := tx.Webhooks.Delete(ctx, gone.ID); err != nil {
			return answer, err
		}
		if err := tx.Jobs.Insert(ctx, webhookRemoval{WebhookID: gone.ID}); err != nil {
			return answer, err
		}
		answer = stub.DeleteWebhook200JSONResponse{Meta: application(http.StatusOK), Message: "Delete webhook success.", Data: gone.Webhook}
		return answer, record(ctx, h.core, tx, gone.CommunityID, gone.ID, &gone.Webhook, nil)
	})
}

// RotateWebhookSecret gives a webhook a new secret.
func (h webhooks) RotateWebhookSecret(ctx context.Context, r stub.RotateWebhookSecretRequestObject) (stub.RotateWebhookSecretResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.RotateWebhookSecret200JSONResponse, err error) {
		before, err := hookNamed(ctx, tx.Queries, r.WebhookID)
		if err != nil {
			return answer, err
		}
		if err := h.vault.begin(ctx, tx); err != nil {
			return answer, err
		}
		after, now := before, h.now()
		after.SealedOld, after.OldUntil, after.UpdatedAt = before.SealedSecret, now.Add(rotatesFor), gen.Time{Time: now}
		secret, err := h.newHookSecret(&after)
		if err != nil {
			return answer, err
		}
		if err := tx.Webhooks.Update(ctx, after); err != nil {
			return answer, err
		}
		answer = stub.RotateWebhookSecret200JSONResponse{Meta: application(http.StatusOK), Message: "Rotate webhook secret success.", Data: unmasked(after.Webhook, secret, "")}
		return answer, record(ctx, h.core, tx, after.CommunityID, after.ID, &before.Webhook, &after.Webhook)
	})
}

// activeHook finds a webhook for who wants something sent to it, and holds it.
func activeHook(ctx context.Context, tx *store.Tx, id string) (w store.Webhook, err error) {
	if w, err = hookNamed(ctx, tx.Queries, id); err != nil {
		return w, err
	}
	if w, err = tx.Webhooks.Hold(ctx, id); errors.Is(err, store.ErrNotFound) {
		return w, contract.NotFound("webhook")
	}
	if err == nil && !w.IsActive {
		err = contract.Conflict("The webhook is switched off", "nothing is sent to a webhook that is not active")
	}
	return w, err
}

// TestWebhook sends a test.
func (h webhooks) TestWebhook(ctx context.Context, r stub.TestWebhookRequestObject) (stub.TestWebhookResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.TestWebhook202JSONResponse, err error) {
		w, err := activeHook(ctx, tx, r.WebhookID)
		if err != nil {
			return answer, err
		}
		event, err := h.eventOf(w.CommunityID, gen.WebhookEventTypeWebhookTest, about{}, gen.WebhookTestData{WebhookID: w.ID})
		if err != nil {
			return answer, err
		}
		event.Waiting = false
		if err := tx.Webhooks.InsertEvent(ctx, event); err != nil {
			return answer, err
		}
		d, err := h.deliver(ctx, tx, w, event)
		if err != nil {
			return answer, err
		}
		details, err := detailsOfDelivery(d, event.Body)
		return stub.TestWebhook202JSONResponse{Meta: application(http.StatusAccepted), Message: "Test webhook success.", Data: details}, err
	})
}

// ListWebhookDeliveries shows a page of what a webhook was sent.
func (h webhooks) ListWebhookDeliveries(ctx context.Context, r stub.ListWebhookDeliveriesRequestObject) (stub.ListWebhookDeliveriesResponseObject, error) {
	page, err := pageOf(ctx, r.Params.Page, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	w, err := hookNamed(ctx, h.store.Queries, r.WebhookID)
	if err != nil {
		return nil, err
	}
	found, err := h.store.Webhooks.ListDeliveries(ctx, w.ID, page.asked())
	if err != nil {
		return nil, err
	}
	meta, shown := readPage(page, found, func(d store.WebhookDelivery) store.Position { return store.Position{At: d.CreatedAt, ID: d.ID} })
	answer := stub.ListWebhookDeliveries200JSONResponse{Meta: meta, Message: "Read webhook deliveries success.", Data: []gen.WebhookDelivery{}}
	for _, d := range shown {
		answer.Data = append(answer.Data, d.WebhookDelivery)
	}
	return answer, nil
}

// deliveryNamed finds a delivery of a webhook with which the caller may do the operation of the request.
func deliveryNamed(ctx context.Context, q store.Queries, webhookID, id string) (details gen.WebhookDeliveryDetails, d store.WebhookDelivery, err error) {
	if _, err = hookNamed(ctx, q, webhookID); err != nil {
		return details, d, err
	}
	d, err = q.Webhooks.GetDelivery(ctx, webhookID, id)
	var body string
	if err == nil {
		body, err = q.Webhooks.GetBody(ctx, d.EventID)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = contract.NotFound("delivery")
	}
	if err == nil {
		details, err = detailsOfDelivery(d, body)
	}
	return details, d, err
}

// detailsOfDelivery is a delivery with what is sent.
func detailsOfDelivery(d store.WebhookDelivery, body string) (gen.WebhookDeliveryDetails, error) {
	shown := gen.WebhookDeliveryDetails{
		ID: d.ID, WebhookID: d.WebhookID, EventID: d.EventID, Type: d.Type, Status: d.Status, Tries: d.Tries, NextTryAt: d.NextTryAt, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
		Log: append([]gen.WebhookTry{}, d.Log...),
	}
	return shown, json.Unmarshal([]byte(body), &shown.Event)
}

// GetWebhookDelivery shows a delivery.
func (h webhooks) GetWebhookDelivery(ctx context.Context, r stub.GetWebhookDeliveryRequestObject) (stub.GetWebhookDeliveryResponseObject, error) {
	details, _, err := deliveryNamed(ctx, h.store.Queries, r.WebhookID, r.DeliveryID)
	if err != nil {
		return nil, err
	}
	return stub.GetWebhookDelivery200JSONResponse{Meta: application(http.StatusOK), Message: "Read webhook delivery success.", Data: details}, nil
}

// ReplayWebhookDelivery sends a delivery again.
func (h webhooks) ReplayWebhookDelivery(ctx context.Context, r stub.ReplayWebhookDeliveryRequestObject) (stub.ReplayWebhookDeliveryResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.ReplayWebhookDelivery202JSONResponse, err error) {
		_, d, err := deliveryNamed(ctx, tx.Queries, r.WebhookID, r.DeliveryID)
		if err != nil {
			return answer, err
		}
		w, err := activeHook(ctx, tx, r.WebhookID)
		if err != nil {
			return answer, err
		}
		if err := tx.Webhooks.Replay(ctx, d.ID, h.now()); err != nil {
			return answer, err
		}
		if err := h.beginLane(ctx, tx, w); err != nil {
			return answer, err
		}
		details, _, err := deliveryNamed(ctx, tx.Queries, r.WebhookID, r.DeliveryID)
		return stub.ReplayWebhookDelivery202JSONResponse{Meta: application(http.StatusAccepted), Message: "Replay webhook delivery success.", Data: details}, err
	})
}

// ReplayWebhook sends again what was made between two moments, by a job.
func (h webhooks) ReplayWebhook(ctx context.Context, r stub.ReplayWebhookRequestObject) (stub.ReplayWebhookResponseObject, error) {
	from, to := r.Params.From.Time, r.Params.To.Time
	if !from.Before(to) {
		return nil, contract.Invalid(contract.Field("query/to", gen.FieldCodeTooSmall, "must be later than from"))
	}
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.ReplayWebhook202JSONResponse, err error) {
		w, err := activeHook(ctx, tx, r.WebhookID)
		if err != nil {
			return answer, err
		}
		answer = stub.ReplayWebhook202JSONResponse{Meta: application(http.StatusAccepted), Message: "Replay webhook success.", Data: gen.WebhookReplay{WebhookID: w.ID}}
		return answer, tx.Jobs.Insert(ctx, webhookReplay{WebhookID: w.ID, After: from, To: minTime(to, h.now())})
	})
}

// minTime is the earlier one.
func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

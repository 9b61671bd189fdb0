package server

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
	"github.com/rejoin-dev/rejoin/server/internal/webhook"
)

// incomingPath is where incoming webhooks are called. What stands behind it is known to who may call one, and kept as a hash.
const incomingPath = "/webhooks/in/"

// incomingThing is what the vault knows an incoming webhook by.
func incomingThing(id string) string { return "incoming webhook " + id }

// shownIncoming is an incoming webhook with the whole of its address. It is kept without the origin.
func (k *core) shownIncoming(ctx context.Context, w store.IncomingWebhook) gen.IncomingWebhook {
	shown := w.IncomingWebhook
	shown.URL = k.origin(ctx) + incomingPath + shown.URL
	return shown
}

// ListIncomingWebhooks shows the incoming webhooks of a community.
func (h webhooks) ListIncomingWebhooks(ctx context.Context, r stub.ListIncomingWebhooksRequestObject) (stub.ListIncomingWebhooksResponseObject, error) {
	s, err := resolve(ctx, h.store.Queries, valueOf(r.Params.ServerID))
	if err != nil {
		return nil, err
	}
	found, err := h.store.IncomingWebhooks.List(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	answer := stub.ListIncomingWebhooks200JSONResponse{Meta: application(http.StatusOK), Message: "Read incoming webhooks success.", Data: []gen.IncomingWebhook{}}
	for _, one := range found {
		answer.Data = append(answer.Data, h.shownIncoming(ctx, one))
	}
	return answer, nil
}

// CreateIncomingWebhook makes an incoming webhook. Its address is shown here, and never again.
func (h webhooks) CreateIncomingWebhook(ctx context.Context, r stub.CreateIncomingWebhookRequestObject) (stub.CreateIncomingWebhookResponseObject, error) {
	in := *r.Body
	body, again, err := once(ctx, h.core, func(tx *store.Tx) (body gen.IncomingWebhookResponse, err error) {
		s, err := resolve(ctx, tx.Queries, in.ServerID)
		if err != nil {
			return body, err
		}
		if err := h.vault.begin(ctx, tx); err != nil {
			return body, err
		}
		token, err := h.newCredential()
		if err != nil {
			return body, err
		}
		now := gen.Time{Time: h.now()}
		made := store.IncomingWebhook{TokenHash: hashOf(token), IncomingWebhook: gen.IncomingWebhook{
			ID: h.newID(), CommunityID: s.ID, Kind: in.Kind, ChannelID: gen.Null[string](), URL: masked(token), IsActive: true, CreatedAt: now, UpdatedAt: now,
		}}
		update := gen.IncomingWebhookUpdate{Name: &in.Name, IsActive: in.IsActive, APIKey: &in.APIKey}
		if in.ChannelID != "" {
			update.ChannelID = &in.ChannelID
		} else if in.Kind == gen.IncomingWebhookKindMessage {
			return body, contract.Invalid(contract.Field("/channelId", gen.FieldCodeRequired, "is required for messages"))
		}
		if in.Encryption.IsEnabled {
			update.Encryption = &in.Encryption
		}
		key, err := h.changeIncoming(ctx, tx, &made, update)
		if err != nil {
			return body, err
		}
		if err := tx.IncomingWebhooks.Insert(ctx, made); err != nil {
			return body, err
		}
		if err := record(ctx, h.core, tx, s.ID, made.ID, nil, &made.IncomingWebhook); err != nil {
			return body, err
		}
		made.URL = token
		return gen.IncomingWebhookResponse{Meta: application(http.StatusCreated), Message: "Create incoming webhook success.", Data: withKey(h.shownIncoming(ctx, made), key)}, nil
	})
	if err != nil {
		return nil, err
	}
	return stub.CreateIncomingWebhook201JSONResponse{Body: body, Headers: stub.CreateIncomingWebhook201ResponseHeaders(again)}, nil
}

// withKey is an incoming webhook with what must be in x-api-key, if that is new.
func withKey(w gen.IncomingWebhook, key string) gen.IncomingWebhook {
	if key != "" {
		w.APIKey.Key = key
	}
	return w
}

// changeIncoming is the step that changes what is given of an incoming webhook, and refuses what none can be. From then on the caller vouches for
// it. It returns what must be in x-api-key, if that is new.
func (k *core) changeIncoming(ctx context.Context, tx *store.Tx, w *store.IncomingWebhook, in gen.IncomingWebhookUpdate) (key string, err error) {
	w.Voucher = int32(actorFrom(ctx).account)
	set(&w.Name, in.Name)
	set(&w.IsActive, in.IsActive)
	if in.ChannelID != nil {
		if w.Kind != gen.IncomingWebhookKindMessage {
			return "", contract.Invalid(contract.Field("/channelId", gen.FieldCodeNotAllowed, "is for messages"))
		}
		if err := checkHookChannel(ctx, tx, w.CommunityID, *in.ChannelID, "/channelId"); err != nil {
			return "", err
		}
		w.ChannelID = gen.NullableOf(*in.ChannelID)
	}
	if w.Encryption, w.SealedCipherKey, err = k.changedCipher(incomingThing(w.ID), w.Encryption, w.SealedCipherKey, in.Encryption); err != nil {
		return "", err
	}
	if in.APIKey == nil || in.APIKey.IsEnabled == w.APIKey.IsEnabled {
		return "", nil
	}
	w.APIKey, w.APIKeyHash = gen.WebhookAPIKey{IsEnabled: in.APIKey.IsEnabled}, ""
	if !w.APIKey.IsEnabled {
		return "", nil
	}
	if key, err = k.newCredential(); err == nil {
		w.APIKey.Key, w.APIKeyHash = masked(key), hashOf(key)
	}
	return key, err
}

// incomingNamed finds an incoming webhook with which the caller may do the operation of the request.
func incomingNamed(ctx context.Context, q store.Queries, id string) (w store.IncomingWebhook, err error) {
	if w, err = q.IncomingWebhooks.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		return w, contract.NotFound("incoming webhook")
	}
	if err == nil {
		_, err = require(ctx, q, w.CommunityID, "incoming webhook")
	}
	return w, err
}

// GetIncomingWebhook shows an incoming webhook.
func (h webhooks) GetIncomingWebhook(ctx context.Context, r stub.GetIncomingWebhookRequestObject) (stub.GetIncomingWebhookResponseObject, error) {
	w, err := incomingNamed(ctx, h.store.Queries, r.IncomingWebhookID)
	if err != nil {
		return nil, err
	}
	return stub.GetIncomingWebhook200JSONResponse{Meta: application(http.StatusOK), Message: "Read incoming webhook success.", Data: h.shownIncoming(ctx, w)}, nil
}

// UpdateIncomingWebhook changes what is given of an incoming webhook.
func (h webhooks) UpdateIncomingWebhook(ctx context.Context, r stub.UpdateIncomingWebhookRequestObject) (stub.UpdateIncomingWebhookResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.UpdateIncomingWebhook200JSONResponse, err error) {
		before, err := incomingNamed(ctx, tx.Queries, r.IncomingWebhookID)
		if err != nil {
			return answer, err
		}
		if err := h.vault.begin(ctx, tx); err != nil {
			return answer, err
		}
		after := before
		key, err := h.changeIncoming(ctx, tx, &after, *r.Body)
		if err != nil {
			return answer, err
		}
		if !same(&before.IncomingWebhook, &after.IncomingWebhook) {
			after.UpdatedAt = gen.Time{Time: h.now()}
		}
		if err := tx.IncomingWebhooks.Update(ctx, after); err != nil {
			return answer, err
		}
		answer = stub.UpdateIncomingWebhook200JSONResponse{Meta: application(http.StatusOK), Message: "Update incoming webhook success.", Data: withKey(h.shownIncoming(ctx, after), key)}
		return answer, record(ctx, h.core, tx, after.CommunityID, after.ID, &before.IncomingWebhook, &after.IncomingWebhook)
	})
}

// DeleteIncomingWebhook ends an incoming webhook.
func (h webhooks) DeleteIncomingWebhook(ctx context.Context, r stub.DeleteIncomingWebhookRequestObject) (stub.DeleteIncomingWebhookResponseObject, error) {
	return inTx(ctx, h.core, func(tx *store.Tx) (answer stub.DeleteIncomingWebhook200JSONResponse, err error) {
		gone, err := incomingNamed(ctx, tx.Queries, r.IncomingWebhookID)
		if err != nil {
			return answer, err
		}
		if err := tx.IncomingWebhooks.Delete(ctx, gone.ID); err != nil {
			return answer, err
		}
		answer = stub.DeleteIncomingWebhook200JSONResponse{Meta: application(http.StatusOK), Message: "Delete incoming webhook success.", Data: h.shownIncoming(ctx, gone)}
		return answer, record(ctx, h.core, tx, gone.CommunityID, gone.ID, &gone.IncomingWebhook, nil)
	})
}

// ListIncomingWebhookCalls shows what became of the last calls of an incoming webhook.
func (h webhooks) ListIncomingWebhookCalls(ctx context.Context, r stub.ListIncomingWebhookCallsRequestObject) (stub.ListIncomingWebhookCallsResponseObject, error) {
	w, err := incomingNamed(ctx, h.store.Queries, r.IncomingWebhookID)
	if err != nil {
		return nil, err
	}
	calls, err := h.store.IncomingWebhooks.ListCalls(ctx, w.ID)
	if err != nil {
		return nil, err
	}
	return stub.ListIncomingWebhookCalls200JSONResponse{Meta: application(http.StatusOK), Message: "Read incoming webhook calls success.", Data: append([]gen.IncomingWebhookCall{}, calls...)}, nil
}

// ReceiveWebhook does what another system asks for, and writes down what became of it.
func (h webhooks) ReceiveWebhook(ctx context.Context, r stub.ReceiveWebhookRequestObject) (stub.ReceiveWebhookResponseObject, error) {
	hook, err := h.store.IncomingWebhooks.GetByHash(ctx, hashOf(r.IncomingToken))
	if errors.Is(err, store.ErrNotFound) || err == nil && !hook.IsActive {
		err = contract.NotFound("webhook")
	}
	if err != nil {
		return nil, err
	}
	if h.incoming != nil {
		if wait := h.incoming.Take(hook.ID, h.now()); wait > 0 {
			return nil, contract.RateLimited(wait)
		}
	}
	call := gen.IncomingWebhookCall{ID: h.newID(), At: gen.Time{Time: h.now()}, Outcome: gen.IncomingOutcomeDone, MessageID: gen.Null[string]()}
	body, again, err := h.received(ctx, hook, r, call.ID)
	switch {
	case err != nil:
		call.Outcome, call.Reason = outcomeOf(err)
	case again.IdempotentReplayed != nil:
		call.Outcome = gen.IncomingOutcomeRepeated
	default:
		call.MessageID = body.Data.MessageID
	}
	// Also if nobody waits for the answer any more.
	_, unwritten := inSharedTx(context.WithoutCancel(ctx), h.core, func(tx *store.Tx) (none struct{}, err error) {
		return none, tx.IncomingWebhooks.InsertCall(ctx, hook.ID, call)
	})
	if unwritten != nil && !errors.Is(unwritten, store.ErrNotFound) {
		h.log.Warn("a call of an incoming webhook is not written down", slog.String("webhook", hook.ID), slog.Any("error", unwritten))
	}
	if err != nil {
		return nil, err
	}
	return stub.ReceiveWebhook200JSONResponse{Body: body, Headers: stub.ReceiveWebhook200ResponseHeaders(again)}, nil
}

// outcomeOf is what is written down of a call that has failed. Like the answer, it has nothing of what was sent.
func outcomeOf(err error) (outcome gen.IncomingOutcome, reason string) {
	var refused *contract.Error
	var limit *store.LimitError
	switch {
	case errors.As(err, &refused) && len(refused.Fields) > 0:
		return gen.IncomingOutcome(refused.Code), refused.Fields[0].Pointer + " " + refused.Fields[0].Message
	case errors.As(err, &refused):
		return gen.IncomingOutcome(refused.Code), refused.DevMessage
	case errors.As(err, &limit):
		return gen.IncomingOutcomeConflict, limit.Error()
	case errors.Is(err, store.ErrUnavailable):
		return gen.IncomingOutcomeUnavailable, ""
	}
	return gen.IncomingOutcomeInternal, ""
}

// received checks that a call may be made, reads it, and does it.
func (h webhooks) received(ctx context.Context, hook store.IncomingWebhook, r stub.ReceiveWebhookRequestObject, callID string) (body gen.IncomingCallResponse, again replay, err error) {
	if hook.APIKeyHash != "" && subtle.ConstantTimeCompare([]byte(hashOf(valueOf(r.Params.XApiKey))), []byte(hook.APIKeyHash)) != 1 {
		return body, again, contract.Unauthenticated("the header x-api-key must be the key of the webhook")
	}
	if !hook.Trusted {
		return body, again, contract.PermissionDenied("who vouches for this webhook may make none in its community any more: an administrator must change it")
	}
	in, text, err := h.readIncoming(ctx, hook, *r.Body, valueOf(r.Params.XEncrypted) == "true")
	if err != nil {
		return body, again, err
	}
	var asked *claim
	key := valueOf(r.Params.WebhookID)
	if r.Params.IdempotencyKey != nil {
		key = *r.Params.IdempotencyKey
	}
	if key != "" {
		asked = claimFor(contract.OperationFrom(ctx).ID, incomingThing(hook.ID), "", key, nil)
		asked.request = text // and not what was sent: that may have been encrypted anew
	}
	return h.doIncoming(ctx, hook, in, callID, asked)
}

// readIncoming reads what is to be done, and gives the same text for the same.
//
// All that may be wrong with what is encrypted has one answer, and takes the same way: it is read as if it had been decrypted well. Who tries
// out changed texts must not learn which of them is padded, or is JSON.
func (h webhooks) readIncoming(ctx context.Context, hook store.IncomingWebhook, sent gen.IncomingCall, encrypted bool) (in gen.IncomingCall, text []byte, err error) {
	shown, err := gen.MarshalJSON(sent)
	if err != nil {
		return in, nil, err
	}
	switch on := hook.Encryption.IsEnabled; {
	case on && !encrypted:
		return in, nil, contract.Invalid(contract.Field("header/x-encrypted", gen.FieldCodeRequired, "must be true: the webhook takes only what is encrypted"))
	case !on && encrypted:
		return in, nil, contract.Invalid(contract.Field("header/x-encrypted", gen.FieldCodeNotAllowed, "must be left out: the webhook takes nothing that is encrypted"))
	case !on:
		members, err := membersOf(shown)
		if err == nil {
			err = checkIncoming(hook.Kind, members)
		}
		if err != nil {
			return in, nil, err
		}
		return sent, shown, nil
	}
	key, err := h.vault.open(incomingThing(hook.ID), hook.SealedCipherKey)
	if err != nil {
		return in, nil, err
	}
	plain, good := webhook.Sealed{IV: sent.IV, Data: sent.Data, Tag: sent.Tag}.Open(string(hook.Encryption.Mode), key)
	members, broken := membersOf(plain)
	if broken == nil && len(contract.CheckBody(contract.OperationFrom(ctx).Operation, members)) > 0 {
		broken = errors.New("not as the contract has it")
	}
	if broken == nil {
		broken = checkIncoming(hook.Kind, members)
	}
	if broken == nil {
		text, broken = json.Marshal(members)
	}
	if broken == nil {
		broken = json.Unmarshal(text, &in)
	}
	if !good || broken != nil {
		return in, nil, contract.Invalid(contract.Field("", gen.FieldCodeMalformed, "cannot be read: it must be what a webhook of this kind takes, encrypted with the key of this one"))
	}
	return in, text, nil
}

// membersOf reads the members of a body.
func membersOf(text []byte) (members map[string]any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&members); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("there is something behind its end")
	}
	return members, nil
}

// incomingMembers are what a body must have, by the kind of the webhook, and what else it may have.
var incomingMembers = map[gen.IncomingWebhookKind]struct{ must, may []string }{
	gen.IncomingWebhookKindMessage:  {[]string{"sender"}, []string{"message", "images", "forumTopicId"}},
	gen.IncomingWebhookKindFields:   {[]string{"user", "fields"}, nil},
	gen.IncomingWebhookKindCurrency: {[]string{"user", "kind", "operation", "amount"}, []string{"reason"}},
}

// checkIncoming refuses a body that has not the members of a kind.
func checkIncoming(kind gen.IncomingWebhookKind, members map[string]any) error {
	var faults []gen.ProblemField
	takes := incomingMembers[kind]
	for _, name := range takes.must {
		if _, is := members[name]; !is {
			faults = append(faults, contract.Field("/"+name, gen.FieldCodeRequired, "is required: the webhook is for "+string(kind)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(takes.must, name) && !slices.Contains(takes.may, name) {
			faults = append(faults, contract.Field("/"+name, gen.FieldCodeNotAllowed, "must be left out: the webhook is for "+string(kind)))
		}
	}
	if len(faults) > 0 {
		return contract.Invalid(faults...)
	}
	return nil
}

// doIncoming does what is asked for, as an API key of the community would that may do just that.
func (h webhooks) doIncoming(ctx context.Context, hook store.IncomingWebhook, in gen.IncomingCall, callID string, asked *claim) (gen.IncomingCallResponse, replay, error) {
	key := gen.APIKey{ID: hook.ID, CommunityID: hook.CommunityID, UserID: hook.Voucher, Permissions: []gen.KeyPermission{gen.KeyPermissionSendMessage}, IsActive: true, IsTrusted: true}
	caller := contract.Caller{Scheme: contract.KeyAuth, Permissions: key.Permissions, Who: actor{account: int64(hook.Voucher), key: &key}}
	ctx, err := contract.Within(ctx, "sendMessage", caller)
	if err != nil {
		return gen.IncomingCallResponse{}, replay{}, err
	}
	run := h.store.Tx
	if hook.Kind == gen.IncomingWebhookKindMessage {
		run = h.store.SharedTx
	}
	return onceIn(ctx, h.core, run, asked, func(tx *store.Tx) (body gen.IncomingCallResponse, err error) {
		body = gen.IncomingCallResponse{Status: integration, Message: "Webhook received successfully", Data: gen.IncomingResult{CallID: callID, Kind: hook.Kind, MessageID: gen.Null[string]()}}
		switch hook.Kind {
		case gen.IncomingWebhookKindMessage:
			channelID, _ := hook.ChannelID.Get()
			sent, err := messages(h).send(ctx, tx, gen.MessageCreate{ChannelID: channelID, Message: in.Message, Sender: in.Sender, Images: in.Images, ForumTopicID: in.ForumTopicID})
			body.Data.MessageID = gen.NullableOf(sent.Data.MessageID)
			return body, err
		case gen.IncomingWebhookKindFields:
			return body, h.giveIncoming(ctx, tx, hook.CommunityID, in)
		}
		return body, h.creditIncoming(ctx, tx, hook.CommunityID, in, callID)
	})
}

// giveIncoming is the step that gives a member the values of fields that a call has, all or none.
func (k *core) giveIncoming(ctx context.Context, tx *store.Tx, serverID string, in gen.IncomingCall) error {
	account, err := memberNamed(ctx, tx.Queries, serverID, in.User)
	if err != nil {
		return err
	}
	all, err := tx.Fields.List(ctx, serverID)
	if err != nil {
		return err
	}
	var faults []gen.ProblemField
	var given []givenValue
	for i, one := range in.Fields {
		pointer := fmt.Sprintf("/fields/%d", i)
		f, known := fieldNamed(all, one.FieldIdorName)
		if !known {
			faults = append(faults, contract.Field(pointer+"/fieldIdorName", gen.FieldCodeNotAllowed, "must be a field of the community"))
			continue
		}
		value, err := valueFor(f, one.Value)
		if err != nil {
			faults = append(faults, refusedValue(pointer+"/value", err))
		}
		given = append(given, givenValue{f, value})
	}
	if len(faults) > 0 {
		return contract.Invalid(faults...)
	}
	for _, one := range given {
		if _, _, err := k.setValue(ctx, tx, one.field, account, one.value, nil); err != nil {
			return err
		}
	}
	return nil
}

// creditIncoming is the step that gives or takes what a call says. The call is the reason, so that it counts once.
func (k *core) creditIncoming(ctx context.Context, tx *store.Tx, serverID string, in gen.IncomingCall, callID string) error {
	account, err := memberNamed(ctx, tx.Queries, serverID, in.User)
	if err != nil {
		return err
	}
	has, err := tx.Ledger.HoldTotals(ctx, serverID, account.AccountNumber)
	if err != nil {
		return err
	}
	line := store.LedgerLine{ServerID: serverID, Account: account.AccountNumber, Action: string(gen.ActionWebhooks), Reason: string(gen.ActionWebhooks) + "/" + callID}
	if in.Reason != "" {
		line.Reason += ": " + in.Reason
	}
	by, wrong := changeBy(string(in.Operation), *in.Amount, has.Of(string(in.Kind)))
	switch {
	case wrong != "":
		return contract.Conflict("The amount is not possible", "the amount "+wrong)
	case by == 0:
		return nil
	}
	switch in.Kind {
	case gen.IncomingCurrencyXP:
		line.XP = by
	case gen.IncomingCurrencyCoins:
		line.Coins = by
	case gen.IncomingCurrencyPremium:
		line.Premium = by
	}
	_, err = k.credit(ctx, tx, line)
	return err
}

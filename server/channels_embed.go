package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/gen/stub"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// embedLife is how long a page believes who looks at it. The contract says so.
const embedLife = 5 * time.Minute

func (h channels) GetChannelEmbed(ctx context.Context, r stub.GetChannelEmbedRequestObject) (stub.GetChannelEmbedResponseObject, error) {
	q := h.store.Queries
	s, channel, err := channelSeen(ctx, q, r.ChannelID, "channel")
	if err == nil {
		err = s.check(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	if channel.IframeURL == "" {
		return nil, contract.Conflict("This channel has no page", "only a channel of the type iframe that has an iframeUrl has one")
	}
	secret, err := q.Channels.GetSigningSecret(ctx, channel.ID)
	if err != nil {
		return nil, err
	}
	account, err := q.Auth.GetAccount(ctx, s.actor.account)
	if err != nil {
		return nil, err
	}
	now := h.now()
	address, err := signedFor(channel, account, secret, now)
	if err != nil {
		return nil, err
	}
	return stub.GetChannelEmbed200JSONResponse{
		Meta: system("Channel embed"), Body: gen.ChannelEmbed{URL: address, ExpiresAt: gen.Time{Time: now.Add(embedLife)}},
	}, nil
}

// signedFor is the address of the page of a channel for whoever looks at it, who is named by it if there is a secret.
func signedFor(channel gen.Channel, account store.Account, secret string, now time.Time) (string, error) {
	if secret == "" {
		return channel.IframeURL, nil
	}
	address, err := url.Parse(channel.IframeURL)
	if err != nil {
		return "", err
	}
	username, _ := account.Username.Get()
	id, ts := store.Number(account.AccountNumber), strconv.FormatInt(now.Unix(), 10)
	query := url.Values{
		"user_id": {id}, "username": {username}, "server_id": {channel.ServerID}, "ts": {ts},
		"sig": {signatureOf(secret, id, username, channel.ServerID, ts)},
	}
	address.RawQuery = strings.TrimPrefix(without(address.RawQuery, query, "&", ";")+"&"+query.Encode(), "&")
	return address.String(), nil
}

// without is a query as it was written, but for the parameters of some names, however a page takes it apart.
func without(query string, names url.Values, separators ...string) string {
	if len(separators) == 0 {
		name, _, _ := strings.Cut(query, "=")
		if name, err := url.QueryUnescape(name); err == nil && names.Has(name) {
			return ""
		}
		return query
	}
	parts := strings.Split(query, separators[0])
	parts = slices.DeleteFunc(parts, func(part string) bool { return part != "" && without(part, names, separators[1:]...) == "" })
	for i := range parts {
		parts[i] = without(parts[i], names, separators[1:]...)
	}
	return strings.Join(parts, separators[0])
}

// signatureOf is what proves to whoever has the secret that these values are ours.
func signatureOf(secret string, values ...string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strings.Join(values, "\n")))
	return hex.EncodeToString(mac.Sum(nil))
}

// embeds is the step that changes what a channel shows in a frame, before the channel is kept. It returns the secret that is to be
// kept then, empty for none, or nil if that stays as it is.
func (h channels) embeds(channel *gen.Channel, address string, sign *bool) (secret *string, err error) {
	iframe, signed := channel.ChannelType == gen.ChannelTypeIframe, channel.SignIdentity
	if !iframe {
		var fields []gen.ProblemField
		if address != "" {
			fields = append(fields, contract.Field("/iframeUrl", gen.FieldCodeNotAllowed, "must be left out: the channel is not of the type iframe"))
		}
		if valueOf(sign) {
			fields = append(fields, contract.Field("/signIdentity", gen.FieldCodeNotAllowed, "must be left out: the channel is not of the type iframe"))
		}
		if len(fields) > 0 {
			return nil, contract.Invalid(fields...)
		}
		channel.IframeURL, sign = "", new(bool)
	}
	if address != "" {
		channel.IframeURL = address
	}
	if sign == nil || *sign == signed {
		return nil, nil
	}
	if channel.SignIdentity = *sign; !*sign {
		return new(string), nil
	}
	made, err := h.newCredential()
	return &made, err
}

// saved is a channel as the answer shows it that has made or changed it: with its secret, if that is new.
func saved(c gen.Channel, secret *string) gen.SavedChannel {
	return gen.SavedChannel{
		Topic: c.Topic, Description: c.Description, Permissions: c.Permissions, UserID: c.UserID, ServerID: c.ServerID, ChannelType: c.ChannelType,
		IframeURL: c.IframeURL, SignIdentity: c.SignIdentity, SigningSecret: valueOf(secret),
		ID: c.ID, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, V: c.V,
	}
}

package api

import (
	"cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/store"
)

func webhooks() resource[sidetone.Webhook] {
	return resource[sidetone.Webhook]{
		noun: "webhook", fresh: sidetone.NewWebhook, decode: decodeWebhook, render: renderWebhook,
		id: func(h sidetone.Webhook) string { return h.ID },
		secrets: func(h sidetone.Webhook) map[string]sidetone.Secret {
			return map[string]sidetone.Secret{"signature_secret": h.Secret}
		},
		find: (*store.Tx).Webhook, list: (*store.Tx).Webhooks,
		insert: (*store.Tx).InsertWebhook, update: (*store.Tx).UpdateWebhook, remove: (*store.Tx).DeleteWebhook,
	}
}

func decodeWebhook(d *decoder) edit[sidetone.Webhook] {
	change := sidetone.WebhookChange{
		Label: d.Text("label"), Description: d.Text("description"), URL: d.Text("url"), Method: d.Text("method"),
		Subscriptions: d.Strings("subscriptions"), ConnectionID: d.Text("account_connection_id"),
		Secret: d.secret("signature_secret"), Active: d.Bool("active"), Shape: d.Text("shape"),
	}
	return func(w work, h *sidetone.Webhook) error {
		if id := change.ConnectionID; id.Set && !id.Null {
			account, err := w.tx.Connection(id.Value)
			if err != nil {
				return named(err, "account_connection_id", "account connection")
			}
			if id.Value != h.ConnectionID && !account.ServesEndpoints() {
				return invalid("account_connection_id must be of a type that authenticates requests, such as account_connection_external_api_key, not %s",
					account.Type)
			}
		}
		change, given, before := change, change.Secret, *h
		var err error
		if change.Secret, err = maskResolved("signature_secret", given, h.Secret); err != nil {
			return err
		}
		change.Apply(h, w.tx.Now())
		// A signing secret is never sent to the URL, unlike a key: left out, it stays.
		if err := h.Validate(); err != nil || !given.Set || h.URL == before.URL {
			return err
		}
		return notCarried("signature_secret", given, before.Secret, h.Secret)
	}
}

func renderWebhook(v view, h sidetone.Webhook) object {
	o := object{"id": h.ID, "user_id": v.account, "url": h.URL, "method": h.Method, "subscriptions": h.Subscriptions, "active": !h.Inactive, "shape": cmp.Or(h.Shape, sidetone.ShapeContract)}
	v.of(h.ID).setSecret(o, "signature_secret", h.Secret)
	setText(o, "inactive_reason", h.InactiveReason)
	if h.PreviousSecret != "" && !h.PreviousUntil.IsZero() {
		setTime(o, "previous_secret_until", h.PreviousUntil)
	}
	setText(o, "label", h.Label)
	setText(o, "description", h.Description)
	setText(o, "account_connection_id", h.ConnectionID)
	return v.profile.Adapt(dialect.Webhook(), o)
}

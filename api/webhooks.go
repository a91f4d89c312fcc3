package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func webhooks() plain[sidetone.Webhook] {
	return plain[sidetone.Webhook]{
		noun: "webhook", fresh: sidetone.NewWebhook, decode: decodeWebhook, render: renderWebhook,
		id:   func(h sidetone.Webhook) string { return h.ID },
		find: (*store.Tx).Webhook, list: (*store.Tx).Webhooks,
		insert: (*store.Tx).InsertWebhook, update: (*store.Tx).UpdateWebhook, remove: (*store.Tx).DeleteWebhook,
	}
}

func decodeWebhook(d *decoder) edit[sidetone.Webhook] {
	change := sidetone.WebhookChange{
		Label: d.text("label"), Description: d.text("description"), URL: d.text("url"), Method: d.text("method"),
		Subscriptions: d.texts("subscriptions"), ConnectionID: d.text("account_connection_id"),
	}
	return func(w work, h *sidetone.Webhook) error {
		if id := change.ConnectionID; id.Set && !id.Null {
			if _, err := w.tx.Connection(id.Value); err != nil {
				return named(err, "account_connection_id", "account connection")
			}
		}
		change.Apply(h, w.tx.Now())
		return h.Validate()
	}
}

func renderWebhook(v view, h sidetone.Webhook) object {
	o := object{{"id", h.ID}, {"user_id", v.account}, {"url", h.URL}, {"method", h.Method}, {"subscriptions", h.Subscriptions}}
	o.text("label", h.Label)
	o.text("description", h.Description)
	o.text("account_connection_id", h.ConnectionID)
	return v.finish("webhook", o)
}

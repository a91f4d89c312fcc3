package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func webhooks() resource[sidetone.Webhook] {
	return resource[sidetone.Webhook]{
		noun: "webhook", fresh: sidetone.NewWebhook, decode: decodeWebhook, render: renderWebhook,
		id:   func(h sidetone.Webhook) string { return h.ID },
		find: (*store.Tx).Webhook, list: (*store.Tx).Webhooks,
		insert: (*store.Tx).InsertWebhook, update: (*store.Tx).UpdateWebhook, remove: (*store.Tx).DeleteWebhook,
	}
}

func decodeWebhook(d *decoder) edit[sidetone.Webhook] {
	change := sidetone.WebhookChange{
		Label: d.Text("label"), Description: d.Text("description"), URL: d.Text("url"), Method: d.Text("method"),
		Subscriptions: d.Strings("subscriptions"), ConnectionID: d.Text("account_connection_id"),
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
		change.Apply(h, w.tx.Now())
		return h.Validate()
	}
}

func renderWebhook(v view, h sidetone.Webhook) object {
	o := object{"id": h.ID, "user_id": v.account, "url": h.URL, "method": h.Method, "subscriptions": h.Subscriptions}
	setText(o, "label", h.Label)
	setText(o, "description", h.Description)
	setText(o, "account_connection_id", h.ConnectionID)
	return o
}

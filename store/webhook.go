package store

import (
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

func webhookTable() *configurationTable[sidetone.Webhook] {
	tb := newTable("webhooks", "webhook", func(h *sidetone.Webhook) []column {
		return []column{
			{name: "id", ref: &h.ID, fixed: true}, {name: "environment_id", ref: &h.EnvironmentID, fixed: true},
			{name: "label", ref: &h.Label}, {name: "label_folded", ref: folded(h.Label)}, {name: "description", ref: &h.Description},
			{name: "url", ref: &h.URL}, {name: "method", ref: &h.Method}, {name: "subscriptions", ref: list{&h.Subscriptions}},
			{name: "connection_id", ref: &h.ConnectionID}, {name: "shape", ref: &h.Shape}, {name: "secret", ref: sealed{&h.Secret}},
			{name: "previous_secret", ref: sealed{&h.PreviousSecret}}, {name: "previous_until", ref: millis{&h.PreviousUntil}},
			{name: "inactive", ref: &h.Inactive}, {name: "inactive_reason", ref: &h.InactiveReason}, {name: "version", ref: &h.Version},
			{name: "created", ref: millis{&h.Created}, fixed: true}, {name: "updated", ref: millis{&h.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "label": search("label", "label_folded"), "created": instant("created"), "updated": instant("updated"),
		"url": filterOnly(text("url")), "account_connection_id": filterOnly(text("connection_id")),
	})
	return &configurationTable[sidetone.Webhook]{
		table:  tb.heldIn(func(e *configuration.Environment) map[string]sidetone.Webhook { return e.Webhooks }),
		detach: func(h *sidetone.Webhook) { h.Subscriptions = slices.Clone(h.Subscriptions) },
		uses:   []use{{table: "agents", noun: "agent", column: "webhook_id", shown: "id"}},
	}
}

// Webhook returns the webhook with id.
func (t *Tx) Webhook(id string) (sidetone.Webhook, error) { return t.store.tables.webhooks.get(t, id) }

// Webhooks lists the webhooks.
func (t *Tx) Webhooks(q sidetone.PageQuery) (sidetone.Page[sidetone.Webhook], error) {
	return page(t, t.store.tables.webhooks.table, q)
}

// InsertWebhook stores a new webhook.
func (t *Tx) InsertWebhook(h sidetone.Webhook) error { return t.store.tables.webhooks.insert(t, h) }

// UpdateWebhook stores h if h.Version is the stored one, else it is a Conflict;
// the stored version grows by one. What waits for a webhook that is not active is given
// up, and its endpoint counts as one that has not failed yet.
func (t *Tx) UpdateWebhook(h sidetone.Webhook) error {
	if err := t.store.tables.webhooks.update(t, h); err != nil {
		return err
	}
	if h.Inactive {
		return t.abandonDeliveries(h.ID)
	}
	return t.freshEndpoint(h.ID)
}

// DeleteWebhook removes the webhook with id, and gives up what waits for it. One that is
// in use is a Conflict that names its users.
func (t *Tx) DeleteWebhook(id string) error {
	if err := t.store.tables.webhooks.remove(t, id); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM webhook_endpoints WHERE id = $1 AND environment_id = $2`, id, t.environment); err != nil {
		return err
	}
	return t.abandonDeliveries(id)
}

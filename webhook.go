package sidetone

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Webhook is where an environment wants to be told of events.
type Webhook struct {
	ID            string
	EnvironmentID string
	Label         string
	Description   string
	// URL is absolute, http or https.
	URL string
	// Method is GET or POST.
	Method string
	// Subscriptions are of Subscriptions().
	Subscriptions []string
	// ConnectionID names an account connection; "" for none.
	ConnectionID string
	Version      int64
	Created      time.Time
	Updated      time.Time
}

// NewWebhook returns a webhook with the documented defaults and no address.
func NewWebhook(id, environmentID string, now time.Time) Webhook {
	return Webhook{ID: id, EnvironmentID: environmentID, Method: "POST", Subscriptions: []string{}, Created: now, Updated: now}
}

// Subscriptions lists the events a webhook can ask for.
func Subscriptions() []string {
	return []string{"event_message", "event_action", "event_phone_call_connected", "event_phone_call_ended",
		"event_phone_call_did_not_connect", "event_transcript", "event_recording", "event_human_detection", "event_error"}
}

// WebhookChange is a partial update of a Webhook.
type WebhookChange struct {
	Label         Optional[string]
	Description   Optional[string]
	URL           Optional[string]
	Method        Optional[string]
	Subscriptions Optional[[]string]
	ConnectionID  Optional[string]
}

// Apply carries the change out on h.
func (c WebhookChange) Apply(h *Webhook, now time.Time) {
	c.Label.Apply(&h.Label, "")
	c.Description.Apply(&h.Description, "")
	c.URL.Apply(&h.URL, "")
	c.Method.Apply(&h.Method, "POST")
	c.Subscriptions.Apply(&h.Subscriptions, []string{})
	c.ConnectionID.Apply(&h.ConnectionID, "")
	h.Updated = now
}

// Validate checks the address and the enums; the message starts with the
// property's path.
func (h Webhook) Validate() error {
	if err := webAddress("url", h.URL); err != nil {
		return err
	}
	if h.Method != "GET" && h.Method != "POST" {
		return Errorf(Invalid, "method must be one of GET, POST")
	}
	for _, s := range h.Subscriptions {
		if !slices.Contains(Subscriptions(), s) {
			return Errorf(Invalid, "subscriptions must be of %s", strings.Join(Subscriptions(), ", "))
		}
	}
	return describable(h.Label, h.Description)
}

// webAddress checks an absolute http address without a user.
func webAddress(path, text string) error {
	if text == "" {
		return Errorf(Invalid, "%s is required", path)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || !portExists(u.Port()) {
		return Errorf(Invalid, "%s must be an address such as https://example.com/path, without a user", path)
	}
	return maxLength(path, text, 2048)
}

// optionalAddress is webAddress for what may be empty.
func optionalAddress(path, text string) error {
	if text == "" {
		return nil
	}
	return webAddress(path, text)
}

// portExists says that a URL's port is none or one that can be connected to.
func portExists(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0
}

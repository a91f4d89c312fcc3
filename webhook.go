package sidetone

import (
	"encoding/base64"
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
	// Shape is whose messages are sent: of Shapes().
	Shape string
	// Secret signs what is sent: "whsec_" and base64 of 24 to 64 bytes.
	Secret Secret
	// PreviousSecret signs beside it until PreviousUntil, after a rotation; "" when
	// there was none.
	PreviousSecret Secret
	PreviousUntil  time.Time
	// Inactive says that nothing is sent. InactiveReason says why, when it was not a
	// client's wish.
	Inactive       bool
	InactiveReason string
	Version        int64
	Created        time.Time
	Updated        time.Time
}

// NewWebhook returns a webhook with the documented defaults and no address.
func NewWebhook(id, environmentID string, now time.Time) Webhook {
	return Webhook{ID: id, EnvironmentID: environmentID, Method: "POST", Subscriptions: []string{}, Shape: ShapeContract, Created: now, Updated: now}
}

// The shapes of what a webhook is sent.
const (
	// ShapeContract is {type, call_id, payload} and ours beside it.
	ShapeContract = "contract"
	// ShapeVapi and ShapeRetell are those of the products of these names, for receivers
	// that were written for them.
	ShapeVapi   = "vapi"
	ShapeRetell = "retell"
)

// Shapes lists the shapes.
func Shapes() []string { return []string{ShapeContract, ShapeVapi, ShapeRetell} }

// WebhookGone is the InactiveReason of a webhook whose endpoint answered 410: it wants
// no more messages.
const WebhookGone = "gone"

// The further events of a webhook, beside those of the contract.
const (
	WebhookStarted  = "event_phone_call_started"
	WebhookInsights = "event_insights"
)

// The events of the contract that a webhook can ask for.
const (
	WebhookMessage        = "event_message"
	WebhookAction         = "event_action"
	WebhookConnected      = "event_phone_call_connected"
	WebhookEnded          = "event_phone_call_ended"
	WebhookDidNotConnect  = "event_phone_call_did_not_connect"
	WebhookTranscript     = "event_transcript"
	WebhookRecording      = "event_recording"
	WebhookHumanDetection = "event_human_detection"
	WebhookError          = "event_error"
)

// Subscriptions lists the events a webhook can ask for.
func Subscriptions() []string {
	return []string{WebhookMessage, WebhookAction, WebhookConnected, WebhookEnded, WebhookDidNotConnect, WebhookTranscript,
		WebhookRecording, WebhookHumanDetection, WebhookError, WebhookStarted, WebhookInsights}
}

// WebhookChange is a partial update of a Webhook.
type WebhookChange struct {
	Label         Optional[string]
	Description   Optional[string]
	URL           Optional[string]
	Method        Optional[string]
	Subscriptions Optional[[]string]
	ConnectionID  Optional[string]
	// Secret null asks for a new one.
	Secret Optional[Secret]
	Active Optional[bool]
	Shape  Optional[string]
}

// Apply carries the change out on h. A webhook without a secret gets one; one that had
// another goes on signing with that, too, for SecretOverlap.
func (c WebhookChange) Apply(h *Webhook, now time.Time) {
	c.Label.Apply(&h.Label, "")
	c.Description.Apply(&h.Description, "")
	c.URL.Apply(&h.URL, "")
	c.Method.Apply(&h.Method, "POST")
	c.Subscriptions.Apply(&h.Subscriptions, []string{})
	c.ConnectionID.Apply(&h.ConnectionID, "")
	c.Shape.Apply(&h.Shape, ShapeContract)
	if c.Active.Set {
		h.Inactive, h.InactiveReason = !c.Active.Null && !c.Active.Value, ""
	}
	switch {
	case c.Secret.Set && !c.Secret.Null && c.Secret.Value != h.Secret:
		h.RotateSecret(c.Secret.Value, SecretOverlap, now)
	case c.Secret.Null || h.Secret == "":
		h.RotateSecret(NewWebhookSecret(), SecretOverlap, now)
	}
	h.Updated = now
}

// SecretOverlap is how long a webhook's previous secret goes on signing by default.
const SecretOverlap = 24 * time.Hour

// RotateSecret gives the webhook another secret; the one it had goes on signing beside it
// until overlap has passed.
func (h *Webhook) RotateSecret(to Secret, overlap time.Duration, now time.Time) {
	h.PreviousSecret, h.PreviousUntil = "", time.Time{}
	if h.Secret != "" && overlap > 0 {
		h.PreviousSecret, h.PreviousUntil = h.Secret, now.Add(overlap)
	}
	h.Secret = to
}

// Secrets are those that sign at a time, the newest first.
func (h Webhook) Secrets(now time.Time) []Secret {
	if h.PreviousSecret != "" && now.Before(h.PreviousUntil) {
		return []Secret{h.Secret, h.PreviousSecret}
	}
	return []Secret{h.Secret}
}

// webhookSecretPrefix starts the secrets of webhooks, see
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
const webhookSecretPrefix = "whsec_"

// NewWebhookSecret makes the secret of a webhook from 32 random bytes.
func NewWebhookSecret() Secret {
	return webhookSecretPrefix + NewSignatureSecret()
}

// WebhookKey returns the bytes that a webhook's secret stands for. The prefix may be
// missing: what signs external actions has none.
func WebhookKey(s Secret) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Reveal(), webhookSecretPrefix))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, Errorf(Invalid, "signature_secret must be whsec_ and base64 of 24 to 64 bytes")
	}
	return key, nil
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
	if !slices.Contains(Shapes(), h.Shape) {
		return Errorf(Invalid, "shape must be one of %s", strings.Join(Shapes(), ", "))
	}
	for _, s := range h.Subscriptions {
		if !slices.Contains(Subscriptions(), s) {
			return Errorf(Invalid, "subscriptions must be of %s", strings.Join(Subscriptions(), ", "))
		}
	}
	if h.Secret != "" {
		if _, err := WebhookKey(h.Secret); err != nil {
			return err
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

package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// The headers of a delivery. The first three are those of Standard Webhooks, see
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md;
// the last is that of the contract's external actions.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
	HeaderVocode    = "X-Vocode-Signature"
)

// Sign sets the headers that prove who sent body. With several secrets the signature of
// Standard Webhooks lists one of each; the contract's has room for the first only.
func Sign(h http.Header, id string, at time.Time, body []byte, secrets []sidetone.Secret) error {
	var keys [][]byte
	for _, secret := range secrets {
		key, err := sidetone.WebhookKey(secret)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	sign(h, id, at, body, keys...)
	return nil
}

// SignAction sets the same headers on the request of an external action, whose secret is
// base64 of any length.
func SignAction(h http.Header, id string, at time.Time, body []byte, secret sidetone.Secret) error {
	key, err := base64.StdEncoding.DecodeString(secret.Reveal())
	if err != nil {
		return Error("the signature secret of the action is not base64") // the cause may quote it
	}
	sign(h, id, at, body, key)
	return nil
}

func sign(h http.Header, id string, at time.Time, body []byte, keys ...[]byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	var list []string
	for i, key := range keys {
		list = append(list, "v1,"+mac(key, []byte(id+"."+stamp+"."), body))
		if i == 0 {
			h.Set(HeaderVocode, mac(key, body))
		}
	}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, stamp)
	h.Set(HeaderSignature, strings.Join(list, " "))
}

// mac is the base64 of the HMAC-SHA256 of parts.
func mac(key []byte, parts ...[]byte) string {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		_, _ = h.Write(p) // a hash takes everything
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Tolerance is how far a message's time may be from the receiver's.
const Tolerance = 5 * time.Minute

// Verify says whether the headers prove that body was signed with secret at about the
// given time: with those of Standard Webhooks. The error says what is wrong.
func Verify(h http.Header, body []byte, secret sidetone.Secret, now time.Time) error {
	key, err := sidetone.WebhookKey(secret)
	if err != nil {
		return err
	}
	id, stamp := h.Get(HeaderID), h.Get(HeaderTimestamp)
	if id == "" || stamp == "" || h.Get(HeaderSignature) == "" {
		return Error("webhook-id, webhook-timestamp or webhook-signature is missing")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return Error("webhook-timestamp is no number of seconds")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return Error("webhook-timestamp is more than 5 minutes away from this machine's time")
	}
	want := []byte("v1," + mac(key, []byte(id+"."+stamp+"."), body))
	for one := range strings.FieldsSeq(h.Get(HeaderSignature)) {
		if hmac.Equal([]byte(one), want) {
			return nil
		}
	}
	return Error("no signature of webhook-signature is that of the secret")
}

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	reference "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// TestSignaturesOfTheReference: the reference library takes what Sign makes, with either of
// two secrets, and nothing else; Verify agrees with it about every byte that is changed.
func TestSignaturesOfTheReference(t *testing.T) {
	t.Parallel()
	now, body := time.Now(), []byte(`{"type":"event_error","payload":{"message":"ü"}}`)
	fresh, old, strange := sidetone.NewWebhookSecret(), sidetone.NewWebhookSecret(), sidetone.NewWebhookSecret()
	h := http.Header{}
	if err := webhook.Sign(h, "msg_1", now, body, []sidetone.Secret{fresh, old}); err != nil {
		t.Fatal(err)
	}
	takes := func(h http.Header, body []byte, secret sidetone.Secret) bool {
		t.Helper()
		r, err := reference.NewWebhook(secret.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours := r.Verify(body, h) == nil, webhook.Verify(h, body, secret, now) == nil
		if theirs != ours {
			t.Errorf("the reference says %t, Verify %t", theirs, ours)
		}
		return theirs && ours
	}
	if !takes(h, body, fresh) || !takes(h, body, old) || takes(h, body, strange) {
		t.Error("the wrong secrets are taken")
	}
	for i := range body {
		changed := bytes.Clone(body)
		changed[i] ^= 1
		if takes(h, changed, fresh) {
			t.Errorf("byte %d of the body can be changed", i)
		}
	}
	for _, name := range []string{webhook.HeaderID, webhook.HeaderTimestamp, webhook.HeaderSignature} {
		for i := range h.Get(name) {
			if name == webhook.HeaderSignature && i >= strings.IndexByte(h.Get(name), ' ') {
				break // the second one, of the other secret
			}
			changed := h.Clone()
			text := []byte(h.Get(name))
			text[i] ^= 1
			changed.Set(name, string(text))
			if takes(changed, body, fresh) && !sameBase64(h.Get(name), string(text)) {
				t.Errorf("character %d of %s can be changed", i, name)
			}
		}
		without := h.Clone()
		without.Del(name)
		if takes(without, body, fresh) {
			t.Errorf("%s can be left out", name)
		}
	}
	for _, late := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
		if webhook.Verify(h, body, fresh, now.Add(late)) == nil {
			t.Errorf("it is taken %s later", late)
		}
	}
}

// sameBase64 says that two texts differ in bits that no byte has.
func sameBase64(a, b string) bool {
	x, errX := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.Fields(a)[0], "v1,"))
	y, errY := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.Fields(b)[0], "v1,"))
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// TestVocodeSignature is base64(HMAC-SHA256(base64decode(secret), body)), as the contract
// has it, with a secret with and without its prefix.
func TestVocodeSignature(t *testing.T) {
	t.Parallel()
	raw, body := []byte("0123456789abcdef0123456789abcdef"), []byte(`{"a":1}`)
	m := hmac.New(sha256.New, raw)
	m.Write(body)
	want := base64.StdEncoding.EncodeToString(m.Sum(nil))
	for _, prefix := range []string{"", "whsec_"} {
		h := http.Header{}
		secret := sidetone.Secret(prefix + base64.StdEncoding.EncodeToString(raw))
		if err := webhook.Sign(h, "i", time.Now(), body, []sidetone.Secret{secret}); err != nil || h.Get("x-vocode-signature") != want {
			t.Errorf("%q: %v %s", prefix, err, h.Get("x-vocode-signature"))
		}
	}
	for _, bad := range []sidetone.Secret{"", "whsec_", "whsec_c2hvcnQ=", "whsec_?"} {
		if webhook.Sign(http.Header{}, "i", time.Now(), body, []sidetone.Secret{bad}) == nil {
			t.Errorf("%q signs", bad.Reveal())
		}
	}
}

// FuzzVerify holds that no headers make it panic.
func FuzzVerify(f *testing.F) {
	f.Add("a", "1", "v1,x v1a,y", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", []byte("{}"))
	f.Fuzz(func(t *testing.T, id, stamp, signature, secret string, body []byte) {
		h := http.Header{webhook.HeaderID: {id}, webhook.HeaderTimestamp: {stamp}, webhook.HeaderSignature: {signature}}
		if webhook.Verify(h, body, sidetone.Secret(secret), time.Unix(1, 0)) == nil && !strings.Contains(signature, "v1,") {
			t.Errorf("%q is taken", signature)
		}
	})
}

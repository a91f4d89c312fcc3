package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// TestWebhooksListen prints what it is sent and whether the signature is right, and answers
// as it was told.
func TestWebhooksListen(t *testing.T) {
	t.Parallel()
	now, secret := time.Date(2026, 11, 30, 17, 10, 50, 183e6, time.UTC), sidetone.NewWebhookSecret()
	body := []byte(`{"type":"event_error","call_id":"c","sequence":7,"payload":{"message":"\u001b[31m"}}`)
	signed := func(with sidetone.Secret) http.Header {
		h := http.Header{}
		if err := webhook.Sign(h, "id", now, body, []sidetone.Secret{with}); err != nil {
			t.Fatal(err)
		}
		return h
	}
	for name, c := range map[string]struct {
		listen webhookListen
		secret sidetone.Secret
		header http.Header
		body   []byte
		status int
		want   string
	}{
		"verified":   {webhookListen{Status: 204}, secret, signed(secret), body, 204, "17:10:50.183 event_error call c #7 verified\n"},
		"a failure":  {webhookListen{Status: 503}, secret, signed(secret), body, 503, "17:10:50.183 event_error call c #7 verified\n"},
		"no secret":  {webhookListen{Status: 200}, "", signed(secret), body, 200, "17:10:50.183 event_error call c #7 (signature not checked)\n"},
		"another":    {webhookListen{Status: 204}, secret, signed(sidetone.NewWebhookSecret()), body, 401, "NOT VERIFIED: no signature of webhook-signature is that of the secret\n"},
		"unsigned":   {webhookListen{Status: 204}, secret, http.Header{}, body, 401, "NOT VERIFIED: webhook-id, webhook-timestamp or webhook-signature is missing\n"},
		"no JSON":    {webhookListen{Status: 204}, "", http.Header{}, []byte("hello"), 204, "5 bytes that are no JSON object (signature not checked)\n"},
		"the bodies": {webhookListen{Status: 204, Bodies: true}, "", http.Header{}, []byte("{\"type\":\"x\",\"a\":\"\x1b[31m\"}"), 204, "{\"type\":\"x\",\"a\":\" [31m\"}\n"},
	} {
		var out bytes.Buffer
		r := &receiver{listen: c.listen, secret: c.secret, out: plainWriter{&out}, now: func() time.Time { return now }}
		w := httptest.NewRecorder()
		q := httptest.NewRequest(http.MethodPost, "/calls", bytes.NewReader(c.body))
		q.Header = c.header
		r.ServeHTTP(w, q)
		if w.Code != c.status || !strings.HasSuffix(out.String(), c.want) {
			t.Errorf("%s: got %d %q", name, w.Code, out.String())
		}
	}
}

// TestWebhooksListenEnds after as many messages as were asked for, and refuses what makes no
// sense.
func TestWebhooksListenEnds(t *testing.T) {
	t.Parallel()
	errs, told := io.Pipe()
	a := &app{ctx: t.Context(), out: io.Discard, err: told}
	ended := make(chan error, 1)
	go func() { ended <- webhookListen{Addr: "127.0.0.1:0", Status: 204, Count: 1}.Run(a) }()
	var address string
	if _, err := fmt.Fscanf(errs, "listening on %s\n", &address); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if err := <-ended; err != nil || response.StatusCode != 204 {
		t.Errorf("%v, answered %d", err, response.StatusCode)
	}
	for want, l := range map[string]webhookListen{"--secret": {Secret: "short", Status: 204}, "--status": {Status: 99}, "listen": {Addr: "nowhere:x", Status: 204}} {
		if err := l.Run(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

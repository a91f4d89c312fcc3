//go:build vendors

package vendors

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// signed is a delivery for the program, and what its library is to think of it.
type signed struct {
	Name    string            `json:"name"`
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
	Valid   bool              `json:"valid"`
}

// TestStandardWebhooksVerifies: the reference library of Standard Webhooks, npm's
// standardwebhooks, takes what is signed here, with either secret during a rotation, and
// nothing that was changed, is old, or was signed by somebody else.
func TestStandardWebhooksVerifies(t *testing.T) {
	t.Parallel()
	now := time.Now()
	secret, before, foreign := sidetone.NewWebhookSecret(), sidetone.NewWebhookSecret(), sidetone.NewWebhookSecret()
	var all []signed
	add := func(name string, with sidetone.Secret, at time.Time, body string, valid bool, change func(*signed), by ...sidetone.Secret) {
		h := http.Header{}
		if err := webhook.Sign(h, fmt.Sprintf("id-%d", len(all)), at, []byte(body), by); err != nil {
			t.Fatal(err)
		}
		one := signed{Name: name, Secret: with.Reveal(), Headers: map[string]string{}, Body: []byte(body), Valid: valid}
		for key := range h {
			one.Headers[strings.ToLower(key)] = h.Get(key)
		}
		if change != nil {
			change(&one)
		}
		all = append(all, one)
	}
	test, err := webhook.TestBody("id", now)
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range []string{string(test), `{}`, `{"text":"ünïcödé 電話 \u2028"}`, `{"text":"` + strings.Repeat("long ", 10_000) + `"}`} {
		add(fmt.Sprintf("body %d", i), secret, now, body, true, nil, secret)
	}
	add("the new secret of a rotation", secret, now, `{}`, true, nil, secret, before)
	add("its old one", before, now, `{}`, true, nil, secret, before)
	add("somebody else's", foreign, now, `{}`, false, nil, secret, before)
	add("a changed body", secret, now, `{"a":1}`, false, func(s *signed) { s.Body = []byte(`{"a":2}`) }, secret)
	add("another id", secret, now, `{}`, false, func(s *signed) { s.Headers["webhook-id"] = "id-other" }, secret)
	add("an old one", secret, now.Add(-webhook.Tolerance-time.Minute), `{}`, false, nil, secret)
	add("one of the future", secret, now.Add(webhook.Tolerance+time.Minute), `{}`, false, nil, secret)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/standardwebhooks")); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "deliveries.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, nil, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	t.Log(run(t, dir, nil, alone(), "node", "verify.mjs"))
}

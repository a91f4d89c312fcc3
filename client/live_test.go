package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/server"
)

// live starts a server on an empty directory and returns a client with the
// first key.
func live(t *testing.T) *client.Client {
	t.Helper()
	c, _, stop, err := start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// start runs a server on an empty directory. It returns a client with the first
// key, the server's address, and what ends it.
func start(dir string) (c *client.Client, url string, stop func() error, err error) {
	config := server.Defaults()
	config.Data, config.HTTP.Addr, config.SIP.Addr = filepath.Join(dir, "data"), "127.0.0.1:0", "127.0.0.1:0"
	path := filepath.Join(dir, "ready.json")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	log := &strings.Builder{}
	go func() { ended <- server.Run(ctx, config, server.Options{ReadyFile: path, Log: log, Version: "test"}) }()
	end := func() error {
		cancel()
		if err := <-ended; err != nil {
			return fmt.Errorf("the server ended with %w\n%s", err, log)
		}
		return nil
	}
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(30 * time.Second)
	for {
		text, err := os.ReadFile(path)
		if err == nil {
			var ready server.Ready
			if err := json.Unmarshal(text, &ready); err != nil {
				return nil, "", nil, errors.Join(err, end())
			}
			c = client.New(ready.HTTP, sidetone.Secret(ready.APIKey))
			return c, ready.HTTP, func() error { c.HTTP.CloseIdleConnections(); return end() }, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, "", nil, errors.Join(err, end())
		}
		select {
		case err := <-ended:
			cancel()
			return nil, "", nil, fmt.Errorf("the server ended before it was ready: %w", err)
		case <-deadline:
			return nil, "", nil, errors.Join(errors.New("the server did not become ready"), end())
		case <-poll.C:
		}
	}
}

// TestOnAServer uses one server, and an environment for each part.
func TestOnAServer(t *testing.T) {
	t.Parallel()
	all := live(t)
	for name, part := range map[string]func(*testing.T, *client.Client){
		"example": exampleWorks, "resources": resourcesOnAServer, "numbers": numbersOnAServer, "the rest": restOnAServer,
	} {
		t.Run(name, func(t *testing.T) {
			e, err := all.Environments().Create(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			there := *all
			there.Environment = e.ID
			part(t, &there)
		})
	}
}

// exampleWorks runs the example of docs/client.md.
func exampleWorks(t *testing.T, c *client.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	if err := remind(ctx, c, "+12125550177", &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"0 ended unknown_number\n", "+12125550177 ended unknown_number\n", "the agent is used by number +1415"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

// TestTheDocumentationShowsTheExample: docs/client.md has the code that is
// run here.
func TestTheDocumentationShowsTheExample(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/client.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(page), "```go\n")
	shown, _, _ = strings.Cut(shown, "```\n")
	_, want, _ := strings.Cut(string(code), "// remind makes")
	if diff := cmp.Diff("// remind makes"+want, shown); diff != "" {
		t.Errorf("(-example_test.go +docs/client.md)\n%s", diff)
	}
}

// lived creates, reads, changes, lists and deletes one resource on a server.
func lived[T any](t *testing.T, of client.Resource[T], full T, id func(T) string, change client.Change, changed func(T) bool) {
	t.Helper()
	ctx := t.Context()
	made, err := of.Create(ctx, full, client.IdempotencyKey("once"))
	if err != nil {
		t.Errorf("create %T: %v", full, err)
		return
	}
	if again, err := of.Create(ctx, full, client.IdempotencyKey("once")); err != nil || id(again) != id(made) {
		t.Errorf("create %T again: %s and %s, %v", full, id(made), id(again), err)
	}
	if got, err := of.Update(ctx, id(made), change); err != nil || !changed(got) {
		t.Errorf("update: %+v, %v", got, err)
	}
	if got, err := of.Get(ctx, id(made)); err != nil || !changed(got) {
		t.Errorf("get: %+v, %v", got, err)
	}
	found := false
	for v, err := range of.All(ctx, client.Query{Size: 1}) {
		if err != nil {
			t.Errorf("list %T: %v", full, err)
		}
		found = found || id(v) == id(made)
	}
	if gone, err := of.Delete(ctx, id(made)); err != nil || !gone.Deleted || gone.ID != id(made) || !found {
		t.Errorf("delete %T: %+v, %v; in the list: %t", full, gone, err, found)
	}
	var refused *client.Error
	if _, err := of.Get(ctx, id(made)); !errors.As(err, &refused) || refused.StatusCode != 404 || refused.Kind != "Not Found" {
		t.Errorf("get %T after the deletion: %v", full, err)
	}
}

func resourcesOnAServer(t *testing.T, c *client.Client) {
	lived(t, c.Agents(), client.Agent{Name: "A", Prompt: &client.Prompt{Content: "p"}, EnableRecording: new(false), LLMTemperature: new(0.0)},
		func(a client.Agent) string { return a.ID }, client.Change{"language": "de", "enable_recording": nil},
		func(a client.Agent) bool {
			return a.Language == "de" && *a.EnableRecording && *a.LLMTemperature == 0 && a.Prompt.Content == "p" && a.Name == "A"
		})
	lived(t, c.Prompts(), client.Prompt{Content: "p", Tags: []string{"t"}}, func(p client.Prompt) string { return p.ID },
		client.Change{"label": "L"}, func(p client.Prompt) bool { return p.Label == "L" && p.Content == "p" && p.Tags[0] == "t" })
	lived(t, c.Voices(), client.Voice{Type: "voice_rime", Speaker: "s", APIKey: "a secret of the vendor's", SpeedAlpha: new(0.5)},
		func(v client.Voice) string { return v.ID }, client.Change{"speaker": "z"},
		func(v client.Voice) bool {
			return v.Speaker == "z" && *v.SpeedAlpha == 0.5 && strings.HasPrefix(v.APIKey.Reveal(), "****") && strings.HasSuffix(v.APIKey.Reveal(), "or's")
		})
	lived(t, c.Actions(), client.Action{Type: "action_end_conversation", Label: "end"}, func(a client.Action) string { return a.ID },
		client.Change{"description": "d"}, func(a client.Action) bool { return a.Description == "d" && a.Label == "end" && a.Trigger != nil })
	lived(t, c.Webhooks().Resource, client.Webhook{URL: "https://example.com/a", Subscriptions: []string{"event_error"}}, func(w client.Webhook) string { return w.ID },
		client.Change{"method": "GET"}, func(w client.Webhook) bool { return w.Method == "GET" && w.URL == "https://example.com/a" })
	lived(t, c.VectorDatabases(), client.VectorDatabase{Type: "vector_database_pinecone", Index: "i", APIKey: "a secret of the vendor's", APIEnvironment: "e"},
		func(v client.VectorDatabase) string { return v.ID }, client.Change{"index": "j"}, func(v client.VectorDatabase) bool { return v.Index == "j" && v.APIEnvironment == "e" })
	lived(t, c.Trunks().Resource, client.Trunk{Name: "acme", Host: "sip.acme.example", Password: "a secret of the carrier's", Username: "u"},
		func(v client.Trunk) string { return v.ID }, client.Change{"realm": "r"}, func(v client.Trunk) bool { return v.Realm == "r" && v.Host == "sip.acme.example" })
	lived(t, c.AccountConnections().Resource, client.AccountConnection{Type: "account_connection_openai",
		Credentials: map[string]client.Credential{"openai_api_key": "a secret of the vendor's"}},
		func(a client.AccountConnection) string { return a.ID }, client.Change{"label": "L"},
		func(a client.AccountConnection) bool { return a.Label == "L" && len(a.Credentials) == 1 })
}

func numbersOnAServer(t *testing.T, c *client.Client) {
	ctx := t.Context()
	page, err := c.Numbers().Available(ctx, client.OfferQuery{AreaCode: "415", Limit: 2})
	if err != nil || len(page.Items) != 2 || !strings.HasPrefix(page.Items[1].Number, "+1415") {
		t.Fatalf("%+v, %v", page, err)
	}
	agent, err := c.Agents().Create(ctx, client.Agent{Name: "A", Prompt: &client.Prompt{Content: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	bought, err := c.Numbers().Buy(ctx, client.Purchase{PhoneNumber: page.Items[1].Number, InboundAgent: agent.ID})
	if err != nil || bought.InboundAgent.ID != agent.ID || bought.InboundAgent.Object.Name != "A" {
		t.Fatalf("%+v, %v", bought, err)
	}
	if _, err := c.Numbers().Update(ctx, bought.Number, client.Change{"example_context": map[string]any{"name": "Ann"}}); err != nil {
		t.Error(err)
	}
	// The context stays, whichever way the number is named.
	for _, name := range []string{bought.Number, bought.ID} {
		got, err := c.Numbers().Update(ctx, name, client.Change{"label": name})
		if err != nil || got.Label != name || got.ExampleContext["name"] != "Ann" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, expand := range [][]string{nil, {"inbound_agent"}} {
		for n, err := range c.Numbers().All(ctx, client.Query{Expand: expand}) {
			if err != nil || n.InboundAgent.ID != agent.ID || (n.InboundAgent.Object != nil) != (expand != nil) {
				t.Errorf("%+v, %v", n, err)
			}
		}
	}
	if got, err := c.Numbers().Detach(ctx, bought.ID); err != nil || got.Active {
		t.Errorf("detach: %+v, %v", got, err)
	}
	linked, err := c.Numbers().Link(ctx, client.Link{PhoneNumber: bought.Number, OutboundOnly: true})
	if err != nil || !linked.OutboundOnly || linked.ID == bought.ID {
		t.Errorf("link: %+v, %v", linked, err)
	}
	if _, err := c.Numbers().Cancel(ctx, linked.Number); err != nil {
		t.Error(err)
	}
}

func restOnAServer(t *testing.T, c *client.Client) {
	ctx := t.Context()
	listed, err := c.DNC().Bulk(ctx, []client.DNCEntry{{PhoneNumber: "+12125550199", Reason: "asked"}})
	if err != nil || len(listed) != 1 || listed[0].Reason != "asked" || listed[0].CreatedAt.IsZero() {
		t.Fatalf("%+v, %v", listed, err)
	}
	if gone, err := c.DNC().Delete(ctx, listed[0].ID); err != nil || !gone.Deleted {
		t.Error(gone, err)
	}
	member, err := c.Members().Create(ctx, client.Member{Subject: "ann", Role: "member"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.APIKeys().Create(ctx, client.KeyRequest{Label: "K", Member: member.ID}, client.IdempotencyKey("k"))
	if err != nil || key.Key == "" || key.Member != member.ID {
		t.Fatalf("%+v, %v", key, err)
	}
	var refused *client.Error
	if _, err := c.APIKeys().Create(ctx, client.KeyRequest{Label: "K", Member: member.ID}, client.IdempotencyKey("k")); !errors.As(err, &refused) || refused.StatusCode != 409 {
		t.Errorf("a secret is shown twice: %v", err)
	}
	if gone, err := c.Members().Delete(ctx, member.ID); err != nil || gone.Subject != "ann" {
		t.Error(gone, err)
	}
	if got, err := c.APIKeys().Get(ctx, key.ID); err != nil || got.Active || got.RevokedAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	who, err := c.WhoAmI(ctx)
	if err != nil || who.Type != "api_key" || who.Environment.ID != key.EnvironmentID {
		t.Errorf("%+v, %v", who, err)
	}
	other, err := c.Environments().Create(ctx, "other")
	if err != nil {
		t.Fatal(err)
	}
	environments := map[string]bool{}
	for e, err := range c.Environments().All(ctx, client.Query{Size: 1}) {
		if environments[e.ID] = true; err != nil {
			t.Errorf("%+v, %v", e, err)
		}
	}
	if !environments[who.Environment.ID] || !environments[other.ID] {
		t.Errorf("%v: %s or %s is missing", environments, who.Environment.ID, other.ID)
	}
	var actions []string
	for e, err := range c.AuditLog().All(ctx, client.Query{Filters: `{"resource": "member"}`}) {
		if err != nil || e.ResourceID != member.ID || e.Actor.Label != who.Label {
			t.Errorf("%+v, %v", e, err)
		}
		actions = append(actions, e.Action)
	}
	if diff := cmp.Diff([]string{"delete", "create"}, actions); diff != "" {
		t.Errorf("audit log (-want +got)\n%s", diff)
	}
	if u, err := c.Usage(ctx); err != nil || u.UserID != who.UserID || u.MonthlyUsageMinutes != 0 {
		t.Errorf("%+v, %v", u, err)
	}
	if r, err := c.RotateEnvironment(ctx); err != nil || r.DataKeyVersion < 1 || r.EnvironmentID != who.Environment.ID {
		t.Errorf("%+v, %v", r, err)
	}
	if text, err := c.Metrics(ctx); err != nil || !strings.Contains(string(text), "sidetone_calls_live") {
		t.Errorf("%s, %v", text, err)
	}
	if h, err := c.Alive(ctx); err != nil || h.Status != "ok" {
		t.Errorf("%+v, %v", h, err)
	}
}

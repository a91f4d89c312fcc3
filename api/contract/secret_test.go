package contract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every property of a request whose name is that of a key is marked as a secret in the
// document, so that programs that show a request hide it.
func TestSecretsAreMarked(t *testing.T) {
	t.Parallel()
	marked := map[string]bool{}
	for _, p := range load(t).Properties() {
		name := p.Path[strings.LastIndex(p.Path, ".")+1:]
		if KeyName(name) && !p.Secret {
			t.Errorf("%s %s is not of format %s", p.Operation, p.Path, secretFormat)
		}
		if p.Secret {
			marked[p.Operation+" "+p.Path] = true
		}
	}
	for _, name := range []string{
		"POST /v1/trunks/create password", "POST /v1/trunks/update password", "POST /v1/actions/create config.signature_secret",
		"POST /v1/agents/create actions[].config.signature_secret", "POST /v1/numbers/update inbound_agent.voice.api_key",
		"POST /v1/account_connections/create credentials", "POST /v1/account_connections/update credentials.twilio_account_sid",
		"POST /v1/vector_databases/create api_key", "POST /v1/api_keys/import key", "POST /v1/voices/create api_key",
	} {
		if !marked[name] {
			t.Errorf("%s is not marked as a secret", name)
		}
	}
}

func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	secrets := Secrets{"pin", "credentials", "list[].pin"}
	body := map[string]any{
		"pin": "1234", "name": "1234", "none": nil, "list": []any{map[string]any{"pin": 5.0, "other": 5.0}},
		"credentials": map[string]any{"any": "x", "deep": []any{"y"}}, "headers": map[string]any{"Authorization": "z", "X-Auth-Token": "t", "Accept": "a"},
	}
	want := map[string]any{
		"pin": stars, "name": "1234", "none": nil, "list": []any{map[string]any{"pin": stars, "other": 5.0}},
		"credentials": map[string]any{"any": stars, "deep": []any{stars}}, "headers": map[string]any{"Authorization": stars, "X-Auth-Token": stars, "Accept": "a"},
	}
	if diff := cmp.Diff(want, secrets.Hide("", body)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := secrets.Hide("credentials.any", "x"); got != any(stars) {
		t.Errorf("a part of a secret: got %v", got)
	}
	if got := secrets.Hide("list", body["list"]); !cmp.Equal(got, want["list"]) {
		t.Errorf("a list: %v", got)
	}
	if got := secrets.Hide("pinned", "x"); got != any("x") {
		t.Errorf("another name: got %v", got)
	}
	answer := map[string]any{"pin": "1234", "name": "1234", "credentials": map[string]any{"any": "x", "made": "new"}, "token": "made here"}
	kept := map[string]any{"pin": stars, "name": "1234", "credentials": map[string]any{"any": stars, "made": "new"}, "token": "made here"}
	if diff := cmp.Diff(kept, secrets.HideSent(body, answer)); diff != "" {
		t.Errorf("an answer (-want +got)\n%s", diff)
	}
}

package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
)

// TestExampleActions runs the actions of examples/actions against stand-ins that want what
// the services document.
func TestExampleActions(t *testing.T) {
	t.Parallel()
	for file, c := range map[string]struct {
		path, args, wrong string
		header            map[string]string
		want              []string // members of the body that the service needs
		answer            string
	}{
		"calendar": {path: "/v2/bookings", args: `{"start":"2026-12-01T09:00:00Z","eventTypeId":123456,"attendee":{"name":"Ann","email":"ann@example.com","timeZone":"America/New_York"}}`,
			wrong:  `{"start":"tomorrow","eventTypeId":123456,"attendee":{"name":"Ann","email":"ann@example.com","timeZone":"America/New_York"}}`,
			header: map[string]string{"Cal-Api-Version": "2024-08-13"}, want: []string{"start", "eventTypeId", "attendee"}, answer: `{"status":"success","data":{"uid":"x"}}`},
		"crm":   {path: "/crm/v3/objects/contacts", args: `{"properties":{"firstname":"Ann","phone":"+12025550100"}}`, wrong: `{"properties":{"firstname":"Ann","phone":"1","admin":true}}`, want: []string{"properties"}, answer: `{"id":"1"}`},
		"sheet": {path: "/v0/YOUR_BASE/Messages", args: `{"fields":{"Caller":"Ann","Message":"Call me."}}`, wrong: `{"fields":{}}`, want: []string{"fields"}, answer: `{"id":"rec1"}`},
		"slack": {path: "/api/chat.postMessage", args: `{"channel":"YOUR_CHANNEL","text":"Ann waits."}`, wrong: `{"channel":"general","text":"x"}`, want: []string{"channel", "text"}, answer: `{"ok":true}`},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			requests := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				var body map[string]json.RawMessage
				text, _ := io.ReadAll(r.Body)
				ok := json.Unmarshal(text, &body) == nil && r.Method == http.MethodPost && r.URL.Path == c.path && r.Header.Get("Authorization") == "Bearer key" &&
					strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") && len(body) == len(c.want)
				for _, name := range c.want {
					ok = ok && body[name] != nil
				}
				for name, value := range c.header {
					ok = ok && r.Header.Get(name) == value
				}
				if !ok {
					t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, text)
					w.WriteHeader(http.StatusBadRequest)
				}
				_, _ = io.WriteString(w, c.answer)
			}))
			defer s.Close()
			a := exampleAction(t, "../examples/actions/"+file+".yaml", s.URL)
			config := Defaults()
			config.Outbound.Allow = []string{"127.0.0.1"}
			made, err := makeExternal(testProviders(config), sidetone.Call{ID: "c", EnvironmentID: "env"}, a, toolNames{}.take)
			if err != nil {
				t.Fatal(err)
			}
			run := func(args string) (call.ToolResult, error) {
				return made.Tool.Run(t.Context(), call.ToolCall{Key: "c:1", ID: "t", Name: made.Rule.Name, Args: json.RawMessage(args)})
			}
			if result, err := run(c.args); err != nil || result.Text != c.answer || requests != 1 {
				t.Errorf("%+v, %v, %d requests", result, err, requests)
			}
			if _, err := run(c.wrong); err == nil || requests != 1 {
				t.Errorf("wrong arguments: %v, %d requests", err, requests)
			}
		})
	}
}

// exampleAction reads an action of a file; address is in the place of its service.
func exampleAction(t *testing.T, path, address string) sidetone.Action {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Type   string         `yaml:"type"`
		Config map[string]any `yaml:"config"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	url, _ := file.Config["url"].(string)
	_, rest, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
	file.Config["url"] = address + "/" + rest
	config, err := json.Marshal(file.Config)
	if err != nil {
		t.Fatal(err)
	}
	a := externalAction(t, "a", string(config))
	a.SignatureSecret = "Bearer key"
	if err := a.Validate(); err != nil || file.Type != "action_external" {
		t.Fatalf("%s: %v", file.Type, err)
	}
	return a
}

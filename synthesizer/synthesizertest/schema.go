package synthesizertest

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

// Schemas are those of a vendor's messages, by name.
type Schemas struct{ all openapi3.Schemas }

// ReadSchemas reads components.schemas of an OpenAPI or AsyncAPI file.
func ReadSchemas(t *testing.T, file []byte) Schemas {
	t.Helper()
	var doc struct {
		Components struct {
			Schemas map[string]any `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(file, &doc); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]any{"openapi": "3.0.3", "info": map[string]any{"title": "t", "version": "1"},
		"paths": map[string]any{}, "components": map[string]any{"schemas": doc.Components.Schemas}})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	return Schemas{loaded.Components.Schemas}
}

// Check holds a message against a schema: it must be valid, and may have no other
// members. Members that are null count as absent.
func (s Schemas) Check(t *testing.T, name string, message []byte) {
	t.Helper()
	ref, ok := s.all[name]
	if !ok {
		t.Fatalf("there is no schema %q", name)
	}
	var value map[string]any
	if err := json.Unmarshal(message, &value); err != nil {
		t.Fatalf("message %.200s: %v", message, err)
	}
	for member, v := range value {
		if v == nil {
			delete(value, member)
		} else if ref.Value.Properties[member] == nil {
			t.Errorf("message %.200s: %s has no member %q", message, name, member)
		}
	}
	if err := ref.Value.VisitJSON(value); err != nil {
		t.Errorf("message %.200s is no %s: %v", message, name, err)
	}
}

// Replay sends messages over a WebSocket and returns the text messages that come
// until it ends.
func Replay(t *testing.T, url string, header http.Header, messages [][]byte) [][]byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header}) //nolint:bodyclose // the library closes it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	for _, m := range messages {
		if err := conn.Write(ctx, websocket.MessageText, m); err != nil {
			t.Fatal(err)
		}
	}
	var texts [][]byte
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("the socket ended with %v", err)
			}
			return texts
		}
		if kind == websocket.MessageText {
			texts = append(texts, data)
		}
	}
}

// Package anthropic is a stand-in for Anthropic: a server that speaks both versions
// of its Messages API, written from https://platform.claude.com/docs/en/api/messages
// and https://platform.claude.com/docs/en/api/versioning.
package anthropic

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/model"
)

// Options say what the stand-in does.
type Options struct {
	// Control holds faults and ledger.
	Control *standin.Control
	// Key is the only key that is accepted; "" accepts any.
	Key string
	// Model makes the answers.
	Model llm.Driver
}

// New returns the stand-in; messages are at /v1/messages.
func New(o Options) http.Handler {
	return o.Control.Handler(o.Key, refuse, func(w http.ResponseWriter, r *standin.Request) {
		w.Header().Set("Request-Id", newID("req_"))
		if r.Method != http.MethodPost || r.URL.Path != "/v1/messages" {
			refuse(w, http.StatusNotFound, "")
			return
		}
		o.messages(w, r)
	})
}

// messages answers one request with a stream, see
// https://platform.claude.com/docs/en/build-with-claude/streaming.
func (o Options) messages(w http.ResponseWriter, r *standin.Request) {
	raw, err := standin.ReadBody(r.Request)
	if err != nil {
		invalid(w, err.Error())
		return
	}
	r.Note(raw)
	asked, err := parse(raw, r.Header.Get("Anthropic-Version"))
	if err != nil {
		invalid(w, err.Error())
		return
	}
	e := standin.OpenEvents(w, r)
	e.Error = func() (string, any) {
		return "error", failureOf(statusInBand, r.Fault.Reason)
	}
	s := &stream{events: e, fault: r.Fault.Kind, model: asked.Model}
	s.write(model.Answer(r.Context(), o.Model, asked.request(), r.Fault.Kind))
}

// statusInBand is the status of an error inside a stream: the service is
// overloaded.
const statusInBand = 529

// object is a JSON object.
type object map[string]any

// failureOf is the body that goes with a status, see
// https://platform.claude.com/docs/en/api/errors; reason overrides the type.
func failureOf(status int, reason string) object {
	kind, message := "invalid_request_error", "The request was refused."
	switch status {
	case http.StatusUnauthorized:
		kind, message = "authentication_error", "invalid x-api-key"
	case http.StatusPaymentRequired:
		kind, message = "billing_error", "There is a problem with your billing."
	case http.StatusForbidden:
		kind, message = "permission_error", "Your API key does not have permission to use the specified resource."
	case http.StatusNotFound:
		kind, message = "not_found_error", "The requested resource was not found."
	case http.StatusTooManyRequests:
		kind, message = "rate_limit_error", "This request would exceed your rate limit."
	case http.StatusGatewayTimeout:
		kind, message = "timeout_error", "The request timed out."
	case statusInBand:
		kind, message = "overloaded_error", "Overloaded"
	case http.StatusBadRequest:
	default:
		kind, message = "api_error", "Internal server error"
	}
	if reason == "credit_balance" { // a 400 without a type of its own
		reason, message = "", "Your credit balance is too low to access the Anthropic API."
	}
	return object{"type": "error", "error": object{"type": cmp.Or(reason, kind), "message": message}, "request_id": newID("req_")}
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, reason string) {
	body := failureOf(status, reason)
	if id := w.Header().Get("Request-Id"); id == "" {
		w.Header().Set("Request-Id", body["request_id"].(string))
	} else {
		body["request_id"] = id
	}
	standin.WriteJSON(w, status, body)
}

// invalid answers with status 400.
func invalid(w http.ResponseWriter, message string) {
	standin.WriteJSON(w, http.StatusBadRequest, object{"type": "error", "error": object{"type": "invalid_request_error", "message": message},
		"request_id": w.Header().Get("Request-Id")})
}

func newID(prefix string) string { return prefix + rand.Text()[:24] }

// newCallID is the id of a tool_use.
func newCallID(id string) string {
	id = strings.TrimPrefix(id, "toolu_")
	if !validID(id) {
		id = rand.Text()
	}
	return "toolu_" + id
}

// validID reports whether the vendor accepts an id.
func validID(id string) bool {
	return id != "" && strings.Trim(id, "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

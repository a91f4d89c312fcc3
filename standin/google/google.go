// Package google is a stand-in for Google's Gemini API, written from
// https://ai.google.dev/api/generate-content.
package google

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

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
	// CallIDs says that calls of tools have ids, which not all models give.
	CallIDs bool
}

// New returns the stand-in; models are at /v1beta/models/NAME.
func New(o Options) http.Handler {
	s := &server{Options: o}
	return o.Control.Handler(o.Key, refuse, func(w http.ResponseWriter, r *standin.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/v1beta/models/")
		name, streams := strings.CutSuffix(name, ":streamGenerateContent")
		if r.Method != http.MethodPost || !ok || !streams || name == "" || r.URL.Query().Get("alt") != "sse" {
			refuse(w, http.StatusNotFound, "")
			return
		}
		s.generate(w, r, name)
	})
}

type server struct {
	Options
	signed signatures
}

// generate answers one request with a stream.
func (s *server) generate(w http.ResponseWriter, r *standin.Request, name string) {
	raw, err := standin.ReadBody(r.Request)
	if err != nil {
		invalid(w, err.Error())
		return
	}
	r.Note(raw)
	asked, err := parse(raw, &s.signed)
	if err != nil {
		invalid(w, err.Error())
		return
	}
	e := standin.OpenEvents(w, r)
	e.Error = func() (string, any) { return "", failureOf(http.StatusServiceUnavailable, r.Fault.Reason, 0) }
	c := &chunks{events: e, fault: r.Fault.Kind, model: name, id: rand.Text(), signed: &s.signed, callIDs: s.CallIDs}
	c.stream(model.Answer(r.Context(), s.Model, asked.request(name), r.Fault.Kind))
}

// object is a JSON object.
type object map[string]any

// failureOf is the body that goes with a status, see https://google.aip.dev/193.
func failureOf(status int, reason string, wait time.Duration) object {
	kind, message, details := "INVALID_ARGUMENT", "Request contains an invalid argument.", []any{}
	switch status {
	case http.StatusUnauthorized:
		kind, message = "UNAUTHENTICATED", "Request had invalid authentication credentials."
	case http.StatusForbidden:
		kind, message = "PERMISSION_DENIED", "The caller does not have permission."
	case http.StatusNotFound:
		kind, message = "NOT_FOUND", "The model is not found for API version v1beta."
	case http.StatusTooManyRequests:
		kind, message = "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."
		if wait > 0 {
			details = append(details, object{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait.String()})
		}
	case http.StatusServiceUnavailable:
		kind, message = "UNAVAILABLE", "The model is overloaded. Please try again later."
	case http.StatusBadRequest:
	default:
		kind, message = "INTERNAL", "An internal error has occurred."
	}
	if reason == "API_KEY_INVALID" {
		message = "API key not valid. Please pass a valid API key."
		details = append(details, object{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"})
		reason = ""
	}
	return object{"error": object{"code": status, "message": message, "status": cmp.Or(reason, kind), "details": details}}
}

// refuse answers with an error. The vendor says in the body how long to wait; a key
// that is wrong is a 400 to it.
func refuse(w http.ResponseWriter, status int, reason string) {
	wait, _ := time.ParseDuration(w.Header().Get("Retry-After") + "s") // absent: 0
	w.Header().Del("Retry-After")
	if status == http.StatusUnauthorized && reason == "" {
		status, reason = http.StatusBadRequest, "API_KEY_INVALID"
	}
	standin.WriteJSON(w, status, failureOf(status, reason, wait))
}

// invalid answers with status 400.
func invalid(w http.ResponseWriter, message string) {
	standin.WriteJSON(w, http.StatusBadRequest, object{"error": object{"code": http.StatusBadRequest, "message": message, "status": "INVALID_ARGUMENT"}})
}

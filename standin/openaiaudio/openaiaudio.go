// Package openaiaudio is a stand-in for OpenAI's recognition of speech, and for
// servers with the same interfaces: realtime transcription sessions on
// /v1/realtime and uploads on /v1/audio/transcriptions, written from
// https://developers.openai.com/api/docs/guides/realtime-transcription and OpenAI's
// OpenAPI document.
package openaiaudio

import (
	"cmp"
	"crypto/rand"
	"net/http"

	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
)

// Options say what the stand-in does.
type Options struct {
	// Control holds faults and ledger.
	Control *standin.Control
	// Key is the only key that is accepted; "" accepts any.
	Key string
	// Ears hear the clients.
	Ears hearing.Ears
	// Plain makes it a server that knows no times of words, as some local ones do.
	Plain bool
}

// New returns the stand-in.
func New(o Options) http.Handler {
	return o.Control.Handler(o.Key, refuse, func(w http.ResponseWriter, r *standin.Request) {
		w.Header().Set("X-Request-Id", newID("req_"))
		switch {
		case r.URL.Path == "/v1/realtime":
			o.realtime(w, r)
		case r.URL.Path == "/v1/audio/transcriptions" && r.Method == http.MethodPost:
			o.transcribe(w, r)
		default:
			refuse(w, http.StatusNotFound, "unknown_url")
		}
	})
}

// object is a JSON object.
type object map[string]any

// failure is an error as the vendor tells it, see
// https://developers.openai.com/api/docs/guides/error-codes.
func failure(kind, code, message string) object {
	return object{"type": kind, "code": nullable(code), "message": message, "param": nil}
}

// nullable is a text, or null for "".
func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// refuse answers a request, or an upgrade, with an error; reason overrides its code.
func refuse(w http.ResponseWriter, status int, reason string) {
	kind, code, message := "server_error", "", "The server had an error while processing your request."
	switch status {
	case http.StatusBadRequest:
		kind, message = "invalid_request_error", "The request is not valid."
	case http.StatusUnauthorized:
		kind, code, message = "invalid_request_error", "invalid_api_key", "Incorrect API key provided."
	case http.StatusForbidden:
		kind, message = "invalid_request_error", "You are not allowed to do this."
	case http.StatusNotFound:
		kind, code, message = "invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."
	case http.StatusTooManyRequests:
		kind, code, message = "requests", "rate_limit_exceeded", "Rate limit reached for requests."
	}
	if reason == "insufficient_quota" {
		kind, message = "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."
	}
	if w.Header().Get("X-Request-Id") == "" {
		w.Header().Set("X-Request-Id", newID("req_"))
	}
	standin.WriteJSON(w, status, object{"error": failure(kind, cmp.Or(reason, code), message)})
}

func newID(prefix string) string { return prefix + rand.Text()[:21] }

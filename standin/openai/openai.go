// Package openai is a stand-in for OpenAI and for Azure OpenAI: a server that
// speaks their protocol, written from
// https://platform.openai.com/docs/api-reference/chat and OpenAI's OpenAPI
// document.
package openai

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/standin"
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

// New returns the stand-in. Chat completions are at /v1/chat/completions, and at
// /openai/deployments/NAME/chat/completions?api-version=... as Azure has them.
func New(o Options) http.Handler {
	s := &server{o}
	return o.Control.Handler(o.Key, refuse, func(w http.ResponseWriter, r *standin.Request) {
		w.Header().Set("X-Request-Id", newID("req_"))
		switch deployment, azure := azureDeployment(r.URL.Path); {
		case azure && r.URL.Query().Get("api-version") == "":
			refuse(w, http.StatusNotFound, "")
		case r.Method == http.MethodPost && (azure || r.URL.Path == "/v1/chat/completions"):
			s.chat(w, r, deployment)
		default:
			refuse(w, http.StatusNotFound, "unknown_url")
		}
	})
}

type server struct{ Options }

// azureDeployment is the deployment that a path of Azure names.
func azureDeployment(path string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/openai/deployments/")
	name, found := strings.CutSuffix(rest, "/chat/completions")
	if !ok || !found || name == "" {
		return "", false
	}
	return name, true
}

// failure is the body of an error, see
// https://platform.openai.com/docs/guides/error-codes.
type failure struct {
	Error inner `json:"error"`
}

type inner struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// failureOf is the body that goes with a status; reason overrides the code.
func failureOf(status int, reason string) failure {
	kind, code, message := "invalid_request_error", "", "The request was refused."
	switch status {
	case http.StatusUnauthorized:
		code, message = "invalid_api_key", "Incorrect API key provided."
	case http.StatusForbidden:
		code, message = "unsupported_country_region_territory", "Country, region, or territory not supported."
	case http.StatusNotFound:
		code, message = "model_not_found", "The model does not exist or you do not have access to it."
	case http.StatusTooManyRequests:
		kind, code, message = "requests", "rate_limit_exceeded", "Rate limit reached."
	case http.StatusBadRequest:
	default:
		kind, code, message = "server_error", "server_error", "The server had an error while processing your request."
	}
	code = cmp.Or(reason, code)
	if code == "insufficient_quota" {
		kind, message = code, "You exceeded your current quota, please check your plan and billing details."
	}
	f := failure{inner{Message: message, Type: kind}}
	if code != "" {
		f.Error.Code = &code
	}
	return f
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, reason string) {
	if w.Header().Get("X-Request-Id") == "" {
		w.Header().Set("X-Request-Id", newID("req_"))
	}
	standin.WriteJSON(w, status, failureOf(status, reason))
}

// invalid answers with status 400.
func invalid(w http.ResponseWriter, message string) {
	f := failureOf(http.StatusBadRequest, "")
	f.Error.Message = message
	standin.WriteJSON(w, http.StatusBadRequest, f)
}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

package external

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// Kind says what a Failure means.
type Kind int

// The kinds of failures.
const (
	// Misused: the arguments are wrong, and nothing was sent.
	Misused Kind = iota
	// Failed: it was not done.
	Failed
	// Unknown: it was sent, and nobody knows whether it was done.
	Unknown
)

// Failure is why a run has no result.
type Failure struct {
	Kind Kind
	// Reason is for the model and the call's record.
	Reason string
	// Status is that of the response; 0 when there was none.
	Status int
}

// Error is the reason.
func (f *Failure) Error() string { return f.Reason }

// Answer is the result of a run that was done.
type Answer struct {
	// Text is for the model: JSON, or what the server wrote when that is no JSON.
	Text string
	// Say is what the server wants to be said because of it; "" for nothing.
	Say string
	// JSON is the result for the record.
	JSON json.RawMessage
	// Status is that of the response.
	Status int
}

// Run is one run.
type Run struct {
	// Key is different for each run: a request that is sent again is done once.
	Key string
	// ID is the model's name of it, Name that of the action as the model calls it.
	ID, Name string
	// Args are the arguments as the model wrote them.
	Args json.RawMessage
	// Report is about the call, until now.
	Report webhook.Report
}

// mostMisuses is how many faults of its arguments in a row go back to the model.
const mostMisuses = 2

// Action is an external action of one call. Its methods may be called concurrently.
type Action struct {
	config sidetone.ExternalAction
	secret sidetone.Secret
	client *http.Client
	now    func() time.Time

	schema *Schema
	shown  json.RawMessage
	own    bool // user_message is an argument of the server's, too

	mu      sync.Mutex
	misuses int
}

// New prepares an action. client sends its requests and follows no redirects; secret signs
// them, or is sent with them, as the configuration says. The error says what is wrong with
// the schema.
func New(config sidetone.ExternalAction, secret sidetone.Secret, client *http.Client, now func() time.Time) (*Action, error) {
	a := &Action{config: config, secret: secret, client: client, now: now}
	var err error
	if a.schema, err = NewSchema(config.InputSchema); err != nil {
		return nil, err
	}
	if a.shown, a.own, err = offered(config.InputSchema, config.SaysFirst); err != nil {
		return nil, err
	}
	return a, nil
}

// Schema is the JSON Schema of the arguments as the model is shown it.
func (a *Action) Schema() json.RawMessage { return a.shown }

// arguments are those that the server gets; what is spoken first is not among them unless
// its schema has it.
func (a *Action) arguments(given json.RawMessage) (json.RawMessage, *Failure) {
	if len(given) == 0 {
		given = json.RawMessage("{}")
	}
	if a.config.SaysFirst && !a.own {
		var members map[string]json.RawMessage
		if json.Unmarshal(given, &members) == nil && members[userMessage] != nil {
			delete(members, userMessage)
			if rest, err := json.Marshal(members); err == nil {
				given = rest
			}
		}
	}
	faults := a.schema.Check(given)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(faults) == 0 {
		a.misuses = 0
		return given, nil
	}
	a.misuses++
	reason := "the arguments do not fit, call it again with others: " + strings.Join(faults, "; ")
	if a.misuses > mostMisuses {
		reason = fmt.Sprintf("the arguments did not fit %d times: do not call it again, say that it cannot be done now", a.misuses)
	}
	return nil, &Failure{Kind: Misused, Reason: reason}
}

package call

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
)

// noJournal is that of a call that has none.
type noJournal struct{}

func (noJournal) Input(time.Duration, conversation.Input) {}
func (noJournal) Outputs([]conversation.Output)           {}
func (noJournal) Comment(time.Duration, string)           {}
func (noJournal) Commit(context.Context) error            { return nil }
func (noJournal) End(time.Duration)                       {}

// beginJournal begins the journal of a call, unless it may keep no text or has no
// conversation.
func (x *Exchange) beginJournal(s *Session) {
	if x.c.Journals == nil || s.call.HIPAA || s.plan.Echo {
		return
	}
	agent, err := json.Marshal(agentOf(s))
	if err != nil {
		s.log.Error("show the agent in the journal", slog.Any("error", err))
	}
	var recorded *time.Duration
	if s.rec != nil {
		recorded = new(s.caller().start.Sub(s.start))
	}
	j := x.c.Journals.Begin(s.call.EnvironmentID, journal.Header{
		Call: s.call.ID, Seed: s.call.ID, Began: s.start.UTC(), Build: x.c.Build, Tables: x.tables,
		Config: machineConfig(s.call, s.plan), Agent: agent, Private: private(s.call),
		Answered: s.answered, Recorded: recorded,
	})
	if j != nil {
		s.journal = j
	}
}

// comment tells the journal what the session did.
func (s *Session) comment(text string) {
	s.journal.Comment(s.now(), text)
}

// commitTimeout is how long a disk may take until what needs the journal goes on without.
const commitTimeout = time.Second

// commit returns when the journal says all that was done until now, as far as it can.
func (s *Session) commit() {
	ctx, cancel := withTimeout(s.clock, commitTimeout)
	defer cancel()
	if err := s.journal.Commit(ctx); errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("the journal of a call lags behind")
	}
}

// journalled is what a journal shows of an agent: what acts on the conversation, and no
// secret.
type journalled struct {
	ID          string            `json:"id"`
	Version     int64             `json:"version"`
	Name        string            `json:"name,omitempty"`
	Language    string            `json:"language"`
	Greeting    string            `json:"greeting,omitempty"`
	Prompt      string            `json:"prompt,omitempty"`
	Temperature float64           `json:"temperature,omitempty"`
	VoiceType   string            `json:"voice_type,omitempty"`
	Vendors     map[string]string `json:"vendors,omitempty"`
	Model       string            `json:"model,omitempty"`
	Outgoing    bool              `json:"outgoing,omitempty"`
}

func agentOf(s *Session) journalled {
	a := s.call.Snapshot.Agent
	vendors, model := s.serving()
	return journalled{ID: a.ID, Version: a.Version, Name: a.Name, Language: a.Language, Greeting: a.InitialMessage, Prompt: s.call.Snapshot.Prompt.Content,
		Temperature: a.Temperature, VoiceType: s.call.Snapshot.Voice.Type, Vendors: vendors, Model: model, Outgoing: s.call.Outgoing}
}

// private returns what names the other person of the call: their number, and what of the
// call's context is said to be a name, a number or an address.
func private(c sidetone.Call) []string {
	other := c.FromNumber
	if c.Outgoing {
		other = c.ToNumber
	}
	var out []string
	if other != "" {
		out = append(out, other)
	}
	var context map[string]any
	_ = json.Unmarshal(c.Context, &context) // what is no object names nobody
	for key, v := range context {
		text, ok := v.(string)
		if ok && len(text) > 1 && slices.ContainsFunc([]string{"name", "mail", "phone", "number", "address", "birth"}, func(part string) bool { return strings.Contains(strings.ToLower(key), part) }) {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

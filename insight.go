package sidetone

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// InsightKind is what an Insight asks for, and so what its value is.
type InsightKind string

// The kinds of insights.
const (
	// InsightSummary is a text of a few sentences.
	InsightSummary InsightKind = "summary"
	// InsightSuccess is an object: score from 0 to 100, successful, and a reason.
	InsightSuccess InsightKind = "success"
	// InsightSentiment is positive, neutral or negative: how the other party felt.
	InsightSentiment InsightKind = "sentiment"
	// InsightText is the text that a prompt asks for.
	InsightText InsightKind = "text"
	// InsightData is what fits the schema.
	InsightData InsightKind = "data"
)

// InsightKinds lists the kinds.
func InsightKinds() []InsightKind {
	return []InsightKind{InsightSummary, InsightSuccess, InsightSentiment, InsightText, InsightData}
}

// Insight is something to be found out from what was said in a call, once it is over.
type Insight struct {
	// Name is unique among the agent's, 1 to 64 characters.
	Name string
	Kind InsightKind
	// Prompt says what is asked; it may be empty for the kinds that ask by themselves.
	Prompt string
	// Schema is the JSON Schema (2020-12) of the value; nil but for InsightData.
	Schema json.RawMessage
}

// The most that an agent's insights may be.
const (
	mostInsights      = 20
	longestInsight    = 4096
	longestSchema     = 16 << 10
	longestInsightKey = 64
)

// Insights are those that the agent asks for, in its order. Items of another form, which
// clients of other products may have stored, are none.
func (a Agent) Insights() []Insight {
	var extra struct {
		Items []json.RawMessage `json:"post_call_insights"`
	}
	_ = json.Unmarshal(a.Extra, &extra) // what is no list has no items
	var out []Insight
	for _, item := range extra.Items {
		if one, ok := parseInsight(item); ok {
			out = append(out, one)
		}
	}
	return out
}

// OtherInsights is how many items of post_call_insights are of a form that nothing reads.
func (a Agent) OtherInsights() int {
	var extra struct {
		Items []json.RawMessage `json:"post_call_insights"`
	}
	_ = json.Unmarshal(a.Extra, &extra) // what is no list has no items
	return len(extra.Items) - len(a.Insights())
}

// parseInsight reads an item; false when it is of another form.
func parseInsight(item []byte) (Insight, bool) {
	var m struct {
		Name   string          `json:"name"`
		Type   *string         `json:"type"`
		Prompt string          `json:"prompt"`
		Schema json.RawMessage `json:"schema"`
	}
	if json.Unmarshal(item, &m) != nil {
		return Insight{}, false
	}
	if string(m.Schema) == "null" {
		m.Schema = nil
	}
	one := Insight{Name: strings.TrimSpace(m.Name), Prompt: strings.TrimSpace(m.Prompt), Schema: m.Schema}
	switch {
	case m.Type != nil:
		one.Kind = InsightKind(*m.Type)
	case len(m.Schema) > 0:
		one.Kind = InsightData
	case one.Prompt != "":
		one.Kind = InsightText
	}
	if one.Name == "" {
		one.Name = string(one.Kind)
	}
	return one, slices.Contains(InsightKinds(), one.Kind)
}

// validateInsights checks what the agent wants to know after a call; the message starts
// with the property's path. Whether schemas are schemas is checked elsewhere.
func (a Agent) validateInsights() error {
	const path = "post_call_insights"
	all := a.Insights()
	if len(all) > mostInsights {
		return Errorf(Invalid, "%s must be at most %d", path, mostInsights)
	}
	var names []string
	for _, one := range all {
		switch {
		case slices.Contains(names, one.Name):
			return Errorf(Invalid, "%s must have names of their own: two have the same", path)
		case one.Kind == InsightText && one.Prompt == "":
			return Errorf(Invalid, "%s of type text must have a prompt", path)
		case one.Kind == InsightData && len(one.Schema) == 0:
			return Errorf(Invalid, "%s of type data must have a schema", path)
		case one.Kind != InsightData && len(one.Schema) > 0:
			return Errorf(Invalid, "%s must be of type data to have a schema", path)
		case len(one.Schema) > longestSchema:
			return Errorf(Invalid, "%s must have schemas of at most %d bytes", path, longestSchema)
		}
		names = append(names, one.Name)
		if err := maxLength(path+" names", one.Name, longestInsightKey); err != nil {
			return err
		}
		if err := maxLength(path+" prompts", one.Prompt, longestInsight); err != nil {
			return err
		}
	}
	return nil
}

// InsightState is how far the analysis of a call has come.
type InsightState string

// The states.
const (
	InsightsWaiting InsightState = "waiting"
	InsightsReady   InsightState = "ready"
	InsightsFailed  InsightState = "failed"
)

// Insights are what was found out about a call.
type Insights struct {
	State InsightState
	// Failure says why there are none, or why the last attempt found none; "" for
	// nothing.
	Failure string
	// Attempts is how often it was tried.
	Attempts int
	// Results are in the agent's order; nil before.
	Results []InsightResult
	// Settled is when it was over; zero before.
	Settled time.Time
}

// Result returns the first result of a kind that has a value; nil when there is none.
func (i *Insights) Result(kind InsightKind) json.RawMessage {
	if i == nil {
		return nil
	}
	for _, r := range i.Results {
		if r.Kind == kind && len(r.Value) > 0 {
			return r.Value
		}
	}
	return nil
}

// Summary is the summary of the call; "" when there is none.
func (i *Insights) Summary() string { return jsonText(i.Result(InsightSummary)) }

// Sentiment is how the other party felt; "" when that is not known.
func (i *Insights) Sentiment() string { return jsonText(i.Result(InsightSentiment)) }

// Success is how well the call went; ok says that it is known.
func (i *Insights) Success() (s Success, ok bool) {
	raw := i.Result(InsightSuccess)
	return s, len(raw) > 0 && json.Unmarshal(raw, &s) == nil
}

// Success is the value of an InsightSuccess.
type Success struct {
	// Score is 0 to 100.
	Score      int    `json:"score"`
	Successful bool   `json:"successful"`
	Reason     string `json:"reason,omitempty"`
}

func jsonText(raw json.RawMessage) string {
	var text string
	_ = json.Unmarshal(raw, &text) // what is no text counts as none
	return text
}

// InsightResult is what was found out for one Insight: a value or a failure.
type InsightResult struct {
	Name string
	Kind InsightKind
	// Value is JSON, of the kind's form; nil when there is none.
	Value json.RawMessage `json:",omitempty"`
	// Failure says why there is no value.
	Failure string
}

// Findings are what one attempt at the analysis of a call has found.
type Findings struct {
	Results []InsightResult
	// DoNotCall is yes or no; "" when that is not known.
	DoNotCall string
	// Used is what models were used for.
	Used []Used
	// Failure says why it is of no use to try again; "" when nothing is lacking.
	Failure string
}

// WantsAnalysis says that the call is to be analysed when it is over. A call that must
// leave no trace of what was said is not.
func (c Call) WantsAnalysis() bool {
	return !c.HIPAA && (c.RunDoNotCall || len(c.Snapshot.Agent.Insights()) > 0)
}

// OtherParty is the number of who is not ours on the call.
func (c Call) OtherParty() string {
	if c.Outgoing {
		return c.ToNumber
	}
	return c.FromNumber
}

// Analysis is the durable wish to analyse a call that is over.
type Analysis struct {
	CallID        string
	EnvironmentID string
	// Attempts counts them, the claimed one included.
	Attempts int
	// Fence grows with every claim; a stale claimer's result is dropped.
	Fence int64
}

// AnalysisJob wakes up whoever carries out an Analysis.
type AnalysisJob struct {
	EnvironmentID string
	CallID        string
}

// Kind names the job type.
func (AnalysisJob) Kind() string { return "analysis" }

package aftercall

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sidetone/sidetone"
)

// Answer is what was read of the answers of a model so far.
type Answer struct {
	q      Question
	values map[string]json.RawMessage
	faults map[string]string
	optOut *bool
}

// NewAnswer is that before the first.
func NewAnswer(q Question) *Answer {
	return &Answer{q: q, values: map[string]json.RawMessage{}, faults: map[string]string{}}
}

// Read reads an answer. Values that were good before stay unless there is a good one now. It
// returns what is wrong, one sentence for each fault, and nil when nothing is lacking.
func (a *Answer) Read(text string) (faults []string) {
	var body struct {
		Insights  map[string]json.RawMessage `json:"insights"`
		DoNotCall *bool                      `json:"do_not_call"`
	}
	object, ok := objectIn(text)
	if !ok || json.Unmarshal([]byte(object), &body) != nil {
		const fault = "the answer is not one JSON object of the form that was asked for"
		a.lacking(fault)
		return []string{fault}
	}
	for _, it := range a.q.items {
		if it.unfit != "" {
			continue
		}
		if fault := a.take(it, body.Insights[it.Name]); fault != "" {
			faults = append(faults, fmt.Sprintf("insights[%q]: %s", it.Name, fault))
		}
	}
	if body.DoNotCall != nil {
		a.optOut = body.DoNotCall
	}
	if a.q.optOut && a.optOut == nil {
		faults = append(faults, "do_not_call must be true or false")
	}
	return faults
}

// take keeps a value if it is good, and says what is wrong with it while there is no good
// one.
func (a *Answer) take(it item, value json.RawMessage) string {
	var fault string
	switch {
	case len(value) == 0:
		fault = "it is missing"
	case len(value) > longestValue:
		fault = fmt.Sprintf("it must be at most %d bytes", longestValue)
	default:
		fault = fits(it.schema, value)
	}
	if fault == "" {
		a.values[it.Name] = value
		delete(a.faults, it.Name)
		return ""
	}
	if _, good := a.values[it.Name]; good {
		return ""
	}
	a.faults[it.Name] = fault
	return fault
}

// lacking makes a fault of the whole answer the fault of what has no value.
func (a *Answer) lacking(fault string) {
	for _, it := range a.q.items {
		if _, good := a.values[it.Name]; !good && it.unfit == "" {
			a.faults[it.Name] = fault
		}
	}
}

// Results are the values and, of what has none, the reasons, in the agent's order.
func (a *Answer) Results() []sidetone.InsightResult {
	var out []sidetone.InsightResult
	for _, it := range a.q.items {
		r := sidetone.InsightResult{Name: it.Name, Kind: it.Kind, Value: a.values[it.Name], Failure: it.unfit}
		if fault := a.faults[it.Name]; r.Value == nil && r.Failure == "" {
			r.Failure = "the model's answer was not usable: " + fault
		}
		out = append(out, r)
	}
	return out
}

// DoNotCall is yes or no; "" when the model did not say.
func (a *Answer) DoNotCall() string {
	switch {
	case a.optOut == nil || !a.q.optOut:
		return ""
	case *a.optOut:
		return "yes"
	}
	return "no"
}

// objectIn finds the JSON object in an answer, which some models put into a code fence or
// between sentences.
func objectIn(text string) (string, bool) {
	first, last := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}')
	if first < 0 || last < first {
		return "", false
	}
	return text[first : last+1], true
}

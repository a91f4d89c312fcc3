package sidetone_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

func agentAsking(items string) sidetone.Agent {
	a := sidetone.NewAgent("a", "e", "p", time.Unix(0, 0))
	a.Extra = []byte(`{"post_call_insights":` + items + `}`)
	return a
}

// TestInsights reads what an agent asks for, and leaves out what other products' clients
// may have stored.
func TestInsights(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		items string
		want  []sidetone.Insight
		other int
	}{
		{`null`, nil, 0},
		{`[]`, nil, 0},
		{`[{"type":"summary"},{"type":"sentiment","name":" mood "}]`, []sidetone.Insight{
			{Name: "summary", Kind: sidetone.InsightSummary}, {Name: "mood", Kind: sidetone.InsightSentiment}}, 0},
		{`[{"name":"why","prompt":"Why did they call?"}]`, []sidetone.Insight{{Name: "why", Kind: sidetone.InsightText, Prompt: "Why did they call?"}}, 0},
		{`[{"name":"day","schema":{"type":"string"}},{"type":"data","name":"n","schema":null}]`, []sidetone.Insight{
			{Name: "day", Kind: sidetone.InsightData, Schema: []byte(`{"type":"string"}`)}, {Name: "n", Kind: sidetone.InsightData}}, 0},
		{`[{"a":1},{"type":"hubspot"},{"name":7,"type":"summary"},{"type":"success","prompt":"Booked?"}]`, []sidetone.Insight{
			{Name: "success", Kind: sidetone.InsightSuccess, Prompt: "Booked?"}}, 3},
	} {
		a := agentAsking(c.items)
		if d := cmp.Diff(c.want, a.Insights()); d != "" {
			t.Errorf("%s: %s", c.items, d)
		}
		if n := a.OtherInsights(); n != c.other {
			t.Errorf("%s: %d others, want %d", c.items, n, c.other)
		}
	}
}

func TestInsightsAreValidated(t *testing.T) {
	t.Parallel()
	for items, want := range map[string]string{
		`[{"type":"summary"},{"type":"text","name":"x","prompt":"y"}]`: "",
		`[{"a":1}]`: "",
		`[{"type":"summary"},{"type":"summary"}]`:                                   "names of their own",
		`[{"type":"text","name":"x"}]`:                                              "must have a prompt",
		`[{"type":"data","name":"x"}]`:                                              "must have a schema",
		`[{"type":"summary","schema":{}}]`:                                          "must be of type data",
		`[{"type":"text","name":"` + strings.Repeat("n", 65) + `","prompt":"p"}]`:   "at most 64",
		`[{"type":"text","name":"x","prompt":"` + strings.Repeat("p", 4097) + `"}]`: "at most 4096",
	} {
		err := agentAsking(items).Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", items, err, want)
		}
	}
}

func TestInsightsOfACall(t *testing.T) {
	t.Parallel()
	var none *sidetone.Insights
	if _, ok := none.Success(); ok || none.Summary() != "" || none.Sentiment() != "" {
		t.Error("nothing was found out")
	}
	some := &sidetone.Insights{Results: []sidetone.InsightResult{
		{Name: "summary", Kind: sidetone.InsightSummary, Failure: "none"}, {Name: "short", Kind: sidetone.InsightSummary, Value: []byte(`"They booked."`)},
		{Name: "success", Kind: sidetone.InsightSuccess, Value: []byte(`{"score":90,"successful":true}`)}}}
	s, ok := some.Success()
	if !ok || s.Score != 90 || !s.Successful || some.Summary() != "They booked." || some.Sentiment() != "" {
		t.Errorf("%v %v %q", s, ok, some.Summary())
	}
	call := sidetone.Call{Outgoing: true, FromNumber: "+1", ToNumber: "+2", RunDoNotCall: true}
	if call.OtherParty() != "+2" || !call.WantsAnalysis() {
		t.Error("an outgoing call")
	}
	call.Outgoing, call.HIPAA = false, true
	if call.OtherParty() != "+1" || call.WantsAnalysis() {
		t.Error("a call that must leave no trace")
	}
}

package api

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

// analysed stores a call that is over and what was found out about it.
func (b *bench) analysed(env string, n int, transcript string, found sidetone.Findings) string {
	b.t.Helper()
	id := fmt.Sprintf("call-%03d-%s", n, env)
	c := goldenCall()
	c.ID, c.EnvironmentID, c.Status, c.Version, c.ConnectionID, c.Ended, c.Transcript, c.RunDoNotCall, c.DoNotCall = id, env, sidetone.CallInProgress, 0, "", c.Created, "", true, ""
	c.Snapshot.Agent.Extra, c.Snapshot.Webhook = []byte(`{"post_call_insights":[{"type":"summary"}]}`), nil
	r := sidetone.CallResult{Status: sidetone.CallEnded, Outcome: sidetone.OutcomeHumanDisconnected, EndReason: "hangup", Transcript: transcript, Ended: goldenCall().Ended}
	if err := b.store.StartCall(b.t.Context(), c); err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.FinishCall(b.t.Context(), env, id, r, nil); err != nil {
		b.t.Fatal(err)
	}
	a, _, _, err := b.store.ClaimAnalysis(b.t.Context(), sidetone.AnalysisJob{EnvironmentID: env, CallID: id})
	if err == nil {
		err = b.store.SettleAnalysis(b.t.Context(), a, found)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// TestExportCalls: all pages of the environment's calls that the filters select, as lists
// show them, and as a table without formulas.
func TestExportCalls(t *testing.T) {
	both(t, func(b *bench) {
		other, _ := b.newEnvironment("other")
		found := sidetone.Findings{DoNotCall: "no", Results: []sidetone.InsightResult{
			{Name: "summary", Kind: sidetone.InsightSummary, Value: json.RawMessage(`"=1+1, \"quoted\""`)},
			{Name: "success", Kind: sidetone.InsightSuccess, Value: json.RawMessage(`{"score":90,"successful":true}`)},
			{Name: "mood", Kind: sidetone.InsightSentiment, Value: json.RawMessage(`"neutral"`)},
			{Name: "day", Kind: sidetone.InsightData, Failure: "it is missing"}}}
		ids := map[string]bool{}
		const most = 2*exportPage + 1
		for i := range most {
			ids[b.analysed(b.env.ID, i, "[00:01.00] HUMAN: Hello.\n[00:02.00] BOT: Yes?", found)] = true
		}
		b.analysed(other.ID, 0, "[00:01.00] HUMAN: Hello.", found)
		got := b.do("GET /v1/calls/export", "").want(200)
		if kind := got.header.Get("Content-Type"); kind != "application/x-ndjson" {
			b.t.Errorf("got %s", kind)
		}
		lines := strings.Split(strings.TrimSuffix(string(got.raw), "\n"), "\n")
		for _, line := range lines {
			var call struct {
				ID       string
				Insights struct{ Status string }
			}
			if err := json.Unmarshal([]byte(line), &call); err != nil || !ids[call.ID] || call.Insights.Status != "ready" {
				b.t.Fatalf("%v: %s", err, line)
			}
			delete(ids, call.ID)
		}
		if len(lines) != most || len(ids) > 0 {
			b.t.Errorf("%d lines, %d calls are missing", len(lines), len(ids))
		}
		one := "call-007-" + b.env.ID
		got = b.do("GET /v1/calls/export?format=csv&sort_column=id&filters="+url.QueryEscape(`{"id":"`+one+`"}`), "").want(200)
		if kind := got.header.Get("Content-Type"); kind != "text/csv; charset=utf-8" {
			b.t.Errorf("got %s", kind)
		}
		rows, err := csv.NewReader(strings.NewReader(string(got.raw))).ReadAll()
		if err != nil || len(rows) != 2 {
			b.t.Fatalf("%d rows: %v", len(rows), err)
		}
		want := []string{one, "outbound", "+12025550101", "+12025550199", "agent-1", "ended", "human_disconnected", "hangup", "", "2026-11-01T10:00:00.123Z", "2026-11-01T10:00:01.123Z",
			"2026-11-01T10:01:00.123Z", "59.000", "no", `'=1+1, "quoted"`, "90", "true", "neutral", "ready", "",
			`{"mood":"neutral","success":{"score":90,"successful":true},"summary":"=1+1, \"quoted\""}`, "[00:01.00] HUMAN: Hello.\n[00:02.00] BOT: Yes?"}
		if d := cmp.Diff(want, rows[1]); d != "" || !cmp.Equal(rows[0], csvColumns()) {
			b.t.Error(d)
		}
		b.do("GET /v1/calls/export?filters="+url.QueryEscape(`{"shoe_size":1}`), "").want(400)
		b.do("GET /v1/calls/export?format=xml", "").want(400)
	})
}

// TestPostCallInsights: what an agent wants to know after its calls is checked, and
// warned about where nothing reads it.
func TestPostCallInsights(t *testing.T) {
	both(t, func(b *bench) {
		with := func(items string) string { return `{"prompt":{"content":"p"},"post_call_insights":` + items + `}` }
		const good = `[{"type":"summary"},{"name":"day","schema":{"type":"string"}}]`
		made := b.do("POST /v1/agents/create", with(good)).want(201)
		if d := cmp.Diff(`[map[type:summary] map[name:day schema:map[type:string]]]`, fmt.Sprint(made.at("post_call_insights"))); d != "" {
			b.t.Error(d)
		}
		if w := made.header.Values(warningHeader); len(w) > 0 {
			b.t.Errorf("warned: %q", w)
		}
		strange := b.do("POST /v1/agents/create", with(`[{"question":"Why?"},{"type":"summary"}]`)).want(201)
		if w := strings.Join(strange.header.Values(warningHeader), "\n"); !strings.Contains(w, "post_call_insights") || !strings.Contains(w, "form that nothing reads: 1") {
			b.t.Errorf("warned: %q", w)
		}
		for items, want := range map[string]string{
			`[{"type":"summary"},{"type":"summary"}]`:            "names of their own",
			`[{"name":"day","schema":{"type":"date"}}]`:          "post_call_insights must have a JSON Schema",
			`[{"name":"day","schema":{"$ref":"file:///etc/x"}}]`: "$ref must be #",
			`[{"type":"text","name":"why"}]`:                     "must have a prompt",
			`[{"name":"x","type":"data","schema":{"$ref":"#"}}]`: "refers to itself",
			`[{"name":"x","type":"summary","schema":{"a":"b"}}]`: "must be of type data",
		} {
			if got := b.do("POST /v1/agents/create", with(items)).want(400); !strings.Contains(string(got.raw), want) {
				b.t.Errorf("%s: %s", items, got.raw)
			}
		}
		id := made.text("id")
		b.do("POST /v1/agents/update?id="+id, `{"name":"N"}`).want(201)
		b.do("POST /v1/agents/update?id="+id, `{"post_call_insights":null}`).want(201)
		if got := b.do("GET /v1/agents?id="+id, "").want(200).at("post_call_insights"); got != nil {
			b.t.Errorf("left %v", got)
		}
	})
}

package api

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/store"
)

// callTest has an agent on a number and a call from it.
type callTest struct {
	*bench
	agentJSON     string
	agent, number string
}

func newCallTest(b *bench) callTest {
	made := b.do("POST /v1/agents/create", `{"name":"N","prompt":{"content":"p"},"run_do_not_call_detection":true}`).want(201)
	return callTest{bench: b, agentJSON: string(made.raw), agent: made.text("id"), number: b.number()}
}

// create asks for a call with the given JSON as agent and further members.
func (c callTest) create(agent, more string) answer {
	c.t.Helper()
	return c.do("POST /v1/calls/create", `{"to_number":"1 (202) 555-0199","from_number":"`+c.number+`","agent":`+agent+more+`}`)
}

func TestCreateCall(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		made := c.create(`"`+c.agent+`"`, `,"context":{"name":"Ada"},"telephony_params":{"x":1},"telephony_provider":{"name":"twilio"},"on_no_human_answer":"hangup"`).want(201)
		for path, want := range map[string]any{
			"status": "not_started", "stage": "created", "to_number": "+12025550199", "from_number": c.number,
			"agent_phone_number": c.number, "is_outgoing": true, "agent.id": c.agent, "context.name": "Ada",
			"telephony_params.x": 1.0, "telephony_provider": "simulated", "on_no_human_answer": "hangup",
			"run_do_not_call_detection": true, "recording_available": false,
		} {
			if got := made.at(path); got != want {
				b.t.Errorf("%s: got %v, want %v", path, got, want)
			}
		}
		if diff := cmp.Diff(made.json, b.do("GET /v1/calls?id="+made.text("id"), "").want(200).json); diff != "" {
			b.t.Errorf("read back: (-made +read)\n%s", diff)
		}
		if len(b.jobs.jobs) != 1 || b.jobs.jobs[0].EnvironmentID != b.env.ID {
			b.t.Fatalf("got jobs %v", b.jobs.jobs)
		}
		intent, _, err := b.store.ClaimIntent(b.t.Context(), b.env.ID, b.jobs.jobs[0].IntentID)
		if err != nil || intent.CallID != made.text("id") {
			b.t.Errorf("got intent %+v, %v", intent, err)
		}
	})
}

// TestCallKeepsEveryField gives each member of calls/create by itself, to a
// value and to null, and looks for it in the call; everything else has to be as
// in a call without it. Hints change nothing.
func TestCallKeepsEveryField(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		second := b.number()
		plain := c.create(`"`+c.agent+`"`, "").want(201).json
		for _, f := range callFields(second) {
			for _, value := range []string{f.value, "null"} {
				got := c.create(`"`+c.agent+`"`, `,"`+f.name+`":`+value).want(201)
				want := maps.Clone(plain)
				want["id"], want["created_at"] = got.json["id"], got.json["created_at"]
				if value != "null" && f.shown != "" {
					set(b.t, want, f.name, f.shown, "")
				}
				if diff := cmp.Diff(want, got.json); diff != "" {
					b.t.Errorf("%s %s: (-want +got)\n%s", f.name, value, diff)
				}
				if diff := cmp.Diff(got.json, b.do("GET /v1/calls?id="+got.text("id"), "").want(200).json); diff != "" {
					b.t.Errorf("%s read back: (-made +read)\n%s", f.name, diff)
				}
			}
		}
		c.create(`"`+c.agent+`"`, `,"agent_phone_number":"+12025550177"`).fails(404, "agent_phone_number names no number in this environment")
		c.create(`"`+c.agent+`"`, `,"human_detection_result":"robot"`).fails(400, "human_detection_result must be one of human, no_human")
	})
}

// callFields are the optional members of calls/create: a value, and what the
// call then shows, "" for nothing new.
func callFields(ours string) []struct{ name, value, shown string } {
	return []struct{ name, value, shown string }{
		{"agent_phone_number", `"` + ours[1:] + `"`, `"` + ours + `"`},
		{"context", `{"name":"Ada","n":{"m":[1,null]}}`, `{"name":"Ada","n":{"m":[1,null]}}`},
		{"telephony_params", `{"x":1}`, `{"x":1}`}, {"headers_out", `{"X-Campaign":"42"}`, `{"X-Campaign":"42"}`},
		{"telephony_provider", `{"name":"twilio"}`, ""}, {"telephony_account_connection", `"anything"`, ""},
		{"on_no_human_answer", `"hangup"`, `"hangup"`}, {"run_do_not_call_detection", `false`, `false`},
		{"hipaa_compliant", `false`, `false`}, {"is_outgoing", `false`, ""},
		{"telephony_id", `"carrier-7"`, `"carrier-7"`}, {"telephony_metadata", `{"note":"x"}`, `{"note":"x"}`},
		{"human_detection_result", `"no_human"`, `"no_human"`}, {"do_not_call_result", `true`, `true`},
	}
}

// TestCallFieldsAreAllTested compares the list above with the document.
func TestCallFieldsAreAllTested(t *testing.T) {
	t.Parallel()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{"to_number": true, "from_number": true, "agent": true}
	for _, f := range callFields("+1") {
		tested[f.name] = true
	}
	for name := range doc.Components.Schemas["CreateCallDto"].Value.Properties {
		if !tested[name] {
			t.Errorf("no test gives %s", name)
		}
	}
}

func TestActionHistory(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		action := b.event(id, 3, sidetone.EventAction, "look_up")
		action.Data = []byte(`{"said":"no such name"}`)
		c.finish(id)
		b.append(action)
		want := []any{map[string]any{
			"event_type": "action_completed", "timestamp": "2026-11-01T10:00:01.000Z", "action_label": "look_up",
			"result": map[string]any{"json": map[string]any{"text": "no such name"}, "error": nil},
		}}
		if diff := cmp.Diff(any(want), b.do("GET /v1/calls?id="+id, "").want(200).at("action_history")); diff != "" {
			b.t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestCreateCallWithAgents(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		echoed := c.create(c.agentJSON, "").want(201)
		if got := echoed.text("agent.id"); got != c.agent {
			b.t.Errorf("the echoed agent became %s", got)
		}
		only := c.create(`{"id":"`+c.agent+`","initial_message":"just now","prompt":{"content":"q"}}`, "").want(201)
		if only.text("agent.initial_message") != "just now" || only.text("agent.prompt.content") != "q" {
			b.t.Errorf("got %s", only.raw)
		}
		if stored := b.do("GET /v1/agents?id="+c.agent, ""); stored.at("initial_message") != nil || stored.text("prompt.content") != "p" {
			b.t.Errorf("the stored agent was changed: %s", stored.raw)
		}
		inline := c.create(`{"prompt":{"content":"new"}}`, "").want(201)
		b.do("GET /v1/agents?id="+inline.text("agent.id"), "").want(200)
		c.create(`"nobody"`, "").fails(404, "agent names no agent in this environment")
		c.create(`{"id":"nobody"}`, "").fails(404, "agent.id names no agent in this environment")
		c.create(`{}`, "").fails(400, "agent.prompt is required")
		c.create(`{"prompt":{"content":"x"},"voice":"x"}`, "").fails(404, "agent.voice names no voice in this environment")
		c.create(`{"language":"xx"}`, "").fails(400, "agent.language must be one of en, es, de, hi, pt, fr, nl, id, it, ja, ko")
		b.do("POST /v1/calls/create", `{}`).fails(400, "to_number is required; from_number is required; agent is required")
		b.do("POST /v1/calls/create", `{"to_number":"her","from_number":"`+c.number+`","agent":"x"}`).
			fails(400, "to_number must be a phone number with country code")
		b.do("POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"+12025550198","agent":"x"}`).
			fails(404, "from_number names no number in this environment")
		if len(b.jobs.jobs) != 3 {
			b.t.Errorf("got %d jobs, want one for each accepted call", len(b.jobs.jobs))
		}
	})
}

func TestSnapshotStaysWithTheCall(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		call := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		b.do("POST /v1/agents/update?id="+c.agent, `{"name":"renamed","prompt":{"content":"rewritten"}}`).want(201)
		if got := b.do("GET /v1/calls?id="+call, ""); got.text("agent.name") != "N" || got.text("agent.prompt.content") != "p" {
			b.t.Errorf("got %s", got.raw)
		}
	})
}

func TestHIPAA(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		made := c.create(`"`+c.agent+`"`, `,"hipaa_compliant":true`).want(201)
		c.finish(made.text("id"))
		got := b.do("GET /v1/calls?id="+made.text("id"), "").want(200)
		if got.at("transcript") != nil || got.text("agent.prompt.content") != "" {
			b.t.Errorf("got %s", got.raw)
		}
	})
}

// finish ends a call with a transcript, a recording and two events.
func (c callTest) finish(id string) {
	c.t.Helper()
	c.tapes["/rec/"+id] = []byte("RIFF....WAVEsound")
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	_, err := c.store.MarkCall(c.t.Context(), c.env.ID, id, func(call *sidetone.Call) {
		call.Status, call.Stage, call.Started, call.CarrierID = sidetone.CallInProgress, sidetone.StagePickedUp, at, "sip-1"
	})
	if err != nil {
		c.t.Fatal(err)
	}
	err = c.store.FinishCall(c.t.Context(), c.env.ID, id, sidetone.CallResult{
		Status: sidetone.CallEnded, Outcome: sidetone.OutcomeHumanDisconnected, EndReason: "hangup",
		Transcript: "[00:01.00] BOT: Hello", RecordingPath: "/rec/" + id, Ended: at.Add(time.Minute),
	}, []sidetone.Event{c.event(id, 1, sidetone.EventAgent, "Hello"), c.event(id, 2, sidetone.EventEnded, "")})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (b *bench) event(call string, sequence int64, kind sidetone.EventKind, text string) sidetone.Event {
	return sidetone.Event{
		CallID: call, EnvironmentID: b.env.ID, Sequence: sequence, Kind: kind, Text: text,
		At: time.Date(2026, 11, 1, 10, 0, 1, 0, time.UTC), Offset: time.Second, Data: []byte("{}"),
	}
}

func (b *bench) append(events ...sidetone.Event) {
	b.t.Helper()
	if err := b.store.Write(b.t.Context(), b.env.ID, func(tx *store.Tx) error { return tx.AppendEvents(events) }); err != nil {
		b.t.Fatal(err)
	}
}

// TestHeadersOfAHangUp reach who runs the call, with those of the call, and stay with it;
// those that a hang-up cannot have are refused.
func TestHeadersOfAHangUp(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, `,"headers_out":{"X-Campaign":"42","x-agent":"old","Diversion":"<sip:a@b>"}`).want(201).text("id")
		b.calls.run(id)
		for headers, want := range map[string]string{
			`{"Diversion":"<sip:a@b>"}`: `headers_out["Diversion"] must be X- and a name, or User-to-User`,
			`{"Route":"x"}`:             `headers_out["Route"] must be`,
			`{"X-A":"a\r\nRoute: x"}`:   `headers_out["X-A"] must have no line ends`,
			`{"X-A":"` + strings.Repeat("a", 1024) + `","X-B":"` + strings.Repeat("a", 1024) + `","X-C":"` + strings.Repeat("a", 1024) + `","X-D":"` + strings.Repeat("a", 1000) + `"}`: `headers_out must have at most 4096 bytes in all, with those of the call`,
		} {
			if message := b.do("POST /v1/calls/end?id="+id, `{"headers_out":`+headers+`}`).want(400).text("message"); !strings.HasPrefix(message, want) {
				b.t.Errorf("%s: got %q, want %q", headers, message, want)
			}
		}
		if len(b.calls.ended) != 0 {
			b.t.Errorf("a refused request ended %v", b.calls.ended)
		}
		want := map[string]string{"X-Campaign": "42", "X-Agent": "new", "User-to-User": "56a3", "Diversion": "<sip:a@b>"}
		got := b.do("POST /v1/calls/end?id="+id, `{"headers_out":{"X-Agent":"new","User-to-User":"56a3"}}`).want(200)
		if !cmp.Equal(b.calls.said, want) || got.at("headers_out.X-Agent") != "new" {
			b.t.Errorf("got %v, shown %v", b.calls.said, got.json["headers_out"])
		}
		if _, err := b.store.MarkCall(b.t.Context(), b.env.ID, id, func(call *sidetone.Call) { call.Node, call.Lease = "elsewhere", time.Now().Add(time.Minute) }); err != nil {
			b.t.Fatal(err)
		}
		b.calls.run("another")
		b.do("POST /v1/calls/end?id="+id, `{"headers_out":{"X-Agent":"newer"}}`).want(200)
		want["X-Agent"] = "newer"
		if end, err := b.store.RenewLeases(b.t.Context(), "elsewhere", []string{id}, time.Now().Add(time.Minute)); err != nil || len(end) != 1 || !cmp.Equal(end[0].HeadersOut, want) {
			b.t.Errorf("the node that runs the call is told %v, %v", end, err)
		}
	})
}

func TestEndCall(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		waiting := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		ended := b.do("POST /v1/calls/end?id="+waiting, "null").want(200)
		if ended.text("status") != "ended" || ended.text("stage_outcome") != "call_did_not_connect" || ended.text("end_reason") != "api" {
			b.t.Errorf("got %s", ended.raw)
		}
		if again := b.do("POST /v1/calls/end?id="+waiting, "").want(200); !cmp.Equal(again.json, ended.json) {
			b.t.Errorf("ending twice changed %s to %s", ended.raw, again.raw)
		}
		live := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		_, err := b.store.MarkCall(b.t.Context(), b.env.ID, live, func(call *sidetone.Call) {
			call.Status, call.Stage, call.Started = sidetone.CallInProgress, sidetone.StagePickedUp, time.Now()
		})
		if err != nil {
			b.t.Fatal(err)
		}
		b.append(b.event(live, 1, sidetone.EventAgent, "Good morning."))
		b.calls.run(live)
		got := b.do("POST /v1/calls/end?id="+live, "").want(200)
		if got.text("status") != "in_progress" || got.text("transcript") != "[00:01.00] BOT: Good morning." || len(b.calls.ended) != 1 {
			b.t.Errorf("got %s, ended %v", got.raw, b.calls.ended)
		}
		b.calls.run("another")
		mark := func(lease time.Time) {
			b.t.Helper()
			if _, err := b.store.MarkCall(b.t.Context(), b.env.ID, live, func(call *sidetone.Call) { call.Node, call.Lease = "elsewhere", lease }); err != nil {
				b.t.Fatal(err)
			}
		}
		mark(time.Now().Add(time.Minute))
		if got := b.do("POST /v1/calls/end?id="+live, "").want(200).text("status"); got != "in_progress" {
			b.t.Errorf("a call that another node runs is declared %s", got)
		}
		end, err := b.store.RenewLeases(b.t.Context(), "elsewhere", []string{live}, time.Now().Add(time.Minute))
		if err != nil || len(end) != 1 {
			b.t.Errorf("the other node is not told: %v, %v", end, err)
		}
		mark(time.Now().Add(-time.Minute))
		if got := b.do("POST /v1/calls/end?id="+live, "").want(200).text("status"); got != "ended" {
			b.t.Errorf("a call that nobody runs stays %s", got)
		}
		b.do("POST /v1/calls/end?id=x", "").fails(404, "id names no call in this environment")
		b.do("POST /v1/calls/end", "").fails(400, "id is required")
	})
}

func TestCallList(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		c.finish(c.create(`"`+c.agent+`"`, "").want(201).text("id"))
		c.create(`"`+c.agent+`"`, "").want(201)
		page := b.do("GET /v1/calls/list?page=1&size=10&sort_column=start_time&sort_desc=True&filters=", "").want(200)
		if items := page.at("items").([]any); len(items) != 2 || items[0].(map[string]any)["agent"] != c.agent {
			b.t.Errorf("got %s", page.raw)
		}
		ended := b.do("GET /v1/calls/list?expand=agent&filters="+`{"status":"ended"}`, "").want(200)
		items := ended.at("items").([]any)
		if len(items) != 1 || items[0].(map[string]any)["agent"].(map[string]any)["id"] != c.agent {
			b.t.Errorf("got %s", ended.raw)
		}
	})
}

func TestRecording(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		target := "GET /v1/calls/recording?id=" + id
		b.do(target, "").fails(404, "id names a call without recording")
		c.finish(id)
		got := b.do(target, "").want(200)
		if string(got.raw) != "RIFF....WAVEsound" || got.header.Get("Content-Type") != "audio/wav" || got.header.Get("ETag") == "" {
			b.t.Errorf("got %q, %v", got.raw, got.header)
		}
		ask := func(name, value string) answer {
			return b.send(target, "", http.Header{"Authorization": {"Bearer " + b.key}, name: {value}, "Accept-Encoding": {"gzip"}})
		}
		part := ask("Range", "bytes=12-").want(206)
		if string(part.raw) != "sound" || part.header.Get("Content-Range") != "bytes 12-16/17" || part.header.Get("Content-Encoding") != "" {
			b.t.Errorf("got %q, %v", part.raw, part.header)
		}
		ask("Range", "bytes=99-").fails(416, "Range lies outside of the recording")
		ask("If-None-Match", got.header.Get("ETag")).want(304)
		delete(b.tapes, "/rec/"+id)
		b.do(target, "").fails(404, "id names a call without recording")
		b.do("GET /v1/calls/recording?id=x", "").fails(404, "id names no call in this environment")
	})
}

func TestStream(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		target := "/v1/calls/" + id + "/events"
		b.append(b.event(id, 1, sidetone.EventConnected, ""), b.event(id, 2, sidetone.EventAgent, "Hello"))
		s := b.listen(target, "1")
		s.next(2, "agent")
		b.feed.publish(b.event(id, 2, sidetone.EventAgent, "Hello")) // known already
		b.feed.publish(b.event(id, 3, sidetone.EventCaller, "Hi"))
		s.next(3, "caller")
		b.append(b.event(id, 4, sidetone.EventTurn, "")) // told by nobody
		s.next(4, "turn")
		b.append(b.event(id, 5, sidetone.EventPaused, ""))
		b.feed.publish(b.event(id, 6, sidetone.EventInterrupted, "")) // a gap before it
		s.next(5, "paused")
		s.next(6, "interrupted")
		s.comment()
		b.feed.closeAll()
		b.append(b.event(id, 7, sidetone.EventAgent, "Bye"), b.event(id, 8, sidetone.EventEnded, ""))
		s.next(7, "agent")
		s.next(8, "ended")
		s.end()
	})
}

func TestStreamOfAFinishedCall(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		c.finish(id)
		target := "/v1/calls/" + id + "/events"
		s := b.listen(target, "")
		s.next(1, "agent")
		s.next(2, "ended")
		s.end()
		s = b.listen(target+"?after=1", "")
		s.next(2, "ended")
		s.end()
		b.do("GET "+target+"?after=2", "").want(204)
		b.do("GET "+target+"?after=-1", "").fails(400, "after must be 0 or more")
		b.send("GET "+target, "", http.Header{"Authorization": {"Bearer " + b.key}, "Last-Event-Id": {"x"}}).
			fails(400, "Last-Event-ID must be a whole number, 0 or more")
		b.do("GET /v1/calls/x/events", "").fails(404, "id names no call in this environment")
	})
}

func TestStreamsEndWhenTheServerDrains(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		s := b.listen("/v1/calls/"+id+"/events", "")
		s.comment()
		close(b.drain)
		s.end()
	})
}

// TestStreamsEndWithTheirKey revokes a key, takes its scope away, and lets a
// token expire, while streams are open: nothing is written any more.
func TestStreamsEndWithTheirKey(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		target := "/v1/calls/" + id + "/events"
		tokens := &passing{identity: sidetone.Identity{Subject: "ada", EnvironmentID: b.env.ID, Scopes: sidetone.DefaultScopes(), HasScopes: true}}
		b.tokens = tokens
		b.url = b.node()
		admin := b.key
		revoked, revokedKey := b.keyOf(`{"label":"r"}`)
		narrowed, narrowedKey := b.keyOf(`{"label":"n"}`)
		for bearer, end := range map[string]func(){
			revokedKey:  func() { b.do("POST /v1/api_keys/revoke?id="+revoked, "").want(201) },
			narrowedKey: func() { b.do("POST /v1/api_keys/update?id="+narrowed, `{"scopes":["write"]}`).want(201) },
			"a token":   func() { tokens.expired.Store(true) },
		} {
			b.key = bearer
			s := b.listen(target, "")
			s.comment()
			b.key = admin
			end()
			b.feed.publish(b.event(id, 1, sidetone.EventAgent, "Hello"))
			s.end()
		}
	})
}

// passing is the verifier of one token that is good until it expires.
type passing struct {
	identity sidetone.Identity
	expired  atomic.Bool
}

// Verify implements TokenVerifier.
func (p *passing) Verify(token, _ string) (sidetone.Identity, error) {
	if token != "a token" || p.expired.Load() {
		return sidetone.Identity{}, sidetone.Errorf(sidetone.Unauthenticated, "the token is not valid")
	}
	return p.identity, nil
}

func TestEndingAWaitingCallEndsItsStream(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		s := b.listen("/v1/calls/"+id+"/events", "")
		b.do("POST /v1/calls/end?id="+id, "").want(200)
		s.next(1, "ended")
		s.end()
	})
}

// TestLadder reads the signalling of a call, in both forms, and of calls without one.
func TestLadder(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		for _, form := range []string{"ladder", "pcap"} {
			target := "GET /v1/calls/" + id + "/" + form
			delete(b.ladders, id)
			b.do(target, "").fails(404, "id names a call without signalling")
			b.do("GET /v1/calls/x/"+form, "").fails(404, "id names no call in this environment")
			b.ladders[id] = sidetone.Ladder{Dropped: -1}
			b.do(target, "").fails(503, "the signalling cannot be read now")
			b.ladders[id] = sampleLadder()
			b.do(target, "").want(200)
		}
		got := b.do("GET /v1/calls/"+id+"/ladder", "").want(200)
		if !bytes.Contains(got.raw, []byte(`"at":"2026-11-01T10:00:00.006Z","direction":"received","local":"192.0.2.1:5060"`)) {
			b.t.Errorf("ladder: %s", got.raw)
		}
		file := b.do("GET /v1/calls/"+id+"/pcap", "").want(200)
		if string(file.raw) != "2 packets, sound false" || file.header.Get("Content-Type") != "application/vnd.tcpdump.pcap" {
			b.t.Errorf("capture: %q, %v", file.raw, file.header)
		}
	})
}

// TestTurns reads what turns took, of a call that goes on, of one that has none, and of
// one that this environment has not.
func TestTurns(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		target := "GET /v1/calls/" + id + "/turns"
		if got := b.do(target, "").want(200); strings.TrimSpace(string(got.raw)) != `{"silence_ms":0,"stages":{},"turns":[]}` {
			b.t.Errorf("no turns: %s", got.raw)
		}
		first, second := b.event(id, 2, sidetone.EventMeasured, "voice"), b.event(id, 4, sidetone.EventMeasured, "model")
		first.Data = []byte(`{"number":1,"kind":"unasked","from_ms":0,"to_ms":900,"silence_ms":0.1,"stages":{"voice":0.1}}`)
		second.Data = []byte(`{"number":2,"kind":"reply","from_ms":900,"to_ms":2000,"gap_ms":700.2,"silence_ms":700.2,"stages":{"voice":0.2,"model":700}}`)
		b.append(b.event(id, 1, sidetone.EventConnected, ""), first, b.event(id, 3, sidetone.EventTurn, "short"), second)
		got := b.do(target, "").want(200)
		if !bytes.Contains(got.raw, []byte(`"silence_ms":700.3,"stages":{"model":700,"voice":0.3},"turns":[{`)) || !bytes.Contains(got.raw, []byte(`"gap_ms":700.2`)) {
			b.t.Errorf("turns: %s", got.raw)
		}
		b.do("GET /v1/calls/x/turns", "").fails(404, "id names no call in this environment")
	})
}

// TestJournal reads the journal of a call, and of calls without one.
func TestJournal(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		target := "GET /v1/calls/" + id + "/journal"
		b.do(target, "").fails(404, "id names a call without a journal")
		b.do("GET /v1/calls/x/journal", "").fails(404, "id names no call in this environment")
		b.journals[id] = ""
		b.do(target, "").fails(503, "the journal cannot be read: the log of the server says why")
		b.journals[id] = "sidetone journal 1"
		got := b.do(target, "").want(200)
		if want := "sidetone journal 1 of " + b.env.ID; string(got.raw) != want || got.header.Get("Content-Type") != "text/plain; charset=utf-8" {
			b.t.Errorf("journal: %q, want %q, %v", got.raw, want, got.header)
		}
	})
}

// TestRecordingForms asks with the Accept headers of the client families.
func TestRecordingForms(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		id := c.create(`"`+c.agent+`"`, "").want(201).text("id")
		c.finish(id)
		ask := func(accept string) answer {
			return b.send("GET /v1/calls/recording?id="+id, "", http.Header{"Authorization": {"Bearer " + b.key}, "Accept": {accept}, "Range": {"bytes=1-2"}}).want(206)
		}
		for _, test := range []struct{ accept, form, body string }{
			{"", "audio/mpeg", "P3"}, {"*/*", "audio/mpeg", "P3"}, {"audio/mpeg", "audio/mpeg", "P3"},
			{"audio/wav", "audio/wav", "IF"}, {"audio/x-wav;q=0.5, */*;q=0.1", "audio/wav", "IF"},
			{"audio/wav;q=0.5, audio/mpeg", "audio/mpeg", "P3"}, {"audio/wav;q=0", "audio/mpeg", "P3"},
		} {
			b.copies.set("MP3 sound", nil)
			got := ask(test.accept)
			if got.header.Get("Content-Type") != test.form || string(got.raw) != test.body || got.header.Get("Vary") != "Accept" {
				b.t.Errorf("%q: got %q %v", test.accept, got.raw, got.header)
			}
		}
		for _, err := range []error{errors.ErrUnsupported, errors.New("encoder died")} {
			b.copies.set("", err)
			if got := ask("*/*"); got.header.Get("Content-Type") != "audio/wav" || string(got.raw) != "IF" {
				b.t.Errorf("%v: got %q %v", err, got.raw, got.header)
			}
		}
	})
}

func TestTranscriptIsTheFinalOneIfThereIs(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{"final": "final", "": "so far"} {
		if got := renderCall(view{profile: dialect.Fluents()}, sidetone.Call{Transcript: stored}, "so far", nil); got["transcript"] != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

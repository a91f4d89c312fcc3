package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/softphone"
	"github.com/sidetone/sidetone/standin/hearing"
)

// frames are what a program of a customer's was sent, in order.
type frames []map[string]any

// texts are a member of them all.
func (f frames) texts(member string) (out []string) {
	for _, one := range f {
		text, _ := one[member].(string)
		out = append(out, text)
	}
	return out
}

// programs are the programs that the tests write: what each answers to a frame.
// They are re-created from the vendors' published descriptions, see package harness.
func programs() map[string]func(got map[string]any) []string {
	spoken := strings.ReplaceAll(story, `"`, "")
	return map[string]func(map[string]any) []string{
		"conversation_relay": func(got map[string]any) []string {
			switch said, _ := got["voicePrompt"].(string); {
			case got["type"] == "setup":
				return []string{`{"type":"text","token":"Hello there.","last":true}`}
			case strings.Contains(said, "story"):
				return []string{`{"type":"text","token":"` + spoken + `","last":true}`}
			case said != "":
				return []string{`{"type":"text","token":"Fine ","last":false}`, `{"type":"text","token":"with me.","last":true}`, `{"type":"sendDigits","digits":"4w2"}`}
			case got["type"] == "dtmf":
				return []string{`{"type":"text","token":"Goodbye.","last":true}`, `{"type":"end"}`}
			}
			return nil
		},
		"retell": func(got map[string]any) []string {
			response := func(id, content, members string) []string {
				return []string{`{"response_type":"response","response_id":` + id + `,"content":"` + content + `","content_complete":true` + members + `}`}
			}
			id, _ := json.Marshal(got["response_id"])
			said := ""
			if lines, _ := got["transcript"].([]any); len(lines) > 0 {
				said, _ = lines[len(lines)-1].(map[string]any)["content"].(string)
			}
			switch {
			case got["type"] == "open":
				return append([]string{`{"response_type":"config","config":{"auto_reconnect":false,"call_details":true}}`}, response("0", "Hello there.", "")...)
			case strings.Contains(said, "story"):
				return response(string(id), spoken, "")
			case strings.Contains(said, "keys pressed"):
				return response(string(id), "Goodbye.", `,"end_call":true`)
			case said != "":
				return response(string(id), "Fine with me.", `,"digit_to_press":"4w2"`)
			}
			return nil
		},
	}
}

// serveProgram serves a program until the test ends.
func serveProgram(t *testing.T, answers func(map[string]any) []string) (address string, sent func() frames) {
	t.Helper()
	var mu sync.Mutex
	var all frames
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for got := map[string]any{"type": "open", "path": r.URL.Path}; ; {
			mu.Lock()
			all = append(all, got)
			mu.Unlock()
			for _, f := range answers(got) {
				if conn.Write(r.Context(), websocket.MessageText, []byte(f)) != nil {
					return
				}
			}
			_, raw, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			got = nil
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Errorf("the program was sent %q: %v", raw, err)
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/program", func() frames {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// TestProgramsAnswer holds a complete call with a program of either protocol: it
// speaks first, is interrupted, presses keys, gets one, and ends the call.
func TestProgramsAnswer(t *testing.T) {
	t.Parallel()
	listen(t)
	p := startPartners(t, partnerOptions{ears: hearing.ToneWords, model: clerk{}})
	s := start(t, append(p.env(), "SIDETONE_OUTBOUND_ALLOW=127.0.0.1")...)
	for protocol, answers := range programs() {
		t.Run(protocol, func(t *testing.T) {
			paced := timing.Start(t)
			address, sent := serveProgram(t, answers)
			v, keys, number := s.talkWithProgram(t, protocol, address, "token")
			checkProgram(t, paced, protocol, v, keys, number, sent())
		})
	}
}

// talkWithProgram holds a call with a program. keys are those that the caller received
// and the one that it pressed.
func (s *server) talkWithProgram(t *testing.T, protocol, address, token string) (v visit, keys, number string) {
	t.Helper()
	ctx := within(t, 100*time.Second)
	config := map[string]any{"base_url": address, "protocol": protocol}
	account, err := s.api.AccountConnections().Create(ctx, client.AccountConnection{Type: "account_connection_harness", Config: config, Default: new(true),
		Credentials: map[string]client.Credential{"api_key": client.Credential(token)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = s.api.AccountConnections().Delete(ctx, account.ID) }()
	number = s.placeJSON(t, `{"name":"program","prompt":{"content":"A program answers."},"provider":"harness","transcriber":{"type":"transcriber_deepgram","model":"nova-3"},
		"voice":{"type":"voice_eleven_labs","voice_id":"21m00Tcm4TlvDq8ikWAM"}}`)
	phone := softphone.Phone{Lines: []softphone.Line{toneLine("please tell me the whole story", 0), toneLine("stop it now please", 2*time.Second), {Keys: "5"}},
		Wait: 8 * time.Second, Patience: 2 * time.Second, Length: time.Minute, Stay: true,
		Notify: func(e softphone.Event) {
			if e.Kind == "key" {
				keys += e.Text
			}
		}}
	v = s.ringAs(t, ctx, number, phone)
	return v, keys, number
}

// checkProgram holds a call against what its program was sent.
func checkProgram(t *testing.T, paced *timing.Meter, protocol string, v visit, keys, number string, sent frames) {
	t.Helper()
	cut := ""
	for _, e := range v.events {
		if e.Type == "agent" && e.Data["interrupted"] == true {
			cut = e.Text
		}
	}
	if cut == "" || len(cut) >= len(story) || v.call.EndReason != "goodbye" || len(v.call.Errors) > 0 || keys != "425" {
		t.Errorf("interrupted after %q, ended with %q, errors %q, keys %q", cut, v.call.EndReason, v.call.Errors, keys)
	}
	if want, heard := spelt("Hello there. "+cut+" Fine with me. Goodbye."), toneWords(v.heard); !subsequence(heard, want) || len(heard) < len(want) {
		paced.Errorf("the caller heard\n%q, want\n%q", heard, want)
	}
	switch protocol {
	case "conversation_relay":
		checkRelay(t, v, number, cut, sent)
	default:
		checkRetell(t, v, number, cut, sent)
	}
	if t.Failed() {
		v.log(t)
		for _, f := range sent {
			t.Logf("sent %v", f)
		}
	}
}

func checkRelay(t *testing.T, v visit, number, cut string, sent frames) {
	t.Helper()
	if got, want := strings.Join(sent[1:].texts("type"), " "), "setup prompt interrupt prompt dtmf"; got != want {
		t.Fatalf("sent %q, want %q", got, want)
	}
	setup, interrupt := sent[1], sent[3]
	if setup["from"] != "+14155550123" || setup["to"] != number || setup["callSid"] != v.call.ID || setup["direction"] != "inbound" {
		t.Errorf("setup %v", setup)
	}
	if interrupt["utteranceUntilInterrupt"] != cut || interrupt["durationUntilInterruptMs"].(float64) < 1000 {
		t.Errorf("interrupt %v, the caller heard %q", interrupt, cut)
	}
}

func checkRetell(t *testing.T, v visit, number, cut string, sent frames) {
	t.Helper()
	if got, want := strings.Join(sent[1:].texts("interaction_type"), " "), "call_details response_required response_required response_required"; got != want {
		t.Fatalf("sent %q, want %q", got, want)
	}
	details, _ := sent[1]["call"].(map[string]any)
	if details["from_number"] != "+14155550123" || details["to_number"] != number || details["call_id"] != v.call.ID || sent[0]["path"] != "/program/"+v.call.ID {
		t.Errorf("call_details %v, opened at %v", details, sent[0]["path"])
	}
	var heard []string
	for _, l := range sent[len(sent)-1]["transcript"].([]any) {
		if line := l.(map[string]any); line["role"] == "agent" {
			heard = append(heard, line["content"].(string))
		}
	}
	if want := []string{"Hello there.", cut, "Fine with me."}; !slices.Equal(heard, want) {
		t.Errorf("transcript %q, want %q", heard, want)
	}
}

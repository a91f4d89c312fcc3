package assemblyai

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
)

// record keeps what a session tells, one line each.
type record struct {
	asked bool
	lines []string
}

func (r *record) add(kind, text string, words []transcriber.Word) {
	line := kind + " " + text
	for _, w := range words {
		line += fmt.Sprintf(" %s@%d-%d", w.Text, w.From.Milliseconds(), w.To.Milliseconds())
	}
	r.lines = append(r.lines, line)
}

func (r *record) Partial(text string, words []transcriber.Word) { r.add("partial", text, words) }

func (r *record) Final(text string, words []transcriber.Word, answers int) {
	r.add(fmt.Sprintf("final(%d)", answers), text, words)
}

func (r *record) Say(kind transcriber.Kind) { r.add(fmt.Sprintf("say %d", kind), "", nil) }

func (r *record) Asked() bool { return r.asked }

func (r *record) Named(id string) { r.add("named", id, nil) }

func (r *record) Used(u provider.Unit, n float64) { r.add("used", fmt.Sprintf("%s %v", u, n), nil) }

func newSession(r *record) *session {
	return &session{feed: r, client: &provider.Client{Vendor: "assemblyai"}, model: english, last: -1}
}

// stream has messages in the vendor's order, see
// https://www.assemblyai.com/docs/universal-streaming/message-sequence; the end of
// the turn comes twice, as from older servers.
const stream = `{"type":"Begin","id":"de5d9927","expires_at":1759796682}
{"type":"SpeechStarted","timestamp":1900,"confidence":0.9}
{"type":"Turn","turn_order":0,"turn_is_formatted":false,"end_of_turn":false,"transcript":"","end_of_turn_confidence":0.01,"words":[{"start":1920,"end":2000,"text":"hi","confidence":0.8,"word_is_final":false}],"utterance":""}
{"type":"Turn","turn_order":0,"turn_is_formatted":false,"end_of_turn":false,"transcript":"hi","end_of_turn_confidence":0.01,"words":[{"start":1920,"end":2000,"text":"hi","confidence":0.8,"word_is_final":true},{"start":2800,"end":2880,"text":"my","confidence":0.8,"word_is_final":false}],"utterance":""}
{"type":"Turn","turn_order":0,"turn_is_formatted":false,"end_of_turn":true,"transcript":"hi my","end_of_turn_confidence":0.9,"words":[{"start":1920,"end":2000,"text":"hi","confidence":0.8,"word_is_final":true},{"start":2800,"end":2880,"text":"my","confidence":0.8,"word_is_final":true}],"utterance":"hi my"}
{"type":"Turn","turn_order":0,"turn_is_formatted":true,"end_of_turn":true,"transcript":"Hi, my.","end_of_turn_confidence":0.9,"words":[],"utterance":"Hi, my."}
{"type":"Heartbeat","total_duration_ms":3000}
{"type":"Turn","turn_order":1,"turn_is_formatted":false,"end_of_turn":false,"transcript":"ok","words":null}
{"type":"Termination","audio_duration_seconds":3,"session_duration_seconds":3}`

func TestStream(t *testing.T) {
	t.Parallel()
	want := []string{"named de5d9927", "partial hi hi@1920-2000", "partial hi my hi@1920-2000 my@2800-2880", "final(1) hi my hi@1920-2000 my@2800-2880", "say 5 ", "partial ok", "used session_seconds 3"}
	for _, add := range []string{"", `,"zz":{"deep":[1,null,{"x":"y"}]}}`} {
		r := &record{}
		s := newSession(r)
		for line := range strings.Lines(stream) {
			line = strings.TrimSpace(line)
			if add != "" { // members that nobody documents
				line = strings.TrimSuffix(line, "}") + add
			}
			if err := s.Receive([]byte(line)); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		if diff := cmp.Diff(want, r.lines); diff != "" {
			t.Errorf("with %q (-want +got):\n%s", add, diff)
		}
	}
}

// The end of a turn that was asked for is no sign of the caller's.
func TestForcedEndIsNoEndOfTurn(t *testing.T) {
	t.Parallel()
	r := &record{asked: true}
	if err := newSession(r).Receive([]byte(`{"type":"Turn","turn_order":0,"end_of_turn":true,"transcript":"hi","words":[]}`)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"final(1) hi"}, r.lines); diff != "" {
		t.Error(diff)
	}
}

// A message that is cut off at any byte is an error and says nothing.
func TestCutMessages(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(stream) {
		line = strings.TrimSpace(line)
		for cut := range len(line) {
			r := &record{}
			if err := newSession(r).Receive([]byte(line[:cut])); err == nil || provider.KindOf(err) != provider.Broken || len(r.lines) > 0 {
				t.Fatalf("%q: %v, %q", line[:cut], err, r.lines)
			}
		}
	}
}

func TestErrorsHaveTheirCode(t *testing.T) {
	t.Parallel()
	f := (*provider.Failure)(nil)
	err := newSession(&record{}).Receive([]byte(`{"type":"Error","error_code":3009,"error":"Too many sessions"}`))
	if !errors.As(err, &f) || f.Status != 3009 || f.Message != "Too many sessions" {
		t.Fatalf("%v", err)
	}
	if ended(f); f.Kind != provider.Limited {
		t.Errorf("the kind is %q", f.Kind)
	}
}

func FuzzReceive(f *testing.F) {
	for line := range strings.Lines(stream) {
		f.Add([]byte(line))
	}
	f.Add([]byte(`{"type":"Turn","turn_order":-1e9,"words":[{"start":1e308,"end":-1e308,"text":null}]}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		if err := newSession(&record{}).Receive(message); err != nil && !errors.As(err, new(*provider.Failure)) {
			t.Errorf("%q: %v", message, err)
		}
	})
}

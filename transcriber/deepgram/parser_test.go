package deepgram

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
)

// record keeps what a session tells, one line each.
type record struct{ lines []string }

func (r *record) add(kind, text string, words []transcriber.Word) {
	line := kind + " " + text
	for _, w := range words {
		line += fmt.Sprintf(" %s@%d-%d", w.Text, w.From.Milliseconds(), w.To.Milliseconds())
	}
	r.lines = append(r.lines, line)
}

func (r *record) Partial(text string, words []transcriber.Word) { r.add("partial", text, words) }

func (r *record) Final(text string, words []transcriber.Word, answers int) {
	r.add(fmt.Sprintf("final(%d)", min(answers, 2)), text, words)
}

func (r *record) Say(kind transcriber.Kind) { r.add(fmt.Sprintf("say %d", kind), "", nil) }

// session is a nova or a turns.
type session interface{ Receive(message []byte) error }

func newNova(r *record) session { return &nova{feed: r, client: &provider.Client{Vendor: "deepgram"}} }

func newFlux(r *record) session { return &turns{feed: r, client: &provider.Client{Vendor: "deepgram"}} }

// novaStream has the messages of the examples in the vendor's AsyncAPI document and
// documentation, shortened.
const novaStream = `{"type":"SpeechStarted","channel":[0,1],"timestamp":0.5}
{"type":"Results","channel_index":[0,1],"duration":1,"start":0,"is_final":false,"speech_final":false,"channel":{"alternatives":[{"transcript":"good","confidence":0.9,"words":[{"word":"good","start":0.5,"end":0.75,"confidence":0.9,"punctuated_word":"Good"}]}]},"metadata":{"request_id":"a"}}
{"type":"Results","channel_index":[0,1],"duration":2,"start":0,"is_final":true,"speech_final":true,"from_finalize":false,"channel":{"alternatives":[{"transcript":"Good morning.","confidence":0.9,"words":[{"word":"good","start":0.5,"end":0.75,"confidence":0.9,"punctuated_word":"Good"},{"word":"morning","start":0.75,"end":1.2,"confidence":0.9,"punctuated_word":"morning."}]}]}}
{"type":"UtteranceEnd","channel":[0,1],"last_word_end":1.2}
{"type":"Results","is_final":true,"from_finalize":true,"channel":{"alternatives":[{"transcript":"","confidence":0,"words":[]}]}}
{"type":"Metadata","transaction_key":"deprecated","request_id":"a","sha256":"","created":"","duration":2,"channels":1}`

const fluxStream = `{"type":"Connected","request_id":"a","sequence_id":0}
{"type":"TurnInfo","request_id":"a","sequence_id":1,"event":"StartOfTurn","turn_index":0,"audio_window_start":0,"audio_window_end":0.5,"transcript":"Hi","words":[{"word":"Hi","confidence":0.9,"start":0.1,"end":0.3}],"end_of_turn_confidence":0.1}
{"type":"TurnInfo","event":"EagerEndOfTurn","turn_index":0,"transcript":"Hi","words":[{"word":"Hi","confidence":0.9}],"end_of_turn_confidence":0.5}
{"type":"TurnInfo","event":"TurnResumed","turn_index":0,"transcript":"Hi","words":[],"end_of_turn_confidence":0.1}
{"type":"TurnInfo","event":"Update","turn_index":0,"transcript":"Hi there","words":[],"end_of_turn_confidence":0.1}
{"type":"TurnInfo","event":"EndOfTurn","turn_index":0,"transcript":"Hi there.","words":[],"end_of_turn_confidence":0.8,"trigger":"model"}
{"type":"TurnInfo","event":"EndOfTurn","turn_index":1,"transcript":"Bye.","words":[],"end_of_turn_confidence":0.8,"trigger":"manual"}
{"type":"ConfigureSuccess","request_id":"a","thresholds":{},"keyterms":[],"sequence_id":9}`

func TestStreams(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		stream string
		make   func(*record) session
		want   []string
	}{
		"nova": {novaStream, newNova, []string{"partial good Good@500-750", "final(0) Good morning. Good@500-750 morning.@750-1200", "final(1) "}},
		"flux": {fluxStream, newFlux, []string{"partial Hi Hi@100-300", "partial Hi Hi@0-0", "say 7 ", "say 8 ", "partial Hi", "partial Hi there", "final(2) Hi there.", "say 5 ", "final(2) Bye."}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, add := range []string{"", `,"zz":{"deep":[1,null,{"x":"y"}]}}`} {
				r := &record{}
				s := test.make(r)
				for line := range strings.Lines(test.stream) {
					line = strings.TrimSpace(line)
					if add != "" { // members that nobody documents
						line = strings.TrimSuffix(line, "}") + add
					}
					if err := s.Receive([]byte(line)); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
				}
				if diff := cmp.Diff(test.want, r.lines); diff != "" {
					t.Errorf("with %q (-want +got):\n%s", add, diff)
				}
			}
		})
	}
}

// A message that is cut off at any byte is an error and says nothing.
func TestCutMessages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		stream string
		make   func(*record) session
	}{{novaStream, newNova}, {fluxStream, newFlux}} {
		for line := range strings.Lines(test.stream) {
			line = strings.TrimSpace(line)
			for cut := range len(line) {
				r := &record{}
				if err := test.make(r).Receive([]byte(line[:cut])); provider.KindOf(err) != provider.Broken || err == nil {
					t.Fatalf("%q: %v", line[:cut], err)
				}
				if len(r.lines) > 0 {
					t.Fatalf("%q says %q", line[:cut], r.lines)
				}
			}
		}
	}
}

func TestInBandErrors(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]provider.Kind{
		"INVALID_AUTH": provider.Unauthorised, "ASR_PAYMENT_REQUIRED": provider.Exhausted, "TOO_MANY_REQUESTS": provider.Limited,
		"UNPARSABLE_CLIENT_MESSAGE": provider.Rejected, "INTERNAL_SERVER_ERROR": provider.Broken, "": provider.Broken,
	} {
		raw, err := json.Marshal(map[string]any{"type": "Error", "code": code, "description": "it says why", "sequence_id": 3})
		if err != nil {
			t.Fatal(err)
		}
		f := (*provider.Failure)(nil)
		if err := newFlux(&record{}).Receive(raw); !errors.As(err, &f) || f.Kind != want || f.Message != "it says why" || f.Vendor != "deepgram" {
			t.Errorf("%s is %v", raw, err)
		}
	}
}

func FuzzReceive(f *testing.F) {
	for line := range strings.Lines(novaStream + "\n" + fluxStream) {
		f.Add([]byte(line))
	}
	f.Add([]byte(`{"type":"Results","channel":null}`))
	f.Add([]byte(`{"type":"TurnInfo","words":[{"start":1e308,"end":-1e308}]}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		for _, s := range []session{newNova(&record{}), newFlux(&record{})} {
			if err := s.Receive(message); err != nil && !errors.As(err, new(*provider.Failure)) {
				t.Errorf("%q: %v", message, err)
			}
		}
	})
}

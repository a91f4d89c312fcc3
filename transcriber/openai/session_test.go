package openai

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
)

// record keeps what a session tells, one line each.
type record struct{ lines, named, used []string }

func (r *record) Partial(text string, _ []transcriber.Word) {
	r.lines = append(r.lines, "partial "+text)
}

func (r *record) Final(text string, _ []transcriber.Word, answers int) {
	r.lines = append(r.lines, fmt.Sprintf("final(%d) %s", answers, text))
}

func (r *record) Named(id string) { r.named = append(r.named, id) }

func (r *record) Used(u provider.Unit, n float64) {
	r.used = append(r.used, fmt.Sprintf("%s %v", u, n))
}

func recorded(r *record) *session {
	return newSession(8000, r, &provider.Client{Vendor: "openai"})
}

const (
	kind   = "conversation.item.input_audio_transcription."
	stream = `{"type":"session.created","event_id":"e","session":{"id":"s"}}
{"type":"session.updated","event_id":"e","session":{"id":"s"}}
{"type":"` + kind + `delta","event_id":"e","item_id":"a","content_index":0,"delta":"Hi"}
{"type":"` + kind + `delta","event_id":"e","item_id":"a","content_index":0,"delta":" there","obfuscation":"x","logprobs":null}
{"type":"input_audio_buffer.committed","event_id":"e","previous_item_id":null,"item_id":"a"}
{"type":"` + kind + `delta","event_id":"e","item_id":"b","content_index":0,"delta":"Bye"}
{"type":"input_audio_buffer.committed","event_id":"e","previous_item_id":"a","item_id":"b"}
{"type":"error","event_id":"e","error":{"type":"invalid_request_error","code":"input_audio_buffer_commit_empty","message":"buffer too small","param":null,"event_id":null}}
{"type":"` + kind + `completed","event_id":"e","item_id":"b","content_index":0,"transcript":"Bye.","usage":{"type":"duration","seconds":1}}
{"type":"` + kind + `completed","event_id":"e","item_id":"a","content_index":0,"transcript":"Hi there.","usage":{"type":"duration","seconds":1}}
{"type":"rate_limits.updated","event_id":"e","rate_limits":[]}`
)

func TestStream(t *testing.T) {
	t.Parallel()
	want := []string{"partial Hi", "partial Hi there", "partial Bye", "final(1) Hi there.", "final(1) Bye.", "final(1) "}
	for _, add := range []string{"", `,"zz":{"deep":[1,null,{"x":"y"}]}}`} {
		r := &record{}
		s := recorded(r)
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

// Real traffic of another kind of session says nothing to this one.
func TestRecordedStream(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/openai-realtime-speech-translation.chunks.txt")
	if err != nil {
		t.Fatal(err)
	}
	r := &record{}
	s := recorded(r)
	for line := range strings.Lines(string(raw)) {
		if err := s.Receive([]byte(line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if !s.ready || len(r.lines) > 0 {
		t.Errorf("ready %v, said %q", s.ready, r.lines)
	}
	cutEverywhere(t, string(raw))
}

// TestUsage: models that are billed by tokens say how many they took.
func TestUsage(t *testing.T) {
	t.Parallel()
	r := &record{}
	s := recorded(r)
	for _, message := range []string{
		`{"type":"session.created","session":{"id":"sess_1"}}`,
		`{"type":"` + kind + `completed","item_id":"a","transcript":"Hi.","usage":{"type":"tokens","input_tokens":13,"output_tokens":4,"total_tokens":17}}`,
		`{"type":"` + kind + `completed","item_id":"b","transcript":"Bye.","usage":{"type":"duration","seconds":1}}`,
	} {
		if err := s.Receive([]byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"input_tokens 13", "output_tokens 4", "input_tokens 0", "output_tokens 0"}, r.used); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"sess_1"}, r.named); diff != "" {
		t.Errorf("named (-want +got):\n%s", diff)
	}
}

func TestCutMessages(t *testing.T) {
	t.Parallel()
	cutEverywhere(t, stream)
}

// cutEverywhere checks that a message that is cut off at any byte is an error and
// says nothing.
func cutEverywhere(t *testing.T, stream string) {
	for line := range strings.Lines(stream) {
		line = strings.TrimSpace(line)
		for cut := range len(line) {
			r := &record{}
			if err := recorded(r).Receive([]byte(line[:cut])); err == nil || provider.KindOf(err) != provider.Broken || len(r.lines) > 0 {
				t.Fatalf("%q: %v, %q", line[:cut], err, r.lines)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]provider.Kind{
		`{"type":"error","error":{"type":"invalid_request_error","code":"unknown_parameter","message":"m"}}`:      provider.Rejected,
		`{"type":"error","error":{"type":"server_error","code":null,"message":"m"}}`:                              provider.Broken,
		`{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"m"}}`:        provider.Exhausted,
		`{"type":"error","error":{"type":"invalid_request_error","code":"session_expired","message":"m"}}`:        provider.Unreachable,
		`{"type":"` + kind + `failed","item_id":"a","error":{"type":"server_error","code":"x","message":"m"}}`:    provider.Broken,
		`{"type":"` + kind + `failed","item_id":"a","error":{"code":"audio_unintelligible","message":"no word"}}`: 0,
	} {
		err := recorded(&record{}).Receive([]byte(message))
		if want == 0 && err != nil || want != 0 && provider.KindOf(err) != want {
			t.Errorf("%s is %v", message, err)
		}
	}
	s := recorded(&record{})
	s.ready = true
	if err := s.Receive([]byte(`{"type":"error","error":{"type":"invalid_request_error","code":"invalid_value","message":"m"}}`)); err != nil {
		t.Errorf("an error that leaves the session open: %v", err)
	}
}

func FuzzReceive(f *testing.F) {
	for line := range strings.Lines(stream) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if err := recorded(&record{}).Receive(message); err != nil && !errors.As(err, new(*provider.Failure)) {
			t.Errorf("%q: %v", message, err)
		}
	})
}

func FuzzTranscription(f *testing.F) {
	f.Add([]byte(`{"text":" Hi there. ","words":[{"word":" Hi","start":0.1,"end":0.3}]}`))
	f.Add([]byte(`{"text":"x","segments":[{"words":[{"word":"x","start":1e300,"end":-1}]}]}`))
	f.Add([]byte(`{"text":null}`))
	d := NewUpload(UploadOptions{Client: &provider.Client{Vendor: "openai"}})
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := d.parse(body)
		if err != nil {
			return
		}
		for _, w := range got.words() {
			if w.From < 0 || w.To < 0 {
				t.Errorf("word %+v of %q", w, body)
			}
		}
	})
}

func TestWhatIsNoSpeech(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{" [BLANK_AUDIO]\n": "", "(music)": "", "Hi (really).": "Hi (really).", "[a] b [c]": "[a] b [c]", "": ""} {
		if got := spoken(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

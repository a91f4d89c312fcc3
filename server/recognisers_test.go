package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/assemblyai"
	"github.com/sidetone/sidetone/standin/deepgram"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/openaiaudio"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// Each recogniser of a vendor understands its stand-in's tone words with what an
// agent's transcriber says, and shows the account's key.
func TestRecognisersOfVendors(t *testing.T) {
	t.Parallel()
	const key = "vendors-key-0123456789"
	tests := map[string]struct {
		config, path string
		standin      func(c *standin.Control) http.Handler
		query        url.Values
	}{
		"transcriber_deepgram": {
			config: `{"type":"transcriber_deepgram","endpointing":300,"eot_threshold":"no number"}`,
			standin: func(c *standin.Control) http.Handler {
				return deepgram.New(deepgram.Options{Control: c, Key: key, Ears: hearing.ToneWords})
			},
			query: url.Values{"model": {"nova-3"}, "endpointing": {"300"}, "interim_results": {"true"}, "punctuate": {"true"}, "language": {"en"},
				"keyterm": {"Sidetone"}, "encoding": {"mulaw"}, "sample_rate": {"8000"}},
		},
		"transcriber_deepgram/flux": {
			config: `{"model":"flux","eot_threshold":0.8,"eager_eot_threshold":0.5,"eot_timeout_ms":3000,"force_end_turn":true}`,
			standin: func(c *standin.Control) http.Handler {
				return deepgram.New(deepgram.Options{Control: c, Key: key, Ears: hearing.ToneWords})
			},
			query: url.Values{"model": {"flux-general-en"}, "eot_threshold": {"0.8"}, "eager_eot_threshold": {"0.5"}, "eot_timeout_ms": {"3000"},
				"keyterm": {"Sidetone"}, "encoding": {"mulaw"}, "sample_rate": {"8000"}},
		},
		"transcriber_assembly_ai": {
			config: `{"model":"universal-streaming-multilingual","eot_threshold":0.5,"min_turn_silence":300,"max_turn_silence":900}`,
			standin: func(c *standin.Control) http.Handler {
				return assemblyai.New(assemblyai.Options{Control: c, Key: key, Ears: hearing.ToneWords})
			},
			query: url.Values{"speech_model": {"universal-streaming-multilingual"}, "end_of_turn_confidence_threshold": {"0.5"}, "min_turn_silence": {"300"},
				"max_turn_silence": {"900"}, "keyterms_prompt": {`["Sidetone"]`}, "encoding": {"pcm_mulaw"}, "sample_rate": {"8000"}},
		},
		"transcriber_openai": {
			config: `{"model":"gpt-4o-transcribe"}`, path: "/v1",
			standin: func(c *standin.Control) http.Handler {
				return openaiaudio.New(openaiaudio.Options{Control: c, Key: key, Ears: hearing.ToneWords})
			},
			query: url.Values{"intent": {"transcription"}},
		},
		"transcriber_whisper": {
			config: `{"model":"whisper-large-v3"}`, path: "/v1",
			standin: func(c *standin.Control) http.Handler {
				return openaiaudio.New(openaiaudio.Options{Control: c, Key: key, Ears: hearing.ToneWords, Plain: true})
			},
			query: url.Values{},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			control := &standin.Control{}
			c := transcribertest.Serve(t, test.standin(control))
			kind, _, _ := strings.Cut(name, "/")
			driver := recognisers()[kind].open(access{HTTP: c.HTTP, Key: sidetone.Secret(key), Base: c.URL + test.path},
				choice{Config: json.RawMessage(test.config), Rate: 8000, Language: "en", KeyTerms: []string{"Sidetone"}, LessNoise: true})
			s, err := driver.Open(t.Context(), transcriber.Config{Rate: 8000, Language: "en"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			speech, _ := tonewords.Speak("good morning", 8000)
			events := transcribertest.Read(t, s)
			at := transcribertest.Feed(t, s, speech, 8000, 0)
			transcribertest.Feed(t, s, make([]int16, 1600), 8000, at)
			s.Finalize()
			if got := events.Flushed(t); got != "good morning" {
				t.Errorf("heard %q", got)
			}
			quiet := len(control.Ledger()[0].Body) > 0 && strings.Contains(string(control.Ledger()[0].Body[0]), `"noise_reduction":{"type":"near_field"}`)
			if quiet != (kind == "transcriber_openai") {
				t.Errorf("asked for less noise: %t", quiet)
			}
			if diff := cmp.Diff(test.query, control.Ledger()[0].Query); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEndpointing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{`{}`: 0, `{"endpointing":null}`: 0, `{"endpointing":false}`: -1, `{"endpointing":true}`: 0,
		`{"endpointing":250}`: 250, `{"endpointing":"soon"}`: 0, `[]`: 0} {
		if got := transcriberOf(choice{Config: json.RawMessage(text)}).endpointing(); got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}

// TestMembersOfTranscribers: what of an agent's transcriber reaches a driver; members of
// another form count as absent.
func TestMembersOfTranscribers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"model":"flux-general-en","endpointing":300,"eot_threshold":0.8,"eager_eot_threshold":0.4,"eot_timeout_ms":4000,"force_end_turn":true,"min_turn_silence":100,"max_turn_silence":900}`: `{flux-general-en 300 0.8 0.4 4000 true 100 900}`,
		`{"model":7,"endpointing":false,"eot_threshold":"0.8"}`: `{ false 0 0 0 false 0 0}`,
		`[]`: `{  0 0 0 false 0 0}`,
	} {
		c := transcriberOf(choice{Config: json.RawMessage(text)})
		got := fmt.Sprintf("{%s %s %v %v %v %v %v %v}", c.Model, c.Endpointing, c.EOTThreshold, c.EagerEOTThreshold, c.EOTTimeoutMS, c.ForceEndTurn, c.MinTurnSilence, c.MaxTurnSilence)
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

package support

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUntaken: what a type does not take is named, left out for its driver, and nothing
// else is.
func TestUntaken(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]map[string]string{
		`{"type":"voice_eleven_labs","voice_id":"v","model_id":"m","stability":0.3,"similarity_boost":1}`: {},
		`{"type":"voice_eleven_labs","speed":1.2,"pitch":3,"rate":3,"speed_alpha":2}`: {
			"speed": "voice_eleven_labs does not take it.", "pitch": "voice_eleven_labs does not take it.",
			"rate": "voice_eleven_labs does not take it.", "speed_alpha": "voice_eleven_labs does not take it."},
		`{"type":"voice_eleven_labs","stability":7}`:                                                {"stability": "voice_eleven_labs takes a number from 0 to 1: its default is used instead."},
		`{"type":"voice_eleven_labs","stability":"0.5"}`:                                            {"stability": "voice_eleven_labs takes a number from 0 to 1: its default is used instead."},
		`{"type":"voice_openai","stability":0.5,"speed":4}`:                                         {"stability": "voice_openai does not take it."},
		`{"type":"voice_kokoro","speed":9}`:                                                         {"speed": "voice_kokoro takes a number from 0.25 to 4: its default is used instead."},
		`{"type":"voice_deepgram","speed":1}`:                                                       {"speed": "voice_deepgram does not take it."},
		`{"type":"voice_deepgram","model_id":"aura-2-thalia-en"}`:                                   {},
		`{"type":"voice_deepgram","voice_id":"a","model_id":"b"}`:                                   {"model_id": "voice_id names the voice: this does nothing."},
		`{"type":"voice_rime","model_id":"mistv2","speaker":"eva","speed_alpha":0.9}`:               {},
		`{"type":"voice_rime","speaker":"eva","speed_alpha":0.9}`:                                   {"speed_alpha": "voice_rime does not take it with this model."},
		`{"type":"voice_azure","pitch":1.5,"rate":101}`:                                             {"pitch": "voice_azure takes a whole number from -50 to 50: its default is used instead.", "rate": "voice_azure takes a whole number from -50 to 100: its default is used instead."},
		`{"type":"voice_flite","voice":"slt","speed":2,"rate":4}`:                                   {"speed": "voice_flite does not take it.", "rate": "voice_flite does not take it."},
		`{"type":"voice_other","speed":2}`:                                                          {},
		`{"type":"voice_openai","speed":0,"fallback":{"type":"voice_cartesia","speed":2}}`:          {"fallback.speed": "voice_cartesia does not take it."},
		`{"type":"voice_openai","fallback":{"type":"voice_flite","fallback":{"type":"voice_tty"}}}`: {"fallback.fallback": "A fallback has no fallback of its own: that of the environment comes after it."},
		`{"type":"transcriber_deepgram","eot_threshold":0.7,"endpointing":300}`:                     {"eot_threshold": "transcriber_deepgram does not take it with this model."},
		`{"type":"transcriber_deepgram","model":"flux-general-en","endpointing":300,"eot_timeout_ms":100}`: {
			"endpointing": "transcriber_deepgram does not take it with this model.", "eot_timeout_ms": "transcriber_deepgram takes a whole number from 500 to 60000: its default is used instead."},
		`{"type":"transcriber_openai","eot_threshold":0.7,"force_end_turn":true}`: {"eot_threshold": "transcriber_openai does not take it.", "force_end_turn": "transcriber_openai does not take it."},
		`{"type":"pocketsphinx","model":"m","key_terms":["a"]}`:                   {"model": "pocketsphinx does not take it.", "key_terms": "pocketsphinx does not take it."},
		`{"type":"transcriber_openai","fallback":{"type":"transcriber_whisper","key_terms":["a"]}}`: {
			"fallback.key_terms": "A fallback expects the key_terms of the transcriber itself."},
	} {
		var members map[string]any
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatal(err)
		}
		kind, _ := members["type"].(string)
		got := map[string]string{}
		for _, w := range Untaken(kind, members) {
			got[w.Property] = w.Sentence
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
		var left map[string]any
		if err := json.Unmarshal(Taken(kind, []byte(body)), &left); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		for name := range members {
			if _, there := left[name]; there == (want[name] != "") {
				t.Errorf("%s: %s is left: %v", body, name, there)
			}
		}
	}
	if got := string(Taken("voice_openai", []byte("broken"))); got != "broken" {
		t.Errorf("got %q", got)
	}
}

package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/azure"
	"github.com/sidetone/sidetone/standin/cartesia"
	"github.com/sidetone/sidetone/standin/deepgramspeak"
	"github.com/sidetone/sidetone/standin/elevenlabs"
	"github.com/sidetone/sidetone/standin/openaispeech"
	"github.com/sidetone/sidetone/standin/rime"
	"github.com/sidetone/sidetone/standin/speech"
	"github.com/sidetone/sidetone/support"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

// TestVoicesOfVendors: each type of voice reaches its vendor with its key and asks
// for what its members say.
func TestVoicesOfVendors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, config string
		serve        func(speech.Options) http.Handler
		path         string
		// asked are parts of what the vendor was asked: of the query, or of a body.
		asked []string
	}{
		{"voice_eleven_labs", `{"voice_id":"v","model_id":"eleven_turbo_v2_5","stability":0.3,"similarity_boost":0.7,"experimental_input_streaming":false}`,
			func(o speech.Options) http.Handler { return elevenlabs.New(o) }, "",
			[]string{"/v1/text-to-speech/v/stream-input", "model_id=eleven_turbo_v2_5", "language_code=de", "output_format=ulaw_8000", `"stability":0.3`, `"similarity_boost":0.7`}},
		{"voice_eleven_labs", `{"voice_id":"v","stability":null,"similarity_boost":7,"model_id":null}`,
			func(o speech.Options) http.Handler { return elevenlabs.New(o) }, "", []string{"eleven_flash_v2_5", `{"text":" "}`}},
		{"voice_openai", `{"voice_id":"echo","model_id":"tts-1","speed":1.5}`, func(o speech.Options) http.Handler { return openaispeech.New(o) }, "/v1",
			[]string{"/v1/audio/speech", `"voice":"echo"`, `"model":"tts-1"`, `"speed":1.5`}},
		{"voice_kokoro", `{}`, func(o speech.Options) http.Handler { return openaispeech.New(o) }, "/v1", []string{`"voice":"af_heart"`, `"model":"kokoro"`}},
		{"voice_deepgram", `{"voice_id":"aura-2-x-de"}`, func(o speech.Options) http.Handler { return deepgramspeak.New(o) }, "", []string{"model=aura-2-x-de", "encoding=mulaw", "sample_rate=8000"}},
		{"voice_deepgram", `{}`, func(o speech.Options) http.Handler { return deepgramspeak.New(o) }, "", []string{"-de&"}},
		{"voice_cartesia", `{"voice_id":"v","model_id":"sonic-9"}`, func(o speech.Options) http.Handler { return cartesia.New(o) }, "",
			[]string{`"id":"v"`, `"model_id":"sonic-9"`, `"language":"de"`, "pcm_mulaw"}},
		{"voice_azure", `{"voice_name":"de-DE-KatjaNeural","pitch":-5,"rate":15}`, func(o speech.Options) http.Handler { return azure.New(o) }, "",
			[]string{`name="de-DE-KatjaNeural"`, `pitch="-5%"`, `rate="+15%"`, `xml:lang="de-DE"`, "one &amp; two"}},
		{"voice_rime", `{"speaker":"luna","model_id":"mist","speed_alpha":0.9}`, func(o speech.Options) http.Handler { return rime.New(o) }, "",
			[]string{"speaker=luna", "modelId=mistv2", "speedAlpha=0.9", "lang=ger", "audioFormat=mulaw"}},
	} {
		t.Run(c.kind+" "+c.config, func(t *testing.T) {
			t.Parallel()
			control := &standin.Control{}
			client, base := synthesizertest.Serve(t, "", nil, c.serve(speech.Options{Control: control, Key: "the key"}))
			d := newVendors().voices[c.kind].open(access{HTTP: client.HTTP, Key: " the key\n", Base: base + c.path},
				choice{Config: support.Taken(c.kind, json.RawMessage(c.config)), Rate: 8000, Language: "de"})
			pcm, _, err := synthesizertest.Collect(t.Context(), t, d, synthesizer.Request{Text: "one & two", Language: "de", Rate: 8000})
			if err != nil || len(pcm) == 0 {
				t.Fatalf("%d samples, error %v", len(pcm), err)
			}
			closers := closers{}
			closers.add(d)
			closers.close()
			e := control.Ledger()[0]
			asked := e.Path + "?" + e.Query.Encode() + "&" + string(slices.Concat(e.Body...))
			for _, part := range c.asked {
				if !strings.Contains(asked, part) {
					t.Errorf("it asked %s, want %s in it", asked, part)
				}
			}
		})
	}
}

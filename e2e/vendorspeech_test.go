package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/softphone"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/model"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/flite"
	"github.com/sidetone/sidetone/transcriber/pocketsphinx"
)

// clinic is the playbook that the stand-ins of models follow.
const clinic = `playbook: clinic
when caller says: parking, park, car
  say: Yes, there is free parking behind the building.
when caller says: opening, hours, open
  say: We are open from eight until six.
otherwise:
  say: I did not understand.
`

// fliteSpeech is the sound of a text by flite at any rate, and where its words lie.
func fliteSpeech(t *testing.T) func(text string, rate int) ([]int16, []synthesizer.Word) {
	voice := flite.New(flite.Options{})
	return func(text string, rate int) ([]int16, []synthesizer.Word) {
		const spoken = 16000
		var pcm []int16
		var words []synthesizer.Word
		for chunk, err := range voice.Speak(t.Context(), synthesizer.Request{Text: text, Rate: spoken}) {
			if err != nil {
				t.Error(err)
				return nil, nil
			}
			pcm = append(pcm, chunk.PCM...)
			for _, w := range chunk.Words {
				w.FromSample, w.ToSample = w.FromSample*int64(rate)/spoken, w.ToSample*int64(rate)/spoken
				words = append(words, w)
			}
		}
		convert, err := audio.NewResampler(spoken, rate)
		if err != nil {
			t.Error(err)
			return nil, nil
		}
		return convert.Flush(convert.Process(nil, pcm)), words
	}
}

// TestVendorsConverseInRealSpeech holds one call with every driver in which people
// could understand each other: flite speaks and pocketsphinx listens behind the
// stand-ins. It is judged by key words: the caller asks twice, because pocketsphinx
// mishears, and of what is said behind comfort noise it understands little.
func TestVendorsConverseInRealSpeech(t *testing.T) {
	t.Parallel()
	listen(t)
	ears, speak := hearing.Speech(pocketsphinx.New(pocketsphinx.Options{MaxStreams: 8})), fliteSpeech(t)
	p := startPartners(t, partnerOptions{ears: ears, speak: speak, model: model.Playbook{}})
	s := start(t, p.env()...)
	calls := []trio{
		{"nova", "openai", "elevenlabs"}, {"flux", "anthropic", "openai"}, {"realtime", "google", "deepgram"},
		{"upload", "openai", "cartesia"}, {"assemblyai", "anthropic", "azure"}, {"nova", "google", "rime"},
	}
	question, _ := speak("What are your opening hours?", 8000)
	prompt, err := json.Marshal(clinic)
	if err != nil {
		t.Fatal(err)
	}
	sideBySide(t, 2, calls, func(who trio) string { return who.recogniser + " " + who.model + " " + who.voice }, func(t *testing.T, who trio) {
		ctx := within(t, 2*time.Minute)
		body := strings.Replace(who.agent(), `"Be kind."`, string(prompt), 1)
		v := s.ringAs(t, ctx, s.placeJSON(t, body), softphone.Phone{Lines: []softphone.Line{{Text: "hours", Sound: question}, {Text: "hours", Sound: question}},
			Wait: 20 * time.Second, Patience: 1500 * time.Millisecond, Length: 40 * time.Second})
		if got := strings.ToLower(textOf(v.events, "caller")); !strings.Contains(got, "open") && !strings.Contains(got, "hours") {
			t.Errorf("understood %q", got)
		}
		if got := strings.ToLower(textOf(v.events, "agent")); !strings.Contains(got, "eight until six") {
			t.Errorf("the agent said %q", got)
		}
		if got := understood(t, ears, silenced(v.heard)); !strings.Contains(got, "hello") || v.heard.loud() < 2 {
			t.Errorf("the caller heard %q in %.1f s of speech", got, v.heard.loud())
		}
		for _, e := range v.call.Errors {
			if !strings.Contains(e, "came late") { // pocketsphinx is slow on a busy machine
				t.Errorf("errors of the call: %q", e)
			}
		}
		if t.Failed() {
			v.log(t)
		}
	})
	p.idle(t)
}

// understood are the words that ears make of a sound, which comes four times as fast as
// it was spoken: a recogniser takes no more.
func understood(t *testing.T, ears hearing.Ears, s sound) string {
	t.Helper()
	ear, err := ears(s.rate)
	if err != nil {
		t.Fatal(err)
	}
	defer ear.Close()
	var words []hearing.Word
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for frame := range slices.Chunk(s.pcm, s.rate/50) {
		<-tick.C
		words = append(words, ear.Write(frame)...)
	}
	var out []string
	for _, w := range append(words, ear.Finish()...) {
		out = append(out, w.Text)
	}
	return strings.Join(out, " ")
}

package elevenlabs_test

import (
	"math"
	"testing"
	"time"

	"github.com/sidetone/sidetone/standin"
	standpkg "github.com/sidetone/sidetone/standin/elevenlabs"
	"github.com/sidetone/sidetone/standin/speech"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/elevenlabs"
	"github.com/sidetone/sidetone/synthesizer/flite"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

// spoken is a driver whose stand-in speaks with a voice of flite, so much louder.
func spoken(t *testing.T, voice string, gain float64) *elevenlabs.Driver {
	t.Helper()
	speak := speech.Spoken(flite.New(flite.Options{Voice: voice}))
	louder := func(text string, rate int) ([]int16, []synthesizer.Word) {
		pcm, words := speak(text, rate)
		for i, s := range pcm {
			pcm[i] = int16(min(max(float64(s)*gain, -32768), 32767))
		}
		return pcm, words
	}
	c, base := synthesizertest.Serve(t, "elevenlabs", nil, standpkg.New(speech.Options{Control: &standin.Control{}, Speak: louder}))
	d := elevenlabs.New(elevenlabs.Options{Client: c, Base: base, Patience: time.Minute})
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// TestRealSpeechConforms: speech keeps the promises on silence and level, too,
// although its level is learnt while it plays.
func TestRealSpeechConforms(t *testing.T) {
	t.Parallel()
	d := spoken(t, "slt", 1.5)
	synthesizertest.Run(t, func(*testing.T) synthesizertest.Harness {
		return synthesizertest.Harness{Driver: d, Text: "Good morning, this is Sunny Hill. The committee will see you at nine.", WordTimes: true, Speech: true}
	})
}

// TestFirstUtterance: a voice that nobody has heard yet is at its level within 1 dB,
// over its first sentences.
func TestFirstUtterance(t *testing.T) {
	t.Parallel()
	for _, voice := range []string{"slt", "rms", "awb"} {
		for _, gain := range []float64{0.3, 1, 2} {
			r := synthesizer.Request{Text: "Hello, this is the Sunny Hill dental office. How can I help you today?", Rate: 8000}
			pcm, _, err := synthesizertest.Collect(t.Context(), t, spoken(t, voice, gain), r)
			if err != nil {
				t.Fatal(err)
			}
			peak, active := synthesizertest.Levels(pcm, r.Rate)
			if math.Abs(active+20) > 1 || peak > -2.9 {
				t.Errorf("%s, gain %v: active speech at %.1f dBFS, peaks at %.1f", voice, gain, active, peak)
			}
		}
	}
}

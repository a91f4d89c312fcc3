package call

import (
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
)

// hearAll feeds pcm in frames of 20 ms and returns the edges with the time they
// point at.
func hearAll(t *testing.T, suppress bool, pcm []int16) (started, ended time.Duration) {
	t.Helper()
	const rate = 8000
	now := time.Duration(0)
	d, err := newDetector(rate, suppress, func(v any) {
		switch v := v.(type) {
		case conversation.SpeechStarted:
			started = now - v.Ago
		case conversation.SpeechEnded:
			ended = now - v.Ago
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for len(pcm) >= rate/50 {
		now += audio.FrameDuration
		d.hear(audio.Frame{PCM: pcm[:rate/50], Rate: rate})
		pcm = pcm[rate/50:]
	}
	return started, ended
}

func TestEdgesPointAtTheSpeechWithAndWithoutNoiseSuppression(t *testing.T) {
	t.Parallel()
	quiet := func(ms int) []int16 { return audio.Noise(audio.WhiteNoise, 8*ms, -60, 3) }
	pcm := append(quiet(2000), audio.SpeechLike(8000, 8*1000, -20, 1)...)
	pcm = append(pcm, quiet(1000)...)
	for _, suppress := range []bool{false, true} {
		started, ended := hearAll(t, suppress, pcm)
		near := 10 * time.Millisecond
		if suppress {
			near = 40 * time.Millisecond
		}
		if d := (started - 2*time.Second).Abs(); d > near {
			t.Errorf("suppress %v: start off by %s", suppress, d)
		}
		if d := (ended - 3*time.Second).Abs(); d > near {
			t.Errorf("suppress %v: end off by %s", suppress, d)
		}
	}
}

package bench

import (
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// Every sentence is spoken by every voice, is long enough to interrupt, and
// holds no pause in which an agent would think that the turn is over.
func TestSpeech(t *testing.T) {
	t.Parallel()
	all, err := speech(t.Context(), bargeInRate)
	if err != nil {
		t.Fatal(err)
	}
	if want := 4 * len(interruptions()); len(all) != want {
		t.Fatalf("%d sounds, want %d", len(all), want)
	}
	for n, pcm := range all {
		const hop = bargeInRate / 100
		level, ok := audio.ActiveLevel(pcm, bargeInRate)
		quiet, longest := 0, 0
		for i := 0; i+hop <= len(pcm); i += hop {
			if quiet++; audio.RMS(pcm[i:i+hop]) > level-25 {
				quiet = 0
			}
			longest = max(longest, quiet)
		}
		if length := audio.Span(int64(len(pcm)), bargeInRate); !ok || length < time.Second || length > 5*time.Second || longest > 30 {
			t.Errorf("sound %d: %v long, level %.0f dBFS, longest pause %d ms", n, length, level, longest*10)
		}
	}
}

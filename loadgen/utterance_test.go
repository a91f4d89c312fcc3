package loadgen

import (
	"math"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// softSentence is speech between two soft hums: below the gate once the speech
// lies at its nominal level.
func softSentence(rate int) (pcm []int16, from, to int) {
	hum := audio.Sine(rate, rate/5, 200, -70)
	voice := audio.SpeechLike(rate, rate, speechLevel, 3)
	pcm = append(append(append(pcm, hum...), voice...), hum...)
	return pcm, len(hum), len(hum) + len(voice)
}

func TestSpokenFindsTheEdges(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000} {
		for _, shift := range []int{0, 1, 37, 79} { // the edges lie anywhere in a hop
			pcm, from, to := softSentence(rate)
			pcm, from, to = pcm[shift:], from-shift, to-shift
			u, ok := spoken(pcm, rate)
			if !ok || len(u.pcm) != len(pcm) {
				t.Fatalf("%d Hz: found %v, %d samples of %d", rate, ok, len(u.pcm), len(pcm))
			}
			// The hop of an edge may hold some of the hum, never as loud as the gate.
			if math.Abs(float64(u.from-from)) > 3 || math.Abs(float64(u.to-to)) > 3 {
				t.Errorf("%d Hz, shifted by %d: voiced from %d to %d, want %d to %d", rate, shift, u.from, u.to, from, to)
			}
			if level, _ := activeLevel(u.pcm, rate); math.Abs(level-utteranceLevel) > 0.2 {
				t.Errorf("%d Hz: active level %.2f dBFS, want %.0f", rate, level, utteranceLevel)
			}
		}
	}
}

func TestSpokenRefusesSilence(t *testing.T) {
	t.Parallel()
	for name, pcm := range map[string][]int16{"nothing": nil, "zeros": make([]int16, 8000)} {
		if _, ok := spoken(pcm, 8000); ok {
			t.Errorf("%s was taken for speech", name)
		}
	}
}

// A burst is timed from its first to its last voiced sample, while what lies
// around them is spoken too.
func TestConversationTimesVoicedSamples(t *testing.T) {
	t.Parallel()
	pcm, from, to := softSentence(8000)
	c := Config{Scenario: ScenarioTurn, Stimuli: [][]int16{pcm}}.withDefaults()
	v := newTestConversation(c, 1)
	v.sounds.bursts = v.sounds.bursts[:1]
	frame := make([]int16, 160)
	var began, first time.Duration
	for now := time.Second; v.endedAt == 0; now += framePeriod {
		clear(frame)
		v.fill(frame, now)
		v.sent(now)
		for i, s := range frame {
			if s != 0 && began == 0 {
				began = now - audio.Span(int64(160-i), 8000)
			}
		}
		if first == 0 {
			first = v.spokeAt
		}
		if now > 10*time.Second {
			t.Fatal("the burst did not end")
		}
	}
	tolerance := time.Millisecond
	if got, want := first-began, audio.Span(int64(from), 8000); (got - want).Abs() > tolerance {
		t.Errorf("the voice is timed %v after the sound begins, want %v", got, want)
	}
	if got, want := v.endedAt-first, audio.Span(int64(to-from), 8000); (got - want).Abs() > tolerance {
		t.Errorf("the voice lasts %v, want %v", got, want)
	}
	if v.cursor >= len(v.burst.pcm) {
		t.Error("the voice ends with the sound, want the hum after it")
	}
}

func TestNoiseLiesBelowSpeech(t *testing.T) {
	t.Parallel()
	stimulus := audio.SpeechLike(8000, 8000, -12, 1)
	for _, snr := range []float64{20, 10} {
		s := newSounds(Config{Scenario: ScenarioBargeIn, Stimuli: [][]int16{stimulus}, SNR: snr}.withDefaults())
		speech, _ := activeLevel(s.bursts[0].pcm, 8000)
		for call := range 4 {
			if got := speech - audio.RMS(s.of(call).noise); math.Abs(got-snr) > 0.3 {
				t.Errorf("call %d: noise lies %.1f dB below speech, want %.0f", call, got, snr)
			}
		}
		if bright(s.of(0).noise) < 1.5*bright(s.of(1).noise) {
			t.Error("the noise of the second call is no darker than that of the first")
		}
		if &s.of(0).noise[0] != &s.of(2).noise[0] {
			t.Error("the third call has a noise of its own")
		}
	}
	if s := newSounds(Config{Scenario: ScenarioBargeIn, Stimuli: [][]int16{stimulus}}.withDefaults()); s.of(0).noise != nil {
		t.Error("noise without SNR")
	}
}

// bright is the energy of the differences between samples over that of the
// samples: high frequencies raise it.
func bright(pcm []int16) float64 {
	var steps, all float64
	for i := 1; i < len(pcm); i++ {
		d := float64(pcm[i]) - float64(pcm[i-1])
		steps, all = steps+d*d, all+float64(pcm[i])*float64(pcm[i])
	}
	return steps / all
}

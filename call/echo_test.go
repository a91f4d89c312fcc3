package call_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// flite returns text in one of flite's voices, at 8 kHz and the level of our
// synthesisers.
func flite(t *testing.T, voice, text string) []int16 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "speech.wav")
	if out, err := exec.CommandContext(t.Context(), "flite", "-voice", voice, "-t", text, "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("flite: %v\n%s", err, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pcm, format, err := audio.ReadWAV(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if format.Rate != 8000 {
		down, err := audio.NewResampler(format.Rate, 8000)
		if err != nil {
			t.Fatal(err)
		}
		pcm = down.Process(nil, pcm)
	}
	audio.Normalize(pcm, 8000)
	return pcm
}

// endless is a voice that says the same sound again and again for a time.
type endless struct {
	sound  []int16
	length time.Duration
}

// Speak implements synthesizer.Driver.
func (e endless) Speak(context.Context, synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	return func(yield func(synthesizer.Chunk, error) bool) {
		for left := audio.Samples(e.length, 8000); left > 0; left -= int64(len(e.sound)) {
			if !yield(synthesizer.Chunk{PCM: e.sound}, nil) {
				return
			}
		}
	}
}

// mirror is a far end whose line returns what it hears: weaker by a gain in
// decibels, late by a delay, through G.711. What the person says is added.
type mirror struct {
	far   *telephonytest.Far
	gain  float64
	delay time.Duration
	says  []int16 // by the sample of the call
}

// run returns frames until the call is over.
func (m mirror) run(t *testing.T) {
	gain := math.Pow(10, m.gain/20)
	m.far.Speak(make([]int16, audio.Samples(m.delay, 8000)))
	for i := 0; ; i++ {
		f, err := m.far.Listen(t.Context(), i)
		if err != nil {
			return
		}
		at := i*len(f.PCM) + int(audio.Samples(m.delay, 8000))
		out := make([]int16, len(f.PCM))
		for k, s := range f.PCM {
			out[k] = int16(float64(s) * gain)
			if at+k < len(m.says) {
				out[k] += m.says[at+k]
			}
		}
		m.far.Speak(audio.DecodeULaw(nil, audio.EncodeULaw(nil, out)))
	}
}

const tale = "Good morning, this is Sunny Hill clinic. We can offer you Thursday at half past nine, or Friday in the afternoon. " +
	"Please bring your insurance card, and a list of the medicines that you take at the moment."

// mirrored runs a call of an agent that speaks all the time to a mirror, and
// returns what was recorded of it, and what the far end heard when.
func mirrored(t *testing.T, voice string, length time.Duration, m mirror) ([]sidetone.Event, []telephonytest.HeardFrame, time.Time) {
	t.Helper()
	sound := flite(t, voice, tale)
	var events []sidetone.Event
	var frames []telephonytest.HeardFrame
	var began time.Time
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.InitialMessage = tale
			w.speaker = endless{sound, length}
		})
		defer w.stop()
		m.far = w.ring()
		<-m.far.Answered()
		began = time.Now()
		done := make(chan struct{})
		go func() { defer close(done); m.run(t) }()
		time.Sleep(length)
		frames = m.far.Heard()
		m.far.Hangup()
		<-done
		_, events = w.result()
	})
	return events, frames, began
}

func TestOwnSoundDoesNotInterruptTheAgent(t *testing.T) {
	t.Parallel()
	cases := []struct {
		voice string
		mirror
	}{
		{"kal16", mirror{gain: -12, delay: 20 * time.Millisecond}},
		{"slt", mirror{gain: -12, delay: 130 * time.Millisecond}},
		{"rms", mirror{gain: -18, delay: 290 * time.Millisecond}},
		{"awb", mirror{gain: -14, delay: 460 * time.Millisecond}},
	}
	length := 150 * time.Second
	if raceDetector {
		length /= 5 // make test has all of it without
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s %g dB %s", c.voice, c.gain, c.delay), func(t *testing.T) {
			t.Parallel()
			events, frames, _ := mirrored(t, c.voice, length, c.mirror)
			if n := len(told(events, sidetone.EventPaused)); n > 0 {
				t.Errorf("the agent paused %d times", n)
			}
			if len(frames) < int(length/audio.FrameDuration)*14/15 {
				t.Errorf("only %d frames were heard", len(frames))
			}
		})
	}
}

// A caller 6 dB above the echo stops the agent within 400 ms, 95 times of 100.
func TestCallerStopsTheAgentOverItsEcho(t *testing.T) {
	t.Parallel()
	const length, every, first = 180 * time.Second, 8 * time.Second, 5 * time.Second
	caller := flite(t, "rms", "Excuse me, could we take another day for that?")
	lead, _ := firstVoiced(caller)
	for i, s := range caller {
		caller[i] = s / 2 // 6 dB above an echo 12 dB down
	}
	m := mirror{gain: -12, delay: 150 * time.Millisecond, says: make([]int16, audio.Samples(length, 8000))}
	var onsets []time.Duration
	for at := first; at+every < length; at += every + 37*time.Millisecond {
		copy(m.says[audio.Samples(at, 8000):], caller)
		onsets = append(onsets, at+audio.Span(int64(lead), 8000))
	}
	_, frames, began := mirrored(t, "slt", length, m)
	var took []time.Duration
	for _, onset := range onsets {
		took = append(took, silentAfter(frames, began.Add(onset))) // the pause of a word is too short to be taken for it
	}
	slices.Sort(took)
	t.Logf("silent after %v", took)
	if got := took[len(took)*95/100]; got > 400*time.Millisecond {
		t.Errorf("the agent was silent after %s in 95 of 100 cases", got)
	}
}

// firstVoiced is the first sample above -40 dBFS.
func firstVoiced(pcm []int16) (int, bool) {
	for i, s := range pcm {
		if s > 327 || s < -327 {
			return i, true
		}
	}
	return 0, false
}

// silentAfter is how long after a moment the last sound of the agent was heard
// before it was silent for a second.
func silentAfter(frames []telephonytest.HeardFrame, from time.Time) time.Duration {
	last := from
	for _, f := range frames {
		if f.At.Before(from) {
			continue
		}
		if f.At.Sub(last) > time.Second {
			break
		}
		if slices.Max(f.PCM) > 0 {
			last = f.At.Add(audio.FrameDuration)
		}
	}
	return last.Sub(from)
}

package call_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// channels is a recorder that keeps both channels of one call in memory, placed
// as on disk. Its calls may be concurrent.
type channels struct {
	mu     sync.Mutex
	stereo *audio.Stereo
	caller []int16
	agent  []int16
}

// record makes the calls of a world recorded into the returned channels; it is
// for worlds with one call.
func (w *world) record(c *call.Config) *channels {
	rec := &channels{}
	w.snapshot.Agent.EnableRecording = true
	c.Recordings = recorders(func(rate int) (call.Recorder, error) {
		var err error
		rec.stereo, err = audio.NewStereo(rate, pairs{rec})
		return rec, err
	})
	return rec
}

// recorders makes recorders with a function.
type recorders func(rate int) (call.Recorder, error)

// Create implements call.Recordings.
func (f recorders) Create(_ string, rate int) (call.Recorder, error) { return f(rate) }
func (f recorders) Resume(_ string, rate int) (call.Recorder, error) { return f(rate) }

// pairs takes the pairs of samples of its channels' recorder.
type pairs struct{ c *channels }

// Write implements audio.SampleWriter.
func (p pairs) Write(pcm []int16) error {
	for i := 0; i+1 < len(pcm); i += 2 {
		p.c.caller, p.c.agent = append(p.c.caller, pcm[i]), append(p.c.agent, pcm[i+1])
	}
	return nil
}

// Caller implements call.Recorder.
func (r *channels) Caller(f audio.Frame, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stereo.WriteCaller(f, at)
}

// Expect implements call.Recorder.
func (r *channels) Expect(d time.Duration) { r.stereo.Expect(d) }

// Agent implements call.Recorder.
func (r *channels) Agent(pcm []int16, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stereo.WriteAgent(pcm, at)
}

// Close implements call.Recorder.
func (r *channels) Close(end time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stereo.Close(end)
}

// Discard implements call.Recorder.
func (r *channels) Discard() error { return nil }

// Path implements call.Recorder.
func (r *channels) Path() string { return "calls/channels.wav" }

const (
	// owedAfter is how long after an announcement the agent owes sound again.
	owedAfter = 8 * time.Second
	// unexplained is the longest silence while the agent owes sound.
	unexplained = 4 * time.Second
	// quiet is the level below which a channel is silent.
	quiet = -50.0
)

// debt follows what the agent owes the caller along a recorded call.
type debt struct {
	owing  bool
	since  time.Duration // from when on silence counts
	worst  time.Duration
	at     time.Duration // where the worst silence ended
	spoken time.Duration // end of the agent's last sound
	from   time.Duration // begin of the agent's last words
}

// owedSilence returns the longest stretch in which both channels are below -50
// dBFS while the agent owes the next sound, and where it ends. The agent owes
// from wait after the caller's last sound until it speaks; 8 s after an
// announcement again; and from the beginning when greets says so. Words of the
// agent's that contain "moment" are an announcement. The channels are at 8 kHz.
func (r *channels) owedSilence(wait time.Duration, greets bool) (worst, at time.Duration) {
	const size = 160
	d := debt{owing: greets}
	for i := 0; i+size <= len(r.agent); i += size {
		now := audio.Span(int64(i+size), 8000)
		switch {
		case i+size <= len(r.caller) && audio.RMS(r.caller[i:i+size]) >= quiet:
			d.owing, d.since = true, now+wait
		case audio.RMS(r.agent[i:i+size]) >= quiet:
			if now-d.spoken > 500*time.Millisecond {
				d.from = now - audio.FrameDuration
			}
			d.spoken, d.owing = now, false
		case !d.owing && d.spoken > 0 && now-d.spoken == 300*time.Millisecond && r.announces(d.from, now):
			d.owing, d.since = true, d.spoken+owedAfter
		case d.owing && now-d.since > d.worst:
			d.worst, d.at = now-d.since, now
		}
	}
	return d.worst, d.at
}

// announces reports whether the agent's last words of a stretch say that
// something is to come.
func (r *channels) announces(from, to time.Duration) bool {
	words := synthesizertest.DecodeWords(r.agent[audio.Samples(max(0, from-100*time.Millisecond), 8000):audio.Samples(to, 8000)], 8000)
	return slices.ContainsFunc(words[max(0, len(words)-3):], func(h synthesizertest.Heard) bool { return strings.HasPrefix(h.Text, "moment") })
}

// checkSilence fails the test when a recorded call was silent for too long. The
// short wait is that of the default dials.
func (r *channels) checkSilence(t *testing.T, greets bool) time.Duration {
	t.Helper()
	if len(r.agent) < 8000 {
		t.Errorf("only %d samples were recorded", len(r.agent))
	}
	worst, at := r.owedSilence(500*time.Millisecond, greets)
	if worst > unexplained {
		t.Errorf("unexplained silence of %s until %s", worst, at)
	}
	return worst
}

func TestOwedSilenceIsFound(t *testing.T) {
	t.Parallel()
	voice := &synthesizertest.Stub{}
	say := func(text string) []int16 {
		pcm, _, err := synthesizertest.Collect(t.Context(), t, voice, synthesizer.Request{Text: text, Rate: 8000})
		if err != nil {
			t.Fatal(err)
		}
		return pcm
	}
	at := func(parts map[time.Duration][]int16) []int16 {
		out := make([]int16, 40*8000)
		for from, pcm := range parts {
			copy(out[audio.Samples(from, 8000):], pcm)
		}
		return out
	}
	cases := map[string]struct {
		caller, agent map[time.Duration][]int16
		greets        bool
		want          time.Duration
	}{
		"nobody owes anything": {agent: map[time.Duration][]int16{0: say("hello")}, greets: true},
		"late greeting":        {agent: map[time.Duration][]int16{3 * time.Second: say("hello")}, greets: true, want: 3 * time.Second},
		"late answer": {
			caller: map[time.Duration][]int16{2 * time.Second: speech(time.Second)},
			agent:  map[time.Duration][]int16{9 * time.Second: say("hello")}, want: 5500 * time.Millisecond,
		},
		"announced": {
			caller: map[time.Duration][]int16{2 * time.Second: speech(time.Second)},
			agent:  map[time.Duration][]int16{6 * time.Second: say("one moment please"), 16 * time.Second: say("hello")},
			want:   2500 * time.Millisecond,
		},
		"announced and forgotten": {
			caller: map[time.Duration][]int16{2 * time.Second: speech(time.Second)},
			agent:  map[time.Duration][]int16{4 * time.Second: say("one moment please"), 30 * time.Second: say("hello")},
			want:   30*time.Second - 4*time.Second - audio.Span(int64(len(say("one moment please"))), 8000) - owedAfter,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := channels{caller: at(c.caller), agent: at(c.agent)}
			if got, _ := r.owedSilence(500*time.Millisecond, c.greets); (got - c.want).Abs() > 60*time.Millisecond {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Recorded calls with slow, dying and dead parts: the caller asks twice and is
// never left in silence.
func TestRecordedCallsHaveNoUnexplainedSilence(t *testing.T) {
	t.Parallel()
	slow := func(d time.Duration) llmtest.Answer {
		return llmtest.Answer{Deltas: []string{"here you are"}, Delay: d}
	}
	cases := map[string]func(w *world, dead <-chan struct{}){
		"all is well": func(w *world, _ <-chan struct{}) { w.model.Queue(slow(0), slow(0)) },
		"slow model": func(w *world, _ <-chan struct{}) {
			w.model.Queue(slow(2400*time.Millisecond), slow(2800*time.Millisecond))
		},
		"slower model": func(w *world, _ <-chan struct{}) {
			w.model.Queue(slow(6*time.Second), slow(6*time.Second), slow(7*time.Second))
		},
		"dead model": func(w *world, dead <-chan struct{}) {
			for range 10 {
				w.model.Queue(llmtest.Answer{Deltas: []string{"never"}, Gate: dead})
			}
		},
		"model that dies midway": func(w *world, dead <-chan struct{}) {
			w.model.Queue(llmtest.Answer{Deltas: []string{"here is the first. ", "never"}, Pace: time.Hour}, slow(0), slow(0))
		},
		"slow voice":   func(w *world, _ <-chan struct{}) { w.voice.Delay = 1500 * time.Millisecond },
		"slower voice": func(w *world, _ <-chan struct{}) { w.voice.Delay = 2500 * time.Millisecond },
		"slow model and voice": func(w *world, _ <-chan struct{}) {
			w.voice.Delay = 1200 * time.Millisecond
			w.model.Queue(slow(2*time.Second), slow(2*time.Second), slow(2*time.Second))
		},
		"halting voice":   func(w *world, _ <-chan struct{}) { w.voice.Pace = 900 * time.Millisecond },
		"mute recogniser": func(w *world, _ <-chan struct{}) { w.ears.Mute(true) },
	}
	for name, adjust := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dead := make(chan struct{})
				w := newWorld(t, func(w *world, c *call.Config) {
					c.Phrases = call.NewPhrases()
					w.snapshot.Agent.InitialMessage = "hello"
					w.ears.Otherwise = "where is my parcel"
					w.recorded = true
					adjust(w, dead)
				})
				defer w.stop()
				far := w.ring()
				<-far.Answered()
				time.Sleep(5 * time.Second)
				asks(far)
				time.Sleep(15 * time.Second)
				asks(far)
				time.Sleep(25 * time.Second)
				far.Hangup()
				w.result()
			})
		})
	}
}

// asks lets the caller say something, unless the call is over.
func asks(far *telephonytest.Far) {
	select {
	case <-far.Gone():
	default:
		far.Speak(speech(900 * time.Millisecond))
	}
}

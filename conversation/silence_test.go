package conversation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A caller who asks and waits hears something within 4 s of the end of the
// wait, whatever the model, the voice and the recogniser do; and behind an
// announcement at the latest after 8 s plus a moment.
func TestNoUnexplainedSilence(t *testing.T) {
	t.Parallel()
	var worstFirst, worstGap time.Duration
	for delay := time.Duration(0); delay <= 14*time.Second; delay += 250 * ms {
		for _, voice := range []time.Duration{100 * ms, 2 * time.Second, time.Hour} {
			for _, final := range []time.Duration{300 * ms, time.Hour} {
				name := fmt.Sprintf("model %v, voice %v, final %v", delay, voice, final)
				first, gap := longestSilence(t, delay, voice, final)
				worstFirst, worstGap = max(worstFirst, first), max(worstGap, gap)
				if first > 4*time.Second || gap > 8200*ms {
					t.Errorf("%s: %v before the first sound, %v between sounds", name, first, gap)
				}
			}
		}
	}
	t.Logf("worst: %v before the first sound, %v between sounds", worstFirst, worstGap)
}

// A caller whose process dies hears the one that goes on within 4 s, and behind that never
// waits longer than in any other call; whatever was going on. Who asked before gets the
// answer.
func TestNoUnexplainedSilenceAfterTheProcessDied(t *testing.T) {
	t.Parallel()
	var worst time.Duration
	for died := 1200 * ms; died <= 12*time.Second; died += 170 * ms {
		for _, model := range []time.Duration{300 * ms, 2 * time.Second, 6 * time.Second} {
			for _, voice := range []time.Duration{100 * ms, 2 * time.Second, time.Hour} {
				for _, outage := range []time.Duration{time.Second, 15 * time.Second} {
					name := fmt.Sprintf("died at %v for %v, model %v, voice %v", died, outage, model, voice)
					m, gap, ends := afterTheProcessDied(died, outage, model, voice)
					worst = max(worst, gap)
					if gap > 8200*ms {
						t.Errorf("%s: silent for %v", name, gap)
					}
					if first := ends[0]; first > 4*time.Second {
						t.Errorf("%s: the first sound ended %v after it", name, first)
					}
					answered := slices.ContainsFunc(m.History(), func(m Message) bool { return strings.HasSuffix(m.Text, "That is easy to answer.") })
					if !answered && died > 1900*ms && voice < time.Hour {
						t.Errorf("%s: no answer: %v", name, m.History())
					}
				}
			}
		}
	}
	t.Logf("worst: %v between sounds", worst)
}

// afterTheProcessDied plays a turn whose process dies and returns the longest silence since
// another one goes on, and when after that each sound ended.
func afterTheProcessDied(died, outage, model, voice time.Duration) (m *Machine, gap time.Duration, ends []time.Duration) {
	s := &stage{m: New(Config{IdleTime: time.Hour}), model: model, voice: voice, cached: 50 * ms, filler: 50 * ms, timers: map[Timer]Arm{}}
	s.events = []event{
		{0, MediaStarted{}}, {1080 * ms, SpeechStarted{Ago: 80 * ms}}, {1900 * ms, Heard{Text: "what is it"}},
		{2200 * ms, SpeechEnded{Ago: 200 * ms, Length: time.Second}}, {2300 * ms, Heard{Text: "what is it", Final: true, Flushed: true}},
	}
	s.run(died, func(_, _ time.Duration) {})
	s.events, s.queue, s.now = nil, nil, died+outage
	s.step(Resumed{Until: died})
	since := s.now
	s.run(s.now+40*time.Second, func(from, to time.Duration) {
		gap = max(gap, from-since)
		since = to
		ends = append(ends, to-died-outage)
	})
	return s.m, gap, ends
}

// stage is a call on a clock of 10 ms: a caller who asks once, a model, and a
// voice whose sounds take a second each.
type stage struct {
	m              *Machine
	now            time.Duration
	model, voice   time.Duration
	cached, filler time.Duration // when what may come from the cache has sound, and a filler
	timers         map[Timer]Arm
	events         []event
	queue          []*clip
	says           []Say
}

// clip is an utterance in the playout.
type clip struct {
	utt             uint64
	ready, left     time.Duration
	whole           time.Duration
	voiced, audible bool
}

type event struct {
	at time.Duration
	in Input
}

// run plays until end and tells every sound's begin and end.
func (s *stage) run(end time.Duration, heard func(from, to time.Duration)) {
	from := time.Duration(0)
	for ; s.now < end; s.now += 10 * ms {
		for i := 0; i < len(s.events); i++ {
			if e := s.events[i]; e.at <= s.now {
				s.events = slices.Delete(s.events, i, i+1)
				i--
				s.step(e.in)
			}
		}
		for _, name := range timerNames() {
			if a, ok := s.timers[name]; ok && a.At <= s.now {
				delete(s.timers, name)
				s.step(TimerFired{Name: name, Epoch: a.Epoch})
			}
		}
		for _, c := range slices.Clone(s.queue) {
			if !c.voiced && c.ready <= s.now {
				c.voiced = true
				s.step(Voiced{Utt: c.utt, Total: time.Second, Done: true})
			}
		}
		if len(s.queue) == 0 || !s.queue[0].voiced {
			continue
		}
		c := s.queue[0]
		if !c.audible {
			c.audible, from = true, s.now
			s.step(Audible{Utt: c.utt})
		}
		if c.left -= 10 * ms; c.left <= 0 {
			s.queue = s.queue[1:]
			heard(from, s.now)
			s.step(Played{Utt: c.utt})
		}
	}
}

func (s *stage) step(in Input) {
	for _, o := range slices.Clone(s.m.Step(s.now, in)) {
		switch o := o.(type) {
		case Arm:
			s.timers[o.Name] = o
		case Disarm:
			delete(s.timers, o.Name)
		case AskModel:
			if !o.Hedge {
				s.events = append(s.events, event{s.now + s.model, ModelText{Gen: o.Gen, Text: "That is easy to answer."}},
					event{s.now + s.model, ModelDone{Gen: o.Gen}})
			}
		case StopPlayout:
			s.queue = nil
			defer s.step(Stopped{})
		case Say:
			s.say(o)
		case Unsay:
			s.queue = slices.DeleteFunc(s.queue, func(c *clip) bool { return c.utt == o.Utt })
		}
	}
}

func (s *stage) say(o Say) {
	s.says = append(s.says, o)
	after := s.voice
	if o.Cached {
		after = s.cached
	}
	if o.Text == s.m.cfg.Phrases.Filler {
		after = s.filler
	}
	i := slices.IndexFunc(s.queue, func(c *clip) bool { return c.utt == o.Ahead })
	if i < 0 {
		i = len(s.queue)
	}
	s.queue = slices.Insert(s.queue, i, &clip{utt: o.Utt, ready: s.now + after, left: time.Second})
}

// longestSilence plays one turn and returns how long after the end of the wait
// the first sound came, and the longest silence after that until the call's end
// or 40 s.
func longestSilence(t *testing.T, model, voice, final time.Duration) (first, gap time.Duration) {
	t.Helper()
	const owed = 2500 * ms
	s := &stage{m: New(Config{IdleTime: time.Hour}), model: model, voice: voice, cached: 50 * ms, filler: 50 * ms, timers: map[Timer]Arm{}}
	s.events = []event{
		{0, MediaStarted{}}, {1080 * ms, SpeechStarted{Ago: 80 * ms}},
		{2200 * ms, SpeechEnded{Ago: 200 * ms, Length: time.Second}},
		{2000*ms + final, Heard{Text: "what is it", Final: true, Flushed: true}},
	}
	if final == time.Hour {
		s.events = append([]event{{1900 * ms, Heard{Text: "what is it"}}}, s.events...)
	}
	silentSince, heard := time.Duration(0), false
	s.run(40*time.Second, func(from, to time.Duration) {
		if !heard {
			first, heard = from-owed, true
		} else {
			gap = max(gap, from-silentSince)
		}
		silentSince = to
	})
	if !heard {
		t.Errorf("model %v, voice %v: nothing was ever heard", model, voice)
	}
	return first, gap
}

// A voice that is slow, but not dead, says everything: its synthesis is not
// thrown away for another try, and the caller is told to wait when that can be
// said.
func TestSlowVoiceIsAwaited(t *testing.T) {
	t.Parallel()
	const greeting, wait = "Hello, this is the surgery.", "One moment, please."
	cases := []struct {
		name          string
		voice, cached time.Duration
		want          []string // what is said
		heard         int      // and how many of that
	}{
		{"in time", 2900 * ms, 2900 * ms, []string{greeting}, 1},
		{"late, nothing is prepared", 5 * time.Second, 5 * time.Second, []string{greeting, wait}, 1},
		{"very late, nothing is prepared", 5900 * ms, 5900 * ms, []string{greeting, wait}, 1},
		{"as good as dead", 11900 * ms, 11900 * ms, []string{greeting, wait, greeting}, 1},
		{"late, the wait is announced", 5 * time.Second, 50 * ms, []string{greeting, wait}, 2},
	}
	for _, c := range cases {
		s := &stage{m: New(Config{IdleTime: time.Hour, Greeting: greeting}), voice: c.voice, cached: c.voice, filler: c.cached, timers: map[Timer]Arm{}}
		s.events = []event{{0, MediaStarted{}}}
		sounds := 0
		s.run(20*time.Second, func(_, _ time.Duration) { sounds++ })
		var said []string
		for _, o := range s.says {
			said = append(said, o.Text)
		}
		if !slices.Equal(said, c.want) || sounds != c.heard {
			t.Errorf("%s: said %q and %d sounds were heard, want %q and %d", c.name, said, sounds, c.want, c.heard)
		}
		if h := s.m.History(); len(h) != 1 || !strings.HasSuffix(h[0].Text, greeting) {
			t.Errorf("%s: history %v", c.name, h)
		}
	}
}

// A voice that delivers half as fast as its sound lasts is heard to the end: the agent
// does not interrupt itself to tell the caller to wait. One that stops for longer than
// the caller may wait is still given up, and so is one that delivers next to nothing.
func TestVoiceSlowerThanItsSoundIsNotInterrupted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sound time.Duration // in each second
		stops int           // after how many seconds of delivery
		want  time.Duration // when it is interrupted
	}{"to the end": {500 * ms, 20, 0}, "until it stops": {500 * ms, 8, 10500 * ms}, "next to nothing": {20 * ms, 20, 3 * time.Second}} {
		m, now := New(Config{IdleTime: time.Hour, Greeting: "Hello, this is the surgery."}), time.Duration(0)
		utt, interrupted := uint64(0), time.Duration(0)
		armed := map[Timer]Arm{}
		step := func(in Input) {
			for _, o := range slices.Clone(m.Step(now, in)) {
				switch o := o.(type) {
				case Say:
					utt = max(utt, o.Utt)
				case StopPlayout:
					interrupted = now
				case Arm:
					armed[o.Name] = o
				case Disarm:
					delete(armed, o.Name)
				}
			}
		}
		step(MediaStarted{})
		first := utt
		for ; now < 20*time.Second && interrupted == 0; now += 100 * ms {
			if a, ok := armed[timerVoice]; ok && a.At <= now {
				delete(armed, timerVoice)
				step(TimerFired{Name: timerVoice, Epoch: a.Epoch})
			}
			if n := int(now / time.Second); now%time.Second == 0 && n < c.stops {
				step(Voiced{Utt: first, Total: time.Duration(n+1) * c.sound})
			}
			if now == 0 {
				step(Audible{Utt: first})
			}
		}
		if interrupted.Truncate(500*ms) != c.want {
			t.Errorf("%s: interrupted after %v, want %v", name, interrupted, c.want)
		}
	}
}

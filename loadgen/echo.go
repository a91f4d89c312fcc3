package loadgen

import (
	"time"

	"github.com/sidetone/sidetone/audio"
)

// clickLength is the length of a click: long enough to survive G.722.
const clickLength = 500 * time.Microsecond

// Click is one click that was sent.
type Click struct {
	// Call is the index of the call it was sent in.
	Call int `json:"call"`
	// Sample is its position in what the call sent, in samples of the sender's
	// clock at SampleRate a second.
	Sample int64 `json:"sample"`
	// SampleRate is the codec's sampling rate.
	SampleRate int `json:"sample_rate"`
	// SinceAnswer is when its first sample was due, after the arrival of the
	// 200, in seconds of real time: the send time of its packet plus its place
	// within.
	SinceAnswer float64 `json:"since_answer_s"`
	// Echoed is the time until the click came back, in seconds; zero: it did
	// not before the next one.
	Echoed float64 `json:"echoed_s,omitempty"`
	// UnixNano is the moment of SinceAnswer on the wall clock.
	UnixNano int64 `json:"unix_nano"`
}

// talker speaks all the time, with clicks at fixed distances, and finds the
// clicks in what comes back.
type talker struct {
	clock    clock
	sounds   sounds
	rate     int
	index    int
	answered time.Duration
	phase    int
	// every is the distance of clicks in samples; zero: no clicks.
	every int64
	// silent leaves out the speech between the clicks.
	silent bool

	position int64
	next     int64
	click    int // place of a click in the frame filled last, or -1
	clicked  time.Duration
	awaiting bool
	clicks   []Click
	rtt      []time.Duration
}

// newTalker returns a talker for call index.
func newTalker(c Config, clk clock, s sounds, index int) *talker {
	rate := c.Codec.rate()
	return &talker{
		clock: clk, sounds: s, rate: rate, index: index, phase: index * 1237,
		every: audio.Samples(c.ClickEvery, rate), silent: c.Scenario == ScenarioClock,
		// The first click comes at a place of its own in every call, so that
		// calls do not click together.
		next: audio.Samples(c.ClickEvery, rate)/2 + int64(index*97%rate),
	}
}

func (t *talker) fill(pcm []int16, _ time.Duration) {
	if !t.silent {
		mix(pcm, t.sounds.loop, t.phase+int(t.position))
	}
	mix(pcm, t.sounds.noise, t.phase+int(t.position))
	t.click = -1
	length := audio.Samples(clickLength, t.rate)
	if end := t.position + int64(len(pcm)); t.every > 0 && t.next < end {
		// A click is never split over two packets.
		t.click = int(min(t.next-t.position, int64(len(pcm))-length))
		for i := range length {
			pcm[t.click+int(i)] = clickLevel
		}
		t.next += t.every
	}
	t.position += int64(len(pcm))
}

func (t *talker) sent(at time.Duration) {
	if t.click < 0 {
		return
	}
	t.clicked = at + audio.Span(int64(t.click), t.rate)
	t.awaiting = true
	frame := int64(t.rate) * int64(framePeriod) / int64(time.Second)
	t.clicks = append(t.clicks, Click{
		Call: t.index, Sample: t.position - frame + int64(t.click), SampleRate: t.rate,
		SinceAnswer: (t.clicked - t.answered).Seconds(), UnixNano: t.clock.wall(t.clicked).UnixNano(),
	})
}

func (t *talker) heard(pcm []int16, at time.Duration) {
	if !t.awaiting {
		return
	}
	for i, s := range pcm {
		if s >= clickFound {
			t.awaiting = false
			after := at + audio.Span(int64(i), t.rate) - t.clicked
			t.rtt = append(t.rtt, after)
			t.clicks[len(t.clicks)-1].Echoed = after.Seconds()
			return
		}
	}
}

func (t *talker) done() bool { return false }

func (t *talker) report(all *tally) {
	all.rtt = append(all.rtt, t.rtt...)
	if t.silent {
		all.clicks = append(all.clicks, t.clicks...)
	}
}

package audio

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// memorySamples keeps what a Stereo writes.
type memorySamples struct {
	pairs []int16
	err   error
}

func (m *memorySamples) Write(pcm []int16) error {
	if m.err != nil {
		return m.err
	}
	m.pairs = append(m.pairs, pcm...)
	return nil
}

// channel returns one of the two channels.
func (m *memorySamples) channel(n int) []int16 {
	out := make([]int16, 0, len(m.pairs)/2)
	for i := n; i < len(m.pairs); i += 2 {
		out = append(out, m.pairs[i])
	}
	return out
}

func newStereo(t testing.TB, rate int) (*Stereo, *memorySamples) {
	t.Helper()
	out := &memorySamples{}
	s, err := NewStereo(rate, out)
	if err != nil {
		t.Fatal(err)
	}
	return s, out
}

// clicks returns where pcm leaves silence by a click, in milliseconds.
func clicks(pcm []int16, rate int) (at []float64) {
	last := -rate
	for i, s := range pcm {
		if (s > 8000 || s < -8000) && i-last > rate/10 {
			at = append(at, float64(i)*1000/float64(rate))
			last = i
		}
	}
	return at
}

// driftingPeer plays a peer whose clock runs ppm fast and which clicks every
// second of its own time, over a network with jitter and loss, beside an agent
// who clicks every second of ours.
type driftingPeer struct {
	rate        int
	ppm         float64
	jitter      func(*rand.Rand) float64 // milliseconds
	loss        float64
	noise       float64
	dtx         bool
	stalls      bool          // the machine stands still for 90 ms every 7 s, from the start on
	silentFrom  time.Duration // a hold: nothing is sent in this stretch
	silentUntil time.Duration
}

// awake returns when the machine gets to do what is due at ms milliseconds.
func (p driftingPeer) awake(ms float64) float64 {
	const every, length = 7000.0, 90.0
	if into := math.Mod(ms, every); p.stalls && into < length {
		return ms - into + length
	}
	return ms
}

// play runs the call and returns the true times in ms of the clicks that were
// received, and the recording.
func (p driftingPeer) play(t *testing.T, length time.Duration) ([]float64, *memorySamples) {
	t.Helper()
	s, out := newStereo(t, p.rate)
	random := rand.New(rand.NewPCG(uint64(p.rate), math.Float64bits(p.ppm)))
	const networkDelay = 30.0
	frame, silence := make([]int16, p.rate/50), make([]int16, p.rate/50)
	step := 20 / (1 + p.ppm/1e6) // ms of our time that one of its frames takes
	var truth []float64
	lastArrival, slot := 0.0, 0
	for n := 0; ; n++ {
		sent := float64(n+1) * step // the frame's end
		if sent > length.Seconds()*1000 {
			break
		}
		arrived := max(p.awake(sent+networkDelay+p.jitter(random)), lastArrival)
		lastArrival = arrived
		for ; float64(slot*20) <= arrived; slot++ {
			sound := silence
			if slot%50 == 25 {
				sound = slices.Clone(silence)
				sound[0] = 20000
			}
			s.WriteAgent(sound, time.Duration(slot)*tick)
		}
		for i := range frame {
			frame[i] = int16(random.NormFloat64() * p.noise)
		}
		click := n%50 == 10
		if click {
			frame[0] = 20000
		}
		held := sent >= float64(p.silentFrom.Milliseconds()) && sent < float64(p.silentUntil.Milliseconds())
		if random.Float64() < p.loss || p.dtx && n%50 > 20 || held {
			continue
		}
		if click {
			truth = append(truth, sent-step)
		}
		f := Frame{PCM: frame, Rate: p.rate, Offset: int64(n * len(frame))}
		s.WriteCaller(f, time.Duration(arrived*1e6))
	}
	if err := s.Close(length); err != nil {
		t.Fatal(err)
	}
	return truth, out
}

func TestStereoAlignsADriftingPeer(t *testing.T) {
	t.Parallel()
	none := func(*rand.Rand) float64 { return 0 }
	uniform := func(r *rand.Rand) float64 { return r.Float64() * 30 }
	heavy := func(r *rand.Rand) float64 { return min(r.ExpFloat64()*15, 200) }
	for _, peer := range []driftingPeer{
		{rate: 8000, ppm: 0, jitter: none},
		{rate: 8000, ppm: 200, jitter: none},
		{rate: 8000, ppm: -200, jitter: none},
		{rate: 8000, ppm: 200, jitter: uniform, loss: 0.03},
		{rate: 16000, ppm: -200, jitter: uniform, loss: 0.03},
		{rate: 16000, ppm: 200, jitter: heavy, loss: 0.05, dtx: true},
		{rate: 8000, ppm: 200, jitter: uniform, stalls: true},
		{rate: 8000, ppm: -200, jitter: uniform, stalls: true},
		{rate: 8000, ppm: 200, jitter: uniform, noise: 300},
		{rate: 8000, ppm: -200, jitter: heavy, noise: 300, silentFrom: 40 * time.Second, silentUntil: 100 * time.Second},
	} {
		t.Run(fmt.Sprintf("%d Hz %+.0f ppm noise %.0f dtx %v stalls %v hold %v", peer.rate, peer.ppm, peer.noise, peer.dtx, peer.stalls, peer.silentUntil), func(t *testing.T) {
			t.Parallel()
			truth, out := peer.play(t, 3*time.Minute)
			got := clicks(out.channel(0), peer.rate)
			ours := clicks(out.channel(1), peer.rate)
			if len(got) != len(truth) || len(ours) != 180 {
				t.Fatalf("%d clicks of %d received, %d of 180 sent", len(got), len(truth), len(ours))
			}
			// One base: the caller's clicks against ours, apart from the
			// network's shortest delay.
			zero := ours[0] - 500
			worst, worstOurs := 0.0, 0.0
			for i := range truth {
				worst = max(worst, math.Abs(got[i]-zero-truth[i]-30))
			}
			for i := range ours {
				worstOurs = max(worstOurs, math.Abs(ours[i]-zero-float64(500+1000*i)))
			}
			first, last := got[0]-zero-truth[0]-30, got[len(got)-1]-zero-truth[len(got)-1]-30
			t.Logf("caller: first %+.1f ms, last %+.1f ms, worst %.1f ms; agent: worst %.1f ms", first, last, worst, worstOurs)
			if worst > 20 || worstOurs > 5 {
				t.Errorf("caller off by %.1f ms, agent by %.1f ms", worst, worstOurs)
			}
			if n := len(out.pairs) / 2; n != 180*peer.rate {
				t.Errorf("%d samples, want %d", n, 180*peer.rate)
			}
		})
	}
}

func TestStereoCorrectsInSilenceOnly(t *testing.T) {
	t.Parallel()
	const rate = 8000
	s, out := newStereo(t, rate)
	// Pauses and speech of a second each from a peer 200 ppm fast: inside of
	// the speech no sample may be lost or doubled.
	speech := sineWave(211, rate, 1)
	for n := range 3000 {
		frame := make([]int16, 160)
		if at := n%100 - 50; at >= 0 {
			copy(frame, speech[at*160:])
		}
		end := float64(n+1) * 20 / 1.0002
		s.WriteCaller(Frame{PCM: frame, Rate: rate, Offset: int64(n * 160)}, time.Duration(end*1e6))
	}
	if err := s.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	left := out.channel(0)
	whole := 0
	for i := 0; i+len(speech) <= len(left); i++ {
		if left[i] == 0 && left[i+1] == speech[1] && slices.Equal(left[i:i+len(speech)], speech) {
			whole++
			i += len(speech)
		}
	}
	if whole != 30 {
		t.Errorf("%d of 30 seconds of speech are whole", whole)
	}
}

// What turns out in the middle of sound to be in the wrong place moves by no more
// than a millisecond a second.
func TestStereoMovesSoundSlowly(t *testing.T) {
	t.Parallel()
	const rate, frames = 8000, 500
	s, out := newStereo(t, rate)
	sound := Noise(WhiteNoise, frames*160, -20, 1)
	clear(sound[:25*160])
	for n := range frames {
		arrived := time.Duration(n+1) * tick
		if n < 25 {
			arrived += 60 * time.Millisecond
		}
		s.WriteCaller(Frame{PCM: sound[n*160:][:160], Rate: rate, Offset: int64(n * 160)}, arrived)
	}
	if err := s.Close(11 * time.Second); err != nil {
		t.Fatal(err)
	}
	left, last := out.channel(0), sound[len(sound)-100:]
	moved := -1
	for i := range 80 {
		if at := len(sound) + (60-i)*rate/1000 - 100; slices.Equal(left[at:at+100], last) {
			moved = i
		}
	}
	if moved < 8 || moved > 10 {
		t.Errorf("the last of 9.5 s of sound lies %d ms earlier than the first, want 9", moved)
	}
}

func TestStereoLossLeavesSilence(t *testing.T) {
	t.Parallel()
	const rate = 8000
	s, out := newStereo(t, rate)
	loud := slices.Repeat([]int16{5000}, 160)
	for n := range 500 {
		arrived := time.Duration(n+1) * tick
		f := Frame{PCM: loud, Rate: rate, Offset: int64(n * 160), Missing: n%10 == 3}
		if f.Missing {
			arrived = 0
		}
		s.WriteCaller(f, arrived)
	}
	if err := s.Close(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	left := out.channel(0)
	for i, v := range left {
		want := int16(5000)
		if i/160%10 == 3 {
			want = 0
		}
		if v != want {
			t.Fatalf("sample %d is %d, want %d", i, v, want)
		}
	}
	if len(left) != 80000 || s.Late() != 0 {
		t.Errorf("%d samples, %d late", len(left), s.Late())
	}
}

func TestStereoAgentPauses(t *testing.T) {
	t.Parallel()
	const rate = 8000
	s, out := newStereo(t, rate)
	loud := slices.Repeat([]int16{5000}, 160)
	for n := range 50 {
		s.WriteAgent(loud, time.Duration(n)*tick)
	}
	for n := range 50 { // after a pause of 90 s, on hold
		s.WriteAgent(loud, 91*time.Second+time.Duration(n)*tick)
	}
	if err := s.Close(93 * time.Second); err != nil {
		t.Fatal(err)
	}
	right := out.channel(1)
	for _, probe := range []struct {
		at   float64
		want int16
	}{{0, 5000}, {0.99, 5000}, {1.01, 0}, {90.99, 0}, {91.01, 5000}, {91.99, 5000}, {92.01, 0}} {
		if got := right[int(probe.at*rate)]; got != probe.want {
			t.Errorf("at %.2f s: %d, want %d", probe.at, got, probe.want)
		}
	}
	if len(right) != 93*rate {
		t.Errorf("%d samples, want %d", len(right), 93*rate)
	}
}

func TestStereoConvertsTheCallersRate(t *testing.T) {
	t.Parallel()
	const rate = 16000
	s, out := newStereo(t, rate)
	frame := func(rate int, click bool) []int16 {
		pcm := make([]int16, rate/50)
		if click {
			for i := range rate / 500 {
				pcm[i] = 20000
			}
		}
		return pcm
	}
	for n := range 400 {
		from := 16000
		if n >= 200 {
			from = 8000
		}
		f := Frame{PCM: frame(from, n%50 == 25), Rate: from, Offset: int64(n * from / 50)}
		s.WriteCaller(f, time.Duration(n+1)*tick)
	}
	if err := s.Close(8 * time.Second); err != nil {
		t.Fatal(err)
	}
	got := clicks(out.channel(0), rate)
	if len(got) != 8 {
		t.Fatalf("%d clicks, want 8", len(got))
	}
	for i, at := range got {
		if want := 500 + 1000*float64(i); math.Abs(at-want) > 2 {
			t.Errorf("click %d at %.1f ms, want %.0f", i, at, want)
		}
	}
}

func TestStereoWritesWAVInTime(t *testing.T) {
	t.Parallel()
	file := &faultyFile{}
	w, err := NewWAVWriter(file, WAVFormat{16000, 2})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStereo(16000, w)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		s.WriteAgent(make([]int16, 320), time.Duration(n)*tick)
		if n < 130 {
			continue
		}
		got, _, err := ReadWAV(bytes.NewReader(file.bytes))
		if missing := (n+1)*320 - len(got)/2; err != nil || missing > 16000*5/2 {
			t.Fatalf("after %d frames %d samples are not in the file (error %v)", n, missing, err)
		}
	}
	file.full = true
	for n := range 300 {
		s.WriteAgent(make([]int16, 320), time.Duration(300+n)*tick)
	}
	if s.Err() == nil || s.Close(12*time.Second) == nil {
		t.Error("a full disk goes unnoticed")
	}
}

func TestStereoStrayFrames(t *testing.T) {
	t.Parallel()
	s, out := newStereo(t, 8000)
	pcm := slices.Repeat([]int16{1000}, 160)
	s.WriteCaller(Frame{PCM: pcm}, time.Second)
	s.WriteCaller(Frame{PCM: pcm, Rate: 8000}, time.Second)
	s.WriteCaller(Frame{PCM: pcm, Rate: 7, Offset: 160}, time.Second)
	s.WriteCaller(Frame{PCM: pcm, Rate: 8000, Offset: math.MaxInt64 / 4}, time.Second)
	s.WriteCaller(Frame{PCM: pcm, Rate: 8000, Offset: -1 << 40}, time.Second)
	s.WriteAgent(pcm, 1000*time.Hour)
	s.WriteAgent(nil, 2*time.Second)
	if err := s.Close(3 * time.Second); err != nil {
		t.Fatal(err)
	}
	if n := len(out.pairs) / 2; n != 24000 {
		t.Errorf("%d samples, want 3 s", n)
	}
	if _, err := NewStereo(100, out); err == nil {
		t.Error("a rate of 100 is accepted")
	}
}

// Not parallel: testing.AllocsPerRun demands it.
func TestStereoDoesNotAllocate(t *testing.T) {
	s, err := NewStereo(8000, discardSamples{})
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]int16, 160)
	n := 0
	if got := testing.AllocsPerRun(500, func() {
		at := time.Duration(n) * tick
		s.WriteAgent(frame, at)
		s.WriteCaller(Frame{PCM: frame, Rate: 8000, Offset: int64(n * 160)}, at)
		n++
	}); got != 0 {
		t.Errorf("%v allocations for a frame, want none", got)
	}
}

type discardSamples struct{}

func (discardSamples) Write([]int16) error { return nil }

func BenchmarkStereoFrame(b *testing.B) {
	w, err := NewWAVWriter(discardAt{}, WAVFormat{8000, 2})
	if err != nil {
		b.Fatal(err)
	}
	s, err := NewStereo(8000, w)
	if err != nil {
		b.Fatal(err)
	}
	frame := sineWave(300, 8000, 0.02)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		at := time.Duration(n) * tick
		s.WriteAgent(frame, at)
		s.WriteCaller(Frame{PCM: frame, Rate: 8000, Offset: int64(n * 160)}, at)
		n++
	}
}

type discardAt struct{}

func (discardAt) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// What the caller said before the answer is written in one go, when the agent's sound of
// later times has been written: it lies where it was said.
func TestStereoOfSoundThatIsExpected(t *testing.T) {
	t.Parallel()
	for _, early := range []time.Duration{100 * time.Millisecond, 700 * time.Millisecond, 2 * time.Second} {
		for _, agentFirst := range []int{0, 3, 20} {
			s, out := newStereo(t, 8000)
			s.Expect(early)
			frame := func(v int16) []int16 {
				pcm := make([]int16, 160)
				for i := range pcm {
					pcm[i] = v
				}
				return pcm
			}
			frames := int(early / FrameDuration)
			next := 0
			hear := func() {
				s.WriteCaller(Frame{PCM: frame(int16(1000 + next)), Rate: 8000, Offset: int64(160 * next)}, time.Duration(next+1)*FrameDuration)
				next++
			}
			for n := range 100 {
				s.WriteAgent(frame(int16(-1000-n)), early+time.Duration(n)*FrameDuration)
				for n >= agentFirst && next < frames+n {
					hear()
				}
			}
			if err := s.Close(early + 2*time.Second); err != nil || s.Late() != 0 {
				t.Errorf("%v: %v, %d samples too late", early, err, s.Late())
			}
			caller, agent := out.channel(0), out.channel(1)
			for n := range frames + 99 {
				if got := caller[160*n+80]; got != int16(1000+n) {
					t.Fatalf("%v, %d frames first: frame %d of the caller holds %d", early, agentFirst, n, got)
				}
			}
			for n := range 100 {
				if got := agent[160*(frames+n)+80]; got != int16(-1000-n) {
					t.Fatalf("%v, %d frames first: frame %d of the agent holds %d", early, agentFirst, n, got)
				}
			}
			if slices.Max(agent[:160*frames]) != 0 || slices.Min(agent[:160*frames]) != 0 {
				t.Errorf("%v: the agent is heard before the answer", early)
			}
		}
	}
}

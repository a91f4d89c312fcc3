package audio

import "time"

const (
	// PlayoutMin and PlayoutMax bound how much sound a Playout buffers to ride
	// out jitter.
	PlayoutMin = 40 * time.Millisecond
	PlayoutMax = 120 * time.Millisecond
	// playoutRoom is how much it can hold in all; what lies further ahead
	// makes it skip.
	playoutRoom = 500 * time.Millisecond
	// playoutStep is by how much the delay is changed at once.
	playoutStep = 10 * time.Millisecond
	// playoutWindow is how many pulls of 20 ms the least supply is taken over
	// before the delay may shrink: 4 s.
	playoutWindow = 200
	// playoutLate is how many pulls in a row that found nothing but sound whose time had
	// passed make the media time go back to that sound.
	playoutLate = 2
)

// PlayoutStats counts what a Playout did.
type PlayoutStats struct {
	// Underruns is the number of pulls that found too little sound.
	Underruns uint64
	// Late is the number of samples that came after their time.
	Late uint64
	// Shortened is the number of samples left out in silence to shrink the
	// delay.
	Shortened uint64
	// Skipped is the number of samples left out because far too many came.
	Skipped uint64
}

// Playout smooths the arrival of one leg's frames for a human listener. It
// starts with a delay of 40 ms, grows it by what arrival jitter makes it miss,
// up to 120 ms, and shrinks it again in pauses when 4 s went by with sound to
// spare. That also takes up the difference of two clocks. What is missing when
// it is due is concealed: at most three frames, then comfort noise. The sound of a sender
// that stops its clock in pauses comes ever later: it is played from where it is by then.
//
// Frames come from the machine path, in media order or late. It allocates
// nothing per frame and must not be used concurrently.
type Playout struct {
	rate    int
	ring    []int16 // sample of media time t at t & mask
	have    []bool  // whether it was received
	mask    int64
	next    int64 // media time to play next
	newest  int64 // end of what was received
	started bool
	playing bool // false while the delay fills up

	target  int64 // delay aimed at, in samples
	starved int64 // samples by which the present starvation has added delay
	late    bool  // since the last pull sound came, whose time had passed, and no other
	lates   int   // pulls in a row to which that happened
	least   int64 // least supply in the current window
	pulls   int
	over    int64 // samples to leave out in silence

	conceal *Concealer
	lost    bool
	stats   PlayoutStats
}

// NewPlayout returns an empty buffer for sound at rate samples a second.
func NewPlayout(rate int) *Playout {
	size := int64(1)
	for size < Samples(playoutRoom, rate) {
		size *= 2
	}
	return &Playout{
		rate: rate, ring: make([]int16, size), have: make([]bool, size), mask: size - 1,
		target: Samples(PlayoutMin, rate), conceal: NewConcealer(rate),
	}
}

// Stats returns the counters.
func (p *Playout) Stats() PlayoutStats { return p.stats }

// Delay returns the delay that the buffer aims at, PlayoutMin to PlayoutMax.
func (p *Playout) Delay() time.Duration { return Span(p.target, p.rate) }

// Push takes a received frame of the buffer's rate; others are ignored. The
// samples are copied. Missing frames only move the time: the buffer conceals
// what is still missing when it is due.
func (p *Playout) Push(f Frame) {
	if f.Rate != p.rate || len(f.PCM) == 0 {
		return
	}
	end := f.Offset + int64(len(f.PCM))
	if !p.started || end < p.next-8*p.mask || f.Offset > p.newest+8*p.mask {
		p.restart(f.Offset)
	}
	if !f.Missing {
		p.behind(f.Offset, end)
	}
	p.fed(f.Offset)
	p.newest = max(p.newest, end)
	if p.newest-p.next > p.mask {
		p.skip(p.newest - p.next - p.target)
	}
	if f.Missing {
		return
	}
	for i, s := range f.PCM {
		at := f.Offset + int64(i)
		if at < p.next {
			p.stats.Late++
			continue
		}
		p.ring[at&p.mask], p.have[at&p.mask] = s, true
	}
}

// restart begins anew at a media time.
func (p *Playout) restart(at int64) {
	clear(p.have)
	p.started, p.playing = true, false
	p.next, p.newest, p.over, p.starved = at, at, 0, 0
	p.late, p.lates = false, 0
}

// behind notes whether the time of received sound has passed, and goes back to it when
// nothing else came for a while. A burst that was held up ends with sound in time.
func (p *Playout) behind(at, end int64) {
	if end > p.next {
		p.late, p.lates = false, 0
		return
	}
	p.late = at >= p.newest
	if p.late && p.lates >= playoutLate {
		p.restart(at)
	}
}

// fed ends a starvation: by sound that was late, which the delay has to grow
// for, or by the end of a pause, which leaves the delay as it was.
func (p *Playout) fed(at int64) {
	if p.starved == 0 {
		return
	}
	if at > p.newest {
		p.next += p.starved
	} else {
		p.target = min(p.target+p.starved, Samples(PlayoutMax, p.rate))
	}
	p.starved = 0
}

// skip leaves n samples out at once.
func (p *Playout) skip(n int64) {
	for range min(n, p.mask+1) {
		p.have[p.next&p.mask] = false
		p.next++
		p.stats.Skipped++
	}
	p.next += max(n-p.mask-1, 0)
}

// Pull overwrites pcm, one frame, with what is to be played now. Call it at the
// pace of the frames. Before the first frame, and after long silence, it is
// comfort noise. It reports whether pcm holds received sound throughout.
func (p *Playout) Pull(pcm []int16) bool {
	supply := p.newest - p.next
	if !p.playing {
		// Half a frame of grace: pull and push run on clocks of their own.
		if !p.started || supply+int64(len(pcm)/2) < p.target {
			p.conceal.Silence(pcm)
			return false
		}
		p.playing = true
		p.window()
	}
	if supply < int64(len(pcm)) {
		p.starve(pcm)
		return false
	}
	p.watch(supply - int64(len(pcm)))
	whole := p.take(pcm)
	p.shorten(pcm)
	return whole
}

// starve handles a pull that comes before its sound: the media time stands
// still while the delay may grow, so that what is late is still played, and
// then goes on.
func (p *Playout) starve(pcm []int16) {
	p.stats.Underruns++
	p.lost = true
	if p.late {
		p.late = false
		p.lates++
	}
	p.conceal.Lost(pcm)
	p.window()
	if n := int64(len(pcm)); p.target+p.starved+n <= Samples(PlayoutMax, p.rate) {
		p.starved += n
		return
	}
	for range pcm {
		p.have[p.next&p.mask] = false
		p.next++
	}
}

// take moves the next frame out of the ring, concealing it when any part of it
// is missing.
func (p *Playout) take(pcm []int16) bool {
	whole := true
	for i := range pcm {
		at := p.next & p.mask
		pcm[i], whole = p.ring[at], whole && p.have[at]
		p.have[at] = false
		p.next++
	}
	if !whole {
		p.lost = true
		p.conceal.Lost(pcm)
		return false
	}
	if p.lost {
		p.lost = false
		p.conceal.Join(pcm)
	}
	p.conceal.Good(pcm)
	return true
}

// window begins a new window of watching the supply.
func (p *Playout) window() { p.least, p.pulls = 1<<40, 0 }

// watch follows the least supply left after a pull, and plans to shrink the
// delay when for a whole window more was left than the smallest delay leaves.
func (p *Playout) watch(left int64) {
	p.least = min(p.least, left)
	if p.pulls++; p.pulls < playoutWindow {
		return
	}
	step := Samples(playoutStep, p.rate)
	// Of the smallest delay 20 ms are left after a pull of 20 ms.
	if spare := p.least - Samples(PlayoutMin/2, p.rate); spare >= step {
		p.over = min(spare/step, 2) * step
		p.target = max(p.target-p.over, Samples(PlayoutMin, p.rate))
	}
	p.window()
}

// shorten leaves out a step of sound after a quiet frame, as planned.
func (p *Playout) shorten(pcm []int16) {
	step := Samples(playoutStep, p.rate)
	if p.over < step || p.newest-p.next < step || RMS(pcm) > quietLevel {
		return
	}
	for range step {
		p.have[p.next&p.mask] = false
		p.next++
	}
	p.over -= step
	p.stats.Shortened += uint64(step)
}

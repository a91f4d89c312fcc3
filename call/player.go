package call

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/telephony"
)

// utterance is the sound of one Say.
type utterance struct {
	id      uint64
	pcm     []int16
	done    bool // no more sound will come
	pos     int  // samples sent
	audible bool // its first frame was sent
}

// Player is a call's playout queue. The synthesiser appends, the session pauses,
// resumes and stops, the Wheel takes a frame each 20 ms. It is safe for
// concurrent use and allocates nothing per frame.
type Player struct {
	leg    telephony.Leg
	rate   int
	record func(pcm []int16) // takes the agent's pure sound of every frame sent; may be nil
	sent   *monitor          // learns of every frame; may be nil
	post   func(any)

	mu     sync.Mutex
	queue  []*utterance
	paused bool
	fade   bool
	echo   []int16
	frame  []int16
	noise  *audio.ComfortNoise
	gone   bool
	leaves int // the leg's sample rate, when it is no longer rate
	adapt  adapter
}

// newPlayer returns a Player for leg. record, which may be nil, is given the
// agent's pure sound of every frame sent; post takes inputs for the machine.
func newPlayer(leg telephony.Leg, comfort bool, record func([]int16), post func(any)) *Player {
	rate := leg.Info().Rate
	p := &Player{leg: leg, rate: rate, leaves: rate, record: record, post: post, frame: make([]int16, rate/50)}
	if comfort {
		p.noise = audio.NewComfortNoise(1)
	}
	return p
}

// tick sends the next frame. The Wheel calls it each 20 ms.
func (p *Player) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.survive()
	if p.gone {
		return
	}
	n := p.fill()
	if p.record != nil {
		p.record(p.frame)
	}
	if p.sent != nil {
		p.sent.add(p.frame, n > 0)
	}
	if n == 0 && p.noise != nil {
		p.noise.Fill(p.frame)
	}
	_ = p.leg.Send(p.adapt.apply(audio.Frame{PCM: p.frame, Rate: p.rate}, p.leaves)) // a dropped frame is the leg's to count
}

// follow sends at the rate that the leg changed to.
func (p *Player) follow(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaves = rate
}

// survive keeps a panic in a turn, the leg's or the recorder's, from the other
// calls on the Wheel: this one ends. The caller holds mu.
func (p *Player) survive() {
	if v := recover(); v != nil {
		p.gone = true
		p.post(broken{fmt.Errorf("panic while sending: %v", v), debug.Stack()})
	}
}

// fill puts the next 20 ms into the frame and returns how many samples of it
// are the agent's.
func (p *Player) fill() int {
	clear(p.frame)
	if len(p.echo) >= len(p.frame) {
		n := copy(p.frame, p.echo)
		p.echo = p.echo[:copy(p.echo, p.echo[n:])]
		return n
	}
	n := 0
	for !p.paused && len(p.queue) > 0 && n < len(p.frame) {
		u := p.queue[0]
		k := copy(p.frame[n:], u.pcm[u.pos:])
		if k > 0 && !u.audible {
			u.audible = true
			p.post(conversation.Audible{Utt: u.id})
		}
		u.pos += k
		n += k
		if u.pos < len(u.pcm) || !u.done {
			break
		}
		p.queue[0] = nil
		p.queue = p.queue[1:]
		p.post(conversation.Played{Utt: u.id})
	}
	if p.fade && n > 0 {
		audio.FadeIn(p.frame[:n], n)
		p.fade = false
	}
	return n
}

// begin queues an utterance without sound yet.
func (p *Player) begin(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, &utterance{id: id})
}

// add appends sound to a queued utterance; it reports false when the utterance
// was dropped.
func (p *Player) add(id uint64, pcm []int16, done bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.queue {
		if u.id == id {
			u.pcm = append(u.pcm, pcm...)
			u.done = u.done || done
			return true
		}
	}
	return false
}

// drop removes an utterance that got no sound; what was queued of it is lost.
func (p *Player) drop(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, u := range p.queue {
		if u.id == id {
			p.queue = append(p.queue[:i], p.queue[i+1:]...)
			return
		}
	}
}

// pause stops sending at once and tells what was heard.
func (p *Player) pause() conversation.Stopped {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
	return p.position()
}

// resume goes on with utterance id at position at.
func (p *Player) resume(id uint64, at time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
	p.fade = true
	if len(p.queue) > 0 && p.queue[0].id == id {
		u := p.queue[0]
		u.pos = max(0, min(int(audio.Samples(at, p.rate)), len(u.pcm)))
	}
}

// stop drops everything and tells what was heard.
func (p *Player) stop() conversation.Stopped {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.position()
	p.queue, p.paused = nil, false
	return s
}

// position tells which utterance is under way and how much of it was sent. The
// caller holds mu.
func (p *Player) position() conversation.Stopped {
	if len(p.queue) == 0 || p.queue[0].pos == 0 {
		return conversation.Stopped{}
	}
	u := p.queue[0]
	return conversation.Stopped{Utt: u.id, At: audio.Span(int64(u.pos), p.rate)}
}

// echoBack queues received sound for playing, at most 200 ms of it.
func (p *Player) echoBack(pcm []int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.echo)+len(pcm) <= p.rate/5 {
		p.echo = append(p.echo, pcm...)
	}
}

// close makes every later tick a no-op.
func (p *Player) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone, p.queue = true, nil
}

package call

import (
	"fmt"
	"runtime/debug"
	"slices"
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
	done    bool    // no more sound will come
	pos     int     // samples sent
	heard   int     // samples the far end is known to have heard
	ends    []int64 // where its words end, in samples, as far as not yet sent
	audible bool    // its first frame was sent
}

// flight says that an utterance was heard up to a sample once a mark returns.
type flight struct {
	mark, utt uint64
	at        int
}

// Player is what a party hears: the queue of what the agent says and, between, the
// party that is joined. The synthesiser appends, the session pauses, resumes and
// stops, the Wheel takes a frame each 20 ms. It is safe for
// concurrent use and allocates nothing per frame.
type Player struct {
	leg    telephony.Leg
	rate   int
	record func(pcm []int16, slot time.Time) // takes the agent's pure sound of every slot; may be nil
	sent   *monitor                          // learns of every frame; may be nil
	post   func(any)

	mu     sync.Mutex
	queue  []*utterance // what the far end has not heard to its end
	paused bool
	// On legs with lead sound is sent ahead of its time, and counts as heard
	// when its mark returns. Without, what was sent was heard.
	lead     int64   // frames
	due, out int64   // frames whose time has come, and that were sent
	early    []int16 // pure sound that was sent and is not due
	flying   []flight
	mark     uint64 // of the next frame that has one
	unmarked int    // frames with sound since the last mark
	fade     bool
	other    *audio.Playout // what another party says; nil: nobody is joined
	music    *melody        // played while nobody is joined; nil: nothing is
	silence  []int16        // recorded in place of what is played; nil: that itself is
	frame    []int16
	noise    *audio.ComfortNoise
	gone     bool
	leaves   int // the leg's sample rate, when it is no longer rate
	adapt    adapter
}

// newPlayer returns a Player for leg; post takes inputs for the machine.
func newPlayer(leg telephony.Leg, comfort bool, post func(any)) *Player {
	rate := leg.Info().Rate
	p := &Player{leg: leg, rate: rate, mark: 1, leaves: rate, lead: int64(leg.Info().Lead / audio.FrameDuration), post: post, frame: make([]int16, rate/50)}
	if comfort {
		p.noise = audio.NewComfortNoise(1)
	}
	return p
}

// tick sends the frame of a slot, and on a leg with lead those that may be sent
// already. The Wheel calls it each 20 ms.
func (p *Player) tick(slot time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.endOnPanic()
	if p.gone {
		return
	}
	p.due++
	for p.out < p.due || p.out < p.due+p.lead && p.ready() {
		p.out++
		p.next(slot)
	}
	if p.lead == 0 {
		return
	}
	if n := copy(p.frame, p.early); n > 0 {
		p.early = p.early[:copy(p.early, p.early[n:])]
		p.note(p.frame, peak(p.frame), slot)
	}
}

// next sends one frame. The caller holds mu.
func (p *Player) next(slot time.Time) {
	n := p.fill()
	if p.lead == 0 {
		p.note(p.frame, n > 0, slot)
	} else {
		p.early = append(p.early, p.frame...)
	}
	if n == 0 && p.noise != nil {
		p.noise.Fill(p.frame)
	}
	f := p.adapt.apply(audio.Frame{PCM: p.frame, Rate: p.rate}, p.leaves)
	if k := len(p.flying); k > 0 && p.flying[k-1].mark == p.mark {
		f.Mark, p.unmarked = p.mark, 0
		p.mark++
	}
	_ = p.leg.Send(f) // a dropped frame is the leg's to count
}

// note tells the recorder and the detector what is played in a slot.
func (p *Player) note(frame []int16, sound bool, slot time.Time) {
	switch {
	case p.record == nil:
	case p.silence != nil:
		p.record(p.silence, slot)
	default:
		p.record(frame, slot)
	}
	if p.sent != nil {
		p.sent.add(frame, sound)
	}
}

// peak reports whether a frame holds more than digital silence.
func peak(frame []int16) bool {
	for _, s := range frame {
		if s != 0 {
			return true
		}
	}
	return false
}

// ready reports whether there is a whole frame of sound to send before its time.
func (p *Player) ready() bool {
	n := 0
	for i := 0; !p.paused && i < len(p.queue) && n < len(p.frame); i++ {
		u := p.queue[i]
		n += len(u.pcm) - u.pos
		if !u.done {
			break
		}
	}
	return n >= len(p.frame)
}

// follow sends at the rate that the leg changed to.
func (p *Player) follow(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaves = rate
}

// endOnPanic keeps a panic in a turn, the leg's or the recorder's, from the other
// calls on the Wheel: this one ends. The caller holds mu.
func (p *Player) endOnPanic() {
	if v := recover(); v != nil {
		p.gone = true
		p.post(broken{fmt.Errorf("panic while sending: %v", v), debug.Stack()})
	}
}

// fill puts the next 20 ms into the frame and returns how many samples of it
// are sound: the agent's, else those of the party that is joined, else music.
func (p *Player) fill() int {
	clear(p.frame)
	switch {
	case p.other != nil:
		p.other.Pull(p.frame)
	case p.music != nil:
		p.music.fill(p.frame)
	default:
		return p.speak()
	}
	p.speak()
	return len(p.frame)
}

// speak puts the next of what the agent says at the beginning of the frame and
// returns how many samples it is.
func (p *Player) speak() int {
	n := 0
	for i := 0; !p.paused && i < len(p.queue) && n < len(p.frame); {
		u := p.queue[i]
		k := copy(p.frame[n:], u.pcm[u.pos:])
		if k > 0 && !u.audible {
			u.audible = true
			p.post(conversation.Audible{Utt: u.id})
		}
		u.pos += k
		n += k
		if p.lead == 0 {
			u.heard = u.pos
		} else if k > 0 {
			p.fly(u)
		}
		if u.pos < len(u.pcm) || !u.done {
			break
		}
		if !p.retire() {
			i++
		}
	}
	if p.fade && n > 0 {
		audio.FadeIn(p.frame[:n], n)
		p.fade = false
	}
	return n
}

// markEvery is the most frames with sound between two marks.
const markEvery = 5

// fly asks for a mark behind the frame being filled when a word of u ends in
// it, when u itself does, or when the last one was long ago.
func (p *Player) fly(u *utterance) {
	p.unmarked++
	word := u.done && u.pos == len(u.pcm)
	for len(u.ends) > 0 && u.ends[0] <= int64(u.pos) {
		u.ends, word = u.ends[1:], true
	}
	if word || p.unmarked >= markEvery {
		p.flying = append(p.flying, flight{p.mark, u.id, u.pos})
	}
}

// retire takes the first utterance from the queue when all of it was heard.
func (p *Player) retire() bool {
	if len(p.queue) == 0 || !p.queue[0].done || p.queue[0].heard < len(p.queue[0].pcm) {
		return false
	}
	id := p.queue[0].id
	p.queue[0] = nil
	p.queue = p.queue[1:]
	p.post(conversation.Played{Utt: id})
	return true
}

// played notes that a mark came back.
func (p *Player) played(mark uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.flying) > 0 && p.flying[0].mark <= mark {
		f := p.flying[0]
		p.flying = p.flying[:copy(p.flying, p.flying[1:])]
		for _, u := range p.queue {
			if u.id == f.utt {
				u.heard = max(u.heard, f.at)
				u.pos = max(u.pos, u.heard)
			}
		}
	}
	stopped := p.position()
	for p.retire() {
	}
	if p.paused {
		p.post(stopped) // what was on its way to the far end was heard too
	}
}

// begin queues an utterance without sound yet.
func (p *Player) begin(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, &utterance{id: id})
}

// insert queues an utterance without sound before another that has none either;
// it reports false when that has, or is gone.
func (p *Player) insert(id, ahead uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.queue, func(u *utterance) bool { return u.id == ahead })
	if i < 0 || len(p.queue[i].pcm) > 0 {
		return false
	}
	p.queue = slices.Insert(p.queue, i, &utterance{id: id})
	return true
}

// add appends sound to a queued utterance, in which words end at the given
// samples of the utterance; it reports false when the utterance was dropped.
func (p *Player) add(id uint64, pcm []int16, done bool, ends ...int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.queue {
		if u.id == id {
			u.pcm = append(u.pcm, pcm...)
			u.done = u.done || done
			if p.lead > 0 {
				u.ends = append(u.ends, ends...)
			}
			if p.lead > 0 && done && u.pos == len(u.pcm) {
				p.flying = append(p.flying, flight{p.mark, u.id, u.pos}) // all was sent before: silence carries the mark
			}
			return true
		}
	}
	return false
}

// cut drops what is queued of an utterance behind a sample, unless it was sent
// already, and returns how many samples are left.
func (p *Player) cut(id uint64, at int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.queue {
		if u.id != id {
			continue
		}
		if keep := max(u.pos, int(at)); keep < len(u.pcm) {
			u.pcm = u.pcm[:keep]
		}
		u.ends = slices.DeleteFunc(u.ends, func(end int64) bool { return end > int64(len(u.pcm)) })
		return int64(len(u.pcm))
	}
	return at
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
	p.clear()
	return p.position()
}

// clear takes back what was sent ahead: the session clears the leg.
func (p *Player) clear() {
	if p.lead == 0 {
		return
	}
	p.out, p.early = p.due, p.early[:0]
	for _, u := range p.queue {
		u.pos = u.heard
	}
}

// resume goes on with utterance id at position at.
func (p *Player) resume(id uint64, at time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
	p.fade = true
	p.flying = p.flying[:0] // was heard up to here
	if len(p.queue) > 0 && p.queue[0].id == id {
		u := p.queue[0]
		u.pos = max(0, min(int(audio.Samples(at, p.rate)), len(u.pcm)))
		u.heard = u.pos
	}
}

// stop drops everything and tells what was heard.
func (p *Player) stop() conversation.Stopped {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	s := p.position()
	p.queue, p.paused, p.flying = nil, false, p.flying[:0]
	return s
}

// position tells which utterance is under way and how much of it was surely
// heard. The caller holds mu.
func (p *Player) position() conversation.Stopped {
	if len(p.queue) == 0 || !p.queue[0].audible {
		return conversation.Stopped{}
	}
	u := p.queue[0]
	return conversation.Stopped{Utt: u.id, At: audio.Span(int64(u.heard), p.rate)}
}

// listen makes the player play what hear is given while the agent is silent.
func (p *Player) listen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.other = audio.NewPlayout(p.rate)
}

// hear takes a frame of the party that is joined, at the player's rate.
func (p *Player) hear(f audio.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.other != nil {
		p.other.Push(f)
	}
}

// play lets the party hear m while nothing is said and nobody is joined; nil ends it.
func (p *Player) play(m *melody) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.music = m
}

// handOver drops what the agent has to say: from now on somebody else speaks, who is recorded
// or not.
func (p *Player) handOver(recorded bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue, p.paused, p.flying, p.music = nil, false, p.flying[:0], nil
	p.sent = nil // nobody needs to know what comes back of it
	if !recorded {
		p.silence = make([]int16, len(p.frame))
	}
}

// close makes every later tick a no-op.
func (p *Player) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone, p.queue = true, nil
}

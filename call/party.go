package call

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/telephony"
)

// party is one side of a call: its leg, what is made of the sound that comes
// from there, and the player of what is sent there. A session has one party;
// a bridge joins two.
type party struct {
	leg      telephony.Leg
	player   *Player
	detector *detector // nil: nobody needs the edges of speech
	inbox    *inbox    // of the session
	clock    Clock
	start    time.Time // zero of the recorder's time; unset without one
	log      *slog.Logger
	rec      Recorder // nil: the call is not recorded

	second bool        // it is not the caller
	deaf   atomic.Bool // nobody needs to know when it speaks
	remove func()      // gives back its turns; nil before it has some

	sink  atomic.Pointer[sink]
	adapt adapter            // of received frames; the reader's
	ended chan struct{}      // closed by the reader when the leg is over
	drop  context.CancelFunc // ends the reader although the leg is not over
	// quiet: both directions are recorded as silence; silence is the reader's.
	quiet   atomic.Bool
	silence blank
}

// sink takes the sound of a party, on its reader's goroutine. The samples are
// the caller's; a frame may be marked Missing.
type sink interface {
	take(f audio.Frame)
}

// connect sends the party's sound to s from now on.
func (p *party) connect(s sink) { p.sink.Store(&s) }

// join lets two parties hear each other. A party that is joined to itself hears
// its own sound.
func join(a, b *party) {
	a.connect(b.listen())
	if a != b {
		b.connect(a.listen())
	}
}

// listen returns a sink whose sound the party hears.
func (p *party) listen() sink {
	p.player.listen()
	return &earpiece{player: p.player}
}

// earpiece is a sink that a person listens to. The player's buffer rides out
// jitter and conceals what is missing.
type earpiece struct {
	player *Player
	adapt  adapter
}

func (e *earpiece) take(f audio.Frame) { e.player.hear(e.adapt.apply(f, e.player.rate)) }

// read runs the leg's receive loop on this goroutine: sound goes to the
// recorder, the detector and the sink, everything else to the inbox. A panic on
// the way ends the call.
func (p *party) read(ctx context.Context) {
	defer close(p.ended)
	last := telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseFailure}
	if err := p.receive(ctx, &last); err != nil {
		p.inbox.postUrgent(broken{err: err})
	}
	p.tell(legEnded{last})
}

// tell lets the session know what happened on the leg.
func (p *party) tell(v any) {
	if p.second {
		v = ofOther{v}
	}
	p.inbox.postUrgent(v)
}

// receive takes the leg's events until the last one.
func (p *party) receive(ctx context.Context, last *telephony.Event) (err error) {
	defer caught(p.log, "leg", &err)
	flowing := false
	for ev := range p.leg.Events(ctx) {
		switch ev.Kind {
		case telephony.KindAudio:
			if !flowing && !p.second {
				flowing = true
				p.inbox.post(conversation.MediaStarted{})
			}
			p.sound(ev)
		case telephony.KindDialogChanged:
			p.inbox.postUrgent(moved{})
		case telephony.KindFormatChanged:
			p.player.follow(p.leg.Info().Rate)
		case telephony.KindPlayed:
			p.player.played(ev.Mark)
		case telephony.KindDigit:
			p.tell(conversation.Digit{Key: ev.Digit})
		case telephony.KindHeld:
			p.tell(conversation.Held{})
		case telephony.KindResumed:
			p.tell(conversation.Unheld{})
		case telephony.KindEnded:
			*last = ev
		}
	}
	return nil
}

// sound handles one received frame; it allocates only when an edge is posted.
func (p *party) sound(ev telephony.Event) {
	f := p.adapt.apply(ev.Audio, p.player.rate)
	if p.rec != nil {
		back := f
		back.Offset -= audio.Samples(ev.Behind, f.Rate)
		if p.quiet.Load() {
			back.PCM = p.silence.of(len(f.PCM))
		}
		p.rec.Caller(back, p.arrival(ev))
	}
	if p.detector != nil && !p.deaf.Load() {
		p.detector.hear(f)
	}
	if s := p.sink.Load(); s != nil {
		(*s).take(f)
	}
}

// arrival is when a frame came, in the recorder's time.
func (p *party) arrival(ev telephony.Event) time.Duration {
	if ev.Arrived.IsZero() {
		return p.clock.Now().Sub(p.start)
	}
	return ev.Arrived.Sub(p.start)
}

// recordTo records both directions of the party from now on, and from where its sound
// began that came before the answer and is delivered.
func (p *party) recordTo(rec Recorder) {
	start := p.clock.Now()
	if heard := p.leg.Info().Heard; !heard.IsZero() && heard.Before(start) {
		rec.Expect(start.Sub(heard))
		start = heard
	}
	p.recordFrom(rec, start)
}

// recordFrom records both directions from now on, in a recording that began at start.
func (p *party) recordFrom(rec Recorder, start time.Time) {
	p.rec, p.start = rec, start
	var silence blank
	p.player.record = func(pcm []int16, slot time.Time) {
		if p.quiet.Load() {
			pcm = silence.of(len(pcm))
		}
		rec.Agent(pcm, slot.Sub(p.start))
	}
}

// recognised is the sink that gives a party's sound to a recogniser: lost
// frames are concealed, and silence takes the place of our own echo.
type recognised struct {
	detector *detector // nil: everything is the party's own sound
	conceal  *audio.Concealer
	sieve    sieve
	write    func(audio.Frame)
	lost     bool // the last frame was missing
	buf      []int16
}

func (r *recognised) take(f audio.Frame) {
	if f.Missing || r.lost {
		r.buf = append(r.buf[:0], f.PCM...)
		f.PCM = r.buf
	}
	switch {
	case f.Missing:
		r.conceal.Lost(f.PCM)
	default:
		r.conceal.Join(f.PCM)
		r.conceal.Good(f.PCM)
	}
	r.lost = f.Missing
	own, speech := false, false
	if r.detector != nil {
		own, speech = r.detector.own && !f.Missing, r.detector.speech
	}
	r.sieve.pass(f, own, speech, r.write)
}

package telephonytest

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// MemoryConfig says what a MemoryLeg is. The zero value is an inbound PCMU leg
// on a perfect line.
type MemoryConfig struct {
	// ID, From, To, Trunk and Headers are what Info returns. An empty ID
	// becomes "memory".
	ID, From, To, Trunk string
	// Headers is not copied: do not change it after the leg exists.
	Headers map[string]string
	// Variables, Attestation and Parts are what Info returns.
	Variables, Attestation map[string]string
	Parts                  []telephony.Part
	// Codec is PCMU, PCMA or G722; empty means PCMU.
	Codec string
	// Rate is the sample rate both ways; 0 means 16000 for G722, else 8000.
	Rate int
	// Lead is how much sound may be sent ahead; 0 as on RTP.
	Lead time.Duration
	// Transit is how long what is sent, a Clear, and a mark that returns travel,
	// each.
	Transit time.Duration
	// Outbound says that the leg is answered from the beginning, as the ones
	// that Dial returns are.
	Outbound bool
	// Suppress says that the far end sends nothing while it does not speak,
	// instead of silent frames.
	Suppress bool
	// Transfer is what the far end does when it is asked to go on with somebody else;
	// nil refuses with 603. Without an error the leg ends.
	Transfer func(context.Context, telephony.TransferRequest) error
	// Network is the line from the far end to the leg.
	Network Network
}

// HeardFrame is a frame that the far end heard.
type HeardFrame struct {
	// At is when its first sample was played.
	At time.Time
	// PCM holds the samples; they belong to the receiver.
	PCM []int16
	// Rate is their sample rate.
	Rate int
}

// MemoryLeg is a telephony.Leg whose other end is a Far. Create it with
// NewMemoryLeg. It starts no goroutine: Events runs everything.
type MemoryLeg struct {
	info     telephony.Info
	suppress bool
	transit  time.Duration
	transfer func(context.Context, telephony.TransferRequest) error
	wake     chan struct{}
	answered chan struct{}
	gone     chan struct{}

	mu       sync.Mutex
	line     *line
	control  []telephony.Event
	digits   []timedEvent
	speech   []int16
	spoken   chan struct{}
	heard    []HeardFrame
	marks    []timedEvent
	newSound chan struct{}
	playEnd  time.Time
	headers  map[string]string // of our hang-up
	accepted bool
	held     bool
	stalled  bool
	over     bool
	ended    telephony.Event
	refusal  telephony.Refusal
}

// timedEvent is an event that is due at a time.
type timedEvent struct {
	at time.Time
	ev telephony.Event
}

// NewMemoryLeg returns a leg and its far end. Inside a synctest bubble it must
// be called in the bubble.
func NewMemoryLeg(c MemoryConfig) (*MemoryLeg, *Far) {
	if c.ID == "" {
		c.ID = "memory"
	}
	if c.Codec == "" {
		c.Codec = "PCMU"
	}
	if c.Rate == 0 {
		c.Rate = 8000
		if c.Codec == "G722" {
			c.Rate = 16000
		}
	}
	l := &MemoryLeg{
		info: telephony.Info{ID: c.ID, From: c.From, To: c.To, Trunk: c.Trunk, Source: "memory",
			Codec: c.Codec, Rate: c.Rate, Lead: c.Lead, Headers: c.Headers, Variables: c.Variables, Attestation: c.Attestation, Parts: c.Parts},
		suppress: c.Suppress,
		transit:  c.Transit,
		transfer: c.Transfer,
		wake:     make(chan struct{}, 1),
		answered: make(chan struct{}),
		gone:     make(chan struct{}),
		newSound: make(chan struct{}),
		line:     newLine(c.Network),
	}
	if c.Outbound {
		l.accepted = true
		close(l.answered)
	}
	return l, &Far{leg: l}
}

// Info implements telephony.Leg.
func (l *MemoryLeg) Info() telephony.Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.info
}

// Accept implements telephony.Leg.
func (l *MemoryLeg) Accept(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return telephony.ErrGone
	}
	if l.accepted {
		return errors.New("accept a second time")
	}
	l.accepted = true
	close(l.answered)
	l.poke()
	return nil
}

// Send implements telephony.Leg: the far end hears the frame now, or after what
// was sent ahead.
func (l *MemoryLeg) Send(f audio.Frame) error {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over:
		return telephony.ErrGone
	case !l.accepted:
		return errors.New("send before accept")
	case f.Duration() > 60*time.Millisecond:
		return errors.New("send " + f.Duration().String() + " in one frame")
	case f.Rate != l.info.Rate:
		return errors.New("send at " + strconv.Itoa(f.Rate) + " samples a second")
	case l.stalled:
		return telephony.ErrSlow
	}
	start := now.Add(l.transit)
	if l.playEnd.After(start) {
		start = l.playEnd
	}
	l.playEnd = start.Add(f.Duration())
	l.heard = append(l.heard, HeardFrame{At: start, PCM: append([]int16(nil), f.PCM...), Rate: f.Rate})
	if f.Mark != 0 {
		l.marks = append(l.marks, timedEvent{l.playEnd.Add(l.transit), telephony.Event{Kind: telephony.KindPlayed, Mark: f.Mark}})
		l.poke()
	}
	close(l.newSound)
	l.newSound = make(chan struct{})
	return nil
}

// Clear implements telephony.Leg: frames that have not begun to play are
// dropped with their marks. Without lead it does nothing.
func (l *MemoryLeg) Clear() error {
	arrives := time.Now().Add(l.transit)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return telephony.ErrGone
	}
	if l.info.Lead == 0 {
		return nil
	}
	for len(l.heard) > 0 && l.heard[len(l.heard)-1].At.After(arrives) {
		l.playEnd = l.heard[len(l.heard)-1].At
		l.heard = l.heard[:len(l.heard)-1]
	}
	for len(l.marks) > 0 && l.marks[len(l.marks)-1].at.After(l.playEnd.Add(l.transit)) {
		l.marks = l.marks[:len(l.marks)-1]
	}
	return nil
}

// Hangup implements telephony.Leg.
func (l *MemoryLeg) Hangup(_ context.Context, cause telephony.Cause) error {
	l.end(telephony.Event{Kind: telephony.KindEnded, Cause: cause}, telephony.Refusal{Cause: cause})
	return nil
}

// Refuse hangs up like Hangup and stores the reason for Far.Refusal.
func (l *MemoryLeg) Refuse(_ context.Context, r telephony.Refusal) error {
	l.end(telephony.Event{Kind: telephony.KindEnded, Cause: r.Cause}, r)
	return nil
}

// SetHeaders implements telephony.HeaderSetter.
func (l *MemoryLeg) SetHeaders(headers map[string]string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.headers = headers
	}
	return nil
}

// Transfer implements telephony.Transferer.
func (l *MemoryLeg) Transfer(ctx context.Context, req telephony.TransferRequest) error {
	l.mu.Lock()
	live := l.accepted && !l.over
	l.mu.Unlock()
	switch {
	case !live:
		return telephony.ErrGone
	case l.transfer == nil:
		return &telephony.TransferError{Status: 603}
	}
	if err := l.transfer(ctx, req); err != nil {
		return err
	}
	return l.Hangup(ctx, telephony.CauseNormal)
}

// SendDigits implements telephony.DigitSender: the far end collects them for
// Far.Digits; 100 ms a digit, w pauses 500 ms.
func (l *MemoryLeg) SendDigits(ctx context.Context, digits string) error {
	for _, d := range digits {
		length := 100 * time.Millisecond
		if d == 'w' {
			length = 500 * time.Millisecond
		}
		wait := time.NewTimer(length)
		select {
		case <-wait.C:
		case <-l.gone:
			wait.Stop()
			return telephony.ErrGone
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
		if d != 'w' {
			l.mu.Lock()
			l.digits = append(l.digits, timedEvent{time.Now(), telephony.Event{Digit: d}})
			l.mu.Unlock()
		}
	}
	return nil
}

// end ends the call once; later calls change nothing.
func (l *MemoryLeg) end(ev telephony.Event, r telephony.Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	l.ended = ev
	if !l.accepted {
		l.refusal = r
	}
	close(l.gone)
	l.poke()
}

// poke wakes Events; l.mu need not be held.
func (l *MemoryLeg) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Events implements telephony.Leg.
func (l *MemoryLeg) Events(ctx context.Context) iter.Seq[telephony.Event] {
	return func(yield func(telephony.Event) bool) {
		run := receiver{leg: l, timer: time.NewTimer(time.Hour)}
		defer run.timer.Stop()
		for {
			ev, ok := run.next(ctx)
			if !ok || !yield(ev) || ev.Kind == telephony.KindEnded {
				return
			}
		}
	}
}
